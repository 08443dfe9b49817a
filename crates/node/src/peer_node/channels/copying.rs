//! What is kept of channels in a second place (`[channels] copies`; rows C1, C2): a file for each channel that has contracts or other assets.
//!
//! *What* is kept is `byway_channel`'s ([`ChannelCopy`]); here it is sealed, written and read. A file is written whenever something
//! that the channel can come to end in has changed: right after that, and nobody waits for it. So what a lost disk costs is what came in
//! within the last moment, and a place that is slow, full or away keeps no payment from being made. It is tried again, and the node
//! says meanwhile that it fails.
//!
//! **After the journal.** What a copy has is signed, so it is written only once the journal has it too: a crash would else have this side sign another state
//! of a round that a copy shows.
//!
//! **Read before written.** A node that begins with an empty or an old folder knows less than the file. So of each channel the
//! file is read and taken first ([`take_copy`](byway_channel::ChannelMachine::take_copy)). What can't be opened is nothing that could
//! be used, and is written over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use byway_channel::{ChannelCopy, ChannelKey, CopyMark};
use byway_crypto::CopyKey;
use byway_crypto::copy::COPY_FILE_BYTES_MAX;
use byway_driver::entropy;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Encode, Span, Time, Token};
use byway_records::promise::ChannelId;

use super::super::{Actor, Arrival};
use crate::api::ChannelCopyState;
use crate::files;

/// When a place that could not be used is tried again.
const AGAIN_AFTER: Span = Span::seconds(10);

/// What is kept in a second place, and how that gets on.
pub(in super::super) struct Copying {
    key: CopyKey,
    folder: Option<PathBuf>,
    /// Channels whose files are to be looked at.
    due: BTreeSet<ChannelId>,
    /// Those whose files were read since the start.
    read: BTreeSet<ChannelId>,
    /// What was written last of each.
    written: BTreeMap<ChannelId, CopyMark>,
    /// Channels that the ledger has and the disk hasn't, and since when their files are looked for.
    awaited: BTreeMap<ChannelId, Time>,
    /// What waits for the journal.
    staged: Option<(Token, ChannelId, Job)>,
    /// What the journal was given last.
    journaled: Option<Token>,
    is_started: bool,
    /// One file at a time.
    is_busy: bool,
    /// Why the place can't be used, and when it is tried again.
    problem: Option<(String, Time)>,
}

/// What has become of one file.
pub(in super::super) enum CopyDone {
    /// None where there is no such file.
    Read(Result<Option<Box<ChannelCopy>>, ReadFailed>),
    Written(CopyMark, Result<(), String>),
    Removed,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ReadFailed {
    #[error("{0}")]
    Place(String),
    #[error("{0}")]
    Content(String),
}

/// What is to be done with one file.
enum Job {
    Read,
    Write(CopyMark, Box<ChannelCopy>),
    Remove,
}

impl Copying {
    pub fn open(key: CopyKey, folder: Option<PathBuf>) -> Self {
        let (due, read, written, awaited) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (staged, journaled, is_started, is_busy, problem) = (None, None, false, false, None);
        Self { key, folder, due, read, written, awaited, staged, journaled, is_started, is_busy, problem }
    }

    /// The journal of the market is given something.
    pub fn note_journaled(&mut self, token: Token) {
        self.journaled = Some(token);
    }

    fn file(&self, folder: &Path, channel: ChannelId) -> PathBuf {
        folder.join(format!("{}.copy", self.key.name(&channel.0.0)))
    }
}

impl Actor {
    /// Looks after what is kept elsewhere: called after whatever has happened.
    pub(in super::super) fn tend_copies(&mut self) {
        let written = self.market.take_written_channels();
        if self.copying.folder.is_none() {
            return;
        }
        if !std::mem::replace(&mut self.copying.is_started, true) {
            let all = self.market.channels().iter().filter_map(|(_, channel)| channel.id());
            self.copying.due.extend(all);
        }
        let ids = written.into_iter().filter_map(|key| self.market.channels().get(key)?.id());
        self.copying.due.extend(ids);
        let now = self.clock.now();
        let is_over = |since: &Time| now.since(*since) >= AGAIN_AFTER;
        let overdue = self.copying.awaited.iter().filter(|(_, since)| is_over(since)).map(|(id, _)| *id);
        overdue.collect::<Vec<_>>().into_iter().for_each(|id| self.find_awaited(id));
        if self.copying.is_busy || self.copying.problem.as_ref().is_some_and(|(_, again)| now < *again) {
            return;
        }
        let is_durable = |token: Token| self.market_durable.covers(token);
        if self.copying.staged.as_ref().is_some_and(|(token, ..)| !is_durable(*token)) {
            return;
        }
        if let Some((_, channel, job)) = self.copying.staged.take() {
            return self.do_copy_job(channel, job);
        }
        while let Some(channel) = self.copying.due.pop_first() {
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
        if copying.folder.is_none() || copying.read.contains(&id) || copying.problem.is_some() {
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
        let mark = channel.copy_mark().filter(|mark| copying.written.get(&id) != Some(mark))?;
        Some(Job::Write(mark, Box::new(channel.copy()?)))
    }

    fn do_copy_job(&mut self, channel: ChannelId, job: Job) {
        let Some(folder) = &self.copying.folder else { return };
        self.copying.is_busy = true;
        let (file, key, arrive) = (self.copying.file(folder, channel), self.copying.key.clone(), self.arrive.clone());
        tokio::task::spawn_blocking(move || {
            let done = do_job(&file, &key, job);
            // The task is gone only when the node has stopped.
            let _ = arrive.blocking_send(Arrival::Copied { channel, done });
        });
    }

    /// A file was read, written or removed, or could not be.
    pub(in super::super) fn copied(&mut self, channel: ChannelId, done: CopyDone) {
        self.copying.is_busy = false;
        match done {
            CopyDone::Written(mark, Ok(())) => {
                self.copying.written.insert(channel, mark);
                self.place_is_there(channel);
            }
            CopyDone::Written(_, Err(why)) => self.place_fails(channel, why),
            CopyDone::Removed => {
                self.copying.read.remove(&channel);
                self.copying.written.remove(&channel);
            }
            CopyDone::Read(Ok(copy)) => {
                self.copying.read.insert(channel);
                self.copying.due.insert(channel);
                self.place_is_there(channel);
                self.find_awaited(channel);
                copy.into_iter().for_each(|copy| self.take_copy(channel, *copy));
            }
            CopyDone::Read(Err(ReadFailed::Place(why))) => {
                self.find_awaited(channel);
                self.place_fails(channel, why);
            }
            CopyDone::Read(Err(ReadFailed::Content(why))) => {
                self.find_awaited(channel);
                self.copying.read.insert(channel);
                self.copying.due.insert(channel);
                self.copy_is_no_use(channel, &why);
            }
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
        let is_new = self.copying.problem.as_ref().is_none_or(|(before, _)| *before != why);
        if let (true, Some(key)) = (is_new, self.market.channels().key_of(channel)) {
            let folder = self.copying.folder.as_deref().unwrap_or(Path::new(""));
            tracing::warn!(folder = %folder.display(), why, "channels can't be copied; payments go on, and it is tried again");
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
        let problem = self.copying.problem.as_ref().map(|(why, _)| why.clone());
        Some(match &self.copying.folder {
            None => (ChannelCopyState::Off, None),
            Some(_) if self.copying.written.get(&id) == Some(&mark) => (ChannelCopyState::Kept, None),
            Some(_) if problem.is_some() => (ChannelCopyState::Failing, problem),
            Some(_) => (ChannelCopyState::Behind, None),
        })
    }

    /// What is still to be written when the node stops: nothing comes after it.
    pub(in super::super) fn copy_at_the_end(&mut self) {
        let Some(folder) = self.copying.folder.clone() else { return };
        self.copying.due.extend(self.copying.staged.take().map(|(_, channel, _)| channel));
        let written = self.market.take_written_channels();
        let ids = written.into_iter().filter_map(|key| self.market.channels().get(key)?.id());
        self.copying.due.extend(ids);
        if self.copying.problem.is_some() {
            return;
        }
        while let Some(channel) = self.copying.due.pop_first() {
            let Some(job @ (Job::Write(..) | Job::Remove)) = self.copy_job(channel) else { continue };
            let file = self.copying.file(&folder, channel);
            if let CopyDone::Written(_, Err(why)) = do_job(&file, &self.copying.key, job) {
                return tracing::error!(folder = %folder.display(), why, "channels can't be copied");
            }
        }
    }
}

fn do_job(file: &Path, key: &CopyKey, job: Job) -> CopyDone {
    match job {
        Job::Read => CopyDone::Read(read(file, key)),
        Job::Write(mark, copy) => CopyDone::Written(mark, write(file, key, &copy)),
        Job::Remove => {
            // Whoever finds it later takes it for what it is: a copy of a channel that is over.
            let _ = fs::remove_file(file);
            CopyDone::Removed
        }
    }
}

fn write(file: &Path, key: &CopyKey, copy: &ChannelCopy) -> Result<(), String> {
    let (first, second) = (entropy::seed(), entropy::number());
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(&first[..16]);
    nonce[16..].copy_from_slice(&second.to_le_bytes());
    let sealed = key.seal(&copy.to_bytes(), nonce).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| {
        format!("{error}; check that the folder of `channels.copies` exists, is mounted and has room")
    };
    files::write_secret(file, &sealed).map_err(failed)
}

fn read(file: &Path, key: &CopyKey) -> Result<Option<Box<ChannelCopy>>, ReadFailed> {
    let place = |error: io::Error| {
        ReadFailed::Place(format!("{error}; check that the folder of `channels.copies` exists and can be read"))
    };
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Where the folder itself is missing the place is not there: perhaps it is not mounted.
            let folder = file.parent().unwrap_or(Path::new("."));
            return fs::metadata(folder).map(|_| None).map_err(place);
        }
        Err(error) => return Err(place(error)),
    };
    let mut sealed = Vec::new();
    // One byte more than may be there, so that a longer file is seen to be one.
    opened.take(COPY_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut sealed).map_err(place)?;
    let content = |error: &dyn std::fmt::Display| ReadFailed::Content(error.to_string());
    let bytes = key.open(&sealed).map_err(|error| content(&error))?;
    let copy: ChannelCopy = decode_exact(&bytes).map_err(|error| content(&error))?;
    Ok(Some(Box::new(copy)))
}
