//! Channels between real nodes, on a real kernel.

use byway_node::api::*;
use byway_primitives::Amount;

use super::network::{Network, Node, key, keystore, provider};

const ACCEPTS: &str = "[channels]\naccept_max = \"1\"\n";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn open(peer: impl ToString, deposit: &str) -> ChannelOpen {
    ChannelOpen {
        peer: peer.to_string(),
        deposit: amount(deposit),
        their_deposit: Some(amount("1")),
        reserve: None,
        lock_seconds: Some(2),
        remainder: ChannelRemainder::Halves,
        idempotency_key: key("open"),
    }
}

fn named(channel: &ChannelRecord) -> ChannelNamed {
    ChannelNamed { channel: channel.channel.clone() }
}

fn pay(channel: &ChannelRecord, text: &str, lane: bool) -> ChannelPay {
    let idempotency_key = key("pay");
    ChannelPay { channel: channel.channel.clone(), amount: amount(text), lane, idempotency_key }
}

async fn account(node: &Node) -> Amount {
    node.api.wallet_balance().await.unwrap().account
}

/// Waits until a node's channel is as it should be.
async fn until(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    let look = async |api: &byway_node::peer_node::PeerNode| {
        api.channel_list().await.unwrap().into_iter().find(|channel| is_it(channel))
    };
    node.until(what, look).await
}

/// What of each side's account a channel has taken for what the ledger did.
fn assert_back(account: Amount, due: &str) {
    let due = amount(due);
    let fees_max = amount("0.01");
    assert!(account <= due && account.checked_add(fees_max).unwrap() >= due, "{account} of {due}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_open_a_channel_pay_in_it_by_updates_and_by_promises_and_part() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.node("seller", &format!("{}{ACCEPTS}", provider("DE", "0.001", ""))).await;
    seller.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;

    let channel = user.api.channel_open(open(keystore("seller").working(true).unwrap().id, "2")).await.unwrap();
    assert_eq!((channel.state, channel.total, channel.initiated), (ChannelState::Open, amount("3"), true));
    until(&user, "both talk", |channel| channel.connected).await;
    let paid = user.api.channel_pay(pay(&channel, "0.5", false)).await.unwrap();
    assert_eq!((paid.round, paid.record.ours, paid.record.theirs), (1, amount("1.5"), amount("1.5")));
    let theirs = until(&seller, "the payment", |channel| channel.round == 1).await;
    assert_eq!((theirs.ours, theirs.peer, theirs.initiated), (amount("1.5"), user.api.node_status().await.unwrap().identity.id, false));

    // Back, at once with another, so that both may be proposed for one round.
    let (there, back) =
        tokio::join!(user.api.channel_pay(pay(&channel, "0.1", false)), seller.api.channel_pay(pay(&theirs, "0.3", false)));
    assert_eq!((there.is_ok(), back.is_ok()), (true, true), "{there:?} {back:?}");
    let both = until(&user, "both payments", |channel| channel.ours == amount("1.7")).await;
    assert_eq!(both.theirs, amount("1.3"));

    let refused = user.api.channel_pay(pay(&channel, "0.2", true)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::LaneTooSmall, "{refused}");
    let lane = ChannelLane { channel: channel.channel.clone(), capacity: amount("0.5") };
    assert_eq!(user.api.channel_lane(lane).await.unwrap().record.ours, amount("1.2"));
    user.api.channel_pay(pay(&channel, "0.2", true)).await.unwrap();
    let promised = until(&seller, "the promise", |channel| channel.their_lane.promised == amount("0.2")).await;
    assert_eq!(promised.ours, amount("1.3"), "not absorbed yet");
    assert_eq!(seller.api.channel_absorb(named(&theirs)).await.unwrap().record.ours, amount("1.5"));
    let refused = user.api.channel_pay(pay(&channel, "1.2", false)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::UpdateRefused, "{refused}");

    let closed = user.api.channel_close(ChannelClose { channel: channel.channel.clone(), alone: false }).await.unwrap();
    assert_eq!(closed.state, ChannelState::Closed);
    until(&seller, "it is closed", |channel| channel.state == ChannelState::Closed).await;
    assert_back(account(&user).await, "4.5");
    assert_back(account(&seller).await, "5.5");
    let log = user.api.channel_show(named(&channel)).await.unwrap().log;
    let words: Vec<&str> = log.iter().map(|entry| entry.what.code.as_str()).collect();
    assert!(words.contains(&"opened") && words.ends_with(&["closed"]), "{words:?}");
    user.stop().await;
    seller.stop().await;
}
