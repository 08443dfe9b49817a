//! A bot is hired, and paid for by the answer (rows A1, M11).
//!
//! # The problem
//!
//! Somebody's program answers people, and wants to be paid for it by strangers. Neither trusts the other: the one may take and not pay,
//! the other may be paid and say nothing, or count twice.
//!
//! # The idea
//!
//! A *hirer* and the *host* of a bot talk in their conversation of two, as anybody does. What is to be paid for stands in that conversation,
//! and both have it: **an answer is the first thing that the host says after something that the hirer said and it was handed.** So nothing is
//! said twice, once as a message and once as a bill, and each counts by itself, from its own disk.
//!
//! | | |
//! | --- | --- |
//! | [`BotHost`] | the host's side: who has hired the bot, which of their messages it may be given now, what it has earned |
//! | [`Hires`] | the hirer's side: which bots, up to how much, and what is spent on each |
//! | [`BotCard`] | what an offer says of a bot |
//! | [`HireMessage`] | what they say to each other beside the conversation, protocol 13 of the dialogue |
//!
//! *Paying.* The hirer spends the price of one answer ahead, and that of the next once that one was given: so much is promised beyond what was
//! had, and no more. The host gives its bot a message only while an answer is paid ahead, one at a time, and earns it when the answer stands
//! in the conversation. A message that is not answered costs nothing: once another waits, it is let go of after [`ANSWER_TIME`].
//!
//! *Not paid.* What the hirer says meanwhile waits, up to [`WAITING_MAX`], and the hirer is told that it was not paid.
//!
//! # What each can and can't do
//!
//! - *A host* can take the one answer that is paid ahead and say nothing. It is paid no further: more answers than messages, or than it has
//!   said anything, are not paid, whatever it says of them. It can say anything as its answer.
//! - *A hirer* can have no answer for nothing: the bot is not given what is not paid. It can't fill the host's memory, or its disk with
//!   anything that a contact could not.
//! - Neither can make the other pay twice by saying something twice: all that is said are sums, of which the greatest counts, and what moves
//!   money are promises, which grow.
//!
//! # Not here
//!
//! The program (`byway bot run` of the node), becoming contacts ([`chats`](crate::chats)), promises.

mod card;
mod hires;
mod host;
mod message;

use byway_primitives::Span;
use byway_primitives::codec::DecodeError;

pub use card::{ABOUT_MAX, BotCard, CARD_PROTOCOL, COMMAND_MAX, COMMANDS_MAX, CardFault, NAME_MAX};
pub use hires::{Hire, HireStep, HireView, Hires};
pub use host::{BotClientView, BotHost, BotTerms, HostNews, HostStep};
pub use message::{HireBill, HireMessage, HireRefusal};

/// Clients of one bot's host at a time.
pub const CLIENTS_MAX: usize = 1_000;
/// Bots that one has hired at a time.
pub const HIRES_MAX: usize = 64;
/// Messages of one client that wait for their turn; those behind wait in the conversation alone.
pub const WAITING_MAX: usize = 64;
/// How long a bot may take for its answer while another message waits.
pub const ANSWER_TIME: Span = Span::seconds(30);
/// A host that refused, or said nothing, is asked again after so long.
pub const ASK_AGAIN: Span = Span::minutes(1);

/// Who said what stands in a place of a conversation of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Us,
    Them,
    /// Nothing stands there any more.
    Nobody,
}

/// What is kept of bots that were hired can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is kept of bots that were hired can't be read ({0}); restore the data folder from a backup")]
pub struct HiringDamaged(pub DecodeError);
