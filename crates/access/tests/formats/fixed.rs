//! One fixed value of everything that clients and providers of sessions send.

use byway_access::quality::{Attestation, Figures, QualityMessage, SignedAttestation};
use byway_access::service::reason::ReasonText;
use byway_access::service::tunnel::{MTU, Slot, TunnelAnswer, TunnelRequest};
use byway_access::service::{ServiceKind, Socks};
use byway_access::session::{Accepted, Measure, Metering, OpenRefusal, Quote, StopReason};
use byway_access::warning::WarningMessage;
use byway_access::{ResponseId, SessionId, SessionMessage, Tariff, Traffic, Usage};
use byway_crypto::IdentitySignature;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::BackingKind;
use byway_primitives::{Amount, AssetId, Encode, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::offer::Service;
use byway_records::promise::Series;
use byway_records::{Backing, OfferId, Promise, SignedPromise};

const SESSION: SessionId = SessionId([3; 16]);
const RESPONSE: ResponseId = ResponseId(300);

pub fn metering() -> Metering {
    Metering {
        session: SESSION,
        cost: Amount::from_units(123_456),
        billed: usage(),
        received_up: 310,
        duration: Span::seconds(61),
    }
}

fn usage() -> Usage {
    Usage { traffic: Traffic::new(300, 70_000), time: Span::millis(60_500) }
}

fn quote() -> Quote {
    Quote {
        tariff: Tariff::per_mb(Amount::from_units(70_000)),
        credit: Amount::from_units(1_000_000),
        free: 300,
        backing: BackingKind::Reservation,
    }
}

pub fn messages() -> Vec<(&'static str, SessionMessage)> {
    let (session, response) = (SESSION, RESPONSE);
    vec![
        (
            "open",
            SessionMessage::Open {
                offer: OfferId(Hash([1; 32])),
                response,
                tariff: Tariff::per_second(Amount::from_units(70_000)),
                data: vec![1, 2, 3],
            },
        ),
        (
            "accepted",
            SessionMessage::Accepted(Accepted {
                response,
                session,
                asked: Time(1_700_000_000_000),
                free: 300,
                data: vec![4, 5],
            }),
        ),
        ("refused", SessionMessage::Refused { response, reason: OpenRefusal::Full }),
        ("channel up", SessionMessage::ChannelUp { session }),
        ("channel failed", SessionMessage::ChannelFailed { session }),
        ("metering", SessionMessage::Metering(metering())),
        ("acknowledge", SessionMessage::Acknowledge { session, usage: usage() }),
        ("pause", SessionMessage::Pause { session }),
        ("resume", SessionMessage::Resume { session }),
        ("stop", SessionMessage::Stop { session, reason: StopReason::OverBilled }),
        ("stopped", SessionMessage::Stopped(metering())),
        ("ask", SessionMessage::Ask { response, offer: OfferId(Hash([1; 32])), measure: Measure::Time }),
        ("quoted", SessionMessage::Quoted { response, quote: quote() }),
        (
            "counter",
            SessionMessage::Counter { response, named: Amount::from_units(70_000), price: Amount::from_units(123_456) },
        ),
    ]
}

fn promise() -> SignedPromise {
    let (payer, payee) = (IdentityId([1; 20]), IdentityId([2; 20]));
    let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
    let promise =
        Promise { network: NetworkId(Hash([7; 32])), series, serial: 300, amount: Amount::from_units(123_456) };
    SignedPromise { promise, signature: IdentitySignature([14; 65]) }
}

pub fn warnings() -> Vec<(&'static str, WarningMessage)> {
    let issuer = IdentityId([1; 20]);
    vec![
        ("ask about", WarningMessage::Ask { shown: promise() }),
        ("told nothing", WarningMessage::Told { issuer, promises: Vec::new() }),
        ("told", WarningMessage::Told { issuer, promises: vec![promise(), promise()] }),
    ]
}

pub fn attestation() -> SignedAttestation {
    let attestation = Attestation {
        attester: IdentityId([1; 20]),
        provider: IdentityId([2; 20]),
        service: Service::TUNNEL,
        from_day: 20_700,
        until_day: 20_707,
        figures: Figures { tries: 4, reached: 15, latency: Some(3), throughput: None, kept: 16, cheated: false },
    };
    SignedAttestation { attestation, signature: IdentitySignature([14; 65]) }
}

pub fn qualities() -> Vec<(&'static str, QualityMessage)> {
    vec![
        ("ask for words", QualityMessage::Ask { start: IdentityId([3; 20]) }),
        ("told no word", QualityMessage::Told { attestations: Vec::new() }),
        ("told words", QualityMessage::Told { attestations: vec![attestation(), attestation()] }),
    ]
}

/// In the order of their numbers.
pub fn refusals() -> Vec<SessionMessage> {
    use OpenRefusal::*;
    let all = [
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
    ];
    all.into_iter().map(|reason| SessionMessage::Refused { response: RESPONSE, reason }).collect()
}

/// A refusal in the words of a service that plugs in.
pub fn refused_by_service() -> SessionMessage {
    let reason = OpenRefusal::ByService(ReasonText::of("no"));
    SessionMessage::Refused { response: RESPONSE, reason }
}

/// In the order of their numbers.
pub fn stops() -> Vec<SessionMessage> {
    use StopReason::*;
    let all = [
        ClientWish,
        ProviderWish,
        RemainderZero,
        SpendingLimit,
        OverBilled,
        ChannelFailed,
        Silence,
        DialogueEnded,
        UnknownSession,
        ServiceFailed,
        MonthSpent,
    ];
    all.into_iter().map(|reason| SessionMessage::Stop { session: SESSION, reason }).collect()
}

/// The service data of SOCKS: asked, and answered.
pub fn socks() -> [(&'static str, Vec<u8>); 2] {
    let socks = Socks { connections_max: 300 };
    let asked = socks.request_data(ResponseId(1));
    let answered = socks.accept(SESSION, &asked).expect("it is our own request");
    [("socks request", asked), ("socks answer", answered)]
}

/// The service data of the tunnel: asked, and answered.
pub fn tunnel() -> [(&'static str, Vec<u8>); 2] {
    let slot = Slot::of_number(300).expect("a client's");
    let asked = TunnelRequest { key: StaticKey([7; 32]), slices: None };
    let answered = TunnelAnswer { key: StaticKey([8; 32]), port: 51_820, slot, mtu: MTU, slices: None };
    [("tunnel request", asked.to_bytes()), ("tunnel answer", answered.to_bytes())]
}
