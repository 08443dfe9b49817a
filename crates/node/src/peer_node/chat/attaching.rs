//! Calls about files: what our person attaches, and reading what is here.

use std::time::Duration;

use byway_chat::attachment::{FilePlace, seal};
use byway_chat::chats::Draft;
use byway_chat::content::bounded::{BoundedBytes, BoundedList, BoundedText, TooMuch};
use byway_chat::content::files::{self, HEAD_BYTES};
use byway_chat::content::limits::{ATTACHMENTS_MAX, LAMPORT_MAX};
use byway_chat::content::post::{Attachment, AttachmentKey, Post, Shape, Text, Voice};
use byway_chat::content::{Content, Kind, MessageId, MessageRef};
use byway_chat::mls::RoomId;
use byway_driver::entropy;
use byway_primitives::Time;
use tokio::time::{Instant, timeout_at};

use super::super::{Actor, PeerNode};
use super::saying::{message_named, text};
use crate::api::*;
use crate::attachments::{FileError, Uploaded, on_disk};

/// How long a call waits for a file before it says how far it is: less than a caller waits for its answer.
const FETCH_WAIT: Duration = Duration::from_secs(10);
/// What a file is called whose type nobody knows.
const ANY_TYPE: &str = "application/octet-stream";

/// Where a message with files goes, if it was not said before.
struct Place {
    room: RoomId,
    id: MessageId,
}

impl PeerNode {
    pub(in super::super) async fn upload_to_chat(&self, request: ChatUploadPart) -> Answer<ChatUpload> {
        let ChatUploadPart { upload, at, bytes } = request;
        let (store, name) = (self.files.clone(), upload.as_str().to_owned());
        let written = on_disk(move || store.write_upload(&name, at, &bytes.0, || AttachmentKey(entropy::seed()))).await;
        written.map(|size| ChatUpload { upload, size }).map_err(ApiError::chat_files)
    }

    pub(in super::super) async fn attach_in_chat(&self, request: ChatAttach) -> Answer<ChatItem> {
        check(&request)?;
        let asked = request.clone();
        let place = match self.ask(move |actor| actor.place_for(&asked)).await? {
            Ok(place) => place,
            Err(said) => return Ok(*said),
        };
        let mut attachments = Vec::new();
        for file in &request.files {
            let (store, name) = (self.files.clone(), file.upload.as_str().to_owned());
            let done = on_disk(move || store.finish_upload(&name)).await.map_err(|error| match error {
                FileError::NotHere => ApiError::chat_upload_not_found(),
                error => ApiError::chat_files(error),
            });
            match done.and_then(|uploaded| described(file, uploaded)) {
                Ok(attachment) => attachments.push(attachment),
                Err(error) => {
                    self.forget_files(&attachments);
                    return Err(error);
                }
            }
        }
        let files = attachments.clone();
        let said = self.ask_kept(move |actor| actor.say_with_files(&request, place, files)).await;
        if said.is_err() {
            self.forget_files(&attachments);
        }
        said
    }

    /// Nobody has said anything with these.
    fn forget_files(&self, files: &[Attachment]) {
        files.iter().for_each(|file| self.files.forget(FilePlace::of(file)));
    }

    pub(in super::super) async fn fetch_in_chat(&self, request: ChatFetch) -> Answer<ChatAttachment> {
        let (mut events, until) = (self.events.subscribe(), Instant::now() + FETCH_WAIT);
        let named = move |actor: &Actor| actor.file_named((&request.to, &request.message, request.number));
        let (asked, wait) = (named.clone(), request.wait);
        self.ask(move |actor| asked(actor).and_then(|(file, attachment)| actor.want_file(file, &attachment))).await?;
        loop {
            let named = named.clone();
            let view = self.ask(move |actor| named(actor).map(|(file, of)| actor.attachment(file, &of))).await?;
            match view.state {
                ChatFileState::Untrue => return Err(ApiError::chat_file_untrue()),
                ChatFileState::Wanted | ChatFileState::Coming if wait => {}
                _ => return Ok(view),
            }
            // What was missed is seen at the next look.
            if timeout_at(until, events.recv()).await.is_err() {
                return Ok(view);
            }
        }
    }

    pub(in super::super) async fn read_chat_file(&self, request: ChatFileRead) -> Answer<ChatFilePart> {
        let at = request.at;
        let file = self.ask(move |actor| {
            let ChatFileRead { to, message, number, .. } = &request;
            actor.file_named((to, message, *number)).map(|(_, attachment)| attachment)
        });
        let (file, store) = (file.await?, self.files.clone());
        let size = seal::plain_size(file.size).ok_or_else(ApiError::chat_file_untrue)?;
        if at > size {
            return Err(ApiError::invalid_params("at", "it is past the end of the file"));
        }
        let read = on_disk(move || {
            let first = at / seal::PIECE_BYTES as u64;
            let mut number = u32::try_from(first).map_err(|_| FileError::NotHere)?;
            let mut bytes = store.read_piece(&file, number)?;
            let skipped = usize::try_from(at % seal::PIECE_BYTES as u64).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..skipped);
            while bytes.len() + seal::PIECE_BYTES <= PART_BYTES_MAX {
                number += 1;
                let piece = store.read_piece(&file, number)?;
                if piece.is_empty() {
                    break;
                }
                bytes.extend(piece);
            }
            let head = &bytes[..bytes.len().min(HEAD_BYTES)];
            let media = if at == 0 { files::shown_as(&file.media_type, head) } else { None };
            Ok((bytes, media))
        });
        let (bytes, media) = read.await.map_err(ApiError::chat_files)?;
        let shown_as = media.map(|media| media.media_type().to_owned());
        Ok(ChatFilePart { at, bytes: Base64(bytes), size, shown_as })
    }
}

impl Actor {
    /// Where a message with files goes; or the message, where it was said under that key before.
    fn place_for(&self, request: &ChatAttach) -> Answer<Result<Place, Box<ChatItem>>> {
        let room = self.room_named(&request.to)?;
        let id = self.message_id(room, &request.idempotency_key);
        let Some(shown) = self.chat_item(room, &MessageRef { author: self.chat_me(), id }) else {
            return Ok(Ok(Place { room, id }));
        };
        let said = self.chat_shown(room, &shown);
        let is_same = said.deleted || said.attachments.len() == request.files.len();
        if is_same { Ok(Err(Box::new(said))) } else { Err(ApiError::idempotency_conflict()) }
    }

    fn say_with_files(&mut self, request: &ChatAttach, place: Place, files: Vec<Attachment>) -> Answer<ChatItem> {
        let [thread, reply] = [&request.thread, &request.reply].map(|of| of.as_deref().map(message_named).transpose());
        let text = self.text_in(place.room, request.text.as_deref().unwrap_or_default())?;
        let kind = kind_of(request, text, files)?;
        self.say_message(place.room, Draft { id: Some(place.id), thread: thread?, reply: reply?, kind })
    }
}

/// What is said with these files.
fn kind_of(request: &ChatAttach, text: Text, files: Vec<Attachment>) -> Answer<Kind> {
    Ok(match (&request.levels, &files[..]) {
        (Some(levels), [recording]) => Kind::Voice(Voice {
            recording: recording.clone(),
            levels: BoundedBytes::new(levels.clone()).map_err(|error| too_much("levels", error))?,
        }),
        (Some(_), _) => return Err(ApiError::invalid_params("levels", "a voice note is one file")),
        (None, _) => {
            Kind::Post(Post { text, attachments: BoundedList::new(files).map_err(|error| too_much("files", error))? })
        }
    })
}

/// What can be known to be wrong before anything is done: an upload is used up by the message that it goes with, or was to go with.
fn check(request: &ChatAttach) -> Answer<()> {
    if !(1..=ATTACHMENTS_MAX).contains(&request.files.len()) {
        return Err(ApiError::invalid_params("files", format_args!("there are from 1 to {ATTACHMENTS_MAX}")));
    }
    if request.levels.is_some() && (request.files.len() != 1 || request.text.is_some()) {
        return Err(ApiError::invalid_params("levels", "a voice note is one file, and nothing else"));
    }
    // As long as any can be.
    let root = byway_primitives::Hash::ZERO;
    let nothing = Uploaded { size: u64::MAX, root, key: AttachmentKey([0; 32]), head: Vec::new() };
    let files: Answer<Vec<Attachment>> = request.files.iter().map(|file| described(file, nothing.clone())).collect();
    let text = text(request.text.as_deref().unwrap_or_default(), |_| true)?;
    let kind = kind_of(request, text, files?)?;
    let [thread, reply] = [&request.thread, &request.reply].map(|of| of.as_deref().map(message_named).transpose());
    let longest = Content::new(MessageId([0; 16]), Time(u64::MAX), LAMPORT_MAX, kind);
    let longest = Content { thread: thread?, reply: reply?, ..longest };
    longest.pack().map(drop).map_err(|error| too_much("files", error))
}

/// What a message says of a file.
fn described(file: &ChatFile, uploaded: Uploaded) -> Answer<Attachment> {
    let known = files::sniff(&uploaded.head).map_or(ANY_TYPE, |media| media.media_type());
    let media_type = file.media_type.as_deref().unwrap_or(known);
    let shape = match (file.width, file.height) {
        (Some(width), Some(height)) => Some(Shape { width, height }),
        _ => None,
    };
    let sides = shape.iter().flat_map(|shape| [shape.width, shape.height]);
    if { sides }.any(|side| !(1..=byway_chat::content::limits::SIDE_PIXELS_MAX).contains(&side)) {
        return Err(ApiError::invalid_params("files", "a side of a picture has from 1 to 65,535 pixels"));
    }
    let thumbnail = file.thumbnail.as_ref().map(|Base64(bytes)| {
        files::thumbnail(bytes).ok_or_else(|| ApiError::invalid_params("files", "a thumbnail is PNG, JPEG or WebP"))?;
        BoundedBytes::new(bytes.clone()).map_err(|error| too_much("files", error))
    });
    Ok(Attachment {
        name: BoundedText::new(file.name.as_str()).map_err(|error| too_much("files", error))?,
        media_type: BoundedText::new(media_type).map_err(|error| too_much("files", error))?,
        size: uploaded.size,
        root: uploaded.root,
        key: uploaded.key,
        shape,
        duration: file.duration_ms,
        thumbnail: thumbnail.transpose()?,
    })
}

fn too_much(field: &str, error: TooMuch) -> ApiError {
    ApiError::invalid_params(field, error)
}
