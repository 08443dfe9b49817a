//! Two sides joined by hand: frames stand in queues until the test delivers, drops, repeats or changes them, and what is
//! to be persisted is durable at once.

use std::collections::VecDeque;

use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::{Effect, Hash, IdentityId, MemoryStore, NetworkId, Span, Time, Timer};

use crate::{Config, Dialogues, Durability, Link, LinkId, LinkProfile, Local, News, ProtocolId, StaticCertificate};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const START: Time = Time(1_000_000);
pub const PROTOCOL: ProtocolId = ProtocolId(900);

/// The side with the lower id, and the other.
pub const LOW: usize = 0;
pub const HIGH: usize = 1;

/// Two identities, the lower id first.
pub fn identities() -> [IdentitySecret; 2] {
    let mut pair = [1, 2].map(|byte| IdentitySecret::from_bytes(&[byte; 32]).expect("a key"));
    pair.sort_by_key(IdentitySecret::id);
    pair
}

pub fn local_of(identity: &IdentitySecret, not_after: Time) -> Local {
    let mut secret = *identity.as_bytes();
    secret[0] ^= 0x55;
    let certificate = StaticCertificate::issue(identity, NETWORK, StaticKey::of(&secret), not_after);
    Local::new(certificate, secret).expect("they fit")
}

pub fn far() -> Time {
    START + Span::days(365)
}

pub fn stream(id: u64) -> Link {
    Link { id: LinkId(id), profile: LinkProfile::stream(Span::millis(20)), binding: [id as u8; 32] }
}

pub fn datagram(id: u64) -> Link {
    Link { id: LinkId(id), profile: LinkProfile::datagram(1200, Span::millis(20)), binding: [id as u8; 32] }
}

pub struct Side {
    pub machine: Dialogues,
    pub store: MemoryStore,
    pub local: Local,
    /// Frames that left and were not yet delivered.
    pub sent: VecDeque<(LinkId, Vec<u8>)>,
    pub news: Vec<News>,
    pub timer: Timer,
    seeds: u64,
}

impl Side {
    pub fn new(identity: &IdentitySecret, config: Config) -> Self {
        Self::with(local_of(identity, far()), config, MemoryStore::new(), 0)
    }

    fn with(local: Local, config: Config, store: MemoryStore, seeds: u64) -> Self {
        let mut seed = [0xee; 32];
        seed[..20].copy_from_slice(&local.identity().0);
        seed[20..28].copy_from_slice(&seeds.to_le_bytes());
        let machine = Dialogues::restore(config, local.clone(), &store, START, seed).expect("undamaged");
        let (sent, news) = (VecDeque::new(), Vec::new());
        Self { machine, store, local, sent, news, timer: Timer::default(), seeds: seeds + 1 }
    }

    /// The same side after a crash.
    pub fn restart(self) -> Self {
        Self::with(self.local, self.machine.config.clone(), self.store, self.seeds)
    }

    pub fn seed(&mut self) -> [u8; 32] {
        self.seeds += 1;
        let mut seed = [0xdd; 32];
        seed[..20].copy_from_slice(&self.local.identity().0);
        seed[20..28].copy_from_slice(&self.seeds.to_le_bytes());
        seed
    }

    /// Fetches and carries out the effects.
    pub fn pump(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Persist { batch, .. } => self.store.apply(&batch),
                Effect::Send { to, message, .. } => self.sent.push_back((to, message)),
                Effect::WakeAt(time) => drop(self.timer.set(time)),
                Effect::Notify(news) => self.news.push(news),
            }
        }
    }

    pub fn handle(&mut self, now: Time, link: LinkId, frame: &[u8]) {
        let seed = self.seed();
        self.machine.handle_frame(now, link, frame, seed);
        self.pump();
    }

    pub fn opened(&self) -> usize {
        self.news.iter().filter(|news| matches!(news, News::Opened { .. })).count()
    }

    /// The payloads that were delivered.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
        let payload = |news: &News| match news {
            News::Message(delivery) => Some(delivery.bytes.clone()),
            _ => None,
        };
        self.news.iter().filter_map(payload).collect()
    }

    /// Confirms all that was delivered and is not confirmed.
    pub fn confirm_all(&mut self, now: Time) {
        for news in &self.news {
            if let News::Message(delivery) = news {
                // Those of earlier calls are confirmed already and refused as such.
                let _ = self.machine.confirm(now, delivery.receipt, byway_primitives::Batch::new());
            }
        }
        self.pump();
    }
}

pub struct Pair {
    pub now: Time,
    pub sides: [Side; 2],
    /// Every frame that the lower's side sent and that was delivered.
    pub recorded: Vec<Vec<u8>>,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Config::new(NETWORK))
    }

    pub fn with(config: Config) -> Self {
        Self {
            now: START,
            sides: identities().map(|identity| Side::new(&identity, config.clone())),
            recorded: Vec::new(),
        }
    }

    /// A pair with a dialogue on the link.
    pub fn open_on(link: Link) -> Self {
        let mut pair = Self::new();
        let id = link.id;
        pair.link(link);
        pair.open(LOW, id);
        pair.run();
        assert_eq!((pair.sides[LOW].opened(), pair.sides[HIGH].opened()), (1, 1));
        pair
    }

    pub fn id(&self, side: usize) -> IdentityId {
        self.sides[side].local.identity()
    }

    pub fn link(&mut self, link: Link) {
        for side in &mut self.sides {
            assert!(side.machine.attach(link.clone()));
        }
    }

    pub fn link_one(&mut self, side: usize, link: Link) {
        assert!(self.sides[side].machine.attach(link));
    }

    /// Lets the opening finish, and sends a message.
    pub fn send_after_open(&mut self, side: usize, text: &[u8]) {
        self.run();
        self.send(side, text, Durability::Durable);
        self.run();
    }

    pub fn open(&mut self, side: usize, link: LinkId) {
        let other = *self.sides[1 - side].local.certificate();
        let seed = self.sides[side].seed();
        let opened = self.sides[side].machine.open(self.now, other.identity, &other, link, seed);
        opened.expect("can be opened");
        self.sides[side].pump();
    }

    pub fn send(&mut self, side: usize, text: &[u8], durability: Durability) {
        let to = self.id(1 - side);
        self.sides[side].machine.send(self.now, to, PROTOCOL, text.to_vec(), durability).expect("can be sent");
        self.sides[side].pump();
    }

    /// Delivers the oldest frame that `from` has sent.
    pub fn deliver(&mut self, from: usize) -> bool {
        let Some((link, frame)) = self.sides[from].sent.pop_front() else { return false };
        self.sides[1 - from].handle(self.now, link, &frame);
        if from == LOW {
            self.recorded.push(frame);
        }
        true
    }

    /// Delivers until nothing is under way, without time passing.
    pub fn run(&mut self) {
        while self.deliver(LOW) || self.deliver(HIGH) {}
    }

    /// Time passes, and everything that becomes due is done and delivered.
    pub fn pass(&mut self, span: Span) {
        let end = self.now + span;
        self.run();
        while let Some(at) = self.sides.iter().filter_map(|side| side.timer.at()).min().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            for side in &mut self.sides {
                if side.timer.goes_off(self.now) {
                    side.machine.handle_wake(self.now);
                    side.pump();
                }
            }
            self.run();
        }
        self.now = end;
    }

    pub fn detach(&mut self, link: LinkId) {
        for side in &mut self.sides {
            side.machine.detach(self.now, link);
            side.sent.retain(|(on, _)| *on != link);
            side.pump();
        }
    }

    pub fn restart(&mut self, side: usize) {
        let [low, high] =
            std::mem::replace(&mut self.sides, identities().map(|id| Side::new(&id, Config::new(NETWORK))));
        self.sides = match side {
            LOW => [low.restart(), high],
            _ => [low, high.restart()],
        };
        self.sides[side].pump();
    }

    /// Both hold the same dialogue on the same link.
    pub fn agreed(&self) -> Option<LinkId> {
        let [low, high] = [LOW, HIGH].map(|side| self.sides[side].machine.dialogue(self.id(1 - side)));
        let (low, high) = (low?, high?);
        (low.id() == high.id() && low.link() == high.link()).then(|| low.link()).flatten()
    }
}
