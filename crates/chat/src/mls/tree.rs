//! How many nodes a tree of keys has, before it is read: one that is empty has a byte as it travels, and many times that in memory.

use byway_primitives::{DecodeError, Reader};

use super::DEVICES_MAX;

/// Nodes of the tree of the largest room: a leaf for each device, and what joins them.
pub(crate) const NODES_MAX: u64 = 2 * DEVICES_MAX as u64 - 1;

/// Goes through a tree (RFC 9420 §12.4.3.3) as far as it takes to know that it is not too large. What is wrong in it otherwise is found by
/// whoever reads it.
///
/// # Errors
/// [`DecodeError::TooLong`] where it has more than [`NODES_MAX`], and others where it ends too early.
pub(crate) fn check_nodes(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut nodes = Reader::new(vector(&mut Reader::new(bytes))?);
    let mut count = 0;
    while nodes.remaining() > 0 {
        count += 1;
        if count > NODES_MAX {
            return Err(DecodeError::TooLong { length: count, limit: NODES_MAX });
        }
        match nodes.byte()? {
            0 => {}
            1 => node(&mut nodes)?,
            other => return Err(DecodeError::UnknownVariant { kind: "node of a tree", value: other.into() }),
        }
    }
    Ok(())
}

fn node(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        1 => leaf(input),
        // The key, the parent's hash, and the leaves that are not merged.
        2 => vectors(input, 3),
        other => Err(DecodeError::UnknownVariant { kind: "node of a tree", value: other.into() }),
    }
}

fn leaf(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    // Both keys, the credential behind its type, and five lists of capabilities.
    vectors(input, 2)?;
    input.raw(2)?;
    vectors(input, 6)?;
    match input.byte()? {
        // Of a package: its lifetime.
        1 => drop(input.raw(16)?),
        2 => {}
        // Of a commit: the parent's hash.
        _ => vectors(input, 1)?,
    }
    // Extensions, and the signature.
    vectors(input, 2)
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
