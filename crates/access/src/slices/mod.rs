//! Slices: packets cut so that they travel over several relays of which none holds one (row A12).
//!
//! **Problem.** A client that reaches its exit over one relay shows that relay everything that it sends, encrypted, to be
//! kept until the encryption can be broken; and when the relay falls silent, so does the tunnel.
//!
//! **Idea.** Each packet is made a package that can be read whole or not at all ([`byway_crypto::package`]), cut into k pieces,
//! to which a code adds n − k more, so that any k give the packet. Each of the n travels over a relay of its own.
//!
//! ```text
//! packet ─ package ─ k pieces ─ code ─┬─ slice 0 ─ relay 0 ─┐
//!                                     ├─ slice 1 ─ relay 1 ─┼─ any k ─ package ─ packet
//!                                     └─ slice 2 ─ relay 2 ─┘
//! ```
//!
//! - [`Splitter`] is the sending end, [`Joiner`] the receiving one; both ends have both. [`SliceKeys`] is what they share.
//! - [`choose`] says which providers are to be the relays, [`Silence`] which of them carries nothing any more.
//!
//! **Each packet for itself.** A code over many packets would have less overhead and survive longer bursts, but holds packets
//! back until its group is full; nothing is held back here, and the packet is there with the k-th slice.
//!
//! **Why a package,** when what is inside is WireGuard's ciphertext already: because that is a stream cipher's, so 1/k of it is
//! readable 1/k for whoever gets WireGuard's keys one day. The package's key exists nowhere but in the slices, so
//! less than k of them stay unreadable whatever is stolen or broken later. With k = 1 each slice is all there is, and a
//! package would be of no use: there the packet travels as it is.
//!
//! **A slice** is a header and a piece: the label by which its receiver knows the session, the number of its group, the piece's
//! number, and an authenticator over all of that under a key of the two ends. So a relay can lose slices, hold them up and
//! repeat them, which is noticed, but not make one.
//!
//! What it hides and what not is said in `docs/slices.md`.

mod code;
mod field;
#[cfg(test)]
mod fingerprint;
mod joiner;
mod paths;
mod silence;
mod splitter;
#[cfg(test)]
mod tests;

use byway_crypto::package::{self, MAC_BYTES, MacKey};
use byway_primitives::Time;
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

pub use joiner::{Counts, Joiner, Refused, Taken};
pub use paths::{Occupied, choose};
pub use silence::Silence;
pub use splitter::{Splitter, TooLong};

/// The most relays of one session: each has its own dialogue, promise and socket.
pub const PATHS_MAX: usize = 8;
/// The most slices that a packet can be made to need.
pub const NEEDED_MAX: usize = PATHS_MAX;
/// Bytes of the largest packet that is cut: what the tunnel sends at the largest MTU that it has.
pub const PACKET_BYTES_MAX: usize = 1500;
/// Bytes of a slice before its piece: label, group, number, authenticator.
pub const HEADER_BYTES: usize = 4 + 8 + 1 + MAC_BYTES;
/// Bytes of the largest slice.
pub const SLICE_BYTES_MAX: usize = HEADER_BYTES + PACKET_BYTES_MAX + CONTENT_HEAD + package::OVERHEAD;

/// Bytes of the packet's length, in front of it.
const CONTENT_HEAD: usize = 2;
/// Groups begin at the time, so that they go on after a restart: more than are sent in a millisecond, below 2⁶⁴ for
/// some thousand years.
const GROUPS_PER_MILLISECOND_LOG2: u32 = 16;

const TO_EXIT: Context = Context("byway 1 slices to exit");
const TO_CLIENT: Context = Context("byway 1 slices to client");

/// How many relays there are, and how many slices of a packet are enough: k of n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    needed: u8,
    paths: u8,
}

/// A packet can't be cut like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{needed} of {paths} slices is no way to cut: there are 1 to 8 relays, and 1 to that many slices are needed")]
pub struct NoShape {
    pub needed: u8,
    pub paths: u8,
}

/// The number by which a receiver knows a session; the receiver's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub u32);

/// What client and exit know of each other's slices, and nobody between them.
#[derive(Clone)]
pub struct SliceKeys {
    to_exit: MacKey,
    to_client: MacKey,
}

/// Which end this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Client,
    Exit,
}

/// A slice's header, its bytes, the authenticator, and the piece.
type Parts<'a> = (Header, &'a [u8], &'a [u8; MAC_BYTES], &'a [u8]);

/// What a slice's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub label: Label,
    pub group: u64,
    pub number: u8,
}

impl Shape {
    /// One relay, which has it all.
    pub const SINGLE: Self = Self { needed: 1, paths: 1 };

    pub fn new(needed: u8, paths: u8) -> Result<Self, NoShape> {
        let is_one = needed >= 1 && needed <= paths && usize::from(paths) <= PATHS_MAX;
        if is_one { Ok(Self { needed, paths }) } else { Err(NoShape { needed, paths }) }
    }

    /// Slices that give the packet.
    pub fn needed(self) -> usize {
        self.needed.into()
    }

    /// Slices that are made of each packet, one for each relay.
    pub fn paths(self) -> usize {
        self.paths.into()
    }

    /// Bytes of the largest datagram that fits into slices of at most `slice` bytes.
    pub fn packet_max(self, slice: usize) -> usize {
        let piece = slice.saturating_sub(HEADER_BYTES);
        let packet = match self.needed {
            1 => piece,
            _ => (piece * self.needed()).saturating_sub(CONTENT_HEAD + package::OVERHEAD),
        };
        packet.min(PACKET_BYTES_MAX)
    }

    /// Bytes of the longest piece, of the longest packet.
    fn piece_bytes_max(self) -> usize {
        match self.needed() {
            1 => PACKET_BYTES_MAX + CONTENT_HEAD + package::OVERHEAD,
            needed => self.package_bytes(PACKET_BYTES_MAX) / needed,
        }
    }

    /// Bytes of the package of a packet: k pieces of one length, of which none is small enough to be guessed.
    fn package_bytes(self, packet: usize) -> usize {
        let least = CONTENT_HEAD + packet + package::OVERHEAD;
        least.div_ceil(self.needed()).max(package::MISSING_MIN) * self.needed()
    }
}

impl SliceKeys {
    /// From a secret of one session that the client drew.
    pub fn new(secret: &Zeroizing<[u8; 32]>) -> Self {
        let key = |context: Context| MacKey::new(context.hash(&[&**secret]).0);
        Self { to_exit: key(TO_EXIT), to_client: key(TO_CLIENT) }
    }

    fn sending(&self, end: End) -> MacKey {
        match end {
            End::Client => self.to_exit.clone(),
            End::Exit => self.to_client.clone(),
        }
    }

    fn receiving(&self, end: End) -> MacKey {
        match end {
            End::Client => self.sending(End::Exit),
            End::Exit => self.sending(End::Client),
        }
    }
}

impl Label {
    /// Whom a slice says it is for, whether or not that is true.
    pub fn of(slice: &[u8]) -> Option<Self> {
        slice.first_chunk().map(|label| Self(u32::from_be_bytes(*label)))
    }
}

impl Header {
    /// The bytes of a header without its authenticator.
    const BYTES: usize = HEADER_BYTES - MAC_BYTES;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.label.0.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.group.to_be_bytes());
        bytes[12] = self.number;
        bytes
    }

    /// What a slice consists of. Nothing is believed yet.
    fn read(slice: &[u8]) -> Option<Parts<'_>> {
        let (bytes, rest) = slice.split_first_chunk::<{ Self::BYTES }>()?;
        let (mac, piece) = rest.split_first_chunk()?;
        let (label, rest) = bytes.split_first_chunk()?;
        let (group, number) = rest.split_first_chunk()?;
        let (label, group) = (Label(u32::from_be_bytes(*label)), u64::from_be_bytes(*group));
        Some((Self { label, group, number: *number.first()? }, bytes, mac, piece))
    }
}

/// The group that a splitter begins with, so that its groups are newer than those before a restart.
fn first_group(now: Time) -> u64 {
    now.0 << GROUPS_PER_MILLISECOND_LOG2
}
