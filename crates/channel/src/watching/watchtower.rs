//! Watching for others.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, Effect, Hash, IdentityId, NetworkId, Store, Time, Token};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use byway_records::promise::ChannelId;

use super::answering::{Answer, AnswerTo, UnderWay, read_under_way};
use super::message::{Bill, Pays, WatchMessage, WatchRefusal};
use super::packet::Packet;
use super::{
    ANSWERED_KEPT, CHANNELS_PER_CLIENT_MAX, DAYS_MAX, FREE_TIME, GONE_TIME, PERIOD, UNPROVEN_MAX, WATCHING, days_ahead,
};

/// On what terms others are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TowerTerms {
    /// Of one channel for one period.
    pub price: Amount,
    /// Channels of all clients.
    pub channels_max: usize,
    /// The most periods that are paid for ahead.
    pub days_max: u64,
    /// What is added to an answer out of the own pocket, where the channel's reserve is used up; and never more for a client in all
    /// than what it has paid.
    pub fee_max: Amount,
}

/// News of a watchtower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TowerNews {
    /// What this client has used in all.
    Earned { client: IdentityId, total: Amount },
    /// A channel closes with an older state than the client's: this is to be shown to the ledger, for so much of our own where the
    /// reserve does not pay. What becomes of that is told by [`Watchtower::handle_fate`], also that it could not be handed in.
    Submit { client: IdentityId, channel: ChannelId, to: AnswerTo, call: Box<ChannelsCall>, fee: Amount },
    /// It is watched no more.
    Dropped { client: IdentityId, channel: ChannelId, refusal: WatchRefusal },
}

type TowerEffect = Effect<IdentityId, WatchMessage, TowerNews>;

/// What is kept for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub packet: Packet,
    /// Until when it is paid for, or free.
    pub until: Time,
    /// Whether anything was ever paid for it.
    pub is_paid: bool,
    /// For how many periods ahead its client pays.
    pub days: u64,
    /// What was promised to be added to an answer.
    pub fee_max: Amount,
    /// The ledger's time when it last had the channel and this watchtower as a delegate in it.
    pub known: Time,
}

/// Whoever names a channel, and the channel. A stranger that names another's replaces nothing.
pub(super) type KeptKey = (IdentityId, ChannelId);

/// Watches for others. Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each.
#[derive(Debug)]
pub struct Watchtower {
    pub(super) me: IdentityId,
    pub(super) network: NetworkId,
    terms: Option<TowerTerms>,
    pub(super) kept: BTreeMap<KeptKey, Kept>,
    /// What came for channels that the ledger was not looked up for; written only when that knows them.
    unproven: BTreeMap<KeptKey, (Packet, Pays)>,
    /// What each client has used in all, and what it says that it spends.
    pub(super) earned: BTreeMap<IdentityId, Amount>,
    spent: BTreeMap<IdentityId, Amount>,
    /// What answers have cost beside.
    pub(super) borne: BTreeMap<IdentityId, Amount>,
    /// Clients that have not paid: nothing is free for them any more.
    owing: BTreeSet<IdentityId>,
    /// Channels that the ledger has not been looked up for, that are closing, or that it has no more.
    pub(super) to_look_at: BTreeSet<KeptKey>,
    /// Since when, in the ledger's time, it has a channel no more.
    gone: BTreeMap<KeptKey, Time>,
    pub(super) answers: BTreeMap<KeptKey, Answer>,
    /// Which rounds were handed in and have no verdict yet.
    pub(super) under_way: BTreeMap<(KeptKey, u64), UnderWay>,
    /// When the ledger last took one; for whoever comes back and asks.
    pub(super) answered: BTreeMap<KeptKey, Time>,
    pub(super) effects: Vec<TowerEffect>,
    tokens: u64,
}

impl Watchtower {
    pub fn load(me: IdentityId, network: NetworkId, store: &impl Store) -> Result<Self, DecodeError> {
        let mut tower = Self {
            me,
            network,
            terms: None,
            kept: read(store, KEPT, read_key, |kept| kept)?,
            unproven: BTreeMap::new(),
            earned: read(store, EARNED, read_client, |earned| earned)?,
            spent: BTreeMap::new(),
            borne: read(store, BORNE, read_client, |borne| borne)?,
            owing: BTreeSet::new(),
            to_look_at: BTreeSet::new(),
            gone: BTreeMap::new(),
            answers: BTreeMap::new(),
            under_way: read(store, UNDER_WAY, read_under_way, UnderWay::of_before)?,
            answered: read(store, ANSWERED, read_key, |at| at)?,
            effects: Vec::new(),
            tokens: 0,
        };
        tower.to_look_at = tower.kept.keys().copied().collect();
        Ok(tower)
    }

    /// Accepts packets of further channels on these terms from now on; without any, what is kept is kept until its time is over.
    pub fn set_terms(&mut self, terms: Option<TowerTerms>) {
        self.terms = terms;
    }

    pub fn terms(&self) -> Option<TowerTerms> {
        self.terms
    }

    pub fn kept(&self) -> impl Iterator<Item = (IdentityId, ChannelId, &Kept)> {
        self.kept.iter().map(|((client, channel), kept)| (*client, *channel, kept))
    }

    /// Channels of which the ledger has lately taken an answer, and when it did.
    pub fn answered(&self) -> impl Iterator<Item = (IdentityId, ChannelId, Time)> {
        self.answered.iter().map(|((client, channel), at)| (*client, *channel, *at))
    }

    /// What all clients have used.
    pub fn earned(&self) -> Amount {
        Amount::checked_sum(self.earned.values().copied()).unwrap_or(Amount::MAX)
    }

    pub fn poll(&mut self) -> Vec<Effect<IdentityId, WatchMessage, TowerNews>> {
        std::mem::take(&mut self.effects)
    }

    /// What a client says. `credit` is what it has promised beyond what it has used.
    pub fn handle_message(&mut self, now: Time, client: IdentityId, message: WatchMessage, credit: Amount) {
        match message {
            WatchMessage::Ask { channel, pays } => self.tell(now, (client, channel), pays, credit),
            WatchMessage::Keep { channel, pays, packet } => self.keep(now, (client, channel), pays, packet, credit),
            WatchMessage::Forget { channel } => {
                let key = (client, channel);
                if self.kept.get(&key).is_some_and(|kept| !kept.is_paid) {
                    // Its free time is not had again for asking anew.
                    self.owing.insert(client);
                }
                let after = self.forget(key);
                let message = WatchMessage::Forgotten { channel, answered: self.answered.get(&key).copied() };
                self.effects.push(Effect::Send { to: client, message, after });
            }
            WatchMessage::Has { .. }
            | WatchMessage::Kept { .. }
            | WatchMessage::Refused { .. }
            | WatchMessage::Forgotten { .. } => {}
        }
    }

    /// A client has promised more.
    pub fn handle_credit(&mut self, now: Time, client: IdentityId, credit: Amount) {
        self.earn(now, client, credit);
    }

    fn tell(&mut self, now: Time, key: KeptKey, pays: Pays, credit: Amount) {
        self.note_pays(key, pays);
        let (packet, answered) = (self.kept.get(&key).map(|kept| kept.packet), self.answered.get(&key).copied());
        let message = WatchMessage::Has { channel: key.1, packet, answered };
        self.effects.push(Effect::Send { to: key.0, message, after: None });
        if packet.is_some() {
            self.say_kept(key);
            self.earn(now, key.0, credit);
        } else if let Some(refusal) = self.refuses(key, credit) {
            self.refuse(key, refusal);
        }
    }

    fn note_pays(&mut self, key: KeptKey, pays: Pays) {
        // Nothing is remembered of strangers.
        let is_its = |(known, _): (&KeptKey, &Kept)| known.0 == key.0;
        let is_kept = self.kept.range((key.0, FIRST)..).next().is_some_and(is_its);
        if is_kept || self.earned.contains_key(&key.0) || self.owing.contains(&key.0) {
            let said = self.spent.entry(key.0).or_default();
            *said = pays.spent.max(*said);
        }
        if let Some(kept) = self.kept.get_mut(&key) {
            kept.days = pays.days.min(DAYS_MAX);
        }
    }

    /// Why nothing is kept of a channel that is not yet.
    fn refuses(&self, key: KeptKey, credit: Amount) -> Option<WatchRefusal> {
        let Some(terms) = self.terms else { return Some(WatchRefusal::Unwilling) };
        let is_its = |(client, _): &&KeptKey| *client == key.0;
        let kept = self.kept.range((key.0, FIRST)..).map(|(known, _)| known).take_while(is_its);
        let unproven = self.unproven.range((key.0, FIRST)..).map(|(known, _)| known).take_while(is_its);
        let count = kept.chain(unproven.filter(|known| **known != key)).count();
        let all = self.kept.len() + self.unproven.len();
        if count >= CHANNELS_PER_CLIENT_MAX || all >= terms.channels_max || self.unproven.len() >= UNPROVEN_MAX {
            return Some(WatchRefusal::Full);
        }
        let is_covered = self.unused(key.0) >= terms.price && credit >= terms.price;
        (self.owing.contains(&key.0) && !is_covered).then_some(WatchRefusal::Unpaid)
    }

    fn keep(&mut self, now: Time, key: KeptKey, pays: Pays, packet: Packet, credit: Amount) {
        self.note_pays(key, pays);
        let Some(kept) = self.kept.get_mut(&key) else {
            match self.refuses(key, credit) {
                Some(refusal) => self.refuse(key, refusal),
                None => {
                    self.unproven.insert(key, (packet, pays));
                    self.to_look_at.insert(key);
                }
            }
            return;
        };
        let number = kept.packet.number();
        if kept.packet == packet {
            self.say_kept(key);
            return self.earn(now, key.0, credit);
        }
        // No number stands for two packets.
        if number >= packet.number() {
            return self.refuse(key, WatchRefusal::Old { number });
        }
        kept.packet = packet;
        self.to_look_at.insert(key);
        self.confirm(key);
        self.earn(now, key.0, credit);
    }

    /// Uses what the client spends on it for further periods, always of the channel of which least is left.
    fn earn(&mut self, now: Time, client: IdentityId, credit: Amount) {
        let Some(terms) = self.terms else { return };
        let (mut credit, mut agreed) = (credit, self.unused(client));
        let mut longer = BTreeSet::new();
        loop {
            let range = self.kept.range((client, FIRST)..);
            let its = range.take_while(|((of, _), _)| *of == client);
            // A period that is begun counts from its half on, as for the client.
            let ahead = |kept: &Kept| days_ahead(kept.days, terms.days_max);
            let has_room = |kept: &Kept| kept.until.0.saturating_add(PERIOD.0 / 2) <= (now + ahead(kept)).0;
            let next = its.filter(|(_, kept)| has_room(kept)).min_by_key(|(_, kept)| kept.until).map(|(key, _)| *key);
            let left = agreed.checked_sub(terms.price).zip(credit.checked_sub(terms.price));
            let (Some(key), Some(left)) = (next, left) else { break };
            (agreed, credit) = left;
            let kept = self.kept.get_mut(&key).expect("it is one of them");
            (kept.until, kept.is_paid) = (now.max(kept.until) + PERIOD, true);
            kept.fee_max = terms.fee_max;
            let earned = self.earned.entry(client).or_default();
            *earned = earned.checked_add(terms.price).unwrap_or(Amount::MAX);
            longer.insert(key);
        }
        if longer.is_empty() {
            return;
        }
        self.owing.remove(&client);
        self.try_again(now, client);
        let total = self.earned.get(&client).copied().unwrap_or_default();
        self.effects.push(Effect::Notify(TowerNews::Earned { client, total }));
        longer.into_iter().for_each(|key| self.confirm(key));
    }

    /// What a client spends on it, and has not used.
    fn unused(&self, client: IdentityId) -> Amount {
        let [spent, used] = [&self.spent, &self.earned].map(|of| of.get(&client).copied().unwrap_or_default());
        spent.saturating_sub(used)
    }

    fn bill(&self, client: IdentityId) -> Bill {
        let used = self.earned.get(&client).copied().unwrap_or_default();
        let none = TowerTerms { price: Amount::ZERO, channels_max: 0, days_max: 0, fee_max: Amount::ZERO };
        let TowerTerms { price, days_max, fee_max, .. } = self.terms.unwrap_or(none);
        Bill { used, price, days_max, fee_max }
    }

    /// Writes what is kept, and says so.
    fn confirm(&mut self, key: KeptKey) {
        let Some(kept) = self.kept.get(&key) else { return };
        let mut batch = Batch::new();
        batch.put(WATCHING, key_of(KEPT, key), kept.to_bytes());
        if let Some(earned) = self.earned.get(&key.0) {
            batch.put(WATCHING, [&[EARNED][..], &key.0.0].concat(), earned.to_bytes());
        }
        self.persist(batch);
        self.say_kept(key);
    }

    /// Says what is kept, once all that was written so far is durable.
    fn say_kept(&mut self, key: KeptKey) {
        let Some(kept) = self.kept.get(&key) else { return };
        let (number, until) = (kept.packet.number(), kept.until);
        let message = WatchMessage::Kept { channel: key.1, number, until, bill: self.bill(key.0) };
        let after = self.tokens.checked_sub(1).map(Token);
        self.effects.push(Effect::Send { to: key.0, message, after });
    }

    /// The ledger at its newest final checkpoint, of this time; where it is not known which entries have changed, all of them.
    /// `credit` is what a client has promised beyond what it has used.
    pub fn handle_ledger(
        &mut self,
        now: Time,
        time: Time,
        is_changed: impl Fn(ChannelId) -> bool,
        entry: impl Fn(ChannelId) -> Option<Channel>,
        credit: impl Fn(IdentityId) -> Amount,
    ) {
        self.look_after(now, &entry);
        let is_due = |key: &KeptKey| self.to_look_at.contains(key) || is_changed(key.1);
        let all = self.kept.keys().chain(self.unproven.keys());
        let looked_at: BTreeSet<KeptKey> = all.copied().filter(is_due).collect();
        for key in looked_at {
            self.to_look_at.remove(&key);
            let entry = entry(key.1);
            let side = |entry: &Channel| Side::BOTH.into_iter().find(|side| entry.parties[side.index()] == key.0);
            let known = entry.as_ref().and_then(|entry| Some((entry, side(entry)?)));
            match known.filter(|(entry, side)| entry.delegates[side.index()].contains(&self.me)) {
                Some((entry, side)) => {
                    self.prove(now, time, key, credit(key.0));
                    self.answer(now, key, side, entry);
                }
                None => self.miss(time, key),
            }
        }
        // By the ledger's time: what happened before is seen first where the ledger was behind.
        let is_over = |(key, kept): &(&KeptKey, &Kept)| kept.until < time && !self.to_look_at.contains(key);
        let unpaid: Vec<KeptKey> = self.kept.iter().filter(is_over).map(|(key, _)| *key).collect();
        for key in unpaid {
            self.owing.insert(key.0);
            self.drop_kept(key, WatchRefusal::Unpaid);
        }
        let old = |(_, at): &(&KeptKey, &Time)| time.since(**at) > ANSWERED_KEPT;
        let old: Vec<KeptKey> = self.answered.iter().filter(old).map(|(key, _)| *key).collect();
        for key in old {
            self.answered.remove(&key);
            self.delete(key_of(ANSWERED, key));
        }
    }

    /// The ledger has the channel, and this watchtower as a delegate in it.
    fn prove(&mut self, now: Time, time: Time, key: KeptKey, credit: Amount) {
        self.gone.remove(&key);
        if let Some((packet, pays)) = self.unproven.remove(&key)
            && !self.kept.contains_key(&key)
        {
            let fee_max = self.bill(key.0).fee_max;
            let kept = Kept { packet, until: now + FREE_TIME, is_paid: false, days: 1, fee_max, known: time };
            self.kept.insert(key, kept);
            self.note_pays(key, pays);
            self.confirm(key);
            self.earn(now, key.0, credit);
        }
        if let Some(kept) = self.kept.get_mut(&key) {
            kept.known = kept.known.max(time);
        }
    }

    /// The ledger has no such channel, or it is not this client's, or names other delegates.
    fn miss(&mut self, time: Time, key: KeptKey) {
        if self.unproven.remove(&key).is_some() {
            return self.refuse(key, WatchRefusal::NotDelegate);
        }
        let Some(known) = self.kept.get(&key).map(|kept| kept.known) else { return };
        self.to_look_at.insert(key);
        // A ledger that is behind has it not yet.
        if time <= known {
            return;
        }
        match self.gone.get(&key) {
            None => {
                self.gone.insert(key, time);
                self.refuse(key, WatchRefusal::NotDelegate);
            }
            Some(since) if time.since(*since) >= GONE_TIME => self.drop_kept(key, WatchRefusal::NotDelegate),
            Some(_) => {}
        }
    }

    fn refuse(&mut self, (client, channel): KeptKey, refusal: WatchRefusal) {
        let message = WatchMessage::Refused { channel, refusal, bill: self.bill(client) };
        self.effects.push(Effect::Send { to: client, message, after: None });
    }

    fn drop_kept(&mut self, key: KeptKey, refusal: WatchRefusal) {
        self.forget(key);
        self.refuse(key, refusal);
        self.effects.push(Effect::Notify(TowerNews::Dropped { client: key.0, channel: key.1, refusal }));
    }

    fn forget(&mut self, key: KeptKey) -> Option<Token> {
        self.unproven.remove(&key);
        self.to_look_at.remove(&key);
        self.answers.remove(&key);
        self.gone.remove(&key);
        self.kept.remove(&key)?;
        Some(self.delete(key_of(KEPT, key)))
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) -> Token {
        let mut batch = Batch::new();
        batch.delete(WATCHING, key);
        self.persist(batch)
    }

    pub(super) fn persist(&mut self, batch: Batch) -> Token {
        let token = Token(self.tokens);
        self.tokens += 1;
        self.effects.push(Effect::Persist { batch, token });
        token
    }
}

/// Below every channel's id.
const FIRST: ChannelId = ChannelId(Hash([0; 32]));
const KEPT: u8 = 0;
const EARNED: u8 = 1;
pub(super) const ANSWERED: u8 = 4;
pub(super) const BORNE: u8 = 5;
pub(super) const UNDER_WAY: u8 = 7;

pub(super) fn key_of(kind: u8, (client, channel): KeptKey) -> Vec<u8> {
    [&[kind][..], &client.0, &channel.0.0].concat()
}

pub(super) fn read_key(input: &mut Reader<'_>) -> Result<KeptKey, DecodeError> {
    Ok((input.value()?, ChannelId(input.value()?)))
}

fn read_client(input: &mut Reader<'_>) -> Result<IdentityId, DecodeError> {
    input.value()
}

/// What stands under keys of a kind.
fn read<K: Ord, V: Decode, T>(
    store: &impl Store,
    kind: u8,
    key_of: impl Fn(&mut Reader<'_>) -> Result<K, DecodeError>,
    of: impl Fn(V) -> T,
) -> Result<BTreeMap<K, T>, DecodeError> {
    let entries = store.scan_prefix(WATCHING, &[kind]).into_iter();
    entries.map(|(key, bytes)| Ok((key_of(&mut Reader::new(&key[1..]))?, of(V::from_bytes(&bytes)?)))).collect()
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.packet);
        out.value(&self.until);
        out.flag(self.is_paid);
        out.varint(self.days);
        out.value(&self.fee_max);
        out.value(&self.known);
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (packet, until, is_paid, days) = (input.value()?, input.value()?, input.flag()?, input.u64()?);
        Ok(Self { packet, until, is_paid, days, fee_max: input.value()?, known: input.value()? })
    }
}
