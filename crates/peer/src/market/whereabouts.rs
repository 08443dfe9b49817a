//! Where each of two is reached when they talk no more: both say it, so that whichever comes back under another address finds
//! the other. Of those who have an offer the ledger says it already. Of others it is said to those who are in a group with both, who
//! may have no other way to each other.

use byway_dialogue::{CertificateError, Delivery, Durability, ProtocolId};
use byway_primitives::{Encode, IdentityId, Store, Time};

use super::Market;
use super::news::MarketNews;
use crate::link::PeerCard;

/// Why what a peer says of its whereabouts is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    #[error("the card is that of {0}")]
    Foreign(IdentityId),
    #[error("its certificate is not good: {0}")]
    Certificate(#[from] CertificateError),
}

impl Market {
    /// Says to `peer` where this side is reached, or another who is in a group with both. `false` where it is not being talked to.
    pub fn say_whereabouts(&mut self, now: Time, peer: IdentityId, card: &PeerCard, store: &impl Store) -> bool {
        let is_talking = self.is_talking_to(peer);
        if is_talking {
            let said = card.to_bytes();
            self.step(now, peer, |_, step| step.send(ProtocolId::WHEREABOUTS, said, Durability::Volatile));
            self.pump(now, store);
        }
        is_talking
    }

    pub(super) fn card_came(&mut self, now: Time, delivery: &Delivery) {
        let peer = delivery.receipt.peer;
        let Some(card) = self.read_message::<PeerCard>(now, delivery) else { return };
        match self.check_card(now, peer, &card) {
            Ok(()) => self.tell(MarketNews::Whereabouts { peer, card: Box::new(card) }),
            Err(fault) => self.tell(MarketNews::CardFault { peer, fault }),
        }
    }

    fn check_card(&self, now: Time, peer: IdentityId, card: &PeerCard) -> Result<(), CardFault> {
        let of = card.certificate.identity;
        // Those who are in a group with both introduce the one to the other.
        let is_introduced = || self.chats.as_ref().is_some_and(|chats| chats.share_group(peer, of));
        if of != peer && !is_introduced() {
            return Err(CardFault::Foreign(of));
        }
        Ok(card.certificate.verify(self.config.network, now)?)
    }
}
