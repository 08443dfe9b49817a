//! Deposits and withdrawals while the channel is open.

use byway_channel::{ChannelMessage, ChannelNews, FUND_TIME_MAX, Health, ProposeError, Refusal};
use byway_primitives::{Amount, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, FundingChange, Movement, Side};
use byway_records::{Reject, Value};

use crate::scene::{DEPOSIT, RESERVE, Rig, SAVED, SECRET, count, times_until, transfer};
use crate::world::units;

/// How a deposit or a withdrawal of the initiator's proceeds until it is with the ledger, which happens in the last of these.
const STEPS: [fn(&mut Rig) -> bool; 4] =
    [|rig| rig.write(0), |rig| rig.deliver(1), |rig| rig.write(1), |rig| rig.deliver(0)];

const BOTH_WAYS: [Movement; 2] = [Movement::Deposit, Movement::Withdraw];

fn is_over(news: &ChannelNews) -> bool {
    matches!(news, ChannelNews::NotFunded { .. })
}

fn is_done(news: &ChannelNews) -> bool {
    matches!(news, ChannelNews::Funded { .. })
}

/// What is in the channel after the initiator's deposit or withdrawal of a thousand.
fn after(movement: Movement) -> (Amount, Amount) {
    match movement {
        Movement::Deposit => (units(DEPOSIT + 1_000), units(2 * DEPOSIT + 1_000)),
        Movement::Withdraw => (units(DEPOSIT - 1_000), units(2 * DEPOSIT - 1_000)),
        Movement::Leave { .. } => unreachable!("see `leaving`"),
    }
}

/// Both go on, and part with all that there is.
fn assert_goes_on(rig: &mut Rig) {
    for side in [0, 1] {
        rig.tick(byway_channel::ANSWER_TIME_MAX);
        rig.pay(side, 7);
        rig.exchange();
    }
    let balances = rig.assert_agreed().balances;
    let now = rig.now;
    rig.machine(0).close(now).unwrap();
    rig.collect(0);
    rig.exchange();
    rig.run();
    assert_eq!(rig.entry(), None, "they part together; refused: {:?}", rig.refused);
    rig.assert_paid(balances);
}

/// Passes time until whatever was asked for is done or over.
fn wait(rig: &mut Rig) {
    rig.run();
    rig.tick(Span::minutes(4));
    rig.run();
}

#[test]
fn money_goes_in_and_out_while_the_channel_is_open() {
    for movement in BOTH_WAYS {
        for side in [0, 1] {
            let mut rig = Rig::new();
            let counter = rig.create_counter(0);
            rig.propose(1, byway_channel::Change::Call(count(1, counter, 5, 700))).unwrap();
            rig.exchange();
            let before = *rig.machine(0).position();
            assert_eq!(rig.fund(side, movement, 1_000), Ok(3));
            rig.run();
            let position = rig.assert_agreed();
            let mut balances = before.balances.map(Amount::units);
            let (_, total) = after(movement);
            match movement {
                Movement::Deposit => balances[side] += 1_000,
                Movement::Withdraw => balances[side] -= 1_000,
                Movement::Leave { .. } => unreachable!("see `leaving`"),
            }
            assert_eq!((position.round, position.balances), (3, balances.map(units)));
            assert_eq!((rig.machine(0).total(), rig.entry().unwrap().total), (total, total));
            let told =
                ChannelNews::Funded { round: 3, side: Side::BOTH[side], movement, value: Value::way(units(1_000)) };
            assert!([0, 1].iter().all(|party| rig.parties[*party].has(|news| *news == told)));
            for party in [0, 1] {
                rig.crash(party);
                rig.exchange();
                let call = byway_channel::Change::Call(count(0, counter, 5, 0));
                rig.propose(0, call).expect("contracts are as before, on disk too");
                rig.exchange();
                rig.assert_agreed();
            }
        }
    }
}

#[test]
fn after_a_deposit_or_a_withdrawal_both_pay_on_and_part() {
    for movement in BOTH_WAYS {
        let mut rig = Rig::new();
        rig.fund(0, movement, 1_000).unwrap();
        rig.run();
        assert_eq!(rig.assert_agreed().balances[0], after(movement).0);
        assert_goes_on(&mut rig);
    }
}

#[test]
fn a_side_closes_alone_right_after_a_deposit_or_a_withdrawal() {
    for (movement, side) in BOTH_WAYS.into_iter().zip([0, 1]) {
        let mut rig = Rig::new();
        rig.fund(0, movement, 1_000).unwrap();
        rig.run();
        rig.close_alone(side).unwrap();
        rig.settle();
        rig.assert_paid([after(movement).0, units(DEPOSIT)]);
    }
}

#[test]
fn a_side_that_closes_alone_just_as_it_is_executed_closes_with_the_state_after_it() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    let change = held_back(&mut rig);
    rig.submit(1, ChannelsCall::Fund(change));
    rig.close_alone(1).unwrap();
    assert!(rig.refused.contains(&Reject::ChannelRound), "what it knew was replaced: {:?}", rig.refused);
    rig.settle();
    rig.assert_paid([DEPOSIT - 1_100, DEPOSIT + 100].map(units));
}

#[test]
fn no_update_is_made_while_it_is_open() {
    let mut rig = Rig::new();
    rig.parties[0].is_watching = false;
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    rig.exchange();
    for side in [0, 1] {
        assert_eq!(rig.propose(side, transfer(side, 5)), Err(ProposeError::Busy));
        assert_eq!(rig.fund(side, Movement::Deposit, 5), Err(ProposeError::Busy));
        let now = rig.now;
        assert_eq!(rig.machine(side).cancel(now), Err(ProposeError::Busy));
        assert_eq!(rig.machine(side).close(now), Err(byway_channel::CloseError::Busy));
    }
}

#[test]
fn what_the_ledger_refuses_is_over_with_its_time_and_the_two_go_on() {
    let mut rig = Rig::new();
    assert_eq!(rig.fund(0, Movement::Deposit, SAVED), Ok(1), "the account has not so much");
    rig.run();
    assert!(rig.refused.contains(&Reject::BalanceTooSmall), "{:?}", rig.refused);
    assert!(!rig.parties[0].has(is_over), "it may still be executed");
    rig.tick(FUND_TIME_MAX);
    rig.run();
    for party in &rig.parties {
        assert!(party.has(|news| *news == ChannelNews::NotFunded { round: 1, refusal: None }));
    }
    rig.pay(1, 5);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, 2, "a round above it");
    assert_goes_on(&mut rig);
}

/// What both signed and nobody has handed in.
fn held_back(rig: &mut Rig) -> Cosigned<FundingChange> {
    rig.parties[0].is_watching = false;
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    rig.exchange();
    let handed = rig.parties[0].news.iter().find_map(|news| match news {
        ChannelNews::Submit(ChannelsCall::Fund(change)) => Some(*change),
        _ => None,
    });
    handed.expect("it is complete")
}

#[test]
fn what_was_held_back_until_its_time_was_over_does_not_come_later() {
    let mut rig = Rig::new();
    let change = held_back(&mut rig);
    rig.tick(Span::seconds(121));
    rig.parties[0].is_watching = true;
    rig.run();
    rig.pay(1, 5);
    rig.exchange();
    rig.submit(1, ChannelsCall::Fund(change));
    assert_eq!(rig.refused, [Reject::ChannelExpired]);
    assert_goes_on(&mut rig);
}

#[test]
fn one_that_the_peer_alone_completes_is_recognised() {
    for is_crashed in [false, true] {
        let mut rig = Rig::new();
        let change = held_back(&mut rig);
        if is_crashed {
            // The proposer's own signature is not on its disk, and has left all the same.
            rig.crash(0);
        }
        rig.submit(1, ChannelsCall::Fund(change));
        rig.parties[0].is_watching = true;
        rig.run();
        assert!(rig.parties.iter().all(|party| party.has(is_done)));
        assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT - 1_000));
        assert_goes_on(&mut rig);
    }
}

#[test]
fn a_signature_that_left_in_the_moment_before_a_crash_binds() {
    let mut rig = Rig::new();
    rig.parties[0].is_watching = false;
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    STEPS.iter().for_each(|step| assert!(step(&mut rig)));
    assert!(rig.parties[0].has(|news| matches!(news, ChannelNews::Submit(ChannelsCall::Fund(_)))));
    rig.disconnect();
    let disk = rig.parties[0].disk.clone();
    rig.restart(0, disk);
    let (now, position) = (rig.now, *rig.machine(0).position());
    rig.machine(0).handle_connected(now);
    // The peer says that it has signed nothing, which is not true.
    let total = units(2 * DEPOSIT);
    let channel = rig.machine(0).id().unwrap();
    let stands = byway_channel::Reestablish {
        channel,
        secret: SECRET,
        position,
        total,
        fundings: 0,
        signatures: None,
        signed: 0,
        seen: 0,
    };
    let refusal = ChannelMessage::RefuseFunding { round: 1, refusal: Refusal::Differs };
    for message in [ChannelMessage::Reestablish(stands), refusal] {
        rig.machine(0).handle_message(now, message).unwrap();
    }
    assert!(rig.machine(0).funding().is_some());
    assert_eq!(rig.propose(0, transfer(0, 5)), Err(ProposeError::Busy));
    times_until(now, now + Span::seconds(121)).for_each(|time| rig.machine(0).handle_time(time));
    rig.world.time = now + Span::seconds(121);
    rig.now = rig.world.time;
    rig.show_ledger(0);
    assert_eq!(rig.machine(0).funding(), None);
    assert!(rig.propose(0, transfer(0, 5)).unwrap() > 1, "nothing else is signed at its round");
}

#[test]
fn a_crash_between_any_two_writes_leaves_it_done_or_undone_for_both() {
    for movement in BOTH_WAYS {
        for side in [0, 1] {
            for steps in 0..=STEPS.len() {
                let mut rig = Rig::new();
                rig.fund(0, movement, 1_000).unwrap();
                STEPS[..steps].iter().for_each(|step| assert!(step(&mut rig)));
                rig.crash(side);
                rig.run();
                if [0, 1].iter().any(|side: &usize| rig.parties[*side].machine.funding().is_some()) {
                    // The one that started anew does not sign it any more, and the other has: it waits until the time is over.
                    rig.tick(Span(FUND_TIME_MAX.0 + 1_000));
                    rig.run();
                }
                // What was handed in, and what the other had signed, and written, and is asked for again by a side that did not start anew.
                let is_done = steps == STEPS.len() || (side == 1 && steps > 2);
                let position = rig.assert_agreed();
                let balance = if is_done { after(movement).0 } else { units(DEPOSIT) };
                assert_eq!(position.balances[0], balance, "side {side} after {steps} steps");
                assert_goes_on(&mut rig);
            }
        }
    }
}

#[test]
fn a_loss_at_any_step_leaves_it_done() {
    for movement in BOTH_WAYS {
        for steps in 0..=STEPS.len() {
            let mut rig = Rig::new();
            rig.fund(0, movement, 1_000).unwrap();
            STEPS[..steps].iter().for_each(|step| assert!(step(&mut rig)));
            rig.lose();
            rig.run();
            assert_eq!(rig.assert_agreed().balances[0], after(movement).0, "after {steps} steps");
            assert_goes_on(&mut rig);
        }
    }
}

#[test]
fn a_side_that_sees_the_ledger_later_than_its_peer_catches_up() {
    for late in [0, 1] {
        for is_in_time in [true, false] {
            let mut rig = Rig::new();
            let change = held_back(&mut rig);
            if is_in_time {
                rig.submit(1, ChannelsCall::Fund(change));
            }
            rig.parties[0].is_watching = true;
            rig.parties[late].is_watching = false;
            rig.tick(Span::seconds(121));
            rig.pay(1 - late, 5);
            rig.exchange();
            assert!(rig.machine(late).funding().is_some(), "it does not know yet, and signs nothing");
            rig.parties[late].is_watching = true;
            rig.run();
            let position = rig.assert_agreed();
            assert_eq!((position.round, rig.parties[late].has(is_done)), (2, is_in_time));
            assert_goes_on(&mut rig);
        }
    }
}

#[test]
fn what_moves_our_money_is_not_signed_for_the_peer() {
    for movement in BOTH_WAYS {
        let mut rig = Rig::new();
        rig.fund(0, movement, 1_000).unwrap();
        rig.write(0);
        let Some(ChannelMessage::ProposeFunding(change)) = rig.next_message(1) else { panic!("it is asked for") };
        let now = rig.now;
        let others = FundingChange { side: Side::Responder, ..change };
        let more = FundingChange { value: Value::way(units(2_000)), ..change };
        let long = FundingChange { expires: change.expires + Span::days(1), ..change };
        let refusals = [(others, Refusal::Unwanted), (more, Refusal::Differs), (long, Refusal::Impossible)];
        for (asked, refusal) in refusals {
            rig.machine(1).handle_message(now, ChannelMessage::ProposeFunding(asked)).unwrap();
            rig.collect(1);
            assert_eq!(rig.next_message(0), Some(ChannelMessage::RefuseFunding { round: 1, refusal }));
            rig.deliver(0);
            assert_eq!(rig.machine(1).funding(), None);
        }
        let told = ChannelNews::NotFunded { round: 1, refusal: Some(Refusal::Unwanted) };
        assert!(rig.parties[0].has(|news| *news == told));
    }
}

#[test]
fn a_signature_under_what_was_never_asked_for_completes_nothing() {
    let mut rig = Rig::new();
    let change = held_back(&mut rig);
    let mut other = Rig::new();
    let (now, signature) = (other.now, change.signatures[1]);
    let accept = ChannelMessage::AcceptFunding { change: change.body, signature };
    other.machine(0).handle_message(now, accept).unwrap();
    other.collect(0);
    assert_eq!(other.machine(0).funding(), None);
    assert!(!other.parties[0].has(|news| matches!(news, ChannelNews::Submit(_))));
    other.pay(0, 5);
    other.exchange();
    assert_eq!(other.assert_agreed().round, 1, "no round was taken");
}

#[test]
fn an_update_that_was_on_its_way_goes_first() {
    let mut rig = Rig::new();
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    rig.pay(1, 5);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT + 5, DEPOSIT - 5].map(units));
    assert!(rig.parties[0].has(|news| *news == ChannelNews::NotFunded { round: 1, refusal: Some(Refusal::Busy) }));
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    rig.run();
    assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT - 995));
}

#[test]
fn where_both_ask_the_initiators_goes_first() {
    let mut rig = Rig::new();
    rig.fund(0, Movement::Withdraw, 1_000).unwrap();
    rig.fund(1, Movement::Deposit, 3_000).unwrap();
    rig.run();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT - 1_000, DEPOSIT].map(units));
    assert!(rig.parties[1].has(is_over));
    rig.fund(1, Movement::Deposit, 3_000).unwrap();
    rig.run();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT - 1_000, DEPOSIT + 3_000].map(units));
}

#[test]
fn a_withdrawal_leaves_the_reserve_and_moves_something() {
    let mut rig = Rig::new();
    rig.fund(0, Movement::Withdraw, DEPOSIT - RESERVE + 1).expect_err("the reserve stays");
    rig.fund(0, Movement::Deposit, 0).expect_err("it is nothing");
    assert_eq!(rig.machine(0).funding(), None);
    rig.fund(0, Movement::Withdraw, DEPOSIT - RESERVE).expect("all but the reserve can go");
}

#[test]
fn a_call_that_is_forced_meanwhile_does_not_outlive_it() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(1);
    let change = held_back(&mut rig);
    let now = rig.now;
    rig.machine(1).force(now, &count(1, counter, 5, 10)).unwrap();
    rig.collect(1);
    assert_eq!(rig.entry().unwrap().first_forced(), Some(2), "refused: {:?}", rig.refused);
    rig.show_ledger(0);
    rig.parties[0].is_watching = true;
    rig.tick(byway_channel::SUBMIT_AGAIN);
    rig.run();
    let entry = rig.entry().unwrap();
    assert_eq!((entry.signed, entry.total), (change.body.state.position.round, after(Movement::Withdraw).1));
    rig.run();
    assert_eq!(rig.assert_agreed(), change.body.state.position);
    assert_goes_on(&mut rig);
}

#[test]
fn a_side_with_a_journal_from_before_it_is_shown_the_state_and_its_total() {
    for is_ledger_late in [false, true] {
        let mut rig = Rig::new();
        let counter = rig.create_counter(0);
        let old = rig.parties[0].disk.clone();
        rig.fund(0, Movement::Deposit, 1_000).unwrap();
        rig.run();
        rig.propose(1, byway_channel::Change::Call(count(1, counter, 5, 10))).unwrap();
        rig.exchange();
        if is_ledger_late {
            rig.disconnect();
            rig.start(0, old);
            rig.connect();
        } else {
            rig.restore(0, old);
        }
        rig.exchange();
        wait(&mut rig);
        assert_eq!(*rig.machine(0).health(), Health::Sound);
        assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT + 1_000));
        rig.pay(0, 5);
        rig.exchange();
        rig.assert_agreed();
    }
}
