//! Clocks that are wrong, machines that are put back with their memory, and peers that start anew again and again.

use byway_channel::{
    CLOCKS_APART_MAX, ChannelMessage, ChannelNews, CloseError, ErrorCode, PeerFault, ProposeError, RELEASED_MAX,
    Reestablish, round_at,
};
use byway_primitives::{MemoryStore, Span};

use crate::scene::{DEPOSIT, Rig, SECRET, transfer};
use crate::world::units;

/// Starts a side as it was on disk, with the clock that the rig has, and connects.
fn start_again(rig: &mut Rig, side: usize) {
    let disk = rig.parties[side].disk.clone();
    rig.restore(side, disk);
}

#[test]
fn a_start_with_a_clock_that_is_ahead_signs_nothing_and_leaves_nothing_behind() {
    for ahead in [Span::minutes(2), Span::minutes(60), Span::minutes(60 * 24 * 365)] {
        let mut rig = Rig::new();
        rig.pay(0, 100);
        rig.exchange();
        let right = rig.now;
        rig.now = right + ahead;
        let disk = rig.parties[0].disk.clone();
        rig.disconnect();
        rig.restart(0, disk);
        let wrong = rig.now;
        // Only its own clock is wrong.
        rig.now = right;
        rig.connect();
        rig.exchange();
        rig.now = wrong + Span::millis(1);
        rig.show_ledger(0);
        assert_eq!(rig.propose(0, transfer(0, 5)), Err(ProposeError::Unseen));
        for now in [30, 61, 91].map(|seconds| wrong + Span::seconds(seconds)) {
            rig.now = now;
            rig.machine(0).handle_time(now);
            rig.collect(0);
        }
        let told = rig.parties[0].news.iter().filter(|news| **news == ChannelNews::ClockApart).count();
        assert_eq!(told, 1, "the user is told, once");
        assert_eq!(rig.propose(0, transfer(0, 5)), Err(ProposeError::Apart));
        rig.now = right;
        rig.pay(1, 7);
        while rig.write(1) {}
        rig.now = wrong + Span::seconds(92);
        while rig.deliver(0) | rig.write(0) {}
        assert_eq!(rig.parties[0].round(), 1, "nor is what the peer proposes signed");
        // The clock is set, and both go on at once.
        rig.now = right + Span::seconds(2);
        start_again(&mut rig, 0);
        rig.exchange();
        rig.pay(0, 11);
        rig.exchange();
        let newest = rig.assert_agreed();
        assert_eq!(newest.balances, [DEPOSIT - 104, DEPOSIT + 104].map(units));
        assert!(newest.round <= round_at(rig.now + Span::millis(1)));
    }
}

#[test]
fn nothing_is_signed_after_a_start_before_the_ledger_is_seen_as_it_is_now() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    rig.disconnect();
    let disk = rig.parties[0].disk.clone();
    rig.start(0, disk);
    rig.connect();
    rig.exchange();
    assert_eq!(rig.propose(0, transfer(0, 5)), Err(ProposeError::Unseen));
    rig.pay(1, 7);
    rig.exchange();
    assert_eq!(rig.parties[0].round(), 1);
    // What it was proposed meanwhile is made once it does.
    rig.show_ledger(0);
    let floor = round_at(rig.now);
    rig.exchange();
    let position = rig.assert_agreed();
    assert_eq!(position.balances, [DEPOSIT - 93, DEPOSIT + 93].map(units));
    assert!(position.round > floor);
}

#[test]
fn a_clock_that_the_ledger_puts_forward_is_where_rounds_begin_anew() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    start_again(&mut rig, 0);
    rig.exchange();
    // Its disk has the time, and the ledger too, of when it was copied: both seem to be right.
    rig.world.time = rig.world.time + Span::minutes(30);
    rig.world.commit(&[]);
    rig.now = rig.world.time;
    let floor = round_at(rig.now);
    rig.show_ledger(0);
    rig.show_ledger(1);
    rig.exchange();
    assert!(rig.machine(0).is_heard());
    assert!(rig.pay(0, 5) > floor);
}

#[test]
fn a_machine_that_is_put_back_with_its_memory_signs_no_round_again_and_closes_nothing() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    let (memory, disk): (_, MemoryStore) = (rig.machine(0).clone(), rig.parties[0].disk.clone());
    rig.pay(1, 900);
    rig.exchange();
    rig.pay(0, 400);
    rig.exchange();
    rig.tick(Span::minutes(5));
    let hidden = rig.parties[1].round();
    (rig.parties[0].machine, rig.parties[0].disk) = (memory, disk);
    rig.parties[0].news.clear();
    let now = rig.now;
    assert_eq!(rig.machine(0).close_unasked(now), Err(CloseError::Unheard), "what it knows may be old");
    assert!(!rig.machine(0).is_heard() && !rig.machine(0).is_connected());
    rig.collect(0);
    assert!(rig.propose(0, transfer(0, 1)).is_err(), "the signer would panic at a second state of a round");
    // The ledger is seen, and the peer is told that another life has begun.
    rig.show_ledger(0);
    rig.exchange();
    assert!(rig.machine(0).is_heard() && rig.machine(0).is_connected());
    assert_eq!(rig.parties[0].round(), hidden);
    assert!(rig.pay(0, 1) > round_at(now));
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT + 399, DEPOSIT - 399].map(units));
}

#[test]
fn a_peer_that_starts_anew_again_and_again_before_it_answers_can_still_refuse_or_sign() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.write(0);
    for _ in 0..RELEASED_MAX + 1 {
        // It hears where this side stands, and falls over what this side proposes.
        rig.crash(1);
        while rig.machine(0).released().len() < RELEASED_MAX && rig.write(0) {}
        while rig.write(1) | rig.deliver(0) {}
        while rig.write(0) {}
    }
    assert_eq!(rig.machine(0).released().len(), RELEASED_MAX);
    rig.crash(1);
    rig.exchange();
    rig.pay(1, 7);
    rig.exchange();
    rig.assert_agreed();
}

#[test]
fn a_greeting_of_a_later_time_is_looked_at_again_when_that_has_come() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    rig.lose();
    while rig.write(1) {}
    rig.steal(1).expect("its peer greets");
    let position = *rig.machine(0).position();
    let signatures = rig.machine(0).cosigned().map(|state| state.signatures);
    let signed = round_at(rig.now + CLOCKS_APART_MAX + Span::seconds(30));
    let (channel, total) = (rig.machine(1).id().unwrap(), units(2 * DEPOSIT));
    let early = Reestablish { channel, secret: SECRET, position, total, fundings: 0, signatures, signed, seen: 1 };
    assert_eq!(rig.hear(1, ChannelMessage::Reestablish(early)), Err(PeerFault::Round));
    assert!(!rig.machine(1).is_connected());
    while rig.write(1) | rig.deliver(0) {}
    let codes =
        |rig: &Rig| [0, 1].map(|side| rig.parties[side].machine.errors().map(|error| error.map(|error| error.code)));
    let apart = Some(ErrorCode::Round);
    assert_eq!(codes(&rig), [[None, apart], [apart, None]], "both users see what is wrong");
    let is_told = |news: &ChannelNews| match news {
        ChannelNews::ErrorSaid(error) | ChannelNews::ErrorHeard(error) => error.code == ErrorCode::Round,
        _ => false,
    };
    assert_eq!([0, 1].map(|side| rig.parties[side].news.iter().filter(|news| is_told(news)).count()), [1, 1]);
    rig.tick(Span::minutes(1));
    assert!(rig.machine(1).is_connected());
    assert_eq!(codes(&rig)[1], [None, None], "and no more once it is over");
}
