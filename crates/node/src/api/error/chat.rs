//! What goes wrong with conversations. Nothing was said then.

use byway_chat::attachment::SIZE_BYTES_MAX;
use byway_chat::chats::{ChatError, DEVICES_MAX, GROUP_MAX};
use byway_chat::content::query::QueryError;
use byway_chat::mls::SealError;
use byway_primitives::IdentityId;

use super::{ApiError, ErrorKind};
use crate::attachments::FileError;

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

    pub fn chat_file_not_found() -> Self {
        Self::new(
            ErrorKind::ChatFileNotFound,
            "There is no such file with that message.",
            "`byway chat read --ids` shows which files a message has.",
        )
    }

    /// What was sent as a file is another one.
    pub fn chat_file_untrue() -> Self {
        Self::new(
            ErrorKind::ChatFileUntrue,
            "What was sent as this file is not the file that the message names; nothing of it was kept.",
            "Ask whoever sent the message to send it again.",
        )
    }

    pub fn chat_file_too_large() -> Self {
        Self::new(
            ErrorKind::ChatFileTooLarge,
            format!("A file has at most {SIZE_BYTES_MAX} bytes when it is sealed."),
            "Send it in parts, or by another way.",
        )
    }

    /// A message is of another kind than what was to be done with it.
    pub fn chat_misfit(wanted: &str) -> Self {
        Self::new(ErrorKind::ChatMisfit, format!("That message is no {wanted}."), "Look at it again.")
    }

    pub fn chat_poll_closed() -> Self {
        Self::new(ErrorKind::ChatPollClosed, "That poll is closed.", "Ask for a new one.")
    }

    pub fn chat_upload_not_found() -> Self {
        Self::new(
            ErrorKind::ChatUploadNotFound,
            "No file was uploaded under that name since the node was started, or it was attached already.",
            "Upload it again.",
        )
    }

    pub fn chat_files(error: FileError) -> Self {
        match error {
            FileError::Full(most) => Self::new(
                ErrorKind::ChatFilesFull,
                format!("Files of conversations have no more room: at most {most} bytes of them are kept."),
                "Delete messages with large files, or raise `chat.attachments_max_mb` in the configuration.",
            ),
            FileError::NotHere => Self::new(
                ErrorKind::ChatFileNotHere,
                "The file has not been fetched.",
                "`byway chat fetch` fetches it as soon as somebody who has it is there.",
            ),
            FileError::Untrue(_) => Self::chat_file_untrue(),
            FileError::Damaged => Self::new(
                ErrorKind::ChatFileDamaged,
                "The file on this node's disk is damaged.",
                "Ask for it to be sent again, and look after the disk.",
            ),
            FileError::TooLarge(_) => Self::chat_file_too_large(),
            FileError::Gap(next) => Self::new(
                ErrorKind::ChatUploadGap,
                format!("The next part of that upload begins at byte {next}."),
                "Go on from there.",
            )
            .with("next", next.into()),
            FileError::Disk(error) => Self::storage_failed(error),
        }
    }

    /// What is looked for can't be. Filters that are there are named.
    pub fn chat_query(error: &QueryError) -> Self {
        let refused = Self::new(
            ErrorKind::ChatQuery,
            format!("The query can't be understood: {error}."),
            "There are words, \"phrases\", from:, in:, before:, after: and has:.",
        );
        match error.word() {
            Some(word) => refused.with("word", word.into()),
            None => refused,
        }
    }

    pub fn chat(error: ChatError) -> Self {
        match error {
            ChatError::NoRoom => Self::chat_not_found(),
            ChatError::NotBack => Self::chat_not_back(),
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
            ChatError::NotFirst => Self::not_first_device(),
            ChatError::NotFresh => Self::node_not_new(),
            ChatError::NoDevice(_) => Self::device_not_found(),
            ChatError::IsPerson(node) => Self::device_is_person(node),
            ChatError::TooManyDevices => Self::too_many_devices(DEVICES_MAX),
            ChatError::TooManyFiles => Self::busy("files that wait to be fetched"),
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
