//! The IP tunnel of a market node (row A11): what its sessions need beside those of the proxy.
//!
//! - [`kind`]: what the two sides tell each other when a session opens, and the keys for it.
//! - [`host`]: a provider's WireGuard, one for all clients: a peer is added when its session is accepted, with a gate that lets
//!   nothing pass, since its first handshake comes before the client can say that the channel is up.
//! - [`shared`]: a provider's firewall, as the operator's lists are.
//! - [`guest`]: a client's WireGuard, one for the session that it uses, built when that was accepted.
//! - [`coding`]: how its packets are cut, where the tunnel goes over relays in slices.
//! - [`guard`]: the machine's own network meanwhile: closed to everything but the tunnel from the first session on until the user
//!   disconnects, also while there is no exit and after a crash.
//!
//! All of them need root, or CAP_NET_ADMIN. A node without that browses by the proxy, which protects what goes through it
//! and nothing else.

mod coding;
mod guard;
mod guest;
mod host;
mod kind;
mod shared;

use byway_access::service::tunnel::Slot;
use byway_records::offer::Network;

pub use coding::{Cutting, Joining};
pub(super) use guard::Guard;
pub(super) use guest::{Guest, GuestError, GuestOrder, InSlices, build};
pub use host::{HostError, TunnelHost, TunnelSelling};
pub(super) use kind::{NextShape, TunnelKind};
pub(super) use shared::ExitRules;

/// Bytes of the largest slice: what is left of 1,500 after IPv6 and UDP.
const SLICE_BYTES_MAX: usize = 1452;
/// Bytes that WireGuard puts around a packet.
const WIREGUARD_BYTES: usize = 32;

/// The network inside, as a provider routes it.
fn inner_networks() -> [Network; 2] {
    [
        Network { address: Slot::PROVIDER.v4().into(), prefix: 16 },
        Network { address: Slot::PROVIDER.v6().into(), prefix: 64 },
    ]
}
