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

    pub fn proxy_port_not_open(listen: SocketAddr) -> Self {
        Self::new(
            ErrorKind::ProxyPortNotOpen,
            format!("There is no proxy port at {listen}."),
            "`byway proxy list` shows those that there are.",
        )
    }

    pub fn proxy_port_configured(listen: SocketAddr) -> Self {
        Self::new(
            ErrorKind::ProxyPortConfigured,
            format!("The proxy port at {listen} is from the configuration file."),
            "Take its `[[proxy.port]]` out of the file and start the node again.",
        )
    }

    pub fn port_not_given(port: u16) -> Self {
        Self::new(
            ErrorKind::PortNotGiven,
            format!("No client has port {port}."),
            "`byway provider ports` shows what there is.",
        )
    }

    pub fn forward_not_open(to: SocketAddr) -> Self {
        Self::new(
            ErrorKind::ForwardNotOpen,
            format!("No port is forwarded to {to}."),
            "`byway forward list` shows those that are.",
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
