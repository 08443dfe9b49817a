//! Bots on the market: `byway bot offer`, `find`, `hire` and what belongs to them.

use super::super::output::way;
use super::super::wallet::show;
use super::super::{BotMarketCommand, Globals, Outcome, Table};
use crate::api::*;

pub async fn market(globals: &Globals, command: BotMarketCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let status: BotStatus = match command {
        BotMarketCommand::Find { word } => {
            let offers: Vec<BotOffer> = client.call("bot_find", &BotFind { word }).await?;
            show(globals, &offers, |offers| found(offers))?;
            return Ok(Outcome::Done);
        }
        BotMarketCommand::Offer { name, price, about, commands } => {
            client.call("bot_offer", &BotOfferMake { name, about, commands, price }).await?
        }
        BotMarketCommand::Withdraw => client.call("bot_withdraw", &Nothing {}).await?,
        BotMarketCommand::Hire { bot, price_max, limit } => {
            client.call("bot_hire", &BotHireMake { bot, price_max, limit }).await?
        }
        BotMarketCommand::Dismiss { bot } => client.call("bot_dismiss", &BotDismiss { bot }).await?,
        BotMarketCommand::Hired => client.call("bot_status", &Nothing {}).await?,
    };
    show(globals, &status, text)?;
    Ok(Outcome::Done)
}

fn found(offers: &[BotOffer]) -> String {
    let mut table = Table::new(&["bot", "name", ">an answer", ">score", "hired", "what it does"]);
    for offer in offers {
        let hired = if offer.hired { "yes" } else { "no" };
        let commands = match offer.commands.is_empty() {
            true => String::new(),
            false => format!(" ({})", offer.commands.join(", ")),
        };
        table.row([
            offer.bot.to_string(),
            offer.name.clone(),
            way(offer.price),
            offer.score.to_string(),
            hired.to_owned(),
            format!("{}{commands}", offer.about),
        ]);
    }
    table.text("No such bot is on the market.")
}

fn text(status: &BotStatus) -> String {
    let mut text = match status.hired.is_empty() {
        true => "No bot is hired; `byway bot find` lists those on the market.\n".to_owned(),
        false => status.hired.iter().map(hired).collect(),
    };
    if let Some(offer) = &status.offer {
        let listed = if offer.listed { "" } else { ", and will be on the market in a moment" };
        text += &format!("Offered: {} at {} an answer{listed}\n", offer.name, way(offer.price));
    }
    if !status.clients.is_empty() || status.offer.is_some() {
        let (count, answered) =
            (status.clients.len(), status.clients.iter().map(|client| client.answered).sum::<u64>());
        let earned = way(status.earned);
        text += &format!("Hired by {count}, who had {answered} answers; {earned} earned in all\n");
    }
    text
}

fn hired(record: &BotHire) -> String {
    let BotHire { bot, name, asked, answered, .. } = record;
    let (spent, limit) = (way(record.spent), way(record.limit));
    let price = record.price.map_or_else(String::new, |price| format!(" at {}", way(price)));
    let waiting = match record.waiting {
        0 => String::new(),
        waiting => format!(", {waiting} wait"),
    };
    let problem = record.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
    format!("{bot} {name}: {answered} answers{price} to {asked} messages{waiting}; {spent} of {limit} spent{problem}\n")
}
