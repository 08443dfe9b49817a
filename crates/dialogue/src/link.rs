//! Links as a dialogue sees them: numbered pipes with a profile (row A7).
//!
//! What carries the frames (a direct path, a relay, the overlay) is the driver's business. A dialogue only needs to know
//! whether the pipe keeps order and loses nothing until it breaks ([`LinkKind::Stream`]) or promises nothing
//! ([`LinkKind::Datagram`]), and how big, far and wide it is.

use byway_primitives::Span;

/// The longest frame, in bytes, that is sent or accepted on any link: large enough that a stream spends under 1 % on
/// framing, small enough that one frame never holds up others for long.
pub const FRAME_MAX: usize = 16_384;
/// The shortest longest frame, in bytes, that a link may offer. Both handshake messages fit into it.
pub const MTU_MIN: usize = 512;

/// A link, as the driver numbers them. Never reused while the machine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What a link does with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Frames arrive whole, in order, once, until the link breaks, and the driver says when it does.
    Stream,
    /// Frames may be lost, repeated, reordered or forged by others.
    Datagram,
}

/// What to expect of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkProfile {
    pub kind: LinkKind,
    /// Bytes of the longest frame; taken as at least [`MTU_MIN`] and at most [`FRAME_MAX`].
    pub mtu: usize,
    /// The expected round trip, before it has been measured.
    pub round_trip: Span,
    /// Bytes that may be under way and not yet received; for datagrams, where nothing else holds a sender back.
    pub budget: usize,
}

/// A link that frames can be sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub id: LinkId,
    pub profile: LinkProfile,
    /// What both ends know of this very channel and nobody else's channel shares (for TLS, an exported secret): bound
    /// into the handshake, so that it can't be carried over to another channel. Zeros where the link has none.
    pub binding: [u8; 32],
}

/// Why the machine asks the driver to end a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkEnd {
    #[error("the other end sent a frame that breaks the protocol: {0}")]
    Malformed(crate::frame::FrameError),
    #[error("the other end sent too many handshakes")]
    Flooded,
    #[error("nothing was heard on it for too long")]
    Silent,
}

impl LinkProfile {
    /// A direct or relayed stream, as QUIC gives.
    pub fn stream(round_trip: Span) -> Self {
        Self { kind: LinkKind::Stream, mtu: FRAME_MAX, round_trip, budget: crate::config::WINDOW_BYTES }
    }

    /// Datagrams of at most `mtu` bytes.
    pub fn datagram(mtu: usize, round_trip: Span) -> Self {
        Self { kind: LinkKind::Datagram, mtu, round_trip, budget: 32 * 1024 }
    }

    /// Bytes of the longest frame to send.
    pub(crate) fn frame_max(&self) -> usize {
        self.mtu.clamp(MTU_MIN, FRAME_MAX)
    }
}
