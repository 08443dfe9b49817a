//! The processes of the benchmark: what each does in its namespace.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use byway_driver::gate::Gate;
use byway_driver::meter::{Meter, Side};
use byway_driver::tunnel::{Interface, MTU, Peer, Prefix, Secret, Terms, Tunnel};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, timeout};

use super::super::network::seed;
use super::super::process::{say_ready, until_told};
use super::namespaces::{CLIENT_INNER, INTERFACE, PROVIDER, PROVIDER_INNER, SOURCE_V4, SOURCE_V6, V4_BITS, V6_BITS};
use super::plain;

/// What may pass beyond what was counted: the credit window of a session that has been fast for a while.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// How often the allowance is raised, and what a promise and its way take in practice.
const PROMISE_EVERY: Duration = Duration::from_millis(2);
/// TCP finds its speed in this time, which isn't measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// A stream that brings nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const BUFFER_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Reads from the source as fast as it can, and says how fast that was.
    Sink,
    /// The same over IPv6.
    SinkV6,
    Client,
    Provider,
    /// Sends to whoever connects as fast as it can.
    Source,
}

/// Which tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Paid,
    Unpaid,
    /// The library's own device.
    Library,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sink => "sink",
            Self::SinkV6 => "sink-v6",
            Self::Client => "client",
            Self::Provider => "provider",
            Self::Source => "source",
        }
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Unpaid => "unpaid",
            Self::Library => "library",
        }
    }
}

/// Plays a role in this process's own namespace until its input ends.
pub async fn play(role: Role, kind: Option<Kind>, measured: Duration) -> anyhow::Result<()> {
    let side = match role {
        Role::Source => return send().await,
        Role::Sink => return receive(SOURCE_V4, measured).await,
        Role::SinkV6 => return receive(SOURCE_V6, measured).await,
        Role::Client => Side::Client,
        Role::Provider => Side::Provider,
    };
    match kind.context("which tunnel? --kind")? {
        Kind::Library => {
            let _device = plain::open(side).await?;
            say_ready();
            until_told().await
        }
        Kind::Unpaid => {
            let _tunnel = open(side, Terms::Free)?;
            say_ready();
            until_told().await
        }
        Kind::Paid => {
            let (gate, meter) = (Arc::new(Gate::new(WINDOW_BYTES)), Arc::new(Meter::new()));
            let tunnel = open(side, Terms::Paid { gate: gate.clone(), meter: meter.clone() })?;
            let promising = tokio::spawn(promise(gate, meter.clone()));
            say_ready();
            until_told().await?;
            promising.abort();
            if meter.read().total() == 0 {
                bail!("the paid tunnel counted nothing ({:?})", tunnel.losses());
            }
            Ok(())
        }
    }
}

/// The keys of this side and of the other.
pub fn keys(side: Side) -> (Secret, byway_driver::tunnel::PublicKey) {
    let secret = |name: &[u8]| Secret::from_bytes(&seed(&[b"tunnel", name]));
    let (client, provider) = (secret(b"client"), secret(b"provider"));
    match side {
        Side::Client => (client, provider.public()),
        Side::Provider => (provider, client.public()),
    }
}

fn open(side: Side, terms: Terms) -> anyhow::Result<Tunnel> {
    let (secret, key) = keys(side);
    let (own, bound, endpoint, theirs) = match side {
        Side::Client => (CLIENT_INNER, 0, Some(PROVIDER), vec![Prefix::ALL_V4, Prefix::ALL_V6]),
        Side::Provider => {
            let theirs = vec![Prefix::host(CLIENT_INNER.v4.into()), Prefix::host(CLIENT_INNER.v6.into())];
            (PROVIDER_INNER, PROVIDER.port(), None, theirs)
        }
    };
    let addresses = [(own.v4.into(), V4_BITS), (own.v6.into(), V6_BITS)];
    let interface = Interface::create(INTERFACE, &addresses, MTU)?;
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, bound)))?;
    let tunnel = Tunnel::open(secret, side, socket, interface)?;
    tunnel.add(Peer { key, preshared: None, endpoint, addresses: theirs, terms, keepalive: None })?;
    Ok(tunnel)
}

/// Raises the allowance as promises would.
async fn promise(gate: Arc<Gate>, meter: Arc<Meter>) {
    let mut ticks = interval(PROMISE_EVERY);
    loop {
        ticks.tick().await;
        gate.allow(meter.read().total() + WINDOW_BYTES);
    }
}

async fn send() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, SOURCE_V4.port())).await?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let chunk = vec![7; BUFFER_BYTES];
                // It ends when the sink has enough.
                while stream.write_all(&chunk).await.is_ok() {}
            });
        }
    });
    say_ready();
    until_told().await
}

async fn receive(source: SocketAddr, measured: Duration) -> anyhow::Result<()> {
    let mut stream = timeout(SILENCE_MAX, TcpStream::connect(source)).await.context("the source does not answer")??;
    say_ready();
    read_for(&mut stream, WARM_UP).await?;
    println!("{}", read_for(&mut stream, measured).await?);
    until_told().await
}

/// Gigabits per second that came in so long.
async fn read_for(stream: &mut TcpStream, span: Duration) -> anyhow::Result<f64> {
    let (mut buffer, mut bytes, begun) = (vec![0; BUFFER_BYTES], 0u64, Instant::now());
    while begun.elapsed() < span {
        match timeout(SILENCE_MAX, stream.read(&mut buffer)).await.context("the stream stands still")?? {
            0 => bail!("the source hung up"),
            count => bytes += count as u64,
        }
    }
    Ok(bytes as f64 * 8.0 / 1e9 / begun.elapsed().as_secs_f64())
}
