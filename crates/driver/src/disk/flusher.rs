//! Group commit: the queue of batches and the thread that makes them durable.
//!
//! A group costs an fsync, whatever is in it. So the thread begins one when somebody waits for what is queued, and leaves
//! batches that nobody waits for yet to the next one that does, for [`LAZY_MAX`] at most.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use byway_primitives::{Batch, Token};

use super::DiskError;
use super::engine::Engine;
use super::mark::Mark;
use super::overlay::{Overlay, QueuedWrite};

/// Written and not yet durable, in bytes, over which [`Queue::push`] waits. Some seconds of a slow disk.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// The longest that a batch for which nobody waits stays in memory. Long against the time between a busy kernel node's
/// own snapshots, each of which takes it along; short against what a person notices.
const LAZY_MAX: Duration = Duration::from_millis(50);
/// Bytes queued over which a group is begun although nobody waits: memory and the length of an fsync stay small.
const LAZY_BYTES_MAX: usize = 1 << 20;
/// What a write is counted as beside its key and value, in bytes: about what the queue and the overlay keep for it.
const WRITE_OVERHEAD: usize = 128;

/// Batches on their way to the engine, in the order in which they were written.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was queued, or the disk closes.
    filled: Condvar,
    /// Something became durable, or failed.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    batches: Vec<QueuedBatch>,
    /// Of what is queued and of what is being written now.
    bytes: usize,
    /// How many batches were ever queued.
    order: u64,
    /// How many of these the thread has taken.
    taken: u64,
    /// How many of these are durable.
    durable: u64,
    /// Somebody waits for the batches up to this one.
    wanted: u64,
    /// When the oldest of `batches` was queued.
    oldest_at: Option<Instant>,
    overlays: Vec<Weak<Overlay>>,
    failure: Option<DiskError>,
    closing: bool,
}

struct QueuedBatch {
    overlay: Arc<Overlay>,
    token: Token,
    writes: Vec<Arc<QueuedWrite>>,
    bytes: usize,
}

impl Queue {
    /// Tells `overlay` of failures from now on.
    pub(super) fn register(&self, overlay: &Arc<Overlay>) {
        let mut state = self.lock();
        state.overlays.retain(|known| known.strong_count() > 0);
        state.overlays.push(Arc::downgrade(overlay));
        if let Some(failure) = &state.failure {
            overlay.announce_failure(&stopped(failure));
        }
    }

    /// Queues a batch. It is written by itself after a while, or when it is [wanted](Self::want).
    pub(super) fn push(&self, overlay: &Arc<Overlay>, batch: Batch, token: Token) -> Result<(), DiskError> {
        let mut state = self.lock();
        while state.bytes > PENDING_BYTES_MAX && state.failure.is_none() {
            self.want_all(&mut state);
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(failure) = &state.failure {
            return Err(stopped(failure));
        }
        overlay.advance(token);
        state.order += 1;
        let bytes = weight(&batch);
        let writes = overlay.insert(batch, state.order);
        state.bytes += bytes;
        state.batches.push(QueuedBatch { overlay: overlay.clone(), token, writes, bytes });
        if state.batches.len() == 1 {
            state.oldest_at = Some(Instant::now());
            self.filled.notify_one();
        } else if state.bytes > LAZY_BYTES_MAX {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Somebody waits for all that is queued now.
    pub(super) fn want(&self) {
        self.want_all(&mut self.lock());
    }

    fn want_all(&self, state: &mut State) {
        if state.wanted < state.order {
            state.wanted = state.order;
            self.filled.notify_one();
        }
    }

    /// Waits until all that was queued before is durable.
    pub(super) fn drain(&self) -> Result<(), DiskError> {
        let mut state = self.lock();
        let target = state.order;
        self.want_all(&mut state);
        loop {
            if state.durable >= target {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(stopped(failure));
            }
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.filled.notify_one();
    }

    pub(super) fn failure(&self) -> Option<DiskError> {
        self.lock().failure.clone()
    }

    /// Ends all writing, for good. The first failure is the one that is remembered.
    pub(super) fn fail(&self, error: DiskError) {
        let mut state = self.lock();
        if state.failure.is_some() {
            return;
        }
        for overlay in state.overlays.iter().filter_map(Weak::upgrade) {
            overlay.announce_failure(&stopped(&error));
        }
        state.failure = Some(error);
        self.filled.notify_one();
        self.emptied.notify_all();
    }

    /// Everything queued, once it is time, and the place of its last batch; `None` when there will be no more.
    fn take(&self) -> Option<(Vec<QueuedBatch>, u64)> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            let Some(oldest_at) = state.oldest_at else {
                if state.closing {
                    return None;
                }
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let patience = LAZY_MAX.saturating_sub(oldest_at.elapsed());
            let is_wanted = state.wanted > state.taken || state.bytes > LAZY_BYTES_MAX || state.closing;
            if is_wanted || patience.is_zero() {
                state.oldest_at = None;
                state.taken = state.order;
                return Some((mem::take(&mut state.batches), state.order));
            }
            let waited = self.filled.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All batches up to the place `order` are durable. Announced under the lock, so that after a failure has been
    /// told nothing more is.
    fn finish(&self, batches: &[QueuedBatch], order: u64) {
        let mut state = self.lock();
        if state.failure.is_some() {
            return;
        }
        state.durable = order;
        state.bytes -= batches.iter().map(|batch| batch.bytes).sum::<usize>();
        for batch in batches {
            batch.overlay.announce_durable(batch.token);
        }
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that empties the queue.
pub(super) struct Flusher {
    engine: Engine,
    queue: Arc<Queue>,
    mark: Mark,
    /// The number of the last durable group.
    last_group: u64,
}

impl Flusher {
    pub(super) fn new(engine: Engine, queue: Arc<Queue>, mark: Mark, last_group: u64) -> Self {
        Self { engine, queue, mark, last_group }
    }

    pub(super) fn run(mut self) {
        let _on_panic = FailOnPanic(self.queue.clone());
        while let Some((batches, order)) = self.queue.take() {
            if let Err(error) = self.commit(&batches) {
                tracing::error!(%error, "a write failed: storage stops");
                self.queue.fail(error);
                return;
            }
            for batch in &batches {
                batch.overlay.release(&batch.writes, order);
            }
            self.queue.finish(&batches, order);
        }
        if let Err(error) = self.mark.sync() {
            tracing::warn!(%error, "the mark could not be synced");
        }
    }

    /// Makes the batches one durable group. Batches without a write need none: all before them is durable.
    fn commit(&mut self, batches: &[QueuedBatch]) -> Result<(), DiskError> {
        let group = group(batches);
        if group.is_empty() {
            return Ok(());
        }
        let number = self.last_group + 1;
        self.engine.commit(number, &group)?;
        self.last_group = number;
        self.mark.set(number)
    }
}

/// All writes in the order in which the engine has them, which spares it most of its searching; of several to one key the
/// last.
fn group(batches: &[QueuedBatch]) -> Vec<&QueuedWrite> {
    let mut group: Vec<&QueuedWrite> = batches.iter().flat_map(|batch| &batch.writes).map(|write| &**write).collect();
    group.sort_by(|a, b| a.cmp_place(b));
    group.dedup_by(|later, kept| {
        let is_same = later.cmp_place(kept).is_eq();
        if is_same {
            *kept = *later;
        }
        is_same
    });
    group
}

/// Whoever waits for a write must hear of it if the thread dies.
struct FailOnPanic(Arc<Queue>);

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            let reason = "the thread that writes panicked".to_owned();
            self.0.fail(DiskError::Engine { place: "the disk".to_owned(), reason });
        }
    }
}

fn weight(batch: &Batch) -> usize {
    let of =
        |write: &byway_primitives::Write| WRITE_OVERHEAD + write.key.len() + write.value.as_ref().map_or(0, Vec::len);
    batch.writes.iter().map(of).sum()
}

fn stopped(cause: &DiskError) -> DiskError {
    match cause {
        DiskError::Stopped { .. } => cause.clone(),
        cause => DiskError::Stopped { cause: Arc::new(cause.clone()) },
    }
}
