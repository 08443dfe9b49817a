//! What a transaction has to show for its place in the queue: value × age of what it spends (row K3).
//!
//! Coins that lay still for long make a claim, and lose it by moving: nobody can make more claims than there are coins and
//! days, under however many names. A claim is a value that has been there since a time, so that claims of all values
//! grow while they wait. They grow at different rates and overtake each other, so no single order of them lasts; but
//! among claims of one value the older is the greater for good. So values are rounded down to powers of two, and
//! [`Ranking`] keeps each such class in order of age: the greatest claim of all is the oldest of some class, of which
//! there are at most [`CLASSES`], and a dozen as a rule.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Amount, Span, Time};

/// Powers of two of value that are told apart: up to 2^84 units, nineteen times all WAY there is.
const CLASSES: u32 = 85;
/// Older counts as this old. Else whoever kept coins from the first day would go before everyone else for good.
pub const AGE_MAX: Span = Span::days(30);
/// What a transaction counts at least, in WAY: one that moves assets whose value nobody knows here, or calls a program
/// without any money. A thousandth of a coin.
pub const VALUE_MIN: Amount = Amount::from_units(1_000_000_000_000_000);

/// A claim: 2^class units of WAY since `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    class: u8,
    since: Time,
}

/// What makes a claim, added up.
#[derive(Debug, Clone, Copy)]
pub struct Stakes {
    now: Time,
    value: u128,
    /// Σ value × age.
    product: u128,
    youngest: Option<Span>,
}

/// Waiting transactions by their claims. `T` names one and breaks ties: the smaller comes first.
#[derive(Debug)]
pub struct Ranking<T>(BTreeMap<u8, BTreeSet<(Time, T)>>);

impl Claim {
    /// Value × age at `now`, in units × milliseconds.
    pub fn at(self, now: Time) -> u128 {
        // 2^43 ms are more than two hundred years, and fit beside the greatest value.
        u128::from(now.since(self.since).0.min(1 << 43)) << self.class
    }
}

impl Stakes {
    pub fn new(now: Time) -> Self {
        Self { now, value: 0, product: 0, youngest: None }
    }

    /// Adds so much WAY that has been where it is for so long.
    pub fn add(&mut self, value: Amount, age: Span) {
        let (value, age) = (value.units().min(1 << (CLASSES - 1)), age.min(AGE_MAX));
        self.value = self.value.saturating_add(value);
        self.product = self.product.saturating_add(value.saturating_mul(u128::from(age.0)));
        self.note_age(age);
    }

    /// Adds something whose value is not known.
    pub fn note_age(&mut self, age: Span) {
        self.youngest = Some(self.youngest.map_or(age, |youngest| youngest.min(age)));
    }

    /// The claim of all of it; [`VALUE_MIN`], as old as the youngest part, if that is more.
    pub fn claim(mut self) -> Claim {
        if self.value < VALUE_MIN.units() {
            let youngest = self.youngest.unwrap_or(Span::ZERO).min(AGE_MAX);
            self.value = VALUE_MIN.units();
            self.product = self.product.max(self.value.saturating_mul(u128::from(youngest.0)));
        }
        let age = u64::try_from(self.product / self.value).unwrap_or(u64::MAX).min(AGE_MAX.0);
        let class = self.value.ilog2().min(CLASSES - 1) as u8;
        Claim { class, since: Time(self.now.0.saturating_sub(age)) }
    }
}

impl<T> Default for Ranking<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + Ord> Ranking<T> {
    pub fn insert(&mut self, claim: Claim, named: T) {
        self.0.entry(claim.class).or_default().insert((claim.since, named));
    }

    pub fn remove(&mut self, claim: Claim, named: T) {
        let Some(class) = self.0.get_mut(&claim.class) else { return };
        class.remove(&(claim.since, named));
        if class.is_empty() {
            self.0.remove(&claim.class);
        }
    }

    /// The one with the greatest claim.
    pub fn first(&self, now: Time) -> Option<T> {
        let oldest = self.0.iter().filter_map(|(class, ranked)| Some((*class, *ranked.first()?)));
        let greatest = oldest.max_by_key(|(class, (since, _))| Claim { class: *class, since: *since }.at(now));
        greatest.map(|(_, (_, named))| named)
    }

    /// The one with the least claim.
    pub fn last(&self, now: Time) -> Option<T> {
        let youngest = self.0.iter().filter_map(|(class, ranked)| Some((*class, *ranked.last()?)));
        let least = youngest.min_by_key(|(class, (since, _))| Claim { class: *class, since: *since }.at(now));
        least.map(|(_, (_, named))| named)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time(1_800_000_000_000);

    fn claim(stakes: &[(u64, u64)]) -> Claim {
        let mut all = Stakes::new(NOW);
        stakes.iter().for_each(|(coins, seconds)| all.add(Amount::from_coins(*coins), Span::seconds(*seconds)));
        all.claim()
    }

    #[test]
    fn the_greater_product_comes_first() {
        // Greater, less, each as (coins, seconds).
        type Coins = &'static [(u64, u64)];
        let rows: [(Coins, Coins); 7] = [
            (&[(4, 100)], &[(4, 99)]),
            (&[(4, 100)], &[(2, 100)]),
            (&[(1, 1_000)], &[(128, 1)]),
            (&[(128, 10)], &[(1, 1_000)]),
            // The average is by value: much that is young spoils what little is old.
            (&[(4, 100)], &[(1, 100), (3, 0)]),
            (&[(1, 60)], &[]),
            // Beyond the greatest age older is no more.
            (&[(2, 30 * 86_400)], &[(1, 3_000 * 86_400)]),
        ];
        for (greater, less) in rows {
            let (greater, less) = (claim(greater), claim(less));
            assert!(greater.at(NOW) > less.at(NOW), "{greater:?} {less:?}");
        }
    }

    #[test]
    fn what_has_no_known_value_counts_a_little() {
        let mut foreign = Stakes::new(NOW);
        foreign.note_age(Span::seconds(50));
        foreign.note_age(Span::seconds(20));
        let (foreign, nothing) = (foreign.claim(), Stakes::new(NOW).claim());
        assert_eq!(foreign.at(NOW), 20_000 << VALUE_MIN.units().ilog2());
        assert_eq!((nothing.at(NOW), nothing.at(NOW + Span::seconds(20))), (0, foreign.at(NOW)));
    }

    #[test]
    fn extremes_fit() {
        let mut stakes = Stakes::new(NOW);
        (0..256).for_each(|_| stakes.add(Amount::MAX, Span(u64::MAX)));
        assert!(stakes.claim().at(Time(u64::MAX)) > 0);
    }

    proptest! {
        #[test]
        fn a_ranking_finds_what_sorting_finds(
            claims in proptest::collection::vec((0u64..1 << 20, 0u64..100_000), 1..40),
            later in 0u64..10_000_000,
        ) {
            let (now, mut ranking) = (NOW + Span(later), Ranking::default());
            let claims: Vec<_> = claims.into_iter().map(|(coins, seconds)| claim(&[(coins, seconds)])).collect();
            claims.iter().zip(0..).for_each(|(claim, name)| ranking.insert(*claim, name));
            let products: Vec<_> = claims.iter().map(|claim| claim.at(now)).collect();
            let of = |found: Option<usize>| found.map(|name| products[name]);
            prop_assert_eq!(of(ranking.first(now)), products.iter().max().copied());
            prop_assert_eq!(of(ranking.last(now)), products.iter().min().copied());
            claims.iter().zip(0..).for_each(|(claim, name)| ranking.remove(*claim, name));
            prop_assert!(ranking.is_empty());
        }
    }
}
