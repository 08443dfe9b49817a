//! Files of conversations between real nodes, and over bare links with somebody who lies.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use byway_chat::attachment::FilePlace;
use byway_chat::attachment::tree::GROUP_BYTES;
use byway_chat::attachment::wire::{FileHeader, FileReply};
use byway_chat::content::bounded::BoundedText;
use byway_chat::content::post::{Attachment, AttachmentKey};
use byway_crypto::noise::StaticKey;
use byway_driver::link::{Config, Event as LinkEvent, Limits, Link, Links, StreamSend};
use byway_node::api::*;
use byway_node::attachments::carry::{self, FetchError};
use byway_node::attachments::{FileError, FileStore};
use byway_node::peer_node::PeerNode;
use byway_primitives::Decode;
use byway_primitives::hash::Context;
use tokio::sync::mpsc::Receiver;

use super::chat::{acquainted, named};
use super::network::{Network, Node, key};

const PICTURE: Context = Context("byway test: bytes of a picture");

/// Bytes that begin as a picture does, different everywhere.
fn picture(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    PICTURE.expand(&[], &mut bytes);
    bytes[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
    bytes
}

async fn upload(api: &PeerNode, name: &str, bytes: &[u8]) -> ChatFile {
    let upload = key(&format!("upload-{}", hex::encode(name)));
    let mut at = 0;
    for part in bytes.chunks(PART_BYTES_MAX) {
        let part = ChatUploadPart { upload: upload.clone(), at, bytes: Base64(part.to_vec()) };
        at = api.chat_upload(part).await.unwrap().size;
    }
    assert_eq!(at, bytes.len() as u64);
    let (media_type, width, height, duration_ms, thumbnail) = (None, None, None, None, None);
    ChatFile { upload, name: name.to_owned(), media_type, width, height, duration_ms, thumbnail }
}

fn attach(to: &str, file: ChatFile) -> ChatAttach {
    let idempotency_key = key(&format!("attach-{}", file.name.len()));
    let (to, text) = (to.to_owned(), Some("look".to_owned()));
    ChatAttach { to, files: vec![file], text, reply: None, thread: None, levels: None, idempotency_key }
}

async fn read(api: &PeerNode, to: &str, message: &str) -> (Vec<u8>, Option<String>) {
    let (mut bytes, mut shown_as) = (Vec::new(), None);
    loop {
        let at = bytes.len() as u64;
        let request = ChatFileRead { to: to.to_owned(), message: message.to_owned(), number: 0, at };
        let part = api.chat_file(request).await.unwrap();
        if part.bytes.0.is_empty() {
            assert_eq!(part.size, bytes.len() as u64);
            return (bytes, shown_as);
        }
        shown_as = shown_as.or(part.shown_as);
        bytes.extend(part.bytes.0);
    }
}

fn fetch(to: &str, message: &str, wait: bool) -> ChatFetch {
    ChatFetch { to: to.to_owned(), message: message.to_owned(), number: 0, wait }
}

/// The newest message, once it is there as wanted.
async fn newest(node: &Node, to: &str, what: &str, is_it: impl Fn(&ChatItem) -> bool) -> ChatItem {
    let request = ChatRead { to: to.to_owned(), before: None, limit: 1 };
    node.until(what, async |api| {
        let items = api.chat_read(request.clone()).await.unwrap_or_default();
        items.into_iter().next().filter(|item| is_it(item))
    })
    .await
}

/// The one file with this ending that a node of this name keeps.
fn kept(network: &Network, name: &str, ending: Option<&str>) -> Option<PathBuf> {
    let folder = network.directory(name).root().join("attachments");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = paths.filter(|path| path.extension().map(|is| is.to_str().unwrap()) == ending);
    let first = found.next();
    assert_eq!(found.next(), None, "there is one");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_picture_comes_by_itself_and_goes_with_its_message() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());
    let bytes = picture(3 * GROUP_BYTES + 17);
    let file = upload(&alice.node.api, "../holiday.png", &bytes).await;
    let request = attach(&bobs, file);
    let said = alice.node.api.chat_attach(request.clone()).await.unwrap();
    assert_eq!(said.attachments[0].state, ChatFileState::Here);
    assert_eq!(alice.node.api.chat_attach(request.clone()).await.unwrap().message, said.message, "it is said once");
    let gone = ChatAttach { idempotency_key: key("another"), ..request };
    assert_eq!(alice.node.api.chat_attach(gone).await.unwrap_err().kind, ErrorKind::ChatUploadNotFound);

    let here = |item: &ChatItem| item.attachments.first().is_some_and(|file| file.state == ChatFileState::Here);
    let came = newest(&bob.node, &alices, "the picture has come", here).await;
    let shown = &came.attachments[0];
    assert_eq!((shown.name.as_str(), shown.cautions.as_slice()), ("holiday.png", &["place".to_owned()][..]));
    assert_eq!((shown.size, shown.media_type.as_str(), came.text.as_str()), (bytes.len() as u64, "image/png", "look"));
    let (read, shown_as) = read(&bob.node.api, &alices, &came.message).await;
    assert!(read == bytes, "the bytes that were sent");
    assert_eq!(shown_as.as_deref(), Some("image/png"));
    let sealed = std::fs::read(kept(&network, "other", None).unwrap()).unwrap();
    assert!(!sealed.windows(8).any(|part| part == &bytes[1000..1008]), "it lies there sealed");

    let delete = ChatAbout { to: bobs, message: said.message, what: ChatAboutWhat::Delete, value: None };
    alice.node.api.chat_about(delete).await.unwrap();
    newest(&bob.node, &alices, "it is deleted", |item| item.deleted && item.attachments.is_empty()).await;
    for (name, ending) in [("one", None), ("one", Some("tree")), ("other", None), ("other", Some("tree"))] {
        assert_eq!(kept(&network, name, ending), None, "{name}");
    }
}

/// A message with more of them than it holds is refused before the uploads are used up: they go without.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_outlive_a_message_that_is_too_long_for_their_small_pictures() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let bobs = bob.node.api.identity().to_string();
    let mut files = Vec::new();
    for name in ["a.png", "bb.png", "ccc.png"] {
        let file = upload(&alice.node.api, name, &picture(100)).await;
        files.push(ChatFile { thumbnail: Some(Base64(picture(30_000))), ..file });
    }
    let request = ChatAttach { files: files.clone(), ..attach(&bobs, files[0].clone()) };
    let refused = alice.node.api.chat_attach(request.clone()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidParams, "{refused}");
    let without = files.into_iter().map(|file| ChatFile { thumbnail: None, ..file }).collect();
    let said = alice.node.api.chat_attach(ChatAttach { files: without, ..request }).await.unwrap();
    assert_eq!(said.attachments.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_goes_on_after_both_have_restarted_from_what_was_checked() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());
    let bytes = picture(12 * GROUP_BYTES);
    let file = upload(&alice.node.api, "film.bin", &bytes).await;
    let file = ChatFile { media_type: Some("application/x-film".to_owned()), ..file };
    let said = alice.node.api.chat_attach(attach(&bobs, file)).await.unwrap();
    let away = |item: &ChatItem| item.attachments.first().is_some_and(|file| file.state == ChatFileState::Away);
    newest(&bob.node, &alices, "the message has come", away).await;
    let unfetched = ChatFileRead { to: alices.clone(), message: said.message.clone(), number: 0, at: 0 };
    assert_eq!(bob.node.api.chat_file(unfetched).await.unwrap_err().kind, ErrorKind::ChatFileNotHere);
    let none = ChatFetch { number: 1, ..fetch(&alices, &said.message, false) };
    assert_eq!(bob.node.api.chat_fetch(none).await.unwrap_err().kind, ErrorKind::ChatFileNotFound);

    // Of hers half is gone: the stream is cut there, and what came before is kept.
    let hers = kept(&network, "one", None).unwrap();
    let whole = std::fs::read(&hers).unwrap();
    std::fs::write(&hers, &whole[..6 * GROUP_BYTES + 5]).unwrap();
    bob.node.api.chat_fetch(fetch(&alices, &said.message, false)).await.unwrap();
    let half = (6 * GROUP_BYTES) as u64;
    let is_half = || kept(&network, "other", Some("part")).is_some_and(|part| part.metadata().unwrap().len() == half);
    bob.node.until("half of it is there", async |_| is_half().then_some(())).await;
    drop((alice, bob));
    // What was written last before the crash is half there.
    let part = kept(&network, "other", Some("part")).unwrap();
    std::fs::write(&part, &whole[..6 * GROUP_BYTES - 7]).unwrap();
    // Whoever began anew would find nothing to begin with.
    let mut rest = whole.clone();
    rest[..GROUP_BYTES].fill(0);
    std::fs::write(&hers, rest).unwrap();

    let alice = network.mortal("one", &named("Alice")).await;
    let bob = network.mortal("other", &named("Bob")).await;
    let who = alice.node.api.identity_card().await.unwrap().card;
    bob.node.api.chat_accept(ChatAccept { who }).await.unwrap();
    let here = |item: &ChatItem| item.attachments[0].state == ChatFileState::Here;
    newest(&bob.node, &alices, "it is whole", here).await;
    assert!(read(&bob.node.api, &alices, &said.message).await.0 == bytes, "the bytes that were sent");
    assert_eq!(kept(&network, "other", Some("part")), None);
    let again = bob.node.api.chat_fetch(fetch(&alices, &said.message, true)).await.unwrap();
    assert_eq!(again.state, ChatFileState::Here, "it is fetched once");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_come_by_themselves_leave_half_of_the_room() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity().to_string());
    drop(bob);
    let bob = network.mortal("other", &format!("{}attachments_max_mb = 1\n", named("Bob"))).await;
    let who = alice.node.api.identity_card().await.unwrap().card;
    bob.node.api.chat_accept(ChatAccept { who }).await.unwrap();
    let is = |item: &ChatItem, state| item.attachments.first().is_some_and(|file| file.state == state);
    let file = upload(&alice.node.api, "1.png", &picture(400_000)).await;
    alice.node.api.chat_attach(attach(&bobs, file)).await.unwrap();
    newest(&bob.node, &alices, "there is room for it", |item| is(item, ChatFileState::Here)).await;
    let file = upload(&alice.node.api, "22.png", &picture(300_000)).await;
    let said = alice.node.api.chat_attach(attach(&bobs, file)).await.unwrap();
    newest(&bob.node, &alices, "it has come", |item| item.message == said.message).await;
    let item = newest(&bob.node, &alices, "what has become of it", |item| item.message == said.message).await;
    assert!(is(&item, ChatFileState::Away), "the rest is for what Bob asks for: {item:?}");
    bob.node.api.chat_fetch(fetch(&alices, &said.message, true)).await.unwrap();
    newest(&bob.node, &alices, "as he does", |item| is(item, ChatFileState::Here)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_no_more_room_than_the_user_says() {
    let network = Network::start(&["one", "other"], &[]).await;
    let small = format!("{}attachments_max_mb = 1\n", named("Alice"));
    let alice = network.mortal("one", &small).await;
    let bytes = picture(2 << 20);
    let upload = key("large");
    let parts = bytes.chunks(PART_BYTES_MAX).enumerate().map(|(place, part)| ChatUploadPart {
        upload: upload.clone(),
        at: (place * PART_BYTES_MAX) as u64,
        bytes: Base64(part.to_vec()),
    });
    let mut refused = None;
    for part in parts {
        if let Err(error) = alice.node.api.chat_upload(part).await {
            refused = Some(error.kind);
            break;
        }
    }
    assert_eq!(refused, Some(ErrorKind::ChatFilesFull));
    assert_eq!(kept(&network, "one", Some("up")), None, "what was begun is gone");
    let gap = ChatUploadPart { upload, at: 5, bytes: Base64(vec![1]) };
    assert_eq!(alice.node.api.chat_upload(gap).await.unwrap_err().kind, ErrorKind::ChatUploadGap);
}

/// Two ends of a link.
struct Ends {
    to_sender: Link,
    sender: Receiver<LinkEvent>,
    _links: [Links; 2],
}

async fn ends() -> Ends {
    let bind = |seed| {
        let bind = vec!["127.0.0.1:0".parse().unwrap()];
        Links::bind(Config { bind, relay: None, seed: [seed; 32], limits: Limits::default() })
    };
    let (sending, sender) = bind(1).await.unwrap();
    let (fetching, _events) = bind(2).await.unwrap();
    let contact = sending.contact(StaticKey([7; 32])).unwrap();
    let to_sender = fetching.connect(&contact).await.unwrap();
    tokio::spawn(async move {
        let mut events = _events;
        while events.recv().await.is_some() {}
    });
    Ends { to_sender, sender, _links: [sending, fetching] }
}

impl Ends {
    /// The next stream that was opened for a file.
    async fn asked(&mut self) -> (FileHeader, StreamSend) {
        loop {
            match self.sender.recv().await.unwrap() {
                LinkEvent::Stream { header, send, .. } => return (FileHeader::from_bytes(&header).unwrap(), send),
                _ => continue,
            }
        }
    }
}

/// A store with a file in it.
fn filled(folder: PathBuf, bytes: &[u8]) -> (FileStore, Attachment) {
    let store = FileStore::open(folder, u64::MAX).unwrap();
    store.write_upload("one", 0, bytes, || AttachmentKey([3; 32])).unwrap();
    let uploaded = store.finish_upload("one").unwrap();
    let attachment = Attachment {
        name: BoundedText::new("film.bin").unwrap(),
        media_type: BoundedText::new("application/x-film").unwrap(),
        size: uploaded.size,
        root: uploaded.root,
        key: uploaded.key,
        shape: None,
        duration: None,
        thumbnail: None,
    };
    (store, attachment)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_other_bytes_is_refused_and_nothing_of_them_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, file) = filled(folder.path().join("theirs"), &picture(5 * GROUP_BYTES));
    let place = FilePlace::of(&file).0.to_string();
    let sealed = std::fs::read(folder.path().join("theirs").join(&place)).unwrap();
    let values = std::fs::read(folder.path().join("theirs").join(&place).with_extension("tree")).unwrap();
    let own = folder.path().join("own");
    let store = FileStore::open(own.clone(), file.size + values.len() as u64).unwrap();
    let mut ends = ends().await;
    let take = |ends: &Ends, fetched: &Arc<AtomicU64>| {
        tokio::spawn(carry::take(store.clone(), file.clone(), ends.to_sender.clone(), fetched.clone()))
    };
    let fetched = Arc::new(AtomicU64::new(0));

    // Values that don't make up the name.
    let taking = take(&ends, &fetched);
    let (header, mut send) = ends.asked().await;
    assert_eq!((header.root, header.from), (file.root, 0));
    let mut wrong = values.clone();
    wrong[33] ^= 1;
    send.write_all(&[&[FileReply::Follows.byte()][..], &wrong, &sealed].concat()).await.unwrap();
    assert!(matches!(taking.await.unwrap(), Err(FetchError::File(FileError::Untrue(_)))));
    assert_eq!((fetched.load(Ordering::Relaxed), store.kept_bytes()), (0, 0));

    // Good values, two good groups, and one of something else. What a crash had left of the values is replaced.
    std::fs::write(own.join(&place).with_extension("tree"), &values[..40]).unwrap();
    let store = FileStore::open(own.clone(), file.size + values.len() as u64).unwrap();
    let take = |ends: &Ends, fetched: &Arc<AtomicU64>| {
        tokio::spawn(carry::take(store.clone(), file.clone(), ends.to_sender.clone(), fetched.clone()))
    };
    let taking = take(&ends, &fetched);
    let (_, mut send) = ends.asked().await;
    let mut wrong = sealed.clone();
    wrong[2 * GROUP_BYTES + 9] ^= 1;
    send.write_all(&[&[FileReply::Follows.byte()][..], &values, &wrong].concat()).await.unwrap();
    assert!(matches!(taking.await.unwrap(), Err(FetchError::File(FileError::Untrue(_)))));
    let part = std::fs::read(own.join(&place).with_extension("part")).unwrap();
    assert!(part == sealed[..2 * GROUP_BYTES] && !store.has(FilePlace::of(&file)), "what was checked is kept");

    // Neither those who don't have it nor those who say nothing that makes sense are liars.
    for (byte, is_busy) in [(1, false), (2, true), (77, false)] {
        let taking = take(&ends, &fetched);
        let (_, mut send) = ends.asked().await;
        send.write_all(&[byte]).await.unwrap();
        let refused = taking.await.unwrap().unwrap_err();
        assert_eq!(matches!(refused, FetchError::Busy), is_busy, "{refused}");
        assert!(matches!(refused, FetchError::Busy | FetchError::NotThere), "{refused}");
    }

    // Whoever tells the truth is asked for the rest.
    let taking = take(&ends, &fetched);
    let (header, send) = ends.asked().await;
    assert_eq!(header.from, 2);
    carry::give(theirs.clone(), vec![file.clone()], header.from, send).await.unwrap();
    taking.await.unwrap().unwrap();
    assert!(std::fs::read(own.join(&place)).unwrap() == sealed && store.has(FilePlace::of(&file)));
    assert_eq!(store.kept_bytes(), file.size + values.len() as u64, "it is counted once");
    store.forget(FilePlace::of(&file));
    assert_eq!(store.kept_bytes(), 0);

    // A file with another key lies elsewhere: it is not here.
    let named = Attachment { key: AttachmentKey([4; 32]), ..file.clone() };
    let taking = take(&ends, &fetched);
    let (header, send) = ends.asked().await;
    carry::give(theirs, vec![named], header.from, send).await.unwrap();
    assert!(matches!(taking.await.unwrap(), Err(FetchError::NotThere)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_what_its_disk_has_damaged_finds_out_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Too much to be on its way whole before it is refused.
    let (theirs, file) = filled(folder.path().join("theirs"), &picture(128 * GROUP_BYTES));
    let lies_at = folder.path().join("theirs").join(FilePlace::of(&file).0.to_string());
    let mut bytes = std::fs::read(&lies_at).unwrap();
    bytes[GROUP_BYTES + 9] ^= 1;
    std::fs::write(&lies_at, &bytes).unwrap();
    let own = FileStore::open(folder.path().join("own"), 2 * file.size).unwrap();
    let mut ends = ends().await;
    let taking = tokio::spawn(carry::take(own, file.clone(), ends.to_sender.clone(), Arc::default()));
    let (header, send) = ends.asked().await;
    let given = carry::give(theirs, vec![file], header.from, send).await;
    assert!(matches!(given, Err(FetchError::File(FileError::Damaged))), "{given:?}");
    assert!(matches!(taking.await.unwrap(), Err(FetchError::File(FileError::Untrue(_)))));
}
