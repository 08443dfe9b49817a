//! Genesis: the file that a network is.
//!
//! People read and write it as JSON; its canonical encoding, not its JSON, is digested into the [`NetworkId`], so
//! spelling and white space don't matter and every parameter does.

use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::dealing::DealingKey;
use byway_crypto::{GhostKey, NodeKey};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, IdentityId, NetworkId, Time};
use serde::{Deserialize, Serialize};

use crate::checkpoint::MEMBERS_MAX;
use crate::epoch::{Epoch, PROTOCOL_FIRST, Seats};
use crate::transaction::{Output, TransactionId};

pub mod parameters;

pub use parameters::{CallPrices, LeaderKind, LeaderRule, NamePrices, Parameters, Wait};

const NETWORK: Context = Context("byway 1 network");
const GENESIS_TRANSACTION: Context = Context("byway 1 genesis transaction");

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// The fewest kernel nodes of a real network (row K3).
pub const MEMBERS_MIN: usize = 7;
/// The fewest that can lose one: what a test network may start with.
pub const TEST_MEMBERS_MIN: usize = 4;

/// Bytes of a kernel node's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a kernel node's address: the longest host name and a port.
pub const ADDRESS_BYTES_MAX: usize = 255 + 6;
/// The most that [`Parameters::checkpoint_bytes`] may be: half of the largest frame between nodes, in which a checkpoint
/// goes to followers together with what its last transaction adds.
pub const CHECKPOINT_BYTES_MAX: u64 = 4 << 20;

/// Bytes of a genesis' encoding: it is sent whole to whoever joins with nothing but a link, in one frame between nodes.
pub const GENESIS_BYTES_MAX: usize = 4 << 20;
/// First outputs: more than fit into [`GENESIS_BYTES_MAX`].
const OUTPUTS_MAX: usize = GENESIS_BYTES_MAX / 32;

/// A kernel node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    /// Who pledged for it and decides about it: a cold identity, whose key never needs to be where the node runs.
    pub owner: IdentityId,
    /// What it signs snapshots and votes with: the hot key.
    pub key: NodeKey,
    /// X25519 static key of its mesh port.
    pub mesh: StaticKey,
    /// What its shares of a coin's key are sealed for.
    pub dealing: DealingKey,
    /// `host:port` of its mesh port.
    pub address: String,
}

/// The kernel nodes in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberSet(Vec<Member>);

/// What a network starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    pub name: String,
    pub time: Time,
    /// A test network may have fewer than seven nodes.
    pub test: bool,
    pub parameters: Parameters,
    pub members: MemberSet,
    /// Coins in the pool.
    pub pool: Amount,
    /// R of the first outputs.
    pub ghost: GhostKey,
    /// The first outputs, all in WAY.
    pub outputs: Vec<Output>,
}

/// Why a genesis makes no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    #[error("a network has {min} to {MEMBERS_MAX} kernel nodes, and {have} are named")]
    MemberCount { have: usize, min: usize },
    #[error(
        "kernel node {0} has a name of more than {NAME_BYTES_MAX} bytes, or an address of more than {ADDRESS_BYTES_MAX}"
    )]
    MemberText(usize),
    #[error("kernel node {0} has an invalid key, or one that another node has too")]
    MemberKey(usize),
    #[error("genesis output {0} is not a valid output in WAY")]
    Output(usize),
    #[error("a round has 1 to {MEMBERS_MAX} leaders, this genesis asks for {0}: change parameters.leader_rule")]
    LeadersPerRound(u8),
    #[error(
        "a checkpoint gives followers 1 to {CHECKPOINT_BYTES_MAX} bytes, this genesis asks for {0}: change parameters.checkpoint_bytes"
    )]
    CheckpointBytes(u64),
    #[error("the amounts in genesis overflow")]
    Overflow,
    #[error("the network's name has more than {NAME_BYTES_MAX} bytes; give it a shorter one")]
    Name,
    #[error(
        "this genesis has {0} bytes, and nobody who joins can be sent more than {GENESIS_BYTES_MAX}; fund fewer addresses"
    )]
    TooLarge(usize),
}

/// The id under which a network's genesis outputs were made.
pub fn genesis_transaction(network: NetworkId) -> TransactionId {
    TransactionId(GENESIS_TRANSACTION.hash(&[&network.0.0]))
}

/// Votes that make a quorum among `n` nodes of which ⌊(n−1)/3⌋ may be faulty: two quorums share an honest node, for
/// every n ("2f+1" does so only where n = 3f+1).
pub const fn quorum(n: usize) -> usize {
    n - faults_tolerated(n)
}

/// ⌊(n−1)/3⌋.
pub const fn faults_tolerated(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

impl MemberSet {
    pub fn new(members: Vec<Member>) -> Self {
        Self(members)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, index: u8) -> Option<&Member> {
        self.0.get(usize::from(index))
    }

    /// Members with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Member)> {
        self.0.iter().enumerate().map(|(index, member)| (index as u8, member))
    }

    pub fn index_of(&self, key: NodeKey) -> Option<u8> {
        self.iter().find(|(_, member)| member.key == key).map(|(index, _)| index)
    }

    pub fn quorum(&self) -> usize {
        quorum(self.len())
    }

    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.len())
    }
}

impl Genesis {
    /// The network that this genesis is.
    pub fn network(&self) -> NetworkId {
        NetworkId(NETWORK.hash_value(self))
    }

    /// The epoch that the network starts with.
    pub fn epoch(&self) -> Epoch {
        let members = self.members.iter().map(|(_, member)| member.clone());
        Epoch { number: 0, protocol: PROTOCOL_FIRST, seats: Seats::founding(members), coin: None }
    }

    /// The fewest members that may count, in the beginning and whenever one leaves.
    pub fn members_min(&self) -> usize {
        if self.test { TEST_MEMBERS_MIN } else { MEMBERS_MIN }
    }

    /// The id under which the genesis outputs were made.
    pub fn transaction(&self) -> TransactionId {
        genesis_transaction(self.network())
    }

    /// All coins there will ever be: outputs, pool and the kernel nodes' pledges.
    pub fn supply(&self) -> Option<Amount> {
        let pledges = self.members.iter().map(|_| self.parameters.kernel_pledge);
        let outputs = self.outputs.iter().map(|output| output.value.amount);
        Amount::checked_sum(outputs.chain(pledges).chain([self.pool]))
    }

    pub fn validate(&self) -> Result<(), GenesisError> {
        if self.name.len() > NAME_BYTES_MAX {
            return Err(GenesisError::Name);
        }
        let bytes = self.to_bytes().len();
        if bytes > GENESIS_BYTES_MAX {
            return Err(GenesisError::TooLarge(bytes));
        }
        let (have, min) = (self.members.len(), self.members_min());
        if !(min..=MEMBERS_MAX).contains(&have) {
            return Err(GenesisError::MemberCount { have, min });
        }
        let leaders = self.parameters.leader_rule.leaders_per_round;
        if !(1..=MEMBERS_MAX).contains(&usize::from(leaders)) {
            return Err(GenesisError::LeadersPerRound(leaders));
        }
        let bytes = self.parameters.checkpoint_bytes;
        if !(1..=CHECKPOINT_BYTES_MAX).contains(&bytes) {
            return Err(GenesisError::CheckpointBytes(bytes));
        }
        for (index, member) in self.members.iter() {
            let are_valid = member.key.is_valid() && member.dealing.is_valid();
            if !are_valid || self.members.index_of(member.key) != Some(index) {
                return Err(GenesisError::MemberKey(index.into()));
            }
            if member.name.len() > NAME_BYTES_MAX || member.address.len() > ADDRESS_BYTES_MAX {
                return Err(GenesisError::MemberText(index.into()));
            }
        }
        for (index, output) in self.outputs.iter().enumerate() {
            let keys = output.lock.keys.iter().all(GhostKey::is_valid) && output.lock.is_valid();
            if !keys || output.value.asset != AssetId::WAY || output.view_tags.len() != output.lock.keys.len() {
                return Err(GenesisError::Output(index));
            }
        }
        self.supply().map(|_| ()).ok_or(GenesisError::Overflow)
    }
}

impl Encode for Member {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name);
        out.value(&self.owner);
        out.value(&self.key);
        out.value(&self.mesh);
        out.value(&self.dealing);
        out.text(&self.address);
    }
}

impl Decode for Member {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: input.text(NAME_BYTES_MAX)?,
            owner: input.value()?,
            key: input.value()?,
            mesh: input.value()?,
            dealing: input.value()?,
            address: input.text(ADDRESS_BYTES_MAX)?,
        })
    }
}

impl Encode for MemberSet {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.0);
    }
}

impl Decode for MemberSet {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.list(MEMBERS_MAX)?))
    }
}

impl Encode for Genesis {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.text(&self.name);
        out.value(&self.time);
        out.flag(self.test);
        out.value(&self.parameters);
        out.value(&self.members);
        out.value(&self.pool);
        out.value(&self.ghost);
        out.list(&self.outputs);
    }
}

/// Whatever decodes is one network's genesis, and need not be a [valid](Genesis::validate) one.
impl Decode for Genesis {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "genesis version", value: other.into() }),
        }
        Ok(Self {
            name: input.text(NAME_BYTES_MAX)?,
            time: input.value()?,
            test: input.flag()?,
            parameters: input.value()?,
            members: input.value()?,
            pool: input.value()?,
            ghost: input.value()?,
            outputs: input.list(OUTPUTS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_quorums_share_an_honest_node() {
        for n in [4usize, 7, 8, 9, 10, 50] {
            let (q, f) = (quorum(n), faults_tolerated(n));
            assert!(2 * q > n + f, "n = {n}: two quorums of {q} must share more than {f}");
            assert!(q <= n - f, "n = {n}: a quorum must exist without the faulty");
        }
        assert_eq!([7, 8, 9, 10, 50].map(quorum), [5, 6, 7, 7, 34]);
    }
}
