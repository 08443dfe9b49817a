//! Backups of conversations: a file that only the seed phrase opens, given and taken in parts.

use byway_primitives::Time;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, Base64, PART_BYTES_MAX};

/// Asks for a part of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatBackup {
    /// What the part before said that is next; without it a backup begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is to be written behind the parts before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatBackupPart {
    pub bytes: Base64,
    /// What to ask for next. Without it the backup is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Messages in this part, and those that are too long for a backup.
    pub messages: u64,
    pub left_out: u64,
}

/// Gives bytes of a backup that is to be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatRestore {
    /// Where they begin in it. At 0 it begins anew.
    pub at: u64,
    pub bytes: Base64,
    /// Whether they are the last of it.
    pub last: bool,
    /// Only looks whether the backup is whole and of this node.
    pub trial: bool,
}

/// How far a backup is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRestored {
    /// Where the next bytes begin.
    pub size: u64,
    /// When it was made, as soon as that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_ms: Option<Time>,
    /// People, conversations and messages that were not here.
    pub people: u64,
    pub conversations: u64,
    pub messages: u64,
    /// Messages that were here.
    pub known: u64,
}

impl Request for ChatBackup {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { next: params.optional("next")? })
    }
}

impl Request for ChatRestore {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let request = Self {
            at: params.required("at")?,
            bytes: params.required("bytes")?,
            last: params.optional("last")?.unwrap_or(false),
            trial: params.optional("trial")?.unwrap_or(false),
        };
        if request.bytes.0.len() > PART_BYTES_MAX {
            return Err(ApiError::invalid_params("bytes", format_args!("there are at most {PART_BYTES_MAX}")));
        }
        Ok(request)
    }
}
