//! Whatever devices do, and whatever they are brought when: they end agreed, and nothing is lost.

use std::collections::BTreeSet;

use byway_chat::device::DeviceKey;
use byway_chat::mls::{Change, ChangeError, KeptPackage, Made, Received, Refused, Roles, Summary};
use proptest::prelude::*;

use crate::world::{Side, assert_agreed, id, room_with};

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Seal {
        side: usize,
    },
    Update {
        side: usize,
    },
    /// The next frame that a side was not brought yet, or some frame again.
    Bring {
        side: usize,
        which: usize,
    },
    Restart {
        side: usize,
    },
    /// A side does something, and its machine stops before it is written down; it is not sent either.
    Crash {
        side: usize,
    },
}

const SIDES: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let side = 0..SIDES;
    prop_oneof![
        3 => side.clone().prop_map(|side| Step::Seal { side }),
        1 => side.clone().prop_map(|side| Step::Update { side }),
        6 => (side.clone(), 0..64usize).prop_map(|(side, which)| Step::Bring { side, which }),
        1 => side.clone().prop_map(|side| Step::Restart { side }),
        1 => side.prop_map(|side| Step::Crash { side }),
    ]
}

/// All that was sent, and what came of it.
struct Run {
    sides: Vec<Side>,
    frames: Vec<Vec<u8>>,
    /// Contents by number: who sealed it.
    sealed: Vec<usize>,
    read: Vec<Vec<u32>>,
    updates: usize,
}

/// Commits that one run makes: no more than epochs that are kept, so that nothing is too old.
const UPDATES_MAX: usize = 7;

impl Run {
    fn new() -> Self {
        let mut roles = Roles::group(id(0));
        roles.admins.insert(id(1));
        let sides = room_with(SIDES as u32, &roles);
        Self { sides, frames: Vec::new(), sealed: Vec::new(), read: vec![Vec::new(); SIDES], updates: 0 }
    }

    fn bring(&mut self, side: usize, which: usize) -> bool {
        match self.sides[side].receive(&self.frames[which]) {
            Ok(Received::Content(content)) => {
                self.read[side].push(u32::from_be_bytes(content.content.try_into().unwrap()));
                true
            }
            Ok(Received::Changed(_) | Received::Outranked(_)) => true,
            Ok(Received::Known | Received::Early(_)) => false,
            other => panic!("{other:?}"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Seal { side } => {
                let number = (self.sealed.len() as u32).to_be_bytes();
                self.sealed.push(side);
                self.frames.push(self.sides[side].seal(&number).bytes);
            }
            Step::Update { side } if self.updates < UPDATES_MAX => {
                self.updates += 1;
                self.frames.push(self.sides[side].update().commit);
            }
            Step::Update { .. } => {}
            Step::Bring { side, which } => {
                if !self.frames.is_empty() {
                    self.bring(side, which % self.frames.len());
                }
            }
            Step::Restart { side } => self.sides[side].restart(),
            Step::Crash { side } => {
                let store = self.sides[side].store.clone();
                self.sides[side].seal(b"never sent");
                self.sides[side].try_change(&Change::default()).unwrap();
                self.sides[side].store = store;
                self.sides[side].restart();
            }
        }
    }

    /// Brings everything to everyone, until nothing helps any more.
    fn finish(&mut self) {
        let mut has_helped = true;
        while has_helped {
            has_helped = false;
            for side in 0..SIDES {
                for which in 0..self.frames.len() {
                    has_helped |= self.bring(side, which);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn all_end_agreed_and_read_everything_once(steps in proptest::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        steps.iter().for_each(|step| run.step(step));
        run.finish();
        assert_agreed(&run.sides);
        for side in 0..SIDES {
            let expected: BTreeSet<u32> =
                (0..run.sealed.len()).filter(|number| run.sealed[*number] != side).map(|number| number as u32).collect();
            prop_assert_eq!(run.read[side].len(), expected.len(), "each once");
            prop_assert_eq!(run.read[side].iter().copied().collect::<BTreeSet<_>>(), expected);
        }
        run.sides.iter_mut().for_each(Side::restart);
        assert_agreed(&run.sides);
    }
}

/// What happens next in a room whose people change.
#[derive(Debug, Clone)]
enum Move {
    Update {
        side: usize,
    },
    /// By the founder or the admin.
    Remove {
        by: usize,
        whom: usize,
    },
    Add {
        by: usize,
        newcomer: usize,
    },
    Leave {
        side: usize,
    },
    Bring {
        side: usize,
        which: usize,
    },
}

/// People at the beginning, and those who may be added.
const FIRST: usize = 5;
const NEWCOMERS: usize = 2;

fn moves() -> impl Strategy<Value = Move> {
    let side = 0..FIRST;
    prop_oneof![
        2 => side.clone().prop_map(|side| Move::Update { side }),
        1 => (0..2usize, 1..FIRST).prop_map(|(by, whom)| Move::Remove { by, whom }),
        1 => (0..2usize, 0..NEWCOMERS).prop_map(|(by, newcomer)| Move::Add { by, newcomer }),
        1 => (1..FIRST).prop_map(|side| Move::Leave { side }),
        6 => (side, 0..64usize).prop_map(|(side, which)| Move::Bring { side, which }),
    ]
}

/// A welcome, for whom, and with which package.
struct Invited {
    newcomer: usize,
    made: Made,
    kept: KeptPackage,
}

struct Changing {
    sides: Vec<Side>,
    newcomers: Vec<Side>,
    frames: Vec<Vec<u8>>,
    invited: Vec<Invited>,
    commits: usize,
    /// Those who were brought a commit that removes them, on whatever line.
    told: BTreeSet<DeviceKey>,
}

impl Changing {
    fn new() -> Self {
        let mut roles = Roles::group(id(0));
        roles.admins.insert(id(1));
        let newcomers = (0..NEWCOMERS).map(|number| Side::new(100 + number as u32, 0)).collect();
        let sides = room_with(FIRST as u32, &roles);
        Self { sides, newcomers, frames: Vec::new(), invited: Vec::new(), commits: 0, told: BTreeSet::new() }
    }

    /// A change, if it can be made from what the side knows.
    fn change(&mut self, side: usize, change: &Change) -> Option<Made> {
        if self.commits == UPDATES_MAX {
            return None;
        }
        match self.sides[side].try_change(change) {
            Ok(made) => {
                self.commits += 1;
                self.frames.push(made.commit.clone());
                Some(made)
            }
            Err(
                ChangeError::NotMember
                | ChangeError::Leaving
                | ChangeError::UnknownDevice
                | ChangeError::Forbidden(_)
                | ChangeError::Mls(_),
            ) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn step(&mut self, step: &Move) {
        match *step {
            Move::Update { side } => drop(self.change(side, &Change::default())),
            Move::Remove { by, whom } => {
                let remove = vec![self.sides[whom].device.secret.key()];
                self.change(by, &Change { remove, ..Change::default() });
            }
            Move::Add { by, newcomer } => {
                let (package, kept) = self.newcomers[newcomer].package();
                if let Some(made) = self.change(by, &Change { add: vec![package], ..Change::default() }) {
                    self.invited.push(Invited { newcomer, made, kept });
                }
            }
            Move::Leave { side } => {
                if let Ok(frame) = self.sides[side].try_leave() {
                    self.frames.push(frame);
                }
            }
            Move::Bring { side, which } => {
                if !self.frames.is_empty() {
                    bring(&mut self.sides[side], &self.frames[which % self.frames.len()], &mut self.told);
                }
            }
        }
    }

    /// Whoever was added on the line that the founder follows comes in by that, and is brought what there is.
    fn finish(&mut self) {
        self.sides.iter_mut().for_each(|side| bring_all(side, &self.frames, &mut self.told));
        let line = self.sides[0].room().line();
        for Invited { newcomer, made, kept } in self.invited.drain(..) {
            if line.steps.iter().any(|step| step.tag == made.epoch) {
                let side = &mut self.newcomers[newcomer];
                side.enter(&made, &[kept]);
                bring_all(side, &self.frames, &mut self.told);
            }
        }
    }
}

fn bring(side: &mut Side, frame: &[u8], told: &mut BTreeSet<DeviceKey>) -> bool {
    let own = side.device.secret.key();
    let mut heed = |summary: &Summary| {
        if summary.removed.iter().any(|member| member.device == own) {
            told.insert(own);
        }
    };
    match side.receive(frame) {
        Ok(Received::Changed(changed)) => {
            heed(&changed.summary);
            true
        }
        Ok(Received::Outranked(summary)) => {
            heed(&summary);
            true
        }
        Ok(Received::Leaving(_)) => true,
        Ok(Received::Known | Received::Early(_)) => false,
        // Of epochs before it came, or after it went.
        Err(Refused::NotMember | Refused::Forgotten { .. } | Refused::Forked { .. }) => false,
        other => panic!("{other:?}"),
    }
}

fn bring_all(side: &mut Side, frames: &[Vec<u8>], told: &mut BTreeSet<DeviceKey>) {
    while frames.iter().filter(|frame| bring(side, frame, told)).count() > 0 {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    // Who was removed on a line can't read what comes after on it, so not whose commits aside count no more because of that: it knows that it
    // is out, or that there is a line that is without it, and has to ask.
    #[test]
    fn all_who_are_in_agree_whoever_came_and_went(moves in proptest::collection::vec(moves(), 1..50)) {
        let mut run = Changing::new();
        moves.iter().for_each(|step| run.step(step));
        run.finish();
        let expected = run.sides[0].view();
        for side in run.sides.iter().chain(&run.newcomers) {
            let certificate = &side.device.certificate;
            if expected.2.contains(&(certificate.identity, certificate.index)) {
                prop_assert_eq!(side.view(), expected.clone());
            } else {
                let knows = side.room.as_ref().is_none_or(|room| !room.is_member());
                prop_assert!(knows || run.told.contains(&side.device.secret.key()));
            }
        }
    }
}
