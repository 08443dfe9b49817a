//! `byway chat`.

use byway_primitives::IdentityId;
use clap::Subcommand;

use super::{ChatAttachArgs, ChatFetchArgs, ChatListCommand, ChatPollCommand};

/// Messages between people, with no server in the middle
#[derive(Debug, Subcommand)]
pub enum ChatCommand {
    /// Make a link by which one person becomes a contact; send it to them by any way you trust
    Invite {
        /// How many days it counts
        #[arg(long, value_name = "DAYS")]
        days: Option<u64>,
        /// Whom it is for, for yourself
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Become a contact of whoever gave you a link, or agree where somebody asks
    Accept {
        /// A link (byway:chat/…), or the identity of whoever asks
        #[arg(value_name = "LINK|IDENTITY")]
        who: String,
    },
    /// Whom you know, who asks, and who is there
    Contacts,
    /// Your conversations, that with the newest message first
    Conversations,
    /// Say something
    Send {
        /// A contact's name or identity, or a conversation
        #[arg(value_name = "TO")]
        to: String,
        /// What to say; Markdown
        #[arg(value_name = "TEXT")]
        text: String,
        /// The message that it answers, as `byway chat read --ids` shows it
        #[arg(long, value_name = "MESSAGE")]
        reply: Option<String>,
    },
    /// Read a conversation, the newest messages last
    Read {
        /// A contact's name or identity, or a conversation
        #[arg(value_name = "TO")]
        to: String,
        /// How many messages
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Say of each message what it is called, for answers and reactions
        #[arg(long)]
        ids: bool,
        /// Don't tell the others that you have read it
        #[arg(long)]
        quiet: bool,
    },
    /// Find what was said, people and groups
    Search(super::ChatSearchArgs),
    /// Write down what was said, files by their names
    Export(super::ChatExportArgs),
    /// Send files
    Attach(ChatAttachArgs),
    /// Fetch a file of a message and write it to a file here
    Fetch(ChatFetchArgs),
    /// Questions with options to choose from
    #[command(subcommand)]
    Poll(ChatPollCommand),
    /// Lists that everyone in a conversation may change
    #[command(subcommand)]
    List(ChatListCommand),
    /// Note something for yourself; `byway chat read me` shows it
    Memo {
        /// Markdown
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Put a conversation above the others
    Pin {
        #[arg(value_name = "TO")]
        to: String,
        /// No more
        #[arg(long)]
        undo: bool,
    },
    /// Don't be disturbed by a conversation
    Mute {
        #[arg(value_name = "TO")]
        to: String,
        /// For how many hours; 0 unmutes it
        #[arg(long, default_value_t = 8, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(..=876_000))]
        hours: u64,
    },
    /// React to a message
    React {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        #[arg(value_name = "EMOJI")]
        emoji: String,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Put another text in the place of what you said
    Edit {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Delete a message, for all
    Delete {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
    },
    /// Call somebody otherwise than they call themselves
    Name {
        #[arg(value_name = "IDENTITY")]
        who: IdentityId,
        /// What they call themselves when left out
        #[arg(value_name = "NAME")]
        nickname: Option<String>,
    },
    /// Conversations of more than two
    #[command(subcommand)]
    Group(super::ChatGroupCommand),
    /// Hear somebody no more; they are not told
    Block {
        #[arg(value_name = "IDENTITY")]
        who: IdentityId,
        /// Hear them again
        #[arg(long)]
        undo: bool,
    },
}
