//! Two who have both lost what stands under the root part by a split that both users name.

use byway_channel::{ChannelMessage, ChannelNews, CloseError, Health, Life, Split};
use byway_primitives::Span;
use byway_records::call::ChannelsCall;
use byway_records::channel::{AssetParts, ChannelAssets};

use crate::purses::Purses;
use crate::scene::DEPOSIT;
use crate::world::units;

fn split(purses: &Purses, parts: [[u128; 2]; 2]) -> Split {
    let row = |asset: usize| AssetParts { asset: purses.assets[asset], parts: parts[asset].map(crate::purses::cents) };
    Split {
        balances: [units(DEPOSIT - 1_000), units(DEPOSIT + 1_000)],
        assets: ChannelAssets::new([row(0), row(1)]).unwrap(),
    }
}

fn name(purses: &mut Purses, side: usize, parts: [[u128; 2]; 2]) -> Result<(), CloseError> {
    let (now, split) = (purses.rig.now, split(purses, parts));
    let named = purses.rig.machine(side).close_split(now, split);
    purses.rig.collect(side);
    named
}

/// Both have lost a state in which the first asset is divided 350 and 250. `is_shown`: the ledger has its root.
fn both_lost(is_shown: bool) -> Purses {
    let mut purses = Purses::new();
    purses.pay(0, 0, 250);
    if is_shown {
        purses.rig.close_alone(0).unwrap();
        purses.rig.tick(Span::millis(1));
    }
    purses.rig.lose_disk(0);
    purses.rig.lose_disk(1);
    purses.rig.disconnect();
    purses.rig.listen();
    purses.rig.exchange();
    purses
}

fn has_signed(purses: &Purses) -> bool {
    let is_close = |news: &ChannelNews| matches!(news, ChannelNews::Submit(ChannelsCall::CloseMutual(_)));
    purses.rig.parties.iter().any(|party| party.has(is_close))
}

#[test]
fn two_who_have_both_lost_the_state_part_by_what_both_name() {
    for is_shown in [true, false] {
        for first in [0, 1] {
            let mut purses = both_lost(is_shown);
            name(&mut purses, first, [[350, 250], [100, 300]]).unwrap();
            purses.rig.exchange();
            assert!(purses.rig.parties[1 - first].has(|news| matches!(news, ChannelNews::AskedToSplit(_))));
            let now = purses.rig.now;
            assert!(purses.rig.machine(1 - first).asked_split(now).is_some());
            assert!(!has_signed(&purses), "nobody has agreed");
            name(&mut purses, 1 - first, [[350, 250], [100, 300]]).unwrap();
            purses.rig.run();
            purses.rig.run();
            purses.assert_paid([[350, 250], [100, 300]]);
        }
    }
}

#[test]
fn nothing_is_signed_where_the_two_name_other_numbers() {
    let mut purses = both_lost(true);
    name(&mut purses, 0, [[350, 250], [100, 300]]).unwrap();
    purses.rig.exchange();
    name(&mut purses, 1, [[349, 251], [100, 300]]).unwrap();
    purses.rig.exchange();
    let now = purses.rig.now;
    for side in [0, 1] {
        assert!(purses.rig.machine(side).asked_split(now).is_some(), "each hears what the other wants");
    }
    assert!(!has_signed(&purses));
    assert!(purses.rig.entry().is_some());
    // Until one gives in.
    name(&mut purses, 0, [[349, 251], [100, 300]]).unwrap();
    purses.rig.run();
    purses.rig.run();
    purses.assert_paid([[349, 251], [100, 300]]);
}

#[test]
fn what_was_named_counts_for_ten_minutes_and_can_be_taken_back() {
    for is_taken_back in [true, false] {
        let mut purses = both_lost(false);
        name(&mut purses, 0, [[350, 250], [100, 300]]).unwrap();
        purses.rig.exchange();
        let now = purses.rig.now;
        if is_taken_back {
            purses.rig.machine(0).cancel(now).unwrap();
            purses.rig.collect(0);
        } else {
            purses.rig.tick(Span::minutes(11));
        }
        let now = purses.rig.now;
        assert_eq!(purses.rig.machine(0).named_split(now), None);
        // What the other has named is asked for anew, and nobody signs it for the first.
        purses.rig.disconnect();
        purses.rig.listen();
        name(&mut purses, 1, [[350, 250], [100, 300]]).unwrap();
        purses.rig.exchange();
        assert!(!has_signed(&purses), "one of the two does not want it any more");
        assert!(purses.rig.parties[0].has(|news| matches!(news, ChannelNews::AskedToSplit(_))));
    }
}

#[test]
fn a_side_that_knows_the_state_names_and_signs_no_split() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 250);
    assert_eq!(name(&mut purses, 0, [[600, 0], [100, 300]]), Err(CloseError::Known));
    let close = {
        let machine = purses.rig.machine(0);
        let (network, channel) = (machine.network(), machine.id().unwrap());
        let (now, split) = (purses.rig.now, split(&purses, [[600, 0], [100, 300]]));
        let (balances, assets, expires) = (split.balances, split.assets, now + Span::minutes(5));
        byway_records::channel::MutualClose { network, channel, balances, assets, expires }
    };
    let signature = byway_records::channel::Cosigned::sign_one(&close, &crate::scene::person(0));
    for signature in [None, Some(signature)] {
        purses.rig.hear(1, ChannelMessage::Split { close, signature }).unwrap();
        purses.rig.run();
    }
    let now = purses.rig.now;
    assert_eq!(purses.rig.machine(1).asked_split(now), None, "its user is not even asked");
    assert!(!has_signed(&purses));
    assert_eq!(purses.rig.machine(1).life(), Life::Open);
}

#[test]
fn a_split_is_of_all_that_there_is() {
    let mut purses = both_lost(true);
    for parts in [[[350, 249], [100, 300]], [[350, 251], [100, 300]], [[350, 250], [0, 1]]] {
        assert_eq!(name(&mut purses, 0, parts), Err(CloseError::Split), "{parts:?}");
    }
    let (now, mut all) = (purses.rig.now, split(&purses, [[350, 250], [100, 300]]));
    all.balances[0] = units(DEPOSIT);
    assert_eq!(purses.rig.machine(0).close_split(now, all), Err(CloseError::Split));
    assert!(purses.rig.next_message(1).is_none());
}

/// Who has signed a split signs nothing beside it, also where its peer turns out to have the state.
#[test]
fn whoever_has_signed_a_split_signs_no_update_any_more() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 250);
    let disk = purses.rig.parties[0].disk.clone();
    purses.rig.lose_disk(0);
    purses.rig.lose_disk(1);
    purses.rig.disconnect();
    purses.rig.listen();
    name(&mut purses, 0, [[600, 0], [100, 300]]).unwrap();
    purses.rig.exchange();
    // What the second says is lost, and the first has its old disk again.
    name(&mut purses, 1, [[600, 0], [100, 300]]).unwrap();
    while purses.rig.write(1) {}
    purses.rig.disconnect();
    purses.rig.restart(0, disk);
    purses.rig.connect();
    purses.rig.exchange();
    assert_eq!(*purses.rig.machine(1).health(), Health::Sound);
    assert_eq!(purses.rig.machine(1).life(), Life::Closing);
    let refused = purses.rig.propose(1, crate::scene::transfer(1, 10));
    assert_eq!(refused, Err(byway_channel::ProposeError::NotOpen));
    purses.rig.run();
    purses.rig.run();
    purses.assert_paid([[350, 250], [100, 300]]);
}

#[test]
fn a_user_is_told_once_a_minute_at_most_that_another_split_is_asked_for_and_is_shown_the_last() {
    let mut purses = both_lost(false);
    let told = |purses: &Purses| {
        let news = purses.rig.parties[1].news.iter();
        news.filter(|news| matches!(news, ChannelNews::AskedToSplit(_))).count()
    };
    let [one, other] = [[[350, 250], [100, 300]], [[349, 251], [100, 300]]];
    for parts in [one, other, one, other, one, other] {
        name(&mut purses, 0, parts).unwrap();
        purses.rig.exchange();
    }
    assert_eq!(told(&purses), 1);
    let (now, last) = (purses.rig.now, split(&purses, other));
    assert_eq!(purses.rig.machine(1).asked_split(now).map(|(asked, _)| asked), Some(last));
    purses.rig.tick(Span::minutes(1));
    name(&mut purses, 0, other).unwrap();
    purses.rig.exchange();
    assert_eq!(told(&purses), 2, "what it still wants then is told");
    purses.rig.tick(Span::minutes(1));
    name(&mut purses, 0, other).unwrap();
    purses.rig.exchange();
    assert_eq!(told(&purses), 2, "it is the same");
}
