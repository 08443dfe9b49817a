//! How a node's user is known to those whom they talk with (`[chat]`).

use byway_chat::delivery::letter::NAME_MAX;
use serde::Deserialize;

use super::{Problem, problem};

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatConfig {
    /// By which the user goes to those whom they ask to be a contact; nobody checks it.
    pub name: String,
}

impl ChatConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.name.len() > NAME_MAX {
            return Err(problem("chat.name", &self.name, "it is too long", "write one of at most 64 bytes"));
        }
        Ok(())
    }
}
