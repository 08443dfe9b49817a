//! A web site in front of a relay.
//!
//! To everyone it is a web server: TLS 1.2 and 1.3, HTTP/1.1 with all its errors, pages from a folder. A request with the
//! proof of its own session (see [`super::Secret`]) is switched over, and its stream goes [`Onward`]. Every request is
//! looked at in the same way and for the same time, also those that bring no proof.
//!
//! What one visitor can take is bounded: handshake, headers and the whole visit by time; visitors and streams by number.
//! Visitors beyond that wait to be let in.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, COOKIE as COOKIES, HeaderMap, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::secret::Proof;
use super::{Certificate, CertificateError, Onward, Secret, Site};

/// The cookie that carries the proof. Many sites have one of this name.
pub(super) const COOKIE: &str = "session";

/// Visitors at a time that have proved nothing. Each may hold some 100 KiB.
const VISITS_MAX: usize = 1024;
/// Streams at a time to what is behind.
const STREAMS_MAX: usize = 4096;
/// How long a TLS handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long a visitor may take to send the headers of a request, or leave a connection idle.
const HEAD_WAIT: Duration = Duration::from_secs(20);
/// How long a visit may last in all.
const VISIT_WAIT: Duration = Duration::from_secs(300);
/// Bytes of a request's headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long nobody is let in after the system refused a connection, for want of file descriptors mostly.
pub(super) const REFUSED_WAIT: Duration = Duration::from_millis(100);
/// The first byte of whoever speaks TLS.
const TLS_HANDSHAKE: u8 = 22;
/// What whoever doesn't is told.
const NOT_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 58\r\nConnection: close\r\n\
                         \r\nThe plain HTTP request was sent to a port that is HTTPS.\r\n";

/// What a front needs.
#[derive(Debug)]
pub struct Config {
    pub bind: SocketAddr,
    pub certificate: Certificate,
    pub secret: Secret,
    pub site: Site,
    pub onward: Onward,
}

#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error("the front can't listen on {address}: {source}; stop what uses the port, or grant the right to bind it")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A running front. Dropping it ends it at once, with all that passes through it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    task: AbortHandle,
}

struct Shared {
    tls: TlsAcceptor,
    secret: Secret,
    site: Site,
    onward: Onward,
    streams: Arc<Semaphore>,
}

impl Front {
    pub async fn open(config: Config) -> Result<Self, FrontError> {
        let failed = |source| FrontError::Listen { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let Config { certificate, secret, site, onward, .. } = config;
        let tls = TlsAcceptor::from(Arc::new(certificate.into_server()?));
        let shared = Shared { tls, secret, site, onward, streams: Arc::new(Semaphore::new(STREAMS_MAX)) };
        let task = tokio::spawn(receive(listener, Arc::new(shared))).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens; the port is the real one if the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(VISITS_MAX));
    // Dropped, and with it all visits, when this task is aborted.
    let mut visits = JoinSet::new();
    loop {
        let permit = room.clone().acquire_owned().await.expect("nobody closes the room");
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                Some(_) = visits.join_next() => {}
            }
        };
        match accepted {
            Ok((stream, _)) => drop(visits.spawn(visit(stream, shared.clone(), permit))),
            Err(error) => {
                tracing::debug!(%error, "a visitor could not be let in");
                tokio::time::sleep(REFUSED_WAIT).await;
            }
        }
    }
}

/// One connection, from its first byte to its last.
async fn visit(stream: TcpStream, shared: Arc<Shared>, permit: OwnedSemaphorePermit) {
    let Some(session) = timeout(HANDSHAKE_WAIT, welcome(stream, &shared)).await.ok().flatten() else { return };
    let proof = shared.secret.proof(session.get_ref().1);
    let carried = std::sync::Mutex::new(None);
    let answer = |request| respond(request, proof.as_ref(), &shared, &carried);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(HEAD_BYTES_MAX);
    server.title_case_headers(true);
    let served = server.serve_connection(TokioIo::new(session), service_fn(answer)).with_upgrades();
    // How a visit ends concerns nobody but the visitor.
    let _ = timeout(VISIT_WAIT, served).await;
    drop(permit);
    let carried = carried.into_inner().ok().flatten();
    let Some((switched, _room)) = carried else { return };
    let switched: hyper::upgrade::OnUpgrade = switched;
    if let Ok(stream) = switched.await
        && let Err(error) = shared.onward.carry(TokioIo::new(stream)).await
    {
        tracing::debug!(%error, "a disguised stream ended");
    }
}

/// Up to where HTTP begins.
async fn welcome(mut stream: TcpStream, shared: &Shared) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    stream.set_nodelay(true).ok()?;
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 1 && first[0].is_ascii_alphabetic() && first[0] != TLS_HANDSHAKE {
        // Whoever is gone needs no answer.
        let _ = stream.write_all(NOT_TLS).await;
        let _ = stream.shutdown().await;
        return None;
    }
    shared.tls.accept(stream).await.ok()
}

/// What was switched over, and its place among the streams.
type Carried = std::sync::Mutex<Option<(hyper::upgrade::OnUpgrade, OwnedSemaphorePermit)>>;

async fn respond(
    mut request: Request<Incoming>,
    proof: Option<&Proof>,
    shared: &Shared,
    carried: &Carried,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let shown = cookie(request.headers());
    let is_let_in = proof.is_some_and(|proof| proof.is(shown.unwrap_or_default()));
    if is_let_in
        && let Ok(room) = shared.streams.clone().try_acquire_owned()
        && let Ok(mut place) = carried.lock()
    {
        *place = Some((hyper::upgrade::on(&mut request), room));
        return Ok(switching());
    }
    Ok(shared.site.answer(request.method(), request.uri().path()).await)
}

fn switching() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// The value of our cookie, if there is one.
fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let values = headers.get_all(COOKIES).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let mut pairs = values.map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_the_clear_is_as_long_as_it_says() {
        let answer = std::str::from_utf8(NOT_TLS).expect("it is ASCII");
        let (head, body) = answer.split_once("\r\n\r\n").expect("it has both");
        let said = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(said, Some(&*body.len().to_string()));
    }
}
