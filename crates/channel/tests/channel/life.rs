//! How a channel begins, and how two part who agree.

use byway_channel::{
    CLOSING_TIME_MAX, Change, ChannelMachine, ChannelMessage, ChannelNews, CloseError, FUNDING_TIME_MAX, Life,
    OPENING_TIME_MAX,
};
use byway_primitives::{MemoryStore, Span};
use byway_records::Reject;

use crate::scene::{DEPOSIT, Rig, SAVED, count, person, transfer};
use crate::strict::{Ever, StrictSigner};
use crate::world::units;

#[test]
fn both_deposit_when_both_have_signed() {
    let mut rig = Rig::begun();
    for (side, life) in [(0, Life::Initialized), (1, Life::Accepted)] {
        assert_eq!(rig.machine(side).life(), life);
    }
    rig.deliver(0);
    assert_eq!(rig.machine(0).life(), Life::HalfSigned);
    rig.write(0);
    rig.deliver(1);
    assert_eq!(rig.machine(1).life(), Life::Signed);
    rig.exchange();
    assert_eq!(rig.machine(0).life(), Life::Signed);
    rig.run();
    assert_eq!([0, 1].map(|side| rig.machine(side).life()), [Life::Open; 2]);
    assert_eq!([0, 1].map(|side| rig.world.balance(side)), [SAVED - DEPOSIT; 2]);
}

#[test]
fn an_opening_survives_a_crash_once_something_is_signed() {
    for (steps, side) in [(2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1)] {
        let mut rig = Rig::begun();
        rig.writes_late = true;
        // AcceptOpening arrives; the initiator writes; FundingCreated arrives; the responder writes; FundingSigned arrives.
        let script: [fn(&mut Rig) -> bool; 5] =
            [|rig| rig.deliver(0), |rig| rig.write(0), |rig| rig.deliver(1), |rig| rig.write(1), |rig| rig.deliver(0)];
        script[..steps].iter().for_each(|step| assert!(step(&mut rig)));
        if steps == 3 && side == 1 {
            assert_nothing_is_left(&mut rig);
            continue;
        }
        rig.crash(side);
        rig.run();
        rig.run();
        let lives = [0, 1].map(|side| rig.machine(side).life());
        // A responder that had signed nothing gives up when the connection breaks.
        let is_lost = steps == 2;
        assert_eq!(lives[0], if is_lost { Life::HalfSigned } else { Life::Open }, "side {side} after {steps} steps");
        assert_eq!(lives[1], if is_lost { Life::Closed } else { Life::Open });
    }
}

/// The responder dies, having written nothing: for it there is no channel, and the initiator waits until the transaction is dead.
fn assert_nothing_is_left(rig: &mut Rig) {
    assert_eq!(rig.machine(1).life(), Life::Signed, "it would have written that it signed");
    assert_eq!(rig.parties[1].disk, MemoryStore::new());
    let id = rig.machine(1).id().unwrap();
    let signer = StrictSigner::new(person(1), &Ever::default());
    assert!(ChannelMachine::load(signer, id, &rig.parties[1].disk).is_err());
    rig.disconnect();
    (rig.parties[1].is_watching, rig.parties[1].has_failed) = (false, true);
    rig.tick(Span::millis(FUNDING_TIME_MAX.0 / 2));
    assert_eq!(rig.machine(0).life(), Life::HalfSigned);
    rig.tick(FUNDING_TIME_MAX);
    assert_eq!((rig.machine(0).life(), rig.entry()), (Life::Closed, None));
    assert_eq!([0, 1].map(|side| rig.world.balance(side)), [SAVED; 2]);
}

#[test]
fn a_transaction_that_only_the_initiator_signed_is_waited_for_until_it_is_dead() {
    let mut rig = Rig::begun();
    rig.deliver(0);
    rig.write(0);
    rig.lose();
    rig.tick(Span::millis(FUNDING_TIME_MAX.0 / 2));
    assert_eq!(rig.machine(0).life(), Life::HalfSigned);
    rig.tick(FUNDING_TIME_MAX);
    assert_eq!(rig.machine(0).life(), Life::Closed);
    assert_eq!(rig.world.balance(0), SAVED);
}

#[test]
fn terms_that_nobody_answers_are_forgotten() {
    let mut rig = Rig::begun();
    rig.tick(OPENING_TIME_MAX);
    for side in [0, 1] {
        assert_eq!(rig.machine(side).life(), Life::Closed);
        assert!(rig.parties[side].has(|news| *news == ChannelNews::Closed));
        assert!(!rig.write(side), "nothing was written of it");
    }
}

#[test]
fn two_who_agree_part_at_once_and_contracts_money_is_shared() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    rig.propose(0, Change::Call(count(0, counter, 0, 1_000))).unwrap();
    rig.exchange();
    let now = rig.now;
    rig.machine(1).close(now).unwrap();
    rig.collect(1);
    rig.run();
    // What contracts have is divided where both users want that.
    assert!(rig.entry().is_some());
    assert!(rig.parties[0].has(|news| *news == ChannelNews::AskedToPart));
    assert_eq!(rig.machine(0).life(), Life::Open);
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.run();
    assert_eq!(rig.entry(), None);
    assert_eq!([0, 1].map(|side| rig.machine(side).life()), [Life::Closed; 2]);
    rig.assert_paid([DEPOSIT - 500, DEPOSIT + 500].map(units));
    assert!(rig.refused.iter().all(|reason| *reason == Reject::ChannelUnknown), "the second finds it gone");
}

#[test]
fn parting_is_said_again_after_a_crash() {
    for side in [0, 1] {
        for writes in 0..3 {
            let mut rig = Rig::new();
            rig.pay(0, 100);
            rig.exchange();
            let now = rig.now;
            rig.machine(0).close(now).unwrap();
            rig.collect(0);
            for _ in 0..writes {
                for side in [0, 1] {
                    rig.write(side);
                    rig.deliver(side);
                }
            }
            rig.crash(side);
            rig.run();
            let is_forgotten = side == 0 && writes == 0;
            assert_eq!(rig.entry().is_some(), is_forgotten, "side {side} after {writes}");
        }
    }
}

#[test]
fn an_open_update_comes_before_parting() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    let now = rig.now;
    assert_eq!(rig.machine(0).close(now), Err(CloseError::Busy));
    rig.exchange();
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.propose(0, transfer(0, 1)).expect_err("no more updates");
}

#[test]
fn a_peer_that_does_not_part_is_left_through_the_ledger() {
    let mut rig = Rig::new();
    rig.pay(1, 100);
    rig.exchange();
    let now = rig.now;
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.write(0);
    rig.tick(CLOSING_TIME_MAX);
    assert!(rig.entry().is_some(), "it is closing");
    rig.settle();
    rig.assert_paid([DEPOSIT + 100, DEPOSIT - 100].map(units));
}

#[test]
fn a_close_that_was_signed_before_a_forced_call_was_seen_is_signed_again() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    rig.parties[1].is_watching = false;
    rig.lose();
    let now = rig.now;
    for side in [1, 0] {
        rig.machine(side).close(now).unwrap();
        rig.collect(side);
    }
    rig.machine(0).force(now, &count(0, counter, 2, 50)).unwrap();
    rig.collect(0);
    rig.show_ledger(0);
    assert_eq!(rig.parties[0].round(), 2);
    // The responder has not seen the ledger, and signs what follows from the state before: nobody is at fault.
    rig.exchange();
    rig.parties[1].is_watching = true;
    rig.run();
    assert_eq!(rig.entry(), None, "refused: {:?}", rig.refused);
    rig.assert_paid([DEPOSIT - 25, DEPOSIT + 25].map(units));
}

#[test]
fn what_comes_after_the_end_is_no_fault() {
    let mut rig = Rig::new();
    let now = rig.now;
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.run();
    assert_eq!(rig.machine(0).life(), Life::Closed);
    assert_eq!(rig.hear(0, ChannelMessage::Shutdown), Ok(()));
}
