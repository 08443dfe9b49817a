//! Whom a client asks, when kernel nodes are down, silent, slow, unwilling or lying.

use byway_kernel::follower::{Answer, Client, ClientNews, FollowerDamaged, PROGRAMS, Request, Stop};
use byway_kernel::light::{OldKeys, TrustedCheckpoint};
use byway_primitives::{MemoryStore, Span, Time};
use byway_records::Height;

use crate::history::{CHANGES, CLOSING, HEIGHTS, HISTORY, MEMBERS};
use crate::liars::{LIARS, first_lie};
use crate::net::{CONFIG, Net, Node};

fn liar(index: usize) -> Node {
    let (height, step, _) = first_lie(&LIARS[index]);
    Node::Liar(height, Box::new(step))
}

fn all(node: &Node) -> Net {
    Net::new((0..MEMBERS).map(|member| (member, node.clone())))
}

#[test]
fn honest_nodes_are_followed_to_the_tip_in_one_answer() {
    let mut net = Net::new([]);
    net.arrive();
    assert_eq!(net.asked.len(), 2, "once for all there is, once for what will be");
    let reopened = Client::open(HISTORY.genesis.clone(), &PROGRAMS, CONFIG, 0, &net.store).expect("undamaged");
    assert_eq!(reopened.follower().tip(), net.client.follower().tip());
}

#[test]
fn followers_spread_by_their_seed() {
    let open = |seed| -> Result<Client, FollowerDamaged> {
        Client::open(HISTORY.genesis.clone(), &PROGRAMS, CONFIG, seed, &byway_primitives::MemoryStore::new())
    };
    let first: Vec<u8> = (0..7).map(|seed| open(seed).expect("an empty store").current()).collect();
    assert_eq!(first, [0, 1, 2, 3, 4, 5, 6]);
    assert!(open(u64::MAX).expect("an empty store").current() < MEMBERS);
}

#[test]
fn a_liar_is_never_asked_again_while_there_are_others() {
    for (index, who) in LIARS.iter().enumerate() {
        let mut net = Net::new([(0, liar(index))]);
        net.arrive();
        net.pass(50);
        assert_eq!(net.caught, [(0, first_lie(who).2)], "{}", who.name);
        assert_eq!((net.times_asked(0), net.client.liars().collect::<Vec<_>>()), (1, vec![0]), "{}", who.name);
        assert_eq!(net.client.follower().tip(), HISTORY.checkpoints.last(), "{}", who.name);
    }
}

/// What it said before the lie proved itself.
#[test]
fn true_steps_before_a_lie_are_kept() {
    let height = Height(5);
    let (lie, _) = (LIARS[1].lie)(HISTORY.step(height.0)).expect("a lie");
    let mut net = Net::new([(0, Node::Liar(height, Box::new(lie)))]);
    assert_eq!(net.turn(), 4);
    assert_eq!((net.height(), net.caught.len(), net.client.current()), (4, 1, 1));
    net.arrive();
}

#[test]
fn as_many_liars_as_there_may_be_change_nothing_but_the_first_seconds() {
    let mut net = Net::new([(0, liar(2)), (1, liar(11)), (2, Node::Withholder), (3, Node::Silent)]);
    net.arrive();
    assert_eq!(net.client.liars().collect::<Vec<_>>(), [0, 1]);
    assert!(net.now < Time(1_000) + CONFIG.answer_wait_max + Span::seconds(1));
}

/// If all lie something is wrong with this node or with the network. It goes on asking, but not in a hurry, and an
/// evasive answer makes nobody honest.
#[test]
fn if_all_lie_they_are_asked_again_after_a_pause_each_time() {
    let mut net = all(&liar(1));
    for _ in 0..usize::from(MEMBERS) {
        net.turn();
    }
    assert_eq!(net.client.liars().count(), usize::from(MEMBERS));
    let (asked, from) = (net.asked.len(), net.now);
    net.pass(40);
    let rounds = (net.asked.len() - asked) as u64;
    assert!(rounds >= 10 && net.now >= from + Span::millis(CONFIG.retry_pause.0 * (rounds - 1)), "{rounds}");
    net.nodes = vec![Node::Withholder; usize::from(MEMBERS)];
    net.pass(10);
    assert_eq!(net.client.liars().count(), usize::from(MEMBERS));
}

#[test]
fn one_that_withholds_only_delays() {
    let mut net = Net::new([(0, Node::Withholder), (1, Node::Withholder)]);
    net.arrive();
    assert_eq!(net.asked.iter().take(3).map(|(_, member)| *member).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((net.client.liars().count(), net.client.is_cut_off()), (0, false));
    assert!(net.now < Time(1_000) + Span::seconds(1));
}

/// Named adversary: it says nothing false and stays connected, but feeds its follower more slowly than the ledger grows.
#[test]
fn one_that_is_slow_is_left_after_a_while() {
    let mut net = Net::new([(0, Node::Slow)]);
    net.arrive();
    assert!((2..=4).contains(&net.times_asked(0)), "{}", net.times_asked(0));
    assert!(net.now <= Time(1_000) + CONFIG.stay_max + CONFIG.answer_wait_max);
}

#[test]
fn each_node_gets_its_while() {
    let mut net = all(&Node::Slow);
    net.arrive();
    let order: Vec<u8> = net.asked.iter().take(HEIGHTS as usize).map(|(_, member)| *member).collect();
    assert_eq!(order, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
}

#[test]
fn silence_moves_on_after_the_wait_and_an_unfitting_answer_at_once() {
    let mut net = Net::new([(0, Node::Silent), (1, Node::Confused), (2, Node::Silent), (3, Node::Down)]);
    net.arrive();
    let begin = Time(1_000);
    let wait = CONFIG.answer_wait_max;
    let trip = Span::millis(10);
    let expected = [(begin, 0), (begin + wait, 1), (begin + wait + trip, 2)];
    assert_eq!(net.asked[..3], expected);
    assert_eq!(net.asked[3..5], [(begin + wait + trip + wait, 3), (begin + wait + trip + wait, 4)]);
}

#[test]
fn an_early_wake_up_asks_nobody_else() {
    let mut net = Net::new([(0, Node::Silent)]);
    net.now = net.now + CONFIG.answer_wait_max - Span::millis(1);
    let news = net.client.handle_wake(net.now);
    net.hear(news);
    assert_eq!((net.asked.len(), net.wake), (1, Some(Time(1_000) + CONFIG.answer_wait_max)));
}

#[test]
fn if_all_are_down_there_is_a_pause_after_each_round_and_then_a_recovery() {
    let mut net = all(&Node::Down);
    net.pass(usize::from(MEMBERS));
    assert!(net.client.is_cut_off());
    let order: Vec<u8> = net.asked.iter().map(|(_, member)| *member).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((net.question.as_ref(), net.wake), (None, Some(Time(1_000) + CONFIG.retry_pause)));
    let news = net.client.handle_wake(net.now);
    net.hear(news);
    assert_eq!(net.asked.len(), 7, "nobody is asked during the pause");
    net.wake_up();
    assert_eq!(net.asked[7], (Time(1_000) + CONFIG.retry_pause, 0));
    net.nodes[3] = Node::Honest;
    net.arrive();
    assert!(!net.client.is_cut_off());
}

/// With two liars found out there are five left to fail.
#[test]
fn liars_count_neither_for_the_pause_nor_for_being_cut_off() {
    let mut net = Net::new((0..MEMBERS).map(|member| (member, if member < 2 { liar(1) } else { Node::Down })));
    net.pass(2 + 5);
    assert_eq!((net.client.liars().count(), net.client.is_cut_off(), net.asked.len()), (2, true, 7));
    assert_eq!((net.question.as_ref(), net.wake), (None, Some(net.now + CONFIG.retry_pause)));
}

#[test]
fn what_comes_from_others_than_the_one_that_is_asked_is_dropped() {
    let mut net = Net::new([(0, Node::Silent), (1, Node::Silent)]);
    net.turn();
    assert_eq!(net.client.current(), 1);
    let truth = || Answer::Steps(HISTORY.steps(Height(1), &PROGRAMS));
    let (_, lie, _) = first_lie(&LIARS[1]);
    for (member, answer) in [(0, truth()), (6, truth()), (0, Answer::Steps(vec![lie])), (0, Answer::Taken)] {
        assert!(net.client.handle_answer(net.now, member, answer).is_empty());
    }
    assert!(net.client.handle_failed(net.now, 0).is_empty());
    assert_eq!((net.height(), net.client.current(), net.client.liars().count()), (0, 1, 0));
    let news = net.client.handle_answer(net.now, 1, truth());
    assert_eq!(net.hear(news), HEIGHTS as usize);
}

#[test]
fn an_answer_during_the_pause_was_asked_for_by_nobody() {
    let mut net = all(&Node::Down);
    net.pass(usize::from(MEMBERS));
    let answer = Answer::Steps(HISTORY.steps(Height(1), &PROGRAMS));
    assert!(net.client.handle_answer(net.now, net.client.current(), answer).is_empty());
    assert_eq!(net.height(), 0);
}

/// An honest node must not be taken for a liar because an answer to an earlier question was under way for long.
#[test]
fn an_answer_to_an_earlier_question_frames_nobody() {
    let mut net = Net::new((1..MEMBERS).map(|member| (member, Node::Down)));
    let Some((0, Request::Follow { from, programs })) = net.question.take() else { panic!("the first is asked") };
    let early = HISTORY.steps(from, &programs);
    net.wake_up();
    net.pass(6);
    net.wake_up();
    assert_eq!(net.client.current(), 0, "it is its turn again");
    let news = net.client.handle_answer(net.now, 0, Answer::Steps(early[..5].to_vec()));
    assert_eq!(net.hear(news), 5);
    let news = net.client.handle_answer(net.now, 0, Answer::Steps(early[..3].to_vec()));
    assert_eq!((net.hear(news), net.client.liars().count(), net.height()), (0, 0, 5));
    net.nodes[0] = Node::Honest;
    net.arrive();
    assert_eq!(net.caught, []);
}

/// Steps that overlap what is known are taken from where they are new.
#[test]
fn an_answer_that_overlaps_goes_on() {
    let mut net = Net::new([]);
    net.question = None;
    let news = net.client.handle_answer(net.now, 0, Answer::Steps(HISTORY.steps(Height(1), &PROGRAMS)[..3].to_vec()));
    net.hear(news);
    let news = net.client.handle_answer(net.now, 0, Answer::Steps(HISTORY.steps(Height(2), &PROGRAMS)[..6].to_vec()));
    assert_eq!((net.hear(news), net.height(), net.client.liars().count()), (4, 7, 0));
}

/// Has a client hear everything at a time; gives why it stopped, and how far it came.
fn stopped(now: Time, trusted: Option<TrustedCheckpoint>) -> (Option<Stop>, u64) {
    let open = Client::open(CHANGES.genesis.clone(), &PROGRAMS, CONFIG, 0, &MemoryStore::new());
    let mut client = open.expect("an empty store").trusting(trusted);
    client.handle_wake(now);
    let steps = CHANGES.steps(Height(1), &PROGRAMS);
    let news = client.handle_answer(now, client.current(), Answer::Steps(steps));
    let told = news.iter().filter_map(|news| match news {
        ClientNews::Stopped(stop) => Some(*stop),
        _ => None,
    });
    assert!(told.eq(client.stopped()));
    let asks = news.iter().any(|news| matches!(news, ClientNews::Ask { .. }));
    assert_eq!(asks, client.stopped().is_none(), "who has stopped asks nobody");
    assert_eq!(client.liars().count(), 0, "nobody lied");
    (client.stopped(), client.follower().next_height().0 - 1)
}

#[test]
fn old_keys_stop_a_follower_unless_they_lead_to_a_trusted_checkpoint() {
    let lock = CHANGES.genesis.parameters.pledge_lock.millis;
    let ended = |change: usize| CHANGES.checkpoints[CLOSING[change] as usize - 1].time;
    let trusted = |height: u64| TrustedCheckpoint::from(&CHANGES.checkpoints[height as usize - 1]);
    let old = |change: usize| Some(Stop::from(OldKeys { epoch: change as u32, ended: ended(change), lock }));
    let late = ended(2) + lock + Span::days(1);
    let false_one = TrustedCheckpoint { digest: byway_primitives::Hash([5; 32]), ..trusted(5) };
    for (now, named, stop, height) in [
        (ended(0) + lock, None, None, HEIGHTS),
        (ended(0) + lock + Span::millis(1), None, old(0), CLOSING[0] - 1),
        (late, Some(trusted(CLOSING[0] - 1)), old(0), CLOSING[0] - 1),
        (late, Some(trusted(CLOSING[0])), old(1), CLOSING[1] - 1),
        (late, Some(trusted(CLOSING[1] + 1)), old(2), CLOSING[2] - 1),
        (late, Some(trusted(HEIGHTS)), None, HEIGHTS),
        (late, Some(false_one), Some(Stop::NotTrusted(false_one)), 4),
    ] {
        assert_eq!(stopped(now, named), (stop, height), "{named:?} at {now:?}");
    }
}

/// Nobody can stop a client by steps that are not certified.
#[test]
fn an_uncertified_change_is_a_lie_and_stops_nobody() {
    let mut client =
        Client::open(CHANGES.genesis.clone(), &PROGRAMS, CONFIG, 0, &MemoryStore::new()).expect("an empty store");
    let late = CHANGES.checkpoints[11].time + Span::days(100);
    client.handle_wake(late);
    let mut steps = CHANGES.steps(Height(1), &PROGRAMS);
    steps.truncate(CLOSING[0] as usize);
    steps.last_mut().expect("some").certificate.signatures[0].1.0[3] ^= 1;
    let news = client.handle_answer(late, client.current(), Answer::Steps(steps));
    assert!(news.iter().any(|news| matches!(news, ClientNews::Caught { .. })));
    assert_eq!(client.stopped(), None);
}
