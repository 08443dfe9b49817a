//! Good calls and entries of names and holders.

use byway_primitives::Encode;
use byway_records::Call;

use super::{Samples, call_bodies, one, records};

pub(crate) fn holders_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Holders(_)))
}

pub(crate) fn names_call() -> Samples {
    call_bodies(|call| matches!(call, Call::Names(_)))
}

pub(crate) fn delegates() -> Samples {
    one(records::delegates_entry())
}

pub(crate) fn name_entry() -> Samples {
    let settled = byway_records::NameEntry { claim: None, ..records::name_entry() };
    vec![records::name_entry().to_bytes(), settled.to_bytes()]
}

pub(crate) fn name_commitment() -> Samples {
    one(records::name_commitment())
}
