//! What is kept in a second place: a side that has lost its disk goes on from there, whatever its peer does.

use byway_channel::{
    COPY_STATES_MAX, Change, ChannelCopy, ChannelMessage, ChannelNews, CloseError, ContractCall, CopyError, Health,
    Life, STATE_BYTES_MAX, UNHEARD_TIME_MAX, purse_payment, round_at,
};
use byway_primitives::{Amount, Decode, Encode, Span};
use byway_records::Value;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Cosigned, Movement, Side};
use byway_vm::{State, Target};

use crate::purses::{FIRST, Purses, cents};
use crate::scene::{LOCK, Rig, SECRET, person};
use crate::world::units;

/// The copy as it would be written now, through its bytes.
fn copy_of(rig: &mut Rig, side: usize) -> ChannelCopy {
    let copy = rig.machine(side).copy().expect("there is something to be kept");
    ChannelCopy::from_bytes(&copy.to_bytes()).expect("it was encoded")
}

fn take(rig: &mut Rig, side: usize, copy: ChannelCopy) -> Result<bool, CopyError> {
    let now = rig.now;
    let taken = rig.machine(side).take_copy(now, copy);
    rig.collect(side);
    taken
}

/// Bob has lost his disk, and Alice says and shows nothing any more.
fn lose(purses: &mut Purses, copy: ChannelCopy) -> bool {
    purses.rig.lose_disk(1);
    purses.rig.disconnect();
    purses.rig.parties[0].is_watching = false;
    take(&mut purses.rig, 1, copy).unwrap()
}

fn lock_periods(purses: &mut Purses, count: usize) {
    for _ in 0..count {
        (0..LOCK.commits).for_each(|_| drop(purses.rig.world.commit(&[])));
        purses.rig.tick(LOCK.millis);
    }
}

#[test]
fn who_was_paid_and_lost_its_disk_is_paid_by_its_copy_though_the_peer_keeps_silent() {
    for has_copy in [true, false] {
        let mut purses = Purses::new();
        purses.pay(0, 0, 250);
        purses.pay(1, 1, 50);
        let copy = copy_of(&mut purses.rig, 1);
        purses.rig.lose_disk(1);
        purses.rig.disconnect();
        purses.rig.parties[0].is_watching = false;
        if has_copy {
            assert_eq!(take(&mut purses.rig, 1, copy), Ok(true));
            assert_eq!(*purses.rig.machine(1).health(), Health::Sound);
        }
        // It may be an old one: the peer is waited for.
        assert_eq!(purses.rig.close_alone(1), Err(CloseError::Unheard));
        purses.rig.tick(UNHEARD_TIME_MAX);
        assert_eq!(purses.rig.machine(1).life(), Life::Open, "nothing is closed unasked");
        purses.rig.close_alone(1).unwrap();
        purses.rig.settle();
        purses.assert_paid(if has_copy { [[350, 250], [150, 250]] } else { FIRST });
    }
}

#[test]
fn a_peer_that_closes_with_an_old_state_is_answered_out_of_the_copy() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 250);
    let copy = copy_of(&mut purses.rig, 1);
    purses.rig.disconnect();
    purses.rig.parties.iter_mut().for_each(|party| party.is_watching = false);
    let channel = purses.rig.machine(0).id().unwrap();
    let old = ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret: SECRET, state: None };
    purses.rig.submit(0, old);
    assert_eq!(purses.rig.refused, []);
    purses.rig.parties[1].is_watching = true;
    assert!(lose(&mut purses, copy));
    purses.rig.settle();
    purses.assert_paid([[350, 250], [100, 300]]);
}

/// An old disk is put back, and its copy is read before the ledger is caught up with.
#[test]
fn what_a_copy_has_of_after_a_deposit_counts_before_the_ledger_has_shown_that() {
    for is_way in [true, false] {
        let mut purses = Purses::new();
        purses.pay(0, 0, 100);
        let old = purses.rig.parties[1].disk.clone();
        let asset = purses.assets[1];
        let value = if is_way { Value::way(units(1_000)) } else { Value { asset, amount: cents(40) } };
        purses.rig.fund_in(1, Movement::Deposit, value).unwrap();
        (0..3).for_each(|_| purses.rig.run());
        assert_eq!(purses.rig.entry().unwrap().fundings, 1);
        purses.pay(0, 0, 150);
        let copy = copy_of(&mut purses.rig, 1);
        let newest = *purses.rig.machine(1).position();
        purses.rig.disconnect();
        purses.rig.parties.iter_mut().for_each(|party| party.is_watching = false);
        purses.rig.start(1, old);
        assert_eq!(take(&mut purses.rig, 1, copy), Ok(true));
        assert_eq!(
            (*purses.rig.machine(1).position(), purses.rig.machine(1).health().clone()),
            (newest, Health::Sound)
        );
        assert_eq!(
            copy_of(&mut purses.rig, 1).agreed.unwrap().body.position,
            newest,
            "nothing older is written over it"
        );
        // Alice says nothing, and closes with what the ledger has.
        let channel = purses.rig.machine(0).id().unwrap();
        purses.rig.submit(0, ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret: SECRET, state: None });
        assert_eq!(purses.rig.refused, []);
        purses.rig.parties[1].is_watching = true;
        purses.rig.settle();
        purses.assert_paid([[350, 250], [100, 300]]);
    }
}

/// Alice completes what Bob has half-signed and closes with it, and tells nobody.
#[test]
fn what_the_peer_completes_later_is_in_the_copy_already() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 250);
    let to = purses.address(0);
    let payment = purse_payment(Side::Responder, purses.assets[1], to, cents(40));
    let before = purses.rig.machine(1).copy_mark();
    purses.rig.propose(1, Change::Call(payment)).unwrap();
    assert_ne!(purses.rig.machine(1).copy_mark(), before, "there is something new to be kept");
    let copy = copy_of(&mut purses.rig, 1);
    assert_eq!(copy.states.len(), 2);
    let released = purses.rig.machine(1).released()[0].clone();
    let body = {
        let machine = purses.rig.machine(0);
        let agreed = machine.cosigned().unwrap().body;
        ChannelState { position: released.position, ..agreed }
    };
    let signatures = [Cosigned::sign_one(&body, &person(0)), released.signature];
    let parties = purses.rig.machine(0).terms().parties;
    let state = Some(Cosigned { body, parties, signatures });
    purses.rig.disconnect();
    purses.rig.parties[0].is_watching = false;
    let close = ChannelsCall::CloseSolo { channel: body.channel, side: Side::Initiator, secret: SECRET, state };
    purses.rig.submit(0, close);
    assert_eq!(purses.rig.refused, []);
    assert!(lose(&mut purses, copy));
    assert_eq!(purses.rig.machine(1).position().round, released.round());
    purses.rig.settle();
    purses.assert_paid([[350, 250], [140, 260]]);
}

#[test]
fn a_copy_that_is_too_old_shows_nothing_and_the_peer_is_waited_for_as_without_one() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let old = copy_of(&mut purses.rig, 1);
    purses.pay(0, 0, 50);
    purses.rig.close_alone(0).unwrap();
    purses.rig.tick(Span::millis(10));
    assert!(!lose(&mut purses, old.clone()), "what is older than the ledger brings nothing");
    assert_eq!(*purses.rig.machine(1).health(), Health::Recovering);
    assert_eq!(purses.rig.machine(1).purses(), []);
    assert!(purses.rig.machine(1).copy_mark().is_none(), "it is not written over by who knows less");
    lock_periods(&mut purses, 3);
    assert!(purses.rig.entry().is_some(), "nobody shows what an old copy has");
    // The peer is there again.
    purses.rig.parties[0].is_watching = true;
    purses.rig.lose_disk(1);
    take(&mut purses.rig, 1, old).unwrap();
    purses.rig.exchange();
    assert_eq!(*purses.rig.machine(1).health(), Health::Sound);
    purses.rig.settle();
    purses.assert_paid([[450, 150], [100, 300]]);
}

/// The signer beneath panics where a round is signed twice.
#[test]
fn by_an_old_copy_nothing_is_signed_that_was_signed_before() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let old = copy_of(&mut purses.rig, 1);
    purses.pay(1, 0, 30);
    purses.pay(0, 1, 20);
    purses.rig.lose_disk(1);
    let start = purses.rig.now;
    assert_eq!(take(&mut purses.rig, 1, old), Ok(true), "it is newer than the ledger");
    assert!(purses.rig.next_message(0).is_none(), "the peer is not told of the loss");
    purses.rig.exchange();
    purses.assert_owned([[530, 70], [80, 320]], [0, 0]);
    purses.pay(1, 1, 20);
    assert!(purses.rig.parties[1].round() > round_at(start));
    purses.part();
    purses.assert_paid([[530, 70], [100, 300]]);
}

#[test]
fn what_was_forced_meanwhile_is_executed_from_what_the_copy_has() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let copy = copy_of(&mut purses.rig, 1);
    purses.rig.disconnect();
    purses.rig.parties[1].is_watching = false;
    let to = purses.address(1);
    let payment = purse_payment(Side::Initiator, purses.assets[0], to, cents(30));
    purses.force(0, Change::Call(payment));
    purses.rig.parties[1].is_watching = true;
    assert!(lose(&mut purses, copy));
    let owned: Vec<[Amount; 2]> = purses.rig.machine(1).purses().iter().map(|purse| purse.owned).collect();
    assert!(owned.contains(&[470, 130].map(cents)), "{owned:?}");
    purses.rig.tick(UNHEARD_TIME_MAX);
    purses.rig.close_alone(1).unwrap();
    purses.rig.settle();
    purses.assert_paid([[470, 130], [100, 300]]);
}

/// A contract that has so much code, and is another for each number.
fn large(number: u8) -> Change {
    const BYTES: u16 = 22_000;
    let [high, low] = BYTES.to_be_bytes();
    let mut input = vec![0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    input.extend(vec![number; usize::from(BYTES)]);
    let (caller, target, value) = (Side::Initiator, Target::Create, Amount::ZERO);
    Change::Call(ContractCall { caller, target, value, input, gas: 10_000_000, evidence: Vec::new() })
}

#[test]
fn contents_that_are_too_long_for_a_message_are_in_the_copy() {
    let mut rig = Rig::new();
    assert!(rig.machine(1).copy_mark().is_none(), "what has no contents of its own is not kept");
    for number in 1..=3 {
        rig.propose(0, large(number)).unwrap();
        rig.exchange();
    }
    assert!(rig.machine(1).state().to_bytes().len() > STATE_BYTES_MAX);
    let copy = copy_of(&mut rig, 1);
    rig.lose_disk(1);
    rig.exchange();
    assert_eq!(*rig.machine(1).health(), Health::Recovering, "the peer does not give it");
    assert_eq!(take(&mut rig, 1, copy), Ok(true));
    rig.exchange();
    assert_eq!(*rig.machine(1).health(), Health::Sound);
    rig.pay(1, 1_000);
    rig.exchange();
    rig.assert_agreed();
}

#[test]
fn nothing_of_a_forged_copy_is_taken() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let good = copy_of(&mut purses.rig, 1);
    purses.rig.lose_disk(1);
    purses.rig.disconnect();
    let mut channel = good.clone();
    channel.channel.0.0[0] ^= 1;
    let mut agreed = good.agreed.unwrap();
    agreed.body.position.round += 1;
    let signed = ChannelCopy { agreed: Some(agreed), ..good.clone() };
    let mut whose = good.agreed.unwrap();
    whose.parties.swap(0, 1);
    whose.signatures.swap(0, 1);
    let turned = ChannelCopy { agreed: Some(whose), ..good.clone() };
    for (what, copy, error) in [
        ("another channel", channel, CopyError::Channel),
        ("a state that nobody signed", signed, CopyError::Signature),
        ("other parties", turned, CopyError::Signature),
    ] {
        assert_eq!(take(&mut purses.rig, 1, copy), Err(error), "{what}");
        assert_eq!(purses.rig.machine(1).position().round, 0, "{what}");
    }
    // Other contents than those of the root: it knows the state, and lacks what is under it.
    let empty = ChannelCopy { states: vec![State::default()], ..good.clone() };
    assert_eq!(take(&mut purses.rig, 1, empty), Ok(true));
    assert_eq!(*purses.rig.machine(1).health(), Health::Recovering);
    assert_eq!(take(&mut purses.rig, 1, good), Ok(true));
    assert_eq!(*purses.rig.machine(1).health(), Health::Sound);
    assert!(purses.rig.parties[1].has(|news| matches!(news, ChannelNews::Recovered { .. })));
}

#[test]
fn no_copy_holds_more_states_than_a_channel_can_end_in() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let mut copy = copy_of(&mut purses.rig, 1);
    let one = copy.states[0].clone();
    copy.states = vec![one; COPY_STATES_MAX + 1];
    assert!(ChannelCopy::from_bytes(&copy.to_bytes()).is_err());
    copy.states.pop();
    let read = ChannelCopy::from_bytes(&copy.to_bytes()).unwrap();
    assert_eq!(read.states.len(), COPY_STATES_MAX);
}

/// What an older copy had goes into the next as long as it can come to count, and not longer.
#[test]
fn what_may_still_be_completed_stays_in_the_copy_until_a_newer_state_counts() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let to = purses.address(0);
    let payment = purse_payment(Side::Responder, purses.assets[1], to, cents(40));
    purses.rig.propose(1, Change::Call(payment)).unwrap();
    let copy = copy_of(&mut purses.rig, 1);
    assert_eq!(copy.states.len(), 2);
    purses.rig.lose_disk(1);
    take(&mut purses.rig, 1, copy).unwrap();
    assert_eq!(copy_of(&mut purses.rig, 1).states.len(), 2);
    purses.rig.exchange();
    purses.pay(1, 0, 10);
    assert_eq!(copy_of(&mut purses.rig, 1).states.len(), 1);
}

/// A mark of a close that is agreed.
#[test]
fn nothing_is_kept_of_a_channel_that_is_over() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    assert!(purses.rig.machine(0).copy_mark().is_some());
    purses.part();
    assert_eq!(purses.rig.machine(0).life(), Life::Closed);
    assert!(purses.rig.machine(0).copy_mark().is_none());
    let fetch = ChannelMessage::Fetch { round: 1 };
    assert_eq!(purses.rig.hear(0, fetch), Ok(()));
}

/// A place may hold less than there is: what is left out are states that may never count.
#[test]
fn of_what_is_too_long_the_newest_contents_go_in_first() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    let to = purses.address(0);
    let payment = purse_payment(Side::Responder, purses.assets[1], to, cents(40));
    purses.rig.propose(1, Change::Call(payment)).unwrap();
    let root = purses.rig.machine(1).position().root;
    let copy = purses.rig.machine(1).copy().unwrap();
    let whole = copy.to_bytes();
    assert_eq!(copy.states.len(), 2);
    assert_eq!(copy.to_bytes_within(whole.len()), Some((whole.clone(), 0)));
    let (bytes, left_out) = copy.to_bytes_within(whole.len() - 1).unwrap();
    assert!(bytes.len() < whole.len());
    let read = ChannelCopy::from_bytes(&bytes).unwrap();
    assert_eq!((left_out, read.states.len(), read.states[0].root()), (1, 1, root));
    assert_eq!(read.agreed, copy.agreed);
    assert_eq!(copy.to_bytes_within(bytes.len() - 1), None, "without the newest it would be worse than an older one");
}
