//! Calls that a node makes for everyone's sake: they cost nothing, and carry in themselves who signed them.

use byway_primitives::{Amount, NetworkId, Time};
use byway_records::call::KernelCall;
use byway_records::verified::verify;
use byway_records::{Body, Call, Transaction, VerifiedTransaction, Witness};

/// A transaction that does nothing but call. `None` if that is too large for one.
pub(super) fn free_call(network: NetworkId, call: KernelCall, expires: Time) -> Option<VerifiedTransaction> {
    let call = Call::Kernel(call).envelope(None, None);
    let body =
        Body { inputs: Vec::new(), outputs: Vec::new(), ghost: None, call: Some(call), fee: Amount::ZERO, expires };
    let witness = Witness { spends: Vec::new(), authorisations: Vec::new() };
    verify(network, Transaction { body, witness }).ok()
}
