//! Sockets between the node and programs of the same machine: Unix sockets, which the file system says who may use.
//!
//! Where a system has none, [`ProgramSocket`] is a type without values: connecting fails with
//! [`Unsupported`](std::io::ErrorKind::Unsupported), and what would be done with a connection is never reached.

#[cfg(not(unix))]
mod unsupported;

#[cfg(unix)]
pub use tokio::net::UnixStream as ProgramSocket;
#[cfg(unix)]
pub use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
#[cfg(not(unix))]
pub use unsupported::{OwnedReadHalf, OwnedWriteHalf, ProgramSocket};

/// Whether this system has them.
pub const IS_SUPPORTED: bool = cfg!(unix);
