//! What is said in conversations beyond text: polls, lists, memos, and what is true for a moment.

use byway_primitives::{IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::Request;

/// A poll as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPoll {
    pub question: String,
    pub options: Vec<ChatPollOption>,
    /// How many options one chooses at most.
    pub choices_max: u8,
    /// Votes that are sent later don't count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_ms: Option<Time>,
    /// Its author has closed it, or its time is over.
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPollOption {
    pub text: String,
    /// Who has chosen it.
    pub people: Vec<IdentityId>,
    /// Whether we have.
    pub chosen: bool,
}

/// What a list's entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatListStyle {
    /// Things to be done by somebody.
    Tasks,
    /// Things.
    Things,
}

/// A list as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatList {
    pub title: String,
    pub style: ChatListStyle,
    /// From its top to its end.
    pub entries: Vec<ChatListEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatListEntry {
    /// 32 hex digits.
    pub entry: String,
    pub text: String,
    pub done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<IdentityId>,
}

/// Asks a question with options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatPollAsk {
    pub to: String,
    pub question: String,
    pub options: Vec<String>,
    /// One when left out.
    pub choices_max: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_ms: Option<Time>,
    pub idempotency_key: IdempotencyKey,
}

/// Chooses in a poll, in place of what was chosen before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatVote {
    pub to: String,
    pub message: String,
    /// Places of options, from 0; none takes the vote back.
    pub choices: Vec<usize>,
}

/// Begins a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatListMake {
    pub to: String,
    pub title: String,
    pub style: ChatListStyle,
    pub entries: Vec<String>,
    pub idempotency_key: IdempotencyKey,
}

/// Changes a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatListChange {
    pub to: String,
    pub message: String,
    pub changes: Vec<ChatListEdit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatListEdit {
    pub what: ChatListWhat,
    /// The entry; none where one is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Of what is added or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The entry behind which it is put: the last one when one is added and none is named, the top when one is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// To whom it is given; nobody when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<IdentityId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatListWhat {
    Add,
    Write,
    Check,
    Uncheck,
    Assign,
    Move,
    Remove,
}

/// Notes something for oneself, in a conversation with oneself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMemo {
    /// Markdown.
    pub text: String,
    /// When one wants to be reminded of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<Time>,
    pub idempotency_key: IdempotencyKey,
}

/// What our person keeps of a conversation for itself; nobody else hears of it. What is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatKeep {
    pub to: String,
    /// What it has begun to write; empty where it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Until when nobody is to be disturbed by it; what is past unmutes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until_ms: Option<Time>,
    /// It is shown as unread until it is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marked_unread: Option<bool>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatShow {
    pub to: String,
    pub message: String,
}

/// Says that our person is writing in a conversation, or has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatTyping {
    pub to: String,
    pub typing: bool,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatPresence {
    Away,
    Here,
    /// Here, and not to be disturbed.
    Busy,
}

/// Says to all contacts that our person is there, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatPresenceSet {
    pub presence: ChatPresence,
}

/// What others are told of our person beside what it says. What is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatTellsSet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_marks: Option<bool>,
}

/// What others are told of our person beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTells {
    /// That it is writing.
    pub typing: bool,
    /// Whether it is there.
    pub presence: bool,
    /// What it has read.
    pub read_marks: bool,
}

impl Default for ChatTells {
    fn default() -> Self {
        Self { typing: true, presence: true, read_marks: true }
    }
}

/// What is true of somebody in a conversation for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSign {
    pub conversation: String,
    pub person: IdentityId,
    /// Whether they are writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<ChatPresence>,
    /// When it is true no more, unless it is said again.
    pub until_ms: Time,
}

impl Request for ChatPollAsk {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            question: params.required("question")?,
            options: params.required("options")?,
            choices_max: params.optional("choices_max")?.unwrap_or(1),
            closes_ms: params.optional("closes_ms")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatVote {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            message: params.required("message")?,
            choices: params.required("choices")?,
        })
    }
}

impl Request for ChatListMake {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            title: params.required("title")?,
            style: params.optional("style")?.unwrap_or(ChatListStyle::Tasks),
            entries: params.optional("entries")?.unwrap_or_default(),
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatListChange {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            message: params.required("message")?,
            changes: params.required("changes")?,
        })
    }
}

impl Request for ChatMemo {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            text: params.required("text")?,
            remind_ms: params.optional("remind_ms")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatKeep {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            draft: params.optional("draft")?,
            pinned: params.optional("pinned")?,
            muted_until_ms: params.optional("muted_until_ms")?,
            marked_unread: params.optional("marked_unread")?,
        })
    }
}

impl Request for ChatShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")?, message: params.required("message")? })
    }
}

impl Request for ChatTyping {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")?, typing: params.required("typing")? })
    }
}

impl Request for ChatPresenceSet {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { presence: params.required("presence")? })
    }
}

impl Request for ChatTellsSet {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            typing: params.optional("typing")?,
            presence: params.optional("presence")?,
            read_marks: params.optional("read_marks")?,
        })
    }
}
