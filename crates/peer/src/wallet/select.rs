//! Picking inputs and splitting amounts, at random from a seed.

use byway_primitives::Amount;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

/// Picks items at random until their amounts reach `needed`, at most `limit` of them. `None` where they can't.
///
/// Where the random pick runs into the limit, the largest items are tried instead.
pub(super) fn pick<T: Clone>(
    items: &[(T, Amount)],
    needed: Amount,
    limit: usize,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<T>> {
    let mut shuffled = items.to_vec();
    shuffle(&mut shuffled, rng);
    take_until(&shuffled, needed, limit).or_else(|| {
        shuffled.sort_by_key(|item| std::cmp::Reverse(item.1));
        take_until(&shuffled, needed, limit)
    })
}

fn take_until<T: Clone>(items: &[(T, Amount)], needed: Amount, limit: usize) -> Option<Vec<T>> {
    let mut sum = Amount::ZERO;
    let mut picked = Vec::new();
    for (item, amount) in items.iter().take(limit) {
        if sum >= needed && !picked.is_empty() {
            break;
        }
        sum = sum.checked_add(*amount)?;
        picked.push(item.clone());
    }
    (sum >= needed).then_some(picked)
}

/// Into how many parts an amount is split, and how small and fine they may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub count: usize,
    pub least: Amount,
    /// Every part is a multiple of this, but for the first where the whole is none.
    pub step: Amount,
}

/// Splits `amount` at random; into fewer parts where it is too small for as many.
pub(super) fn split(amount: Amount, parts: Parts, rng: &mut ChaCha20Rng) -> Vec<Amount> {
    let step = parts.step.units().max(1);
    let least = parts.least.units().max(1).div_ceil(step);
    let steps = amount.units() / step;
    let affordable = usize::try_from(steps / least).unwrap_or(usize::MAX);
    let count = parts.count.min(affordable).max(1);
    if count == 1 {
        return vec![amount];
    }
    let mut parts: Vec<u128> = split_steps(steps, count, least, rng).map(|part| part * step).collect();
    parts[0] += amount.units() % step;
    parts.into_iter().map(Amount::from_units).collect()
}

/// Splits a number into `parts` random parts of at least `least`, which it is large enough for.
fn split_steps(whole: u128, parts: usize, least: u128, rng: &mut ChaCha20Rng) -> impl Iterator<Item = u128> {
    let spare = whole - least * parts as u128;
    let mut cuts: Vec<u128> = (1..parts).map(|_| below(spare.saturating_add(1), rng)).collect();
    cuts.push(0);
    cuts.push(spare);
    cuts.sort_unstable();
    (1..cuts.len()).map(move |end| least + (cuts[end] - cuts[end - 1]))
}

pub(super) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha20Rng) {
    for last in (1..items.len()).rev() {
        let other = below(last as u128 + 1, rng) as usize;
        items.swap(last, other);
    }
}

/// Uniform in `0..bound`, by rejection.
fn below(bound: u128, rng: &mut ChaCha20Rng) -> u128 {
    let reject_from = u128::MAX - (u128::MAX % bound + 1) % bound;
    loop {
        let draw = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        if draw <= reject_from {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_core::SeedableRng;

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_too_small_or_too_fine(
            steps in 1u128..u128::MAX >> 7, parts in 1usize..9, least in 1u128..1000, step in 1u128..100, seed: [u8; 32]
        ) {
            let amount = steps * step;
            let mut rng = ChaCha20Rng::from_seed(seed);
            let wanted = Parts { count: parts, least: Amount::from_units(least), step: Amount::from_units(step) };
            let split = split(Amount::from_units(amount), wanted, &mut rng);
            prop_assert!(split.iter().all(|part| part.units() % step == 0));
            prop_assert_eq!(Amount::checked_sum(split.iter().copied()), Some(Amount::from_units(amount)));
            prop_assert!(split.len() <= parts);
            if amount >= least {
                prop_assert!(split.iter().all(|part| part.units() >= least));
            }
            if amount >= least.next_multiple_of(step) * parts as u128 {
                prop_assert_eq!(split.len(), parts);
            }
        }

        #[test]
        fn a_pick_is_enough_and_from_the_items(amounts in proptest::collection::vec(1u128..1000, 0..20), needed in 0u128..5000, seed: [u8; 32]) {
            let items: Vec<_> = amounts.iter().enumerate().map(|(i, a)| (i, Amount::from_units(*a))).collect();
            let mut rng = ChaCha20Rng::from_seed(seed);
            let total: u128 = amounts.iter().sum();
            match pick(&items, Amount::from_units(needed), 256, &mut rng) {
                Some(picked) => {
                    let mut distinct = picked.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    prop_assert_eq!(distinct.len(), picked.len());
                    prop_assert!(picked.iter().map(|i| amounts[*i]).sum::<u128>() >= needed);
                }
                None => prop_assert!(total < needed),
            }
        }
    }
}
