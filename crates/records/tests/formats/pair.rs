//! Two promises that settle together: which do, and what a signature for both is good for.

use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::{Amount, AssetId, Hash, NetworkId};
use byway_records::call::{AccountsCall, Take};
use byway_records::pair::NoPair;
use byway_records::{Backing, Promise, PromisePair, SignedPromise};

use crate::fixed::{self, identity};

fn promise(payer: u8, payee: u8) -> Promise {
    let mut promise = fixed::promise(Backing::Account);
    (promise.series.payer, promise.series.payee) = (identity(payer).id(), identity(payee).id());
    promise
}

fn signed(payer: u8, payee: u8) -> SignedPromise {
    promise(payer, payee).sign(&identity(payer))
}

#[test]
fn only_promises_each_way_between_the_same_two_are_a_pair() {
    let there = signed(1, 2);
    let back = |change: fn(&mut Promise)| {
        let mut back = promise(2, 1);
        change(&mut back);
        PromisePair::new(there, back.sign(&identity(2))).map(drop)
    };
    assert_eq!(back(|_| {}), Ok(()));
    assert_eq!(back(|back| back.amount = Amount::ZERO), Ok(()));
    for (change, expected) in [
        ((|back: &mut Promise| back.network = NetworkId(Hash([9; 32]))) as fn(&mut Promise), NoPair::Networks),
        (|back| back.series.asset = AssetId(Hash([8; 32])), NoPair::Assets),
        (|back| back.series.payee = identity(3).id(), NoPair::Parties),
        (|back| back.series.payer = identity(3).id(), NoPair::Parties),
        (|back| std::mem::swap(&mut back.series.payer, &mut back.series.payee), NoPair::Parties),
        (|back| back.series.backing = fixed::backings()[1], NoPair::Backing),
        (|back| back.series.backing = fixed::backings()[2], NoPair::Backing),
    ] {
        assert_eq!(back(change), Err(expected));
    }
    assert_eq!(PromisePair::new(signed(1, 1), signed(1, 1)), Err(NoPair::Parties), "nobody owes themselves a net");
}

#[test]
fn a_pair_has_one_encoding() {
    let (there, back) = (signed(1, 2), signed(2, 1));
    let pair = PromisePair::new(there, back).expect("each way one");
    assert_eq!(PromisePair::new(back, there), Ok(pair));
    let [first, second] = pair.promises().map(|signed| signed.to_bytes());
    assert_eq!(pair.to_bytes(), [&first[..], &second].concat());
    let turned = PromisePair::from_bytes(&[&second[..], &first].concat());
    assert_eq!(turned, Err(DecodeError::Invalid("a pair's payers ascend")));
    let twice = PromisePair::from_bytes(&[&first[..], &first].concat());
    assert_eq!(twice, Err(DecodeError::Invalid("a pair of promises")));
}

#[test]
fn each_signature_stands_beside_the_promise_that_pays_its_signer() {
    let (one, other, stranger) = (identity(1), identity(2), identity(3));
    let pair = PromisePair::new(signed(1, 2), signed(2, 1)).expect("each way one");
    let (of_one, of_other) = (pair.countersign(&one), pair.countersign(&other));
    let together = pair.with([(one.id(), of_one), (other.id(), of_other)]).expect("its parties");
    assert_eq!(pair.with([(other.id(), of_other), (one.id(), of_one)]), Some(together));
    assert_eq!(together.verify(), Ok(()));
    assert_eq!(pair.with([(one.id(), of_one), (stranger.id(), of_other)]), None);
    let swapped = pair.with([(one.id(), of_other), (other.id(), of_one)]).expect("its parties");
    assert!(swapped.verify().is_err());
    assert_eq!(pair.paying(one.id()), Some(&signed(2, 1)));
    assert_eq!(pair.paid_by(one.id()), Some(&signed(1, 2)));
    assert_eq!((pair.paying(stranger.id()), pair.paid_by(stranger.id())), (None, None));
}

/// Whoever is given one for the net can't settle a part of it, nor another net, with it.
#[test]
fn a_signature_for_the_net_is_good_for_nothing_else() {
    let payee = identity(1);
    let pair = PromisePair::new(signed(1, 2), signed(2, 1)).expect("each way one");
    let signature = pair.countersign(&payee);
    assert_eq!(pair.verify_countersigned(payee.id(), &signature), Ok(()));
    for take in [Take::Whole, Take::WhatIsThere] {
        assert!(signed(2, 1).verify_countersigned(take, &signature).is_err(), "{take:?}");
    }
    let raised = Promise { amount: Amount::from_units(u128::MAX), ..promise(1, 2) }.sign(&payee);
    let other = PromisePair::new(raised, signed(2, 1)).expect("each way one");
    assert!(other.verify_countersigned(payee.id(), &signature).is_err());
}

#[test]
fn the_call_is_the_pair_and_both_signatures() {
    let pair = fixed::promise_pair();
    let bytes = [vec![6], pair.pair.to_bytes(), pair.payees[0].to_bytes(), pair.payees[1].to_bytes()].concat();
    assert_eq!(AccountsCall::SettlePair(Box::new(pair)).to_bytes(), bytes);
    assert_eq!(AccountsCall::from_bytes(&bytes), Ok(AccountsCall::SettlePair(Box::new(pair))));
}
