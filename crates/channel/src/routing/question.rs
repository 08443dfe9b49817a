//! Ways: a question goes from hub to hub, each of which adds itself and its fee to the best answer that it has.

use std::collections::BTreeSet;

use byway_crypto::noise::StaticKey;
use byway_primitives::{Amount, IdentityId, Span, Time};

use super::conduit::PaymentHash;
use super::message::{HUBS_MAX, Leg, QuestionId, Reason, RoutingMessage};
use super::router::{Router, RoutingNews};
use super::sight;
use super::terms::DELTA_MAX;
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// How long a question is open for each hub that it may still go over.
const ANSWER_TIME_MAX: Span = Span::seconds(2);
/// Questions of one peer that are open at a time.
const QUESTIONS_PER_PEER_MAX: usize = 16;
/// The same of all.
const QUESTIONS_MAX: usize = 256;
/// How many peers a question is passed on to.
const PEERS_ASKED_MAX: usize = 8;

/// Questions of one peer that are answered at once, where it has asked none for a while.
const QUESTIONS_AT_ONCE: u64 = 64;
/// How long it takes until one more of its is answered.
const QUESTION_EVERY: Span = Span::millis(50);

/// What this hub passes on to another counts there as its own. What part of the questions that it may ask there those of one peer may be at the most …
const PASSED_ON_PART: u64 = 4;
/// … and what it takes off for one that it passes on, in milliseconds: those of all peers are three quarters, so that some are left for its own.
const PASSED_ON_MILLIS: u64 = (QUESTION_EVERY.0 * 4).div_ceil(3);

/// To whom questions are passed on, or none where they are answered here; and whose, or none for those of all.
pub(super) type Asking = (Option<IdentityId>, Option<IdentityId>);

/// How many questions a peer may ask now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// In the time that they take to come back.
    left: Span,
    at: Time,
}

impl Allowance {
    const WHOLE: Span = Span::millis(QUESTIONS_AT_ONCE * QUESTION_EVERY.0);

    /// What is left now of what was left then.
    fn grown(self, now: Time) -> Self {
        let left = self.left.0.saturating_add(now.since(self.at).0).min(Self::WHOLE.0);
        Self { left: Span(left), at: now }
    }
}

/// What is asked: how could the hub `to` be had send so much on, over no more than so many hubs?
#[derive(Debug, Clone, Copy)]
pub(super) struct Query {
    pub id: QuestionId,
    pub to: IdentityId,
    pub amount: Amount,
    pub hubs: u8,
}

/// A question that is open.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub from: Asker,
    pub to: IdentityId,
    pub amount: Amount,
    /// Whom it was passed on to and who has not answered.
    pub waiting: BTreeSet<IdentityId>,
    pub routes: Vec<Vec<Leg>>,
    pub until: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Peer(IdentityId),
    /// This node, for a part of a payment of its own, which may be all of it.
    Payment(PaymentHash),
    /// The same, for all of one that may go in parts.
    Whole(PaymentHash),
}

impl Router {
    pub(super) fn handle_ask<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        query: Query,
    ) {
        let Query { id, to, amount, .. } = query;
        let hubs = query.hubs.min(HUBS_MAX as u8);
        let is_usable = sight::widest_with(channels, peer).is_some();
        if is_usable && !self.may_ask(now, peer) {
            return self.out.send(peer, RoutingMessage::Tell { id, legs: Vec::new() });
        }
        let of_peer = self.questions.values().filter(|question| question.from == Asker::Peer(peer)).count();
        let is_full = of_peer >= QUESTIONS_PER_PEER_MAX || self.questions.len() >= QUESTIONS_MAX;
        // A question that is open here already has come back to where it was.
        let is_known = self.questions.contains_key(&id);
        let own = (to == self.id && hubs > 0).then(|| self.leg(amount)).flatten();
        if is_full || is_known || !self.sends_on() || to == self.id || hubs < 2 || !is_usable {
            let legs: Vec<_> = own.into_iter().filter(|_| is_usable).collect();
            if legs.is_empty() && self.terms.is_some() && is_usable && !is_known {
                let reason = match to == self.id {
                    _ if !self.is_ready => Reason::Unready,
                    true if self.is_dust(amount) => Reason::Dust,
                    true => Reason::Fee,
                    false if is_full => Reason::Exposure,
                    false => Reason::NoChannel,
                };
                self.out.notify(RoutingNews::NoWay { peer, amount, reason });
            }
            return self.out.send(peer, RoutingMessage::Tell { id, legs });
        }
        self.ask(now, channels, Asker::Peer(peer), Query { hubs: hubs - 1, ..query });
    }

    /// Takes one question off what a peer may ask here; false if it has asked too much.
    fn may_ask(&mut self, now: Time, peer: IdentityId) -> bool {
        self.take_off(now, (None, Some(peer)), QUESTION_EVERY)
    }

    /// The same of what this hub passes on to another. The share of each peer that asks is the smaller the more of them ask.
    fn may_pass_on(&mut self, now: Time, asker: IdentityId, next: IdentityId) -> bool {
        let (all, own) = ((Some(next), None), (Some(next), Some(asker)));
        let of_next = self.allowances.range(all..).take_while(|((to, _), _)| *to == Some(next));
        let others = of_next.filter(|(asking, _)| **asking != all && **asking != own).count() as u64;
        let share = (PASSED_ON_PART * QUESTION_EVERY.0).max(PASSED_ON_MILLIS * (others + 1));
        // Its own first: whoever comes when the others have used up all counts among those who ask from then on, so that they leave it its share.
        self.take_off(now, own, Span(share)) && self.take_off(now, all, Span(PASSED_ON_MILLIS))
    }

    /// False, and nothing taken off, where not so much is left.
    fn take_off(&mut self, now: Time, asking: Asking, cost: Span) -> bool {
        let whole = Allowance { left: Allowance::WHOLE, at: now };
        let allowance = self.allowances.entry(asking).or_insert(whole);
        *allowance = allowance.grown(now);
        let left = allowance.left.0.checked_sub(cost.0);
        allowance.left = Span(left.unwrap_or(allowance.left.0));
        left.is_some()
    }

    /// Whoever has asked nothing for long enough is as good as one who never has.
    pub(super) fn forget_allowances(&mut self, now: Time) {
        self.allowances.retain(|_, allowance| allowance.grown(now).left < Allowance::WHOLE);
    }

    /// Asks the peers that so much can be sent to.
    pub(super) fn ask<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        from: Asker,
        Query { id, to, amount, hubs }: Query,
    ) {
        let first = if let Asker::Payment(hash) = from { self.first_of(channels, hash) } else { None };
        let has_room = |machine: &ChannelMachine<S>| sight::is_usable(machine) && sight::room(machine) >= amount;
        let is_asked = |peer: IdentityId| from != Asker::Peer(peer) && first.is_none_or(|first| first == peer);
        let is_next = is_asked(to) && channels.with_peer(to).any(|(_, machine)| has_room(machine));
        let waiting: BTreeSet<_> = if is_next {
            [to].into()
        } else {
            let peers = channels.iter().filter(|(_, machine)| has_room(machine)).map(|(key, _)| key.peer);
            peers.filter(|peer| is_asked(*peer)).collect::<BTreeSet<_>>().into_iter().take(PEERS_ASKED_MAX).collect()
        };
        let waiting: BTreeSet<_> = match from {
            Asker::Peer(asker) => waiting.into_iter().filter(|next| self.may_pass_on(now, asker, *next)).collect(),
            Asker::Payment(_) | Asker::Whole(_) => waiting,
        };
        for peer in &waiting {
            self.out.send(*peer, RoutingMessage::Ask { id, to, amount, hubs });
        }
        let until = now + Span::millis(ANSWER_TIME_MAX.0 * u64::from(hubs));
        let question = Question { from, to, amount, waiting, routes: Vec::new(), until };
        let is_answered = question.waiting.is_empty();
        self.questions.insert(id, question);
        if is_answered {
            self.end_question(now, channels, id);
        }
    }

    pub(super) fn handle_tell<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        id: QuestionId,
        legs: Vec<Leg>,
    ) {
        let Some(question) = self.questions.get_mut(&id) else { return };
        if !question.waiting.remove(&peer) {
            return;
        }
        let is_short = legs.len() <= HUBS_MAX && legs.iter().all(|leg| leg.delta <= DELTA_MAX);
        if legs.first().is_some_and(|leg| leg.hub == peer) && is_short {
            question.routes.push(legs);
        }
        if question.waiting.is_empty() {
            self.end_question(now, channels, id);
        }
    }

    /// Those whose time is over have the answers that there are.
    pub(super) fn end_questions<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        let over: Vec<_> =
            self.questions.iter().filter(|(_, question)| question.until <= now).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.end_question(now, channels, id));
    }

    fn end_question<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: QuestionId) {
        let Some(question) = self.questions.remove(&id) else { return };
        match question.from {
            Asker::Peer(peer) => {
                let legs = self.best(channels, question.routes).unwrap_or_default();
                if legs.is_empty() {
                    let is_near = sight::widest_with(channels, question.to).is_some();
                    let reason = if is_near { Reason::Room } else { Reason::NoChannel };
                    self.out.notify(RoutingNews::NoWay { peer, amount: question.amount, reason });
                }
                self.out.send(peer, RoutingMessage::Tell { id, legs });
            }
            Asker::Payment(hash) => self.note_routes(now, channels, hash, question.routes, false),
            Asker::Whole(hash) => self.note_routes(now, channels, hash, question.routes, true),
        }
    }

    /// The cheapest of the ways, with this hub before it.
    fn best<S: Signer + Clone>(&self, channels: &Channels<S>, routes: Vec<Vec<Leg>>) -> Option<Vec<Leg>> {
        let fits = |legs: &Vec<Leg>| {
            let first = legs.first()?;
            let (_, machine) = sight::widest_with(channels, first.hub)?;
            (sight::room(machine) >= first.amount && legs.len() < HUBS_MAX).then_some(first.amount)
        };
        let priced = routes.into_iter().filter_map(|legs| Some((fits(&legs)?, legs)));
        let (amount, legs) = priced.min_by_key(|(amount, _)| *amount)?;
        Some([vec![self.leg(amount)?], legs].concat())
    }

    /// What this hub asks for so much that it sends on.
    fn leg(&self, amount: Amount) -> Option<Leg> {
        let terms = self.terms.filter(|_| self.is_ready)?;
        Some(Leg {
            hub: self.id,
            key: StaticKey::of(&self.secret),
            amount: terms.with_fee(amount)?,
            delta: terms.delta,
        })
    }
}
