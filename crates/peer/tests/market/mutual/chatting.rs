//! Conversations between markets: nothing that a machine has written may be missed by what it reads, however late its writes are
//! fetched.

use byway_chat::chats::{ChatConfig, Chats};
use byway_chat::content::Kind;
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::post::{Post, Text};
use byway_chat::mls::RoomId;
use byway_primitives::{Amount, IdentityId, Span};

use super::several::{HUB, NOW, PEERS, Star};
use crate::rig::NETWORK;

const ONE: usize = PEERS[0];

pub fn text(text: String) -> Kind {
    let source = BoundedText::new(text).expect("it is short");
    Kind::Post(Post { text: Text { source, mentions: BoundedList::default() }, ..Post::default() })
}

fn texts(star: &Star, who: usize, room: RoomId) -> Vec<String> {
    let node = &star.nodes[who];
    let page = node.market.look_at_chats(&node.store, |chats, store| chats.page(room, None, 1000, store));
    let page = page.expect("it has conversations").into_iter().rev();
    page.map(|shown| shown.item.text().expect("all are texts").source.to_string()).collect()
}

pub fn room_with(star: &Star, who: usize, peer: IdentityId) -> Option<RoomId> {
    star.nodes[who].market.chats()?.people().get(peer)?.direct
}

#[test]
fn all_that_is_said_before_anything_is_fetched_arrives_in_order() {
    let mut star = Star::new(Amount::ZERO);
    for who in [HUB, ONE] {
        let node = &mut star.nodes[who];
        let config = ChatConfig { network: NETWORK, identity: node.secret.clone(), device: 0, name: format!("{who}") };
        let chats = Chats::load(config, NOW, &node.store).expect("nothing is kept yet");
        node.market.have_chats(NOW, chats, &node.store);
    }
    let [hub, one] = [HUB, ONE].map(|who| star.nodes[who].id());
    let (invite, ask) = (star.draw(), star.draw());
    let node = &mut star.nodes[HUB];
    let token = node.market.with_chats(NOW, &node.store, |chats, _| {
        chats.invite(NOW, invite.first_chunk().expect("a seed is longer"), NOW + Span::days(1), "")
    });
    let token = token.expect("it has conversations").expect("there is room");
    let node = &mut star.nodes[ONE];
    let asked = node.market.with_chats(NOW, &node.store, |chats, store| chats.ask(NOW, ask, hub, Some(token), store));
    asked.expect("it has conversations").expect("nobody is known yet");
    star.carry();
    let room = room_with(&star, ONE, hub).expect("the invite was good");
    assert_eq!(room_with(&star, HUB, one), Some(room));

    let said: Vec<String> = (0..60).map(|number| format!("{number}")).collect();
    for what in &said {
        let (seed, node) = (star.draw(), &mut star.nodes[ONE]);
        let draft = text(what.clone()).into();
        let done = node.market.with_chats(NOW, &node.store, |chats, store| chats.say(NOW, seed, room, draft, store));
        done.expect("it has conversations").expect("it is in the room");
    }
    assert_eq!(texts(&star, ONE, room), said, "what was not fetched is seen");
    star.carry();
    assert_eq!(texts(&star, HUB, room), said);
    assert_eq!(star.nodes[ONE].market.chats().map(|chats| chats.awaited().count()), Some(0));
}
