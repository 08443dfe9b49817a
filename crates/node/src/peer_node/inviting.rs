//! Bringing others into the network: its link (row I2).

use byway_kernel::light::TrustedCheckpoint;
use byway_peer::link::NetworkLink;
use zeroize::Zeroizing;

use super::Actor;
use crate::api::{Answer, ApiError, NetworkInvitation, NetworkLinkShow};
use crate::joining::{link_to, relay_text};

impl Actor {
    /// A link to this network as it is now.
    pub(super) fn network_link(&self, request: NetworkLinkShow) -> Answer<NetworkInvitation> {
        let link = self.link_to_network(request.relay)?;
        let name = self.config.genesis.name.clone();
        Ok(NetworkInvitation { link: link.to_string(), network: link.network, name })
    }

    pub(super) fn link_to_network(&self, relay: Option<String>) -> Answer<NetworkLink> {
        let named = relay.map(relay_text).transpose().map_err(|why| ApiError::invalid_params("relay", why))?;
        // What opens a front is not given away unasked.
        let own = self.config.relay.as_ref().filter(|relay| relay.front.is_none()).map(|relay| relay.url.to_string());
        let relay = named.or(own.map(Zeroizing::new));
        let seats = &self.ledger.follower().epoch().seats;
        let members = seats.counting().map(|(_, member)| member);
        Ok(NetworkLink { relay, checkpoint: self.checkpoint_to_begin_at(), ..link_to(self.network, members) })
    }

    /// Where a newcomer begins: at genesis, as long as all who founded the network are in it.
    fn checkpoint_to_begin_at(&self) -> Option<TrustedCheckpoint> {
        let follower = self.ledger.follower();
        let seats = &follower.epoch().seats;
        let is_here = |key| seats.counting().any(|(_, member)| member.key == key);
        if self.config.genesis.members.iter().all(|(_, founder)| is_here(founder.key)) {
            return None;
        }
        follower.tip().map(|tip| TrustedCheckpoint { height: tip.height, digest: tip.digest() })
    }
}
