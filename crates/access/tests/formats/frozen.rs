//! Encodings frozen by digest: if one of these changes, nodes of two versions don't understand each other.

use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode};

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

fn digest(name: &str, bytes: &[u8]) -> String {
    format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[bytes]).to_string()[..16])
}

/// Length and digest of an encoding, on one line. Also checks that it decodes to the same value.
fn line<T: Encode + Decode + PartialEq + std::fmt::Debug>(name: &str, message: &T) -> String {
    let bytes = message.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(message), "{name}");
    digest(name, &bytes)
}

#[test]
fn messages_are_frozen() {
    let found: Vec<_> = fixed::messages().iter().map(|(name, message)| line(name, message)).collect();
    assert_eq!(found, FROZEN_MESSAGES);
}

#[test]
fn warnings_are_frozen() {
    let found: Vec<_> = fixed::warnings().iter().map(|(name, message)| line(name, message)).collect();
    assert_eq!(found, FROZEN_WARNINGS);
}

#[test]
fn qualities_are_frozen() {
    let found: Vec<_> = fixed::qualities().iter().map(|(name, message)| line(name, message)).collect();
    assert_eq!(found, FROZEN_QUALITIES);
}

#[test]
fn reasons_keep_their_numbers() {
    for messages in [fixed::refusals(), fixed::stops()] {
        for (number, message) in messages.iter().enumerate() {
            line("reason", message);
            assert_eq!(message.to_bytes().last(), Some(&(number as u8)), "{message:?}");
        }
    }
}

#[test]
fn service_data_of_the_tunnel_is_frozen() {
    assert_eq!(fixed::tunnel().map(|(name, bytes)| digest(name, &bytes)), FROZEN_TUNNEL);
}

#[test]
fn service_data_of_socks_is_frozen() {
    assert_eq!(fixed::socks().map(|(name, bytes)| digest(name, &bytes)), FROZEN_SOCKS);
}

const FROZEN_MESSAGES: [&str; 14] = [
    "open: 43 0b1cc0c7e844c15d",
    "accepted: 30 839832911a7a0c5e",
    "refused: 4 650f90144e2ecbd3",
    "channel up: 17 d7f12c30668f7d5c",
    "channel failed: 17 b2ce0df99ea7b784",
    "metering: 33 6da1fef40a418b43",
    "acknowledge: 25 301cd3074b4d59f2",
    "pause: 17 518cda3d2e26f0c3",
    "resume: 17 9cf87542eaf6ede9",
    "stop: 18 5fc1019b8908d503",
    "stopped: 33 ca123fab224e6eb4",
    "ask: 36 53fc6e72a61f0e3a",
    "quoted: 13 905a792ad8c076cc",
    "counter: 9 46cbccc48dd26f3f",
];
const FROZEN_SOCKS: [&str; 2] = ["socks request: 1 996c5ad08c436211", "socks answer: 3 7a9fb9f29fde809c"];
const FROZEN_TUNNEL: [&str; 2] = ["tunnel request: 33 3e6410beb2ebed6e", "tunnel answer: 40 4d9f9da59f47d19c"];
const FROZEN_QUALITIES: [&str; 3] =
    ["ask for words: 21 387d2218d3c517b8", "told no word: 2 b4971e6642c0fa3a", "told words: 240 b833e4d2377ac00f"];

const FROZEN_WARNINGS: [&str; 3] =
    ["ask about: 146 962afb17bf782954", "told nothing: 22 a8bed3972bc4e552", "told: 312 b7cfbb429489329e"];

#[test]
fn a_services_own_words_stand_behind_their_number() {
    assert!(fixed::refused_by_service().to_bytes().ends_with(&[0x40, 2, b'n', b'o']));
}
