//! Finding again what was said: between real nodes, and on the command line against a fake one.

use std::path::Path;

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::chat::{acquainted, named, send};
use super::cli::{byway, check_typed, directory_of, failure, json, text};
use super::fake::Fake;
use super::fake_chat::{conversation_id, message_id};
use super::network::{Network, key};

fn search(query: &str) -> ChatSearch {
    ChatSearch { query: query.to_owned(), to: None, before: None, limit: 20, offset_minutes: 0 }
}

/// The texts that are found, the newest first.
async fn found(api: &PeerNode, query: &str) -> Vec<String> {
    let found = api.chat_search(search(query)).await.unwrap();
    found.hits.into_iter().map(|hit| hit.item.text).collect()
}

/// All bytes of all files under a folder.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend(if path.is_dir() { bytes_of(&path) } else { std::fs::read(&path).unwrap() });
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_as_it_stands_and_the_folder_shows_nothing_of_it() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());
    let api = &alice.node.api;
    assert_eq!(found(api, "anything").await, [""; 0]);

    // What is said after the index was made is in it as well.
    let said = api.chat_send(send(&bobs, "the **Budget** for next year")).await.unwrap();
    api.chat_send(send(&bobs, "東京都に行きます")).await.unwrap();
    bob.node.api.chat_send(send(&alices, "which budget?")).await.unwrap();
    let came = async |api: &PeerNode| (found(api, "budget").await.len() == 2).then_some(());
    alice.node.until("Bob's answer is found", came).await;
    let page = api.chat_search(search("BUDGET")).await.unwrap();
    assert_eq!((page.hits[1].item.message.as_str(), &page.hits[1].marks[..]), (said.message.as_str(), &[[6, 12]][..]));
    assert_eq!((page.hits[0].marks.clone(), page.next), (vec![[6, 12]], None));
    assert_eq!(found(api, "京都").await, ["東京都に行きます"]);
    assert_eq!(found(api, "budget from:bob").await, ["which budget?"]);
    assert_eq!(found(api, "budget from:me in:bob").await, ["the **Budget** for next year"]);
    assert_eq!(found(api, "budget in:somewhere").await, [""; 0]);
    assert_eq!(found(api, "budget before:2020").await, [""; 0]);

    let newest = api.chat_search(ChatSearch { limit: 1, to: Some(bobs.clone()), ..search("budget") }).await.unwrap();
    assert_eq!((newest.hits.len(), newest.hits[0].item.text.as_str()), (1, "which budget?"));
    let older = ChatSearch { before: newest.next, limit: 1, ..search("budget") };
    let older = api.chat_search(older).await.unwrap();
    assert_eq!((older.hits[0].item.message.as_str(), older.next), (said.message.as_str(), None));
    let people = api.chat_search(search("bo")).await.unwrap().people;
    assert_eq!(people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["Bob"]);

    let edit = |what, value: Option<&str>| ChatAbout {
        to: bobs.clone(),
        message: said.message.clone(),
        what,
        value: value.map(str::to_owned),
    };
    api.chat_about(edit(ChatAboutWhat::Edit, Some("the plan for next year"))).await.unwrap();
    assert_eq!((found(api, "budget from:me").await.len(), found(api, "plan").await.len()), (0, 1));
    let poll = ChatPollAsk {
        to: bobs.clone(),
        question: "Where shall we dine?".to_owned(),
        options: vec!["at the harbour".to_owned(), "at home".to_owned()],
        choices_max: 1,
        closes_ms: None,
        idempotency_key: key("poll"),
    };
    api.chat_poll(poll).await.unwrap();
    let group =
        ChatGroupCreate { title: "Harbour walks".to_owned(), with: vec![bobs.clone()], idempotency_key: key("g") };
    api.chat_group_create(group).await.unwrap();
    let harbour = api.chat_search(search("harbour")).await.unwrap();
    assert_eq!(harbour.hits.iter().map(|hit| hit.item.kind.as_str()).collect::<Vec<_>>(), ["poll"]);
    assert_eq!(harbour.conversations.iter().map(|talk| talk.title.as_str()).collect::<Vec<_>>(), ["Harbour walks"]);
    assert_eq!(found(api, "harbour has:poll").await.len(), 1);
    assert_eq!(found(api, "harbour has:list").await.len(), 0);

    let wrong = api.chat_search(search("has:cake")).await.unwrap_err();
    assert_eq!((wrong.kind, wrong.details["word"].as_str()), (ErrorKind::ChatQuery, Some("has:cake")));
    assert!(wrong.message.contains("has:voice"), "{wrong}");
    assert_eq!(api.chat_search(search(" ")).await.unwrap_err().kind, ErrorKind::InvalidParams);
    let nowhere = ChatSearch { before: Some("here".to_owned()), ..search("plan") };
    assert_eq!(api.chat_search(nowhere).await.unwrap_err().kind, ErrorKind::InvalidParams);

    // It is gathered from what is kept when the node starts anew.
    api.chat_about(edit(ChatAboutWhat::Delete, None)).await.unwrap();
    // Nothing is written any more while it is read.
    alice.node.api.stop().await;
    drop(alice);
    let all = bytes_of(network.directory("one").root());
    for secret in ["which budget?", "next year", "京都", "harbour", "Harbour walks"] {
        assert!(!all.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret:?} is in the folder");
    }
    let alice = network.mortal("one", &named("Alice")).await;
    let api = &alice.node.api;
    assert_eq!(found(api, "budget").await, ["which budget?"]);
    assert_eq!(found(api, "plan").await, [""; 0], "it was deleted");
    assert_eq!(found(api, "行きます").await.len(), 1);
    bob.node.api.stop().await;
    alice.node.api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_while_it_makes_its_index_lets_go_of_the_disk() {
    let network = Network::start(&["one"], &[]).await;
    let one = network.mortal("one", &named("Alice")).await;
    let memo = ChatMemo { text: "buy bread".to_owned(), remind_ms: None, idempotency_key: key("memo") };
    one.node.api.chat_memo(memo).await.unwrap();
    let api = one.node.api.clone();
    let (found, ()) = tokio::join!(api.chat_search(search("bread")), one.node.api.stop());
    // It was answered in time, or told why not.
    assert!(found.map_or_else(|error| error.kind == ErrorKind::Stopping, |found| found.hits.len() == 1));
    let again = network.mortal("one", &named("Alice")).await;
    assert_eq!(self::found(&again.node.api, "bread has:list").await, [""; 0]);
    assert_eq!(self::found(&again.node.api, "in:me bread").await, ["buy bread"]);
}

#[test]
fn what_can_be_typed_to_find_and_to_export() {
    check_typed(&[
        ("chat search budget from:ada", true),
        ("chat search budget --within Bob --limit 100 --before 1-2-3 --ids", true),
        ("chat search", false),
        ("chat search budget --limit 0", false),
        ("chat search budget --limit 101", false),
        ("chat export", true),
        ("chat export --to all.json --conversation Bob --format markdown", true),
        ("chat export --format html", false),
        ("bench chat --messages 1000 --searches 1 --sends 1 --json", true),
        ("bench chat --only held --held 10 --idle-seconds 1 --json", true),
        ("bench chat --only groups --members 1", false),
        ("bench chat --only everything", false),
        ("bench chat --messages 0", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_shown_with_its_place() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let output = byway(folder.path(), &["chat", "search", "hello", "from:bob", "--ids"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for part in ["person  Bob", "group  hello", "  Bob  Bob:  hello", &message_id(), "--before 1700000000000-0-"] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let refused = failure(folder.path(), &["chat", "search", "has:cake"]);
    assert!(refused.contains("has:cake") && refused.contains("has:voice"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_written_down_and_nothing_over_another_file() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let path = folder.path().join("all.json");
    let to = path.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = byway(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&["chat", "export", "--to", to]);
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a conversation and its message");
    assert_eq!(lines[0]["conversation"]["conversation"], conversation_id());
    assert_eq!(
        (&lines[1]["message"]["text"], &lines[1]["message"]["attachments"][0]["name"]),
        (&super::fake_chat::item().text.into(), &"map.png".into())
    );
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap()) & 0o777, 0o600);
    let refused = failure(folder.path(), &["chat", "export", "--to", to]);
    assert!(refused.contains("name another with --to"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    let markdown = run(&["chat", "export", "--format", "markdown", "--conversation", "bob"]);
    assert!(markdown.starts_with("# Bob\n\n**Bob**, 2023-11-14 22:13\n\n> hello @Bob\n>\n"), "{markdown}");
    assert!(markdown.contains("map.png"), "{markdown}");
    let nobody = failure(folder.path(), &["chat", "export", "--conversation", "nobody"]);
    assert!(nobody.contains("no conversation \"nobody\""), "{nobody}");
}

/// The names are those of the issue that asked for the measurement; programs that compare releases read them.
#[test]
fn what_is_measured_of_conversations_has_these_names() {
    let folder = tempfile::tempdir().unwrap();
    let small = "bench chat --messages 2000 --searches 2 --sends 3 --held 5 --idle-seconds 1 --members 4 --megabytes 1";
    let small: Vec<&str> = small.split(' ').collect();
    let report = json(folder.path(), &small);
    for (name, expected) in
        [("messages", 2000), ("searches", 24), ("held_messages", 5), ("members", 4), ("attachment_megabytes", 1)]
    {
        assert_eq!(report[name].as_u64(), Some(expected), "{name}: {report}");
    }
    let kinds = report["search_ms_of"].as_object().unwrap();
    assert_eq!(kinds.len(), 12);
    for percentiles in [&report["send_ms"], &report["search_ms"]].into_iter().chain(kinds.values()) {
        let [p50, p99] = ["p50", "p99"].map(|name| percentiles[name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99, "{percentiles}");
    }
    for name in [
        "index_s",
        "index_bytes_per_message",
        "catch_up_s",
        "fetch_bytes",
        "idle_kb_per_day",
        "group_add_ms",
        "group_add_limit_ms",
        "group_add_ratio",
        "join_ms",
        "join_limit_ms",
        "join_ratio",
        "attachment_mb_per_s",
        "attachment_limit_mb_per_s",
        "attachment_ratio",
    ] {
        assert!(report[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {report}");
    }
    // What a fetch brings is as large whatever is in it.
    assert!(report["fetch_bytes"].as_f64().unwrap() >= 16_384.0, "{report}");
    let one = json(folder.path(), &["bench", "chat", "--only", "groups", "--members", "3"]);
    assert_eq!(one["members"], 3);
    assert!(one["send_ms"].is_null() && one["messages"].is_null(), "{one}");
}
