//! Services that plug in: programs beside the node that it sells (row A11).
//!
//! **Problem.** Someone wants to sell a service of their own and knows nothing of promises, credit windows and dialogues, and
//! should not have to. The node on the other hand must not run foreign code inside itself, nor let it say how many bytes
//! were moved.
//!
//! **Idea.** The service is a program with a Unix socket. The node starts it ([`child`]) or finds it there, and talks to it in
//! lines of JSON ([`protocol`]): whether a client may have a session, when one begins and ends. Each stream of a client is
//! another connection to the same socket, which the node splices with the session's own meter and gate
//! ([`byway_driver::service`]), so that the program neither can bill nor has to count.
//!
//! **Algorithm.** [`program`] keeps one such program: start, connect, hello, then orders one way and words the other, until one
//! of them fails; then it waits a while and begins anew. Whoever decides about sessions hears of it as [`ProgramEvent`]s.
//!
//! What outsiders need to know of it is in `docs/guide/services.md` and `docs/formats/service.md`.

mod child;
mod group;
mod line;
mod program;
pub mod protocol;

use std::collections::BTreeMap;
use std::path::PathBuf;

use byway_primitives::Amount;
use byway_records::offer::Service;

pub(crate) use group::Group;
pub(crate) use line::{Lines, Long};
pub use program::{Program, ProgramEvent, Told, What};

/// A service that plugs in, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluggedSelling {
    /// As people write it, such as `http-fetch`.
    pub name: String,
    pub price_per_mb: Amount,
    pub source: Source,
}

/// Where its program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The node starts it.
    Command {
        /// The program's path and its arguments.
        command: Vec<String>,
        /// What its environment holds beside what the node puts there.
        environment: BTreeMap<String, String>,
    },
    /// Somebody else does, and it listens here.
    Socket(PathBuf),
}

impl PluggedSelling {
    /// The service's number on the market.
    ///
    /// # Errors
    /// `None` where the name is none for a service that plugs in.
    pub fn service(&self) -> Option<Service> {
        Service::of_name(&self.name)
    }
}
