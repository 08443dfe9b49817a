//! The way to a relay, and to kernel nodes, from networks that block what they don't know (row A7).
//!
//! **Problem.** Whoever runs a network can drop QUIC, drop ports that aren't 443, look into the first bytes of a
//! connection, and connect to a server himself to see what it is (an *active prober*). A relay that answers a prober like a
//! relay, or like nothing at all, is soon blocked.
//!
//! **Idea.** An ordinary web site under TLS 1.3 on port 443, the relay's *front* ([`front`]). What connects there and
//! asks for a page gets the page. Only a request that proves to know the front's secret is let through to the relay behind
//! it. The proof ([`Secret`]) is made from the secret and from what only the two ends of this very TLS session know (its
//! exported keying material, RFC 5705), and stands where ordinary requests carry a session's cookie. So it is worth nothing
//! to whoever records it, or sits in between with a certificate of its own; and a wrong proof is answered like none, because
//! the same code answers.
//!
//! **Pluggable.** A [`Way`] is how a stream to a [`Target`] comes about: [`Plain`] as everyone does, [`Web`] through a
//! front. Another kind of disguise is another `Way` on this side, and on the other a server that hands the streams that it
//! has let in to the same [`Onward`].
//!
//! **Which way.** The endpoint of the links ([`crate::link`]) and the connections to kernel nodes don't know of ways. They
//! connect to a loopback port of a [`Forwarder`], which tries the ways in the order that [`Mode`] and what was seen lately
//! say ([`choice`]). It holds what the program says until the far end has answered like what was asked for; so a way that
//! only seems open (connected, and then silent or answered by somebody else) costs some seconds and no connection.
//!
//! **What not.** It doesn't hide that there is a TLS connection to the front, nor its size and rhythm; rustls's way to say
//! hello isn't a browser's. `docs/security.md` says what an observer can tell.

mod address;
mod choice;
mod forwarder;
pub mod front;
mod onward;
mod plain;
mod secret;
mod site;
mod tls;
mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use iroh::RelayUrl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

pub use address::{AddressError, FrontAddress, RelayAddress};
pub use choice::{InUse, Mode};
pub use forwarder::Forwarder;
pub use front::Front;
pub use onward::{Onward, TargetError};
pub use plain::Plain;
pub use secret::{Secret, SecretError};
pub use site::Site;
pub use tls::{Certificate, CertificateError, Pin};
pub use web::Web;

/// A stream that a way gives.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What a stream is to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The relay of this URL. What comes is its HTTP, without TLS.
    Relay(RelayUrl),
    /// The kernel node at `host:port`.
    Kernel(String),
}

/// How streams come about.
pub trait Way: fmt::Debug + Send + Sync {
    /// For the log.
    fn name(&self) -> &'static str;

    /// Opens a stream to the target. Cancelling it leaves nothing behind.
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Stream>, DialError>>;
}

/// Why a way gave no stream.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("{host} can't be reached: {source}")]
    Unreachable { host: String, source: io::Error },
    #[error("{host} does not answer as TLS: {source}; its certificate may not be valid for it")]
    Tls { host: String, source: io::Error },
    #[error(
        "what answers at {0} is a web site that does not know the secret; ask who runs the relay for its address anew"
    )]
    NotLetIn(String),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("what answers is not what was asked for")]
    Answer,
    #[error("the connection broke off: {0}")]
    Broken(#[from] io::Error),
    #[error("nothing answered in time")]
    TimedOut,
}

/// All ways of one node, and its loopback ports towards them.
#[derive(Debug)]
pub struct Disguise {
    plain: Arc<dyn Way>,
    disguised: Arc<dyn Way>,
    mode: Mode,
    front: FrontAddress,
    relay: Forwarder,
    /// By the kernel node's `host:port`. There are as many as seats.
    kernel: Mutex<BTreeMap<String, Forwarder>>,
}

impl Disguise {
    /// Opens the port that leads to the relay.
    pub async fn start(relay: &RelayUrl, front: FrontAddress, mode: Mode) -> io::Result<Self> {
        let (plain, disguised): (Arc<dyn Way>, Arc<dyn Way>) = (Arc::new(Plain::new()), Arc::new(Web::new(&front)));
        let target = Target::Relay(relay.clone());
        let relay = Forwarder::open(target, plain.clone(), disguised.clone(), mode).await?;
        Ok(Self { plain, disguised, mode, front, relay, kernel: Mutex::default() })
    }

    /// Where the relay is reached from within this machine.
    pub fn relay(&self) -> SocketAddr {
        self.relay.address()
    }

    /// Where the kernel node at `host:port` is reached from within this machine.
    pub async fn kernel(&self, node: &str) -> io::Result<SocketAddr> {
        let mut open = self.kernel.lock().await;
        if let Some(forwarder) = open.get(node) {
            return Ok(forwarder.address());
        }
        let (target, plain, disguised) = (Target::Kernel(node.to_owned()), self.plain.clone(), self.disguised.clone());
        let forwarder = Forwarder::open(target, plain, disguised, self.mode).await?;
        let address = forwarder.address();
        open.insert(node.to_owned(), forwarder);
        Ok(address)
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The front, `host:port`.
    pub fn front(&self) -> String {
        self.front.host_and_port()
    }

    /// The way to the relay that is in use now.
    pub fn in_use(&self) -> InUse {
        self.relay.in_use()
    }
}
