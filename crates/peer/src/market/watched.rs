//! Having channels watched, and watching those of others (row C5): what both say goes within the dialogues, and what it costs is
//! promised with everything else.

use byway_channel::ChannelKey;
use byway_channel::watching::{
    AnswerFate, AnswerTo, Standing, TowerNews, TowerTerms, WatchMessage, WatchedChannels, WatchedNews, Watchtower,
};
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, Batch, Effect, Encode, IdentityId, Store, Time};
use byway_records::Channel;
use byway_records::promise::ChannelId;

use super::news::MarketNews;
use super::step::Step;
use super::{Market, Pair};

impl Market {
    /// Our channels that others watch.
    pub fn watched(&self) -> &WatchedChannels {
        &self.channels.watched
    }

    /// What we watch for others.
    pub fn watchtower(&self) -> &Watchtower {
        &self.channels.tower
    }

    /// Watches for others on these terms from now on, or takes on nothing more.
    pub fn watch_for_others(&mut self, terms: Option<TowerTerms>) {
        self.channels.tower.set_terms(terms);
    }

    /// What became of an answer that was handed in for a client.
    pub fn handle_answer_fate(
        &mut self,
        now: Time,
        client: IdentityId,
        channel: ChannelId,
        to: AnswerTo,
        fate: AnswerFate,
    ) {
        self.channels.tower.handle_fate(now, client, channel, to, fate);
        self.carry_watching(now);
    }

    /// Has a delegate watch a channel, for no more than `price_max` a period and so many of them paid ahead. `false` where as many watch it as may.
    pub fn have_watched(
        &mut self,
        now: Time,
        key: ChannelKey,
        tower: IdentityId,
        (price_max, days): (Amount, u64),
        store: &impl Store,
    ) -> bool {
        let id = self.channels.own.get(key).and_then(|channel| channel.id());
        let is_added = id.is_some_and(|id| self.channels.watched.add(id, tower, price_max, days));
        self.note_watched(now, key);
        if self.is_talking_to(tower) {
            self.channels.watched.handle_connected(now, tower);
        }
        self.carry_watching(now);
        self.pump(now, store);
        is_added
    }

    /// Has it watched by that delegate no more.
    pub fn stop_watching(
        &mut self,
        now: Time,
        channel: ChannelId,
        tower: IdentityId,
        store: &impl Store,
    ) -> Option<()> {
        let stopped = self.channels.watched.remove(now, channel, tower);
        self.carry_watching(now);
        self.pump(now, store);
        stopped
    }

    /// Packs a channel's newest state, if somebody watches it.
    pub(super) fn note_watched(&mut self, now: Time, key: ChannelKey) {
        let Some(channel) = self.channels.own.get(key) else { return };
        if !channel.id().is_some_and(|id| self.channels.watched.is_watched(id)) {
            return;
        }
        let (Some(id), Some(secret)) = (channel.id(), channel.peer_secret()) else { return };
        let (side, state, is_heard) = (channel.side(), channel.cosigned(), channel.is_heard());
        self.channels.watched.note(now, id, Standing { secret, side, state, is_heard });
    }

    /// The ledger is at another checkpoint.
    pub(super) fn watching_saw_ledger(
        &mut self,
        now: Time,
        time: Time,
        is_changed: impl Fn(ChannelId) -> bool,
        entry: impl Fn(ChannelId) -> Option<Channel>,
    ) {
        let keys: Vec<ChannelKey> =
            self.channels.watched.iter().filter_map(|(id, ..)| self.channels.own.key_of(id)).collect();
        keys.into_iter().for_each(|key| self.note_watched(now, key));
        self.channels.watched.handle_ledger(now, &entry);
        let credit = |client| self.pairs.get(&client).map(Pair::credit).unwrap_or_default();
        self.channels.tower.handle_ledger(now, time, is_changed, entry, credit);
        self.carry_watching(now);
    }

    pub(super) fn watch_message_came(&mut self, now: Time, delivery: &Delivery) {
        let peer = delivery.receipt.peer;
        match decode_exact::<WatchMessage>(&delivery.bytes) {
            Ok(message @ (WatchMessage::Ask { .. } | WatchMessage::Keep { .. } | WatchMessage::Forget { .. })) => {
                let credit = self.credit_of(peer);
                self.channels.tower.handle_message(now, peer, message, credit);
            }
            Ok(message) => self.channels.watched.handle_message(now, peer, message),
            Err(error) => self.malformed(now, peer, error),
        }
        self.carry_watching(now);
    }

    /// A client has promised more.
    pub(super) fn watching_credited(&mut self, now: Time, client: IdentityId) {
        let credit = self.credit_of(client);
        self.channels.tower.handle_credit(now, client, credit);
        self.carry_watching(now);
    }

    pub(super) fn credit_of(&self, client: IdentityId) -> Amount {
        self.pairs.get(&client).map(Pair::credit).unwrap_or_default()
    }

    /// What watching wants done, on both sides. What is written leaves before what is said.
    pub(super) fn carry_watching(&mut self, now: Time) {
        let mut batch = Batch::new();
        for effect in self.channels.tower.poll() {
            match effect {
                Effect::Persist { batch: more, .. } => batch.append(more),
                Effect::Send { to, message, .. } => self.say_watching(now, to, &message, std::mem::take(&mut batch)),
                Effect::WakeAt(time) => self.wake_at(time),
                Effect::Notify(TowerNews::Earned { client, total }) => {
                    self.step(now, client, |pair, step| pair.earn_by_watching(now, total, step));
                }
                Effect::Notify(news) => self.tell(MarketNews::Watching(news)),
            }
        }
        let mut newer = Vec::new();
        for effect in self.channels.watched.poll() {
            match effect {
                Effect::Persist { batch: more, .. } => batch.append(more),
                Effect::Send { to, message, .. } => self.say_watching(now, to, &message, std::mem::take(&mut batch)),
                Effect::WakeAt(time) => self.wake_at(time),
                Effect::Notify(WatchedNews::Spent { tower, total }) => {
                    let price = self.channels.watched.price_of(tower);
                    self.step(now, tower, |pair, step| pair.spend_on_watching(now, total, price, step));
                }
                Effect::Notify(WatchedNews::Newer { channel, state }) => newer.push((channel, state)),
                Effect::Notify(WatchedNews::Answered { channel, tower, .. }) => {
                    self.tell(MarketNews::WatchAnswered { channel, tower });
                }
                Effect::Notify(WatchedNews::Changed { channel }) => self.tell(MarketNews::Watched { channel }),
            }
        }
        if !batch.is_empty() {
            self.commit_watching(now, self.identity(), |step| step.persist(batch));
        }
        for (channel, state) in newer {
            if let Some(key) = self.channels.own.key_of(channel) {
                // Our journal is an old one: what we had given away is what we know again.
                self.channels.own.with(key, |channel| channel.handle_shown(now, &state));
                self.carry_channels(now);
            }
        }
    }

    fn say_watching(&mut self, now: Time, to: IdentityId, message: &WatchMessage, batch: Batch) {
        self.commit_watching(now, to, |step| {
            step.persist(batch);
            // Where a client stands is said anew in every dialogue, so nothing of it is kept for the next.
            step.send(ProtocolId::WATCHING, message.to_bytes(), Durability::Volatile);
        });
    }

    fn commit_watching(&mut self, now: Time, peer: IdentityId, fill: impl FnOnce(&mut Step)) {
        let mut step = Step::new(peer);
        fill(&mut step);
        let done = step.commit(now, &mut self.dialogues, &mut self.awaiting);
        done.news.into_iter().for_each(|news| self.tell(news));
        done.wakes.into_iter().for_each(|time| self.wake_at(time));
    }
}
