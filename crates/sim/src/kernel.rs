//! Kernels of simulated nodes: honest ones, adversaries, and what must hold among them.
//!
//! [`KernelSim`] sets up a world of kernel nodes with funded genesis and checks attached; tests then make things happen
//! to it.

pub mod adversary;
pub mod check;
pub mod coin;
pub mod equivocator;
pub mod late_leaders;
pub mod latency;
pub mod node;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use byway_crypto::noise::StaticKey;
use byway_crypto::{Address, IdentitySecret, NodeSecret};
use byway_kernel::config::PROTOCOL_KNOWN;
use byway_kernel::machine::HEADER_BYTES_MAX;
use byway_kernel::{Committee, Config, Kernel, MemberIndex, Source, mark_new};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Batch, MemoryStore, Span, Time};
use byway_records::genesis::{LeaderKind, LeaderRule, Member, MemberSet, Parameters, Wait};
use byway_records::{Genesis, Height, TransactionId, VerifiedTransaction};

pub use self::adversary::{Adversary, Conduct};
pub use self::check::KernelChecks;
pub use self::equivocator::{Equivocator, Habit, Names};
pub use self::late_leaders::LateLeaders;
pub use self::node::{KernelCommand, KernelNode, NodeNews, SharedCache, Submission, VerificationCache, Work};
use crate::network::{Latency, Link};
use crate::purse::{Purse, genesis_outputs};
use crate::world::{Act, World};

/// When simulated networks begin: 2026-01-01.
const START: Time = Time(1_767_225_600_000);

/// When their nodes are switched on.
pub(crate) const BEGIN: Time = Time(START.0 + 1_000);

/// Who hands in what nobody in particular does.
const ONE_CLIENT: Source = Source::Client(0);

/// How a world of kernel nodes is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    pub nodes: usize,
    /// Nodes from this number on are not in the genesis; they may join.
    pub founders: Option<usize>,
    /// Coins in the purse.
    pub coins: u32,
    pub link: Link,
    pub disk: Latency,
    pub adversaries: Vec<(usize, Conduct)>,
    /// Each node's clock is off by at most this, either way.
    pub skew_max_ms: u64,
    pub snapshot_interval_min: Span,
    /// Bytes of transactions that a snapshot has room for; none: as many as nodes have by default.
    pub snapshot_room: Option<usize>,
    /// Transactions that a node's pool holds; none: as many as by default.
    pub pool_transactions_max: Option<usize>,
    pub round_horizon: u64,
    /// What a checkpoint gives followers, about.
    pub checkpoint_bytes: u64,
    /// How long an epoch lasts at most.
    pub epoch_life: Wait,
    pub pledge_lock: Wait,
    /// Epochs whose snapshots are kept.
    pub epochs_kept: Option<u32>,
    pub leader_rule: LeaderRule,
    /// The version of the protocol that nodes speak which are opened from now on.
    pub protocol_known: Rc<Cell<u16>>,
    /// Coins that others than the purse have from the start.
    pub endowments: Vec<(Address, Amount)>,
}

/// A world of kernel nodes.
pub struct KernelSim {
    pub world: World<KernelNode, KernelChecks>,
    pub purse: Purse,
    pub setup: Setup,
    next_coin: u32,
    /// Transactions submitted that must become final, and when they were submitted.
    expected: BTreeMap<TransactionId, u64>,
}

impl Setup {
    /// Seven honest nodes in one building.
    pub fn local(seed: u64) -> Self {
        Self {
            seed,
            nodes: 7,
            founders: None,
            coins: 200,
            link: Link::LOCAL,
            disk: Latency::between_us(100, 400),
            adversaries: Vec::new(),
            skew_max_ms: 0,
            snapshot_interval_min: Span::millis(10),
            snapshot_room: None,
            pool_transactions_max: None,
            round_horizon: 256,
            checkpoint_bytes: Parameters::standard().checkpoint_bytes,
            epoch_life: Parameters::standard().epoch_life,
            pledge_lock: Wait { millis: Span::seconds(2), commits: 2 },
            epochs_kept: None,
            leader_rule: Parameters::standard().leader_rule,
            protocol_known: Rc::new(Cell::new(PROTOCOL_KNOWN)),
            endowments: Vec::new(),
        }
    }

    /// The secret of a node.
    pub fn secret(node: usize) -> NodeSecret {
        let mut seed = [7; 32];
        seed[0] = node as u8;
        NodeSecret::from_seed(&seed)
    }

    /// The cold key of a node's owner.
    pub fn owner(node: usize) -> IdentitySecret {
        let mut bytes = [11; 32];
        bytes[0] = node as u8;
        IdentitySecret::from_bytes(&bytes).expect("a key")
    }

    /// A node as a member.
    pub fn member(node: usize) -> Member {
        Member {
            name: format!("node {node}"),
            owner: Self::owner(node).id(),
            key: Self::secret(node).public(),
            mesh: StaticKey::of(&[node as u8; 32]),
            dealing: Self::secret(node).dealing().public(),
            address: format!("10.0.0.{node}:7000"),
        }
    }

    /// How many nodes are in the genesis.
    pub fn founders(&self) -> usize {
        self.founders.unwrap_or(self.nodes)
    }

    pub fn genesis(&self) -> Genesis {
        let (outputs, ghost) = genesis_outputs(self.coins, &self.endowments);
        Genesis {
            name: "simulation".to_owned(),
            time: START,
            test: true,
            parameters: Parameters {
                round_horizon: self.round_horizon,
                checkpoint_bytes: self.checkpoint_bytes,
                leader_rule: self.leader_rule,
                // What a coin of the purse pays.
                kernel_pledge: Amount::from_coins(1),
                pledge_lock: self.pledge_lock,
                epoch_life: self.epoch_life,
                rotation_pause: Wait { millis: Span::seconds(1), commits: 1 },
                ..Parameters::standard()
            },
            members: MemberSet::new((0..self.founders()).map(Self::member).collect()),
            pool: Amount::from_coins(1000),
            ghost,
            outputs,
        }
    }

    /// Which nodes are no adversaries.
    pub(crate) fn honest(&self) -> Vec<bool> {
        (0..self.nodes).map(|node| self.adversaries.iter().all(|(bad, _)| *bad != node)).collect()
    }

    /// What opens the kernel nodes of a world from their disks.
    pub(crate) fn opener(
        &self,
        genesis: &Genesis,
        cache: SharedCache,
    ) -> impl FnMut(usize, Time, &MemoryStore) -> KernelNode + use<> {
        let (setup, founding) = (self.clone(), genesis.clone());
        move |node, now, store| {
            let me = MemberIndex(node as u8);
            let conduct = setup.adversaries.iter().find(|(bad, _)| *bad == node).map(|(_, conduct)| *conduct);
            if let Some(habit) = conduct.and_then(|conduct| habit(conduct, node, &founding)) {
                let committee = Committee::new(&founding);
                let equivocator = Equivocator::new(me, Setup::secret(node), committee, cache.clone(), habit);
                return KernelNode::equivocator(equivocator, cache.clone());
            }
            let usual = Config::new(Setup::secret(node));
            let config = Config {
                snapshot_interval_min: setup.snapshot_interval_min,
                snapshot_interval_busy: setup.snapshot_interval_min,
                epochs_kept: setup.epochs_kept,
                protocol_known: setup.protocol_known.get(),
                snapshot_bytes_max: setup
                    .snapshot_room
                    .map_or(usual.snapshot_bytes_max, |room| HEADER_BYTES_MAX + room),
                pool_transactions_max: setup.pool_transactions_max.unwrap_or(usual.pool_transactions_max),
                ..usual
            };
            let mut verify = |committee: &Committee, bytes| cache.borrow_mut().verify(committee, bytes);
            let kernel = Kernel::open(config, &founding, now, store, &mut verify);
            let kernel = kernel.unwrap_or_else(|error| panic!("seed {}, node {node}: {error}", setup.seed));
            let adversary = conduct.map(|conduct| Adversary::new(conduct, me, setup.nodes));
            KernelNode::machine(kernel, adversary, cache.clone())
        }
    }

    /// The world, with all nodes starting within the first milliseconds.
    pub fn build(self) -> KernelSim {
        let genesis = self.genesis();
        let cache = Rc::new(RefCell::new(VerificationCache::new(Committee::new(&genesis))));
        let checks = KernelChecks::new(self.seed, &genesis, self.honest(), cache.clone());
        let open = self.opener(&genesis, cache);
        let mut world = World::new(self.seed, self.nodes, BEGIN, self.link, self.disk, Box::new(open), checks);
        for node in 0..self.nodes {
            world.replace_disk(node, new_disk());
            let skew = world.random().below(2 * self.skew_max_ms + 1) as i64 - self.skew_max_ms as i64;
            world.set_skew_ms(node, skew);
            let delay = world.random().below(5_000);
            world.act_in(delay, Act::Start { node });
        }
        KernelSim { world, purse: Purse::open(&genesis), setup: self, next_coin: 0, expected: BTreeMap::new() }
    }
}

/// What a node does that is no twisted machine.
fn habit(conduct: Conduct, node: usize, genesis: &Genesis) -> Option<Habit> {
    match conduct {
        Conduct::Equivocator => Some(Habit::Twice(Names::Shown)),
        Conduct::OldCheckpoint => Some(Habit::Twice(Names::Always(Height::GENESIS))),
        Conduct::FutureCheckpoint => Some(Habit::Twice(Names::Always(Height(u64::MAX)))),
        Conduct::FalseVoter => Some(Habit::FalseVotes),
        Conduct::Hoarder { rounds, transactions } => Some(Habit::Hoards { rounds, transactions }),
        // Whatever it is handed.
        Conduct::DoubleSpender => Some(Habit::Says(Box::new(|_| Vec::new()))),
        Conduct::FalseSharer => Some(Habit::FalseShares(coin::foreign_share())),
        Conduct::FalseDealer { victim } => {
            let dealing = coin::false_dealing(genesis, node, victim);
            Some(Habit::Says(Box::new(move |round| if round == 1 { vec![dealing.clone()] } else { Vec::new() })))
        }
        Conduct::FalseComplainer { of } => {
            let genesis = genesis.clone();
            let complaint = move |round| coin::false_complaint(&genesis, node, of, BEGIN + Span::seconds(60 + round));
            Some(Habit::Says(Box::new(move |round| if round < 60 { vec![complaint(round)] } else { Vec::new() })))
        }
        _ => None,
    }
}

/// The disk of a kernel node whose key was just made.
pub(crate) fn new_disk() -> MemoryStore {
    let (mut disk, mut batch) = (MemoryStore::new(), Batch::new());
    mark_new(&mut batch);
    disk.apply(&batch);
    disk
}

impl KernelSim {
    pub fn checks(&self) -> &KernelChecks {
        &self.world.observer
    }

    /// The machine of a node that is up and no equivocator.
    pub fn kernel(&self, node: usize) -> &Kernel {
        let node = self.world.machine(node).expect("the scenario asks for a node that is up");
        node.kernel().expect("the scenario asks for a node that has a machine")
    }

    /// The honest nodes that are up.
    pub fn honest_up(&self) -> Vec<usize> {
        self.honest().into_iter().filter(|node| self.world.machine(*node).is_some()).collect()
    }

    pub fn is_honest(&self, node: usize) -> bool {
        !self.setup.adversaries.iter().any(|(bad, _)| *bad == node)
    }

    pub fn honest(&self) -> Vec<usize> {
        (0..self.setup.nodes).filter(|node| self.is_honest(*node)).collect()
    }

    /// Submits a transfer of a fresh coin to `node` in `delay_us`, which must become final.
    pub fn pay_in(&mut self, delay_us: u64, node: usize) -> VerifiedTransaction {
        self.pay_from_in(delay_us, ONE_CLIENT, node)
    }

    /// Likewise, from a certain client.
    pub fn pay_from_in(&mut self, delay_us: u64, source: Source, node: usize) -> VerifiedTransaction {
        let transaction = self.fresh_transfer();
        self.submit_from_in(delay_us, source, node, transaction.clone());
        let at_us = self.world.now_us() + delay_us;
        self.expected.insert(transaction.id(), at_us);
        self.world.observer.submitted.insert(transaction.id(), (node, at_us));
        transaction
    }

    /// A transfer of a fresh coin that nobody has been given.
    pub fn fresh_transfer(&mut self) -> VerifiedTransaction {
        self.next_coin += 1;
        self.purse.spend(self.next_coin - 1, 0)
    }

    /// Likewise, in as many outputs as there are amounts.
    pub fn fresh_split(&mut self, amounts: &[Amount]) -> VerifiedTransaction {
        self.next_coin += 1;
        self.purse.split(self.next_coin - 1, amounts)
    }

    /// Submits two transfers of one fresh coin to two nodes: at most one can become final.
    pub fn pay_twice_in(&mut self, delay_us: u64, nodes: (usize, usize)) -> [TransactionId; 2] {
        let coin = self.next_coin;
        self.next_coin += 1;
        let transactions = [self.purse.spend(coin, 1), self.purse.spend(coin, 2)];
        let ids = [transactions[0].id(), transactions[1].id()];
        let [first, second] = transactions;
        self.submit_in(delay_us, nodes.0, first);
        self.submit_in(delay_us, nodes.1, second);
        ids
    }

    pub fn submit_in(&mut self, delay_us: u64, node: usize, transaction: VerifiedTransaction) {
        self.submit_from_in(delay_us, ONE_CLIENT, node, transaction);
    }

    pub fn submit_from_in(&mut self, delay_us: u64, source: Source, node: usize, transaction: VerifiedTransaction) {
        let submission = Submission { source, transaction, work: Work::Enough };
        self.hand_in(delay_us, node, submission);
    }

    pub fn hand_in(&mut self, delay_us: u64, node: usize, submission: Submission) {
        self.world.act_in(delay_us, Act::Command { node, command: KernelCommand::Submit(Box::new(submission)) });
    }

    /// Submits `count` transfers over `span_ms` to these nodes in turn.
    pub fn pay_steadily(&mut self, nodes: &[usize], count: u64, span_ms: u64) {
        for number in 0..count {
            self.pay_in(number * span_ms * 1000 / count, nodes[number as usize % nodes.len()]);
        }
    }

    /// Shows `to` what `by`, any node, keeps of the epochs that it would like to be shown: what a driver does that asks.
    /// False where it would not.
    pub fn show_epochs(&mut self, by: usize, to: usize) -> bool {
        let Some(from) = self.kernel(to).epochs_wanted() else { return false };
        let steps = byway_kernel::light::serve::epochs(self.world.disk(by).visible(), from);
        self.world.act_in(0, Act::Command { node: to, command: KernelCommand::Epochs(steps) });
        true
    }

    /// Takes a node down, and up again after a while.
    pub fn restart_in(&mut self, delay_ms: u64, node: usize, down_ms: u64) {
        self.world.act_in(delay_ms * 1000, Act::Crash { node });
        self.world.act_in((delay_ms + down_ms) * 1000, Act::Start { node });
    }

    /// Cuts some nodes off for a while.
    pub fn partition_in(&mut self, delay_ms: u64, cut_off: &[usize], span_ms: u64) {
        self.world.act_in(delay_ms * 1000, Act::Partition { cut_off: cut_off.to_vec() });
        self.world.act_in((delay_ms + span_ms) * 1000, Act::Partition { cut_off: Vec::new() });
    }

    /// From now on the first leader of each round is shown late to just enough nodes.
    pub fn show_leaders_late(&mut self) {
        let late = LateLeaders::new(self.setup.nodes, self.world.now_us());
        self.world.observer.late_leaders = Some(late);
    }

    /// Lets the nodes deal the coin's key, if the network's leaders are named by one: until every honest node that is up
    /// goes by it. Fails if that takes more than some seconds.
    pub fn run_until_coin(&mut self) {
        if self.setup.leader_rule.kind != LeaderKind::CommonCoin {
            return;
        }
        let has_coin = |sim: &Self, node: usize| sim.kernel(node).ledger().epoch().coin.is_some();
        for _ in 0..300 {
            // At least a step, so that those who are to start have.
            self.run_ms(50);
            if self.honest_up().iter().all(|node| has_coin(self, *node)) {
                return;
            }
        }
        panic!("seed {}: the coin's key is not dealt", self.setup.seed);
    }

    /// Runs until all that was paid in is final, but no longer than this.
    pub fn run_until_final(&mut self, span_ms: u64) {
        for _ in 0..span_ms / 100 {
            if self.finals() == self.expected.len() {
                return;
            }
            self.run_ms(100);
        }
    }

    /// Runs until every honest node that is up has caught up with the others but for [a few](Self::few_commits) commits, and no
    /// longer than this: one that has lost a message asks for it after a while, in which the others go on.
    pub fn run_until_level(&mut self, span_ms: u64) {
        for _ in 0..span_ms / 20 {
            let least = self.checks().commits().saturating_sub(self.few_commits());
            if self.honest_up().into_iter().all(|node| self.checks().progress[node].commits >= least) {
                return;
            }
            self.run_ms(20);
        }
    }

    /// How many of what was paid in are final.
    pub fn finals(&self) -> usize {
        self.expected.keys().filter(|id| self.checks().verdict(id) == Some(Verdict::Final)).count()
    }

    pub fn run_ms(&mut self, span_ms: u64) {
        self.world.run_for(span_ms * 1000);
    }

    /// By how many commits a node may be behind just because messages take their time: those of six rounds.
    pub fn few_commits(&self) -> u64 {
        6 * usize::from(self.setup.leader_rule.leaders_per_round).min(self.setup.nodes) as u64
    }

    /// Fails unless everything expected is final, and every honest node that is up has executed every commit that any of
    /// them has, but for the newest few.
    pub fn assert_settled(&self) {
        let seed = self.setup.seed;
        for (id, at_us) in &self.expected {
            let verdict = self.checks().verdict(id);
            let at = at_us / 1000;
            assert_eq!(verdict, Some(Verdict::Final), "seed {seed}: {id}, submitted at {at} ms");
        }
        let newest = self.checks().commits();
        let few = self.few_commits();
        for node in self.honest_up() {
            let progress = &self.checks().progress[node];
            assert!(
                progress.commits + few >= newest,
                "seed {seed}: node {node} of {newest}: {:?}",
                self.kernel(node).status()
            );
        }
    }
}
