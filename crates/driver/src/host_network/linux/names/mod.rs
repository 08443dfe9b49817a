//! Names that decide which way packets go: split tunnelling by domain (row A11).
//!
//! **Problem.** Packets have addresses, not names, and what a name's addresses are changes from answer to answer.
//!
//! **Idea.** All questions for names, of whatever program and to whatever server, are turned to this process by the firewall. It
//! passes each on as it is: names that are to be outside to the network's name servers, all others through the tunnel. The
//! addresses in an answer are in the firewall's set before the answer is on its way to whoever asked, so no packet is sent to an
//! address whose way isn't decided. The resolver file names this process, too, and no domains to be searched: those would make
//! a name inside one outside.
//!
//! **In doubt inside.** One address often serves many names, and whoever answers for a name can give any address:
//!
//! - where domains are outside, an address that a name inside has been given is inside, also if it was outside before
//!   ([`learnt`]), and a connection that began inside stays there. So a network that answers falsely for a domain outside can draw
//!   to itself what goes to that domain, and new connections to addresses that nobody has looked up through the tunnel lately, in this
//!   process or the one before: those are in sets of the firewall that no rule asks;
//! - where domains are inside, an address once inside stays so, whoever else has it; when no more can be kept in mind, names are
//!   left unanswered. What a process before this one learnt is taken over from the firewall. Who answers for a domain inside can
//!   draw the traffic to any public address into the tunnel.
//!
//! **What it doesn't see.** Names that a program has looked up before, that stand in `/etc/hosts`, or that it asks for by DNS over
//! HTTPS; and packets that are forwarded for others. Where domains are outside these go inside, which hides more than was
//! wished. Where only domains are inside, they go *outside*, but for forwarded ones to their addresses, which are dropped. So
//! browsers are told, by the name they ask for that ([`CANARY`]), not to use DNS over HTTPS by themselves; DNS over TLS is closed.

mod learning;
mod learnt;
mod split;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use byway_records::Domain;
use futures::FutureExt;
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::sync::{Mutex, watch};

use super::nft;
use super::resolver::Before;
use super::script::CLIENT_TABLE;
use crate::host_network::{ClientPlan, HostNetworkError, INSIDE_MARK, NODE_MARK, Programs};
use crate::names::{PORT, Server, Upstream};
use learning::Learning;
use learnt::Learnt;
use split::{Current, Split};

/// Where questions are turned to. The last three numbers are the letters `byw`.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 98, 121, 119)), PORT);
/// The same for questions over IPv6, at a port that only root's programs get and none is known for.
const ADDRESS_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 859);
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
    pub(super) fn of(programs: Programs) -> Self {
        if programs == Programs::OnlyInside { Self::Inside } else { Self::Outside }
    }

    /// The names of the firewall's sets.
    pub(super) fn sets(self) -> [&'static str; 2] {
        match self {
            Self::Outside => ["outside_v4", "outside_v6"],
            Self::Inside => ["inside_v4", "inside_v6"],
        }
    }

    /// Those of the addresses of all other names, where they are to be remembered.
    pub(super) fn records(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Outside => Some(["others_v4", "others_v6"]),
            Self::Inside => None,
        }
    }
}

/// What answers while a plan with domains is in force.
#[derive(Default)]
pub(super) struct Names {
    running: Mutex<Option<Running>>,
}

struct Running {
    domains: Vec<Domain>,
    outside: Vec<SocketAddr>,
    servers: Vec<Server>,
    split: watch::Sender<Option<Arc<Split>>>,
    learning: Learning,
}

/// What the firewall needs to know of names.
pub(super) struct Named<'a> {
    pub(super) side: Side,
    /// Where questions are turned to, IPv4 and then IPv6.
    pub(super) servers: Vec<SocketAddr>,
    learnt: &'a Learnt,
}

impl Named<'_> {
    /// The addresses in one of the sets.
    pub(super) fn elements(&self, is_v4: bool) -> Vec<IpAddr> {
        self.learnt.addresses().filter(|address| address.is_ipv4() == is_v4).collect()
    }

    /// The addresses in one of the sets of other names.
    pub(super) fn others(&self, is_v4: bool) -> Vec<IpAddr> {
        self.learnt.others().filter(|address| address.is_ipv4() == is_v4).collect()
    }
}

impl Names {
    /// Puts the table in force that `table` makes, and answers by `plan` from then on; nothing more is answered where it names no
    /// domains. `outside` are those who are asked for names outside, if any are known. When it fails all is as before.
    ///
    /// Nothing is learnt meanwhile, so that no address falls between two tables.
    pub(super) async fn follow(
        &self,
        plan: &ClientPlan,
        outside: &[SocketAddr],
        table: impl FnOnce(Option<&Named<'_>>) -> Result<String, HostNetworkError>,
    ) -> Result<(), HostNetworkError> {
        let mut running = self.running.lock().await;
        if plan.domains.is_empty() {
            nft::carry_out(&table(None)?).await?;
            drop(running);
            self.close().await;
            return Ok(());
        }
        let is_new = running.is_none();
        let current = match &mut *running {
            None if outside.is_empty() => return Err(HostNetworkError::NoNameServers),
            Some(current) => current,
            none => none.insert(Running::start(Side::of(plan.programs)).await?),
        };
        let followed = current.follow(plan, outside, table).await;
        if followed.is_err() && is_new {
            drop(running);
            self.close().await;
        }
        followed
    }

    /// Answers nothing any more.
    pub(super) async fn close(&self) {
        for server in self.running.lock().await.take().into_iter().flat_map(|running| running.servers) {
            server.close().await;
        }
    }

    /// Whether names decide now.
    pub(super) async fn are_answered(&self) -> bool {
        self.running.lock().await.is_some()
    }
}

impl Running {
    async fn start(side: Side) -> Result<Self, HostNetworkError> {
        let (split, current) = watch::channel(None);
        let answers = Arc::new(Current(current));
        let failed = |source| HostNetworkError::Names { address: ADDRESS, source: Arc::new(source) };
        let mut servers = vec![Server::start(ADDRESS, answers.clone()).await.map_err(failed)?];
        match Server::start(ADDRESS_V6, answers).await {
            Ok(server) => servers.push(server),
            // They are dropped, and programs ask by IPv4. A machine without IPv6 asks nobody by it.
            Err(error) => tracing::info!(%error, "questions for names over IPv6 are not answered"),
        }
        let [named, others] = found(side).await?;
        let carry_out = |script: String| async move { nft::carry_out(&script).await }.boxed();
        let learning = Learning::new(Learnt::starting(side, named, others), Box::new(carry_out));
        Ok(Self { domains: Vec::new(), outside: Vec::new(), servers, split, learning })
    }

    async fn follow(
        &mut self,
        plan: &ClientPlan,
        outside: &[SocketAddr],
        table: impl FnOnce(Option<&Named<'_>>) -> Result<String, HostNetworkError>,
    ) -> Result<(), HostNetworkError> {
        let side = Side::of(plan.programs);
        let mut learnt = self.learning.hold().await;
        let found = if learnt.side() == side { Default::default() } else { found(side).await? };
        let next = learnt.next(side, self.domains == plan.domains, found);
        let servers = self.servers.iter().map(Server::address).collect();
        nft::carry_out(&table(Some(&Named { side, servers, learnt: &next }))?).await?;
        if !outside.is_empty() {
            // Between two networks there are none; the old ones are as good as none.
            self.outside = outside.to_vec();
        }
        let inside = plan.tunnel.iter().flat_map(|tunnel| &tunnel.resolvers);
        let split = Split {
            epoch: next.epoch(),
            side,
            domains: plan.domains.clone(),
            inside: marked(inside.map(|address| SocketAddr::new(*address, PORT)).collect(), INSIDE_MARK),
            outside: marked(self.outside.clone(), NODE_MARK),
            learning: self.learning.clone(),
        };
        self.domains = plan.domains.clone();
        *learnt = next;
        drop(learnt);
        self.split.send_replace(Some(Arc::new(split)));
        Ok(())
    }
}

fn marked(servers: Vec<SocketAddr>, mark: u32) -> Upstream {
    Upstream { servers, mark: Some(mark) }
}

/// What a process before this one has learnt, where that must not be forgotten: what is inside of the domains, or of all
/// other names.
async fn found(side: Side) -> Result<[Vec<IpAddr>; 2], HostNetworkError> {
    Ok(match side.records() {
        None => [elements(side.sets()).await?, Vec::new()],
        Some(records) => [Vec::new(), elements(records).await?],
    })
}

/// The addresses of the domains that are in the firewall's sets.
pub(super) async fn in_force(side: Side) -> Result<Vec<IpAddr>, HostNetworkError> {
    elements(side.sets()).await
}

async fn elements(sets: [&str; 2]) -> Result<Vec<IpAddr>, HostNetworkError> {
    let mut addresses = Vec::new();
    for set in sets {
        addresses.extend(nft::set_elements(CLIENT_TABLE, set).await?);
    }
    Ok(addresses)
}

/// Who is asked for names outside: those that are named, or those in the machine's own resolver file, which is at `path` and says
/// `own`. None of them is this machine itself: what that asked in turn would be turned to us.
pub(super) fn outside_servers(named: &[IpAddr], path: &Path, own: Option<&Before>) -> Vec<SocketAddr> {
    let servers = match named.is_empty() {
        false => others(named.iter().copied()),
        true => {
            let own = match own {
                Some(Before::File(text)) => text.clone(),
                Some(Before::Link(target)) => {
                    let target = path.parent().unwrap_or(path).join(target);
                    fs::read(target).unwrap_or_default()
                }
                Some(Before::Absent) | None => Vec::new(),
            };
            let own = others(servers_in(&own));
            if own.is_empty() { others(servers_in(&fs::read(RESOLVED_FILE).unwrap_or_default())) } else { own }
        }
    };
    servers.into_iter().map(|address| SocketAddr::new(address, PORT)).collect()
}

fn servers_in(file: &[u8]) -> Vec<IpAddr> {
    parse_resolv_conf(file)
        .map(|(config, _)| config.name_servers().iter().map(|server| server.ip).collect())
        .unwrap_or_default()
}

/// Those that are other machines, and can be asked without naming an interface.
fn others(servers: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let is_other = |address: &IpAddr| {
        let needs_interface = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        // A socket can be bound to the addresses of this machine alone.
        let is_own = UdpSocket::bind((*address, 0)).is_ok();
        !needs_interface && !is_own && !address.is_loopback() && !address.is_unspecified()
    };
    servers.into_iter().filter(is_other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_outside_are_never_this_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("resolv.conf");
        let text =
            b"search home\nnameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 203.0.113.1\n";
        let other: SocketAddr = "203.0.113.1:53".parse().expect("an address");
        assert_eq!(outside_servers(&[], &path, Some(&Before::File(text.to_vec()))), [other]);
        fs::write(folder.path().join("stub"), text).expect("writes");
        assert_eq!(outside_servers(&[], &path, Some(&Before::Link("stub".to_owned()))), [other]);
        let named = ["203.0.113.2", "127.0.0.1"].map(|text| text.parse().expect("an address"));
        assert_eq!(outside_servers(&named, &path, None), ["203.0.113.2:53".parse().expect("an address")]);
    }
}
