//! What is said beside the state: errors, and in-band messages.

use byway_channel::{
    ChannelMessage, ChannelNews, DATA_BYTES_MAX, ErrorCode, INBAND_BURST_MAX, INBAND_HEARD_MAX, INBAND_PAUSE, Inband,
    InbandError, PeerFault, SaidError, TEXT_BYTES_MAX,
};
use byway_crypto::IdentitySignature;

use crate::scene::Rig;

const NONSENSE: IdentitySignature = IdentitySignature([9; 65]);

/// Accepts what was never proposed, to side 0.
fn break_protocol(rig: &mut Rig) {
    let nonsense = ChannelMessage::Accept { round: 90, signature: NONSENSE };
    assert_eq!(rig.hear(0, nonsense), Err(PeerFault::NotProposed));
}

fn count(rig: &Rig, side: usize, is_it: impl Fn(&ChannelNews) -> bool) -> usize {
    rig.parties[side].news.iter().filter(|news| is_it(news)).count()
}

fn is_error(news: &ChannelNews) -> bool {
    matches!(news, ChannelNews::ErrorSaid(_) | ChannelNews::ErrorHeard(_))
}

fn text(text: &str) -> Inband {
    Inband::Text(text.to_owned())
}

fn say(rig: &mut Rig, side: usize, inband: Inband) -> Result<(), InbandError> {
    let now = rig.now;
    let said = rig.machine(side).say(now, inband);
    rig.collect(side);
    said
}

#[test]
fn who_breaks_the_protocol_is_told_once_on_a_connection_and_nothing_follows() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    let error = SaidError { code: ErrorCode::NotProposed, round: 1 };
    for connections in 1..3 {
        break_protocol(&mut rig);
        break_protocol(&mut rig);
        rig.exchange();
        assert!(rig.parties[0].has(|news| *news == ChannelNews::ErrorSaid(error)));
        assert!(rig.parties[1].has(|news| *news == ChannelNews::ErrorHeard(error)));
        assert_eq!([0, 1].map(|side| count(&rig, side, is_error)), [connections; 2], "once on each connection");
        rig.lose();
        rig.exchange();
    }
    assert_eq!(rig.machine(0).errors(), [Some(error), None]);
    assert_eq!(rig.machine(1).errors(), [None, Some(error)]);
    rig.pay(1, 30);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, 2, "both go on");
}

#[test]
fn an_error_that_is_a_lie_costs_nothing() {
    let mut rig = Rig::new();
    let before = *rig.machine(0).position();
    let lie = SaidError { code: ErrorCode::Conflict, round: u64::MAX };
    for _ in 0..3 {
        rig.hear(0, ChannelMessage::Error(lie)).unwrap();
    }
    assert_eq!(count(&rig, 0, is_error), 1, "it is noted once");
    assert_eq!(rig.machine(0).errors(), [None, Some(lie)]);
    assert_eq!(
        (*rig.machine(0).position(), rig.next_message(1)),
        (before, None),
        "nothing changes, and nothing is said"
    );
    assert!(rig.parties[0].is_durable(), "nothing is written");
    rig.pay(0, 100);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, 1);
}

#[test]
fn what_is_said_beside_the_state_is_heard_and_changes_nothing() {
    let mut rig = Rig::new();
    let (at_once, before) = (text("what about lunch?"), *rig.machine(0).position());
    let data = Inband::Data { kind: 7, bytes: vec![5; DATA_BYTES_MAX] };
    for said in [&at_once, &data] {
        say(&mut rig, 0, said.clone()).unwrap();
        assert!(rig.parties[0].is_durable(), "nothing is written");
        rig.exchange();
        assert!(rig.parties[1].has(|news| *news == ChannelNews::Inband(said.clone())));
    }
    assert_eq!(rig.assert_agreed(), before);
    for too_long in [text(""), text(&"x".repeat(TEXT_BYTES_MAX + 1)), Inband::Data { kind: 7, bytes: vec![0; 1_025] }] {
        assert_eq!(say(&mut rig, 0, too_long), Err(InbandError::Length));
    }
    rig.disconnect();
    assert_eq!(say(&mut rig, 0, at_once.clone()), Err(InbandError::Disconnected));
    rig.connect();
    rig.exchange();
    assert_eq!(count(&rig, 1, |news| *news == ChannelNews::Inband(at_once.clone())), 1, "nothing is kept for later");
}

#[test]
fn what_is_said_and_heard_beside_the_state_is_bounded_in_time() {
    let mut rig = Rig::new();
    for _ in 0..INBAND_BURST_MAX {
        say(&mut rig, 0, text("again")).unwrap();
    }
    assert_eq!(say(&mut rig, 0, text("again")), Err(InbandError::TooMany));
    rig.tick(INBAND_PAUSE);
    say(&mut rig, 0, text("again")).unwrap();
    assert_eq!(say(&mut rig, 0, text("again")), Err(InbandError::TooMany), "one more after each pause");
    // A peer that keeps to nothing.
    let mut rig = Rig::new();
    for _ in 0..3 * INBAND_HEARD_MAX {
        rig.hear(0, ChannelMessage::Inband(text("again"))).unwrap();
    }
    let heard = count(&rig, 0, |news| matches!(news, ChannelNews::Inband(_)));
    assert_eq!(heard as u64, INBAND_HEARD_MAX, "the rest is let go of");
}
