//! Ghost outputs against an independent implementation, and against the vectors in `docs/vectors/ghost.json`.

mod edwards;
mod second;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::node::NodeSignature;
use byway_crypto::{GhostKey, Group, GroupView, ViewSecret, WalletSecret};
use byway_primitives::{Decode, Encode};
use edwards::Point;
use proptest::prelude::*;
use second::{Bytes, Derived, scalar_bytes, transaction_scalar};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../../docs/vectors/ghost.json");

fn hex32(bytes: &Bytes) -> String {
    hex::encode(bytes)
}

/// One wallet and one of its outputs, by the second implementation.
fn output_vector(seed: &Bytes, transaction_seed: &Bytes, index: u32) -> Value {
    let wallet = second::Wallet::of(seed);
    let r = transaction_scalar(transaction_seed);
    let big_r = Point::base_times(&r);
    let Derived { key, view_tag } = second::paid(&r, &wallet.public_view(), &wallet.public_spend(), index);
    json!({
        "seed": hex32(seed),
        "view_secret": hex32(&scalar_bytes(&wallet.a)),
        "spend_secret": hex32(&scalar_bytes(&wallet.b)),
        "address": wallet.address(),
        "view_key": wallet.view_key(),
        "transaction_seed": hex32(transaction_seed),
        "transaction_secret": hex32(&scalar_bytes(&r)),
        "transaction_key": hex32(&big_r.compress()),
        "index": index,
        "output_key": hex32(&key),
        "view_tag": view_tag,
        "one_time_secret": hex32(&wallet.one_time_secret(&big_r, index)),
    })
}

fn group_vector(threshold: u8, seeds: &[Bytes], seed: &Bytes, transaction_seed: &Bytes, index: u32) -> Value {
    let members: Vec<_> = seeds.iter().map(second::Wallet::of).collect();
    let group = second::Group::of(threshold, &members, seed);
    let outputs = group.paid(&transaction_scalar(transaction_seed), index);
    json!({
        "threshold": threshold,
        "member_seeds": seeds.iter().map(hex32).collect::<Vec<_>>(),
        "seed": hex32(seed),
        "view_secret": hex32(&scalar_bytes(&group.a)),
        "address": group.address(),
        "transaction_seed": hex32(transaction_seed),
        "index": index,
        "output_keys": outputs.iter().map(|output| hex32(&output.key)).collect::<Vec<_>>(),
        "view_tags": outputs.iter().map(|output| output.view_tag).collect::<Vec<_>>(),
    })
}

/// The same two by the code under test.
fn output_by_crate(seed: &Bytes, transaction_seed: &Bytes, index: u32) -> Value {
    let (wallet, secret) = (WalletSecret::from_seed(seed), TransactionSecret::from_seed(transaction_seed));
    let view = wallet.view_secret();
    let (key, view_tag) = secret.derive(&wallet.address(), index);
    let found = view.owned(secret.public(), [(index, key, view_tag)]).next();
    assert_eq!(found, Some(index), "the payee finds what the payer made");
    assert!(wallet.spend_secret(secret.public(), index, key).is_some(), "and can spend it");
    json!({
        "seed": hex32(seed),
        "address": wallet.address().to_string(),
        "view_key": *view.to_text(),
        "transaction_seed": hex32(transaction_seed),
        "transaction_key": secret.public().to_string(),
        "index": index,
        "output_key": key.to_string(),
        "view_tag": view_tag,
    })
}

fn group_by_crate(threshold: u8, seeds: &[Bytes], seed: &Bytes, transaction_seed: &Bytes, index: u32) -> Value {
    let members: Vec<_> = seeds.iter().map(|seed| WalletSecret::from_seed(seed).address()).collect();
    let view = GroupView::new(threshold, &members, seed).expect("a group");
    let secret = TransactionSecret::from_seed(transaction_seed);
    let (keys, tags) = secret.derive_group(view.group(), index);
    assert!(view.owns(secret.public(), index, threshold, &keys, &tags));
    json!({
        "threshold": threshold,
        "seed": hex32(seed),
        "address": view.group().to_string(),
        "transaction_seed": hex32(transaction_seed),
        "index": index,
        "output_keys": keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "view_tags": tags,
    })
}

/// Every field of `ours` is in `theirs`, and is the same.
fn assert_part_of(ours: &Value, theirs: &Value) {
    for (name, value) in ours.as_object().expect("an object") {
        assert_eq!(Some(value), theirs.get(name), "{name}");
    }
}

/// Encodings that must not be taken for keys: no points, second encodings of points, points of small order.
const BAD_KEYS: [(&str, &str); 9] = [
    ("no point", "0200000000000000000000000000000000000000000000000000000000000000"),
    ("y = p + 1: the neutral point again", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p + 3: a point again", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = 2^255 - 1", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("order 1", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("order 1 with a sign", "0100000000000000000000000000000000000000000000000000000000000080"),
    ("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
];

/// The file as it should be.
fn vectors() -> Value {
    let outputs = [(1u8, 3u8, 0u32), (1, 3, 1), (1, 4, 255), (2, 3, 70_000), (0xff, 0, u32::MAX)];
    let outputs = outputs.map(|(seed, transaction, index)| output_vector(&[seed; 32], &[transaction; 32], index));
    let groups = [(2u8, &[1u8, 2, 3][..], 0u32), (1, &[4, 5], 7), (3, &[9, 8, 7, 6], 300)];
    let groups = groups.map(|(threshold, seeds, index)| {
        let seeds: Vec<Bytes> = seeds.iter().map(|seed| [*seed; 32]).collect();
        group_vector(threshold, &seeds, &[0x77; 32], &[0x55; 32], index)
    });
    let bad = BAD_KEYS.map(|(why, key)| json!({ "why": why, "key": key }));
    json!({ "outputs": outputs, "groups": groups, "bad_keys": bad })
}

#[test]
fn the_vectors_are_those_of_the_second_implementation() {
    let stored: Value = serde_json::from_str(VECTORS).expect("JSON");
    let computed = vectors();
    let text = || serde_json::to_string_pretty(&computed).expect("JSON");
    assert_eq!(stored, computed, "docs/vectors/ghost.json should read:\n{}", text());
}

fn bytes_of(value: &Value, name: &str) -> Bytes {
    let mut bytes = [0; 32];
    hex::decode_to_slice(value[name].as_str().expect(name), &mut bytes).expect(name);
    bytes
}

#[test]
fn the_crate_derives_the_vectors() {
    let stored: Value = serde_json::from_str(VECTORS).expect("JSON");
    for vector in stored["outputs"].as_array().expect("a list") {
        let index = vector["index"].as_u64().expect("a number") as u32;
        let (seed, transaction) = (bytes_of(vector, "seed"), bytes_of(vector, "transaction_seed"));
        assert_part_of(&output_by_crate(&seed, &transaction, index), vector);
        let view = ViewSecret::from_text(vector["view_key"].as_str().expect("text")).expect("a view key");
        assert_eq!(view.address().to_string(), vector["address"], "the view key is that of the address");
        assert_eq!(view.to_bytes()[..32], bytes_of(vector, "view_secret"));
    }
    for vector in stored["groups"].as_array().expect("a list") {
        let seeds = vector["member_seeds"].as_array().expect("a list").iter();
        let seeds: Vec<Bytes> = seeds.map(|seed| bytes_of(&json!({ "seed": seed }), "seed")).collect();
        let threshold = vector["threshold"].as_u64().expect("a number") as u8;
        let index = vector["index"].as_u64().expect("a number") as u32;
        let (seed, transaction) = (bytes_of(vector, "seed"), bytes_of(vector, "transaction_seed"));
        assert_part_of(&group_by_crate(threshold, &seeds, &seed, &transaction, index), vector);
        let group: Group = vector["address"].as_str().expect("text").parse().expect("a group's address");
        assert_eq!((group.threshold(), group.members()), (threshold, seeds.len()));
    }
}

#[test]
fn bad_keys_are_no_keys_anywhere() {
    let stored: Value = serde_json::from_str(VECTORS).expect("JSON");
    let good = WalletSecret::from_seed(&[1; 32]).address().to_bytes();
    for vector in stored["bad_keys"].as_array().expect("a list") {
        let (bad, why) = (bytes_of(vector, "key"), &vector["why"]);
        assert!(!GhostKey(bad).is_valid(), "{why}");
        for at in [0, 32] {
            let mut address = good.clone();
            address[at..at + 32].copy_from_slice(&bad);
            assert!(byway_crypto::Address::from_bytes(&address).is_err(), "{why} at {at} of an address");
        }
        let mut view = WalletSecret::from_seed(&[1; 32]).view_secret().to_bytes();
        view[32..].copy_from_slice(&bad);
        assert!(ViewSecret::from_bytes(&view).is_none(), "{why} in a view key");
    }
    assert!(GhostKey(good[..32].try_into().expect("32 bytes")).is_valid());
}

/// ℓ and anything above are second encodings of smaller scalars.
#[test]
fn scalars_have_one_encoding() {
    let order = scalar_bytes(&edwards::L);
    let mut view = WalletSecret::from_seed(&[1; 32]).view_secret().to_bytes();
    let mut above = order;
    above[0] += 1;
    for scalar in [order, above, [0xff; 32]] {
        view[..32].copy_from_slice(&scalar);
        assert!(ViewSecret::from_bytes(&view).is_none(), "{}", hex32(&scalar));
    }
    // The s of a signature likewise: adding ℓ to it makes another signature that means the same, which must not verify.
    let (wallet, secret) = (WalletSecret::from_seed(&[1; 32]), TransactionSecret::from_seed(&[3; 32]));
    let (key, _) = secret.derive(&wallet.address(), 0);
    let spend = wallet.spend_secret(secret.public(), 0, key).expect("ours");
    let network = byway_primitives::NetworkId(byway_primitives::Hash([7; 32]));
    let signature = spend.sign(network, b"body");
    assert!(byway_crypto::ghost::verify_spend(key, network, b"body", signature));
    let (r, s) = signature.0.split_at(32);
    let malleable = num_bigint::BigUint::from_bytes_le(s) + &*edwards::L;
    let malleable: [u8; 64] = [r, &scalar_bytes(&malleable)].concat().try_into().expect("64 bytes");
    assert!(!byway_crypto::ghost::verify_spend(key, network, b"body", NodeSignature(malleable)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn both_implementations_derive_the_same(seed: Bytes, transaction: Bytes, index: u32) {
        let theirs = output_vector(&seed, &transaction, index);
        assert_part_of(&output_by_crate(&seed, &transaction, index), &theirs);
        // The payee's side, from R and the view secret.
        let wallet = second::Wallet::of(&seed);
        let big_r = Point::decompress(&TransactionSecret::from_seed(&transaction).public().0).expect("a point");
        let found = wallet.found(&big_r, index);
        prop_assert_eq!(hex32(&found.key), theirs["output_key"].as_str().expect("text"));
    }

    #[test]
    fn both_implementations_derive_the_same_for_groups(
        seeds in proptest::collection::btree_set(any::<Bytes>(), 2..5), seed: Bytes, transaction: Bytes, index: u32,
    ) {
        let seeds: Vec<Bytes> = seeds.into_iter().collect();
        let theirs = group_vector(2, &seeds, &seed, &transaction, index);
        assert_part_of(&group_by_crate(2, &seeds, &seed, &transaction, index), &theirs);
    }

    /// What is a key for one implementation is one for the other: in its only encoding, and of no small order.
    #[test]
    fn both_implementations_know_a_key(bytes: Bytes) {
        let is_point = Point::decompress(&bytes).is_some_and(|point| {
            point.times(&num_bigint::BigUint::from(8u8)).compress() != Point::base_times(&edwards::L).compress()
        });
        prop_assert_eq!(GhostKey(bytes).is_valid(), is_point);
    }
}
