//! UDP of a client: from one data stream to any hosts, and back from those.
//!
//! Each datagram's target is resolved and judged as a connection's is, at the first of them; what came out counts for the
//! [`REMEMBERED_FOR`] that follow, so that a game or a call doesn't ask for each. What comes from anyone to whom the client
//! has not sent is dropped before it is counted: nobody can make the client pay unasked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::Exit;
use crate::gate::Gate;
use crate::link::{StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::associate::{UDP_BYTES_MAX, enter, leave, passes};
use crate::socks::datagram::{Datagram, Frames};
use crate::socks::{Ended, Target};

/// How long a target's address, or its refusal, is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Targets remembered, and hosts that may answer, of one stream. Of more the oldest are forgotten.
const REMEMBERED_MAX: usize = 512;
/// Datagrams that wait for a name at one time; more are dropped.
const WAITING_MAX: usize = 32;

/// What is known of one client's targets.
#[derive(Default)]
struct Known {
    /// Where a target is; `None`: it isn't reached.
    targets: HashMap<Target, (Option<SocketAddr>, Instant)>,
    /// Who may answer, and since when.
    hosts: HashMap<SocketAddr, Instant>,
}

impl Known {
    /// `None` if it has to be looked up.
    fn place(&self, target: &Target, now: Instant) -> Option<Option<SocketAddr>> {
        let (place, since) = self.targets.get(target)?;
        (now < *since + REMEMBERED_FOR).then_some(*place)
    }

    fn remember(&mut self, target: Target, place: Option<SocketAddr>, now: Instant) {
        make_room(&mut self.targets, |(_, since)| *since);
        self.targets.insert(target, (place, now));
    }

    fn sent_to(&mut self, place: SocketAddr, now: Instant) {
        if !self.hosts.contains_key(&place) {
            make_room(&mut self.hosts, |since| *since);
        }
        self.hosts.insert(place, now);
    }

    fn may_answer(&self, place: &SocketAddr) -> bool {
        self.hosts.contains_key(place)
    }
}

/// Forgets the older half once there is no room.
fn make_room<K: Clone + Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, since: impl Fn(&V) -> Instant) {
    if map.len() < REMEMBERED_MAX {
        return;
    }
    let mut times: Vec<Instant> = map.values().map(&since).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    let mut left = map.len() / 2;
    map.retain(|_, value| {
        let goes = left > 0 && since(value) <= middle;
        left -= usize::from(goes);
        !goes
    });
}

/// The sockets to the internet, of either family that the machine has.
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Sockets {
    async fn bind() -> Self {
        Self {
            v4: UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok(),
            v6: UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok(),
        }
    }

    async fn send(&self, payload: &[u8], to: SocketAddr) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        if let Some(socket) = socket {
            // What the system refuses is lost, as on any way.
            let _ = socket.send_to(payload, to).await;
        }
    }
}

/// Waits for a datagram; for ever where there is no such socket.
async fn receive(socket: &Option<UdpSocket>, bytes: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(bytes).await,
        None => std::future::pending().await,
    }
}

impl Exit {
    /// Carries datagrams until the stream or the session ends.
    pub(super) async fn carry_datagrams(
        &self,
        send: &mut StreamSend,
        recv: &mut StreamRecv,
        gate: &Gate,
        meter: &Meter,
    ) -> Ended {
        let (sockets, mut known, mut frames) = (Sockets::bind().await, Known::default(), Frames::new());
        let (mut bytes_v4, mut bytes_v6) = (vec![0; UDP_BYTES_MAX], vec![0; UDP_BYTES_MAX]);
        let mut looked_up = FuturesUnordered::new();
        let cut = send.cut();
        tokio::pin!(cut);
        loop {
            let received = tokio::select! {
                // Datagrams have no last one that could be missing.
                error = &mut cut => return cut_by(error),
                reason = gate.closed() => return Ended::Closed(reason),
                frame = frames.next(recv) => {
                    let datagram = match frame {
                        Ok(Some(datagram)) => datagram,
                        Ok(None) => return Ended::Finished,
                        Err(error) => return Ended::Stream(error),
                    };
                    if let Err(ended) = leave(&datagram, gate, meter, Side::Provider).await {
                        return ended;
                    }
                    match known.place(&datagram.target, Instant::now()) {
                        // What was allowed may have been blocked since.
                        Some(Some(place)) if self.allows(&datagram.target, place) => {
                            known.sent_to(place, Instant::now());
                            sockets.send(&datagram.payload, place).await;
                        }
                        Some(_) => {}
                        None if looked_up.len() < WAITING_MAX => looked_up.push(self.look_up(datagram)),
                        None => {}
                    }
                    continue;
                }
                Some((datagram, place)) = looked_up.next() => {
                    let now = Instant::now();
                    if let Some(place) = place {
                        known.sent_to(place, now);
                        sockets.send(&datagram.payload, place).await;
                    }
                    known.remember(datagram.target, place, now);
                    continue;
                }
                received = receive(&sockets.v4, &mut bytes_v4) => received.map(|(length, from)| (&bytes_v4[..length], from)),
                received = receive(&sockets.v6, &mut bytes_v6) => received.map(|(length, from)| (&bytes_v6[..length], from)),
            };
            let (payload, from) = match received {
                Ok(received) => received,
                Err(error) if passes(&error) => continue,
                Err(error) => return Ended::Socket(error.kind()),
            };
            if !known.may_answer(&from) || payload.len() > crate::socks::datagram::PAYLOAD_BYTES_MAX {
                continue;
            }
            let datagram = Datagram::from(from, payload);
            // A client that doesn't read holds nothing of ours beyond its session.
            let entered = tokio::select! {
                error = &mut cut => return cut_by(error),
                reason = gate.closed() => return Ended::Closed(reason),
                entered = enter(&datagram, send, gate, meter, Side::Provider) => entered,
            };
            if let Err(ended) = entered {
                return ended;
            }
        }
    }

    fn allows(&self, target: &Target, place: SocketAddr) -> bool {
        self.policy.choose(target.host.name(), &[place.ip()], place.port()).is_ok_and(|allowed| !allowed.is_empty())
    }

    async fn look_up(&self, datagram: Datagram) -> (Datagram, Option<SocketAddr>) {
        let allowed = self.addresses(&datagram.target).await.ok();
        let place = allowed.and_then(|allowed: Vec<IpAddr>| allowed.first().copied());
        let place = place.map(|ip| SocketAddr::new(ip, datagram.target.port));
        (datagram, place)
    }
}

/// A stream that the client cut off has ended as it should.
fn cut_by(error: StreamError) -> Ended {
    if error == StreamError::Cut { Ended::Finished } else { Ended::Stream(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, (number / 256) as u8, (number % 256) as u8], 53))
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stay() {
        let (mut known, start) = (Known::default(), Instant::now());
        for number in 0..2 * REMEMBERED_MAX {
            let at = start + Duration::from_millis(number as u64);
            known.sent_to(place(number), at);
            known.remember(Target::new(crate::socks::Host::Ip(place(number).ip()), 53), Some(place(number)), at);
        }
        assert!(known.hosts.len() <= REMEMBERED_MAX && known.targets.len() <= REMEMBERED_MAX);
        assert!(known.may_answer(&place(2 * REMEMBERED_MAX - 1)) && !known.may_answer(&place(0)));
    }

    #[test]
    fn a_target_is_looked_up_again_after_a_while() {
        let (mut known, now) = (Known::default(), Instant::now());
        let target = Target::new("example.org".parse().expect("a host"), 53);
        assert_eq!(known.place(&target, now), None);
        known.remember(target.clone(), None, now);
        assert_eq!(known.place(&target, now), Some(None), "the refusal counts too");
        assert_eq!(known.place(&target, now + REMEMBERED_FOR), None);
    }
}
