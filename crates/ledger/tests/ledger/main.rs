//! The ledger from outside: real keys, real signatures, a store in memory.

mod appeals;
mod assets;
mod channels;
mod checkpoints;
mod conservation;
mod costs;
mod dealing;
mod evidence;
mod follow;
mod followers;
mod full;
mod holders;
mod members;
mod names;
mod offers;
mod outputs;
mod pairs;
mod rejects;
mod reopen;
mod settlement;
mod tree;
mod upgrades;
mod world;
