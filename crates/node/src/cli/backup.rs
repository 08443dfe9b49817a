//! `byway backup`: a peer's books of payment outside its folder (rows A4, I1).

use std::path::Path;

use anyhow::{Context, ensure};
use byway_crypto::ExportKey;
use byway_dialogue::payment::Export;
use byway_primitives::Amount;
use serde_json::json;

use super::identity::{open, read_phrase};
use super::output::{ago, fields, now, print, print_json, short, way};
use super::{BackupCommand, Globals, Outcome, Table};
use crate::api::{BackupExport, Nothing};
use crate::config::{Config, Role};
use crate::directory::Directory;
use crate::keystore::Keystore;
use crate::{exports, files, genesis};

pub async fn backup(globals: &Globals, command: BackupCommand) -> anyhow::Result<Outcome> {
    match command {
        BackupCommand::Export { file, replace } => export(globals, &file, replace).await?,
        BackupCommand::Show { file, phrase_file } => {
            let key = match phrase_file {
                Some(words) => Keystore::restore(&read_phrase(Some(&words))?, Default::default())?.export_key(),
                None => open(globals, &globals.running_directory()?)?.export_key(),
            };
            show(globals, &file, &key)?;
        }
        BackupCommand::Restore { file, config, rolled_back } => restore(globals, &file, &config, rolled_back)?,
    }
    Ok(Outcome::Done)
}

async fn export(globals: &Globals, file: &Path, replace: bool) -> anyhow::Result<()> {
    ensure!(
        replace || !file.exists(),
        "{} is there already, and it may hold what this node lost; look with `byway backup show`, then use --replace",
        file.display()
    );
    let export: BackupExport = globals.client()?.call("backup_export", &Nothing {}).await?;
    let content = hex::decode(&export.content).context("the node's answer is no export")?;
    let written = if replace { files::write_secret(file, &content) } else { files::create_secret(file, &content) };
    written.with_context(|| format!("{} can't be written", file.display()))?;
    if globals.json {
        let BackupExport { made_ms, identity, peers, left_out, unsettled, .. } = export;
        return print_json(&json!({
            "file": file, "bytes": content.len(), "made_ms": made_ms, "identity": identity, "peers": peers,
            "left_out": left_out, "unsettled": unsettled,
        }));
    }
    let missing = match export.left_out {
        0 => String::new(),
        more => format!(" {more} peers with least at stake did not fit."),
    };
    print(&format!(
        "{} holds the promises with {} peers, {} of them owed to you and not settled.{missing}\nOnly your seed phrase opens \
         it. What is promised from now on is not in it.\n",
        file.display(),
        export.peers,
        way(export.unsettled),
    ))
}

fn show(globals: &Globals, file: &Path, key: &ExportKey) -> anyhow::Result<()> {
    let export = exports::read(file, key)?;
    if globals.json {
        return print_json(&listing(&export));
    }
    let left_out = if export.left_out == 0 { "none".to_owned() } else { format!("{} peers", export.left_out) };
    let head = fields(&[
        ("identity", export.identity.to_string()),
        ("network", export.network.to_string()),
        ("made", ago(export.made, now())),
        ("owed to it", way(export.unsettled())),
        ("left out", left_out),
    ]);
    let mut table = Table::new(&["promise", "peer", ">serial", ">amount", ">not settled"]);
    for pair in &export.pairs {
        let peer = short(&pair.peer);
        for owed in pair.owed() {
            let promise = owed.promise.promise;
            let cells = [promise.serial.to_string(), promise.amount.to_string(), owed.unsettled.to_string()];
            table.row(["from".to_owned(), peer.clone()].into_iter().chain(cells));
        }
        for given in pair.given() {
            let promise = given.promise;
            let cells = [promise.serial.to_string(), promise.amount.to_string(), String::new()];
            table.row(["to".to_owned(), peer.clone()].into_iter().chain(cells));
        }
    }
    print(&format!("{head}\n{}", table.text("It holds no promises.")))
}

fn listing(export: &Export) -> serde_json::Value {
    let owed = export.pairs.iter().flat_map(|pair| {
        let owed = pair.owed().into_iter();
        owed.map(|owed| {
            let promise = owed.promise.promise;
            json!({
                "from": pair.peer, "serial": promise.serial.to_string(), "amount": promise.amount,
                "unsettled": owed.unsettled,
            })
        })
    });
    let given = export.pairs.iter().flat_map(|pair| {
        let given = pair.given().map(|given| given.promise);
        given.map(|promise| json!({ "to": pair.peer, "serial": promise.serial.to_string(), "amount": promise.amount }))
    });
    json!({
        "identity": export.identity, "network": export.network, "made_ms": export.made, "left_out": export.left_out,
        "unsettled": export.unsettled(), "owed": owed.collect::<Vec<_>>(), "given": given.collect::<Vec<_>>(),
    })
}

fn restore(globals: &Globals, file: &Path, config: &Path, is_rolled_back: bool) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    ensure!(config.role == Role::Peer, "this is no peer's configuration; `byway kernel restore` is for kernel nodes");
    let directory = match (&globals.dir, &config.dir) {
        (Some(dir), _) | (None, Some(dir)) => Directory::new(dir),
        (None, None) => Directory::standard()?,
    };
    let network = config.network.as_ref().context("the configuration names no network file")?;
    let network = genesis::load(network)?.network();
    ensure!(
        directory.keystore_file().exists(),
        "{} has no keystore; `byway identity restore` makes it from the seed phrase",
        directory.root().display()
    );
    let _lock = directory.lock()?;
    let keystore = open(globals, &directory)?;
    let working = keystore.working(config.provider.is_some());
    let identity = keystore.id(working.context("the keystore has no identity for this; `byway identity new`")?);
    let export = exports::read(file, &keystore.export_key())?;
    exports::put_back(&directory, &keystore.journals_key(), &export, network, identity, now(), is_rolled_back)
        .with_context(|| format!("{} is not put back", file.display()))?;
    let given = export.pairs.iter().flat_map(|pair| pair.given()).count();
    let owed: Vec<Amount> = export.pairs.iter().flat_map(|pair| pair.owed()).map(|owed| owed.unsettled).collect();
    if globals.json {
        return print_json(&json!({
            "identity": identity, "made_ms": export.made, "owed": owed.len(), "unsettled": export.unsettled(),
            "given": given,
        }));
    }
    print(&format!(
        "{} promises to {identity} are back, {} in all, and what it promised to {given} others. Start the node: it settles what \
         is owed as soon as it has read the ledger, and promises under serials that it never used. What came in after the \
         export was made, {}, is not in it; peers that are still there send their last promise again.\n",
        owed.len(),
        way(export.unsettled()),
        ago(export.made, now()),
    ))
}
