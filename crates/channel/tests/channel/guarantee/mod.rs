//! Virtual channels, on the real machines and the real ledger.

mod adversaries;
mod bounds;
mod contract;
mod crashes;
mod disputes;
mod done;
mod formats;
mod hidden;
mod lost;
mod net;
mod old;
mod whole;

use byway_channel::{Change, ContractCall};
use byway_primitives::Amount;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Target};

use crate::scene::{COUNTER, CREATE, GAS};

/// Puts a counter into a channel; gives its address.
pub fn create_counter(net: &mut net::Net, by: usize, id: ChannelId) -> Address {
    let (caller, input) = (net.machine(by, id).side(), [&CREATE[..], &COUNTER].concat());
    let (value, evidence) = (Amount::ZERO, Vec::new());
    net.propose(
        by,
        id,
        Change::Call(ContractCall { caller, target: Target::Create, value, input, gas: GAS, evidence }),
    );
    net.machine(by, id).state().receipt().expect("it was the last call").contract
}
