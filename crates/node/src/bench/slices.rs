//! `byway bench slices`: packets in slices over relays whose lines are narrow (row A12).
//!
//! Everything is what nodes run, on this machine over loopback: cutting and joining, the client's end, relays with gate and
//! meter, the exit's end. Before each relay stands a line that lets a fixed rate pass and drops what is beyond, since loopback
//! itself has no end. Packets of the size that a tunnel sends are offered at several steady rates; what counts is the most that
//! arrived in a second. Then, at a rate that is carried, relays die until only as many are left as are needed, and the longest time
//! without a packet is noted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use byway_access::slices::{End, Joiner, Label, Shape, SliceKeys, Splitter};
use byway_driver::entropy;
use byway_driver::gate::Gate;
use byway_driver::meter::Meter;
use byway_driver::slices::{Forwarder, Hub, Relay, Slicer, Token};
use byway_primitives::Time;
use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use zeroize::Zeroizing;

use crate::peer_node::{Cutting, Joining};

/// What WireGuard makes of a full packet inside.
const PACKET_BYTES: usize = 1452;
/// What a line lets pass at once, as a queue of a router would hold: 10 ms at its rate.
const BURST: Duration = Duration::from_millis(10);
/// How often packets are sent; each time as many as are due.
const PACE: Duration = Duration::from_millis(1);
/// Of what the lines could carry at best, in percent.
const OFFERED_PERCENT: [u64; 5] = [82, 86, 90, 94, 98];
/// What is offered while relays die.
const OFFERED_WHILE_DYING: u64 = 60;
const ANSWERS_WAIT: Duration = Duration::from_secs(10);
const LABEL: Label = Label(1);

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub paths: u64,
    pub needed: u64,
    /// Packets' bytes that arrived.
    pub gbit_per_s: f64,
    /// What all lines together let pass.
    pub summed_path_gbit_per_s: f64,
    /// Of k/n of that.
    pub ratio_to_k_over_n: f64,
    pub relays_killed: u64,
    /// Between two packets, while they died.
    pub longest_gap_ms: f64,
}

/// A line to a relay, and the relay.
struct Line {
    _relay: Forwarder,
    _task: JoinSet<()>,
}

/// What arrives at the exit.
#[derive(Default)]
struct Arrived {
    bytes: AtomicU64,
    /// Nanoseconds since the beginning.
    last: AtomicU64,
    longest_gap: AtomicU64,
}

pub async fn run(shape: Shape, path_mbit: u64, seconds: u64) -> anyhow::Result<Report> {
    let near = UdpSocket::bind("127.0.0.1:0").await?;
    let far = UdpSocket::bind("127.0.0.1:0").await?;
    let keys = SliceKeys::new(&Zeroizing::new(entropy::seed()));
    let cutting = |end| Box::new(Cutting(Splitter::new(Time(1), shape, &keys, end, LABEL)));
    let joining = |end| Box::new(Joining(Joiner::new(shape, &keys, end, LABEL)));
    let hub = Hub::open("127.0.0.1:0".parse()?, far.local_addr()?, |slice| Label::of(slice).map(|label| label.0))?;
    hub.add(LABEL.0, shape.paths(), cutting(End::Exit), joining(End::Exit))?;
    let slicer = Slicer::open(near.local_addr()?, shape.paths(), cutting(End::Client), joining(End::Client))?;
    let mut lines = Vec::new();
    for path in 0..shape.paths() {
        let (line, relay) = line(hub.local_address(), path_mbit * 1_000_000).await?;
        slicer.set_path(path, relay)?;
        lines.push(line);
    }
    let all = async {
        while slicer.answered() < shape.paths() {
            sleep(PACE).await;
        }
    };
    timeout(ANSWERS_WAIT, all).await.context("the relays do not answer")?;
    let (arrived, began) = (Arc::new(Arrived::default()), Instant::now());
    let mut receiving = JoinSet::new();
    receiving.spawn(receive(far, arrived.clone(), began));
    let at_best = path_mbit * 1_000_000 * shape.needed() as u64;
    let step = Duration::from_secs(seconds);
    let mut best = 0.0_f64;
    for percent in OFFERED_PERCENT {
        let (before, since) = (arrived.bytes.load(Ordering::Relaxed), Instant::now());
        offer(&near, slicer.endpoint(), at_best / 100 * percent, step).await?;
        let bits = (arrived.bytes.load(Ordering::Relaxed) - before) * 8;
        best = best.max(bits as f64 / since.elapsed().as_secs_f64() / 1e9);
    }
    let killed = shape.paths() - shape.needed();
    offer(&near, slicer.endpoint(), at_best / 100 * OFFERED_WHILE_DYING, step).await?;
    arrived.longest_gap.store(0, Ordering::Relaxed);
    for _ in 0..killed {
        lines.pop();
        offer(&near, slicer.endpoint(), at_best / 100 * OFFERED_WHILE_DYING, step).await?;
    }
    let summed = (path_mbit * shape.paths() as u64) as f64 / 1e3;
    Ok(Report {
        paths: shape.paths() as u64,
        needed: shape.needed() as u64,
        gbit_per_s: best,
        summed_path_gbit_per_s: summed,
        ratio_to_k_over_n: best / (summed * shape.needed() as f64 / shape.paths() as f64),
        relays_killed: killed as u64,
        longest_gap_ms: arrived.longest_gap.load(Ordering::Relaxed) as f64 / 1e6,
    })
}

/// A relay behind a line of so many bits per second.
async fn line(exit: SocketAddr, bits_per_second: u64) -> anyhow::Result<(Line, Relay)> {
    let relay = Forwarder::open("127.0.0.1:0".parse()?)?;
    let token = Token(*entropy::seed().first_chunk().context("a seed is longer than a token")?);
    let (gate, meter) = (Arc::new(Gate::unlimited()), Arc::new(Meter::new()));
    relay.add(token, exit, gate.clone(), meter.clone())?;
    let (outer, inner) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    inner.connect(relay.local_address()).await?;
    let address = outer.local_addr()?;
    let mut task = JoinSet::new();
    task.spawn(carry(outer, inner, bits_per_second / 8));
    Ok((Line { _relay: relay, _task: task }, Relay { address, token, gate, meter }))
}

/// Lets so many bytes pass per second, up to a burst at once, both ways together.
async fn carry(outer: UdpSocket, inner: UdpSocket, bytes_per_second: u64) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let (mut left, mut counted) = (0.0_f64, Instant::now());
    let mut client: Option<SocketAddr> = None;
    loop {
        let (is_up, length) = tokio::select! {
            received = outer.recv_from(&mut up) => {
                let Ok((length, from)) = received else { continue };
                client = Some(from);
                (true, length)
            }
            received = inner.recv(&mut down) => {
                let Ok(length) = received else { continue };
                (false, length)
            }
        };
        let now = Instant::now();
        let rate = bytes_per_second as f64;
        left = (left + rate * (now - counted).as_secs_f64()).min(rate * BURST.as_secs_f64());
        counted = now;
        if left < length as f64 {
            continue;
        }
        left -= length as f64;
        // A full socket loses datagrams, as a line does.
        let _ = match client {
            _ if is_up => inner.try_send(&up[..length]),
            Some(client) => outer.try_send_to(&down[..length], client),
            None => Ok(0),
        };
    }
}

/// Sends packets at a steady rate for a while.
async fn offer(from: &UdpSocket, to: SocketAddr, bits_per_second: u64, span: Duration) -> anyhow::Result<()> {
    let (packet, began) = (vec![7; PACKET_BYTES], Instant::now());
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0_u64;
    while began.elapsed() < span {
        pace.tick().await;
        let due = began.elapsed().as_secs_f64() * bits_per_second as f64 / 8.0 / PACKET_BYTES as f64;
        while (sent as f64) < due {
            from.send_to(&packet, to).await?;
            sent += 1;
        }
    }
    Ok(())
}

async fn receive(socket: UdpSocket, arrived: Arc<Arrived>, began: Instant) {
    let mut buffer = [0; 2048];
    loop {
        let Ok(length) = socket.recv(&mut buffer).await else { continue };
        let now = began.elapsed().as_nanos() as u64;
        arrived.bytes.fetch_add(length as u64, Ordering::Relaxed);
        let before = arrived.last.swap(now, Ordering::Relaxed);
        arrived.longest_gap.fetch_max(now - before, Ordering::Relaxed);
    }
}
