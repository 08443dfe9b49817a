//! Promises out of a lane: given, taken, absorbed, claimed.

use byway_channel::{Change, ChannelMessage, ChannelNews, LanePromise, PeerFault, PromiseError, ProposeError, Refusal};
use byway_primitives::{Amount, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use byway_records::state::Settled;

use crate::scene::{DEPOSIT, Rig, SECRET, person};
use crate::world::units;

impl Rig {
    fn promise_for_services(&mut self, side: usize, more: u128) -> Result<Amount, PromiseError> {
        let promised = self.machine(side).promise_for_services(units(more), units(more));
        self.collect(side);
        promised
    }
}

#[test]
fn promises_need_no_round_and_a_round_absorbs_them() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 10_000);
    for _ in 0..5 {
        rig.promise(0, 600).unwrap();
    }
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, 1);
    assert!(rig.parties[1].has(|news| *news == ChannelNews::Promised { more: units(600), for_services: units(0) }));
    let absorption = rig.machine(1).absorption().unwrap();
    rig.propose(1, absorption).unwrap();
    rig.exchange();
    let position = rig.assert_agreed();
    assert_eq!(position.balances, [DEPOSIT - 10_000, DEPOSIT + 3_000].map(units));
    assert_eq!(position.lanes[0].capacity, units(7_000));
    assert_eq!(rig.machine(1).absorption(), None);
    rig.promise(0, 7_000).expect("what is left is still there");
    rig.exchange();
    let less = |capacity| Change::Lane { side: Side::Initiator, capacity: units(capacity) };
    assert_eq!(rig.propose(0, less(6_999)), Err(ProposeError::Promised), "what is promised stays in it");
    rig.propose(0, less(7_000)).expect("it holds all of that");
}

#[test]
fn nothing_is_promised_that_the_lane_does_not_cover() {
    let mut rig = Rig::new();
    assert_eq!(rig.promise(0, 1), Err(PromiseError::Uncovered));
    rig.fill_lane(0, 1_000);
    rig.promise(0, 900).unwrap();
    assert_eq!(rig.promise(0, 101), Err(PromiseError::Uncovered));
    // The lane is about to be emptied by a state that the peer can complete.
    rig.exchange();
    rig.propose(0, Change::Lane { side: Side::Initiator, capacity: units(950) }).unwrap();
    assert_eq!(rig.promise(0, 100), Err(PromiseError::Uncovered));
    rig.promise(0, 50).unwrap();
    rig.exchange();
    rig.assert_agreed();
}

#[test]
fn what_a_promise_is_for_is_said_with_it_and_never_changes_afterwards() {
    for crashes in [[0, 0], [0, 1], [1, 1]] {
        let mut rig = Rig::new();
        rig.fill_lane(0, 1_000);
        rig.promise(0, 100).unwrap();
        rig.exchange();
        rig.promise_for_services(0, 300).unwrap();
        // What was written and not said is said again.
        rig.write(0);
        rig.lose();
        rig.crash(crashes[0]);
        rig.exchange();
        rig.promise(0, 50).unwrap();
        rig.exchange();
        rig.crash(crashes[1]);
        rig.exchange();
        for side in [0, 1] {
            let machine = rig.machine(side);
            let said = (machine.promised(Side::Initiator).amount, machine.services(Side::Initiator));
            assert_eq!(said, (units(450), units(300)), "side {side}");
            assert_eq!(machine.services(Side::Responder), units(0));
        }
        let room = rig.machine(0).lane_room();
        assert_eq!(room, units(550));
        assert_eq!(rig.promise_for_services(0, 551), Err(PromiseError::Uncovered));
    }
}

#[test]
fn what_was_promised_for_something_else_is_never_for_services() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.promise(0, 400).unwrap();
    rig.exchange();
    rig.promise_for_services(0, 100).unwrap();
    rig.write(0);
    let Some(ChannelMessage::Promise(honest)) = rig.next_message(1) else { panic!("it is promised") };
    let now = rig.now;
    let message = ChannelMessage::Promise(LanePromise { services: units(500), ..honest });
    rig.machine(1).handle_message(now, message).unwrap();
    assert_eq!(rig.machine(1).services(Side::Initiator), units(100));
}

#[test]
fn no_more_is_absorbed_than_was_promised_also_where_it_takes_nothing_at_once() {
    let huge = |serial| Settled { serial, amount: units(1 << 80) };
    for promise in [huge(1), huge(2), Settled { serial: 2, amount: units(1) }] {
        let mut rig = Rig::new();
        rig.fill_lane(0, 100);
        rig.promise(0, 100).unwrap();
        rig.exchange();
        // All of the lane is promised, so what both have is the same after it; but later promises would be void.
        rig.propose(0, Change::Absorb { payer: Side::Initiator, promise }).unwrap();
        rig.exchange();
        assert!(rig.parties[0].has(|news| matches!(news, ChannelNews::Refused { refusal: Refusal::Unwanted, .. })));
        assert_eq!(rig.assert_agreed().lanes[0].absorbed.amount, units(0), "{promise:?}");
    }
}

#[test]
fn a_promise_before_the_newest_state_is_known_waits_for_that() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.run();
    let disk = rig.parties[1].disk.clone();
    rig.fill_lane(0, 0);
    rig.exchange();
    rig.disconnect();
    // The payer hides that the lane is empty by now, and promises out of it to a side that has an old disk.
    rig.restart(1, disk);
    let now = rig.now;
    rig.machine(1).handle_connected(now);
    rig.collect(1);
    let series = byway_records::promise::Series {
        payer: person(0).id(),
        payee: person(1).id(),
        asset: byway_primitives::AssetId::WAY,
        backing: byway_records::Backing::Channel(rig.machine(1).id().unwrap()),
    };
    let promise = byway_records::Promise { network: rig.world.network, series, serial: 1, amount: units(900) };
    let promise = LanePromise { promise: promise.sign(&person(0)), services: units(900), ahead: units(900) };
    rig.hear(1, ChannelMessage::Promise(promise)).unwrap();
    assert_eq!(rig.machine(1).services(Side::Initiator), units(0));
    assert!(!rig.parties[1].has(|news| matches!(news, ChannelNews::Promised { .. })));
}

#[test]
fn a_promise_counts_for_nothing_while_the_ledger_is_not_seen() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.promise_for_services(0, 300).unwrap();
    rig.run();
    assert_eq!(rig.machine(1).services(Side::Initiator), units(300));
    // The ledger goes on, and the payee sees nothing of it: by then the channel may be closed and paid out.
    rig.parties[1].is_watching = false;
    rig.tick(byway_channel::BLIND_TIME_MIN);
    rig.tick(Span::millis(1));
    rig.promise_for_services(0, 200).unwrap();
    rig.exchange();
    assert_eq!(rig.machine(1).services(Side::Initiator), units(300));
    rig.parties[1].is_watching = true;
    rig.tick(Span::millis(1));
    assert_eq!(rig.machine(1).services(Side::Initiator), units(500), "it is still open");
    assert!(rig.parties[1].has(|news| *news == ChannelNews::Promised { more: units(200), for_services: units(200) }));
}

#[test]
fn what_was_never_promised_is_not_absorbed() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.promise(0, 100).unwrap();
    rig.exchange();
    let promise = Settled { serial: 1, amount: units(101) };
    rig.propose(1, Change::Absorb { payer: Side::Initiator, promise }).unwrap();
    rig.exchange();
    assert!(rig.parties[1].has(|news| matches!(news, ChannelNews::Refused { refusal: Refusal::Unwanted, .. })));
    assert_eq!(rig.assert_agreed().lanes[0].capacity, units(1_000));
}

#[test]
fn a_promise_out_of_another_lane_is_a_fault() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.promise(0, 100).unwrap();
    rig.write(0);
    let Some(ChannelMessage::Promise(known)) = rig.next_message(1) else { panic!("it is promised") };
    let promise = known.promise;
    let identity = byway_crypto::IdentitySecret::from_bytes(&[1; 32]).unwrap();
    let mut of_other = promise.promise;
    of_other.serial = 2;
    let mut beyond = promise.promise;
    beyond.amount = units(1_001);
    for other in [of_other, beyond] {
        let message = ChannelMessage::Promise(LanePromise { promise: other.sign(&identity), ..known });
        let now = rig.now;
        assert_eq!(rig.machine(1).handle_message(now, message), Err(PeerFault::Promise));
    }
    let message = ChannelMessage::Promise(LanePromise { services: units(101), ..known });
    let now = rig.now;
    assert_eq!(rig.machine(1).handle_message(now, message), Err(PeerFault::Promise), "more for services than in all");
}

#[test]
fn a_promise_survives_crashes_and_is_claimed_where_the_payer_is_silent() {
    for side in [0, 1] {
        let mut rig = Rig::new();
        rig.fill_lane(0, 10_000);
        rig.promise(0, 2_500).unwrap();
        rig.write(0);
        rig.crash(side);
        rig.exchange();
        rig.crash(1);
        rig.parties[0].is_watching = false;
        rig.exchange();
        rig.close_alone(1).unwrap();
        rig.settle();
        rig.assert_paid([DEPOSIT - 2_500, DEPOSIT + 2_500].map(units));
    }
}

#[test]
fn two_who_part_count_what_was_promised() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 10_000);
    rig.fill_lane(1, 5_000);
    rig.promise(0, 2_500).unwrap();
    rig.promise(1, 400).unwrap();
    let now = rig.now;
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.run();
    assert_eq!(rig.entry(), None);
    rig.assert_paid([DEPOSIT - 2_100, DEPOSIT + 2_100].map(units));
}

#[test]
fn what_an_old_journal_has_forgotten_of_its_promises_the_peer_tells() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    let old = rig.parties[0].disk.clone();
    rig.promise(0, 700).unwrap();
    rig.exchange();
    rig.restore(0, old);
    rig.exchange();
    assert_eq!(rig.machine(0).promised(Side::Initiator).amount, units(700));
    assert_eq!(rig.promise(0, 301), Err(PromiseError::Uncovered));
    // Else it would take from the payer what that has not promised, as far as it knows.
    let absorption = rig.machine(1).absorption().unwrap();
    rig.propose(1, absorption).unwrap();
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances[1], units(DEPOSIT + 700));
}

#[test]
fn an_old_journal_promises_nothing_before_the_peer_was_heard() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    let old = rig.parties[0].disk.clone();
    rig.fill_lane(0, 100);
    rig.restore(0, old);
    assert_eq!(rig.promise(0, 500), Err(PromiseError::Unheard));
    rig.exchange();
    assert_eq!(rig.promise(0, 500), Err(PromiseError::Uncovered));
    assert_eq!(rig.promise(0, 100), Ok(units(100)));
    rig.exchange();
    assert_eq!(rig.machine(1).promised(Side::Initiator).amount, units(100));
}

#[test]
fn an_old_journal_knows_what_it_has_promised_as_soon_as_it_may_promise_more() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    let old = rig.parties[0].disk.clone();
    rig.promise(0, 600).unwrap();
    rig.exchange();
    rig.restore(0, old);
    let promised = (0..100).find_map(|_| {
        let promised = rig.promise(0, 100);
        if promised == Err(PromiseError::Unheard) {
            while rig.write(0) | rig.write(1) {}
            let _ = rig.deliver(0) || rig.deliver(1);
            return None;
        }
        Some(promised)
    });
    assert_eq!(promised, Some(Ok(units(700))));
    rig.exchange();
    assert_eq!(rig.machine(1).promised(Side::Initiator).amount, units(700));
}

#[test]
fn what_is_promised_while_the_channel_closes_is_claimed_at_once_and_pays_for_nothing() {
    let mut rig = Rig::new();
    rig.fill_lane(0, 1_000);
    rig.parties[0].is_watching = false;
    let channel = rig.machine(0).id().unwrap();
    let mut promised = Vec::new();
    for more in [300, 200] {
        rig.promise(0, more).unwrap();
        while rig.write(0) {}
        promised.push(rig.steal(1).unwrap());
    }
    rig.submit(0, ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret: SECRET, state: None });
    rig.tick(Span::millis(10));
    // The peer could settle before the second of these is claimed, were that to wait.
    for (message, amount) in promised.into_iter().zip([300, 500]) {
        rig.hear(1, message).unwrap();
        rig.show_ledger(1);
        assert_eq!(rig.entry().unwrap().due()[0], units(amount));
    }
    assert!(!rig.parties[1].has(|news| matches!(news, ChannelNews::Promised { .. })));
}
