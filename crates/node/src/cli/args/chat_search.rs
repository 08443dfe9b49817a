//! `byway chat`: finding what was said, and taking it along.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct ChatSearchArgs {
    /// Words, "phrases" and filters: from:ada in:"the office" before:2026-03-14 after:2026-02 has:file|picture|link|poll|list|voice
    ///
    /// All of it has to hold; of several from:, and of several in:, one. Days begin at midnight UTC. Put single marks around a query with
    /// double ones, so that the shell leaves them in.
    #[arg(value_name = "QUERY", required = true)]
    pub query: Vec<String>,
    /// Only in this conversation: a contact's name or identity, or a conversation
    #[arg(long, value_name = "CONVERSATION")]
    pub within: Option<String>,
    /// How many messages
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub limit: u8,
    /// Those behind an earlier page, which says what to give here
    #[arg(long, value_name = "PLACE")]
    pub before: Option<String>,
    /// Say of each message what it is called
    #[arg(long)]
    pub ids: bool,
}

#[derive(Debug, Args)]
pub struct ChatExportArgs {
    /// Where to write it, never over another file; to standard output when left out
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Only this conversation: a contact's name or identity, or a conversation
    #[arg(long, value_name = "NAME")]
    pub conversation: Option<String>,
    #[arg(long, value_enum, default_value_t = ChatExportFormat::Json, value_name = "FORMAT")]
    pub format: ChatExportFormat,
}

/// What an export looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChatExportFormat {
    /// A line for each conversation, and behind it one for each message
    Json,
    /// For people to read
    Markdown,
}
