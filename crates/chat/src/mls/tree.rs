//! A tree of keys as it travels, before the library reads it.
//!
//! - How many nodes it has: one that is empty has a byte as it travels, and many times that in memory.
//! - Which certificates its leaves have, so that they can be verified [beside](super::Beside) what the library does.

use std::collections::BTreeSet;

use byway_primitives::{Decode, DecodeError, NetworkId, Reader};

use super::DEVICES_MAX;
use crate::device::{CERTIFICATE_BYTES_MAX, DeviceCertificate};

/// Nodes of the tree of the largest room: a leaf for each device, and what joins them.
pub(crate) const NODES_MAX: u64 = 2 * DEVICES_MAX as u64 - 1;

/// Certificates that hold on a network, each as its bytes.
#[derive(Default)]
pub(crate) struct Sound<'a>(BTreeSet<&'a [u8]>);

impl<'a> Sound<'a> {
    /// Those of `credentials` that hold. Whoever meets one that is not among them verifies it, and so finds out what is wrong with it.
    pub fn of(credentials: &[&'a [u8]], network: NetworkId) -> Self {
        let holds = |bytes: &&[u8]| {
            let certificate = || DeviceCertificate::from_bytes(bytes).ok();
            bytes.len() <= CERTIFICATE_BYTES_MAX && certificate().is_some_and(|it| it.verify(network).is_ok())
        };
        Self(credentials.iter().copied().filter(holds).collect())
    }

    pub fn has(&self, certificate: &[u8]) -> bool {
        self.0.contains(certificate)
    }
}

/// The content of each leaf's credential. Goes through a tree (RFC 9420 §12.4.3.3) as far as it takes to know that it is not too large;
/// what is wrong in it otherwise is found by whoever reads it.
///
/// # Errors
/// [`DecodeError::TooLong`] where it has more than [`NODES_MAX`], and others where it ends too early.
pub(crate) fn credentials(bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut nodes = Reader::new(vector(&mut Reader::new(bytes))?);
    let (mut count, mut credentials) = (0, Vec::new());
    while nodes.remaining() > 0 {
        count += 1;
        if count > NODES_MAX {
            return Err(DecodeError::TooLong { length: count, limit: NODES_MAX });
        }
        match nodes.byte()? {
            0 => {}
            1 => credentials.extend(node(&mut nodes)?),
            other => return Err(DecodeError::UnknownVariant { kind: "node of a tree", value: other.into() }),
        }
    }
    Ok(credentials)
}

fn node<'a>(input: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    match input.byte()? {
        1 => leaf(input).map(Some),
        // The key, the parent's hash, and the leaves that are not merged.
        2 => vectors(input, 3).map(|()| None),
        other => Err(DecodeError::UnknownVariant { kind: "node of a tree", value: other.into() }),
    }
}

fn leaf<'a>(input: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    // Both keys, the credential behind its type, and five lists of capabilities.
    vectors(input, 2)?;
    input.raw(2)?;
    let credential = vector(input)?;
    vectors(input, 5)?;
    match input.byte()? {
        // Of a package: its lifetime.
        1 => drop(input.raw(16)?),
        2 => {}
        // Of a commit: the parent's hash.
        _ => vectors(input, 1)?,
    }
    // Extensions, and the signature.
    vectors(input, 2).map(|()| credential)
}

fn vectors(input: &mut Reader<'_>, count: usize) -> Result<(), DecodeError> {
    (0..count).try_for_each(|_| vector(input).map(drop))
}

/// What has its length in front, in the encoding of RFC 9000 §16.
fn vector<'a>(input: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let first = input.byte()?;
    let more = match first >> 6 {
        0 => 0,
        1 => 1,
        2 => 3,
        _ => return Err(DecodeError::Invalid("length of a vector")),
    };
    let rest = input.raw(more)?;
    let length = rest.iter().fold(usize::from(first & 0x3f), |length, byte| length << 8 | usize::from(*byte));
    input.raw(length)
}
