//! Any order of deliveries, writes, losses, crashes and updates: the two agree afterwards, or the ledger settles it.

use byway_channel::{Change, Health, Life};
use byway_primitives::{Amount, Span};
use byway_records::Channel;
use byway_records::channel::{Movement, Side};
use byway_vm::Address;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::drive::Drive;
use crate::scene::{Rig, count, terms, transfer};

/// A quick look by default, a long one on request.
pub fn cases() -> u32 {
    if std::env::var_os("BYWAY_TEST_LONG").is_some() { 2_000 } else { 48 }
}

/// So many cases, which are the same ones in every quick look: the long one looks elsewhere each time.
pub fn config(cases: u32) -> ProptestConfig {
    let is_long = std::env::var_os("BYWAY_TEST_LONG").is_some();
    let rng_seed = if is_long { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// One byte is one step.
fn step(rig: &mut Rig, counter: Address, byte: u8) {
    let side = usize::from(byte & 1);
    let amount = u128::from(byte >> 5) * 1_000 + 1;
    // What can't be proposed now is not proposed.
    match (byte >> 1) & 15 {
        0..=2 => {
            let _ = rig.write(side);
        }
        3..=6 => {
            let _ = rig.deliver(side);
        }
        7 => rig.lose(),
        8 => rig.crash(side),
        // One sees the ledger before the other does, or not for a while, and hands nothing in meanwhile.
        12 if byte >> 6 == 1 => rig.show_ledger(side),
        12 if byte >> 6 == 2 => rig.parties[side].is_watching ^= true,
        10 if byte >> 6 >= 2 => {
            let _ = rig.fund(side, if byte & 32 == 0 { Movement::Deposit } else { Movement::Withdraw }, amount);
        }
        10 => {
            let _ = rig.promise(side, amount);
        }
        9 => {
            let _ = rig.propose(side, transfer(side, amount));
        }
        11 => {
            let _ = rig.propose(side, Change::Call(count(side, counter, byte >> 5, amount)));
        }
        12 => {
            let now = rig.now;
            if !rig.machine(side).released().is_empty() {
                let _ = rig.machine(side).cancel(now);
                rig.collect(side);
            }
        }
        13 => rig.tick(Span::seconds(1)),
        14 => rig.tick(Span::seconds(20)),
        _ => {
            rig.write(side);
            rig.crash(side);
        }
    }
}

/// Both can still pay each other.
fn assert_alive(rig: &mut Rig) {
    for side in [0, 1] {
        rig.tick(byway_channel::ANSWER_TIME_MAX);
        let round = rig.parties[side].round();
        rig.pay(side, 1);
        rig.exchange();
        assert!(rig.assert_agreed().round > round);
    }
}

/// What was promised goes into the balances.
fn absorb(rig: &mut Rig) {
    for side in [0, 1] {
        rig.tick(byway_channel::ANSWER_TIME_MAX);
        if let Some(absorption) = rig.machine(side).absorption() {
            rig.propose(side, absorption).unwrap();
            rig.exchange();
        }
    }
}

fn check(bytes: &[u8]) {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    [0, 1].into_iter().for_each(|side| rig.fill_lane(side, 20_000));
    bytes.iter().for_each(|byte| step(&mut rig, counter, *byte));
    rig.parties.iter_mut().for_each(|party| party.is_watching = true);
    rig.lose();
    rig.exchange();
    // What was asked for and lost is over by then, and what waited for it goes on.
    rig.tick(Span::minutes(4));
    rig.exchange();
    rig.assert_agreed();
    assert_alive(&mut rig);
    absorb(&mut rig);
    let position = rig.assert_agreed();
    // One side closes with what it has, whichever the bytes say.
    let side = usize::from(bytes.last().is_some_and(|byte| byte & 2 != 0));
    rig.close_alone(side).unwrap();
    rig.settle();
    let rest = position.rest(rig.machine(0).total()).unwrap();
    let shares = terms().remainder.shares(rest);
    rig.assert_paid([0, 1].map(|side| {
        Amount::checked_sum([position.balances[side], shares[side], position.lanes[side].capacity]).unwrap()
    }));
    for side in [0, 1] {
        assert_eq!((rig.machine(side).life(), rig.machine(side).health().clone()), (Life::Closed, Health::Sound));
    }
}

/// Stops in the middle: one side is gone for good, and the other gets its money from the ledger: all that the newest state says that it knew
/// both to have signed, or a newer one, to the unit, and no less than the worst of what it signed since.
fn check_alone(bytes: &[u8]) {
    let mut drive = Drive::begin();
    let (counter, left) = (drive.counter, bytes.len() % 2);
    // The newest round that it durably knows to be co-signed.
    let mut known = 0;
    for byte in bytes {
        let before = drive.moved();
        step(&mut drive.rig, counter, *byte);
        drive.note(before);
        let party = &drive.rig.parties[left];
        let cosigned = party.machine.cosigned().filter(|_| party.is_durable());
        known = cosigned.map_or(known, |state| known.max(state.body.position.round));
    }
    let before = drive.moved();
    let rig = &mut drive.rig;
    rig.tick(byway_channel::UNHEARD_TIME_MAX);
    rig.parties[left].is_watching = true;
    rig.parties[1 - left].is_watching = false;
    rig.close_alone(left).unwrap();
    rig.settle();
    assert_eq!(rig.machine(left).life(), Life::Closed);
    drive.note(before);
    drive.assert_paid(left, &[left]);
    let rig = &drive.rig;
    let last = rig.last.as_ref().expect("it was open");
    assert!(last.signed >= known, "round {} is shown, and {known} was known", last.signed);
    let (payer, promised) = (1 - left, rig.parties[left].machine.promised(Side::BOTH[1 - left]));
    assert_eq!(last.due()[payer], last.position.lanes[payer].due(promised), "what it was promised is claimed");
    rig.assert_paid(parts(last));
}

/// What each has of a channel that is settled as it is.
fn parts(last: &Channel) -> [Amount; 2] {
    let (position, due) = (&last.position, last.due());
    let shares = terms().remainder.shares(position.rest(last.total).unwrap());
    [0, 1].map(|side: usize| {
        let kept = position.lanes[side].capacity.checked_sub(due[side]).unwrap();
        Amount::checked_sum([position.balances[side], shares[side], kept, due[1 - side]]).unwrap()
    })
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn after_any_order_of_events_both_agree_and_all_coins_are_there(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        check(&bytes);
    }

    #[test]
    fn a_side_that_is_left_alone_at_any_moment_gets_its_money(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        check_alone(&bytes);
    }
}

#[test]
fn two_whose_rounds_meet_go_on_though_the_initiator_can_release_nothing_more() {
    check(&[0, 96, 179, 21, 65, 146, 70, 226, 177, 62, 135, 102, 31, 200, 95, 0, 6, 56, 0, 0, 113, 0, 234, 17]);
}
