//! Which two channels of a hub are to come near each other, and when that is tried again.
//!
//! *By what would move.* How uneven a channel is its peer can choose, and a channel of next to nothing costs next to nothing. So of two channels
//! counts what would go from the one to the other, which is bounded by the smaller of them: whoever wants to have a say in what is moved has as much
//! locked. Less than the hub would send on for others it does not move either.
//!
//! *With pauses that grow.* A pair for which something was tried and that is uneven still is one that can't be balanced now: nobody has a way
//! that is cheap enough, or its peers don't want it. Each time it is left alone for twice as long. One that is even is forgotten.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use byway_primitives::{Amount, Span, Time};
use byway_records::promise::ChannelId;

use super::passage::Circle;
use super::router::Router;
use super::sight;
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// By how much of a hundred our shares in two channels differ that are worth balancing.
const UNEVEN_PERCENT: u128 = 40;
/// Between two tries of any pair, and of one pair at first.
const PAUSE_MIN: Span = Span::minutes(10);
/// Between two tries of one pair at the most.
const PAUSE_MAX: Span = Span::days(1);
/// Of the channels with most to give, and of those with most to take, so many are looked at: all pairs of a hub's would be too many.
const LOOKED_AT_MAX: usize = 32;
/// Pairs of which it is known when they are tried again; the one that is due first is forgotten for another.
const PAIRS_MAX: usize = 256;

/// When a hub moves money by itself. In memory only: after a start each pair is tried anew.
#[derive(Debug, Default)]
pub struct Balancing {
    last: Option<Time>,
    tried: BTreeMap<Circle, Tried>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    pause: Span,
    again: Time,
}

/// What either side can send in a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    pub ours: Amount,
    pub theirs: Amount,
}

/// The usable channels, and what either side can send in each.
pub(super) type AllSides = BTreeMap<ChannelId, Sides>;

impl Balancing {
    /// What is to be moved now, if anything is. It counts as tried.
    pub fn next<S: Signer + Clone>(
        &mut self,
        now: Time,
        router: &Router,
        channels: &Channels<S>,
    ) -> Option<(Circle, Amount)> {
        let least = router.terms()?.amount_min;
        if self.last.is_some_and(|last| now.since(last) < PAUSE_MIN) || router.is_balancing() {
            return None;
        }
        self.tried.retain(|circle, _| [circle.from, circle.to].iter().all(|id| channels.key_of(*id).is_some()));
        self.next_of(now, &all_sides(channels), least)
    }

    fn next_of(&mut self, now: Time, sides: &AllSides, least: Amount) -> Option<(Circle, Amount)> {
        // Whose peer is away for a while is no more even for that.
        self.tried.retain(|circle, _| match (sides.get(&circle.from), sides.get(&circle.to)) {
            (Some(from), Some(to)) => Sides::moved(*from, *to).is_some(),
            _ => true,
        });
        let is_due = |circle: &Circle| self.tried.get(circle).is_none_or(|tried| tried.again <= now);
        let mut uneven = uneven(sides).into_iter().filter(|(_, amount)| *amount >= least);
        let (circle, amount) = uneven.find(|(circle, _)| is_due(circle))?;
        self.note(now, circle);
        Some((circle, amount))
    }

    fn note(&mut self, now: Time, circle: Circle) {
        self.last = Some(now);
        let before = self.tried.get(&circle);
        let pause = before.map_or(PAUSE_MIN, |tried| Span(tried.pause.0.saturating_mul(2)).min(PAUSE_MAX));
        if before.is_none() && self.tried.len() >= PAIRS_MAX {
            let first = self.tried.iter().min_by_key(|(_, tried)| tried.again).map(|(circle, _)| *circle);
            if let Some(first) = first {
                self.tried.remove(&first);
            }
        }
        self.tried.insert(circle, Tried { pause, again: now + pause });
    }
}

impl Sides {
    pub fn of<S: Signer>(machine: &ChannelMachine<S>) -> Self {
        Self { ours: sight::room(machine), theirs: peers_room(machine) }
    }

    fn both(self) -> u128 {
        self.ours.units().saturating_add(self.theirs.units())
    }

    /// Our share.
    fn percent(self) -> u128 {
        self.ours.units().saturating_mul(100) / self.both().max(1)
    }

    /// What is to go from the one to the other: half of the difference, of the smaller of both. None where they are even, or it is nothing.
    fn moved(from: Self, to: Self) -> Option<Amount> {
        let difference = from.percent().checked_sub(to.percent()).filter(|percent| *percent >= UNEVEN_PERCENT)?;
        let amount = Amount::from_units(from.both().min(to.both()) / 200 * difference);
        (!amount.is_zero()).then_some(amount)
    }
}

pub(super) fn all_sides<S: Signer + Clone>(channels: &Channels<S>) -> AllSides {
    let usable = channels.iter().filter(|(_, machine)| sight::is_usable(*machine));
    usable.filter_map(|(_, machine)| Some((machine.id()?, Sides::of(machine)))).collect()
}

/// Pairs that are uneven, and what would go from the one to the other; those between which most would go first.
pub(super) fn uneven(sides: &AllSides) -> Vec<(Circle, Amount)> {
    let (mut full, mut empty) = (Vec::from_iter(sides), Vec::from_iter(sides));
    full.sort_by_key(|(_, sides)| Reverse(sides.ours));
    empty.sort_by_key(|(_, sides)| Reverse(sides.theirs));
    let (full, empty) = (full.iter().take(LOOKED_AT_MAX), empty.iter().take(LOOKED_AT_MAX));
    let pairs = full.flat_map(|full| empty.clone().map(move |empty| (*full, *empty)));
    let moved = pairs.filter_map(|((from, full), (to, empty))| {
        Some((Circle { from: *from, to: *to }, Sides::moved(*full, *empty)?))
    });
    let mut moved: Vec<_> = moved.collect();
    moved.sort_by_key(|(_, amount)| Reverse(*amount));
    moved
}

/// What the peer can send.
pub(super) fn peers_room<S: Signer>(machine: &ChannelMachine<S>) -> Amount {
    machine.position().balances[machine.side().other().index()].saturating_sub(machine.terms().reserve)
}

#[cfg(test)]
mod tests {
    use byway_primitives::Hash;

    use super::*;

    const LEAST: Amount = Amount::from_units(100);
    const START: Time = Time(1_000_000_000);

    fn id(number: u8) -> ChannelId {
        ChannelId(Hash([number; 32]))
    }

    fn circle(from: u8, to: u8) -> Circle {
        Circle { from: id(from), to: id(to) }
    }

    /// Channels by number, with what either side can send.
    fn sides(all: &[(u8, u128, u128)]) -> AllSides {
        let sides = |ours, theirs| Sides { ours: Amount::from_units(ours), theirs: Amount::from_units(theirs) };
        all.iter().map(|(number, ours, theirs)| (id(*number), sides(*ours, *theirs))).collect()
    }

    /// What is moved by and by, and when, until so long after the start.
    fn moved(balancing: &mut Balancing, sides: &AllSides, minutes: u64) -> Vec<(u64, Circle)> {
        let mut moved = Vec::new();
        for minute in (0..minutes).step_by(10) {
            let next = balancing.next_of(START + Span::minutes(minute), sides, LEAST);
            moved.extend(next.map(|(circle, _)| (minute, circle)));
        }
        moved
    }

    #[test]
    fn channels_of_next_to_nothing_have_no_say_in_what_is_moved() {
        // Between the large ones 30 of a hundred less differ than between those of dust.
        let large = [(1, 8_500, 1_500), (2, 1_500, 8_500)];
        let dust: Vec<_> = (0..100).flat_map(|number| [(100 + number, 150, 0), (3 + number / 2, 0, 150)]).collect();
        let all = sides(&[&large[..], &dust].concat());
        let next = Balancing::default().next_of(START, &all, LEAST);
        assert_eq!(next, Some((circle(1, 2), Amount::from_units(10_000 / 200 * 70))));
    }

    #[test]
    fn what_a_hub_would_not_send_on_for_others_it_does_not_move_either() {
        for (amount, is_moved) in [(100, false), (199, false), (200, true)] {
            let all = sides(&[(1, amount, 0), (2, 0, amount)]);
            let next = Balancing::default().next_of(START, &all, LEAST);
            assert_eq!(next.is_some(), is_moved, "{amount}");
        }
        // By the user's wish it is.
        assert_eq!(uneven(&sides(&[(1, 200, 0), (2, 0, 200)])).len(), 1);
    }

    #[test]
    fn a_pair_that_stays_uneven_is_tried_after_pauses_that_grow_to_a_day() {
        let all = sides(&[(1, 10_000, 0), (2, 0, 10_000)]);
        let tried: Vec<u64> =
            moved(&mut Balancing::default(), &all, 5 * 24 * 60).into_iter().map(|(at, _)| at).collect();
        let pauses: Vec<u64> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440]);
    }

    #[test]
    fn while_one_pair_is_left_alone_another_has_its_turn() {
        let all = sides(&[(1, 10_000, 0), (2, 0, 10_000), (3, 0, 5_000)]);
        let expected = [(0, circle(1, 2)), (10, circle(1, 2)), (20, circle(1, 3)), (30, circle(1, 2))];
        assert_eq!(moved(&mut Balancing::default(), &all, 40), expected);
    }

    #[test]
    fn a_pair_that_was_even_is_tried_at_once_and_one_whose_peer_was_away_is_not() {
        let all = sides(&[(1, 10_000, 0), (2, 0, 10_000)]);
        for (between, is_tried) in [(sides(&[(1, 5_000, 5_000), (2, 5_000, 5_000)]), true), (sides(&[]), false)] {
            let mut balancing = Balancing::default();
            assert_eq!(moved(&mut balancing, &all, 40).len(), 3);
            assert_eq!(balancing.next_of(START + Span::minutes(40), &between, LEAST), None);
            let next = balancing.next_of(START + Span::minutes(50), &all, LEAST);
            assert_eq!(next.is_some(), is_tried);
        }
    }

    #[test]
    fn of_very_many_pairs_no_more_is_kept_than_may_be() {
        let many: Vec<_> = (0..16).flat_map(|number| [(number, 10_000, 0), (100 + number, 0, 10_000)]).collect();
        let more: Vec<_> = (16..32).flat_map(|number| [(number, 10_000, 0), (100 + number, 0, 10_000)]).collect();
        let (mut balancing, mut tried) = (Balancing::default(), 0);
        let all = sides(&[many, more].concat());
        for number in 0..1_000 {
            tried += usize::from(balancing.next_of(START + Span::millis(number), &all, LEAST).is_some());
            assert!(balancing.tried.len() <= PAIRS_MAX);
        }
        assert!(tried > PAIRS_MAX);
    }
}
