//! A kernel node as a program: its mesh port, and what it opens for programs and monitoring if it is told to.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use byway_driver::mesh;
use byway_driver::pool::Pool;
use byway_records::Genesis;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{mirror, open_keystore, told_to_stop};
use crate::cli::{Globals, Outcome};
use crate::config::{Config, KernelConfig, KernelRpcAccess};
use crate::directory::Directory;
use crate::kernel_node::{KernelNode, KernelNodeConfig, KernelService};
use crate::keystore::Keystore;
use crate::rpc::{self, Access, Token};
use crate::{genesis, metrics};

pub(super) async fn run(globals: &Globals, config: &Config, directory: &Directory) -> anyhow::Result<Outcome> {
    let _lock = directory.lock()?;
    let keystore = open_keystore(globals, directory)?;
    let network = config.network.as_ref().context("the configuration names no network file")?;
    let genesis = Arc::new(genesis::load(network)?);
    let settings = config.kernel.as_ref().context("the configuration has no [kernel] section")?;
    // Bound first, so that a port that is taken is known before anything is opened.
    let rpc = bind(settings.rpc.as_ref().map(|rpc| rpc.listen), "kernel.rpc.listen").await?;
    let figures = bind(settings.metrics.as_ref().map(|metrics| metrics.listen), "kernel.metrics.listen").await?;
    let node = start(&keystore, genesis.clone(), directory, settings, Pool::for_this_machine()).await?;
    mirror(settings.listen).await;
    let (stop, stopped) = watch::channel(false);
    let mut servers = Vec::new();
    if let Some(listener) = rpc {
        let access = access(settings, directory)?;
        let address = listener.local_addr()?;
        let service = KernelService::start(genesis.clone(), node.desk());
        servers.push(tokio::spawn(rpc::serve_kernel(listener, access, service, stopped.clone())));
        println!("api {address}");
    }
    if let Some(listener) = figures {
        println!("metrics http://{}/metrics", listener.local_addr()?);
        servers.push(tokio::spawn(metrics::serve(listener, node.desk(), stopped)));
    }
    tracing::info!(listen = %settings.listen, network = %genesis.network(), "kernel node ready");
    println!("ready: kernel node of {} on {}{}", genesis.name, settings.listen, seat(&node).await);
    tokio::select! {
        ended = node.ended() => ended.context("the kernel node stopped")?,
        () = told_to_stop() => node.stop().await,
    }
    stop.send_replace(true);
    for server in servers {
        if let Ok(Err(error)) = server.await {
            tracing::warn!(%error, "a server ended badly");
        }
    }
    Ok(Outcome::Done)
}

/// What a person is told of the node's seat.
async fn seat(node: &KernelNode) -> String {
    match node.status().await.and_then(|status| status.me) {
        Some(seat) => format!(", seat {}", seat.0),
        None => {
            ", without a seat as far as it knows; `byway kernel entry` makes what its owner takes one with".to_owned()
        }
    }
}

/// Starts the kernel node that this keystore holds the keys of, which may have a seat or not.
pub(super) async fn start(
    keystore: &Keystore,
    genesis: Arc<Genesis>,
    directory: &Directory,
    settings: &KernelConfig,
    pool: Pool,
) -> anyhow::Result<KernelNode> {
    let listener = mesh::listen(settings.listen).await?;
    let config = KernelNodeConfig {
        genesis,
        secret: keystore.kernel_node(),
        mesh_secret: keystore.mesh_static(),
        directory: directory.store_folder(),
        epochs_kept: settings.keep_epochs.number(),
        peers: settings.peers.clone(),
    };
    Ok(KernelNode::start(config, listener, pool).await?)
}

fn access(settings: &KernelConfig, directory: &Directory) -> anyhow::Result<Access> {
    let token = Token::load_or_create(&directory.token_file())?;
    Ok(match settings.rpc.as_ref().map(|rpc| rpc.access) {
        Some(KernelRpcAccess::Public) => Access::Public(token),
        _ => Access::Token(token),
    })
}

async fn bind(address: Option<SocketAddr>, key: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    let why = || format!("{key} = {address} can't be opened; end what listens there, or choose another port");
    bound.map(Some).with_context(why)
}
