//! The address book of a group: shown with what the ledger says of its people, and changed.

use byway_chat::content::book::{BookCard, BookChange, BookChanges, BookEntry};
use byway_chat::content::bounded::{BoundedBytes, BoundedList, BoundedText};
use byway_chat::content::{Kind, Refusal, display};
use byway_chat::mls::RoomId;
use byway_chat::people::{Person, Standing};
use byway_peer::link::PeerCard;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Encode, IdentityId, Time};

use super::super::Actor;
use super::called::{Alike, Called};
use super::introducing::card_of;
use crate::api::*;

impl Actor {
    pub(in super::super) fn chat_book(&self, request: &ChatBookShow) -> Answer<ChatBook> {
        Ok(self.book_of(self.group_named(&request.to)?))
    }

    pub(in super::super) fn change_book(&mut self, request: &ChatBookChange) -> Answer<ChatBook> {
        let room = self.group_named(&request.to)?;
        let (who, card) = self.book_peer_named(request.who.trim())?;
        let change = match request.what {
            ChatBookWhat::Put => BookChange { who, card: Some(self.book_card(who, card, request)?) },
            ChatBookWhat::Remove if self.in_book(room, who).is_none() => {
                return Err(ApiError::chat_not_in_book(&request.who));
            }
            ChatBookWhat::Remove => BookChange { who, card: None },
        };
        // What stands there already is not said again.
        if self.in_book(room, who) != change.card {
            let changes = BoundedList::new([change]).expect("one is fewer than may be");
            let said = self.with_chats(|chats, now, seed, store| {
                chats.say(now, seed, room, Kind::Book(BookChanges(changes)).into(), store)
            });
            said.map_err(|error| match error {
                byway_chat::chats::ChatError::Refused(Refusal::BookFull) => ApiError::chat_book_full(),
                error => ApiError::chat(error),
            })?;
        }
        Ok(self.book_of(room))
    }

    /// As it stands, with what the ledger says of its people.
    pub(super) fn book_of(&self, room: RoomId) -> ChatBook {
        let chats = self.chats();
        let alike = Alike::of(chats.people());
        let shown = |(who, entry): (IdentityId, BookEntry)| {
            let card = entry.value?;
            let standing = chats.people().get(who).map(|person| super::views::standing_of(&person.standing));
            let name = display::name(&card.name).unwrap_or_default();
            // As somebody who says that they are called so.
            let (nickname, direct, verified) = (None, None, None);
            let claims = Person {
                standing: Standing::Asked,
                name: card.name.to_string(),
                nickname,
                since: Time(0),
                direct,
                verified,
            };
            let Called { primary_name, registered, looks_like } = self.ledger_says(who, &claims, &alike);
            Some(ChatBookPerson {
                identity: who,
                name,
                note: display::line(&card.note),
                by: entry.stamp.author.identity,
                reachable: self.card_from(who, &card).is_some() || self.whereabouts(who).is_some(),
                member: chats.is_companion(room, who),
                standing,
                primary_name,
                registered,
                looks_like,
            })
        };
        let mut people: Vec<ChatBookPerson> = self.kept_book(room).into_iter().filter_map(shown).collect();
        people.sort_by_key(|person| (person.name.to_lowercase(), person.identity));
        ChatBook { conversation: hex::encode(room.0), people }
    }

    /// Where a group's book says that somebody is reached, if that is signed by them and good.
    pub(super) fn card_in_book(&self, room: RoomId, who: IdentityId) -> Option<PeerCard> {
        self.card_from(who, &self.in_book(room, who)?)
    }

    fn card_from(&self, who: IdentityId, card: &BookCard) -> Option<PeerCard> {
        let card: PeerCard = decode_exact(&card.places).ok()?;
        let is_theirs = card.certificate.identity == who;
        (is_theirs && card.certificate.verify(self.network, self.clock.now()).is_ok()).then_some(card)
    }

    fn kept_book(&self, room: RoomId) -> Vec<(IdentityId, BookEntry)> {
        self.market.look_at_chats(&self.market_journal, |chats, store| chats.book(room, store)).unwrap_or_default()
    }

    fn in_book(&self, room: RoomId, who: IdentityId) -> Option<BookCard> {
        let found = self.kept_book(room).into_iter().find(|(known, _)| *known == who);
        found.and_then(|(_, entry)| entry.value)
    }

    fn group_named(&self, name: &str) -> Answer<RoomId> {
        let room = self.room_named(name)?;
        let is_group = self.chats().talk(room).is_some_and(|view| view.is_group);
        if is_group { Ok(room) } else { Err(ApiError::chat(byway_chat::chats::ChatError::NotGroup)) }
    }

    fn book_peer_named(&self, text: &str) -> Answer<(IdentityId, Option<PeerCard>)> {
        let people = self.chats().people();
        let mut called = people.iter().filter(|(_, person)| person.shown_name().eq_ignore_ascii_case(text));
        if let (Some((who, _)), None) = (called.next(), called.next()) {
            return Ok((who, None));
        }
        let (who, card, token) = self.chat_peer_named(text)?;
        if token.is_some() {
            return Err(ApiError::invalid_params("who", "an invite is for one person, and not for a group"));
        }
        Ok((who, card))
    }

    /// What is to stand of somebody, with where they are reached as far as that is known here.
    fn book_card(&self, who: IdentityId, card: Option<PeerCard>, request: &ChatBookChange) -> Answer<BookCard> {
        let known = self.chats().people().get(who).map(|person| person.shown_name().to_owned());
        let own = (who == self.chat_me()).then(|| self.chats().name().to_owned());
        let name = request.name.clone().or(known).or(own).unwrap_or_default();
        let note = request.note.clone().unwrap_or_default();
        let card = match who == self.me() {
            true => self.card(),
            false => card.or_else(|| card_of(&self.whereabouts(who)?)),
        };
        // One with more places than a book has room for is left out.
        let places = card.and_then(|card| BoundedBytes::new(card.to_bytes()).ok()).unwrap_or_default();
        Ok(BookCard {
            name: BoundedText::new(name.trim()).map_err(|error| ApiError::invalid_params("name", error))?,
            note: BoundedText::new(note.trim()).map_err(|error| ApiError::invalid_params("note", error))?,
            places,
        })
    }
}
