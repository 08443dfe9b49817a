//! Services that plug in, as the node uses them (row A11): where programs on this machine reach the service of the session in
//! use.
//!
//! Each opened service has a listener on loopback. A connection to it is a stream of the session that is in use at that time,
//! if that is one of the same service, and is closed at once where there is none.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use byway_driver::service::carry;
use byway_records::offer::Service;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::Actor;
use super::connecting::Connection;
use super::way_out::ExitState;
use crate::api::{Answer, ApiError, ServiceAccess};

/// Services that are open at one time.
const OPENED_MAX: usize = 16;
/// Connections to one of them at one time.
const CONNECTIONS_MAX: usize = 64;
/// The pause after the system refused to give a connection, which it does when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The services that are open for programs on this machine.
#[derive(Default)]
pub(super) struct Opened(BTreeMap<SocketAddr, (Service, Listening)>);

/// A listener's task, which ends with this.
struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor {
    /// What is to be said to the provider of a service that plugs in. A session that was opened by other words is left.
    pub(super) fn want_of_service(&mut self, data: Vec<u8>) {
        let is_other = data != self.service_data;
        self.service_data = data;
        if let Connection::Connected(connected) = &self.connection
            && connected.offer.service.is_plugged()
            && is_other
        {
            self.leave_exit();
        }
    }

    /// Opens a service on a socket that is bound already.
    pub(super) fn open_service(&mut self, service: Service, listener: TcpListener) -> Answer<ServiceAccess> {
        if self.opened.0.len() >= OPENED_MAX {
            return Err(ApiError::busy("services open"));
        }
        let listen = listener.local_addr().map_err(|error| ApiError::cannot_listen("this address", error))?;
        let serving = tokio::spawn(serve(listener, service, self.exits.subscribe()));
        self.opened.0.insert(listen, (service, Listening(serving)));
        Ok(ServiceAccess { service, listen })
    }

    pub(super) fn close_service(&mut self, listen: SocketAddr) -> Answer<()> {
        self.opened.0.remove(&listen).map(|_| ()).ok_or_else(|| ApiError::service_not_open(listen))
    }

    pub(super) fn opened_services(&self) -> Vec<ServiceAccess> {
        self.opened
            .0
            .iter()
            .map(|(listen, (service, _))| ServiceAccess { service: *service, listen: *listen })
            .collect()
    }
}

async fn serve(listener: TcpListener, service: Service, exits: watch::Receiver<ExitState>) {
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
        let (Ok(permit), Some(exit)) = (room.clone().try_acquire_owned(), exits.borrow().of_service(service)) else {
            continue;
        };
        connections.spawn(async move {
            let outcome = carry(socket, &exit.link, exit.session.0, &exit.plane.gate, &exit.plane.meter).await;
            tracing::trace!(?outcome, "a connection to a service ended");
            drop(permit);
        });
    }
}
