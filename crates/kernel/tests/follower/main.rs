//! Followers from outside: a real ledger, real signatures of seven members, and kernel nodes that lie.

mod clients;
mod directory;
mod follows;
mod history;
mod liars;
mod lies;
mod light;
mod light_liars;
mod net;
mod wire;
