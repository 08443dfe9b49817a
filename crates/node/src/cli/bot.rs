//! Bots: programs that speak lines of JSON on standard input and output, and take part in conversations.
//!
//! A bot has no identity of its own: it speaks in the name of whoever runs it, as a client of the node's local API. What it may do,
//! and where, is said when it is started, and nothing else is let through.
//!
//! - [`protocol`]: the lines, and what is refused of them;
//! - [`rules`]: what a bot may do and hears of, and how much in a minute;
//! - [`seen`]: what it has seen, kept over restarts;
//! - [`pretend`]: a conversation that is none.
//!
//! These decide; no command starts a program yet.

pub mod pretend;
pub mod protocol;
pub mod rules;
pub mod seen;
