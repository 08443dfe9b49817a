//! Money: `byway wallet` and `byway promise`.

use std::time::Duration;

use byway_primitives::{Amount, IdentityId};

use super::asset::asset_named;
use super::group::group;
use super::identity::view_key;
use super::output::{ago, fields, now, print, print_json, short, wait, way, word};
use super::{Globals, Hosting, Outcome, PromiseCommand, Table, WalletCommand, idempotency_key, with_progress};
use crate::api::*;
use crate::client::{Client, ClientError};

pub async fn wallet(globals: &Globals, command: WalletCommand, hosting: &impl Hosting) -> anyhow::Result<Outcome> {
    let client = || globals.client();
    match command {
        // These two need no running node.
        WalletCommand::ViewKey => return view_key(globals),
        WalletCommand::Watch(args) => return hosting.watch(globals, args).await,
        WalletCommand::Balance => {
            let balance: Balance = client()?.call("wallet_balance", &Nothing {}).await?;
            show(globals, &balance, balance_text)?;
        }
        WalletCommand::Address => {
            let answer: WalletAddress = client()?.call("wallet_address", &Nothing {}).await?;
            show(globals, &answer, |answer| format!("{}\n", answer.address))?;
        }
        WalletCommand::Send { to, amount, asset, once } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let asset = asset_named(&client()?, asset).await?;
            let request = WalletSend { to, amount, asset, idempotency_key };
            return move_money(globals, &client()?, "wallet_send", &request, until).await;
        }
        WalletCommand::Request { amount, asset, note, within } => {
            let asset = asset_named(&client()?, asset).await?;
            let expires_ms = within.map(|within| now() + byway_primitives::Span::seconds(within.seconds));
            let request = WalletRequest { amount, asset, note, expires_ms };
            let asked: PaymentLink = client()?.call("wallet_request", &request).await?;
            show(globals, &asked, |asked| format!("{}\n", asked.link))?;
        }
        WalletCommand::Pay { link, show: true, .. } => {
            let asked: PaymentLink = client()?.call("wallet_link", &WalletLink { link }).await?;
            show(globals, &asked, link_text)?;
        }
        WalletCommand::Pay { link, amount, once, .. } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = WalletPay { link, amount, idempotency_key };
            return move_money(globals, &client()?, "wallet_pay", &request, until).await;
        }
        WalletCommand::Deposit { amount, asset, once } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let client = client()?;
            let asset = asset_named(&client, asset).await?;
            let request = WalletMove { amount, asset, idempotency_key };
            return move_money(globals, &client, "wallet_deposit", &request, until).await;
        }
        WalletCommand::Withdraw { amount, asset, to, once } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let client = client()?;
            let asset = asset_named(&client, asset).await?;
            return withdraw(globals, &client, &WalletWithdraw { amount, asset, to, idempotency_key }, until).await;
        }
        WalletCommand::CancelWithdrawal { once } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = WalletWithdrawCancel { idempotency_key };
            return move_money(globals, &client()?, "wallet_withdraw_cancel", &request, until).await;
        }
        WalletCommand::Group(command) => return group(globals, command).await,
        WalletCommand::Consolidate { mix, within } => {
            let request = WalletConsolidate { mix, within_seconds: within.seconds };
            let plan: Consolidation = client()?.call("wallet_consolidate", &request).await?;
            show(globals, &plan, consolidation_text)?;
        }
        WalletCommand::History { limit } => {
            let request = WalletHistory { limit: limit as usize, before_ms: None };
            let entries: Vec<Entry> = client()?.call("wallet_history", &request).await?;
            show(globals, &entries, |entries| history_text(entries))?;
        }
    }
    Ok(Outcome::Done)
}

/// Announces a withdrawal, and says when the coins come.
async fn withdraw(
    globals: &Globals,
    client: &Client,
    request: &WalletWithdraw,
    until: Until,
) -> anyhow::Result<Outcome> {
    let outcome = move_money(globals, client, "wallet_withdraw", request, until).await?;
    if outcome == Outcome::Done && !globals.json {
        let balance: Balance = client.call("wallet_balance", &Nothing {}).await?;
        for leaving in &balance.withdrawing {
            let (amount, wait) = (way(leaving.amount), wait(leaving.available_ms, now()));
            let place = leaving.to.as_ref().map_or_else(|| "in the wallet".to_owned(), |to| format!("at {to}"));
            print(&format!("{amount} leave the account and are {place} {wait}.\n"))?;
        }
    }
    Ok(outcome)
}

pub async fn promise(globals: &Globals, command: PromiseCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let promises: Vec<Promise> = client.call("promise_list", &Nothing {}).await?;
    match command {
        PromiseCommand::List => show(globals, &promises, |promises| promises_text(promises))?,
        PromiseCommand::Settle { counterparty, no_wait } => {
            // What others owe us is settled; what we owe settles when its payee wants it to.
            let parties = counterparty.map_or_else(|| open_parties(&promises, Direction::In), |id| vec![id]);
            let mut settlements = Vec::new();
            for counterparty in parties {
                settlements.push((counterparty, settle(&client, counterparty, no_wait).await?));
            }
            let owed = if counterparty.is_none() { open_parties(&promises, Direction::Out) } else { Vec::new() };
            return print_settlements(globals, &settlements, &owed);
        }
    }
    Ok(Outcome::Done)
}

/// Settles what one party owes us.
async fn settle(client: &Client, counterparty: IdentityId, no_wait: bool) -> anyhow::Result<PromiseSettlement> {
    let idempotency_key = Some(idempotency_key(None)?);
    let request = PromiseSettle { counterparty, wait: no_wait.then_some(false), idempotency_key };
    let settling = client.call::<PromiseSettlement>("promise_settle", &request);
    Ok(with_progress("settling on the ledger", settling).await?)
}

/// Settles what all owe us.
pub async fn settle_all(client: &Client) -> anyhow::Result<Vec<PromiseSettlement>> {
    let promises: Vec<Promise> = client.call("promise_list", &Nothing {}).await?;
    let mut settlements = Vec::new();
    for counterparty in open_parties(&promises, Direction::In) {
        settlements.push(settle(client, counterparty, false).await?);
    }
    Ok(settlements)
}

/// How long a command about money waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// As long as the node does before it answers.
    Answered,
    Decided,
}

impl Until {
    pub fn of(wait: bool) -> Self {
        if wait { Self::Decided } else { Self::Answered }
    }
}

/// How often a call is repeated while its transaction is undecided.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Sends a transaction and shows how far it came. A rejection is a failure for whoever typed the command. `request` has an
/// idempotency key: the same call again tells how far the same transaction is.
pub async fn move_money(
    globals: &Globals,
    client: &Client,
    method: &str,
    request: &impl serde::Serialize,
    until: Until,
) -> anyhow::Result<Outcome> {
    let entry = transact(client, method, request, until).await?;
    show(globals, &entry, entry_text)?;
    Ok(outcome_of(&entry))
}

/// Sends a transaction and gives how far it came.
pub async fn transact(
    client: &Client,
    method: &str,
    request: &impl serde::Serialize,
    until: Until,
) -> anyhow::Result<Entry> {
    let sending = async {
        loop {
            let entry: Entry = client.call(method, request).await?;
            let is_decided = matches!(entry.stage, Stage::Final | Stage::Rejected);
            if is_decided || until == Until::Answered {
                return Ok::<_, ClientError>(entry);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    Ok(with_progress("waiting for the kernel", sending).await?)
}

pub fn outcome_of(entry: &Entry) -> Outcome {
    if entry.stage == Stage::Rejected { Outcome::No } else { Outcome::Done }
}

/// As JSON or as text.
pub fn show<T: serde::Serialize>(globals: &Globals, value: &T, text: impl Fn(&T) -> String) -> anyhow::Result<()> {
    if globals.json { print_json(value) } else { print(&text(value)) }
}

fn open_parties(promises: &[Promise], direction: Direction) -> Vec<IdentityId> {
    let open = promises.iter().filter(|promise| promise.direction == direction && promise.settled < promise.amount);
    let parties: std::collections::BTreeSet<_> = open.map(|promise| promise.counterparty).collect();
    parties.into_iter().collect()
}

fn print_settlements(
    globals: &Globals,
    settled: &[(IdentityId, PromiseSettlement)],
    owed: &[IdentityId],
) -> anyhow::Result<Outcome> {
    let rejected = |entry: &Entry| entry.stage == Stage::Rejected;
    let outcome = match settled.iter().flat_map(|(_, settlement)| &settlement.entries).any(rejected) {
        true => Outcome::No,
        false => Outcome::Done,
    };
    if globals.json {
        let list = settled.iter().map(|(counterparty, PromiseSettlement { entries, asked })| {
            serde_json::json!({ "counterparty": counterparty, "entries": entries, "asked": asked })
        });
        print_json(&list.collect::<Vec<_>>())?;
        return Ok(outcome);
    }
    if settled.is_empty() && owed.is_empty() {
        print("Everything is settled.\n")?;
    }
    for counterparty in owed {
        print(&format!("{counterparty} settles what we owe when it wants to.\n"))?;
    }
    for (counterparty, settlement) in settled {
        for entry in &settlement.entries {
            print(&entry_text(entry))?;
        }
        if settlement.asked {
            print(&format!(
                "The promise of {counterparty} is on its way; `byway promise list` shows how it stands.\n"
            ))?;
        }
    }
    Ok(outcome)
}

fn balance_text(balance: &Balance) -> String {
    let mut rows = vec![
        ("wallet", way(balance.wallet)),
        ("account", way(balance.account)),
        ("reserved", way(balance.reserved)),
        ("pending", way(balance.pending)),
    ];
    let now = now();
    for leaving in &balance.withdrawing {
        let wait = wait(leaving.available_ms, now);
        let place = leaving.to.as_ref().map_or_else(|| "in the wallet".to_owned(), |to| format!("at {to}"));
        rows.push(("withdrawing", format!("{}  {place} {wait}", way(leaving.amount))));
    }
    let mut text = fields(&rows);
    if !balance.assets.is_empty() {
        let mut table = Table::new(&["asset", ">wallet", ">account", ">pending", "name", "id"]);
        for asset in &balance.assets {
            table.row([
                asset.symbol.to_string(),
                asset.wallet.to_string(),
                asset.account.to_string(),
                asset.pending.to_string(),
                asset.name.to_string(),
                short(&asset.asset),
            ]);
        }
        text.push('\n');
        text.push_str(&table.text(""));
    }
    text
}

fn consolidation_text(plan: &Consolidation) -> String {
    let Consolidation { transactions, outputs, until_ms } = *plan;
    match transactions {
        0 => "There is nothing to merge: no payment has left several outputs.\n".to_owned(),
        _ => {
            let wait = wait(until_ms, now());
            format!("{outputs} outputs are merged by {transactions} transactions, of which the last is sent {wait}.\n")
        }
    }
}

/// An amount with the name of what it is in.
pub fn money(amount: Amount, asset: Option<&AssetTag>) -> String {
    asset.map_or_else(|| way(amount), |asset| format!("{amount} {}", asset.symbol))
}

pub fn entry_text(entry: &Entry) -> String {
    let fee = if entry.fee.is_zero() { String::new() } else { format!(" (fee {})", way(entry.fee)) };
    let kind = word(&entry.kind).replace('_', " ");
    let amount = match entry.kind {
        EntryKind::NodeCall => String::new(),
        _ => format!(" {}", money(entry.amount, entry.asset.as_ref())),
    };
    let end = match entry.stage {
        Stage::Final => "final".to_owned(),
        Stage::Included => {
            "included, and not paid before it is final; `byway wallet history` shows how it ends".to_owned()
        }
        Stage::Sent => "sent, not yet seen by the kernel; `byway wallet history` shows how it ends".to_owned(),
        Stage::Rejected => {
            let reason = entry.reason.as_ref().map_or("no reason given", |reason| reason.message.as_str());
            format!("rejected: {reason}")
        }
    };
    format!("{kind}{amount}{fee}: {end}\ntransaction {}\n", entry.transaction_id)
}

fn history_text(entries: &[Entry]) -> String {
    let mut table = Table::new(&["when", "what", ">amount", "", ">fee", "with", "stage", "transaction"]);
    let now = now();
    for entry in entries {
        table.row([
            ago(entry.time_ms, now),
            word(&entry.kind).replace('_', " "),
            entry.amount.to_string(),
            entry.asset.as_ref().map_or_else(|| "WAY".to_owned(), |asset| asset.symbol.to_string()),
            entry.fee.to_string(),
            entry.counterparty.as_ref().map(short).unwrap_or_default(),
            word(&entry.stage),
            short(&entry.transaction_id),
        ]);
    }
    table.text("Nothing came or went yet.")
}

fn promises_text(promises: &[Promise]) -> String {
    let mut table = Table::new(&["we", "counterparty", ">serial", ">promised", ">settled", "backing", "changed"]);
    let now = now();
    for promise in promises {
        let direction = match promise.direction {
            Direction::Out => "owe",
            Direction::In => "are owed",
        };
        table.row([
            direction.to_owned(),
            promise.counterparty.to_string(),
            promise.serial.to_string(),
            promise.amount.to_string(),
            promise.settled.to_string(),
            word(&promise.backing),
            ago(promise.updated_ms, now),
        ]);
    }
    table.text("No promises yet.")
}

fn link_text(asked: &PaymentLink) -> String {
    let amount = asked.amount.map_or_else(|| "as you say".to_owned(), |amount| format!("{amount} {}", asked.asset));
    let mut rows = vec![("to", asked.to.clone()), ("amount", amount)];
    rows.extend(asked.note.clone().map(|note| ("note", note)));
    fields(&rows)
}
