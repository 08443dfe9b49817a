//! Relaying among the kinds of service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use byway_access::service::relay::{RelayAnswer, RelayRequest};
use byway_access::service::{NotAccepted, ServiceDataError, ServiceKind};
use byway_access::session::{ResponseId, SessionId};
use byway_primitives::Encode;
use byway_records::offer::Service;

use super::RelayHost;

/// Which exit each request is for that is about to be made.
#[derive(Clone, Default)]
pub struct Wishes(Arc<Mutex<BTreeMap<ResponseId, SocketAddr>>>);

/// Asks for the exit that was wished for; serves where there is a host.
pub struct RelayKind {
    pub wishes: Wishes,
    pub host: Option<Arc<RelayHost>>,
}

impl Wishes {
    /// The next request under this id is for that exit.
    pub fn note(&self, response: ResponseId, exit: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(response, exit);
    }

    fn take(&self, response: ResponseId) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&response)
    }
}

impl ServiceKind for RelayKind {
    fn service(&self) -> Service {
        Service::RELAY
    }

    /// Of a request that names no exit nothing is left; no provider takes it.
    fn request_data(&self, response: ResponseId) -> Vec<u8> {
        self.wishes.take(response).map(|exit| RelayRequest { exit }.to_bytes()).unwrap_or_default()
    }

    fn accept(&self, session: SessionId, request: &[u8]) -> Result<Vec<u8>, NotAccepted> {
        let request = RelayRequest::open(request)?;
        // Nothing is sold where there is no host; whoever asks anyway finds no room.
        let host = self.host.as_ref().ok_or(NotAccepted::Full)?;
        host.accept(session, request).map(|answer| answer.to_bytes())
    }

    fn resume(&self, session: SessionId, request: &[u8], answer: &[u8]) {
        if let (Some(host), Ok(request), Ok(answer)) =
            (&self.host, RelayRequest::open(request), RelayAnswer::open(answer))
            && let Err(error) = host.keep(session, request, answer)
        {
            tracing::warn!(%session, %error, "a client of before the restart is not relayed for");
        }
    }

    fn release(&self, session: SessionId) {
        if let Some(host) = &self.host {
            host.release(session);
        }
    }

    fn check_accepted(&self, answer: &[u8]) -> Result<(), ServiceDataError> {
        RelayAnswer::open(answer).map(|_| ())
    }
}
