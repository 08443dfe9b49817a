//! What the pool takes, in which order it gives it out, and that it forgets what it should.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{NodeSecret, Purpose, WalletSecret};
use byway_primitives::{Amount, AssetId, Hash};
use byway_records::call::KernelCall;
use byway_records::transaction::KeySignature;
use byway_records::verified::verify;
use byway_records::{Body, Call, Input, Lock, Output, Transaction, Value, Witness};
use proptest::prelude::*;

use super::claim::Stakes;
use super::*;
use crate::committee::MemberIndex;
use crate::drawn::NETWORK;

const NOW: Time = Time(1_800_000_000_000);
/// Bytes of a transaction without outputs.
const SMALL: usize = 78;

/// A transaction that spends nothing, of its own by its number, with so many outputs.
fn call(number: u64, outputs: usize) -> VerifiedTransaction {
    let signature = NodeSecret::from_seed(&[1; 32]).sign(Purpose::Ready, NETWORK, &number.to_be_bytes());
    let call = Call::Kernel(KernelCall::Ready { seat: 0, signature });
    let secret = TransactionSecret::from_seed(&[2; 32]);
    let body = Body {
        inputs: Vec::new(),
        outputs: vec![output(&secret); outputs],
        ghost: (outputs > 0).then(|| secret.public()),
        call: Some(call.envelope(None, None)),
        fee: Amount::ZERO,
        expires: Time(number),
    };
    verify(NETWORK, Transaction { body, witness: Witness::default() }).expect("well-formed")
}

fn output(secret: &TransactionSecret) -> Output {
    let (key, tag) = secret.derive(&wallet().address(), 0);
    let value = Value { asset: AssetId::WAY, amount: Amount::from_coins(1) };
    Output { lock: Lock::single(key), view_tags: vec![tag], value }
}

fn wallet() -> WalletSecret {
    WalletSecret::from_seed(&[3; 32])
}

/// Spends the coin of this number; transactions of other variants spend it too.
fn spend(coin: u8, variant: u64) -> VerifiedTransaction {
    let secret = TransactionSecret::from_seed(&[4; 32]);
    let lock = output(&secret).lock;
    let spent = OutputId { transaction: TransactionId(Hash([coin; 32])), index: 0 };
    let body = Body {
        inputs: vec![Input { spent, lock: lock.clone() }],
        outputs: Vec::new(),
        ghost: None,
        call: None,
        fee: Amount::from_coins(1),
        expires: Time(variant),
    };
    let key = wallet().spend_secret(secret.public(), 0, lock.keys[0]).expect("an own coin");
    let signature = key.sign(NETWORK, &body.id().0.0);
    let spends = vec![vec![KeySignature { key: 0, signature }]];
    verify(NETWORK, Transaction { body, witness: Witness { spends, authorisations: Vec::new() } }).expect("well-formed")
}

fn claim(coins: u64, seconds: u64) -> Claim {
    let mut stakes = Stakes::new(NOW);
    stakes.add(Amount::from_coins(coins), Span::seconds(seconds));
    stakes.claim()
}

fn client(number: u64) -> Source {
    Source::Client(number)
}

/// A pool with transactions of clients, each with its number of coins, a second old.
fn filled(clients: &[(u64, &[u64])]) -> (Pool, BTreeMap<TransactionId, u64>) {
    let (mut pool, mut owners) = (Pool::new(1_000, 1 << 20), BTreeMap::new());
    let mut number = 0;
    for (source, coins) in clients {
        for coins in *coins {
            number += 1;
            let transaction = call(number, 0);
            owners.insert(transaction.id(), *source);
            let taken = pool.submit(NOW, client(*source), claim(*coins, 1), transaction, &mut Vec::new());
            assert_eq!(taken, Ok(()));
        }
    }
    (pool, owners)
}

fn all(_: &VerifiedTransaction) -> bool {
    false
}

#[test]
fn a_small_transaction_is_as_small_as_the_tests_say() {
    assert!((SMALL - 2..=SMALL + 2).contains(&call(1, 0).size()), "{}", call(1, 0).size());
}

/// Clients with so many transactions each, and how many of each a snapshot with room for `count` holds.
#[test]
fn turns_share_a_snapshot() {
    let rows: [(&[usize], usize, &[usize]); 5] = [
        (&[200, 200], 100, &[50, 50]),
        (&[400, 5, 5], 60, &[50, 5, 5]),
        (&[300, 300, 30], 90, &[30, 30, 30]),
        (&[300, 12, 300], 100, &[44, 12, 44]),
        (&[10], 100, &[10]),
    ];
    for (clients, room, expected) in rows {
        let coins: Vec<Vec<u64>> = clients.iter().map(|count| vec![1; *count]).collect();
        let clients: Vec<_> = coins.iter().zip(0..).map(|(coins, source)| (source, coins.as_slice())).collect();
        let (mut pool, owners) = filled(&clients);
        let taken = pool.take(NOW, usize::MAX, room * SMALL, all);
        for (source, expected) in (0..).zip(expected) {
            let found = taken.iter().filter(|tx| owners[&tx.id()] == source).count();
            // A turn more or less.
            assert!(found.abs_diff(*expected) <= 14, "{found} of {source}, {expected} expected");
        }
    }
}

#[test]
fn who_waits_has_its_turn_whatever_the_flood() {
    // One that floods with old and valuable coins, ten that have one young transaction each.
    let flood = vec![1_000; 500];
    let mut clients: Vec<(u64, &[u64])> = vec![(0, &flood)];
    clients.extend((1..=10).map(|source| (source, &[1][..])));
    let (mut pool, owners) = filled(&clients);
    let taken = pool.take(NOW, usize::MAX, 100 * SMALL, all);
    let others = taken.iter().filter(|tx| owners[&tx.id()] != 0).count();
    assert_eq!(others, 10);
    assert!(taken.len() > 90, "and the rest of the room is used: {}", taken.len());
}

#[test]
fn great_claims_get_through_however_many_sources_there_are() {
    let (mut clients, little): (Vec<(u64, &[u64])>, _) = (Vec::new(), [1; 2]);
    clients.extend((0..400).map(|source| (source, &little[..])));
    clients.push((1_000, &[4_000, 5_000]));
    let (mut pool, owners) = filled(&clients);
    let taken = pool.take(NOW, usize::MAX, 20 * SMALL, all);
    let of_great = taken.iter().filter(|tx| owners[&tx.id()] == 1_000).count();
    assert_eq!(of_great, 2, "of {}", taken.len());
}

#[test]
fn within_a_source_the_greater_claim_goes_first_and_the_oldest_never_waits_for_long() {
    let (mut pool, mut order) = (Pool::new(1_000, 1 << 20), Vec::new());
    let least = call(0, 0);
    pool.submit(NOW, client(1), claim(0, 0), least.clone(), &mut Vec::new()).expect("taken");
    for number in 1..=40u64 {
        pool.submit(NOW, client(1), claim(number, 10), call(number, 0), &mut Vec::new()).expect("taken");
    }
    while let [one] = &pool.take(NOW, 1, 1 << 16, all)[..] {
        order.push(one.transaction().body.expires.0);
    }
    assert_eq!(order.len(), 41);
    let of_least = order.iter().position(|number| *number == 0);
    // Claims have their quarter of every snapshot, here all of it for one transaction.
    assert!(of_least.is_some_and(|place| place <= 41), "{order:?}");
    assert!(order.iter().position(|number| *number >= 32) < order.iter().position(|number| *number == 1), "{order:?}");
}

#[test]
fn the_least_claim_waits_for_what_came_before_it_and_not_for_what_comes_after() {
    let mut pool = Pool::new(1_000, 1 << 20);
    let least = call(0, 0);
    pool.submit(NOW, client(1), claim(0, 0), least.clone(), &mut Vec::new()).expect("taken");
    for number in 1..200u64 {
        // Always something better, and more of it than there is room for.
        for better in 0..8 {
            let transaction = call(number * 8 + better, 0);
            let _ = pool.submit(NOW, client(1), claim(100, 1_000), transaction, &mut Vec::new());
        }
        if pool.take(NOW, 4, 8 * SMALL, all).iter().any(|tx| tx.id() == least.id()) {
            assert!(number <= 4, "after {number} snapshots");
            return;
        }
    }
    panic!("it never came");
}

#[test]
fn large_transactions_get_no_more_room_than_small_ones_and_come_through() {
    let mut pool = Pool::new(1_000, 1 << 20);
    for number in 0..200u64 {
        pool.submit(NOW, client(1), claim(1, 1), call(number, 0), &mut Vec::new()).expect("taken");
    }
    let large: Vec<_> = (0..8).map(|number| call(1_000 + number, 60)).collect();
    for one in &large {
        pool.submit(NOW, client(2), claim(1, 1), one.clone(), &mut Vec::new()).expect("taken");
    }
    let (mut of_small, mut of_large) = (0, 0);
    for _ in 0..3 {
        for taken in pool.take(NOW, usize::MAX, 6_000, all) {
            let is_large = large.iter().any(|one| one.id() == taken.id());
            *(if is_large { &mut of_large } else { &mut of_small }) += taken.size();
        }
    }
    assert!(of_large > 0 && of_small > 0);
    assert!(of_large <= of_small, "{of_large} bytes of large ones, {of_small} of small ones: outputs are charged too");
}

#[test]
fn nothing_comes_before_what_makes_its_inputs() {
    let mut pool = Pool::new(1_000, 1 << 20);
    // What spends something unmade claims nothing; what makes it claims something, or nothing too.
    for first_claim in [claim(50, 100), Stakes::new(NOW).claim()] {
        let chain: Vec<_> = (0..50u64).map(|number| call(number, 0)).collect();
        for (number, transaction) in (0..).zip(&chain) {
            let claim = if number == 0 { first_claim } else { Stakes::new(NOW).claim() };
            pool.submit(NOW, client(1), claim, transaction.clone(), &mut Vec::new()).expect("taken");
        }
        let mut taken = Vec::new();
        while !pool.is_empty() {
            taken.extend(pool.take(NOW, 7, 1 << 16, all));
        }
        assert_eq!(taken, chain);
        chain.iter().for_each(|tx| assert!(pool.decided(NOW, &tx.id()).is_some()));
    }
}

#[test]
fn one_source_never_fills_the_pool_and_those_who_have_less_are_let_in() {
    let mut pool = Pool::new(100, 100 << 10);
    let mut numbers = 0..;
    let mut submit = |pool: &mut Pool, source: u64, claim: Claim| {
        let (transaction, mut gave_way) = (call(numbers.next().expect("endless"), 0), Vec::new());
        (pool.submit(NOW, client(source), claim, transaction, &mut gave_way), gave_way.len())
    };
    let held = |pool: &Pool| [1, 2, 3, 4].map(|source| pool.lanes.load(client(source)) >> 10);
    for (source, expected) in [(1, [50, 0, 0, 0]), (2, [38, 37, 0, 0]), (3, [30, 29, 29, 0]), (4, [24, 24, 23, 23])] {
        for _ in 0..100 {
            let _ = submit(&mut pool, source, claim(1, 1));
        }
        assert_eq!(held(&pool), expected, "after {source}");
    }
    let free = 100 - pool.pending();
    let newcomers: Vec<_> = (5..20).map(|source| submit(&mut pool, source, claim(1, 1))).collect();
    let (room, none) = newcomers.split_at(free);
    assert!(room.iter().all(|outcome| *outcome == (Ok(()), 0)), "{newcomers:?}");
    assert!(none.iter().all(|outcome| *outcome == (Ok(()), 1)), "{newcomers:?}");
    let before = held(&pool);
    assert_eq!(
        submit(&mut pool, 1, claim(1, 1)),
        (Err(SubmitError::Full), 0),
        "who has most takes nothing from others"
    );
    assert_eq!(submit(&mut pool, 1, claim(9, 9)), (Ok(()), 1), "but may exchange what it has");
    assert_eq!((held(&pool), pool.pending()), (before, 100));
}

#[test]
fn what_is_known_or_claims_the_same_coin_is_refused_until_it_is_decided() {
    let mut pool = Pool::new(100, 100 << 10);
    let submit = |pool: &mut Pool, transaction: &VerifiedTransaction| {
        pool.submit(NOW, client(1), claim(1, 1), transaction.clone(), &mut Vec::new())
    };
    let (first, second, other) = (spend(1, 1), spend(1, 2), spend(2, 1));
    assert_eq!(submit(&mut pool, &first), Ok(()));
    assert_eq!(submit(&mut pool, &first), Err(SubmitError::Known));
    assert_eq!(submit(&mut pool, &second), Err(SubmitError::Conflict));
    assert_eq!(submit(&mut pool, &other), Ok(()));
    assert_eq!(pool.take(NOW, 10, 1 << 16, all).len(), 2);
    assert_eq!(submit(&mut pool, &second), Err(SubmitError::Conflict), "it is in flight");
    assert_eq!(pool.decided(NOW + Span(7), &first.id()), Some(Span(7)));
    assert_eq!(submit(&mut pool, &second), Ok(()));
}

#[test]
fn what_comes_back_from_a_lost_snapshot_goes_first() {
    let (mut pool, _) = filled(&[(1, &[1; 20])]);
    let lost = pool.take(NOW, 5, 1 << 16, all);
    let own = call(900, 0);
    pool.submit_own(NOW, own.clone()).expect("taken");
    assert_eq!(pool.decided(NOW, &lost[2].id()), Some(Span::ZERO));
    pool.restore(&lost);
    let expected = [own, lost[0].clone(), lost[1].clone(), lost[3].clone(), lost[4].clone()];
    assert_eq!(pool.take(NOW, 5, 1 << 16, all), expected);
}

#[test]
fn what_is_handed_on_comes_round_and_what_is_hopeless_goes() {
    let (mut pool, _) = filled(&[(1, &[1; 3]), (2, &[1; 4])]);
    let (mut after, mut seen) = (0, Vec::new());
    for _ in 0..4 {
        let next = pool.waiting_after(after, 3, |tx| tx.transaction().body.expires == Time(2));
        after = next.last().expect("something waits").0;
        seen.extend(next.into_iter().map(|(_, tx)| tx.transaction().body.expires.0));
    }
    assert_eq!(seen, [1, 3, 4, 5, 6, 7, 1, 3, 4, 5, 6]);
    assert_eq!(pool.pending(), 6);
}

/// What may happen to a pool.
#[derive(Debug, Clone)]
enum Step {
    Submit { source: u8, coins: u64, outputs: usize },
    Own,
    Take { count: usize, bytes: usize },
    Lose,
    Decide(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..5, 0u64..1000, 0usize..6)
            .prop_map(|(source, coins, outputs)| Step::Submit { source, coins, outputs }),
        1 => Just(Step::Own),
        2 => (0usize..12, 0usize..4_000).prop_map(|(count, bytes)| Step::Take { count, bytes }),
        1 => Just(Step::Lose),
        3 => any::<usize>().prop_map(Step::Decide),
    ]
}

proptest! {
    /// Whatever happens, all that was taken in is given out once, or again if it was lost, or gave way; and nothing is
    /// left of what has its verdict.
    #[test]
    fn nothing_is_lost_nothing_comes_twice_and_nothing_stays(steps in proptest::collection::vec(step(), 1..120)) {
        let mut pool = Pool::new(24, 24 << 10);
        let (mut waiting, mut flying) = (BTreeMap::new(), BTreeMap::new());
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Submit { source, coins, outputs } => {
                    let (transaction, mut gave_way) = (call(number, outputs), Vec::new());
                    let source = if source == 0 { Source::Member(MemberIndex(3)) } else { client(source.into()) };
                    let taken = pool.submit(NOW, source, claim(coins, 9), transaction.clone(), &mut gave_way);
                    gave_way.iter().for_each(|id| assert!(waiting.remove(id).is_some(), "it waited"));
                    if taken == Ok(()) {
                        waiting.insert(transaction.id(), transaction);
                    }
                }
                Step::Own => {
                    let transaction = call(number, 0);
                    prop_assert_eq!(pool.submit_own(NOW, transaction.clone()), Ok(()));
                    waiting.insert(transaction.id(), transaction);
                }
                Step::Take { count, bytes } => {
                    let taken = pool.take(NOW, count, bytes, all);
                    prop_assert!(taken.len() <= count && taken.iter().map(|tx| tx.size()).sum::<usize>() <= bytes);
                    for transaction in taken {
                        prop_assert!(waiting.remove(&transaction.id()).is_some());
                        flying.insert(transaction.id(), transaction);
                    }
                }
                Step::Lose => {
                    let lost: Vec<_> = flying.values().cloned().collect();
                    pool.restore(&lost);
                    waiting.append(&mut flying);
                }
                Step::Decide(which) => {
                    let known: Vec<TransactionId> = waiting.keys().chain(flying.keys()).copied().collect();
                    if let Some(id) = known.get(which % known.len().max(1)) {
                        prop_assert!(pool.decided(NOW, id).is_some());
                        waiting.remove(id);
                        flying.remove(id);
                    }
                }
            }
            prop_assert_eq!(pool.pending(), waiting.len() + flying.len());
            prop_assert_eq!(pool.waiting_bytes(), waiting.values().map(|tx| tx.size()).sum::<usize>());
            prop_assert!(pool.load <= pool.load_max);
        }
        let rest = pool.take(NOW, usize::MAX, 1 << 20, all);
        prop_assert_eq!(rest.len(), waiting.len());
        for id in waiting.keys().chain(flying.keys()) {
            pool.decided(NOW, id);
        }
        prop_assert!(pool.is_empty() && pool.known.is_empty() && pool.spenders.is_empty() && pool.ranked.is_empty());
        prop_assert_eq!((pool.load, pool.sources(), pool.waiting_bytes(), pool.first.len()), (0, 0, 0, 0));
    }
}
