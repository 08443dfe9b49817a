//! The library's own device: its own UDP sockets, and the plainest interface.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use byway_driver::meter::Side;
use byway_driver::tunnel::MTU;
use gotatun::device::{Device, DeviceBuilder, Peer};
use gotatun::packet::{Ip, Packet, PacketBufPool};
use gotatun::tun::{IpRecv, IpSend, MtuWatcher};
use gotatun::udp::socket::UdpSocketFactory;
use gotatun::x25519::{PublicKey, StaticSecret};

use super::super::network::seed;
use super::namespaces::{CLIENT_INNER, INTERFACE, PROVIDER, PROVIDER_INNER, V4_BITS, V6_BITS};

/// An interface that is read and written one packet for each call.
#[derive(Clone)]
pub struct PlainInterface(Arc<tun_rs::AsyncDevice>);

pub type PlainDevice = Device<(UdpSocketFactory, PlainInterface, PlainInterface)>;

impl IpSend for PlainInterface {
    async fn send(&mut self, packet: Packet<Ip>) -> io::Result<()> {
        self.0.send(&packet.into_bytes()).await.map(|_| ())
    }
}

impl IpRecv for PlainInterface {
    async fn recv<'a>(
        &'a mut self,
        pool: &mut PacketBufPool,
    ) -> io::Result<impl Iterator<Item = Packet<Ip>> + Send + 'a> {
        let mut packet = pool.get();
        let length = self.0.recv(&mut packet).await?;
        packet.truncate(length);
        // What is no IP packet is dropped.
        Ok(packet.try_into_ip().ok().into_iter())
    }

    fn mtu(&self) -> MtuWatcher {
        MtuWatcher::new(MTU)
    }
}

pub async fn open(side: Side) -> anyhow::Result<PlainDevice> {
    let secret = |name: &[u8]| StaticSecret::from(seed(&[b"tunnel", name]));
    let (own, own_secret, their_secret) = match side {
        Side::Client => (CLIENT_INNER, secret(b"client"), secret(b"provider")),
        Side::Provider => (PROVIDER_INNER, secret(b"provider"), secret(b"client")),
    };
    let peer = Peer::new(PublicKey::from(&their_secret));
    let (peer, port) = match side {
        Side::Client => {
            let all = ["0.0.0.0/0".parse()?, "::/0".parse()?];
            (peer.with_endpoint(PROVIDER).with_allowed_ips(all), 0)
        }
        Side::Provider => {
            let own = [IpAddr::from(CLIENT_INNER.v4), IpAddr::from(CLIENT_INNER.v6)];
            let peer = peer.with_allowed_ips(own.map(Into::into));
            (peer, PROVIDER.port())
        }
    };
    let interface = tun_rs::DeviceBuilder::new().name(INTERFACE).mtu(MTU);
    let interface = interface.ipv4(own.v4, V4_BITS, None).ipv6(own.v6, V6_BITS);
    let interface = PlainInterface(Arc::new(interface.build_async().context("the plain interface")?));
    let device = DeviceBuilder::new()
        .with_default_udp()
        .with_ip(interface)
        .with_private_key(own_secret)
        .with_listen_port(port)
        .with_peer(peer);
    Ok(device.build().await?)
}
