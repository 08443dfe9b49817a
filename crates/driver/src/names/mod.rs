//! DNS as a middleman: questions are taken at an address of this machine, and passed on as they are.
//!
//! - [`server`]: takes questions over UDP and TCP, within bounds, for whoever [`Answers`].
//! - [`upstream`]: asks name servers.
//! - [`message`]: the little that is read of questions and answers.
//!
//! Whatever a program asks for (DNSSEC, HTTPS records) works, since nothing is made anew but refusals. Used at an exit
//! ([`crate::exit::name_server`]) and where names decide which way packets go ([`crate::host_network`]).

pub mod message;
pub mod server;
pub mod upstream;

pub use server::{Answers, Server};
pub use upstream::Upstream;

/// What a question comes over, and is passed on over: long answers come by streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Datagrams,
    Streams,
}

/// The port of name servers.
pub const PORT: u16 = 53;
