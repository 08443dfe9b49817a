//! How far the reader of each data stream is, told to its writer.
//!
//! The transport lets a whole stream window be under way to a program that has stopped reading, and its writer can't tell
//! such bytes from bytes on the wire: both are sent and not yet read. Where somebody pays for what is read, that is worth
//! knowing (see `socks::splice`). So the side that opened a stream tells how much it has read of it: one unidirectional
//! stream per link, opened at the first report, with entries of 16 bytes, stream id and bytes read in all (both little
//! endian). Reports of one stream replace each other while they wait, so what waits is bounded by the streams there are.
//!
//! A peer that tells nothing, or nonsense, only has its own streams held back or not held back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use iroh::endpoint::{Connection, ConnectionError, RecvStream};
use tokio::sync::Notify;

/// Bytes of one entry.
const ENTRY_BYTES: usize = 16;
/// A reader reports each time it has read this much: half of what every stream may hold unread.
const REPORT_EVERY_BYTES: u64 = 8 * 1024;

/// What the two ends of one link tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What is to be told of streams that we read.
    untold: Mutex<BTreeMap<u64, u64>>,
    told: Notify,
    /// Streams that we write.
    written: Mutex<BTreeMap<u64, Weak<Reader>>>,
}

/// The reader at the far end of a stream that we write.
#[derive(Debug)]
pub(super) struct Reader {
    stream: u64,
    progress: Arc<Progress>,
    read: AtomicU64,
    moved: Notify,
}

/// Our own reading of a stream.
#[derive(Debug)]
pub(super) struct Reading {
    stream: u64,
    progress: Arc<Progress>,
    read: u64,
    reported: u64,
}

impl Progress {
    /// A stream that we read and whose writer is told how far.
    pub(super) fn reading(self: &Arc<Self>, stream: u64) -> Reading {
        Reading { stream, progress: self.clone(), read: 0, reported: 0 }
    }

    /// A stream that we write and whose reader tells how far it is.
    pub(super) fn reader(self: &Arc<Self>, stream: u64) -> Arc<Reader> {
        let reader = Arc::new(Reader { stream, progress: self.clone(), read: AtomicU64::new(0), moved: Notify::new() });
        lock(&self.written).insert(stream, Arc::downgrade(&reader));
        reader
    }

    /// Tells the peer what is to be told, until the connection ends.
    pub(super) async fn tell(&self, connection: &Connection) -> ConnectionError {
        self.told.notified().await;
        let mut stream = match connection.open_uni().await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        loop {
            let untold = std::mem::take(&mut *lock(&self.untold));
            let entries = untold.into_iter().flat_map(|(id, read)| [id.to_le_bytes(), read.to_le_bytes()]);
            if stream.write_all(&entries.flatten().collect::<Vec<u8>>()).await.is_err() {
                // A peer that doesn't want to hear of it isn't told.
                return connection.closed().await;
            }
            self.told.notified().await;
        }
    }

    /// Listens to what the peer tells, until the connection ends.
    pub(super) async fn listen(&self, connection: &Connection) -> ConnectionError {
        loop {
            match connection.accept_uni().await {
                Ok(stream) => self.read_entries(stream).await,
                Err(error) => return error,
            }
        }
    }

    async fn read_entries(&self, mut stream: RecvStream) {
        let mut entry = [0; ENTRY_BYTES];
        while stream.read_exact(&mut entry).await.is_ok() {
            let (id, read) = entry.split_at(ENTRY_BYTES / 2);
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half an entry is a number"));
            // A stream that is over, or never was.
            let Some(reader) = lock(&self.written).get(&number(id)).and_then(Weak::upgrade) else { continue };
            reader.read.fetch_max(number(read), Ordering::SeqCst);
            reader.moved.notify_waiters();
        }
    }
}

impl Reader {
    /// Bytes that it has read in all, as far as it told.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    /// Resolves when it has read on. Listening begins when this is first polled.
    pub(super) fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.moved.notified()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.progress.written).remove(&self.stream);
    }
}

impl Reading {
    pub(super) fn count(&mut self, bytes: usize) {
        self.read += bytes as u64;
        if self.read - self.reported >= REPORT_EVERY_BYTES {
            self.reported = self.read;
            lock(&self.progress.untold).insert(self.stream, self.read);
            self.progress.told.notify_one();
        }
    }
}

/// Nothing panics while one of these is held, so none is ever poisoned.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
