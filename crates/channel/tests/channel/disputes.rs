//! The ledger as arbiter: old states, silent peers, and calls that are forced.

use byway_channel::{Change, ChannelNews, Life};
use byway_ledger::Verdict;
use byway_primitives::Span;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Phase, Side};

use crate::scene::{DEPOSIT, Rig, SECRET, count};
use crate::world::units;

#[test]
fn an_old_state_that_the_peer_closes_with_is_answered() {
    let mut rig = Rig::new();
    rig.pay(1, 1_000);
    rig.exchange();
    let old = rig.machine(0).cosigned();
    rig.pay(0, 4_000);
    rig.exchange();
    let channel = rig.machine(0).id().unwrap();
    let close = ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret: SECRET, state: old };
    rig.parties[0].is_watching = false;
    assert_eq!(rig.submit(0, close), Verdict::Final);
    rig.tick(Span::millis(10));
    assert!(rig.parties[1].has(|news| matches!(news, ChannelNews::Submit(ChannelsCall::Slash { .. }))));
    assert_eq!(rig.entry().unwrap().signed, 2);
    rig.settle();
    rig.assert_paid([DEPOSIT - 3_000, DEPOSIT + 3_000].map(units));
}

#[test]
fn an_old_state_is_answered_by_a_side_that_was_away_and_by_both_alike() {
    for side in [0, 1] {
        let mut rig = Rig::new();
        rig.pay(1, 1_000);
        rig.exchange();
        rig.pay(0, 4_000);
        rig.exchange();
        let channel = rig.machine(0).id().unwrap();
        let close = ChannelsCall::CloseSolo { channel, side: Side::BOTH[1 - side], secret: SECRET, state: None };
        rig.parties[0].is_watching = false;
        rig.parties[1].is_watching = false;
        rig.submit(1 - side, close);
        rig.parties[side].is_watching = true;
        rig.crash(side);
        assert_eq!(rig.entry().unwrap().signed, 2);
        assert_eq!(rig.machine(side).life(), Life::Closing);
    }
}

#[test]
fn an_update_of_ours_that_the_peer_completes_on_the_ledger_is_believed() {
    let mut rig = Rig::new();
    rig.pay(0, 700);
    rig.write(0);
    rig.deliver(1);
    // The peer signed, tells nobody, and shows the ledger.
    let state = rig.machine(1).cosigned();
    let channel = rig.machine(0).id().unwrap();
    rig.submit(1, ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state });
    rig.tick(Span::millis(10));
    assert_eq!(rig.parties[0].round(), 1);
    rig.settle();
    rig.assert_paid([DEPOSIT - 700, DEPOSIT + 700].map(units));
}

#[test]
fn a_peer_that_is_silent_at_its_turn_is_gone_on_without() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    rig.propose(1, Change::Call(count(1, counter, 2, 300))).unwrap();
    rig.exchange();
    // The initiator calls, and the responder says nothing.
    let call = count(0, counter, 2, 50);
    rig.propose(0, Change::Call(call.clone())).unwrap();
    rig.write(0);
    rig.tick(byway_channel::ANSWER_TIME_MAX);
    assert!(rig.parties[0].has(|news| matches!(news, ChannelNews::Stalled { round: 3 })));
    assert!(rig.machine(0).is_stalled());
    let now = rig.now;
    rig.machine(0).force(now, &call).unwrap();
    rig.collect(0);
    assert_eq!(rig.refused, []);
    let entry = rig.entry().unwrap();
    assert_eq!((entry.signed, entry.position.round, entry.phase), (2, 3, Phase::Active));
    assert_eq!(entry.position.balances, [DEPOSIT - 50, DEPOSIT - 300].map(units));
    // Both follow the ledger.
    rig.tick(Span::millis(10));
    for side in [0, 1] {
        assert!(rig.parties[side].has(|news| *news == ChannelNews::Forced { round: 3 }));
        assert_eq!(*rig.machine(side).position(), entry.position);
        assert_eq!(rig.machine(side).cosigned(), None, "the ledger made it");
    }
    rig.lose();
    rig.exchange();
    rig.pay(1, 10);
    rig.exchange();
    let position = rig.assert_agreed();
    assert!(position.round > 3);
    rig.close_alone(1).unwrap();
    rig.settle();
    rig.assert_paid([DEPOSIT - 50 + 10 + 175, DEPOSIT - 300 - 10 + 175].map(units));
}

#[test]
fn what_was_forced_on_a_replaced_state_is_undone() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    let old = rig.machine(1).cosigned();
    let disk = rig.parties[1].disk.clone();
    rig.pay(1, 4_000);
    rig.exchange();
    // The responder forces a call on the state from before it paid.
    rig.restart(1, disk);
    let now = rig.now;
    rig.parties[0].is_watching = false;
    rig.machine(1).force(now, &count(1, counter, 2, 50)).unwrap();
    rig.collect(1);
    assert_eq!(rig.refused, []);
    assert_eq!(
        (rig.entry().unwrap().signed, rig.entry().unwrap().position.round),
        (old.unwrap().body.position.round, 2)
    );
    rig.parties[0].is_watching = true;
    rig.tick(Span::millis(10));
    let entry = rig.entry().unwrap();
    assert_eq!((entry.signed, entry.position.balances), (2, [DEPOSIT + 4_000, DEPOSIT - 4_000].map(units)));
}
