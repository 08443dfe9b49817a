//! Links between market nodes: what the real node gets from QUIC, made of messages that take time and get lost.
//!
//! A node dials another by its number; the other accepts, and both have the link under one id. A [`Wire::Stream`] delivers
//! in order, once: what overtook is held back until what it overtook is there, and when that does not come the link breaks,
//! as it does when nothing is heard for long or the other process is gone. A [`Wire::Datagrams`] link delivers whatever
//! arrives, as it arrives. Frames of the dialogue and the bytes of sessions share a link.

use std::collections::BTreeMap;

use byway_access::session::SessionId;
use byway_dialogue::{LinkId, LinkProfile};
use byway_primitives::hash::Context;
use byway_primitives::{Span, Time};

const BINDING: Context = Context("byway test link binding");
/// A link on which nothing is heard for this long is given up.
const SILENCE_MAX: Span = Span::seconds(10);
/// How often an idle link sends a sign of life.
const KEEP_ALIVE: Span = Span::seconds(3);
/// How long a stream waits for what was overtaken.
const GAP_MAX: Span = Span::seconds(1);
/// How long a dialled node may take to accept.
const DIAL_MAX: Span = Span::seconds(5);

/// What links are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// In order and whole until it breaks.
    Stream,
    /// Lost, reordered: of at most this many bytes each.
    Datagrams { mtu: usize },
}

/// What two market nodes say to each other on a link.
#[derive(Debug, Clone)]
pub enum LinkMessage {
    Dial {
        link: u64,
    },
    Accept {
        link: u64,
    },
    /// Numbered from zero in each direction.
    Carry {
        link: u64,
        number: u64,
        what: Cargo,
    },
    /// The link is no more, or never was.
    Down {
        link: u64,
    },
}

/// What a link carries.
#[derive(Debug, Clone)]
pub enum Cargo {
    /// Of the dialogue; opaque here.
    Frame(Vec<u8>),
    /// A program at the client's wants this many more bytes.
    Want { session: SessionId, bytes: u64 },
    /// So many bytes from the exit.
    Bytes { session: SessionId, count: u64 },
    /// A sign of life.
    Alive,
}

/// What becomes of links.
#[derive(Debug)]
pub enum LinkNews {
    /// We dialled, or were.
    Up(LinkId, End),
    DialFailed {
        node: usize,
    },
    Cargo {
        link: LinkId,
        what: Cargo,
    },
    Down(LinkId),
}

/// All links of one node, by the id that both ends know.
#[derive(Debug)]
pub struct Links {
    wire: Wire,
    links: BTreeMap<u64, Link>,
    dialling: BTreeMap<u64, Dialling>,
    /// To be sent.
    out: Vec<(usize, LinkMessage)>,
    news: Vec<LinkNews>,
}

/// Who asked for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Dialled,
    Answered,
}

#[derive(Debug)]
struct Link {
    node: usize,
    sent: u64,
    sent_at: Time,
    heard_at: Time,
    /// The next number to deliver on a stream.
    next: u64,
    /// What overtook, and since when.
    held: BTreeMap<u64, Cargo>,
    gap_since: Time,
}

#[derive(Debug)]
struct Dialling {
    node: usize,
    until: Time,
}

impl Wire {
    pub fn profile(self, round_trip: Span) -> LinkProfile {
        match self {
            Wire::Stream => LinkProfile::stream(round_trip),
            Wire::Datagrams { mtu } => LinkProfile::datagram(mtu, round_trip),
        }
    }
}

/// What both ends of a link, and nobody else, know of it.
pub fn binding(link: LinkId) -> [u8; 32] {
    BINDING.hash(&[&link.0.to_le_bytes()]).0
}

impl Links {
    pub fn new(wire: Wire) -> Self {
        Self { wire, links: BTreeMap::new(), dialling: BTreeMap::new(), out: Vec::new(), news: Vec::new() }
    }

    /// Messages to be sent, in order.
    pub fn take_out(&mut self) -> Vec<(usize, LinkMessage)> {
        std::mem::take(&mut self.out)
    }

    /// What has happened, in order.
    pub fn take_news(&mut self) -> Vec<LinkNews> {
        std::mem::take(&mut self.news)
    }

    /// Whether an answer of `node` is waited for.
    pub fn is_dialling(&self, node: usize) -> bool {
        self.dialling.values().any(|dialling| dialling.node == node)
    }

    /// The node at the other end.
    pub fn node(&self, link: LinkId) -> Option<usize> {
        self.links.get(&link.0).map(|link| link.node)
    }

    /// Dials `node`; `link` is drawn at random.
    pub fn dial(&mut self, now: Time, node: usize, link: u64) {
        self.dialling.insert(link, Dialling { node, until: now + DIAL_MAX });
        self.out.push((node, LinkMessage::Dial { link }));
    }

    pub fn send(&mut self, now: Time, to: LinkId, what: Cargo) {
        let Some(link) = self.links.get_mut(&to.0) else { return };
        let number = link.sent;
        (link.sent, link.sent_at) = (number + 1, now);
        self.out.push((link.node, LinkMessage::Carry { link: to.0, number, what }));
    }

    /// Ends a link; the other end is told.
    pub fn close(&mut self, link: LinkId) {
        if let Some(closed) = self.links.remove(&link.0) {
            self.out.push((closed.node, LinkMessage::Down { link: link.0 }));
            self.news.push(LinkNews::Down(link));
        }
    }

    /// All links break, and nobody is told.
    pub fn cut(&mut self) {
        let links = std::mem::take(&mut self.links);
        self.news.extend(links.into_keys().map(|link| LinkNews::Down(LinkId(link))));
    }

    /// The process at the other end is gone.
    pub fn handle_gone(&mut self, node: usize) {
        let gone: Vec<u64> = self.links.iter().filter(|(_, link)| link.node == node).map(|(id, _)| *id).collect();
        for link in gone {
            self.links.remove(&link);
            self.news.push(LinkNews::Down(LinkId(link)));
        }
        self.fail_dials(|dialling| dialling.node == node);
    }

    pub fn handle_message(&mut self, now: Time, from: usize, message: LinkMessage) {
        match message {
            LinkMessage::Dial { link } => {
                self.begin(now, from, link, End::Answered);
                self.out.push((from, LinkMessage::Accept { link }));
            }
            LinkMessage::Accept { link } => {
                if self.dialling.remove(&link).is_some() {
                    self.begin(now, from, link, End::Dialled);
                } else if !self.links.contains_key(&link) {
                    self.out.push((from, LinkMessage::Down { link }));
                }
            }
            LinkMessage::Carry { link, number, what } => self.carried(now, from, link, number, what),
            LinkMessage::Down { link } => {
                if self.links.remove(&link).is_some() {
                    self.news.push(LinkNews::Down(LinkId(link)));
                }
            }
        }
    }

    /// Does what is due, and says when to come again.
    pub fn handle_wake(&mut self, now: Time) -> Option<Time> {
        self.fail_dials(|dialling| now >= dialling.until);
        let over = |link: &Link| {
            now >= link.heard_at + SILENCE_MAX || (!link.held.is_empty() && now >= link.gap_since + GAP_MAX)
        };
        let broken: Vec<u64> = self.links.iter().filter(|(_, link)| over(link)).map(|(id, _)| *id).collect();
        broken.into_iter().for_each(|link| self.close(LinkId(link)));
        let idle = self.links.iter().filter(|(_, link)| now >= link.sent_at + KEEP_ALIVE).map(|(id, _)| *id);
        for link in idle.collect::<Vec<_>>() {
            self.send(now, LinkId(link), Cargo::Alive);
        }
        let dials = self.dialling.values().map(|dialling| dialling.until);
        let links = self.links.values().map(|link| {
            let gap = if link.held.is_empty() { Time(u64::MAX) } else { link.gap_since + GAP_MAX };
            (link.sent_at + KEEP_ALIVE).min(link.heard_at + SILENCE_MAX).min(gap)
        });
        dials.chain(links).min()
    }

    fn begin(&mut self, now: Time, node: usize, link: u64, end: End) {
        let held = BTreeMap::new();
        self.links.insert(link, Link { node, sent: 0, sent_at: now, heard_at: now, next: 0, held, gap_since: now });
        self.news.push(LinkNews::Up(LinkId(link), end));
    }

    fn carried(&mut self, now: Time, from: usize, id: u64, number: u64, what: Cargo) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.node == from) else {
            // Of a link that this process does not know any more.
            return self.out.push((from, LinkMessage::Down { link: id }));
        };
        link.heard_at = now;
        if self.wire != Wire::Stream {
            return self.news.push(LinkNews::Cargo { link: LinkId(id), what });
        }
        if link.held.is_empty() {
            link.gap_since = now;
        }
        link.held.insert(number, what);
        while let Some(what) = link.held.remove(&link.next) {
            link.next += 1;
            link.gap_since = now;
            self.news.push(LinkNews::Cargo { link: LinkId(id), what });
        }
    }

    fn fail_dials(&mut self, is_lost: impl Fn(&Dialling) -> bool) {
        let news = &mut self.news;
        self.dialling.retain(|_, dialling| {
            let lost = is_lost(dialling);
            if lost {
                news.push(LinkNews::DialFailed { node: dialling.node });
            }
            !lost
        });
    }
}

impl LinkMessage {
    /// Bytes that tell messages apart, for the trace.
    pub fn fingerprint(&self) -> Vec<u8> {
        match self {
            LinkMessage::Dial { link } => [&[0], &link.to_le_bytes()[..]].concat(),
            LinkMessage::Accept { link } => [&[1], &link.to_le_bytes()[..]].concat(),
            LinkMessage::Carry { link, number, what } => {
                [&[2], &link.to_le_bytes()[..], &number.to_le_bytes(), &what.fingerprint()].concat()
            }
            LinkMessage::Down { link } => [&[3], &link.to_le_bytes()[..]].concat(),
        }
    }
}

impl Cargo {
    fn fingerprint(&self) -> Vec<u8> {
        match self {
            Cargo::Frame(bytes) => [&[0], &bytes[..]].concat(),
            Cargo::Want { session, bytes } => [&[1], &session.0[..], &bytes.to_le_bytes()].concat(),
            Cargo::Bytes { session, count } => [&[2], &session.0[..], &count.to_le_bytes()].concat(),
            Cargo::Alive => vec![3],
        }
    }
}
