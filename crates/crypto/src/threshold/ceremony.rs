//! What has to be agreed on, and in which order, for members to end up with one key.
//!
//! # The problem
//!
//! [Dealings](super::dealing) make a key once everyone knows which of them count. A false dealer's must not, and whether
//! it is false for somebody only that member can tell; but no one can be waited for, since f of n members may be silent,
//! and messages of honest ones may take any time.
//!
//! # The idea
//!
//! A [`Ceremony`] is a state machine for a ledger: whoever applies the same calls in the same order has the same state. It
//! has three phases.
//!
//! 1. *Dealing*: each receiver may deal once. With dealings by q = n − f of them it is over.
//! 2. *Checking*: each receiver looks at its shares of all dealings that are left. If one is false it complains, which
//!    takes that dealing out; if all are good it confirms. Whoever confirmed need not look again when one is taken out,
//!    since it holds good shares of the rest.
//! 3. *Done*, with q confirmations: the key is the sum of the dealings that are left, for good.
//!
//! Who is shown to be false is *excluded*: a dealer by a complaint, a member by what it said itself, a dealing that is none
//! or a complaint that shows nothing. It is not listened to any more and its dealing does not count. Looking at such
//! things costs everyone milliseconds, so each member can make everyone do so for nothing only once.
//!
//! # Why it works
//!
//! - *It ends*: n − f members are honest, and none of them is ever excluded; they deal, complain where they must, and
//!   confirm. Of the q first dealings at most f are taken out, so at least q − f are left.
//! - *Nobody knows the key*: at least q − f ≥ f + 1 dealings are summed, one of them honest and unknown to the others.
//! - *It can be used*: of q members that confirmed at least q − f ≥ f + 1 are honest and hold their part, and f + 1 parts
//!   sign. Up to f honest members may be left without one, if they were too slow to complain of a false share.
//!
//! What is not here: that a call is by the member in whose name it comes, and what else is done to who is excluded.

use std::collections::BTreeMap;

use byway_primitives::hash::Context;
use byway_primitives::{Hash, Writer};

use super::dealing::{Complaint, Dealing, DealingError, DealingKey, DealingSecret, VerifiedDealing};
use super::{KeyRecord, ShareSecret};

mod head;

pub use head::{CeremonyHead, Phase};

const OCCASION: Context = Context("byway 1 ceremony: dealer");
const DEAL: Context = Context("byway 1 ceremony: seed of a dealing");
const COMPLAIN: Context = Context("byway 1 ceremony: seed of a complaint");

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    head: CeremonyHead,
    /// Of those that are not excluded.
    dealings: BTreeMap<u8, Dealing>,
}

/// Why a call changes nothing, but that a false one may exclude the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    #[error("the member is none of those who make this key, or is excluded")]
    Stranger,
    #[error("this comes too early or too late: the ceremony has moved on, look at its state again")]
    Phase,
    #[error("the member has done so already")]
    Repeated,
    #[error("the dealing is bad: {0}")]
    Dealing(#[from] DealingError),
    #[error("there is no dealing by that member")]
    NoDealing,
    #[error("the complaint does not show a false share")]
    Complaint,
}

/// What a member has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// Make a dealing: see [`Ceremony::deal_as`].
    Deal,
    /// The share of this dealer is false.
    Complain { dealer: u8, complaint: Complaint },
    /// All shares are good.
    Confirm,
    /// Wait for the others, or for ever.
    Nothing,
}

/// What a member found in the dealings that it has looked at, by dealer. To be thrown away with the ceremony.
#[derive(Debug, Clone, Default)]
pub struct Opened(BTreeMap<u8, Result<ShareSecret, Complaint>>);

impl Ceremony {
    /// Begins one for these members, by rising number; `occasion` must never be used again.
    pub fn new(occasion: Hash, receivers: Vec<(u8, DealingKey)>) -> Self {
        Self { head: CeremonyHead::new(occasion, receivers), dealings: BTreeMap::new() }
    }

    /// Goes on with one, from what was written down of it.
    pub fn resume(head: CeremonyHead, dealings: BTreeMap<u8, Dealing>) -> Self {
        Self { head, dealings }
    }

    /// All of it but the dealings.
    pub fn head(&self) -> &CeremonyHead {
        &self.head
    }

    /// The dealings that count as things stand.
    pub fn dealings(&self) -> &BTreeMap<u8, Dealing> {
        &self.dealings
    }

    /// The dealing that `dealer` publishes: always the same.
    pub fn deal_as(&self, dealer: u8, secret: &DealingSecret) -> Dealing {
        self.deal_twisted_as(dealer, secret, |_, bytes| bytes)
    }

    /// As [`deal_as`](Self::deal_as), but changes what is sealed for whom: what a false dealer does, for tests and
    /// simulations.
    pub fn deal_twisted_as(
        &self,
        dealer: u8,
        secret: &DealingSecret,
        twist: impl Fn(u8, [u8; 32]) -> [u8; 32],
    ) -> Dealing {
        let (occasion, receivers) = (self.occasion_of(dealer), self.head.receivers());
        let mut said = Writer::new();
        receivers.iter().for_each(|(member, key)| {
            said.byte(*member);
            said.value(key);
        });
        let seed = secret.draw(DEAL, &[&occasion.0, &said.into_bytes()]);
        Dealing::deal_twisted(&seed, occasion, self.head.threshold(), receivers, twist)
    }

    /// Takes a dealing.
    pub fn deal(&mut self, dealer: u8, dealing: Dealing) -> Result<(), CeremonyError> {
        self.head.admit(dealer, Phase::Dealing)?;
        if self.dealings.contains_key(&dealer) {
            return Err(CeremonyError::Repeated);
        }
        if let Err(error) = self.verify(dealer, &dealing) {
            self.head.exclude(dealer);
            return Err(error.into());
        }
        self.dealings.insert(dealer, dealing);
        self.head.on_dealings(self.dealings.len());
        Ok(())
    }

    /// Takes a complaint, after which the dealer is excluded; or the member, if it shows nothing.
    pub fn complain(&mut self, member: u8, dealer: u8, complaint: &Complaint) -> Result<(), CeremonyError> {
        self.head.admit(member, Phase::Checking)?;
        let dealing = self.dealings.get(&dealer).ok_or(CeremonyError::NoDealing)?;
        let is_just = self.verify(dealer, dealing)?.is_refuted_by(member, complaint);
        let culprit = if is_just { dealer } else { member };
        self.dealings.remove(&culprit);
        self.head.exclude(culprit);
        if is_just { Ok(()) } else { Err(CeremonyError::Complaint) }
    }

    /// Takes a member's word that it holds good shares of all dealings that are left.
    pub fn confirm(&mut self, member: u8) -> Result<(), CeremonyError> {
        self.head.admit(member, Phase::Checking)?;
        self.head.confirm(member)
    }

    /// Looks at what was dealt to `member`, as far as that is not done yet.
    pub fn look(&self, member: u8, secret: &DealingSecret, opened: &mut Opened) {
        for (dealer, dealing) in &self.dealings {
            if opened.0.contains_key(dealer) {
                continue;
            }
            // They were good when they were taken.
            let Ok(dealing) = self.verify(*dealer, dealing) else { continue };
            let seed = secret.draw(COMPLAIN, &[&self.occasion_of(*dealer).0]);
            if let Some(found) = dealing.open(member, secret, &seed) {
                opened.0.insert(*dealer, found);
            }
        }
    }

    /// What `member` has to do, given what it [found](Self::look).
    pub fn duty(&self, member: u8, opened: &Opened) -> Duty {
        match self.head.phase() {
            _ if !self.head.listens_to(member) => Duty::Nothing,
            Phase::Dealing if !self.dealings.contains_key(&member) => Duty::Deal,
            Phase::Checking if !self.head.has_confirmed(member) => match self.sum(opened) {
                Err((dealer, complaint)) => Duty::Complain { dealer, complaint },
                Ok(Some(_)) => Duty::Confirm,
                Ok(None) => Duty::Nothing,
            },
            Phase::Dealing | Phase::Checking | Phase::Done => Duty::Nothing,
        }
    }

    /// The key, once it is made.
    pub fn key(&self) -> Option<KeyRecord> {
        let places = self.head.members().last()? + 1;
        let is_done = self.head.phase() == Phase::Done;
        is_done.then(|| KeyRecord::sum(self.dealings.values(), places)).flatten()
    }

    /// A member's part of the key, once it is made, from what it [found](Self::look); `None` also for a member that was
    /// dealt a false share and did not complain in time.
    pub fn share(&self, opened: &Opened) -> Option<ShareSecret> {
        let is_done = self.head.phase() == Phase::Done;
        is_done.then(|| self.sum(opened).ok().flatten()).flatten()
    }

    /// The sum of a member's shares, or the first that is false; `None` if it has not looked at all, or is a stranger.
    fn sum(&self, opened: &Opened) -> Result<Option<ShareSecret>, (u8, Complaint)> {
        let mut shares = Vec::with_capacity(self.dealings.len());
        for dealer in self.dealings.keys() {
            match opened.0.get(dealer) {
                Some(Ok(share)) => shares.push(share.clone()),
                Some(Err(complaint)) => return Err((*dealer, *complaint)),
                None => return Ok(None),
            }
        }
        Ok(ShareSecret::sum(shares))
    }

    fn verify(&self, dealer: u8, dealing: &Dealing) -> Result<VerifiedDealing, DealingError> {
        dealing.verify(self.occasion_of(dealer), self.head.threshold(), self.head.receivers())
    }

    fn occasion_of(&self, dealer: u8) -> Hash {
        OCCASION.hash(&[&self.head.occasion().0, &[dealer]])
    }
}

#[cfg(test)]
mod tests;
