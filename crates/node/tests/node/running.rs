//! Real market nodes over a real kernel: that they do as they are configured, and what the local API says of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use byway_kernel::follower::protocol::{Answer as KernelAnswer, Request, Step};
use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, Hash};
use byway_records::scan::ScanTransaction;
use byway_records::{Height, TransactionId};

use super::network::{Network, Node, forwarder, key, keystore, nobody, provider};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_buys_reaches_the_kernel_and_gives_credit_as_it_is_configured() {
    let network = Network::start(&["cheap", "dear"], &[]).await;
    let cheap = network.node("cheap", &provider("DE", "0.0001", "")).await;
    // It settles when a twentieth of a coin is open, and never owes more than this before.
    let exposure_max: Amount = "0.002".parse().unwrap();
    let dear = network.node("dear", &provider("SE", "0.001", "exposure_max = \"0.002\"\n")).await;
    let (mut elsewhere, mut connections) = (Vec::new(), Vec::new());
    for (name, address) in network.kernel_addresses() {
        let (forwarder, count) = forwarder(address).await;
        elsewhere.push(format!("\"{name}={forwarder}\""));
        connections.push(count);
    }
    let config = format!("[ledger]\naddresses = [{}]\n[buying]\ncountry = \"SE\"\n", elsewhere.join(", "));
    let user = network.node("user", &config).await;
    user.prepare("5").await;
    assert!(connections.iter().any(|count| count.load(Ordering::SeqCst) > 0), "the kernel is reached elsewhere");

    assert_eq!(user.market(2).await[0].provider, cheap.api.identity(), "the cheapest is first");
    user.fetch(6_000_000).await;
    let sessions = user.api.session_list(10).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].provider), (1, dear.api.identity()), "bought where it was wanted");

    let cost: Amount = "0.006".parse().unwrap();
    let (promised, settled) = user
        .until("all but the exposure is settled", async |api| {
            let promises = api.promise_list().await.unwrap();
            let out = promises.iter().find(|promise| promise.direction == Direction::Out)?;
            let open = out.amount.saturating_sub(out.settled);
            (out.amount >= cost && open <= exposure_max).then_some((out.amount, out.settled))
        })
        .await;
    assert!(settled >= cost.saturating_sub(exposure_max), "{settled} of {promised} settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_settles_on_request_and_publishes_its_offer_once() {
    let network = Network::start(&["seller"], &[]).await;
    let seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    user.fetch(1_000_000).await;
    let (me, peer) = (user.api.identity(), seller.api.identity());

    // What is owed only its payee settles.
    let request = PromiseSettle { counterparty: peer, wait: None, idempotency_key: None };
    let refusal = user.api.promise_settle(request).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::NothingToSettle);
    assert!(refusal.to_string().contains(&format!("promise settle {me}")), "{refusal}");

    let request = PromiseSettle { counterparty: me, wait: None, idempotency_key: Some(key("settle")) };
    let settled = seller.api.promise_settle(request.clone()).await.unwrap();
    assert!(!settled.asked && settled.entries.len() == 1, "{settled:?}");
    let entry = &settled.entries[0];
    assert_eq!((entry.kind, entry.stage), (EntryKind::SettleIn, Stage::Final));
    assert!(entry.amount >= "0.0009".parse().unwrap(), "{entry:?}");
    assert_eq!(entry.counterparty, Some(me.to_string()));
    let history = history(&seller).await;
    assert_eq!(history.iter().filter(|line| line.transaction_id == entry.transaction_id).count(), 1);
    assert_eq!(seller.api.promise_settle(request.clone()).await.unwrap(), settled, "asked again, with the same key");
    let other = PromiseSettle { wait: Some(false), ..request };
    assert_eq!(seller.api.promise_settle(other).await.unwrap_err().kind, ErrorKind::IdempotencyConflict);

    // The offer stays as it is over a restart: the link has its port again.
    let before = user.market(1).await[0].clone();
    user.api.disconnect().await.unwrap();
    seller.stop().await;
    let seller = network.node("seller", &provider("DE", "0.001", "")).await;
    let offer_id = before.offer_id;
    user.until("the seller is found where its offer says", async |api| {
        api.connect(ConnectTarget::Offer { offer_id, unit: None }.into()).await.ok().map(drop)
    })
    .await;
    // It has looked after its offer several times since.
    seller.tend().await;
    assert_eq!(publications(&seller).await, 1);
    assert_eq!(user.market(1).await[0].published_ms, before.published_ms);
    seller.stop().await;
    let seller = network.node("seller", &provider("DE", "0.002", "")).await;
    seller.until("new terms", async |_| (publications(&seller).await == 2).then_some(())).await;
}

async fn history(node: &Node) -> Vec<Entry> {
    node.api.wallet_history(WalletHistory { limit: 1000, before_ms: None }).await.unwrap()
}

async fn publications(node: &Node) -> usize {
    history(node).await.iter().filter(|entry| entry.kind == EntryKind::Publish).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_publication_changes_nothing_and_one_by_hand_begins_to_sell() {
    let network = Network::start(&["seller"], &[]).await;
    let user = network.node("user", "").await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let coins = user.until("its coins", async |api| Some(wallet(api).await).filter(|coins| !coins.is_zero())).await;
    let terms = |name| OfferPublish {
        service: None,
        country: Some("SE".parse().unwrap()),
        exit_country: None,
        asn: Some(64500),
        price_per_mb: Some("0.002".parse().unwrap()),
        price_per_second: None,
        bandwidth_bps: Some(1_000_000),
        idempotency_key: key(name),
    };
    assert_eq!(user.api.offer_publish(terms("early")).await.unwrap_err().kind, ErrorKind::NotRegistered);
    user.tend().await;
    assert!(!user.api.node_status().await.unwrap().identity.registered);
    assert!(history(&user).await.iter().all(|entry| entry.kind == EntryKind::Receive), "something was sent");
    assert_eq!(wallet(&user.api).await, coins, "something was spent");
    user.prepare("1").await;
    user.tend().await;
    assert_eq!(publications(&user).await, 0, "what was refused is published later");

    let incomplete = OfferPublish { price_per_mb: None, ..terms("incomplete") };
    assert_eq!(user.api.offer_publish(incomplete).await.unwrap_err().kind, ErrorKind::InvalidParams);
    let seller = network.node("seller", &provider("DE", "0.001", "exit_asn = 64511\n")).await;
    let others = user.market(1).await[0].clone();
    assert_eq!(others.asn, 64511);
    let withdraw = |offer_id, name| OfferWithdraw { offer_id, idempotency_key: key(name) };
    let refusal = user.api.offer_withdraw(withdraw(others.offer_id, "theirs")).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::OfferNotFound);

    let published = user.api.offer_publish(terms("first")).await.unwrap();
    assert_eq!(published.entry.stage, Stage::Final);
    let found = seller.market(1).await[0].clone();
    assert_eq!((found.offer_id, found.asn), (published.offer_id, 64500));
    let withdrawn = user.api.offer_withdraw(withdraw(published.offer_id, "ours")).await.unwrap();
    assert_eq!(withdrawn.stage, Stage::Final);
    seller.market(0).await;
    user.tend().await;
    let about_offers = history(&user).await.into_iter().filter(|entry| entry.kind == EntryKind::Publish);
    let about_offers: Vec<TransactionId> = about_offers.map(|entry| entry.transaction_id).collect();
    let expected = [withdrawn.transaction_id, published.entry.transaction_id];
    assert_eq!(about_offers, expected, "what was withdrawn is not published again, and nothing is paid for twice");

    // A term by hand leaves the others as they are configured.
    let dearer = OfferPublish { country: None, asn: None, bandwidth_bps: None, ..terms("dearer") };
    seller.api.offer_publish(dearer).await.unwrap();
    user.until("the new price", async |api| {
        let found = api.offer_list(OfferList::default()).await.unwrap();
        let new = found.iter().find(|offer| offer.offer_id != others.offer_id)?;
        assert_eq!((new.asn, new.country, new.exit_country), (64511, others.country, others.exit_country));
        Some(())
    })
    .await;
}

async fn wallet(api: &PeerNode) -> Amount {
    api.wallet_balance().await.unwrap().wallet
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_and_is_listed_once() {
    let network = Network::start(&["friend"], &[]).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    let identities = user.api.identity_list().await.unwrap();
    let shown: Vec<_> = identities.iter().map(|i| (i.name.as_str(), i.number, i.registered)).collect();
    assert_eq!(shown, [("browsing", Some(0), true), ("selling", Some(1), false), ("messages", Some(2), false)]);
    assert_eq!(identities[0].id, user.api.identity());
    let other = IdentityRegister { id: Some(identities[1].id), idempotency_key: key("other") };
    let refusal = user.api.identity_register(other).await.unwrap_err();
    assert!(refusal.to_string().contains("is for selling"), "{refusal}");

    let to = keystore("friend").wallet().address().to_string();
    let send = WalletSend { to: to.clone(), amount: Amount::from_coins(1), asset: None, idempotency_key: key("send") };
    let sent = user.api.wallet_send(send.clone()).await.unwrap();
    assert_eq!((sent.stage, sent.counterparty.as_ref()), (Stage::Final, Some(&to)));
    let withdraw = |coins, to: Option<&String>, name| WalletWithdraw {
        amount: Amount::from_coins(coins),
        asset: None,
        to: to.cloned(),
        idempotency_key: key(name),
    };
    let nowhere = user.api.wallet_withdraw(withdraw(1, Some(&"way0".to_owned()), "w0")).await.unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::InvalidAddress);
    for (coins, elsewhere, name) in [(1, None, "w1"), (2, Some(&to), "w2")] {
        let before = user.api.wallet_balance().await.unwrap().wallet;
        let asked = withdraw(coins, elsewhere, name);
        assert_eq!(user.api.wallet_withdraw(asked).await.unwrap().stage, Stage::Final);
        let after = user.until("the coins are out", async |api| {
            let balance = api.wallet_balance().await.unwrap();
            (balance.withdrawing.is_empty() && balance.pending.is_zero()).then_some(balance.wallet)
        });
        let own = if elsewhere.is_none() { Amount::from_coins(coins) } else { Amount::ZERO };
        assert_eq!(after.await.saturating_sub(before), own, "{name}");
    }
    assert_eq!(user.api.wallet_balance().await.unwrap().account, Amount::from_coins(2));

    let lines = |entries: &[Entry]| -> Vec<(EntryKind, Amount, Option<String>)> {
        let own = entries.iter().filter(|entry| entry.kind != EntryKind::Receive);
        own.map(|entry| (entry.kind, entry.amount, entry.counterparty.clone())).collect()
    };
    let coins = Amount::from_coins;
    let pledge = network.genesis.parameters.registration_pledge;
    let expected = [
        (EntryKind::Withdraw, coins(2), Some(to.clone())),
        (EntryKind::Withdraw, coins(1), None),
        (EntryKind::Send, coins(1), Some(to)),
        (EntryKind::Deposit, coins(5), None),
        (EntryKind::Pledge, pledge, None),
    ];
    assert_eq!(lines(&history(&user).await), expected);

    // After a restart the same calls do nothing again.
    user.stop().await;
    let user = network.node("user", "").await;
    assert_eq!(user.api.wallet_send(send.clone()).await.unwrap(), sent);
    assert_eq!(user.api.wallet_withdraw(withdraw(2, Some(&send.to), "w2")).await.unwrap().amount, coins(2));
    assert_eq!(lines(&history(&user).await), expected);
    let dearer = WalletSend { amount: coins(2), ..send };
    assert_eq!(user.api.wallet_send(dearer).await.unwrap_err().kind, ErrorKind::IdempotencyConflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_node_that_lies_about_a_transaction_is_not_believed() {
    let mut network = Network::start(&["seller"], &[3]).await;
    let invented = TransactionId(Hash([9; 32]));
    let liar = Liar::start(&mut network, 3, invented);
    let seller = network.node("seller", &provider("DE", "0.001", "")).await;
    seller.prepare("1").await;
    seller.until("the offer is out", async |_| (publications(&seller).await == 1).then_some(())).await;
    let published = seller
        .until("it is final", async |_| {
            let entries = history(&seller).await;
            let entry = entries.into_iter().find(|entry| entry.kind == EntryKind::Publish)?;
            (entry.stage == Stage::Final).then_some(entry.transaction_id)
        })
        .await;
    liar.show(first_step(&network).await);

    // This node reaches one honest kernel node and the liar.
    let nobody = nobody().await;
    let config = format!("[ledger]\naddresses = [\"k1={nobody}\", \"k2={nobody}\"]\n");
    let user = network.node("user", &config).await;
    let record = user.api.ledger_transaction(published).await.unwrap();
    assert_eq!((record.outcome.stage, record.outcome.certified), (Stage::Final, true));
    assert!(
        record.outcome.height.is_some()
            && record.outcome.time_ms.is_some()
            && record.inputs.is_some_and(|count| count > 0)
    );
    let refusal = user.api.ledger_transaction(invented).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::KernelUnreachable, "one honest node alone can't say that there is none");
    // Three honest nodes can.
    let refusal = seller.api.ledger_transaction(invented).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::TransactionNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_node_that_refuses_everything_keeps_no_transaction_out() {
    let mut network = Network::start(&[], &[3]).await;
    let _liar = Liar::start(&mut network, 3, TransactionId(Hash([9; 32])));
    // The neighbour of the liar is dead for this node, so that the two are asked together now and then.
    let config = format!("[ledger]\naddresses = [\"k2={}\"]\n", nobody().await);
    let user = network.node("user", &config).await;
    user.prepare("1").await;
    for number in 0..4 {
        let to = keystore("seller").wallet().address().to_string();
        let idempotency_key = key(&format!("send{number}"));
        let send = WalletSend { to, amount: Amount::from_coins(1), asset: None, idempotency_key };
        assert_eq!(user.api.wallet_send(send).await.unwrap().kind, EntryKind::Send);
        user.until("it is final", async |_| {
            history(&user).await.iter().all(|entry| entry.stage == Stage::Final).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_more_kernel_nodes_than_may_lie_is_told() {
    let mut network = Network::start(&[], &[2, 3]).await;
    let _liars = [2, 3].map(|index| Liar::start(&mut network, index, TransactionId(Hash([9; 32]))));
    let nobody = nobody().await;
    let config = format!("[ledger]\naddresses = [\"k0={nobody}\", \"k1={nobody}\"]\n");
    let user = network.node("user", &config).await;
    let register = IdentityRegister { id: None, idempotency_key: key("register") };
    let refusal = user.api.identity_register(register).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::TransactionRefused, "{refusal}");
    assert!(refusal.to_string().contains("wallet history"), "{refusal}");
}

/// In the seat of a kernel node: knows nothing of any transaction but of one that it invented, for which it shows a
/// certificate that is about something else.
struct Liar {
    invented: TransactionId,
    step: Arc<Mutex<Option<Step>>>,
}

impl Liar {
    fn start(network: &mut Network, index: usize, invented: TransactionId) -> Self {
        let liar = Self { invented, step: Arc::default() };
        let step = liar.step.clone();
        network.play(index, move |request| {
            Some(match request {
                Request::Find { transaction } if transaction == invented => KernelAnswer::Found(Some(Height(1))),
                Request::Find { .. } => KernelAnswer::Found(None),
                Request::Follow { programs, .. } if programs.is_empty() => {
                    KernelAnswer::Steps(step.lock().unwrap().iter().cloned().collect())
                }
                Request::Follow { .. } => KernelAnswer::Steps(Vec::new()),
                _ => KernelAnswer::Refused(byway_kernel::follower::Refusal::IllFormed("no".to_owned())),
            })
        });
        liar
    }

    /// Shows this step from now on, with what it invented in it.
    fn show(&self, mut step: Step) {
        let (id, outputs, spent) = (self.invented, Vec::new(), Vec::new());
        step.scan.finals.push(ScanTransaction { id, ghost: None, outputs, spent });
        *self.step.lock().unwrap() = Some(step);
    }
}

/// The step of height 1, from an honest node.
async fn first_step(network: &Network) -> Step {
    let request = Request::Follow { from: Height(1), programs: Vec::new() };
    let KernelAnswer::Steps(steps) = network.ask(0, &request).await else { panic!("no steps") };
    steps.into_iter().next().unwrap()
}
