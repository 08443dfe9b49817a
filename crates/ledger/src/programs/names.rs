//! Names: taken, kept, given away, given up.
//!
//! What a name is, why it is committed to before it is revealed and when it is settled stands in [`byway_records::names`].
//! Here:
//!
//! - *Committing* is for registered identities, [`COMMITMENTS_MAX`] at a time each, and is paid for. So nobody fills the table
//!   with commitments, or has one ready for every name that somebody else could want.
//! - *Registering* takes a name that is free, or from one who took it by a later commitment and is not settled; who gives way gets
//!   the price back into its account, out of the pool that it was paid into. The commitment is used up.
//! - What an owner does with a name needs it to be settled and not expired; *releasing* it and, in the grace time, *renewing* it
//!   don't. A renewal adds to the time that is left, or to the end of the time that is over: grace is no gift.
//! - A name that is gone, or another's, takes its mark as a primary name along.
//!
//! What is removed when its time is over, at most [`EXPIRED_PER_COMMIT_MAX`] of each kind a commit, could not be used before that either.

use byway_primitives::{Hash, IdentityId, Span};
use byway_records::call::NamesCall;
use byway_records::genesis::Wait;
use byway_records::names::{
    COMMITMENTS_MAX, Claim, Commitment, Name, NameEntry, NameKey, Years, commitment, commitment_key, commitments_key,
    name_key, price, primary_key,
};
use byway_records::state::Deadline;
use byway_records::{ProgramId, Reject, Value, VerifiedTransaction};

use super::accounts::credit;
use super::system::refund_from_pool;
use super::{Moment, authorised, registered};
use crate::state::{Expiring, Programs, View};

const NAMES: ProgramId = ProgramId::NAMES;

/// Entries of a kind removed per commit because their time is over: bounds the work of a commit; the rest go with the next ones.
pub const EXPIRED_PER_COMMIT_MAX: usize = 128;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &NamesCall,
) -> Result<(), Reject> {
    match call {
        NamesCall::Commit { identity, commitment } => {
            authorised(transaction, *identity)?;
            commit(view, now, *identity, *commitment)
        }
        NamesCall::Register { owner, name, years, salt } => {
            authorised(transaction, *owner)?;
            register(view, now, (*owner, name, *years), commitment(*owner, name, salt))
        }
        NamesCall::Renew { name, years } => renew(view, now, transaction, name, *years),
        NamesCall::Transfer { name, to } => transfer(view, now, transaction, name, *to),
        NamesCall::Release { name } => {
            let entry = taken(view, now, name)?;
            authorised(transaction, entry.owner)?;
            remove(view, &entry);
            Ok(())
        }
        NamesCall::SetPrimary { identity, name } => {
            authorised(transaction, *identity)?;
            set_primary(view, now, *identity, name.as_ref())
        }
    }
}

/// Removes names that anyone can take, and commitments that can't be revealed any more.
pub(crate) fn expire(programs: &mut Programs, now: Moment<'_>) {
    super::expire(programs, now, (Expiring::Name, EXPIRED_PER_COMMIT_MAX), |view, key| {
        let entry: NameEntry = view.load(NAMES, &key).expect("what expires is there");
        remove(view, &entry);
    });
    let remove_commitment = |view: &mut View<'_>, key| view.remove(NAMES, key);
    super::expire(programs, now, (Expiring::Commitment, EXPIRED_PER_COMMIT_MAX), remove_commitment);
}

fn commit(view: &mut View<'_>, now: Moment<'_>, identity: IdentityId, hash: Hash) -> Result<(), Reject> {
    registered(view, identity)?;
    let place = (0..COMMITMENTS_MAX).find(|place| open_commitment(view, now, identity, *place).is_none());
    let place = place.ok_or(Reject::NameCommitments)?;
    let number: u64 = view.load(NAMES, &commitments_key()).unwrap_or_default();
    let ends = now.after(now.parameters.name_reveal);
    view.store(NAMES, commitments_key(), &(number + 1));
    view.store(NAMES, commitment_key(identity, place), &Commitment { hash, number, covered: now.height, ends });
    Ok(())
}

fn register(
    view: &mut View<'_>,
    now: Moment<'_>,
    (owner, name, years): (IdentityId, &Name, Years),
    hash: Hash,
) -> Result<(), Reject> {
    let open = (0..COMMITMENTS_MAX).filter_map(|place| Some((place, open_commitment(view, now, owner, place)?)));
    let oldest = open.filter(|(_, open)| open.hash == hash).min_by_key(|(_, open)| open.number);
    let (place, commitment) = oldest.ok_or(Reject::NameCommitment)?;
    if now.height <= commitment.covered {
        return Err(Reject::NameEarly);
    }
    if let Some(before) = view.load::<NameEntry>(NAMES, &name_key(name.key())) {
        give_way(view, now, &before, commitment)?;
    }
    let paid = price(&now.parameters.call_prices.name_year, name, years);
    let claim = Claim { number: commitment.number, settles: commitment.ends, paid };
    let expires = later(now.after(Wait { millis: Span::ZERO, commits: 0 }), now, years);
    view.remove(NAMES, commitment_key(owner, place));
    put(view, now, NameEntry { name: name.clone(), owner, expires, free: expires, claim: Some(claim) });
    Ok(())
}

/// Takes a name from whoever has it, if it is free or that took it by a later commitment.
fn give_way(view: &mut View<'_>, now: Moment<'_>, before: &NameEntry, by: Commitment) -> Result<(), Reject> {
    if !now.passed(before.free) {
        let is_settled = before.is_settled(now.clock());
        let claim = before.claim.filter(|claim| !is_settled && by.number < claim.number).ok_or(Reject::NameTaken)?;
        refund_from_pool(view, claim.paid);
        credit(view, before.owner, Value { asset: byway_primitives::AssetId::WAY, amount: claim.paid });
    }
    remove(view, before);
    Ok(())
}

fn renew(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    name: &Name,
    years: Years,
) -> Result<(), Reject> {
    let entry = taken(view, now, name)?;
    if !entry.is_settled(now.clock()) {
        return Err(Reject::NameContested);
    }
    if now.passed(entry.expires) && !transaction.is_authorised_by(entry.owner) {
        return Err(Reject::NameExpired);
    }
    let expires = later(entry.expires, now, years);
    put(view, now, NameEntry { expires, claim: None, ..entry });
    Ok(())
}

fn transfer(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    name: &Name,
    to: IdentityId,
) -> Result<(), Reject> {
    let entry = in_use(view, now, name)?;
    authorised(transaction, entry.owner)?;
    registered(view, to)?;
    remove(view, &entry);
    put(view, now, NameEntry { owner: to, claim: None, ..entry });
    Ok(())
}

fn set_primary(view: &mut View<'_>, now: Moment<'_>, identity: IdentityId, name: Option<&Name>) -> Result<(), Reject> {
    let Some(name) = name else {
        view.remove(NAMES, primary_key(identity));
        return Ok(());
    };
    let entry = in_use(view, now, name)?;
    if entry.owner != identity {
        return Err(Reject::NotAuthorised);
    }
    view.store(NAMES, primary_key(identity), &name.key());
    Ok(())
}

/// A name that somebody has, in use or in the grace time; not one that only looks like it.
fn taken(view: &View<'_>, now: Moment<'_>, name: &Name) -> Result<NameEntry, Reject> {
    let entry: Option<NameEntry> = view.load(NAMES, &name_key(name.key()));
    entry.filter(|entry| entry.name == *name && !now.passed(entry.free)).ok_or(Reject::NameUnknown)
}

/// A name that leads to its owner.
fn in_use(view: &View<'_>, now: Moment<'_>, name: &Name) -> Result<NameEntry, Reject> {
    let entry = taken(view, now, name)?;
    if now.passed(entry.expires) {
        return Err(Reject::NameExpired);
    }
    if entry.is_settled(now.clock()) { Ok(entry) } else { Err(Reject::NameContested) }
}

/// What the identity has open in one of its places.
fn open_commitment(view: &View<'_>, now: Moment<'_>, identity: IdentityId, place: u8) -> Option<Commitment> {
    let commitment: Option<Commitment> = view.load(NAMES, &commitment_key(identity, place));
    commitment.filter(|commitment| !now.passed(commitment.ends))
}

/// So many years after a deadline.
fn later(from: Deadline, now: Moment<'_>, years: Years) -> Deadline {
    let (year, count) = (now.parameters.name_year, u64::from(years.count()));
    let millis = Span(year.millis.0.saturating_mul(count));
    Deadline { time: from.time + millis, commits: from.commits.saturating_add(year.commits.saturating_mul(count)) }
}

/// Writes a name's entry; anyone can take it a grace time after it has expired.
fn put(view: &mut View<'_>, now: Moment<'_>, entry: NameEntry) {
    let (expires, grace) = (entry.expires, now.parameters.name_grace);
    let commits = expires.commits.saturating_add(grace.commits);
    let free = Deadline { time: expires.time + grace.millis, commits };
    view.store(NAMES, name_key(entry.name.key()), &NameEntry { free, ..entry });
}

/// Removes a name, and the mark of its owner's that it is primary.
fn remove(view: &mut View<'_>, entry: &NameEntry) {
    let key = entry.name.key();
    view.remove(NAMES, name_key(key));
    if view.load::<NameKey>(NAMES, &primary_key(entry.owner)) == Some(key) {
        view.remove(NAMES, primary_key(entry.owner));
    }
}
