//! Channels with peers: what they say goes within the dialogues, what they write goes with the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use byway_channel::guarantee::Guarantees;
use byway_channel::routing::Router;
use byway_channel::watching::{WatchedChannels, Watchtower};
use byway_channel::{
    AddressedMessage, ChannelHandle, ChannelKey, ChannelMachine, ChannelMessage, ChannelNews, Channels, InitiateError,
    LeftContract, SharedSigner,
};
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, Batch, Effect, Encode, IdentityId, Store, Time, Timer};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Cosigned, Environment, VirtualClose};
use byway_records::promise::ChannelId;

use super::news::MarketNews;
use super::step::Step;
use super::{Market, MarketConfig, MarketDamaged, guaranteeing, routing};

/// The channels of a node's identity.
pub type OwnChannels = Channels<SharedSigner>;

/// One of them.
pub type OwnChannel = ChannelMachine<SharedSigner>;

/// What carrying the channels' effects has to do with others: see `Market::carry_channels_once`.
type Carriage = (BTreeSet<ChannelKey>, BTreeSet<IdentityId>, Vec<Cosigned<VirtualClose>>);

/// What there is of channels: our own, payments over them, guarantees of virtual ones, who watches them, and those of others that we
/// watch.
pub(super) struct Carried {
    pub own: OwnChannels,
    pub router: Router,
    /// When the router wants to look at everything.
    pub routing_timer: Timer,
    pub guarantees: Guarantees,
    /// When the guarantees want to be looked at.
    pub guarantee_timer: Timer,
    pub watched: WatchedChannels,
    pub tower: Watchtower,
}

/// What is told of a message: neither what is in it nor any secret.
fn said(key: ChannelKey, is_ours: bool, message: &ChannelMessage, bytes: usize) -> MarketNews {
    MarketNews::ChannelSaid { key, is_ours, message: message.name(), round: message.round(), bytes }
}

impl Carried {
    pub fn load(config: &MarketConfig, seed: [u8; 32], store: &impl Store) -> Result<Self, MarketDamaged> {
        let signer = config.signer.clone().unwrap_or_else(|| Arc::new(config.identity.clone()));
        Ok(Self {
            own: Channels::load(signer, config.network, store)?,
            watched: WatchedChannels::load(config.network, seed, store).map_err(MarketDamaged::Watching)?,
            router: routing::load(config, store)?,
            routing_timer: Timer::default(),
            guarantees: guaranteeing::load(config, store)?,
            guarantee_timer: Timer::default(),
            tower: Watchtower::load(config.identity.id(), config.network, store).map_err(MarketDamaged::Watching)?,
        })
    }
}

impl Market {
    pub fn channels(&self) -> &OwnChannels {
        &self.channels.own
    }

    /// Channels of which something was written since this was asked last ([`Channels::take_written`]).
    pub fn take_written_channels(&mut self) -> BTreeSet<ChannelKey> {
        self.channels.own.take_written()
    }

    /// What time it is: the channels have to know that this machine was there all the time.
    pub fn note_channel_time(&mut self, now: Time, store: &impl Store) {
        self.channels.own.handle_time(now);
        self.carry_channels(now);
        self.pump(now, store);
    }

    /// Proposes a channel to a peer with whom there is a dialogue. `handle` is fresh randomness.
    pub fn open_channel(
        &mut self,
        now: Time,
        handle: ChannelHandle,
        terms: ChannelTerms,
        store: &impl Store,
    ) -> Result<ChannelKey, InitiateError> {
        let opened = self.channels.own.initiate(now, handle, terms);
        self.carry_channels(now);
        self.pump(now, store);
        opened
    }

    /// Does something to one channel; `None` where there is no such channel.
    pub fn with_channel<T>(
        &mut self,
        now: Time,
        key: ChannelKey,
        store: &impl Store,
        what: impl FnOnce(&mut OwnChannel) -> T,
    ) -> Option<T> {
        let done = self.channels.own.with(key, what);
        self.carry_channels(now);
        self.pump(now, store);
        done
    }

    /// What the ledger has of each channel at its newest final checkpoint, looked up by `entry`, and what came out of virtual ones, by
    /// `outcome`.
    #[allow(clippy::too_many_arguments, reason = "a checkpoint says as much")]
    pub fn note_channels(
        &mut self,
        now: Time,
        environment: Environment,
        commits: u64,
        is_changed: impl Fn(ChannelId) -> bool,
        entry: impl Fn(ChannelId) -> Option<Channel>,
        outcome: impl Fn(ChannelId) -> Option<[Amount; 2]>,
        store: &impl Store,
    ) {
        let Carried { own, guarantees, .. } = &mut self.channels;
        guarantees.handle_ledger(now, own, commits, &entry, outcome);
        own.note_outcomes(guarantees.outcomes());
        self.channels.own.handle_ledger(now, environment, commits, &is_changed, &entry);
        self.carry_channels(now);
        self.watching_saw_ledger(now, environment.time, is_changed, entry);
        self.pump(now, store);
    }

    /// A channel of ours that the ledger has: where the journal hasn't, it is taken up from there. Whether it was.
    pub fn find_channel(&mut self, now: Time, id: ChannelId, entry: &Channel, store: &impl Store) -> bool {
        let found = self.channels.own.find(now, id, entry);
        self.carry_channels(now);
        self.pump(now, store);
        found
    }

    /// Keeps what a contract on the ledger has stored, as it is now.
    pub fn keep_contract(&mut self, now: Time, contract: &LeftContract, store: &impl Store) {
        let (mut step, mut batch) = (Step::new(self.identity()), Batch::new());
        contract.put(&mut batch);
        step.persist(batch);
        step.commit(now, &mut self.dialogues, &mut self.awaiting);
        self.pump(now, store);
    }

    pub(super) fn channels_connected(&mut self, now: Time, peer: IdentityId) {
        self.channels.own.handle_connected(now, peer);
        self.carry_channels(now);
        self.channels.watched.handle_connected(now, peer);
        self.carry_watching(now);
    }

    pub(super) fn channels_disconnected(&mut self, now: Time, peer: IdentityId) {
        self.channels.own.handle_disconnected(peer);
        self.channels.watched.handle_disconnected(peer);
        self.carry_channels(now);
    }

    pub(super) fn wake_channels(&mut self, now: Time) {
        self.channels.own.handle_wake(now);
        self.carry_channels(now);
        self.try_lanes_again(now);
        // The one timer is set anew for whoever asked for a later time.
        if let Some(time) = self.channels.own.wakes_at() {
            self.wake_at(time);
        }
    }

    pub(super) fn channel_message_came(&mut self, now: Time, delivery: &Delivery) {
        let peer = delivery.receipt.peer;
        if delivery.protocol == ProtocolId::WATCHING {
            return self.watch_message_came(now, delivery);
        }
        match decode_exact::<AddressedMessage>(&delivery.bytes) {
            Ok(message) => {
                let key = ChannelKey { peer, handle: message.handle };
                self.tell(said(key, false, &message.message, delivery.bytes.len()));
                if let Err(fault) = self.channels.own.handle_message(now, peer, message) {
                    self.tell(MarketNews::ChannelFault { peer, fault });
                }
                self.carry_channels(now);
                // It may be there only now, or have left us the turn.
                self.try_lane_again(now, peer);
            }
            Err(error) => self.malformed(now, peer, error),
        }
    }

    /// What the channels want done, and what their router and the guarantees make of it, until none wants anything more.
    pub(super) fn carry_channels(&mut self, now: Time) {
        loop {
            let (touched, moved, parted) = self.carry_channels_once(now);
            let ids: BTreeSet<ChannelId> =
                touched.iter().filter_map(|key| self.channels.own.get(*key).and_then(ChannelMachine::id)).collect();
            // First, since more happens to the channels by what follows.
            let Carried { own, router, guarantees, .. } = &mut self.channels;
            ids.iter().for_each(|id| router.handle_channel(now, own, *id));
            parted.into_iter().for_each(|close| guarantees.handle_close(now, own, close));
            ids.into_iter().for_each(|id| guarantees.handle_channel(now, own, id));
            own.note_accepting(guarantees.accepting());
            let is_busy = self.carry_routing(now) | self.carry_guarantees(now);
            touched.iter().for_each(|key| self.note_watched(now, *key));
            self.carry_watching(now);
            moved.into_iter().for_each(|peer| self.lanes_moved(now, peer));
            if !is_busy && touched.is_empty() {
                return;
            }
        }
    }

    /// Each peer's as a step of its own: all that is written leaves before what is said. Gives the channels that there was something
    /// of, the peers in whose channels something has happened, and how virtual ones end.
    fn carry_channels_once(&mut self, now: Time) -> Carriage {
        let mut effects = self.channels.own.poll().into_iter().peekable();
        let (mut touched, mut moved, mut parted) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        while let Some((key, first)) = effects.next() {
            let mut step = Step::new(key.peer);
            let mut next = Some(first);
            touched.insert(key);
            while let Some(effect) = next {
                match effect {
                    Effect::Persist { batch, .. } => step.persist(batch),
                    Effect::Send { message, .. } => {
                        // Where a channel stands is said anew in every dialogue, so nothing of it is kept for the next.
                        let bytes = message.to_bytes();
                        step.notify(said(key, true, &message.message, bytes.len()));
                        step.send(ProtocolId::CHANNEL, bytes, Durability::Volatile);
                    }
                    Effect::WakeAt(time) => step.wake_at(time),
                    Effect::Notify((key, news)) => {
                        moved.insert(key.peer);
                        if let ChannelNews::Parted(close) = &news {
                            parted.push(*close);
                        }
                        step.notify(MarketNews::Channel { key, news: Box::new(news) });
                    }
                }
                let same = effects.next_if(|(other, _)| other.peer == key.peer);
                next = same.map(|(other, effect)| {
                    touched.insert(other);
                    effect
                });
            }
            let done = step.commit(now, &mut self.dialogues, &mut self.awaiting);
            done.news.into_iter().for_each(|news| self.tell(news));
            done.wakes.into_iter().for_each(|time| self.wake_at(time));
        }
        (touched, moved, parted)
    }
}
