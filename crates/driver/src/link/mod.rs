//! Links: one QUIC connection between two endpoints, direct or through a relay of one's own (row A7).
//!
//! What goes over a link:
//!
//! - *control frames*, in order, at most [`FRAME_BYTES_MAX`] each: the dialogue;
//! - *data streams*, each with a header of at most [`HEADER_BYTES_MAX`] bytes and then raw bytes both ways: bulk data,
//!   which never passes through a machine; whoever opened one tells the other how much it has read of it;
//! - *datagrams*, which may be lost.
//!
//! [`Links::bind`] opens an endpoint and gives the [`Event`]s of all its links; [`Link`] is the handle of one of them.
//! A link says nothing about identities: an endpoint key can be thrown away at any time. Who is at the other end is
//! settled by the dialogue's handshake, which is bound to [`Link::binding`], so that a relay or whoever sits in between
//! can't splice two links together.
//!
//! **Nobody else's servers.** The library underneath knows public relays, look-up services and fallback name servers;
//! all of them are switched off here (see `docs/decisions/0002-links.md`). Only relays that the configuration names are
//! spoken to, and their names are resolved by the system's resolver.
//!
//! **Back-pressure.** The events of all links go through one bounded channel. While nobody takes events, links stop
//! reading and their peers stop sending. Outgoing frames wait in a queue of [`FRAMES_QUEUED_MAX`]. Nothing here grows
//! with what a peer sends: frames, headers, streams, windows and the number of links are all bounded ([`Limits`]).

mod connection;
pub mod contact;
mod endpoint;
mod frame;
mod progress;
mod stream;

pub use connection::{Direction, FRAMES_QUEUED_MAX, Link, LinkId, Path, Profile, SendError};
pub use contact::LinkContact;
pub use endpoint::{
    Beside, BindError, Config, ConnectError, Limits, Links, RelayAccess, STREAM_WINDOW_BYTES_MAX, Through, TlsRoots,
};
pub use frame::FRAME_BYTES_MAX;
pub use iroh::{EndpointId, RelayUrl};
pub use stream::{HEADER_BYTES_MAX, StreamError, StreamRecv, StreamSend};

/// Events of all links that may wait to be taken. One more makes the links wait.
pub const EVENTS_QUEUED_MAX: usize = 256;

/// What happened on a link. `Up` comes first and `Down` last, and nothing of that link comes after it.
#[derive(Debug)]
pub enum Event {
    /// A link is open, whichever side opened it.
    Up(Link),
    /// The next control frame.
    Frame {
        link: LinkId,
        frame: Vec<u8>,
    },
    /// The peer opened a data stream.
    Stream {
        link: LinkId,
        header: Vec<u8>,
        send: StreamSend,
        recv: StreamRecv,
    },
    Down {
        link: LinkId,
        reason: DownReason,
    },
}

/// Why a link is down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    #[error("closed on this side")]
    ClosedHere,
    #[error("closed by the other side")]
    ClosedThere,
    /// The peer is gone, or the network between the two.
    #[error("nothing was heard from the other side for too long")]
    Silent,
    /// The peer broke the link's protocol.
    #[error("the other side broke the protocol: {0}")]
    Fault(String),
    /// The connection failed below us.
    #[error("the connection failed: {0}")]
    Failed(String),
}
