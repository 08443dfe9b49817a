//! What the ledger itself keeps: the pool, the kernel nodes' pledges, and the epoch (rows K4, K10).
//!
//! Nobody calls this program. Fees of transactions and of settlements go into the pool; nothing comes out of it but what program `names`
//! gives back. Marking nodes and moving pledges come with the programs that decide about them.

use byway_primitives::Amount;
use byway_records::state::{Deadline, epoch_ends_key, epoch_key, epoch_next_key, pool_key};
use byway_records::{Epoch, Genesis, ProgramId};

use super::Moment;
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

/// Takes an amount of WAY out of the pool that was paid into it before.
pub(crate) fn refund_from_pool(view: &mut View<'_>, amount: Amount) {
    let pool: Amount = view.load(ProgramId::SYSTEM, &pool_key()).unwrap_or_default();
    let pool = pool.checked_sub(amount).expect("the pool holds what was paid into it");
    view.store(ProgramId::SYSTEM, pool_key(), &pool);
}

/// The entries that a network starts with.
pub(crate) fn found(view: &mut View<'_>, genesis: &Genesis) {
    view.store(ProgramId::SYSTEM, pool_key(), &genesis.pool);
    view.store(ProgramId::SYSTEM, epoch_key(), &genesis.epoch());
    let life = genesis.parameters.epoch_life;
    let ends = Deadline { time: genesis.time + life.millis, commits: life.commits };
    view.store(ProgramId::SYSTEM, epoch_ends_key(), &ends);
}

/// The epoch in force; `None` only where the state is damaged.
pub(crate) fn epoch(view: &View) -> Option<Epoch> {
    view.load(ProgramId::SYSTEM, &epoch_key())
}

/// The epoch that the next change would be part of: the one that is prepared, or else the one after the current.
pub(crate) fn epoch_prepared(view: &View<'_>) -> Epoch {
    let prepared = view.load(ProgramId::SYSTEM, &epoch_next_key());
    prepared.unwrap_or_else(|| {
        let current = epoch(view).expect("the genesis wrote one");
        Epoch { number: current.number + 1, ..current }
    })
}

/// Prepares changes to who the kernel nodes are, together with those that are prepared already. They take effect at the
/// next checkpoint.
pub(crate) fn change_epoch<T>(view: &mut View<'_>, change: impl FnOnce(&mut Epoch) -> T) -> T {
    let mut next = epoch_prepared(view);
    let outcome = change(&mut next);
    view.store(ProgramId::SYSTEM, epoch_next_key(), &next);
    outcome
}

/// Puts the prepared epoch in force; `None` where none is prepared and the one in force has lived for less than it may.
pub(crate) fn take_epoch_next(view: &mut View<'_>, now: Moment<'_>) -> Option<Epoch> {
    let ends: Deadline = view.load(ProgramId::SYSTEM, &epoch_ends_key()).expect("every epoch ends");
    let is_prepared = view.load::<Epoch>(ProgramId::SYSTEM, &epoch_next_key()).is_some();
    if !is_prepared && !now.passed(ends) {
        return None;
    }
    let next = epoch_prepared(view);
    view.remove(ProgramId::SYSTEM, epoch_next_key());
    view.store(ProgramId::SYSTEM, epoch_key(), &next);
    view.store(ProgramId::SYSTEM, epoch_ends_key(), &now.after(now.parameters.epoch_life));
    Some(next)
}
