//! kernel
pub mod archive;
pub mod catch_up;
pub mod commit;
pub mod committee;
pub mod config;
pub mod follower;
pub mod graph;
pub mod leader;
pub mod machine;
pub mod message;
pub mod news;
pub mod overlay;
pub mod pace;
pub mod pool;
pub mod snapshot;
pub mod verified;
pub mod votes;
pub mod waiting;

#[cfg(test)]
mod drawn;

pub use committee::{Committee, MemberBits, MemberIndex};
pub use config::Config;
pub use machine::{CommitSummary, Kernel, Status};
pub use message::{Message, SyncMessage};
pub use news::{Committed, Equivocation, Fatal, KernelEffect, News, OpenError, SubmitError};
pub use snapshot::{Header, Reference, SnapshotForm, Vote};
pub use verified::{SnapshotError, VerifiedSnapshot};
