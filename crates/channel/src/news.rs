//! What a channel tells the layer above, and why it does not do what it is asked.

use byway_primitives::{Amount, Effect, IdentityId};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, Movement, Side, VirtualClose};
use byway_records::{Transaction, Value};
use byway_vm::Address;

use crate::beside::{Inband, SaidError};
use crate::change::{Change, ChangeError};
use crate::channels::ChannelHandle;
use crate::consent::ContractWish;
use crate::journal::Conflict;
use crate::machine::Split;
use crate::message::{ChannelMessage, Refusal};

/// What a channel emits.
pub type ChannelEffect = Effect<IdentityId, ChannelMessage, ChannelNews>;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum ChannelNews {
    /// A peer proposes the channel: agree to it, or decline.
    Proposed,
    /// The responder agreed, or the peer did not.
    Accepted,
    Declined,
    /// Hand this transaction to the ledger: it opens the channel. Both sides do. Like a call ([`Submit`](Self::Submit)) it waits
    /// for what was written.
    Fund(Transaction),
    /// Hand this call to the ledger, authorised by our side where the call asks for it, once all is durable that was written by
    /// then: who has forgotten after a crash what the ledger was shown can't go on from there.
    Submit(ChannelsCall),
    Opened,
    /// The journal does not have the channel, and the ledger does: it is taken up from there.
    Found,
    /// Its peer has said the handle of a channel that was found, which went by this one.
    Named {
        before: ChannelHandle,
    },
    /// Both have signed it.
    Updated {
        round: u64,
        change: Change,
    },
    /// The ledger has executed a deposit or a withdrawal, by either side.
    Funded {
        round: u64,
        side: Side,
        movement: Movement,
        value: Value,
    },
    /// A deposit or a withdrawal is not executed, and never will be: refused, or it gave way to something of the peer's
    /// ([`Refusal::Busy`]: ask again), or too late.
    NotFunded {
        round: u64,
        refusal: Option<Refusal>,
    },
    /// The peer has promised so much more out of its lane, some of it for services of ours.
    Promised {
        more: Amount,
        for_services: Amount,
    },
    /// The peer has shown a promise of ours that the journal had lost.
    Reminded,
    /// An update of ours was refused. It is alive until the round that cancels it is co-signed.
    Refused {
        round: u64,
        refusal: Refusal,
    },
    /// An update of ours can't come into effect any more.
    Abandoned {
        round: u64,
        change: Change,
    },
    /// The peer wants to do something that needs our consent: whoever wants it too proposes the same.
    Asked {
        wish: ContractWish,
    },
    /// A contract has left the channel: what it has stored is kept ([`LeftContract`](crate::LeftContract)).
    Left {
        contract: Address,
    },
    /// The peer does not answer: cancel, force, or close alone.
    Stalled {
        round: u64,
    },
    /// The journal was an old one: the peer showed a newer state that this side has signed.
    Behind {
        round: u64,
    },
    /// Whatever was lost is there again.
    Recovered {
        round: u64,
    },
    /// The peer broke the protocol, and is told; or it says that we did. Each is said once on a connection.
    ErrorSaid(SaidError),
    ErrorHeard(SaidError),
    /// What the peer's user or program says.
    Inband(Inband),
    /// The channel is frozen.
    Alarm(Box<Conflict>),
    /// The ledger executed a call that one side forced, and that made this round.
    Forced {
        round: u64,
    },
    /// The channel is being closed.
    Closing,
    /// Both have signed how a virtual channel ends: it goes to its hub
    /// ([`Guarantees::handle_close`](crate::guarantee::Guarantees::handle_close)).
    Parted(Cosigned<VirtualClose>),
    /// The peer wants to part while contracts have something, which that would divide: nothing is signed unless our user closes too.
    AskedToPart,
    /// A payment or a guarantee in the channel is near its time, and what can be forced is not enough: it would be time to close. But the peer was
    /// not heard since the start, so the journal may be an old one: only the user closes.
    MayBeOld,
    /// In this life the ledger was not seen fresh for too long, so nothing is signed: this machine's clock is ahead, or it does not hear of the ledger.
    ClockApart,
    /// The peer's user names how the two part, both having lost the state: nothing is signed unless ours names the same
    /// ([`ChannelMachine::close_split`](crate::ChannelMachine::close_split)).
    AskedToSplit(Split),
    Closed,
}

impl ChannelNews {
    /// Whether something is to be handed to the ledger, which waits until all is durable that was written by then.
    pub fn goes_to_ledger(&self) -> bool {
        matches!(self, Self::Fund(_) | Self::Submit(_))
    }
}

/// The peer broke the protocol. The link decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    #[error("a signature is not the peer's")]
    Signature,
    #[error("a state is shown as agreed without what shows it")]
    Unproven,
    #[error("a round is of a time that is further ahead than a clock can be")]
    Round,
    #[error("it accepts what was not proposed")]
    NotProposed,
    #[error("that message has no place here")]
    OutOfPlace,
    #[error("what it says that it shows when it closes is not what the terms say")]
    Secret,
    #[error("a promise is not out of the peer's lane, or the lane does not cover it")]
    Promise,
    #[error("the state that was sent is not the one that was asked for")]
    WrongState,
}

/// Why an update is not proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    #[error("the channel is not open")]
    NotOpen,
    #[error("the peer is not connected; wait until it is")]
    Disconnected,
    #[error("the channel is frozen, or its state is not known; close it, or wait until the peer has shown it")]
    Unsound,
    #[error("an update, a deposit or a withdrawal is still open; wait for the answer, or cancel the update")]
    Busy,
    #[error("it is the peer's turn; wait a moment")]
    Turn,
    #[error(
        "the peer's clock is ahead of this machine's, and so are its rounds; wait a moment, and set the clock if that does not do"
    )]
    Clock,
    #[error("the ledger was not seen since the start as it is now; wait a moment")]
    Unseen,
    #[error(
        "this machine's clock is more than a minute ahead of the ledger that it sees, so nothing is signed; set the clock and start anew, or wait until the ledger is reached"
    )]
    Apart,
    #[error("a side proposes what it does itself")]
    NotOurs,
    #[error("the money of a virtual channel is in others: none is put in or taken out")]
    Virtual,
    #[error("more than that is promised out of the lane; have it absorbed first, or leave as much in it")]
    Promised,
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Why nothing more is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PromiseError {
    #[error("the channel is not open")]
    NotOpen,
    #[error("the channel is frozen, or its state is not known; wait until the peer has shown it")]
    Unsound,
    #[error("the peer was not heard since the start, and may know of more promises; connect")]
    Unheard,
    #[error("the lane does not cover it; put more into it")]
    Uncovered,
}

/// Why a channel is not closed, or a call not forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    #[error("the channel is not open")]
    NotOpen,
    #[error("an update, a deposit or a withdrawal is still open; wait for the answer, or cancel the update")]
    Busy,
    #[error(
        "the peer was not heard since the start and may know of a newer state, so closing could cost what was paid since; connect, or wait ten minutes"
    )]
    Unheard,
    #[error(
        "the contracts' state is not known, since the journal was an old one; wait until the peer has sent it, or close alone"
    )]
    Recovering,
    #[error(
        "payments over several channels are on their way in this one, or virtual channels are guaranteed in it; wait until they are through, or close alone"
    )]
    OnTheirWay,
    #[error(
        "this side knows where both stand and has heard its peer, so it parts by that and not by what two people say; close it, together or alone"
    )]
    Known,
    #[error(
        "a split is of all that is in the channel, of WAY and of each asset, and leaves each side at least the reserve"
    )]
    Split,
    #[error("the money of a virtual channel is in others; it ends with its hub, or on the ledger")]
    Virtual,
    #[error("only calls of contracts that are there are forced")]
    NotACall,
    #[error("what the call touches is more than the ledger takes with one")]
    TooLarge,
    #[error(transparent)]
    Change(#[from] ChangeError),
}
