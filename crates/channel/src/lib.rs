//! Channels, off the ledger: what two parties say to each other, keep, and show the ledger (rows C1, C2, C3, C6).
//!
//! # The problem
//!
//! Two parties replace a state of theirs as often as they like, each time by one of a higher round that both sign. The ledger
//! believes the highest round that it is shown. So a signature is money, and one that has left can't be taken back. Either side
//! may crash between any two writes, lose a message, come back with a disk of last week, fall silent when it is its
//! turn, or cheat.
//!
//! # What does not do
//!
//! - *Signing, sending, then writing*: a crash between forgets a signature that the other has. The next one for the same round is
//!   a second state of it, and the ledger can't say which was meant.
//! - *Rolling back when two proposals meet, and using the round again*: both half-signed states are out there, either can be
//!   completed, and neither beats the other.
//! - *Closing as soon as the peer seems to know another state*: a side with an old disk then closes with an old state, by itself.
//! - *Reacting to the ledger's events*: those that happen while a side is down are missed.
//!
//! # The idea
//!
//! **One state for each round.** A side signs only at a round above every round that it has signed or seen signed. That is
//! asserted at the one place where states are signed, so it is a property of a few lines and not of the protocol. All else
//! follows: a proposal that is not wanted is not undone but *superseded*, by co-signing the earlier state under a higher
//! round; until that has both signatures the half-signed one counts as alive, and is kept.
//!
//! **Written before sent.** Each step is one batch, and every message waits for the newest write. After a crash a side is where it was
//! before a step or after it, and the peer never knows more than the disk.
//!
//! **Where both stand.** On every connection each side says its newest position with both signatures, and the highest rounds
//! that it has signed and seen. The one behind adopts what both signed, once it has checked its own signature; then what is
//! half-signed is sent again, byte for byte, or for a later round to a peer that has started anew.
//! There is no list of cases in the code: see the tables in `docs/channel-machine.md`.
//!
//! **The ledger as it is.** A side compares what the ledger has now with what it knows. Older is answered, newer is
//! believed, and a call that was forced is executed here as well: the channel's entry on the ledger has it. What both signed beats
//! what was forced on an older state, so the last co-signed state is kept beneath forced ones.
//!
//! # An update
//!
//! ```text
//! proposer: executes, signs round r, writes ─ Propose(change, position, signature) ─▶ acceptor: executes, compares
//!                                                                                     signs, writes
//! proposer: writes both signatures ◀───────────── Accept(r, signature) ──────────────
//!                                   or ◀─ Propose(Nothing, round r + 1, refuses r) ──  refuses
//! ```
//!
//! Nobody is asked whether to accept. An update is signed if its result is the same here, it is the proposer's own doing (or
//! absorbs what was promised), and this side's part of the position is worth no less; anything else is refused. Such an update
//! the ledger would execute for the proposer as well, by force, so nothing is lost by signing.
//!
//! **Ties.** When both propose at one round, neither may sign the other's. The initiator proposes the same again at the next
//! round, which the responder waits for; then the turn is the responder's, for one update or half a minute.
//!
//! **Upgrading and removing a contract** the ledger would do for nobody, so it takes the consent of both users (`machine::consent`).
//!
//! **Contracts** see the time of the newest checkpoint that the proposer knows; it is in the position that both sign.
//!
//! **Lanes** carry promises that the payer alone signs, without a round ([`ChannelMachine::promise`]); an update absorbs them.
//! With each the payer says how much of all that it has promised is for services ([`ChannelMachine::promise_for_services`]):
//! whoever serves counts that as paid.
//!
//! # Deposits and withdrawals
//!
//! What moves money between an account and the channel is executed by the ledger, and makes every state that divides the earlier total
//! worthless. So it is not superseded: a side that may have signed one signs nothing else until the ledger has it or never will
//! (`machine::funding`, [`ChannelMachine::fund`]).
//!
//! A contract leaves the channel in the same way, with what it has, where the users of both sides want it
//! ([`ChannelMachine::leave`]). What it has stored is kept, and goes on as the ledger shows the contract's calls ([`LeftContract`]).
//!
//! # Assets beside WAY
//!
//! They are put in at the opening, are in contracts of the first state, and are divided at the end ([`Purse`]).
//!
//! # Losing the disk
//!
//! What stands under the newest root can be kept in a second place ([`ChannelCopy`]), so that a side that has lost its disk
//! does not depend on its peer. Two who have both lost it part by a split that both users name ([`ChannelMachine::close_split`]).
//!
//! # States, messages, times
//!
//! `docs/channel-machine.md` has the tables: each state and what leads out of it ([`Life`], [`Health`]), each message beside its name in the
//! documents of æternity, what is waited for and for how long, and what follows where both stand after a connection.
//!
//! # Beside the state
//!
//! A peer that breaks the protocol is told by which rule ([`ErrorCode`]), and users say things to each other ([`Inband`]); no state depends on either.
//!
//! # Many
//!
//! [`Channels`] holds all channels of an identity: who may begin how many, whose a message is, who is woken when.
//!
//! # Being away
//!
//! Others may watch the ledger for a party, who learn nothing before they are needed: [`watching`].
//!
//! # What each failure comes to
//!
//! - *Old disk.* The peer shows the newer state, with our signature on it. Rounds that may have been signed in between are left out by every
//!   side that starts, whether or not anybody tells it of them (`machine::rounds`); what contracts hold is fetched and checked against the signed
//!   root; it shows what was promised too. A side that has not heard its peer since it started promises nothing, and does not close
//!   (`machine::watch`), unless its user says so and [`UNHEARD_TIME_MAX`] is over.
//! - *Lost disk.* The ledger has the channel; its peer is heard before anything is said to it (`machine::lost`).
//! - *Two co-signed states of one round* can't be unless somebody's signer was at fault. The channel freezes, and both are kept.
//! - *A peer that completes a half-signed state of ours on the ledger and says nothing*: it was alive, so it is believed; also after
//!   a call was forced in between.
//! - *A peer whose ledger is ahead* says a position that nobody signed. It is waited for until the ledger shows the same.
//!
//! # Deviations
//!
//! - *No token for the turn travels.* Anyone proposes when nothing is open; the rule for ties hands out turns where both want
//!   to. A token would have to be written, passed and recovered, for the case in which there is no tie.
//! - *`funding_locked` is the first `Reestablish`*: it says the same, that the ledger has the channel at round 0.
//! - *No `ping`*: the dialogue notices when a peer is gone.
//! - *An error ends nothing*: it is told, and shown to people.
//!
//! # Over several channels
//!
//! A [`routing::Router`] looks at the locks in its node's channels and does what is to be done about them; a channel knows
//! nothing of it.
//!
//! Two who have no channel with each other have a virtual one, whose money is in the channels that both have with a hub: [`guarantee`].
//!
//! # Not here
//!
//! States larger than [`STATE_BYTES_MAX`] are
//! not given to a peer that has lost its own: it has them in a [copy](ChannelCopy), or not.
//! A contract's storage is copied for each update that writes it, which large contracts
//! will feel.

mod backing;
mod beside;
mod change;
mod channels;
mod consent;
mod copy;
mod fund;
pub mod guarantee;
mod journal;
mod ledger_view;
mod left;
mod lost;
mod machine;
mod message;
mod news;
mod outbox;
mod purses;
pub mod routing;
mod signer;
pub mod watching;

pub use beside::{
    DATA_BYTES_MAX, ErrorCode, INBAND_BURST_MAX, INBAND_HEARD_MAX, INBAND_PAUSE, Inband, InbandError, SaidError,
    TEXT_BYTES_MAX,
};
pub use change::{CALL_GAS_MAX, CREATE_GAS_MAX, Change, ChangeError, ContractCall, ContractChange, INPUT_BYTES_MAX};
pub use channels::{
    AddressedMessage, ChannelHandle, ChannelKey, Channels, ChannelsEffect, InitiateError, OPENINGS_MAX,
    OPENINGS_PER_PEER_MAX,
};
pub use consent::{CONSENT_TIME_MAX, ContractWish};
pub use copy::{COPY_STATES_MAX, ChannelCopy, CopyError, CopyMark};
pub use journal::{Agreement, CHANNELS, ChannelJournalError, Conflict, Health, Life, RELEASED_MAX};
pub use ledger_view::LedgerView;
pub use left::{ContentsError, FollowError, LeftContract};
pub use machine::{
    ANSWER_TIME_MAX, AWAY_TIME_MIN, BLIND_TIME_MIN, CLOCKS_APART_MAX, CLOSING_TIME_MAX, ChannelMachine, ENTRY_GAS,
    ENVIRONMENT_AHEAD_MAX, ENVIRONMENT_BEHIND_MAX, FRESH_TIME_MAX, FUND_TIME_MAX, FUNDING_TIME_MAX, OPENING_TIME_MAX,
    PEER_GAS_MAX, PEER_GAS_PER_SECOND, PROPOSAL_GAS, ROUNDS_PER_MILLI, STATE_SIZE_MAX, SUBMIT_AGAIN, Split,
    UNHEARD_TIME_MAX, position_digest, round_at,
};
pub use message::{ChannelMessage, LanePromise, Proposal, Reestablish, Refusal, STATE_BYTES_MAX};
pub use news::{ChannelEffect, ChannelNews, CloseError, PeerFault, PromiseError, ProposeError};
pub use purses::{ContractPurse, Purse, purse_payment};
pub use signer::{SharedSigner, Signer};
