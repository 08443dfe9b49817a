//! The kernel of a benchmark: all nodes in this process, over real TCP on loopback, each with its own disk.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use byway_crypto::NodeSecret;
use byway_crypto::noise::StaticKey;
use byway_driver::mesh;
use byway_driver::pool::Pool;
use byway_primitives::IdentityId;
use byway_primitives::hash::Context as HashContext;
use byway_records::genesis::LeaderKind;
use byway_records::{Genesis, Member};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::kernel_node::{self, KernelNode, KernelNodeConfig};

const SEEDS: HashContext = HashContext("byway 1 bench seeds");
/// How often is asked whether the network is ready.
const POLL: Duration = Duration::from_millis(20);
/// How long the nodes may take to find each other, and again to agree on something.
const MEET_WAIT: Duration = Duration::from_secs(30);

/// A secret of a benchmark's own network, the same in every run.
pub(super) fn seed(parts: &[&[u8]]) -> [u8; 32] {
    SEEDS.hash(parts).0
}

/// The nodes' keys and sockets, from which a genesis can be made.
pub(super) struct Seats {
    pub members: Vec<Member>,
    secrets: Vec<(NodeSecret, Zeroizing<[u8; 32]>)>,
    listeners: Vec<TcpListener>,
}

impl Seats {
    pub async fn take(nodes: usize) -> anyhow::Result<Self> {
        Self::take_at(Ipv4Addr::LOCALHOST.into(), nodes).await
    }

    pub async fn take_at(host: IpAddr, nodes: usize) -> anyhow::Result<Self> {
        let mut seats = Self { members: Vec::new(), secrets: Vec::new(), listeners: Vec::new() };
        for index in 0..nodes {
            let listener = mesh::listen((host, 0).into()).await?;
            let secret = NodeSecret::from_seed(&seed(&[b"node", &index.to_le_bytes()]));
            let mesh_secret = Zeroizing::new(seed(&[b"mesh", &index.to_le_bytes()]));
            seats.members.push(Member {
                name: format!("bench-{index}"),
                owner: IdentityId([index as u8; 20]),
                key: secret.public(),
                mesh: StaticKey::of(&mesh_secret),
                dealing: secret.dealing().public(),
                address: listener.local_addr()?.to_string(),
            });
            seats.secrets.push((secret, mesh_secret));
            seats.listeners.push(listener);
        }
        Ok(seats)
    }

    /// Starts the nodes, once, with their state under `directory`, and waits until they have found each other and
    /// agreed on something, on the coin that names their leaders too where one is to: from then on what is measured is a
    /// running network, not its start.
    pub async fn start(&mut self, genesis: &Arc<Genesis>, directory: &Path) -> anyhow::Result<Vec<KernelNode>> {
        let pool = Pool::for_this_machine();
        let mut nodes = Vec::new();
        for (index, listener) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            let config = self.config(index, genesis, directory);
            kernel_node::found(&config.directory)?;
            nodes.push(KernelNode::start(config, listener, pool.clone()).await?);
        }
        let started = Instant::now();
        while nodes.iter().any(|node| node.mesh().connected().len() + 1 < nodes.len()) {
            anyhow::ensure!(started.elapsed() < MEET_WAIT, "the nodes did not find each other");
            tokio::time::sleep(POLL).await;
        }
        let needs_coin = genesis.parameters.leader_rule.kind == LeaderKind::CommonCoin;
        for node in &nodes {
            loop {
                let status = node.status().await.context("a node ended")?;
                if status.commits > 0 && (status.coin.is_some() || !needs_coin) {
                    break;
                }
                anyhow::ensure!(started.elapsed() < MEET_WAIT, "the nodes did not agree on anything");
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(nodes)
    }

    /// Starts a node that was stopped, on [its port](Self::listen_again).
    pub async fn restart(
        &self,
        index: usize,
        genesis: &Arc<Genesis>,
        directory: &Path,
        listener: TcpListener,
    ) -> anyhow::Result<KernelNode> {
        let pool = Pool::for_this_machine();
        Ok(KernelNode::start(self.config(index, genesis, directory), listener, pool).await?)
    }

    /// Takes the port of a node that was stopped, once its last connections are gone.
    pub async fn listen_again(&self, index: usize) -> anyhow::Result<TcpListener> {
        let address = self.members[index].address.parse()?;
        let stopped = Instant::now();
        loop {
            match mesh::listen(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => anyhow::ensure!(stopped.elapsed() < MEET_WAIT, error),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn config(&self, index: usize, genesis: &Arc<Genesis>, directory: &Path) -> KernelNodeConfig {
        let (secret, mesh_secret) = self.secrets[index].clone();
        KernelNodeConfig {
            genesis: genesis.clone(),
            secret,
            mesh_secret,
            directory: directory.join(format!("kernel-{index}")),
            epochs_kept: None,
            peers: Vec::new(),
        }
    }
}
