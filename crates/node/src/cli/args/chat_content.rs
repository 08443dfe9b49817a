//! `byway chat`: files, polls, lists and memos.

use std::path::PathBuf;

use byway_primitives::IdentityId;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ChatAttachArgs {
    /// A contact's name or identity, or a conversation
    #[arg(value_name = "TO")]
    pub to: String,
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What to say with them; Markdown
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The message that it answers
    #[arg(long, value_name = "MESSAGE")]
    pub reply: Option<String>,
}

#[derive(Debug, Args)]
pub struct ChatFetchArgs {
    #[arg(value_name = "TO")]
    pub to: String,
    /// As `byway chat read --ids` shows it
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// Which of its files, from 1
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub number: u8,
    /// Where to write it; under its own name in this folder when left out, never over another file
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ChatPollCommand {
    /// Ask
    Ask {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "QUESTION")]
        question: String,
        #[arg(value_name = "OPTION", required = true, num_args = 2..)]
        options: Vec<String>,
        /// How many options one chooses at most
        #[arg(long, default_value_t = 1, value_name = "N")]
        choices: u8,
        /// How many hours it is open; until you close it when left out
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=8_760))]
        hours: Option<u64>,
    },
    /// Choose, in place of what you chose before; no option takes the vote back
    Vote {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        /// Options by their numbers, from 1
        #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
        choices: Vec<u8>,
    },
    /// End a poll of yours
    Close {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum ChatListCommand {
    /// Begin a list
    New {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "TITLE")]
        title: String,
        #[arg(value_name = "ENTRY")]
        entries: Vec<String>,
        /// Of things, which nobody has to do
        #[arg(long)]
        things: bool,
    },
    /// Add an entry
    Add {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        #[arg(value_name = "ENTRY", required = true)]
        entries: Vec<String>,
    },
    /// Say that entries are done
    Check(ChatListEntries),
    /// Say that entries are not done after all
    Uncheck(ChatListEntries),
    /// Take entries off the list
    Remove(ChatListEntries),
    /// Write another text in the place of an entry's
    Write {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        number: u16,
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// Give an entry to somebody; to nobody when left out
    Assign {
        #[arg(value_name = "TO")]
        to: String,
        #[arg(value_name = "MESSAGE")]
        message: String,
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        number: u16,
        #[arg(value_name = "IDENTITY")]
        assignee: Option<IdentityId>,
    },
}

#[derive(Debug, Args)]
pub struct ChatListEntries {
    #[arg(value_name = "TO")]
    pub to: String,
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// Entries by their numbers in the list, from 1
    #[arg(value_name = "N", required = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub numbers: Vec<u16>,
}
