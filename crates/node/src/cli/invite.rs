//! `byway invite`: first coins for somebody else, as a link.

use std::time::Duration;

use anyhow::bail;

use super::output::{ago, now, print, wait, way, word};
use super::wallet::{Until, move_money, show};
use super::{Globals, InviteCommand, InviteNewArgs, OnceArgs, Outcome, Table, idempotency_key, print_json};
use crate::api::*;
use crate::client::Client;

/// How often it is asked whether an invite is paid for, and how many times: for as long as its payment may take.
const ASK_AGAIN: Duration = Duration::from_millis(250);
const ASKED_MAX: usize = 4 * 130;

pub async fn invite(globals: &Globals, command: InviteCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        InviteCommand::New(args) => new(globals, &client, args).await?,
        InviteCommand::List => {
            let list: InviteList = client.call("invite_list", &Nothing {}).await?;
            show(globals, &list, list_text)?;
        }
        InviteCommand::Show { number, relay } => {
            let request = InviteShow { number: InviteNumber(number), relay };
            let shown: InviteLink = client.call("invite_show", &request).await?;
            let Some(link) = &shown.link else {
                bail!("invite {number} has no link, since it is {}", stage_word(shown.invite.stage));
            };
            say(globals, &shown, link)?;
        }
        InviteCommand::TakeBack { number, once: OnceArgs { idempotency_key: key, wait } } => {
            let request = InviteTakeBack { number: InviteNumber(number), idempotency_key: idempotency_key(key)? };
            return move_money(globals, &client, "invite_take_back", &request, Until::of(wait)).await;
        }
    }
    Ok(Outcome::Done)
}

async fn new(globals: &Globals, client: &Client, args: InviteNewArgs) -> anyhow::Result<()> {
    let InviteNewArgs { coins, without_pledge, within, relay, idempotency_key: key } = args;
    let (idempotency_key, within_seconds) = (idempotency_key(key)?, Some(within.seconds));
    let request = InviteNew { coins, pledge: !without_pledge, within_seconds, idempotency_key };
    let made: GivenInvite = client.call("invite_new", &request).await?;
    let request = InviteShow { number: made.number, relay };
    for _ in 0..ASKED_MAX {
        let shown: InviteLink = client.call("invite_show", &request).await?;
        match (&shown.link, shown.invite.stage) {
            (Some(link), _) => return say(globals, &shown, link),
            (None, InviteStage::Paying) => tokio::time::sleep(ASK_AGAIN).await,
            (None, stage) => bail!("invite {} is {}", made.number.0, stage_word(stage)),
        }
    }
    bail!("invite {0} is not paid for yet; `byway invite show {0}` prints its link once it is", made.number.0)
}

/// The link on standard output, alone; what it means beside it.
fn say(globals: &Globals, shown: &InviteLink, link: &str) -> anyhow::Result<()> {
    if globals.json {
        return print_json(shown);
    }
    let GivenInvite { number, coins, pledge, expires_ms, .. } = &shown.invite;
    let pledge = if pledge.is_zero() { String::new() } else { format!(" and {} for the pledge", way(*pledge)) };
    let until = expires_ms.map(|at| format!(" It can be taken for {}.", wait(at, now()).trim_start_matches("in ")));
    eprintln!(
        "Invite {}, with {}{pledge}.{}\nThis link is money: whoever has it first can take the coins. Send it to one person, over a \
         way that nobody else\nreads. `byway invite take-back {}` draws it back until then.\n",
        number.0,
        way(*coins),
        until.unwrap_or_default(),
        number.0,
    );
    print(&format!("{link}\n"))
}

fn stage_word(stage: InviteStage) -> String {
    match stage {
        InviteStage::Failed => "not paid: the payment did not become final, and the coins are in the wallet".to_owned(),
        stage => word(&stage).replace('_', " "),
    }
}

fn list_text(list: &InviteList) -> String {
    let now = now();
    let mut given = Table::new(&[">number", ">coins", ">pledge", "made", "state"]);
    for invite in &list.given {
        let state = match (invite.stage, invite.ended_ms, invite.expires_ms) {
            (stage, Some(at), _) => format!("{}, {}", stage_word(stage), ago(at, now)),
            (InviteStage::Open, None, Some(at)) => format!("open; is drawn back {}", wait(at, now)),
            (stage, ..) => stage_word(stage),
        };
        let (coins, pledge) = (invite.coins.to_string(), invite.pledge.to_string());
        given.row([invite.number.0.to_string(), coins, pledge, ago(invite.created_ms, now), state]);
    }
    let text = given.text("This node has given no invites.");
    let accepted: String = list.accepted.iter().map(|one| format!("{}\n", accepted_line(one))).collect();
    if accepted.is_empty() { text } else { format!("{text}\nAccepted:\n{accepted}") }
}

/// How an accepted invite is.
pub fn accepted_line(one: &AcceptedInvite) -> String {
    let how = match (one.stage, &one.reason) {
        (ClaimStage::Claiming, _) => "being taken".to_owned(),
        (ClaimStage::Depositing, _) => "in the wallet, on the way to the account".to_owned(),
        (ClaimStage::Done, _) => "taken".to_owned(),
        (ClaimStage::Lost, Some(reason)) => format!("lost: {reason}"),
        (ClaimStage::Lost, None) => "lost".to_owned(),
    };
    format!("{}  {how}", way(one.amount))
}
