//! What our person says.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Pending, Store, Time};

use super::opened::touched;
use super::said::Said;
use super::{Call, ChatError, ChatNews, Chats, SENT};
use crate::content::bounded::BoundedList;
use crate::content::limits::LAMPORT_MAX;
use crate::content::signs::{ReadMark, Receipt};
use crate::content::{Author, Content, Kind, MessageId, MessageRef, Rights, Sender};
use crate::delivery::OutboxFull;
use crate::delivery::letter::{ChatMessage, Letter, ParcelId};
use crate::delivery::own_letter::OwnMatter;
use crate::mls::{Place, Role, RoomId};

/// How many messages after what was read on another device are counted, at most.
pub(super) const UNREAD_MAX: usize = 1024;

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Drawn where there is none. What was said under one is not said again.
    pub id: Option<MessageId>,
    pub thread: Option<MessageRef>,
    pub reply: Option<MessageRef>,
    pub kind: Kind,
}

impl From<Kind> for Draft {
    fn from(kind: Kind) -> Self {
        Self { id: None, thread: None, reply: None, kind }
    }
}

/// Which message a parcel brings.
pub(super) struct Sent {
    pub room: RoomId,
    pub of: MessageRef,
}

impl Encode for Sent {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.room);
        out.value(&self.of);
    }
}

impl Decode for Sent {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { room: input.value()?, of: input.value()? })
    }
}

impl Chats {
    /// Says something in a conversation.
    ///
    /// # Errors
    /// [`ChatError`]; nothing was said then.
    pub fn say(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        draft: Draft,
        store: &impl Store,
    ) -> Result<MessageRef, ChatError> {
        let call = Call::new(now, seed, store);
        let said = self.say_in(&call, room, draft)?;
        self.talks.get(&room).map(|talk| talk.nodes(self.node())).unwrap_or_default().into_iter().for_each(|peer| {
            self.send_due(peer, store);
        });
        Ok(said)
    }

    pub(super) fn say_in<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        draft: Draft,
    ) -> Result<MessageRef, ChatError> {
        if self.talks.get(&room).is_some_and(|talk| talk.record.affairs.is_leaving && talk.is_in()) {
            return Err(ChatError::Leaving);
        }
        if self.talks.get(&room).is_some_and(|talk| talk.record.affairs.is_out) {
            return Err(ChatError::NotMember);
        }
        if !self.talks.contains_key(&room) {
            return Err(self.no_room(room));
        }
        if draft.kind.is_message() {
            self.introduce(call, room);
        }
        let (me, node) = (self.me(), self.node());
        let sender = self.sender(room, Author { identity: me, device: self.device.certificate.index });
        let talk = self.talks.get_mut(&room).ok_or(ChatError::NoRoom)?;
        let Draft { id, thread, reply, kind } = draft;
        let id = id.unwrap_or_else(|| MessageId(*call.draw().first_chunk().expect("a seed is longer")));
        let is_passing = kind.is_volatile();
        let is_message = kind.is_message();
        // Whoever has said the last number there is has not had the last word.
        let lamport = (talk.record.lamport + 1).min(LAMPORT_MAX);
        let content = Content { thread, reply, ..Content::new(id, call.now, lamport, kind) };
        let packed = content.pack()?;
        let others = talk.nodes(node);
        if is_passing {
            let frame = talk.room.seal(&call.draw(), &packed, &mut self.step.batch)?.bytes;
            let there = others.into_iter().filter(|peer| self.outbox.is_there(*peer));
            self.step.sends.extend(there.map(|peer| (peer, ChatMessage::Passing { frame: frame.clone() })));
            return Ok(MessageRef { author: me, id });
        }
        let is_awaited = !others.is_empty();
        // One for whom too much waits keeps no others from hearing it.
        let (others, full) = self.with_room(others);
        if let Some(full) = full.first().filter(|_| others.is_empty()) {
            return Err(OutboxFull(*full).into());
        }
        let talk = self.talks.get_mut(&room).ok_or(ChatError::NoRoom)?;
        let frame = talk.room.seal(&call.draw(), &packed, &mut self.step.batch)?;
        let news = talk.apply(&sender, &content, true, call.store, &mut self.step.batch)?;
        let touched = touched(&news);
        let affairs = &mut talk.record.affairs;
        let number = affairs.said;
        Said::note(room, number, frame.epoch, packed, &mut self.step.batch);
        affairs.said += 1;
        talk.put(&mut self.step.batch);
        full.into_iter().for_each(|who| self.note_missed(call, room, who, number));
        let parcel = self.outbox.put(&Letter::Sealed(frame.bytes), others, &mut self.step.batch)?;
        let of = MessageRef { author: me, id };
        if is_message && is_awaited {
            self.step.batch.put(SENT, parcel.to_bytes(), Sent { room, of }.to_bytes());
        }
        news.into_iter().for_each(|news| self.tell(news));
        self.owe_devices(room, (frame.epoch, Place::Head), &touched);
        Ok(of)
    }

    /// Who somebody is in a conversation, and what they may do.
    pub(super) fn sender(&self, room: RoomId, author: Author) -> Sender {
        let role = self.talks.get(&room).and_then(|talk| talk.room.role(author.identity));
        let is_direct = self.talks.get(&room).is_some_and(|talk| talk.record.direct.is_some());
        let is_admin = matches!(role, Some(Role::Founder | Role::Admin));
        // Of two, neither deletes what the other has said.
        Sender {
            author,
            rights: Rights { deletes_others: is_admin && !is_direct, changes_settings: is_admin || is_direct },
        }
    }

    /// A peer has a parcel on disk: the message in it has arrived with that peer.
    pub(super) fn note_arrived(&mut self, now: Time, peer: IdentityId, parcel: ParcelId, store: &impl Store) {
        let sent = Pending { store, batch: &self.step.batch }.load(SENT, &parcel.to_bytes());
        let Some(Sent { room, of }) = sent.and_then(|bytes| Sent::from_bytes(&bytes).ok()) else { return };
        if self.outbox.has_arrived(parcel) {
            self.step.batch.delete(SENT, parcel.to_bytes());
        }
        let peer = self.person_of(peer);
        let Some(talk) = self.talks.get_mut(&room).filter(|_| peer != of.author) else { return };
        // As if the peer had said so: what its receipt says.
        let Ok(messages) = BoundedList::new(vec![of]) else { return };
        let receipt = Content::new(of.id, now, 0, Kind::Receipt(Receipt { messages }));
        let sender = Sender { author: Author { identity: peer, device: 0 }, rights: Rights::default() };
        let news = talk.apply(&sender, &receipt, true, store, &mut self.step.batch).unwrap_or_default();
        news.into_iter().for_each(|news| self.tell(news));
    }

    /// Our person has looked at a conversation. Where `is_told`, the others hear of which messages.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn mark_read(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        is_told: bool,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        let me = self.me();
        if self.lost.contains_key(&room) {
            return self.mark_lost_read(room);
        }
        let talk = self.talks.get_mut(&room).ok_or(ChatError::NoRoom)?;
        let (from, to) = (talk.record.read, talk.record.next);
        if from == to {
            return Ok(());
        }
        (talk.record.read, talk.record.unread) = (to, 0);
        talk.put(&mut self.step.batch);
        self.tell(ChatNews::Room { room });
        if let Some(of) = self.newest_read(room, store) {
            self.write_to_devices(&Call::new(now, seed, store), &OwnMatter::Read { room, of }, None);
        }
        if !is_told {
            return Ok(());
        }
        let limit = usize::try_from(to - from).unwrap_or(usize::MAX).min(crate::content::limits::RECEIPTS_MAX);
        let shown = self.page(room, None, limit, store).into_iter().filter(|shown| shown.place >= from);
        let theirs: Vec<MessageRef> = shown.map(|shown| shown.item.of).filter(|of| of.author != me).collect();
        if let (false, Ok(messages)) = (theirs.is_empty(), BoundedList::new(theirs)) {
            self.say(now, seed, room, Kind::ReadMark(ReadMark { messages }).into(), store)?;
        }
        Ok(())
    }

    /// Up to which message a conversation was read. What our person says, other devices may have before what others said, or behind it: so
    /// the newest of others' counts, where there is one among the newest.
    fn newest_read(&self, room: RoomId, store: &impl Store) -> Option<MessageRef> {
        let newest = self.page(room, None, UNREAD_MAX, store);
        let of_others = newest.iter().find(|shown| shown.item.of.author != self.me());
        of_others.or(newest.first()).map(|shown| shown.item.of)
    }
}
