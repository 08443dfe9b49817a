//! Finding again what was said.

use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ChatConversation, ChatItem, ChatPerson};

/// Messages of a page, and at most.
const PAGE_DEFAULT: u64 = 20;
const PAGE_MAX: u64 = 100;

/// Looks for messages, people and groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatSearch {
    /// Words, phrases in quotation marks, and filters: `from:`, `in:`, `before:`, `after:`, `has:`.
    pub query: String,
    /// Only in this conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What stands behind an earlier page: its `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub limit: usize,
    /// By how many minutes the clock by which days begin is ahead of UTC.
    pub offset_minutes: i32,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFound {
    /// The newest first.
    pub hits: Vec<ChatHit>,
    /// Those who are called so; with the first page, where there are no filters.
    pub people: Vec<ChatPerson>,
    /// Groups that are called so, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<ChatConversation>,
    /// Where the next page begins, if there are older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatHit {
    /// Its conversation: 64 hex digits.
    pub to: String,
    pub item: ChatItem,
    /// Where in its text what was looked for stands: start and end, in code units of UTF-16.
    pub marks: Vec<[u32; 2]>,
}

impl Request for ChatSearch {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            query: params.required("query")?,
            to: params.optional("to")?,
            before: params.optional("before")?,
            limit: params.limit_within(PAGE_DEFAULT, PAGE_MAX)?,
            offset_minutes: params.optional("offset_minutes")?.unwrap_or(0),
        })
    }
}
