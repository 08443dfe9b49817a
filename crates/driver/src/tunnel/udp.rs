//! The outer socket: UDP, many datagrams with one call (segmentation offload and its reverse).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use gotatun::packet::{Packet, PacketBufPool};
use noq_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::losses::{Loss, LossCounters};
use super::outbox::Outbox;
use super::{BUFFER_BYTES, POOL_PACKETS_MAX};

/// Runs of datagrams taken with one call. More of them make later packets of a batch wait longer.
const RUNS_PER_CALL: usize = 4;
/// A run is at most one datagram of IP.
const RUN_BYTES_MAX: usize = 65_535;
/// What the socket may hold in each direction, where that is granted: at four gigabits per second some 8 ms,
/// in which a busy machine may well not get round to us.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// Where received runs go before they are cut into datagrams.
pub(super) struct ReceiveBuffer {
    bytes: Vec<u8>,
    runs: [RecvMeta; RUNS_PER_CALL],
    pool: PacketBufPool<BUFFER_BYTES>,
}

impl ReceiveBuffer {
    pub fn new() -> Self {
        Self {
            bytes: vec![0; RUNS_PER_CALL * RUN_BYTES_MAX],
            runs: [RecvMeta::default(); RUNS_PER_CALL],
            pool: PacketBufPool::new(POOL_PACKETS_MAX),
        }
    }
}

impl Udp {
    /// Takes a bound socket over. Must be called within the runtime.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        enlarge(&socket, &state);
        let local = socket.local_addr()?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, state, local })
    }

    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Waits for datagrams and takes what is there.
    pub async fn receive(
        &self,
        buffer: &mut ReceiveBuffer,
        datagrams: &mut Vec<(Packet, SocketAddr)>,
        losses: &LossCounters,
    ) -> io::Result<()> {
        let ReceiveBuffer { bytes, runs, pool } = buffer;
        let take = || {
            let mut places: Vec<IoSliceMut<'_>> = bytes.chunks_mut(RUN_BYTES_MAX).map(IoSliceMut::new).collect();
            self.state.recv((&self.socket).into(), &mut places, runs)
        };
        let count = self.socket.async_io(Interest::READABLE, take).await?;
        for (run, bytes) in runs[..count].iter().zip(bytes.chunks(RUN_BYTES_MAX)) {
            // An empty datagram is a run without segments, of segments without length.
            for datagram in bytes[..run.len].chunks(run.stride.max(1)) {
                if datagram.len() > BUFFER_BYTES {
                    losses.count(Loss::Malformed);
                    continue;
                }
                let mut packet = pool.get();
                packet.truncate(datagram.len());
                packet.copy_from_slice(datagram);
                datagrams.push((packet, plain(run.addr)));
            }
        }
        Ok(())
    }

    /// Sends what is in the outbox, waiting while the socket is full. What the system refuses is lost and counted.
    pub async fn send(&self, outbox: &mut Outbox, losses: &LossCounters) {
        for (run, bytes) in outbox.pieces(self.state.max_gso_segments().get()) {
            let transmit = self.transmit(run.to, bytes, run.segment);
            let give = || self.state.try_send((&self.socket).into(), &transmit);
            if self.socket.async_io(Interest::WRITABLE, give).await.is_err() {
                self.retry_single(run.to, bytes, run.segment, losses);
            }
        }
        outbox.clear();
    }

    /// As [`Udp::send`], but what the socket has no room for is lost.
    pub fn send_now(&self, outbox: &mut Outbox, losses: &LossCounters) {
        for (run, bytes) in outbox.pieces(1) {
            self.retry_single(run.to, bytes, run.segment, losses);
        }
        outbox.clear();
    }

    /// One by one: a device without segmentation offload refuses runs.
    fn retry_single(&self, to: SocketAddr, bytes: &[u8], segment: usize, losses: &LossCounters) {
        for datagram in bytes.chunks(segment) {
            let transmit = self.transmit(to, datagram, segment);
            if self.state.try_send((&self.socket).into(), &transmit).is_err() {
                losses.count(Loss::Unsent);
            }
        }
    }

    fn transmit<'a>(&self, to: SocketAddr, contents: &'a [u8], segment: usize) -> Transmit<'a> {
        let destination = match to.ip() {
            IpAddr::V4(address) if self.local.is_ipv6() => (address.to_ipv6_mapped(), to.port()).into(),
            _ => to,
        };
        Transmit { destination, ecn: None, contents, segment_size: Some(segment), src_ip: None }
    }
}

/// Gives the socket larger buffers. Smaller ones lose more packets and are no reason to have no tunnel.
fn enlarge(socket: &std::net::UdpSocket, state: &UdpSocketState) {
    // What the system allows everyone is 208 KiB as Linux comes: half a millisecond at four gigabits per second. Whoever
    // may have a tunnel's interface may have more.
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
        let received = set_socket_recv_buffer_size_force(socket, SOCKET_BYTES);
        if received.is_ok() && set_socket_send_buffer_size_force(socket, SOCKET_BYTES).is_ok() {
            return;
        }
    }
    let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BYTES);
    let _ = state.set_send_buffer_size(socket.into(), SOCKET_BYTES);
}

/// An IPv4 address that a socket of both families shows as one of IPv6, in its plain form.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => (v4, v6.port()).into(),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdSocket;

    /// Datagrams of these lengths arrive as they were sent, in order.
    async fn check(lengths: &[usize], from: &str, to: &str) {
        let (near, far) = (Udp::new(StdSocket::bind(from).unwrap()), Udp::new(StdSocket::bind(to).unwrap()));
        let (near, far) = (near.unwrap(), far.unwrap());
        let losses = LossCounters::default();
        let datagrams: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(at, length)| vec![at as u8; *length]).collect();
        let mut outbox = Outbox::default();
        for datagram in &datagrams {
            outbox.push(datagram, ([127, 0, 0, 1], far.local_address().port()).into());
        }
        near.send(&mut outbox, &losses).await;
        assert_eq!(outbox.pieces(1).count(), 0, "what was sent is gone from the outbox");
        let (mut buffer, mut received) = (ReceiveBuffer::new(), Vec::new());
        while received.len() < lengths.len() {
            far.receive(&mut buffer, &mut received, &losses).await.unwrap();
        }
        let expected: SocketAddr = ([127, 0, 0, 1], near.local_address().port()).into();
        assert!(received.iter().all(|(_, from)| *from == expected), "in plain form");
        let received: Vec<Vec<u8>> = received.iter().map(|(packet, _)| packet.to_vec()).collect();
        assert!(received == datagrams, "{lengths:?}");
        assert_eq!(losses.read().total(), 0);
    }

    #[tokio::test]
    async fn runs_of_datagrams_arrive_as_datagrams() {
        for (from, to) in [("127.0.0.1:0", "127.0.0.1:0"), ("[::]:0", "127.0.0.1:0"), ("127.0.0.1:0", "[::]:0")] {
            check(&[1452; 100], from, to).await;
            check(&[1452, 1452, 60, 1452, 60, 60, 1, 148], from, to).await;
        }
    }

    #[tokio::test]
    async fn what_is_too_long_or_empty_is_no_datagram_of_ours() {
        let udp = Udp::new(StdSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let sender = StdSocket::bind("127.0.0.1:0").unwrap();
        for length in [BUFFER_BYTES + 1, 0, BUFFER_BYTES] {
            sender.send_to(&vec![5; length], udp.local_address()).unwrap();
        }
        let (losses, mut buffer, mut received) = (LossCounters::default(), ReceiveBuffer::new(), Vec::new());
        while received.is_empty() {
            udp.receive(&mut buffer, &mut received, &losses).await.unwrap();
        }
        assert_eq!((received.len(), received[0].0.len()), (1, BUFFER_BYTES));
        assert_eq!(losses.read().of(Loss::Malformed), 1);
    }
}
