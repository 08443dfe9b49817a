//! Owning kernel nodes: `byway kernel owner`, `members`, `join`, `leave`, `reclaim`, `rotate`, `appeal` and `upgrade`.
//!
//! All of it happens on the node that holds the owner's keystore and the coins. What the kernel node itself has to say is
//! [`kernel`](super::kernel).

use anyhow::bail;
use byway_records::SignedEntry;
use serde_json::json;

use super::confirm::confirm;
use super::output::{duration, fields, now, print, short, way, word};
use super::wallet::{Until, entry_text, outcome_of, show, transact};
use super::{ActArgs, EntryText, Globals, KernelCommand, OffenceName, Outcome, Table, idempotency_key, print_json};
use crate::api::*;
use crate::client::Client;
use crate::keystore::Keystore;
use crate::passphrase::{Occasion, Passphrase};

/// Prints the identity that a keystore owns kernel nodes with.
pub fn owner(globals: &Globals) -> anyhow::Result<Outcome> {
    let directory = globals.directory()?;
    let passphrase = Passphrase::obtain(&directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
    let owner = Keystore::open(&directory.keystore_file(), &passphrase)?.kernel_owner().id();
    show(globals, &KernelOwner { owner }, |known| format!("{}\n", known.owner))?;
    Ok(Outcome::Done)
}

pub async fn membership(globals: &Globals, command: KernelCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        KernelCommand::Members => {
            let members: Vec<KernelMember> = client.call("kernel_members", &Nothing {}).await?;
            show(globals, &members, |members| members_text(members))?;
            Ok(Outcome::Done)
        }
        KernelCommand::Join { entry, act } => join(globals, &client, entry, act).await,
        KernelCommand::Leave { seat, act } => {
            let question = "From then on it takes no part, and its pledge stays locked for a time. Have it leave?";
            about(globals, &client, "kernel_leave", seat, act, question).await
        }
        KernelCommand::Reclaim { seat, act } => {
            // Nothing is given up by it, so there is nothing to confirm.
            about(globals, &client, "kernel_reclaim", seat, ActArgs { yes: true, ..act }, "").await
        }
        KernelCommand::Rotate { seat, entry, act } => rotate(globals, &client, seat, entry, act).await,
        KernelCommand::Appeal { seat, offence, act } => {
            let offence = offence.map(|offence| match offence {
                OffenceName::First => Offence::First,
                OffenceName::Second => Offence::Second,
            });
            let idempotency_key = idempotency_key(act.idempotency_key)?;
            let request = KernelAppeal { seat, offence, idempotency_key };
            told(globals, &client, "kernel_appeal", &request).await
        }
        KernelCommand::Upgrade { seat, protocol, height, act } => {
            let seat = own_seat(&client, seat).await?;
            let question = format!(
                "Agree to version {protocol} of the protocol from height {height} on? Nodes whose program does not know it \
                 stop there."
            );
            confirm(act.yes, &question)?;
            let idempotency_key = idempotency_key(act.idempotency_key)?;
            let request = KernelUpgrade { seat, protocol, height, idempotency_key };
            told(globals, &client, "kernel_upgrade", &request).await
        }
        _ => bail!("this command is not about who the kernel nodes are"),
    }
}

async fn join(globals: &Globals, client: &Client, entry: EntryText, act: ActArgs) -> anyhow::Result<Outcome> {
    look(client, &entry, None, &act, "Pledge for it?").await?;
    let request = KernelJoin { entry: entry.0.clone(), idempotency_key: idempotency_key(act.idempotency_key)? };
    let paid = transact(client, "kernel_join", &request, Until::Decided).await?;
    let key = entry.0.parse::<SignedEntry>()?.member().key;
    let members: Vec<KernelMember> = client.call("kernel_members", &Nothing {}).await?;
    let seat = members.iter().find(|member| member.key == key && paid.stage == Stage::Final);
    if globals.json {
        print_json(&json!({ "entry": paid, "seat": seat.map(|seat| seat.index) }))?;
    } else {
        print(&entry_text(&paid))?;
        if let Some(seat) = seat {
            let standing = "It counts once it has caught up and said so; `byway kernel members` shows it.";
            print(&format!("{} has the seat {}. {standing}\n", seat.name, seat.index))?;
        }
    }
    Ok(outcome_of(&paid))
}

/// Shows what an entry would do and asks whether it shall, unless that was answered on the command line.
async fn look(client: &Client, entry: &EntryText, seat: Option<u8>, act: &ActArgs, ask: &str) -> anyhow::Result<()> {
    if act.yes {
        return Ok(());
    }
    let plan: KernelPlan = client.call("kernel_look", &KernelLook { entry: entry.0.clone(), seat }).await?;
    confirm(false, &format!("{}{ask}", plan_text(&plan)))
}

async fn rotate(
    globals: &Globals,
    client: &Client,
    seat: u8,
    entry: EntryText,
    act: ActArgs,
) -> anyhow::Result<Outcome> {
    look(client, &entry, Some(seat), &act, "Change the seat to this?").await?;
    let request = KernelRotate { seat, entry: entry.0, idempotency_key: idempotency_key(act.idempotency_key)? };
    told(globals, client, "kernel_rotate", &request).await
}

/// A call that says no more than which seat it is about.
async fn about(
    globals: &Globals,
    client: &Client,
    method: &str,
    seat: Option<u8>,
    act: ActArgs,
    question: &str,
) -> anyhow::Result<Outcome> {
    let seat = own_seat(client, seat).await?;
    if !act.yes {
        let members: Vec<KernelMember> = client.call("kernel_members", &Nothing {}).await?;
        let members: Vec<_> = members.into_iter().filter(|member| member.index == seat).collect();
        confirm(false, &format!("{}{question}", members_text(&members)))?;
    }
    let request = KernelSeat { seat, idempotency_key: idempotency_key(act.idempotency_key)? };
    told(globals, client, method, &request).await
}

/// Makes a call, waits for its verdict and shows it.
async fn told(
    globals: &Globals,
    client: &Client,
    method: &str,
    request: &impl serde::Serialize,
) -> anyhow::Result<Outcome> {
    let entry = transact(client, method, request, Until::Decided).await?;
    show(globals, &entry, entry_text)?;
    Ok(outcome_of(&entry))
}

/// The seat that is named, or the only one that this node's keystore owns.
async fn own_seat(client: &Client, seat: Option<u8>) -> anyhow::Result<u8> {
    if let Some(seat) = seat {
        return Ok(seat);
    }
    let members: Vec<KernelMember> = client.call("kernel_members", &Nothing {}).await?;
    let owner: KernelOwner = client.call("kernel_owner", &Nothing {}).await?;
    let own: Vec<&KernelMember> = members.iter().filter(|member| member.owner == owner.owner).collect();
    match own[..] {
        [] => bail!("this keystore owns no kernel node; `byway kernel members` shows who owns which"),
        [only] => Ok(only.index),
        _ => {
            let names: Vec<String> = own.iter().map(|member| format!("{} ({})", member.index, member.name)).collect();
            bail!("this keystore owns several kernel nodes; name the seat: {}", names.join(", "))
        }
    }
}

fn plan_text(plan: &KernelPlan) -> String {
    let lock = format!("{} and {} commits", duration(plan.lock_ms / 1000), plan.lock_commits);
    let mut rows = vec![
        ("kernel node", format!("{} at {}", plan.name, plan.address)),
        ("hot key", plan.key.to_string()),
        ("owner", plan.owner.to_string()),
        ("pledge", way(plan.pledge)),
        ("locked", format!("while it takes part, and {lock} from when it has left")),
    ];
    match plan.seat {
        Some(seat) => rows.push(("seat", seat.to_string())),
        None => rows.push(("wallet", way(plan.wallet))),
    }
    fields(&rows)
}

fn members_text(members: &[KernelMember]) -> String {
    let mut table =
        Table::new(&[">seat", "kernel node", "standing", ">pledge", "unlocks", "seen", ">behind", "owner", "address"]);
    for member in members {
        table.row([
            member.index.to_string(),
            member.name.clone(),
            word(&member.standing),
            member.pledge.to_string(),
            member.unlocks_ms.map_or_else(String::new, |time| super::output::wait(time, now())),
            if member.reachable { "yes" } else { "no" }.to_owned(),
            member.rounds_behind.to_string(),
            short(&member.owner),
            member.address.clone(),
        ]);
    }
    table.text("There is no kernel node.")
}
