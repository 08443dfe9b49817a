//! Making a network: `byway kernel init` and `byway genesis new`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use byway_crypto::keystore::Cost;
use byway_crypto::phrase::Device;
use byway_primitives::IdentityId;
use byway_records::Member;
use serde_json::json;
use zeroize::Zeroizing;

use super::kernel::check_member;
use super::output::{now, print, print_json};
use super::{GenesisNewArgs, Globals, KernelInitArgs, Outcome};
use crate::directory::{Directory, read_json, write_json};
use crate::genesis::{self, MemberText, Plan};
use crate::kernel_node;
use crate::keystore::{Keystore, KeystoreError};
use crate::passphrase::{Occasion, Passphrase};

/// Makes a kernel node's keystore, or shows the public part of the one there is.
pub fn kernel_init(globals: &Globals, args: KernelInitArgs) -> anyhow::Result<Outcome> {
    check_member(&args.name, &args.address)?;
    let directory = globals.directory()?;
    directory.create()?;
    let _lock = directory.lock()?;
    let path = directory.keystore_file();
    let occasion = if path.exists() { Occasion::Open } else { Occasion::Choose };
    let passphrase = Passphrase::obtain(&directory, globals.passphrase_file.as_deref(), occasion)?;
    let (keystore, is_new) = match Keystore::open(&path, &passphrase) {
        Err(KeystoreError::Missing(_)) => {
            let keystore = Keystore::generate(Device::default())?;
            keystore.create(&path, &passphrase, Cost::STRONG)?;
            kernel_node::found(&directory.store_folder())?;
            (keystore, true)
        }
        other => (other?, false),
    };
    let owner = owner(&directory, &passphrase, args.owner)?;
    let member = Member { owner: owner.id, ..genesis::member(&keystore, &args.name, &args.address) };
    let member = MemberText(member);
    write_json(&directory.member_file(), &member.0)?;
    let address = keystore.wallet().address();
    if globals.json {
        let mut value = json!({ "member": member.0, "line": member.to_string(), "address": address });
        if is_new {
            value["phrase"] = json!(keystore.phrase().words());
        }
        print_json(&value)?;
    } else {
        if !is_new {
            print("The keys were made before, and are the same.\n")?;
        }
        print(&format!("For `byway genesis new --kernel`, this line or {}:\n\n", directory.member_file().display()))?;
        print(&format!("{member}\n\nThe node's wallet: {address}\n"))?;
        if let Some(folder) = &owner.folder {
            print(&format!(
                "The owner's keystore is in {}: it draws the pledge and decides about the node, and the node never needs \
                 it. Move that folder to another machine.\n",
                folder.display()
            ))?;
        }
        if is_new {
            print(&format!(
                "`byway identity export --dir {}` shows the seed phrase, which restores the node's keys. Write it down{}.\n",
                directory.root().display(),
                if owner.folder.is_some() { ", and that of the owner's folder, too" } else { "" },
            ))?;
        }
    }
    Ok(Outcome::Done)
}

/// Who owns a kernel node, and where its keystore is if that is still beside the node's.
struct Owner {
    id: IdentityId,
    folder: Option<PathBuf>,
}

/// The owner that is named, or the one in the folder, or the one that the node was made with, or a new one.
fn owner(directory: &Directory, passphrase: &Passphrase, named: Option<IdentityId>) -> anyhow::Result<Owner> {
    if let Some(id) = named {
        return Ok(Owner { id, folder: None });
    }
    let beside = directory.owner();
    let path = beside.keystore_file();
    let keystore = match Keystore::open(&path, passphrase) {
        Err(KeystoreError::Missing(_)) => {
            if let Some(member) = read_json::<Member>(&directory.member_file())? {
                return Ok(Owner { id: member.owner, folder: None });
            }
            let keystore = Keystore::generate(Device::default())?;
            beside.create()?;
            keystore.create(&path, passphrase, Cost::STRONG)?;
            keystore
        }
        other => other?,
    };
    Ok(Owner { id: keystore.kernel_owner().id(), folder: Some(beside.root().to_owned()) })
}

pub fn genesis_new(globals: &Globals, args: GenesisNewArgs) -> anyhow::Result<Outcome> {
    if args.out.exists() {
        bail!("{} exists already; a network is made once, choose another --out", args.out.display());
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).ok().context("the operating system gave no randomness")?;
    let plan = Plan {
        name: args.name,
        time: now(),
        test: args.test,
        leaders: args.leaders,
        members: args.kernel.into_iter().map(|MemberText(member)| member).collect(),
        funding: args.fund,
    };
    let genesis = genesis::build(plan, &seed)?;
    genesis::save(&genesis, &args.out)?;
    if globals.json {
        let (network, nodes) = (genesis.network(), genesis.members.len());
        print_json(&json!({ "file": args.out, "network": network, "name": genesis.name, "kernel_nodes": nodes }))?;
    } else {
        let (name, file) = (&genesis.name, args.out.display());
        print(&format!("{file} is the network {name} ({}).\nGive every node this file.\n", genesis.network()))?;
    }
    Ok(Outcome::Done)
}
