//! Sessions that are paid out of the lane of a channel, between real nodes on a real kernel.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::Amount;

use super::limits::begin;
use super::network::{Network, Node, key, provider};

const PRICE: &str = "0.01";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn sells() -> String {
    format!("{}[channels]\naccept_max = \"1\"\n", provider("DE", PRICE, ""))
}

fn out_of(pay: Pay) -> Connect {
    Connect { pay: Some(pay), ..ConnectTarget::Cheapest(OfferFilter::default()).into() }
}

async fn channel(node: &Node) -> ChannelRecord {
    node.api.channel_list().await.unwrap().into_iter().next_back().unwrap()
}

/// A channel with the seller, in which the user has so much.
async fn open(user: &Node, seller: &Node, deposit: &str) -> ChannelRecord {
    let open = ChannelOpen {
        peer: seller.api.identity().to_string(),
        deposit: amount(deposit),
        their_deposit: Some(amount("0.5")),
        reserve: None,
        lock_seconds: Some(2),
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key("open"),
    };
    user.api.channel_open(open).await.unwrap()
}

/// A seller, and a user with a channel with it, in which some five MB are beside the reserve.
async fn with_five_megabytes(network: &Network, config: &str) -> (Node, Node, ChannelRecord) {
    let seller = network.node("seller", &sells()).await;
    seller.prepare("5").await;
    let user = network.node("user", config).await;
    user.prepare("5").await;
    user.market(1).await;
    let opened = open(&user, &seller, "0.06").await;
    (seller, user, opened)
}

/// What was promised from account to account, either way.
async fn on_accounts(node: &Node) -> Vec<Promise> {
    node.api.promise_list().await.unwrap()
}

async fn cost(node: &Node) -> Amount {
    let sessions = node.api.session_list(100).await.unwrap();
    Amount::checked_sum(sessions.iter().map(|session| session.cost)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_paid_out_of_a_channel_also_after_both_were_down() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.node("seller", &sells()).await;
    seller.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    let none = user.api.connect(out_of(Pay::Channel)).await.unwrap_err();
    assert_eq!(none.kind, ErrorKind::NoChannelWith, "{none}");
    assert!(none.to_string().contains(&seller.api.identity().to_string()), "{none}");

    let opened = open(&user, &seller, "1").await;
    let session = user.api.connect(out_of(Pay::Channel)).await.unwrap();
    assert_eq!(session.channel.as_ref(), Some(&opened.channel));
    user.fetch(2_000_000).await;
    assert!(on_accounts(&user).await.is_empty(), "nothing is promised on the account");
    let theirs = seller.until("it has arrived", async |_| {
        Some(channel(&seller).await).filter(|channel| channel.their_lane.promised >= amount("0.019"))
    });
    theirs.await;
    let served = seller.api.session_list(10).await.unwrap();
    assert_eq!(served[0].channel.as_ref(), Some(&opened.channel));

    user.stop().await;
    seller.stop().await;
    let seller = network.node("seller", &sells()).await;
    let user = network.node("user", "").await;
    user.market(1).await;
    user.until("both talk again", async |_| channel(&user).await.connected.then_some(())).await;
    user.fetch(2_000_000).await;
    let cost = user.until("the cost", async |_| Some(cost(&user).await).filter(|cost| *cost >= amount("0.039"))).await;
    assert!(on_accounts(&user).await.is_empty() && on_accounts(&seller).await.is_empty(), "as before the restart");
    user.api.disconnect().await.unwrap();

    // By hand, beside what sessions take.
    let rest = seller.until("most is absorbed by itself", async |_| {
        let lane = channel(&seller).await.their_lane;
        Some(lane.promised).filter(|promised| promised.units() * 2 < lane.capacity.units())
    });
    if !rest.await.is_zero() {
        let named = ChannelNamed { channel: opened.channel.clone() };
        seller.api.channel_absorb(named).await.unwrap();
    }
    let close = ChannelClose { channel: opened.channel.clone(), alone: false, split: None };
    user.api.channel_close(close).await.unwrap();
    let closed = async |node: &Node| {
        node.until("it is closed", async |_| (channel(node).await.state == ChannelState::Closed).then_some(())).await;
        node.api.wallet_balance().await.unwrap().account
    };
    let (ours, theirs) = (closed(&user).await, closed(&seller).await);
    let fees_max = amount("0.01");
    assert!(theirs.checked_add(fees_max).unwrap() >= amount("5").checked_add(cost).unwrap(), "{theirs} for {cost}");
    assert!(ours <= amount("5").saturating_sub(cost), "{ours} for {cost}");
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_used_up_ends_the_session_and_says_what_is_missing() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, opened) = with_five_megabytes(&network, "[buying]\npay = \"channel\"\n").await;
    begin(user.proxy, 20_000_000).await;
    let reason = user
        .until("it is used up", async |api| {
            let connection = api.node_status().await.unwrap().connection;
            (connection.state == ConnectionState::Failed).then_some(connection.reason).flatten()
        })
        .await;
    assert!(reason.message.contains("is missing") && reason.message.contains("channel deposit"), "{reason:?}");
    assert!(on_accounts(&user).await.is_empty(), "it does not go over to the account");
    let empty = user.api.connect(out_of(Pay::Channel)).await.unwrap_err();
    assert_eq!(empty.kind, ErrorKind::ChannelEmpty, "{empty}");
    let paid = cost(&user).await;
    // How much is left of it depends on how much was on its way.
    assert!(paid >= amount("0.025") && paid <= amount("0.05"), "{paid}");

    let deposit = ChannelFund {
        channel: opened.channel.clone(),
        movement: ChannelMovement::Deposit,
        amount: amount("0.5"),
        asset: None,
        idempotency_key: key("more"),
    };
    user.api.channel_fund(deposit).await.unwrap();
    let session = user.api.connect(out_of(Pay::Channel)).await.unwrap();
    assert_eq!(session.channel, Some(opened.channel));
    user.fetch(2_000_000).await;
    // By the user's word it goes on from the account.
    let session = user.api.connect(out_of(Pay::Account)).await.unwrap();
    assert_eq!(session.channel, None);
    user.fetch(2_000_000).await;
    assert!(!on_accounts(&user).await.is_empty());
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_paid_out_of_a_channel_where_nobody_says_otherwise_and_then_from_the_account() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, opened) = with_five_megabytes(&network, "").await;
    let session = user.api.connect(ConnectTarget::Cheapest(OfferFilter::default()).into()).await.unwrap();
    assert_eq!(session.channel, Some(opened.channel));
    user.fetch(1_000_000).await;
    assert!(on_accounts(&user).await.is_empty(), "the channel pays");
    user.fetch(12_000_000).await;
    let sessions = user.api.session_list(100).await.unwrap();
    assert_eq!(sessions.len(), 1, "it is the same session: {sessions:?}");
    let on_account = Amount::checked_sum(on_accounts(&user).await.iter().map(|promise| promise.amount)).unwrap();
    assert!(on_account >= amount("0.05"), "what the channel did not pay: {on_account}");
    let by_lane = cost(&user).await.saturating_sub(on_account);
    assert!(by_lane >= amount("0.03"), "{by_lane}");
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_port_is_paid_out_of_a_channel_beside_a_main_way_that_is_not_also_after_a_restart() {
    let network = Network::start(&["seller", "other"], &[]).await;
    let seller = network.node("seller", &sells()).await;
    let _other = network.node("other", &provider("SE", PRICE, "")).await;
    seller.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(2).await;
    let country = |code: &str| Some(code.parse().unwrap());
    let wish = ProxyWish { country: country("DE"), pay: Pay::Channel, ..ProxyWish::default() };
    let port = user.api.proxy_port_open(ProxyPortOpen { listen: None, wish }).await.unwrap();
    let to_others = OfferFilter { country: country("SE"), ..OfferFilter::default() };
    user.api.connect(ConnectTarget::Cheapest(to_others).into()).await.unwrap();

    // Nobody can be paid before there is a channel, and nothing goes over to the account.
    begin(port.listen, 2_000_000).await;
    let failed = async |api: &PeerNode| {
        let port = api.proxy_port_list().await.unwrap().remove(0);
        port.connection.and_then(|connection| connection.reason)
    };
    let reason = user.until("it has failed", failed).await;
    assert!(reason.message.contains("channel"), "{reason:?}");
    let opened = open(&user, &seller, "1").await;
    begin(port.listen, 2_000_000).await;
    let is_paid = async |seller: &Node| {
        let before = seller.until("it was paid", async |_| {
            Some(channel(seller).await).filter(|channel| channel.their_lane.promised >= amount("0.019"))
        });
        before.await;
    };
    is_paid(&seller).await;
    user.fetch(1_000_000).await;
    let sessions = user.api.session_list(10).await.unwrap();
    let of_channel = |code: &str| {
        let session = sessions.iter().find(|session| session.country == country(code)).unwrap();
        session.channel.clone()
    };
    assert_eq!((of_channel("DE"), of_channel("SE")), (Some(opened.channel), None));
    let payees =
        async |user: &Node| on_accounts(user).await.into_iter().map(|promise| promise.counterparty).collect::<Vec<_>>();
    let others = payees(&user).await;
    assert!(!others.is_empty() && !others.contains(&seller.api.identity()), "{others:?}");
    user.stop().await;

    let user = network.node("user", "").await;
    user.market(2).await;
    user.until("both talk again", async |_| channel(&user).await.connected.then_some(())).await;
    assert_eq!(user.api.proxy_port_list().await.unwrap()[0].wish, wish);
    begin(port.listen, 2_000_000).await;
    let more = user.until("more", async |_| Some(cost(&user).await).filter(|cost| *cost >= amount("0.049"))).await;
    assert!(!payees(&user).await.contains(&seller.api.identity()), "{more}");
    user.stop().await;
    seller.stop().await;
}
