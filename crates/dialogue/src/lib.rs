//! One encrypted, reliable conversation between two identities over any link (row A8), and the payments inside it (A9).
//!
//! # The problem
//!
//! Two identities, each perhaps behind a NAT, reach each other now directly, now through a relay, now through the overlay
//! (row A7). Links break, change and are watched. Either side may crash at any moment. And what they say to each other is
//! worth money: a promise that is lost, or counted twice, is a loss or a dispute.
//!
//! # What does not do
//!
//! - *TLS on each connection*: the connection is not the conversation. After a reconnect nobody knows which of the last
//!   messages arrived, and with a relay in between it is encrypted to the wrong end.
//! - *Acknowledging on arrival* (TCP, QUIC): the bytes reached a buffer, not a disk. A crash just after loses what the
//!   sender believes delivered.
//! - *At least once, and let everyone be idempotent*: moves the hard part into every protocol above, where each solves it
//!   again, one of them wrongly.
//! - *A session cookie to resume with*: whoever steals it is you.
//!
//! # The idea
//!
//! A **dialogue** is a queue and two positions on each side, kept on disk, named by a secret that only the two know. A
//! **link** is a place that the dialogue is on for a while. A Noise handshake, with static keys that identities vouch for
//! ([`StaticCertificate`]), puts a dialogue on a link; there the two tell each other their positions, and each sends what
//! the other lacks. So resuming after a lost link, moving to a better one, and coming back after a crash are one thing.
//!
//! Messages are [`Durability::Durable`] or [`Durability::Volatile`], each time as the sender says. Volatile ones live in
//! memory: in order with the others, never twice in one run of the receiver, but lost if the sender crashes. Durable ones
//! are delivered **exactly once**, by this contract with the layer above:
//!
//! 1. It sends with [`Dialogues::commit`]: its own writes and the message are one batch; the message leaves only when
//!    that batch is durable. After a crash either both exist or neither.
//! 2. A message comes as [`News::Message`] with a [`Receipt`]. Being handed over means nothing yet.
//! 3. It takes the message to heart with `commit` again: receipt, what the message changes, and what it says in reply are
//!    one batch, in which the dialogue's position moves too. The acknowledgement leaves only when that batch is durable.
//! 4. If it crashes between 2 and 3, nothing of the message has happened, and the other side, not having been told
//!    otherwise, sends it again. If it crashes after 3, the position says that it was had.
//!
//! Receipts are given in order. A layer that needs to wait for something first (a ledger, a person) writes down that it
//! waits, and confirms that. While it confirms nothing, the sender's window fills and then its queue:
//! [`CommitError::Full`], until [`News::Drained`]. That is all the back-pressure there is.
//!
//! # The states of one side towards one peer
//!
//! ```text
//!            open                Welcome                Ready
//!   nothing ──────▶ attempting ──────────▶ offered* ─────────────▶ on a link* ◀────────┐
//!      ▲              │  refused, timed out   │                     │      │           │
//!      ├──────────────┘                       │ link lost           │      │ link lost │ Ready, or
//!      ├──────────────────────────────────────┤ (kept, insisted     │      ▼           │ Hello … Live
//!      │                withdrawn             │  on: see `glare`)   │   detached* ─────┘ of the peer
//!      │                                      ▼                     │      │
//!      │                       Hello … Live of the peer ──▶ on a link*     │ silent too long
//!      └────────────────────────────────────────────────────────────┴──────┘
//!                 closed: said by either, replaced, forgotten, ignored, positions disagree
//!
//!   * on disk
//! ```
//!
//! The handshake itself is in the doc of the module `handshake`: Hello, Welcome, Live, Ready. Only Live, the initiator's
//! first message under fresh keys, changes anything; Hello could be a replay. That costs a new dialogue a second round
//! trip, and buys that a recorded opening is worth nothing. When both open at once the lower id's attempt wins
//! ([`glare`]). A new dialogue replaces the old one, once its initiator is proved live.
//!
//! # Adversaries, and what each can do
//!
//! | who                                   | can                                              | can't                                       |
//! | ------------------------------------- | ------------------------------------------------ | ------------------------------------------- |
//! | *watcher* of a link or relay          | see sizes and times                              | see identities of either side, or content   |
//! | *replayer*                            | make a responder do one handshake's arithmetic   | change any state, deliver anything twice    |
//! | *man in the middle*, own static key   | drop, delay                                      | answer for another, forward across channels |
//! | *cutter*, loser, reorderer            | delay; keep two apart until silence closes       | make anything lost, twice or out of order   |
//! | *forger* of datagrams                 | be ignored                                       | end a link (a stream it would, if it could write to it) |
//! | *half-opener*                         | hold some KiB for 10 s                           | touch a dialogue that exists                |
//! | *flooder*                             | be counted: so many openings per link and in all | exhaust memory                              |
//! | *silent peer*                         | keep a dialogue until `silence_max`              | keep it longer                              |
//! | *peer that breaks the rules*          | lose its link                                    | panic us, exceed the window, end the dialogue by garbage |
//! | *thief of a static key*               | open **new** dialogues until the certificate ends, thereby closing the true one | continue or read the one that exists |
//! | *thief of the disk*                   | everything its owner could                       |                                             |
//! | *restorer* of an old copy of a disk   | end the dialogue (noticed as a disagreement)     | have messages confused with each other      |
//!
//! A watcher who has a responder's static key may read who opened towards it (Noise IK's first message has no forward
//! secrecy), not what was said.
//!
//! # Where things are
//!
//! - [`Dialogues`]: the set, and all commands. [`Dialogue`]: one of them. [`News`], [`Output`]: what comes out.
//! - [`link`], [`config`]: what links are, what is chosen, what is bounded. [`frame`]: what travels. [`certificate`].
//! - [`payment`]: advice and promises inside a dialogue.
//!
//! What this is not: a transport. Bulk data (tunnel packets, file bytes) travels beside the dialogue on the link, and
//! the dialogue agrees on it. Congestion control is a fixed budget per link, enough for conversation. There is one
//! [`Dialogues`] per identity of a node.
//!
//! Pure: no clock, randomness, thread, socket or disk; see `byway_primitives::effect` for the contract with the driver.

pub mod certificate;
pub mod config;
mod dialogue;
mod dialogues;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod glare;
mod handshake;
mod journal;
pub mod link;
pub mod message;
pub mod news;
mod outputs;
pub mod payment;
mod session;

pub use certificate::{CertificateError, StaticCertificate};
pub use config::Config;
pub use dialogue::Dialogue;
pub use dialogues::{Commit, CommitError, Dialogues, OpenError};
pub use frame::FrameError;
pub use handshake::{DialogueId, Local, LocalError};
pub use journal::{RestoreError, SPACE};
pub use link::{Link, LinkEnd, LinkId, LinkKind, LinkProfile};
pub use message::{Delivery, Durability, Outgoing, ProtocolId, Receipt};
pub use news::{ClosedBecause, Goodbye, News, Refusal, RefusedBecause};
pub use outputs::Output;
