//! What client and provider say to each other about sessions (row A10). Canonical codec, first byte the kind.

use byway_dialogue::payment::BackingKind;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Span, Time};
use byway_records::OfferId;

use super::reasons::{OpenRefusal, StopReason};
use super::{Measure, ResponseId, SessionId, Tariff, Usage};
use crate::service::SERVICE_DATA_MAX;

/// One message of the session protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionMessage {
    /// Client: a session of this offer at this price, please.
    Open {
        offer: OfferId,
        response: ResponseId,
        tariff: Tariff,
        data: Vec<u8>,
    },
    /// Provider: the session, and what the client needs for the data channel.
    Accepted(Accepted),
    Refused {
        response: ResponseId,
        reason: OpenRefusal,
    },
    /// Client: the data channel is up.
    ChannelUp {
        session: SessionId,
    },
    /// Client: the data channel could not be built.
    ChannelFailed {
        session: SessionId,
    },
    /// Provider: what the session has cost so far.
    Metering(Metering),
    /// Client: received this much, agree to this much of what was sent, and was served for so long. Never goes back.
    Acknowledge {
        session: SessionId,
        usage: Usage,
    },
    /// Provider: nothing is left to spend.
    Pause {
        session: SessionId,
    },
    Resume {
        session: SessionId,
    },
    /// Either: no more.
    Stop {
        session: SessionId,
        reason: StopReason,
    },
    /// Provider: it is over; this is the bill.
    Stopped(Metering),
    /// Client: on what terms would you sell me this, by that measure?
    Ask {
        response: ResponseId,
        offer: OfferId,
        measure: Measure,
    },
    /// Provider: on these.
    Quoted {
        response: ResponseId,
        quote: Quote,
    },
    /// Provider: not at the price that you named, but at this one, of the same measure.
    Counter {
        response: ResponseId,
        named: Amount,
        price: Amount,
    },
}

/// A session that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub response: ResponseId,
    /// Made of both sides, `response` and `asked` ([`SessionId::of`]).
    pub session: SessionId,
    /// When the request came, by the provider's clock.
    pub asked: Time,
    /// The first so many bytes or milliseconds of what is sold cost nothing.
    pub free: u64,
    pub data: Vec<u8>,
}

/// The terms for one client, for as long as the provider's view of it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    pub tariff: Tariff,
    /// How much more the provider would take in promises before it settles.
    pub credit: Amount,
    /// How many bytes or milliseconds of a session cost nothing.
    pub free: u64,
    /// What must stand behind promises.
    pub backing: BackingKind,
}

/// A session's bill so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metering {
    pub session: SessionId,
    /// The price of `billed`.
    pub cost: Amount,
    /// What the client has acknowledged.
    pub billed: Usage,
    /// What the provider has received from the client; the client acknowledges no more than this of its uploads.
    pub received_up: u64,
    pub duration: Span,
}

impl Encode for SessionId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for SessionId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for ResponseId {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for ResponseId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u64().map(Self)
    }
}

impl Encode for Accepted {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.response);
        out.value(&self.session);
        out.value(&self.asked);
        out.varint(self.free);
        out.bytes(&self.data);
    }
}

impl Decode for Accepted {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            response: input.value()?,
            session: input.value()?,
            asked: input.value()?,
            free: input.u64()?,
            data: input.bytes(SERVICE_DATA_MAX)?.to_vec(),
        })
    }
}

impl Encode for Quote {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.tariff);
        out.value(&self.credit);
        out.varint(self.free);
        out.value(&self.backing);
    }
}

impl Decode for Quote {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { tariff: input.value()?, credit: input.value()?, free: input.u64()?, backing: input.value()? })
    }
}

impl Encode for Metering {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.session);
        out.value(&self.cost);
        out.value(&self.billed);
        out.varint(self.received_up);
        out.value(&self.duration);
    }
}

impl Decode for Metering {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            session: input.value()?,
            cost: input.value()?,
            billed: input.value()?,
            received_up: input.u64()?,
            duration: input.value()?,
        })
    }
}

impl Encode for SessionMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            SessionMessage::Open { offer, response, tariff, data } => {
                out.byte(0);
                out.value(&offer.0);
                out.value(response);
                out.value(tariff);
                out.bytes(data);
            }
            SessionMessage::Accepted(accepted) => {
                out.byte(1);
                out.value(accepted);
            }
            SessionMessage::Refused { response, reason } => {
                out.byte(2);
                out.value(response);
                out.value(reason);
            }
            SessionMessage::ChannelUp { session } => put_session(out, 3, session),
            SessionMessage::ChannelFailed { session } => put_session(out, 4, session),
            SessionMessage::Metering(metering) => {
                out.byte(5);
                out.value(metering);
            }
            SessionMessage::Acknowledge { session, usage } => {
                put_session(out, 6, session);
                out.value(usage);
            }
            SessionMessage::Pause { session } => put_session(out, 7, session),
            SessionMessage::Resume { session } => put_session(out, 8, session),
            SessionMessage::Stop { session, reason } => {
                put_session(out, 9, session);
                out.value(reason);
            }
            SessionMessage::Stopped(metering) => {
                out.byte(10);
                out.value(metering);
            }
            SessionMessage::Ask { response, offer, measure } => {
                out.byte(11);
                out.value(response);
                out.value(&offer.0);
                out.value(measure);
            }
            SessionMessage::Quoted { response, quote } => {
                out.byte(12);
                out.value(response);
                out.value(quote);
            }
            SessionMessage::Counter { response, named, price } => {
                out.byte(13);
                out.value(response);
                out.value(named);
                out.value(price);
            }
        }
    }
}

fn put_session(out: &mut Writer, kind: u8, session: &SessionId) {
    out.byte(kind);
    out.value(session);
}

impl Decode for SessionMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => SessionMessage::Open {
                offer: OfferId(input.value()?),
                response: input.value()?,
                tariff: input.value()?,
                data: input.bytes(SERVICE_DATA_MAX)?.to_vec(),
            },
            1 => SessionMessage::Accepted(input.value()?),
            2 => SessionMessage::Refused { response: input.value()?, reason: input.value()? },
            3 => SessionMessage::ChannelUp { session: input.value()? },
            4 => SessionMessage::ChannelFailed { session: input.value()? },
            5 => SessionMessage::Metering(input.value()?),
            6 => SessionMessage::Acknowledge { session: input.value()?, usage: input.value()? },
            7 => SessionMessage::Pause { session: input.value()? },
            8 => SessionMessage::Resume { session: input.value()? },
            9 => SessionMessage::Stop { session: input.value()?, reason: input.value()? },
            10 => SessionMessage::Stopped(input.value()?),
            11 => SessionMessage::Ask {
                response: input.value()?,
                offer: OfferId(input.value()?),
                measure: input.value()?,
            },
            12 => SessionMessage::Quoted { response: input.value()?, quote: input.value()? },
            13 => SessionMessage::Counter { response: input.value()?, named: input.value()?, price: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "session message", value: other.into() }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Traffic;
    use super::super::reasons::{REASONS, REFUSALS};
    use super::*;
    use crate::service::reason::ReasonText;
    use byway_primitives::Hash;
    use proptest::prelude::*;

    fn messages() -> impl Strategy<Value = SessionMessage> {
        let session = any::<[u8; 16]>().prop_map(SessionId);
        let response = any::<u64>().prop_map(ResponseId);
        let usage = any::<(u64, u64, u64)>()
            .prop_map(|(up, down, millis)| Usage { traffic: Traffic { up, down }, time: Span(millis) });
        let measure = any::<bool>().prop_map(|is_time| Measure::ALL[usize::from(is_time)]);
        let tariff = (measure.clone(), any::<u128>())
            .prop_map(|(measure, price)| Tariff { measure, price: Amount::from_units(price) });
        let data = proptest::collection::vec(any::<u8>(), 0..300);
        let metering = (session.clone(), any::<u128>(), usage.clone(), any::<u64>(), any::<u64>()).prop_map(
            |(session, cost, billed, received_up, duration)| Metering {
                session,
                cost: Amount::from_units(cost),
                billed,
                received_up,
                duration: Span(duration),
            },
        );
        let reason = (0..REASONS.len()).prop_map(|at| REASONS[at]);
        let by_service = "[ -~]{0,96}".prop_map(|text| OpenRefusal::ByService(ReasonText::of(&text)));
        let refusal = prop_oneof![(0..REFUSALS.len()).prop_map(|at| REFUSALS[at]), by_service];
        prop_oneof![
            (any::<[u8; 32]>(), response.clone(), tariff.clone(), data.clone()).prop_map(
                |(offer, response, tariff, data)| {
                    SessionMessage::Open { offer: OfferId(Hash(offer)), response, tariff, data }
                }
            ),
            (response.clone(), session.clone(), any::<u64>(), any::<u64>(), data).prop_map(
                |(response, session, asked, free, data)| {
                    SessionMessage::Accepted(Accepted { response, session, asked: Time(asked), free, data })
                }
            ),
            (response.clone(), any::<[u8; 32]>(), measure).prop_map(|(response, offer, measure)| {
                SessionMessage::Ask { response, offer: OfferId(Hash(offer)), measure }
            }),
            (response.clone(), tariff, any::<u128>(), any::<u64>()).prop_map(|(response, tariff, credit, free)| {
                let (credit, backing) = (Amount::from_units(credit), BackingKind::Reservation);
                SessionMessage::Quoted { response, quote: Quote { tariff, credit, free, backing } }
            }),
            (response.clone(), any::<u128>(), any::<u128>()).prop_map(|(response, named, price)| {
                let (named, price) = (Amount::from_units(named), Amount::from_units(price));
                SessionMessage::Counter { response, named, price }
            }),
            (response, refusal).prop_map(|(response, reason)| SessionMessage::Refused { response, reason }),
            session.clone().prop_map(|session| SessionMessage::ChannelUp { session }),
            session.clone().prop_map(|session| SessionMessage::ChannelFailed { session }),
            metering.clone().prop_map(SessionMessage::Metering),
            (session.clone(), usage).prop_map(|(session, usage)| SessionMessage::Acknowledge { session, usage }),
            session.clone().prop_map(|session| SessionMessage::Pause { session }),
            session.clone().prop_map(|session| SessionMessage::Resume { session }),
            (session, reason).prop_map(|(session, reason)| SessionMessage::Stop { session, reason }),
            metering.prop_map(SessionMessage::Stopped),
        ]
    }

    #[test]
    fn service_data_is_bounded() {
        let session = SessionId([1; 16]);
        let data = vec![0; SERVICE_DATA_MAX + 1];
        let accepted = Accepted { response: ResponseId(1), session, asked: Time(0), free: 0, data };
        let message = SessionMessage::Accepted(accepted);
        assert!(matches!(SessionMessage::from_bytes(&message.to_bytes()), Err(DecodeError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn messages_come_back(message in messages()) {
            prop_assert_eq!(SessionMessage::from_bytes(&message.to_bytes()), Ok(message));
        }

        #[test]
        fn a_cut_message_is_refused(message in messages(), cut in 1usize..20) {
            let bytes = message.to_bytes();
            prop_assert!(SessionMessage::from_bytes(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(
            kind in 0u8..15, rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let bytes = [&[kind][..], &rest].concat();
            if let Ok(message) = SessionMessage::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }
    }
}
