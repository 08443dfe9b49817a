//! The sending end: packets to slices.

use byway_crypto::package::{self, MAC_BYTES, MacKey};
use byway_primitives::Time;
use zeroize::Zeroizing;

use super::{CONTENT_HEAD, End, Header, Label, PACKET_BYTES_MAX, Shape, SliceKeys, code, first_group};

/// Cuts packets. Nothing is kept of one.
#[derive(Debug)]
pub struct Splitter {
    shape: Shape,
    key: MacKey,
    label: Label,
    group: u64,
    package: Vec<u8>,
    piece: Vec<u8>,
    slice: Vec<u8>,
}

/// A packet of more than [`PACKET_BYTES_MAX`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes is not cut; the most is {PACKET_BYTES_MAX}")]
pub struct TooLong(pub usize);

impl Splitter {
    /// Cuts for the receiver that knows the session by `label`. `now` must be later than when one was made before under
    /// these keys.
    pub fn new(now: Time, shape: Shape, keys: &SliceKeys, end: End, label: Label) -> Self {
        let (package, piece, slice) = (Vec::new(), Vec::new(), Vec::new());
        Self { shape, key: keys.sending(end), label, group: first_group(now), package, piece, slice }
    }

    /// Gives a packet's slices, each with the number of its path. `random` must be drawn for it, and be used for nothing else.
    pub fn split(
        &mut self,
        packet: &[u8],
        random: Zeroizing<[u8; 32]>,
        mut give: impl FnMut(usize, &[u8]),
    ) -> Result<(), TooLong> {
        if packet.len() > PACKET_BYTES_MAX {
            return Err(TooLong(packet.len()));
        }
        self.group += 1;
        let Self { shape, package, .. } = self;
        package.clear();
        if shape.needed() == 1 {
            package.extend_from_slice(packet);
        } else {
            let length = packet.len() as u16;
            package.extend_from_slice(&length.to_be_bytes());
            package.extend_from_slice(packet);
            package.resize(shape.package_bytes(packet.len()) - package::OVERHEAD, 0);
            package::wrap(random, package);
        }
        for number in 0..self.shape.paths() {
            self.cut(number as u8);
            give(number, &self.slice);
        }
        Ok(())
    }

    fn cut(&mut self, number: u8) {
        let Self { shape, key, label, group, package, piece, slice } = self;
        let piece: &[u8] = if shape.needed() == 1 {
            // A packet may be empty, and is the same on all paths.
            package
        } else {
            code::piece(*shape, number, package, piece);
            piece
        };
        let header = Header { label: *label, group: *group, number }.to_bytes();
        let mac: [u8; MAC_BYTES] = key.mac(&header, piece);
        slice.clear();
        slice.extend_from_slice(&header);
        slice.extend_from_slice(&mac);
        slice.extend_from_slice(piece);
    }
}

/// The packet in what was packed by [`Splitter::split`]; `None` if nobody could have packed that.
pub(super) fn packet_of(shape: Shape, mut whole: Vec<u8>) -> Option<Vec<u8>> {
    if shape.needed() == 1 {
        return Some(whole);
    }
    package::unwrap(&mut whole).ok()?;
    let length = usize::from(u16::from_be_bytes(*whole.first_chunk()?));
    whole.drain(..CONTENT_HEAD);
    if length > whole.len() {
        return None;
    }
    whole.truncate(length);
    Some(whole)
}
