//! The provider's side: sessions that this node serves, and the streams that belong to them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use byway_access::exit_policy::{ExitLists, ExitPolicy};
use byway_access::session::{Counters, Limit, Metering, ProviderNews, SessionId, StopReason, Traffic};
use byway_driver::exit::resolve::SystemResolverError;
use byway_driver::exit::{Exit, Limits, Policy, SystemResolver, own};
use byway_driver::forwarding::{ForwardHeader, Wanted as ForwardWanted};
use byway_driver::gate::CloseReason;
use byway_driver::link::{LinkId, Links, StreamRecv, StreamSend};
use byway_driver::service::{self, ServiceHeader};
use byway_driver::socks::{Reply, StreamHeader, Wanted};
use byway_primitives::codec::decode_exact;
use byway_primitives::{IdentityId, Span, Time};
use byway_records::offer::{Network, Service};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::data_plane::{Plane, Report};
use super::using::reason_word;
use super::{Actor, Arrival, SellingConfig};
use crate::api::{Event, Reason, SessionState};
use crate::plugged::protocol::{Session, ToProgram};

/// Streams that may wait for their session to be served.
const EARLY_STREAMS_MAX: usize = 256;
/// Of which one link may have so many.
const EARLY_STREAMS_PER_LINK_MAX: usize = 64;
/// How long they wait.
const EARLY_WAIT: Span = Span::seconds(5);

/// A stream that came before its session was served: the client may use a session as soon as it was accepted, and its
/// word that the channel is up travels on its own.
pub(super) struct EarlyStream {
    link: LinkId,
    session: SessionId,
    wish: Wish,
    send: StreamSend,
    recv: StreamRecv,
    since: Time,
}

/// Where a stream is to lead.
enum Wish {
    /// Out.
    Exit(Wanted),
    /// To the program of the session's service.
    Program,
    /// The other way: from a port here to the client.
    Forward(ForwardWanted),
}

impl Wish {
    fn of_header(header: &[u8]) -> Option<(SessionId, Self)> {
        if let Ok(StreamHeader { session, wanted }) = decode_exact(header) {
            return Some((SessionId(session), Self::Exit(wanted)));
        }
        if let Ok(ForwardHeader { session, wanted }) = decode_exact(header) {
            return Some((SessionId(session), Self::Forward(wanted)));
        }
        let ServiceHeader { session } = decode_exact(header).ok()?;
        Some((SessionId(session), Self::Program))
    }
}

/// A session that is served.
pub(super) struct Served {
    client: IdentityId,
    service: Service,
    plane: Plane,
    /// Bytes that were reported.
    reported: u64,
}

/// Where clients come out: the standard policy, and what the operator allows. What this machine is called is read anew
/// for every connection from what is known at that time, by its interfaces and by the endpoint of its links.
pub(super) fn exit(
    selling: &SellingConfig,
    links: &Arc<Links>,
    lists: watch::Receiver<Arc<ExitLists>>,
) -> Result<Exit, SystemResolverError> {
    let (interfaces, links) = (own::follow(), Arc::downgrade(links));
    let own_networks = move || {
        let mut networks = interfaces.borrow().clone()?;
        let known = links.upgrade().map(|links| links.known_addresses()).unwrap_or_default();
        networks.extend(known.into_iter().map(host));
        Some(networks)
    };
    exit_of(selling.allow.clone(), lists, own_networks)
}

/// What decides where clients come out.
struct Judge<F> {
    allow: Vec<Network>,
    lists: watch::Receiver<Arc<ExitLists>>,
    own_networks: F,
}

impl<F: Fn() -> Option<Vec<Network>> + Send + Sync> Policy for Judge<F> {
    fn choose(&self, name: Option<&str>, addresses: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Reply> {
        // Until it is known what to keep clients from, they are kept from everything.
        let own_networks = (self.own_networks)().ok_or(Reply::GeneralFailure)?;
        let policy = ExitPolicy { operator_allows: self.allow.clone(), own_networks, rules: Vec::new() };
        let lists = self.lists.borrow().clone();
        match lists.choose(&policy, name, addresses, port) {
            Ok(allowed) => Ok(allowed.into_iter().map(|address| address.ip()).collect()),
            Err(denied) => Err(Reply::from_byte(denied.socks_reply().code()).unwrap_or(Reply::GeneralFailure)),
        }
    }

    fn withdrawn<'a>(&'a self, name: Option<&'a str>, to: SocketAddr) -> BoxFuture<'a, ()> {
        let mut lists = self.lists.clone();
        async move {
            // The sender is gone only when the node has stopped.
            if lists.wait_for(|lists| lists.blocks(name, to)).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}

/// An exit of a machine whose own networks are `own_networks`, `None` while they aren't known.
fn exit_of(
    allow: Vec<Network>,
    lists: watch::Receiver<Arc<ExitLists>>,
    own_networks: impl Fn() -> Option<Vec<Network>> + Send + Sync + 'static,
) -> Result<Exit, SystemResolverError> {
    let judge = Judge { allow, lists, own_networks };
    Ok(Exit::new(Arc::new(SystemResolver::new()?), Arc::new(judge), Limits::default()))
}

/// The block of one address.
fn host(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
}

impl Actor {
    pub(super) fn serving_news(&mut self, client: IdentityId, news: ProviderNews) {
        match news {
            ProviderNews::Judge { session, service, request } => self.judge(client, (session, service), request),
            ProviderNews::Unjudged { session, service, is_late } => self.judge_no_more(session, service, is_late),
            ProviderNews::Serve { session, service, limit, request, answer } => {
                if service.is_plugged() {
                    self.begin_plugged(client, (session, service), (request, answer));
                }
                self.serve(client, (session, service), limit);
            }
            ProviderNews::Limit { session, limit } => {
                if let Some(served) = self.served.get(&session) {
                    served.plane.gate.limit_to(limit.number, limit.bytes);
                }
            }
            ProviderNews::Halt { session } => {
                if let Some(served) = self.served.remove(&session) {
                    served.plane.gate.close(CloseReason::Ended);
                }
            }
            ProviderNews::Ended { reason, metering } => {
                tracing::info!(session = %metering.session, %reason, cost = %metering.cost, "session ended");
                self.end_plugged(metering.session, reason);
                self.remember_served(reason, &metering);
            }
            // The market has passed it on to the payments.
            ProviderNews::Earned { .. } => {}
        }
    }

    fn serve(&mut self, client: IdentityId, (session, service): (SessionId, Service), limit: Limit) {
        let plane = match (service, &self.tunnelling.host) {
            (Service::TUNNEL, Some(host)) => host.plane(session),
            (Service::RELAY, _) => self.tunnelling.relay_host.as_ref().and_then(|host| host.plane(session)),
            _ => None,
        };
        let plane = plane.unwrap_or_else(|| Plane::new(0));
        if let Some(pace) = self.pace_of(client) {
            plane.gate.set_pace(pace);
        }
        plane.gate.limit_to(limit.number, limit.bytes);
        let (watched, arrive) = (plane.clone(), self.arrive.clone());
        tokio::spawn(async move {
            watched
                .watch(|report| {
                    let arrive = arrive.clone();
                    async move { arrive.send(Arrival::Served { client, session, report }).await.is_ok() }
                })
                .await;
        });
        if let Some(before) = self.served.insert(session, Served { client, service, plane, reported: 0 }) {
            before.plane.gate.close(CloseReason::Ended);
        }
        self.note_served();
        let (ready, others) = std::mem::take(&mut self.early).into_iter().partition(|early| early.session == session);
        self.early = others;
        let ready: Vec<EarlyStream> = ready;
        ready.into_iter().for_each(|early| self.serve_stream(early));
    }

    /// Keeps in mind what is served: the last word on a session says what it cost, but not on which terms.
    pub(super) fn note_served(&mut self) {
        let sessions = self.market.served_sessions(self.clock.now());
        self.served_views.extend(sessions.into_iter().map(|(client, view)| (view.id, (client, view))));
    }

    /// Keeps an ended session in the list.
    fn remember_served(&mut self, reason: StopReason, metering: &Metering) {
        let Some((client, mut view)) = self.served_views.remove(&metering.session) else { return };
        self.note_ended(metering.session, &view, metering);
        (view.billed, view.cost, view.duration) = (metering.billed, metering.cost, metering.duration);
        let mut ended = self.served_session(client, &view);
        let failed = matches!(reason, StopReason::ChannelFailed | StopReason::Silence | StopReason::DialogueEnded);
        ended.state = if failed { SessionState::Failed } else { SessionState::Closed };
        ended.reason = Some(Reason::new(reason_word(reason), reason.to_string()));
        ended.ended_ms = Some(self.clock.now());
        self.tell(Event::Session(ended.clone()));
        self.keep_session(ended);
    }

    /// Shows how the sessions go that are served.
    pub(super) fn publish_served(&self) {
        for (client, view) in self.market.served_sessions(self.clock.now()) {
            self.tell(Event::Session(self.served_session(client, &view)));
        }
    }

    /// Ends all sessions that are served.
    pub(super) fn stop_serving(&mut self) {
        self.end_served(StopReason::ProviderWish);
    }

    /// The same, for a reason that their clients are told.
    pub(super) fn end_served(&mut self, reason: StopReason) {
        let now = self.clock.now();
        for (client, session) in self.market.served_sessions(now) {
            self.market.stop_serving(now, client, session.id, reason, &self.market_journal);
        }
    }

    /// Lets go of streams whose session never came.
    pub(super) fn forget_early_streams(&mut self) {
        let now = self.clock.now();
        self.early.retain(|early| now < early.since + EARLY_WAIT);
    }

    pub(super) fn was_served(&mut self, client: IdentityId, session: SessionId, report: Report) {
        let Some(served) = self.served.get_mut(&session) else { return };
        let carried = report.metered.total().saturating_sub(served.reported);
        served.reported += carried;
        self.count_carried(carried);
        let traffic = Traffic::new(report.metered.up, report.metered.down);
        let Report { limit, bound, is_short, .. } = report;
        let counters = Counters { traffic, limit, bound, is_short };
        self.market.handle_served(self.clock.now(), client, session, counters, &self.market_journal);
    }

    /// A peer opened a data stream: for a file of a conversation, or it must belong to a session of the identity that talks on this
    /// link.
    pub(super) fn stream(&mut self, link: LinkId, header: &[u8], send: StreamSend, recv: StreamRecv) {
        if let Ok(wanted) = decode_exact(header) {
            return self.give_file(link, wanted, send);
        }
        let Some((session, wish)) = Wish::of_header(header) else {
            tracing::debug!("a data stream with a malformed header");
            return;
        };
        let early = EarlyStream { link, session, wish, send, recv, since: self.clock.now() };
        if self.served.contains_key(&session) {
            self.serve_stream(early);
        } else if self.exit.is_some() && self.has_room_for_early(link) {
            self.early.push(early);
        }
    }

    fn has_room_for_early(&self, link: LinkId) -> bool {
        let of_link = self.early.iter().filter(|early| early.link == link).count();
        self.early.len() < EARLY_STREAMS_MAX && of_link < EARLY_STREAMS_PER_LINK_MAX
    }

    fn serve_stream(&mut self, early: EarlyStream) {
        let EarlyStream { link, session, wish, send, recv, .. } = early;
        let talking = self.market.peer_on(byway_dialogue::LinkId(link.0));
        let served = self.served.get(&session).filter(|served| Some(served.client) == talking);
        let Some(Served { client, service, plane, .. }) = served else {
            tracing::debug!("a data stream of no session here");
            return;
        };
        let (client, plane) = (*client, plane.clone());
        match (wish, &self.exit, self.plugging.program(*service)) {
            (Wish::Exit(wanted), Some(exit), _) if leads_out(*service) => {
                let exit = exit.clone();
                tokio::spawn(async move {
                    let outcome = exit.serve(&wanted, send, recv, &plane.gate, &plane.meter).await;
                    // Where a client goes is nobody's business, so only how it ended is told.
                    tracing::trace!(?outcome, "stream ended");
                });
            }
            (Wish::Program, _, Some(program)) => {
                let (socket, line) = (program.socket().to_owned(), stream_line(session));
                tokio::spawn(async move {
                    let outcome = service::serve(&socket, &line, send, recv, &plane.gate, &plane.meter).await;
                    tracing::trace!(?outcome, "stream ended");
                });
            }
            (Wish::Forward(wanted), Some(exit), _) if leads_out(*service) => {
                self.serve_forward((client, session), plane, (wanted, exit.clone()), (send, recv));
            }
            _ => tracing::debug!("a data stream of another kind than its session"),
        }
    }
}

/// Whether a session of this service is for going where the client wants, by the node's own connections.
pub(super) fn leads_out(service: Service) -> bool {
    matches!(service, Service::SOCKS | Service::TUNNEL)
}

/// What a service's program reads first on a connection that carries a client's stream.
fn stream_line(session: SessionId) -> String {
    ToProgram::Stream { session: Session(session) }.to_line()
}

#[cfg(test)]
mod tests {
    use byway_driver::socks::{Host, Target};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn relays_and_programs_lead_nowhere_by_themselves() {
        assert!([Service::SOCKS, Service::TUNNEL].into_iter().all(leads_out));
        assert!(![Service::RELAY, Service::STORE, Service(u16::MAX)].into_iter().any(leads_out));
    }

    fn networks(blocks: &[&str]) -> Vec<Network> {
        blocks.iter().map(|block| block.parse().expect("a network")).collect()
    }

    async fn refusal(exit: &Exit, address: &str, port: u16) -> Option<Reply> {
        let target = Target { host: Host::Ip(address.parse().expect("an address")), port };
        exit.dial(&target).await.err()
    }

    #[tokio::test]
    async fn clients_do_not_reach_the_machine_they_come_out_of() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let exit = |allow: &[&str], own: Option<&'static [&'static str]>| {
            exit_of(networks(allow), watch::Sender::new(Arc::default()).subscribe(), move || own.map(networks))
                .expect("the system has a resolver configuration")
        };
        let machine: &[&str] = &["127.0.0.1/8", "5.6.7.8/24", "2a00:1::8/64"];
        let own = exit(&[], Some(machine));
        for address in
            ["127.0.0.1", "5.6.7.8", "::ffff:5.6.7.8", "64:ff9b::5.6.7.8", "5.6.7.9", "2a00:1::8", "2a00:1::9"]
        {
            assert_eq!(refusal(&own, address, port).await, Some(Reply::NotAllowed), "{address}");
        }
        let allowed = exit(&["127.0.0.0/8"], Some(machine));
        assert_eq!(refusal(&allowed, "127.0.0.1", port).await, None, "the operator's word counts first");
        let unknowing = exit(&["127.0.0.0/8"], None);
        assert_eq!(refusal(&unknowing, "127.0.0.1", port).await, Some(Reply::GeneralFailure));
    }
}
