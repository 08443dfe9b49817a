//! What a first contact costs, and how often one may ask.

use byway_chat::chats::admission::{Plea, UNJUDGED_MAX, Verdict};
use byway_chat::chats::{ChatError, ChatNews, Footing};
use byway_chat::delivery::letter::{Ask, ChatMessage, Letter};
use byway_chat::delivery::{AskRefusal, ParcelId, PaymentFault};
use byway_chat::mls::RoomId;
use byway_chat::people::Standing;
use byway_primitives::codec::Encode;
use byway_primitives::{Amount, IdentityId, Span};

use super::rig::World;
use super::{ALICE, BOB, CAROL};

const PRICE: Amount = Amount::from_coins(2);

impl World {
    fn set_price(&mut self, price: Amount) {
        self.with(ALICE, |chats, _, _, _| chats.set_ask_price(price));
    }

    fn asks(&mut self, who: usize, payment: &[u8], group: Option<RoomId>) -> Result<(), ChatError> {
        let alice = self.people[ALICE].id();
        let plea = Plea { token: None, payment: payment.to_vec(), group };
        self.with(who, |chats, now, seed, store| chats.ask_with(now, seed, alice, plea, store))?;
        self.carry();
        Ok(())
    }

    /// Whoever looks after Alice's money says so, and everyone hears of it.
    fn judge(&mut self, who: usize, verdict: Verdict) {
        let peer = self.people[who].id();
        self.with(ALICE, |chats, now, seed, store| chats.judge(now, seed, peer, verdict, store));
        self.carry();
    }

    fn unjudged(&self) -> Vec<IdentityId> {
        self.people[ALICE].chats.unjudged().map(|(peer, _)| peer).collect()
    }

    /// What one was told whom Alice does not hear.
    fn refusal(&self, who: usize) -> Option<AskRefusal> {
        match self.people[who].chats.footing(self.people[ALICE].id()) {
            Some(Footing::Refused { refusal, .. }) => Some(*refusal),
            _ => None,
        }
    }

    fn is_asking(&self, who: usize) -> bool {
        let person = self.people[ALICE].chats.people().get(self.people[who].id());
        person.is_some_and(|person| matches!(person.standing, Standing::Asking { .. }))
    }

    fn waits_for_alice(&self, who: usize) -> usize {
        self.people[who].chats.waiting_for(self.people[ALICE].id())
    }
}

fn priced(names: &[&'static str]) -> World {
    let mut world = World::new(names);
    world.set_price(PRICE);
    (1..names.len()).for_each(|who| world.connect(ALICE, who));
    world
}

#[test]
fn who_does_not_pay_is_told_the_price_and_who_pays_it_is_heard() {
    let mut world = priced(&["alice", "bob"]);
    world.asks(BOB, b"", None).unwrap();
    assert!(world.people[ALICE].news.contains(&ChatNews::Unjudged { peer: world.people[BOB].id() }));
    assert_eq!(
        (world.waits_for_alice(BOB), world.is_asking(BOB)),
        (1, false),
        "nothing is said before the ledger was asked"
    );
    world.judge(BOB, Verdict::Unpaid);
    assert_eq!((world.waits_for_alice(BOB), world.is_asking(BOB)), (0, false));
    assert_eq!(world.refusal(BOB), Some(AskRefusal::Price { price: PRICE }));
    // What one was told is still known after a start.
    world.people[BOB].restart();
    assert_eq!(world.refusal(BOB), Some(AskRefusal::Price { price: PRICE }));
    world.cut(ALICE, BOB);
    world.connect(ALICE, BOB);

    world.asks(BOB, b"promise", None).unwrap();
    assert_eq!(world.refusal(BOB), None, "it is another try");
    let (_, unjudged) = world.people[ALICE].chats.unjudged().next().unwrap();
    assert_eq!(unjudged.payment(), b"promise");
    world.judge(BOB, Verdict::Bad(PaymentFault::Unbacked));
    assert_eq!(world.refusal(BOB), Some(AskRefusal::Payment(PaymentFault::Unbacked)));
    world.asks(BOB, b"another", None).unwrap();
    world.judge(BOB, Verdict::Paid);
    assert!(world.is_asking(BOB) && world.refusal(BOB).is_none());
    let bob = world.people[BOB].id();
    let paid = Footing::Asks { payment: b"another".to_vec(), group: None };
    assert_eq!(world.people[ALICE].chats.footing(bob), Some(&paid));

    // Who agrees has nothing of it.
    world.with(ALICE, |chats, now, seed, store| chats.accept(now, seed, bob, store)).unwrap();
    assert_eq!((world.people[ALICE].chats.footing(bob), world.people[ALICE].chats.collectable().count()), (None, 0));
}

#[test]
fn what_was_paid_is_collected_of_those_alone_who_are_blocked_when_they_ask() {
    let mut world = priced(&["alice", "bob", "carol"]);
    let [bob, carol] = [BOB, CAROL].map(|who| world.people[who].id());
    for who in [BOB, CAROL] {
        world.asks(who, b"promise", None).unwrap();
        world.judge(who, Verdict::Paid);
    }
    world.with(ALICE, |chats, now, seed, store| chats.accept(now, seed, carol, store)).unwrap();
    for peer in [bob, carol] {
        world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, peer, true));
    }
    world.people[ALICE].restart();
    let collectable: Vec<_> = world.people[ALICE].chats.collectable().collect();
    assert_eq!(collectable, [(bob, &b"promise"[..])]);
    // Neither blocking twice nor forgiving changes that.
    for is_blocked in [true, false] {
        world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, is_blocked));
        assert_eq!(world.people[ALICE].chats.collectable().count(), 1);
    }
    world.with(ALICE, |chats, _, _, _| chats.note_collected(bob));
    world.people[ALICE].restart();
    assert_eq!(world.people[ALICE].chats.collectable().count(), 0);
}

#[test]
fn a_request_that_was_not_judged_is_not_lost_with_the_memory() {
    let mut world = priced(&["alice", "bob"]);
    world.asks(BOB, b"promise", None).unwrap();
    world.people[ALICE].restart();
    world.set_price(PRICE);
    assert!(world.unjudged().is_empty());
    world.cut(ALICE, BOB);
    world.connect(ALICE, BOB);
    world.carry();
    assert_eq!(world.unjudged(), [world.people[BOB].id()]);
    // What the ledger says of somebody who is not waited for is nothing.
    let seen = world.people[ALICE].news.len();
    world.judge(ALICE, Verdict::Paid);
    assert_eq!(world.people[ALICE].news.len(), seen);
    world.judge(BOB, Verdict::Registered);
    assert_eq!((world.is_asking(BOB), world.waits_for_alice(BOB)), (true, 0));
    assert_eq!(world.people[ALICE].chats.footing(world.people[BOB].id()), None, "who is registered pays nothing");
}

#[test]
fn a_member_of_a_common_group_pays_nothing_and_nobody_else_is_introduced_by_it() {
    let mut world = World::new(&["alice", "bob", "carol", "dave"]);
    world.acquaint(CAROL, ALICE);
    world.acquaint(CAROL, BOB);
    let group = world.found(CAROL, &[ALICE, BOB]);
    world.set_price(PRICE);
    world.connect(ALICE, BOB);
    world.connect(ALICE, 3);
    // Dave says that he is in it.
    let alice = world.people[ALICE].id();
    assert_eq!(world.asks(3, b"", Some(group)), Err(ChatError::NoRoom));
    let dave = world.people[3].id();
    let seed = world.people[3].seed();
    let (package, _) = byway_chat::mls::Room::key_package(world.people[3].chats.device(), &seed).unwrap();
    let forged = Ask { token: None, package, name: "dave".to_owned(), payment: Vec::new(), group: Some(group) };
    super::bring(&mut world, 3, ALICE, &Letter::Ask(forged));
    assert_eq!((world.unjudged(), world.is_asking(3)), (vec![dave], false));
    world.judge(3, Verdict::Unpaid);
    assert!(!world.is_asking(3));

    world.asks(BOB, b"", Some(group)).unwrap();
    assert!(world.is_asking(BOB) && world.unjudged().is_empty());
    let bob = world.people[BOB].id();
    let introduced = Footing::Asks { payment: Vec::new(), group: Some(group) };
    assert_eq!(world.people[ALICE].chats.footing(bob), Some(&introduced));
    assert_eq!(world.people[BOB].chats.people().get(alice).unwrap().standing, Standing::Asked);

    // Nor is one who was in it: a group that Alice has left introduces nobody, and a conversation of two does not either.
    let mut world = World::new(&["alice", "bob", "carol"]);
    let two = world.acquaint(ALICE, CAROL);
    world.acquaint(CAROL, BOB);
    let group = world.found(CAROL, &[ALICE, BOB]);
    world.set_price(PRICE);
    world.connect(ALICE, BOB);
    assert_eq!(world.asks(CAROL, b"", Some(two)), Err(ChatError::NotGroup));
    world.remove(CAROL, group, BOB).unwrap();
    world.carry();
    assert_eq!(world.asks(BOB, b"", Some(group)), Err(ChatError::NotMember));
    let seed = world.people[BOB].seed();
    let (package, _) = byway_chat::mls::Room::key_package(world.people[BOB].chats.device(), &seed).unwrap();
    let late = Ask { token: None, package, name: "bob".to_owned(), payment: Vec::new(), group: Some(group) };
    super::bring(&mut world, BOB, ALICE, &Letter::Ask(late));
    assert_eq!((world.unjudged(), world.is_asking(BOB)), (vec![world.people[BOB].id()], false));
}

#[test]
fn who_asks_too_often_is_told_when_they_may_again() {
    let mut world = World::new(&["alice", "bob"]);
    world.connect(ALICE, BOB);
    for _ in 0..8 {
        world.asks(BOB, b"", None).unwrap();
        assert_eq!((world.refusal(BOB), world.is_asking(BOB)), (None, true));
    }
    world.asks(BOB, b"", None).unwrap();
    let Some(AskRefusal::Later { after }) = world.refusal(BOB) else { panic!("{:?}", world.refusal(BOB)) };
    assert!(world.is_asking(BOB), "what was heard before stays so");
    world.now = world.now + Span(after.0 - 1);
    world.asks(BOB, b"", None).unwrap();
    assert_eq!(world.refusal(BOB), Some(AskRefusal::Later { after: Span(1) }));
    world.now = world.now + Span(1);
    world.asks(BOB, b"", None).unwrap();
    assert_eq!(world.refusal(BOB), None);
}

#[test]
fn a_flood_of_requests_is_bounded_before_the_ledger_is_asked_of_any() {
    let mut world = priced(&["alice", "bob"]);
    let ask = Ask { token: None, package: vec![1; 80], name: String::new(), payment: vec![7; 200], group: None };
    let bytes = Letter::Ask(ask).to_bytes();
    let mut refused = Vec::new();
    for number in 0..UNJUDGED_MAX as u64 + 5 {
        let mut made_up = [9; 20];
        made_up[..8].copy_from_slice(&number.to_be_bytes());
        let (now, parcel, bytes) = (world.now, ParcelId::of(&bytes), bytes.clone());
        let part = ChatMessage::Part { parcel, index: 0, count: 1, bytes };
        let peer = IdentityId(made_up);
        let ((), sends) =
            world.people[ALICE].with(|chats, seed, store| chats.handle_message(now, seed, peer, part, store));
        refused.extend(sends.into_iter().map(|(_, message)| message));
    }
    assert_eq!(world.unjudged().len(), UNJUDGED_MAX);
    let is_later =
        |message: &ChatMessage| matches!(message, ChatMessage::Refused { refusal: AskRefusal::Later { .. }, .. });
    assert!(refused.len() == 5 && refused.iter().all(is_later), "{refused:?}");
    assert_eq!(world.people[ALICE].chats.people().asking().count(), 0);
}

#[test]
fn nobody_is_told_by_a_refusal_who_did_not_ask() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.cut(ALICE, BOB);
    world.say(ALICE, room, "hello");
    let bob = world.people[BOB].id();
    let parcel = world.people[ALICE].chats.waiting_parcels(bob).next().unwrap();
    let refused = ChatMessage::Refused { parcel, refusal: AskRefusal::Full };
    world.with(ALICE, |chats, now, seed, store| chats.handle_message(now, seed, bob, refused, store));
    assert_eq!((world.people[ALICE].chats.waiting_for(bob), world.people[ALICE].chats.footing(bob)), (1, None));
}

#[test]
fn who_is_blocked_hears_no_price() {
    let mut world = priced(&["alice", "bob"]);
    let bob = world.people[BOB].id();
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, true));
    world.asks(BOB, b"", None).unwrap();
    assert_eq!((world.refusal(BOB), world.waits_for_alice(BOB), world.unjudged().len()), (None, 0, 0));
    // Nor one who is blocked while the ledger is asked.
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, false));
    world.asks(BOB, b"promise", None).unwrap();
    world.with(ALICE, |chats, now, _, _| chats.set_blocked(now, bob, true));
    world.judge(BOB, Verdict::Unpaid);
    assert_eq!(world.refusal(BOB), None);
}
