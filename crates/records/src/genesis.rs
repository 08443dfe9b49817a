//! Genesis: the file that a network is.
//!
//! People read and write it as JSON; its canonical encoding, not its JSON, is digested into the [`NetworkId`], so
//! spelling and white space don't matter and every parameter does.

use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::dealing::DealingKey;
use byway_crypto::{GhostKey, NodeKey};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::time::{Span, Time};
use byway_primitives::{Amount, AssetId, IdentityId, NetworkId};
use serde::{Deserialize, Serialize};

use crate::checkpoint::MEMBERS_MAX;
use crate::epoch::{Epoch, PROTOCOL_FIRST, Seats};
use crate::transaction::{Output, TransactionId};

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

/// How the leaders of the snapshot graph are named (row K3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRule {
    pub kind: LeaderKind,
    /// From 1 to 50; all members lead in every round if it is more than there are.
    pub leaders_per_round: u8,
}

/// Who names the leaders of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderKind {
    /// Each member in turn.
    RoundRobin,
    /// A coin of the members, thrown after the votes. Each in turn until they have dealt its key.
    CommonCoin,
}

/// What a program call costs, in WAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPrices {
    pub offer_publish: Amount,
    pub asset_register: Amount,
    /// A call about a channel; of a contract's code, for each KiB that is begun.
    pub channel: Amount,
    /// A unit of the gas that a call takes which the ledger executes.
    pub gas: Amount,
    /// Every other call.
    pub other: Amount,
}

/// A span that must pass both in ledger time and in commits, so that a stalled kernel expires nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub millis: Span,
    pub commits: u64,
}

/// Consensus parameters. They are part of the network and not of any node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    pub leader_rule: LeaderRule,
    /// A checkpoint ends the first commit; from then on one comes at the latest every so many commits …
    pub checkpoint_commits: u64,
    /// … or this long after a commit with content.
    pub checkpoint_delay: Span,
    /// … or as soon as what it gives to followers comes to so many bytes, be it in the middle of what the kernel commits at
    /// once …
    pub checkpoint_bytes: u64,
    /// … or this long after the last one, if nothing happens.
    pub checkpoint_idle: Span,
    /// Rounds below the last commit that a snapshot can still be committed from.
    pub round_horizon: u64,
    pub registration_pledge: Amount,
    pub kernel_pledge: Amount,
    /// Parts per million of a settled amount that go to the pool.
    pub settlement_fee_ppm: u32,
    pub withdrawal_notice: Wait,
    pub offer_life: Wait,
    /// How long a kernel node's pledge stays locked once it has left: what it signed can be punished until then.
    pub pledge_lock: Wait,
    /// How long after a kernel node changed its keys or its address it may do so again. Each such change begins an
    /// epoch, and what epochs there were is kept for the time of the pledge lock.
    pub rotation_pause: Wait,
    /// How long an epoch lasts at most. The next one begins with the same members if nothing has changed: what led there
    /// need not be kept then, and who was away need not execute it.
    pub epoch_life: Wait,
    /// How long a convicted kernel node's owner may appeal, and how long an appeal is open.
    pub appeal_time: Wait,
    /// The smallest amount an output may hold.
    pub output_min: Amount,
    pub call_prices: CallPrices,
}

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

impl Parameters {
    /// The numbers of `design`: what `byway genesis new` starts from.
    pub fn standard() -> Self {
        Self {
            leader_rule: LeaderRule { kind: LeaderKind::RoundRobin, leaders_per_round: 50 },
            // At the most fifty leaders a round, each a commit: some dozens of rounds.
            checkpoint_commits: 1_600,
            checkpoint_delay: Span::millis(250),
            // A quarter of a second of some ten thousand transfers a second takes less.
            checkpoint_bytes: 2 << 20,
            checkpoint_idle: Span::seconds(30),
            round_horizon: 256,
            registration_pledge: Amount::from_coins(1),
            kernel_pledge: Amount::from_coins(10_000),
            settlement_fee_ppm: 1_000,
            withdrawal_notice: Wait { millis: Span::minutes(10), commits: 600 },
            offer_life: Wait { millis: Span::days(10), commits: 60_000 },
            pledge_lock: Wait { millis: Span::days(21), commits: 120_000 },
            rotation_pause: Wait { millis: Span::minutes(360), commits: 1_000 },
            epoch_life: Wait { millis: Span::days(1), commits: 1_000 },
            appeal_time: Wait { millis: Span::days(14), commits: 80_000 },
            output_min: Amount::from_units(1),
            call_prices: CallPrices {
                offer_publish: Amount::from_units(1_000_000_000_000_000),
                asset_register: Amount::from_coins(1),
                channel: Amount::from_units(100_000_000_000_000),
                // A hundred thousand cost as much as a call, and take as long in most code.
                gas: Amount::from_units(1_000_000_000),
                other: Amount::ZERO,
            },
        }
    }
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

impl Encode for Wait {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.millis);
        out.varint(self.commits);
    }
}

impl Decode for Wait {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { millis: input.value()?, commits: input.u64()? })
    }
}

impl Encode for Parameters {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self.leader_rule.kind {
            LeaderKind::RoundRobin => 0,
            LeaderKind::CommonCoin => 1,
        });
        out.byte(self.leader_rule.leaders_per_round);
        out.varint(self.checkpoint_commits);
        out.value(&self.checkpoint_delay);
        out.varint(self.checkpoint_bytes);
        out.value(&self.checkpoint_idle);
        out.varint(self.round_horizon);
        out.value(&self.registration_pledge);
        out.value(&self.kernel_pledge);
        out.varint(self.settlement_fee_ppm);
        out.value(&self.withdrawal_notice);
        out.value(&self.offer_life);
        out.value(&self.pledge_lock);
        out.value(&self.rotation_pause);
        out.value(&self.epoch_life);
        out.value(&self.appeal_time);
        out.value(&self.output_min);
        out.value(&self.call_prices.offer_publish);
        out.value(&self.call_prices.asset_register);
        out.value(&self.call_prices.channel);
        out.value(&self.call_prices.gas);
        out.value(&self.call_prices.other);
    }
}

impl Decode for Parameters {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = match input.byte()? {
            0 => LeaderKind::RoundRobin,
            1 => LeaderKind::CommonCoin,
            other => return Err(DecodeError::UnknownVariant { kind: "leader rule", value: other.into() }),
        };
        Ok(Self {
            leader_rule: LeaderRule { kind, leaders_per_round: input.byte()? },
            checkpoint_commits: input.u64()?,
            checkpoint_delay: input.value()?,
            checkpoint_bytes: input.u64()?,
            checkpoint_idle: input.value()?,
            round_horizon: input.u64()?,
            registration_pledge: input.value()?,
            kernel_pledge: input.value()?,
            settlement_fee_ppm: input.u32()?,
            withdrawal_notice: input.value()?,
            offer_life: input.value()?,
            pledge_lock: input.value()?,
            rotation_pause: input.value()?,
            epoch_life: input.value()?,
            appeal_time: input.value()?,
            output_min: input.value()?,
            call_prices: CallPrices {
                offer_publish: input.value()?,
                asset_register: input.value()?,
                channel: input.value()?,
                gas: input.value()?,
                other: input.value()?,
            },
        })
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
