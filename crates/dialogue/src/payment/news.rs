//! What the payment machine tells the layer above.

use byway_primitives::Amount;
use byway_records::call::AccountsCall;
use byway_records::{Backing, Promise, Reject};

use super::message::{BackingKind, Refusal, Terms};

/// News of one pair of identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentNews {
    /// Everything received from the peer so far, durably: what services may be given for, all in all.
    Credited { received: Amount },
    /// Everything promised to the peer so far. The promise itself leaves once it is durable.
    Promised { promised: Amount, promise: Promise },
    /// So much more is to be promised for services out of the lane of a channel with the peer. Have the channel promise it, or
    /// as much as it covers, and say so with [`Payments::note_lanes`](super::Payments::note_lanes).
    LaneWanted { more: Amount },
    /// So much is promised to the peer by now, some of it out of lanes.
    PromisedByLane { promised: Amount },
    /// The peer has this promise in its journal.
    Accepted { serial: u64, amount: Amount },
    /// The peer turned a promise down; nothing more is promised before its next advice.
    Refused { serial: u64, amount: Amount, reason: Refusal },
    /// What the peer says of our credit with it.
    Advised { remainder: Amount, terms: Terms },
    /// The journal was behind: the peer holds a later promise with our own signature, and we went on from it.
    Recovered { promise: Promise },
    /// A promise would have passed a limit; ask the user.
    OverLimit(OverLimit),
    /// The peer takes only this kind of backing; see [`Payments::use_backing`](super::Payments::use_backing).
    BackingWanted(BackingKind),
    /// It is time to settle by the policy in force. Settlements publish who paid whom, so wait a random while first.
    SettlementDue { backing: Backing, unsettled: Amount },
    /// Submit this call to the ledger and report with
    /// [`Payments::handle_settlement`](super::Payments::handle_settlement). May be asked more than once for one
    /// promise; the ledger pays it once. `promise` is the one that pays us, also where both ways are settled.
    Submit { promise: Promise, call: Box<AccountsCall> },
    /// Settled, of which `given_up` was not there (only where [`Take::WhatIsThere`](byway_records::call::Take) was
    /// asked for). Also what the peer handed in, or was settled without our hearing of it, once the followed ledger says so.
    Settled { promise: Promise, given_up: Amount },
    /// The payer's balance was too small. The promise stays valid; no further credit until it is settled.
    Bounced { promise: Promise },
    /// The ledger turned the settlement down for another reason. The promise stays in the journal.
    SettlementRejected { promise: Promise, reject: Reject },
    /// The peer did something that no honest peer does.
    Fault(PaymentFault),
}

/// A limit of the user's that stands against a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    #[error("today's spending limit of {limit} for this peer is reached; raise it to go on")]
    Day { limit: Amount },
    #[error(
        "the channel has nothing left to pay with, and {missing} WAY is missing; \
        `byway channel deposit` puts more into it"
    )]
    Lane { missing: Amount },
    #[error("the peer does not agree to put more into the lane of the channel, of which nothing is left")]
    LaneUnsigned,
    #[error(
        "there is no open channel to pay this peer out of; open one with `byway channel open`, or pay from the account"
    )]
    NoLane,
    #[error("the peer takes no promise under {minimum}, but no more than {ceiling} may be ahead; raise the ceiling")]
    Ceiling { minimum: Amount, ceiling: Amount },
}

/// Something that no honest peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFault {
    #[error("the copy in the peer's advice is not a promise that we signed to it")]
    ForgedCopy,
    #[error("the peer accepted a promise that was never made")]
    AcceptedUnknown,
    #[error("the peer asks to be paid in another asset than was agreed")]
    OtherAsset,
    #[error("the peer proposes to settle promises that are not between it and us")]
    ForeignPair,
    #[error("the peer agreed to settle the net with a wrong signature")]
    NetSignature,
}
