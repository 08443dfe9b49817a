//! `byway bench tunnel`: how fast one TCP stream comes through an exit, over the tunnel.
//!
//! ```text
//! sink ── client's tunnel ══ veth ══ provider's tunnel ── veth ── source
//!  └─ namespace ─┘                    └─ namespace ─┘          namespace
//! ```
//!
//! Each box is a process of its own in a network namespace of its own, all on this machine, and the provider's namespace
//! forwards. Three tunnels are measured in turns, because machines are noisy, and of each the median counts:
//!
//! - *paid*: each packet asks the gate and is counted by the meter, on both sides, while the allowance rises every few
//!   milliseconds as promises would raise it;
//! - *unpaid*: the same tunnel without gate and meter;
//! - *the library's device*: `gotatun` with its own UDP sockets, as it comes. Its own TUN transport is a feature that we
//!   don't build, so it gets the plainest: one packet for each call, without segmentation offload, as that has it.

mod namespaces;
mod plain;
mod roles;

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use super::percentile;
use super::process::{Process, READY_WAIT};
use namespaces::{Namespace, Namespaces};
pub use roles::{Kind, Role, play};

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    /// Through the paid tunnel.
    pub gbit_per_s: f64,
    pub unpaid_gbit_per_s: f64,
    /// Paid by unpaid.
    pub ratio: f64,
    pub gotatun_default_gbit_per_s: f64,
    pub ratio_to_gotatun_default: f64,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How long each round counts.
    pub measured: Duration,
    /// How often each tunnel is measured.
    pub rounds: u8,
    /// Who reads: over which IP.
    pub sink: Role,
}

/// Runs the benchmark.
pub async fn run(load: Load) -> anyhow::Result<Report> {
    ensure!(load.rounds > 0, "nothing to measure: --rounds must be above zero");
    let namespaces = Namespaces::create().await?;
    let measured = load.measured;
    let source = start(&namespaces, Role::Source, None, measured).await?;
    let (mut paid, mut unpaid, mut library) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..load.rounds {
        paid.push(round(&namespaces, Kind::Paid, load).await.context("the paid tunnel")?);
        unpaid.push(round(&namespaces, Kind::Unpaid, load).await.context("the unpaid tunnel")?);
        library.push(round(&namespaces, Kind::Library, load).await.context("the library's device")?);
    }
    source.stop().await?;
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        percentile(&values, 50)
    };
    let (paid, unpaid, library) = (median(paid), median(unpaid), median(library));
    Ok(Report {
        gbit_per_s: paid,
        unpaid_gbit_per_s: unpaid,
        ratio: paid / unpaid,
        gotatun_default_gbit_per_s: library,
        ratio_to_gotatun_default: paid / library,
    })
}

/// Gigabits per second through a fresh tunnel of this kind.
async fn round(namespaces: &Namespaces, kind: Kind, load: Load) -> anyhow::Result<f64> {
    let measured = load.measured;
    let provider = start(namespaces, Role::Provider, Some(kind), measured).await?;
    let client = start(namespaces, Role::Client, Some(kind), measured).await?;
    namespaces.route_through_tunnel().await?;
    let mut sink = start(namespaces, load.sink, None, measured).await?;
    let found = sink.line(measured + READY_WAIT).await?;
    for process in [sink, client, provider] {
        process.stop().await?;
    }
    found.parse().with_context(|| format!("the sink said \"{found}\""))
}

/// Starts a process in its namespace.
async fn start(namespaces: &Namespaces, role: Role, kind: Option<Kind>, measured: Duration) -> anyhow::Result<Process> {
    let place = match role {
        Role::Client | Role::Sink | Role::SinkV6 => Namespace::Client,
        Role::Provider => Namespace::Provider,
        Role::Source => Namespace::Source,
    };
    let program = std::env::current_exe().context("this program's own file can't be found")?;
    let mut command = namespaces.command(place, program);
    command.args(["bench", "tunnel", "--role", role.name(), "--seconds", &measured.as_secs().to_string()]);
    if let Some(kind) = kind {
        command.args(["--kind", kind.name()]);
    }
    Process::start(command, role.name(), READY_WAIT).await
}
