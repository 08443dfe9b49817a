//! Recomputing the supply (row K10): what anyone with a kernel node's store can check.
//!
//! Outputs and program state are streamed from the store, without the running ledger. The store stands at the last
//! commit, the newest checkpoint some commits before it, so both are *rolled back*: the scan data since the checkpoint
//! says which outputs were made and spent, the undo records what entries were. What comes out must have the digests
//! that the stored head and the checkpoint name, and its sum must be what genesis put into the network; of any other
//! asset what its record says was issued.
//!
//! The caller makes sure that the checkpoint is certified.

use std::collections::BTreeMap;

use byway_crypto::multiset::MultisetHash;
use byway_primitives::{Amount, AssetId, Decode, Store};
use byway_records::scan::ScanData;
use byway_records::{Checkpoint, Genesis, Height, Output, OutputId, ProgramId, TransactionId};

use crate::difference::{ProgramRoot, state_root};
use crate::kept::{stored_transaction, stream_outputs};
use crate::open::stored_undo;
use crate::state::PROGRAMS;
use crate::stored::{Head, SCAN, STATE, pending_scan, scan_key, split_entry_key, stored_checkpoint, stream};
use crate::supply::{Supply, Unbalanced, Uncountable};
use crate::tree::StateTree;

/// Why an audit does not come out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error("no ledger of this network is stored here")]
    NoLedger,
    #[error("only the newest checkpoint, {newest}, can be audited")]
    NotNewest { newest: Height },
    #[error("the unspent outputs are not those that the ledger digested at its last commit")]
    Outputs,
    #[error("the program state is not what the ledger digested at its last commit")]
    State,
    #[error("the records since the checkpoint are damaged or missing")]
    Records,
    #[error("the unspent outputs are not those of the checkpoint")]
    CheckpointOutputs,
    #[error("the program state is not that of the checkpoint")]
    CheckpointState,
    #[error(transparent)]
    Uncountable(#[from] Uncountable),
    #[error("the sum of {asset} is {counted}, and {expected} was put into the network or issued")]
    Unbalanced { asset: AssetId, counted: Amount, expected: Amount, supply: Box<Supply> },
}

/// Counts everything that there is at the newest checkpoint.
pub fn audit(store: &dyn Store, genesis: &Genesis, checkpoint: &Checkpoint) -> Result<Supply, AuditError> {
    let head = Head::load(store).ok().flatten().filter(|head| head.network == genesis.network());
    let head = head.ok_or(AuditError::NoLedger)?;
    if head.height != checkpoint.height || stored_checkpoint(store, head.height).as_ref() != Some(checkpoint) {
        return Err(AuditError::NotNewest { newest: head.height });
    }
    let mut supply = Supply::default();
    audit_outputs(store, genesis, &head, checkpoint, &mut supply)?;
    audit_state(store, &head, checkpoint, &mut supply)?;
    match supply.check(genesis.supply().ok_or(Uncountable::Overflow)?) {
        Ok(()) => Ok(supply),
        Err(Unbalanced { asset, counted, expected }) => {
            let counted = counted.ok_or(Uncountable::Overflow)?;
            Err(AuditError::Unbalanced { asset, counted, expected, supply: Box::new(supply) })
        }
    }
}

fn audit_outputs(
    store: &dyn Store,
    genesis: &Genesis,
    head: &Head,
    checkpoint: &Checkpoint,
    supply: &mut Supply,
) -> Result<(), AuditError> {
    let mut uncountable = None;
    let sum = sum_of_outputs(store, |output| supply.count_output(output).map_err(|error| uncountable = Some(error)));
    let mut sum = sum.map_err(|()| uncountable.map_or(AuditError::Outputs, AuditError::Uncountable))?;
    if sum.digest() != head.outputs_digest {
        return Err(AuditError::Outputs);
    }
    let (since, _) = pending_scan(store, head.height.next()).ok_or(AuditError::Records)?;
    roll_back(store, genesis, &since, &mut sum, supply)?;
    if sum.digest() == checkpoint.outputs_digest { Ok(()) } else { Err(AuditError::CheckpointOutputs) }
}

/// The homomorphic sum of all stored outputs, each of which is also shown to `each`.
fn sum_of_outputs(store: &dyn Store, mut each: impl FnMut(&Output) -> Result<(), ()>) -> Result<MultisetHash, ()> {
    let mut sum = MultisetHash::new();
    stream_outputs(
        store,
        || (),
        |id, output| {
            sum.add(&output.set_element(id).0);
            each(output)
        },
    )?;
    Ok(sum)
}

/// Takes back what the transactions since the checkpoint made, and restores what they spent.
fn roll_back(
    store: &dyn Store,
    genesis: &Genesis,
    since: &ScanData,
    sum: &mut MultisetHash,
    supply: &mut Supply,
) -> Result<(), AuditError> {
    let mut made = BTreeMap::new();
    for transaction in &since.finals {
        for (index, output) in (0u32..).zip(&transaction.outputs) {
            made.insert(OutputId { transaction: transaction.id, index }, output);
        }
    }
    for id in since.finals.iter().flat_map(|transaction| &transaction.spent) {
        if made.remove(id).is_some() {
            continue;
        }
        let output = made_before(store, genesis, *id).ok_or(AuditError::Records)?;
        sum.add(&output.set_element(*id).0);
        supply.count_output(&output)?;
    }
    for (id, output) in made {
        sum.remove(&output.set_element(id).0);
        supply.discount_output(output)?;
    }
    Ok(())
}

/// An output of a transaction before the checkpoint, spent or not, from the scan data.
fn made_before(store: &dyn Store, genesis: &Genesis, id: OutputId) -> Option<Output> {
    let index = id.index as usize;
    if id.transaction == genesis.transaction() {
        return genesis.outputs.get(index).cloned();
    }
    let of = |transaction: TransactionId| {
        let record = stored_transaction(store, transaction)?;
        let scan = store.load(SCAN, &scan_key(record.height, record.commit))?;
        ScanData::from_bytes(&scan).ok()?.finals.into_iter().find(|tx| tx.id == transaction)
    };
    of(id.transaction)?.outputs.into_iter().nth(index)
}

fn audit_state(store: &dyn Store, head: &Head, checkpoint: &Checkpoint, supply: &mut Supply) -> Result<(), AuditError> {
    let mut trees: BTreeMap<ProgramId, StateTree> = PROGRAMS.map(|program| (program, StateTree::new())).into();
    stream(store, STATE, |key, value| {
        let (program, key) = split_entry_key(key).ok_or(AuditError::State)?;
        trees.get_mut(&program).ok_or(AuditError::State)?.insert(key.to_vec(), value.to_vec());
        Ok::<(), AuditError>(())
    })?;
    if root_of(&mut trees) != head.state_root {
        return Err(AuditError::State);
    }
    for ((program, key), before) in stored_undo(store).ok_or(AuditError::Records)? {
        trees.get_mut(&program).ok_or(AuditError::Records)?.set(key, before);
    }
    if root_of(&mut trees) != checkpoint.state_root {
        return Err(AuditError::CheckpointState);
    }
    for (program, tree) in &trees {
        tree.iter().try_for_each(|(key, value)| supply.count_entry(*program, key, value))?;
    }
    Ok(())
}

fn root_of(trees: &mut BTreeMap<ProgramId, StateTree>) -> byway_primitives::Hash {
    let roots: Vec<_> =
        trees.iter_mut().map(|(program, tree)| ProgramRoot { program: *program, root: tree.rehash() }).collect();
    state_root(&roots)
}
