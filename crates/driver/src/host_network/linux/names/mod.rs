//! Names that decide which way packets go: split tunnelling by domain (row A11).
//!
//! **Problem.** Packets have addresses, not names, and what a name's addresses are changes from answer to answer.
//!
//! **Idea.** All questions for names, of whatever program and to whatever server, are turned to this process by the firewall. It
//! passes each on as it is: names that are to be outside to the network's name servers, all others through the tunnel. The
//! addresses in an answer are in the firewall's set before the answer is on its way to whoever asked, so no packet is sent to an
//! address whose way isn't decided. The resolver file stays as it is, so that programs which ask their system by other means are
//! caught where that asks.
//!
//! **In doubt inside.** One address often serves many names, and whoever answers for a name can give any address:
//!
//! - where domains are outside, an address that a name inside has been given is inside, also if it was outside before
//!   ([`learnt`]). A network that answers falsely for a domain outside can draw to itself what goes to that domain, and nothing that
//!   is asked for by another name;
//! - where domains are inside, an address once inside stays so, whoever else has it; when no more can be kept in mind, names are
//!   left unanswered. What a process before this one learnt is taken over from the firewall.
//!
//! **What it doesn't see.** Names that a program has looked up before, that stand in `/etc/hosts`, or that it asks for by DNS over
//! HTTPS or TLS. Where domains are outside these go inside, which hides more than was wished. Where only domains are inside, they
//! go *outside*: so browsers are told, by the name they ask for that ([`CANARY`]), not to use DNS over HTTPS by themselves.

mod learnt;
mod split;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use byway_records::Domain;
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::sync::{Mutex, MutexGuard, watch};

use super::nft;
use super::script::CLIENT_TABLE;
use crate::host_network::{ClientPlan, HostNetworkError, INSIDE_MARK, NODE_MARK, Programs};
use crate::names::{PORT, Server, Upstream};
use learnt::Learnt;
use split::{Current, Split};

/// Where questions are turned to. The last three numbers are the letters `byw`.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 98, 121, 119)), PORT);
/// The same for questions over IPv6, at a port that is free.
const ADDRESS_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
/// A name that says that DNS over HTTPS is unwelcome, if it doesn't exist (Mozilla's canary domain).
const CANARY: &str = "use-application-dns.net";
/// Where `systemd-resolved` names those that it asks.
const RESOLVED_FILE: &str = "/run/systemd/resolve/resolv.conf";

/// On which side of the tunnel the domains of a plan are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Outside,
    Inside,
}

impl Side {
    pub(super) fn of(plan: &ClientPlan) -> Self {
        if plan.programs == Programs::OnlyInside { Self::Inside } else { Self::Outside }
    }

    /// The names of the firewall's sets.
    pub(super) fn sets(self) -> [&'static str; 2] {
        match self {
            Self::Outside => ["outside_v4", "outside_v6"],
            Self::Inside => ["inside_v4", "inside_v6"],
        }
    }
}

/// What answers while a plan with domains is in force.
#[derive(Default)]
pub(super) struct Names {
    running: Mutex<Option<Running>>,
}

struct Running {
    side: Side,
    domains: Vec<Domain>,
    /// The plan's name servers, and those that are asked.
    named_servers: Vec<IpAddr>,
    outside: Vec<SocketAddr>,
    servers: Vec<Server>,
    split: watch::Sender<Arc<Split>>,
    learnt: Arc<Mutex<Learnt>>,
}

/// What the firewall needs to know of names. While it is held nothing is learnt, so that no address falls between two tables.
pub(super) struct Named<'a> {
    pub(super) side: Side,
    /// Where questions are turned to, IPv4 and then IPv6.
    pub(super) servers: Vec<SocketAddr>,
    learnt: MutexGuard<'a, Learnt>,
}

impl Named<'_> {
    /// The addresses in one of the sets.
    pub(super) fn elements(&self, is_v4: bool) -> Vec<IpAddr> {
        self.learnt.addresses().filter(|address| address.is_ipv4() == is_v4).collect()
    }
}

impl Names {
    /// Answers by `plan` from now on; nothing more is answered where it names no domains. `outside` are those who are asked for
    /// names outside, if any are known.
    pub(super) async fn follow(&self, plan: &ClientPlan, outside: Vec<SocketAddr>) -> Result<(), HostNetworkError> {
        let mut running = self.running.lock().await;
        if plan.domains.is_empty() {
            for server in running.take().into_iter().flat_map(|running| running.servers) {
                server.close().await;
            }
            return Ok(());
        }
        let side = Side::of(plan);
        let outside = match (&*running, outside.is_empty()) {
            (None, true) => return Err(HostNetworkError::NoNameServers),
            // Between two networks there may be none; the old ones are as good as none.
            (Some(running), true) => running.outside.clone(),
            (_, false) => outside,
        };
        // What is outside is as the domains say; what was inside for one of them stays so.
        let is_kept =
            |running: &&Running| running.side == side && (side == Side::Inside || running.domains == plan.domains);
        let learnt = match running.as_ref().filter(is_kept) {
            Some(running) => running.learnt.clone(),
            None => Arc::new(Mutex::new(found(side).await?)),
        };
        let inside = plan.tunnel.iter().flat_map(|tunnel| &tunnel.resolvers);
        let split = Arc::new(Split {
            side,
            domains: plan.domains.clone(),
            inside: marked(inside.map(|address| SocketAddr::new(*address, PORT)).collect(), INSIDE_MARK),
            outside: marked(outside.clone(), NODE_MARK),
            learnt: learnt.clone(),
        });
        let (servers, split) = match running.take() {
            Some(running) => {
                running.split.send_replace(split);
                (running.servers, running.split)
            }
            None => start(split).await?,
        };
        let (domains, named_servers) = (plan.domains.clone(), plan.name_servers.clone());
        *running = Some(Running { side, domains, named_servers, outside, servers, split, learnt });
        Ok(())
    }

    /// Calls `table` with what the firewall is to know, and carries out what it gives before anything else is learnt.
    pub(super) async fn replace_table(
        &self,
        table: impl FnOnce(Option<&Named<'_>>) -> Result<String, HostNetworkError>,
    ) -> Result<(), HostNetworkError> {
        let running = self.running.lock().await;
        let named = match &*running {
            Some(running) => Some(Named {
                side: running.side,
                servers: running.servers.iter().map(Server::address).collect(),
                learnt: running.learnt.lock().await,
            }),
            None => None,
        };
        nft::carry_out(&table(named.as_ref())?).await
    }

    /// Whether the machine's name servers are others than those that are asked for names outside.
    pub(super) async fn are_outdated(&self, resolver_file: &Path) -> bool {
        let running = self.running.lock().await;
        let Some(running) = running.as_ref() else { return false };
        let now = outside_servers(&running.named_servers, resolver_file);
        !now.is_empty() && running.outside != now
    }
}

fn marked(servers: Vec<SocketAddr>, mark: u32) -> Upstream {
    Upstream { servers, mark: Some(mark) }
}

/// What a process before this one has learnt, where that must not be forgotten.
async fn found(side: Side) -> Result<Learnt, HostNetworkError> {
    let mut addresses = Vec::new();
    if side == Side::Inside {
        for set in side.sets() {
            addresses.extend(nft::set_elements(CLIENT_TABLE, set).await?);
        }
    }
    Ok(Learnt::starting(side, addresses))
}

async fn start(split: Arc<Split>) -> Result<(Vec<Server>, watch::Sender<Arc<Split>>), HostNetworkError> {
    let (sender, current) = watch::channel(split);
    let answers = Arc::new(Current(current));
    let failed = |source| HostNetworkError::Names { address: ADDRESS, source: Arc::new(source) };
    let mut servers = vec![Server::start(ADDRESS, answers.clone()).await.map_err(failed)?];
    // A machine without IPv6 asks nobody by it.
    servers.extend(Server::start(ADDRESS_V6, answers).await);
    Ok((servers, sender))
}

/// Who is asked for names outside, by what the plan names or the machine's resolver file. None of them is this machine itself: what that
/// asked in turn would be turned to us.
pub(super) fn outside_servers(named: &[IpAddr], resolver_file: &Path) -> Vec<SocketAddr> {
    let named: Vec<IpAddr> = match named.is_empty() {
        false => named.to_vec(),
        true => [resolver_file, Path::new(RESOLVED_FILE)]
            .into_iter()
            .map(|file| others_in(&fs::read(file).unwrap_or_default()))
            .find(|servers| !servers.is_empty())
            .unwrap_or_default(),
    };
    named.into_iter().map(|address| SocketAddr::new(address, PORT)).collect()
}

/// The name servers in a resolver file that are others than this machine, and can be asked without naming an interface.
fn others_in(file: &[u8]) -> Vec<IpAddr> {
    let Ok((config, _)) = parse_resolv_conf(file) else { return Vec::new() };
    let is_other = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unspecified() && !address.is_unicast_link_local(),
    };
    config.name_servers().iter().map(|server| server.ip).filter(is_other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_outside_are_never_this_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("resolv.conf");
        let text =
            "search home\nnameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\n";
        fs::write(&file, text).expect("writes");
        assert_eq!(outside_servers(&[], &file), ["192.0.2.1:53".parse().expect("an address")]);
        assert_eq!(
            outside_servers(&[IpAddr::from([192, 0, 2, 2])], &file),
            ["192.0.2.2:53".parse().expect("an address")]
        );
    }
}
