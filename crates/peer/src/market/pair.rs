//! The machines of one pair of identities, and what they tell each other.

mod lanes;
mod periods;

use std::collections::{BTreeMap, VecDeque};

use byway_access::service::reason::ReasonText;
use byway_access::session::{
    Client, ClientEffect, ClientNews, Counters, Listing, Measure, OpenError, OpenRequest, Provider, ProviderEffect,
    ProviderNews, ResponseId, SessionId, SessionMessage, SessionView, Sides, StopReason, Traffic,
};
use byway_dialogue::payment::{
    Ahead, BackingKind, Bounds, ExportedPair, Outcome, Parties, PaymentEffect, PaymentMessage, PaymentNews, Payments,
    Reach, SettleError, Spender,
};
use byway_dialogue::{Durability, ProtocolId};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, AssetId, DecodeError, Effect, Encode, IdentityId, Store, Time, Token};
use byway_records::call::Take;
use byway_records::state::Settled;
use byway_records::{Backing, OfferId, Promise, SignedPromise};

use super::news::MarketNews;
use super::step::Step;
use super::{MarketConfig, MarketDamaged, PairView, Selling, Standing};

/// Everything between us and one peer.
pub(super) struct Pair {
    peer: IdentityId,
    payments: Payments,
    /// Sessions that we use.
    client: Client,
    /// Sessions that we serve.
    provider: Provider,
    listings: BTreeMap<OfferId, Listing>,
    selling: Selling,
    /// As the ledger's word has it; the least until it was heard.
    reputation: u16,
    backing: BackingKind,
    bounds: Bounds,
    /// How far ahead the sessions that we use want to be, and what a period of being watched or held for, or an answer, costs.
    ahead: Ahead,
    watch_price: Amount,
    hold_price: Amount,
    answer_price: Amount,
    /// What is to be promised out of a lane.
    lane_wish: Option<Amount>,
}

/// Effects that wait to be passed on within a step.
enum Pending {
    Payment(Box<PaymentEffect>),
    Client(ClientEffect),
    Provider(ProviderEffect),
}

impl Pair {
    pub fn restore(
        config: &MarketConfig,
        peer: IdentityId,
        now: Time,
        store: &impl Store,
    ) -> Result<Self, MarketDamaged> {
        let me = config.identity.id();
        let parties = Parties { network: config.network, me, peer, asset: AssetId::WAY };
        let (using, serving) = (Sides { client: me, provider: peer }, Sides { client: peer, provider: me });
        Ok(Self {
            peer,
            payments: Payments::restore(parties, config.identity.clone(), config.give, config.take, store)?,
            client: Client::restore(using, config.client, config.services.clone(), now, store)?,
            provider: Provider::restore(serving, config.provider, config.services.clone(), now, store)?,
            listings: BTreeMap::new(),
            selling: Selling::Open,
            reputation: 0,
            backing: config.take.backing,
            bounds: Bounds::default(),
            ahead: Ahead::NOTHING,
            watch_price: Amount::ZERO,
            hold_price: Amount::ZERO,
            answer_price: Amount::ZERO,
            lane_wish: None,
        })
    }

    pub fn start(&mut self, now: Time, step: &mut Step) {
        let provider = self.provider.start(now);
        let payments = self.payments.start();
        let client = self.client.start(now);
        self.pass_on(now, step, provider.into_iter().map(Pending::Provider));
        self.pass_on(now, step, payments.into_iter().map(Pending::payment));
        self.pass_on(now, step, client.into_iter().map(Pending::Client));
    }

    pub fn sell(&mut self, listings: &BTreeMap<OfferId, Listing>) {
        self.listings.clone_from(listings);
        self.price();
    }

    /// Sells at the prices that apply to this client.
    fn price(&mut self) {
        if self.selling != Selling::Open {
            return;
        }
        let reputation = self.reputation;
        let sales = self.listings.iter().filter_map(|(offer, listing)| Some((*offer, listing.sale(reputation)?)));
        self.provider.sell(sales.collect());
    }

    /// Sells, or says why it doesn't.
    pub fn set_selling(&mut self, selling: Selling) {
        self.selling = selling;
        match selling {
            Selling::Open => self.price(),
            Selling::Full => self.provider.be_full(),
            Selling::MonthSpent => self.provider.be_spent(),
            Selling::Closing => self.provider.be_closing(),
        }
    }

    pub fn is_served(&self) -> bool {
        self.provider.is_serving()
    }

    pub fn attached(&mut self, now: Time, step: &mut Step) {
        let payments = self.payments.attach(now);
        self.pass_on(now, step, payments.into_iter().map(Pending::payment));
        let provider = self.provider.handle_attached(now);
        self.pass_on(now, step, provider.into_iter().map(Pending::Provider));
        let client = self.client.handle_attached(now);
        self.pass_on(now, step, client.into_iter().map(Pending::Client));
    }

    pub fn detached(&mut self, now: Time, step: &mut Step) {
        let client = self.client.handle_detached(now);
        self.pass_on(now, step, client.into_iter().map(Pending::Client));
        let provider = self.provider.handle_detached(now);
        self.pass_on(now, step, provider.into_iter().map(Pending::Provider));
    }

    /// The dialogue is over.
    pub fn ended(&mut self, now: Time, step: &mut Step) {
        let client = self.client.handle_dialogue_ended(now);
        self.pass_on(now, step, client.into_iter().map(Pending::Client));
        let provider = self.provider.handle_dialogue_ended(now);
        self.pass_on(now, step, provider.into_iter().map(Pending::Provider));
        self.payments.detach();
    }

    /// What is to be said along with the opening of the dialogue.
    pub fn early(&self) -> Option<Vec<u8>> {
        self.client.early().map(|message| message.to_bytes())
    }

    /// What the peer said along with its opening. Only a request for a session can be said so early: it is the same again
    /// when it comes as a message.
    pub fn handle_early(&mut self, now: Time, bytes: &[u8], step: &mut Step) -> Result<(), DecodeError> {
        let message: SessionMessage = decode_exact(bytes)?;
        if let SessionMessage::Open { .. } = message {
            let effects = self.provider.handle_message(now, message);
            self.pass_on(now, step, effects.into_iter().map(Pending::Provider));
        }
        Ok(())
    }

    pub fn message(
        &mut self,
        now: Time,
        protocol: ProtocolId,
        bytes: &[u8],
        step: &mut Step,
    ) -> Result<(), DecodeError> {
        match protocol {
            ProtocolId::PAYMENT => {
                let message: PaymentMessage = decode_exact(bytes)?;
                let effects = self.payments.handle_message(now, message);
                self.pass_on(now, step, effects.into_iter().map(Pending::payment));
            }
            ProtocolId::SESSION => {
                let message: SessionMessage = decode_exact(bytes)?;
                if let SessionMessage::Ask { .. } = message {
                    self.provider.note_credit(self.payments.room(Backing::Account), self.backing);
                }
                if is_from_client(&message) {
                    let effects = self.provider.handle_message(now, message.clone());
                    self.pass_on(now, step, effects.into_iter().map(Pending::Provider));
                }
                if is_from_provider(&message) {
                    self.client.note_ahead(self.payments.ahead());
                    let effects = self.client.handle_message(now, message);
                    self.pass_on(now, step, effects.into_iter().map(Pending::Client));
                }
            }
            // A protocol of a newer version: its messages are let go of.
            _ => {}
        }
        Ok(())
    }

    pub fn wake(&mut self, now: Time, step: &mut Step) {
        let payments = self.payments.handle_wake(now);
        self.pass_on(now, step, payments.into_iter().map(Pending::payment));
        self.client.note_ahead(self.payments.ahead());
        let client = self.client.handle_wake(now);
        self.pass_on(now, step, client.into_iter().map(Pending::Client));
        let provider = self.provider.handle_wake(now);
        self.pass_on(now, step, provider.into_iter().map(Pending::Provider));
    }

    pub fn durable(&mut self, now: Time, token: Token, step: &mut Step) {
        let effects = self.payments.handle_durable(token);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn open_session(
        &mut self,
        now: Time,
        response: ResponseId,
        request: OpenRequest,
        step: &mut Step,
    ) -> Result<(), OpenError> {
        let effects = self.client.open(now, response, request)?;
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
        Ok(())
    }

    pub fn ask_terms(
        &mut self,
        now: Time,
        response: ResponseId,
        what: (OfferId, Measure),
        step: &mut Step,
    ) -> Result<(), OpenError> {
        let effects = self.client.ask(now, response, what)?;
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
        Ok(())
    }

    pub fn channel(&mut self, now: Time, session: SessionId, built: Result<(), ()>, step: &mut Step) {
        let effects = self.client.handle_channel(now, session, built);
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
    }

    pub fn used(&mut self, now: Time, session: SessionId, traffic: Traffic, step: &mut Step) {
        self.client.note_ahead(self.payments.ahead());
        let effects = self.client.handle_counters(now, session, traffic);
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
    }

    pub fn served(&mut self, now: Time, session: SessionId, counters: Counters, step: &mut Step) {
        let effects = self.provider.handle_counters(now, session, counters);
        self.pass_on(now, step, effects.into_iter().map(Pending::Provider));
    }

    pub fn judged(&mut self, now: Time, session: SessionId, verdict: Result<Vec<u8>, ReasonText>, step: &mut Step) {
        let effects = self.provider.handle_judged(now, session, verdict);
        self.pass_on(now, step, effects.into_iter().map(Pending::Provider));
    }

    pub fn stop_using(&mut self, now: Time, session: SessionId, step: &mut Step) {
        let effects = self.client.stop(now, session);
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
    }

    pub fn limit_using(&mut self, now: Time, session: SessionId, cost_max: Amount, step: &mut Step) {
        let effects = self.client.limit(now, session, cost_max);
        self.pass_on(now, step, effects.into_iter().map(Pending::Client));
    }

    pub fn stop_serving(&mut self, now: Time, session: SessionId, reason: StopReason, step: &mut Step) {
        let effects = self.provider.stop(now, session, reason);
        self.pass_on(now, step, effects.into_iter().map(Pending::Provider));
    }

    pub fn set_standing(&mut self, now: Time, standing: Standing, step: &mut Step) {
        self.reputation = standing.reputation;
        self.price();
        self.provider.grant_trial(standing.trial);
        let effects = self.payments.admit(now, Backing::Account, standing.exposure_max);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn set_net_max(&mut self, net_max: Amount) {
        self.payments.set_net_max(net_max);
    }

    /// Of our account, what the net that is under way with the peer would take.
    pub fn set_aside(&self) -> Amount {
        self.payments.set_aside()
    }

    /// What else is known of the peer.
    pub fn bound(&mut self, now: Time, bounds: Bounds, step: &mut Step) {
        self.bounds = bounds;
        let effects = self.payments.bound(now, bounds);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    /// What the peer has promised and not used.
    pub fn credit(&self) -> Amount {
        self.payments.remainder()
    }

    /// Whether the peer's credit is held until more is known of it.
    pub fn is_held(&self) -> bool {
        self.bounds.held_to.is_some()
    }

    /// The peer's account promises that are not settled.
    pub fn unsettled_newest_first(&self) -> Vec<SignedPromise> {
        let unsettled = self.payments.unsettled().into_iter().rev().map(|taken| taken.promise);
        unsettled.filter(|signed| signed.promise.series.backing == Backing::Account).collect()
    }

    pub fn newest_unsettled(&self) -> Option<SignedPromise> {
        self.unsettled_newest_first().first().copied()
    }

    pub fn note_settled(&mut self, now: Time, taken: Option<Settled>, given: Option<Settled>, step: &mut Step) {
        let effects = self.payments.note_settled(now, Backing::Account, taken, given);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn settle(
        &mut self,
        now: Time,
        backing: Backing,
        reach: Reach,
        take: Take,
        step: &mut Step,
    ) -> Result<(), SettleError> {
        let effects = self.payments.settle(now, backing, reach, take)?;
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
        Ok(())
    }

    pub fn settlement(&mut self, now: Time, promise: Promise, outcome: Outcome, step: &mut Step) {
        let effects = self.payments.handle_settlement(now, promise, outcome);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn set_day_max(&mut self, now: Time, day_max: Amount, step: &mut Step) {
        let effects = self.payments.set_day_max(now, day_max);
        self.pass_on(now, step, effects.into_iter().map(Pending::payment));
    }

    pub fn view(&self, peer: IdentityId) -> PairView {
        PairView {
            peer,
            given: self.payments.last_promise().copied(),
            ahead: self.payments.ahead(),
            window: self.payments.window(),
            pays_from: self.payments.pays_from(),
            taken: self.payments.unsettled(),
            settling: self.payments.settling(Backing::Account),
            received: self.payments.received(),
        }
    }

    pub fn export(&self) -> ExportedPair {
        self.payments.export()
    }

    pub fn used_views(&self, now: Time) -> Vec<SessionView> {
        self.client.sessions(now)
    }

    pub fn served_views(&self, now: Time) -> Vec<SessionView> {
        self.provider.sessions(now)
    }

    /// Carries out effects and everything that follows from them, first come first served.
    fn pass_on(&mut self, now: Time, step: &mut Step, effects: impl Iterator<Item = Pending>) {
        let mut queue: VecDeque<Pending> = effects.collect();
        while let Some(pending) = queue.pop_front() {
            match pending {
                Pending::Payment(effect) => self.payment(now, *effect, step, &mut queue),
                Pending::Client(effect) => self.client_effect(now, effect, step, &mut queue),
                Pending::Provider(effect) => self.provider_effect(effect, step, &mut queue),
            }
        }
    }

    fn payment(&mut self, now: Time, effect: PaymentEffect, step: &mut Step, queue: &mut VecDeque<Pending>) {
        match effect {
            Effect::Persist { batch, token } => step.persist_payment(batch, token),
            Effect::Send { message, .. } => step.send(ProtocolId::PAYMENT, message.to_bytes(), Durability::Durable),
            Effect::WakeAt(time) => step.wake_at(time),
            Effect::Notify(PaymentNews::Submit { promise, call }) => {
                step.notify(MarketNews::Submit { peer: self.peer, promise, call });
            }
            Effect::Notify(PaymentNews::LaneWanted { more }) => self.lane_wish = Some(more),
            Effect::Notify(news) => {
                if let PaymentNews::Credited { received } = news {
                    queue.extend(self.provider.handle_credit(now, received).into_iter().map(Pending::Provider));
                }
                step.notify(MarketNews::Payment { peer: self.peer, news });
            }
        }
    }

    fn client_effect(&mut self, now: Time, effect: ClientEffect, step: &mut Step, queue: &mut VecDeque<Pending>) {
        match effect {
            Effect::Persist { batch, .. } => step.persist(batch),
            Effect::Send { message, .. } => {
                step.send(ProtocolId::SESSION, message.to_bytes(), durability(&message));
            }
            Effect::WakeAt(time) => step.wake_at(time),
            Effect::Notify(ClientNews::Spent { total }) => {
                let effects = self.payments.spend(now, Spender::SESSIONS, total);
                queue.extend(effects.into_iter().map(Pending::payment));
            }
            Effect::Notify(ClientNews::PayAhead(ahead)) => {
                self.ahead = ahead;
                let effects = self.payments.stay_ahead(now, self.ahead_in_force());
                queue.extend(effects.into_iter().map(Pending::payment));
            }
            Effect::Notify(news) => {
                if let ClientNews::Paused { .. } = news {
                    let effects = self.payments.note_exhausted(now);
                    queue.extend(effects.into_iter().map(Pending::payment));
                }
                step.notify(MarketNews::Using { provider: self.peer, news });
            }
        }
    }

    fn provider_effect(&mut self, effect: ProviderEffect, step: &mut Step, queue: &mut VecDeque<Pending>) {
        match effect {
            Effect::Persist { batch, .. } => step.persist(batch),
            Effect::Send { message, .. } => {
                step.send(ProtocolId::SESSION, message.to_bytes(), durability(&message));
            }
            Effect::WakeAt(time) => step.wake_at(time),
            Effect::Notify(ProviderNews::Earned { total }) => {
                let effects = self.payments.earn(Spender::SESSIONS, total);
                queue.extend(effects.into_iter().map(Pending::payment));
            }
            Effect::Notify(news) => step.notify(MarketNews::Serving { client: self.peer, news }),
        }
    }
}

impl Pending {
    fn payment(effect: PaymentEffect) -> Self {
        Self::Payment(Box::new(effect))
    }
}

/// Periodic bills are stale with the next one; everything else must arrive.
fn durability(message: &SessionMessage) -> Durability {
    match message {
        SessionMessage::Metering(_) => Durability::Volatile,
        _ => Durability::Durable,
    }
}

/// Whether a client says this, so that it is for our provider.
fn is_from_client(message: &SessionMessage) -> bool {
    match message {
        SessionMessage::Open { .. }
        | SessionMessage::Ask { .. }
        | SessionMessage::ChannelUp { .. }
        | SessionMessage::ChannelFailed { .. }
        | SessionMessage::Acknowledge { .. }
        | SessionMessage::Stop { .. } => true,
        SessionMessage::Accepted(_)
        | SessionMessage::Refused { .. }
        | SessionMessage::Quoted { .. }
        | SessionMessage::Counter { .. }
        | SessionMessage::Metering(_)
        | SessionMessage::Pause { .. }
        | SessionMessage::Resume { .. }
        | SessionMessage::Stopped(_) => false,
    }
}

/// Whether a provider says this; `Stop` is said by both.
fn is_from_provider(message: &SessionMessage) -> bool {
    !is_from_client(message) || matches!(message, SessionMessage::Stop { .. })
}
