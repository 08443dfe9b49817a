//! Every order of events that there is, within bounds: two sides, their disks, the connection between them and the real ledger, as a
//! model that `stateright` looks through. Nothing of the protocol is written down a second time: a step of the model runs the machine or
//! the ledger.
//!
//! Every order ends, since what happens at will is bounded and the rest comes to its own end. So where nothing more can happen, the
//! channel must be closed and both paid: that holds for every order, and so from every situation the two come to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stateright::{Checker, HasDiscoveries, Model, Property};

mod party;
mod situation;

use situation::{End, Situation};

/// What can happen next, to a side or to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The oldest message arrives.
    Deliver(usize),
    /// The oldest write becomes durable, and what waited for it leaves.
    Write(usize),
    /// A side sees the ledger as it is.
    Look(usize),
    /// The ledger executes what a side wants it to.
    Execute(usize),
    /// The connection is lost with all that is on its way, and both notice.
    Cut,
    Connect,
    /// A side is killed, and starts from its disk.
    Crash(usize),
    Propose(usize),
    Cancel(usize),
    Force(usize),
    CloseAlone(usize),
    /// A side closes with a state of long ago, and says nothing to the ledger any more.
    CloseWithOld(usize),
    Part(usize),
    /// The lock period is over, or whatever else somebody waits for.
    Pass,
    /// A side promises more out of its lane.
    Promise(usize),
    /// A side wants in its balance what it was promised.
    Absorb(usize),
    Deposit(usize),
    Withdraw(usize),
    /// A side is killed, and starts from the disk that it had when all began.
    Forget(usize),
}

const KINDS: [&str; 19] = [
    "deliver",
    "write",
    "look",
    "execute",
    "cut",
    "connect",
    "crash",
    "propose",
    "cancel",
    "force",
    "close alone",
    "close with old",
    "part",
    "pass",
    "promise",
    "absorb",
    "deposit",
    "withdraw",
    "forget",
];

impl Action {
    /// Whether the machine may say that it can't do that now.
    fn may_be_refused(self) -> bool {
        use Action::{Absorb, Cancel, CloseAlone, Deposit, Force, Part, Promise, Propose, Withdraw};
        let is_of_updates = matches!(self, Propose(_) | Cancel(_) | Force(_) | CloseAlone(_) | Part(_));
        is_of_updates || matches!(self, Promise(_) | Absorb(_) | Deposit(_) | Withdraw(_))
    }

    fn kind(self) -> usize {
        match self {
            Action::Deliver(_) => 0,
            Action::Write(_) => 1,
            Action::Look(_) => 2,
            Action::Execute(_) => 3,
            Action::Cut => 4,
            Action::Connect => 5,
            Action::Crash(_) => 6,
            Action::Propose(_) => 7,
            Action::Cancel(_) => 8,
            Action::Force(_) => 9,
            Action::CloseAlone(_) => 10,
            Action::CloseWithOld(_) => 11,
            Action::Part(_) => 12,
            Action::Pass => 13,
            Action::Promise(_) => 14,
            Action::Absorb(_) => 15,
            Action::Deposit(_) => 16,
            Action::Withdraw(_) => 17,
            Action::Forget(_) => 18,
        }
    }
}

/// How often there may be what happens at will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    pub updates: u8,
    pub cancels: u8,
    pub cuts: u8,
    pub crashes: u8,
    pub forces: u8,
    pub closes: u8,
    pub olds: u8,
    pub partings: u8,
    /// With any, the initiator has something in its lane from the beginning.
    pub promises: u8,
    pub absorbs: u8,
    pub deposits: u8,
    pub withdrawals: u8,
    pub forgets: u8,
    /// How often time passes while nobody wants to part, and in all: so often that every channel ends before.
    pub waits: u8,
    pub passes: u8,
}

/// What is wrong with the sides here, which the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    SendsBeforeItWrote,
    /// The disk says that it has written, and has not. With this and the one above a side dies and starts within one millisecond: otherwise it
    /// signs no round twice all the same.
    LosesWrites,
    /// Old states are not answered.
    LooksAway,
    /// What was promised is not claimed.
    ClaimsNothing,
}

struct Sides {
    first: Situation,
    bounds: Bounds,
    flaw: Option<Flaw>,
    /// How often there was each kind of action.
    seen: Arc<[AtomicUsize; KINDS.len()]>,
}

const SIGNED_ONCE: &str = "no two states are signed for one round, nobody is blamed, and nobody talks without end";
const SOUND: &str = "nobody has two co-signed states of one round";
const WHOLE: &str = "supply is whole";
const PAID: &str = "where nothing more can happen, the channel is closed and both are paid";

impl Model for Sides {
    type State = Situation;
    type Action = Action;

    fn init_states(&self) -> Vec<Situation> {
        vec![self.first.clone()]
    }

    fn actions(&self, situation: &Situation, actions: &mut Vec<Action>) {
        situation.actions(&self.bounds, actions);
    }

    fn next_state(&self, situation: &Situation, action: Action) -> Option<Situation> {
        let next = situation.after(self.flaw, action)?;
        self.seen[action.kind()].fetch_add(1, Ordering::Relaxed);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(SIGNED_ONCE, |_, situation: &Situation| situation.fault.is_none()),
            Property::always(SOUND, |_, situation: &Situation| situation.is_sound()),
            Property::always(WHOLE, |_, situation: &Situation| situation.is_supply_whole),
            Property::always(PAID, |model: &Self, situation: &Situation| {
                let is_over = situation.is_over();
                situation.fault.is_some()
                    || is_over && situation.is_paid()
                    || !is_over && !situation.is_last(&model.bounds, model.flaw)
            }),
        ];
        if self.flaw.is_none() {
            properties.extend(self.reached());
        }
        properties
    }
}

impl Sides {
    /// What must be reached within these bounds: otherwise the model would look at nothing.
    fn reached(&self) -> Vec<Property<Self>> {
        let Bounds { updates, forces, olds, partings, promises, deposits, withdrawals, forgets, .. } = self.bounds;
        let mut reached = vec![Property::sometimes("closed alone", |_, situation: &Situation| {
            situation.is_over() && situation.end == Some(End::Alone)
        })];
        if partings > 0 {
            reached.push(Property::sometimes("closed together", |_, situation: &Situation| {
                situation.is_over() && situation.end == Some(End::Together)
            }));
        }
        // Without an update the old state is the newest there is.
        if olds > 0 && updates > 0 {
            reached.push(Property::sometimes("an old state was answered", |_, situation: &Situation| {
                situation.is_over() && situation.has_answered
            }));
        }
        if forces > 0 {
            reached.push(Property::sometimes("a call was forced, and counted", |_, situation: &Situation| {
                situation.is_over() && situation.has_forced
            }));
        }
        if promises > 0 {
            reached.push(Property::sometimes("a promise was claimed", |_, situation: &Situation| {
                situation.is_over() && situation.has_claimed
            }));
        }
        if deposits + withdrawals > 0 {
            reached.push(Property::sometimes("money was moved", |_, situation: &Situation| {
                situation.is_over() && situation.has_moved()
            }));
        }
        if forgets > 0 {
            reached
                .push(Property::sometimes("a side that had forgotten came to the end", |_, situation: &Situation| {
                    situation.is_over() && situation.has_forgotten()
                }));
        }
        if updates > 1 {
            reached.push(Property::sometimes("both proposed at once", |_, situation: &Situation| situation.has_tied));
        }
        reached
    }
}

fn sides(bounds: Bounds, flaw: Option<Flaw>) -> Sides {
    Sides {
        first: Situation::first(bounds.promises > 0),
        bounds: Bounds { passes: 9, ..bounds },
        flaw,
        seen: Default::default(),
    }
}

fn is_long() -> bool {
    std::env::var_os("BYWAY_TEST_LONG").is_some()
}

/// So often usually, and so often on request.
fn bound(quick: u8, long: u8) -> u8 {
    if is_long() { long } else { quick }
}

/// Looks at all that can happen within these bounds, which are so many situations at the least.
fn check(bounds: Bounds, least: usize) {
    let sides = sides(bounds, None);
    let seen = sides.seen.clone();
    let checker = sides.checker().threads(2).spawn_dfs().join();
    let (found, steps) = (checker.unique_state_count(), checker.state_count());
    let times = seen.each_ref().map(|times| times.load(Ordering::Relaxed));
    println!("{bounds:?}: {found} situations, {steps} steps, at most {} in a row", checker.max_depth());
    KINDS.iter().zip(times).for_each(|(kind, times)| print!("{kind} {times}, "));
    println!();
    checker.assert_properties();
    assert!(found >= least, "{found} situations");
    let Bounds { updates, cancels, cuts, crashes, forces, olds, partings, forgets, .. } = bounds;
    let at_will = [cuts, cuts + crashes + forgets, crashes, updates, cancels, forces, 1, olds, partings, 1];
    let of_money = [bounds.promises, bounds.absorbs, bounds.deposits, bounds.withdrawals, forgets];
    let expected = [1; 4].into_iter().chain(at_will).chain(of_money).map(|bound| bound > 0);
    for ((kind, times), is_expected) in KINDS.iter().zip(times).zip(expected) {
        assert_eq!(times > 0, is_expected, "{kind}");
    }
}

/// A flaw is found, in what it leads to.
fn assert_found(flaw: Flaw, bounds: Bounds, property: &'static str) {
    let checker = sides(bounds, Some(flaw)).checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{flaw:?}: {}", checker.assert_any_discovery(property));
}

#[test]
fn whenever_a_side_crashes_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: 2, crashes: 1, ..Bounds::default() }, 30_000);
}

#[test]
fn whatever_order_updates_and_what_takes_them_back_come_in_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: 2, cancels: 1, cuts: bound(0, 1), ..Bounds::default() }, 2_000);
}

#[test]
fn whenever_the_connection_is_lost_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: bound(1, 2), cuts: 1, ..Bounds::default() }, 500);
}

#[test]
fn whenever_a_side_closes_alone_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: 1, closes: 1, crashes: bound(0, 1), ..Bounds::default() }, 900);
}

#[test]
fn whenever_a_call_is_forced_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { forces: 1, updates: bound(0, 1), ..Bounds::default() }, 2_000);
}

#[test]
fn whenever_a_call_is_forced_and_the_connection_is_lost_or_a_side_crashes_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { forces: 1, cuts: 1, ..Bounds::default() }, 5_000);
    if is_long() {
        check(Bounds { forces: 1, crashes: 1, ..Bounds::default() }, 200_000);
    }
}

#[test]
fn whenever_a_call_is_forced_and_a_side_closes_alone_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { forces: 1, closes: 1, ..Bounds::default() }, 6_000);
    if is_long() {
        check(Bounds { forces: 2, ..Bounds::default() }, 8_000);
    }
}

#[test]
fn whenever_a_call_is_forced_and_a_side_closes_with_an_old_state_the_other_comes_to_an_end_with_what_is_its() {
    check(Bounds { forces: 1, olds: 1, updates: bound(0, 1), ..Bounds::default() }, 4_000);
}

#[test]
fn whenever_a_side_closes_with_an_old_state_and_one_crashes_the_other_comes_to_an_end_with_what_is_its() {
    check(Bounds { olds: 1, crashes: 1, updates: bound(0, 1), ..Bounds::default() }, 4_000);
}

#[test]
fn whenever_a_side_closes_with_an_old_state_the_other_comes_to_an_end_with_what_is_its() {
    check(Bounds { updates: bound(1, 2), olds: 1, ..Bounds::default() }, 2_000);
}

#[test]
fn whenever_the_two_part_together_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: 1, partings: 1, closes: bound(0, 1), ..Bounds::default() }, 500);
}

#[test]
fn whenever_something_is_promised_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { promises: bound(1, 2), absorbs: 1, closes: 1, ..Bounds::default() }, 4_000);
}

#[test]
fn whenever_money_is_put_in_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { deposits: 1, updates: 1, ..Bounds::default() }, 2_500);
    check(Bounds { deposits: 1, crashes: 1, ..Bounds::default() }, 18_000);
}

#[test]
fn whenever_money_is_taken_out_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { withdrawals: 1, closes: 1, ..Bounds::default() }, 10_000);
}

#[test]
fn whenever_a_side_starts_from_an_old_disk_both_come_to_an_end_with_what_is_theirs() {
    check(Bounds { updates: 1, forgets: 1, cuts: bound(0, 1), ..Bounds::default() }, 7_000);
}

#[test]
fn whoever_sends_before_it_wrote_is_found() {
    let bounds = Bounds { updates: 2, crashes: 1, ..Bounds::default() };
    assert_found(Flaw::SendsBeforeItWrote, bounds, SIGNED_ONCE);
}

#[test]
fn a_disk_that_loses_what_it_says_to_have_written_is_found() {
    let bounds = Bounds { updates: 2, crashes: 1, ..Bounds::default() };
    assert_found(Flaw::LosesWrites, bounds, SIGNED_ONCE);
}

#[test]
fn whoever_looks_away_while_the_channel_closes_is_found() {
    assert_found(Flaw::LooksAway, Bounds { updates: 1, olds: 1, ..Bounds::default() }, PAID);
}

#[test]
fn whoever_claims_nothing_of_what_it_was_promised_is_found() {
    assert_found(Flaw::ClaimsNothing, Bounds { promises: 1, closes: 1, ..Bounds::default() }, PAID);
}
