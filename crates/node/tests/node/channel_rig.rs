//! Channels between real nodes: how they are opened, what is asked of them, and contracts as the Solidity compiler made them.

use std::sync::atomic::{AtomicU64, Ordering};

use byway_node::api::*;
use byway_primitives::{Amount, IdentityId};

use super::network::{Network, Node, key, provider};

const ACCEPTS: &str = "[channels]\naccept_max = \"1\"\n";

/// Of a provider that agrees to channels by itself.
pub fn seller_config() -> String {
    format!("{}{ACCEPTS}", provider("DE", "0.001", ""))
}

/// A seller and a user with money in their accounts, a channel into which the user has put 2 and the seller 1, and the two talk.
pub async fn two_with_a_channel(network: &Network) -> (Node, Node, ChannelRecord) {
    let seller = network.node("seller", &seller_config()).await;
    seller.fund("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    let channel = user.api.channel_open(open(seller.api.identity(), "2")).await.unwrap();
    until(&user, "both talk", |channel| channel.connected).await;
    until(&seller, "both talk", |channel| channel.connected).await;
    (seller, user, channel)
}

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A key that was not used before.
pub fn fresh() -> params::IdempotencyKey {
    static LAST: AtomicU64 = AtomicU64::new(0);
    key(&format!("key-{}", LAST.fetch_add(1, Ordering::Relaxed)))
}

pub fn open(peer: impl ToString, deposit: &str) -> ChannelOpen {
    ChannelOpen {
        peer: peer.to_string(),
        deposit: amount(deposit),
        their_deposit: Some(amount("1")),
        reserve: None,
        lock_seconds: Some(2),
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key("open"),
    }
}

pub fn named(channel: &ChannelRecord) -> ChannelNamed {
    ChannelNamed { channel: channel.channel.clone() }
}

pub fn pay(channel: &ChannelRecord, text: &str, lane: bool) -> ChannelPay {
    let idempotency_key = fresh();
    ChannelPay { channel: channel.channel.clone(), amount: amount(text), asset: None, lane, idempotency_key }
}

pub async fn account(node: &Node) -> Amount {
    node.api.wallet_balance().await.unwrap().account
}

/// Waits until a node's channel is as it should be.
pub async fn until(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    let look = async |api: &byway_node::peer_node::PeerNode| {
        api.channel_list().await.unwrap().into_iter().find(|channel| is_it(channel))
    };
    node.until(what, look).await
}

/// What of each side's account a channel has taken for what the ledger did.
pub fn assert_back(account: Amount, due: &str) {
    let due = amount(due);
    let fees_max = amount("0.01");
    assert!(account <= due && account.checked_add(fees_max).unwrap() >= due, "{account} of {due}");
}

/// An example of a contract, as the Solidity compiler made it.
pub struct Compiled(serde_json::Value);

impl Compiled {
    pub fn game() -> Self {
        Self::read(include_str!("../../../../examples/contracts/compiled/HiddenMoves.json"))
    }

    pub fn subscription() -> Self {
        Self::read(include_str!("../../../../examples/contracts/compiled/Subscription.json"))
    }

    fn read(compiled: &str) -> Self {
        Self(serde_json::from_str(compiled).unwrap())
    }

    pub fn creation(&self, arguments: &[[u8; 32]]) -> ContractBytes {
        ContractBytes([hex::decode(self.0["create"].as_str().unwrap()).unwrap(), arguments.concat()].concat())
    }

    pub fn input(&self, function: &str, arguments: &[[u8; 32]]) -> ContractBytes {
        let selector = hex::decode(self.0["selectors"][function].as_str().unwrap()).unwrap();
        ContractBytes([selector, arguments.concat()].concat())
    }
}

pub fn word(number: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&number.to_be_bytes());
    word
}

pub fn address(id: IdentityId) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&id.0);
    word
}

pub fn call(channel: &ChannelRecord, contract: &str, input: ContractBytes, value: &str) -> ChannelCall {
    ChannelCall {
        channel: channel.channel.clone(),
        contract: contract.to_owned(),
        input,
        value: amount(value),
        gas: None,
        idempotency_key: fresh(),
    }
}

pub async fn id(node: &Node) -> IdentityId {
    node.api.node_status().await.unwrap().identity.id
}
