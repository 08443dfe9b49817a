//! The sender's side: brings what waits for somebody to all who hold for them, until they have it.

use std::collections::{BTreeMap, VecDeque};

use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, NetworkId, Space, Span, Store, Time};

use super::envelope::{Envelope, EnvelopeError, EnvelopeId};
use super::message::{ANNOUNCED_MAX, Announced, HoldMessage, HoldRefusal, Word};
use super::{ASK_AGAIN, HOLD_TIME, HoldingDamaged, SAY_AGAIN};
use crate::delivery::ParcelId;
use crate::delivery::letter::PART_MAX;
use crate::delivery::outbox::{Outbox, WINDOW};

/// Envelopes that were made: key is whom they are for and a number that grows.
const SENT: Space = Space("hold-sent");
/// What has the least time left is sealed anew.
const RENEW: Span = Span::days(1);

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

/// How far an envelope is with one holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Announced,
    Wanted,
    Sent,
    Held,
    Refused(HoldRefusal),
}

/// Parts of an envelope that are under way.
struct Current {
    of: Of,
    envelope: EnvelopeId,
    bytes: Vec<u8>,
    sent: usize,
    /// As far as the holder has said.
    got: usize,
}

/// What there is with one holder.
#[derive(Default)]
struct Way {
    is_there: bool,
    states: BTreeMap<Of, (State, Time)>,
    wanted: VecDeque<Of>,
    current: Option<Current>,
}

/// The machine. Call order: [`load`](Self::load), then anything; [`due`](Self::due) after whatever may have changed what is due.
pub struct Sending {
    config: SendingConfig,
    lines: BTreeMap<Of, Line>,
    numbers: BTreeMap<(IdentityId, EnvelopeId), u64>,
    /// The newest envelope of each parcel.
    parcels: BTreeMap<(IdentityId, ParcelId), u64>,
    holders: BTreeMap<IdentityId, Vec<IdentityId>>,
    ways: BTreeMap<IdentityId, Way>,
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
        self.parcels.insert((of.0, line.parcel), of.1);
    }

    /// Who holds for somebody.
    pub fn set_holders(&mut self, client: IdentityId, holders: Vec<IdentityId>) {
        self.holders.insert(client, holders);
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
        let known = self.parcels.get(&(client, parcel)).and_then(|number| self.lines.get(&(client, *number)));
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
        self.insert(of, line);
        Ok(())
    }

    /// Somebody has a parcel, by whatever way; or it is not to be sent any more.
    pub fn forget(&mut self, client: IdentityId, parcel: ParcelId, batch: &mut Batch) {
        let its = self.lines.range((client, 0)..=(client, u64::MAX)).filter(|(_, line)| line.parcel == parcel);
        for (of, line) in its.map(|(of, line)| (*of, *line)).collect::<Vec<_>>() {
            self.lines.remove(&of);
            self.numbers.remove(&(client, line.envelope));
            batch.delete(SENT, key_of(of));
            self.ways.values_mut().for_each(|way| way.forget(of));
        }
        self.parcels.remove(&(client, parcel));
    }

    /// Holders that are to be reached: something is to be brought to them, or it is time to ask whether it has arrived.
    pub fn wanted(&self, now: Time) -> Vec<IdentityId> {
        let mut wanted = std::collections::BTreeSet::new();
        for ((client, _), number) in &self.parcels {
            for holder in self.holders.get(client).into_iter().flatten() {
                let is_due = self.ways.get(holder).is_none_or(|way| way.is_due(now, (*client, *number)));
                if is_due {
                    wanted.insert(*holder);
                }
            }
        }
        wanted.into_iter().collect()
    }

    pub fn handle_connected(&mut self, holder: IdentityId) {
        self.ways.insert(holder, Way { is_there: true, ..Way::default() });
    }

    pub fn handle_disconnected(&mut self, holder: IdentityId) {
        if let Some(way) = self.ways.get_mut(&holder) {
            (way.is_there, way.current) = (false, None);
            way.wanted.clear();
            way.states.retain(|_, (state, _)| matches!(state, State::Held | State::Refused(_)));
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
            Word::Wanted { next: 0 } if matches!(way.states.get(&of), Some((State::Announced, _))) => {
                way.states.insert(of, (State::Wanted, now));
                way.wanted.push_back(of);
            }
            Word::Wanted { next } => {
                if let Some(current) = way.current.as_mut().filter(|current| current.of == of) {
                    current.got = current.got.max(usize::from(*next) * PART_MAX).min(current.sent);
                    way.states.insert(of, (State::Wanted, now));
                }
            }
            Word::Held => {
                way.drop_current(of);
                way.states.insert(of, (State::Held, now));
            }
            Word::Refused(refusal) => {
                way.drop_current(of);
                way.states.insert(of, (State::Refused(*refusal), now));
            }
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
        let is_under_way = |state: &State| matches!(state, State::Announced | State::Wanted | State::Sent);
        way.states.retain(|_, (state, at)| !is_under_way(state) || now < *at + SAY_AGAIN);
        if let Some(current) = way.current.take_if(|current| !way.states.contains_key(&current.of)) {
            way.wanted.retain(|of| *of != current.of);
        }
        let states = &way.states;
        way.wanted.retain(|of| states.contains_key(of));
        let mut count = way.states.values().filter(|(state, _)| is_under_way(state)).count();
        let clients = self.holders.iter().filter(|(_, holders)| holders.contains(&holder)).map(|(client, _)| *client);
        for client in clients {
            for (of, line) in self.lines.range((client, 0)..=(client, u64::MAX)) {
                let is_newest = self.parcels.get(&(client, line.parcel)) == Some(&of.1);
                if count >= ANNOUNCED_MAX {
                    return announced;
                }
                if is_newest && now < line.until && way.is_due(now, *of) {
                    count += 1;
                    way.states.insert(*of, (State::Announced, now));
                    let Line { envelope, until, length, .. } = *line;
                    announced.entry(client).or_default().push(Announced { envelope, until, length });
                }
            }
        }
        announced
    }

    fn next_part(&mut self, now: Time, holder: IdentityId, store: &impl Store) -> Option<HoldMessage> {
        let way = self.ways.get_mut(&holder)?;
        let whole = way.states.iter().filter(|(_, (state, _))| *state == State::Sent);
        let unconfirmed: usize = whole.filter_map(|(of, _)| self.lines.get(of)).map(|line| line.length as usize).sum();
        let begun = way.current.as_ref().map_or(0, |current| current.sent - current.got);
        if unconfirmed + begun >= WINDOW {
            return None;
        }
        while way.current.is_none() {
            let of = way.wanted.pop_front()?;
            let Some(line) = self.lines.get(&of) else { continue };
            // What waits for a receipt is in the outbox until it comes.
            let Some(parcel) = Outbox::parcel(line.parcel, store) else { continue };
            let SendingConfig { network, identity } = &self.config;
            let sealed = Envelope::seal(identity, *network, (of.0, line.key), line.until, &parcel);
            let Ok(Envelope { sealed: bytes, .. }) = sealed else { continue };
            way.current = Some(Current { of, envelope: line.envelope, bytes, sent: 0, got: 0 });
        }
        let current = way.current.as_mut()?;
        let (of, from) = (current.of, current.sent);
        let to = current.bytes.len().min(from + PART_MAX);
        let index = u16::try_from(from / PART_MAX).expect("an envelope has fewer parts");
        let bytes = current.bytes[from..to].to_vec();
        let part = HoldMessage::Part { client: of.0, envelope: current.envelope, index, bytes };
        current.sent = to;
        let is_last = to == current.bytes.len();
        way.states.insert(of, (if is_last { State::Sent } else { State::Wanted }, now));
        if is_last {
            way.current = None;
        }
        Some(part)
    }
}

impl Way {
    /// Whether an envelope is to be announced.
    fn is_due(&self, now: Time, of: Of) -> bool {
        match self.states.get(&of) {
            None => true,
            Some((State::Refused(HoldRefusal::Busy | HoldRefusal::Damaged), at)) => *at + SAY_AGAIN <= now,
            Some((State::Held | State::Refused(_), at)) => *at + ASK_AGAIN <= now,
            Some(_) => false,
        }
    }

    fn drop_current(&mut self, of: Of) {
        self.wanted.retain(|other| *other != of);
        self.current.take_if(|current| current.of == of);
    }

    fn forget(&mut self, of: Of) {
        self.drop_current(of);
        self.states.remove(&of);
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
