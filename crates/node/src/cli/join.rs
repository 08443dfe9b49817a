//! `byway join` and `byway network link`: into a network, and bringing others along.
//!
//! Joining makes a folder ready and starts nothing. It can be repeated: what is there stays as it is, and a folder belongs to
//! one network for good.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byway_crypto::phrase::Device;
use byway_peer::link::NetworkLink;
use byway_primitives::NetworkId;
use byway_records::Genesis;
use serde_json::json;

use super::identity::{self, listing, phrase_text};
use super::output::{fields, print, print_json};
use super::{Globals, Hosting, JoinArgs, NetworkLinkArgs, Outcome, RunArgs, RunNodeArgs};
use crate::api::{NetworkInvitation, NetworkLinkShow};
use crate::config::{Config, Role};
use crate::directory::Directory;
use crate::files;
use crate::genesis;
use crate::joining::{self, Given, config_text};
use crate::keystore::Keystore;

/// What joining found or made.
struct Folder {
    directory: Directory,
    genesis: Genesis,
    /// Which kernel node gave the genesis, if one had to.
    fetched_from: Option<String>,
    is_network_new: bool,
    is_config_new: bool,
    /// The keystore, where there was none.
    keystore: Option<Keystore>,
}

pub async fn join(globals: &Globals, args: JoinArgs, hosting: &impl Hosting) -> anyhow::Result<Outcome> {
    let given = Given::read(&args.network)?;
    let folder = prepare(globals, &given, Device(args.device)).await?;
    report(globals, &folder, args.run)?;
    if !args.run {
        return Ok(Outcome::Done);
    }
    let at_home = Globals { dir: Some(folder.directory.root().to_owned()), ..globals.clone() };
    hosting.run(&at_home, RunArgs { config: folder.directory.config_file(), ports: args.ports }).await
}

/// `byway run`, with the configuration of the node's directory where none is named.
pub fn run_args(globals: &Globals, args: RunNodeArgs) -> anyhow::Result<RunArgs> {
    let RunNodeArgs { config, ports } = args;
    let config = match config {
        Some(config) => config,
        None => {
            let config = globals.directory()?.config_file();
            if !config.exists() {
                let path = config.display();
                bail!(
                    "there is no {path}; `byway join` makes one, or say which configuration to use with --config FILE"
                );
            }
            config
        }
    };
    Ok(RunArgs { config, ports })
}

/// Makes of the node's directory what a node needs, as far as it isn't there.
async fn prepare(globals: &Globals, given: &Given, device: Device) -> anyhow::Result<Folder> {
    let directory = globals.directory()?;
    let is_configured = check(&directory, given.network())?;
    let (network_file, config_file, keystore_file) =
        (directory.network_file(), directory.config_file(), directory.keystore_file());
    let there = network_file.exists().then(|| genesis::load(&network_file)).transpose()?;
    let is_network_new = there.is_none();
    let (genesis, fetched_from) = match (there, given) {
        (Some(genesis), _) => (genesis, None),
        (None, Given::File(genesis, _)) => (Genesis::clone(genesis), None),
        (None, Given::Link(link)) => {
            let (genesis, from) = joining::fetch(link).await?;
            (genesis, Some(from))
        }
    };
    directory.create()?;
    let has_keystore = keystore_file.exists();
    // Where there is nothing to do, the node may be running.
    let _lock = (is_network_new || !is_configured || !has_keystore).then(|| directory.lock()).transpose()?;
    if is_network_new {
        genesis::save(&genesis, &network_file)?;
    }
    if !is_configured {
        // A relay's address may hold a secret.
        let written = files::write_secret(&config_file, config_text(&genesis, given).as_bytes());
        written.with_context(|| format!("{} can't be written", config_file.display()))?;
    }
    let keystore = match has_keystore {
        true => None,
        false => {
            let keystore = Keystore::generate(device)?;
            identity::create(globals, &directory, &keystore)?;
            Some(keystore)
        }
    };
    Ok(Folder { directory, genesis, fetched_from, is_network_new, is_config_new: !is_configured, keystore })
}

/// Refuses a directory that belongs to something else; says whether it has a configuration.
fn check(directory: &Directory, network: NetworkId) -> anyhow::Result<bool> {
    refuse_other(&directory.network_file(), network)?;
    let path = directory.config_file();
    if !path.exists() {
        return Ok(false);
    }
    let config = Config::load(&path)?;
    if config.role != Role::Peer {
        bail!("{} is not a peer's configuration; join with another --dir", path.display());
    }
    if let Some(file) = &config.network {
        refuse_other(file, network)?;
    }
    Ok(true)
}

fn refuse_other(file: &Path, network: NetworkId) -> anyhow::Result<()> {
    if !file.exists() {
        return Ok(());
    }
    let there = genesis::load(file)?;
    if there.network() == network {
        return Ok(());
    }
    bail!(
        "{} is of the network {:?} ({}), and this is of another ({network}); a folder belongs to one network, so join with \
         another --dir",
        file.display(),
        there.name,
        there.network(),
    )
}

fn report(globals: &Globals, folder: &Folder, runs: bool) -> anyhow::Result<()> {
    let Folder { directory, genesis, keystore, .. } = folder;
    let next = next_command(globals, directory);
    if globals.json {
        let mut value = json!({
            "network": genesis.network(),
            "name": genesis.name,
            "directory": directory.root(),
            "network_file": directory.network_file(),
            "config_file": directory.config_file(),
            "keystore_file": directory.keystore_file(),
            "made": {
                "network": folder.is_network_new, "config": folder.is_config_new, "keystore": keystore.is_some(),
            },
            "next": next,
        });
        if let Some(keystore) = keystore {
            value["phrase"] = json!(keystore.phrase().words());
            value["identities"] = json!(listing(keystore));
            value["address"] = json!(keystore.wallet().address());
        }
        return print_json(&value);
    }
    print(&text(folder))?;
    if let Some(keystore) = keystore {
        print(&format!("\n{}", phrase_text(keystore)))?;
    }
    match runs {
        true => print("\n"),
        false => print(&format!("\nNow start the node:\n\n  {next}\n")),
    }
}

fn text(folder: &Folder) -> String {
    let Folder { directory, genesis, fetched_from, is_network_new, is_config_new, keystore } = folder;
    let was = |path: PathBuf, is_new: bool| format!("{}{}", path.display(), if is_new { "" } else { " (was there)" });
    let mut network = was(directory.network_file(), *is_network_new);
    if let Some(from) = fetched_from {
        network.push_str(&format!(" (given by the kernel node at {from}, and checked)"));
    }
    let rows = [
        ("network", network),
        ("configuration", was(directory.config_file(), *is_config_new)),
        ("keystore", was(directory.keystore_file(), keystore.is_some())),
    ];
    format!("Ready for the network {:?} ({}):\n\n{}", genesis.name, genesis.network(), fields(&rows))
}

/// What starts the node, as it is typed here.
fn next_command(globals: &Globals, directory: &Directory) -> String {
    match &globals.dir {
        // A shell understands it in quotes, whatever is in it but a quote.
        Some(_) => format!("byway --dir '{}' run", directory.root().display()),
        None => "byway run".to_owned(),
    }
}

pub async fn network_link(globals: &Globals, args: NetworkLinkArgs) -> anyhow::Result<Outcome> {
    let NetworkLinkArgs { file, relay } = args;
    let shown = match file {
        Some(file) => of_file(&file, relay)?,
        None => globals.client()?.call("network_link", &NetworkLinkShow { relay }).await?,
    };
    match globals.json {
        true => print_json(&shown)?,
        false => print(&format!("{}\n", shown.link))?,
    }
    Ok(Outcome::Done)
}

/// The link of a network file, with founders for kernel nodes.
fn of_file(file: &Path, relay: Option<String>) -> anyhow::Result<NetworkInvitation> {
    let genesis = genesis::load(file)?;
    let members = genesis.members.iter().map(|(_, member)| member);
    let checkpoint = genesis::recent_checkpoint(file)?;
    let relay = relay.map(joining::relay_text).transpose().context("--relay")?;
    let link = NetworkLink { checkpoint, relay, ..joining::link_to(genesis.network(), members) };
    Ok(NetworkInvitation { link: link.to_string(), network: genesis.network(), name: genesis.name })
}
