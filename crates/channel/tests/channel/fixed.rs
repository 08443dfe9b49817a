//! One fixed value of every message within a channel.

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeRefusal, GuaranteeTerms};
use byway_channel::watching::{Bill, Kept, PACKET_BYTES, Packet, Pays, RANDOM_BYTES, WatchMessage, WatchRefusal};
use byway_channel::{
    Change, ChannelMessage, ContractCall, ContractChange, ErrorCode, Inband, LanePromise, Proposal, Reestablish,
    Refusal, SaidError,
};
use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::channel::{
    CertifiedClose, ChannelAssets, ChannelOutcome, ChannelState, ChannelTerms, Cosigned, Environment, FundingChange,
    Lane, Movement, MutualClose, Position, Remainder, Side, VirtualClose, VirtualTerms, WatchSecret,
};
use byway_records::genesis::Wait;
use byway_records::promise::{ChannelId, Promise, Series};
use byway_records::state::Settled;
use byway_records::{Backing, SignedPromise, Value};
use byway_vm::{Address, Target};

const NETWORK: NetworkId = NetworkId(Hash([2; 32]));
const SIGNATURE: IdentitySignature = IdentitySignature([9; 65]);
const SECRET: WatchSecret = WatchSecret([8; 16]);
const TIME: Time = Time(1_700_000_000_000);

fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

fn position() -> Position {
    let lane = Lane { capacity: units(7), absorbed: Settled { serial: 1, amount: units(300) } };
    Position {
        round: 300,
        balances: [units(5_000), units(6)],
        lanes: [lane, Lane::default()],
        root: Hash([3; 32]),
        environment: Environment { time: TIME, height: 40 },
    }
}

fn terms() -> ChannelTerms {
    ChannelTerms {
        parties: [IdentityId([1; 20]), IdentityId([2; 20])],
        deposits: [units(1_000), units(2_000)],
        reserve: units(100),
        lock: Wait { millis: Span::seconds(60), commits: 9 },
        remainder: Remainder::Halves,
        secrets: [SECRET.digest(), Hash([8; 32])],
        assets: ChannelAssets::NONE,
    }
}

fn virtual_terms() -> VirtualTerms {
    VirtualTerms {
        network: NETWORK,
        terms: terms(),
        hub: IdentityId([3; 20]),
        dispute: Wait { millis: Span::minutes(20), commits: 30 },
        ends: TIME,
        environment: position().environment,
        nonce: 7,
    }
}

/// Every message between a hub and those whose channels it guarantees.
pub fn guarantee_messages() -> Vec<(&'static str, GuaranteeMessage)> {
    let (channel, parties, signatures) = (ChannelId(Hash([6; 32])), terms().parties, [SIGNATURE; 2]);
    let fees = GuaranteeTerms {
        fee_base: units(100),
        fee_per_million: 1_000,
        time_max: Span::days(1),
        per_peer: units(3_000_000),
        in_all: units(6_000_000),
    };
    let body = VirtualClose { network: NETWORK, channel, paid: [units(800), units(2_200)] };
    let close = Cosigned { body, parties, signatures };
    vec![
        ("ask", GuaranteeMessage::Ask),
        ("tell nothing", GuaranteeMessage::Tell { terms: None }),
        ("tell", GuaranteeMessage::Tell { terms: Some(fees) }),
        ("offered", GuaranteeMessage::Offered { terms: Cosigned { body: virtual_terms(), parties, signatures } }),
        ("refuse", GuaranteeMessage::Refuse { channel, refusal: GuaranteeRefusal::Exposure }),
        ("close", GuaranteeMessage::Close { close }),
        (
            "certified",
            GuaranteeMessage::Certified {
                certificate: CertifiedClose { close, hub: IdentityId([3; 20]), signature: SIGNATURE },
            },
        ),
        ("over", GuaranteeMessage::Over { channel }),
        ("recall", GuaranteeMessage::Recall),
        ("named", GuaranteeMessage::Named { terms: Cosigned { body: virtual_terms(), parties, signatures } }),
    ]
}

fn changes() -> [(&'static str, Change); 10] {
    let (side, value) = (Side::Responder, units(400));
    let contract = Target::Contract(Address([4; 20]));
    let call =
        ContractCall { caller: side, target: contract, value, input: vec![7; 36], gas: 100_000, evidence: Vec::new() };
    let contract = Address([4; 20]);
    let upgrade = ContractChange::Upgrade { contract, code: vec![0x5f, 0x00] };
    let remove = |shares| Change::Contract(ContractChange::Remove { contract, shares });
    let create = ContractCall { target: Target::Create, input: vec![0x60, 0x80], ..call.clone() };
    let evidence = vec![ChannelOutcome { channel: ChannelId(Hash([6; 32])), paid: [units(800), units(2_200)] }];
    let shown = ContractCall { evidence, ..call.clone() };
    [
        ("nothing", Change::Nothing),
        ("transfer", Change::Transfer { from: side, amount: value }),
        ("call with evidence", Change::Call(shown)),
        ("call", Change::Call(call)),
        ("create", Change::Call(create)),
        ("lane", Change::Lane { side, capacity: value }),
        ("absorb", Change::Absorb { payer: side, promise: Settled { serial: 1, amount: value } }),
        ("upgrade", Change::Contract(upgrade)),
        ("remove", remove(None)),
        ("remove, divided", remove(Some([value, units(7)]))),
    ]
}

fn promise() -> SignedPromise {
    let backing = Backing::Channel(ChannelId(Hash([5; 32])));
    let series = Series { payer: IdentityId([1; 20]), payee: IdentityId([2; 20]), asset: AssetId::WAY, backing };
    SignedPromise { promise: Promise { network: NETWORK, series, serial: 1, amount: units(300) }, signature: SIGNATURE }
}

/// By name.
pub fn messages() -> Vec<(&'static str, ChannelMessage)> {
    let stands = Reestablish {
        channel: ChannelId(Hash([5; 32])),
        secret: SECRET,
        position: position(),
        total: units(9_000),
        fundings: 300,
        signatures: None,
        signed: 301,
        seen: 299,
    };
    let proposal = |change| Proposal {
        base_round: 299,
        base: Hash([6; 32]),
        change,
        position: position(),
        signature: SIGNATURE,
        refuses: None,
    };
    let mut messages = vec![
        ("open", ChannelMessage::Open { network: NETWORK, terms: terms() }),
        ("accept opening", ChannelMessage::AcceptOpening { secret: Hash([8; 32]) }),
        ("funding created", ChannelMessage::FundingCreated { expires: TIME, authorisation: SIGNATURE }),
        ("funding signed", ChannelMessage::FundingSigned { authorisation: SIGNATURE }),
        ("reestablish", ChannelMessage::Reestablish(stands)),
        (
            "reestablish, co-signed",
            ChannelMessage::Reestablish(Reestablish { signatures: Some([SIGNATURE; 2]), ..stands }),
        ),
        ("accept", ChannelMessage::Accept { round: 300, signature: SIGNATURE }),
        ("fetch", ChannelMessage::Fetch { round: 300 }),
        ("whole", ChannelMessage::Whole { round: 300, state: vec![1, 2, 3] }),
        ("shutdown", ChannelMessage::Shutdown),
        ("closing signed", ChannelMessage::ClosingSigned { expires: TIME, signature: SIGNATURE }),
        ("decline", ChannelMessage::Decline),
        ("error", ChannelMessage::Error(SaidError { code: ErrorCode::Conflict, round: 300 })),
        ("text", ChannelMessage::Inband(Inband::Text("what about lunch?".to_owned()))),
        ("data", ChannelMessage::Inband(Inband::Data { kind: 700, bytes: vec![1, 2, 3] })),
        (
            "promise",
            ChannelMessage::Promise(LanePromise { promise: promise(), services: units(200), ahead: units(30) }),
        ),
    ];
    let state = ChannelState {
        network: NETWORK,
        channel: ChannelId(Hash([5; 32])),
        total: units(9_000),
        fundings: 300,
        position: position(),
    };
    let (side, movement) = (Side::Responder, Movement::Withdraw);
    let change = FundingChange { state, side, movement, value: Value::way(units(400)), expires: TIME };
    messages.push(("propose funding", ChannelMessage::ProposeFunding(change)));
    let value = Value { asset: AssetId(Hash([9; 32])), amount: units(400) };
    messages.push(("propose funding of an asset", ChannelMessage::ProposeFunding(FundingChange { value, ..change })));
    messages.push(("accept funding", ChannelMessage::AcceptFunding { change, signature: SIGNATURE }));
    messages.push(("refuse funding", ChannelMessage::RefuseFunding { round: 300, refusal: Refusal::Busy }));
    messages
        .push(("refuse funding, too large", ChannelMessage::RefuseFunding { round: 300, refusal: Refusal::TooLarge }));
    let refuses = Some((298, Refusal::Differs));
    messages.push(("refuse", ChannelMessage::Propose(Proposal { refuses, ..proposal(Change::Nothing) })));
    messages.push(("open virtual", ChannelMessage::OpenVirtual { terms: virtual_terms() }));
    let (channel, expires, balances) = (ChannelId(Hash([5; 32])), TIME, [units(4_000), units(5_000)]);
    let close = MutualClose { network: NETWORK, channel, balances, assets: terms().assets, expires };
    messages.push(("split", ChannelMessage::Split { close, signature: None }));
    messages.push(("split, signed", ChannelMessage::Split { close, signature: Some(SIGNATURE) }));
    messages.extend(changes().map(|(name, change)| (name, ChannelMessage::Propose(proposal(change)))));
    messages
}

/// Every message of watching.
pub fn watch_messages() -> Vec<(&'static str, WatchMessage)> {
    let channel = ChannelId(Hash([6; 32]));
    let pays = Pays { spent: units(30_000), days: 30 };
    let bill = Bill { used: units(20_000), price: units(1_000), days_max: 90, fee_max: units(500) };
    let packet = Packet([5; PACKET_BYTES]);
    let refused = |refusal| WatchMessage::Refused { channel, refusal, bill };
    vec![
        ("ask", WatchMessage::Ask { channel, pays }),
        ("keep", WatchMessage::Keep { channel, pays, packet }),
        ("forget", WatchMessage::Forget { channel }),
        ("has nothing", WatchMessage::Has { channel, packet: None, answered: None }),
        ("has", WatchMessage::Has { channel, packet: Some(packet), answered: Some(TIME) }),
        ("kept", WatchMessage::Kept { channel, number: TIME.0, until: TIME + Span::days(30), bill }),
        ("unwilling", refused(WatchRefusal::Unwilling)),
        ("full", refused(WatchRefusal::Full)),
        ("not delegate", refused(WatchRefusal::NotDelegate)),
        ("unpaid", refused(WatchRefusal::Unpaid)),
        ("old", refused(WatchRefusal::Old { number: TIME.0 })),
        ("forgotten", WatchMessage::Forgotten { channel, answered: None }),
        ("forgotten, answered", WatchMessage::Forgotten { channel, answered: Some(TIME) }),
    ]
}

/// What a watchtower is given and what it writes. The signatures are no real ones, which only who opens it minds.
pub fn packet() -> (Packet, Kept) {
    let (network, channel) = (NETWORK, ChannelId(Hash([6; 32])));
    let total = units(20_000);
    let body = ChannelState { network, channel, total, fundings: 2, position: position() };
    let state = Cosigned { body, parties: terms().parties, signatures: [SIGNATURE; 2] };
    let packet = Packet::seal(SECRET, Side::Initiator, TIME.0, [7; RANDOM_BYTES], &state).expect("it fits");
    let (until, fee_max) = (TIME + Span::days(30), units(500));
    (packet, Kept { packet, until, is_paid: true, days: 30, fee_max, known: TIME })
}
