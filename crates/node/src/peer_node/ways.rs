//! The ways out of this node (rows A2, A10): the main one, that the user connects and disconnects; one for each proxy port,
//! which leads where the port is meant to; one for each opened service that plugs in.
//!
//! A way has a wish, a connection of its own, and at most one session at a time, which one budget pays. Two ways may lead to
//! the same provider: they share its dialogue, and its promise pays for both.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_access::discovery::Candidate;
use byway_access::session::{ResponseId, SessionId};
use byway_primitives::{Amount, IdentityId, Time};
use byway_records::Offer;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::limits::Over;
use super::way_out::ExitState;
use crate::api::{AccountNumber, ApiError, ConnectTarget, OfferFilter, Pay};

/// Names a way within one run of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WayId(u64);

impl WayId {
    /// The one that the user connects and disconnects, and whole machines go by.
    pub const MAIN: Self = Self(0);
}

pub(super) struct Way {
    pub connection: Connection,
    /// What it is connected to when a program wants out and nobody has said otherwise.
    pub wish: OfferFilter,
    /// What the provider of a service that plugs in is told of what is wanted.
    pub data: Vec<u8>,
    /// The sub-account on whose bill its next session is; the owner's where there is none.
    pub payer: Option<AccountNumber>,
    /// The most that a session of it may cost, if less than what else limits that.
    pub cost_max: Option<Amount>,
    /// Out of what its sessions are paid.
    pub pay: Pay,
    /// What its programs are told.
    pub exits: watch::Sender<ExitState>,
}

/// Where a way stands with its exit.
pub(super) enum Connection {
    Idle {
        since: Time,
    },
    /// The user said so; programs are refused until the user says otherwise.
    Disconnected {
        since: Time,
    },
    Connecting(Connecting),
    Connected(Connected),
    /// A spending limit has stopped it, and it waits for the user's word.
    Stopped(Stopped),
    Failed {
        since: Time,
        reason: String,
    },
}

pub(super) struct Connecting {
    pub since: Time,
    pub current: Candidate,
    /// Tried next, in order.
    pub others: VecDeque<Candidate>,
    /// What was asked for; `None` where it was one offer and no other.
    pub filter: Option<OfferFilter>,
    pub stage: Stage,
    /// The one that the current provider has agreed to, while its data channel is built.
    pub session: Option<SessionId>,
    pub tried: u64,
    /// Who asked and waits for the outcome.
    pub askers: Vec<oneshot::Sender<Result<SessionId, ApiError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Getting a link, and a dialogue on it.
    Reaching,
    /// Asked for a session.
    Opening(ResponseId),
}

pub(super) struct Connected {
    pub since: Time,
    pub offer: Offer,
    pub session: SessionId,
    /// Under what the next best is looked for; `None`: it is this offer or none.
    pub filter: Option<OfferFilter>,
    pub flow: Flow,
    pub lost: Option<LinkLost>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stopped {
    pub since: Time,
    pub over: Over,
    /// What was left to it where it stopped at its share of the day's limit, beside others that had theirs.
    #[serde(default)]
    pub share: Option<Amount>,
    /// What is connected when the user says yes.
    pub again: ConnectTarget,
}

/// Whether the session lets bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    /// The provider says that what it was promised is used up.
    Paused {
        since: Time,
    },
    /// No more; the last bill is awaited.
    Ending,
}

/// The provider's link is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkLost {
    pub since: Time,
    /// When it was last dialled.
    pub dialled: Option<Time>,
}

impl Way {
    pub fn new(now: Time, wish: OfferFilter, data: Vec<u8>, payer: Option<AccountNumber>) -> Self {
        let (exits, _) = watch::channel(ExitState::Idle);
        Self { connection: Connection::Idle { since: now }, wish, data, payer, cost_max: None, pay: Pay::Auto, exits }
    }
}

impl Connecting {
    pub fn provider(&self) -> IdentityId {
        self.current.offer.offer.provider
    }

    /// Whoever asked is told why nothing came of it; they may have stopped waiting.
    pub fn answer_all(&mut self, answer: &Result<SessionId, ApiError>) {
        for asker in self.askers.drain(..) {
            let _ = asker.send(answer.clone());
        }
    }
}

impl Connected {
    pub fn new(since: Time, offer: Offer, session: SessionId, filter: Option<OfferFilter>) -> Self {
        Self { since, offer, session, filter, flow: Flow::Open, lost: None }
    }
}

impl Connection {
    /// The offer that is in use, or tried.
    pub fn offer(&self) -> Option<&Offer> {
        match self {
            Self::Connecting(connecting) => Some(&connecting.current.offer.offer),
            Self::Connected(connected) => Some(&connected.offer),
            _ => None,
        }
    }

    /// The session in use, or that whose data channel is built.
    fn session(&self) -> Option<SessionId> {
        match self {
            Self::Connecting(connecting) => connecting.session,
            Self::Connected(connected) => Some(connected.session),
            _ => None,
        }
    }
}

/// All ways.
pub(super) struct Ways {
    pub main: Way,
    others: BTreeMap<WayId, Way>,
    opened: u64,
    /// Sessions of before a restart that no way has taken up yet.
    pub restored: BTreeSet<SessionId>,
}

impl Ways {
    pub fn new(main: Way, restored: BTreeSet<SessionId>) -> Self {
        Self { main, others: BTreeMap::new(), opened: 0, restored }
    }

    pub fn open(&mut self, way: Way) -> WayId {
        self.opened += 1;
        self.others.insert(WayId(self.opened), way);
        WayId(self.opened)
    }

    /// Takes out one that has no session any more. The main one stays.
    pub fn close(&mut self, id: WayId) {
        self.others.remove(&id);
    }

    pub fn get(&self, id: WayId) -> Option<&Way> {
        if id == WayId::MAIN { Some(&self.main) } else { self.others.get(&id) }
    }

    pub fn get_mut(&mut self, id: WayId) -> Option<&mut Way> {
        if id == WayId::MAIN { Some(&mut self.main) } else { self.others.get_mut(&id) }
    }

    /// The main one first.
    pub fn iter(&self) -> impl Iterator<Item = (WayId, &Way)> {
        [(WayId::MAIN, &self.main)].into_iter().chain(self.others.iter().map(|(id, way)| (*id, way)))
    }

    /// Of those for which this holds.
    pub fn ids(&self, holds: impl Fn(&Way) -> bool) -> Vec<WayId> {
        self.iter().filter(|(_, way)| holds(way)).map(|(id, _)| id).collect()
    }

    pub fn connecting(&self, id: WayId) -> Option<&Connecting> {
        match &self.get(id)?.connection {
            Connection::Connecting(connecting) => Some(connecting),
            _ => None,
        }
    }

    pub fn connecting_mut(&mut self, id: WayId) -> Option<&mut Connecting> {
        match &mut self.get_mut(id)?.connection {
            Connection::Connecting(connecting) => Some(connecting),
            _ => None,
        }
    }

    pub fn connected(&self, id: WayId) -> Option<&Connected> {
        match &self.get(id)?.connection {
            Connection::Connected(connected) => Some(connected),
            _ => None,
        }
    }

    pub fn connected_mut(&mut self, id: WayId) -> Option<&mut Connected> {
        match &mut self.get_mut(id)?.connection {
            Connection::Connected(connected) => Some(connected),
            _ => None,
        }
    }

    /// The way whose session this is, in use or about to be.
    pub fn of_session(&self, session: SessionId) -> Option<WayId> {
        self.iter().find(|(_, way)| way.connection.session() == Some(session)).map(|(id, _)| id)
    }

    /// The way for which a session was asked for so.
    pub fn asking(&self, response: ResponseId) -> Option<WayId> {
        let asks =
            |way: &Way| matches!(&way.connection, Connection::Connecting(c) if c.stage == Stage::Opening(response));
        self.iter().find(|(_, way)| asks(way)).map(|(id, _)| id)
    }

    /// Those that try `provider`.
    pub fn trying(&self, provider: IdentityId) -> Vec<WayId> {
        self.ids(|way| matches!(&way.connection, Connection::Connecting(c) if c.provider() == provider))
    }

    /// Out of what `provider` is paid: one says so for all that lead there, a channel before the account.
    pub fn pay_to(&self, provider: IdentityId) -> Pay {
        let leads_there = |way: &Way| way.connection.offer().is_some_and(|offer| offer.provider == provider);
        let is_said = |pay: Pay| self.iter().any(|(_, way)| way.pay == pay && leads_there(way));
        [Pay::Channel, Pay::Account].into_iter().find(|pay| is_said(*pay)).unwrap_or_default()
    }

    /// The offer for whose sake we want to talk to `provider`.
    pub fn offer_of(&self, provider: IdentityId) -> Option<&Offer> {
        self.iter().filter_map(|(_, way)| way.connection.offer()).find(|offer| offer.provider == provider)
    }
}
