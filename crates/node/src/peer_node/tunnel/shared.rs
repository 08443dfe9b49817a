//! A provider's firewall for its clients, kept as the operator's lists are.
//!
//! A packet has no name, so a blocked name stands for the addresses that it has: they are looked up when it is blocked and now
//! and then again. Others who live at the same address are blocked with it, which is the price of a block in a tunnel.
//! Lists that change replace the whole table in one transaction, connections that run included.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use byway_access::exit_policy::{Destination, ExitLists, Hosts};
use byway_driver::exit::{Resolve, SystemResolver};
use byway_driver::host_network::{HostNetwork, HostNetworkError, Matched, SharingPlan};
use byway_records::Domain;
use byway_records::offer::Network;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How often it is looked where blocked names are now.
const LOOK_UP_EVERY: Duration = Duration::from_secs(300);
/// Names that are looked up; those beyond are hidden by the name server alone.
const NAMES_MAX: usize = 200;
/// Addresses of one name that are blocked.
const ADDRESSES_MAX: usize = 16;

/// What decides where clients of tunnels get.
pub(in crate::peer_node) struct ExitRules {
    pub allow: Vec<Network>,
    pub lists: watch::Receiver<Arc<ExitLists>>,
}

/// A task that keeps the firewall; it ends with [`Keeper::end`].
pub(super) struct Keeper(Mutex<Option<JoinHandle<()>>>);

impl Keeper {
    /// Shares the machine's network by `plan` and the lists, and follows these from then on.
    pub async fn start(
        network: Arc<dyn HostNetwork>,
        plan: SharingPlan,
        mut lists: watch::Receiver<Arc<ExitLists>>,
    ) -> Result<Self, HostNetworkError> {
        let first = lists.borrow_and_update().clone();
        network.share(&with_lists(&plan, &first, &[])).await?;
        let task = tokio::spawn(async move {
            let (mut in_force, mut seen) = (with_lists(&plan, &first, &[]), Seen::default());
            loop {
                let known = lists.borrow_and_update().clone();
                loop {
                    // What has no name is blocked before anyone is asked, and what had one stays so meanwhile.
                    put(&*network, &mut in_force, with_lists(&plan, &known, &named(&known, &seen))).await;
                    tokio::select! {
                        () = look_up(&known, &mut seen) => {}
                        changed = lists.changed() => match changed {
                            Ok(()) => break,
                            Err(_) => return,
                        }
                    }
                    put(&*network, &mut in_force, with_lists(&plan, &known, &named(&known, &seen))).await;
                    match timeout(LOOK_UP_EVERY, lists.changed()).await {
                        Err(_elapsed) => {}
                        Ok(Ok(())) => break,
                        Ok(Err(_)) => return,
                    }
                }
            }
        });
        Ok(Self(Mutex::new(Some(task))))
    }

    /// Follows no more; done when nothing is changed any more.
    pub async fn end(&self) {
        if let Some(task) = self.0.lock().await.take() {
            task.abort();
            // It has ended, one way or the other.
            let _ = task.await;
        }
    }
}

async fn put(network: &dyn HostNetwork, in_force: &mut SharingPlan, plan: SharingPlan) {
    if *in_force == plan {
        return;
    }
    match network.share(&plan).await {
        Ok(()) => *in_force = plan,
        Err(error) => tracing::error!(%error, "the firewall does not keep clients from what is blocked"),
    }
}

/// Where names were when they were last found. One that can't be found for a while stays where it was, since whoever owns it
/// decides whether it is found.
type Seen = BTreeMap<Domain, BTreeSet<IpAddr>>;

/// The names that are blocked, with the ports.
fn blocked_names(lists: &ExitLists) -> impl Iterator<Item = (&Domain, Option<(u16, u16)>)> {
    let names = lists.blocked.iter().filter_map(|blocked| match &blocked.hosts {
        Hosts::Domain(domain) => Some((domain, blocked.ports)),
        _ => None,
    });
    names.take(NAMES_MAX)
}

/// Where the blocked names are, with the ports that are blocked there.
fn named(lists: &ExitLists, seen: &Seen) -> Vec<Matched> {
    let host = |address: &IpAddr| Network { address: *address, prefix: if address.is_ipv4() { 32 } else { 128 } };
    let places = blocked_names(lists).flat_map(|(name, ports)| {
        let addresses = seen.get(name).into_iter().flatten();
        addresses.map(move |address| Matched { network: Some(host(address)), ports })
    });
    places.collect()
}

/// Finds the blocked names.
async fn look_up(lists: &ExitLists, seen: &mut Seen) {
    let names: BTreeSet<&str> = blocked_names(lists).map(|(name, _)| name.as_str()).collect();
    seen.retain(|name, _| names.contains(name.as_str()));
    if names.is_empty() {
        return;
    }
    let Ok(resolver) = SystemResolver::new() else { return };
    let resolver = &resolver;
    let asked = blocked_names(lists).map(|(name, _)| async move { (name, resolver.resolve(name.as_str()).await) });
    for (name, found) in futures::future::join_all(asked).await {
        let found: BTreeSet<IpAddr> = found.unwrap_or_default().into_iter().take(ADDRESSES_MAX).collect();
        if !found.is_empty() {
            seen.insert(name.clone(), found);
        }
    }
}

/// The plan with what the lists add to it; `named` is where blocked names are.
fn with_lists(plan: &SharingPlan, lists: &ExitLists, named: &[Matched]) -> SharingPlan {
    let matched = |list: &[Destination]| -> Vec<Matched> { list.iter().filter_map(matched).collect() };
    let blocked = matched(&lists.blocked).into_iter().chain(named.iter().copied()).collect();
    SharingPlan { allowed: matched(&lists.allowed), refused: matched(&lists.denied), blocked, ..plan.clone() }
}

/// What a packet shows of a destination; a name it doesn't.
fn matched(destination: &Destination) -> Option<Matched> {
    let network = match &destination.hosts {
        Hosts::All => None,
        Hosts::Network(network) => Some(*network),
        Hosts::Domain(_) => return None,
    };
    Some(Matched { network, ports: destination.ports })
}
