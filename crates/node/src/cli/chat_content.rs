//! Polls, lists and memos: `byway chat poll|list|memo|reminders`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use byway_chat::content::display;
use byway_primitives::{IdentityId, Span};

use super::chat::line;
use super::output::{ago, now};
use super::wallet::show;
use super::{ChatListCommand, ChatListEntries, ChatPollCommand, Globals, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn poll(globals: &Globals, client: &Client, command: ChatPollCommand) -> anyhow::Result<()> {
    let item: ChatItem = match command {
        ChatPollCommand::Ask { to, question, options, choices, hours } => {
            let closes_ms = hours.map(|hours| now() + Span::minutes(60 * hours));
            let idempotency_key = idempotency_key(None)?;
            let request = ChatPollAsk { to, question, options, choices_max: choices, closes_ms, idempotency_key };
            client.call("chat_poll", &request).await?
        }
        ChatPollCommand::Vote { to, message, choices } => {
            let choices = choices.into_iter().map(|number| usize::from(number) - 1).collect();
            client.call("chat_vote", &ChatVote { to, message, choices }).await?
        }
        ChatPollCommand::Close { to, message } => {
            let request = ChatAbout { to, message, what: ChatAboutWhat::Close, value: None };
            client.call("chat_about", &request).await?
        }
    };
    shown(globals, &item)
}

pub async fn list(globals: &Globals, client: &Client, command: ChatListCommand) -> anyhow::Result<()> {
    use ChatListWhat::{Add, Assign, Check, Remove, Uncheck, Write};
    let edit = |what, entry| ChatListEdit { what, entry, text: None, behind: None, assignee: None };
    let item: ChatItem = match command {
        ChatListCommand::New { to, title, entries, things } => {
            let style = if things { ChatListStyle::Things } else { ChatListStyle::Tasks };
            let idempotency_key = idempotency_key(None)?;
            let request = ChatListMake { to, title, style, entries, idempotency_key };
            client.call("chat_list", &request).await?
        }
        ChatListCommand::Add { to, message, entries } => {
            let changes = entries.into_iter().map(|text| ChatListEdit { text: Some(text), ..edit(Add, None) });
            change(client, to, message, changes.collect()).await?
        }
        ChatListCommand::Check(entries) => mark(client, entries, Check).await?,
        ChatListCommand::Uncheck(entries) => mark(client, entries, Uncheck).await?,
        ChatListCommand::Remove(entries) => mark(client, entries, Remove).await?,
        ChatListCommand::Write { to, message, number, text } => {
            let entry = named(client, &to, &message, &[number]).await?.pop();
            change(client, to, message, vec![ChatListEdit { text: Some(text), ..edit(Write, entry) }]).await?
        }
        ChatListCommand::Assign { to, message, number, assignee } => {
            let entry = named(client, &to, &message, &[number]).await?.pop();
            change(client, to, message, vec![ChatListEdit { assignee, ..edit(Assign, entry) }]).await?
        }
    };
    shown(globals, &item)
}

pub async fn memo(globals: &Globals, client: &Client, text: String, remind: Option<u64>) -> anyhow::Result<()> {
    let remind_ms = remind.map(|minutes| now() + Span::minutes(minutes));
    let request = ChatMemo { text, remind_ms, idempotency_key: idempotency_key(None)? };
    let item: ChatItem = client.call("chat_memo", &request).await?;
    show(globals, &item, |_| "Noted. `byway chat read me` shows your memos.\n".to_owned())
}

pub async fn reminders(globals: &Globals, client: &Client) -> anyhow::Result<()> {
    let items: Vec<ChatItem> = client.call("chat_reminders", &Nothing {}).await?;
    show(globals, &items, |items| match items.is_empty() {
        true => "There was nothing to remind you of within the last day.\n".to_owned(),
        false => items.iter().map(reminder_text).collect(),
    })
}

fn reminder_text(item: &ChatItem) -> String {
    let when = item.remind_ms.map_or_else(String::new, |at| ago(at, now()));
    format!("{when}: {}\n", line(item, &BTreeMap::new()))
}

pub async fn pin(globals: &Globals, client: &Client, to: String, pinned: bool) -> anyhow::Result<()> {
    let request = ChatKeep { to, draft: None, pinned: Some(pinned), muted_until_ms: None, marked_unread: None };
    keep(globals, client, request).await
}

pub async fn mute(globals: &Globals, client: &Client, to: String, hours: u64) -> anyhow::Result<()> {
    let until = now() + Span::minutes(60 * hours);
    let request = ChatKeep { to, draft: None, pinned: None, muted_until_ms: Some(until), marked_unread: None };
    keep(globals, client, request).await
}

async fn keep(globals: &Globals, client: &Client, request: ChatKeep) -> anyhow::Result<()> {
    let talk: ChatConversation = client.call("chat_keep", &request).await?;
    show(globals, &talk, |talk| {
        let muted = if talk.muted_until_ms.is_some() { "muted" } else { "not muted" };
        let pinned = if talk.pinned { "pinned" } else { "not pinned" };
        format!("{} is {pinned} and {muted}.\n", talk.title)
    })
}

async fn mark(client: &Client, entries: ChatListEntries, what: ChatListWhat) -> anyhow::Result<ChatItem> {
    let ChatListEntries { to, message, numbers } = entries;
    let entries = named(client, &to, &message, &numbers).await?;
    let edit = |entry| ChatListEdit { what, entry: Some(entry), text: None, behind: None, assignee: None };
    change(client, to, message, entries.into_iter().map(edit).collect()).await
}

async fn change(client: &Client, to: String, message: String, changes: Vec<ChatListEdit>) -> anyhow::Result<ChatItem> {
    Ok(client.call("chat_list_change", &ChatListChange { to, message, changes }).await?)
}

/// The entries that have these numbers in the list as it stands: a change of nothing shows it.
async fn named(client: &Client, to: &str, message: &str, numbers: &[u16]) -> anyhow::Result<Vec<String>> {
    let show = ChatShow { to: to.to_owned(), message: message.to_owned() };
    let item: ChatItem = client.call("chat_show", &show).await?;
    let Some(list) = item.list else { bail!("that message is no list; `byway chat read --ids` shows which one is") };
    let entry = |number: &u16| {
        let entry = list.entries.get(usize::from(*number) - 1);
        entry.map(|entry| entry.entry.clone()).with_context(|| format!("the list has no entry {number}"))
    };
    numbers.iter().map(entry).collect()
}

fn shown(globals: &Globals, item: &ChatItem) -> anyhow::Result<()> {
    show(globals, item, |item| {
        let text = more(item, &BTreeMap::new());
        if text.is_empty() { "Said.\n".to_owned() } else { text }
    })
}

/// What a message has beside its text, as lines.
pub fn more(item: &ChatItem, names: &BTreeMap<IdentityId, String>) -> String {
    let mut text = String::new();
    let name = |person: &IdentityId| names.get(person).cloned().unwrap_or_else(|| "you".to_owned());
    for file in &item.attachments {
        let state = match file.state {
            ChatFileState::Away => "not fetched",
            ChatFileState::Wanted => "comes when somebody who has it is there",
            ChatFileState::Coming => "coming",
            ChatFileState::Here => "here",
            ChatFileState::Untrue => "refused: what was sent is another file",
            ChatFileState::TooLarge => "too large",
        };
        text.push_str(&format!("      [{}] {} ({} bytes, {state})\n", file.number + 1, file.name, file.size));
    }
    if let Some(poll) = &item.poll {
        let closed = if poll.closed { " (closed)" } else { "" };
        text.push_str(&format!("      {}{closed}\n", display::text(&poll.question)));
        for (number, option) in (1..).zip(&poll.options) {
            let chosen = if option.chosen { "●" } else { "○" };
            let votes = option.people.len();
            text.push_str(&format!("      {chosen} {number}. {}: {votes}\n", display::text(&option.text)));
        }
    }
    if let Some(list) = &item.list {
        text.push_str(&format!("      {}\n", display::text(&list.title)));
        for (number, entry) in (1..).zip(&list.entries) {
            let mark = match (list.style, entry.done) {
                (ChatListStyle::Things, false) => "·",
                (ChatListStyle::Tasks, false) => "☐",
                (_, true) => "☑",
            };
            let to = entry.assignee.as_ref().map(|person| format!(" ({})", name(person))).unwrap_or_default();
            text.push_str(&format!("      {mark} {number}. {}{to}\n", display::text(&entry.text)));
        }
    }
    text
}
