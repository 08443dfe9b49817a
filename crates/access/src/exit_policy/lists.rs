//! What an operator lets through and keeps out beside the standard policy: addresses, ports and names (row A11).
//!
//! **Three lists.** *Blocked* is what somebody complained about; nothing lifts it. *Allowed* lifts what stands in *denied*, and
//! where it names addresses also the standard denials of private and own networks. *Denied* is the operator's taste.
//!
//! **Names** are compared in lower case, label by label from the end, with letters beyond ASCII as they stand in DNS
//! (punycode): `example.com` is also `WWW.Example.com.`. A name in the allowed list never lifts the denial of an address: whoever
//! owns a name decides what it resolves to.
//!
//! A stream says the name that it wants; a packet in the tunnel has only an address. So names are denied to the tunnel where it
//! asks for them, and blocked by the addresses that they have.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use byway_primitives::DecodeError;
use byway_records::Domain;
use byway_records::offer::Network;

use super::{Denied, ExitPolicy, host_reached, names};

/// The hosts that a destination names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    All,
    Network(Network),
    Domain(Domain),
}

/// Where a connection may go or not: `example.com`, `192.0.2.0/24`, `[2001:db8::]/32`, each also with `:PORT` or
/// `:FIRST-LAST`; `*:PORT` is a port of all hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub hosts: Hosts,
    /// The first and the last; all where there are none.
    pub ports: Option<(u16, u16)>,
}

/// The lists of one exit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitLists {
    pub blocked: Vec<Destination>,
    pub allowed: Vec<Destination>,
    pub denied: Vec<Destination>,
}

impl Destination {
    /// Whether a connection to `target`, for which `name` was given, goes there.
    fn is_reached(&self, name: Option<&str>, target: SocketAddr) -> bool {
        self.has_port(target.port()) && self.has_host(name, target.ip())
    }

    fn has_port(&self, port: u16) -> bool {
        self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
    }

    /// A network is taken at its word in either form of an address that carries another.
    fn has_host(&self, name: Option<&str>, address: IpAddr) -> bool {
        let written = address.to_canonical();
        match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network) => network.contains(written) || network.contains(host_reached(written)),
            Hosts::Domain(domain) => name.is_some_and(|name| domain.holds(name)),
        }
    }

    fn has_whole_name(&self, name: &str) -> bool {
        matches!(&self.hosts, Hosts::Domain(domain) if domain.holds(name)) && self.ports.is_none()
    }

    /// Whether this, in the list of what is allowed, names the address itself.
    fn lifts(&self, target: SocketAddr) -> bool {
        let written = target.ip().to_canonical();
        match &self.hosts {
            Hosts::Network(network) => self.has_port(target.port()) && names(network, host_reached(written), written),
            Hosts::All | Hosts::Domain(_) => false,
        }
    }
}

impl ExitLists {
    /// Which of the addresses that `name` was resolved to may be connected to, by these lists and then by `policy`.
    ///
    /// # Errors
    /// The reason of the first, where none may.
    pub fn choose(
        &self,
        policy: &ExitPolicy,
        name: Option<&str>,
        resolved: &[IpAddr],
        port: u16,
    ) -> Result<Vec<SocketAddr>, Denied> {
        let mut first = None;
        let mut chosen = Vec::new();
        for address in resolved {
            let target = SocketAddr::new(*address, port);
            match self.check(policy, name, target) {
                Ok(()) => chosen.push(target),
                Err(denied) => first = first.or(Some(denied)),
            }
        }
        if chosen.is_empty() { Err(first.unwrap_or(Denied::NoAddress)) } else { Ok(chosen) }
    }

    /// Whether `target`, for which `name` was given, may be connected to.
    pub fn check(&self, policy: &ExitPolicy, name: Option<&str>, target: SocketAddr) -> Result<(), Denied> {
        let is_in = |list: &[Destination]| list.iter().any(|destination| destination.is_reached(name, target));
        if self.blocks(name, target) {
            return Err(Denied::Blocked);
        }
        if target.port() != 0 && self.allowed.iter().any(|allowed| allowed.lifts(target)) {
            return Ok(());
        }
        if is_in(&self.denied) && !is_in(&self.allowed) {
            return Err(Denied::Operator);
        }
        policy.check(target)
    }

    /// Whether a connection to `target`, for which `name` was given, is blocked, whatever allowed it once.
    pub fn blocks(&self, name: Option<&str>, target: SocketAddr) -> bool {
        self.blocked.iter().any(|blocked| blocked.is_reached(name, target))
    }

    /// Whether nobody is told where `name` is. Entries with ports don't count: who asks for a name names no port.
    pub fn hides(&self, name: &str) -> bool {
        let is_in = |list: &[Destination]| list.iter().any(|destination| destination.has_whole_name(name));
        is_in(&self.blocked) || (is_in(&self.denied) && !is_in(&self.allowed))
    }
}

impl FromStr for Destination {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if let Some((address, prefix, ports)) = bracketed(text) {
            let ports = ports.map(parse_ports).transpose()?;
            let network = prefix.map_or(address.to_owned(), |prefix| format!("{address}/{prefix}")).parse()?;
            return Ok(Self { hosts: Hosts::Network(network), ports });
        }
        if let Ok(network) = text.parse::<Network>() {
            return Ok(Self { hosts: Hosts::Network(network), ports: None });
        }
        let (host, ports) = match text.rsplit_once(':') {
            Some((host, ports)) => (host, Some(parse_ports(ports)?)),
            None => (text, None),
        };
        let hosts = match host {
            "*" if ports.is_some() => Hosts::All,
            _ => host.parse().map(Hosts::Network).or_else(|_| host.parse().map(Hosts::Domain))?,
        };
        Ok(Self { hosts, ports })
    }
}

/// The parts of `[address]`, `[address]/prefix`, `[address/prefix]`, each with or without `:ports`.
fn bracketed(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    let (address, within) = inside.split_once('/').map_or((inside, None), |(address, prefix)| (address, Some(prefix)));
    let (prefix, ports) = after.split_once(':').map_or((after, None), |(prefix, ports)| (prefix, Some(ports)));
    match (within, prefix) {
        (_, "") => Some((address, within, ports)),
        (None, prefix) => Some((address, Some(prefix.strip_prefix('/')?), ports)),
        (Some(_), _) => None,
    }
}

fn parse_ports(text: &str) -> Result<(u16, u16), DecodeError> {
    const WRONG: DecodeError =
        DecodeError::Invalid("destination: a port such as 25 or ports such as 6660-6669 are needed");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().map_err(|_| WRONG)?, last.parse().map_err(|_| WRONG)?);
    if first == 0 || first > last { Err(WRONG) } else { Ok((first, last)) }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.hosts, self.ports) {
            (Hosts::All, _) => f.write_str("*")?,
            (Hosts::Domain(domain), _) => domain.fmt(f)?,
            (Hosts::Network(network), ports) => {
                let alone = if network.address.is_ipv4() { 32 } else { 128 };
                let (open, close) = if network.address.is_ipv6() && ports.is_some() { ("[", "]") } else { ("", "") };
                write!(f, "{open}{}{close}", network.address)?;
                if network.prefix != alone {
                    write!(f, "/{}", network.prefix)?;
                }
            }
        }
        match self.ports {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, ":{first}"),
            Some((first, last)) => write!(f, ":{first}-{last}"),
        }
    }
}

byway_primitives::serde_as_text!(Destination);

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn list(texts: &[&str]) -> Vec<Destination> {
        texts.iter().map(|text| destination(text)).collect()
    }

    #[test]
    fn a_destination_has_one_form_and_is_read_from_many() {
        for (text, shown) in [
            ("example.com", "example.com"),
            ("*.Example.COM.", "example.com"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example:443", "xn--bcher-kva.example:443"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.0/24:25", "192.0.2.0/24:25"),
            ("192.0.2.1:6660-6669", "192.0.2.1:6660-6669"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::]/32:25", "[2001:db8::]/32:25"),
            ("[2001:db8::/32]:25", "[2001:db8::]/32:25"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("*:6667", "*:6667"),
        ] {
            let read = destination(text);
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(destination(shown), read, "{text}");
        }
        for text in [
            "",
            "*",
            "a..b",
            "-:0",
            "example.com:0",
            "example.com:9-8",
            "1.2.3",
            "1.2.3.4/40",
            "ex ample.com",
            "example.com:http",
            "[::1",
            "[::1]/129",
            "[::/8]/8",
            ".",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
        let long = format!("{}.com", "a".repeat(64));
        assert!(long.parse::<Destination>().is_err());
    }

    #[test]
    fn lists_are_asked_in_their_order() {
        let lists = ExitLists {
            blocked: list(&["bad.example", "198.18.0.0/15", "*:6667", "9.9.9.9:53"]),
            allowed: list(&["10.1.0.0/16:443", "good.spam.example", "8.8.4.4", "intern.example", "9.9.9.9"]),
            denied: list(&["spam.example", "8.8.0.0/16", "*:8000-8100"]),
        };
        let policy = ExitPolicy::default();
        for (name, target, expected) in [
            (None, "1.1.1.1:443", Ok(())),
            (Some("bad.example"), "1.1.1.1:443", Err(Denied::Blocked)),
            (Some("WWW.Bad.Example."), "1.1.1.1:443", Err(Denied::Blocked)),
            (Some("bad.example.."), "1.1.1.1:443", Err(Denied::Blocked)),
            (Some("notbad.example"), "1.1.1.1:443", Ok(())),
            (None, "1.1.1.1:6667", Err(Denied::Blocked)),
            (None, "9.9.9.9:53", Err(Denied::Blocked)),
            (None, "9.9.9.9:54", Ok(())),
            (Some("spam.example"), "1.1.1.1:443", Err(Denied::Operator)),
            (Some("good.spam.example"), "1.1.1.1:443", Ok(())),
            (None, "8.8.8.8:443", Err(Denied::Operator)),
            (None, "[::ffff:8.8.8.8]:443", Err(Denied::Operator)),
            (None, "[64:ff9b::8.8.8.8]:443", Err(Denied::Operator)),
            (None, "8.8.4.4:443", Ok(())),
            (None, "1.1.1.1:8080", Err(Denied::Operator)),
            (None, "10.1.2.3:443", Ok(())),
            (None, "10.1.2.3:80", Err(Denied::Private)),
            (Some("intern.example"), "10.9.9.9:443", Err(Denied::Private)),
            (None, "1.1.1.1:25", Err(Denied::Mail)),
            (None, "8.8.4.4:0", Err(Denied::NoPort)),
        ] {
            let target: SocketAddr = target.parse().expect("a target");
            assert_eq!(lists.check(&policy, name, target), expected, "{name:?} {target}");
        }
        for (name, hidden) in [
            ("bad.example", true),
            ("a.b.BAD.example", true),
            ("spam.example", true),
            ("good.spam.example", false),
            ("example", false),
            ("", false),
        ] {
            assert_eq!(lists.hides(name), hidden, "{name}");
        }
    }

    #[test]
    fn of_what_a_name_resolves_to_only_what_is_allowed_is_tried() {
        let lists = ExitLists { blocked: list(&["1.1.1.1"]), ..ExitLists::default() };
        let resolved: Vec<IpAddr> = ["1.1.1.1", "1.0.0.1"].iter().map(|text| text.parse().expect("one")).collect();
        let chosen = lists.choose(&ExitPolicy::default(), Some("x.example"), &resolved, 443);
        assert_eq!(chosen, Ok(vec!["1.0.0.1:443".parse().expect("one")]));
        let chosen = lists.choose(&ExitPolicy::default(), None, &resolved[..1], 443);
        assert_eq!(chosen, Err(Denied::Blocked));
    }
}
