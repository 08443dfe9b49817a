//! Asking peers how providers have served them, and answering them (row A2).

use byway_access::quality::exchange::TOLD_MAX;
use byway_access::quality::{QualityMessage, SignedAttestation};
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::{Encode, IdentityId, Store, Time};

use super::news::MarketNews;
use super::{Market, MarketError};

impl Market {
    /// Asks `peer` what it knows of providers, from `start` on, which is drawn at random.
    pub fn ask_quality(
        &mut self,
        now: Time,
        peer: IdentityId,
        start: IdentityId,
        store: &impl Store,
    ) -> Result<(), MarketError> {
        if self.dialogues.dialogue(peer).is_none() {
            return Err(MarketError::NoDialogue(peer));
        }
        if let Some(message) = self.exchange.ask(peer, start) {
            self.say_quality(now, peer, &message);
        }
        self.pump(now, store);
        Ok(())
    }

    /// Answers `peer` after [`MarketNews::QualityAsked`]; no more than [`TOLD_MAX`] are told.
    pub fn tell_quality(
        &mut self,
        now: Time,
        peer: IdentityId,
        attestations: impl Iterator<Item = SignedAttestation>,
        store: &impl Store,
    ) {
        let attestations = attestations.take(TOLD_MAX).collect();
        self.say_quality(now, peer, &QualityMessage::Told { attestations });
        self.pump(now, store);
    }

    pub(super) fn quality_came(&mut self, now: Time, delivery: Delivery) {
        let peer = delivery.receipt.peer;
        let Some(message) = self.read_message::<QualityMessage>(now, &delivery) else { return };
        match message {
            QualityMessage::Ask { start } if self.exchange.may_ask(now, peer) => {
                self.tell(MarketNews::QualityAsked { peer, start });
            }
            QualityMessage::Ask { .. } => {}
            QualityMessage::Told { attestations } => match self.exchange.handle_told(now, peer, &attestations) {
                Ok(words) if words.is_empty() => {}
                Ok(words) => self.tell(MarketNews::QualityTold { peer, words }),
                Err(fault) => self.tell(MarketNews::QualityFault { peer, fault }),
            },
        }
    }

    fn say_quality(&mut self, now: Time, peer: IdentityId, message: &QualityMessage) {
        self.step(now, peer, |_, step| step.send(ProtocolId::QUALITY, message.to_bytes(), Durability::Volatile));
    }
}
