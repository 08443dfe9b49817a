//! Formats: there and back, frozen, and what is no encoding.

use byway_chat::holding::batch::BATCH_BYTES;
use byway_chat::holding::envelope::sealed_length;
use byway_chat::holding::{Cursor, Envelope, EnvelopeError, EnvelopeId, HeldBatch, HoldMessage};
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, Span, Time};
use proptest::prelude::*;

use crate::fixed::messages;
use crate::rig::{NETWORK, START, dialogue_key, dialogue_secret, secret};

const FROZEN: Context = Context("byway tests: frozen");

#[test]
fn messages_come_back_and_are_what_they_were() {
    let mut all = Vec::new();
    for message in messages() {
        let bytes = message.to_bytes();
        assert_eq!(decode_exact::<HoldMessage>(&bytes), Ok(message));
        all.extend(bytes);
    }
    assert_eq!(FROZEN.hash(&[&all]).to_string(), MESSAGES);
}

#[test]
fn an_envelope_is_the_same_each_time_and_is_what_it_was() {
    let seal = || Envelope::seal(&secret(1), NETWORK, (secret(2).id(), dialogue_key(2)), START, b"a parcel").unwrap();
    assert_eq!(seal(), seal());
    assert_eq!(EnvelopeId::of(secret(2).id(), &seal()).0.to_string(), ENVELOPE);
}

const MESSAGES: &str = "f5064743357a01ffeb1005e5475f2f769f2ba04af4919c346edd4e4d1b180f5f";
const ENVELOPE: &str = "a88eeccaae6aee0324705dd639149afcafb6a5e657d548e37f6a09c139815249";

#[test]
fn only_whom_it_is_for_opens_an_envelope_as_it_was() {
    let (bob, carol) = (secret(2).id(), secret(3).id());
    let good = Envelope::seal(&secret(1), NETWORK, (bob, dialogue_key(2)), START, b"a parcel").unwrap();
    let opened = good.open(NETWORK, bob, &dialogue_secret(2)).unwrap();
    assert_eq!((opened.sender, &opened.parcel[..]), (secret(1).id(), &b"a parcel"[..]));
    let later = Envelope { until: START + Span::millis(1), ..good.clone() };
    let short = Envelope { sealed: good.sealed[..20].to_vec(), ..good.clone() };
    let mut damaged = good.clone();
    damaged.sealed[40] ^= 1;
    let check = |envelope: &Envelope, client, key: u64| {
        assert_eq!(envelope.open(NETWORK, client, &dialogue_secret(key)), Err(EnvelopeError::Sealed));
    };
    check(&good, bob, 3);
    check(&good, carol, 2);
    check(&later, bob, 2);
    check(&short, bob, 2);
    check(&damaged, bob, 2);
    assert!(good.open(byway_primitives::NetworkId(Hash([4; 32])), bob, &dialogue_secret(2)).is_err());
}

#[test]
fn what_two_holders_see_of_one_parcel_for_two_people_has_nothing_in_common() {
    let seal = |client: u64| {
        let to = (secret(client).id(), dialogue_key(client));
        Envelope::seal(&secret(1), NETWORK, to, START, b"a parcel of a group").unwrap().sealed
    };
    let (one, other) = (seal(2), seal(3));
    assert_eq!(one.len(), other.len());
    assert!(one.windows(8).all(|piece| !other.windows(8).any(|of| of == piece)));
}

#[test]
fn lengths_tell_little() {
    let lengths: std::collections::BTreeSet<usize> = (0..4_000).map(sealed_length).collect();
    // Padmé has 16 lengths for each doubling at this size; from 512 bytes there are three up to 4,096.
    assert_eq!(lengths.len(), 3 * 16 + 1);
    for length in [0, 1, 400, 5_000, 100_000, 4 * 1024 * 1024] {
        let sealed = sealed_length(length);
        assert!(sealed <= 600 + length + length / 8, "{length} bytes become {sealed}");
    }
}

#[test]
fn a_batch_has_one_size_and_one_encoding() {
    let mut batch = HeldBatch::default();
    assert_eq!(batch.to_bytes().len(), BATCH_BYTES);
    let whole = vec![7; 100_000];
    let of = (EnvelopeId(Hash([1; 32])), Time(9));
    let first = batch.add(Cursor { number: 0, offset: 0 }, of, &whole[..100]);
    let second = batch.add(Cursor { number: 1, offset: 5 }, of, &whole);
    assert_eq!(first, 100);
    assert!(second > 16_000 && batch.add(Cursor { number: 2, offset: 0 }, of, &whole) == 0);
    let mut bytes = batch.to_bytes();
    assert_eq!(bytes.len(), BATCH_BYTES);
    assert_eq!(decode_exact::<HeldBatch>(&bytes), Ok(batch));
    let end = bytes.len() - 1;
    bytes[end] = 9;
    assert!(decode_exact::<HeldBatch>(&bytes).is_err(), "padding is zeros");
    assert!(decode_exact::<HeldBatch>(&bytes[..end]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_parcel_comes_back_out_of_its_envelope(parcel in prop::collection::vec(any::<u8>(), 0..3_000), until in any::<u64>()) {
        let to = (secret(2).id(), dialogue_key(2));
        let envelope = Envelope::seal(&secret(1), NETWORK, to, Time(until), &parcel).unwrap();
        prop_assert_eq!(envelope.sealed.len(), sealed_length(parcel.len()));
        prop_assert_eq!(envelope.open(NETWORK, to.0, &dialogue_secret(2)).unwrap().parcel, parcel);
    }
}
