//! What of a message goes into the indexes that [`query`](super::query)'s terms are looked for in.

use std::collections::BTreeSet;

use super::item::Item;
use super::kind::Kind;
use super::markdown::{self, Block, Inline};
use super::post::{Attachment, Text};
use super::query::{Has, fold, pairs};

/// A message as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// For the index of trigrams: all that is read of it, folded.
    pub text: String,
    /// For the index of pairs: its tokens, with spaces between.
    pub pairs: String,
    pub has: BTreeSet<Has>,
}

impl Indexed {
    /// The message as it stands now. None where there is nothing to be found: it is gone or has not come.
    pub fn of(item: &Item) -> Option<Self> {
        let kind = &item.content()?.kind;
        let mut words = Vec::new();
        let mut has = BTreeSet::new();
        if let Some(text) = item.text() {
            read(text, &mut words, &mut has);
        }
        match kind {
            Kind::Post(post) => post.attachments.iter().for_each(|file| name(file, &mut words, &mut has)),
            Kind::Voice(voice) => name(&voice.recording, &mut words, &mut has),
            Kind::Poll(poll) => {
                words.push(poll.question().to_owned());
                words.extend(poll.options().map(str::to_owned));
                has.insert(Has::Poll);
            }
            Kind::List(list) => {
                words.push(list.title.to_string());
                words.extend(item.entries().shown().into_iter().map(|(_, entry)| entry.text().to_owned()));
            }
            _ => {}
        }
        let text = fold(&words.join("\n"));
        let pairs = pairs(&text).join(" ");
        Some(Self { text, pairs, has })
    }
}

fn read(text: &Text, words: &mut Vec<String>, has: &mut BTreeSet<Has>) {
    let tree = markdown::parse(&text.source);
    if tree.iter().any(has_link) {
        has.insert(Has::Link);
    }
    words.push(markdown::plain(&tree));
}

fn name(file: &Attachment, words: &mut Vec<String>, has: &mut BTreeSet<Has>) {
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
