//! Whether a kernel does its work: one judgement for `byway kernel status`, the call `kernel_status` and the page.
//!
//! What a node says of its rounds and connections looks well even when nothing happens any more, on it or anywhere; what
//! shows then is that the last commit and the newest certificate grow old. Even an idle kernel commits every second and
//! certifies a checkpoint every `checkpoint_idle` of its genesis, so that is what ages are held against. They count by
//! the clock of whoever asks: a clock that is wrong by more than that cries wolf, and should be set.

use std::fmt;

use byway_primitives::{Span, Time};
use byway_records::genesis::Parameters;

use crate::api::Reason;

/// Rounds that a node may be behind the newest at any moment: one far away is.
pub const ROUNDS_BEHIND_MAX: u64 = 8;

/// What is wrong with a kernel, or with one of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was committed for this long.
    Stalled { age: Span },
    /// The newest certificate is this old; `None` where the newest checkpoints have none at all.
    Uncertified { age: Option<Span> },
    /// The node is connected to fewer others that count than it needs for a quorum.
    CutOff { connected: usize, needed: usize },
    /// The node counts, and its own rounds are this far behind the newest.
    Behind { rounds: u64 },
    /// The node saw others sign twice.
    SignedTwice { times: usize },
}

/// How far the ledger has come, as one node says.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The time of the last commit.
    pub committed: Time,
    /// That of the newest checkpoint with a certificate, if there is one among the newest.
    pub certified: Option<Time>,
}

/// How one kernel node does.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub counts: bool,
    /// Others that count and that it is connected to.
    pub connected: usize,
    pub quorum: usize,
    pub rounds_behind: u64,
    pub signed_twice: usize,
}

impl Progress {
    pub fn troubles(&self, now: Time, parameters: &Parameters) -> Vec<Trouble> {
        let idle = parameters.checkpoint_idle;
        // The last checkpoint may be as old as this, and the next one on its way as long again.
        let certificate_age_max = Span(idle.0.saturating_mul(2));
        let committed = now.since(self.committed);
        let certified = self.certified.map(|time| now.since(time));
        let stalled = (committed > idle).then_some(Trouble::Stalled { age: committed });
        let is_certified = certified.is_some_and(|age| age <= certificate_age_max);
        let uncertified = (!is_certified).then_some(Trouble::Uncertified { age: certified });
        stalled.into_iter().chain(uncertified).collect()
    }
}

impl Node {
    pub fn troubles(&self) -> Vec<Trouble> {
        let Self { counts, connected, quorum, rounds_behind, signed_twice } = *self;
        let needed = quorum - usize::from(counts);
        let cut_off = (connected < needed).then_some(Trouble::CutOff { connected, needed });
        let behind = (counts && rounds_behind > ROUNDS_BEHIND_MAX).then_some(Trouble::Behind { rounds: rounds_behind });
        let twice = (signed_twice > 0).then_some(Trouble::SignedTwice { times: signed_twice });
        [cut_off, behind, twice].into_iter().flatten().collect()
    }
}

impl Trouble {
    pub fn word(self) -> &'static str {
        match self {
            Self::Stalled { .. } => "stalled",
            Self::Uncertified { .. } => "uncertified",
            Self::CutOff { .. } => "cut_off",
            Self::Behind { .. } => "behind",
            Self::SignedTwice { .. } => "signed_twice",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = |span: Span| crate::api::words::duration(span.0 / 1000);
        match *self {
            Self::Stalled { age } => write!(f, "nothing was committed for {}", duration(age)),
            Self::Uncertified { age: Some(age) } => write!(f, "no checkpoint was certified for {}", duration(age)),
            Self::Uncertified { age: None } => write!(f, "none of the newest checkpoints is certified"),
            Self::CutOff { connected, needed } => {
                write!(f, "connected to {connected} of the {needed} others that a quorum takes")
            }
            Self::Behind { rounds } => write!(f, "{rounds} rounds behind the others"),
            Self::SignedTwice { times } => write!(f, "{times} times a kernel node signed twice; the log says who"),
        }
    }
}

impl From<Trouble> for Reason {
    fn from(trouble: Trouble) -> Self {
        Reason::new(trouble.word(), trouble.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_700_000_000_000);

    fn words(troubles: Vec<Trouble>) -> Vec<&'static str> {
        troubles.into_iter().map(Trouble::word).collect()
    }

    #[test]
    fn a_kernel_is_judged_by_the_age_of_what_it_did_last() {
        let parameters = Parameters { checkpoint_idle: Span::seconds(30), ..Parameters::standard() };
        let ago = |seconds: u64| Time(NOW.0 - seconds * 1000);
        for (committed, certified, expected) in [
            (0, Some(0), &[][..]),
            // An idle kernel just before its next checkpoint, and one whose next certificate is on its way.
            (1, Some(30), &[]),
            (30, Some(60), &[]),
            (31, Some(31), &["stalled"]),
            (1, Some(61), &["uncertified"]),
            (1, None, &["uncertified"]),
            (600, Some(600), &["stalled", "uncertified"]),
        ] {
            let progress = Progress { committed: ago(committed), certified: certified.map(ago) };
            assert_eq!(words(progress.troubles(NOW, &parameters)), expected, "{committed} s, {certified:?}");
        }
        // The ledger's time may be a little ahead of one's own.
        let ahead = Progress { committed: Time(NOW.0 + 400), certified: Some(NOW) };
        assert_eq!(ahead.troubles(NOW, &parameters), []);
    }

    #[test]
    fn a_node_is_judged_by_what_it_needs_for_a_quorum() {
        let well = Node { counts: true, connected: 4, quorum: 5, rounds_behind: 8, signed_twice: 0 };
        for (node, expected) in [
            (well, &[][..]),
            (Node { connected: 3, ..well }, &["cut_off"]),
            (Node { counts: false, rounds_behind: 900, ..well }, &["cut_off"]),
            (Node { counts: false, connected: 5, rounds_behind: 900, ..well }, &[]),
            (Node { rounds_behind: 9, ..well }, &["behind"]),
            (Node { signed_twice: 1, ..well }, &["signed_twice"]),
        ] {
            assert_eq!(words(node.troubles()), expected, "{node:?}");
        }
    }
}
