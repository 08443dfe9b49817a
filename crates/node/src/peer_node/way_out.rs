//! What programs on the proxy are given: an exit, a wait for one, or a proper refusal.

use std::time::Duration;

use byway_access::session::SessionId;
use byway_driver::link::Link;
use byway_driver::socks::{Reply, SocksRequest, Wanted, carry};
use byway_records::offer::Service;
use tokio::sync::{mpsc, watch};

use super::connecting::{Connected, Connection, Flow};
use super::data_plane::Plane;
use super::outage::Carried;
use super::{Actor, Arrival};

/// How long a program waits for an exit before it is refused.
const EXIT_WAIT: Duration = Duration::from_secs(30);

/// What programs on the proxy are told.
#[derive(Clone)]
pub(super) enum ExitState {
    /// No exit yet, but one will be looked for.
    Idle,
    Connecting,
    Ready(Exit),
    /// By the user's wish.
    Closed,
    Failed,
}

/// A way out.
#[derive(Clone)]
pub(super) struct Exit {
    service: Service,
    pub link: Link,
    pub session: SessionId,
    pub plane: Plane,
}

impl ExitState {
    /// Whether a program may hope.
    pub fn is_open(&self) -> bool {
        !matches!(self, ExitState::Closed)
    }

    /// The session in use, if it is of this service.
    pub fn of_service(&self, service: Service) -> Option<Exit> {
        match self {
            ExitState::Ready(exit) if exit.service == service => Some(exit.clone()),
            _ => None,
        }
    }
}

/// Serves one program on the proxy: waits for an exit if need be, and carries the connection through it.
pub(super) async fn serve_request(
    request: SocksRequest,
    mut exits: watch::Receiver<ExitState>,
    arrive: mpsc::Sender<Arrival>,
) {
    let found = tokio::time::timeout(EXIT_WAIT, find_exit(&mut exits, &arrive)).await;
    match found {
        Ok(Ok(exit)) => {
            let wanted = request.wanted.clone();
            let outcome = carry(request, &exit.link, exit.session.0, &exit.plane.gate, &exit.plane.meter).await;
            tracing::trace!(?outcome, "connection ended");
            if let (Wanted::Connection(target), Some(carried)) = (wanted, Carried::of(&outcome)) {
                // The task is gone only when the node has stopped.
                let _ = arrive.send(Arrival::Carried { session: exit.session, target, carried }).await;
            }
        }
        Ok(Err(reply)) => request.refuse(reply).await,
        Err(_) => request.refuse(Reply::TtlExpired).await,
    }
}

async fn find_exit(exits: &mut watch::Receiver<ExitState>, arrive: &mpsc::Sender<Arrival>) -> Result<Exit, Reply> {
    let mut has_asked = false;
    loop {
        let state = exits.borrow_and_update().clone();
        match state {
            // A service that plugs in leads nowhere but to itself.
            ExitState::Ready(exit) if exit.service.is_plugged() => return Err(Reply::NotAllowed),
            ExitState::Ready(exit) => return Ok(exit),
            ExitState::Closed => return Err(Reply::NotAllowed),
            // What failed before is tried again for a new program, once.
            ExitState::Failed if has_asked => return Err(Reply::NetworkUnreachable),
            ExitState::Idle | ExitState::Failed => {
                has_asked = true;
                arrive.send(Arrival::Wanted).await.map_err(|_| Reply::GeneralFailure)?;
            }
            ExitState::Connecting => {}
        }
        exits.changed().await.map_err(|_| Reply::GeneralFailure)?;
    }
}

impl Actor {
    /// Tells the programs on the proxy where things stand.
    pub(super) fn publish_exit(&mut self) {
        let state = match &self.connection {
            Connection::Idle { .. } => ExitState::Idle,
            Connection::Disconnected { .. } => ExitState::Closed,
            Connection::Failed { .. } => ExitState::Failed,
            Connection::Connecting(_) => ExitState::Connecting,
            Connection::Connected(connected) => self.way_out(connected).map_or(ExitState::Connecting, ExitState::Ready),
        };
        self.exits.send_replace(state);
        self.publish_status();
    }

    /// None while the link is lost or the session ends: programs wait for what comes next.
    fn way_out(&self, connected: &Connected) -> Option<Exit> {
        if connected.flow == Flow::Ending {
            return None;
        }
        let link = self.link_handles.get(&self.market.link_to(connected.offer.provider)?)?.clone();
        let plane = self.using.get(&connected.session)?.plane.clone();
        Some(Exit { service: connected.offer.service, link, session: connected.session, plane })
    }
}
