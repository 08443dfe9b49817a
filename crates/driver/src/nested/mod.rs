//! Links inside sessions (row A12): an endpoint without a socket, whose datagrams an exit brings to the other end and back.
//!
//! ```text
//!  client's machine                                        hop's machine
//!  endpoint ◄─ passage ─► data stream of a session ═link═► exit ── UDP ──► next node's endpoint
//!  (no socket)
//! ```
//!
//! [`Links::nested`](crate::link::Links::nested) opens such an endpoint and gives its [`Passage`]; [`carry`] moves what is in
//! there through a session, as the UDP of a program would go, until the session or its stream ends. Then another session may
//! take its place under the same links.
//!
//! **Nothing else leads out.** The endpoint has no UDP socket and no relay, so it has no address of its own to tell the other
//! end, and nothing to send with but its passage. While no session carries that, what is sent is dropped.
//!
//! **What is heard** is what comes from where something was sent to. Nobody opens a link to such an endpoint.
//!
//! **What is counted.** Each datagram is payload of the session that carries it, once at either end of that, as for programs.

mod transport;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use transport::{Nest, custom_address};

use crate::gate::Gate;
use crate::link::Link;
use crate::meter::{Meter, Side};
use crate::socks::associate::{enter, leave};
use crate::socks::client::ask;
use crate::socks::datagram::{Datagram, Frames};
use crate::socks::{Ended, Host, Reply, SessionTag, StreamHeader, Target, Wanted};

/// Datagrams that may wait in one direction; of more the newest are dropped, as on a full line.
const PARCELS_MAX: usize = 256;

/// Places that are heard: those that were sent to last. Whoever carries could invent others, and the endpoint keeps something
/// of each for as long as it lives.
const PLACES_MAX: usize = 64;

/// A datagram, with the place of the node at the other end.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub place: SocketAddr,
    pub bytes: Bytes,
}

/// What an endpoint sends and is to receive, for whoever carries it.
#[derive(Debug)]
pub struct Passage {
    sent: mpsc::Receiver<Parcel>,
    received: mpsc::Sender<Parcel>,
}

/// The places that were sent to.
#[derive(Debug, Default)]
struct Asked(Mutex<VecDeque<SocketAddr>>);

/// Why a session carries nothing for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The hop doesn't take datagrams.
    Refused(Reply),
    /// The stream, or the session, is over.
    Ended(Ended),
    /// The endpoint is closed, and needs nobody any more.
    Closed,
}

impl Asked {
    fn note(&self, place: SocketAddr) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.contains(&place) {
            if places.len() >= PLACES_MAX {
                places.pop_front();
            }
            places.push_back(place);
        }
    }

    fn knows(&self, place: SocketAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&place)
    }
}

/// Two ends of a passage: the endpoint's and the carrier's.
pub(crate) fn passage() -> (Nest, Passage) {
    let (send, sent) = mpsc::channel(PARCELS_MAX);
    let (received, receive) = mpsc::channel(PARCELS_MAX);
    (Nest::new(send, receive), Passage { sent, received })
}

/// Carries datagrams both ways through a session on `link`, until that can't be gone on with.
pub async fn carry(passage: &mut Passage, link: &Link, session: SessionTag, gate: &Gate, meter: &Meter) -> Stopped {
    let header = StreamHeader { session, wanted: Wanted::Datagrams };
    let asked = tokio::select! {
        asked = ask(link, &header) => asked,
        reason = gate.closed() => return Stopped::Ended(Ended::Closed(reason)),
    };
    let (mut send, mut recv) = match asked {
        Ok(stream) => stream,
        Err(reply) => return Stopped::Refused(reply),
    };
    let Passage { sent, received } = passage;
    let (cut, asked) = (send.cut(), Asked::default());
    let out = async {
        while let Some(Parcel { place, bytes }) = sent.recv().await {
            asked.note(place);
            let target = Target::new(Host::Ip(place.ip()), place.port());
            let datagram = Datagram { target, payload: bytes.into() };
            if let Err(ended) = enter(&datagram, &mut send, gate, meter, Side::Client).await {
                return Stopped::Ended(ended);
            }
        }
        Stopped::Closed
    };
    let back = async {
        let mut frames = Frames::new();
        loop {
            let datagram = match frames.next(&mut recv).await {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Stopped::Ended(Ended::Finished),
                Err(error) => return Stopped::Ended(Ended::Stream(error)),
            };
            if let Err(ended) = leave(&datagram, gate, meter, Side::Client).await {
                return Stopped::Ended(ended);
            }
            let Host::Ip(ip) = datagram.target.host else { continue };
            let place = SocketAddr::new(ip.to_canonical(), datagram.target.port);
            if !asked.knows(place) {
                continue;
            }
            // An endpoint that doesn't take it loses it.
            let _ = received.try_send(Parcel { place, bytes: datagram.payload.into() });
        }
    };
    tokio::select! {
        stopped = out => stopped,
        stopped = back => stopped,
        error = cut => Stopped::Ended(Ended::Stream(error)),
        reason = gate.closed() => Stopped::Ended(Ended::Closed(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heard_are_those_that_were_sent_to_last() {
        let (asked, place) = (Asked::default(), |port| SocketAddr::from(([198, 51, 100, 7], port)));
        assert!(!asked.knows(place(0)));
        for port in 0..=PLACES_MAX as u16 {
            asked.note(place(port));
            asked.note(place(port));
        }
        assert!(!asked.knows(place(0)) && asked.knows(place(1)) && asked.knows(place(PLACES_MAX as u16)));
    }
}
