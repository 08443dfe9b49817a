//! Conversations between people (row M11).

use byway_primitives::{Amount, IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::params::{IdempotencyKey, Params};
use super::requests::Request;
use super::{ApiError, ChatAttachment, ChatGroup, ChatList, ChatPoll, ChatRefusal};

/// Messages of a page, and at most.
const PAGE_DEFAULT: u64 = 50;
const PAGE_MAX: u64 = 200;

/// Makes a link by which one person becomes a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatInviteMake {
    /// How long it counts; seven days when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// Whom it is for, for oneself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A link of one's own. Whoever has it may be a contact, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatInvite {
    pub link: String,
    pub expires_ms: Time,
}

/// Asks somebody to be a contact, or agrees where they have asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatAccept {
    /// A link that they gave, their card, their identity, or their name in the ledger's directory.
    pub who: String,
}

/// Hears somebody no more, or hears them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatBlock {
    pub who: IdentityId,
    pub blocked: bool,
}

/// Calls somebody otherwise than they call themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatNickname {
    pub who: IdentityId,
    /// What they call themselves when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
}

/// Where somebody stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatStanding {
    /// We have asked, and await the answer.
    Asked,
    /// They ask.
    Asking,
    Contact,
    Blocked,
}

/// Somebody whom we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPerson {
    pub identity: IdentityId,
    /// What to call them, made harmless to look at; empty where they have said nothing.
    pub name: String,
    /// What they say that they are called, which nobody has checked, where we call them otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
    pub standing: ChatStanding,
    pub since_ms: Time,
    /// The conversation of the two of us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Whether they are there now.
    pub online: bool,
    /// Messages that wait for them to come back.
    pub waiting: usize,
    /// Their primary name in the ledger's directory: proved, and theirs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_name: Option<String>,
    /// Whether there is a pledge for their identity on the ledger.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registered: bool,
    /// Somebody else who could be meant by what they are called here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<ChatLookAlike>,
    /// Whom we have asked, and who does not hear us: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<ChatRefusal>,
    /// Of somebody who asks: what they have set aside for it, and lose if they are blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<Amount>,
    /// Of somebody who asks: the group that we are in with them, and by which they know us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced_by: Option<String>,
    /// What both read to each other to know that nobody is between them: twelve groups of five digits. It never changes.
    pub safety_number: String,
    /// As the safety number, in twelve words of the list that seed phrases use.
    pub safety_words: String,
    /// When our person has compared either with them, and both were alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_ms: Option<Time>,
}

/// Our person has compared the safety number or the words with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChatVerify {
    pub who: IdentityId,
    /// Whether they are alike; else what was noted before is forgotten.
    pub matches: bool,
}

/// Somebody whose name another's looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLookAlike {
    pub identity: IdentityId,
    /// Harmless to look at.
    pub name: String,
    /// Whether the name is theirs in the ledger's directory; else they are one whom we know.
    pub in_directory: bool,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatConversation {
    /// 64 hex digits.
    pub conversation: String,
    /// What it is called, or the other one's name.
    pub title: String,
    /// The other one, where it is of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IdentityId>,
    /// Everyone in it, ourselves too.
    pub members: Vec<IdentityId>,
    /// Whether this device is still in it.
    pub member: bool,
    /// What was said is here, out of a backup or given by the first device, and the others have yet to let this device in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
    pub since_ms: Time,
    pub messages: u64,
    pub unread: u64,
    /// Whether our person is mentioned in what is unread, as far as the newest 100 messages go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentioned: bool,
    /// The newest message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<ChatItem>,
    /// What our person has begun to write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub draft: String,
    /// Whether it stands above the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Until when nobody is to be disturbed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until_ms: Option<Time>,
    /// It is shown as unread, although it was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked_unread: bool,
    /// Where it is a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<ChatGroup>,
}

/// A message as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatItem {
    pub conversation: String,
    /// Its author and its id, as `AUTHOR/ID` in hex.
    pub message: String,
    pub author: IdentityId,
    /// Its place in the conversation on this device.
    pub place: u64,
    /// By its author's clock.
    pub sent_ms: Time,
    /// What it is: `text`, `poll`, `list`, …, or `a message of a newer kind`.
    pub kind: String,
    /// Markdown, as it was typed; empty where it has none or is gone.
    pub text: String,
    /// Whether it mentions our person, by its author's list of those whom it calls.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_me: bool,
    pub edited: bool,
    pub deleted: bool,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The message that its thread began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    pub reactions: Vec<ChatReaction>,
    /// Files that it came with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<ChatAttachment>,
    /// Of a voice note: how loud it is from its beginning to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<ChatPoll>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ChatList>,
    /// Of a memo: when one wants to be reminded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<Time>,
    /// Those with whom it has arrived, of what we said.
    pub received: Vec<IdentityId>,
    /// Those who say that they have read it.
    pub read: Vec<IdentityId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatReaction {
    pub emoji: String,
    pub people: Vec<IdentityId>,
}

/// Says something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatSend {
    /// A conversation, an identity, or a contact's name.
    pub to: String,
    /// Markdown.
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    pub idempotency_key: IdempotencyKey,
}

/// Says something about a message that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatAbout {
    pub to: String,
    pub message: String,
    pub what: ChatAboutWhat,
    /// The new text, or the emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatAboutWhat {
    Edit,
    Delete,
    React,
    /// Takes a reaction back.
    Unreact,
    /// Ends a poll of one's own.
    Close,
}

/// Messages of a conversation, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatRead {
    pub to: String,
    /// Those before this place; the newest when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    pub limit: usize,
}

/// Our person has looked at a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMark {
    pub to: String,
    /// Whether the others hear which messages were read.
    pub tell: bool,
}

impl Request for ChatInviteMake {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { days: params.optional("days")?, note: params.optional("note")? })
    }
}

impl Request for ChatAccept {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { who: params.required("who")? })
    }
}

impl Request for ChatBlock {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { who: params.required("who")?, blocked: params.required("blocked")? })
    }
}

impl Request for ChatNickname {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { who: params.required("who")?, nickname: params.optional("nickname")? })
    }
}

impl Request for ChatVerify {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { who: params.required("who")?, matches: params.required("matches")? })
    }
}

impl Request for ChatSend {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            text: params.required("text")?,
            reply: params.optional("reply")?,
            thread: params.optional("thread")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatAbout {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            message: params.required("message")?,
            what: params.required("what")?,
            value: params.optional("value")?,
        })
    }
}

impl Request for ChatRead {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            before: params.optional("before")?,
            limit: params.limit_within(PAGE_DEFAULT, PAGE_MAX)?,
        })
    }
}

impl Request for ChatMark {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")?, tell: params.required("tell")? })
    }
}
