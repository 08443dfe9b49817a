//! Proxy ports beside the main one (row A2): each leads to exits of one country, or whatever else it is meant to lead to, so
//! that a program is sent somewhere by the port it is given.
//!
//! A port is named in the configuration or opened by a call; one that was opened is there again after a restart, at the same
//! address. Nothing is paid for until a program uses it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use byway_driver::socks::{self, SocksRequest};
use byway_primitives::{Batch, Space, Store};
use tokio::net::TcpListener;

use super::opened::Listening;
use super::way_out::serve_request;
use super::ways::{Way, WayId};
use super::{Actor, PeerNode};
use crate::api::{Answer, ApiError, ProxyPort, ProxyPortOpen, ProxyWish, Reason};

/// Ports that were opened by calls, by address.
const PORTS: Space = Space("proxy-ports");
/// Ports of one node.
const PORTS_MAX: usize = 256;

/// By where a port is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PortSource {
    /// It is there as long as the configuration names it.
    Configuration,
    /// It stays until a call closes it.
    Call,
}

#[derive(Default)]
pub(super) struct ProxyPorts(BTreeMap<SocketAddr, Port>);

struct Port {
    wish: ProxyWish,
    source: PortSource,
    state: State,
}

enum State {
    Open {
        way: WayId,
        _listening: Listening,
    },
    /// It could not be listened at after a restart.
    Taken(String),
}

impl ProxyPorts {
    /// Where the port listens whose way this is.
    pub(super) fn of_way(&self, id: WayId) -> Option<SocketAddr> {
        let is_its = |port: &Port| matches!(port.state, State::Open { way, .. } if way == id);
        self.0.iter().find(|(_, port)| is_its(port)).map(|(listen, _)| *listen)
    }
}

impl PeerNode {
    /// Opens a proxy port for a call.
    ///
    /// # Errors
    /// The address can't be listened at, or there are too many.
    pub(super) async fn open_proxy_port(&self, request: ProxyPortOpen) -> Answer<ProxyPort> {
        let ProxyPortOpen { listen, wish } = request;
        let address = listen.unwrap_or_else(|| (std::net::Ipv4Addr::LOCALHOST, 0).into());
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| ApiError::cannot_listen(address, error))?;
        self.ask(move |actor| actor.open_proxy_port(listener, wish, PortSource::Call)).await
    }
}

impl Actor {
    fn open_proxy_port(&mut self, listener: TcpListener, wish: ProxyWish, source: PortSource) -> Answer<ProxyPort> {
        let listen = listener.local_addr().map_err(|error| ApiError::cannot_listen("this address", error))?;
        if self.proxy_ports.0.len() >= PORTS_MAX && !self.proxy_ports.0.contains_key(&listen) {
            return Err(ApiError::busy("proxy ports"));
        }
        let filter = wish.filter(&self.config.buying);
        let way = Way { pay: wish.pay, ..Way::new(self.clock.now(), filter, Vec::new(), None) };
        let way = self.ways.open(way);
        let listening = self.serve_port(listener, way)?;
        let state = State::Open { way, _listening: listening };
        self.proxy_ports.0.insert(listen, Port { wish, source, state });
        self.take_up_stop(way);
        if source == PortSource::Call {
            let mut batch = Batch::new();
            let value = serde_json::to_vec(&wish).map_err(|_| ApiError::internal())?;
            batch.put(PORTS, listen.to_string(), value);
            self.write_ledger(batch);
        }
        self.proxy_port_view(listen).ok_or_else(ApiError::internal)
    }

    pub(super) fn serve_port(&self, listener: TcpListener, id: WayId) -> Answer<Listening> {
        let exits = self.ways.get(id).ok_or_else(ApiError::internal)?.exits.subscribe();
        let arrive = self.arrive.clone();
        let handle = move |request: SocksRequest| serve_request(request, id, exits.clone(), arrive.clone());
        Ok(Listening(tokio::spawn(socks::serve(listener, socks::server::Limits::default(), handle))))
    }

    pub(super) fn close_proxy_port(&mut self, listen: SocketAddr) -> Answer<()> {
        let port = self.proxy_ports.0.get(&listen).ok_or_else(|| ApiError::proxy_port_not_open(listen))?;
        if port.source == PortSource::Configuration {
            return Err(ApiError::proxy_port_configured(listen));
        }
        if let State::Open { way, .. } = port.state {
            self.close_way(way);
        }
        self.proxy_ports.0.remove(&listen);
        let mut batch = Batch::new();
        batch.delete(PORTS, listen.to_string());
        self.write_ledger(batch);
        Ok(())
    }

    /// All but the main one, by address.
    pub(super) fn proxy_port_views(&self) -> Vec<ProxyPort> {
        self.proxy_ports.0.keys().filter_map(|listen| self.proxy_port_view(*listen)).collect()
    }

    fn proxy_port_view(&self, listen: SocketAddr) -> Option<ProxyPort> {
        let port = self.proxy_ports.0.get(&listen)?;
        let (connection, reason) = match &port.state {
            State::Open { way, .. } => (Some(self.connection_view(self.ways.get(*way)?)), None),
            State::Taken(why) => (None, Some(Reason::new("cannot_listen", why.clone()))),
        };
        let configured = port.source == PortSource::Configuration;
        Some(ProxyPort { listen, wish: port.wish, configured, connection, reason })
    }

    /// Opens what the configuration names, and what calls had opened before a restart.
    ///
    /// # Errors
    /// One that the configuration names can't be listened at.
    pub(super) async fn open_proxy_ports(&mut self) -> Result<(), ApiError> {
        for ProxyPortOpen { listen, wish } in self.config.proxy_ports.clone() {
            let address = listen.ok_or_else(ApiError::internal)?;
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|error| ApiError::cannot_listen(address, error))?;
            self.open_proxy_port(listener, wish, PortSource::Configuration)?;
        }
        for (key, value) in self.ledger_journal.scan_prefix(PORTS, &[]) {
            let listen = std::str::from_utf8(&key).ok().and_then(|text| text.parse::<SocketAddr>().ok());
            let (Some(listen), Ok(wish)) = (listen, serde_json::from_slice::<ProxyWish>(&value)) else { continue };
            if !self.proxy_ports.0.contains_key(&listen) {
                self.reopen_proxy_port(listen, wish).await;
            }
        }
        Ok(())
    }

    async fn reopen_proxy_port(&mut self, listen: SocketAddr, wish: ProxyWish) {
        let opened = match TcpListener::bind(listen).await {
            Ok(listener) => self.open_proxy_port(listener, wish, PortSource::Call).map(drop),
            Err(error) => Err(ApiError::cannot_listen(listen, error)),
        };
        if let Err(error) = opened {
            tracing::warn!(%listen, %error, "a proxy port is not there this time");
            let state = State::Taken(error.to_string());
            self.proxy_ports.0.insert(listen, Port { wish, source: PortSource::Call, state });
        }
    }
}
