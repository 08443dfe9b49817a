//! Keys, signatures and sealed things, composed from well-kept libraries; no primitive of our own.
//!
//! - [`identity`]: secp256k1 identities with recoverable ECDSA, for everything between people and nodes (row I1).
//! - [`node`]: ed25519 keys of kernel nodes, and [`batch`] verification under ZIP-215 rules, where a signature is valid
//!   in a batch exactly when it is valid alone.
//! - [`ghost`]: the wallet's pair (A, B) and the one-time keys derived from it (row K2); [`group`]: those of m-of-n
//!   groups.
//! - [`threshold`]: BLS signatures that a threshold of kernel nodes make together, and how they deal the key (row K3).
//! - [`noise`]: the encrypted handshake of dialogues and of the kernel mesh.
//! - [`phrase`]: one seed phrase, from which every key above is derived; [`keystore`]: keys at rest; [`export`]: what leaves
//!   a node as a file; [`copy`]: what it keeps of channels in a second place; [`chat_backup`]: conversations, in parts.
//! - [`packet`]: a small content under a key and a number, for watchtowers (row C5).
//! - [`package`]: what can be read whole or not at all, for slices of packets (row A12).
//! - [`multiset`]: a homomorphic hash of a set, for the set of unspent outputs.
//!
//! **Domain separation.** Nothing is ever signed raw. [`Purpose`] names what a signature is for, and the digest that is
//! signed covers that name and the network, so a signature can't be replayed for another purpose, on another network,
//! or on Ethereum (whose messages are keccak256 digests, not BLAKE3 digests under our contexts).
//!
//! **Randomness is passed in** as seeds; nothing here draws any.

pub mod batch;
pub mod chat_backup;
pub mod copy;
pub mod export;
pub mod ghost;
pub mod group;
pub mod identity;
pub mod keystore;
pub mod multiset;
pub mod node;
pub mod noise;
pub mod package;
pub mod packet;
pub mod phrase;
pub mod purpose;
mod sealed_file;
pub mod threshold;

pub use batch::{BatchVerifier, Signed};
pub use chat_backup::ChatBackupKey;
pub use copy::CopyKey;
pub use export::ExportKey;
pub use ghost::{Address, GhostKey, SpendSecret, ViewSecret, WalletSecret};
pub use group::{Group, GroupView};
pub use identity::{IdentityPublic, IdentitySecret, IdentitySignature};
pub use node::{NodeKey, NodeSecret, NodeSignature};
pub use purpose::Purpose;

/// A public value as hex digits, in text and in JSON.
macro_rules! hex_text {
    ($($name:ident: $bytes:literal $what:literal),* $(,)?) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }
        impl std::str::FromStr for $name {
            type Err = byway_primitives::DecodeError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $bytes];
                let needed = concat!($what, ": two hex digits are needed for each of ", $bytes, " bytes");
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| byway_primitives::DecodeError::Invalid(needed))?;
                Ok(Self(bytes))
            }
        }
        byway_primitives::serde_as_text!($name);
    )*};
}

use noise::StaticKey;
use threshold::dealing::DealingKey;
hex_text!(NodeKey: 32 "node key", GhostKey: 32 "ghost key", StaticKey: 32 "static key", DealingKey: 48 "dealing key");
byway_primitives::serde_as_text!(Address);
