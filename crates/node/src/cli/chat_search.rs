//! `byway chat search` and `byway chat export`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use byway_chat::content::display;
use byway_primitives::{IdentityId, Time};
use serde::Serialize;

use super::chat::{called, line};
use super::output::{ago, now};
use super::wallet::show;
use super::{ChatExportArgs, ChatExportFormat, ChatSearchArgs, Globals, chat_content, chat_mention};
use crate::api::*;
use crate::calendar::Day;
use crate::client::Client;

/// Messages that are asked for at a time.
const PAGE: u64 = 200;

pub async fn search(globals: &Globals, client: &Client, args: ChatSearchArgs) -> anyhow::Result<()> {
    let ChatSearchArgs { query, within, limit, before, ids } = args;
    let request = ChatSearch { query: query.join(" "), to: within, before, limit: limit.into(), offset_minutes: 0 };
    let found: ChatFound = client.call("chat_search", &request).await?;
    let names = Names::ask(client).await?;
    show(globals, &found, |found| {
        let mut text = String::new();
        for person in &found.people {
            text.push_str(&format!("person  {}  {}\n", called(person), person.identity));
        }
        for group in &found.conversations {
            text.push_str(&format!("group  {}  {}\n", group.title, group.conversation));
        }
        for ChatHit { to, item, .. } in &found.hits {
            let (where_, who) = (names.conversation(to), names.person(item.author));
            text.push_str(&format!("{}  {where_}  {who}:  {}\n", ago(item.sent_ms, now()), line(item, &names.people)));
            if ids {
                text.push_str(&format!("      {}\n", item.message));
            }
        }
        match &found.next {
            Some(next) => text.push_str(&format!("More: --before {next}\n")),
            None if text.is_empty() => text.push_str("Nothing was found.\n"),
            None => {}
        }
        text
    })
}

/// What people and conversations are called.
struct Names {
    me: IdentityId,
    people: BTreeMap<IdentityId, String>,
    conversations: Vec<ChatConversation>,
}

impl Names {
    async fn ask(client: &Client) -> anyhow::Result<Self> {
        let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
        let conversations: Vec<ChatConversation> = client.call("chat_conversations", &Nothing {}).await?;
        let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
        let members = conversations.iter().flat_map(|talk| &talk.group).flat_map(|group| &group.members);
        let named = members.filter(|member| !member.name.is_empty());
        let mut names: BTreeMap<IdentityId, String> =
            named.map(|member| (member.identity, member.name.clone())).collect();
        names.extend(people.iter().map(|person| (person.identity, called(person))));
        names.insert(status.talks_as(), "you".to_owned());
        Ok(Self { me: status.talks_as(), people: names, conversations })
    }

    /// The one conversation that goes by a name.
    fn chosen(&self, name: &str) -> anyhow::Result<&ChatConversation> {
        let is_named = |talk: &&ChatConversation| {
            let is_peer = talk.peer.is_some_and(|peer| peer.to_string() == name || (name == "me" && peer == self.me));
            talk.conversation == name || is_peer || talk.title.to_lowercase() == name.to_lowercase()
        };
        match self.conversations.iter().filter(is_named).collect::<Vec<_>>()[..] {
            [talk] => Ok(talk),
            [] => bail!("there is no conversation {name:?}; `byway chat conversations` lists those there are"),
            _ => bail!("several conversations are called {name:?}; give the identity, or all 64 digits of one"),
        }
    }

    fn person(&self, identity: IdentityId) -> String {
        self.people.get(&identity).cloned().unwrap_or_else(|| identity.to_string())
    }

    fn conversation(&self, id: &str) -> String {
        let talk = self.conversations.iter().find(|talk| talk.conversation == id);
        talk.map(|talk| talk.title.clone()).filter(|title| !title.is_empty()).unwrap_or_else(|| id.to_owned())
    }
}

pub async fn export(client: &Client, args: ChatExportArgs) -> anyhow::Result<()> {
    let ChatExportArgs { to, conversation, format } = args;
    let names = Names::ask(client).await?;
    let chosen: Vec<&ChatConversation> = match &conversation {
        None => names.conversations.iter().collect(),
        Some(name) => vec![names.chosen(name)?],
    };
    let Some(path) = to else {
        let written = write(client, &names, &chosen, format, &mut io::stdout().lock()).await;
        return written.or_else(|error| {
            let is_read_enough =
                error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
            if is_read_enough { Ok(()) } else { Err(error) }
        });
    };
    let file = create(&path).with_context(|| format!("{} can't be written; name another with --to", path.display()))?;
    let mut out = BufWriter::new(file);
    let written = match write(client, &names, &chosen, format, &mut out).await {
        Ok(()) => out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()),
        Err(error) => Err(io::Error::other(error)),
    };
    if written.is_err() {
        // What is half there is of no use to anybody.
        let _ = std::fs::remove_file(&path);
    }
    written.with_context(|| format!("{} was not written", path.display()))
}

/// A file that only its owner reads, and that was not there.
fn create(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn write(
    client: &Client,
    names: &Names,
    chosen: &[&ChatConversation],
    format: ChatExportFormat,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for talk in chosen {
        match format {
            ChatExportFormat::Json => put_line(out, &ExportLine::Conversation(talk))?,
            ChatExportFormat::Markdown => write!(out, "# {}\n\n", names.conversation(&talk.conversation))?,
        }
        // Each page has the messages of so many places, from the first ones on; what is said meanwhile is left out.
        let mut end = 0;
        while end < talk.messages {
            let start = end;
            end = (end + PAGE).min(talk.messages);
            let limit = (end - start) as usize;
            let read = ChatRead { to: talk.conversation.clone(), before: Some(end), limit };
            let page: Vec<ChatItem> = client.call("chat_read", &read).await?;
            for item in page.iter().rev().filter(|item| item.place >= start) {
                match format {
                    ChatExportFormat::Json => put_line(out, &ExportLine::Message(item))?,
                    ChatExportFormat::Markdown => out.write_all(as_markdown(item, names).as_bytes())?,
                }
            }
        }
    }
    Ok(out.flush()?)
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ExportLine<'a> {
    Conversation(&'a ChatConversation),
    Message(&'a ChatItem),
}

fn put_line(out: &mut impl Write, line: &ExportLine<'_>) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
}

/// A message as a quote under its author's name, so that nothing in it is taken for what this program writes.
fn as_markdown(item: &ChatItem, names: &Names) -> String {
    let edited = if item.edited { ", edited" } else { "" };
    let mut text = format!("**{}**, {}{edited}\n\n", names.person(item.author), at(item.sent_ms));
    let said = match item {
        ChatItem { deleted: true, .. } => "(deleted)".to_owned(),
        ChatItem { text, .. } => chat_mention::shown(&display::text(text), &names.people),
    };
    let more = chat_content::more(item, &names.people);
    for line in said.lines().chain(more.lines().map(str::trim)).filter(|line| !line.is_empty()) {
        text.push_str(&format!("> {line}\n>\n"));
    }
    text.push('\n');
    text
}

/// Day and minute, in UTC.
fn at(time: Time) -> String {
    let day = Day::of(time);
    let minutes = time.since(day.begins()).0 / 60_000;
    format!("{day} {:02}:{:02}", minutes / 60, minutes % 60)
}
