//! Markdown as messages have it: read by CommonMark's rules, and turned into a small tree of our own.
//!
//! There is nothing in the tree that executes, and nothing that is fetched. HTML is text, a picture by its address is a link to it, and
//! links lead to the web or to a mailbox, or they are text. What is too deep goes on in one level. Headings are strong paragraphs: nobody
//! shouts. A link of the form `[@name](mention:IDENTITY)` calls somebody, and the name is not believed: whoever shows it knows a better
//! one.

use byway_primitives::IdentityId;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag};

use super::display;
use super::limits::TEXT_BYTES_MAX;
use super::links::{Address, LinkCaution, bare};

/// How deep blocks and spans are in one another. Nobody reads what is deeper.
pub const DEPTH_MAX: usize = 16;
/// Bytes of the language that a block of code says it is in.
const LANGUAGE_BYTES_MAX: usize = 32;

/// A part of a text that begins a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Paragraph(Vec<Inline>),
    Quote(Vec<Block>),
    /// With the number of its first item, if it is numbered.
    List {
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Code {
        language: Option<String>,
        code: String,
    },
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inline {
    Text(String),
    /// A new line.
    Break,
    Emphasis(Vec<Inline>),
    Strong(Vec<Inline>),
    Strike(Vec<Inline>),
    Code(String),
    Link(Link),
    Mention(IdentityId),
}

/// What can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub to: Address,
    pub text: Vec<Inline>,
    pub cautions: Vec<LinkCaution>,
}

/// Reads a message's text. Of one that is longer than any message, the beginning.
pub fn parse(source: &str) -> Vec<Block> {
    let end = source.floor_char_boundary(TEXT_BYTES_MAX);
    let shown = display::text(&source[..end]);
    let mut tree = Tree { open: vec![Frame::new(Node::Root)], flat: 0 };
    for event in Parser::new_ext(&shown, Options::ENABLE_STRIKETHROUGH) {
        tree.take(event);
    }
    while tree.open.len() > 1 {
        tree.close();
    }
    tree.open.pop().map(Frame::into_blocks).unwrap_or_default()
}

/// What a text says without its marks, for a line in a list, a notification, or the index of a search.
pub fn plain(blocks: &[Block]) -> String {
    let mut out = String::new();
    blocks.iter().for_each(|block| plain_block(block, &mut out));
    out.truncate(out.trim_end().len());
    out
}

fn plain_block(block: &Block, out: &mut String) {
    match block {
        Block::Paragraph(inlines) => plain_inlines(inlines, out),
        Block::Quote(blocks) => blocks.iter().for_each(|block| plain_block(block, out)),
        Block::List { items, .. } => items.iter().flatten().for_each(|block| plain_block(block, out)),
        Block::Code { code, .. } => out.push_str(code.trim_end()),
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn plain_inlines(inlines: &[Inline], out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Break => out.push('\n'),
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strike(inner) => plain_inlines(inner, out),
            Inline::Link(link) => plain_inlines(&link.text, out),
            Inline::Mention(_) => out.push('@'),
        }
    }
}

/// Who is called in a text, once each, in the order in which they are.
pub fn mentioned(blocks: &[Block]) -> Vec<IdentityId> {
    let mut out = Vec::new();
    blocks.iter().for_each(|block| mentioned_block(block, &mut out));
    out
}

fn mentioned_block(block: &Block, out: &mut Vec<IdentityId>) {
    match block {
        Block::Paragraph(inlines) => mentioned_inlines(inlines, out),
        Block::Quote(blocks) => blocks.iter().for_each(|block| mentioned_block(block, out)),
        Block::List { items, .. } => items.iter().flatten().for_each(|block| mentioned_block(block, out)),
        Block::Code { .. } => {}
    }
}

fn mentioned_inlines(inlines: &[Inline], out: &mut Vec<IdentityId>) {
    for inline in inlines {
        match inline {
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strike(inner) => mentioned_inlines(inner, out),
            Inline::Mention(identity) if !out.contains(identity) => out.push(*identity),
            Inline::Mention(_) | Inline::Text(_) | Inline::Break | Inline::Code(_) | Inline::Link(_) => {}
        }
    }
}

/// What is being read.
enum Node {
    Root,
    Paragraph,
    Heading,
    Quote,
    List(Option<u64>),
    Item,
    Code(Option<String>),
    Emphasis,
    Strong,
    Strike,
    Link(Option<Address>),
    Mention(IdentityId),
}

struct Frame {
    node: Node,
    blocks: Vec<Block>,
    items: Vec<Vec<Block>>,
    inlines: Vec<Inline>,
}

impl Frame {
    fn new(node: Node) -> Self {
        Self { node, blocks: Vec::new(), items: Vec::new(), inlines: Vec::new() }
    }

    /// What stands here without a paragraph of its own gets one.
    fn end_paragraph(&mut self) {
        let mut inlines = linked(self.take_inlines());
        while inlines.last() == Some(&Inline::Break) {
            inlines.pop();
        }
        if !inlines.is_empty() {
            self.blocks.push(Block::Paragraph(inlines));
        }
    }

    /// What has been read of the line. Characters that were written as references, such as `&#8238;`, are hidden in the source.
    fn take_inlines(&mut self) -> Vec<Inline> {
        let mut inlines = std::mem::take(&mut self.inlines);
        for inline in &mut inlines {
            if let Inline::Text(text) = inline {
                *text = display::text(text);
            }
        }
        inlines
    }

    fn into_blocks(mut self) -> Vec<Block> {
        self.end_paragraph();
        self.blocks
    }
}

struct Tree {
    /// From the root to what is read at the moment.
    open: Vec<Frame>,
    /// How many have begun since that have no frame of their own.
    flat: usize,
}

impl Tree {
    fn top(&mut self) -> &mut Frame {
        self.open.last_mut().expect("the root is there until the end")
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(_) if self.flat > 0 => self.flat -= 1,
            Event::End(_) => self.close(),
            Event::Code(code) => self.top().inlines.push(Inline::Code(code.into_string())),
            Event::SoftBreak | Event::HardBreak => self.top().inlines.push(Inline::Break),
            Event::Rule => self.text("———"),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => self.text(&text),
            Event::TaskListMarker(_) => {}
        }
    }

    /// Lines of HTML come with their ends; in code they stay as they are.
    fn text(&mut self, text: &str) {
        if matches!(self.top().node, Node::Code(_)) {
            return self.push_text(text);
        }
        for line in text.split_inclusive('\n') {
            let words = line.trim_end_matches('\n');
            self.push_text(words);
            if words.len() < line.len() {
                self.top().inlines.push(Inline::Break);
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        let inlines = &mut self.top().inlines;
        match inlines.last_mut() {
            _ if text.is_empty() => {}
            Some(Inline::Text(before)) => before.push_str(text),
            _ => inlines.push(Inline::Text(text.to_owned())),
        }
    }

    /// Goes on in the frame that is there, on a line of its own if that is what it would have had.
    fn start_flat(&mut self, is_block: bool) {
        self.flat += 1;
        if is_block && !matches!(self.top().inlines.last(), None | Some(Inline::Break)) {
            self.top().inlines.push(Inline::Break);
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let is_in_link = self.open.iter().any(|frame| matches!(frame.node, Node::Link(_) | Node::Mention(_)));
        let node = match tag {
            Tag::Paragraph | Tag::HtmlBlock => Node::Paragraph,
            Tag::Heading { .. } => Node::Heading,
            Tag::BlockQuote(_) => Node::Quote,
            Tag::List(start) => Node::List(start),
            Tag::Item => Node::Item,
            Tag::CodeBlock(kind) => Node::Code(language(kind)),
            Tag::Emphasis => Node::Emphasis,
            Tag::Strong => Node::Strong,
            Tag::Strikethrough => Node::Strike,
            Tag::Link { link_type, dest_url, .. } if !is_in_link => link(link_type, &dest_url),
            Tag::Image { link_type, dest_url, .. } if !is_in_link => link(link_type, &dest_url),
            _ => return self.start_flat(false),
        };
        let is_block = matches!(node, Node::Paragraph | Node::Heading | Node::Quote | Node::List(_) | Node::Code(_));
        // An item needs its list, which may be the last that has a frame.
        let is_item_alone = matches!(node, Node::Item) && !matches!(self.top().node, Node::List(_));
        if self.flat > 0 || is_item_alone || self.open.len() >= DEPTH_MAX {
            return self.start_flat(is_block || is_item_alone);
        }
        if is_block {
            self.top().end_paragraph();
        }
        self.open.push(Frame::new(node));
    }

    /// The innermost that has a frame ends.
    fn close(&mut self) {
        if self.open.len() < 2 {
            return;
        }
        let Some(mut frame) = self.open.pop() else { return };
        let mut inlines = frame.take_inlines();
        let top = self.top();
        match frame.node {
            Node::Emphasis => top.inlines.push(Inline::Emphasis(inlines)),
            Node::Strong => top.inlines.push(Inline::Strong(inlines)),
            Node::Strike => top.inlines.push(Inline::Strike(inlines)),
            Node::Mention(identity) => top.inlines.push(Inline::Mention(identity)),
            Node::Link(None) => top.inlines.extend(inlines),
            Node::Link(Some(to)) => {
                let mut shown = String::new();
                plain_inlines(&inlines, &mut shown);
                let cautions = to.cautions(&shown);
                if shown.trim().is_empty() {
                    inlines.push(Inline::Text(to.href().to_owned()));
                }
                top.inlines.push(Inline::Link(Link { to, text: inlines, cautions }));
            }
            Node::Heading => top.blocks.push(Block::Paragraph(vec![Inline::Strong(linked(inlines))])),
            Node::Code(language) => {
                let mut code = String::new();
                plain_inlines(&inlines, &mut code);
                top.blocks.push(Block::Code { language, code });
            }
            Node::Root | Node::Paragraph => {
                frame.inlines = inlines;
                top.blocks.extend(frame.into_blocks());
            }
            Node::Quote => {
                frame.inlines = inlines;
                top.blocks.push(Block::Quote(frame.into_blocks()));
            }
            Node::Item => {
                frame.inlines = inlines;
                top.items.push(frame.into_blocks());
            }
            Node::List(start) => {
                // What was too deep for an item of its own.
                frame.inlines = inlines;
                let mut items = std::mem::take(&mut frame.items);
                items.extend(Some(frame.into_blocks()).filter(|rest| !rest.is_empty()));
                top.blocks.push(Block::List { start, items });
            }
        }
    }
}

fn language(kind: CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else { return None };
    let word = info.split_whitespace().next()?;
    let is_name = word.len() <= LANGUAGE_BYTES_MAX
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#' | '_' | '.'));
    is_name.then(|| word.to_owned())
}

fn link(kind: LinkType, to: &CowStr<'_>) -> Node {
    if let Some(identity) = to.strip_prefix("mention:").and_then(|identity| identity.parse().ok()) {
        return Node::Mention(identity);
    }
    let is_mail = kind == LinkType::Email;
    Node::Link(if is_mail { Address::parse(&format!("mailto:{to}")) } else { Address::parse(to) })
}

/// Makes links of addresses that were typed as they are; what is emphasised is looked through, what is a link already is not.
fn linked(inlines: Vec<Inline>) -> Vec<Inline> {
    let mut out = Vec::with_capacity(inlines.len());
    for inline in inlines {
        match inline {
            Inline::Text(text) => link_text(&text, &mut out),
            Inline::Emphasis(inner) => out.push(Inline::Emphasis(linked(inner))),
            Inline::Strong(inner) => out.push(Inline::Strong(linked(inner))),
            Inline::Strike(inner) => out.push(Inline::Strike(linked(inner))),
            other => out.push(other),
        }
    }
    out
}

fn link_text(text: &str, out: &mut Vec<Inline>) {
    let mut from = 0;
    let push = |text: &str, out: &mut Vec<Inline>| {
        if !text.is_empty() {
            out.push(Inline::Text(text.to_owned()));
        }
    };
    for (place, to) in bare(text) {
        push(&text[from..place.start], out);
        from = place.end;
        let shown = &text[place];
        let cautions = to.cautions(shown);
        out.push(Inline::Link(Link { to, text: vec![Inline::Text(shown.to_owned())], cautions }));
    }
    push(&text[from..], out);
}
