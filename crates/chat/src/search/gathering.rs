//! Making an index of what is kept.

use byway_primitives::{IdentityId, Store, Time};

use super::block::{Place, Row};
use super::{Found, Index};
use crate::chats::kept_messages;
use crate::content::index::Indexed;
use crate::content::query::HasSet;

/// An index that is being made, page by page.
#[derive(Default)]
pub struct Gathering {
    from: Vec<u8>,
    messages: Vec<Message>,
}

struct Message {
    at: Found,
    author: IdentityId,
    has: HasSet,
    text: Box<str>,
}

impl Gathering {
    /// Reads up to `limit` more messages at the time `now`. False once all are read.
    pub fn read(&mut self, now: Time, store: &impl Store, limit: usize) -> bool {
        let (page, next) = kept_messages(store, &self.from, limit);
        for (room, shown) in page {
            let place = shown.item.place();
            if let Some((place, Indexed { text, has })) = place.zip(Indexed::of(&shown.item)) {
                let at = Found { sent: place.sent.min(now), place: shown.place, room };
                self.messages.push(Message { at, author: shown.item.of.author, has, text: text.into() });
            }
        }
        let is_more = next.is_some();
        self.from = next.unwrap_or_default();
        is_more
    }

    pub fn finish(mut self) -> Index {
        self.messages.sort_unstable_by_key(|message| message.at);
        let mut index = Index::default();
        for Message { at, author, has, text } in self.messages {
            let room = index.number_of_room(at.room);
            let author = index.number_of_person(author);
            let place = Place { sent: at.sent, place: at.place, room };
            index.insert(&Row { place, author, has, end: 0 }, &text);
        }
        index
    }
}
