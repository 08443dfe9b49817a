//! How well providers serve: what this node measures of those that it uses, and what others say (row A2).
//!
//! Sessions are measured as they go ([`Actor::saw`] is told by [`connecting`](super::connecting) and [`using`](super::using)), and what
//! was measured is kept in the journal. What others say is heard from whomever this node talks with and kept in memory: after a
//! restart it is asked for again. Both together rate a provider, and the index ranks by that.
//!
//! **What is told.** Only what this node measured of providers with whom the ledger has settled a promise of it, which everyone who reads the
//! ledger sees anyway; never to the provider itself, since it could only hold it against us; and nothing if the user says so. Who
//! sells also passes on what it heard.
//!
//! **What is no provider's fault** is not counted: while no kernel node answers this node takes itself to be offline.

use std::collections::{BTreeMap, BTreeSet};

use byway_access::quality::weighing::Attester;
use byway_access::quality::{
    Attestation, Attestations, Measurement, Measurements, Rating, Seen, SignedAttestation, VerifiedAttestation,
    agreement, rate,
};
use byway_access::session::{SessionId, StopReason};
use byway_driver::disk::Journal;
use byway_driver::entropy;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Batch, Encode, IdentityId, Space, Span, Store, Time};
use byway_records::offer::{Offer, Service};

use super::Actor;
use super::outage::Outage;
use crate::api;

/// What this node measured, by provider and service.
const MEASURED: Space = Space("quality-measured");
/// A peer is asked again what it knows after this, as long as there is a dialogue with it.
const ASK_EVERY: Span = Span::minutes(10);
/// Throughput is the best of the rates in such a span …
const RATE_SPAN: Span = Span::seconds(60);
/// … if so many bytes were wanted in it; else the line was not asked for what it can do.
const DEMAND_MIN: u64 = 1 << 20;
/// Everything is rated anew after this: what was measured fades, and so do words.
const RATE_AGAIN: Span = Span::minutes(60);
/// Providers that are rated anew in one tick.
const RATED_PER_TICK: usize = 16;
/// Own measurements with which an attester's words are compared.
const COMPARED_MAX: usize = 256;
/// Own words in an answer; the rest is of what others said.
const OWN_TOLD_MAX: usize = 16;

/// A provider's service.
type Of = (IdentityId, Service);

/// What is known of how providers serve.
#[derive(Default)]
pub(super) struct Quality {
    measured: Measurements,
    words: Attestations,
    ratings: BTreeMap<Of, Rating>,
    /// To be rated anew.
    stale: BTreeSet<Of>,
    rated_all: Time,
    /// When a session was asked for, by provider.
    opening: BTreeMap<IdentityId, Time>,
    rates: BTreeMap<SessionId, BestRate>,
    pub outage: Outage,
    /// When each peer was last asked.
    asked: BTreeMap<IdentityId, Time>,
}

/// The best rate of a session in a span.
struct BestRate {
    since: Time,
    /// What was counted at its beginning.
    from_bytes: u64,
    bytes: u64,
    /// Bytes per second.
    best: u64,
}

impl Quality {
    pub fn open(journal: &Journal) -> Self {
        let stored = journal.scan_prefix(MEASURED, &[]);
        let known = stored.iter().filter_map(|(key, value)| Some((of_key(key)?, decode_exact(value).ok()?)));
        let measured = Measurements::restore(known);
        let stale = measured.iter().map(|(of, _)| *of).collect();
        Self { measured, stale, ..Self::default() }
    }
}

fn key_of((provider, service): Of) -> Vec<u8> {
    [&provider.0[..], &service.0.to_be_bytes()].concat()
}

fn of_key(key: &[u8]) -> Option<Of> {
    let (provider, service) = key.split_at_checked(20)?;
    let service = u16::from_be_bytes(service.try_into().ok()?);
    Some((IdentityId(provider.try_into().ok()?), Service(service)))
}

/// Measuring.
impl Actor {
    /// Something was seen of a provider.
    pub(super) fn saw(&mut self, of: Of, seen: Seen) {
        let now = self.clock.now();
        tracing::debug!(provider = %of.0, service = %of.1, ?seen, "measured");
        let (measured, gone) = self.quality.measured.note(now, of, seen);
        let mut batch = Batch::new();
        batch.put(MEASURED, key_of(of), measured.to_bytes());
        if let Some(gone) = gone {
            batch.delete(MEASURED, key_of(gone));
        }
        self.write_ledger(batch);
        self.rate(of);
    }

    pub(super) fn session_asked_for(&mut self, provider: IdentityId) {
        self.quality.opening.insert(provider, self.clock.now());
    }

    /// A provider has accepted a session that was asked for.
    pub(super) fn session_accepted(&mut self, of: Of) {
        if let Some(asked) = self.quality.opening.remove(&of.0) {
            let latency = self.clock.now().since(asked);
            self.saw(of, Seen::Latency(latency));
        }
    }

    /// A session could not be had, and that was the provider's doing as far as this node can tell.
    pub(super) fn saw_unreached(&mut self, offer: &Offer) {
        self.quality.opening.remove(&offer.provider);
        // What is between says nothing of who is behind.
        if self.is_online() && self.way_before(offer.provider).is_none() {
            self.saw((offer.provider, offer.service), Seen::Unreached);
        }
    }

    /// A session has ended.
    pub(super) fn saw_end(&mut self, of: Of, session: SessionId, reason: StopReason) {
        self.note_best_rate(of, session);
        self.quality.rates.remove(&session);
        let seen = match reason {
            StopReason::ClientWish | StopReason::SpendingLimit => Seen::Kept,
            // Counted when the false bill came.
            StopReason::OverBilled => return,
            _ if !self.is_online() || self.is_cut_off(of.0) => return,
            _ if self.using.get(&session).is_some_and(|using| using.is_excused) => return,
            _ => Seen::Broken,
        };
        self.saw(of, seen);
    }

    /// Takes note of how fast the sessions in use are. Comes after each look at the counters.
    pub(super) fn measure_rates(&mut self, now: Time) {
        let mut over = Vec::new();
        for (session, using) in &self.using {
            let (bytes, (down, up)) = (using.sampled.1.total(), using.rate);
            let fresh = || BestRate { since: now, from_bytes: 0, bytes, best: 0 };
            let known = self.quality.rates.entry(*session).or_insert_with(fresh);
            known.bytes = bytes;
            known.best = known.best.max(down.saturating_add(up) / 8);
            if now >= known.since + RATE_SPAN {
                over.push((using.provider, *session));
            }
        }
        for (provider, session) in over {
            let service = self.offer_of(session).map_or(Service::SOCKS, |offer| offer.service);
            self.note_best_rate((provider, service), session);
        }
    }

    /// The span is over: the next begins.
    fn note_best_rate(&mut self, of: Of, session: SessionId) {
        let now = self.clock.now();
        let Some(known) = self.quality.rates.get_mut(&session) else { return };
        let (wanted, best) = (known.bytes.saturating_sub(known.from_bytes), known.best);
        *known = BestRate { since: now, from_bytes: known.bytes, bytes: known.bytes, best: 0 };
        if wanted >= DEMAND_MIN && best > 0 {
            self.saw(of, Seen::Throughput(best));
        }
    }

    /// Whether this machine is on a network at all, as far as can be told.
    pub(super) fn is_online(&self) -> bool {
        !self.kernel_view.is_empty()
    }
}

/// Rating.
impl Actor {
    fn rate(&mut self, of: Of) {
        let now = self.clock.now();
        let own = self.quality.measured.of(now, of).filter(|own| own.figures().is_some());
        let words: Vec<Attestation> = self.quality.words.on(now, of).copied().collect();
        let known = own.is_some() || !words.is_empty();
        let words: Vec<_> = words.iter().map(|word| (self.attester(word), word.figures)).collect();
        let rating = rate(own.as_ref(), words.into_iter());
        self.index.rate(of.0, of.1, known.then_some(rating.quality));
        match known {
            true => self.quality.ratings.insert(of, rating),
            false => self.quality.ratings.remove(&of),
        };
    }

    fn attester(&self, word: &Attestation) -> Attester {
        let (id, time) = (word.attester, self.ledger_clock().time);
        let age = self.registered(id).map_or(Span::ZERO, |registration| time.since(registration.since));
        let has_paid = self.settled_of(id, word.provider).serial > 0;
        Attester { score: self.score_of(id), age, has_paid, agreement: self.agreement_with(id) }
    }

    fn agreement_with(&self, attester: IdentityId) -> u16 {
        let ours = self.quality.measured.iter().take(COMPARED_MAX);
        agreement(ours.filter_map(|(of, own)| {
            let theirs = self.quality.words.word(attester, *of)?.figures;
            Some((theirs.quality(), own.figures()?.quality()))
        }))
    }

    /// Rates some of those that are due, forgets what has faded, and asks peers again.
    pub(super) fn tend_quality(&mut self) {
        let now = self.clock.now();
        if now >= self.quality.rated_all + RATE_AGAIN {
            self.quality.rated_all = now;
            self.quality.words.forget(now);
            let Quality { measured, ratings, words, .. } = &self.quality;
            let measured = measured.iter().map(|(of, _)| *of);
            self.quality.stale = measured.chain(ratings.keys().copied()).chain(words.subjects()).collect();
        }
        for _ in 0..RATED_PER_TICK {
            let Some(of) = self.quality.stale.pop_first() else { break };
            self.rate(of);
        }
        let talking: Vec<IdentityId> = self.talking_on.keys().copied().collect();
        talking.into_iter().for_each(|peer| self.ask_quality(peer));
    }

    /// How good somebody's service is by all that is known, in points; `None` where nothing is.
    pub(super) fn rating_of(&self, of: Of) -> Option<u16> {
        self.quality.ratings.get(&of).map(|rating| rating.quality)
    }

    /// Whether this node's own measurements say that it fails.
    pub(super) fn is_failing(&self, of: Of) -> bool {
        self.quality.measured.of(self.clock.now(), of).is_some_and(|own| own.is_failing())
    }

    /// What is known of who makes an offer, for showing.
    pub(super) fn quality_view(&self, offer: &Offer) -> Option<api::Quality> {
        let of = (offer.provider, offer.service);
        let rating = self.quality.ratings.get(&of)?;
        let own = self.quality.measured.of(self.clock.now(), of);
        Some(api::Quality {
            score: rating.quality,
            own_sessions: rating.own_sessions,
            attesters: rating.attesters,
            own_score: own.as_ref().and_then(Measurement::figures).map(|figures| figures.quality()),
        })
    }
}

/// Asking and telling.
impl Actor {
    /// Asks a peer what it knows, if it is there and was not asked lately.
    pub(super) fn ask_quality(&mut self, peer: IdentityId) {
        let now = self.clock.now();
        let is_due = self.quality.asked.get(&peer).is_none_or(|asked| now >= *asked + ASK_EVERY);
        if !is_due || !self.market.is_talking_to(peer) {
            return;
        }
        self.quality.asked.retain(|_, asked| now < *asked + ASK_EVERY);
        self.quality.asked.insert(peer, now);
        let mut start = IdentityId([0; 20]);
        start.0.iter_mut().zip(entropy::seed()).for_each(|(byte, drawn)| *byte = drawn);
        if let Err(error) = self.market.ask_quality(now, peer, start, &self.market_journal) {
            tracing::debug!(%peer, %error, "not asked about providers");
        }
    }

    pub(super) fn quality_asked(&mut self, peer: IdentityId, start: IdentityId) {
        let now = self.clock.now();
        let own = self.own_words(peer, start);
        let passes_on = self.config.selling.is_some();
        let heard: Vec<SignedAttestation> = match passes_on {
            true => self.quality.words.from(now, start).take(byway_access::quality::exchange::TOLD_MAX).collect(),
            false => Vec::new(),
        };
        self.market.tell_quality(now, peer, own.into_iter().chain(heard), &self.market_journal);
    }

    /// What this node says of others but `asker`.
    fn own_words(&self, asker: IdentityId, start: IdentityId) -> Vec<SignedAttestation> {
        let (me, now) = (self.me(), self.clock.now());
        if !self.config.quality.share || !self.is_registered(me) {
            return Vec::new();
        }
        let all = || self.quality.measured.iter().map(|(of, own)| (*of, own));
        let (behind, ahead): (Vec<_>, Vec<_>) = all().partition(|((provider, _), _)| *provider < start);
        let is_public = |(provider, _): &Of| *provider != asker && self.settled_of(me, *provider).serial > 0;
        let told = ahead.into_iter().chain(behind).filter(|(of, _)| is_public(of));
        let said = told.filter_map(|(of, own)| Attestation::of(me, of, own));
        let current =
            said.filter_map(|said| said.sign(self.network, &self.config.identity).verify(self.network, now).ok());
        current.map(|word| word.signed()).take(OWN_TOLD_MAX).collect()
    }

    pub(super) fn quality_told(&mut self, peer: IdentityId, words: Vec<VerifiedAttestation>) {
        let (now, me) = (self.clock.now(), self.me());
        let mut taken = 0;
        for word in words {
            let said = *word.get();
            let is_sold = self.index.of_provider(said.provider).any(|offer| offer.offer.offer.service == said.service);
            if said.attester == me || !is_sold || !self.is_registered(said.attester) {
                continue;
            }
            if self.quality.words.take(now, word, self.score_of(said.attester)) {
                taken += 1;
                self.quality.stale.insert((said.provider, said.service));
            }
        }
        tracing::debug!(%peer, taken, "heard of providers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_provider_and_a_service() {
        let of = (IdentityId([7; 20]), Service::TUNNEL);
        assert_eq!(of_key(&key_of(of)), Some(of));
        assert_eq!(of_key(&[1; 20]), None);
        assert_eq!(of_key(&[1; 23]), None);
    }
}
