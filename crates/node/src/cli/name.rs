//! Names in the ledger's directory: `byway name`.

use byway_primitives::{Amount, Time};

use super::confirm::confirm;
use super::output::{ago, fields, now, wait, way};
use super::wallet::{Until, move_money, show};
use super::{Globals, NameCommand, Outcome, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn name(globals: &Globals, command: NameCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        NameCommand::List => {
            let list: NameList = client.call("name_list", &Nothing {}).await?;
            show(globals, &list, list_text)?;
        }
        NameCommand::Show { name } => show(globals, &shown(&client, name).await?, shown_text)?,
        NameCommand::Register { name, years, yes, key } => {
            let known = shown(&client, name).await?;
            let price = priced(&known, years).checked_add(known.price_commit).unwrap_or(Amount::MAX);
            confirm(yes, &format!("Take the name {} for {}, for {}?", known.name, in_years(years), way(price)))?;
            let idempotency_key = idempotency_key(key.idempotency_key)?;
            let request = NameRegister { name: known.name, years, idempotency_key };
            let wanted: NameWanted = client.call("name_register", &request).await?;
            show(globals, &wanted, |wanted| {
                format!(
                    "{} is being taken. `byway name list` says how far it is; it leads to you once nobody can contest it.\n",
                    wanted.name
                )
            })?;
        }
        NameCommand::Renew { name, years, yes, once } => {
            let known = shown(&client, name).await?;
            let price = way(priced(&known, years));
            confirm(yes, &format!("Renew the name {} by {}, for {price}?", known.name, in_years(years)))?;
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = NameRenew { name: known.name, years, idempotency_key };
            return move_money(globals, &client, "name_renew", &request, until).await;
        }
        NameCommand::Transfer { name, to, yes, once } => {
            let to = super::chat_who::identity(&client, &to).await?;
            confirm(yes, &format!("Give the name {name} to {to}? Only they can give it back."))?;
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = NameTransfer { name, to, idempotency_key };
            return move_money(globals, &client, "name_transfer", &request, until).await;
        }
        NameCommand::Release { name, yes, once } => {
            confirm(yes, &format!("Give the name {name} up? Anyone can take it then."))?;
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = NameRelease { name, idempotency_key };
            return move_money(globals, &client, "name_release", &request, until).await;
        }
        NameCommand::Primary { name, once } => {
            let (idempotency_key, until) = (idempotency_key(once.idempotency_key)?, Until::of(once.wait));
            let request = NamePrimary { name, idempotency_key };
            return move_money(globals, &client, "name_primary", &request, until).await;
        }
    }
    Ok(Outcome::Done)
}

async fn shown(client: &Client, name: String) -> anyhow::Result<NameShown> {
    Ok(client.call("name_show", &NameShow { name }).await?)
}

fn in_years(years: u8) -> String {
    if years == 1 { "a year".to_owned() } else { format!("{years} years") }
}

fn priced(name: &NameShown, years: u8) -> Amount {
    Amount::from_units(name.price_year.units().saturating_mul(years.into()))
}

fn standing(name: &NameShown) -> &'static str {
    match name.standing {
        NameStanding::Free => "free",
        NameStanding::Contested => "contested: it leads nowhere yet",
        NameStanding::InUse => "in use",
        NameStanding::InGrace => "over: only its owner can renew it",
    }
}

fn shown_text(name: &NameShown) -> String {
    let at = |time: Time| if time > now() { wait(time, now()) } else { ago(time, now()) };
    let mut rows = vec![("name", name.name.clone()), ("state", standing(name).to_owned())];
    if let Some(other) = &name.looks_like {
        rows.push(("looks like", format!("{other}, which is taken; so this one can't be taken, and leads nowhere")));
    }
    rows.extend(name.owner.map(|owner| ("owner", owner.to_string())));
    if name.standing == NameStanding::Contested {
        rows.extend(name.settles_ms.map(|time| ("settles", at(time))));
    }
    rows.extend(name.expires_ms.map(|time| ("expires", at(time))));
    rows.extend(name.free_ms.map(|time| ("free for all", at(time))));
    rows.push(("a year costs", way(name.price_year)));
    fields(&rows)
}

fn list_text(list: &NameList) -> String {
    let mut own = Table::new(&["name", "", "expires", ""]);
    for name in &list.own {
        let primary = if name.primary { "primary" } else { "" };
        let expires = name.expires_ms.map(|time| wait(time, now())).unwrap_or_default();
        own.row([name.name.clone(), standing(name).to_owned(), expires, primary.to_owned()]);
    }
    let mut wanted = Table::new(&["being taken", "", "began"]);
    for name in &list.wanted {
        let stage = match name.stage {
            NameStage::Committing => "commitment on its way".to_owned(),
            NameStage::Revealing => "name on its way".to_owned(),
            NameStage::Contested => "taken, may be contested".to_owned(),
            NameStage::Failed => format!("failed: {}", name.reason.as_deref().unwrap_or("nobody knows why")),
        };
        wanted.row([name.name.clone(), stage, ago(name.began_ms, now())]);
    }
    let more = if list.wanted.is_empty() { String::new() } else { format!("\n{}", wanted.text("")) };
    format!("{}{more}", own.text("This node has no name; `byway name register NAME` takes one."))
}
