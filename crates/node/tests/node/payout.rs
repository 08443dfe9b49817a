//! What leaves the account: called off, and less than was announced where a settlement took some of it.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, Span};
use byway_records::genesis::Wait;

use super::network::{Network, Node, key, keystore, provider};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

async fn withdraw(node: &Node, text: &str, to: Option<&str>, name: &str) -> Answer<Entry> {
    let to = to.map(|to| keystore(to).wallet().address().to_string());
    node.api.wallet_withdraw(WalletWithdraw { amount: amount(text), asset: None, to, idempotency_key: key(name) }).await
}

/// Waits until the account shows these amounts to leave it.
async fn until_leaving(node: &Node, amounts: &[&str]) {
    let amounts: Vec<Amount> = amounts.iter().map(|text| amount(text)).collect();
    node.until("what leaves", async |api| {
        let leaving = api.wallet_balance().await.unwrap().withdrawing;
        (leaving.iter().map(|part| part.amount).collect::<Vec<_>>() == amounts).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_announced_is_called_off_and_stays_in_the_account() {
    let network = Network::start_with_notice(&[], &[], Wait { millis: Span::minutes(10), commits: 1 }).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    let cancel = |name: &str| WalletWithdrawCancel { idempotency_key: key(name) };
    let nothing = user.api.wallet_withdraw_cancel(cancel("early")).await.unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::NothingToWithdraw, "{nothing}");
    let none = withdraw(&user, "0", None, "none").await.unwrap_err();
    assert_eq!(none.kind, ErrorKind::InvalidParams, "{none}");
    withdraw(&user, "2", Some("other"), "first").await.unwrap();
    until_leaving(&user, &["2"]).await;
    withdraw(&user, "0.5", None, "second").await.unwrap();
    withdraw(&user, "1", Some("other"), "third").await.unwrap();
    until_leaving(&user, &["0.5", "3"]).await;
    let cancelled = user.api.wallet_withdraw_cancel(cancel("now")).await.unwrap();
    assert_eq!((cancelled.kind, cancelled.amount), (EntryKind::WithdrawCancel, amount("3.5")));
    until_leaving(&user, &[]).await;
    assert_eq!(user.api.wallet_balance().await.unwrap().account, amount("5"));
    // The parts are forgotten with it: what is announced now goes to the wallet.
    withdraw(&user, "4", None, "fourth").await.unwrap();
    until_leaving(&user, &["4"]).await;
    let leaving = user.api.wallet_balance().await.unwrap().withdrawing;
    assert_eq!(leaving[0].to, None, "{leaving:?}");
    user.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_settlement_takes_before_the_payout_is_missing_from_the_last_part() {
    let network = Network::start_with_notice(&["seller"], &[], Wait { millis: Span::seconds(30), commits: 1 }).await;
    let seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let (one, two) = (network.node("one", "").await, network.node("two", "").await);
    let user = network.node("user", "").await;
    user.prepare("0.1").await;
    user.market(1).await;
    user.fetch(2_000_000).await;
    withdraw(&user, "0.06", Some("one"), "one").await.unwrap();
    // The seller settles when it hears of that, perhaps before the rest is announced.
    let rest = async |api: &PeerNode| {
        let rest = api.wallet_balance().await.unwrap().account;
        let leaves = withdraw(&user, &rest.to_string(), Some("two"), &rest.to_string().replace('.', "_")).await;
        let is_less = |error: &ApiError| error.kind == ErrorKind::InsufficientAccount;
        let leaves = leaves.inspect_err(|error| assert!(is_less(error), "{error}")).ok();
        // The settlement may also have come before it on the ledger.
        leaves.filter(|entry| entry.stage != Stage::Rejected)
    };
    user.until("the rest leaves", rest).await;
    user.api.disconnect().await.unwrap();
    let counterparty = user.api.identity();
    let settle = PromiseSettle { counterparty, wait: None, idempotency_key: Some(key("settle")) };
    // It may have done so by itself.
    if let Err(error) = seller.api.promise_settle(settle).await {
        assert_eq!(error.kind, ErrorKind::NothingToSettle, "{error}");
    }
    let settled = user
        .until("the settlement", async |api| {
            let promises = api.promise_list().await.unwrap();
            promises.iter().map(|promise| promise.settled).find(|settled| !settled.is_zero())
        })
        .await;
    let held = async |node: &Node| {
        let wallet =
            async |api: &PeerNode| Some(api.wallet_balance().await.ok()?.wallet).filter(|wallet| !wallet.is_zero());
        node.until("what was paid out", wallet).await
    };
    let (first, second) = (held(&one).await, held(&two).await);
    assert_eq!(first, amount("0.06"), "the first announced is whole");
    let paid = user.until("the last settlement", async |api| {
        let promises = api.promise_list().await.unwrap();
        let settled = Amount::checked_sum(promises.iter().map(|promise| promise.settled))?;
        (api.wallet_balance().await.unwrap().withdrawing.is_empty()).then_some(settled)
    });
    let paid = paid.await;
    assert!(settled <= paid && second <= amount("0.04").saturating_sub(settled), "{second} beside {settled} settled");
    let left = user.api.wallet_balance().await.unwrap().account;
    let all = Amount::checked_sum([first, second, paid, left]).unwrap();
    assert_eq!(all, amount("0.1"), "every coin is somewhere: {first}, {second}, {paid}, {left}");
}
