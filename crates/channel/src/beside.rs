//! What two sides say to each other beside the state: that one has broken the protocol, and whatever else their users or programs want to say.
//! Nothing of it is signed, written down or said again, and no state depends on it.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Span, Time};

use crate::news::PeerFault;

/// Bytes of a text in UTF-8.
pub const TEXT_BYTES_MAX: usize = 512;
/// Bytes of what programs say.
pub const DATA_BYTES_MAX: usize = 1_024;
/// In-band messages that a side says at once …
pub const INBAND_BURST_MAX: u64 = 16;
/// … and how long it then waits for each more.
pub const INBAND_PAUSE: Span = Span::seconds(1);
/// As many come at once where a connection stood still for a while. What is beyond them is let go of.
pub const INBAND_HEARD_MAX: u64 = 64;

/// Which rule a side says that the other has broken. Its text is the receiver's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ErrorCode {
    #[error("a signature is not good")]
    Signature,
    #[error("a state was shown as agreed without what shows it")]
    Unproven,
    #[error(
        "a round is of a time more than an hour ahead: one of the two clocks is wrong, and until it is set nothing goes on"
    )]
    Round,
    #[error("something was accepted that was not proposed")]
    NotProposed,
    #[error("a message had no place there")]
    OutOfPlace,
    #[error("what is shown at a close is not what the terms say")]
    Secret,
    #[error("a promise is not out of the lane, or the lane does not cover it")]
    Promise,
    #[error("a state was sent that is not the one that was asked for")]
    WrongState,
    #[error("there are two co-signed states of one round")]
    Conflict,
}

impl ErrorCode {
    /// A stable word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Unproven => "unproven",
            Self::Round => "round",
            Self::NotProposed => "not_proposed",
            Self::OutOfPlace => "out_of_place",
            Self::Secret => "secret",
            Self::Promise => "promise",
            Self::WrongState => "wrong_state",
            Self::Conflict => "conflict",
        }
    }
}

impl From<PeerFault> for ErrorCode {
    fn from(fault: PeerFault) -> Self {
        match fault {
            PeerFault::Signature => Self::Signature,
            PeerFault::Unproven => Self::Unproven,
            PeerFault::Round => Self::Round,
            PeerFault::NotProposed => Self::NotProposed,
            PeerFault::OutOfPlace => Self::OutOfPlace,
            PeerFault::Secret => Self::Secret,
            PeerFault::Promise => Self::Promise,
            PeerFault::WrongState => Self::WrongState,
        }
    }
}

/// That a side has broken a rule, and the round at which whoever says so stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidError {
    pub code: ErrorCode,
    pub round: u64,
}

/// Something that a side's user or program says to the other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inband {
    /// For people: at most [`TEXT_BYTES_MAX`], and not empty.
    Text(String),
    /// For programs, which agree on what the kind means: at most [`DATA_BYTES_MAX`].
    Data { kind: u16, bytes: Vec<u8> },
}

impl Inband {
    fn is_bounded(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty() && text.len() <= TEXT_BYTES_MAX,
            Self::Data { bytes, .. } => bytes.len() <= DATA_BYTES_MAX,
        }
    }
}

/// Why something is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InbandError {
    #[error("the peer is not connected; nothing is kept until it is")]
    Disconnected,
    #[error("a text has from 1 to {TEXT_BYTES_MAX} bytes, and what programs say at most {DATA_BYTES_MAX}")]
    Length,
    #[error("too much was said in a short time; one more goes out each second")]
    TooMany,
}

/// So many at once, and then one after each pause.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    /// When all that was let through would have come, one pause after the other.
    through: Time,
}

impl Allowance {
    fn take(&mut self, now: Time, burst: u64) -> bool {
        let ahead = self.through.since(now);
        let is_free = ahead.0 <= INBAND_PAUSE.0 * (burst - 1);
        if is_free {
            self.through = self.through.max(now) + INBAND_PAUSE;
        }
        is_free
    }
}

/// What was said beside the state since the start. Of errors each code counts once on a connection, so that nobody is kept busy by them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    said: Allowance,
    heard: Allowance,
    errors_said: Vec<ErrorCode>,
    errors_heard: Vec<ErrorCode>,
    pub last_said: Option<SaidError>,
    pub last_heard: Option<SaidError>,
}

impl Beside {
    /// Another connection begins.
    pub fn begin(&mut self) {
        self.errors_said.clear();
        self.errors_heard.clear();
    }

    /// Both stand at one position, so their clocks are near each other.
    pub fn forget_clocks(&mut self) {
        for last in [&mut self.last_said, &mut self.last_heard] {
            last.take_if(|error| error.code == ErrorCode::Round);
        }
    }

    /// Whether an error is to be said.
    pub fn says(&mut self, error: SaidError) -> bool {
        self.last_said = Some(error);
        is_first(&mut self.errors_said, error.code)
    }

    /// Whether one that was heard is news.
    pub fn hears(&mut self, error: SaidError) -> bool {
        self.last_heard = Some(error);
        is_first(&mut self.errors_heard, error.code)
    }

    /// Whether this may be said now.
    ///
    /// # Errors
    /// If it is too long, or too much was said.
    pub fn may_say(&mut self, now: Time, inband: &Inband) -> Result<(), InbandError> {
        if !inband.is_bounded() {
            return Err(InbandError::Length);
        }
        if self.said.take(now, INBAND_BURST_MAX) { Ok(()) } else { Err(InbandError::TooMany) }
    }

    /// Whether another is listened to.
    pub fn may_hear(&mut self, now: Time) -> bool {
        self.heard.take(now, INBAND_HEARD_MAX)
    }
}

fn is_first(codes: &mut Vec<ErrorCode>, code: ErrorCode) -> bool {
    let is_first = !codes.contains(&code);
    if is_first {
        codes.push(code);
    }
    is_first
}

macro_rules! codes {
    ($($byte:literal $variant:ident),*) => {
        impl Encode for ErrorCode {
            fn encode(&self, out: &mut Writer) {
                out.byte(match self { $(ErrorCode::$variant => $byte,)* });
            }
        }
        impl Decode for ErrorCode {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.byte()? {
                    $($byte => Ok(ErrorCode::$variant),)*
                    other => Err(DecodeError::UnknownVariant { kind: "error of a channel", value: other.into() }),
                }
            }
        }
    };
}
codes! { 0 Signature, 1 Unproven, 2 Round, 3 NotProposed, 4 OutOfPlace, 5 Secret, 6 Promise, 7 WrongState, 8 Conflict }

impl Encode for SaidError {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.code);
        out.varint(self.round);
    }
}

impl Decode for SaidError {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { code: input.value()?, round: input.u64()? })
    }
}

impl Encode for Inband {
    fn encode(&self, out: &mut Writer) {
        match self {
            Inband::Text(text) => {
                out.byte(0);
                out.text(text);
            }
            Inband::Data { kind, bytes } => {
                out.byte(1);
                out.varint(*kind);
                out.bytes(bytes);
            }
        }
    }
}

impl Decode for Inband {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => Inband::Text(input.text(TEXT_BYTES_MAX)?),
            1 => Inband::Data { kind: input.u16()?, bytes: input.bytes(DATA_BYTES_MAX)?.to_vec() },
            other => return Err(DecodeError::UnknownVariant { kind: "in-band message", value: other.into() }),
        })
    }
}
