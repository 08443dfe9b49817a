//! Good encodings for every target. Most are the values whose encodings the crates have frozen.

#[path = "../../crates/access/tests/formats/fixed.rs"]
pub mod access;
#[path = "../../crates/chat/tests/content/fixed.rs"]
pub mod chat;
#[path = "../../crates/dialogue/tests/formats/fixed.rs"]
pub mod dialogue;
#[path = "../../crates/chat/tests/holding/fixed.rs"]
pub mod holding;
#[path = "../../crates/kernel/tests/formats/fixed.rs"]
pub mod kernel;
#[path = "../../crates/records/tests/formats/fixed.rs"]
pub mod records;
#[path = "../../crates/chat/tests/mls/fixed.rs"]
pub mod rooms;

mod carried;
pub(crate) mod channels;
mod directory;
mod kept;
mod links;
mod room;
mod said;

use std::sync::LazyLock;

use byway_access::quality::{Measurement, Seen};
use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::ceremony::Ceremony;
use byway_crypto::threshold::dealing::{Dealing, DealingKey, DealingSecret, VerifiedDealing};
use byway_crypto::{GroupView, NodeSecret, Purpose, WalletSecret};
use byway_dialogue::fuzzing;
use byway_driver::link::{EndpointId, LinkContact};
use byway_kernel::archive::CommitRecord;
use byway_kernel::{Committee, MemberIndex, light};
use byway_ledger::stored::{Head, Outcome, TransactionRecord};
use byway_ledger::tree::{ProofLeaf, ProofStep};
use byway_ledger::{
    Change, EntryProof, ProgramChanges, ProgramRoot, RangeProof, StateChanges, StateProof, TreePage, WayEnd,
};
use byway_primitives::{Amount, Encode, Hash, NetworkId, Span, Time};
use byway_records::call::kernel::Upgrade;
use byway_records::evidence::Place;
use byway_records::state::*;
use byway_records::{Call, Height, ProgramId, Reject, Roll};

pub(crate) use carried::*;
pub(crate) use channels::*;
pub(crate) use directory::*;
pub(crate) use kept::*;
pub(crate) use links::*;
pub(crate) use room::*;
pub(crate) use said::*;

pub use crate::target::Samples;

/// The network of all samples.
pub const NETWORK: NetworkId = kernel::NETWORK;

const HASH: Hash = Hash([5; 32]);
const TIME: Time = Time(1_700_000_000_000);
const DEADLINE: Deadline = Deadline { time: TIME, commits: 600 };

/// The members who sign the samples.
pub fn committee() -> &'static Committee {
    static COMMITTEE: LazyLock<Committee> = LazyLock::new(kernel::committee);
    &COMMITTEE
}

/// Puts the author's signature behind an encoded snapshot.
pub fn sign(author: MemberIndex, unsigned: &[u8]) -> Vec<u8> {
    let hash = byway_kernel::verified::unsigned_hash(unsigned).unwrap_or(Hash::ZERO);
    [unsigned, &kernel::secret(author.0).sign(Purpose::Snapshot, NETWORK, &hash.0).0].concat()
}

fn one(value: impl Encode) -> Samples {
    vec![value.to_bytes()]
}

fn named<T: Encode>(values: Vec<(&'static str, T)>) -> Samples {
    values.into_iter().map(|(_, value)| value.to_bytes()).collect()
}

fn bytes(samples: fuzzing::Samples) -> Samples {
    samples.into_iter().map(|(_, bytes)| bytes).collect()
}

pub(crate) fn transaction() -> Samples {
    vec![records::transaction().to_bytes(), kernel::transaction().transaction().to_bytes()]
}

pub(crate) fn call_envelope() -> Samples {
    let calls = records::calls().into_iter().map(|(_, call)| call.envelope(None, None).to_bytes());
    calls.chain(one(records::envelope())).collect()
}

pub(crate) fn registry_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Registry(_)))
}

pub(crate) fn offers_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Offers(_)))
}

pub(crate) fn accounts_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Accounts(_)))
}

pub(crate) fn assets_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Assets(_)))
}

pub(crate) fn kernel_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Kernel(_)))
}

pub(crate) fn kernel_pledge() -> Samples {
    let pledge = |offence, approves| {
        let (amount, rotates) = (Amount::from_coins(1), Some(DEADLINE));
        KernelPledge { amount, since: 300, rotates, unlocks: None, offence, approves }.to_bytes()
    };
    let upgrade = Upgrade { protocol: 2, at: Height(300) };
    vec![pledge(None, Some(upgrade)), pledge(Some(Place::Round(300)), None)]
}

pub(crate) fn conviction() -> Samples {
    let (owner, place, forfeited) = (records::id(1), Place::Height(Height(300)), Amount::from_coins(1));
    one(Conviction { owner, place, forfeited, is_appealed: true, ends: DEADLINE })
}

pub(crate) fn roll() -> Samples {
    let roll = Roll::call(&records::genesis().epoch(), Height(300), u32::from);
    vec![roll.to_bytes(), records::roll_with_coin().to_bytes()]
}

pub(crate) fn evidence() -> Samples {
    named(records::evidence())
}

pub(crate) fn genesis() -> Samples {
    one(records::genesis())
}

pub(crate) fn epoch() -> Samples {
    one(records::genesis().epoch())
}

fn call_bodies(is_wanted: fn(&Call) -> bool) -> Samples {
    let wanted = records::calls().into_iter().map(|(_, call)| call).filter(is_wanted);
    wanted.map(|call| call.envelope(None, None).body).collect()
}

pub(crate) fn signed_offer() -> Samples {
    one(records::signed_offer())
}

pub(crate) fn signed_promise() -> Samples {
    let signed = |backing| {
        byway_records::SignedPromise { promise: records::promise(backing), ..records::signed_promise() }.to_bytes()
    };
    records::backings().map(signed).to_vec()
}

pub(crate) fn certificate() -> Samples {
    one(records::certificate())
}

pub(crate) fn scan_data() -> Samples {
    one(records::scan())
}

pub(crate) fn registration() -> Samples {
    one(Registration { key: records::identity(1).public(), pledge: Amount::from_coins(1), since: TIME })
}

pub(crate) fn published_offer() -> Samples {
    one(PublishedOffer { offer: records::signed_offer(), published: TIME, expires: DEADLINE })
}

pub(crate) fn account() -> Samples {
    let withdrawal = Withdrawal { amount: Amount::from_units(5), ready: DEADLINE };
    let account = |withdrawal| Account { balance: Amount::from_coins(3), withdrawal }.to_bytes();
    vec![account(None), account(Some(withdrawal))]
}

pub(crate) fn settled() -> Samples {
    one(Settled { serial: 5, amount: Amount::from_units(300) })
}

pub(crate) fn bounces() -> Samples {
    one(Bounces { count: 2, last: TIME })
}

pub(crate) fn bounced() -> Samples {
    one(Bounced { serial: 5, amount: Amount::from_units(300) })
}

pub(crate) fn reservation() -> Samples {
    let value = records::way(5);
    one(Reservation { payer: records::id(1), payee: records::id(2), value, until: DEADLINE })
}

pub(crate) fn asset_record() -> Samples {
    let record = |control| AssetRecord { terms: records::asset_terms(), control, supply: Amount::from_coins(3) };
    let faucet = Control::Anyone { issue_max: Amount::from_coins(5) };
    vec![record(Control::Issuer).to_bytes(), record(faucet).to_bytes()]
}

pub(crate) fn address() -> Samples {
    one(WalletSecret::from_seed(&[1; 32]).address())
}

fn a_group() -> GroupView {
    let members = [1, 2, 3].map(|seed| WalletSecret::from_seed(&[seed; 32]).address());
    GroupView::new(2, &members, &[9; 32]).expect("a group")
}

pub(crate) fn group() -> Samples {
    one(a_group().group().clone())
}

pub(crate) fn group_view() -> Samples {
    one(a_group())
}

pub(crate) fn group_proposal() -> Samples {
    use byway_crypto::node::NodeSignature;
    use byway_peer::wallet::{Payee, Proposal};
    let address = WalletSecret::from_seed(&[4; 32]).address();
    let payee = |to| Payee { to, value: records::way(5) };
    one(Proposal {
        network: NETWORK,
        group: a_group().group().clone(),
        body: records::body(),
        ghosts: vec![byway_crypto::GhostKey([2; 32]); 2],
        payees: vec![payee(address.into()), payee(a_group().group().clone().into())],
        seed: [7; 32],
        signed: [0, 2].map(|member| (member, vec![NodeSignature([9; 64]); 2])).into(),
    })
}

pub(crate) fn signed_entry() -> Samples {
    one(byway_records::SignedEntry { network: NETWORK, entry: records::member_entry() })
}

pub(crate) fn node_key() -> Samples {
    one(kernel::secret(1).public())
}

/// What the sample dealing is for.
pub const OCCASION: Hash = Hash([6; 32]);

/// What a receiver of it opens its share with.
pub fn opener(member: u8) -> DealingSecret {
    DealingSecret::from_seed(&[member + 1; 32])
}

pub fn receivers() -> Vec<(u8, DealingKey)> {
    (0..4).map(|member| (member, opener(member).public())).collect()
}

fn dealt() -> Dealing {
    Dealing::deal(&[7; 32], OCCASION, 2, &receivers())
}

pub fn verified_dealing() -> &'static VerifiedDealing {
    static DEALING: LazyLock<VerifiedDealing> =
        LazyLock::new(|| dealt().verify(OCCASION, 2, &receivers()).expect("the sample is sound"));
    &DEALING
}

pub(crate) fn dealing_key() -> Samples {
    one(opener(1).public())
}

pub(crate) fn dealing() -> Samples {
    one(dealt())
}

pub(crate) fn verify_dealing() -> Samples {
    dealing()
}

/// By someone who opens with a key that the share is not for.
pub(crate) fn complaint() -> Samples {
    let opened = verified_dealing().open(1, &opener(2), &[0; 32]);
    one(opened.expect("a receiver").expect_err("not to be opened so"))
}

/// Before and after.
pub(crate) fn ceremony() -> Samples {
    let begun = Ceremony::new(OCCASION, receivers());
    vec![begun.head().to_bytes(), records::ceremony_done().head().to_bytes()]
}

pub(crate) fn key_record() -> Samples {
    one(records::ceremony_done().key().expect("it is made"))
}

pub(crate) fn open_key() -> Samples {
    key_record()
}

pub(crate) fn judge_complaint() -> Samples {
    complaint()
}

pub(crate) fn kernel_message() -> Samples {
    named(kernel::messages())
}

pub(crate) fn snapshot_header() -> Samples {
    vec![kernel::header().to_bytes(), kernel::first_header().to_bytes()]
}

pub(crate) fn snapshot() -> Samples {
    kernel::snapshots().map(|snapshot| snapshot.bytes().to_vec()).to_vec()
}

pub(crate) fn signed_snapshot() -> Samples {
    let unsigned = |signed: Vec<u8>| signed[..signed.len() - 64].to_vec();
    snapshot().into_iter().map(unsigned).collect()
}

pub(crate) fn commit_record() -> Samples {
    one(CommitRecord { leader: kernel::reference(), time: TIME, snapshots: vec![kernel::reference(); 2] })
}

pub(crate) fn follower_request() -> Samples {
    named(kernel::requests())
}

pub(crate) fn follower_answer() -> Samples {
    named(kernel::answers())
}

pub(crate) fn program_difference() -> Samples {
    kernel::step().differences.iter().map(Encode::to_bytes).collect()
}

pub(crate) fn state_changes() -> Samples {
    let changes = |program| ProgramChanges { program, root: HASH, entries: entries() };
    one(StateChanges { programs: vec![changes(ProgramId::REGISTRY), changes(ProgramId::OFFERS)] })
}

fn entries() -> Vec<Change> {
    vec![Change { key: vec![1], value: Some(vec![2; 30]) }, Change { key: vec![2, 3], value: None }]
}

pub(crate) fn state_proof() -> Samples {
    let steps = vec![ProofStep { bit: 3, sibling: HASH }, ProofStep { bit: 255, sibling: HASH }];
    let leaf = Some(ProofLeaf { path: HASH, value: HASH });
    vec![StateProof { steps, leaf }.to_bytes(), StateProof { steps: Vec::new(), leaf: None }.to_bytes()]
}

pub(crate) fn entry_proof() -> Samples {
    let steps = vec![ProofStep { bit: 3, sibling: HASH }, ProofStep { bit: 255, sibling: HASH }];
    let sibling_roots = vec![ProgramRoot { program: ProgramId::ACCOUNTS, root: HASH }];
    let leaf = Some(ProofLeaf { path: HASH, value: HASH });
    let ends = [WayEnd::Present(vec![1; 40]), WayEnd::Absent(leaf), WayEnd::Absent(None)];
    let (roots, groups) = (&sibling_roots, &[HASH]);
    let proof =
        |end| EntryProof { steps: steps.clone(), end, sibling_roots: roots.clone(), other_groups: groups.to_vec() };
    ends.map(|end| proof(end).to_bytes()).to_vec()
}

pub(crate) fn light_head() -> Samples {
    let epoch = byway_records::Epoch { number: 300, protocol: 1, seats: byway_records::Seats::default(), coin: None };
    let head = |checkpoint| light::Head { epoch: epoch.clone(), after: Height(300), checkpoint };
    vec![head(None).to_bytes(), head(Some(kernel::step().certificate.checkpoint)).to_bytes()]
}

pub(crate) fn range_proof() -> Samples {
    one(RangeProof { position: 300, path: vec![HASH; 5] })
}

pub(crate) fn tree_page() -> Samples {
    let sibling_roots = vec![ProgramRoot { program: ProgramId::ACCOUNTS, root: HASH }];
    let page = |next| TreePage {
        program: ProgramId::REGISTRY,
        height: Height(300),
        entries: entries(),
        next,
        sibling_roots: sibling_roots.clone(),
    };
    vec![page(None).to_bytes(), page(Some(vec![4; 20])).to_bytes()]
}

pub(crate) fn ledger_head() -> Samples {
    let head = |content_since| Head {
        network: NETWORK,
        commits: 9_600,
        time: TIME,
        transactions: 70_000,
        transactions_root: HASH,
        state_root: HASH,
        outputs_digest: HASH,
        height: Height(300),
        checkpoint: HASH,
        content_since,
        pending: HASH,
    };
    vec![head(None).to_bytes(), head(Some(TIME)).to_bytes()]
}

pub(crate) fn transaction_record() -> Samples {
    let record = |outcome| TransactionRecord { outcome, commit: 9_600, height: Height(300) }.to_bytes();
    vec![record(Outcome::Final { position: 300 }), record(Outcome::Rejected(Reject::WrongLock))]
}

pub(crate) fn static_certificate() -> Samples {
    one(dialogue::certificate())
}

pub(crate) fn payment_message() -> Samples {
    named(dialogue::messages())
}

pub(crate) fn session_message() -> Samples {
    let reasons = access::refusals().into_iter().chain(access::stops());
    named(access::messages()).into_iter().chain(reasons.map(|message| message.to_bytes())).collect()
}

pub(crate) fn warning_message() -> Samples {
    named(access::warnings())
}

pub(crate) fn quality_message() -> Samples {
    named(access::qualities())
}

pub(crate) fn signed_attestation() -> Samples {
    one(access::attestation())
}

pub(crate) fn measurement() -> Samples {
    let mut measured = Measurement::default();
    let seen = [Seen::Opened, Seen::Latency(Span::millis(40)), Seen::Throughput(1 << 20), Seen::Kept];
    seen.into_iter().for_each(|seen| measured.note(Time(1_800_000_000_000), seen));
    one(measured)
}

pub(crate) fn link_contact() -> Samples {
    let endpoint = EndpointId::from_bytes(&NodeSecret::from_seed(&[1; 32]).public().0).expect("a point of the curve");
    let addresses = ["192.0.2.1:4000", "[2001:db8::1]:4000"].map(|address| address.parse().expect("an address"));
    let relay = || "https://relay.example.org/".parse().ok();
    let contact = |count, relay| {
        let addresses = addresses.into_iter().take(count);
        LinkContact::new(endpoint, StaticKey([9; 32]), addresses, relay).expect("there is a way").to_bytes()
    };
    vec![contact(2, None), contact(0, relay()), contact(1, relay())]
}

pub(crate) fn dialogue_frame() -> Samples {
    bytes(fuzzing::frame_samples())
}

pub(crate) fn dialogue_records() -> Samples {
    let single = bytes(fuzzing::record_samples());
    let all = single.concat();
    single.into_iter().chain([all]).collect()
}

pub(crate) fn dialogue_hello() -> Samples {
    bytes(fuzzing::hello_samples())
}

pub(crate) fn dialogue_welcome() -> Samples {
    bytes(fuzzing::welcome_samples())
}

pub(crate) fn dialogue_message() -> Samples {
    bytes(fuzzing::message_samples())
}

pub(crate) fn tunnel_request() -> Samples {
    let [(_, request), _] = access::tunnel();
    vec![request]
}

pub(crate) fn tunnel_answer() -> Samples {
    let [_, (_, answer)] = access::tunnel();
    vec![answer]
}

pub(crate) fn socks_answer() -> Samples {
    let [_, (_, answer)] = access::socks();
    vec![answer]
}

pub(crate) fn verify_transaction() -> Samples {
    one(kernel::transaction().transaction().clone())
}

/// None: whatever is in a good one's form costs a key derivation, which takes a good part of a second on purpose.
pub(crate) fn open_keystore() -> Samples {
    Vec::new()
}
