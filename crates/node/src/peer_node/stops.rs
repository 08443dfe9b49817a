//! Ways that a spending limit has stopped, and the question that each of them puts to the user (row A10).
//!
//! The question outlives the node: a way that was stopped is stopped again after a restart, also one that was killed.

use byway_primitives::{Batch, Space, Store};
use byway_records::OfferId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Actor;
use super::limits::{Over, day_of};
use super::ways::{Connection, Stopped, WayId};
use crate::api::{AccountNumber, ApiError, ConnectTarget, LimitKind, SpendingAsk, Unit};

/// Ways that wait for the user's word, by where programs reach them.
const STOPS: Space = Space("stopped-ways");
/// The main one's place there.
const MAIN_PLACE: &str = "main";

/// A stopped way, and who would pay for its next session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    stopped: Stopped,
    payer: Option<AccountNumber>,
}

impl Actor {
    pub(super) fn spending_asks(&self) -> Vec<SpendingAsk> {
        let asks_already = |id: WayId, over: &Over| {
            let is_asked = |connection: &Connection| matches!(connection, Connection::Stopped(s) if s.over == *over);
            // Of those on the main way's bill one asks.
            self.is_hop(id)
                && self
                    .ways
                    .iter()
                    .take_while(|(other, _)| *other != id)
                    .any(|(other, way)| (other == WayId::MAIN || self.is_hop(other)) && is_asked(&way.connection))
        };
        let asks = self.ways.iter().filter_map(|(id, way)| match &way.connection {
            Connection::Stopped(Stopped { over, .. }) if asks_already(id, over) => None,
            Connection::Stopped(Stopped { since, over, .. }) => Some(SpendingAsk {
                proxy: self.proxy_ports.of_way(id),
                which: over.which,
                limit: over.limit,
                since_ms: *since,
            }),
            _ => None,
        });
        asks.collect()
    }

    /// Ends a way's session, or its search for one, and has it wait for the user.
    ///
    /// A hop is on the main way, and it is that which asks, if it is in use. The hop waits for the same answer.
    pub(super) fn stop_way(&mut self, id: WayId, over: Over) {
        if self.is_hop(id) {
            self.stop_way(WayId::MAIN, over);
        }
        let again = match self.ways.get(id).map(|way| &way.connection) {
            Some(Connection::Connected(connected)) => match &connected.filter {
                Some(filter) => ConnectTarget::Cheapest(filter.clone()),
                None => ConnectTarget::Offer {
                    offer_id: OfferId::of(connected.offer.provider, connected.offer.serial),
                    unit: self.unit_of(connected.session).map(Unit::from),
                },
            },
            Some(Connection::Connecting(connecting)) => match &connecting.filter {
                Some(filter) => ConnectTarget::Cheapest(filter.clone()),
                None => {
                    ConnectTarget::Offer { offer_id: connecting.current.id, unit: Some(connecting.current.unit.into()) }
                }
            },
            _ => return,
        };
        tracing::info!(%over, "a spending limit is reached");
        self.stop_paying(id);
        self.stop_trying(id, &over.error(self.spent_today()));
        self.wait_for_word(id, over, again);
    }

    /// Has a way wait for the user.
    pub(super) fn wait_for_word(&mut self, id: WayId, over: Over, again: ConnectTarget) {
        // What this node does by itself asks nobody.
        if self.ways.get(id).is_some_and(|way| way.cost_max.is_some()) {
            return self.fail_connection(id, over.to_string());
        }
        let since = self.clock.now();
        let share = self.share_beside_others(id).filter(|_| over.which == LimitKind::Day && self.day_over().is_none());
        if let Some(way) = self.ways.get_mut(id) {
            way.connection = Connection::Stopped(Stopped { since, over, share, again });
        }
        self.publish_exit(id);
        self.hop_failed(id, &over.to_string());
    }

    /// Whoever waits for a way's session waits no more, and one that was agreed to ends.
    pub(super) fn stop_trying(&mut self, id: WayId, error: &ApiError) {
        let Some(connecting) = self.ways.connecting_mut(id) else { return };
        connecting.answer_all(&Err(error.clone()));
        let (provider, session) = (connecting.provider(), connecting.session);
        if let Some(session) = session {
            self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        }
    }

    /// Ends a way's session for good; whether there was one.
    pub(super) fn stop_paying(&mut self, id: WayId) -> bool {
        let Some(connected) = self.ways.connected(id) else { return false };
        let (provider, session) = (connected.offer.provider, connected.session);
        self.report_used(provider, session);
        self.market.stop_using(self.clock.now(), provider, session, &self.market_journal);
        true
    }

    /// Whether some way was stopped by this limit.
    pub(super) fn is_asked(&self, which: LimitKind) -> bool {
        self.ways.iter().any(|(_, way)| matches!(&way.connection, Connection::Stopped(s) if s.over.which == which))
    }

    /// Whether the limit that stopped a way holds it back no more.
    fn is_free(&self, id: WayId, stopped: &Stopped) -> bool {
        let Stopped { over: Over { which, limit, .. }, since, share, .. } = *stopped;
        let is_day_over = self.day_over().is_some();
        match which {
            // What is left of a day may be too little for anything.
            LimitKind::Day => {
                let is_raised = self.day_max().is_none_or(|max| max > limit);
                let is_another_day = day_of(since) != day_of(self.clock.now());
                // Others have given back what they had.
                let is_left_more = || share.is_some_and(|had| self.share_now(id) > had);
                !is_day_over && (is_raised || is_another_day || is_left_more())
            }
            LimitKind::Session => !is_day_over && self.limits.session_max.is_none_or(|max| max > limit),
        }
    }

    /// The limit of the day that stopped this way and still holds it back: nobody connects it without the user's word on that.
    pub(super) fn held_back(&self, id: WayId) -> Option<Over> {
        match &self.ways.get(id)?.connection {
            Connection::Stopped(stopped) if stopped.over.which == LimitKind::Day && !self.is_free(id, stopped) => {
                Some(stopped.over)
            }
            _ => None,
        }
    }

    pub(super) fn go_on_within_limits(&mut self) {
        for id in self.ways.ids(|way| matches!(way.connection, Connection::Stopped(_))) {
            // One at a time: each that goes on has a share again.
            let is_free = self.ways.get(id).is_some_and(
                |way| matches!(&way.connection, Connection::Stopped(stopped) if self.is_free(id, stopped)),
            );
            if is_free {
                self.go_on(id);
            }
        }
    }

    pub(super) fn go_on(&mut self, id: WayId) {
        let (now, day_over) = (self.clock.now(), self.day_over());
        let Some(way) = self.ways.get_mut(id) else { return };
        let Connection::Stopped(stopped) = &way.connection else { return };
        let (again, payer) = (stopped.again.clone(), way.payer);
        if self.is_hop(id) {
            // It is connected when somebody is to be dialled behind it.
            return self.permit_stopped(id);
        }
        match (day_over, self.check_payer(payer)) {
            // The limit of a session was lifted on a day that is used up.
            (Some(limit), _) => self.wait_for_word(id, Over::day(limit), again),
            (None, Err(error)) => self.fail_connection(id, error.to_string()),
            (None, Ok(())) => {
                let (answer, _) = oneshot::channel();
                // It has its answer: if nobody is there to go on with, that is a failure and no question.
                if let Some(way) = self.ways.get_mut(id) {
                    way.connection = Connection::Idle { since: now };
                }
                self.permit_stopped_hops();
                self.connect(id, again, answer);
            }
        }
    }

    /// Where a way is found again after a restart.
    fn place_of(&self, id: WayId) -> Option<String> {
        if id == WayId::MAIN {
            return Some(MAIN_PLACE.to_owned());
        }
        self.proxy_ports.of_way(id).map(|listen| listen.to_string())
    }

    /// Keeps the question of a way that is stopped, and forgets that of one that isn't. A node that ends answers nothing.
    pub(super) fn keep_stop(&mut self, id: WayId) {
        let (Some(place), Some(way)) = (self.place_of(id), self.ways.get(id)) else { return };
        let mut batch = Batch::new();
        if let Connection::Stopped(stopped) = &way.connection {
            let kept = Kept { stopped: stopped.clone(), payer: way.payer };
            batch.put(STOPS, place, serde_json::to_vec(&kept).expect("texts and numbers have a JSON form"));
        } else if self.stopping.is_none() && self.ledger_journal.load(STOPS, place.as_bytes()).is_some() {
            batch.delete(STOPS, place);
        } else {
            return;
        }
        self.write_ledger(batch);
    }

    /// A way that waited for the user's word when the node ended waits for it again.
    pub(super) fn take_up_stop(&mut self, id: WayId) {
        let Some(place) = self.place_of(id) else { return };
        let stored = self.ledger_journal.load(STOPS, place.as_bytes());
        let kept = stored.and_then(|stored| serde_json::from_slice::<Kept>(&stored).ok());
        if let (Some(Kept { stopped, payer }), Some(way)) = (kept, self.ways.get_mut(id)) {
            (way.connection, way.payer) = (Connection::Stopped(stopped), payer);
            self.publish_exit(id);
        }
    }
}
