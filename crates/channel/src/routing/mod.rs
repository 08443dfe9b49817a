//! Payments over several channels: what works between A and B works for A to C through B (row C4).
//!
//! # The problem
//!
//! A payer and a payee have no channel, and both have one with somebody who has. Whoever stands between must not be able to keep
//! what it is given, and must not be at a loss because the next one, or the one before, falls silent or loses its disk.
//!
//! # The idea
//!
//! Each channel on the way has a **lock**: money that its payee gets for the preimage of a hash, and its payer has back after a time.
//! All locks of a payment have one hash, and only the payee knows the preimage. When it opens the last lock, the preimage stands in
//! that channel's state, and whoever made the lock opens the one before with it. Locks are kept by a contract in the channel
//! ([`conduit`]), so a channel knows nothing of payments: whatever a side does not do together with the other, the ledger does
//! by force, as with any contract.
//!
//! **The state says it all.** A node does not react to messages and calls, it looks at the locks in its channels
//! ([`Router::handle_channel`]) and does what is to be done for what it finds: make the next lock, open, let go, take back, clear away. The
//! contract keeps the preimage of an opened lock until its payer has cleared it away, so it is found in whatever way the state came
//! to be: by an update, by a call that was forced, after a crash.
//!
//! **Written before it is done.** What comes in and what is to go out is journaled before the outgoing lock is proposed; that lock's id
//! follows from the incoming one, so it is never made twice. A preimage is journaled before the incoming lock is opened with it.
//!
//! ```text
//! incoming lock and its order ─▶ Locking ─ lock made ─▶ Locked ─ opened ─▶ Claiming ─ incoming opened ─▶ outgoing cleared away
//!                                   └─ refused, no room ──▶ Failing ◀─ let go, taken back ─┘   incoming let go
//! ```
//!
//! # Nobody is at a loss
//!
//! - *The next one keeps silent*: its lock is taken back when its time has come, by force if need be, and only then is the incoming one let
//!   go of. That stands longer by `delta`, which is enough to take the one back and still to open the other by force.
//! - *The next one comes late*: from its time on no lock is opened, whoever has half-signed what, and whatever time a call is said to see
//!   ([`ENVIRONMENT_BEHIND_MAX`](crate::ENVIRONMENT_BEHIND_MAX)).
//! - *A lock that nobody has paid for* is not seen at all: only a contract counts whose storage was empty at first ([`conduit`]).
//! - *The one before keeps silent*: the incoming lock is opened by force before its time has come. Nobody closes a channel for that; only
//!   where the ledger has not executed that either, because it was this side's turn last, is the channel closed ([`CLOSE_BEFORE`]).
//! - *A channel is closed with locks in it*: no lock stands longer than the channel's lock period, less the time that it takes, so all are opened
//!   or taken back by force before it pays out.
//! - *A payment in parts*: its payee opens none before all are there, and whoever keeps one back has the others back when the payee has waited for
//!   so long ([`PARTS_TIME_MAX`]).
//! - *A lock that is gone* counts as such only if nothing that this side has half-signed brings it back.
//!
//! # Ways
//!
//! A payer asks its peers for a way to one of the hubs that the invoice names; these ask on, and each adds itself with its fee
//! ([`RoutingMessage::Ask`]). So nobody but the last hub learns who is paid, and nobody but the first one who pays. What each is to do with
//! its lock is sealed for it ([`order`]).
//!
//! # Deviations
//!
//! - *No id of a payment travels*: each lock has an id of its own and only the hash is shared; a point in its place would hide that too.
//! - *One way at a time*, as long as one has room for all of it; several only where none has ([`split`], [`parts`]).

mod balancing;
mod bounds;
mod circle;
pub mod conduit;
mod flow;
mod hub;
mod invoice;
mod message;
mod order;
mod parts;
mod passage;
mod payer;
mod question;
mod router;
pub(crate) mod sight;
mod split;
mod terms;
mod wish;

pub use balancing::Balancing;
pub use circle::CircleError;
pub use conduit::{Lock, LockId, PaymentHash, Preimage};
pub use invoice::{HINTS_MAX, Invoice, InvoiceError, InvoiceTerms};
pub use message::{Failure, HUBS_MAX, Leg, ORDER_BYTES_MAX, QuestionId, Reason, RoutingMessage};
pub use order::{Order, PartsId};
pub use passage::{
    Circle, Earned, LockRef, PARTS_MAX, PassageId, PaymentFailure, PaymentStatus, PaymentView, ROUTING, Stage,
};
pub use payer::{PayError, SEEKING_MAX};
pub use router::{
    CLOSE_BEFORE, EXPIRES_MAX, FINAL_TIME, FORCE_AFTER, FORCE_BEFORE, KEPT_AFTER, LOCKING_TIME_MAX, OnItsWay,
    PARTS_TIME_MAX, Router, RoutingEffect, RoutingNews,
};
pub use terms::{DELTA_DEFAULT, DELTA_MAX, Exposure, HubTerms, PEER_PAYMENTS_MAX};
