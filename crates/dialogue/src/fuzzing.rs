//! The decoders of what arrives on a link, for fuzz targets and frozen samples. Nothing else has a use for them: frames
//! mean something only to [`Dialogues`](crate::Dialogues).
//!
//! Each function says whether the bytes decode, and panics if they do and don't encode to the same bytes again.

use byway_crypto::IdentitySignature;
use byway_crypto::noise::StaticKey;
use byway_primitives::{Decode, Encode, Hash, IdentityId, NetworkId, Time, Writer};

use crate::certificate::StaticCertificate;
use crate::frame::{Acknowledgement, Credential, Early, Frame, Positions, Range, Record, Segment, Tag, decode_records};
use crate::handshake::{Answer, DialogueSecret, HelloPayload, Incarnation, WelcomePayload};
use crate::message::{Durability, Message, ProtocolId};
use crate::news::{Goodbye, Refusal};

/// Good encodings by name.
pub type Samples = Vec<(&'static str, Vec<u8>)>;

/// A frame as it travels.
pub fn frame(bytes: &[u8]) -> bool {
    let frame = Frame::from_bytes(bytes);
    same(frame.map(|frame| frame.to_bytes()).ok(), bytes)
}

/// The records of an opened frame.
pub fn records(bytes: &[u8]) -> bool {
    let records = decode_records(bytes);
    same(records.map(|records| encode(&records)).ok(), bytes)
}

/// What the first handshake message carries. Anyone can send one to whoever can be reached.
pub fn hello(bytes: &[u8]) -> bool {
    same(HelloPayload::from_bytes(bytes).map(|payload| payload.to_bytes()).ok(), bytes)
}

/// What the second handshake message carries.
pub fn welcome(bytes: &[u8]) -> bool {
    same(WelcomePayload::from_bytes(bytes).map(|payload| payload.to_bytes()).ok(), bytes)
}

/// A message that was put together from segments.
pub fn message(bytes: &[u8]) -> bool {
    same(Message::from_bytes(bytes).map(|message| message.to_bytes()).ok(), bytes)
}

fn same(again: Option<Vec<u8>>, bytes: &[u8]) -> bool {
    again.is_some_and(|again| {
        assert_eq!(again, bytes, "what decodes must encode to the same bytes");
        true
    })
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Writer::new();
    records.iter().for_each(|record| out.value(record));
    out.into_bytes()
}

/// One frame of every kind.
pub fn frame_samples() -> Samples {
    let tag = Tag([4; 8]);
    let frames = [
        ("hello", Frame::Hello(vec![1; 40])),
        ("welcome", Frame::Welcome { tag, message: vec![2; 40] }),
        ("sealed", Frame::Sealed { tag, number: 300, sealed: vec![3; 40] }),
    ];
    frames.into_iter().map(|(name, frame)| (name, frame.to_bytes())).collect()
}

/// One record of every kind, each with every variant that it has.
pub fn record_samples() -> Samples {
    let positions = Positions { durable: 300, incarnation: Incarnation([6; 8]), volatile: 70_000 };
    let secret = DialogueSecret::from_bytes([5; 32]);
    let ranges = vec![Range { first: 302, count: 1 }, Range { first: 500, count: 200 }];
    let close = |goodbye| vec![Record::Close(goodbye)];
    let records = [
        ("live new", vec![Record::Live { positions, credential: Credential::New(secret) }]),
        ("live resumed", vec![Record::Live { positions, credential: Credential::Resume(Hash([7; 32])) }]),
        ("ready", vec![Record::Ready { positions, proof: Hash([8; 32]) }]),
        ("acknowledgement", vec![Record::Acknowledgement(Acknowledgement { received: 300, confirmed: 299, ranges })]),
        ("segments", [true, false].map(segment).to_vec()),
        ("close done", close(Goodbye::Done)),
        ("close shutting down", close(Goodbye::ShuttingDown)),
        ("close disagreement", close(Goodbye::Disagreement)),
        ("close application", close(Goodbye::Application(300))),
        ("ask", vec![Record::Ask]),
        ("early", vec![Record::Early(Early { protocol: ProtocolId::SESSION, bytes: vec![8; 20] })]),
    ];
    records.into_iter().map(|(name, records)| (name, encode(&records))).collect()
}

fn segment(more: bool) -> Record {
    Record::Segment(Segment { number: 300 + u64::from(!more), more, bytes: vec![9; 20] })
}

/// One payload of the first handshake message.
pub fn hello_samples() -> Samples {
    let dialogue = DialogueSecret::from_bytes([5; 32]).id();
    let hello = HelloPayload { certificate: certificate(), dialogue, incarnation: Incarnation([6; 8]) };
    vec![("hello", hello.to_bytes())]
}

/// One payload of the second handshake message with every answer.
pub fn welcome_samples() -> Samples {
    let answers = [
        ("known", Answer::Known),
        ("unknown", Answer::Unknown),
        ("refused for glare", Answer::Refused(Refusal::Glare)),
        ("refused as full", Answer::Refused(Refusal::Full)),
        ("refused for its certificate", Answer::Refused(Refusal::Certificate)),
    ];
    let welcome = |answer| WelcomePayload { certificate: certificate(), incarnation: Incarnation([9; 8]), answer };
    answers.into_iter().map(|(name, answer)| (name, welcome(answer).to_bytes())).collect()
}

/// One message of each durability.
pub fn message_samples() -> Samples {
    let message = |durability, protocol| Message { durability, ordinal: 300, protocol, bytes: vec![1, 2, 3] };
    vec![
        ("durable", message(Durability::Durable, ProtocolId::PAYMENT).to_bytes()),
        ("volatile", message(Durability::Volatile, ProtocolId::SESSION).to_bytes()),
    ]
}

/// Its signature is none; nothing here looks at it.
fn certificate() -> StaticCertificate {
    StaticCertificate {
        network: NetworkId(Hash([7; 32])),
        identity: IdentityId([1; 20]),
        static_key: StaticKey([3; 32]),
        not_after: Time(1_700_000_000_123),
        signature: IdentitySignature([4; 65]),
    }
}

#[cfg(test)]
mod tests;
