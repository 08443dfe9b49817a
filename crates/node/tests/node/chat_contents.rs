//! Polls, lists, memos, and what is true for a moment, between real nodes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use byway_node::api::*;
use byway_node::peer_node::PeerNode;

use super::chat::{acquainted, named};
use super::network::{Network, Node, key};

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_voted_in_and_closed() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    let (to_bob, to_alice) = (bobs.to_string(), alices.to_string());
    let show = |to: &str, item: &ChatItem| ChatShow { to: to.to_owned(), message: item.message.clone() };

    let options = vec!["at eight".to_owned(), "at nine".to_owned()];
    let ask = ChatPollAsk {
        to: to_bob.clone(),
        question: "When?".to_owned(),
        options,
        choices_max: 1,
        closes_ms: None,
        idempotency_key: key("poll"),
    };
    let poll = alice.node.api.chat_poll(ask.clone()).await.unwrap();
    assert_eq!(alice.node.api.chat_poll(ask.clone()).await.unwrap().message, poll.message);
    let other = ChatPollAsk { question: "Where?".to_owned(), ..ask.clone() };
    assert_eq!(alice.node.api.chat_poll(other).await.unwrap_err().kind, ErrorKind::IdempotencyConflict);
    let lonely = ChatPollAsk { options: vec!["yes".to_owned()], idempotency_key: key("lonely"), ..ask };
    assert_eq!(alice.node.api.chat_poll(lonely).await.unwrap_err().kind, ErrorKind::InvalidParams);

    let vote = |to: &str, choices: Vec<usize>| ChatVote { to: to.to_owned(), message: poll.message.clone(), choices };
    let is_there = show(&to_alice, &poll);
    bob.node.until("the poll has come", async |api| api.chat_show(is_there.clone()).await.ok()).await;
    let own = bob.node.api.chat_vote(vote(&to_alice, vec![1])).await.unwrap().poll.unwrap();
    assert_eq!((own.options[1].chosen, own.options[1].people.as_slice()), (true, &[bobs][..]));
    let both = bob.node.api.chat_vote(vote(&to_alice, vec![0, 1])).await.unwrap_err();
    assert_eq!(both.kind, ErrorKind::InvalidParams, "one chooses one");
    let asked = show(&to_bob, &poll);
    let counted = async |api: &byway_node::peer_node::PeerNode| {
        let poll = api.chat_show(asked.clone()).await.unwrap().poll.unwrap();
        (poll.options[1].people == [bobs] && !poll.options[1].chosen).then_some(())
    };
    alice.node.until("the vote counts", counted).await;
    let close = |to: &str| {
        let (to, message) = (to.to_owned(), poll.message.clone());
        ChatAbout { to, message, what: ChatAboutWhat::Close, value: None }
    };
    assert_eq!(bob.node.api.chat_about(close(&to_alice)).await.unwrap_err().kind, ErrorKind::ChatRefused);
    assert!(alice.node.api.chat_about(close(&to_bob)).await.unwrap().poll.unwrap().closed);
    let closed = async |api: &byway_node::peer_node::PeerNode| {
        api.chat_show(is_there.clone()).await.unwrap().poll.unwrap().closed.then_some(())
    };
    bob.node.until("the poll is closed", closed).await;
    let late = bob.node.api.chat_vote(vote(&to_alice, vec![0])).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::ChatPollClosed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_changed_by_both() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    let (to_bob, to_alice) = (bobs.to_string(), alices.to_string());
    let show = |to: &str, item: &ChatItem| ChatShow { to: to.to_owned(), message: item.message.clone() };

    let make = ChatListMake {
        to: to_bob.clone(),
        title: "shopping".to_owned(),
        style: ChatListStyle::Tasks,
        entries: vec!["bread".to_owned(), "cheese".to_owned()],
        idempotency_key: key("list"),
    };
    let list = alice.node.api.chat_list(make.clone()).await.unwrap();
    assert_eq!(alice.node.api.chat_list(make).await.unwrap().message, list.message, "it is one list");
    let entries = list.list.clone().unwrap().entries;
    let edit = |what, entry: Option<usize>| {
        let entry = entry.map(|place| entries[place].entry.clone());
        ChatListEdit { what, entry, text: None, behind: None, assignee: None }
    };
    let change = |to: &str, changes| ChatListChange { to: to.to_owned(), message: list.message.clone(), changes };
    let is_there = show(&to_alice, &list);
    bob.node.until("the list has come", async |api| api.chat_show(is_there.clone()).await.ok()).await;
    let add = ChatListEdit { text: Some("wine".to_owned()), ..edit(ChatListWhat::Add, None) };
    let more = ChatListEdit { text: Some("water".to_owned()), ..add.clone() };
    bob.node.api.chat_list_change(change(&to_alice, vec![add, more])).await.unwrap();
    let give = ChatListEdit { assignee: Some(bobs), ..edit(ChatListWhat::Assign, Some(1)) };
    let top = edit(ChatListWhat::Move, Some(1));
    let done = vec![edit(ChatListWhat::Check, Some(0)), give, top];
    alice.node.api.chat_list_change(change(&to_bob, done)).await.unwrap();
    let of_list = show(&to_bob, &list);
    let expected =
        [("cheese", false, Some(bobs)), ("bread", true, None), ("wine", false, None), ("water", false, None)];
    for (node, request) in [(&alice.node, &of_list), (&bob.node, &is_there)] {
        let same = async |api: &byway_node::peer_node::PeerNode| {
            let entries = api.chat_show(request.clone()).await.unwrap().list.unwrap().entries;
            let seen = entries.iter().map(|entry| (entry.text.as_str(), entry.done, entry.assignee));
            seen.eq(expected).then_some(())
        };
        node.until("both have made their changes", same).await;
    }
    let gone =
        alice.node.api.chat_list_change(change(&to_bob, vec![edit(ChatListWhat::Remove, Some(0))])).await.unwrap();
    assert_eq!(gone.list.unwrap().entries.len(), 3);
    let again = alice.node.api.chat_list_change(change(&to_bob, vec![edit(ChatListWhat::Check, Some(0))])).await;
    assert_eq!(again.unwrap_err().kind, ErrorKind::InvalidParams, "it is not there any more");
    let misfit = ChatVote { to: to_bob.clone(), message: list.message.clone(), choices: vec![0] };
    assert_eq!(alice.node.api.chat_vote(misfit).await.unwrap_err().kind, ErrorKind::ChatMisfit);
}

#[tokio::test(flavor = "multi_thread")]
async fn memos_are_for_oneself_and_signs_are_told_as_the_user_wants() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let [alices, bobs] = [&alice, &bob].map(|who| who.node.api.identity());
    let memo = ChatMemo { text: "buy **bread**".to_owned(), remind_ms: None, idempotency_key: key("memo") };
    let noted = alice.node.api.chat_memo(memo.clone()).await.unwrap();
    assert_eq!(alice.node.api.chat_memo(memo).await.unwrap().message, noted.message);
    let mine = ChatRead { to: "me".to_owned(), before: None, limit: 10 };
    let read = alice.node.api.chat_read(mine.clone()).await.unwrap();
    assert_eq!((read.len(), read[0].kind.as_str(), read[0].text.as_str()), (1, "memo", "buy **bread**"));
    assert_eq!(bob.node.api.chat_read(mine).await.unwrap_err().kind, ErrorKind::ChatNotFound);
    assert_eq!(bob.node.api.chat_conversations().await.unwrap().len(), 1, "nobody else has it");
    let own = alice.node.api.chat_conversations().await.unwrap();
    let own = own.iter().find(|talk| talk.peer == Some(alices)).unwrap();
    assert_eq!((own.title.as_str(), own.members.as_slice(), own.unread), ("Notes to yourself", &[alices][..], 0));

    // Of what is said in this order, only what may be told is heard.
    let mut events = bob.node.api.events();
    let typing = |typing| ChatTyping { to: bobs.to_string(), typing };
    let tells = |typing| ChatTellsSet { typing: Some(typing), presence: None, read_marks: None };
    assert_eq!(
        alice.node.api.chat_tells(tells(false)).await.unwrap(),
        ChatTells { typing: false, ..ChatTells::default() }
    );
    alice.node.api.chat_typing(typing(false)).await.unwrap();
    alice.node.api.chat_tells(tells(true)).await.unwrap();
    alice.node.api.chat_typing(typing(true)).await.unwrap();
    let presence = ChatPresenceSet { presence: ChatPresence::Busy };
    alice.node.api.chat_presence(presence.clone()).await.unwrap();
    let mut signs = Vec::new();
    while signs.len() < 2 {
        let event: Arc<Event> = tokio::time::timeout(super::network::SOON, events.recv()).await.unwrap().unwrap();
        if let Event::ChatSign(sign) = &*event {
            assert_eq!(sign.person, alices);
            signs.push((sign.typing, sign.presence));
        }
    }
    assert_eq!(signs, [(Some(true), None), (None, Some(ChatPresence::Busy))]);

    // What is kept of a conversation is for oneself.
    let keep_nothing =
        ChatKeep { to: bobs.to_string(), draft: None, pinned: None, muted_until_ms: None, marked_unread: None };
    let (draft, until) = (Some("dear Bob".to_owned()), Some(byway_primitives::Time(u64::MAX)));
    let keep = ChatKeep {
        draft,
        pinned: Some(true),
        muted_until_ms: until,
        marked_unread: Some(true),
        ..keep_nothing.clone()
    };
    let kept = alice.node.api.chat_keep(keep).await.unwrap();
    assert_eq!(
        (kept.draft.as_str(), kept.pinned, kept.muted_until_ms, kept.marked_unread),
        ("dear Bob", true, until, true)
    );
    assert_eq!(alice.node.api.chat_conversations().await.unwrap()[0].peer, Some(bobs), "what is pinned comes first");
    let untouched = bob.node.api.chat_conversations().await.unwrap().remove(0);
    assert!(!untouched.pinned && untouched.draft.is_empty(), "nobody else hears of it");
    let read = alice.node.api.chat_mark(ChatMark { to: bobs.to_string(), tell: false }).await.unwrap();
    assert!(!read.marked_unread && read.pinned);

    // What was chosen stays chosen, and read marks are among it.
    alice.node.api.chat_tells(ChatTellsSet { typing: None, presence: None, read_marks: Some(false) }).await.unwrap();
    drop(alice);
    let alice = network.mortal("one", &named("Alice")).await;
    let nothing = ChatTellsSet { typing: None, presence: None, read_marks: None };
    let over = ChatKeep { muted_until_ms: Some(byway_primitives::Time(1)), ..keep_nothing };
    let own = alice.node.api.chat_keep(over).await.unwrap();
    assert_eq!((own.draft.as_str(), own.pinned, own.muted_until_ms), ("dear Bob", true, None));
    let kept = alice.node.api.chat_tells(nothing).await.unwrap();
    assert_eq!(kept, ChatTells { typing: true, presence: true, read_marks: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_reminded_once_of_what_one_noted() {
    let network = Network::start(&["one"], &[]).await;
    let alice = network.node("one", &named("Alice")).await;
    let mut told = alice.api.events();
    note(&alice, "soon", 1_000).await;
    note(&alice, "much later", 86_400_000).await;
    assert_eq!(until_reminded(&mut told, "soon").await, ["soon"]);
    note(&alice, "while the node may be down", 1_000).await;
    alice.stop().await;

    let alice = network.node("one", &named("Alice")).await;
    let mut told = alice.api.events();
    let both = async |api: &PeerNode| {
        let shown = api.chat_reminders().await.unwrap().into_iter().map(|item| item.text);
        (shown.collect::<Vec<_>>() == ["soon", "while the node may be down"]).then_some(())
    };
    alice.until("what came is shown to whoever comes to watch", both).await;
    // This one comes behind all that is told of what was before.
    note(&alice, "at once", 1_000).await;
    let since = until_reminded(&mut told, "at once").await;
    assert!(!since.contains(&"soon".to_owned()), "told twice: {since:?}");
    let gone = alice.api.chat_reminders().await.unwrap().remove(0);
    let delete = ChatAbout { to: "me".to_owned(), message: gone.message, what: ChatAboutWhat::Delete, value: None };
    alice.api.chat_about(delete).await.unwrap();
    let left = alice.api.chat_reminders().await.unwrap();
    assert_eq!(left.len(), 2, "of what was deleted nobody is reminded");
}

/// Notes something of which one wants to be reminded in so many milliseconds.
async fn note(node: &Node, text: &str, within_ms: u64) {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let (remind_ms, idempotency_key) = (Some(byway_primitives::Time(now_ms + within_ms)), key(&hex::encode(text)));
    node.api.chat_memo(ChatMemo { text: text.to_owned(), remind_ms, idempotency_key }).await.unwrap();
}

/// What whoever watches is reminded of, up to this note.
async fn until_reminded(told: &mut Events, last: &str) -> Vec<String> {
    let seen = async {
        let mut texts: Vec<String> = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            if let Event::ChatReminder(item) = &*told.recv().await.unwrap() {
                texts.push(item.text.clone());
            }
        }
        texts
    };
    tokio::time::timeout(super::network::SOON, seen).await.unwrap_or_else(|_| panic!("nobody was reminded of {last}"))
}
