//! The inner interface: a TUN device of Linux, many packets with one call (segmentation offload and its reverse).
//!
//! What another system's interface has to offer is what [`Interface`] has here: to be created with a name, addresses and
//! an MTU; to give inner packets, some at a time; to take some at a time. The rest of the tunnel knows no system.

use std::io;
use std::net::IpAddr;

use gotatun::packet::{Packet, PacketBufPool};
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::join::{HEADER_BYTES, Joined};
use super::losses::{Loss, LossCounters};
use super::{BUFFER_BYTES, MTU_MAX, MTU_MIN, POOL_PACKETS_MAX, TunnelError};

/// Packets of one read. The system hands over up to 64 KiB at once, so a stream whose segments are smaller than 128 bytes
/// loses those that come in too large a stretch.
const READ_PACKETS_MAX: usize = 512;
/// Reading goes on while there is more, until so many packets are together.
const BATCH_PACKETS: usize = 90;

/// An inner interface that is up. It is gone when this is dropped.
pub struct Interface {
    device: AsyncDevice,
    name: String,
    mtu: u16,
}

/// A packet that can be read into.
struct Place(Packet);

impl AsRef<[u8]> for Place {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Place {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Where one reader reads to.
pub(super) struct ReadBuffer {
    whole: Vec<u8>,
    places: Vec<Place>,
    lengths: Vec<usize>,
    pool: PacketBufPool<BUFFER_BYTES>,
}

impl Interface {
    /// Makes an interface of this name (at most 15 bytes) with these addresses and brings it up. Each address comes with
    /// how many of its bits are those of the network that is reached through it; of IPv4 there is at most one. Needs the
    /// right to administrate the network, and to be within the runtime. Other routes are the caller's matter.
    pub fn create(name: &str, addresses: &[(IpAddr, u8)], mtu: u16) -> Result<Self, TunnelError> {
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(TunnelError::Mtu(mtu));
        }
        let mut builder = DeviceBuilder::new().name(name).mtu(mtu).offload(true);
        for (address, bits) in addresses {
            builder = match address {
                IpAddr::V4(address) => builder.ipv4(*address, *bits, None),
                IpAddr::V6(address) => builder.ipv6(*address, *bits),
            };
        }
        let device = builder.build_async().map_err(TunnelError::Interface)?;
        let name = device.name().map_err(TunnelError::Interface)?;
        Ok(Self { device, name, mtu })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the largest inner packet.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Waits for packets that the system sends into the tunnel and takes what is there.
    pub(super) async fn read(&self, buffer: &mut ReadBuffer, packets: &mut Vec<Packet>) -> io::Result<()> {
        let ReadBuffer { whole, places, lengths, pool } = buffer;
        let mut count = self.device.recv_multiple(whole, places, lengths, 0).await?;
        loop {
            for (place, length) in places[..count].iter_mut().zip(&lengths[..count]) {
                let mut packet = std::mem::replace(&mut place.0, pool.get());
                packet.truncate(*length);
                packets.push(packet);
            }
            if packets.len() >= BATCH_PACKETS {
                return Ok(());
            }
            match self.device.try_recv_multiple(whole, places, lengths, 0) {
                Ok(more) => count = more,
                // Whatever it is, the next read says so again.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Hands packets from the tunnel to the system. What it refuses is lost and counted.
    pub(super) async fn write(&self, packets: &mut Joined, losses: &LossCounters) {
        for packet in packets.take() {
            if self.device.send(packet).await.is_err() {
                losses.count(Loss::Unsent);
            }
        }
    }
}

impl ReadBuffer {
    pub fn new() -> Self {
        let pool = PacketBufPool::new(POOL_PACKETS_MAX);
        Self {
            whole: vec![0; HEADER_BYTES + usize::from(u16::MAX)],
            places: (0..READ_PACKETS_MAX).map(|_| Place(pool.get())).collect(),
            lengths: vec![0; READ_PACKETS_MAX],
            pool,
        }
    }
}
