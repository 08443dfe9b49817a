//! Backups of conversations: what a lost folder had, put back on a new one.

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::chat::{acquainted, named, person, send, texts};
use super::cli::{byway, check_typed, directory_of, failure, json, text};
use super::fake::Fake;
use super::network::Network;

async fn back_up(api: &PeerNode) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), None);
    loop {
        let part = api.chat_backup(ChatBackup { next }).await.unwrap();
        bytes.extend(part.bytes.0);
        next = part.next;
        if next.is_none() {
            return bytes;
        }
    }
}

/// Brings a backup in pieces of which none is a part of it.
async fn restore(api: &PeerNode, backup: &[u8], trial: bool) -> Answer<ChatRestored> {
    let mut at = 0;
    loop {
        let piece = &backup[at..backup.len().min(at + 1000)];
        let last = at + piece.len() == backup.len();
        let bytes = Base64(piece.to_vec());
        let restored = api.chat_restore(ChatRestore { at: at as u64, bytes, last, trial }).await?;
        at += piece.len();
        assert_eq!(restored.size, at as u64);
        if last {
            return Ok(restored);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_folder_has_all_that_was_said_again_and_goes_on_in_the_same_conversation() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());
    let said = alice.node.api.chat_send(send(&bobs, "the first word")).await.unwrap();
    bob.node.api.chat_send(send(&alices, "the second word")).await.unwrap();
    let (what, value) = (ChatAboutWhat::React, Some("👍".to_owned()));
    let react = ChatAbout { to: alices.clone(), message: said.message.clone(), what, value };
    bob.node.until("the first word", async |api| (texts(api, &alices).await.len() == 2).then_some(())).await;
    bob.node.api.chat_about(react).await.unwrap();
    alice
        .node
        .until("all of it", async |api| {
            let read = ChatRead { to: bobs.clone(), before: None, limit: 10 };
            let items = api.chat_read(read).await.unwrap();
            (items.len() == 2 && items.iter().any(|item| !item.reactions.is_empty())).then_some(())
        })
        .await;
    let nickname = ChatNickname { who: bob.node.api.identity(), nickname: Some("Robert".to_owned()) };
    alice.node.api.chat_nickname(nickname).await.unwrap();
    let verify = ChatVerify { who: bob.node.api.identity(), matches: true };
    let verified = alice.node.api.chat_verify(verify).await.unwrap();
    let (pinned, muted_until_ms, marked_unread) = (Some(true), None, None);
    let draft = Some("half a sen".to_owned());
    let keep = ChatKeep { to: bobs.clone(), draft, pinned, muted_until_ms, marked_unread };
    alice.node.api.chat_keep(keep).await.unwrap();
    let before = alice.node.api.chat_read(ChatRead { to: bobs.clone(), before: None, limit: 10 }).await.unwrap();
    let talk = alice.node.api.chat_conversations().await.unwrap().remove(0);
    let backup = back_up(&alice.node.api).await;
    assert!(!backup.windows(4).any(|bytes| bytes == b"word"), "it is sealed");

    let api = alice.node.api.clone();
    api.stop().await;
    drop((api, alice));
    std::fs::remove_dir_all(network.directory("one").root()).unwrap();
    bob.node.api.chat_send(send(&alices, "meanwhile")).await.unwrap();
    let alice = network.mortal("one", &named("Alice")).await;
    let api = &alice.node.api;
    assert!(api.chat_conversations().await.unwrap().is_empty());
    let looked = restore(api, &backup, true).await.unwrap();
    assert!(looked.made_ms.is_some() && api.chat_people().await.unwrap().is_empty(), "a trial changes nothing");
    let restored = restore(api, &backup, false).await.unwrap();
    assert_eq!((restored.people, restored.conversations, restored.messages, restored.known), (1, 1, 2, 0));
    let known = api.chat_people().await.unwrap().remove(0);
    let compared = |person: ChatPerson| (person.verified_ms, person.safety_number, person.safety_words);
    assert_eq!(compared(known), compared(verified));
    let mut after = api.chat_read(ChatRead { to: "robert".to_owned(), before: None, limit: 10 }).await.unwrap();
    after.retain(|item| item.place < 2);
    assert_eq!(after, before);
    let search = ChatSearch { query: "second".to_owned(), to: None, before: None, limit: 20, offset_minutes: 0 };
    assert_eq!(api.chat_search(search).await.unwrap().hits.len(), 1);
    // It dials whom the backup says where to find, and is let in again.
    let back = alice
        .node
        .until("it goes on", async |api| {
            let talks = api.chat_conversations().await.unwrap();
            talks.into_iter().find(|talk| talk.member && !talk.restored)
        })
        .await;
    assert_eq!((&back.conversation, back.pinned, back.draft.as_str()), (&talk.conversation, true, "half a sen"));
    alice.node.api.chat_send(send("Robert", "I am back")).await.unwrap();
    let has =
        async |api: &PeerNode, to: &str, what: &str| texts(api, to).await.contains(&what.to_owned()).then_some(());
    bob.node.until("she is back", async |api| has(api, &alices, "I am back").await).await;
    bob.node.api.chat_send(send(&alices, "welcome")).await.unwrap();
    alice.node.until("he has answered", async |api| has(api, &bobs, "welcome").await).await;
    alice.node.until("what he said meanwhile", async |api| has(api, &bobs, "meanwhile").await).await;
    person(&bob.node, "all has arrived", |person| person.waiting == 0).await;
    let bobs_talks = bob.node.api.chat_conversations().await.unwrap();
    assert_eq!(bobs_talks.iter().map(|talk| &talk.conversation).collect::<Vec<_>>(), [&talk.conversation]);
    let again = restore(&alice.node.api, &backup, false).await.unwrap();
    assert_eq!((again.people, again.conversations, again.messages, again.known), (0, 0, 0, 2));
    check_refusals([&alice.node.api, &bob.node.api], &backup).await;
}

/// What is no whole backup of this node is refused, and nothing of it is taken.
async fn check_refusals([alice, bob]: [&PeerNode; 2], backup: &[u8]) {
    let mut damaged = backup.to_vec();
    damaged[backup.len() / 2] ^= 1;
    let twice = [backup, backup].concat();
    let cases: [(&str, &[u8], ErrorKind); 6] = [
        ("a text", b"hello, this is a letter and no backup", ErrorKind::ChatNoBackup),
        ("nothing", b"", ErrorKind::ChatNoBackup),
        ("damaged", &damaged, ErrorKind::ChatBackupDamaged),
        ("cut", &backup[..backup.len() - 1], ErrorKind::ChatBackupCut),
        ("more behind it", &[backup, b"x"].concat(), ErrorKind::ChatBackupCut),
        ("twice", &twice, ErrorKind::ChatBackupDamaged),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(restore(alice, bytes, true).await.unwrap_err().kind, expected, "{what}");
    }
    assert_eq!(restore(bob, backup, true).await.unwrap_err().kind, ErrorKind::ChatBackupOtherPhrase);
    let from_nowhere = ChatRestore { at: 7, bytes: Base64(Vec::new()), last: false, trial: true };
    assert_eq!(alice.chat_restore(from_nowhere).await.unwrap_err().kind, ErrorKind::ChatRestoreGap);
    let nowhere = ChatBackup { next: Some("a5".to_owned()) };
    assert_eq!(alice.chat_backup(nowhere).await.unwrap_err().kind, ErrorKind::InvalidParams);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_written_whole_and_never_over_another() {
    check_typed(&[
        ("chat backup talks.byway", true),
        ("chat backup talks.byway --replace", true),
        ("chat backup", false),
        ("chat restore talks.byway", true),
        ("chat restore", false),
    ]);
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let file = directory.join("talks.byway");
    let path = file.to_str().unwrap();
    let made = json(directory, &["chat", "backup", path]);
    assert_eq!((made["messages"].as_u64(), made["bytes"].as_u64()), (Some(4), Some(300 * 1024 + 3)));
    assert_eq!(std::fs::read(&file).unwrap().len(), 300 * 1024 + 3);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777, 0o600);
    let refused = failure(directory, &["chat", "backup", path]);
    assert!(refused.contains("--replace"), "{refused}");
    let output = byway(directory, &["chat", "backup", path, "--replace"]);
    assert!(text(&output.stdout).contains("Only your seed phrase opens it"), "{}", text(&output.stderr));
    let leftovers: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!leftovers.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{leftovers:?}");

    let restored = json(directory, &["chat", "restore", path]);
    assert_eq!((restored["messages"].as_u64(), restored["size"].as_u64()), (Some(4), Some(300 * 1024 + 3)));
    std::fs::write(&file, b"something else").unwrap();
    let refused = failure(directory, &["chat", "restore", path]);
    assert!(refused.contains("no backup of conversations"), "{refused}");
    let missing = failure(directory, &["chat", "restore", "nowhere.byway"]);
    assert!(missing.contains("nowhere.byway can't be read"), "{missing}");
}
