//! What goes wrong with services that plug in.

use std::fmt;
use std::net::SocketAddr;

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn cannot_listen(address: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::CannotListen,
            format!("The node can't listen at {address}: {why}."),
            "Choose another port, or leave `listen` out for a free one.",
        )
    }

    pub fn service_not_open(listen: SocketAddr) -> Self {
        Self::new(
            ErrorKind::ServiceNotOpen,
            format!("No service is open at {listen}."),
            "`byway service list` shows those that are.",
        )
    }
}
