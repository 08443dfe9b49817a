//! Snapshots of the next epoch that came before this node has begun it.
//!
//! Nodes end an epoch within a message delay of each other. Who is first shows its first snapshot of the next one to
//! nodes that don't know yet whose snapshots count there, so can't verify it. Instead of dropping and fetching it again,
//! which would stretch the pause between epochs, whoever feeds the machine keeps it here until the machine says
//! [`News::Epoch`](crate::News::Epoch).
//!
//! Nothing in here is verified, so the bound is per link and small: a few rounds of one node.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_primitives::Reader;
use byway_records::epoch::epoch_of;

use crate::committee::MemberIndex;

/// Bytes kept per peer: two of the largest snapshots.
pub const BYTES_PER_PEER_MAX: usize = 2 * crate::snapshot::SNAPSHOT_BYTES_MAX;
/// Snapshots kept per peer.
pub const SNAPSHOTS_PER_PEER_MAX: usize = 64;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Anteroom {
    kept: BTreeMap<MemberIndex, Vec<Arc<[u8]>>>,
}

impl Anteroom {
    /// Gives back the snapshots of `epoch` and what is none, keeps those of the next epoch as long as there is room, and
    /// drops the others.
    pub fn sort(&mut self, epoch: u32, from: MemberIndex, snapshots: Vec<Arc<[u8]>>) -> Vec<Arc<[u8]>> {
        let mut present = Vec::with_capacity(snapshots.len());
        for bytes in snapshots {
            match peek_epoch(&bytes) {
                Some(of) if of == epoch => present.push(bytes),
                None => present.push(bytes),
                Some(of) if Some(of) == epoch.checked_add(1) => self.keep(from, bytes),
                _ => {}
            }
        }
        present
    }

    /// The next epoch has begun: everything kept, by who sent it.
    pub fn open(&mut self) -> BTreeMap<MemberIndex, Vec<Arc<[u8]>>> {
        std::mem::take(&mut self.kept)
    }

    fn keep(&mut self, from: MemberIndex, bytes: Arc<[u8]>) {
        let kept = self.kept.entry(from).or_default();
        let size: usize = kept.iter().map(|bytes| bytes.len()).sum();
        if kept.len() < SNAPSHOTS_PER_PEER_MAX && size + bytes.len() <= BYTES_PER_PEER_MAX {
            kept.push(bytes);
        }
    }
}

/// The epoch that an encoded snapshot says it is of; `None` for what is no snapshot.
pub fn peek_epoch(bytes: &[u8]) -> Option<u32> {
    let mut input = Reader::new(bytes);
    let _version_and_author = (input.byte().ok()?, input.byte().ok()?);
    epoch_of(input.u64().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::Writer;
    use byway_records::epoch::first_round;

    fn snapshot(round: u64, length: usize) -> Arc<[u8]> {
        let mut out = Writer::new();
        out.byte(1);
        out.byte(3);
        out.varint(round);
        out.raw(&vec![0; length]);
        out.into_bytes().into()
    }

    #[test]
    fn each_epoch_has_its_time() {
        let mut anteroom = Anteroom::default();
        let of = |epoch| snapshot(first_round(epoch) + 7, 10);
        let garbage: Arc<[u8]> = vec![9].into();
        let sent = vec![of(0), of(1), of(2), of(3), garbage.clone()];
        assert_eq!(anteroom.sort(1, MemberIndex(4), sent), [of(1), garbage]);
        assert_eq!(anteroom.open(), BTreeMap::from([(MemberIndex(4), vec![of(2)])]));
        assert!(anteroom.open().is_empty());
    }

    #[test]
    fn one_peer_fills_only_its_own_share() {
        let mut anteroom = Anteroom::default();
        for (peer, length) in [(1, 1_000_000), (2, 10)] {
            let many = (0..200).map(|round| snapshot(first_round(1) + round, length)).collect();
            assert!(anteroom.sort(0, MemberIndex(peer), many).is_empty());
        }
        let counts: Vec<usize> = anteroom.open().into_values().map(|kept| kept.len()).collect();
        assert_eq!(counts, [2, SNAPSHOTS_PER_PEER_MAX]);
    }
}
