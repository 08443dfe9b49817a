//! Virtual channels between real nodes, guaranteed by a third, on a real kernel.

use byway_kernel::follower::{Answer as KernelAnswer, Request};
use byway_kernel::light::protocol::{Question, Reply};
use byway_ledger::WayEnd;
use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, Hash};
use byway_records::ProgramId;
use byway_records::channel::entry::code_key;
use byway_records::channel::guaranteed::outcome_key;
use byway_records::promise::ChannelId;

use super::network::{Mortal, Network, Node, key, provider};
use super::watching::entry;

/// A contract that adds what it is given to what it has stored, and returns that.
const COUNTER: &str = "601380600b6000396000f3600035600054018060005560005260206000f3";
const ACCEPTS: &str = "[channels]\naccept_max = \"5\"\n";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn hub_config() -> String {
    let hub = "[hub]\nguarantee = true\nguarantee_fee_base = \"0.001\"\nguarantee_fee_per_million = 0\n\
        guarantee_lock_min_seconds = 1\n";
    format!("{}{ACCEPTS}{hub}", provider("DE", "0.001", ""))
}

/// Two users, each with a channel with the hub into which both have put 2, and any of the three may vanish.
struct Three {
    network: Network,
    hub: Option<Mortal>,
    user: Option<Mortal>,
    peer: Option<Mortal>,
}

impl Three {
    async fn open() -> Self {
        let network = Network::start(&["hub", "one", "other"], &[]).await;
        let hub = network.mortal("hub", &hub_config()).await;
        hub.node.prepare("5").await;
        let [user, peer] = [network.mortal("one", "").await, network.mortal("other", ACCEPTS).await];
        for node in [&user.node, &peer.node] {
            node.prepare("5").await;
            node.market(1).await;
            let request = ChannelOpen { via: None, days: None, lock_seconds: None, ..open(&hub.node, "2", "2") };
            node.api.channel_open(request).await.unwrap();
            parent(node, "both talk", |record| record.connected).await;
        }
        Self { network, hub: Some(hub), user: Some(user), peer: Some(peer) }
    }

    fn hub(&self) -> &Node {
        &self.hub.as_ref().unwrap().node
    }

    fn user(&self) -> &Node {
        &self.user.as_ref().unwrap().node
    }

    fn peer(&self) -> &Node {
        &self.peer.as_ref().unwrap().node
    }

    async fn hub_is_back(&mut self) {
        self.hub = None;
        self.hub = Some(self.network.mortal("hub", &hub_config()).await);
    }

    async fn peer_is_back(&mut self) {
        self.peer = None;
        self.peer = Some(self.network.mortal("other", ACCEPTS).await);
    }

    /// What the hub takes and allows is known before anything is proposed.
    async fn ask_first(&self) {
        let ask = async |node: &Node, deposit: &str, days: u64| {
            let [deposit, their_deposit] = [deposit, "0.5"].map(|text| Some(amount(text)));
            let hub = self.hub().api.identity().to_string();
            node.api.hub_ask(HubAsk { hub, deposit, their_deposit, days: Some(days) }).await
        };
        let quote = ask(self.user(), "1", 1).await.unwrap();
        assert_eq!((quote.fee, quote.fee_max, quote.unfit), (amount("0.001"), amount("0.01"), None));
        assert_eq!(quote.available, amount("1.99"), "the reserve stays");
        for (deposit, days, code) in [("1", quote.days_max + 1, "too_long"), ("1.9895", 1, "too_little")] {
            assert_eq!(ask(self.user(), deposit, days).await.unwrap().unfit.unwrap().code, code);
        }
        assert_eq!(ask(self.hub(), "1", 1).await.unwrap_err().kind, ErrorKind::NoChannelWithHub);
    }

    /// A virtual channel of 1 and 0.5, which both have; gives what the user sees.
    async fn open_virtual(&self) -> ChannelRecord {
        let card = self.peer().api.identity_card().await.unwrap().card;
        let hub = self.hub().api.identity().to_string();
        let request = ChannelOpen {
            peer: card,
            via: Some(hub),
            days: Some(1),
            lock_seconds: Some(3),
            idempotency_key: key("virtual"),
            ..open(self.hub(), "1", "0.5")
        };
        let opened = self.user().api.channel_open(request).await.unwrap();
        let is_open = |record: &ChannelRecord| record.state == ChannelState::Open && record.connected;
        for node in [self.user(), self.peer()] {
            virtual_one(node, "it is open", is_open).await;
        }
        opened
    }

    async fn until_parents(&self, users: [&str; 2], peers: [&str; 2]) {
        for (node, [ours, theirs]) in [(self.user(), users), (self.peer(), peers)] {
            let is_so = |record: &ChannelRecord| (record.ours, record.theirs) == (amount(ours), amount(theirs));
            let record = parent(node, &format!("{ours} and {theirs}"), is_so).await;
            assert_eq!(record.state, ChannelState::Open);
        }
    }
}

fn open(peer: &Node, deposit: &str, their_deposit: &str) -> ChannelOpen {
    ChannelOpen {
        peer: peer.api.identity().to_string(),
        deposit: amount(deposit),
        their_deposit: Some(amount(their_deposit)),
        reserve: None,
        lock_seconds: None,
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key("open"),
    }
}

async fn find(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    node.until(what, async |api| api.channel_list().await.unwrap().into_iter().find(|record| is_it(record))).await
}

/// Waits until the channel with the hub is so.
async fn parent(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    find(node, what, |record| record.guaranteed.is_none() && is_it(record)).await
}

/// Waits until the virtual channel is so.
async fn virtual_one(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    find(node, what, |record| record.guaranteed.is_some() && is_it(record)).await
}

async fn pay(node: &Node, channel: &ChannelRecord, text: &str) -> ChannelUpdated {
    let channel = channel.channel.clone();
    let pay = ChannelPay {
        channel,
        amount: amount(text),
        asset: None,
        lane: false,
        idempotency_key: key(&text.replace('.', "-")),
    };
    node.api.channel_pay(pay).await.unwrap()
}

/// Adds to what a contract in a channel has stored; gives what it has then.
async fn count(node: &Node, channel: &ChannelRecord, contract: &str, more: u8) -> u8 {
    let mut input = vec![0; 32];
    input[31] = more;
    let call = ChannelCall {
        channel: channel.channel.clone(),
        contract: contract.to_owned(),
        input: ContractBytes(input),
        value: Amount::ZERO,
        gas: None,
        idempotency_key: key(&format!("count-{more}")),
    };
    node.api.channel_call(call).await.unwrap().output.unwrap().0[31]
}

fn id_of(record: &ChannelRecord) -> ChannelId {
    let mut id = [0; 32];
    hex::decode_to_slice(record.id.as_ref().unwrap(), &mut id).unwrap();
    ChannelId(Hash(id))
}

/// Whether the ledger has this in the program of channels.
async fn is_on_ledger(network: &Network, key: Vec<u8>) -> bool {
    let question = Question::Entry { program: ProgramId::CHANNELS, key };
    let answer = network.ask(0, &Request::Light(question)).await;
    let KernelAnswer::Light(Reply::Entry(Some(found))) = answer else { panic!("{answer:?}") };
    matches!(found.proof.end, WayEnd::Present(_))
}

/// What is in a node's wallet and its account: every call about a virtual channel would be paid out of the one.
async fn money(node: &Node) -> (Amount, Amount) {
    let balance = node.api.wallet_balance().await.unwrap();
    (balance.wallet, balance.account)
}

/// Waits until nothing of a node's is under way on the ledger, and gives what it has.
async fn settled_money(node: &Node) -> (Amount, Amount) {
    node.tend().await;
    node.until("nothing is under way", async |api| {
        let entries = api.wallet_history(WalletHistory { limit: 100, before_ms: None }).await.unwrap();
        let is_under_way = |entry: &Entry| matches!(entry.stage, Stage::Sent | Stage::Included);
        (!entries.iter().any(is_under_way)).then_some(())
    })
    .await;
    money(node).await
}

fn close(channel: &ChannelRecord, alone: bool) -> ChannelClose {
    ChannelClose { channel: channel.channel.clone(), alone }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pay_and_call_in_a_virtual_channel_and_part_and_the_ledger_hears_nothing() {
    let mut three = Three::open().await;
    three.ask_first().await;
    let channel = three.open_virtual().await;
    let guarantee = channel.guaranteed.unwrap();
    assert_eq!((guarantee.hub, guarantee.state), (three.hub().api.identity(), ChannelGuaranteeState::Stands));
    assert_eq!((channel.total, channel.reserve), (amount("1.5"), Amount::ZERO));
    three.until_parents(["0.999", "1.501"], ["1.499", "1.001"]).await;
    let status = three.hub().api.hub_status().await.unwrap();
    assert_eq!((status.terms.guarantees, status.guarantees.len()), (true, 1));
    assert_eq!(status.guarantees[0].amounts, [amount("0.5"), amount("1")]);
    // The contract's code is all that the ledger is given, once for all.
    let code = code_key(byway_vm::code_hash(byway_channel::guarantee::contract::code()));
    let network = &three.network;
    three.user().until("the code", async |_| is_on_ledger(network, code.clone()).await.then_some(())).await;
    let before = [settled_money(three.user()).await, settled_money(three.peer()).await];

    pay(three.user(), &channel, "0.3").await;
    let deploy = ChannelDeploy {
        channel: channel.channel.clone(),
        code: ContractBytes(hex::decode(COUNTER).unwrap()),
        value: Amount::ZERO,
        gas: None,
        idempotency_key: key("deploy"),
    };
    let contract = three.user().api.channel_deploy(deploy).await.unwrap().contract.unwrap();
    assert_eq!(count(three.user(), &channel, &contract, 5).await, 5);
    three.hub_is_back().await;
    three.peer_is_back().await;
    let there = virtual_one(three.peer(), "all is as it was", |record| record.round == 3 && record.connected).await;
    assert_eq!(count(three.peer(), &there, &contract, 2).await, 7);
    assert_eq!(pay(three.peer(), &there, "0.1").await.record.ours, amount("0.7"));
    let deposit = ChannelFund {
        channel: channel.channel.clone(),
        movement: ChannelMovement::Deposit,
        amount: amount("0.1"),
        idempotency_key: key("more"),
    };
    assert_eq!(three.user().api.channel_fund(deposit).await.unwrap_err().kind, ErrorKind::ChannelIsVirtual);

    for node in [three.user(), three.peer()] {
        parent(node, "the hub is back", |record| record.connected).await;
    }
    three.user().api.channel_close(close(&channel, false)).await.unwrap();
    three.until_parents(["1.799", "2.201"], ["2.199", "1.801"]).await;
    for node in [three.user(), three.peer()] {
        let is_over = |record: &ChannelRecord| record.state == ChannelState::Closed;
        let closed = virtual_one(node, "it is closed", is_over).await;
        assert_eq!(closed.guaranteed.unwrap().state, ChannelGuaranteeState::Over);
    }
    let none = async |api: &PeerNode| api.hub_status().await.unwrap().guarantees.is_empty().then_some(());
    three.hub().until("nothing is guaranteed", none).await;
    let id = id_of(&channel);
    // Whatever it ever has of a channel leaves an outcome that stays.
    assert!(entry(&three.network, id).await.is_none() && !is_on_ledger(&three.network, outcome_key(id)).await);
    let after = [settled_money(three.user()).await, settled_money(three.peer()).await];
    assert_eq!(after, before, "nobody has paid for a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_peer_is_gone_closes_a_virtual_channel_alone_and_the_ledger_says_what_both_are_paid() {
    let mut three = Three::open().await;
    let channel = three.open_virtual().await;
    pay(three.user(), &channel, "0.3").await;
    virtual_one(three.peer(), "the payment", |record| record.round == 1).await;
    three.peer = None;

    let closing = three.user().api.channel_close(close(&channel, true)).await.unwrap();
    assert_eq!(closing.state, ChannelState::Closing);
    let (network, id) = (&three.network, id_of(&channel));
    let registered = async |_: &PeerNode| entry(network, id).await;
    let known = three.user().until("the ledger has it", registered).await;
    assert!(known.guaranteed.is_some());
    three.hub_is_back().await;
    let network = &three.network;
    let decided = async |_: &PeerNode| is_on_ledger(network, outcome_key(id)).await.then_some(());
    three.user().until("the ledger has decided", decided).await;
    let users = |record: &ChannelRecord| (record.ours, record.theirs) == (amount("1.699"), amount("2.301"));
    parent(three.user(), "the user is paid", users).await;

    three.peer_is_back().await;
    three.until_parents(["1.699", "2.301"], ["2.299", "1.701"]).await;
    virtual_one(three.peer(), "it is closed", |record| record.state == ChannelState::Closed).await;
    let none = async |api: &PeerNode| api.hub_status().await.unwrap().guarantees.is_empty().then_some(());
    three.hub().until("nothing is guaranteed", none).await;
}
