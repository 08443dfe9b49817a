//! Updates where nothing crashes: transfers, contracts, ties, refusals.

use byway_channel::{Change, ChannelMessage, ChannelNews, ENVIRONMENT_AHEAD_MAX, PeerFault, ProposeError, Refusal};
use byway_primitives::{Amount, Span, Time};
use byway_records::channel::{ChannelState, Cosigned, Environment};
use byway_vm::Target;

use crate::scene::{DEPOSIT, GAS, RESERVE, Rig, count, transfer};
use crate::world::units;

#[test]
fn a_transfer_is_co_signed_by_both() {
    let mut rig = Rig::new();
    assert_eq!(rig.pay(0, 1_000), 1);
    assert_eq!(rig.machine(0).position().round, 0, "one signature is not enough");
    rig.exchange();
    let position = rig.assert_agreed();
    assert_eq!((position.round, position.balances), (1, [DEPOSIT - 1_000, DEPOSIT + 1_000].map(units)));
    for side in [0, 1] {
        rig.machine(side).cosigned().expect("it is").verify().unwrap();
    }
}

#[test]
fn nothing_is_sent_before_it_is_written() {
    let mut rig = Rig::new();
    rig.pay(0, 1_000);
    assert_eq!(rig.next_message(1), None);
    rig.write(0);
    assert!(matches!(rig.next_message(1), Some(ChannelMessage::Propose(_))));
    rig.deliver(1);
    assert_eq!(rig.next_message(0), None);
    rig.write(1);
    assert!(matches!(rig.next_message(0), Some(ChannelMessage::Accept { round: 1, .. })));
}

#[test]
fn a_contract_comes_out_the_same_on_both_sides() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    for _ in 0..3 {
        rig.propose(1, Change::Call(count(1, counter, 5, 700))).unwrap();
        rig.exchange();
    }
    let position = rig.assert_agreed();
    assert_eq!(position.round, 4);
    assert_eq!(position.balances, [units(DEPOSIT), units(DEPOSIT - 2_100)]);
    let held = rig.machine(0).state().account(counter).unwrap().balance;
    assert_eq!(held, units(2_100));
    assert!(position.environment.time.0 > 0, "what the contract saw is signed");
}

#[test]
fn an_update_that_takes_from_the_other_side_is_not_proposed_and_not_signed() {
    let mut rig = Rig::new();
    assert_eq!(rig.propose(0, transfer(1, 5)), Err(ProposeError::NotOurs));
    rig.propose(0, transfer(0, DEPOSIT - RESERVE + 1)).expect_err("the reserve stays");
    rig.propose(0, transfer(0, DEPOSIT - RESERVE)).expect("all but the reserve can go");
    // A peer proposes it all the same, as the responder itself would, and signs it well.
    let (mut rig, mut willing) = (Rig::new(), Rig::new());
    willing.pay(1, 5);
    let mut proposal = willing.machine(1).released()[0].clone();
    assert_eq!((&proposal.change, proposal.position.balances[0]), (&transfer(1, 5), units(DEPOSIT + 5)));
    let (network, channel, total) = (rig.world.network, rig.machine(1).id().unwrap(), rig.machine(1).total());
    let body = ChannelState { network, channel, total, fundings: 0, position: proposal.position };
    proposal.signature = Cosigned::sign_one(&body, &rig.world.people[0].identity);
    rig.hear(1, ChannelMessage::Propose(proposal.clone())).unwrap();
    rig.write(1);
    let Some(ChannelMessage::Propose(answer)) = rig.next_message(0) else { panic!("it is answered") };
    assert_eq!((answer.refuses, answer.change), (Some((1, Refusal::Unwanted)), Change::Nothing));
    let signings = rig.parties[1].signings.lock().unwrap().clone();
    assert!(!signings.is_empty(), "the refusal is signed");
    assert!(signings.iter().all(|(state, _)| state.position.balances == [units(DEPOSIT); 2]), "and nothing else");
}

#[test]
fn what_does_not_return_is_no_update() {
    let mut rig = Rig::new();
    let call = byway_channel::ContractCall {
        target: Target::Create,
        input: vec![0xfe],
        ..count(0, byway_vm::Address([1; 20]), 0, 0)
    };
    rig.propose(0, Change::Call(call)).expect_err("its code halts");
    let counter = rig.create_counter(0);
    let dear = byway_channel::ContractCall { gas: byway_channel::CALL_GAS_MAX + 1, ..count(0, counter, 0, 0) };
    rig.propose(0, Change::Call(dear)).expect_err("the ledger would not force it");
    assert_eq!(rig.machine(0).released(), &[]);
    assert_eq!(count(0, counter, 0, 0).gas, GAS);
}

#[test]
fn a_tie_goes_to_the_initiator_and_the_next_turn_to_the_responder() {
    let mut rig = Rig::new();
    assert_eq!((rig.pay(0, 100), rig.pay(1, 7)), (1, 1));
    rig.exchange();
    let position = rig.assert_agreed();
    assert_eq!(position.round, 2, "round 1 was signed twice, so it is left out");
    assert_eq!(position.balances, [DEPOSIT - 100, DEPOSIT + 100].map(units));
    assert!(rig.parties[1].has(|news| *news == ChannelNews::Abandoned { round: 1, change: transfer(1, 7) }));
    assert_eq!(rig.propose(0, transfer(0, 1)), Err(ProposeError::Turn));
    rig.pay(1, 7);
    rig.exchange();
    rig.pay(0, 1);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT - 94, DEPOSIT + 94].map(units));
}

#[test]
fn a_turn_that_is_not_used_passes() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.pay(1, 7);
    rig.exchange();
    rig.tick(byway_channel::ANSWER_TIME_MAX);
    rig.pay(0, 1);
}

#[test]
fn a_cancelled_update_counts_until_a_higher_round_is_co_signed() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    let now = rig.now;
    assert_eq!(rig.machine(0).cancel(now), Ok(2));
    rig.collect(0);
    assert_eq!(rig.machine(0).released().len(), 2, "both can still be completed");
    rig.exchange();
    // The acceptor signed the first before it heard of the second, so it keeps it, under a round above both.
    let position = rig.assert_agreed();
    assert_eq!((position.round, position.balances[0]), (3, units(DEPOSIT - 100)));
}

#[test]
fn a_peer_that_completes_a_cancelled_update_and_its_cancellation_gains_nothing() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    let now = rig.now;
    rig.machine(0).cancel(now).unwrap();
    rig.collect(0);
    let state = rig.machine(0).cosigned();
    assert_eq!(state, None);
    let channel = rig.machine(0).id().unwrap();
    let total = units(2 * DEPOSIT);
    let network = rig.world.network;
    let accepted: Vec<_> = rig.machine(0).released().iter().map(|released| released.position).collect();
    for position in accepted {
        let body = ChannelState { network, channel, total, fundings: 0, position };
        let signature = Cosigned::sign_one(&body, &rig.world.people[1].identity);
        let accept = ChannelMessage::Accept { round: position.round, signature };
        rig.machine(0).handle_message(now, accept).unwrap();
        rig.collect(0);
        assert_eq!(*rig.machine(0).position(), position);
        assert_eq!(rig.machine(0).state().root(), position.root);
    }
    assert_eq!(rig.machine(0).balance(), units(DEPOSIT));
    // What was proposed to keep the first is alive, and so is what replaces it.
    let alive = rig.machine(0).released().iter().map(|released| (released.round(), released.position.balances[0]));
    assert_eq!(alive.collect::<Vec<_>>(), [(3, units(DEPOSIT - 100)), (4, units(DEPOSIT))]);
}

#[test]
fn what_the_other_side_refuses_is_replaced_by_the_earlier_state() {
    let mut rig = Rig::new();
    // The responder does not know yet that the ledger's time has come so far.
    rig.world.time = rig.world.time + Span::minutes(60);
    rig.show_ledger(0);
    let input = vec![0x5f, 0x5f, 0xf3];
    let empty =
        byway_channel::ContractCall { target: Target::Create, input, ..count(0, byway_vm::Address([1; 20]), 0, 0) };
    assert_eq!(rig.propose(0, Change::Call(empty)), Ok(1));
    rig.exchange();
    assert!(rig.parties[0].has(|news| *news == ChannelNews::Refused { round: 1, refusal: Refusal::Impossible }));
    let position = rig.assert_agreed();
    assert_eq!((position.round, position.balances), (2, [units(DEPOSIT); 2]));
}

#[test]
fn a_call_of_the_peers_sees_no_more_than_a_little_of_the_future() {
    let Environment { time: Time(millis), height } = ENVIRONMENT_AHEAD_MAX;
    for (millis, height, is_refused) in [
        (millis, height, false),
        (millis, 0, false),
        (millis + 1, 0, true),
        (0, height, false),
        (0, height + 1, true),
        (millis + 1, height + 1, true),
    ] {
        let mut rig = Rig::new();
        let (now, mut view) = (rig.now, rig.view());
        // Only the initiator has heard of the next checkpoints.
        view.environment.time = view.environment.time + Span::millis(millis);
        view.environment.height += height;
        let seen = view.environment;
        rig.machine(0).handle_ledger(now, view);
        rig.collect(0);
        let input = vec![0x5f, 0x5f, 0xf3];
        let empty =
            byway_channel::ContractCall { target: Target::Create, input, ..count(0, byway_vm::Address([1; 20]), 0, 0) };
        assert_eq!(rig.propose(0, Change::Call(empty)), Ok(1));
        assert_eq!(rig.machine(0).released()[0].position.environment, seen);
        rig.exchange();
        let refused = ChannelNews::Refused { round: 1, refusal: Refusal::Impossible };
        assert_eq!(rig.parties[0].has(|news| *news == refused), is_refused, "{millis} ms, {height} checkpoints");
        assert_eq!(rig.assert_agreed().round, if is_refused { 2 } else { 1 });
    }
}

#[test]
fn a_call_of_the_peers_sees_no_time_that_is_long_over() {
    for (behind, is_refused) in [(Span::minutes(1), false), (Span::minutes(3), true)] {
        let mut rig = Rig::new();
        rig.world.time = rig.world.time + behind;
        rig.show_ledger(1);
        let input = vec![0x5f, 0x5f, 0xf3];
        let empty =
            byway_channel::ContractCall { target: Target::Create, input, ..count(0, byway_vm::Address([1; 20]), 0, 0) };
        assert_eq!(rig.propose(0, Change::Call(empty)), Ok(1));
        rig.exchange();
        let refused = ChannelNews::Refused { round: 1, refusal: Refusal::Impossible };
        assert_eq!(rig.parties[0].has(|news| *news == refused), is_refused, "{behind:?}");
    }
}

#[test]
fn a_peer_that_lies_about_the_result_is_refused() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.write(0);
    let Some(ChannelMessage::Propose(mut proposal)) = rig.next_message(1) else { panic!("it is proposed") };
    proposal.change = transfer(0, 200);
    let now = rig.now;
    rig.machine(1).handle_message(now, ChannelMessage::Propose(proposal.clone())).unwrap();
    rig.collect(1);
    rig.write(1);
    let Some(ChannelMessage::Propose(answer)) = rig.next_message(0) else { panic!("it is answered") };
    assert_eq!((answer.refuses, answer.change), (Some((1, Refusal::Differs)), Change::Nothing));
    proposal.position.balances[1] = Amount::MAX;
    let forged = rig.machine(1).handle_message(now, ChannelMessage::Propose(proposal));
    assert_eq!(forged, Err(PeerFault::Signature));
}

#[test]
fn a_signature_under_what_was_never_proposed_is_a_fault() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.write(0);
    rig.deliver(1);
    rig.write(1);
    let Some(ChannelMessage::Accept { signature, .. }) = rig.next_message(0) else { panic!("it is accepted") };
    let now = rig.now;
    let wrong = rig.machine(0).handle_message(now, ChannelMessage::Accept { round: 9, signature });
    assert_eq!(wrong, Err(PeerFault::NotProposed));
    rig.exchange();
    rig.assert_agreed();
}
