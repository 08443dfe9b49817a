//! Visitors by UDP at the exit: who sends to a port's socket, and where each one's datagrams go.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::super::datagrams::{Place, PortDatagrams, Run};
use super::super::flow::{FlowEnd, Queued};
use super::super::{FLOW_QUEUE, FLOWS_MAX, QUEUED_BYTES_MAX, VISITOR_WAIT, VisitorNumber};
use crate::exit::Policy;
use crate::socks::datagram::PAYLOAD_BYTES_MAX;

/// Whoever sends to one port.
pub(super) struct Flows {
    known: HashMap<Place, Known>,
    room: Room,
    run: Run,
    idle_max: Duration,
}

struct Known {
    /// Closed once the flow is over.
    to_flow: mpsc::Sender<Queued>,
    number: Option<VisitorNumber>,
    /// The client wants nothing of it for now.
    refused_until: Option<Instant>,
}

/// What one port's datagrams may take of memory before somebody takes them.
struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(QUEUED_BYTES_MAX)))
    }
}

impl Room {
    /// `None`: it is lost.
    fn queue(&self, payload: Vec<u8>) -> Option<Queued> {
        let bytes = u32::try_from(payload.len()).ok()?;
        let room = self.0.clone().try_acquire_many_owned(bytes).ok()?;
        Some(Queued { payload, _room: room })
    }
}

impl Known {
    fn is_refused(&self, now: Instant) -> bool {
        self.refused_until.is_some_and(|until| now < until)
    }
}

impl Flows {
    pub fn new(idle_max: Duration) -> Self {
        Self { known: HashMap::new(), room: Room::default(), run: Run::new(), idle_max }
    }

    /// Reads the port's socket until somebody sends who is new. Nobody is while there is no room for more to wait. Cancel-safe.
    ///
    /// Anyone can send in the name of anyone, and the client answers from the exit's address. So nobody is a visitor to whom
    /// `policy` would let no client connect.
    pub async fn arrival(
        &mut self,
        socket: &Arc<PortDatagrams>,
        has_room: bool,
        policy: &dyn Policy,
    ) -> std::io::Result<(FlowEnd, SocketAddr)> {
        loop {
            let (payload, at) = socket.receive(&mut self.run).await?;
            if payload.len() > PAYLOAD_BYTES_MAX {
                continue;
            }
            let from = at.visitor;
            let may_come = || {
                policy.choose(None, &[from.ip().to_canonical()], from.port()).is_ok_and(|allowed| !allowed.is_empty())
            };
            if let Some(arrived) = self.sort(at, payload, || has_room && may_come()) {
                let port = Arc::downgrade(socket);
                return Ok((FlowEnd::Visitor { arrived, port, at, idle_max: self.idle_max }, from));
            }
        }
    }

    /// Gives a datagram to the flow that it is of; gives what arrives of a new one, which it is the first of.
    fn sort(
        &mut self,
        at: Place,
        payload: Vec<u8>,
        is_welcome: impl FnOnce() -> bool,
    ) -> Option<mpsc::Receiver<Queued>> {
        let now = Instant::now();
        if let Some(known) = self.known.get(&at)
            && (!known.to_flow.is_closed() || known.is_refused(now))
        {
            // One for which there is no room is lost, as on any way.
            if let Some(queued) = self.room.queue(payload) {
                let _ = known.to_flow.try_send(queued);
            }
            return None;
        }
        self.known.retain(|_, known| !known.to_flow.is_closed() || known.is_refused(now));
        if self.known.len() >= FLOWS_MAX || !is_welcome() {
            return None;
        }
        let queued = self.room.queue(payload)?;
        let (to_flow, arrived) = mpsc::channel(FLOW_QUEUE);
        // There is room in a new queue.
        let _ = to_flow.try_send(queued);
        self.known.insert(at, Known { to_flow, number: None, refused_until: None });
        Some(arrived)
    }

    /// A new one was given this number.
    pub fn welcome(&mut self, at: Place, number: VisitorNumber) {
        if let Some(known) = self.known.get_mut(&at) {
            known.number = Some(number);
        }
    }

    /// The client doesn't want this one: it isn't announced again at each of its datagrams.
    pub fn refuse(&mut self, number: VisitorNumber) {
        let refused = self.known.values_mut().find(|known| known.number == Some(number));
        if let Some(known) = refused {
            known.refused_until = Some(Instant::now() + VISITOR_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Place {
        Place { visitor: ([192, 0, 2, 1], port).into(), here: Some([127, 0, 0, 1].into()) }
    }

    fn sort(flows: &mut Flows, from: u16, payload: Vec<u8>, is_welcome: bool) -> Option<mpsc::Receiver<Queued>> {
        flows.sort(address(from), payload, || is_welcome)
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_again_is_no_new_visitor_and_who_was_refused_is_none_for_a_while() {
        let mut flows = Flows::new(Duration::from_secs(1));
        let mut first = sort(&mut flows, 1, vec![1], true).unwrap();
        flows.welcome(address(1), VisitorNumber(7));
        assert!(sort(&mut flows, 1, vec![2], true).is_none());
        assert!(sort(&mut flows, 2, vec![3], false).is_none(), "not welcome");
        let second = sort(&mut flows, 2, vec![4], true).unwrap();
        let mut came = Vec::new();
        while let Ok(queued) = first.try_recv() {
            came.push(queued.payload);
        }
        assert_eq!(came, [vec![1], vec![2]]);
        drop((first, second));
        flows.refuse(VisitorNumber(7));
        assert!(sort(&mut flows, 1, vec![5], true).is_none(), "refused");
        assert!(sort(&mut flows, 2, vec![6], true).is_some(), "only over");
        tokio::time::advance(VISITOR_WAIT).await;
        assert!(sort(&mut flows, 1, vec![7], true).is_some());
    }

    #[tokio::test]
    async fn visitors_of_a_port_and_what_waits_of_each_are_bounded() {
        let mut flows = Flows::new(Duration::from_secs(1));
        let arrived: Vec<_> = (1..=FLOWS_MAX as u16).filter_map(|port| sort(&mut flows, port, vec![], true)).collect();
        assert_eq!(arrived.len(), FLOWS_MAX);
        assert!(sort(&mut flows, 9999, vec![], true).is_none());
        (0..2 * FLOW_QUEUE).for_each(|_| drop(sort(&mut flows, 1, vec![0; 1000], true)));
        assert_eq!(arrived[0].len(), FLOW_QUEUE);
        drop(arrived);
        assert!(sort(&mut flows, 9999, vec![], true).is_some(), "those before are over");
    }

    #[tokio::test]
    async fn what_waits_of_all_visitors_together_is_bounded() {
        let mut flows = Flows::new(Duration::from_secs(1));
        let length = QUEUED_BYTES_MAX / 4;
        let mut arrived: Vec<_> = (1..=6).filter_map(|port| sort(&mut flows, port, vec![0; length], true)).collect();
        assert_eq!(arrived.len(), 4);
        assert!(arrived[0].try_recv().is_ok());
        assert!(sort(&mut flows, 5, vec![0; length], true).is_some(), "one was taken");
    }

    #[tokio::test]
    async fn nobody_is_a_visitor_to_whom_no_client_may_connect() {
        let bind = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (port, denied, allowed) = (Arc::new(PortDatagrams::new(bind()).unwrap()), bind(), bind());
        let denied_port = denied.local_addr().unwrap().port();
        let policy = move |addresses: &[std::net::IpAddr], port: u16| match port == denied_port {
            true => Err(crate::socks::Reply::NotAllowed),
            false => Ok(addresses.to_vec()),
        };
        for socket in [&denied, &allowed] {
            socket.send_to(b"hello", port.local_addr().unwrap()).unwrap();
        }
        let mut flows = Flows::new(Duration::from_secs(1));
        let (_, from) = flows.arrival(&port, true, &policy).await.unwrap();
        assert_eq!(from, allowed.local_addr().unwrap());
    }

    #[tokio::test]
    async fn datagrams_that_come_together_are_told_apart_and_empty_ones_are_datagrams() {
        let port = PortDatagrams::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let visitor = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sent = [&b"one"[..], b"", b"two", b"2"];
        for payload in sent {
            visitor.send_to(payload, port.local_addr().unwrap()).unwrap();
        }
        let mut run = Run::new();
        for payload in sent {
            let (came, at) = port.receive(&mut run).await.unwrap();
            assert_eq!((&came[..], at.visitor), (payload, visitor.local_addr().unwrap()));
        }
    }
}
