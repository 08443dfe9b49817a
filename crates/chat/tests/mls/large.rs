//! A room of a thousand.

use byway_chat::mls::wire::{COMMIT_BYTES_MAX, TREE_BYTES_MAX, WELCOME_BYTES_MAX};
use byway_chat::mls::{ADDS_MAX, Change};
use byway_primitives::Batch;

use crate::world::{Side, assert_agreed, id};

#[test]
fn a_thousand_are_in_one_room() {
    let mut founder = Side::new(0, 0);
    founder.found(&byway_chat::mls::Roles::group(id(0)));
    let mut inside: Vec<Side> = vec![founder];
    let people: Vec<u32> = (1..1000).collect();
    for batch in people.chunks(ADDS_MAX) {
        let mut sides: Vec<Side> = batch.iter().map(|person| Side::new(*person, 0)).collect();
        let packages: Vec<_> = sides.iter_mut().map(Side::package).collect();
        let add = packages.iter().map(|(package, _)| package.clone()).collect();
        let made = inside[0].change(&Change { add, ..Change::default() });
        let welcome = made.welcome.as_ref().unwrap();
        assert!(welcome.invitation.len() <= WELCOME_BYTES_MAX && made.commit.len() <= COMMIT_BYTES_MAX);
        assert!(welcome.tree.len() <= TREE_BYTES_MAX && welcome.invitation.len() < welcome.tree.len());
        for side in &mut inside[1..] {
            side.follow(&made.commit);
        }
        let (mut last, (_, kept)) = (sides.pop().unwrap(), packages.into_iter().next_back().unwrap());
        last.enter(&made, &[kept]);
        inside.push(last);
    }
    assert_eq!(inside[0].room().members().len(), 1000);
    assert_agreed(&inside);
    let before = inside[1].store.clone();
    let update = inside[1].update();
    inside[1].store = before;
    inside[1].restart();
    inside[1].undraw();
    assert_eq!(inside[1].update(), update, "in whatever order a thousand encapsulations were made");
    for side in [0, 2, 3, 4] {
        inside[side].follow(&update.commit);
    }
    assert_agreed(&inside);
    // What is written of a commit is what it changes. After the renewals of many the tree has no holes.
    for side in 0..inside.len() {
        let renewal = inside[side].update();
        (0..inside.len()).filter(|other| *other != side).for_each(|other| drop(inside[other].follow(&renewal.commit)));
    }
    let (seed, now, mut written) = (inside[1].seed(), inside[1].now, Batch::new());
    inside[1].room.as_mut().unwrap().change(&seed, now, &Change::default(), &mut written).unwrap();
    let bytes: usize = written.writes.iter().flat_map(|write| write.value.as_ref()).map(Vec::len).sum();
    assert!(bytes < 64 * 1024, "a commit in a room of a thousand wrote {bytes} bytes");
    inside[1].restart();
    let content = inside[2].seal(b"to a thousand").bytes;
    assert_eq!(inside[4].read(&content).content, b"to a thousand");
    inside[4].restart();
    let out = Change { remove: vec![inside[4].device.secret.key()], ..Change::default() };
    let made = inside[0].change(&out);
    for side in &mut inside[1..] {
        side.follow(&made.commit);
    }
    assert!(!inside.pop().unwrap().room().is_member());
    assert_agreed(&inside);
}
