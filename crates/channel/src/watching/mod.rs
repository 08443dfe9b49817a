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
//! | [`WatchMessage`] | what the two say, protocol 6 of the dialogue |
//!
//! *Numbers.* A packet replaces the one before. Its number is the time at which it was made, or one more than the last, so it says
//! nothing of rounds; and it never seals two packets, also after a disk was lost, as long as the clock does not go back.
//!
//! *When.* A packet leaves after the state in it is durable. While one is on its way no other is sent, only the newest afterwards: a
//! client that makes a thousand updates a second sends as many packets as there are round trips.
//!
//! *Paying.* By the day and ahead: the client says what it spends in all on the watchtower, and has it promised as any other use;
//! the watchtower earns no more than that, a day at a time, as soon as the promise covers it. What isn't paid for is kept for
//! [`FREE_TIME`] and let go of; the client is told.
//!
//! # What each can and can't do
//!
//! - *A watchtower* sees the channel's id (it is on the ledger) and how often packets come. It can stop watching after it was paid: so
//!   there may be several. It can show an old state only if it was given that, which the party then answers as any other.
//! - *A client* can send what opens to nothing, or replay an old packet: that harms itself. It keeps others out by numbers alone:
//!   [`CHANNELS_PER_CLIENT_MAX`], and each must name a channel of its own of which the watchtower is a delegate.
//! - *The other party* can tell the watchtower the secret; it could tell it the balances as well.
//!
//! # Not here
//!
//! Promises out of lanes don't fit into a packet beside a state: what is to be safe while a party is away is absorbed first. Calls
//! forced on an old state while the channel is active need no secret and no answer: the next co-signed state, or the close that
//! shows the secret, undoes them.

mod client;
mod message;
mod packet;
mod watchtower;

pub use client::{Watch, WatchedChannels, WatchedNews};
pub use message::{WatchMessage, WatchRefusal};
pub use packet::{PACKET_BYTES, Packet, PacketError};
pub use watchtower::{Kept, TowerNews, TowerTerms, Watchtower};

use byway_primitives::{Space, Span};

/// Where both sides keep what they must not forget.
pub const WATCHING: Space = Space("watching");
/// What is paid for at a time.
pub const PERIOD: Span = Span::days(1);
/// The next period is paid for when no more than this is left of the one before.
pub const PAY_AHEAD: Span = Span::minutes(12 * 60);
/// How long a watchtower keeps a packet that is not paid for.
pub const FREE_TIME: Span = Span::minutes(10);
/// Packets of one client.
pub const CHANNELS_PER_CLIENT_MAX: usize = 64;
/// Watchtowers of one channel: as many as a party may have delegates.
pub const TOWERS_MAX: usize = byway_records::channel::DELEGATES_MAX;
