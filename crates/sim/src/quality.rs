//! A market in which some providers serve badly and a crowd of fresh identities says otherwise (row A2).
//!
//! The machines of [`byway_access::quality`] and the index are the production ones, and words travel as encoded messages. Days
//! pass instead of milliseconds, and what a session shows is drawn instead of carried: so clients can look around for weeks
//! in a moment. Each day every client uses what it ranks first, and asks that provider what it knows; providers ask their
//! clients.
//!
//! Adversaries: a *slow* and a *lying* provider, cheaper than all others, pass on the crowd's words alone. Each of the *crowd*
//! tells whoever asks that these are excellent and that the good ones cheat. It is registered, and has paid the bad ones, which
//! costs it a fee; it has paid no good one.

use std::collections::BTreeMap;

use byway_access::discovery::{Index, LedgerClock, Query};
use byway_access::quality::weighing::Attester;
use byway_access::quality::{
    Attestation, Attestations, Exchange, Measurement, Measurements, QualityMessage, Rating, Seen, SignedAttestation,
    Sort, agreement, rate,
};
use byway_crypto::IdentitySecret;
use byway_primitives::codec::decode_exact;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Encode, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::Offer;
use byway_records::offer::{Location, Price, Service, Unit};
use byway_records::state::{Deadline, PublishedOffer, offer_key};

use crate::random::Random;

const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const KEYS: Context = Context("byway test quality keys");
const START: Time = Time(20_000 * 86_400_000);
const CLOCK: LedgerClock = LedgerClock { time: Time(0), commits: 0 };
/// Honest clients have been there for so long, and have a history.
const ESTABLISHED: (Span, u16) = (Span::days(100), 700);
/// The crowd came for this.
const FRESH: (Span, u16) = (Span::days(3), 500);
const SOLD: Service = Service::SOCKS;

/// How a provider serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    Well,
    /// It is reached, and of no use.
    Slowly,
    /// It bills what it has not carried.
    Lying,
}

/// How the market is set up.
#[derive(Debug, Clone, Copy)]
pub struct QualityPlan {
    pub seed: u64,
    pub good: usize,
    pub clients: usize,
    pub crowd: usize,
}

struct Provider {
    id: IdentityId,
    serving: Serving,
    /// What it was told by its clients, and passes on.
    words: Attestations,
    exchange: Exchange,
}

struct Client {
    secret: IdentitySecret,
    measured: Measurements,
    words: Attestations,
    exchange: Exchange,
    index: Index,
}

/// See the [module](self).
pub struct QualitySim {
    now: Time,
    random: Random,
    providers: Vec<Provider>,
    clients: Vec<Client>,
    /// The crowd's words, made once a day.
    crowd: Vec<IdentitySecret>,
    attesters: BTreeMap<IdentityId, (Span, u16)>,
    /// Who has paid whom.
    paid: std::collections::BTreeSet<(IdentityId, IdentityId)>,
}

fn secret(kind: &[u8], number: usize) -> IdentitySecret {
    let seed = KEYS.hash(&[kind, &(number as u64).to_le_bytes()]).0;
    IdentitySecret::from_bytes(&seed).expect("a digest is a key, but for one in 2¹²⁸")
}

/// The offer of a provider at so many units per megabyte.
fn offer(provider: &IdentitySecret, units: u128) -> (Vec<u8>, Vec<u8>) {
    let place = Location { country: "DE".parse().expect("a country"), asn: 1 };
    let price = Price { unit: Unit::Mb, amount: Amount::from_units(units), asset: AssetId::WAY, reputation_min: 0 };
    let offer = Offer {
        provider: provider.id(),
        serial: 1,
        service: SOLD,
        location: place,
        exit: place,
        bandwidth_bps: 100_000_000,
        prices: vec![price],
        exit_policy: Vec::new(),
        contacts: Vec::new(),
    };
    let key = offer_key(offer.provider, offer.serial);
    let expires = Deadline { time: Time(u64::MAX), commits: u64::MAX };
    let published = PublishedOffer { offer: offer.sign(provider, NETWORK), published: Time(0), expires };
    (key, published.to_bytes())
}

impl QualitySim {
    pub fn new(plan: QualityPlan) -> Self {
        let serving = [Serving::Slowly, Serving::Lying].into_iter().chain(vec![Serving::Well; plan.good]);
        let sellers: Vec<(IdentitySecret, Serving)> =
            serving.enumerate().map(|(number, serving)| (secret(b"provider", number), serving)).collect();
        let mut random = Random::from_seed(plan.seed);
        let price = |random: &mut Random, serving| match serving {
            Serving::Well => u128::from(900 + random.below(200)),
            Serving::Slowly | Serving::Lying => u128::from(700 + random.below(100)),
        };
        let offers: Vec<_> =
            sellers.iter().map(|(secret, serving)| offer(secret, price(&mut random, *serving))).collect();
        let provider = |(secret, serving): &(IdentitySecret, Serving)| Provider {
            id: secret.id(),
            serving: *serving,
            words: Attestations::default(),
            exchange: Exchange::new(NETWORK),
        };
        let mut sim = Self {
            now: START,
            random,
            providers: sellers.iter().map(provider).collect(),
            clients: Vec::new(),
            crowd: (0..plan.crowd).map(|number| secret(b"crowd", number)).collect(),
            attesters: BTreeMap::new(),
            paid: Default::default(),
        };
        for number in 0..plan.clients {
            let secret = secret(b"client", number);
            let mut index = Index::new();
            offers.iter().for_each(|(key, value)| index.apply(key, Some(value)).expect("it decodes"));
            sim.attesters.insert(secret.id(), ESTABLISHED);
            let (measured, words) = (Measurements::default(), Attestations::default());
            sim.clients.push(Client { secret, measured, words, exchange: Exchange::new(NETWORK), index });
        }
        for member in &sim.crowd {
            sim.attesters.insert(member.id(), FRESH);
            let bad = sim.providers.iter().filter(|provider| provider.serving != Serving::Well);
            sim.paid.extend(bad.map(|provider| (member.id(), provider.id)));
        }
        sim
    }

    /// Lets a day pass. How each client's provider served it.
    pub fn day(&mut self) -> Vec<Serving> {
        self.now = self.now + Span::days(1);
        self.gather_crowd();
        let mut served = Vec::new();
        for client in 0..self.clients.len() {
            let provider = self.choice(client);
            self.use_provider(client, provider);
            self.tell_provider(client, provider);
            self.ask_provider(client, provider);
            self.rate_all(client);
            served.push(self.providers[provider].serving);
        }
        served
    }

    /// The provider that a client ranks first.
    pub fn choice(&self, client: usize) -> usize {
        let query = Query { sort: Sort::Both, ..Query::by_megabyte(SOLD) };
        let first = self.clients[client].index.candidates(query, CLOCK).next().expect("there are offers");
        let provider = first.offer.offer.provider;
        self.providers.iter().position(|known| known.id == provider).expect("all are known")
    }

    pub fn serving(&self, provider: usize) -> Serving {
        self.providers[provider].serving
    }

    pub fn providers(&self) -> usize {
        self.providers.len()
    }

    /// How a client rates a provider, and how it would if the crowd had said nothing.
    pub fn ratings(&self, client: usize, provider: usize) -> (Rating, Rating) {
        let is_crowd = |word: &Attestation| self.crowd.iter().any(|member| member.id() == word.attester);
        (self.rating(client, provider, |_| true), self.rating(client, provider, |word| !is_crowd(word)))
    }

    fn of(&self, provider: usize) -> (IdentityId, Service) {
        (self.providers[provider].id, SOLD)
    }

    /// The crowd talks with every provider.
    fn gather_crowd(&mut self) {
        let now = self.now;
        for member in 0..self.crowd.len() {
            for about in 0..self.providers.len() {
                let seen: &[Seen] = match self.providers[about].serving {
                    Serving::Well => &[Seen::Unreached, Seen::Cheated],
                    _ => &[Seen::Opened, Seen::Latency(Span::millis(5)), Seen::Throughput(1 << 30), Seen::Kept],
                };
                let mut invented = Measurement::default();
                seen.iter().for_each(|seen| invented.note(now, *seen));
                let said = Attestation::of(self.crowd[member].id(), self.of(about), &invented).expect("of another");
                let word = said.sign(NETWORK, &self.crowd[member]).verify(NETWORK, now).expect("it signed it");
                for provider in &mut self.providers {
                    provider.words.take(now, word, FRESH.1);
                }
            }
        }
    }

    /// What a session shows.
    fn use_provider(&mut self, client: usize, provider: usize) {
        let of = self.of(provider);
        let (latency, rate) = match self.providers[provider].serving {
            Serving::Well | Serving::Lying => (20 + self.random.below(150), (1 << 20) + self.random.below(1 << 24)),
            Serving::Slowly => (1000 + self.random.below(4000), 1000 + self.random.below(20_000)),
        };
        let mut seen = vec![Seen::Opened, Seen::Latency(Span::millis(latency)), Seen::Throughput(rate)];
        seen.push(match self.providers[provider].serving {
            Serving::Lying => Seen::Cheated,
            // Lines break, also those of honest providers.
            _ if self.random.one_in(20) => Seen::Broken,
            _ => Seen::Kept,
        });
        let me = &mut self.clients[client];
        for seen in seen {
            me.measured.note(self.now, of, seen);
        }
        self.paid.insert((me.secret.id(), of.0));
    }

    /// A provider asks its client what it knows. Bad ones don't want to know.
    fn tell_provider(&mut self, client: usize, provider: usize) {
        let (now, start) = (self.now, IdentityId([self.random.below(256) as u8; 20]));
        let standing = self.attesters.clone();
        let (me, asking) = (&mut self.clients[client], &mut self.providers[provider]);
        if asking.serving != Serving::Well {
            return;
        }
        let Some(question) = asking.exchange.ask(me.secret.id(), start) else { return };
        let QualityMessage::Ask { .. } = over_the_wire(&question) else { panic!("a question comes as one") };
        assert!(me.exchange.may_ask(now, asking.id), "once a day is not too often");
        let own = me.measured.iter().filter(|((about, _), _)| *about != asking.id);
        let said = own.filter_map(|(of, own)| Attestation::of(me.secret.id(), *of, own));
        let told = said.map(|said| said.sign(NETWORK, &me.secret)).collect();
        for word in hear(&mut asking.exchange, now, me.secret.id(), told) {
            asking.words.take(now, word, standing[&word.get().attester].1);
        }
    }

    /// A client asks its provider, and three others that it might as well use, what they know.
    fn ask_provider(&mut self, client: usize, provider: usize) {
        let count = self.providers.len();
        let others: Vec<usize> = (0..3).map(|_| self.random.below(count as u64) as usize).collect();
        for asked in [provider].into_iter().chain(others) {
            let (now, start) = (
                self.now,
                IdentityId(
                    KEYS.hash(&[&self.random.below(1 << 32).to_le_bytes()]).0[..20].try_into().expect("twenty bytes"),
                ),
            );
            let standing = &self.attesters;
            let (me, them) = (&mut self.clients[client], &mut self.providers[asked]);
            let Some(_) = me.exchange.ask(them.id, start) else { continue };
            let told = them.words.from(now, start).take(byway_access::quality::exchange::TOLD_MAX).collect();
            for word in hear(&mut me.exchange, now, them.id, told) {
                if word.get().attester != me.secret.id() {
                    me.words.take(now, word, standing[&word.get().attester].1);
                }
            }
        }
    }

    fn rate_all(&mut self, client: usize) {
        for provider in 0..self.providers.len() {
            let rating = self.rating(client, provider, |_| true);
            let of = self.of(provider);
            self.clients[client].index.rate(of.0, of.1, Some(rating.quality));
        }
    }

    fn rating(&self, client: usize, provider: usize, counts: impl Fn(&Attestation) -> bool) -> Rating {
        let (me, of) = (&self.clients[client], self.of(provider));
        let words = me.words.on(self.now, of).filter(|word| counts(word));
        let attester = |word: &Attestation| {
            let (age, score) = self.attesters[&word.attester];
            let both = me.measured.iter().filter_map(|(about, own)| {
                let theirs = me.words.word(word.attester, *about)?.figures.quality();
                Some((theirs, own.figures()?.quality()))
            });
            let has_paid = self.paid.contains(&(word.attester, word.provider));
            Attester { score, age, has_paid, agreement: agreement(both) }
        };
        let own = me.measured.of(self.now, of);
        rate(own.as_ref(), words.map(|word| (attester(word), word.figures)))
    }
}

fn over_the_wire(message: &QualityMessage) -> QualityMessage {
    decode_exact(&message.to_bytes()).expect("what is sent decodes")
}

/// What an answer brings.
fn hear(
    exchange: &mut Exchange,
    now: Time,
    from: IdentityId,
    attestations: Vec<SignedAttestation>,
) -> Vec<byway_access::quality::VerifiedAttestation> {
    let QualityMessage::Told { attestations } = over_the_wire(&QualityMessage::Told { attestations }) else {
        panic!("an answer comes as one")
    };
    exchange.handle_told(now, from, &attestations).expect("nobody here forges")
}
