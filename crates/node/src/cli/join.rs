//! `byway join` and `byway network link`: into a network, and bringing others along.
//!
//! Joining makes a folder ready and starts nothing. It can be repeated: what is there stays as it is, and a folder belongs to
//! one network for good. An invite is accepted along with it, by signing what takes its coins ([`claims`]).

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byway_crypto::phrase::Device;
use byway_peer::link::{Invite, NetworkLink};
use byway_primitives::NetworkId;
use byway_records::{Genesis, OutputId};
use serde_json::json;
use zeroize::Zeroizing;

use super::identity::{self, listing, phrase_text};
use super::output::{fields, now, print, print_json, way};
use super::{Globals, Hosting, JoinArgs, NetworkLinkArgs, Outcome, RunArgs, RunNodeArgs};
use crate::api::{NetworkInvitation, NetworkLinkShow};
use crate::claims::{self, Claim};
use crate::config::{Config, Role};
use crate::directory::Directory;
use crate::files;
use crate::genesis;
use crate::joining::{self, Given, config_text};
use crate::keystore::{IdentityPurpose, Keystore};
use crate::passphrase::{Occasion, Passphrase};

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
    let given = Given::read(&typed(args.network)?)?;
    let folder = prepare(globals, &given, Device(args.device)).await?;
    let accepted = match &given {
        Given::Invite(invite) => Some(accept(globals, &folder, invite).await),
        Given::Link(_) | Given::File(..) => None,
    };
    report(globals, &folder, accepted.as_ref().and_then(|accepted| accepted.as_ref().ok()), args.run)?;
    if let Some(Err(refusal)) = accepted {
        return Err(refusal);
    }
    if !args.run {
        return Ok(Outcome::Done);
    }
    let at_home = Globals { dir: Some(folder.directory.root().to_owned()), ..globals.clone() };
    hosting.run(&at_home, RunArgs { config: folder.directory.config_file(), ports: args.ports }).await
}

/// What was typed, or with `-` the first line of standard input: an invite is money, and other users of the machine see what
/// programs are started with.
fn typed(network: String) -> anyhow::Result<Zeroizing<String>> {
    if network != "-" {
        return Ok(Zeroizing::new(network));
    }
    if std::io::stdin().is_terminal() {
        eprintln!("Paste the link, and Return:");
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    Ok(line)
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
        (None, Given::Link(link)) => fetch(link).await?,
        (None, Given::Invite(invite)) => fetch(&invite.network).await?,
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

async fn fetch(link: &NetworkLink) -> anyhow::Result<(Genesis, Option<String>)> {
    let (genesis, from) = joining::fetch(link).await?;
    Ok((genesis, Some(from)))
}

/// What became of an invite.
enum Accepted {
    Now(Claim),
    /// By this folder.
    Before,
}

/// Signs what takes an invite's coins, for the node to hand in. The secret of the invite is not kept.
async fn accept(globals: &Globals, folder: &Folder, invite: &Invite) -> anyhow::Result<Accepted> {
    const ANOTHER: &str = "the folder is ready all the same; ask for another invite, and join with that";
    let Folder { directory, genesis, .. } = folder;
    if claims::load(directory)?.iter().any(|claim| claim.invite == invite.transaction) {
        return Ok(Accepted::Before);
    }
    let outputs: Vec<OutputId> = invite.bearer().ids().collect();
    if joining::are_unspent(&invite.network, &outputs).await? == Some(false) {
        bail!("this invite was taken already, or drawn back, as the kernel nodes in it say; {ANOTHER}");
    }
    let opened;
    let keystore = match &folder.keystore {
        Some(keystore) => keystore,
        None => {
            let passphrase = Passphrase::obtain(directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
            opened = Keystore::open(&directory.keystore_file(), &passphrase)?;
            &opened
        }
    };
    let sells = Config::load(&directory.config_file())?.provider.is_some();
    let purpose = if sells { IdentityPurpose::Selling } else { IdentityPurpose::Browsing };
    let identity = keystore.first(purpose).context("the keystore has no identity for this; `byway identity new`")?;
    let claim = Claim::sign(invite, genesis, keystore, &keystore.secret(identity), now())?;
    // The node reads it when it starts.
    let _lock = directory.lock()?;
    claims::add(directory, claim.clone())?;
    Ok(Accepted::Now(claim))
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

fn report(globals: &Globals, folder: &Folder, accepted: Option<&Accepted>, runs: bool) -> anyhow::Result<()> {
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
        match accepted {
            Some(Accepted::Now(claim)) => value["invite"] = json!({ "accepted": "now", "amount": claim.total }),
            Some(Accepted::Before) => value["invite"] = json!({ "accepted": "before" }),
            None => {}
        }
        return print_json(&value);
    }
    print(&text(folder))?;
    match accepted {
        Some(Accepted::Now(claim)) => {
            let registers = if claim.transactions.len() > 1 { " and register your identity" } else { "" };
            print(&format!(
                "\nThe invite's {} come to your wallet{registers} when the node runs. Don't wait long: whoever else has the link\n\
                 may be sooner. `byway status` shows how far that is.\n",
                way(claim.total)
            ))?;
        }
        Some(Accepted::Before) => {
            print("\nThis folder accepted the invite before; `byway invite list` shows what became of it.\n")?;
        }
        None => {}
    }
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
