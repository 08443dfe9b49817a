//! The socket of a port for UDP, which answers from the address that was written to.
//!
//! A machine may have many addresses, and a socket at all of them sends from the one that leads to the visitor. That
//! visitor, and every router that translates for it, takes answers from where it wrote to and from nowhere else. So each
//! datagram is taken with its destination, and answered from there.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use noq_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::socks::associate::UDP_BYTES_MAX;

/// A visitor, and where it comes in. Who writes to two addresses of the machine is two visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub visitor: SocketAddr,
    /// The address that it writes to, where the system says.
    pub here: Option<IpAddr>,
}

#[derive(Debug)]
pub(super) struct PortDatagrams {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// What was taken with one call: datagrams of one visitor that came together.
pub(super) struct Run {
    bytes: Vec<u8>,
    place: Place,
    /// What is left of it, in datagrams of `stride` bytes, of which the last may be shorter.
    left: std::ops::Range<usize>,
    stride: usize,
    /// One that has no bytes.
    is_empty: bool,
}

impl Run {
    pub fn new() -> Self {
        let place = Place { visitor: ([0, 0, 0, 0], 0).into(), here: None };
        Self { bytes: vec![0; UDP_BYTES_MAX], place, left: 0..0, stride: 1, is_empty: false }
    }

    fn next(&mut self) -> Option<(Vec<u8>, Place)> {
        if std::mem::take(&mut self.is_empty) {
            return Some((Vec::new(), self.place));
        }
        if self.left.is_empty() {
            return None;
        }
        let end = self.left.end.min(self.left.start.saturating_add(self.stride));
        let datagram = self.bytes[self.left.start..end].to_vec();
        self.left.start = end;
        Some((datagram, self.place))
    }
}

impl PortDatagrams {
    /// Takes a bound socket over. Must be called within the runtime.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, state })
    }

    #[cfg(test)]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next datagram; `run` holds those that came with it. Cancel-safe.
    pub async fn receive(&self, run: &mut Run) -> io::Result<(Vec<u8>, Place)> {
        loop {
            if let Some(datagram) = run.next() {
                return Ok(datagram);
            }
            let mut told = [RecvMeta::default()];
            let bytes = &mut run.bytes;
            let take = || self.state.recv((&self.socket).into(), &mut [IoSliceMut::new(bytes)], &mut told);
            if self.socket.async_io(Interest::READABLE, take).await? == 0 {
                continue;
            }
            let [RecvMeta { addr, len, stride, dst_ip, .. }] = told;
            run.place = Place { visitor: addr, here: dst_ip };
            (run.left, run.stride, run.is_empty) = (0..len, stride.max(1), len == 0);
        }
    }

    /// Sends to a visitor from where it wrote to.
    pub async fn send(&self, payload: &[u8], to: Place) -> io::Result<()> {
        let Place { visitor: destination, here: src_ip } = to;
        let transmit = Transmit { destination, ecn: None, contents: payload, segment_size: None, src_ip };
        let give = || self.state.try_send((&self.socket).into(), &transmit);
        self.socket.async_io(Interest::WRITABLE, give).await
    }
}
