//! Both owe, and the net is settled: in order, with a peer that is silent, late, wrong or false, and with crashes.

use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, Span};
use byway_records::call::{AccountsCall, Take};
use byway_records::{Backing, CountersignedPair, PromisePair};

use super::pair::*;
use crate::payment::*;

/// Calls on their way to the ledger where there are none.
pub(super) const NOTHING: [bool; 0] = [];

/// Both sides use what the other gives: the client more of it.
pub(super) fn browse(pair: &mut Pair, steps: usize) {
    browse_as(pair, steps, [60, 25]);
}

fn browse_as(pair: &mut Pair, steps: usize, [used, used_back]: [u128; 2]) {
    for who in [CLIENT, PROVIDER] {
        pair.act(who, |machine, now| machine.stay_ahead(now, ahead()));
    }
    for _ in 0..steps {
        pair.use_service(used);
        pair.use_back(used_back);
        pair.step();
    }
}

/// A pair in which the client owes more, and nothing is on its way.
pub(super) fn both_owe() -> Pair {
    let mut pair = Pair::new(give(), take());
    pair.ledger.provider_balance = amount(1_000_000);
    browse(&mut pair, 60);
    for who in [CLIENT, PROVIDER] {
        pair.act(who, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    }
    pair.run(10);
    assert!(open(&pair, PROVIDER) > open(&pair, CLIENT) && !open(&pair, CLIENT).is_zero());
    pair
}

/// What this side is owed.
pub(super) fn open(pair: &Pair, who: usize) -> Amount {
    Amount::checked_sum(pair.nodes[who].machine.unsettled().iter().map(|taken| taken.unsettled)).unwrap()
}

fn receive(pair: &mut Pair, who: usize, message: PaymentMessage) {
    pair.act(who, |machine, now| machine.handle_message(now, message));
}

/// What was handed in and not executed yet, `true` for each call that settles both.
pub(super) fn on_its_way(pair: &Pair) -> Vec<bool> {
    pair.ledger.queue.iter().map(|handed| matches!(handed.call, AccountsCall::SettlePair(_))).collect()
}

/// The proposal that the provider sent last, and its signature.
fn proposal(pair: &Pair) -> (PromisePair, IdentitySignature) {
    let last = pair.sent.iter().rev().find_map(|message| match message {
        PaymentMessage::Net { pair, signature } => Some((**pair, *signature)),
        _ => None,
    });
    last.expect("the net was proposed")
}

fn sent(pair: &Pair, matches: impl Fn(&PaymentMessage) -> bool) -> usize {
    pair.sent.iter().filter(|message| matches(message)).count()
}

/// The pair with the signatures of both, as the client could make it from the proposal.
fn completed(pair: &Pair) -> CountersignedPair {
    let (promises, signature) = proposal(pair);
    let client = secret(1);
    let signatures = [(client.id(), promises.countersign(&client)), (parties(CLIENT).peer, signature)];
    promises.with(signatures).unwrap()
}

/// Everything that was promised was settled once, and both sides know.
pub(super) fn check_settled(pair: &mut Pair, label: &str) {
    let promised = [CLIENT, PROVIDER].map(|who| pair.nodes[who].machine.promised());
    let received = [PROVIDER, CLIENT].map(|who| pair.nodes[who].machine.received());
    assert_eq!(promised, received, "{label}: both agree on what was promised");
    assert_eq!([pair.ledger.paid, pair.ledger.paid_back], promised, "{label}: and all of it was settled once");
    pair.follow();
    assert_eq!([open(pair, CLIENT), open(pair, PROVIDER)], [Amount::ZERO; 2], "{label}: as both know");
    let all = pair.ledger.balance.checked_add(pair.ledger.provider_balance).unwrap();
    assert_eq!(all, amount(2_000_000), "{label}: no coin came or went");
    let difference = pair.ledger.paid.units() as i128 - pair.ledger.paid_back.units() as i128;
    let gained = pair.ledger.provider_balance.units() as i128 - 1_000_000;
    assert_eq!(gained, difference, "{label}: each has what it is owed");
}

#[test]
fn the_net_of_what_both_owe_is_settled_by_one_call() {
    let mut pair = both_owe();
    let (client_owes, provider_owes) = (open(&pair, PROVIDER), open(&pair, CLIENT));
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    assert_eq!(pair.settle(Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
    pair.run(3);
    assert_eq!(on_its_way(&pair), NOTHING, "nothing is handed in before both have signed");
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    assert_eq!(sent(&pair, |m| matches!(m, PaymentMessage::Advice(Advice { settling: Some(_), .. }))), 0);
    pair.execute();
    assert_eq!(pair.ledger.moved, client_owes.saturating_sub(provider_owes));
    assert!(open(&pair, PROVIDER).is_zero(), "who handed it in knows from its verdict");
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::Settled { .. })));
    let settles_again = pair.settle(Reach::Peer, Take::Whole);
    assert_eq!(settles_again, Err(SettleError::Nothing));
    check_settled(&mut pair, "in order");
    // And both can go on.
    browse(&mut pair, 60);
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
}

#[test]
fn where_we_would_owe_the_net_it_is_proposed_up_to_what_we_have() {
    let mut pair = both_owe();
    let net = open(&pair, PROVIDER).saturating_sub(open(&pair, CLIENT));
    for (balance, together) in [(Amount::ZERO, false), (net.saturating_sub(amount(1)), false), (net, true)] {
        let mut pair = both_owe();
        pair.act(CLIENT, |machine, _| {
            machine.set_net_max(balance);
            Vec::new()
        });
        pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
        pair.run(20);
        assert_eq!(on_its_way(&pair), [together], "{balance} of {net}");
    }
    // What is to be given up is given up alone, and who isn't there isn't asked.
    pair.settle(Reach::Peer, Take::WhatIsThere).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [false]);
    let mut pair = both_owe();
    pair.settle(Reach::Nobody, Take::Whole).unwrap();
    assert_eq!(on_its_way(&pair), [false]);
}

#[test]
fn a_peer_that_is_silent_or_late_can_not_put_a_settlement_off() {
    let mut pair = both_owe();
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.detach();
    pair.run(20);
    assert_eq!(on_its_way(&pair), NOTHING);
    pair.now = pair.now + Span::seconds(5);
    pair.run(20);
    assert_eq!(on_its_way(&pair), [false], "settled alone after the time for the advice");
    // Its answer comes after all.
    let signature = proposal(&pair).0.countersign(&secret(1));
    let claim = proposal(&pair).0.paying(parties(PROVIDER).me).unwrap().promise;
    let late = PaymentMessage::Netted { serial: claim.serial, amount: claim.amount, signature };
    pair.attach();
    receive(&mut pair, PROVIDER, late);
    pair.run(1);
    assert_eq!(on_its_way(&pair), [false], "and is let go of");
    pair.execute();
    assert_eq!(pair.ledger.paid, pair.nodes[PROVIDER].machine.received());
    // The client still has its own claim.
    pair.follow();
    pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    pair.execute();
    check_settled(&mut pair, "late");
}

#[test]
fn a_refusal_or_a_wrong_signature_is_followed_by_settling_alone_at_once() {
    let wrong = |pair: &Pair| match proposal(pair).0.paying(parties(PROVIDER).me).map(|signed| signed.promise) {
        Some(claim) => (claim.serial, claim.amount, claim.countersign(Take::Whole, &secret(1))),
        None => unreachable!("the provider's own proposal"),
    };
    for is_refused in [true, false] {
        let mut pair = both_owe();
        pair.settle(Reach::Peer, Take::Whole).unwrap();
        let (serial, amount, signature) = wrong(&pair);
        // For another promise it is no answer.
        let stray = PaymentMessage::NetRefused { serial: serial + 1, amount, reason: NetRefusal::UnderWay };
        receive(&mut pair, PROVIDER, stray);
        pair.detach();
        pair.run(1);
        assert_eq!(on_its_way(&pair), NOTHING);
        let answer = match is_refused {
            true => PaymentMessage::NetRefused { serial, amount, reason: NetRefusal::UnderWay },
            false => PaymentMessage::Netted { serial, amount, signature },
        };
        receive(&mut pair, PROVIDER, answer);
        pair.run(1);
        assert_eq!(on_its_way(&pair), [false], "refused: {is_refused}");
        let fault = PaymentNews::Fault(PaymentFault::NetSignature);
        assert_eq!(pair.news(PROVIDER, |news| *news == fault), !is_refused);
    }
}

#[test]
fn who_withholds_its_answer_and_hands_the_pair_in_itself_takes_nothing() {
    for executed_first in [true, false] {
        let mut pair = both_owe();
        pair.settle(Reach::Peer, Take::Whole).unwrap();
        pair.detach();
        pair.now = pair.now + Span::seconds(5);
        pair.run(20);
        assert_eq!(on_its_way(&pair), [false]);
        let call = AccountsCall::SettlePair(Box::new(completed(&pair)));
        for is_pair in [executed_first, !executed_first] {
            match is_pair {
                true => {
                    pair.ledger.execute(call.clone());
                }
                false => pair.execute(),
            }
        }
        pair.follow();
        assert!(open(&pair, PROVIDER).is_zero());
        assert_eq!(open(&pair, CLIENT).is_zero(), executed_first, "what was not netted is still owed");
        pair.attach();
        let rest = pair.settle_by(CLIENT, Reach::Peer, Take::Whole);
        assert_eq!(rest.is_ok(), !executed_first);
        pair.run(20);
        pair.execute();
        check_settled(&mut pair, &format!("first: {executed_first}"));
    }
}

/// The pair is refused since one of the two is settled, and that is not the one that pays whoever handed it in.
#[test]
fn who_agrees_and_settles_alone_all_the_same_leaves_the_other_its_claim() {
    let mut pair = both_owe();
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    let promise = *pair.nodes[PROVIDER].machine.last_promise().unwrap();
    let payee = promise.promise.countersign(Take::Whole, &secret(1));
    pair.ledger.execute(AccountsCall::Settle { promise, payee, take: Take::Whole });
    pair.execute();
    pair.run(5);
    assert_eq!(on_its_way(&pair), [false], "the pair was refused");
    assert!(!open(&pair, PROVIDER).is_zero());
    pair.execute();
    check_settled(&mut pair, "settled alone twice");
}

/// The client is asked, agrees, and nothing is ever handed in.
fn agreed_and_not_kept() -> Pair {
    let mut pair = both_owe();
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    let (promises, signature) = proposal(&pair);
    pair.detach();
    pair.attach();
    receive(&mut pair, CLIENT, PaymentMessage::Net { pair: Box::new(promises), signature });
    pair.nodes[PROVIDER].machine.detach();
    pair.detach();
    pair.ledger.queue.clear();
    pair
}

#[test]
fn who_agreed_waits_for_a_bounded_time_and_then_settles_alone() {
    let mut pair = agreed_and_not_kept();
    pair.attach();
    assert_eq!(pair.settle_by(CLIENT, Reach::Peer, Take::Whole), Err(SettleError::UnderWay));
    pair.run(100);
    let of_client = |pair: &Pair| pair.ledger.queue.iter().filter(|handed| handed.by == CLIENT).count();
    assert_eq!(of_client(&pair), 0);
    pair.now = pair.now + Span::seconds(5);
    pair.run(20);
    assert_eq!(of_client(&pair), 1, "what was wanted meanwhile is made up for");
    // Whoever was let down once agrees to nothing before its promise was settled.
    let (promises, signature) = proposal(&pair);
    pair.ledger.queue.clear();
    receive(&mut pair, CLIENT, PaymentMessage::Net { pair: Box::new(promises), signature });
    pair.run(1);
    let refused = |m: &PaymentMessage| matches!(m, PaymentMessage::NetRefused { reason: NetRefusal::UnderWay, .. });
    assert_eq!(sent(&pair, refused), 1);
}

#[test]
fn only_the_pair_that_settles_next_is_agreed_to() {
    let reason_for = |change: &dyn Fn(&mut Pair) -> (PromisePair, IdentitySignature)| {
        let mut pair = both_owe();
        let (promises, signature) = change(&mut pair);
        receive(&mut pair, CLIENT, PaymentMessage::Net { pair: Box::new(promises), signature });
        pair.run(1);
        let answer = pair.sent.iter().rev().find_map(|message| match message {
            PaymentMessage::Netted { .. } => Some(Ok(())),
            PaymentMessage::NetRefused { reason, .. } => Some(Err(*reason)),
            _ => None,
        });
        answer.expect("answered")
    };
    let promises = |pair: &Pair| {
        let last = |who: usize| *pair.nodes[who].machine.last_promise().unwrap();
        (last(CLIENT), last(PROVIDER))
    };
    let signed = |ours, theirs| {
        let pair = PromisePair::new(ours, theirs).unwrap();
        (pair, pair.countersign(&secret(2)))
    };
    let with = |change: &dyn Fn(&mut Promise, &mut Promise)| {
        reason_for(&|pair| {
            let (mut ours, mut theirs) = promises(pair);
            change(&mut ours.promise, &mut theirs.promise);
            signed(ours.promise.sign(&secret(1)), theirs.promise.sign(&secret(2)))
        })
    };
    let one = amount(1);
    let raised = |promise: &mut Promise| promise.amount = promise.amount.checked_add(one).unwrap();
    let lowered = |promise: &mut Promise| promise.amount = promise.amount.checked_sub(one).unwrap();
    assert_eq!(with(&|_, _| {}), Ok(()));
    assert_eq!(with(&|ours, _| lowered(ours)), Ok(()), "a raise of ours is on its way");
    assert_eq!(with(&|_, theirs| lowered(theirs)), Err(NetRefusal::NotNext), "less than is due");
    assert_eq!(with(&|_, theirs| raised(theirs)), Err(NetRefusal::NotNext), "never taken");
    assert_eq!(with(&|_, theirs| theirs.serial += 1), Err(NetRefusal::NotNext), "voids what is due");
    let abroad = byway_primitives::NetworkId(byway_primitives::Hash([9; 32]));
    let elsewhere = with(&|ours, theirs| (ours.network, theirs.network) = (abroad, abroad));
    assert_eq!(elsewhere, Err(NetRefusal::OtherPair));
    let asset = byway_primitives::AssetId(byway_primitives::Hash([9; 32]));
    let other = with(&|ours, theirs| (ours.series.asset, theirs.series.asset) = (asset, asset));
    assert_eq!(other, Err(NetRefusal::OtherPair));
    let forged = reason_for(&|pair| {
        let (ours, theirs) = promises(pair);
        signed(ours.promise.sign(&secret(2)), theirs)
    });
    assert_eq!(forged, Err(NetRefusal::Signature), "our promise was never ours");
    let unsigned = reason_for(&|pair| {
        let (ours, theirs) = promises(pair);
        let (pair, _) = signed(ours, theirs);
        (pair, theirs.promise.countersign(Take::Whole, &secret(2)))
    });
    assert_eq!(unsigned, Err(NetRefusal::Signature));
    let settled = reason_for(&|pair| {
        let (ours, theirs) = promises(pair);
        let position = byway_records::state::Settled { serial: ours.promise.serial, amount: ours.promise.amount };
        pair.act(CLIENT, |machine, now| machine.note_settled(now, Backing::Account, None, Some(position)));
        signed(ours, theirs)
    });
    assert_eq!(settled, Err(NetRefusal::Settled));
    let under_way = reason_for(&|pair| {
        pair.settle_by(CLIENT, Reach::Nobody, Take::Whole).unwrap();
        let (ours, theirs) = promises(pair);
        signed(ours, theirs)
    });
    assert_eq!(under_way, Err(NetRefusal::UnderWay));
}

#[test]
fn a_pair_of_strangers_is_a_fault_and_has_no_answer() {
    let mut pair = both_owe();
    let promise = |payer: u8, payee: u8| {
        let mut promise = pair.nodes[CLIENT].machine.last_promise().unwrap().promise;
        (promise.series.payer, promise.series.payee) = (secret(payer).id(), secret(payee).id());
        promise.sign(&secret(payer))
    };
    let foreign = PromisePair::new(promise(2, 9), promise(9, 2)).unwrap();
    let before = pair.sent.len();
    let signature = foreign.countersign(&secret(2));
    receive(&mut pair, CLIENT, PaymentMessage::Net { pair: Box::new(foreign), signature });
    pair.run(1);
    assert!(pair.news(CLIENT, |news| *news == PaymentNews::Fault(PaymentFault::ForeignPair)));
    assert_eq!(pair.sent.len(), before);
}

#[test]
fn of_two_proposals_that_cross_one_is_settled() {
    let mut pair = both_owe();
    pair.act(CLIENT, |machine, _| {
        machine.set_net_max(Amount::MAX);
        Vec::new()
    });
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.settle_by(CLIENT, Reach::Peer, Take::Whole).unwrap();
    assert_eq!(sent(&pair, |message| matches!(message, PaymentMessage::Net { .. })), 2);
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    let lower = if parties(CLIENT).me < parties(PROVIDER).me { CLIENT } else { PROVIDER };
    assert_eq!(pair.ledger.queue[0].by, lower);
    pair.execute();
    check_settled(&mut pair, "crossed");
    // The one whose proposal did not stand has nothing to make up for.
    pair.now = pair.now + Span::seconds(10);
    pair.run(5);
    assert_eq!(pair.ledger.handed_in, 1);
}

#[test]
fn what_is_raised_meanwhile_is_the_difference_next_time() {
    let mut pair = both_owe();
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    let before = open(&pair, PROVIDER);
    browse(&mut pair, 60);
    assert_eq!(on_its_way(&pair), [true]);
    assert!(open(&pair, PROVIDER) > before);
    pair.execute();
    pair.follow();
    assert!(!open(&pair, PROVIDER).is_zero() && !open(&pair, CLIENT).is_zero());
    pair.run(10);
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    pair.execute();
    check_settled(&mut pair, "raised");
}

#[test]
fn a_net_that_is_not_there_ends_credit_as_any_bounce_does() {
    let mut pair = both_owe();
    let net = open(&pair, PROVIDER).saturating_sub(open(&pair, CLIENT));
    pair.ledger.balance = net.saturating_sub(amount(1));
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    // What is raised meanwhile would bounce as a promise of its own.
    browse(&mut pair, 80);
    assert!(open(&pair, PROVIDER).saturating_sub(open(&pair, CLIENT)) > net);
    pair.execute();
    pair.run(5);
    assert_eq!(on_its_way(&pair), NOTHING, "alone there would be still less of what is owed");
    assert!(pair.news(PROVIDER, |news| matches!(news, PaymentNews::Bounced { .. })));
    assert_eq!((pair.ledger.moved, pair.ledger.bounces), (amount(0), 1));
    let net = open(&pair, PROVIDER).saturating_sub(open(&pair, CLIENT));
    // The net is there again, though not all that is owed. The client has nothing to settle, so it agrees once more.
    pair.ledger.balance = net;
    pair.now = pair.now + Span::seconds(5);
    pair.run(20);
    pair.settle(Reach::Peer, Take::Whole).unwrap();
    pair.run(20);
    assert_eq!(on_its_way(&pair), [true]);
    pair.execute();
    pair.follow();
    assert_eq!((pair.ledger.moved, pair.ledger.balance), (net, amount(0)));
    assert!(open(&pair, PROVIDER).is_zero() && open(&pair, CLIENT).is_zero());
}

/// Both use and settle all along, the provider crashes or the client does, and both follow the ledger.
fn scenario(crash: Option<Crash>) -> Pair {
    let mut pair = Pair::new(give(), take());
    pair.ledger.provider_balance = amount(1_000_000);
    pair.crash = crash;
    for who in [CLIENT, PROVIDER] {
        pair.act(who, |machine, _| {
            machine.set_net_max(amount(1_000_000));
            Vec::new()
        });
    }
    for round in 0..300 {
        browse_as(&mut pair, 1, [60, 40]);
        if round % 100 == 30 {
            let _ = pair.settle(Reach::Peer, Take::Whole);
        }
        if round % 100 == 60 {
            let _ = pair.settle_by(CLIENT, Reach::Peer, Take::Whole);
        }
        if round % 100 == 90 {
            for who in [CLIENT, PROVIDER] {
                let _ = pair.settle_by(who, Reach::Peer, Take::Whole);
            }
        }
        if round % 7 == 0 {
            pair.execute();
            pair.follow();
        }
    }
    for who in [CLIENT, PROVIDER] {
        pair.act(who, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    }
    for _ in 0..4 {
        // Whatever was agreed and forgotten is over by then.
        pair.now = pair.now + Span::seconds(6);
        pair.run(20);
        pair.execute();
        pair.follow();
        let _ = pair.settle(Reach::Peer, Take::Whole);
        pair.run(20);
        pair.execute();
        pair.follow();
        let _ = pair.settle_by(CLIENT, Reach::Peer, Take::Whole);
        pair.run(20);
        pair.execute();
        pair.follow();
    }
    pair
}

#[test]
fn a_crash_at_any_write_loses_nothing_that_was_netted() {
    let mut whole = scenario(None);
    check_settled(&mut whole, "no crash");
    assert!(whole.ledger.moved < whole.ledger.paid, "less moved than was settled");
    for node in [CLIENT, PROVIDER] {
        assert!(whole.nodes[node].writes > 20, "the scenario writes often enough to be worth crashing");
        for at_write in 1..=whole.nodes[node].writes {
            for when in [When::BeforeDurable, When::AfterDurable] {
                let crash = Crash { node, at_write, when };
                check_settled(&mut scenario(Some(crash)), &format!("{crash:?}"));
            }
        }
    }
}
