//! The address book of a group.

use byway_primitives::IdentityId;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ChatLookAlike, ChatStanding, ErrorKind};

/// The book of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatBookShow {
    pub to: String,
}

/// Writes somebody into a group's book, or takes them out, for everyone in the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatBookChange {
    pub to: String,
    pub what: ChatBookWhat,
    /// Their identity, their card, what they are called here, or their name in the ledger's directory.
    pub who: String,
    /// What they are called in the book; what one calls them oneself when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatBookWhat {
    /// Instead of what stands there of them.
    Put,
    Remove,
}

/// The book of a group as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatBook {
    /// 64 hex digits.
    pub conversation: String,
    /// By what they are called.
    pub people: Vec<ChatBookPerson>,
}

/// Somebody in a group's book. What stands there a member has written, and nobody has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatBookPerson {
    pub identity: IdentityId,
    /// Harmless to look at; empty where there is none.
    pub name: String,
    /// Harmless to look at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who has written it last.
    pub by: IdentityId,
    /// Whether it says where they are reached.
    pub reachable: bool,
    /// Whether they are in the group: then a first message costs nothing.
    pub member: bool,
    /// Where they stand with us, where we know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<ChatStanding>,
    /// Their primary name in the ledger's directory: proved, and theirs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_name: Option<String>,
    /// Whether there is a pledge for their identity on the ledger.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registered: bool,
    /// Somebody else who could be meant by that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<ChatLookAlike>,
}

impl Request for ChatBookShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")? })
    }
}

impl Request for ChatBookChange {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            what: params.required("what")?,
            who: params.required("who")?,
            name: params.optional("name")?,
            note: params.optional("note")?,
        })
    }
}

impl ApiError {
    /// Somebody is not in a group's address book.
    pub fn chat_not_in_book(who: &str) -> Self {
        Self::new(
            ErrorKind::ChatNotInBook,
            format!("{who} is not in that group's address book."),
            "`byway chat book show` lists those who are.",
        )
    }

    /// No more people can be written into a group's address book.
    pub fn chat_book_full() -> Self {
        Self::new(
            ErrorKind::ChatBookFull,
            "That group's address book is full, with those who were taken out of it.",
            "Put somebody in who was in it before, or found another group.",
        )
    }
}
