//! Sessions: one use of one offer (row A10).
//!
//! # The problem
//!
//! Two strangers agree on a price, per megabyte or per second. One serves, the other pays; the line between them drops bytes,
//! breaks, and hides from each what the other saw. Their clocks show different times and go at different rates. Each must know at every moment what is owed, and neither may be able
//! to make the other lose more than a window.
//!
//! # What does not work
//!
//! - *Bill what was sent.* A flood costs the receiver, and what was lost is paid for.
//! - *Bill what the payer says it received, and carry on.* A payer that says nothing browses for nothing.
//! - *Tolerate a percentage of difference.* Both sides soon live off the tolerance.
//! - *Add up the price of each piece.* Rounding grows with the number of pieces.
//! - *Compare the times at which things happened.* No clock is right, and each side could set its own.
//!
//! # The idea
//!
//! Two counts, for two purposes. What is **billed** is the cumulative count that the payer has acknowledged: downloads as
//! it received them, uploads as the provider has received them and never more than the payer sent. What is **limited** is
//! what the provider has given, acknowledged or not: never more than the received coin buys. The difference of the two
//! is what is on its way or lost. It is bounded by the window, and once a session has stood still long enough for
//! anything on its way to arrive, what is still missing is forgiven from a small purse that only what is paid refills.
//!
//! That holds for **time** as for bytes. Both sides count both in every session ([`Usage`]), and its [`Tariff`] says which of
//! them is sold; one price, of one unit, for as long as it lasts. Time is how long the session ran: its channel was up, it was
//! not paused, there was a link. Each side counts by its own clock and compares that with itself only. The client counts from
//! one word of the provider to the next, if they are no further apart than [`UNHEARD_MAX`], so it acknowledges no time of which
//! it doesn't know that it was served; the provider counts while its gate is open, and no more than was paid for. What lies
//! between the two is what an acknowledgement takes, what a dead link swallows before anyone knows, and what one clock goes
//! faster than the other: small, and forgiven like lost bytes.
//!
//! # The algorithm
//!
//! ```text
//! client                                         provider
//!   Ask {offer, measure} ────────────────────►     as often as the allowance says
//!   ◄─── Quoted {price, credit, free, …}           or Refused {reason}
//!   Open {offer, response id, price, data} ────►   checks the offer, the price and the data; journals the session
//!   ◄─── Accepted {session, asked, free, data}     or Refused {reason}, or Counter {price}
//!   checks the session's id; builds the data channel
//!   ChannelUp ───────────────────────────────►     the data plane may carry up to a limit
//!   ◄═══════════════ bytes ═══════════════════►
//!   ◄─── Metering {cost, bytes each way, time}     periodically
//!   Acknowledge {bytes each way, time} ──────►     journaled before it is sent, so it never goes back
//!   ◄─── Pause / Resume                            the limit is reached / raised
//!   Stop ────────────────────────────────────►     by either side, with a reason
//!   ◄─── Stopped {final metering}
//! ```
//!
//! *Haggling* (row A8). An offer's prices depend on the client's reputation, which each side reckons for itself. So the
//! client says the price that it expects, and a session only begins at a price that both have named. Where the provider
//! sees another price it counters with it; the client opens again at that price if the user agreed to as much, at most
//! [`COUNTERS_MAX`] times, or else goes to the next offer. A counter names the price that it answers, so an old one says
//! nothing, and once a session has begun its price stays: a bill at another is a fault. The unit is the client's choice; a
//! provider that does not sell by it refuses.
//!
//! *The gate.* Where bytes are sold the data plane is told how many may pass ([`Limit`]). Where time is sold it is told all or
//! nothing: it is open exactly while the provider's clock runs, and shut while the session is paused or has no link. So
//! nothing passes that is not counted, and nothing is counted while nothing could pass.
//!
//! *Free bytes.* The first bytes of a session that is a trial ([`crate::credit`]) cost nothing: neither side counts them
//! in coin. Opening it uses the trial up, in the same write. A session by the second has none.
//!
//! `Open` is idempotent by its response id. All sessions end with the dialogue; they outlive its link: after a broken
//! link or a crash both sides take up their journaled sessions, the client acknowledges again what it had, and the counts
//! go on from there.
//!
//! # What is not here
//!
//! Coin (see [`byway_dialogue::payment`]), bytes (the driver's data plane) and links.

mod books;
mod client;
mod client_session;
mod config;
mod journal;
mod line;
mod message;
mod news;
mod outbox;
mod provider;
mod reasons;
mod tariff;
mod usage;

use std::fmt;
use std::str::FromStr;

use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::OfferId;
use byway_records::offer::Service;

pub use client::Client;
pub use config::{ClientConfig, Listing, OpenRequest, ProviderConfig, Sale};
pub use journal::{SESSIONS, SessionJournalError};
pub use message::{Accepted, Metering, Quote, SessionMessage};
pub use news::{ClientEffect, ClientNews, Counters, Limit, MeteringFault, OpenError, ProviderEffect, ProviderNews};
pub use provider::Provider;
pub use reasons::{OpenRefusal, StopReason};
pub use tariff::{Measure, Tariff};
pub use usage::{Traffic, Usage};

/// The longest between two words of a provider that its client still takes for time in which it was served. So the provider of a
/// session that is sold by time says something at least twice as often.
pub const UNHEARD_MAX: Span = Span::seconds(5);

/// Sessions of one dialogue at one time. A client needs one per service and exit; more is a fault or an attack.
pub const SESSIONS_MAX: usize = 16;

/// How often a client agrees to another price for one session before it goes on to the next offer.
pub const COUNTERS_MAX: u8 = 2;

/// Names a session, for good and among those of everyone. It is the digest of what makes the session this one and no other, so
/// no provider can give a session the name of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

/// Who a session is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    pub client: IdentityId,
    pub provider: IdentityId,
}

/// Names a request to open a session; drawn at random by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseId(pub u64);

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Accepted, the data channel is being built.
    Connecting,
    Running,
    /// Nothing is left to spend.
    Paused,
    /// Waiting for the other side's last word.
    Stopping,
}

/// What can be shown of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionView {
    pub id: SessionId,
    pub offer: OfferId,
    pub service: Service,
    pub tariff: Tariff,
    /// The first so many bytes or milliseconds of what is sold cost nothing.
    pub free: u64,
    /// Acknowledged, and so billed.
    pub billed: Usage,
    pub cost: Amount,
    /// What it costs if all that was carried comes to be acknowledged: no less, and what its limit is held against. The provider
    /// knows of no more than was acknowledged.
    pub carried_cost: Amount,
    pub duration: Span,
    pub state: SessionState,
}

/// Whether there is a way for what the two sides say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

const SESSION_ID: Context = Context("byway 1 session id");

impl SessionId {
    /// Of the request that came to the provider at `asked` by its clock, which tells a response id that is used again from
    /// the one before.
    pub fn of(sides: Sides, response: ResponseId, asked: Time) -> Self {
        let (response, asked) = (response.0.to_le_bytes(), asked.0.to_le_bytes());
        let digest = SESSION_ID.hash(&[&sides.client.0, &sides.provider.0, &response, &asked]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        Self(id)
    }
}

fn plus(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::MAX)
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for SessionId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let wrong = DecodeError::Invalid("session id: 32 hex digits are needed");
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong);
        }
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
        }
        Ok(Self(id))
    }
}

byway_primitives::serde_as_text!(SessionId);
