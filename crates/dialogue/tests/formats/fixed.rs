//! One fixed value of every message about payment, and of the certificate.

use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, IdentitySignature};
use byway_dialogue::StaticCertificate;
use byway_dialogue::payment::{Advice, BackingKind, PaymentMessage, Refusal, Terms};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Time};
use byway_records::promise::{ReservationId, Series};
use byway_records::{Backing, Promise, SignedPromise};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const SERIAL: u64 = 300;

fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

pub fn certificate() -> StaticCertificate {
    let identity = IdentitySecret::from_bytes(&[1; 32]).expect("a key");
    StaticCertificate::issue(&identity, NETWORK, StaticKey([3; 32]), Time(1_700_000_000_123))
}

fn promise() -> SignedPromise {
    let backing = Backing::Reservation(ReservationId(Hash([13; 32])));
    let series = Series { payer: IdentityId([1; 20]), payee: IdentityId([2; 20]), asset: AssetId::WAY, backing };
    let promise = Promise { network: NETWORK, series, serial: SERIAL, amount: units(123_456) };
    SignedPromise { promise, signature: IdentitySignature([14; 65]) }
}

pub fn messages() -> Vec<(&'static str, PaymentMessage)> {
    let terms = |backing, update| Terms {
        asset: AssetId::WAY,
        amount_min: units(500),
        backing,
        update,
        room: units(1_000_000),
    };
    let full = Advice {
        remainder: units(70_000),
        terms: terms(BackingKind::Reservation, true),
        copy: Some(promise()),
        settling: Some(SERIAL),
    };
    let short =
        Advice { remainder: Amount::ZERO, terms: terms(BackingKind::Account, false), copy: None, settling: None };
    let mut messages = vec![
        ("advice", PaymentMessage::Advice(full)),
        ("short advice", PaymentMessage::Advice(short)),
        ("offer", PaymentMessage::Offer(promise())),
        ("accepted", PaymentMessage::Accepted { serial: SERIAL, amount: units(123_456) }),
        ("noted", PaymentMessage::Noted { serial: SERIAL }),
    ];
    messages.extend(
        refusals()
            .map(|(name, reason)| (name, PaymentMessage::Refused { serial: SERIAL, amount: units(123_456), reason })),
    );
    messages
}

/// In the order of their numbers.
fn refusals() -> [(&'static str, Refusal); 11] {
    [
        ("wrong network", Refusal::WrongNetwork),
        ("wrong parties", Refusal::WrongParties),
        ("wrong asset", Refusal::WrongAsset),
        ("wrong backing", Refusal::WrongBacking),
        ("signature", Refusal::Signature),
        ("serial old", Refusal::SerialOld { last: 299 }),
        ("not higher", Refusal::NotHigher { last: units(124_000) }),
        ("below minimum", Refusal::BelowMinimum { minimum: units(500) }),
        ("over exposure", Refusal::OverExposure { room: units(400) }),
        ("bounced", Refusal::Bounced),
        ("too many unsettled", Refusal::TooManyUnsettled),
    ]
}
