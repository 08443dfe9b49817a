//! What this node pays: each invoice once, by one way at a time.

use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Time};

use super::conduit::{LockId, PaymentHash, Preimage};
use super::invoice::Invoice;
use super::message::{Failure, HUBS_MAX, Leg, QuestionId};
use super::order::Order;
use super::passage::{LockRef, Outgoing, Passage, PassageId, Payment, PaymentFailure, PaymentStatus, Stage};
use super::question::{Asker, Query};
use super::router::{EXPIRES_MAX, FINAL_TIME, Router, RoutingNews};
use super::sight;
use crate::channels::Channels;
use crate::signer::Signer;

/// Ways that a payment tries at the most.
const ATTEMPTS_MAX: u32 = 16;

const QUESTION: Context = Context("byway 1 routing question");
const ATTEMPT: Context = Context("byway 1 routing attempt");

/// Ways that are known of a payment, in memory only.
#[derive(Debug, Clone, Default)]
pub(super) struct Seeking {
    /// Questions without an answer yet.
    open: usize,
    routes: Vec<Vec<Leg>>,
}

/// Why nothing is paid at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    #[error("the invoice is of another network")]
    Network,
    #[error("the invoice has expired; ask for another one")]
    Expired,
    #[error("the invoice can be paid for longer than a year; ask for another one")]
    Endless,
    #[error("the invoice is this node's own")]
    Own,
    #[error("the invoice asks for nothing")]
    Nothing,
    #[error("it has the hash of another invoice that is paid or being paid; ask for another one")]
    Other,
}

impl Router {
    /// Pays an invoice, or says how that stands: each is paid once, however often it is asked for. `entropy` is fresh randomness.
    pub fn pay<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        invoice: &Invoice,
        fee_max: Amount,
        entropy: [u8; 32],
    ) -> Result<PaymentStatus, PayError> {
        let terms = invoice.terms.clone();
        let hash = terms.hash;
        let known = self.payments.get(&hash).filter(|known| !matches!(known.status, PaymentStatus::Failed(_)));
        if let Some(known) = known {
            return if known.terms == terms { Ok(known.status) } else { Err(PayError::Other) };
        }
        if terms.network != self.network {
            return Err(PayError::Network);
        }
        if terms.payee == self.id {
            return Err(PayError::Own);
        }
        if terms.amount.is_zero() {
            return Err(PayError::Nothing);
        }
        if terms.expires < now {
            return Err(PayError::Expired);
        }
        if terms.expires > now + EXPIRES_MAX {
            return Err(PayError::Endless);
        }
        let (way, status) = (Vec::new(), PaymentStatus::Seeking);
        self.put_payment(Payment { terms, fee_max, entropy, attempt: 0, way, status });
        self.seek(now, channels, hash);
        self.finish(now, channels);
        Ok(self.payment(hash).unwrap_or(PaymentStatus::Seeking))
    }

    /// Looks for ways, unless that is being done.
    pub(super) fn seek<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, hash: PaymentHash) {
        let Some(payment) = self.payments.get(&hash).filter(|_| !self.seeking.contains_key(&hash)).cloned() else {
            return;
        };
        let terms = payment.terms;
        let direct =
            sight::widest_with(channels, terms.payee).filter(|(_, machine)| sight::room(*machine) >= terms.amount);
        if direct.is_some() {
            self.seeking.insert(hash, Seeking { open: 0, routes: vec![Vec::new()] });
            return self.try_one(now, channels, hash, None);
        }
        let hubs: Vec<IdentityId> = terms.hubs.into_iter().filter(|hub| *hub != self.id).collect();
        self.seeking.insert(hash, Seeking { open: hubs.len(), routes: Vec::new() });
        if hubs.is_empty() {
            return self.try_one(now, channels, hash, None);
        }
        for (number, hub) in (0u32..).zip(hubs) {
            let digest =
                QUESTION.hash(&[&payment.entropy, &hash.0, &payment.attempt.to_be_bytes(), &number.to_be_bytes()]);
            let id = QuestionId(std::array::from_fn(|index| digest.0[index]));
            let query = Query { id, to: hub, amount: terms.amount, hubs: HUBS_MAX as u8 };
            self.ask(now, channels, Asker::Payment(hash), query);
        }
    }

    /// A question has its answers.
    pub(super) fn note_routes<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        routes: Vec<Vec<Leg>>,
    ) {
        let Some(seeking) = self.seeking.get_mut(&hash) else { return };
        seeking.routes.extend(routes);
        seeking.open -= 1;
        if seeking.open == 0 {
            // The cheapest last, from where ways are taken.
            seeking.routes.sort_by_key(|legs| std::cmp::Reverse(legs.first().map(|leg| leg.amount)));
            self.try_one(now, channels, hash, None);
        }
    }

    /// That way failed, and nothing of it is left.
    pub(super) fn try_next<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        failure: Failure,
    ) {
        self.try_one(now, channels, hash, Some(PaymentFailure::OnItsWay(failure)));
    }

    /// Takes the next way; if there is none, the payment has failed, for what the last one failed for.
    fn try_one<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        mut failure: Option<PaymentFailure>,
    ) {
        let Some(mut payment) = self.payments.get(&hash).cloned() else { return };
        while let Some(legs) = self.seeking.get_mut(&hash).and_then(|seeking| seeking.routes.pop()) {
            let amount = legs.first().map_or(payment.terms.amount, |leg| leg.amount);
            if amount.saturating_sub(payment.terms.amount) > payment.fee_max {
                failure = failure.or(Some(PaymentFailure::Fee));
                continue;
            }
            payment.attempt += 1;
            if let Some(outgoing) =
                self.outgoing(channels, &payment, &legs, amount).filter(|_| payment.attempt <= ATTEMPTS_MAX)
            {
                let id = PassageId::of(outgoing.lock);
                payment.status = PaymentStatus::Trying(id);
                payment.way = legs.iter().map(|leg| leg.hub).collect();
                self.put_payment(payment);
                let passage =
                    Passage { hash, incoming: None, outgoing: Some(outgoing), since: now, stage: Stage::Locking };
                self.put_passage(id, passage);
                return self.advance(now, channels, id);
            }
        }
        self.seeking.remove(&hash);
        let failure = failure.unwrap_or(PaymentFailure::NoRoute);
        self.put_payment(Payment { status: PaymentStatus::Failed(failure), ..payment });
        self.notify(RoutingNews::NotPaid { hash, failure });
    }

    /// The first lock of a way, and what each hub on it is told.
    fn outgoing<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        payment: &Payment,
        legs: &[Leg],
        amount: Amount,
    ) -> Option<Outgoing> {
        let terms = &payment.terms;
        let first = legs.first().map_or(terms.payee, |leg| leg.hub);
        let (channel, machine) = sight::widest_with(channels, first)?;
        let entropy = ATTEMPT.hash(&[&payment.entropy, &terms.hash.0, &payment.attempt.to_be_bytes()]).0;
        let last = whole_seconds(machine.environment().time + FINAL_TIME);
        let (mut until, mut next, mut sent) = (last, terms.payee, terms.amount);
        let mut order = Order::Receive.seal(terms.key, terms.hash, &entropy, 0)?;
        for (number, leg) in (1u32..).zip(legs.iter().rev()) {
            let forward = Order::Forward { next, amount: sent, until, rest: order };
            order = forward.seal(leg.key, terms.hash, &entropy, number)?;
            (next, sent) = (leg.hub, leg.amount);
            until = whole_seconds(until + leg.delta);
        }
        if until > sight::until_max(machine) || sight::room(machine) < amount {
            return None;
        }
        let lock = LockRef { channel, id: LockId::derived(&entropy, channel) };
        Some(Outgoing { lock, amount, until, order })
    }

    pub(super) fn note_paid(&mut self, hash: PaymentHash, preimage: Preimage, outgoing: &Outgoing) {
        let Some(payment) = self.payments.get(&hash).cloned() else { return };
        if matches!(payment.status, PaymentStatus::Paid { .. }) {
            return;
        }
        let fee = outgoing.amount.saturating_sub(payment.terms.amount);
        self.put_payment(Payment { status: PaymentStatus::Paid { preimage, fee }, ..payment });
        self.seeking.remove(&hash);
        self.notify(RoutingNews::Paid { hash, fee });
    }
}

/// The contract counts in seconds.
fn whole_seconds(time: Time) -> Time {
    Time(time.0.div_ceil(1000).saturating_mul(1000))
}
