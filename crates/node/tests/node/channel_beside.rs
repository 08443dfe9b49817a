//! Bringing a channel's state up to date, and what is said beside it: between real nodes, and as it is typed. And what is measured of channels.

use byway_node::api::*;
use serde_json::{Value, json};

use super::channel_rig::*;
use super::cli::{byway, check_typed, directory_of, failure, json as json_of, text};
use super::fake::Fake;
use super::fake_channels::{AWAY, OPEN};
use super::network::Network;

#[test]
fn what_can_be_typed_of_a_state_and_beside_it() {
    check_typed(&[
        ("channel log a1a1", true),
        ("channel log a1a1 --follow --json", true),
        ("channel log", false),
        ("channel update a1a1", true),
        ("channel update a1a1 --lane 2", true),
        ("channel update a1a1 --lane -2", false),
        ("channel message a1a1 hello", true),
        ("channel message a1a1 --kind 7 --data 0x0102", true),
        ("channel message a1a1 --data 0x0102", false),
        ("channel message a1a1 hello --kind 7 --data 0x0102", false),
        ("channel message a1a1", false),
        ("bench channel --channels 2 --idle 2 --millis 1 --json", true),
        ("bench channel --millis 0", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_brought_up_to_date_and_something_said_at_the_command_line() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let updated = json_of(folder.path(), &["channel", "update", OPEN, "--lane", "0.75"]);
    assert_eq!(updated["our_lane"]["capacity"], json!("0.75"));
    let told = byway(folder.path(), &["channel", "message", OPEN, "hello"]);
    assert_eq!(text(&told.stdout), "Said: it is said. The peer is connected; nobody has signed anything.\n");
    let said = json_of(folder.path(), &["channel", "message", OPEN, "--kind", "7", "--data", "0x0102"]);
    assert_eq!(said["said"], json!({"ours": true, "kind": 7, "data": "0x0102"}));
    let log = text(&byway(folder.path(), &["channel", "log", OPEN]).stdout);
    assert!(log.contains("→ propose, round 9, 156 bytes\n") && log.contains("it is said"), "{log}");
    let away = failure(folder.path(), &["channel", "message", AWAY, "hello"]);
    assert!(away.contains("it is not connected"), "{away}");
}

fn say(channel: &ChannelRecord, text: &str) -> ChannelMessageSay {
    let (channel, text) = (channel.channel.clone(), Some(text.to_owned()));
    ChannelMessageSay { channel, text, kind: None, data: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_of_both_become_balances_at_once_and_what_is_said_is_heard() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    let update = |lane: Option<&str>| ChannelUpdate { channel: channel.channel.clone(), lane: lane.map(amount) };
    let nothing = user.api.channel_update(update(None)).await.unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::ChannelNotReady, "{nothing}");
    user.api.channel_update(update(Some("0.5"))).await.unwrap();
    seller.api.channel_update(update(Some("0.3"))).await.unwrap();
    user.api.channel_pay(pay(&channel, "0.2", true)).await.unwrap();
    seller.api.channel_pay(pay(&channel, "0.1", true)).await.unwrap();
    until(&user, "their promise", |channel| channel.their_lane.promised == amount("0.1")).await;
    until(&seller, "our promise", |channel| channel.their_lane.promised == amount("0.2")).await;
    let settled = user.api.channel_update(update(Some("0"))).await.unwrap();
    assert_eq!((settled.round, settled.record.round), (5, 5), "a lane each, two absorptions, and a lane");
    assert_eq!((settled.record.ours, settled.record.theirs), (amount("1.9"), amount("0.9")));
    assert_eq!(settled.record.our_lane.capacity, amount("0"));
    assert_eq!((settled.record.their_lane.capacity, settled.record.their_lane.promised), (amount("0.2"), amount("0")));

    user.api.channel_message(say(&channel, "what about lunch?")).await.unwrap();
    let heard = seller
        .until("what was said", async |api: &byway_node::peer_node::PeerNode| {
            let log = api.channel_show(named(&channel)).await.unwrap().log;
            log.into_iter().find(|entry| entry.what.code == "said")
        })
        .await;
    assert_eq!(heard.what.message, "the peer says: what about lunch?");
    let text = Some("what about lunch?".to_owned());
    assert_eq!(heard.said, Some(ChannelSaid { ours: false, text, kind: None, data: None }));
    let messages = user.api.channel_log(named(&channel)).await.unwrap().messages;
    let is_there = |ours: bool, name: &str, round: Option<u64>| {
        messages.iter().any(|message| (message.ours, message.message.as_str(), message.round) == (ours, name, round))
    };
    assert!(is_there(true, "propose", Some(5)) && is_there(false, "accept", Some(5)), "{messages:?}");
    assert!(is_there(true, "promise", None) && is_there(true, "inband", None), "{messages:?}");
    assert!(is_there(false, "reestablish", Some(0)), "{messages:?}");
    let long = user.api.channel_message(say(&channel, &"x".repeat(513))).await.unwrap_err();
    assert_eq!(long.kind, ErrorKind::InvalidParams, "{long}");
    seller.stop().await;
    until(&user, "the peer is away", |channel| !channel.connected).await;
    let away = user.api.channel_message(say(&channel, "still there?")).await.unwrap_err();
    assert_eq!(away.kind, ErrorKind::PeerUnreachable, "{away}");
    user.stop().await;
}

/// The names are those of the issue that asked for the measurement; programs that compare releases read them.
#[test]
fn what_is_measured_of_channels_has_these_names() {
    let folder = tempfile::tempdir().unwrap();
    let report = json_of(folder.path(), &["bench", "channel", "--channels", "2", "--idle", "200", "--millis", "100"]);
    for name in [
        "updates_per_s_per_core",
        "updates_limit_per_s_per_core",
        "updates_ratio",
        "lane_payments_per_s_per_core",
        "lane_limit_per_s_per_core",
        "lane_ratio",
        "calls_per_s_per_core",
        "calls_limit_per_s_per_core",
        "calls_ratio",
        "hub_payments_per_s_per_core",
        "hub_limit_per_s_per_core",
        "hub_ratio",
        "hub_payments_with_few_channels_per_s_per_core",
    ] {
        assert!(report[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {report}");
    }
    // So few fit into what the process has already.
    assert!(report["bytes_per_idle_channel"].is_u64(), "{report}");
    assert!(report["hub_channels"].is_u64(), "{report}");
    for name in ["latency_ms", "round_trip_ms", "group_commit_ms"] {
        let latency = &report[name];
        let names: Vec<&String> = latency.as_object().unwrap().keys().collect();
        assert_eq!(names, ["p50", "p99"]);
        let [p50, p99] = ["p50", "p99"].map(|name| latency[name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99, "{name}: {latency}");
    }
    let ratio = |part: &str, limit: &str| report[part].as_f64().unwrap() / report[limit].as_f64().unwrap();
    for (name, part, limit) in [
        ("updates_ratio", "updates_per_s_per_core", "updates_limit_per_s_per_core"),
        ("lane_ratio", "lane_payments_per_s_per_core", "lane_limit_per_s_per_core"),
        ("calls_ratio", "calls_per_s_per_core", "calls_limit_per_s_per_core"),
        ("hub_ratio", "hub_payments_per_s_per_core", "hub_limit_per_s_per_core"),
    ] {
        let (has, is): (&Value, f64) = (&report[name], ratio(part, limit));
        assert!((has.as_f64().unwrap() - is).abs() < 1e-9 * is.max(1.0), "{name}: {has}, {is}");
    }
}
