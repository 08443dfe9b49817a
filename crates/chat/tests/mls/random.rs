//! Whatever devices do, and whatever they are brought when: they end agreed, and nothing is lost.

use std::collections::BTreeSet;

use byway_chat::mls::{Change, Received};
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
        let mut roles = byway_chat::mls::Roles::group(id(0));
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
