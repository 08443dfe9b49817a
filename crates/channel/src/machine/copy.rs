//! What is kept of this channel in a second place, and what is taken from there ([`ChannelCopy`]).

use std::cmp::Ordering;

use byway_primitives::codec::Writer;
use byway_primitives::{Batch, Time};
use byway_records::channel::{ChannelState, Cosigned, Held, Position};
use byway_vm::State;

use super::updates::Agreed;
use super::{ChannelMachine, position_digest};
use crate::change::Change;
use crate::copy::{ChannelCopy, CopyError, CopyMark};
use crate::journal::{Health, Life};
use crate::message::Proposal;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// What should be in a copy now; it is another mark whenever that is something else. None where nothing is to be kept: the channel is not open, it has
    /// neither contracts nor other assets, or this side itself does not know the newest contents.
    pub fn copy_mark(&self) -> Option<CopyMark> {
        let record = &self.record;
        let is_live = matches!(record.life, Life::Open | Life::Closing) && record.backing.is_none();
        let is_known = self.state.root() == record.base.root;
        let calls = record.released.iter().any(|released| matches!(released.change, Change::Call(_)));
        let has_contents = !record.held.assets.is_empty() || calls || self.state.contracts().next().is_some();
        if !(is_live && is_known && has_contents) {
            return None;
        }
        let mut parts = Writer::new();
        parts.value(&position_digest(&record.base));
        parts.flag(record.signatures.is_some());
        record.released.iter().for_each(|released| parts.value(&position_digest(&released.position)));
        let bound = record.fund.iter().filter(|fund| fund.is_bound);
        bound.for_each(|fund| parts.value(&position_digest(&fund.position())));
        self.copied.iter().for_each(|state| parts.value(&state.root()));
        Some(CopyMark::of(&parts.into_bytes()))
    }

    /// What is to be kept in a second place, where [`copy_mark`](Self::copy_mark) says that there is something.
    pub fn copy(&self) -> Option<ChannelCopy> {
        self.copy_mark()?;
        let record = &self.record;
        let (network, channel) = (record.ground.network, record.id);
        let mut copy = ChannelCopy { network, channel, agreed: self.cosigned(), states: Vec::new() };
        copy.add(&self.state);
        self.fork.iter().for_each(|(_, state)| copy.add(state));
        let fund = record.fund.iter().filter(|fund| fund.is_bound);
        fund.filter_map(|fund| self.state_after(fund)).for_each(|state| copy.add(&state));
        let half_signed = record.released.iter().rev().filter_map(|released| self.state_proposed(released));
        half_signed.for_each(|state| copy.add(&state));
        self.copied.iter().for_each(|state| copy.add(state));
        Some(copy)
    }

    /// The state that a proposal of ours leads to, where it is known on which it builds.
    fn state_proposed(&self, proposal: &Proposal) -> Option<State> {
        if let Some((_, state)) = self.prepared.as_ref().filter(|(position, _)| *position == proposal.position) {
            return Some(state.clone());
        }
        let (base, state) = self.known_as(proposal.base)?;
        let (change, environment) = (&proposal.change, proposal.position.environment);
        let after = self.record.ground.after(state, base, proposal.round(), change, environment);
        after.ok().filter(|(_, position)| *position == proposal.position).map(|(state, _)| state)
    }

    /// Takes what a copy has: contents for the root at which this side stands or comes to stand, and a newer state that both signed. Whatever is in
    /// it, nothing is believed that neither the ledger nor both signatures say. Whether it brought this side further.
    ///
    /// # Errors
    /// If it is not this channel's: nothing of it is taken then.
    pub fn take_copy(&mut self, now: Time, copy: ChannelCopy) -> Result<bool, CopyError> {
        self.begin(now);
        let ChannelCopy { network, channel, agreed, states } = copy;
        if (network, channel) != (self.record.ground.network, self.record.id) {
            return Err(CopyError::Channel);
        }
        let parties = self.record.ground.terms.parties;
        if agreed.is_some_and(|agreed| {
            agreed.parties != parties || agreed.body.channel != channel || agreed.verify().is_err()
        }) {
            return Err(CopyError::Signature);
        }
        if !matches!(self.record.life, Life::Open | Life::Closing) {
            return Ok(false);
        }
        self.copied = states;
        let was_known = self.knows_state();
        // One of before a deposit or a withdrawal is of no use: the ledger has a newer one. One of after it may be here before the ledger has shown that.
        let Held { total, fundings, .. } = self.record.held;
        let agreed = agreed.filter(|agreed| match agreed.body.fundings.cmp(&fundings) {
            Ordering::Less => false,
            Ordering::Equal => agreed.body.total == total,
            Ordering::Greater => true,
        });
        let is_newer = agreed.is_some_and(|agreed| self.handle_shown(now, &agreed));
        if !self.knows_state() && !is_newer {
            self.take_contents(now, agreed.as_ref());
        }
        Ok(is_newer || (!was_known && self.knows_state()))
    }

    fn knows_state(&self) -> bool {
        self.state.root() == self.record.base.root
    }

    /// Contents for where this side stands; or, where the ledger went on from there by force, for the state that both signed before, from which the
    /// calls that the ledger shows lead on.
    fn take_contents(&mut self, now: Time, agreed: Option<&Cosigned<ChannelState>>) {
        if self.record.health != Health::Recovering {
            return;
        }
        let round = self.record.base.round;
        if let Some(state) = self.copied_state(self.record.base) {
            let mut batch = Batch::new();
            self.log.write_whole(&mut batch, self.record.id, &self.record.base, &state);
            (self.state, self.record.health) = (state, Health::Sound);
            self.persist(batch);
            self.notify(ChannelNews::Recovered { round });
            if self.is_connected() {
                // What the peer proposed meanwhile was not looked at, and it says that again.
                self.greet();
                self.go_on(now);
            }
            return;
        }
        let beneath =
            agreed.filter(|agreed| agreed.body.position.round == self.record.agreed && round > self.record.agreed);
        let Some(Cosigned { body, signatures, .. }) = beneath else { return };
        if let Some(state) = self.copied_state(body.position) {
            self.record.health = Health::Sound;
            let copied = self.copied.clone();
            self.adopt(Agreed::by_both(body.position, *signatures), Some(state), &Change::Nothing);
            self.copied = copied;
            if let Some(entry) = self.ledger.entry.clone() {
                self.follow(now, &entry);
            }
            self.tell_recovered();
        }
    }

    /// What a copy has under a position's root.
    pub(super) fn copied_state(&self, position: Position) -> Option<State> {
        self.copied.iter().find(|state| state.root() == position.root).cloned()
    }
}
