//! Channels, off the ledger.

mod change;
mod journal;
mod ledger_view;
mod machine;
mod message;
mod news;
mod signer;

pub use change::{CALL_GAS_MAX, CREATE_GAS_MAX, Change, ChangeError, ContractCall, INPUT_BYTES_MAX};
pub use journal::{Agreement, CHANNELS, ChannelJournalError, Conflict, Health, Life, RELEASED_MAX};
pub use ledger_view::LedgerView;
pub use machine::{
    ANSWER_TIME_MAX, CLOSING_TIME_MAX, ChannelMachine, ENVIRONMENT_AHEAD_MAX, FUNDING_TIME_MAX, OPENING_TIME_MAX,
    ROUNDS_AHEAD_MAX, ROUNDS_FORGOTTEN, SUBMIT_AGAIN, UNHEARD_TIME_MAX, position_digest,
};
pub use message::{ChannelMessage, Proposal, Reestablish, Refusal, STATE_BYTES_MAX};
pub use news::{ChannelEffect, ChannelNews, CloseError, PeerFault, PromiseError, ProposeError};
pub use signer::Signer;
