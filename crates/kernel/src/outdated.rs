//! Which snapshots name too old a checkpoint for what they carry.
//!
//! # The problem
//!
//! Every snapshot names the newest checkpoint that its author has executed. An author that includes a transaction whose
//! input was spent up to that checkpoint can be convicted by the snapshot, the checkpoint's certificate and a proof of
//! the spending (row K4). So an author that wants to load the kernel with spent coins unpunished names an old checkpoint,
//! and that must not be of use.
//!
//! # The rule
//!
//! A snapshot of round r shows that a checkpoint is executed if f + 1 of the snapshots of round r − 1 that it references
//! name that height or a higher one; what is *shown* is the highest such height. A snapshot *with transactions* that
//! names a height more than [`INTERVALS_MAX`] below the one shown is *outdated*: it is not taken into the graph. Nobody
//! is blamed for it, neither its author (who may be slow) nor the sender, and it is no half of an equivocation.
//!
//! # Why f + 1 direct references, and not the newest checkpoint of the whole history
//!
//! - *Liars can't raise it.* A rule with the newest height named, by anyone, would let one liar outdate everybody for
//!   ever. One of f + 1 is honest and has executed what it names.
//! - *Liars can't lower it* below the least that an honest one of the references names: of q(n) references at least
//!   q(n) − f ≥ f + 1 are by honest authors. So it doesn't help to build on one's own old snapshots.
//! - *It is the same everywhere.* Wherever a snapshot above the floor is judged, its references are in the graph, by
//!   their hashes the very same ones; nothing else is looked at, neither what the judge has executed nor anything that
//!   might lie below its floor. A maximum inherited along the edges would reach down to the floor, which differs from
//!   node to node and from before a restart to after it.
//!
//! # Why refusing doesn't split the graph
//!
//! A refused snapshot is to honest nodes what a withheld one is: a parent that never comes. They could differ about it
//! only where its references can't be seen: a node whose floor is the snapshot's own round takes it in unjudged (it can't
//! be committed there any more: the next leader's history is cut off above it), while one with a lower floor refuses it.
//! If the first then builds on it, the second keeps asking for it ([`crate::waiting`]), and judges anew each time.
//! Everything that raised the first one's floor was in its graph before, hence stands on nothing of this, and raises the
//! second one's floor as well; then it takes the snapshot in, or needs it no more. What a node has once accepted it has
//! accepted for good, restarts included.
//!
//! # Why it is live
//!
//! Only snapshots with transactions can be outdated. An honest node applies the rule to itself before it signs, and while
//! it is behind it signs empty snapshots. So it always takes part in rounds, votes and certificates, nobody ever waits
//! for it to execute, and it falls silent for nobody.
//!
//! Letting it wait with signing altogether would not do. What an honest node executes may rest on second snapshots of
//! equivocators that none of its own snapshots references. With f equivocators, one honest node can thus be further than
//! the others can get by what they have; if those had to wait, there would be no more rounds, and they'd wait for ever.
//!
//! A node behind is one whose disk or processor is slow, or that just came back. It has, with its references, all that
//! they stand on, and so decides what their authors had decided as soon as the leaders of a good network are committed
//! directly: its transactions wait a few rounds. With f liars that name heights yet to come, "shown" is at most what the
//! quickest honest node has executed.

use crate::graph::Graph;
use crate::snapshot::Header;

/// By how many checkpoints the one named by a snapshot with transactions may be older than the newest one shown by the
/// snapshots that it references.
pub const INTERVALS_MAX: u64 = 2;

/// Whether a snapshot with this header would be outdated if it carried transactions. False where the snapshots that it
/// references lie below the floor, and in the first round.
///
/// Its parents must be [settled](Graph::is_settled).
pub fn is_outdated(graph: &Graph, header: &Header) -> bool {
    let shown = graph.checkpoint_shown(header);
    shown.is_some_and(|shown| header.checkpoint.0.saturating_add(INTERVALS_MAX) < shown.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::{Drawing, committee};

    /// Whether G's snapshot, the last of the drawing, is outdated on top of the others; seven nodes, so f + 1 is three.
    fn check(drawn: &str, expected: bool) {
        let drawing = Drawing::of(7, drawn);
        let (last, others) = drawing.snapshots.split_last().expect("not empty");
        let mut graph = Graph::new(&committee(7));
        others.iter().for_each(|snapshot| drop(graph.insert(snapshot.clone())));
        assert_eq!(is_outdated(&graph, last.header()), expected, "{drawn}");
    }

    #[test]
    fn what_three_of_seven_name_is_shown() {
        check("1:", false);
        check("1@9: G2:*", true);
        check("1@3: G2@1:*", false);
        check("1@3: G2:*", true);
        check("1-ABC: A1@3: B1@3: C1@3: G2:*", true);
        check("1-ABC: A1@4: B1@3: C1@3: G2@1:*", false);
        check("1-ABC: A1@4: B1@4: C1@4: G2@1:*", true);
        // Not all of the three are among the references.
        check("1-ABC: A1@9: B1@9: C1@9: G2:BCDEFG", false);
        check("1-ABC: A1@9: B1@9: C1@9: G2:ABCDG", true);
    }

    #[test]
    fn two_liars_neither_outdate_anybody_nor_help_each_other() {
        check("1-AB: A1@18446744073709551615: B1@18446744073709551615: G2:*", false);
        check("1-FG@3: F1: G1: G2:ABCFG", true);
        check("1-FG@3: F1: G1: G2@18446744073709551615:*", false);
    }

    #[test]
    fn weak_references_and_older_rounds_show_nothing() {
        check("1@9: 2:* G3:ABCDE~F1", false);
    }

    #[test]
    fn what_stands_on_the_floor_is_not_judged() {
        let drawing = Drawing::of(7, "1@9: 2@9:* G3:*");
        let mut graph = Graph::new(&committee(7));
        drawing.snapshots[..14].iter().for_each(|snapshot| drop(graph.insert(snapshot.clone())));
        let last = drawing.snapshots[14].header();
        assert!(is_outdated(&graph, last));
        graph.raise_floor(2, None);
        assert!(is_outdated(&graph, last));
        graph.raise_floor(3, None);
        assert!(!is_outdated(&graph, last));
    }
}
