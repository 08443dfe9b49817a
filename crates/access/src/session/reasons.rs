//! Why a session is not opened, and why it ends. A reason's number is its place in a list, for good.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::service::NotAccepted;
use crate::service::reason::ReasonText;

/// Why a session is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefusal {
    #[error("the provider does not sell under this offer any more; look for offers again")]
    OfferUnknown,
    #[error("the provider does not run this service")]
    ServiceUnknown,
    #[error("the provider does not understand the service data; one side may need an update")]
    ServiceData,
    #[error("too many sessions are open with this provider; end one first")]
    TooManySessions,
    #[error("the provider is at its capacity; try another")]
    Full,
    #[error("the provider is shutting down; try another")]
    Closing,
    #[error("too many questions were asked of this provider; wait a minute")]
    TooManyQuestions,
    /// In the words of a service that plugs in.
    #[error("the service refused: {0}")]
    ByService(ReasonText),
    #[error("the provider's policy does not let it go where this asks it to; try another")]
    Denied,
    #[error("the provider has carried all that it wants to carry this month; try another")]
    MonthSpent,
    #[error("the provider does not sell this by the unit that was asked for; try another unit")]
    NotByThat,
}

impl From<NotAccepted> for OpenRefusal {
    fn from(refused: NotAccepted) -> Self {
        match refused {
            NotAccepted::Data(_) => Self::ServiceData,
            NotAccepted::Full => Self::Full,
            NotAccepted::Denied(_) => Self::Denied,
        }
    }
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    #[error("the client asked for it")]
    ClientWish,
    #[error("the provider asked for it")]
    ProviderWish,
    #[error("nothing was left to spend")]
    RemainderZero,
    #[error("the client's spending limit was reached")]
    SpendingLimit,
    #[error("the provider billed what was not acknowledged")]
    OverBilled,
    #[error("the data channel failed")]
    ChannelFailed,
    #[error("the other side fell silent")]
    Silence,
    #[error("the dialogue ended")]
    DialogueEnded,
    #[error("the other side does not know the session")]
    UnknownSession,
    #[error("the provider's service failed")]
    ServiceFailed,
    #[error("the provider has carried all that it wants to carry this month")]
    MonthSpent,
}

pub(super) const REFUSALS: [OpenRefusal; 10] = {
    use OpenRefusal::*;
    [
        OfferUnknown,
        ServiceUnknown,
        ServiceData,
        TooManySessions,
        Full,
        Closing,
        TooManyQuestions,
        Denied,
        MonthSpent,
        NotByThat,
    ]
};

pub(super) const REASONS: [StopReason; 11] = [
    StopReason::ClientWish,
    StopReason::ProviderWish,
    StopReason::RemainderZero,
    StopReason::SpendingLimit,
    StopReason::OverBilled,
    StopReason::ChannelFailed,
    StopReason::Silence,
    StopReason::DialogueEnded,
    StopReason::UnknownSession,
    StopReason::ServiceFailed,
    StopReason::MonthSpent,
];

/// Stands before a refusal in words, in place of a number of the list.
const BY_SERVICE: u8 = 0x40;

impl Encode for OpenRefusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::ByService(reason) => {
                out.byte(BY_SERVICE);
                out.value(reason);
            }
            listed => put_listed(out, &REFUSALS, listed),
        }
    }
}

impl Decode for OpenRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = input.byte()?;
        if number == BY_SERVICE {
            return input.value().map(Self::ByService);
        }
        listed(&REFUSALS, number, "refusal of a session")
    }
}

impl Encode for StopReason {
    fn encode(&self, out: &mut Writer) {
        put_listed(out, &REASONS, self);
    }
}

impl Decode for StopReason {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        listed(&REASONS, input.byte()?, "reason to stop a session")
    }
}

fn put_listed<T: PartialEq>(out: &mut Writer, list: &[T], value: &T) {
    out.byte(list.iter().position(|listed| listed == value).expect("the list has every variant") as u8);
}

fn listed<T: Copy>(list: &[T], number: u8, kind: &'static str) -> Result<T, DecodeError> {
    let found = list.get(usize::from(number)).copied();
    found.ok_or(DecodeError::UnknownVariant { kind, value: number.into() })
}
