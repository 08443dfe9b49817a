//! m-of-n groups: `byway wallet group`.

use std::path::Path;

use anyhow::Context;
use byway_crypto::{Address, GroupView};
use byway_primitives::{Amount, AssetId};
use zeroize::Zeroizing;

use super::asset::asset_of;
use super::output::{fields, now, print, short, wait, way};
use super::wallet::{Until, money, move_money, show};
use super::{Globals, GroupCommand, Outcome, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;
use crate::files;

pub async fn group(globals: &Globals, command: GroupCommand) -> anyhow::Result<Outcome> {
    let client = || globals.client();
    match command {
        GroupCommand::New { threshold, members, out } => new(globals, threshold, &members, &out)?,
        GroupCommand::Join { key_file } => {
            let key = read(&key_file)?.trim().to_owned();
            let record: GroupRecord = client()?.call("group_join", &GroupJoin { key }).await?;
            show(globals, &record, record_text)?;
        }
        GroupCommand::List => {
            let records: Vec<GroupRecord> = client()?.call("group_list", &Nothing {}).await?;
            show(globals, &records, |records| records_text(records))?;
        }
        GroupCommand::Propose { group, to, amount, asset, within, out } => {
            let client = client()?;
            let group = named(&client, &group).await?;
            let asset: Option<AssetId> = match asset {
                Some(name) => Some(asset_of(&client, name).await?),
                None => None,
            };
            let within_seconds = within.map(|within| within.seconds);
            let request = GroupPropose { group, to, amount, asset, within_seconds };
            let proposal: GroupProposal = client.call("group_propose", &request).await?;
            write(globals, &proposal, &out)?;
        }
        GroupCommand::Show { file } => {
            let request = GroupLook { proposal: read(&file)?.trim().to_owned() };
            let proposal: GroupProposal = client()?.call("group_show", &request).await?;
            show(globals, &proposal, proposal_text)?;
        }
        GroupCommand::Sign { file, out } => {
            let request = GroupLook { proposal: read(&file)?.trim().to_owned() };
            let proposal: GroupProposal = client()?.call("group_sign", &request).await?;
            write(globals, &proposal, out.as_ref().unwrap_or(&file))?;
        }
        GroupCommand::Submit { files, once } => {
            let proposals = files.iter().map(|file| Ok(read(file)?.trim().to_owned()));
            let proposals = proposals.collect::<anyhow::Result<Vec<String>>>()?;
            let until = Until::of(once.wait);
            let request = GroupSubmit { proposals, idempotency_key: idempotency_key(once.idempotency_key)? };
            return move_money(globals, &client()?, "group_submit", &request, until).await;
        }
    }
    Ok(Outcome::Done)
}

fn new(globals: &Globals, threshold: u8, members: &[String], out: &Path) -> anyhow::Result<()> {
    let address =
        |text: &String| text.parse::<Address>().with_context(|| format!("{} is no member's address", short(text)));
    let members = members.iter().map(address).collect::<anyhow::Result<Vec<Address>>>()?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| anyhow::anyhow!("the system gave no randomness: {error}"))?;
    let view = GroupView::new(threshold, &members, &seed)?;
    files::create_secret(out, format!("{}\n", *view.to_text()).as_bytes())
        .with_context(|| format!("{} can't be made; an existing file is not overwritten", out.display()))?;
    let made = serde_json::json!({ "address": view.group(), "key_file": out });
    show(globals, &made, |_| {
        format!(
            "{}\n\nGive {} to every member and nobody else: it shows all payments of the group and can't spend.\nEach runs \
             `byway wallet group join`, and only then is the address above given to anyone who pays.\n",
            view.group(),
            out.display(),
        )
    })
}

/// The address of a group, by its beginning where that means one only.
async fn named(client: &Client, text: &str) -> anyhow::Result<String> {
    let records: Vec<GroupRecord> = client.call("group_list", &Nothing {}).await?;
    let mut fitting = records.iter().filter(|record| record.address.starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(record), None) => Ok(record.address.clone()),
        (Some(_), Some(_)) => anyhow::bail!("several groups begin with {text}; give more of the address"),
        (None, _) => {
            anyhow::bail!("this wallet has joined no group {}; `byway wallet group list` shows all", short(&text))
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))
}

/// Writes the proposal for the next member, and shows what it does.
fn write(globals: &Globals, proposal: &GroupProposal, out: &Path) -> anyhow::Result<()> {
    files::write_secret(out, format!("{}\n", proposal.proposal).as_bytes())
        .with_context(|| format!("{} can't be written", out.display()))?;
    show(globals, proposal, proposal_text)?;
    if globals.json {
        return Ok(());
    }
    let (signed, needed) = (proposal.signed.len(), usize::from(proposal.threshold));
    print(&match needed.checked_sub(signed) {
        None | Some(0) => format!("Enough have signed: `byway wallet group submit {}` sends it.\n", out.display()),
        Some(missing) => format!("{missing} more must sign {}.\n", out.display()),
    })
}

fn proposal_text(proposal: &GroupProposal) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for payee in &proposal.payees {
        rows.push(("pays", format!("{} to {}", amount_text(&payee.value), payee.to)));
    }
    rows.extend(proposal.change.iter().map(|change| ("change", format!("{} back to the group", amount_text(change)))));
    rows.push(("fee", way(proposal.fee)));
    rows.push(("expires", wait(proposal.expires_ms, now())));
    let members: Vec<String> = proposal.signed.iter().map(ToString::to_string).collect();
    rows.push((
        "signed",
        format!("{} of {} needed, members {}", members.len(), proposal.threshold, members.join(", ")),
    ));
    fields(&rows)
}

fn amount_text(value: &AmountOf) -> String {
    let tag = value.symbol.clone().map(|symbol| AssetTag { asset: value.asset, symbol });
    money(value.amount, tag.as_ref())
}

fn balances_text(record: &GroupRecord) -> String {
    let held: Vec<String> = record.balances.iter().map(amount_text).collect();
    if held.is_empty() { way(Amount::ZERO) } else { held.join(", ") }
}

fn record_text(record: &GroupRecord) -> String {
    fields(&[
        ("group", record.address.clone()),
        ("signatures", format!("{} of {}", record.threshold, record.members)),
        ("we are", record.number.map_or_else(|| "looking on".to_owned(), |number| format!("member {number}"))),
        ("holds", balances_text(record)),
    ])
}

fn records_text(records: &[GroupRecord]) -> String {
    let mut table = Table::new(&["group", "we are", "holds"]);
    for record in records {
        let number = record.number.map_or_else(|| "looking on".to_owned(), |number| format!("member {number}"));
        table.row([record.address.clone(), number, balances_text(record)]);
    }
    table.text("This wallet has joined no group.")
}
