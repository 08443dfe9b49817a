//! Channels with other peers: `byway channel`.

pub(super) mod abi;
pub(super) mod contract;
pub(super) mod text;

use byway_primitives::{Amount, AssetId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::asset::{asset_named, asset_of};
use super::hub;
use super::output::print;
use super::progress::with_progress;
use super::wallet::show;
use super::{
    AssetDepositArg, ChannelCommand, ChannelFundArgs, ChannelName, ChannelOpenArgs, ChannelShowArgs, Globals, KeyArg,
    Outcome, RemainderArg, idempotency_key,
};
use crate::api::*;
use crate::client::{Client, ClientError};

/// How often it is looked what has become of a channel that is followed.
const LOOK_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

pub async fn channel(globals: &Globals, command: ChannelCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ChannelCommand::List => {
            let channels: Vec<ChannelRecord> = client.call("channel_list", &Nothing {}).await?;
            show(globals, &channels, |channels| text::list(channels))?;
        }
        ChannelCommand::Show(args) if args.follow => follow(globals, &client, &named(args.name)).await?,
        ChannelCommand::Show(ChannelShowArgs { name, log, .. }) => {
            let detail: ChannelDetail = client.call("channel_show", &named(name)).await?;
            show(globals, &detail, |detail| text::detail(detail, log))?;
        }
        ChannelCommand::Log { name, follow } => log(globals, &client, &named(name), follow).await?,
        ChannelCommand::Open(args) => {
            let message = "Waiting for the peer to agree, and for the ledger to have it…";
            told(globals, &client, message, "channel_open", &open(&client, args).await?, text::opened).await?;
        }
        ChannelCommand::Accept(name) => {
            let message = "Waiting for the ledger to have it…";
            told(globals, &client, message, "channel_accept", &named(name), text::opened).await?;
        }
        ChannelCommand::Decline(name) => decline(globals, &client, &named(name)).await?,
        ChannelCommand::Invoice { amount, note, expires } => {
            let request = ChannelInvoiceMake { amount, note, expires_seconds: expires };
            told(globals, &client, "Writing it down…", "channel_invoice", &request, hub::invoice).await?;
        }
        ChannelCommand::Pay { channel: invoice, amount: None, fee_max, yes, .. } => {
            pay_invoice(globals, &client, invoice, fee_max, yes).await?;
        }
        ChannelCommand::Pay { channel, amount: Some(amount), asset, lane, key, .. } => {
            let asset = asset_named(&client, asset).await?;
            pay(globals, &client, ChannelPay { channel, amount, asset, lane, idempotency_key: fresh(key)? }).await?;
        }
        ChannelCommand::Lane { name: ChannelName { channel }, amount } => {
            let request = ChannelLane { channel, capacity: amount };
            told(globals, &client, UPDATING, "channel_lane", &request, text::updated).await?;
        }
        ChannelCommand::Absorb(name) => {
            told(globals, &client, UPDATING, "channel_absorb", &named(name), text::updated).await?;
        }
        ChannelCommand::Update { name: ChannelName { channel }, lane } => {
            let request = ChannelUpdate { channel, lane };
            told(globals, &client, UPDATING, "channel_update", &request, text::settled).await?;
        }
        ChannelCommand::Message { name: ChannelName { channel }, text, kind, data } => {
            let request = ChannelMessageSay { channel, text, kind, data };
            told(globals, &client, "Saying it…", "channel_message", &request, text::said).await?;
        }
        ChannelCommand::Cancel(name) => {
            told(globals, &client, UPDATING, "channel_cancel", &named(name), text::cancelled).await?;
        }
        ChannelCommand::Deposit(args) => fund(globals, &client, ChannelMovement::Deposit, args).await?,
        ChannelCommand::Withdraw(args) => fund(globals, &client, ChannelMovement::Withdraw, args).await?,
        ChannelCommand::Restore { name: ChannelName { channel }, peer } => {
            let restored: ChannelRecord = client.call("channel_restore", &ChannelRestore { channel, peer }).await?;
            show(globals, &restored, text::restored)?;
        }
        ChannelCommand::Close { name: ChannelName { channel }, alone, split } => {
            close(globals, &client, channel, alone, split).await?;
        }
        ChannelCommand::Force(args) => return contract::force(globals, &client, args).await,
        ChannelCommand::Contract(command) => return contract::contract(globals, &client, command).await,
    }
    Ok(Outcome::Done)
}

async fn decline(globals: &Globals, client: &Client, name: &impl Serialize) -> anyhow::Result<()> {
    let answer: serde_json::Value = client.call("channel_decline", name).await?;
    show(globals, &answer, |_| "Declined, and forgotten; no money has moved.\n".to_owned())
}

async fn pay(globals: &Globals, client: &Client, request: ChannelPay) -> anyhow::Result<()> {
    let text = if request.lane { text::promised } else { text::updated };
    told(globals, client, UPDATING, "channel_pay", &request, text).await
}

/// Together, alone, or by what both name.
async fn close(
    globals: &Globals,
    client: &Client,
    channel: String,
    alone: bool,
    split: Vec<AssetDepositArg>,
) -> anyhow::Result<()> {
    if !split.is_empty() {
        let request = ChannelClose { channel, alone: false, split: Some(split_of(client, split).await?) };
        let message = "Waiting for the peer to name the same…";
        return told(globals, client, message, "channel_close", &request, text::split).await;
    }
    let message = if alone { "Waiting for the ledger…" } else { "Waiting for the peer and the ledger…" };
    let request = ChannelClose { channel, alone, split: None };
    told(globals, client, message, "channel_close", &request, text::closed).await
}

/// What is said while a peer is to sign.
const UPDATING: &str = "Waiting for the peer to sign…";

async fn pay_invoice(
    globals: &Globals,
    client: &Client,
    invoice: String,
    fee_max: Option<Amount>,
    yes: bool,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        invoice.starts_with("byway:pay/"),
        "that is no invoice; to pay in a channel say how much, as in `byway channel pay {invoice} 0.25`"
    );
    hub::ask(yes, &invoice, fee_max)?;
    let request = ChannelInvoicePay { invoice, fee_max };
    told(globals, client, "Paying, over whatever hubs there are…", "channel_invoice_pay", &request, hub::paid).await
}

/// Calls, saying so where it takes long, and shows the answer.
async fn told<T: Serialize + DeserializeOwned>(
    globals: &Globals,
    client: &Client,
    message: &'static str,
    method: &str,
    request: &impl Serialize,
    text: impl Fn(&T) -> String,
) -> anyhow::Result<()> {
    let answer: T = asked(client, message, method, request).await?;
    show(globals, &answer, text)
}

async fn asked<T: DeserializeOwned>(
    client: &Client,
    message: &'static str,
    method: &str,
    request: &impl Serialize,
) -> Result<T, ClientError> {
    with_progress(message, client.call(method, request)).await
}

fn named(ChannelName { channel }: ChannelName) -> ChannelNamed {
    ChannelNamed { channel }
}

fn fresh(key: KeyArg) -> anyhow::Result<params::IdempotencyKey> {
    idempotency_key(key.idempotency_key)
}

async fn open(client: &Client, args: ChannelOpenArgs) -> anyhow::Result<ChannelOpen> {
    let mut assets = Vec::new();
    for AssetDepositArg { asset, ours, theirs } in args.asset {
        assets.push(ChannelAssetDeposit { asset: asset_of(client, asset).await?, ours, theirs });
    }
    Ok(ChannelOpen {
        peer: args.peer,
        deposit: args.amount,
        their_deposit: args.theirs,
        reserve: args.reserve,
        lock_seconds: args.lock,
        remainder: match args.remainder {
            RemainderArg::Ours => ChannelRemainder::Ours,
            RemainderArg::Theirs => ChannelRemainder::Theirs,
            RemainderArg::Halves => ChannelRemainder::Halves,
        },
        assets,
        via: args.via,
        days: args.days,
        idempotency_key: fresh(args.key)?,
    })
}

/// What each is to get, of WAY and of other assets.
async fn split_of(client: &Client, named: Vec<AssetDepositArg>) -> anyhow::Result<ChannelSplit> {
    let (mut way, mut assets) = (None, Vec::new());
    for AssetDepositArg { asset, ours, theirs } in named {
        match asset_of(client, asset).await? {
            AssetId::WAY => way = Some((ours, theirs)),
            asset => assets.push(ChannelAssetDeposit { asset, ours, theirs }),
        }
    }
    let Some((ours, theirs)) = way else {
        anyhow::bail!(
            "say what becomes of WAY too, as in --split WAY:4:6: ours and the peer's, all that is in the channel"
        );
    };
    Ok(ChannelSplit { ours, theirs, assets })
}

async fn fund(
    globals: &Globals,
    client: &Client,
    movement: ChannelMovement,
    args: ChannelFundArgs,
) -> anyhow::Result<()> {
    let ChannelFundArgs { name: ChannelName { channel }, amount, asset, key } = args;
    let asset = asset_named(client, asset).await?;
    let request = ChannelFund { channel, movement, amount, asset, idempotency_key: fresh(key)? };
    told(globals, client, "Waiting for the peer and the ledger…", "channel_fund", &request, text::standing).await
}

/// Prints how a channel stands, and then whatever changes until it is closed; as JSON one object a line.
async fn follow(globals: &Globals, client: &Client, named: &ChannelNamed) -> anyhow::Result<()> {
    let stands = |detail: &ChannelDetail| (detail.record.channel.clone(), detail.record.state);
    let text = |before: Option<&ChannelDetail>, detail: &ChannelDetail| match before {
        None => text::detail(detail, true),
        Some(before) => text::change(before, detail),
    };
    follow_by(globals, client, "channel_show", named, stands, text).await
}

/// Prints what happened and what was said; where it is followed, then whatever comes.
async fn log(globals: &Globals, client: &Client, named: &ChannelNamed, follow: bool) -> anyhow::Result<()> {
    if follow {
        let stands = |log: &ChannelLog| (log.channel.clone(), log.state);
        return follow_by(globals, client, "channel_log", named, stands, text::messages).await;
    }
    let log: ChannelLog = client.call("channel_log", named).await?;
    show(globals, &log, |log| text::messages(None, log))
}

/// Calls over and over and prints what is new, until the channel is closed. `stands` has the channel's name and state out of an answer, `text` what is
/// new in one after the one before.
async fn follow_by<T: Serialize + DeserializeOwned + PartialEq>(
    globals: &Globals,
    client: &Client,
    method: &str,
    named: &ChannelNamed,
    stands: impl Fn(&T) -> (String, ChannelState),
    text: impl Fn(Option<&T>, &T) -> String,
) -> anyhow::Result<()> {
    let mut seen: Option<T> = None;
    loop {
        // Once it is closed, only its whole name leads to it.
        let whole = seen.as_ref().map(|seen| ChannelNamed { channel: stands(seen).0 });
        let answer: T = client.call(method, whole.as_ref().unwrap_or(named)).await?;
        if seen.as_ref() != Some(&answer) {
            print(&match globals.json {
                true => format!("{}\n", serde_json::to_string(&answer)?),
                false => text(seen.as_ref(), &answer),
            })?;
        }
        if stands(&answer).1 == ChannelState::Closed {
            return Ok(());
        }
        seen = Some(answer);
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
