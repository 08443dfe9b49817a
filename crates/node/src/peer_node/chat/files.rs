//! Files beside messages: whom they are given to, from whom they are fetched and when, and where each stands.
//!
//! A file is given to whoever the dialogue on the link is with, where a conversation with them has a message with it. One that is wanted
//! is fetched from whoever has it and is there, its author first, and who was asked for it in vain last; what was cut goes on
//! as soon as somebody is there again, and so it does after a restart. Whoever sends something else as it is not asked for it again before our person says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use byway_chat::attachment::wire::{FileHeader, FileReply};
use byway_chat::attachment::{FilePlace, SIZE_BYTES_MAX, seal};
use byway_chat::chats::{FileRef, Shown, files_of};
use byway_chat::content::files::{self, FileCaution, FileName};
use byway_chat::content::post::Attachment;
use byway_chat::content::{MessageRef, display};
use byway_chat::mls::RoomId;
use byway_chat::people::Standing;
use byway_driver::link::{LinkId, StreamSend};
use byway_primitives::{IdentityId, Span, Time};

use super::super::{Actor, Arrival, PeerNodeConfig, StartError};
use super::tried::Tried;
use crate::api::*;
use crate::attachments::carry::{self, FetchError};
use crate::attachments::{FileError, FileStore, Giving};

/// The folder of files.
const ATTACHMENTS: &str = "attachments";
/// Files that are fetched at one time, and from one peer.
const COMING_MAX: usize = 8;
const COMING_EACH_MAX: usize = 2;
/// Bytes of a picture that is fetched by itself: one of a telephone's camera, at its best.
const PICTURE_BYTES_MAX: u64 = 16 << 20;
/// Files of one person that are wanted, up to which pictures of theirs are wanted without having been asked for.
const PICTURES_WANTED_MAX: usize = 64;
/// When somebody is asked again after a cut, …
const CUT_PAUSE: Span = Span::seconds(1);
/// … where they are busy, …
const BUSY_PAUSE: Span = Span::seconds(5);
/// … where they don't have it; and when all are, where the disk failed.
const REFUSED_PAUSE: Span = Span::seconds(60);

/// What the node has and does about files.
pub(in super::super) struct FileDesk {
    pub store: FileStore,
    coming: BTreeMap<FileRef, Coming>,
    /// When it is tried again, of what could not be kept.
    paused: BTreeMap<FileRef, Time>,
    tried: Tried,
    /// Who has sent something else as it.
    untrue: BTreeMap<FileRef, BTreeSet<IdentityId>>,
    giving: Giving,
}

/// One that is being fetched.
struct Coming {
    from: IdentityId,
    place: FilePlace,
    fetched: Arc<AtomicU64>,
    /// As far as it was told.
    told: u64,
}

/// What became of fetching a file.
pub(in super::super) struct FileCame {
    file: FileRef,
    from: IdentityId,
    result: Result<(), FetchError>,
}

impl FileDesk {
    /// Files lie beside the journals.
    pub fn open(config: &PeerNodeConfig) -> Result<Self, StartError> {
        let folder = config.root.join(ATTACHMENTS);
        let store = FileStore::open(folder, config.chat.attachments_bytes_max).map_err(StartError::Attachments)?;
        Ok(Self {
            store,
            coming: BTreeMap::new(),
            paused: BTreeMap::new(),
            tried: Tried::default(),
            untrue: BTreeMap::new(),
            giving: Giving::default(),
        })
    }

    /// Where a file stands, and how many bytes of it have come.
    fn state_of(&self, file: &FileRef, attachment: &Attachment, is_wanted: bool) -> (ChatFileState, u64) {
        if self.store.has(FilePlace::of(attachment)) {
            return (ChatFileState::Here, attachment.size);
        }
        if attachment.size > SIZE_BYTES_MAX {
            return (ChatFileState::TooLarge, 0);
        }
        match self.coming.get(file) {
            Some(coming) => (ChatFileState::Coming, coming.fetched.load(Ordering::Relaxed)),
            None if is_wanted => (ChatFileState::Wanted, 0),
            None if self.untrue.contains_key(file) => (ChatFileState::Untrue, 0),
            None => (ChatFileState::Away, 0),
        }
    }
}

impl Actor {
    /// A peer opened a stream to be given a file.
    pub(in super::super) fn give_file(&self, link: LinkId, header: FileHeader, send: StreamSend) {
        let Some(peer) = self.market.peer_on(byway_dialogue::LinkId(link.0)) else { return };
        let files =
            self.market.look_at_chats(&self.market_journal, |chats, store| chats.file_for(peer, &header.root, store));
        let files = files.unwrap_or_default();
        let (store, given) = (self.files.store.clone(), self.files.giving.begin(peer));
        tokio::spawn(async move {
            let done = match given {
                Some(_given) if !files.is_empty() => carry::give(store, files, header.from, send).await,
                Some(_) => carry::refuse(FileReply::NotHere, send).await,
                None => carry::refuse(FileReply::Busy, send).await,
            };
            match done {
                Err(FetchError::File(error)) => tracing::warn!(%peer, %error, "a file could not be given"),
                Err(error) => tracing::debug!(%peer, %error, "a file was not given whole"),
                Ok(()) => {}
            }
        });
    }

    fn chat_file_named(&self, file: &FileRef) -> Option<Attachment> {
        self.market.look_at_chats(&self.market_journal, |chats, store| chats.file(file, store)).flatten()
    }

    /// A file of a message, by what a call names.
    pub(in super::super) fn file_named(
        &self,
        (to, message, number): (&str, &str, u8),
    ) -> Answer<(FileRef, Attachment)> {
        let room = self.room_named(to)?;
        let of = super::saying::message_named(message)?;
        self.chat_item(room, &of).ok_or_else(ApiError::chat_message_not_found)?;
        let file = FileRef { room, of, number };
        let attachment = self.chat_file_named(&file).ok_or_else(ApiError::chat_file_not_found)?;
        Ok((file, attachment))
    }

    /// Has a file fetched, unless it is here or under way.
    pub(in super::super) fn want_file(&mut self, file: FileRef, attachment: &Attachment) -> Answer<()> {
        if self.files.store.has(FilePlace::of(attachment)) || self.chats().is_wanted(&file) {
            return Ok(());
        }
        if attachment.size > SIZE_BYTES_MAX {
            return Err(ApiError::chat_file_too_large());
        }
        if seal::plain_size(attachment.size).is_none() {
            return Err(ApiError::chat_file_untrue());
        }
        if !self.files.store.has_room(attachment.size) {
            return Err(ApiError::chat_files(FileError::Full(self.config.chat.attachments_bytes_max)));
        }
        self.files.untrue.remove(&file);
        self.files.paused.remove(&file);
        self.files.tried.retain(|of| *of != file);
        self.with_chats(|chats, _, _, _| chats.want_file(file)).map_err(ApiError::chat)?;
        self.fetch_files();
        self.reach_channel_peers();
        Ok(())
    }

    /// Pictures of bearable size come by themselves, from contacts, and not so many that one could keep the user from fetching others: each has so
    /// many under way, and half of the room is for what the user asks for.
    pub(super) fn fetch_pictures(&mut self, room: RoomId, of: MessageRef) {
        let is_contact = self.chats().people().get(of.author).is_some_and(|who| who.standing == Standing::Contact);
        // What our person has sent from another device is like what a contact sends.
        let is_meant = is_contact || of.author == self.chat_me();
        if !self.config.chat.fetch_pictures || !is_meant {
            return;
        }
        let spare = self.config.chat.attachments_bytes_max / 2;
        let Some(shown) = self.chat_item(room, &of) else { return };
        for (number, attachment) in (0..).zip(files_of(&shown.item).to_vec()) {
            let is_picture = attachment.media_type.trim_start().to_ascii_lowercase().starts_with("image/");
            let wanted = self.chats().wanted_files().filter(|file| file.of.author == of.author).count();
            if is_picture
                && wanted < PICTURES_WANTED_MAX
                && attachment.size <= PICTURE_BYTES_MAX
                && self.files.store.has_room(attachment.size.saturating_add(spare))
                && let Err(error) = self.want_file(FileRef { room, of, number }, &attachment)
            {
                tracing::debug!(%error, "a picture is not fetched by itself");
            }
        }
    }

    /// Begins to fetch what is wanted and can be had.
    pub(in super::super) fn fetch_files(&mut self) {
        let now = self.clock.now();
        self.files.paused.retain(|_, at| now < *at);
        let wanted: BTreeSet<FileRef> = self.chats().wanted_files().collect();
        self.files.tried.retain(|file| wanted.contains(file));
        for file in wanted {
            if self.files.coming.len() >= COMING_MAX {
                return;
            }
            if self.files.coming.contains_key(&file) || self.files.paused.contains_key(&file) {
                continue;
            }
            match self.chat_file_named(&file) {
                Some(attachment) if !self.files.store.has(FilePlace::of(&attachment)) => self.fetch(file, attachment),
                _ => self.with_chats(|chats, _, _, _| chats.unwant_file(&file)),
            }
        }
    }

    fn fetch(&mut self, file: FileRef, attachment: Attachment) {
        let place = FilePlace::of(&attachment);
        // Two messages with one file fetch it once.
        if self.files.coming.values().any(|coming| coming.place == place) {
            return;
        }
        let is_free = |peer: &IdentityId| {
            self.files.coming.values().filter(|coming| coming.from == *peer).count() < COMING_EACH_MAX
        };
        let is_true = |peer: &IdentityId| self.files.untrue.get(&file).is_none_or(|liars| !liars.contains(peer));
        let sources = self.files.tried.order(file, self.chats().sources_of(&file), self.clock.now());
        let sources = sources.into_iter().filter(|peer| is_true(peer) && is_free(peer));
        let found =
            sources.filter_map(|peer| Some((peer, self.link_handles.get(&self.market.link_to(peer)?)?.clone())));
        let Some((from, link)) = { found }.next() else { return };
        let fetched = Arc::new(AtomicU64::new(0));
        self.files.coming.insert(file, Coming { from, place, fetched: fetched.clone(), told: 0 });
        let (store, arrive) = (self.files.store.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let result = carry::take(store, attachment, link, fetched).await;
            // The task is gone only when the node has stopped.
            let _ = arrive.send(Arrival::File(FileCame { file, from, result })).await;
        });
    }

    pub(in super::super) fn file_came(&mut self, came: FileCame) {
        let FileCame { file, from, result } = came;
        let Some(Coming { place, .. }) = self.files.coming.remove(&file) else { return };
        let pause = match result {
            Ok(()) => {
                if self.chat_file_named(&file).is_none() {
                    // The message was deleted meanwhile.
                    self.files.store.forget(place);
                }
                self.files.untrue.remove(&file);
                self.with_chats(|chats, _, _, _| chats.unwant_file(&file));
                return self.fetch_files();
            }
            Err(FetchError::File(error @ FileError::Untrue(_))) => {
                tracing::warn!(peer = %from, %error, "a peer sent something else as a file");
                self.is_untrue(file, from);
                return self.fetch_files();
            }
            Err(FetchError::Cut) => CUT_PAUSE,
            Err(FetchError::Busy) => BUSY_PAUSE,
            Err(FetchError::NotThere) => REFUSED_PAUSE,
            Err(FetchError::File(error)) => {
                tracing::warn!(%error, "a file can't be kept");
                self.files.paused.insert(file, self.clock.now() + REFUSED_PAUSE);
                return self.tell_file(&file);
            }
        };
        // Meanwhile others are asked who may have it.
        self.files.tried.note(file, from, self.clock.now() + pause);
        self.tell_file(&file);
        self.fetch_files();
    }

    /// Somebody has sent something else as a file. Where nobody else could have it, it is wanted no more.
    fn is_untrue(&mut self, file: FileRef, from: IdentityId) {
        let liars = self.files.untrue.entry(file).or_default();
        liars.insert(from);
        let liars = liars.clone();
        if self.chats().sources_of(&file).iter().all(|peer| liars.contains(peer)) {
            self.with_chats(|chats, _, _, _| chats.unwant_file(&file));
        }
    }

    /// Goes on with files, and tells how far those are that come.
    pub(in super::super) fn tend_files(&mut self) {
        self.fetch_files();
        let mut moved = Vec::new();
        for (file, coming) in &mut self.files.coming {
            let fetched = coming.fetched.load(Ordering::Relaxed);
            if fetched != coming.told {
                coming.told = fetched;
                moved.push(*file);
            }
        }
        moved.iter().for_each(|file| self.tell_file(file));
    }

    fn tell_file(&self, file: &FileRef) {
        if let Some(shown) = self.chat_item(file.room, &file.of) {
            self.tell(Event::ChatItem(Box::new(self.chat_shown(file.room, &shown))));
        }
    }

    pub(super) fn attachments(&self, room: RoomId, shown: &Shown) -> Vec<ChatAttachment> {
        let numbered = (0..).zip(files_of(&shown.item));
        numbered.map(|(number, file)| self.attachment(FileRef { room, of: shown.item.of, number }, file)).collect()
    }

    pub(in super::super) fn attachment(&self, file: FileRef, attachment: &Attachment) -> ChatAttachment {
        let FileName { name, cautions } = FileName::of(&attachment.name);
        let (state, fetched) = self.files.state_of(&file, attachment, self.chats().is_wanted(&file));
        let thumbnail = attachment.thumbnail.as_ref().and_then(|bytes| {
            let media = files::thumbnail(bytes)?;
            Some(format!("data:{};base64,{}", media.media_type(), Base64(bytes.to_vec()).to_text()))
        });
        let size = seal::plain_size(attachment.size).unwrap_or(attachment.size);
        ChatAttachment {
            number: file.number,
            name,
            cautions: cautions.into_iter().map(caution_word).map(str::to_owned).collect(),
            media_type: display::line(&attachment.media_type),
            size,
            state,
            // Of the sealed file, which is a little longer.
            fetched: fetched.min(size),
            width: attachment.shape.map(|shape| shape.width),
            height: attachment.shape.map(|shape| shape.height),
            duration_ms: attachment.duration,
            thumbnail,
        }
    }
}

fn caution_word(caution: FileCaution) -> &'static str {
    match caution {
        FileCaution::Place => "place",
        FileCaution::Hidden => "hidden",
        FileCaution::Runs => "runs",
        FileCaution::TwoEndings => "two_endings",
    }
}
