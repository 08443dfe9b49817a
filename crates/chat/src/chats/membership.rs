//! Since when each of the others is in a conversation, counted in what this device has said there, and from where on somebody lacks it.
//!
//! What one could not read is sealed anew for whoever asks ([`said`](super::said)): only what was said while they were in. So their coming
//! and going is noted as the numbers of contents. Of whom nothing is noted was in before this device said anything.

use std::collections::BTreeSet;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Pending, Space, Store};

use super::{Call, Chats};
use crate::mls::RoomId;

/// What is noted of each: key is the room and the identity.
const MEMBERS: Space = Space("chat-members");
/// How often somebody's coming is remembered: what they had before that they get no more.
const SPANS_MAX: usize = 4;

/// What is noted of one of the others in one conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// The numbers of the contents that were said while they were in; the last span has no end while they are.
    spans: Vec<Span>,
}

/// Contents from a number up to, without it, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    to: Option<u64>,
}

impl Membership {
    pub fn load(room: RoomId, who: IdentityId, store: &impl Store) -> Self {
        // Nothing else writes here.
        store.load(MEMBERS, &key(room, who)).and_then(|bytes| Self::from_bytes(&bytes).ok()).unwrap_or_default()
    }

    fn put(&self, room: RoomId, who: IdentityId, batch: &mut Batch) {
        batch.put(MEMBERS, key(room, who), self.to_bytes());
    }

    /// Whether they were in when the content with this number was said.
    pub fn had(&self, number: u64) -> bool {
        let is_in = |span: &Span| span.from <= number && span.to.is_none_or(|to| number < to);
        self.spans.is_empty() || self.spans.iter().any(is_in)
    }

    fn comes(&mut self, number: u64) {
        if self.spans.len() >= SPANS_MAX {
            self.spans.remove(0);
        }
        self.spans.push(Span { from: number, to: None });
    }

    fn goes(&mut self, number: u64) {
        match self.spans.last_mut() {
            Some(last) => last.to = last.to.or(Some(number)),
            None => self.spans.push(Span { from: 0, to: Some(number) }),
        }
    }
}

fn key(room: RoomId, who: IdentityId) -> Vec<u8> {
    [&room.0[..], &who.0].concat()
}

impl Chats {
    /// A room may have others in it than before: notes who came and who went.
    pub(super) fn note_members<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let now: BTreeSet<IdentityId> = talk.room.members().iter().map(|member| member.identity).collect();
        let before = std::mem::replace(&mut talk.known, now);
        let said = talk.record.affairs.said;
        for who in talk.known.symmetric_difference(&before) {
            let mut noted = Membership::load(room, *who, &Pending { store: call.store, batch: &self.step.batch });
            if before.contains(who) {
                noted.goes(said)
            } else {
                noted.comes(said)
            }
            noted.put(room, *who, &mut self.step.batch);
        }
    }
}

impl Encode for Span {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.from);
        out.option(self.to.as_ref());
    }
}

impl Decode for Span {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { from: input.u64()?, to: input.option()? })
    }
}

impl Encode for Membership {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.spans);
    }
}

impl Decode for Membership {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { spans: input.list(SPANS_MAX)? })
    }
}
