//! The sender's side: brings what waits for somebody to all who hold for them, until they have it.
//!
//! What is to be said to each holder, and when, stands in its [`Way`]'s agenda, so that a look costs what is due, however much waits. What
//! was sealed last is kept for the next holder, who is brought the same.

mod way;

use std::collections::{BTreeMap, VecDeque};

use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, NetworkId, Space, Span, Store, Time};

use super::envelope::{Envelope, EnvelopeError, EnvelopeId};
use super::message::{Announced, HoldMessage, Word};
use super::{HOLD_TIME, HoldingDamaged};
use crate::delivery::ParcelId;
use crate::delivery::letter::PART_MAX;
use crate::delivery::outbox::Outbox;
use way::{Current, Stage, Way};

/// Envelopes that were made: key is whom they are for and a number that grows.
const SENT: Space = Space("hold-sent");
/// What has the least time left is sealed anew.
const RENEW: Span = Span::days(1);
/// Bytes of envelopes that are kept sealed in memory: those that were sealed last.
const SEALED_MAX: usize = 4 * 1024 * 1024;

/// Whose letters these are.
#[derive(Clone)]
pub struct SendingConfig {
    pub network: NetworkId,
    pub identity: IdentitySecret,
}

/// Whom a parcel was for has it, by its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    pub client: IdentityId,
    pub parcel: ParcelId,
}

/// An envelope that was made, and is made again from this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    envelope: EnvelopeId,
    parcel: ParcelId,
    until: Time,
    length: u32,
    key: StaticKey,
}

type Of = (IdentityId, u64);

/// The machine. Call order: [`load`](Self::load), then anything; [`due`](Self::due) after whatever may have changed what is due.
pub struct Sending {
    config: SendingConfig,
    lines: BTreeMap<Of, Line>,
    numbers: BTreeMap<(IdentityId, EnvelopeId), u64>,
    /// The envelopes of each parcel, the newest last.
    parcels: BTreeMap<(IdentityId, ParcelId), Vec<u64>>,
    holders: BTreeMap<IdentityId, Vec<IdentityId>>,
    ways: BTreeMap<IdentityId, Way>,
    sealed: Sealed,
}

/// What was sealed last, in bounded space.
#[derive(Default)]
struct Sealed {
    of: BTreeMap<EnvelopeId, Vec<u8>>,
    order: VecDeque<EnvelopeId>,
    bytes: usize,
}

impl Sending {
    /// Takes up what the store holds.
    ///
    /// # Errors
    /// [`HoldingDamaged`].
    pub fn load(config: SendingConfig, store: &impl Store) -> Result<Self, HoldingDamaged> {
        let mut sending = Self {
            config,
            lines: BTreeMap::new(),
            numbers: BTreeMap::new(),
            parcels: BTreeMap::new(),
            holders: BTreeMap::new(),
            ways: BTreeMap::new(),
            sealed: Sealed::default(),
        };
        for (key, value) in store.scan_prefix(SENT, &[]) {
            let mut input = Reader::new(&key);
            let of = (input.value(), input.array());
            let (Ok(client), Ok(number)) = of else { return Err(HoldingDamaged(DecodeError::Truncated)) };
            let line = Line::from_bytes(&value).map_err(HoldingDamaged)?;
            sending.insert((client, u64::from_be_bytes(number)), line);
        }
        Ok(sending)
    }

    fn insert(&mut self, of: Of, line: Line) {
        self.lines.insert(of, line);
        self.numbers.insert((of.0, line.envelope), of.1);
        let its = self.parcels.entry((of.0, line.parcel)).or_default();
        let before = its.last().copied();
        its.push(of.1);
        for holder in self.holders.get(&of.0).into_iter().flatten() {
            let way = self.ways.entry(*holder).or_default();
            // Of a parcel that was sealed anew only the newest is brought.
            before.into_iter().for_each(|before| way.forget((of.0, before)));
            way.plan(of, Time::ZERO);
        }
    }

    /// Who holds for somebody.
    pub fn set_holders(&mut self, client: IdentityId, holders: Vec<IdentityId>) {
        let before = self.holders.insert(client, holders.clone()).unwrap_or_default();
        if before == holders {
            return;
        }
        let its: Vec<Of> = self.newest_of(client).collect();
        for gone in before.iter().filter(|holder| !holders.contains(holder)) {
            if let Some(way) = self.ways.get_mut(gone) {
                its.iter().for_each(|of| way.forget(*of));
            }
        }
        for new in holders.iter().filter(|holder| !before.contains(holder)) {
            let way = self.ways.entry(*new).or_default();
            its.iter().for_each(|of| way.plan(*of, Time::ZERO));
        }
    }

    /// The newest envelope of each parcel of somebody.
    fn newest_of(&self, client: IdentityId) -> impl Iterator<Item = Of> {
        let its = self.parcels.range((client, ParcelId::FIRST)..).take_while(move |((of, _), _)| *of == client);
        its.filter_map(move |(_, numbers)| Some((client, *numbers.last()?)))
    }

    /// Parcels of somebody that are brought to holders.
    pub fn is_sending(&self, client: IdentityId, parcel: ParcelId) -> bool {
        self.parcels.contains_key(&(client, parcel))
    }

    /// All that is brought to holders: for whom, and which.
    pub fn parcels(&self) -> impl Iterator<Item = (IdentityId, ParcelId)> {
        self.parcels.keys().copied()
    }

    /// Whether a parcel is to be [put](Self::put): it was not, or not for that key, or its time is nearly over.
    pub fn is_to_be_put(&self, now: Time, (client, key): (IdentityId, StaticKey), parcel: ParcelId) -> bool {
        let newest = self.parcels.get(&(client, parcel)).and_then(|numbers| numbers.last());
        let known = newest.and_then(|number| self.lines.get(&(client, *number)));
        !known.is_some_and(|line| now + RENEW < line.until && line.key == key)
    }

    /// Has a parcel brought to whoever holds for `client`, whose dialogues have this key. Once is enough; it is made anew when its time is
    /// nearly over.
    ///
    /// # Errors
    /// [`EnvelopeError::Key`].
    pub fn put(
        &mut self,
        now: Time,
        (client, key): (IdentityId, StaticKey),
        parcel: &[u8],
        batch: &mut Batch,
    ) -> Result<(), EnvelopeError> {
        let name = ParcelId::of(parcel);
        if !self.is_to_be_put(now, (client, key), name) {
            return Ok(());
        }
        let until = now + HOLD_TIME;
        let envelope = Envelope::seal(&self.config.identity, self.config.network, (client, key), until, parcel)?;
        let length = u32::try_from(envelope.sealed.len()).expect("an envelope is far shorter");
        let line = Line { envelope: EnvelopeId::of(client, &envelope), parcel: name, until, length, key };
        let last = self.lines.range((client, 0)..=(client, u64::MAX)).next_back();
        let of = (client, last.map_or(0, |((_, number), _)| number + 1));
        batch.put(SENT, key_of(of), line.to_bytes());
        self.sealed.put(line.envelope, envelope.sealed);
        self.insert(of, line);
        Ok(())
    }

    /// Somebody has a parcel, by whatever way; or it is not to be sent any more.
    pub fn forget(&mut self, client: IdentityId, parcel: ParcelId, batch: &mut Batch) {
        for number in self.parcels.remove(&(client, parcel)).unwrap_or_default() {
            let of = (client, number);
            if let Some(line) = self.lines.remove(&of) {
                self.numbers.remove(&(client, line.envelope));
                self.sealed.forget(line.envelope);
            }
            batch.delete(SENT, key_of(of));
            // Whoever holds no more was told to forget it then.
            for holder in self.holders.get(&client).into_iter().flatten() {
                self.ways.get_mut(holder).into_iter().for_each(|way| way.forget(of));
            }
        }
    }

    /// Holders that are to be reached: something is to be brought to them, or it is time to ask whether it has arrived.
    pub fn wanted(&self, now: Time) -> Vec<IdentityId> {
        self.ways.iter().filter(|(_, way)| way.is_due(now)).map(|(holder, _)| *holder).collect()
    }

    pub fn handle_connected(&mut self, holder: IdentityId) {
        let mut way = Way::there();
        let clients = self.holders.iter().filter(|(_, holders)| holders.contains(&holder)).map(|(client, _)| *client);
        for client in clients {
            self.newest_of(client).for_each(|of| way.plan(of, Time::ZERO));
        }
        self.ways.insert(holder, way);
    }

    pub fn handle_disconnected(&mut self, holder: IdentityId) {
        if let Some(way) = self.ways.get_mut(&holder) {
            way.stop();
        }
    }

    /// What a holder says. Gives what has arrived; whoever keeps the parcel then [forgets](Self::forget) it.
    pub fn handle_message(&mut self, now: Time, holder: IdentityId, message: &HoldMessage) -> Option<Arrived> {
        let HoldMessage::Word { client, envelope, word } = message else { return None };
        let of = (*client, *self.numbers.get(&(*client, *envelope))?);
        let line = *self.lines.get(&of)?;
        if let Word::Had(receipt) = word {
            let is_good = receipt.envelope == *envelope && receipt.verify(self.config.network, *client).is_ok();
            return is_good.then_some(Arrived { client: *client, parcel: line.parcel });
        }
        let way = self.ways.get_mut(&holder).filter(|way| way.is_there)?;
        match word {
            Word::Wanted { next } => way.wanted(now, of, *next),
            Word::Held => way.has_said(now, of, None),
            Word::Refused(refusal) => way.has_said(now, of, Some(*refusal)),
            Word::Had(_) => {}
        }
        None
    }

    /// What goes to holders now, as far as their windows allow.
    pub fn due(&mut self, now: Time, store: &impl Store) -> Vec<(IdentityId, HoldMessage)> {
        let mut due = Vec::new();
        let there = self.ways.iter().filter(|(_, way)| way.is_there).map(|(holder, _)| *holder);
        for holder in there.collect::<Vec<_>>() {
            for (client, envelopes) in self.announced(now, holder) {
                due.push((holder, HoldMessage::Announce { client, envelopes }));
            }
            while let Some(part) = self.next_part(now, holder, store) {
                due.push((holder, part));
            }
        }
        due
    }

    /// What is to be announced to a holder, by whom it is for.
    fn announced(&mut self, now: Time, holder: IdentityId) -> BTreeMap<IdentityId, Vec<Announced>> {
        let mut announced: BTreeMap<IdentityId, Vec<Announced>> = BTreeMap::new();
        let Some(way) = self.ways.get_mut(&holder) else { return announced };
        way.give_up(now);
        while let Some(of) = way.next_due(now) {
            match self.lines.get(&of) {
                Some(line) if now < line.until => {
                    way.begin(now, of);
                    let Line { envelope, until, length, .. } = *line;
                    announced.entry(of.0).or_default().push(Announced { envelope, until, length });
                }
                // Its time is over: it is sealed anew, or let go of.
                _ => way.forget(of),
            }
        }
        announced
    }

    fn next_part(&mut self, now: Time, holder: IdentityId, store: &impl Store) -> Option<HoldMessage> {
        let way = self.ways.get_mut(&holder)?;
        if way.is_full() {
            return None;
        }
        while way.current.is_none() {
            let of = way.next_wanted()?;
            let Some(line) = self.lines.get(&of) else { continue };
            // What waits for a receipt is in the outbox until it comes.
            let Some(bytes) = self.sealed.again(&self.config, of.0, line, store) else { continue };
            way.current = Some(Current { of, envelope: line.envelope, bytes, sent: 0, got: 0 });
        }
        let current = way.current.as_mut()?;
        let (of, from) = (current.of, current.sent);
        let to = current.bytes.len().min(from + PART_MAX);
        let index = u16::try_from(from / PART_MAX).expect("an envelope has fewer parts");
        let bytes = current.bytes[from..to].to_vec();
        let part = HoldMessage::Part { client: of.0, envelope: current.envelope, index, bytes };
        current.sent = to;
        let length = current.bytes.len();
        if to == length {
            way.current = None;
            way.set(now, of, Stage::Sent(length));
        } else {
            way.set(now, of, Stage::Wanted);
        }
        Some(part)
    }
}

impl Sealed {
    fn put(&mut self, envelope: EnvelopeId, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.order.push_back(envelope);
        let before = self.of.insert(envelope, bytes);
        self.bytes -= before.map_or(0, |bytes| bytes.len());
        while self.bytes > SEALED_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.forget(oldest);
        }
        // Those of which it was forgotten are still in the order.
        if self.order.len() > 2 * self.of.len() + 64 {
            self.order.retain(|envelope| self.of.contains_key(envelope));
        }
    }

    fn forget(&mut self, envelope: EnvelopeId) {
        self.bytes -= self.of.remove(&envelope).map_or(0, |bytes| bytes.len());
    }

    /// The bytes of an envelope, sealed anew where they are not known any more.
    fn again(
        &mut self,
        config: &SendingConfig,
        client: IdentityId,
        line: &Line,
        store: &impl Store,
    ) -> Option<Vec<u8>> {
        if let Some(known) = self.of.get(&line.envelope) {
            return Some(known.clone());
        }
        let parcel = Outbox::parcel(line.parcel, store)?;
        let SendingConfig { network, identity } = config;
        let Envelope { sealed, .. } =
            Envelope::seal(identity, *network, (client, line.key), line.until, &parcel).ok()?;
        self.put(line.envelope, sealed.clone());
        Some(sealed)
    }
}

fn key_of((client, number): Of) -> Vec<u8> {
    [&client.0[..], &number.to_be_bytes()].concat()
}

impl Encode for Line {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.envelope);
        out.value(&self.parcel);
        out.value(&self.until);
        out.varint(self.length);
        out.value(&self.key);
    }
}

impl Decode for Line {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (envelope, parcel, until) = (input.value()?, input.value()?, input.value()?);
        Ok(Self { envelope, parcel, until, length: input.u32()?, key: input.value()? })
    }
}
