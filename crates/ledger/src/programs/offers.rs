//! The market's offers (row A1).
//!
//! - A *new* serial must be higher than any that the provider has used. The offer's own signature is authority enough:
//!   whoever pays for it may publish it.
//! - A *published* serial may be published again with the same terms: that replaces the contacts and renews the life.
//!   The provider must have signed this very transaction, because an older record of the same serial stands on the
//!   ledger for anyone to copy, and would put old contacts back.
//! - A serial that was withdrawn or has expired is used up.
//!
//! Expired offers are removed as commits are executed, at most [`EXPIRED_PER_COMMIT_MAX`] each.

use byway_primitives::IdentityId;
use byway_records::call::OffersCall;
use byway_records::state::{PublishedOffer, offer_key, offer_serial_key};
use byway_records::{ProgramId, Reject, SignedOffer, VerifiedTransaction};

use super::{Moment, authorised, registered};
use crate::state::{Expiring, Programs, View};

/// Offers removed per commit because their time is over: bounds the work of a commit; the rest go with the next ones.
pub const EXPIRED_PER_COMMIT_MAX: usize = 256;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &OffersCall,
) -> Result<(), Reject> {
    match call {
        OffersCall::Publish { offer } => publish(view, now, transaction, offer),
        OffersCall::Withdraw { provider, serial } => withdraw(view, transaction, *provider, *serial),
    }
}

/// Removes offers whose time is over.
pub(crate) fn expire(programs: &mut Programs, now: Moment<'_>) {
    let remove = |view: &mut View<'_>, key| view.remove(ProgramId::OFFERS, key);
    super::expire(programs, now, (Expiring::Offer, EXPIRED_PER_COMMIT_MAX), remove);
}

fn publish(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    signed: &SignedOffer,
) -> Result<(), Reject> {
    let offer = &signed.offer;
    let (provider, serial) = (offer.provider, offer.serial);
    registered(view, provider)?;
    let (entry, highest_entry) = (offer_key(provider, serial), offer_serial_key(provider));
    match view.load::<PublishedOffer>(ProgramId::OFFERS, &entry) {
        Some(published) => {
            if published.offer.offer.terms() != offer.terms() {
                return Err(Reject::OfferTermsChanged);
            }
            authorised(transaction, provider)?;
        }
        None => {
            let highest: Option<u64> = view.load(ProgramId::OFFERS, &highest_entry);
            if highest.is_some_and(|highest| serial <= highest) {
                return Err(Reject::OfferSerialOld);
            }
            view.store(ProgramId::OFFERS, highest_entry, &serial);
        }
    }
    let expires = now.after(now.parameters.offer_life);
    view.store(ProgramId::OFFERS, entry, &PublishedOffer { offer: signed.clone(), published: now.time, expires });
    Ok(())
}

fn withdraw(
    view: &mut View<'_>,
    transaction: &VerifiedTransaction,
    provider: IdentityId,
    serial: u64,
) -> Result<(), Reject> {
    authorised(transaction, provider)?;
    let entry = offer_key(provider, serial);
    if view.load::<PublishedOffer>(ProgramId::OFFERS, &entry).is_none() {
        return Err(Reject::OfferUnknown);
    }
    view.remove(ProgramId::OFFERS, entry);
    Ok(())
}
