//! Conversations: `byway chat`.

use std::collections::BTreeMap;

use byway_primitives::IdentityId;

use super::output::{ago, now};
use super::wallet::show;
use super::{
    ChatCommand, Globals, Outcome, Table, chat_attach, chat_backup, chat_content, chat_mention, chat_search, chat_who,
    idempotency_key,
};
use crate::api::*;
use crate::client::Client;

pub async fn chat(globals: &Globals, command: ChatCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ChatCommand::Invite { days, note } => {
            let invite: ChatInvite = client.call("chat_invite", &ChatInviteMake { days, note }).await?;
            show(globals, &invite, |invite| {
                format!(
                    "{}\n\nWhoever opens this first with `byway chat accept` is your contact. It counts for another {}.\n",
                    invite.link,
                    super::output::duration(invite.expires_ms.since(now()).0 / 1000)
                )
            })?;
        }
        ChatCommand::Accept { who } => {
            let person: ChatPerson = client.call("chat_accept", &ChatAccept { who }).await?;
            show(globals, &person, accepted)?;
        }
        ChatCommand::Ask { who, pay, from } => {
            let person: ChatPerson = client.call("chat_ask", &ChatAsk { who, pay, from }).await?;
            show(globals, &person, accepted)?;
        }
        ChatCommand::Price { price } => {
            show(globals, &client.call("chat_price", &ChatPriceSet { price }).await?, priced)?;
        }
        ChatCommand::Contacts => contacts(globals, &client.call::<Vec<ChatPerson>>("chat_people", &Nothing {}).await?)?,
        ChatCommand::Conversations => conversations(globals, &client).await?,
        ChatCommand::Send { to, text, reply } => send(globals, &client, to, text, reply).await?,
        ChatCommand::Read { to, limit, ids, quiet } => read(globals, &client, to, (limit, ids, quiet)).await?,
        ChatCommand::Search(args) => chat_search::search(globals, &client, args).await?,
        ChatCommand::Export(args) => chat_search::export(&client, args).await?,
        ChatCommand::Backup { file, replace } => chat_backup::backup(globals, &client, &file, replace).await?,
        ChatCommand::Restore { file } => chat_backup::restore(globals, &client, &file).await?,
        ChatCommand::Attach(args) => chat_attach::attach(globals, &client, args).await?,
        ChatCommand::Fetch(args) => chat_attach::fetch(globals, &client, args).await?,
        ChatCommand::Poll(command) => chat_content::poll(globals, &client, command).await?,
        ChatCommand::List(command) => chat_content::list(globals, &client, command).await?,
        ChatCommand::Memo { text, remind } => chat_content::memo(globals, &client, text, remind).await?,
        ChatCommand::Reminders => chat_content::reminders(globals, &client).await?,
        ChatCommand::Pin { to, undo } => chat_content::pin(globals, &client, to, !undo).await?,
        ChatCommand::Mute { to, hours } => chat_content::mute(globals, &client, to, hours).await?,
        ChatCommand::React { to, message, emoji, remove } => {
            let what = if remove { ChatAboutWhat::Unreact } else { ChatAboutWhat::React };
            about(globals, &client, ChatAbout { to, message, what, value: Some(emoji) }).await?;
        }
        ChatCommand::Edit { to, message, text } => {
            let text = chat_mention::typed(&client, &to, text).await?;
            about(globals, &client, ChatAbout { to, message, what: ChatAboutWhat::Edit, value: Some(text) }).await?;
        }
        ChatCommand::Delete { to, message } => {
            about(globals, &client, ChatAbout { to, message, what: ChatAboutWhat::Delete, value: None }).await?;
        }
        ChatCommand::Name { who, nickname } => {
            let who = chat_who::identity(&client, &who).await?;
            let person: ChatPerson = client.call("chat_nickname", &ChatNickname { who, nickname }).await?;
            show(globals, &person, |person| format!("{} is called {} here.\n", person.identity, called(person)))?;
        }
        ChatCommand::Verify { who, matches, forget } => {
            let noted = (matches || forget).then_some(matches);
            show(globals, &chat_who::verify(&client, &who, noted).await?, chat_who::safety)?;
        }
        ChatCommand::Group(command) => super::chat_group::group(globals, &client, command).await?,
        ChatCommand::Book(command) => super::chat_book::book(globals, &client, command).await?,
        ChatCommand::Block { who, undo } => {
            let who = chat_who::identity(&client, &who).await?;
            let people: Vec<ChatPerson> = client.call("chat_block", &ChatBlock { who, blocked: !undo }).await?;
            contacts(globals, &people)?;
        }
    }
    Ok(Outcome::Done)
}

async fn send(
    globals: &Globals,
    client: &Client,
    to: String,
    text: String,
    reply: Option<String>,
) -> anyhow::Result<()> {
    let text = chat_mention::typed(client, &to, text).await?;
    let request = ChatSend { to, text, reply, thread: None, idempotency_key: idempotency_key(None)? };
    let item: ChatItem = client.call("chat_send", &request).await?;
    show(globals, &item, |_| "Said. It is kept here until it has arrived.\n".to_owned())
}

pub(super) fn called(person: &ChatPerson) -> String {
    if person.name.is_empty() { person.identity.to_string() } else { person.name.clone() }
}

/// As whom one means by them, where the ledger knows them by a name.
fn accepted(person: &ChatPerson) -> String {
    let named = person.primary_name.as_ref().filter(|name| **name != person.name);
    let whose = named.map_or_else(String::new, |name| format!(" ({name} in the directory)"));
    let caution = chat_who::caution(person).map_or_else(String::new, |caution| format!("{caution}\n"));
    match person.standing {
        ChatStanding::Contact => format!("{}{whose} is your contact.\n{caution}", called(person)),
        _ => format!("{}{whose} is asked; `byway chat contacts` says when they agree.\n{caution}", called(person)),
    }
}

fn priced(ChatPrice { price }: &ChatPrice) -> String {
    match price.is_zero() {
        true => "A first message costs nothing here.\n".to_owned(),
        false => format!(
            "A first message costs {price} WAY here, of those who are not registered, invited or in a group with you.\n"
        ),
    }
}

fn contacts(globals: &Globals, people: &Vec<ChatPerson>) -> anyhow::Result<()> {
    show(globals, people, |people| {
        let mut table = Table::new(&["name", "in the directory", "identity", "", ">waiting"]);
        for person in people {
            let standing = standing(person);
            let waiting = if person.waiting == 0 { String::new() } else { person.waiting.to_string() };
            let registered = person.primary_name.clone().unwrap_or_default();
            table.row([person.name.clone(), registered, person.identity.to_string(), standing, waiting]);
        }
        let cautions: Vec<String> = people.iter().filter_map(chat_who::caution).collect();
        let table = table.text("Nobody yet. `byway chat invite` makes a link for somebody whom you know.");
        if cautions.is_empty() { table } else { format!("{table}\n{}\n", cautions.join("\n")) }
    })
}

fn standing(person: &ChatPerson) -> String {
    let ChatPerson { standing, registered, paid, introduced_by, refused, online, verified_ms, .. } = person;
    let verified = if verified_ms.is_some() { ", verified" } else { "" };
    match standing {
        ChatStanding::Asked => match refused {
            Some(refusal) => format!("asked by you, and does not hear you: {}", refusal.text),
            None => "asked by you".to_owned(),
        },
        ChatStanding::Asking => {
            let paid = paid.map_or_else(String::new, |paid| format!(", has set {paid} WAY aside"));
            let introduced = if introduced_by.is_some() { ", is in a group with you" } else { "" };
            let registered = if *registered { ", is registered" } else { "" };
            format!("asks{registered}{introduced}{paid}: byway chat accept")
        }
        ChatStanding::Contact => format!("{}{verified}", if *online { "there" } else { "away" }),
        ChatStanding::Blocked => "blocked".to_owned(),
    }
}

async fn conversations(globals: &Globals, client: &Client) -> anyhow::Result<()> {
    let all: Vec<ChatConversation> = client.call("chat_conversations", &Nothing {}).await?;
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    show(globals, &all, |all| {
        let mut table = Table::new(&["with", "", ">unread", "newest", "", "conversation"]);
        for talk in all {
            let newest = talk.newest.as_ref();
            let text =
                newest.map_or_else(String::new, |item| line(item, &names_in(talk, &people)).chars().take(40).collect());
            let when = newest.map_or_else(String::new, |item| ago(item.sent_ms, now()));
            let calls = if talk.mentioned { "@ " } else { "" };
            let unread = if talk.unread == 0 { String::new() } else { format!("{calls}{}", talk.unread) };
            let marked = if talk.marked_unread && unread.is_empty() { "·".to_owned() } else { unread };
            let pin = if talk.pinned { "↑ " } else { "" };
            let mute = if talk.muted_until_ms.is_some() { " (muted)" } else { "" };
            let title = format!("{pin}{}{mute}", talk.title);
            let id = talk.conversation.get(..8).unwrap_or_default().to_owned();
            let people = match &talk.group {
                Some(group) if talk.member => format!("{} people", group.members.len()),
                _ if talk.restored => "restored".to_owned(),
                Some(_) => "left".to_owned(),
                None => String::new(),
            };
            table.row([title, people, marked, text, when, id]);
        }
        table.text("No conversation yet. `byway chat invite` makes a link for somebody whom you know.")
    })
}

async fn read(
    globals: &Globals,
    client: &Client,
    to: String,
    (limit, ids, quiet): (usize, bool, bool),
) -> anyhow::Result<()> {
    let mut items: Vec<ChatItem> = client.call("chat_read", &ChatRead { to: to.clone(), before: None, limit }).await?;
    items.reverse();
    let talk: ChatConversation = client.call("chat_mark", &ChatMark { to, tell: !quiet }).await?;
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    let me = status.talks_as();
    let mut names = names_in(&talk, &people);
    names.insert(me, "you".to_owned());
    let others: Vec<IdentityId> = talk.members.iter().copied().filter(|member| *member != me).collect();
    show(globals, &items, |items| {
        if items.is_empty() {
            return "Nothing was said yet.\n".to_owned();
        }
        items.iter().map(|item| said(item, &names, (me, &others), ids)).collect()
    })
}

/// What to call those who are in a conversation, and whom else one knows.
fn names_in(talk: &ChatConversation, people: &[ChatPerson]) -> BTreeMap<IdentityId, String> {
    let shown = |identity: IdentityId, name: &str| if name.is_empty() { identity.to_string() } else { name.to_owned() };
    let members = talk.group.iter().flat_map(|group| &group.members);
    let mut names: BTreeMap<IdentityId, String> =
        members.map(|member| (member.identity, shown(member.identity, &member.name))).collect();
    names.extend(people.iter().map(|person| (person.identity, called(person))));
    names
}

/// A message as one line or more.
fn said(
    item: &ChatItem,
    names: &BTreeMap<IdentityId, String>,
    (me, others): (IdentityId, &[IdentityId]),
    ids: bool,
) -> String {
    let name = |of: &IdentityId| names.get(of).cloned().unwrap_or_else(|| of.to_string());
    let edited = if item.edited { " (edited)" } else { "" };
    let calls = if item.mentions_me { " (mentions you)" } else { "" };
    let is_ours = item.author == me;
    let mark = match is_ours {
        true if others.iter().all(|other| item.read.contains(other)) => "  ✓✓ read",
        true if others.iter().all(|other| item.received.contains(other)) => "  ✓✓",
        true => "  ✓",
        false => "",
    };
    let (when, who, what) = (ago(item.sent_ms, now()), name(&item.author), line(item, names));
    let mut text = format!("{when}  {who}:  {what}{edited}{calls}{mark}\n");
    text.push_str(&chat_content::more(item, names));
    for reaction in &item.reactions {
        let people: Vec<String> = reaction.people.iter().map(name).collect();
        text.push_str(&format!("      {} {}\n", reaction.emoji, people.join(", ")));
    }
    if ids {
        text.push_str(&format!("      {}\n", item.message));
    }
    text
}

/// What a message says, made harmless for a terminal.
pub(super) fn line(item: &ChatItem, names: &BTreeMap<IdentityId, String>) -> String {
    match item {
        ChatItem { deleted: true, .. } => "(deleted)".to_owned(),
        ChatItem { attachments, text, .. } if text.is_empty() && !attachments.is_empty() => {
            attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
        }
        ChatItem { kind, text, .. } if text.is_empty() => format!("({kind})"),
        ChatItem { text, .. } => chat_mention::shown(&byway_chat::content::display::text(text), names),
    }
}

async fn about(globals: &Globals, client: &Client, request: ChatAbout) -> anyhow::Result<()> {
    let item: ChatItem = client.call("chat_about", &request).await?;
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    let names = people.iter().map(|person| (person.identity, called(person))).collect();
    show(globals, &item, |item| format!("{}\n", line(item, &names)))
}
