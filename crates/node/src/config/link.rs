//! Links and relays: `[link]` of a peer, `[relay]` of a relay.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use byway_driver::disguise::{AddressError, Mode, RelayAddress};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Problem, problem};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkConfig {
    /// UDP socket of links to other peers.
    pub listen: SocketAddr,
    /// A relay for peers that can't be reached directly. There is none by default, and never a third party's.
    pub relay: Option<RelayText>,
    /// Where others reach that socket, if elsewhere than at the machine's own addresses: at a router that forwards a port.
    pub public: Vec<SocketAddr>,
    /// When the relay's front is used, if its address tells of one.
    pub disguise: DisguiseChoice,
}

/// A relay's address as it is written down, which may hold a secret: neither shown nor left in memory.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct RelayText(Zeroizing<String>);

/// Whether links go in disguise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisguiseChoice {
    /// Where the plain way can't be had.
    #[default]
    Auto,
    /// Always, and nothing goes any other way.
    Always,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    pub listen: SocketAddr,
    /// A web site behind which the relay is reached.
    pub front: Option<FrontConfig>,
}

/// A relay's front.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontConfig {
    pub listen: SocketAddr,
    /// The public host name, which the certificate names.
    pub name: String,
    /// PEM, the chain with the own certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// The folder that visitors see; without it there is one plain page.
    pub site: Option<PathBuf>,
    /// Kernel nodes that are reached through the front, `host:port` each, beside those of the genesis file.
    #[serde(default)]
    pub kernel: Vec<String>,
    /// The relay's URL for those who reach it without disguise, if it is not `https://NAME`.
    pub plain: Option<String>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { listen, relay: None, public: Vec::new(), disguise: DisguiseChoice::default() }
    }
}

impl LinkConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        const REMEDY: &str =
            "write https://host or https://host:port, or the address that `byway relay address` printed";
        let is_nowhere = |address: &&SocketAddr| address.port() == 0 || address.ip().is_unspecified();
        if let Some(address) = self.public.iter().find(is_nowhere) {
            let remedy = "write the router's public address and the port that it forwards";
            return Err(problem("link.public", address, "nobody can be reached there", remedy));
        }
        let Some(relay) = &self.relay else { return Ok(()) };
        let why = match (relay.address(), self.disguise) {
            (Ok(address), DisguiseChoice::Always) if address.front.is_none() => {
                let why = "link.disguise is \"always\", and this address has no front and no secret";
                return Err(problem(
                    "link.relay",
                    relay.shown(),
                    why,
                    "use the one that `byway relay address` printed",
                ));
            }
            (Ok(_), _) => return Ok(()),
            (Err(AddressError::Url), _) => "it is not a URL",
            (Err(AddressError::NoSecret | AddressError::Secret(_)), _) => "its secret is missing or not whole",
            (Err(AddressError::Pin), _) => "its pin is not whole",
            (Err(AddressError::Front), _) => "its front is no host and port",
            (Err(AddressError::Unknown), _) => "there is something unknown or something twice behind `#`",
        };
        Err(problem("link.relay", relay.shown(), why, REMEDY))
    }

    /// How the front is to be used.
    pub fn mode(&self) -> Option<Mode> {
        match self.disguise {
            DisguiseChoice::Auto => Some(Mode::Auto),
            DisguiseChoice::Always => Some(Mode::Always),
            DisguiseChoice::Never => None,
        }
    }
}

impl RelayText {
    pub fn address(&self) -> Result<RelayAddress, AddressError> {
        RelayAddress::parse(&self.0)
    }

    /// Without what may be secret.
    fn shown(&self) -> &str {
        self.0.split('#').next().unwrap_or_default()
    }
}

impl From<String> for RelayText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for RelayText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelayText").field(&self.shown()).finish()
    }
}

impl FrontConfig {
    /// Paths count from the configuration's folder.
    pub(super) fn place(&mut self, folder: &Path) {
        for file in [Some(&mut self.certificate), Some(&mut self.key), self.site.as_mut()].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_secret_is_never_shown() {
        let secret = "ab".repeat(32);
        let relay = RelayText::from(format!("https://www.example.org/#secret={secret}&colour=red"));
        let link = LinkConfig { relay: Some(relay), ..LinkConfig::default() };
        assert!(!format!("{link:?}").contains(&secret));
        let Problem { value, why, .. } = link.check().unwrap_err();
        assert!(!value.contains(&secret) && why.contains("unknown"), "{value}: {why}");
    }

    #[test]
    fn always_needs_a_front() {
        let relay = Some(RelayText::from("https://relay.example.org".to_owned()));
        let link = |disguise| LinkConfig { relay: relay.clone(), disguise, ..LinkConfig::default() };
        assert!(link(DisguiseChoice::Auto).check().is_ok() && link(DisguiseChoice::Never).check().is_ok());
        assert!(link(DisguiseChoice::Always).check().is_err());
    }
}
