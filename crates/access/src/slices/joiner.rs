//! The receiving end: slices, in any order and from any path, to packets.
//!
//! Groups that may still change are kept in a window of [`WINDOW`] numbers up to the newest. A slice of an older group is
//! refused as late, and what is incomplete when the window moves past it is given up: so memory is bounded, a replay is told
//! whatever its age, and no clock is needed. A group holds its pieces only until it is complete.

use std::collections::VecDeque;

use byway_crypto::package::MacKey;

use super::splitter::packet_of;
use super::{End, Header, Label, PATHS_MAX, Shape, SliceKeys, code};

/// Groups that are looked at at one time: at a gigabit per second what arrives in 45 ms, so paths may differ by that.
/// Of incomplete ones it holds 6 MB at the worst.
pub const WINDOW: u64 = 4096;
/// Beyond this a window would have no end. Nobody gets there by counting.
const GROUP_MAX: u64 = u64::MAX - 2 * WINDOW;
/// Groups before the first that comes which may still come: paths don't begin in step.
const BEFORE_FIRST: u64 = 63;

/// Puts slices together.
#[derive(Debug)]
pub struct Joiner {
    shape: Shape,
    key: MacKey,
    label: Label,
    /// The number of the first group in the window.
    oldest: u64,
    window: VecDeque<Group>,
    /// The newest group of each path.
    newest: [u64; PATHS_MAX],
    counts: Counts,
}

/// A group of slices of which one has come at least, or a newer one.
#[derive(Debug, Default)]
struct Group {
    /// A bit for each number of a slice that has come.
    seen: u8,
    is_complete: bool,
    pieces: Vec<(u8, Vec<u8>)>,
}

/// What a slice was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The path that it came over.
    pub path: usize,
    /// Nothing newer came over that path: whoever sent it on is where the path is now.
    pub is_newest: bool,
    /// The packet, if this slice was what it still needed.
    pub packet: Option<Vec<u8>>,
}

/// Why a slice was good for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is no slice of this session")]
    Malformed,
    #[error("it was not made by the other end")]
    Forged,
    #[error("it, or its group's place in the window, is gone by")]
    Late,
    #[error("it was there before")]
    Duplicate,
}

/// What has come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Slices that the other end made, by path, each once.
    pub by_path: [u64; PATHS_MAX],
    pub packets: u64,
    /// Groups that were given up.
    pub incomplete: u64,
    pub malformed: u64,
    pub forged: u64,
    pub late: u64,
    pub duplicate: u64,
}

const _: () = assert!(PATHS_MAX <= 8, "a group notes its slices in eight bits");

impl Joiner {
    /// Puts together what the other end of `end` cuts for this one, which knows the session by `label`.
    pub fn new(shape: Shape, keys: &SliceKeys, end: End, label: Label) -> Self {
        let (window, newest, counts) = (VecDeque::new(), [0; PATHS_MAX], Counts::default());
        Self { shape, key: keys.receiving(end), label, oldest: 0, window, newest, counts }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a slice that arrived, from wherever.
    pub fn handle(&mut self, slice: &[u8]) -> Result<Taken, Refused> {
        let taken = self.take(slice);
        match &taken {
            Ok(taken) => {
                self.counts.by_path[taken.path] += 1;
                self.counts.packets += u64::from(taken.packet.is_some());
            }
            Err(Refused::Malformed) => self.counts.malformed += 1,
            Err(Refused::Forged) => self.counts.forged += 1,
            Err(Refused::Late) => self.counts.late += 1,
            Err(Refused::Duplicate) => self.counts.duplicate += 1,
        }
        taken
    }

    fn take(&mut self, slice: &[u8]) -> Result<Taken, Refused> {
        let (header, bytes, mac, piece) = Header::read(slice).ok_or(Refused::Malformed)?;
        let path = usize::from(header.number);
        let is_possible = piece.len() <= self.shape.piece_bytes_max() && header.group <= GROUP_MAX;
        if !is_possible || header.label != self.label || path >= self.shape.paths() {
            return Err(Refused::Malformed);
        }
        // Nothing changes before this.
        if !self.key.is_of(mac, bytes, piece) {
            return Err(Refused::Forged);
        }
        self.make_room(header.group)?;
        let shape = self.shape;
        let group = &mut self.window[(header.group - self.oldest) as usize];
        let bit = 1 << header.number;
        if group.seen & bit != 0 {
            return Err(Refused::Duplicate);
        }
        // Only the other end itself could have made such.
        if group.pieces.first().is_some_and(|(_, first)| first.len() != piece.len()) {
            return Err(Refused::Malformed);
        }
        group.seen |= bit;
        let is_newest = header.group > self.newest[path];
        self.newest[path] = self.newest[path].max(header.group);
        if group.is_complete {
            return Ok(Taken { path, is_newest, packet: None });
        }
        group.pieces.push((header.number, piece.to_vec()));
        let packet = if group.pieces.len() == shape.needed() { Some(group.complete(shape)?) } else { None };
        Ok(Taken { path, is_newest, packet })
    }

    /// Makes the window reach to this group.
    fn make_room(&mut self, group: u64) -> Result<(), Refused> {
        let end = self.oldest + self.window.len() as u64;
        if self.window.is_empty() || group >= end.saturating_add(WINDOW) {
            self.give_up(self.window.len());
            self.oldest = group.saturating_sub(BEFORE_FIRST);
        }
        if group < self.oldest {
            return Err(Refused::Late);
        }
        // At most two windows, so that this ends.
        while group >= self.oldest + self.window.len() as u64 {
            if self.window.len() as u64 == WINDOW {
                self.give_up(1);
            }
            self.window.push_back(Group::default());
        }
        Ok(())
    }

    fn give_up(&mut self, groups: usize) {
        for group in self.window.drain(..groups) {
            self.counts.incomplete += u64::from(!group.is_complete && group.seen != 0);
            self.oldest += 1;
        }
    }
}

impl Group {
    fn complete(&mut self, shape: Shape) -> Result<Vec<u8>, Refused> {
        self.is_complete = true;
        let mut pieces = std::mem::take(&mut self.pieces);
        let whole = match (shape.needed(), pieces.pop()) {
            (1, Some((_, only))) => only,
            (_, last) => {
                pieces.extend(last);
                let pieces: Vec<_> = pieces.iter().map(|(number, piece)| (*number, &**piece)).collect();
                if pieces[0].1.is_empty() {
                    return Err(Refused::Malformed);
                }
                code::whole(shape, &pieces)
            }
        };
        packet_of(shape, whole).ok_or(Refused::Malformed)
    }
}
