//! Warnings: providers tell each other what an issuer has promised them (row A6).
//!
//! # The problem
//!
//! One balance can stand behind promises to any number of providers, and what is promised is not on the ledger before it
//! is settled. Each provider alone sees an honest client that keeps within its account; together they see that it has
//! promised ten times as much, and those who settle last get nothing.
//!
//! # The idea
//!
//! A promise that its payee has not signed settles for nobody else, so it can be shown at no risk; and it carries its
//! issuer's signature, so it proves what it says. A provider that is asked for credit shows the promise that it was given
//! to other providers and asks what they hold of the same issuer. What they hold and the ledger has not settled counts
//! against the issuer's exposure here as if it were our own.
//!
//! # The algorithm
//!
//! ```text
//! client ── first promise ──► provider                              other providers, by its own choice
//!                               holds credit to a first window
//!                               ── Ask {that promise} ────────────►   signed by the issuer, to who asks? else silence
//!                               ◄── Told {issuer, promises} ───────   its own unsettled ones, newest first
//!                               checks each; the ledger says what is left of it
//!                               credit = what the policy grants − what others hold
//! ```
//!
//! The hold ends when everyone who was asked has answered, or after [`WarningConfig::wait`]. It is asked again after
//! [`WarningConfig::every`] as long as the issuer goes on promising. So an issuer that promises everyone everything gets
//! its credit once, and from the second provider on a first window.
//!
//! # What others can and cannot do
//!
//! - *Someone who fishes* for who deals with whom must show a promise of that issuer to itself: it deals with it, too. It
//!   is answered within an allowance.
//! - *A liar* can hold back what it has, which nobody can prevent; the issuer's friends can, too. It cannot make anything
//!   up: a promise counts only with the issuer's signature, to whoever shows it, on this network, and beyond what the
//!   ledger has settled. It is heard only when it was asked, and one answer holds [`PROMISES_MAX`] promises.
//! - *An issuer* whose providers settle late is granted less meanwhile. It can have them settle by moving to a reservation.
//!
//! # What it is not
//!
//! It doesn't know whom to ask, how to reach them, or the ledger: those are the shell's. It tells nobody anything unasked.

mod message;

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Amount, AssetId, IdentityId, NetworkId, Span, Time};
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Backing, Promise, SignedPromise};

pub use message::{PROMISES_MAX, WarningMessage};

use crate::allowance::Allowance;

/// Others that are asked about one issuer at a time. A handful sees what an issuer does that goes from one to the next.
pub const ASKED_MAX: usize = 4;
/// Issuers of whom something is kept; whoever was asked about the longest ago makes room. A few hundred bytes each.
const ISSUERS_MAX: usize = 1024;
/// Promises of one issuer that are kept.
const TOLD_MAX: usize = ASKED_MAX * PROMISES_MAX;
/// Peers whose questions are counted.
const ASKERS_MAX: usize = 1024;
/// Questions that a peer may ask at once, and how often one more. An answer costs a signature check.
const QUESTIONS_MAX: u64 = 16;
const QUESTION_EVERY: Span = Span::seconds(10);

/// Policy of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarningConfig {
    /// How long an issuer's credit is held to a first window while others are asked.
    pub wait: Span,
    /// It is asked again after this.
    pub every: Span,
}

impl Default for WarningConfig {
    fn default() -> Self {
        Self { wait: Span::seconds(2), every: Span::seconds(120) }
    }
}

/// How a peer's message is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WarningFault {
    #[error("the promise that was shown is not for this network")]
    WrongNetwork,
    #[error("the promise that was shown is not from the issuer to the one who shows it")]
    WrongParties,
    #[error("the promise that was shown is not of the kind that can bounce")]
    WrongSeries,
    #[error("the promise that was shown was not signed by its issuer")]
    Signature,
}

/// What one provider knows of what its clients have promised others.
#[derive(Debug, Clone)]
pub struct Warnings {
    network: NetworkId,
    me: IdentityId,
    config: WarningConfig,
    issuers: BTreeMap<IdentityId, Issuer>,
    askers: BTreeMap<IdentityId, Allowance>,
}

#[derive(Debug, Clone)]
struct Issuer {
    asked_at: Time,
    /// Until when credit is held.
    held_until: Option<Time>,
    /// Asked and not answered.
    awaited: BTreeSet<IdentityId>,
    /// By series and serial.
    told: BTreeMap<(Series, u64), Amount>,
    /// What the ledger has settled of these series.
    settled: BTreeMap<Series, Settled>,
}

impl Warnings {
    pub fn new(network: NetworkId, me: IdentityId, config: WarningConfig) -> Self {
        Self { network, me, config, issuers: BTreeMap::new(), askers: BTreeMap::new() }
    }

    /// `issuer` has made us a promise. Whether it is time to ask others about it: then its credit is held from now on.
    pub fn is_to_be_asked(&mut self, now: Time, issuer: IdentityId) -> bool {
        let every = self.config.every;
        if self.issuers.get(&issuer).is_some_and(|known| now < known.asked_at + every) {
            return false;
        }
        let is_first = !self.issuers.contains_key(&issuer);
        if is_first && self.issuers.len() >= ISSUERS_MAX {
            let oldest = self.issuers.iter().min_by_key(|(id, known)| (known.asked_at, **id)).map(|(id, _)| *id);
            oldest.and_then(|id| self.issuers.remove(&id));
        }
        let known = self.issuers.entry(issuer).or_insert_with(|| Issuer::new(now));
        known.asked_at = now;
        // Who was asked before keeps its credit meanwhile, less what is known already.
        known.held_until = is_first.then_some(now + self.config.wait);
        known.awaited.clear();
        true
    }

    /// Asks `peer`, showing what the issuer has promised us. `None` where enough are asked.
    pub fn ask(&mut self, peer: IdentityId, shown: SignedPromise) -> Option<WarningMessage> {
        let issuer = shown.promise.series.payer;
        let known = self.issuers.get_mut(&issuer)?;
        if known.awaited.len() >= ASKED_MAX || peer == issuer || !known.awaited.insert(peer) {
            return None;
        }
        Some(WarningMessage::Ask { shown })
    }

    /// There is nobody to ask, or nobody more.
    pub fn stop_waiting(&mut self, issuer: IdentityId) {
        if let Some(known) = self.issuers.get_mut(&issuer) {
            known.lift_if_answered();
        }
    }

    /// `from` asks what we hold of an issuer, `held` newest first. `Ok(None)` where it asks too often.
    ///
    /// # Errors
    /// It may not ask, and is not answered.
    pub fn handle_ask(
        &mut self,
        now: Time,
        from: IdentityId,
        shown: &SignedPromise,
        held: impl Iterator<Item = SignedPromise>,
    ) -> Result<Option<WarningMessage>, WarningFault> {
        if self.askers.len() >= ASKERS_MAX && !self.askers.contains_key(&from) {
            return Ok(None);
        }
        let allowance = self.askers.entry(from).or_insert_with(|| Allowance::new(QUESTIONS_MAX, QUESTION_EVERY, now));
        if !allowance.take(now) {
            return Ok(None);
        }
        let issuer = shown.promise.series.payer;
        self.check(issuer, from, shown)?;
        // What it shows warns us as well, if the issuer is a client of ours.
        if let Some(known) = self.issuers.get_mut(&issuer) {
            known.note(&shown.promise);
        }
        let promises = held.filter(|held| held.promise.series.payee == self.me).take(PROMISES_MAX).collect();
        Ok(Some(WarningMessage::Told { issuer, promises }))
    }

    /// `from` answers. Nothing of a message counts in which anything is wrong; what was not asked for is passed over.
    pub fn handle_told(
        &mut self,
        from: IdentityId,
        issuer: IdentityId,
        promises: &[SignedPromise],
    ) -> Result<(), WarningFault> {
        let was_asked = self.issuers.get_mut(&issuer).is_some_and(|known| known.awaited.remove(&from));
        if !was_asked {
            return Ok(());
        }
        let checked = promises.iter().try_for_each(|promise| self.check(issuer, from, promise));
        let known = self.issuers.get_mut(&issuer).expect("it was there a moment ago");
        known.lift_if_answered();
        checked?;
        promises.iter().for_each(|promise| known.note(&promise.promise));
        Ok(())
    }

    /// The ledger stands at `settled` for one of the series in [`series`](Self::series).
    pub fn note_settled(&mut self, series: Series, settled: Settled) {
        if let Some(known) = self.issuers.get_mut(&series.payer)
            && known.told.keys().any(|(told, _)| *told == series)
        {
            let last = known.settled.entry(series).or_default();
            if (settled.serial, settled.amount) > (last.serial, last.amount) {
                *last = settled;
            }
            known.forget_settled();
        }
    }

    /// The series of an issuer's promises to others of which something may be unsettled.
    pub fn series(&self, issuer: IdentityId) -> BTreeSet<Series> {
        self.issuers.get(&issuer).into_iter().flat_map(|known| known.told.keys().map(|(series, _)| *series)).collect()
    }

    /// What an issuer has promised others and the ledger has not settled, as far as they told.
    pub fn elsewhere(&self, issuer: IdentityId) -> Amount {
        let Some(known) = self.issuers.get(&issuer) else { return Amount::ZERO };
        Amount::checked_sum(known.told.iter().map(|(key, amount)| known.open(key, *amount))).unwrap_or(Amount::MAX)
    }

    /// Whether others were ever asked about an issuer.
    pub fn knows(&self, issuer: IdentityId) -> bool {
        self.issuers.contains_key(&issuer)
    }

    /// Until when an issuer's credit is held to a first window.
    pub fn held_until(&self, now: Time, issuer: IdentityId) -> Option<Time> {
        self.issuers.get(&issuer)?.held_until.filter(|until| now < *until)
    }

    fn check(&self, issuer: IdentityId, payee: IdentityId, shown: &SignedPromise) -> Result<(), WarningFault> {
        let Promise { network, series, .. } = shown.promise;
        if network != self.network {
            return Err(WarningFault::WrongNetwork);
        }
        if (series.payer, series.payee) != (issuer, payee) || issuer == self.me || payee == self.me || issuer == payee {
            return Err(WarningFault::WrongParties);
        }
        if (series.asset, series.backing) != (AssetId::WAY, Backing::Account) {
            return Err(WarningFault::WrongSeries);
        }
        shown.verify().map_err(|_| WarningFault::Signature)
    }
}

impl Issuer {
    fn new(now: Time) -> Self {
        Self {
            asked_at: now,
            held_until: None,
            awaited: BTreeSet::new(),
            told: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }

    /// Within a serial the highest amount counts.
    fn note(&mut self, promise: &Promise) {
        let key = (promise.series, promise.serial);
        if self.told.len() < TOLD_MAX || self.told.contains_key(&key) {
            let last = self.told.entry(key).or_default();
            *last = promise.amount.max(*last);
        }
    }

    fn lift_if_answered(&mut self) {
        if self.awaited.is_empty() {
            self.held_until = None;
        }
    }

    /// What of a promise the ledger has not paid, as far as is known.
    fn open(&self, (series, serial): &(Series, u64), amount: Amount) -> Amount {
        let settled = self.settled.get(series).copied().unwrap_or_default();
        match serial.cmp(&settled.serial) {
            std::cmp::Ordering::Less => Amount::ZERO,
            std::cmp::Ordering::Equal => amount.saturating_sub(settled.amount),
            std::cmp::Ordering::Greater => amount,
        }
    }

    fn forget_settled(&mut self) {
        let told = std::mem::take(&mut self.told);
        self.told = told.into_iter().filter(|(key, amount)| !self.open(key, *amount).is_zero()).collect();
        self.settled.retain(|series, _| self.told.keys().any(|(told, _)| told == series));
    }
}

#[cfg(test)]
mod tests;
