//! The calls `kernel_*` of real nodes: what a kernel node and a market node say of the same kernel, and who may ask a
//! kernel node's own server.

use byway_kernel::follower::explore::FinalProof;
use byway_ledger::RangeProof;
use byway_node::api::*;
use byway_node::kernel_node::KernelService;
use byway_node::rpc::{self, Access, Token};
use byway_primitives::{Amount, Decode, Encode, Hash};
use byway_records::{Certificate, OutputId, TransactionId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::fake::TOKEN;
use super::network::{Network, key, keystore};
use super::wire::{Socket, request};

/// The server of a kernel node, for as long as `stop` is held.
struct Served {
    port: u16,
    _stop: watch::Sender<bool>,
}

async fn serve(network: &Network, access: Access) -> Served {
    let node = network.running_kernel(0);
    let service = KernelService::start(network.genesis.clone(), node.desk());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (stop, stopped)) = (listener.local_addr().unwrap().port(), watch::channel(false));
    tokio::spawn(rpc::serve_kernel(listener, access, service, stopped));
    Served { port, _stop: stop }
}

fn token() -> Token {
    Token::parse(TOKEN).unwrap()
}

async fn post(port: u16, headers: &[&str], method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let headers = [&["Content-Type: application/json"], headers].concat();
    let answer = request(port, "POST / HTTP/1.1", &headers, &body).await;
    match answer.status {
        200 | 401 => answer.json(),
        status => json!({ "status": status }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kernel_nodes_and_market_nodes_answer_alike() {
    let network = Network::start(&[], &[]).await;
    let served = serve(&network, Access::Token(token())).await;
    let user = network.node("user", "").await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let to = keystore("somebody").wallet().address().to_string();
    let send = WalletSend { to, amount: Amount::from_coins(2), asset: None, idempotency_key: key("pay") };
    let id = user.api.wallet_send(send).await.unwrap().transaction_id;
    let request = KernelTransaction { transaction_id: id, proof: true };
    let record = user
        .until("the payment is certified", async |api| {
            api.kernel_transaction(request.clone()).await.ok().filter(|record| record.outcome.certified)
        })
        .await;
    assert_eq!(record.outcome.stage, Stage::Final);

    // What was told can be checked by anyone who has genesis, and is far smaller than a follower's step.
    let proof = record.proof.clone().unwrap();
    assert!(proof.certificate.0.len() + proof.range.0.len() <= 1500);
    let proof = FinalProof {
        certificate: Certificate::from_bytes(&proof.certificate.0).unwrap(),
        range: RangeProof::from_bytes(&proof.range.0).unwrap(),
    };
    let (network_id, seats) = (network.genesis.network(), network.genesis.epoch().seats);
    proof.verify(id, network_id, &seats).unwrap();
    proof.verify(TransactionId(Hash([3; 32])), network_id, &seats).unwrap_err();

    let bearer = format!("Authorization: Bearer {TOKEN}");
    // Another kernel node may have had the certificate before this one.
    let asked = json!({"transaction_id": id, "proof": true});
    let own = user
        .until("the kernel node has it certified, too", async |_| {
            let own = post(served.port, &[&bearer], "kernel_transaction", asked.clone()).await;
            (own["result"]["certified"] == true).then_some(own)
        })
        .await;
    let (mut own, mut shown) = (own["result"].clone(), serde_json::to_value(&record).unwrap());
    let [own_certificate, _] = [&mut own, &mut shown].map(|record| record["proof"]["certificate"].take());
    assert_eq!(own, shown, "a kernel node shows the same");
    // Each node makes a certificate of the first signatures that it has; what they certify is the same.
    let checkpoint: String = proof.certificate.checkpoint.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(own_certificate.as_str().unwrap().starts_with(&checkpoint), "{own_certificate} is of {checkpoint}");

    let checkpoints = user.api.kernel_checkpoints(KernelCheckpoints { from: Some(1), limit: 3 }).await.unwrap();
    let theirs = post(served.port, &[&bearer], "kernel_checkpoints", json!({"from": 1, "limit": 3})).await;
    let (mut theirs, mut ours) = (theirs["result"].clone(), serde_json::to_value(&checkpoints).unwrap());
    for checkpoint in [&mut theirs, &mut ours].into_iter().flat_map(|all| all.as_array_mut().unwrap()) {
        let signers = checkpoint["signers"].take();
        assert!(signers.as_array().unwrap().len() >= 3, "a quorum signed, not the same everywhere: {signers}");
    }
    assert_eq!(theirs, ours);
    assert!(checkpoints.windows(2).all(|two| two[1].previous == two[0].digest), "they are a chain");

    let newest = user.api.kernel_snapshots(KernelSnapshots { from: None, limit: 40 }).await.unwrap();
    assert!(newest.iter().any(|snapshot| !snapshot.references.is_empty()), "{newest:?}");
    let first = user.api.kernel_snapshots(KernelSnapshots { from: Some(1), limit: 1 }).await.unwrap();
    assert_eq!((first[0].round, first[0].references.len()), (1, 0));

    // The payment's outputs are there; those of genesis that it spent are not.
    let made = (0..3).map(|index| OutputName(OutputId { transaction: id, index })).collect();
    let outputs = user.api.kernel_outputs(KernelOutputs { outputs: made }).await.unwrap();
    assert!(outputs.iter().all(|output| output.unspent && output.amount.is_some()), "{outputs:?}");
    let nothing = vec![OutputName(OutputId { transaction: TransactionId(Hash([9; 32])), index: 0 })];
    assert!(!user.api.kernel_outputs(KernelOutputs { outputs: nothing }).await.unwrap()[0].unspent);

    let members = user
        .until("all kernel nodes were looked at", async |api| {
            let members = api.kernel_members().await.unwrap();
            members.iter().all(|member| member.reachable && member.round > 0).then_some(members)
        })
        .await;
    let pledge = network.genesis.parameters.kernel_pledge;
    assert!(members.iter().all(|member| member.pledge == pledge && member.latency_ms.is_some()), "{members:?}");
    assert!(members.iter().filter(|member| member.signed_last).count() >= 3, "a quorum signed");
    assert_eq!(user.api.kernel_evidence().await.unwrap(), []);
    let status = post(served.port, &[&bearer], "kernel_status", json!({})).await;
    assert_eq!(status["result"]["troubles"], json!([]), "nothing is wrong");
    let node = &status["result"]["node"];
    assert!(node["name"] == "k0" && node["round"].as_u64().unwrap() > 0, "{status}");
    let pulse = post(served.port, &[&bearer], "kernel_pulse", json!({})).await;
    assert!(pulse["result"]["snapshots"].as_array().unwrap().iter().any(|one| one["commit"].is_u64()), "{pulse}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_how_far_its_transaction_comes() {
    let network = Network::start(&[], &[]).await;
    let served = serve(&network, Access::Public(token())).await;
    let user = network.node("user", "").await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let to = keystore("somebody").wallet().address().to_string();
    let send = WalletSend { to, amount: Amount::from_coins(1), asset: None, idempotency_key: key("pay") };
    let id = user.api.wallet_send(send).await.unwrap().transaction_id;

    let mut socket = Socket::open(served.port, "byway.v1", &[]).await.unwrap();
    let subscribe = |topics: Value, transactions: Value| {
        let params = json!({"topics": topics, "transactions": transactions});
        json!({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": params}).to_string()
    };
    for (topics, transactions) in [
        (json!(["wallet"]), Value::Null),
        (json!(["transaction"]), json!([])),
        (json!(["checkpoint"]), json!([id])),
        (json!(["transaction"]), json!(["xy"])),
    ] {
        socket.send(&subscribe(topics, transactions)).await;
        assert_eq!(socket.next_text().await["error"]["code"], -32602);
    }
    socket.send(&subscribe(json!(["transaction", "checkpoint"]), json!([id]))).await;
    let subscription = socket.next_text().await["result"].clone();
    assert!(subscription.is_string(), "{subscription}");
    loop {
        let event = socket.next_text().await;
        let params = &event["params"];
        assert_eq!(params["subscription"], subscription);
        if params["topic"] == "checkpoint" {
            assert!(params["data"]["signers"].as_array().unwrap().len() >= 3, "{event}");
            continue;
        }
        assert_eq!(params["data"]["transaction_id"], json!(id));
        if params["data"]["certified"] == true {
            assert_eq!(params["data"]["stage"], "final");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_a_kernel_node() {
    let network = Network::start(&[], &[]).await;
    let closed = serve(&network, Access::Token(token())).await;
    let open = serve(&network, Access::Public(token())).await;
    let right = format!("Authorization: Bearer {TOKEN}");
    let wrong = right.replace('0', "1");
    let send = json!({"transaction": "00"});
    // Server, headers, method and params; the error's code or the HTTP status, or none.
    for (port, headers, method, params, expected) in [
        (closed.port, vec![&*right], "kernel_status", json!({}), None),
        (closed.port, vec![], "kernel_status", json!({}), Some(1001)),
        (closed.port, vec![&*wrong], "kernel_status", json!({}), Some(1001)),
        (closed.port, vec![&*right, "Origin: https://evil.example"], "kernel_status", json!({}), Some(403)),
        (closed.port, vec![&*right, "Host: evil.example"], "kernel_status", json!({}), Some(403)),
        (closed.port, vec![&*right], "kernel_send", send.clone(), Some(-32602)),
        (closed.port, vec![&*right], "wallet_balance", json!({}), Some(-32601)),
        (open.port, vec![], "kernel_status", json!({}), None),
        (open.port, vec!["Host: explorer.example"], "rpc.discover", json!({}), None),
        (open.port, vec![&*wrong], "kernel_status", json!({}), Some(1001)),
        (open.port, vec![], "kernel_send", send.clone(), Some(1005)),
        (open.port, vec![&*right], "kernel_send", send, Some(-32602)),
        (open.port, vec![], "wallet_balance", json!({}), Some(-32601)),
    ] {
        let answer = post(port, &headers, method, params).await;
        let code = answer["error"]["code"].as_i64().or(answer["status"].as_i64());
        assert_eq!(code, expected, "{method} {headers:?}: {answer}");
    }
    // One address that asks and asks is told to wait; who has the token is not counted.
    let asking: Vec<_> = (0..300).map(|_| tokio::spawn(post(open.port, &[], "rpc.discover", json!({})))).collect();
    let mut refused = 0;
    for asked in asking {
        refused += usize::from(asked.await.unwrap()["error"]["code"] == 1002);
    }
    assert!(refused > 0, "nothing was refused");
    assert_eq!(post(open.port, &[&right], "kernel_status", json!({})).await.get("error"), None);
    let elsewhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let node = network.running_kernel(0);
    let service = KernelService::start(network.genesis.clone(), node.desk());
    let refusal = rpc::serve_kernel(elsewhere, Access::Token(token()), service, watch::channel(false).1).await;
    assert!(refusal.unwrap_err().to_string().contains("127.0.0.1"), "a token never crosses the network in clear");
}
