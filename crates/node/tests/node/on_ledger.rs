//! Contracts that leave channels between real nodes, and go on on a real ledger.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::channel_rig::*;
use super::network::{Network, Node, key};

/// Units of the subscription, a thousand of which cost 1.
fn units(count: u128) -> [u8; 32] {
    word(count)
}

/// A subscription of the user's to what the seller provides, into which the user has paid 0.5 in the channel.
async fn subscribe(code: &Compiled, channel: &ChannelRecord, user: &Node, seller: &Node) -> String {
    let price = word(amount("0.001").units());
    let arguments = [address(user.api.identity()), address(seller.api.identity()), price, word(0)];
    let deploy = ChannelDeploy {
        channel: channel.channel.clone(),
        code: code.creation(&arguments),
        value: amount("0"),
        gas: None,
        idempotency_key: key("deploy"),
    };
    let contract = user.api.channel_deploy(deploy).await.unwrap().contract.unwrap();
    user.api.channel_call(call(channel, &contract, code.input("pay()", &[]), "0.5")).await.unwrap();
    contract
}

fn leave(channel: &ChannelRecord, contract: &str) -> ChannelLeave {
    ChannelLeave { channel: channel.channel.clone(), contract: contract.to_owned() }
}

/// The one asks, and is told that the other has to want it; the other asks, and it is done.
async fn leave_together(channel: &ChannelRecord, contract: &str, one: &Node, other: &Node) {
    let first = one.api.channel_leave(leave(channel, contract)).await.unwrap_err();
    assert_eq!(first.kind, ErrorKind::UpdateRefused, "{first}");
    let left = other.api.channel_leave(leave(channel, contract)).await.unwrap();
    assert_eq!((left.total, left.contracts), (amount("2.5"), amount("0")));
}

fn named(contract: &str) -> ContractNamed {
    ContractNamed { contract: contract.to_owned() }
}

fn invoke(contract: &str, input: ContractBytes, value: &str, once: &str) -> ContractInvoke {
    let idempotency_key = key(once);
    ContractInvoke { contract: contract.to_owned(), input, value: amount(value), gas: None, idempotency_key }
}

/// Waits until a node sees so many calls of the only contract that it knows.
async fn until_called(node: &Node, calls: u64) -> LedgerContractRecord {
    let look = async |api: &PeerNode| {
        let known = api.contract_list().await.unwrap();
        known.into_iter().find(|record| record.calls == calls)
    };
    node.until("the calls of the contract", look).await
}

/// What the contract owes the provider, as a node sees it.
async fn due(node: &Node, code: &Compiled, contract: &str) -> [u8; 32] {
    let look = ContractLook { contract: contract.to_owned(), input: code.input("due()", &[]), value: amount("0") };
    let output = node.api.contract_look(look).await.unwrap();
    assert!(output.returned);
    output.output.0.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_leaves_its_channel_is_called_by_both_and_pays_out() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    let code = Compiled::subscription();
    let contract = subscribe(&code, &channel, &user, &seller).await;
    leave_together(&channel, &contract, &user, &seller).await;
    for node in [&user, &seller] {
        let record = until_called(node, 0).await;
        assert_eq!((record.balance, record.contents), (amount("0.5"), ContractContents::Here));
        assert_eq!(record.parties, [user.api.identity(), seller.api.identity()]);
    }
    let gone = user.api.channel_leave(leave(&channel, &contract)).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::UpdateRefused, "{gone}");

    let report = || invoke(&contract[..6], code.input("report(uint256)", &[units(200)]), "0", "report");
    let called = user.api.contract_call(report()).await.unwrap();
    assert_eq!((called.record.calls, called.record.balance), (1, amount("0.5")));
    assert!(called.gas_used.is_some_and(|gas| gas > 0));
    until_called(&seller, 1).await;
    assert_eq!(due(&seller, &code, &contract).await, word(amount("0.2").units()));
    let refused = invoke(&contract, code.input("report(uint256)", &[units(100)]), "0", "less");
    let refused = user.api.contract_call(refused).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::CallFailed);
    assert!(refused.to_string().contains("less than before"), "{refused}");

    // The seller is gone while the contract is called, and comes back with what it had.
    let before = account(&seller).await;
    seller.stop().await;
    let pay = invoke(&contract, code.input("pay()", &[]), "0.25", "pay");
    assert_eq!(user.api.contract_call(pay.clone()).await.unwrap().record.balance, amount("0.75"));
    let seller = network.node("seller", &seller_config()).await;
    until_called(&seller, 2).await;
    let take = invoke(&contract, code.input("take()", &[]), "0", "take");
    let taken = seller.api.contract_call(take).await.unwrap();
    assert_eq!(taken.record.balance, amount("0.55"));
    let paid = account(&seller).await.checked_sub(before).unwrap();
    assert_back(paid, "0.2");
    until_called(&user, 3).await;

    // Asked for again after a restart under its key, it is not done again.
    user.stop().await;
    let user = network.node("user", "").await;
    until_called(&user, 3).await;
    let again = user.api.contract_call(report()).await.unwrap();
    assert_eq!((again.transaction_id, again.record.calls), (called.transaction_id, 3));
    let before = account(&user).await;
    let ended = user.api.contract_call(invoke(&contract, code.input("end()", &[]), "0", "end")).await.unwrap();
    assert!(ended.record.balance.is_zero());
    assert_back(account(&user).await.checked_sub(before).unwrap(), "0.55");
    let detail = user.api.contract_show(named(&contract)).await.unwrap();
    assert_eq!(detail.receipt.map(|receipt| receipt.outcome), Some(ContractOutcome::Returned));
    assert_eq!(detail.recent.last().map(|made| made.caller), Some(user.api.identity()));
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_lost_what_a_contract_has_stored_and_strangers_import_it() {
    let network = Network::start(&["seller", "stranger"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    let code = Compiled::subscription();
    let contract = subscribe(&code, &channel, &user, &seller).await;
    leave_together(&channel, &contract, &seller, &user).await;
    let exported = user.api.contract_export(named(&contract)).await.unwrap();
    seller.stop().await;
    std::fs::remove_dir_all(network.directory("seller").root()).unwrap();
    let report = invoke(&contract, code.input("report(uint256)", &[units(200)]), "0", "report");
    user.api.contract_call(report).await.unwrap();

    let seller = network.node("seller", &seller_config()).await;
    assert_eq!(until_called(&seller, 1).await.contents, ContractContents::Missing);
    let take = || invoke(&contract, code.input("take()", &[]), "0", "take");
    assert_eq!(seller.api.contract_call(take()).await.unwrap_err().kind, ErrorKind::ContentsMissing);
    assert_eq!(seller.api.contract_export(named(&contract)).await.unwrap_err().kind, ErrorKind::ContentsMissing);
    let import = |content: String| ContractImport { content };
    let mut forged = exported.content.clone().into_bytes();
    let last = forged.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let forged = import(String::from_utf8(forged).unwrap());
    assert_eq!(seller.api.contract_import(forged).await.unwrap_err().kind, ErrorKind::ContentsRefused);

    // What was given before the call leads to where the ledger is.
    let stranger = network.node("stranger", "").await;
    stranger.prepare("1").await;
    let whole = format!("{}/{contract}", channel.id.unwrap());
    assert_eq!(stranger.api.contract_list().await.unwrap(), []);
    let seen = stranger.api.contract_show(named(&whole)).await.unwrap();
    assert_eq!((seen.record.calls, seen.record.contents), (1, ContractContents::Missing));
    for node in [&seller, &stranger] {
        let taken = node.api.contract_import(import(exported.content.clone())).await.unwrap();
        assert_eq!((taken.calls, taken.contents), (1, ContractContents::Here));
        assert_eq!(due(node, &code, &contract).await, word(amount("0.2").units()));
    }
    assert_eq!(seller.api.contract_call(take()).await.unwrap().record.balance, amount("0.3"));
    // It is nobody's business, says the contract.
    until_called(&stranger, 2).await;
    let refused = stranger.api.contract_call(take()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::CallFailed, "{refused}");
    stranger.stop().await;
    let stranger = network.node("stranger", "").await;
    assert_eq!(until_called(&stranger, 2).await.contents, ContractContents::Here, "it is kept");
    for node in [user, seller, stranger] {
        node.stop().await;
    }
}
