//! A market node's connections to kernel nodes: made when needed, remade when broken.
//!
//! Nothing here judges answers; whoever asked does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byway_driver::entropy;
use byway_driver::mesh::{ConnectError, Limits, MeshClient, Prologue, RequestError};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_primitives::codec::{DecodeError, Encode, decode_exact};
use byway_records::{Genesis, Member};
use tokio::sync::Mutex;

use crate::kernel_node::prologue;

/// Longer than a kernel node keeps a follower's question open.
const REPLY_WAIT: Duration = Duration::from_secs(7);
/// A transaction is handed to this many kernel nodes at once, so that one that drops it delays nothing (row K3's b > 1).
const SUBMIT_TO: usize = 2;

/// Why a kernel node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("kernel node {0} is not in this network")]
    NoSuchMember(u8),
    #[error("kernel node {name} can't be reached: {source}")]
    Connect { name: String, source: ConnectError },
    #[error("kernel node {name} did not answer: {source}")]
    Request { name: String, source: RequestError },
    #[error("kernel node {name} sent a malformed answer: {source}")]
    Malformed { name: String, source: DecodeError },
}

/// Why a transaction was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitFailed {
    #[error("the kernel refused the transaction: {0}")]
    Refused(String),
    #[error("no kernel node can be reached: {0}")]
    Unreachable(AskError),
}

/// Connections to all members. Clones share them.
#[derive(Clone)]
pub struct KernelAccess(Arc<Shared>);

struct Shared {
    genesis: Arc<Genesis>,
    prologue: Prologue,
    limits: Limits,
    /// By member.
    addresses: Vec<String>,
    clients: Vec<Mutex<Option<MeshClient>>>,
}

impl KernelAccess {
    /// `elsewhere` has the addresses, by name, of members that are reached elsewhere than genesis says.
    pub fn new(genesis: Arc<Genesis>, elsewhere: &BTreeMap<String, String>) -> Self {
        let address = |member: &Member| elsewhere.get(&member.name).unwrap_or(&member.address).clone();
        let addresses = genesis.members.iter().map(|(_, member)| address(member)).collect();
        let clients = genesis.members.iter().map(|_| Mutex::default()).collect();
        Self(Arc::new(Shared { prologue: prologue(&genesis), genesis, limits: Limits::default(), addresses, clients }))
    }

    /// Asks one member, over a connection that is there or is made.
    pub async fn ask(&self, member: u8, request: &Request) -> Result<Answer, AskError> {
        let name = self.name(member)?;
        let client = self.client(member).await?;
        let reply = client.request(Bytes::from(request.to_bytes()), REPLY_WAIT).await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(source) => {
                self.forget(member).await;
                return Err(AskError::Request { name, source });
            }
        };
        decode_exact(&reply).map_err(|source| AskError::Malformed { name, source })
    }

    /// Hands a transaction to a few members at random; on failure to all others in turn.
    pub async fn submit(&self, transaction: Vec<u8>) -> Result<(), SubmitFailed> {
        let count = self.0.clients.len();
        let first = entropy::number() as usize % count;
        let order: Vec<u8> = (0..count).map(|step| ((first + step) % count) as u8).collect();
        let request = Request::Submit { transaction };
        let mut failure = None;
        for group in order.chunks(SUBMIT_TO) {
            let asked = group.iter().map(|member| self.ask(*member, &request));
            let mut refused = None;
            for answer in futures::future::join_all(asked).await {
                match answer {
                    Ok(Answer::Taken) => return Ok(()),
                    Ok(Answer::Refused(reason)) => refused = Some(reason),
                    Ok(_) => {}
                    Err(error) => failure = Some(error),
                }
            }
            if let Some(reason) = refused {
                return Err(SubmitFailed::Refused(reason));
            }
        }
        Err(match failure {
            Some(error) => SubmitFailed::Unreachable(error),
            None => SubmitFailed::Refused("every kernel node gave an answer that makes no sense".to_owned()),
        })
    }

    async fn client(&self, member: u8) -> Result<MeshClient, AskError> {
        let known = self.0.genesis.members.get(member).ok_or(AskError::NoSuchMember(member))?;
        let slot = self.0.clients.get(usize::from(member)).ok_or(AskError::NoSuchMember(member))?;
        let address = self.0.addresses.get(usize::from(member)).ok_or(AskError::NoSuchMember(member))?;
        let mut slot = slot.lock().await;
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let seed = entropy::seed();
        let connected = MeshClient::connect(address, known.mesh, &self.0.prologue, &seed, &self.0.limits).await;
        let (client, mut pushes) =
            connected.map_err(|source| AskError::Connect { name: known.name.clone(), source })?;
        // Kernel nodes tell clients nothing unasked; what comes nevertheless is let go of.
        tokio::spawn(async move { while pushes.recv().await.is_some() {} });
        *slot = Some(client.clone());
        Ok(client)
    }

    async fn forget(&self, member: u8) {
        if let Some(slot) = self.0.clients.get(usize::from(member)) {
            *slot.lock().await = None;
        }
    }

    fn name(&self, member: u8) -> Result<String, AskError> {
        let known = self.0.genesis.members.get(member).ok_or(AskError::NoSuchMember(member))?;
        Ok(known.name.clone())
    }
}
