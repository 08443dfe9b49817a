//! A client, its watchtower, and the wires between them.

use byway_channel::watching::{
    AnswerFate, AnswerTo, Kept, RANDOM_BYTES, Standing, TowerNews, TowerTerms, WatchMessage, WatchRefusal,
    WatchedChannels, WatchedNews, Watchtower,
};
use byway_crypto::IdentitySecret;
use byway_ledger::Verdict;
use byway_primitives::{Amount, Effect, IdentityId, MemoryStore, Time};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Cosigned, Side};
use byway_records::promise::ChannelId;

use crate::scene::{Rig, person};
use crate::world::{CAROL, units};

pub const PRICE: u128 = 1_000;
pub const PRICE_MAX: Amount = Amount::from_units(2_000);
pub const RANDOM: [u8; RANDOM_BYTES] = [4; RANDOM_BYTES];

pub struct Pair {
    pub client: WatchedChannels,
    pub tower: Watchtower,
    pub disks: [MemoryStore; 2],
    pub me: IdentityId,
    pub channel: ChannelId,
    /// What the client has had promised, and what the watchtower has used of that.
    pub promised: Amount,
    pub earned: Amount,
    pub pays: bool,
    /// For how many days ahead.
    pub days: u64,
    /// Answers, and whether each is at the watchtower's own cost.
    pub submitted: Vec<(ChannelsCall, bool)>,
    /// Whose they are, of which channel, and what each answers.
    pub answers: Vec<(IdentityId, ChannelId, AnswerTo)>,
    pub dropped: Vec<WatchRefusal>,
    pub said: Vec<WatchMessage>,
    pub heard: Vec<WatchMessage>,
    /// What the client was shown that it did not know.
    pub newer: Vec<Cosigned<ChannelState>>,
    pub answered: Vec<Time>,
    /// Whether messages of the watchtower are lost.
    pub is_deaf: bool,
    starts: u8,
}

pub fn terms() -> TowerTerms {
    TowerTerms { price: units(PRICE), channels_max: 100, days_max: 30, fee_max: units(PRICE) }
}

/// Of the ledger's people, or somebody of whom it has never heard.
pub fn stranger(number: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[u8::try_from(number + 1).unwrap(); 32]).unwrap()
}

pub fn tower_id() -> IdentityId {
    stranger(CAROL).id()
}

impl Pair {
    /// Has Alice's channel watched on these terms.
    pub fn new(rig: &mut Rig, terms: TowerTerms, days: u64) -> Self {
        let channel = rig.machine(0).id().unwrap();
        let delegates = vec![tower_id()];
        let appoint = ChannelsCall::SetDelegates { channel, side: Side::Initiator, delegates };
        assert_eq!(rig.submit(0, appoint), Verdict::Final);
        let disks = [MemoryStore::new(), MemoryStore::new()];
        let mut tower = Watchtower::load(tower_id(), rig.world.network, &disks[1]).unwrap();
        tower.set_terms(Some(terms));
        let client = WatchedChannels::load(rig.world.network, [0; 32], &disks[0]).unwrap();
        let mut pair = Self {
            client,
            tower,
            disks,
            me: person(0).id(),
            channel,
            promised: Amount::ZERO,
            earned: Amount::ZERO,
            pays: true,
            days,
            submitted: Vec::new(),
            answers: Vec::new(),
            dropped: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            newer: Vec::new(),
            answered: Vec::new(),
            is_deaf: false,
            starts: 0,
        };
        pair.client.handle_connected(rig.now, tower_id());
        assert!(pair.client.add(channel, tower_id(), PRICE_MAX, days));
        pair
    }

    pub fn credit(&self) -> Amount {
        self.promised.saturating_sub(self.earned)
    }

    /// Carries everything between the two, and promises what the client spends.
    pub fn run(&mut self, now: Time) {
        loop {
            let (from_client, from_tower) = (self.client.poll(), self.tower.poll());
            if from_client.is_empty() && from_tower.is_empty() {
                return;
            }
            from_client.into_iter().for_each(|effect| self.by_client(now, effect));
            for effect in from_tower {
                match effect {
                    Effect::Persist { batch, .. } => self.disks[1].apply(&batch),
                    Effect::Send { to, message, .. } if to == self.me && !self.is_deaf => {
                        self.heard.push(message.clone());
                        self.client.handle_message(now, tower_id(), message);
                    }
                    Effect::Notify(TowerNews::Earned { total, .. }) => self.earned = total,
                    Effect::Notify(TowerNews::Submit { client, channel, to, call, fee }) => {
                        self.submitted.push((*call, fee > Amount::ZERO));
                        self.answers.push((client, channel, to));
                    }
                    Effect::Notify(TowerNews::Dropped { refusal, .. }) => self.dropped.push(refusal),
                    Effect::Send { .. } | Effect::WakeAt(_) => {}
                }
            }
        }
    }

    fn by_client(&mut self, now: Time, effect: Effect<IdentityId, WatchMessage, WatchedNews>) {
        match effect {
            Effect::Persist { batch, .. } => self.disks[0].apply(&batch),
            Effect::Send { message, .. } => {
                self.said.push(message.clone());
                self.tower.handle_message(now, self.me, message, self.credit());
            }
            Effect::Notify(WatchedNews::Spent { total, .. }) if self.pays => {
                self.promised = self.promised.max(total);
                self.tower.handle_credit(now, self.me, self.credit());
            }
            Effect::Notify(WatchedNews::Newer { state, .. }) => self.newer.push(*state),
            Effect::Notify(WatchedNews::Answered { at, .. }) => self.answered.push(at),
            _ => {}
        }
    }

    /// A new checkpoint for both, at this time of theirs and the ledger's.
    pub fn look(&mut self, now: Time, entry: &Option<Channel>) {
        let credit = self.credit();
        self.client.handle_ledger(now, |_| entry.clone());
        self.run(now);
        self.tower.handle_ledger(now, now, |_| true, |_| entry.clone(), |_| credit);
        self.run(now);
    }

    pub fn kept(&self) -> Vec<Kept> {
        self.tower.kept().map(|(_, _, kept)| kept.clone()).collect()
    }

    /// The state in the packet that is kept.
    pub fn inside(&self, rig: &Rig) -> Option<Cosigned<ChannelState>> {
        let (network, entry) = (rig.world.network, rig.entry().unwrap());
        self.kept()[0].packet.open(crate::scene::SECRET, Side::Initiator, network, self.channel, &entry).ok()
    }

    /// What became of the last answer.
    pub fn fate(&mut self, now: Time, fate: AnswerFate) {
        let which = *self.answers.last().expect("one was handed in");
        self.fate_of(now, which, fate);
    }

    pub fn fate_of(&mut self, now: Time, (client, channel, to): (IdentityId, ChannelId, AnswerTo), fate: AnswerFate) {
        self.tower.handle_fate(now, client, channel, to, fate);
        self.run(now);
    }

    /// The client begins anew, with this disk.
    pub fn restart_client(&mut self, now: Time, network: byway_primitives::NetworkId, disk: MemoryStore) {
        self.starts += 1;
        self.disks[0] = disk;
        self.client = WatchedChannels::load(network, [self.starts; 32], &self.disks[0]).unwrap();
        self.client.handle_connected(now, tower_id());
        self.run(now);
    }

    /// The client begins anew without anything, and its user wants the channel watched again.
    pub fn lose_disk(&mut self, now: Time, network: byway_primitives::NetworkId) {
        self.restart_client(now, network, MemoryStore::new());
        assert!(self.client.add(self.channel, tower_id(), PRICE_MAX, self.days));
    }

    pub fn restart_tower(&mut self, network: byway_primitives::NetworkId) {
        self.tower = Watchtower::load(tower_id(), network, &self.disks[1]).unwrap();
    }
}

/// A channel that Alice has watched, and its watchtower.
pub fn watched() -> (Rig, Pair) {
    watched_on(terms(), 1)
}

pub fn watched_on(terms: TowerTerms, days: u64) -> (Rig, Pair) {
    let mut rig = Rig::new();
    rig.pay(1, 1_000);
    rig.exchange();
    let mut pair = Pair::new(&mut rig, terms, days);
    note(&rig, &mut pair);
    (rig, pair)
}

/// Where Alice stands.
pub fn standing(rig: &Rig) -> Standing {
    let machine = &rig.parties[0].machine;
    let (secret, state, is_heard) = (machine.peer_secret().unwrap(), machine.cosigned(), machine.is_heard());
    Standing { secret, side: Side::Initiator, state, is_heard }
}

/// Says where Alice stands, and shows both the ledger.
pub fn note(rig: &Rig, pair: &mut Pair) {
    pair.client.note(rig.now, pair.channel, standing(rig));
    pair.run(rig.now);
    pair.look(rig.now, &rig.entry());
}

/// The other closes with this state, and Alice is not there.
pub fn close(rig: &mut Rig, state: Option<Cosigned<ChannelState>>) {
    let channel = rig.machine(0).id().unwrap();
    rig.parties.iter_mut().for_each(|party| party.is_watching = false);
    let close = ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: crate::scene::SECRET, state };
    assert_eq!(rig.submit(1, close), Verdict::Final);
}
