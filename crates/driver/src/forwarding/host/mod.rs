//! The exit's side: ports, whose they are, and who waits there.

mod flows;
mod holding;
mod table;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::flows::Flows;
use self::holding::Holding;
use self::table::{Caller, Port, PortKey, PortSocket, Table, Waiting, lock};
use super::flow::carry;
use super::{PortRefusal, Protocol, SHUT_OUT_FOR, VISITOR_WAIT, VisitorNumber, answer_bytes};
use crate::entropy;
use crate::exit::Policy;
use crate::gate::Gate;
use crate::link::{StreamRecv, StreamSend};
use crate::meter::{Meter, Metered, Side};
use crate::socks::{Ended, Outcome, Reply, Said, SessionTag, refuse, say, splice};

/// Whose a port is: the client's identity.
pub type Owner = [u8; 20];

/// Ports that are tried for one client, where others of the machine may have some.
const BINDS_MAX: usize = 16;

/// What an operator gives away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Where ports are listened at.
    pub listen: IpAddr,
    pub ports: RangeInclusive<u16>,
    /// Ports of one client at one time.
    pub per_client: usize,
    /// How long nothing may come of a visitor by UDP.
    pub flow_idle_max: Duration,
}

/// A port that a client has, as its operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenPort {
    pub protocol: Protocol,
    pub port: u16,
    pub owner: Owner,
    /// The one by which it was asked for last.
    pub session: SessionTag,
    /// Since it is this client's.
    pub age: Duration,
    /// It is only kept where it isn't.
    pub is_open: bool,
    /// What its visitors carried.
    pub carried: Metered,
}

/// Why no port was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    #[error("no client has this port")]
    NotGiven,
    #[error("one client has this port for TCP and another one for UDP; say which")]
    OfTwoClients,
}

/// The ports of one exit. Clones share them.
#[derive(Clone)]
pub struct ForwardHost {
    limits: Arc<ForwardLimits>,
    table: Arc<Mutex<Table>>,
}

/// Answers a client that asks for a port where none are given.
pub async fn refuse_port(send: &mut StreamSend, gate: &Gate) {
    let answer = answer_bytes(Err(PortRefusal::NotOffered));
    tokio::select! {
        told = send.write_all(&answer) => if told.is_ok() { send.finish() },
        _ = gate.closed() => {}
    }
}

impl GivenPort {
    fn of((protocol, number): PortKey, port: &Port) -> Self {
        Self {
            protocol,
            port: number,
            owner: port.owner,
            session: port.session,
            age: port.since.elapsed(),
            is_open: port.socket.is_some(),
            carried: port.visits.meter.read(),
        }
    }
}

impl ForwardHost {
    pub fn new(limits: ForwardLimits) -> Self {
        Self { limits: Arc::new(limits), table: Arc::default() }
    }

    /// The ports that clients have, by number.
    pub fn given(&self) -> Vec<GivenPort> {
        let mut table = lock(&self.table);
        forget_kept(&mut table);
        let mut given: Vec<GivenPort> = table.ports.iter().map(|(key, port)| GivenPort::of(*key, port)).collect();
        given.sort_by_key(|given| (given.port, given.protocol));
        given
    }

    /// Takes back the port of this number that is for `protocol`, or whichever a client has where that is left out; ends what its
    /// visitors carry, and gives its client none for [`SHUT_OUT_FOR`]. Says whose it was.
    pub fn close(&self, number: u16, protocol: Option<Protocol>) -> Result<Vec<GivenPort>, CloseError> {
        let mut table = lock(&self.table);
        forget_kept(&mut table);
        let of_number = [Protocol::Tcp, Protocol::Udp].map(|protocol| (protocol, number)).into_iter();
        let meant = of_number.filter(|(known, _)| protocol.is_none_or(|protocol| protocol == *known));
        let closed: Vec<GivenPort> =
            meant.filter_map(|key| table.ports.get(&key).map(|port| GivenPort::of(key, port))).collect();
        match &closed[..] {
            [] => return Err(CloseError::NotGiven),
            [one, other] if one.owner != other.owner => return Err(CloseError::OfTwoClients),
            _ => {}
        }
        let until = Instant::now() + SHUT_OUT_FOR;
        for port in closed.iter().filter_map(|given| table.ports.remove(&(given.protocol, number))).collect::<Vec<_>>()
        {
            table.shut_out.insert(port.owner, until);
            // The stream that holds it sees by this that it has it no more.
            port.turn.send_replace(u64::MAX);
            port.visits.shut.send_replace(true);
        }
        Ok(closed)
    }

    /// Serves a stream that asks for a port, until it ends. `public` is what the client is told that the exit is called.
    pub async fn serve_port(
        &self,
        (owner, session): (Owner, SessionTag),
        (protocol, wished): (Protocol, Option<NonZeroU16>),
        public: IpAddr,
        (mut send, mut recv): (StreamSend, StreamRecv),
        gate: &Gate,
        policy: &dyn Policy,
    ) {
        let held = self.take(owner, (protocol, session), wished.map(NonZeroU16::get));
        let answer = held.as_ref().map(|held| SocketAddr::new(public, held.port.1)).map_err(|refusal| *refusal);
        let answer = answer_bytes(answer);
        let told = tokio::select! {
            told = send.write_all(&answer) => told.is_ok(),
            _ = gate.closed() => false,
            () = sleep(VISITOR_WAIT) => false,
        };
        match held {
            Ok(held) if told => held.announce((&mut send, &mut recv), gate, policy).await,
            Ok(_) => {}
            Err(_) => send.finish(),
        }
    }

    /// Serves a stream that fetches a visitor.
    pub async fn serve_visitor(
        &self,
        owner: Owner,
        number: VisitorNumber,
        (mut send, recv): (StreamSend, StreamRecv),
        gate: &Gate,
        meter: &Arc<Meter>,
        policy: &dyn Policy,
    ) -> Outcome {
        let Some(Waiting { from, caller, visits, .. }) = self.fetch(owner, number) else {
            return refuse(send, Reply::HostUnreachable, gate).await;
        };
        if say(&mut send, Reply::Succeeded, gate).await == Said::Gone {
            return Outcome::Gone;
        }
        let meter = Meter::passing_on_to([meter.clone(), visits.meter.clone()]);
        let carried = async {
            match caller {
                Caller::Connection(socket) => splice(socket, send, recv, Side::Provider, gate, &meter).await,
                Caller::Flow(flow) => carry(flow, from, (send, recv), gate, &meter).await,
            }
        };
        tokio::select! {
            ended = carried => Outcome::Spliced(ended),
            () = visits.shut() => Outcome::Gone,
            () = policy.withdrawn(None, from) => Outcome::Spliced(Ended::Withdrawn),
        }
    }

    fn fetch(&self, owner: Owner, number: VisitorNumber) -> Option<Waiting> {
        let mut table = lock(&self.table);
        let is_its = table.visitors.get(&number.0).is_some_and(|waiting| waiting.owner == owner);
        let fetched = if is_its { table.visitors.remove(&number.0) } else { None };
        // There is room for another to wait.
        fetched.inspect(|waiting| waiting.visits.fetched.notify_one())
    }

    /// A port for `owner`: the one that it wishes, or any that is free; where it may have no more, one that is kept for it.
    fn take(&self, owner: Owner, what: (Protocol, SessionTag), wished: Option<u16>) -> Result<Holding, PortRefusal> {
        let mut table = lock(&self.table);
        forget_kept(&mut table);
        if table.shut_out.contains_key(&owner) {
            return Err(PortRefusal::ShutOut);
        }
        let protocol = what.0;
        if let Some(number) = wished {
            let is_others = table.ports.get(&(protocol, number)).is_some_and(|port| port.owner != owner);
            if is_others || !self.limits.ports.contains(&number) {
                return Err(PortRefusal::Unavailable);
            }
        }
        let wished = wished.map(|number| (protocol, number));
        let of_owner = |(key, port): &(&PortKey, &Port)| port.owner == owner && Some(**key) != wished;
        if table.ports.iter().filter(of_owner).count() >= self.limits.per_client {
            // One that is only kept for it may be what it asks for.
            let is_kept = |found: &(&PortKey, &Port)| of_owner(found) && found.1.socket.is_none();
            let kept = table.ports.iter().find(|found| is_kept(found) && found.0.0 == protocol);
            let kept = kept.map(|(key, _)| *key).filter(|_| wished.is_none());
            let key = kept.ok_or(PortRefusal::TooMany)?;
            return self.hold(&mut table, owner, what, key.1).ok_or(PortRefusal::Unavailable);
        }
        match wished {
            Some((_, number)) => self.hold(&mut table, owner, what, number).ok_or(PortRefusal::Unavailable),
            None => self.take_any(&mut table, owner, what),
        }
    }

    fn take_any(&self, table: &mut Table, owner: Owner, what: (Protocol, SessionTag)) -> Result<Holding, PortRefusal> {
        let is_free = |number: &u16| !table.ports.contains_key(&(what.0, *number));
        let free: Vec<u16> = self.limits.ports.clone().filter(is_free).collect();
        // Not the one that was given back last, whose visitors still come.
        let start = entropy::number() as usize % free.len().max(1);
        for number in free.iter().cycle().skip(start).take(free.len().min(BINDS_MAX)) {
            if let Some(held) = self.hold(table, owner, what, *number) {
                return Ok(held);
            }
        }
        Err(if free.is_empty() { PortRefusal::NoneLeft } else { PortRefusal::Failed })
    }

    /// `None` where the system doesn't give the port.
    fn hold(
        &self,
        table: &mut Table,
        owner: Owner,
        (protocol, session): (Protocol, SessionTag),
        number: u16,
    ) -> Option<Holding> {
        let key = (protocol, number);
        let open = table.ports.get(&key).and_then(|port| port.socket.clone());
        let socket = match open {
            Some(socket) => socket,
            None => PortSocket::open(protocol, SocketAddr::new(self.limits.listen, number)).ok()?,
        };
        let port = table.ports.entry(key).or_insert_with(|| Port::new(owner, session));
        (port.socket, port.kept_until, port.session) = (Some(socket.clone()), None, session);
        table.turns += 1;
        let turn = table.turns;
        port.turn.send_replace(turn);
        let mut turns = port.turn.subscribe();
        turns.mark_unchanged();
        let (visits, flows) = (port.visits.clone(), Flows::new(self.limits.flow_idle_max));
        let table = self.table.clone();
        Some(Holding { table, owner, port: key, turn, turns, socket, visits, flows, waiting: VecDeque::new() })
    }
}

/// What was only kept, and for long enough, is nobody's; and who was shut out for long enough may come back.
fn forget_kept(table: &mut Table) {
    let now = Instant::now();
    table.ports.retain(|_, port| port.kept_until.is_none_or(|until| now < until));
    table.shut_out.retain(|_, until| now < *until);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use tokio::net::TcpStream;

    use super::super::{FLOW_IDLE, KEPT_FOR};
    use super::*;

    const ANNA: Owner = [1; 20];
    const BERT: Owner = [2; 20];
    const TCP: (Protocol, SessionTag) = (Protocol::Tcp, [0; 16]);
    const UDP: (Protocol, SessionTag) = (Protocol::Udp, [0; 16]);

    /// An exit with so many ports, which were free a moment ago. Each is given to one exit alone, and none is of those that the
    /// system gives to whoever wants any: tests run beside each other.
    fn host(ports: u16, per_client: usize) -> ForwardHost {
        static NEXT: AtomicU16 = AtomicU16::new(22_000);
        loop {
            let first = NEXT.fetch_add(ports, Ordering::Relaxed);
            assert!(first < 32_000, "no ports are free");
            let range = first..=first + ports - 1;
            let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
            if range.clone().all(is_free) {
                return ForwardHost::new(ForwardLimits {
                    listen: [127, 0, 0, 1].into(),
                    ports: range,
                    per_client,
                    flow_idle_max: FLOW_IDLE,
                });
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_its_owners_and_is_kept_for_a_while() {
        let host = host(2, 1);
        let first = *host.limits.ports.start();
        let held = host.take(ANNA, TCP, Some(first)).unwrap();
        assert_eq!(host.take(BERT, TCP, Some(first)).err(), Some(PortRefusal::Unavailable));
        assert_eq!(host.take(ANNA, TCP, Some(first + 1)).err(), Some(PortRefusal::TooMany));
        assert_eq!(host.take(BERT, TCP, Some(1)).err(), Some(PortRefusal::Unavailable), "outside the range");
        let others = host.take(BERT, TCP, None).unwrap();
        assert_eq!(others.port.1, first + 1);
        assert_eq!(host.take([3; 20], TCP, None).err(), Some(PortRefusal::NoneLeft));
        drop(held);
        assert_eq!(host.take(BERT, TCP, Some(first)).err(), Some(PortRefusal::Unavailable), "kept");
        assert_eq!(
            host.take(ANNA, TCP, None).map(|held| held.port.1).ok(),
            Some(first),
            "for its owner, who has no more"
        );
        tokio::time::advance(KEPT_FOR).await;
        drop(others);
        assert_eq!(
            host.take(BERT, TCP, Some(first)).map(|held| held.port.1).err(),
            Some(PortRefusal::TooMany),
            "it has its own"
        );
        assert_eq!(
            host.take([3; 20], TCP, Some(first)).map(|held| held.port.1).ok(),
            Some(first),
            "and then for anyone"
        );
    }

    #[tokio::test]
    async fn whoever_comes_back_before_its_old_stream_is_missed_takes_over() {
        let host = host(1, 1);
        let mut old = host.take(ANNA, TCP, None).unwrap();
        let new = host.take(ANNA, TCP, Some(old.port.1)).unwrap();
        old.turns.changed().await.unwrap();
        drop(old);
        assert!(lock(&host.table).ports[&new.port].socket.is_some(), "the old one's end does not close it");
    }

    #[tokio::test]
    async fn a_hold_that_is_over_takes_nothing_from_who_has_the_port_now() {
        let host = host(1, 1);
        let old = host.take(ANNA, TCP, None).unwrap();
        // As when another stream of hers gives the port back.
        lock(&host.table).ports.clear();
        let number = old.port;
        let berts = Port { socket: Some(old.socket.clone()), ..Port::new(BERT, [0; 16]) };
        lock(&host.table).ports.insert(number, berts);
        let berts = host.take(BERT, TCP, Some(number.1)).unwrap();
        drop(old);
        assert!(lock(&host.table).ports[&berts.port].socket.is_some(), "Bert's");
    }

    #[tokio::test]
    async fn nobody_else_fetches_a_visitor() {
        let host = host(1, 1);
        let mut held = host.take(ANNA, TCP, None).unwrap();
        let PortSocket::Listener(listener) = held.socket.clone() else { panic!("a port for TCP") };
        let (visitor, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (socket, from) = accepted.unwrap();
        let number = held.welcome(Caller::Connection(socket), from);
        assert!(host.fetch(BERT, number).is_none());
        assert!(host.fetch(ANNA, number).is_some());
        assert!(host.fetch(ANNA, number).is_none(), "and once");
        drop(visitor);
    }

    #[tokio::test(start_paused = true)]
    async fn one_number_is_given_for_tcp_and_for_udp_and_both_count() {
        let host = host(1, 2);
        let number = *host.limits.ports.start();
        let held = [TCP, UDP].map(|what| host.take(ANNA, what, Some(number)).unwrap());
        assert_eq!(host.take(BERT, UDP, Some(number)).err(), Some(PortRefusal::Unavailable));
        let given = host.given();
        let seen: Vec<_> = given.iter().map(|port| (port.protocol, port.port, port.owner, port.is_open)).collect();
        assert_eq!(seen, [(Protocol::Tcp, number, ANNA, true), (Protocol::Udp, number, ANNA, true)]);
        drop(held);
        assert!(host.given().iter().all(|port| !port.is_open), "kept");
        tokio::time::advance(KEPT_FOR).await;
        assert_eq!(host.given(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_its_operator_closes_is_gone_and_its_client_gets_none_for_a_day() {
        let host = host(2, 2);
        let mut held = host.take(ANNA, TCP, None).unwrap();
        let number = held.port.1;
        let visits = held.visits.clone();
        assert_eq!(host.close(number + 9, None), Err(CloseError::NotGiven));
        assert_eq!(host.close(number, Some(Protocol::Udp)), Err(CloseError::NotGiven));
        let closed = host.close(number, None).unwrap();
        assert_eq!(closed.iter().map(|port| (port.port, port.owner)).collect::<Vec<_>>(), [(number, ANNA)]);
        held.turns.changed().await.unwrap();
        visits.shut().await;
        drop(held);
        assert_eq!(host.given(), []);
        assert_eq!(host.take(ANNA, UDP, None).err(), Some(PortRefusal::ShutOut));
        let berts = host.take(BERT, TCP, Some(number)).unwrap();
        assert_eq!(berts.port.1, number, "and others do");
        tokio::time::advance(SHUT_OUT_FOR).await;
        assert!(host.take(ANNA, UDP, None).is_ok());
    }

    #[tokio::test]
    async fn of_a_number_that_two_clients_have_one_port_is_closed_and_the_other_stays() {
        let host = host(1, 2);
        let number = *host.limits.ports.start();
        let annas = host.take(ANNA, TCP, Some(number)).unwrap();
        let mut berts = host.take(BERT, UDP, Some(number)).unwrap();
        assert_eq!(host.close(number, None), Err(CloseError::OfTwoClients));
        let closed = host.close(number, Some(Protocol::Udp)).unwrap();
        assert_eq!(closed.iter().map(|port| (port.protocol, port.owner)).collect::<Vec<_>>(), [(Protocol::Udp, BERT)]);
        berts.turns.changed().await.unwrap();
        drop(berts);
        assert_eq!(host.given().iter().map(|port| port.owner).collect::<Vec<_>>(), [ANNA], "hers stays");
        assert_eq!(host.take(BERT, TCP, None).err(), Some(PortRefusal::ShutOut));
        let annas_second = host.take(ANNA, UDP, Some(number)).unwrap();
        assert_eq!(host.close(number, None).unwrap().len(), 2, "both are hers");
        drop((annas, annas_second));
    }
}
