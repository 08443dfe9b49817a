//! What two honest sides can do to each other.

use byway_primitives::{Batch, Space, Span, Store};

use super::pair::{HIGH, LOW, NETWORK, PROTOCOL, Pair, datagram, identities, local_of, stream};
use crate::config::{EARLY_MAX, MESSAGE_MAX, QUEUE_MESSAGES_MAX};
use crate::{
    CertificateError, ClosedBecause, Commit, CommitError, Config, Delivery, Durability, Goodbye, LinkEnd, LinkId, News,
    OpenError, Outgoing, Refusal, RefusedBecause,
};

const DURABLE: Durability = Durability::Durable;
const VOLATILE: Durability = Durability::Volatile;

fn deliveries(pair: &Pair, side: usize) -> Vec<Delivery> {
    let delivery = |news: &News| match news {
        News::Message(delivery) => Some(delivery.clone()),
        _ => None,
    };
    pair.sides[side].news.iter().filter_map(delivery).collect()
}

fn closed(pair: &Pair, side: usize) -> Vec<ClosedBecause> {
    let reason = |news: &News| match news {
        News::Closed { reason, .. } => Some(*reason),
        _ => None,
    };
    pair.sides[side].news.iter().filter_map(reason).collect()
}

fn refused(pair: &Pair, side: usize) -> Vec<RefusedBecause> {
    let reason = |news: &News| match news {
        News::Refused { reason, .. } => Some(*reason),
        _ => None,
    };
    pair.sides[side].news.iter().filter_map(reason).collect()
}

fn early(pair: &Pair, side: usize) -> Vec<Vec<u8>> {
    let said = |news: &News| match news {
        News::Early { bytes, .. } => Some(bytes.clone()),
        _ => None,
    };
    pair.sides[side].news.iter().filter_map(said).collect()
}

fn queued(pair: &Pair, side: usize) -> usize {
    pair.sides[side].machine.dialogue(pair.id(1 - side)).expect("there is one").queued()
}

#[test]
fn messages_of_every_size_cross_both_kinds_of_link_in_order() {
    for link in [stream(1), datagram(1)] {
        let mut pair = Pair::open_on(link);
        let messages: Vec<Vec<u8>> =
            [0, 1, 1200, MESSAGE_MAX, 3, 70].iter().enumerate().map(|(i, length)| vec![i as u8; *length]).collect();
        for (index, message) in messages.iter().enumerate() {
            pair.send(LOW, message, if index % 2 == 0 { DURABLE } else { VOLATILE });
            pair.send(HIGH, message, DURABLE);
        }
        for _ in 0..20 {
            pair.pass(Span::millis(100));
            pair.sides.iter_mut().for_each(|side| side.confirm_all(pair.now));
        }
        assert_eq!(pair.sides[HIGH].delivered(), messages);
        assert_eq!(pair.sides[LOW].delivered(), messages);
        assert_eq!((queued(&pair, LOW), queued(&pair, HIGH)), (0, 0));
    }
}

#[test]
fn an_early_message_comes_with_the_opening_and_once() {
    for link in [stream, datagram] {
        let mut pair = Pair::new();
        for (round, number) in [(0, 1), (1, 2)] {
            pair.link(link(number));
            pair.open(LOW, LinkId(number));
            let high = pair.id(HIGH);
            assert!(pair.sides[LOW].machine.say_early(high, PROTOCOL, vec![round as u8; 30]));
            assert!(!pair.sides[LOW].machine.say_early(high, PROTOCOL, vec![0; EARLY_MAX + 1]), "too long");
            // Hello, Welcome, Live, and Live once more, since Ready is under way.
            assert!(pair.deliver(LOW) && pair.deliver(HIGH));
            let live = pair.sides[LOW].sent.front().expect("Live").clone();
            assert!(pair.deliver(LOW));
            assert_eq!(early(&pair, HIGH).len(), round + 1, "before the initiator has heard Ready");
            pair.sides[HIGH].handle(pair.now, live.0, &live.1);
            pair.run();
            assert_eq!(early(&pair, HIGH).len(), round + 1);
            assert!(!pair.sides[LOW].machine.say_early(high, PROTOCOL, vec![1]), "too late");
            pair.send(LOW, &[9; 3], DURABLE);
            pair.run();
            pair.sides[HIGH].confirm_all(pair.now);
        }
        assert_eq!(early(&pair, HIGH), [vec![0; 30], vec![1; 30]]);
        assert_eq!(pair.sides[HIGH].delivered(), [[9; 3], [9; 3]], "it has no place among the messages");
    }
}

#[test]
fn an_early_message_that_does_not_fit_the_link_is_left_out() {
    let mut pair = Pair::new();
    pair.link(datagram(1));
    pair.open(LOW, LinkId(1));
    let high = pair.id(HIGH);
    assert!(pair.sides[LOW].machine.say_early(high, PROTOCOL, vec![1; 1200]));
    pair.run();
    assert_eq!((pair.sides[HIGH].opened(), early(&pair, HIGH).len()), (1, 0));
}

#[test]
fn a_message_is_acknowledged_only_when_it_was_confirmed() {
    let mut pair = Pair::open_on(stream(1));
    pair.send(LOW, b"pay", DURABLE);
    pair.pass(Span::seconds(20));
    assert_eq!((pair.sides[HIGH].delivered().len(), queued(&pair, LOW)), (1, 1));
    pair.sides[HIGH].confirm_all(pair.now);
    pair.pass(Span::millis(100));
    assert_eq!((pair.sides[HIGH].delivered().len(), queued(&pair, LOW)), (1, 0));
}

#[test]
fn the_word_of_a_confirmation_that_was_lost_is_asked_for() {
    let mut pair = Pair::open_on(datagram(1));
    pair.send(LOW, b"pay", DURABLE);
    pair.pass(Span::millis(10));
    pair.sides[HIGH].confirm_all(pair.now);
    let due = pair.sides[HIGH].timer.at().expect("an acknowledgement waits");
    pair.now = due;
    assert!(pair.sides[HIGH].timer.goes_off(due));
    pair.sides[HIGH].machine.handle_wake(due);
    pair.sides[HIGH].pump();
    assert_eq!(pair.sides[HIGH].sent.len(), 1);
    pair.sides[HIGH].sent.clear();
    assert_eq!(queued(&pair, LOW), 1);
    pair.pass(Span::millis(500));
    assert_eq!(queued(&pair, LOW), 0, "long before anything is said to keep the link alive");
}

#[test]
fn receipt_reply_and_writes_are_one_batch() {
    const APP: Space = Space("app");
    let mut pair = Pair::open_on(stream(1));
    pair.send(LOW, b"question", DURABLE);
    pair.run();
    let receipt = deliveries(&pair, HIGH)[0].receipt;
    let mut batch = Batch::new();
    batch.put(APP, [1], [2]);
    let reply = Outgoing { protocol: PROTOCOL, bytes: b"answer".to_vec(), durability: DURABLE };
    let commit = Commit { receipts: vec![receipt], sends: vec![(pair.id(LOW), reply)], batch };
    let token = pair.sides[HIGH].machine.commit(pair.now, commit.clone()).expect("commits");
    let mut tied = 0;
    let mut persisted = Vec::new();
    while let Some(effect) = pair.sides[HIGH].machine.poll() {
        match effect {
            byway_primitives::Effect::Persist { batch, .. } => persisted.push(batch),
            byway_primitives::Effect::Send { after, message, to } => {
                assert_eq!(after, token, "what was said waits for the disk");
                tied += 1;
                pair.sides[HIGH].sent.push_back((to, message));
            }
            _ => {}
        }
    }
    assert_eq!((persisted.len(), tied), (1, 1));
    assert!(persisted[0].writes.iter().any(|write| write.space == APP));
    pair.run();
    assert_eq!(pair.sides[LOW].delivered(), [b"answer"]);
    let again = pair.sides[HIGH].machine.commit(pair.now, commit);
    assert_eq!(again, Err(CommitError::OutOfOrder { receipt }));
    assert!(!pair.sides[HIGH].store.contains(APP, &[9]));
}

#[test]
fn a_refused_commit_changes_nothing() {
    let mut pair = Pair::open_on(stream(1));
    pair.send(LOW, b"one", DURABLE);
    pair.send(LOW, b"two", DURABLE);
    pair.run();
    let receipts: Vec<_> = deliveries(&pair, HIGH).iter().map(|delivery| delivery.receipt).collect();
    let low = pair.id(LOW);
    let send = |bytes: Vec<u8>| vec![(low, Outgoing { protocol: PROTOCOL, bytes, durability: DURABLE })];
    let (now, machine) = (pair.now, &mut pair.sides[HIGH].machine);
    let skipping = Commit { receipts: vec![receipts[1]], ..Commit::default() };
    assert_eq!(machine.commit(now, skipping), Err(CommitError::OutOfOrder { receipt: receipts[1] }));
    let length = MESSAGE_MAX + 1;
    let too_long = Commit { receipts: vec![receipts[0]], sends: send(vec![0; length]), ..Commit::default() };
    assert_eq!(machine.commit(now, too_long), Err(CommitError::TooLong { length }));
    let both = Commit { receipts: receipts.clone(), ..Commit::default() };
    assert!(machine.commit(now, both).is_ok(), "neither was confirmed before");
}

#[test]
fn a_full_queue_refuses_and_tells_when_there_is_room() {
    let mut pair = Pair::open_on(stream(1));
    let (now, high) = (pair.now, pair.id(HIGH));
    for _ in 0..QUEUE_MESSAGES_MAX {
        pair.send(LOW, b"x", DURABLE);
    }
    let refused = pair.sides[LOW].machine.send(now, high, PROTOCOL, b"x".to_vec(), DURABLE);
    assert_eq!(refused, Err(CommitError::Full { peer: high }));
    for _ in 0..20 {
        pair.pass(Span::millis(20));
        pair.sides[HIGH].confirm_all(pair.now);
    }
    let drained = pair.sides[LOW].news.iter().filter(|news| matches!(news, News::Drained { .. })).count();
    assert_eq!((drained, queued(&pair, LOW)), (1, 0));
    assert_eq!(pair.sides[HIGH].delivered().len(), QUEUE_MESSAGES_MAX);
}

#[test]
fn a_dialogue_goes_on_on_another_link() {
    for (first, second) in [(stream(1), stream(2)), (stream(1), datagram(2)), (datagram(1), stream(2))] {
        let mut pair = Pair::open_on(first);
        let before = pair.sides[LOW].machine.dialogue(pair.id(HIGH)).expect("open").id();
        for text in [b"1", b"2"] {
            pair.send(LOW, text, DURABLE);
            pair.send(LOW, text, VOLATILE);
        }
        pair.run();
        pair.send(LOW, b"3", DURABLE);
        // Confirmed in part, delivered in part, lost in part.
        let receipt = deliveries(&pair, HIGH)[0].receipt;
        pair.sides[HIGH].machine.confirm(pair.now, receipt, Batch::new()).expect("confirms");
        pair.sides[HIGH].pump();
        pair.detach(LinkId(1));
        pair.link(second);
        pair.open(HIGH, LinkId(2));
        pair.pass(Span::seconds(1));
        pair.sides[HIGH].confirm_all(pair.now);
        pair.pass(Span::seconds(1));
        assert_eq!(pair.agreed(), Some(LinkId(2)));
        assert_eq!(pair.sides[LOW].machine.dialogue(pair.id(HIGH)).expect("open").id(), before);
        assert_eq!(pair.sides[HIGH].delivered(), [b"1", b"1", b"2", b"2", b"3"], "none twice");
        assert_eq!(queued(&pair, LOW), 0);
        assert_eq!((closed(&pair, LOW).len(), closed(&pair, HIGH).len()), (0, 0));
    }
}

#[test]
fn a_dialogue_goes_on_after_a_crash() {
    for (crashed, opens) in [(LOW, LOW), (LOW, HIGH), (HIGH, LOW), (HIGH, HIGH)] {
        let mut pair = Pair::open_on(stream(1));
        let before = pair.sides[LOW].machine.dialogue(pair.id(HIGH)).expect("open").id();
        pair.send(LOW, b"1", DURABLE);
        pair.run();
        pair.sides[HIGH].confirm_all(pair.now);
        pair.detach(LinkId(1));
        pair.send(LOW, b"2", DURABLE);
        pair.send(HIGH, b"3", DURABLE);
        pair.restart(crashed);
        let after = pair.sides[crashed].machine.dialogue(pair.id(1 - crashed)).expect("restored").id();
        assert_eq!(after, before);
        // The one that did not crash still knows link 2 from nobody; the one that did knows none.
        pair.link(stream(2));
        pair.open(opens, LinkId(2));
        pair.pass(Span::seconds(1));
        assert!(pair.sides[HIGH].delivered().ends_with(&[b"2".to_vec()]), "crashed {crashed}");
        assert_eq!(pair.sides[LOW].delivered(), [b"3"], "crashed {crashed}");
        pair.sides.iter_mut().for_each(|side| side.confirm_all(pair.now));
        pair.pass(Span::seconds(1));
        assert_eq!((queued(&pair, LOW), queued(&pair, HIGH)), (0, 0));
    }
}

#[test]
fn volatile_messages_of_a_new_run_are_not_taken_for_those_of_the_last() {
    let mut pair = Pair::open_on(stream(1));
    pair.send(LOW, b"1", VOLATILE);
    pair.send(LOW, b"2", VOLATILE);
    pair.run();
    pair.detach(LinkId(1));
    pair.send(LOW, b"lost", VOLATILE);
    pair.restart(LOW);
    pair.link(stream(2));
    pair.open(LOW, LinkId(2));
    pair.run();
    pair.send(LOW, b"3", VOLATILE);
    pair.run();
    assert_eq!(pair.sides[HIGH].delivered(), [b"1", b"2", b"3"]);
}

#[test]
fn an_idle_link_is_kept_alive() {
    let mut pair = Pair::open_on(datagram(1));
    pair.pass(Span::minutes(60));
    assert_eq!(pair.agreed(), Some(LinkId(1)));
}

/// Whatever else has the same driver may need to be woken before.
#[test]
fn whoever_wakes_it_early_is_asked_again() {
    let mut pair = Pair::open_on(datagram(1));
    pair.pass(Span::seconds(1));
    let low = &mut pair.sides[LOW];
    let due = low.timer.at().expect("a link is to be kept alive");
    assert!(due > pair.now);
    low.timer.stop();
    low.machine.handle_wake(pair.now);
    low.pump();
    assert_eq!(low.timer.at(), Some(due));
}

#[test]
fn silence_ends_first_the_link_and_then_the_dialogue() {
    let mut pair = Pair::open_on(datagram(1));
    pair.send(LOW, b"into the void", DURABLE);
    pair.sides[LOW].sent.clear();
    let config = Config::new(NETWORK);
    let mut low = pair.sides.into_iter().next().expect("the lower");
    low.machine.handle_wake(pair.now + config.link_silence_max);
    low.pump();
    assert!(low.news.contains(&News::LinkEnded { link: LinkId(1), reason: LinkEnd::Silent }));
    assert_eq!(low.machine.dialogues().count(), 1);
    low.machine.handle_wake(pair.now + config.silence_max);
    low.pump();
    assert!(matches!(low.news.last(), Some(News::Closed { reason: ClosedBecause::Silence, link: None, .. })));
    assert!(low.store.scan_prefix(crate::SPACE, &[]).is_empty(), "nothing is left of it");
}

#[test]
fn closing_tells_the_other_side_why_and_leaves_nothing() {
    let mut pair = Pair::open_on(stream(1));
    pair.send(HIGH, b"unheard", DURABLE);
    let low = pair.id(LOW);
    pair.sides[HIGH].machine.close(pair.now, low, Goodbye::Application(7));
    pair.sides[HIGH].pump();
    pair.run();
    assert_eq!(closed(&pair, HIGH), [ClosedBecause::Here(Goodbye::Application(7))]);
    assert_eq!(closed(&pair, LOW), [ClosedBecause::There(Goodbye::Application(7))]);
    for side in &pair.sides {
        assert!(side.store.scan_prefix(crate::SPACE, &[]).is_empty());
    }
    let receipt = deliveries(&pair, LOW)[0].receipt;
    let late = pair.sides[LOW].machine.confirm(pair.now, receipt, Batch::new());
    assert_eq!(late, Err(CommitError::Over { receipt }));
    pair.open(LOW, LinkId(1));
    pair.run();
    assert_eq!(pair.agreed(), Some(LinkId(1)), "a new one can be opened on the same link");
}

#[test]
fn a_forgotten_dialogue_is_closed_and_a_new_one_replaces_the_old() {
    // The higher loses its disk.
    let mut pair = Pair::open_on(stream(1));
    pair.sides[HIGH].store = byway_primitives::MemoryStore::new();
    pair.restart(HIGH);
    pair.detach(LinkId(1));
    pair.link(stream(2));
    pair.open(LOW, LinkId(2));
    pair.run();
    assert_eq!(closed(&pair, LOW), [ClosedBecause::Forgotten]);
    pair.open(LOW, LinkId(2));
    pair.run();
    assert_eq!(pair.agreed(), Some(LinkId(2)));
    // It loses it again, and is the one to open.
    pair.sides[HIGH].store = byway_primitives::MemoryStore::new();
    pair.restart(HIGH);
    pair.link_one(HIGH, stream(3));
    pair.link_one(LOW, stream(3));
    pair.open(HIGH, LinkId(3));
    pair.run();
    assert_eq!(closed(&pair, LOW), [ClosedBecause::Forgotten, ClosedBecause::Replaced]);
    assert_eq!(pair.agreed(), Some(LinkId(3)));
}

#[test]
fn a_receiver_s_disk_restored_from_a_copy_is_noticed_at_the_next_message() {
    let mut pair = Pair::open_on(stream(1));
    let copy = pair.sides[HIGH].store.clone();
    pair.send(LOW, b"1", DURABLE);
    pair.run();
    pair.sides[HIGH].confirm_all(pair.now);
    pair.pass(Span::millis(100));
    assert_eq!(queued(&pair, LOW), 0);
    pair.sides[HIGH].store = copy;
    pair.restart(HIGH);
    pair.detach(LinkId(1));
    pair.link(stream(2));
    pair.open(LOW, LinkId(2));
    pair.run();
    pair.send(LOW, b"2", DURABLE);
    pair.run();
    assert_eq!(closed(&pair, HIGH), [ClosedBecause::Disagreement]);
    assert_eq!(closed(&pair, LOW), [ClosedBecause::There(Goodbye::Disagreement)]);
    assert!(pair.sides[HIGH].delivered().is_empty());
}

#[test]
fn a_sender_s_disk_restored_from_a_copy_is_noticed_when_they_meet() {
    let mut pair = Pair::open_on(stream(1));
    let copy = pair.sides[LOW].store.clone();
    pair.send(LOW, b"1", DURABLE);
    pair.run();
    pair.sides[HIGH].confirm_all(pair.now);
    pair.sides[LOW].store = copy;
    pair.restart(LOW);
    pair.detach(LinkId(1));
    // A new message takes the place of the one that was lost, and must not pass for it.
    pair.send(LOW, b"another", DURABLE);
    pair.link(stream(2));
    pair.open(HIGH, LinkId(2));
    pair.run();
    assert_eq!(closed(&pair, LOW), [ClosedBecause::Disagreement]);
    assert_eq!(closed(&pair, HIGH), [ClosedBecause::There(Goodbye::Disagreement)]);
    assert!(pair.sides[HIGH].delivered().len() == 1, "the other message was not taken for a new one");
}

#[test]
fn an_ignored_peer_finds_only_silence() {
    let mut pair = Pair::open_on(stream(1));
    let low = pair.id(LOW);
    assert!(pair.sides[HIGH].machine.ignore(pair.now, low));
    pair.sides[HIGH].pump();
    assert_eq!(closed(&pair, HIGH), [ClosedBecause::Ignored]);
    let said = pair.sides[HIGH].sent.len();
    pair.open(LOW, LinkId(1));
    pair.run();
    assert_eq!(pair.sides[HIGH].sent.len(), said);
    pair.pass(Span::minutes(6));
    assert_eq!(refused(&pair, LOW), [RefusedBecause::NoAnswer]);
    assert_eq!(closed(&pair, LOW), [ClosedBecause::Silence]);
    pair.sides[HIGH].machine.heed(low);
    pair.link(stream(2));
    pair.open(LOW, LinkId(2));
    pair.run();
    assert_eq!(pair.agreed(), Some(LinkId(2)));
}

#[test]
fn a_full_node_refuses_new_peers_and_keeps_the_old() {
    let mut pair = Pair::with(Config { dialogues_max: 0, ..Config::new(NETWORK) });
    pair.sides[LOW] = super::pair::Side::new(&identities()[LOW], Config::new(NETWORK));
    pair.link(stream(1));
    pair.open(LOW, LinkId(1));
    pair.run();
    assert_eq!(refused(&pair, LOW), [RefusedBecause::There(Refusal::Full)]);
    let (certificate, seed) = (*pair.sides[LOW].local.certificate(), [1; 32]);
    let opened = pair.sides[HIGH].machine.open(pair.now, certificate.identity, &certificate, LinkId(1), seed);
    assert_eq!(opened, Err(OpenError::Full));
}

#[test]
fn whoever_is_come_to_has_seen_a_certificate_and_who_came_knew_one_before() {
    let mut pair = Pair::new();
    pair.link(stream(1));
    pair.open(LOW, LinkId(1));
    pair.run();
    let shown = |pair: &Pair, side: usize| {
        let dialogue = pair.sides[side].machine.dialogue(pair.id(1 - side)).expect("they talk");
        dialogue.certificate().copied()
    };
    assert_eq!(shown(&pair, HIGH), Some(*pair.sides[LOW].local.certificate()));
    assert_eq!(shown(&pair, LOW), None);
}

#[test]
fn opening_names_what_is_wrong() {
    let mut pair = Pair::new();
    pair.link(stream(1));
    let (now, ids) = (pair.now, [pair.id(LOW), pair.id(HIGH)]);
    let certificate = *pair.sides[HIGH].local.certificate();
    let own = *pair.sides[LOW].local.certificate();
    let expired = *local_of(&identities()[HIGH], byway_primitives::Time(1)).certificate();
    let machine = &mut pair.sides[LOW].machine;
    let wrong = CertificateError::Identity { expected: ids[HIGH], found: ids[LOW] };
    for (peer, certificate, link, expected) in [
        (ids[LOW], own, LinkId(1), OpenError::Myself),
        (ids[HIGH], own, LinkId(1), OpenError::Certificate(wrong)),
        (ids[HIGH], expired, LinkId(1), CertificateError::Expired { not_after: byway_primitives::Time(1) }.into()),
        (ids[HIGH], certificate, LinkId(9), OpenError::UnknownLink),
    ] {
        assert_eq!(machine.open(now, peer, &certificate, link, [1; 32]), Err(expected));
    }
    assert!(machine.ignore(now, ids[HIGH]));
    assert_eq!(machine.open(now, ids[HIGH], &certificate, LinkId(1), [1; 32]), Err(OpenError::Ignored));
    let unsent = machine.send(now, ids[HIGH], PROTOCOL, Vec::new(), DURABLE);
    assert_eq!(unsent, Err(CommitError::NotOpen { peer: ids[HIGH] }));
}

#[test]
fn a_second_attempt_takes_the_place_of_the_first() {
    let mut pair = Pair::new();
    pair.link(stream(1));
    pair.link(stream(2));
    pair.open(LOW, LinkId(1));
    pair.open(LOW, LinkId(2));
    pair.run();
    assert_eq!(refused(&pair, LOW), [RefusedBecause::Overtaken]);
    assert_eq!(pair.agreed(), Some(LinkId(2)));
    assert_eq!((pair.sides[LOW].opened(), pair.sides[HIGH].opened()), (1, 1));
}

#[test]
fn damaged_records_on_disk_are_named() {
    let pair = Pair::open_on(stream(1));
    let entries = pair.sides[LOW].store.scan_prefix(crate::SPACE, &[]);
    for (key, value) in entries {
        let mut store = pair.sides[LOW].store.clone();
        let mut batch = Batch::new();
        batch.put(crate::SPACE, key, value[..value.len() - 1].to_vec());
        store.apply(&batch);
        let (local, config) = (pair.sides[LOW].local.clone(), Config::new(NETWORK));
        let restored = crate::Dialogues::restore(config, local, &store, pair.now, [1; 32]);
        assert_eq!(restored.map(|_| ()).map_err(|error| error.peer), Err(pair.id(HIGH)));
    }
}
