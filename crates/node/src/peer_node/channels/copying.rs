//! What is kept of channels in a second place (`[channels] copies`; rows C1, C2): a file for each channel that has contracts or other assets.
//!
//! *What* is kept is `byway_channel`'s ([`ChannelCopy`]); here it is sealed, written and read. A file is written whenever something
//! that the channel can come to end in has changed: right after that, and nobody waits for it. So what a lost disk costs is what came in
//! within the last moment, and a place that is slow, full, away or silent keeps no payment from being made, nor the node from stopping. It is
//! tried again, and the node says meanwhile that it fails. What is wrong with one file alone keeps none of the others from being written.
//!
//! **After the journal.** What a copy has is signed, so it is written only once the journal has it too: a crash would else have this side sign another state
//! of a round that a copy shows.
//!
//! **Read before written.** A node that begins with an empty or an old folder knows less than the file. So of each channel the
//! file is read and taken first ([`take_copy`](byway_channel::ChannelMachine::take_copy)), and so it is whenever another one is there than this
//! life has seen ([`place`]): all are looked at once a minute. What can't be opened is nothing that could be used, and is written over, except
//! what another version wrote.

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use byway_channel::{ChannelCopy, ChannelKey, CopyMark};
use byway_crypto::CopyKey;
use byway_primitives::{Span, Time, Token};
use byway_records::promise::ChannelId;

pub(in super::super) use self::place::CopyDone;
use self::place::{Job, Place, ReadFailed, WriteFailed};
use super::super::{Actor, Arrival};
use crate::api::ChannelCopyState;

/// When a place that could not be used is tried again, and how long one that does not answer is waited for.
const AGAIN_AFTER: Span = Span::seconds(10);
/// How often it is looked at whether the files are still those that this life has seen.
const LOOK_EVERY: Span = Span::minutes(1);

/// What is kept in a second place, and how that gets on.
pub(in super::super) struct Copying {
    place: Option<Arc<Place>>,
    /// Channels whose files are to be looked after.
    due: BTreeSet<ChannelId>,
    /// The one whose turn was last.
    last: Option<ChannelId>,
    /// Those whose files were read since the start.
    read: BTreeSet<ChannelId>,
    /// Those of which it is to be seen whether another file is there, and when it is that of all again.
    to_look: BTreeSet<ChannelId>,
    look_at: Time,
    /// What was written last of each.
    written: BTreeMap<ChannelId, CopyMark>,
    /// What is wrong with the files of single channels.
    troubles: BTreeMap<ChannelId, Trouble>,
    /// Channels that the ledger has and the disk hasn't, and since when their files are looked for.
    awaited: BTreeMap<ChannelId, Time>,
    /// What waits for the journal.
    staged: Option<(Token, ChannelId, Job)>,
    /// What the journal was given last.
    journaled: Option<Token>,
    is_started: bool,
    /// One file at a time: which, and since when.
    busy: Option<(ChannelId, Time)>,
    /// Why the place can't be used, and when it is tried again.
    problem: Option<(String, Time)>,
}

/// What is wrong with one file.
struct Trouble {
    why: String,
    /// As long as that is what should be in it; where there is none, whatever that is.
    mark: Option<CopyMark>,
}

impl Copying {
    pub fn open(key: CopyKey, folder: Option<PathBuf>) -> Self {
        Self {
            place: folder.map(|folder| Place::new(key, folder)),
            due: BTreeSet::new(),
            last: None,
            read: BTreeSet::new(),
            to_look: BTreeSet::new(),
            look_at: Time::ZERO,
            written: BTreeMap::new(),
            troubles: BTreeMap::new(),
            awaited: BTreeMap::new(),
            staged: None,
            journaled: None,
            is_started: false,
            busy: None,
            problem: None,
        }
    }

    /// The journal of the market is given something.
    pub fn note_journaled(&mut self, token: Token) {
        self.journaled = Some(token);
    }

    /// The next file, by turns: one that fails over and over keeps none of the others from its turn.
    fn pop_due(&mut self) -> Option<ChannelId> {
        let behind = self.last.and_then(|last| self.due.range((Bound::Excluded(last), Bound::Unbounded)).next());
        let next = behind.or_else(|| self.due.first()).copied()?;
        self.due.remove(&next);
        self.last = Some(next);
        Some(next)
    }

    /// Has all files looked at once in a while: the place may be another one by now.
    fn look_again(&mut self, now: Time) {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.to_look.extend(&self.read);
            self.due.extend(&self.read);
        }
    }

    /// What is wrong with the file of a channel in which that should be.
    fn trouble(&self, channel: ChannelId, mark: &CopyMark) -> Option<&str> {
        let trouble = self.troubles.get(&channel)?;
        trouble.mark.is_none_or(|of| of == *mark).then_some(trouble.why.as_str())
    }

    /// Whether a write of that would bring nothing.
    fn is_done(&self, channel: ChannelId, mark: &CopyMark) -> bool {
        self.written.get(&channel) == Some(mark) || self.trouble(channel, mark).is_some()
    }
}

impl Actor {
    /// Looks after what is kept elsewhere: called after whatever has happened.
    pub(in super::super) fn tend_copies(&mut self) {
        let written = self.market.take_written_channels();
        if self.copying.place.is_none() {
            return;
        }
        if !std::mem::replace(&mut self.copying.is_started, true) {
            let all = self.market.channels().iter().filter_map(|(_, channel)| channel.id());
            self.copying.due.extend(all);
        }
        let ids = written.into_iter().filter_map(|key| self.market.channels().get(key)?.id());
        self.copying.due.extend(ids);
        let now = self.clock.now();
        self.copying.look_again(now);
        let is_over = |since: &Time| now.since(*since) >= AGAIN_AFTER;
        let overdue = self.copying.awaited.iter().filter(|(_, since)| is_over(since)).map(|(id, _)| *id);
        overdue.collect::<Vec<_>>().into_iter().for_each(|id| self.find_awaited(id));
        if let Some((channel, since)) = self.copying.busy {
            if is_over(&since) && self.copying.problem.is_none() {
                self.place_fails(channel, "it does not answer; check the folder of `channels.copies`".to_owned());
            }
            return;
        }
        if self.copying.problem.as_ref().is_some_and(|(_, again)| now < *again) {
            return;
        }
        let is_durable = |token: Token| self.market_durable.covers(token);
        if self.copying.staged.as_ref().is_some_and(|(token, ..)| !is_durable(*token)) {
            return;
        }
        if let Some((_, channel, job)) = self.copying.staged.take() {
            return self.do_copy_job(channel, job);
        }
        while let Some(channel) = self.copying.pop_due() {
            let Some(job) = self.copy_job(channel) else { continue };
            match self.copying.journaled.filter(|token| !self.market_durable.covers(*token)) {
                Some(token) => self.copying.staged = Some((token, channel, job)),
                None => self.do_copy_job(channel, job),
            }
            return;
        }
    }

    /// Whether a channel that the ledger has and the disk hasn't is taken up only once its file was read. It would else be paid out as the ledger has
    /// it, by this node itself, though the file has a newer state. A place that does not answer is not waited for long.
    pub(super) fn awaits_copy(&mut self, id: ChannelId) -> bool {
        let copying = &mut self.copying;
        if copying.place.is_none() || copying.read.contains(&id) || copying.problem.is_some() {
            return false;
        }
        copying.due.insert(id);
        copying.awaited.entry(id).or_insert_with(|| self.clock.now());
        true
    }

    /// Takes a channel up whose file was read, or can't be.
    fn find_awaited(&mut self, id: ChannelId) {
        if self.copying.awaited.remove(&id).is_some()
            && let Some(entry) = self.channel_entry(id)
        {
            let now = self.clock.now();
            self.market.find_channel(now, id, &entry, &self.market_journal);
        }
    }

    /// A channel is over: so is its file.
    pub(super) fn forget_copies(&mut self) {
        let ended = self.copying.read.iter().filter(|id| self.market.channels().key_of(**id).is_none());
        let ended: Vec<ChannelId> = ended.copied().collect();
        self.copying.due.extend(ended);
    }

    /// What is to be done with a channel's file, if anything.
    fn copy_job(&self, id: ChannelId) -> Option<Job> {
        let copying = &self.copying;
        let Some(key) = self.market.channels().key_of(id) else {
            let is_awaited = copying.awaited.contains_key(&id);
            return if is_awaited { Some(Job::Read) } else { copying.read.contains(&id).then_some(Job::Remove) };
        };
        let channel = self.market.channels().get(key)?;
        if channel.virtual_terms().is_some() {
            return None;
        }
        if !copying.read.contains(&id) {
            return Some(Job::Read);
        }
        let Some(mark) = channel.copy_mark().filter(|mark| !copying.is_done(id, mark)) else {
            return copying.to_look.contains(&id).then_some(Job::Look);
        };
        Some(Job::Write(mark, Box::new(channel.copy()?)))
    }

    fn do_copy_job(&mut self, channel: ChannelId, job: Job) {
        let Some(place) = self.copying.place.clone() else { return };
        self.copying.busy = Some((channel, self.clock.now()));
        self.copying.to_look.remove(&channel);
        let arrive = self.arrive.clone();
        // In a thread of its own: one that hangs is waited for by nothing when the node stops.
        thread::spawn(move || {
            let done = place.do_job(channel, job);
            // The task is gone only when the node has stopped.
            let _ = arrive.blocking_send(Arrival::Copied { channel, done });
        });
    }

    /// A file was read, written, looked at or removed, or could not be.
    pub(in super::super) fn copied(&mut self, channel: ChannelId, done: CopyDone) {
        self.copying.busy = None;
        match done {
            CopyDone::Written(_, Err(WriteFailed::Place(why))) | CopyDone::Looked(Err(WriteFailed::Place(why))) => {
                return self.place_fails(channel, why);
            }
            CopyDone::Read(Err(ReadFailed::Place(why))) => {
                self.find_awaited(channel);
                return self.place_fails(channel, why);
            }
            CopyDone::Written(mark, Ok(left_out)) => {
                self.copying.written.insert(channel, mark);
                self.copying.troubles.remove(&channel);
                if left_out > 0 {
                    let why = format!("there is no room for {left_out} more of the states that it may come to end in");
                    self.file_fails(channel, Some(mark), why);
                }
            }
            CopyDone::Written(_, Err(WriteFailed::Changed)) | CopyDone::Looked(Err(WriteFailed::Changed)) => {
                self.read_again(channel);
            }
            CopyDone::Written(mark, Err(why)) => self.file_fails(channel, Some(mark), why.to_string()),
            CopyDone::Looked(_) => {}
            CopyDone::Removed => {
                self.copying.read.remove(&channel);
                self.copying.written.remove(&channel);
                self.copying.troubles.remove(&channel);
            }
            CopyDone::Read(read) => self.copy_was_read(channel, read),
        }
        self.place_is_there(channel);
    }

    fn copy_was_read(&mut self, channel: ChannelId, read: Result<Option<Box<ChannelCopy>>, ReadFailed>) {
        self.copying.read.insert(channel);
        self.copying.due.insert(channel);
        self.find_awaited(channel);
        match read {
            Ok(copy) => copy.into_iter().for_each(|copy| self.take_copy(channel, *copy)),
            Err(why @ ReadFailed::Version(_)) => self.file_fails(channel, None, why.to_string()),
            Err(why) => self.copy_is_no_use(channel, &why.to_string()),
        }
    }

    /// Another file is there than this life has seen: perhaps it knows more.
    fn read_again(&mut self, channel: ChannelId) {
        let copying = &mut self.copying;
        copying.read.remove(&channel);
        copying.written.remove(&channel);
        copying.troubles.remove(&channel);
        copying.due.insert(channel);
    }

    /// What is in the way of one file only. It is tried again once something else should be in it.
    fn file_fails(&mut self, channel: ChannelId, mark: Option<CopyMark>, why: String) {
        let before = self.copying.troubles.insert(channel, Trouble { why: why.clone(), mark });
        let is_new = before.is_none_or(|before| before.why != why);
        if let (true, Some(key)) = (is_new, self.market.channels().key_of(channel)) {
            tracing::warn!(peer = %key.peer, why, "a channel can't be copied; payments go on");
            self.add_to_log(key, None, "not_copied", format!("what is in it can't be kept elsewhere too: {why}"));
        }
    }

    fn take_copy(&mut self, channel: ChannelId, copy: ChannelCopy) {
        let Some(key) = self.market.channels().key_of(channel) else { return };
        let now = self.clock.now();
        let taken = self.market.with_channel(now, key, &self.market_journal, |channel| channel.take_copy(now, copy));
        match taken {
            Some(Ok(true)) => {
                let what = "what was lost is there again, out of the copy that is kept elsewhere".to_owned();
                tracing::info!(peer = %key.peer, "the contents of a channel come out of a copy");
                self.add_to_log(key, None, "copy_taken", what);
            }
            Some(Err(error)) => self.copy_is_no_use(channel, &error.to_string()),
            Some(Ok(false)) | None => {}
        }
    }

    fn copy_is_no_use(&mut self, channel: ChannelId, why: &str) {
        tracing::warn!(why, "a copy of a channel is of no use, and is written anew");
        if let Some(key) = self.market.channels().key_of(channel) {
            self.add_to_log(
                key,
                None,
                "copy_unreadable",
                format!("the copy that is kept elsewhere is of no use: {why}"),
            );
        }
    }

    fn place_fails(&mut self, channel: ChannelId, why: String) {
        let again = self.clock.now() + AGAIN_AFTER;
        self.copying.due.insert(channel);
        self.copying.to_look.insert(channel);
        let is_new = self.copying.problem.as_ref().is_none_or(|(before, _)| *before != why);
        if let (true, Some(key)) = (is_new, self.market.channels().key_of(channel)) {
            let folder = self.copying.place.as_ref().map(|place| place.folder().display().to_string());
            tracing::warn!(folder, why, "channels can't be copied; payments go on, and it is tried again");
            self.add_to_log(key, None, "not_copied", format!("what is in it can't be kept elsewhere too: {why}"));
        }
        self.copying.problem = Some((why, again));
    }

    fn place_is_there(&mut self, channel: ChannelId) {
        let was_away = self.copying.problem.take().is_some();
        if let (true, Some(key)) = (was_away, self.market.channels().key_of(channel)) {
            self.add_to_log(key, None, "copied", "what is in it is kept elsewhere again".to_owned());
        }
    }

    /// How the copy of a channel gets on, and what is in the way; none where nothing of it is to be kept.
    pub(super) fn copy_state(&self, key: ChannelKey) -> Option<(ChannelCopyState, Option<String>)> {
        let channel = self.market.channels().get(key)?;
        let (mark, id) = (channel.copy_mark()?, channel.id()?);
        let problem = self.copying.problem.as_ref().map(|(why, _)| why.as_str());
        let trouble = self.copying.trouble(id, &mark).or(problem);
        Some(match &self.copying.place {
            None => (ChannelCopyState::Off, None),
            Some(_) if trouble.is_some() => (ChannelCopyState::Failing, trouble.map(str::to_owned)),
            Some(_) if self.copying.written.get(&id) == Some(&mark) => (ChannelCopyState::Kept, None),
            Some(_) => (ChannelCopyState::Behind, None),
        })
    }

    /// What is still to be written when the node stops: nothing comes after it. One that fails keeps none of the others from it, and a place that does not
    /// answer holds nothing up.
    pub(in super::super) fn copy_at_the_end(&mut self) {
        let Some(place) = self.copying.place.clone() else { return };
        self.copying.due.extend(self.copying.staged.take().map(|(_, channel, _)| channel));
        let written = self.market.take_written_channels();
        let ids = written.into_iter().filter_map(|key| self.market.channels().get(key)?.id());
        self.copying.due.extend(ids);
        let until = self.clock.now() + AGAIN_AFTER;
        while let Some(channel) = self.copying.pop_due() {
            let Some(job @ (Job::Write(..) | Job::Remove)) = self.copy_job(channel) else { continue };
            let folder = place.folder().display();
            match place.do_within(channel, job, until.since(self.clock.now())) {
                Some(CopyDone::Written(_, Err(why))) => tracing::error!(%folder, %why, "a channel can't be copied"),
                Some(_) => {}
                None => return tracing::error!(%folder, "channels can't be copied: the folder does not answer"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::Hash;

    use super::*;

    #[test]
    fn a_file_that_fails_over_and_over_keeps_none_of_the_others_from_its_turn() {
        let id = |number| ChannelId(Hash([number; 32]));
        let phrase = byway_crypto::phrase::Phrase::from_entropy(&[5; 32]).seed();
        let mut copying = Copying::open(phrase.copy_key(), None);
        copying.due.extend([1, 2, 3].map(id));
        let mut turns = Vec::new();
        for _ in 0..7 {
            let next = copying.pop_due().unwrap();
            turns.push(next);
            // All but the third fail, and are due again.
            copying.due.extend((next != id(3)).then_some(next));
        }
        assert_eq!(turns, [1, 2, 3, 1, 2, 1, 2].map(id));
        let mut copying = Copying::open(phrase.copy_key(), None);
        assert_eq!(copying.pop_due(), None);
        copying.read.insert(id(1));
        copying.look_again(Time(1));
        assert_eq!((copying.pop_due(), copying.to_look.contains(&id(1))), (Some(id(1)), true), "all are looked at");
        copying.look_again(Time(2));
        assert_eq!(copying.pop_due(), None, "not again at once");
    }
}
