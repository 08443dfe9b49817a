//! A call into the system for each packet.

use std::io;

use gotatun::packet::{Packet, PacketBufPool};
use tun_rs::AsyncDevice;

use super::super::{BUFFER_BYTES, POOL_PACKETS_MAX};
use super::BATCH_PACKETS;

pub struct ReadBuffer {
    pool: PacketBufPool<BUFFER_BYTES>,
}

impl ReadBuffer {
    pub fn new() -> Self {
        Self { pool: PacketBufPool::new(POOL_PACKETS_MAX) }
    }

    pub async fn read(&mut self, device: &AsyncDevice, packets: &mut Vec<Packet>) -> io::Result<()> {
        let mut packet = self.pool.get();
        let mut length = device.recv(&mut packet).await?;
        loop {
            packet.truncate(length);
            packets.push(packet);
            if packets.len() >= BATCH_PACKETS {
                return Ok(());
            }
            packet = self.pool.get();
            match device.try_recv(&mut packet) {
                Ok(more) => length = more,
                // Whatever it is, the next read says so again.
                Err(_) => return Ok(()),
            }
        }
    }
}
