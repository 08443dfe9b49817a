//! Whole networks: kernel, ledger, followers, dialogues, promises and the access market together.
//!
//! Kernel nodes keep a ledger and serve clients by the real client protocol ([`kernel_node`]), some of them lying
//! ([`liar`]). Market nodes ([`crate::peer`]) follow it, register, deposit, publish offers, find each other by them, talk
//! over links that break, move bytes and pay for them, settle by transactions of their own, and have channels. [`check`] watches all of it
//! in every run; a scenario says who takes part and what goes wrong, and asserts only what it is about.

pub mod check;
pub mod kernel_node;
pub mod liar;
pub mod message;
pub mod node;

use std::cell::RefCell;
use std::rc::Rc;

use byway_access::warning::WarningConfig;
use byway_kernel::Committee;
use byway_primitives::{Amount, AssetId, IdentityId, MemoryStore, Span, Time};
use byway_records::ProgramId;
use byway_records::genesis::Wait;
use byway_records::state::{Account, account_key};

pub use self::check::NetworkChecks;
use self::kernel_node::ServingKernel;
pub use self::liar::Lie;
pub use self::node::{NetNews, NetNode};
use crate::kernel::{BEGIN, KernelChecks, Setup, VerificationCache, new_disk};
use crate::network::{Latency, Link};
use crate::peer::links::Wire;
use crate::peer::{Buying, Conduct, Keys, PeerCommand, PeerNode, PeerPlan, Role, Scene, Selling, SharedScene};
use crate::world::{Act, CrashAtPersist, World};

/// What a megabyte costs at the first provider.
pub const PRICE: Amount = Amount::from_units(byway_primitives::amount::ONE / 1000);
/// The most that either side lets the other run ahead: half a megabyte's price.
pub const CEILING: Amount = Amount::from_units(byway_primitives::amount::ONE / 2000);

/// How a whole network is set up.
#[derive(Debug, Clone)]
pub struct Plan {
    pub kernel: Setup,
    /// Kernel nodes that lie to their clients. They keep the kernel's own rules.
    pub liars: Vec<(usize, Lie)>,
    pub peers: Vec<PeerPlan>,
    pub wire: Wire,
    /// How messages travel to, from and between market nodes.
    pub access: Link,
    /// Whether providers ask each other about their clients.
    pub warnings: Option<WarningConfig>,
}

/// A whole network.
pub struct WholeSim {
    pub world: World<NetNode, NetworkChecks>,
    pub scene: SharedScene,
    pub plan: Plan,
}

impl Plan {
    /// Seven honest kernel nodes in one building and nobody else.
    pub fn kernel_only(seed: u64) -> Self {
        let access = Link { latency: Latency::between_us(5_000, 15_000), loss_ppm: 0 };
        // Longer than a run: whoever was away for as long as that would have to be told a checkpoint.
        let pledge_lock = Wait { millis: Span::minutes(10), commits: 2 };
        let kernel = Setup { coins: 0, snapshot_interval_min: Span::millis(20), pledge_lock, ..Setup::local(seed) };
        Self { kernel, liars: Vec::new(), peers: Vec::new(), wire: Wire::Stream, access, warnings: None }
    }

    /// With a provider (market node 0) and a client (market node 1).
    pub fn market(seed: u64) -> Self {
        let peers = vec![PeerPlan::new(provider(PRICE)), PeerPlan::new(client())];
        Self { peers, ..Self::kernel_only(seed) }
    }

    /// With two market nodes that sell to each other.
    pub fn neighbours(seed: u64) -> Self {
        let peers = vec![PeerPlan::new(neighbour(PRICE)), PeerPlan::new(neighbour(PRICE))];
        Self { peers, ..Self::kernel_only(seed) }
    }

    /// With another provider, after those that are there.
    pub fn with_provider(mut self, price_per_mb: Amount) -> Self {
        self.peers.push(PeerPlan::new(provider(price_per_mb)));
        self
    }

    /// With another client, after those that are there.
    pub fn with_client(mut self) -> Self {
        self.peers.push(PeerPlan::new(client()));
        self
    }

    /// With a market node that behaves like this.
    pub fn with_conduct(mut self, peer: usize, conduct: Conduct) -> Self {
        self.peers[peer].conduct = conduct;
        self
    }

    /// With a kernel node that lies to its clients, which all ask it first.
    pub fn with_liar(mut self, node: usize, lie: Lie) -> Self {
        self.liars.push((node, lie));
        self.peers.iter_mut().for_each(|peer| peer.first_asked = Some(node as u8));
        self
    }

    /// With kernel nodes that don't keep the kernel's rules.
    pub fn with_adversaries(mut self, adversaries: &[(usize, crate::kernel::Conduct)]) -> Self {
        self.kernel.adversaries.extend_from_slice(adversaries);
        self
    }

    /// The world, with all nodes starting within the first milliseconds.
    pub fn build(self) -> WholeSim {
        let endowments = self.peers.iter().enumerate();
        let endowments =
            endowments.map(|(index, peer)| (Keys::of(index).wallet.address(), Amount::from_coins(peer.coins)));
        let kernel = Setup { endowments: endowments.collect(), ..self.kernel.clone() };
        let genesis = kernel.genesis();
        let scene = Rc::new(Scene {
            seed: kernel.seed,
            genesis: genesis.clone(),
            kernels: kernel.nodes,
            peers: self.peers.clone(),
            wire: self.wire,
            ceiling: CEILING,
            warnings: self.warnings,
            outside: RefCell::default(),
        });
        let cache = Rc::new(RefCell::new(VerificationCache::new(Committee::new(&genesis))));
        let kernel_checks = KernelChecks::new(kernel.seed, &genesis, kernel.honest(), cache.clone());
        let truthful = (0..kernel.nodes).map(|node| self.liars.iter().all(|(liar, _)| *liar != node)).collect();
        let checks = NetworkChecks::new(kernel_checks, scene.clone(), truthful);
        let mut open_kernel = kernel.opener(&genesis, cache);
        let (liars, opening, network) = (self.liars.clone(), scene.clone(), genesis.network());
        let mut lives = vec![0; self.peers.len()];
        let open = move |node: usize, now: Time, store: &MemoryStore| {
            if node < opening.kernels {
                let lie = liars.iter().find(|(liar, _)| *liar == node).map(|(_, lie)| *lie);
                let serving = ServingKernel::new(open_kernel(node, now, store), network, opening.kernels, lie);
                return NetNode::Kernel(Box::new(serving));
            }
            let index = node - opening.kernels;
            lives[index] += 1;
            NetNode::Peer(Box::new(PeerNode::open(opening.clone(), index, lives[index], now, store)))
        };
        let nodes = kernel.nodes + self.peers.len();
        let mut world = World::new(kernel.seed, nodes, BEGIN, kernel.link, kernel.disk, Box::new(open), checks);
        for peer in kernel.nodes..nodes {
            for other in 0..nodes {
                world.network().set_link(peer, other, self.access);
                world.network().set_link(other, peer, self.access);
            }
        }
        (0..kernel.nodes).for_each(|node| world.replace_disk(node, new_disk()));
        for node in 0..nodes {
            let delay = world.random().below(5_000);
            world.act_in(delay, Act::Start { node });
        }
        WholeSim { world, scene, plan: self }
    }
}

/// A provider that settles every two megabytes, within two seconds.
pub fn provider(price_per_mb: Amount) -> Role {
    Role::Provider(selling(price_per_mb))
}

/// The same who has a deposit, and uses what others sell.
pub fn neighbour(price_per_mb: Amount) -> Role {
    Role::Neighbour(selling(price_per_mb), Buying { deposit: DEPOSIT })
}

fn selling(price_per_mb: Amount) -> Selling {
    let settle_at = Amount::from_units(price_per_mb.units() * 2);
    Selling { price_per_mb, settle_at, settle_delay_max: Span::seconds(2) }
}

/// What a client pays into its account.
pub const DEPOSIT: Amount = Amount::from_coins(1);

/// A client with a deposit.
pub fn client() -> Role {
    Role::Client(Buying { deposit: DEPOSIT })
}

impl WholeSim {
    pub fn checks(&self) -> &NetworkChecks {
        &self.world.observer
    }

    pub fn seed(&self) -> u64 {
        self.scene.seed
    }

    /// The number in the world of market node `peer`.
    pub fn node_of(&self, peer: usize) -> usize {
        self.scene.kernels + peer
    }

    pub fn id(&self, peer: usize) -> IdentityId {
        Keys::of(peer).id()
    }

    /// A market node, if it is up.
    pub fn peer(&self, peer: usize) -> Option<&PeerNode> {
        self.world.machine(self.node_of(peer))?.peer()
    }

    /// What a wallet can spend, if its node is up.
    pub fn free(&self, peer: usize) -> Option<Amount> {
        Some(self.peer(peer)?.wallet().balance(AssetId::WAY).free)
    }

    pub fn command_in(&mut self, delay_ms: u64, peer: usize, command: PeerCommand) {
        let node = self.node_of(peer);
        self.world.act_in(delay_ms * 1000, Act::Command { node, command });
    }

    /// One market node pays another from its wallet.
    pub fn pay_in(&mut self, delay_ms: u64, from: usize, to: usize, amount: Amount) {
        self.command_in(delay_ms, from, PeerCommand::Pay { to: Keys::of(to).wallet.address(), amount });
    }

    /// What the kernel says of an account: of the honest nodes that are up, the one that is furthest.
    pub fn account(&self, peer: usize) -> Account {
        let honest = (0..self.scene.kernels).filter(|node| self.checks().kernel.is_honest(*node));
        let kernels = honest.filter_map(|node| self.world.machine(node)?.kernel()?.node().kernel());
        let ledger = kernels.map(|kernel| kernel.ledger()).max_by_key(|ledger| ledger.commits());
        let tree = ledger.and_then(|ledger| ledger.tree(ProgramId::ACCOUNTS));
        tree.and_then(|tree| tree.read(&account_key(self.id(peer), AssetId::WAY))).unwrap_or_default()
    }

    /// Fails unless what a client has lost is what it was settled for, and its provider has all of it but the fee.
    pub fn assert_paid(&self, client: usize, provider: usize) {
        let (_, settled) = self.checks().promises.marks(client, provider).settled;
        let ppm = u128::from(self.scene.genesis.parameters.settlement_fee_ppm);
        let lost = DEPOSIT.saturating_sub(self.account(client).balance);
        let won = self.account(provider).balance;
        // Each settlement's fee is rounded down by itself.
        let fee_max = Amount::from_units(settled.units() * ppm / 1_000_000);
        let (seed, fee) = (self.seed(), lost.saturating_sub(won));
        assert_eq!(lost, settled, "seed {seed}: the client has lost what was settled");
        assert!(fee <= fee_max && fee.units() + 100 > fee_max.units(), "seed {seed}: of {lost} came {won}");
    }

    /// Programs at a client want so many bytes more.
    pub fn want(&mut self, client: usize, bytes: u64) {
        let node = self.node_of(client);
        *self.scene.outside.borrow_mut().wanted.entry(node).or_default() += bytes;
    }

    /// Offers that a market node sees.
    pub fn offers_known(&self, peer: usize) -> usize {
        self.peer(peer).map_or(0, PeerNode::offers_known)
    }

    /// Bytes that really came from a provider to a client's programs.
    pub fn bytes_arrived(&self, client: usize, provider: usize) -> u64 {
        self.scene.outside.borrow().arrived(self.id(client), self.id(provider)).0
    }

    /// What programs at a client still wait for.
    pub fn still_wanted(&self, client: usize) -> u64 {
        self.scene.still_wanted(self.node_of(client))
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

    /// The node crashes at one of its writes, counted from 1 over the whole run.
    pub fn crash_at_persist(&mut self, node: usize, persist: u64, survives: bool) {
        self.world.crash_at(CrashAtPersist { node, persist, survives, down_for_us: 150_000 });
    }

    pub fn run_ms(&mut self, span_ms: u64) {
        self.world.run_for(span_ms * 1000);
    }

    /// Runs until `done`, looking every 100 ms, and fails when that takes longer than `patience_ms`.
    pub fn run_until(&mut self, patience_ms: u64, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = self.world.now_us();
        while !done(self) {
            let waited = (self.world.now_us() - begun) / 1000;
            assert!(
                waited < patience_ms,
                "seed {}: {what}: not within {patience_ms} ms\n{}",
                self.seed(),
                self.picture()
            );
            self.run_ms(100);
        }
    }

    /// Runs until there is a certified checkpoint, before which market nodes can do nothing.
    pub fn run_until_begun(&mut self) {
        self.run_until(10_000, "the first checkpoint", |sim| !sim.checks().kernel.certified().is_empty());
    }

    /// How the market nodes are, for whoever has to find out why a scenario got stuck.
    pub fn picture(&self) -> String {
        let nodes = (0..self.plan.peers.len()).map(|index| match self.peer(index) {
            Some(peer) => format!("market node {index}: {}\n", peer.picture()),
            None => format!("market node {index} is down\n"),
        });
        let commits = format!("{} commits\n", self.checks().kernel.commits());
        nodes.chain([commits]).collect()
    }

    /// Downloads so much more at a client, however long it takes within `patience_ms`.
    pub fn download(&mut self, client: usize, bytes: u64, patience_ms: u64) {
        self.want(client, bytes);
        self.run_until(patience_ms, "the download", |sim| sim.still_wanted(client) == 0);
    }

    /// Settles what `client` has promised to `provider`, and waits until both see it.
    pub fn settle(&mut self, client: usize, provider: usize) {
        let peer = self.id(client);
        // One that is under way already may be of an earlier promise.
        for attempt in 0..10 {
            self.command_in(attempt * 2_000, provider, PeerCommand::Settle { peer });
        }
        self.run_until(40_000, "the settlement", |sim| {
            let promised = sim.checks().promises.marks(client, provider).received;
            let settled = |at: usize| sim.peer(at)?.settled_of(sim.id(client), sim.id(provider));
            let is_all = |at: usize| settled(at).unwrap_or_default().amount == promised;
            is_all(client) && is_all(provider)
        });
    }
}
