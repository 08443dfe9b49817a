//! Which way packets go, by policy routing: a table of our own with the tunnel as its default route, and rules that say
//! who asks which table.
//!
//! | order | who | table |
//! | --- | --- | --- |
//! | 1 | packets with the node's or the outside mark | main |
//! | 2 | packets to endpoints whose sockets carry no mark | main |
//! | 3 | packets to networks outside | main |
//! | 4 | packets to the local network, if it is open | main, without its default route |
//! | 5 | all others (or only those with the inside mark) | ours |
//!
//! `wg-quick` asks the main table first for whatever isn't its default route. That lets the network the machine is in
//! draw traffic out of the tunnel with a route by DHCP (CVE-2024-3661, "TunnelVision"), so it isn't done here; the firewall
//! would drop such packets anyway.
//!
//! Rules and routes bear a protocol number of ours, by which they are found again, whoever made them. They are added
//! before old ones are removed. A route goes away with its interface; packets then take the main table's way, and end at
//! the firewall.

use std::net::IpAddr;
use std::path::Path;

use byway_records::offer::Network;
use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, route::RouteHeader};
use rtnetlink::{Handle, IpVersion, LinkUnspec, RouteMessageBuilder};
use tokio::task::JoinHandle;

use super::closed::lan_networks;
use crate::host_network::{
    ClientPlan, HostNetworkError, INSIDE_MARK, InterfaceName, Lan, NODE_MARK, OUTSIDE_MARK, Programs, Sender, merged,
};

/// The routing table of the tunnel. The letters are `by`.
pub const TABLE: u32 = 0x6279;
/// Who made a rule or route. Not given out to anyone (`/etc/iproute2/rt_protos`, `linux/rtnetlink.h`).
const PROTOCOL: RouteProtocol = RouteProtocol::Other(183);
/// Before the main table's rule (32766), after what people usually add.
const PRIORITY_FIRST: u32 = 31_100;
const PRIORITY_LAST: u32 = 31_109;
const MAIN: u32 = RouteHeader::RT_TABLE_MAIN as u32;

const EPERM: i32 = -1;
/// Answers to a removal that say that it isn't there any more: no entry, process, device or address.
const ALREADY_GONE: [i32; 4] = [-2, -3, -19, -99];
const EXISTS: i32 = -17;

/// A connection to the kernel's routing.
pub(super) struct Routes {
    handle: Handle,
    connection: JoinHandle<()>,
}

/// A rule as it is wanted, and as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    is_v4: bool,
    priority: u32,
    mark: Option<u32>,
    to: Option<Network>,
    table: u32,
    /// Not by the table's default route.
    without_default: bool,
}

/// An interface as it is.
pub(super) struct Interface {
    index: u32,
    pub(super) is_up: bool,
    pub(super) addresses: Vec<Network>,
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Routes {
    pub(super) fn open() -> Result<Self, HostNetworkError> {
        let opened = rtnetlink::new_connection();
        let (connection, handle, _) = opened
            .map_err(|error| HostNetworkError::Routes { what: "speak to the kernel", reason: error.to_string() })?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// Sends everything that `plan` has inside into the tunnel, and nothing else.
    pub(super) async fn apply(&self, plan: &ClientPlan) -> Result<(), HostNetworkError> {
        if let Some(tunnel) = &plan.tunnel {
            let interface = self.interface(&tunnel.interface).await?;
            for is_v4 in [true, false] {
                if tunnel.addresses.iter().any(|address| address.address.is_ipv4() == is_v4) {
                    self.set_default(interface.index, is_v4).await?;
                }
            }
        }
        let wanted = rules(plan);
        let found = self.rules().await?;
        for rule in wanted.iter().filter(|rule| !found.iter().any(|(known, _)| known == *rule)) {
            self.add_rule(rule).await?;
        }
        for (_, message) in found.into_iter().filter(|(known, _)| !wanted.contains(known)) {
            self.remove_rule(message).await?;
        }
        Ok(())
    }

    /// Removes all rules and routes of ours, and says how many of each there were.
    pub(super) async fn clear(&self) -> Result<(usize, usize), HostNetworkError> {
        let (rules, routes) = (self.rules().await?, self.routes().await?);
        let counts = (rules.len(), routes.len());
        for (_, message) in rules {
            self.remove_rule(message).await?;
        }
        for message in routes {
            gone("remove a route", self.handle.route().del(message).execute().await)?;
        }
        Ok(counts)
    }

    /// How many rules and routes of ours there are.
    pub(super) async fn count(&self) -> Result<(usize, usize), HostNetworkError> {
        Ok((self.rules().await?.len(), self.routes().await?.len()))
    }

    pub(super) async fn interface(&self, name: &InterfaceName) -> Result<Interface, HostNetworkError> {
        let missing = || HostNetworkError::NoInterface { name: name.to_string() };
        let link: LinkMessage = match self.handle.link().get().match_name(name.as_str()).execute().try_next().await {
            Ok(Some(link)) => link,
            Err(error) if code(&error).is_some_and(|code| code != EPERM) => return Err(missing()),
            Ok(None) => return Err(missing()),
            Err(error) => return Err(failed("read interfaces", &error)),
        };
        let index = link.header.index;
        let addresses = self.handle.address().get().set_link_index_filter(index).execute();
        let addresses: Vec<AddressMessage> =
            addresses.try_collect().await.map_err(|error| failed("read addresses", &error))?;
        let addresses = addresses.iter().filter_map(network_of).collect();
        Ok(Interface { index, is_up: link.header.flags.contains(LinkFlags::Up), addresses })
    }

    pub(super) async fn add_address(&self, to: &Interface, address: &Network) -> Result<(), HostNetworkError> {
        let request = self.handle.address().add(to.index, address.address, address.prefix);
        there("add an address", request.execute().await)
    }

    pub(super) async fn remove_address(&self, name: &InterfaceName, address: &Network) -> Result<(), HostNetworkError> {
        let Ok(interface) = self.interface(name).await else { return Ok(()) };
        let found = self.handle.address().get().set_link_index_filter(interface.index).execute();
        let found: Vec<AddressMessage> = found.try_collect().await.map_err(|error| failed("read addresses", &error))?;
        for message in found.into_iter().filter(|message| network_of(message).as_ref() == Some(address)) {
            gone("remove an address", self.handle.address().del(message).execute().await)?;
        }
        Ok(())
    }

    pub(super) async fn raise(&self, interface: &Interface) -> Result<(), HostNetworkError> {
        let message = LinkUnspec::new_with_index(interface.index).up().build();
        there("bring an interface up", self.handle.link().set(message).execute().await)
    }

    pub(super) async fn lower(&self, name: &InterfaceName) -> Result<(), HostNetworkError> {
        let Ok(interface) = self.interface(name).await else { return Ok(()) };
        let message = LinkUnspec::new_with_index(interface.index).down().build();
        gone("bring an interface down", self.handle.link().set(message).execute().await)
    }

    async fn set_default(&self, index: u32, is_v4: bool) -> Result<(), HostNetworkError> {
        let message = if is_v4 {
            let builder = RouteMessageBuilder::<std::net::Ipv4Addr>::new().scope(RouteScope::Link);
            builder.output_interface(index).table_id(TABLE).protocol(PROTOCOL).build()
        } else {
            let builder = RouteMessageBuilder::<std::net::Ipv6Addr>::new();
            builder.output_interface(index).table_id(TABLE).protocol(PROTOCOL).build()
        };
        there("add the route through the tunnel", self.handle.route().add(message).replace().execute().await)
    }

    async fn routes(&self) -> Result<Vec<RouteMessage>, HostNetworkError> {
        let mut found = Vec::new();
        for mut message in [
            RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
            RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
        ] {
            message.header.table = RouteHeader::RT_TABLE_UNSPEC;
            let mut stream = Box::pin(self.handle.route().get(message).execute());
            while let Some(route) = stream.try_next().await.map_err(|error| failed("read routes", &error))? {
                let is_in_table = route.attributes.contains(&RouteAttribute::Table(TABLE));
                if is_in_table && route.header.protocol == PROTOCOL {
                    found.push(route);
                }
            }
        }
        Ok(found)
    }

    async fn rules(&self) -> Result<Vec<(Rule, RuleMessage)>, HostNetworkError> {
        let mut found = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let rules = self.handle.rule().get(version).execute();
            let rules: Vec<RuleMessage> = rules.try_collect().await.map_err(|error| failed("read rules", &error))?;
            found.extend(rules.into_iter().filter_map(|message| Some((Rule::of(&message)?, message))));
        }
        Ok(found)
    }

    async fn add_rule(&self, rule: &Rule) -> Result<(), HostNetworkError> {
        if !rule.is_v4 && !has_v6() {
            return Ok(());
        }
        let request = self.handle.rule().add().priority(rule.priority).table_id(rule.table).action(RuleAction::ToTable);
        let finish = |message: &mut RuleMessage| {
            message.attributes.push(RuleAttribute::Protocol(PROTOCOL));
            message.attributes.extend(rule.mark.map(RuleAttribute::FwMark));
            if rule.without_default {
                message.attributes.push(RuleAttribute::SuppressPrefixLen(0));
            }
            if let Some(to) = &rule.to {
                message.header.dst_len = to.prefix;
                message.attributes.push(RuleAttribute::Destination(to.address));
            }
        };
        let added = if rule.is_v4 {
            let mut request = request.v4();
            finish(request.message_mut());
            request.execute().await
        } else {
            let mut request = request.v6();
            finish(request.message_mut());
            request.execute().await
        };
        there("add a routing rule", added)
    }

    async fn remove_rule(&self, message: RuleMessage) -> Result<(), HostNetworkError> {
        gone("remove a routing rule", self.handle.rule().del(message).execute().await)
    }
}

impl Rule {
    /// The rule in `message`, if it is ours.
    fn of(message: &RuleMessage) -> Option<Self> {
        let mut rule = Self {
            is_v4: message.header.family == AddressFamily::Inet,
            priority: 0,
            mark: None,
            to: None,
            table: u32::from(message.header.table),
            without_default: false,
        };
        let mut is_ours = false;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Protocol(protocol) => is_ours = *protocol == PROTOCOL,
                RuleAttribute::Priority(priority) => rule.priority = *priority,
                RuleAttribute::FwMark(mark) if *mark != 0 => rule.mark = Some(*mark),
                RuleAttribute::Table(table) => rule.table = *table,
                RuleAttribute::SuppressPrefixLen(0) => rule.without_default = true,
                RuleAttribute::Destination(address) => {
                    rule.to = Some(Network { address: *address, prefix: message.header.dst_len });
                }
                _ => {}
            }
        }
        is_ours.then_some(rule)
    }
}

/// The rules of `plan`, for both families.
fn rules(plan: &ClientPlan) -> Vec<Rule> {
    let mut rules = Vec::new();
    for is_v4 in [true, false] {
        let rule = |order, mark, to, table, without_default| Rule {
            is_v4,
            priority: PRIORITY_FIRST + order,
            mark,
            to,
            table,
            without_default,
        };
        if plan.programs == Programs::OnlyInside {
            rules.push(rule(5, Some(INSIDE_MARK), None, TABLE, false));
            continue;
        }
        let of_family = |networks: Vec<Network>| networks.into_iter().filter(move |to| to.address.is_ipv4() == is_v4);
        let endpoints: Vec<Network> = plan
            .allowed
            .iter()
            .filter(|allowed| allowed.sender != Sender::Marked)
            .map(|allowed| host(allowed.to.ip().to_canonical()))
            .collect();
        rules.push(rule(1, Some(NODE_MARK), None, MAIN, false));
        if plan.programs == Programs::AllButOutside || !plan.domains.is_empty() {
            rules.push(rule(1, Some(OUTSIDE_MARK), None, MAIN, false));
        }
        rules.extend(of_family(merged(&endpoints)).map(|to| rule(2, None, Some(to), MAIN, false)));
        rules.extend(of_family(merged(&plan.outside)).map(|to| rule(3, None, Some(to), MAIN, false)));
        if plan.lan == Lan::Open {
            rules.extend(of_family(lan_networks()).map(|to| rule(4, None, Some(to), MAIN, true)));
        }
        rules.push(rule(PRIORITY_LAST - PRIORITY_FIRST, None, None, TABLE, false));
    }
    rules
}

fn host(address: IpAddr) -> Network {
    Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
}

fn network_of(message: &AddressMessage) -> Option<Network> {
    // On a link between two ends the other end is called the address, and this one the local address.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some(Network { address: local.or(address)?, prefix: message.header.prefix_len })
}

fn has_v6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

fn code(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code()),
        _ => None,
    }
}

fn failed(what: &'static str, error: &rtnetlink::Error) -> HostNetworkError {
    match code(error) {
        Some(EPERM) => HostNetworkError::NotAllowed,
        _ => HostNetworkError::Routes { what, reason: error.to_string() },
    }
}

/// An addition, for which it is well if it is there already.
fn there(what: &'static str, result: Result<(), rtnetlink::Error>) -> Result<(), HostNetworkError> {
    match result {
        Err(error) if code(&error) != Some(EXISTS) => Err(failed(what, &error)),
        _ => Ok(()),
    }
}

/// A removal, for which it is well if it is gone already.
fn gone(what: &'static str, result: Result<(), rtnetlink::Error>) -> Result<(), HostNetworkError> {
    match result {
        Err(error) if !code(&error).is_some_and(|code| ALREADY_GONE.contains(&code)) => Err(failed(what, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_network::{Allowed, Transport};

    #[test]
    fn rules_say_who_asks_which_table() {
        let allowed =
            |to: &str, sender| Allowed { transport: Transport::Udp, to: to.parse().expect("an address"), sender };
        let plan = ClientPlan {
            allowed: vec![
                allowed("192.0.2.1:1", Sender::Marked),
                allowed("192.0.2.2:1", Sender::Port(5)),
                allowed("[2001:db8::2]:1", Sender::Anyone),
            ],
            outside: vec!["198.51.100.7/24".parse().expect("a network")],
            ..ClientPlan::default()
        };
        let told: Vec<String> = rules(&plan)
            .iter()
            .map(|rule| {
                let to = rule.to.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
                let mark = if rule.mark.is_some() { " marked" } else { "" };
                format!("{} {to}{mark} {}", rule.priority, if rule.table == TABLE { "tunnel" } else { "main" })
            })
            .collect();
        let expected = [
            "31101 all marked main",
            "31102 192.0.2.2/32 main",
            "31103 198.51.100.0/24 main",
            "31109 all tunnel",
            "31101 all marked main",
            "31102 2001:db8::2/128 main",
            "31109 all tunnel",
        ];
        assert_eq!(told, expected);
    }
}
