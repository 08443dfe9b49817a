//! Services that plug in, as the node uses them (row A11): where programs on this machine reach them.
//!
//! Each opened service has a listener on loopback and a way of its own, so that several are in use at one time, beside the
//! proxy. A connection to it is a stream of the way's session; while there is none it waits as programs on the proxy do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use byway_driver::service::carry;
use byway_records::offer::Service;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::way_out::{ExitState, find_exit};
use super::ways::WayId;
use super::{Actor, Arrival};
use crate::api::{AccountNumber, Answer, ApiError, ServiceAccess};

/// Services that are open at one time.
const OPENED_MAX: usize = 16;
/// Connections to one of them at one time.
const CONNECTIONS_MAX: usize = 64;
/// The pause after the system refused to give a connection, which it does when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The services that are open for programs on this machine.
#[derive(Default)]
pub(super) struct Opened(BTreeMap<SocketAddr, OpenService>);

struct OpenService {
    service: Service,
    way: WayId,
    _listening: Listening,
}

/// A listener's task, which ends with this.
pub(super) struct Listening(pub JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor {
    /// Opens a service, whose way is connected, on a socket that is bound already.
    pub(super) fn open_service(&mut self, service: Service, id: WayId, listener: TcpListener) -> Answer<ServiceAccess> {
        let listen = listener.local_addr().map_err(|error| ApiError::cannot_listen("this address", error))?;
        let way = self.ways.get(id).ok_or_else(ApiError::superseded)?;
        let serving = tokio::spawn(serve(listener, id, way.exits.subscribe(), self.arrive.clone()));
        self.opened.0.insert(listen, OpenService { service, way: id, _listening: Listening(serving) });
        Ok(ServiceAccess { service, listen })
    }

    /// Whether one more may be opened.
    pub(super) fn has_room_for_service(&self) -> Answer<()> {
        if self.opened.0.len() < OPENED_MAX { Ok(()) } else { Err(ApiError::busy("services open")) }
    }

    /// Closes a service and ends its session. A sub-account closes what is on its bill.
    pub(super) fn close_service(&mut self, account: Option<AccountNumber>, listen: SocketAddr) -> Answer<()> {
        let opened = self.opened.0.get(&listen).ok_or_else(|| ApiError::service_not_open(listen))?;
        let id = opened.way;
        if account.is_some() && self.ways.get(id).is_none_or(|way| way.payer != account) {
            return Err(ApiError::not_allowed("service_close"));
        }
        self.opened.0.remove(&listen);
        self.close_way(id);
        Ok(())
    }

    /// Ends a way for good, with its session.
    pub(super) fn close_way(&mut self, id: WayId) {
        self.hang_up_way(id);
        self.ways.close(id);
    }

    pub(super) fn opened_services(&self) -> Vec<ServiceAccess> {
        let opened = self.opened.0.iter();
        opened.map(|(listen, opened)| ServiceAccess { service: opened.service, listen: *listen }).collect()
    }
}

async fn serve(listener: TcpListener, way: WayId, exits: watch::Receiver<ExitState>, arrive: mpsc::Sender<Arrival>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "an opened service can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let (mut exits, arrive) = (exits.clone(), arrive.clone());
        connections.spawn(async move {
            // There is no reply to give where there is no way: the connection just ends.
            if let Ok(exit) = find_exit(way, &mut exits, &arrive).await {
                let outcome = carry(socket, &exit.link, exit.session.0, &exit.plane.gate, &exit.plane.meter).await;
                tracing::trace!(?outcome, "a connection to a service ended");
            }
            drop(permit);
        });
    }
}
