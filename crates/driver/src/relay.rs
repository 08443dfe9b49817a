//! A relay of one's own: forwards sealed packets between endpoints that can't reach each other directly (row A7).
//!
//! A relay sees which endpoint keys talk to each other, when and how much, and nothing of what they say. It serves plain
//! HTTP: on loopback and in private networks as it is, on the open internet behind a web server that ends TLS on the
//! public name (then [`RelayAccess`](crate::link::RelayAccess) names the `https://` address of that server).

use std::net::SocketAddr;
use std::num::NonZeroU32;

use iroh::RelayUrl;
use iroh_relay::server::{ClientRateLimit, Server, ServerConfig};

/// Client keys whose parsed form is kept, to save parsing them for each packet. About 100 bytes each.
const KEYS_CACHED_MAX: usize = 16 * 1024;

/// What a relay needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub bind: SocketAddr,
    /// Bytes per second that are taken from one client; what is over waits. `None` for no limit.
    pub client_bytes_per_second: Option<NonZeroU32>,
}

/// A running relay. Dropping it stops it at once.
#[derive(Debug)]
pub struct Relay {
    server: Server,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the relay can't listen on {address}; is the port taken? {detail}")]
    Listen { address: SocketAddr, detail: String },
    #[error("the relay stopped badly: {0}")]
    Stop(String),
}

impl Relay {
    pub async fn spawn(config: Config) -> Result<Self, RelayError> {
        let failed = |detail: String| RelayError::Listen { address: config.bind, detail };
        let mut relay = iroh_relay::server::RelayConfig::new(config.bind);
        relay.limits.client_rx = config.client_bytes_per_second.map(ClientRateLimit::new);
        relay.key_cache_capacity = Some(KEYS_CACHED_MAX);
        let mut server = ServerConfig::default();
        server.relay = Some(relay);
        let server = Server::spawn(server).await.map_err(|error| failed(format!("{error:#}")))?;
        let address = server.http_addr().ok_or_else(|| failed("it has no address".to_owned()))?;
        Ok(Self { server, address })
    }

    /// Where it listens; the port is the real one if the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL by which endpoints on the same machine or network name this relay.
    pub fn url(&self) -> RelayUrl {
        format!("http://{}", self.address).parse().expect("a socket address makes a URL")
    }

    /// Tells the clients and stops.
    pub async fn shutdown(self) -> Result<(), RelayError> {
        self.server.shutdown().await.map_err(|error| RelayError::Stop(format!("{error:#}")))
    }
}
