//! One encrypted, reliable conversation between two identities over any link (row A8).

pub mod certificate;
pub mod config;
mod dialogue;
mod dialogues;
pub mod frame;
pub mod glare;
mod handshake;
mod journal;
pub mod link;
pub mod message;
pub mod news;
mod outputs;
pub mod payment;
mod session;

pub use certificate::{CertificateError, StaticCertificate};
pub use config::Config;
pub use dialogue::Dialogue;
pub use dialogues::{Commit, CommitError, Dialogues, OpenError};
pub use frame::FrameError;
pub use handshake::{DialogueId, Local, LocalError};
pub use journal::{RestoreError, SPACE};
pub use link::{Link, LinkEnd, LinkId, LinkKind, LinkProfile};
pub use message::{Delivery, Durability, Outgoing, ProtocolId, Receipt};
pub use news::{ClosedBecause, Goodbye, News, Refusal, RefusedBecause};
pub use outputs::Output;
