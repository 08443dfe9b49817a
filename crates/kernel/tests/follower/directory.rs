//! Names and holders as a follower knows them.

use byway_crypto::IdentitySecret;
use byway_kernel::follower::{Follower, PROGRAMS};
use byway_primitives::{MemoryStore, Span, Time};
use byway_records::{Delegate, Height, Name, ProgramId};

use crate::history::{
    HEIGHTS, HISTORY, HOLDER_SET, HOLDS_SECONDS, IDENTITY, NAME, NAME_MARKED, NAME_SETTLED, START, held_for,
};

/// Follows these programs, and shows the follower at each height.
fn follow(programs: &[ProgramId], mut each: impl FnMut(u64, &Follower)) {
    let mut follower = Follower::open(HISTORY.genesis.clone(), programs, &MemoryStore::new()).expect("an empty store");
    for height in 1..=HEIGHTS {
        follower.advance(HISTORY.steps(Height(height), programs).swap_remove(0)).expect("true");
        each(height, &follower);
    }
}

#[test]
fn what_is_proved_of_names_and_holders_is_read_where_it_is_followed() {
    let person = IdentitySecret::from_bytes(&IDENTITY).expect("a key").id();
    let name: Name = NAME.parse().expect("a name");
    let until = START + Span::seconds(HOLDS_SECONDS);
    let held = vec![Delegate { holder: person, until }];
    follow(&PROGRAMS, |height, follower| {
        let now = follower.tip().expect("followed").time;
        let identity = follower.identity_of(&name, now);
        assert_eq!(identity, (height >= NAME_SETTLED).then_some(person), "at {height}");
        let called = follower.name_of(person, now);
        assert_eq!(called, (height >= NAME_MARKED).then(|| name.clone()), "at {height}");
        assert_eq!(follower.name_of(held_for(), now), None);
        let holds = (HOLDER_SET..HOLDS_SECONDS).contains(&height);
        assert_eq!(
            follower.delegates_of(held_for(), now),
            if holds { held.clone() } else { Vec::new() },
            "at {height}"
        );
        assert_eq!(follower.delegates_of(person, now), []);
    });
}

/// A clock that is ahead ends nothing for which the ledger has not made its commits.
#[test]
fn a_name_is_not_over_by_the_clock_alone() {
    let name: Name = NAME.parse().expect("a name");
    follow(&PROGRAMS, |height, follower| {
        let is_known = follower.identity_of(&name, Time(u64::MAX)).is_some();
        assert_eq!(is_known, height >= NAME_SETTLED, "at {height}");
    });
}

#[test]
fn who_does_not_follow_them_knows_of_nobody() {
    let person = IdentitySecret::from_bytes(&IDENTITY).expect("a key").id();
    follow(&[ProgramId::SYSTEM, ProgramId::OFFERS], |_, follower| {
        assert_eq!(follower.identity_of(&NAME.parse().expect("a name"), START), None);
        assert_eq!((follower.name_of(person, START), follower.delegates_of(held_for(), START)), (None, Vec::new()));
    });
}
