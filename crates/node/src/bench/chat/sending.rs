//! Messages from one of two nodes to the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::time::timeout;

use super::super::channel::Percentiles;
use super::super::market::failed;
use super::millis;
use super::pair::{Pair, WAIT};
use crate::api::*;
use crate::peer_node::PeerNode;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub send_ms: Percentiles,
}

pub async fn measure(count: u32, directory: &Path) -> anyhow::Result<Report> {
    let pair = Pair::start(directory).await?;
    let measured = timeout(WAIT + Duration::from_secs(1) * count, send(count, &pair)).await;
    pair.stop().await;
    Ok(Report { send_ms: measured.context("the messages did not arrive in time")?? })
}

async fn send(count: u32, Pair { one, other }: &Pair) -> anyhow::Result<Percentiles> {
    let (to, mut events) = (other.identity().to_string(), other.events());
    let mut took = Vec::new();
    // The first says that both are there, and is not counted.
    for number in 0..=count {
        let begun = Instant::now();
        let said = say(one, &to, number).await?;
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

/// Says something as long as people write it; gives what the message is called.
pub async fn say(node: &PeerNode, to: &str, number: u32) -> anyhow::Result<String> {
    let request = ChatSend {
        to: to.to_owned(),
        text: format!("message {number} of some that are as long as people write them"),
        reply: None,
        thread: None,
        idempotency_key: format!("send-{number}").parse()?,
    };
    Ok(node.chat_send(request).await.map_err(failed)?.message)
}
