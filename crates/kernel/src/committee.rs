//! Who the kernel nodes are, and how many of them make a quorum.

use std::fmt;

use byway_crypto::NodeKey;
use byway_primitives::{Decode, DecodeError, Encode, NetworkId, Reader, Writer};
use byway_records::checkpoint::MEMBERS_MAX;
use byway_records::genesis::{Genesis, faults_tolerated, quorum};

/// A kernel node's number in the genesis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u8);

/// The network and the signing keys of its kernel nodes: what is needed to judge a snapshot alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    network: NetworkId,
    keys: Vec<NodeKey>,
}

/// A set of kernel nodes. Every count that is compared with a quorum is the size of such a set, so that nobody who
/// equivocates is counted twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberBits(u64);

impl Committee {
    pub fn new(genesis: &Genesis) -> Self {
        let keys = genesis.members.iter().map(|(_, member)| member.key).collect();
        Self::of(genesis.network(), keys)
    }

    /// The nodes with these keys, in the order of their numbers.
    pub fn of(network: NetworkId, keys: Vec<NodeKey>) -> Self {
        debug_assert!(keys.len() <= MEMBERS_MAX, "genesis bounds the kernel");
        Self { network, keys }
    }

    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// n: how many nodes there are.
    pub fn size(&self) -> usize {
        self.keys.len()
    }

    /// q(n) = n − ⌊(n − 1)/3⌋.
    pub fn quorum(&self) -> usize {
        quorum(self.size())
    }

    /// f = ⌊(n − 1)/3⌋.
    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.size())
    }

    pub fn key(&self, member: MemberIndex) -> Option<NodeKey> {
        self.keys.get(usize::from(member.0)).copied()
    }

    pub fn contains(&self, member: MemberIndex) -> bool {
        usize::from(member.0) < self.size()
    }

    pub fn members(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        (0..self.size()).map(|index| MemberIndex(index as u8))
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

impl fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl Encode for MemberIndex {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.0);
    }
}

impl Decode for MemberIndex {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            index if usize::from(index) < MEMBERS_MAX => Ok(Self(index)),
            _ => Err(DecodeError::OutOfRange),
        }
    }
}
