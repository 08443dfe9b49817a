//! Chains of hops: what goes over them, who is paid, and that nothing goes past them.

use byway_node::api::*;
use byway_node::fetch::{Route, fetch_to_sink};
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, IdentityId};

use super::network::{Network, Node, provider, source};

pub const LENGTH: usize = 3_000_000;

pub fn to(country: &str) -> ConnectTarget {
    ConnectTarget::Cheapest(OfferFilter { country: Some(country.parse().unwrap()), ..OfferFilter::default() })
}

pub fn over(country: &str, via: &[&str]) -> Connect {
    Connect { target: to(country), via: Some(via.iter().map(|hop| hop.parse().unwrap()).collect()), pay: None }
}

pub async fn status(user: &Node) -> NodeStatus {
    user.api.node_status().await.unwrap()
}

/// The sessions with a provider, as a node has them, newest first.
pub async fn sessions(node: &Node, with: IdentityId) -> Vec<Session> {
    let all = node.api.session_list(100).await.unwrap();
    all.into_iter().filter(|one| one.provider == with || one.client == Some(with)).collect()
}

/// Waits until the main way is connected over hops at these providers.
pub async fn connected_over(user: &Node, hops: &[IdentityId], exit: IdentityId) {
    user.until("connected over these hops", async |api| {
        let status = api.node_status().await.unwrap();
        let found: Vec<_> = status.hops.iter().filter_map(|hop| hop.provider).collect();
        let are_up = status.hops.iter().all(|hop| hop.state == ConnectionState::Connected);
        let is_up = status.connection.state == ConnectionState::Connected;
        (is_up && are_up && found == hops && status.connection.provider == Some(exit)).then_some(())
    })
    .await;
    assert_eq!(status(user).await.connection.path, Some(Path::Nested));
}

/// Fetches as a program does that begins again what was cut off.
async fn fetch_on_and_on(user: &Node) {
    let url = format!("http://{}/20000000", source().await).parse().unwrap();
    let route = Route::new(&user.proxy.to_string(), None).unwrap();
    let mut events = user.api.events();
    loop {
        let _ = fetch_to_sink(&route, &url, |_| Ok(())).await;
        // Nothing has changed since, so it would be cut off again.
        let _ = events.recv().await;
    }
}

/// Waits until a session is over for both, and says why that was.
async fn ends(node: &Node, with: IdentityId) -> String {
    node.until("the session is over", async |_| {
        let sessions = sessions(node, with).await;
        sessions.iter().all(|one| one.ended_ms.is_some()).then(|| sessions[0].reason.clone().unwrap().code)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_two_hops_is_paid_at_each_and_the_exit_hears_the_end() {
    let network = Network::start(&["exit", "near", "far"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.001", "")).await;
    let near = network.node("near", &provider("SE", "0.0001", "")).await;
    let far = network.node("far", &provider("FR", "0.0002", "")).await;
    let (last, first, second) = (exit.api.identity(), near.api.identity(), far.api.identity());
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(3).await;

    // One hop, then two: the first is kept by nobody.
    let session = user.api.connect(over("DE", &["SE"])).await.unwrap();
    assert_eq!(session.provider, last);
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;
    user.api.connect(over("DE", &["SE", &second.to_string()])).await.unwrap();
    user.fetch(LENGTH).await;
    connected_over(&user, &[first, second], last).await;

    let me = user.api.identity();
    for (node, provider) in [(&exit, last), (&near, first), (&far, second)] {
        user.until("what went through is paid", async |_| {
            let ours = sessions(&user, provider).await.remove(0);
            let theirs = sessions(node, me).await.remove(0);
            let is_counted = ours.bytes_down >= LENGTH as u64 && theirs.bytes_down >= LENGTH as u64;
            (is_counted && !ours.cost.is_zero() && !theirs.cost.is_zero()).then_some(())
        })
        .await;
    }
    let hops = status(&user).await.hops;
    assert!(hops.iter().all(|hop| !hop.cost.is_zero() && hop.session_id.is_some()), "{hops:?}");
    let promised: Vec<IdentityId> =
        user.api.promise_list().await.unwrap().iter().map(|promise| promise.counterparty).collect();
    assert!([last, first, second].iter().all(|provider| promised.contains(provider)), "a promise for each");

    // Each hears from the user that it is over, the exit before the hops.
    user.api.disconnect().await.unwrap();
    for node in [&exit, &far, &near] {
        assert_eq!(ends(node, me).await, "client_wish");
    }
    user.api.connect(Connect { target: to("DE"), via: Some(Vec::new()), pay: None }).await.unwrap();
    let status = status(&user).await;
    assert_eq!((status.connection.path, status.hops), (Some(Path::Direct), Vec::new()), "by the user's word alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_two_of_a_chain_and_what_makes_no_sense_is_refused() {
    let network = Network::start(&["exit", "hop"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.001", "")).await;
    let hop = network.node("hop", &provider("SE", "0.002", "")).await;
    let (last, first) = (exit.api.identity().to_string(), hop.api.identity().to_string());
    let user = network.node("user", "").await;
    user.prepare("5").await;
    let offers = user.market(2).await;
    let me = user.api.identity().to_string();
    for via in [vec![&*first, &first], vec!["best"; 4], vec![&*me]] {
        let refused = user.api.connect(over("DE", &via)).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidParams, "{via:?}: {refused}");
    }
    let offer = offers.iter().find(|offer| offer.provider == exit.api.identity()).unwrap();
    let target = ConnectTarget::Offer { offer_id: offer.offer_id, unit: None };
    let via = Some(vec![last.parse().unwrap()]);
    let refused = user.api.connect(Connect { target, via, pay: None }).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidParams, "{refused}");
    let refused = user.api.connect(over("DE", &[&last])).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ProviderUnreachable, "the only exit there is the hop: {refused}");

    // The best hop is the best that is not the exit; a second one is wanting.
    user.api.connect(over("DE", &["best"])).await.unwrap();
    connected_over(&user, &[hop.api.identity()], exit.api.identity()).await;
    let refused = user.api.connect(over("DE", &["best", "best"])).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ChainBroken, "{refused}");
    assert_ne!(status(&user).await.connection.path, Some(Path::Direct));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_that_stops_is_replaced_and_with_none_left_nothing_goes_past_them_also_after_a_restart() {
    let network = Network::start(&["exit", "cheap", "dear"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    let cheap = network.node("cheap", &provider("SE", "0.0001", "")).await;
    let dear = network.node("dear", &provider("SE", "0.001", "")).await;
    let (last, first, second) = (exit.api.identity(), cheap.api.identity(), dear.api.identity());
    let config = "[buying]\ncountry = \"DE\"\nvia = [\"SE\"]\n";
    let user = network.node("user", config).await;
    user.prepare("5").await;
    user.market(3).await;
    // As the configuration says, for whoever says nothing.
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;

    cheap.stop().await;
    connected_over(&user, &[second], last).await;
    user.fetch(LENGTH).await;

    dear.stop().await;
    user.until("there is no way out", async |api| {
        let connection = api.node_status().await.unwrap().connection;
        (connection.state == ConnectionState::Failed).then_some(())
    })
    .await;
    let refused = user.api.connect(to("DE").into()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ChainBroken, "{refused}");
    let before = sessions(&exit, user.api.identity()).await.len();
    user.stop().await;
    let user = network.node("user", config).await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let refused = user.api.connect(to("DE").into()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ChainBroken, "{refused}");
    assert_eq!(sessions(&exit, user.api.identity()).await.len(), before, "the exit was asked by nobody");

    let _cheap = network.node("cheap", &provider("SE", "0.0001", "")).await;
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_that_vanishes_takes_the_way_with_it_until_the_user_chooses_another() {
    let network = Network::start(&["exit", "hop", "other"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    let hop = network.mortal("hop", &provider("SE", "0.0001", "")).await;
    let other = network.node("other", &provider("SE", "0.001", "")).await;
    let first = hop.node.api.identity();
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(3).await;
    user.api.connect(over("DE", &[&first.to_string()])).await.unwrap();
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], exit.api.identity()).await;
    drop(hop);
    user.until("there is no way out", async |api| {
        let status = api.node_status().await.unwrap();
        assert_ne!(status.connection.path, Some(Path::Direct));
        (status.connection.state == ConnectionState::Failed).then_some(())
    })
    .await;
    user.api.connect(over("DE", &["SE"])).await.unwrap();
    connected_over(&user, &[other.api.identity()], exit.api.identity()).await;
    user.fetch(LENGTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_day_is_for_exit_and_hops_together() {
    let network = Network::start(&["exit", "hop"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.001", "")).await;
    let hop = network.node("hop", &provider("SE", "0.002", "")).await;
    let first = hop.api.identity();
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    let day_max: Amount = "0.006".parse().unwrap();
    let limits = SpendingLimits { session_max: None, day_max: Some(Some(day_max)) };
    user.api.spending_limits_set(limits).await.unwrap();
    user.api.connect(over("DE", &["SE"])).await.unwrap();
    connected_over(&user, &[first], exit.api.identity()).await;
    let is_asking =
        async |api: &PeerNode| Some(api.node_status().await.unwrap().spending.asks).filter(|asks| !asks.is_empty());
    let asks = tokio::select! {
        asks = user.until("the limit is reached", is_asking) => asks,
        () = fetch_on_and_on(&user) => unreachable!("it never ends"),
    };
    assert!(asks.iter().all(|ask| (ask.which, ask.limit) == (LimitKind::Day, day_max)), "{asks:?}");
    // What the hop had for itself is no reason to go on without the user's word.
    hop.stop().await;
    user.tend().await;
    assert!(!status(&user).await.spending.asks.is_empty());
    let all = user.api.session_list(10).await.unwrap();
    let cost = |provider: IdentityId| {
        Amount::checked_sum(all.iter().filter(|one| one.provider == provider).map(|one| one.cost)).unwrap()
    };
    let (of_exit, of_hop) = (cost(exit.api.identity()), cost(first));
    assert!(!of_exit.is_zero() && !of_hop.is_zero(), "{all:?}");
    let (sum, spending) = (of_exit.checked_add(of_hop).unwrap(), status(&user).await.spending);
    assert!(sum <= day_max && spending.day_spent <= day_max, "{all:?}, {spending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_that_vanishes_is_replaced_and_the_session_behind_it_goes_on() {
    let network = Network::start(&["exit", "cheap", "dear"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    let cheap = network.mortal("cheap", &provider("SE", "0.0001", "")).await;
    let dear = network.node("dear", &provider("SE", "0.001", "")).await;
    let (last, first) = (exit.api.identity(), cheap.node.api.identity());
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(3).await;
    let session = user.api.connect(over("DE", &["SE"])).await.unwrap();
    user.fetch(LENGTH).await;
    connected_over(&user, &[first], last).await;
    drop(cheap);
    user.until("another hop", async |api| {
        let status = api.node_status().await.unwrap();
        assert_ne!(status.connection.state, ConnectionState::Failed, "{status:?}");
        (status.hops[0].provider == Some(dear.api.identity())).then_some(())
    })
    .await;
    connected_over(&user, &[dear.api.identity()], last).await;
    user.fetch(LENGTH).await;
    assert_eq!(status(&user).await.connection.session_id, Some(session.id), "the exit was not to blame");
}

#[tokio::test(flavor = "multi_thread")]
async fn hops_that_swallow_everything_are_left_and_the_exits_behind_them_are_not_blamed() {
    let network = Network::start(&["exit", "one", "two", "three", "good"], &[]).await;
    let exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    let mut silent = Vec::new();
    for name in ["one", "two", "three"] {
        // It lets nobody out to where all the others are.
        let config = provider("SE", "0.0001", "").replace("exit_allow = [\"127.0.0.0/8\"]\n", "");
        silent.push(network.node(name, &config).await);
    }
    let good = network.node("good", &provider("SE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(5).await;
    let refused = user.api.connect(over("DE", &["SE"])).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ChainBroken, "{refused}");
    for hop in &silent {
        assert_eq!(sessions(&user, hop.api.identity()).await.len(), 1);
        ends(&user, hop.api.identity()).await;
    }
    user.api.connect(to("DE").into()).await.unwrap();
    connected_over(&user, &[good.api.identity()], exit.api.identity()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_comes_from_a_hop_through_the_one_before_both_are_named() {
    let network = Network::start(&["exit", "first", "second"], &[]).await;
    let _exit = network.node("exit", &provider("DE", "0.0005", "")).await;
    // It lets nobody out to where all the others are.
    let config = provider("SE", "0.0001", "").replace("exit_allow = [\"127.0.0.0/8\"]\n", "");
    let _first = network.node("first", &config).await;
    let _second = network.node("second", &provider("FR", "0.0001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(3).await;
    let refused = user.api.connect(over("DE", &["SE", "FR"])).await.unwrap_err();
    assert_eq!((refused.kind, &refused.details["hop"]), (ErrorKind::ChainBroken, &2.into()), "{refused}");
    assert!(refused.message.contains("(FR)") && refused.message.contains("(SE)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_at_the_limit_of_a_session_asks_also_where_only_a_proxy_port_uses_it() {
    let network = Network::start(&["exit", "hop"], &[]).await;
    let _exit = network.node("exit", &provider("DE", "0.0001", "")).await;
    let hop = network.node("hop", &provider("SE", "0.001", "")).await;
    let user = network.node("user", "[buying]\nvia = [\"SE\"]\n").await;
    user.prepare("5").await;
    user.market(2).await;
    let session_max: Amount = "0.002".parse().unwrap();
    let limits = SpendingLimits { session_max: Some(Some(session_max)), day_max: None };
    user.api.spending_limits_set(limits).await.unwrap();
    let wish = ProxyWish { country: Some("DE".parse().unwrap()), ..ProxyWish::default() };
    let port = user.api.proxy_port_open(ProxyPortOpen { listen: None, wish }).await.unwrap();
    super::limits::begin(port.listen, 5_000_000).await;
    let asks = user
        .until("the question", async |api| {
            Some(api.node_status().await.unwrap().spending.asks).filter(|asks| !asks.is_empty())
        })
        .await;
    assert_eq!((asks.len(), asks[0].which, asks[0].limit), (1, LimitKind::Session, session_max), "{asks:?}");
    let url = format!("http://{}/100000", source().await).parse().unwrap();
    let route = Route::new(&port.listen.to_string(), None).unwrap();
    fetch_to_sink(&route, &url, |_| Ok(())).await.unwrap_err();
    assert_eq!(sessions(&user, hop.api.identity()).await.len(), 1, "nothing was opened before the answer");
    user.api.spending_allow(SpendingAllow { amount: None }).await.unwrap();
    fetch_to_sink(&route, &url, |_| Ok(())).await.unwrap();
    assert_eq!(sessions(&user, hop.api.identity()).await.len(), 2);
}
