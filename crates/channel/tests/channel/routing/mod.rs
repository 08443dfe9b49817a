//! Payments over several channels, on the real machines and the real ledger.

mod bounds;
mod circles;
mod contract;
mod faults;
mod formats;
mod guards;
mod net;
mod old;
mod parts;
mod payments;
mod random;
mod shapes;
mod thefts;
