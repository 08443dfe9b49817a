//! Both open at once, in every order in which the frames can be delivered.

use byway_primitives::Span;

use super::pair::{HIGH, LOW, Pair, datagram, stream};
use crate::{Link, LinkId};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open(usize),
    Deliver { from: usize, link: LinkId },
}

/// Plays one order, given as the choices to make where several steps are possible; later choices are the first. Gives
/// the pair, the number of choices there were at each point, and the steps.
fn play(choices: &[usize], links: &[Link], openings: [LinkId; 2]) -> (Pair, Vec<usize>, Vec<Step>) {
    let mut pair = Pair::new();
    links.iter().for_each(|link| pair.link(link.clone()));
    let (mut to_open, mut widths, mut steps) = (vec![LOW, HIGH], Vec::new(), Vec::new());
    loop {
        let mut possible: Vec<Step> = to_open.iter().map(|side| Step::Open(*side)).collect();
        for from in [LOW, HIGH] {
            for link in links {
                if pair.sides[from].sent.iter().any(|(on, _)| *on == link.id) {
                    possible.push(Step::Deliver { from, link: link.id });
                }
            }
        }
        if possible.is_empty() {
            return (pair, widths, steps);
        }
        let chosen = choices.get(widths.len()).copied().unwrap_or(0);
        widths.push(possible.len());
        let step = possible[chosen];
        steps.push(step);
        match step {
            Step::Open(side) => {
                to_open.retain(|other| *other != side);
                pair.open(side, openings[side]);
            }
            Step::Deliver { from, link } => {
                let sent = &mut pair.sides[from].sent;
                let index = sent.iter().position(|(on, _)| *on == link).expect("there is one");
                let (_, frame) = sent.remove(index).expect("there is one");
                let now = pair.now;
                pair.sides[1 - from].handle(now, link, &frame);
            }
        }
    }
}

/// The next order after this one, in the order of a depth-first walk.
fn advance(mut choices: Vec<usize>, widths: &[usize]) -> Option<Vec<usize>> {
    choices.resize(widths.len(), 0);
    while let Some(last) = choices.pop() {
        if last + 1 < widths[choices.len()] {
            choices.push(last + 1);
            return Some(choices);
        }
    }
    None
}

fn check_all_orders(links: &[Link], openings: [LinkId; 2]) {
    let mut choices = Some(Vec::new());
    let mut orders = 0;
    while let Some(chosen) = choices {
        let (mut pair, widths, steps) = play(&chosen, links, openings);
        orders += 1;
        pair.pass(Span::seconds(40));
        assert!(pair.agreed().is_some(), "two dialogues or two links after {steps:?}");
        assert_eq!((pair.sides[LOW].opened(), pair.sides[HIGH].opened()), (1, 1), "after {steps:?}");
        let at_once = steps.iter().take(2).all(|step| matches!(step, Step::Open(_)));
        if at_once {
            assert_eq!(pair.agreed(), Some(openings[LOW]), "the lower's attempt wins; after {steps:?}");
        }
        choices = advance(chosen, &widths);
    }
    assert!(orders > 20, "only {orders} orders");
}

#[test]
fn on_two_streams() {
    check_all_orders(&[stream(1), stream(2)], [LinkId(1), LinkId(2)]);
}

#[test]
fn on_one_stream() {
    check_all_orders(&[stream(1)], [LinkId(1), LinkId(1)]);
}

#[test]
fn on_a_stream_and_datagrams() {
    check_all_orders(&[stream(1), datagram(2)], [LinkId(2), LinkId(1)]);
}

#[test]
fn the_higher_s_attempt_serves_where_the_lower_s_fails() {
    let mut pair = Pair::new();
    pair.link(stream(1));
    pair.link(stream(2));
    pair.open(LOW, LinkId(1));
    pair.open(HIGH, LinkId(2));
    // Link 1 breaks before the lower's Hello arrives.
    pair.detach(LinkId(1));
    pair.pass(Span::seconds(1));
    assert_eq!(pair.agreed(), Some(LinkId(2)));
}

#[test]
fn a_dialogue_that_may_have_been_taken_up_is_insisted_on() {
    let mut pair = Pair::new();
    for id in 1..=3 {
        pair.link(stream(id));
    }
    pair.open(LOW, LinkId(1));
    assert!(pair.deliver(LOW), "Hello");
    assert!(pair.deliver(HIGH), "Welcome");
    // The higher takes the dialogue up; the link breaks before Ready arrives.
    assert!(pair.deliver(LOW), "Live");
    pair.detach(LinkId(1));
    let taken_up = pair.sides[HIGH].machine.dialogue(pair.id(LOW)).expect("taken up").id();
    pair.open(HIGH, LinkId(2));
    pair.pass(Span::seconds(1));
    assert_eq!(pair.agreed(), Some(LinkId(2)), "whoever opens, it is the same dialogue");
    assert_eq!(pair.sides[LOW].machine.dialogue(pair.id(HIGH)).expect("held").id(), taken_up);
}
