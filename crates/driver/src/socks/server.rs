//! The SOCKS5 listener: handshakes, and one [`SocksRequest`] for each program that wants to go somewhere.
//!
//! CONNECT and UDP ASSOCIATE; BIND is refused with the code for it. The listener decides nothing: it hands the request on
//! and the handler answers it. Everything that a program can do before that is bounded in time, bytes and
//! number.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::handshake::{Credentials, HandshakeError, read_request, write_reply};
use super::reply::Reply;
use super::stream_header::Wanted;

/// Bytes that are still read, and thrown away, after a refusal.
const LINGER_BYTES_MAX: usize = 64 * 1024;
/// How long a refused connection is kept, so that the refusal arrives.
const LINGER_WAIT: Duration = Duration::from_secs(1);
/// The pause after the system refused to give a connection, which it does when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; each has two sockets or streams and two buffers. Further ones are closed at once.
    pub connections_max: usize,
    /// How long a program may take for its handshake.
    pub handshake_wait: Duration,
}

/// A program wants something and waits for an answer. Dropping this closes the connection without one.
#[derive(Debug)]
pub struct SocksRequest {
    pub wanted: Wanted,
    /// What the program gave as name and password, if anything. Not checked.
    pub credentials: Option<Credentials>,
    /// The program's end of the connection.
    pub from: SocketAddr,
    stream: TcpStream,
}

impl Default for Limits {
    /// Several browsers at once, within the usual 1,024 or more descriptors of a process.
    fn default() -> Self {
        Self { connections_max: 512, handshake_wait: Duration::from_secs(10) }
    }
}

impl SocksRequest {
    /// Tells the program that it is connected and gives the connection, on which its bytes follow.
    pub async fn accept(mut self) -> io::Result<TcpStream> {
        write_reply(&mut self.stream, Reply::Succeeded, None).await?;
        Ok(self.stream)
    }

    /// A socket for the program's datagrams, which it was told of; and the connection, with whose end they end.
    pub async fn accept_datagrams(mut self) -> io::Result<(UdpSocket, TcpStream)> {
        // Where the program reached us it reaches this too.
        let socket = UdpSocket::bind((self.stream.local_addr()?.ip(), 0)).await?;
        write_reply(&mut self.stream, Reply::Succeeded, Some(socket.local_addr()?)).await?;
        Ok((socket, self.stream))
    }

    /// Tells the program why not. A program that is already gone isn't told.
    pub async fn refuse(mut self, reply: Reply) {
        if write_reply(&mut self.stream, reply, None).await.is_ok() {
            linger(self.stream).await;
        }
    }
}

/// Serves `listener` for as long as this future is polled. `handle` is called for each request; its future runs as a task
/// of its own and counts as a connection until it ends. Dropping this future ends the listener and all handlers.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, handle: H)
where
    H: Fn(SocksRequest) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the SOCKS listener can't accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::warn!(limit = limits.connections_max, "too many SOCKS connections; one was closed");
            continue;
        };
        let handle = handle.clone();
        connections.spawn(async move {
            if let Some(request) = welcome(stream, from, limits.handshake_wait).await {
                handle(request).await;
            }
            drop(permit);
        });
    }
}

async fn welcome(mut stream: TcpStream, from: SocketAddr, wait: Duration) -> Option<SocksRequest> {
    // Replies and the beginnings of TLS are small and shouldn't wait for each other. It works without, too.
    let _ = stream.set_nodelay(true);
    match timeout(wait, read_request(&mut stream)).await {
        Ok(Ok((wanted, credentials))) => Some(SocksRequest { wanted, credentials, from, stream }),
        Ok(Err(error)) => {
            tracing::debug!(%error, "SOCKS handshake");
            if !matches!(error, HandshakeError::Io(_)) {
                linger(stream).await;
            }
            None
        }
        Err(_) => {
            tracing::debug!("SOCKS handshake took too long");
            None
        }
    }
}

/// Closes a connection so that the answer written last arrives: closing with unread bytes would make the system send a
/// reset, which overtakes the answer.
async fn linger(mut stream: TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        let mut left = LINGER_BYTES_MAX;
        let mut scrap = [0; 4096];
        while left > 0 {
            match stream.read(&mut scrap).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        io::Result::Ok(())
    };
    // However it ends, the connection is closed now.
    let _ = timeout(LINGER_WAIT, drain).await;
}
