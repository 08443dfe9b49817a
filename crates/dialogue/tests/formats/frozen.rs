//! Encodings frozen by digest: if one of these changes, nodes of two versions don't understand each other.

use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode, Time};

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

/// Length and digest of an encoding, on one line. Also checks that it decodes to the same value.
fn line<T: Encode + Decode + PartialEq + std::fmt::Debug>(name: &str, value: &T) -> String {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value), "{name}");
    format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
}

#[test]
fn payment_messages_are_frozen() {
    let found: Vec<_> = fixed::messages().iter().map(|(name, message)| line(name, message)).collect();
    assert_eq!(found, FROZEN_MESSAGES);
}

#[test]
fn the_certificate_is_frozen() {
    let certificate = fixed::certificate();
    assert_eq!(certificate.verify(fixed::NETWORK, Time::ZERO), Ok(()));
    assert_eq!(line("certificate", &certificate), FROZEN_CERTIFICATE);
}

#[test]
fn exports_are_frozen() {
    let export = fixed::export();
    assert_eq!(export.check(), Ok(()));
    assert_eq!(line("export", &export), FROZEN_EXPORT);
}

const FROZEN_EXPORT: &str = "export: 541 1544263ad45800d0";
const FROZEN_MESSAGES: [&str; 23] = [
    "advice: 193 753a3b07d7b7ba11",
    "short advice: 12 2380dffcddc822b7",
    "offer: 178 08269aec4df073b5",
    "accepted: 6 f5bb4bc44d693fe8",
    "noted: 3 4437bd9463e97945",
    "net: 356 fae4a69d6e7de49f",
    "netted: 71 4ef1ba103cbb9f35",
    "other pair: 7 2e9113c908844fd6",
    "net signature: 7 ff451cbd1b028cf6",
    "not next: 7 79d8f941b0dfb9a9",
    "settled: 7 acdd845fc8247a52",
    "under way: 7 26a6cb67ff669743",
    "wrong network: 7 2c9f2642086a5168",
    "wrong parties: 7 0a17f7475f9abd74",
    "wrong asset: 7 d0148de6c1f3c86f",
    "wrong backing: 7 cfd7e34a5be0edd5",
    "signature: 7 e8ee95e51942c9d6",
    "serial old: 9 cebee8a17a36566f",
    "not higher: 10 c7d1e4ef60d1b7f7",
    "below minimum: 9 f6c83a866bb8282e",
    "over exposure: 9 0e5a4ed9e4d5734e",
    "bounced: 7 a6dfa825c9a083f4",
    "too many unsettled: 7 49dde6f7fec4d76f",
];
const FROZEN_CERTIFICATE: &str = "certificate: 156 d2e30b58712483e6";
