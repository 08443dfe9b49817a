//! Ports as the fake node has them: at its exit, and here for its clients.

use std::net::SocketAddr;

use byway_node::api::*;
use byway_primitives::Time;

use super::fake::id;

pub fn forwarded(to: SocketAddr, protocol: Protocol) -> ForwardedPort {
    let public = Some(([192, 0, 2, 7], 40_000).into());
    ForwardedPort { to, protocol, port: None, proxy_protocol: false, public, reason: None, visitors: 2 }
}

pub fn given() -> GivenPort {
    GivenPort {
        port: 40_000,
        protocol: Protocol::Udp,
        client: id(5),
        session_id: SessionId("0a".repeat(16)),
        since_ms: Time(5),
        open: true,
        bytes_down: 30,
        bytes_up: 7,
    }
}
