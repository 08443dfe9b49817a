//! Frames, records and handshake payloads frozen by digest: if one of these changes, nodes of two versions don't
//! understand each other. Described in `docs/formats/dialogue.md`.

use byway_primitives::hash::Context;

use super::*;
use crate::handshake::Role;

const FROZEN: Context = Context("byway test frozen encoding");

/// Length and digest of each sample. Also checks that each decodes to the same value.
fn lines(samples: Samples, decode: fn(&[u8]) -> bool) -> Vec<String> {
    let line = |(name, bytes): (&str, Vec<u8>)| {
        assert!(decode(&bytes), "{name}");
        format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
    };
    samples.into_iter().map(line).collect()
}

#[test]
fn frames_and_records_are_frozen() {
    assert_eq!(lines(frame_samples(), frame), FROZEN_FRAMES);
    assert_eq!(lines(record_samples(), records), FROZEN_RECORDS);
}

#[test]
fn handshake_payloads_are_frozen() {
    assert_eq!(lines(hello_samples(), hello), FROZEN_HELLO);
    assert_eq!(lines(welcome_samples(), welcome), FROZEN_WELCOMES);
}

#[test]
fn messages_are_frozen() {
    assert_eq!(lines(message_samples(), message), FROZEN_MESSAGES);
}

#[test]
fn derived_values_are_frozen() {
    let secret = DialogueSecret::from_bytes([5; 32]);
    let found = [
        ("tag", Tag::of(&[1; 40]).0.to_vec()),
        ("dialogue id", secret.id().0.to_vec()),
        ("initiator's proof", secret.proof(Role::Initiator, &[1; 64]).0.to_vec()),
        ("responder's proof", secret.proof(Role::Responder, &[1; 64]).0.to_vec()),
        ("secret of a seed", DialogueSecret::derive(&[2; 32]).as_bytes().to_vec()),
    ];
    let found = found.map(|(name, bytes)| format!("{name}: {}", &hex::encode(bytes)[..16]));
    assert_eq!(found, FROZEN_DERIVED);
}

const FROZEN_FRAMES: [&str; 3] =
    ["hello: 41 ccf4404948e4f062", "welcome: 49 63f381c25451b088", "sealed: 57 70f22d301d41a7db"];
const FROZEN_RECORDS: [&str; 11] = [
    "live new: 47 49b03d2b668fece2",
    "live resumed: 47 8055222b803bc19f",
    "ready: 46 cfd198424669a401",
    "acknowledgement: 12 de0292fb53c2f495",
    "segments: 50 d76f0f8ed0447768",
    "close done: 2 a4e5ce0ee9b5ec16",
    "close shutting down: 2 8646aa6b73db2c10",
    "close disagreement: 2 c9a55216f8de52c3",
    "close application: 3 c6abe3237e301087",
    "ask: 1 51297c19aa1b4e70",
    "early: 23 cb06a5583e71012f",
];
const FROZEN_HELLO: [&str; 1] = ["hello: 180 0f2820a998496b9a"];
const FROZEN_WELCOMES: [&str; 5] = [
    "known: 165 9e6b58ee40a2e105",
    "unknown: 165 a4d25a3ed2c64289",
    "refused for glare: 166 1aa440ee6d1eaa39",
    "refused as full: 166 8083f1de42c89af1",
    "refused for its certificate: 166 2ff7610e3fd16db6",
];
const FROZEN_MESSAGES: [&str; 2] = ["durable: 7 315c617afe4b231f", "volatile: 7 434f2d58023a3da3"];
const FROZEN_DERIVED: [&str; 5] = [
    "tag: b250345dca0623eb",
    "dialogue id: c446da166fc670ab",
    "initiator's proof: 46b6ed0ab80819ca",
    "responder's proof: 5732699db0d39aa1",
    "secret of a seed: 2d76a9ae92413fc5",
];
