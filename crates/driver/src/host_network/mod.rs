//! The machine's own network while the IP tunnel is in use (row A11): what may leave, which way, what names mean, and a
//! provider's address translation.
//!
//! **Problem.** A tunnel alone protects nothing. Until it is up, while it is down, when its process was killed and
//! whenever a program knows another way, packets leave by the ordinary interface with the address that was to be hidden.
//! Rules that are added one after another are open between two of them; rules that only stop new connections let old ones
//! go on; a resolver outside tells the neighbourhood every name.
//!
//! **Idea.** Closing is a matter of its own, done first and undone last. A [`ClientPlan`] is everything that may leave. It
//! becomes one firewall table, which the kernel takes in one transaction or not at all, also in the place of the one
//! before; only then routes and resolver follow. The rules stay in the kernel whatever becomes of the process. What else
//! was changed is written down before it is changed, so that another process can put it back.
//!
//! **Order.** [`HostNetwork::protect`]: state file, firewall, addresses and routes, resolver. Going back: resolver,
//! routes and addresses, firewall, state file. So at every moment at which a process may be killed the machine is closed
//! or was not yet changed, and the next `protect` or [`HostNetwork::reset`] finds all that is left.
//!
//! **Names that decide.** Where domains are outside or inside, questions for names are turned to this process, and addresses follow the
//! answers. See `linux::names`, also for what that opens to whoever answers.
//!
//! # Who is kept from what
//!
//! | adversary | can | can't |
//! | --- | --- | --- |
//! | a program of the machine, not root | use the tunnel; send to the local network where the plan allows it | send a packet past the tunnel (but to what the plan has outside), by an old connection, IPv6, multicast or another resolver either; send from the node's port or with its mark |
//! | a web page or peer inside the tunnel | answer what was asked | open a connection to the machine |
//! | the network the machine is in | see that the node talks to the allowed endpoints; drop it all; offer addresses and routes (DHCP, router advertisements) | draw traffic past the tunnel by a more specific route, since the main table isn't asked; get an answer on an inner address; see names, but for those of domains outside |
//! | a provider | see what comes out of the tunnel; give a resolver that lies | reach the machine or its local network |
//! | a provider's client | reach the internet in the provider's name | reach the provider, its networks or other clients; spoof a source; send mail; be reached unasked |
//! | whoever writes into the node's folder | make `reset` put a false resolver file back, so the folder is as sensitive as the node's keys | have `reset` write anything elsewhere: the file holds values, and no names of files or commands |
//! | root | everything | |
//!
//! # What is not covered
//!
//! - Packets that don't pass the firewall's hooks: raw `AF_PACKET` sockets (root only), ARP, and what a network card does by
//!   itself. Neighbour discovery and DHCP are let out on purpose; they end at the link or at a private server.
//! - A reboot: rules are the kernel's, and gone until the node runs again.
//! - Whoever empties the whole rule set, as root: `nft flush ruleset` is what Debian's nftables service does whenever it is
//!   started. The node has to look ([`Status::is_lost`]) and protect again. Linux 6.9 can make a table that only its owner
//!   deletes, at the price that a crash leaves it to nobody.
//! - Another firewall that also drops (Docker's forward policy): an accept here is no accept there.
//! - A machine that sells its exit and closes itself: what it forwards for others is dropped like all that is forwarded.
//! - Resolvers that don't read `/etc/resolv.conf`: `systemd-resolved` over D-Bus, `nscd`, browsers with DNS over HTTPS.
//!   They leak nothing, since they too go into the tunnel or nowhere; but they may not ask the resolver inside.
//!
//! Not here: the tunnel's packets (WireGuard and its TUN device), rate caps, and when to connect.

mod error;
#[cfg(target_os = "linux")]
pub mod linux;
mod networks;
mod plan;
mod unsupported;

use std::path::Path;

use futures::future::BoxFuture;

pub use error::{HostNetworkError, NameError, PlanError};
#[cfg(target_os = "linux")]
pub use linux::LinuxNetwork;
pub use networks::merged;
pub use plan::*;
pub use unsupported::UnsupportedNetwork;

/// Whether the firewall of this system can be worked, without which there are no tunnels on it.
pub const IS_SUPPORTED: bool = cfg!(target_os = "linux");

/// The network of the machine that this runs on. What was changed is written down in `folder`.
pub fn of_this_machine(folder: &Path) -> Box<dyn HostNetwork> {
    #[cfg(target_os = "linux")]
    return Box::new(LinuxNetwork::new(folder));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        Box::new(UnsupportedNetwork)
    }
}

/// What a system must be able to do. Every call may be repeated, and made by another process than the one before.
pub trait HostNetwork: Send + Sync {
    /// Puts `plan` in force in the place of the plan before, without a moment in between. When it fails the firewall is
    /// what it was, or already the new one; it is never open.
    fn protect<'a>(&'a self, plan: &'a ClientPlan) -> BoxFuture<'a, Result<(), HostNetworkError>>;

    /// Undoes [`protect`](Self::protect), the firewall last.
    fn release(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>>;

    /// Lets a provider's clients out through this machine, under `plan`.
    fn share<'a>(&'a self, plan: &'a SharingPlan) -> BoxFuture<'a, Result<(), HostNetworkError>>;

    /// Undoes [`share`](Self::share).
    fn unshare(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>>;

    /// What is in force, as the system says, not as anyone remembers.
    fn status(&self) -> BoxFuture<'_, Result<Status, HostNetworkError>>;

    /// Undoes everything, whoever left it.
    fn reset(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>>;
}
