//! What the fake node says of the kernel: every field of every answer is there once.

use byway_crypto::WalletSecret;
use byway_node::api::*;
use byway_primitives::{Amount, AssetId, Hash, NetworkId, Time};
use byway_records::{OutputId, TransactionId};

use super::fake::{Fake, id};

/// The transaction that the fake kernel knows.
pub const KNOWN: TransactionId = TransactionId(Hash([0xaa; 32]));

const HASH: Hash = Hash([7; 32]);
const TIME: Time = Time(1_700_000_000_000);

fn name(round: u64) -> SnapshotName {
    SnapshotName { author: 1, round, hash: HASH }
}

impl KernelApi for Fake {
    fn kernel_events(&self) -> Events {
        self.events.subscribe()
    }

    async fn kernel_status(&self) -> Answer<KernelStatus> {
        let node = OwnHealth {
            index: Some(2),
            standing: Some(Standing::Counting),
            name: "k2".to_owned(),
            round: 9,
            quorum_round: 9,
            is_behind: false,
            connected: 3,
            transactions_pending: 1,
            pool_percent: 2,
            pool_sources: 1,
            stamp_bits: 0,
            snapshots_waiting: 0,
            newest_epoch: 0,
            counts_there: true,
        };
        Ok(KernelStatus {
            version: "0.1.0".to_owned(),
            network: NetworkId(HASH),
            network_name: "local".to_owned(),
            height: 3,
            commits: 40,
            time_ms: TIME,
            size: 4,
            quorum: 3,
            finality_ms: Finality { p50: Some(40), p99: Some(90) },
            certified_ms: Some(TIME),
            troubles: vec![Reason::new("stalled", "nothing was committed for 40 s")],
            node: Some(node),
        })
    }

    async fn kernel_members(&self) -> Answer<Vec<KernelMember>> {
        Ok(vec![KernelMember {
            index: 0,
            name: "k0".to_owned(),
            key: byway_crypto::NodeSecret::from_seed(&[1; 32]).public(),
            owner: id(9),
            address: "127.0.0.1:7100".to_owned(),
            standing: Standing::Left,
            since_epoch: 3,
            pledge: Amount::from_coins(10_000),
            unlocks_ms: Some(TIME),
            unlocks_commits: Some(600),
            changeable_ms: Some(TIME),
            reachable: true,
            round: 9,
            rounds_behind: 0,
            latency_ms: Some(3),
            connected: Some(3),
            signed_last: true,
        }])
    }

    async fn kernel_send(&self, request: KernelSend) -> Answer<KernelSent> {
        match request.transaction.0.is_empty() {
            true => Err(ApiError::invalid_params("transaction", "it is empty")),
            false => Ok(KernelSent { transaction_id: KNOWN, stage: Stage::Sent }),
        }
    }

    async fn kernel_transaction(&self, request: KernelTransaction) -> Answer<KernelTransactionRecord> {
        if request.transaction_id != KNOWN {
            return Err(ApiError::transaction_not_found());
        }
        let proof = ProofRecord { certificate: HexBytes(vec![1; 20]), range: HexBytes(vec![2; 20]) };
        Ok(KernelTransactionRecord {
            outcome: Outcome {
                transaction_id: KNOWN,
                stage: Stage::Final,
                reason: Some(Reason::new("none", "no reason")),
                certified: true,
                height: Some(3),
                time_ms: Some(TIME),
            },
            position: Some(7),
            proof: request.proof.then_some(proof),
        })
    }

    async fn kernel_outputs(&self, request: KernelOutputs) -> Answer<Vec<OutputRecord>> {
        let key = byway_crypto::ghost::TransactionSecret::from_seed(&[2; 32])
            .derive(&WalletSecret::from_seed(&[1; 32]).address(), 0)
            .0;
        let records = request.outputs.into_iter().map(|output| OutputRecord {
            output,
            unspent: true,
            asset: Some(AssetId::WAY),
            amount: Some(Amount::from_coins(1)),
            threshold: Some(1),
            keys: Some(vec![key]),
        });
        Ok(records.collect())
    }

    async fn kernel_snapshots(&self, _: KernelSnapshots) -> Answer<Vec<SnapshotRecord>> {
        Ok(vec![SnapshotRecord {
            author: 1,
            round: 9,
            hash: HASH,
            time_ms: TIME,
            previous: Some(name(8)),
            references: vec![name(8)],
            weak_references: vec![name(7)],
            checkpoint: 3,
            transactions: 5,
            bytes: 1200,
        }])
    }

    async fn kernel_checkpoints(&self, _: KernelCheckpoints) -> Answer<Vec<CheckpointRecord>> {
        Ok(vec![CheckpointRecord {
            height: 3,
            commits: 40,
            time_ms: TIME,
            digest: HASH,
            previous: HASH,
            transactions: 8,
            transactions_root: HASH,
            state_root: HASH,
            outputs_digest: HASH,
            scan_root: HASH,
            epoch_next: HASH,
            signers: vec![0, 1, 2],
        }])
    }

    async fn kernel_evidence(&self) -> Answer<Vec<EvidenceRecord>> {
        Ok(vec![EvidenceRecord {
            kind: EvidenceKind::SignedTwice,
            member: 1,
            round: Some(9),
            height: Some(3),
            first: Some(HASH),
            second: Some(Hash([8; 32])),
            seen_ms: Some(TIME),
            conviction: Some(ConvictionRecord {
                since_epoch: 3,
                offence: Offence::Second,
                owner: id(9),
                forfeited: Amount::from_coins(10_000),
                appealed: false,
                ends_ms: TIME,
            }),
        }])
    }

    async fn kernel_pulse(&self) -> Answer<KernelPulse> {
        let snapshot = PulseSnapshot {
            author: 1,
            round: 9,
            time_ms: TIME,
            transactions: 5,
            hash: HASH.to_string(),
            references: vec![0, 1, 2],
            commit: Some(4),
        };
        Ok(KernelPulse {
            snapshots: vec![snapshot],
            commits: vec![PulseCommit { index: 4, time_ms: TIME, transactions: 5, leader: 1, round: 9 }],
            checkpoint: Some(PulseCheckpoint { height: 3, time_ms: TIME, signers: vec![0, 1, 2], size: 4, quorum: 3 }),
            finality_ms: Finality { p50: Some(40), p99: Some(90) },
            tps: 1.5,
        })
    }
}

/// An output's name as it is asked for.
pub fn output() -> String {
    OutputName(OutputId { transaction: KNOWN, index: 0 }).to_string()
}
