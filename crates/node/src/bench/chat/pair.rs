//! Two nodes that are contacts, over a direct link, on a ledger that nobody runs: nothing of what they say is on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use super::super::market::{self, failed, peer};
use super::super::network::Seats;
use crate::api::*;
use crate::peer_node::PeerNode;

/// Nodes of the kernel that the network is said to have.
const KERNEL_NODES: usize = 4;
/// How long anything may take that takes no longer where more is measured.
pub const WAIT: Duration = Duration::from_secs(120);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

pub struct Pair {
    pub one: PeerNode,
    pub other: PeerNode,
}

impl Pair {
    /// Starts both, and waits until either can say something to the other.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let genesis = Arc::new(market::genesis(&Seats::take(KERNEL_NODES).await?)?);
        let start = async |name| anyhow::Ok(PeerNode::start(peer(name, Role::User, &genesis, directory)?, None).await?);
        let pair = Self { one: start("one").await?, other: start("other").await? };
        acquaint(&pair.one, &pair.other).await?;
        Ok(pair)
    }

    pub async fn stop(&self) {
        self.one.stop().await;
        self.other.stop().await;
    }
}

/// Makes the other a contact of the one, and waits until both know it.
pub async fn acquaint(one: &PeerNode, other: &PeerNode) -> anyhow::Result<()> {
    let invite = one.chat_invite(ChatInviteMake { days: None, note: None }).await.map_err(failed)?;
    other.chat_accept(ChatAccept { who: invite.link }).await.map_err(failed)?;
    for (node, contact) in [(one, other.identity()), (other, one.identity())] {
        until("the two are contacts", WAIT, async || {
            let people = node.chat_people().await.map_err(failed)?;
            Ok(people
                .into_iter()
                .any(|person| person.identity == contact && person.conversation.is_some())
                .then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Looks until there is something to be seen.
pub async fn until<T>(
    what: &str,
    wait: Duration,
    look: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let seen = timeout(wait, async {
        loop {
            if let Some(seen) = look().await? {
                return anyhow::Ok(seen);
            }
            tokio::time::sleep(POLL).await;
        }
    });
    seen.await.with_context(|| format!("not seen within {} s: {what}", wait.as_secs()))?
}
