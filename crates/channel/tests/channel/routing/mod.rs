//! Payments over several channels, on the real machines and the real ledger.

mod contract;
mod faults;
mod formats;
mod net;
mod payments;
mod random;
mod thefts;
