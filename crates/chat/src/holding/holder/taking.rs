//! What senders bring: whether it is wanted, and its parts.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{IdentityId, Pending, Store, Time};

use super::kept::{HELD, INDEX, Kept, RECEIPTS, key, receipt_key};
use super::{Holder, KeptReceipt, SENDER_SHARE};
use crate::delivery::letter::{GOT_EVERY, PART_MAX};
use crate::holding::envelope::{ENVELOPE_MAX, Envelope, EnvelopeId};
use crate::holding::message::{ANNOUNCED_MAX, Announced, HoldMessage, HoldRefusal, Word};

/// Bytes of what all senders have begun to bring, in memory.
const GATHERED_MAX: u64 = 64 * 1024 * 1024;

/// What a sender brings.
#[derive(Default)]
pub(super) struct Bringing {
    /// Of which it was said that they are wanted, by whom they are for.
    wanted: BTreeMap<(IdentityId, EnvelopeId), Announced>,
    /// The one that is under way. They come one after the other.
    current: Option<Gathering>,
}

/// What there is of an envelope.
struct Gathering {
    of: (IdentityId, EnvelopeId),
    announced: Announced,
    next: u16,
    bytes: Vec<u8>,
}

impl Holder {
    /// What becomes of an envelope that is brought.
    pub(super) fn word_on(
        &mut self,
        now: Time,
        sender: IdentityId,
        client: IdentityId,
        announced: &Announced,
        store: &impl Store,
    ) -> Word {
        let store = Pending { store, batch: &self.step.batch };
        if self.has_receipt(client, announced.envelope) {
            let kept = store.load(RECEIPTS, &receipt_key(client, announced.envelope));
            if let Some(KeptReceipt(_, receipt)) = kept.and_then(|bytes| KeptReceipt::from_bytes(&bytes).ok()) {
                return Word::Had(receipt);
            }
        }
        let is_held = |of: &super::Client| of.numbers.contains_key(&announced.envelope);
        if self.served(client).is_some_and(is_held) {
            return Word::Held;
        }
        if let Some(refusal) = self.refuses(now, sender, client, announced) {
            return Word::Refused(refusal);
        }
        let bringing = self.bringing.entry(sender).or_default();
        let of = (client, announced.envelope);
        if bringing.wanted.len() >= ANNOUNCED_MAX && !bringing.wanted.contains_key(&of) {
            return Word::Refused(HoldRefusal::Busy);
        }
        bringing.wanted.insert(of, *announced);
        Word::Wanted { next: 0 }
    }

    fn refuses(&self, now: Time, sender: IdentityId, client: IdentityId, announced: &Announced) -> Option<HoldRefusal> {
        let length = u64::from(announced.length);
        let Some(terms) = self.terms else { return Some(HoldRefusal::Unwilling) };
        let Some(of) = self.served(client) else { return Some(HoldRefusal::NotClient) };
        if announced.length == 0 || announced.length as usize > ENVELOPE_MAX {
            return Some(HoldRefusal::TooLarge);
        }
        if announced.until <= now || announced.until > now + terms.time_max {
            return Some(HoldRefusal::Time);
        }
        if self.is_unpaid(now, of) {
            return Some(HoldRefusal::Unpaid);
        }
        let all: u64 = self.clients.values().map(|client| client.bytes).sum();
        if length > self.room || all + length > terms.bytes_max {
            return Some(HoldRefusal::DiskFull);
        }
        let count = of.held.len() as u64;
        if of.bytes + length > terms.client_bytes_max || count >= terms.client_count_max {
            return Some(HoldRefusal::ClientFull);
        }
        let (its_count, its_bytes) = of.senders.get(&sender).copied().unwrap_or_default();
        let is_over = its_bytes + length > terms.client_bytes_max / SENDER_SHARE
            || its_count >= (terms.client_count_max / SENDER_SHARE).max(1);
        is_over.then_some(HoldRefusal::SenderFull)
    }

    pub(super) fn part_came(
        &mut self,
        now: Time,
        sender: IdentityId,
        (client, envelope): (IdentityId, EnvelopeId),
        index: u16,
        bytes: Vec<u8>,
    ) {
        let of = (client, envelope);
        if index == 0
            && let Some(refusal) = self.begin(sender, of)
        {
            return self.say(sender, client, envelope, Word::Refused(refusal));
        }
        let Some(bringing) = self.bringing.get_mut(&sender) else { return };
        // One that was lost, or came twice: its sender says again what it has when it hears nothing.
        let is_it = |gathering: &&mut Gathering| gathering.of == of && gathering.next == index;
        let Some(gathering) = bringing.current.as_mut().filter(is_it) else { return };
        let left = gathering.announced.length as usize - gathering.bytes.len();
        if bytes.len() != left.min(PART_MAX) {
            bringing.current = None;
            return self.say(sender, client, envelope, Word::Refused(HoldRefusal::Damaged));
        }
        gathering.bytes.extend_from_slice(&bytes);
        gathering.next += 1;
        let next = gathering.next;
        if bytes.len() == left {
            let whole = bringing.current.take().expect("it was just there");
            self.keep(now, sender, whole);
        } else if next.is_multiple_of(GOT_EVERY) {
            self.say(sender, client, envelope, Word::Wanted { next });
        }
    }

    /// The first part of an envelope is there. Nothing is begun that was not wanted.
    fn begin(&mut self, sender: IdentityId, of: (IdentityId, EnvelopeId)) -> Option<HoldRefusal> {
        let announced = self.bringing.get_mut(&sender).and_then(|bringing| bringing.wanted.remove(&of))?;
        let others = self.bringing.iter().filter(|(other, _)| **other != sender);
        let under_way: u64 = others
            .filter_map(|(_, bringing)| bringing.current.as_ref())
            .map(|gathering| u64::from(gathering.announced.length))
            .sum();
        if under_way + u64::from(announced.length) > GATHERED_MAX {
            return Some(HoldRefusal::Busy);
        }
        let bringing = self.bringing.get_mut(&sender).expect("it was just there");
        bringing.current = Some(Gathering { of, announced, next: 0, bytes: Vec::new() });
        None
    }

    fn keep(&mut self, now: Time, sender: IdentityId, whole: Gathering) {
        let Gathering { of: (client, _), announced, bytes, .. } = whole;
        let envelope = Envelope { until: announced.until, sealed: bytes };
        if EnvelopeId::of(client, &envelope) != announced.envelope {
            return self.say(sender, client, announced.envelope, Word::Refused(HoldRefusal::Damaged));
        }
        // Others may have brought something since it was wanted, this same one among it, or its receipt have come.
        if self.has_receipt(client, announced.envelope) {
            return;
        }
        let is_held = self.served(client).is_some_and(|of| of.numbers.contains_key(&announced.envelope));
        if !is_held {
            if let Some(refusal) = self.refuses(now, sender, client, &announced) {
                return self.say(sender, client, announced.envelope, Word::Refused(refusal));
            }
            let of = self.clients.get_mut(&client).expect("it is not refused");
            of.account.count(now, of.bytes);
            let number = of.next;
            let kept = Kept { envelope: announced.envelope, sender, until: announced.until, length: announced.length };
            of.insert(number, kept);
            self.room = self.room.saturating_sub(u64::from(announced.length));
            self.step.batch.put(INDEX, key(client, number), kept.to_bytes());
            self.step.batch.put(HELD, key(client, number), envelope.sealed);
            self.put_client(client);
            if self.there.contains(&client) {
                let bill = self.bill(client);
                self.step.sends.push((client, HoldMessage::Serving { bill }));
            }
        }
        self.say(sender, client, announced.envelope, Word::Held);
    }
}
