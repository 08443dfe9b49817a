//! What goes wrong with backups of conversations.

use byway_chat::chats::ForeignBackup;
use byway_crypto::chat_backup::PartError;
use byway_primitives::DecodeError;

use super::{ApiError, ErrorKind};

impl ApiError {
    /// A conversation is shown, and its room is not here.
    pub fn chat_not_back() -> Self {
        Self::new(
            ErrorKind::ChatNotBack,
            "What was said in that conversation is here, and nobody who is in it has let this node in yet.",
            "It goes on by itself as soon as one of them is there; if they have lost it too, ask them anew.",
        )
    }

    pub fn chat_part(error: PartError) -> Self {
        match error {
            PartError::NotABackup => Self::chat_no_backup(),
            PartError::Version(version) => Self::new(
                ErrorKind::ChatNoBackup,
                format!("The backup was written by another version ({version}) of Byway."),
                "Use the version that made it.",
            ),
            PartError::Damaged => Self::chat_backup_damaged(),
            PartError::OtherPhrase => Self::new(
                ErrorKind::ChatBackupOtherPhrase,
                "The backup was made under another seed phrase.",
                "`byway identity restore` makes a keystore of that phrase; put the backup back with that.",
            ),
        }
    }

    pub fn chat_no_backup() -> Self {
        Self::new(
            ErrorKind::ChatNoBackup,
            "This is no backup of conversations.",
            "`byway chat backup` makes one; what `byway chat export` writes is for reading.",
        )
    }

    pub fn chat_backup_damaged() -> Self {
        Self::new(ErrorKind::ChatBackupDamaged, "The backup is damaged.", "Use another copy of it.")
    }

    pub fn chat_backup_unreadable(error: DecodeError) -> Self {
        Self::new(
            ErrorKind::ChatNoBackup,
            format!("The backup opens, but this version can't read what is in it: {error}."),
            "Use the version that made it.",
        )
    }

    pub fn chat_backup_foreign(error: ForeignBackup) -> Self {
        let remedy = match error {
            ForeignBackup::Network { .. } => "Put it back on a node of that network.",
            ForeignBackup::Identity { .. } | ForeignBackup::Nobody => {
                "Restore the phrase with the --device number that the lost node had, and use its configuration (one with \
                 [provider] sells, one without browses)."
            }
        };
        Self::new(ErrorKind::ChatBackupForeign, format!("The backup is not this node's: {error}."), remedy)
    }

    pub fn chat_backup_cut() -> Self {
        Self::new(
            ErrorKind::ChatBackupCut,
            "The backup is not whole: its end is missing, or there is more behind it.",
            "Use another copy of it.",
        )
    }

    /// Other bytes of a backup are next.
    pub fn chat_restore_gap(next: u64) -> Self {
        Self::new(
            ErrorKind::ChatRestoreGap,
            format!("The next bytes of that backup begin at {next}."),
            "Go on from there, or begin anew at 0.",
        )
        .with("next", next.into())
    }
}
