//! Watching channels: `byway watch`.

use byway_primitives::Time;

use super::output::{ago, duration, now, way};
use super::wallet::show;
use super::{ChannelName, Globals, Outcome, Table, WatchCommand};
use crate::api::*;
use crate::client::Client;

pub async fn watch(globals: &Globals, command: WatchCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let mut text: fn(&WatchStatus) -> String = watched;
    let status: WatchStatus = match command {
        WatchCommand::Find => return find(globals, &client).await,
        WatchCommand::Run { price, channels, publish } => {
            text = for_others;
            let publish = publish.then_some(true);
            let request = WatchRun { accept: true, price_per_day: price, channels_max: channels, publish };
            client.call("watch_run", &request).await?
        }
        WatchCommand::Stop => {
            text = for_others;
            let request = WatchRun { accept: false, price_per_day: None, channels_max: None, publish: None };
            client.call("watch_run", &request).await?
        }
        WatchCommand::Add { name: ChannelName { channel }, tower, price_max, days } => {
            client.call("watch_add", &WatchAdd { channel, tower, price_max, days }).await?
        }
        WatchCommand::Remove { name: ChannelName { channel }, tower } => {
            client.call("watch_remove", &WatchRemove { channel, tower }).await?
        }
        WatchCommand::List => client.call("watch_status", &Nothing {}).await?,
        WatchCommand::Status => {
            text = for_others;
            client.call("watch_status", &Nothing {}).await?
        }
    };
    show(globals, &status, text)?;
    Ok(Outcome::Done)
}

async fn find(globals: &Globals, client: &Client) -> anyhow::Result<Outcome> {
    let towers: Vec<WatchOffer> = client.call("watch_offer_list", &Nothing {}).await?;
    show(globals, &towers, |towers| {
        let mut table = Table::new(&["watchtower", ">a day", ">channels of ours"]);
        for tower in towers {
            table.row([tower.tower.to_string(), way(tower.price_per_day), tower.channels.to_string()]);
        }
        table.text("No watchtower has an offer on the market. `byway watch add` takes somebody's card as well.")
    })?;
    Ok(Outcome::Done)
}

fn for_others(status: &WatchStatus) -> String {
    let accepts = if status.accepts { "Channels of others are taken on" } else { "No channels of others are taken on" };
    let WatchStatus { kept, channels_max, days_max, answered, .. } = status;
    let (price, earned) = (way(status.price_per_day), way(status.earned));
    format!(
        "{accepts}.\nWatched   {kept} of at most {channels_max}, at {price} a day each, {days_max} days ahead at the most\n\
         Earned    {earned}\nAnswered  {answered}\n"
    )
}

fn watched(status: &WatchStatus) -> String {
    if status.watched.is_empty() {
        return "No channel is watched; `byway watch add` has somebody watch one.\n".to_owned();
    }
    let line = |record: &WatchRecord| {
        let how = if record.watching { "watches" } else { "does not watch yet" };
        let price = record.price.map_or_else(String::new, |price| format!(", {} a day", way(price)));
        let until = record.until_ms.map_or_else(String::new, |until| format!(", is paid for another {}", left(until)));
        let answered = record.answered_ms.map_or_else(String::new, |at| format!(", has answered {}", ago(at, now())));
        let problem = record.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
        format!(
            "{}  {} {how}{price}{until}{answered}{problem}\n",
            record.channel.get(..8).unwrap_or_default(),
            record.tower
        )
    };
    status.watched.iter().map(line).collect()
}

/// How long it is until then.
fn left(until: Time) -> String {
    duration(until.since(now()).0 / 1000)
}
