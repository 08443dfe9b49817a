//! Many packets with one call into the system.

use std::io;

use gotatun::packet::{Packet, PacketBufPool};
use tun_rs::AsyncDevice;

use super::super::join::HEADER_BYTES;
use super::super::{BUFFER_BYTES, POOL_PACKETS_MAX};
use super::BATCH_PACKETS;

/// Packets of one read. The system hands over up to 64 KiB at once, so a stream whose segments are smaller than 128 bytes
/// loses those that come in too large a stretch.
const READ_PACKETS_MAX: usize = 512;

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

pub struct ReadBuffer {
    whole: Vec<u8>,
    places: Vec<Place>,
    lengths: Vec<usize>,
    pool: PacketBufPool<BUFFER_BYTES>,
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

    pub async fn read(&mut self, device: &AsyncDevice, packets: &mut Vec<Packet>) -> io::Result<()> {
        let Self { whole, places, lengths, pool } = self;
        let mut count = device.recv_multiple(whole, places, lengths, 0).await?;
        loop {
            for (place, length) in places[..count].iter_mut().zip(&lengths[..count]) {
                let mut packet = std::mem::replace(&mut place.0, pool.get());
                packet.truncate(*length);
                packets.push(packet);
            }
            if packets.len() >= BATCH_PACKETS {
                return Ok(());
            }
            match device.try_recv_multiple(whole, places, lengths, 0) {
                Ok(more) => count = more,
                // Whatever it is, the next read says so again.
                Err(_) => return Ok(()),
            }
        }
    }
}
