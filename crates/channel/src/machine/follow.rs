//! Going where the ledger is, where that is further than this side.
//!
//! The ledger is ahead where the peer completed a half-signed state of ours and showed it, where a call was forced, or where the
//! journal is an old one. Nobody has to say anything: half-signed states are kept, and a channel's entry has the calls
//! that were forced, of which at least those since the last checkpoint are there. They are executed here as the ledger did.
//!
//! A state that both signed beats what was forced on an older one. So as long as the newest position is a forced one, the
//! co-signed state beneath it is kept too (`fork`), and half-signed states that build on it: the peer may show one of these.

use byway_primitives::Time;
use byway_records::Channel;
use byway_records::channel::ForcedRound;
use byway_vm::{Address, Target};

use super::updates::Agreed;
use super::{ChannelMachine, ROUNDS_FORGOTTEN};
use crate::change::{Change, ContractCall};
use crate::journal::Health;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Goes to the ledger's position, unless this side knows a newer one.
    pub(super) fn follow(&mut self, now: Time, entry: &Channel) {
        if entry.signed < self.record.agreed || matches!(self.record.health, Health::Frozen(_)) {
            return;
        }
        let before = self.record.base;
        if entry.signed > self.record.agreed {
            self.believe(entry);
        }
        for made in &entry.rounds {
            self.execute_forced(entry.signed, made);
        }
        let base = self.record.base;
        if base.round <= entry.position.round && base != entry.position {
            self.adopt(Agreed::by_ledger(entry.position, entry.signed).of(entry.total), None, &Change::Nothing);
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
            let next = Agreed::by_ledger(fund.position(), entry.signed).of(entry.total);
            return self.adopt(next, state, &Change::Nothing);
        }
        let is_shown = entry.position.round == entry.signed;
        let released = self.record.released.iter().find(|released| released.round() == entry.signed).cloned();
        match released.filter(|released| !is_shown || released.position == entry.position) {
            Some(proposal) => {
                let state = self.execute_again(&proposal);
                self.adopt(Agreed::by_ledger(proposal.position, entry.signed), state, &proposal.change);
            }
            None => {
                self.record.signed = self.record.signed.max(entry.signed.saturating_add(ROUNDS_FORGOTTEN));
                self.notify(ChannelNews::Behind { round: entry.position.round });
                self.adopt(Agreed::by_ledger(entry.position, entry.signed).of(entry.total), None, &Change::Nothing);
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
}
