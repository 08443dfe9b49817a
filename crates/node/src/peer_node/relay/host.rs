//! A provider's end of what it relays.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use byway_access::exit_policy::{Denied, ExitPolicy};
use byway_access::service::NotAccepted;
use byway_access::service::relay::{RelayAnswer, RelayRequest};
use byway_access::session::SessionId;
use byway_driver::entropy;
use byway_driver::exit::own;
use byway_driver::slices::{Forwarder, Token};
use byway_records::offer::Network;
use tokio::sync::watch;

use crate::peer_node::data_plane::Plane;

/// Relays until it is dropped.
pub struct RelayHost {
    forwarder: Forwarder,
    allow: Vec<Network>,
    own_networks: watch::Receiver<Option<Vec<Network>>>,
    served: Mutex<BTreeMap<SessionId, Client>>,
}

struct Client {
    token: Token,
    plane: Plane,
}

/// Why a provider can't relay.
#[derive(Debug, thiserror::Error)]
#[error("no UDP socket for relaying can be opened at {address}: {error}; set provider.relay_listen to a free port")]
pub struct RelayError {
    address: SocketAddr,
    error: std::io::Error,
}

impl RelayHost {
    /// Hears at `listen`. Clients get where the standard exit policy and `allow` let them.
    pub fn open(listen: SocketAddr, allow: Vec<Network>) -> Result<Self, RelayError> {
        let forwarder = Forwarder::open(listen).map_err(|error| RelayError { address: listen, error })?;
        Ok(Self { forwarder, allow, own_networks: own::follow(), served: Mutex::default() })
    }

    /// Passes on for a session that is accepted; nothing passes yet.
    pub fn accept(&self, session: SessionId, request: RelayRequest) -> Result<RelayAnswer, NotAccepted> {
        let Some(token) = entropy::seed().first_chunk().copied() else { return Err(NotAccepted::Full) };
        self.judge(request.exit)?;
        let answer = RelayAnswer { port: self.forwarder.local_address().port(), token };
        self.keep(session, request, answer)?;
        Ok(answer)
    }

    /// A session is served that was accepted, perhaps before a restart, and answered like this.
    pub fn keep(&self, session: SessionId, request: RelayRequest, answer: RelayAnswer) -> Result<(), NotAccepted> {
        let (token, plane) = (Token(answer.token), Plane::new(0));
        let added = self.forwarder.add(token, request.exit, plane.gate.clone(), plane.meter.clone());
        if let Err(error) = added {
            tracing::warn!(%session, %error, "a client can't be relayed for");
            return Err(NotAccepted::Full);
        }
        self.served().insert(session, Client { token, plane });
        Ok(())
    }

    pub fn release(&self, session: SessionId) {
        if let Some(client) = self.served().remove(&session) {
            self.forwarder.remove(&client.token);
        }
    }

    /// What a session's datagrams are counted and held back by.
    pub fn plane(&self, session: SessionId) -> Option<Plane> {
        self.served().get(&session).map(|client| client.plane.clone())
    }

    fn judge(&self, exit: SocketAddr) -> Result<(), Denied> {
        // Until it is known what to keep clients from, they are kept from everything.
        let own_networks = self.own_networks.borrow().clone().ok_or(Denied::OwnNetwork)?;
        ExitPolicy { operator_allows: self.allow.clone(), own_networks, rules: Vec::new() }.check(exit)
    }

    fn served(&self) -> MutexGuard<'_, BTreeMap<SessionId, Client>> {
        // Each change behind the lock is whole before anything can fail.
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_relay_goes_where_an_exit_may() {
        let open = |allow: &[&str]| {
            let allow = allow.iter().map(|block| block.parse().expect("a network")).collect();
            RelayHost::open("127.0.0.1:0".parse().expect("an address"), allow).expect("a port")
        };
        let (strict, lenient) = (open(&[]), open(&["127.0.0.0/8"]));
        for host in [&strict, &lenient] {
            host.own_networks.clone().wait_for(Option::is_some).await.expect("the reading goes on");
        }
        let ask = |host: &RelayHost, exit: &str| {
            let request = RelayRequest { exit: exit.parse().expect("an address") };
            host.accept(SessionId([1; 16]), request).map(|answer| answer.port)
        };
        let port = |host: &RelayHost| Ok(host.forwarder.local_address().port());
        assert_eq!(ask(&strict, "127.0.0.1:51821"), Err(Denied::OwnHost.into()));
        assert_eq!(ask(&strict, "10.0.0.1:51821"), Err(Denied::Private.into()));
        assert_eq!(ask(&strict, "11.2.0.2:51821"), port(&strict));
        assert_eq!(ask(&lenient, "127.0.0.1:51821"), port(&lenient));
        assert!(
            lenient.plane(SessionId([1; 16])).is_some_and(|plane| plane.gate.allowance() == 0),
            "nothing passes yet"
        );
        lenient.release(SessionId([1; 16]));
        assert!(lenient.plane(SessionId([1; 16])).is_none());
    }
}
