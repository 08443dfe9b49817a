//! Upgrading and removing contracts: what only both together do.

use byway_channel::{
    CONSENT_TIME_MAX, Change, ChangeError, ChannelMessage, ChannelNews, ContractChange, ContractWish, ProposeError,
    Refusal,
};
use byway_primitives::{Amount, Span, Store};
use byway_records::Call;
use byway_records::call::ChannelsCall;
use byway_vm::{Address, code_hash};

use crate::scene::{COUNTER, COUNTER_BY_TWO, DEPOSIT, Rig, count};
use crate::world::{CAROL, Draft, units};

/// What the counter is called with before.
const PAID: u128 = 700;

fn upgrade(contract: Address) -> Change {
    Change::Contract(ContractChange::Upgrade { contract, code: COUNTER_BY_TWO.to_vec() })
}

fn remove(contract: Address, shares: Option<[u128; 2]>) -> Change {
    Change::Contract(ContractChange::Remove { contract, shares: shares.map(|shares| shares.map(units)) })
}

/// A counter that was called once, and has something.
fn with_counter() -> (Rig, Address) {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    call(&mut rig, 1, counter, PAID);
    (rig, counter)
}

fn call(rig: &mut Rig, by: usize, counter: Address, value: u128) {
    rig.propose(by, Change::Call(count(by, counter, 5, value))).unwrap();
    rig.exchange();
}

fn ask(rig: &mut Rig, side: usize, change: &Change) {
    rig.propose(side, change.clone()).unwrap();
    rig.exchange();
}

fn stored(rig: &mut Rig, side: usize, counter: Address) -> u8 {
    let mut slot = [0; 32];
    slot[31] = 5;
    rig.machine(side).state().stored(counter, &slot)[31]
}

fn code(rig: &mut Rig, side: usize, counter: Address) -> Option<byway_primitives::Hash> {
    rig.machine(side).state().account(counter)?.contract.map(|contract| contract.code)
}

fn is_asked(rig: &Rig, side: usize, change: &Change) -> bool {
    let asked = ChannelNews::Asked { wish: ContractWish::of(change).expect("nothing else is asked for") };
    rig.parties[side].has(|news| *news == asked)
}

#[test]
fn a_contract_is_upgraded_where_both_want_it_and_keeps_what_it_has() {
    for first in [0, 1] {
        let (mut rig, counter) = with_counter();
        ask(&mut rig, first, &upgrade(counter));
        assert!(is_asked(&rig, 1 - first, &upgrade(counter)));
        let wish = ContractWish::of(&upgrade(counter)).unwrap();
        let until = rig.machine(first).consent().filter(|(own, _)| **own == wish).unwrap().1;
        assert_eq!(rig.machine(1 - first).asked(), Some((&wish, until)), "both see until when it counts");
        assert!(rig.parties[first].has(|news| matches!(news, ChannelNews::Refused { refusal: Refusal::Asked, .. })));
        assert_eq!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER)), "one alone does not want enough");
        rig.assert_agreed();
        ask(&mut rig, 1 - first, &upgrade(counter));
        rig.assert_agreed();
        for side in [0, 1] {
            assert_eq!(code(&mut rig, side, counter), Some(code_hash(&COUNTER_BY_TWO)));
            assert_eq!(rig.machine(side).state().account(counter).unwrap().balance, units(PAID));
            assert_eq!(rig.machine(side).state().code(code_hash(&COUNTER)), None, "nobody has the earlier code");
            assert_eq!(rig.machine(side).consent(), None);
            assert_eq!(rig.machine(side).asked(), None);
        }
        call(&mut rig, 0, counter, 0);
        assert_eq!(stored(&mut rig, 1, counter), 3, "one by the earlier code, two by the new one");
    }
}

#[test]
fn a_removed_contract_is_divided_as_both_say_or_as_they_agreed_at_the_beginning() {
    for (shares, expected) in [(None, [350, 350]), (Some([700, 0]), [700, 0]), (Some([1, 699]), [1, 699])] {
        let (mut rig, counter) = with_counter();
        let before = rig.assert_agreed().balances;
        ask(&mut rig, 1, &remove(counter, shares));
        ask(&mut rig, 0, &remove(counter, shares));
        let after = rig.assert_agreed();
        assert_eq!(after.rest(rig.machine(0).total()), Some(Amount::ZERO));
        for side in [0, 1] {
            assert_eq!(after.balances[side], before[side].checked_add(units(expected[side])).unwrap());
            assert_eq!(rig.machine(side).state().account(counter), None);
        }
        rig.pay(0, 1);
        rig.exchange();
        rig.crash(0);
        rig.exchange();
        rig.assert_agreed();
    }
}

#[test]
fn consent_is_to_the_contract_as_it_was() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 0, &remove(counter, None));
    call(&mut rig, 1, counter, 10);
    ask(&mut rig, 1, &remove(counter, None));
    assert!(is_asked(&rig, 0, &remove(counter, None)), "it has more than when the initiator consented");
    assert!(rig.machine(0).state().account(counter).is_some());
    ask(&mut rig, 0, &remove(counter, None));
    assert_eq!(rig.machine(1).state().account(counter), None);
    rig.assert_agreed();
}

#[test]
fn consent_is_to_one_change_and_can_be_taken_back() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 0, &remove(counter, Some([0, PAID])));
    ask(&mut rig, 1, &remove(counter, Some([PAID, 0])));
    ask(&mut rig, 1, &upgrade(counter));
    assert_eq!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER)));
    let now = rig.now;
    rig.machine(0).cancel(now).unwrap();
    rig.collect(0);
    rig.exchange();
    ask(&mut rig, 1, &remove(counter, Some([0, PAID])));
    assert!(rig.machine(0).state().account(counter).is_some(), "it is taken back");
    rig.assert_agreed();
}

#[test]
fn consent_is_taken_back_also_while_the_peer_is_away_and_stays_so() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 0, &upgrade(counter));
    call(&mut rig, 1, counter, 0);
    assert_eq!(rig.machine(1).asked(), None, "what was asked for was for the contract as it was");
    ask(&mut rig, 0, &upgrade(counter));
    rig.disconnect();
    let now = rig.now;
    rig.machine(0).cancel(now).unwrap();
    rig.collect(0);
    while rig.write(0) {}
    rig.crash(0);
    rig.exchange();
    assert_eq!(rig.machine(0).consent(), None);
    ask(&mut rig, 1, &upgrade(counter));
    assert_eq!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER)));
    rig.assert_agreed();
}

#[test]
fn what_is_taken_back_while_the_peer_is_away_is_not_said_again() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 1, &upgrade(counter));
    rig.propose(0, upgrade(counter)).unwrap();
    rig.disconnect();
    let now = rig.now;
    assert_eq!(rig.machine(0).cancel(now), Err(ProposeError::Disconnected));
    rig.collect(0);
    rig.connect();
    rig.exchange();
    assert_eq!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER)));
    rig.assert_agreed();
}

#[test]
fn consent_counts_for_ten_minutes() {
    for (later, is_done) in [(Span::minutes(9), true), (Span::minutes(11), false)] {
        let (mut rig, counter) = with_counter();
        ask(&mut rig, 0, &remove(counter, None));
        let (_, until) = rig.machine(0).consent().expect("it asks");
        let rest = until.since(rig.view().environment.time);
        assert!(rest <= CONSENT_TIME_MAX && rest > Span::minutes(9));
        rig.tick(later);
        rig.exchange();
        ask(&mut rig, 1, &remove(counter, None));
        assert_eq!(rig.machine(0).state().account(counter).is_none(), is_done, "{later:?} later");
        rig.assert_agreed();
    }
}

#[test]
fn consent_to_code_names_it_and_does_not_have_it() {
    let (mut rig, counter) = with_counter();
    let written = |rig: &mut Rig| {
        while rig.write(0) {}
        rig.parties[0]
            .disk
            .scan_prefix(byway_channel::CHANNELS, &[0])
            .iter()
            .map(|(_, bytes)| bytes.len())
            .sum::<usize>()
    };
    let before = written(&mut rig);
    let long = Change::Contract(ContractChange::Upgrade { contract: counter, code: vec![0x5b; 20_000] });
    ask(&mut rig, 0, &long);
    assert!(rig.machine(0).consent().is_some());
    assert!(written(&mut rig) < before + 300);
}

#[test]
fn both_who_ask_for_the_same_at_once_have_it() {
    let (mut rig, counter) = with_counter();
    rig.propose(0, upgrade(counter)).unwrap();
    rig.propose(1, upgrade(counter)).unwrap();
    rig.exchange();
    let position = rig.assert_agreed();
    assert_eq!(position.round, 3, "both have signed the same");
    assert_eq!(code(&mut rig, 1, counter), Some(code_hash(&COUNTER_BY_TWO)));
}

#[test]
fn what_can_not_be_done_to_a_contract_is_not_proposed() {
    let (mut rig, counter) = with_counter();
    let upgraded = |contract, code: &[u8]| Change::Contract(ContractChange::Upgrade { contract, code: code.to_vec() });
    let party = Address::from(crate::scene::person(0).id());
    for (change, why) in [
        (upgraded(Address([9; 20]), &COUNTER_BY_TWO), ChangeError::NoContract),
        (upgraded(party, &COUNTER_BY_TWO), ChangeError::NoContract),
        (upgraded(counter, &COUNTER), ChangeError::Code),
        (upgraded(counter, &[]), ChangeError::Code),
        (upgraded(counter, &[0xef, 0]), ChangeError::Code),
        (upgraded(counter, &[0; 24 * 1024 + 1]), ChangeError::Code),
        (remove(party, None), ChangeError::NoContract),
        (remove(counter, Some([PAID, 1])), ChangeError::Shares),
        (remove(counter, Some([1, 1])), ChangeError::Shares),
    ] {
        assert_eq!(rig.propose(0, change), Err(ProposeError::Change(why)));
        assert_eq!(rig.machine(0).consent(), None);
    }
}

#[test]
fn a_crash_between_any_two_writes_leaves_both_with_one_contract() {
    for change in [upgrade, |counter| remove(counter, None)] {
        for side in [0, 1] {
            for steps in 0..=8 {
                let (mut rig, counter) = with_counter();
                ask(&mut rig, 0, &change(counter));
                rig.propose(1, change(counter)).unwrap();
                for step in 0..steps {
                    let _ = if step % 2 == 0 { rig.write(1) | rig.write(0) } else { rig.deliver(0) | rig.deliver(1) };
                }
                rig.crash(side);
                rig.exchange();
                rig.assert_agreed();
                if rig.machine(0).asked().is_some() || code(&mut rig, 0, counter) == Some(code_hash(&COUNTER)) {
                    // It was not written before it was lost.
                    ask(&mut rig, 1, &change(counter));
                }
                rig.assert_agreed();
                assert_ne!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER)), "side {side} after {steps} steps");
                rig.pay(0, 1);
                rig.exchange();
                rig.assert_agreed();
            }
        }
    }
}

#[test]
fn consent_is_still_there_after_a_restart() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 0, &upgrade(counter));
    rig.crash(0);
    rig.exchange();
    ask(&mut rig, 1, &upgrade(counter));
    assert_eq!(code(&mut rig, 0, counter), Some(code_hash(&COUNTER_BY_TWO)));
    rig.assert_agreed();
}

#[test]
fn an_upgraded_contract_is_called_by_force_with_its_new_code() {
    let (mut rig, counter) = with_counter();
    ask(&mut rig, 0, &upgrade(counter));
    ask(&mut rig, 1, &upgrade(counter));
    let code = Call::Channels(ChannelsCall::RegisterCode { code: COUNTER_BY_TWO.to_vec() });
    let draft = Draft { call: Some(code), fee: units(30_000), ..Draft::default() };
    rig.world.must(&rig.world.funded(rig.world.coin(CAROL), draft));
    rig.tick(Span::millis(300));
    let round = rig.assert_agreed().round;
    rig.disconnect();
    let now = rig.now;
    rig.machine(1).force(now, &count(1, counter, 5, 9)).unwrap();
    rig.collect(1);
    rig.tick(Span::millis(300));
    for side in [0, 1] {
        assert_eq!(rig.parties[side].round(), round + 1, "refused: {:?}", rig.refused);
        assert_eq!(stored(&mut rig, side, counter), 3);
        assert_eq!(rig.machine(side).state().account(counter).unwrap().balance, units(PAID + 9));
    }
}

#[test]
fn what_is_signed_for_a_peer_that_never_asked_is_nothing() {
    let (mut rig, counter) = with_counter();
    rig.propose(1, remove(counter, Some([0, PAID]))).unwrap();
    rig.write(1);
    let Some(ChannelMessage::Propose(proposal)) = rig.steal(0) else { panic!("it is proposed") };
    for _ in 0..3 {
        rig.hear(0, ChannelMessage::Propose(proposal.clone())).unwrap();
        rig.exchange();
    }
    assert_eq!(rig.machine(0).position().balances[1], units(DEPOSIT - PAID));
    assert!(rig.machine(0).state().account(counter).is_some());
}
