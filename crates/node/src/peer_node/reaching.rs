//! Where peers are reached: out of their offers, or out of the card that somebody was given.

use byway_dialogue::StaticCertificate;
use byway_driver::link::LinkContact;
use byway_peer::link::PeerCard;
use byway_primitives::{Decode, Encode, IdentityId};
use byway_records::Offer;
use byway_records::offer::Contact;

use super::selling::CERTIFICATE_PROTOCOL;

/// A peer, and the ways to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub peer: IdentityId,
    pub contacts: Vec<Contact>,
}

impl Whereabouts {
    /// The certificate under which the peer says that it answers.
    pub fn certificate(&self) -> Option<StaticCertificate> {
        let contact = self.contacts.iter().find(|contact| contact.protocol == CERTIFICATE_PROTOCOL)?;
        StaticCertificate::from_bytes(&contact.data).ok()
    }

    pub fn link(&self) -> Option<LinkContact> {
        self.contacts.iter().find_map(|contact| LinkContact::from_offer(contact).ok())
    }
}

impl From<&Offer> for Whereabouts {
    fn from(offer: &Offer) -> Self {
        Self { peer: offer.provider, contacts: offer.contacts.clone() }
    }
}

impl From<PeerCard> for Whereabouts {
    fn from(card: PeerCard) -> Self {
        let certificate = Contact { protocol: CERTIFICATE_PROTOCOL.to_owned(), data: card.certificate.to_bytes() };
        let contacts = card.contacts.into_iter().chain([certificate]).collect();
        Self { peer: card.certificate.identity, contacts }
    }
}
