//! Work that a busy node asks for before it looks at a transaction (row K3).
//!
//! A signature takes thirty microseconds to check and nothing to make up, and what is in the pool already is in the way of
//! what comes. So the fuller the pool, and the more of it one source has, the more work it asks of whoever adds to it: to
//! find a number whose digest with the transaction's id begins with so many zero bits (Dwork & Naor 1992). It is checked
//! before any signature, at the price of one digest.
//!
//! **What a stamp is good for.** One transaction, at one node, for a minute: the *salt* is made of the node's key and the
//! digest of a checkpoint that nobody could foresee, and changes every half minute, so that stamps can't be used at
//! several nodes, nor made in stock. It travels beside the transaction and is no part of it: ids stay what they are, and
//! who hands on a transaction stamps it anew.
//!
//! **Who pays.** A source that has little in the pool is asked for nothing until more than half of the pool is in use, which
//! one source alone can't bring about ([`Pool`](crate::pool::Pool)). So a flood from one source costs the others no work.

use byway_crypto::NodeKey;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId, Span, Time};
use byway_records::TransactionId;

const SALT: Context = Context("byway 1 stamp: salt");
const SUBJECT: Context = Context("byway 1 stamp: subject");
const STAMP: Context = Context("byway 1 stamp");

/// The most that is ever asked for: some seconds of one core.
pub const BITS_MAX: u8 = 24;
/// What a client does for one transaction, if its owner says nothing else: about a second.
pub const BITS_DEFAULT: u8 = 22;
/// In how many parts the pool's fill is measured.
pub const PARTS: u64 = 32;
/// How long a salt is given out. It is good for as long again.
const SALT_LIFE: Span = Span::seconds(30);

/// A number that took work to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(pub u64);

/// How much work is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Demand {
    /// Zero bits that the digest begins with. Each doubles the work.
    pub bits: u8,
    pub salt: Hash,
}

/// What it takes to hand something in here, for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    pub demand: Demand,
    /// The salt before, which is still good.
    earlier: Hash,
}

/// The salts of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Salts {
    now: Hash,
    earlier: Hash,
    since: Option<Time>,
}

/// The work for a pool of which so many [`PARTS`] are in use, `own` of them by who adds to it.
///
/// Up to a sixteenth of the pool one's own costs nothing, then a bit more for every sixteenth, from 11 bits, half a
/// millisecond, to 18 where the source has as much as it can. Once half of the pool is in use everyone does 12 bits, and 20
/// when it is full. Both add up.
pub fn bits(fill: u64, own: u64) -> u8 {
    let for_own = if own < 2 { 0 } else { 10 + own / 2 };
    let for_all = if fill <= PARTS / 2 { 0 } else { 12 + (fill - PARTS / 2) / 2 };
    (for_own + for_all).min(u64::from(BITS_MAX)) as u8
}

impl Salts {
    pub fn new() -> Self {
        Self { now: Hash::ZERO, earlier: Hash::ZERO, since: None }
    }

    /// What is asked for at `now`. `newest` is the digest of the newest checkpoint.
    pub fn admission(
        &mut self,
        now: Time,
        (network, node): (NetworkId, NodeKey),
        newest: impl FnOnce() -> Hash,
        bits: u8,
    ) -> Admission {
        if self.since.is_none_or(|since| now.since(since) >= SALT_LIFE) {
            let salt = SALT.hash(&[&network.0.0, &node.0, &newest().0, &now.0.to_be_bytes()]);
            self.earlier = if self.since.is_none() { salt } else { self.now };
            (self.now, self.since) = (salt, Some(now));
        }
        Admission { demand: Demand { bits, salt: self.now }, earlier: self.earlier }
    }
}

impl Admission {
    /// Lets everything pass: for whoever runs the node.
    pub const FREE: Admission = Admission { demand: Demand { bits: 0, salt: Hash::ZERO }, earlier: Hash::ZERO };

    /// Lets a transaction pass that bears the stamp asked for.
    ///
    /// # Errors
    /// What is asked for.
    pub fn check(&self, transaction: TransactionId, stamp: Option<Stamp>) -> Result<(), Demand> {
        let Demand { bits, salt } = self.demand;
        let is_paid = |salt| stamp.is_some_and(|stamp| work(subject(salt, transaction), stamp) >= u32::from(bits));
        if bits == 0 || is_paid(salt) || is_paid(self.earlier) { Ok(()) } else { Err(self.demand) }
    }
}

impl Demand {
    /// Does the work. Takes 2^bits digests on average, a few million a second; gives up after sixteen times that.
    pub fn work(&self, transaction: TransactionId) -> Option<Stamp> {
        let (subject, bits) = (subject(self.salt, transaction), u32::from(self.bits));
        let tries = 1u64.checked_shl(bits + 4)?;
        (0..tries).map(Stamp).find(|stamp| work(subject, *stamp) >= bits)
    }
}

/// What is stamped.
fn subject(salt: Hash, transaction: TransactionId) -> Hash {
    SUBJECT.hash(&[&salt.0, &transaction.0.0])
}

/// Zero bits that the stamp's digest begins with.
fn work(subject: Hash, stamp: Stamp) -> u32 {
    let digest = STAMP.hash(&[&subject.0, &stamp.0.to_be_bytes()]).0;
    let zeros = digest.iter().take_while(|byte| **byte == 0).count();
    zeros as u32 * 8 + digest.get(zeros).map_or(0, |byte| byte.leading_zeros())
}

impl Encode for Stamp {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Stamp {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.u64().map(Self)
    }
}

impl Encode for Demand {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.bits);
        out.value(&self.salt);
    }
}

impl Decode for Demand {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { bits: input.byte()?, salt: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::{NETWORK, secret};

    const NOW: Time = Time(1_800_000_000_000);

    fn id(number: u8) -> TransactionId {
        TransactionId(Hash([number; 32]))
    }

    fn admission(salts: &mut Salts, node: u8, seconds: u64, newest: u8, bits: u8) -> Admission {
        let now = NOW + Span::seconds(seconds);
        salts.admission(now, (NETWORK, secret(node).public()), || Hash([newest; 32]), bits)
    }

    #[test]
    fn a_stamp_is_for_one_transaction_at_one_node_for_a_while() {
        let mut salts = Salts::new();
        let asked = admission(&mut salts, 0, 0, 1, 12);
        let stamp = asked.demand.work(id(1));
        assert_eq!(asked.check(id(1), stamp), Ok(()));
        // Another transaction, none, a higher demand, another node, later, too late; and nothing asked for.
        let mut other = Salts::new();
        let rows = [
            (asked, id(2), stamp, false),
            (asked, id(1), None, false),
            (admission(&mut salts, 0, 1, 1, 24), id(1), stamp, false),
            (admission(&mut other, 1, 0, 1, 12), id(1), stamp, false),
            (admission(&mut salts, 0, 31, 2, 12), id(1), stamp, true),
            (admission(&mut salts, 0, 62, 3, 12), id(1), stamp, false),
            (admission(&mut salts, 0, 62, 3, 0), id(1), None, true),
        ];
        for (admission, transaction, stamp, passes) in rows {
            let outcome = admission.check(transaction, stamp);
            assert_eq!(outcome, if passes { Ok(()) } else { Err(admission.demand) }, "{admission:?}");
        }
    }

    #[test]
    fn one_source_alone_costs_the_others_nothing_and_itself_ever_more() {
        // Fill and own share in 32nds, and bits.
        for (fill, own, expected) in
            [(0, 0, 0), (16, 0, 0), (16, 1, 0), (2, 2, 11), (16, 16, 18), (17, 0, 12), (32, 0, 20), (32, 16, 24)]
        {
            assert_eq!(bits(fill, own), expected, "{fill} {own}");
        }
        for fill in 0..=PARTS {
            for own in 0..fill {
                assert!(bits(fill, own) <= bits(fill, own + 1) && bits(fill, own) <= bits(fill + 1, own));
            }
        }
    }

    #[test]
    fn work_is_what_it_says() {
        for bits in [0, 1, 8, 9, 15] {
            let demand = Demand { bits, salt: Hash([7; 32]) };
            let stamp = demand.work(id(3)).expect("found");
            assert!(work(subject(demand.salt, id(3)), stamp) >= u32::from(bits));
        }
        assert_eq!(Demand { bits: 255, salt: Hash::ZERO }.work(id(3)), None, "nobody works for ever");
    }
}
