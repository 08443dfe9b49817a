//! Groups: `byway chat group`.

use super::args::{ChatGroupCommand, GivenRole};
use super::wallet::show;
use super::{Globals, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn group(globals: &Globals, client: &Client, command: ChatGroupCommand) -> anyhow::Result<()> {
    let change = |to: String, what: ChatGroupWhat, who: Vec<String>| ChatGroupChange { to, what, who, title: None };
    let request = match command {
        ChatGroupCommand::Create { title, with } => {
            let request = ChatGroupCreate { title, with, idempotency_key: idempotency_key(None)? };
            let talk: ChatConversation = client.call("chat_group_create", &request).await?;
            return members(globals, &talk);
        }
        ChatGroupCommand::Members { group } => {
            let all: Vec<ChatConversation> = client.call("chat_conversations", &Nothing {}).await?;
            let is_meant = |talk: &&ChatConversation| {
                let name = group.trim();
                talk.group.is_some() && (talk.conversation == name || talk.title.eq_ignore_ascii_case(name))
            };
            let talk = all.iter().find(is_meant).ok_or_else(ApiError::chat_not_found)?;
            return members(globals, talk);
        }
        ChatGroupCommand::Add { group, who } => change(group, ChatGroupWhat::Add, who),
        ChatGroupCommand::Remove { group, who } => change(group, ChatGroupWhat::Remove, who),
        ChatGroupCommand::Leave { group } => change(group, ChatGroupWhat::Leave, Vec::new()),
        ChatGroupCommand::Rename { group, title } => {
            ChatGroupChange { title: Some(title), ..change(group, ChatGroupWhat::Rename, Vec::new()) }
        }
        ChatGroupCommand::Role { group, who, role } => match role {
            GivenRole::Admin => change(group, ChatGroupWhat::Promote, vec![who]),
            GivenRole::Member => change(group, ChatGroupWhat::Demote, vec![who]),
        },
    };
    let talk: ChatConversation = client.call("chat_group_change", &request).await?;
    members(globals, &talk)
}

fn members(globals: &Globals, talk: &ChatConversation) -> anyhow::Result<()> {
    show(globals, talk, |talk| {
        let mut table = Table::new(&["name", "identity", ""]);
        let Some(group) = &talk.group else { return format!("{} is a conversation of two.\n", talk.title) };
        for member in &group.members {
            let role = match member.role {
                ChatRole::Founder => "founder",
                ChatRole::Admin => "admin",
                ChatRole::Member => "",
            };
            table.row([member.name.clone(), member.identity.to_string(), role.to_owned()]);
        }
        for awaited in &group.awaited {
            table.row([String::new(), awaited.to_string(), "added when there are keys of theirs".to_owned()]);
        }
        let state = match (group.leaving, talk.member) {
            (true, _) => "You have left; another member's node removes yours.\n",
            (false, false) => "You are not in it any more.\n",
            (false, true) => "",
        };
        format!(
            "{}  {}\n{}{state}",
            talk.title,
            &talk.conversation[..8.min(talk.conversation.len())],
            table.text("Nobody.")
        )
    })
}
