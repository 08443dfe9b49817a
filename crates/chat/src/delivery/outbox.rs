//! What waits for a receipt.
//!
//! Every parcel is on disk once, and a line for each peer whose receipt is awaited. While a peer is there, parcels go to it in the
//! order in which they were put in, no more than [`WINDOW`] bytes without a receipt.
//!
//! What a peer [can't take yet](ChatMessage::NotNow) is set aside, so that the rest goes on, and is tried again after a pause that grows
//! each time that nothing of it is taken; a few at one time, in turns. Once one of them is taken, or the peer says that it would take
//! [what it turned away](ChatMessage::Resend), all are tried.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Batch, IdentityId, Space, Span, Store, Time};

use super::letter::{ChatMessage, Letter, PARCEL_MAX, PART_MAX, ParcelId, part};

/// Parcels, by name.
const PARCELS: Space = Space("chat-parcels");
/// Who waits for which: key is the peer and a number that grows.
const WAITING: Space = Space("chat-outbox");

/// Bytes that are under way to a peer and of which it has said nothing: a part of what a dialogue's queue holds (1 MiB), since others use
/// it too.
pub const WINDOW: usize = 8 * PART_MAX;
/// Parcels that are under way to a peer without a receipt: fewer than its inbox knows again.
pub const WINDOW_PARCELS: usize = 256;
/// Parcels that wait for one peer, at most: a busy group for weeks.
pub const WAITING_MAX: usize = 65_536;

/// How long what was turned away is not tried again; twice as long each time that nothing of it was taken.
const PAUSE: Span = Span::minutes(1);
/// How often that is doubled: up to some two hours.
const PAUSE_DOUBLED: u32 = 7;
/// How many of those are tried at one time.
const TRIED_MAX: usize = 256;
/// How often a peer has all of them tried by saying that it would take them.
const RESEND_EACH: Span = Span::seconds(10);

/// Too much waits for somebody already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_MAX} messages wait for {0} already; it has to come back before there can be more")]
pub struct OutboxFull(pub IdentityId);

/// Why a letter is not kept for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPosted {
    #[error(transparent)]
    Full(#[from] OutboxFull),
    /// A tree of keys that others have made as large as can be.
    #[error("a parcel of {0} bytes is longer than those that are sent, of {PARCEL_MAX}")]
    TooLong(usize),
}

/// What waits for one peer.
#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, ParcelId>,
    /// The same by parcel, each of which waits once.
    numbers: BTreeMap<ParcelId, u64>,
    /// Begun since the peer is there, and without a receipt.
    under_way: BTreeMap<u64, UnderWay>,
    /// The one of those of which not all parts are sent.
    current: Option<(u64, Vec<u8>)>,
    /// All before this one were begun since the peer is there.
    next: u64,
    aside: Aside,
    is_there: bool,
}

/// What a peer has turned away since it is there.
#[derive(Debug, Default)]
struct Aside {
    waiting: BTreeSet<u64>,
    /// Those that are to be tried again now.
    due: BTreeSet<u64>,
    /// When some of them are.
    until: Option<Time>,
    /// How often since one was taken.
    times: u32,
    /// With this one the next turn begins.
    turn: u64,
    /// Before this the peer does not have all of them tried once more.
    resend_at: Time,
}

/// A parcel on its way, in bytes.
#[derive(Debug, Default, Clone, Copy)]
struct UnderWay {
    /// It was turned away before.
    is_again: bool,
    sent: usize,
    /// As far as the peer has said.
    got: usize,
}

/// The sending side, for all peers.
#[derive(Debug, Default)]
pub struct Outbox {
    queues: BTreeMap<IdentityId, Queue>,
    /// How many wait for each parcel.
    uses: BTreeMap<ParcelId, usize>,
}

impl Outbox {
    pub fn load(store: &impl Store) -> Self {
        let mut outbox = Self::default();
        for (key, value) in store.scan_prefix(WAITING, &[]) {
            let split = key.split_first_chunk::<20>();
            let Some((peer, Ok(number))) = split.map(|(peer, number)| (peer, <[u8; 8]>::try_from(number))) else {
                continue;
            };
            if let Ok(parcel) = ParcelId::from_bytes(&value) {
                let queue = outbox.queues.entry(IdentityId(*peer)).or_default();
                queue.insert(u64::from_be_bytes(number), parcel);
                *outbox.uses.entry(parcel).or_default() += 1;
            }
        }
        outbox
    }

    /// Everyone for whom something waits.
    pub fn awaited(&self) -> impl Iterator<Item = IdentityId> {
        self.queues.iter().filter(|(_, queue)| !queue.waiting.is_empty()).map(|(peer, _)| *peer)
    }

    /// What waits for this one, in the order in which it was put in.
    pub fn waiting(&self, peer: IdentityId) -> impl Iterator<Item = ParcelId> {
        self.queues.get(&peer).into_iter().flat_map(|queue| queue.waiting.values().copied())
    }

    /// Whether a parcel waits for this one.
    pub fn waits(&self, peer: IdentityId, parcel: ParcelId) -> bool {
        self.queues.get(&peer).is_some_and(|queue| queue.numbers.contains_key(&parcel))
    }

    /// The bytes of a parcel that waits for somebody.
    pub fn parcel(parcel: ParcelId, store: &impl Store) -> Option<Vec<u8>> {
        store.load(PARCELS, &parcel.to_bytes())
    }

    /// How many parcels wait for this one.
    pub fn waiting_for(&self, peer: IdentityId) -> usize {
        self.queues.get(&peer).map_or(0, |queue| queue.waiting.len())
    }

    /// Those who are there.
    pub fn there(&self) -> impl Iterator<Item = IdentityId> {
        self.queues.iter().filter(|(_, queue)| queue.is_there).map(|(peer, _)| *peer)
    }

    pub fn is_there(&self, peer: IdentityId) -> bool {
        self.queues.get(&peer).is_some_and(|queue| queue.is_there)
    }

    /// One of these for whom too much waits.
    pub fn full(&self, to: &[IdentityId]) -> Option<OutboxFull> {
        to.iter().find(|peer| self.waiting_for(**peer) >= WAITING_MAX).map(|peer| OutboxFull(*peer))
    }

    /// Whether a parcel has come to all whom it is for.
    pub fn has_arrived(&self, parcel: ParcelId) -> bool {
        !self.uses.contains_key(&parcel)
    }

    /// Keeps a letter until all of these have it.
    ///
    /// # Errors
    /// [`NotPosted`]; it is kept for none of them then.
    pub fn put(
        &mut self,
        letter: &Letter,
        to: impl IntoIterator<Item = IdentityId>,
        batch: &mut Batch,
    ) -> Result<ParcelId, NotPosted> {
        let (parcel, bytes) = letter.pack();
        if bytes.len() > PARCEL_MAX {
            return Err(NotPosted::TooLong(bytes.len()));
        }
        let mut to: Vec<IdentityId> = to.into_iter().collect();
        to.sort_unstable();
        to.dedup();
        if let Some(full) = self.full(&to) {
            return Err(full.into());
        }
        let is_new = !self.uses.contains_key(&parcel);
        if is_new && !to.is_empty() {
            batch.put(PARCELS, parcel.to_bytes(), bytes);
        }
        for peer in to {
            let queue = self.queues.entry(peer).or_default();
            if queue.numbers.contains_key(&parcel) {
                continue;
            }
            // Behind all that was begun, also where none of that waits any more.
            let number = queue.waiting.last_key_value().map_or(0, |(last, _)| last + 1).max(queue.next);
            queue.insert(number, parcel);
            *self.uses.entry(parcel).or_default() += 1;
            batch.put(WAITING, key(peer, number), parcel.to_bytes());
        }
        Ok(parcel)
    }

    /// A peer is there: everything goes to it anew.
    pub fn handle_connected(&mut self, peer: IdentityId) {
        let queue = self.queues.entry(peer).or_default();
        queue.stop();
        queue.is_there = true;
    }

    /// Whether a parcel is on its way to a peer.
    pub fn is_under_way(&self, peer: IdentityId, parcel: ParcelId) -> bool {
        let queue = self.queues.get(&peer);
        queue.is_some_and(|queue| queue.numbers.get(&parcel).is_some_and(|number| queue.under_way.contains_key(number)))
    }

    /// A peer can't take this one yet: others go before it.
    pub fn handle_not_now(&mut self, peer: IdentityId, parcel: ParcelId, now: Time) {
        let Some(queue) = self.queues.get_mut(&peer) else { return };
        let number = queue.numbers.get(&parcel).copied();
        if let Some(number) = number.filter(|number| queue.under_way.contains_key(number)) {
            queue.is_over(number);
            queue.aside.put(number, now);
        }
    }

    /// A peer would take what it has turned away.
    pub fn handle_resend(&mut self, peer: IdentityId, now: Time) {
        if let Some(queue) = self.queues.get_mut(&peer) {
            queue.aside.resend(now);
        }
    }

    /// Time has passed: some of what was turned away may be tried again.
    pub fn handle_time(&mut self, now: Time) {
        self.queues.values_mut().for_each(|queue| queue.aside.take_up(now));
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        if let Some(queue) = self.queues.get_mut(&peer) {
            queue.stop();
            queue.is_there = false;
        }
    }

    /// A peer has these on disk. Gives those that nobody waits for any more.
    pub fn handle_receipt(&mut self, peer: IdentityId, parcels: &[ParcelId], batch: &mut Batch) -> Vec<ParcelId> {
        let Some(queue) = self.queues.get_mut(&peer) else { return Vec::new() };
        let had = parcels.iter().filter_map(|parcel| Some((*queue.numbers.get(parcel)?, *parcel)));
        // In the order in which they were put in, and one that is named twice once.
        let had: BTreeMap<u64, ParcelId> = had.collect();
        let mut arrived = Vec::new();
        for (number, parcel) in had {
            queue.waiting.remove(&number);
            queue.numbers.remove(&parcel);
            queue.is_taken(number);
            batch.delete(WAITING, key(peer, number));
            let uses = self.uses.get_mut(&parcel).expect("whatever waits is counted");
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&parcel);
                batch.delete(PARCELS, parcel.to_bytes());
                arrived.push(parcel);
            }
        }
        arrived
    }

    /// Nothing waits for this one any more.
    pub fn forget(&mut self, peer: IdentityId, batch: &mut Batch) {
        let waiting: Vec<ParcelId> =
            self.queues.get(&peer).map(|queue| queue.waiting.values().copied().collect()).unwrap_or_default();
        self.handle_receipt(peer, &waiting, batch);
    }

    /// A peer has the parts before `next` of a parcel.
    pub fn handle_got(&mut self, peer: IdentityId, parcel: ParcelId, next: u16) {
        let Some(queue) = self.queues.get_mut(&peer) else { return };
        let Some((number, _)) = &queue.current else { return };
        let is_it = queue.waiting.get(number) == Some(&parcel);
        if let Some(current) = queue.under_way.get_mut(number).filter(|_| is_it) {
            current.got = current.sent.min(usize::from(next) * PART_MAX).max(current.got);
        }
    }

    /// What goes to a peer now, as far as its window allows.
    pub fn due(&mut self, peer: IdentityId, store: &impl Store) -> Vec<ChatMessage> {
        let Some(queue) = self.queues.get_mut(&peer).filter(|queue| queue.is_there) else { return Vec::new() };
        let mut due = Vec::new();
        while let Some(message) = queue.next_part(store) {
            due.push(message);
        }
        due
    }
}

impl Queue {
    fn insert(&mut self, number: u64, parcel: ParcelId) {
        self.waiting.insert(number, parcel);
        self.numbers.insert(parcel, number);
    }

    /// All begins anew.
    fn stop(&mut self) {
        self.under_way.clear();
        self.current = None;
        self.next = 0;
        self.aside = Aside::default();
    }

    /// This one is not under way any more.
    fn is_over(&mut self, number: u64) -> Option<UnderWay> {
        self.current.take_if(|(current, _)| *current == number);
        self.under_way.remove(&number)
    }

    fn is_taken(&mut self, number: u64) {
        let is_again = self.is_over(number).is_some_and(|was| was.is_again);
        self.aside.remove(number);
        if is_again {
            self.aside.all_due();
        }
    }

    /// The next that is to be begun, and whether it was turned away before.
    fn next_parcel(&self) -> Option<(u64, bool)> {
        let again = self.aside.due.first().map(|number| (*number, true));
        again.or_else(|| self.waiting.range(self.next..).next().map(|(number, _)| (*number, false)))
    }

    fn begin(&mut self, store: &impl Store) -> Option<()> {
        if self.under_way.len() >= WINDOW_PARCELS {
            return None;
        }
        let (number, is_again) = self.next_parcel()?;
        // It was written with the line that names it.
        let bytes = store.load(PARCELS, &self.waiting.get(&number)?.to_bytes())?;
        if is_again {
            self.aside.due.remove(&number);
        } else {
            self.next = number + 1;
        }
        self.current = Some((number, bytes));
        self.under_way.insert(number, UnderWay { is_again, ..UnderWay::default() });
        Some(())
    }

    fn next_part(&mut self, store: &impl Store) -> Option<ChatMessage> {
        let unconfirmed: usize = self.under_way.values().map(|parcel| parcel.sent - parcel.got).sum();
        if unconfirmed >= WINDOW {
            return None;
        }
        if self.current.is_none() {
            self.begin(store)?;
        }
        let (number, bytes) = self.current.as_ref()?;
        let (parcel, name) = (self.under_way.get_mut(number)?, *self.waiting.get(number)?);
        let index = u16::try_from(parcel.sent / PART_MAX).expect("a parcel of at most PARCEL_MAX has fewer parts");
        let message = part(name, bytes, index);
        parcel.sent = bytes.len().min(parcel.sent + PART_MAX);
        if parcel.sent == bytes.len() {
            self.current = None;
        }
        Some(message)
    }
}

impl Aside {
    fn put(&mut self, number: u64, now: Time) {
        self.waiting.insert(number);
        if self.until.is_none() {
            self.until = Some(now + Span(PAUSE.0 << self.times.min(PAUSE_DOUBLED)));
            self.times = self.times.saturating_add(1);
        }
    }

    fn remove(&mut self, number: u64) {
        self.waiting.remove(&number);
        self.due.remove(&number);
    }

    fn take_up(&mut self, now: Time) {
        if self.until.is_none_or(|until| now < until) {
            return;
        }
        self.until = None;
        let in_turn = self.waiting.range(self.turn..).chain(self.waiting.range(..self.turn));
        let turn: Vec<u64> = in_turn.take(TRIED_MAX).copied().collect();
        self.turn = turn.last().map_or(0, |last| last + 1);
        for number in turn {
            self.waiting.remove(&number);
            self.due.insert(number);
        }
    }

    fn all_due(&mut self) {
        self.due.append(&mut self.waiting);
        (self.until, self.times) = (None, 0);
    }

    fn resend(&mut self, now: Time) {
        if now >= self.resend_at {
            self.resend_at = now + RESEND_EACH;
            self.all_due();
        } else if !self.waiting.is_empty() {
            (self.until, self.times) = (Some(self.resend_at), 0);
        }
    }
}

fn key(peer: IdentityId, number: u64) -> Vec<u8> {
    [&peer.0[..], &number.to_be_bytes()].concat()
}
