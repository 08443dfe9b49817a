//! Settling the net: two who owe each other settle both promises in one call, and only the difference moves (row A5).
//!
//! ```text
//! proposer                                        the other side
//! settle ── Net {pair, signature} ──────────────►  checks, agrees for a bounded time
//!   in flight, both ◄── Netted {signature} ──────    └─ not settled in time: on its own again
//!   alone, at once  ◄── NetRefused ──────────────
//!   alone           ◄── silence for `advice_wait`
//! ```
//!
//! # When
//!
//! Whenever a promise on the account is about to be settled in whole, the peer can be told, and we owe the peer something
//! too. The proposal *is* the advice of the settlement: it takes the place of the message that would be sent anyway, and
//! waits no longer for its answer. Where we would owe the net we propose it only up to what we are known to have
//! ([`Payments::set_net_max`](super::Payments::set_net_max)): alone, our claim would bounce for nobody.
//!
//! # Why nobody is worse off than with two settlements
//!
//! - *A signature for the net is good for the net alone* ([`byway_records::pair`]): the other side can't settle one of the
//!   two promises with it. So the proposer can give its own first. The other side then holds both and may hand the pair in
//!   itself, now or later, which takes nothing from the proposer: the same two promises are settled.
//! - *The proposer hands it in.* It is the one who wanted to settle and pays for the call; it journals both signatures before
//!   it does, and hands it in again after a crash.
//! - *Silence, refusal, a wrong signature*: the proposer settles alone, as it would have. An answer that comes later is let go
//!   of. Whatever of the two reaches the ledger first is executed, and the other refused: each promise is paid once.
//! - *Agreeing and not settling.* Who has agreed holds its own settlement back for `advice_wait` and no longer, one that it
//!   had begun only as long as it would have waited anyway. If it had wanted to settle meanwhile it then does so alone, and
//!   agrees to nothing more until some promise of the peer's was settled. So a peer puts a settlement off by that span,
//!   once, which it can do by leaving an advice without an answer, too. If it is seen to settle its own part alone meanwhile
//!   the agreement ends there and then.
//! - *A refusal of the ledger* (one of the two was settled alone meanwhile, or we had too little for the net) is followed by
//!   settling alone: what is wrong with the peer's account shows there and then, as ever. Where it is the peer who has too
//!   little for the net that is the bounce: alone it would owe more, and a promise that was raised since would bounce again.
//! - *Agreeing to several nets at once*, or proposing them: what those under way with other peers would take of our account
//!   is set aside ([`Payments::set_aside`](super::Payments::set_aside)) before another is proposed.
//! - *A promise that is raised meanwhile* is settled up to what stands in the pair; the rest is the difference next time.
//!   The pair must hold the very promise that settles next for the side that agrees, so that no earlier serial is voided,
//!   and no old promise of a lower amount is netted instead of the whole.
//! - *Both propose at once*: the proposal of the lower identity stands, the other one answers it.
//! - *A crash.* The promises of a pair are in their payees' journals before a signature for it leaves, since every message
//!   waits for the writes before it. What else there is of a proposal or an agreement may be forgotten: either side is then
//!   where it was before, and the ledger's word on both promises reaches it all the same.
//!
//! What is settled net counts as settled for the payer's and the payee's books alike.

use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, Time};
use byway_records::call::Take;
use byway_records::state::Settled;
use byway_records::{Backing, PromisePair, SignedPromise};

use super::journal::{InFlight, Way, open_amount};
use super::message::{NetRefusal, PaymentMessage};
use super::news::{PaymentFault, PaymentNews};
use super::outbox::Outbox;
use super::payee::Payee;
use super::settlement::{Advising, Asked};

/// What we owe the peer, which is netted against what it owes us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub promise: SignedPromise,
    /// The ledger's position of its series, as far as is known.
    pub settled: Settled,
    pub unsettled: Amount,
}

/// What is due of the two promises of a pair, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DueOfPair {
    ours: Amount,
    theirs: Amount,
}

/// What was agreed to about the net that the peer proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one for each peer: a box would cost more than it saves")]
pub(super) enum Agreement {
    None,
    /// The peer settles both; until then nothing is settled here.
    Made {
        pair: PromisePair,
        until: Time,
        otherwise: Otherwise,
        /// What of a fall of the peer's balance it accounts for, as long as it may be kept.
        explains: Amount,
    },
    /// One was not kept, and a settlement waited for it in vain. There is no other before something of the peer's was
    /// settled.
    Broken,
}

/// What follows where an agreement is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Nothing: it held nothing up.
    Wait,
    /// A settlement was asked for: it is made alone.
    Settle,
}

impl Payee {
    /// The pair in which `promise` is to be settled; `None` to settle it alone.
    pub(super) fn pair_with(&self, promise: &SignedPromise, take: Take) -> Option<PromisePair> {
        let given = self.given.filter(|given| !given.unsettled.is_zero() && take == Take::Whole)?;
        let ours = given.unsettled.saturating_sub(self.open_amount(promise));
        if ours > self.net_max {
            return None;
        }
        // None either where one of the two is on something else than an account.
        PromisePair::new(*promise, given.promise).ok()
    }

    pub(super) fn propose(&self, pair: PromisePair, out: &mut Outbox) {
        let signature = pair.countersign(&self.secret);
        out.send(PaymentMessage::Net { pair: Box::new(pair), signature });
    }

    /// The peer wants to settle the net. `given` is the ledger's position of our own promises, as far as is known.
    pub(super) fn handle_net(
        &mut self,
        now: Time,
        pair: PromisePair,
        signature: IdentitySignature,
        given: Settled,
        out: &mut Outbox,
    ) {
        let (Some(ours), Some(theirs)) = (pair.paid_by(self.parties.me), pair.paying(self.parties.me)) else {
            // A stranger's pair names no promise by which it could be answered.
            return out.notify(PaymentNews::Fault(PaymentFault::ForeignPair));
        };
        let (serial, amount) = (ours.promise.serial, ours.promise.amount);
        if let Err(reason) = self.check_net(&pair, ours, theirs, &signature, given) {
            return out.send(PaymentMessage::NetRefused { serial, amount, reason });
        }
        let before = if given.serial == serial { given.amount } else { Amount::ZERO };
        let leaves = self.open_amount(theirs).saturating_sub(amount.saturating_sub(before));
        self.explained = self.explained.checked_add(leaves).unwrap_or(Amount::MAX);
        // Who was about to settle waits no longer than it would have for an answer.
        let (until, otherwise) = match self.advising.take() {
            Some(advising) => (advising.until, Otherwise::Settle),
            None => (now + self.config.advice_wait, Otherwise::Wait),
        };
        self.agreement = Agreement::Made { pair, until, otherwise, explains: leaves };
        out.send(PaymentMessage::Netted { serial, amount, signature: pair.countersign(&self.secret) });
        out.wake_at(until);
    }

    fn check_net(
        &self,
        pair: &PromisePair,
        ours: &SignedPromise,
        theirs: &SignedPromise,
        signature: &IdentitySignature,
        given: Settled,
    ) -> Result<(), NetRefusal> {
        let parties = &self.parties;
        if pair.network() != parties.network
            || ours.promise.series != parties.given(Backing::Account)
            || theirs.promise.series != parties.taken(Backing::Account)
        {
            return Err(NetRefusal::OtherPair);
        }
        if self.is_settling() || self.agreement != Agreement::None {
            return Err(NetRefusal::UnderWay);
        }
        if self.next_unsettled(Backing::Account).as_ref() != Some(theirs) {
            return Err(NetRefusal::NotNext);
        }
        if (ours.promise.serial, ours.promise.amount) <= (given.serial, given.amount) {
            return Err(NetRefusal::Settled);
        }
        ours.verify().map_err(|_| NetRefusal::Signature)?;
        pair.verify_countersigned(parties.peer, signature).map_err(|_| NetRefusal::Signature)
    }

    /// Whether a settlement of ours is under way that an agreement can't replace.
    fn is_settling(&self) -> bool {
        let in_flight = self.record.series.get(&Backing::Account).is_some_and(|taken| taken.in_flight.is_some());
        in_flight
            || self.advising.as_ref().is_some_and(|advising| match advising.asked {
                Asked::Note { .. } => advising.take != Take::Whole || advising.backing != Backing::Account,
                // Of two proposals that cross the one of the lower identity stands.
                Asked::Net(_) => self.parties.me < self.parties.peer,
            })
    }

    /// The peer agreed to the net of our promise from it of this serial and amount.
    pub(super) fn handle_netted(
        &mut self,
        serial: u64,
        amount: Amount,
        signature: IdentitySignature,
        out: &mut Outbox,
    ) {
        let Some((pair, promise)) = self.proposed(serial, amount) else { return };
        let parties = &self.parties;
        if pair.verify_countersigned(parties.peer, &signature).is_err() {
            out.notify(PaymentNews::Fault(PaymentFault::NetSignature));
            return self.stop_advising(out);
        }
        let signatures = [(parties.me, pair.countersign(&self.secret)), (parties.peer, signature)];
        let pair = pair.with(signatures).expect("a pair that is proposed is between us and the peer");
        self.advising = None;
        self.submit(InFlight { promise, way: Way::Net(pair) }, out);
    }

    /// The peer does not agree: it is settled alone, and the peer knows of it already.
    pub(super) fn handle_net_refused(&mut self, serial: u64, amount: Amount, out: &mut Outbox) {
        if self.proposed(serial, amount).is_some() {
            self.stop_advising(out);
        }
    }

    /// The pair that was proposed, if it is the one with this promise of the peer's, and that promise.
    fn proposed(&self, serial: u64, amount: Amount) -> Option<(PromisePair, SignedPromise)> {
        let Some(Advising { asked: Asked::Net(pair), .. }) = self.advising else { return None };
        let promise = *pair.paying(self.parties.me)?;
        ((promise.promise.serial, promise.promise.amount) == (serial, amount)).then_some((pair, promise))
    }

    /// The time of an agreement may be over.
    pub(super) fn look_at_agreement(&mut self, now: Time, out: &mut Outbox) {
        match self.agreement {
            Agreement::Made { until, .. } if now < until => out.wake_at(until),
            _ => self.end_agreement(out),
        }
    }

    /// Something was settled: an agreement may be kept, or can't be any more.
    pub(super) fn look_at_agreed_pair(&mut self, out: &mut Outbox) {
        let Agreement::Made { pair, .. } = &self.agreement else { return };
        let due = self.due_of(pair);
        if due.theirs.is_zero() {
            self.agreement = Agreement::None;
        } else if due.ours.is_zero() {
            self.end_agreement(out);
        }
    }

    /// What was agreed to is not kept.
    fn end_agreement(&mut self, out: &mut Outbox) {
        let Agreement::Made { otherwise, explains, .. } = self.agreement else { return };
        // Else whoever proposes again and again could take its money away unnoticed.
        self.explained = self.explained.saturating_sub(explains);
        self.agreement = match otherwise {
            Otherwise::Wait => Agreement::None,
            Otherwise::Settle => Agreement::Broken,
        };
        if otherwise == Otherwise::Settle
            && let Some(promise) = self.next_unsettled(Backing::Account)
        {
            self.submit(InFlight { promise, way: Way::Alone(Take::Whole) }, out);
        }
    }

    /// Whether an agreement stands against settling now. What was wanted is then made up for where it isn't kept.
    pub(super) fn is_bound(&mut self, backing: Backing, take: Take) -> bool {
        let Agreement::Made { otherwise, .. } = &mut self.agreement else { return false };
        if backing == Backing::Account && take == Take::Whole {
            *otherwise = Otherwise::Settle;
        }
        backing == Backing::Account
    }

    /// What of our own promise is settled along with the settlement of `promise` that is in flight, if it is one of both.
    pub(super) fn settles_ours(&self, promise: &byway_records::Promise) -> Option<(Backing, Settled)> {
        let taken = self.record.series.get(&promise.series.backing)?;
        let in_flight = taken.in_flight.as_ref().filter(|in_flight| in_flight.promise.promise == *promise)?;
        let Way::Net(pair) = &in_flight.way else { return None };
        let ours = &pair.pair.paid_by(self.parties.me)?.promise;
        Some((ours.series.backing, Settled { serial: ours.serial, amount: ours.amount }))
    }

    /// Of our account, what the pair that is proposed, agreed to or on its way to the ledger would take.
    pub(super) fn set_aside(&self) -> Amount {
        self.pending_pair().map_or(Amount::ZERO, |pair| {
            let DueOfPair { ours, theirs } = self.due_of(pair);
            ours.saturating_sub(theirs)
        })
    }

    fn pending_pair(&self) -> Option<&PromisePair> {
        let in_flight = self.record.series.get(&Backing::Account).and_then(|taken| taken.in_flight.as_ref());
        match (&self.agreement, &self.advising, in_flight) {
            (Agreement::Made { pair, .. }, ..) | (_, Some(Advising { asked: Asked::Net(pair), .. }), _) => Some(pair),
            (.., Some(InFlight { way: Way::Net(pair), .. })) => Some(&pair.pair),
            _ => None,
        }
    }

    /// Whether the peer is the one who pays when this pair is settled.
    pub(super) fn is_net_theirs(&self, pair: &PromisePair) -> bool {
        let due = self.due_of(pair);
        due.theirs > due.ours
    }

    fn due_of(&self, pair: &PromisePair) -> DueOfPair {
        let given = self.given.filter(|given| given.promise.promise.series.backing == Backing::Account);
        let settled = given.map_or(Settled::default(), |given| given.settled);
        let ours = pair.paid_by(self.parties.me).map(|ours| open_amount(&ours.promise, settled));
        let theirs = pair.paying(self.parties.me).map(|theirs| self.open_amount(theirs));
        DueOfPair { ours: ours.unwrap_or_default(), theirs: theirs.unwrap_or_default() }
    }

    fn open_amount(&self, signed: &SignedPromise) -> Amount {
        let taken = self.record.series.get(&signed.promise.series.backing);
        taken.map_or(Amount::ZERO, |taken| taken.open_amount(signed))
    }
}
