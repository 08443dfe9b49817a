//! One side: its machines, its disk and its data plane.

use std::collections::{BTreeMap, VecDeque};

use byway_access::session::{
    Client, ClientConfig, ClientNews, Counters, Limit, Provider, ProviderConfig, ProviderNews, Sale, SessionId, Sides,
    Traffic,
};
use byway_access::{Services, SessionMessage, Socks};
use byway_crypto::IdentitySecret;
use byway_dialogue::payment::{
    BackingKind, GiveConfig, Parties, Path, PaymentMessage, PaymentNews, Payments, Spender, TakeConfig,
};
use byway_primitives::{Amount, AssetId, Batch, Effect, Hash, IdentityId, MemoryStore, NetworkId, Span, Time, Token};
use byway_records::OfferId;
use byway_records::offer::Service;

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const CLIENT: usize = 0;
pub const PROVIDER: usize = 1;
pub const OFFER: OfferId = OfferId(Hash([3; 32]));
/// Units per MB: one byte costs 3 units.
pub const PRICE: Amount = Amount::from_units(3_000_000);
/// Units per second: one millisecond costs 100 units.
pub const PER_SECOND: Amount = Amount::from_units(100_000);
/// The most that either side lets the other run ahead: 512 KiB.
pub const CEILING: Amount = Amount::from_units(3 * 512 * 1024);

pub fn secret(who: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[who as u8 + 1; 32]).unwrap()
}

pub fn id(who: usize) -> IdentityId {
    secret(who).id()
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a test's queue holds a handful")]
pub enum Message {
    Payment(PaymentMessage),
    Session(SessionMessage),
}

/// Which machine wrote a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    Payments,
    Sessions,
}

pub enum Role {
    Client(Client),
    Provider(Provider),
}

/// The data plane of one session: the client counts what it sent and received, the provider what it received and sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plane {
    pub counted: Traffic,
    pub limit: u64,
    /// Which limit that is.
    pub number: u64,
    /// The limit that last had no room for a packet.
    pub short_of: Option<u64>,
}

pub struct Node {
    pub who: usize,
    pub payments: Payments,
    pub role: Role,
    pub disk: MemoryStore,
    pub pending: VecDeque<(Machine, Token, Batch)>,
    held: BTreeMap<Machine, VecDeque<(Option<Token>, Message)>>,
    pub planes: BTreeMap<SessionId, Plane>,
    /// Whether data channels are up as soon as they are asked for.
    pub is_quick: bool,
    pub news: Vec<PaymentNews>,
    pub client_news: Vec<ClientNews>,
    pub provider_news: Vec<ProviderNews>,
    pub writes: u64,
    pub wakes: Vec<Time>,
}

fn parties(who: usize) -> Parties {
    Parties { network: NETWORK, me: id(who), peer: id(1 - who), asset: AssetId::WAY }
}

fn payments(who: usize, disk: &MemoryStore) -> Payments {
    let give = GiveConfig { day_max: Amount::from_coins(1) };
    let take = TakeConfig {
        amount_min: Amount::from_units(1),
        backing: BackingKind::Account,
        update: true,
        exposure_max: Amount::from_coins(1),
        settle_at: Amount::from_coins(1),
        risk: Default::default(),
        advice_wait: Span::seconds(5),
    };
    Payments::restore(parties(who), secret(who), give, take, disk).unwrap()
}

fn path() -> Path {
    Path { rate_bytes_per_second: 2_000_000, round_trip: Span::millis(60), commits: Span::millis(20) }
}

pub fn sides() -> Sides {
    Sides { client: id(CLIENT), provider: id(PROVIDER) }
}

pub fn client_config() -> ClientConfig {
    ClientConfig {
        ceiling: CEILING,
        round_trip: Span::millis(60),
        commits: Span::millis(20),
        ..ClientConfig::default()
    }
}

fn provider_config() -> ProviderConfig {
    let pause_grace = Span::seconds(20);
    ProviderConfig { ceiling: CEILING, path: path(), pause_grace, ..ProviderConfig::default() }
}

fn role(who: usize, now: Time, disk: &MemoryStore) -> Role {
    let services = Services::new([Box::new(Socks { connections_max: 8 }) as Box<_>]);
    if who == CLIENT {
        Role::Client(Client::restore(sides(), client_config(), services, now, disk).unwrap())
    } else {
        let mut provider = Provider::restore(sides(), provider_config(), services, now, disk).unwrap();
        let sale = Sale { service: Service::SOCKS, per_mb: Some(PRICE), per_second: Some(PER_SECOND) };
        provider.sell([(OFFER, sale)].into());
        Role::Provider(provider)
    }
}

impl Node {
    pub fn new(who: usize, now: Time) -> Self {
        let disk = MemoryStore::new();
        let mut node = Self {
            who,
            payments: payments(who, &disk),
            role: role(who, now, &disk),
            disk,
            pending: VecDeque::new(),
            held: BTreeMap::new(),
            planes: BTreeMap::new(),
            is_quick: true,
            news: Vec::new(),
            client_news: Vec::new(),
            provider_news: Vec::new(),
            writes: 0,
            wakes: Vec::new(),
        };
        node.start(now);
        node
    }

    /// Memory and what was not durable are gone.
    pub fn restart(&mut self, now: Time) {
        self.pending.clear();
        self.held.clear();
        self.planes.clear();
        self.payments = payments(self.who, &self.disk);
        self.role = role(self.who, now, &self.disk);
        self.start(now);
    }

    fn start(&mut self, now: Time) {
        self.pay(now, |payments, _| payments.start());
        match &mut self.role {
            Role::Client(client) => {
                let effects = client.start(now);
                self.client_effects(now, effects);
            }
            Role::Provider(provider) => {
                let effects = provider.start(now);
                self.provider_effects(now, effects);
            }
        }
    }

    pub fn attach(&mut self, now: Time) {
        self.pay(now, |payments, _| payments.attach(now));
        if self.who == CLIENT {
            self.client(now, |client| client.handle_attached(now));
        } else {
            self.provider(now, |provider| provider.handle_attached(now));
        }
    }

    pub fn detach(&mut self, now: Time) {
        self.held.clear();
        self.payments.detach();
        if self.who == CLIENT {
            self.client(now, |client| client.handle_detached(now));
        } else {
            self.provider(now, |provider| provider.handle_detached(now));
        }
    }

    pub fn pay(
        &mut self,
        now: Time,
        act: impl FnOnce(&mut Payments, Time) -> Vec<byway_dialogue::payment::PaymentEffect>,
    ) {
        for effect in act(&mut self.payments, now) {
            match effect {
                Effect::Persist { batch, token } => self.pending.push_back((Machine::Payments, token, batch)),
                Effect::Send { message, after, .. } => self.hold(Machine::Payments, after, Message::Payment(message)),
                Effect::WakeAt(time) => self.wakes.push(time),
                Effect::Notify(news) => {
                    if let PaymentNews::Credited { received } = news {
                        self.provider(now, |provider| provider.handle_credit(now, received));
                    }
                    self.news.push(news);
                }
            }
        }
    }

    pub fn client(&mut self, now: Time, act: impl FnOnce(&mut Client) -> Vec<byway_access::session::ClientEffect>) {
        if let Role::Client(client) = &mut self.role {
            client.note_ahead(self.payments.ahead());
            let effects = act(client);
            self.client_effects(now, effects);
        }
    }

    pub fn provider(
        &mut self,
        now: Time,
        act: impl FnOnce(&mut Provider) -> Vec<byway_access::session::ProviderEffect>,
    ) {
        if let Role::Provider(provider) = &mut self.role {
            let effects = act(provider);
            self.provider_effects(now, effects);
        }
    }

    fn client_effects(&mut self, now: Time, effects: Vec<byway_access::session::ClientEffect>) {
        for effect in effects {
            match effect {
                Effect::Persist { batch, token } => self.pending.push_back((Machine::Sessions, token, batch)),
                Effect::Send { message, after, .. } => self.hold(Machine::Sessions, after, Message::Session(message)),
                Effect::WakeAt(time) => self.wakes.push(time),
                Effect::Notify(news) => {
                    match &news {
                        ClientNews::Spent { total } => {
                            let total = *total;
                            self.pay(now, |payments, now| payments.spend(now, Spender::SESSIONS, total));
                        }
                        ClientNews::PayAhead(ahead) => {
                            let ahead = *ahead;
                            self.pay(now, |payments, now| payments.stay_ahead(now, ahead));
                        }
                        ClientNews::Connect { session, .. } => {
                            let session = *session;
                            self.planes.insert(session, Plane::default());
                            if self.is_quick {
                                self.client(now, |client| client.handle_channel(now, session, Ok::<(), ()>(())));
                            }
                        }
                        ClientNews::Halt { session } => {
                            self.planes.remove(session);
                        }
                        _ => {}
                    }
                    self.client_news.push(news);
                }
            }
        }
    }

    fn provider_effects(&mut self, now: Time, effects: Vec<byway_access::session::ProviderEffect>) {
        for effect in effects {
            match effect {
                Effect::Persist { batch, token } => self.pending.push_back((Machine::Sessions, token, batch)),
                Effect::Send { message, after, .. } => self.hold(Machine::Sessions, after, Message::Session(message)),
                Effect::WakeAt(time) => self.wakes.push(time),
                Effect::Notify(news) => {
                    match news {
                        ProviderNews::Earned { total } => {
                            self.pay(now, |payments, _| payments.earn(Spender::SESSIONS, total));
                        }
                        ProviderNews::Serve { session, limit, .. } => {
                            let Limit { number, bytes: limit } = limit;
                            self.planes.insert(session, Plane { limit, number, ..Plane::default() });
                        }
                        ProviderNews::Limit { session, limit } => {
                            if let Some(plane) = self.planes.get_mut(&session) {
                                (plane.limit, plane.number) = (limit.bytes, limit.number);
                            }
                        }
                        ProviderNews::Halt { session } => {
                            self.planes.remove(&session);
                        }
                        ProviderNews::Ended { .. } | ProviderNews::Judge { .. } | ProviderNews::Unjudged { .. } => {}
                    }
                    self.provider_news.push(news);
                }
            }
        }
    }

    fn hold(&mut self, machine: Machine, after: Option<Token>, message: Message) {
        self.held.entry(machine).or_default().push_back((after, message));
    }

    /// The messages whose writes are durable.
    pub fn release(&mut self) -> Vec<Message> {
        let mut free = Vec::new();
        for (machine, held) in &mut self.held {
            let first = self.pending.iter().find(|(writer, ..)| writer == machine).map(|(_, token, _)| *token);
            while let Some((after, _)) = held.front() {
                if first.is_some_and(|first| *after >= Some(first)) {
                    break;
                }
                free.extend(held.pop_front().map(|(_, message)| message));
            }
        }
        free
    }

    /// The data planes report.
    pub fn report(&mut self, now: Time) {
        for (session, plane) in self.planes.clone() {
            let bound = plane.limit.max(plane.counted.total());
            let is_short = plane.short_of == Some(plane.limit);
            let counters = Counters { traffic: plane.counted, limit: plane.number, bound, is_short };
            self.client(now, |client| client.handle_counters(now, session, counters.traffic));
            self.provider(now, |provider| provider.handle_counters(now, session, counters));
        }
    }

    pub fn handle(&mut self, now: Time, message: Message) {
        match message {
            Message::Payment(message) => self.pay(now, |payments, now| payments.handle_message(now, message)),
            Message::Session(message) if self.who == CLIENT => {
                self.client(now, |client| client.handle_message(now, message));
            }
            Message::Session(message) => self.provider(now, |provider| provider.handle_message(now, message)),
        }
    }

    pub fn wake(&mut self, now: Time) {
        let due = self.wakes.iter().filter(|at| **at <= now).count();
        if due == 0 {
            return;
        }
        self.wakes.retain(|at| *at > now);
        self.pay(now, |payments, now| payments.handle_wake(now));
        self.client(now, |client| client.handle_wake(now));
        self.provider(now, |provider| provider.handle_wake(now));
    }
}
