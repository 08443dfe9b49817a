//! The inner interface: a TUN device, which gives inner packets and takes them, some at a time.
//!
//! What a system's interface has to offer: to be created with a name, addresses and an MTU; to give packets; to take them.
//! The rest of the tunnel knows no system. There are two ways to do it:
//!
//! - [`many`]: many packets with one call, by segmentation offload and its reverse. Linux has that.
//! - [`single`]: a call for each packet. All systems have that, and Linux too where a kernel or container refuses the other.
//!   On Windows the driver Wintun must be installed, and on macOS the name is that of a `utun` device.

#[cfg(target_os = "linux")]
mod many;
mod single;

use std::io;
use std::net::IpAddr;

use gotatun::packet::Packet;
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::join::Joined;
use super::losses::{Loss, LossCounters};
use super::{MTU_MAX, MTU_MIN, TunnelError};

/// Reading goes on while there is more, until so many packets are together.
const BATCH_PACKETS: usize = 90;

/// An inner interface that is up. It is gone when this is dropped.
pub struct Interface {
    device: AsyncDevice,
    name: String,
    mtu: u16,
    calls: Calls,
}

/// What one call into the system carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calls {
    #[cfg(target_os = "linux")]
    Many,
    Single,
}

/// Where one reader reads to.
pub(super) enum ReadBuffer {
    #[cfg(target_os = "linux")]
    Many(many::ReadBuffer),
    Single(single::ReadBuffer),
}

impl Interface {
    /// Makes an interface of this name (at most 15 bytes) with these addresses and brings it up. Each address comes with
    /// how many of its bits are those of the network that is reached through it; of IPv4 there is at most one. Needs the
    /// right to administrate the network, and to be within the runtime. Other routes are the caller's matter.
    pub fn create(name: &str, addresses: &[(IpAddr, u8)], mtu: u16) -> Result<Self, TunnelError> {
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(TunnelError::Mtu(mtu));
        }
        #[cfg(target_os = "linux")]
        if let Ok(interface) = Self::build(name, addresses, mtu, Calls::Many) {
            return Ok(interface);
        }
        Self::build(name, addresses, mtu, Calls::Single).map_err(TunnelError::Interface)
    }

    fn build(name: &str, addresses: &[(IpAddr, u8)], mtu: u16, calls: Calls) -> io::Result<Self> {
        let mut builder = DeviceBuilder::new().mtu(mtu);
        // macOS gives the names itself.
        if !cfg!(target_os = "macos") {
            builder = builder.name(name);
        }
        #[cfg(target_os = "linux")]
        if calls == Calls::Many {
            builder = builder.offload(true);
        }
        for (address, bits) in addresses {
            builder = match address {
                IpAddr::V4(address) => builder.ipv4(*address, *bits, None),
                IpAddr::V6(address) => builder.ipv6(*address, *bits),
            };
        }
        let device = builder.build_async()?;
        let name = device.name()?;
        Ok(Self { device, name, mtu, calls })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the largest inner packet.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// For one reader of this interface.
    pub(super) fn buffer(&self) -> ReadBuffer {
        match self.calls {
            #[cfg(target_os = "linux")]
            Calls::Many => ReadBuffer::Many(many::ReadBuffer::new()),
            Calls::Single => ReadBuffer::Single(single::ReadBuffer::new()),
        }
    }

    /// For one writer of this interface.
    pub(super) fn joined(&self) -> Joined {
        match self.calls {
            #[cfg(target_os = "linux")]
            Calls::Many => Joined::many(),
            Calls::Single => Joined::single(),
        }
    }

    /// Waits for packets that the system sends into the tunnel and takes what is there.
    pub(super) async fn read(&self, buffer: &mut ReadBuffer, packets: &mut Vec<Packet>) -> io::Result<()> {
        match buffer {
            #[cfg(target_os = "linux")]
            ReadBuffer::Many(buffer) => buffer.read(&self.device, packets).await,
            ReadBuffer::Single(buffer) => buffer.read(&self.device, packets).await,
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

#[cfg(test)]
mod tests;
