//! One fixed value of every record.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::node::NodeSignature;
use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::ceremony::{Ceremony, Duty, Opened};
use byway_crypto::threshold::dealing::DealingSecret;
use byway_crypto::{GhostKey, IdentitySecret, IdentitySignature, NodeSecret, WalletSecret};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::asset::{AssetTerms, Decimals};
use byway_records::call::kernel::{ConvictionId, Upgrade};
use byway_records::call::{
    AccountsCall, AssetsCall, CallContract, ChannelsCall, ContractLeave, Contribution, ForceProgress, HoldersCall,
    KernelCall, MemberEntry, OffersCall, RegistryCall, Take,
};
use byway_records::channel::{
    Agreed, AssetParts, CallOutcome, CertifiedClose, Channel, ChannelAssets, ChannelOutcome, ChannelState,
    ChannelTerms, Closer, Cosigned, Environment, ForcedCall, ForcedReceipt, ForcedRound, FundingChange, Guaranteed,
    Lane, LedgerContract, MadeCall, MadeReceipt, Movement, MutualClose, Phase, Position, Remainder, Side, Turn,
    VirtualClose, VirtualTerms, WatchSecret,
};
use byway_records::evidence::{Claim, Included, SignedHeader, Spender, Voter};
use byway_records::genesis::Wait;
use byway_records::offer::{Action, Contact, Location, Price, Rule, Service, Unit};
use byway_records::promise::{ChannelId, Promise, ReservationId, Series, SignedPromise};
use byway_records::range::RangeProof;
use byway_records::scan::{ScanData, ScanTransaction};
use byway_records::snapshot::{Header, MemberIndex, Reference, Vote};
use byway_records::state::Settled;
use byway_records::transaction::KeySignature;
use byway_records::{
    Backing, Body, Call, CallEnvelope, Certificate, Checkpoint, CountersignedPair, Evidence, Genesis, Height, Input,
    Lock, Member, MemberSet, Offer, Output, OutputId, Parameters, ProgramId, PromisePair, Reject, Roll, SignedOffer,
    Transaction, TransactionId, Value, Witness,
};

#[path = "directory.rs"]
mod directory;

pub use directory::{delegates, delegates_entry, name, name_commitment, name_entry, names_calls};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

pub fn identity(seed: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[seed; 32]).expect("a key")
}

pub fn id(byte: u8) -> IdentityId {
    IdentityId([byte; 20])
}

pub fn way(units: u128) -> Value {
    Value { asset: AssetId::WAY, amount: Amount::from_units(units) }
}

pub fn other(units: u128) -> Value {
    Value { asset: AssetId(Hash([8; 32])), amount: Amount::from_units(units) }
}

pub fn output_id() -> OutputId {
    OutputId { transaction: TransactionId(Hash([1; 32])), index: 300 }
}

pub fn lock_of_two() -> Lock {
    Lock { threshold: 2, keys: vec![GhostKey([4; 32]), GhostKey([5; 32]), GhostKey([6; 32])] }
}

pub fn output() -> Output {
    Output { lock: Lock::single(GhostKey([3; 32])), view_tags: vec![9], value: way(1_500) }
}

pub fn output_of_two() -> Output {
    Output { lock: lock_of_two(), view_tags: vec![1, 2, 3], value: other(7) }
}

pub fn envelope() -> CallEnvelope {
    CallEnvelope { program: ProgramId(700), pays: Some(way(5)), draws: Some(other(6)), body: vec![1, 2, 3] }
}

pub fn body() -> Body {
    let inputs = vec![
        Input { spent: output_id(), lock: Lock::single(GhostKey([3; 32])) },
        Input { spent: OutputId { index: 0, ..output_id() }, lock: lock_of_two() },
    ];
    Body {
        inputs,
        outputs: vec![output(), output_of_two()],
        ghost: Some(GhostKey([2; 32])),
        call: Some(envelope()),
        fee: Amount::from_units(100),
        expires: Time(1_700_000_000_000),
    }
}

pub fn transaction() -> Transaction {
    let signature = |key: u8| KeySignature { key, signature: NodeSignature([key + 40; 64]) };
    let spends = vec![vec![signature(0)], vec![signature(0), signature(2)]];
    Transaction { body: body(), witness: Witness { spends, authorisations: vec![IdentitySignature([11; 65])] } }
}

pub fn offer() -> Offer {
    let place = |country: &str, asn| Location { country: country.parse().expect("a country"), asn };
    let rule = |network: &str| Rule {
        action: Action::Deny,
        network: network.parse().expect("a network"),
        port_first: 1,
        port_last: 65_535,
    };
    Offer {
        provider: id(1),
        serial: 3,
        service: Service::SOCKS,
        location: place("DE", 3320),
        exit: place("NL", 1103),
        bandwidth_bps: 100_000_000,
        prices: vec![
            Price { unit: Unit::Mb, amount: Amount::from_units(10_000), asset: AssetId::WAY, reputation_min: 0 },
            Price { unit: Unit::ByteHour, amount: Amount::from_units(1), asset: other(0).asset, reputation_min: 1000 },
        ],
        exit_policy: vec![rule("10.0.0.0/8"), Rule { action: Action::Allow, ..rule("2001:db8::/32") }],
        contacts: vec![Contact { protocol: "iroh".into(), data: vec![1, 2, 3] }],
    }
}

pub fn signed_offer() -> SignedOffer {
    SignedOffer { offer: offer(), signature: IdentitySignature([12; 65]) }
}

pub fn promise(backing: Backing) -> Promise {
    let series = Series { payer: id(1), payee: id(2), asset: AssetId::WAY, backing };
    Promise { network: NETWORK, series, serial: 5, amount: Amount::from_units(123_456) }
}

pub fn backings() -> [Backing; 3] {
    let hash = Hash([13; 32]);
    [Backing::Account, Backing::Reservation(ReservationId(hash)), Backing::Channel(ChannelId(hash))]
}

pub fn signed_promise() -> SignedPromise {
    SignedPromise { promise: promise(Backing::Account), signature: IdentitySignature([14; 65]) }
}

pub fn promise_pair() -> CountersignedPair {
    let mut back = signed_promise();
    let series = &mut back.promise.series;
    (series.payer, series.payee) = (series.payee, series.payer);
    (back.promise.serial, back.signature) = (6, IdentitySignature([16; 65]));
    let pair = PromisePair::new(signed_promise(), back).expect("each way one");
    CountersignedPair { pair, payees: [IdentitySignature([17; 65]), IdentitySignature([18; 65])] }
}

pub fn asset_terms() -> AssetTerms {
    let (symbol, name) = ("BTC".parse().expect("a symbol"), "Bitcoin".parse().expect("a name"));
    AssetTerms { issuer: id(1), symbol, name, decimals: Decimals::new(8).expect("few") }
}

/// One call of every kind, with the name of its kind; an accusation for every kind of evidence.
pub fn calls() -> Vec<(&'static str, Call)> {
    let settle =
        AccountsCall::Settle { promise: signed_promise(), payee: IdentitySignature([15; 65]), take: Take::WhatIsThere };
    let reserve = AccountsCall::Reserve { payer: id(1), payee: id(2), value: way(9), until: Time(77) };
    let mut calls = vec![
        ("register", Call::Registry(RegistryCall::Register { key: identity(1).public() })),
        ("publish", Call::Offers(OffersCall::Publish { offer: signed_offer() })),
        ("withdraw offer", Call::Offers(OffersCall::Withdraw { provider: id(1), serial: 3 })),
        ("deposit", Call::Accounts(AccountsCall::Deposit { to: id(1) })),
        (
            "announce withdrawal",
            Call::Accounts(AccountsCall::AnnounceWithdrawal {
                from: id(1),
                asset: AssetId::WAY,
                amount: Amount::from_units(5),
            }),
        ),
        ("withdraw", Call::Accounts(AccountsCall::Withdraw { from: id(1) })),
        ("settle", Call::Accounts(settle)),
        ("reserve", Call::Accounts(reserve)),
        ("release", Call::Accounts(AccountsCall::Release { reservation: ReservationId(Hash([13; 32])) })),
        ("settle pair", Call::Accounts(AccountsCall::SettlePair(Box::new(promise_pair())))),
        ("register asset", Call::Assets(AssetsCall::Register { terms: asset_terms() })),
        ("issue", Call::Assets(AssetsCall::Issue)),
        ("burn", Call::Assets(AssetsCall::Burn)),
        ("pledge", Call::Kernel(KernelCall::Pledge { entry: member_entry() })),
        ("ready", Call::Kernel(KernelCall::Ready { seat: 7, signature: NodeSignature([19; 64]) })),
        ("leave", Call::Kernel(KernelCall::Leave { seat: 7 })),
        ("reclaim", Call::Kernel(KernelCall::Reclaim { seat: 7 })),
        ("rotate", Call::Kernel(KernelCall::Rotate { seat: 7, entry: member_entry() })),
        (
            "appeal",
            Call::Kernel(KernelCall::Appeal { conviction: ConvictionId { seat: 7, since: 300, is_second: true } }),
        ),
        ("upgrade", Call::Kernel(KernelCall::Upgrade { seat: 7, to: Upgrade { protocol: 2, at: Height(300) } })),
    ];
    let contribute = |contribution| {
        Call::Kernel(KernelCall::Contribute { seat: 7, contribution, signature: NodeSignature([31; 64]) })
    };
    calls.extend(contributions().into_iter().map(|(name, contribution)| (name, contribute(contribution))));
    let accuse = |evidence| Call::Kernel(KernelCall::Accuse { evidence: Box::new(evidence) });
    calls.extend(evidence().into_iter().map(|(name, evidence)| (name, accuse(evidence))));
    calls.extend(channels_calls().into_iter().map(|(name, call)| (name, Call::Channels(call))));
    let set = |delegates| Call::Holders(HoldersCall::Set { identity: id(1), serial: 300, delegates });
    calls.extend([("set holders", set(delegates())), ("set no holders", set(Vec::new()))]);
    calls.extend(names_calls().into_iter().map(|(name, call)| (name, Call::Names(call))));
    calls
}

pub const WATCH_SECRET: WatchSecret = WatchSecret([47; 16]);
pub const CHANNEL: ChannelId = ChannelId(Hash([40; 32]));

pub fn channel_state() -> ChannelState {
    let position = Position {
        round: 300,
        balances: [Amount::from_units(700), Amount::from_units(300)],
        lanes: [
            Lane { capacity: Amount::from_units(150), absorbed: Settled { serial: 2, amount: Amount::from_units(9) } },
            Lane::default(),
        ],
        root: Hash([41; 32]),
        environment: Environment { time: Time(1_700_000_000_000), height: 9 },
    };
    ChannelState { network: NETWORK, channel: CHANNEL, total: Amount::from_units(1_200), fundings: 300, position }
}

pub fn funding_change() -> FundingChange {
    let (side, movement) = (Side::Responder, Movement::Withdraw);
    FundingChange { state: channel_state(), side, movement, value: way(200), expires: Time(77) }
}

pub fn leaving() -> FundingChange {
    FundingChange { movement: Movement::Leave { contract: [42; 20], base: Hash([47; 32]) }, ..funding_change() }
}

fn call_contract() -> CallContract {
    CallContract {
        channel: CHANNEL,
        contract: [42; 20],
        caller: id(3),
        value: Amount::from_units(5),
        input: vec![43; 36],
        gas: 100_000,
        witness: vec![45; 50],
    }
}

/// A contract that has left its channel.
pub fn ledger_contract() -> LedgerContract {
    let outcome = CallOutcome::Halted;
    let call = MadeCall {
        number: 300,
        height: 12,
        caller: id(3),
        value: Amount::from_units(5),
        input: vec![43; 36],
        gas: 100_000,
        environment: Environment { time: Time(1_700_000_000_000), height: 11 },
    };
    LedgerContract {
        parties: [id(1), id(2)],
        nonce: 1,
        balance: Amount::from_units(700),
        code: Hash([48; 32]),
        storage: Hash([49; 32]),
        receipt: Some(MadeReceipt { number: 301, caller: id(4), outcome, gas_used: 21_000, output: Hash([44; 32]) }),
        calls: vec![call],
    }
}

pub fn mutual_close() -> MutualClose {
    let balances = [Amount::from_units(700), Amount::from_units(500)];
    MutualClose { network: NETWORK, channel: CHANNEL, balances, assets: channel_assets(), expires: Time(77) }
}

pub fn channel_assets() -> ChannelAssets {
    let of = |number, parts: [u128; 2]| {
        let (asset, parts) = (AssetId(Hash([number; 32])), parts.map(Amount::from_units));
        AssetParts { asset, parts }
    };
    ChannelAssets::new([of(48, [300, 0]), of(47, [10, 20])]).expect("two assets")
}

pub fn forced_call() -> ForcedCall {
    ForcedCall {
        network: NETWORK,
        channel: CHANNEL,
        round: 301,
        base: Hash([41; 32]),
        expires: Time(78),
        caller: identity(1).id(),
        contract: [42; 20],
        value: Amount::from_units(5),
        input: vec![43; 36],
        gas: 100_000,
        evidence: vec![channel_outcome()],
    }
}

pub fn channel_outcome() -> ChannelOutcome {
    ChannelOutcome { channel: ChannelId(Hash([50; 32])), paid: [Amount::from_units(1_000), Amount::ZERO] }
}

pub fn channel_terms() -> ChannelTerms {
    ChannelTerms {
        parties: [identity(1).id(), identity(2).id()],
        deposits: [Amount::from_units(1_000), Amount::from_units(200)],
        reserve: Amount::from_units(10),
        lock: Wait { millis: Span::minutes(10), commits: 600 },
        remainder: Remainder::Responder,
        secrets: [WATCH_SECRET.digest(), Hash([46; 32])],
        assets: channel_assets(),
    }
}

pub fn virtual_terms() -> VirtualTerms {
    VirtualTerms {
        network: NETWORK,
        terms: ChannelTerms { assets: ChannelAssets::default(), ..channel_terms() },
        hub: identity(3).id(),
        dispute: Wait { millis: Span::minutes(60), commits: 3_600 },
        ends: Time(1_700_000_900_000),
        environment: Environment { time: Time(1_700_000_000_000), height: 9 },
        nonce: 300,
    }
}

pub fn virtual_close() -> VirtualClose {
    let paid = [Amount::from_units(900), Amount::from_units(300)];
    VirtualClose { network: NETWORK, channel: virtual_terms().id(), paid }
}

/// Signed by identities 1 and 2, and by the hub, identity 3.
pub fn certified_close() -> CertifiedClose {
    CertifiedClose::sign(cosigned(virtual_close()), &identity(3))
}

/// Signed by identities 1 and 2.
pub fn cosigned<T: Agreed>(body: T) -> Cosigned<T> {
    Cosigned::sign(body, [&identity(1), &identity(2)])
}

fn forced_round() -> ForcedRound {
    ForcedRound {
        round: 300,
        height: 12,
        caller: Side::Initiator,
        contract: [42; 20],
        value: Amount::from_units(5),
        input: vec![43; 36],
        gas: 100_000,
        environment: Environment { time: Time(1_700_000_000_000), height: 11 },
        evidence: vec![channel_outcome()],
    }
}

/// A channel of identities 1 and 2 that is closing.
pub fn channel() -> Channel {
    let deadline = byway_records::state::Deadline { time: Time(1_700_000_000_000), commits: 600 };
    let outcome = CallOutcome::Reverted;
    Channel {
        parties: [identity(1).id(), identity(2).id()],
        reserve: Amount::from_units(10),
        lock: Wait { millis: Span::minutes(10), commits: 600 },
        remainder: Remainder::Halves,
        secrets: [WATCH_SECRET.digest(), Hash([46; 32])],
        total: Amount::from_units(1_200),
        assets: channel_assets(),
        fundings: 300,
        charged: [Amount::from_units(3), Amount::ZERO],
        delegates: [vec![id(3)], Vec::new()],
        signed: 299,
        position: channel_state().position,
        claims: [Some(Settled { serial: 2, amount: Amount::from_units(60) }), None],
        phase: Phase::Closing {
            by: Closer::Party { side: Side::Initiator, secret: WATCH_SECRET },
            until: deadline,
            last: Side::Responder,
            streak: 2,
            calls: 0,
        },
        receipt: Some(ForcedReceipt { round: 300, caller: id(1), outcome, gas_used: 21_000, output: Hash([44; 32]) }),
        forced: [0, 599],
        turn: Some(Turn { after: Side::Responder, until: deadline }),
        rounds: vec![forced_round()],
        guaranteed: Some(Guaranteed {
            hub: id(5),
            dispute: Wait { millis: Span::minutes(60), commits: 3_600 },
            end: Some(deadline),
        }),
    }
}

/// One call about channels of every kind, with its name.
pub fn channels_calls() -> Vec<(&'static str, ChannelsCall)> {
    let terms = channel_terms();
    let (side, state, channel) = (Side::Responder, cosigned(channel_state()), CHANNEL);
    let force = |state| {
        let (call, environment) = (forced_call().sign(&identity(1)), Environment { time: Time(77), height: 10 });
        ChannelsCall::ForceProgress(Box::new(ForceProgress { state, call, environment, witness: vec![45; 50] }))
    };
    vec![
        ("create", ChannelsCall::Create { terms }),
        ("fund", ChannelsCall::Fund(cosigned(funding_change()))),
        ("set delegates", ChannelsCall::SetDelegates { channel, side, delegates: vec![id(3), id(4)] }),
        ("snapshot solo", ChannelsCall::SnapshotSolo { side, state }),
        ("close solo", ChannelsCall::CloseSolo { channel, side, secret: WATCH_SECRET, state: None }),
        (
            "close solo with a state",
            ChannelsCall::CloseSolo { channel, side, secret: WATCH_SECRET, state: Some(state) },
        ),
        ("slash", ChannelsCall::Slash { side, state }),
        ("force progress", force(None)),
        ("force progress on a state", force(Some(state))),
        ("settle channel", ChannelsCall::Settle { channel, witness: vec![45; 50] }),
        ("close mutual", ChannelsCall::CloseMutual(cosigned(mutual_close()))),
        ("claim", ChannelsCall::Claim { side, promise: signed_promise() }),
        ("register code", ChannelsCall::RegisterCode { code: vec![46; 60] }),
        (
            "contract leave",
            ChannelsCall::Leave(Box::new(ContractLeave { change: cosigned(leaving()), part: vec![45; 50] })),
        ),
        ("call contract", ChannelsCall::CallContract(Box::new(call_contract()))),
        ("register virtual", ChannelsCall::RegisterVirtual(cosigned(virtual_terms()))),
        ("end virtual", ChannelsCall::EndVirtual { channel, state: None }),
        ("end virtual with a state", ChannelsCall::EndVirtual { channel, state: Some(state) }),
        ("close virtual", ChannelsCall::CloseVirtual(certified_close())),
    ]
}

fn dealing_secret(number: u8) -> DealingSecret {
    NodeSecret::from_seed(&[number; 32]).dealing()
}

fn ceremony() -> Ceremony {
    let receivers: Vec<_> = (0..4).map(|number| (number, member(number).dealing)).collect();
    Ceremony::new(Hash([32; 32]), receivers)
}

pub fn ceremony_done() -> Ceremony {
    let mut ceremony = ceremony();
    for dealer in 0..3 {
        let dealing = ceremony.deal_as(dealer, &dealing_secret(dealer));
        ceremony.deal(dealer, dealing).expect("it is good");
    }
    (0..3).for_each(|member| ceremony.confirm(member).expect("all have dealt"));
    ceremony
}

pub fn roll_with_coin() -> Roll {
    let mut roll = Roll::call(&genesis().epoch(), Height(300), u32::from);
    roll.coin = ceremony_done().key();
    roll
}

/// What a member can say in a ceremony, with its name.
pub fn contributions() -> Vec<(&'static str, Contribution)> {
    let (ceremony, secret) = (ceremony(), dealing_secret);
    let twist = |receiver, mut bytes: [u8; 32]| {
        bytes[0] ^= u8::from(receiver == 2);
        bytes
    };
    let mut checked = ceremony.clone();
    for dealer in 0..3 {
        let dealing = checked.deal_twisted_as(dealer, &secret(dealer), twist);
        checked.deal(dealer, dealing).expect("nobody can tell");
    }
    let mut opened = Opened::default();
    checked.look(2, &secret(2), &mut opened);
    let Duty::Complain { dealer, complaint } = checked.duty(2, &opened) else { panic!("the shares are false") };
    vec![
        ("deal", Contribution::Deal(Box::new(ceremony.deal_as(1, &secret(1))))),
        ("complain", Contribution::Complain { dealer, complaint }),
        ("confirm", Contribution::Confirm),
    ]
}

pub fn member(number: u8) -> Member {
    Member {
        name: format!("kernel {number}"),
        owner: id(number),
        key: NodeSecret::from_seed(&[number; 32]).public(),
        mesh: StaticKey([number; 32]),
        dealing: NodeSecret::from_seed(&[number; 32]).dealing().public(),
        address: format!("192.0.2.{number}:7000"),
    }
}

pub fn member_entry() -> MemberEntry {
    MemberEntry { member: member(7), possession: NodeSignature([20; 64]) }
}

pub fn header() -> Header {
    Header {
        author: MemberIndex(2),
        round: 300,
        previous: Some((299, Hash([21; 32]))),
        references: vec![(MemberIndex(2), Hash([21; 32])), (MemberIndex(4), Hash([22; 32]))],
        weak_references: vec![Reference { round: 7, author: MemberIndex(5), hash: Hash([23; 32]) }],
        checkpoint: Height(9),
        votes: vec![Vote { height: Height(9), digest: Hash([24; 32]), signature: NodeSignature([25; 64]) }],
        coin_shares: Vec::new(),
        time: Time(1_700_000_000_000),
    }
}

pub fn range_proof() -> RangeProof {
    RangeProof { position: 300, path: vec![Hash([26; 32]), Hash([27; 32])] }
}

/// One piece of evidence of every kind, with its name.
pub fn evidence() -> Vec<(&'static str, Evidence)> {
    let header =
        || SignedHeader { header: header(), transactions_root: Hash([28; 32]), signature: NodeSignature([29; 64]) };
    let included = || Included { transaction: transaction(), count: 700, proof: range_proof() };
    let spender = Spender { body: body(), proof: range_proof(), certificate: certificate(), epoch: 3 };
    let voter = Voter { epoch: 3, seat: 2 };
    let vote = || Claim::Vote { checkpoint: checkpoint(), signature: NodeSignature([30; 64]) };
    let shown = || Claim::Snapshot { height: Height(9), header: header() };
    vec![
        ("equivocation", Evidence::Equivocation { first: header(), second: header() }),
        ("ill-formed header", Evidence::IllFormedHeader { header: header() }),
        ("ill-formed transaction", Evidence::IllFormedTransaction { header: header(), included: included() }),
        ("spent input", Evidence::SpentInput { header: header(), included: included(), spender }),
        ("two votes", Evidence::TwoVotes { voter, first: vote(), second: shown() }),
        ("false coin share", Evidence::FalseCoinShare { header: header(), round: 300 }),
        ("false vote", Evidence::FalseVote { voter, vote: shown(), certificate: certificate() }),
    ]
}

pub fn checkpoint() -> Checkpoint {
    Checkpoint {
        height: Height(300),
        commits: 9_600,
        time: Time(1_700_000_000_123),
        previous: Hash([1; 32]),
        transactions: 70_000,
        transactions_root: Hash([2; 32]),
        state_root: Hash([3; 32]),
        outputs_digest: Hash([4; 32]),
        scan_root: Hash([5; 32]),
        epoch_next: Hash([6; 32]),
    }
}

pub fn certificate() -> Certificate {
    let signatures = vec![(0, NodeSignature([16; 64])), (3, NodeSignature([17; 64]))];
    Certificate { checkpoint: checkpoint(), signatures }
}

pub fn scan() -> ScanData {
    let id = TransactionId(Hash([18; 32]));
    let with_outputs = ScanTransaction {
        id,
        ghost: Some(GhostKey([2; 32])),
        outputs: vec![output(), output_of_two()],
        spent: vec![output_id()],
    };
    let without = ScanTransaction { id, ghost: None, outputs: Vec::new(), spent: Vec::new() };
    ScanData {
        time: Time(1_700_000_000_123),
        finals: vec![with_outputs, without],
        rejected: vec![(id, Reject::UnknownInput)],
    }
}

pub fn genesis() -> Genesis {
    let wallet = WalletSecret::from_seed(&[1; 32]);
    let secret = TransactionSecret::from_seed(&[2; 32]);
    let (key, tag) = secret.derive(&wallet.address(), 0);
    let mut parameters = Parameters::standard();
    parameters.checkpoint_delay = Span::millis(250);
    Genesis {
        name: "frozen".into(),
        time: Time(1_700_000_000_000),
        test: false,
        parameters,
        members: MemberSet::new((0..7).map(member).collect()),
        pool: Amount::from_coins(500_000),
        ghost: secret.public(),
        outputs: vec![Output {
            lock: Lock::single(key),
            view_tags: vec![tag],
            value: Value { asset: AssetId::WAY, amount: Amount::from_coins(430_000) },
        }],
    }
}
