//! A provider alone, with a client that says whatever brings it most, for as long as a day.

use byway_access::session::{OpenRequest, SessionId, StopReason};
use byway_access::{ResponseId, SessionMessage, Tariff, Usage};
use byway_primitives::{Amount, Span, Time};

use crate::node::*;
use crate::pair::*;

const START: Time = Time(1_000_000);
const DAY: Span = Span::days(1);

/// The provider's side, and for how long its gate was open.
struct Alone {
    now: Time,
    node: Node,
    asked: u64,
    open: Span,
}

impl Alone {
    /// It was paid so much, and is paid nothing more.
    fn paid(coin: Amount) -> Self {
        let mut node = Node::new(PROVIDER, START);
        node.attach(START);
        node.provider(START, |provider| provider.handle_credit(START, coin));
        Self { now: START, node, asked: 0, open: Span::ZERO }
    }

    fn say(&mut self, message: SessionMessage) {
        self.node.handle(self.now, Message::Session(message));
    }

    fn ask(&mut self) {
        let OpenRequest { offer, tariff, .. } = request_of_time();
        self.asked += 1;
        self.say(SessionMessage::Open { offer, response: ResponseId(self.asked), tariff, data: vec![1] });
    }

    /// What the provider says, with its writes done.
    fn said(&mut self) -> Vec<SessionMessage> {
        while let Some((_, _, batch)) = self.node.pending.pop_front() {
            self.node.disk.apply(&batch);
        }
        let messages = self.node.release().into_iter();
        messages.filter_map(|message| if let Message::Session(said) = message { Some(said) } else { None }).collect()
    }

    /// A client that comes back whenever it was turned out, and says that nothing has come.
    fn answer(&mut self, message: SessionMessage) {
        let nothing = |session: SessionId| SessionMessage::Acknowledge { session, usage: Usage::default() };
        match message {
            SessionMessage::Accepted(accepted) => self.say(SessionMessage::ChannelUp { session: accepted.session }),
            SessionMessage::Pause { session } => self.say(nothing(session)),
            SessionMessage::Stop { session, reason } if reason != StopReason::UnknownSession => {
                self.say(SessionMessage::Stop { session, reason });
            }
            SessionMessage::Stopped(_) | SessionMessage::Refused { .. } => self.ask(),
            _ => {}
        }
    }

    fn until(&mut self, end: Time) {
        while self.now < end {
            loop {
                let said = self.said();
                if said.is_empty() {
                    break;
                }
                said.into_iter().for_each(|message| self.answer(message));
            }
            let next = self.node.wakes.iter().min().map_or(end, |next| (*next).max(Time(self.now.0 + 1)).min(end));
            if self.node.planes.values().any(|plane| plane.limit > 0) {
                self.open.0 += next.since(self.now).0;
            }
            self.now = next;
            self.node.wake(self.now);
        }
    }
}

#[test]
fn a_client_that_never_acknowledges_gets_a_three_hundredth_of_a_day_for_nothing() {
    let tariff = Tariff::per_second(PER_SECOND);
    let mut alone = Alone::paid(tariff.first_window());
    alone.ask();
    alone.until(START + DAY);
    let paid = tariff.bought(tariff.first_window());
    let free = alone.open.0 - paid;
    // A first window once, and 2 s in ten minutes.
    let (most, least) = (8_000 + 144 * 2_000, 8_000 + 120 * 2_000);
    assert!(free <= most, "{free} ms for nothing");
    assert!(free >= least, "{free} ms: it did not try hard enough");
    assert!(free < 5 * 60 * 1_000);
    assert!(alone.asked > 100, "it came {} times", alone.asked);
}
