//! What is spent stays within the user's limits, and a way that reaches one of them asks.

use std::net::SocketAddr;

use byway_node::api::*;
use byway_node::fetch::{Route, fetch_to_sink};
use byway_node::peer_node::PeerNode;
use byway_primitives::Amount;

use super::network::{Network, Node, provider, source};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn limits(session_max: Option<&str>, day_max: Option<&str>) -> SpendingLimits {
    SpendingLimits {
        session_max: session_max.map(|max| Some(amount(max))),
        day_max: day_max.map(|max| Some(amount(max))),
    }
}

async fn spending(api: &PeerNode) -> Spending {
    api.node_status().await.unwrap().spending
}

/// Begins to fetch so many bytes through a proxy.
pub async fn begin(proxy: SocketAddr, bytes: usize) {
    let url = format!("http://{}/{bytes}", source().await).parse().unwrap();
    tokio::spawn(async move {
        // What a limit cuts off is begun again by nobody.
        let _ = fetch_to_sink(&Route::new(&proxy.to_string(), None).unwrap(), &url, |_| Ok(())).await;
    });
}

/// Waits until so many ways ask.
async fn asks(node: &Node, count: usize) -> Vec<SpendingAsk> {
    let asked = async |api: &PeerNode| Some(spending(api).await.asks).filter(|asks| asks.len() == count);
    node.until("the questions", asked).await
}

async fn state(api: &PeerNode) -> ConnectionState {
    api.node_status().await.unwrap().connection.state
}

fn to(country: &str) -> ConnectTarget {
    ConnectTarget::Cheapest(OfferFilter { country: Some(country.parse().unwrap()), ..OfferFilter::default() })
}

fn port_to(country: &str) -> ProxyPortOpen {
    ProxyPortOpen { listen: None, wish: ProxyWish { country: Some(country.parse().unwrap()), ..ProxyWish::default() } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_at_the_limit_of_the_day_asks_until_it_is_answered_also_after_the_node_was_down() {
    let network = Network::start(&["seller"], &[]).await;
    let _seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    user.api.spending_limits_set(limits(None, Some("0.001"))).await.unwrap();
    begin(user.proxy, 5_000_000).await;
    let asked = asks(&user, 1).await;
    assert_eq!((asked[0].which, asked[0].limit, asked[0].proxy), (LimitKind::Day, amount("0.001"), None));
    let refused = user.api.connect(to("DE").into()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::SpendingLimit, "{refused}");
    let spent = user
        .until("the session's end", async |api| {
            let sessions = api.session_list(10).await.unwrap();
            let costs = Amount::checked_sum(sessions.iter().map(|session| session.cost)).unwrap();
            sessions.iter().all(|session| session.ended_ms.is_some()).then_some(costs)
        })
        .await;
    assert!(amount("0.0009") < spent && spent <= amount("0.001"), "{spent}");
    assert_eq!(spending(&user.api).await.day_spent, spent, "what is over counts as it did");
    user.stop().await;

    let user = network.mortal("user", "").await;
    assert_eq!(spending(&user.node.api).await.asks, asked, "stopped as before");
    let port = user.node.api.proxy_port_open(port_to("DE")).await.unwrap();
    drop(user);
    let user = network.mortal("user", "").await;
    user.node.tend().await;
    let now = spending(&user.node.api).await;
    assert_eq!((now.asks, now.day_spent), (asked, spent), "and nothing went on by itself");
    assert_eq!(state(&user.node.api).await, ConnectionState::Paused);
    user.node.api.spending_allow(SpendingAllow { amount: None }).await.unwrap();
    user.node.fetch(100_000).await;

    // A proxy port's way likewise, and a word that was given is no question any more.
    user.node.api.spending_limits_set(limits(Some("0.0005"), None)).await.unwrap();
    begin(port.listen, 5_000_000).await;
    let asked = asks(&user.node, 1).await;
    assert_eq!((asked[0].which, asked[0].proxy), (LimitKind::Session, Some(port.listen)));
    drop(user);
    let user = network.node("user", "").await;
    assert_eq!(spending(&user.api).await.asks, asked);
    user.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stands_when_a_connect_finds_nobody_and_a_lower_limit_stops_what_is_open() {
    let network = Network::start(&["seller"], &[]).await;
    let _seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    user.fetch(1_000_000).await;
    user.until("is paid", async |api| (state(api).await == ConnectionState::Connected).then_some(())).await;
    user.api.spending_limits_set(limits(Some("0.0005"), None)).await.unwrap();
    let asked = asks(&user, 1).await;
    assert_eq!((asked[0].which, asked[0].limit), (LimitKind::Session, amount("0.0005")));
    let nobody = user.api.connect(to("FR").into()).await.unwrap_err();
    assert_eq!(nobody.kind, ErrorKind::NoOfferMatches, "{nobody}");
    assert_eq!((spending(&user.api).await.asks, state(&user.api).await), (asked.clone(), ConnectionState::Paused));
    // A sub-account finds nobody, either, and so pays for nothing that others asked for.
    let per = Period::Never;
    let create = SubAccountCreate { name: "shop".to_owned(), limit: amount("1"), per };
    let token = user.api.sub_account_create(create).await.unwrap().token;
    let account = user.api.bearer(&token).unwrap();
    let nobody = user.api.connect_for(account, to("FR").into()).await.unwrap_err();
    assert_eq!(nobody.kind, ErrorKind::NoOfferMatches, "{nobody}");
    assert_eq!(spending(&user.api).await.asks, asked);
    user.api.spending_allow(SpendingAllow { amount: None }).await.unwrap();
    user.fetch(100_000).await;
    assert_eq!(spending(&user.api).await.asks, []);
    assert!(!user.api.is_billed(account).await.unwrap(), "the owner's way went on");
    user.api.connect_for(account, to("FR").into()).await.unwrap_err();
    user.until("it stays in use", async |api| (state(api).await == ConnectionState::Connected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_reached_on_the_way_to_a_session_asks_and_tries_nobody_else() {
    let network = Network::start(&["cheap", "other"], &[]).await;
    let cheap = network.node("cheap", &provider("DE", "0.001", "")).await;
    let other = network.node("other", &provider("SE", "0.002", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    user.api.spending_limits_set(limits(Some("0.000000000000000001"), None)).await.unwrap();
    let error = user.api.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SpendingLimit, "{error}");
    assert_eq!(asks(&user, 1).await[0].which, LimitKind::Session);
    user.api.spending_limits_set(SpendingLimits { session_max: Some(None), day_max: None }).await.unwrap();
    user.until("goes on", async |api| (state(api).await == ConnectionState::Connected).then_some(())).await;
    user.api.disconnect().await.unwrap();

    // The day ends for this node while it dials one that is gone.
    cheap.stop().await;
    let connecting = tokio::spawn({
        let api = user.api.clone();
        async move { api.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await }
    });
    user.until("dials", async |api| (state(api).await == ConnectionState::Connecting).then_some(())).await;
    user.api.spending_limits_set(limits(None, Some("0"))).await.unwrap();
    let error = connecting.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::SpendingLimit, "{error}");
    assert_eq!(asks(&user, 1).await[0].which, LimitKind::Day);
    assert_eq!(other.api.session_list(10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_that_run_at_the_same_time_spend_no_more_than_the_limit_of_the_day_together() {
    let network = Network::start(&["one", "two"], &[]).await;
    let _one = network.node("one", &provider("DE", "0.001", "")).await;
    let _two = network.node("two", &provider("SE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    let day_max = amount("0.008");
    user.api.spending_limits_set(limits(None, Some("0.008"))).await.unwrap();
    for country in ["DE", "SE"] {
        let port = user.api.proxy_port_open(port_to(country)).await.unwrap();
        begin(port.listen, 100_000_000).await;
    }
    asks(&user, 2).await;
    let spent = user
        .until("the sessions' end", async |api| {
            let sessions = api.session_list(10).await.unwrap();
            let costs = Amount::checked_sum(sessions.iter().map(|session| session.cost)).unwrap();
            sessions.iter().all(|session| session.ended_ms.is_some()).then_some(costs)
        })
        .await;
    assert!(spent <= day_max, "{spent} of {day_max}");
    assert!(spent >= amount("0.006"), "what there was could be spent: {spent} of {day_max}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_stopped_at_its_share_goes_on_when_another_gives_its_own_back() {
    let network = Network::start(&["one", "two"], &[]).await;
    let _one = network.node("one", &provider("DE", "0.001", "")).await;
    let _two = network.node("two", &provider("SE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    // Enough for one session, and too little for two.
    user.api.spending_limits_set(limits(None, Some("0.000003"))).await.unwrap();
    let port = user.api.proxy_port_open(port_to("SE")).await.unwrap();
    begin(port.listen, 1).await;
    let connected = async |api: &PeerNode| {
        let ports = api.proxy_port_list().await.unwrap();
        ports.iter().flat_map(|port| &port.connection).any(|way| way.state == ConnectionState::Connected).then_some(())
    };
    user.until("the port's session", connected).await;
    let refused = user.api.connect(to("DE").into()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::SpendingLimit, "{refused}");
    let asked = asks(&user, 1).await;
    assert_eq!((asked[0].which, asked[0].proxy), (LimitKind::Day, None));
    user.tend().await;
    assert_eq!(spending(&user.api).await.asks, asked, "as long as the other has its share");
    user.api.proxy_port_close(ProxyPortClose { listen: port.listen }).await.unwrap();
    user.until("goes on", async |api| (state(api).await == ConnectionState::Connected).then_some(())).await;
    assert_eq!(spending(&user.api).await.asks, []);
}
