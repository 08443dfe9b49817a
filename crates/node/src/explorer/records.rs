//! How what kernel nodes say is written for people: the records that the calls `kernel_*` answer with.

use byway_kernel::follower::explore::{FinalProof, SignedTwice, SnapshotSummary};
use byway_kernel::follower::protocol::{Pulse, StageClaim};
use byway_primitives::{Encode, Span, Time};
use byway_records::call::kernel::ConvictionId;
use byway_records::evidence::Place;
use byway_records::state::Conviction;
use byway_records::{Certificate, TransactionId};

use crate::api::*;

/// Transactions per second are counted over this long.
const TPS_SPAN: Span = Span::seconds(10);

/// A certificate as it is shown.
pub fn checkpoint_record(certificate: &Certificate) -> CheckpointRecord {
    checkpoint_view(&certificate.checkpoint, signers(certificate))
}

/// A checkpoint and who signed it.
pub fn checkpoint_view(checkpoint: &byway_records::Checkpoint, signers: Vec<u8>) -> CheckpointRecord {
    CheckpointRecord {
        height: checkpoint.height.0,
        commits: checkpoint.commits,
        time_ms: checkpoint.time,
        digest: checkpoint.digest(),
        previous: checkpoint.previous,
        transactions: checkpoint.transactions,
        transactions_root: checkpoint.transactions_root,
        state_root: checkpoint.state_root,
        outputs_digest: checkpoint.outputs_digest,
        scan_root: checkpoint.scan_root,
        epoch_next: checkpoint.epoch_next,
        signers,
    }
}

/// What one node's word on a stage is shown as.
pub fn stage_of(claim: StageClaim) -> Option<Stage> {
    match claim {
        // One that gave way is nowhere until it is handed in again.
        StageClaim::Unknown | StageClaim::GaveWay => None,
        StageClaim::Pooled => Some(Stage::Sent),
        StageClaim::Included => Some(Stage::Included),
        StageClaim::Final => Some(Stage::Final),
        StageClaim::Rejected => Some(Stage::Rejected),
    }
}

/// What one kernel node saw lately, for drawing.
pub fn pulse_view(pulse: &Pulse, tip: Option<PulseCheckpoint>, finality_ms: Finality, now: Time) -> KernelPulse {
    let snapshots = pulse.snapshots.iter().map(|snapshot| PulseSnapshot {
        author: snapshot.author.0,
        round: snapshot.round,
        time_ms: snapshot.time,
        transactions: snapshot.transactions.into(),
        hash: snapshot.hash.to_string(),
        references: snapshot.references.iter().map(|author| author.0).collect(),
        commit: snapshot.commit,
    });
    let oldest = pulse.snapshots.iter().map(|snapshot| snapshot.round).min().unwrap_or(0);
    let commits = pulse.commits.iter().filter(|commit| commit.round >= oldest).map(|commit| PulseCommit {
        index: commit.index,
        time_ms: commit.time,
        transactions: commit.transactions.into(),
        leader: commit.leader.0,
        round: commit.round,
    });
    let since = now - TPS_SPAN;
    let lately = pulse.commits.iter().filter(|commit| commit.time >= since);
    let transactions: u64 = lately.map(|commit| u64::from(commit.transactions)).sum();
    // A busy kernel's commits are remembered for less than the whole span.
    let remembered = pulse.commits.first().map_or(TPS_SPAN, |commit| now.since(commit.time));
    let span = remembered.min(TPS_SPAN).0.max(1);
    KernelPulse {
        snapshots: snapshots.collect(),
        commits: commits.collect(),
        checkpoint: tip,
        finality_ms,
        tps: transactions as f64 * 1000.0 / span as f64,
    }
}

/// What this node saw, each with the conviction that came of it, and the convictions for what it didn't see.
pub(super) fn evidence_records(
    seen: &[SignedTwice],
    convictions: &[(ConvictionId, Conviction)],
) -> Vec<EvidenceRecord> {
    let is_of = |twice: &SignedTwice, (id, conviction): &(ConvictionId, Conviction)| {
        id.seat == twice.author.0 && conviction.place == Place::Round(twice.round)
    };
    let of_this_node = seen.iter().map(|twice| EvidenceRecord {
        kind: EvidenceKind::SignedTwice,
        member: twice.author.0,
        round: Some(twice.round),
        height: None,
        first: Some(twice.first),
        second: Some(twice.second),
        seen_ms: Some(twice.seen),
        conviction: convictions.iter().find(|conviction| is_of(twice, conviction)).map(conviction_record),
    });
    let of_others = convictions.iter().filter(|conviction| !seen.iter().any(|twice| is_of(twice, conviction)));
    let of_others = of_others.map(|conviction| {
        let (round, height) = match conviction.1.place {
            Place::Round(round) => (Some(round), None),
            Place::Height(height) => (None, Some(height.0)),
        };
        EvidenceRecord {
            kind: EvidenceKind::Judged,
            member: conviction.0.seat,
            round,
            height,
            first: None,
            second: None,
            seen_ms: None,
            conviction: Some(conviction_record(conviction)),
        }
    });
    of_this_node.chain(of_others).collect()
}

fn conviction_record((id, conviction): &(ConvictionId, Conviction)) -> ConvictionRecord {
    ConvictionRecord {
        since_epoch: id.since,
        offence: if id.is_second { Offence::Second } else { Offence::First },
        owner: conviction.owner,
        forfeited: conviction.forfeited,
        appealed: conviction.is_appealed,
        ends_ms: conviction.ends.time,
    }
}

pub(super) fn final_record(id: TransactionId, proof: &FinalProof) -> KernelTransactionRecord {
    let (certificate, range) = (&proof.certificate, &proof.range);
    KernelTransactionRecord {
        outcome: Outcome::proved(id, None, &certificate.checkpoint),
        position: Some(range.position),
        proof: Some(ProofRecord { certificate: HexBytes(certificate.to_bytes()), range: HexBytes(range.to_bytes()) }),
    }
}

pub(super) fn signers(certificate: &Certificate) -> Vec<u8> {
    certificate.signatures.iter().map(|(index, _)| *index).collect()
}

pub(super) fn snapshot_record(summary: SnapshotSummary) -> SnapshotRecord {
    let SnapshotSummary { reference, time, previous, references, weak_references, checkpoint, transactions, bytes } =
        summary;
    let before = reference.round.saturating_sub(1);
    let named = |round, author: byway_kernel::MemberIndex, hash| SnapshotName { author: author.0, round, hash };
    SnapshotRecord {
        author: reference.author.0,
        round: reference.round,
        hash: reference.hash,
        time_ms: time,
        previous: previous.map(|(round, hash)| named(round, reference.author, hash)),
        references: references.into_iter().map(|(author, hash)| named(before, author, hash)).collect(),
        weak_references: weak_references.into_iter().map(|weak| named(weak.round, weak.author, weak.hash)).collect(),
        checkpoint: checkpoint.0,
        transactions: transactions.into(),
        bytes: bytes.into(),
    }
}
