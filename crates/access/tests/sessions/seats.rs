//! Places among a provider's clients: none is kept for a client that doesn't come back to its session.

use byway_access::SessionMessage;
use byway_access::session::{ClientNews, ProviderNews, SessionState, StopReason};
use byway_primitives::Span;

use crate::node::*;
use crate::pair::*;

/// How long a client may take to say that its channel is up, with what the last words take.
const AWAITED: Span = Span::seconds(20);

/// How a session loses its channel.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Link,
    Crash(usize),
}

fn lose(pair: &mut Pair, loss: Loss) {
    match loss {
        Loss::Link => pair.break_link(),
        Loss::Crash(who) => pair.crash_now(who),
    }
}

/// Sessions of either kind, five seconds old.
fn used() -> [Pair; 2] {
    let mut pairs = [Pair::browsing(0, 1_000), Pair::renting([0, 0])];
    pairs.iter_mut().for_each(|pair| pair.run(Span::seconds(5)));
    pairs
}

#[test]
fn a_client_that_does_not_come_back_to_its_session_loses_its_place() {
    for loss in [Loss::Link, Loss::Crash(CLIENT), Loss::Crash(PROVIDER)] {
        for mut pair in used() {
            let label = format!("{loss:?}, {}", pair.tariff);
            pair.tamper = Some(Box::new(|_, message| match message {
                Message::Session(SessionMessage::ChannelUp { .. }) => None,
                other => Some(other),
            }));
            lose(&mut pair, loss);
            // The laws are of clients that say what they should.
            let run = |pair: &mut Pair, span: Span| (0..span.0 / STEP.0).for_each(|_| pair.advance());
            run(&mut pair, Span::seconds(10));
            assert!(!pair.provider().sessions(pair.now).is_empty(), "{label}: it is awaited");
            run(&mut pair, AWAITED);
            assert!(pair.provider().sessions(pair.now).is_empty(), "{label}");
            // A provider that has started again serves nobody before it is told to, and says nothing.
            let is_mute = matches!(loss, Loss::Crash(PROVIDER));
            let why = if is_mute { StopReason::Silence } else { StopReason::ChannelFailed };
            let said = |news: &ProviderNews| matches!(news, ProviderNews::Ended { reason, .. } if *reason == why);
            assert!(pair.provider_said(said), "{label}");
            assert!(pair.sessions().is_empty(), "{label}: the client hears of it");
        }
    }
}

#[test]
fn a_client_that_comes_back_keeps_its_session() {
    for loss in [Loss::Link, Loss::Crash(CLIENT), Loss::Crash(PROVIDER)] {
        for mut pair in used() {
            let label = format!("{loss:?}, {}", pair.tariff);
            pair.nodes[CLIENT].is_quick = false;
            lose(&mut pair, loss);
            pair.run(Span::seconds(8));
            let (session, now) = (pair.sessions()[0].id, pair.clock(CLIENT));
            pair.nodes[CLIENT].client(now, |client| client.handle_channel(now, session, Ok::<(), ()>(())));
            pair.run(Span::minutes(2));
            assert!(pair.sessions().iter().all(|view| view.state == SessionState::Running), "{label}");
            assert_eq!((pair.sessions().len(), pair.provider().sessions(pair.now).len()), (1, 1), "{label}");
            assert!(!pair.client_said(|news| matches!(news, ClientNews::Ended { .. })), "{label}");
        }
    }
}

#[test]
fn while_there_is_no_link_nobody_is_waited_for() {
    for mut pair in used() {
        pair.go_dark();
        pair.run(Span::minutes(2));
        assert_eq!(pair.provider().sessions(pair.now).len(), 1, "{}: the dialogue says how long", pair.tariff);
        pair.break_link();
        pair.run(Span::minutes(1));
        assert_eq!(pair.provider().sessions(pair.now).len(), 1, "{}", pair.tariff);
    }
}
