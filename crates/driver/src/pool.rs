//! Work that is only computing (checking signatures, hashing) on a bounded number of threads.
//!
//! The runtime's own threads must stay free for sockets. At most as many jobs run at once as the pool has threads; who
//! comes later waits in [`Pool::run`], in order. So the queue is never longer than the number of callers, and a caller
//! that gives up takes its job out of it.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A bounded share of the runtime's blocking threads. Clones share it.
#[derive(Debug, Clone)]
pub struct Pool {
    free: Arc<Semaphore>,
    threads: usize,
}

/// A job had no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("the job panicked")]
    Panicked,
    #[error("the program is shutting down")]
    ShuttingDown,
}

/// Runs both to their ends: `there` on a thread of its own while `here` runs on the caller's, or before it where there is none to be
/// had.
pub fn beside(there: &mut (dyn FnMut() + Send), here: &mut dyn FnMut()) {
    let there = std::sync::Mutex::new(there);
    let run = || (there.lock().unwrap_or_else(std::sync::PoisonError::into_inner))();
    std::thread::scope(|scope| {
        if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
            run();
        }
        here();
    });
}

impl Pool {
    /// A pool of `threads` (at least one).
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        Self { free: Arc::new(Semaphore::new(threads)), threads }
    }

    /// A pool with a thread for each core.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many jobs can run at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `job` on one of the threads. A job that has begun runs to its end even if the caller gives up.
    pub async fn run<T, F>(&self, job: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let Ok(permit) = self.free.clone().acquire_owned().await else { return Err(PoolError::ShuttingDown) };
        let done = tokio::task::spawn_blocking(move || {
            let _held_until_done = permit;
            job()
        });
        done.await.map_err(|e| if e.is_panic() { PoolError::Panicked } else { PoolError::ShuttingDown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_run_to_their_ends_each_once() {
        let (mut there, mut here) = (0, 0);
        // The second waits for the first, so they run at the same time or in the order that they are given.
        let (said, heard) = std::sync::mpsc::channel();
        beside(
            &mut || {
                there += 1;
                said.send(()).unwrap();
            },
            &mut || {
                heard.recv().unwrap();
                here += 1;
            },
        );
        assert_eq!((there, here), (1, 1));
    }
}
