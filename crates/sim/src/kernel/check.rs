//! What must hold in every run of a kernel, whatever happens to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_kernel::archive::{stored_epoch, stored_snapshot};
use byway_kernel::follower::Refusal;
use byway_kernel::light::Unproven;
use byway_kernel::{Committed, Fatal, MemberIndex, Message, News, Reference, Stepped, VerifiedSnapshot};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Encode, Hash, MemoryStore, NetworkId, Timer};
use byway_records::{Certificate, Epoch, Genesis, Height, OutputId, TransactionId};

use super::late_leaders::LateLeaders;
use super::node::{KernelNode, NodeNews, SharedCache};
use crate::world::Observer;

/// Rounds of which is remembered who led them: more than a node that takes part can lag behind.
const LEADERS_KEPT: usize = 1_000;

/// Watches the honest nodes of one world, and panics when one of these does not hold:
///
/// - no two of them commit different things, and none commits differently after a restart;
/// - what one of them called final stays final, everywhere;
/// - no two of them name different leaders;
/// - none of them ever signs two snapshots for one round, over all its lives;
/// - none of them sends an own snapshot before that is durable;
/// - none of them refuses what another one signed;
/// - none of them stops, but those that are told to, and none expects to be woken when its driver won't wake it;
/// - none of them signs for a transaction whose input was spent at the checkpoint that its snapshot names;
/// - the supply is that of the genesis at every checkpoint, and all certificates for a height are for one checkpoint.
pub struct KernelChecks {
    seed: u64,
    honest: Vec<bool>,
    network: NetworkId,
    /// By the first height that is theirs to certify.
    epochs: BTreeMap<Height, Arc<Epoch>>,
    supply: Amount,
    cache: SharedCache,
    /// By commit, from the first: what it is.
    commits: Vec<(Reference, Hash)>,
    /// Who leads the newest rounds.
    leaders: BTreeMap<u64, Vec<MemberIndex>>,
    verdicts: BTreeMap<TransactionId, Verdict>,
    /// How far each node is, in commits and certificates.
    pub progress: Vec<Progress>,
    certified: BTreeMap<Height, Hash>,
    signed: BTreeMap<(MemberIndex, u64), Hash>,
    audit_due: Vec<bool>,
    /// What each transaction spends, of those that honest nodes have signed for.
    inputs: BTreeMap<TransactionId, Vec<OutputId>>,
    /// The commit in which an output was spent.
    spent: BTreeMap<OutputId, u64>,
    /// Commits that each checkpoint covers.
    covers: BTreeMap<Height, u64>,
    /// When each commit was first executed.
    committed_us: Vec<u64>,
    /// When the first node ended each epoch.
    pub turned_us: Vec<u64>,
    /// Nodes that a scenario makes stop, and why they did.
    pub expected_to_stop: BTreeMap<usize, Option<Fatal>>,
    pub equivocations_seen: usize,
    pub false_shares_seen: usize,
    /// Transactions whose latency is measured: where and when they were handed in.
    pub submitted: BTreeMap<TransactionId, (usize, u64)>,
    /// From there to the verdict at the same node.
    pub latencies_us: Vec<u64>,
    /// What decides when messages arrive, if anything does.
    pub late_leaders: Option<LateLeaders>,
    pub refusals: usize,
    /// When, by whom and from where in memory something was sent last.
    last_sent: Option<(u64, usize, usize)>,
}

/// What one node has done, over all its lives.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub commits: u64,
    pub certified: Height,
    /// The epoch that it is in.
    pub epoch: u32,
    /// Own snapshots signed.
    pub snapshots: u64,
    pub included: usize,
    pub recoveries: usize,
    /// How often it began to go on by steps.
    pub stepped: usize,
    /// Why it believed nothing of what it was shown of later epochs.
    pub unproven: Option<Unproven>,
    pub not_taken: usize,
    /// Why the last one was not.
    pub refusal: Option<Refusal>,
    /// Transactions that it had taken and let go of.
    pub gave_way: usize,
}

impl KernelChecks {
    pub fn new(seed: u64, genesis: &Genesis, honest: Vec<bool>, cache: SharedCache) -> Self {
        let nodes = honest.len();
        Self {
            seed,
            honest,
            network: genesis.network(),
            epochs: BTreeMap::from([(Height(1), Arc::new(genesis.epoch()))]),
            supply: genesis.supply().expect("a test genesis does not overflow"),
            cache,
            commits: Vec::new(),
            leaders: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            progress: vec![Progress::default(); nodes],
            certified: BTreeMap::new(),
            signed: BTreeMap::new(),
            audit_due: vec![false; nodes],
            inputs: BTreeMap::new(),
            spent: BTreeMap::new(),
            covers: BTreeMap::new(),
            committed_us: Vec::new(),
            turned_us: Vec::new(),
            expected_to_stop: BTreeMap::new(),
            equivocations_seen: 0,
            false_shares_seen: 0,
            submitted: BTreeMap::new(),
            latencies_us: Vec::new(),
            late_leaders: None,
            refusals: 0,
            last_sent: None,
        }
    }

    /// The verdict on a transaction that any honest node has executed.
    pub fn verdict(&self, id: &TransactionId) -> Option<Verdict> {
        self.verdicts.get(id).copied()
    }

    /// The digest of every checkpoint that an honest node knows to be certified.
    pub fn certified(&self) -> &BTreeMap<Height, Hash> {
        &self.certified
    }

    /// How long nobody committed anything around the end of epoch `number - 1`, and the longest pause in the half second
    /// before.
    pub fn pause_at_turn_us(&self, number: usize) -> (u64, u64) {
        let turned = self.turned_us[number - 1];
        let gaps = self.committed_us.windows(2).map(|pair| (pair[0], pair[1] - pair[0]));
        let at_turn = gaps.clone().rfind(|(at, _)| *at <= turned).map_or(0, |(_, gap)| gap);
        let before = gaps.filter(|(at, _)| (turned - 500_000..turned).contains(at) && *at < turned - 50_000);
        (at_turn, before.map(|(_, gap)| gap).max().unwrap_or(0))
    }

    pub fn is_honest(&self, node: usize) -> bool {
        self.honest[node]
    }

    /// Commits that any honest node has executed.
    pub fn commits(&self) -> u64 {
        self.commits.len() as u64
    }

    fn check(&self, holds: bool, node: usize, now_us: u64, what: impl FnOnce() -> String) {
        assert!(holds, "seed {}, node {node}, at {} ms: {}", self.seed, now_us / 1000, what());
    }

    fn on_committed(&mut self, now_us: u64, node: usize, committed: Committed) {
        let encoded: Vec<u8> = committed.snapshots.iter().flat_map(Encode::to_bytes).collect();
        let digest = byway_primitives::hash::Context("byway test commit").hash(&[&encoded, &committed.time.to_bytes()]);
        let known = self.commits.get(committed.index as usize - 1).copied();
        match known {
            Some(known) => self.check(known == (committed.leader, digest), node, now_us, || {
                format!("commit {} is {:?} here and {known:?} elsewhere", committed.index, committed.leader)
            }),
            None => {
                let is_next = committed.index == self.commits() + 1;
                self.check(is_next, node, now_us, || format!("commit {} leaves a gap", committed.index));
                self.commits.push((committed.leader, digest));
                self.committed_us.push(now_us);
            }
        }
        for (id, verdict) in committed.verdicts {
            if let Some((_, at_us)) = self.submitted.get(&id).filter(|(at, _)| *at == node) {
                self.latencies_us.push(now_us - at_us);
                self.submitted.remove(&id);
            }
            if verdict == Verdict::Repeated {
                continue;
            }
            if verdict == Verdict::Final {
                for input in self.inputs.get(&id).into_iter().flatten() {
                    self.spent.entry(*input).or_insert(committed.index);
                }
            }
            let known = *self.verdicts.entry(id).or_insert(verdict);
            self.check(known == verdict, node, now_us, || format!("{id} is {verdict:?} here, {known:?} elsewhere"));
        }
        self.progress[node].commits = committed.index;
    }

    fn on_leaders(&mut self, now_us: u64, node: usize, round: u64, leaders: Vec<MemberIndex>) {
        let known = self.leaders.entry(round).or_insert_with(|| leaders.clone()).clone();
        self.check(known == leaders, node, now_us, || format!("{leaders:?} lead round {round}, elsewhere {known:?}"));
        while self.leaders.len() > LEADERS_KEPT {
            self.leaders.pop_first();
        }
    }

    /// A node that goes on by steps says nothing of commits, but knows their verdicts.
    fn on_stepped(&mut self, now_us: u64, node: usize, stepped: &Stepped) {
        for (id, verdict) in &stepped.verdicts {
            let known = self.verdicts.get(id).copied();
            self.check(known == Some(*verdict), node, now_us, || format!("{id} is {verdict:?} here, not {known:?}"));
        }
        let checkpoint = &stepped.checkpoint.checkpoint;
        self.covers.insert(checkpoint.height, checkpoint.commits);
        self.progress[node].commits = checkpoint.commits;
        self.audit_due[node] = true;
    }

    fn on_signed(&mut self, now_us: u64, node: usize, snapshot: &VerifiedSnapshot) {
        let named = snapshot.header().checkpoint;
        let covered = self.covers.get(&named).copied().unwrap_or(0);
        for transaction in snapshot.transactions() {
            let inputs: Vec<OutputId> = transaction.transaction().body.inputs.iter().map(|input| input.spent).collect();
            let spent = inputs.iter().find(|input| self.spent.get(*input).is_some_and(|commit| *commit <= covered));
            self.check(spent.is_none(), node, now_us, || format!("signs for {spent:?}, spent at checkpoint {named}"));
            self.inputs.insert(transaction.id(), inputs);
        }
    }

    fn on_epoch(&mut self, now_us: u64, node: usize, epoch: Arc<Epoch>, after: Height) {
        let number = epoch.number;
        let known = self.epochs.entry(after.next()).or_insert_with(|| epoch.clone()).clone();
        self.check(known == epoch, node, now_us, || format!("epoch {number} differs from the one elsewhere"));
        let numbers = self.epochs.values().map(|epoch| epoch.number);
        let in_order = numbers.eq(0..self.epochs.len() as u32);
        self.check(in_order, node, now_us, || format!("epoch {number} begins in the wrong place"));
        self.progress[node].epoch = number;
        if self.turned_us.len() < number as usize {
            self.turned_us.push(now_us);
        }
    }

    fn on_certified(&mut self, now_us: u64, node: usize, certificate: &Certificate) {
        let height = certificate.checkpoint.height;
        let digest = certificate.checkpoint.digest();
        let is_new = !self.certified.contains_key(&height);
        if is_new {
            let (_, epoch) = self.epochs.range(..=height).next_back().expect("the first begins at 1");
            let outcome = certificate.verify(self.network, &epoch.seats);
            self.check(outcome.is_ok(), node, now_us, || format!("certificate {height} does not verify: {outcome:?}"));
        }
        let known = *self.certified.entry(height).or_insert(digest);
        self.check(known == digest, node, now_us, || format!("two checkpoints of height {height} are certified"));
        self.progress[node].certified = height.max(self.progress[node].certified);
    }
}

impl Observer<KernelNode> for KernelChecks {
    fn on_news(&mut self, now_us: u64, node: usize, news: NodeNews) {
        if !self.honest[node] {
            return;
        }
        match news {
            NodeNews::Kernel(News::Committed(committed)) => self.on_committed(now_us, node, committed),
            NodeNews::Kernel(News::Checkpoint(new)) => {
                self.covers.insert(new.checkpoint.height, new.checkpoint.commits);
                self.audit_due[node] = true;
            }
            NodeNews::Kernel(News::Stepped(stepped)) => self.on_stepped(now_us, node, &stepped),
            NodeNews::Kernel(News::Signed(snapshot)) => self.on_signed(now_us, node, &snapshot),
            NodeNews::Kernel(News::Certified(certificate)) => self.on_certified(now_us, node, &certificate),
            NodeNews::Kernel(News::Epoch { epoch, after }) => self.on_epoch(now_us, node, epoch, after),
            NodeNews::Kernel(News::Included(included)) => self.progress[node].included += included.len(),
            NodeNews::Kernel(News::Fatal(fatal)) => match self.expected_to_stop.get_mut(&node) {
                Some(stopped) => *stopped = Some(fatal),
                None => self.check(false, node, now_us, || fatal.to_string()),
            },
            NodeNews::Kernel(News::Equivocation(evidence)) => {
                self.equivocations_seen += 1;
                let author = usize::from(evidence.first.header().author.0);
                self.check(!self.honest[author], node, now_us, || {
                    format!("honest node {author} is said to equivocate")
                });
            }
            NodeNews::Kernel(News::FalseCoinShare(snapshot)) => {
                self.false_shares_seen += 1;
                let author = usize::from(snapshot.header().author.0);
                self.check(!self.honest[author], node, now_us, || {
                    format!("honest node {author} is said to share falsely")
                });
            }
            NodeNews::Kernel(News::Recovered { .. }) => self.progress[node].recoveries += 1,
            NodeNews::Kernel(News::GaveWay(gone)) => self.progress[node].gave_way += gone.len(),
            NodeNews::Kernel(News::Stepping { .. }) => self.progress[node].stepped += 1,
            NodeNews::Kernel(News::ClockBehind { .. } | News::Recovering | News::Ahead(_)) => {}
            NodeNews::Refused { from, error } => {
                self.refusals += 1;
                self.check(!self.honest[from], node, now_us, || format!("refuses what honest {from} sent: {error}"));
            }
            NodeNews::Unproven(unproven) => self.progress[node].unproven = Some(unproven),
            NodeNews::NotTaken { refusal } => {
                let progress = &mut self.progress[node];
                progress.not_taken += 1;
                progress.refusal = Some(refusal);
            }
        }
    }

    fn on_send(&mut self, now_us: u64, node: usize, message: &Message, durable: &MemoryStore) {
        let Message::Snapshots(snapshots) = message else { return };
        if !self.honest[node] {
            return;
        }
        // What goes to all others in one moment is looked at once.
        if let [bytes] = &snapshots[..] {
            let sent = (now_us, node, bytes.as_ptr().addr());
            if self.last_sent.replace(sent) == Some(sent) {
                return;
            }
        }
        for bytes in snapshots {
            let verified = self.cache.borrow_mut().verify_any(bytes.clone());
            self.check(verified.is_ok(), node, now_us, || format!("sends what does not verify: {verified:?}"));
            let Ok(snapshot) = verified else { continue };
            let reference = snapshot.reference();
            if usize::from(reference.author.0) != node {
                continue;
            }
            if let Some(late) = &mut self.late_leaders {
                late.on_signed(node, reference.round);
            }
            let is_durable = stored_snapshot(durable, &reference).is_some();
            self.check(is_durable, node, now_us, || format!("{reference:?} is sent before it is durable"));
            let slot = (reference.author, reference.round);
            self.progress[node].snapshots += u64::from(!self.signed.contains_key(&slot));
            let known = *self.signed.entry(slot).or_insert(reference.hash);
            self.check(known == reference.hash, node, now_us, || format!("signs twice for round {}", reference.round));
        }
    }

    fn is_held(&mut self, now_us: u64, to: usize, message: &Message) -> bool {
        let Some(late) = &self.late_leaders else { return false };
        let mut cache = self.cache.borrow_mut();
        let mut carried = LateLeaders::carried(message).iter().filter_map(|bytes| cache.verify_any(bytes.clone()).ok());
        carried.any(|snapshot| late.holds(now_us, to, &snapshot))
    }

    fn on_settled(&mut self, now_us: u64, node: usize, machine: &KernelNode, timer: Timer, store: &MemoryStore) {
        if let Some(kernel) = machine.kernel().filter(|_| self.honest[node]) {
            let (expected, set) = (kernel.wakes_at(), timer.at());
            self.check(expected == set, node, now_us, || {
                format!("expects a wake at {expected:?}, will get it at {set:?}")
            });
            if let (round, Some(leaders)) = kernel.leaders() {
                self.on_leaders(now_us, node, round, leaders);
            }
        }
        let Some(kernel) = machine.kernel() else { return };
        // Whoever stops at the end of an epoch does not say that another begins.
        let begun = stored_epoch(store, kernel.committee().epoch()).filter(|_| self.honest[node]);
        if let Some(record) = begun.filter(|record| record.epoch.number as usize >= self.epochs.len()) {
            self.cache.borrow_mut().learn(kernel.committee().clone());
            self.on_epoch(now_us, node, Arc::new(record.epoch), record.after);
        }
        if !std::mem::take(&mut self.audit_due[node]) {
            return;
        }
        let supply = kernel.ledger().supply(store).way().total();
        self.check(supply == Some(self.supply), node, now_us, || format!("the supply is {supply:?}"));
    }
}
