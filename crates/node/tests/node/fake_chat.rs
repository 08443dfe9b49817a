//! Conversations as the fake node has them: one contact, and one message by them.

use byway_node::api::*;
use byway_primitives::{Amount, IdentityId, Span, Time};

pub const CONTACT: IdentityId = IdentityId([0x55; 20]);
/// Somebody whom nobody here knows.
pub const STRANGER: IdentityId = IdentityId([0x66; 20]);
/// Bytes of the one file.
const PICTURE: &[u8] = b"\x89PNG";
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
        primary_name: Some("bob-the-baker".to_owned()),
        registered: true,
        looks_like: Some(ChatLookAlike { identity: STRANGER, name: "b0b".to_owned(), in_directory: true }),
        refused: Some(ChatRefusal {
            reason: ChatRefusalReason::Later,
            price: Some(PRICE),
            again_ms: Some(AT),
            text: "ask again after 9 seconds".to_owned(),
        }),
        paid: Some(PRICE),
        introduced_by: Some(conversation_id()),
        safety_number: "12345 67890".to_owned(),
        safety_words: "abandon zoo".to_owned(),
        verified_ms: Some(AT),
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
        text: format!("hello [@x](mention:{CONTACT})"),
        mentions_me: true,
        edited: false,
        deleted: false,
        reply: Some(message_id()),
        thread: Some(message_id()),
        reactions: vec![ChatReaction { emoji: "👍".to_owned(), people: vec![CONTACT] }],
        attachments: vec![attachment()],
        levels: vec![0, 255],
        poll: Some(poll()),
        list: Some(list()),
        remind_ms: Some(AT),
        received: vec![CONTACT],
        read: Vec::new(),
    }
}

pub fn attachment() -> ChatAttachment {
    ChatAttachment {
        number: 0,
        name: "map.png".to_owned(),
        cautions: vec!["place".to_owned()],
        media_type: "image/png".to_owned(),
        size: 4,
        state: ChatFileState::Here,
        fetched: 4,
        width: Some(1),
        height: Some(1),
        duration_ms: Some(Span::seconds(1)),
        thumbnail: Some("data:image/png;base64,iVBORw0KGgo=".to_owned()),
    }
}

pub fn part(at: u64) -> ChatFilePart {
    let rest = PICTURE.get(at as usize..).unwrap_or_default();
    ChatFilePart { at, bytes: Base64(rest.to_vec()), size: 4, shown_as: Some("image/png".to_owned()) }
}

fn poll() -> ChatPoll {
    let option = |text: &str, people: Vec<IdentityId>| ChatPollOption { text: text.to_owned(), people, chosen: false };
    ChatPoll {
        question: "When?".to_owned(),
        options: vec![option("at eight", vec![CONTACT]), option("at nine", Vec::new())],
        choices_max: 1,
        closes_ms: Some(AT),
        closed: true,
    }
}

fn list() -> ChatList {
    let entry = "c7".repeat(16);
    let entries = vec![ChatListEntry { entry, text: "bread".to_owned(), done: true, assignee: Some(CONTACT) }];
    ChatList { title: "shopping".to_owned(), style: ChatListStyle::Tasks, entries }
}

/// The one message that is there.
pub fn message(to: &str, message: &str) -> Answer<ChatItem> {
    named(to)?;
    if message == message_id() { Ok(item()) } else { Err(ApiError::chat_message_not_found()) }
}

pub fn conversation() -> ChatConversation {
    ChatConversation {
        conversation: conversation_id(),
        title: "Bob".to_owned(),
        peer: Some(CONTACT),
        members: vec![CONTACT, STRANGER],
        member: true,
        restored: true,
        since_ms: AT,
        messages: 1,
        unread: 1,
        mentioned: true,
        newest: Some(item()),
        draft: "see you".to_owned(),
        pinned: true,
        muted_until_ms: Some(AT),
        marked_unread: true,
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

pub fn verify(request: &ChatVerify) -> Answer<ChatPerson> {
    if request.who != CONTACT {
        return Err(ApiError::chat(byway_chat::chats::ChatError::Unknown(request.who)));
    }
    Ok(ChatPerson { verified_ms: request.matches.then_some(AT), ..person() })
}

pub fn search(request: &ChatSearch) -> Answer<ChatFound> {
    request.to.as_deref().map(named).transpose()?;
    let query = byway_chat::content::query::Query::parse(&request.query, request.offset_minutes);
    query.map_err(|error| ApiError::chat_query(&error))?;
    let hit = ChatHit { to: conversation_id(), item: item(), marks: vec![[0, 5]] };
    let next = format!("{}-0-{}", AT.0, conversation_id());
    Ok(ChatFound { hits: vec![hit], people: vec![person()], conversations: vec![group("hello")], next: Some(next) })
}

/// Two parts of a backup.
pub fn backup(request: &ChatBackup) -> Answer<ChatBackupPart> {
    let is_first = request.next.is_none();
    let bytes = Base64(if is_first { vec![1; 300 * 1024] } else { b"end".to_vec() });
    Ok(ChatBackupPart { bytes, next: is_first.then(|| "a5".to_owned()), messages: 2, left_out: 0 })
}

/// Takes what it gives, and nothing else.
pub fn restore(request: &ChatRestore) -> Answer<ChatRestored> {
    let ChatRestore { at, bytes: Base64(bytes), last, .. } = request;
    let size = at + bytes.len() as u64;
    if !bytes.is_empty() && *at == 0 && bytes[0] != 1 {
        return Err(ApiError::chat_no_backup());
    }
    if *last && !bytes.ends_with(b"end") {
        return Err(ApiError::chat_backup_cut());
    }
    Ok(ChatRestored { size, made_ms: Some(AT), people: 1, conversations: 1, messages: 4, known: 0 })
}

/// Who asks for less than that is told so.
const PRICE: Amount = Amount::from_coins(1);

pub fn ask(request: &ChatAsk) -> Answer<ChatPerson> {
    if request.who != STRANGER.to_string() || request.pay.is_some_and(|pay| pay >= PRICE) {
        return Ok(person());
    }
    let (reason, text) = (ChatRefusalReason::Price, "a first message costs 1".to_owned());
    let refusal = ChatRefusal { reason, price: Some(PRICE), again_ms: None, text };
    Err(ApiError::chat_ask_refused(STRANGER, "Ada", &refusal, AT))
}

pub fn price(request: &ChatPriceSet) -> ChatPrice {
    ChatPrice { price: request.price.unwrap_or(PRICE) }
}

/// One person, who is in no group.
pub fn book() -> ChatBook {
    let person = ChatBookPerson {
        identity: STRANGER,
        name: "Ada".to_owned(),
        note: "knows about bread".to_owned(),
        by: CONTACT,
        reachable: true,
        member: false,
        standing: Some(ChatStanding::Asked),
        primary_name: Some("ada-the-baker".to_owned()),
        registered: true,
        looks_like: Some(ChatLookAlike { identity: CONTACT, name: "Adа".to_owned(), in_directory: false }),
    };
    ChatBook { conversation: conversation_id(), people: vec![person] }
}

pub fn change_book(request: &ChatBookChange) -> Answer<ChatBook> {
    named(&request.to)?;
    match request.what {
        ChatBookWhat::Remove if request.who != STRANGER.to_string() => Err(ApiError::chat_not_in_book(&request.who)),
        _ => Ok(book()),
    }
}
