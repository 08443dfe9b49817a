//! Any node of a whole network, as the scheduler sees it.

use byway_primitives::{Effect, Store, Time};

use super::kernel_node::ServingKernel;
use super::message::NetMessage;
use crate::kernel::NodeNews;
use crate::peer::{PeerCommand, PeerNews, PeerNode};
use crate::world::{Event, Machine};

/// What a node wants done.
pub type NetEffect = Effect<usize, NetMessage, NetNews>;

/// Kernel nodes have the low numbers, market nodes those after them.
pub enum NetNode {
    Kernel(Box<ServingKernel>),
    Peer(Box<PeerNode>),
}

/// What a node says.
#[derive(Debug)]
pub enum NetNews {
    Kernel(NodeNews),
    Peer(Box<PeerNews>),
}

impl NetNode {
    pub fn kernel(&self) -> Option<&ServingKernel> {
        match self {
            NetNode::Kernel(kernel) => Some(kernel),
            NetNode::Peer(_) => None,
        }
    }

    pub fn peer(&self) -> Option<&PeerNode> {
        match self {
            NetNode::Kernel(_) => None,
            NetNode::Peer(peer) => Some(peer),
        }
    }
}

impl Machine for NetNode {
    type Message = NetMessage;
    type News = NetNews;
    /// Kernel nodes take none.
    type Command = PeerCommand;

    fn handle(&mut self, now: Time, event: Event<NetMessage, PeerCommand>, store: &dyn Store) {
        match self {
            NetNode::Kernel(kernel) => kernel.handle(now, event, store),
            NetNode::Peer(peer) => peer.handle(now, event, store),
        }
    }

    fn poll(&mut self, now: Time, store: &dyn Store) -> Option<NetEffect> {
        match self {
            NetNode::Kernel(kernel) => kernel.poll(now, store),
            NetNode::Peer(peer) => peer.poll(now, store),
        }
    }

    fn fingerprint(message: &NetMessage) -> Vec<u8> {
        message.fingerprint()
    }
}
