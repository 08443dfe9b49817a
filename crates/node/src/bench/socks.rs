//! `byway bench socks`: how fast one download goes through a paid exit, against a bare stream of the same library.
//!
//! ```text
//! program ── SOCKS5 ── user's node ── link ── provider's node ── TCP ── source      measured
//!                                     link ── stream of the same bytes              baseline, in the same run
//! ```
//!
//! All is real and in this process: a kernel of four nodes, a provider with an offer on the ledger, a user that registers,
//! pays into its account and pays the provider by promises. The two are measured in turns, because machines are noisy.
//! At the end the bill must be the price of exactly the bytes that arrived, and both sides must hold a promise for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use byway_crypto::noise::StaticKey;
use byway_driver::link::{Config as LinkConfig, Event as LinkEvent, Limits, Links, StreamRecv, StreamSend};
use byway_driver::socks::Reply;
use byway_primitives::Amount;
use byway_records::offer::Service;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::market::{self, ACCOUNT, PRICE_PER_MB, failed, peer, prepare, selling};
use super::network::{Seats, seed};
use super::percentile;
use crate::api::{ConnectTarget, Direction, NodeApi, OfferFilter, Promise, Role, Session, SessionId};
use crate::peer_node::{Caps, PeerNode, SellingConfig};

const KERNEL_NODES: usize = 4;
/// Each of the two is measured so often, in turns.
const ROUNDS: u64 = 2;
/// How long the last bill may take to be agreed on.
const READY_WAIT: Duration = Duration::from_secs(60);
/// A stream that brings nothing for so long has failed.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    /// Through the paid exit; a megabyte is 10^6 bytes.
    pub mb_per_s: f64,
    pub baseline_mb_per_s: f64,
    pub ratio: f64,
}

/// Runs the benchmark with `bytes` per stream and the nodes' state under `directory`.
pub async fn run(bytes: u64, directory: &Path) -> anyhow::Result<Report> {
    let cost = Amount::cost_of_bytes(PRICE_PER_MB, bytes.saturating_mul(ROUNDS)).unwrap_or(Amount::MAX);
    ensure!(bytes > 0, "nothing to measure: --megabytes must be above zero");
    ensure!(cost < ACCOUNT, "so much would cost {cost} WAY and the bench's user has {ACCOUNT}; take fewer --megabytes");
    let market = Market::start(directory).await?;
    let measured = measure(&market, bytes).await;
    market.stop().await;
    let (mut paid, mut bare) = measured?;
    paid.sort_unstable_by(f64::total_cmp);
    bare.sort_unstable_by(f64::total_cmp);
    let (mb_per_s, baseline_mb_per_s) = (median(&paid), median(&bare));
    Ok(Report { mb_per_s, baseline_mb_per_s, ratio: mb_per_s / baseline_mb_per_s })
}

/// Of sorted values; the mean of the two in the middle where there are two.
fn median(sorted: &[f64]) -> f64 {
    let upper = percentile(sorted, 50);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(upper);
    (lower + upper) / 2.0
}

/// Megabytes per second of each round: paid, and bare.
async fn measure(market: &Market, bytes: u64) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let source = source(bytes).await?;
    let session = market.buy().await?;
    let (mut paid, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        paid.push(market.download(source, bytes).await?);
        bare.push(bare_stream(bytes).await?);
    }
    market.check_payment(&session.id, bytes * ROUNDS).await?;
    Ok((paid, bare))
}

/// A network with one provider and one user.
pub(super) struct Market {
    kernels: Vec<crate::kernel_node::KernelNode>,
    provider: PeerNode,
    user: PeerNode,
    proxy: SocketAddr,
}

impl Market {
    async fn start(directory: &Path) -> anyhow::Result<Self> {
        Self::start_capped(directory, Caps::default()).await
    }

    /// With a provider that carries no more than this.
    pub(super) async fn start_capped(directory: &Path, caps: Caps) -> anyhow::Result<Self> {
        let mut seats = Seats::take(KERNEL_NODES).await?;
        let genesis = Arc::new(market::genesis(&seats)?);
        let kernels = seats.start(&genesis, directory).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = listener.local_addr()?;
        let mut config = peer("provider", Role::Provider, &genesis, directory)?;
        config.selling = Some(SellingConfig { caps, ..selling([Service::SOCKS].into())? });
        let provider = PeerNode::start(config, None).await?;
        let user = PeerNode::start(peer("user", Role::User, &genesis, directory)?, Some(listener)).await?;
        Ok(Self { kernels, provider, user, proxy })
    }

    pub(super) async fn stop(&self) {
        self.user.stop().await;
        self.provider.stop().await;
        futures::future::join_all(self.kernels.iter().map(crate::kernel_node::KernelNode::stop)).await;
    }

    /// Registers the user, pays into its account and opens a session, so that neither is measured.
    pub(super) async fn buy(&self) -> anyhow::Result<Session> {
        prepare(&self.user).await?;
        self.user.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await.map_err(failed)
    }

    /// A program's connection through the proxy to a port of this machine.
    pub(super) async fn connect(&self, source: u16) -> anyhow::Result<TcpStream> {
        let mut program = TcpStream::connect(self.proxy).await?;
        let request = [&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1][..], &source.to_be_bytes()].concat();
        program.write_all(&request).await?;
        let mut reply = [0; 12];
        timeout(SILENCE_MAX, program.read_exact(&mut reply)).await.context("the proxy does not answer")??;
        match Reply::from_byte(reply[3])? {
            Reply::Succeeded => Ok(program),
            refused => bail!("the proxy refused the connection: {refused}"),
        }
    }

    /// Megabytes per second of one download by a program that uses the proxy.
    async fn download(&self, source: u16, bytes: u64) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let mut program = self.connect(source).await?;
        let (mut buffer, mut total) = (vec![0; BUFFER_BYTES], 0);
        loop {
            let read = timeout(SILENCE_MAX, program.read(&mut buffer)).await;
            match read.with_context(|| format!("the paid stream stands still after {total} bytes"))?? {
                0 => break,
                count => total += count as u64,
            }
        }
        speed(total, bytes, begun)
    }

    /// Ends the session and checks its bill and the promises for it.
    async fn check_payment(&self, session: &SessionId, bytes: u64) -> anyhow::Result<()> {
        self.user.disconnect().await.map_err(failed)?;
        let bill = timeout(READY_WAIT, self.final_bill(session)).await.context("the last bill was not agreed on")??;
        let billed = bill.bytes_up + bill.bytes_down;
        ensure!(billed == bytes, "{billed} bytes were billed and {bytes} arrived");
        let price = Amount::cost_of_bytes(PRICE_PER_MB, billed);
        ensure!(Some(bill.cost) == price, "the session cost {} WAY and its bytes {price:?}", bill.cost);
        let promised = self.given().await?.map_or(Amount::ZERO, |promise| promise.amount);
        ensure!(promised >= bill.cost, "{promised} WAY were promised for {} WAY", bill.cost);
        let received = timeout(READY_WAIT, async {
            while self.received().await? < bill.cost {
                tokio::time::sleep(POLL).await;
            }
            anyhow::Ok(())
        });
        received.await.with_context(|| format!("the provider did not get {} WAY", bill.cost))?
    }

    /// The user's promise to the provider.
    async fn given(&self) -> anyhow::Result<Option<Promise>> {
        let promises = self.user.promise_list().await.map_err(failed)?;
        let provider = self.provider.identity();
        Ok(promises.into_iter().find(|p| p.direction == Direction::Out && p.counterparty == provider))
    }

    /// What the provider has: the promise that it holds or, once that is settled, what the ledger says.
    async fn received(&self) -> anyhow::Result<Amount> {
        let settled = self.given().await?.map_or(Amount::ZERO, |promise| promise.settled);
        let promises = self.provider.promise_list().await.map_err(failed)?;
        let held = promises.iter().filter(|promise| promise.direction == Direction::In).map(|promise| promise.amount);
        Ok(held.fold(settled, Amount::max))
    }

    async fn final_bill(&self, id: &SessionId) -> anyhow::Result<Session> {
        loop {
            let sessions = self.user.session_list(usize::MAX).await.map_err(failed)?;
            let ended = sessions.into_iter().find(|session| session.id == *id && session.ended_ms.is_some());
            if let Some(session) = ended {
                return Ok(session);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A server on this machine that sends `bytes` to whoever connects, and its port.
pub(super) async fn source(bytes: u64) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A program that hangs up early notices the missing bytes itself.
            tokio::spawn(async move {
                let (chunk, mut left) = (vec![7; BUFFER_BYTES], bytes);
                while left > 0 {
                    let count = left.min(BUFFER_BYTES as u64);
                    stream.write_all(&chunk[..count as usize]).await?;
                    left -= count;
                }
                stream.shutdown().await
            });
        }
    });
    Ok(port)
}

/// Megabytes per second of one stream of a link between two fresh endpoints, without socket, gate and payment.
pub(super) async fn bare_stream(bytes: u64) -> anyhow::Result<f64> {
    let endpoint = |name: &[u8]| LinkConfig {
        bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        relay: None,
        seed: seed(&[b"bare", name]),
        limits: Limits::default(),
    };
    let (near, mut near_events) = Links::bind(endpoint(b"near")).await?;
    let (far, far_events) = Links::bind(endpoint(b"far")).await?;
    let listening = tokio::spawn(async move { while near_events.recv().await.is_some() {} });
    let sending = tokio::spawn(send_bare(far_events, bytes));
    let contact = far.contact(StaticKey([0; 32])).context("the bare endpoint has no address")?;
    let link = near.connect(&contact).await?;
    let begun = Instant::now();
    let (mut request, mut stream) = link.open_stream(b"bare").await?;
    request.finish();
    let total = discard(&mut stream).await?;
    let speed = speed(total, bytes, begun);
    near.close().await;
    far.close().await;
    sending.abort();
    listening.abort();
    speed
}

/// Answers each stream with `bytes`.
async fn send_bare(mut events: mpsc::Receiver<LinkEvent>, bytes: u64) -> anyhow::Result<()> {
    while let Some(event) = events.recv().await {
        if let LinkEvent::Stream { send, .. } = event {
            fill(send, bytes).await?;
        }
    }
    Ok(())
}

async fn fill(mut stream: StreamSend, bytes: u64) -> anyhow::Result<()> {
    let (chunk, mut left) = (vec![7; BUFFER_BYTES], bytes);
    while left > 0 {
        let count = left.min(BUFFER_BYTES as u64);
        stream.write_all(&chunk[..count as usize]).await?;
        left -= count;
    }
    stream.finish();
    Ok(())
}

async fn discard(stream: &mut StreamRecv) -> anyhow::Result<u64> {
    let (mut buffer, mut total) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let read = timeout(SILENCE_MAX, stream.read(&mut buffer)).await;
        match read.with_context(|| format!("the bare stream stands still after {total} bytes"))?? {
            Some(count) => total += count as u64,
            None => return Ok(total),
        }
    }
}

fn speed(total: u64, expected: u64, begun: Instant) -> anyhow::Result<f64> {
    ensure!(total == expected, "{total} of {expected} bytes came");
    Ok(total as f64 / 1e6 / begun.elapsed().as_secs_f64())
}
