//! The local API over HTTP and WebSocket: JSON-RPC 2.0 on a loopback port, as `docs/formats/rpc.md` says.
//!
//! Checks come in a fixed order, cheapest and most general first: `Host` and `Origin` ([`gate`]), HTTP method, token
//! ([`token`]), content type, size; only then is a message read ([`message`]) and its method called ([`dispatch`]).
//! Repeated calls with an idempotency key are answered from memory ([`replay`]). A [`socket`] also carries
//! subscriptions, thinned out by an [`outbox`].
//!
//! What is carried is a [`Surface`]: all of a market node ([`dispatch`]), or only what is about the kernel ([`kernel`]),
//! which a kernel node may also offer to everyone, under [`limits`]. Nothing here knows what a node does; that is
//! [`NodeApi`]'s and [`KernelApi`]'s.

pub mod dispatch;
pub mod gate;
pub mod kernel;
pub mod limits;
pub mod message;
pub mod outbox;
pub mod replay;
pub mod socket;
pub mod surface;
pub mod token;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::dispatch::Dispatcher;
use self::kernel::KernelDispatcher;
use self::limits::Limits;
use self::message::Call;
use self::surface::Surface;
pub use self::token::{TOKEN_FILE, Token, TokenError};
use crate::api::{AccountNumber, ApiError, ErrorKind, KernelApi, NodeApi, PhoneId};
use crate::bounded::Bounded;

/// Bytes of one request or message.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// WebSockets at once.
pub const SOCKETS_MAX: usize = 16;
/// TCP connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

const SUBPROTOCOL: &str = "byway.v1";
const TOKEN_SUBPROTOCOL: &str = "byway.token.";

/// What the server must know beside the node.
#[derive(Debug, Clone)]
pub struct Settings {
    pub token: Token,
    /// The port of the page, which alone may connect from a browser.
    pub page_port: u16,
}

/// Who may ask a kernel node's server.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever has the token, on this machine.
    Token(Token),
    /// Everyone, for reading; with the token also for sending transactions.
    Public(Token),
    /// Linked phones, by tokens of their own, at their own door ([`door`](crate::phone::door)).
    Phones,
}

/// Serves `api` on `listener`, which must be bound to a loopback address, until `stop` turns true.
pub async fn serve<A: NodeApi>(
    listener: TcpListener,
    settings: Settings,
    api: Arc<A>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let door = Door { access: Access::Token(settings.token), page_port: settings.page_port };
    serve_surface(listener, door, Dispatcher::new(api), stop).await
}

/// Serves what is about the kernel on `listener`, until `stop` turns true. Without [`Access::Public`] the listener must be
/// bound to a loopback address.
pub async fn serve_kernel<A: KernelApi>(
    listener: TcpListener,
    access: Access,
    api: Arc<A>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    // No page of ours is served beside it, and port 0 is nobody's.
    serve_surface(listener, Door { access, page_port: 0 }, KernelDispatcher::new(api), stop).await
}

async fn serve_surface<S: Surface>(
    listener: TcpListener,
    door: Door,
    surface: S,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if matches!(door.access, Access::Token(_)) && !address.ip().is_loopback() {
        let refusal = format!("the local API was to listen on {address}, which others can reach; use 127.0.0.1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
    }
    let server = Arc::new(Server {
        door,
        port: address.port(),
        surface,
        sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
        limits: Limits::default(),
        stop: stop.clone(),
    });
    let router = Router::new().fallback(handle::<S>).with_state(server);
    let service = router.into_make_service_with_connect_info::<Caller>();
    axum::serve(Bounded::new(listener, CONNECTIONS_MAX), service).with_graceful_shutdown(stopped(stop)).await
}

/// Resolves once `stop` is true, or nobody is left to make it so.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Who may come in.
struct Door {
    access: Access,
    page_port: u16,
}

pub(crate) struct Server<S> {
    door: Door,
    port: u16,
    surface: S,
    sockets: Arc<Semaphore>,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
struct Caller(IpAddr);

impl Connected<IncomingStream<'_, Bounded>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(stream.remote_addr().ip().to_canonical())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    All,
    Read,
    /// What a sub-account may, on its bill.
    Account(AccountNumber),
    /// What a phone may.
    Phone(PhoneId),
}

impl Door {
    /// Whether `Host` and `Origin` are ours. A server for everyone has no secret that a page could use against its owner.
    fn knows(&self, headers: &HeaderMap, port: u16) -> bool {
        match self.access {
            Access::Public(_) => true,
            // Their door looks at them itself.
            Access::Phones => false,
            Access::Token(_) => gate::host_is_ours(headers, port) && gate::origin_is_ours(headers, self.page_port),
        }
    }

    /// What a token opens.
    fn right(&self, token: Option<&str>) -> Option<Right> {
        match &self.access {
            Access::Token(known) => token.is_some_and(|token| known.matches(token)).then_some(Right::All),
            Access::Public(known) => match token {
                None => Some(Right::Read),
                Some(token) => known.matches(token).then_some(Right::All),
            },
            Access::Phones => None,
        }
    }
}

impl<S: Surface> Server<S> {
    /// What stands behind the door for phones.
    pub(crate) fn for_phones(surface: S, stop: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            door: Door { access: Access::Phones, page_port: 0 },
            port: 0,
            surface,
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            limits: Limits::default(),
            stop,
        })
    }

    /// What a token opens here: all of it, or what a sub-account may; at the door for phones what a phone may.
    fn right(&self, token: Option<&str>) -> Option<Right> {
        if matches!(self.door.access, Access::Phones) {
            return self.surface.phone(token?).map(Right::Phone);
        }
        self.door.right(token).or_else(|| self.surface.bearer(token?).map(Right::Account))
    }
}

async fn handle<S: Surface>(
    State(server): State<Arc<Server<S>>>,
    ConnectInfo(Caller(caller)): ConnectInfo<Caller>,
    request: Request,
) -> Response {
    let headers = request.headers();
    if !server.door.knows(headers, server.port) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if request.uri().path() != "/" {
        return StatusCode::NOT_FOUND.into_response();
    }
    match *request.method() {
        Method::GET if headers.contains_key(UPGRADE) => upgrade(server, caller, request).await,
        Method::POST => post(server, caller, request).await,
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn post<S: Surface>(server: Arc<Server<S>>, caller: IpAddr, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(right) = server.right(bearer(&parts.headers)) else {
        let error = ApiError::new(
            ErrorKind::BadToken,
            "The token is missing or wrong.",
            "Send `Authorization: Bearer` and the content of the node's token file.",
        );
        return json(StatusCode::UNAUTHORIZED, &message::response(&Value::Null, Err(&error)));
    };
    if !is_json(&parts.headers) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(bytes) = read_body(body).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let response = match Call::parse(&bytes) {
        Err(malformed) => malformed.response(),
        Ok(call) => {
            let answer = match server.limits.take(caller, right) {
                true => server.surface.run(right, call.method, call.params).await,
                false => Err(ApiError::busy("calls from one address")),
            };
            message::response(&call.id, answer.as_ref())
        }
    };
    json(StatusCode::OK, &response)
}

/// A request to become a WebSocket, from where it may come from.
pub(crate) async fn upgrade<S: Surface>(server: Arc<Server<S>>, caller: IpAddr, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let protocols = subprotocols(&parts.headers);
    if !protocols.iter().any(|name| name == SUBPROTOCOL) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let token = protocols.iter().find_map(|name| name.strip_prefix(TOKEN_SUBPROTOCOL));
    let right = server.right(token);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let upgrade =
        upgrade.protocols([SUBPROTOCOL]).max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    upgrade.on_upgrade(async move |socket| {
        let Some(right) = right else {
            return socket::refuse(socket, socket::close::BAD_TOKEN, "bad_token").await;
        };
        let Ok(_place) = server.sockets.clone().try_acquire_owned() else {
            return socket::refuse(socket, socket::close::TOO_MANY, "too many connections").await;
        };
        let visitor = socket::Visitor { right, address: caller, limits: server.limits.clone() };
        socket::serve(socket, server.surface.clone(), visitor, server.stop.clone()).await;
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn subprotocols(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_owned()).collect()
}

async fn read_body(body: Body) -> Result<axum::body::Bytes, axum::Error> {
    to_bytes(body, MESSAGE_BYTES_MAX).await
}

fn json(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
