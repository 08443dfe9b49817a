//! Behind a disguise: where the streams go that were let in.
//!
//! Whoever was let in first says where to: one byte, the length of what follows, then `relay`, or `kernel ` and the
//! `host:port` of a kernel node. It is answered with one byte (0: what follows is the target's). Nothing can be reached that
//! who runs the front didn't name.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Stream, Target};

/// Bytes that are copied at a time.
pub(super) const BLOCK_BYTES: usize = 32 * 1024;
/// How long it may take to say where to, and to get there.
const TARGET_WAIT: Duration = Duration::from_secs(10);

const RELAY: &str = "relay";
const KERNEL: &str = "kernel ";
const OPEN: u8 = 0;
const FOREIGN: u8 = 1;
const UNREACHABLE: u8 = 2;

/// What can be reached behind a disguise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    relay: SocketAddr,
    kernel: BTreeSet<String>,
}

/// Why there is no way on behind a disguise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the front passes nothing on to {0}; who runs it may not know this network's kernel nodes")]
    Foreign(String),
    #[error("the front doesn't reach {0}")]
    Unreachable(String),
    #[error("the address {0} is too long")]
    TooLong(String),
}

impl Onward {
    /// To a relay on this machine, and to kernel nodes at these addresses, `host:port` each.
    pub fn new(relay: SocketAddr, kernel: impl IntoIterator<Item = String>) -> Self {
        let ip = match relay.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { relay: SocketAddr::new(ip, relay.port()), kernel: kernel.into_iter().collect() }
    }

    /// Serves a stream that was let in, until it ends.
    pub(super) async fn carry(&self, mut stream: impl Stream) -> io::Result<()> {
        let wanted = timeout(TARGET_WAIT, read_target(&mut stream)).await??;
        let place = match wanted.strip_prefix(KERNEL) {
            None if wanted == RELAY => Some(self.relay.to_string()),
            Some(node) => self.kernel.get(node).cloned(),
            None => None,
        };
        let reached = match place {
            Some(place) => {
                let reached = timeout(TARGET_WAIT, TcpStream::connect(place)).await;
                reached.map_err(|_| UNREACHABLE).and_then(|reached| reached.map_err(|_| UNREACHABLE))
            }
            None => Err(FOREIGN),
        };
        match reached {
            Ok(mut target) => {
                target.set_nodelay(true)?;
                stream.write_all(&[OPEN]).await?;
                stream.flush().await?;
                copy_bidirectional_with_sizes(&mut stream, &mut target, BLOCK_BYTES, BLOCK_BYTES).await?;
                Ok(())
            }
            Err(refusal) => {
                stream.write_all(&[refusal]).await?;
                stream.shutdown().await
            }
        }
    }
}

async fn read_target(stream: &mut impl Stream) -> io::Result<String> {
    let length = stream.read_u8().await?;
    let mut text = vec![0; usize::from(length)];
    stream.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The other side of [`Onward::carry`]: says where to, and waits until the stream leads there.
pub(super) async fn ask(stream: &mut impl Stream, target: &Target) -> Result<(), super::DialError> {
    let text = match target {
        Target::Relay(_) => RELAY.to_owned(),
        Target::Kernel(node) => format!("{KERNEL}{node}"),
    };
    let name = || match target {
        Target::Relay(url) => url.to_string(),
        Target::Kernel(node) => node.clone(),
    };
    let length = u8::try_from(text.len()).map_err(|_| TargetError::TooLong(name()))?;
    stream.write_all(&[&[length], text.as_bytes()].concat()).await?;
    stream.flush().await?;
    match stream.read_u8().await? {
        OPEN => Ok(()),
        FOREIGN => Err(TargetError::Foreign(name()).into()),
        _ => Err(TargetError::Unreachable(name()).into()),
    }
}
