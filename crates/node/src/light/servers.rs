//! The kernel nodes that a light client asks, and the connections to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use byway_driver::entropy;
use byway_driver::mesh::{ConnectError, Limits, MeshClient, RequestError};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::light::Head;
use byway_primitives::codec::{DecodeError, Encode, decode_exact};
use byway_records::{Genesis, Member};

use super::LightConfig;
use crate::kernel_node::prologue;

/// Why a kernel node gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("can't be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error("did not answer: {0}")]
    Request(#[from] RequestError),
    #[error("sent a malformed answer: {0}")]
    Malformed(#[from] DecodeError),
}

pub(super) struct Servers {
    genesis: Arc<Genesis>,
    limits: Limits,
    /// How long one may take to answer.
    patience: Duration,
    first: u64,
    liars: BTreeSet<[u8; 32]>,
    connections: BTreeMap<[u8; 32], MeshClient>,
    silent: BTreeSet<[u8; 32]>,
}

impl Servers {
    pub fn new(genesis: Arc<Genesis>, config: LightConfig) -> Self {
        let LightConfig { patience, first } = config;
        let limits = Limits { connect_max: patience, handshake_max: patience, ..Limits::default() };
        Self {
            genesis,
            limits,
            patience,
            first,
            liars: BTreeSet::new(),
            connections: BTreeMap::new(),
            silent: BTreeSet::new(),
        }
    }

    /// Whom to ask, in order: who was asked already and answers; the members that count at `head`; those that the network
    /// was founded with. Nobody who lied, and last whoever did not answer.
    pub fn order(&self, head: &Head) -> Vec<Member> {
        let present = head.epoch.seats.counting().map(|(_, member)| member.clone());
        let founders = self.genesis.members.iter().map(|(_, member)| member.clone());
        let mut order: Vec<Member> = Vec::new();
        for mut group in [present.collect::<Vec<_>>(), founders.collect()] {
            let turn = self.first % group.len().max(1) as u64;
            group.rotate_left(turn as usize);
            for member in group {
                if !self.liars.contains(&member.mesh.0) && order.iter().all(|other| other.mesh != member.mesh) {
                    order.push(member);
                }
            }
        }
        order.sort_by_key(|Member { mesh: StaticKey(key), .. }| {
            (self.silent.contains(key), !self.connections.contains_key(key))
        });
        order
    }

    /// Asks one, over a connection that is there or is made.
    pub async fn ask(&mut self, member: &Member, request: &Request) -> Result<Answer, AskError> {
        let asked = self.exchange(member, request).await;
        if asked.is_err() {
            self.connections.remove(&member.mesh.0);
            self.silent.insert(member.mesh.0);
        }
        asked
    }

    /// Never asks this one again.
    pub fn condemn(&mut self, member: &Member) {
        self.connections.remove(&member.mesh.0);
        self.liars.insert(member.mesh.0);
    }

    async fn exchange(&mut self, member: &Member, request: &Request) -> Result<Answer, AskError> {
        let client = match self.connections.get(&member.mesh.0) {
            Some(client) => client.clone(),
            None => {
                let (prologue, seed) = (prologue(&self.genesis), entropy::seed());
                let connected = MeshClient::connect(&member.address, member.mesh, &prologue, &seed, &self.limits).await;
                let (client, mut pushes) = connected?;
                // Kernel nodes tell clients nothing unasked; what comes nevertheless is let go of.
                tokio::spawn(async move { while pushes.recv().await.is_some() {} });
                self.connections.insert(member.mesh.0, client.clone());
                client
            }
        };
        let reply = client.request(Bytes::from(request.to_bytes()), self.patience).await?;
        Ok(decode_exact(&reply)?)
    }
}
