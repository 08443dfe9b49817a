//! Having others watch.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, Effect, IdentityId, NetworkId, Store, Time, Token};
use byway_records::Channel;
use byway_records::channel::{ChannelState, Cosigned, Side, WatchSecret};
use byway_records::promise::ChannelId;

use super::message::WatchMessage;
use super::packet::{Packet, PacketError};
use super::watch::{Has, Watch, is_time};
use super::{DAYS_MAX, LEAVING_TIME_MAX, TOWERS_MAX, WATCHING};

/// News of whoever has others watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchedNews {
    /// What was spent on this watchtower in all since this disk is in use.
    Spent { tower: IdentityId, total: Amount },
    /// A watchtower has a newer state than this side, with both signatures: our journal is an old one.
    Newer { channel: ChannelId, state: Box<Cosigned<ChannelState>> },
    /// A watchtower says that it has shown the ledger the newest state that it had.
    Answered { channel: ChannelId, tower: IdentityId, at: Time },
    /// What is shown of a channel has changed.
    Changed { channel: ChannelId },
}

type WatchedEffect = Effect<IdentityId, WatchMessage, WatchedNews>;

/// Where this side stands in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the peer shows when it closes alone.
    pub secret: WatchSecret,
    pub side: Side,
    /// The newest that both have signed, as far as this side knows.
    pub state: Option<Cosigned<ChannelState>>,
    /// Whether the peer has said where it stands since this side started.
    pub is_heard: bool,
}

/// A channel that is watched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) towers: BTreeMap<IdentityId, Watch>,
    pub(super) standing: Option<Standing>,
    /// As the ledger has it.
    pub(super) entry: Option<Channel>,
    pub(super) newest: Option<Packet>,
    /// The state in it.
    pub(super) round: Option<u64>,
    pub(super) error: Option<PacketError>,
}

/// What was spent on a watchtower.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// Since this disk is in use: what is promised.
    pub(super) here: Amount,
    /// In all, with what only the watchtower remembers: what it is told.
    pub(super) said: Amount,
}

/// The channels of one identity that others watch. Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each.
#[derive(Debug)]
pub struct WatchedChannels {
    pub(super) network: NetworkId,
    pub(super) seed: [u8; 32],
    pub(super) drawn: u64,
    pub(super) channels: BTreeMap<ChannelId, Watched>,
    pub(super) spent: BTreeMap<IdentityId, Spent>,
    /// Watchtowers that are to forget a channel, until when that is tried, and when they were last told.
    leaving: BTreeMap<(ChannelId, IdentityId), (Time, Option<Time>)>,
    pub(super) connected: Vec<IdentityId>,
    /// The number of the last packet: none is used twice.
    pub(super) last: u64,
    pub(super) effects: Vec<WatchedEffect>,
    tokens: u64,
}

impl WatchedChannels {
    /// `seed` must be fresh randomness: packets take what makes them differ from those that a lost disk has forgotten from it.
    pub fn load(network: NetworkId, seed: [u8; 32], store: &impl Store) -> Result<Self, DecodeError> {
        let mut watched = Self {
            network,
            seed,
            drawn: 0,
            channels: BTreeMap::new(),
            spent: BTreeMap::new(),
            leaving: BTreeMap::new(),
            connected: Vec::new(),
            last: 0,
            effects: Vec::new(),
            tokens: 0,
        };
        for (key, bytes) in store.scan_prefix(WATCHING, &[WATCHED]) {
            let (channel, tower) = read_key(&key)?;
            let (watch, last) = Watch::read(&mut Reader::new(&bytes))?;
            watched.last = watched.last.max(last);
            watched.channels.entry(channel).or_default().towers.insert(tower, watch);
        }
        for (key, bytes) in store.scan_prefix(WATCHING, &[SPENT]) {
            let mut input = Reader::new(&bytes);
            let spent = Spent { here: input.value()?, said: input.value()? };
            watched.spent.insert(IdentityId::from_bytes(&key[1..])?, spent);
        }
        for (key, bytes) in store.scan_prefix(WATCHING, &[LEAVING]) {
            watched.leaving.insert(read_key(&key)?, (Time::from_bytes(&bytes)?, None));
        }
        Ok(watched)
    }

    pub fn poll(&mut self) -> Vec<Effect<IdentityId, WatchMessage, WatchedNews>> {
        std::mem::take(&mut self.effects)
    }

    /// Those that are watched, by whom.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelId, IdentityId, &Watch)> {
        self.channels
            .iter()
            .flat_map(|(channel, watched)| watched.towers.iter().map(|(tower, watch)| (*channel, *tower, watch)))
    }

    /// Whoever is to be in reach: those that watch, and those that are to forget something.
    pub fn towers(&self) -> impl Iterator<Item = IdentityId> {
        self.iter().map(|(_, tower, _)| tower).chain(self.leaving.keys().map(|(_, tower)| *tower))
    }

    pub fn towers_of(&self, channel: ChannelId) -> Vec<IdentityId> {
        self.channels.get(&channel).map(|watched| watched.towers.keys().copied().collect()).unwrap_or_default()
    }

    pub fn is_watched(&self, channel: ChannelId) -> bool {
        self.channels.contains_key(&channel)
    }

    /// Why its newest state can't be given to anybody.
    pub fn error(&self, channel: ChannelId) -> Option<PacketError> {
        self.channels.get(&channel)?.error
    }

    /// Whether a watchtower has said that it has the newest state, and is to be relied on.
    pub fn is_relied_on(&self, now: Time, channel: ChannelId, tower: IdentityId) -> bool {
        let Some(watched) = self.channels.get(&channel).filter(|watched| watched.error.is_none()) else { return false };
        let Some((watch, newest)) = watched.towers.get(&tower).zip(watched.newest) else { return false };
        watch.is_watching(now) && watch.has == Has::Ours(newest.number())
    }

    /// What was spent on one watchtower in all since this disk is in use.
    pub fn spent(&self, tower: IdentityId) -> Amount {
        self.spent.get(&tower).map(|spent| spent.here).unwrap_or_default()
    }

    /// The dearest that is paid for a period of one watchtower's, of all channels.
    pub fn price_of(&self, tower: IdentityId) -> Amount {
        let prices = self.channels.values().filter_map(|watched| watched.towers.get(&tower));
        prices.map(|watch| watch.price_max).max().unwrap_or_default()
    }

    /// Has a watchtower watch from now on, paid for so many periods ahead. `false` where the channel has as many as it may.
    pub fn add(&mut self, channel: ChannelId, tower: IdentityId, price_max: Amount, days: u64) -> bool {
        let watched = self.channels.entry(channel).or_default();
        let known = watched.towers.get(&tower).cloned();
        if watched.towers.len() >= TOWERS_MAX && known.is_none() {
            return false;
        }
        let days = days.clamp(1, DAYS_MAX);
        let watch = Watch { price_max, days, ..known.unwrap_or_else(Watch::new) };
        watched.towers.insert(tower, watch);
        self.write(channel, tower);
        self.stay(channel, tower);
        self.changed(channel);
        true
    }

    /// No more. `None` where it does not watch.
    pub fn remove(&mut self, now: Time, channel: ChannelId, tower: IdentityId) -> Option<()> {
        let watched = self.channels.get_mut(&channel)?;
        let watch = watched.towers.remove(&tower)?;
        if watched.towers.is_empty() {
            self.channels.remove(&channel);
        }
        let give_up = watch.paid_until.max(now) + LEAVING_TIME_MAX;
        self.leaving.insert((channel, tower), (give_up, None));
        let mut batch = Batch::new();
        batch.delete(WATCHING, key_of(WATCHED, channel, tower));
        batch.put(WATCHING, key_of(LEAVING, channel, tower), give_up.to_bytes());
        self.persist(batch);
        self.say_to_leave(now);
        self.changed(channel);
        Some(())
    }

    pub fn handle_connected(&mut self, now: Time, tower: IdentityId) {
        if !self.connected.contains(&tower) {
            self.connected.push(tower);
        }
        let its: Vec<ChannelId> = self.iter().filter(|(_, of, _)| *of == tower).map(|(channel, ..)| channel).collect();
        if !its.is_empty() {
            let total = self.spent(tower);
            self.effects.push(Effect::Notify(WatchedNews::Spent { tower, total }));
        }
        for channel in its {
            self.with(channel, tower, |watch| (watch.sent, watch.asked, watch.has) = (None, None, Has::Unknown));
            self.send(now, channel, tower);
        }
        self.leaving.iter_mut().filter(|((_, of), _)| *of == tower).for_each(|(_, (_, said))| *said = None);
        self.say_to_leave(now);
    }

    pub fn handle_disconnected(&mut self, tower: IdentityId) {
        self.connected.retain(|known| *known != tower);
    }

    /// Where this side stands. What was written of it so far is written before what comes of this.
    pub fn note(&mut self, now: Time, channel: ChannelId, standing: Standing) {
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        let before = watched.standing.replace(standing);
        if let Some(state) = standing.state
            && watched.round.is_none_or(|known| known < state.body.position.round)
        {
            self.pack(now, channel, standing, &state);
        } else if before == Some(standing) {
            return;
        }
        for tower in self.towers_of(channel) {
            self.send(now, channel, tower);
        }
    }

    /// The ledger at its newest checkpoint: pays for further periods, says again what was lost, and lets go of what is closed.
    pub fn handle_ledger(&mut self, now: Time, entry: impl Fn(ChannelId) -> Option<Channel>) {
        let all: Vec<(ChannelId, IdentityId)> = self.iter().map(|(channel, tower, _)| (channel, tower)).collect();
        for (channel, tower) in all {
            let Some(entry) = entry(channel) else {
                self.remove(now, channel, tower);
                continue;
            };
            let is_delegate = entry.delegates.iter().any(|delegates| delegates.contains(&tower));
            if let Some(watched) = self.channels.get_mut(&channel) {
                watched.entry = Some(entry);
            }
            if is_delegate {
                self.pay(now, channel, tower);
                self.send(now, channel, tower);
            }
        }
        let over: Vec<_> = self.leaving.iter().filter(|(_, (until, _))| *until < now).map(|(key, _)| *key).collect();
        over.into_iter().for_each(|(channel, tower)| self.stay(channel, tower));
        self.say_to_leave(now);
    }

    pub fn handle_message(&mut self, now: Time, tower: IdentityId, message: WatchMessage) {
        match message {
            WatchMessage::Has { channel, packet, answered } => {
                self.note_answered(channel, tower, answered);
                if let Some(packet) = packet.filter(|_| self.towers_of(channel).contains(&tower)) {
                    self.note_number(now, packet.number());
                }
                let newest = self.channels.get(&channel).and_then(|watched| watched.newest);
                self.with(channel, tower, |watch| {
                    watch.has = match packet {
                        None => Has::Nothing,
                        Some(packet) if Some(packet) == newest => Has::Ours(packet.number()),
                        Some(packet) => Has::Shown { packet, is_told: false },
                    };
                });
                self.send(now, channel, tower);
            }
            WatchMessage::Kept { channel, number, until, bill } => {
                let kept = self.with(channel, tower, |watch| {
                    (watch.bill, watch.until, watch.refusal) = (Some(bill), Some(until), None);
                    if watch.sent.is_some_and(|(sent, _)| sent == number) {
                        (watch.has, watch.sent) = (Has::Ours(number), None);
                    }
                });
                if kept.is_some() {
                    self.note_used(channel, tower, bill);
                    self.pay(now, channel, tower);
                    self.send(now, channel, tower);
                }
            }
            WatchMessage::Refused { channel, refusal, bill } => self.refused(now, channel, tower, refusal, bill),
            WatchMessage::Forgotten { channel, answered } => {
                if self.leaving.contains_key(&(channel, tower)) {
                    self.note_answered(channel, tower, answered);
                    self.stay(channel, tower);
                }
            }
            WatchMessage::Ask { .. } | WatchMessage::Keep { .. } | WatchMessage::Forget { .. } => {}
        }
    }

    fn note_answered(&mut self, channel: ChannelId, tower: IdentityId, answered: Option<Time>) {
        let known = self.channels.get(&channel).and_then(|watched| watched.towers.get(&tower));
        let is_new = known.is_none_or(|watch| watch.answered != answered);
        if let Some(at) = answered.filter(|_| is_new) {
            self.with(channel, tower, |watch| watch.answered = answered);
            self.effects.push(Effect::Notify(WatchedNews::Answered { channel, tower, at }));
        }
    }

    /// Says again to whoever is to forget a channel that it is to.
    fn say_to_leave(&mut self, now: Time) {
        let connected = &self.connected;
        let due =
            self.leaving.iter_mut().filter(|((_, tower), (_, said))| connected.contains(tower) && is_time(*said, now));
        for ((channel, tower), (_, said)) in due {
            *said = Some(now);
            let message = WatchMessage::Forget { channel: *channel };
            self.effects.push(Effect::Send { to: *tower, message, after: None });
        }
    }

    /// Whoever was to forget a channel has, or is to keep it after all.
    fn stay(&mut self, channel: ChannelId, tower: IdentityId) {
        if self.leaving.remove(&(channel, tower)).is_some() {
            let mut batch = Batch::new();
            batch.delete(WATCHING, key_of(LEAVING, channel, tower));
            self.persist(batch);
        }
    }

    pub(super) fn with<T>(
        &mut self,
        channel: ChannelId,
        tower: IdentityId,
        what: impl FnOnce(&mut Watch) -> T,
    ) -> Option<T> {
        let done = what(self.channels.get_mut(&channel)?.towers.get_mut(&tower)?);
        self.changed(channel);
        Some(done)
    }

    fn changed(&mut self, channel: ChannelId) {
        self.effects.push(Effect::Notify(WatchedNews::Changed { channel }));
    }

    pub(super) fn write(&mut self, channel: ChannelId, tower: IdentityId) -> Token {
        let mut batch = Batch::new();
        if let Some(watch) = self.channels.get(&channel).and_then(|watched| watched.towers.get(&tower)) {
            batch.put(WATCHING, key_of(WATCHED, channel, tower), watch.bytes(self.last));
        }
        if let Some(spent) = self.spent.get(&tower) {
            let mut out = Writer::new();
            out.value(&spent.here);
            out.value(&spent.said);
            batch.put(WATCHING, [&[SPENT][..], &tower.0].concat(), out.into_bytes());
        }
        self.persist(batch)
    }

    fn persist(&mut self, batch: Batch) -> Token {
        let token = Token(self.tokens);
        self.tokens += 1;
        self.effects.push(Effect::Persist { batch, token });
        token
    }
}

const WATCHED: u8 = 2;
const SPENT: u8 = 3;
const LEAVING: u8 = 6;

fn key_of(kind: u8, channel: ChannelId, tower: IdentityId) -> Vec<u8> {
    [&[kind][..], &channel.0.0, &tower.0].concat()
}

fn read_key(key: &[u8]) -> Result<(ChannelId, IdentityId), DecodeError> {
    let mut input = Reader::new(&key[1..]);
    Ok((ChannelId(input.value()?), input.value()?))
}
