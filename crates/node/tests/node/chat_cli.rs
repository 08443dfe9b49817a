//! `byway chat` beyond text, against a fake node.

use byway_node::api::{ApiError, ErrorKind};
use byway_node::attachments::FileError;

use super::cli::{check_typed, directory_of, failure, json, shown};
use super::fake::Fake;
use super::fake_chat::{CONTACT, message_id};

#[test]
fn what_can_be_typed_about_what_is_said() {
    check_typed(&[
        ("chat attach Bob map.png film.mp4 --text look", true),
        ("chat attach Bob", false),
        ("chat fetch Bob 55/b6 --number 2 --out map.png", true),
        ("chat fetch Bob 55/b6 --number 0", false),
        ("chat fetch Bob", false),
        ("chat poll ask Bob When? eight nine --choices 2 --hours 24", true),
        ("chat poll ask Bob When? eight", false),
        ("chat poll ask Bob When? eight nine --hours 0", false),
        ("chat poll vote Bob 55/b6 1 2", true),
        ("chat poll vote Bob 55/b6", true),
        ("chat poll vote Bob 55/b6 0", false),
        ("chat poll close Bob 55/b6", true),
        ("chat poll", false),
        ("chat list new Bob shopping bread cheese --things", true),
        ("chat list new Bob", false),
        ("chat list add Bob 55/b6 wine", true),
        ("chat list add Bob 55/b6", false),
        ("chat list check Bob 55/b6 1 2", true),
        ("chat list uncheck Bob 55/b6 1", true),
        ("chat list remove Bob 55/b6 0", false),
        ("chat list write Bob 55/b6 1 rye", true),
        ("chat list assign Bob 55/b6 1 5555555555555555555555555555555555555555", true),
        ("chat list assign Bob 55/b6 1 Bob", false),
        ("chat memo bread", true),
        ("chat memo bread --remind 90", true),
        ("chat memo bread --remind 0", false),
        ("chat reminders", true),
        ("chat pin Bob --undo", true),
        ("chat mute Bob --hours 0", true),
        ("chat mute Bob --hours -1", false),
        ("chat verify Bob", true),
        ("chat verify Bob --matches", true),
        ("chat verify Bob --forget", true),
        ("chat verify Bob --matches --forget", false),
        ("chat verify", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_and_come_by_parts_and_nothing_is_written_over() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let (directory, message) = (folder.path(), message_id());
    let file = directory.join("map.png");
    // Two parts and a little.
    std::fs::write(&file, vec![7; 600 * 1024]).unwrap();
    let path = file.to_str().unwrap();
    let said = json(directory, &["chat", "attach", "Bob", path, "--text", "look"]);
    assert_eq!(said["attachments"][0]["name"], "map.png");
    let missing = failure(directory, &["chat", "attach", "Bob", "nowhere.png"]);
    assert!(missing.contains("nowhere.png can't be read"), "{missing}");
    let no_file = failure(directory, &["chat", "attach", "Bob", directory.to_str().unwrap()]);
    assert!(no_file.contains("is no file"), "{no_file}");

    let out = directory.join("here.png");
    let out = out.to_str().unwrap();
    let came = json(directory, &["chat", "fetch", "Bob", &message, "--out", out]);
    assert_eq!((came["state"].as_str(), came["size"].as_u64()), (Some("here"), Some(4)));
    assert_eq!(std::fs::read(out).unwrap(), b"\x89PNG");
    std::fs::write(out, "mine").unwrap();
    let refused = failure(directory, &["chat", "fetch", "Bob", &message, "--out", out]);
    assert!(refused.contains("name another with --out"), "{refused}");
    assert_eq!(std::fs::read(out).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_lists_are_shown_as_they_stand() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let (directory, message) = (folder.path(), message_id());
    let shown = |arguments: &[&str]| shown(directory, arguments);
    let poll = shown(&["chat", "poll", "vote", "Bob", &message, "1"]);
    assert!(poll.contains("When? (closed)") && poll.contains("○ 1. at eight: 1"), "{poll}");
    let list = shown(&["chat", "list", "check", "Bob", &message, "1"]);
    assert!(list.contains("shopping") && list.contains("☑ 1. bread"), "{list}");
    let none = failure(directory, &["chat", "list", "check", "Bob", &message, "2"]);
    assert!(none.contains("the list has no entry 2"), "{none}");
    let read = shown(&["chat", "read", "Bob"]);
    assert!(read.contains("[1] map.png (4 bytes, here)"), "{read}");
    assert!(shown(&["chat", "memo", "bread"]).contains("Noted"));
    let mute = shown(&["chat", "mute", "Bob"]);
    assert!(mute.contains("Bob is pinned and muted"), "{mute}");
    assert!(shown(&["chat", "conversations"]).contains("↑ Bob (muted)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_called_by_name_is_mentioned_and_read_by_name() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let mention = |name: &str| format!("{name} [@{name}](mention:{CONTACT})", name = name);
    let said = |to: &str, text: &str| json(directory, &["chat", "send", to, text])["text"].as_str().unwrap().to_owned();
    for to in ["Bob", &CONTACT.to_string()] {
        assert_eq!(said(to, "Bob @Bob"), mention("Bob"));
    }
    assert_eq!(said("Bob", "bobby @bobby"), mention("bobby"), "as they call themselves");
    assert_eq!(said("Bob", "@Carol, me@bob.example"), "@Carol, me@bob.example");
    let read = shown(directory, &["chat", "read", "Bob"]);
    assert!(read.contains("Bob:  hello @Bob (mentions you)"), "{read}");
    let all = shown(directory, &["chat", "conversations"]);
    assert!(all.contains("@ 1  hello @Bob"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_to_compare_with_somebody_is_shown_and_noted() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let shown = |arguments: &[&str]| shown(folder.path(), arguments);
    let whole = shown(&["chat", "verify", "Bob"]);
    assert!(whole.starts_with("12345 67890\nabandon zoo\n") && whole.contains("it was alike"), "{whole}");
    assert!(shown(&["chat", "verify", "Bob", "--matches"]).contains("it was alike"));
    assert!(shown(&["chat", "verify", "Bob", "--forget"]).contains("--matches"));
    assert!(shown(&["chat", "contacts"]).contains("there, verified"));
    let stranger = super::fake_chat::STRANGER.to_string();
    let nobody = failure(folder.path(), &["chat", "verify", &stranger]);
    assert!(nobody.contains("nobody whom this node knows"), "{nobody}");
}

#[test]
fn what_goes_wrong_with_files_is_told_apart() {
    use byway_chat::attachment::tree::Untrue;
    for (error, kind) in [
        (FileError::Untrue(Untrue::Group(3)), ErrorKind::ChatFileUntrue),
        (FileError::NotHere, ErrorKind::ChatFileNotHere),
        (FileError::Full(5), ErrorKind::ChatFilesFull),
        (FileError::Damaged, ErrorKind::ChatFileDamaged),
        (FileError::Gap(5), ErrorKind::ChatUploadGap),
        (FileError::Disk(std::io::ErrorKind::StorageFull.into()), ErrorKind::StorageFailed),
    ] {
        assert_eq!(ApiError::chat_files(error).kind, kind);
    }
}
