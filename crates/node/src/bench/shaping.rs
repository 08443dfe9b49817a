//! `byway bench shaping`: how near to what a provider lets each client have a download comes (row A11).
//!
//! The whole path is real and in this process, as in [`socks`](super::socks): a program, the user's proxy, a link, a provider that
//! caps its clients, and a source. For each cap a market of its own is started; first the download runs until the credit window has
//! grown and the link has found its speed, and then it is measured. Without a cap the same is measured once, to show that nothing
//! else was the limit.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::socks::{BUFFER_BYTES, Market, SILENCE_MAX, source};
use crate::peer_node::Caps;

/// What is measured to hold.
const BAR: f64 = 0.05;
/// How long a download runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub caps: Vec<Cap>,
    /// Of all caps: how far off the measured rate is, as a part of the cap.
    pub worst_deviation: f64,
    pub bar: f64,
    /// The same download without a cap.
    pub unlimited_mbit_per_s: f64,
}

/// One cap. A megabit is 10^6 bits.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cap {
    pub cap_mbit_per_s: f64,
    pub measured_mbit_per_s: f64,
    pub deviation: f64,
}

/// Measures each cap, in megabits per second, for so long.
pub async fn run(caps: &[u32], seconds: u32, directory: &Path) -> anyhow::Result<Report> {
    let span = Duration::from_secs(seconds.into());
    let unlimited_mbit_per_s = measure(None, span, &directory.join("unlimited")).await?;
    let mut measured = Vec::new();
    for cap in caps {
        let rate = u64::from(*cap) * 1_000_000;
        let measured_mbit_per_s = measure(Some(rate), span, &directory.join(format!("cap-{cap}"))).await?;
        let cap_mbit_per_s = f64::from(*cap);
        let deviation = (measured_mbit_per_s - cap_mbit_per_s).abs() / cap_mbit_per_s;
        measured.push(Cap { cap_mbit_per_s, measured_mbit_per_s, deviation });
    }
    let worst_deviation = measured.iter().map(|cap| cap.deviation).fold(0.0, f64::max);
    Ok(Report { caps: measured, worst_deviation, bar: BAR, unlimited_mbit_per_s })
}

/// Megabits per second of a download by a client that may take `rate` bits per second.
async fn measure(rate: Option<u64>, span: Duration, directory: &Path) -> anyhow::Result<f64> {
    let caps = Caps { client_rate_max_bps: rate, ..Caps::default() };
    let market = Market::start_capped(directory, caps).await?;
    let measured = download(&market, span).await;
    market.stop().await;
    measured
}

async fn download(market: &Market, span: Duration) -> anyhow::Result<f64> {
    let source = source(u64::MAX).await?;
    market.buy().await?;
    let mut program = market.connect(source).await?;
    receive_for(&mut program, WARM_UP).await?;
    let begun = Instant::now();
    let bytes = receive_for(&mut program, span).await?;
    Ok(bytes as f64 * 8.0 / 1e6 / begun.elapsed().as_secs_f64())
}

/// How many bytes come within `span`.
async fn receive_for(program: &mut TcpStream, span: Duration) -> anyhow::Result<u64> {
    let (begun, mut buffer, mut bytes) = (Instant::now(), vec![0; BUFFER_BYTES], 0);
    while begun.elapsed() < span {
        let read = timeout(SILENCE_MAX, program.read(&mut buffer)).await;
        let count = read.context("the download stands still")??;
        ensure!(count > 0, "the download ended after {bytes} bytes");
        bytes += count as u64;
    }
    Ok(bytes)
}
