//! What subscribers hear.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;

use super::{
    Balance, BotHire, ChannelDetail, ChatBook, ChatConversation, ChatItem, ChatPerson, ChatSign, CheckpointRecord,
    DeviceStatus, Entry, HoldStatus, KernelPulse, KernelTransactionRecord, NodeStatus, Offer, PhoneStatus, Promise,
    Session,
};

/// Where a node publishes and each connection listens. A listener that falls behind misses events and is given the
/// state as of now instead, so the capacity bounds memory and loses nothing.
pub type Events = broadcast::Receiver<Arc<Event>>;

/// Events that a node's channel should hold: some seconds of a busy node.
pub const EVENTS_BUFFERED: usize = 256;

/// A change, as a whole value that replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    Status(Box<NodeStatus>),
    Session(Session),
    Offers(Vec<Offer>),
    Wallet(WalletChange),
    Promise(Promise),
    /// With what happened to it lately.
    Channel(Box<ChannelDetail>),
    ChatPerson(ChatPerson),
    ChatConversation(Box<ChatConversation>),
    ChatItem(Box<ChatItem>),
    ChatSign(ChatSign),
    ChatBook(Box<ChatBook>),
    /// A note whose time has come.
    ChatReminder(Box<ChatItem>),
    Phones(PhoneStatus),
    Devices(DeviceStatus),
    Holding(Box<HoldStatus>),
    /// A bot that is hired here.
    Bot(BotHire),
    Pulse(KernelPulse),
    Checkpoint(CheckpointRecord),
    Transaction(KernelTransactionRecord),
}

/// The balance, and the entries that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletChange {
    pub balance: Balance,
    pub entries: Vec<Entry>,
}

/// What one can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Status,
    Session,
    Offers,
    Wallet,
    Promise,
    Channel,
    /// Those whom one knows.
    People,
    /// Conversations, with their newest message.
    Conversation,
    /// Messages, as they come and change.
    Message,
    /// What is true of somebody in a conversation for a moment.
    Sign,
    /// Address books of groups.
    Book,
    /// Notes of which one wanted to be reminded.
    Reminder,
    /// Phones that are linked, or may be.
    Phone,
    /// Other devices of the person in whose name the node talks.
    Device,
    /// Who holds for this node, and what it holds for others.
    Holding,
    /// Bots that are hired.
    Bot,
    Pulse,
    Checkpoint,
    /// Of the transactions that the subscription names.
    Transaction,
}

impl Topic {
    pub const ALL: [Topic; 19] = [
        Topic::Status,
        Topic::Session,
        Topic::Offers,
        Topic::Wallet,
        Topic::Promise,
        Topic::Channel,
        Topic::People,
        Topic::Conversation,
        Topic::Message,
        Topic::Sign,
        Topic::Book,
        Topic::Reminder,
        Topic::Phone,
        Topic::Device,
        Topic::Holding,
        Topic::Bot,
        Topic::Pulse,
        Topic::Checkpoint,
        Topic::Transaction,
    ];
    /// Those that are about the kernel, which kernel nodes have too.
    pub const KERNEL: [Topic; 3] = [Topic::Pulse, Topic::Checkpoint, Topic::Transaction];

    pub fn name(self) -> &'static str {
        match self {
            Topic::Status => "status",
            Topic::Session => "session",
            Topic::Offers => "offers",
            Topic::Wallet => "wallet",
            Topic::Promise => "promise",
            Topic::Channel => "channel",
            Topic::People => "people",
            Topic::Conversation => "conversation",
            Topic::Message => "message",
            Topic::Sign => "sign",
            Topic::Book => "book",
            Topic::Reminder => "reminder",
            Topic::Phone => "phone",
            Topic::Device => "device",
            Topic::Holding => "holding",
            Topic::Bot => "bot",
            Topic::Pulse => "pulse",
            Topic::Checkpoint => "checkpoint",
            Topic::Transaction => "transaction",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl Event {
    pub fn topic(&self) -> Topic {
        match self {
            Event::Status(_) => Topic::Status,
            Event::Session(_) => Topic::Session,
            Event::Offers(_) => Topic::Offers,
            Event::Wallet(_) => Topic::Wallet,
            Event::Promise(_) => Topic::Promise,
            Event::Channel(_) => Topic::Channel,
            Event::ChatPerson(_) => Topic::People,
            Event::ChatConversation(_) => Topic::Conversation,
            Event::ChatItem(_) => Topic::Message,
            Event::ChatSign(_) => Topic::Sign,
            Event::ChatBook(_) => Topic::Book,
            Event::ChatReminder(_) => Topic::Reminder,
            Event::Phones(_) => Topic::Phone,
            Event::Devices(_) => Topic::Device,
            Event::Holding(_) => Topic::Holding,
            Event::Bot(_) => Topic::Bot,
            Event::Pulse(_) => Topic::Pulse,
            Event::Checkpoint(_) => Topic::Checkpoint,
            Event::Transaction(_) => Topic::Transaction,
        }
    }
}
