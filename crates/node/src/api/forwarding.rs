//! Ports at the exit that lead to a program here, as calls ask for and answer them (row A11).

use std::net::SocketAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;
use super::values::Reason;

/// A port at the exit that leads to a program on this machine or near it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedPort {
    /// The program.
    pub to: SocketAddr,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// Tells the program in a first line where each visitor comes from; not when left out.
    pub proxy_protocol: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ForwardClose {
    pub to: SocketAddr,
}

impl Request for ForwardOpen {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let to: SocketAddr = params.required("to")?;
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(ApiError::invalid_params("to", "it must be where a program listens, such as 127.0.0.1:8080"));
        }
        let proxy_protocol = params.optional("proxy_protocol")?.unwrap_or_default();
        Ok(Self { to, port: params.optional("port")?, proxy_protocol })
    }
}

impl Request for ForwardClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { to: params.required("to")? })
    }
}
