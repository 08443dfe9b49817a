//! Calls about kernel nodes: to become one, to change its keys, to stop being one, to convict one, and what version of
//! the protocol they speak (row K4).
//!
//! Two keys speak for a node. Its *owner* is a cold identity, pledges and decides. Its *hot key* signs snapshots, and
//! says here only that it is there: when it takes a seat, and when it has caught up; and deals the coin's key with the others
//! ([`Contribution`]).

use byway_crypto::node::NodeSignature;
use byway_crypto::{NodeSecret, Purpose};
use byway_primitives::NetworkId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::dealing::Contribution;
use super::unknown;
use crate::checkpoint::Height;
use crate::evidence::Evidence;
use crate::genesis::Member;

/// Row K4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelCall {
    /// Pays the pledge for a new member and gives it the lowest free seat, as a candidate. Authorised by its owner.
    Pledge { entry: MemberEntry },
    /// The candidate in this seat has caught up and begins to count with the next epoch. Anyone may hand it in; the
    /// node's own signature ([`ready`]) stands in it.
    Ready { seat: u8, signature: NodeSignature },
    /// The member stops taking part with the next epoch; its pledge is locked for a time from then on. Authorised by
    /// the owner.
    Leave { seat: u8 },
    /// Draws the pledge of a member that has left, once it is unlocked, and frees the seat. Authorised by the owner.
    Reclaim { seat: u8 },
    /// Changes the member's keys, address, name or owner from the next epoch on. Authorised by the owner so far.
    Rotate { seat: u8, entry: MemberEntry },
    /// Proves that a member broke the rules. By anyone; judged by the ledger, and free.
    Accuse { evidence: Box<Evidence> },
    /// Brings a conviction before those who govern the network. Authorised by whoever owned the member.
    Appeal { conviction: ConvictionId },
    /// The owner of the member in this seat agrees to another protocol version from a height on; once q(n) owners agree
    /// to the same, that is decided. Takes the place of what the owner agreed to before.
    Upgrade { seat: u8, to: Upgrade },
    /// What the member in this seat contributes to the coin's key. Anyone may hand it in; the node's own signature stands in
    /// it. Free.
    Contribute { seat: u8, contribution: Contribution, signature: NodeSignature },
}

/// Names a conviction: the first or the second of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConvictionId {
    pub seat: u8,
    /// The epoch with which the member took the seat.
    pub since: u32,
    pub is_second: bool,
}

/// Another version of the kernel's protocol, from the epoch on that begins with the first checkpoint at a height or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    pub protocol: u16,
    pub at: Height,
}

/// A member as it is to stand in its seat, and its hot key's signature over that: so that nobody takes a seat in the
/// name of a key that another holds, and counts twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEntry {
    pub member: Member,
    /// By the member's key ([`Purpose::Member`]).
    pub possession: NodeSignature,
}

impl MemberEntry {
    /// Signs a member with its own hot key.
    pub fn sign(member: Member, secret: &NodeSecret, network: NetworkId) -> Self {
        let possession = secret.sign(Purpose::Member, network, &member.to_bytes());
        Self { member, possession }
    }

    /// Whether the member's own key has signed it.
    pub fn verifies(&self, network: NetworkId) -> bool {
        let key = self.member.key;
        key.is_valid()
            && self.member.dealing.is_valid()
            && key.verifies(Purpose::Member, network, &self.member.to_bytes(), &self.possession)
    }
}

/// What a candidate signs ([`Purpose::Ready`]) when it has caught up: its seat, and the epoch with which it took it, so
/// that the signature is good for nobody who had the seat before or gets it later.
pub fn ready(seat: u8, since: u32) -> [u8; 5] {
    let [a, b, c, d] = since.to_le_bytes();
    [seat, a, b, c, d]
}

impl Encode for MemberEntry {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.member);
        out.value(&self.possession);
    }
}

impl Decode for MemberEntry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { member: input.value()?, possession: input.value()? })
    }
}

impl Encode for ConvictionId {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.seat);
        out.varint(self.since);
        out.flag(self.is_second);
    }
}

impl Decode for ConvictionId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seat: input.byte()?, since: input.u32()?, is_second: input.flag()? })
    }
}

impl Encode for Upgrade {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.protocol);
        out.value(&self.at);
    }
}

impl Decode for Upgrade {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { protocol: input.u16()?, at: input.value()? })
    }
}

impl Encode for KernelCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            KernelCall::Pledge { entry } => {
                out.byte(0);
                out.value(entry);
            }
            KernelCall::Ready { seat, signature } => {
                out.byte(1);
                out.byte(*seat);
                out.value(signature);
            }
            KernelCall::Leave { seat } => {
                out.byte(2);
                out.byte(*seat);
            }
            KernelCall::Reclaim { seat } => {
                out.byte(3);
                out.byte(*seat);
            }
            KernelCall::Rotate { seat, entry } => {
                out.byte(4);
                out.byte(*seat);
                out.value(entry);
            }
            KernelCall::Accuse { evidence } => {
                out.byte(5);
                out.value(evidence.as_ref());
            }
            KernelCall::Appeal { conviction } => {
                out.byte(6);
                out.value(conviction);
            }
            KernelCall::Upgrade { seat, to } => {
                out.byte(7);
                out.byte(*seat);
                out.value(to);
            }
            KernelCall::Contribute { seat, contribution, signature } => {
                out.byte(8);
                out.byte(*seat);
                out.value(contribution);
                out.value(signature);
            }
        }
    }
}

impl Decode for KernelCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(KernelCall::Pledge { entry: input.value()? }),
            1 => Ok(KernelCall::Ready { seat: input.byte()?, signature: input.value()? }),
            2 => Ok(KernelCall::Leave { seat: input.byte()? }),
            3 => Ok(KernelCall::Reclaim { seat: input.byte()? }),
            4 => Ok(KernelCall::Rotate { seat: input.byte()?, entry: input.value()? }),
            5 => Ok(KernelCall::Accuse { evidence: Box::new(input.value()?) }),
            6 => Ok(KernelCall::Appeal { conviction: input.value()? }),
            7 => Ok(KernelCall::Upgrade { seat: input.byte()?, to: input.value()? }),
            8 => Ok(KernelCall::Contribute {
                seat: input.byte()?,
                contribution: input.value()?,
                signature: input.value()?,
            }),
            other => unknown("kernel call", other),
        }
    }
}
