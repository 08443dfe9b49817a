//! With whom the market talks: opening dialogues, on which links they are, and ending them.

use byway_dialogue::{Delivery, Goodbye, LinkId, ProtocolId, StaticCertificate};
use byway_primitives::codec::{Decode, decode_exact};
use byway_primitives::{DecodeError, IdentityId, Store, Time};

use super::news::MarketNews;
use super::pair::Pair;
use super::{Market, MarketError, step};

impl Market {
    /// Opens a dialogue with `peer` on a link, or takes up the one there is. What was asked of it already goes along.
    pub fn converse(
        &mut self,
        now: Time,
        peer: IdentityId,
        certificate: &StaticCertificate,
        link: LinkId,
        seed: [u8; 32],
        store: &impl Store,
    ) -> Result<(), MarketError> {
        let opened = self.dialogues.open(now, peer, certificate, link, seed);
        if let Some(early) = self.pairs.get(&peer).and_then(Pair::early) {
            // What can't go along is said when the dialogue is open.
            let _ = self.dialogues.say_early(peer, ProtocolId::SESSION, early);
        }
        self.pump(now, store);
        Ok(opened?)
    }

    /// What a peer asked for along with its opening ([`MarketNews::Early`]).
    pub fn handle_early(&mut self, now: Time, peer: IdentityId, bytes: &[u8], store: &impl Store) {
        // It may be over already.
        if self.dialogues.dialogue(peer).is_none() {
            return;
        }
        if self.capacity.clients_max.is_some() {
            self.look_at_capacity(peer);
        }
        let mut malformed = None;
        self.step(now, peer, |pair, step| malformed = pair.handle_early(now, bytes, step).err());
        if let Some(error) = malformed {
            self.malformed(now, peer, error);
        }
        self.pump(now, store);
    }

    /// Whether frames of a dialogue with `peer` can flow now.
    pub fn is_talking_to(&self, peer: IdentityId) -> bool {
        self.dialogues.dialogue(peer).is_some_and(|dialogue| dialogue.link().is_some())
    }

    /// What a peer says in a protocol, which has its receipt then; nothing where it makes no sense, which ends the dialogue.
    pub(super) fn read_message<T: Decode>(&mut self, now: Time, delivery: &Delivery) -> Option<T> {
        let (peer, receipt) = (delivery.receipt.peer, delivery.receipt);
        self.step(now, peer, |_, step| step.receipt(receipt));
        decode_exact(&delivery.bytes).map_err(|error| self.malformed(now, peer, error)).ok()
    }

    /// What a peer says makes no sense: there is nothing to talk of with it.
    pub(super) fn malformed(&mut self, now: Time, peer: IdentityId, error: DecodeError) {
        self.tell(MarketNews::Malformed { peer, error });
        self.dialogues.close(now, peer, Goodbye::Application(step::MALFORMED));
    }

    /// The certificate under which `peer` came to us, if it did and is there.
    pub fn certificate_shown(&self, peer: IdentityId) -> Option<StaticCertificate> {
        self.dialogues.dialogue(peer)?.certificate().copied()
    }

    /// The link on which the dialogue with `peer` is.
    pub fn link_to(&self, peer: IdentityId) -> Option<LinkId> {
        self.dialogues.dialogue(peer)?.link()
    }

    /// Whose dialogue is on this link.
    pub fn peer_on(&self, link: LinkId) -> Option<IdentityId> {
        self.dialogues.dialogues().find(|dialogue| dialogue.link() == Some(link)).map(|dialogue| dialogue.peer())
    }

    /// Ends the dialogue with `peer` and all its sessions.
    pub fn part(&mut self, now: Time, peer: IdentityId, goodbye: Goodbye, store: &impl Store) {
        self.dialogues.close(now, peer, goodbye);
        self.pump(now, store);
    }
}
