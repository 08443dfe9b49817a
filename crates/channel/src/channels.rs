//! All channels of one identity, with many peers, and several with one.
//!
//! Each is a [`ChannelMachine`] by itself; here is what they share: to whom a message belongs, who is woken when, what the
//! ledger says, and how many a peer may begin. A channel has no id before somebody has signed for it, so its initiator gives it a
//! *handle*, which names it between the two for as long as it lives and stands before every message.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Effect, IdentityId, NetworkId, Span, Store, Time};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Environment, Side};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use crate::beside::{ErrorCode, SaidError};
use crate::journal::{ChannelJournalError, Life, handles, put_handle, remove_handle};
use crate::ledger_view::LedgerView;
use crate::lost::Kept;
use crate::machine::ChannelMachine;
use crate::message::ChannelMessage;
use crate::news::{ChannelEffect, ChannelNews, PeerFault};
use crate::signer::Signer;

/// Channels that one peer may propose at a time without having put money in.
pub const OPENINGS_PER_PEER_MAX: usize = 4;
/// The same of all peers.
pub const OPENINGS_MAX: usize = 64;

/// Names a channel between its two sides; drawn at random by its initiator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelHandle(pub [u8; 16]);

/// Names a channel on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelKey {
    pub peer: IdentityId,
    pub handle: ChannelHandle,
}

/// A message, and to which channel it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressedMessage {
    pub handle: ChannelHandle,
    pub message: ChannelMessage,
}

/// How often all are told the time: several times within what makes one believe that it was away.
const TIME_EVERY: Span = Span::seconds(10);

/// What the channels emit.
pub type ChannelsEffect = Effect<IdentityId, AddressedMessage, (ChannelKey, ChannelNews)>;

/// Why no channel is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InitiateError {
    #[error("the terms are none that the ledger takes: each deposit must be the reserve at the least")]
    Terms,
    #[error("a channel has that handle already")]
    Handle,
    #[error("there are as many channels being opened as may be; wait until they are open")]
    Openings,
}

/// The channels of one identity. Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each.
#[derive(Debug)]
pub struct Channels<S> {
    pub(crate) signer: S,
    pub(crate) network: NetworkId,
    pub(crate) machines: BTreeMap<ChannelKey, ChannelMachine<S>>,
    /// Those that the ledger can have.
    pub(crate) named: BTreeMap<ChannelId, ChannelKey>,
    /// Those whose journals can't be read.
    pub(crate) unreadable: BTreeMap<ChannelId, ChannelJournalError>,
    /// Where peers say that they stand in channels that are not known here.
    pub(crate) greetings: BTreeMap<(IdentityId, ChannelId), Kept>,
    /// Those that the ledger does not have yet, and which side of them is ours.
    openings: BTreeMap<ChannelKey, Side>,
    /// When each is next woken, and the same in order of time.
    alarms: BTreeMap<ChannelKey, Time>,
    wakes: BTreeSet<(Time, ChannelKey)>,
    /// When all were told the time.
    timed: Option<Time>,
    pub(crate) effects: Vec<(ChannelKey, ChannelsEffect)>,
    /// Of which something was written since it was asked last.
    written: BTreeSet<ChannelKey>,
    /// What became of virtual channels, as far as that matters here.
    pub(crate) outcomes: BTreeMap<ChannelId, [Amount; 2]>,
    /// The offers of guarantees that are being accepted, or are accepted, in each.
    pub(crate) accepting: BTreeMap<ChannelId, Vec<(Address, ChannelId)>>,
}

impl<S: Signer + Clone> Channels<S> {
    /// Those that the journal has, but for closed ones. One that can't be read keeps none of the others from going on.
    pub fn load(signer: S, network: NetworkId, store: &impl Store) -> Result<Self, ChannelJournalError> {
        let mut channels = Self {
            signer,
            network,
            machines: BTreeMap::new(),
            named: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            greetings: BTreeMap::new(),
            openings: BTreeMap::new(),
            alarms: BTreeMap::new(),
            wakes: BTreeSet::new(),
            timed: None,
            effects: Vec::new(),
            written: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            accepting: BTreeMap::new(),
        };
        for (id, handle) in handles(store)? {
            let machine = match ChannelMachine::load(channels.signer.clone(), id, store) {
                Ok(machine) => machine,
                Err(error) => {
                    channels.unreadable.insert(id, error);
                    continue;
                }
            };
            let key = ChannelKey { peer: machine.peer(), handle };
            channels.named.insert(id, key);
            if matches!(machine.life(), Life::HalfSigned | Life::Signed) {
                channels.openings.insert(key, machine.side());
            }
            channels.machines.insert(key, machine);
        }
        Ok(channels)
    }

    // What there is.

    pub fn get(&self, key: ChannelKey) -> Option<&ChannelMachine<S>> {
        self.machines.get(&key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ChannelKey, &ChannelMachine<S>)> {
        self.machines.iter().map(|(key, machine)| (*key, machine))
    }

    pub fn key_of(&self, id: ChannelId) -> Option<ChannelKey> {
        self.named.get(&id).copied()
    }

    pub fn has_with(&self, peer: IdentityId) -> bool {
        self.with_peer(peer).next().is_some()
    }

    pub fn with_peer(&self, peer: IdentityId) -> impl Iterator<Item = (ChannelKey, &ChannelMachine<S>)> {
        let first = ChannelKey { peer, handle: ChannelHandle([0; 16]) };
        let theirs = self.machines.range(first..).take_while(move |(key, _)| key.peer == peer);
        theirs.map(|(key, machine)| (*key, machine))
    }

    /// Channels that this side can't act in, since their journals can't be read. Nothing of theirs is written over, unless they are
    /// [found](Self::find) anew.
    pub fn unreadable(&self) -> impl Iterator<Item = (ChannelId, ChannelJournalError)> + '_ {
        self.unreadable.iter().map(|(id, error)| (*id, *error))
    }

    /// When a channel next wants to be woken.
    pub fn wakes_at(&self) -> Option<Time> {
        self.wakes.first().map(|(time, _)| *time)
    }

    /// What is to be done, in this order, each by its channel.
    pub fn poll(&mut self) -> Vec<(ChannelKey, ChannelsEffect)> {
        std::mem::take(&mut self.effects)
    }

    /// Channels of which something was written since this was asked last: what is kept of them elsewhere may be old.
    pub fn take_written(&mut self) -> BTreeSet<ChannelKey> {
        std::mem::take(&mut self.written)
    }

    // What is asked.

    /// Proposes a channel to a peer that is connected. `handle` is fresh randomness.
    pub fn initiate(
        &mut self,
        now: Time,
        handle: ChannelHandle,
        terms: ChannelTerms,
    ) -> Result<ChannelKey, InitiateError> {
        let key = self.key_of_new(handle, terms.parties[1])?;
        let machine = ChannelMachine::initiate(self.signer.clone(), self.network, terms, handle.number(), now);
        self.machines.insert(key, machine.ok_or(InitiateError::Terms)?);
        self.collect(key);
        Ok(key)
    }

    pub(crate) fn key_of_new(&self, handle: ChannelHandle, peer: IdentityId) -> Result<ChannelKey, InitiateError> {
        let key = ChannelKey { peer, handle };
        if self.machines.contains_key(&key) {
            return Err(InitiateError::Handle);
        }
        if self.openings.values().filter(|side| **side == Side::Initiator).count() >= OPENINGS_MAX {
            return Err(InitiateError::Openings);
        }
        Ok(key)
    }

    /// Does something to one channel; `None` where there is no such channel.
    pub fn with<T>(&mut self, key: ChannelKey, what: impl FnOnce(&mut ChannelMachine<S>) -> T) -> Option<T> {
        let done = what(self.machines.get_mut(&key)?);
        self.collect(key);
        Some(done)
    }

    /// Lets go of a channel that is over.
    fn forget(&mut self, key: ChannelKey) {
        if let Some(id) = self.machines.remove(&key).and_then(|machine| machine.id())
            && self.named.get(&id) == Some(&key)
        {
            self.named.remove(&id);
        }
        self.openings.remove(&key);
        self.written.remove(&key);
        self.drop_alarm(key);
    }

    pub(crate) fn drop_alarm(&mut self, key: ChannelKey) {
        if let Some(time) = self.alarms.remove(&key) {
            self.wakes.remove(&(time, key));
        }
    }

    /// Who is woken early asks again, so the earliest time is enough.
    fn wake_at(&mut self, time: Time, key: ChannelKey) {
        match self.alarms.get(&key) {
            Some(earlier) if *earlier <= time => return,
            Some(later) => drop(self.wakes.remove(&(*later, key))),
            None => {}
        }
        self.alarms.insert(key, time);
        self.wakes.insert((time, key));
    }

    // What comes in.

    /// A message of a peer's. One for a channel that is not there, or is over, is let go of, but for a proposal of one.
    pub fn handle_message(
        &mut self,
        now: Time,
        peer: IdentityId,
        addressed: AddressedMessage,
    ) -> Result<(), PeerFault> {
        let AddressedMessage { handle, message } = addressed;
        let key = match &message {
            ChannelMessage::Split { close, .. } => match self.named.get(&close.channel) {
                Some(named) if named.peer == peer => *named,
                _ => return Ok(()),
            },
            _ => ChannelKey { peer, handle },
        };
        let known = self.outcomes_in(&message);
        let handled = self.with(key, |machine| {
            machine.note_outcomes(known);
            machine.handle_message(now, message.clone())
        });
        if let Some(handled) = handled {
            return handled;
        }
        let (network, terms, virtual_terms) = match message {
            ChannelMessage::Open { network, terms } => (network, terms, None),
            ChannelMessage::OpenVirtual { terms } => (terms.network, terms.terms, Some(terms)),
            ChannelMessage::Reestablish(greeting) => return self.hear_of_found(now, key, greeting),
            _ => return Ok(()),
        };
        if network != self.network || terms.parties[0] != peer {
            let (code, round) = (ErrorCode::OutOfPlace, 0);
            self.send(key, ChannelMessage::Error(SaidError { code, round }));
            return Err(PeerFault::OutOfPlace);
        }
        // Whoever takes the handle of another's channel could have the two mistaken for each other.
        let is_taken = self.machines.keys().any(|known| known.handle == handle);
        let has_room = !is_taken && self.has_room_for(peer);
        let (signer, number) = (self.signer.clone(), handle.number());
        let machine = match virtual_terms {
            Some(terms) => ChannelMachine::respond_virtual(signer, terms, number, now),
            None => ChannelMachine::respond(signer, network, terms, number, now),
        };
        match machine.filter(|_| has_room) {
            Some(machine) => {
                self.machines.insert(key, machine);
                self.effects.push((key, Effect::Notify((key, ChannelNews::Proposed))));
                self.collect(key);
            }
            None => self.send(key, ChannelMessage::Decline),
        }
        Ok(())
    }

    /// A dialogue with a peer stands; what was said in an earlier one may be lost.
    pub fn handle_connected(&mut self, now: Time, peer: IdentityId) {
        for key in self.keys_with(peer) {
            let is_found = self.is_found(key);
            self.with(key, |machine| if is_found { machine.listen(now) } else { machine.handle_connected(now) });
        }
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        self.drop_greetings(peer);
        for key in self.keys_with(peer) {
            self.with(key, ChannelMachine::handle_disconnected);
        }
    }

    pub fn handle_wake(&mut self, now: Time) {
        while let Some((time, key)) = self.wakes.first().copied()
            && time <= now
        {
            self.wakes.pop_first();
            self.alarms.remove(&key);
            self.with(key, |machine| machine.handle_wake(now));
        }
    }

    /// What time it is, as often as whoever drives them likes ([`ChannelMachine::handle_time`]).
    pub fn handle_time(&mut self, now: Time) {
        if self.timed.is_some_and(|timed| now.since(timed) < TIME_EVERY && timed <= now) {
            return;
        }
        self.timed = Some(now);
        let keys: Vec<_> = self.machines.keys().copied().collect();
        for key in keys {
            self.with(key, |machine| machine.handle_time(now));
        }
    }

    /// The ledger at its newest final checkpoint: called for each, and first thing after a start, where every channel is changed.
    /// `entry` looks up what it has of a channel.
    pub fn handle_ledger(
        &mut self,
        now: Time,
        environment: Environment,
        commits: u64,
        is_changed: impl Fn(ChannelId) -> bool,
        entry: impl Fn(ChannelId) -> Option<Channel>,
    ) {
        let named: Vec<_> = self.named.iter().map(|(id, key)| (*id, *key)).collect();
        for (id, key) in named {
            if self.machines.get(&key).is_some_and(|machine| machine.virtual_terms().is_some()) {
                self.show_virtual(now, id, key, environment, commits, entry(id));
                continue;
            }
            // Who was away for long does not rest.
            self.machines.get_mut(&key).into_iter().for_each(|machine| machine.handle_time(now));
            let resting = self.machines.get_mut(&key).filter(|machine| machine.rests() && !is_changed(id));
            if let Some(machine) = resting {
                machine.note_time(now, environment, commits);
                continue;
            }
            let view = LedgerView { environment, commits, entry: entry(id) };
            self.with(key, |machine| machine.handle_ledger(now, view));
        }
    }

    fn keys_with(&self, peer: IdentityId) -> Vec<ChannelKey> {
        let first = ChannelKey { peer, handle: ChannelHandle([0; 16]) };
        self.machines.range(first..).map(|(key, _)| *key).take_while(|key| key.peer == peer).collect()
    }

    /// Whether a peer may propose another channel: whoever has not put money in costs nothing but memory, and is not given much of
    /// that.
    fn has_room_for(&self, peer: IdentityId) -> bool {
        let proposed = self.openings.iter().filter(|(_, side)| **side == Side::Responder);
        let (of_peer, all) =
            proposed.fold((0, 0), |(of_peer, all), (key, _)| (of_peer + usize::from(key.peer == peer), all + 1));
        of_peer < OPENINGS_PER_PEER_MAX && all < OPENINGS_MAX
    }

    /// Takes over what a channel wants done.
    pub(crate) fn collect(&mut self, key: ChannelKey) {
        let Some(machine) = self.machines.get_mut(&key) else { return };
        let (effects, id, life, side) = (machine.poll(), machine.id(), machine.life(), machine.side());
        if id.is_some_and(|id| self.named.get(&id).is_some_and(|other| *other != key)) {
            // The same terms, dead at the same time: that is another channel's transaction. Two of one id would sign two
            // states for one round, so nothing of what this one wants leaves, or is written.
            self.effects.push((key, Effect::Notify((key, ChannelNews::Closed))));
            self.send(key, ChannelMessage::Decline);
            return self.forget(key);
        }
        let is_new = id.is_some_and(|id| self.named.insert(id, key).is_none());
        match life {
            Life::Initialized | Life::Accepted | Life::HalfSigned | Life::Signed => self.openings.insert(key, side),
            Life::Open | Life::Closing | Life::Closed => self.openings.remove(&key),
        };
        if effects.iter().any(|effect| matches!(effect, Effect::Persist { .. })) {
            self.written.insert(key);
        }
        for effect in effects {
            let effect = self.addressed(key, effect, id.filter(|_| is_new || life == Life::Closed), life);
            self.effects.extend(effect.map(|effect| (key, effect)));
        }
        if life == Life::Closed {
            self.forget(key);
        }
    }

    /// An effect of one channel, as one of them all. `named` is its id where the journal is to say that it is there, or not any
    /// more.
    fn addressed(
        &mut self,
        key: ChannelKey,
        effect: ChannelEffect,
        named: Option<ChannelId>,
        life: Life,
    ) -> Option<ChannelsEffect> {
        Some(match effect {
            Effect::Persist { mut batch, token } => {
                match named {
                    Some(id) if life == Life::Closed => remove_handle(&mut batch, id),
                    Some(id) => put_handle(&mut batch, id, key.handle),
                    None => {}
                }
                Effect::Persist { batch, token }
            }
            Effect::Send { to, message, after } => {
                Effect::Send { to, message: AddressedMessage { handle: key.handle, message }, after }
            }
            Effect::WakeAt(time) => {
                self.wake_at(time, key);
                return Some(Effect::WakeAt(time));
            }
            Effect::Notify(news) => Effect::Notify((key, news)),
        })
    }

    fn send(&mut self, key: ChannelKey, message: ChannelMessage) {
        let message = AddressedMessage { handle: key.handle, message };
        self.effects.push((key, Effect::Send { to: key.peer, message, after: None }));
    }
}

impl ChannelHandle {
    /// Tells the secrets apart that are shown at the end of channels of one pair.
    pub(crate) fn number(self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

impl Encode for ChannelHandle {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for ChannelHandle {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}

impl Encode for AddressedMessage {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.handle);
        out.value(&self.message);
    }
}

impl Decode for AddressedMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { handle: input.value()?, message: input.value()? })
    }
}
