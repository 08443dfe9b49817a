//! Names in the directory: taken, shown from elsewhere, kept, given away; and what a restart in between makes of it.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::Span;
use byway_records::genesis::Wait;

use super::chat::{named, person, send, texts};
use super::cli::{byway, check_typed, directory_of, failure, json, text};
use super::fake::Fake;
use super::network::{Mortal, Network, SOON, key};

/// How long a name can be contested here.
const CONTESTED: Wait = Wait { millis: Span::seconds(30), commits: 1 };

async fn network() -> Network {
    Network::start_with(&["one", "other"], &[], |parameters| parameters.name_reveal = CONTESTED).await
}

async fn registered(network: &Network, name: &str) -> Mortal {
    let mortal = network.mortal(name, "").await;
    mortal.node.prepare("5").await;
    mortal
}

fn register(name: &str) -> NameRegister {
    NameRegister { name: name.to_owned(), years: 2, idempotency_key: key(&format!("register-{name}")) }
}

async fn until_shown(who: &Mortal, name: &str, what: &str, is_it: impl Fn(&NameShown) -> bool) -> NameShown {
    let show = || NameShow { name: name.to_owned() };
    who.node.until(what, async |api| api.name_show(show()).await.ok().filter(|shown| is_it(shown))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_shown_elsewhere_renewed_and_given_away() {
    let network = network().await;
    let [alice, bob] = [registered(&network, "one").await, registered(&network, "other").await];
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    let begun = alice.node.api.name_register(register("Alice")).await.unwrap();
    // Once the commitment is sent the answer comes, and the ledger may be quicker than that.
    let is_under_way = matches!(begun.stage, NameStage::Committing | NameStage::Revealing);
    assert!(begun.name == "alice" && is_under_way, "{begun:?}");
    let like = alice.node.api.name_register(register("a1ice")).await.unwrap_err();
    assert_eq!(like.kind, ErrorKind::NameTaken, "{like}");
    // Neither is told of it by the other, so either may be behind.
    until_shown(&alice, "alice", "it is in use", |shown| shown.standing == NameStanding::InUse).await;
    let shown = until_shown(&bob, "alice", "it is in use", |shown| shown.standing == NameStanding::InUse).await;
    assert_eq!((shown.owner, shown.primary, shown.looks_like), (Some(alices), false, None));
    // What looks like it is taken as well, and says why.
    let like = bob.node.api.name_show(NameShow { name: "a1ice".to_owned() }).await.unwrap();
    assert_eq!((like.looks_like.as_deref(), like.owner), (Some("alice"), Some(alices)));
    let taken = bob.node.api.name_register(register("a1ice")).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::NameTaken);

    let renew = NameRenew { name: "alice".to_owned(), years: 1, idempotency_key: key("renew") };
    alice.node.api.name_renew(renew).await.unwrap();
    until_shown(&bob, "alice", "it was renewed", |renewed| renewed.expires_ms > shown.expires_ms).await;
    let primary = NamePrimary { name: Some("alice".to_owned()), idempotency_key: key("primary") };
    alice.node.api.name_primary(primary).await.unwrap();
    until_shown(&bob, "alice", "she is called so", |shown| shown.primary).await;
    let not_theirs = NameRelease { name: "alice".to_owned(), idempotency_key: key("release") };
    assert_eq!(bob.node.api.name_release(not_theirs.clone()).await.unwrap_err().kind, ErrorKind::NotYourName);

    let give = NameTransfer { name: "alice".to_owned(), to: bobs, idempotency_key: key("transfer") };
    alice.node.api.name_transfer(give).await.unwrap();
    let given = until_shown(&alice, "alice", "it is Bob's", |shown| shown.owner == Some(bobs)).await;
    assert!(!given.primary, "nobody is called by what was another's");
    bob.node.until("his own", async |api| Some(api.name_list().await.ok()?.own.pop()?)).await;
    bob.node.api.name_release(not_theirs).await.unwrap();
    until_shown(&alice, "alice", "it is free", |shown| shown.standing == NameStanding::Free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_between_commitment_and_name_goes_on() {
    let network = network().await;
    let alice = registered(&network, "one").await;
    let identity = alice.node.api.identity();
    alice.node.api.name_register(register("alice")).await.unwrap();
    drop(alice);
    let alice = network.mortal("one", "").await;
    let shown = until_shown(&alice, "alice", "it is hers", |shown| shown.standing == NameStanding::InUse).await;
    assert_eq!(shown.owner, Some(identity));
    alice
        .node
        .until("nothing is left to do", async |api| api.name_list().await.ok()?.wanted.is_empty().then_some(()))
        .await;
}

/// Found on the market, and so by whoever knows no more of one than the name.
const FOUND: &str = "[chat]\nname = \"Alice\"\nask_price = \"0\"\n[hold]\naccept = true\npublish = true\nprice_per_mb_day = \"0.0001\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_and_shown_by_their_names_and_whoever_only_claims_one_is_doubted() {
    let network = network().await;
    let alice = network.mortal("one", FOUND).await;
    alice.node.prepare("1").await;
    // Bob says that he is Alice.
    let bob = network.mortal("other", &named("A1ice")).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    let ask = |who: &str| bob.node.api.chat_accept(ChatAccept { who: who.to_owned() });
    bob.node
        .until("nobody has it", async |_| {
            (ask("alice").await.unwrap_err().kind == ErrorKind::NameNotFound).then_some(())
        })
        .await;
    alice.node.api.name_register(register("alice")).await.unwrap();
    until_shown(&bob, "alice", "it is hers", |shown| shown.standing == NameStanding::InUse).await;
    let like = ask("a1ice").await.unwrap_err();
    assert_eq!((like.kind, &like.details["looks_like"]), (ErrorKind::NameNotFound, &"alice".into()));
    let is_found = async |api: &PeerNode| (!api.hold_offer_list().await.unwrap().is_empty()).then_some(());
    bob.node.until("her offer", is_found).await;
    let asked = ask("Alice").await.unwrap();
    assert_eq!((asked.identity, asked.standing), (alices, ChatStanding::Asked));
    assert_eq!((asked.registered, asked.primary_name), (true, None), "she has not chosen to be shown by it");

    let asking = person(&alice.node, "Bob asks", |person| person.standing == ChatStanding::Asking).await;
    let like = ChatLookAlike { identity: alices, name: "alice".to_owned(), in_directory: true };
    assert_eq!((asking.identity, asking.registered, asking.looks_like), (bobs, false, Some(like)));
    alice.node.api.chat_accept(ChatAccept { who: bobs.to_string() }).await.unwrap();
    person(&bob.node, "they talk", |person| person.conversation.is_some()).await;
    alice.node.api.chat_nickname(ChatNickname { who: bobs, nickname: Some("Bob".to_owned()) }).await.unwrap();
    let known = person(&alice.node, "he is called Bob", |person| person.name == "Bob").await;
    assert_eq!(known.looks_like, None, "what she calls him is hers to say");

    let mut told = bob.node.api.events();
    let primary = NamePrimary { name: Some("alice".to_owned()), idempotency_key: key("primary") };
    alice.node.api.name_primary(primary).await.unwrap();
    let shown = async {
        loop {
            if let Event::ChatPerson(ChatPerson { primary_name: Some(name), identity, .. }) =
                &*told.recv().await.unwrap()
            {
                return (name.clone(), *identity);
            }
        }
    };
    let shown = tokio::time::timeout(SOON, shown).await.expect("whoever watches is told");
    assert_eq!(shown, ("alice".to_owned(), alices));
    let known = person(&bob.node, "her name", |person| person.primary_name.is_some()).await;
    assert_eq!((known.name.as_str(), known.looks_like), ("Alice", None), "it is hers");
    bob.node.api.chat_send(send("ALICE", "hello")).await.unwrap();
    alice.node.until("hello", async |api| (texts(api, "Bob").await == ["hello"]).then_some(())).await;
}

#[test]
fn what_can_be_typed_about_names() {
    check_typed(&[
        ("name register alice --years 2 --yes", true),
        ("name register alice --years 6", false),
        ("name register", false),
        ("name renew alice --wait", true),
        ("name show alice", true),
        ("name list", true),
        ("name transfer alice 5555555555555555555555555555555555555555 --yes", true),
        ("name transfer alice bob", true),
        ("name transfer alice", false),
        ("chat ask alice", true),
        ("chat accept alice", true),
        ("chat block alice --undo", true),
        ("name release alice", true),
        ("name primary", true),
        ("name primary alice", true),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_name_costs_is_asked_before_it_is_paid() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let asked = failure(directory, &["name", "register", "carol", "--years", "3"]);
    assert!(asked.contains("for 3 years, for 4 WAY") && asked.contains("--yes"), "{asked}");
    assert_eq!(json(directory, &["name", "register", "carol", "--yes"])["stage"], "committing");
    let taken = failure(directory, &["name", "register", "a1ice", "--yes"]);
    assert!(taken.contains("a1ice looks like alice"), "{taken}");
    let shown = text(&byway(directory, &["name", "show", "A1ice"]).stdout);
    assert!(shown.contains("looks like") && shown.contains("alice"), "{shown}");
    let asked = text(&byway(directory, &["chat", "ask", "bob-the-baker"]).stdout);
    assert!(asked.contains("bob-the-baker in the directory") && asked.contains("called like b0b"), "{asked}");
    let contacts = text(&byway(directory, &["chat", "contacts"]).stdout);
    assert!(contacts.contains("bob-the-baker") && contacts.contains("Beware: Bob"), "{contacts}");
    let list = text(&byway(directory, &["name", "list"]).stdout);
    assert!(list.contains("primary") && list.contains("somebody else has taken it"), "{list}");
}
