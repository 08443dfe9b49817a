//! Watching for others.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, Effect, Hash, IdentityId, NetworkId, Store, Time, Token};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Phase, Side};
use byway_records::promise::ChannelId;

use super::message::{WatchMessage, WatchRefusal};
use super::packet::Packet;
use super::{CHANNELS_PER_CLIENT_MAX, FREE_TIME, PAY_AHEAD, PERIOD, WATCHING};
use crate::machine::SUBMIT_AGAIN;

/// On what terms others are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TowerTerms {
    /// Of one channel for one period.
    pub price: Amount,
    /// Channels of all clients.
    pub channels_max: usize,
}

/// News of a watchtower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TowerNews {
    /// What this client has used in all.
    Earned { client: IdentityId, total: Amount },
    /// A channel closes with an older state than the client's: this is to be shown to the ledger.
    Submit { client: IdentityId, call: Box<ChannelsCall> },
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
}

/// Whoever names a channel, and the channel. A stranger that names another's replaces nothing.
type KeptKey = (IdentityId, ChannelId);

/// Watches for others. Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each.
#[derive(Debug)]
pub struct Watchtower {
    me: IdentityId,
    network: NetworkId,
    terms: Option<TowerTerms>,
    kept: BTreeMap<KeptKey, Kept>,
    /// What each client has used in all, and what it says that it spends.
    earned: BTreeMap<IdentityId, Amount>,
    spent: BTreeMap<IdentityId, Amount>,
    /// Clients that have not paid: nothing is free for them any more.
    owing: BTreeSet<IdentityId>,
    /// Channels that the ledger has not been looked up for, or that are closing.
    to_look_at: BTreeSet<KeptKey>,
    submitted: BTreeMap<KeptKey, Time>,
    effects: Vec<TowerEffect>,
    tokens: u64,
}

impl Watchtower {
    pub fn load(me: IdentityId, network: NetworkId, store: &impl Store) -> Result<Self, DecodeError> {
        let mut tower = Self {
            me,
            network,
            terms: None,
            kept: BTreeMap::new(),
            earned: BTreeMap::new(),
            spent: BTreeMap::new(),
            owing: BTreeSet::new(),
            to_look_at: BTreeSet::new(),
            submitted: BTreeMap::new(),
            effects: Vec::new(),
            tokens: 0,
        };
        for (key, bytes) in store.scan_prefix(WATCHING, &[KEPT]) {
            let mut input = Reader::new(&key[1..]);
            let key = (input.value()?, ChannelId(input.value()?));
            tower.kept.insert(key, Kept::from_bytes(&bytes)?);
            tower.to_look_at.insert(key);
        }
        for (key, bytes) in store.scan_prefix(WATCHING, &[EARNED]) {
            tower.earned.insert(IdentityId::from_bytes(&key[1..])?, Amount::from_bytes(&bytes)?);
        }
        Ok(tower)
    }

    /// Accepts packets on these terms from now on; without any, what is kept is kept until its time is over.
    pub fn set_terms(&mut self, terms: Option<TowerTerms>) {
        self.terms = terms;
    }

    pub fn terms(&self) -> Option<TowerTerms> {
        self.terms
    }

    pub fn kept(&self) -> impl Iterator<Item = (IdentityId, ChannelId, &Kept)> {
        self.kept.iter().map(|((client, channel), kept)| (*client, *channel, kept))
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
            WatchMessage::Keep { channel, spent, packet } => self.keep(now, (client, channel), spent, packet, credit),
            WatchMessage::Forget { channel } => {
                let key = (client, channel);
                if self.kept.get(&key).is_some_and(|kept| !kept.is_paid) {
                    // Its free time is not had again for asking anew.
                    self.owing.insert(client);
                }
                self.forget(key);
            }
            WatchMessage::Kept { .. } | WatchMessage::Refused { .. } => {}
        }
    }

    /// A client has promised more.
    pub fn handle_credit(&mut self, now: Time, client: IdentityId, credit: Amount) {
        self.earn(now, client, credit);
    }

    fn keep(&mut self, now: Time, key: KeptKey, spent: Amount, packet: Packet, credit: Amount) {
        let Some(terms) = self.terms else { return self.refuse(key, WatchRefusal::Unwilling) };
        let said = self.spent.entry(key.0).or_default();
        *said = spent.max(*said);
        let number = packet.number();
        match self.kept.get_mut(&key) {
            Some(kept) if kept.packet.number() > number => {
                let number = kept.packet.number();
                return self.refuse(key, WatchRefusal::Old { number });
            }
            // Said again, for what was spent since.
            Some(kept) if kept.packet.number() == number => {}
            Some(kept) => kept.packet = packet,
            None => {
                let of_client = self.kept.range((key.0, FIRST)..);
                let count = of_client.take_while(|((client, _), _)| *client == key.0).count();
                if count >= CHANNELS_PER_CLIENT_MAX || self.kept.len() >= terms.channels_max {
                    return self.refuse(key, WatchRefusal::Full);
                }
                let is_covered = self.unused(key.0) >= terms.price && credit >= terms.price;
                if self.owing.contains(&key.0) && !is_covered {
                    return self.refuse(key, WatchRefusal::Unpaid);
                }
                self.kept.insert(key, Kept { packet, until: now + FREE_TIME, is_paid: false });
            }
        }
        self.to_look_at.insert(key);
        self.confirm(key);
        self.earn(now, key.0, credit);
    }

    /// Uses what the client spends on it for further periods, the channel first of which least is left.
    fn earn(&mut self, now: Time, client: IdentityId, credit: Amount) {
        let Some(TowerTerms { price, .. }) = self.terms else { return };
        let mut credit = credit;
        let mut agreed = self.unused(client);
        let range = self.kept.range((client, FIRST)..);
        let its = range.take_while(|((of, _), _)| *of == client);
        let mut due: Vec<_> =
            its.filter(|(_, kept)| kept.until <= now + PAY_AHEAD).map(|(key, kept)| (kept.until, *key)).collect();
        due.sort_unstable();
        for (_, key) in due {
            let (Some(after), Some(left)) = (agreed.checked_sub(price), credit.checked_sub(price)) else { break };
            (agreed, credit) = (after, left);
            let kept = self.kept.get_mut(&key).expect("it is one of them");
            (kept.until, kept.is_paid) = (now.max(kept.until) + PERIOD, true);
            let earned = self.earned.entry(client).or_default();
            *earned = earned.checked_add(price).unwrap_or(Amount::MAX);
            let total = *earned;
            self.owing.remove(&client);
            self.effects.push(Effect::Notify(TowerNews::Earned { client, total }));
            self.confirm(key);
        }
    }

    /// What a client spends on it, and has not used.
    fn unused(&self, client: IdentityId) -> Amount {
        let [spent, used] = [&self.spent, &self.earned].map(|of| of.get(&client).copied().unwrap_or_default());
        spent.saturating_sub(used)
    }

    /// Writes what is kept, and says so.
    fn confirm(&mut self, key: KeptKey) {
        let (Some(kept), price) = (self.kept.get(&key), self.terms.map_or(Amount::ZERO, |terms| terms.price)) else {
            return;
        };
        let (number, until) = (kept.packet.number(), kept.until);
        let mut batch = Batch::new();
        batch.put(WATCHING, kept_key(key), kept.to_bytes());
        if let Some(earned) = self.earned.get(&key.0) {
            batch.put(WATCHING, earned_key(key.0), earned.to_bytes());
        }
        let token = self.persist(batch);
        let message = WatchMessage::Kept { channel: key.1, number, until, price };
        self.effects.push(Effect::Send { to: key.0, message, after: Some(token) });
    }

    /// The ledger at its newest final checkpoint; where it is not known which entries have changed, all of them.
    pub fn handle_ledger(
        &mut self,
        now: Time,
        is_changed: impl Fn(ChannelId) -> bool,
        entry: impl Fn(ChannelId) -> Option<Channel>,
    ) {
        let is_due = |key: &KeptKey| self.to_look_at.contains(key) || is_changed(key.1);
        let looked_at: Vec<KeptKey> = self.kept.keys().copied().filter(is_due).collect();
        for key in looked_at {
            self.look_at(now, key, entry(key.1));
        }
        let is_over = |(key, kept): &(&KeptKey, &Kept)| kept.until < now && !self.to_look_at.contains(key);
        let unpaid: Vec<KeptKey> = self.kept.iter().filter(is_over).map(|(key, _)| *key).collect();
        for key in unpaid {
            self.owing.insert(key.0);
            self.drop_kept(key, WatchRefusal::Unpaid);
        }
    }

    fn look_at(&mut self, now: Time, key: KeptKey, entry: Option<Channel>) {
        self.to_look_at.remove(&key);
        let side = |entry: &Channel| Side::BOTH.into_iter().find(|side| entry.parties[side.index()] == key.0);
        let known = entry.as_ref().and_then(|entry| Some((entry, side(entry)?)));
        let Some((entry, side)) = known.filter(|(entry, side)| entry.delegates[side.index()].contains(&self.me)) else {
            return self.drop_kept(key, WatchRefusal::NotDelegate);
        };
        let Phase::Closing { secret, by, .. } = entry.phase else { return };
        // As long as it closes it is looked at again, and kept: what was handed in may have been lost.
        self.to_look_at.insert(key);
        let is_waiting = self.submitted.get(&key).is_some_and(|at| now.since(*at) < SUBMIT_AGAIN);
        let packet = self.kept.get(&key).map(|kept| kept.packet).filter(|_| !is_waiting && by != side);
        let opened = packet.and_then(|packet| packet.open(secret, side, self.network, key.1, entry));
        if let Some(state) = opened.filter(|state| entry.accepts(state.body.position.round)) {
            self.submitted.insert(key, now);
            let call = Box::new(ChannelsCall::Slash { side, state });
            self.effects.push(Effect::Notify(TowerNews::Submit { client: key.0, call }));
        }
    }

    fn refuse(&mut self, (client, channel): KeptKey, refusal: WatchRefusal) {
        let message = WatchMessage::Refused { channel, refusal };
        self.effects.push(Effect::Send { to: client, message, after: None });
    }

    fn drop_kept(&mut self, key: KeptKey, refusal: WatchRefusal) {
        self.forget(key);
        self.refuse(key, refusal);
        self.effects.push(Effect::Notify(TowerNews::Dropped { client: key.0, channel: key.1, refusal }));
    }

    fn forget(&mut self, key: KeptKey) {
        if self.kept.remove(&key).is_none() {
            return;
        }
        self.to_look_at.remove(&key);
        self.submitted.remove(&key);
        let mut batch = Batch::new();
        batch.delete(WATCHING, kept_key(key));
        self.persist(batch);
    }

    fn persist(&mut self, batch: Batch) -> Token {
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

fn kept_key((client, channel): KeptKey) -> Vec<u8> {
    [&[KEPT][..], &client.0, &channel.0.0].concat()
}

fn earned_key(client: IdentityId) -> Vec<u8> {
    [&[EARNED][..], &client.0].concat()
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.packet);
        out.value(&self.until);
        out.flag(self.is_paid);
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { packet: input.value()?, until: input.value()?, is_paid: input.flag()? })
    }
}
