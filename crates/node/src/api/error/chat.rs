//! What goes wrong with conversations. Nothing was said then.

use byway_chat::chats::{ChatError, GROUP_MAX};
use byway_chat::mls::SealError;
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
            ChatError::NotContact(peer) => Self::new(
                ErrorKind::ChatNotContact,
                format!("{peer} is not a contact, and only contacts are added to groups."),
                "`byway chat invite` makes a link by which they become one.",
            )
            .with("peer", peer.to_string().into()),
            ChatError::NotGroup => Self::new(
                ErrorKind::ChatNotGroup,
                "That is a conversation of two.",
                "`byway chat group create` founds a group, to which people are added.",
            ),
            ChatError::NotMember | ChatError::Seal(SealError::NotMember) => Self::new(
                ErrorKind::ChatNotMember,
                "You are not in that group any more.",
                "An admin of it who is your contact can add you again.",
            ),
            ChatError::NotInGroup(peer) => Self::new(
                ErrorKind::ChatPersonNotInGroup,
                format!("{peer} is not in that group."),
                "`byway chat group members` lists those who are.",
            )
            .with("peer", peer.to_string().into()),
            ChatError::MayNot => Self::new(
                ErrorKind::ChatMayNot,
                "Your role in that group does not allow this.",
                "Admins add people and remove members; the founder says who is one (`byway chat group role`).",
            ),
            ChatError::GroupFull => Self::new(
                ErrorKind::ChatGroupFull,
                format!("A group has at most {GROUP_MAX} people."),
                "Found another one.",
            ),
            ChatError::Leaving => Self::new(
                ErrorKind::ChatLeaving,
                "You have left that group.",
                "Another member's node removes yours as soon as it hears of it.",
            ),
            error => Self::new(ErrorKind::ChatRefused, format!("That can't be said: {error}."), "Nothing was said."),
        }
    }
}
