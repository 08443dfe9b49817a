//! Messages as people write them, made up, the same in every run; and what is looked for in them.
//!
//! Words are as frequent as in any language: of two, one at twice the rank is half as frequent (Zipf), of a vocabulary of 30,000. A
//! message has from 2 to 30 of them. Every tenth is Chinese, with characters of which the same holds. Every twentieth has a link, every
//! thirtieth a picture. They are of 200 people in 100 conversations, which differ in size as words do.

use anyhow::Context;
use byway_chat::chats::Shown;
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::post::{Attachment, AttachmentKey, Post, Text};
use byway_chat::content::{Author, Content, Kind, MessageId, MessageRef, Rights, Sender, Shown as Applied};
use byway_chat::mls::RoomId;
use byway_primitives::{Hash, IdentityId, Time};

const WORDS: usize = 30_000;
const CHARACTERS: usize = 3_000;
const PEOPLE: usize = 200;
const ROOMS: usize = 100;
/// The first is sent then, each other one this much later: a million of them in three years.
const BEGINS: Time = Time(1_700_000_000_000);
const EACH_MS: u64 = 100_000;

/// Numbers that look drawn (SplitMix64, Steele et al. 2014).
pub struct Draws(pub u64);

impl Draws {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A rank below `end`, the lower ones more often.
    fn rank(&mut self, end: usize) -> usize {
        let even = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((end as f64 + 1.0).powf(even) as usize - 1).min(end - 1)
    }
}

/// The word of a rank: frequent ones are short.
pub fn word(rank: usize) -> String {
    const SYLLABLES: [&str; 32] = [
        "ka", "to", "ri", "ne", "mo", "sa", "lu", "vi", "be", "ont", "ar", "is", "du", "fe", "gal", "ho", "er", "pla",
        "qui", "sto", "ter", "un", "wen", "xi", "yor", "zu", "chi", "mer", "nd", "el", "pro", "ag",
    ];
    let (mut word, mut rest) = (String::new(), rank + 1);
    while rest > 0 {
        word.push_str(SYLLABLES[rest % 32]);
        rest /= 32;
    }
    word
}

fn character(rank: usize) -> char {
    char::from_u32(0x4e00 + rank as u32 * 5).expect("all of these are characters")
}

pub fn person(number: usize) -> IdentityId {
    let mut id = [0x50; 20];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    IdentityId(id)
}

pub fn room(number: usize) -> RoomId {
    let mut id = [0x60; 32];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    RoomId(id)
}

/// A message by its number, in the order of time, with its conversation.
pub fn message(number: u64) -> anyhow::Result<(RoomId, Shown)> {
    let mut draws = Draws(number);
    let identity = person(draws.rank(PEOPLE));
    let room = room(draws.rank(ROOMS));
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let (of, sent) = (MessageRef { author: identity, id: MessageId(id) }, Time(BEGINS.0 + number * EACH_MS));
    let mut attachments = Vec::new();
    if draws.below(30) == 0 {
        attachments.push(picture(&format!("{}-{number}.jpg", word(draws.rank(WORDS))))?);
    }
    let text = Text { source: BoundedText::new(text(&mut draws))?, mentions: BoundedList::default() };
    let post = Post { text, attachments: BoundedList::new(attachments)? };
    let sender = Sender { author: Author { identity, device: 0 }, rights: Rights::default() };
    let mut applied = Applied::default();
    applied.apply(&sender, &Content::new(of.id, sent, number, Kind::Post(post)))?;
    let item = applied.items.remove(&of).context("what was said is there")?;
    // Places need only differ.
    Ok((room, Shown { place: number, item }))
}

fn text(draws: &mut Draws) -> String {
    if draws.below(10) == 0 {
        let length = 4 + draws.below(30);
        return (0..length).map(|_| character(draws.rank(CHARACTERS))).collect();
    }
    let length = 2 + draws.below(29);
    let mut words: Vec<String> = (0..length).map(|_| word(draws.rank(WORDS))).collect();
    if draws.below(20) == 0 {
        words.push(format!("https://{}.example/{}", word(draws.rank(WORDS)), draws.below(100_000)));
    }
    words.join(" ")
}

fn picture(name: &str) -> anyhow::Result<Attachment> {
    Ok(Attachment {
        name: BoundedText::new(name)?,
        media_type: BoundedText::new("image/jpeg")?,
        size: 1,
        root: Hash([0; 32]),
        key: AttachmentKey([0; 32]),
        shape: None,
        duration: None,
        thumbnail: None,
    })
}

/// The kinds of what is looked for.
pub const KINDS: [&str; 12] = [
    "a frequent word",
    "a rare word",
    "no word that is there",
    "two frequent words",
    "a frequent word and a rare one",
    "two rare words",
    "a part of a word",
    "a phrase",
    "one or two Chinese characters",
    "one letter",
    "a word of one person",
    "a word in one conversation with a picture",
];

/// Something of a kind to look for, who is to have written it, and where.
pub fn query(kind: usize, draws: &mut Draws) -> (String, Option<IdentityId>, Option<RoomId>) {
    let mut frequent = || word(draws.below(100));
    let text = match kind {
        0 => frequent(),
        3 => format!("{} {}", frequent(), frequent()),
        4 => format!("{} {}", frequent(), word(5_000 + draws.below(WORDS - 5_000))),
        1 => word(5_000 + draws.below(WORDS - 5_000)),
        2 => format!("{}qzx", word(draws.rank(WORDS))),
        5 => format!("{} {}", word(5_000 + draws.below(25_000)), word(5_000 + draws.below(25_000))),
        6 => word(1_000 + draws.below(WORDS - 1_000)).chars().skip(1).take(4).collect(),
        7 => format!("\"{} {}\"", word(draws.rank(200)), word(draws.rank(200))),
        8 => (0..1 + draws.below(2)).map(|_| character(draws.rank(CHARACTERS))).collect(),
        9 => char::from(b'a' + draws.below(26) as u8).to_string(),
        _ => word(draws.rank(WORDS)),
    };
    match kind {
        10 => (text, Some(person(draws.rank(PEOPLE))), None),
        11 => (format!("{text} has:picture"), None, Some(room(draws.rank(ROOMS)))),
        _ => (text, None, None),
    }
}
