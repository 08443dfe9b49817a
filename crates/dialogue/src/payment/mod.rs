//! Payment between two identities: promises, advice, credit and settlement (rows A4, A6, A9).
//!
//! # The problem
//!
//! One peer serves another by the byte, thousands of times a second, and neither trusts the other. Money on the ledger
//! is final in under a second, which is far too slow and too public for each kilobyte. And either side may crash between
//! any two instructions, or lose its disk.
//!
//! # What does not work
//!
//! - *Pay afterwards.* The client leaves; the last minutes are never paid for.
//! - *Deposit first.* The provider leaves with the deposit, or a third party has to hold and judge it.
//! - *Many small payments.* Each needs to be kept, counted and protected from replay; losing one loses money.
//! - *Trust the meter.* Whoever counts alone will count wrong.
//! - *Write it down later.* A payer that forgets what it signed signs less the next time, and is taken for a cheat; a
//!   payee that forgets what it received serves for nothing.
//!
//! # The idea
//!
//! A **promise** says "under this serial I owe you this much *in all*". The next one replaces it, so there is always just
//! one to keep, replay gains nothing, and losing an old one loses nothing. The payer stays one small **window** ahead of
//! what it has used, so the most that either can take by vanishing is that window; the window starts tiny and doubles
//! each time it was honoured ([`credit`]). What accumulates is settled on the ledger when the payee likes, at once where
//! the payer would have to wait, and is bounded by its **exposure**.
//!
//! # The algorithm
//!
//! [`Payments`] is one pair of identities in one asset, both directions at once, since either may serve the other.
//!
//! *Payer.* Layers above say what they have used ([`Payments::spend`]) and how far ahead to stay
//! ([`Payments::stay_ahead`]). When less than half a window is left, a promise for the difference is signed, journaled,
//! and sent once the journal is durable. It raises the last promise if the payee's terms allow, or else takes the next
//! serial. Where the payee has run out of credit ([`Payments::note_exhausted`]) it does not wait for half a window. Limits of the user's end it with [`OverLimit`].
//!
//! *Payee.* Checks network, parties, asset, backing, serial, amount, minimum, exposure and signature itself. Journals,
//! and counts the promise as received once that is durable ([`Payments::handle_durable`]). Layers above say what was used
//! up ([`Payments::earn`]); `received − used = remainder`, in coin.
//!
//! *Advice* (row A9) tells the payer the remainder, the terms, and holds a copy of the last promise. Each side sends it on
//! opening, and then at four moments: when the remainder has moved by more than a tenth, when it has reached zero, before
//! a settlement, and on each new or raised promise. It is said once more where the terms in it have changed (there is room
//! again, or less of it, or a new promise is asked for), since the payer goes by them. A payer that lost its journal finds its own signature in it and goes on from there.
//!
//! *A lost disk.* What would be lost with it can lie elsewhere as an [`export`].
//!
//! *Lanes.* Where the two have a channel, the payer may pay out of its lane: what is to be promised there and what was stands
//! in `lanes`.
//!
//! *Settlement*, when it is due and what it includes, stands in [`settlement`]; that of the net where both owe, in
//! `netting`.
//!
//! # What each adversary can and cannot do
//!
//! - *A payer* can stop paying: the payee stops at what was received. It cannot lower or replay a promise, pay with one
//!   for another network or payee, or have one counted twice. It can promise more than its account holds: up to the
//!   exposure, half of what its registration cost; one bounce ends its credit until it is made good. Where the payee owes it
//!   too, the exposure is of the difference, but the whole is settled as early as if it weren't; a payer that collects its own
//!   part alone and then doesn't pay gains what it promises while one settlement is under way.
//! - *A payee* can keep the money and vanish: it gets one window. It cannot raise a promise, invent one, or move a payer
//!   past its limits. It can lie about the remainder to a payer that lost its journal: that gains it one window, once.
//! - *A crash* of either, between any two steps, loses no promise that was sent or accepted and settles nothing twice.
//! - *A thief of the journal* can settle what was promised to its owner only with the owner's key.
//!
//! # What it is not
//!
//! It knows no session, no byte and no link: it is handed decoded messages and gives back messages to send. It does not
//! submit to the ledger; it says what to submit.

pub mod credit;
pub mod export;
mod journal;
mod lanes;
mod message;
mod netting;
mod news;
mod outbox;
mod payee;
mod payer;
pub mod settlement;
pub mod timing;
mod wish;

#[cfg(test)]
mod tests;

use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, AssetId, IdentityId, NetworkId, Span, Store, Time, Token};
use byway_records::call::Take;
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Backing, Promise, SignedPromise};

pub use credit::{Ahead, Bounds, Path, WINDOW_START_BYTES, WINDOW_START_TIME, Window};
pub use export::{Export, ExportedPair};
pub use journal::{EARLIER_MAX, JournalError, LANES_MAX, PROMISES, PayFrom, SERIES_MAX, SPENDERS_MAX, Spender};
pub use lanes::{LaneGiven, LaneTaken, LaneTotals};
pub use message::{Advice, BackingKind, NetRefusal, PaymentMessage, Refusal, Terms};
pub use news::{OverLimit, PaymentFault, PaymentNews};
pub use outbox::PaymentEffect;
pub use settlement::{Outcome, Reach, SettleError};
pub use timing::Risk;

use outbox::Outbox;
use payee::Payee;
use payer::Payer;

/// Between whom, where and in what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parties {
    pub network: NetworkId,
    pub me: IdentityId,
    pub peer: IdentityId,
    pub asset: AssetId,
}

/// Policy of paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveConfig {
    /// The most that is promised to this peer on one day (UTC).
    pub day_max: Amount,
}

/// Policy of being paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeConfig {
    /// The smallest promise taken.
    pub amount_min: Amount,
    pub backing: BackingKind,
    /// Whether a promise may be raised. Raising makes settlement cheap; not raising settles early.
    pub update: bool,
    /// The most `Account` promises that may be unsettled, net; see [`credit::exposure_max`].
    pub exposure_max: Amount,
    /// The unsettled amount at which settlement is due at leisure. Where little room is left it is settled earlier and at
    /// once; see [`settlement`].
    pub settle_at: Amount,
    /// What waiting to settle may cost; see [`timing`].
    pub risk: Risk,
    /// How long settlement waits for the payer to note the advice.
    pub advice_wait: Span,
}

/// The payments between two identities in one asset, in both directions.
///
/// Call order: [`restore`](Self::restore), then [`start`](Self::start) once, then [`attach`](Self::attach) and
/// [`detach`](Self::detach) as the dialogue comes and goes, and everything else at any time. Every method that returns
/// effects may change state; the effects must be carried out in order. A message waits for the newest write made before
/// it; tokens count from zero in each run.
pub struct Payments {
    payer: Payer,
    payee: Payee,
    out: Outbox,
}

/// A promise that is in the payee's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenPromise {
    pub promise: SignedPromise,
    /// What of it the ledger has not paid.
    pub unsettled: Amount,
}

impl Parties {
    /// The series in which the peer is paid.
    pub fn given(&self, backing: Backing) -> Series {
        Series { payer: self.me, payee: self.peer, asset: self.asset, backing }
    }

    /// The series in which the peer pays.
    pub fn taken(&self, backing: Backing) -> Series {
        Series { payer: self.peer, payee: self.me, asset: self.asset, backing }
    }
}

impl Payments {
    /// Reads the journal. `secret` is the key of `parties.me`.
    pub fn restore(
        parties: Parties,
        secret: IdentitySecret,
        give: GiveConfig,
        take: TakeConfig,
        store: &impl Store,
    ) -> Result<Self, JournalError> {
        let payer = Payer::restore(parties, secret.clone(), give, store)?;
        let payee = Payee::restore(parties, secret, take, store)?;
        Ok(Self { payer, payee, out: Outbox::new(parties.peer) })
    }

    /// Says what is credited, and takes up settlements that were under way.
    pub fn start(&mut self) -> Vec<PaymentEffect> {
        self.payee.start(&mut self.out);
        self.out.drain()
    }

    /// Promised to the peer in all.
    pub fn promised(&self) -> Amount {
        self.payer.promised()
    }

    /// Promised to the peer and not yet used.
    pub fn ahead(&self) -> Amount {
        self.payer.remainder()
    }

    /// How far ahead the payer may be now.
    pub fn window(&self) -> Amount {
        self.payer.window()
    }

    /// The promise that the peer holds or is about to.
    pub fn last_promise(&self) -> Option<&SignedPromise> {
        self.payer.last()
    }

    /// Received from the peer in all, durably.
    pub fn received(&self) -> Amount {
        self.payee.credited()
    }

    /// Received from the peer and not yet used up.
    pub fn remainder(&self) -> Amount {
        self.payee.remainder()
    }

    /// How much more the peer may promise under `backing` before something is settled.
    pub fn room(&self, backing: Backing) -> Amount {
        self.payee.room(backing)
    }

    /// The promises that are not fully settled, in the order in which they settle.
    pub fn unsettled(&self) -> Vec<TakenPromise> {
        let promises = self.payee.series().flat_map(|(_, taken)| {
            taken.promises().map(|promise| TakenPromise { promise: *promise, unsettled: taken.open_amount(promise) })
        });
        promises.filter(|taken| !taken.unsettled.is_zero()).collect()
    }

    /// The promise under `backing` that was handed to the ledger and of which nothing was heard yet.
    pub fn settling(&self, backing: Backing) -> Option<Promise> {
        let (_, taken) = self.payee.series().find(|(known, _)| **known == backing)?;
        taken.in_flight.map(|in_flight| in_flight.promise.promise)
    }

    /// What of this would be lost with the disk.
    pub fn export(&self) -> ExportedPair {
        let Parties { peer, asset, .. } = self.payee.parties;
        ExportedPair::new(peer, asset, &self.payer.record, &self.payee.record)
    }

    /// A dialogue with the peer is open, or open again.
    pub fn attach(&mut self, now: Time) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.attach(now, out))
    }

    /// No dialogue any more.
    pub fn detach(&mut self) {
        self.payer.detach();
        self.payee.detach();
    }

    pub fn handle_message(&mut self, now: Time, message: PaymentMessage) -> Vec<PaymentEffect> {
        self.run(|payer, payee, out| match message {
            PaymentMessage::Advice(advice) => payer.handle_advice(now, advice, out),
            PaymentMessage::Offer(promise) => payee.handle_offer(now, promise, out),
            PaymentMessage::Accepted { serial, amount } => payer.handle_accepted(now, serial, amount, out),
            PaymentMessage::Refused { serial, amount, reason } => payer.handle_refused(serial, amount, reason, out),
            PaymentMessage::Noted { serial } => payee.handle_noted(serial, out),
            PaymentMessage::Net { pair, signature } => {
                payee.handle_net(now, *pair, signature, payer.settled_on(Backing::Account), out);
            }
            PaymentMessage::Netted { serial, amount, signature } => payee.handle_netted(serial, amount, signature, out),
            PaymentMessage::NetRefused { serial, amount, .. } => payee.handle_net_refused(serial, amount, out),
        })
    }

    /// The batch of `token`, and every one before it, is durable.
    pub fn handle_durable(&mut self, token: Token) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.handle_durable(token, out))
    }

    pub fn handle_wake(&mut self, now: Time) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.handle_wake(now, out))
    }

    /// We have used `used` in all of what the peer gives to `spender`. Never goes back.
    pub fn spend(&mut self, now: Time, spender: Spender, used: Amount) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.spend(now, spender, used, out))
    }

    /// The peer has used `used` in all of what we give through `spender`. Never goes back.
    pub fn earn(&mut self, spender: Spender, used: Amount) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.earn(spender, used, out))
    }

    /// Keeps promises this far ahead of what is used; [`Ahead::NOTHING`] to stop.
    pub fn stay_ahead(&mut self, now: Time, ahead: Ahead) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.stay_ahead(now, ahead, out))
    }

    /// The peer serves no further before it is promised more: what was used is promised at once, up to a window ahead as
    /// ever.
    pub fn note_exhausted(&mut self, now: Time) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.note_exhausted(now, out))
    }

    /// Pays from `backing` from now on, such as a reservation that was made for the peer.
    pub fn use_backing(&mut self, now: Time, backing: Backing) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.use_backing(now, backing, out))
    }

    /// Sets the limit of the day, for instance after the user was asked.
    pub fn set_day_max(&mut self, now: Time, day_max: Amount) -> Vec<PaymentEffect> {
        self.run(|payer, _, out| payer.set_day_max(now, day_max, out))
    }

    /// Takes promises under `backing` up to `unsettled_max`: for a reservation, what the ledger says is in it. For
    /// `Account` it replaces the exposure of the configuration.
    pub fn admit(&mut self, now: Time, backing: Backing, unsettled_max: Amount) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.admit(now, backing, unsettled_max, out))
    }

    /// What else is known of the peer, for `Account` promises.
    pub fn bound(&mut self, now: Time, bounds: Bounds) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.bound(now, bounds, out))
    }

    /// What of our account may be spent on a net that we propose: what is known to be in it and not set aside for nets with
    /// others. Nothing at first, so that only nets which the peer owes are proposed.
    pub fn set_net_max(&mut self, net_max: Amount) {
        self.payee.net_max = net_max;
    }

    /// What of our account the net would take that is proposed to this peer, agreed to with it or on its way to the ledger.
    pub fn set_aside(&self) -> Amount {
        self.payee.set_aside()
    }

    /// Asks for a new promise instead of a raise of the last one.
    pub fn ask_new_promise(&mut self) -> Vec<PaymentEffect> {
        self.run(|_, payee, out| payee.ask_new_promise(out))
    }

    /// Settles the oldest unsettled promise under `backing`. Where something is under way already, what that leaves of the
    /// promise is settled after it.
    pub fn settle(
        &mut self,
        now: Time,
        backing: Backing,
        reach: Reach,
        take: Take,
    ) -> Result<Vec<PaymentEffect>, SettleError> {
        self.payee.net_against(self.payer.given());
        let result = self.payee.settle(now, backing, reach, take, &mut self.out);
        if result == Err(SettleError::UnderWay)
            && let Some(promise) = self.payee.next_unsettled(backing)
        {
            self.payee.wish(promise, take);
        }
        result.map(|()| self.out.drain())
    }

    /// What became of the settlement of `promise`.
    pub fn handle_settlement(&mut self, now: Time, promise: Promise, outcome: Outcome) -> Vec<PaymentEffect> {
        self.run(|payer, payee, out| {
            if let (Outcome::Final { .. }, Some((backing, settled))) = (outcome, payee.settles_ours(&promise)) {
                payer.note_settled(backing, settled);
                payee.net_against(payer.given());
            }
            payee.handle_settlement(now, promise, outcome, out);
        })
    }

    /// The followed ledger's position of promises from the peer (`taken`) and to it (`given`), as of one moment: told apart,
    /// the one would look settled alone and the other open.
    pub fn note_settled(
        &mut self,
        now: Time,
        backing: Backing,
        taken: Option<Settled>,
        given: Option<Settled>,
    ) -> Vec<PaymentEffect> {
        let before = self.payer.unsettled();
        if let Some(settled) = given {
            self.payer.note_settled(backing, settled);
        }
        let is_less_owed = self.payer.unsettled() < before;
        self.run(|_, payee, out| {
            if let Some(settled) = taken {
                payee.note_settled(now, backing, settled, out);
            }
            if is_less_owed {
                payee.look_again(now, backing, out);
            }
        })
    }

    fn run(&mut self, handle: impl FnOnce(&mut Payer, &mut Payee, &mut Outbox)) -> Vec<PaymentEffect> {
        self.payee.net_against(self.payer.given());
        handle(&mut self.payer, &mut self.payee, &mut self.out);
        self.out.drain()
    }
}
