//! Assets beside WAY in channels between real nodes, on a real kernel.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, AssetId};
use serde_json::Value;

use super::network::{Network, Node, key, provider};

const ACCEPTS: &str = "[channels]\naccept_max = \"1\"\n";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn seller_settings() -> String {
    format!("{}{ACCEPTS}", provider("DE", "0.001", ""))
}

/// What a node has of an asset in its wallet and in its account.
async fn held(api: &PeerNode, asset: AssetId) -> (Amount, Amount) {
    let balance = api.wallet_balance().await.unwrap();
    let held = balance.assets.iter().find(|held| held.asset == asset);
    held.map_or((Amount::ZERO, Amount::ZERO), |held| (held.wallet, held.account))
}

async fn until_held(node: &Node, asset: AssetId, wallet: &str, account: &str) {
    let wanted = (amount(wallet), amount(account));
    let what = format!("{wallet} in the wallet and {account} in the account");
    node.until(&what, async |api| (held(api, asset).await == wanted).then_some(())).await;
}

async fn until(node: &Node, what: &str, is_it: impl Fn(&ChannelRecord) -> bool) -> ChannelRecord {
    let look = async |api: &PeerNode| api.channel_list().await.unwrap().into_iter().find(|channel| is_it(channel));
    node.until(what, look).await
}

/// What is in its one purse: ours, theirs, and what contracts have.
fn purse(record: &ChannelRecord) -> (Amount, Amount, Amount) {
    let [purse] = &record.purses[..] else { panic!("one asset: {record:?}") };
    assert_eq!(purse.symbol.as_ref().map(ToString::to_string).as_deref(), Some("ABC"));
    (purse.ours, purse.theirs, purse.contracts)
}

fn amounts(texts: [&str; 3]) -> (Amount, Amount, Amount) {
    (amount(texts[0]), amount(texts[1]), amount(texts[2]))
}

/// The user issues 50 to itself and 20 to the seller; both put into their accounts what is to go into the channel.
async fn issue(user: &Node, seller: &Node) -> AssetId {
    let register = AssetRegister {
        symbol: "ABC".parse().unwrap(),
        name: "a bond".parse().unwrap(),
        decimals: 2,
        idempotency_key: key("asset"),
    };
    user.api.asset_register(register).await.unwrap();
    let asset = user.api.asset_list().await.unwrap().iter().find(|asset| asset.ours).unwrap().asset;
    let to = seller.api.wallet_address().await.unwrap().address;
    for (to, text, name) in [(None, "50", "issue-own"), (Some(to), "20", "issue-theirs")] {
        let issue = AssetIssue { asset, amount: amount(text), to, idempotency_key: key(name) };
        assert_eq!(user.api.asset_issue(issue).await.unwrap().stage, Stage::Final);
    }
    for (node, wallet, account, left) in [(user, "50", "30", "20"), (seller, "20", "10", "10")] {
        until_held(node, asset, wallet, "0").await;
        let deposit = WalletMove { amount: amount(account), asset: Some(asset), idempotency_key: key("put-in") };
        node.api.wallet_deposit(deposit).await.unwrap();
        until_held(node, asset, left, account).await;
    }
    asset
}

fn open(seller: &Node, asset: AssetId, ours: &str, theirs: &str, name: &str) -> ChannelOpen {
    ChannelOpen {
        peer: seller.api.identity().to_string(),
        deposit: amount("2"),
        their_deposit: Some(amount("1")),
        reserve: None,
        lock_seconds: Some(2),
        remainder: ChannelRemainder::Halves,
        assets: vec![ChannelAssetDeposit { asset, ours: amount(ours), theirs: amount(theirs) }],
        via: None,
        days: None,
        idempotency_key: key(name),
    }
}

/// A channel with 30 of the user's and 10 of the seller's, to which the seller's user agrees.
async fn opened(user: &Node, seller: &Node, asset: AssetId, lock_seconds: u64) -> ChannelRecord {
    let agreed = async {
        let proposed = until(seller, "the proposal", |channel| channel.state == ChannelState::Proposed).await;
        // It is told what it is asked for, and isn't taken for little because there is little WAY in it.
        assert_eq!(purse(&proposed), amounts(["10", "30", "0"]));
        seller.api.channel_accept(ChannelNamed { channel: proposed.channel }).await
    };
    let request = ChannelOpen { lock_seconds: Some(lock_seconds), ..open(seller, asset, "30", "10", "open") };
    // The user may see what the seller has a checkpoint later than the seller.
    let opened = user.until("it opens", async |api| match api.channel_open(request.clone()).await {
        Ok(opened) => Some(opened),
        Err(error) if error.kind == ErrorKind::ChannelNotOpened => None,
        Err(error) => panic!("{error}"),
    });
    let (channel, agreed) = tokio::join!(opened, agreed);
    agreed.unwrap();
    assert_eq!(channel.state, ChannelState::Open, "{channel:?}");
    assert_eq!(purse(&channel), amounts(["30", "10", "0"]));
    until(user, "both talk", |channel| channel.connected).await;
    until(seller, "both talk", |channel| channel.connected).await
}

fn pay(channel: &ChannelRecord, asset: AssetId, text: &str, name: &str) -> ChannelPay {
    let channel = channel.channel.clone();
    ChannelPay { channel, amount: amount(text), asset: Some(asset), lane: false, idempotency_key: key(name) }
}

/// A contract as the Solidity compiler made it.
struct Compiled(Value);

impl Compiled {
    fn input(&self, function: &str, arguments: &[Vec<u8>]) -> ContractBytes {
        let selector = hex::decode(self.0["selectors"][function].as_str().unwrap()).unwrap();
        ContractBytes([selector, arguments.concat()].concat())
    }
}

fn number(number: u128) -> Vec<u8> {
    [&[0; 16][..], &number.to_be_bytes()].concat()
}

fn argument(contract: &str) -> Vec<u8> {
    [&[0; 12][..], &hex::decode(contract.trim_start_matches("0x")).unwrap()].concat()
}

struct Swapping {
    asset: Compiled,
    swap: Compiled,
    channel: ChannelRecord,
    contract: String,
}

impl Swapping {
    /// The seller puts a swap into the channel, and offers 4 of its asset for 0.5 WAY.
    async fn offered(seller: &Node, channel: ChannelRecord) -> Self {
        let read = |text| Compiled(serde_json::from_str(text).unwrap());
        let asset = read(include_str!("../../../../examples/contracts/compiled/Purse.json"));
        let swap = read(include_str!("../../../../examples/contracts/compiled/Swap.json"));
        let deploy = ChannelDeploy {
            channel: channel.channel.clone(),
            code: ContractBytes(hex::decode(swap.0["create"].as_str().unwrap()).unwrap()),
            value: Amount::ZERO,
            gas: None,
            idempotency_key: key("deploy"),
        };
        let contract = seller.api.channel_deploy(deploy).await.unwrap().contract.unwrap();
        let swapping = Self { asset, swap, channel, contract };
        let four = number(amount("4").units());
        let asset = swapping.channel.purses[0].contract.clone();
        let approve = swapping.asset.input("approve(address,uint256)", &[argument(&swapping.contract), four.clone()]);
        seller.api.channel_call(swapping.call(&asset, approve, "0", "approve")).await.unwrap();
        let until = u128::from(u64::MAX);
        let (way, wanted) = (number(0), number(amount("0.5").units()));
        let arguments = [argument(&asset), four, way, wanted, number(until)];
        let offer = swapping.swap.input("offer(address,uint256,address,uint256,uint64)", &arguments);
        let offered = seller.api.channel_call(swapping.call(&swapping.contract, offer, "0", "offer")).await.unwrap();
        assert_eq!(purse(&offered.record).2, amount("4"), "it is in the swap's keeping");
        swapping
    }

    fn call(&self, contract: &str, input: ContractBytes, value: &str, name: &str) -> ChannelCall {
        let (channel, contract) = (self.channel.channel.clone(), contract.to_owned());
        ChannelCall { channel, contract, input, value: amount(value), gas: None, idempotency_key: key(name) }
    }

    fn accept(&self, name: &str) -> ChannelCall {
        let input = self.swap.input("accept(uint256)", &[number(1)]);
        self.call(&self.contract, input, "0.5", name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_paid_and_swapped_in_a_channel_and_is_in_the_wallets_in_the_end() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.node("seller", &seller_settings()).await;
    seller.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    let asset = issue(&user, &seller).await;
    let greedy = user.api.channel_open(open(&seller, asset, "30.01", "0", "greedy")).await.unwrap_err();
    assert_eq!(greedy.kind, ErrorKind::InsufficientAccount, "{greedy}");
    let theirs = user.api.channel_open(open(&seller, asset, "0", "10.01", "theirs")).await.unwrap_err();
    assert_eq!(theirs.kind, ErrorKind::ChannelNotOpened, "{theirs}");
    let fine = user.api.channel_open(open(&seller, asset, "0.001", "0", "fine")).await.unwrap_err();
    assert_eq!(fine.kind, ErrorKind::AmountTooFine, "{fine}");

    let channel = opened(&user, &seller, asset, 2).await;
    until_held(&user, asset, "20", "0").await;
    let payment = pay(&channel, asset, "5", "pay");
    let paid = user.api.channel_pay(payment.clone()).await.unwrap();
    assert_eq!(user.api.channel_pay(payment).await.unwrap().round, paid.round, "once for each key");
    assert_eq!(purse(&paid.record), amounts(["25", "15", "0"]));
    let too_much = user.api.channel_pay(pay(&channel, asset, "25.01", "too-much")).await.unwrap_err();
    assert_eq!(too_much.kind, ErrorKind::UpdateRefused, "{too_much}");
    let theirs = until(&seller, "the payment", |channel| purse(channel).0 == amount("15")).await;

    let swapping = Swapping::offered(&seller, theirs).await;
    until(&user, "the offer", |channel| purse(channel).2 == amount("4")).await;
    let taken = user.api.channel_call(swapping.accept("accept")).await.unwrap();
    assert_eq!(purse(&taken.record), amounts(["29", "11", "0"]));
    assert_eq!((taken.record.ours, taken.record.theirs), (amount("1.5"), amount("1.5")));

    let fund = |movement, text: &str, name: &str| ChannelFund {
        channel: channel.channel.clone(),
        movement,
        amount: amount(text),
        asset: Some(asset),
        idempotency_key: key(name),
    };
    let less = user.api.channel_fund(fund(ChannelMovement::Withdraw, "9", "take")).await.unwrap();
    assert_eq!(purse(&less), amounts(["20", "11", "0"]));
    until_held(&user, asset, "20", "9").await;
    let poor = user.api.channel_fund(fund(ChannelMovement::Deposit, "9.01", "poor")).await.unwrap_err();
    assert_eq!(poor.kind, ErrorKind::InsufficientAccount, "{poor}");
    let more = user.api.channel_fund(fund(ChannelMovement::Deposit, "2", "put")).await.unwrap();
    assert_eq!(purse(&more), amounts(["22", "11", "0"]));
    until(&seller, "both", |channel| purse(channel) == amounts(["11", "22", "0"])).await;

    let close = ChannelClose { channel: channel.channel, alone: false, split: None };
    assert_eq!(user.api.channel_close(close).await.unwrap().state, ChannelState::Closed);
    until_held(&user, asset, "20", "29").await;
    until_held(&seller, asset, "10", "11").await;
    let withdraw = |text: &str| WalletWithdraw {
        amount: amount(text),
        asset: Some(asset),
        to: None,
        idempotency_key: key(&format!("withdraw-{}", text.replace('.', "-"))),
    };
    let too_much = user.api.wallet_withdraw(withdraw("29.01")).await.unwrap_err();
    assert_eq!(too_much.kind, ErrorKind::InsufficientAccount, "{too_much}");
    user.api.wallet_withdraw(withdraw("28.5")).await.unwrap();
    until_held(&user, asset, "48.5", "0.5").await;
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_taken_by_force_from_a_node_that_is_gone_and_the_ledger_pays_what_the_purse_says() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.mortal("seller", &seller_settings()).await;
    seller.node.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    let asset = issue(&user, &seller.node).await;
    let theirs = opened(&user, &seller.node, asset, 2).await;
    let swapping = Swapping::offered(&seller.node, theirs).await;
    until(&user, "the offer", |channel| purse(channel).2 == amount("4")).await;

    drop(seller);
    let taken = user.api.channel_force(swapping.accept("force")).await.unwrap();
    assert_eq!(purse(&taken.record), amounts(["34", "6", "0"]));
    let close = ChannelClose { channel: taken.record.channel.clone(), alone: true, split: None };
    user.api.channel_close(close).await.unwrap();
    until(&user, "it is paid out", |channel| channel.state == ChannelState::Closed).await;
    until_held(&user, asset, "20", "34").await;
    user.stop().await;

    let seller = network.node("seller", &seller_settings()).await;
    until_held(&seller, asset, "10", "6").await;
    seller.stop().await;
}

/// The seller was paid and loses its folder; the user is gone and says nothing. What it has is its words, and what it kept elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_its_folder_is_paid_by_what_it_kept_elsewhere() {
    let network = Network::start(&["seller"], &[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("mounted");
    let settings = format!("{}copies = \"{}\"\n", seller_settings(), folder.display());
    let seller = network.mortal("seller", &settings).await;
    seller.node.prepare("5").await;
    let user = network.mortal("user", "").await;
    user.node.prepare("5").await;
    user.node.market(1).await;
    let asset = issue(&user.node, &seller.node).await;
    let channel = opened(&user.node, &seller.node, asset, 15).await;

    // The place is not there: it is said, and payments go on.
    let failing = until(&seller.node, "it can't be kept", |one| one.copy == Some(ChannelCopyState::Failing)).await;
    assert!(failing.copy_problem.unwrap().contains("channels.copies"));
    user.node.api.channel_pay(pay(&channel, asset, "2", "first")).await.unwrap();
    std::fs::create_dir(&folder).unwrap();
    user.node.api.channel_pay(pay(&channel, asset, "3", "second")).await.unwrap();
    let is_kept = |one: &ChannelRecord| one.copy == Some(ChannelCopyState::Kept) && purse(one).0 == amount("15");
    until(&seller.node, "it is kept", is_kept).await;
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let name = file.to_str().unwrap();
    assert!(!name.contains(&channel.channel[..8]), "the file says nothing of the channel: {name}");
    // Another file of the same place that is none of ours.
    std::fs::write(folder.join("0123.copy"), b"hello").unwrap();

    drop(user);
    let close = ChannelClose { channel: channel.channel, alone: true, split: None };
    seller.node.api.channel_close(close).await.unwrap();
    let closing = until(&seller.node, "the ledger knows", |one| one.dispute.is_some()).await;
    let dispute = closing.dispute.unwrap();
    assert!(dispute.purses_until_ms.unwrap() > dispute.until_ms, "there is a year to show it");
    drop(seller);
    std::fs::remove_dir_all(network.directory("seller").root()).unwrap();

    let seller = network.node("seller", &settings).await;
    let closed = until(&seller, "it is paid out", |one| one.state == ChannelState::Closed).await;
    let detail = seller.api.channel_show(ChannelNamed { channel: closed.channel }).await.unwrap();
    assert!(detail.log.iter().any(|entry| entry.what.code == "copy_taken"), "{:?}", detail.log);
    until_held(&seller, asset, "10", "15").await;
    let empty = async |_: &PeerNode| {
        let left = std::fs::read_dir(&folder).unwrap().count();
        (left == 1).then_some(())
    };
    seller.until("what is over is not kept", empty).await;
    seller.stop().await;
}
