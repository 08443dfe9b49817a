//! The programs of the ledger, a module each: typed calls on typed entries.
//!
//! A call is a function of `(view, moment, call)`. It checks everything that it depends on and only then writes, so
//! every `Err` leaves the state as it was; the one exception is the record of a bounce, see [`accounts::settle`].
//!
//! **Replays.** A transaction has one verdict for good, and most calls need the holder's signature over that very
//! transaction ([`Authorise`](byway_crypto::Purpose::Authorise)), so they can't be had twice. Some calls carry a signed
//! record instead that anyone can wrap into a new transaction, and guard themselves: a settlement by serial and amount
//! ([`accounts::settle`]), a publication by serial ([`offers`]), what two parties of a channel signed by its round, or
//! because the channel is gone after it ([`channels`]). Who holds for whom is replaced as a whole, by serial ([`holders`]).

use byway_primitives::{Amount, IdentityId, NetworkId, Time};
use byway_records::call::{AssetsCall, KernelCall, NamesCall, OffersCall};
use byway_records::genesis::{CallPrices, Wait};
use byway_records::state::{Deadline, LedgerClock, Registration, registration_key};
use byway_records::{Call, Height, Parameters, ProgramId, Reject, VerifiedTransaction, names as naming};

use crate::state::{Expiring, Programs, View};

pub mod accounts;
pub mod assets;
pub mod channels;
pub mod holders;
pub mod kernel_nodes;
pub mod names;
pub mod offers;
pub mod registry;
pub mod system;

/// Where and when a call is executed.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub time: Time,
    pub commit: u64,
    /// Of the next checkpoint.
    pub height: Height,
    pub network: NetworkId,
    pub parameters: &'a Parameters,
    /// The fewest kernel nodes that may count.
    pub members_min: usize,
    /// What forced calls before have taken of this commit's gas.
    pub forced_gas: u64,
}

impl Moment<'_> {
    /// The deadline a `wait` from now.
    fn after(&self, wait: Wait) -> Deadline {
        Deadline { time: self.time + wait.millis, commits: self.commit.saturating_add(wait.commits) }
    }

    fn passed(&self, deadline: Deadline) -> bool {
        deadline.passed(self.time, self.commit)
    }

    fn clock(&self) -> LedgerClock {
        LedgerClock { time: self.time, commits: self.commit }
    }
}

/// What a call costs.
pub(crate) fn price(prices: &CallPrices, call: &Call) -> Amount {
    match call {
        Call::Offers(OffersCall::Publish { .. }) => prices.offer_publish,
        Call::Assets(AssetsCall::Register { .. }) => prices.asset_register,
        Call::Channels(call) => channels::price(prices, call),
        Call::Holders(_) => prices.holders_set,
        Call::Names(NamesCall::Commit { .. }) => prices.name_commit,
        Call::Names(NamesCall::Register { name, years, .. } | NamesCall::Renew { name, years }) => {
            naming::price(&prices.name_year, name, *years)
        }
        // Nodes have no coins, and do these for everyone's sake.
        Call::Kernel(KernelCall::Ready { .. } | KernelCall::Accuse { .. } | KernelCall::Contribute { .. }) => {
            Amount::ZERO
        }
        Call::Registry(_)
        | Call::Offers(_)
        | Call::Accounts(_)
        | Call::Assets(_)
        | Call::Kernel(_)
        | Call::Names(_) => prices.other,
    }
}

/// Executes the call of a transaction on `view`.
pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &Call,
) -> Result<(), Reject> {
    match call {
        Call::Registry(call) => registry::execute(view, now, transaction, call),
        Call::Offers(call) => offers::execute(view, now, transaction, call),
        Call::Accounts(call) => accounts::execute(view, now, transaction, call),
        Call::Assets(call) => assets::execute(view, transaction, call),
        Call::Kernel(call) => kernel_nodes::execute(view, now, transaction, call),
        Call::Channels(call) => channels::execute(view, now, transaction, call),
        Call::Holders(call) => holders::execute(view, now, transaction, call),
        Call::Names(call) => names::execute(view, now, transaction, call),
    }
}

/// Refuses a transaction that `identity` did not sign.
fn authorised(transaction: &VerifiedTransaction, identity: IdentityId) -> Result<(), Reject> {
    if transaction.is_authorised_by(identity) { Ok(()) } else { Err(Reject::NotAuthorised) }
}

/// Refuses an identity that is not registered.
fn registered(view: &View<'_>, identity: IdentityId) -> Result<(), Reject> {
    let registration: Option<Registration> = view.load(ProgramId::REGISTRY, &registration_key(identity));
    registration.map(drop).ok_or(Reject::NotRegistered)
}

/// Removes entries whose time is over, at most `limit` of them, by what is to be done about each.
fn expire(
    programs: &mut Programs,
    now: Moment<'_>,
    (kind, limit): (Expiring, usize),
    remove: impl Fn(&mut View<'_>, Vec<u8>),
) {
    let expired = programs.expired(kind, now.time, now.commit, limit);
    if expired.is_empty() {
        return;
    }
    let mut view = programs.view();
    expired.into_iter().for_each(|key| remove(&mut view, key));
    let writes = view.into_writes();
    programs.apply(writes);
}

/// The value that the call pays in. Only for calls whose form says that there is one.
fn paid_in(transaction: &VerifiedTransaction) -> byway_records::Value {
    let envelope = transaction.transaction().body.call.as_ref();
    envelope.and_then(|call| call.pays).expect("a verified call of this kind pays in")
}

/// The value that the call draws. Only for calls whose form says that there is one.
fn drawn(transaction: &VerifiedTransaction) -> byway_records::Value {
    let envelope = transaction.transaction().body.call.as_ref();
    envelope.and_then(|call| call.draws).expect("a verified call of this kind draws")
}
