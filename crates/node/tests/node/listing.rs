//! Hubs and watchtowers that are found on the market, between real nodes on a real kernel.

use byway_node::api::*;
use byway_primitives::Amount;

use super::network::{Network, Node, key};

const HELPER: &str = "[channels]\naccept_max = \"1\"\n\
    [hub]\npublish = true\nfee_base = \"0.003\"\n\
    [watch]\naccept = true\npublish = true\nprice_per_day = \"0.001\"\n";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

async fn hubs(node: &Node, count: usize) -> Vec<HubOffer> {
    node.until("the hubs", async |api| Some(api.hub_list().await.unwrap()).filter(|hubs| hubs.len() == count)).await
}

async fn towers(node: &Node, prices: &[&str]) -> Vec<WatchOffer> {
    let prices: Vec<Amount> = prices.iter().map(|price| amount(price)).collect();
    node.until("the watchtowers", async |api| {
        let offers = api.watch_offer_list().await.unwrap();
        offers.iter().map(|offer| offer.price_per_day).eq(prices.iter().copied()).then_some(offers)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_and_a_watchtower_are_found_by_their_offers_until_they_stop() {
    let network = Network::start(&["helper", "tower", "user"], &[]).await;
    let helper = network.node("helper", HELPER).await;
    let tower = network.node("tower", "").await;
    let user = network.node("user", "").await;
    for node in [&helper, &tower, &user] {
        node.prepare("5").await;
    }
    let found = hubs(&user, 1).await;
    let expected = HubOffer { hub: helper.api.identity(), fee_base: amount("0.003"), connected: false, channels: 0 };
    assert_eq!(found, [expected]);
    assert_eq!(helper.api.hub_list().await.unwrap(), [], "a hub does not list itself");
    // An offer says how it is reached, so that its identity is enough.
    let open = ChannelOpen {
        peer: found[0].hub.to_string(),
        deposit: amount("1"),
        their_deposit: None,
        reserve: None,
        lock_seconds: None,
        remainder: ChannelRemainder::Halves,
        via: None,
        days: None,
        idempotency_key: key("open"),
    };
    let channel = user.api.channel_open(open).await.unwrap().channel;
    let with = user.until("the channel", async |api| {
        api.hub_list().await.unwrap().pop().filter(|hub| hub.channels == 1 && hub.connected)
    });
    with.await;

    // The channel's other party watches for others, and is not asked.
    towers(&user, &["0.001"]).await;
    let add = |price_max: &str| WatchAdd {
        channel: channel.clone(),
        tower: None,
        price_max: Some(amount(price_max)),
        days: None,
    };
    let none = user.api.watch_add(add("0.01")).await.unwrap_err();
    assert_eq!(none.kind, ErrorKind::NoWatchtower, "{none}");
    let run = |accept, publish| WatchRun { accept, price_per_day: Some(amount("0.002")), channels_max: None, publish };
    tower.api.watch_run(run(true, Some(true))).await.unwrap();
    towers(&user, &["0.001", "0.002"]).await;
    let none = user.api.watch_add(add("0.0015")).await.unwrap_err();
    assert_eq!(none.kind, ErrorKind::NoWatchtower, "{none}");
    user.api.watch_add(add("0.01")).await.unwrap();
    // There is nothing to watch before both have signed something.
    let pay = ChannelPay { channel: channel.clone(), amount: amount("0.1"), lane: false, idempotency_key: key("pay") };
    user.api.channel_pay(pay).await.unwrap();
    let watching = user.until("it is watched", async |api| {
        api.watch_status().await.unwrap().watched.into_iter().find(|record| record.watching)
    });
    assert_eq!(watching.await.tower, tower.api.identity());
    assert_eq!(towers(&user, &["0.001", "0.002"]).await[1].channels, 1);

    tower.api.watch_run(run(false, None)).await.unwrap();
    towers(&user, &["0.001"]).await;
    let stop = HubRun { run: false, ..HubRun::default() };
    helper.api.hub_run(stop).await.unwrap();
    hubs(&user, 0).await;
    towers(&user, &["0.001"]).await;
    for node in [user, tower, helper] {
        node.stop().await;
    }
}
