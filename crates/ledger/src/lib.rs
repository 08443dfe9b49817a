//! The deterministic state machine of Byway: what the kernel's commits do to money and to shared state.
//!
//! The kernel orders transactions into [`Commit`]s; [`Ledger::execute`] carries them out, one after the other, and says
//! of each whether it is final or rejected and why. The same commits give the same verdicts, the same batches and the
//! same checkpoints on every node.
//!
//! **Two kinds of state.** *Outputs* (rows K1, K2) are private money: each is spent once, they live in the store, and a
//! homomorphic hash stands for all of them. *Programs* keep shared state: registry (I2), offers (A1), payment accounts
//! (A3, A5), channels (C1, C3), assets (K1), and the ledger's own pool and pledges (K4, K10). Each has typed entries in a provable
//! [`StateTree`].
//!
//! **What becomes of a transaction.** Its form and signatures are good before it comes here. [`Verdict::Final`]: its
//! inputs are spent, its outputs made, its call executed, its id appended to the [`TransactionRange`].
//! [`Verdict::Rejected`]: nothing of that (the record of a bounced promise apart). Either is **for good**: the same
//! transaction gets no second verdict ([`Verdict::Repeated`]), so a wallet that was told "rejected" can safely pay
//! again. To try the same thing again one changes the transaction, if only its `expires`.
//!
//! **Checkpoints** end a commit after so many commits, once content has waited for the checkpoint delay, or once there is
//! so much of it that followers could not be given more at once ([`content`]). They digest everything, and with them come
//! the scan data for wallets and the changes for followers: [`ProgramDifference`]s from checkpoint to checkpoint,
//! [`TreePage`]s for who starts late ([`TreeCopy`]), and an [`EntryProof`] for who wants a single entry.
//!
//! **Disk.** One batch per commit holds all that changed (layout: [`stored`]). [`Ledger::open`] rebuilds the ledger from
//! it at exactly that commit and compares the digests of all that it holds in memory, so damage is found and named;
//! outputs, of which there may be many millions, are read when they are spent. [`audit()`] reads everything and
//! recomputes the supply from the store alone.
//!
//! **Not here.** Certificates and who signs them, ordering, signatures of transactions: kernel and records. Clocks and
//! randomness: nowhere.

mod execute;
mod follow;
mod judge;
mod kept;
mod open;
mod programs;
mod state;

pub mod audit;
pub mod content;
pub mod difference;
pub mod entry;
pub mod ledger;
pub mod page;
pub mod range;
pub mod stored;
pub mod supply;

pub use audit::{AuditError, audit};
pub use byway_records::tree::{self, FrozenTree, ProofError, StateProof, StateTree};
pub use difference::{Change, DifferenceError, ProgramChanges, ProgramDifference, ProgramRoot, StateChanges};
pub use entry::{EntryProof, EntryProofError, ProvableState, WayEnd};
pub use follow::{FollowError, Followed};
pub use kept::stored_transaction;
pub use ledger::{Coin, Commit, Executed, Ledger, NewCheckpoint, Verdict};
pub use open::LedgerDamaged;
pub use page::{CopyError, TreeCopy, TreePage};
pub use programs::channels::{CONTRACT_GAS_MAX, LOCK_MAX, LOCK_MIN, RESERVE_CALLS};
pub use range::{RangeProof, TransactionRange};
pub use stored::{stored_changes, stored_checkpoint, stored_scan};
pub use supply::{Holdings, Supply, Unbalanced};
