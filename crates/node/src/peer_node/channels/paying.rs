//! Payments over several channels (row C4): what is asked for, what is paid, and what is sent on for others.
//!
//! The router does it all ([`byway_channel::routing`]); here is what people say and are told. An invoice is paid once: whoever asks
//! again waits for the same payment, or is told what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use byway_channel::guarantee::GuaranteeTerms;
use byway_channel::routing::{
    EXPIRES_MAX, HINTS_MAX, HubTerms, Invoice, OnItsWay, PayError, PaymentFailure, PaymentHash, PaymentStatus,
    PaymentView, Preimage, Reason as RoutingReason, RoutingNews, Stage, conduit,
};
use byway_channel::{ChannelMachine, Health, Life};
use byway_crypto::IdentitySecret;
use byway_driver::entropy;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::ProgramId;
use byway_records::channel::entry::code_key;
use byway_records::offer::Service;
use byway_records::promise::ChannelId;
use byway_vm::code_hash;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::PeerNode;
use super::Actor;
use super::views::id_text;
use crate::api::*;
use crate::config::HubConfig;

/// How long a call waits for a payment before it answers that it is on its way.
const PAY_WAIT: Duration = Duration::from_secs(60);
/// How long an invoice can be paid unless its maker says otherwise.
const EXPIRES_DEFAULT: Span = Span::minutes(60);
/// When the code of the locks' contract is handed in again that the ledger does not have.
const REGISTER_AGAIN: Span = Span::minutes(5);
/// Refusals that are kept to be shown.
const REFUSED_MAX: usize = 32;

/// What is under way with payments over several channels, beside what the router knows.
#[derive(Default)]
pub(super) struct Paying {
    /// Whoever waits for a payment of ours; they are let go of when something has become of it.
    asking: BTreeMap<PaymentHash, Vec<oneshot::Sender<()>>>,
    /// Oldest first.
    refused: VecDeque<HubRefusal>,
    /// When the ledger was last given the contract's code.
    registered: Option<Time>,
}

impl PeerNode {
    /// Pays, and waits for a while until that is done.
    pub(in super::super) async fn pay_invoice(&self, request: ChannelInvoicePay) -> Answer<InvoicePayment> {
        let invoice: Invoice = request.invoice.parse().map_err(ApiError::invoice_refused)?;
        let fee_max = request.fee_max.unwrap_or_else(|| fee_default(invoice.terms.amount));
        let (asker, done) = oneshot::channel();
        let hash = invoice.terms.hash;
        self.ask(move |actor| actor.pay_invoice(&invoice, fee_max, asker)).await?;
        // Either it is done or it is not; how it stands is looked up.
        let _ = timeout(PAY_WAIT, done).await;
        self.ask(move |actor| {
            let view = actor.market.router().payment_view(hash).ok_or_else(ApiError::internal)?;
            paid_or_not(hash, view, fee_max)
        })
        .await
    }
}

impl Actor {
    /// Asks to be paid over channels with the peers that there are.
    pub(in super::super) fn make_invoice(&mut self, request: &ChannelInvoiceMake) -> Answer<ChannelInvoice> {
        let (now, amount) = (self.clock.now(), request.amount);
        let note = request.note.as_deref().map(str::parse).transpose();
        let note = note.map_err(|why| ApiError::invalid_params("note", why))?;
        let peers = self.hub_peers();
        let hubs = peers.iter().filter(|peer| peer.connected && peer.from_peer >= amount);
        let hubs: Vec<IdentityId> = hubs.map(|peer| peer.peer).take(HINTS_MAX).collect();
        if hubs.is_empty() {
            let why = match peers.iter().any(|peer| peer.connected) {
                true => "no peer has so much in a channel with this node, so nobody could pay it over one",
                false => "there is no open channel with a peer that is connected",
            };
            return Err(ApiError::channel_not_ready(why));
        }
        let expires = request.expires_seconds.unwrap_or(EXPIRES_DEFAULT.0 / 1000);
        if expires > EXPIRES_MAX.0 / 1000 {
            return Err(ApiError::invalid_params("expires_seconds", "it can be paid for a year at the most"));
        }
        let expires = now + Span::seconds(expires);
        let preimage = Preimage(entropy::seed());
        let invoice = self.market.invoice(now, preimage, amount, expires, hubs, note, &self.market_journal);
        let hash = hex::encode(invoice.terms.hash.0);
        Ok(ChannelInvoice {
            invoice: invoice.to_string(),
            hash,
            amount,
            note: request.note.clone(),
            expires_ms: expires,
        })
    }

    fn pay_invoice(&mut self, invoice: &Invoice, fee_max: Amount, asker: oneshot::Sender<()>) -> Answer<()> {
        let (now, terms) = (self.clock.now(), &invoice.terms);
        let paid = self.market.pay_invoice(now, invoice, fee_max, entropy::seed(), &self.market_journal);
        let status = paid.map_err(|error| match error {
            PayError::Expired => ApiError::invoice_expired(terms.expires),
            error => ApiError::invoice_refused(error),
        })?;
        match status {
            PaymentStatus::Seeking | PaymentStatus::Trying(_) => {
                let asking = self.channels.paying.asking.entry(terms.hash).or_default();
                asking.retain(|asker| !asker.is_closed());
                asking.push(asker);
            }
            // The asker is let go of, and looks.
            PaymentStatus::Paid { .. } | PaymentStatus::Failed(_) => {}
        }
        Ok(())
    }

    pub(in super::super) fn routing_news(&mut self, news: RoutingNews) {
        match news {
            RoutingNews::Paid { hash, .. } | RoutingNews::NotPaid { hash, .. } => {
                self.channels.paying.asking.remove(&hash);
            }
            RoutingNews::Refused { peer, amount, failure } => {
                let mut reason = refusal(failure.reason);
                if failure.hop > 0 {
                    reason.message = format!("{} hops from here: {}", failure.hop, reason.message);
                }
                self.note_refused(peer, amount, reason);
            }
            RoutingNews::NoWay { peer, amount, reason } => {
                let Reason { code, message } = refusal(reason);
                self.note_refused(peer, amount, Reason::new(code, format!("asked for a way: {message}")));
            }
            RoutingNews::Received { amount, .. } => tracing::info!(%amount, "an invoice is paid"),
            RoutingNews::Forwarded { .. } => {}
            RoutingNews::Lost { amount } => {
                tracing::warn!(%amount, "a payment was sent on, and what came in for it went back before it could be opened");
            }
            // The market has done that.
            RoutingNews::Propose { .. } | RoutingNews::Force { .. } | RoutingNews::Close { .. } => {}
        }
    }

    fn note_refused(&mut self, peer: IdentityId, amount: Amount, reason: Reason) {
        let refused = &mut self.channels.paying.refused;
        refused.truncate(REFUSED_MAX - 1);
        refused.push_front(HubRefusal { at_ms: self.clock.now(), peer, amount, reason });
    }

    /// Sends payments on from now on, or does so no more; what is on its way goes on.
    pub(in super::super) fn run_hub(&mut self, request: &HubRun) -> HubStatus {
        let known = self.hub_terms();
        let terms = HubTerms {
            fee_base: request.fee_base.unwrap_or(known.fee_base),
            fee_per_million: request.fee_per_million.unwrap_or(known.fee_per_million),
            amount_min: request.amount_min.unwrap_or(known.amount_min),
            ..known
        };
        self.market.set_hub(request.run.then_some(terms));
        let guarantees = self.guarantee_terms();
        let guarantees = GuaranteeTerms {
            fee_base: request.guarantee_fee_base.unwrap_or(guarantees.fee_base),
            fee_per_million: request.guarantee_fee_per_million.unwrap_or(guarantees.fee_per_million),
            ..guarantees
        };
        let was_guaranteeing = self.market.guarantees().terms().is_some();
        let is_guaranteeing = request.run && request.guarantee.unwrap_or(was_guaranteeing);
        self.market.set_guaranteeing(is_guaranteeing.then_some(guarantees));
        self.list(Service::HUB, request.publish);
        self.hub_status()
    }

    /// On what terms this node is a hub, or would be.
    fn hub_terms(&self) -> HubTerms {
        let known = self.market.router().terms().copied().or(self.config.hub);
        known.unwrap_or_else(|| HubConfig::default().terms())
    }

    /// On what terms this node guarantees virtual channels, or would.
    fn guarantee_terms(&self) -> GuaranteeTerms {
        let known = self.market.guarantees().terms().copied().or(self.config.guaranteeing);
        known.unwrap_or_else(|| HubConfig::default().guarantee_terms())
    }

    pub(in super::super) fn hub_status(&self) -> HubStatus {
        let (router, terms) = (self.market.router(), self.hub_terms());
        let (earned, guarantees) = (router.earned(), self.guarantee_terms());
        HubStatus {
            runs: router.terms().is_some(),
            terms: HubTermsRecord {
                fee_base: terms.fee_base,
                fee_per_million: terms.fee_per_million,
                amount_min: terms.amount_min,
                peer_amount_max: terms.per_peer.amount,
                amount_max: terms.in_all.amount,
                guarantees: self.market.guarantees().terms().is_some(),
                guarantee_fee_base: guarantees.fee_base,
                guarantee_fee_per_million: guarantees.fee_per_million,
                guarantee_days_max: guarantees.time_max.0 / Span::days(1).0,
            },
            forwarded: earned.payments,
            amount: earned.amount,
            fees: earned.fees,
            peers: self.hub_peers(),
            on_their_way: router.on_their_way().map(|on_its_way| self.hub_payment(on_its_way)).collect(),
            guarantees: self.hub_guarantees(),
            refused: self.channels.paying.refused.iter().cloned().collect(),
        }
    }

    /// Everyone with whom there are open channels, and how much goes through them each way.
    fn hub_peers(&self) -> Vec<HubPeer> {
        let mut peers: BTreeMap<IdentityId, HubPeer> = BTreeMap::new();
        // Nothing goes over a virtual one.
        let is_good = |channel: &OwnChannel| {
            channel.life() == Life::Open && *channel.health() == Health::Sound && channel.virtual_terms().is_none()
        };
        for (key, channel) in self.market.channels().iter().filter(|(_, channel)| is_good(channel)) {
            let [to_peer, from_peer] = rooms(channel);
            let peer = peers.entry(key.peer).or_insert(HubPeer {
                peer: key.peer,
                connected: false,
                channels: 0,
                to_peer: Amount::ZERO,
                from_peer: Amount::ZERO,
            });
            peer.channels += 1;
            peer.connected |= channel.is_connected();
            (peer.to_peer, peer.from_peer) = (peer.to_peer.max(to_peer), peer.from_peer.max(from_peer));
        }
        peers.into_values().collect()
    }

    fn hub_payment(&self, on_its_way: OnItsWay) -> HubPayment {
        let lock = |(channel, amount, until): (ChannelId, Amount, Time)| HubLock {
            channel: id_text(channel),
            peer: self.market.channels().key_of(channel).map(|key| key.peer),
            amount,
            until_ms: until,
        };
        HubPayment {
            hash: hex::encode(on_its_way.hash.0),
            state: match on_its_way.stage {
                Stage::Locking => HubPaymentState::Locking,
                Stage::Locked => HubPaymentState::Locked,
                Stage::Claiming(_) => HubPaymentState::Opened,
                Stage::Failing(_) => HubPaymentState::Failing,
            },
            incoming: on_its_way.incoming.map(lock),
            outgoing: on_its_way.outgoing.map(lock),
        }
    }

    /// The ledger forces only calls of code that it has: as soon as a payment is on its way it is given that of the locks.
    pub(super) fn tend_payments(&mut self) {
        let now = self.clock.now();
        let is_due = self.channels.paying.registered.is_none_or(|at| now.since(at) >= REGISTER_AGAIN);
        if !is_due || self.market.router().on_their_way().next().is_none() {
            return;
        }
        self.channels.paying.registered = Some(now);
        let code = conduit::code();
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        if tree.is_some_and(|tree| tree.value(&code_key(code_hash(code))).is_some()) {
            return;
        }
        let price = self.code_price(code);
        if let Err(error) = self.register_code(code.to_vec(), price) {
            tracing::warn!(%error, "the ledger can't be given the contract of payments over channels; none could be forced");
        }
    }
}

type OwnChannel = ChannelMachine<IdentitySecret>;

/// What either side can send the other at once: its balance less its reserve, ours first.
fn rooms(channel: &OwnChannel) -> [Amount; 2] {
    let (balances, reserve) = (channel.position().balances, channel.terms().reserve);
    [channel.side(), channel.side().other()].map(|side| balances[side.index()].saturating_sub(reserve))
}

/// A hundredth, and a little for small payments.
fn fee_default(amount: Amount) -> Amount {
    let (share, least) = (amount.mul_div_ceil(1, 100), Amount::cost(Amount::from_coins(1), 1, 1_000));
    share.zip(least).and_then(|(share, least)| share.checked_add(least)).unwrap_or(amount)
}

/// A payment as its payer is told of it.
fn paid_or_not(hash: PaymentHash, view: PaymentView, fee_max: Amount) -> Answer<InvoicePayment> {
    let (state, preimage) = match view.status {
        PaymentStatus::Seeking | PaymentStatus::Trying(_) => (InvoicePaymentState::OnItsWay, None),
        PaymentStatus::Paid { preimage, .. } => (InvoicePaymentState::Paid, Some(hex::encode(preimage.0))),
        PaymentStatus::Failed(failure) => return Err(not_paid(&view, failure, fee_max)),
    };
    Ok(InvoicePayment {
        hash: hex::encode(hash.0),
        payee: view.payee,
        amount: view.amount,
        note: view.note.map(|note| note.to_string()),
        state,
        way: view.way,
        fee: view.fee,
        until_ms: view.until,
        preimage,
    })
}

/// Why a payment failed, as its payer is told. Who says it follows from how far away it was said: 0 is this node, then come the hubs.
fn not_paid(view: &PaymentView, failure: PaymentFailure, fee_max: Amount) -> ApiError {
    let failure = match failure {
        PaymentFailure::NoRoute => return ApiError::no_way_to_payee(view.payee),
        PaymentFailure::Fee => return ApiError::hub_fee_too_high(fee_max),
        PaymentFailure::OnItsWay(failure) => failure,
    };
    let (hop, hubs) = (usize::from(failure.hop), view.way.len());
    match failure.reason {
        // The last before the payee does not reach it.
        RoutingReason::NoChannel if hop == hubs => ApiError::payee_silent(view.payee),
        // It let go of its lock without a word, or let its time pass.
        RoutingReason::Downstream if hop > hubs => ApiError::payee_silent(view.payee),
        reason => {
            let by = hop.checked_sub(1).map(|before| view.way.get(before).copied().unwrap_or(view.payee));
            ApiError::invoice_not_paid(by, reason)
        }
    }
}

/// A stable word for a reason, and what it says.
fn refusal(reason: RoutingReason) -> Reason {
    let code = match reason {
        RoutingReason::Order => "order",
        RoutingReason::NoHub => "no_hub",
        RoutingReason::NoChannel => "no_channel",
        RoutingReason::Room => "room",
        RoutingReason::Exposure => "exposure",
        RoutingReason::Fee => "fee",
        RoutingReason::Time => "time",
        RoutingReason::Unknown => "unknown",
        RoutingReason::Amount => "amount",
        RoutingReason::Late => "late",
        RoutingReason::Paid => "paid",
        RoutingReason::Downstream => "downstream",
    };
    Reason::new(code, reason.to_string())
}
