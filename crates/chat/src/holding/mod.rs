//! Others hold what is for somebody who is away (row M6).
//!
//! # The problem
//!
//! Two people are seldom there at once. Somebody else has to keep what one has for the other, who must not be trusted: it may read
//! what it can, lose what it wants, and hand over what was never given to it.
//!
//! # The idea
//!
//! A person, the *client*, agrees with a few *holders*, and names them on the ledger. A *sender* seals each parcel into an
//! [`Envelope`](envelope::Envelope), brings it to every holder, and keeps the parcel until it sees the client's [`Receipt`]: signed,
//! so that nobody else can make a sender let go of it. Holders hand over in [batches](HeldBatch) of always the same size, and delete on the
//! receipt, which they keep and show to whoever brings the same envelope again. So nothing is lost as long as the sender's disk
//! is not, whatever holders do; they decide how soon it arrives.
//!
//! | | |
//! | --- | --- |
//! | [`Sending`] | the sender's side: which envelopes are under way to whose holders |
//! | [`Holder`] | holds for clients, within quotas, and is paid by size and time |
//! | [`HeldClient`] | the client's side: fetches, opens, knows again what it has, signs receipts, pays |
//! | [`HoldMessage`] | what they say, protocol 11 of the dialogue |
//!
//! *Once.* A parcel goes into one envelope for each client: it is sealed from what its sender knows alone, so sealing it again gives the
//! same, and every holder is brought the same one, by one name. When that one's time is over without a receipt, it is sealed anew for a
//! later time. The client knows parcels again by their sender and name, whichever way they come.
//!
//! *Lost messages.* Whatever is said and not answered is said again after [`SAY_AGAIN`]: what is announced, and what is fetched. To fetch
//! is to say from where on; a holder keeps nothing of what it has handed over until the receipt comes.
//!
//! *Paying.* A holder counts bytes × time. The client says what it spends on the holder in all, ahead of use; the holder earns no more
//! than that, as time goes. What is not covered for [`FREE_TIME`] makes it refuse what is new, and after [`GRACE_TIME`] let go
//! of everything. Its word on what was used moves no money.
//!
//! # What each can and can't do
//!
//! - *A holder* sees who brings how many envelopes of which (padded) size to whom, and when they are fetched; not what is in them, nor of
//!   which conversation they are: the same parcel for two people makes two envelopes that nothing joins. It can withhold or lose them:
//!   there are several, and the sender still has them. It can't make up a letter (its sender signs it inside the seal), nor a receipt.
//! - *A sender* that the client does not want fills no more than its share of the quota, until the client is back.
//! - *A client* can't have held what it does not pay for beyond the free time; it can say that it has what it threw away, which harms
//!   itself.
//! - *Whoever gets the client's key* later opens envelopes that were kept: they have no forward secrecy. What is in them is a frame of a
//!   conversation, which has.
//!
//! # Not here
//!
//! Who holds for whom (`records::holders`), links, prices in offers, and the court before which a holder answers for what it lost.

pub mod batch;
mod client;
pub mod envelope;
mod holder;
pub mod message;
pub mod receipt;
mod sending;
mod taken;

use byway_primitives::Span;

pub use batch::{BATCH_BYTES, Cursor, HeldBatch, Piece};
pub use client::{ClientStep, HeldClient, HeldClientConfig, HeldFault, Judged, Plan, Taking, UseView};
pub use envelope::{Envelope, EnvelopeError, EnvelopeId, Opened};
pub use holder::{Holder, HolderNews, HolderStep, HolderTerms, HoldingDamaged};
pub use message::{Announced, Bill, HoldMessage, HoldRefusal, Word};
pub use receipt::Receipt;
pub use sending::{Arrived, Sending, SendingConfig};
pub use taken::Taken;

/// What was said and has no answer is said again after so long.
pub const SAY_AGAIN: Span = Span::minutes(1);
/// After so long a client looks whether a holder has something new, of which it was not told.
pub const LOOK_AGAIN: Span = Span::minutes(10);
/// After so long a sender asks a holder whether there is a receipt, of which it was not told.
pub const ASK_AGAIN: Span = Span(6 * Span::minutes(60).0);
/// For how long an envelope is to be held; sealed anew thereafter.
pub const HOLD_TIME: Span = Span::days(14);
/// The longest that a holder may be asked to hold anything.
pub const HOLD_TIME_MAX: Span = Span::days(30);
/// How long a holder keeps a receipt for what it does not hold, or holds no more.
pub const RECEIPT_TIME: Span = Span::days(30);
/// How long what is not paid for is held as if it were.
pub const FREE_TIME: Span = Span::minutes(10);
/// After how long without being paid a holder lets go of everything.
pub const GRACE_TIME: Span = Span::days(3);
