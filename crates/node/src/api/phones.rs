//! Phones whose browser opens this node over the local network, as calls ask for and answer them.

use byway_primitives::Time;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::requests::Request;
use super::{ApiError, ErrorKind, Topic};

/// Characters of a phone's name.
pub const PHONE_NAME_MAX: usize = 40;

/// What the token of a phone opens, and nothing else: messages, and looking at the wallet. A call that is not listed is refused, those of
/// later versions included.
pub const PHONE_METHODS: &[&str] = &[
    "node_status",
    "wallet_address",
    "wallet_balance",
    "wallet_history",
    "asset_list",
    "chat_invite",
    "chat_accept",
    "chat_book",
    "chat_book_change",
    "chat_people",
    "chat_block",
    "chat_nickname",
    "chat_conversations",
    "chat_send",
    "chat_about",
    "chat_read",
    "chat_mark",
    "chat_keep",
    "chat_show",
    "chat_search",
    "chat_upload",
    "chat_attach",
    "chat_fetch",
    "chat_file",
    "chat_poll",
    "chat_vote",
    "chat_list",
    "chat_list_change",
    "chat_memo",
    "chat_reminders",
    "chat_typing",
    "chat_presence",
    "chat_tells",
    "chat_group_create",
    "chat_group_change",
];

/// What a phone may hear of.
pub const PHONE_TOPICS: &[Topic] = &[
    Topic::Status,
    Topic::Wallet,
    Topic::People,
    Topic::Conversation,
    Topic::Message,
    Topic::Sign,
    Topic::Book,
    Topic::Reminder,
];

/// Names a linked phone within its node. No other is ever given the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(pub u64);

/// A linked phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    pub name: String,
    pub linked_ms: Time,
}

/// Which phones there are, and where they find the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneStatus {
    /// The page's address for phones; none where the configuration opens no door, or this machine has no private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether more than the local network may reach that address.
    pub public: bool,
    /// SHA-256 of the certificate that is shown there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The longest linked first.
    pub phones: Vec<Phone>,
    /// Until when a code waits for a phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_until_ms: Option<Time>,
}

/// Asks for a code by which a phone is linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhoneLink {
    /// What the phone will be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a phone is to open, once, and soon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneInvitation {
    /// With the code behind `#`, which browsers keep to themselves.
    pub url: String,
    /// SHA-256 of the certificate that the phone's browser will warn of.
    pub fingerprint: String,
    pub expires_ms: Time,
}

/// Names a phone that is to be linked no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhoneUnlink {
    pub name: String,
}

/// What a phone gets for its code: the only time that its token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneLinked {
    pub name: String,
    pub token: String,
}

fn checked_name(name: String) -> Result<String, ApiError> {
    let is_plain = name.trim() == name && !name.chars().any(char::is_control);
    match is_plain && (1..=PHONE_NAME_MAX).contains(&name.chars().count()) {
        true => Ok(name),
        false => Err(ApiError::invalid_params("name", "1 to 40 characters are needed, with no space at either end")),
    }
}

impl Request for PhoneLink {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.optional("name")?.map(checked_name).transpose()? })
    }
}

impl Request for PhoneUnlink {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { name: params.required("name")? })
    }
}

impl ApiError {
    pub fn phone_off() -> Self {
        Self::new(
            ErrorKind::PhoneOff,
            "This node opens no door for phones.",
            "Write `enabled = true` under `[phone]` into its configuration, and start it again.",
        )
    }

    pub fn phone_no_address() -> Self {
        Self::new(
            ErrorKind::PhoneOff,
            "This machine had no private address in a local network when the node started.",
            "Join the network that the phone is in, or name an address (`phone.listen`), and start the node again.",
        )
    }

    pub fn phone_code_refused() -> Self {
        Self::new(
            ErrorKind::PhoneCodeRefused,
            "This code links nothing: it is mistyped, used, too old, or was guessed at.",
            "Ask the node for another one (`byway phone link`).",
        )
    }

    pub fn phone_not_found() -> Self {
        Self::new(
            ErrorKind::PhoneNotFound,
            "No phone of this name is linked.",
            "`byway phone list` shows those that are.",
        )
    }

    pub fn phone_name_taken() -> Self {
        Self::new(
            ErrorKind::PhoneNameTaken,
            "A phone of this name is linked already.",
            "Choose another name, or unlink that one first (`byway phone unlink`).",
        )
    }

    pub fn too_many_phones(most: usize) -> Self {
        Self::new(
            ErrorKind::TooManyPhones,
            format!("{most} phones are linked already, which is as many as may be."),
            "Unlink one first: `byway phone list`, `byway phone unlink`.",
        )
    }

    pub fn phone_may_not(method: &str) -> Self {
        let shown: String = method.chars().take(64).collect();
        Self::new(
            ErrorKind::PhoneMayNot,
            format!("A phone may not call {shown:?}."),
            "Do it on the computer that the node runs on.",
        )
    }

    pub fn phone_unlinked() -> Self {
        Self::new(ErrorKind::BadToken, "This phone was unlinked.", "Link it again (`byway phone link`).")
    }
}
