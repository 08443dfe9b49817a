//! Ports at the exit that lead to a program here, as calls ask for and answer them (row A11).

use std::net::SocketAddr;
use std::num::NonZeroU16;

use byway_primitives::{IdentityId, Time};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::market::SessionId;
use super::params::Params;
use super::requests::Request;
use super::values::Reason;

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

/// A port at the exit that leads to a program on this machine or near it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedPort {
    /// The program.
    pub to: SocketAddr,
    pub protocol: Protocol,
    /// What was asked for; any that is free when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    pub proxy_protocol: bool,
    /// Where visitors come in; missing while there is no port, for `reason`. It changes with the exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// So many are there now.
    pub visitors: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ForwardOpen {
    pub to: SocketAddr,
    /// TCP when left out.
    pub protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// Tells the program in a first line where each visitor comes from; not when left out.
    pub proxy_protocol: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ForwardClose {
    pub to: SocketAddr,
    /// TCP when left out.
    pub protocol: Protocol,
}

/// A port of this exit's that a client has, as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenPort {
    pub port: u16,
    pub protocol: Protocol,
    pub client: IdentityId,
    /// The one by which it was asked for last.
    pub session_id: SessionId,
    pub since_ms: Time,
    /// Whether the client's stream is there; if not, the port is kept for it for a few minutes.
    pub open: bool,
    /// What its visitors sent …
    pub bytes_down: u64,
    /// … and got.
    pub bytes_up: u64,
}

/// Takes a port back from the client that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MarketPortClose {
    pub port: u16,
    /// Whichever there is when left out, and both where one client has both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

impl Request for ForwardOpen {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let to: SocketAddr = params.required("to")?;
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(ApiError::invalid_params("to", "it must be where a program listens, such as 127.0.0.1:8080"));
        }
        let protocol = params.optional("protocol")?.unwrap_or_default();
        let proxy_protocol = params.optional("proxy_protocol")?.unwrap_or_default();
        if proxy_protocol && protocol == Protocol::Udp {
            return Err(ApiError::invalid_params("proxy_protocol", "that is for TCP; a datagram has no first line"));
        }
        Ok(Self { to, protocol, port: params.optional("port")?, proxy_protocol })
    }
}

impl Request for ForwardClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")?, protocol: params.optional("protocol")?.unwrap_or_default() })
    }
}

impl Request for MarketPortClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { port: params.required("port")?, protocol: params.optional("protocol")? })
    }
}
