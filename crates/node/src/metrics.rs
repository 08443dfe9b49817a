//! A kernel node's figures over HTTP, for Prometheus: `GET /metrics` and nothing else.
//!
//! There is no token: whoever reaches the port reads them, and can do nothing else.

use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::bounded::Bounded;
use crate::kernel_node::KernelDesk;
use crate::rpc::stopped;

/// TCP connections at once: a few scrapers.
const CONNECTIONS_MAX: usize = 8;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the figures of the node behind `desk` until `stop` turns true.
pub async fn serve(listener: TcpListener, desk: KernelDesk, stop: watch::Receiver<bool>) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(figures)).with_state(desk);
    axum::serve(Bounded::new(listener, CONNECTIONS_MAX), router).with_graceful_shutdown(stopped(stop)).await
}

async fn figures(State(desk): State<KernelDesk>) -> Response {
    match desk.figures().await {
        Some(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
