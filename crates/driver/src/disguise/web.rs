//! The way through a front: a request for a page that nobody but the front can tell from another.

use futures::future::BoxFuture;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::front::COOKIE;
use super::{DialError, FrontAddress, Stream, Target, Way, onward, plain, tls};

/// Bytes of the front's answer, up to where the stream begins.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A front and what lets us through.
#[derive(Debug)]
pub struct Web {
    front: FrontAddress,
    tls: Arc<ClientConfig>,
}

impl Web {
    pub fn new(front: &FrontAddress) -> Self {
        Self { front: front.clone(), tls: tls::client(front.pin) }
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, DialError> {
        let host = self.front.host_and_port();
        let tcp = plain::connect(&host).await?;
        let failed = |source| DialError::Tls { host: host.clone(), source };
        let name = self.front.server_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let mut stream = TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(failed)?;
        let proof = self.front.secret.proof(stream.get_ref().1);
        let proof = proof.ok_or_else(|| failed(std::io::Error::other("it is not TLS 1.3")))?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nCookie: {COOKIE}={}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\r\n",
            self.front.host,
            proof.to_text()
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        if !read_head(&mut stream).await?.starts_with(b"HTTP/1.1 101 ") {
            return Err(DialError::NotLetIn(host));
        }
        onward::ask(&mut stream, target).await?;
        Ok(Box::new(stream))
    }
}

impl Way for Web {
    fn name(&self) -> &'static str {
        "disguised"
    }

    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Stream>, DialError>> {
        Box::pin(self.open(target))
    }
}

/// Up to and with the empty line, byte by byte, since nothing behind it may be taken.
async fn read_head(stream: &mut impl Stream) -> Result<Vec<u8>, DialError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(DialError::Answer);
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}
