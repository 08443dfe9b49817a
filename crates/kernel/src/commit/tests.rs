//! The commit rule on graphs drawn by hand, and as a law on random ones.

use super::*;
use crate::coin::{CoinKey, CommonCoin};
use crate::drawn::{Drawing, NETWORK, coin_keys, committee};
use crate::leader::RoundRobin;
/// The first round of epoch 0, in which the drawings are.
const FIRST_ROUND: u64 = 1;
use byway_records::genesis::quorum;
use proptest::prelude::*;

/// Whose rule is tried: three rounds with leaders known to all, or five with leaders named late.
#[derive(Debug, Clone, Copy)]
enum Rule {
    InTurn { leaders: usize },
    Wave { leaders: usize },
}

/// Leaders in turn under a wave of five rounds. They are named up to a round.
#[derive(Debug)]
struct Named {
    turns: RoundRobin,
    upto: u64,
}

impl LeaderSchedule for Named {
    fn leaders_per_round(&self) -> usize {
        self.turns.leaders_per_round()
    }

    fn vote_distance(&self) -> u64 {
        3
    }

    fn leader(&self, slot: Slot) -> Option<MemberIndex> {
        self.turns.leader(slot).filter(|_| slot.round <= self.upto)
    }

    fn awaited(&self, _: Slot) -> Option<MemberIndex> {
        None
    }
}

fn in_turn(members: usize, leaders: usize) -> RoundRobin {
    RoundRobin::new(committee(members).members().collect(), leaders)
}

impl Rule {
    fn committer(self, members: usize) -> Committer {
        let schedule: Box<dyn LeaderSchedule> = match self {
            Rule::InTurn { leaders } => Box::new(in_turn(members, leaders)),
            Rule::Wave { leaders } => Box::new(Named { turns: in_turn(members, leaders), upto: u64::MAX }),
        };
        Committer::new(schedule, quorum(members), FIRST_ROUND)
    }
}

/// Decisions as text: `B1` is committed, `-` skipped.
fn decisions(members: usize, mut committer: Committer, drawing: &Drawing) -> String {
    let mut graph = Graph::new(&committee(members));
    for snapshot in &drawing.snapshots {
        graph.insert(snapshot.clone());
    }
    let decisions = std::iter::from_fn(|| committer.next_decision(&mut graph)).map(|decision| name(drawing, decision));
    decisions.collect::<Vec<_>>().join(" ")
}

fn name(drawing: &Drawing, decision: Decision) -> String {
    match decision {
        Decision::Commit(leader) => drawing.name(&leader),
        Decision::Skip => "-".to_owned(),
    }
}

fn check_rule(rule: Rule, members: usize, drawing: &str, expected: &str) {
    let drawing = Drawing::of(members, drawing);
    assert_eq!(decisions(members, rule.committer(members), &drawing), expected);
}

fn check(members: usize, drawing: &str, expected: &str) {
    check_rule(Rule::InTurn { leaders: 1 }, members, drawing, expected);
}

fn check_wave(drawing: &str, expected: &str) {
    check_rule(Rule::Wave { leaders: 1 }, 4, drawing, expected);
}

// Of four nodes the leaders of rounds 1, 2, 3, … are B, C, D, A, B, …

#[test]
fn a_leader_is_committed_by_a_quorum_of_certificates() {
    check(4, "1 2:* 3:*", "B1");
    check(4, "1 2:* 3:* 4:* 5:*", "B1 C2 D3");
    check(4, "1 2:* 3-D:*", "B1");
    check(4, "1 2:* 3-CD:*", "");
}

#[test]
fn a_leader_that_a_quorum_did_not_vote_for_is_skipped() {
    check(4, "1-B 2-B:*", "-");
    check(4, "1 2-B:ACD", "-");
    check(4, "1-B 2-AB:*", "");
    // Two have voted for B1, two against it: neither is a quorum.
    check(4, "1 A2:ABC B2:ABC C2:ACD D2:ACD 3:*", "");
}

#[test]
fn an_undecided_leader_holds_up_those_after_it() {
    // D1 would do; B1 has two votes, and no later leader is committed yet.
    check(4, "1 A2:ABC B2:ABC C2:ACD D2:ACD 3:* 4:*", "");
}

#[test]
fn a_later_leader_decides_what_could_not_be_decided_directly() {
    // B1 has two votes, hence no certificate: the anchor A4 skips it.
    check(4, "1 A2:ABC B2:ABC C2:ACD D2:ACD 3:* 4:* 5:* 6:*", "- C2 D3 A4");
    // B1 has three votes; only A3 references all three and certifies it. The anchor A4 knows A3: committed.
    let one_certificate = "1 A2:ABCD B2:ABCD C2:ABCD D2:ACD A3:ABC B3:ACD C3:BCD D3:ACD";
    check(4, one_certificate, "");
    check(4, &format!("{one_certificate} 4:* 5:* 6:*"), "B1 C2 D3 A4");
    // The same, but the anchor A4 does not know A3, the only certificate: skipped, by everyone.
    check(4, &format!("{one_certificate} A4:BCD B4:* C4:* D4:* 5:* 6:*"), "- C2 D3 A4");
}

#[test]
fn a_skipped_anchor_is_passed_over() {
    // B1 can't be decided directly and A4, the first possible anchor, is skipped: B5 decides.
    let split = "1 A2:ABC B2:ABC C2:ACD D2:ACD 3:*";
    check(4, &format!("{split} 4-A:* 5-A:* 6-A:*"), "");
    check(4, &format!("{split} 4-A:* 5-A:* 6-A:* 7-A:*"), "- C2 D3 - B5");
}

#[test]
fn of_an_equivocating_leader_at_most_one_snapshot_is_committed() {
    // B1' gets a quorum of votes and certificates.
    check(4, "1 B1' A2:AB'CD B2:ABCD C2:AB'CD D2:AB'CD A3:ACD C3:ACD D3:ACD", "B1'");
    // The votes are split: neither is certified, nor can the slot be skipped directly: there is no quorum against B1'
    // (C2, D2) … but there is one against each when three vote for neither or the other.
    check(4, "1 B1' A2:ABCD B2:ABCD C2:AB'CD D2:AB'CD 3:*", "");
    check(4, "1 B1' A2:ABCD C2:AB'CD D2:ACD B2:ACD 3:*", "-");
    check(4, "1 B1' A2:ABCD B2:ABCD C2:AB'CD D2:AB'CD 3:* 4:* 5:* 6:*", "- C2 D3 A4");
}

#[test]
fn an_equivocating_voter_counts_once() {
    // A votes for B1 in two snapshots; with B that is two authors of a needed three.
    check(4, "1 A2:ABC A2':ABCD B2:ABC C2:ACD D2:ACD A3:ABC C3:A'BC D3:ABD", "");
    // D certifies twice; with A that is two authors.
    check(4, "1 2:* A3:ABC D3:ABC D3':BCD", "");
    check(4, "1 2:* A3:ABC D3:ABC D3':BCD B3:ABD", "B1");
    // D votes against twice; with C that is two authors.
    check(4, "1 A2:ABC B2:ABC C2:ACD D2:ACD D2':ACD", "");
}

#[test]
fn several_leaders_per_round_are_ordered_by_offset() {
    // Slots of round 1: B, C; of round 2: C, D.
    check_rule(Rule::InTurn { leaders: 2 }, 4, "1-C 2:* 3:* 4:*", "B1 - C2 D2");
    check_rule(Rule::InTurn { leaders: 4 }, 4, "1-C 2:* 3:* 4:*", "B1 - D1 A1 C2 D2 A2 B2");
    // More leaders than members are as many as there are: nobody is committed twice in a round.
    check_rule(Rule::InTurn { leaders: 50 }, 4, "1 2:* 3:*", "B1 C1 D1 A1");
    // The first slot holds up the others of its round, whatever is known of them.
    let split = "1 A2:ABCD B2:ABCD C2:ACD D2:ACD 3:*";
    check_rule(Rule::InTurn { leaders: 4 }, 4, split, "");
    check_rule(Rule::InTurn { leaders: 4 }, 4, &format!("{split} 4:* 5:* 6:*"), {
        "- C1 D1 A1 C2 D2 A2 B2 D3 A3 B3 C3 A4 B4 C4 D4"
    });
}

#[test]
fn a_restarted_committer_goes_on_after_its_last_leader() {
    let drawing = Drawing::of(4, "1-C 2:* 3:* 4:* 5:*");
    for rule in [Rule::InTurn { leaders: 3 }, Rule::Wave { leaders: 3 }] {
        let whole = decisions(4, rule.committer(4), &drawing);
        let names: Vec<&str> = whole.split(' ').collect();
        for (position, last) in names.iter().enumerate().filter(|(_, name)| **name != "-") {
            let mut committer = rule.committer(4);
            let of_that_name = |reference: &Reference| drawing.name(reference) == *last;
            let last = drawing.snapshots.iter().map(|snapshot| snapshot.reference()).find(of_that_name);
            committer.resume_after(&last.expect("drawn"));
            assert_eq!(decisions(4, committer, &drawing), names[position + 1..].join(" "), "{rule:?} after {last:?}");
        }
    }
}

#[test]
fn in_a_wave_of_five_a_leader_has_time_to_spread() {
    check_wave("1 2:* 3:* 4:* 5:*", "B1");
    check_wave("1 2:* 3:* 4:* 5-D:*", "B1");
    check_wave("1 2:* 3:* 4:* 5-CD:*", "");
    // Only its author builds on B1 at first. Under round robin that is too late.
    let late = "1 A2:ACD B2:ABC C2:ACD D2:ACD 3:* 4:* 5:*";
    check_wave(late, "B1");
    check(4, late, "- C2 D3");
    // It may even come by a weak reference.
    check_wave("1 2-B:ACD A3:ACD~B1 C3:ACD D3:ACD 4-B:* 5-B:*", "B1");
    check_wave("1 2-B:ACD 3-B:ACD A4:ACD~B1 C4:ACD D4:ACD 5-B:*", "");
}

#[test]
fn in_a_wave_of_five_a_leader_that_a_quorum_has_not_heard_of_is_skipped() {
    check_wave("1-B 2-B:* 3-B:* 4-B:*", "-");
    check_wave("1 2-B:ACD 3-B:ACD 4-B:ACD", "-");
    check_wave("1-B 2-B:* 3-B:* 4-AB:*", "");
}

#[test]
fn in_a_wave_of_five_a_later_leader_decides_what_could_not_be_decided_directly() {
    let spread = "1 A2:ACD B2:ABC C2:ACD D2:ACD A3:ACD B3:ABC C3:ACD D3:ACD";
    // A4 and B4 have heard of B1, two of a needed three.
    let two = format!("{spread} A4:ABC B4:ABC C4:ACD D4:ACD 5:*");
    check_wave(&format!("{two} 6:* 7:* 8:* 9:*"), "");
    check_wave(&format!("{two} 6:* 7:* 8:* 9:* 10:*"), "- C2 D3 A4 B5 C6");
    // A4, B4 and C4 have, and A5 alone references all three: the anchor C6 knows A5, or does not.
    let three = format!("{spread} A4:ABC B4:ABC C4:ABC D4:ACD A5:ABC B5:ABD C5:ACD D5:BCD");
    check_wave(&format!("{three} 6:* 7:* 8:* 9:* 10:*"), "B1 C2 D3 A4 B5 C6");
    check_wave(&format!("{three} A6:BCD B6:BCD C6:BCD D6:BCD 7:* 8:* 9:* 10:*"), "- C2 D3 A4 B5 C6");
}

#[test]
fn in_a_wave_of_five_nobody_votes_for_two_snapshots_of_one_leader() {
    // Everybody has heard of both by round 4.
    check_wave("1 B1' A2:ABCD B2:ABCD C2:AB'CD D2:AB'CD 3:* 4:* 5:*", "-");
    // Nobody builds on the second.
    check_wave("1 B1' 2:* 3:* 4:* 5:*", "B1");
}

#[test]
fn while_a_leader_is_not_named_nothing_is_decided_from_there_on() {
    let drawing = Drawing::of(4, "1 2:* 3:* 4:* 5:* 6:* 7:* 8:*");
    for (upto, expected) in [(0, ""), (2, "B1 C2"), (9, "B1 C2 D3 A4")] {
        let schedule = Named { turns: in_turn(4, 1), upto };
        assert_eq!(decisions(4, Committer::new(Box::new(schedule), quorum(4), FIRST_ROUND), &drawing), expected);
    }
}

#[test]
fn a_coin_names_the_leaders() {
    let keys = coin_keys(4);
    let rounds: Vec<String> =
        (1..=12).map(|round| if round == 1 { "1".to_owned() } else { format!("{round}:*") }).collect();
    let drawing = Drawing::with_coin(4, &rounds.join(" "), keys.clone());
    let decided = |key: &CoinKey, leaders| {
        let schedule = CommonCoin::new(NETWORK, committee(4).members().collect(), leaders, key.clone());
        decisions(4, Committer::new(Box::new(schedule), quorum(4), FIRST_ROUND), &drawing)
    };
    let first = decided(&keys[0], 1);
    assert_eq!(first.split(' ').count(), 8, "eight waves of five are complete: {first}");
    let different: std::collections::BTreeSet<_> = first.split(' ').map(|leader| &leader[..1]).collect();
    assert!(different.len() > 1, "always the same leader: {first}");
    assert_eq!(decided(&keys[3], 1), first);
    let all: std::collections::BTreeSet<String> = decided(&keys[1], 4).split(' ').map(str::to_owned).collect();
    assert_eq!(all.len(), 32, "everybody leads once in each of eight rounds");
}

#[test]
fn the_rule_holds_at_every_size() {
    for members in [7usize, 8, 9, 10, 50] {
        let letters: String = (0..members).map(|index| (b'A' + index as u8) as char).collect();
        let faulty = members - quorum(members);
        // The last f nodes are silent: the quorum of the rest commits; one node fewer does not.
        let silent = |count: usize| letters.chars().skip(members - count).collect::<String>();
        let draw = |count: usize| {
            let absent = silent(count);
            (1..=3).map(|round| format!("{round}-{absent}:*")).collect::<Vec<_>>().join(" ")
        };
        check(members, &draw(faulty), "B1");
        check(members, &draw(faulty + 1), "");
    }
}

#[test]
fn a_commit_takes_what_is_not_committed_in_order() {
    let drawing = Drawing::of(4, "1 2-D:ABC 3-D:ABC A4:ABC~D1 B4:ABC C4:ABC 5-D:ABC 6-D:ABC 7-D:ABC");
    let mut graph = Graph::new(&committee(4));
    drawing.snapshots.iter().for_each(|snapshot| drop(graph.insert(snapshot.clone())));
    let mut committer = Rule::InTurn { leaders: 1 }.committer(4);
    let mut commits = Vec::new();
    while let Some(leader) = committer.next_leader(&mut graph) {
        let snapshots = linearise(&mut graph, leader, FIRST_ROUND);
        commits.push(snapshots.iter().map(|s| drawing.name(&s.reference())).collect::<Vec<_>>().join(" "));
    }
    // D1 was late; A4's weak reference brings it in. D3 and the rest of D's slots are skipped.
    assert_eq!(commits, ["B1", "A1 C1 C2", "D1 A2 B2 A3 B3 C3 A4", "B4 C4 B5"]);
}

#[test]
fn below_the_horizon_nothing_is_committed() {
    let drawing = Drawing::of(4, "1 2-D:ABC 3-D:ABC A4:ABC~D1 B4:ABC C4:ABC 5-D:ABC 6-D:ABC");
    let mut graph = Graph::new(&committee(4));
    drawing.snapshots.iter().for_each(|snapshot| drop(graph.insert(snapshot.clone())));
    let leader = drawing.snapshots.iter().map(|s| s.reference()).find(|r| drawing.name(r) == "A4").expect("drawn");
    let names: Vec<_> =
        linearise(&mut graph, leader, 2).iter().map(|snapshot| drawing.name(&snapshot.reference())).collect();
    assert_eq!(names.join(" "), "A2 B2 C2 A3 B3 C3 A4");
}

/// A random graph: each node references a random quorum, and some of them equivocate.
fn random_drawing(members: usize, rounds: usize) -> impl Strategy<Value = Drawing> {
    let snapshot = (any::<u64>(), 0u8..100);
    proptest::collection::vec(proptest::collection::vec(snapshot, members), rounds).prop_map(move |choices| {
        let need = quorum(members);
        let mut text = String::new();
        for (round, choices) in choices.iter().enumerate() {
            for (author, (choice, fate)) in choices.iter().enumerate() {
                let letter = (b'A' + author as u8) as char;
                let references = |seed: u64| {
                    let mut others: Vec<usize> = (0..members).collect();
                    let mut seed = seed;
                    for index in (1..members).rev() {
                        others.swap(index, (seed % (index as u64 + 1)) as usize);
                        seed = seed.rotate_right(7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    }
                    let count = need + (seed % (members - need + 1) as u64) as usize;
                    let mut chosen = others[..count].to_vec();
                    chosen.sort_unstable();
                    chosen.into_iter().map(|index| (b'A' + index as u8) as char).collect::<String>()
                };
                let onto = if round == 0 { String::new() } else { references(*choice) };
                text += &format!("{letter}{}:{onto} ", round + 1);
                // The first f nodes equivocate now and then; nobody references the second snapshot but the author's
                // next equivocation, which keeps the drawing simple and the rule's counts honest.
                if author < members - need && *fate < 30 && round > 0 {
                    text += &format!("{letter}{}':{} ", round + 1, references(choice.wrapping_add(1)));
                }
            }
        }
        Drawing::of(members, &text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever part of a graph one holds, in whatever order it came, one's decisions are a prefix of those of whoever
    /// holds it all; and asking early never changes an answer.
    #[test]
    fn decisions_never_depend_on_the_order_of_arrival(
        drawing in prop_oneof![random_drawing(4, 12), random_drawing(7, 10)],
        rule in (1usize..5, any::<bool>()).prop_map(|(leaders, is_wave)| match is_wave {
            true => Rule::Wave { leaders },
            false => Rule::InTurn { leaders },
        }),
        order in any::<prop::sample::Index>(),
        shuffle in any::<u64>(),
    ) {
        let members = drawing.snapshots.iter().filter(|s| s.header().round == 1).count();
        let whole = decisions(members, rule.committer(members), &drawing);
        // A random topological order.
        let mut rest = drawing.snapshots.clone();
        let mut graph = Graph::new(&committee(members));
        let mut committer = rule.committer(members);
        let mut seen = Vec::new();
        let mut seed = shuffle;
        let stop = order.index(rest.len() + 1);
        for _ in 0..stop {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let ready: Vec<usize> = (0..rest.len())
                .filter(|index| rest[*index].header().parents().all(|parent| graph.is_settled(&parent)))
                .collect();
            let next = rest.remove(ready[(seed >> 33) as usize % ready.len()]);
            graph.insert(next);
            while let Some(decision) = committer.next_decision(&mut graph) {
                seen.push(name(&drawing, decision));
            }
        }
        let seen = seen.join(" ");
        let is_prefix = whole.starts_with(&seen);
        prop_assert!(is_prefix, "seen {seen}, of {whole}");
        if stop == drawing.snapshots.len() {
            prop_assert_eq!(seen, whole);
        }
    }
}
