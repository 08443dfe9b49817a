//! Whatever happens, in whatever order.

use byway_chat::hiring::{ANSWER_TIME, HireBill, HireMessage};
use byway_primitives::Span;
use proptest::prelude::*;

use crate::rig::{PRICE, Rig, amount};

#[derive(Debug, Clone)]
enum Event {
    Ask,
    /// The host says something, whether it was asked or not.
    Talk,
    Work,
    Wait,
    Restart,
    /// The hirer pays nothing from here on, or again.
    Pay(bool),
    Limit(u64),
    /// The host says what it likes.
    Lie(u64, u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Ask),
        4 => Just(Event::Talk),
        4 => Just(Event::Work),
        1 => Just(Event::Wait),
        1 => Just(Event::Restart),
        1 => any::<bool>().prop_map(Event::Pay),
        1 => (0..20_u64).prop_map(Event::Limit),
        1 => (0..9_u64, 0..2 * PRICE).prop_map(|(answered, price)| Event::Lie(answered, price)),
    ]
}

fn happens(rig: &mut Rig, event: &Event) {
    match *event {
        Event::Ask => rig.say(true),
        Event::Talk => rig.say(false),
        Event::Work => rig.work(),
        Event::Wait => rig.wait(Span(ANSWER_TIME.0)),
        Event::Restart => {
            rig.restart();
            rig.settle();
        }
        Event::Pay(pays) => rig.pays = pays,
        Event::Limit(answers) => {
            rig.hire(answers);
            rig.settle();
        }
        Event::Lie(answered, price) => {
            let bill = HireBill { answered, price: amount(price), ..HireBill::default() };
            rig.lie(HireMessage::Hired { bill });
            rig.settle();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn nobody_loses_more_than_one_answer(events in prop::collection::vec(event(), 0..80)) {
        let mut rig = Rig::hired(5);
        for event in &events {
            happens(&mut rig, event);
            let asked = rig.said.iter().filter(|is_hirers| **is_hirers).count() as u64;
            let heard = rig.said.len() as u64 - asked;
            prop_assert!(rig.promised <= amount(PRICE * (asked.min(heard) + 1)), "what was had, and one answer");
            prop_assert!(rig.earned <= rig.promised, "nothing is earned that was not promised");
            prop_assert!(rig.earned <= amount(PRICE * heard.min(rig.given() as u64)), "nor what was not given, or not answered");
        }
    }

    #[test]
    fn who_pays_and_answers_ends_up_even(asked in 1..20_u64, restarts in prop::collection::vec(any::<bool>(), 20)) {
        let mut rig = Rig::hired(1_000);
        for restart in restarts.iter().take(asked as usize) {
            rig.say(true);
            if *restart {
                rig.restart();
                rig.settle();
            }
            rig.answer_all();
        }
        prop_assert_eq!(rig.earned, amount(PRICE * asked));
        prop_assert_eq!(rig.promised, amount(PRICE * (asked + 1)));
        prop_assert_eq!((rig.view().answered, rig.view().claimed), (asked, 0));
    }
}
