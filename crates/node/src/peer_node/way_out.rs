//! What programs on the proxy are given: an exit, a wait for one, or a proper refusal.

use std::time::Duration;

use byway_access::session::SessionId;
use byway_driver::link::Link;
use byway_driver::socks::{Reply, SocksRequest, Wanted, carry};
use byway_records::offer::Service;
use tokio::sync::{mpsc, watch};

use super::data_plane::Plane;
use super::outage::Carried;
use super::ways::{Connected, Connection, Flow, WayId};
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
}

/// Serves one program on a proxy: waits for an exit if need be, and carries the connection through it.
pub(super) async fn serve_request(
    request: SocksRequest,
    way: WayId,
    mut exits: watch::Receiver<ExitState>,
    arrive: mpsc::Sender<Arrival>,
) {
    match find_exit(way, &mut exits, &arrive).await {
        // A service that plugs in leads nowhere but to itself.
        Ok(exit) if exit.service.is_plugged() => request.refuse(Reply::NotAllowed).await,
        Ok(exit) => {
            let wanted = request.wanted.clone();
            let outcome = carry(request, &exit.link, exit.session.0, &exit.plane.gate, &exit.plane.meter).await;
            tracing::trace!(?outcome, "connection ended");
            if let (Wanted::Connection(target), Some(carried)) = (wanted, Carried::of(&outcome)) {
                // The task is gone only when the node has stopped.
                let _ = arrive.send(Arrival::Carried { session: exit.session, target, carried }).await;
            }
        }
        Err(reply) => request.refuse(reply).await,
    }
}

/// The exit that a way leads to, once there is one; for half a minute at most.
pub(super) async fn find_exit(
    way: WayId,
    exits: &mut watch::Receiver<ExitState>,
    arrive: &mpsc::Sender<Arrival>,
) -> Result<Exit, Reply> {
    let found = tokio::time::timeout(EXIT_WAIT, wait_for_exit(way, exits, arrive)).await;
    found.unwrap_or(Err(Reply::TtlExpired))
}

async fn wait_for_exit(
    way: WayId,
    exits: &mut watch::Receiver<ExitState>,
    arrive: &mpsc::Sender<Arrival>,
) -> Result<Exit, Reply> {
    let mut has_asked = false;
    loop {
        let state = exits.borrow_and_update().clone();
        match state {
            ExitState::Ready(exit) => return Ok(exit),
            ExitState::Closed => return Err(Reply::NotAllowed),
            // What failed before is tried again for a new program, once.
            ExitState::Failed if has_asked => return Err(Reply::NetworkUnreachable),
            ExitState::Idle | ExitState::Failed => {
                has_asked = true;
                arrive.send(Arrival::Wanted(way)).await.map_err(|_| Reply::GeneralFailure)?;
            }
            ExitState::Connecting => {}
        }
        exits.changed().await.map_err(|_| Reply::GeneralFailure)?;
    }
}

impl Actor {
    /// Tells the programs on a way where it stands.
    pub(super) fn publish_exit(&mut self, id: WayId) {
        let Some(way) = self.ways.get(id) else { return };
        let state = match &way.connection {
            Connection::Idle { .. } => ExitState::Idle,
            Connection::Disconnected { .. } => ExitState::Closed,
            Connection::Failed { .. } => ExitState::Failed,
            // Programs wait for the user's word as they wait for an exit.
            Connection::Connecting(_) | Connection::Stopped(_) => ExitState::Connecting,
            Connection::Connected(connected) => {
                self.way_out(id, connected).map_or(ExitState::Connecting, ExitState::Ready)
            }
        };
        way.exits.send_replace(state);
        self.keep_stop(id);
        self.publish_status();
    }

    /// None while the link is lost, or is one past the hops, or the session ends: programs wait for what comes next.
    fn way_out(&self, id: WayId, connected: &Connected) -> Option<Exit> {
        if connected.flow == Flow::Ending || !self.leads_as_it_should(id, connected.offer.provider) {
            return None;
        }
        let link = self.link_handles.get(&self.market.link_to(connected.offer.provider)?)?.clone();
        let plane = self.using.get(&connected.session)?.plane.clone();
        Some(Exit { service: connected.offer.service, link, session: connected.session, plane })
    }
}
