//! A second node as a device of the same person: linking it, what is the same on both, and taking it away.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_peer::link::DeviceOffer;
use byway_primitives::Time;

use super::chat::{acquainted, named, person, send, texts};
use super::cli::{check_typed, directory_of, failure, json, shown};
use super::fake::Fake;
use super::holding::{holder, some_port, until_held};
use super::network::{Mortal, Network, Node, key};

async fn token(of: &Node) -> String {
    of.api.device_token().await.unwrap().token
}

fn named_so(token: &str, name: &str) -> DeviceLink {
    DeviceLink { token: token.to_owned(), name: Some(name.to_owned()) }
}

async fn until_role(node: &Node, role: DeviceRole) -> DeviceStatus {
    node.until(&format!("{role:?}"), async |api| {
        let status = api.device_list().await.unwrap();
        (status.role == role).then_some(status)
    })
    .await
}

async fn until_state(node: &Node, state: DeviceState) -> Device {
    node.until(&format!("{state:?}"), async |api| {
        api.device_list().await.unwrap().devices.into_iter().find(|device| device.state == state)
    })
    .await
}

/// Waits until a conversation is there, and has exactly these texts, each once.
async fn until_texts(node: &Node, to: &str, expected: &[&str]) {
    let what = format!("{expected:?} with {to}");
    let look = async |api: &PeerNode| {
        let is_begun = api.chat_conversations().await.unwrap().iter().any(|talk| talk.conversation == to);
        let mut found = if is_begun { texts(api, to).await } else { Vec::new() };
        found.sort();
        let mut wanted = expected.to_vec();
        wanted.sort();
        (is_begun && found == wanted).then_some(())
    };
    node.until(&what, look).await;
}

/// The conversation of the two, beside which everyone has their notes.
async fn conversation(node: &Node) -> String {
    let of_two = async |api: &PeerNode| {
        let talks = api.chat_conversations().await.unwrap();
        // On a linked device it is shown before that one is in it.
        talks.into_iter().find(|talk| talk.members.len() == 2 && talk.member)
    };
    node.until("the conversation", of_two).await.conversation
}

async fn talk(api: &PeerNode, room: &str) -> ChatConversation {
    let talks = api.chat_conversations().await.unwrap();
    talks.into_iter().find(|talk| talk.conversation == room).unwrap()
}

/// Alice with two devices, and Bob, who has heard of both; with the conversation of the two.
async fn linked(network: &Network) -> ([Mortal; 3], String) {
    let [alice, bob] = acquainted(network).await;
    let laptop = network.mortal("laptop", &named("nobody")).await;
    let shown = token(&laptop.node).await;
    assert!(laptop.node.api.device_list().await.unwrap().token_until_ms.is_some());
    let device = alice.node.api.device_link(named_so(&shown, "Laptop")).await.unwrap();
    assert_eq!((device.state, device.node), (DeviceState::Linked, laptop.node.api.identity()));
    assert!(device.until_ms.is_some());
    until_role(&laptop.node, DeviceRole::Linked).await;
    let room = conversation(&laptop.node).await;
    // Who has read this has heard of the device that said it.
    laptop.node.api.chat_send(send(&room, "from the laptop")).await.unwrap();
    person(&laptop.node, "Bob is reached", |person| person.online).await;
    until_texts(&bob.node, &room, &["from the laptop"]).await;
    until_texts(&alice.node, &room, &["from the laptop"]).await;
    ([alice, bob, laptop], room)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_hears_and_says_is_on_both_devices_once_and_it_is_they_who_said_it() {
    let network = Network::start(&["one", "other"], &[]).await;
    let ([alice, bob, laptop], room) = linked(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());

    let status = laptop.node.api.device_list().await.unwrap();
    assert_eq!((status.person, status.token_until_ms), (alices, None));
    assert!(status.until_ms.is_some());
    assert_eq!(
        status.devices.iter().map(|first| (first.node, first.state)).collect::<Vec<_>>(),
        [(alices, DeviceState::First)]
    );
    let shown = laptop.node.api.node_status().await.unwrap();
    assert_eq!((shown.identity.id, shown.person), (laptop.node.api.identity(), Some(alices)));
    assert_eq!(alice.node.api.node_status().await.unwrap().person, None);

    bob.node.api.chat_send(send(&room, "hello both")).await.unwrap();
    alice.node.api.chat_send(send(&room, "from the first")).await.unwrap();
    let all = ["from the laptop", "hello both", "from the first"];
    for who in [&alice, &bob, &laptop] {
        until_texts(&who.node, &room, &all).await;
        let items = who.node.api.chat_read(ChatRead { to: room.clone(), before: None, limit: 10 }).await.unwrap();
        for item in items {
            let author = if item.text == "hello both" { bobs } else { alices };
            assert_eq!(item.author, author, "{}", item.text);
        }
    }
    let told = bob.node.api.chat_conversations().await.unwrap().remove(0);
    assert_eq!((told.peer, told.members.len()), (Some(alices), 2), "it is one person to him");
    let seen = talk(&laptop.node.api, &room).await;
    assert_eq!((seen.title.as_str(), seen.peer, seen.unread), ("Bob", Some(bobs), 1));

    // So is how it is shown, whichever says so.
    let keep = |pinned| ChatKeep { to: room.clone(), draft: None, pinned, muted_until_ms: None, marked_unread: None };
    alice.node.api.chat_keep(keep(Some(true))).await.unwrap();
    laptop.node.until("it is pinned", async |api| talk(api, &room).await.pinned.then_some(())).await;
    laptop.node.api.chat_keep(keep(Some(false))).await.unwrap();
    alice.node.until("it is not pinned", async |api| (!talk(api, &room).await.pinned).then_some(())).await;

    // What was read on one is read on the other.
    laptop.node.api.chat_mark(ChatMark { to: room.clone(), tell: true }).await.unwrap();
    let is_read = async |api: &PeerNode| (talk(api, &room).await.unread == 0).then_some(());
    alice.node.until("it was read", is_read).await;
    let mine = ChatSearch { query: "from:me".to_owned(), to: None, before: None, limit: 20, offset_minutes: 0 };
    let found = laptop.node.api.chat_search(mine).await.unwrap();
    assert_eq!(found.hits.len(), 2, "{found:?}");

    // Notes to oneself are on both, and are no one else's.
    let memo = ChatMemo { text: "milk".to_owned(), remind_ms: None, idempotency_key: key("memo") };
    let noted = laptop.node.api.chat_memo(memo).await.unwrap();
    let has_note = async |api: &PeerNode| {
        let notes = api.chat_read(ChatRead { to: "me".to_owned(), before: None, limit: 5 }).await.ok()?;
        notes.into_iter().find(|note| note.message == noted.message)
    };
    assert_eq!(alice.node.until("the note", has_note).await.author, alices);
    assert_eq!(bob.node.api.chat_conversations().await.unwrap().len(), 1);

    // She is there as long as one of her devices is.
    drop(alice);
    bob.node.api.chat_send(send(&room, "which one are you?")).await.unwrap();
    laptop.node.until("heard", async |api| (texts(api, &room).await.len() == 4).then_some(())).await;
    assert!(person(&bob.node, "Alice", |person| person.identity == alices).await.online);
    let first = until_state(&laptop.node, DeviceState::First).await;
    assert!(first.heard_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_comes_to_a_linked_device_though_either_node_is_killed() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let room = conversation(&bob.node).await;
    let mut said: Vec<String> = Vec::new();
    // Several parts, each of long messages.
    for number in 0..40 {
        let text = format!("{number:02}{}", " word".repeat(2_000));
        let from = [&alice, &bob][number % 2];
        let short = send(&room, &format!("before-{number}"));
        from.node.api.chat_send(ChatSend { text: text.clone(), ..short }).await.unwrap();
        said.push(text);
        let all: Vec<&str> = said.iter().map(String::as_str).collect();
        for who in [&alice, &bob] {
            until_texts(&who.node, &room, &all).await;
        }
    }
    let (at, ours) = (some_port(), named("Alice"));
    let laptop = network.mortal_at(at, "laptop", "").await;
    let shown = token(&laptop.node).await;
    alice.node.api.device_link(named_so(&shown, "Laptop")).await.unwrap();
    // Both die as soon as something was given, one after the other.
    let has_begun = async |api: &PeerNode| {
        let devices = api.device_list().await.unwrap().devices;
        devices.into_iter().find_map(|device| device.history).filter(|history| history.given > 0)
    };
    laptop.node.until("something was given", has_begun).await;
    drop(laptop);
    drop(alice);
    let laptop = network.mortal_at(at, "laptop", "").await;
    let alice = network.mortal_at(some_port(), "one", &ours).await;
    let is_whole = async |api: &PeerNode| {
        let devices = api.device_list().await.unwrap().devices;
        devices.into_iter().find_map(|device| device.history).filter(|history| history.whole)
    };
    for node in [&alice.node, &laptop.node] {
        let history = node.until("all is given", is_whole).await;
        assert!(history.given == history.messages && history.messages >= 40, "{history:?}");
    }
    let talk = talk(&laptop.node.api, &room).await;
    assert_eq!(talk.title, "Bob");
    let read = ChatRead { to: room.clone(), before: None, limit: 100 };
    let [at_alice, at_laptop] = [&alice, &laptop].map(|who| who.node.api.chat_read(read.clone()));
    let [at_alice, at_laptop] = [at_alice.await.unwrap(), at_laptop.await.unwrap()];
    let of =
        |items: &[ChatItem]| items.iter().map(|item| (item.message.clone(), item.text.clone())).collect::<Vec<_>>();
    assert_eq!(of(&at_laptop), of(&at_alice));
    assert_eq!(at_laptop.len(), 40);
    let query = ChatSearch { query: "17".to_owned(), to: None, before: None, limit: 20, offset_minutes: 0 };
    let found = laptop.node.api.chat_search(query).await.unwrap();
    assert_eq!(found.hits.len(), 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_goes_on_though_either_node_is_killed() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let (at, ours) = (some_port(), named("Alice"));
    let room = conversation(&bob.node).await;
    let laptop = network.mortal_at(at, "laptop", "").await;
    let shown = token(&laptop.node).await;
    // The new node dies with its token shown, and the first one while it calls.
    drop(laptop);
    let calling = tokio::spawn({
        let (api, link) = (alice.node.api.clone(), named_so(&shown, "Laptop"));
        async move { api.device_link(link).await }
    });
    until_state(&alice.node, DeviceState::Calling).await;
    calling.abort();
    drop(alice);
    let alice = network.mortal_at(some_port(), "one", &ours).await;
    assert_eq!(until_state(&alice.node, DeviceState::Calling).await.name, "Laptop");
    let laptop = network.mortal_at(at, "laptop", "").await;
    // As soon as the first one has heard of its consent the new node dies, with its certificate or without it.
    until_state(&alice.node, DeviceState::Linked).await;
    drop(laptop);
    let laptop = network.mortal_at(at, "laptop", "").await;
    let status = until_role(&laptop.node, DeviceRole::Linked).await;
    assert_eq!(status.person, alice.node.api.identity());
    assert_eq!(conversation(&laptop.node).await, room);
    // Alice has moved, and Bob learns of it by her card.
    let who = alice.node.api.identity_card().await.unwrap().card;
    bob.node.api.chat_accept(ChatAccept { who }).await.unwrap();
    laptop.node.api.chat_send(send(&room, "here I am")).await.unwrap();
    for who in [&alice, &bob, &laptop] {
        until_texts(&who.node, &room, &["here I am"]).await;
    }
    bob.node.api.chat_send(send(&room, "welcome")).await.unwrap();
    for who in [&alice, &laptop] {
        until_texts(&who.node, &room, &["here I am", "welcome"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_a_device_is_away_is_held_for_it() {
    let network = Network::start(&["one", "other", "laptop", "h1"], &[]).await;
    let keeper = holder(&network, "h1", some_port()).await;
    keeper.prepare("1").await;
    let ([alice, bob, laptop], room) = linked(&network).await;
    let client = laptop.node.api.identity();
    laptop.node.prepare("2").await;
    let is_sold = async |api: &PeerNode| (api.hold_offer_list().await.unwrap().len() == 1).then_some(());
    laptop.node.until("the one who holds", is_sold).await;
    let request = HoldUse { price_max: Some("0.0002".parse().unwrap()), ..HoldUse::default() };
    laptop.node.api.hold_use(request).await.unwrap();
    let is_named = async |api: &PeerNode| {
        let status = api.hold_status().await.unwrap();
        status.holders.iter().all(|record| record.holding && record.named).then_some(())
    };
    laptop.node.until("it holds, and the ledger has it", is_named).await;

    drop(laptop);
    bob.node.api.chat_send(send(&room, "while you sleep")).await.unwrap();
    until_texts(&alice.node, &room, &["from the laptop", "while you sleep"]).await;
    until_held(&keeper, client, "it is held", |held| held >= 1).await;
    drop((alice, bob));
    let laptop = network.mortal("laptop", "").await;
    until_texts(&laptop.node, &room, &["from the laptop", "while you sleep"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_taken_away_is_told_nothing_more_and_says_nothing() {
    let network = Network::start(&["one", "other"], &[]).await;
    let ([alice, bob, laptop], room) = linked(&network).await;
    // Contacts are made at the first one: nothing is set aside for somebody who can't be asked.
    let who = network.node("stranger", &named("Stranger")).await.api.identity_card().await.unwrap().card;
    let paid = ChatAsk { who, pay: Some("0.01".parse().unwrap()), from: None };
    assert_eq!(laptop.node.api.chat_ask(paid).await.unwrap_err().kind, ErrorKind::NotFirstDevice);

    let unknown = DeviceRemove { device: "Tablet".to_owned() };
    assert_eq!(alice.node.api.device_remove(unknown).await.unwrap_err().kind, ErrorKind::DeviceNotFound);
    let removed = alice.node.api.device_remove(DeviceRemove { device: "Laptop".to_owned() }).await.unwrap();
    assert_eq!(removed.node, laptop.node.api.identity());
    assert_eq!(alice.node.api.device_list().await.unwrap().devices, []);
    until_role(&laptop.node, DeviceRole::Removed).await;
    // Who has read this has heard that the device is gone.
    alice.node.api.chat_send(send(&room, "I have lost it")).await.unwrap();
    until_texts(&bob.node, &room, &["from the laptop", "I have lost it"]).await;
    bob.node.api.chat_send(send(&room, "what a pity")).await.unwrap();
    until_texts(&alice.node, &room, &["from the laptop", "I have lost it", "what a pity"]).await;
    person(&bob.node, "all has arrived", |person| person.waiting == 0).await;
    laptop.node.tend().await;
    assert_eq!(texts(&laptop.node.api, &room).await, ["from the laptop"]);
    let said = laptop.node.api.chat_send(send(&room, "hello?")).await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::ChatNotMember);
    // It stays nobody's over a restart, and is no new node.
    drop(laptop);
    let laptop = network.mortal("laptop", "").await;
    assert_eq!(laptop.node.api.device_list().await.unwrap().role, DeviceRole::Removed);
    assert_eq!(laptop.node.api.device_token().await.unwrap_err().kind, ErrorKind::NodeNotNew);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_count_links_nothing_and_says_why() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let laptop = network.mortal("laptop", "").await;
    let link = async |typed: &str| alice.node.api.device_link(named_so(typed, "Laptop")).await.unwrap_err();

    let first = token(&laptop.node).await;
    let cut = &first[..first.len() - 1];
    let card = laptop.node.api.identity_card().await.unwrap().card;
    for typed in ["", "hello", cut, &card] {
        let refused = link(typed).await;
        assert_eq!((refused.kind, &refused.details["field"]), (ErrorKind::InvalidParams, &"token".into()), "{typed}");
    }
    let mut late: DeviceOffer = first.parse().unwrap();
    late.until = Time(1);
    assert_eq!(link(&late.to_text()).await.kind, ErrorKind::DeviceTokenExpired);
    // Each takes the place of the one before.
    let second = token(&laptop.node).await;
    assert_eq!(link(&first).await.kind, ErrorKind::DeviceRefused);
    assert_eq!(alice.node.api.device_list().await.unwrap().devices, [], "it is called no more");
    assert_eq!(bob.node.api.device_token().await.unwrap_err().kind, ErrorKind::NodeNotNew);

    let device = alice.node.api.device_link(DeviceLink { token: second.clone(), name: None }).await.unwrap();
    assert_eq!((device.name.as_str(), device.state), ("Device", DeviceState::Linked));
    assert_eq!(link(&second).await.kind, ErrorKind::InvalidParams, "it is one already");
    let refused = bob.node.api.device_link(named_so(&second, "Laptop")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::DeviceRefused, "it counts once");
    let other = network.mortal("tablet", "").await;
    let third = token(&other.node).await;
    let taken = alice.node.api.device_link(named_so(&third, "Device")).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::DeviceNameTaken);

    // A linked device neither links nor makes contacts.
    until_role(&laptop.node, DeviceRole::Linked).await;
    let api = &laptop.node.api;
    assert_eq!(api.device_link(named_so(&third, "Tablet")).await.unwrap_err().kind, ErrorKind::NotFirstDevice);
    let invite = ChatInviteMake { days: None, note: None };
    assert_eq!(api.chat_invite(invite).await.unwrap_err().kind, ErrorKind::NotFirstDevice);
    let remove = DeviceRemove { device: alice.node.api.identity().to_string() };
    assert_eq!(api.device_remove(remove).await.unwrap_err().kind, ErrorKind::NotFirstDevice);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_say_what_becomes_of_a_device_and_what_to_do() {
    check_typed(&[
        ("device token", true),
        ("device link byway:device/abc", true),
        ("device link byway:device/abc --name Laptop", true),
        ("device link", false),
        ("device list", true),
        ("device remove Laptop", true),
        ("device remove", false),
    ]);
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let shown = |arguments: &[&str]| shown(directory, arguments);
    let token = shown(&["device", "token"]);
    assert!(
        token.contains("byway:device/abc\n") && token.contains('█') && token.contains("within ten minutes"),
        "{token}"
    );
    let linked = shown(&["device", "link", "byway:device/abc", "--name", "Laptop"]);
    assert!(linked.starts_with("Laptop is a device of yours now"), "{linked}");
    let away = shown(&["device", "link", "away"]);
    assert!(away.contains("was not reached yet") && away.contains("`byway device list`"), "{away}");
    let old = failure(directory, &["device", "link", "old"]);
    assert!(old.contains("`byway device token` there"), "{old}");
    let list = shown(&["device", "list"]);
    assert!(list.contains("Laptop") && list.contains("7777777777") && list.contains("2023-11-14"), "{list}");
    assert!(list.contains(&"88".repeat(20)), "whose device this is: {list}");
    assert_eq!(json(directory, &["device", "list"])["role"], "linked");
    let removed = shown(&["device", "remove", "Laptop"]);
    assert!(removed.starts_with("Laptop is no device of yours any more"), "{removed}");
    let gone = failure(directory, &["device", "remove", "Tablet"]);
    assert!(gone.contains("`byway device list`"), "{gone}");
}
