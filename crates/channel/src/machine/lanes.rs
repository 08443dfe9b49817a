//! Lanes: paying by promises, signed by the payer alone, without a round (row C3).
//!
//! A promise is good as far as every state covers it that can still count: the newest, and each that is half-signed. What a
//! lane is worth to a side enters into whether an update leaves it less, so no lane shrinks below what was promised.

use std::cmp::Ordering;

use byway_primitives::{Amount, AssetId, Batch, Span, Time};
use byway_records::channel::{Lane, Position, Side};
use byway_records::promise::{Promise, Series};
use byway_records::state::Settled;
use byway_records::{Backing, SignedPromise};

use super::{BLIND_TIME_MIN, ChannelMachine, Link};
use crate::change::Change;
use crate::journal::{Health, Life};
use crate::message::{ChannelMessage, LanePromise};
use crate::news::{ChannelNews, PeerFault, PromiseError};
use crate::signer::Signer;

/// Promises out of a lane all have this serial: a lane is one series for as long as the channel lives.
const SERIAL: u64 = 1;

/// What a promise says in all.
pub(super) fn amount_of(promise: &SignedPromise) -> Settled {
    Settled { serial: promise.promise.serial, amount: promise.promise.amount }
}

/// What of a lane's promises its position has absorbed; `None` where that is another series, beside which none of ours counts.
fn absorbed_of(lane: &Lane) -> Option<Amount> {
    match lane.absorbed.serial.cmp(&SERIAL) {
        Ordering::Less => Some(Amount::ZERO),
        Ordering::Equal => Some(lane.absorbed.amount),
        Ordering::Greater => None,
    }
}

impl<S: Signer> ChannelMachine<S> {
    /// Promises the peer so much more out of our lane; gives what is promised in all.
    pub fn promise(&mut self, more: Amount) -> Result<Amount, PromiseError> {
        let ahead = self.lane_promise(self.record.side).map_or(Amount::ZERO, |last| last.ahead);
        self.promise_more(more, Amount::ZERO, ahead)
    }

    /// The same, for services of the peer's; gives what is promised for these in all. `ahead` is how far ahead of what was used
    /// this side is with it.
    pub fn promise_for_services(&mut self, more: Amount, ahead: Amount) -> Result<Amount, PromiseError> {
        self.promise_more(more, more, ahead)?;
        Ok(self.services(self.record.side))
    }

    fn promise_more(&mut self, more: Amount, for_services: Amount, ahead: Amount) -> Result<Amount, PromiseError> {
        self.may_promise()?;
        let side = self.record.side;
        let amount = self.promised(side).amount.checked_add(more).ok_or(PromiseError::Uncovered)?;
        // No more than the whole.
        let services = self.services(side).checked_add(for_services).ok_or(PromiseError::Uncovered)?;
        let promise = Promise { network: self.network(), series: self.series(side), serial: SERIAL, amount };
        if !self.covers(side, amount) {
            return Err(PromiseError::Uncovered);
        }
        let promise = LanePromise { promise: self.signer.sign_promise(promise), services, ahead };
        self.record.given = Some(promise);
        self.persist(Batch::new());
        self.send(ChannelMessage::Promise(promise));
        Ok(amount)
    }

    fn may_promise(&self) -> Result<(), PromiseError> {
        if self.record.life != Life::Open {
            return Err(PromiseError::NotOpen);
        }
        if self.record.health != Health::Sound {
            return Err(PromiseError::Unsound);
        }
        // An old journal may have forgotten what was promised, and that the lane is smaller now.
        if !self.has_heard {
            return Err(PromiseError::Unheard);
        }
        Ok(())
    }

    pub(super) fn handle_promise(&mut self, now: Time, theirs: LanePromise) -> Result<(), PeerFault> {
        // What a promise is worth follows from the position, so a side that recovers takes them too.
        if !matches!(self.record.life, Life::Open | Life::Closing) || matches!(self.record.health, Health::Frozen(_)) {
            return Ok(());
        }
        let LanePromise { promise, services, ahead } = theirs;
        let (payer, Promise { network, series, serial, amount }) = (self.record.side.other(), promise.promise);
        if services > amount {
            return Err(PeerFault::Promise);
        }
        if (network, series, serial) == (self.network(), self.series(payer.other()), SERIAL) {
            return self.remember_given(theirs);
        }
        if (network, series, serial) != (self.network(), self.series(payer), SERIAL) {
            return Err(PeerFault::Promise);
        }
        promise.verify().map_err(|_| PeerFault::Signature)?;
        if self.record.life == Life::Open && (self.link != Link::Connected || self.is_blind(now)) {
            // Which state is the newest, and so what the lane covers, the peer is to say first; and the ledger, whether it is still
            // open.
            self.early_promise = Some(theirs);
            return Ok(());
        }
        // What is absorbed was there before, though a new journal may not have it.
        let absorbed = absorbed_of(&self.record.base.lanes[payer.index()]).unwrap_or_default();
        let known = self.promised(payer).amount.max(absorbed);
        let more = amount.saturating_sub(known);
        if more.is_zero() {
            return Ok(());
        }
        if !self.covers(payer, amount) {
            return Err(PeerFault::Promise);
        }
        let before = self.services(payer);
        // What was promised before for something else stays that.
        let is_open = self.record.life == Life::Open;
        let for_services = if is_open { services.saturating_sub(before).min(more) } else { Amount::ZERO };
        let services = before.checked_add(for_services).ok_or(PeerFault::Promise)?;
        self.record.taken = Some(LanePromise { promise, services, ahead });
        self.persist(Batch::new());
        // Whether the ledger will take it before the peer settles nobody knows, so while closing it is claimed and pays for nothing.
        if is_open {
            self.notify(ChannelNews::Promised { more, for_services });
        }
        Ok(())
    }

    /// What the peer promised before both knew where they stand, or while this side did not see the ledger.
    pub(super) fn hear_promise(&mut self, now: Time) -> Result<(), PeerFault> {
        self.early_promise.take().map_or(Ok(()), |theirs| self.handle_promise(now, theirs))
    }

    /// Whether the ledger may have closed the channel, and paid out, without this side's having seen any of it: nothing more is given
    /// for promises until it sees it again.
    fn is_blind(&self, now: Time) -> bool {
        let half = Span(self.terms().lock.millis.0 / 2);
        now.since(self.ledger.environment.time) > half.max(BLIND_TIME_MIN)
    }

    /// The peer shows a promise of ours, which an old journal may have forgotten.
    fn remember_given(&mut self, ours: LanePromise) -> Result<(), PeerFault> {
        if ours.promise.promise.amount > self.promised(self.record.side).amount {
            ours.promise.verify().map_err(|_| PeerFault::Signature)?;
            self.record.reminded = ours.services.max(self.record.reminded);
            self.record.given = Some(ours);
            self.persist(Batch::new());
            self.notify(ChannelNews::Reminded);
        }
        Ok(())
    }

    fn series(&self, payer: Side) -> Series {
        let parties = self.record.ground.terms.parties;
        let (payee, payer) = (parties[payer.other().index()], parties[payer.index()]);
        Series { payer, payee, asset: AssetId::WAY, backing: Backing::Channel(self.record.id) }
    }

    /// Whether all of a promise beyond what is absorbed is in the lane, in every state that can still count.
    fn covers(&self, payer: Side, amount: Amount) -> bool {
        self.positions().all(|position| {
            let lane = position.lanes[payer.index()];
            let due = absorbed_of(&lane).and_then(|absorbed| amount.checked_sub(absorbed));
            due.is_some_and(|due| due <= lane.capacity)
        })
    }

    /// Whether a lane holds after a change all that was promised out of it, also what this side has not taken yet since it did not see
    /// the ledger.
    pub(super) fn leaves_what_is_promised(&self, change: &Change) -> bool {
        let Change::Lane { side, capacity } = change else { return true };
        let absorbed = absorbed_of(&self.record.base.lanes[side.index()]);
        let early = self.early_promise.filter(|early| early.promise.promise.series == self.series(*side));
        let early = early.map_or(Amount::ZERO, |early| amount_of(&early.promise).amount);
        let promised = self.promised(*side).amount.max(early);
        absorbed.is_none_or(|absorbed| promised.saturating_sub(absorbed) <= *capacity)
    }

    /// Whether an absorption takes what was promised, as far as this side knows, and no more. Were it more, later promises would be
    /// worth nothing until they are beyond that.
    pub(super) fn absorbs_what_is_promised(&self, payer: Side, promise: Settled) -> bool {
        let known = self.promised(payer);
        promise.serial == known.serial && promise.amount <= known.amount
    }

    /// The highest promise out of a side's lane that this side knows.
    pub fn promised(&self, payer: Side) -> Settled {
        let promise = self.lane_promise(payer);
        promise.map_or(Settled { serial: SERIAL, amount: Amount::ZERO }, |known| amount_of(&known.promise))
    }

    /// How much of that is for services of the other side's.
    pub fn services(&self, payer: Side) -> Amount {
        self.lane_promise(payer).map_or(Amount::ZERO, |known| known.services)
    }

    /// Up to here what this side promised for services was told by the peer: its journal had lost it.
    pub fn services_reminded(&self) -> Amount {
        self.record.reminded
    }

    /// How far ahead of what it had used a side was with its last promise, by its own count.
    pub fn services_ahead(&self, payer: Side) -> Amount {
        self.lane_promise(payer).map_or(Amount::ZERO, |known| known.ahead)
    }

    fn lane_promise(&self, payer: Side) -> Option<&LanePromise> {
        if payer == self.record.side { self.record.given.as_ref() } else { self.record.taken.as_ref() }
    }

    /// How much more can be promised out of our lane now, before anything is put into it.
    pub fn lane_room(&self) -> Amount {
        if self.may_promise().is_ok() { self.lane_left() } else { Amount::ZERO }
    }

    /// The same, once the peer was heard: as far as this side knows.
    pub fn lane_left(&self) -> Amount {
        let (payer, promise) = (self.record.side, self.promised(self.record.side));
        let room = |position: &Position| {
            let lane = position.lanes[payer.index()];
            lane.capacity.saturating_sub(lane.due(promise))
        };
        self.positions().map(room).min().unwrap_or_default()
    }

    /// What of our balance can be put into our lane.
    pub fn free_balance(&self) -> Amount {
        self.balance().saturating_sub(self.terms().reserve)
    }

    /// Every position that can still count.
    fn positions(&self) -> impl Iterator<Item = &Position> {
        self.record.released.iter().map(|released| &released.position).chain([&self.record.base])
    }

    /// What the lanes of a position hold for a side: what is left of its own, and what it is promised out of the other.
    pub(super) fn lanes_worth(&self, position: &Position, side: Side) -> Amount {
        let lane = |payer: Side| position.lanes[payer.index()];
        let given = lane(side).due(self.promised(side));
        let taken = lane(side.other()).due(self.promised(side.other()));
        lane(side).capacity.saturating_sub(given).checked_add(taken).expect("lanes are parts of a total that fits")
    }

    /// What a position is worth to this side.
    pub(super) fn worth(&self, position: &Position) -> Amount {
        let balance = position.balances[self.record.side.index()];
        balance.checked_add(self.lanes_worth(position, self.record.side)).unwrap_or(Amount::ZERO)
    }

    /// The change that takes what the peer has promised into the balance; `None` where all of it is there.
    pub fn absorption(&self) -> Option<Change> {
        self.absorption_of(self.record.side.other())
    }

    /// The same of what either side has promised: it goes into the other's balance.
    pub fn absorption_of(&self, payer: Side) -> Option<Change> {
        let promise = self.promised(payer);
        let is_due = !self.record.base.lanes[payer.index()].due(promise).is_zero();
        is_due.then_some(Change::Absorb { payer, promise })
    }
}
