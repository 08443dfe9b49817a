//! Conversations between real nodes.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::holding::some_port;
use super::network::{Mortal, Network, Node, SOON, key};

pub fn named(name: &str) -> String {
    format!("[chat]\nname = \"{name}\"\n")
}

pub async fn person(node: &Node, what: &str, is_it: impl Fn(&ChatPerson) -> bool) -> ChatPerson {
    node.until(what, async |api| api.chat_people().await.unwrap().into_iter().find(|person| is_it(person))).await
}

pub fn send(to: &str, text: &str) -> ChatSend {
    let key = key(&format!("say-{}", hex::encode(text)));
    ChatSend { to: to.to_owned(), text: text.to_owned(), reply: None, thread: None, idempotency_key: key }
}

pub async fn texts(api: &PeerNode, to: &str) -> Vec<String> {
    let read = ChatRead { to: to.to_owned(), before: None, limit: 100 };
    let mut items = api.chat_read(read).await.unwrap();
    items.reverse();
    items.into_iter().map(|item| item.text).collect()
}

async fn until_texts(node: &Node, to: &str, expected: &[&str]) {
    let what = format!("{expected:?}");
    node.until(&what, async |api| (texts(api, to).await == expected).then_some(())).await;
}

/// Two who are contacts, with what each is called at the other.
pub async fn acquainted(network: &Network) -> [Mortal; 2] {
    let [alice, bob] = [network.mortal("one", &named("Alice")).await, network.mortal("other", &named("Bob")).await];
    meet(&alice.node, &bob.node).await;
    [alice, bob]
}

/// Bob becomes a contact of Alice by a link of hers.
async fn meet(alice: &Node, bob: &Node) {
    let invite = ChatInviteMake { days: None, note: Some("for Bob".to_owned()) };
    let link = alice.api.chat_invite(invite).await.unwrap().link;
    bob.api.chat_accept(ChatAccept { who: link }).await.unwrap();
    let is_contact = |person: &ChatPerson| person.standing == ChatStanding::Contact && person.conversation.is_some();
    let seen = person(alice, "Bob has come", is_contact).await;
    assert_eq!((seen.name.as_str(), seen.identity), ("Bob", bob.api.identity()));
    person(bob, "Alice has agreed", is_contact).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_become_contacts_talk_and_lose_nothing_while_either_is_away() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());

    let said = alice.node.api.chat_send(send(&bobs, "hello **Bob**")).await.unwrap();
    let again = alice.node.api.chat_send(send("bob", "hello **Bob**")).await.unwrap();
    assert_eq!(again.message, said.message, "under one key it is said once");
    let other = ChatSend { text: "something else".to_owned(), ..send(&bobs, "hello **Bob**") };
    assert_eq!(alice.node.api.chat_send(other).await.unwrap_err().kind, ErrorKind::IdempotencyConflict);
    until_texts(&bob.node, &alices, &["hello **Bob**"]).await;
    let talks = [&alice, &bob].map(|who| who.node.api.clone());
    let [first, second] = [talks[0].chat_conversations().await.unwrap(), talks[1].chat_conversations().await.unwrap()];
    assert_eq!((first.len(), second.len()), (1, 1));
    compare([&alice.node.api, &bob.node.api]).await;
    assert_eq!((first[0].unread, second[0].unread), (0, 1));

    let what = ChatAboutWhat::React;
    let react = ChatAbout { to: alices.clone(), message: said.message.clone(), what, value: Some("👍".to_owned()) };
    bob.node.api.chat_about(react).await.unwrap();
    bob.node.api.chat_mark(ChatMark { to: alices.clone(), tell: true }).await.unwrap();
    let is_seen = |item: &ChatItem| !item.reactions.is_empty() && item.read == [bob.node.api.identity()];
    alice
        .node
        .until("the reaction, and that it was read", async |api| {
            let read = ChatRead { to: bobs.clone(), before: None, limit: 1 };
            api.chat_read(read).await.unwrap().first().is_some_and(is_seen).then_some(())
        })
        .await;

    // Bob is away, and comes back under another address; Alice has restarted meanwhile.
    drop(bob);
    alice.node.api.chat_send(send(&bobs, "are you there?")).await.unwrap();
    drop(alice);
    let alice = network.mortal("one", &named("Alice")).await;
    assert_eq!(texts(&alice.node.api, &bobs).await, ["hello **Bob**", "are you there?"]);
    alice.node.api.chat_send(send(&bobs, "tell me when")).await.unwrap();
    let waits = alice.node.api.chat_people().await.unwrap();
    assert_eq!(waits[0].waiting, 2);
    assert!(waits[0].verified_ms.is_some(), "it is on the disk");
    let bob = network.mortal("other", &named("Bob")).await;
    // Both have moved, and nobody has an address of the other that is still good: a card says it.
    let who = alice.node.api.identity_card().await.unwrap().card;
    let known = bob.node.api.chat_accept(ChatAccept { who }).await.unwrap();
    assert_eq!(known.standing, ChatStanding::Contact);
    let again = bob.node.api.chat_accept(ChatAccept { who: alices.clone() }).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::ChatAlreadyContact);
    until_texts(&bob.node, &alices, &["hello **Bob**", "are you there?", "tell me when"]).await;
    person(&alice.node, "nothing waits", |person| person.waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_without_an_invite_waits_for_the_answer_and_can_be_blocked() {
    let network = Network::start(&["one", "other"], &[]).await;
    // Whoever asks, and is not registered, pays nothing for it here.
    let free = format!("{}ask_price = \"0\"\n", named("Alice"));
    let [alice, bob] = [network.mortal("one", &free).await, network.mortal("other", &named("Bob")).await];
    let card = alice.node.api.identity_card().await.unwrap().card;
    let asked = bob.node.api.chat_accept(ChatAccept { who: card }).await.unwrap();
    assert_eq!(asked.standing, ChatStanding::Asked);
    let asking = person(&alice.node, "Bob asks", |person| person.standing == ChatStanding::Asking).await;
    let not_yet = alice.node.api.chat_send(send(&asking.identity.to_string(), "who is it?")).await.unwrap_err();
    assert_eq!(not_yet.kind, ErrorKind::ChatNotBegun);
    let who = asking.identity.to_string();
    assert_eq!(
        alice.node.api.chat_accept(ChatAccept { who: who.clone() }).await.unwrap().standing,
        ChatStanding::Contact
    );
    person(&bob.node, "Alice has agreed", |person| person.standing == ChatStanding::Contact).await;
    let name = ChatNickname { who: asking.identity, nickname: Some("Robert".to_owned()) };
    let named = alice.node.api.chat_nickname(name).await.unwrap();
    assert_eq!((named.name.as_str(), named.claimed.as_deref()), ("Robert", Some("Bob")));
    alice.node.api.chat_send(send("Robert", "welcome")).await.unwrap();
    until_texts(&bob.node, &alice.node.api.identity().to_string(), &["welcome"]).await;

    alice.node.api.chat_block(ChatBlock { who: asking.identity, blocked: true }).await.unwrap();
    bob.node.api.chat_send(send("Alice", "hello?")).await.unwrap();
    person(&bob.node, "it was taken", |person| person.waiting == 0).await;
    assert_eq!(texts(&alice.node.api, &who).await, ["welcome"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_is_told_who_comes_and_goes_and_for_whom_something_waits() {
    let network = Network::start(&["one", "other"], &[]).await;
    let at = some_port();
    let [alice, bob] = [network.node("one", &named("Alice")).await, network.node_at(at, "other", &named("Bob")).await];
    meet(&alice, &bob).await;
    person(&alice, "Bob is there, and has all", |person| person.online && person.waiting == 0).await;
    let mut told = alice.api.events();
    bob.stop().await;
    until_told(&mut told, "Bob is gone", |person| !person.online).await;
    alice.api.chat_send(send("Bob", "are you there?")).await.unwrap();
    until_told(&mut told, "something waits for him", |person| !person.online && person.waiting == 1).await;
    let bob = network.node_at(at, "other", &named("Bob")).await;
    until_told(&mut told, "he is back and has it", |person| person.online && person.waiting == 0).await;
    until_texts(&bob, "Alice", &["are you there?"]).await;
}

/// Waits until somebody who watches is told that a person is so.
async fn until_told(told: &mut Events, what: &str, is_it: impl Fn(&ChatPerson) -> bool) {
    let seen = async { while !matches!(&*told.recv().await.unwrap(), Event::ChatPerson(person) if is_it(person)) {} };
    tokio::time::timeout(SOON, seen).await.unwrap_or_else(|_| panic!("nobody told in time that {what}"));
}

/// Both see the same, and who has compared it knows so ever after.
async fn compare([alice, bob]: [&PeerNode; 2]) {
    let [of_bob, of_alice] = [alice.chat_people().await.unwrap().remove(0), bob.chat_people().await.unwrap().remove(0)];
    assert_eq!(of_bob.safety_number.split(' ').count(), 12);
    assert_eq!((&of_bob.safety_number, &of_bob.safety_words), (&of_alice.safety_number, &of_alice.safety_words));
    assert_eq!((of_bob.verified_ms, of_alice.verified_ms), (None, None));
    let verify = |who, matches| alice.chat_verify(ChatVerify { who, matches });
    let nobody = verify(alice.identity(), true).await.unwrap_err();
    assert_eq!(nobody.kind, ErrorKind::ChatPersonNotFound);
    assert!(verify(bob.identity(), true).await.unwrap().verified_ms.is_some());
    assert_eq!(verify(bob.identity(), false).await.unwrap().verified_ms, None);
    assert!(verify(bob.identity(), true).await.unwrap().verified_ms.is_some());
    assert_eq!(bob.chat_people().await.unwrap()[0].verified_ms, None, "it is told to nobody");
}
