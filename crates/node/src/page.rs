//! The web page: the files of `web/dist`, embedded when the crate was built, on a loopback port of its own.
//!
//! The page may load its own files and talk to the local API, nothing else (see the policy in `docs/formats/rpc.md`).
//! `/` is the page; any other path is a file or 404.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::bounded::Bounded;
use crate::rpc::{gate, stopped};

/// TCP connections at once.
const CONNECTIONS_MAX: usize = 64;
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Written by the build script.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/page_files.rs"));
}

/// Serves the page on `listener` until `stop` turns true. `rpc_port` is the one place it may connect to.
pub async fn serve(listener: TcpListener, rpc_port: u16, stop: watch::Receiver<bool>) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let refusal = format!("the web page was to be served on {address}, which others can reach; use 127.0.0.1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
    }
    let router =
        Router::new().fallback(handle).with_state(Arc::new(Page { port: address.port(), policy: policy(rpc_port) }));
    axum::serve(Bounded::new(listener, CONNECTIONS_MAX), router).with_graceful_shutdown(stopped(stop)).await
}

struct Page {
    port: u16,
    policy: String,
}

fn policy(rpc_port: u16) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src blob:; connect-src ws://127.0.0.1:{rpc_port} ws://localhost:{rpc_port}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

async fn handle(State(page): State<Arc<Page>>, request: Request) -> Response {
    if !gate::host_is_ours(request.headers(), page.port) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = match request.uri().path() {
        "/" => "/index.html",
        "/index.html" => return StatusCode::NOT_FOUND.into_response(),
        path => path,
    };
    let Some((path, content)) = find(path) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (CONTENT_TYPE, content_type(path)),
        (CACHE_CONTROL, cache_control(path)),
        (CONTENT_SECURITY_POLICY, &page.policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (OPENER_POLICY, "same-origin"),
        // Voice notes; the browser asks its user all the same.
        (PERMISSIONS_POLICY, "microphone=(self), camera=(), geolocation=(), display-capture=()"),
    ];
    // The server leaves the body of an answer to HEAD out by itself.
    (headers, content).into_response()
}

fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    let index = embedded::FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    embedded::FILES.get(index).copied()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Names under `/assets/` carry a hash of their content.
fn cache_control(path: &str) -> &'static str {
    if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}
