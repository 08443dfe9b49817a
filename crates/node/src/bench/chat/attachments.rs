//! A file from one of two nodes to the other, beside a bare stream of the same bytes between two endpoints.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::time::timeout;

use super::super::market::failed;
use super::super::socks::bare_stream;
use super::corpus::Draws;
use super::median;
use super::pair::{Pair, WAIT};
use crate::api::params::IdempotencyKey;
use crate::api::*;

/// Each of the two is measured so often, in turns.
const ROUNDS: u64 = 3;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub attachment_megabytes: u64,
    /// From the call that asks for a file, which the other side has, until it lies here whole, checked and synced; a megabyte is 10^6
    /// bytes. The median.
    pub attachment_mb_per_s: f64,
    /// One stream of a link between two endpoints of their own, of as many bytes, which are thrown away.
    pub attachment_limit_mb_per_s: f64,
    pub attachment_ratio: f64,
}

pub async fn measure(megabytes: u64, directory: &Path) -> anyhow::Result<Report> {
    let pair = Pair::start(directory).await?;
    let measured = timeout(WAIT * 4, rounds(megabytes * 1_000_000, &pair)).await;
    pair.stop().await;
    let [own, bare] = measured.context("the files did not arrive in time")??;
    let (attachment_mb_per_s, attachment_limit_mb_per_s) = (median(own), median(bare));
    let attachment_ratio = attachment_mb_per_s / attachment_limit_mb_per_s;
    Ok(Report { attachment_megabytes: megabytes, attachment_mb_per_s, attachment_limit_mb_per_s, attachment_ratio })
}

/// Megabytes a second of each round: a file, and bare.
async fn rounds(bytes: u64, pair: &Pair) -> anyhow::Result<[Vec<f64>; 2]> {
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        own.push(fetch(bytes, round, pair).await?);
        bare.push(bare_stream(bytes).await?);
    }
    Ok([own, bare])
}

/// One file, another each time.
async fn fetch(bytes: u64, round: u64, pair: &Pair) -> anyhow::Result<f64> {
    let Pair { one, other } = pair;
    let mut events = other.events();
    let message = attach(bytes, round, pair).await?;
    loop {
        match &*events.recv().await.context("the other node has stopped, or says too much")? {
            Event::ChatItem(item) if item.message == message => break,
            _ => {}
        }
    }
    let request = ChatFetch { to: one.identity().to_string(), message, number: 0, wait: true };
    let begun = Instant::now();
    loop {
        let file = other.chat_fetch(request.clone()).await.map_err(failed)?;
        match file.state {
            ChatFileState::Here => {
                ensure!(file.size == bytes, "{} bytes of {bytes} are here", file.size);
                break;
            }
            ChatFileState::Wanted | ChatFileState::Coming => {}
            state => anyhow::bail!("the file does not come: {state:?}"),
        }
    }
    Ok(bytes as f64 / 1e6 / begun.elapsed().as_secs_f64())
}

/// Gives a file to one node and says something with it.
async fn attach(bytes: u64, round: u64, Pair { one, other }: &Pair) -> anyhow::Result<String> {
    let upload: IdempotencyKey = format!("file-{round}").parse()?;
    let (mut draws, mut at) = (Draws(round), 0);
    while at < bytes {
        let count = (bytes - at).min(PART_BYTES_MAX as u64) as usize;
        let mut part: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| draws.next().to_le_bytes()).collect();
        part.truncate(count);
        let part = ChatUploadPart { upload: upload.clone(), at, bytes: Base64(part) };
        at = one.chat_upload(part).await.map_err(failed)?.size;
    }
    let (media_type, width, height, duration_ms, thumbnail) = (None, None, None, None, None);
    let file = ChatFile { upload, name: "bench.bin".to_owned(), media_type, width, height, duration_ms, thumbnail };
    let request = ChatAttach {
        to: other.identity().to_string(),
        files: vec![file],
        text: None,
        reply: None,
        thread: None,
        levels: None,
        idempotency_key: format!("attach-{round}").parse()?,
    };
    Ok(one.chat_attach(request).await.map_err(failed)?.message)
}
