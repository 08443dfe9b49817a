//! Files beside messages.

use byway_primitives::Span;
use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ApiError;
use super::params::{IdempotencyKey, Params};
use super::requests::Request;

/// Bytes of one part of a file in a call or an answer: with Base64 around it, it fits a message of the local API twice.
pub const PART_BYTES_MAX: usize = 256 * 1024;

/// Bytes in JSON: Base64 with padding (RFC 4648, 4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    /// As it stands in JSON.
    pub fn to_text(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Self).map_err(|_| serde::de::Error::custom("it is not Base64"))
    }
}

/// A part of a file that is to be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatUploadPart {
    /// Names the file until it is attached; chosen by the caller.
    pub upload: IdempotencyKey,
    /// Where the part begins in it. At 0 it begins anew.
    pub at: u64,
    pub bytes: Base64,
}

/// How much of a file there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatUpload {
    pub upload: IdempotencyKey,
    pub size: u64,
}

/// Says something with files that were uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatAttach {
    /// A conversation, an identity, or a contact's name.
    pub to: String,
    pub files: Vec<ChatFile>,
    /// Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Of a voice note, which is one file alone: how loud it is from its beginning to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<u8>>,
    pub idempotency_key: IdempotencyKey,
}

/// What is said of a file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatFile {
    pub upload: IdempotencyKey,
    pub name: String,
    /// What the file's beginning says when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Of a picture or video, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Span>,
    /// A small picture of it: PNG, JPEG or WebP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Base64>,
}

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatFileState {
    /// With others, and nobody here has asked for it.
    Away,
    /// It is fetched as soon as somebody who has it is there.
    Wanted,
    /// It is coming.
    Coming,
    Here,
    /// What was sent as it is another file.
    Untrue,
    /// It is larger than what is taken.
    TooLarge,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAttachment {
    /// Its place among the message's files.
    pub number: u8,
    /// Harmless to look at and to write to a disk.
    pub name: String,
    /// What the name was made to hide: `place`, `hidden`, `runs`, `two_endings`.
    pub cautions: Vec<String>,
    /// As its sender says.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    pub state: ChatFileState,
    /// Bytes that have come.
    pub fetched: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Span>,
    /// A small picture of it, as a URL with its bytes in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// Has a file fetched, or asks how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatFetch {
    pub to: String,
    pub message: String,
    pub number: u8,
    /// Whether the answer waits some seconds for the file.
    pub wait: bool,
}

/// Reads a part of a file that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatFileRead {
    pub to: String,
    pub message: String,
    pub number: u8,
    /// Where the part begins.
    pub at: u64,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFilePart {
    pub at: u64,
    /// Up to 256 KiB; none at the end.
    pub bytes: Base64,
    /// Of the whole file.
    pub size: u64,
    /// What it is by its beginning, where it is a picture, a recording or a video that may be shown in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_as: Option<String>,
}

impl Request for ChatUploadPart {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let part =
            Self { upload: params.required("upload")?, at: params.required("at")?, bytes: params.required("bytes")? };
        if part.bytes.0.len() > PART_BYTES_MAX {
            return Err(ApiError::invalid_params("bytes", format_args!("there are at most {PART_BYTES_MAX}")));
        }
        Ok(part)
    }
}

impl Request for ChatAttach {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            files: params.required("files")?,
            text: params.optional("text")?,
            reply: params.optional("reply")?,
            thread: params.optional("thread")?,
            levels: params.optional("levels")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ChatFetch {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            message: params.required("message")?,
            number: params.optional("number")?.unwrap_or(0),
            wait: params.optional("wait")?.unwrap_or(false),
        })
    }
}

impl Request for ChatFileRead {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            to: params.required("to")?,
            message: params.required("message")?,
            number: params.optional("number")?.unwrap_or(0),
            at: params.optional("at")?.unwrap_or(0),
        })
    }
}
