//! Buying and selling: `byway offer`, `connect`, `disconnect`, `session` and `fetch`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use byway_primitives::{Amount, IdentityId};
use byway_records::offer::Country;
use serde::Serialize;

use super::output::{ago, bytes, duration, fields, now, print_json, rate, short, way, word};
use super::wallet::{Until, entry_text, move_money, show};
use super::{
    ConnectArgs, FetchArgs, Globals, OfferCommand, OfferPublishArgs, Outcome, SessionCommand, Table, idempotency_key,
    progress, with_progress,
};
use crate::api::params::LIMIT_MAX;
use crate::api::*;
use crate::client::{Client, ClientError};
use crate::fetch::{self, Route};

/// How often, and how long apart, the cost of a fetch is looked up until it stands still: metering follows the bytes.
const RECEIPT_LOOKS: u32 = 8;
const RECEIPT_PAUSE: Duration = Duration::from_millis(400);

pub async fn offer(globals: &Globals, command: OfferCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        OfferCommand::List(args) => {
            let request = OfferList { filter: args.filter.filter(), limit: args.limit as usize };
            let offers: Vec<Offer> = client.call("offer_list", &request).await?;
            show(globals, &offers, |offers| offers_text(offers))?;
        }
        OfferCommand::Terms { offer, per } => {
            let request = OfferTermsAsk { offer_id: offer, unit: per.map(Into::into) };
            let asking = client.call::<OfferTerms>("offer_terms", &request);
            show(globals, &with_progress("asking the provider", asking).await?, terms_text)?;
        }
        OfferCommand::Publish(args) => return publish(globals, &client, args).await,
        OfferCommand::Withdraw { offer } => {
            let request = OfferWithdraw { offer_id: offer, idempotency_key: idempotency_key(None)? };
            return move_money(globals, &client, "offer_withdraw", &request, Until::Answered).await;
        }
    }
    Ok(Outcome::Done)
}

fn terms_text(terms: &OfferTerms) -> String {
    let free = match (terms.free, terms.price.unit) {
        (0, _) => "nothing".to_owned(),
        (free, Unit::Second) => format!("the first {}", duration(free / 1000)),
        (free, _) => format!("the first {}", bytes(free)),
    };
    let backing = match terms.backing {
        BackingKind::Account => "its payer's account",
        BackingKind::Reservation => "a reservation for this provider",
        BackingKind::Channel => "a channel",
    };
    fields(&[
        ("provider", terms.provider.to_string()),
        ("price", terms.price.to_string()),
        ("free", free),
        ("credit", way(terms.credit)),
        ("promises on", backing.to_owned()),
    ])
}

async fn publish(globals: &Globals, client: &Client, args: OfferPublishArgs) -> anyhow::Result<Outcome> {
    let request = OfferPublish {
        service: args.service,
        country: args.country,
        exit_country: args.exit_country,
        asn: args.asn,
        price_per_mb: args.price,
        price_per_second: args.price_per_second,
        bandwidth_bps: args.bandwidth,
        idempotency_key: idempotency_key(None)?,
    };
    let publishing = client.call::<Publication>("offer_publish", &request);
    let publication = with_progress("publishing on the ledger", publishing).await?;
    show(globals, &publication, |published| format!("offer {}\n{}", published.offer_id, entry_text(&published.entry)))?;
    Ok(if publication.entry.stage == Stage::Rejected { Outcome::No } else { Outcome::Done })
}

pub async fn connect(globals: &Globals, args: ConnectArgs) -> anyhow::Result<Outcome> {
    let request = args.request();
    let client = globals.client()?;
    let session: Session = with_progress("looking for an exit", client.call("connect", &request)).await?;
    show(globals, &session, |session| {
        let country = session.country.map(|country| country.to_string()).unwrap_or_else(|| "an unknown country".into());
        let paid =
            session.channel.as_ref().map_or_else(String::new, |channel| format!(", paid out of channel {channel}"));
        format!("Connected through {country} by {} for {}{paid}.\n", session.provider, session.price)
    })?;
    Ok(Outcome::Done)
}

pub async fn disconnect(globals: &Globals) -> anyhow::Result<Outcome> {
    let answer: serde_json::Value = globals.client()?.call("disconnect", &Nothing {}).await?;
    show(globals, &answer, |_| "Disconnected. The proxy refuses connections until `byway connect`.\n".to_owned())?;
    Ok(Outcome::Done)
}

pub async fn session(globals: &Globals, command: SessionCommand) -> anyhow::Result<Outcome> {
    let SessionCommand::List { limit } = command;
    let sessions: Vec<Session> = globals.client()?.call("session_list", &SessionList { limit: limit as usize }).await?;
    show(globals, &sessions, |sessions| sessions_text(sessions))?;
    Ok(Outcome::Done)
}

/// What a fetch brought and took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Receipt {
    bytes: u64,
    /// Times that a cut connection was taken up again.
    resumed: u32,
    /// What the node's sessions cost more than before, other traffic of that time included; `None` where it was not
    /// metered in time.
    cost: Option<Amount>,
    provider: Option<IdentityId>,
    country: Option<Country>,
    seconds: u64,
}

pub async fn fetch(globals: &Globals, args: FetchArgs) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let route = Route::new(&client.run_file().proxy, args.ca_file.as_deref())?;
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    if status.connection.state == ConnectionState::Disconnected {
        anyhow::bail!("the node is disconnected, as you said; `byway connect` opens an exit again");
    }
    let (before, begun) = (costs(&sessions(&client).await?), Instant::now());
    let fetched = match &args.output {
        Some(path) => {
            let bar = progress::byte_bar();
            let fetched = fetch::fetch_to_file(&route, &args.url, path, |bytes, total| {
                total.into_iter().for_each(|total| bar.set_length(total));
                bar.set_position(bytes);
            });
            let fetched = fetched.await;
            bar.finish_and_clear();
            fetched?
        }
        None => {
            let mut out = std::io::stdout();
            fetch::fetch_to_sink(&route, &args.url, |block| out.write_all(block)).await?
        }
    };
    let seconds = begun.elapsed().as_secs();
    let (after, used) = settled_costs(&client, &before).await?;
    let cost = spent(&before, &after);
    let is_free = used.as_ref().is_some_and(|session| session.price.amount.is_zero());
    let receipt = Receipt {
        bytes: fetched.bytes,
        resumed: fetched.resumed,
        // Something that has its price does not cost nothing; it is only not counted yet.
        cost: (is_free || !cost.is_zero()).then_some(cost),
        provider: used.as_ref().map(|session| session.provider),
        country: used.as_ref().and_then(|session| session.country),
        seconds,
    };
    // Without -o standard output is the content's, so the receipt goes where errors go.
    match (globals.json, &args.output) {
        (true, Some(_)) => print_json(&receipt)?,
        (true, None) => eprintln!("{}", serde_json::to_string(&receipt)?),
        (false, _) => eprint!("{}", receipt_text(&receipt)),
    }
    Ok(Outcome::Done)
}

async fn sessions(client: &Client) -> Result<Vec<Session>, ClientError> {
    client.call("session_list", &SessionList { limit: LIMIT_MAX as usize }).await
}

fn costs(sessions: &[Session]) -> BTreeMap<SessionId, Amount> {
    sessions.iter().map(|session| (session.id.clone(), session.cost)).collect()
}

/// How much more `after` is than `before`.
fn spent(before: &BTreeMap<SessionId, Amount>, after: &BTreeMap<SessionId, Amount>) -> Amount {
    let more = |(id, cost): (&SessionId, &Amount)| cost.saturating_sub(before.get(id).copied().unwrap_or_default());
    Amount::checked_sum(after.iter().map(more)).unwrap_or(Amount::MAX)
}

/// The costs once they stand still above `before`, and the newest session among those that changed.
async fn settled_costs(
    client: &Client,
    before: &BTreeMap<SessionId, Amount>,
) -> Result<(BTreeMap<SessionId, Amount>, Option<Session>), ClientError> {
    let mut last = sessions(client).await?;
    for _ in 0..RECEIPT_LOOKS {
        tokio::time::sleep(RECEIPT_PAUSE).await;
        let next = sessions(client).await?;
        let stands = costs(&next) == costs(&last) && !spent(before, &costs(&next)).is_zero();
        last = next;
        if stands {
            break;
        }
    }
    let costs = costs(&last);
    let used = last.into_iter().find(|session| before.get(&session.id) != costs.get(&session.id));
    Ok((costs, used))
}

fn receipt_text(receipt: &Receipt) -> String {
    let unknown = || "unknown".to_owned();
    let unmetered = || "not metered yet; `byway session list` shows it in a moment".to_owned();
    let mut rows = vec![
        ("bytes", format!("{} ({})", receipt.bytes, bytes(receipt.bytes))),
        ("cost", receipt.cost.map_or_else(unmetered, way)),
        ("provider", receipt.provider.map_or_else(unknown, |id| id.to_string())),
        ("country", receipt.country.map_or_else(unknown, |country| country.to_string())),
        ("time", duration(receipt.seconds)),
    ];
    if receipt.resumed > 0 {
        rows.push(("resumed", format!("{} times", receipt.resumed)));
    }
    fields(&rows)
}

fn offers_text(offers: &[Offer]) -> String {
    let mut table =
        Table::new(&["exit", ">asn", "service", ">WAY", "per", ">bandwidth", ">quality", "provider", "offer"]);
    for offer in offers {
        let price = offer.price.as_ref().or(offer.prices.first());
        table.row([
            offer.exit_country.to_string(),
            offer.asn.to_string(),
            offer.service_name.clone().unwrap_or_else(|| offer.service.to_string()),
            price.map(|price| price.amount.to_string()).unwrap_or_default(),
            price.map(|price| word(&price.unit)).unwrap_or_default(),
            rate(offer.bandwidth_bps),
            offer.quality.as_ref().map(quality_text).unwrap_or_default(),
            short(&offer.provider),
            offer.offer_id.to_string(),
        ]);
    }
    table.text("No offer matches.")
}

/// The score, and whose word it is: "812 (5 own, 3 others)".
fn quality_text(quality: &Quality) -> String {
    let Quality { score, own_sessions, attesters, .. } = quality;
    format!("{score} ({own_sessions} own, {attesters} others)")
}

fn sessions_text(sessions: &[Session]) -> String {
    let headings = ["started", "exit", "with", ">down", ">up", ">time", ">cost", ">paid", "paid from", "state"];
    let mut table = Table::new(&headings);
    let now = now();
    for session in sessions {
        table.row([
            ago(session.started_ms, now),
            match session.client {
                Some(_) => "served".to_owned(),
                None => session.country.map(|country| country.to_string()).unwrap_or_default(),
            },
            short(session.client.as_ref().unwrap_or(&session.provider)),
            bytes(session.bytes_down),
            bytes(session.bytes_up),
            duration(session.seconds),
            session.cost.to_string(),
            session.paid.to_string(),
            match &session.channel {
                Some(channel) => format!("channel {}", channel.get(..8).unwrap_or(channel)),
                None => "account".to_owned(),
            },
            word(&session.state),
        ]);
    }
    table.text("No sessions yet.")
}
