//! Adversaries by name, and what they can't do.

use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::{Decode, Encode, Span, Time};
use proptest::prelude::*;

use super::pair::{HIGH, LOW, NETWORK, PROTOCOL, Pair, START, Side, datagram, far, identities, local_of, stream};
use crate::config::{HALF_OPEN_SPAN, HELLOS_PER_LINK_MAX, WINDOW_SEGMENTS};
use crate::frame::{Acknowledgement, Credential, Early, Frame, FrameError, Positions, Record, Segment, Tag};
use crate::handshake::{Answer, DialogueId, DialogueSecret, HelloPayload, Incarnation, Role, WelcomePayload};
use crate::session::Session;
use crate::{
    CertificateError, Config, Durability, Link, LinkEnd, LinkId, LinkKind, Local, News, RefusedBecause,
    StaticCertificate,
};

/// An initiator that says whatever the test wants.
struct Puppet {
    session: Session,
    answer: Answer,
}

impl Puppet {
    /// Does the handshake as `local`, as far as the answer.
    fn greet(side: &mut Side, local: &Local, link: &Link, dialogue: DialogueId, seed: u8) -> Option<Self> {
        let responder = side.local.certificate().static_key;
        let mut handshake = local.initiate(NETWORK, link, responder, &[seed; 32]).expect("starts");
        let hello = HelloPayload { certificate: *local.certificate(), dialogue, incarnation: Incarnation([1; 8]) };
        let message = handshake.write(&hello.to_bytes()).expect("writes");
        let tag = Tag::of(&message);
        let said = side.sent.len();
        side.handle(START, link.id, &Frame::Hello(message).to_bytes());
        let (_, frame) = side.sent.get(said)?.clone();
        let Ok(Frame::Welcome { message, .. }) = Frame::from_bytes(&frame) else { panic!("not a Welcome") };
        let welcome = WelcomePayload::from_bytes(&handshake.read(&message).expect("opens")).expect("reads");
        let transport = handshake.into_numbered_transport().expect("completes");
        Some(Self { session: Session::new(link.id, tag, transport), answer: welcome.answer })
    }

    fn say(&mut self, side: &mut Side, records: &[Record]) {
        let frame = self.session.seal(records);
        side.handle(START, self.session.link, &frame);
    }

    fn say_live(&mut self, side: &mut Side, credential: Credential) {
        let positions = Positions { durable: 0, incarnation: Incarnation([0; 8]), volatile: 0 };
        self.say(side, &[Record::Live { positions, credential }]);
    }
}

fn victim(link: &Link) -> Side {
    let mut side = Side::new(&identities()[LOW], Config::new(NETWORK));
    assert!(side.machine.attach(link.clone()));
    side
}

fn stranger() -> Local {
    local_of(&IdentitySecret::from_bytes(&[9; 32]).expect("a key"), far())
}

/// The victim and a puppet that has opened a dialogue with it properly.
fn opened(link: &Link) -> (Side, Puppet) {
    let mut side = victim(link);
    let secret = DialogueSecret::from_bytes([3; 32]);
    let mut puppet = Puppet::greet(&mut side, &stranger(), link, secret.id(), 1).expect("answers");
    puppet.say_live(&mut side, Credential::New(secret));
    assert_eq!(side.opened(), 1);
    (side, puppet)
}

#[test]
fn an_early_message_is_heard_behind_live_and_nowhere_else() {
    let early = || Record::Early(Early { protocol: PROTOCOL, bytes: vec![1] });
    let heard = |side: &Side| side.news.iter().filter(|news| matches!(news, News::Early { .. })).count();
    let (mut side, mut puppet) = opened(&stream(1));
    puppet.say(&mut side, &[early(), early()]);
    assert_eq!((heard(&side), side.opened()), (0, 1), "in a dialogue that is open it means nothing");

    let mut side = victim(&stream(1));
    let secret = DialogueSecret::from_bytes([3; 32]);
    let mut puppet = Puppet::greet(&mut side, &stranger(), &stream(1), secret.id(), 1).expect("answers");
    puppet.say(&mut side, &[early()]);
    assert_eq!((heard(&side), side.opened()), (0, 0), "without Live it opens nothing");
    let positions = Positions { durable: 0, incarnation: Incarnation([0; 8]), volatile: 0 };
    let live = Record::Live { positions, credential: Credential::New(secret) };
    puppet.say(&mut side, &[live, early(), early()]);
    assert_eq!((heard(&side), side.opened()), (1, 1), "one is enough");
}

#[test]
fn a_replayer_of_the_first_message_gets_the_same_answer_and_changes_nothing() {
    let mut pair = Pair::new();
    pair.link(datagram(1));
    pair.link(stream(2));
    pair.open(LOW, LinkId(1));
    let hello = pair.sides[LOW].sent[0].1.clone();
    pair.deliver(LOW);
    let welcome = pair.sides[HIGH].sent[0].clone();
    let now = pair.now;
    pair.sides[HIGH].handle(now, LinkId(1), &hello);
    assert_eq!(pair.sides[HIGH].sent, [welcome.clone(), welcome], "the same answer");
    pair.run();
    pair.send(LOW, b"hello", Durability::Durable);
    pair.run();
    let before = pair.sides[HIGH].news.clone();
    // Later, while the dialogue is there; and after all about the first opening was forgotten.
    for wait in [Span::seconds(1), Span::minutes(1)] {
        pair.pass(wait);
        let now = pair.now;
        pair.sides[HIGH].handle(now, LinkId(1), &hello);
        pair.run();
    }
    assert_eq!((pair.sides[HIGH].news.clone(), pair.agreed()), (before, Some(LinkId(1))));
    // On another link it does not even open.
    let now = pair.now;
    pair.sides[HIGH].handle(now, LinkId(2), &hello);
    let ended = News::LinkEnded { link: LinkId(2), reason: LinkEnd::Malformed(FrameError::Handshake) };
    assert_eq!(pair.sides[HIGH].news.last(), Some(&ended));
    assert_eq!(pair.agreed(), Some(LinkId(1)));
}

#[test]
fn a_replayer_of_everything_after_a_restart_opens_nothing() {
    let mut pair = Pair::new();
    pair.link(datagram(1));
    pair.open(LOW, LinkId(1));
    pair.send_after_open(LOW, b"pay me");
    let recorded = pair.recorded.clone();
    assert!(recorded.len() >= 3, "Hello, Live and a message");
    assert_eq!(pair.sides[HIGH].delivered().len(), 1);
    pair.restart(HIGH);
    assert!(pair.sides[HIGH].machine.attach(datagram(1)));
    let now = pair.now;
    for frame in &recorded {
        pair.sides[HIGH].handle(now, LinkId(1), frame);
    }
    assert!(pair.sides[HIGH].news.is_empty(), "{:?}", pair.sides[HIGH].news);
}

#[test]
fn a_replayer_of_sealed_frames_delivers_nothing_twice_and_is_no_sign_of_life() {
    let mut pair = Pair::open_on(datagram(1));
    pair.send(LOW, b"once", Durability::Volatile);
    let frame = pair.sides[LOW].sent[0].1.clone();
    pair.run();
    let (heard, config) = (pair.now, Config::new(NETWORK));
    for seconds in 0..config.link_silence_max.0 / 1000 {
        pair.sides[HIGH].handle(heard + Span::seconds(seconds), LinkId(1), &frame);
    }
    assert_eq!(pair.sides[HIGH].delivered(), [b"once"]);
    pair.sides[HIGH].machine.handle_wake(heard + config.link_silence_max);
    pair.sides[HIGH].pump();
    assert!(pair.sides[HIGH].news.contains(&News::LinkEnded { link: LinkId(1), reason: LinkEnd::Silent }));
}

#[test]
fn a_man_in_the_middle_with_his_own_static_can_t_answer() {
    // He answers for the higher with a key and a certificate of his own, having fooled nobody about the offer.
    let mut pair = Pair::new();
    pair.link(stream(1));
    let mallory = Side::new(&IdentitySecret::from_bytes(&[9; 32]).expect("a key"), Config::new(NETWORK));
    pair.sides[HIGH] = mallory;
    assert!(pair.sides[HIGH].machine.attach(stream(1)));
    let real = *local_of(&identities()[HIGH], far()).certificate();
    let now = pair.now;
    pair.sides[LOW].machine.open(now, real.identity, &real, LinkId(1), [5; 32]).expect("opens");
    pair.sides[LOW].pump();
    pair.pass(Span::seconds(20));
    let refused = News::Refused { peer: real.identity, link: LinkId(1), reason: RefusedBecause::NoAnswer };
    assert_eq!(pair.sides[LOW].news, [refused]);
    assert_eq!(pair.sides[HIGH].opened(), 0);
}

#[test]
fn a_man_in_the_middle_of_two_channels_can_t_forward_the_handshake() {
    // Link 1 is the lower's channel to him, and for the higher it is his channel to it: same number, other binding.
    let mut pair = Pair::new();
    assert!(pair.sides[LOW].machine.attach(stream(1)));
    assert!(pair.sides[HIGH].machine.attach(Link { binding: [0x77; 32], ..stream(1) }));
    pair.open(LOW, LinkId(1));
    pair.pass(Span::seconds(20));
    assert_eq!((pair.sides[LOW].opened(), pair.sides[HIGH].opened()), (0, 0));
}

#[test]
fn an_impostor_with_another_s_certificate_is_refused() {
    let link = stream(1);
    let mut side = victim(&link);
    let (own, other) = (stranger(), local_of(&identities()[HIGH], far()));
    // The certificate of the higher over the impostor's key; he has no signature of the higher for it.
    let forged = StaticCertificate { static_key: own.certificate().static_key, ..*other.certificate() };
    let mut secret = [9; 32];
    secret[0] ^= 0x55;
    assert_eq!(StaticKey::of(&secret), forged.static_key);
    let impostor = Local::new(forged, secret).expect("they fit");
    let puppet = Puppet::greet(&mut side, &impostor, &link, DialogueId([1; 16]), 1).expect("is told so");
    assert_eq!(puppet.answer, Answer::Refused(crate::Refusal::Certificate));
    assert!(side.news.is_empty());
}

#[test]
fn an_expired_certificate_is_refused_on_both_sides() {
    let link = stream(1);
    let mut side = victim(&link);
    let identity = IdentitySecret::from_bytes(&[9; 32]).expect("a key");
    let expired = local_of(&identity, Time(START.0 - 1));
    let puppet = Puppet::greet(&mut side, &expired, &link, DialogueId([1; 16]), 1).expect("is told so");
    assert_eq!(puppet.answer, Answer::Refused(crate::Refusal::Certificate));
    // A responder whose certificate ran out between offer and opening.
    let mut pair = Pair::new();
    pair.link(stream(1));
    let old = local_of(&identities()[HIGH], Time(START.0 - 1));
    pair.sides[HIGH].machine.renew(old);
    pair.open(LOW, LinkId(1));
    pair.run();
    let reason = RefusedBecause::Certificate(CertificateError::Expired { not_after: Time(START.0 - 1) });
    let refused = News::Refused { peer: pair.id(HIGH), link: LinkId(1), reason };
    assert_eq!(pair.sides[LOW].news, [refused]);
}

#[test]
fn a_thief_of_the_static_key_can_t_continue_a_dialogue() {
    let (mut side, _) = opened(&stream(1));
    let link = stream(2);
    assert!(side.machine.attach(link.clone()));
    let dialogue = side.machine.dialogues().next().expect("open").id();
    let mut thief = Puppet::greet(&mut side, &stranger(), &link, dialogue, 2).expect("answers");
    assert_eq!(thief.answer, Answer::Known);
    let proof = DialogueSecret::from_bytes([4; 32]).proof(Role::Initiator, thief.session.binding());
    thief.say_live(&mut side, Credential::Resume(proof));
    let kept = side.machine.dialogues().next().expect("open");
    assert_eq!((kept.id(), kept.link()), (dialogue, Some(LinkId(1))));
    let ended = News::LinkEnded { link: LinkId(2), reason: LinkEnd::Malformed(FrameError::Handshake) };
    assert_eq!(side.news.last(), Some(&ended));
}

#[test]
fn a_half_open_is_forgotten_and_never_drops_a_dialogue() {
    let (mut side, _) = opened(&stream(1));
    let link = stream(2);
    assert!(side.machine.attach(link.clone()));
    let secret = DialogueSecret::from_bytes([4; 32]);
    let mut late = Puppet::greet(&mut side, &stranger(), &link, secret.id(), 2).expect("answers");
    assert_eq!(late.answer, Answer::Unknown);
    assert_eq!(side.machine.half_opens.deadline(), Some(START + HALF_OPEN_SPAN));
    side.machine.handle_wake(START + HALF_OPEN_SPAN);
    assert_eq!(side.machine.half_opens.deadline(), None);
    late.say_live(&mut side, Credential::New(secret));
    assert_eq!(side.opened(), 1);
    assert!(!side.news.iter().any(|news| matches!(news, News::Closed { .. })));
}

#[test]
fn a_sender_of_garbage_ends_a_stream_and_nothing_else() {
    for (kind, garbage) in [
        (LinkKind::Stream, &b""[..]),
        (LinkKind::Stream, &[0xff; 100]),
        (LinkKind::Stream, &[1; 200]),
        (LinkKind::Datagram, &b""[..]),
        (LinkKind::Datagram, &[0xff; 100]),
        (LinkKind::Datagram, &[1; 200]),
        (LinkKind::Datagram, &[3; 200]),
    ] {
        let link = if kind == LinkKind::Stream { stream(1) } else { datagram(1) };
        let mut pair = Pair::open_on(link);
        let now = pair.now;
        pair.sides[LOW].handle(now, LinkId(1), garbage);
        let is_ended = pair.sides[LOW].news.iter().any(|news| matches!(news, News::LinkEnded { .. }));
        assert_eq!(is_ended, kind == LinkKind::Stream, "{garbage:?}");
        assert_eq!(pair.sides[LOW].machine.dialogues().count(), 1, "the dialogue waits for another link");
    }
}

#[test]
fn a_peer_that_breaks_the_rules_ends_the_link_and_not_the_dialogue() {
    let segment = |number, more, length| Record::Segment(Segment { number, more, bytes: vec![0; length] });
    let told = Acknowledgement { received: 7, confirmed: 7, ranges: Vec::new() };
    let oversized: Vec<Record> = (1..=9).map(|number| segment(number, true, 8000)).collect();
    for (frames, expected) in [
        (vec![vec![segment(WINDOW_SEGMENTS + 1, false, 1)]], FrameError::Window),
        (vec![vec![Record::Acknowledgement(told)]], FrameError::Acknowledgement),
        (oversized.chunks(1).map(<[_]>::to_vec).collect(), FrameError::Message),
    ] {
        for link in [stream(1), datagram(1)] {
            let (mut side, mut puppet) = opened(&link);
            frames.iter().for_each(|records| puppet.say(&mut side, records));
            let ended = News::LinkEnded { link: LinkId(1), reason: LinkEnd::Malformed(expected) };
            assert_eq!(side.news.last(), Some(&ended));
            assert_eq!(side.machine.dialogues().count(), 1);
        }
    }
}

#[test]
fn a_flooder_of_openings_costs_a_bounded_number_of_handshakes() {
    let link = datagram(1);
    let mut side = victim(&link);
    let answered = (0..3 * HELLOS_PER_LINK_MAX as u8)
        .filter(|seed| Puppet::greet(&mut side, &stranger(), &link, DialogueId([1; 16]), *seed).is_some())
        .count();
    assert_eq!(answered, HELLOS_PER_LINK_MAX as usize);
    let link = stream(2);
    assert!(side.machine.attach(link.clone()));
    for seed in 0..=HELLOS_PER_LINK_MAX as u8 {
        Puppet::greet(&mut side, &stranger(), &link, DialogueId([1; 16]), 100 + seed);
    }
    assert_eq!(side.news.last(), Some(&News::LinkEnded { link: LinkId(2), reason: LinkEnd::Flooded }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_frames_never_panic_nor_deliver(edits in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4)) {
        for stage in 0..5 {
            let mut pair = Pair::new();
            pair.link(datagram(1));
            pair.open(LOW, LinkId(1));
            let mut from = LOW;
            for _ in 0..stage {
                pair.deliver(from);
                from = if pair.sides[LOW].sent.is_empty() { HIGH } else { LOW };
            }
            let Some((link, mut frame)) = pair.sides[from].sent.front().cloned() else { continue };
            for (at, flip) in &edits {
                let at = at.index(frame.len());
                frame[at] ^= flip;
            }
            let now = pair.now;
            pair.sides[1 - from].handle(now, link, &frame);
            pair.pass(Span::seconds(30));
            prop_assert_eq!(pair.agreed(), Some(LinkId(1)), "a forgery beside the true frames does no harm");
        }
    }

    #[test]
    fn whatever_a_peer_says_under_its_keys_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut side, mut puppet) = opened(&stream(1));
        let frame = puppet.session.seal_plain(&bytes);
        side.handle(START, LinkId(1), &frame);
        prop_assert!(side.machine.dialogues().count() <= 1);
    }
}
