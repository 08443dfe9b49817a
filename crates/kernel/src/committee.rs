//! Who the kernel nodes are, and how many of them make a quorum.

use byway_crypto::NodeKey;
use byway_primitives::NetworkId;
use byway_records::checkpoint::MEMBERS_MAX;
use byway_records::epoch::{Epoch, epoch_of, first_round};
use byway_records::genesis::{Genesis, faults_tolerated, quorum};
use byway_records::snapshot::Electorate;
pub use byway_records::snapshot::MemberIndex;

/// The network and who signs snapshots in one epoch: what is needed to judge a snapshot alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    network: NetworkId,
    epoch: u32,
    /// By seat.
    places: Vec<Option<Place>>,
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: NodeKey,
    counts: bool,
}

/// A set of kernel nodes. Every count that is compared with a quorum is the size of such a set, so that nobody who
/// equivocates is counted twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberBits(u64);

impl Committee {
    /// The nodes of a network's first epoch.
    pub fn new(genesis: &Genesis) -> Self {
        Self::of_epoch(genesis.network(), &genesis.epoch())
    }

    pub fn of_epoch(network: NetworkId, epoch: &Epoch) -> Self {
        let mut places = vec![None; epoch.seats.places()];
        for (number, seat) in epoch.seats.iter() {
            places[usize::from(number)] = Some(Place { key: seat.member.key, counts: seat.standing.counts() });
        }
        Self { network, epoch: epoch.number, places, size: epoch.seats.count() }
    }

    /// The nodes with these keys, in the order of their seats, in epoch 0.
    pub fn of(network: NetworkId, keys: Vec<NodeKey>) -> Self {
        debug_assert!(keys.len() <= MEMBERS_MAX, "genesis bounds the kernel");
        let size = keys.len();
        let places = keys.into_iter().map(|key| Some(Place { key, counts: true })).collect();
        Self { network, epoch: 0, places, size }
    }

    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The epoch's number.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The first round of the epoch.
    pub fn first_round(&self) -> u64 {
        first_round(self.epoch)
    }

    /// Whether a round is one of this epoch.
    pub fn has_round(&self, round: u64) -> bool {
        epoch_of(round) == Some(self.epoch)
    }

    /// n: how many nodes count.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The length of a list with a place for every node: one more than the highest seat.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// q(n) = n − ⌊(n − 1)/3⌋.
    pub fn quorum(&self) -> usize {
        quorum(self.size)
    }

    /// f = ⌊(n − 1)/3⌋.
    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.size)
    }

    /// The key of a node that has a seat, whether or not it counts.
    pub fn key(&self, member: MemberIndex) -> Option<NodeKey> {
        self.place(member).map(|place| place.key)
    }

    /// Whether a node has this seat, counting or not.
    pub fn contains(&self, member: MemberIndex) -> bool {
        self.place(member).is_some()
    }

    /// Whether a node's snapshots count.
    pub fn counts(&self, member: MemberIndex) -> bool {
        self.place(member).is_some_and(|place| place.counts)
    }

    /// The nodes that count.
    pub fn members(&self) -> impl Iterator<Item = MemberIndex> + '_ {
        self.seated().filter(|member| self.counts(*member))
    }

    /// All nodes that have a seat.
    pub fn seated(&self) -> impl Iterator<Item = MemberIndex> + '_ {
        (0..self.places() as u8).map(MemberIndex).filter(|member| self.contains(*member))
    }

    /// The seat of the node with this key.
    pub fn seat_of(&self, key: NodeKey) -> Option<MemberIndex> {
        self.seated().find(|member| self.key(*member) == Some(key))
    }

    fn place(&self, member: MemberIndex) -> Option<Place> {
        self.places.get(usize::from(member.0)).copied().flatten()
    }
}

impl Electorate for Committee {
    fn size(&self) -> usize {
        self.size
    }

    fn quorum(&self) -> usize {
        quorum(self.size)
    }

    fn counts(&self, member: MemberIndex) -> bool {
        self.place(member).is_some_and(|place| place.counts)
    }

    fn first_round(&self) -> u64 {
        first_round(self.epoch)
    }

    fn has_round(&self, round: u64) -> bool {
        epoch_of(round) == Some(self.epoch)
    }
}

impl MemberBits {
    pub fn insert(&mut self, member: MemberIndex) {
        const { assert!(MEMBERS_MAX <= 64, "a member set fits into 64 bits") };
        self.0 |= 1 << (member.0 & 63);
    }

    pub fn contains(self, member: MemberIndex) -> bool {
        self.0 & (1 << (member.0 & 63)) != 0
    }

    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<MemberIndex> for MemberBits {
    fn from_iter<T: IntoIterator<Item = MemberIndex>>(members: T) -> Self {
        let mut bits = Self::default();
        members.into_iter().for_each(|member| bits.insert(member));
        bits
    }
}
