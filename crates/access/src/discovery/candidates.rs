//! The answer to a query, found as it is read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::iter::{Flatten, Peekable};
use std::{option, vec};

use super::index::Rank;
use super::{Candidate, Index, LedgerClock, Query};
use crate::quality::{MIDDLE, Sort};

/// The offers that fit, best first. Take the next when a dialogue with one fails.
#[derive(Debug, Clone)]
pub struct Candidates<'a> {
    index: &'a Index,
    query: Query,
    clock: LedgerClock,
    preferred: vec::IntoIter<Rank>,
    /// Along all offers, without those of rated providers where these stand elsewhere.
    all: Walk<'a>,
    /// Along the offers of rated providers, unless the order is by price.
    rated: Walk<'a>,
}

/// A walk along one shelf.
#[derive(Debug, Clone)]
struct Walk<'a> {
    /// What was not looked at yet, in the order of what it would be for anyone.
    ahead: Peekable<Flatten<option::IntoIter<&'a BTreeSet<Rank>>>>,
    /// What fits and was passed by, since it is further back for the asker.
    held: BinaryHeap<Reverse<Rank>>,
    of: Whose,
}

/// Which offers of a shelf a walk gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everyones,
    /// Of providers of whom nothing is known. The shelf is ranked by price.
    Unrated,
    Rated,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        index: &'a Index,
        query: Query,
        clock: LedgerClock,
        all: Option<&'a BTreeSet<Rank>>,
        rated: Option<&'a BTreeSet<Rank>>,
    ) -> Self {
        let of_preferred = query.preferred.iter().flat_map(|provider| index.of_provider(*provider));
        let fitting = of_preferred.filter_map(|published| {
            let (price, offer) = (query.price(published, clock)?, &published.offer.offer);
            Some(Rank::new(query.sort, price, index.quality(offer), offer, published.id()))
        });
        let preferred: BTreeSet<Rank> = fitting.collect();
        let preferred = preferred.into_iter().collect::<Vec<_>>().into_iter();
        let whose = if query.sort == Sort::Price { Whose::Everyones } else { Whose::Unrated };
        let all = Walk::new(all, whose);
        let rated = Walk::new(rated.filter(|_| query.sort != Sort::Price), Whose::Rated);
        Self { index, query, clock, preferred, all, rated }
    }

    /// The next in the order for the asker, without those of preferred providers.
    fn next_ranked(&mut self) -> Option<Rank> {
        let Self { index, query, clock, all, rated, .. } = self;
        let ahead = [&mut *all, &mut *rated].map(|walk| walk.best(index, query, *clock));
        match ahead {
            [Some(unrated), Some(best)] if best < unrated => rated.take(),
            [None, Some(_)] => rated.take(),
            _ => all.take(),
        }
    }

    fn candidate(&self, Rank { id, .. }: Rank) -> Option<Candidate> {
        let published = self.index.offer(id)?;
        let price = self.query.price(published, self.clock)?;
        Some(Candidate { id, offer: published.offer.clone(), price, unit: self.query.unit })
    }
}

impl Whose {
    /// The rank of what stands on such a shelf, in the order of the query.
    fn rank(self, on_shelf: &Rank, query: &Query) -> Rank {
        match self {
            Whose::Everyones | Whose::Rated => *on_shelf,
            Whose::Unrated => {
                let (_, price) = on_shelf.place;
                Rank { place: query.sort.place(price, MIDDLE), ..*on_shelf }
            }
        }
    }
}

impl<'a> Walk<'a> {
    fn new(shelf: Option<&'a BTreeSet<Rank>>, of: Whose) -> Self {
        Self { ahead: shelf.into_iter().flatten().peekable(), held: BinaryHeap::new(), of }
    }

    /// The best that is left, which [`take`](Self::take) takes.
    fn best(&mut self, index: &Index, query: &Query, clock: LedgerClock) -> Option<Rank> {
        loop {
            // Everything ahead ranks behind this one, for anyone and all the more for the asker.
            let next = self.ahead.peek().copied().map(|next| self.of.rank(next, query));
            let next = next.filter(|next| self.of == Whose::Rated || is_affordable(next, query));
            match (next, self.held.peek()) {
                (None, held) => return held.map(|Reverse(best)| *best),
                (Some(next), Some(Reverse(best))) if *best <= next => return Some(*best),
                (Some(next), _) => {
                    self.ahead.next();
                    self.hold(next, index, query, clock);
                }
            }
        }
    }

    fn take(&mut self) -> Option<Rank> {
        self.held.pop().map(|Reverse(rank)| rank)
    }

    fn hold(&mut self, next: Rank, index: &Index, query: &Query, clock: LedgerClock) {
        // Most of what doesn't fit is too slow, which can be seen from here.
        let is_fast = u64::MAX - next.slowness >= query.bandwidth_min_bps;
        let Some(published) = is_fast.then(|| index.offer(next.id)).flatten() else { return };
        let offer = &published.offer.offer;
        let is_elsewhere = self.of == Whose::Unrated && index.rating(offer.provider, offer.service).is_some();
        if let Some(price) = query.price(published, clock)
            && !query.preferred.contains(&offer.provider)
            && !is_elsewhere
        {
            self.held.push(Reverse(Rank::new(query.sort, price, index.quality(offer), offer, next.id)));
        }
    }
}

/// Whether anything from here on, on a shelf in order of prices, may cost little enough.
fn is_affordable(next: &Rank, query: &Query) -> bool {
    // At the middle quality every order ranks by the price itself.
    let (_, price) = next.place;
    query.price_max.is_none_or(|most| price <= most)
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        let rank = self.preferred.next().or_else(|| self.next_ranked())?;
        self.candidate(rank)
    }
}
