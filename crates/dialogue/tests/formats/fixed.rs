//! One fixed value of every message about payment, and of the certificate.

use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, IdentitySignature};
use byway_dialogue::StaticCertificate;
use byway_dialogue::payment::{
    Advice, BackingKind, Export, GiveConfig, NetRefusal, Parties, PaymentMessage, Payments, Refusal, TakeConfig, Terms,
};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::promise::{ReservationId, Series};
use byway_records::{Backing, Promise, PromisePair, SignedPromise};

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

fn pair() -> PromisePair {
    let mut there = promise();
    there.promise.series.backing = Backing::Account;
    let mut back = there;
    (back.promise.series.payer, back.promise.series.payee) = (IdentityId([2; 20]), IdentityId([1; 20]));
    back.promise.amount = units(70_000);
    PromisePair::new(there, back).expect("each way one")
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
        ("net", PaymentMessage::Net { pair: Box::new(pair()), signature: IdentitySignature([15; 65]) }),
        (
            "netted",
            PaymentMessage::Netted { serial: SERIAL, amount: units(123_456), signature: IdentitySignature([16; 65]) },
        ),
    ];
    messages.extend(
        net_refusals().map(|(name, reason)| {
            (name, PaymentMessage::NetRefused { serial: SERIAL, amount: units(123_456), reason })
        }),
    );
    messages.extend(
        refusals()
            .map(|(name, reason)| (name, PaymentMessage::Refused { serial: SERIAL, amount: units(123_456), reason })),
    );
    messages
}

/// Of somebody who was paid and has paid the same peer.
pub fn export() -> Export {
    let secret = |byte| IdentitySecret::from_bytes(&[byte; 32]).expect("a key");
    let (mine, theirs) = (secret(1), secret(2));
    let parties = Parties { network: NETWORK, me: mine.id(), peer: theirs.id(), asset: AssetId::WAY };
    let take = TakeConfig {
        amount_min: Amount::ZERO,
        backing: BackingKind::Account,
        update: true,
        exposure_max: units(1_000_000),
        settle_at: units(1_000_000),
        risk: Default::default(),
        advice_wait: Span::seconds(1),
    };
    let (store, now) = (MemoryStore::new(), Time(1_700_000_000_123));
    let give = GiveConfig { day_max: units(1_000_000) };
    let restored = Payments::restore(parties, mine.clone(), give, take, &store);
    let mut payments = restored.expect("an empty journal can be read");
    let promise = |series, serial, amount| Promise { network: NETWORK, series, serial, amount };
    let series = parties.taken(Backing::Account);
    for (serial, amount) in [(1, units(500)), (SERIAL, units(123_456))] {
        payments.handle_message(now, PaymentMessage::Offer(promise(series, serial, amount).sign(&theirs)));
    }
    let copy = promise(parties.given(Backing::Account), SERIAL, units(70_000)).sign(&mine);
    let terms = Terms {
        asset: AssetId::WAY,
        amount_min: Amount::ZERO,
        backing: BackingKind::Account,
        update: true,
        room: units(1),
    };
    let advice = Advice { remainder: units(9), terms, copy: Some(copy), settling: None };
    payments.handle_message(now, PaymentMessage::Advice(advice));
    Export::new(NETWORK, mine.id(), now, vec![payments.export()], &store)
}

/// In the order of their numbers.
fn net_refusals() -> [(&'static str, NetRefusal); 5] {
    [
        ("other pair", NetRefusal::OtherPair),
        ("net signature", NetRefusal::Signature),
        ("not next", NetRefusal::NotNext),
        ("settled", NetRefusal::Settled),
        ("under way", NetRefusal::UnderWay),
    ]
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
