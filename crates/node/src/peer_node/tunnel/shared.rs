//! A provider's firewall for its clients, kept as the operator's lists are.
//!
//! A packet has no name, so a blocked name stands for the addresses that it has: they are looked up when it is blocked and now
//! and then again. Others who live at the same address are blocked with it, which is the price of a block in a tunnel.
//! Lists that change replace the whole table in one transaction, connections that run included.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use byway_access::exit_policy::{Destination, Domain, ExitLists, Hosts};
use byway_driver::exit::{Resolve, SystemResolver};
use byway_driver::host_network::{HostNetwork, HostNetworkError, Matched, SharingPlan};
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
            let (mut in_force, mut named) = (with_lists(&plan, &first, &[]), Vec::new());
            loop {
                let known = lists.borrow_and_update().clone();
                // What has no name is blocked before anyone is asked, and what had one stays so meanwhile.
                put(&*network, &mut in_force, with_lists(&plan, &known, &named)).await;
                named = look_up(&known).await;
                put(&*network, &mut in_force, with_lists(&plan, &known, &named)).await;
                while let Err(_elapsed) = timeout(LOOK_UP_EVERY, lists.changed()).await {
                    named = look_up(&known).await;
                    put(&*network, &mut in_force, with_lists(&plan, &known, &named)).await;
                }
                if lists.has_changed().is_err() {
                    return;
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

/// Where the blocked names are, with the ports that are blocked there.
async fn look_up(lists: &ExitLists) -> Vec<Matched> {
    let names = lists.blocked.iter().filter_map(|blocked| match &blocked.hosts {
        Hosts::Domain(domain) => Some((domain, blocked.ports)),
        _ => None,
    });
    let named: Vec<(&Domain, Option<(u16, u16)>)> = names.take(NAMES_MAX).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let Ok(resolver) = SystemResolver::new() else { return Vec::new() };
    let asked = named.into_iter().map(|(domain, ports)| {
        let resolver = &resolver;
        async move {
            let found = resolver.resolve(domain.as_str()).await.unwrap_or_default();
            let addresses: BTreeSet<IpAddr> = found.into_iter().take(ADDRESSES_MAX).collect();
            let host = |address: IpAddr| Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } };
            addresses.into_iter().map(|address| Matched { network: Some(host(address)), ports }).collect::<Vec<_>>()
        }
    });
    futures::future::join_all(asked).await.concat()
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
