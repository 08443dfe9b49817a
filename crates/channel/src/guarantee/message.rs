//! What a hub and those whose channels it guarantees say to each other. Bytes: docs/formats/virtual.md.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::channel::{CertifiedClose, Cosigned, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;

use super::terms::GuaranteeTerms;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum GuaranteeMessage {
    /// On what terms does the receiver guarantee channels?
    Ask,
    /// On these; none if it guarantees none.
    Tell { terms: Option<GuaranteeTerms> },
    /// The sender has offered the receiver to guarantee this channel, in one that the two have.
    Offered { terms: Cosigned<VirtualTerms> },
    /// The sender guarantees no such channel.
    Refuse { channel: ChannelId, refusal: GuaranteeRefusal },
    /// Both parties of a channel that the receiver guarantees want to part so.
    Close { close: Cosigned<VirtualClose> },
    /// How the two have parted, which the hub has signed too: each guarantee is paid out by it.
    Certified { certificate: CertifiedClose },
    /// The time of the channel is over: its parties are to part.
    Over { channel: ChannelId },
    /// Which virtual channels of the sender's does the receiver guarantee, or have with it? Its journal may have lost them.
    Recall,
    /// This one.
    Named { terms: Cosigned<VirtualTerms> },
}

/// Why a hub does not guarantee a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuaranteeRefusal {
    #[error("it guarantees no channels")]
    NoHub,
    #[error("its terms are not signed by both, or are none that the ledger takes")]
    Terms,
    #[error("it had a channel of these terms before")]
    Again,
    #[error("it has no usable channel with one of the two")]
    NoChannel,
    #[error("what was offered is not what the terms say")]
    Offer,
    #[error("the fee is too small")]
    Fee,
    #[error("the offers end too soon, the channel too late, or a dispute would take longer than the channels give")]
    Time,
    #[error("it has not enough in the channel with one of the two")]
    Room,
    #[error("as much is guaranteed already as may be")]
    Exposure,
}

macro_rules! refusals {
    ($($byte:literal $variant:ident),*) => {
        impl Encode for GuaranteeRefusal {
            fn encode(&self, out: &mut Writer) {
                out.byte(match self { $(Self::$variant => $byte,)* });
            }
        }
        impl Decode for GuaranteeRefusal {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.byte()? {
                    $($byte => Ok(Self::$variant),)*
                    other => Err(DecodeError::UnknownVariant { kind: "refusal of a guarantee", value: other.into() }),
                }
            }
        }
    };
}
refusals! { 0 NoHub, 1 Terms, 2 Again, 3 NoChannel, 4 Offer, 5 Fee, 6 Time, 7 Room, 8 Exposure }

impl Encode for GuaranteeMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            GuaranteeMessage::Ask => out.byte(0),
            GuaranteeMessage::Tell { terms } => {
                out.byte(1);
                out.option(terms.as_ref());
            }
            GuaranteeMessage::Offered { terms } => {
                out.byte(2);
                out.value(terms);
            }
            GuaranteeMessage::Refuse { channel, refusal } => {
                out.byte(3);
                out.value(&channel.0);
                out.value(refusal);
            }
            GuaranteeMessage::Close { close } => {
                out.byte(4);
                out.value(close);
            }
            GuaranteeMessage::Certified { certificate } => {
                out.byte(5);
                out.value(certificate);
            }
            GuaranteeMessage::Over { channel } => {
                out.byte(6);
                out.value(&channel.0);
            }
            GuaranteeMessage::Recall => out.byte(7),
            GuaranteeMessage::Named { terms } => {
                out.byte(8);
                out.value(terms);
            }
        }
    }
}

impl Decode for GuaranteeMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Self::Ask,
            1 => Self::Tell { terms: input.option()? },
            2 => Self::Offered { terms: input.value()? },
            3 => Self::Refuse { channel: ChannelId(input.value()?), refusal: input.value()? },
            4 => Self::Close { close: input.value()? },
            5 => Self::Certified { certificate: input.value()? },
            6 => Self::Over { channel: ChannelId(input.value()?) },
            7 => Self::Recall,
            8 => Self::Named { terms: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "guarantee message", value: other.into() }),
        })
    }
}
