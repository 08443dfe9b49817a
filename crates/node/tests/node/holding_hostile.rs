//! Holders that keep to no rules, between real nodes on a real kernel: nothing is lost, nothing comes twice, and who fails is left.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::chat::{acquainted, named, person, send, texts};
use super::holding::{HOLDER, PLACES, have_held, holder, some_port, until_held, until_texts};
use super::hostile_holder::{Conduct, HostileHolder};
use super::network::{Network, Node};

const ALL: [Conduct; 6] =
    [Conduct::Withholds, Conduct::Late, Conduct::Duplicates, Conduct::Reorders, Conduct::Lies, Conduct::Unpaid];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_holder_does_all_comes_once_by_the_other() {
    let network = Network::start(&PLACES, &[]).await;
    let ports = [some_port(), some_port()];
    let [first, second] = [holder(&network, "h1", ports[0]).await, holder(&network, "h2", ports[1]).await];
    for node in [&first, &second] {
        node.prepare("1").await;
    }
    let [mut alice, mut bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    bob.node.prepare("2").await;
    have_held(&bob.node, "0.0002").await;
    person(&alice.node, "nothing waits", |person| person.waiting == 0).await;
    first.stop().await;
    let hostile = HostileHolder::start(network.settings_at(ports[0], "h1", HOLDER), ports[0], ALL[0]).await;
    let is_fetched = async |_: &PeerNode| (hostile.seen().1 >= 1).then_some(());
    bob.node.until("it takes the place of the one that has stopped", is_fetched).await;

    let mut expected = Vec::new();
    for conduct in ALL {
        hostile.set(conduct);
        drop(bob);
        let text = format!("{conduct:?}");
        let (announced, _) = hostile.seen();
        alice.node.api.chat_send(send(&bobs.to_string(), &text)).await.unwrap();
        expected.push(text);
        until_held(&second, bobs, "it is held by the one", |held| held >= 1).await;
        let is_announced = async |_: &PeerNode| (hostile.seen().0 > announced).then_some(());
        alice.node.until("the other was brought it too", is_announced).await;
        drop(alice);
        bob = network.mortal("other", &named("Bob")).await;
        let texts_expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        until_texts(&bob.node, &alices.to_string(), &texts_expected).await;
        until_held(&second, bobs, "nothing is held any more", |held| held == 0).await;
        // Whoever was late hands over at last what has come long since.
        let looked = async |api: &PeerNode| {
            api.hold_fetch().await.unwrap();
            // Of who refuses, and of who gives nonsense, nothing more is fetched for a while.
            let is_left = matches!(conduct, Conduct::Lies | Conduct::Unpaid);
            (is_left || hostile.seen().1 >= 4).then_some(())
        };
        bob.node.until("it was looked often enough", looked).await;
        alice = network.mortal("one", &named("Alice")).await;
        person(&alice.node, "nothing waits", |person| person.waiting == 0).await;
    }
    assert_eq!(texts(&bob.node.api, &alices.to_string()).await, expected, "each once");
}

async fn use_of(node: &Node, holder: Option<String>) -> HoldStatus {
    let request = HoldUse { holder, price_max: Some("0.0002".parse().unwrap()), ..HoldUse::default() };
    node.api.hold_use(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hands_over_what_nobody_brought_falls_behind_and_another_takes_its_place() {
    let network = Network::start(&PLACES, &[]).await;
    let ports = [some_port(), some_port()];
    let dearer = HOLDER.replace("0.0001", "0.00015");
    let first = holder(&network, "h1", ports[0]).await;
    let second = network.node_at(ports[1], "h2", &dearer).await;
    // One who leaves it to the node who holds, and one who has named the holder.
    let [easy, strict] = [network.node("one", "").await, network.node("other", "").await];
    for node in [&first, &second] {
        node.prepare("1").await;
    }
    let ids = [&first, &second].map(|node| node.api.identity());
    for node in [&easy, &strict] {
        node.prepare("2").await;
        node.until("two who hold", async |api| (api.hold_offer_list().await.unwrap().len() == 2).then_some(())).await;
    }
    let order = async |node: &Node| {
        let offers = node.api.hold_offer_list().await.unwrap();
        offers.iter().map(|offer| (offer.holder, offer.failing)).collect::<Vec<_>>()
    };
    assert_eq!(order(&easy).await, [(ids[0], false), (ids[1], false)], "the cheaper one first");
    use_of(&easy, None).await;
    use_of(&strict, Some(ids[0].to_string())).await;
    let is_so = |record: &HoldRecord| record.holder == ids[0] && record.holding && record.named;
    for node in [&easy, &strict] {
        node.until("it holds", async |api| api.hold_status().await.unwrap().holders.iter().any(is_so).then_some(()))
            .await;
    }
    let mut events = strict.api.events();
    first.stop().await;
    let _hostile = HostileHolder::start(network.settings_at(ports[0], "h1", HOLDER), ports[0], Conduct::Lies).await;

    let now_holds = |record: &HoldRecord| record.holder == ids[1] && record.holding && record.named;
    easy.until("the other holds, and the one is left", async |api| {
        let holders = api.hold_status().await.unwrap().holders;
        (holders.len() == 1 && holders.iter().all(now_holds)).then_some(())
    })
    .await;
    assert_eq!(order(&easy).await, [(ids[1], false), (ids[0], true)]);
    let offers = easy.api.hold_offer_list().await.unwrap();
    assert!(offers[1].quality.is_some_and(|quality| quality < 500), "{offers:?}");

    let told = loop {
        let event = tokio::time::timeout(super::network::SOON, events.recv()).await.expect("an event");
        // What was missed comes again with the next change.
        let Ok(event) = event else { continue };
        if let Event::Holding(status) = &*event
            && let Some(record) = status.holders.iter().find(|record| record.failing)
        {
            break record.clone();
        }
    };
    assert_eq!((told.holder, told.replaceable), (ids[0], false));
    let problem = told.problem.unwrap();
    assert!(problem.contains("it fails") && problem.contains("byway hold use"), "{problem}");
    assert_eq!(strict.api.hold_status().await.unwrap().holders.len(), 1, "whom the user has named stays");
}
