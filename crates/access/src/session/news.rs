//! What the two machines tell the layer above: the payment machine, the data plane and the user.

use byway_dialogue::payment::Ahead;
use byway_primitives::{Amount, Effect, IdentityId};
use byway_records::OfferId;
use byway_records::offer::Service;

use super::message::{Metering, Quote, SessionMessage};
use super::reasons::{OpenRefusal, StopReason};
use super::{ResponseId, SessionId, Tariff, Traffic, Usage};

/// What the provider's machine emits.
pub type ProviderEffect = Effect<IdentityId, SessionMessage, ProviderNews>;
/// What the client's machine emits.
pub type ClientEffect = Effect<IdentityId, SessionMessage, ClientNews>;

/// How many bytes a data plane may carry in all, up and down together, by its own count. A session's limits are numbered, and a
/// report says which of them it is about: a limit that is told again after another is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    pub number: u64,
    pub bytes: u64,
}

/// What a data plane reports of a session. It counts authenticated inner bytes, from zero when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub traffic: Traffic,
    /// The number of the limit that the data plane had applied by the time it counted; zero before the first. Of no meaning
    /// at the client's.
    pub limit: u64,
    /// Bytes that may pass in all as long as that limit stands: so many as it says, or what had been let pass before it was
    /// lowered. Of no meaning at the client's.
    pub bound: u64,
    /// Whether something had to be dropped under that limit, which may be more than a byte away from being used up: what is
    /// carried in packets is carried whole. Of no meaning at the client's.
    pub is_short: bool,
}

/// News of the provider's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderNews {
    /// A client asks for a session of a service that plugs in: whether it gets one is for that service to say, with
    /// [`Provider::handle_judged`](super::Provider::handle_judged).
    Judge {
        session: SessionId,
        service: Service,
        request: Vec<u8>,
    },
    /// A request that was asked about is no more, without a verdict: the service took too long (`is_late`), or the client's
    /// dialogue is over. A verdict has no effect any more.
    Unjudged {
        session: SessionId,
        service: Service,
        is_late: bool,
    },
    /// Start the data plane of a session, counters at zero, and carry no more than `limit`.
    Serve {
        session: SessionId,
        service: Service,
        request: Vec<u8>,
        answer: Vec<u8>,
        limit: Limit,
    },
    /// Carry no more than `limit`, be that more or less than before, and report when it is less.
    Limit {
        session: SessionId,
        limit: Limit,
    },
    /// Stop the data plane.
    Halt {
        session: SessionId,
    },
    /// The client has used this much in all, for [`Payments::earn`](byway_dialogue::payment::Payments::earn).
    Earned {
        total: Amount,
    },
    Ended {
        reason: StopReason,
        metering: Metering,
    },
}

/// News of the client's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientNews {
    /// Build the data channel, counters at zero, and report with
    /// [`Client::handle_channel`](super::Client::handle_channel).
    Connect {
        session: SessionId,
        /// Of the request that the session came of.
        response: ResponseId,
        service: Service,
        /// Bytes that it may carry, both ways together: what the session's spending limit pays for; where time is sold they
        /// have no limit.
        limit: u64,
        answer: Vec<u8>,
    },
    /// On what terms the provider would sell.
    Quoted {
        response: ResponseId,
        offer: OfferId,
        quote: Quote,
    },
    /// No answer came of a question.
    AskFailed {
        response: ResponseId,
        error: OpenError,
    },
    /// The provider sees the client otherwise, and the session is asked for again at its price.
    Countered {
        response: ResponseId,
        price: Amount,
    },
    /// No session came of a request. Try the next candidate.
    OpenFailed {
        response: ResponseId,
        error: OpenError,
    },
    /// The provider has paused or resumed.
    Paused {
        session: SessionId,
    },
    Resumed {
        session: SessionId,
    },
    /// Take down the data channel.
    Halt {
        session: SessionId,
    },
    /// We have used this much in all, for [`Payments::spend`](byway_dialogue::payment::Payments::spend).
    Spent {
        total: Amount,
    },
    /// Stay this far ahead, for [`Payments::stay_ahead`](byway_dialogue::payment::Payments::stay_ahead).
    PayAhead(Ahead),
    /// The provider's bill, checked.
    Metered(Metering),
    /// The session may carry this many bytes in all from now on, counted as in [`Connect`](Self::Connect).
    Limited {
        session: SessionId,
        limit: u64,
    },
    /// The session's spending limit is reached, and the session ends; ask the user.
    OverLimit {
        session: SessionId,
        limit: Amount,
    },
    /// The provider did something that no honest provider does; the session ends.
    Fault {
        session: SessionId,
        fault: MeteringFault,
    },
    Ended {
        session: SessionId,
        reason: StopReason,
        billed: Usage,
        cost: Amount,
    },
}

/// Why no session came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the provider refused: {0}")]
    Refused(#[from] OpenRefusal),
    #[error("the provider asks {asked} of this client, and no more than {agreed} WAY was agreed to; try another")]
    TooDear { asked: Tariff, agreed: Amount },
    #[error("what may still be spent, {left} WAY, buys nothing at {tariff}; raise the limit")]
    LimitTooLow { left: Amount, tariff: Tariff },
    /// A smaller window than usual does, down to that.
    #[error("a session at {tariff} needs {least} WAY paid ahead, and no more than {left} WAY may be; try another")]
    AheadTooLow { left: Amount, least: Amount, tariff: Tariff },
    #[error("the provider did not answer in time")]
    NoAnswer,
    #[error("the provider's service data makes no sense to this node; one side may need an update")]
    ServiceData,
    #[error("the provider gave the session an id that is not its own; try another")]
    WrongId,
    #[error("this node does not speak the service")]
    ServiceUnknown,
    #[error("too many sessions are open with this provider; end one first")]
    TooManySessions,
    #[error("too many questions are open with this provider; wait for its answers")]
    TooManyQuestions,
    #[error("the dialogue ended")]
    DialogueEnded,
}

/// How a provider's bill is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MeteringFault {
    #[error("{billed:?} was billed, {acknowledged:?} was acknowledged")]
    BilledUnacknowledged { billed: Usage, acknowledged: Usage },
    #[error("{asked} was asked for what costs {cost}")]
    WrongCost { asked: Amount, cost: Amount },
}
