//! The machine's own networks, which an exit must not open to its clients.
//!
//! An exit connects from inside its firewall, so what its interfaces are called and which neighbours they have has to be
//! known to its policy. Addresses come and go (leases, temporary IPv6 addresses, tunnels), so they are read again and
//! again. What is done with them is the policy's matter.

use std::time::Duration;

use byway_records::offer::Network;
use netwatch::interfaces::{IpNet, State};
use tokio::sync::watch;
use tokio::time::timeout;

/// How often the interfaces are read. Reading takes about a millisecond; a new address is open to clients for so long.
pub const READ_EVERY: Duration = Duration::from_secs(15);

/// The addresses of all interfaces, up or down, each with the prefix of its link.
pub async fn read() -> Vec<Network> {
    let state = State::new().await;
    let mut networks: Vec<Network> =
        state.interfaces.values().flat_map(|interface| interface.addrs().collect::<Vec<_>>()).map(network).collect();
    networks.sort_by_key(|network| (network.address, network.prefix));
    networks.dedup();
    networks
}

/// The interface that leads to everywhere, if there is one.
pub async fn uplink() -> Option<String> {
    State::new().await.default_route_interface
}

/// What [`read`] said last; `None` until it has said something. The reading ends with the last receiver.
///
/// # Panics
/// Outside a tokio runtime.
pub fn follow() -> watch::Receiver<Option<Vec<Network>>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            sender.send_replace(Some(read().await));
            if timeout(READ_EVERY, sender.closed()).await.is_ok() {
                break;
            }
        }
    });
    receiver
}

fn network(address: IpNet) -> Network {
    let prefix = match &address {
        IpNet::V4(net) => net.prefix_len(),
        IpNet::V6 { net, .. } => net.prefix_len(),
    };
    Network { address: address.addr(), prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loopback_interface_is_found_with_its_network() {
        let mut own = follow();
        let known = own.wait_for(Option::is_some).await.expect("the reading goes on").clone().expect("some");
        assert!(known.contains(&"127.0.0.1/8".parse().expect("a network")), "{known:?}");
    }
}
