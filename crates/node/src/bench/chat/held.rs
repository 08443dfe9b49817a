//! Somebody who is away is held for by a node of this process, on a ledger that a kernel of this process runs.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use byway_chat::holding::{BATCH_BYTES, LOOK_AGAIN};
use byway_dialogue::LinkId;
use byway_primitives::{Amount, IdentityId, Span};
use byway_records::Genesis;
use futures::future::join_all;
use serde::Serialize;

use super::super::market::{self, failed, peer};
use super::super::network::Seats;
use super::pair::{WAIT, acquaint, until};
use super::sending::say;
use crate::api::*;
use crate::kernel_node::KernelNode;
use crate::peer_node::PeerNode;

const KERNEL_NODES: usize = 4;
/// Fetches whose bytes are counted.
const FETCHES: u64 = 20;
/// Paid into the accounts of whoever holds and whoever is held for.
const DEPOSIT: Amount = Amount::from_coins(2);
/// What one message may take at most on its way to the holder.
const EACH_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub held_messages: u32,
    /// From the start of the client's node until it shows the last of the messages that were held: opening its disk, following the ledger,
    /// finding the holder and speaking to it are in it.
    pub catch_up_s: f64,
    /// Of this, from the first message that is shown to the last.
    pub catch_up_first_to_last_s: f64,
    /// Bytes of the datagrams of the link between a client and one holder, both ways together, in thousands: as many fetches as there are in
    /// a day, every ten minutes, and what the link takes while nothing is said, measured over `idle_s`, each taken for a whole day. What the
    /// node hears of the ledger is not on that link, and not in this.
    pub idle_kb_per_day: f64,
    /// One fetch of nothing, which is as large as one that brings something.
    pub fetch_bytes: f64,
    /// Of a day, what the link takes without fetches.
    pub idle_link_kb_per_day: f64,
    pub idle_s: f64,
}

/// Has so many messages held, and watches the link for so long while nothing is said.
pub async fn measure(messages: u32, idle: Duration, directory: &Path) -> anyhow::Result<Report> {
    let mut seats = Seats::take(KERNEL_NODES).await?;
    let genesis = Arc::new(market::genesis(&seats)?);
    let kernels = seats.start(&genesis, directory).await?;
    let place = Place { genesis, directory };
    let holder = place.node("provider").await?;
    let measured = measure_at(&place, &holder, messages, idle).await;
    holder.stop().await;
    join_all(kernels.iter().map(KernelNode::stop)).await;
    measured
}

/// Where nodes begin.
struct Place<'a> {
    genesis: Arc<Genesis>,
    directory: &'a Path,
}

impl Place<'_> {
    async fn node(&self, name: &str) -> anyhow::Result<PeerNode> {
        Ok(PeerNode::start(peer(name, Role::User, &self.genesis, self.directory)?, None).await?)
    }
}

async fn measure_at(place: &Place<'_>, holder: &PeerNode, messages: u32, idle: Duration) -> anyhow::Result<Report> {
    let (client, sender) = (place.node("user").await?, place.node("sender").await?);
    let (client_id, sender_id, holder_id) = (client.identity(), sender.identity(), holder.identity());
    have_held(&client, holder).await?;
    // Who takes an invite knows from it what to seal for whom it is of, wherever they are by then.
    acquaint(&client, &sender).await?;
    until("all that was said so far has arrived", WAIT, async || {
        let people = sender.chat_people().await.map_err(failed)?;
        Ok(people.iter().all(|person| person.waiting == 0).then_some(()))
    })
    .await?;
    client.stop().await;
    drop(client);
    for number in 0..messages {
        say(&sender, &client_id.to_string(), number).await?;
    }
    until("all messages are held", WAIT + EACH_MAX * messages, async || {
        Ok((held(holder, client_id).await? >= u64::from(messages)).then_some(()))
    })
    .await?;
    sender.stop().await;
    drop(sender);

    let begun = Instant::now();
    let client = place.node("user").await?;
    let (first, last) = caught_up(&client, sender_id, messages, begun).await?;
    until("the holder lets go of all", WAIT, async || Ok((held(holder, client_id).await? == 0).then_some(()))).await?;
    let (fetch_bytes, idle_bytes) = (fetches(&client, holder_id).await?, idle_bytes(&client, holder_id, idle).await?);
    client.stop().await;
    let day = Span::days(1).0 as f64;
    let idle_link_kb_per_day = idle_bytes / (idle.as_secs_f64() * 1e3) * day / 1e3;
    let fetches_kb_per_day = fetch_bytes * day / LOOK_AGAIN.0 as f64 / 1e3;
    Ok(Report {
        held_messages: messages,
        catch_up_s: last.as_secs_f64(),
        catch_up_first_to_last_s: (last - first).as_secs_f64(),
        idle_kb_per_day: idle_link_kb_per_day + fetches_kb_per_day,
        fetch_bytes,
        idle_link_kb_per_day,
        idle_s: idle.as_secs_f64(),
    })
}

/// Has one node hold for another, and the ledger say so.
async fn have_held(client: &PeerNode, holder: &PeerNode) -> anyhow::Result<()> {
    for node in [holder, client] {
        until("it is registered and has an account", WAIT, async || prepared(node).await).await?;
    }
    let offer = HoldOffer { accept: true, price: None, room_mb: None, client_mb: None, publish: Some(true) };
    holder.hold_offer(offer).await.map_err(failed)?;
    until("the one who holds is on the market", WAIT, async || {
        Ok((!client.hold_offer_list().await.map_err(failed)?.is_empty()).then_some(()))
    })
    .await?;
    client.hold_use(HoldUse::default()).await.map_err(failed)?;
    until("it holds, and the ledger has it", WAIT, async || {
        let status = client.hold_status().await.map_err(failed)?;
        Ok(status.holders.iter().any(|record| record.holding && record.named).then_some(()))
    })
    .await
}

/// Whether a node is registered and has something in its account; does what is missing for that.
async fn prepared(node: &PeerNode) -> anyhow::Result<Option<()>> {
    let status = node.node_status().await.map_err(failed)?;
    if !status.identity.registered {
        let request = IdentityRegister { id: None, idempotency_key: "register".parse()? };
        if let Err(error) = node.identity_register(request).await {
            tracing::debug!(%error, "not registered yet");
        }
        return Ok(None);
    }
    if status.balance.account.is_zero() {
        let request = WalletMove { amount: DEPOSIT, asset: None, idempotency_key: "deposit".parse()? };
        node.wallet_deposit(request).await.map_err(failed)?;
        return Ok(None);
    }
    Ok(Some(()))
}

/// How much is held for somebody.
async fn held(holder: &PeerNode, client: IdentityId) -> anyhow::Result<u64> {
    let clients = holder.hold_status().await.map_err(failed)?.clients;
    Ok(clients.into_iter().find(|of| of.client == client).map_or(0, |of| of.held))
}

/// When the first message was shown and when the last, each once.
async fn caught_up(
    client: &PeerNode,
    sender: IdentityId,
    messages: u32,
    begun: Instant,
) -> anyhow::Result<(Duration, Duration)> {
    let shown = async || {
        let talks = client.chat_conversations().await.map_err(failed)?;
        let talk = talks.into_iter().find(|talk| talk.peer == Some(sender));
        anyhow::Ok(talk.context("the conversation is there")?.messages)
    };
    let wait = WAIT + EACH_MAX * messages;
    until("the first message", wait, async || Ok((shown().await? > 0).then_some(()))).await?;
    let first = begun.elapsed();
    until("the last message", wait, async || Ok((shown().await? >= u64::from(messages)).then_some(()))).await?;
    let last = begun.elapsed();
    let shown = shown().await?;
    ensure!(shown == u64::from(messages), "{shown} messages are shown of {messages} that were sent");
    Ok((first, last))
}

/// The link on which a node talks with another, and what it has taken.
async fn link_bytes(node: &PeerNode, peer: IdentityId) -> anyhow::Result<Option<(LinkId, u64)>> {
    node.link_bytes(peer).await.context("the node has stopped")
}

/// Bytes of one fetch, one after the other. One is begun anew where the link has gone meanwhile, or nothing was asked for on it.
async fn fetches(client: &PeerNode, holder: IdentityId) -> anyhow::Result<f64> {
    let mut bytes = 0;
    for _ in 0..FETCHES {
        let begun = Cell::new(None);
        bytes += until("what a fetch brings", WAIT, async || {
            let now = link_bytes(client, holder).await?;
            if let (Some((link, before)), Some((same, after))) = (begun.get(), now)
                && link == same
            {
                return Ok((after >= before + BATCH_BYTES as u64).then_some(after - before));
            }
            client.hold_fetch().await.map_err(failed)?;
            begun.set(now);
            Ok(None)
        })
        .await?;
    }
    Ok(bytes as f64 / FETCHES as f64)
}

/// Bytes of the link in some time in which nothing is said.
async fn idle_bytes(client: &PeerNode, holder: IdentityId, idle: Duration) -> anyhow::Result<f64> {
    let of_link = async || until("a link with the holder", WAIT, async || link_bytes(client, holder).await).await;
    let (link, before) = of_link().await?;
    tokio::time::sleep(idle).await;
    let (same, after) = of_link().await?;
    ensure!(link == same, "the link with the holder went while nothing was said on it: nothing was measured");
    Ok((after - before) as f64)
}
