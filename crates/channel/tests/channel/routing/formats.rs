//! Encodings frozen by digest, invoices as texts, and orders that only whom they are for can open.

use byway_channel::routing::{
    Failure, Invoice, InvoiceError, InvoiceTerms, Leg, LockId, Order, PartsId, Preimage, QuestionId, Reason,
    RoutingMessage,
};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::promise::ChannelId;

use crate::world::units;

const FROZEN: Context = Context("byway test frozen encoding");

fn payee() -> IdentitySecret {
    IdentitySecret::from_bytes(&[7; 32]).unwrap()
}

fn terms() -> InvoiceTerms {
    InvoiceTerms {
        network: NetworkId(Hash([9; 32])),
        payee: payee().id(),
        key: StaticKey([4; 32]),
        amount: units(1_000),
        hash: Preimage([5; 32]).hash(),
        expires: Time(1_700_000_000_000),
        hubs: vec![IdentityId([6; 20])],
        note: Some("bread and butter".parse().unwrap()),
    }
}

fn forward() -> Order {
    Order::Forward { next: IdentityId([2; 20]), amount: units(77), until: Time(5_000), rest: vec![1, 2, 3] }
}

#[test]
fn messages_orders_and_invoices_are_frozen() {
    let (id, channel, lock) = (QuestionId([1; 16]), ChannelId(Hash([2; 32])), LockId([3; 32]));
    let leg = Leg { hub: IdentityId([5; 20]), key: StaticKey([6; 32]), amount: units(1_101), delta: Span::minutes(10) };
    let messages = [
        ("ask", RoutingMessage::Ask { id, to: IdentityId([4; 20]), amount: units(1_000), hubs: 4 }),
        ("tell", RoutingMessage::Tell { id, legs: vec![leg, leg] }),
        ("order", RoutingMessage::Order { channel, lock, sealed: vec![8; 30] }),
        ("failed", RoutingMessage::Failed { channel, lock, failure: Failure { reason: Reason::Room, hop: 2 } }),
    ];
    let line =
        |name: &str, bytes: Vec<u8>| format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16]);
    let mut found: Vec<_> = messages.iter().map(|(name, message)| line(name, message.to_bytes())).collect();
    for (name, message) in &messages {
        assert_eq!(RoutingMessage::from_bytes(&message.to_bytes()).as_ref(), Ok(message), "{name}");
    }
    found.push(line("forward", forward().to_bytes()));
    let part = Order::Receive { parts: Some(PartsId([7; 16])) };
    assert_eq!(Order::from_bytes(&part.to_bytes()).as_ref(), Ok(&part));
    found.push(line("part", part.to_bytes()));
    found.push(line("invoice", terms().sign(&payee()).to_string().into_bytes()));
    assert_eq!(found, FROZEN_BYTES);
}

#[test]
fn an_invoice_is_read_as_it_was_written_and_not_if_it_was_changed() {
    let invoice = terms().sign(&payee());
    let text = invoice.to_string();
    assert_eq!(text.parse(), Ok(invoice.clone()));
    assert_eq!(format!(" {text}\n").parse(), Ok(invoice.clone()));
    let other = Invoice { terms: InvoiceTerms { amount: units(999), ..terms() }, signature: invoice.signature };
    assert_eq!(other.to_string().parse::<Invoice>(), Err(InvoiceError::Signature));
    assert_eq!(text[..text.len() - 8].parse::<Invoice>(), Err(InvoiceError::Damaged));
    assert_eq!(text["byway:".len()..].parse::<Invoice>(), Err(InvoiceError::Scheme));
}

#[test]
fn an_order_is_opened_by_whom_it_is_for_and_with_its_payment_only() {
    let (secret, hash) = ([1; 32], Preimage([5; 32]).hash());
    let sealed = forward().seal(StaticKey::of(&secret), hash, &[3; 32], 1).unwrap();
    assert_eq!(Order::open(&sealed, &secret, hash), Some(forward()));
    assert_eq!(Order::open(&sealed, &[2; 32], hash), None);
    assert_eq!(Order::open(&sealed, &secret, Preimage([6; 32]).hash()), None);
    let receive = Order::Receive { parts: None };
    let last = receive.seal(StaticKey::of(&secret), hash, &[3; 32], 0).unwrap();
    assert_eq!((Order::open(&last, &secret, hash), last.len()), (Some(receive), sealed.len()));
}

const FROZEN_BYTES: [&str; 7] = [
    "ask: 40 4af744583a1bd842",
    "tell: 132 ce79c1879c5ce384",
    "order: 96 403b4a44d845edd5",
    "failed: 67 c3267e917611fff1",
    "forward: 28 ae75efc7f1113b0b",
    "part: 17 b935175c12e265f8",
    "invoice: 375 cd2c890f6acbaf16",
];
