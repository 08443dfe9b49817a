//! The SOCKS data plane (rows A10, A11): from a program on this machine to a host on the internet, through someone's
//! exit, metered at the same place on both sides.
//!
//! ```text
//! program ── SOCKS5 ──▶ server ── data stream of a link ──▶ exit ──▶ host
//!                       splice                             splice
//!                       meter, gate                        meter, gate
//! ```
//!
//! - [`server`] accepts SOCKS5 connections and hands each as a [`SocksRequest`] to whoever decides what becomes of it.
//! - [`carry()`] takes a request through a link; the other end is [`Exit::serve`](crate::exit::Exit::serve).
//! - [`stream_header`] is what the client writes at the head of a data stream, and the one byte that the exit answers.
//! - [`associate`] carries a program's UDP: each [`datagram`] is a frame of one data stream.
//! - [`splice()`] moves bytes between a socket and a data stream until both directions have ended.
//! - [`Meter`](crate::meter::Meter) counts what was moved, [`Gate`](crate::gate::Gate) holds it back when what was paid
//!   for is used up. Both belong to a session and are shared by all its connections.
//!
//! Names are never resolved on the client's side; the exit does that ([`crate::exit`]).

pub(crate) mod associate;
pub mod client;
pub mod datagram;
mod handshake;
pub mod reply;
pub mod server;
pub mod splice;
pub mod stream_header;

pub(crate) use client::ask;
pub use client::carry;
pub use handshake::Credentials;
pub use reply::Reply;
pub(crate) use reply::{Said, refuse, say};
pub use server::{SocksRequest, serve};
pub use splice::{Ended, Outcome, Socket, splice};
pub use stream_header::{Host, SessionTag, StreamHeader, Target, Wanted};
