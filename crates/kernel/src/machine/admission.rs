//! Who is let in, and at the price of what work, before anybody looks at what they bring.

use std::collections::BTreeMap;

use byway_primitives::{Hash, Span, Time};
use byway_records::Checkpoint;

use super::Kernel;
use crate::committee::MemberIndex;
use crate::message::TRANSACTIONS_MAX;
use crate::pool::Source;
use crate::stamp::{self, Admission, BITS_MAX, Salts};

/// Transactions that a member may hand on per second: twice what an honest one does.
const HANDED_ON_PER_SECOND: usize = 2 * TRANSACTIONS_MAX;
/// Transactions that a member may hand on at once.
const HANDED_ON_MAX: usize = 4 * TRANSACTIONS_MAX;
/// Sources remembered that handed in what is ill-formed. Beyond it the one that did so longest ago is forgotten.
const SUSPECTS_MAX: usize = 1024;
/// For how long such a source is asked for work whatever it hands in.
const SUSPECTED_FOR: Span = Span::minutes(1);
/// What it is asked for at first. A bit more each time, so that it always does much more work than it makes.
const SUSPECT_BITS: u8 = 14;

/// What is remembered of those who hand in.
#[derive(Debug)]
pub(super) struct Admitting {
    salts: Salts,
    /// How often a source handed in what is ill-formed, and when it did last.
    suspects: BTreeMap<Source, (u8, Time)>,
    /// How many transactions a member may still hand on, and since when that is so.
    handed_on: BTreeMap<MemberIndex, (usize, Time)>,
}

impl Admitting {
    pub fn new() -> Self {
        Self { salts: Salts::new(), suspects: BTreeMap::new(), handed_on: BTreeMap::new() }
    }

    fn suspect_bits(&self, now: Time, source: Source) -> u8 {
        let suspect = self.suspects.get(&source).filter(|(_, last)| now.since(*last) < SUSPECTED_FOR);
        suspect.map_or(0, |(times, _)| SUSPECT_BITS.saturating_add(*times).min(BITS_MAX))
    }
}

impl Kernel {
    /// What it takes to hand something in now, for this source. To be checked before the transaction's signatures are.
    pub fn admission(&mut self, now: Time, source: Source) -> Admission {
        let (fill, own) = (self.pool.fill_in(stamp::PARTS), self.pool.share_in(source, stamp::PARTS));
        let bits = stamp::bits(fill, own).max(self.admitting.suspect_bits(now, source));
        let newest = || self.ledger.last_checkpoint().map_or(Hash::ZERO, Checkpoint::digest);
        let (network, node) = (self.committee.network(), self.config.secret.public());
        self.admitting.salts.admission(now, (network, node), newest, bits)
    }

    /// What a source handed in is ill-formed, or ill-signed. Checking that cost something, and making it up nothing, so for
    /// a while the source does work first.
    pub fn handle_ill_formed(&mut self, now: Time, source: Source) {
        let suspects = &mut self.admitting.suspects;
        if suspects.len() >= SUSPECTS_MAX && !suspects.contains_key(&source) {
            suspects.retain(|_, (_, last)| now.since(*last) < SUSPECTED_FOR);
            let longest_ago = suspects.iter().min_by_key(|(_, (_, last))| *last).map(|(source, _)| *source);
            if let Some(forgotten) = longest_ago.filter(|_| suspects.len() >= SUSPECTS_MAX) {
                suspects.remove(&forgotten);
            }
        }
        let (times, last) = suspects.entry(source).or_insert((0, now));
        let is_forgiven = now.since(*last) >= SUSPECTED_FOR;
        (*times, *last) = (if is_forgiven { 0 } else { times.saturating_add(1) }, now);
    }

    /// How many of so many transactions a member may hand on now. One that counts has no need to; the others do so once a
    /// second, and some messages may come together.
    pub fn may_hand_on(&mut self, now: Time, from: MemberIndex, count: usize) -> usize {
        if self.committee.counts(from) || self.halted.is_some() {
            return 0;
        }
        let (left, since) = self.admitting.handed_on.entry(from).or_insert((HANDED_ON_MAX, now));
        let earned = now.since(*since).0.min(10_000) as usize * HANDED_ON_PER_SECOND / 1_000;
        if earned > 0 {
            (*left, *since) = ((*left + earned).min(HANDED_ON_MAX), now);
        }
        let may = count.min(*left);
        *left -= may;
        may
    }
}
