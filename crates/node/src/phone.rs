//! A phone's browser on one's own node: the page over the local network, with rights of its own.
//!
//! The local API and the page are for this machine. A phone on the same network gets them by a door of their own, which is closed
//! unless the configuration opens it (`[phone]`): TLS on one private [`address`], with a [`certificate`] that the node has made for
//! itself, once. The owner asks for a code; the phone hands it in within minutes and gets a token of its own, which opens what
//! [`PHONE_METHODS`](crate::api::PHONE_METHODS) lists and nothing else. The [`book`] knows codes and phones and is pure; the [`door`]
//! is what the network reaches.
//!
//! No browser pins a key that no authority vouches for. It shows a warning, with the certificate's fingerprint behind it; a person
//! compares that once with what the node shows beside the code, and the browser remembers the exception. A second handshake, made
//! by the page with a key out of the code, would add nothing: the page itself came over the connection that it would have to doubt.

pub mod address;
pub mod book;
pub mod certificate;
pub mod door;

use std::net::SocketAddr;

/// What became of the door at the node's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DoorState {
    /// Nobody asked for one.
    #[default]
    Off,
    /// No address of this machine is private.
    NoAddress,
    Open(SocketAddr),
}
