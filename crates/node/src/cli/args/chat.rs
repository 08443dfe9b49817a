//! `byway chat`.

use std::path::PathBuf;

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
        /// A link (byway:chat/…), a name in the ledger's directory, a card, or an identity
        #[arg(value_name = "LINK|NAME|CARD|IDENTITY")]
        who: String,
    },
    /// Ask somebody to be a contact; says what it costs, where it does
    Ask {
        /// A name in the ledger's directory, a card, an identity, or a link (byway:chat/…)
        #[arg(value_name = "NAME|CARD|IDENTITY|LINK")]
        who: String,
        /// Set so much aside for them, which is theirs if they block you and else given back after a week
        #[arg(long, value_name = "AMOUNT")]
        pay: Option<byway_primitives::Amount>,
        /// The group from which you know them: whoever is in it with them pays nothing
        #[arg(long, value_name = "GROUP")]
        from: Option<String>,
    },
    /// What a first message costs those whom you don't know, while this node runs; `chat.ask_price` in the configuration keeps it
    Price {
        /// 0: nothing
        #[arg(value_name = "AMOUNT")]
        price: Option<byway_primitives::Amount>,
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
    /// Write contacts, conversations and all that was said into a file that only your seed phrase opens
    Backup {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Over a file that is there
        #[arg(long)]
        replace: bool,
    },
    /// Put back what a lost folder had: what is missing here is added, and nothing that is here changes
    Restore {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
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
        /// Be reminded of it in so many minutes
        #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=5_256_000))]
        remind: Option<u64>,
    },
    /// Of what you wanted to be reminded within the last day
    Reminders,
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
        /// Their identity, or a name of theirs
        #[arg(value_name = "WHO")]
        who: String,
        /// What they call themselves when left out
        #[arg(value_name = "NAME")]
        nickname: Option<String>,
    },
    /// Show what to compare with somebody, to know that nobody is between you
    Verify {
        /// Their identity, or a name of theirs
        #[arg(value_name = "WHO")]
        who: String,
        /// You have compared it by voice or when you met, and it is alike
        #[arg(long, conflicts_with = "forget")]
        matches: bool,
        /// Forget that it was alike
        #[arg(long)]
        forget: bool,
    },
    /// Conversations of more than two
    #[command(subcommand)]
    Group(super::ChatGroupCommand),
    /// The address book of a group, which everyone in it may write in
    #[command(subcommand)]
    Book(super::ChatBookCommand),
    /// Hear somebody no more; they are not told
    Block {
        /// Their identity, or a name of theirs
        #[arg(value_name = "WHO")]
        who: String,
        /// Hear them again
        #[arg(long)]
        undo: bool,
    },
}
