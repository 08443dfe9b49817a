//! Verification of received snapshots, beside the task that owns the machine.
//!
//! Signatures are the dearest thing that a kernel node does, and the more of them are checked together the less each
//! costs. So while one job runs, what arrives waits and becomes the next job: a quiet node verifies each snapshot as it
//! comes, a busy one whole rounds at once. More jobs run side by side only when there is enough for each. A job takes
//! what waits when it gets its thread and not when it asks for one, so where all cores are busy its batch grows. What is
//! little is no job: the task verifies it itself, which takes less than handing it to another thread and back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byway_driver::mesh::Payload;
use byway_driver::pool::Pool;
use byway_kernel::{Committee, MemberIndex, SnapshotError, VerifiedSnapshot};
use byway_primitives::Hash;
use tokio::sync::mpsc;

use super::figures::Figures;

/// Bytes of snapshots that one job takes while others wait: with some hundred signatures a batch gains no more.
const JOB_BYTES_MAX: usize = 64 * 1024;
/// Bytes of snapshots that the task verifies itself: about half a millisecond's work.
const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Snapshots that were verified, or found to be bad, by the digest of their bytes.
pub(super) type Checked = Vec<(MemberIndex, Hash, Result<Arc<VerifiedSnapshot>, Bad>)>;

/// Bytes that are no good snapshot, and why not.
#[derive(Debug, Clone)]
pub(super) struct Bad {
    pub bytes: Arc<[u8]>,
    pub error: SnapshotError,
}

/// Something received that is to be verified.
struct Unverified {
    from: MemberIndex,
    digest: Hash,
    bytes: Arc<[u8]>,
    /// What it came in, if it came just now; counts against the peer's bound until it is verified.
    _payload: Option<Arc<Payload>>,
}

pub(super) struct Verifying {
    pool: Pool,
    figures: Arc<Figures>,
    waiting: Arc<Waiting>,
    /// Jobs that run, or wait for a thread.
    running: usize,
    done: mpsc::UnboundedSender<Checked>,
    /// What jobs have found; tell [`Verifying::finished`] of each. At most one for each thread of the pool.
    pub found: mpsc::UnboundedReceiver<Checked>,
}

/// What no job has taken yet, shared with the jobs.
struct Waiting(Mutex<Queue>);

struct Queue {
    /// Of the epoch in force when they are taken.
    committee: Committee,
    snapshots: Vec<Unverified>,
    bytes: usize,
    /// Jobs that were begun and have not taken theirs.
    asked: usize,
}

impl Verifying {
    pub fn new(committee: Committee, pool: Pool, figures: Arc<Figures>) -> Self {
        let (done, found) = mpsc::unbounded_channel();
        let queue = Queue { committee, snapshots: Vec::new(), bytes: 0, asked: 0 };
        Self { pool, figures, waiting: Arc::new(Waiting(Mutex::new(queue))), running: 0, done, found }
    }

    /// Another epoch is in force.
    pub fn turn(&mut self, committee: Committee) {
        self.waiting.lock().committee = committee;
    }

    /// Has these verified, which came from `from` in `payload`, with the next [`start`](Self::start).
    pub fn add(&mut self, from: MemberIndex, snapshots: Vec<(Hash, Arc<[u8]>)>, payload: Option<Payload>) {
        let payload = payload.map(Arc::new);
        let of_one = |(digest, bytes)| Unverified { from, digest, bytes, _payload: payload.clone() };
        self.waiting.lock().extend(snapshots.into_iter().map(of_one));
    }

    /// Snapshots that wait for a job, and their size.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.waiting.lock();
        (queue.snapshots.len(), queue.bytes)
    }

    /// One job is done.
    pub fn finished(&mut self) {
        self.running -= 1;
    }

    /// Verifies what waits, if it is little, and gives what it found. Otherwise begins a job if there is none, and more as
    /// long as there is a full one for each that has taken nothing yet.
    pub fn start(&mut self) -> Checked {
        while let Some(bytes) = self.waiting.ask(self.running, self.pool.threads()) {
            if bytes <= INLINE_BYTES_MAX {
                return verify(self.waiting.take(), &self.figures);
            }
            self.running += 1;
            let (pool, waiting, done) = (self.pool.clone(), self.waiting.clone(), self.done.clone());
            let figures = self.figures.clone();
            tokio::spawn(async move {
                // A program that is shutting down needs no answer.
                let checked = pool.run(move || verify(waiting.take(), &figures)).await.unwrap_or_default();
                // The task is gone only when the node has ended.
                let _ = done.send(checked);
            });
        }
        Checked::new()
    }
}

impl Waiting {
    /// Whether another job beside `running` ones is worth it, and then what waits, in bytes.
    fn ask(&self, running: usize, running_max: usize) -> Option<usize> {
        let mut queue = self.lock();
        let is_full = queue.bytes >= JOB_BYTES_MAX * (queue.asked + 1) && running < running_max;
        if queue.snapshots.is_empty() || running > 0 && !is_full {
            return None;
        }
        queue.asked += 1;
        Some(queue.bytes)
    }

    /// What one job verifies: the oldest, within its bound.
    fn take(&self) -> (Committee, Vec<Unverified>) {
        let mut queue = self.lock();
        queue.asked -= 1;
        let mut length = 0;
        let count = queue.snapshots.iter().take_while(|one| {
            let fits = length == 0 || length + one.bytes.len() <= JOB_BYTES_MAX;
            length += if fits { one.bytes.len() } else { 0 };
            fits
        });
        let count = count.count();
        queue.bytes -= length;
        (queue.committee.clone(), queue.snapshots.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn extend(&mut self, snapshots: impl Iterator<Item = Unverified>) {
        for snapshot in snapshots {
            self.bytes += snapshot.bytes.len();
            self.snapshots.push(snapshot);
        }
    }
}

/// A bad one says that the peer passes on what it did not check.
fn verify((committee, job): (Committee, Vec<Unverified>), figures: &Figures) -> Checked {
    let outcomes = VerifiedSnapshot::verify_all(&committee, job.iter().map(|one| one.bytes.clone()).collect());
    let checked = job.iter().zip(outcomes).map(|(one, outcome)| {
        let snapshot = outcome.map(Arc::new).map_err(|error| {
            figures.refused(&error);
            tracing::warn!(from = %one.from, %error, "a kernel node sent a snapshot that is not good");
            Bad { bytes: one.bytes.clone(), error }
        });
        (one.from, one.digest, snapshot)
    });
    checked.collect()
}
