//! Kernel settings under `/proc/sys/net` that are changed and put back.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::host_network::{HostNetworkError, InterfaceName};

/// A setting that may be changed; no other file is ever written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    /// The reverse-path filter regards marks: answers to marked packets aren't taken for forged ones.
    SourceMark,
    ForwardV4,
    ForwardV6,
    /// Whether an uplink goes on listening to router advertisements although the machine forwards.
    AcceptRouters(InterfaceName),
}

impl Setting {
    fn path(&self) -> PathBuf {
        let net = Path::new("/proc/sys/net");
        match self {
            Self::SourceMark => net.join("ipv4/conf/all/src_valid_mark"),
            Self::ForwardV4 => net.join("ipv4/ip_forward"),
            Self::ForwardV6 => net.join("ipv6/conf/all/forwarding"),
            Self::AcceptRouters(interface) => net.join("ipv6/conf").join(interface.as_str()).join("accept_ra"),
        }
    }

    /// Whether a provider needs it, not a client.
    pub(super) fn is_for_sharing(&self) -> bool {
        *self != Self::SourceMark
    }

    /// `None` where the kernel hasn't got it, such as without IPv6.
    pub(super) fn read(&self) -> Option<u8> {
        fs::read_to_string(self.path()).ok()?.trim().parse().ok()
    }

    pub(super) fn write(&self, value: u8) -> Result<(), HostNetworkError> {
        let path = self.path();
        fs::write(&path, format!("{value}\n")).map_err(|error| HostNetworkError::file("set", &path, error))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceMark => f.write_str("source-mark"),
            Self::ForwardV4 => f.write_str("forward-v4"),
            Self::ForwardV6 => f.write_str("forward-v6"),
            Self::AcceptRouters(interface) => write!(f, "accept-routers:{interface}"),
        }
    }
}

impl FromStr for Setting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "source-mark" => Ok(Self::SourceMark),
            "forward-v4" => Ok(Self::ForwardV4),
            "forward-v6" => Ok(Self::ForwardV6),
            _ => {
                let name = text.strip_prefix("accept-routers:").ok_or(())?;
                name.parse().map(Self::AcceptRouters).map_err(drop)
            }
        }
    }
}
