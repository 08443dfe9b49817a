//! `[ledger]`: how a node that is none of the kernel's reaches it, and from what it starts to believe.

use std::fmt;

use byway_kernel::light::TrustedCheckpoint;
use serde::Deserialize;

/// How the kernel is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// `name=host:port` of kernel nodes that are reached elsewhere than genesis says.
    #[serde(default)]
    pub addresses: Vec<KernelAddress>,
    /// `HEIGHT:DIGEST` of a recent checkpoint that somebody trusted has named: for a node that begins, or comes back, when
    /// kernel nodes have left for long.
    #[serde(default, deserialize_with = "parsed")]
    pub checkpoint: Option<TrustedCheckpoint>,
}

fn parsed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<TrustedCheckpoint>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse()).transpose().map_err(serde::de::Error::custom)
}

/// Where one kernel node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelAddress {
    pub name: String,
    pub address: String,
}

impl fmt::Display for KernelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.address)
    }
}

impl std::str::FromStr for KernelAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a kernel address is written name=host:port";
        let (name, address) = text.split_once('=').ok_or(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or(wrong)?;
        if name.is_empty() || host.is_empty() || port.parse::<u16>().is_err() {
            return Err(wrong);
        }
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }
}

byway_primitives::serde_as_text!(KernelAddress);
