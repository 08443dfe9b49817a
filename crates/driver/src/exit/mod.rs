//! The exit: where a provider's clients come out (rows A10, A11).
//!
//! A data stream asks for a host; the exit resolves the name, has the policy choose among the addresses that came out,
//! connects to one of *those* and splices. So a name that resolves to a private address is refused like the address
//! itself, and since the name isn't looked up again, a second answer of a hostile name server changes nothing.
//!
//! The policy is the caller's (which networks and ports are denied is a matter of the offer); what is sure here is that
//! it is asked about every address in its plain form (an IPv4 address mapped into IPv6 is shown as IPv4), after
//! resolution, and that nothing it didn't return is ever connected to.

mod connect;
mod datagrams;
pub mod name_server;
pub mod own;
pub mod resolve;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture, FutureExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use connect::ADDRESSES_TRIED_MAX;
pub use resolve::{Resolve, ResolveError, SystemResolver};

use crate::gate::{CloseReason, Gate};
use crate::link::{StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::{Ended, Host, Outcome, Reply, Said, Target, Wanted, say, splice};

/// Where an exit connects to. What judges addresses alone is one, too: it never changes its mind.
pub trait Policy: Send + Sync {
    /// Which of a host's addresses may be connected to at a port; the refusal if none. `name` is what the host was called, if
    /// it was.
    fn choose(&self, name: Option<&str>, addresses: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Reply>;

    /// Resolves once a connection that was chosen may be no more.
    fn withdrawn<'a>(&'a self, name: Option<&'a str>, to: SocketAddr) -> BoxFuture<'a, ()>;
}

impl<F: Fn(&[IpAddr], u16) -> Result<Vec<IpAddr>, Reply> + Send + Sync> Policy for F {
    fn choose(&self, _: Option<&str>, addresses: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Reply> {
        self(addresses, port)
    }

    fn withdrawn<'a>(&'a self, _: Option<&'a str>, _: SocketAddr) -> BoxFuture<'a, ()> {
        future::pending().boxed()
    }
}

/// Bounds of an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long resolving a name may take.
    pub resolve_wait: Duration,
    /// How long connecting may take, over all addresses.
    pub connect_wait: Duration,
}

/// Resolves, checks and connects. Clones share the resolver.
#[derive(Clone)]
pub struct Exit {
    resolver: Arc<dyn Resolve>,
    policy: Arc<dyn Policy>,
    limits: Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resolve_wait: Duration::from_secs(10), connect_wait: Duration::from_secs(10) }
    }
}

impl Exit {
    pub fn new(resolver: Arc<dyn Resolve>, policy: Arc<dyn Policy>, limits: Limits) -> Self {
        Self { resolver, policy, limits }
    }

    /// What decides where clients may connect to.
    pub fn policy(&self) -> &Arc<dyn Policy> {
        &self.policy
    }

    /// The addresses of a target that may be reached, at least one; or the reason why there are none.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Reply> {
        let resolved = match &target.host {
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => match timeout(self.limits.resolve_wait, self.resolver.resolve(name.as_str())).await {
                Ok(resolved) => resolved.map_err(Reply::from)?,
                Err(_) => return Err(Reply::HostUnreachable),
            },
        };
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in resolved.into_iter().map(|address| address.to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        self.policy.choose(target.host.name(), &addresses, target.port)
    }

    /// A connection to `target`, or the reason why there is none.
    pub async fn dial(&self, target: &Target) -> Result<TcpStream, Reply> {
        let allowed = self.addresses(target).await?;
        let connecting = connect::to_any(&allowed, target.port);
        let socket = timeout(self.limits.connect_wait, connecting).await.map_err(|_| Reply::TtlExpired)??;
        // Small requests shouldn't wait for each other. It works without, too.
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }

    /// Serves one data stream: answers with a [`Reply`] byte and, if connected, moves bytes until the end. Ends at once
    /// when the client or the link is gone or the session's gate is closed.
    pub async fn serve(
        &self,
        wanted: &Wanted,
        mut send: StreamSend,
        mut recv: StreamRecv,
        gate: &Gate,
        meter: &Meter,
    ) -> Outcome {
        let Wanted::Connection(target) = wanted else {
            return match say(&mut send, Reply::Succeeded, gate).await {
                Said::Heard => Outcome::Spliced(self.carry_datagrams(&mut send, &mut recv, gate, meter).await),
                Said::Gone => Outcome::Gone,
            };
        };
        let dialled = tokio::select! {
            dialled = self.dial(target) => dialled,
            _ = abandoned(&send, gate) => return Outcome::Gone,
        };
        let reply = dialled.as_ref().map_or_else(|reply| *reply, |_| Reply::Succeeded);
        if say(&mut send, reply, gate).await == Said::Gone {
            return Outcome::Gone;
        }
        match dialled {
            Ok(socket) => {
                let to = socket.peer_addr().ok();
                let withdrawn = async {
                    match to {
                        Some(to) => self.policy.withdrawn(target.host.name(), to).await,
                        // It has ended already, which the splice finds out.
                        None => future::pending().await,
                    }
                };
                tokio::select! {
                    ended = splice(socket, send, recv, Side::Provider, gate, meter) => Outcome::Spliced(ended),
                    () = withdrawn => Outcome::Spliced(Ended::Withdrawn),
                }
            }
            Err(reply) => {
                send.finish();
                Outcome::Refused(reply)
            }
        }
    }
}

async fn abandoned(send: &StreamSend, gate: &Gate) -> Result<StreamError, CloseReason> {
    tokio::select! {
        error = send.cut() => Ok(error),
        reason = gate.closed() => Err(reason),
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exit").field("limits", &self.limits).finish_non_exhaustive()
    }
}
