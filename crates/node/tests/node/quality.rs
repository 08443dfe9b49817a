//! How well providers serve: measured by whoever uses them, told to others, and what offers are sorted by.

use byway_access::Sort;
use byway_node::api::*;
use byway_primitives::IdentityId;

use super::network::{Network, Node, key, provider, source};

async fn quality(api: &byway_node::peer_node::PeerNode, provider: IdentityId) -> Option<Quality> {
    let offers = api.offer_list(OfferList::default()).await.unwrap();
    offers.into_iter().find(|offer| offer.provider == provider)?.quality
}

async fn order(node: &Node, sort: Sort) -> Vec<IdentityId> {
    let filter = OfferFilter { sort: Some(sort), ..OfferFilter::default() };
    let offers = node.api.offer_list(OfferList { filter, limit: 10 }).await.unwrap();
    offers.into_iter().map(|offer| offer.provider).collect()
}

/// Buys from one provider until the ledger shows it.
async fn buy(user: &Node, seller: &Node) {
    let offers = user.market(2).await;
    let offer = offers.iter().find(|offer| offer.provider == seller.api.identity()).unwrap();
    user.api.connect(ConnectTarget::Offer { offer_id: offer.offer_id, unit: None }.into()).await.unwrap();
    user.fetch(1_000_000).await;
    let counterparty = user.api.identity();
    let request = PromiseSettle { counterparty, wait: None, idempotency_key: Some(key("settle")) };
    seller.api.promise_settle(request).await.unwrap();
    user.until("the settlement", async |api| {
        let promises = api.promise_list().await.unwrap();
        promises.iter().any(|promise| !promise.settled.is_zero()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_client_measured_another_hears_from_a_third_and_none_that_shares_nothing() {
    let network = Network::start(&["good", "other"], &[]).await;
    let good = network.node("good", &provider("DE", "0.0002", "")).await;
    let other = network.node("other", &provider("SE", "0.0001", "")).await;
    let (good_id, other_id) = (good.api.identity(), other.api.identity());
    let user = network.node("user", "").await;
    user.prepare("5").await;
    buy(&user, &good).await;
    // What is in the middle until its speed is known.
    let measured =
        async |api: &byway_node::peer_node::PeerNode| quality(api, good_id).await.filter(|seen| seen.score > 500);
    let own = user.until("a measurement", measured).await;
    assert_eq!((own.own_sessions, own.attesters), (1, 0), "{own:?}");
    assert!(own.own_score > Some(own.score), "{own:?}");
    assert_eq!(quality(&user.api, other_id).await, None, "nothing is known of who was not used");
    assert_eq!(order(&user, Sort::Price).await, [other_id, good_id]);
    assert_eq!(order(&user, Sort::Quality).await, [good_id, other_id]);

    // The other provider asks whoever talks with it.
    let offers = user.market(2).await;
    user.api.connect(ConnectTarget::Offer { offer_id: offers[0].offer_id, unit: None }.into()).await.unwrap();
    let heard = other.until("the word of the user", measured).await;
    assert_eq!((heard.own_sessions, heard.attesters, heard.own_score), (0, 1, None), "{heard:?}");
    assert!(heard.score <= 600, "one fresh identity says little: {heard:?}");
    user.stop().await;

    // What was measured is kept. Who shares nothing is asked in vain.
    let user = network.node("user", "[quality]\nshare = false\n").await;
    let kept = user.until("what was measured before", async |api| quality(api, good_id).await).await;
    assert_eq!(kept.own_sessions, 1, "{kept:?}");
    good.stop().await;
    let first = user.market(2).await.into_iter().find(|offer| offer.provider == good_id).unwrap();
    user.api.connect(ConnectTarget::Offer { offer_id: first.offer_id, unit: None }.into()).await.unwrap_err();
    let worse = user
        .until("a worse measurement", async |api| quality(api, good_id).await.filter(|seen| seen.own_sessions == 2))
        .await;
    assert!(worse.score < kept.score, "{worse:?} after {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_probes_measures_exits_that_it_does_not_use_and_pays_no_more_than_it_says() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let plain = network.node("user", "").await;
    plain.prepare("5").await;
    plain.stop().await;
    let page = format!("http://{}/3000000", source().await);
    let config =
        format!("[quality]\nprobes_per_day = 1000000\nprobe_cost_max = \"0.002\"\nprobe_urls = [\"{page}\"]\n");
    let user = network.node("user", &config).await;
    let id = seller.api.identity();
    let seen = user.until("two probes", async |api| quality(api, id).await.filter(|seen| seen.own_sessions >= 2)).await;
    assert!(seen.score > 500, "{seen:?}");
    let status = user.api.node_status().await.unwrap();
    assert_eq!(status.connection.state, ConnectionState::Idle, "nobody was connected by it");
    let most: byway_primitives::Amount = "0.002".parse().unwrap();
    let sessions = user.api.session_list(10).await.unwrap();
    assert!(sessions.iter().all(|session| session.cost <= most), "{sessions:?}");
    assert!(sessions.iter().any(|session| session.bytes_down > 1_000_000), "a page was fetched: {sessions:?}");
}
