//! Visitors by UDP at the exit: who sends to a port's socket, and where each one's datagrams go.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::flow::FlowEnd;
use super::super::{FLOW_QUEUE, FLOWS_MAX, VISITOR_WAIT, VisitorNumber};
use crate::socks::associate::UDP_BYTES_MAX;
use crate::socks::datagram::PAYLOAD_BYTES_MAX;

/// Whoever sends to one port.
pub(super) struct Flows {
    known: HashMap<SocketAddr, Known>,
    buffer: Vec<u8>,
    idle_max: Duration,
}

struct Known {
    /// Closed once the flow is over.
    to_flow: mpsc::Sender<Vec<u8>>,
    number: Option<VisitorNumber>,
    /// The client wants nothing of it for now.
    refused_until: Option<Instant>,
}

impl Known {
    fn is_refused(&self, now: Instant) -> bool {
        self.refused_until.is_some_and(|until| now < until)
    }
}

impl Flows {
    pub fn new(idle_max: Duration) -> Self {
        Self { known: HashMap::new(), buffer: vec![0; UDP_BYTES_MAX], idle_max }
    }

    /// Reads the port's socket until somebody sends who is new. Nobody is while there is no room for more to wait. Cancel-safe.
    pub async fn arrival(&mut self, socket: &Arc<UdpSocket>, has_room: bool) -> std::io::Result<(FlowEnd, SocketAddr)> {
        loop {
            let (length, from) = socket.recv_from(&mut self.buffer).await?;
            if length > PAYLOAD_BYTES_MAX {
                continue;
            }
            let payload = self.buffer[..length].to_vec();
            if let Some(arrived) = self.sort(from, payload, has_room) {
                let port = Arc::downgrade(socket);
                return Ok((FlowEnd::Visitor { arrived, port, at: from, idle_max: self.idle_max }, from));
            }
        }
    }

    /// Gives a datagram to the flow that it is of; gives what arrives of a new one, which it is the first of.
    fn sort(&mut self, from: SocketAddr, payload: Vec<u8>, has_room: bool) -> Option<mpsc::Receiver<Vec<u8>>> {
        let now = Instant::now();
        if let Some(known) = self.known.get(&from)
            && (!known.to_flow.is_closed() || known.is_refused(now))
        {
            // One for which there is no room is lost, as on any way.
            let _ = known.to_flow.try_send(payload);
            return None;
        }
        self.known.retain(|_, known| !known.to_flow.is_closed() || known.is_refused(now));
        if !has_room || self.known.len() >= FLOWS_MAX {
            return None;
        }
        let (to_flow, arrived) = mpsc::channel(FLOW_QUEUE);
        // There is room in a new queue.
        let _ = to_flow.try_send(payload);
        self.known.insert(from, Known { to_flow, number: None, refused_until: None });
        Some(arrived)
    }

    /// A new one was given this number.
    pub fn welcome(&mut self, from: SocketAddr, number: VisitorNumber) {
        if let Some(known) = self.known.get_mut(&from) {
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

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_again_is_no_new_visitor_and_who_was_refused_is_none_for_a_while() {
        let mut flows = Flows::new(Duration::from_secs(1));
        let mut first = flows.sort(address(1), vec![1], true).unwrap();
        flows.welcome(address(1), VisitorNumber(7));
        assert!(flows.sort(address(1), vec![2], true).is_none());
        assert!(flows.sort(address(2), vec![3], false).is_none(), "no room");
        let second = flows.sort(address(2), vec![4], true).unwrap();
        assert_eq!((first.recv().await, first.recv().await), (Some(vec![1]), Some(vec![2])));
        drop((first, second));
        flows.refuse(VisitorNumber(7));
        assert!(flows.sort(address(1), vec![5], true).is_none(), "refused");
        assert!(flows.sort(address(2), vec![6], true).is_some(), "only over");
        tokio::time::advance(VISITOR_WAIT).await;
        assert!(flows.sort(address(1), vec![7], true).is_some());
    }

    #[tokio::test]
    async fn visitors_of_a_port_and_what_waits_of_each_are_bounded() {
        let mut flows = Flows::new(Duration::from_secs(1));
        let arrived: Vec<_> =
            (1..=FLOWS_MAX as u16).filter_map(|port| flows.sort(address(port), vec![], true)).collect();
        assert_eq!(arrived.len(), FLOWS_MAX);
        assert!(flows.sort(address(9999), vec![], true).is_none());
        (0..2 * FLOW_QUEUE).for_each(|_| drop(flows.sort(address(1), vec![0; 1000], true)));
        assert_eq!(arrived[0].len(), FLOW_QUEUE);
        drop(arrived);
        assert!(flows.sort(address(9999), vec![], true).is_some(), "those before are over");
    }
}
