//! Our own account, and what of it nets with several peers would take at the same time.

use std::collections::BTreeMap;

use byway_primitives::{Amount, IdentityId};

/// What our account holds, as far as the shell has said, and what of it is spoken for.
#[derive(Debug, Default)]
pub(super) struct OwnAccount {
    balance: Amount,
    /// What the net that is under way with each peer would take, where it takes something.
    set_aside: BTreeMap<IdentityId, Amount>,
}

impl OwnAccount {
    pub fn set_balance(&mut self, balance: Amount) {
        self.balance = balance;
    }

    /// What a net with `peer` may take: each alone could be paid, so it counts what those with all others take.
    pub fn left_for(&self, peer: IdentityId) -> Amount {
        let others = self.set_aside.iter().filter(|(other, _)| **other != peer).map(|(_, amount)| *amount);
        self.balance.saturating_sub(Amount::checked_sum(others).unwrap_or(Amount::MAX))
    }

    /// Of what is in it the net with `peer` would take this much.
    pub fn set_aside(&mut self, peer: IdentityId, amount: Amount) {
        match amount.is_zero() {
            true => self.set_aside.remove(&peer),
            false => self.set_aside.insert(peer, amount),
        };
    }
}
