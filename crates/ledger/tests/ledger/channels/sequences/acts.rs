//! What each attempt does in the model, where it is possible.

use byway_primitives::Encode;
use byway_records::channel::{Lane, Remainder};
use byway_records::state::Settled;
use byway_vm::Outcome;

use super::assets::BYTE_PRICE;
use super::calls::{Offer, amount_of};
use super::model::{Ended, Model, Stage};
use super::{Act, Actor, Called, Shows, Sketch};
use crate::channels::{BANK, GAS, RESERVE};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, units};

impl Model {
    /// How it ends, where it is possible.
    pub fn attempted(&mut self, act: &Act) -> Option<Ended> {
        match act {
            Act::Deposit { by, amount, state } => self.deposit(*by, *amount, state),
            Act::Withdraw { by, amount, state } => self.withdraw(*by, *amount, state),
            Act::PutIn { by, asset, cents, state } => self.put_in(*by, *asset, *cents, state),
            Act::TakeOut { by, asset, cents, state } => self.take_out(*by, *asset, *cents, state),
            Act::Leave { by, ahead } => self.leave(*by, *ahead),
            Act::CallLeft { side, amount } => self.call_left(*side, *amount),
            Act::Snapshot { by, state } => self.snapshot(*by, state),
            Act::Close { by, state } => self.close(*by, state.as_ref()),
            Act::Slash { by, state } => self.slash(*by, state),
            Act::Force { by, called, amount, state } => self.force(*by, *called, *amount, state.as_ref()),
            Act::Claim { by, serial, amount } => self.claim(*by, *serial, *amount),
            Act::Settle { shows, pays } => self.settle(*shows, *pays),
            Act::CloseMutual { alice, lacks, owned, pays } => self.close_mutual(*alice, *lacks, *owned, *pays),
            Act::Delegates { by, appoints } => self.set_delegates(*by, *appoints),
            // It is registered, or was.
            Act::Register => None,
            Act::Open { opened, pays } => self.open(opened, *pays),
            Act::End { person, state } => self.end(*person, state.as_ref()),
            Act::Certify { hub, alice, lacks } => self.certify(*hub, *alice, *lacks),
            Act::Wait { .. } => Some(Ended::Wait),
        }
    }

    fn deposit(&mut self, by: Actor, amount: u128, sketch: &Sketch) -> Option<Ended> {
        let held = self.held.with(amount);
        let offer = self.offer(sketch, &held);
        let has = self.accounts[by.side] >= amount && !by.is_delegate;
        let is_possible = self.stage == Stage::Active && !self.is_virtual() && has && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.accounts[by.side] -= amount;
            self.held = held;
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::Deposit
        })
    }

    /// Both have signed it, so whoever has it may hand it in.
    fn withdraw(&mut self, by: Actor, amount: u128, sketch: &Sketch) -> Option<Ended> {
        let held = self.held.without(amount)?;
        let offer = self.offer(sketch, &held);
        let is_possible = self.stage == Stage::Active && !self.is_virtual() && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.accounts[by.side] += amount;
            self.held = held;
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::Withdraw
        })
    }

    /// The bank leaves, if there is one with something in it and there never was before.
    fn leave(&mut self, by: Actor, ahead: u64) -> Option<Ended> {
        let bank = self.state.alone(BANK).filter(|bank| bank.account.balance > units(0))?;
        let is_possible = self.stage == Stage::Active && !self.is_virtual() && self.left.is_none() && ahead > 0;
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            let held = self.held.without(bank.account.balance.units());
            self.held = held.expect("it is part of the total");
            self.charge(by, CHANNEL_PRICE);
            self.state.remove_contract(BANK);
            (self.signed, self.round) = (self.signed + ahead, self.signed + ahead);
            (self.left, self.known) = (Some(bank), None);
            Ended::Leave
        })
    }

    /// Pays something to the bank on the ledger.
    fn call_left(&mut self, side: usize, amount: u128) -> Option<Ended> {
        let mut left = self.left.clone()?;
        let call = self.call(side, Called::Bank, amount);
        let (_, part) = left.look(self.facts.network, self.environment(), &call).ok()?;
        let price = CHANNEL_PRICE + u128::from(GAS) + BYTE_PRICE * part.to_bytes().len() as u128;
        left.execute(self.facts.network, self.environment(), &call).ok()?;
        (self.accounts[side] >= amount + price).then(|| {
            self.accounts[side] -= amount + price;
            self.spent += price;
            self.left = Some(left);
            Ended::CallLeft
        })
    }

    fn snapshot(&mut self, by: Actor, sketch: &Sketch) -> Option<Ended> {
        let offer = self.offer(sketch, &self.held);
        let is_possible = self.stage == Stage::Active && self.acts_for(by) && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::Snapshot
        })
    }

    /// Whether a state can come with something, and the state where it is new.
    fn shown(&self, sketch: Option<&Sketch>) -> (bool, Option<Offer>) {
        let Some(offer) = sketch.map(|sketch| self.offer(sketch, &self.held)) else { return (true, None) };
        let (takes, knows) = (self.takes(&offer), self.knows(&offer));
        (takes || knows, Some(offer).filter(|_| takes))
    }

    fn close(&mut self, by: Actor, sketch: Option<&Sketch>) -> Option<Ended> {
        let (can_be_shown, offer) = self.shown(sketch);
        let is_possible = self.stage == Stage::Active && !by.is_delegate && can_be_shown;
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            if sketch.is_some() && offer.is_none() {
                self.also.push(Ended::ClosedWithKnown);
            }
            self.charge(by, CHANNEL_PRICE);
            self.stage = self.closing(Some(by.side));
            offer.into_iter().for_each(|offer| self.adopt(offer));
            Ended::Close
        })
    }

    fn slash(&mut self, by: Actor, sketch: &Sketch) -> Option<Ended> {
        let offer = self.offer(sketch, &self.held);
        let is_possible = self.stage != Stage::Active && self.acts_for(by) && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            if by.is_delegate {
                self.also.push(Ended::ShownByDelegate);
            }
            self.stage = self.prolonged(by.side, false).0;
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::Slash
        })
    }

    /// A call that leaves less than the reserve, or does not return, makes no round.
    fn force(&mut self, by: Actor, called: Called, amount: u128, sketch: Option<&Sketch>) -> Option<Ended> {
        let (side, (can_be_shown, offer)) = (by.side, self.shown(sketch));
        let waits = self
            .turn
            .is_some_and(|(after, until)| after == side && !(self.next().0 >= until.0 && self.next().1 >= until.1));
        let may = match self.stage {
            Stage::Active => !waits && !by.is_delegate,
            _ => !self.is_over() && self.acts_for(by),
        };
        let (stage, prolongs) = self.prolonged(side, true);
        let mut after = offer.as_ref().map_or_else(|| self.state.clone(), |offer| offer.state.clone());
        let (lacks, is_padded) = (self.lacks(&after, called), self.is_padded(&after, side, called, amount));
        let has_purse = after.in_purse(self.facts.assets[0], self.facts.addresses()[side]).is_some();
        let price = self.price_of_forcing(&after, side, called, amount);
        let call = self.call(side, called, amount);
        let execution = after.execute(self.facts.network, self.environment(), &call).ok()?;
        // What a delegate shows the party does not pay for.
        let is_paid_for = by.pays || !by.is_delegate && self.can_pay(by, price);
        if !(may && can_be_shown && prolongs && is_paid_for) {
            return None;
        }
        if by.is_delegate {
            self.also.push(Ended::ForcedByDelegate);
        }
        self.charge(by, price);
        let is_new = offer.is_some();
        offer.into_iter().for_each(|offer| self.adopt(offer));
        let balances = self.facts.addresses().map(|address| amount_of(&after, address));
        let ended = match execution.outcome {
            _ if lacks || is_padded => Ended::Missing,
            Outcome::Reverted => Ended::Reverted,
            Outcome::OutOfGas => Ended::OutOfGas,
            Outcome::Halted => panic!("no contract here does what no code may"),
            Outcome::Returned if balances.iter().any(|balance| *balance < RESERVE) => Ended::Balances,
            Outcome::Returned => Ended::Forced,
        };
        let returns = ended == Ended::Forced;
        self.also.extend(is_padded.then_some(Ended::ShownTooMuch));
        self.also.extend((returns && called == Called::Purse && has_purse).then_some(Ended::MovedAssets));
        if returns {
            if self.stage == Stage::Active {
                self.turn = Some((side, self.lock(None)));
            }
            self.round += 1;
            (self.balances, self.state) = (balances, after);
        }
        if returns || is_new {
            self.stage = stage;
        }
        Some(ended)
    }

    /// What of a lane is owed by a promise.
    fn due(&self, payer: usize, claim: Option<Settled>) -> u128 {
        let (Lane { capacity, absorbed }, Some(claim)) = (self.lanes[payer], claim) else { return 0 };
        let taken = if claim.serial == absorbed.serial { absorbed.amount.units() } else { 0 };
        let is_void = claim.serial < absorbed.serial;
        if is_void { 0 } else { claim.amount.units().saturating_sub(taken).min(capacity.units()) }
    }

    fn claim(&mut self, by: Actor, serial: u64, amount: u128) -> Option<Ended> {
        let payer = 1 - by.side;
        let claim = Some(Settled { serial, amount: units(amount) });
        let is_more = self.due(payer, claim) > self.due(payer, self.claims[payer]);
        let is_possible = self.stage != Stage::Active && self.acts_for(by) && is_more;
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            if by.is_delegate {
                self.also.push(Ended::ShownByDelegate);
            }
            self.stage = self.prolonged(by.side, false).0;
            self.charge(by, CHANNEL_PRICE);
            self.claims[payer] = claim;
            Ended::Claim
        })
    }

    fn settle(&mut self, shows: Shows, pays: bool) -> Option<Ended> {
        let Stage::Closing { by, .. } = self.stage else { return None };
        let price = self.price_of_settling(shows);
        (self.is_over() && self.shows_all(shows) && (pays || !self.is_virtual())).then(|| {
            if let (Some(by), false) = (by, pays) {
                self.charge_at_most(by, price);
            }
            self.pay_assets_by_state();
            self.pay_out(self.balances);
            Ended::Settle
        })
    }

    fn close_mutual(&mut self, alice: u128, lacks: u128, owned: u128, pays: bool) -> Option<Ended> {
        let balances = self.split(alice, lacks);
        let is_possible = balances.iter().all(|balance| *balance >= RESERVE) && lacks == 0 && !self.is_virtual();
        (is_possible && self.stage != Stage::Closed).then(|| {
            if !pays {
                [ALICE, BOB].into_iter().for_each(|side| self.charge_at_most(side, CHANNEL_PRICE / 2));
            }
            self.pay_assets(self.owned(owned));
            (self.lanes, self.claims) = (Default::default(), [None; 2]);
            self.pay_out(balances);
            Ended::CloseMutual
        })
    }

    /// What both have in the end if Alice has this, or less than there is.
    pub fn split(&self, alice: u128, lacks: u128) -> [u128; 2] {
        let alice = RESERVE + alice.min(self.held.total.saturating_sub(2 * RESERVE));
        [alice, self.held.total.saturating_sub(alice + lacks)]
    }

    fn set_delegates(&mut self, by: Actor, appoints: bool) -> Option<Ended> {
        (!by.is_delegate && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.charge(by, CHANNEL_PRICE);
            self.delegates[by.side] = appoints;
            Ended::Delegates
        })
    }

    fn end(&mut self, person: usize, sketch: Option<&Sketch>) -> Option<Ended> {
        let (can_be_shown, offer) = self.shown(sketch);
        let is_the_hub = self.is_virtual() && person == CAROL;
        (self.stage == Stage::Active && is_the_hub && can_be_shown).then(|| {
            self.stage = self.closing(None);
            offer.into_iter().for_each(|offer| self.adopt(offer));
            Ended::End
        })
    }

    fn certify(&mut self, hub: usize, alice: u128, lacks: u128) -> Option<Ended> {
        let is_possible = self.is_virtual() && hub == CAROL && lacks == 0 && self.stage != Stage::Closed;
        is_possible.then(|| {
            (self.outcome, self.stage) = (Some(self.split(alice, lacks)), Stage::Closed);
            Ended::Certify
        })
    }

    /// What of it each has that neither owns.
    pub fn shares(&self, rest: u128) -> [u128; 2] {
        match self.start.remainder {
            Remainder::Initiator => [rest, 0],
            Remainder::Responder => [0, rest],
            Remainder::Halves => [rest - rest / 2, rest / 2],
        }
    }

    fn pay_out(&mut self, balances: [u128; 2]) {
        let due = [0, 1].map(|payer| self.due(payer, self.claims[payer]));
        let capacities = self.lanes.map(|lane| lane.capacity.units());
        let rest = self.held.total - balances.iter().chain(&capacities).sum::<u128>();
        let shares = self.shares(rest);
        let part = |side: usize| balances[side] + shares[side] + capacities[side] - due[side] + due[1 - side];
        if self.is_virtual() {
            self.outcome = Some([part(0), part(1)]);
        } else {
            (0..2).for_each(|side| self.accounts[side] += part(side) - self.charged[side]);
        }
        self.stage = Stage::Closed;
    }
}
