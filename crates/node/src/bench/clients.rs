//! `byway bench clients`: what an idle client costs a provider in memory, and how many it holds at one time.
//!
//! ```text
//! crowd: so many market machines, one endpoint, a link each ── loopback ── provider, a process of its own
//! ```
//!
//! The provider is a whole node with its ledger, disk and journals. Each client is an identity of its own with a link, a dialogue and an
//! open session of the proxy, and says nothing more than what keeps those alive. What is measured is what the provider's process has resident,
//! after the first few clients and after all of them, and again once they have been held for a while; then each must still be there.
//!
//! The clients are nobody to the ledger, so their sessions are open without credit: what a promise would add is a record on
//! the provider's disk.

mod crowd;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use byway_access::session::{OpenRequest, Tariff};
use byway_dialogue::StaticCertificate;
use byway_driver::link::LinkContact;
use byway_primitives::{Amount, Decode};
use byway_records::Genesis;
use byway_records::offer::{Contact, Service};
use clap::ValueEnum;
use serde::Serialize;
use tokio::process::Command;

use super::market::{self, failed, peer, prepare, selling};
use super::network::Seats;
use super::process::{Process, READY_WAIT, say_ready, until_told};
use crate::api::{NodeApi, Offer, OfferList, Role as ApiRole};
use crate::peer_node::PeerNode;
use crate::{genesis, kernel_node};
use crowd::{Crowd, Provider};

const KERNEL_NODES: usize = 4;
/// How many clients come before the first look: what the process makes once is made by then.
const FIRST: usize = 50;
/// What an idle client may cost.
const LIMIT_KIB: f64 = 200.0;
const NETWORK_FILE: &str = "network.json";

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub clients: usize,
    /// Of these, how many had their link, dialogue and session at the end.
    pub held: usize,
    pub held_seconds: u64,
    /// Per client beyond the first 50, when all had come.
    pub kib_per_idle_client: f64,
    /// The same, when they had been held.
    pub kib_per_idle_client_held: f64,
    pub limit_kib: f64,
    pub provider_mib: f64,
}

/// What a process of the benchmark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Provider,
}

/// Runs the benchmark with the nodes' state under `folder`.
pub async fn run(clients: usize, held: Duration, folder: &Path) -> anyhow::Result<Report> {
    ensure!(clients > FIRST, "--clients must be above {FIRST}: what a process makes once is not to be counted");
    let mut seats = Seats::take(KERNEL_NODES).await?;
    let genesis = Arc::new(market::genesis(&seats)?);
    genesis::save(&genesis, &folder.join(NETWORK_FILE))?;
    let kernels = seats.start(&genesis, folder).await?;
    let mut command = Command::new(std::env::current_exe().context("this program's own file can't be found")?);
    command.args(["bench", "clients", "--role", "provider", "--folder"]).arg(folder);
    let provider = Process::start(command, "provider", READY_WAIT).await?;
    let user = PeerNode::start(peer("user", ApiRole::User, &genesis, folder)?, None).await?;
    let report = measure(&provider, &user, &genesis, clients, held).await;
    user.stop().await;
    provider.stop().await?;
    futures::future::join_all(kernels.iter().map(kernel_node::KernelNode::stop)).await;
    report
}

async fn measure(
    process: &Process,
    user: &PeerNode,
    genesis: &Arc<Genesis>,
    clients: usize,
    held: Duration,
) -> anyhow::Result<Report> {
    prepare(user).await?;
    let offers = user.offer_list(OfferList::default()).await.map_err(failed)?;
    let provider = provider_of(offers.first().context("the provider has no offer")?)?;
    let mut crowd = Crowd::gather(genesis.network(), provider).await?;
    crowd.grow_to(FIRST).await?;
    let first = process.resident_bytes()?;
    crowd.grow_to(clients).await?;
    let all = process.resident_bytes()?;
    crowd.hold(held).await?;
    let later = process.resident_bytes()?;
    let kib = |bytes: u64| bytes.saturating_sub(first) as f64 / 1024.0 / (clients - FIRST) as f64;
    let report = Report {
        clients,
        held: crowd.present(),
        held_seconds: held.as_secs(),
        kib_per_idle_client: kib(all),
        kib_per_idle_client_held: kib(later),
        limit_kib: LIMIT_KIB,
        provider_mib: later as f64 / 1024.0 / 1024.0,
    };
    crowd.leave().await;
    Ok(report)
}

/// Where the provider of an offer is, and what is asked of it.
fn provider_of(offer: &Offer) -> anyhow::Result<Provider> {
    let contacts: Vec<Contact> = offer
        .contacts
        .iter()
        .map(|contact| Ok(Contact { protocol: contact.protocol.clone(), data: hex::decode(&contact.data)? }))
        .collect::<anyhow::Result<_>>()?;
    let contact = contacts.iter().find_map(|contact| LinkContact::from_offer(contact).ok());
    let certificate = contacts.iter().find_map(|contact| StaticCertificate::from_bytes(&contact.data).ok());
    let price = offer.price.context("the offer has no price")?.amount;
    Ok(Provider {
        identity: offer.provider,
        contact: contact.context("the offer says not where its provider is")?,
        certificate: certificate.context("the offer has no certificate")?,
        request: OpenRequest {
            offer: offer.offer_id,
            service: Service::SOCKS,
            tariff: Tariff::per_mb(price),
            price_max: price,
            bandwidth_bps: offer.bandwidth_bps,
            cost_max: Amount::from_coins(1),
            data: Vec::new(),
        },
    })
}

/// Plays a role in this process until its input ends.
pub async fn play(role: Role, folder: PathBuf) -> anyhow::Result<()> {
    let Role::Provider = role;
    let genesis = Arc::new(genesis::load(&folder.join(NETWORK_FILE))?);
    let mut config = peer("provider", ApiRole::Provider, &genesis, &folder)?;
    config.selling = Some(selling([Service::SOCKS].into())?);
    let provider = PeerNode::start(config, None).await?;
    say_ready();
    until_told().await?;
    provider.stop().await;
    Ok(())
}
