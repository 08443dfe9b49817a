//! One fixed value of everything that kernel nodes and followers send.

use std::sync::Arc;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::node::NodeSignature;
use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::SignatureShare;
use byway_crypto::{NodeSecret, Purpose, WalletSecret};
use byway_kernel::coin::CoinShare;
use byway_kernel::follower::explore::{FinalProof, Found, Query, SignedTwice, SnapshotSummary};
use byway_kernel::follower::protocol::{Pulse, PulseCommit, PulseSnapshot, StageClaim, Status, Step};
use byway_kernel::follower::{Answer, Membership, Refusal, Request};
use byway_kernel::light::protocol::{Beginning, CertifiedEntry, EpochStep, Question, Reply};
use byway_kernel::message::Steps;
use byway_kernel::stamp::{Demand, Stamp};
use byway_kernel::{Committee, Header, MemberIndex, Message, Reference, SyncMessage, VerifiedSnapshot, Vote};
use byway_ledger::tree::{ProofLeaf, ProofStep};
use byway_ledger::{Change, EntryProof, ProgramDifference, ProgramRoot, RangeProof, WayEnd};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Time};
use byway_records::call::kernel::ConvictionId;
use byway_records::evidence::Place;
use byway_records::scan::ScanData;
use byway_records::state::{Conviction, Deadline, KernelPledge};
use byway_records::transaction::KeySignature;
use byway_records::{
    Body, Certificate, Checkpoint, Epoch, Height, Input, Lock, Member, Output, OutputId, ProgramId, Reject, Seats,
    Transaction, TransactionId, Value, VerifiedTransaction, Witness, verified,
};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const TIME: Time = Time(1_700_000_000_123);

pub fn secret(member: u8) -> NodeSecret {
    NodeSecret::from_seed(&[member + 1; 32])
}

/// Seven members.
pub fn committee() -> Committee {
    Committee::of(NETWORK, (0..7).map(|member| secret(member).public()).collect())
}

pub fn reference() -> Reference {
    Reference { round: 298, author: MemberIndex(6), hash: Hash([6; 32]) }
}

/// Node 2's snapshot of round 300, with everything in it that a snapshot can have.
pub fn header() -> Header {
    let vote = |height: u64| {
        let digest = Hash([height as u8; 32]);
        Vote { height: Height(height), digest, signature: secret(2).sign(Purpose::Checkpoint, NETWORK, &digest.0) }
    };
    let hash = |author: u8| Hash([author + 10; 32]);
    Header {
        author: MemberIndex(2),
        round: 300,
        previous: Some((299, hash(2))),
        references: (0..5).map(|author| (MemberIndex(author), hash(author))).collect(),
        weak_references: vec![Reference { round: 7, author: MemberIndex(5), hash: hash(5) }, reference()],
        checkpoint: Height(9),
        votes: vec![vote(8), vote(9)],
        coin_shares: vec![
            CoinShare { round: 299, share: SignatureShare([18; 48]) },
            CoinShare { round: 300, share: SignatureShare([19; 48]) },
        ],
        time: TIME,
    }
}

/// A snapshot of the first round.
pub fn first_header() -> Header {
    Header {
        author: MemberIndex(0),
        round: 1,
        previous: None,
        references: Vec::new(),
        weak_references: Vec::new(),
        checkpoint: Height::GENESIS,
        votes: Vec::new(),
        coin_shares: Vec::new(),
        time: TIME,
    }
}

/// A transfer of one input and one output.
pub fn transaction() -> VerifiedTransaction {
    let wallet = WalletSecret::from_seed(&[1; 32]);
    let (first, second) = (TransactionSecret::from_seed(&[2; 32]), TransactionSecret::from_seed(&[3; 32]));
    let (from, _) = first.derive(&wallet.address(), 0);
    let (to, tag) = second.derive(&wallet.address(), 0);
    let spent = OutputId { transaction: TransactionId(Hash([1; 32])), index: 0 };
    let value = Value { asset: AssetId::WAY, amount: Amount::from_units(1_500) };
    let body = Body {
        inputs: vec![Input { spent, lock: Lock::single(from) }],
        outputs: vec![Output { lock: Lock::single(to), view_tags: vec![tag], value }],
        ghost: Some(second.public()),
        call: None,
        fee: Amount::ZERO,
        expires: Time::ZERO,
    };
    let key = wallet.spend_secret(first.public(), 0, from).expect("ours");
    let signature = KeySignature { key: 0, signature: key.sign(NETWORK, &body.id().0.0) };
    let witness = Witness { spends: vec![vec![signature]], authorisations: Vec::new() };
    verified::verify(NETWORK, Transaction { body, witness }).expect("well-formed")
}

/// The snapshots of [`header`], with a transaction, and of [`first_header`].
pub fn snapshots() -> [VerifiedSnapshot; 2] {
    let committee = committee();
    [
        VerifiedSnapshot::sign(&committee, &secret(2), header(), vec![transaction()]),
        VerifiedSnapshot::sign(&committee, &secret(0), first_header(), Vec::new()),
    ]
}

pub fn messages() -> Vec<(&'static str, Message)> {
    let bytes = snapshots().map(|snapshot| Arc::clone(snapshot.bytes()));
    vec![
        ("snapshots", Message::Snapshots(bytes.to_vec())),
        ("status", Message::Sync(SyncMessage::Status { round: 300, commits: 250 })),
        ("want", Message::Sync(SyncMessage::Want(vec![reference(); 2]))),
        ("want rounds", Message::Sync(SyncMessage::WantRounds { from: 300, to: 363 })),
        ("rounds sent", Message::Sync(SyncMessage::RoundsSent { from: 300, until: 310 })),
        ("want steps", Message::Sync(SyncMessage::WantSteps { from: Height(300) })),
        ("want closing", Message::Sync(SyncMessage::WantClosing { from: Height(300) })),
        ("steps", Message::Sync(SyncMessage::Steps(Box::new(steps())))),
    ]
}

fn steps() -> Steps {
    Steps { closing: Some(step().certificate), steps: vec![step()] }
}

pub fn requests() -> Vec<(&'static str, Request)> {
    let programs = vec![ProgramId::REGISTRY, ProgramId::ACCOUNTS];
    vec![
        ("follow", Request::Follow { from: Height(300), programs }),
        ("submit", Request::Submit { transaction: vec![1, 2, 3], stamp: None }),
        ("submit stamped", Request::Submit { transaction: vec![1, 2, 3], stamp: Some(Stamp(300)) }),
        ("stage", Request::Stage { transaction: TransactionId(Hash([1; 32])) }),
        ("status", Request::Status),
        ("pulse", Request::Pulse { since: 300 }),
        ("find", Request::Find { transaction: TransactionId(Hash([1; 32])) }),
        ("explore certificates", Request::Explore(Query::Certificates { from: Height(300) })),
        ("explore proof", Request::Explore(Query::Prove { transaction: TransactionId(Hash([1; 32])) })),
        ("explore snapshots", Request::Explore(Query::Snapshots { from: 300, count: 21 })),
        ("explore outputs", Request::Explore(Query::Outputs { ids: vec![OUTPUT_ID, OUTPUT_ID] })),
        ("explore evidence", Request::Explore(Query::Evidence)),
        ("explore members", Request::Explore(Query::Members)),
        ("light epochs", Request::Light(Question::Epochs { from: 300 })),
        ("light newest", Request::Light(Question::Newest)),
        ("light beginning", Request::Light(Question::Beginning { height: Height(300) })),
        ("light transaction", Request::Light(Question::Transaction { id: TransactionId(Hash([1; 32])) })),
        ("light body", Request::Light(Question::Body { id: TransactionId(Hash([1; 32])) })),
        ("light entry", Request::Light(Question::Entry { program: ProgramId::ACCOUNTS, key: vec![7; 20] })),
        ("genesis", Request::Genesis),
    ]
}

const OUTPUT_ID: OutputId = OutputId { transaction: TransactionId(Hash([1; 32])), index: 2 };

/// What explorers are answered.
fn explored() -> Vec<(&'static str, Answer)> {
    let proof = FinalProof {
        certificate: step().certificate,
        range: RangeProof { position: 300, path: vec![Hash([1; 32]), Hash([2; 32])] },
    };
    let reference = Reference { round: 299, author: MemberIndex(2), hash: Hash([9; 32]) };
    let snapshot = SnapshotSummary {
        reference,
        time: TIME,
        previous: Some((298, Hash([8; 32]))),
        references: vec![(MemberIndex(0), Hash([1; 32])), (MemberIndex(3), Hash([2; 32]))],
        weak_references: vec![reference],
        checkpoint: Height(300),
        transactions: 400,
        bytes: 70_000,
    };
    let first = SnapshotSummary { previous: None, ..snapshot.clone() };
    let twice =
        SignedTwice { author: MemberIndex(2), round: 299, first: Hash([9; 32]), second: Hash([10; 32]), seen: TIME };
    let output = transaction().transaction().body.outputs[0].clone();
    vec![
        ("explored certificates", Found::Certificates(vec![step().certificate])),
        ("explored proof", Found::Proof(Some(Box::new(proof)))),
        ("explored no proof", Found::Proof(None)),
        ("explored snapshots", Found::Snapshots(vec![snapshot, first])),
        ("explored outputs", Found::Outputs(vec![Some(output), None])),
        ("explored evidence", Found::Evidence(vec![twice])),
        ("explored members", Found::Members(Box::new(membership()))),
    ]
    .into_iter()
    .map(|(name, found)| (name, Answer::Explored(found)))
    .collect()
}

/// What light clients are answered.
fn lit() -> Vec<(&'static str, Answer)> {
    let Certificate { checkpoint, .. } = step().certificate;
    let member = Member {
        name: "k1".to_owned(),
        owner: IdentityId([4; 20]),
        key: secret(1).public(),
        mesh: StaticKey([5; 32]),
        dealing: secret(1).dealing().public(),
        address: "k1.example.org:7100".to_owned(),
    };
    let epoch = Epoch { number: 300, protocol: 1, seats: Seats::founding([member]), coin: Some(Hash([9; 32])) };
    let proof = FinalProof {
        certificate: step().certificate,
        range: RangeProof { position: 300, path: vec![Hash([1; 32]), Hash([2; 32])] },
    };
    let entry = |end| CertifiedEntry {
        certificate: step().certificate,
        proof: EntryProof {
            steps: vec![ProofStep { bit: 3, sibling: Hash([1; 32]) }, ProofStep { bit: 255, sibling: Hash([2; 32]) }],
            end,
            sibling_roots: vec![ProgramRoot { program: ProgramId::REGISTRY, root: Hash([8; 32]) }],
            other_groups: vec![Hash([9; 32])],
        },
    };
    let leaf = ProofLeaf { path: Hash([3; 32]), value: Hash([4; 32]) };
    let step = EpochStep { certificate: step().certificate, epoch: epoch.clone() };
    let entries = [WayEnd::Present(vec![6; 300]), WayEnd::Absent(Some(leaf)), WayEnd::Absent(None)].map(entry);
    let [present, absent, empty] = entries.map(|entry| Reply::Entry(Some(Box::new(entry))));
    let founding = Beginning { checkpoint, epoch: None };
    let beginning = Beginning { checkpoint, epoch: Some(epoch) };
    vec![
        ("light epochs", Reply::Epochs(vec![step.clone()])),
        ("light newest", Reply::Newest(Some(Box::new(step.certificate)))),
        ("light no newest", Reply::Newest(None)),
        ("light beginning", Reply::Beginning(Some(Box::new(beginning)))),
        ("light founding", Reply::Beginning(Some(Box::new(founding)))),
        ("light no beginning", Reply::Beginning(None)),
        ("light transaction", Reply::Transaction(Some(Box::new(proof)))),
        ("light no transaction", Reply::Transaction(None)),
        ("light body", Reply::Body(Some(vec![5; 300]))),
        ("light no body", Reply::Body(None)),
        ("light entry", present),
        ("light absent entry", absent),
        ("light empty program", empty),
        ("light no entry", Reply::Entry(None)),
    ]
    .into_iter()
    .map(|(name, reply)| (name, Answer::Light(reply)))
    .collect()
}

pub fn membership() -> Membership {
    let ends = Deadline { time: TIME, commits: 600 };
    let amount = Amount::from_coins(10_000);
    let first = KernelPledge { amount, since: 0, rotates: None, unlocks: None, offence: None, approves: None };
    let offence = Some(Place::Round(300));
    let second = KernelPledge { since: 7, rotates: Some(ends), unlocks: Some(ends), offence, ..first };
    let id = ConvictionId { seat: 3, since: 7, is_second: true };
    let conviction =
        Conviction { owner: IdentityId([7; 20]), place: Place::Round(300), forfeited: amount, is_appealed: true, ends };
    let member = |number: u8| Member {
        name: format!("k{number}"),
        owner: IdentityId([number; 20]),
        key: secret(number).public(),
        mesh: StaticKey([number; 32]),
        dealing: secret(number).dealing().public(),
        address: format!("10.0.0.{number}:7100"),
    };
    let epoch = Epoch { number: 300, protocol: 1, seats: Seats::founding([member(0), member(1)]), coin: None };
    Membership { epoch, pledges: vec![(0, first), (1, second)], convictions: vec![(id, conviction)] }
}

pub fn step() -> Step {
    let checkpoint = Checkpoint {
        height: Height(300),
        commits: 9_600,
        time: TIME,
        previous: Hash([1; 32]),
        transactions: 70_000,
        transactions_root: Hash([2; 32]),
        state_root: Hash([3; 32]),
        outputs_digest: Hash([4; 32]),
        scan_root: Hash([5; 32]),
        epoch_next: Hash([6; 32]),
    };
    let changes = vec![Change { key: vec![1], value: Some(vec![2; 300]) }, Change { key: vec![2, 3], value: None }];
    let difference = ProgramDifference {
        program: ProgramId::REGISTRY,
        entries: changes,
        sibling_roots: vec![ProgramRoot { program: ProgramId::ACCOUNTS, root: Hash([8; 32]) }],
    };
    Step {
        certificate: Certificate { checkpoint, signatures: vec![(3, NodeSignature([16; 64]))] },
        differences: vec![difference],
        scan: ScanData { time: TIME, finals: Vec::new(), rejected: Vec::new() },
    }
}

pub fn answers() -> Vec<(&'static str, Answer)> {
    let status = Status {
        height: Height(300),
        commits: 9_600,
        time: TIME,
        rounds: vec![300, 299, 0],
        connected: vec![true, true, false],
        is_behind: true,
        finality_ms_p50: 180,
        finality_ms_p99: 400,
        pool_percent: 70,
        stamp_bits: 15,
        newest_epoch: 4,
        counts_there: true,
    };
    let snapshot = PulseSnapshot {
        author: MemberIndex(2),
        round: 300,
        time: TIME,
        transactions: 400,
        hash: Hash([9; 32]),
        references: vec![MemberIndex(0), MemberIndex(3)],
        commit: Some(250),
    };
    let commit = PulseCommit { index: 250, time: TIME, transactions: 800, leader: MemberIndex(3), round: 298 };
    let mut answers = vec![
        ("steps", Answer::Steps(vec![step()])),
        ("taken", Answer::Taken),
        ("refused", Answer::Refused(Refusal::IllFormed("a signature is wrong".to_owned()))),
        ("refused as spent", Answer::Refused(Refusal::Spent)),
        ("refused for a conflict", Answer::Refused(Refusal::Conflict)),
        ("refused as full", Answer::Refused(Refusal::Full)),
        ("refused as busy", Answer::Refused(Refusal::Busy(Demand { bits: 12, salt: Hash([1; 32]) }))),
        ("refused by a stopped one", Answer::Refused(Refusal::Stopped)),
        ("refused by a failed one", Answer::Refused(Refusal::Failed)),
        ("refused as rejected", Answer::Refused(Refusal::Rejected(Reject::Unbalanced))),
        ("stage unknown", Answer::Stage(StageClaim::Unknown)),
        ("stage pooled", Answer::Stage(StageClaim::Pooled)),
        ("stage included", Answer::Stage(StageClaim::Included)),
        ("stage final", Answer::Stage(StageClaim::Final)),
        ("stage rejected", Answer::Stage(StageClaim::Rejected)),
        ("stage gave way", Answer::Stage(StageClaim::GaveWay)),
        ("status", Answer::Status(status)),
        ("pulse", Answer::Pulse(Pulse { next: 301, snapshots: vec![snapshot], commits: vec![commit] })),
        ("found", Answer::Found(Some(Height(300)))),
        ("not found", Answer::Found(None)),
    ];
    answers.append(&mut explored());
    answers.append(&mut lit());
    answers
}
