//! Watching for somebody who is away, between real nodes on a real kernel.

use std::net::{SocketAddr, UdpSocket};
use std::time::SystemTime;

use byway_channel::{ChannelKey, Channels, Signer};
use byway_crypto::{IdentitySecret, Purpose};
use byway_driver::disk::Disk;
use byway_kernel::follower::{Answer as KernelAnswer, Request};
use byway_kernel::light::protocol::{Question, Reply};
use byway_ledger::WayEnd;
use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, Decode, Encode, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{ChannelState as State, Closer, Cosigned, Phase, Side};
use byway_records::promise::ChannelId;
use byway_records::{Body, Call, Channel, ProgramId, Transaction, Witness};

use super::network::{Network, Node, key, keystore};

/// What the other party remembers of a moment at which it had more.
struct Stolen {
    key: ChannelKey,
    id: ChannelId,
    state: Cosigned<State>,
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn now() -> Time {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Time(u64::try_from(now.as_millis()).unwrap())
}

fn secret(name: &str) -> IdentitySecret {
    let keystore = keystore(name);
    keystore.secret(keystore.working(false).unwrap())
}

/// Reads the newest state of a node that does not run off its disk.
fn steal(network: &Network, name: &str) -> Stolen {
    let disk = Disk::open(&network.directory(name).store_folder()).unwrap();
    let journal = disk.sealed_journal("market", &keystore(name).journals_key()).unwrap();
    let channels = Channels::load(secret(name), network.genesis.network(), &journal).unwrap();
    let (key, channel) = channels.iter().next().unwrap();
    Stolen { key, id: channel.id().unwrap(), state: channel.cosigned().unwrap() }
}

/// Hands a call in under somebody's signature; `number` tells several of one kind apart.
async fn hand_in(network: &Network, name: &str, call: ChannelsCall, number: u64) {
    let body = Body {
        inputs: Vec::new(),
        outputs: Vec::new(),
        ghost: None,
        call: Some(Call::Channels(call).envelope(None, None)),
        fee: Amount::ZERO,
        expires: now() + Span::minutes(2) + Span::millis(number),
    };
    let signature = secret(name).sign(Purpose::Authorise, network.genesis.network(), &body.authorise_message());
    let transaction = Transaction { body, witness: Witness { spends: Vec::new(), authorisations: vec![signature] } };
    let request = Request::Submit { transaction: transaction.to_bytes(), stamp: None };
    assert_eq!(network.ask(0, &request).await, KernelAnswer::Taken);
}

/// Closes with that state, as the responder that it was taken from.
async fn close(network: &Network, name: &str, stolen: &Stolen) {
    let number = u16::from_be_bytes(*stolen.key.handle.0.first_chunk().unwrap());
    let shown = secret(name).watch_secret(network.genesis.network(), stolen.key.peer, number);
    let (channel, side, state) = (stolen.id, Side::Responder, Some(stolen.state));
    hand_in(network, name, ChannelsCall::CloseSolo { channel, side, secret: shown, state }, 0).await;
}

/// What the ledger has of a channel.
pub async fn entry(network: &Network, id: ChannelId) -> Option<Channel> {
    let question = Question::Entry { program: ProgramId::CHANNELS, key: channel_key(id) };
    let KernelAnswer::Light(Reply::Entry(Some(found))) = network.ask(0, &Request::Light(question)).await else {
        return None;
    };
    match found.proof.end {
        WayEnd::Present(value) => Some(Channel::from_bytes(&value).unwrap()),
        WayEnd::Absent(_) => None,
    }
}

async fn channel(node: &Node) -> ChannelRecord {
    node.api.channel_list().await.unwrap().into_iter().next().unwrap()
}

/// Waits until a node's channel is as it should be.
async fn until(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    node.until(what, async |_| Some(channel(node).await).filter(&is_it)).await
}

async fn pay(node: &Node, text: &str) -> ChannelRecord {
    let channel = channel(node).await.channel;
    let pay = ChannelPay {
        channel,
        amount: amount(text),
        asset: None,
        lane: false,
        idempotency_key: key(&text.replace('.', "-")),
    };
    node.api.channel_pay(pay).await.unwrap().record
}

/// Has the channel with `other` watched by `tower`, and waits until it is.
async fn have_watched(node: &Node, tower: &Node) -> WatchRecord {
    let card = tower.api.identity_card().await.unwrap().card;
    let add = WatchAdd { channel: channel(node).await.channel, tower: Some(card), price_max: None, days: None };
    node.api.watch_add(add).await.unwrap();
    is_watched(node).await
}

/// Waits until the watchtower has the newest state, and was paid.
async fn is_watched(node: &Node) -> WatchRecord {
    node.until("it is watched", async |api| {
        let watched = api.watch_status().await.unwrap().watched;
        let paid = |record: &WatchRecord| record.watching && record.price.is_some();
        watched.into_iter().next().filter(paid)
    })
    .await
}

const TOWER: &str = "[watch]\naccept = true\nprice_per_day = \"0.001\"\n";
const ACCEPTS: &str = "[channels]\naccept_max = \"1\"\n";

/// A watchtower, which is found at the same place after a restart.
async fn tower(network: &Network, listen: SocketAddr) -> Node {
    network.node_at(listen, "tower", TOWER).await
}

/// A port of this machine's that is free now.
fn some_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Two who have a channel, in which both have 1.5, and who watches for the first; and what the other remembers of that.
async fn three(network: &Network, listen: SocketAddr, reserve: Option<&str>) -> ([Node; 3], Stolen) {
    let thief = network.node("thief", ACCEPTS).await;
    let tower = tower(network, listen).await;
    let user = network.node("user", "").await;
    for node in [&thief, &tower, &user] {
        node.prepare("5").await;
    }
    let open = ChannelOpen {
        peer: thief.api.identity_card().await.unwrap().card,
        deposit: amount("2"),
        their_deposit: Some(amount("1")),
        reserve: reserve.map(amount),
        lock_seconds: Some(10),
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key("open"),
    };
    assert_eq!(user.api.channel_open(open).await.unwrap().state, ChannelState::Open);
    until(&user, "both talk", |channel| channel.connected).await;
    pay(&user, "0.5").await;
    until(&thief, "the payment", |channel| channel.round == 1).await;
    thief.stop().await;
    let stolen = steal(network, "thief");
    assert_eq!(stolen.state.body.position.round, 1);
    let thief = network.node("thief", ACCEPTS).await;
    until(&thief, "both talk again", |channel| channel.connected).await;
    ([user, thief, tower], stolen)
}

/// Waits until the ledger has the newest state of a channel that is closing, and gives that.
async fn answered(network: &Network, tower: &Node, id: ChannelId, round: u64) -> Channel {
    let newest = async |_: &PeerNode| entry(network, id).await.filter(|entry| entry.position.round == round);
    let entry = tower.until("the answer", newest).await;
    assert!(
        matches!(
            entry.phase,
            Phase::Closing { by: Closer::Party { side: Side::Responder, .. }, last: Side::Initiator, .. }
        ),
        "{entry:?}"
    );
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watchtower_alone_answers_whoever_closes_with_an_old_state_and_what_it_answered_counts() {
    let network = Network::start(&["thief", "tower"], &[]).await;
    let listen = some_port();
    let ([user, thief, w], stolen) = three(&network, listen, None).await;
    let nothing = w.api.watch_status().await.unwrap();
    assert_eq!((nothing.accepts, nothing.kept, nothing.earned), (true, 0, Amount::ZERO));
    assert_eq!(user.api.watch_status().await.unwrap().watched, []);
    assert_eq!(channel(&user).await.watched_until_ms, None);
    let record = have_watched(&user, &w).await;
    assert_eq!((record.tower, record.days, record.problem), (w.api.identity(), 30, None));
    let round = pay(&thief, "1").await.round;
    until(&user, "the payment", |channel| channel.ours == amount("2.5")).await;
    let record = is_watched(&user).await;
    let paid = w
        .until("thirty days are paid", async |api| {
            let status = api.watch_status().await.unwrap();
            (status.kept == 1 && status.earned == amount("0.03")).then_some(status)
        })
        .await;
    let days = |record: &WatchRecord| record.until_ms.is_some_and(|until| until > now() + Span::days(29));
    let (watched, shown) = (user.api.watch_status().await.unwrap().watched, channel(&user).await);
    assert!(days(&watched[0]), "{watched:?} after {record:?}");
    assert_eq!(shown.watched_until_ms, watched[0].until_ms);

    // All who could answer are gone, and the watchtower was.
    for node in [user, thief, w] {
        node.stop().await;
    }
    let w = tower(&network, listen).await;
    let restarted = w.api.watch_status().await.unwrap();
    assert_eq!((restarted.kept, restarted.earned, restarted.answered), (1, paid.earned, 0));
    close(&network, "thief", &stolen).await;
    answered(&network, &w, stolen.id, round).await;
    w.until("its own word", async |api| (api.watch_status().await.unwrap().answered == 1).then_some(())).await;

    let user = network.node("user", "").await;
    until(&user, "it is closed", |channel| channel.state == ChannelState::Closed).await;
    let account = user.api.wallet_balance().await.unwrap().account;
    assert!(account <= amount("5.5") && account >= amount("5.49"), "{account}");
    let told = user
        .until("who has answered", async |api| {
            let named = ChannelNamed { channel: shown.channel.clone() };
            let log = api.channel_show(named).await.unwrap().log;
            log.into_iter().find(|entry| entry.what.code == "answered")
        })
        .await;
    assert!(told.what.message.contains(&w.api.identity().to_string()), "{told:?}");
    w.until("it has forgotten", async |api| (api.watch_status().await.unwrap().kept == 0).then_some(())).await;
    assert_eq!(user.api.watch_status().await.unwrap().watched, []);
    user.stop().await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_costs_the_watchtower_where_the_reserve_is_used_up() {
    let network = Network::start(&["thief", "tower"], &[]).await;
    let price = network.genesis.parameters.call_prices.channel;
    let reserve = Amount::cost(price, byway_ledger::RESERVE_CALLS, 1).unwrap();
    let ([user, thief, w], stolen) = three(&network, some_port(), Some(&reserve.to_string())).await;
    have_watched(&user, &w).await;
    let round = pay(&thief, "1").await.round;
    until(&user, "the payment", |channel| channel.ours == amount("2.5")).await;
    is_watched(&user).await;
    for node in [user, thief] {
        node.stop().await;
    }
    // So much is spent that neither a delegate nor the user may spend more before the channel closes.
    let left = byway_ledger::RESERVE_CALLS / 2;
    let mut charged = entry(&network, stolen.id).await.unwrap().charged[0];
    let all = Amount::cost(price, left, 1).unwrap();
    let mut number = 0;
    while charged < all {
        number += 1;
        let (channel, side, delegates) = (stolen.id, Side::Initiator, vec![w.api.identity()]);
        hand_in(&network, "user", ChannelsCall::SetDelegates { channel, side, delegates }, number).await;
        let before = charged;
        let is_charged = async |_: &PeerNode| Some(entry(&network, stolen.id).await?.charged[0]);
        charged = w.until("the call", async |api| is_charged(api).await.filter(|now| *now > before)).await;
    }
    assert_eq!(charged, all, "the reserve is used up, but for what closing takes");
    let before = w.api.wallet_balance().await.unwrap();
    close(&network, "thief", &stolen).await;
    let entry = answered(&network, &w, stolen.id, round).await;
    assert_eq!(entry.charged[0], charged, "it did not pay for that");
    let paid = async |api: &PeerNode| {
        let balance = api.wallet_balance().await.unwrap();
        (balance.wallet == before.wallet.saturating_sub(price)).then_some(())
    };
    w.until("the watchtower has paid", paid).await;
    assert_eq!(w.api.watch_status().await.unwrap().answered, 1);
    w.stop().await;
}
