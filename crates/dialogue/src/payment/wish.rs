//! Settlements that were asked for while something stood against them: another one under way, an advice without an answer,
//! or an agreement with the peer ([`netting`](super::netting)).
//!
//! What is under way may settle less than what was asked for: the promise was raised since, or there are later ones. So a
//! wish is kept until the ledger has settled all up to the promise that there was. It is given up where the ledger turns
//! the series down: what follows then stands in [`settlement`](super::settlement). A crash forgets it, as it forgets whoever
//! asked.

use byway_primitives::Time;
use byway_records::call::Take;
use byway_records::{Backing, SignedPromise};

use super::outbox::Outbox;
use super::payee::{Payee, position_of};

/// That something is to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// This promise, and those of lower serials.
    pub up_to: SignedPromise,
    pub take: Take,
}

impl Payee {
    /// Keeps in mind to settle all up to a promise.
    pub(super) fn wish(&mut self, up_to: SignedPromise, take: Take) {
        let backing = up_to.promise.series.backing;
        let is_more = |wish: &Wish| position_of(&wish.up_to) > position_of(&up_to);
        if !self.wishes.get(&backing).is_some_and(is_more) {
            self.wishes.insert(backing, Wish { up_to, take });
        }
    }

    /// Goes on with what was asked for, as far as nothing stands against it any more.
    pub(super) fn settle_wished(&mut self, now: Time, out: &mut Outbox) {
        let record = &self.record;
        self.wishes.retain(|backing, wish| {
            record.series.get(backing).is_some_and(|taken| !taken.open_amount(&wish.up_to).is_zero())
        });
        let wishes: Vec<(Backing, Take)> = self.wishes.iter().map(|(backing, wish)| (*backing, wish.take)).collect();
        for (backing, take) in wishes {
            // What is under way still is waited for.
            let _ = self.settle(now, backing, self.reach(), take, out);
        }
    }
}
