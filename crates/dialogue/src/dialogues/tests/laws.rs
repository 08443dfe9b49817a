//! The law: whatever happens to links, frames and nodes, every durable message is delivered, and taken to heart, exactly
//! once and in order, as long as a link works in the end; and no dialogue is lost over it.

use byway_primitives::Span;

use super::pair::START;
use super::world::{Faults, Survives, World};
use crate::LinkKind::{self, Datagram, Stream};

const MESSAGES: u64 = 100;

fn check(seed: u64, faults: Faults, kinds: &[LinkKind]) -> World {
    let mut world = World::new(seed, faults, kinds, MESSAGES);
    let is_done = world.run(Span::minutes(10));
    assert!(is_done, "not all arrived: {:?}, seed {seed}, {faults:?}, {kinds:?}", world.progress());
    assert!(world.closed.is_empty(), "{:?}, seed {seed}, {faults:?}, {kinds:?}", world.closed);
    world
}

#[test]
fn without_faults() {
    for seed in 0..5 {
        for kinds in [&[Stream][..], &[Datagram], &[Stream, Datagram]] {
            check(seed, Faults::NONE, kinds);
        }
    }
}

#[test]
fn with_loss_repetition_and_reordering() {
    let until = START + Span::seconds(30);
    for seed in 100..120 {
        let faults = Faults { loss_percent: 30, repeat_percent: 20, until, ..Faults::NONE };
        check(seed, faults, &[Datagram]);
    }
}

#[test]
fn with_links_cut_and_changed() {
    let until = START + Span::seconds(30);
    let mut cuts = 0;
    for seed in 200..240 {
        let faults = Faults { loss_percent: 10, repeat_percent: 5, cut_percent: 6, until, ..Faults::NONE };
        cuts += check(seed, faults, &[Stream, Datagram]).cuts;
    }
    assert!(cuts > 100, "the faults must happen for this to show anything: {cuts}");
}

#[test]
fn with_crashes_of_both() {
    let until = START + Span::seconds(30);
    let mut crashes = 0;
    for seed in 300..360 {
        let faults = Faults { loss_percent: 10, cut_percent: 2, crash_percent: 4, until, ..Faults::NONE };
        crashes += check(seed, faults, &[Stream, Datagram]).crashes;
    }
    assert!(crashes > 100, "the faults must happen for this to show anything: {crashes}");
}

#[test]
fn with_a_crash_at_every_persist() {
    for node in [0, 1] {
        for survives in [Survives::Batch, Survives::Nothing] {
            let mut count = 1;
            loop {
                let faults = Faults { crash_at: Some((node, count, survives)), ..Faults::NONE };
                let world = check(400 + count, faults, &[Stream]);
                if world.crashes == 0 {
                    break;
                }
                count += 1;
            }
            assert!(count > MESSAGES, "only {count} persists");
        }
    }
}
