//! The exit's side: ports, whose they are, and who waits there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Frames, KEPT_FOR, PortRefusal, REFUSAL_BYTES, VISITOR_WAIT, VISITORS_WAITING_MAX, Visitor, VisitorNumber,
    answer_bytes,
};
use crate::entropy;
use crate::gate::Gate;
use crate::link::{StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::{Outcome, Reply, Said, refuse, say, splice};

/// Whose a port is: the client's identity.
pub type Owner = [u8; 20];

/// Ports that are tried for one client, where others of the machine may have some.
const BINDS_MAX: usize = 16;
/// The pause after the system refused to give a connection, which it does when it is out of descriptors.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// What an operator gives away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardLimits {
    /// Where ports are listened at.
    pub listen: IpAddr,
    pub ports: RangeInclusive<u16>,
    /// Ports of one client at one time.
    pub per_client: usize,
}

/// The ports of one exit. Clones share them.
#[derive(Debug, Clone)]
pub struct ForwardHost {
    limits: Arc<ForwardLimits>,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    ports: BTreeMap<u16, Port>,
    visitors: HashMap<u64, Waiting>,
    /// Of the visitor that came last.
    number: u64,
    /// Of the hold that was taken last; never given twice.
    turns: u64,
}

#[derive(Debug)]
struct Port {
    owner: Owner,
    /// Gone while the port is only kept.
    listener: Option<Arc<TcpListener>>,
    /// Which hold has the port; whoever had it sees by that that another has taken over.
    turn: watch::Sender<u64>,
    kept_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    owner: Owner,
    socket: TcpStream,
}

/// One stream's hold on a port. When it is dropped, the port is kept for its owner.
struct Holding {
    table: Arc<Mutex<Table>>,
    owner: Owner,
    port: u16,
    turn: u64,
    turns: watch::Receiver<u64>,
    listener: Arc<TcpListener>,
    /// Visitors that were announced, since when. Some of them may be fetched already.
    waiting: VecDeque<(u64, Instant)>,
}

/// What a port's stream meets.
enum Met {
    Visitor(TcpStream, SocketAddr),
    Refused(u64),
    /// Nothing but time.
    Passed,
    /// The client gives the port back.
    GivenBack,
    Over,
}

/// Answers a client that asks for a port where none are given.
pub async fn refuse_port(send: &mut StreamSend, gate: &Gate) {
    let answer = answer_bytes(Err(PortRefusal::NotOffered));
    tokio::select! {
        told = send.write_all(&answer) => if told.is_ok() { send.finish() },
        _ = gate.closed() => {}
    }
}

impl ForwardHost {
    pub fn new(limits: ForwardLimits) -> Self {
        Self { limits: Arc::new(limits), table: Arc::default() }
    }

    /// Serves a stream that asks for a port, until it ends. `public` is what the client is told that the exit is called.
    pub async fn serve_port(
        &self,
        owner: Owner,
        wished: Option<NonZeroU16>,
        public: IpAddr,
        (mut send, mut recv): (StreamSend, StreamRecv),
        gate: &Gate,
    ) {
        let held = self.take(owner, wished.map(NonZeroU16::get));
        let answer = held.as_ref().map(|held| SocketAddr::new(public, held.port)).map_err(|refusal| *refusal);
        let answer = answer_bytes(answer);
        let told = tokio::select! {
            told = send.write_all(&answer) => told.is_ok(),
            _ = gate.closed() => false,
            () = sleep(VISITOR_WAIT) => false,
        };
        match held {
            Ok(held) if told => held.announce(&mut send, &mut recv, gate).await,
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
        meter: &Meter,
    ) -> Outcome {
        let Some(socket) = self.fetch(owner, number) else {
            return refuse(send, Reply::HostUnreachable, gate).await;
        };
        if say(&mut send, Reply::Succeeded, gate).await == Said::Gone {
            return Outcome::Gone;
        }
        Outcome::Spliced(splice(socket, send, recv, Side::Provider, gate, meter).await)
    }

    fn fetch(&self, owner: Owner, number: VisitorNumber) -> Option<TcpStream> {
        let mut table = lock(&self.table);
        let is_its = table.visitors.get(&number.0).is_some_and(|waiting| waiting.owner == owner);
        let waiting = if is_its { table.visitors.remove(&number.0) } else { None };
        waiting.map(|waiting| waiting.socket)
    }

    /// A port for `owner`: the one that it wishes, or any that is free; where it may have no more, one that is kept for it.
    fn take(&self, owner: Owner, wished: Option<u16>) -> Result<Holding, PortRefusal> {
        let now = Instant::now();
        let mut table = lock(&self.table);
        table.ports.retain(|_, port| port.kept_until.is_none_or(|until| now < until));
        if let Some(number) = wished {
            if !self.limits.ports.contains(&number) {
                return Err(PortRefusal::Unavailable);
            }
            if table.ports.get(&number).is_some_and(|port| port.owner != owner) {
                return Err(PortRefusal::Unavailable);
            }
        }
        let of_owner = |(number, port): &(&u16, &Port)| port.owner == owner && Some(**number) != wished;
        if table.ports.iter().filter(of_owner).count() >= self.limits.per_client {
            // One that is only kept for it may be what it asks for.
            let kept = table.ports.iter().find(|found| of_owner(found) && found.1.listener.is_none());
            let kept = kept.map(|(number, _)| *number).filter(|_| wished.is_none());
            let number = kept.ok_or(PortRefusal::TooMany)?;
            return self.hold(&mut table, owner, number).ok_or(PortRefusal::Unavailable);
        }
        let number = match wished {
            Some(number) => number,
            None => return self.take_any(&mut table, owner),
        };
        self.hold(&mut table, owner, number).ok_or(PortRefusal::Unavailable)
    }

    fn take_any(&self, table: &mut Table, owner: Owner) -> Result<Holding, PortRefusal> {
        let free: Vec<u16> = self.limits.ports.clone().filter(|number| !table.ports.contains_key(number)).collect();
        // Not the one that was given back last, whose visitors still come.
        let start = entropy::number() as usize % free.len().max(1);
        for number in free.iter().cycle().skip(start).take(free.len().min(BINDS_MAX)) {
            if let Some(held) = self.hold(table, owner, *number) {
                return Ok(held);
            }
        }
        Err(if free.is_empty() { PortRefusal::NoneLeft } else { PortRefusal::Failed })
    }

    /// `None` where the system doesn't give the port.
    fn hold(&self, table: &mut Table, owner: Owner, number: u16) -> Option<Holding> {
        let open = table.ports.get(&number).and_then(|port| port.listener.clone());
        let listener = match open {
            Some(listener) => listener,
            None => Arc::new(listen(SocketAddr::new(self.limits.listen, number)).ok()?),
        };
        let port = table.ports.entry(number).or_insert_with(|| Port {
            owner,
            listener: None,
            turn: watch::Sender::new(0),
            kept_until: None,
        });
        (port.listener, port.kept_until) = (Some(listener.clone()), None);
        table.turns += 1;
        let turn = table.turns;
        port.turn.send_replace(turn);
        let mut turns = port.turn.subscribe();
        turns.mark_unchanged();
        let table = self.table.clone();
        Some(Holding { table, owner, port: number, turn, turns, listener, waiting: VecDeque::new() })
    }
}

impl Holding {
    /// Tells the client of visitors for as long as it has the port.
    async fn announce(mut self, send: &mut StreamSend, recv: &mut StreamRecv, gate: &Gate) {
        let (mut refusals, cut) = (Frames::<REFUSAL_BYTES>::new(), send.cut());
        tokio::pin!(cut);
        loop {
            let next = self.next(recv, &mut refusals);
            let met = tokio::select! {
                met = next => met,
                _ = &mut cut => return,
                _ = gate.closed() => return,
            };
            match met {
                Met::Visitor(socket, from) => {
                    let visitor = Visitor { number: self.welcome(socket), from }.to_bytes();
                    tokio::select! {
                        _ = self.turns.changed() => return,
                        // Whoever doesn't read has no use for visitors.
                        () = sleep(VISITOR_WAIT) => return,
                        told = send.write_all(&visitor) => if told.is_err() { return },
                        _ = gate.closed() => return,
                    }
                }
                Met::Refused(number) => {
                    let mut table = lock(&self.table);
                    if table.visitors.get(&number).is_some_and(|waiting| waiting.owner == self.owner) {
                        table.visitors.remove(&number);
                    }
                }
                Met::Passed => {}
                Met::GivenBack => {
                    let mut table = lock(&self.table);
                    if table.ports.get(&self.port).is_some_and(|port| *port.turn.borrow() == self.turn) {
                        table.ports.remove(&self.port);
                    }
                    drop(table);
                    return send.finish();
                }
                Met::Over => return,
            }
        }
    }

    async fn next(&mut self, recv: &mut StreamRecv, refusals: &mut Frames<REFUSAL_BYTES>) -> Met {
        self.forget_fetched();
        let has_room = self.waiting.len() < VISITORS_WAITING_MAX;
        let oldest = self.waiting.front().map(|(_, since)| *since + VISITOR_WAIT);
        tokio::select! {
            accepted = self.listener.accept(), if has_room => match accepted {
                Ok((socket, from)) => Met::Visitor(socket, SocketAddr::new(from.ip().to_canonical(), from.port())),
                Err(error) => {
                    tracing::warn!(%error, port = self.port, "a forwarded port can't accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    Met::Passed
                }
            },
            refused = refusals.next(recv) => match refused {
                Ok(Some(number)) => Met::Refused(u64::from_be_bytes(number)),
                Ok(None) => Met::GivenBack,
                Err(_) => Met::Over,
            },
            () = until(oldest) => {
                self.turn_away_late();
                Met::Passed
            }
            _ = self.turns.changed() => Met::Over,
        }
    }

    fn welcome(&mut self, socket: TcpStream) -> VisitorNumber {
        // Small answers shouldn't wait for each other. It works without, too.
        let _ = socket.set_nodelay(true);
        let mut table = lock(&self.table);
        table.number += 1;
        let number = table.number;
        table.visitors.insert(number, Waiting { owner: self.owner, socket });
        self.waiting.push_back((number, Instant::now()));
        VisitorNumber(number)
    }

    fn forget_fetched(&mut self) {
        let table = lock(&self.table);
        self.waiting.retain(|(number, _)| table.visitors.contains_key(number));
    }

    fn turn_away_late(&mut self) {
        let (mut table, now) = (lock(&self.table), Instant::now());
        while let Some((number, since)) = self.waiting.front().copied()
            && now >= since + VISITOR_WAIT
        {
            table.visitors.remove(&number);
            self.waiting.pop_front();
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        self.waiting.iter().for_each(|(number, _)| drop(table.visitors.remove(number)));
        if let Some(port) = table.ports.get_mut(&self.port)
            && *port.turn.borrow() == self.turn
        {
            (port.listener, port.kept_until) = (None, Some(Instant::now() + KEPT_FOR));
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// For ever where there is nothing to wait for.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Owner = [1; 20];
    const BERT: Owner = [2; 20];

    /// An exit with so many ports, which were free a moment ago.
    fn host(ports: u16, per_client: usize) -> ForwardHost {
        for first in (42_000..60_000).step_by(usize::from(ports)) {
            let range = first..=first + ports - 1;
            let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
            if range.clone().all(is_free) {
                return ForwardHost::new(ForwardLimits { listen: [127, 0, 0, 1].into(), ports: range, per_client });
            }
        }
        panic!("no ports are free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_its_owners_and_is_kept_for_a_while() {
        let host = host(2, 1);
        let first = *host.limits.ports.start();
        let held = host.take(ANNA, Some(first)).unwrap();
        assert_eq!(host.take(BERT, Some(first)).err(), Some(PortRefusal::Unavailable));
        assert_eq!(host.take(ANNA, Some(first + 1)).err(), Some(PortRefusal::TooMany));
        assert_eq!(host.take(BERT, Some(1)).err(), Some(PortRefusal::Unavailable), "outside the range");
        let others = host.take(BERT, None).unwrap();
        assert_eq!(others.port, first + 1);
        assert_eq!(host.take([3; 20], None).err(), Some(PortRefusal::NoneLeft));
        drop(held);
        assert_eq!(host.take(BERT, Some(first)).err(), Some(PortRefusal::Unavailable), "kept");
        assert_eq!(host.take(ANNA, None).map(|held| held.port).ok(), Some(first), "for its owner, who has no more");
        tokio::time::advance(KEPT_FOR).await;
        drop(others);
        assert_eq!(
            host.take(BERT, Some(first)).map(|held| held.port).err(),
            Some(PortRefusal::TooMany),
            "it has its own"
        );
        assert_eq!(host.take([3; 20], Some(first)).map(|held| held.port).ok(), Some(first), "and then for anyone");
    }

    #[tokio::test]
    async fn whoever_comes_back_before_its_old_stream_is_missed_takes_over() {
        let host = host(1, 1);
        let mut old = host.take(ANNA, None).unwrap();
        let new = host.take(ANNA, Some(old.port)).unwrap();
        old.turns.changed().await.unwrap();
        drop(old);
        assert!(lock(&host.table).ports[&new.port].listener.is_some(), "the old one's end does not close it");
    }

    #[tokio::test]
    async fn a_hold_that_is_over_takes_nothing_from_who_has_the_port_now() {
        let host = host(1, 1);
        let old = host.take(ANNA, None).unwrap();
        // As when another stream of hers gives the port back.
        lock(&host.table).ports.clear();
        let stale = Holding {
            listener: old.listener.clone(),
            table: old.table.clone(),
            turns: old.turns.clone(),
            waiting: VecDeque::new(),
            ..old
        };
        let number = stale.port;
        lock(&host.table).ports.insert(
            number,
            Port { owner: BERT, listener: Some(stale.listener.clone()), turn: watch::Sender::new(0), kept_until: None },
        );
        let berts = host.take(BERT, Some(number)).unwrap();
        drop(stale);
        assert!(lock(&host.table).ports[&berts.port].listener.is_some(), "Bert's");
    }

    #[tokio::test]
    async fn nobody_else_fetches_a_visitor() {
        let host = host(1, 1);
        let mut held = host.take(ANNA, None).unwrap();
        let (visitor, accepted) =
            tokio::join!(TcpStream::connect(held.listener.local_addr().unwrap()), held.listener.accept());
        let number = held.welcome(accepted.unwrap().0);
        assert!(host.fetch(BERT, number).is_none());
        assert!(host.fetch(ANNA, number).is_some());
        assert!(host.fetch(ANNA, number).is_none(), "and once");
        drop(visitor);
    }
}
