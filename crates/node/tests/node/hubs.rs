//! Payments over a hub between real nodes, on a real kernel.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, IdentityId};
use tokio::task::JoinHandle;

use super::network::{Mortal, Network, Node, key, provider};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A hub that is found by its offer.
fn hub_config() -> String {
    let hub = "[channels]\naccept_max = \"5\"\n[hub]\nfee_base = \"0.001\"\nfee_per_million = 10000\n";
    format!("{}{hub}", provider("DE", "0.001", ""))
}

/// A network in which a hub, a payer and a payee have coins.
async fn network() -> Network {
    Network::start(&["hub", "payer", "payee"], &[]).await
}

/// A hub, a payer and a payee with money in their accounts.
async fn three(network: &Network) -> [Node; 3] {
    let hub = network.node("hub", &hub_config()).await;
    hub.prepare("5").await;
    let [payer, payee] = [network.node("payer", "").await, network.node("payee", "").await];
    payer.prepare("5").await;
    payee.prepare("5").await;
    [hub, payer, payee]
}

/// A channel with the hub into which the hub puts 2.
async fn open(node: &Node, hub: IdentityId, deposit: &str) {
    node.market(1).await;
    open_with(node, hub, deposit).await;
    talks(node).await;
}

async fn open_with(node: &Node, hub: IdentityId, deposit: &str) {
    let request = ChannelOpen {
        peer: hub.to_string(),
        deposit: amount(deposit),
        their_deposit: Some(amount("2")),
        reserve: None,
        lock_seconds: None,
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key(&format!("open-{hub}")),
    };
    node.api.channel_open(request).await.unwrap();
}

/// Waits until the ledger would execute what a hub might need.
async fn ready(hub: &Node) {
    let is_ready = async |api: &PeerNode| {
        let status = api.hub_status().await.unwrap();
        (status.runs && status.unready.is_none()).then_some(())
    };
    hub.until("the hub takes payments", is_ready).await;
}

async fn talks(node: &Node) {
    let connected = |record: &ChannelRecord| record.connected;
    node.until("both talk", async |api| api.channel_list().await.unwrap().into_iter().find(connected)).await;
}

/// Waits until a node has so much in its only channel, and nothing in contracts.
async fn until_ours(node: &Node, ours: &str) {
    let is_so = |record: &ChannelRecord| record.ours == amount(ours) && record.contracts.is_zero();
    node.until(ours, async |api| api.channel_list().await.unwrap().into_iter().find(is_so)).await;
}

/// Waits until the hub has both peers, or one, and nothing more to do.
async fn until_idle(hub: &Node, connected: usize) -> HubStatus {
    let idle = async |api: &PeerNode| {
        let status = api.hub_status().await.unwrap();
        let there = status.peers.iter().filter(|peer| peer.connected).count();
        (there == connected && status.on_their_way.is_empty()).then_some(status)
    };
    hub.until("the hub has nothing to do", idle).await
}

fn make(text: &str) -> ChannelInvoiceMake {
    ChannelInvoiceMake { amount: amount(text), note: Some("two coffees".to_owned()), expires_seconds: Some(600) }
}

fn pay(invoice: &ChannelInvoice, fee_max: &str) -> ChannelInvoicePay {
    ChannelInvoicePay { invoice: invoice.invoice.clone(), fee_max: Some(amount(fee_max)) }
}

async fn refused(payer: &Node, request: ChannelInvoicePay) -> ErrorKind {
    payer.api.channel_invoice_pay(request).await.unwrap_err().kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_over_a_hub_between_two_who_have_no_channel() {
    let network = network().await;
    let [hub, payer, payee] = three(&network).await;
    let none = payee.api.channel_invoice(make("1")).await.unwrap_err();
    assert_eq!(none.kind, ErrorKind::ChannelNotReady, "nobody could pay it");
    open(&payer, hub.api.identity(), "2").await;
    open(&payee, hub.api.identity(), "1").await;
    ready(&hub).await;

    let invoice = payee.api.channel_invoice(make("1")).await.unwrap();
    assert_eq!(refused(&payer, pay(&invoice, "0.01")).await, ErrorKind::HubFeeTooHigh);
    assert_eq!(refused(&payee, pay(&invoice, "0.02")).await, ErrorKind::InvoiceRefused, "its own");
    for _ in 0..2 {
        let paid = payer.api.channel_invoice_pay(pay(&invoice, "0.02")).await.unwrap();
        assert_eq!(
            (paid.state, paid.fee, &paid.hash),
            (InvoicePaymentState::Paid, Some(amount("0.011")), &invoice.hash)
        );
        assert_eq!((paid.payee, paid.ways), (payee.api.identity(), vec![vec![hub.api.identity()]]));
        assert_eq!(paid.note.as_deref(), Some("two coffees"));
    }
    until_ours(&payer, "0.989").await;
    until_ours(&payee, "2").await;
    let status = until_idle(&hub, 2).await;
    assert_eq!((status.forwarded, status.amount, status.fees), (1, amount("1"), amount("0.011")));
    let room = status.peers.iter().find(|peer| peer.peer == payee.api.identity()).unwrap();
    assert!(room.to_peer < amount("1") && room.from_peer > amount("1.9"), "{room:?}");

    // More than the hub has left towards the payee.
    let large = payee.api.channel_invoice(make("1")).await.unwrap_err();
    assert_eq!(large.kind, ErrorKind::ChannelNotReady, "{large}");

    // All start anew, and the invoice is still paid once.
    for node in [payer, payee, hub] {
        node.stop().await;
    }
    let hub = network.node("hub", &hub_config()).await;
    let payer = network.node("payer", "").await;
    let again = payer.api.channel_invoice_pay(pay(&invoice, "0.02")).await.unwrap();
    assert_eq!((again.state, again.fee), (InvoicePaymentState::Paid, Some(amount("0.011"))));
    until_ours(&payer, "0.989").await;
    assert_eq!(hub.api.hub_status().await.unwrap().fees, amount("0.011"), "what was earned is kept");
    payer.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_to_be_paid_is_ready_for_it_without_any_hub() {
    let network = network().await;
    let payee = network.node("payee", "[channels]\naccept_max = \"1\"\n").await;
    let payer = network.node("payer", "").await;
    for node in [&payee, &payer] {
        node.prepare("5").await;
    }
    let card = payee.api.identity_card().await.unwrap().card;
    let request = ChannelOpen {
        peer: card,
        deposit: amount("2"),
        their_deposit: None,
        reserve: None,
        lock_seconds: None,
        remainder: ChannelRemainder::Halves,
        assets: Vec::new(),
        via: None,
        days: None,
        idempotency_key: key("direct"),
    };
    payer.api.channel_open(request).await.unwrap();
    talks(&payer).await;
    talks(&payee).await;
    assert!(payee.api.hub_status().await.unwrap().unready.is_some(), "nobody has given the ledger the contract");
    let invoice = payee.api.channel_invoice(make("0.5")).await.unwrap();
    let is_ready = async |api: &PeerNode| api.hub_status().await.unwrap().unready.is_none().then_some(());
    payee.until("what a forced call needs is there", is_ready).await;
    let paid = payer.api.channel_invoice_pay(pay(&invoice, "0")).await.unwrap();
    assert_eq!((paid.state, paid.fee), (InvoicePaymentState::Paid, Some(Amount::ZERO)));
    assert_eq!(paid.ways, [Vec::new()]);
    payer.stop().await;
    payee.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_is_told_that_the_payee_is_silent_or_the_hub_is_none_and_pays_later() {
    let network = network().await;
    let [hub, payer, payee] = three(&network).await;
    open(&payer, hub.api.identity(), "2").await;
    open(&payee, hub.api.identity(), "1").await;
    ready(&hub).await;
    let invoice = payee.api.channel_invoice(make("0.5")).await.unwrap();
    let run = |run| HubRun { run, fee_base: Some(amount("0.002")), ..HubRun::default() };

    let stopped = hub.api.hub_run(run(false)).await.unwrap();
    assert!(!stopped.runs);
    assert_eq!(refused(&payer, pay(&invoice, "0.1")).await, ErrorKind::NoWayToPayee);
    let runs = hub.api.hub_run(run(true)).await.unwrap();
    assert_eq!((runs.runs, runs.terms.fee_base, runs.terms.fee_per_million), (true, amount("0.002"), 10_000));

    payee.stop().await;
    until_idle(&hub, 1).await;
    let silent = payer.api.channel_invoice_pay(pay(&invoice, "0.1")).await.unwrap_err();
    assert_eq!(silent.kind, ErrorKind::PayeeSilent, "{silent}");
    until_ours(&payer, "2").await;
    let status = until_idle(&hub, 1).await;
    let refusal = &status.refused[0];
    assert_eq!((refusal.peer, refusal.reason.code.as_str()), (payer.api.identity(), "no_channel"), "{refusal:?}");
    assert_eq!(status.forwarded, 0);

    let payee = network.node("payee", "").await;
    talks(&payee).await;
    until_idle(&hub, 2).await;
    let paid = payer.api.channel_invoice_pay(pay(&invoice, "0.1")).await.unwrap();
    assert_eq!((paid.state, paid.fee), (InvoicePaymentState::Paid, Some(amount("0.007"))));
    until_ours(&payee, "1.5").await;
    for node in [payer, payee, hub] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_ledger_lacks_the_contract_of_the_locks_says_so() {
    let network = network().await;
    let poor = network.node("poor", "[hub]\n").await;
    let following = async |api: &PeerNode| api.node_status().await.ok()?.ledger.lag_ms;
    poor.until("it follows", following).await;
    let status = poor.api.hub_status().await.unwrap();
    assert_eq!((status.runs, status.unready.map(|why| why.code)), (true, Some("code".to_owned())));
    poor.stop().await;
}

/// How much a node has in its channel with a peer.
async fn ours_with(node: &Node, peer: IdentityId) -> Amount {
    let channels = node.api.channel_list().await.unwrap();
    channels.iter().find(|channel| channel.peer == peer).unwrap().ours
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_goes_in_parts_over_two_hubs_and_money_goes_back_in_a_circle() {
    let network = Network::start(&["hub", "second", "payer", "payee"], &[]).await;
    let hubs = [network.node("hub", &hub_config()).await, network.node("second", &hub_config()).await];
    // The payee is a hub as well, so that there is a circle: payer, hub, payee, second, payer.
    let [payer, payee] =
        [network.node("payer", "").await, network.node("payee", "[hub]\nfee_per_million = 10000\n").await];
    for node in [&hubs[0], &hubs[1], &payer, &payee] {
        node.prepare("5").await;
    }
    let [first, second] = [hubs[0].api.identity(), hubs[1].api.identity()];
    for node in [&payer, &payee] {
        node.market(2).await;
        for hub in [first, second] {
            open_with(node, hub, "2").await;
        }
        let both = async |api: &PeerNode| {
            let channels = api.channel_list().await.unwrap();
            (channels.iter().filter(|channel| channel.connected).count() == 2).then_some(())
        };
        node.until("both channels talk", both).await;
    }
    for node in [&hubs[0], &hubs[1], &payee] {
        ready(node).await;
    }

    // No channel has so much.
    let invoice = payee.api.channel_invoice(make("3")).await.unwrap();
    let paid = payer.api.channel_invoice_pay(pay(&invoice, "0.1")).await.unwrap();
    // Each takes 0.001, and a hundredth of its half.
    assert_eq!((paid.state, paid.fee), (InvoicePaymentState::Paid, Some(amount("0.032"))));
    let mut ways = paid.ways;
    ways.sort();
    let mut expected = vec![vec![first], vec![second]];
    expected.sort();
    assert_eq!(ways, expected);
    for hub in &hubs {
        let idle = until_idle(hub, 2).await;
        assert_eq!((idle.forwarded, idle.amount), (1, amount("1.5")));
    }

    let before = ours_with(&payer, second).await;
    let request = HubRebalance {
        from: Some(channel_with(&payer, first).await),
        to: Some(channel_with(&payer, second).await),
        amount: Some(amount("0.25")),
        fee_max: Some(amount("0.1")),
        idempotency_key: key("circle"),
    };
    for _ in 0..2 {
        let moved = payer.api.hub_rebalance(request.clone()).await.unwrap();
        assert_eq!((moved.state, moved.payee), (InvoicePaymentState::Paid, payer.api.identity()));
        assert_eq!(moved.ways, [[first, payee.api.identity(), second]]);
    }
    let more = before.checked_add(amount("0.25")).unwrap();
    let has_more = async |api: &PeerNode| {
        let channels = api.channel_list().await.unwrap();
        channels.iter().any(|channel| channel.peer == second && channel.ours == more).then_some(())
    };
    payer.until("it came in once", has_more).await;
    let same = HubRebalance { to: request.from.clone(), idempotency_key: key("same"), ..request };
    assert_eq!(payer.api.hub_rebalance(same).await.unwrap_err().kind, ErrorKind::NotRebalanced);
    let [hub, second] = hubs;
    for node in [payer, payee, hub, second] {
        node.stop().await;
    }
}

async fn channel_with(node: &Node, peer: IdentityId) -> String {
    let channels = node.api.channel_list().await.unwrap();
    channels.iter().find(|channel| channel.peer == peer).unwrap().channel.clone()
}

/// The state of the one payment that is on its way over the hub, once there is one, or `None` if it came through meanwhile.
async fn caught(hub: &Node, forwarded: u64, paying: &mut JoinHandle<InvoicePayment>) -> Option<HubPaymentState> {
    let look = async |api: &PeerNode| {
        let status = api.hub_status().await.unwrap();
        let state = status.on_their_way.first().map(|payment| payment.state);
        (state.is_some() || status.forwarded > forwarded).then_some(state)
    };
    tokio::select! {
        state = hub.until("a payment comes to the hub", look) => state,
        paid = paying => {
            paid.unwrap();
            None
        }
    }
}

/// Who is killed beside the hub.
#[derive(Debug, Clone, Copy)]
enum Killed {
    Nobody,
    Payee,
    Payer,
}

/// A payer, a hub and a payee of whom any may vanish.
struct Line {
    network: Network,
    hub: Option<Mortal>,
    payer: Option<Mortal>,
    payee: Option<Mortal>,
}

impl Line {
    async fn open() -> Self {
        let network = network().await;
        let hub = network.mortal("hub", &hub_config()).await;
        hub.node.prepare("5").await;
        let [payer, payee] = [network.mortal("payer", "").await, network.mortal("payee", "").await];
        for (node, deposit) in [(&payer, "2"), (&payee, "1")] {
            node.node.prepare("5").await;
            open(&node.node, hub.node.api.identity(), deposit).await;
        }
        ready(&hub.node).await;
        Self { network, hub: Some(hub), payer: Some(payer), payee: Some(payee) }
    }

    fn hub(&self) -> &Node {
        &self.hub.as_ref().unwrap().node
    }

    fn payer(&self) -> &Node {
        &self.payer.as_ref().unwrap().node
    }

    fn payee(&self) -> &Node {
        &self.payee.as_ref().unwrap().node
    }

    /// Whoever is gone is back, and all talk.
    async fn restore(&mut self) {
        if self.hub.is_none() {
            self.hub = Some(self.network.mortal("hub", &hub_config()).await);
        }
        for (name, place) in [("payer", &mut self.payer), ("payee", &mut self.payee)] {
            if place.is_none() {
                *place = Some(self.network.mortal(name, "").await);
            }
        }
        talks(self.payer()).await;
        talks(self.payee()).await;
        ready(self.hub()).await;
    }

    /// Begins to pay an invoice, and waits for no end. What is made of it panics if it is refused.
    async fn begin(&self) -> (ChannelInvoice, JoinHandle<InvoicePayment>) {
        let invoice = self.payee().api.channel_invoice(make("0.01")).await.unwrap();
        let (api, request) = (self.payer().api.clone(), pay(&invoice, "0.1"));
        (invoice, tokio::spawn(async move { api.channel_invoice_pay(request).await.unwrap() }))
    }

    /// Every invoice is paid exactly once, whatever was in between, and the hub has its fee for each.
    async fn assert_all_paid(&mut self, invoices: &[ChannelInvoice]) {
        self.restore().await;
        for invoice in invoices {
            let paid = async |api: &PeerNode| {
                let paid = api.channel_invoice_pay(pay(invoice, "0.1")).await.ok()?;
                (paid.state == InvoicePaymentState::Paid).then_some(paid)
            };
            let paid = self.payer().until("it is paid", paid).await;
            assert_eq!(paid.fee, Some(amount("0.0011")));
        }
        let count = invoices.len() as u64;
        let status = until_idle(self.hub(), 2).await;
        assert_eq!((status.forwarded, status.fees), (count, Amount::cost(amount("0.0011"), count, 1).unwrap()));
        let each = |amount: Amount| Amount::cost(amount, count, 1).unwrap();
        let left = amount("2").checked_sub(each(amount("0.0111"))).unwrap();
        until_ours(self.payer(), &left.to_string()).await;
        until_ours(self.payee(), &amount("1").checked_add(each(amount("0.01"))).unwrap().to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_while_a_payment_is_on_its_way_it_is_made_once_and_the_hub_has_its_fee() {
    let mut line = Line::open().await;
    let mut invoices = Vec::new();
    for with_hub in [Killed::Nobody, Killed::Payee, Killed::Payer] {
        let (invoice, mut paying) = line.begin().await;
        invoices.push(invoice);
        // Wherever it is by then: with the hub, or through.
        caught(line.hub(), invoices.len() as u64 - 1, &mut paying).await;
        match with_hub {
            Killed::Nobody => {}
            Killed::Payee => line.payee = None,
            Killed::Payer => line.payer = None,
        }
        line.hub = None;
        line.restore().await;
        until_idle(line.hub(), 2).await;
    }
    line.assert_all_paid(&invoices).await;
}
