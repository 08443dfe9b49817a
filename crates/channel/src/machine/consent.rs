//! Upgrading and removing contracts, and letting them leave: what is done only where the users of both sides want it.
//!
//! A contract's code decides over money of both, and the ledger would never do this by force. So a side whose user has not asked for
//! the same refuses, and asks. Whoever wants it too proposes the same: the side that asked first then signs it by itself, since
//! its user has consented to that very thing, for the contract as it is. Where the contract was called meanwhile, or after ten minutes, it asks again.

use byway_primitives::{Batch, Time};

use super::ChannelMachine;
use crate::change::{Change, ChangeError};
use crate::consent::{Consent, ContractWish};
use crate::message::Refusal;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// What the peer asked our user's consent to last, and until when its own counts, as far as is known here: for the contract as it was
    /// then.
    pub fn asked(&self) -> Option<(&ContractWish, Time)> {
        let now = self.environment().time;
        let asked = self.asked.as_ref().filter(|asked| asked.is_to(&asked.wish, &self.state, now));
        asked.map(|asked| (&asked.wish, asked.until))
    }

    /// What our user wants to be done to a contract, and the peer's has not asked for yet; and until when that counts, in ledger time.
    pub fn consent(&self) -> Option<(&ContractWish, Time)> {
        self.record.consent.as_ref().map(|consent| (&consent.wish, consent.until))
    }

    /// Whoever proposes something consents to it. Of several the last counts.
    pub(super) fn consent_to(&mut self, wish: Option<ContractWish>) -> Result<(), ChangeError> {
        let now = self.environment().time;
        if let Some(wish) = wish {
            self.record.consent = Some(Consent::new(wish, &self.state, now).ok_or(ChangeError::NoContract)?);
        }
        Ok(())
    }

    /// Written at once. Whether there was any, or something that was only asked for.
    pub(super) fn take_consent_back(&mut self) -> bool {
        let has_asked = self.record.fund.as_ref().is_some_and(|fund| !fund.is_bound);
        let had_consent = self.record.consent.take().is_some();
        if had_consent {
            self.persist(Batch::new());
        }
        self.drop_wish(Some(Refusal::Withdrawn));
        let had_split = self.take_split_back();
        had_consent || has_asked || had_split
    }

    /// Whether nothing needs consent, or what does has it.
    pub(super) fn consents_to(&self, wish: Option<&ContractWish>) -> bool {
        let Some(wish) = wish else { return true };
        self.record.consent.as_ref().is_some_and(|consent| consent.is_to(wish, &self.state, self.environment().time))
    }

    pub(super) fn note_asked(&mut self, refusal: Refusal, wish: Option<ContractWish>) {
        if let (Refusal::Asked, Some(wish)) = (refusal, wish) {
            self.asked = Consent::new(wish.clone(), &self.state, self.environment().time);
            self.notify(ChannelNews::Asked { wish });
        }
    }

    /// Both have signed it, so nobody is asked any more.
    pub(super) fn end_consent(&mut self, wish: Option<&ContractWish>) {
        if let Some(wish) = wish {
            self.record.consent.take_if(|consent| consent.wish == *wish);
            self.asked.take_if(|asked| asked.wish == *wish);
        }
    }

    /// What of an update that is adopted was consented to.
    pub(super) fn end_consent_to_change(&mut self, change: &Change) {
        self.end_consent(ContractWish::of(change).as_ref());
    }
}
