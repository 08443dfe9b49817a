//! What this node pays: each invoice once, by one way at a time, or where no way has room for all of it in parts ([`split`](super::split)).

use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Time};

use super::conduit::{PaymentHash, Preimage};
use super::invoice::{Invoice, InvoiceTerms};
use super::message::{Failure, HUBS_MAX, Leg, QuestionId, Reason};
use super::passage::{Circle, Part, PassageId, Payment, PaymentFailure, PaymentStatus};
use super::question::{Asker, Query};
use super::router::{EXPIRES_MAX, Router, RoutingNews};
use super::sight;
use crate::channels::Channels;
use crate::signer::Signer;

/// Ways that a payment, or its parts together, try at the most.
pub(super) const ATTEMPTS_MAX: u32 = 32;
/// Payments that ways are looked for for at a time: each asks several peers for ways to several hubs.
pub const SEEKING_MAX: usize = 16;

const QUESTION: Context = Context("byway 1 routing question");

/// Ways that are known of a payment, in memory only.
#[derive(Debug, Clone, Default)]
pub(super) struct Seeking {
    /// Questions without an answer yet.
    open: usize,
    /// The cheapest last, from where they are taken.
    pub routes: Vec<Vec<Leg>>,
    /// Ways for all of it, where it may go in parts.
    whole: Vec<Vec<Leg>>,
    /// How many there were.
    ways: usize,
    /// Whether it went in parts by these ways already.
    is_split: bool,
    /// Why it failed before it was to go in more parts.
    before: Option<Cause>,
    /// Why the first of the parts failed that are on their way.
    cause: Option<Cause>,
}

/// Why a payment failed, and which part of it did first.
#[derive(Debug, Clone)]
struct Cause {
    failure: PaymentFailure,
    part: Option<Part>,
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
    #[error("ways are being looked for for {SEEKING_MAX} payments; pay it when one of them is through")]
    Busy,
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
        let known = self.payments.get(&terms.hash);
        // What may have been spent is not sent once more by the same command.
        let is_over = |status| matches!(status, PaymentStatus::Failed(failure) if !failure.is_paid_out());
        let known = known.filter(|known| !is_over(known.status));
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
        if self.is_busy() {
            return Err(PayError::Busy);
        }
        Ok(self.begin_payment(now, channels, terms, fee_max, entropy, None))
    }

    pub(super) fn is_busy(&self) -> bool {
        let seeking = self.payments.values().filter(|payment| payment.status == PaymentStatus::Seeking);
        seeking.count() >= SEEKING_MAX
    }

    pub(super) fn begin_payment<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        terms: InvoiceTerms,
        fee_max: Amount,
        entropy: [u8; 32],
        circle: Option<Circle>,
    ) -> PaymentStatus {
        let (hash, parts, status) = (terms.hash, Vec::new(), PaymentStatus::Seeking);
        let (attempt, split, is_lost) = (0, 1, false);
        self.put_payment(Payment { terms, fee_max, entropy, attempt, split, parts, circle, is_lost, status });
        self.seek(now, channels, hash);
        self.finish(now, channels);
        self.payment(hash).unwrap_or(PaymentStatus::Seeking)
    }

    /// Looks for ways for one part, which may be all of it, unless that is being done.
    pub(super) fn seek<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, hash: PaymentHash) {
        if !self.seeking.contains_key(&hash) {
            self.seek_after(now, channels, hash, None);
        }
    }

    fn seek_after<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        before: Option<Cause>,
    ) {
        let Some(payment) = self.payments.get(&hash).cloned() else { return };
        let (part, terms) = (payment.part(0), &payment.terms);
        let direct = sight::widest_with(channels, terms.payee).filter(|(_, machine)| sight::room(*machine) >= part);
        let routes: Vec<Vec<Leg>> = direct.iter().map(|_| Vec::new()).collect();
        let is_all_direct = payment.split == 1 && direct.is_some();
        let hubs = terms.hubs.iter().copied().filter(|hub| *hub != self.id && !is_all_direct);
        let hubs: Vec<IdentityId> = hubs.collect();
        // That there was no way says nothing of why. If there is one for all of it by now, it was not for want of room.
        let asks_again = payment.split > 1 && payment.attempt == 0;
        let askers = [Some((Asker::Payment(hash), part)), asks_again.then_some((Asker::Whole(hash), terms.amount))];
        let askers: Vec<(Asker, Amount)> = askers.into_iter().flatten().collect();
        self.seeking.insert(hash, Seeking { open: hubs.len() * askers.len(), routes, before, ..Seeking::default() });
        if hubs.is_empty() {
            return self.choose(now, channels, hash, None);
        }
        let all = askers.into_iter().flat_map(|asker| hubs.iter().map(move |hub| (asker, *hub)));
        for (number, ((asker, amount), to)) in (0u32..).zip(all) {
            let counters = [payment.attempt, payment.split, number].map(u32::to_be_bytes).concat();
            let digest = QUESTION.hash(&[&payment.entropy, &hash.0, &counters]);
            let id = QuestionId(std::array::from_fn(|index| digest.0[index]));
            self.ask(now, channels, asker, Query { id, to, amount, hubs: HUBS_MAX as u8 });
        }
    }

    /// A question about a part has its answers, or one about all of the payment.
    pub(super) fn note_routes<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        routes: Vec<Vec<Leg>>,
        is_about_all: bool,
    ) {
        let (Some(seeking), Some(payment)) = (self.seeking.get_mut(&hash), self.payments.get(&hash)) else { return };
        if seeking.open == 0 {
            return;
        }
        if is_about_all {
            seeking.whole.extend(routes)
        } else {
            seeking.routes.extend(routes)
        }
        seeking.open -= 1;
        if seeking.open > 0 {
            return;
        }
        let whole = std::mem::take(&mut seeking.whole);
        let is_one_enough = !whole.is_empty();
        if is_one_enough {
            seeking.routes = whole;
        }
        seeking.ways = seeking.routes.len();
        seeking.routes.sort_by_key(|legs| std::cmp::Reverse(legs.first().map(|leg| leg.amount)));
        if is_one_enough {
            self.put_payment(Payment { split: 1, ..payment.clone() });
        }
        self.choose(now, channels, hash, None);
    }

    /// A part failed, and nothing of it is left. It is tried by another way, as long as the others still are on theirs; where there is none they
    /// are waited for, and something else is tried once nothing of them is left either.
    pub(super) fn try_next<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        id: PassageId,
        failure: Failure,
    ) {
        let payment = self.payments.get(&hash).filter(|payment| payment.status == PaymentStatus::Trying).cloned();
        let Some(mut payment) = payment else { return };
        let Some(number) = payment.parts.iter().position(|part| part.passage == id) else { return };
        let failure_here = PaymentFailure::OnItsWay(failure);
        if failure_here.is_paid_out() {
            // In one write with the end of its passage: whatever else fails later, and after a crash too, nothing is tried on top of it.
            payment.is_lost = true;
            self.put_payment(payment.clone());
        }
        let seeking = self.seeking.entry(hash).or_default();
        if payment.split > 1 && !payment.is_lost && seeking.cause.is_none() && failure.reason.is_of_the_way() {
            seeking.routes.retain(|legs| !legs.iter().map(|leg| leg.hub).eq(payment.parts[number].way.iter().copied()));
            if self.try_part(now, channels, &payment, number) {
                return;
            }
        }
        let is_left = payment.parts.iter().any(|part| self.passages.contains_key(&part.passage));
        let seeking = self.seeking.entry(hash).or_default();
        let part = payment.parts.get(number).cloned();
        let cause = Cause { failure: failure_here, part };
        // The others fail because of the first; but what may be gone is said.
        if seeking.cause.is_none() || cause.failure.is_paid_out() {
            seeking.cause = Some(cause);
        }
        if !is_left {
            let cause = seeking.cause.take();
            self.choose(now, channels, hash, cause);
        }
    }

    /// Takes the next way, or as many as there are parts. If there are none it is tried in more parts, and at last the payment has failed, for
    /// what it failed for first.
    fn choose<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hash: PaymentHash,
        mut cause: Option<Cause>,
    ) {
        let Some(mut payment) = self.payments.get(&hash).cloned() else { return };
        if payment.is_lost {
            let part = cause.filter(|cause| cause.failure.is_paid_out()).and_then(|cause| cause.part);
            let failure = PaymentFailure::OnItsWay(Failure::here(Reason::PaidOut));
            return self.fail(payment, Cause { failure, part });
        }
        while payment.attempt < ATTEMPTS_MAX
            && let Some(routes) = self.next_routes(hash, payment.split)
        {
            payment.attempt += 1;
            match self.plan(channels, &payment, &routes) {
                Ok(planned) => return self.begin(now, channels, payment, planned),
                Err(failure) => cause = cause.or(Some(Cause { failure, part: None })),
            }
        }
        let Seeking { before, ways, .. } = self.seeking.remove(&hash).unwrap_or_default();
        let cause = match cause.filter(|cause| before.is_none() || !cause.failure.is_of_room()).or(before) {
            Some(cause) => cause,
            None => Cause { failure: PaymentFailure::NoRoute, part: None },
        };
        // By one way all parts together meet the same bounds.
        if payment.can_split(cause.failure) && (ways > 1 || !cause.failure.is_of_bounds()) {
            let (split, status) = (payment.split * 2, PaymentStatus::Seeking);
            self.put_payment(Payment { split, status, ..payment });
            return self.seek_after(now, channels, hash, Some(cause));
        }
        self.fail(payment, cause);
    }

    fn fail(&mut self, payment: Payment, Cause { failure, part }: Cause) {
        let (hash, parts) = (payment.terms.hash, part.into_iter().collect());
        self.seeking.remove(&hash);
        self.put_payment(Payment { status: PaymentStatus::Failed(failure), parts, ..payment });
        self.out.notify(RoutingNews::NotPaid { hash, failure });
    }

    /// The ways that are to be tried at once: one, or where it goes in parts all that there are.
    fn next_routes(&mut self, hash: PaymentHash, split: u32) -> Option<Vec<Vec<Leg>>> {
        let seeking = self.seeking.get_mut(&hash)?;
        if split == 1 {
            return seeking.routes.pop().map(|legs| vec![legs]);
        }
        let is_first = !std::mem::replace(&mut seeking.is_split, true);
        Some(seeking.routes.clone()).filter(|routes| is_first && !routes.is_empty())
    }

    /// One was opened: the payee has all that it waits for.
    pub(super) fn note_paid(&mut self, hash: PaymentHash, preimage: Preimage) {
        let Some(payment) = self.payments.get(&hash).cloned() else { return };
        if matches!(payment.status, PaymentStatus::Paid { .. }) {
            return;
        }
        let fee = payment.locked().saturating_sub(payment.terms.amount);
        self.put_payment(Payment { status: PaymentStatus::Paid { preimage, fee }, ..payment });
        self.seeking.remove(&hash);
        self.out.notify(RoutingNews::Paid { hash, fee });
    }
}

impl PaymentFailure {
    /// Whether it may be that there is too little room for so much at once.
    pub(super) fn is_of_room(self) -> bool {
        match self {
            PaymentFailure::NoRoute => true,
            PaymentFailure::Fee => false,
            PaymentFailure::OnItsWay(Failure { reason, .. }) => {
                matches!(reason, Reason::Room | Reason::Exposure | Reason::Parts)
            }
        }
    }

    /// Whether a hub has as much on its way as it wants.
    fn is_of_bounds(self) -> bool {
        matches!(self, PaymentFailure::OnItsWay(Failure { reason: Reason::Exposure, .. }))
    }

    /// Whether a channel of this node's has paid out with money of it locked: it can't be said that nothing was spent.
    pub fn is_paid_out(self) -> bool {
        self == PaymentFailure::OnItsWay(Failure::here(Reason::PaidOut))
    }
}

impl Reason {
    /// Whether it is of the way, and not of the payee or of what was locked.
    fn is_of_the_way(self) -> bool {
        !matches!(
            self,
            Reason::Unknown | Reason::Amount | Reason::Late | Reason::Paid | Reason::Parts | Reason::PaidOut
        )
    }
}
