//! Since when each of the others is in a conversation, counted in what this device has said there, and from where on somebody lacks it.
//!
//! What one could not read is sealed anew for whoever asks ([`said`](super::said)): only what was said while they were in. So their coming
//! and going is noted as the numbers of contents. Of whom nothing is noted was in before this device said anything.
//!
//! For whom too much waits already, more is not put out: others of a group are not kept from hearing by one who is away. It is noted from
//! where on they lack it, and sealed anew for them as soon as there is room again, as far as it is kept.

use std::collections::BTreeSet;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Pending, Space, Store};

use super::talk::known;
use super::{Call, Chats};
use crate::delivery::letter::Letter;
use crate::delivery::outbox::WAITING_MAX;
use crate::delivery::{Outbox, ParcelId};
use crate::mls::RoomId;
use crate::mls::wire::{Body, Frame};

/// What is noted of each: key is the room and the identity.
const MEMBERS: Space = Space("chat-members");
/// How often somebody's coming is remembered: what they had before that they get no more.
const SPANS_MAX: usize = 4;

/// What is noted of one of the others in one conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// The numbers of the contents that were said while they were in; the last span has no end while they are.
    spans: Vec<Span>,
    /// The first content that was not put out for them, since too much waited.
    missed: Option<u64>,
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

    /// Whether somebody came or went while this device was in.
    pub fn is_noted(room: RoomId, who: IdentityId, store: &impl Store) -> bool {
        !Self::load(room, who, store).spans.is_empty()
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
        let now = known(&talk.room);
        let nodes: BTreeSet<IdentityId> = now.keys().copied().collect();
        let known_before = std::mem::replace(&mut talk.known, now);
        let before: BTreeSet<IdentityId> = known_before.keys().copied().collect();
        let said = talk.record.affairs.said;
        for who in nodes.symmetric_difference(&before) {
            let mut noted = Membership::load(room, *who, &Pending { store: call.store, batch: &self.step.batch });
            if before.contains(who) {
                noted.goes(said)
            } else {
                noted.comes(said)
            }
            noted.put(room, *who, &mut self.step.batch);
        }
        self.forget_gone(&known_before);
    }
}

/// Up to how many waiting parcels there is room for what somebody has missed.
const ROOM_AGAIN: usize = WAITING_MAX / 2;

impl Chats {
    /// Of these, those for whom there is room, and those for whom too much waits.
    pub(super) fn with_room(&self, of: Vec<IdentityId>) -> (Vec<IdentityId>, Vec<IdentityId>) {
        of.into_iter().partition(|peer| self.outbox.full(&[*peer]).is_none())
    }

    /// Somebody does not get what this device says as the content with that number, until there is room.
    pub(super) fn note_missed<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, who: IdentityId, number: u64) {
        let mut noted = Membership::load(room, who, &Pending { store: call.store, batch: &self.step.batch });
        if noted.missed.is_none_or(|first| number < first) {
            noted.missed = Some(number);
            noted.put(room, who, &mut self.step.batch);
        }
        self.missing.insert((who, room));
    }

    /// If there is room again for somebody, they get what they have missed.
    pub(super) fn make_up<S: Store>(&mut self, call: &Call<'_, S>, who: IdentityId) {
        if self.outbox.waiting_for(who) > ROOM_AGAIN {
            return;
        }
        let of_them = (who, RoomId([0; 32]))..=(who, RoomId([0xff; 32]));
        let rooms: Vec<RoomId> = self.missing.range(of_them).map(|(_, room)| *room).collect();
        for room in rooms {
            self.missing.remove(&(who, room));
            let mut noted = Membership::load(room, who, &Pending { store: call.store, batch: &self.step.batch });
            let Some(first) = noted.missed.take() else { continue };
            noted.put(room, who, &mut self.step.batch);
            if self.talks.get(&room).is_some_and(|talk| talk.is_in() && talk.has_node(who)) {
                self.seal_anew(call, room, |said| said.number() >= first && noted.had(said.number()), Some(who));
            }
        }
    }

    /// Somebody can't take something yet. What was said in a group in which they are not any more, or this device is not, is not for them: what
    /// they lack to read it comes no more.
    pub(super) fn not_now<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, parcel: ParcelId) {
        if !self.outbox.is_under_way(peer, parcel) {
            return;
        }
        let store = Pending { store: call.store, batch: &self.step.batch };
        let letter = Outbox::parcel(parcel, &store).and_then(|bytes| Letter::from_bytes(&bytes).ok());
        let content = match letter {
            Some(Letter::Sealed(frame)) => Frame::from_bytes(&frame).ok(),
            _ => None,
        };
        let content = content.filter(|frame| matches!(frame.body, Body::Content(_)));
        let talk = content.and_then(|frame| self.talks.get(&frame.room));
        if talk.is_some_and(|talk| talk.is_group() && !(talk.room.is_member() && talk.has_node(peer))) {
            self.outbox.handle_receipt(peer, &[parcel], &mut self.step.batch);
        } else {
            self.outbox.handle_not_now(peer, parcel, call.now);
        }
    }

    /// The same for all who have missed something.
    pub(super) fn make_up_for_all<S: Store>(&mut self, call: &Call<'_, S>) {
        let all: BTreeSet<IdentityId> = self.missing.iter().map(|(who, _)| *who).collect();
        all.into_iter().for_each(|who| self.make_up(call, who));
    }
}

/// Who has missed something, and in which room.
pub(super) fn load_missing(store: &impl Store) -> BTreeSet<(IdentityId, RoomId)> {
    let mut missing = BTreeSet::new();
    for (key, value) in store.scan_prefix(MEMBERS, &[]) {
        let split = key.split_first_chunk::<32>();
        if let Some((room, Ok(who))) = split.map(|(room, who)| (room, <[u8; 20]>::try_from(who)))
            && Membership::from_bytes(&value).is_ok_and(|noted| noted.missed.is_some())
        {
            missing.insert((IdentityId(who), RoomId(*room)));
        }
    }
    missing
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
        out.option(self.missed.as_ref());
    }
}

impl Decode for Membership {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { spans: input.list(SPANS_MAX)?, missed: input.option()? })
    }
}
