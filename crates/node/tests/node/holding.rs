//! What is said to somebody who is away is held, between real nodes on a real kernel.

use std::net::{SocketAddr, UdpSocket};

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, IdentityId};

use super::chat::{acquainted, named, person, send, texts};
use super::network::{Mortal, Network, Node};

pub const HOLDER: &str = "[hold]\naccept = true\npublish = true\nprice_per_mb_day = \"0.0001\"\n";
pub const PLACES: [&str; 4] = ["one", "other", "h1", "h2"];

/// A port of this machine's that is free now.
pub fn some_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub async fn until_texts(node: &Node, to: &str, expected: &[&str]) {
    let what = format!("{expected:?}");
    node.until(&what, async |api| (texts(api, to).await == expected).then_some(())).await;
}

/// How much is held for somebody.
async fn held_for(node: &Node, client: IdentityId) -> Option<HoldClient> {
    node.api.hold_status().await.unwrap().clients.into_iter().find(|of| of.client == client)
}

pub async fn until_held(node: &Node, client: IdentityId, what: &str, is_it: impl Fn(u64) -> bool) {
    node.until(what, async |_| held_for(node, client).await.filter(|of| is_it(of.held)).map(|_| ())).await;
}

/// Has two hold for somebody, found on the market, and waits until the ledger has both.
pub async fn have_held(node: &Node, prices: &str) -> HoldStatus {
    let found = async |api: &PeerNode| {
        let offers = api.hold_offer_list().await.unwrap();
        (offers.len() == 2).then_some(())
    };
    node.until("two who hold", found).await;
    let dear = HoldUse { price_max: Some("0.00001".parse().unwrap()), ..HoldUse::default() };
    assert_eq!(node.api.hold_use(dear).await.unwrap_err().kind, ErrorKind::NoHolder);
    for _ in 0..2 {
        let request = HoldUse { price_max: Some(prices.parse().unwrap()), ..HoldUse::default() };
        node.api.hold_use(request).await.unwrap();
    }
    let is_so = |record: &HoldRecord| record.holding && record.named;
    node.until("both hold, and the ledger has them", async |api| {
        let status = api.hold_status().await.unwrap();
        (status.holders.len() == 2 && status.holders.iter().all(is_so)).then_some(status)
    })
    .await
}

pub async fn holder(network: &Network, name: &str, at: SocketAddr) -> Node {
    network.node_at(at, name, HOLDER).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_somebody_who_is_away_comes_once_though_its_sender_is_away_too() {
    let network = Network::start(&PLACES, &[]).await;
    let ports = [some_port(), some_port()];
    let [first, second] = [holder(&network, "h1", ports[0]).await, holder(&network, "h2", ports[1]).await];
    for node in [&first, &second] {
        node.prepare("1").await;
    }
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    bob.node.prepare("2").await;
    let status = have_held(&bob.node, "0.0002").await;
    assert!(status.holders.iter().all(|record| !record.spent.is_zero() && record.problem.is_none()), "{status:?}");
    // What the two have said to each other so far has arrived.
    person(&alice.node, "nothing waits", |person| person.waiting == 0).await;

    drop(bob);
    for text in ["one", "two", "three"] {
        alice.node.api.chat_send(send(&bobs.to_string(), text)).await.unwrap();
    }
    for node in [&first, &second] {
        until_held(node, bobs, "three are held", |held| held >= 3).await;
    }
    drop(alice);
    // What is held is on the disk.
    first.stop().await;
    let first = holder(&network, "h1", ports[0]).await;
    assert!(held_for(&first, bobs).await.unwrap().held >= 3);

    let bob = network.mortal("other", &named("Bob")).await;
    until_texts(&bob.node, &alices.to_string(), &["one", "two", "three"]).await;
    for node in [&first, &second] {
        until_held(node, bobs, "nothing is held any more", |held| held == 0).await;
        let status = node.api.hold_status().await.unwrap();
        assert!(!status.earned.is_zero(), "it was paid for");
    }
    // Alice hears of it from the holders, since nobody else is there.
    drop(bob);
    let alice = network.mortal("one", &named("Alice")).await;
    person(&alice.node, "nothing waits", |person| person.waiting == 0).await;

    // One of the two is gone.
    first.stop().await;
    alice.node.api.chat_send(send(&bobs.to_string(), "four")).await.unwrap();
    until_held(&second, bobs, "it is held by the other", |held| held >= 1).await;
    drop(alice);
    let bob: Mortal = network.mortal("other", &named("Bob")).await;
    until_texts(&bob.node, &alices.to_string(), &["one", "two", "three", "four"]).await;
    assert_eq!(bob.node.api.hold_status().await.unwrap().earned, Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_hold_is_not_named_and_who_is_let_go_is_named_no_more() {
    let network = Network::start(&PLACES, &[]).await;
    let [first, second] = [holder(&network, "h1", some_port()).await, network.node("h2", "").await];
    for node in [&first, &second] {
        node.prepare("1").await;
    }
    let user = network.node("user", "").await;
    user.prepare("2").await;
    let one = first.api.identity();
    let use_it =
        |holder: Option<String>| HoldUse { holder, price_max: Some("0.0002".parse().unwrap()), ..HoldUse::default() };
    let is_sold = async |api: &PeerNode| (api.hold_offer_list().await.unwrap().len() == 1).then_some(());
    user.until("the one who holds", is_sold).await;
    user.api.hold_use(use_it(None)).await.unwrap();
    let own = user.api.hold_use(use_it(Some(user.api.identity().to_string()))).await.unwrap_err();
    assert_eq!(own.kind, ErrorKind::InvalidParams);
    let stranger = user.api.hold_use(use_it(Some("99".repeat(20)))).await.unwrap_err();
    assert_eq!(stranger.kind, ErrorKind::HolderUnregistered);
    let card = second.api.identity_card().await.unwrap().card;
    user.api.hold_use(use_it(Some(card))).await.unwrap();
    let status = user
        .until("one holds, and the other says that it does not", async |api| {
            let status = api.hold_status().await.unwrap();
            let is_named = status.holders.iter().any(|record| record.holder == one && record.holding && record.named);
            let refuses = |record: &HoldRecord| {
                record.holder != one && record.problem.as_deref() == Some("it does not hold for others")
            };
            (is_named && status.holders.iter().any(refuses)).then_some(status)
        })
        .await;
    assert_eq!(status.holders.iter().filter(|record| record.named).count(), 1, "{status:?}");

    user.api.hold_leave(HoldLeave { holder: one }).await.unwrap();
    let gone = async |api: &PeerNode| {
        let holders = api.hold_status().await.unwrap().holders;
        holders.iter().all(|record| record.holder != one).then_some(())
    };
    user.until("it has heard it", gone).await;
    first
        .until("it holds for nobody", async |api| api.hold_status().await.unwrap().clients.is_empty().then_some(()))
        .await;
    let again = user.api.hold_leave(HoldLeave { holder: one }).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotHeldBy);
}
