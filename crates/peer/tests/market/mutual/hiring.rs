//! A bot is hired between markets: whoever pays is a contact, and each answer in their conversation is earned once.

use byway_chat::chats::{ChatConfig, Chats, Draft};
use byway_chat::hiring::{BotCard, BotTerms, Hire, HireRefusal, HireView};
use byway_chat::mls::RoomId;
use byway_primitives::Amount;

use super::chatting::{room_with, text};
use super::several::{HUB, NOW, PEERS, Star};
use crate::rig::NETWORK;

const ONE: usize = PEERS[0];
const PRICE: Amount = Amount::from_coins(7);

fn times(count: u128) -> Amount {
    Amount::from_units(PRICE.units() * count)
}

/// Both have conversations, and the hub offers a bot.
fn offered() -> Star {
    let mut star = Star::new(Amount::ZERO);
    for who in [HUB, ONE] {
        let node = &mut star.nodes[who];
        let config = ChatConfig { network: NETWORK, identity: node.secret.clone(), device: 0, name: format!("{who}") };
        let chats = Chats::load(config, NOW, &node.store).expect("nothing is kept yet");
        node.market.have_chats(NOW, chats, &node.store);
        node.market.have_hiring(NOW, &node.store).expect("nothing is kept yet");
    }
    let card = BotCard::new("oracle", "Answers.", Vec::new()).expect("it is one");
    let hub = &mut star.nodes[HUB];
    hub.market.offer_bot(NOW, Some(BotTerms { card, price: PRICE }), &hub.store);
    star.carry();
    star
}

fn hire(star: &mut Star, answers: u128) {
    let (hub, ask) = (star.nodes[HUB].id(), star.draw());
    let node = &mut star.nodes[ONE];
    // Who is one already is not asked again.
    let _ = node.market.with_chats(NOW, &node.store, |chats, store| chats.ask(NOW, ask, hub, None, store));
    let terms = Hire { price_max: PRICE, spent_max: times(answers) };
    node.market.hire_bot(NOW, hub, terms, &node.store);
    star.carry();
    let hub = &mut star.nodes[HUB];
    hub.market.handle_wake(NOW, &hub.store);
    star.carry();
}

fn say(star: &mut Star, who: usize, room: RoomId) {
    let (seed, node) = (star.draw(), &mut star.nodes[who]);
    let draft: Draft = text("something".to_owned()).into();
    let done = node.market.with_chats(NOW, &node.store, |chats, store| chats.say(NOW, seed, room, draft, store));
    done.expect("it has conversations").expect("it is in the room");
    star.carry();
}

/// The bot's program is there; how many messages it may be told.
fn work(star: &mut Star) -> u64 {
    let hub = &mut star.nodes[HUB];
    hub.market.have_bot_work(NOW, &hub.store);
    star.carry();
    let hiring = star.nodes[HUB].market.hiring().expect("it has it");
    hiring.host().clients().map(|client| client.released).sum()
}

fn earned(star: &Star) -> Amount {
    star.nodes[HUB].market.hiring().expect("it has it").host().earned()
}

fn view(star: &Star) -> HireView {
    star.nodes[ONE].market.hiring().expect("it has it").hires().hires().next().expect("it is hired")
}

#[test]
fn who_pays_is_let_in_and_each_answer_is_earned_once_up_to_the_limit() {
    let mut star = offered();
    hire(&mut star, 3);
    let [hub, one] = [HUB, ONE].map(|who| star.nodes[who].id());
    let room = room_with(&star, ONE, hub).expect("nobody had to accept it");
    assert_eq!(room_with(&star, HUB, one), Some(room));
    assert_eq!((view(&star).spent, earned(&star)), (PRICE, Amount::ZERO));
    for answers in 1..=3 {
        say(&mut star, ONE, room);
        assert_eq!(work(&mut star), 2 * answers - 1);
        say(&mut star, HUB, room);
        assert_eq!(earned(&star), times(answers.into()));
        assert_eq!(view(&star).spent, times((answers + 1).min(3).into()));
        // What is said beside, and what is said again of it, moves nothing.
        let node = &mut star.nodes[ONE];
        node.market.handle_wake(NOW, &node.store);
        star.carry();
        assert_eq!(earned(&star), times(answers.into()));
    }
    let received = |star: &Star| star.nodes[HUB].market.pair(one).expect("they trade").received;
    let before = received(&star);
    say(&mut star, ONE, room);
    assert_eq!(work(&mut star), 5, "it is not told what is not paid");
    assert_eq!((view(&star).refusal, view(&star).is_spent), (Some(HireRefusal::Unpaid), true));
    assert_eq!(received(&star), before);
    hire(&mut star, 4);
    assert_eq!(work(&mut star), 7);
    assert!(received(&star) > before, "the next one is promised");
}

#[test]
fn what_both_have_counted_is_kept_over_a_restart() {
    let mut star = offered();
    hire(&mut star, 9);
    let room = room_with(&star, ONE, star.nodes[HUB].id()).expect("it is hired");
    say(&mut star, ONE, room);
    work(&mut star);
    say(&mut star, HUB, room);
    for who in [HUB, ONE] {
        let node = &mut star.nodes[who];
        node.market.have_hiring(NOW, &node.store).expect("it can be read");
        star.carry();
    }
    assert_eq!((earned(&star), view(&star).answered, view(&star).spent), (PRICE, 1, times(2)));
    say(&mut star, ONE, room);
    assert_eq!(work(&mut star), 3);
    say(&mut star, HUB, room);
    assert_eq!((earned(&star), view(&star).spent), (times(2), times(3)));
}
