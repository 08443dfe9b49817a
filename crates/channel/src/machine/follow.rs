//! Going where the ledger is, where that is further than this side.
//!
//! The ledger is ahead where the peer completed a half-signed state of ours and showed it, where a call was forced, or where the
//! journal is an old one. Nobody has to say anything: half-signed states are kept, and a channel's entry has the calls
//! that were forced, of which at least those since the last checkpoint are there. They are executed here as the ledger did.
//!
//! A state that both signed beats what was forced on an older one. So as long as the newest position is a forced one, the
//! co-signed state beneath it is kept too (`fork`), and half-signed states that build on it: the peer may show one of these.
//!
//! Whatever a half-signed state builds on is kept as long as that is alive (`beneath`): the peer can complete one, so that this side goes on
//! from there, and then another, which builds on what was before, and show the ledger that. Whoever does not know the state that a channel
//! ends in can't show what it has there.

use std::collections::BTreeSet;

use byway_primitives::{Batch, Hash, Time};
use byway_records::Channel;
use byway_records::channel::{ForcedRound, Held, Position};
use byway_vm::{Address, State, Target};

use super::updates::Agreed;
use super::{ChannelMachine, position_digest};
use crate::change::{Change, ContractCall};
use crate::journal::{Health, forget_beneath, keep_beneath};
use crate::message::Proposal;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Goes to the ledger's position, unless this side knows a newer one.
    pub(super) fn follow(&mut self, now: Time, entry: &Channel) {
        // What was signed before something went in or out counts no more, whatever its round: an old journal may have been shown that.
        let is_worthless = entry.fundings > self.record.held.fundings;
        if (entry.signed < self.record.agreed && !is_worthless) || matches!(self.record.health, Health::Frozen(_)) {
            return;
        }
        let before = self.record.base;
        if entry.signed > self.record.agreed || is_worthless {
            self.believe(entry);
        }
        for made in &entry.rounds {
            self.execute_forced(entry.signed, made);
        }
        let base = self.record.base;
        if base.round <= entry.position.round && base != entry.position {
            self.adopt(Agreed::by_ledger(entry.position, entry.signed).of(Held::of(entry)), None, &Change::Nothing);
        }
        if self.record.base != before {
            if self.link.has_greeted() {
                // The peer may be there already, and wait.
                self.greet();
            }
            self.supersede(now);
        }
    }

    /// The ledger was shown a newer co-signed state than this side knows: one of ours that the peer has completed, or one that
    /// an old journal does not have.
    fn believe(&mut self, entry: &Channel) {
        if let Some(fund) = self.funded_on(entry) {
            let state = self.state_after(&fund);
            self.tell_left(&fund);
            let next = Agreed::by_ledger(fund.position(), entry.signed).of(Held::of(entry));
            return self.adopt(next, state, &Change::Nothing);
        }
        let is_shown = entry.position.round == entry.signed;
        let is_of_these = entry.fundings == self.record.held.fundings;
        let is_it = |released: &&Proposal| is_of_these && released.round() == entry.signed;
        let released = self.record.released.iter().find(is_it).cloned();
        match released.filter(|released| !is_shown || released.position == entry.position) {
            Some(proposal) => {
                let state = self.execute_again(&proposal);
                self.adopt(Agreed::by_ledger(proposal.position, entry.signed), state, &proposal.change);
            }
            None => {
                self.notify(ChannelNews::Behind { round: entry.position.round });
                self.adopt(Agreed::by_ledger(entry.position, entry.signed).of(Held::of(entry)), None, &Change::Nothing);
                self.tell_recovered();
            }
        }
    }

    /// Executes a call that was forced, if it is the next one.
    fn execute_forced(&mut self, signed: u64, made: &ForcedRound) {
        let ForcedRound { round, caller, contract, value, ref input, gas, environment, ref evidence, .. } = *made;
        let base = self.record.base;
        if base.round.checked_add(1) != Some(round) || self.state.root() != base.root {
            return;
        }
        let target = Target::Contract(Address(contract));
        let (input, evidence) = (input.clone(), evidence.clone());
        let change = Change::Call(ContractCall { caller, target, value, input, gas, evidence });
        let after = self.record.ground.after(&self.state, &base, round, &change, environment);
        if let Ok((state, position)) = after {
            self.notify(ChannelNews::Forced { round });
            self.adopt(Agreed::by_ledger(position, signed), Some(state), &change);
        }
    }

    /// All positions whose state is known: the newest, the last co-signed one, and what half-signed ones build on.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Position, &State)> {
        let newest = (&self.record.base, &self.state);
        let earlier = self.fork.iter().chain(&self.beneath).map(|(position, state)| (position, state));
        std::iter::once(newest).chain(earlier).filter(|(position, state)| state.root() == position.root)
    }

    /// The one of these that something builds on.
    pub(super) fn known_as(&self, base: Hash) -> Option<(&Position, &State)> {
        self.known().find(|(position, _)| position_digest(position) == base)
    }

    /// Of all that is known, that on which something builds that is alive once `agreed` is the newest co-signed round.
    pub(super) fn needed_from(&self, agreed: u64) -> Vec<(Position, State)> {
        let fund = self.record.fund.iter().filter(|fund| fund.is_bound && fund.round() > agreed).map(|fund| fund.base);
        let released = self.record.released.iter().filter(|released| released.round() > agreed);
        let bases: BTreeSet<Hash> = released.map(|released| released.base).chain(fund).collect();
        let needed = bases.into_iter().filter_map(|base| self.known_as(base));
        needed.map(|(position, state)| (*position, state.clone())).collect()
    }

    /// Keeps these, in memory and on disk, and forgets all others.
    pub(super) fn keep_beneath(&mut self, batch: &mut Batch, kept: Vec<(Position, State)>) {
        let id = self.record.id;
        let has = |all: &[(Position, State)], position: &Position| all.iter().any(|(other, _)| other == position);
        for (position, _) in self.beneath.iter().filter(|(position, _)| !has(&kept, position)) {
            forget_beneath(batch, id, position);
        }
        for (position, state) in kept.iter().filter(|(position, _)| !has(&self.beneath, position)) {
            keep_beneath(batch, id, position, state);
        }
        self.beneath = kept;
    }
}
