//! Random courses of a group: who comes and goes at any moment, while links break and memories are lost, and what all have in the end.
//!
//! A course follows from its seed. The usual run has the first of them, and those in which a fault was found once; `BYWAY_TEST_LONG=1`
//! has more, and `BYWAY_TEST_SEEDS=17` or `=1..=500` those alone. All that fail are named; one that is asked for alone is cut down to the
//! steps that it takes.

use std::collections::BTreeSet;
use std::fmt::Debug;

use byway_chat::mls::RoomId;
use byway_primitives::Span;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

use crate::groups::{DAVE, five};
use crate::rig::{Person, World};
use crate::{ALICE, BOB, CAROL};

/// The phone in the courses with one, beside the five.
const SIXTH: usize = 5;

/// Courses of the usual run, beside those of [`FOUND`].
const USUAL: u64 = 16;
const LONG: u64 = 256;

/// How often a course is played to find out what of it can go.
const SHRINKS: u32 = 2_000;

/// Seeds of courses that came to another end than they should, before the cause was mended.
const FOUND: [u64; 8] = [6806, 8520, 8624, 10534, 11157, 12032, 12078, 12184];
const FOUND_WITH_PHONE: [u64; 1] = [4068];

/// Messages that may come of one moment: several times as many as come of any.
const CARRIED_MAX: usize = 5_000;

/// What one step does.
#[derive(Debug, Clone)]
enum Step {
    Say(usize),
    Add(usize, usize),
    Remove(usize, usize),
    Admin(usize, bool),
    Cut(usize, usize),
    Connect(usize, usize),
    Crash(usize),
    Tick,
    Deliver(usize),
}

/// Of so many, of whom the first three change who is in the group of five.
fn step(count: usize) -> impl Strategy<Value = Step> {
    let who = 0..count;
    prop_oneof![
        4 => who.clone().prop_map(Step::Say),
        2 => (0..3usize, 0..5usize).prop_map(|(by, of)| Step::Add(by, of)),
        2 => (0..3usize, 3..5usize).prop_map(|(by, of)| Step::Remove(by, of)),
        1 => (1..3usize, any::<bool>()).prop_map(|(of, is)| Step::Admin(of, is)),
        2 => (who.clone(), who.clone()).prop_map(|(one, other)| Step::Cut(one, other)),
        3 => (who.clone(), who.clone()).prop_map(|(one, other)| Step::Connect(one, other)),
        1 => who.prop_map(Step::Crash),
        1 => Just(Step::Tick),
        24 => any::<usize>().prop_map(Step::Deliver),
    ]
}

/// One step of a course with a phone: what Alice does in it she may do there.
fn step_on_either() -> impl Strategy<Value = Step> {
    (step(6), any::<bool>()).prop_map(|(step, is_phone)| match step {
        Step::Add(ALICE, of) if is_phone => Step::Add(SIXTH, of),
        Step::Remove(ALICE, of) if is_phone => Step::Remove(SIXTH, of),
        step => step,
    })
}

impl World {
    fn take(&mut self, room: RoomId, step: Step, said: &mut [usize]) {
        match step {
            Step::Say(who) => {
                let what = format!("{who}:{:03}", said[who]);
                if self.people[who].chats.talk(room).is_some() && self.try_say(who, room, &what).is_ok() {
                    said[who] += 1;
                }
            }
            // What may not be is refused, which others show.
            Step::Add(by, of) if by != of => drop(self.add(by, room, of)),
            Step::Remove(by, of) => drop(self.remove(by, room, of)),
            Step::Admin(of, is_admin) => drop(self.role(ALICE, room, of, is_admin)),
            Step::Cut(one, other) if one != other && self.is_linked(one, other) => self.cut(one, other),
            Step::Connect(one, other) if one != other && !self.is_linked(one, other) => self.connect(one, other),
            Step::Crash(who) => self.crash(who),
            Step::Tick => {
                self.now = self.now + Span::seconds(20);
                self.tick();
            }
            Step::Deliver(pick) => self.deliver_picked(pick),
            Step::Add(..) | Step::Cut(..) | Step::Connect(..) => {}
        }
    }
}

/// A group of the first four, of whom two are admins.
fn with_two_admins(world: &mut World) -> RoomId {
    world.carried_max = CARRIED_MAX;
    let room = world.found(ALICE, &[BOB, CAROL, DAVE]);
    for who in [BOB, CAROL] {
        world.role(ALICE, room, who, true).unwrap();
        world.carry();
    }
    room
}

/// The seeds that `BYWAY_TEST_SEEDS` names, or those that are usual, and `found`.
fn seeds(found: &[u64]) -> Vec<u64> {
    if let Ok(text) = std::env::var("BYWAY_TEST_SEEDS") {
        let (first, last) = text.split_once("..=").unwrap_or((&text, &text));
        let number = |text: &str| text.parse::<u64>().expect("BYWAY_TEST_SEEDS is a seed, or FIRST..=LAST");
        return (number(first)..=number(last)).collect();
    }
    let count = if std::env::var_os("BYWAY_TEST_LONG").is_some() { LONG } else { USUAL };
    (1..=count).chain(found.iter().copied()).collect()
}

/// Plays the course of each seed.
fn play<S: Strategy<Value: Clone + Debug>>(
    found: &[u64],
    courses: impl Fn() -> S,
    course: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut failed = Vec::new();
    let all = seeds(found);
    for seed in &all {
        let config = ProptestConfig {
            cases: 1,
            rng_seed: RngSeed::Fixed(*seed),
            failure_persistence: None,
            max_shrink_iters: if all.len() == 1 { SHRINKS } else { 0 },
            ..ProptestConfig::default()
        };
        if let Err(error) = TestRunner::new(config).run(&courses(), &course) {
            let (why, steps) = match error {
                TestError::Fail(why, steps) => (why.to_string(), format!("{steps:?}")),
                TestError::Abort(why) => (why.to_string(), String::new()),
            };
            eprintln!("seed {seed}: {why}: {steps}");
            failed.push(*seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} of {} failed", all.len());
}

/// Three who stay, and two who are added and removed at any moment by each of the three who may, while links break and memories
/// are lost: in the end all who are in the group agree on who is, and have what was said, once.
#[test]
fn whoever_comes_and_goes_all_have_the_same_in_the_end() {
    play(&FOUND, || prop::collection::vec(step(5), 1..160), comes_and_goes);
}

/// The same as without a phone: Alice has one, from which she does as much as from her first device, and which is taken away from her
/// after some of the steps, or never.
#[test]
fn with_a_second_device_all_have_the_same_in_the_end() {
    let courses = || (prop::collection::vec(step_on_either(), 1..120), prop::option::of(0..120usize));
    play(&FOUND_WITH_PHONE, courses, |(steps, unlinked_after)| with_a_second_device(steps, unlinked_after));
}

fn comes_and_goes(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = five();
    let room = with_two_admins(&mut world);
    let mut said = [0; 5];
    steps.into_iter().for_each(|step| world.take(room, step, &mut said));
    world.settle();
    let members = world.members(ALICE, room);
    prop_assert!([ALICE, BOB, CAROL].iter().all(|who| members.contains(who)), "{members:?}");
    for who in &members {
        prop_assert_eq!(&world.members(*who, room), &members);
        prop_assert_eq!(world.authenticator(*who, room), world.authenticator(ALICE, room));
    }
    for who in 0..5 {
        let is_member = world.people[who].chats.talk(room).is_some_and(|talk| talk.is_member);
        prop_assert_eq!(is_member, members.contains(&who), "{}", who);
    }
    for who in &members {
        world.say(*who, room, &format!("last of {who}"));
    }
    world.settle();
    let last: Vec<String> = members.iter().map(|who| format!("last of {who}")).collect();
    for who in &members {
        let texts = world.said(*who, room);
        prop_assert!(last.iter().all(|text| texts.contains(text)), "{who} has {texts:?}");
        let once: BTreeSet<&String> = texts.iter().collect();
        prop_assert_eq!(once.len(), texts.len());
    }
    // Those who were in it all the time.
    let constant = [ALICE, BOB, CAROL];
    let expected: Vec<String> =
        constant.iter().flat_map(|who| (0..said[*who]).map(move |number| format!("{who}:{number:03}"))).collect();
    for who in constant {
        let texts = world.said(who, room);
        let theirs: Vec<&String> =
            texts.iter().filter(|text| ["0:", "1:", "2:"].iter().any(|from| text.starts_with(from))).collect();
        prop_assert_eq!(theirs, expected.iter().collect::<Vec<_>>(), "{}", who);
    }
    for person in &world.people {
        prop_assert_eq!(person.chats.awaited().count(), 0, "{}", person.name);
    }
    Ok(())
}

fn with_a_second_device(steps: Vec<Step>, unlinked_after: Option<usize>) -> Result<(), TestCaseError> {
    let mut world = five();
    world.people.push(Person::new("phone"));
    world.link(ALICE, SIXTH);
    let room = with_two_admins(&mut world);
    let mut said = [0; 6];
    let mut is_unlinked = false;
    for (number, step) in steps.into_iter().enumerate() {
        if unlinked_after == Some(number) {
            world.unlink(ALICE, SIXTH).unwrap();
            is_unlinked = true;
        }
        world.take(room, step, &mut said);
    }
    world.settle();
    let members = world.members(ALICE, room);
    prop_assert!([0, 1, 2].iter().all(|who| members.contains(who)), "{members:?}");
    let mut devices = members.clone();
    devices.extend((!is_unlinked).then_some(SIXTH));
    for who in &devices {
        prop_assert_eq!(&world.members(*who, room), &members, "{}", who);
        prop_assert_eq!(world.authenticator(*who, room), world.authenticator(ALICE, room), "{}", who);
        prop_assert_eq!(world.people[*who].chats.talk(room).unwrap().members.len(), devices.len());
    }
    for who in 0..6 {
        let is_member = world.people[who].chats.talk(room).is_some_and(|talk| talk.is_member);
        prop_assert_eq!(is_member, devices.contains(&who), "{}", who);
    }
    for who in &devices {
        world.say(*who, room, &format!("last of {who}"));
    }
    world.settle();
    let constant: Vec<usize> = [0, 1, 2, SIXTH].into_iter().filter(|who| devices.contains(who)).collect();
    let expected: BTreeSet<String> =
        constant.iter().flat_map(|who| (0..said[*who]).map(move |number| format!("{who}:{number:03}"))).collect();
    for who in &devices {
        let texts = world.said(*who, room);
        let once: BTreeSet<String> = texts.iter().cloned().collect();
        prop_assert_eq!(once.len(), texts.len());
        prop_assert!(devices.iter().all(|of| once.contains(&format!("last of {of}"))), "{who} has {texts:?}");
        prop_assert!(!constant.contains(who) || once.is_superset(&expected), "{who} has {texts:?}");
    }
    if is_unlinked && world.people[SIXTH].chats.talk(room).is_some() {
        let texts = world.said(SIXTH, room);
        prop_assert!(!texts.iter().any(|text| text.starts_with("last")), "{texts:?}");
    }
    for person in &world.people {
        prop_assert_eq!(person.chats.awaited().count(), 0, "{}", person.name);
    }
    Ok(())
}
