//! Why a kernel node does not take a transaction.
//!
//! A client has to tell what speaks against its transaction, and will everywhere, from what is the matter with one node.
//! So refusals have codes, and words for people are made where they are shown.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use byway_records::Reject;

use crate::news::SubmitError;
use crate::stamp::Demand;

/// Bytes of a reason in words.
pub const REASON_BYTES_MAX: usize = 256;

/// Why a kernel node does not take a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// By its form or a signature it can't become final anywhere; in words, of which
    /// [`REASON_BYTES_MAX`] bytes travel.
    #[error("{0}")]
    IllFormed(String),
    #[error("{}", SubmitError::Spent)]
    Spent,
    /// The ledger would reject it as things stand.
    #[error("{}", SubmitError::Rejected(*.0))]
    Rejected(Reject),
    #[error("{}", SubmitError::Conflict)]
    Conflict,
    #[error("{}", SubmitError::Full)]
    Full,
    /// It comes without the work that is asked for.
    #[error("the node is busy and asks for work of {} bits first", .0.bits)]
    Busy(Demand),
    #[error("{}", SubmitError::Stopped)]
    Stopped,
    /// The node could not look at it.
    #[error("the node is shutting down, or failed; ask another one")]
    Failed,
}

impl Refusal {
    /// What becomes of a transaction that was handed in; `Ok` also if it was known.
    pub fn of(outcome: Result<(), SubmitError>) -> Result<(), Self> {
        match outcome {
            Ok(()) | Err(SubmitError::Known) => Ok(()),
            Err(SubmitError::Spent) => Err(Self::Spent),
            Err(SubmitError::Rejected(reject)) => Err(Self::Rejected(reject)),
            Err(SubmitError::Conflict) => Err(Self::Conflict),
            Err(SubmitError::Full) => Err(Self::Full),
            Err(SubmitError::Stopped) => Err(Self::Stopped),
        }
    }

    /// Whether this is about the node and the moment, and says nothing against the transaction.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::IllFormed(_) | Self::Spent | Self::Rejected(_) => false,
            Self::Conflict | Self::Full | Self::Busy(_) | Self::Stopped | Self::Failed => true,
        }
    }
}

impl Encode for Refusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::IllFormed(reason) => {
                out.byte(0);
                out.text(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
            }
            Self::Spent => out.byte(1),
            Self::Conflict => out.byte(2),
            Self::Full => out.byte(3),
            Self::Busy(demand) => {
                out.byte(4);
                out.value(demand);
            }
            Self::Stopped => out.byte(5),
            Self::Failed => out.byte(6),
            Self::Rejected(reject) => {
                out.byte(7);
                out.value(reject);
            }
        }
    }
}

impl Decode for Refusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::IllFormed(input.text(REASON_BYTES_MAX)?),
            1 => Self::Spent,
            2 => Self::Conflict,
            3 => Self::Full,
            4 => Self::Busy(input.value()?),
            5 => Self::Stopped,
            6 => Self::Failed,
            7 => Self::Rejected(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "refusal", value: other.into() }),
        })
    }
}
