//! Upgrading and removing contracts, letting them leave, and letting an asset in: what is done only where the users of both sides want it.
//!
//! A contract's code decides over money of both, and the ledger would never do this by force. So a side whose user has not asked for
//! the same refuses, and asks. Whoever wants it too proposes the same: the side that asked first then signs it by itself, since
//! its user has consented to that very thing, for the contract as it is. Where the contract was called meanwhile, or after ten minutes, it asks again.
//!
//! *A channel without other assets is settled by anybody; one with some by who can show what is in the purses.* So no peer puts an asset in of which there is
//! nothing, but where this side's user has let it in ([`admit`](ChannelMachine::admit)) or has asked to put some of the same in.

use byway_primitives::{Amount, AssetId, Batch, Time};
use byway_records::Value;
use byway_records::channel::Movement;
use byway_vm::Address;

use super::ChannelMachine;
use crate::change::{Change, ChangeError};
use crate::consent::{Consent, ContractWish};
use crate::journal::Life;
use crate::message::Refusal;
use crate::news::{ChannelNews, ProposeError};
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

    /// Our user lets an asset in of which there is nothing in the channel: within ten minutes the peer may put some in.
    ///
    /// # Errors
    /// If the channel is not open or is a virtual one, there is some of the asset in it, or there are four assets already.
    pub fn admit(&mut self, now: Time, asset: AssetId) -> Result<(), ProposeError> {
        self.begin(now);
        if self.record.life != Life::Open {
            return Err(ProposeError::NotOpen);
        }
        if self.record.backing.is_some() {
            return Err(ProposeError::Virtual);
        }
        let least = Value { asset, amount: Amount::from_units(1) };
        let wish = self.wish_of(Movement::Deposit, least).ok_or(ChangeError::NothingMoved)?;
        self.record.held.after(self.record.side.other(), Movement::Deposit, least).ok_or(ChangeError::Held)?;
        self.consent_to(Some(wish))?;
        self.persist(Batch::new());
        Ok(())
    }

    /// What a deposit, a withdrawal or the leaving of a contract needs consent to, if it does.
    pub(super) fn wish_of(&self, movement: Movement, value: Value) -> Option<ContractWish> {
        let asset = value.asset;
        let is_new = || asset != AssetId::WAY && self.record.held.assets.of(asset).is_none();
        match movement {
            Movement::Leave { contract, .. } => Some(ContractWish::Leave { contract: Address(contract) }),
            Movement::Deposit if is_new() => Some(ContractWish::Admit { asset }),
            Movement::Deposit | Movement::Withdraw => None,
        }
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
