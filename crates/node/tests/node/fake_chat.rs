//! Conversations as the fake node has them: one contact, and one message by them.

use byway_node::api::*;
use byway_primitives::{IdentityId, Time};

pub const CONTACT: IdentityId = IdentityId([0x55; 20]);
/// Somebody whom nobody here knows.
pub const STRANGER: IdentityId = IdentityId([0x66; 20]);
const AT: Time = Time(1_700_000_000_000);

pub fn conversation_id() -> String {
    "a5".repeat(32)
}

pub fn message_id() -> String {
    format!("{CONTACT}/{}", "b6".repeat(16))
}

pub fn person() -> ChatPerson {
    ChatPerson {
        identity: CONTACT,
        name: "Bob".to_owned(),
        claimed: Some("bobby".to_owned()),
        standing: ChatStanding::Contact,
        since_ms: AT,
        conversation: Some(conversation_id()),
        online: true,
        waiting: 0,
    }
}

pub fn item() -> ChatItem {
    ChatItem {
        conversation: conversation_id(),
        message: message_id(),
        author: CONTACT,
        place: 0,
        sent_ms: AT,
        kind: "text".to_owned(),
        text: "hello".to_owned(),
        edited: false,
        deleted: false,
        reply: Some(message_id()),
        thread: Some(message_id()),
        reactions: vec![ChatReaction { emoji: "👍".to_owned(), people: vec![CONTACT] }],
        received: vec![CONTACT],
        read: Vec::new(),
    }
}

pub fn conversation() -> ChatConversation {
    ChatConversation {
        conversation: conversation_id(),
        title: "Bob".to_owned(),
        peer: Some(CONTACT),
        members: vec![CONTACT, STRANGER],
        member: true,
        since_ms: AT,
        messages: 1,
        unread: 1,
        safety_number: "12345 67890".to_owned(),
        newest: Some(item()),
        group: None,
    }
}

pub fn group(title: &str) -> ChatConversation {
    let member = ChatMember { identity: CONTACT, name: "Bob".to_owned(), role: ChatRole::Admin };
    let group = ChatGroup { members: vec![member], awaited: vec![STRANGER], leaving: false };
    ChatConversation { title: title.to_owned(), peer: None, group: Some(group), ..conversation() }
}

pub fn change(request: &ChatGroupChange) -> Answer<ChatConversation> {
    named(&request.to)?;
    Ok(group(request.title.as_deref().unwrap_or("group")))
}

/// Conversations other than that one are not there.
pub fn named(to: &str) -> Answer<()> {
    if to == conversation_id() || to == CONTACT.to_string() || to == "Bob" {
        Ok(())
    } else {
        Err(ApiError::chat_not_found())
    }
}

pub fn send(request: &ChatSend) -> Answer<ChatItem> {
    named(&request.to)?;
    Ok(ChatItem { text: request.text.clone(), ..item() })
}

pub fn about(request: &ChatAbout) -> Answer<ChatItem> {
    named(&request.to)?;
    if request.message != message_id() {
        return Err(ApiError::chat_message_not_found());
    }
    Ok(ChatItem { edited: request.what == ChatAboutWhat::Edit, ..item() })
}

pub fn nickname(request: &ChatNickname) -> Answer<ChatPerson> {
    if request.who != CONTACT {
        return Err(ApiError::chat(byway_chat::chats::ChatError::Unknown(request.who)));
    }
    Ok(ChatPerson { name: request.nickname.clone().unwrap_or_default(), ..person() })
}
