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
/// What the socket may hold in each direction, as far as the system allows it: at four gigabits per second some 8 ms,
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
        // Smaller buffers lose more packets and are no reason to have no tunnel.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BYTES);
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
                if datagram.len() <= BUFFER_BYTES {
                    let mut packet = pool.get();
                    packet.truncate(datagram.len());
                    packet.copy_from_slice(datagram);
                    datagrams.push((packet, plain(run.addr)));
                }
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
