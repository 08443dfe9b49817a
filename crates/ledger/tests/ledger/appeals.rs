//! What an appeal opens, what it leaves as it is, and when it lapses. Nobody can decide one yet.

use byway_primitives::{Span, Time};
use byway_records::Standing;
use byway_records::call::kernel::ConvictionId;
use byway_records::state::{Conviction, Deadline};

use crate::evidence::{begun, conviction, pool, standing, twins};
use crate::world::{APPEAL_TIME, KERNEL_PLEDGE, World, owner_of, units};

const SEAT: u8 = 1;

/// Which part of a deadline passes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Time,
    Commits,
}

/// A world in which the member is convicted, of its first offence or its second, and what of the latter.
fn convicted(is_second: bool) -> (World, Conviction) {
    let mut world = begun();
    world.must(&world.accuse(twins(&world, SEAT, SEAT, 7)));
    if is_second {
        world.must(&world.accuse(twins(&world, SEAT, SEAT, 8)));
    }
    world.turn();
    let convicted = conviction(&world, SEAT, is_second).expect("it is convicted");
    let forfeited = if is_second { units(KERNEL_PLEDGE) } else { units(0) };
    assert_eq!((convicted.is_appealed, convicted.forfeited), (false, forfeited));
    (world, convicted)
}

/// Lets all of the deadline pass but the last commit or millisecond of one part.
fn nearly(world: &mut World, ends: Deadline, last: Last) {
    match last {
        Last::Time => {
            while world.ledger.commits() < ends.commits + 3 {
                world.commit(&[]);
            }
            // `commit` executes a millisecond later.
            world.time = Time(ends.time.0 - 2);
            world.commit(&[]);
        }
        Last::Commits => {
            world.time = ends.time + Span::seconds(1);
            while world.ledger.commits() < ends.commits - 1 {
                world.commit(&[]);
            }
        }
    }
}

/// A mark and a forfeit alike; by a kernel that stands still, and by one that is quick.
#[test]
fn an_appeal_is_open_until_its_limit_and_then_lapses() {
    for is_second in [false, true] {
        for last in [Last::Time, Last::Commits] {
            let (mut world, convicted) = convicted(is_second);
            let id = ConvictionId { seat: SEAT, since: 0, is_second };
            world.time = world.time + Span::seconds(3);
            world.must(&world.appeal(owner_of(SEAT), id));
            let ends = Deadline {
                time: world.time + APPEAL_TIME.millis,
                commits: world.ledger.commits() + APPEAL_TIME.commits,
            };
            let opened = Conviction { is_appealed: true, ends, ..convicted };
            assert_eq!(conviction(&world, SEAT, is_second), Some(opened), "its time begins anew");

            // Meanwhile the sentence is carried out but for the money, which waits.
            let sentence = if is_second { None } else { Some(Standing::Marked) };
            let before = pool(&world);
            nearly(&mut world, ends, last);
            assert_eq!(conviction(&world, SEAT, is_second), Some(opened), "{is_second}, {last:?}");
            assert_eq!((standing(&world, SEAT), pool(&world)), (sentence, before));

            world.commit(&[]);
            assert_eq!(conviction(&world, SEAT, is_second), None, "{is_second}, {last:?}");
            assert_eq!(pool(&world), before + convicted.forfeited.units());
            assert_eq!(standing(&world, SEAT), sentence, "what nobody decides stands");
        }
    }
}

/// A mark that was appealed in vain is the first offence all the same.
#[test]
fn after_an_appeal_lapsed_the_next_offence_is_the_second() {
    let (mut world, _) = convicted(false);
    world.must(&world.appeal(owner_of(SEAT), ConvictionId { seat: SEAT, since: 0, is_second: false }));
    world.wait(APPEAL_TIME);
    assert_eq!(conviction(&world, SEAT, false), None);
    world.must(&world.accuse(twins(&world, SEAT, SEAT, 9)));
    let second = conviction(&world, SEAT, true).expect("it is convicted again");
    assert_eq!(second.forfeited, units(KERNEL_PLEDGE));
    world.turn();
    assert_eq!(standing(&world, SEAT), None);
}

/// While the first is appealed, a second offence takes pledge and seat; each has a time of its own.
#[test]
fn an_open_appeal_does_not_put_off_the_next_sentence() {
    let (mut world, first) = convicted(false);
    let id = |is_second| ConvictionId { seat: SEAT, since: 0, is_second };
    world.must(&world.appeal(owner_of(SEAT), id(false)));
    world.time = world.time + APPEAL_TIME.millis;
    world.must(&world.accuse(twins(&world, SEAT, SEAT, 8)));
    world.turn();
    let second = conviction(&world, SEAT, true).expect("it is convicted again");
    assert!(!second.is_appealed && second.ends.time > first.ends.time);
    assert_eq!(standing(&world, SEAT), None);
    let before = pool(&world);
    world.must(&world.appeal(owner_of(SEAT), id(true)));
    world.wait(APPEAL_TIME);
    assert_eq!((conviction(&world, SEAT, false), conviction(&world, SEAT, true)), (None, None));
    assert_eq!(pool(&world), before + KERNEL_PLEDGE, "what a mark cost was no money");
}
