//! Programs that run nodes until they are told to stop: `byway run`, `kernel run`, `relay run`, `up` and `bench`.
//!
//! - [`kernel`]: a kernel node with what it opens for programs and monitoring.
//! - [`peer`]: a market node with its local API, page and proxy, from an opened keystore.
//! - [`relay`]: a relay, and the web site in front of it.
//! - [`stopping`]: Ctrl-C, and what else ends them.
//! - [`up`]: a whole local network in one process.

mod company;
mod kernel;
mod peer;
mod relay;
mod stopping;
mod up;

pub use peer::settings;

use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::time::Duration;

use anyhow::Context;
use byway_primitives::hash;

use crate::bench;
use crate::cli::{
    BenchCommand, Globals, Hosting, Outcome, RelayAddressArgs, RunArgs, UpArgs, WatchArgs, print_json, print_seen,
    read_view_key,
};
use crate::config::{Config, Role};
use crate::directory::Directory;
use crate::genesis;
use crate::keystore::Keystore;
use crate::logs;
use crate::passphrase::{Occasion, Passphrase};
use crate::watching::{self, Until};
pub(crate) use stopping::told_to_stop;

const WATCHED: hash::Context = hash::Context("byway 1 watched wallet");

/// The real programs.
pub struct Hosts;

impl Hosting for Hosts {
    async fn up(&self, globals: &Globals, args: UpArgs) -> anyhow::Result<Outcome> {
        up::run(globals, args).await
    }

    async fn run(&self, globals: &Globals, args: RunArgs) -> anyhow::Result<Outcome> {
        let (config, directory) = load(globals, &args)?;
        match config.role {
            Role::Peer => peer::run(globals, &config, &directory, args.ports).await,
            Role::Kernel => kernel::run(globals, &config, &directory).await,
            Role::Relay => relay::run(&config, &directory).await,
        }
    }

    async fn run_kernel(&self, globals: &Globals, args: RunArgs) -> anyhow::Result<Outcome> {
        let (config, directory) = load(globals, &args)?;
        anyhow::ensure!(config.role == Role::Kernel, "this configuration is not a kernel node's; use `byway run`");
        kernel::run(globals, &config, &directory).await
    }

    async fn run_relay(&self, globals: &Globals, args: RunArgs) -> anyhow::Result<Outcome> {
        let (config, directory) = load(globals, &args)?;
        anyhow::ensure!(config.role == Role::Relay, "this configuration is not a relay's; use `byway run`");
        relay::run(&config, &directory).await
    }

    fn relay_address(&self, globals: &Globals, args: RelayAddressArgs) -> anyhow::Result<Outcome> {
        let config = Config::load(&args.config)?;
        let directory = directory_of(globals, &config)?;
        relay::address(&config, &directory, &args, globals.json)
    }

    async fn watch(&self, globals: &Globals, args: WatchArgs) -> anyhow::Result<Outcome> {
        let genesis = Arc::new(genesis::load(&args.network)?);
        let trusted = genesis::recent_checkpoint(&args.network)?;
        let view = read_view_key(args.view_key_file.as_deref())?;
        let directory = globals.directory()?;
        directory.create()?;
        // One folder per wallet and network, named so that it does not tell which.
        let name = WATCHED.hash(&[&genesis.network().0.0, view.address().to_string().as_bytes()]);
        let folder = directory.root().join(format!("watch-{}", &name.to_string()[..16]));
        let (until, as_json) = (if args.once { Until::CaughtUp } else { Until::Stopped }, globals.json);
        tokio::select! {
            watched = watching::watch(genesis, trusted, view, &folder, until, |seen| print_seen(seen, as_json)) => watched?,
            () = told_to_stop() => {}
        }
        Ok(Outcome::Done)
    }

    async fn bench(&self, globals: &Globals, command: BenchCommand) -> anyhow::Result<Outcome> {
        match command {
            BenchCommand::Channel { channels, idle, millis } => {
                let (channels, idle) = (usize::try_from(channels)?, usize::try_from(idle)?);
                let each = std::time::Duration::from_millis(millis);
                print_json(&bench::channel::run(channels, idle, each, bench_folder(globals)?.path()).await?)?;
            }
            BenchCommand::Chat { messages, searches, sends } => {
                let folder = bench_folder(globals)?;
                print_json(&bench::chat::run(messages.into(), searches, sends, folder.path()).await?)?;
            }
            BenchCommand::Discovery { offers } => print_json(&bench::discovery::run(offers)?)?,
            BenchCommand::Kernel { nodes, seconds, leaders, idle: true, .. } => {
                let folder = bench_folder(globals)?;
                print_json(&bench::kernel::run_idle(nodes.into(), leaders, seconds.into(), folder.path()).await?)?;
            }
            BenchCommand::Kernel { nodes, rate, seconds, shape, leaders, idle: false } => {
                let (nodes, rate, seconds) = (nodes.into(), rate.into(), seconds.into());
                let load = bench::kernel::Load { nodes, shape, leaders, rate, seconds };
                print_json(&bench::kernel::run(&load, bench_folder(globals)?.path()).await?)?;
            }
            BenchCommand::Restart { outputs } => {
                print_json(&bench::restart::run(outputs, bench_folder(globals)?.path()).await?)?;
            }
            BenchCommand::Scan { transactions } => print_json(&bench::scan::run(transactions.into())?)?,
            BenchCommand::Slices { paths, needed, path_mbit, seconds } => {
                let shape = byway_access::slices::Shape::new(needed, paths)?;
                print_json(&bench::slices::run(shape, path_mbit.into(), seconds.into()).await?)?;
            }
            BenchCommand::Shaping { caps, seconds } => {
                print_json(&bench::shaping::run(&caps, seconds, bench_folder(globals)?.path()).await?)?;
            }
            BenchCommand::Socks { megabytes } => {
                let bytes = u64::from(megabytes) * 1_000_000;
                print_json(&bench::socks::run(bytes, bench_folder(globals)?.path()).await?)?;
            }
            #[cfg(target_os = "linux")]
            BenchCommand::Clients { clients, seconds, role, folder } => match role.zip(folder) {
                Some((role, folder)) => bench::clients::play(role, folder).await?,
                None => {
                    let held = Duration::from_secs(seconds.into());
                    print_json(&bench::clients::run(clients as usize, held, bench_folder(globals)?.path()).await?)?;
                }
            },
            #[cfg(target_os = "linux")]
            BenchCommand::Connect { samples, one_way_ms, role, folder } => {
                let load = bench::connect::Load { samples, one_way: Duration::from_millis(one_way_ms) };
                match role.zip(folder) {
                    Some((role, folder)) => bench::connect::play(role, load, folder).await?,
                    None => print_json(&bench::connect::run(load, bench_folder(globals)?.path()).await?)?,
                }
            }
            #[cfg(target_os = "linux")]
            BenchCommand::Tunnel { seconds, rounds, ipv6, role, kind } => {
                let measured = Duration::from_secs(seconds.into());
                let sink = if ipv6 { bench::tunnel::Role::SinkV6 } else { bench::tunnel::Role::Sink };
                match role {
                    Some(role) => bench::tunnel::play(role, kind, measured).await?,
                    None => print_json(&bench::tunnel::run(bench::tunnel::Load { measured, rounds, sink }).await?)?,
                }
            }
        }
        Ok(Outcome::Done)
    }
}

/// Tells peers how they look from outside (row A7), where a node listens anyway, by UDP. Nothing else depends on it.
async fn mirror(listen: std::net::SocketAddr) {
    match tokio::net::UdpSocket::bind(listen).await {
        Ok(socket) => {
            tokio::spawn(byway_driver::mirror::serve(socket));
        }
        Err(error) => tracing::warn!(%listen, %error, "peers are not told how they look from here"),
    }
}

/// Beside the node's data, because the system's folder for temporary files may be memory and not a disk.
fn bench_folder(globals: &Globals) -> anyhow::Result<tempfile::TempDir> {
    let beside = globals.directory()?;
    beside.create()?;
    tempfile::tempdir_in(beside.root()).context("no folder for the bench's nodes can be made")
}

fn load(globals: &Globals, args: &RunArgs) -> anyhow::Result<(Config, Directory)> {
    let config = Config::load(&args.config)?;
    let directory = directory_of(globals, &config)?;
    logs::init(&config.log, &directory)?;
    Ok((config, directory))
}

fn directory_of(globals: &Globals, config: &Config) -> anyhow::Result<Directory> {
    let directory = match (&globals.dir, &config.dir) {
        (Some(dir), _) | (None, Some(dir)) => Directory::new(dir),
        (None, None) => Directory::standard()?,
    };
    directory.create()?;
    Ok(directory)
}

fn open_keystore(globals: &Globals, directory: &Directory) -> anyhow::Result<Keystore> {
    let passphrase = Passphrase::obtain(directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
    Ok(Keystore::open(&directory.keystore_file(), &passphrase)?)
}
