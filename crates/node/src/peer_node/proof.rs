//! What became of any transaction, proved by a certificate.
//!
//! A kernel node is asked at which height a transaction was decided, which is no more than a hint; the checkpoint of that
//! height, certified by q(n) nodes, digests the scan data in which the verdict stands. A hint that proves nothing counts
//! for nothing. "There is no such transaction" can't be proved and is believed when f + 1 nodes say it: one of them is
//! honest.

use byway_driver::entropy;
use byway_kernel::follower::protocol::{Answer, Request, Step};
use byway_records::checkpoint::Height;
use byway_records::{Genesis, Reject, TransactionId};

use super::kernel_access::KernelAccess;
use crate::api::{ApiError, Reason, Stage, TransactionRecord};

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
pub(super) async fn prove(
    kernel: &KernelAccess,
    genesis: &Genesis,
    id: TransactionId,
    reachable: &[u8],
) -> Result<TransactionRecord, ApiError> {
    let members = genesis.members.len() as u64;
    let first = entropy::number() % members;
    let mut order: Vec<u8> = (0..members).map(|step| ((first + step) % members) as u8).collect();
    order.sort_by_key(|member| !reachable.contains(member));
    let mut unknown_to = 0;
    for member in order {
        let height = match kernel.ask(member, &Request::Find { transaction: id }).await {
            Ok(Answer::Found(Some(height))) => height,
            Ok(Answer::Found(None)) => {
                unknown_to += 1;
                if unknown_to > genesis.members.faults_tolerated() {
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
        match verdict(genesis, step, height, id) {
            Ok(record) => return Ok(record),
            Err(disproof) => tracing::error!(member, %disproof, "a kernel node's word on a transaction proves nothing"),
        }
    }
    Err(ApiError::kernel_unreachable())
}

/// What a step proves of a transaction.
fn verdict(genesis: &Genesis, step: &Step, height: Height, id: TransactionId) -> Result<TransactionRecord, Disproof> {
    let checkpoint = &step.certificate.checkpoint;
    if checkpoint.height != height {
        return Err(Disproof::Height);
    }
    step.certificate.verify(genesis.network(), &genesis.epoch().seats).map_err(|_| Disproof::Certificate)?;
    if step.scan.root() != checkpoint.scan_root {
        return Err(Disproof::Scan);
    }
    let record = |stage, reason: Option<Reject>, counts: Option<(usize, usize)>| TransactionRecord {
        transaction_id: id,
        stage,
        reason: reason.map(|reject| Reason::new(reject.word(), reject.to_string())),
        certified: true,
        height: Some(height.0),
        time_ms: Some(checkpoint.time),
        inputs: counts.map(|(inputs, _)| inputs as u64),
        outputs: counts.map(|(_, outputs)| outputs as u64),
    };
    if let Some(made) = step.scan.finals.iter().find(|made| made.id == id) {
        return Ok(record(Stage::Final, None, Some((made.spent.len(), made.outputs.len()))));
    }
    let rejected = step.scan.rejected.iter().find(|(rejected, _)| *rejected == id);
    rejected.map(|(_, reject)| record(Stage::Rejected, Some(*reject), None)).ok_or(Disproof::Absent)
}
