//! Contracts that leave the channel, and go on as the ledger's own.

use byway_channel::{
    Change, ChangeError, ChannelNews, ContentsError, ContractWish, FollowError, LeftContract, Life, ProposeError,
    Refusal,
};
use byway_primitives::{Amount, Encode, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::contract::contract_key;
use byway_records::channel::{CallOutcome, LedgerContract};
use byway_records::{ProgramId, Reject};
use byway_vm::Address;

use crate::scene::{COUNTER_BY_TWO, DEPOSIT, GAS, Rig, count};
use crate::world::units;

const PAID: u128 = 700;

fn with_counter() -> (Rig, Address) {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    call(&mut rig, counter, PAID);
    (rig, counter)
}

fn call(rig: &mut Rig, counter: Address, value: u128) {
    rig.propose(1, Change::Call(count(1, counter, 5, value))).unwrap();
    rig.exchange();
}

fn leave(rig: &mut Rig, side: usize, contract: Address) {
    let now = rig.now;
    rig.machine(side).leave(now, contract).unwrap();
    rig.collect(side);
}

/// The first asks, the second wants the same, and the ledger does it.
fn leave_together(rig: &mut Rig, first: usize, contract: Address) {
    leave(rig, first, contract);
    rig.exchange();
    if rig.machine(1 - first).funding().is_none() {
        leave(rig, 1 - first, contract);
        rig.exchange();
    }
    // Otherwise the second still had consent.
    rig.run();
}

/// Both have signed that it leaves; the one who asked last, and hands it in, does not look at the ledger now.
fn sign_and_look_away(rig: &mut Rig, contract: Address) {
    leave(rig, 0, contract);
    rig.exchange();
    rig.parties[1].is_watching = false;
    leave(rig, 1, contract);
    rig.exchange();
    assert_eq!(entry(rig, contract), None);
}

/// A side has the ledger execute a call, and both see it.
fn force(rig: &mut Rig, side: usize, counter: Address, value: u128) {
    let now = rig.now;
    rig.machine(side).force(now, &count(side, counter, 5, value)).unwrap();
    rig.collect(side);
    assert_eq!(rig.refused, []);
    rig.tick(Span::millis(300));
}

fn entry(rig: &Rig, contract: Address) -> Option<LedgerContract> {
    let id = rig.parties[0].machine.id()?;
    rig.world.ledger.tree(ProgramId::CHANNELS)?.read(&contract_key(id, contract.0))
}

/// What a side keeps of the contract that has left.
fn kept(rig: &mut Rig, side: usize) -> LeftContract {
    while rig.write(side) {}
    let all = LeftContract::load_all(&rig.parties[side].disk).unwrap();
    let [one] = <[_; 1]>::try_from(all).expect("one has left");
    one
}

/// A side calls the contract on the ledger.
fn call_left(rig: &mut Rig, side: usize, left: &LeftContract, value: u128) {
    let mut input = vec![0; 32];
    input[31] = 5;
    let caller = crate::scene::person(side).id();
    let environment = rig.view().environment;
    let (made, call) = left.call(environment, caller, units(value), input, GAS).unwrap();
    assert!(made.after.is_some());
    rig.submit(side, ChannelsCall::CallContract(Box::new(call)));
    assert_eq!(rig.refused, []);
}

#[test]
fn a_contract_leaves_where_both_want_it_and_goes_on_on_the_ledger() {
    for first in [0, 1] {
        let (mut rig, counter) = with_counter();
        leave(&mut rig, first, counter);
        rig.exchange();
        let asked = ChannelNews::Asked { wish: ContractWish::Leave { contract: counter } };
        assert!(rig.parties[1 - first].has(|news| *news == asked));
        let refused = |news: &ChannelNews| matches!(news, ChannelNews::NotFunded { refusal: Some(Refusal::Asked), .. });
        assert!(rig.parties[first].has(refused));
        assert_eq!(entry(&rig, counter), None);
        leave(&mut rig, 1 - first, counter);
        rig.exchange();
        rig.run();
        assert_eq!(rig.refused, []);
        let position = rig.assert_agreed();
        assert_eq!(position.rest(rig.machine(0).total()), Some(Amount::ZERO));
        assert_eq!(rig.machine(1).total(), units(2 * DEPOSIT - PAID));
        let on_ledger = entry(&rig, counter).unwrap();
        assert_eq!(on_ledger.balance, units(PAID));
        let mut left = [0, 1].map(|side| kept(&mut rig, side));
        for (side, left) in left.iter_mut().enumerate() {
            assert!(rig.parties[side].has(|news| *news == ChannelNews::Left { contract: counter }));
            assert_eq!(rig.machine(side).state().account(counter), None);
            assert_eq!(rig.machine(side).consent(), None);
            assert_eq!(left.follow(&on_ledger), Ok(false));
        }
        // Each calls it, and both go where the ledger is.
        for side in [0, 1] {
            call_left(&mut rig, side, &left[side].clone(), 40);
            let on_ledger = entry(&rig, counter).unwrap();
            assert_eq!(on_ledger.receipt.as_ref().map(|receipt| receipt.outcome), Some(CallOutcome::Returned));
            left.iter_mut().for_each(|left| assert_eq!(left.follow(&on_ledger), Ok(true)));
        }
        assert_eq!(entry(&rig, counter).unwrap().balance, units(PAID + 80));
        rig.pay(0, 7);
        rig.exchange();
        rig.assert_agreed();
    }
}

#[test]
fn a_crash_at_any_step_leaves_the_contract_in_one_place() {
    for side in [0, 1] {
        for steps in 0..=10 {
            let (mut rig, counter) = with_counter();
            leave(&mut rig, 0, counter);
            rig.exchange();
            leave(&mut rig, 1, counter);
            for step in 0..steps {
                let _ = if step % 2 == 0 { rig.write(1) | rig.write(0) } else { rig.deliver(0) | rig.deliver(1) };
            }
            rig.crash(side);
            rig.run();
            rig.tick(Span::minutes(4));
            rig.run();
            if entry(&rig, counter).is_none() {
                // It was not written before it was lost, or its time is over.
                assert!(rig.machine(0).state().account(counter).is_some(), "side {side} after {steps} steps");
                leave_together(&mut rig, 0, counter);
                if entry(&rig, counter).is_none() {
                    // The first still had consent to what the second was asked for.
                    leave_together(&mut rig, 1, counter);
                }
            }
            let position = rig.assert_agreed();
            assert_eq!(position.rest(rig.machine(0).total()), Some(Amount::ZERO), "side {side} after {steps} steps");
            let on_ledger = entry(&rig, counter).unwrap();
            for side in [0, 1] {
                assert_eq!(kept(&mut rig, side).follow(&on_ledger), Ok(false));
            }
            rig.crash(side);
            rig.exchange();
            rig.assert_agreed();
        }
    }
}

#[test]
fn a_contract_leaves_also_where_a_call_was_forced_meanwhile() {
    let (mut rig, counter) = with_counter();
    sign_and_look_away(&mut rig, counter);
    let now = rig.now;
    rig.machine(0).force(now, &count(0, counter, 5, 30)).unwrap();
    rig.collect(0);
    rig.tick(Span::millis(300));
    rig.parties[1].is_watching = true;
    rig.tick(byway_channel::SUBMIT_AGAIN);
    rig.run();
    rig.run();
    assert_eq!(entry(&rig, counter).map(|entry| entry.balance), Some(units(PAID)), "refused: {:?}", rig.refused);
    rig.assert_agreed();
    let on_ledger = entry(&rig, counter).unwrap();
    for side in [0, 1] {
        assert_eq!(kept(&mut rig, side).follow(&on_ledger), Ok(false), "what was forced is no part of it");
    }
}

#[test]
fn a_contract_that_has_nothing_does_not_leave() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    let now = rig.now;
    let asked = rig.machine(0).leave(now, counter);
    assert_eq!(asked, Err(ProposeError::Change(ChangeError::NothingMoved)));
    assert_eq!(rig.machine(0).consent(), None);
}

#[test]
fn what_it_has_stored_is_kept_where_the_state_that_it_left_is_not_known_any_more() {
    let (mut rig, counter) = with_counter();
    force(&mut rig, 0, counter, 30);
    // The peer has both signatures alone, and forces another call before it hands them in.
    sign_and_look_away(&mut rig, counter);
    let is_leave = |call: &ChannelsCall| matches!(call, ChannelsCall::Leave(_));
    let handed = rig.parties[1].news.iter().find_map(|news| match news {
        ChannelNews::Submit(call) if is_leave(call) => Some(call.clone()),
        _ => None,
    });
    rig.parties[1].is_watching = true;
    force(&mut rig, 1, counter, 40);
    rig.submit(1, handed.expect("it has both signatures"));
    rig.run();
    let on_ledger = entry(&rig, counter).expect("it has left");
    assert_eq!(on_ledger.balance, units(PAID + 30), "refused: {:?}", rig.refused);
    for side in [0, 1] {
        assert_eq!(kept(&mut rig, side).follow(&on_ledger), Ok(false), "side {side}");
        assert!(rig.parties[side].has(|news| *news == ChannelNews::Left { contract: counter }));
    }
}

#[test]
fn what_it_has_stored_is_kept_where_the_channel_has_ended_meanwhile() {
    let (mut rig, counter) = with_counter();
    rig.parties[0].is_watching = false;
    leave(&mut rig, 0, counter);
    rig.exchange();
    leave(&mut rig, 1, counter);
    rig.exchange();
    rig.tick(Span::millis(300));
    rig.close_alone(1).unwrap();
    rig.settle();
    rig.show_ledger(0);
    assert_eq!(rig.machine(0).life(), Life::Closed);
    let on_ledger = entry(&rig, counter).expect("it has left");
    for side in [0, 1] {
        assert_eq!(kept(&mut rig, side).follow(&on_ledger), Ok(false), "side {side}");
    }
}

#[test]
fn a_contract_that_was_only_asked_to_leave_is_not_kept_twice() {
    let (mut rig, counter) = with_counter();
    // Signed, and never handed in.
    sign_and_look_away(&mut rig, counter);
    rig.parties[1].is_watching = true;
    rig.world.time = rig.world.time + Span::minutes(5);
    rig.tick(Span::minutes(4));
    rig.run();
    assert_eq!(entry(&rig, counter), None);
    for side in [0, 1] {
        while rig.write(side) {}
        assert!(LeftContract::load_all(&rig.parties[side].disk).unwrap().is_empty(), "side {side}");
        assert_eq!(rig.machine(side).consent(), None, "it ended when it was signed");
    }
    rig.assert_agreed();
}

#[test]
fn what_is_taken_back_does_not_leave_though_the_peer_has_signed() {
    let (mut rig, counter) = with_counter();
    leave(&mut rig, 1, counter);
    rig.exchange();
    leave(&mut rig, 0, counter);
    while rig.write(0) | rig.deliver(1) | rig.write(1) {}
    let now = rig.now;
    rig.machine(0).cancel(now).unwrap();
    rig.collect(0);
    rig.exchange();
    rig.run();
    assert_eq!(entry(&rig, counter), None);
    assert!(rig.machine(0).state().account(counter).is_some());
    rig.tick(Span::minutes(4));
    rig.run();
    rig.pay(0, 7);
    rig.exchange();
    rig.assert_agreed();
}

#[test]
fn consent_to_its_leaving_is_to_the_contract_as_it_was() {
    let (mut rig, counter) = with_counter();
    leave(&mut rig, 0, counter);
    rig.exchange();
    call(&mut rig, counter, 10);
    leave(&mut rig, 1, counter);
    rig.exchange();
    rig.run();
    assert_eq!(entry(&rig, counter), None);
    let asked = ChannelNews::Asked { wish: ContractWish::Leave { contract: counter } };
    assert!(rig.parties[0].has(|news| *news == asked));
    leave(&mut rig, 0, counter);
    rig.exchange();
    rig.run();
    assert_eq!(entry(&rig, counter).map(|entry| entry.balance), Some(units(PAID + 10)));
}

#[test]
fn a_contract_whose_code_the_ledger_does_not_have_stays_and_the_two_go_on() {
    let mut rig = Rig::new();
    let input = [&crate::scene::CREATE[..], &COUNTER_BY_TWO].concat();
    let create =
        byway_channel::ContractCall { target: byway_vm::Target::Create, input, ..count(0, Address([0; 20]), 0, PAID) };
    rig.propose(0, Change::Call(create)).unwrap();
    rig.exchange();
    let contract = rig.machine(0).state().receipt().unwrap().contract;
    leave_together(&mut rig, 0, contract);
    assert!(rig.refused.contains(&Reject::CodeUnknown));
    rig.tick(Span::minutes(4));
    rig.run();
    rig.pay(0, 7);
    rig.exchange();
    rig.assert_agreed();
    assert!(rig.machine(1).state().account(contract).is_some());
}

#[test]
fn whoever_has_missed_calls_notices() {
    let (mut rig, counter) = with_counter();
    leave_together(&mut rig, 0, counter);
    let mut left = kept(&mut rig, 0);
    let mut away = left.clone();
    for _ in 0..2 {
        call_left(&mut rig, 0, &left, 1);
        left.follow(&entry(&rig, counter).unwrap()).unwrap();
    }
    let mut on_ledger = entry(&rig, counter).unwrap();
    on_ledger.calls.remove(0);
    let before = away.contents().to_bytes();
    assert_eq!(away.follow(&on_ledger), Err(FollowError::Missed));
    on_ledger.calls.clear();
    assert_eq!(away.follow(&on_ledger), Err(FollowError::Differs));
    assert_eq!(away.contents().to_bytes(), before);
    assert_eq!(away.follow(&entry(&rig, counter).unwrap()), Ok(true));
    let mut batch = byway_primitives::Batch::new();
    away.put(&mut batch);
    rig.parties[0].disk.apply(&batch);
    assert_eq!(kept(&mut rig, 0).follow(&entry(&rig, counter).unwrap()), Ok(false), "it is kept as it is now");
}

#[test]
fn what_somebody_gives_is_what_the_ledger_has_the_root_of_or_refused() {
    let (mut rig, counter) = with_counter();
    leave_together(&mut rig, 0, counter);
    let before = kept(&mut rig, 0);
    call_left(&mut rig, 0, &before, 1);
    let on_ledger = entry(&rig, counter).unwrap();
    let network = rig.world.network;
    let take = |bytes: &[u8]| LeftContract::from_contents(bytes, network, |_, _| Some(on_ledger.clone()));
    // Given as it was before the call, and as it is.
    let taken = take(&before.to_bytes()).unwrap();
    assert_eq!((taken.made(), taken.contents().account.balance), (1, units(PAID + 1)));
    let whole = taken.to_bytes();
    assert_eq!(take(&whole).unwrap().to_bytes(), whole);
    for at in 0..whole.len() {
        let mut forged = whole.clone();
        forged[at] ^= 1;
        // What is not of the contract itself says where the contract is looked for.
        let same = take(&forged).map(|taken| (taken.address(), taken.contents().to_bytes()));
        let is_same =
            same.is_ok_and(|(address, contents)| address != counter || contents == taken.contents().to_bytes());
        assert!(is_same || take(&forged).is_err(), "byte {at}");
        assert!(take(&whole[..at]).is_err(), "cut at {at}");
    }
    let nowhere = LeftContract::from_contents(&whole, network, |_, _| None);
    assert_eq!(nowhere.unwrap_err(), ContentsError::NotThere);
    let elsewhere =
        LeftContract::from_contents(&whole, byway_primitives::NetworkId(byway_primitives::Hash([9; 32])), |_, _| None);
    assert_eq!(elsewhere.unwrap_err(), ContentsError::Network);
    let mut earlier = on_ledger.clone();
    earlier.calls.clear();
    let newer = LeftContract::from_contents(&whole, network, |_, _| Some(earlier));
    assert_eq!(newer.unwrap_err(), ContentsError::Newer);
    let mut other = on_ledger.clone();
    other.code = byway_primitives::Hash([7; 32]);
    let differs = LeftContract::from_contents(&whole, network, |_, _| Some(other));
    assert_eq!(differs.unwrap_err(), ContentsError::Follow(FollowError::Differs));
    let mut later = on_ledger.clone();
    later.calls[0].number = 5;
    let old = LeftContract::from_contents(&before.to_bytes(), network, |_, _| Some(later));
    assert_eq!(old.unwrap_err(), ContentsError::Follow(FollowError::Missed));
}
