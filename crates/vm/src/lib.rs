//! The Ethereum virtual machine over a provable state (rows C1, C2).
//!
//! Two peers of a channel run contracts between them, off the ledger; where they don't agree any more, the ledger runs one
//! call in their place. Both must come to the same result, though the ledger knows nothing of the contracts but a digest.
//!
//! - A [`State`] is what the peers keep: [`Account`]s, of which some are contracts with code and storage, and the
//!   [`Receipt`] of the last call. It has one root.
//! - A [`Call`] in an [`Environment`] changes it. The environment is named beside the call: in what both peers sign, or by
//!   whoever has the ledger execute it. So the result does not depend on when anyone does.
//! - A [`Witness`] is the part of a state that one call touches, with proofs under the root: some kilobytes for a contract
//!   with a gigabyte of storage. [`Witness::execute`] gives the same outcome and the same new root as the whole state
//!   does; what it lacks is an error ([`Missing`]) and never a wrong result.
//!
//! - A contract may leave its state: it is then [`Alone`], under the same address, with what it has and has stored.
//!
//! - What a channel has of other assets than the network's own coin is in [purses](purse_of): contracts of its first state
//!   ([`State::opening`]), which nothing creates.
//!
//! **What runs.** `revm` with the rules of Ethereum's Cancun upgrade. What a contract sees that is not as on Ethereum:
//!
//! | instruction | gives |
//! | --- | --- |
//! | `TIMESTAMP`, `NUMBER` | time in seconds and height of the environment |
//! | `CHAINID` | a number made of the network's id |
//! | `COINBASE`, `PREVRANDAO`, `BLOCKHASH`, `BASEFEE`, `GASPRICE`, `BLOBBASEFEE` (but for its least, 1) | zero: nothing here is random or paid for in gas |
//!
//! Precompiled contracts are those at addresses 1 to 4: recovery of a signer, SHA-256, RIPEMD-160, the identity; and one of our own at 0xb1,
//! which says what became of a virtual channel where the call brings evidence of that. Under Ethereum's
//! others (powers of large numbers, curves, BLAKE2, KZG proofs) there is nothing: their gas was set for implementations
//! that are many times faster than those which need no C.
//!
//! **Alike everywhere.** Kernel nodes must come to one result, however they were built: the profile for development leaves
//! out of this crate, and of the libraries that it brings, the checks that releases don't have. So nothing generic is public here.
//!
//! **Not here.** Who may call, what a call costs, and what becomes of balances afterwards: that is the ledger's program
//! and the channel's protocol.

mod account;
mod alone;
mod call;
mod execute;
mod precompiled;
mod purse;
mod state;
mod whole;
mod witness;

pub use account::{Account, Address, Contract, Receipt, account_key, code_hash, receipt_key};
pub use alone::{Alone, AloneAfter, AloneCall, WholeAlone};
pub use call::{Call, Environment, Outcome, Target, chain_id};
pub use execute::{ExecuteError, Execution, Missing};
pub use purse::{purse_code, purse_of};
pub use state::{CODE_BYTES_PER_ENTRY, State};
pub use witness::{Forced, PURSES_BYTES_MAX, WITNESS_BYTES_MAX, Witness, WitnessError};

#[cfg(test)]
mod tests {
    #[test]
    fn builds_for_development_have_no_checks_that_those_for_release_lack() {
        const { assert!(!cfg!(debug_assertions)) };
        let sum = std::panic::catch_unwind(|| std::hint::black_box(u8::MAX) + std::hint::black_box(1));
        assert_eq!(sum.ok(), Some(0));
    }
}
