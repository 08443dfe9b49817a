//! What keeps a hub going (row C4): the ledger has what a forced call needs, and there is room in its channels where it is wanted.

use byway_channel::Life;
use byway_channel::routing::{Balancing, Circle, CircleError, PaymentHash, PaymentStatus, Preimage, conduit};
use byway_driver::entropy;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Span, Time};
use byway_records::channel::entry::code_key;
use byway_records::{Channel, ProgramId};
use byway_vm::code_hash;
use tokio::sync::oneshot;

use super::super::PeerNode;
use super::Actor;
use crate::api::*;
use crate::config::forced_price;

/// When the code of the locks' contract is handed in again that the ledger does not have.
const REGISTER_AGAIN: Span = Span::minutes(5);

/// Under one key money is moved once.
const PREIMAGE: Context = Context("byway 1 node: preimage of what a node pays itself under an idempotency key");

/// What was done last, and when.
#[derive(Debug, Default)]
pub(super) struct Tended {
    /// The ledger was given the contract's code.
    registered: Option<Time>,
    balancing: Balancing,
}

impl PeerNode {
    /// Pays itself, and waits for a while until that is done.
    pub(in super::super) async fn rebalance(&self, request: HubRebalance) -> Answer<InvoicePayment> {
        let (asker, done) = oneshot::channel();
        let (hash, fee_max) = self.ask(move |actor| actor.rebalance(&request, asker)).await?;
        self.paid_within(hash, fee_max, done).await
    }
}

impl Actor {
    fn rebalance(&mut self, request: &HubRebalance, asker: oneshot::Sender<()>) -> Answer<(PaymentHash, Amount)> {
        let key = request.idempotency_key.to_string();
        let preimage = Preimage(PREIMAGE.hash(&[self.config.identity.as_bytes(), key.as_bytes()]).0);
        let hash = preimage.hash();
        if let Some(known) = self.market.router().payment_view(hash) {
            if request.amount.is_some_and(|amount| amount != known.amount) {
                return Err(ApiError::idempotency_conflict());
            }
            self.wait_for_payment(hash, known.status, asker);
            return Ok((hash, request.fee_max.unwrap_or_else(|| hub_fee_default(known.amount))));
        }
        let (circle, amount) = self.circle(request)?;
        let fee_max = request.fee_max.unwrap_or_else(|| hub_fee_default(amount));
        self.pay_in_circle(circle, amount, fee_max, preimage).map_err(|error| match error {
            CircleError::Pay(busy) => ApiError::too_many_payments(busy),
            error => ApiError::not_rebalanced(error),
        })?;
        let status = self.market.router().payment(hash).unwrap_or(PaymentStatus::Seeking);
        self.wait_for_payment(hash, status, asker);
        Ok((hash, fee_max))
    }

    /// Out over which channel how much is to go, and in over which.
    fn circle(&self, request: &HubRebalance) -> Answer<(Circle, Amount)> {
        let named = |name: &Option<String>| name.as_ref().map(|name| self.ledger_id_of(name)).transpose();
        let (from, to) = (named(&request.from)?, named(&request.to)?);
        if let (Some(from), Some(to), Some(amount)) = (from, to, request.amount) {
            return Ok((Circle { from, to }, amount));
        }
        let uneven = self.market.router().uneven(self.market.channels());
        let (circle, amount) =
            uneven.ok_or_else(|| ApiError::not_rebalanced("none has much more to send than another"))?;
        let circle = Circle { from: from.unwrap_or(circle.from), to: to.unwrap_or(circle.to) };
        Ok((circle, request.amount.unwrap_or(amount)))
    }

    fn ledger_id_of(&self, name: &str) -> Answer<byway_records::promise::ChannelId> {
        let channel = self.market.channels().get(self.channel_named(name)?);
        channel.and_then(|channel| channel.id()).ok_or_else(|| ApiError::channel_not_found(name))
    }

    fn pay_in_circle(
        &mut self,
        circle: Circle,
        amount: Amount,
        fee_max: Amount,
        preimage: Preimage,
    ) -> Result<PaymentHash, CircleError> {
        let (now, random) = (self.clock.now(), (preimage, entropy::seed()));
        self.market.rebalance(now, circle, amount, fee_max, random, &self.market_journal)
    }

    /// Why no payment of others is taken now, whether or not this node is a hub: whatever a peer does not do the ledger would have to.
    pub(super) fn unready(&self) -> Option<Reason> {
        let price = forced_price(&self.config.genesis.parameters.call_prices);
        if self.wallet.balance(AssetId::WAY).free < price && !self.reserves_pay(price) {
            let why = format!(
                "the wallet, and the reserve of a channel, have less than the {price} WAY that a forced call costs"
            );
            return Some(Reason::new("funds", why));
        }
        let why =
            "the ledger does not have the contract of the locks yet; it is handed in once the wallet can pay for it";
        (!self.has_conduit()).then(|| Reason::new("code", why))
    }

    /// Whether what is left of our reserve pays for such a call in each of our channels.
    fn reserves_pay(&self, price: Amount) -> bool {
        let mut open = self.market.channels().iter().filter(|(_, channel)| channel.life() == Life::Open);
        open.all(|(_, channel)| {
            let entry = channel.id().and_then(|id| self.channel_entry(id));
            let charged = |entry: Channel| entry.reserve.saturating_sub(entry.charged[channel.side().index()]);
            entry.map(charged).is_some_and(|left| left >= price)
        })
    }

    fn has_conduit(&self) -> bool {
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        tree.is_some_and(|tree| tree.value(&code_key(code_hash(conduit::code()))).is_some())
    }

    /// The ledger forces only calls of code that it has: a hub gives it that of the locks, and so does whoever has a payment on its way or an
    /// invoice that may be paid.
    pub(super) fn tend_payments(&mut self) {
        let is_ready = self.unready().is_none();
        self.market.set_hub_ready(is_ready);
        self.register_conduit();
        if is_ready {
            self.rebalance_by_itself();
        }
    }

    fn register_conduit(&mut self) {
        let now = self.clock.now();
        let is_due = self.channels.paying.tended.registered.is_none_or(|at| now.since(at) >= REGISTER_AGAIN);
        let router = self.market.router();
        let is_wanted =
            router.terms().is_some() || router.on_their_way().next().is_some() || router.awaits_payment(now);
        if !is_due || !is_wanted || self.has_conduit() {
            return;
        }
        let (code, price) = (conduit::code(), self.code_price(conduit::code()));
        if self.wallet.balance(AssetId::WAY).free < price {
            return;
        }
        self.channels.paying.tended.registered = Some(now);
        if let Err(error) = self.register_code(code.to_vec(), price) {
            tracing::warn!(%error, "the ledger can't be given the contract of payments over channels; none could be forced");
        }
    }

    /// Where the configuration allows it something for that.
    fn rebalance_by_itself(&mut self) {
        let Some(per_million) = self.config.rebalance_per_million else { return };
        let (now, router, channels) = (self.clock.now(), self.market.router(), self.market.channels());
        let Some((circle, amount)) = self.channels.paying.tended.balancing.next(now, router, channels) else { return };
        let fee_max = amount.mul_div_ceil(per_million.into(), 1_000_000).unwrap_or(Amount::ZERO);
        match self.pay_in_circle(circle, amount, fee_max, Preimage(entropy::seed())) {
            Ok(_) => tracing::info!(%amount, "money is moved from one channel to another"),
            Err(error) => tracing::debug!(%error, "no money is moved from one channel to another"),
        }
    }
}
