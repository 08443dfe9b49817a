//! What one subscription is still to be sent, thinned out.
//!
//! Events are whole values, so of each (topic, key) only the newest unsent one is kept, and it leaves no more often than
//! the topic's pace allows; a change that people wait for (the state of a connection, session or channel) leaves at once. Memory
//! is therefore bounded by the number of things there are, however fast they change and however slowly a client reads.
//! Wallet events are joined: newest balance, each entry's newest state.
//!
//! A pure machine: time comes in as a parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use byway_primitives::IdentityId;
use byway_records::TransactionId;

use super::surface::Interest;
use crate::api::event::WalletChange;
use crate::api::{
    BackingKind, ChannelHealth, ChannelState, ConnectionState, Direction, Event, SessionState, Stage, Topic,
};

/// Entries of one wallet event: a burst longer than this is read by `wallet_history`.
const ENTRIES_MAX: usize = 200;

/// One subscription.
pub struct Outbox {
    interest: Interest,
    /// Events wait until the state as of now is known, so that it comes first.
    primed: bool,
    pending: BTreeMap<Key, Arc<Event>>,
    sent: BTreeMap<Key, Sent>,
}

/// What replaces what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Bot(IdentityId),
    Person(IdentityId),
    Conversation(String),
    /// Of a conversation.
    Message(String, String),
    /// Of somebody in a conversation; whether of typing.
    Book(String),
    Sign(String, IdentityId, bool),
    Reminder(String),
    Topic(Topic),
    Session(String),
    Channel(String),
    Promise(Direction, [u8; 20], u64, BackingKind),
    Transaction(TransactionId),
}

/// The last event of a key.
struct Sent {
    at: Instant,
    urgency: Urgency,
}

/// The part of an event whose change leaves at once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Urgency {
    None,
    Status(ConnectionState, String, bool),
    Session(SessionState),
    Channel(ChannelState, ChannelHealth),
    Transaction(Stage, bool),
}

impl Outbox {
    pub fn new(interest: Interest) -> Self {
        Self { interest, primed: false, pending: BTreeMap::new(), sent: BTreeMap::new() }
    }

    pub fn topics(&self) -> &BTreeSet<Topic> {
        &self.interest.topics
    }

    /// Takes the state as of now. Events that came meanwhile are at least as new: every change is followed by one.
    pub fn prime(&mut self, state: impl IntoIterator<Item = Event>) {
        for event in state {
            if let Event::Wallet(_) = event {
                let later = self.pending.remove(&Key::Topic(Topic::Wallet));
                self.push(Arc::new(event));
                later.into_iter().for_each(|event| self.push(event));
            } else if !self.pending.contains_key(&key(&event)) {
                self.push(Arc::new(event));
            }
        }
        self.primed = true;
    }

    pub fn push(&mut self, event: Arc<Event>) {
        if !self.wants(&event) {
            return;
        }
        let key = key(&event);
        let joined = match (self.pending.get(&key).map(|event| &**event), &*event) {
            (Some(Event::Wallet(old)), Event::Wallet(new)) => Arc::new(Event::Wallet(join(old, new))),
            _ => event,
        };
        self.pending.insert(key, joined);
    }

    fn wants(&self, event: &Event) -> bool {
        let is_named = match event {
            Event::Transaction(record) => self.interest.transactions.contains(&record.outcome.transaction_id),
            _ => true,
        };
        is_named && self.interest.topics.contains(&event.topic())
    }

    /// The next event that may leave at `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Arc<Event>> {
        if !self.primed {
            return None;
        }
        // What lies further back than its pace limits nothing any more.
        self.sent.retain(|key, sent| now < sent.at + pace(key));
        let due = self.pending.iter().find(|(key, event)| self.due_at(key, event).is_none_or(|at| at <= now));
        let key = due?.0.clone();
        let event = self.pending.remove(&key)?;
        self.sent.insert(key, Sent { at: now, urgency: urgency(&event) });
        Some(event)
    }

    /// When [`pop`](Self::pop) next has something, if nothing new comes: a moment, which may be past.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        if !self.primed {
            return None;
        }
        self.pending.iter().map(|(key, event)| self.due_at(key, event).unwrap_or(now)).min()
    }

    /// `None`: at once.
    fn due_at(&self, key: &Key, event: &Event) -> Option<Instant> {
        let sent = self.sent.get(key)?;
        (sent.urgency == urgency(event)).then(|| sent.at + pace(key))
    }
}

fn key(event: &Event) -> Key {
    match event {
        Event::Session(session) => Key::Session(session.id.0.clone()),
        Event::Promise(promise) => {
            Key::Promise(promise.direction, promise.counterparty.0, promise.serial.0, promise.backing)
        }
        Event::Channel(detail) => Key::Channel(detail.record.channel.clone()),
        Event::Bot(hire) => Key::Bot(hire.bot),
        Event::ChatPerson(person) => Key::Person(person.identity),
        Event::ChatConversation(talk) => Key::Conversation(talk.conversation.clone()),
        Event::ChatItem(item) => Key::Message(item.conversation.clone(), item.message.clone()),
        Event::ChatBook(book) => Key::Book(book.conversation.clone()),
        Event::ChatReminder(item) => Key::Reminder(item.message.clone()),
        Event::ChatSign(sign) => Key::Sign(sign.conversation.clone(), sign.person, sign.typing.is_some()),
        Event::Transaction(record) => Key::Transaction(record.outcome.transaction_id),
        other => Key::Topic(other.topic()),
    }
}

/// The shortest time between two events of a key.
fn pace(key: &Key) -> Duration {
    Duration::from_millis(match key {
        Key::Topic(Topic::Offers) => 2000,
        Key::Topic(Topic::Wallet) => 250,
        Key::Topic(Topic::Pulse) => 500,
        Key::Conversation(_) | Key::Book(_) => 250,
        Key::Message(..) | Key::Sign(..) | Key::Reminder(_) => 0,
        _ => 1000,
    })
}

fn urgency(event: &Event) -> Urgency {
    match event {
        Event::Status(status) => {
            Urgency::Status(status.connection.state, status.proxy.address.clone(), status.proxy.accepting)
        }
        Event::Session(session) => Urgency::Session(session.state),
        Event::Channel(detail) => Urgency::Channel(detail.record.state, detail.record.health),
        Event::Transaction(record) => Urgency::Transaction(record.outcome.stage, record.outcome.certified),
        _ => Urgency::None,
    }
}

fn join(old: &WalletChange, new: &WalletChange) -> WalletChange {
    let mut entries = new.entries.clone();
    let fresh: BTreeSet<_> = entries.iter().map(|entry| entry.transaction_id).collect();
    entries.extend(old.entries.iter().filter(|entry| !fresh.contains(&entry.transaction_id)).cloned());
    entries.truncate(ENTRIES_MAX);
    WalletChange { balance: new.balance.clone(), entries }
}
