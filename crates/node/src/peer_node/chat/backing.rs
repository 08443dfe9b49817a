//! Backups of conversations: what is in them is said by [`byway_chat::backup`], how they are sealed by [`byway_crypto::chat_backup`]
//! ([the file](../../../../../docs/formats/chat-backup.md)). The file is given and taken in parts over the local API, so whoever holds its
//! token writes and reads no files on the node's machine.

use byway_chat::backup::{BackupOwn, BackupPart, BackupRecord, CARD_BYTES_MAX};
use byway_chat::chats::{BackupPlace, Restored};
use byway_chat::content::bounded::BoundedText;
use byway_crypto::chat_backup::{PART_CONTENT_BYTES_MAX, PART_FILE_BYTES_MAX, PartPlace};
use byway_driver::entropy;
use byway_peer::link::PeerCard;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer, decode_exact};
use byway_primitives::{IdentityId, Time};

use super::super::Actor;
use super::desk::Own;
use crate::api::*;

/// Bytes that say how long a part is.
const LENGTH_BYTES: usize = 4;
/// A part with so many bytes is full.
const PART_BYTES: usize = 1 << 20;

/// How far a backup has got.
struct Cursor {
    file: [u8; 16],
    number: u64,
    place: BackupPlace,
}

/// A backup that is being put back, of which the beginning was taken.
struct Restoring {
    is_trial: bool,
    at: u64,
    /// What was brought of a part that is not whole yet.
    begun: Vec<u8>,
    file: Option<[u8; 16]>,
    /// Parts that were taken.
    parts: u64,
    /// The last part was taken.
    is_whole: bool,
    made: Option<Time>,
    done: Restored,
}

/// The one backup that is being put back, if any.
#[derive(Default)]
pub(in super::super) struct RestoreDesk(Option<Restoring>);

impl Actor {
    /// A part of a backup: the first, or what stands where an earlier one ended.
    pub(in super::super) fn back_up_chats(&self, request: &ChatBackup) -> Answer<ChatBackupPart> {
        let mut cursor = match &request.next {
            None => {
                let file = *entropy::seed().first_chunk().expect("a seed is longer");
                Cursor { file, number: 0, place: BackupPlace::People(None) }
            }
            Some(next) => Cursor::parse(next).ok_or_else(|| ApiError::invalid_params("next", "no part said so"))?,
        };
        let now = self.clock.now();
        let looked = self.market.look_at_chats(&self.market_journal, |chats, store| {
            let head = (cursor.number == 0).then(|| chats.backup_head(now));
            let (records, next) = chats.back_up(&cursor.place, store);
            (head, records, next)
        });
        let (head, records, next) = looked.expect("it was opened with them");
        let records: Vec<BackupRecord> =
            head.into_iter().chain(records).flat_map(|record| self.with_own(record)).collect();
        let messages = records.iter().filter(|record| matches!(record, BackupRecord::Message { .. })).count();
        let (parts, left_out) = in_parts(records);
        let (mut bytes, count) = (Vec::new(), parts.len());
        for (index, content) in parts.into_iter().enumerate() {
            let is_last = next.is_none() && index + 1 == count;
            let place = PartPlace { file: cursor.file, number: cursor.number, is_last };
            let mut nonce = [0; 24];
            nonce.copy_from_slice(&entropy::seed()[..24]);
            let sealed =
                self.config.chat_backup_key.seal(place, &content, nonce).expect("longer records were left out");
            let length = u32::try_from(sealed.len()).expect("a part is shorter");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&sealed);
            cursor.number += 1;
        }
        let next = next.map(|place| Cursor { place, ..cursor }.to_text());
        Ok(ChatBackupPart { bytes: Base64(bytes), next, messages: messages as u64 - left_out, left_out })
    }

    /// A record, and what the node keeps that goes with it.
    fn with_own(&self, record: BackupRecord) -> Vec<BackupRecord> {
        let beside = match &record {
            BackupRecord::Person { peer, .. } => self.backup_card(*peer),
            BackupRecord::Device(device) => self.backup_card(device.certificate.node),
            BackupRecord::Talk(talk) => {
                let own = self.chat_own.of(talk.room);
                let Own { draft, pinned, muted_until, marked_unread, .. } = own.clone();
                let draft = BoundedText::new(draft).unwrap_or_default();
                let kept = BackupOwn {
                    room: talk.room,
                    draft,
                    is_pinned: pinned,
                    muted_until,
                    is_marked_unread: marked_unread,
                };
                (own != Own::default()).then_some(BackupRecord::Own(kept))
            }
            _ => None,
        };
        std::iter::once(record).chain(beside).collect()
    }

    fn backup_card(&self, peer: IdentityId) -> Option<BackupRecord> {
        let card = self.kept_card(peer).filter(|card| card.len() <= CARD_BYTES_MAX);
        card.map(|card| BackupRecord::Card { peer, card })
    }

    /// Takes bytes of a backup, and each part that is whole with them.
    pub(in super::super) fn restore_chats(&mut self, request: ChatRestore) -> Answer<ChatRestored> {
        let ChatRestore { at, bytes: Base64(bytes), last, trial } = request;
        if at == 0 {
            self.restoring.0 = Some(Restoring::new(trial));
        }
        let begun = self.restoring.0.take().filter(|begun| begun.is_trial == trial);
        let mut restoring = begun.ok_or_else(|| ApiError::chat_restore_gap(0))?;
        if at != restoring.at {
            let next = restoring.at;
            self.restoring.0 = Some(restoring);
            return Err(ApiError::chat_restore_gap(next));
        }
        restoring.at += bytes.len() as u64;
        restoring.begun.extend(bytes);
        // What is wrong with a part ends it: whoever goes on begins anew.
        while let Some(part) = restoring.whole_part()? {
            self.restore_part(&mut restoring, &part)?;
        }
        if last {
            restoring.check_end()?;
            if !trial {
                self.with_chats(|chats, now, seed, store| chats.finish_restoring(now, seed, store));
                self.search.forget();
                self.reach_channel_peers();
            }
        }
        let view = restoring.view();
        self.restoring.0 = (!last).then_some(restoring);
        Ok(view)
    }

    fn restore_part(&mut self, restoring: &mut Restoring, part: &[u8]) -> Answer<()> {
        let (place, content) = self.config.chat_backup_key.open(part).map_err(ApiError::chat_part)?;
        restoring.take(place)?;
        let BackupPart(records) = decode_exact(&content).map_err(ApiError::chat_backup_unreadable)?;
        if place.number == 0 {
            self.chats().check_backup(records.first()).map_err(ApiError::chat_backup_foreign)?;
        }
        if let Some(BackupRecord::Head { made, .. }) = records.first() {
            restoring.made = Some(*made);
        }
        if restoring.is_trial {
            return Ok(());
        }
        let (ours, records): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| matches!(record, BackupRecord::Card { .. } | BackupRecord::Own(_)));
        let done = self.with_chats(|chats, now, seed, store| chats.restore(now, seed, records, store));
        restoring.add(done);
        for record in ours {
            match record {
                BackupRecord::Card { peer, card } => self.restore_card(peer, &card),
                BackupRecord::Own(own) => self.restore_own(own),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where somebody was reached when the backup was made, if nothing better is known.
    fn restore_card(&mut self, peer: IdentityId, card: &[u8]) {
        let Ok(card) = PeerCard::from_bytes(card) else { return };
        let is_good = card.certificate.verify(self.network, self.clock.now()).is_ok();
        if is_good && card.certificate.identity == peer && self.whereabouts(peer).is_none() {
            self.keep_card(card);
        }
    }

    fn restore_own(&mut self, own: BackupOwn) {
        let BackupOwn { room, draft, is_pinned, muted_until, is_marked_unread } = own;
        let Some(room) = self.chats().restored_as(room) else { return };
        if self.chat_own.of(room) == Own::default() {
            let (draft, pinned, marked_unread) = (draft.to_string(), is_pinned, is_marked_unread);
            self.put_chat_own(room, Own { draft, pinned, muted_until, marked_unread, ..Own::default() });
        }
    }
}

impl Restoring {
    fn new(is_trial: bool) -> Self {
        Self {
            is_trial,
            at: 0,
            begun: Vec::new(),
            file: None,
            parts: 0,
            is_whole: false,
            made: None,
            done: Restored::default(),
        }
    }

    /// The next part, as soon as all of it was brought.
    fn whole_part(&mut self) -> Answer<Option<Vec<u8>>> {
        let Some((length, rest)) = self.begun.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > PART_FILE_BYTES_MAX {
            return Err(self.nonsense());
        }
        if rest.len() < length {
            return Ok(None);
        }
        let behind = self.begun.split_off(LENGTH_BYTES + length);
        let mut part = std::mem::replace(&mut self.begun, behind);
        part.drain(..LENGTH_BYTES);
        Ok(Some(part))
    }

    /// A part is the next one of the same file.
    fn take(&mut self, place: PartPlace) -> Answer<()> {
        let is_next = place.number == self.parts && !self.is_whole && self.file.is_none_or(|file| file == place.file);
        if !is_next {
            return Err(ApiError::chat_backup_damaged());
        }
        (self.file, self.is_whole) = (Some(place.file), place.is_last);
        self.parts += 1;
        Ok(())
    }

    fn check_end(&self) -> Answer<()> {
        match (self.is_whole, self.begun.is_empty()) {
            (true, true) => Ok(()),
            (false, _) if self.parts == 0 && self.at < LENGTH_BYTES as u64 => Err(ApiError::chat_no_backup()),
            _ => Err(ApiError::chat_backup_cut()),
        }
    }

    /// What was brought is no part.
    fn nonsense(&self) -> ApiError {
        if self.parts == 0 { ApiError::chat_no_backup() } else { ApiError::chat_backup_damaged() }
    }

    fn add(&mut self, part: Restored) {
        let Restored { people, conversations, messages, known } = part;
        self.done.people += people;
        self.done.conversations += conversations;
        self.done.messages += messages;
        self.done.known += known;
    }

    fn view(&self) -> ChatRestored {
        let Restored { people, conversations, messages, known } = self.done;
        ChatRestored { size: self.at, made_ms: self.made, people, conversations, messages, known }
    }
}

impl Cursor {
    fn to_text(&self) -> String {
        let mut out = Writer::new();
        out.raw(&self.file);
        out.varint(self.number);
        out.value(&self.place);
        hex::encode(out.into_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        let mut input = Reader::new(&bytes);
        let read = |input: &mut Reader<'_>| -> Result<Self, DecodeError> {
            let cursor = Self { file: input.array()?, number: input.u64()?, place: BackupPlace::decode(input)? };
            input.finish()?;
            Ok(cursor)
        };
        read(&mut input).ok()
    }
}

/// Contents of parts, of which there is one at the least; and how many records are too long for any.
fn in_parts(records: Vec<BackupRecord>) -> (Vec<Vec<u8>>, u64) {
    let (mut parts, mut left_out) = (vec![Vec::new()], 0);
    for record in records {
        let bytes = record.to_bytes();
        if bytes.len() > PART_CONTENT_BYTES_MAX {
            left_out += 1;
            continue;
        }
        match parts.last_mut() {
            Some(part) if part.is_empty() || part.len() + bytes.len() <= PART_BYTES => part.extend(bytes),
            _ => parts.push(bytes),
        }
    }
    (parts, left_out)
}
