//! A real kernel node's figures, and that dashboard, alerts and guide name those that there are.

use std::collections::BTreeSet;

use byway_node::api::*;
use byway_node::metrics;
use byway_primitives::Amount;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::network::{Network, key, keystore};
use super::wire::request;

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/byway-kernel.json");
const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");
const GUIDE: &str = include_str!("../../../../docs/guide/operators.md");

/// Every figure's name in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("byway_")).collect()
}

/// A histogram is one figure and several samples.
fn figure(sample: &str) -> &str {
    ["_bucket", "_sum", "_count"].into_iter().fold(sample, |name, part| name.strip_suffix(part).unwrap_or(name))
}

/// The value of the one sample that starts like this.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(sample)).unwrap_or_else(|| panic!("no {sample} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_there_under_the_names_that_others_use() {
    let network = Network::start(&[], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (_stop, stopped)) = (listener.local_addr().unwrap().port(), watch::channel(false));
    tokio::spawn(metrics::serve(listener, network.running_kernel(0).desk(), stopped));
    let user = network.node("user", "").await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let to = keystore("somebody").wallet().address().to_string();
    let send = WalletSend { to, amount: Amount::from_coins(1), asset: None, idempotency_key: key("pay") };
    assert_eq!(user.api.wallet_send(send).await.unwrap().stage, Stage::Final);
    let desk = network.running_kernel(0).desk();
    let all_signed =
        async |_: &_| Some(desk.status().await?.rounds.into_iter().all(|round| round > 0)).filter(|all| *all);
    user.until("a snapshot of every kernel node", all_signed).await;

    let answer = request(port, "GET /metrics HTTP/1.1", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with("# EOF\n"), "the whole text arrived");
    for (sample, least) in [
        ("byway_kernel_own_round ", 1.0),
        ("byway_kernel_quorum_round ", 1.0),
        ("byway_kernel_member_round{member=\"k3\"}", 1.0),
        ("byway_kernel_commits_total ", 1.0),
        ("byway_kernel_transactions_total{verdict=\"final\"}", 1.0),
        ("byway_kernel_checkpoint_height ", 1.0),
        ("byway_kernel_certified_height ", 1.0),
        ("byway_kernel_committed_time_seconds ", 1.7e9),
        ("byway_kernel_certified_time_seconds ", 1.7e9),
        ("byway_kernel_peers_connected ", 3.0),
        ("byway_kernel_durable_seconds_count", 1.0),
        ("byway_kernel_peer_bytes_total{peer=\"k1\",direction=\"in\"}", 1.0),
        ("byway_kernel_peer_bytes_total{peer=\"k1\",direction=\"out\"}", 1.0),
        ("byway_disk_bytes ", 1.0),
    ] {
        assert!(value(&text, sample) >= least, "{sample}: {text}");
    }
    for sample in ["byway_kernel_equivocations_total ", "byway_kernel_snapshots_refused_total{reason=\"signature\"}"] {
        assert_eq!(value(&text, sample), 0.0, "{sample} is there before anything goes wrong");
    }

    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    let samples: BTreeSet<&str> = samples.collect();
    for (used_by, used) in [("the dashboard", names(DASHBOARD)), ("the alerts", names(ALERTS))] {
        let missing: Vec<_> = used.difference(&samples).collect();
        assert!(missing.is_empty(), "{used_by} asks for what is not there: {missing:?}");
    }
    let figures: BTreeSet<&str> = samples.into_iter().map(figure).collect();
    assert_eq!(names(GUIDE), figures, "the guide has them all, and no others");
    let shown: BTreeSet<&str> = names(DASHBOARD).into_iter().map(figure).collect();
    assert_eq!(shown, figures, "each has its panel");
    let answer = request(port, "GET / HTTP/1.1", &[], "").await;
    assert_eq!(answer.status, 404);
}
