//! A score for an identity, from what the ledger says of it (rows A6, M9).
//!
//! # The problem
//!
//! Someone asks for credit whom nobody here has met. A central register of ratings would have to be trusted, could be
//! bought, and would know who deals with whom.
//!
//! # The idea
//!
//! Every node follows the registry and the accounts, so it can look for itself: how long the identity has been
//! registered, what it holds, whom it has paid through settlements, and what bounced. That is everybody's to see and the
//! same for everyone; how much each thing *counts* is each node's own choice ([`Weights`]). Nothing is asked of anyone.
//!
//! # The formula
//!
//! All in whole numbers. `share(x, half) = x ÷ (x + half)`: nothing at first, one half at `half`, never quite all, so that
//! no single thing can be piled up without end. A score runs from 0 to [`REPUTATION_MAX`], and a newcomer who has
//! registered and done nothing else stands in the middle:
//!
//! ```text
//! score  = middle + gained − lost, kept within 0 ..= 1000;  nobody who is not registered scores above 0
//! gained = paid     × share(what was settled, paid_half)
//!        + payees   × share(registered payees settled with, payees_half)
//!        + deposit  × share(balance that is not about to be withdrawn, deposit_half)
//!        + age      × share(time since registration, age_half)
//!        + pledge   × share(pledge beyond what the network asks for, that pledge)
//! lost   = bounced  × bounces, halved with each bounce_forgotten that has passed since the last one
//!        + owing    × promises that bounced and are not settled yet
//!        + leaving  × announced withdrawal ÷ balance
//! ```
//!
//! # What can be known locally
//!
//! The accounts program keeps, per series, the last serial that was settled and its amount, and per issuer how many
//! settlements bounced and when last. So *on time* means: settled when the payee asked, without bouncing; the ledger does
//! not know since when a promise had been there. *What was settled* is a lower bound where a series has gone through
//! several serials. It is read from the state as it stands, not from what this node saw go by, so a node that joined a
//! minute ago and one that has been there for a year give the same score.
//!
//! # What it is not
//!
//! *No proof of honesty.* Someone who pays himself under a second identity gains: it costs a pledge for each payee and the
//! network's fee on each settlement, and brings at most the points of `paid` and `payees`. The fee is saved where two of his
//! identities owe each other and settle the net, or one takes what is there of a promise for more, since what counts is what
//! the promises said. That is why credit is bounded by the pledge and the balance first ([`crate::credit`]), and the
//! score only ever decides within those bounds.

use byway_primitives::{Amount, Decode, IdentityId, Span, Time};
use byway_records::offer::REPUTATION_MAX;
use byway_records::promise::Series;
use byway_records::state::{Account, Bounces, Registration, Settled};

/// Where a newcomer stands.
pub const NEWCOMER: u16 = REPUTATION_MAX / 2;
/// Series that are looked at for one identity, so that a score costs the same for everyone.
pub const SERIES_EXAMINED_MAX: usize = 1024;
/// Amounts count no further than this in a share, far beyond what exists, so that nothing overflows.
const SHARE_MAX: u128 = 1 << 108;

/// What the ledger says of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Since when, and for how much, where it is registered.
    pub registered: Option<Registered>,
    /// In its account, an announced withdrawal included.
    pub balance: Amount,
    /// Of that, about to leave.
    pub withdrawing: Amount,
    /// Settled with registered payees: the last serial of each series.
    pub paid: Amount,
    pub payees: u64,
    pub bounces: u64,
    pub bounced_last: Time,
    /// Promises that bounced and are not settled yet.
    pub owing: u64,
}

/// An identity's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    pub since: Time,
    pub pledge: Amount,
}

/// How much each thing counts, in points of [`REPUTATION_MAX`]. The operator's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    pub paid: u16,
    pub paid_half: Amount,
    pub payees: u16,
    pub payees_half: u64,
    pub deposit: u16,
    pub deposit_half: Amount,
    pub age: u16,
    pub age_half: Span,
    pub pledge: u16,
    /// Lost for each bounce.
    pub bounced: u16,
    /// What bounces cost is halved with each such span since the last.
    pub bounce_forgotten: Span,
    /// Lost for each promise that bounced and is still owed. It is not forgotten.
    pub owing: u16,
    /// Lost when everything is about to be withdrawn.
    pub leaving: u16,
}

impl Default for Weights {
    fn default() -> Self {
        const DAY: Span = Span(24 * 60 * 60 * 1000);
        Self {
            paid: 150,
            paid_half: Amount::from_coins(10),
            payees: 100,
            payees_half: 5,
            deposit: 100,
            deposit_half: Amount::from_coins(5),
            age: 100,
            age_half: Span(90 * DAY.0),
            pledge: 50,
            bounced: 150,
            bounce_forgotten: Span(90 * DAY.0),
            owing: 250,
            leaving: 100,
        }
    }
}

impl History {
    /// What the entries of an identity in the followed programs say. `settled` and `bounced` are the entries under
    /// [`settled_prefix`](byway_records::state::settled_prefix) and
    /// [`bounced_prefix`](byway_records::state::bounced_prefix) with their keys; `is_registered` looks payees up.
    pub fn read<'a>(
        registration: Option<Registration>,
        account: Account,
        bounces: Bounces,
        settled: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        bounced: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        is_registered: impl Fn(IdentityId) -> bool,
    ) -> Self {
        let registered = registration.map(|found| Registered { since: found.since, pledge: found.pledge });
        let mut history = Self {
            registered,
            balance: account.balance,
            withdrawing: account.withdrawal.map_or(Amount::ZERO, |withdrawal| withdrawal.amount),
            bounces: bounces.count,
            bounced_last: bounces.last,
            owing: bounced.take(SERIES_EXAMINED_MAX).count() as u64,
            ..Self::default()
        };
        let mut last = None;
        for (key, value) in settled.take(SERIES_EXAMINED_MAX) {
            let (Some(series), Ok(settled)) = (series_of(key), Settled::from_bytes(value)) else { continue };
            if series.payee == series.payer || !is_registered(series.payee) {
                continue;
            }
            history.paid = history.paid.checked_add(settled.amount).unwrap_or(Amount::MAX);
            // Entries of one payee stand together.
            if last.replace(series.payee) != Some(series.payee) {
                history.payees += 1;
            }
        }
        history
    }

    /// What settlements can count on: the balance without what is about to leave.
    pub fn staying(&self) -> Amount {
        self.balance.saturating_sub(self.withdrawing)
    }

    /// The score at ledger time `now`, in a network that asks for `pledge_usual` to register.
    pub fn score(&self, weights: &Weights, pledge_usual: Amount, now: Time) -> u16 {
        let Some(registered) = self.registered else { return 0 };
        let gained = self.gained(weights, registered, pledge_usual, now);
        let lost = self.lost(weights, now);
        let score = (u128::from(NEWCOMER) + gained).saturating_sub(lost);
        score.min(u128::from(REPUTATION_MAX)) as u16
    }

    fn gained(&self, weights: &Weights, registered: Registered, pledge_usual: Amount, now: Time) -> u128 {
        let age = now.since(registered.since);
        let beyond = registered.pledge.saturating_sub(pledge_usual);
        share(weights.paid, self.paid.units(), weights.paid_half.units())
            + share(weights.payees, self.payees.into(), weights.payees_half.into())
            + share(weights.deposit, self.staying().units(), weights.deposit_half.units())
            + share(weights.age, age.0.into(), weights.age_half.0.into())
            + share(weights.pledge, beyond.units(), pledge_usual.units())
    }

    fn lost(&self, weights: &Weights, now: Time) -> u128 {
        let forgotten = now.since(self.bounced_last).0 / weights.bounce_forgotten.0.max(1);
        let bounced = u128::from(weights.bounced) * u128::from(self.bounces);
        let owing = u128::from(weights.owing) * u128::from(self.owing);
        let leaving = share(weights.leaving, self.withdrawing.units(), self.staying().units());
        bounced.checked_shr(u32::try_from(forgotten).unwrap_or(u32::MAX)).unwrap_or(0) + owing + leaving
    }
}

/// `points × amount ÷ (amount + half)`, rounded down: grows with the amount, and never past `points`.
fn share(points: u16, amount: u128, half: u128) -> u128 {
    let (amount, half) = (amount.min(SHARE_MAX), half.min(SHARE_MAX));
    (u128::from(points) * amount).checked_div(amount + half).unwrap_or(0)
}

/// The series in an entry's key: a byte for the kind of entry, and the series.
fn series_of(key: &[u8]) -> Option<Series> {
    Series::from_bytes(key.get(1..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::{AssetId, Encode};
    use byway_records::Backing;
    use byway_records::state::{bounced_prefix, settled_key, settled_prefix};
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;
    const NOW: Time = Time(1000 * DAY);
    const PLEDGE: Amount = Amount::from_units(byway_primitives::amount::ONE);

    fn newcomer() -> History {
        History { registered: Some(Registered { since: NOW, pledge: PLEDGE }), ..History::default() }
    }

    fn check(change: impl FnOnce(&mut History), expected: u16) {
        let mut history = newcomer();
        change(&mut history);
        assert_eq!(history.score(&Weights::default(), PLEDGE, NOW), expected, "{history:?}");
    }

    #[test]
    fn each_thing_counts_as_the_formula_says() {
        let coins = Amount::from_coins;
        check(|_| {}, 500);
        check(|h| h.registered = None, 0);
        check(|h| h.paid = coins(10), 575);
        check(|h| h.paid = coins(999_990), 649);
        check(|h| h.payees = 5, 550);
        check(|h| h.balance = coins(5), 550);
        check(|h| (h.balance, h.withdrawing) = (coins(10), coins(5)), 500);
        check(|h| (h.balance, h.withdrawing) = (coins(5), coins(5)), 400);
        check(|h| h.registered = Some(Registered { since: Time(910 * DAY), pledge: PLEDGE }), 550);
        check(|h| h.registered = Some(Registered { since: NOW, pledge: coins(2) }), 525);
        check(|h| (h.bounces, h.bounced_last) = (1, NOW), 350);
        check(|h| (h.bounces, h.bounced_last) = (2, Time(910 * DAY)), 350);
        check(|h| (h.bounces, h.bounced_last) = (3, NOW), 50);
        check(|h| (h.bounces, h.bounced_last, h.owing) = (1, NOW, 1), 100);
        check(|h| (h.bounces, h.owing) = (9, 2), 0);
    }

    #[test]
    fn payees_count_once_each_and_only_where_they_are_registered() {
        let payer = IdentityId([1; 20]);
        let series = |payee: u8, asset: u8| Series {
            payer,
            payee: IdentityId([payee; 20]),
            asset: if asset == 0 { AssetId::WAY } else { AssetId(byway_primitives::Hash([asset; 32])) },
            backing: Backing::Account,
        };
        let entry = |series: Series, units: u128| {
            let settled = Settled { serial: 1, amount: Amount::from_units(units) };
            (settled_key(&series), settled.to_bytes())
        };
        let entries =
            [entry(series(2, 0), 5), entry(series(2, 4), 7), entry(series(3, 0), 11), entry(series(1, 0), 99)];
        assert!(entries.iter().all(|(key, _)| key.starts_with(&settled_prefix(payer))));
        assert!(!entries.iter().any(|(key, _)| key.starts_with(&bounced_prefix(payer))));
        let settled = entries.iter().map(|(key, value)| (&key[..], &value[..]));
        let history =
            History::read(None, Account::default(), Bounces::default(), settled, std::iter::empty(), |payee| {
                payee != IdentityId([3; 20])
            });
        assert_eq!((history.paid, history.payees), (Amount::from_units(12), 1), "not the unregistered, not himself");
    }

    fn histories() -> impl Strategy<Value = History> {
        let amount = || prop_oneof![any::<u128>(), 0u128..1 << 70].prop_map(Amount::from_units);
        let registered = (0..NOW.0, amount()).prop_map(|(since, pledge)| Registered { since: Time(since), pledge });
        let counts = (any::<u64>(), 0u64..20, 0..NOW.0, 0u64..5);
        (proptest::option::of(registered), amount(), amount(), amount(), counts).prop_map(
            |(registered, balance, withdrawing, paid, (payees, bounces, bounced_last, owing))| History {
                registered,
                balance,
                withdrawing,
                paid,
                payees,
                bounces,
                bounced_last: Time(bounced_last),
                owing,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_good_never_lowers_a_score_and_what_is_bad_never_raises_it(
            history in histories(), more in 1u128..1 << 100, later in 0u64..1000 * DAY,
        ) {
            let score = |history: &History| history.score(&Weights::default(), PLEDGE, NOW);
            let before = score(&history);
            prop_assert!(before <= REPUTATION_MAX);
            let raised = |amount: Amount| amount.checked_add(Amount::from_units(more)).unwrap_or(Amount::MAX);
            prop_assert!(score(&History { paid: raised(history.paid), ..history }) >= before, "paid more");
            prop_assert!(score(&History { payees: history.payees.saturating_add(1), ..history }) >= before, "one payee");
            prop_assert!(score(&History { balance: raised(history.balance), ..history }) >= before, "deposited");
            let bounced = History { bounces: history.bounces + 1, bounced_last: NOW, ..history };
            prop_assert!(score(&bounced) <= before, "bounced");
            prop_assert!(score(&History { owing: history.owing + 1, ..bounced }) <= score(&bounced), "and owes it");
            prop_assert!(score(&History { withdrawing: raised(history.withdrawing), ..history }) <= before, "leaves");
            let waited = history.score(&Weights::default(), PLEDGE, Time(NOW.0 + later));
            prop_assert!(waited >= before, "time alone never lowers it");
        }
    }
}
