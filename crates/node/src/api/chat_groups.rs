//! Groups: conversations to which people are added (row M11).

use byway_primitives::IdentityId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::Request;

/// Founds a group, and adds contacts to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatGroupCreate {
    pub title: String,
    /// Contacts, by identity or name.
    pub with: Vec<String>,
    pub idempotency_key: IdempotencyKey,
}

/// Changes a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatGroupChange {
    /// A group, by its id or what it is called.
    pub to: String,
    pub what: ChatGroupWhat,
    /// Those whom it is about, by identity or name; nobody where the group itself is changed, or left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// What it is called from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatGroupWhat {
    Add,
    Remove,
    /// Makes somebody an admin.
    Promote,
    /// Makes an admin a member again.
    Demote,
    Rename,
    Leave,
}

/// What somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    Founder,
    Admin,
    Member,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMember {
    pub identity: IdentityId,
    /// What to call them, made harmless to look at; of whom one knows otherwise what they say themselves.
    pub name: String,
    pub role: ChatRole,
}

/// What is so of a group beside what is so of any conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatGroup {
    pub members: Vec<ChatMember>,
    /// Those who are added as soon as there are keys of theirs.
    pub awaited: Vec<IdentityId>,
    /// Whether one has left it, and is yet to be removed by another member.
    pub leaving: bool,
}

impl Request for ChatGroupCreate {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            title: params.required("title")?,
            with: params.required("with")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatGroupChange {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            what: params.required("what")?,
            who: params.optional("who")?.unwrap_or_default(),
            title: params.optional("title")?,
        })
    }
}
