//! The common coin: leaders that nobody can foresee (row K3).
//!
//! # The problem
//!
//! Under round robin everyone knows the next leaders. Whoever decides when messages arrive can keep each leader's
//! snapshot from a few voters until they have signed, so that it gets neither a quorum of votes nor one against it, and
//! nothing is ever decided. No waiting time helps, since the delay can be longer than any.
//!
//! # The idea
//!
//! Who leads round r is settled when it is too late to do anything about it: by the *coin* of round r + 4, the round of
//! the certificates. A snapshot of round r + 4 carries its author's share of a threshold signature
//! ([`byway_crypto::threshold`]) on the round's number; f + 1 shares *open* the coin, a signature that is the same
//! whoever contributed and unknown while no honest node has signed for round r + 4. Its digest shuffles the members, and
//! the first of them lead. Until then [`CommonCoin::leader`] knows nobody.
//!
//! - *A share per round*: a snapshot also carries shares of earlier rounds that its author signed nothing for, unless
//!   their coins are open already. So every coin gets the share of every honest node that goes on, and opens.
//! - *Shares are checked when they are used.* They are put together unlooked-at, and the one signature that comes out is
//!   verified. Only if it is false is each share verified; whose was false is not listened to any more, and the snapshot
//!   is evidence against its author ([`check_shares`]). A false share in the graph harms nothing: opening takes f + 1
//!   good ones, and every q(n) authors have as many honest among them.
//!
//! All nodes that open a coin see the same leaders, whatever shares they have used, so safety does not depend on the coin
//! being unforeseen, nor on anyone's share being good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_crypto::Purpose;
use byway_crypto::threshold::{ShareSecret, SignatureShare, ThresholdKey, UniqueSignature};
use byway_primitives::NetworkId;
use byway_primitives::hash::Context;

pub use byway_records::snapshot::{CoinShare, SHARES_MAX};

use crate::committee::{MemberBits, MemberIndex};
use crate::leader::{LeaderSchedule, Slot};
use crate::snapshot::Reference;
use crate::verified::{SnapshotError, VerifiedSnapshot};

const SHUFFLE: Context = Context("byway 1 coin");

/// Rounds from a leader to the votes for it: two in which its snapshot spreads, and the votes'.
const VOTE_DISTANCE: u64 = 3;
/// Rounds from a leader to the coin that names it.
const COIN_DISTANCE: u64 = VOTE_DISTANCE + 1;

/// The key of an epoch's coin, and this node's part of it.
#[derive(Debug, Clone)]
pub struct CoinKey {
    pub public: Arc<ThresholdKey>,
    /// Absent at a node that got none when the key was dealt: it follows the coin and contributes nothing.
    pub secret: Option<ShareSecret>,
}

/// Leaders as the coin names them. See the [module](self).
#[derive(Debug)]
pub struct CommonCoin {
    network: NetworkId,
    members: Vec<MemberIndex>,
    leaders_per_round: usize,
    key: CoinKey,
    /// Coins below this round name leaders of rounds that are decided.
    floor: u64,
    tosses: BTreeMap<u64, Toss>,
    /// Shares of our own are given of all rounds up to this …
    given: u64,
    /// … but these.
    due: BTreeSet<u64>,
    /// Whose share was false once.
    caught: MemberBits,
    /// Their snapshots, to be reported.
    evidence: Vec<Reference>,
}

/// The coin of one round.
#[derive(Debug)]
enum Toss {
    Closed(BTreeMap<MemberIndex, (SignatureShare, Reference)>),
    /// The members, leaders first.
    Open(Vec<MemberIndex>),
}

/// Whether a snapshot's shares of coins are what they must be. Whoever has the epoch's key gets the same answer.
pub fn check_shares(network: NetworkId, key: &ThresholdKey, snapshot: &VerifiedSnapshot) -> Result<(), SnapshotError> {
    let author = snapshot.header().author;
    let is_false = |coin: &&CoinShare| !coin.is_good(key, network, author);
    match snapshot.header().coin_shares.iter().find(is_false) {
        Some(coin) => Err(SnapshotError::CoinShare(coin.round)),
        None => Ok(()),
    }
}

impl CommonCoin {
    /// `leaders_per_round` is at least one; if it is more than there are members, all of them lead.
    pub fn new(network: NetworkId, members: Vec<MemberIndex>, leaders_per_round: usize, key: CoinKey) -> Self {
        Self {
            network,
            leaders_per_round: leaders_per_round.clamp(1, members.len()),
            members,
            key,
            floor: 0,
            tosses: BTreeMap::new(),
            given: 0,
            due: BTreeSet::new(),
            caught: MemberBits::default(),
            evidence: Vec::new(),
        }
    }

    fn take_share(&mut self, author: MemberIndex, coin: &CoinShare, reference: Reference) {
        if coin.round < self.floor || self.caught.contains(author) {
            return;
        }
        let toss = self.tosses.entry(coin.round).or_insert_with(|| Toss::Closed(BTreeMap::new()));
        let Toss::Closed(shares) = toss else { return };
        shares.entry(author).or_insert((coin.share, reference));
        if shares.len() < self.key.public.threshold() {
            return;
        }
        let numbered: Vec<_> = shares.iter().map(|(member, (share, _))| (member.0, *share)).collect();
        let combined = self.key.public.combine(Purpose::Coin, self.network, &CoinShare::message(coin.round), &numbered);
        for culprit in combined.culprits.into_iter().map(MemberIndex) {
            self.caught.insert(culprit);
            self.evidence.extend(shares.remove(&culprit).map(|(_, reference)| reference));
        }
        if let Some(signature) = combined.signature {
            *toss = Toss::Open(shuffle(&signature, &self.members));
        }
    }
}

impl LeaderSchedule for CommonCoin {
    fn leaders_per_round(&self) -> usize {
        self.leaders_per_round
    }

    fn vote_distance(&self) -> u64 {
        VOTE_DISTANCE
    }

    fn leader(&self, slot: Slot) -> Option<MemberIndex> {
        match self.tosses.get(&(slot.round + COIN_DISTANCE))? {
            Toss::Open(members) => members[..self.leaders_per_round].get(slot.offset).copied(),
            Toss::Closed(_) => None,
        }
    }

    fn awaited(&self, _: Slot) -> Option<MemberIndex> {
        None
    }

    fn observe(&mut self, snapshot: &VerifiedSnapshot) {
        for coin in &snapshot.header().coin_shares {
            self.take_share(snapshot.header().author, coin, snapshot.reference());
        }
    }

    fn shares_for(&mut self, round: u64) -> Vec<CoinShare> {
        let Some(secret) = &self.key.secret else { return Vec::new() };
        self.due.extend(self.given.max(self.floor.saturating_sub(1)) + 1..=round);
        self.given = self.given.max(round);
        let tosses = &self.tosses;
        self.due.retain(|due| *due == round || !matches!(tosses.get(due), Some(Toss::Open(_))));
        // The own round's first, because that is the one that others wait for.
        let skipped = self.due.iter().copied().filter(|due| *due != round).take(SHARES_MAX - 1);
        let now: Vec<u64> = skipped.chain([round]).collect();
        self.due.retain(|due| !now.contains(due));
        let sign =
            |round| CoinShare { round, share: secret.sign(Purpose::Coin, self.network, &CoinShare::message(round)) };
        now.into_iter().map(sign).collect()
    }

    fn raise_floor(&mut self, round: u64) {
        self.floor = self.floor.max(round + COIN_DISTANCE);
        self.tosses = self.tosses.split_off(&self.floor);
        self.due = self.due.split_off(&self.floor);
    }

    fn take_evidence(&mut self) -> Vec<Reference> {
        std::mem::take(&mut self.evidence)
    }
}

/// All members in the order of the coin (Fisher and Yates; with 64 bits per step no member is favoured by more than 2⁻⁵⁸).
fn shuffle(signature: &UniqueSignature, members: &[MemberIndex]) -> Vec<MemberIndex> {
    let mut order = members.to_vec();
    let mut chance = vec![0; 8 * order.len()];
    SHUFFLE.expand(&[&signature.digest(SHUFFLE).0], &mut chance);
    for (place, word) in (1..order.len()).zip(chance.as_chunks::<8>().0).rev() {
        order.swap(place, (u64::from_le_bytes(*word) % (place as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests;
