//! What must hold in every run of a whole network, whatever happens to it.
//!
//! [`KernelChecks`] watches the kernel; here the rest is watched, and everything in one place:
//!
//! - [`followers`]: a followed ledger is the kernel's.
//! - [`promises`]: nothing promised is forgotten, nothing is settled or billed beyond what was promised or arrived.

pub mod followers;
pub mod promises;

use byway_primitives::{MemoryStore, Timer};

use self::followers::FollowerChecks;
use self::promises::PromiseChecks;
use super::message::NetMessage;
use super::node::{NetNews, NetNode};
use crate::kernel::KernelChecks;
use crate::peer::{PeerNews, SharedScene};
use crate::world::Observer;

/// Watches one world, and panics with its seed when something does not hold.
pub struct NetworkChecks {
    pub kernel: KernelChecks,
    pub followers: FollowerChecks,
    pub promises: PromiseChecks,
    /// Nodes below this number are kernel nodes.
    kernels: usize,
    /// All that market nodes said, by node.
    pub said: Vec<Vec<PeerNews>>,
}

impl NetworkChecks {
    pub fn new(kernel: KernelChecks, scene: SharedScene, truthful: Vec<bool>) -> Self {
        let (kernels, peers) = (scene.kernels, scene.peers.len());
        Self {
            kernel,
            followers: FollowerChecks::new(scene.seed, truthful, peers),
            promises: PromiseChecks::new(scene),
            kernels,
            said: (0..peers).map(|_| Vec::new()).collect(),
        }
    }
}

impl Observer<NetNode> for NetworkChecks {
    fn on_open(&mut self, node: usize, machine: &NetNode) {
        if let Some(peer) = machine.peer() {
            self.followers.opened(node - self.kernels, peer.follower());
            self.promises.opened(node - self.kernels, peer);
        }
    }

    fn on_news(&mut self, now_us: u64, node: usize, news: NetNews) {
        match news {
            NetNews::Kernel(news) => self.kernel.on_news(now_us, node, news),
            NetNews::Peer(news) => {
                let peer = node - self.kernels;
                self.followers.heard(peer, &news);
                self.promises.heard(now_us, peer, &news);
                self.said[peer].push(*news);
            }
        }
    }

    fn on_send(&mut self, now_us: u64, node: usize, message: &NetMessage, durable: &MemoryStore) {
        match message {
            NetMessage::Kernel(message) => self.kernel.on_send(now_us, node, message, durable),
            NetMessage::Link(_) | NetMessage::Ask { .. } => self.promises.sends(node - self.kernels, durable),
            NetMessage::Answer { .. } => {}
        }
    }

    fn on_crash(&mut self, _now_us: u64, node: usize, machine: &NetNode) {
        if let Some(peer) = machine.peer() {
            self.promises.crashes(node - self.kernels, peer);
        }
    }

    fn on_settled(&mut self, now_us: u64, node: usize, machine: &NetNode, _timer: Timer, store: &MemoryStore) {
        match machine {
            NetNode::Kernel(kernel) => {
                self.kernel.on_settled(now_us, node, kernel.node(), kernel.timer(), store);
                if self.kernel.is_honest(node)
                    && let Some(kernel) = kernel.node().kernel()
                {
                    self.promises.look_at_ledger(now_us, kernel.ledger());
                }
            }
            NetNode::Peer(peer) => {
                let certified = self.kernel.certified();
                self.followers.look(now_us, node - self.kernels, peer.follower(), certified);
                self.promises.look(now_us, node - self.kernels, peer, store);
            }
        }
    }
}
