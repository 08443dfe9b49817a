//! Those who are called by name in what is said, between real nodes.

use byway_node::api::*;
use byway_primitives::IdentityId;

use super::chat::{named, person};
use super::network::{Mortal, Network, Node, key};

const GROUP: &str = "Walk";

/// Alice has the others for contacts, and founds a group with the first two of them.
async fn walkers(network: &Network) -> Vec<Mortal> {
    let mut people = Vec::new();
    for (place, name) in [("one", "Alice"), ("two", "Bob"), ("three", "Carol"), ("four", "Dave")] {
        people.push(network.mortal(place, &named(name)).await);
    }
    for other in &people[1..] {
        let link = people[0].node.api.chat_invite(ChatInviteMake { days: None, note: None }).await.unwrap().link;
        other.node.api.chat_accept(ChatAccept { who: link }).await.unwrap();
        person(&other.node, "Alice has agreed", |person| person.standing == ChatStanding::Contact).await;
    }
    let with = ["Bob", "Carol"].map(str::to_owned).to_vec();
    let create = ChatGroupCreate { title: GROUP.to_owned(), with, idempotency_key: key("walk") };
    people[0].node.api.chat_group_create(create).await.unwrap();
    for member in &people[..3] {
        until(&member.node, "three are in", |talk| talk.member && talk.members.len() == 3).await;
    }
    people
}

async fn until(node: &Node, what: &str, is_so: impl Fn(&ChatConversation) -> bool) -> ChatConversation {
    let find = async |api: &byway_node::peer_node::PeerNode| {
        let all = api.chat_conversations().await.unwrap();
        all.into_iter().find(|talk| talk.title == GROUP && is_so(talk))
    };
    node.until(what, find).await
}

fn says(text: &str) -> impl Fn(&ChatConversation) -> bool {
    move |talk| talk.newest.as_ref().is_some_and(|item| item.text == text)
}

/// Whether the newest message calls our person, and whether the conversation says that one does.
fn told(talk: &ChatConversation) -> (bool, bool) {
    (talk.newest.as_ref().unwrap().mentions_me, talk.mentioned)
}

/// Says it in the group: the `nth` thing that is said.
fn send(nth: u8, text: &str) -> ChatSend {
    let (to, text) = (GROUP.to_owned(), text.to_owned());
    ChatSend { to, text, reply: None, thread: None, idempotency_key: key(&format!("say-{nth}")) }
}

fn mention(who: IdentityId) -> String {
    format!("[@whoever](mention:{who})")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_mentioned_is_told_and_nobody_else() {
    let network = Network::start(&["one", "two", "three", "four"], &[]).await;
    let people = walkers(&network).await;
    let [alice, bob, carol, dave] = [0, 1, 2, 3].map(|who| &people[who].node);

    let text = format!("**{}** and {}, `{}`", mention(bob.api.identity()), mention(dave.api.identity()), "@Carol");
    let said = alice.api.chat_send(send(1, &text)).await.unwrap();
    assert!(!said.mentions_me, "nobody is told of what they say themselves");
    assert_eq!(told(&until(bob, "Bob hears it", says(&text)).await), (true, true));
    assert_eq!(told(&until(carol, "Carol hears it", says(&text)).await), (false, false));

    let text = format!("{}, and {} as well", text, mention(carol.api.identity()));
    let (what, value) = (ChatAboutWhat::Edit, Some(text.clone()));
    let edit = ChatAbout { to: GROUP.to_owned(), message: said.message.clone(), what, value };
    alice.api.chat_about(edit).await.unwrap();
    assert_eq!(told(&until(bob, "Bob sees the edit", says(&text)).await), (true, true));
    assert_eq!(told(&until(carol, "Carol sees the edit", says(&text)).await), (true, true));
    let read = carol.api.chat_mark(ChatMark { to: GROUP.to_owned(), tell: false }).await.unwrap();
    assert_eq!(told(&read), (true, false), "what was read is no news");

    // Whoever comes later is told of what calls them from then on, also where something newer calls nobody.
    let add =
        ChatGroupChange { to: GROUP.to_owned(), what: ChatGroupWhat::Add, who: vec!["Dave".to_owned()], title: None };
    alice.api.chat_group_change(add).await.unwrap();
    until(dave, "Dave is in", |talk| talk.member).await;
    until(alice, "Dave is in", |talk| talk.members.len() == 4).await;
    let again = format!("{}!", mention(dave.api.identity()));
    alice.api.chat_send(send(2, &again)).await.unwrap();
    assert_eq!(told(&until(dave, "Dave is called", says(&again)).await), (true, true));
    alice.api.chat_send(send(3, "let's go")).await.unwrap();
    assert_eq!(told(&until(dave, "and they go", says("let's go")).await), (false, true));
}
