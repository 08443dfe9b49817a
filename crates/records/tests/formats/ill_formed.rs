//! What is wrong with a transaction in itself: every case is turned down for its own reason.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{GhostKey, IdentitySignature, NodeSecret, Purpose, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::call::{
    AccountsCall, AssetsCall, HoldersCall, KernelCall, MemberEntry, NamesCall, OffersCall, RegistryCall, Take,
};
use byway_records::promise::SignedPromise;
use byway_records::reject::IllFormed;
use byway_records::transaction::{KeySignature, TRANSACTION_BYTES_MAX};
use byway_records::verified::{Bundle, Culprit, verify, verify_all, verify_bundles, verify_bytes};
use byway_records::{
    Backing, Body, Call, CallEnvelope, Delegate, Input, Lock, Output, OutputId, ProgramId, PromisePair, Received,
    Transaction, Witness,
};

use crate::fixed::{self, NETWORK, identity, way};

fn wallet() -> WalletSecret {
    WalletSecret::from_seed(&[1; 32])
}

fn first() -> TransactionSecret {
    TransactionSecret::from_seed(&[2; 32])
}

/// A body that spends `inputs` of the wallet's outputs and makes one.
fn body(inputs: u32) -> Body {
    let input = |index| {
        let (key, _) = first().derive(&wallet().address(), index);
        Input { spent: OutputId { index, ..fixed::output_id() }, lock: Lock::single(key) }
    };
    let second = TransactionSecret::from_seed(&[3; 32]);
    let (key, tag) = second.derive(&wallet().address(), 0);
    Body {
        inputs: (0..inputs).map(input).collect(),
        outputs: vec![Output { lock: Lock::single(key), view_tags: vec![tag], value: way(5_000) }],
        ghost: Some(second.public()),
        call: None,
        fee: Amount::ZERO,
        expires: Time::ZERO,
    }
}

/// Signs every input that is the wallet's.
fn sign(body: Body) -> Transaction {
    let message = body.id().0.0;
    let spends = body.inputs.iter().map(|input| {
        let secret = wallet().spend_secret(first().public(), input.spent.index, input.lock.keys[0]);
        secret.map(|secret| KeySignature { key: 0, signature: secret.sign(NETWORK, &message) }).into_iter().collect()
    });
    let spends = spends.collect();
    let authorisations = vec![identity(1).sign(Purpose::Authorise, NETWORK, &message)];
    Transaction { body, witness: Witness { spends, authorisations } }
}

/// Signs a body after a change to it.
fn changed(change: impl FnOnce(&mut Body)) -> Transaction {
    let mut body = body(2);
    change(&mut body);
    sign(body)
}

fn calling(call: Call, pays: Option<u128>, draws: Option<u128>) -> Transaction {
    changed(|body| body.call = Some(call.envelope(pays.map(way), draws.map(way))))
}

/// A call about an asset beside WAY.
fn valued(call: AssetsCall, pays: Option<u128>, draws: Option<u128>) -> Transaction {
    let call = Call::Assets(call);
    changed(|body| body.call = Some(call.envelope(pays.map(fixed::other), draws.map(fixed::other))))
}

fn settle(network: NetworkId, payer: u8, payee: u8) -> Transaction {
    settle_as(network, payer, payee, [Take::Whole; 2])
}

/// The payee signs for the first, the call asks for the second.
fn settle_as(network: NetworkId, payer: u8, payee: u8, [signed_for, take]: [Take; 2]) -> Transaction {
    let mut promise = fixed::promise(Backing::Account);
    (promise.network, promise.series.payer, promise.series.payee) = (network, identity(1).id(), identity(2).id());
    let signed = promise.sign(&identity(payer));
    let payee = promise.countersign(signed_for, &identity(payee));
    calling(Call::Accounts(AccountsCall::Settle { promise: signed, payee, take }), None, None)
}

/// Identities 1 and 2 owe each other; this one of them did not sign that both may settle.
fn settle_pair(network: NetworkId, missing: u8) -> Transaction {
    let signed = |payer: u8, payee: u8| {
        let mut promise = fixed::promise(Backing::Account);
        (promise.network, promise.series.payer, promise.series.payee) =
            (network, identity(payer).id(), identity(payee).id());
        promise.sign(&identity(payer))
    };
    let pair = PromisePair::new(signed(1, 2), signed(2, 1)).expect("each way one");
    let sign = |who: u8| {
        let secret = identity(who);
        // That one may be settled alone is not that both may.
        let alone = || signed(3 - who, who).promise.countersign(Take::Whole, &secret);
        (secret.id(), if who == missing { alone() } else { pair.countersign(&secret) })
    };
    let pair = pair.with([sign(1), sign(2)]).expect("its parties");
    calling(Call::Accounts(AccountsCall::SettlePair(Box::new(pair))), None, None)
}

fn publish(signer: u8, network: NetworkId) -> Transaction {
    let offer = byway_records::Offer { provider: identity(1).id(), ..fixed::offer() };
    calling(Call::Offers(OffersCall::Publish { offer: offer.sign(&identity(signer), network) }), None, None)
}

/// A pledge whose member has the key of node 7, signed by another or for another network.
fn pledge(signer: u8, network: NetworkId) -> Call {
    let secret = NodeSecret::from_seed(&[signer; 32]);
    Call::Kernel(KernelCall::Pledge { entry: MemberEntry::sign(fixed::member(7), &secret, network) })
}

fn rotate(change: impl FnOnce(&mut MemberEntry)) -> Call {
    let mut entry = MemberEntry::sign(fixed::member(7), &NodeSecret::from_seed(&[7; 32]), NETWORK);
    change(&mut entry);
    Call::Kernel(KernelCall::Rotate { seat: 7, entry })
}

fn register() -> Call {
    Call::Registry(RegistryCall::Register { key: identity(1).public() })
}

#[test]
fn well_formed_transactions_pass() {
    let deposit = Call::Accounts(AccountsCall::Deposit { to: fixed::id(1) });
    let withdraw = Call::Accounts(AccountsCall::Withdraw { from: fixed::id(1) });
    let good = [
        sign(body(0)).clone(),
        sign(body(1)),
        sign(body(3)),
        settle(NETWORK, 1, 2),
        publish(1, NETWORK),
        calling(register(), Some(1), None),
        calling(deposit, Some(1), None),
        calling(withdraw, None, Some(1)),
        valued(AssetsCall::Issue, None, Some(1)),
        valued(AssetsCall::Burn, Some(1), None),
        calling(pledge(7, NETWORK), Some(1), None),
        calling(Call::Kernel(KernelCall::Reclaim { seat: 7 }), None, Some(1)),
    ];
    // Without inputs and call nothing happens; with a call it may.
    let [_, rest @ ..] = good;
    for transaction in rest {
        let verified = verify(NETWORK, transaction.clone()).expect("well-formed");
        assert!(verified.is_authorised_by(identity(1).id()) && !verified.is_authorised_by(identity(2).id()));
        assert_eq!(verify_bytes(NETWORK, &transaction.to_bytes()), Ok(verified));
    }
}

/// Signs an input that two of the wallet's keys open, with these keys in this order.
fn of_two(order: &[u8]) -> Transaction {
    let keys = [0, 1].map(|index| first().derive(&wallet().address(), index).0);
    let mut body = body(1);
    body.inputs[0].lock = Lock { threshold: 2, keys: keys.to_vec() };
    let message = body.id().0.0;
    let signature = |key: &u8| {
        let secret = wallet().spend_secret(first().public(), (*key).into(), keys[usize::from(*key)]).expect("ours");
        KeySignature { key: *key, signature: secret.sign(NETWORK, &message) }
    };
    let spends = vec![order.iter().map(signature).collect()];
    Transaction { body, witness: Witness { spends, authorisations: vec![] } }
}

/// Adds the order of the base point to the s of a signature.
fn add_order(signature: &mut [u8; 64]) {
    let mut order = [0; 32];
    hex::decode_to_slice("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", &mut order).expect("hex");
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

type Case = (&'static str, Transaction, IllFormed);

fn amounts_and_keys() -> Vec<Case> {
    let not_a_point = GhostKey([2; 32]);
    assert!(!not_a_point.is_valid());
    // y = p + 3, which is the point with y = 3.
    let mut second_encoding = GhostKey([0xff; 32]);
    (second_encoding.0[0], second_encoding.0[31]) = (0xf0, 0x7f);
    let shared = |keys| Output { lock: Lock { threshold: 2, keys }, view_tags: vec![0; 2], value: way(1) };
    let paying = |body: &Body, amount| Output { value: way(amount), ..body.outputs[0].clone() };
    vec![
        ("nothing in it", sign(Body { outputs: vec![], ghost: None, ..body(0) }), IllFormed::Empty),
        ("outputs from nowhere", sign(body(0)), IllFormed::Empty),
        ("an input twice", changed(|b| b.inputs[1] = b.inputs[0].clone()), IllFormed::RepeatedInput),
        ("an output of zero", changed(|b| b.outputs[0].value = way(0)), IllFormed::EmptyOutput),
        ("an output to no point", changed(|b| b.outputs[0].lock = Lock::single(not_a_point)), IllFormed::OutputKey),
        ("R is no point", changed(|b| b.ghost = Some(not_a_point)), IllFormed::OutputKey),
        ("a key of order 4", changed(|b| b.outputs[0].lock = Lock::single(GhostKey([0; 32]))), IllFormed::OutputKey),
        ("R of order 4", changed(|b| b.ghost = Some(GhostKey([0; 32]))), IllFormed::OutputKey),
        (
            "a second encoding of a point",
            changed(|b| b.outputs[0].lock = Lock::single(second_encoding)),
            IllFormed::OutputKey,
        ),
        (
            "one bad key of several",
            changed(|b| b.outputs.push(shared(vec![b.outputs[0].lock.keys[0], second_encoding]))),
            IllFormed::OutputKey,
        ),
        ("outputs over all", changed(|b| b.outputs = vec![paying(b, u128::MAX), paying(b, 1)]), IllFormed::Overflow),
        (
            "all and a call over it",
            changed(|b| {
                b.outputs[0].value = way(u128::MAX);
                b.call = Some(register().envelope(Some(way(1)), None));
            }),
            IllFormed::Overflow,
        ),
        (
            "too much out",
            changed(|b| (b.outputs[0].value, b.fee) = (way(u128::MAX), Amount::from_units(1))),
            IllFormed::Overflow,
        ),
    ]
}

fn signatures() -> Vec<Case> {
    let mut unsigned = sign(body(2));
    unsigned.witness.spends.pop();
    let mut twice = sign(body(2));
    let again = twice.witness.spends[0][0];
    twice.witness.spends[0].push(again);
    let mut wrong_key = sign(body(2));
    wrong_key.witness.spends[0][0].key = 1;
    let mut swapped = sign(body(2));
    swapped.witness.spends.swap(0, 1);
    // s + ℓ means the same as s, and must not verify: whoever sees a transaction could change its bytes.
    let mut malleated = sign(body(2));
    add_order(&mut malleated.witness.spends[0][0].signature.0);
    let mut malformed = sign(body(2));
    malformed.witness.authorisations[0] = IdentitySignature([0xff; 65]);
    vec![
        ("too few signatures", unsigned, IllFormed::SignatureCount),
        ("a signature too many", twice, IllFormed::SignatureCount),
        ("a key that isn't there", wrong_key, IllFormed::SignatureCount),
        ("keys in falling order", of_two(&[1, 0]), IllFormed::SignatureCount),
        ("one key twice", of_two(&[0, 0]), IllFormed::SignatureCount),
        ("one signature of two", of_two(&[0]), IllFormed::SignatureCount),
        ("a second encoding of a signature", malleated, IllFormed::Signature),
        ("another input's signature", swapped, IllFormed::Signature),
        ("a malformed authorisation", malformed, IllFormed::Signature),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn calls() -> Vec<Case> {
    let foreign = NetworkId(Hash([8; 32]));
    vec![
        ("another network's promise", settle(foreign, 1, 2), IllFormed::WrongNetwork),
        ("a promise by another", settle(NETWORK, 3, 2), IllFormed::Signature),
        ("countersigned by another", settle(NETWORK, 1, 3), IllFormed::Signature),
        (
            "countersigned in whole, to take what is there",
            settle_as(NETWORK, 1, 2, [Take::Whole, Take::WhatIsThere]),
            IllFormed::Signature,
        ),
        (
            "countersigned for what is there, to take all",
            settle_as(NETWORK, 1, 2, [Take::WhatIsThere, Take::Whole]),
            IllFormed::Signature,
        ),
        ("another network's pair", settle_pair(foreign, 0), IllFormed::WrongNetwork),
        ("a pair that the first did not sign", settle_pair(NETWORK, 1), IllFormed::Signature),
        ("a pair that the second did not sign", settle_pair(NETWORK, 2), IllFormed::Signature),
        ("an offer by another", publish(3, NETWORK), IllFormed::Signature),
        ("another network's offer", publish(1, foreign), IllFormed::Signature),
        ("a registration for nothing", calling(register(), None, None), IllFormed::CallValue),
        ("a registration that draws", calling(register(), Some(1), Some(1)), IllFormed::CallValue),
        ("a payment of zero", calling(register(), Some(0), None), IllFormed::CallValue),
        (
            "a deposit of nothing",
            calling(Call::Accounts(AccountsCall::Deposit { to: fixed::id(1) }), None, None),
            IllFormed::CallValue,
        ),
        (
            "a withdrawal that pays",
            calling(Call::Accounts(AccountsCall::Withdraw { from: fixed::id(1) }), Some(1), Some(1)),
            IllFormed::CallValue,
        ),
        (
            "a withdrawal of nothing",
            calling(Call::Accounts(AccountsCall::Withdraw { from: fixed::id(1) }), None, None),
            IllFormed::CallValue,
        ),
        (
            "an offer that pays",
            calling(Call::Offers(OffersCall::Withdraw { provider: fixed::id(1), serial: 1 }), Some(1), None),
            IllFormed::CallValue,
        ),
        ("an issue of WAY", calling(Call::Assets(AssetsCall::Issue), None, Some(1)), IllFormed::CallValue),
        ("an issue of nothing", calling(Call::Assets(AssetsCall::Issue), None, None), IllFormed::CallValue),
        ("an issue that pays", valued(AssetsCall::Issue, Some(5), Some(5)), IllFormed::CallValue),
        ("an issue of zero", valued(AssetsCall::Issue, None, Some(0)), IllFormed::CallValue),
        ("a burn of WAY", calling(Call::Assets(AssetsCall::Burn), Some(1), None), IllFormed::CallValue),
        ("a burn that draws", valued(AssetsCall::Burn, Some(5), Some(5)), IllFormed::CallValue),
        (
            "a paid registration of an asset",
            calling(Call::Assets(AssetsCall::Register { terms: fixed::asset_terms() }), Some(1), None),
            IllFormed::CallValue,
        ),
        ("a free pledge", calling(pledge(7, NETWORK), None, None), IllFormed::CallValue),
        ("a foreign pledge", calling(pledge(7, NetworkId(Hash([9; 32]))), Some(1), None), IllFormed::Signature),
        ("a pledge for a key of another", calling(pledge(8, NETWORK), Some(1), None), IllFormed::Signature),
        (
            "a rotation to another owner",
            calling(rotate(|e| e.member.owner.0[0] ^= 1), None, None),
            IllFormed::Signature,
        ),
        ("a rotation to no key", calling(rotate(|e| e.member.key.0 = [0xff; 32]), None, None), IllFormed::Signature),
        (
            "a reclaim of nothing",
            calling(Call::Kernel(KernelCall::Reclaim { seat: 7 }), None, None),
            IllFormed::CallValue,
        ),
        ("a paid rotation", calling(rotate(|_| ()), Some(1), None), IllFormed::CallValue),
        (
            "an unknown program",
            changed(|b| b.call = Some(CallEnvelope { program: ProgramId(99), pays: None, draws: None, body: vec![] })),
            IllFormed::Encoding(DecodeError::UnknownVariant { kind: "program", value: 99 }),
        ),
        (
            "an unknown call",
            changed(|b| {
                b.call = Some(CallEnvelope { program: ProgramId::REGISTRY, pays: None, draws: None, body: vec![9] })
            }),
            IllFormed::Encoding(DecodeError::UnknownVariant { kind: "registry call", value: 9 }),
        ),
        (
            "bytes behind a call",
            changed(|b| {
                b.call = Some(CallEnvelope {
                    program: ProgramId::OFFERS,
                    pays: None,
                    draws: None,
                    body: [vec![1], vec![0; 22]].concat(),
                })
            }),
            IllFormed::Encoding(DecodeError::Trailing),
        ),
        ("a holder twice", holding(vec![2, 3, 2]), IllFormed::Encoding(DecodeError::Invalid("list of holders"))),
        ("oneself as holder", holding(vec![2, 1]), IllFormed::Encoding(DecodeError::Invalid("list of holders"))),
        (
            "too many holders",
            holding(vec![2, 3, 4, 5, 6]),
            IllFormed::Encoding(DecodeError::TooLong { length: 5, limit: 4 }),
        ),
        ("a name in capitals", naming("Alice", 1), IllFormed::Encoding(DecodeError::Invalid("name"))),
        ("a reserved name", naming("byway", 1), IllFormed::Encoding(DecodeError::Invalid("name"))),
        ("a name for no year", naming("alice", 0), IllFormed::Encoding(DecodeError::OutOfRange)),
        ("a name for six years", naming("alice", 6), IllFormed::Encoding(DecodeError::OutOfRange)),
        (
            "a name that is paid into",
            calling(Call::Names(NamesCall::Release { name: fixed::name() }), Some(1), None),
            IllFormed::CallValue,
        ),
    ]
}

/// Identity 1 names these.
fn holding(holders: Vec<u8>) -> Transaction {
    let delegates = holders.into_iter().map(|holder| Delegate { holder: fixed::id(holder), until: Time(5) }).collect();
    calling(Call::Holders(HoldersCall::Set { identity: fixed::id(1), serial: 1, delegates }), None, None)
}

/// A renewal with its name and years as they are written here.
fn naming(name: &str, years: u8) -> Transaction {
    let mut body = vec![2, name.len() as u8];
    body.extend(name.bytes().chain([years]));
    changed(|b| b.call = Some(CallEnvelope { program: ProgramId::NAMES, pays: None, draws: None, body }))
}

/// Transactions that can't come from the wire, only from code that puts them together wrongly.
fn unencodable() -> Vec<Case> {
    let encoding = IllFormed::Encoding(DecodeError::Invalid("transaction body"));
    let long = |body: &mut Body| body.outputs = vec![fixed::output_of_two(); 300];
    let huge = |body: &mut Body| {
        let lock = Lock { threshold: 1, keys: vec![body.outputs[0].lock.keys[0]; 16] };
        body.outputs = vec![Output { lock, view_tags: vec![0; 16], value: way(1) }; 256];
    };
    vec![
        ("too long", changed(huge), IllFormed::TooLong),
        ("an open lock", changed(|b| b.outputs[0].lock.threshold = 0), encoding),
        ("a lock for ever", changed(|b| b.outputs[0].lock.threshold = 2), encoding),
        ("no view tag", changed(|b| b.outputs[0].view_tags.clear()), encoding),
        ("no R", changed(|b| b.ghost = None), encoding),
        ("R without outputs", changed(|b| b.outputs.clear()), encoding),
        ("too many outputs", changed(long), encoding),
    ]
}

#[test]
fn every_case_is_turned_down_for_its_reason() {
    let good = sign(body(1));
    let table = [amounts_and_keys(), signatures(), calls(), unencodable()].concat();
    for (case, bad, reason) in table {
        assert_eq!(verify(NETWORK, bad.clone()), Err(reason), "{case}");
        // Among good ones it is found at its place.
        assert_eq!(verify_all(NETWORK, vec![good.clone(), bad, good.clone()]), Err((1, reason)), "{case}");
    }
}

/// It costs its payer the money and nobody else anything, so only who takes it from a client looks.
#[test]
fn an_output_to_no_point_is_no_fault_of_a_snapshot_and_can_not_be_spent() {
    let no_point = Lock::single(GhostKey([2; 32]));
    let lost = changed(|body| body.outputs[0].lock = no_point.clone());
    let bundle =
        |transaction: &Transaction| Bundle { transactions: vec![transaction.clone().into()], others: Vec::new() };
    let outcomes = verify_bundles(NETWORK, vec![bundle(&lost)]);
    assert!(matches!(&outcomes[..], [Ok(verified)] if verified[0].transaction() == &lost));
    let mut spends_it = changed(|body| body.inputs[0].lock = no_point.clone());
    spends_it.witness.spends[0] = spends_it.witness.spends[1].clone();
    let outcomes = verify_bundles(NETWORK, vec![bundle(&spends_it)]);
    assert_eq!(outcomes, [Err(Culprit::Transaction(0, IllFormed::Signature))]);
}

#[test]
fn what_came_in_bytes_is_what_was_put_together() {
    for inputs in 1..4 {
        let transaction = sign(body(inputs));
        let received = Received::from_bytes(&transaction.to_bytes()).expect("well-formed");
        assert_eq!((received.id(), received.size()), (transaction.id(), transaction.to_bytes().len()));
        assert_eq!(received, transaction.into());
    }
}

#[test]
fn bytes_that_are_no_transaction_are_turned_down() {
    let good = sign(body(1)).to_bytes();
    let version = [&[2][..], &good[1..]].concat();
    let table = [
        ("nothing", Vec::new(), DecodeError::Truncated),
        ("another version", version, DecodeError::UnknownVariant { kind: "transaction version", value: 2 }),
        ("cut", good[..good.len() - 1].to_vec(), DecodeError::Truncated),
        ("a byte more", [&good[..], &[0]].concat(), DecodeError::Trailing),
    ];
    for (case, bytes, error) in table {
        assert_eq!(verify_bytes(NETWORK, &bytes), Err(IllFormed::Encoding(error)), "{case}");
    }
    assert_eq!(verify_bytes(NETWORK, &vec![0; TRANSACTION_BYTES_MAX + 1]), Err(IllFormed::TooLong));
}

/// Signatures of one network mean nothing on another, whatever they sign.
#[test]
fn nothing_crosses_to_another_network() {
    let other = NetworkId(Hash([8; 32]));
    assert_eq!(verify(other, sign(body(1))), Err(IllFormed::Signature));
    let promise: SignedPromise = fixed::promise(Backing::Account).sign(&identity(1));
    assert!(
        SignedPromise { promise: byway_records::Promise { network: other, ..promise.promise }, ..promise }
            .verify()
            .is_err()
    );
    let authorised = calling(register(), Some(1), None);
    let moved = Transaction { body: Body { inputs: Vec::new(), ..authorised.body.clone() }, ..authorised.clone() };
    let moved = Transaction { witness: Witness { spends: Vec::new(), ..moved.witness }, ..moved };
    // An authorisation recovers to some key on any network; to the identity's only on its own.
    if let Ok(verified) = verify(other, moved) {
        assert!(!verified.is_authorised_by(identity(1).id()));
    }
}
