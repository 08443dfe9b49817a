//! Why somebody who asks is not heard. Bytes: docs/formats/chat-delivery.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span};

/// Why the one asked does not hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskRefusal {
    /// A first message of somebody whom they do not know costs this much, and less came with it.
    #[error("a first message costs {price}")]
    Price { price: Amount },
    /// Too many have asked, or this one too often. It may be tried again after this time.
    #[error("ask again after {} seconds", after.0.div_ceil(1000))]
    Later { after: Span },
    /// As many wait for an answer as can.
    #[error("too many wait for an answer there")]
    Full,
    /// What came with it is no payment.
    #[error("the payment does not count: {0}")]
    Payment(PaymentFault),
}

/// Why what came with a request counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFault {
    #[error("it can't be read, or is not signed by who says so")]
    Unreadable,
    /// By somebody else, for somebody else, in another coin, on another network, or backed by nothing that is set aside.
    #[error("it is not from the one who asks to the one who is asked")]
    Foreign,
    #[error("what is set aside for it is not there, too little, or was paid out already")]
    Unbacked,
    #[error("what is set aside for it is given back too soon")]
    Short,
}

impl Encode for AskRefusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Price { price } => {
                out.byte(0);
                out.value(price);
            }
            Self::Later { after } => {
                out.byte(1);
                out.value(after);
            }
            Self::Full => out.byte(2),
            Self::Payment(fault) => {
                out.byte(3);
                out.value(fault);
            }
        }
    }
}

impl Decode for AskRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Price { price: input.value()? },
            1 => Self::Later { after: input.value()? },
            2 => Self::Full,
            3 => Self::Payment(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "refusal of a request", value: other.into() }),
        })
    }
}

impl Encode for PaymentFault {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Self::Unreadable => 0,
            Self::Foreign => 1,
            Self::Unbacked => 2,
            Self::Short => 3,
        });
    }
}

impl Decode for PaymentFault {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Unreadable,
            1 => Self::Foreign,
            2 => Self::Unbacked,
            3 => Self::Short,
            other => return Err(DecodeError::UnknownVariant { kind: "fault of a payment", value: other.into() }),
        })
    }
}
