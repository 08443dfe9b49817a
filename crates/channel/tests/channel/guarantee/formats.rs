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

const FROZEN_MESSAGES: [&str; 8] = [""; 8];
