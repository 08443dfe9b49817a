//! The tree of epochs that a device keeps of a room, and which of them it follows.
//!
//! Each commit begins an epoch on another; several commits on one epoch make branches. The one that is followed is found from the root,
//! the oldest epoch that is kept, by going to the commit with the lowest [`Rank`](super::Rank) each time: what was built on the others does not
//! count. Passed over are commits of devices that a commit elsewhere below the same epoch removes: who is removed has no way back by what it
//! had ready before. The root moves on [`BRANCH_EPOCHS`] behind the head, and then what was aside from it is deleted.
//!
//! Only losers are ever deleted to keep within bounds, those with a removal last; where even such go, what they removed counts no more.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Batch, Time};

use super::change::{Summary, TurnedBack};
use super::epoch::{Begun, Epoch, Keys};
use super::line::{Comparison, Line, Step, stays};
use super::parts::PartId;
use super::{BRANCH_EPOCHS, BRANCH_SPAN, BRANCHES_MAX, EPOCHS_MAX, EpochTag, LINE_STEPS, PAST_SPAN, Place, RoomId};
use crate::device::DeviceKey;

/// The epochs that are kept.
pub(crate) struct Branches {
    room: RoomId,
    epochs: BTreeMap<EpochTag, Epoch>,
    root: EpochTag,
    head: EpochTag,
    /// The line up to the root, not with it.
    past: Vec<Step>,
}

impl Branches {
    pub fn new(room: RoomId, epoch: Epoch) -> Self {
        let tag = epoch.tag;
        Self { room, epochs: [(tag, epoch)].into(), root: tag, head: tag, past: Vec::new() }
    }

    /// As they were kept. `None` if they are not one tree.
    pub fn restore(
        room: RoomId,
        epochs: Vec<Epoch>,
        (root, head): (EpochTag, EpochTag),
        past: Vec<Step>,
    ) -> Option<Self> {
        let epochs: BTreeMap<EpochTag, Epoch> = epochs.into_iter().map(|epoch| (epoch.tag, epoch)).collect();
        let branches = Self { room, epochs, root, head, past };
        let is_tree = branches.epochs.contains_key(&root) && branches.path().last() == Some(&head);
        is_tree.then_some(branches)
    }

    pub fn root(&self) -> EpochTag {
        self.root
    }

    pub fn past(&self) -> &[Step] {
        &self.past
    }

    /// Where the oldest epoch that is kept is one with which the device itself entered anew: on which one, and the frame.
    pub fn entered_on(&self) -> Option<(EpochTag, &[u8])> {
        let begun = self.epochs[&self.root].begun.as_ref()?;
        (begun.is_own && begun.summary.is_entry).then_some((begun.parent, &begun.frame[..]))
    }

    pub fn find(&self, tag: EpochTag) -> Option<&Epoch> {
        self.epochs.get(&tag)
    }

    pub fn find_mut(&mut self, tag: EpochTag) -> Option<&mut Epoch> {
        self.epochs.get_mut(&tag)
    }

    pub fn head(&self) -> &Epoch {
        &self.epochs[&self.head]
    }

    pub fn head_mut(&mut self) -> &mut Epoch {
        self.epochs.get_mut(&self.head).expect("the head is kept")
    }

    pub fn iter(&self) -> impl Iterator<Item = &Epoch> {
        self.epochs.values()
    }

    /// The lowest number of an epoch that is kept.
    pub fn oldest(&self) -> u64 {
        self.epochs[&self.root].number
    }

    /// The epochs that commits on `parent` have begun.
    pub fn children(&self, parent: EpochTag) -> impl Iterator<Item = &Epoch> {
        let is_child = move |epoch: &&Epoch| epoch.begun.as_ref().is_some_and(|begun| begun.parent == parent);
        self.epochs.values().filter(is_child)
    }

    /// From the root to what is to be followed.
    fn path(&self) -> Vec<EpochTag> {
        let mut path = vec![self.root];
        let mut at = self.root;
        while let Some(next) = self.followed_child(at) {
            at = next;
            path.push(at);
        }
        path
    }

    /// Of the epochs that begin on `parent` that with the lowest rank whose committer stays; where none stays, the lowest.
    fn followed_child(&self, parent: EpochTag) -> Option<EpochTag> {
        let removals = self.removals_below(parent);
        let is_removed = |child: &Epoch| {
            let by = child.begun.as_ref().map(|begun| begun.summary.by.device);
            removals.iter().any(|(branch, device)| *branch != child.tag && Some(*device) == by)
        };
        let order = |child: &&Epoch| (is_removed(child), child.begun.as_ref().map(|begun| begun.rank));
        self.children(parent).min_by_key(order).map(|child| child.tag)
    }

    /// The devices that are removed below an epoch, and in which branch of it. Commits count in the order of their ranks, and none of a
    /// device that one before it has removed in another branch: so two that remove each other come to one result whatever arrives first.
    fn removals_below(&self, parent: EpochTag) -> BTreeSet<(EpochTag, DeviceKey)> {
        let branches: Vec<EpochTag> = self.children(parent).map(|child| child.tag).collect();
        if branches.len() < 2 {
            return BTreeSet::new();
        }
        let below =
            branches.into_iter().flat_map(|branch| self.with_all_below(branch).map(move |epoch| (branch, epoch)));
        let mut commits: Vec<(EpochTag, &Begun)> =
            below.filter_map(|(branch, epoch)| Some((branch, epoch.begun.as_ref()?))).collect();
        commits.retain(|(_, begun)| begun.removes());
        commits.sort_by_key(|(_, begun)| begun.rank);
        let mut removals: BTreeSet<(EpochTag, DeviceKey)> = BTreeSet::new();
        for (branch, begun) in commits {
            let by = begun.summary.by.device;
            if !removals.iter().any(|(other, device)| *other != branch && *device == by) {
                removals.extend(begun.summary.removed.iter().map(|member| (branch, member.device)));
            }
        }
        removals
    }

    /// An epoch, and all that are built on it.
    fn with_all_below(&self, top: EpochTag) -> impl Iterator<Item = &Epoch> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            found.extend(self.children(at).map(|child| child.tag));
            next += 1;
        }
        found.into_iter().filter_map(|tag| self.epochs.get(&tag))
    }

    pub fn place(&self, tag: EpochTag) -> Place {
        match tag {
            head if head == self.head => Place::Head,
            past if self.path().contains(&past) => Place::Past,
            _ => Place::Aside,
        }
    }

    /// Keeps an epoch that a commit on another has begun, and follows what is to be followed now. Says what was left for it.
    pub fn add(&mut self, mut epoch: Epoch, now: Time, batch: &mut Batch) -> Option<TurnedBack> {
        let before = self.path();
        epoch.put(self.room, &self.parts(), batch);
        self.epochs.insert(epoch.tag, epoch);
        let after = self.path();
        self.head = *after.last().expect("a path begins with the root");
        for epoch in self.epochs.values_mut() {
            let is_head = epoch.tag == self.head;
            if !is_head {
                epoch.unload();
            }
            if is_head != epoch.left_at.is_none() {
                epoch.left_at = (!is_head).then_some(now);
                epoch.put_header(self.room, batch);
            }
        }
        let left: Vec<EpochTag> = before.into_iter().filter(|tag| !after.contains(tag)).collect();
        let turned_back = (!left.is_empty()).then(|| self.turned_back(left));
        self.bound(batch);
        turned_back
    }

    fn turned_back(&self, epochs: Vec<EpochTag>) -> TurnedBack {
        let begun = epochs.iter().filter_map(|tag| self.epochs[tag].begun.as_ref());
        let lost = begun.filter(|begun| begun.is_own).map(|begun| begun.summary.clone()).collect();
        TurnedBack { epochs, lost }
    }

    /// Deletes what is older than is kept, and of what is aside the most hopeless.
    fn bound(&mut self, batch: &mut Batch) {
        let path = self.path();
        if path.len() > BRANCH_EPOCHS + 1 {
            self.move_root(path[path.len() - 1 - BRANCH_EPOCHS], batch);
        }
        while let Some(worst) = self.superfluous() {
            self.delete_below(worst, batch);
        }
    }

    /// An epoch aside that there is no room for.
    fn superfluous(&self) -> Option<EpochTag> {
        let path = self.path();
        let aside = |epoch: &&Epoch| !path.contains(&epoch.tag);
        let worst = |epochs: Vec<&Epoch>| {
            // What removes somebody decides from aside as well.
            let removes =
                |epoch: &Epoch| self.with_all_below(epoch.tag).filter_map(|at| at.begun.as_ref()).any(Begun::removes);
            let key = |epoch: &&Epoch| (!removes(epoch), epoch.number, epoch.begun.as_ref().map(|begun| begun.rank));
            epochs.into_iter().filter(aside).max_by_key(key).map(|epoch| epoch.tag)
        };
        for parent in self.epochs.keys() {
            let children: Vec<&Epoch> = self.children(*parent).collect();
            if children.len() > BRANCHES_MAX {
                return worst(children);
            }
        }
        if self.epochs.len() > EPOCHS_MAX { worst(self.epochs.values().collect()) } else { None }
    }

    fn delete_below(&mut self, tag: EpochTag, batch: &mut Batch) {
        let children: Vec<EpochTag> = self.children(tag).map(|child| child.tag).collect();
        for child in children {
            self.delete_below(child, batch);
        }
        self.delete(tag, batch);
    }

    fn delete(&mut self, tag: EpochTag, batch: &mut Batch) {
        if let Some(epoch) = self.epochs.remove(&tag) {
            epoch.delete(self.room, &self.parts(), batch);
        }
    }

    /// The parts of trees that epochs here have.
    fn parts(&self) -> BTreeSet<PartId> {
        self.epochs.values().flat_map(|epoch| epoch.parts.iter().copied()).collect()
    }

    /// Writes all epochs anew.
    pub fn put_all(&mut self, batch: &mut Batch) {
        for epoch in self.epochs.values_mut() {
            epoch.put(self.room, &BTreeSet::new(), batch);
        }
    }

    /// Deletes all epochs.
    pub fn delete_all(&self, batch: &mut Batch) {
        self.epochs.values().for_each(|epoch| epoch.delete(self.room, &BTreeSet::new(), batch));
    }

    /// Makes an epoch of the path the oldest that is kept.
    fn move_root(&mut self, root: EpochTag, batch: &mut Batch) {
        let path = self.path();
        // Not looked for anew on the way: the path begins with what is being deleted.
        for (tag, next) in
            path.iter().zip(&path[1..]).take_while(|(tag, _)| **tag != root).map(|(tag, next)| (*tag, *next))
        {
            self.past.push(self.step(tag));
            let others: Vec<EpochTag> = self.children(tag).map(|child| child.tag).collect();
            for aside in others.into_iter().filter(|other| *other != next) {
                self.delete_below(aside, batch);
            }
            self.delete(tag, batch);
        }
        let over = self.past.len().saturating_sub(LINE_STEPS);
        self.past.drain(..over);
        self.root = root;
    }

    /// Deletes what may be kept no longer at `now`.
    pub fn expire(&mut self, now: Time, batch: &mut Batch) {
        let is_over = |epoch: &Epoch, span| epoch.left_at.is_some_and(|left| now.since(left) > span);
        let path = self.path();
        if let Some(oldest) = path.iter().find(|tag| !is_over(&self.epochs[tag], PAST_SPAN))
            && *oldest != self.root
        {
            self.move_root(*oldest, batch);
        }
        let aside = self.epochs.values().filter(|epoch| !path.contains(&epoch.tag) && is_over(epoch, PAST_SPAN));
        for tag in aside.map(|epoch| epoch.tag).collect::<Vec<_>>() {
            self.delete_below(tag, batch);
        }
        for epoch in self.epochs.values_mut().filter(|epoch| epoch.keys == Keys::All && is_over(epoch, BRANCH_SPAN)) {
            epoch.keep_reading_only(self.room, batch);
        }
    }

    fn step(&self, tag: EpochTag) -> Step {
        let epoch = &self.epochs[&tag];
        let begun = epoch.begun.as_ref();
        let removes = begun.is_some_and(Begun::removes);
        Step { epoch: epoch.number, tag, rank: begun.map(|begun| begun.rank), removes }
    }

    /// What was followed, up to the head.
    pub fn line(&self) -> Line {
        let kept = self.path().into_iter().map(|tag| self.step(tag));
        Line { steps: self.past.iter().copied().chain(kept).collect() }
    }

    /// How `theirs` stands to the line here.
    pub fn compare(&self, theirs: &Line) -> Comparison {
        let ours = self.line();
        let Some(from) = ours.parts_from(theirs) else { return Comparison::Apart };
        let (our, their) = (ours.after(from), theirs.after(from));
        match (our.is_empty(), their.is_empty()) {
            (true, true) => Comparison::Same,
            (true, false) => Comparison::Behind { from },
            (false, true) => Comparison::Ahead { from },
            (false, false) if self.find(from).is_some_and(|epoch| epoch.keys == Keys::All) => {
                Comparison::Parted { from }
            }
            (false, false) => Comparison::Forked { ours_stays: stays(our, their) },
        }
    }

    /// What is kept beside the path.
    pub fn aside(&self) -> Vec<EpochTag> {
        let path = self.path();
        self.epochs.keys().copied().filter(|tag| !path.contains(tag)).collect()
    }

    /// What this device itself did on the path after an epoch of it, or on all of it.
    pub fn made_since(&self, from: Option<EpochTag>) -> Vec<Summary> {
        self.followed_since(from).filter(|begun| begun.is_own).map(|begun| begun.summary.clone()).collect()
    }

    /// The commits of the path after an epoch of it, or of all of it.
    pub fn followed_since(&self, from: Option<EpochTag>) -> impl Iterator<Item = &Begun> {
        let path = self.path();
        let after = from.and_then(|from| path.iter().position(|tag| *tag == from)).map_or(0, |place| place + 1);
        path.into_iter().skip(after).filter_map(|tag| self.epochs[&tag].begun.as_ref())
    }

    /// Whether an epoch is kept, or was followed, or is one of these as it is named by those whom its commit removes.
    pub fn knows(&self, tag: EpochTag) -> bool {
        let begun = || self.epochs.values().filter_map(|epoch| epoch.begun.as_ref());
        let is_removal = |begun: &Begun| EpochTag::of_removal(begun.parent, begun.rank.tree) == tag;
        self.find(tag).is_some() || self.past.iter().any(|step| step.tag == tag) || begun().any(is_removal)
    }

    /// What decides which line is followed from an epoch on: the commits that lead from it to the head, and those aside that remove
    /// somebody, with what leads to them. In the order in which they are to be taken.
    pub fn commits_since(&self, from: EpochTag) -> Vec<Vec<u8>> {
        let path = self.path();
        let decides = |epoch: &&Epoch| {
            let removes = || self.with_all_below(epoch.tag).filter_map(|at| at.begun.as_ref()).any(Begun::removes);
            path.contains(&epoch.tag) || removes()
        };
        let mut epochs: Vec<&Epoch> = self.with_all_below(from).skip(1).filter(decides).collect();
        epochs.sort_by_key(|epoch| epoch.number);
        epochs.into_iter().filter_map(|epoch| epoch.begun.as_ref().map(|begun| begun.frame.clone())).collect()
    }
}
