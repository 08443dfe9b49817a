//! Good encodings of what channels say and keep.

use byway_channel::routing::{
    Failure, InvoiceTerms, Leg, LockId, Order, PartsId, Preimage, QuestionId, Reason, RoutingMessage, conduit,
};
use byway_channel::watching::{Kept, Packet, RANDOM_BYTES};
use byway_channel::{AddressedMessage, ChannelCopy, ChannelHandle};
use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, packet};
use byway_primitives::codec::{Decode, Encode, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::Channel;
use byway_records::channel::{
    AssetParts, ChannelAssets, ChannelState, Cosigned, Environment, Lane, Phase, Position, Remainder, Side, WatchSecret,
};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::state::Settled;
use byway_vm::{Address, State};

use crate::target::Samples;

#[path = "../../../crates/channel/tests/channel/fixed.rs"]
mod fixed;

pub const NETWORK: NetworkId = NetworkId(Hash([2; 32]));
pub const CHANNEL: ChannelId = ChannelId(Hash([3; 32]));
pub const SECRET: WatchSecret = WatchSecret([8; 16]);
const TIME: Time = Time(1_700_000_000_000);
const CALLER: Address = Address([1; 20]);
const CONTRACT: Address = Address([2; 20]);
const TOTAL: Amount = Amount::from_units(9_000);

fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

fn party(side: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[[1; 32], [2; 32]][side]).expect("a key")
}

pub fn payee() -> IdentitySecret {
    IdentitySecret::from_bytes(&[7; 32]).expect("a key")
}

pub(super) fn channel_message() -> Samples {
    fixed::messages().iter().map(|(_, message)| message.to_bytes()).collect()
}

pub(super) fn addressed_channel_message() -> Samples {
    let addressed = |(_, message)| AddressedMessage { handle: ChannelHandle([6; 16]), message }.to_bytes();
    fixed::messages().into_iter().map(addressed).collect()
}

/// Without a contract, and with one that has some slots.
pub(super) fn contracts_state() -> Samples {
    let mut state = State::new([(CALLER, units(100))]);
    let plain = state.to_bytes();
    state.put_contract(CONTRACT, vec![0x5f, 0x35, 0x54, 0x00], (1..9).map(|slot| ([slot; 32], [1; 32])));
    vec![plain, state.to_bytes()]
}

/// With and without a state that both signed, of no contents and of two.
pub(super) fn channel_copy() -> Samples {
    let states = contracts_state().iter().map(|bytes| State::from_bytes(bytes).expect("it was encoded")).collect();
    let bare = ChannelCopy { network: NETWORK, channel: CHANNEL, agreed: None, states: Vec::new() };
    let whole = ChannelCopy { agreed: Some(state()), states, ..bare.clone() };
    vec![bare.to_bytes(), whole.to_bytes()]
}

/// With the contract that holds payments.
pub(super) fn conduit_state() -> Samples {
    let mut state = State::new([(CALLER, units(100))]);
    let code = conduit::code().to_vec();
    state.put_contract(CONTRACT, vec![0], []);
    state.put_contract(conduit::in_nest(CONTRACT), code, (1..9).map(|slot| ([slot; 32], [1; 32])));
    vec![state.to_bytes()]
}

fn state() -> Cosigned<ChannelState> {
    let lane = Lane { capacity: units(7), absorbed: Settled { serial: 1, amount: units(300) } };
    let position = Position {
        round: 300,
        balances: [units(5_000), units(600)],
        lanes: [lane, Lane::default()],
        root: Hash([3; 32]),
        environment: Environment { time: TIME, height: 40 },
    };
    Cosigned::sign(
        ChannelState { network: NETWORK, channel: CHANNEL, total: TOTAL, fundings: 3, position },
        [&party(0), &party(1)],
    )
}

/// The channel that packets are of.
pub fn entry() -> Channel {
    let position = Position { round: 0, ..state().body.position };
    Channel {
        guaranteed: None,
        parties: [0, 1].map(|side| party(side).id()),
        reserve: units(100),
        lock: Wait { millis: Span::seconds(60), commits: 9 },
        remainder: Remainder::Halves,
        secrets: [SECRET.digest(); 2],
        total: TOTAL,
        fundings: 3,
        assets: assets(),
        charged: Default::default(),
        delegates: Default::default(),
        signed: 0,
        position,
        claims: [None; 2],
        phase: Phase::Active,
        receipt: None,
        forced: [0; 2],
        turn: None,
        rounds: Vec::new(),
    }
}

/// As the initiator's packets are sealed.
pub fn packet_key() -> [u8; 32] {
    Context("byway 1 channel packet").hash(&[&SECRET.0, &Side::Initiator.to_bytes(), &CHANNEL.0.0]).0
}

fn a_packet() -> Packet {
    Packet::seal(SECRET, Side::Initiator, 7, [9; RANDOM_BYTES], &state()).expect("it fits")
}

pub(super) fn packet_content() -> Samples {
    let packet = a_packet();
    let (nonce, sealed) = packet.0.split_first_chunk().expect("a packet begins with its nonce");
    let content = packet::open(&packet_key(), nonce, sealed);
    vec![content.expect("it was sealed so")]
}

pub(super) fn kept_packet() -> Samples {
    let (_, kept) = fixed::packet();
    vec![kept.to_bytes(), Kept { is_paid: !kept.is_paid, ..kept }.to_bytes()]
}

pub(super) fn watch_message() -> Samples {
    fixed::watch_messages().iter().map(|(_, message)| message.to_bytes()).collect()
}

pub(super) fn guarantee_message() -> Samples {
    fixed::guarantee_messages().iter().map(|(_, message)| message.to_bytes()).collect()
}

pub(super) fn routing_message() -> Samples {
    let (id, channel, lock) = (QuestionId([1; 16]), CHANNEL, LockId([3; 32]));
    let leg = Leg { hub: IdentityId([5; 20]), key: StaticKey([6; 32]), amount: units(1_101), delta: Span::minutes(10) };
    let messages = [
        RoutingMessage::Ask { id, to: IdentityId([4; 20]), amount: units(1_000), hubs: 4 },
        RoutingMessage::Tell { id, legs: vec![leg, leg] },
        RoutingMessage::Order { channel, lock, sealed: vec![8; 30] },
        RoutingMessage::Failed { channel, lock, failure: Failure { reason: Reason::Room, hop: 2 } },
    ];
    messages.iter().map(Encode::to_bytes).collect()
}

fn forward() -> Order {
    Order::Forward { next: IdentityId([2; 20]), amount: units(77), until: Time(5_000), rest: vec![1, 2, 3] }
}

pub(super) fn order() -> Samples {
    vec![
        forward().to_bytes(),
        Order::Receive { parts: None }.to_bytes(),
        Order::Receive { parts: Some(PartsId([7; 16])) }.to_bytes(),
    ]
}

/// As they are before they are sealed.
pub(super) fn open_order() -> Samples {
    let plain = |order: Order| {
        let mut out = Writer::new();
        out.bytes(&order.to_bytes());
        let mut plain = out.into_bytes();
        plain.resize(256, 0);
        plain
    };
    vec![plain(forward()), plain(Order::Receive { parts: None })]
}

fn terms() -> InvoiceTerms {
    InvoiceTerms {
        network: NETWORK,
        payee: payee().id(),
        key: StaticKey([4; 32]),
        amount: units(1_000),
        hash: Preimage([5; 32]).hash(),
        expires: TIME,
        hubs: vec![IdentityId([6; 20])],
        note: Some("two coffees".parse().expect("a note")),
    }
}

pub(super) fn invoice_terms() -> Samples {
    vec![terms().to_bytes()]
}

pub(super) fn invoice() -> Samples {
    invoice_terms()
}

pub(super) fn invoice_text() -> Samples {
    vec![terms().sign(&payee()).to_string().into_bytes()]
}

/// Whatever comes; an update, its answer, a crash, and an end.
pub(super) fn drive() -> Samples {
    let steps = [32, 0, 7, 1, 6, 20, 25, 33, 48, 10, 60, 61, 40, 46, 182, 50, 52, 54, 247, 250, 251];
    vec![steps.to_vec(), steps.repeat(4), (0..=255).collect()]
}

/// Two assets, in order.
fn assets() -> ChannelAssets {
    let of = |number, parts: [u128; 2]| {
        let (asset, parts) = (byway_primitives::AssetId(Hash([number; 32])), parts.map(Amount::from_units));
        AssetParts { asset, parts }
    };
    ChannelAssets::new([of(3, [5, 0]), of(4, [1, 2])]).expect("two assets, and something of each")
}
