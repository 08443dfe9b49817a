//! What the ledger itself keeps: the pool and the kernel nodes' pledges (rows K4, K10).
//!
//! Nobody calls this program. Fees of transactions and of settlements go into the pool; paying out of it, marking nodes
//! and moving pledges come with the programs that decide about them.

use byway_primitives::Amount;
use byway_records::state::{kernel_pledge_key, pool_key};
use byway_records::{Genesis, ProgramId};

use crate::state::View;

/// Puts an amount of WAY into the pool.
pub(crate) fn pay_pool(view: &mut View<'_>, amount: Amount) {
    if amount.is_zero() {
        return;
    }
    let pool: Amount = view.load(ProgramId::SYSTEM, &pool_key()).unwrap_or_default();
    let pool = pool.checked_add(amount).expect("the pool holds part of a supply that fits");
    view.store(ProgramId::SYSTEM, pool_key(), &pool);
}

/// The entries that a network starts with.
pub(crate) fn found(view: &mut View<'_>, genesis: &Genesis) {
    view.store(ProgramId::SYSTEM, pool_key(), &genesis.pool);
    for (index, _) in genesis.members.iter() {
        view.store(ProgramId::SYSTEM, kernel_pledge_key(index), &genesis.parameters.kernel_pledge);
    }
}
