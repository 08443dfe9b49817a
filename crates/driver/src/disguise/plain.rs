//! The way that everyone goes: to the target itself.

use futures::future::BoxFuture;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{DialError, Stream, Target, Way, tls};

/// TCP, and TLS where a relay's URL says so, believed by the public authorities.
#[derive(Debug)]
pub struct Plain {
    tls: Arc<ClientConfig>,
}

impl Plain {
    pub fn new() -> Self {
        Self { tls: tls::client(None) }
    }
}

impl Default for Plain {
    fn default() -> Self {
        Self::new()
    }
}

impl Way for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async move {
            let url = match target {
                Target::Kernel(node) => return Ok(Box::new(connect(node).await?) as Box<dyn Stream>),
                Target::Relay(url) => url,
            };
            let host = url.host_str().unwrap_or_default();
            let stream = connect(&format!("{host}:{}", url.port_or_known_default().unwrap_or_default())).await?;
            if url.scheme() == "http" {
                return Ok(Box::new(stream) as Box<dyn Stream>);
            }
            let failed = |source| DialError::Tls { host: host.to_owned(), source };
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
            let name = name.map_err(|error| failed(std::io::Error::other(error)))?;
            let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await.map_err(failed)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// To `host:port`, whose name the system's resolver knows.
pub(super) async fn connect(host: &str) -> Result<TcpStream, DialError> {
    let unreachable = |source| DialError::Unreachable { host: host.to_owned(), source };
    let stream = TcpStream::connect(host).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}
