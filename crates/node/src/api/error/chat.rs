//! What goes wrong with conversations. Nothing was said then.

use byway_chat::chats::ChatError;
use byway_primitives::IdentityId;

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn chat_not_found() -> Self {
        Self::new(
            ErrorKind::ChatNotFound,
            "There is no such conversation here.",
            "`byway chat conversations` lists those there are.",
        )
    }

    /// Somebody is known, and there is no conversation with them yet.
    pub fn chat_not_begun(peer: IdentityId) -> Self {
        Self::new(
            ErrorKind::ChatNotBegun,
            format!("There is no conversation with {peer} yet."),
            "Where they have asked, `byway chat accept` agrees; where you have, it begins as soon as they do.",
        )
        .with("peer", peer.to_string().into())
    }

    pub fn chat_message_not_found() -> Self {
        Self::new(ErrorKind::ChatMessageNotFound, "There is no such message in that conversation.", "Look at it again.")
    }

    pub fn chat(error: ChatError) -> Self {
        match error {
            ChatError::NoRoom => Self::chat_not_found(),
            ChatError::Unknown(peer) => Self::new(
                ErrorKind::ChatPersonNotFound,
                format!("{peer} is nobody whom this node knows."),
                "`byway chat contacts` lists those it does.",
            )
            .with("peer", peer.to_string().into()),
            ChatError::AlreadyContact(peer) => Self::new(
                ErrorKind::ChatAlreadyContact,
                format!("{peer} is a contact already."),
                "Just write to them: `byway chat send`.",
            )
            .with("peer", peer.to_string().into()),
            ChatError::Oneself => Self::invalid_params("who", "that is this node itself"),
            ChatError::TooManyInvites => Self::busy("invites that nobody has used"),
            ChatError::Outbox(full) => Self::new(
                ErrorKind::ChatFull,
                format!("Too much waits for {} to come back.", full.0),
                "Write again when they were there.",
            ),
            error => Self::new(ErrorKind::ChatRefused, format!("That can't be said: {error}."), "Nothing was said."),
        }
    }
}
