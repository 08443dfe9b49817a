//! What holding many channels has to do with virtual ones: each is shown the ledger according to its guarantee.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Amount, Time};
use byway_records::Channel;
use byway_records::channel::{CertifiedClose, ChannelOutcome, Cosigned, Environment, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::contract::Stage;
use super::sight::{Found, Sought, find_in};
use crate::change::Change;
use crate::channels::{ChannelHandle, ChannelKey, Channels, InitiateError};
use crate::journal::Life;
use crate::ledger_view::LedgerView;
use crate::machine::ChannelMachine;
use crate::message::ChannelMessage;
use crate::signer::Signer;

/// What a virtual channel is shown in place of an entry that the ledger does not have.
enum Backed {
    /// It is guaranteed.
    Yes,
    /// It is not, and won't be.
    No,
    /// It can't be said yet.
    Unsettled,
}

impl<S: Signer + Clone> Channels<S> {
    /// Proposes a virtual channel to a peer that is connected. `handle` is fresh randomness.
    pub fn initiate_virtual(
        &mut self,
        now: Time,
        handle: ChannelHandle,
        terms: VirtualTerms,
    ) -> Result<ChannelKey, InitiateError> {
        let key = self.key_of_new(handle, terms.terms.parties[1])?;
        if terms.network != self.network {
            return Err(InitiateError::Terms);
        }
        let machine = ChannelMachine::initiate_virtual(self.signer.clone(), terms, handle.number(), now);
        self.machines.insert(key, machine.ok_or(InitiateError::Terms)?);
        self.collect(key);
        Ok(key)
    }

    /// What became of virtual channels by the newest final checkpoint: said before
    /// [`handle_ledger`](Self::handle_ledger) for each.
    pub fn note_outcomes(&mut self, outcomes: BTreeMap<ChannelId, [Amount; 2]>) {
        self.outcomes = outcomes;
    }

    /// In which channels offers are being accepted ([`Guarantees::accepting`](super::Guarantees::accepting)): said after whatever the
    /// guarantees did, before anything else is proposed in a channel.
    pub fn note_accepting(&mut self, accepting: BTreeMap<ChannelId, Vec<(Address, ChannelId)>>) {
        if accepting == self.accepting {
            return;
        }
        let before = std::mem::replace(&mut self.accepting, accepting);
        let touched: BTreeSet<_> = before.into_keys().chain(self.accepting.keys().copied()).collect();
        for id in touched {
            let accepting = self.accepting.get(&id).cloned().unwrap_or_default();
            let machine = self.named.get(&id).and_then(|key| self.machines.get_mut(key));
            machine.into_iter().for_each(|machine| machine.note_accepting(accepting.clone()));
        }
    }

    /// What of all that is what a peer's proposal says.
    pub(crate) fn outcomes_in(&self, message: &ChannelMessage) -> Vec<ChannelOutcome> {
        let ChannelMessage::Propose(proposal) = message else { return Vec::new() };
        let Change::Call(call) = &proposal.change else { return Vec::new() };
        let is_known = |said: &&ChannelOutcome| self.outcomes.get(&said.channel) == Some(&said.paid);
        call.evidence.iter().filter(is_known).copied().collect()
    }

    /// The hub's signature under how two others part. Once for each channel: whoever asks for it keeps what comes out.
    pub(crate) fn certify(&self, close: Cosigned<VirtualClose>) -> CertifiedClose {
        let signature = self.signer.sign_virtual_close(&close.body);
        CertifiedClose { close, hub: self.signer.id(), signature }
    }

    /// A virtual channel sees what the ledger has of it, and in place of that the guarantee.
    pub(crate) fn show_virtual(
        &mut self,
        now: Time,
        id: ChannelId,
        key: ChannelKey,
        environment: Environment,
        commits: u64,
        registered: Option<Channel>,
    ) {
        self.with(key, |machine| machine.note_time(now, environment, commits));
        let Some(machine) = self.machines.get(&key) else { return };
        let is_ended = self.outcomes.contains_key(&id);
        let is_new = is_new(machine);
        let entry = match (registered, self.backed(id, machine)) {
            // Anyone can have it registered whose terms both have signed: that alone guarantees nothing.
            (Some(_), Backed::No) if is_new => None,
            (Some(_), Backed::Unsettled) if is_new => return,
            (Some(entry), _) => Some(entry),
            (None, _) if is_ended => None,
            (None, Backed::Yes) => machine.as_registered(),
            (None, Backed::No) => None,
            (None, Backed::Unsettled) => return,
        };
        let view = LedgerView { environment, commits, entry };
        self.with(key, |machine| machine.handle_ledger(now, view));
    }

    /// Where our side's guarantee is: what is half-signed may not take it back before anything is built upon it.
    fn backed(&self, id: ChannelId, machine: &ChannelMachine<S>) -> Backed {
        let Some(terms) = machine.virtual_terms() else { return Backed::No };
        let us = Address::from(self.signer.id());
        let is_new = is_new(machine);
        let mut is_unsettled = self.unreadable().next().is_some();
        for (_, parent) in self.with_peer(terms.hub) {
            match find_in(parent, Sought { id, by: us, place: None }) {
                Found::There { guarantee, is_settled, .. } if guarantee.stage == Stage::Accepted => {
                    if is_settled || !is_new {
                        return Backed::Yes;
                    }
                    is_unsettled = true;
                }
                Found::There { .. } | Found::Unknown | Found::Unsettled => is_unsettled = true,
                Found::Gone => {}
            }
        }
        if is_unsettled { Backed::Unsettled } else { Backed::No }
    }
}

/// Whether it is not open yet.
fn is_new<S: Signer>(machine: &ChannelMachine<S>) -> bool {
    matches!(machine.life(), Life::HalfSigned | Life::Signed)
}
