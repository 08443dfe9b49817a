//! Datagrams to send, laid out so that one call sends many.
//!
//! The system takes a run of datagrams of one length to one destination as one buffer (segmentation offload); the last of
//! a run may be shorter. So datagrams are put behind one another in one buffer, and a run grows as long as that holds.

use std::net::SocketAddr;
use std::ops::Range;

/// A run holds less than this, whatever the length of its datagrams: what one UDP datagram over IPv4 may.
const RUN_BYTES_MAX: usize = 65_507;

/// Datagrams in the order in which they were pushed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

/// Datagrams of `segment` bytes each, the last of at most that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub to: SocketAddr,
    pub segment: usize,
    bytes: Range<usize>,
}

impl Outbox {
    pub fn push(&mut self, datagram: &[u8], to: SocketAddr) {
        if datagram.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        let end = self.bytes.len();
        match self.runs.last_mut() {
            Some(run) if run.takes(datagram.len(), to) => run.bytes.end = end,
            _ => self.runs.push(Run { to, segment: datagram.len(), bytes: start..end }),
        }
    }

    /// Each run in pieces of at most `segments_max` datagrams, with their bytes.
    pub fn pieces(&self, segments_max: usize) -> impl Iterator<Item = (&Run, &[u8])> {
        let pieces = move |run: &Run| self.bytes[run.bytes.clone()].chunks(run.segment * segments_max.max(1));
        self.runs.iter().flat_map(move |run| pieces(run).map(move |piece| (run, piece)))
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
    }
}

impl Run {
    fn takes(&self, length: usize, to: SocketAddr) -> bool {
        let is_whole = self.bytes.len().is_multiple_of(self.segment);
        is_whole && self.to == to && length <= self.segment && self.bytes.len() + length <= RUN_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes datagrams of these lengths to these ports; the pieces as port, segment and the datagrams' lengths.
    fn check(pushed: &[(usize, u16)], segments_max: usize, expected: &[(u16, usize, usize)]) {
        let mut outbox = Outbox::default();
        for (length, port) in pushed {
            outbox.push(&vec![1; *length], ([127, 0, 0, 1], *port).into());
        }
        let pieces = outbox.pieces(segments_max).map(|(run, bytes)| (run.to.port(), run.segment, bytes.len()));
        assert_eq!(pieces.collect::<Vec<_>>(), expected, "{pushed:?}");
    }

    #[test]
    fn datagrams_of_one_length_to_one_place_are_one_run() {
        check(&[], 64, &[]);
        check(&[(0, 1)], 64, &[]);
        check(&[(100, 1), (100, 1), (100, 1)], 64, &[(1, 100, 300)]);
        check(&[(100, 1), (40, 1), (40, 1)], 64, &[(1, 100, 140), (1, 40, 40)]);
        check(&[(40, 1), (100, 1)], 64, &[(1, 40, 40), (1, 100, 100)]);
        check(&[(100, 1), (100, 2), (100, 1)], 64, &[(1, 100, 100), (2, 100, 100), (1, 100, 100)]);
    }

    #[test]
    fn a_run_is_cut_where_the_system_takes_no_more() {
        check(&[(100, 1); 5], 2, &[(1, 100, 200), (1, 100, 200), (1, 100, 100)]);
        check(&[(100, 1); 3], 0, &[(1, 100, 100); 3]);
        check(&[(1452, 1); 46], 64, &[(1, 1452, 45 * 1452), (1, 1452, 1452)]);
    }
}
