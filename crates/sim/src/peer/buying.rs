//! The client's side: choosing a provider, getting there, staying there. The real node's `connecting`, without programs
//! that wait and people who watch.

use std::collections::{BTreeMap, VecDeque};

use byway_access::discovery::{Candidate, Query};
use byway_access::session::{ClientNews, OpenRequest, ResponseId, SessionId, Tariff, Traffic};
use byway_dialogue::LinkId;
use byway_primitives::{Amount, AssetId, Decode, IdentityId, Span, Time};
use byway_records::offer::{Service, Unit};
use byway_records::{Offer, OfferId};

use super::books::{CERTIFICATE_PROTOCOL, LINK_PROTOCOL};
use super::links::Cargo;
use super::plan::{Conduct, Keys, Truth};
use super::{At, PeerNode};

/// A provider that failed comes after all others for this long.
const FAILED_FOR: Span = Span::seconds(60);
/// Pause between two attempts to dial the provider of a session whose link was lost, or to find any.
const RETRY_PAUSE: Span = Span::seconds(1);
/// A program that has got nothing for this long asks again for what is missing.
const ASK_AGAIN: Span = Span::seconds(1);

/// Where a client stands with its provider.
#[derive(Debug)]
pub(super) enum Connection {
    Idle {
        /// Not before this.
        retry_at: Time,
    },
    Connecting {
        current: Box<Candidate>,
        others: VecDeque<Candidate>,
        stage: Stage,
    },
    Connected {
        offer: Box<Offer>,
        session: SessionId,
        redialled: Option<Time>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Reaching,
    Opening,
}

/// A session in use.
#[derive(Debug)]
pub(super) struct Using {
    provider: IdentityId,
    counted: u64,
    /// When bytes came or were asked for.
    moved_at: Time,
}

/// What a client keeps in mind.
#[derive(Debug)]
pub(super) struct Browsing {
    connection: Connection,
    using: BTreeMap<SessionId, Using>,
    failed_lately: BTreeMap<IdentityId, Time>,
}

impl Browsing {
    pub fn new() -> Self {
        let connection = Connection::Idle { retry_at: Time::ZERO };
        Self { connection, using: BTreeMap::new(), failed_lately: BTreeMap::new() }
    }
}

impl PeerNode {
    /// Looks after what nobody reminds the client of.
    pub(super) fn browse(&mut self, at: At<'_>) {
        if self.plan().role.buying().is_none() {
            return;
        }
        let is_wanting = self.scene.still_wanted(self.node) > 0;
        match &mut self.browsing.connection {
            Connection::Idle { retry_at } if is_wanting && at.now >= *retry_at => self.connect(at),
            Connection::Connected { offer, session, .. } if !is_wanting => {
                let (provider, session) = (offer.provider, *session);
                self.market.stop_using(at.now, provider, session, &at.store);
                self.browsing.connection = Connection::Idle { retry_at: at.now + RETRY_PAUSE };
            }
            Connection::Connected { offer, session, redialled } => {
                let (provider, session) = (offer.provider, *session);
                if self.market.is_talking_to(provider) {
                    self.ask_again(at, provider, session);
                } else if redialled.is_none_or(|before| at.now >= before + RETRY_PAUSE) {
                    *redialled = Some(at.now);
                    // The provider may have published new contacts since.
                    let newest = self.index.offer(OfferId::of(provider, offer.serial));
                    let offer = newest.map_or_else(|| (**offer).clone(), |newest| newest.offer.offer.clone());
                    self.dial(at, &offer);
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, at: At<'_>) {
        // Nobody takes promises of one who is not registered or has nothing in the account.
        if self.account(self.id()).balance.is_zero() {
            return;
        }
        let (excluded, reputation) = ([self.id()].into(), self.score_of(self.id()));
        let query = Query { excluded, reputation, ..Query::by_megabyte(Service::SOCKS) };
        let found = self.index.candidates(query, self.ledger_clock());
        let failed_lately = &self.browsing.failed_lately;
        let has_failed = |candidate: &Candidate| {
            failed_lately.get(&candidate.offer.offer.provider).is_some_and(|failed| at.now < *failed + FAILED_FOR)
        };
        let (mut found, failed): (VecDeque<_>, VecDeque<_>) = found.partition(|candidate| !has_failed(candidate));
        found.extend(failed);
        let Some(current) = found.pop_front() else { return };
        self.browsing.connection =
            Connection::Connecting { current: Box::new(current), others: found, stage: Stage::Reaching };
        self.reach(at);
    }

    fn reach(&mut self, at: At<'_>) {
        let Connection::Connecting { current, .. } = &self.browsing.connection else { return };
        let offer = current.offer.offer.clone();
        if self.market.is_talking_to(offer.provider) {
            self.ask_for_session(at, offer.provider);
        } else {
            self.dial(at, &offer);
        }
    }

    fn dial(&mut self, at: At<'_>, offer: &Offer) {
        let contact = offer.contacts.iter().find(|contact| contact.protocol == LINK_PROTOCOL);
        let node = contact.and_then(|contact| u64::from_bytes(&contact.data).ok());
        let Some(node) = node else { return self.next_best(at) };
        if !self.links.is_dialling(node as usize) {
            let link = self.draw_number();
            self.links.dial(at.now, node as usize, link);
        }
    }

    /// As a user does who has had enough of one.
    pub(super) fn leave_provider(&mut self, at: At<'_>) {
        let Connection::Connected { offer, session, .. } = &self.browsing.connection else { return };
        let (provider, session) = (offer.provider, *session);
        self.market.stop_using(at.now, provider, session, &at.store);
        self.browsing.failed_lately.insert(provider, at.now);
        self.browsing.connection = Connection::Idle { retry_at: at.now };
    }

    pub(super) fn dial_failed(&mut self, at: At<'_>) {
        if matches!(&self.browsing.connection, Connection::Connecting { stage: Stage::Reaching, .. }) {
            self.next_best(at);
        }
    }

    /// A link that we dialled, perhaps, is there.
    pub(super) fn dialled(&mut self, at: At<'_>, link: LinkId, node: usize) {
        if let Some(peer) = self.channel_peer_at(node) {
            let (certificate, _) = Keys::of(node - self.scene.kernels).local(self.scene.genesis.network());
            let seed = self.draw();
            // Where it comes to nothing it is dialled again.
            let _ = self.market.converse(at.now, peer, &certificate, link, seed, &at.store);
            return;
        }
        let offer = match &self.browsing.connection {
            _ if self.to_ask_at(node).is_some() => self.to_ask_at(node).expect("it was there a moment ago"),
            Connection::Connecting { current, .. } => &current.offer.offer,
            Connection::Connected { offer, .. } => offer,
            Connection::Idle { .. } => return,
        };
        let is_there = |contact: &&byway_records::offer::Contact| {
            contact.protocol == LINK_PROTOCOL && u64::from_bytes(&contact.data) == Ok(node as u64)
        };
        let provider = offer.provider;
        if !offer.contacts.iter().any(|contact| is_there(&contact)) || self.market.is_talking_to(provider) {
            return;
        }
        let certificate = offer.contacts.iter().find(|contact| contact.protocol == CERTIFICATE_PROTOCOL);
        let certificate =
            certificate.and_then(|contact| byway_dialogue::StaticCertificate::from_bytes(&contact.data).ok());
        let Some(certificate) = certificate else { return self.next_best(at) };
        if matches!(&self.browsing.connection, Connection::Connecting { stage: Stage::Reaching, .. }) {
            // What is wanted is said along with the first words.
            self.ask_for_session(at, provider);
        }
        let seed = self.draw();
        if self.market.converse(at.now, provider, &certificate, link, seed, &at.store).is_err() {
            self.not_reached(at, provider);
        }
    }

    pub(super) fn not_reached(&mut self, at: At<'_>, provider: IdentityId) {
        let current = match &self.browsing.connection {
            Connection::Connecting { current, .. } => current.offer.offer.provider,
            _ => return,
        };
        if current == provider {
            self.next_best(at);
        }
    }

    fn next_best(&mut self, at: At<'_>) {
        let Connection::Connecting { current, others, stage } = &mut self.browsing.connection else { return };
        self.browsing.failed_lately.insert(current.offer.offer.provider, at.now);
        match others.pop_front() {
            Some(next) => {
                (**current, *stage) = (next, Stage::Reaching);
                self.reach(at);
            }
            None => self.browsing.connection = Connection::Idle { retry_at: at.now + RETRY_PAUSE },
        }
    }

    pub(super) fn talking(&mut self, at: At<'_>, peer: IdentityId) {
        match &self.browsing.connection {
            Connection::Connecting { current, stage: Stage::Reaching, .. } if current.offer.offer.provider == peer => {
                self.ask_for_session(at, peer);
            }
            Connection::Connected { offer, session, .. } if offer.provider == peer => {
                let session = *session;
                self.want(at, peer, session);
            }
            _ => {}
        }
    }

    fn ask_for_session(&mut self, at: At<'_>, provider: IdentityId) {
        let response = ResponseId(self.draw_number());
        let Connection::Connecting { current, stage, .. } = &mut self.browsing.connection else { return };
        *stage = Stage::Opening;
        let offer = &current.offer.offer;
        let request = OpenRequest {
            offer: current.id,
            service: offer.service,
            tariff: Tariff::per_mb(current.price),
            price_max: offer.price_highest(Unit::Mb, AssetId::WAY).unwrap_or(current.price),
            bandwidth_bps: offer.bandwidth_bps,
            cost_max: Amount::MAX,
            data: Vec::new(),
        };
        if self.market.open_session(at.now, provider, response, request, &at.store).is_err() {
            self.next_best(at);
        }
    }

    pub(super) fn using_news(&mut self, at: At<'_>, provider: IdentityId, news: &ClientNews) {
        match news {
            ClientNews::Connect { session, .. } => self.session_open(at, provider, *session),
            ClientNews::OpenFailed { .. } => self.not_reached(at, provider),
            ClientNews::Halt { session } => {
                self.browsing.using.remove(session);
            }
            ClientNews::Fault { .. } => {
                self.browsing.failed_lately.insert(provider, at.now);
            }
            ClientNews::Ended { session, .. } => {
                self.browsing.using.remove(session);
                if matches!(&self.browsing.connection, Connection::Connected { session: used, .. } if used == session) {
                    self.browsing.connection = Connection::Idle { retry_at: at.now + RETRY_PAUSE };
                }
            }
            // A limit ends the session by itself; the market has passed the others on, or they are for showing.
            ClientNews::Quoted { .. }
            | ClientNews::AskFailed { .. }
            | ClientNews::Countered { .. }
            | ClientNews::Limited { .. }
            | ClientNews::OverLimit { .. }
            | ClientNews::Paused { .. }
            | ClientNews::Resumed { .. }
            | ClientNews::Metered(_)
            | ClientNews::Spent { .. }
            | ClientNews::PayAhead(_) => {}
        }
    }

    fn session_open(&mut self, at: At<'_>, provider: IdentityId, session: SessionId) {
        let view = self.market.used_sessions(at.now).into_iter().find(|(_, view)| view.id == session);
        if let Some((_, view)) = &view {
            let truth = Truth { client: self.id(), provider, price_per_mb: view.tariff.price, carried: 0, arrived: 0 };
            self.scene.outside.borrow_mut().sessions.entry(session).or_insert(truth);
        }
        self.browsing.using.insert(session, Using { provider, counted: 0, moved_at: at.now });
        self.market.handle_channel(at.now, provider, session, Ok(()), &at.store);
        let offer = match &self.browsing.connection {
            Connection::Connecting { current, .. } if current.offer.offer.provider == provider => {
                Some(current.offer.offer.clone())
            }
            // A session of before a restart is gone on with if nothing else is under way.
            Connection::Idle { .. } => {
                view.and_then(|(_, view)| self.index.offer(view.offer)).map(|offer| offer.offer.offer.clone())
            }
            _ => None,
        };
        match offer {
            Some(offer) => {
                self.browsing.connection = Connection::Connected { offer: Box::new(offer), session, redialled: None };
                self.want(at, provider, session);
            }
            None => self.market.stop_using(at.now, provider, session, &at.store),
        }
    }

    /// Asks the provider's exit for what programs still want.
    fn want(&mut self, at: At<'_>, provider: IdentityId, session: SessionId) {
        let bytes = self.scene.still_wanted(self.node);
        let (Some(link), Some(using)) = (self.market.link_to(provider), self.browsing.using.get_mut(&session)) else {
            return;
        };
        using.moved_at = at.now;
        if bytes > 0 {
            self.links.send(at.now, link, Cargo::Want { session, bytes });
        }
    }

    fn ask_again(&mut self, at: At<'_>, provider: IdentityId, session: SessionId) {
        if self.browsing.using.get(&session).is_some_and(|using| at.now >= using.moved_at + ASK_AGAIN) {
            self.want(at, provider, session);
        }
    }

    /// Bytes have come from the exit.
    pub(super) fn arrived(&mut self, at: At<'_>, session: SessionId, count: u64) {
        let Some(using) = self.browsing.using.get_mut(&session) else { return };
        using.counted += count;
        using.moved_at = at.now;
        let (provider, counted) = (using.provider, using.counted);
        let acknowledged = match self.plan().conduct {
            Conduct::StopsAcknowledging { after_bytes } => counted.min(after_bytes),
            _ => counted,
        };
        {
            let mut outside = self.scene.outside.borrow_mut();
            if let Some(truth) = outside.sessions.get_mut(&session) {
                truth.arrived += count;
            }
            if let Some(wanted) = outside.wanted.get_mut(&self.node) {
                *wanted = wanted.saturating_sub(count);
            }
        }
        self.market.handle_used(at.now, provider, session, Traffic::new(0, acknowledged), &at.store);
    }

    /// A limit of the user's stands against a promise: an honest client leaves.
    pub(super) fn over_limit(&mut self, at: At<'_>) {
        let Connection::Connected { offer, session, .. } = &self.browsing.connection else { return };
        if self.plan().is_honest() {
            let (provider, session) = (offer.provider, *session);
            self.market.stop_using(at.now, provider, session, &at.store);
        }
    }
}
