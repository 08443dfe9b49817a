//! Parts: where no way has room for all that is to be paid, several ways are taken at once.
//!
//! All parts have the invoice's hash, and come to what it asks for; the payee opens none before all are there ([`parts`](super::parts)). A part that is
//! lost is tried another way only when nothing of it is left, so what is locked at any time never comes to more than the amount and the
//! fees, which together are within the payer's limit.

use std::collections::BTreeMap;

use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Time};
use byway_records::promise::ChannelId;

use super::conduit::LockId;
use super::message::Leg;
use super::order::{Order, PartsId};
use super::passage::{LockRef, Outgoing, PARTS_MAX, Part, Passage, PassageId, Payment, PaymentFailure, PaymentStatus};
use super::payer::ATTEMPTS_MAX;
use super::router::{FINAL_TIME, Router};
use super::sight;
use crate::channels::Channels;
use crate::signer::Signer;

const ATTEMPT: Context = Context("byway 1 routing attempt");
const PARTS: Context = Context("byway 1 routing parts");

/// What is taken of each channel, and how often each way is used, by the parts that are planned.
#[derive(Default)]
struct Taken {
    rooms: BTreeMap<ChannelId, (Amount, usize)>,
    ways: BTreeMap<usize, u32>,
}

impl Router {
    /// What is locked where for each part: by the cheapest way that has room, and of several by that which the fewest other parts use. So no way is
    /// taken for more than others ask, and a dear one does not use up the highest fee.
    pub(super) fn plan<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        payment: &Payment,
        routes: &[Vec<Leg>],
    ) -> Result<Vec<(Part, Outgoing)>, PaymentFailure> {
        let (mut taken, mut planned) = (Taken::default(), Vec::new());
        let mut locked = Amount::ZERO;
        for number in 0..payment.split {
            let (part, outgoing) = self.plan_part(channels, payment, number, routes, &mut taken)?;
            locked = locked.checked_add(part.locked).ok_or(PaymentFailure::Fee)?;
            planned.push((part, outgoing));
        }
        if locked.saturating_sub(payment.terms.amount) > payment.fee_max {
            return Err(PaymentFailure::Fee);
        }
        Ok(planned)
    }

    fn plan_part<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        payment: &Payment,
        number: u32,
        routes: &[Vec<Leg>],
        taken: &mut Taken,
    ) -> Result<(Part, Outgoing), PaymentFailure> {
        let fits = |(route, legs): (usize, &Vec<Leg>)| {
            let first = legs.first().map_or(payment.terms.payee, |leg| leg.hub);
            let amount = legs.first().map_or(payment.part(number), |leg| leg.amount);
            let channel = self.roomiest(channels, payment, first, amount, taken)?;
            let outgoing = self.outgoing(channels, payment, number, legs, (channel, amount))?;
            let used = taken.ways.get(&route).copied().unwrap_or(0);
            Some((used, amount, route, outgoing))
        };
        let all = routes.iter().enumerate().filter_map(fits);
        let best = all.min_by_key(|(used, amount, ..)| (*amount, *used));
        let (used, locked, route, outgoing) = best.ok_or(PaymentFailure::NoRoute)?;
        let before = taken.rooms.entry(outgoing.lock.channel).or_default();
        *before = (before.0.checked_add(locked).ok_or(PaymentFailure::NoRoute)?, before.1 + 1);
        taken.ways.insert(route, used + 1);
        let way = routes[route].iter().map(|leg| leg.hub).collect();
        Ok((Part { passage: PassageId::of(outgoing.lock), locked, way }, outgoing))
    }

    /// The channel with a peer that has most room beside what is taken of it, if that is enough.
    fn roomiest<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        payment: &Payment,
        peer: IdentityId,
        amount: Amount,
        taken: &Taken,
    ) -> Option<ChannelId> {
        let rooms = self.rooms_with(channels, peer).into_iter();
        let allowed = rooms.filter(|(id, _)| payment.circle.is_none_or(|circle| circle.from == *id));
        let left = allowed.map(|(id, room)| {
            let (amount, locks) = taken.rooms.get(&id).copied().unwrap_or_default();
            (id, room.saturating_sub(amount), locks)
        });
        let fit = left.filter(|(id, left, locks)| *left >= amount && self.can_lock(channels, *id, locks + 1));
        fit.max_by_key(|(_, left, _)| *left).map(|(id, ..)| id)
    }

    /// All parts are written down together, and then begun.
    pub(super) fn begin<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        payment: Payment,
        planned: Vec<(Part, Outgoing)>,
    ) {
        let hash = payment.terms.hash;
        let (parts, outgoing): (Vec<Part>, Vec<Outgoing>) = planned.into_iter().unzip();
        let ids: Vec<PassageId> = parts.iter().map(|part| part.passage).collect();
        self.put_payment(Payment { status: PaymentStatus::Trying, parts, ..payment });
        for (id, outgoing) in ids.iter().zip(outgoing) {
            self.put_passage(*id, Passage::own(now, hash, outgoing));
        }
        ids.into_iter().for_each(|id| self.advance(now, channels, id));
    }

    /// Tries one part by another of the ways that are known; false if none of them has room for it, or all cost too much.
    pub(super) fn try_part<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        payment: &Payment,
        number: usize,
    ) -> bool {
        let Some(seeking) = self.seeking.get(&payment.terms.hash).filter(|_| payment.attempt < ATTEMPTS_MAX) else {
            return false;
        };
        let mut payment = Payment { attempt: payment.attempt + 1, ..payment.clone() };
        let planned = self.plan_part(channels, &payment, number as u32, &seeking.routes, &mut Taken::default());
        let Ok((part, outgoing)) = planned else { return false };
        payment.parts[number] = part;
        if payment.locked().saturating_sub(payment.terms.amount) > payment.fee_max {
            return false;
        }
        let (hash, id) = (payment.terms.hash, payment.parts[number].passage);
        self.put_payment(payment);
        self.put_passage(id, Passage::own(now, hash, outgoing));
        self.advance(now, channels, id);
        true
    }

    /// The first lock of a part's way, and what each hub on it is told.
    fn outgoing<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        payment: &Payment,
        number: u32,
        legs: &[Leg],
        (channel, amount): (ChannelId, Amount),
    ) -> Option<Outgoing> {
        let (terms, machine) = (&payment.terms, sight::machine(channels, channel)?);
        let counters = [payment.attempt, number].map(u32::to_be_bytes).concat();
        let entropy = ATTEMPT.hash(&[&payment.entropy, &terms.hash.0, &counters]).0;
        let last = whole_seconds(machine.environment().time + FINAL_TIME);
        let (mut until, mut next, mut sent) = (last, terms.payee, payment.part(number));
        let mut order = Order::Receive { parts: payment.parts_id() }.seal(terms.key, terms.hash, &entropy, 0)?;
        for (number, leg) in (1u32..).zip(legs.iter().rev()) {
            let forward = Order::Forward { next, amount: sent, until, rest: order };
            order = forward.seal(leg.key, terms.hash, &entropy, number)?;
            (next, sent) = (leg.hub, leg.amount);
            until = whole_seconds(until + leg.delta);
        }
        if until > sight::until_max(machine) {
            return None;
        }
        let lock = LockRef { channel, id: LockId::derived(&entropy, channel) };
        Some(Outgoing { lock, amount, until, order })
    }
}

impl Payment {
    /// What the payee is sent by that part: the last one may be a little less than the others.
    pub(super) fn part(&self, number: u32) -> Amount {
        let (amount, parts) = (self.terms.amount.units(), u128::from(self.split.max(1)));
        let each = amount.div_ceil(parts);
        Amount::from_units(amount.saturating_sub(each * u128::from(number)).min(each))
    }

    /// What is locked for it in all, fees included.
    pub(super) fn locked(&self) -> Amount {
        Amount::checked_sum(self.parts.iter().map(|part| part.locked)).unwrap_or(Amount::MAX)
    }

    /// Whether it may go in more parts where it did not in fewer: each needs less room.
    pub(super) fn can_split(&self, failure: PaymentFailure) -> bool {
        let next = u128::from(self.split) * 2;
        // With fewer units than that the last part would be none.
        let is_divisible = self.terms.amount.units() >= next * next;
        failure.is_of_room() && next <= u128::from(PARTS_MAX) && is_divisible && self.circle.is_none()
    }

    /// What its parts are known by as belonging together; none where it goes by one way.
    fn parts_id(&self) -> Option<PartsId> {
        let digest = PARTS.hash(&[&self.entropy, &self.terms.hash.0, &self.split.to_be_bytes()]).0;
        (self.split > 1).then(|| PartsId(std::array::from_fn(|index| digest[index])))
    }
}

/// The contract counts in seconds.
fn whole_seconds(time: Time) -> Time {
    Time(time.0.div_ceil(1000).saturating_mul(1000))
}
