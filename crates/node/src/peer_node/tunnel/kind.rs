//! The tunnel among the kinds of service.

use std::sync::{Arc, Mutex, PoisonError};

use byway_access::service::tunnel::{SlicesRequest, TunnelAnswer, TunnelKeys, TunnelRequest};
use byway_access::service::{NotAccepted, ServiceDataError, ServiceKind};
use byway_access::session::{ResponseId, SessionId};
use byway_access::slices::Shape;
use byway_crypto::noise::StaticKey;
use byway_primitives::Encode;
use byway_records::offer::Service;

use super::TunnelHost;

/// How the tunnel that is asked for next is cut, if it is. Clones share it.
#[derive(Clone, Default)]
pub struct NextShape(Arc<Mutex<Option<Shape>>>);

impl NextShape {
    pub fn get(&self) -> Option<Shape> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, shape: Option<Shape>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shape;
    }
}

/// Asks with a key of the session's own; serves where there is a host.
pub struct TunnelKind {
    pub keys: TunnelKeys,
    pub host: Option<Arc<TunnelHost>>,
    pub shape: NextShape,
}

impl ServiceKind for TunnelKind {
    fn service(&self) -> Service {
        Service::TUNNEL
    }

    fn request_data(&self, response: ResponseId) -> Vec<u8> {
        let slices = self.shape.get().map(|shape| SlicesRequest { shape, secret: self.keys.of_slices(response) });
        TunnelRequest { key: StaticKey::of(&self.keys.of_session(response)), slices }.to_bytes()
    }

    fn accept(&self, session: SessionId, request: &[u8]) -> Result<Vec<u8>, NotAccepted> {
        let request = TunnelRequest::open(request)?;
        // Nothing is sold where there is no host; whoever asks anyway finds no room.
        let host = self.host.as_ref().ok_or(NotAccepted::Full)?;
        host.slot(session, request).map(|answer| answer.to_bytes()).ok_or(NotAccepted::Full)
    }

    fn resume(&self, session: SessionId, request: &[u8], answer: &[u8]) {
        if let (Some(host), Ok(request), Ok(answer)) =
            (&self.host, TunnelRequest::open(request), TunnelAnswer::open(answer))
        {
            host.keep(session, request, answer);
        }
    }

    fn release(&self, session: SessionId) {
        if let Some(host) = &self.host {
            host.release(session);
        }
    }

    fn check_accepted(&self, answer: &[u8]) -> Result<(), ServiceDataError> {
        TunnelAnswer::open(answer).map(|_| ())
    }
}
