//! Calls that are forced, as a side sees them that goes from checkpoint to checkpoint and is told nothing.

use byway_channel::{CALL_GAS_MAX, ChannelNews, ContractCall, Health, Life};
use byway_primitives::{Decode, Span};
use byway_records::Channel;
use byway_records::ProgramId;
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{Environment, Side};
use byway_vm::Address;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::scene::{Rig, SECRET, count};

/// Two who see the ledger only by what changes from one checkpoint to the next, and don't hear each other.
struct Apart {
    rig: Rig,
    counter: Address,
    /// The checkpoint that each sees next, and the entry as it was at the one before.
    seen: [(usize, Option<Channel>); 2],
}

impl Apart {
    /// Both have agreed on a contract; then the connection is lost, with an update of `by` half way if one is named.
    fn new(by: Option<usize>, steps: usize) -> Self {
        let mut rig = Rig::new();
        let counter = rig.create_counter(0);
        if let Some(by) = by {
            rig.pay(by, 1_000);
            for step in 0..steps {
                let _ = if step % 2 == 0 { rig.write(by) | rig.write(1 - by) } else { rig.deliver(1 - by) };
            }
        }
        rig.disconnect();
        let mut apart = Self { rig, counter, seen: [(0, None), (0, None)] };
        apart.checkpoint();
        [0, 1].into_iter().for_each(|side| apart.see_all(side));
        apart
    }

    fn checkpoint(&mut self) {
        self.rig.world.time = self.rig.world.time + Span::millis(300);
        self.rig.world.commit(&[]);
        self.rig.now = self.rig.world.time;
    }

    /// A side sees the next checkpoint, if there is one.
    fn see(&mut self, side: usize) -> bool {
        let (next, entry) = &mut self.seen[side];
        let Some(checkpoint) = self.rig.world.checkpoints.get(*next) else { return false };
        *next += 1;
        let key = channel_key(self.rig.parties[side].machine.id().unwrap());
        let changes =
            checkpoint.changes.programs.iter().find(|changes| changes.program == ProgramId::CHANNELS).unwrap();
        if let Some(change) = changes.entries.iter().find(|change| change.key == key) {
            *entry = change.value.as_ref().map(|bytes| Channel::from_bytes(bytes).unwrap());
        }
        let checkpoint = checkpoint.checkpoint;
        let environment = Environment { time: checkpoint.time, height: checkpoint.height.0 };
        let view = byway_channel::LedgerView { environment, commits: checkpoint.commits, entry: entry.clone() };
        let now = self.rig.now;
        if view.entry.is_some() {
            self.rig.machine(side).handle_ledger(now, view);
            self.rig.collect(side);
        }
        true
    }

    fn see_all(&mut self, side: usize) {
        while self.see(side) {}
    }

    /// Forces a call on what the side knows; the ledger may refuse it.
    fn force(&mut self, side: usize, slot: u8, long: bool) {
        let call = count(side, self.counter, slot, u128::from(slot));
        let mut input = call.input.clone();
        input.resize(if long { 2_000 } else { 32 }, 0);
        let (now, call) = (self.rig.now, ContractCall { input, gas: 70_000, ..call });
        let _ = self.rig.machine(side).force(now, &call);
        self.rig.collect(side);
    }

    /// Starts anew with what it had written.
    fn restart(&mut self, side: usize) {
        while self.rig.write(side) {}
        let disk = self.rig.parties[side].disk.clone();
        self.rig.start(side, disk);
    }

    fn step(&mut self, byte: u8) {
        let side = usize::from(byte & 1);
        match (byte >> 1) & 15 {
            0..=4 => self.force(side, byte >> 5, byte & 32 != 0),
            5 | 6 => self.checkpoint(),
            7..=9 => {
                self.see(side);
            }
            10 | 11 => self.see_all(side),
            12 => self.restart(side),
            // It sees more than the last checkpoint, as a kernel node does: there are several rounds between two. It has seen all those
            // before: the ledger keeps the calls of one checkpoint, and more only as long as there is room.
            13 => {
                self.see_all(side);
                self.rig.show_ledger(side);
                self.force(side, byte >> 5, false);
            }
            // In any phase each sees new checkpoints at some time, so that it can go on.
            14 => [0, 1].into_iter().for_each(|side| self.see_all(side)),
            _ if byte >> 5 == 0 => {
                let channel = self.rig.machine(side).id().unwrap();
                let close = ChannelsCall::CloseSolo { channel, side: Side::BOTH[side], secret: SECRET, state: None };
                self.rig.submit(side, close);
            }
            _ => self.checkpoint(),
        }
    }

    /// Both see everything, and hand in what is to be.
    fn settle_down(&mut self) {
        for _ in 0..4 {
            self.checkpoint();
            [0, 1].into_iter().for_each(|side| self.see_all(side));
        }
    }

    /// Both are where the ledger is.
    fn assert_followed(&mut self) {
        let entry = self.rig.entry().expect("nobody settles");
        for side in [0, 1] {
            let machine = self.rig.machine(side);
            assert_eq!((*machine.health()).clone(), Health::Sound, "side {side}");
            assert_eq!(machine.state().root(), machine.position().root);
            assert_eq!(*machine.position(), entry.position, "side {side}");
        }
    }

    fn forced_rounds(&self) -> u64 {
        self.rig.entry().map_or(0, |entry| entry.position.round - entry.signed)
    }
}

fn check(bytes: &[u8], by: Option<usize>, steps: usize) {
    let mut apart = Apart::new(by, steps);
    bytes.iter().for_each(|byte| apart.step(*byte));
    apart.settle_down();
    if apart.forced_rounds() == 0 {
        // Then one may know of a state that the ledger need not have.
        return;
    }
    apart.assert_followed();
    [0, 1].into_iter().for_each(|side| apart.restart(side));
    apart.assert_followed();
    let mut rig = apart.rig;
    [0, 1].into_iter().for_each(|side| rig.show_ledger(side));
    rig.lose();
    rig.exchange();
    if rig.entry().is_some_and(|entry| entry.phase == byway_records::channel::Phase::Active) {
        rig.assert_agreed();
        rig.tick(byway_channel::ANSWER_TIME_MAX);
        rig.pay(1, 1);
        rig.exchange();
        rig.assert_agreed();
    }
}

proptest! {
    #![proptest_config(crate::random::config(crate::random::cases()))]

    #[test]
    fn after_any_sequence_of_forced_calls_both_are_where_the_ledger_is_without_a_word(
        bytes in prop::collection::vec(any::<u8>(), 0..50),
        by in prop::option::of(0usize..2),
        steps in 0usize..5,
    ) {
        check(&bytes, by, steps);
    }
}

/// Otherwise the sequences would show little.
#[test]
fn the_sequences_force_many_rounds() {
    let mut runner = TestRunner::deterministic();
    let sequences = prop::collection::vec(any::<u8>(), 0..50);
    let rounds = (0..60).map(|_| {
        let mut apart = Apart::new(None, 0);
        let bytes = sequences.new_tree(&mut runner).unwrap().current();
        bytes.iter().for_each(|byte| apart.step(*byte));
        apart.forced_rounds()
    });
    let rounds: Vec<_> = rounds.collect();
    assert!(rounds.iter().filter(|rounds| **rounds >= 2).count() >= 20, "{rounds:?}");
}

#[test]
fn a_side_that_was_away_executes_every_round_that_both_forced() {
    let mut apart = Apart::new(None, 0);
    let home = apart.rig.parties[1].disk.clone();
    for round in 0..6u8 {
        let side = usize::from(round % 2);
        // Of each checkpoint both make a round. The responder does so on another device, which had its disk.
        apart.rig.show_ledger(side);
        apart.force(side, round, true);
        if side == 1 {
            apart.checkpoint();
        }
    }
    apart.rig.start(1, home);
    assert_eq!((apart.rig.refused.clone(), apart.forced_rounds()), (Vec::new(), 6));
    assert!(apart.rig.entry().unwrap().rounds.len() < 6, "the last alone would not do");
    assert_eq!(apart.rig.parties[1].round(), 1);
    apart.see_all(0);
    apart.see_all(1);
    apart.assert_followed();
    let rounds = [2, 3, 4, 5, 6, 7].map(|round| ChannelNews::Forced { round });
    assert!(rounds.iter().all(|round| apart.rig.parties[1].has(|news| news == round)));
}

#[test]
fn what_a_side_half_signed_is_completed_after_a_call_was_forced_and_it_is_not_at_a_loss() {
    let mut apart = Apart::new(Some(0), 3);
    // The responder has signed what the initiator proposed, and its answer is lost. It hides that, and forces another call.
    let kept = apart.rig.machine(1).cosigned().unwrap();
    assert_eq!((kept.body.position.round, apart.rig.parties[0].round()), (2, 1));
    apart.rig.parties[1].is_watching = false;
    apart.force(0, 1, false);
    apart.checkpoint();
    apart.see_all(0);
    assert_eq!((apart.rig.parties[0].round(), apart.forced_rounds()), (2, 1));
    assert_eq!(apart.rig.machine(0).released().len(), 1, "it still counts if the peer signs it");
    for is_restarted in [false, true] {
        if is_restarted {
            apart.restart(0);
        }
        let shown = ChannelsCall::SnapshotSolo { side: Side::Responder, state: kept };
        apart.rig.submit(1, shown);
        apart.checkpoint();
        apart.see_all(0);
        let entry = apart.rig.entry().unwrap();
        assert_eq!((entry.signed, entry.position, entry.rounds), (2, kept.body.position, Vec::new()));
        let machine = apart.rig.machine(0);
        assert_eq!((*machine.position(), machine.state().root()), (entry.position, entry.position.root));
        assert_eq!(*machine.health(), Health::Sound);
    }
}

#[test]
fn a_side_with_an_old_state_that_can_not_follow_fetches_what_the_ledger_has() {
    let mut apart = Apart::new(None, 0);
    let old = apart.rig.parties[1].disk.clone();
    // Both sign more, which the old disk does not have; then a call is forced on it.
    apart.rig.lose();
    apart.rig.exchange();
    apart.rig.pay(0, 500);
    apart.rig.exchange();
    apart.rig.disconnect();
    let state = apart.rig.machine(0).cosigned().unwrap();
    apart.rig.start(1, old);
    let start = apart.rig.now;
    apart.force(0, 3, false);
    assert_eq!((apart.forced_rounds(), apart.rig.entry().unwrap().signed), (1, state.body.position.round));
    apart.checkpoint();
    [0, 1].into_iter().for_each(|side| apart.see_all(side));
    let entry = apart.rig.entry().unwrap();
    assert_eq!(*apart.rig.machine(1).health(), Health::Recovering);
    assert_eq!(*apart.rig.machine(1).position(), entry.position, "what it would close with is the ledger's");
    apart.rig.lose();
    apart.rig.exchange();
    apart.assert_followed();
    assert!(apart.rig.pay(1, 5) > byway_channel::round_at(start), "what was signed before is not signed again");
    apart.rig.exchange();
    apart.rig.assert_agreed();
}

#[test]
fn a_side_whose_ledger_is_behind_its_peers_waits_until_it_sees_the_same() {
    let mut apart = Apart::new(None, 0);
    apart.force(0, 3, false);
    apart.checkpoint();
    apart.see_all(0);
    apart.rig.connect();
    apart.rig.exchange();
    assert!(!apart.rig.machine(1).is_connected());
    assert_eq!(apart.rig.parties[1].round(), 1, "nothing is believed that is only said");
    apart.see_all(1);
    apart.rig.exchange();
    apart.assert_followed();
    for side in [0, 1] {
        assert!(apart.rig.machine(side).is_connected());
        apart.rig.tick(byway_channel::ANSWER_TIME_MAX);
        apart.rig.pay(side, 5);
        apart.rig.exchange();
    }
    assert_eq!(apart.rig.assert_agreed().round, 4);
    assert_eq!(apart.rig.machine(0).life(), Life::Open);
}

/// The ledger takes the price of all that it is named.
#[test]
fn whoever_forces_names_no_more_gas_than_the_call_needs() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    let (now, call) = (rig.now, ContractCall { gas: CALL_GAS_MAX, ..count(0, counter, 3, 1_000) });
    let used = rig.machine(0).try_call(&call).unwrap().gas_used;
    rig.machine(0).force(now, &call).unwrap();
    rig.collect(0);
    let entry = rig.entry().unwrap();
    let (round, receipt) = (&entry.rounds[0], entry.receipt.unwrap());
    assert_eq!((round.gas, receipt.gas_used), (used, used));
    // The peer comes to the same with as little.
    rig.tick(Span::millis(10));
    let position = entry.position;
    assert_eq!([0, 1].map(|side| *rig.machine(side).position()), [position; 2]);
}

#[test]
fn a_side_that_sees_more_than_a_checkpoint_has_seen_those_before() {
    check(&[99, 30, 138, 15, 99, 155, 122], None, 0);
}
