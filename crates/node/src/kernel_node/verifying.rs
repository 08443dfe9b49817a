//! Verification of received snapshots, beside the task that owns the machine.
//!
//! Signatures are the dearest thing that a kernel node does, and the more of them are checked together the less each
//! costs. So while one job runs, what arrives waits and becomes the next job: a quiet node verifies each snapshot as it
//! comes, a busy one whole rounds at once. More jobs run side by side only when there is enough for each.

use std::sync::Arc;

use byway_driver::mesh::Payload;
use byway_driver::pool::Pool;
use byway_kernel::{Committee, MemberIndex, VerifiedSnapshot};
use byway_primitives::Hash;
use tokio::sync::mpsc;

/// Bytes of snapshots that one job takes while others wait: with some hundred signatures a batch gains no more.
const JOB_BYTES_MAX: usize = 64 * 1024;
/// Bytes of snapshots that are verified on the runtime's own threads, because handing them to another costs more than
/// verifying them: about a millisecond's work.
const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Snapshots that were verified, or found to be bad, by the digest of their bytes.
pub(super) type Checked = Vec<(MemberIndex, Hash, Option<Arc<VerifiedSnapshot>>)>;

/// Something received that is to be verified.
struct Unverified {
    from: MemberIndex,
    digest: Hash,
    bytes: Arc<[u8]>,
    /// What it came in, if it came just now; counts against the peer's bound until it is verified.
    _payload: Option<Arc<Payload>>,
}

pub(super) struct Verifying {
    /// Of the epoch in force.
    pub committee: Committee,
    pool: Pool,
    waiting: Vec<Unverified>,
    waiting_bytes: usize,
    running: usize,
    done: mpsc::UnboundedSender<Checked>,
    /// What jobs have found; tell [`Verifying::finished`] of each. At most one for each thread of the pool.
    pub found: mpsc::UnboundedReceiver<Checked>,
}

impl Verifying {
    pub fn new(committee: Committee, pool: Pool) -> Self {
        let (done, found) = mpsc::unbounded_channel();
        Self { committee, pool, waiting: Vec::new(), waiting_bytes: 0, running: 0, done, found }
    }

    /// Verifies these, which came from `from` in `payload`.
    pub fn add(&mut self, from: MemberIndex, snapshots: Vec<(Hash, Arc<[u8]>)>, payload: Option<Payload>) {
        let payload = payload.map(Arc::new);
        for (digest, bytes) in snapshots {
            self.waiting_bytes += bytes.len();
            self.waiting.push(Unverified { from, digest, bytes, _payload: payload.clone() });
        }
        self.start();
    }

    /// One job is done.
    pub fn finished(&mut self) {
        self.running -= 1;
        self.start();
    }

    fn start(&mut self) {
        while !self.waiting.is_empty()
            && (self.running == 0 || self.waiting_bytes >= JOB_BYTES_MAX && self.running < self.pool.threads())
        {
            let (job, length) = self.next_job();
            self.running += 1;
            let (committee, pool, done) = (self.committee.clone(), self.pool.clone(), self.done.clone());
            tokio::spawn(async move {
                let checked = match length {
                    0..=INLINE_BYTES_MAX => verify(&committee, job),
                    // A program that is shutting down needs no answer.
                    _ => pool.run(move || verify(&committee, job)).await.unwrap_or_default(),
                };
                // The task is gone only when the node has ended.
                let _ = done.send(checked);
            });
        }
    }

    fn next_job(&mut self) -> (Vec<Unverified>, usize) {
        let mut length = 0;
        let count = self.waiting.iter().take_while(|one| {
            let fits = length == 0 || length + one.bytes.len() <= JOB_BYTES_MAX;
            length += if fits { one.bytes.len() } else { 0 };
            fits
        });
        let count = count.count();
        self.waiting_bytes -= length;
        (self.waiting.drain(..count).collect(), length)
    }
}

/// A bad one says that the peer passes on what it did not check.
fn verify(committee: &Committee, job: Vec<Unverified>) -> Checked {
    let outcomes = VerifiedSnapshot::verify_all(committee, job.iter().map(|one| one.bytes.clone()).collect());
    let checked = job.iter().zip(outcomes).map(|(one, outcome)| {
        let snapshot = outcome.map(Arc::new).inspect_err(|error| {
            tracing::warn!(from = %one.from, %error, "a kernel node sent a snapshot that is not good");
        });
        (one.from, one.digest, snapshot.ok())
    });
    checked.collect()
}
