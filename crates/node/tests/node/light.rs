//! A light client of real kernel nodes, beside ones that lie or say nothing; and `byway light` as a process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use byway_kernel::follower::protocol::{Answer as KernelAnswer, Request};
use byway_kernel::light::protocol::{Question, Reply};
use byway_kernel::light::{TrustedCheckpoint, received};
use byway_node::api::*;
use byway_node::genesis;
use byway_node::light::{self, Light, LightConfig, LightError};
use byway_primitives::{Amount, Decode, Hash};
use byway_records::state::{Registration, registration_key};
use byway_records::{Certificate, ProgramId, TransactionId};
use serde_json::Value;

use super::network::{Network, Node, key, keystore};

const NOBODY: TransactionId = TransactionId(Hash([9; 32]));

/// Opens a light client that asks kernel node `first` first.
async fn open(network: &Network, first: u64, trusted: Option<TrustedCheckpoint>) -> Result<Light, LightError> {
    // Longer than a loaded machine takes; only who says nothing is waited for.
    let config = LightConfig { patience: Duration::from_secs(5), first };
    Light::open(network.genesis.clone(), &file(network), trusted, config).await
}

fn file(network: &Network) -> PathBuf {
    let directory = network.directory("light");
    directory.create().unwrap();
    directory.root().join("head")
}

/// Has the user pay somebody, and waits until that is certified.
async fn pay(user: &Node) -> TransactionId {
    let (to, amount) = (keystore("somebody").wallet().address().to_string(), "2.5".parse().unwrap());
    let send = WalletSend { to, amount, asset: None, idempotency_key: key("pay") };
    let id = user.api.wallet_send(send).await.unwrap().transaction_id;
    let request = KernelTransaction { transaction_id: id, proof: false };
    user.until("the payment is certified", async |api| {
        api.kernel_transaction(request.clone()).await.ok().filter(|record| record.outcome.certified)
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_real_kernel_nodes_show_is_verified_and_kept() {
    let network = Network::start(&[], &[]).await;
    let user = network.node("user", "").await;
    user.prepare("1").await;
    let paid = pay(&user).await;
    let mut light = open(&network, 0, None).await.unwrap();
    light.sync().await.unwrap();
    // Another node than the user asked may be a moment behind.
    let seen = user.until("it is proved", async |_| light.transaction(paid).await.unwrap()).await;
    assert!(seen.checkpoint.transactions > seen.position);
    let body = light.body(paid).await.unwrap().unwrap();
    let values = received(&body, &keystore("somebody").wallet().view_secret());
    let sum = Amount::checked_sum(values.iter().map(|(_, value)| value.amount));
    assert_eq!(sum, Some("2.5".parse().unwrap()));
    assert_eq!(light.transaction(NOBODY).await.unwrap(), None);
    assert_eq!(light.body(NOBODY).await.unwrap(), None);

    let id = user.api.identity();
    let entry = light.entry(ProgramId::REGISTRY, &registration_key(id)).await.unwrap().unwrap();
    let registration = Registration::from_bytes(&entry.value.unwrap()).unwrap();
    assert_eq!(registration.key.id(), id);
    let stranger = byway_primitives::IdentityId([8; 20]);
    let entry = light.entry(ProgramId::REGISTRY, &registration_key(stranger)).await.unwrap().unwrap();
    assert_eq!(entry.value, None);
    assert_eq!(light.entry(ProgramId(99), b"x").await.unwrap(), None, "no such program");
    assert_eq!(light.troubles(), []);

    // The next one starts where this one was.
    let known = light.head().checkpoint.unwrap();
    assert_eq!(light::load(&network.genesis, &file(&network)).unwrap().as_ref(), Some(light.head()));
    let next = open(&network, 1, None).await.unwrap();
    assert_eq!(next.head(), light.head());
    let false_digest = TrustedCheckpoint { digest: Hash([7; 32]), ..TrustedCheckpoint::from(&known) };
    let refused = open(&network, 1, Some(false_digest)).await.err().unwrap();
    assert!(matches!(refused, LightError::Contradiction { .. }), "{refused}");
    std::fs::write(file(&network), b"damaged").unwrap();
    let refused = open(&network, 1, None).await.err().unwrap();
    assert!(matches!(refused, LightError::Damaged(_)), "{refused}");

    // And one that knows nothing can begin at it.
    std::fs::remove_file(file(&network)).unwrap();
    let mut light = open(&network, 2, Some(TrustedCheckpoint::from(&known))).await.unwrap();
    assert_eq!(light.head().checkpoint, Some(known));
    assert!(light.transaction(paid).await.unwrap().is_some());
    std::fs::remove_file(file(&network)).unwrap();
    let refused = open(&network, 2, Some(false_digest)).await.err().unwrap();
    assert!(matches!(refused, LightError::NoBeginning(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_named_and_the_next_is_asked() {
    let mut network = Network::start(&[], &[3]).await;
    let user = network.node("user", "").await;
    let paid = pay(&user).await;
    let question = Request::Light(Question::Newest);
    let KernelAnswer::Light(Reply::Newest(Some(newest))) = network.ask(0, &question).await else {
        panic!("no certificate")
    };
    let mut forged: Certificate = *newest;
    forged.signatures[1].1.0[7] ^= 1;
    network.play(3, move |request| {
        Some(KernelAnswer::Light(match request {
            Request::Light(Question::Newest) => Reply::Newest(Some(Box::new(forged.clone()))),
            Request::Light(Question::Epochs { .. }) => Reply::Epochs(Vec::new()),
            _ => Reply::Body(None),
        }))
    });
    let mut light = open(&network, 3, None).await.unwrap();
    let seen = user.until("it is proved", async |_| light.transaction(paid).await.unwrap()).await;
    assert!(seen.checkpoint.transactions > seen.position);
    let [trouble] = light.troubles() else { panic!("{:?}", light.troubles()) };
    assert_eq!((trouble.node.as_str(), trouble.lied), ("k3", true));
    assert!(trouble.what.contains("signature"), "{}", trouble.what);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_left_for_the_next_and_nobody_is_an_error() {
    let mut network = Network::start(&[], &[3]).await;
    network.play(3, |_| None);
    let user = network.node("user", "").await;
    let paid = pay(&user).await;
    let mut light = open(&network, 3, None).await.unwrap();
    user.until("it is proved", async |_| light.transaction(paid).await.unwrap()).await;
    let [trouble] = light.troubles() else { panic!("{:?}", light.troubles()) };
    assert_eq!((trouble.node.as_str(), trouble.lied), ("k3", false));

    let mut elsewhere = (*network.genesis).clone();
    elsewhere.name = "elsewhere".to_owned();
    let config = LightConfig { patience: Duration::from_secs(5), first: 0 };
    let file = file(&network).with_extension("elsewhere");
    let mut light = Light::open(Arc::new(elsewhere), &file, None, config).await.unwrap();
    let refused = light.sync().await.err().unwrap().to_string();
    assert!(refused.contains("k0") && refused.contains("network file"), "{refused}");
}

/// Runs `byway light` and gives its exit code, and what it printed.
fn byway(network: &Path, directory: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
    command.arg("--dir").arg(directory).args(["light", "--json", "--network"]).arg(network).args(arguments);
    let output = command.env_remove("BYWAY_DIR").output().unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), told, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn byway_light_runs_without_a_node_or_a_keystore() {
    let network = Network::start(&[], &[]).await;
    let user = network.node("user", "").await;
    user.prepare("1").await;
    let paid = pay(&user).await;
    let directory = network.directory("process");
    directory.create().unwrap();
    let (file, view) = (directory.root().join("network.json"), directory.root().join("view"));
    genesis::save(&network.genesis, &file).unwrap();
    std::fs::write(&view, keystore("somebody").wallet().view_secret().to_text().as_bytes()).unwrap();
    let run = |arguments: &[&str]| byway(&file, directory.root(), arguments);
    let (paid, view) = (paid.to_string(), view.to_str().unwrap());
    let (me, stranger) = (user.api.identity().to_string(), "08".repeat(20));

    let (code, _, told) = run(&["status"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("byway light sync"), "{told}");
    // A kernel node may be a moment behind the one that showed the payment first.
    let payment = user
        .until("it is proved", async |_| {
            let (code, told, _) = run(&["payment", &paid, "--view-key-file", view]);
            (code == 0).then_some(told)
        })
        .await;
    assert_eq!(payment["is_final"], true);
    let received = payment["received"].as_array().unwrap();
    assert!(received.len() >= 3 && received.iter().all(|one| one["unspent_claimed"] == true), "{payment}");
    let checkpoint = payment["at"]["checkpoint"].as_str().unwrap();
    for (arguments, code, pointer, expected) in [
        (vec!["status"], 0, "/epoch", Value::from(0)),
        (vec!["sync"], 0, "/quorum", Value::from(3)),
        (vec!["sync", "--checkpoint", checkpoint], 0, "/members", Value::from(4)),
        (vec!["transaction", &paid], 0, "/is_final", Value::from(true)),
        (vec!["transaction", &"09".repeat(32)], 1, "/claimed/stage", Value::from("unknown")),
        (vec!["identity", &me], 0, "/pledge", Value::from("1")),
        (vec!["identity", &stranger], 1, "/value", Value::Null),
        (vec!["account", &me], 0, "/balance", Value::from("1")),
        (vec!["offer", &me, "1"], 1, "/value", Value::Null),
        (vec!["entry", "system", "02"], 0, "/key", Value::from("02")),
        (vec!["entry", "kernel", "0x0000"], 0, "/program", Value::from(5)),
    ] {
        let (ended, told, error) = run(&arguments);
        assert_eq!((ended, told.pointer(pointer)), (code, Some(&expected)), "{arguments:?}: {told} {error}");
        assert_eq!(told["troubles"], Value::Array(Vec::new()), "{arguments:?}");
    }
}
