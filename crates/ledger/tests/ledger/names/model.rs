//! Random histories of names, beside a model of them that is as plain as the rules are told.

use std::cell::RefCell;
use std::collections::BTreeSet;

use byway_ledger::Verdict::{Final, Rejected};
use byway_primitives::Span;
use byway_records::Reject;
use byway_records::names::COMMITMENTS_MAX;
use byway_records::state::{Deadline, LedgerClock};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{name, with_people};
use crate::channels::sequences;
use crate::world::{Draft, NAME_GRACE, NAME_REVEAL, NAME_YEAR, World};

/// The first two look alike.
const NAMES: [&str; 3] = ["bob", "b0b", "alice"];

#[derive(Debug, Clone, Copy)]
enum Act {
    Commit,
    Register,
    Renew,
    Transfer,
    Release,
    SetPrimary,
    UnsetPrimary,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    who: usize,
    whom: usize,
    which: usize,
    years: u8,
    pause: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Act::*;
    let act =
        [Commit, Commit, Commit, Register, Register, Register, Renew, Transfer, Release, SetPrimary, UnsetPrimary];
    let act = proptest::sample::select(act.to_vec());
    let step = (act, 0usize..3, 0usize..3, 0usize..3, 1u8..3, 0u8..8);
    let step = step.prop_map(|(act, who, whom, which, years, pause)| Step { act, who, whom, which, years, pause });
    proptest::collection::vec(step, 1..60)
}

struct Taken {
    text: &'static str,
    owner: usize,
    years_end: Deadline,
    free: Deadline,
    /// When, and by which commitment.
    contested: Option<(u64, Deadline)>,
}

struct Open {
    who: usize,
    text: &'static str,
    number: u64,
    checkpoints: usize,
    ends: Deadline,
}

#[derive(Default)]
struct Model {
    taken: Vec<Taken>,
    open: Vec<Open>,
    commitments: u64,
    primary: [Option<&'static str>; 3],
}

fn after(now: LedgerClock, wait: byway_records::genesis::Wait, times: u64) -> Deadline {
    Deadline { time: now.time + Span(wait.millis.0 * times), commits: now.commits + wait.commits * times }
}

fn is_over(deadline: Deadline, now: LedgerClock) -> bool {
    deadline.passed(now.time, now.commits)
}

impl Model {
    fn alike(&mut self, text: &str) -> Option<usize> {
        self.taken.iter().position(|taken| name(taken.text).key() == name(text).key())
    }

    /// What has gone with time.
    fn forget(&mut self, now: LedgerClock) {
        self.open.retain(|open| !is_over(open.ends, now));
        while let Some(at) = self.taken.iter().position(|taken| is_over(taken.free, now)) {
            self.lose(at);
        }
    }

    fn lose(&mut self, at: usize) -> Taken {
        let taken = self.taken.remove(at);
        let primary = &mut self.primary[taken.owner];
        if *primary == Some(taken.text) {
            *primary = None;
        }
        taken
    }

    fn is_settled(&self, at: usize, now: LedgerClock) -> bool {
        self.taken[at].contested.is_none_or(|(_, until)| is_over(until, now))
    }

    fn in_use(&mut self, text: &str, now: LedgerClock) -> Result<usize, Reject> {
        let at = self.alike(text).filter(|at| self.taken[*at].text == text).ok_or(Reject::NameUnknown)?;
        if is_over(self.taken[at].years_end, now) {
            return Err(Reject::NameExpired);
        }
        if self.is_settled(at, now) { Ok(at) } else { Err(Reject::NameContested) }
    }

    fn step(&mut self, step: Step, now: LedgerClock, checkpoints: usize) -> Result<(), Reject> {
        self.forget(now);
        let (who, text) = (step.who, NAMES[step.which]);
        match step.act {
            Act::Commit => {
                if self.open.iter().filter(|open| open.who == who).count() == usize::from(COMMITMENTS_MAX) {
                    return Err(Reject::NameCommitments);
                }
                let (number, ends) = (self.commitments, after(now, NAME_REVEAL, 1));
                self.commitments += 1;
                self.open.push(Open { who, text, number, checkpoints, ends });
            }
            Act::Register => return self.register(step, now, checkpoints),
            Act::Renew => {
                let at = self.alike(text).filter(|at| self.taken[*at].text == text).ok_or(Reject::NameUnknown)?;
                if !self.is_settled(at, now) {
                    return Err(Reject::NameContested);
                }
                let taken = &mut self.taken[at];
                if is_over(taken.years_end, now) && taken.owner != who {
                    return Err(Reject::NameExpired);
                }
                taken.years_end = after(moment(taken.years_end), NAME_YEAR, step.years.into());
                taken.free = grace(taken.years_end);
                taken.contested = None;
            }
            Act::Transfer => {
                let at = self.in_use(text, now)?;
                if self.taken[at].owner != who {
                    return Err(Reject::NotAuthorised);
                }
                let taken = self.lose(at);
                self.taken.push(Taken { owner: step.whom, contested: None, ..taken });
            }
            Act::Release => {
                let at = self.alike(text).filter(|at| self.taken[*at].text == text).ok_or(Reject::NameUnknown)?;
                if self.taken[at].owner != who {
                    return Err(Reject::NotAuthorised);
                }
                self.lose(at);
            }
            Act::SetPrimary => {
                let at = self.in_use(text, now)?;
                if self.taken[at].owner != who {
                    return Err(Reject::NotAuthorised);
                }
                self.primary[who] = Some(text);
            }
            Act::UnsetPrimary => self.primary[who] = None,
        }
        Ok(())
    }

    fn register(&mut self, step: Step, now: LedgerClock, checkpoints: usize) -> Result<(), Reject> {
        let (who, text) = (step.who, NAMES[step.which]);
        let open = self.open.iter().position(|open| open.who == who && open.text == text);
        let open = open.ok_or(Reject::NameCommitment)?;
        let Open { number, checkpoints: before, ends, .. } = self.open[open];
        if checkpoints <= before {
            return Err(Reject::NameEarly);
        }
        if let Some(at) = self.alike(text) {
            let is_older = self.taken[at].contested.is_some_and(|(theirs, _)| number < theirs);
            if self.is_settled(at, now) || !is_older {
                return Err(Reject::NameTaken);
            }
            self.lose(at);
        }
        self.open.remove(open);
        let years_end = after(now, NAME_YEAR, step.years.into());
        let contested = Some((number, ends));
        self.taken.push(Taken { text, owner: who, years_end, free: grace(years_end), contested });
        Ok(())
    }

    fn owner(&mut self, text: &str, now: LedgerClock) -> Option<usize> {
        let at = self.in_use(text, now).ok()?;
        Some(self.taken[at].owner)
    }

    fn called(&mut self, who: usize, now: LedgerClock) -> Option<&'static str> {
        let text = self.primary[who]?;
        (self.owner(text, now)? == who).then_some(text)
    }
}

fn grace(years_end: Deadline) -> Deadline {
    after(moment(years_end), NAME_GRACE, 1)
}

fn moment(deadline: Deadline) -> LedgerClock {
    LedgerClock { time: deadline.time, commits: deadline.commits }
}

fn draft(world: &World, step: Step) -> Draft {
    let Step { act, who, whom, which, years, .. } = step;
    let text = NAMES[which];
    match act {
        Act::Commit => world.commit_to(world.coin(who), who, text, 0),
        Act::Register => world.register_name(world.coin(who), who, text, years, 0),
        Act::Renew => world.renew_name(world.coin(who), who, text, years),
        Act::Transfer => world.transfer_name(who, whom, text),
        Act::Release => world.release_name(who, text),
        Act::SetPrimary => world.set_primary(who, Some(text)),
        Act::UnsetPrimary => world.set_primary(who, None),
    }
}

/// Time and commits that pass before a step: nothing, a checkpoint, a good part of an hour, of a year, of a grace time.
fn pause(world: &mut World, pause: u8) {
    match pause {
        0..=2 => {}
        3 | 4 => {
            world.time = world.time + Span::millis(250);
            world.commit(&[]);
        }
        5 => (0..3).for_each(|_| drop(world.commit(&[]))),
        6 => world.wait(NAME_REVEAL),
        _ => world.wait(byway_records::genesis::Wait { millis: Span::seconds(55), commits: 5 }),
    }
}

fn run(steps: Vec<Step>, reached: &mut BTreeSet<Option<u8>>) -> Result<(), TestCaseError> {
    let (mut world, mut model) = (with_people(), Model::default());
    for step in steps {
        pause(&mut world, step.pause);
        let checkpoints = world.checkpoints.len();
        let transaction = world.sign(&draft(&world, step));
        // The next commit is a millisecond later.
        let now = LedgerClock { time: world.time + Span(1), commits: world.ledger.commits() + 1 };
        let expected = model.step(step, now, checkpoints);
        reached.insert(expected.err().map(Reject::code));
        prop_assert_eq!(world.commit(&[transaction]), [expected.map_or_else(Rejected, |()| Final)], "{:?}", step);
        for text in NAMES {
            prop_assert_eq!(world.has(text), model.owner(text, world.clock()), "{} after {:?}", text, step);
        }
        for who in 0..3 {
            let called = model.called(who, world.clock()).map(str::to_owned);
            prop_assert_eq!(world.called(who), called, "{} after {:?}", who, step);
        }
    }
    Ok(())
}

#[test]
fn every_history_is_as_the_model_has_it_and_all_outcomes_are_among_them() {
    let reached = RefCell::new(BTreeSet::new());
    let mut runner = TestRunner::new(sequences::config(sequences::cases()));
    let outcome = runner.run(&steps(), |steps| run(steps, &mut reached.borrow_mut()));
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let all = super::REASONS.iter().chain(&[Reject::NotAuthorised]).map(|reason| Some(reason.code()));
    assert_eq!(reached.into_inner(), all.chain([None]).collect());
}
