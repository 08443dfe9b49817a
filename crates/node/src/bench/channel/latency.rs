//! How long one channel's update takes over a connection on this machine, and what it has to wait for.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use byway_channel::Change;
use byway_records::channel::Side;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::pairs::{Pairs, Party};
use super::{Percentiles, UNIT};

/// Updates that are measured, and as many of what they wait for.
const SAMPLES: usize = 500;
/// Updates before.
const WARM_UP: usize = 20;
/// Bytes of a message, and of a write: those of an update's.
const MESSAGE_BYTES: usize = 300;
const WRITE_BYTES: usize = 700;

pub struct Latency {
    pub update: Percentiles,
    pub round_trip: Percentiles,
    pub group_commit: Percentiles,
}

pub async fn measure(directory: &Path) -> anyhow::Result<Latency> {
    let pairs = Pairs::open(1, directory).await?;
    let [mut initiator, responder] = pairs.parties;
    let (mut stream, other) = connection().await?;
    let answering = tokio::spawn(answer(responder, other));
    let mut updates = Vec::new();
    for number in 0..WARM_UP + SAMPLES {
        let begun = Instant::now();
        update(&mut initiator, &mut stream).await?;
        if number >= WARM_UP {
            updates.push(milliseconds(begun));
        }
    }
    drop(stream);
    answering.await?.context("the other side")?;
    let mut commits = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        initiator.write_alone(WRITE_BYTES).await?;
        commits.push(milliseconds(begun));
    }
    let round_trip = Percentiles::of(round_trips().await?);
    Ok(Latency { update: Percentiles::of(updates), round_trip, group_commit: Percentiles::of(commits) })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

async fn connection() -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (one, other) = tokio::try_join!(TcpStream::connect(address), listener.accept())?;
    one.set_nodelay(true)?;
    other.0.set_nodelay(true)?;
    Ok((one, other.0))
}

/// Proposes, and waits for the signature.
async fn update(party: &mut Party, stream: &mut TcpStream) -> anyhow::Result<()> {
    let before = party.heard;
    party.propose(0, Change::Transfer { from: Side::Initiator, amount: UNIT })?;
    send_all(party, stream).await?;
    let message = receive(stream).await?.context("the other side is gone")?;
    party.receive(&(0, message))?;
    ensure!(party.heard == before + 1, "the update was not made");
    Ok(())
}

/// Answers until the connection ends.
async fn answer(mut party: Party, mut stream: TcpStream) -> anyhow::Result<()> {
    while let Some(message) = receive(&mut stream).await? {
        party.receive(&(0, message))?;
        send_all(&mut party, &mut stream).await?;
    }
    Ok(())
}

async fn send_all(party: &mut Party, stream: &mut TcpStream) -> anyhow::Result<()> {
    for (_, message) in party.release().await? {
        send(stream, &message).await?;
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, message: &[u8]) -> anyhow::Result<()> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok(stream.write_all(&[&length, message].concat()).await?)
}

/// `None` where the connection has ended.
async fn receive(stream: &mut TcpStream) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(length) = stream.read_u32().await else { return Ok(None) };
    let mut message = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

async fn round_trips() -> anyhow::Result<Vec<f64>> {
    let (mut stream, mut other) = connection().await?;
    let echo = tokio::spawn(async move {
        while let Some(message) = receive(&mut other).await? {
            send(&mut other, &message).await?;
        }
        anyhow::Ok(())
    });
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        send(&mut stream, &[7; MESSAGE_BYTES]).await?;
        receive(&mut stream).await?.context("the echo is gone")?;
        times.push(milliseconds(begun));
    }
    drop(stream);
    echo.await??;
    Ok(times)
}
