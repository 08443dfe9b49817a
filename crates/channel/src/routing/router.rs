//! The machine: what there is, what comes in, and what it hands on.

use std::collections::{BTreeMap, BTreeSet};

use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::codec::DecodeError;
use byway_primitives::{Amount, Effect, Encode, IdentityId, NetworkId, Span, Store, Time};
use byway_records::Note;
use byway_records::promise::ChannelId;

use super::conduit::{PaymentHash, Preimage};
use super::invoice::{Invoice, InvoiceTerms};
use super::message::{Failure, QuestionId, Reason, RoutingMessage};
use super::order::PartsId;
use super::passage::{
    Asked, Earned, Passage, PassageId, Payment, PaymentFailure, PaymentStatus, PaymentView, ROUTING, Stage, asked_key,
    earned_key, entries, passage_key, payment_key,
};
use super::payer::Seeking;
use super::question::{Allowance, Asking, Query, Question};
use super::terms::HubTerms;
use super::wish::{LastAct, Wish};
use crate::change::{Change, ContractCall};
use crate::channels::Channels;
use crate::outbox::Outbox;
use crate::signer::Signer;

/// How long the payee's lock stands.
pub const FINAL_TIME: Span = Span::minutes(10);
/// How long the outgoing lock may take to be made before the payment fails.
pub const LOCKING_TIME_MAX: Span = Span::seconds(30);
/// How long the next one has to clear up by an update, before a lock is taken back by force.
pub const FORCE_AFTER: Span = Span::minutes(1);
/// How long the payee of a payment in parts waits for all of them.
pub const PARTS_TIME_MAX: Span = Span::seconds(60);
/// How long before its time a lock is opened by force.
pub const FORCE_BEFORE: Span = Span::minutes(6);
/// How long before its time a channel is closed whose lock could not be opened by force.
pub const CLOSE_BEFORE: Span = Span::minutes(3);
/// How long after its time an invoice that nobody paid, or a payment that failed, is kept.
pub const KEPT_AFTER: Span = Span::days(1);
/// The longest that an invoice may be payable.
pub const EXPIRES_MAX: Span = Span::days(365);
/// How often this is looked at where nothing happens.
const LOOK_AGAIN: Span = Span::seconds(5);

/// What a router emits.
pub type RoutingEffect = Effect<IdentityId, RoutingMessage, RoutingNews>;

/// What is to be done in a channel, and what happened. The driver does what is asked after the writes that come before it; what can't be
/// done is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingNews {
    Propose {
        channel: ChannelId,
        change: Change,
    },
    Force {
        channel: ChannelId,
        call: ContractCall,
    },
    /// The last resort: the peer neither opens its lock nor lets the ledger.
    Close {
        channel: ChannelId,
    },
    /// What this node asked for is paid, or one part of it. It may be told twice of one passage, where this node crashes in between.
    Received {
        hash: PaymentHash,
        passage: PassageId,
        amount: Amount,
    },
    Paid {
        hash: PaymentHash,
        fee: Amount,
    },
    NotPaid {
        hash: PaymentHash,
        failure: PaymentFailure,
    },
    /// A payment of others is through.
    Forwarded {
        amount: Amount,
        fee: Amount,
    },
    /// It went out and was paid, and the lock that came in for it is gone after its time without having been seen open: as far as is known
    /// it went back to its payer.
    Lost {
        amount: Amount,
    },
    /// What came in from a peer is let go of.
    Refused {
        peer: IdentityId,
        amount: Amount,
        failure: Failure,
    },
    /// A peer asked this hub for a way, and was told none.
    NoWay {
        peer: IdentityId,
        amount: Amount,
        reason: Reason,
    },
}

/// A payment on its way through this node, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnItsWay {
    pub hash: PaymentHash,
    /// The channel, amount and time of the lock that came in, and of the one that went out.
    pub incoming: Option<(ChannelId, Amount, Time)>,
    pub outgoing: Option<(ChannelId, Amount, Time)>,
    pub stage: Stage,
}

/// Call order: [`load`](Self::load), then anything, and [`poll`](Self::poll) after each. [`handle_channel`](Self::handle_channel) is
/// called after whatever happened to a channel, before anything more happens to it, and for all of them after a start.
#[derive(Debug)]
pub struct Router {
    pub(super) id: IdentityId,
    pub(super) network: NetworkId,
    /// What orders for this node are sealed for.
    pub(super) secret: [u8; 32],
    /// None where it is no hub.
    pub(super) terms: Option<HubTerms>,
    /// Whether the ledger would execute a call that a lock needs.
    pub(super) is_ready: bool,
    pub(super) passages: BTreeMap<PassageId, Passage>,
    /// What the next one said, of those that it has not let go of yet.
    pub(super) failures: BTreeMap<PassageId, Failure>,
    /// When each next one was last told its order.
    pub(super) told: BTreeMap<PassageId, Time>,
    pub(super) asked: BTreeMap<PaymentHash, Asked>,
    /// The names of parts that did not all come in time, in memory only.
    pub(super) late_parts: BTreeMap<PaymentHash, BTreeSet<PartsId>>,
    pub(super) payments: BTreeMap<PaymentHash, Payment>,
    pub(super) earned: Earned,
    pub(super) seeking: BTreeMap<PaymentHash, Seeking>,
    pub(super) questions: BTreeMap<QuestionId, Question>,
    pub(super) allowances: BTreeMap<Asking, Allowance>,
    pub(super) wishes: BTreeMap<ChannelId, Vec<Wish>>,
    pub(super) last_acts: BTreeMap<ChannelId, LastAct>,
    pub(super) out: Outbox<RoutingMessage, RoutingNews>,
}

impl Router {
    /// `secret` is the X25519 key that orders are sealed for, the same after each start.
    pub fn load(
        id: IdentityId,
        network: NetworkId,
        secret: [u8; 32],
        terms: Option<HubTerms>,
        store: &impl Store,
    ) -> Result<Self, DecodeError> {
        let passages = entries(store, 0)?.into_iter().map(|(key, passage)| (PassageId(key), passage));
        let asked = entries(store, 1)?.into_iter().map(|(key, asked)| (PaymentHash(key), asked));
        let payments = entries(store, 2)?.into_iter().map(|(key, payment)| (PaymentHash(key), payment));
        Ok(Self {
            id,
            network,
            secret,
            terms,
            is_ready: false,
            passages: passages.collect(),
            failures: BTreeMap::new(),
            told: BTreeMap::new(),
            asked: asked.collect(),
            late_parts: BTreeMap::new(),
            payments: payments.collect(),
            earned: Earned::load(store)?,
            seeking: BTreeMap::new(),
            questions: BTreeMap::new(),
            allowances: BTreeMap::new(),
            wishes: BTreeMap::new(),
            last_acts: BTreeMap::new(),
            out: Outbox::new(),
        })
    }

    // What there is.

    pub fn key(&self) -> StaticKey {
        StaticKey::of(&self.secret)
    }

    pub fn terms(&self) -> Option<&HubTerms> {
        self.terms.as_ref()
    }

    pub fn payment(&self, hash: PaymentHash) -> Option<PaymentStatus> {
        self.payments.get(&hash).map(|payment| payment.status)
    }

    /// The same, with all that is shown of it.
    pub fn payment_view(&self, hash: PaymentHash) -> Option<PaymentView> {
        let payment = self.payments.get(&hash)?.clone();
        let passages = payment.parts.iter().filter_map(|part| self.passages.get(&part.passage));
        let until = passages.filter_map(|passage| passage.outgoing.as_ref().map(|outgoing| outgoing.until)).max();
        let fee_now = payment.locked().saturating_sub(payment.terms.amount);
        let Payment { terms, parts, status, circle, .. } = payment;
        Some(PaymentView {
            fee: match status {
                PaymentStatus::Paid { fee, .. } => Some(fee),
                PaymentStatus::Trying => Some(fee_now),
                PaymentStatus::Seeking | PaymentStatus::Failed(_) => None,
            },
            until: until.filter(|_| status == PaymentStatus::Trying),
            payee: terms.payee,
            amount: terms.amount,
            note: terms.note,
            ways: parts.into_iter().map(|part| part.way).collect(),
            circle,
            status,
        })
    }

    pub fn earned(&self) -> Earned {
        self.earned
    }

    /// Whether an invoice of this node's may still be paid.
    pub fn awaits_payment(&self, now: Time) -> bool {
        self.asked.values().any(|asked| asked.paid_by.is_empty() && now < asked.expires)
    }

    /// All that is on its way through this node, or from it, or to it.
    pub fn on_their_way(&self) -> impl Iterator<Item = OnItsWay> {
        self.passages.values().map(|passage| OnItsWay {
            hash: passage.hash,
            incoming: passage.incoming.map(|incoming| (incoming.lock.channel, incoming.amount, incoming.until)),
            outgoing: passage
                .outgoing
                .as_ref()
                .map(|outgoing| (outgoing.lock.channel, outgoing.amount, outgoing.until)),
            stage: passage.stage,
        })
    }

    /// What is to be done, in this order.
    pub fn poll(&mut self) -> Vec<RoutingEffect> {
        self.out.poll()
    }

    // What is asked.

    /// On what terms this node is a hub from now on; what is on its way goes on.
    pub fn set_terms(&mut self, terms: Option<HubTerms>) {
        self.terms = terms;
    }

    /// Whether the ledger would execute a call that a lock needs: it has the contract's code, and can be paid for the call. Nobody takes a lock,
    /// neither to send it on nor to be paid, as long as it would not, or this has not been said since the start.
    pub fn set_ready(&mut self, is_ready: bool) {
        self.is_ready = is_ready;
    }

    pub(super) fn sends_on(&self) -> bool {
        self.terms.is_some() && self.is_ready
    }

    /// Asks to be paid. `preimage` is fresh randomness; it is journaled before the invoice is handed out.
    pub fn invoice(
        &mut self,
        payee: &IdentitySecret,
        preimage: Preimage,
        amount: Amount,
        expires: Time,
        hubs: Vec<IdentityId>,
        note: Option<Note>,
    ) -> Invoice {
        let hash = self.ask_for(preimage, amount, expires);
        let (network, key) = (self.network, self.key());
        InvoiceTerms { network, payee: self.id, key, amount, hash, expires, hubs, note }.sign(payee)
    }

    /// Writes down what is asked for.
    pub(super) fn ask_for(&mut self, preimage: Preimage, amount: Amount, expires: Time) -> PaymentHash {
        let hash = preimage.hash();
        let (paid_by, until, is_shown) = (Vec::new(), Time::default(), false);
        let asked = Asked { preimage, amount, expires, paid_by, until, is_shown };
        self.out.batch.put(ROUTING, asked_key(hash), asked.to_bytes());
        self.asked.insert(hash, asked);
        self.out.write();
        hash
    }

    // What comes in.

    /// A message of a peer's that there is a dialogue with.
    pub fn handle_message<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        message: RoutingMessage,
    ) {
        match message {
            RoutingMessage::Ask { id, to, amount, hubs } => {
                self.handle_ask(now, channels, peer, Query { id, to, amount, hubs });
            }
            RoutingMessage::Tell { id, legs } => self.handle_tell(now, channels, peer, id, legs),
            RoutingMessage::Order { channel, lock, sealed } => {
                self.handle_order(now, channels, peer, channel, lock, &sealed);
            }
            RoutingMessage::Failed { channel, lock, failure } => {
                self.handle_failed(channels, peer, channel, lock, failure)
            }
        }
        self.finish(now, channels);
    }

    /// Something happened in that channel, or to it.
    pub fn handle_channel<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, channel: ChannelId) {
        let is_in = |passage: &Passage| {
            passage.incoming.is_some_and(|incoming| incoming.lock.channel == channel)
                || passage.outgoing.as_ref().is_some_and(|outgoing| outgoing.lock.channel == channel)
        };
        let touched: Vec<_> = self.passages.iter().filter(|(_, passage)| is_in(passage)).map(|(id, _)| *id).collect();
        touched.into_iter().for_each(|id| self.advance(now, channels, id));
        self.finish(now, channels);
    }

    /// Looks at everything: after a start, and when it is woken.
    pub fn handle_wake<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        self.end_questions(now, channels);
        self.forget(now);
        self.forget_allowances(now);
        let seeking = self.payments.iter().filter(|(_, payment)| payment.status == PaymentStatus::Seeking);
        let seeking: Vec<_> = seeking.map(|(hash, _)| *hash).collect();
        seeking.into_iter().for_each(|hash| self.seek(now, channels, hash));
        let all: Vec<_> = self.passages.keys().copied().collect();
        all.into_iter().for_each(|id| self.advance(now, channels, id));
        self.finish(now, channels);
    }

    // Towards the driver.

    /// Writes what is to be written, then has done in the channels what is wished.
    pub(super) fn finish<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        self.out.write();
        self.act(now, channels);
        let is_waiting = self.payments.values().any(|payment| payment.status == PaymentStatus::Seeking);
        if is_waiting || !self.passages.is_empty() || !self.questions.is_empty() {
            self.out.wake_at(now + LOOK_AGAIN);
        }
    }

    /// Lets go of what can't be paid any more: invoices that nobody paid, and payments that failed.
    fn forget(&mut self, now: Time) {
        let is_over = |expires: Time| expires + KEPT_AFTER < now;
        let asked = self.asked.iter().filter(|(_, asked)| asked.paid_by.is_empty() && is_over(asked.expires));
        let asked: Vec<_> = asked.map(|(hash, _)| *hash).collect();
        for hash in asked {
            self.asked.remove(&hash);
            self.late_parts.remove(&hash);
            self.out.batch.delete(ROUTING, asked_key(hash));
        }
        let is_failed = |payment: &Payment| matches!(payment.status, PaymentStatus::Failed(_));
        let failed = self.payments.iter().filter(|(_, payment)| is_failed(payment) && is_over(payment.terms.expires));
        let failed: Vec<_> = failed.map(|(hash, _)| *hash).collect();
        for hash in failed {
            self.payments.remove(&hash);
            self.out.batch.delete(ROUTING, payment_key(hash));
        }
    }

    pub(super) fn put_passage(&mut self, id: PassageId, passage: Passage) {
        self.out.batch.put(ROUTING, passage_key(id), passage.to_bytes());
        self.passages.insert(id, passage);
    }

    pub(super) fn remove_passage(&mut self, id: PassageId) {
        self.out.batch.delete(ROUTING, passage_key(id));
        self.passages.remove(&id);
        self.failures.remove(&id);
        self.told.remove(&id);
    }

    /// A payment of others is through, and nothing of it is left.
    pub(super) fn note_forwarded(&mut self, id: PassageId, amount: Amount, fee: Amount) {
        self.remove_passage(id);
        self.earned = self.earned.with(amount, fee);
        self.out.batch.put(ROUTING, earned_key(), self.earned.to_bytes());
        self.out.notify(RoutingNews::Forwarded { amount, fee });
    }

    pub(super) fn put_payment(&mut self, payment: Payment) {
        let hash = payment.terms.hash;
        self.out.batch.put(ROUTING, payment_key(hash), payment.to_bytes());
        self.payments.insert(hash, payment);
    }
}
