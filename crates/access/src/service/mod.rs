//! Services: what a session carries, behind one interface (row A11).
//!
//! Market, payment and sessions don't know what is sold. A kind of service says what its service-specific data is and
//! whether it makes sense; the bytes themselves are moved by the data plane that the driver starts for the session. The
//! tunnel is another [`ServiceKind`].
//!
//! Anyone's own service is a program beside the node ([`Service::is_plugged`]). No kind stands for it here: what its two sides
//! tell each other is theirs, is passed on bounded and unread, and the provider's program is asked before a session begins
//! ([`ProviderNews::Judge`](crate::session::ProviderNews::Judge)), which takes longer than a machine may wait.

pub mod reason;
pub mod relay;
pub mod tunnel;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::offer::Service;

use crate::session::{ResponseId, SessionId};

/// Bytes of service-specific data in a message: a few keys and addresses.
pub const SERVICE_DATA_MAX: usize = 4096;

/// The service-specific data is not what this kind of service takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceDataError {
    #[error("the service data is malformed: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the service data is of version {found}; this node speaks version {spoken}: update the older one")]
    Version { found: u8, spoken: u8 },
}

/// Why a provider does not serve what a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    #[error(transparent)]
    Data(#[from] ServiceDataError),
    #[error("as many clients as there is room for are served")]
    Full,
    #[error("the provider does not go there: {0}")]
    Denied(#[from] crate::exit_policy::Denied),
}

/// One kind of service.
pub trait ServiceKind: Send + Sync {
    fn service(&self) -> Service;

    /// The data with which a client asks; `response` names the request.
    fn request_data(&self, response: ResponseId) -> Vec<u8>;

    /// The provider judges what a client asks, and answers with what the client needs for the data channel. Whatever it sets
    /// aside for the session is the session's until [`release`](Self::release).
    fn accept(&self, session: SessionId, request: &[u8]) -> Result<Vec<u8>, NotAccepted>;

    /// The provider has restarted: a session goes on that was asked for and answered like this.
    fn resume(&self, _session: SessionId, _request: &[u8], _answer: &[u8]) {}

    /// The provider's session is over.
    fn release(&self, _session: SessionId) {}

    /// The client judges what the provider answered.
    fn check_accepted(&self, answer: &[u8]) -> Result<(), ServiceDataError>;
}

/// The kinds of service that a node speaks.
#[derive(Clone, Default)]
pub struct Services(Arc<BTreeMap<Service, Box<dyn ServiceKind>>>);

impl Services {
    /// Of two kinds for one service the later counts.
    pub fn new(kinds: impl IntoIterator<Item = Box<dyn ServiceKind>>) -> Self {
        Self(Arc::new(kinds.into_iter().map(|kind| (kind.service(), kind)).collect()))
    }

    pub fn kind(&self, service: Service) -> Option<&dyn ServiceKind> {
        self.0.get(&service).map(Box::as_ref)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// SOCKS: each connection is a stream inside the dialogue's link, opened under the session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socks {
    /// Connections at one time in one session.
    pub connections_max: u32,
}

/// What a client of SOCKS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocksRequest;

/// What a provider of SOCKS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocksAnswer {
    pub connections_max: u32,
}

const SOCKS_VERSION: u8 = 1;

fn socks_version(input: &mut Reader<'_>) -> Result<(), ServiceDataError> {
    match input.byte()? {
        SOCKS_VERSION => Ok(()),
        found => Err(ServiceDataError::Version { found, spoken: SOCKS_VERSION }),
    }
}

impl SocksRequest {
    fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        socks_version(&mut input)?;
        input.finish()?;
        Ok(Self)
    }
}

impl SocksAnswer {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        socks_version(&mut input)?;
        let connections_max = u32::decode(&mut input)?;
        input.finish()?;
        Ok(Self { connections_max })
    }
}

impl Encode for SocksRequest {
    fn encode(&self, out: &mut Writer) {
        out.byte(SOCKS_VERSION);
    }
}

impl Encode for SocksAnswer {
    fn encode(&self, out: &mut Writer) {
        out.byte(SOCKS_VERSION);
        out.varint(self.connections_max);
    }
}

impl ServiceKind for Socks {
    fn service(&self) -> Service {
        Service::SOCKS
    }

    fn request_data(&self, _response: ResponseId) -> Vec<u8> {
        SocksRequest.to_bytes()
    }

    fn accept(&self, _session: SessionId, request: &[u8]) -> Result<Vec<u8>, NotAccepted> {
        SocksRequest::open(request)?;
        Ok(SocksAnswer { connections_max: self.connections_max }.to_bytes())
    }

    fn check_accepted(&self, answer: &[u8]) -> Result<(), ServiceDataError> {
        SocksAnswer::open(answer).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socks_judges_both_sides_data() {
        let socks = Socks { connections_max: 64 };
        let session = SessionId([1; 16]);
        let answer = socks.accept(session, &socks.request_data(ResponseId(1))).expect("its own request");
        assert_eq!(SocksAnswer::open(&answer), Ok(SocksAnswer { connections_max: 64 }));
        assert_eq!(socks.check_accepted(&answer), Ok(()));
        for (data, error) in [
            (&[][..], ServiceDataError::Malformed(DecodeError::Truncated)),
            (&[9], ServiceDataError::Version { found: 9, spoken: 1 }),
            (&[1, 0], ServiceDataError::Malformed(DecodeError::Trailing)),
        ] {
            assert_eq!(socks.accept(session, data), Err(error.into()), "{data:?}");
        }
        assert_eq!(socks.check_accepted(&[1]), Err(ServiceDataError::Malformed(DecodeError::Truncated)));
    }
}
