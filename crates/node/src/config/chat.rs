//! How a node's user is known to those whom they talk with (`[chat]`).

use byway_chat::delivery::letter::NAME_MAX;
use byway_primitives::Amount;
use serde::Deserialize;

use super::{Problem, problem};
use crate::api::ChatTells;
use crate::peer_node::ChatSettings;

/// Two to the power of 40: what is more has no bytes that could be counted.
const ATTACHMENTS_MB_MAX: u64 = 1 << 40;

/// As much as a few megabytes of traffic: nothing for one who is in earnest, and too much for ten thousand.
const ASK_PRICE: Amount = Amount::from_units(10_000_000_000_000_000);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatConfig {
    /// By which the user goes to those whom they ask to be a contact; nobody checks it.
    pub name: String,
    /// Whether others hear that the user is writing, …
    pub typing: bool,
    /// … is there, …
    pub presence: bool,
    /// … and what they have read.
    pub read_marks: bool,
    /// Whether pictures up to 16 MiB are fetched before the user has asked for them.
    pub fetch_pictures: bool,
    /// What a first message costs whoever is not registered, shows no invite and is in no group with the user; nothing where it is zero.
    pub ask_price: Amount,
    /// MiB that are kept of files of conversations.
    pub attachments_max_mb: u64,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            typing: true,
            presence: true,
            read_marks: true,
            fetch_pictures: true,
            ask_price: ASK_PRICE,
            attachments_max_mb: 10 * 1024,
        }
    }
}

impl ChatConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.name.len() > NAME_MAX {
            return Err(problem("chat.name", &self.name, "it is too long", "write one of at most 64 bytes"));
        }
        if self.attachments_max_mb > ATTACHMENTS_MB_MAX {
            let (key, value) = ("chat.attachments_max_mb", &self.attachments_max_mb.to_string());
            return Err(problem(key, value, "no disk holds so much", "write how many MiB may be kept"));
        }
        Ok(())
    }

    /// What the node is told of it.
    pub fn settings(&self) -> ChatSettings {
        let Self { typing, presence, read_marks, fetch_pictures, ask_price, attachments_max_mb, .. } = *self;
        let tells = ChatTells { typing, presence, read_marks };
        ChatSettings { attachments_bytes_max: attachments_max_mb << 20, fetch_pictures, ask_price, tells }
    }
}
