//! What may be spent without being asked: `byway limit`.

use byway_primitives::Amount;

use super::output::way;
use super::wallet::show;
use super::{Globals, LimitCommand, Outcome};
use crate::api::*;

pub async fn limit(globals: &Globals, command: LimitCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let spending: Spending = match command {
        LimitCommand::Show => {
            let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
            status.spending
        }
        LimitCommand::Set(args) => {
            let (session_max, day_max) = (args.session.map(|limit| limit.0), args.day.map(|limit| limit.0));
            client.call("spending_limits_set", &SpendingLimits { session_max, day_max }).await?
        }
        LimitCommand::Allow { amount } => client.call("spending_allow", &SpendingAllow { amount }).await?,
    };
    show(globals, &spending, text)?;
    Ok(Outcome::Done)
}

fn text(spending: &Spending) -> String {
    let limit = |limit: Option<Amount>| limit.map_or_else(|| "no limit".to_owned(), way);
    let allowed = spending.day_allowed.map(|more| format!(" and {} more today", way(more))).unwrap_or_default();
    let mut text = format!(
        "A day      {}{allowed}, of which {} are spent\nA session  {}\n",
        limit(spending.day_max),
        way(spending.day_spent),
        limit(spending.session_max)
    );
    for ask in &spending.asks {
        text += &ask_line(ask);
        text.push('\n');
    }
    text
}

/// What a limit has stopped, and what to do.
pub fn ask_line(ask: &SpendingAsk) -> String {
    let what = ask.proxy.map_or_else(|| "the traffic".to_owned(), |proxy| format!("what goes by the proxy at {proxy}"));
    let which = match ask.which {
        LimitKind::Session => "per session",
        LimitKind::Day => "of today",
    };
    format!("The limit {which}, {}, has stopped {what}; `byway limit allow` goes on for as much again", way(ask.limit))
}
