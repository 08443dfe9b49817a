//! A node's figures over HTTP, for Prometheus: `GET /metrics` and nothing else.
//!
//! There is no token: whoever reaches the port reads them, and can do nothing else.

use std::future::Future;
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
use crate::peer_node::PeerNode;
use crate::rpc::stopped;

/// TCP connections at once: a few scrapers.
const CONNECTIONS_MAX: usize = 8;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whoever has figures. Clones ask the same node.
pub trait Figures: Clone + Send + Sync + 'static {
    /// As OpenMetrics text; `None` once the node has stopped.
    fn figures(&self) -> impl Future<Output = Option<String>> + Send;
}

impl Figures for KernelDesk {
    async fn figures(&self) -> Option<String> {
        KernelDesk::figures(self).await
    }
}

impl Figures for PeerNode {
    async fn figures(&self) -> Option<String> {
        PeerNode::figures(self).await
    }
}

/// Serves the figures of `node` until `stop` turns true.
pub async fn serve<F: Figures>(listener: TcpListener, node: F, stop: watch::Receiver<bool>) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(answer::<F>)).with_state(node);
    axum::serve(Bounded::new(listener, CONNECTIONS_MAX), router).with_graceful_shutdown(stopped(stop)).await
}

async fn answer<F: Figures>(State(node): State<F>) -> Response {
    match node.figures().await {
        Some(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
