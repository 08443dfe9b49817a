//! `byway light`: facts of the ledger, verified on this machine by asking kernel nodes that need not be trusted.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use byway_driver::entropy;
use byway_kernel::follower::protocol::StageClaim;
use byway_kernel::light::{Head, TrustedCheckpoint, received};
use byway_primitives::{Amount, AssetId, Decode, IdentityId, Span, Time};
use byway_records::offer::Price;
use byway_records::state::{Account, PublishedOffer, Registration, account_key, offer_key, registration_key};
use byway_records::{Checkpoint, Genesis, OutputId, ProgramId, TransactionId};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{ago, duration, fields, now, print, print_json, way, word};
use super::watch::read_view_key;
use super::{Globals, Outcome};
use crate::genesis;
use crate::light::{self, EntryAt, FinalAt, Light, LightConfig, Trouble};

/// How long one kernel node may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct LightArgs {
    /// The network's genesis file
    #[arg(long, global = true, value_name = "FILE")]
    network: Option<PathBuf>,
    /// Begin at this checkpoint, which somebody you trust has named, instead of at genesis
    #[arg(long, global = true, value_name = "HEIGHT:DIGEST")]
    checkpoint: Option<TrustedCheckpoint>,
    #[command(subcommand)]
    command: LightCommand,
}

#[derive(Debug, Subcommand)]
pub enum LightCommand {
    /// Show what was verified last; asks nobody
    Status,
    /// Move on to the newest checkpoint
    Sync,
    /// Verify that a transaction is final; exit code 1 if nobody can show it
    Transaction {
        /// The transaction's id
        id: TransactionId,
    },
    /// Verify that a transaction is final and pays you; exit code 1 if not
    Payment {
        /// The transaction's id
        id: TransactionId,
        /// Read the view key from a file [default: ask, or standard input]
        #[arg(long, value_name = "FILE")]
        view_key_file: Option<PathBuf>,
    },
    /// Verify any entry of a program, or that there is none; exit code 1 then
    Entry {
        /// system, registry, offers, accounts, assets, kernel, channels, or a number
        program: ProgramName,
        /// The entry's key as hex digits
        key: HexKey,
    },
    /// Verify whether an identity is registered; exit code 1 if not
    Identity {
        /// The identity's id
        id: IdentityId,
    },
    /// Verify what is in an identity's payment account; exit code 1 if there is none
    Account {
        /// The identity's id
        id: IdentityId,
        /// Another asset than WAY, by its id
        #[arg(long, default_value = "WAY", value_name = "ID")]
        asset: AssetId,
    },
    /// Verify an offer; exit code 1 if it is not published
    Offer {
        /// The provider's identity
        provider: IdentityId,
        /// The offer's serial
        serial: u64,
    },
}

/// A program by name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramName(ProgramId);

/// An entry's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexKey(Vec<u8>);

/// What every answer says: under what it was verified, and who was no help.
#[derive(Debug, Serialize)]
struct Verified<T> {
    #[serde(flatten)]
    what: T,
    at: Option<At>,
    /// Set where the newest checkpoint that was shown is older than it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_ms: Option<Span>,
    troubles: Vec<Trouble>,
}

/// A checkpoint.
#[derive(Debug, Serialize)]
struct At {
    height: u64,
    time_ms: Time,
    /// `HEIGHT:DIGEST`, where others can begin.
    checkpoint: String,
}

#[derive(Debug, Serialize)]
struct Status {
    network: String,
    epoch: u32,
    /// Kernel nodes that count.
    members: usize,
    quorum: usize,
}

#[derive(Debug, Serialize)]
struct Finality {
    transaction_id: TransactionId,
    /// Whether it is proved to be final.
    is_final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// What one node says where nothing is proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
}

/// One node's word.
#[derive(Debug, Serialize)]
struct Claimed {
    node: String,
    stage: &'static str,
}

#[derive(Debug, Serialize)]
struct Payment {
    #[serde(flatten)]
    finality: Finality,
    received: Vec<Received>,
    /// Who says what is unspent; nobody can prove it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unspent_claimed_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Received {
    index: u32,
    amount: Amount,
    asset: AssetId,
    #[serde(skip_serializing_if = "Option::is_none")]
    unspent_claimed: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Entry<T> {
    program: u16,
    key: String,
    /// As it is encoded; nothing where there certainly is no such entry.
    value: Option<String>,
    #[serde(flatten)]
    read: Option<T>,
}

/// Nothing is read out of an entry whose form is not known here.
#[derive(Debug, Serialize)]
struct Unread {}

#[derive(Debug, Serialize)]
struct Registered {
    pledge: Amount,
    since_ms: Time,
}

#[derive(Debug, Serialize)]
struct Balance {
    balance: Amount,
    withdrawing: Amount,
}

#[derive(Debug, Serialize)]
struct Offered {
    provider: IdentityId,
    serial: u64,
    exit_country: String,
    prices: Vec<Price>,
    published_ms: Time,
    expires_ms: Time,
}

pub async fn light(globals: &Globals, args: LightArgs) -> anyhow::Result<Outcome> {
    let network = args.network.context("name the network's genesis file: --network FILE")?;
    let genesis = Arc::new(genesis::load(&network)?);
    let trusted = args.checkpoint.or(genesis::recent_checkpoint(&network)?);
    let directory = globals.directory()?;
    directory.create()?;
    let file = directory.root().join(format!("light-{}.head", &genesis.network().to_string()[..16]));
    if let LightCommand::Status = args.command {
        let head = light::load(&genesis, &file)?;
        return status(globals, &genesis, head.context("nothing was verified yet; `byway light sync` does")?);
    }
    let view = match &args.command {
        LightCommand::Payment { view_key_file, .. } => Some(read_view_key(view_key_file.as_deref())?),
        _ => None,
    };
    let mut light =
        Light::open(genesis, &file, trusted, LightConfig { patience: PATIENCE, first: entropy::number() }).await?;
    light.sync().await?;
    match args.command {
        LightCommand::Status | LightCommand::Sync => {
            let status = Status::of(light.genesis(), light.head());
            show(globals, &light, light.head().checkpoint.as_ref(), status, status_text)
        }
        LightCommand::Transaction { id } => {
            let (finality, at) = finality(&mut light, id).await?;
            show(globals, &light, at.as_ref(), finality, finality_text)
        }
        LightCommand::Payment { id, .. } => {
            let view = view.context("the view key was read above")?;
            let (finality, at) = finality(&mut light, id).await?;
            let payment = payment(&mut light, finality, &view).await?;
            show(globals, &light, at.as_ref(), payment, payment_text)
        }
        LightCommand::Entry { program, key } => {
            entry(globals, &mut light, program.0, key.0, |_: &[u8]| None::<Unread>, |_| Vec::new()).await
        }
        LightCommand::Identity { id } => {
            let key = registration_key(id);
            entry(globals, &mut light, ProgramId::REGISTRY, key, registered, registered_rows).await
        }
        LightCommand::Account { id, asset } => {
            let key = account_key(id, asset);
            entry(globals, &mut light, ProgramId::ACCOUNTS, key, balance, balance_rows).await
        }
        LightCommand::Offer { provider, serial } => {
            let key = offer_key(provider, serial);
            entry(globals, &mut light, ProgramId::OFFERS, key, offered, offered_rows).await
        }
    }
}

fn status(globals: &Globals, genesis: &Genesis, head: Head) -> anyhow::Result<Outcome> {
    let (what, at) = (Status::of(genesis, &head), head.checkpoint.as_ref().map(At::of));
    let verified = Verified { what, at, stale_ms: None, troubles: Vec::new() };
    print_verified(globals, &verified, status_text)?;
    Ok(Outcome::Done)
}

/// Whether a transaction is final, and under which checkpoint that is certain.
async fn finality(light: &mut Light, id: TransactionId) -> anyhow::Result<(Finality, Option<Checkpoint>)> {
    if let Some(FinalAt { position, checkpoint }) = light.transaction(id).await? {
        let finality = Finality { transaction_id: id, is_final: true, position: Some(position), claimed: None };
        return Ok((finality, Some(checkpoint)));
    }
    let claimed = light.claimed_stage(id).await.map(|(node, stage)| Claimed { node, stage: stage_word(stage) });
    Ok((Finality { transaction_id: id, is_final: false, position: None, claimed }, None))
}

fn stage_word(stage: StageClaim) -> &'static str {
    match stage {
        StageClaim::Unknown => "unknown",
        StageClaim::Pooled => "sent",
        StageClaim::Included => "included",
        StageClaim::Final => "final",
        StageClaim::Rejected => "rejected",
        StageClaim::GaveWay => "gave way",
    }
}

async fn payment(light: &mut Light, finality: Finality, view: &byway_crypto::ViewSecret) -> anyhow::Result<Payment> {
    let id = finality.transaction_id;
    if !finality.is_final {
        return Ok(Payment { finality, received: Vec::new(), unspent_claimed_by: None });
    }
    let body = light.body(id).await?.context(
        "the transaction is final, but no kernel node that answers keeps it any more, so what it pays can't be read; ask \
         the payer for it, or use `byway wallet watch`",
    )?;
    let found = received(&body, view);
    let ids: Vec<OutputId> = found.iter().map(|(index, _)| OutputId { transaction: id, index: *index }).collect();
    let claimed = if ids.is_empty() { None } else { light.claimed_unspent(&ids).await };
    let (unspent_claimed_by, unspent) = claimed.unzip();
    let received = found.into_iter().enumerate().map(|(place, (index, value))| Received {
        index,
        amount: value.amount,
        asset: value.asset,
        unspent_claimed: unspent.as_ref().and_then(|unspent| unspent.get(place).copied()),
    });
    Ok(Payment { finality, received: received.collect(), unspent_claimed_by })
}

/// What an entry of a program is called.
fn named(program: ProgramId) -> &'static str {
    match program {
        ProgramId::REGISTRY => "registration",
        ProgramId::ACCOUNTS => "account",
        ProgramId::OFFERS => "offer",
        _ => "entry",
    }
}

/// Verifies and shows an entry, with what `read` makes of it.
async fn entry<T: Serialize>(
    globals: &Globals,
    light: &mut Light,
    program: ProgramId,
    key: Vec<u8>,
    read: impl Fn(&[u8]) -> Option<T>,
    rows: impl Fn(&T) -> Vec<(&'static str, String)>,
) -> anyhow::Result<Outcome> {
    let EntryAt { value, checkpoint } = light.entry(program, &key).await?.context(
        "no kernel node can prove entries of that program just now: there is no such program, or the node was started \
         a moment ago and has no certified checkpoint yet; try again in a minute",
    )?;
    let entry = Entry {
        program: program.0,
        key: hex::encode(&key),
        read: value.as_deref().and_then(read),
        value: value.as_ref().map(hex::encode),
    };
    show(globals, light, Some(&checkpoint), entry, |entry| match (&entry.value, &entry.read) {
        (None, _) => (fields(&[(named(program), "certainly not there".to_owned())]), Outcome::No),
        (Some(_), Some(read)) => (fields(&rows(read)), Outcome::Done),
        (Some(value), None) => (fields(&[("value", value.clone())]), Outcome::Done),
    })
}

fn registered(value: &[u8]) -> Option<Registered> {
    let Registration { pledge, since, .. } = Registration::from_bytes(value).ok()?;
    Some(Registered { pledge, since_ms: since })
}

fn registered_rows(read: &Registered) -> Vec<(&'static str, String)> {
    vec![("registered", ago(read.since_ms, now())), ("pledge", way(read.pledge))]
}

fn balance(value: &[u8]) -> Option<Balance> {
    let Account { balance, withdrawal } = Account::from_bytes(value).ok()?;
    Some(Balance { balance, withdrawing: withdrawal.map_or(Amount::ZERO, |withdrawal| withdrawal.amount) })
}

fn balance_rows(read: &Balance) -> Vec<(&'static str, String)> {
    vec![("balance", read.balance.to_string()), ("withdrawing", read.withdrawing.to_string())]
}

fn offered(value: &[u8]) -> Option<Offered> {
    let PublishedOffer { offer, published, expires } = PublishedOffer::from_bytes(value).ok()?;
    let offer = offer.offer;
    Some(Offered {
        provider: offer.provider,
        serial: offer.serial,
        exit_country: offer.exit.country.to_string(),
        prices: offer.prices,
        published_ms: published,
        expires_ms: expires.time,
    })
}

fn offered_rows(read: &Offered) -> Vec<(&'static str, String)> {
    let price = |price: &Price| format!("{} {} per {}", price.amount, price.asset, word(&price.unit));
    let prices: Vec<String> = read.prices.iter().map(price).collect();
    vec![
        ("exit", read.exit_country.clone()),
        ("price", prices.join(", ")),
        ("published", ago(read.published_ms, now())),
    ]
}

impl Status {
    fn of(genesis: &Genesis, head: &Head) -> Self {
        let seats = &head.epoch.seats;
        let (members, quorum) = (seats.count(), seats.quorum());
        Self { network: genesis.name.clone(), epoch: head.epoch.number, members, quorum }
    }
}

impl At {
    fn of(checkpoint: &Checkpoint) -> Self {
        let named = TrustedCheckpoint::from(checkpoint).to_string();
        Self { height: checkpoint.height.0, time_ms: checkpoint.time, checkpoint: named }
    }
}

fn status_text(status: &Status) -> (String, Outcome) {
    let rows = [
        ("network", status.network.clone()),
        ("epoch", format!("{}, {} kernel nodes of which {} certify", status.epoch, status.members, status.quorum)),
    ];
    (fields(&rows), Outcome::Done)
}

fn finality_text(finality: &Finality) -> (String, Outcome) {
    let id = ("transaction", finality.transaction_id.to_string());
    if let Some(position) = finality.position {
        return (fields(&[id, ("final", format!("certainly, as number {}", position + 1))]), Outcome::Done);
    }
    let claimed = match &finality.claimed {
        Some(Claimed { node, stage }) => format!("; {node} says that it is {stage}, which proves nothing"),
        None => String::new(),
    };
    (fields(&[id, ("final", format!("nobody shows that it is{claimed}"))]), Outcome::No)
}

fn payment_text(payment: &Payment) -> (String, Outcome) {
    let (mut text, outcome) = finality_text(&payment.finality);
    if !payment.finality.is_final {
        return (text, outcome);
    }
    if payment.received.is_empty() {
        return (text + "It pays nothing to this view key.\n", Outcome::No);
    }
    for Received { amount, asset, unspent_claimed, .. } in &payment.received {
        let claim = unspent_claimed.zip(payment.unspent_claimed_by.as_ref());
        let claim = claim.map(|(unspent, node)| {
            let state = if unspent { "unspent" } else { "spent" };
            format!("; {node} says that it is {state}, which proves nothing")
        });
        text += &format!("pays {amount} {asset}{}\n", claim.unwrap_or_default());
    }
    (text, Outcome::Done)
}

/// Shows what was verified and under what; says how the command ended.
fn show<T: Serialize>(
    globals: &Globals,
    light: &Light,
    checkpoint: Option<&Checkpoint>,
    what: T,
    text: impl Fn(&T) -> (String, Outcome),
) -> anyhow::Result<Outcome> {
    let outcome = text(&what).1;
    let (stale_ms, troubles) = (light.staleness(), light.troubles().to_vec());
    let verified = Verified { what, at: checkpoint.map(At::of), stale_ms, troubles };
    print_verified(globals, &verified, text)?;
    Ok(outcome)
}

fn print_verified<T: Serialize>(
    globals: &Globals,
    verified: &Verified<T>,
    text: impl Fn(&T) -> (String, Outcome),
) -> anyhow::Result<()> {
    if globals.json {
        return print_json(verified);
    }
    for Trouble { node, lied, what } in &verified.troubles {
        let lied = if *lied { "lied: " } else { "" };
        eprintln!("{node} {lied}{what}; another kernel node was asked");
    }
    if let Some(age) = verified.stale_ms {
        let age = duration(age.0 / 1000);
        eprintln!(
            "the newest checkpoint that was shown is {age} old: the kernel stands still, or who was asked holds back"
        );
    }
    let (mut shown, _) = text(&verified.what);
    if let Some(at) = &verified.at {
        shown += &fields(&[("verified at", at.checkpoint.clone()), ("which is of", ago(at.time_ms, now()))]);
    }
    print(&shown)
}

const NO_PROGRAM: &str = "one of system, registry, offers, accounts, assets, kernel, channels, or a number is needed";

impl FromStr for ProgramName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "system" => ProgramId::SYSTEM,
            "registry" => ProgramId::REGISTRY,
            "offers" => ProgramId::OFFERS,
            "accounts" => ProgramId::ACCOUNTS,
            "assets" => ProgramId::ASSETS,
            "kernel" => ProgramId::KERNEL,
            "channels" => ProgramId::CHANNELS,
            number => ProgramId(number.parse().map_err(|_| NO_PROGRAM.to_owned())?),
        }))
    }
}

impl FromStr for HexKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let key = hex::decode(digits).map_err(|error| format!("the key is written in hex digits: {error}"))?;
        let limit = byway_ledger::difference::ENTRY_KEY_BYTES_MAX;
        if key.len() > limit { Err(format!("a key has at most {limit} bytes")) } else { Ok(Self(key)) }
    }
}
