//! Recomputing the supply from what the kernel certifies, trusting none of its nodes.
//!
//! Everything is read anew from genesis: certified differences rebuild the programs' state, certified scan data the set of
//! unspent outputs. The state must give each certified root, and the set the certified digest, or the audit fails. So
//! what is summed up in the end is what q(n) kernel nodes signed, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_crypto::multiset::MultisetHash;
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Follower, PROGRAMS};
use byway_primitives::{Amount, AssetId, Decode, MemoryStore};
use byway_records::checkpoint::Height;
use byway_records::scan::ScanTransaction;
use byway_records::state::{Account, Registration, Reservation, pool_key};
use byway_records::{Genesis, Output, OutputId, ProgramId};

use super::kernel_access::KernelAccess;
use crate::api::{ApiError, Audit, values::AuditParts};

/// The unspent outputs, and the homomorphic hash of their set.
#[derive(Default)]
struct Outputs {
    unspent: BTreeMap<OutputId, Output>,
    sum: MultisetHash,
}

/// Audits the ledger up to `until`. Each step is asked of another kernel node if one fails.
pub(super) async fn audit(kernel: &KernelAccess, genesis: Arc<Genesis>, until: Height) -> Result<Audit, ApiError> {
    let damaged = |_| ApiError::internal();
    let mut follower = Follower::open((*genesis).clone(), &PROGRAMS, &MemoryStore::new()).map_err(damaged)?;
    let mut outputs = Outputs::default();
    outputs.take(&ScanTransaction {
        id: genesis.transaction(),
        ghost: Some(genesis.ghost),
        outputs: genesis.outputs.clone(),
        spent: Vec::new(),
    })?;
    let members = genesis.members.len() as u8;
    let mut member = 0;
    let mut failures = 0;
    while follower.next_height() <= until {
        let request = Request::Follow { from: follower.next_height(), programs: PROGRAMS.to_vec() };
        let steps = match kernel.ask(member, &request).await {
            Ok(Answer::Steps(steps)) if !steps.is_empty() => steps,
            _ => {
                failures += 1;
                member = (member + 1) % members;
                if failures > 2 * u32::from(members) {
                    return Err(ApiError::kernel_unreachable());
                }
                continue;
            }
        };
        for step in steps.into_iter().take_while(|step| step.certificate.checkpoint.height <= until) {
            let Ok(advance) = follower.advance(step) else {
                failures += 1;
                member = (member + 1) % members;
                break;
            };
            advance.scan.finals.iter().try_for_each(|transaction| outputs.take(transaction))?;
            if outputs.sum.digest() != advance.checkpoint.outputs_digest {
                return Err(ApiError::internal());
            }
        }
    }
    sum_up(&follower, &outputs, &genesis)
}

impl Outputs {
    fn take(&mut self, transaction: &ScanTransaction) -> Result<(), ApiError> {
        for id in &transaction.spent {
            // Certified scan data spends what exists; anything else is caught by the digest.
            let output = self.unspent.remove(id).ok_or_else(ApiError::internal)?;
            self.sum.remove(&output.set_element(*id).0);
        }
        for (index, output) in (0u32..).zip(&transaction.outputs) {
            let id = OutputId { transaction: transaction.id, index };
            self.sum.add(&output.set_element(id).0);
            self.unspent.insert(id, output.clone());
        }
        Ok(())
    }
}

fn sum_up(follower: &Follower, outputs: &Outputs, genesis: &Genesis) -> Result<Audit, ApiError> {
    let overflow = ApiError::internal;
    let way = |value: &byway_records::Value| (value.asset == AssetId::WAY).then_some(value.amount);
    let outputs = Amount::checked_sum(outputs.unspent.values().filter_map(|output| way(&output.value)));
    let accounts = sum::<Account>(follower, ProgramId::ACCOUNTS, &[0], |key, account| {
        // The asset is part of the key: one byte 0 for WAY.
        (key.last() == Some(&0) && key.len() == 22).then_some(account.balance)
    });
    let reservations =
        sum::<Reservation>(follower, ProgramId::ACCOUNTS, &[3], |_, reservation| way(&reservation.value));
    let registered = sum::<Registration>(follower, ProgramId::REGISTRY, &[], |_, entry| Some(entry.pledge));
    let kernel = sum::<Amount>(follower, ProgramId::SYSTEM, &[1], |_, pledge| Some(pledge));
    let pool = follower.tree(ProgramId::SYSTEM).and_then(|tree| tree.read::<Amount>(&pool_key()));
    let parts = AuditParts {
        outputs: outputs.ok_or_else(overflow)?,
        accounts: accounts.ok_or_else(overflow)?,
        reservations: reservations.ok_or_else(overflow)?,
        pledges: registered.zip(kernel).and_then(|(a, b)| a.checked_add(b)).ok_or_else(overflow)?,
        pool: pool.unwrap_or_default(),
    };
    let (height, time) = follower.tip().map_or((Height::GENESIS, genesis.time), |tip| (tip.height, tip.time));
    Ok(Audit::of(height, time, genesis.supply().ok_or_else(overflow)?, parts))
}

/// Sums one kind of entry; `None` on overflow or where an entry can't be read.
fn sum<T: Decode>(
    follower: &Follower,
    program: ProgramId,
    prefix: &[u8],
    amount: impl Fn(&[u8], T) -> Option<Amount>,
) -> Option<Amount> {
    let tree = follower.tree(program)?;
    let mut total = Amount::ZERO;
    for (key, value) in tree.iter_prefix(prefix) {
        if let Some(amount) = amount(key, T::from_bytes(value).ok()?) {
            total = total.checked_add(amount)?;
        }
    }
    Some(total)
}
