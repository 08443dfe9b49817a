//! Services that plug in, as calls ask for and answer them (row A11).

use std::net::SocketAddr;

use byway_primitives::Amount;
use byway_records::offer::{Country, Service};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::market::{Pay, Session};
use super::params::Params;
use super::proxy::listen_locally;
use super::requests::Request;
use crate::plugged::protocol::Bytes;

/// All services that plug in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceList {
    /// Those that this node sells.
    pub sold: Vec<ServiceProgram>,
    /// Those that programs on this machine can use through it.
    pub open: Vec<ServiceAccess>,
}

/// A service that this node sells, and the program behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceProgram {
    pub name: String,
    pub service: Service,
    pub price_per_mb: Amount,
    pub state: ProgramState,
    /// As the program gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub sessions: u64,
    /// How often the program has failed since the node started.
    pub restarts: u64,
    /// Why it failed last, while it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramState {
    /// It has not said hello yet.
    Starting,
    Running,
    /// It failed, and is tried again.
    Failed,
}

/// Where programs on this machine reach a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccess {
    pub service: Service,
    pub listen: SocketAddr,
}

/// A service that was opened, and the session that it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOpened {
    pub access: ServiceAccess,
    pub session: Session,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceOpen {
    pub service: Service,
    /// On loopback; a free port when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// What the provider's program is told of what is wanted.
    pub data: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Per MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<Amount>,
    /// Out of what its sessions are paid.
    #[serde(skip_serializing_if = "Pay::is_auto")]
    pub pay: Pay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ServiceClose {
    pub listen: SocketAddr,
}

impl Request for ServiceOpen {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let service: Service = params.required("service")?;
        if !service.is_plugged() {
            let why = "only a service that plugs in is opened; its name has a hyphen, such as http-fetch";
            return Err(ApiError::invalid_params("service", why));
        }
        let listen = listen_locally(params)?;
        Ok(Self {
            service,
            listen,
            data: params.optional("data")?.unwrap_or_default(),
            country: params.optional("country")?,
            max_price: params.amount("max_price")?,
            pay: params.optional("pay")?.unwrap_or_default(),
        })
    }
}

impl Request for ServiceClose {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { listen: params.required("listen")? })
    }
}
