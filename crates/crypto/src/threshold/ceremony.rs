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
//! # Why it works
//!
//! - *It ends*: n − f members are honest; they deal, complain where they must, and confirm. Only the false are refuted, so
//!   at least q − f dealings are left.
//! - *Nobody knows the key*: at least q − f ≥ f + 1 dealings are summed, one of them honest and unknown to the others.
//! - *It can be used*: of q members that confirmed at least q − f ≥ f + 1 are honest and hold their part, and f + 1 parts
//!   sign. Up to f honest members may be left without one, if they were too slow to complain of a false share.
//!
//! What is not here: that a call is by the member in whose name it comes (except for complaints, which prove
//! themselves), and what is done to a dealer that was refuted.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Writer};

use super::dealing::{Complaint, Dealing, DealingError, DealingKey, DealingSecret, RECEIVERS_MAX, VerifiedDealing};
use super::{ShareSecret, ThresholdKey};

const OCCASION: Context = Context("byway 1 ceremony: dealer");

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// Names the network and this ceremony among all that it has had.
    occasion: Hash,
    /// By rising member number.
    receivers: Vec<(u8, DealingKey)>,
    /// Of those that were not refuted.
    dealings: BTreeMap<u8, Dealing>,
    refuted: BTreeSet<u8>,
    confirmed: BTreeSet<u8>,
    phase: Phase,
}

/// How far a ceremony is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Dealing,
    Checking,
    Done,
}

/// Why a call changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    #[error("the member is none of those who make this key")]
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

impl Ceremony {
    /// Begins one for these members, by rising number; `occasion` must never be used again.
    pub fn new(occasion: Hash, receivers: Vec<(u8, DealingKey)>) -> Self {
        debug_assert!(receivers.is_sorted_by(|a, b| a.0 < b.0), "members are numbered and rise");
        Self {
            occasion,
            receivers,
            dealings: BTreeMap::new(),
            refuted: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            phase: Phase::Dealing,
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Members for whom the key is made.
    pub fn members(&self) -> impl Iterator<Item = u8> + '_ {
        self.receivers.iter().map(|(member, _)| *member)
    }

    /// Dealers that were shown to be false.
    pub fn refuted(&self) -> impl Iterator<Item = u8> + '_ {
        self.refuted.iter().copied()
    }

    /// f + 1: how many make a signature.
    pub fn threshold(&self) -> usize {
        self.faults_tolerated() + 1
    }

    /// The dealing that `dealer` publishes. The seed must be random, secret and used for this ceremony only.
    pub fn deal_as(&self, dealer: u8, seed: &[u8; 32]) -> Dealing {
        Dealing::deal(seed, self.occasion_of(dealer), self.threshold(), &self.receivers)
    }

    /// Takes a dealing.
    pub fn deal(&mut self, dealer: u8, dealing: Dealing) -> Result<(), CeremonyError> {
        self.admit(dealer, Phase::Dealing)?;
        if self.dealings.contains_key(&dealer) || self.refuted.contains(&dealer) {
            return Err(CeremonyError::Repeated);
        }
        self.verify(dealer, &dealing)?;
        self.dealings.insert(dealer, dealing);
        if self.dealings.len() >= self.quorum() {
            self.phase = Phase::Checking;
        }
        Ok(())
    }

    /// Takes a complaint, after which the dealer's dealing does not count.
    pub fn complain(&mut self, member: u8, dealer: u8, complaint: &Complaint) -> Result<(), CeremonyError> {
        self.admit(member, Phase::Checking)?;
        let dealing = self.dealings.get(&dealer).ok_or(CeremonyError::NoDealing)?;
        if !self.verify(dealer, dealing)?.is_refuted_by(member, complaint) {
            return Err(CeremonyError::Complaint);
        }
        self.dealings.remove(&dealer);
        self.refuted.insert(dealer);
        Ok(())
    }

    /// Takes a member's word that it holds good shares of all dealings that are left.
    pub fn confirm(&mut self, member: u8) -> Result<(), CeremonyError> {
        self.admit(member, Phase::Checking)?;
        if !self.confirmed.insert(member) {
            return Err(CeremonyError::Repeated);
        }
        if self.confirmed.len() >= self.quorum() {
            self.phase = Phase::Done;
        }
        Ok(())
    }

    /// What `member` has to do, given what it opens its shares with and a seed that is random and used once.
    pub fn duty(&self, member: u8, secret: &DealingSecret, seed: &[u8; 32]) -> Duty {
        let is_receiver = self.members().any(|receiver| receiver == member);
        match self.phase {
            _ if !is_receiver => Duty::Nothing,
            Phase::Dealing if !self.dealings.contains_key(&member) => Duty::Deal,
            Phase::Checking if !self.confirmed.contains(&member) => match self.open(member, secret, seed) {
                Err((dealer, complaint)) => Duty::Complain { dealer, complaint },
                Ok(Some(_)) => Duty::Confirm,
                Ok(None) => Duty::Nothing,
            },
            Phase::Dealing | Phase::Checking | Phase::Done => Duty::Nothing,
        }
    }

    /// The key, once it is made.
    pub fn key(&self) -> Option<ThresholdKey> {
        let places = self.members().last()? + 1;
        let dealings = self.verified().filter(|_| self.phase == Phase::Done).map(|(_, dealing)| dealing);
        ThresholdKey::sum(&dealings.collect::<Vec<_>>(), places)
    }

    /// A member's part of the key, once it is made; `None` also for a member that was dealt a false share and did not
    /// complain in time.
    pub fn share(&self, member: u8, secret: &DealingSecret) -> Option<ShareSecret> {
        // The seed only matters to a complaint, and it is too late for one.
        let opened = self.open(member, secret, &[0; 32]).ok().flatten();
        opened.filter(|_| self.phase == Phase::Done)
    }

    /// The sum of a member's shares, or the first that is false; `None` for a stranger.
    fn open(
        &self,
        member: u8,
        secret: &DealingSecret,
        seed: &[u8; 32],
    ) -> Result<Option<ShareSecret>, (u8, Complaint)> {
        let mut shares = Vec::with_capacity(self.dealings.len());
        for (dealer, dealing) in self.verified() {
            match dealing.open(member, secret, seed) {
                Some(Ok(share)) => shares.push(share),
                Some(Err(complaint)) => return Err((dealer, complaint)),
                None => return Ok(None),
            }
        }
        Ok(ShareSecret::sum(shares))
    }

    /// Lets a member act that belongs here, in its phase.
    fn admit(&self, member: u8, phase: Phase) -> Result<(), CeremonyError> {
        if !self.members().any(|receiver| receiver == member) {
            return Err(CeremonyError::Stranger);
        }
        if self.phase == phase { Ok(()) } else { Err(CeremonyError::Phase) }
    }

    fn verify(&self, dealer: u8, dealing: &Dealing) -> Result<VerifiedDealing, DealingError> {
        dealing.verify(self.occasion_of(dealer), self.threshold(), &self.receivers)
    }

    /// The dealings that are left. They were good when they were taken.
    fn verified(&self) -> impl Iterator<Item = (u8, VerifiedDealing)> + '_ {
        self.dealings.iter().filter_map(|(dealer, dealing)| Some((*dealer, self.verify(*dealer, dealing).ok()?)))
    }

    fn occasion_of(&self, dealer: u8) -> Hash {
        OCCASION.hash(&[&self.occasion.0, &[dealer]])
    }

    fn faults_tolerated(&self) -> usize {
        self.receivers.len().saturating_sub(1) / 3
    }

    fn quorum(&self) -> usize {
        self.receivers.len() - self.faults_tolerated()
    }
}

/// A member and what belongs to it.
struct Of<T>(u8, T);

impl<T: Decode> Decode for Of<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.byte()?, input.value()?))
    }
}

/// Members by rising number, each once.
fn set(input: &mut Reader<'_>) -> Result<BTreeSet<u8>, DecodeError> {
    let members = input.bytes(RECEIVERS_MAX)?;
    if !members.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::Invalid("members are not rising"));
    }
    Ok(members.iter().copied().collect())
}

fn put_set(out: &mut Writer, members: &BTreeSet<u8>) {
    out.bytes(&members.iter().copied().collect::<Vec<_>>());
}

/// Entries by rising member, each once.
fn entries<T: Decode>(input: &mut Reader<'_>) -> Result<Vec<(u8, T)>, DecodeError> {
    let entries: Vec<Of<T>> = input.list(RECEIVERS_MAX)?;
    if !entries.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(DecodeError::Invalid("members are not rising"));
    }
    Ok(entries.into_iter().map(|Of(member, value)| (member, value)).collect())
}

impl Encode for Ceremony {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self.phase {
            Phase::Dealing => 0,
            Phase::Checking => 1,
            Phase::Done => 2,
        });
        out.value(&self.occasion);
        out.varint(self.receivers.len() as u64);
        for (member, key) in &self.receivers {
            out.byte(*member);
            out.value(key);
        }
        out.varint(self.dealings.len() as u64);
        for (dealer, dealing) in &self.dealings {
            out.byte(*dealer);
            out.value(dealing);
        }
        put_set(out, &self.refuted);
        put_set(out, &self.confirmed);
    }
}

impl Decode for Ceremony {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let phase = match input.byte()? {
            0 => Phase::Dealing,
            1 => Phase::Checking,
            2 => Phase::Done,
            other => return Err(DecodeError::UnknownVariant { kind: "phase of a ceremony", value: other.into() }),
        };
        Ok(Self {
            phase,
            occasion: input.value()?,
            receivers: entries(input)?,
            dealings: entries(input)?.into_iter().collect(),
            refuted: set(input)?,
            confirmed: set(input)?,
        })
    }
}

#[cfg(test)]
mod tests;
