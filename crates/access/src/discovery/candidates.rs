//! The answer to a query, found as it is read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::iter::{Flatten, Peekable};
use std::{option, vec};

use byway_primitives::Amount;

use super::index::Rank;
use super::{Candidate, Index, LedgerClock, Query};

/// The offers that fit, best first. Take the next when a dialogue with one fails.
#[derive(Debug, Clone)]
pub struct Candidates<'a> {
    index: &'a Index,
    query: Query,
    clock: LedgerClock,
    preferred: vec::IntoIter<Rank>,
    /// What was not looked at yet, by the lowest price for anyone.
    ahead: Peekable<Flatten<option::IntoIter<&'a BTreeSet<Rank>>>>,
    /// What fits and was passed by, since the price for the asker is higher.
    held: BinaryHeap<Reverse<Rank>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(index: &'a Index, query: Query, clock: LedgerClock, shelf: Option<&'a BTreeSet<Rank>>) -> Self {
        let of_preferred = query.preferred.iter().flat_map(|provider| index.of_provider(*provider));
        let fitting = of_preferred.filter_map(|published| {
            let price = query.price(published, clock)?;
            Some(Rank::new(price, &published.offer.offer, published.id()))
        });
        let preferred: BTreeSet<Rank> = fitting.collect();
        let preferred = preferred.into_iter().collect::<Vec<_>>().into_iter();
        let ahead = shelf.into_iter().flatten().peekable();
        Self { index, query, clock, preferred, ahead, held: BinaryHeap::new() }
    }

    /// The next in the order of prices for the asker, without those of preferred providers.
    fn next_ranked(&mut self) -> Option<Rank> {
        let Self { index, query, clock, ahead, held, .. } = self;
        let is_affordable = |price: Amount| query.price_max.is_none_or(|most| price <= most);
        loop {
            // Everything ahead ranks behind this one, at the price for anyone and all the more at its own.
            let next = ahead.peek().copied().filter(|next| is_affordable(next.price));
            match (next, held.peek()) {
                (None, _) => return held.pop().map(|Reverse(rank)| rank),
                (Some(next), Some(Reverse(best))) if best <= next => return held.pop().map(|Reverse(rank)| rank),
                (Some(next), _) => {
                    let id = next.id;
                    ahead.next();
                    // Most of what doesn't fit is too slow, which can be seen from here.
                    let is_fast = u64::MAX - next.slowness >= query.bandwidth_min_bps;
                    let Some(published) = is_fast.then(|| index.offer(id)).flatten() else { continue };
                    let offer = &published.offer.offer;
                    if let Some(price) = query.price(published, *clock)
                        && !query.preferred.contains(&offer.provider)
                    {
                        held.push(Reverse(Rank::new(price, offer, id)));
                    }
                }
            }
        }
    }

    fn candidate(&self, Rank { price, id, .. }: Rank) -> Option<Candidate> {
        let published = self.index.offer(id)?;
        Some(Candidate { id, offer: published.offer.clone(), price })
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        let rank = self.preferred.next().or_else(|| self.next_ranked())?;
        self.candidate(rank)
    }
}
