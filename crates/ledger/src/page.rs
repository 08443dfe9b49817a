//! Whole trees for followers who start late.
//!
//! A follower from the beginning applies every checkpoint's [`ProgramDifference`]. One who starts late takes the tree
//! in pages. A page shows the entries **as they stood at the last checkpoint** (execution runs ahead of it, so entries
//! that changed since are shown as they were), and says which checkpoint that is.
//!
//! Checkpoints go on while pages are fetched, so pages may be of different heights h₁ ≤ h₂ ≤ … ≤ hₙ. The follower puts
//! them together and applies the differences of h₁+1 … hₙ on top, in order, unchecked. That gives the tree at hₙ: an
//! entry that none of them changes is in its page as it is at hₙ; one that some change gets its value from the last of
//! those, and that is its value at hₙ whichever page it came from. Whether all of it was true is decided once, at the
//! end, by the state root that is certified at hₙ. [`TreeCopy`] does this.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::{Height, ProgramId};

use crate::difference::{
    Change, DifferenceError, ENTRY_KEY_BYTES_MAX, PROGRAMS_MAX, ProgramDifference, ProgramRoot, check_root,
};
use crate::ledger::Ledger;
use crate::tree::StateTree;

/// Entries of a page.
pub const PAGE_ENTRIES_MAX: usize = 4096;
/// Bytes of a page's entries, unless a single one is larger: fits a message of any link.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of entries in a copy. A server that invents entries without end is stopped here; a real table this large
/// would not be followed by a small node.
pub const COPY_BYTES_MAX: usize = 1 << 30;

/// Part of a program's tree as of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePage {
    pub program: ProgramId,
    /// The checkpoint; 0 for the genesis.
    pub height: Height,
    /// In the order of their keys; all have a value.
    pub entries: Vec<Change>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<Vec<u8>>,
    /// The roots of all other programs at that checkpoint.
    pub sibling_roots: Vec<ProgramRoot>,
}

/// A copy of a program's tree in the making.
#[derive(Debug, Clone)]
pub struct TreeCopy {
    program: ProgramId,
    tree: StateTree,
    bytes: usize,
    /// Heights of the first and the last page so far.
    heights: Option<(Height, Height)>,
    /// Where the next page starts; `None` when all are there.
    next: Option<Vec<u8>>,
    sibling_roots: Vec<ProgramRoot>,
}

/// A page or difference does not fit the copy. Whoever sent it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    #[error("the page is not the one that comes next")]
    NotNext,
    #[error("the page's entries are not in order, or lie outside the page")]
    Order,
    #[error("the copy is over {COPY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("pages or differences are missing")]
    Incomplete,
    #[error(transparent)]
    Difference(#[from] DifferenceError),
}

impl Ledger {
    /// A page of a program's tree as of the last checkpoint, from key `from` on; `None` for a program that there isn't.
    pub fn page(&self, program: ProgramId, from: &[u8]) -> Option<TreePage> {
        let mut page = TreePage {
            program,
            height: self.last_checkpoint().map_or(Height::GENESIS, |checkpoint| checkpoint.height),
            entries: Vec::new(),
            next: None,
            sibling_roots: self.programs.checkpointed().roots(),
        };
        page.sibling_roots.retain(|root| root.program != program);
        let mut bytes = 0;
        for (key, value) in self.checkpointed_entries(program, from)? {
            bytes += key.len() + value.len();
            let full = page.entries.len() == PAGE_ENTRIES_MAX || bytes > PAGE_BYTES_MAX;
            if full && !page.entries.is_empty() {
                page.next = Some(key.to_vec());
                break;
            }
            page.entries.push(Change { key: key.to_vec(), value: Some(value.to_vec()) });
        }
        Some(page)
    }

    /// The entries from `from` on as they stood at the last checkpoint: the current ones, and over them what those that
    /// changed were.
    fn checkpointed_entries<'a>(
        &'a self,
        program: ProgramId,
        from: &[u8],
    ) -> Option<impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a>> {
        let mut current = self.tree(program)?.iter_from(from).peekable();
        let mut before = self.programs.before(program, from).peekable();
        Some(std::iter::from_fn(move || {
            loop {
                let changed = match (current.peek(), before.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => false,
                    (None, Some(_)) => true,
                    (Some((key, _)), Some((changed, _))) => changed <= key,
                };
                if !changed {
                    return current.next();
                }
                let (key, value) = before.next()?;
                current.next_if(|(now, _)| *now == key);
                if let Some(value) = value {
                    return Some((key, value));
                }
            }
        }))
    }
}

impl TreeCopy {
    pub fn new(program: ProgramId) -> Self {
        let next = Some(Vec::new());
        Self { program, tree: StateTree::new(), bytes: 0, heights: None, next, sibling_roots: Vec::new() }
    }

    /// Where the page starts that is wanted next; `None` when all are there.
    pub fn wanted(&self) -> Option<&[u8]> {
        self.next.as_deref()
    }

    /// Adds the page that was [`wanted`](Self::wanted).
    pub fn add(&mut self, page: TreePage) -> Result<(), CopyError> {
        let from = self.next.as_ref().ok_or(CopyError::NotNext)?;
        let (first, last) = self.heights.unwrap_or((page.height, page.height));
        if page.program != self.program || page.height < last {
            return Err(CopyError::NotNext);
        }
        let keys = page.entries.iter().map(|entry| &entry.key);
        let inside = page.entries.first().is_none_or(|entry| entry.key >= *from);
        let rising = keys.chain(&page.next).is_sorted_by(|a, b| a < b);
        let stuck = page.next.is_some() && page.entries.is_empty();
        if !inside || !rising || stuck {
            return Err(CopyError::Order);
        }
        for entry in page.entries {
            let value = entry.value.ok_or(CopyError::Order)?;
            self.bytes += entry.key.len() + value.len();
            if self.bytes > COPY_BYTES_MAX {
                return Err(CopyError::TooLarge);
            }
            self.tree.insert(entry.key, value);
        }
        self.heights = Some((first, page.height));
        self.next = page.next;
        self.sibling_roots = page.sibling_roots;
        Ok(())
    }

    /// The height up to which the copy stands once all pages are there, and the next difference that is wanted before
    /// it may be finished, if any.
    pub fn heights(&self) -> Option<(Height, Option<Height>)> {
        let (first, last) = self.heights.filter(|_| self.next.is_none())?;
        Some((last, (first < last).then(|| first.next())))
    }

    /// Applies the difference of the height that [`heights`](Self::heights) wants.
    pub fn replay(&mut self, height: Height, difference: &ProgramDifference) -> Result<(), CopyError> {
        let Some((last, Some(wanted))) = self.heights() else { return Err(CopyError::NotNext) };
        if height != wanted || difference.program != self.program {
            return Err(CopyError::NotNext);
        }
        for change in &difference.entries {
            self.bytes += change.key.len() + change.value.as_ref().map_or(0, Vec::len);
            if self.bytes > COPY_BYTES_MAX {
                return Err(CopyError::TooLarge);
            }
            self.tree.set(change.key.clone(), change.value.clone());
        }
        self.heights = Some((height, last));
        Ok(())
    }

    /// The tree, checked against the state root that is certified at the last height.
    pub fn finish(mut self, certified: Hash) -> Result<StateTree, CopyError> {
        match self.heights() {
            Some((_, None)) => {}
            _ => return Err(CopyError::Incomplete),
        }
        check_root(self.program, self.tree.rehash(), &self.sibling_roots, certified)?;
        Ok(self.tree)
    }
}

impl Encode for TreePage {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.program);
        out.value(&self.height);
        out.list(&self.entries);
        out.flag(self.next.is_some());
        if let Some(next) = &self.next {
            out.bytes(next);
        }
        out.list(&self.sibling_roots);
    }
}

impl Decode for TreePage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            program: input.value()?,
            height: input.value()?,
            entries: input.list(PAGE_ENTRIES_MAX)?,
            next: if input.flag()? { Some(input.bytes(ENTRY_KEY_BYTES_MAX)?.to_vec()) } else { None },
            sibling_roots: input.list(PROGRAMS_MAX)?,
        })
    }
}
