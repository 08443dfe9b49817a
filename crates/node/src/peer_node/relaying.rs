//! How the relay is reached: as everyone does, or in disguise where that is known to be possible (row A7).

use std::io;
use std::sync::Arc;

use byway_driver::disguise::{Disguise, FrontAddress, InUse, Mode};
use byway_driver::host_network::{Allowed, Sender, Transport};
use byway_driver::link::{Beside, Links, RelayAccess, RelayUrl, Through, TlsRoots};

use super::Actor;
use crate::api::{RelayView, RelayWay};

/// The relay of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// As others know it.
    pub url: RelayUrl,
    /// Its front, if this node knows one and may use it.
    pub front: Option<(FrontAddress, Mode)>,
}

/// The relay for the node's links, and the disguise that leads there.
#[derive(Default)]
pub(super) struct Reached {
    pub access: Option<RelayAccess>,
    pub disguise: Option<Arc<Disguise>>,
}

impl Reached {
    pub(super) async fn by(settings: Option<&RelaySettings>) -> io::Result<Self> {
        let Some(RelaySettings { url, front }) = settings else { return Ok(Self::default()) };
        let disguise = match front {
            Some((front, mode)) => Some(Arc::new(Disguise::start(url, front.clone(), *mode).await?)),
            None => None,
        };
        let through = disguise.as_ref().map(|disguise| Through {
            port: disguise.relay(),
            beside: if disguise.mode() == Mode::Always { Beside::Nothing } else { Beside::Everything },
        });
        let access = RelayAccess { url: url.clone(), roots: TlsRoots::Public, through };
        Ok(Self { access: Some(access), disguise })
    }
}

impl Actor {
    /// The relay, and the way there that is in use.
    pub(super) fn relay_view(&self) -> Option<RelayView> {
        relay_view(&self.links, self.kernel.disguise())
    }

    /// What the node itself must reach past a tunnel for its disguise. A front that is named by a host name can be asked
    /// for once there is a tunnel.
    pub(super) fn allowed_for_disguise(&self) -> Option<Allowed> {
        let to = self.kernel.disguise()?.front().parse().ok()?;
        Some(Allowed { transport: Transport::Tcp, to, sender: Sender::Anyone })
    }
}

fn relay_view(links: &Links, disguise: Option<&Disguise>) -> Option<RelayView> {
    let (url, is_in) = links.relay()?;
    let way = match disguise.map(Disguise::in_use) {
        _ if !is_in => RelayWay::None,
        Some(InUse::Disguised) => RelayWay::Disguised,
        Some(InUse::None) => RelayWay::None,
        Some(InUse::Plain) | None => RelayWay::Plain,
    };
    Some(RelayView { url: url.to_string(), way })
}
