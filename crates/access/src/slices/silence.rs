//! Which relay carries nothing any more.
//!
//! A relay that is silent while nothing is sent is as good as any. So one is told by the others: they have carried a number of
//! slices since it last did, of packets of which it should have carried one each. Time in which nobody carries anything
//! doesn't count.

use byway_primitives::{Span, Time};

use super::PATHS_MAX;

/// So long a path may carry nothing while others do: many round trips, and less than a person waits.
pub const SILENCE_MAX: Span = Span::seconds(2);
/// Slices that another path must have carried meanwhile, so that one lost here and there is no silence.
const SLICES_MIN: u64 = 32;

/// Watches the paths of one session.
#[derive(Debug, Clone)]
pub struct Silence {
    paths: Vec<Heard>,
    /// What all paths had carried when they were last looked at, and when that was.
    last: ([u64; PATHS_MAX], Time),
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    since: Time,
    /// What all paths had carried then.
    counts: [u64; PATHS_MAX],
}

impl Silence {
    pub fn new(now: Time, paths: usize) -> Self {
        let counts = [0; PATHS_MAX];
        Self { paths: vec![Heard { since: now, counts }; paths], last: (counts, now) }
    }

    /// Another relay carries for this path from now on.
    pub fn replaced(&mut self, now: Time, path: usize, counts: &[u64; PATHS_MAX]) {
        if let Some(heard) = self.paths.get_mut(path) {
            *heard = Heard { since: now, counts: *counts };
        }
    }

    /// Slices that have come by path, as [`Counts::by_path`](super::Counts::by_path) has them. The paths that are silent.
    pub fn handle_counts(&mut self, now: Time, counts: &[u64; PATHS_MAX]) -> Vec<usize> {
        let mut silent = Vec::new();
        let (before, at) = std::mem::replace(&mut self.last, (*counts, now));
        let idle = if before == *counts { now.since(at) } else { Span::default() };
        for (path, heard) in self.paths.iter_mut().enumerate() {
            heard.since = heard.since + idle;
            if counts[path] != heard.counts[path] {
                *heard = Heard { since: now, counts: *counts };
            }
            let others = counts.iter().zip(heard.counts).map(|(now, then)| now.saturating_sub(then));
            if others.max().is_some_and(|most| most >= SLICES_MIN) && now >= heard.since + SILENCE_MAX {
                silent.push(path);
            }
        }
        silent
    }
}
