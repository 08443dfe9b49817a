//! Registered identities and their pledges (row I2).

use byway_records::call::RegistryCall;
use byway_records::state::{Registration, registration_key};
use byway_records::{ProgramId, Reject, VerifiedTransaction};

use super::{Moment, authorised, paid_in};
use crate::state::View;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &RegistryCall,
) -> Result<(), Reject> {
    let RegistryCall::Register { key } = call;
    let id = key.id();
    authorised(transaction, id)?;
    let entry = registration_key(id);
    if view.load::<Registration>(ProgramId::REGISTRY, &entry).is_some() {
        return Err(Reject::AlreadyRegistered);
    }
    let pledge = paid_in(transaction).amount;
    if pledge != now.parameters.registration_pledge {
        return Err(Reject::PledgeMismatch);
    }
    view.store(ProgramId::REGISTRY, entry, &Registration { key: *key, pledge, since: now.time });
    Ok(())
}
