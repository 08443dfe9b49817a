//! Keeps a bot's program running between the conversations that it was let into and the node.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, bail};
use byway_primitives::{IdentityId, Time};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use super::super::{BotRunArgs, Globals, Outcome, idempotency_key};
use super::program::{Did, Program};
use super::protocol::{self, Asked, Refusal, Request};
use super::rules::{In, Rate, Rules, spelled_out};
use super::seen::{Seen, end};
use crate::api::*;
use crate::client::{Client, ClientError};
use crate::directory::Directory;
use crate::hosting::told_to_stop;

/// How often the node is asked for what was said.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Messages that are asked for at once.
const PAGE: u64 = 100;
/// How long a program that ended is left alone, at first and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// After so long a program is taken for one that runs.
const RUNS_AFTER: Duration = Duration::from_secs(60);
/// What invites are counted under: they belong to no conversation.
const INVITES: &str = "";

pub async fn run(globals: &Globals, args: BotRunArgs) -> anyhow::Result<Outcome> {
    let mut bot = Bot::open(globals.running_directory()?, &args).await?;
    let within = bot.talks.iter().filter(|talk| bot.rules.is_within(talk)).count();
    eprintln!("{} runs; conversations that it is in: {within}. Ctrl-C ends it.", bot.rules.name);
    tokio::select! {
        ended = bot.keep(&args.command, args.once) => ended,
        () = told_to_stop() => Ok(Outcome::Done),
    }
}

/// Keeps a bot running for the node of a directory, for as long as this is polled.
///
/// # Errors
/// Its rules can't be followed, or its program can't be started.
pub async fn attend(directory: Directory, args: BotRunArgs) -> anyhow::Result<Outcome> {
    let mut bot = Bot::open(directory, &args).await?;
    bot.keep(&args.command, args.once).await
}

/// What a bot is called: as was said, or as its program is.
fn called(name: Option<String>, command: &[String]) -> anyhow::Result<String> {
    if let Some(name) = name {
        return Ok(name);
    }
    let program = command.first().map(std::path::Path::new).and_then(|program| program.file_stem());
    let name = program.map(|name| name.to_string_lossy().to_lowercase().replace('_', "-")).unwrap_or_default();
    super::name(&name).ok().context("say what the bot is to be called, with --name")
}

/// What a bot is to be told, and what it has seen then.
struct News {
    conversation: String,
    next: u64,
    line: Option<String>,
}

struct Bot {
    directory: Directory,
    client: Client,
    rules: Rules,
    talks: Vec<ChatConversation>,
    seen: Seen,
    rate: Rate,
    began: Instant,
    /// The node did not answer when it was last asked.
    is_away: bool,
}

impl Bot {
    async fn open(directory: Directory, args: &BotRunArgs) -> anyhow::Result<Self> {
        let client = Client::of(&directory)?;
        let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
        let talks: Vec<ChatConversation> = client.call("chat_conversations", &Nothing {}).await?;
        let within = match (args.in_all, args.hired) {
            (true, _) => In::All,
            (_, true) => In::Hired(paid(&client).await?),
            _ => In::these(&args.within, &talks)?,
        };
        let rules = Rules {
            within,
            may: spelled_out(&args.may),
            mentions_only: args.mentions_only,
            name: called(args.name.clone(), &args.command)?,
            me: status.talks_as(),
        };
        let within: Vec<&ChatConversation> = talks.iter().filter(|talk| rules.is_within(talk)).collect();
        // What those who have hired it said while it did not run is paid for.
        let within = if args.hired { Vec::new() } else { within };
        let seen = Seen::open(&directory, &rules.name, &within, args.in_all)?;
        let rate = Rate::new(args.per_minute.into());
        Ok(Self { directory, client, rules, talks, seen, rate, began: Instant::now(), is_away: false })
    }

    /// Starts the program, and again whenever it has ended.
    async fn keep(&mut self, command: &[String], once: bool) -> anyhow::Result<Outcome> {
        let mut pause = PAUSE_MIN;
        loop {
            let started = Instant::now();
            let program = Program::start(&self.rules.name, command);
            let mut program = program.with_context(|| format!("{} can't be started", command[0]))?;
            let why = self.play(&mut program).await?;
            match once {
                true if program.is_done() => return Ok(Outcome::Done),
                true => bail!("the bot's program is over: {why}"),
                false => drop(program),
            }
            if started.elapsed() >= RUNS_AFTER {
                pause = PAUSE_MIN;
            }
            eprintln!("{}: {why}; it is started again in {} s", self.rules.name, pause.as_secs());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Between one program and the node, until the program is over.
    async fn play(&mut self, program: &mut Program) -> anyhow::Result<String> {
        program.tell(&protocol::hello(&self.rules, &self.talks));
        let mut news = VecDeque::new();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                did = program.next() => match did {
                    Did::Say(line) => {
                        if let Some(answer) = self.answer(&line).await {
                            program.tell(&answer);
                        }
                    }
                    Did::Hear => {}
                    Did::End(why) => return Ok(why),
                },
                _ = tick.tick() => {
                    if news.is_empty() && program.hears() {
                        news = self.look().await;
                    }
                }
            }
            while program.hears()
                && let Some(News { conversation, next, line }) = news.pop_front()
            {
                self.seen.up_to(&conversation, next)?;
                if let Some(line) = line {
                    program.tell(&line);
                }
            }
        }
    }

    /// What was said since; nothing while the node is away, which is said once.
    async fn look(&mut self) -> VecDeque<News> {
        match self.news().await {
            Ok(news) => {
                if std::mem::take(&mut self.is_away) {
                    eprintln!("{}: the node is there again", self.rules.name);
                }
                news
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    eprintln!("{}: {error}; the bot waits for the node", self.rules.name);
                }
                // It may have come back at another port.
                if let Ok(client) = Client::of(&self.directory) {
                    self.client = client;
                }
                VecDeque::new()
            }
        }
    }

    /// A page of each conversation in which something is new.
    async fn news(&mut self) -> Result<VecDeque<News>, ClientError> {
        if self.rules.is_hired() {
            self.rules.within = In::Hired(paid(&self.client).await?);
        }
        self.talks = self.client.call("chat_conversations", &Nothing {}).await?;
        let is_new = |talk: &&ChatConversation| {
            let (from, to) = self.to_see(talk);
            self.rules.is_within(talk) && to > from
        };
        let changed: Vec<&ChatConversation> = self.talks.iter().filter(is_new).collect();
        let mut news = VecDeque::new();
        if changed.is_empty() {
            return Ok(news);
        }
        let people: Vec<ChatPerson> = self.client.call("chat_people", &Nothing {}).await?;
        for talk in changed {
            let ((from, end), to) = (self.to_see(talk), talk.conversation.clone());
            let behind = from.saturating_add(PAGE).min(end);
            let read = ChatRead { to, before: Some(behind), limit: PAGE as usize };
            let mut items: Vec<ChatItem> = self.client.call("chat_read", &read).await?;
            items.retain(|item| item.place >= from && self.rules.is_for_it(item));
            items.reverse();
            let names = names(talk, &people);
            let of = |next, line| News { conversation: talk.conversation.clone(), next, line };
            for item in items {
                let name = names.get(&item.author).copied().unwrap_or_default();
                news.push_back(of(item.place + 1, Some(protocol::message(&self.rules, talk, name, &item))));
            }
            news.push_back(of(behind, None));
        }
        Ok(news)
    }

    /// The places of a conversation that it has not seen and may: from the first on, before the second.
    fn to_see(&self, talk: &ChatConversation) -> (u64, u64) {
        let (begins, released) = self.rules.places(&talk.conversation);
        (self.seen.next(&talk.conversation).max(begins), end(talk).min(released))
    }

    /// Does what a line asks for; what is to be answered, if anything.
    async fn answer(&mut self, line: &[u8]) -> Option<String> {
        match protocol::request(line) {
            Err((id, refusal)) => Some(refusal.line(&id)),
            Ok(Request { id, asked }) => {
                let done = self.carry_out(asked).await;
                id.map(|id| match done {
                    Ok(result) => protocol::result(&id, &result),
                    Err(refusal) => refusal.line(&id),
                })
            }
        }
    }

    async fn carry_out(&mut self, asked: Asked) -> Result<Value, Refusal> {
        let talk = asked.permitted(&self.rules, &self.talks)?;
        let to = talk.map(|talk| talk.conversation.clone()).unwrap_or_default();
        if asked.is_told() {
            let counted = if talk.is_some() { to.as_str() } else { INVITES };
            let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.rate.count(counted, Time(since)).map_err(|wait| {
                eprintln!("{}: it has done all that it may in a minute; --per-minute says how much", self.rules.name);
                Refusal::TooFast(wait.0)
            })?;
        }
        match asked {
            Asked::Send(protocol::Send { text, reply, thread, .. }) => {
                let key = idempotency_key(None).map_err(|_| Refusal::NodeAway)?;
                self.ask("chat_send", &ChatSend { to, text, reply, thread, idempotency_key: key }).await
            }
            Asked::React(protocol::React { message, emoji, remove, .. }) => {
                let what = if remove { ChatAboutWhat::Unreact } else { ChatAboutWhat::React };
                self.ask("chat_about", &ChatAbout { to, message, what, value: Some(emoji) }).await
            }
            Asked::Read(protocol::Read { before, limit, .. }) => {
                let limit = limit.unwrap_or(PAGE as usize);
                let (begins, released) = self.rules.places(&to);
                // What was not paid for is not there, nor what was said before the bot was hired.
                let before = match (before, self.rules.is_hired()) {
                    (before, false) => before,
                    (before, true) => Some(before.map_or(released, |before| before.min(released))),
                };
                let read = ChatRead { to, before, limit };
                let mut items = self.ask("chat_read", &read).await?;
                if let Some(items) = items.as_array_mut() {
                    items.retain(|item| item["place"].as_u64().is_some_and(|place| place >= begins));
                }
                Ok(items)
            }
            Asked::File(protocol::File { message, number, at, .. }) => {
                self.ask("chat_file", &json!({ "to": to, "message": message, "number": number, "at": at })).await
            }
            Asked::Invite(protocol::Invite { days, note }) => {
                self.ask("chat_invite", &ChatInviteMake { days, note }).await
            }
        }
    }

    async fn ask(&self, method: &str, params: &impl serde::Serialize) -> Result<Value, Refusal> {
        let answer = self.client.call(method, params).await;
        answer.map_err(|error| match error {
            ClientError::Api { code, message, .. } => Refusal::Node { code, message },
            _ => Refusal::NodeAway,
        })
    }
}

/// The conversations of those who have hired the bot, and what of each is paid for.
async fn paid(client: &Client) -> Result<BTreeMap<String, (u64, u64)>, ClientError> {
    let clients: Vec<BotClient> = client.call("bot_work", &Nothing {}).await?;
    let one = |of: BotClient| Some((of.conversation?, (of.begins, of.released)));
    Ok(clients.into_iter().filter_map(one).collect())
}

/// What those in a conversation are called, empty where they have said nothing.
fn names<'a>(talk: &'a ChatConversation, people: &'a [ChatPerson]) -> BTreeMap<IdentityId, &'a str> {
    let members = talk.group.iter().flat_map(|group| &group.members);
    let members = members.map(|member| (member.identity, member.name.as_str()));
    members.chain(people.iter().map(|person| (person.identity, person.name.as_str()))).collect()
}
