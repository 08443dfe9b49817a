//! Three network namespaces in a row, and their addresses.
//!
//! ```text
//! client 10.90.0.1 ── 10.90.0.2 provider 10.90.1.1 ── 10.90.1.2 source      outer, over veth
//!       10.91.0.2 ── 10.91.0.1                                              inner, through the tunnel
//! ```
//!
//! What is inside the tunnel and behind it has an address of IPv6 too, with the same last part: `fd91::2`, `fd90:1::2`.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use tokio::process::Command;

use super::super::process::ip;

/// Of the tunnels' interfaces, in both namespaces.
pub const INTERFACE: &str = "byway0";
pub const CLIENT_INNER: Inner =
    Inner { v4: Ipv4Addr::new(10, 91, 0, 2), v6: Ipv6Addr::new(0xfd91, 0, 0, 0, 0, 0, 0, 2) };
pub const PROVIDER_INNER: Inner =
    Inner { v4: Ipv4Addr::new(10, 91, 0, 1), v6: Ipv6Addr::new(0xfd91, 0, 0, 0, 0, 0, 0, 1) };
/// Of the inner networks.
pub const V4_BITS: u8 = 24;
pub const V6_BITS: u8 = 64;
pub const PROVIDER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 90, 0, 2)), 51_820);
pub const SOURCE_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 90, 1, 2)), 5_001);
pub const SOURCE_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xfd90, 1, 0, 0, 0, 0, 0, 2)), 5_001);

/// A side's addresses inside the tunnel.
#[derive(Debug, Clone, Copy)]
pub struct Inner {
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// Where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    Client,
    Provider,
    Source,
}

impl Namespace {
    const ALL: [Self; 3] = [Self::Client, Self::Provider, Self::Source];

    fn name(self) -> String {
        let place = match self {
            Self::Client => "client",
            Self::Provider => "provider",
            Self::Source => "source",
        };
        format!("byway-bench-{}-{place}", std::process::id())
    }
}

/// The namespaces of one run, deleted with it.
pub struct Namespaces;

impl Namespaces {
    pub async fn create() -> anyhow::Result<Self> {
        let rights = "`byway bench tunnel` makes network namespaces, so it takes root's rights and `ip` (iproute2)";
        let [client, provider, source] = Namespace::ALL.map(Namespace::name);
        // Made first, so that what there is of it is deleted if the rest fails.
        let namespaces = Self;
        for name in [&client, &provider, &source] {
            ip(&["netns", "add", name]).await.context(rights)?;
            ip(&["-n", name, "link", "set", "lo", "up"]).await.context(rights)?;
        }
        join([&client, "outer", "10.90.0.1/30"], [&provider, "outer", "10.90.0.2/30"]).await?;
        join([&provider, "exit", "10.90.1.1/30"], [&source, "exit", "10.90.1.2/30"]).await?;
        for (namespace, address) in [(&provider, "fd90:1::1/64"), (&source, "fd90:1::2/64")] {
            // Usable at once: nobody else is on this wire.
            ip(&["-n", namespace, "address", "add", address, "dev", "exit", "nodad"]).await?;
        }
        ip(&["-n", &source, "route", "add", "10.91.0.0/24", "via", "10.90.1.1"]).await?;
        ip(&["-n", &source, "route", "add", "fd91::/64", "via", "fd90:1::1"]).await?;
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
        ip(&["netns", "exec", &provider, "sh", "-c", forward]).await?;
        Ok(namespaces)
    }

    /// A command that runs `program` in a namespace.
    pub fn command(&self, place: Namespace, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &place.name()]).arg(program);
        command
    }

    /// Sends what goes from the client to the source through the tunnel, as long as its interface is there.
    pub async fn route_through_tunnel(&self) -> anyhow::Result<()> {
        for network in ["10.90.1.0/30", "fd90:1::/64"] {
            ip(&["-n", &Namespace::Client.name(), "route", "add", network, "dev", INTERFACE]).await?;
        }
        Ok(())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for place in Namespace::ALL {
            // What isn't there needn't be deleted.
            let _ = std::process::Command::new("ip").args(["netns", "del", &place.name()]).output();
        }
    }
}

/// Two namespaces with a pair of interfaces between them, each given by namespace, interface and address.
async fn join(near: [&str; 3], far: [&str; 3]) -> anyhow::Result<()> {
    let pair = ["link", "add", near[1], "netns", near[0], "type", "veth", "peer", "name", far[1], "netns", far[0]];
    ip(&pair).await?;
    for [namespace, interface, address] in [near, far] {
        ip(&["-n", namespace, "address", "add", address, "dev", interface]).await?;
        ip(&["-n", namespace, "link", "set", interface, "up"]).await?;
    }
    Ok(())
}
