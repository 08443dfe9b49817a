//! What this device has said lately, to be sealed anew for those who can't read it as it was.
//!
//! Content is sealed in an epoch. Who was added meanwhile on another branch, or comes back after more epochs than are kept, can't
//! read it: they say so, or the device itself turns back, and it is sealed again in the newest epoch. It stays one message, by its
//! reference.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Pending, Space, Span, Store, Time};

use super::saying::Sent;
use super::{Call, Chats, SENT};
use crate::content::{Content, MessageRef};
use crate::delivery::letter::Letter;
use crate::mls::Step;
use crate::mls::{EpochTag, RoomId};

/// What was said: key is the room and a number that goes round.
const SAID: Space = Space("chat-said");
/// How many contents of one room are kept.
const SAID_MAX: u64 = 256;
/// Epochs in which one content was sealed, the last ones.
const EPOCHS_MAX: usize = 16;

/// A content, and the epochs in which it was sealed.
pub(super) struct Said {
    number: u64,
    epochs: Vec<EpochTag>,
    packed: Vec<u8>,
}

impl Said {
    /// Whether it was sealed in one of these epochs.
    pub fn is_of(&self, steps: &[Step]) -> bool {
        self.epochs.iter().any(|epoch| steps.iter().any(|step| step.tag == *epoch))
    }

    /// Its number among all contents that this device has said in the room.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn is_in(&self, epoch: EpochTag) -> bool {
        self.epochs.contains(&epoch)
    }

    /// Whether it was said no longer ago than this.
    pub fn is_after(&self, now: Time, span: Span) -> bool {
        Content::from_bytes(&self.packed).is_ok_and(|content| now.since(content.sent) <= span)
    }

    fn put(&self, room: RoomId, batch: &mut Batch) {
        batch.put(SAID, [&room.0[..], &(self.number % SAID_MAX).to_be_bytes()].concat(), self.to_bytes());
    }

    /// Notes down what this device says, as the content with that number.
    pub fn note(room: RoomId, number: u64, epoch: EpochTag, packed: Vec<u8>, batch: &mut Batch) {
        Self { number, epochs: vec![epoch], packed }.put(room, batch);
    }
}

impl Chats {
    /// Seals anew what this device has said of which `is_meant`, for one of the others or for all. Says how many contents.
    pub(super) fn seal_anew<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        is_meant: impl Fn(&Said) -> bool,
        only_for: Option<IdentityId>,
    ) -> usize {
        let kept = Pending { store: call.store, batch: &self.step.batch }.scan_prefix(SAID, &room.0);
        // Nothing else writes here.
        let mut all: Vec<Said> = kept.into_iter().filter_map(|(_, bytes)| Said::from_bytes(&bytes).ok()).collect();
        all.retain(is_meant);
        all.sort_by_key(|said| said.number);
        let (me, node, mut count) = (self.me(), self.node(), 0);
        for mut said in all {
            let Some(talk) = self.talks.get(&room) else { break };
            let to = only_for.map_or_else(|| talk.nodes(node), |peer| vec![peer]);
            let (to, full) = self.with_room(to);
            full.into_iter().for_each(|who| self.note_missed(call, room, who, said.number));
            if to.is_empty() {
                continue;
            }
            let Some(talk) = self.talks.get_mut(&room) else { break };
            let Ok(frame) = talk.room.seal(&call.draw(), &said.packed, &mut self.step.batch) else { break };
            count += 1;
            said.epochs.push(frame.epoch);
            let over = said.epochs.len().saturating_sub(EPOCHS_MAX);
            said.epochs.drain(..over);
            said.put(room, &mut self.step.batch);
            let posted = self.outbox.put(&Letter::Sealed(frame.bytes), to.iter().copied(), &mut self.step.batch);
            let content = Content::from_bytes(&said.packed);
            if let (Ok(parcel), Ok(content)) = (posted, content)
                && content.kind.is_message()
            {
                let of = MessageRef { author: me, id: content.id };
                self.step.batch.put(SENT, parcel.to_bytes(), Sent { room, of }.to_bytes());
            }
            to.into_iter().for_each(|peer| self.send_due(peer, call.store));
        }
        count
    }
}

impl Encode for Said {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.list(&self.epochs);
        out.bytes(&self.packed);
    }
}

impl Decode for Said {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            number: input.u64()?,
            epochs: input.list(EPOCHS_MAX)?,
            packed: input.bytes(crate::mls::wire::CONTENT_MAX)?.to_vec(),
        })
    }
}
