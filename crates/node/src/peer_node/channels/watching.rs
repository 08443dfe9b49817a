//! Having channels watched, and watching those of others (row C5).

use byway_channel::watching::{AnswerFate, AnswerTo, DAYS_MAX, TowerNews, TowerTerms};
use byway_channel::{ChannelKey, Life};
use byway_peer::wallet::Wish;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{DELEGATES_MAX, Phase};
use byway_records::offer::Service;
use byway_records::promise::ChannelId;
use byway_records::{Call, TransactionId};

use super::super::books::{Fate, Order};
use super::Actor;
use super::views::id_text;
use crate::api::{Answer, ApiError, WatchAdd, WatchRecord, WatchRemove, WatchRun, WatchStatus};

/// When a delegate is appointed again whom the ledger does not have yet.
const APPOINT_AGAIN: Span = Span::seconds(10);
/// How many days are paid ahead where nobody says another number.
const DAYS_DEFAULT: u64 = 30;

/// What was handed to the ledger for a client of ours, and what of our own it costs.
pub(super) struct Answering {
    client: IdentityId,
    channel: ChannelId,
    to: AnswerTo,
    fee: Amount,
}

impl Actor {
    /// After opening: whether others are watched for.
    pub(super) fn take_up_watching(&mut self) {
        self.market.watch_for_others(self.config.watching);
    }

    pub(in super::super) fn run_watch(&mut self, request: &WatchRun) -> WatchStatus {
        let known = self.market.watchtower().terms().or(self.config.watching).unwrap_or_else(standard);
        let terms = TowerTerms {
            price: request.price_per_day.unwrap_or(known.price),
            channels_max: request.channels_max.unwrap_or(known.channels_max),
            ..known
        };
        self.market.watch_for_others(request.accept.then_some(terms));
        self.list(Service::WATCH, request.publish);
        self.watch_status()
    }

    /// Appoints a delegate, who is then given packets.
    pub(in super::super) fn add_watch(&mut self, request: &WatchAdd) -> Answer<WatchStatus> {
        let key = self.channel_named(&request.channel)?;
        let price_max = request.price_max.unwrap_or(standard().price);
        let (tower, card) = match &request.tower {
            Some(tower) => self.peer_named(tower)?,
            None => (self.cheapest_for(key, price_max)?, None),
        };
        if tower == self.me() || tower == key.peer {
            return Err(ApiError::invalid_params("tower", "it must be neither of the channel's parties"));
        }
        let open = self.market.channels().get(key).filter(|channel| channel.life() == Life::Open);
        if open.is_some_and(|channel| channel.virtual_terms().is_some()) {
            return Err(ApiError::channel_is_virtual("nobody can watch it for this node"));
        }
        let id = open.and_then(|channel| channel.id());
        let id = id.ok_or_else(|| ApiError::channel_not_ready("the ledger does not have it"))?;
        if !self.market.is_talking_to(tower) && card.is_none() && self.whereabouts(tower).is_none() {
            return Err(ApiError::peer_unreachable(tower, "it has no offer on the market, and its card is not known"));
        }
        card.into_iter().for_each(|card| self.keep_card(card));
        let others = self.delegates_of(key, id).into_iter().filter(|delegate| *delegate != tower).count();
        let now = self.clock.now();
        let days = request.days.unwrap_or(DAYS_DEFAULT);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(ApiError::invalid_params("days", format_args!("it must be from 1 to {DAYS_MAX}")));
        }
        let terms = (price_max, days);
        if others >= DELEGATES_MAX || !self.market.have_watched(now, key, tower, terms, &self.market_journal) {
            return Err(ApiError::watch_full(DELEGATES_MAX));
        }
        self.appoint_watchtowers();
        self.reach_channel_peers();
        Ok(self.watch_status())
    }

    /// The cheapest on the market that does not watch that channel yet and is none of its parties.
    fn cheapest_for(&self, key: ChannelKey, price_max: Amount) -> Answer<IdentityId> {
        let id = self.market.channels().get(key).and_then(|channel| channel.id());
        let mut but = id.map_or_else(Vec::new, |id| self.delegates_of(key, id));
        but.push(key.peer);
        self.cheapest_watchtower(price_max, &but).ok_or_else(ApiError::no_watchtower)
    }

    pub(in super::super) fn remove_watch(&mut self, request: &WatchRemove) -> Answer<WatchStatus> {
        let key = self.channel_named(&request.channel)?;
        let (now, tower) = (self.clock.now(), request.tower);
        let id = self.market.channels().get(key).and_then(|channel| channel.id());
        let removed = id.and_then(|id| self.market.stop_watching(now, id, tower, &self.market_journal));
        let (Some(()), Some(id)) = (removed, id) else { return Err(ApiError::not_watched(tower)) };
        let mut delegates = self.delegates_of(key, id);
        delegates.retain(|delegate| *delegate != tower);
        self.appoint(key, id, delegates);
        Ok(self.watch_status())
    }

    pub(in super::super) fn watch_status(&self) -> WatchStatus {
        let tower = self.market.watchtower();
        let terms = tower.terms().or(self.config.watching).unwrap_or_else(standard);
        let now = self.clock.now();
        let watched = self.market.watched();
        let record = |(channel, tower, watch): (ChannelId, IdentityId, &byway_channel::watching::Watch)| {
            let paid = watch.refuses_though_paid(now).map(|until| until.since(now).0 / Span::days(1).0);
            let paid = paid.map_or_else(String::new, |days| format!(", and was paid for another {days} days"));
            let refusal = watch.refusal.map(|refusal| format!("{refusal}{paid}"));
            let price = watch.bill.map(|bill| bill.price);
            let dear = price.is_some_and(|price| price > watch.price_max);
            let dear = dear.then(|| "it asks for more than is to be paid".to_owned());
            WatchRecord {
                channel: id_text(channel),
                tower,
                watching: watched.is_relied_on(now, channel, tower),
                price_max: watch.price_max,
                days: watch.days,
                price,
                until_ms: watch.watches_until(),
                answered_ms: watch.answered,
                problem: refusal.or(dear).or_else(|| watched.error(channel).map(|error| error.to_string())),
            }
        };
        WatchStatus {
            accepts: tower.terms().is_some(),
            price_per_day: terms.price,
            channels_max: terms.channels_max,
            days_max: terms.days_max,
            fee_max: terms.fee_max,
            kept: tower.kept().count(),
            earned: tower.earned(),
            answered: tower.answered().count(),
            watched: watched.iter().map(record).collect(),
        }
    }

    /// Who watches a channel and has the newest state, and until when the last of them does.
    pub(super) fn watched_by(&self, id: Option<ChannelId>) -> (Vec<IdentityId>, Option<Time>) {
        let (now, watched) = (self.clock.now(), self.market.watched());
        let its = watched.iter().filter(|(channel, ..)| Some(*channel) == id);
        let relied_on = its.filter(|(channel, tower, _)| watched.is_relied_on(now, *channel, *tower));
        let (towers, times): (Vec<IdentityId>, Vec<Option<Time>>) =
            relied_on.map(|(_, tower, watch)| (tower, watch.watches_until())).unzip();
        (towers, times.into_iter().flatten().max())
    }

    /// What is watched for others wants done.
    pub(in super::super) fn watching_news(&mut self, news: TowerNews) {
        match news {
            TowerNews::Submit { client, channel, to, call, fee } => {
                tracing::info!(%client, %fee, "a channel that is watched closes with an old state: answering");
                let wish = Wish { call: Some(Call::Channels(*call)), fee, ..Wish::default() };
                match self.transact(Order::signed(wish), None) {
                    Ok(id) => drop(self.channels.answers.insert(id, Answering { client, channel, to, fee })),
                    // It is tried again after a while.
                    Err(error) => {
                        tracing::warn!(%error, "the answer for a channel that is watched can't be handed in now");
                        let now = self.clock.now();
                        self.market.handle_answer_fate(now, client, channel, to, AnswerFate::Delayed);
                    }
                }
            }
            TowerNews::Dropped { client, channel, refusal } => {
                tracing::info!(%client, channel = %channel.0, %refusal, "a channel is watched no more");
            }
            TowerNews::Earned { .. } => {}
        }
    }

    /// The ledger's word on an answer, or that nobody took it.
    pub(in super::super) fn answer_verdict(&mut self, id: TransactionId, fate: &Fate) {
        let Some(Answering { client, channel, to, fee }) = self.channels.answers.remove(&id) else { return };
        let fate = match fate {
            Fate::Final => AnswerFate::Taken { fee },
            Fate::Rejected(reject) => AnswerFate::of(*reject, self.call_price()),
            Fate::Lapsed | Fate::Refused(_) => AnswerFate::Delayed,
        };
        tracing::info!(%client, channel = %channel.0, ?fate, "the ledger on an answer for a channel that is watched");
        self.market.handle_answer_fate(self.clock.now(), client, channel, to, fate);
        // Where it is to be paid for by us, that is done at once.
        self.note_channels(Some(&[]));
    }

    fn call_price(&self) -> Amount {
        self.config.genesis.parameters.call_prices.channel
    }

    /// Whoever watches for us says that it had to answer; perhaps while we were away.
    pub(in super::super) fn watchtower_answered(&mut self, channel: ChannelId, tower: IdentityId) {
        let named = Some(id_text(channel));
        let closed = self.channels.closed.iter().find(|(_, closed)| closed.record.id == named).map(|(key, _)| *key);
        let Some(key) = self.market.channels().key_of(channel).or(closed) else { return };
        tracing::warn!(%tower, channel = %channel.0, "a watchtower says that a channel was closed with an old state, and that it has answered");
        // Its word alone is no more than that, as long as the ledger has the channel open.
        let is_seen = self.channel_entry(channel).is_none_or(|entry| matches!(entry.phase, Phase::Closing { .. }));
        let says = if is_seen { "has" } else { "says that it has" };
        let message =
            format!("{tower}, which watches it, {says} shown the ledger a newer state than it was closed with");
        let known = self.channels.logs.get(&key).into_iter().flatten();
        if !known.into_iter().any(|entry| entry.what.code == "answered" && entry.what.message == message) {
            self.add_to_log(key, None, "answered", message);
        }
    }

    /// A channel is watched, or not, or by another.
    pub(in super::super) fn watch_changed(&mut self, channel: ChannelId) {
        if let Some(key) = self.market.channels().key_of(channel) {
            self.channels.changed.insert(key);
        }
    }

    /// Whoever is to watch is a delegate on the ledger; said again until the ledger has it.
    pub(super) fn appoint_watchtowers(&mut self) {
        let now = self.clock.now();
        let ids: std::collections::BTreeSet<ChannelId> = self.market.watched().iter().map(|(id, ..)| id).collect();
        self.channels.appointed.retain(|id, at| ids.contains(id) && now.since(*at) < APPOINT_AGAIN);
        for id in ids {
            let Some(key) = self.market.channels().key_of(id) else { continue };
            let mut delegates = self.delegates_of(key, id);
            let known = delegates.len();
            let missing = self.market.watched().towers_of(id).into_iter().filter(|tower| !delegates.contains(tower));
            delegates.extend(missing.collect::<Vec<_>>());
            delegates.truncate(DELEGATES_MAX);
            if delegates.len() > known && self.channel_entry(id).is_some() && !self.channels.appointed.contains_key(&id)
            {
                self.channels.appointed.insert(id, now);
                self.appoint(key, id, delegates);
            }
        }
    }

    fn appoint(&mut self, key: ChannelKey, channel: ChannelId, delegates: Vec<IdentityId>) {
        let Some(side) = self.market.channels().get(key).map(|channel| channel.side()) else { return };
        self.hand_in_for(key, ChannelsCall::SetDelegates { channel, side, delegates });
    }

    fn delegates_of(&self, key: ChannelKey, id: ChannelId) -> Vec<IdentityId> {
        let side = self.market.channels().get(key).map(|channel| channel.side().index());
        let entry = self.channel_entry(id).zip(side);
        entry.map(|(entry, side)| entry.delegates[side].clone()).unwrap_or_default()
    }
}

fn standard() -> TowerTerms {
    crate::config::WatchConfig::default().terms()
}
