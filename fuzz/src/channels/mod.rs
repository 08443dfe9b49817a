//! Targets of channels: what their parties, hubs and watchtowers say to each other and keep; and both sides of a channel, driven by bytes.
//!
//! They need pure crates alone, so a fuzzer that is guided by coverage builds them without all the rest (`fuzz/guided`).

use byway_channel::routing::{self, Invoice, InvoiceTerms, LockId, Order, PaymentHash};
use byway_channel::watching::{PACKET_BYTES, Packet};
use byway_crypto::{noise, packet};
use byway_primitives::codec::{Encode, decode_exact};
use byway_records::channel::Side;

use crate::target::{Target, reencodes};

#[allow(clippy::unwrap_used, dead_code, reason = "these are tests of `byway-channel` and `byway-ledger`")]
pub mod driven;
mod samples;

macro_rules! targets {
    ($($name:ident: $run:expr,)*) => {
        /// Every target but the driven ones.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $run, samples: samples::$name },)*
        ];
    };
}

targets! {
    channel_message: reencodes::<byway_channel::ChannelMessage>,
    addressed_channel_message: reencodes::<byway_channel::AddressedMessage>,
    contracts_state: reencodes::<byway_vm::State>,
    channel_copy: reencodes::<byway_channel::ChannelCopy>,
    watch_message: reencodes::<byway_channel::watching::WatchMessage>,
    kept_packet: reencodes::<byway_channel::watching::Kept>,
    packet_content: packet_content,
    guarantee_message: reencodes::<byway_channel::guarantee::GuaranteeMessage>,
    routing_message: reencodes::<routing::RoutingMessage>,
    order: reencodes::<Order>,
    open_order: open_order,
    invoice_terms: reencodes::<InvoiceTerms>,
    invoice: invoice,
    invoice_text: invoice_text,
    conduit_state: conduit_state,
}

/// Both sides of a channel, driven by bytes: any will do. A run takes as long as a thousand of the others'.
pub const DRIVEN: &[Target] = &[
    Target { name: "drive", run: drive, samples: samples::drive },
    Target { name: "drive_hostile", run: drive_hostile, samples: samples::drive },
];

/// No more than this of what drives them is looked at.
const STEPS_MAX: usize = 300;

fn drive(bytes: &[u8]) -> bool {
    driven::drive::drive(&bytes[..bytes.len().min(STEPS_MAX)]);
    true
}

fn drive_hostile(bytes: &[u8]) -> bool {
    driven::hostile::drive_hostile(&bytes[..bytes.len().min(STEPS_MAX)]);
    true
}

/// What somebody has sealed into a packet who knows the secret: whether it is the state of the samples' channel.
fn packet_content(content: &[u8]) -> bool {
    const NONCE: [u8; packet::NONCE_BYTES] = [9; packet::NONCE_BYTES];
    let mut content = content.to_vec();
    content.resize(PACKET_BYTES - packet::NONCE_BYTES - packet::TAG_BYTES, 0);
    let sealed = packet::seal(&samples::packet_key(), &NONCE, &content);
    let bytes = [&NONCE[..], &sealed].concat();
    let packet = Packet(bytes.try_into().expect("the parts of a packet"));
    let (entry, channel) = (samples::entry(), samples::CHANNEL);
    packet.open(samples::SECRET, Side::Initiator, samples::NETWORK, channel, &entry).is_ok()
}

/// What somebody has sealed for a hub.
fn open_order(plain: &[u8]) -> bool {
    const SECRET: [u8; 32] = [1; 32];
    let (to, hash) = (noise::StaticKey::of(&SECRET), PaymentHash([2; 32]));
    let plain = &plain[..plain.len().min(4_096)];
    let handshake = noise::Handshake::initiator(&[3; 32], to, &hash.0, &[4; 32]);
    let sealed = handshake.and_then(|mut handshake| handshake.write(plain)).expect("it is short enough");
    Order::open(&sealed, &SECRET, hash).is_some()
}

/// Terms that the samples' payee signs, whatever they say: the text is read again as long as they name it.
fn invoice(bytes: &[u8]) -> bool {
    let payee = samples::payee();
    decode_exact::<InvoiceTerms>(bytes).is_ok_and(|terms| {
        let is_payees = terms.payee == payee.id();
        let invoice = terms.sign(&payee);
        let read = invoice.to_string().parse::<Invoice>();
        assert_eq!(read.is_ok(), is_payees, "a payee's invoice is read, and no other");
        read.is_ok_and(|read| read == invoice)
    })
}

fn invoice_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.parse::<Invoice>().is_ok_and(|invoice| {
        assert_eq!(invoice.to_string(), text.trim().to_ascii_lowercase(), "an invoice has one text");
        true
    })
}

/// A state that a peer hands over, whose locks are looked at.
fn conduit_state(bytes: &[u8]) -> bool {
    decode_exact::<byway_vm::State>(bytes).is_ok_and(|state| {
        let conduits: Vec<_> = routing::conduit::all(&state).collect();
        let locks = conduits.iter().filter_map(|conduit| routing::conduit::read(&state, *conduit, LockId([5; 32])));
        assert!(locks.map(|lock| lock.payer()).all(|payer| payer != byway_vm::Address([0; 20])), "a lock has a payer");
        assert!(!routing::conduit::holds(&state) || !conduits.is_empty(), "only a conduit holds what is on its way");
        assert_eq!(state.to_bytes(), bytes, "what decodes must encode to the same bytes");
        !conduits.is_empty()
    })
}
