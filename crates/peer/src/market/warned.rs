//! Asking other providers about our clients, and answering them (row A6).

use std::collections::BTreeSet;

use byway_access::session::{Listing, Tariff};
use byway_access::warning::{WarningFault, WarningMessage};
use byway_dialogue::payment::Bounds;
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::{Amount, Encode, IdentityId, Store, Time};
use byway_records::promise::Series;
use byway_records::state::Settled;

use super::news::MarketNews;
use super::{Market, MarketError};

impl Market {
    /// Asks `peer` what it holds of `issuer`, after [`MarketNews::WarningsWanted`].
    pub fn ask_about(
        &mut self,
        now: Time,
        issuer: IdentityId,
        peer: IdentityId,
        store: &impl Store,
    ) -> Result<(), MarketError> {
        if self.dialogues.dialogue(peer).is_none() {
            return Err(MarketError::NoDialogue(peer));
        }
        let shown = self.pairs.get(&issuer).and_then(|pair| pair.newest_unsettled());
        if let Some(message) = shown.and_then(|shown| self.warnings.ask(peer, shown)) {
            self.say(now, peer, &message);
        }
        self.pump(now, store);
        Ok(())
    }

    /// There is nobody whom to ask about `issuer`: it gets what the ledger says.
    pub fn nobody_to_ask(&mut self, now: Time, issuer: IdentityId, store: &impl Store) {
        self.warnings.stop_waiting(issuer);
        self.bound(now, issuer);
        self.pump(now, store);
    }

    /// Series of an issuer's promises to others, of which the ledger's word is wanted.
    pub fn warned_series(&self, issuer: IdentityId) -> BTreeSet<Series> {
        self.warnings.series(issuer)
    }

    /// What an issuer has promised others and not settled, as far as they told.
    pub fn promised_elsewhere(&self, issuer: IdentityId) -> Amount {
        self.warnings.elsewhere(issuer)
    }

    /// Where the ledger stands with one of [`warned_series`](Self::warned_series).
    pub fn note_settled_elsewhere(&mut self, now: Time, series: Series, settled: Settled, store: &impl Store) {
        self.warnings.note_settled(series, settled);
        self.bound(now, series.payer);
        self.pump(now, store);
    }

    pub(super) fn warning_came(&mut self, now: Time, delivery: Delivery) {
        let peer = delivery.receipt.peer;
        let Some(message) = self.read_message::<WarningMessage>(now, &delivery) else { return };
        if let Err(fault) = self.warned(now, peer, message) {
            self.tell(MarketNews::WarningFault { peer, fault });
        }
    }

    fn warned(&mut self, now: Time, from: IdentityId, message: WarningMessage) -> Result<(), WarningFault> {
        let issuer = match message {
            WarningMessage::Ask { shown } => {
                let issuer = shown.promise.series.payer;
                let held = self.pairs.get(&issuer).map(|pair| pair.unsettled_newest_first()).unwrap_or_default();
                if let Some(answer) = self.warnings.handle_ask(now, from, &shown, held.into_iter())? {
                    self.say(now, from, &answer);
                }
                issuer
            }
            WarningMessage::Told { issuer, promises } => {
                let told = self.warnings.handle_told(from, issuer, &promises);
                self.bound(now, issuer);
                told?;
                issuer
            }
        };
        self.bound(now, issuer);
        if !self.warnings.series(issuer).is_empty() {
            self.tell(MarketNews::Warned { issuer });
        }
        Ok(())
    }

    fn say(&mut self, now: Time, peer: IdentityId, message: &WarningMessage) {
        self.step(now, peer, |_, step| step.send(ProtocolId::WARNING, message.to_bytes(), Durability::Volatile));
    }

    /// `issuer` has promised something, or is back with something unsettled: others are asked if that is due.
    pub(super) fn ask_if_due(&mut self, now: Time, issuer: IdentityId) {
        let owes = self.pairs.get(&issuer).is_some_and(|pair| pair.newest_unsettled().is_some());
        if self.config.warnings.is_none() || !owes || !self.warnings.is_to_be_asked(now, issuer) {
            return;
        }
        self.bound(now, issuer);
        if let Some(until) = self.warnings.held_until(now, issuer) {
            self.wake_at(until);
        }
        self.tell(MarketNews::WarningsWanted { issuer });
    }

    pub(super) fn bound_if_held(&mut self, now: Time, peer: IdentityId) {
        if self.pairs.get(&peer).is_some_and(|pair| pair.is_held()) {
            self.bound(now, peer);
            if let Some(until) = self.warnings.held_until(now, peer) {
                self.wake_at(until);
            }
        }
    }

    /// Tells the payments what is known of `peer` beside its promises to us.
    pub(super) fn bound(&mut self, now: Time, peer: IdentityId) {
        if self.config.warnings.is_none() {
            return;
        }
        let is_held = !self.warnings.knows(peer) || self.warnings.held_until(now, peer).is_some();
        let held_to = is_held.then(|| self.first_window().max(self.config.take.amount_min));
        let bounds = Bounds { elsewhere: self.warnings.elsewhere(peer), held_to };
        self.step(now, peer, |pair, step| pair.bound(now, bounds, step));
    }

    /// The first window of the dearest of our offers, the first period of watching, a day of all that is held for one client, or an answer
    /// of our bot.
    fn first_window(&self) -> Amount {
        let tariffs = self.listings.values().flat_map(Listing::tariffs);
        let watching = self.channels.tower.terms().map(|terms| terms.price);
        let holding = self.holding().and_then(|holding| holding.holder().terms());
        let holding = holding.and_then(|terms| Amount::cost(terms.price, terms.client_bytes_max, 1_000_000));
        let answer = self.hiring().and_then(|hiring| hiring.host().terms()).map(|terms| terms.price);
        tariffs.map(Tariff::first_window).chain(watching).chain(holding).chain(answer).max().unwrap_or_default()
    }
}
