//! Two nodes that are contacts, and messages from one to the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::time::timeout;

use super::super::channel::Percentiles;
use super::super::market::{self, failed, peer};
use super::super::network::Seats;
use super::millis;
use crate::api::*;
use crate::peer_node::PeerNode;

/// Nodes of the kernel that the network is said to have. None of them runs, since nothing of this is on the ledger.
const KERNEL_NODES: usize = 4;
/// How long anything may take.
const WAIT: Duration = Duration::from_secs(60);

pub async fn measure(count: u32, directory: &Path) -> anyhow::Result<Percentiles> {
    let genesis = Arc::new(market::genesis(&Seats::take(KERNEL_NODES).await?)?);
    let start = async |name| anyhow::Ok(PeerNode::start(peer(name, Role::User, &genesis, directory)?, None).await?);
    let (one, other) = (start("one").await?, start("other").await?);
    let measured = timeout(WAIT + Duration::from_secs(1) * count, send(count, &one, &other)).await;
    one.stop().await;
    other.stop().await;
    measured.context("the messages did not arrive in time")?
}

async fn send(count: u32, one: &PeerNode, other: &PeerNode) -> anyhow::Result<Percentiles> {
    let mut events = other.events();
    let invite = one.chat_invite(ChatInviteMake { days: None, note: None }).await.map_err(failed)?;
    other.chat_accept(ChatAccept { who: invite.link }).await.map_err(failed)?;
    let to = other.identity().to_string();
    let mut took = Vec::new();
    // The first says that both are there, and is not counted.
    for number in 0..=count {
        let request = ChatSend {
            to: to.clone(),
            text: format!("message {number} of some that are as long as people write them"),
            reply: None,
            thread: None,
            idempotency_key: format!("send-{number}").parse()?,
        };
        let (begun, said) = loop {
            let begun = Instant::now();
            match one.chat_send(request.clone()).await {
                Ok(said) => break (begun, said.message),
                // Until they are contacts.
                Err(error) if matches!(error.kind, ErrorKind::ChatPersonNotFound | ErrorKind::ChatNotBegun) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => bail!("{error}"),
            }
        };
        loop {
            match &*events.recv().await.context("the other node has stopped, or says too much")? {
                Event::ChatItem(item) if item.message == said => break,
                _ => {}
            }
        }
        took.push(millis(begun.elapsed()));
    }
    took.remove(0);
    Ok(Percentiles::of(took))
}
