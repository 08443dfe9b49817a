//! Groups of real nodes.

use byway_node::api::*;

use super::chat::{named, person, send, texts};
use super::network::{Mortal, Network, Node, key};

const NAMES: [&str; 5] = ["Alice", "Bob", "Carol", "Dave", "Erin"];
const PLACES: [&str; 5] = ["one", "two", "three", "four", "five"];
const GROUP: &str = "Five";

async fn start(network: &Network, who: usize) -> Mortal {
    network.mortal(PLACES[who], &named(NAMES[who])).await
}

fn change(what: ChatGroupWhat, who: &str) -> ChatGroupChange {
    ChatGroupChange { to: GROUP.to_owned(), what, who: vec![who.to_owned()], title: None }
}

async fn group(node: &Node) -> Option<ChatConversation> {
    node.api.chat_conversations().await.unwrap().into_iter().find(|talk| talk.title == GROUP)
}

async fn until_members(node: &Node, count: usize) {
    let what = format!("{count} in the group");
    let is_so = |talk: &ChatConversation| talk.member && talk.members.len() == count;
    node.until(&what, async |_| group(node).await.filter(is_so)).await;
}

/// All that was said, whatever the order: everything, and everything once.
async fn until_said(node: &Node, expected: &[&str]) {
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    let what = format!("{expected:?}");
    node.until(&what, async |api| {
        group(node).await?;
        let mut said = texts(api, GROUP).await;
        said.sort();
        (said == expected).then_some(())
    })
    .await;
}

/// Alice has all others for contacts, and they don't know each other.
async fn acquainted(network: &Network) -> Vec<Mortal> {
    let mut people = Vec::new();
    for who in 0..5 {
        people.push(start(network, who).await);
    }
    for other in &people[1..] {
        let link = people[0].node.api.chat_invite(ChatInviteMake { days: None, note: None }).await.unwrap().link;
        other.node.api.chat_accept(ChatAccept { who: link }).await.unwrap();
        person(&other.node, "Alice has agreed", |person| person.standing == ChatStanding::Contact).await;
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn five_in_a_group_have_everything_once_while_one_is_killed_and_one_removed() {
    let network = Network::start(&PLACES, &[]).await;
    let mut people = acquainted(&network).await;
    let create = ChatGroupCreate {
        title: GROUP.to_owned(),
        with: NAMES[1..].iter().map(|name| (*name).to_owned()).collect(),
        idempotency_key: key("group"),
    };
    let founded = people[0].node.api.chat_group_create(create).await.unwrap();
    assert_eq!(founded.group.unwrap().members.iter().filter(|member| member.role == ChatRole::Founder).count(), 1);
    for member in &people {
        until_members(&member.node, 5).await;
    }
    let mut all: Vec<&str> = Vec::new();
    for (member, text) in people.iter().zip(["a", "b", "c", "d", "e"]) {
        member.node.api.chat_send(send(GROUP, text)).await.unwrap();
        all.push(text);
    }
    for member in &people {
        until_said(&member.node, &all).await;
    }

    // Carol's node stops, and the others go on.
    drop(people.remove(2));
    people[1].node.api.chat_send(send(GROUP, "where is Carol?")).await.unwrap();
    all.push("where is Carol?");
    let may_not = people[1].node.api.chat_group_change(change(ChatGroupWhat::Remove, NAMES[0])).await;
    assert!(may_not.is_err());
    people[0].node.api.chat_group_change(change(ChatGroupWhat::Remove, "Erin")).await.unwrap();
    until_members(&people[0].node, 4).await;
    until_said(&people[3].node, &all).await;
    people[3].node.until("she is out", async |_| group(&people[3].node).await.filter(|talk| !talk.member)).await;
    let refused = people[3].node.api.chat_send(send(GROUP, "hello?")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ChatNotMember);
    let heard = all.clone();
    until_members(&people[1].node, 4).await;
    people[1].node.api.chat_send(send(GROUP, "without Erin")).await.unwrap();
    all.push("without Erin");

    // She comes back under another address, and has missed nothing.
    people.insert(2, start(&network, 2).await);
    let card = people[2].node.api.identity_card().await.unwrap().card;
    people[0].node.api.chat_accept(ChatAccept { who: card }).await.unwrap();
    until_members(&people[2].node, 4).await;
    people[2].node.api.chat_send(send(GROUP, "here I am")).await.unwrap();
    all.push("here I am");
    for who in [0, 1, 2, 3] {
        until_said(&people[who].node, &all).await;
    }
    let mut erins = texts(&people[4].node.api, GROUP).await;
    erins.sort();
    let mut heard: Vec<String> = heard.into_iter().map(str::to_owned).collect();
    heard.sort();
    assert_eq!(erins, heard);
}
