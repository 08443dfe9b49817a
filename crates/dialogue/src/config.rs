//! What is chosen per node, and the bounds that are the same for everyone.

use byway_primitives::{NetworkId, Span};

/// Bytes of one message's payload. Larger things are files, and travel beside the dialogue.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Messages that may wait in a dialogue to be confirmed by the other side; then [`CommitError::Full`](crate::CommitError).
pub const QUEUE_MESSAGES_MAX: usize = 1024;
/// Bytes that may wait likewise. Several of the longest messages fit.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes sent and not yet confirmed: what a receiver must be ready to hold. Twice the longest message, and more.
pub const WINDOW_BYTES: usize = 256 * 1024;
/// Segments sent and not yet confirmed. With the shortest frames they hold all of [`WINDOW_BYTES`].
pub const WINDOW_SEGMENTS: u64 = 1024;
/// Records in one frame; a full frame of the smallest useful ones.
pub const RECORDS_MAX: usize = 256;
/// Bytes of an early message.
pub const EARLY_MAX: usize = 8 * 1024;
/// Ranges in one acknowledgement. More gaps than this are told in later ones.
pub const RANGES_MAX: usize = 16;
/// Answered openings of one peer that wait for proof that it is live. More than one, so that a recorded opening that is
/// replayed does not push out the true one.
pub const HALF_OPEN_PER_PEER_MAX: usize = 4;
/// The same over all peers: a bound on memory under a flood (about 4 KiB each).
pub const HALF_OPEN_MAX: usize = 1024;
/// Openings that one link may carry in one [`HALF_OPEN_SPAN`]. Each costs us four Diffie-Hellman operations and a
/// signature check, under a millisecond.
pub const HELLOS_PER_LINK_MAX: u32 = 16;
/// Handshakes under way or finished that one link keeps apart.
pub const SESSIONS_PER_LINK_MAX: usize = 64;
/// Links at once.
pub const LINKS_MAX: usize = 16_384;
/// Identities that can be ignored at once.
pub const IGNORED_MAX: usize = 65_536;

/// How long an answered opening waits for the initiator to prove that it is live.
pub const HALF_OPEN_SPAN: Span = Span::seconds(10);
/// For how long after its last proof of life the side with the lower id insists on its own new dialogue. More than twice
/// [`HALF_OPEN_SPAN`]: by then nothing of that opening can still be accepted (see [`crate::glare`]).
pub const INSIST_SPAN: Span = Span::seconds(25);
/// The longest wait between two resends of the same thing.
pub const RESEND_MAX: Span = Span::seconds(5);
/// The shortest time-out before something is resent over datagrams: above any honest acknowledgement delay.
pub const RESEND_MIN: Span = Span::millis(60);

/// What a node chooses. The spans of the two sides need not be equal, but `keep_alive` of one must be well under
/// `link_silence_max` of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub network: NetworkId,
    /// Something is sent on an idle link this often.
    pub keep_alive: Span,
    /// A link on which nothing was heard for this long is given up; the dialogue lives on and waits for another.
    pub link_silence_max: Span,
    /// A dialogue whose peer was not heard for this long is closed.
    pub silence_max: Span,
    /// An attempt to open is given up after this.
    pub attempt_max: Span,
    /// How long an acknowledgement may wait for company. Under half of [`RESEND_MIN`].
    pub acknowledge_delay: Span,
    /// Dialogues at once; further peers are refused.
    pub dialogues_max: usize,
}

impl Config {
    /// The usual spans.
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            keep_alive: Span::seconds(15),
            link_silence_max: Span::seconds(40),
            silence_max: Span::minutes(5),
            attempt_max: Span::seconds(15),
            acknowledge_delay: Span::millis(5),
            dialogues_max: 4096,
        }
    }
}
