//! The keys of one finished handshake, and which numbers were used under them.
//!
//! Frames carry their number, so that a lost one does not make the next unreadable; each number is sealed once and
//! opened once. The window of remembered numbers is what a datagram link may reorder by; older frames are dropped as if
//! lost, and what was in them is sent again in new frames.

use byway_crypto::noise::NumberedTransport;
use byway_primitives::Writer;

use crate::frame::{Frame, FrameError, Record, Tag};
use crate::link::LinkId;

/// How many numbers behind the highest can still be opened: the bits of a `u128`.
const REORDER_MAX: u64 = 128;

/// A handshake's keys, on its link.
#[derive(Debug)]
pub(crate) struct Session {
    pub link: LinkId,
    pub tag: Tag,
    transport: NumberedTransport,
    sealed_next: u64,
    opened: Opened,
}

/// Which numbers were opened: bit i stands for `next - 1 - i`.
#[derive(Debug, Default)]
struct Opened {
    next: u64,
    bits: u128,
}

impl Session {
    pub fn new(link: LinkId, tag: Tag, transport: NumberedTransport) -> Self {
        Self { link, tag, transport, sealed_next: 0, opened: Opened::default() }
    }

    /// The handshake hash.
    pub fn binding(&self) -> &[u8; 64] {
        self.transport.binding()
    }

    /// The frame that carries these records.
    pub fn seal(&mut self, records: &[Record]) -> Vec<u8> {
        let mut plain = Writer::new();
        for record in records {
            plain.value(record);
        }
        self.seal_plain(&plain.into_bytes())
    }

    /// The frame that carries these encoded records, which the caller has kept within the frame's room.
    pub fn seal_plain(&mut self, plain: &[u8]) -> Vec<u8> {
        let number = self.sealed_next;
        self.sealed_next += 1;
        let sealed = self.transport.seal(number, plain).expect("a frame is far below Noise's limit and count");
        Frame::Sealed { tag: self.tag, number, sealed }.to_bytes()
    }

    /// The content of a frame; `None` for one that was opened before or is too old to tell.
    pub fn open(&mut self, number: u64, sealed: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        if self.opened.contains(number) {
            return Ok(None);
        }
        let plain = self.transport.open(number, sealed).map_err(|_| FrameError::Sealed)?;
        self.opened.insert(number);
        Ok(Some(plain))
    }
}

impl Opened {
    /// Whether the number was opened, or is so old that it may have been.
    fn contains(&self, number: u64) -> bool {
        match self.next.checked_sub(number.saturating_add(1)) {
            None => false,
            Some(age) => age >= REORDER_MAX || self.bits >> age & 1 == 1,
        }
    }

    fn insert(&mut self, number: u64) {
        let next = number.saturating_add(1);
        if next > self.next {
            let shift = next - self.next;
            self.bits = if shift >= REORDER_MAX { 0 } else { self.bits << shift };
            self.next = next;
        }
        let age = self.next - next;
        if age < REORDER_MAX {
            self.bits |= 1 << age;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn no_number_is_opened_twice_and_fresh_ones_within_the_window_are(
            steps in proptest::collection::vec(0u64..400, 1..200)
        ) {
            let (mut opened, mut model) = (Opened::default(), BTreeSet::new());
            for number in steps {
                let highest = model.last().copied().unwrap_or(0);
                let too_old = number + REORDER_MAX <= highest;
                prop_assert_eq!(opened.contains(number), too_old || model.contains(&number), "{}", number);
                if !opened.contains(number) {
                    opened.insert(number);
                    model.insert(number);
                }
            }
        }
    }

    #[test]
    fn the_last_number_of_all_does_not_overflow() {
        let mut opened = Opened::default();
        opened.insert(u64::MAX - 1);
        assert!(opened.contains(u64::MAX - 1));
        assert!(opened.contains(u64::MAX), "never used, so nothing is lost by refusing it");
        assert!(opened.contains(0));
    }
}
