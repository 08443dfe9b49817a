//! Who holds for whom while its node is away (row M6).
//!
//! One call replaces an identity's list of delegates; an empty list removes it. It is for the identity alone, which signs
//! the transaction, and need not be registered; every delegate is, so that a sender finds its offer. The serial must be
//! higher than any before it and is kept when the list is gone, so that no older call that is still on its way comes after.
//!
//! An entry lives for a fixed time, whatever the delegates' times are, which lie within it: so the table holds who said
//! so lately. Entries whose time is over are removed as commits are executed, at most [`EXPIRED_PER_COMMIT_MAX`] each.

use byway_primitives::IdentityId;
use byway_records::call::HoldersCall;
use byway_records::holders::{delegates_key, holders_serial_key};
use byway_records::{Delegate, Delegates, ProgramId, Reject, VerifiedTransaction};

use super::{Moment, authorised, registered};
use crate::state::{Expiring, Programs, View};

/// Entries removed per commit because their time is over: bounds the work of a commit; the rest go with the next ones.
pub const EXPIRED_PER_COMMIT_MAX: usize = 256;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &HoldersCall,
) -> Result<(), Reject> {
    let HoldersCall::Set { identity, serial, delegates } = call;
    authorised(transaction, *identity)?;
    set(view, now, *identity, *serial, delegates)
}

/// Removes entries whose time is over.
pub(crate) fn expire(programs: &mut Programs, now: Moment<'_>) {
    let remove = |view: &mut View<'_>, key| view.remove(ProgramId::HOLDERS, key);
    super::expire(programs, now, (Expiring::Delegates, EXPIRED_PER_COMMIT_MAX), remove);
}

fn set(
    view: &mut View<'_>,
    now: Moment<'_>,
    identity: IdentityId,
    serial: u64,
    delegates: &[Delegate],
) -> Result<(), Reject> {
    let highest: Option<u64> = view.load(ProgramId::HOLDERS, &holders_serial_key(identity));
    if highest.is_some_and(|highest| serial <= highest) {
        return Err(Reject::HoldersSerial);
    }
    let expires = now.after(now.parameters.holders_life);
    for delegate in delegates {
        if delegate.until <= now.time || delegate.until > expires.time {
            return Err(Reject::HoldersTime);
        }
        registered(view, delegate.holder)?;
    }
    view.store(ProgramId::HOLDERS, holders_serial_key(identity), &serial);
    match Delegates::new(delegates.to_vec(), expires) {
        Ok(entry) => view.store(ProgramId::HOLDERS, delegates_key(identity), &entry),
        // The call's form allows no list but a good one or an empty one.
        Err(_) => view.remove(ProgramId::HOLDERS, delegates_key(identity)),
    }
    Ok(())
}
