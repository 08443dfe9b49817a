//! Lanes: paying by promises, signed by the payer alone, without a round (row C3).
//!
//! A promise is good as far as every state covers it that can still count: the newest, and each that is half-signed. What a
//! lane is worth to a side enters into whether an update leaves it less, so no lane shrinks below what was promised.

use byway_primitives::{Amount, AssetId, Batch};
use byway_records::channel::{Position, Side};
use byway_records::promise::{Promise, Series};
use byway_records::state::Settled;
use byway_records::{Backing, SignedPromise};

use super::ChannelMachine;
use crate::journal::{Health, Life};
use crate::message::ChannelMessage;
use crate::news::{ChannelNews, PeerFault, PromiseError};
use crate::signer::Signer;

/// Promises out of a lane all have this serial: a lane is one series for as long as the channel lives.
const SERIAL: u64 = 1;

/// What a promise says in all.
pub(super) fn amount_of(promise: &SignedPromise) -> Settled {
    Settled { serial: promise.promise.serial, amount: promise.promise.amount }
}

impl<S: Signer> ChannelMachine<S> {
    /// Promises the peer so much more out of our lane; gives what is promised in all.
    pub fn promise(&mut self, more: Amount) -> Result<Amount, PromiseError> {
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
        let before = self.record.given.map_or(Amount::ZERO, |given| given.promise.amount);
        let amount = before.checked_add(more).ok_or(PromiseError::Uncovered)?;
        let promise =
            Promise { network: self.network(), series: self.series(self.record.side), serial: SERIAL, amount };
        if !self.covers(self.record.side, amount) {
            return Err(PromiseError::Uncovered);
        }
        let promise = self.signer.sign_promise(promise);
        self.record.given = Some(promise);
        self.persist(Batch::new());
        self.send(ChannelMessage::Promise(promise));
        Ok(amount)
    }

    pub(super) fn handle_promise(&mut self, promise: SignedPromise) -> Result<(), PeerFault> {
        // What a promise is worth follows from the position, so a side that recovers takes them too.
        if !matches!(self.record.life, Life::Open | Life::Closing) || matches!(self.record.health, Health::Frozen(_)) {
            return Ok(());
        }
        let (payer, Promise { network, series, serial, amount }) = (self.record.side.other(), promise.promise);
        if (network, series, serial) == (self.network(), self.series(payer.other()), SERIAL) {
            return self.remember_given(promise);
        }
        if (network, series, serial) != (self.network(), self.series(payer), SERIAL) {
            return Err(PeerFault::Promise);
        }
        promise.verify().map_err(|_| PeerFault::Signature)?;
        let before = self.record.taken.map_or(Amount::ZERO, |taken| taken.promise.amount);
        if amount <= before {
            return Ok(());
        }
        if !self.covers(payer, amount) {
            return Err(PeerFault::Promise);
        }
        self.record.taken = Some(promise);
        self.persist(Batch::new());
        // Whether the ledger will take it before the peer settles nobody knows, so while closing it is claimed and pays for nothing.
        if self.record.life == Life::Open {
            self.notify(ChannelNews::Promised { more: amount.saturating_sub(before) });
        }
        Ok(())
    }

    /// The peer shows a promise of ours, which an old journal may have forgotten.
    fn remember_given(&mut self, promise: SignedPromise) -> Result<(), PeerFault> {
        let is_known = self.record.given.is_some_and(|given| given.promise.amount >= promise.promise.amount);
        if !is_known {
            promise.verify().map_err(|_| PeerFault::Signature)?;
            self.record.given = Some(promise);
            self.persist(Batch::new());
        }
        Ok(())
    }

    /// Says the highest promise out of either lane: ours may be lost, and what an old journal has forgotten the peer has.
    pub(super) fn say_promises_again(&mut self) {
        let promises = [self.record.given, self.record.taken];
        promises.into_iter().flatten().for_each(|promise| self.send(ChannelMessage::Promise(promise)));
    }

    fn series(&self, payer: Side) -> Series {
        let parties = self.record.ground.terms.parties;
        let (payee, payer) = (parties[payer.other().index()], parties[payer.index()]);
        Series { payer, payee, asset: AssetId::WAY, backing: Backing::Channel(self.record.id) }
    }

    /// Whether all of a promise beyond what is absorbed is in the lane, in every state that can still count.
    fn covers(&self, payer: Side, amount: Amount) -> bool {
        let positions = self.record.released.iter().map(|released| &released.position);
        positions.chain([&self.record.base]).all(|position| {
            let lane = position.lanes[payer.index()];
            let absorbed = if lane.absorbed.serial == SERIAL { lane.absorbed.amount } else { Amount::ZERO };
            amount.saturating_sub(absorbed) <= lane.capacity
        })
    }

    /// The highest promise out of a side's lane that this side knows.
    pub fn promised(&self, payer: Side) -> Settled {
        let promise = if payer == self.record.side { &self.record.given } else { &self.record.taken };
        promise.as_ref().map_or(Settled { serial: SERIAL, amount: Amount::ZERO }, amount_of)
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
    pub fn absorption(&self) -> Option<crate::Change> {
        let (payer, promise) = (self.record.side.other(), self.promised(self.record.side.other()));
        let is_due = !self.record.base.lanes[payer.index()].due(promise).is_zero();
        is_due.then_some(crate::Change::Absorb { payer, promise })
    }
}
