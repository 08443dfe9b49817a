//! The door for phones (`[phone]`).

use std::net::SocketAddr;

use serde::Deserialize;

use super::{Problem, problem};
use crate::phone::address::{self, PORT};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Where; a private address of this machine, chosen at the start, when left out. One that others than the local network may
    /// reach is only taken where it is named here.
    pub listen: Option<SocketAddr>,
}

impl PhoneConfig {
    /// Where to listen, if there is an address for it.
    pub async fn address(&self) -> Option<SocketAddr> {
        match self.listen {
            Some(listen) => Some(listen),
            None => Some(SocketAddr::new(address::chosen().await?, PORT)),
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        match self.listen {
            Some(listen) if listen.ip().to_canonical().is_unspecified() => Err(problem(
                "phone.listen",
                listen,
                "it means every address, public ones too",
                "name the one by which a phone reaches this machine, or leave it out",
            )),
            _ => Ok(()),
        }
    }
}
