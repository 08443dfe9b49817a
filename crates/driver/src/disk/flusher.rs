//! Group commit: the queue of batches and the thread that makes them durable.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use byway_primitives::{Batch, Token};

use super::DiskError;
use super::engine::{Engine, Group};
use super::mark::Mark;
use super::overlay::{Overlay, QueuedWrite};

/// Written and not yet durable, in bytes, over which [`Queue::push`] waits. Some seconds of a slow disk.
const PENDING_BYTES_MAX: usize = 64 << 20;
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
    /// How many of these are durable.
    durable: u64,
    overlays: Vec<Weak<Overlay>>,
    failure: Option<DiskError>,
    closing: bool,
}

struct QueuedBatch {
    overlay: Arc<Overlay>,
    token: Token,
    writes: Vec<QueuedWrite>,
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

    pub(super) fn push(&self, overlay: &Arc<Overlay>, batch: Batch, token: Token) -> Result<(), DiskError> {
        let mut state = self.lock();
        while state.bytes > PENDING_BYTES_MAX && state.failure.is_none() {
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
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until all that was queued before is durable.
    pub(super) fn drain(&self) -> Result<(), DiskError> {
        let mut state = self.lock();
        let target = state.order;
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

    /// Everything queued, and the place of its last batch; `None` when there will be no more.
    fn take(&self) -> Option<(Vec<QueuedBatch>, u64)> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            if !state.batches.is_empty() {
                return Some((mem::take(&mut state.batches), state.order));
            }
            if state.closing {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
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
        let mut group = Group::new();
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            group.insert((write.name.clone(), write.key.clone()), write.value.clone());
        }
        if group.is_empty() {
            return Ok(());
        }
        let number = self.last_group + 1;
        self.engine.commit(number, &group)?;
        self.last_group = number;
        self.mark.set(number)
    }
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
