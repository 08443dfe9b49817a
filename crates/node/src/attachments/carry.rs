//! Files over streams of links ([`byway_chat::attachment::wire`]).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use byway_chat::attachment::tree::{GROUP_BYTES, Groups};
use byway_chat::attachment::wire::{FileHeader, FileReply};
use byway_chat::content::post::Attachment;
use byway_driver::link::{Link, StreamError, StreamRecv, StreamSend};
use byway_primitives::Encode;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::speed::Speed;
use super::{FileError, FileStore, Incoming, on_disk};

/// How long the other side of a stream may do nothing.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Groups of one file that wait between its disk and its stream, so that neither waits for each step of the other.
const GROUPS_AHEAD: usize = 4;
/// After so many bytes what was written of a file is synced while the rest comes, so that little is left for the end.
const SYNCED_EACH: usize = 8 << 20;

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The link is down, or the other side has stopped: what is here stays, and the rest is asked for again.
    #[error("the stream was cut")]
    Cut,
    #[error("they don't have it")]
    NotThere,
    #[error("they are busy")]
    Busy,
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<StreamError> for FetchError {
    fn from(_: StreamError) -> Self {
        Self::Cut
    }
}

/// Gives a file, from a group on, to whoever has opened the stream.
///
/// # Errors
/// [`FetchError`]; the other side sees a cut then.
pub async fn give(store: FileStore, files: Vec<Attachment>, from: u32, mut send: StreamSend) -> Result<(), FetchError> {
    // Of several keys that messages give a file, it is here under one.
    let found = on_disk(move || {
        let mut found = files.iter().map(|file| store.outgoing(file));
        found.find_map(Result::ok).ok_or(FileError::NotHere)
    });
    let Ok((file, groups)) = found.await else { return refuse(FileReply::NotHere, send).await };
    if from >= groups.count() {
        return refuse(FileReply::NotHere, send).await;
    }
    let mut speed = Speed::new(Instant::now());
    write(&mut send, vec![FileReply::Follows.byte()], &mut speed).await?;
    write(&mut send, groups.to_bytes(), &mut speed).await?;
    let (ahead, mut read) = mpsc::channel(GROUPS_AHEAD);
    let again = file.try_clone().map_err(FileError::from)?;
    let (reading, sizes) = (file, groups.clone());
    let reading = tokio::spawn(on_disk(move || read_groups(reading, &sizes, from, &ahead)));
    let mut given = from;
    while let Some(bytes) = read.recv().await {
        if let Err(cut) = write(&mut send, bytes, &mut speed).await {
            // Whoever takes no more may have found that this is not that file.
            drop(read);
            let _ = reading.await;
            on_disk(move || check_groups(again, &groups, from..given + 1)).await?;
            return Err(cut);
        }
        given += 1;
    }
    reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))?;
    send.finish();
    Ok(())
}

/// Reads groups ahead of the stream, until nobody takes them any more. Whoever gets them checks them.
fn read_groups(mut file: File, groups: &Groups, from: u32, ahead: &mpsc::Sender<Vec<u8>>) -> Result<(), FileError> {
    file.seek(SeekFrom::Start(u64::from(from) * GROUP_BYTES as u64))?;
    for group in from..groups.count() {
        if ahead.blocking_send(read_group(&mut file, groups, group)?).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_group(file: &mut File, groups: &Groups, group: u32) -> Result<Vec<u8>, FileError> {
    let length = groups.bytes_of(group);
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(FileError::Damaged) }
}

/// Whether these groups of a file lie on the disk as they were written there. No more are looked at than were given.
///
/// # Errors
/// [`FileError::Damaged`], [`FileError::Disk`].
fn check_groups(mut file: File, groups: &Groups, which: Range<u32>) -> Result<(), FileError> {
    file.seek(SeekFrom::Start(u64::from(which.start) * GROUP_BYTES as u64))?;
    for group in which {
        let bytes = read_group(&mut file, groups, group)?;
        groups.check(group, &bytes).map_err(|_| FileError::Damaged)?;
    }
    Ok(())
}

/// Says why no file follows.
///
/// # Errors
/// [`FetchError::Cut`].
pub async fn refuse(reply: FileReply, mut send: StreamSend) -> Result<(), FetchError> {
    write(&mut send, vec![reply.byte()], &mut Speed::new(Instant::now())).await?;
    send.finish();
    Ok(())
}

async fn write(send: &mut StreamSend, bytes: Vec<u8>, speed: &mut Speed) -> Result<(), FetchError> {
    let mut rest = Bytes::from(bytes);
    while !rest.is_empty() {
        let written = timeout(IDLE_MAX, send.write_shared(rest.clone())).await.map_err(|_| FetchError::Cut)??;
        rest.advance(written);
        if !speed.is_kept(written, Instant::now()) {
            return Err(FetchError::Cut);
        }
    }
    Ok(())
}

/// Fetches what is missing of a file from whoever is at the other end of the link; `fetched` follows how many bytes are here.
///
/// # Errors
/// [`FetchError`]. What was checked stays here.
pub async fn take(
    store: FileStore,
    attachment: Attachment,
    link: Link,
    fetched: Arc<AtomicU64>,
) -> Result<(), FetchError> {
    let root = attachment.root;
    let mut incoming = on_disk(move || Incoming::open(&store, &attachment)).await?;
    fetched.store(incoming.fetched(), Ordering::Relaxed);
    if !incoming.is_whole() {
        let header = FileHeader { root, from: incoming.next() };
        let opened = timeout(IDLE_MAX, link.open_stream(&header.to_bytes())).await.map_err(|_| FetchError::Cut)?;
        let (_send, mut recv) = opened?;
        let mut speed = Speed::new(Instant::now());
        let reply = read(&mut recv, 1, &mut speed).await?;
        match reply.first().and_then(|byte| FileReply::from_byte(*byte)) {
            Some(FileReply::Follows) => {}
            Some(FileReply::Busy) => return Err(FetchError::Busy),
            Some(FileReply::NotHere) | None => return Err(FetchError::NotThere),
        }
        let values = read(&mut recv, incoming.values_bytes(), &mut speed).await?;
        incoming = on_disk(move || incoming.take_values(&values).map(|()| incoming)).await?;
        incoming = take_groups(incoming, &mut recv, &mut speed, fetched).await?;
    }
    Ok(on_disk(move || incoming.finish()).await?)
}

/// Takes all groups that are missing. They are checked and written beside the stream, which goes on meanwhile.
async fn take_groups(
    incoming: Incoming,
    recv: &mut StreamRecv,
    speed: &mut Speed,
    fetched: Arc<AtomicU64>,
) -> Result<Incoming, FetchError> {
    let lengths = incoming.missing();
    let (ahead, mut came) = mpsc::channel::<Vec<u8>>(GROUPS_AHEAD);
    // What was written goes back, to be filled again.
    let (spent, mut emptied) = mpsc::channel::<Vec<u8>>(GROUPS_AHEAD);
    let (due, syncing) = sync_beside(incoming.handle().map_err(FileError::from)?);
    let writing = tokio::spawn(on_disk(move || {
        let (mut incoming, mut unsynced) = (incoming, 0);
        while let Some(bytes) = came.blocking_recv() {
            incoming.take_group(&bytes)?;
            fetched.store(incoming.fetched(), Ordering::Relaxed);
            unsynced += bytes.len();
            // Where the disk is behind it is asked again with the next group.
            if unsynced >= SYNCED_EACH && due.try_send(()).is_ok() {
                unsynced = 0;
            }
            let _ = spent.try_send(bytes);
        }
        Ok(incoming)
    }));
    let mut cut = None;
    for length in lengths {
        let mut bytes = emptied.try_recv().unwrap_or_default();
        bytes.resize(length, 0);
        let came = tokio::select! {
            came = fill(recv, &mut bytes, speed) => came,
            // It is not waited for what nobody takes.
            () = ahead.closed() => break,
        };
        match came {
            Ok(()) => {
                // Whoever takes no more has a reason, which counts.
                if ahead.send(bytes).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                cut = Some(error);
                break;
            }
        }
    }
    drop(ahead);
    // What has come is kept, however the stream ended.
    let written = writing.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))?;
    // A disk says once that it has failed.
    syncing.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))?;
    cut.map_or(Ok(written), Err)
}

/// Syncs a file each time that it is told to, until nobody can tell it any more.
fn sync_beside(file: File) -> (mpsc::Sender<()>, JoinHandle<Result<(), FileError>>) {
    let (due, mut told) = mpsc::channel(1);
    let syncing = tokio::spawn(on_disk(move || {
        while told.blocking_recv().is_some() {
            file.sync_data()?;
        }
        Ok(())
    }));
    (due, syncing)
}

/// So many bytes, of which there are no more than those of a group or of its values.
async fn read(recv: &mut StreamRecv, length: usize, speed: &mut Speed) -> Result<Vec<u8>, FetchError> {
    let mut bytes = vec![0; length];
    fill(recv, &mut bytes, speed).await?;
    Ok(bytes)
}

async fn fill(recv: &mut StreamRecv, bytes: &mut [u8], speed: &mut Speed) -> Result<(), FetchError> {
    let mut filled = 0;
    while filled < bytes.len() {
        let count = timeout(IDLE_MAX, recv.read(&mut bytes[filled..])).await.map_err(|_| FetchError::Cut)??;
        let count = count.ok_or(FetchError::Cut)?;
        filled += count;
        if !speed.is_kept(count, Instant::now()) {
            return Err(FetchError::Cut);
        }
    }
    Ok(())
}
