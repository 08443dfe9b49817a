//! Chains of a user that sells as well: who serves it may be its client, and dial it straight.

use byway_node::api::*;

use super::chain::{LENGTH, connected_over, over, sessions, status, to};
use super::network::{Network, Node, provider};

/// An exit, a hop, and a user that sells too, all with something in their accounts.
async fn neighbours(network: &Network) -> (Node, Node, Node) {
    let exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    let hop = network.node("hop", &provider("SE", "0.0001", "")).await;
    let user = network.node("user", &provider("FR", "0.0002", "")).await;
    for seller in [&user, &exit] {
        seller.fund("5").await;
        seller.market(2).await;
    }
    (exit, hop, user)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_that_buys_from_its_client_does_so_behind_the_hop() {
    let network = Network::start(&["exit", "hop"], &[]).await;
    let (exit, hop, user) = neighbours(&network).await;
    let (last, first) = (exit.api.identity(), hop.api.identity());
    user.api.connect(over("DE", &["SE"])).await.unwrap();
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;

    let back = exit.api.connect(to("FR").into()).await.unwrap();
    assert_eq!(back.provider, user.api.identity());
    exit.fetch(LENGTH).await;
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;
    let used = sessions(&user, last).await.into_iter().filter(|one| one.provider == last).count();
    assert_eq!(used, 1, "it was one session all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_come_straight_as_a_client_is_no_exit_behind_hops_until_it_has_gone() {
    let network = Network::start(&["exit", "hop"], &[]).await;
    let (exit, hop, user) = neighbours(&network).await;
    exit.api.connect(to("FR").into()).await.unwrap();
    exit.fetch(LENGTH).await;

    let refused = user.api.connect(over("DE", &["SE"])).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ProviderUnreachable, "{refused}");
    assert_ne!(status(&user).await.connection.path, Some(Path::Direct));
    exit.fetch(LENGTH).await;

    exit.api.disconnect().await.unwrap();
    user.until("its session is over", async |_| {
        let all = sessions(&user, exit.api.identity()).await;
        all.iter().all(|one| one.ended_ms.is_some()).then_some(())
    })
    .await;
    user.api.connect(over("DE", &["SE"])).await.unwrap();
    user.fetch(LENGTH).await;
    connected_over(&user, &[hop.api.identity()], exit.api.identity()).await;
}
