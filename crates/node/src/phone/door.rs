//! What the local network reaches: the page, the exchange of a code for a token, and the WebSocket, all at one address under TLS.
//!
//! Checks come in a fixed order, as for the [local API](crate::rpc): how many connections there are, the handshake's time, the head's
//! time and size, `Host` and `Origin`, then path and method; only then a code or a token is looked at. Nothing here is known by a
//! name, so a name that is re-bound to this address shows in `Host`. In the clear nothing is answered, and no CORS headers are sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ORIGIN, UPGRADE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use crate::api::NodeApi;
use crate::bounded::{Bounded, Place};
use crate::page;
use crate::rpc::dispatch::Dispatcher;
use crate::rpc::limits::Limits;
use crate::rpc::{self, Right, Server, gate, stopped};

/// TCP connections at once; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;
/// Those of one address that are not WebSockets yet. A browser opens six.
pub const CONNECTIONS_EACH_MAX: usize = 16;
/// How long a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how large it may be.
const HEAD_WAIT: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a connection lasts that does not become a WebSocket.
const VISIT_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a request that hands in a code.
const CODE_BYTES_MAX: usize = 1 << 10;
/// Where a code is handed in.
pub const LINK_PATH: &str = "/link";

/// How long visitors may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub handshake: Duration,
    pub head: Duration,
    pub visit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { handshake: HANDSHAKE_WAIT, head: HEAD_WAIT, visit: VISIT_WAIT }
    }
}

/// Serves phones on `listener` until `stop` turns true.
///
/// # Errors
/// The listener has no address, or the certificate can't be served.
pub async fn serve<A: NodeApi>(
    listener: TcpListener,
    certificate: &Certificate,
    api: Arc<A>,
    patience: Patience,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let host = listener.local_addr()?.to_string();
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(certificate.server().map_err(io::Error::other)?),
        origin: format!("https://{host}"),
        policy: page::policy(&format!("'self' wss://{host}")),
        host,
        patience,
        server: Server::for_phones(Dispatcher::new(api.clone()), stop.clone()),
        api,
        limits: Limits::default(),
        visits: Mutex::default(),
    });
    let mut listener = Bounded::new(listener, CONNECTIONS_MAX);
    let mut visits = JoinSet::new();
    let mut stop = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            Some(_) = visits.join_next() => {}
            (stream, from) = listener.accept() => {
                let from = from.ip().to_canonical();
                if let Some(visit) = Visit::begin(&door, from) {
                    visits.spawn(visit.serve(stream));
                }
            }
        }
    }
}

struct Door<A> {
    acceptor: TlsAcceptor,
    /// The address and port that it is reached by, as `Host` has them.
    host: String,
    origin: String,
    policy: String,
    patience: Patience,
    server: Arc<Server<Dispatcher<A>>>,
    api: Arc<A>,
    /// How often one address may hand in codes.
    limits: Limits,
    visits: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A connection, counted to its address until it is over or a WebSocket.
struct Visit<A> {
    door: Arc<Door<A>>,
    from: IpAddr,
}

impl<A: NodeApi> Visit<A> {
    /// `None` if there are too many from there.
    fn begin(door: &Arc<Door<A>>, from: IpAddr) -> Option<Self> {
        let mut visits = door.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let count = visits.entry(from).or_default();
        if *count >= CONNECTIONS_EACH_MAX {
            return None;
        }
        *count += 1;
        Some(Self { door: door.clone(), from })
    }

    async fn serve(self, stream: Place) {
        let (door, patience) = (&self.door, self.door.patience);
        // Who does not speak TLS, or not believe the certificate, is gone.
        let Ok(Ok(session)) = timeout(patience.handshake, door.acceptor.accept(stream)).await else { return };
        let answer = |request: hyper::Request<hyper::body::Incoming>| {
            let door = door.clone();
            async move { Ok::<_, Infallible>(handle(&door, self.from, request.map(Body::new)).await) }
        };
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(HEAD_BYTES_MAX);
        let served = server.serve_connection(TokioIo::new(session), service_fn(answer)).with_upgrades();
        // How a visit ends concerns nobody but the visitor.
        let _ = timeout(patience.visit, served).await;
    }
}

impl<A> Drop for Visit<A> {
    fn drop(&mut self) {
        let mut visits = self.door.visits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = visits.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                visits.remove(&self.from);
            }
        }
    }
}

async fn handle<A: NodeApi>(door: &Door<A>, from: IpAddr, request: Request) -> Response {
    let headers = request.headers();
    let is_ours = gate::origin_is(headers, &door.origin);
    if !gate::host_is(headers, &door.host) || (headers.contains_key(ORIGIN) && !is_ours) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match (request.method(), request.uri().path()) {
        // A browser says where a socket or a code comes from; who doesn't is none.
        (&Method::GET, "/") if headers.contains_key(UPGRADE) => match is_ours {
            true => rpc::upgrade(door.server.clone(), from, request).await,
            false => StatusCode::FORBIDDEN.into_response(),
        },
        (&Method::POST, LINK_PATH) => match is_ours {
            true => link(door, from, request).await,
            false => StatusCode::FORBIDDEN.into_response(),
        },
        _ => page::answer(&request, &door.policy),
    }
}

/// What a phone hands in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

/// A token for a code.
async fn link<A: NodeApi>(door: &Door<A>, from: IpAddr, request: Request) -> Response {
    if !rpc::is_json(request.headers()) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    if !door.limits.take(from, Right::Read) {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let Ok(body) = to_bytes(request.into_body(), CODE_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Ok(Code { code }) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    match door.api.phone_take(code).await {
        Ok(linked) => answer(StatusCode::OK, json!(linked)),
        Err(error) => answer(StatusCode::FORBIDDEN, json!({ "error": error.to_json() })),
    }
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [("content-type", "application/json"), ("cache-control", "no-store")], body.to_string()).into_response()
}
