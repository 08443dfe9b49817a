//! A file under a key of its own: pieces of 64 KiB, each sealed by itself, so that any part of a file can be read (the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). A piece's nonce is its number and whether it is the last one: none
//! can be moved, left out or cut off. The key seals one file and nothing else.

use byway_crypto::packet::{self, NONCE_BYTES, TAG_BYTES};

use super::SIZE_BYTES_MAX;
use crate::content::post::AttachmentKey;

/// Bytes of a piece before it is sealed; the last one may be shorter, and is empty in an empty file only.
pub const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of a sealed piece.
pub const SEALED_BYTES: usize = PIECE_BYTES + TAG_BYTES;

/// Seals a file that comes in parts of any size.
pub struct Sealer {
    key: AttachmentKey,
    /// The number of the next piece.
    next: u32,
    /// Not sealed yet: whether it is the last piece shows by what follows.
    held: Vec<u8>,
}

/// The file would be larger than [`SIZE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file has at most {SIZE_BYTES_MAX} bytes, sealed")]
pub struct TooLarge;

impl Sealer {
    /// `key` has never sealed anything.
    pub fn new(key: AttachmentKey) -> Self {
        Self { key, next: 0, held: Vec::new() }
    }

    /// What is sealed of the file with these further bytes.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing is changed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TooLarge> {
        let size = u64::from(self.next) * PIECE_BYTES as u64 + self.held.len() as u64 + bytes.len() as u64;
        sealed_size(size).ok_or(TooLarge)?;
        self.held.extend_from_slice(bytes);
        let mut sealed = Vec::new();
        while self.held.len() > PIECE_BYTES {
            let rest = self.held.split_off(PIECE_BYTES);
            let piece = std::mem::replace(&mut self.held, rest);
            sealed.extend(packet::seal(&self.key.0, &nonce(self.next, false), &piece));
            self.next += 1;
        }
        Ok(sealed)
    }

    /// The end of the sealed file.
    pub fn finish(self) -> Vec<u8> {
        packet::seal(&self.key.0, &nonce(self.next, true), &self.held)
    }

    /// Bytes that were pushed.
    pub fn size(&self) -> u64 {
        u64::from(self.next) * PIECE_BYTES as u64 + self.held.len() as u64
    }

    pub fn key(&self) -> &AttachmentKey {
        &self.key
    }
}

/// Bytes of a file of `size` bytes once it is sealed; `None` where that is over [`SIZE_BYTES_MAX`].
pub fn sealed_size(size: u64) -> Option<u64> {
    let pieces = size.div_ceil(PIECE_BYTES as u64).max(1);
    pieces.checked_mul(TAG_BYTES as u64)?.checked_add(size).filter(|sealed| *sealed <= SIZE_BYTES_MAX)
}

/// Bytes of the file in a sealed one of `sealed` bytes; `None` where no file comes out as that.
pub fn plain_size(sealed: u64) -> Option<u64> {
    let pieces = sealed.div_ceil(SEALED_BYTES as u64);
    let size = sealed.checked_sub(pieces.checked_mul(TAG_BYTES as u64)?)?;
    (sealed_size(size) == Some(sealed)).then_some(size)
}

/// Where a sealed piece lies in a sealed file of `sealed` bytes: its first byte and how many there are; `None` past the end.
pub fn piece_at(sealed: u64, number: u32) -> Option<(u64, usize)> {
    let start = u64::from(number) * SEALED_BYTES as u64;
    let left = sealed.checked_sub(start).filter(|left| *left > 0)?;
    Some((start, usize::try_from(left).map_or(SEALED_BYTES, |left| left.min(SEALED_BYTES))))
}

/// What is in a sealed piece of a sealed file of `sealed` bytes; `None` where it is not that piece of a file under this key.
pub fn open(key: &AttachmentKey, sealed: u64, number: u32, piece: &[u8]) -> Option<Vec<u8>> {
    let is_last = u64::from(number) * SEALED_BYTES as u64 + piece.len() as u64 == sealed;
    packet::open(&key.0, &nonce(number, is_last), piece)
}

fn nonce(number: u32, is_last: bool) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[NONCE_BYTES - 5..NONCE_BYTES - 1].copy_from_slice(&number.to_be_bytes());
    nonce[NONCE_BYTES - 1] = is_last.into();
    nonce
}
