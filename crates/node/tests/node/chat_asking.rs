//! What a first message costs between real nodes, and address books of groups.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, IdentityId};

use super::chat::{named, person};
use super::cli::{check_typed, directory_of, failure, json, text};
use super::fake::Fake;
use super::fake_chat::{CONTACT, STRANGER};
use super::network::{Mortal, Network, Node};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn priced(name: &str, price: &str) -> String {
    format!("{}ask_price = \"{price}\"\n", named(name))
}

async fn card(node: &Node) -> String {
    node.api.identity_card().await.unwrap().card
}

async fn asks(node: &Node, who: &str, pay: Option<&str>, from: Option<&str>) -> Answer<ChatPerson> {
    let (pay, from) = (pay.map(amount), from.map(str::to_owned));
    node.api.chat_ask(ChatAsk { who: who.to_owned(), pay, from }).await
}

/// Alice, who asks half a coin for a first message, and two whom she does not know, with coins in their wallets.
async fn strangers(network: &Network) -> [Mortal; 3] {
    let alice = network.mortal("one", &priced("Alice", "0.5")).await;
    let [bob, carol] = [network.mortal("two", &named("Bob")).await, network.mortal("three", &named("Carol")).await];
    for who in [&alice, &bob, &carol] {
        let follows = async |api: &PeerNode| api.node_status().await.ok()?.ledger.lag_ms;
        who.node.until("it follows", follows).await;
    }
    for who in [&bob, &carol] {
        let has = async |api: &PeerNode| (!api.wallet_balance().await.ok()?.wallet.is_zero()).then_some(());
        who.node.until("its coins", has).await;
    }
    [alice, bob, carol]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_costs_strangers_something_which_is_taken_of_those_alone_who_are_blocked() {
    let network = Network::start(&["two", "three"], &[]).await;
    let [alice, bob, carol] = strangers(&network).await;
    let hers = card(&alice.node).await;
    let refused = asks(&bob.node, &hers, None, None).await.unwrap_err();
    assert_eq!((refused.kind, &refused.details["price"]), (ErrorKind::ChatAskCosts, &"0.5".into()), "{refused}");
    let asked = bob.node.api.chat_people().await.unwrap().remove(0);
    let refusal = asked.refused.unwrap();
    assert_eq!(
        (asked.standing, refusal.reason, refusal.price),
        (ChatStanding::Asked, ChatRefusalReason::Price, Some(amount("0.5")))
    );
    let too_little = asks(&bob.node, &hers, Some("0.2"), None).await.unwrap_err();
    assert_eq!(too_little.kind, ErrorKind::ChatAskCosts);
    assert!(alice.node.api.chat_people().await.unwrap().is_empty(), "she has heard of nobody");
    let too_much = asks(&bob.node, &hers, Some("100"), None).await.unwrap_err();
    assert_eq!(too_much.kind, ErrorKind::InsufficientWallet);

    for who in [&bob, &carol] {
        let asked = asks(&who.node, &hers, Some("0.5"), None).await.unwrap();
        assert_eq!((asked.standing, asked.refused), (ChatStanding::Asked, None));
        let is_it = |person: &ChatPerson| person.identity == who.node.api.identity();
        let asking = person(&alice.node, "they ask", is_it).await;
        assert_eq!(
            (asking.standing, asking.paid, asking.registered),
            (ChatStanding::Asking, Some(amount("0.5")), false)
        );
    }
    // Once more it costs nothing more: what is set aside already is shown.
    asks(&carol.node, &hers, Some("0.5"), None).await.unwrap();
    assert_eq!(carol.node.api.wallet_balance().await.unwrap().reserved, amount("0.5"));

    let [bobs, carols] = [&bob, &carol].map(|who| who.node.api.identity());
    let accepted = alice.node.api.chat_accept(ChatAccept { who: bobs.to_string() }).await.unwrap();
    assert_eq!((accepted.standing, accepted.paid), (ChatStanding::Contact, None));
    person(&bob.node, "she has agreed", |person| person.standing == ChatStanding::Contact).await;
    // Who is blocked as a contact loses nothing either.
    for who in [bobs, carols] {
        alice.node.api.chat_block(ChatBlock { who, blocked: true }).await.unwrap();
    }
    let collected = async |api: &PeerNode| {
        let account = api.wallet_balance().await.unwrap().account;
        (!account.is_zero()).then_some(account)
    };
    // Of half a coin a thousandth goes to the pool.
    assert_eq!(alice.node.until("what Carol paid", collected).await, amount("0.4995"));
    let left = async |api: &PeerNode| api.wallet_balance().await.unwrap().reserved.is_zero().then_some(());
    carol.node.until("she hears of it", left).await;
    alice.node.tend().await;
    assert_eq!(alice.node.api.wallet_balance().await.unwrap().account, amount("0.4995"), "it is collected once");
    // What Bob tried with first, and what he was heard with, is still his.
    assert_eq!(bob.node.api.wallet_balance().await.unwrap().reserved, amount("0.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_registered_pays_nothing_and_the_price_can_be_changed() {
    let network = Network::start(&["two", "three"], &[]).await;
    let [alice, bob, carol] = strangers(&network).await;
    bob.node.prepare("1").await;
    let hers = card(&alice.node).await;
    asks(&bob.node, &hers, None, None).await.unwrap();
    let asking = person(&alice.node, "Bob asks", |person| person.standing == ChatStanding::Asking).await;
    assert_eq!((asking.registered, asking.paid), (true, None));
    assert_eq!(alice.node.api.chat_price(ChatPriceSet { price: None }).await.unwrap().price, amount("0.5"));
    let price = alice.node.api.chat_price(ChatPriceSet { price: Some(amount("2")) }).await.unwrap();
    assert_eq!(price.price, amount("2"));
    assert_eq!(asks(&carol.node, &hers, None, None).await.unwrap_err().details["price"], "2");
    alice.node.api.chat_price(ChatPriceSet { price: Some(Amount::ZERO) }).await.unwrap();
    asks(&carol.node, &hers, None, None).await.unwrap();
    let carols = carol.node.api.identity();
    person(&alice.node, "Carol asks", |person| person.identity == carols).await;
    // Who asks over and over is told when they may again.
    let mut refusals = Vec::new();
    for _ in 0..12 {
        refusals.extend(asks(&carol.node, &hers, None, None).await.err());
    }
    assert!(!refusals.is_empty() && refusals.iter().all(|error| error.kind == ErrorKind::ChatAskLater), "{refusals:?}");
    assert!(refusals[0].details["again_ms"].as_u64().unwrap() > 0);
}

async fn acquaint(one: &Node, other: &Node) {
    let link = one.api.chat_invite(ChatInviteMake { days: None, note: None }).await.unwrap().link;
    other.api.chat_accept(ChatAccept { who: link }).await.unwrap();
    let is_contact =
        |id: IdentityId| move |person: &ChatPerson| person.identity == id && person.standing == ChatStanding::Contact;
    person(other, "they are contacts", is_contact(one.api.identity())).await;
    person(one, "they are contacts", is_contact(other.api.identity())).await;
}

fn put(who: &str, name: Option<&str>, note: Option<&str>) -> ChatBookChange {
    let (name, note) = (name.map(str::to_owned), note.map(str::to_owned));
    ChatBookChange { to: "Bakers".to_owned(), what: ChatBookWhat::Put, who: who.to_owned(), name, note }
}

async fn until_book(node: &Node, count: usize) -> Vec<ChatBookPerson> {
    node.until(&format!("{count} in the book"), async |api| {
        let book = api.chat_book(ChatBookShow { to: "Bakers".to_owned() }).await.ok()?;
        (book.people.len() == count).then_some(book.people)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_one_address_book_and_its_members_ask_each_other_for_nothing() {
    let network = Network::start(&["one", "two", "three", "four"], &[]).await;
    let alice = network.mortal("one", &named("Alice")).await;
    let [bob, carol] = [network.mortal("two", &named("Bob")).await, network.mortal("three", &named("Carol")).await];
    let dave = network.mortal("four", &named("Dave")).await;
    acquaint(&alice.node, &bob.node).await;
    acquaint(&alice.node, &carol.node).await;
    let [alices, bobs, carols, daves] = [&alice, &bob, &carol, &dave].map(|who| who.node.api.identity());
    let with = vec![bobs.to_string(), carols.to_string()];
    let group = ChatGroupCreate { title: "Bakers".to_owned(), with, idempotency_key: "found".parse().unwrap() };
    let group = alice.node.api.chat_group_create(group).await.unwrap();
    for who in [&bob, &carol] {
        until_book(&who.node, 0).await;
    }

    // What a member writes is harmless to look at, whatever it is, and says who it could be taken for.
    let hostile = put(&card(&dave.node).await, Some("Al\u{456}c\u{435}\u{202e}"), Some("no\u{202e}te\nof\u{7} bread"));
    alice.node.api.chat_book_change(hostile.clone()).await.unwrap();
    alice.node.api.chat_book_change(hostile).await.unwrap();
    let seen = until_book(&bob.node, 1).await.remove(0);
    assert_eq!((seen.identity, seen.by, seen.member, seen.standing), (daves, alices, false, None));
    assert!(!format!("{}{}", seen.name, seen.note).chars().any(|c| c == '\u{202e}' || c.is_control()), "{seen:?}");
    let like = seen.looks_like.unwrap();
    assert_eq!((like.identity, like.in_directory), (alices, false), "Bob knows an Alice");

    // Dave is no member: he is found by what the book says of him, and asks what he asks of strangers.
    let nowhere = asks(&bob.node, &daves.to_string(), None, None).await.unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::PeerUnreachable);
    let costs = asks(&bob.node, &daves.to_string(), None, Some("Bakers")).await.unwrap_err();
    assert_eq!((costs.kind, &costs.details["price"]), (ErrorKind::ChatAskCosts, &"0.01".into()));
    // Carol is one, and hears by which group Bob knows her.
    let reached = async |_: &PeerNode| asks(&bob.node, &carols.to_string(), None, Some("Bakers")).await.ok();
    bob.node.until("Carol can be reached", reached).await;
    let asking = person(&carol.node, "Bob asks", |person| person.identity == bobs).await;
    assert_eq!((asking.standing, asking.introduced_by.as_ref()), (ChatStanding::Asking, Some(&group.conversation)));
    carol.node.api.chat_accept(ChatAccept { who: bobs.to_string() }).await.unwrap();
    let is_contact = |person: &ChatPerson| person.identity == carols && person.standing == ChatStanding::Contact;
    person(&bob.node, "Carol has agreed", is_contact).await;

    // Any of them takes out, and puts in, for all.
    until_book(&carol.node, 1).await;
    let away = ChatBookChange { what: ChatBookWhat::Remove, ..put(&daves.to_string(), None, None) };
    carol.node.api.chat_book_change(away.clone()).await.unwrap();
    for who in [&alice, &bob, &carol] {
        until_book(&who.node, 0).await;
    }
    assert_eq!(carol.node.api.chat_book_change(away).await.unwrap_err().kind, ErrorKind::ChatNotInBook);
    carol.node.api.chat_book_change(put("Alice", None, Some("the first"))).await.unwrap();
    let seen = until_book(&bob.node, 1).await.remove(0);
    assert_eq!((seen.name.as_str(), seen.note.as_str(), seen.member), ("Alice", "the first", true));
    assert_eq!((seen.standing, seen.looks_like), (Some(ChatStanding::Contact), None));
    let of_two = ChatBookShow { to: bobs.to_string() };
    assert_eq!(alice.node.api.chat_book(of_two).await.unwrap_err().kind, ErrorKind::ChatNotGroup);
}

#[test]
fn what_can_be_typed_about_asking() {
    check_typed(&[
        ("chat ask alice", true),
        ("chat ask alice --pay 0.01", true),
        ("chat ask alice --pay much", false),
        ("chat ask alice --from Bakers", true),
        ("chat ask", false),
        ("chat price", true),
        ("chat price 0.02", true),
        ("chat price -1", false),
        ("chat book show Bakers", true),
        ("chat book add Bakers Ada --name Ada --note bread", true),
        ("chat book add Bakers", false),
        ("chat book remove Bakers Ada", true),
        ("chat book", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_for_money_is_told_how_to_pay_it() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let (directory, stranger) = (folder.path(), STRANGER.to_string());
    let refused = failure(directory, &["chat", "ask", &stranger]);
    assert!(refused.contains("Ada asks 1 WAY for a first message"), "{refused}");
    assert!(refused.contains(&format!("byway chat ask {STRANGER} --pay 1")), "{refused}");
    assert_eq!(json(directory, &["chat", "ask", &stranger, "--pay", "1"])["identity"], CONTACT.to_string());
    assert_eq!(json(directory, &["chat", "price", "0.5"])["price"], "0.5");
    let shown = text(&super::cli::byway(directory, &["chat", "book", "show", "Bob"]).stdout);
    assert!(shown.contains("knows about bread") && shown.contains("Beware: Ada"), "{shown}");
    let missing = failure(directory, &["chat", "book", "remove", "Bob", "nobody"]);
    assert!(missing.contains("nobody is not in that group's address book"), "{missing}");
}
