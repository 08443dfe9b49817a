//! What an endpoint has instead of sockets: two queues.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use byway_primitives::{Decode, Encode};
use iroh::endpoint::transports::{CustomEndpoint, CustomSender, CustomTransport, RecvInfo, Transmit};
use iroh_base::CustomAddr;
use n0_watcher::{Direct, Watchable};
use noq_udp::RecvMeta;
use tokio::sync::mpsc;

use super::Parcel;
use crate::socks::{Host, Target};

/// By which this transport's addresses are told from others; known to this process alone.
const TRANSPORT: u64 = 0x0062_7977_6179;

/// The endpoint's end of a passage. It can be bound once.
#[derive(Debug)]
pub(crate) struct Nest {
    send: mpsc::Sender<Parcel>,
    receive: Mutex<Option<mpsc::Receiver<Parcel>>>,
}

#[derive(Debug)]
struct Bound {
    send: mpsc::Sender<Parcel>,
    receive: mpsc::Receiver<Parcel>,
    /// None, now and always: there is nothing that others could be told.
    addresses: Watchable<Vec<CustomAddr>>,
}

#[derive(Debug)]
struct Outgoing(mpsc::Sender<Parcel>);

/// A node's address, as such an endpoint dials it.
pub(crate) fn custom_address(place: SocketAddr) -> CustomAddr {
    let target = Target::new(Host::Ip(place.ip().to_canonical()), place.port());
    CustomAddr::from_parts(TRANSPORT, &target.to_bytes())
}

fn place_of(address: &CustomAddr) -> Option<SocketAddr> {
    let target = Target::from_bytes(address.data()).ok().filter(|_| address.id() == TRANSPORT)?;
    match target.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, target.port)),
        Host::Name(_) => None,
    }
}

impl Nest {
    pub fn new(send: mpsc::Sender<Parcel>, receive: mpsc::Receiver<Parcel>) -> Self {
        Self { send, receive: Mutex::new(Some(receive)) }
    }
}

impl CustomTransport for Nest {
    fn bind(&self) -> io::Result<Box<dyn CustomEndpoint>> {
        let receive = self.receive.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receive = receive.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        Ok(Box::new(Bound { send: self.send.clone(), receive, addresses: Watchable::new(Vec::new()) }))
    }
}

impl CustomEndpoint for Bound {
    fn watch_local_addrs(&self) -> Direct<Vec<CustomAddr>> {
        self.addresses.watch()
    }

    fn create_sender(&self) -> Arc<dyn CustomSender> {
        Arc::new(Outgoing(self.send.clone()))
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [io::IoSliceMut<'_>],
        metas: &mut [RecvMeta],
        infos: &mut [RecvInfo],
    ) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        for ((buffer, meta), info) in bufs.iter_mut().zip(metas).zip(infos) {
            let (parcel, room) = loop {
                let parcel = match self.receive.poll_recv(cx) {
                    Poll::Ready(Some(parcel)) => parcel,
                    // Whoever carried is gone for good; links end when they have been silent for too long.
                    Poll::Ready(None) | Poll::Pending if filled == 0 => return Poll::Pending,
                    Poll::Ready(None) | Poll::Pending => return Poll::Ready(Ok(filled)),
                };
                // A longer one than fits is none of the other end's.
                if parcel.bytes.len() <= buffer.len() {
                    let room = &mut buffer[..parcel.bytes.len()];
                    break (parcel, room);
                }
            };
            room.copy_from_slice(&parcel.bytes);
            (meta.len, meta.stride) = (room.len(), room.len());
            *info = RecvInfo::new(custom_address(parcel.place), None);
            filled += 1;
        }
        Poll::Ready(Ok(filled))
    }
}

impl CustomSender for Outgoing {
    fn is_valid_send_addr(&self, address: &CustomAddr) -> bool {
        place_of(address).is_some()
    }

    fn poll_send(
        &self,
        _: &mut Context<'_>,
        to: &CustomAddr,
        _: Option<&CustomAddr>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<()>> {
        let place = place_of(to).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(length) {
            // What the passage has no room for is lost, as on any line.
            let _ = self.0.try_send(Parcel { place, bytes: Bytes::copy_from_slice(datagram) });
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_and_those_of_others_are_none() {
        for place in ["198.51.100.7:4001", "[2001:db8::1]:1"] {
            let place = place.parse().expect("an address");
            assert_eq!(place_of(&custom_address(place)), Some(place));
        }
        let data = custom_address("198.51.100.7:4001".parse().expect("an address")).data().to_vec();
        assert_eq!(place_of(&CustomAddr::from_parts(TRANSPORT + 1, &data)), None);
        assert_eq!(place_of(&CustomAddr::from_parts(TRANSPORT, b"")), None);
    }

    #[tokio::test]
    async fn what_is_too_long_is_left_out_and_takes_nothing_with_it() {
        let (to, receive) = mpsc::channel(8);
        let mut bound = Bound { send: mpsc::channel(1).0, receive, addresses: Watchable::new(Vec::new()) };
        let place: SocketAddr = "198.51.100.7:4001".parse().expect("an address");
        for length in [9, 3, 9, 8, 9] {
            to.try_send(Parcel { place, bytes: vec![length; usize::from(length)].into() }).expect("there is room");
        }
        let mut buffers = [[0; 8]; 4];
        let mut metas = [RecvMeta::default(); 4];
        let mut infos: [RecvInfo; 4] =
            std::array::from_fn(|_| RecvInfo::new(CustomAddr::from_parts(TRANSPORT, b""), None));
        let filled = {
            let mut slices = buffers.each_mut().map(|buffer| io::IoSliceMut::new(buffer));
            std::future::poll_fn(|cx| bound.poll_recv(cx, &mut slices, &mut metas, &mut infos)).await
        };
        assert_eq!(filled.expect("it hears"), 2);
        assert_eq!((&buffers[0][..metas[0].len], &buffers[1][..metas[1].len]), (&[3; 3][..], &[8; 8][..]));
        let nothing = {
            let mut slices = buffers.each_mut().map(|buffer| io::IoSliceMut::new(buffer));
            futures::poll!(std::future::poll_fn(|cx| bound.poll_recv(cx, &mut slices, &mut metas, &mut infos)))
        };
        assert!(nothing.is_pending());
    }
}
