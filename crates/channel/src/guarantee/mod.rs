//! Virtual channels: two who have no channel with each other have one all the same, through a hub that both have one with (row C4).
//!
//! # The problem
//!
//! Contracts need a state that two sign, and a payment over a hub is none. So the two want a channel, without a transaction that opens it or
//! closes it. Its money can only be in the channels that each of them has with the hub, its *parents*. The hub has to put in there what
//! the other one owns, and must not be at a loss, whatever the two agree on, show, or leave undone.
//!
//! # The idea
//!
//! Each parent holds a **guarantee**: all that is in the virtual channel, the party's part from the party, and the other's from the hub ([`contract`]).
//! However the virtual channel ends, a party is paid what it has there, and the hub the rest, which is what it gives in the other
//! parent. So all that the hub needs is that both guarantees stand or neither, and that both are paid out by the same numbers.
//!
//! **The channel itself is any other.** Its machine is shown an entry as the ledger would have it as long as its own side's guarantee stands, and
//! what the ledger really has where it has something. Where it wants something of the ledger, the channel is registered there first.
//!
//! **The state says it all.** As with payments ([`routing`](crate::routing)), a node looks at the guarantees in its channels, at what the ledger has and at
//! the clock, and does what is to be done for what it finds. Messages only say where to look, or bring what others signed.
//!
//! # Opening
//!
//! ```text
//! A ── OpenVirtual ─▶ B          the dialogue that opens any channel, with terms instead of a transaction: both sign them
//! A ── offer, in its parent ──▶ hub ◀── offer, in its parent ── B
//! A ── Offered(terms) ────────▶ hub ◀─────── Offered(terms) ─── B
//!                               hub: writes that it guarantees the channel; accepts both
//! A: is open                                              B: is open
//! ```
//!
//! Each side counts it as open by its own guarantee, once that stands in a state that nothing half-signed takes back. The other may be a moment later, and is not
//! heard before. An offer that isn't accepted comes back: as soon as the hub refuses, or when its time is over.
//!
//! The hub accepts both or neither. It looks at all before it accepts one, and at one pair at a time in each channel, in which it proposes nothing else then: that both offers stand and say what the terms say, that the fees do,
//! that it has enough in both parents, that the ledger would force a call of its in either, that the offers stand for another quarter
//! of an hour ([`ACCEPT_BEFORE`]), that the ledger would register the terms, and that a dispute is over before any of the parents pays out ([`MARGIN`]). Then it
//! accepts by updates, after a minute by force, and near an offer's end by closing that parent.
//!
//! # The end
//!
//! Both sign how they part, and the hub signs too: with that **certificate** each guarantee is paid out. It signs one for each channel, and only where the
//! ledger does not know the channel; whatever is asked later is answered with the same one. If somebody registers the channel then, the hub gives the certificate to
//! the ledger, so there is one outcome.
//!
//! Otherwise the ledger decides, as of any channel, and what comes out is evidence with which the guarantees are paid out.
//!
//! | who is silent | what then |
//! | --- | --- |
//! | the hub, before it has accepted | the offers come back when their time is over |
//! | one of the two, before it has offered | the other's offer comes back |
//! | one of the two, later | the other closes alone: on the ledger, then in its parent |
//! | the hub, when both part | after [`CLOSING_TIME_MAX`](crate::CLOSING_TIME_MAX) they close on the ledger; by force in the parents |
//! | both | the hub asks them to part at the end of the channel's time, and after [`PART_TIME_MAX`] ends it on the ledger |
//! | whoever is on the other side of a parent | a guarantee is paid out by force after a minute |
//!
//! *A parent is being closed.* Then all that is guaranteed in it has to be decided before it pays out: whoever sees it (a party, or the hub)
//! registers the virtual channel, closes it, settles it, and has the guarantee paid out by force. A parent is not closed together
//! as long as it holds a guarantee.
//!
//! *A disk is lost.* The hub, and the other party, tell which virtual channels there are ([`lost`]); the rest is as with any lost channel.
//!
//! # Deviations
//!
//! - *The parties don't say where their guarantees are*: the hub finds them in its channels.
//! - *The hub's price is per channel*, not per time: time is bounded instead.
//!
//! # Not here
//!
//! A virtual channel over two hubs; one whose parent is virtual; watchtowers for virtual channels.

mod channels;
pub mod contract;
mod guarantees;
mod hub;
mod judge;
mod lost;
mod message;
mod party;
mod record;
pub(crate) mod sight;
pub(crate) mod terms;
mod wish;

pub use guarantees::{GuaranteeEffect, GuaranteeNews, GuaranteeView, Guarantees};
pub use hub::PART_TIME_MAX;
pub use message::{GuaranteeMessage, GuaranteeRefusal};
pub use record::GUARANTEES;
pub use terms::{ACCEPT_BEFORE, GUARANTEES_MAX, GuaranteeTerms, MARGIN, MARGIN_COMMITS, OFFER_TIME, VIRTUAL_LOCK_MIN};
