//! Having others watch.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, Effect, IdentityId, Span, Store, Time, Token};
use byway_records::Channel;
use byway_records::channel::{ChannelState, Cosigned, Side, WatchSecret};
use byway_records::promise::ChannelId;

use super::message::{WatchMessage, WatchRefusal};
use super::packet::{Packet, PacketError};
use super::{PAY_AHEAD, PERIOD, TOWERS_MAX, WATCHING};
use crate::machine::SUBMIT_AGAIN;

/// How far ahead of our clock the number of a packet can be that a watchtower says it has: clocks go back by hours, not by more.
const NUMBER_AHEAD_MAX: Span = Span::days(2);

/// News of whoever has others watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchedNews {
    /// What is spent on this watchtower in all.
    Spent { tower: IdentityId, total: Amount },
    /// What is shown of a channel has changed.
    Changed { channel: ChannelId },
}

type WatchedEffect = Effect<IdentityId, WatchMessage, WatchedNews>;

/// One watchtower of one channel, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The most that is paid for a period.
    pub price_max: Amount,
    /// What the watchtower asks, once it has said so.
    pub price: Option<Amount>,
    /// Until when it watches.
    pub until: Option<Time>,
    /// Why it does not.
    pub refusal: Option<WatchRefusal>,
    /// The number of the packet that it has.
    pub has: u64,
    /// The packet that is on its way, and since when.
    sent: Option<(u64, Time)>,
    /// Until when it is paid, by our own clock and whatever the watchtower says.
    paid_until: Time,
}

/// A channel that is watched.
#[derive(Debug, Default)]
struct Watched {
    towers: BTreeMap<IdentityId, Watch>,
    newest: Option<Packet>,
    /// The state in it.
    round: Option<u64>,
    error: Option<PacketError>,
}

/// The channels of one identity that others watch. Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each.
#[derive(Debug, Default)]
pub struct WatchedChannels {
    channels: BTreeMap<ChannelId, Watched>,
    spent: BTreeMap<IdentityId, Amount>,
    connected: Vec<IdentityId>,
    /// The number of the last packet: none is used twice.
    last: u64,
    effects: Vec<WatchedEffect>,
    tokens: u64,
}

impl WatchedChannels {
    pub fn load(store: &impl Store) -> Result<Self, DecodeError> {
        let mut watched = Self::default();
        for (key, bytes) in store.scan_prefix(WATCHING, &[WATCHED]) {
            let mut input = Reader::new(&key[1..]);
            let (channel, tower) = (ChannelId(input.value()?), input.value()?);
            let (price_max, last, paid_until) = read_watch(&bytes)?;
            watched.last = watched.last.max(last);
            let watch = Watch { paid_until, ..Watch::new(price_max) };
            watched.channels.entry(channel).or_default().towers.insert(tower, watch);
        }
        for (key, bytes) in store.scan_prefix(WATCHING, &[SPENT]) {
            watched.spent.insert(IdentityId::from_bytes(&key[1..])?, Amount::from_bytes(&bytes)?);
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
        watch.is_watching(now) && watch.has >= newest.number()
    }

    /// What is spent on one watchtower in all.
    pub fn spent(&self, tower: IdentityId) -> Amount {
        self.spent.get(&tower).copied().unwrap_or_default()
    }

    /// The dearest that is paid for a period of one watchtower's, of all channels.
    pub fn price_of(&self, tower: IdentityId) -> Amount {
        let prices = self.channels.values().filter_map(|watched| watched.towers.get(&tower));
        prices.map(|watch| watch.price_max).max().unwrap_or_default()
    }

    /// Has a watchtower watch from now on. `false` where the channel has as many as it may.
    pub fn add(&mut self, channel: ChannelId, tower: IdentityId, price_max: Amount) -> bool {
        let watched = self.channels.entry(channel).or_default();
        if watched.towers.len() >= TOWERS_MAX && !watched.towers.contains_key(&tower) {
            return false;
        }
        watched.towers.insert(tower, Watch::new(price_max));
        self.write(channel, tower);
        self.effects.push(Effect::Notify(WatchedNews::Changed { channel }));
        true
    }

    /// No more. `None` where it does not watch.
    pub fn remove(&mut self, channel: ChannelId, tower: IdentityId) -> Option<()> {
        let watched = self.channels.get_mut(&channel)?;
        watched.towers.remove(&tower)?;
        if watched.towers.is_empty() {
            self.channels.remove(&channel);
        }
        let mut batch = Batch::new();
        batch.delete(WATCHING, watched_key(channel, tower));
        self.persist(batch);
        self.effects.push(Effect::Send { to: tower, message: WatchMessage::Forget { channel }, after: None });
        self.effects.push(Effect::Notify(WatchedNews::Changed { channel }));
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
            self.with(channel, tower, |watch| (watch.sent, watch.has) = (None, 0));
            self.send(now, channel, tower);
        }
    }

    pub fn handle_disconnected(&mut self, tower: IdentityId) {
        self.connected.retain(|known| *known != tower);
    }

    /// A channel's newest co-signed state. What was written of it so far is written before what comes of this.
    pub fn note_state(&mut self, now: Time, secret: WatchSecret, side: Side, state: &Cosigned<ChannelState>) {
        let (channel, round) = (state.body.channel, state.body.position.round);
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        if watched.round.is_some_and(|known| known >= round) {
            return;
        }
        let number = self.last.saturating_add(1).max(now.0);
        watched.round = Some(round);
        match Packet::seal(secret, side, number, state) {
            Ok(packet) => (watched.newest, watched.error, self.last) = (Some(packet), None, number),
            // What the watchtowers have stays: it is better than nothing.
            Err(error) => watched.error = Some(error),
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
                self.remove(channel, tower);
                continue;
            };
            let is_delegate = entry.delegates.iter().any(|delegates| delegates.contains(&tower));
            if is_delegate {
                self.pay(now, channel, tower);
                self.send(now, channel, tower);
            }
        }
    }

    pub fn handle_message(&mut self, now: Time, tower: IdentityId, message: WatchMessage) {
        match message {
            WatchMessage::Kept { channel, number, until, price } => {
                let kept = self.with(channel, tower, |watch| {
                    (watch.price, watch.has, watch.until) = (Some(price), number, Some(until));
                    watch.refusal = None;
                    watch.sent = watch.sent.filter(|(sent, _)| *sent > number);
                });
                if kept.is_some() {
                    self.pay(now, channel, tower);
                    self.send(now, channel, tower);
                }
            }
            WatchMessage::Refused { channel, refusal } => {
                let is_ours = self.with(channel, tower, |watch| {
                    // It is asked again after a while.
                    (watch.refusal, watch.until, watch.has) = (Some(refusal), None, 0);
                });
                if let (Some(()), WatchRefusal::Old { number }) = (is_ours, refusal)
                    && number <= now.0.saturating_add(NUMBER_AHEAD_MAX.0)
                {
                    self.last = self.last.max(number);
                    self.number_anew(now, channel);
                }
            }
            WatchMessage::Keep { .. } | WatchMessage::Forget { .. } => {}
        }
    }

    /// The clock has gone back: the next state's packet gets a number that the watchtower takes.
    fn number_anew(&mut self, now: Time, channel: ChannelId) {
        self.last = self.last.saturating_add(1).max(now.0);
        if let Some(watched) = self.channels.get_mut(&channel) {
            (watched.round, watched.newest) = (None, None);
        }
    }

    /// Spends another period's price, where the one that runs is about to end and that was not done yet.
    fn pay(&mut self, now: Time, channel: ChannelId, tower: IdentityId) {
        let Some(watch) = self.channels.get_mut(&channel).and_then(|watched| watched.towers.get_mut(&tower)) else {
            return;
        };
        let (Some(price), Some(until)) = (watch.price, watch.until) else { return };
        if price > watch.price_max || until > now + PAY_AHEAD || watch.paid_until > now + PAY_AHEAD {
            return;
        }
        (watch.paid_until, watch.sent) = (watch.paid_until.max(now) + PERIOD, None);
        let has = watch.has;
        let spent = self.spent.entry(tower).or_default();
        *spent = spent.checked_add(price).unwrap_or(Amount::MAX);
        let total = *spent;
        self.write(channel, tower);
        self.effects.push(Effect::Notify(WatchedNews::Spent { tower, total }));
        // The packet is said again along with what is spent.
        self.with(channel, tower, |watch| watch.has = has.saturating_sub(1));
        self.send(now, channel, tower);
    }

    /// The newest packet, unless the watchtower has it or one is on its way.
    fn send(&mut self, now: Time, channel: ChannelId, tower: IdentityId) {
        let spent = self.spent(tower);
        if !self.connected.contains(&tower) {
            return;
        }
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        let (Some(packet), Some(watch)) = (watched.newest, watched.towers.get_mut(&tower)) else { return };
        let is_on_its_way = watch.sent.is_some_and(|(_, at)| now.since(at) < SUBMIT_AGAIN);
        if watch.has >= packet.number() || is_on_its_way {
            return;
        }
        watch.sent = Some((packet.number(), now));
        let token = self.write(channel, tower);
        let message = WatchMessage::Keep { channel, spent, packet };
        self.effects.push(Effect::Send { to: tower, message, after: Some(token) });
    }

    fn with<T>(&mut self, channel: ChannelId, tower: IdentityId, what: impl FnOnce(&mut Watch) -> T) -> Option<T> {
        let done = what(self.channels.get_mut(&channel)?.towers.get_mut(&tower)?);
        self.effects.push(Effect::Notify(WatchedNews::Changed { channel }));
        Some(done)
    }

    fn write(&mut self, channel: ChannelId, tower: IdentityId) -> Token {
        let mut batch = Batch::new();
        if let Some(watch) = self.channels.get(&channel).and_then(|watched| watched.towers.get(&tower)) {
            let mut out = Writer::new();
            out.value(&watch.price_max);
            out.varint(self.last);
            out.value(&watch.paid_until);
            batch.put(WATCHING, watched_key(channel, tower), out.into_bytes());
        }
        if let Some(spent) = self.spent.get(&tower) {
            batch.put(WATCHING, [&[SPENT][..], &tower.0].concat(), spent.to_bytes());
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

impl Watch {
    fn new(price_max: Amount) -> Self {
        Self { price_max, price: None, until: None, refusal: None, has: 0, sent: None, paid_until: Time::ZERO }
    }

    fn is_watching(&self, now: Time) -> bool {
        self.refusal.is_none() && self.until.is_some_and(|until| until > now)
    }
}

const WATCHED: u8 = 2;
const SPENT: u8 = 3;

fn watched_key(channel: ChannelId, tower: IdentityId) -> Vec<u8> {
    [&[WATCHED][..], &channel.0.0, &tower.0].concat()
}

/// The most that is paid, the number of the last packet, and until when it is paid.
fn read_watch(bytes: &[u8]) -> Result<(Amount, u64, Time), DecodeError> {
    let mut input = Reader::new(bytes);
    Ok((input.value()?, input.u64()?, input.value()?))
}
