//! Another version of the protocol, decided by the kernel nodes' owners.

use byway_records::call::kernel::Upgrade;
use byway_records::{Height, Reject};

use crate::world::{CAROL, Draft, World, owner_of};

/// Commits until there are so many checkpoints; says what is spoken from each on.
fn spoken(world: &mut World, checkpoints: usize) -> Vec<u16> {
    let mut spoken = Vec::new();
    while world.checkpoints.len() < checkpoints {
        let before = world.checkpoints.len();
        world.commit(&[]);
        if world.checkpoints.len() > before {
            spoken.push(world.ledger.epoch().protocol);
        }
    }
    spoken
}

fn agree(world: &mut World, seats: std::ops::Range<u8>, to: Upgrade) {
    for seat in seats {
        world.must(&world.upgrade(owner_of(seat), seat, to));
    }
}

#[test]
fn a_quorum_of_owners_decides_what_is_spoken_from_a_height_on() {
    let mut world = World::new();
    let to = Upgrade { protocol: 2, at: Height(4) };
    agree(&mut world, 0..3, to);
    assert_eq!(spoken(&mut world, 5), [1, 1, 2, 2]);
    assert_eq!(world.ledger.epoch().number, 1);
    world.refuses(&world.upgrade(owner_of(0), 0, to), Reject::UpgradePast);
}

#[test]
fn less_than_a_quorum_or_other_terms_decide_nothing() {
    let mut world = World::new();
    let to = Upgrade { protocol: 2, at: Height(3) };
    agree(&mut world, 0..2, to);
    agree(&mut world, 2..3, Upgrade { at: Height(4), ..to });
    agree(&mut world, 3..4, Upgrade { protocol: 3, ..to });
    world.refuses(&Draft { signers: vec![CAROL], ..world.upgrade(owner_of(0), 0, to) }, Reject::NotAuthorised);
    assert_eq!(spoken(&mut world, 5), [1, 1, 1, 1]);
    assert_eq!(world.ledger.epoch().number, 0);
}

#[test]
fn owners_can_decide_otherwise_until_then() {
    let mut world = World::new();
    agree(&mut world, 0..3, Upgrade { protocol: 2, at: Height(3) });
    agree(&mut world, 1..4, Upgrade { protocol: 1, at: Height(3) });
    assert_eq!(spoken(&mut world, 5), [1, 1, 1, 1]);
    assert_eq!(world.ledger.epoch().number, 0, "nothing changed, so no epoch turned");
}

#[test]
fn only_members_that_count_decide() {
    let mut world = World::new();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    world.refuses(&world.upgrade(CAROL, 4, Upgrade { protocol: 2, at: Height(9) }), Reject::SeatStanding);
    world.refuses(&world.upgrade(CAROL, 5, Upgrade { protocol: 2, at: Height(9) }), Reject::SeatEmpty);
}
