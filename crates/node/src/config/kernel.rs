//! `[kernel]`: what a kernel node opens and keeps.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use byway_peer::link::KernelPeer;
use serde::Deserialize;

use super::{Problem, problem};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelConfig {
    /// Where other kernel nodes and followers connect.
    pub listen: SocketAddr,
    /// Epochs whose snapshots are kept beside those of the one in force.
    #[serde(default)]
    pub keep_epochs: KeepEpochs,
    /// `KEY@HOST:PORT` of nodes that may be asked who the members are now, where those that it knows have left or moved.
    #[serde(default)]
    pub peers: Vec<KernelPeer>,
    /// Where it answers JSON-RPC about the kernel; nowhere when left out.
    pub rpc: Option<KernelRpcConfig>,
    /// Where it shows figures to Prometheus; nowhere when left out.
    pub metrics: Option<MetricsConfig>,
}

impl KernelConfig {
    /// As everything is by default.
    pub fn on(listen: SocketAddr) -> Self {
        Self { listen, keep_epochs: KeepEpochs::default(), peers: Vec::new(), rpc: None, metrics: None }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let rpc = self.rpc.as_ref();
        if let Some(rpc) = rpc.filter(|rpc| rpc.access == KernelRpcAccess::Token && !rpc.listen.ip().is_loopback()) {
            let why = "the token would travel in clear over the network";
            let remedy = "use 127.0.0.1, or set access = \"public\", which lets everyone read and nobody send";
            return Err(problem("kernel.rpc.listen", rpc.listen, why, remedy));
        }
        let sockets = [
            ("kernel.listen", Some(self.listen)),
            ("kernel.rpc.listen", rpc.map(|rpc| rpc.listen)),
            ("kernel.metrics.listen", self.metrics.as_ref().map(|metrics| metrics.listen)),
        ];
        for (index, (key, address)) in sockets.iter().enumerate() {
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            if sockets[..index].iter().any(|(_, other)| *other == Some(address)) {
                return Err(problem(key, address, "another section listens there", "choose another port"));
            }
        }
        Ok(())
    }
}

/// Of how many past epochs a kernel node keeps the snapshots; an epoch lasts a day at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number from 1 on, or \"all\"")]
pub enum KeepEpochs {
    Number(NonZeroU32),
    Every(Every),
}

/// Nothing is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    All,
}

impl KeepEpochs {
    /// How many; `None` for all.
    pub fn number(self) -> Option<u32> {
        match self {
            KeepEpochs::Number(number) => Some(number.get()),
            KeepEpochs::Every(Every::All) => None,
        }
    }
}

impl Default for KeepEpochs {
    /// A week.
    fn default() -> Self {
        KeepEpochs::Number(NonZeroU32::new(7).expect("not zero"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelRpcConfig {
    pub listen: SocketAddr,
    #[serde(default)]
    pub access: KernelRpcAccess,
}

/// Who may ask a kernel node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelRpcAccess {
    /// Programs on this machine that know the node's token.
    #[default]
    Token,
    /// Everyone, for reading.
    Public,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    pub listen: SocketAddr,
}
