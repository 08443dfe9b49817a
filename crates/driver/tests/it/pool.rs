use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use byway_driver::pool::{Pool, PoolError};

#[tokio::test]
async fn as_many_jobs_run_at_once_as_there_are_threads() {
    let pool = Pool::new(2);
    let running = Arc::new(AtomicUsize::new(0));
    // Each job needs one other to run beside it, so fewer than two at once would never finish.
    let pair = Arc::new(Barrier::new(2));
    let jobs: Vec<_> = (0..8)
        .map(|i| {
            let (pool, running, pair) = (pool.clone(), running.clone(), pair.clone());
            tokio::spawn(async move {
                let job = move || {
                    let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
                    pair.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                    (i, at_once)
                };
                pool.run(job).await
            })
        })
        .collect();
    for (i, job) in jobs.into_iter().enumerate() {
        let (result, at_once) = job.await.expect("no panic").expect("a result");
        assert_eq!(result, i);
        assert!(at_once <= 2, "{at_once} at once");
    }
}

#[tokio::test]
async fn a_job_that_panics_costs_only_its_own_result() {
    let pool = Pool::new(1);
    assert_eq!(pool.run(|| panic!("as the test asks")).await.map(|()| 0), Err(PoolError::Panicked));
    assert_eq!(pool.run(|| 7).await, Ok(7));
}
