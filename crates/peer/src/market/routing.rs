//! Payments over several channels (row C4): the router looks at the channels, and what it wishes is done in them.
//!
//! What it writes leaves before anything is said or done because of it, and it looks at a channel before anything more happens to that
//! (see `Market::carry_channels`). Where a wish can't be carried out now, the router has it again.

pub use byway_channel::routing::HubTerms;
use byway_channel::routing::{
    Circle, CircleError, Invoice, PayError, PaymentHash, PaymentStatus, Preimage, Router, RoutingEffect,
    RoutingMessage, RoutingNews,
};
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::codec::{DecodeError, decode_exact};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Batch, Effect, Encode, IdentityId, Store, Time};
use byway_records::Note;
use byway_records::promise::ChannelId;

use super::news::MarketNews;
use super::step::Step;
use super::{Market, MarketConfig, MarketDamaged};

/// The key that orders are sealed for follows from the identity's.
const KEY: Context = Context("byway 1 routing key");

pub(super) fn load(config: &MarketConfig, store: &impl Store) -> Result<Router, MarketDamaged> {
    let (id, secret) = (config.identity.id(), KEY.hash(&[config.identity.as_bytes()]).0);
    let loaded: Result<_, DecodeError> = Router::load(id, config.network, secret, None, store);
    loaded.map_err(MarketDamaged::Routing)
}

impl Market {
    /// Payments over several channels: terms, how payments stand, what is on its way.
    pub fn router(&self) -> &Router {
        &self.channels.router
    }

    /// On what terms this node is a hub from now on; not at all where there are none.
    pub fn set_hub(&mut self, terms: Option<HubTerms>) {
        self.channels.router.set_terms(terms);
    }

    /// Whether the ledger would execute a call that a lock needs.
    pub fn set_hub_ready(&mut self, is_ready: bool) {
        self.channels.router.set_ready(is_ready);
    }

    /// Pays itself over other hubs, out over one channel and in over another. `random` is fresh randomness.
    pub fn rebalance(
        &mut self,
        now: Time,
        circle: Circle,
        amount: Amount,
        fee_max: Amount,
        random: (Preimage, [u8; 32]),
        store: &impl Store,
    ) -> Result<PaymentHash, CircleError> {
        let begun = self.channels.router.rebalance(now, &self.channels.own, circle, amount, fee_max, random);
        self.carry_channels(now);
        self.pump(now, store);
        begun
    }

    /// Asks to be paid over channels. `preimage` is fresh randomness.
    #[allow(clippy::too_many_arguments, reason = "an invoice says as much")]
    pub fn invoice(
        &mut self,
        now: Time,
        preimage: Preimage,
        amount: Amount,
        expires: Time,
        hubs: Vec<IdentityId>,
        note: Option<Note>,
        store: &impl Store,
    ) -> Invoice {
        let invoice = self.channels.router.invoice(&self.config.identity, preimage, amount, expires, hubs, note);
        self.carry_channels(now);
        self.pump(now, store);
        invoice
    }

    /// Pays an invoice over channels, or says how that stands. `entropy` is fresh randomness.
    pub fn pay_invoice(
        &mut self,
        now: Time,
        invoice: &Invoice,
        fee_max: Amount,
        entropy: [u8; 32],
        store: &impl Store,
    ) -> Result<PaymentStatus, PayError> {
        let paid = self.channels.router.pay(now, &self.channels.own, invoice, fee_max, entropy);
        self.carry_channels(now);
        self.pump(now, store);
        paid
    }

    pub(super) fn routing_message_came(&mut self, now: Time, delivery: &Delivery) {
        let peer = delivery.receipt.peer;
        match decode_exact::<RoutingMessage>(&delivery.bytes) {
            Ok(message) => {
                self.channels.router.handle_message(now, &self.channels.own, peer, message);
                self.carry_channels(now);
            }
            Err(error) => self.malformed(now, peer, error),
        }
    }

    /// After a start it looks at everything.
    pub(super) fn begin_routing(&mut self, now: Time) {
        self.channels.routing_timer.set(now);
        self.wake_at(now);
    }

    pub(super) fn wake_routing(&mut self, now: Time) {
        if self.channels.routing_timer.goes_off(now) {
            self.channels.router.handle_wake(now, &self.channels.own);
            self.carry_channels(now);
        }
        if let Some(time) = self.channels.routing_timer.at() {
            self.wake_at(time);
        }
    }

    /// What the router wants done; false if that is nothing.
    pub(super) fn carry_routing(&mut self, now: Time) -> bool {
        let effects = self.channels.router.poll();
        let is_something = !effects.is_empty();
        let mut batch = Batch::new();
        for effect in effects {
            self.carry_one(now, effect, &mut batch);
        }
        self.write_routing(now, &mut batch);
        is_something
    }

    fn carry_one(&mut self, now: Time, effect: RoutingEffect, batch: &mut Batch) {
        match effect {
            Effect::Persist { batch: more, .. } => batch.append(more),
            Effect::Send { to, message, .. } => {
                let mut step = Step::new(to);
                step.persist(std::mem::take(batch));
                // What is said of a lock is said again as long as it is there.
                step.send(ProtocolId::ROUTING, message.to_bytes(), Durability::Volatile);
                step.commit(now, &mut self.dialogues, &mut self.awaiting);
            }
            Effect::WakeAt(time) => {
                if self.channels.routing_timer.set(time) {
                    self.wake_at(time);
                }
            }
            Effect::Notify(news) => {
                // It is on disk before anything is done in a channel because of it.
                self.write_routing(now, batch);
                self.carry_out(now, news);
            }
        }
    }

    fn write_routing(&mut self, now: Time, batch: &mut Batch) {
        if !batch.is_empty() {
            let mut step = Step::new(self.identity());
            step.persist(std::mem::take(batch));
            step.commit(now, &mut self.dialogues, &mut self.awaiting);
        }
    }

    /// Does in a channel what is wished. Where it can't be done, it is wished again.
    fn carry_out(&mut self, now: Time, news: RoutingNews) {
        let key = |channel: ChannelId| self.channels.own.key_of(channel);
        match news {
            RoutingNews::Propose { channel, change } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.own.with(key, |machine| machine.propose(now, change));
                }
            }
            RoutingNews::Force { channel, call } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.own.with(key, |machine| machine.force(now, &call));
                }
            }
            RoutingNews::Close { channel } => {
                if let Some(key) = key(channel) {
                    let _ = self.channels.own.with(key, |machine| machine.close_unasked(now));
                }
            }
            told => self.tell(MarketNews::Routing(told)),
        }
    }
}
