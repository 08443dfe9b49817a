//! What of a message is looked at by a [`query`](super::query).

use super::item::Item;
use super::kind::Kind;
use super::markdown::{self, Block, Inline};
use super::post::{Attachment, Text};
use super::query::{Has, HasSet, fold};

/// Bytes of a message's text, folded: what is longer is found by its beginning. No text of a message is so long unless it is made of
/// signs that stand for many letters, and no list that people read.
pub const INDEXED_BYTES_MAX: usize = 64 * 1024;

/// A message as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// All that is read of it, folded, in one line.
    pub text: String,
    pub has: HasSet,
}

impl Indexed {
    /// The message as it stands now. None where there is nothing to be found: it is gone or has not come.
    pub fn of(item: &Item) -> Option<Self> {
        let kind = &item.content()?.kind;
        let mut words = Vec::new();
        let mut has = HasSet::default();
        if let Some(text) = item.text() {
            read(text, &mut words, &mut has);
        }
        match kind {
            Kind::Post(post) => post.attachments.iter().for_each(|file| name(file, &mut words, &mut has)),
            Kind::Voice(voice) => {
                name(&voice.recording, &mut words, &mut has);
                has.insert(Has::Voice);
            }
            Kind::Poll(poll) => {
                words.push(poll.question().to_owned());
                words.extend(poll.options().map(str::to_owned));
                has.insert(Has::Poll);
            }
            Kind::List(list) => {
                words.push(list.title.to_string());
                words.extend(item.entries().shown().into_iter().map(|(_, entry)| entry.text().to_owned()));
                has.insert(Has::List);
            }
            _ => {}
        }
        let mut text = fold(&words.join("\n"));
        text.truncate(text.floor_char_boundary(INDEXED_BYTES_MAX));
        Some(Self { text, has })
    }
}

fn read(text: &Text, words: &mut Vec<String>, has: &mut HasSet) {
    let tree = markdown::parse(&text.source);
    if tree.iter().any(has_link) {
        has.insert(Has::Link);
    }
    words.push(markdown::plain(&tree));
}

fn name(file: &Attachment, words: &mut Vec<String>, has: &mut HasSet) {
    words.push(file.name.to_string());
    has.insert(Has::File);
    if file.media_type.to_ascii_lowercase().starts_with("image/") {
        has.insert(Has::Picture);
    }
}

fn has_link(block: &Block) -> bool {
    match block {
        Block::Paragraph(inlines) => inlines.iter().any(is_link),
        Block::Quote(blocks) => blocks.iter().any(has_link),
        Block::List { items, .. } => items.iter().flatten().any(has_link),
        Block::Code { .. } => false,
    }
}

fn is_link(inline: &Inline) -> bool {
    match inline {
        Inline::Link(_) => true,
        Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strike(inner) => inner.iter().any(is_link),
        Inline::Text(_) | Inline::Break | Inline::Code(_) | Inline::Mention(_) => false,
    }
}
