use byway_primitives::Time;
use byway_records::Height;

use super::*;
use crate::drawn::{NETWORK, coin_keys, committee, secret, share};
use crate::snapshot::Header;

/// A snapshot of `author` in `round` with these shares.
fn snapshot(author: u8, round: u64, coin_shares: Vec<CoinShare>) -> VerifiedSnapshot {
    let header = Header {
        author: MemberIndex(author),
        round,
        previous: None,
        references: Vec::new(),
        weak_references: Vec::new(),
        checkpoint: Height::GENESIS,
        votes: Vec::new(),
        coin_shares,
        time: Time(0),
    };
    VerifiedSnapshot::sign(&committee(7), &secret(author), header, Vec::new())
}

fn good(keys: &[CoinKey], author: u8, round: u64) -> VerifiedSnapshot {
    snapshot(author, round, vec![share(&keys[usize::from(author)], round)])
}

/// The share of another round, said to be this one's.
fn bad(keys: &[CoinKey], author: u8, round: u64) -> VerifiedSnapshot {
    let share = share(&keys[usize::from(author)], round + 1).share;
    snapshot(author, round, vec![CoinShare { round, share }])
}

fn coin(keys: &[CoinKey]) -> CommonCoin {
    CommonCoin::new(NETWORK, committee(7).members().collect(), 7, keys[0].clone())
}

fn leaders(coin: &CommonCoin, round: u64) -> Vec<Option<MemberIndex>> {
    (0..7).map(|offset| coin.leader(Slot { round, offset })).collect()
}

#[test]
fn leaders_are_known_with_f_plus_one_shares_and_the_same_whosever_they_are() {
    let keys = coin_keys(7);
    let opened = [[0, 1, 2], [6, 4, 2], [5, 3, 1]].map(|authors| {
        let mut coin = coin(&keys);
        for (count, author) in authors.into_iter().enumerate() {
            assert_eq!(leaders(&coin, 1), vec![None; 7], "after {count} shares");
            coin.observe(&good(&keys, author, 5));
        }
        leaders(&coin, 1)
    });
    assert_eq!(opened[0], opened[1]);
    assert_eq!(opened[0], opened[2]);
    let everybody: BTreeSet<_> = opened[0].iter().map(|leader| leader.expect("named")).collect();
    assert_eq!(everybody.len(), 7, "no member twice");
}

#[test]
fn an_author_counts_once() {
    let keys = coin_keys(7);
    let mut coin = coin(&keys);
    for _ in 0..3 {
        coin.observe(&good(&keys, 4, 5));
    }
    assert_eq!(coin.leader(Slot { round: 1, offset: 0 }), None);
}

#[test]
fn a_false_share_delays_nothing_and_is_evidence() {
    let keys = coin_keys(7);
    let mut coin = coin(&keys);
    let (first, second) = (bad(&keys, 1, 5), bad(&keys, 2, 5));
    coin.observe(&first);
    coin.observe(&second);
    coin.observe(&good(&keys, 3, 5));
    assert_eq!(coin.take_evidence(), [first.reference(), second.reference()]);
    coin.observe(&good(&keys, 4, 5));
    assert_eq!(coin.leader(Slot { round: 1, offset: 0 }), None, "two are good");
    coin.observe(&good(&keys, 5, 5));
    assert!(coin.leader(Slot { round: 1, offset: 0 }).is_some());
    // Who was caught is not listened to again.
    for author in [1, 2, 3, 4] {
        coin.observe(&good(&keys, author, 6));
    }
    assert_eq!(coin.leader(Slot { round: 2, offset: 0 }), None);
    assert_eq!(coin.take_evidence(), []);
    for (snapshot, expected) in [(first, Err(SnapshotError::CoinShare(5))), (good(&keys, 3, 5), Ok(()))] {
        assert_eq!(check_shares(NETWORK, &keys[6].public, &snapshot), expected);
    }
}

#[test]
fn shares_of_rounds_left_out_are_given_later_unless_their_coins_are_open() {
    let keys = coin_keys(7);
    let mut coin = coin(&keys);
    coin.raise_floor(1);
    let rounds =
        |coin: &mut CommonCoin, round| coin.shares_for(round).iter().map(|share| share.round).collect::<Vec<_>>();
    assert_eq!(rounds(&mut coin, 5), [5]);
    assert_eq!(rounds(&mut coin, 6), [6]);
    [1, 2, 3].into_iter().for_each(|author| coin.observe(&good(&keys, author, 8)));
    assert_eq!(rounds(&mut coin, 10), [7, 9, 10]);
    assert_eq!(rounds(&mut coin, 11), [11]);
    // What doesn't fit comes with the next one, and nothing that is decided comes at all.
    assert_eq!(rounds(&mut coin, 40), (12..=26).chain([40]).collect::<Vec<_>>());
    coin.raise_floor(30);
    assert_eq!(rounds(&mut coin, 41), (34..=39).chain([41]).collect::<Vec<_>>());
    let shares = coin.shares_for(42);
    assert_eq!(shares, [share(&keys[0], 42)]);
}

#[test]
fn who_was_dealt_nothing_follows_the_coin() {
    let keys = coin_keys(7);
    let mut coin =
        CommonCoin::new(NETWORK, committee(7).members().collect(), 1, CoinKey { secret: None, ..keys[0].clone() });
    assert_eq!(coin.shares_for(5), []);
    [1, 2, 3].into_iter().for_each(|author| coin.observe(&good(&keys, author, 5)));
    assert!(coin.leader(Slot { round: 1, offset: 0 }).is_some());
}
