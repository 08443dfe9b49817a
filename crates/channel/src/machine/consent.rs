//! Upgrading and removing contracts: what is done only where the users of both sides want it.
//!
//! A contract's code decides over money of both, and the ledger would never replace it by force. So a side whose user has not asked for
//! the same refuses, and asks. Whoever wants it too proposes the same change: the side that asked first then signs it by itself, since
//! its user has consented to that very change of the contract as it is. Where the contract was called meanwhile, it asks again.

use super::ChannelMachine;
use crate::change::{Change, ChangeError, ContractChange};
use crate::consent::Consent;
use crate::message::Refusal;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// What the peer asked our user's consent to last.
    pub fn asked(&self) -> Option<&ContractChange> {
        self.asked.as_ref()
    }

    /// What our user wants to be done to a contract, and the peer's has not asked for yet.
    pub fn consent(&self) -> Option<&ContractChange> {
        self.record.consent.as_ref().map(|consent| &consent.change)
    }

    /// Whoever proposes a change consents to it. Of several the last counts.
    pub(super) fn consent_to(&mut self, change: &Change) -> Result<(), ChangeError> {
        if let Change::Contract(change) = change {
            let consent = Consent::new(change, &self.state).ok_or(ChangeError::NoContract)?;
            self.record.consent = Some(consent);
        }
        Ok(())
    }

    pub(super) fn take_consent_back(&mut self) {
        self.record.consent = None;
    }

    /// Whether a change needs no consent, or has it.
    pub(super) fn consents_to(&self, change: &Change) -> bool {
        let Change::Contract(change) = change else { return true };
        self.record.consent.as_ref().is_some_and(|consent| consent.is_to(change, &self.state))
    }

    pub(super) fn note_asked(&mut self, refusal: Refusal, change: &Change) {
        if let (Refusal::Asked, Change::Contract(change)) = (refusal, change) {
            self.asked = Some(change.clone());
            self.notify(ChannelNews::Asked { change: change.clone() });
        }
    }

    /// Both have signed it, so nobody is asked any more.
    pub(super) fn end_consent(&mut self, change: &Change) {
        if let Change::Contract(change) = change {
            self.record.consent.take_if(|consent| consent.change == *change);
            self.asked.take_if(|asked| asked == change);
        }
    }
}
