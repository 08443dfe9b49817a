//! Gathering what [`verdicts`](super::verdicts) judge. Whatever can't be found out is left out; nothing here fails.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use byway_channel::ErrorCode;
use byway_driver::link::LinkContact;
use byway_driver::mirror::{Asker, answer_to_knock};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_primitives::Time;
use byway_records::Genesis;
use byway_records::offer::{self, Service};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::{
    ChannelFindings, ChannelTrouble, Findings, KernelFindings, Knock, OfferFindings, PortState, RelayFindings, Sight,
    TunnelLack, clock_off,
};
use crate::api::{
    ChannelCopyState, ChannelDetail, ChannelHealth, ChannelNamed, ChannelRecord, ChannelState, NodeStatus, Nothing,
    Offer, PhoneStatus, RelayWay,
};
use crate::client::Client;
use crate::config::{Config, DisguiseChoice};
use crate::directory::Directory;
use crate::files;
use crate::peer_node::KernelAccess;
use crate::ports;

/// How long a kernel node may take to answer.
const KERNEL_WAIT: Duration = Duration::from_secs(4);
/// Mirrors that are asked how this machine looks: two that answer tell one kind of router from the other.
const LOOKS_MAX: usize = 4;
const SIGHTS_WANTED: usize = 2;
/// Channels that are looked at more closely.
const CHANNELS_SHOWN_MAX: usize = 64;

/// Whose reachability is examined.
pub struct Subject<'a> {
    pub config: &'a Config,
    pub directory: &'a Directory,
    pub genesis: Arc<Genesis>,
    /// By this machine's clock.
    pub now: Time,
}

/// Looks at the machine, asks the network, and the node if it runs.
pub async fn examine(subject: &Subject<'_>) -> Findings {
    let Subject { config, directory, .. } = subject;
    let runs = directory.is_in_use().unwrap_or(false);
    let listen = ports::known_link_address(directory, config.link.listen);
    let (port, socket) = match runs {
        true => (PortState::Node, None),
        false => open(listen).await,
    };
    let sells = config.provider.is_some();
    let mut findings = Findings {
        listen: Some(listen),
        port,
        sells,
        is_disguised: config.link.disguise == DisguiseChoice::Always,
        ..Findings::default()
    };
    findings.relay = config
        .link
        .relay
        .as_ref()
        .and_then(|relay| relay.address().ok())
        .map(|relay| RelayFindings { url: relay.url.to_string(), is_reached: None });
    if runs {
        ask_node(directory, subject.now, &mut findings).await;
    }
    // Whoever goes in disguise alone shows nobody that it is here.
    if !findings.is_disguised {
        ask_network(subject, socket, &mut findings).await;
    }
    findings.tunnel_lacks = tunnel_lacks(config);
    findings.disk_free_bytes = files::disk_free(directory.root());
    findings
}

async fn open(listen: SocketAddr) -> (PortState, Option<UdpSocket>) {
    match UdpSocket::bind(listen).await {
        Ok(socket) => (PortState::Free, Some(socket)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => (PortState::NotHere, None),
        Err(_) => (PortState::Taken, None),
    }
}

/// What the running node knows.
async fn ask_node(directory: &Directory, now: Time, findings: &mut Findings) {
    let Ok(client) = Client::of(directory) else { return };
    if let Ok(status) = client.call::<NodeStatus>("node_status", &Nothing {}).await {
        let relay =
            status.relay.map(|relay| RelayFindings { url: relay.url, is_reached: Some(relay.way != RelayWay::None) });
        findings.relay = relay;
    }
    if let Ok(offers) = client.call::<Vec<Offer>>("offer_own", &Nothing {}).await {
        findings.offer = offers.iter().flat_map(|offer| &offer.contacts).find_map(named);
    }
    findings.phones = client.call::<PhoneStatus>("phone_list", &Nothing {}).await.ok();
    if let Ok(channels) = client.call::<Vec<ChannelRecord>>("channel_list", &Nothing {}).await {
        findings.channels = channels.iter().flat_map(|record| troubles(record, now)).collect();
        for record in channels.iter().filter(|record| may_stand_still(record)).take(CHANNELS_SHOWN_MAX) {
            let name = ChannelNamed { channel: record.channel.clone() };
            let shown = client.call::<ChannelDetail>("channel_show", &name).await;
            findings
                .channels
                .extend(shown.ok().filter(clocks_apart).map(|_| found(record, ChannelTrouble::ClocksApart)));
        }
    }
}

/// Whether something is waited for in a channel, or its peer.
fn may_stand_still(record: &ChannelRecord) -> bool {
    let is_open = record.state != ChannelState::Closed && record.health == ChannelHealth::Sound;
    is_open && (!record.connected || record.waiting.is_some())
}

/// Whether either side has said so since both last came to terms.
fn clocks_apart(channel: &ChannelDetail) -> bool {
    channel.faults.iter().any(|fault| fault.what.code == ErrorCode::Round.word())
}

fn found(record: &ChannelRecord, trouble: ChannelTrouble) -> ChannelFindings {
    ChannelFindings { channel: record.channel.clone(), trouble, left_ms: None }
}

/// What is the matter with a channel: the worst, and what is missing where it would count.
fn troubles(record: &ChannelRecord, now: Time) -> Vec<ChannelFindings> {
    let until = record.dispute.and_then(|dispute| dispute.purses_until_ms);
    let awaited = until.filter(|_| record.state == ChannelState::Locked);
    let copy = match record.copy {
        Some(ChannelCopyState::Off) => Some(ChannelTrouble::NotCopied),
        Some(ChannelCopyState::Failing) => Some(ChannelTrouble::CopyFails),
        _ => None,
    };
    let awaits = awaited.map(|_| ChannelTrouble::PursesAwaited);
    let left_ms = awaited.map(|until| until.since(now));
    let all = trouble(record).into_iter().chain(awaits).chain(copy);
    all.map(|trouble| ChannelFindings { channel: record.channel.clone(), trouble, left_ms }).collect()
}

/// The worst that is the matter with a channel.
fn trouble(record: &ChannelRecord) -> Option<ChannelTrouble> {
    let is_theirs = record.dispute.is_some_and(|dispute| !dispute.ours);
    match record.health {
        _ if record.state == ChannelState::Closed => None,
        ChannelHealth::Frozen => Some(ChannelTrouble::Frozen),
        ChannelHealth::Unreadable => Some(ChannelTrouble::Unreadable),
        _ if is_theirs => Some(ChannelTrouble::Dispute),
        ChannelHealth::Recovering => Some(ChannelTrouble::Recovering),
        ChannelHealth::Sound => None,
    }
}

/// Where a contact of an offer leads.
fn named(contact: &crate::api::Contact) -> Option<OfferFindings> {
    let contact = offer::Contact { protocol: contact.protocol.clone(), data: hex::decode(&contact.data).ok()? };
    let contact = LinkContact::from_offer(&contact).ok()?;
    Some(OfferFindings { addresses: contact.addresses().to_vec(), has_relay: contact.relay().is_some() })
}

async fn ask_network(subject: &Subject<'_>, socket: Option<UdpSocket>, findings: &mut Findings) {
    let Subject { config, genesis, now, .. } = subject;
    let elsewhere = config.ledger.addresses.iter().map(|at| (at.name.clone(), at.address.clone())).collect();
    let access = KernelAccess::to(genesis, &genesis.epoch().seats, &elsewhere, None);
    findings.kernel = ask_kernel(&access, *now).await;
    let port = findings.listen.map_or(0, |listen| listen.port());
    let mirrors = mirrors(config, &access, findings.listen.is_none_or(|listen| listen.is_ipv4())).await;
    findings.local = local(&mirrors).await;
    let any: SocketAddr = match findings.listen {
        Some(listen) if listen.is_ipv6() => ([0u16; 8], 0).into(),
        _ => ([0, 0, 0, 0], 0).into(),
    };
    let Ok(other) = UdpSocket::bind(any).await else { return };
    // The very socket of links where it is free: what a router does with that one is what counts.
    let looking = socket.as_ref().unwrap_or(&other);
    findings.seen_from = looking.local_addr().map_or(0, |address| address.port());
    for (name, mirror) in mirrors.iter().take(LOOKS_MAX) {
        findings.kernel.mirrors_asked += 1;
        if let Some(seen) = Asker(looking).look(*mirror).await {
            findings.seen.push(Sight { by: name.clone(), address: seen.address });
        }
        if findings.seen.len() == SIGHTS_WANTED {
            break;
        }
    }
    // What a person says is forwarded, where that is this machine's address outside.
    let is_seen = |named: &&SocketAddr| findings.seen.iter().any(|sight| sight.address.ip() == named.ip());
    let port = config.link.public.iter().find(is_seen).map_or(port, SocketAddr::port);
    if findings.seen.is_empty() || port == 0 {
        return;
    }
    findings.knocked = port;
    // From elsewhere than was looked at, where there is somebody: a router may let in whom it saw being asked.
    let knocking = async {
        for (_, mirror) in mirrors.iter().rev().take(LOOKS_MAX) {
            if let Some(seen) = Asker(&other).look(*mirror).await
                && let Some(is_answered) = Asker(&other).knock(*mirror, seen, port).await
            {
                return if is_answered { Knock::Answered } else { Knock::Silent };
            }
        }
        Knock::NotTried
    };
    findings.knock = tokio::select! {
        knock = knocking => knock,
        () = answer_knocks(socket.as_ref()) => Knock::NotTried,
    };
}

/// As a running node would; for ever.
async fn answer_knocks(socket: Option<&UdpSocket>) {
    let Some(socket) = socket else { return std::future::pending().await };
    let mut buffer = [0; 2048];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer).await
            && let Some(answer) = answer_to_knock(&buffer[..length])
        {
            // Whoever can't be answered will see silence, as it should.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn ask_kernel(access: &KernelAccess, now: Time) -> KernelFindings {
    let order = access.order();
    let asked = order.iter().map(|seat| timeout(KERNEL_WAIT, access.ask(*seat, &Request::Status)));
    let answers = futures::future::join_all(asked).await;
    let mut findings = KernelFindings { asked: order.len(), ..KernelFindings::default() };
    let mut newest = Time::ZERO;
    for answer in answers {
        match answer {
            Ok(Ok(Answer::Status(status))) => {
                findings.answered += 1;
                newest = newest.max(status.time);
            }
            Ok(Err(error)) => findings.error = Some(error.to_string()),
            _ => {}
        }
    }
    findings.clock_off_ms = (findings.answered > 0).then(|| clock_off(now, newest));
    findings
}

/// Whom to ask over UDP: kernel nodes at random, and the relay where it is reached as it is.
async fn mirrors(config: &Config, access: &KernelAccess, v4: bool) -> Vec<(String, SocketAddr)> {
    let mut named: Vec<(String, String)> =
        access.addresses().into_iter().map(|address| (format!("kernel node {address}"), address)).collect();
    let first = byway_driver::entropy::number() as usize % named.len().max(1);
    named.rotate_left(first);
    let relay = config.link.relay.as_ref().and_then(|relay| relay.address().ok()).map(|relay| relay.url);
    if let Some((host, port)) = relay.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port()?))) {
        named.push((format!("the relay {host}:{port}"), format!("{host}:{port}")));
    }
    let mut mirrors = Vec::new();
    for (name, address) in named {
        let found = timeout(KERNEL_WAIT, lookup_host(address)).await;
        let found = found.ok().and_then(Result::ok).and_then(|mut found| found.find(|found| found.is_ipv4() == v4));
        mirrors.extend(found.map(|mirror| (name, mirror)));
    }
    mirrors
}

/// The addresses that this machine speaks from towards the mirrors.
async fn local(mirrors: &[(String, SocketAddr)]) -> Vec<IpAddr> {
    let mut local = Vec::new();
    for (_, mirror) in mirrors {
        let any: SocketAddr = if mirror.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let Ok(socket) = UdpSocket::bind(any).await else { continue };
        if socket.connect(mirror).await.is_ok()
            && let Ok(own) = socket.local_addr()
            && !local.contains(&own.ip())
        {
            local.push(own.ip());
        }
    }
    local
}

fn tunnel_lacks(config: &Config) -> Vec<TunnelLack> {
    let sells = config.provider.as_ref().is_some_and(|provider| provider.services.contains(&Service::TUNNEL));
    if !sells {
        return Vec::new();
    }
    if !cfg!(target_os = "linux") {
        return vec![TunnelLack::System];
    }
    let programs = std::env::var_os("PATH").unwrap_or_default();
    let has_nft = std::env::split_paths(&programs).any(|folder| folder.join("nft").exists());
    let lacks = [
        (TunnelLack::Root, is_root()),
        (TunnelLack::Tun, Path::new("/dev/net/tun").exists()),
        (TunnelLack::Nft, has_nft),
    ];
    lacks.into_iter().filter(|(_, is_there)| !is_there).map(|(lack, _)| lack).collect()
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
