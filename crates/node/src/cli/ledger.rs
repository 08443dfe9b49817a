//! `byway ledger`: looking into the ledger and checking it.

use super::output::{Table, ago, fields, now, short, way, word};
use super::wallet::show;
use super::{Globals, LedgerCommand, Outcome, with_progress};
use crate::api::*;

pub async fn ledger(globals: &Globals, command: LedgerCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        LedgerCommand::Audit => {
            let auditing = client.call::<Audit>("ledger_audit", &Nothing {});
            let audit = with_progress("reading the whole ledger", auditing).await?;
            show(globals, &audit, audit_text)?;
            return Ok(if audit.balanced { Outcome::Done } else { Outcome::No });
        }
        LedgerCommand::Transaction { id } => {
            let request = LedgerTransaction { transaction_id: id };
            let record: TransactionRecord = client.call("ledger_transaction", &request).await?;
            show(globals, &record, transaction_text)?;
        }
        LedgerCommand::Identity { id } => {
            let record: IdentityRecord = client.call("ledger_identity", &LedgerIdentity { id }).await?;
            show(globals, &record, identity_text)?;
        }
    }
    Ok(Outcome::Done)
}

fn audit_text(audit: &Audit) -> String {
    let verdict = if audit.balanced { "balanced" } else { "NOT BALANCED: the parts don't add up to the supply" };
    let text = fields(&[
        ("outputs", way(audit.outputs)),
        ("accounts", way(audit.accounts)),
        ("reservations", way(audit.reservations)),
        ("pledges", way(audit.pledges)),
        ("channels", way(audit.channels)),
        ("pool", way(audit.pool)),
        ("supply", way(audit.supply)),
        ("", format!("{verdict}, at height {}", audit.height)),
    ]);
    if audit.assets.is_empty() {
        return text;
    }
    let mut table = Table::new(&["asset", ">outputs", ">accounts", ">reservations", ">channels", ">supply", "", "id"]);
    for asset in &audit.assets {
        table.row([
            asset.symbol.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
            asset.outputs.to_string(),
            asset.accounts.to_string(),
            asset.reservations.to_string(),
            asset.channels.to_string(),
            asset.supply.to_string(),
            if asset.balanced { "balanced" } else { "NOT BALANCED" }.to_owned(),
            short(&asset.asset),
        ]);
    }
    format!("{text}\n{}", table.text(""))
}

fn transaction_text(record: &TransactionRecord) -> String {
    let outcome = &record.outcome;
    let mut rows = vec![("transaction", outcome.transaction_id.to_string()), ("stage", word(&outcome.stage))];
    rows.extend(outcome.reason.as_ref().map(|reason| ("reason", reason.message.clone())));
    let proof = if outcome.certified { "certified by a quorum of the kernel" } else { "this node's own word so far" };
    rows.push(("proof", proof.to_owned()));
    rows.extend(outcome.height.map(|height| ("height", height.to_string())));
    rows.extend(outcome.time_ms.map(|time| ("time", ago(time, now()))));
    rows.extend(record.inputs.map(|count| ("inputs", count.to_string())));
    rows.extend(record.outputs.map(|count| ("outputs", count.to_string())));
    fields(&rows)
}

fn identity_text(record: &IdentityRecord) -> String {
    let registered = match (record.registered, record.pledge) {
        (true, Some(pledge)) => format!("yes, with a pledge of {}", way(pledge)),
        (true, None) => "yes".to_owned(),
        (false, _) => "no".to_owned(),
    };
    let mut rows = vec![
        ("identity", record.id.to_string()),
        ("registered", registered),
        ("account", way(record.account)),
        ("bounces", record.bounces.to_string()),
    ];
    rows.extend(record.offers.iter().map(|offer| ("offer", offer.to_string())));
    fields(&rows)
}
