//! Other devices of the person in whose name this node talks, as calls ask for and answer them. Each is a node of its own.

use byway_primitives::{IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ErrorKind};

/// Bytes of a device's name.
pub const DEVICE_NAME_BYTES_MAX: usize = byway_chat::delivery::letter::NAME_MAX;

/// What is typed in at a person's first device to make this node another of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceToken {
    /// Secret: this node is a device of whoever has it.
    pub token: String,
    pub expires_ms: Time,
}

/// Makes a node a device of the person whose first device this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceLink {
    /// What the node shows.
    pub token: String,
    /// What the device will be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names a device that is to be one no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceRemove {
    /// What it is called, or the identity of its node.
    pub device: String,
}

/// What this node is to the person in whose name it talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRole {
    /// At their own identity, whose key it has. So is every node that nobody has linked.
    First,
    Linked,
    /// It was linked, and taken away: it has what was said, and says nothing.
    Removed,
}

/// How far a node's being a device of the same person has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It is called as soon as it is reached, while its token counts.
    Calling,
    /// It does not take the token, or was not reached while that counted.
    Refused,
    Linked,
    /// On a node that was called: this one has called, and its answer is awaited.
    Agreed,
    /// On a linked device: the first.
    First,
    /// It is out of a backup: it is a device again as soon as it is found in a conversation that this node has come back into.
    Restored,
}

/// Another device of the same person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What its person calls it; empty where that is not known here.
    pub name: String,
    pub node: IdentityId,
    pub state: DeviceState,
    pub since_ms: Time,
    /// When the certificate ends that makes it a device, unless the first one renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Time>,
    /// Whether it is there now.
    pub online: bool,
    /// When it was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<Time>,
    /// Between a first device and a linked one: how far the latter was given what was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<DeviceHistory>,
}

/// How far a linked device was given what was said before it was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHistory {
    /// Messages that there were when it began, and those of them that were put out for it.
    pub messages: u64,
    pub given: u64,
    /// It has all, and what it could not read since.
    pub whole: bool,
}

/// In whose name this node talks, and at which others they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The identity of whoever talks here. It is this node's own, but on a linked device.
    pub person: IdentityId,
    pub role: DeviceRole,
    /// Of a linked device: when its certificate ends, unless the first one renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Time>,
    pub devices: Vec<Device>,
    /// Until when a token of this node counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_until_ms: Option<Time>,
}

fn checked_name(name: String) -> Result<String, ApiError> {
    let is_plain = name.trim() == name && !name.chars().any(char::is_control);
    match is_plain && (1..=DEVICE_NAME_BYTES_MAX).contains(&name.len()) {
        true => Ok(name),
        false => Err(ApiError::invalid_params(
            "name",
            format_args!("1 to {DEVICE_NAME_BYTES_MAX} bytes are needed, with no space at either end"),
        )),
    }
}

impl Request for DeviceLink {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { token: params.required("token")?, name: params.optional("name")?.map(checked_name).transpose()? })
    }
}

impl Request for DeviceRemove {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { device: params.required("device")? })
    }
}

impl ApiError {
    pub fn not_first_device() -> Self {
        Self::new(
            ErrorKind::NotFirstDevice,
            "This node is a linked device: contacts, invites and devices are made at your first one.",
            "Do it there; `byway device list` here says at which node that is.",
        )
    }

    pub fn node_not_new() -> Self {
        Self::new(
            ErrorKind::NodeNotNew,
            "This node knows people, has conversations or devices, or is or was a device of somebody; only a new one can be linked.",
            "Start a node with a folder and a seed phrase of its own, and link that one.",
        )
    }

    pub fn device_not_found() -> Self {
        Self::new(
            ErrorKind::DeviceNotFound,
            "None of your other devices is called so, or is at a node of that identity.",
            "`byway device list` shows those that there are.",
        )
    }

    pub fn device_is_person(node: IdentityId) -> Self {
        Self::new(
            ErrorKind::DeviceIsPerson,
            format!("{node} is known here as somebody to talk with, and can't be a device of yours."),
            "Link a new node, which nobody has talked with.",
        )
        .with("node", node.to_string().into())
    }

    pub fn too_many_devices(most: usize) -> Self {
        Self::new(
            ErrorKind::TooManyDevices,
            format!("{most} devices are linked already, which is as many as may be."),
            "Remove one first: `byway device list`, `byway device remove`.",
        )
    }

    pub fn device_token_expired() -> Self {
        Self::new(
            ErrorKind::DeviceTokenExpired,
            "This token counts no more: each does for ten minutes.",
            "Have the new node show another one (`byway device token` there). If it has just done so, compare the two clocks.",
        )
    }

    pub fn device_refused(node: IdentityId) -> Self {
        Self::new(
            ErrorKind::DeviceRefused,
            format!(
                "The node {node} was reached, and does not take this token: it was used, or shown before another one."
            ),
            "Have it show another one (`byway device token` there), unless it has been linked or used meanwhile.",
        )
        .with("node", node.to_string().into())
    }

    pub fn device_name_taken() -> Self {
        Self::new(
            ErrorKind::DeviceNameTaken,
            "A device of this name is linked already.",
            "Choose another name, or remove that one first (`byway device remove`).",
        )
    }
}
