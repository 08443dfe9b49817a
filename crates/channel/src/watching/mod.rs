//! Having somebody else watch the ledger, who must not be trusted (row C5).
//!
//! # The problem
//!
//! A party that is away while the other closes with an old state loses what it has won since. Whoever answers for it needs the
//! newest state, and that says what both have, round by round: a history of payments that is nobody's business.
//!
//! # The idea
//!
//! A *watchtower* is a delegate of the party on the ledger: it may show states and moves nothing. It is given the newest co-signed
//! state in a [`Packet`] of always [`PACKET_BYTES`], sealed under the channel's [`WatchSecret`], which the parties alone know.
//! Whoever closes alone shows that secret, by a rule of the ledger; so the watchtower can open the packet at every close, and at no
//! other time.
//!
//! | | |
//! | --- | --- |
//! | [`WatchedChannels`] | the client's side: which channel is watched by whom, and what each has |
//! | [`Watchtower`] | the other side: keeps one packet for each channel, answers, is paid |
//! | [`AnswerTo`], [`AnswerFate`] | which answer is handed in, what becomes of it, and who pays for it |
//! | [`WatchMessage`] | what the two say, protocol 6 of the dialogue |
//!
//! *Numbers.* A packet replaces the one before. Its number is the time at which it was made, or one more than the last, so it says
//! nothing of rounds. Random bytes beside it see to it that no two are sealed under one nonce, also after a disk was lost.
//!
//! *When.* A packet leaves after the state in it is durable, and after the watchtower has said what it has: on every connection the
//! client asks first, and is shown the packet of before, which it alone can read. Where that is newer than what the client knows its
//! disk is an old one, or lost: then nothing is replaced, and the client has what it had forgotten. While one is on its way no
//! other is sent, only the newest afterwards: a client that makes a thousand updates a second sends as many packets as there are
//! round trips.
//!
//! *Paying.* By the day and ahead, as many days as the client wants and the watchtower's terms allow, and again when half of
//! them are over: the client says what it spends in all on the watchtower, and has it promised as any other use; the watchtower
//! earns no more than that, a day at a time, as soon as the promise covers it. What isn't paid for is kept for [`FREE_TIME`] and
//! let go of; the client is told. What was used in all the watchtower says as well, so that a client without its books goes on
//! from there: its word moves no money.
//!
//! *Letting go.* A watchtower writes nothing down before the ledger has shown it the channel. It deletes what it has only where the
//! ledger has not had the channel for [`GONE_TIME`] of its own time, counted from later than it was last known to have it: a ledger
//! that is behind deletes nothing. A client that wants no more says so until the watchtower has confirmed it, and so hears
//! whether it had to answer.
//!
//! # What each can and can't do
//!
//! - *A watchtower* sees the channel's id (it is on the ledger) and how often packets come. It can stop watching after it was paid: so
//!   there may be several, and the client says how many days it risks. It can show an old state only if it was given that, which
//!   the party then answers as any other.
//! - *A client* can send what opens to nothing, or replay an old packet: that harms itself. It keeps others out by numbers alone:
//!   [`CHANNELS_PER_CLIENT_MAX`], and each must name a channel of its own of which the watchtower is a delegate.
//! - *The other party* can tell the watchtower the secret; it could tell it the balances as well.
//!
//! # Not here
//!
//! Promises out of lanes don't fit into a packet beside a state: what is to be safe while a party is away is absorbed first. Calls
//! forced on an old state while the channel is active need no secret and no answer: the next co-signed state, or the close that
//! shows the secret, undoes them.

mod answering;
mod client;
mod giving;
mod message;
mod packet;
mod watch;
mod watchtower;

pub use answering::{AnswerFate, AnswerTo};
pub use client::{Standing, WatchedChannels, WatchedNews};
pub use message::{Bill, Pays, WatchMessage, WatchRefusal};
pub use packet::{PACKET_BYTES, Packet, PacketError, RANDOM_BYTES, Unopened};
pub use watch::Watch;
pub use watchtower::{Kept, TowerNews, TowerTerms, Watchtower};

use byway_primitives::{Space, Span};

/// Where both sides keep what they must not forget.
pub const WATCHING: Space = Space("watching");
/// What is paid for at a time.
pub const PERIOD: Span = Span::days(1);
/// Periods that can be paid for ahead, whatever anybody's terms.
pub const DAYS_MAX: u64 = 3_650;
/// How long a watchtower keeps a packet that is not paid for.
pub const FREE_TIME: Span = Span::minutes(10);
/// Packets of one client.
pub const CHANNELS_PER_CLIENT_MAX: usize = 64;
/// Packets of all clients for whose channels the ledger is still to be looked up.
pub const UNPROVEN_MAX: usize = 1_024;
/// A packet is let go of when the ledger has had no such channel for so long, in its own time.
pub const GONE_TIME: Span = Span::minutes(10);
/// How long a watchtower remembers that it has answered, for a client that is away.
pub const ANSWERED_KEPT: Span = Span::days(90);
/// How long after the time that is paid for a watchtower is told to forget a channel.
pub const LEAVING_TIME_MAX: Span = Span::days(7);
/// Watchtowers of one channel: as many as a party may have delegates.
pub const TOWERS_MAX: usize = byway_records::channel::DELEGATES_MAX;

/// How far ahead is paid, where the client wants so many days and the watchtower takes so many; one at the least. When half of it is
/// over, it is filled up.
fn days_ahead(days: u64, days_max: u64) -> Span {
    Span::days(days.min(days_max).clamp(1, DAYS_MAX))
}
