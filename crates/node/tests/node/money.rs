//! Money on real nodes over a real kernel: assets beside WAY, consolidation.

use byway_crypto::GroupView;
use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, AssetId};
use byway_records::AssetTerms;
use serde_json::Value;
use tokio::process::Command;

use super::network::{Network, Node, key, keystore};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

async fn held(api: &PeerNode, asset: AssetId) -> Amount {
    let balance = api.wallet_balance().await.unwrap();
    balance.assets.iter().find(|held| held.asset == asset).map_or(Amount::ZERO, |held| held.wallet)
}

async fn until_held(node: &Node, asset: AssetId, wanted: &str) {
    let what = format!("{wanted} of the asset");
    node.until(&what, async |api| (held(api, asset).await == amount(wanted)).then_some(())).await;
}

fn issue(asset: AssetId, text: &str, to: Option<String>, name: &str) -> AssetIssue {
    AssetIssue { asset, amount: amount(text), to, idempotency_key: key(name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_issued_sent_burned_and_audited() {
    let network = Network::start(&["issuer"], &[]).await;
    let (issuer, user) = (network.node("issuer", "").await, network.node("user", "").await);
    issuer.until("its coins", async |api| (!api.wallet_balance().await.ok()?.wallet.is_zero()).then_some(())).await;

    let register = |name: &str| AssetRegister {
        symbol: "ABC".parse().unwrap(),
        name: "a bond".parse().unwrap(),
        decimals: 2,
        idempotency_key: key(name),
    };
    let entry = issuer.api.asset_register(register("register")).await.unwrap();
    assert_eq!((entry.kind, entry.stage), (EntryKind::AssetRegister, Stage::Final), "{entry:?}");
    let known = issuer.api.asset_list().await.unwrap();
    let asset = known.iter().find(|asset| asset.ours).unwrap().asset;
    assert_eq!(issuer.api.asset_register(register("again")).await.unwrap_err().kind, ErrorKind::AssetExists);

    let to = user.api.wallet_address().await.unwrap().address;
    let entry = issuer.api.asset_issue(issue(asset, "90.5", Some(to.clone()), "issue")).await.unwrap();
    assert_eq!((entry.kind, entry.stage), (EntryKind::Issue, Stage::Final), "{entry:?}");
    assert_eq!(entry.asset.map(|tag| tag.symbol.to_string()).as_deref(), Some("ABC"));
    until_held(&user, asset, "90.5").await;
    let error = user.api.asset_issue(issue(asset, "1", None, "not-mine")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotTheIssuer);

    let home = issuer.api.wallet_address().await.unwrap().address;
    let send = |text: &str, name: &str| WalletSend {
        to: home.clone(),
        amount: amount(text),
        asset: Some(asset),
        idempotency_key: key(name),
    };
    for (text, kind) in [("0.001", ErrorKind::AmountTooFine), ("91", ErrorKind::InsufficientWallet)] {
        assert_eq!(user.api.wallet_send(send(text, "refused")).await.unwrap_err().kind, kind, "{text}");
    }
    let nowhere = WalletSend {
        asset: Some(AssetTerms { issuer: user.api.identity(), ..AssetTerms::faucet() }.id()),
        ..send("1", "x")
    };
    assert_eq!(user.api.wallet_send(nowhere).await.unwrap_err().kind, ErrorKind::AssetNotFound);
    let sent = user.api.wallet_send(send("30.25", "send")).await.unwrap();
    assert_eq!(sent.stage, Stage::Final, "{sent:?}");
    until_held(&issuer, asset, "30.25").await;
    let burn = AssetBurn { asset, amount: amount("30"), idempotency_key: key("burn") };
    assert_eq!(issuer.api.asset_burn(burn).await.unwrap().stage, Stage::Final);
    until_held(&issuer, asset, "0.25").await;
    until_held(&user, asset, "60.25").await;

    // The issuer has seen the burning; the user may be a moment behind.
    let audit = issuer.api.ledger_audit().await.unwrap();
    let audited = audit.assets.iter().find(|audited| audited.asset == asset).unwrap();
    assert!(audit.balanced && audited.balanced);
    assert_eq!((audited.supply, audited.outputs), (amount("60.5"), amount("60.5")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faucet_gives_and_what_it_gave_is_consolidated() {
    let network = Network::start(&[], &[]).await;
    let user = network.node("user", "").await;
    let faucet = AssetTerms::faucet().id();
    user.until("the ledger", async |api| (!api.asset_list().await.ok()?.is_empty()).then_some(())).await;
    let too_much = user.api.asset_issue(issue(faucet, "1000.01", None, "greedy")).await.unwrap_err();
    assert_eq!(too_much.kind, ErrorKind::FaucetLimit);
    for name in ["first", "second"] {
        let entry = user.api.asset_issue(issue(faucet, "100", None, name)).await.unwrap();
        assert_eq!((entry.kind, entry.stage), (EntryKind::Issue, Stage::Final), "{entry:?}");
    }
    until_held(&user, faucet, "200").await;

    // Three outputs of each; what came at different times stays apart.
    let consolidate = |mix| WalletConsolidate { mix, within_seconds: 0 };
    let plan = user.api.wallet_consolidate(consolidate(false)).await.unwrap();
    assert_eq!((plan.transactions, plan.outputs), (2, 6));
    user.until("nothing more to merge", async |api| {
        let plan = api.wallet_consolidate(consolidate(false)).await.unwrap();
        (plan.transactions == 0 && held(api, faucet).await == amount("200")).then_some(())
    })
    .await;
    let plan = user.api.wallet_consolidate(consolidate(true)).await.unwrap();
    assert_eq!((plan.transactions, plan.outputs), (1, 2));
    let merged = user
        .until("the last merge", async |api| {
            let history = api.wallet_history(WalletHistory { limit: 100, before_ms: None }).await.unwrap();
            let merges = history.into_iter().filter(|entry| entry.kind == EntryKind::Consolidate);
            let merges: Vec<Entry> = merges.filter(|entry| entry.stage == Stage::Final).collect();
            (merges.len() == 3).then_some(merges)
        })
        .await;
    assert_eq!(merged.iter().map(|entry| entry.amount).max(), Some(amount("200")));
    until_held(&user, faucet, "200").await;
}

/// Runs `wallet watch --once` as a process of its own and gives the lines that it prints.
async fn watch(folder: &std::path::Path, view_key: &str) -> Vec<Value> {
    std::fs::write(folder.join("key"), view_key).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
    command.arg("--dir").arg(folder.join("watching")).args(["--json", "wallet", "watch", "--once"]);
    command.arg("--network").arg(folder.join("network.json")).arg("--view-key-file").arg(folder.join("key"));
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_key_shows_a_wallet_without_its_node() {
    let network = Network::start(&["other"], &[]).await;
    let user = network.node("user", "").await;
    let asset = AssetTerms::faucet().id();
    user.until("its coins", async |api| (!api.wallet_balance().await.ok()?.wallet.is_zero()).then_some(())).await;
    let start = user.api.wallet_balance().await.unwrap().wallet;
    let to = keystore("other").wallet().address().to_string();
    let send = WalletSend { to, amount: amount("3"), asset: None, idempotency_key: key("send") };
    assert_eq!(user.api.wallet_send(send).await.unwrap().stage, Stage::Final);
    assert_eq!(user.api.asset_issue(issue(asset, "5", None, "draw")).await.unwrap().stage, Stage::Final);
    let rest = start.saturating_sub(amount("3"));

    let folder = tempfile::tempdir().unwrap();
    byway_node::genesis::save(&network.genesis, &folder.path().join("network.json")).unwrap();
    let view_key = keystore("user").wallet().view_secret().to_text();
    // Once from nothing, once from what was kept: both show the same.
    for _ in 0..2 {
        let seen = watch(folder.path(), &view_key).await;
        let shown: Vec<_> = seen.iter().map(|line| (line["seen"].as_str(), line["amount"].as_str())).collect();
        let start = start.to_string();
        let expected = [("received", &*start), ("spent", "3"), ("received", "5")];
        assert_eq!(shown[..3], expected.map(|(seen, amount)| (Some(seen), Some(amount))), "{seen:?}");
        let balance = &seen[3];
        assert_eq!((&balance["seen"], seen.len()), (&"balance".into(), 4));
        assert_eq!(balance["address"], keystore("user").wallet().address().to_string());
        let held: Vec<_> = balance["balances"].as_array().unwrap().iter().map(|held| &held["amount"]).collect();
        assert_eq!(held, [&Value::from(rest.to_string()), &Value::from("5")]);
    }
    // Anyone else's key shows that wallet, and not this one.
    let seen = watch(folder.path(), &keystore("other").wallet().view_secret().to_text()).await;
    assert_eq!(seen.last().unwrap()["balances"][0]["amount"], "13");
}

/// Two of three wallets spend what a stranger paid to their group, handing a text from one to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_paid_and_pays_when_two_have_signed() {
    let network = Network::start(&["one", "two"], &[]).await;
    let (one, two, user) =
        (network.node("one", "").await, network.node("two", "").await, network.node("user", "").await);
    let addresses = ["one", "two", "third"].map(|name| keystore(name).wallet().address());
    let key_text = GroupView::new(2, &addresses, &[9; 32]).unwrap().to_text();
    let join = GroupJoin { key: key_text.to_string() };
    let (ours, theirs) = (one.api.group_join(join.clone()).await.unwrap(), two.api.group_join(join).await.unwrap());
    assert_eq!((&ours.address, ours.threshold, ours.members), (&theirs.address, 2, 3));
    assert!(ours.number.is_some() && ours.number != theirs.number);

    user.until("its coins", async |api| (!api.wallet_balance().await.ok()?.wallet.is_zero()).then_some(())).await;
    let pay = WalletSend { to: ours.address.clone(), amount: amount("8"), asset: None, idempotency_key: key("pay") };
    assert_eq!(user.api.wallet_send(pay).await.unwrap().stage, Stage::Final);
    let holds = async |node: &Node, wanted: &str| {
        let what = format!("a group with {wanted}");
        node.until(&what, async |api| {
            let records = api.group_list().await.unwrap();
            (records[0].balances.first()?.amount == amount(wanted)).then_some(())
        })
        .await;
    };
    holds(&one, "8").await;
    holds(&two, "8").await;

    let to = user.api.wallet_address().await.unwrap().address;
    let group = ours.address.clone();
    let propose = |text: &str| GroupPropose {
        group: group.clone(),
        to: to.clone(),
        amount: amount(text),
        asset: None,
        within_seconds: Some(600),
    };
    let error = one.api.group_propose(propose("8.5")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InsufficientWallet, "{error}");
    assert_eq!(user.api.group_propose(propose("1")).await.unwrap_err().kind, ErrorKind::GroupNotFound);
    let proposal = one.api.group_propose(propose("3")).await.unwrap();
    assert_eq!((proposal.signed.len(), proposal.payees[0].value.amount), (1, amount("3")));
    let submit = |proposal: &GroupProposal, name: &str| GroupSubmit {
        proposals: vec![proposal.proposal.clone()],
        idempotency_key: key(name),
    };
    let error = one.api.group_submit(submit(&proposal, "early")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProposalRefused, "{error}");

    let look = GroupLook { proposal: proposal.proposal.clone() };
    let shown = two.api.group_show(look.clone()).await.unwrap();
    assert_eq!((&shown.payees, &shown.change), (&proposal.payees, &proposal.change));
    let signed = two.api.group_sign(look).await.unwrap();
    assert_eq!(signed.signed.len(), 2);
    let entry = two.api.group_submit(submit(&signed, "submit")).await.unwrap();
    assert_eq!((entry.kind, entry.stage, entry.amount), (EntryKind::GroupSend, Stage::Final, amount("3")));
    let again = two.api.group_submit(submit(&signed, "submit")).await.unwrap();
    assert_eq!(again.transaction_id, entry.transaction_id, "the same key does nothing twice");
    holds(&one, "5").await;
    holds(&two, "5").await;
}
