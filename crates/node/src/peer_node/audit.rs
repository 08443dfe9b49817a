//! Recomputing the supply from what the kernel certifies, trusting none of its nodes.
//!
//! Everything is read anew from genesis: certified differences rebuild the programs' state, certified scan data the set of
//! unspent outputs. The state must give each certified root, and the set the certified digest, or the audit fails. So
//! what is summed up in the end is what q(n) kernel nodes signed, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byway_crypto::multiset::MultisetHash;
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Follower, PROGRAMS};
use byway_ledger::{Holdings, Supply};
use byway_primitives::{AssetId, MemoryStore};
use byway_records::asset::Symbol;
use byway_records::checkpoint::{Checkpoint, Height};
use byway_records::scan::ScanTransaction;
use byway_records::state::{AssetRecord, asset_key};
use byway_records::{Genesis, Output, OutputId, ProgramId};

use super::kernel_access::KernelAccess;
use crate::api::{ApiError, AssetAudit, Audit, AuditParts};

/// The unspent outputs, and the homomorphic hash of their set.
#[derive(Default)]
struct Outputs {
    unspent: BTreeMap<OutputId, Output>,
    sum: MultisetHash,
}

/// An output is spent that does not exist.
#[derive(Debug)]
struct Unknown;

/// Which member is asked: another one when one fails, and none again that lied.
struct Turn {
    members: Vec<u8>,
    /// Its place among them.
    current: usize,
    liars: BTreeSet<usize>,
    unanswered: usize,
}

/// Audits the ledger up to `until`. Each step is asked of another kernel node if one fails.
///
/// # Errors
/// `kernel_unreachable` when nobody answers, `ledger_unproved` when every member that answers sends steps that don't prove
/// themselves, `ledger_mismatch` when the outputs are not those that a certificate digests.
pub(super) async fn audit(kernel: &KernelAccess, genesis: Arc<Genesis>, until: Height) -> Result<Audit, ApiError> {
    let damaged = |_| ApiError::internal();
    let mut follower = Follower::open((*genesis).clone(), &PROGRAMS, &MemoryStore::new()).map_err(damaged)?;
    let mut outputs = Outputs::default();
    outputs
        .take(&ScanTransaction {
            id: genesis.transaction(),
            ghost: Some(genesis.ghost),
            outputs: genesis.outputs.clone(),
            spent: Vec::new(),
        })
        .map_err(|_| ApiError::internal())?;
    let mut turn = Turn::new(kernel.order());
    while follower.next_height() <= until {
        let request = Request::Follow { from: follower.next_height(), programs: PROGRAMS.to_vec() };
        let asked_for = follower.next_height();
        let steps = match kernel.ask(turn.member(), &request).await {
            Ok(Answer::Steps(steps)) if !steps.is_empty() => steps,
            _ => {
                turn.unanswered(asked_for)?;
                continue;
            }
        };
        let mut is_proved = true;
        for step in steps.into_iter().take_while(|step| step.certificate.checkpoint.height <= until) {
            let Ok(advance) = follower.advance(step) else {
                is_proved = false;
                break;
            };
            outputs.follow(&advance.scan.finals, &advance.checkpoint)?;
        }
        // Steps from beyond what was asked for bring nothing either.
        if !is_proved || follower.next_height() == asked_for {
            tracing::error!(member = turn.member(), height = asked_for.0, "a kernel node's step proves nothing");
            turn.lied(follower.next_height())?;
        }
    }
    sum_up(&follower, &outputs, &genesis)
}

impl Turn {
    fn new(members: Vec<u8>) -> Self {
        Self { members, current: 0, liars: BTreeSet::new(), unanswered: 0 }
    }

    fn member(&self) -> u8 {
        self.members.get(self.current).copied().unwrap_or_default()
    }

    /// The current member gave no step of `height`; each may fail twice.
    fn unanswered(&mut self, height: Height) -> Result<(), ApiError> {
        self.unanswered += 1;
        if self.unanswered > 2 * self.members.len() {
            let is_silent = self.liars.is_empty();
            return Err(if is_silent { ApiError::kernel_unreachable() } else { ApiError::ledger_unproved(height.0) });
        }
        self.pass_on(height)
    }

    /// The current member sent something for `height` that proves nothing.
    fn lied(&mut self, height: Height) -> Result<(), ApiError> {
        self.liars.insert(self.current);
        self.pass_on(height)
    }

    fn pass_on(&mut self, height: Height) -> Result<(), ApiError> {
        let count = self.members.len();
        let others = (1..=count).map(|step| (self.current + step) % count);
        let next = others.into_iter().find(|member| !self.liars.contains(member));
        self.current = next.ok_or_else(|| ApiError::ledger_unproved(height.0))?;
        Ok(())
    }
}

impl Outputs {
    /// Takes what became final up to a checkpoint, which must give the digest that is certified in it.
    fn follow(&mut self, finals: &[ScanTransaction], checkpoint: &Checkpoint) -> Result<(), ApiError> {
        let mismatch = |_| ApiError::ledger_mismatch(checkpoint.height.0);
        finals.iter().try_for_each(|transaction| self.take(transaction)).map_err(mismatch)?;
        if self.sum.digest() == checkpoint.outputs_digest { Ok(()) } else { Err(mismatch(Unknown)) }
    }

    fn take(&mut self, transaction: &ScanTransaction) -> Result<(), Unknown> {
        for id in &transaction.spent {
            let output = self.unspent.remove(id).ok_or(Unknown)?;
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
    let supply = count(follower, outputs).ok_or_else(ApiError::internal)?;
    let way = genesis.supply().ok_or_else(ApiError::internal)?;
    let Holdings { outputs, accounts, reservations, pledges, channels, pool } = supply.way();
    let parts = AuditParts { outputs, accounts, reservations, pledges, channels, pool };
    let (height, time) = follower.tip().map_or((Height::GENESIS, genesis.time), |tip| (tip.height, tip.time));
    let others = supply.rows(way).filter(|(asset, ..)| *asset != AssetId::WAY);
    let others = others.map(|(asset, holdings, supply)| AssetAudit {
        asset,
        symbol: symbol(follower, asset),
        supply,
        outputs: holdings.outputs,
        accounts: holdings.accounts,
        reservations: holdings.reservations,
        channels: holdings.channels,
        balanced: holdings.total() == Some(supply),
    });
    Ok(Audit::of(height, time, way, parts).with_assets(others.collect()))
}

/// Everything that outputs and programs hold; `None` on overflow or where an entry can't be read.
fn count(follower: &Follower, outputs: &Outputs) -> Option<Supply> {
    let mut supply = Supply::default();
    outputs.unspent.values().try_for_each(|output| supply.count_output(output)).ok()?;
    for program in PROGRAMS {
        let tree = follower.tree(program)?;
        tree.iter().try_for_each(|(key, value)| supply.count_entry(program, key, value)).ok()?;
    }
    Some(supply)
}

fn symbol(follower: &Follower, asset: AssetId) -> Option<Symbol> {
    let record: AssetRecord = follower.tree(ProgramId::ASSETS)?.read(&asset_key(asset))?;
    Some(record.terms.symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorKind;

    #[test]
    fn an_audit_ends_when_nobody_is_left_to_ask() {
        // `l`: the member asked lies, `-`: it does not answer; the rest is repeated for ever.
        for (members, beginning, rest, asked, expected) in [
            (4, "", 'l', 4, ErrorKind::LedgerUnproved),
            (1, "", 'l', 1, ErrorKind::LedgerUnproved),
            (4, "", '-', 9, ErrorKind::KernelUnreachable),
            (4, "l-l", '-', 11, ErrorKind::LedgerUnproved),
            (4, "-l-", 'l', 6, ErrorKind::LedgerUnproved),
        ] {
            let mut turn = Turn::new((0..members).collect());
            let course = beginning.chars().chain(std::iter::repeat(rest)).take(100);
            let mut failing = course.map(|what| match what {
                'l' => turn.lied(Height(7)),
                _ => turn.unanswered(Height(7)),
            });
            let found = failing.by_ref().zip(1..).find_map(|(result, count)| Some((result.err()?, count)));
            let (error, count) = found.unwrap();
            assert_eq!((error.kind, count), (expected, asked), "{members} members: {beginning}{rest}…");
        }
    }

    #[test]
    fn outputs_other_than_the_certified_ones_are_a_mismatch_at_that_height() {
        let spent =
            vec![OutputId { transaction: byway_records::TransactionId(byway_primitives::Hash([1; 32])), index: 0 }];
        let stranger = ScanTransaction { id: spent[0].transaction, ghost: None, outputs: Vec::new(), spent };
        assert!(Outputs::default().take(&stranger).is_err());
        let error = ApiError::ledger_mismatch(7);
        assert_eq!((error.kind, error.details["height"].as_u64()), (ErrorKind::LedgerMismatch, Some(7)));
    }
}
