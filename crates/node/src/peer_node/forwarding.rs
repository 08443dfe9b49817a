//! Ports at exits that lead to programs (row A11): at the exit of the main way, for whoever uses it; and here, for clients, as the
//! operator lets them.
//!
//! A forwarded port has a task of its own, which asks whatever exit the main way leads to, and asks the next one when that
//! changes. It is remembered, and asked for again after a restart. The port that an exit gave is asked for first, so that it
//! stays the same for as long as the exit does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use byway_access::session::SessionId;
use byway_driver::exit;
use byway_driver::forwarding::{
    self, CloseError, Forward, ForwardHost, ForwardLimits, HoldEnded, PortRefusal, Told, Wanted, hold, refuse_port,
};
use byway_driver::link::{StreamRecv, StreamSend};
use byway_driver::socks::Reply;
use byway_primitives::{Batch, IdentityId, Space, Store, Time};
use byway_records::offer::{Contact, Service};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::data_plane::Plane;
use super::opened::Listening;
use super::serving::leads_out;
use super::way_out::{Exit, ExitState, find_exit};
use super::ways::WayId;
use super::{Actor, Arrival, SellingConfig};
use crate::api::{
    self as contract, Answer, ApiError, ForwardOpen, ForwardedPort, GivenPort, MarketPortClose, Protocol, Reason,
};

/// Forwarded ports, by where they lead.
const FORWARDS: Space = Space("forwards");
/// Before where one leads that is for UDP.
const UDP_KEY: &str = "udp ";
/// Of one node.
const FORWARDS_MAX: usize = 32;
/// The name of the contact that says at which address an exit forwards ports.
pub(super) const FORWARD_PROTOCOL: &str = "byway-forward/1";
/// The pause before an exit is asked again that lost the port …
const AGAIN: Duration = Duration::from_secs(1);
/// … or that refused one.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// Which ports a provider gives to its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    pub limits: ForwardLimits,
    /// What clients are told that the exit's address is; what the node's links know of it when left out.
    pub public: Option<IpAddr>,
}

/// The ports that this node has asked exits for.
#[derive(Default)]
pub(super) struct Forwards(BTreeMap<Place, Held>);

/// Where a port leads, and what it is for.
pub(super) type Place = (SocketAddr, Protocol);

struct Held {
    wish: Wish,
    state: watch::Receiver<State>,
    _task: Listening,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Wish {
    port: Option<NonZeroU16>,
    #[serde(default)]
    protocol: Protocol,
    proxy_protocol: bool,
    /// What an exit gave last, which is asked for first.
    given: Option<NonZeroU16>,
}

#[derive(Debug, Clone, Default)]
struct State {
    public: Option<SocketAddr>,
    reason: Option<Reason>,
    visitors: usize,
}

impl State {
    fn without(code: &str, why: impl Into<String>) -> Self {
        Self { public: None, reason: Some(Reason::new(code, why.into())), visitors: 0 }
    }
}

impl Actor {
    pub(super) fn open_forward(&mut self, request: ForwardOpen) -> Answer<ForwardedPort> {
        let ForwardOpen { to, protocol, port, proxy_protocol } = request;
        let place = (to, protocol);
        if self.forwards.0.len() >= FORWARDS_MAX && !self.forwards.0.contains_key(&place) {
            return Err(ApiError::busy("forwarded ports"));
        }
        let asked = self.forwards.0.iter().find(|(known, held)| {
            let is_same = held.wish.port == port || held.wish.given == port;
            **known != place && known.1 == protocol && port.is_some() && is_same
        });
        if let Some(((other, _), _)) = asked {
            let why = format!("it is asked for already, for {other}; leave it out, or choose another");
            return Err(ApiError::invalid_params("port", why));
        }
        let wish = Wish { port, protocol, proxy_protocol, given: None };
        self.hold_forward(to, wish);
        self.keep_forward(place);
        self.forward_view(place).ok_or_else(ApiError::internal)
    }

    fn hold_forward(&mut self, to: SocketAddr, wish: Wish) {
        let (told, state) = watch::channel(State::without("waiting", "the exit is asked for it"));
        let holder = Holder { to, wish, exits: self.ways.main.exits.subscribe(), arrive: self.arrive.clone(), told };
        let place = (to, wish.protocol);
        // One that is there already ends with this.
        self.forwards.0.remove(&place);
        let task = Listening(tokio::spawn(holder.run()));
        self.forwards.0.insert(place, Held { wish, state, _task: task });
    }

    fn keep_forward(&mut self, place: Place) {
        let Some(held) = self.forwards.0.get(&place) else { return };
        let value = serde_json::to_vec(&held.wish).expect("numbers, a word and a flag have a JSON form");
        let mut batch = Batch::new();
        batch.put(FORWARDS, key_of(place), value);
        self.write_ledger(batch);
    }

    /// An exit gave this port, so that after a restart it is asked for it again.
    pub(super) fn forward_given(&mut self, place: Place, port: NonZeroU16) {
        if let Some(held) = self.forwards.0.get_mut(&place)
            && held.wish.given.replace(port) != Some(port)
        {
            self.keep_forward(place);
        }
    }

    /// Asks again for what was asked for before a restart.
    pub(super) fn reopen_forwards(&mut self) {
        for (key, value) in self.ledger_journal.scan_prefix(FORWARDS, &[]) {
            let text = std::str::from_utf8(&key).ok();
            let to = text.and_then(|text| text.trim_start_matches(UDP_KEY).parse().ok());
            if let (Some(to), Ok(wish)) = (to, serde_json::from_slice(&value)) {
                self.hold_forward(to, wish);
            }
        }
    }

    pub(super) fn close_forward(&mut self, place: Place) -> Answer<()> {
        self.forwards.0.remove(&place).ok_or_else(|| ApiError::forward_not_open(place.0))?;
        let mut batch = Batch::new();
        batch.delete(FORWARDS, key_of(place));
        self.write_ledger(batch);
        Ok(())
    }

    pub(super) fn forward_views(&self) -> Vec<ForwardedPort> {
        self.forwards.0.keys().filter_map(|place| self.forward_view(*place)).collect()
    }

    fn forward_view(&self, place: Place) -> Option<ForwardedPort> {
        let Held { wish, state, .. } = self.forwards.0.get(&place)?;
        let State { public, reason, visitors } = state.borrow().clone();
        let (Wish { port, proxy_protocol, .. }, (to, protocol)) = (*wish, place);
        Some(ForwardedPort { to, protocol, port, proxy_protocol, public, reason, visitors: visitors as u64 })
    }

    /// The contact by which an offer says that ports are forwarded.
    pub(super) fn forward_contact(&self, selling: &SellingConfig, service: Service) -> Option<Contact> {
        let forwarding = selling.forwarding.as_ref().filter(|_| leads_out(service))?;
        let address = self.forward_address(forwarding)?;
        Some(Contact { protocol: FORWARD_PROTOCOL.to_owned(), data: address.to_string().into_bytes() })
    }

    /// What clients are told that this exit's address is.
    pub(super) fn forward_address(&self, forwarding: &Forwarding) -> Option<IpAddr> {
        let named = self.config.link_public.iter().map(SocketAddr::ip);
        let known = self.links.known_addresses();
        // One at which something listens: the IPv6 socket of all addresses has IPv4, too.
        let listen = forwarding.limits.listen;
        let is_heard = |ip: &IpAddr| ip.is_ipv4() == listen.is_ipv4() || listen == IpAddr::from(Ipv6Addr::UNSPECIFIED);
        forwarding.public.into_iter().chain(named.chain(known).filter(is_heard)).next()
    }

    /// Serves a client's stream that asks for a port, or fetches a visitor.
    pub(super) fn serve_forward(
        &self,
        (client, session): (IdentityId, SessionId),
        plane: Plane,
        (wanted, exit): (Wanted, exit::Exit),
        (mut send, recv): (StreamSend, StreamRecv),
    ) {
        let forwarding = self.config.selling.as_ref().and_then(|selling| selling.forwarding.as_ref());
        let host = self.forward_host.clone().zip(forwarding.and_then(|forwarding| self.forward_address(forwarding)));
        tokio::spawn(async move {
            let Some((host, public)) = host else { return refuse_port(&mut send, &plane.gate).await };
            match wanted {
                Wanted::Port(protocol, port) => {
                    host.serve_port(
                        (client.0, session.0),
                        (protocol, port),
                        public,
                        (send, recv),
                        &plane.gate,
                        &**exit.policy(),
                    )
                    .await;
                }
                Wanted::Visitor(number) => {
                    let outcome = host
                        .serve_visitor(client.0, number, (send, recv), &plane.gate, &plane.meter, &**exit.policy())
                        .await;
                    tracing::trace!(?outcome, "visitor gone");
                }
            }
        });
    }

    /// The ports that clients have here.
    pub(super) fn given_ports(&self) -> Vec<GivenPort> {
        let now = self.clock.now();
        self.forward_host.iter().flat_map(ForwardHost::given).map(|given| given_view(given, now)).collect()
    }

    /// Those that were closed, as they were.
    pub(super) fn close_given_port(&self, request: MarketPortClose) -> Answer<Vec<GivenPort>> {
        let MarketPortClose { port, protocol } = request;
        let not_given = || ApiError::port_not_given(port);
        let host = self.forward_host.as_ref().ok_or_else(not_given)?;
        let now = self.clock.now();
        match host.close(port, protocol.map(Into::into)) {
            Ok(closed) => Ok(closed.into_iter().map(|given| given_view(given, now)).collect()),
            Err(CloseError::NotGiven) => Err(not_given()),
            Err(why @ CloseError::OfTwoClients) => Err(ApiError::invalid_params("protocol", why)),
        }
    }

    pub(super) fn open_forward_host(&mut self) {
        let forwarding = self.config.selling.as_ref().and_then(|selling| selling.forwarding.as_ref());
        self.forward_host = forwarding.map(|forwarding| ForwardHost::new(forwarding.limits.clone()));
    }
}

fn given_view(given: forwarding::GivenPort, now: Time) -> GivenPort {
    GivenPort {
        port: given.port,
        protocol: given.protocol.into(),
        client: IdentityId(given.owner),
        session_id: contract::SessionId(SessionId(given.session).to_string()),
        since_ms: Time(now.0.saturating_sub(given.age.as_millis() as u64)),
        open: given.is_open,
        bytes_down: given.carried.down,
        bytes_up: given.carried.up,
    }
}

/// What is kept of a port for TCP stands under where it leads alone.
fn key_of((to, protocol): Place) -> String {
    match protocol {
        Protocol::Tcp => to.to_string(),
        Protocol::Udp => format!("{UDP_KEY}{to}"),
    }
}

impl From<Protocol> for forwarding::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl From<forwarding::Protocol> for Protocol {
    fn from(protocol: forwarding::Protocol) -> Self {
        match protocol {
            forwarding::Protocol::Tcp => Self::Tcp,
            forwarding::Protocol::Udp => Self::Udp,
        }
    }
}

/// The task of one forwarded port.
struct Holder {
    to: SocketAddr,
    wish: Wish,
    exits: watch::Receiver<ExitState>,
    arrive: mpsc::Sender<Arrival>,
    told: watch::Sender<State>,
}

impl Holder {
    async fn run(mut self) {
        loop {
            let pause = match find_exit(WayId::MAIN, &mut self.exits, &self.arrive).await {
                Ok(exit) => self.hold(exit).await,
                Err(reply) => {
                    let why = match reply {
                        Reply::NotAllowed => "this node is disconnected; `byway connect`",
                        Reply::TtlExpired => "the exit is waited for; `byway status` says why",
                        _ => "there is no exit to have it at; `byway connect --forwards`",
                    };
                    self.told.send_replace(State::without("not_connected", why));
                    REFUSED_AGAIN
                }
            };
            tokio::select! {
                changed = self.exits.changed() => if changed.is_err() { return },
                () = sleep(pause) => {}
            }
        }
    }

    /// Has the port for as long as this exit gives it, and says how long to wait before it is asked again.
    async fn hold(&mut self, exit: Exit) -> Duration {
        let forward = Forward {
            link: exit.link.clone(),
            session: exit.session.0,
            gate: exit.plane.gate.clone(),
            meter: exit.plane.meter.clone(),
            protocol: self.wish.protocol.into(),
            to: self.to,
            tells_from: self.wish.proxy_protocol,
        };
        let (told, arrive, given) = (&self.told, &self.arrive, &mut self.wish.given);
        let place = (self.to, self.wish.protocol);
        let ended = hold(forward, self.wish.port.or(*given), |news| match news {
            Told::Open(public) => {
                *given = NonZeroU16::new(public.port());
                if let Some(port) = *given {
                    // A task that has no room now is told the next time.
                    let _ = arrive.try_send(Arrival::ForwardGiven { place, port });
                }
                told.send_replace(State { public: Some(public), reason: None, visitors: 0 });
            }
            Told::Visitors(visitors) => told.send_modify(|state| {
                state.visitors = visitors;
            }),
            Told::Taken => told.send_modify(|state| state.reason = None),
            Told::NotTaken => told.send_modify(|state| {
                let why = "a visitor was turned away, because no program takes connections there";
                state.reason = Some(Reason::new("not_taken", why.to_owned()));
            }),
        });
        match ended.await {
            // Another exit has other ports.
            HoldEnded::Refused(PortRefusal::Unavailable)
                if self.wish.port.is_none() && self.wish.given.take().is_some() =>
            {
                AGAIN
            }
            HoldEnded::Refused(refusal) => {
                self.told.send_replace(State::without("refused", refusal.to_string()));
                REFUSED_AGAIN
            }
            HoldEnded::Lost => {
                self.told.send_replace(State::without("waiting", "the exit is asked for it again"));
                AGAIN
            }
        }
    }
}
