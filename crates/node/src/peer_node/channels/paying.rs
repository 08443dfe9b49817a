//! Payments over several channels (row C4): what is asked for, what is paid, and what is sent on for others.
//!
//! The router does it all ([`byway_channel::routing`]); here is what people say and are told. An invoice is paid once: whoever asks
//! again waits for the same payment, or is told what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use byway_channel::guarantee::GuaranteeTerms;
use byway_channel::routing::{
    EXPIRES_MAX, HINTS_MAX, HubTerms, Invoice, OnItsWay, PayError, PaymentFailure, PaymentHash, PaymentStatus,
    PaymentView, Preimage, Reason as RoutingReason, RoutingNews, Stage,
};
use byway_channel::{Health, Life};
use byway_driver::entropy;
use byway_peer::market::OwnChannel;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::offer::Service;
use byway_records::promise::ChannelId;
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
/// Refusals that are kept to be shown.
const REFUSED_MAX: usize = 32;

/// What is under way with payments over several channels, beside what the router knows.
#[derive(Default)]
pub(super) struct Paying {
    /// Whoever waits for a payment of ours; they are let go of when something has become of it.
    asking: BTreeMap<PaymentHash, Vec<oneshot::Sender<()>>>,
    /// Oldest first.
    refused: VecDeque<HubRefusal>,
    pub(super) tended: super::rebalancing::Tended,
}

impl PeerNode {
    /// Pays, and waits for a while until that is done.
    pub(in super::super) async fn pay_invoice(&self, request: ChannelInvoicePay) -> Answer<InvoicePayment> {
        let invoice: Invoice = request.invoice.parse().map_err(ApiError::invoice_refused)?;
        let fee_max = request.fee_max.unwrap_or_else(|| hub_fee_default(invoice.terms.amount));
        let (asker, done) = oneshot::channel();
        let hash = invoice.terms.hash;
        self.ask(move |actor| actor.pay_invoice(&invoice, fee_max, asker)).await?;
        self.paid_within(hash, fee_max, done).await
    }

    /// Waits for a payment for a while, and says how it stands.
    pub(super) async fn paid_within(
        &self,
        hash: PaymentHash,
        fee_max: Amount,
        done: oneshot::Receiver<()>,
    ) -> Answer<InvoicePayment> {
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
        let mut peers = self.hub_peers();
        peers.sort_by_key(|peer| std::cmp::Reverse(peer.from_peer));
        let hubs = peers.iter().filter(|peer| peer.connected && !peer.from_peer.is_zero());
        let hubs: Vec<&HubPeer> = hubs.take(HINTS_MAX).collect();
        // In parts it comes over several.
        let rooms = hubs.iter().flat_map(|peer| &peer.rooms).map(|room| room.from_peer);
        let is_enough = Amount::checked_sum(rooms).is_none_or(|room| room >= amount);
        if hubs.is_empty() || !is_enough {
            let why = match peers.iter().any(|peer| peer.connected) {
                true => "peers don't have so much in channels with this node, so nobody could pay it over them",
                false => "there is no open channel with a peer that is connected",
            };
            return Err(ApiError::channel_not_ready(why));
        }
        let expires = request.expires_seconds.unwrap_or(EXPIRES_DEFAULT.0 / 1000);
        if expires > EXPIRES_MAX.0 / 1000 {
            return Err(ApiError::invalid_params("expires_seconds", "it can be paid for a year at the most"));
        }
        let expires = now + Span::seconds(expires);
        let (preimage, hubs) = (Preimage(entropy::seed()), hubs.into_iter().map(|peer| peer.peer).collect());
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
            busy @ PayError::Busy => ApiError::too_many_payments(busy),
            error => ApiError::invoice_refused(error),
        })?;
        self.wait_for_payment(terms.hash, status, asker);
        Ok(())
    }

    /// Whoever asks hears when something has become of it; where something has, it is let go of, and looks.
    pub(super) fn wait_for_payment(&mut self, hash: PaymentHash, status: PaymentStatus, asker: oneshot::Sender<()>) {
        if matches!(status, PaymentStatus::Seeking | PaymentStatus::Trying) {
            let asking = self.channels.paying.asking.entry(hash).or_default();
            asking.retain(|asker| !asker.is_closed());
            asking.push(asker);
        }
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
                tracing::warn!(%amount, "a payment was sent on, and what came in for it, or what was locked for it, went back or was paid out before it was resolved");
            }
            // The market has done that.
            RoutingNews::Propose { .. } | RoutingNews::Force { .. } | RoutingNews::Close { .. } => {}
        }
    }

    /// Once, though the peer asks over and over until it has heard of it.
    pub(super) fn note_declined(&mut self, peer: IdentityId, amount: Amount, reason: Reason) {
        // The other party too.
        let mut last = self.channels.paying.refused.iter().take(2);
        if !last.any(|last| (last.peer, last.amount, &last.reason) == (peer, amount, &reason)) {
            self.note_refused(peer, amount, reason);
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
        known.unwrap_or_else(|| HubConfig::default().terms(&self.config.genesis.parameters.call_prices))
    }

    /// On what terms this node guarantees virtual channels, or would.
    fn guarantee_terms(&self) -> GuaranteeTerms {
        let known = self.market.guarantees().terms().copied().or(self.config.guaranteeing);
        known.unwrap_or_else(|| HubConfig::default().guarantee_terms())
    }

    /// What it says of being ready its peers are told from then on.
    pub(in super::super) fn hub_status(&mut self) -> HubStatus {
        self.tend_payments();
        let (router, terms) = (self.market.router(), self.hub_terms());
        let (earned, guarantees) = (router.earned(), self.guarantee_terms());
        HubStatus {
            runs: router.terms().is_some(),
            unready: self.unready(),
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
            fees: earned.fees.checked_add(self.market.guarantees().earned()).unwrap_or(Amount::MAX),
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
                rooms: Vec::new(),
            });
            if let Some(id) = channel.id() {
                peer.rooms.push(HubRoom { channel: id_text(id), to_peer, from_peer });
            }
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
                Stage::Waiting(_) => HubPaymentState::Waiting,
                Stage::Claiming(_) => HubPaymentState::Opened,
                Stage::Failing(_) => HubPaymentState::Failing,
            },
            incoming: on_its_way.incoming.map(lock),
            outgoing: on_its_way.outgoing.map(lock),
        }
    }
}

/// What either side can send the other at once: its balance less its reserve, ours first.
fn rooms(channel: &OwnChannel) -> [Amount; 2] {
    let (balances, reserve) = (channel.position().balances, channel.terms().reserve);
    [channel.side(), channel.side().other()].map(|side| balances[side.index()].saturating_sub(reserve))
}

/// A payment as its payer is told of it.
fn paid_or_not(hash: PaymentHash, view: PaymentView, fee_max: Amount) -> Answer<InvoicePayment> {
    let (state, preimage) = match view.status {
        PaymentStatus::Seeking | PaymentStatus::Trying => (InvoicePaymentState::OnItsWay, None),
        PaymentStatus::Paid { preimage, .. } => (InvoicePaymentState::Paid, Some(hex::encode(preimage.0))),
        PaymentStatus::Failed(failure) => return Err(not_paid(&view, failure, fee_max)),
    };
    Ok(InvoicePayment {
        hash: hex::encode(hash.0),
        payee: view.payee,
        amount: view.amount,
        note: view.note.map(|note| note.to_string()),
        state,
        ways: view.ways,
        fee: view.fee,
        until_ms: view.until,
        preimage,
    })
}

/// Why a payment failed, as its payer is told. Who says it follows from how far away it was said: 0 is this node, then come the hubs.
fn not_paid(view: &PaymentView, failure: PaymentFailure, fee_max: Amount) -> ApiError {
    if failure.is_paid_out() {
        return ApiError::payment_paid_out(view.payee);
    }
    if view.circle.is_some() {
        return ApiError::not_rebalanced(failure);
    }
    let failure = match failure {
        PaymentFailure::NoRoute => return ApiError::no_way_to_payee(view.payee),
        PaymentFailure::Fee => return ApiError::hub_fee_too_high(fee_max),
        PaymentFailure::OnItsWay(failure) => failure,
    };
    let way = view.ways.first().map_or(&[][..], Vec::as_slice);
    let (hop, hubs) = (usize::from(failure.hop), way.len());
    match failure.reason {
        // The last before the payee does not reach it.
        RoutingReason::NoChannel if hop == hubs => ApiError::payee_silent(view.payee),
        // It let go of its lock without a word, or let its time pass.
        RoutingReason::Downstream if hop > hubs => ApiError::payee_silent(view.payee),
        reason => {
            let by = hop.checked_sub(1).map(|before| way.get(before).copied().unwrap_or(view.payee));
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
        RoutingReason::Parts => "parts",
        RoutingReason::Unready => "unready",
        RoutingReason::PaidOut => "paid_out",
        RoutingReason::Shape => "shape",
        RoutingReason::Dust => "dust",
    };
    Reason::new(code, reason.to_string())
}
