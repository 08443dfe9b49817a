//! One stream's hold on a port: it tells the client of visitors for as long as it has the port.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::flow::FlowEnd;
use super::super::{Frames, KEPT_FOR, REFUSAL_BYTES, VISITOR_WAIT, VISITORS_WAITING_MAX, Visitor, VisitorNumber};
use super::Owner;
use super::flows::Flows;
use super::table::{Caller, PortKey, PortSocket, Table, Visits, Waiting, lock};
use crate::exit::Policy;
use crate::gate::Gate;
use crate::link::{StreamRecv, StreamSend};
use crate::socks::associate::passes;

/// The pause after the system refused to give a connection, which it does when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// When it is dropped, the port is kept for its owner.
pub(super) struct Holding {
    pub table: Arc<Mutex<Table>>,
    pub owner: Owner,
    pub port: PortKey,
    pub turn: u64,
    pub turns: watch::Receiver<u64>,
    pub socket: PortSocket,
    pub visits: Visits,
    pub flows: Flows,
    /// Visitors that were announced, since when. Some of them may be fetched already.
    pub waiting: VecDeque<(u64, Instant)>,
}

/// What a port's stream meets.
enum Met {
    Visitor(Caller, SocketAddr),
    Refused(u64),
    /// Nothing but time.
    Passed,
    /// The client gives the port back.
    GivenBack,
    Over,
}

impl Holding {
    pub async fn announce(
        mut self,
        (send, recv): (&mut StreamSend, &mut StreamRecv),
        gate: &Gate,
        policy: &dyn Policy,
    ) {
        let (mut refusals, cut) = (Frames::<REFUSAL_BYTES>::new(), send.cut());
        tokio::pin!(cut);
        loop {
            let next = self.next(recv, &mut refusals, policy);
            let met = tokio::select! {
                met = next => met,
                _ = &mut cut => return,
                _ = gate.closed() => return,
            };
            match met {
                Met::Visitor(caller, from) => {
                    let visitor = Visitor { number: self.welcome(caller, from), from: canonical(from) }.to_bytes();
                    tokio::select! {
                        _ = self.turns.changed() => return,
                        // Whoever doesn't read has no use for visitors.
                        () = sleep(VISITOR_WAIT) => return,
                        told = send.write_all(&visitor) => if told.is_err() { return },
                        _ = gate.closed() => return,
                    }
                }
                Met::Refused(number) => self.refuse(number),
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

    async fn next(&mut self, recv: &mut StreamRecv, refusals: &mut Frames<REFUSAL_BYTES>, policy: &dyn Policy) -> Met {
        self.forget_fetched();
        let has_room = self.waiting.len() < VISITORS_WAITING_MAX;
        let oldest = self.waiting.front().map(|(_, since)| *since + VISITOR_WAIT);
        tokio::select! {
            arrived = arrival(&self.socket, &mut self.flows, has_room, policy) => match arrived {
                Ok((caller, from)) => Met::Visitor(caller, from),
                Err(error) if passes(&error) => Met::Passed,
                Err(error) => {
                    tracing::warn!(%error, port = self.port.1, "a forwarded port takes nobody in");
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
            // One that comes between the look and here is kept for this.
            () = self.visits.fetched.notified() => Met::Passed,
            _ = self.turns.changed() => Met::Over,
        }
    }

    pub fn welcome(&mut self, caller: Caller, from: SocketAddr) -> VisitorNumber {
        let mut table = lock(&self.table);
        table.number += 1;
        let number = table.number;
        match &caller {
            // Small answers shouldn't wait for each other. It works without, too.
            Caller::Connection(socket) => drop(socket.set_nodelay(true)),
            Caller::Flow(FlowEnd::Visitor { at, .. }) => self.flows.welcome(*at, VisitorNumber(number)),
            Caller::Flow(FlowEnd::Program(_)) => {}
        }
        let waiting = Waiting { owner: self.owner, from: canonical(from), caller, visits: self.visits.clone() };
        table.visitors.insert(number, waiting);
        self.waiting.push_back((number, Instant::now()));
        VisitorNumber(number)
    }

    fn refuse(&mut self, number: u64) {
        let mut table = lock(&self.table);
        if table.visitors.get(&number).is_some_and(|waiting| waiting.owner == self.owner) {
            table.visitors.remove(&number);
        }
        self.flows.refuse(VisitorNumber(number));
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
            (port.socket, port.kept_until) = (None, Some(Instant::now() + KEPT_FOR));
        }
    }
}

/// The next visitor of a port. Cancel-safe.
async fn arrival(
    socket: &PortSocket,
    flows: &mut Flows,
    has_room: bool,
    policy: &dyn Policy,
) -> std::io::Result<(Caller, SocketAddr)> {
    match socket {
        PortSocket::Listener(listener) if has_room => {
            let (socket, from) = listener.accept().await?;
            Ok((Caller::Connection(socket), from))
        }
        // Further ones wait in the system's queue.
        PortSocket::Listener(_) => std::future::pending().await,
        PortSocket::Datagrams(socket) => {
            let (flow, from) = flows.arrival(socket, has_room, policy).await?;
            Ok((Caller::Flow(flow), from))
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// For ever where there is nothing to wait for.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
