//! What explorers show of times whose members have left since: proved by who certified it then, and by nobody else.

use std::sync::Arc;

use byway_crypto::{NodeSecret, Purpose};
use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::{FinalProof, Found, Query};
use byway_kernel::follower::protocol::{Answer as Said, Request};
use byway_node::api::*;
use byway_node::explorer::{Explorer, MemberView, Source};
use byway_primitives::{Hash, Time};
use byway_records::range::{leaf_hash, prove_over, root_over};
use byway_records::{Certificate, Checkpoint, Genesis, Height, Member, Seats, TransactionId};

use super::network::Network;

/// Heights of one epoch.
const EPOCH: u64 = 10;

/// A kernel whose members have other keys in every epoch of ten checkpoints, and one transaction in each.
#[derive(Clone)]
struct Eras {
    genesis: Arc<Genesis>,
    /// Signs everything with the keys of this epoch.
    forger: Option<u64>,
}

fn secret(epoch: u64, member: u8) -> NodeSecret {
    NodeSecret::from_seed(&[50 + 10 * epoch as u8 + member; 32])
}

fn id(height: u64) -> TransactionId {
    TransactionId(Hash([height as u8; 32]))
}

impl Eras {
    /// What the members of an epoch certify at a height, at which as many transactions are final.
    fn certificate(&self, height: u64) -> Certificate {
        let leaves: Vec<Hash> = (1..=height).map(|height| leaf_hash(id(height))).collect();
        let checkpoint = Checkpoint {
            height: Height(height),
            commits: height,
            time: Time(1000 * height),
            previous: Hash::ZERO,
            transactions: height,
            transactions_root: root_over(&leaves),
            state_root: Hash::ZERO,
            outputs_digest: Hash::ZERO,
            scan_root: Hash::ZERO,
            epoch_next: Hash::ZERO,
        };
        let (network, digest) = (self.genesis.network(), checkpoint.digest());
        let epoch = self.forger.unwrap_or((height - 1) / EPOCH);
        let sign = |member| (member, secret(epoch, member).sign(Purpose::Checkpoint, network, &digest.0));
        Certificate { checkpoint, signatures: (0..3).map(sign).collect() }
    }
}

impl Source for Eras {
    async fn order(&self) -> Vec<u8> {
        vec![0]
    }

    async fn ask(&self, _: u8, request: Request) -> Option<Said> {
        match request {
            Request::Explore(Query::Prove { transaction }) => {
                let height = u64::from(transaction.0.0[0]);
                let leaves: Vec<Hash> = (1..=height).map(|height| leaf_hash(id(height))).collect();
                let range = prove_over(&leaves, height as usize - 1)?;
                let proof = FinalProof { certificate: self.certificate(height), range };
                Some(Said::Explored(Found::Proof(Some(Box::new(proof)))))
            }
            Request::Explore(Query::Certificates { from }) => {
                let certificates = (from.0..from.0 + 2 * EPOCH).map(|height| self.certificate(height));
                Some(Said::Explored(Found::Certificates(certificates.collect())))
            }
            _ => None,
        }
    }

    async fn submit(&self, _: Vec<u8>) -> Answer<()> {
        Err(ApiError::stopping())
    }

    async fn members(&self) -> Answer<Vec<MemberView>> {
        Ok(Vec::new())
    }

    async fn membership(&self) -> Answer<Membership> {
        Ok(Membership { epoch: self.genesis.epoch(), pledges: Vec::new(), convictions: Vec::new() })
    }

    fn faults(&self) -> usize {
        1
    }

    async fn signers_at(&self, height: Height) -> Option<Seats> {
        let member = |(seat, member): (u8, &Member)| Member {
            key: secret((height.0 - 1) / EPOCH, seat).public(),
            ..member.clone()
        };
        Some(Seats::founding(self.genesis.members.iter().map(member)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn final_transactions_and_checkpoints_of_past_epochs_are_proved() {
    let genesis = Network::start(&[], &[0, 1, 2, 3]).await.genesis.clone();
    let ask = |forger| Explorer::new(genesis.clone(), Eras { genesis: genesis.clone(), forger });
    // In the first epoch, in one between, in the last, and at both ends of one.
    for height in [1, EPOCH, EPOCH + 1, EPOCH + 5, 2 * EPOCH, 2 * EPOCH + 3] {
        let request = KernelTransaction { transaction_id: id(height), proof: true };
        let record = ask(None).transaction(request.clone()).await.unwrap();
        assert_eq!(
            (record.outcome.stage, record.outcome.height, record.position),
            (Stage::Final, Some(height), Some(height - 1))
        );
        for forger in (0..3).filter(|forger| *forger != (height - 1) / EPOCH) {
            let refusal = ask(Some(forger)).transaction(request.clone()).await.unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::KernelUnreachable, "epoch {forger} has no vote at {height}");
        }
    }
    let request = KernelCheckpoints { from: Some(5), limit: 20 };
    let shown = ask(None).checkpoints(request.clone()).await.unwrap();
    assert!(shown.iter().map(|checkpoint| checkpoint.height).eq(5..25));
    assert!(ask(Some(0)).checkpoints(request).await.is_err());
}
