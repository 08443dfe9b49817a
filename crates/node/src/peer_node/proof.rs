//! What became of any transaction, proved by a certificate.
//!
//! A kernel node is asked at which height a transaction was decided, which is no more than a hint; the checkpoint of that
//! height, certified by q(n) nodes, digests the scan data in which the verdict stands. A hint that proves nothing counts
//! for nothing. "There is no such transaction" can't be proved and is believed when f + 1 nodes say it: one of them is
//! honest. Who certifies which height is known from following, also where it was others than now.

use byway_kernel::follower::protocol::{Answer, Request, Step};
use byway_primitives::NetworkId;
use byway_records::checkpoint::Height;
use byway_records::{Reject, Seats, TransactionId};

use super::PeerNode;
use crate::api::{ApiError, Outcome, TransactionRecord};

/// Why a step proves nothing of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Disproof {
    #[error("the checkpoint is of another height than asked for")]
    Height,
    #[error("its certificate is not valid")]
    Certificate,
    #[error("its scan data is not the certified one")]
    Scan,
    #[error("the certified scan data knows no such transaction")]
    Absent,
}

/// Finds a transaction and proves its verdict. The `reachable` kernel nodes are asked first, so that one that is down costs
/// no time.
///
/// # Errors
/// `transaction_not_found` when f + 1 kernel nodes know of no verdict, `kernel_unreachable` when too few answer.
pub(super) async fn prove(node: &PeerNode, id: TransactionId, reachable: &[u8]) -> Result<TransactionRecord, ApiError> {
    let (kernel, genesis) = (&node.kernel, &node.genesis);
    let mut order = kernel.order();
    order.sort_by_key(|member| !reachable.contains(member));
    let mut unknown_to = 0;
    for member in order {
        let height = match kernel.ask(member, &Request::Find { transaction: id }).await {
            Ok(Answer::Found(Some(height))) => height,
            Ok(Answer::Found(None)) => {
                unknown_to += 1;
                if unknown_to > kernel.faults_tolerated() {
                    return Err(ApiError::transaction_not_found());
                }
                continue;
            }
            _ => continue,
        };
        // No step is no lie: the height may not be certified yet.
        let request = Request::Follow { from: height, programs: Vec::new() };
        let Ok(Answer::Steps(steps)) = kernel.ask(member, &request).await else { continue };
        let Some(step) = steps.first() else { continue };
        let Some(seats) = node.signers_at(height).await else { continue };
        match verdict(genesis.network(), &seats, step, height, id) {
            Ok(record) => return Ok(record),
            Err(disproof) => tracing::error!(member, %disproof, "a kernel node's word on a transaction proves nothing"),
        }
    }
    Err(ApiError::kernel_unreachable())
}

/// What a step proves of a transaction to whoever knows who certifies its height.
fn verdict(
    network: NetworkId,
    seats: &Seats,
    step: &Step,
    height: Height,
    id: TransactionId,
) -> Result<TransactionRecord, Disproof> {
    let checkpoint = &step.certificate.checkpoint;
    if checkpoint.height != height {
        return Err(Disproof::Height);
    }
    step.certificate.verify(network, seats).map_err(|_| Disproof::Certificate)?;
    if step.scan.root() != checkpoint.scan_root {
        return Err(Disproof::Scan);
    }
    let record = |reject: Option<Reject>, counts: Option<(usize, usize)>| TransactionRecord {
        outcome: Outcome::proved(id, reject, checkpoint),
        inputs: counts.map(|(inputs, _)| inputs as u64),
        outputs: counts.map(|(_, outputs)| outputs as u64),
    };
    if let Some(made) = step.scan.finals.iter().find(|made| made.id == id) {
        return Ok(record(None, Some((made.spent.len(), made.outputs.len()))));
    }
    let rejected = step.scan.rejected.iter().find(|(rejected, _)| *rejected == id);
    rejected.map(|(_, reject)| record(Some(*reject), None)).ok_or(Disproof::Absent)
}

#[cfg(test)]
mod tests {
    use byway_crypto::{NodeSecret, Purpose};
    use byway_primitives::{Hash, Time};
    use byway_records::Member;
    use byway_records::checkpoint::{Certificate, Checkpoint};
    use byway_records::scan::{ScanData, ScanTransaction};

    use super::*;
    use crate::api::Stage;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
    const ID: TransactionId = TransactionId(Hash([1; 32]));
    const REJECTED: TransactionId = TransactionId(Hash([2; 32]));

    fn secret(number: u8) -> NodeSecret {
        NodeSecret::from_seed(&[number; 32])
    }

    /// Four members, of whom all have another key in each epoch.
    fn seats(epoch: u8) -> Seats {
        Seats::founding((0..4).map(|member| Member {
            name: format!("k{member}"),
            owner: byway_primitives::IdentityId([member; 20]),
            key: secret(10 * epoch + member).public(),
            mesh: byway_crypto::noise::StaticKey([member; 32]),
            dealing: secret(10 * epoch + member).dealing().public(),
            address: "127.0.0.1:7100".to_owned(),
        }))
    }

    fn step(signers: u8) -> Step {
        let made = ScanTransaction { id: ID, ghost: None, outputs: Vec::new(), spent: Vec::new() };
        let scan = ScanData { time: Time(5), finals: vec![made], rejected: vec![(REJECTED, Reject::NoAccount)] };
        let zero = Hash::ZERO;
        let checkpoint = Checkpoint {
            height: Height(9),
            commits: 9,
            time: Time(5),
            previous: zero,
            transactions: 1,
            transactions_root: zero,
            state_root: zero,
            outputs_digest: zero,
            scan_root: scan.root(),
            epoch_next: zero,
        };
        let sign = |member| secret(10 * signers + member).sign(Purpose::Checkpoint, NETWORK, &checkpoint.digest().0);
        let signatures = (0..3).map(|member| (member, sign(member))).collect();
        Step { certificate: Certificate { checkpoint, signatures }, differences: Vec::new(), scan }
    }

    #[test]
    fn a_verdict_is_proved_by_who_certified_its_height() {
        let hidden = Step { scan: ScanData::default(), ..step(1) };
        for (step, epoch, id, expected) in [
            (step(1), 1, ID, Ok(Stage::Final)),
            (step(1), 1, REJECTED, Ok(Stage::Rejected)),
            (step(1), 1, TransactionId(Hash([3; 32])), Err(Disproof::Absent)),
            (step(1), 0, ID, Err(Disproof::Certificate)),
            (step(1), 2, ID, Err(Disproof::Certificate)),
            (hidden, 1, ID, Err(Disproof::Scan)),
        ] {
            let found = verdict(NETWORK, &seats(epoch), &step, Height(9), id).map(|record| record.outcome.stage);
            assert_eq!(found, expected, "epoch {epoch}");
        }
        assert_eq!(verdict(NETWORK, &seats(1), &step(1), Height(8), ID).err(), Some(Disproof::Height));
    }
}
