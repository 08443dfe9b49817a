//! Which inner addresses belong to which peer: prefixes, and finding the longest that holds an address.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    pub const ALL_V4: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), length: 0 };
    pub const ALL_V6: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), length: 0 };

    /// The prefix of `length` bits that holds `address`; `None` if the address hasn't that many.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let bits = Bits::of(address);
        (length <= bits.count).then(|| Self { address: bits.cut(length).address(), length })
    }

    /// The prefix of this address alone.
    pub fn host(address: IpAddr) -> Self {
        Self { address, length: Bits::of(address).count }
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits are given.
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// An address as a number whose first bit is the highest, and how many bits it has.
#[derive(Clone, Copy)]
struct Bits {
    value: u128,
    count: u8,
}

impl Bits {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self { value: u128::from(u32::from(address)) << 96, count: 32 },
            IpAddr::V6(address) => Self { value: u128::from(address), count: 128 },
        }
    }

    fn address(self) -> IpAddr {
        match self.count {
            32 => IpAddr::V4(Ipv4Addr::from((self.value >> 96) as u32)),
            _ => IpAddr::V6(Ipv6Addr::from(self.value)),
        }
    }

    /// With all bits after the first `length` cleared.
    fn cut(self, length: u8) -> Self {
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Self { value: self.value & mask, count: self.count }
    }
}

/// Values by prefix. A look-up asks once for each length that occurs, longest first: one question where all prefixes are
/// single addresses, as a provider has them, or the whole network, as a client has it.
#[derive(Debug)]
pub(super) struct Routes<T> {
    v4: Lengths<T>,
    v6: Lengths<T>,
}

/// Longest first.
type Lengths<T> = Vec<(u8, HashMap<u128, T>)>;

impl<T> Routes<T> {
    pub fn new() -> Self {
        Self { v4: Vec::new(), v6: Vec::new() }
    }

    /// The value of exactly this prefix.
    pub fn exact(&self, prefix: &Prefix) -> Option<&T> {
        let bits = Bits::of(prefix.address);
        let (_, values) = self.of(bits).iter().find(|(length, _)| *length == prefix.length)?;
        values.get(&bits.value)
    }

    pub fn insert(&mut self, prefix: Prefix, value: T) {
        let bits = Bits::of(prefix.address);
        let lengths = if bits.count == 32 { &mut self.v4 } else { &mut self.v6 };
        let at = lengths.partition_point(|(length, _)| *length > prefix.length);
        if lengths.get(at).is_none_or(|(length, _)| *length != prefix.length) {
            lengths.insert(at, (prefix.length, HashMap::new()));
        }
        lengths[at].1.insert(bits.value, value);
    }

    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for lengths in [&mut self.v4, &mut self.v6] {
            lengths.retain_mut(|(_, values)| {
                values.retain(|_, value| keep(value));
                !values.is_empty()
            });
        }
    }

    /// The value of the longest prefix that holds `address`.
    pub fn find(&self, address: IpAddr) -> Option<&T> {
        let bits = Bits::of(address);
        self.of(bits).iter().find_map(|(length, values)| values.get(&bits.cut(*length).value))
    }

    fn of(&self, bits: Bits) -> &Lengths<T> {
        if bits.count == 32 { &self.v4 } else { &self.v6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut routes = Routes::new();
        for (address, length, name) in [
            ("0.0.0.0", 0, "all"),
            ("10.1.2.3", 8, "ten"),
            ("10.1.2.3", 32, "host"),
            ("::", 0, "all6"),
            ("fd00::1", 128, "host6"),
            ("fd00::", 64, "net6"),
        ] {
            routes.insert(prefix(address, length), name);
        }
        let check = |address: &str, expected: Option<&str>, routes: &Routes<&str>| {
            assert_eq!(routes.find(address.parse().unwrap()).copied(), expected, "{address}");
        };
        check("10.1.2.3", Some("host"), &routes);
        check("10.1.2.4", Some("ten"), &routes);
        check("11.0.0.0", Some("all"), &routes);
        check("fd00::1", Some("host6"), &routes);
        check("fd00::2", Some("net6"), &routes);
        check("fd00:0:0:1::2", Some("all6"), &routes);
        check("::a00:1", Some("all6"), &routes);
        routes.retain(|name| !["all", "host", "net6"].contains(name));
        check("10.1.2.3", Some("ten"), &routes);
        check("11.0.0.0", None, &routes);
        check("fd00::2", Some("all6"), &routes);
        assert_eq!(routes.exact(&prefix("10.0.0.0", 8)), Some(&"ten"));
        assert_eq!(routes.exact(&prefix("10.0.0.0", 9)), None);
    }

    #[test]
    fn a_prefix_has_no_bits_beyond_its_length() {
        assert_eq!(prefix("10.1.2.3", 8).to_string(), "10.0.0.0/8");
        assert_eq!(prefix("10.1.2.3", 0), Prefix::ALL_V4);
        assert_eq!(prefix("fd00::1", 0), Prefix::ALL_V6);
        assert_eq!(Prefix::host("1.2.3.4".parse().unwrap()).to_string(), "1.2.3.4/32");
        assert_eq!(Prefix::new("10.0.0.0".parse().unwrap(), 33), None);
        assert_eq!(Prefix::new("::".parse().unwrap(), 129), None);
    }
}
