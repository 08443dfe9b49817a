//! What hirers and hosts say to each other. Bytes: docs/formats/hiring.md.

use byway_primitives::Amount;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// One message, of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HireMessage {
    /// To a host: its bot is hired, for no more than this an answer, and so much is spent on it in all.
    Hire { price_max: Amount, spent: Amount },
    /// To a host: its bot is hired no more.
    Dismiss,
    /// To a hirer: what it says is given to the bot.
    Hired { bill: HireBill },
    /// To a hirer: it is not, and why.
    Refused { refusal: HireRefusal, bill: HireBill },
    /// To a hirer: the bot is not hired any more.
    Dismissed,
}

/// Where a hirer stands with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HireBill {
    /// What the bot has earned by it in all, also if it has forgotten that.
    pub earned: Amount,
    /// Of one answer.
    pub price: Amount,
    /// Answers that were earned in all.
    pub answered: u64,
    /// Messages of the hirer that the bot was not given yet.
    pub waiting: u64,
}

/// Why a bot is not given what somebody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HireRefusal {
    #[error("it offers no bot")]
    Unwilling,
    #[error("its bot asks for more than is to be paid")]
    TooDear,
    #[error("it was not paid")]
    Unpaid,
    #[error("its bot is hired by as many as it may be")]
    Full,
}

const REFUSALS: [HireRefusal; 4] =
    [HireRefusal::Unwilling, HireRefusal::TooDear, HireRefusal::Unpaid, HireRefusal::Full];

impl HireRefusal {
    /// The stable word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unwilling => "unwilling",
            Self::TooDear => "too_dear",
            Self::Unpaid => "unpaid",
            Self::Full => "full",
        }
    }
}

impl Encode for HireRefusal {
    fn encode(&self, out: &mut Writer) {
        let number = REFUSALS.iter().position(|known| known == self).expect("all are listed");
        out.byte(u8::try_from(number).expect("there are few"));
    }
}

impl Decode for HireRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = input.byte()?;
        let unknown = DecodeError::UnknownVariant { kind: "refusal of a hirer", value: number.into() };
        REFUSALS.get(usize::from(number)).copied().ok_or(unknown)
    }
}

impl Encode for HireBill {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.earned);
        out.value(&self.price);
        out.varint(self.answered);
        out.varint(self.waiting);
    }
}

impl Decode for HireBill {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { earned: input.value()?, price: input.value()?, answered: input.u64()?, waiting: input.u64()? })
    }
}

impl Encode for HireMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Hire { price_max, spent } => {
                out.byte(0);
                out.value(price_max);
                out.value(spent);
            }
            Self::Dismiss => out.byte(1),
            Self::Hired { bill } => {
                out.byte(2);
                out.value(bill);
            }
            Self::Refused { refusal, bill } => {
                out.byte(3);
                out.value(refusal);
                out.value(bill);
            }
            Self::Dismissed => out.byte(4),
        }
    }
}

impl Decode for HireMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Hire { price_max: input.value()?, spent: input.value()? },
            1 => Self::Dismiss,
            2 => Self::Hired { bill: input.value()? },
            3 => Self::Refused { refusal: input.value()?, bill: input.value()? },
            4 => Self::Dismissed,
            other => return Err(DecodeError::UnknownVariant { kind: "hire message", value: other.into() }),
        })
    }
}
