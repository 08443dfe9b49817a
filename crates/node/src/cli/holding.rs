//! Holding for others and being held for: `byway hold`.

use super::output::way;
use super::wallet::show;
use super::{Globals, HoldCommand, Outcome, Table};
use crate::api::*;
use crate::client::Client;

pub async fn hold(globals: &Globals, command: HoldCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let status: HoldStatus = match command {
        HoldCommand::Find => return find(globals, &client).await,
        HoldCommand::Offer { price, room, client: client_mb, publish } => {
            let publish = publish.then_some(true);
            let request = HoldOffer { accept: true, price, room_mb: room, client_mb, publish };
            client.call("hold_offer", &request).await?
        }
        HoldCommand::Stop => {
            let request = HoldOffer { accept: false, price: None, room_mb: None, client_mb: None, publish: None };
            client.call("hold_offer", &request).await?
        }
        HoldCommand::Use { holder, price_max, mb, days } => {
            client.call("hold_use", &HoldUse { holder, price_max, megabytes: mb, days }).await?
        }
        HoldCommand::Leave { holder } => client.call("hold_leave", &HoldLeave { holder }).await?,
        HoldCommand::Fetch => client.call("hold_fetch", &Nothing {}).await?,
        HoldCommand::Status => client.call("hold_status", &Nothing {}).await?,
    };
    show(globals, &status, text)?;
    Ok(Outcome::Done)
}

async fn find(globals: &Globals, client: &Client) -> anyhow::Result<Outcome> {
    let offers: Vec<HolderOffer> = client.call("hold_offer_list", &Nothing {}).await?;
    show(globals, &offers, |offers| {
        let mut table = Table::new(&["holder", ">a MB and day", ">quality", "holds for you"]);
        for offer in offers {
            let used = if offer.used { "yes" } else { "no" };
            let quality = match (offer.failing, offer.quality) {
                (true, _) => "fails".to_owned(),
                (false, Some(quality)) => quality.to_string(),
                (false, None) => "-".to_owned(),
            };
            table.row([offer.holder.to_string(), way(offer.price), quality, used.to_owned()]);
        }
        table.text("Nobody offers on the market to hold. `byway hold use` takes somebody's card as well.")
    })?;
    Ok(Outcome::Done)
}

fn text(status: &HoldStatus) -> String {
    let mut text = match status.holders.is_empty() {
        true => "Nobody holds for you; `byway hold use` has somebody do it.\n".to_owned(),
        false => status.holders.iter().map(holder).collect(),
    };
    if status.bringing > 0 {
        text += &format!(
            "{} parcels for people who are away are with, or on their way to, their holders\n",
            status.bringing
        );
    }
    if status.accepts || !status.clients.is_empty() {
        let held: u64 = status.clients.iter().map(|client| client.bytes).sum();
        let (count, more) = (status.clients.len(), if status.accepts { "" } else { ", and nothing new is taken" });
        let price = way(status.price);
        text += &format!(
            "For others: {held} bytes of at most {} MB for {count} people, at {price} a MB and day{more}\nEarned      {}\n",
            status.room_mb,
            way(status.earned)
        );
    }
    text
}

fn holder(record: &HoldRecord) -> String {
    let how = match (record.holding, record.named) {
        (true, true) => "holds for you",
        (true, false) => "holds for you, and is not on the ledger yet",
        _ => "does not hold for you now",
    };
    let HoldRecord { megabytes, days, .. } = record;
    let problem = record.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
    let faults = match record.faults {
        0 => String::new(),
        faults => format!(", handed over what it can't have been given {faults} times"),
    };
    let missed = match record.missed {
        0 => String::new(),
        missed => format!(", did not hand over {missed} that others did"),
    };
    let change = if record.failing && record.replaceable { ", another takes its place" } else { "" };
    let price = record.price.map_or_else(String::new, |price| format!(", {} a MB and day", way(price)));
    let spent = way(record.spent);
    format!(
        "{} {how}{price}, {spent} spent ({megabytes} MB and {days} days ahead){missed}{faults}{change}{problem}\n",
        record.holder
    )
}
