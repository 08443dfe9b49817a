//! Figures of a running kernel node, for Prometheus (`docs/guide/operators.md` has them in a table).
//!
//! What happens is counted when it happens; what merely is (rounds, queues, sizes) is looked at when somebody asks.
//! Everything stands in one registry that belongs to the node, so that several nodes of one process don't mix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use byway_driver::mesh::MeshCounters;
use byway_kernel::Status;
use byway_kernel::follower::Refusal;
use byway_kernel::verified::SnapshotError;
use byway_ledger::Verdict;
use byway_primitives::Time;
use byway_records::{Checkpoint, Genesis, Seats};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Upper ends of the buckets of latencies, in seconds: from a quiet disk to a kernel in trouble.
const LATENCY_BUCKETS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5, 5.0, 30.0];
/// The folder is measured no more often than this: it has many files.
const MEASURE_EVERY: Duration = Duration::from_secs(30);

type One = Gauge<i64, AtomicI64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMember {
    member: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPeer {
    peer: String,
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Because {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithVerdict {
    verdict: &'static str,
}

/// See the [module](self).
pub struct Figures {
    registry: Registry,
    /// By seat, as of the epoch in force.
    names: Mutex<BTreeMap<u8, String>>,
    directory: PathBuf,
    measured: Mutex<Option<Instant>>,
    // Counted when it happens.
    commits: Counter,
    transactions: Family<WithVerdict, Counter>,
    finality: Histogram,
    durable: Histogram,
    refused: Family<Because, Counter>,
    not_taken: Family<Because, Counter>,
    gave_way: Counter,
    equivocations: Counter,
    clock_behind: Counter,
    bytes: Family<OfPeer, Counter>,
    certified: One,
    certified_time: One,
    // Looked at when somebody asks.
    member_rounds: Family<OfMember, One>,
    own_round: One,
    quorum_round: One,
    target_round: One,
    behind: One,
    checkpoint: One,
    committed_time: One,
    peers: One,
    clients: One,
    pool_transactions: One,
    pool_bytes: One,
    pool_percent: One,
    pool_sources: One,
    stamp_bits: One,
    waiting: One,
    verifying: One,
    verifying_bytes: One,
    closed: Family<Because, One>,
    disk_bytes: One,
    memory_bytes: One,
}

/// What the node's task says of itself when somebody asks.
#[derive(Debug)]
pub struct Measured {
    pub status: Status,
    pub verifying: usize,
    pub verifying_bytes: usize,
    pub mesh: MeshCounters,
}

impl Figures {
    pub fn new(genesis: &Genesis, directory: &Path) -> Self {
        let mut registry = Registry::with_prefix("byway");
        let latency = || Histogram::new(LATENCY_BUCKETS);
        let mut figures = Self {
            registry: Registry::default(),
            names: Mutex::default(),
            directory: directory.to_owned(),
            measured: Mutex::default(),
            commits: Counter::default(),
            transactions: Family::default(),
            finality: latency(),
            durable: latency(),
            refused: Family::default(),
            not_taken: Family::default(),
            gave_way: Counter::default(),
            equivocations: Counter::default(),
            clock_behind: Counter::default(),
            bytes: Family::default(),
            certified: One::default(),
            certified_time: One::default(),
            member_rounds: Family::default(),
            own_round: One::default(),
            quorum_round: One::default(),
            target_round: One::default(),
            behind: One::default(),
            checkpoint: One::default(),
            committed_time: One::default(),
            peers: One::default(),
            clients: One::default(),
            pool_transactions: One::default(),
            pool_bytes: One::default(),
            pool_percent: One::default(),
            pool_sources: One::default(),
            stamp_bits: One::default(),
            waiting: One::default(),
            verifying: One::default(),
            verifying_bytes: One::default(),
            closed: Family::default(),
            disk_bytes: One::default(),
            memory_bytes: One::default(),
        };
        let build =
            Info::new(vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("network", genesis.name.clone())]);
        registry.register("build", "Version of the program and name of the network", build);
        figures.register_events(&mut registry);
        figures.register_state(&mut registry);
        figures.begin_at_zero();
        figures.registry = registry;
        figures
    }

    fn register_events(&self, all: &mut Registry) {
        let kernel = all.sub_registry_with_prefix("kernel");
        kernel.register("commits", "Commits executed", self.commits.clone());
        kernel.register("transactions", "Transactions decided, by verdict", self.transactions.clone());
        let text = "From a transaction's arrival here to its verdict here";
        kernel.register_with_unit("finality", text, Unit::Seconds, self.finality.clone());
        let text = "From an own snapshot's being written to its being durable";
        kernel.register_with_unit("durable", text, Unit::Seconds, self.durable.clone());
        kernel.register("snapshots_refused", "Snapshots that were not good, by reason", self.refused.clone());
        let text = "Transactions of clients that were not taken, by reason";
        kernel.register("submissions_refused", text, self.not_taken.clone());
        let text = "Transactions that were taken and gave way to those of sources with less waiting";
        kernel.register("pool_gave_way", text, self.gave_way.clone());
        kernel.register("equivocations", "Members seen to sign twice for one round", self.equivocations.clone());
        let text = "How often the clocks of other members were too far ahead of this one";
        kernel.register("clock_behind", text, self.clock_behind.clone());
        let text = "Messages to and from other members, without the mesh's framing";
        kernel.register_with_unit("peer", text, Unit::Bytes, self.bytes.clone());
        kernel.register("certified_height", "Newest checkpoint certified here", self.certified.clone());
        let text = "Time of the newest checkpoint certified here";
        kernel.register_with_unit("certified_time", text, Unit::Seconds, self.certified_time.clone());
    }

    fn register_state(&self, all: &mut Registry) {
        let kernel = all.sub_registry_with_prefix("kernel");
        kernel.register("member_round", "Newest round that arrived of each member", self.member_rounds.clone());
        for (name, text, gauge) in [
            ("own_round", "Newest round that this node signed for", &self.own_round),
            ("quorum_round", "Newest round of which a quorum is here", &self.quorum_round),
            ("target_round", "Where the others are, as far as is known", &self.target_round),
            ("behind", "1 while old rounds are fetched instead of taking part", &self.behind),
            ("checkpoint_height", "Newest checkpoint executed here", &self.checkpoint),
            ("peers_connected", "Other members connected", &self.peers),
            ("clients_connected", "Followers and wallets connected", &self.clients),
            ("pool_transactions", "Transactions handed in here without a verdict", &self.pool_transactions),
            ("pool_percent", "How full the pool is", &self.pool_percent),
            ("pool_sources", "Sources of which something has no verdict", &self.pool_sources),
            ("stamp_bits", "Work that a source with nothing here is asked for, in bits", &self.stamp_bits),
            ("snapshots_waiting", "Snapshots that wait for what they stand on", &self.waiting),
            ("verification_queue_snapshots", "Snapshots that wait to be verified", &self.verifying),
        ] {
            kernel.register(name, text, gauge.clone());
        }
        let text = "Time of the last commit";
        kernel.register_with_unit("committed_time", text, Unit::Seconds, self.committed_time.clone());
        for (name, text, gauge) in [
            ("pool", "Size of the transactions that wait for a snapshot", &self.pool_bytes),
            ("verification_queue", "Size of the snapshots that wait to be verified", &self.verifying_bytes),
        ] {
            kernel.register_with_unit(name, text, Unit::Bytes, gauge.clone());
        }
        kernel.register("connections_closed", "Connections refused or closed, by reason", self.closed.clone());
        all.register_with_unit("disk", "Size of the node's state on disk", Unit::Bytes, self.disk_bytes.clone());
        all.register_with_unit("memory", "Resident memory of the process", Unit::Bytes, self.memory_bytes.clone());
    }

    /// A series that appears only when something goes wrong can't be alerted on when it does.
    fn begin_at_zero(&self) {
        for reason in REASONS {
            drop(self.refused.get_or_create(&Because { reason }));
        }
        for reason in NOT_TAKEN {
            drop(self.not_taken.get_or_create(&Because { reason }));
        }
        for verdict in ["final", "rejected", "repeated"] {
            drop(self.transactions.get_or_create(&WithVerdict { verdict }));
        }
    }

    /// Others have seats from now on; figures of those that are gone go.
    pub fn follow(&self, seats: &Seats) {
        let now = seats.iter().map(|(seat, taken)| (seat, taken.member.name.clone())).collect();
        let before = std::mem::replace(&mut *self.names(), now);
        let names = self.names();
        for gone in before.into_values().filter(|name| !names.values().any(|known| known == name)) {
            self.member_rounds.remove(&OfMember { member: gone });
        }
        for name in names.values() {
            drop(self.member_rounds.get_or_create(&OfMember { member: name.clone() }));
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<u8, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn committed(&self, verdicts: &[(byway_records::TransactionId, Verdict)]) {
        self.commits.inc();
        for (_, verdict) in verdicts {
            let verdict = match verdict {
                Verdict::Final => "final",
                Verdict::Rejected(_) => "rejected",
                Verdict::Repeated => "repeated",
            };
            self.transactions.get_or_create(&WithVerdict { verdict }).inc();
        }
    }

    pub fn final_after(&self, took: Duration) {
        self.finality.observe(took.as_secs_f64());
    }

    pub fn durable_after(&self, took: Duration) {
        self.durable.observe(took.as_secs_f64());
    }

    pub fn refused(&self, error: &SnapshotError) {
        self.refused.get_or_create(&Because { reason: reason(error) }).inc();
    }

    /// A client's transaction was not taken.
    pub fn not_taken(&self, refusal: &Refusal) {
        self.not_taken.get_or_create(&Because { reason: why_not_taken(refusal) }).inc();
    }

    pub fn gave_way(&self, count: usize) {
        self.gave_way.inc_by(count as u64);
    }

    pub fn malformed_message(&self) {
        self.refused.get_or_create(&Because { reason: MALFORMED_MESSAGE }).inc();
    }

    pub fn equivocation(&self) {
        self.equivocations.inc();
    }

    pub fn clock_behind(&self) {
        self.clock_behind.inc();
    }

    pub fn sent(&self, to: u8, bytes: u64) {
        self.moved(to, "out", bytes);
    }

    pub fn received(&self, from: u8, bytes: u64) {
        self.moved(from, "in", bytes);
    }

    fn moved(&self, peer: u8, direction: &'static str, bytes: u64) {
        let Some(peer) = self.names().get(&peer).cloned() else { return };
        self.bytes.get_or_create(&OfPeer { peer, direction }).inc_by(bytes);
    }

    pub fn certified(&self, checkpoint: &Checkpoint) {
        self.certified.set(checkpoint.height.0 as i64);
        self.certified_time.set(seconds(checkpoint.time));
    }

    /// All figures in the text form that Prometheus reads.
    pub fn text(&self, measured: &Measured) -> String {
        self.note(measured);
        self.measure();
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn note(&self, measured: &Measured) {
        let Measured { status, verifying, verifying_bytes, mesh } = measured;
        for (seat, name) in self.names().iter() {
            let round = status.rounds.get(usize::from(*seat)).copied().unwrap_or(0);
            self.member_rounds.get_or_create(&OfMember { member: name.clone() }).set(round as i64);
        }
        self.own_round.set(status.own_round as i64);
        self.quorum_round.set(status.quorum_round as i64);
        self.target_round.set(status.target_round as i64);
        self.behind.set(status.is_behind.into());
        self.checkpoint.set(status.checkpoint.0 as i64);
        self.committed_time.set(seconds(status.time));
        self.peers.set(status.connected.len() as i64);
        self.clients.set(mesh.clients_up.saturating_sub(mesh.clients_down) as i64);
        self.pool_transactions.set(status.transactions_pending as i64);
        self.pool_bytes.set(status.pool_bytes as i64);
        self.pool_percent.set(status.pool_percent as i64);
        self.pool_sources.set(status.pool_sources as i64);
        self.stamp_bits.set(status.stamp_bits.into());
        self.waiting.set(status.snapshots_waiting as i64);
        self.verifying.set(*verifying as i64);
        self.verifying_bytes.set(*verifying_bytes as i64);
        for (reason, count) in closed(mesh) {
            self.closed.get_or_create(&Because { reason }).set(count as i64);
        }
    }

    /// The size of folder and process.
    fn measure(&self) {
        if let Some(bytes) = resident_bytes() {
            self.memory_bytes.set(bytes as i64);
        }
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
            *measured = Some(Instant::now());
            self.disk_bytes.set(folder_bytes(&self.directory) as i64);
        }
    }
}

const MALFORMED_MESSAGE: &str = "malformed_message";
/// Every reason for which a snapshot is refused.
const REASONS: [&str; 8] =
    ["too_long", "encoding", "form", "signature", "vote", "coin_share", "transaction", MALFORMED_MESSAGE];

/// Every reason for which a client's transaction is not taken.
const NOT_TAKEN: [&str; 8] = ["ill_formed", "spent", "rejected", "conflict", "full", "busy", "stopped", "failed"];

fn why_not_taken(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::IllFormed(_) => "ill_formed",
        Refusal::Spent => "spent",
        Refusal::Rejected(_) => "rejected",
        Refusal::Conflict => "conflict",
        Refusal::Full => "full",
        Refusal::Busy(_) => "busy",
        Refusal::Stopped => "stopped",
        Refusal::Failed => "failed",
    }
}

fn reason(error: &SnapshotError) -> &'static str {
    match error {
        SnapshotError::TooLong => "too_long",
        SnapshotError::Encoding(_) => "encoding",
        SnapshotError::Form(_) => "form",
        SnapshotError::Signature => "signature",
        SnapshotError::Vote(_) => "vote",
        SnapshotError::CoinShare(_) => "coin_share",
        SnapshotError::Transaction { .. } => "transaction",
    }
}

fn closed(mesh: &MeshCounters) -> [(&'static str, u64); 8] {
    [
        ("handshake", mesh.handshakes_malformed + mesh.handshakes_timed_out),
        ("other_network", mesh.refused_other_network),
        ("other_version", mesh.refused_other_version),
        ("full", mesh.refused_full),
        ("malformed", mesh.closed_malformed),
        ("oversized", mesh.closed_oversized),
        ("silent", mesh.closed_silent + mesh.closed_trickling),
        ("slow", mesh.closed_slow),
    ]
}

/// Since 1970; Prometheus has its times so.
fn seconds(time: Time) -> i64 {
    (time.0 / 1000) as i64
}

/// What the files below a folder hold. What can't be read counts nothing: it may be gone by then.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_size_is_that_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("in/b"), [0; 32]).unwrap();
        assert_eq!(folder_bytes(folder.path()), 42);
        assert_eq!(folder_bytes(&folder.path().join("nowhere")), 0);
    }
}
