//! One node: its market, its disk, and what a crash leaves of that.

use std::collections::VecDeque;
use std::sync::Arc;

use byway_access::service::{Services, Socks};
use byway_access::session::{ClientConfig, ProviderConfig};
use byway_channel::{ChannelNews, SharedSigner};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::{BackingKind, GiveConfig, TakeConfig};
use byway_dialogue::{Config, LinkId, Local, StaticCertificate};
use byway_peer::market::{Market, MarketConfig, MarketNews};
use byway_primitives::{Amount, Batch, IdentityId, MemoryStore, Span, Time, Token};

use super::{NETWORK, SEEDS};
use crate::strict::{Ever, StrictSigner};
use crate::terms::{Others, Terms};

/// What may leave a node now: a frame, and on which link.
pub type Frame = (LinkId, Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Client,
    Provider,
}

pub struct Node {
    pub secret: IdentitySecret,
    /// Whatever it has signed in channels, in all its lives.
    pub ever: Ever,
    static_secret: [u8; 32],
    pub market: Market,
    /// What reads show.
    pub store: MemoryStore,
    /// What a crash leaves.
    pub durable: MemoryStore,
    pub pending: VecDeque<(Time, Token, Batch)>,
    pub durable_to: Option<Token>,
    pub held: VecDeque<(Token, LinkId, Vec<u8>)>,
    /// What the ledger is to be handed, until what was written by then is durable.
    pub held_calls: VecDeque<(Option<Token>, MarketNews)>,
    pub wake: Option<Time>,
    pub writes: usize,
    /// Whether its process runs.
    pub is_up: bool,
}

pub fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Provider,
        Side::Provider => Side::Client,
    }
}

impl Node {
    pub fn new(name: &[u8], seed: u64, now: Time, terms: Terms) -> Self {
        let secret = IdentitySecret::from_bytes(&SEEDS.hash(&[b"identity", name]).0).expect("a key");
        let static_secret = SEEDS.hash(&[b"static", name]).0;
        let store = MemoryStore::new();
        let (keys, ever) = ((&secret, static_secret), Ever::default());
        let market = open(keys, &ever, &store, now, SEEDS.hash(&[name, &seed.to_le_bytes()]).0, terms);
        Self {
            secret,
            ever,
            static_secret,
            market,
            durable: store.clone(),
            store,
            pending: VecDeque::new(),
            durable_to: None,
            held: VecDeque::new(),
            held_calls: VecDeque::new(),
            wake: None,
            writes: 0,
            is_up: true,
        }
    }

    /// Who signs for it in its channels, in a life of its own.
    pub fn signer(&self) -> SharedSigner {
        signer(&self.secret, &self.ever)
    }

    pub fn id(&self) -> IdentityId {
        self.secret.id()
    }

    pub fn certificate(&self) -> StaticCertificate {
        StaticCertificate::issue(&self.secret, NETWORK, StaticKey::of(&self.static_secret), Time(u64::MAX))
    }

    /// Reads show it at once; it is durable at `at`, or when the one before is.
    pub fn write(&mut self, at: Time, token: Token, batch: Batch) {
        self.store.apply(&batch);
        let at = self.pending.back().map_or(at, |(before, ..)| at.max(*before));
        self.pending.push_back((at, token, batch));
        self.writes += 1;
    }

    /// The message, if it may leave now; else it is kept until what it waits for is durable.
    pub fn send(&mut self, to: LinkId, message: Vec<u8>, after: Option<Token>) -> Option<Frame> {
        match after.filter(|token| self.durable_to < Some(*token)) {
            Some(token) => {
                self.held.push_back((token, to, message));
                None
            }
            None => Some((to, message)),
        }
    }

    /// Makes due writes durable, and gives what was waiting for them.
    pub fn sync(&mut self, now: Time) -> Vec<Frame> {
        while let Some((_, token, batch)) = self.pending.pop_front_if(|(at, ..)| *at <= now) {
            self.durable.apply(&batch);
            self.durable_to = Some(token);
            self.market.handle_durable(now, token, &self.store);
        }
        let mut ready = Vec::new();
        while let Some((_, link, frame)) = self.held.pop_front_if(|(token, ..)| self.durable_to >= Some(*token)) {
            ready.push((link, frame));
        }
        ready
    }

    /// Keeps what the ledger is to be handed until all that is written by now is durable. Gives back what is nothing for the ledger.
    pub fn hold(&mut self, news: MarketNews) -> Option<MarketNews> {
        let is_for_ledger = match &news {
            MarketNews::Submit { .. } => true,
            MarketNews::Channel { news, .. } => matches!(**news, ChannelNews::Fund(_)),
            _ => false,
        };
        if !is_for_ledger {
            return Some(news);
        }
        self.held_calls.push_back((self.pending.back().map(|(_, token, _)| *token), news));
        None
    }

    /// What the ledger may be handed now.
    pub fn next_call(&mut self) -> Option<MarketNews> {
        self.held_calls.pop_front_if(|(after, _)| *after <= self.durable_to).map(|(_, news)| news)
    }

    /// The process is gone. Of the writes under way the first `survive` got to the disk.
    pub fn kill(&mut self, survive: usize) {
        self.pending.drain(..).take(survive).for_each(|(_, _, batch)| self.durable.apply(&batch));
        self.held.clear();
        self.held_calls.clear();
        (self.durable_to, self.wake, self.is_up) = (None, None, false);
    }

    /// The process starts again, with what the disk holds.
    pub fn start(&mut self, now: Time, seed: [u8; 32], terms: Terms) {
        self.store = self.durable.clone();
        self.is_up = true;
        let keys = (&self.secret, self.static_secret);
        self.market = open(keys, &self.ever, &self.store, now, seed, terms);
    }
}

fn signer(secret: &IdentitySecret, ever: &Ever) -> SharedSigner {
    Arc::new(StrictSigner::new(secret.clone(), ever))
}

fn open(
    (secret, static_secret): (&IdentitySecret, [u8; 32]),
    ever: &Ever,
    store: &MemoryStore,
    now: Time,
    seed: [u8; 32],
    terms: Terms,
) -> Market {
    let certificate = StaticCertificate::issue(secret, NETWORK, StaticKey::of(&static_secret), Time(u64::MAX));
    let local = Local::new(certificate, static_secret).expect("the key fits its certificate");
    let config = MarketConfig {
        network: NETWORK,
        identity: secret.clone(),
        signer: Some(signer(secret, ever)),
        dialogue: Config::new(NETWORK),
        give: GIVE,
        take: take(terms),
        provider: ProviderConfig { ceiling: terms.window_ceiling, ..ProviderConfig::default() },
        client: ClientConfig { ceiling: terms.window_ceiling, ..ClientConfig::default() },
        warnings: (terms.others != Others::NotAsked).then(Default::default),
        services: services(),
    };
    Market::open(config, local, store, now, seed).expect("opens")
}

pub const GIVE: GiveConfig = GiveConfig { day_max: Amount::MAX };

pub fn take(terms: Terms) -> TakeConfig {
    TakeConfig {
        amount_min: Amount::ZERO,
        backing: BackingKind::Account,
        update: true,
        exposure_max: Amount::ZERO,
        settle_at: terms.settle_at,
        risk: Default::default(),
        advice_wait: Span::seconds(2),
    }
}

pub fn services() -> Services {
    Services::new([Box::new(Socks { connections_max: 8 }) as Box<dyn byway_access::ServiceKind>])
}
