//! Who takes part.

use byway_chat::holding::{HeldClientConfig, HolderTerms, SendingConfig};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Hash, NetworkId, Span, Time};
use zeroize::Zeroizing;

pub const NETWORK: NetworkId = NetworkId(Hash([3; 32]));
pub const START: Time = Time(1_000_000_000);
const SEEDS: Context = Context("byway tests of holding");

pub fn secret(number: u64) -> IdentitySecret {
    IdentitySecret::from_bytes(&SEEDS.hash(&[b"identity", &number.to_be_bytes()]).0).unwrap()
}

pub fn dialogue_secret(number: u64) -> [u8; 32] {
    SEEDS.hash(&[b"dialogue", &number.to_be_bytes()]).0
}

pub fn dialogue_key(number: u64) -> StaticKey {
    StaticKey::of(&dialogue_secret(number))
}

pub fn sending_config(number: u64) -> SendingConfig {
    SendingConfig { network: NETWORK, identity: secret(number) }
}

pub fn client_config(number: u64) -> HeldClientConfig {
    let secret = secret(number);
    HeldClientConfig { network: NETWORK, identity: secret, secret: Zeroizing::new(dialogue_secret(number)) }
}

/// At this price for 10^6 bytes and a day.
pub fn terms(price: u64) -> HolderTerms {
    HolderTerms {
        price: Amount::from_units(price.into()),
        clients_max: 1000,
        bytes_max: 4_000_000_000,
        client_bytes_max: 400_000_000,
        client_count_max: 400_000,
        time_max: Span::days(30),
    }
}
