//! Those who are in a group with us, and may not know of each other where they are, are told it.

use std::collections::BTreeSet;

use byway_peer::link::PeerCard;
use byway_primitives::IdentityId;

use super::super::Actor;
use super::super::reaching::Whereabouts;
use super::super::selling::CERTIFICATE_PROTOCOL;

/// Of how many others one is told in one dialogue: a large group is found over several.
const INTRODUCED_MAX: usize = 128;

impl Actor {
    /// Says to those who are there where others are reached that are in a group with them and us.
    pub(in super::super) fn introduce_companions(&mut self) {
        self.channels.introduced.retain(|peer, _| self.market.is_talking_to(*peer));
        let companions: BTreeSet<IdentityId> = self.chats().companions().collect();
        let cards: Vec<PeerCard> =
            companions.iter().filter_map(|of| self.channels.cards.get(of)).filter_map(card_of).collect();
        let now = self.clock.now();
        for peer in companions.into_iter().filter(|peer| self.market.is_talking_to(*peer)).collect::<Vec<_>>() {
            // Who has yet to hear that the other is in a group with it does not believe it, and is told again once it has heard.
            let has_heard = self.chats().waiting_for(peer) == 0;
            for card in &cards {
                let of = card.certificate.identity;
                let told = self.channels.introduced.entry(peer).or_default();
                let is_told = told.get(&of).is_some_and(|had_heard| *had_heard || !has_heard);
                if of == peer || is_told || (told.len() >= INTRODUCED_MAX && !told.contains_key(&of)) {
                    continue;
                }
                let is_shared = self.chats().share_group(peer, of);
                if is_shared && self.market.say_whereabouts(now, peer, card, &self.market_journal) {
                    self.channels.introduced.entry(peer).or_default().insert(of, has_heard);
                }
            }
        }
    }
}

pub(super) fn card_of(known: &Whereabouts) -> Option<PeerCard> {
    let contacts = known.contacts.iter().filter(|contact| contact.protocol != CERTIFICATE_PROTOCOL).cloned();
    // One without a place would keep others from taking a better one.
    let contacts: Vec<_> = contacts.collect();
    let is_of_use = !contacts.is_empty();
    known.certificate().filter(|_| is_of_use).map(|certificate| PeerCard { certificate, contacts })
}
