//! `byway identity`: the keystore.
//!
//! Only `list`, `card` and `register` ask a running node; the others open the keystore itself. Those that change it need the
//! directory for themselves.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use byway_crypto::keystore::Cost;
use byway_crypto::phrase::Device;
use serde_json::json;
use zeroize::Zeroizing;

use super::output::{fields, print, print_json};
use super::wallet::{Until, move_money};
use super::{Globals, IdentityCommand, OnceArgs, Outcome, Table, idempotency_key};
use crate::api::{Identity, IdentityCard, IdentityRegister, Nothing};
use crate::client::{Client, ClientError};
use crate::directory::Directory;
use crate::keystore::{IdentityPurpose, IdentityRecord, Keystore};
use crate::passphrase::{Occasion, Passphrase};

/// Where `byway up` keeps the user's own node.
const LOCAL_USER: &str = "user";

pub async fn identity(globals: &Globals, command: IdentityCommand) -> anyhow::Result<Outcome> {
    match command {
        IdentityCommand::New { name, purpose, device } => new(globals, name, purpose, Device(device))?,
        IdentityCommand::List => list(globals).await?,
        IdentityCommand::Show { identity } => show(globals, &identity)?,
        IdentityCommand::Register { id, once: OnceArgs { idempotency_key: key, wait } } => {
            let request = IdentityRegister { id, idempotency_key: idempotency_key(key)? };
            return move_money(globals, &globals.client()?, "identity_register", &request, Until::of(wait)).await;
        }
        IdentityCommand::Card => card(globals).await?,
        IdentityCommand::Export => export(globals)?,
        IdentityCommand::Restore { phrase_file, device } => restore(globals, phrase_file, Device(device))?,
    }
    Ok(Outcome::Done)
}

fn new(globals: &Globals, name: Option<String>, purpose: IdentityPurpose, device: Device) -> anyhow::Result<()> {
    let directory = globals.directory()?;
    if !directory.keystore_file().exists() {
        return make(globals, &directory, &Keystore::generate(device)?, name.map(|name| (name, purpose)));
    }
    let name = name.context(
        "there is a keystore already; to add an identity to it, say its name: byway identity new NAME --purpose …",
    )?;
    let _lock = directory.lock()?;
    let passphrase = Passphrase::obtain(&directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
    let mut keystore = Keystore::open(&directory.keystore_file(), &passphrase)?;
    let added = keystore.add(&name, purpose)?.clone();
    keystore.save(&directory.keystore_file(), &passphrase, cost(&directory))?;
    print_identity(globals, &keystore, &added)
}

/// Prints nothing but the card, so that it can be passed on.
async fn card(globals: &Globals) -> anyhow::Result<()> {
    let card: IdentityCard = globals.client()?.call("identity_card", &Nothing {}).await?;
    super::wallet::show(globals, &card, |card| format!("{}\n", card.card))
}

fn restore(globals: &Globals, phrase_file: Option<PathBuf>, device: Device) -> anyhow::Result<()> {
    let directory = globals.directory()?;
    let path = directory.keystore_file();
    if path.exists() {
        // Said before anyone types 24 words.
        return Err(crate::keystore::KeystoreError::Exists(path).into());
    }
    let words = read_phrase(phrase_file.as_deref())?;
    let keystore = Keystore::restore(&words, device)?;
    store(globals, &directory, &keystore)?;
    if globals.json {
        return print_json(&listing(&keystore));
    }
    print(&format!("Restored as device {}:\n{}", device.0, table(&keystore)))?;
    print("The wallet's coins appear as the node reads the ledger.\n")
}

/// Writes a new keystore and shows its phrase, once.
fn make(
    globals: &Globals,
    directory: &Directory,
    keystore: &Keystore,
    named: Option<(String, IdentityPurpose)>,
) -> anyhow::Result<()> {
    let mut with_name;
    let keystore = match named {
        None => keystore,
        Some((name, purpose)) => {
            with_name = Keystore::restore(keystore.phrase().words(), keystore.device())?;
            with_name.add(&name, purpose)?;
            &with_name
        }
    };
    store(globals, directory, keystore)?;
    if globals.json {
        return print_json(&json!({ "phrase": keystore.phrase().words(), "identities": listing(keystore) }));
    }
    print(&format!("{}\n{}", table(keystore), phrase_text(keystore)))
}

fn store(globals: &Globals, directory: &Directory, keystore: &Keystore) -> anyhow::Result<()> {
    directory.create()?;
    let _lock = directory.lock()?;
    create(globals, directory, keystore)
}

/// Writes a new keystore into a directory that is locked.
pub(super) fn create(globals: &Globals, directory: &Directory, keystore: &Keystore) -> anyhow::Result<()> {
    let passphrase = Passphrase::obtain(directory, globals.passphrase_file.as_deref(), Occasion::Choose)?;
    Ok(keystore.create(&directory.keystore_file(), &passphrase, cost(directory))?)
}

async fn list(globals: &Globals) -> anyhow::Result<()> {
    let directory = globals.running_directory()?;
    let running = match Client::of(&directory) {
        Ok(client) => Some(client.call::<Vec<Identity>>("identity_list", &Nothing {}).await),
        Err(error) => Some(Err(error)),
    };
    match running {
        Some(Ok(identities)) if globals.json => print_json(&identities),
        Some(Ok(identities)) => {
            let mut rows = Table::new(&[">number", "name", "purpose", "id", "registered"]);
            for identity in identities {
                let purpose = identity.purpose.map(|purpose| purpose.to_string()).unwrap_or_default();
                let registered = if identity.registered { "yes" } else { "no" };
                let number = identity.number.map(|number| number.to_string()).unwrap_or_default();
                rows.row([number, identity.name, purpose, identity.id.to_string(), registered.to_owned()]);
            }
            print(&rows.text("This node has no identities."))
        }
        // Without a node the keystore itself says what there is.
        Some(Err(ClientError::NotRunning(_) | ClientError::Stale { .. })) | None => {
            let keystore = open(globals, &directory)?;
            if globals.json { print_json(&listing(&keystore)) } else { print(&table(&keystore)) }
        }
        Some(Err(error)) => Err(error.into()),
    }
}

fn show(globals: &Globals, name_or_id: &str) -> anyhow::Result<()> {
    let keystore = open(globals, &globals.running_directory()?)?;
    let identity = keystore.find(name_or_id)?.clone();
    print_identity(globals, &keystore, &identity)
}

fn export(globals: &Globals) -> anyhow::Result<()> {
    let keystore = open(globals, &globals.running_directory()?)?;
    if globals.json {
        return print_json(&json!({ "phrase": keystore.phrase().words(), "device": keystore.device().0 }));
    }
    print(&phrase_text(&keystore))
}

/// The view key, on standard output; what it means, beside it.
pub fn view_key(globals: &Globals) -> anyhow::Result<Outcome> {
    let keystore = open(globals, &globals.running_directory()?)?;
    let view = keystore.wallet().view_secret();
    if globals.json {
        print_json(&json!({ "view_key": *view.to_text(), "address": view.address() }))?;
        return Ok(Outcome::Done);
    }
    eprintln!(
        "Whoever has this key sees every payment to this wallet and what it spends, from the first day and for ever; it\n\
         can't be taken back. It can't spend. `byway wallet watch` shows a wallet with it."
    );
    print(&format!("{}\n", *view.to_text()))?;
    Ok(Outcome::Done)
}

pub(super) fn open(globals: &Globals, directory: &Directory) -> anyhow::Result<Keystore> {
    let own = directory.keystore_file();
    let path = match own.exists() {
        true => own,
        // `byway up` keeps several nodes in one directory, and a passphrase for all.
        false => Directory::new(directory.root().join(LOCAL_USER)).keystore_file(),
    };
    if !path.exists() {
        let path = directory.keystore_file();
        return Err(crate::keystore::KeystoreError::Missing(path).into());
    }
    let passphrase = Passphrase::obtain(directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
    Ok(Keystore::open(&path, &passphrase)?)
}

/// A passphrase that a program made has the strength of a key.
fn cost(directory: &Directory) -> Cost {
    if directory.passphrase_file().exists() { Cost::CHEAP } else { Cost::STRONG }
}

pub(super) fn read_phrase(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    if let Some(file) = file {
        let words = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        return Ok(Zeroizing::new(words));
    }
    let mut words = Zeroizing::new(String::new());
    if std::io::stdin().is_terminal() {
        eprintln!("Type the words of the seed phrase, and Return:");
        std::io::stdin().read_line(&mut words)?;
    } else {
        std::io::stdin().read_to_string(&mut words)?;
    }
    Ok(words)
}

pub(super) fn listing(keystore: &Keystore) -> Vec<serde_json::Value> {
    keystore.identities().iter().map(|identity| identity_json(keystore, identity)).collect()
}

fn identity_json(keystore: &Keystore, identity: &IdentityRecord) -> serde_json::Value {
    json!({
        "id": keystore.id(identity),
        "name": identity.name,
        "purpose": identity.purpose,
        "device": keystore.device().0,
        "number": identity.number,
    })
}

fn table(keystore: &Keystore) -> String {
    let mut rows = Table::new(&[">number", "name", "purpose", "id"]);
    for identity in keystore.identities() {
        let (number, id) = (identity.number.to_string(), keystore.id(identity).to_string());
        rows.row([number, identity.name.clone(), identity.purpose.to_string(), id]);
    }
    rows.text("This keystore has no identities.")
}

fn print_identity(globals: &Globals, keystore: &Keystore, identity: &IdentityRecord) -> anyhow::Result<()> {
    let address = keystore.wallet().address();
    if globals.json {
        let mut value = identity_json(keystore, identity);
        value["address"] = json!(address);
        return print_json(&value);
    }
    print(&fields(&[
        ("name", identity.name.clone()),
        ("purpose", identity.purpose.to_string()),
        ("id", keystore.id(identity).to_string()),
        ("device", keystore.device().0.to_string()),
        ("address", address.to_string()),
    ]))
}

pub(super) fn phrase_text(keystore: &Keystore) -> String {
    let mut text = String::from("The seed phrase. Write it down and keep it where nobody else looks: it restores\n");
    text.push_str("everything, and whoever has it has your money.\n\n");
    for (index, word) in keystore.phrase().words().split(' ').enumerate() {
        text.push_str(&format!("{:>4} {word:<10}{}", index + 1, if index % 4 == 3 { "\n" } else { "" }));
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
