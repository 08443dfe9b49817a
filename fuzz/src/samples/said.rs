//! What people say in conversations, and what they type.

use byway_chat::content::{Author, Rights, Sender, Shown};
use byway_primitives::Encode;

use super::{Samples, chat, holding};

#[path = "../../../crates/chat/tests/hiring/fixed.rs"]
mod hiring;

pub(crate) fn chat_content() -> Samples {
    chat::contents().into_iter().map(|(_, content)| content.to_bytes()).collect()
}

/// Somebody who may do everything, and a conversation in which they have said something of each kind.
pub(crate) fn conversation() -> (Shown, Sender) {
    let rights = Rights { deletes_others: true, changes_settings: true };
    let sender = Sender { author: Author { identity: chat::person(1), device: 0 }, rights };
    let mut shown = Shown::default();
    for (number, (_, mut content)) in (100u8..).zip(chat::contents()) {
        content.id.0 = [number; 16];
        // What the deletion among them is about takes no more.
        let _ = shown.apply(&sender, &content);
    }
    (shown, sender)
}

/// Those that are still good after all others.
pub(crate) fn chat_item() -> Samples {
    chat_content().into_iter().filter(|bytes| crate::chat_item(bytes)).collect()
}

pub(crate) fn chat_markdown() -> Samples {
    let texts = [
        "# A\n\n- *b* [c](https://d.example/e_(f)) <https://g.example>\n  1. `h`\n\n> ~~i~~ **j**\n",
        "```rust\nlet a;\n```\n<b>HTML</b> &amp; ![k](https://l.example/m.png) [n]\n\n[n]: https://o.example\n",
        "[@p](mention:0202020202020202020202020202020202020202) http://q.example, 日本 \u{202e}r\u{301}\u{200d}\\../s.pdf.exe",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn chat_query() -> Samples {
    let texts = [
        "budget \"next year\" from:ada in:\"the office\" after:2026-03",
        "before:2026-03-14 has:picture 日本 語 ab \"\"",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn chat_backup() -> Samples {
    let part = chat::backup();
    vec![part.to_bytes(), byway_chat::backup::BackupPart(part.0.into_iter().take(1).collect()).to_bytes()]
}

pub(crate) fn chat_backup_key() -> byway_crypto::ChatBackupKey {
    byway_crypto::phrase::Phrase::from_entropy(&[1; 32]).seed().chat_backup_key()
}

pub(crate) fn open_chat_backup() -> Samples {
    let place = byway_crypto::chat_backup::PartPlace { file: [7; 16], number: 3, is_last: true };
    chat_backup_key().seal(place, &chat::backup().to_bytes(), [7; 24]).into_iter().collect()
}

pub(crate) fn hold_message() -> Samples {
    holding::messages().iter().map(Encode::to_bytes).collect()
}

pub(crate) fn hire_message() -> Samples {
    hiring::messages().iter().map(Encode::to_bytes).collect()
}

pub(crate) fn bot_card() -> Samples {
    let bare = byway_chat::hiring::BotCard::new("b", "", Vec::new());
    bare.into_iter().chain([hiring::card()]).map(|card| card.to_bytes()).collect()
}

/// One with a piece, and one without.
pub(crate) fn held_batch() -> Samples {
    let batches = holding::messages().into_iter().filter_map(|message| match message {
        byway_chat::holding::HoldMessage::Batch(batch) => Some(batch),
        _ => None,
    });
    batches.chain([byway_chat::holding::HeldBatch::default()]).map(|batch| batch.to_bytes()).collect()
}
