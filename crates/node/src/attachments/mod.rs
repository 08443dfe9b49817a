//! Files of conversations, on this node's disk and over its links. They lie there as they travel, sealed; what opens them stands in
//! the messages. [`store`] keeps them within a bound, [`uploads`] seals what this node's user attaches, [`incoming`] is one that is
//! being fetched, [`carry`] gives and takes them over streams of links.
//!
//! Not here: who may have which ([`byway_chat::chats::Chats::file_for`]), and when one is fetched (`peer_node::chat`).

pub mod carry;
mod giving;
mod incoming;
mod speed;
mod store;
mod uploads;

pub use giving::{Given, Giving};
pub use incoming::Incoming;
pub use store::{FileError, FileStore};
pub use uploads::Uploaded;

/// Has something done with files where it holds up nobody.
///
/// # Errors
/// As `what`.
pub async fn on_disk<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    tokio::task::spawn_blocking(what).await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
}
