//! Providers that stop, vanish, or serve nothing: the client says so and goes to the next best.

use byway_node::api::*;
use byway_primitives::IdentityId;

use super::network::{Network, Node, provider};

const CHEAP: &str = "0.0001";
const DEAR: &str = "0.001";

/// Waits until the user is connected to this provider.
async fn connected_to(user: &Node, provider: IdentityId) {
    user.until("connected", async |api| {
        let connection = api.node_status().await.unwrap().connection;
        (connection.state == ConnectionState::Connected && connection.provider == Some(provider)).then_some(())
    })
    .await;
}

/// Waits until the only session with this provider has ended, and gives its state and reason.
async fn end_of_session(user: &Node, provider: IdentityId) -> (SessionState, String) {
    user.until("the session has ended", async |api| {
        let sessions = api.session_list(10).await.unwrap();
        let theirs: Vec<_> = sessions.into_iter().filter(|session| session.provider == provider).collect();
        assert_eq!(theirs.len(), 1, "{theirs:?}");
        theirs[0].ended_ms.map(|_| (theirs[0].state, theirs[0].reason.as_ref().unwrap().code.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_stops_says_so_and_the_next_best_takes_its_place() {
    let network = Network::start(&["cheap", "dear"], &[]).await;
    let cheap = network.node("cheap", &provider("DE", CHEAP, "")).await;
    let dear = network.node("dear", &provider("SE", DEAR, "")).await;
    let (cheapest, dearest) = (cheap.api.identity(), dear.api.identity());
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    user.fetch(100_000).await;
    connected_to(&user, cheapest).await;

    cheap.stop().await;
    assert_eq!(end_of_session(&user, cheapest).await, (SessionState::Closed, "provider_wish".to_owned()));
    connected_to(&user, dearest).await;
    user.fetch(100_000).await;

    // It was the last one: the user is told, and the next program tries again.
    dear.stop().await;
    assert_eq!(end_of_session(&user, dearest).await, (SessionState::Closed, "provider_wish".to_owned()));
    let reason = user
        .until("there is no way out", async |api| {
            let connection = api.node_status().await.unwrap().connection;
            (connection.state == ConnectionState::Failed).then(|| connection.reason.unwrap().message)
        })
        .await;
    assert!(reason.contains("the provider asked for it"), "{reason}");
    let cheap = network.node("cheap", &provider("DE", CHEAP, "")).await;
    user.fetch(100_000).await;
    connected_to(&user, cheap.api.identity()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_vanishes_is_left_for_the_next_best() {
    let network = Network::start(&["cheap", "dear"], &[]).await;
    let cheap = network.mortal("cheap", &provider("DE", CHEAP, "")).await;
    let dear = network.node("dear", &provider("SE", DEAR, "")).await;
    let cheapest = cheap.node.api.identity();
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    user.fetch(100_000).await;
    connected_to(&user, cheapest).await;

    drop(cheap);
    let reason = user
        .until("the user is told", async |api| {
            let connection = api.node_status().await.unwrap().connection;
            (connection.state == ConnectionState::Paused).then(|| connection.reason.unwrap().code)
        })
        .await;
    assert_eq!(reason, "link_lost");
    connected_to(&user, dear.api.identity()).await;
    assert_eq!(end_of_session(&user, cheapest).await, (SessionState::Failed, "silence".to_owned()));
    user.fetch(100_000).await;
    assert_eq!(user.api.session_list(10).await.unwrap().len(), 2, "it stays where it is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_serves_nothing_is_left_for_the_next_best() {
    let network = Network::start(&["cheap", "dear"], &[]).await;
    // It takes no promise at all.
    let cheap = network.node("cheap", &provider("DE", CHEAP, "exposure_max = \"0\"\n")).await;
    let dear = network.node("dear", &provider("SE", DEAR, "")).await;
    let cheapest = cheap.api.identity();
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    user.api.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await.unwrap();

    let reason = user
        .until("the user is told", async |api| {
            let connection = api.node_status().await.unwrap().connection;
            assert_eq!(connection.provider, Some(cheapest));
            (connection.state == ConnectionState::Paused).then(|| connection.reason.unwrap().code)
        })
        .await;
    assert_eq!(reason, "remainder_zero");
    connected_to(&user, dear.api.identity()).await;
    assert_eq!(end_of_session(&user, cheapest).await, (SessionState::Closed, "remainder_zero".to_owned()));
    // The user has left before the provider ended the session by itself.
    assert_eq!(end_of_session(&cheap, cheapest).await, (SessionState::Closed, "client_wish".to_owned()));
    user.fetch(100_000).await;
    // Asked again, it does not go back to the cheapest so soon.
    user.api.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await.unwrap();
    connected_to(&user, dear.api.identity()).await;
}
