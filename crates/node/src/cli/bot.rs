//! Bots: programs that speak lines of JSON on standard input and output, and take part in conversations.
//!
//! A bot has no identity of its own: it speaks in the name of whoever runs it, as a client of the node's local API. What it may do,
//! and where, is said when it is started, and nothing else is let through. That bounds what it does by its lines; as a program of
//! its user's it can do what any program of theirs can.
//!
//! - [`protocol`]: the lines, and what is refused of them;
//! - [`rules`]: what a bot may do and hears of, and how much in a minute;
//! - [`seen`]: what it has seen, kept over restarts;
//! - [`program`]: the process; [`run`]: keeps it between the conversations and the node;
//! - [`market`]: offering a bot, and hiring those of others;
//! - [`guide`]: the bot of local networks; [`check`]: a dry run, in a conversation that is none ([`pretend`]).

mod check;
mod guide;
mod market;
pub mod pretend;
mod program;
pub mod protocol;
pub mod rules;
mod run;
pub mod seen;

use super::{BotCommand, Globals, Outcome};

pub use run::attend;

/// Characters of a bot's name.
const NAME_MAX: usize = byway_chat::hiring::NAME_MAX;

pub async fn bot(globals: &Globals, command: BotCommand) -> anyhow::Result<Outcome> {
    match command {
        BotCommand::Run(args) => run::run(globals, args).await,
        BotCommand::Check(args) => check::check(args).await,
        BotCommand::Market(command) => market::market(globals, command).await,
        BotCommand::Guide => {
            guide::guide()?;
            Ok(Outcome::Done)
        }
    }
}

/// A bot's name: it is one of a file too.
///
/// # Errors
/// It isn't made of what it may be made of.
pub fn name(text: &str) -> Result<String, &'static str> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > NAME_MAX || !text.chars().all(is_fine) {
        return Err("a bot's name has up to 32 characters: a to z, 0 to 9, and -");
    }
    Ok(text.to_owned())
}
