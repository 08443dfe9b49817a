//! Encodings frozen by digest.

use byway_channel::guarantee::GuaranteeMessage;
use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode};

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

#[test]
fn messages_are_frozen() {
    let line = |(name, message): (&str, GuaranteeMessage)| {
        let bytes = message.to_bytes();
        assert_eq!(GuaranteeMessage::from_bytes(&bytes), Ok(message), "{name}");
        format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
    };
    let found: Vec<_> = fixed::guarantee_messages().into_iter().map(line).collect();
    assert_eq!(found, FROZEN_MESSAGES);
}

const FROZEN_MESSAGES: [&str; 10] = [
    "ask: 1 5a0d8cf4cc63c9b9",
    "tell nothing: 2 b4971e6642c0fa3a",
    "tell: 17 2076d8006f29bb37",
    "offered: 356 99317eefcd12cccc",
    "refuse: 34 ebe57676c2a0eec8",
    "close: 299 0277e805dfc07d10",
    "certified: 384 a4ce6a48e6ede03e",
    "over: 33 71fb9ad451006ca9",
    "recall: 1 95cf1262336ee82c",
    "named: 356 b16f8d5a9821e6df",
];
