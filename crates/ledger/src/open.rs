//! Reopening a ledger, and finding damage before anything is built on it.
//!
//! Everything that is in memory is rebuilt from its entries and its digests are compared with those that the last
//! commit stored. That reads the programs' state once, about 1 µs per entry, so damage to it is found at the start and not
//! in the middle of a settlement. Unspent outputs are not read: a node with ten million of them is to vote again within
//! seconds. Of them only the sum is opened; see [`kept`](crate::kept) for how damage to one is found.

use byway_crypto::multiset::MultisetHash;
use byway_primitives::Store;
use byway_records::scan::ScanData;
use byway_records::{Checkpoint, Genesis, Height};

use crate::content;
use crate::difference::state_root;
use crate::ledger::Ledger;
use crate::programs::system;
use crate::range::TransactionRange;
use crate::state::{Programs, Writes, undo_value};
use crate::stored::{
    Head, LEDGER, OUTPUTS_SUM_KEY, STATE, UNDO, pending_scan, split_entry_key, stored_changes, stored_checkpoint,
    stream,
};

/// What to do about any damage.
const REMEDY: &str = "remove this node's data folder (keep its keys) and let it catch up from the other nodes";

/// What is stored is not what the ledger wrote. Says which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerDamaged {
    #[error("the ledger's head record is damaged: {REMEDY}")]
    Head,
    #[error("the stored ledger is of another network: use another data folder, or the genesis file it was made with")]
    OtherNetwork,
    #[error("the sum of the ledger's unspent outputs is damaged: {REMEDY}")]
    Outputs,
    #[error("the ledger's program state is damaged: {REMEDY}")]
    State,
    #[error("the ledger's record of changes since the last checkpoint is damaged: {REMEDY}")]
    Undo,
    #[error("the ledger's list of final transactions is damaged: {REMEDY}")]
    Transactions,
    #[error("the ledger's scan data since the last checkpoint is damaged: {REMEDY}")]
    Scan,
    #[error("the ledger's checkpoint {0} is damaged: {REMEDY}")]
    Checkpoint(Height),
}

impl Ledger {
    /// The ledger as of the last stored commit; `None` where nothing is stored yet.
    pub fn open(genesis: &Genesis, store: &dyn Store) -> Result<Option<Ledger>, LedgerDamaged> {
        let Some(head) = Head::load(store).map_err(|_| LedgerDamaged::Head)? else { return Ok(None) };
        if head.network != genesis.network() {
            return Err(LedgerDamaged::OtherNetwork);
        }
        let last = open_checkpoint(&head, store)?;
        let range = TransactionRange::load(head.transactions, store).ok_or(LedgerDamaged::Transactions)?;
        if range.root() != head.transactions_root {
            return Err(LedgerDamaged::Transactions);
        }
        let programs = open_programs(&head, last.as_ref(), genesis, store)?;
        let epoch = system::epoch(&programs.view()).ok_or(LedgerDamaged::State)?;
        let pending = open_scan(&head, store)?;
        let ledger = Ledger {
            epoch,
            network: head.network,
            parameters: genesis.parameters.clone(),
            members_min: genesis.members_min(),
            commits: head.commits,
            time: head.time,
            programs,
            state_root: head.state_root,
            outputs: open_outputs(&head, store)?,
            outputs_digest: head.outputs_digest,
            pending_bytes: content::of_scan(&pending),
            pending,
            pending_digest: head.pending,
            range,
            last,
            content_since: head.content_since,
        };
        Ok(Some(ledger))
    }
}

fn open_checkpoint(head: &Head, store: &dyn Store) -> Result<Option<Checkpoint>, LedgerDamaged> {
    if head.height == Height::GENESIS {
        return Ok(None);
    }
    let checkpoint = stored_checkpoint(store, head.height);
    let checkpoint = checkpoint.filter(|checkpoint| checkpoint.digest() == head.checkpoint);
    checkpoint.map(Some).ok_or(LedgerDamaged::Checkpoint(head.height))
}

fn open_outputs(head: &Head, store: &dyn Store) -> Result<MultisetHash, LedgerDamaged> {
    let stored = store.load(LEDGER, OUTPUTS_SUM_KEY).and_then(|bytes| MultisetHash::from_bytes(&bytes));
    stored.filter(|sum| sum.digest() == head.outputs_digest).ok_or(LedgerDamaged::Outputs)
}

fn open_programs(
    head: &Head,
    last: Option<&Checkpoint>,
    genesis: &Genesis,
    store: &dyn Store,
) -> Result<Programs, LedgerDamaged> {
    let mut programs = Programs::new();
    stream(store, STATE, |key, value| {
        let (program, key) = split_entry_key(key).ok_or(LedgerDamaged::State)?;
        programs.restore(program, key.to_vec(), value.to_vec()).ok_or(LedgerDamaged::State)
    })?;
    if state_root(&programs.rehash()) != head.state_root {
        return Err(LedgerDamaged::State);
    }
    let checkpointed = match last {
        None => Ledger::genesis(genesis).0.programs.checkpointed().roots(),
        Some(checkpoint) => {
            let changes = stored_changes(store, checkpoint.height);
            let changes = changes.filter(|changes| changes.state_root() == checkpoint.state_root);
            changes.ok_or(LedgerDamaged::Checkpoint(checkpoint.height))?.roots()
        }
    };
    let before = stored_undo(store).ok_or(LedgerDamaged::Undo)?;
    programs.restore_checkpoint(before, checkpointed).ok_or(LedgerDamaged::Undo)?;
    Ok(programs)
}

/// What entries that changed since the last checkpoint were there; `None` where a record is damaged.
pub(crate) fn stored_undo(store: &dyn Store) -> Option<Writes> {
    let mut before = Writes::new();
    let read = stream(store, UNDO, |key, value| {
        let (program, key) = split_entry_key(key).ok_or(())?;
        before.insert((program, key.to_vec()), undo_value(value).ok_or(())?);
        Ok::<(), ()>(())
    });
    read.ok().map(|()| before)
}

fn open_scan(head: &Head, store: &dyn Store) -> Result<ScanData, LedgerDamaged> {
    let (scan, digest) = pending_scan(store, head.height.next()).ok_or(LedgerDamaged::Scan)?;
    if digest == head.pending { Ok(scan) } else { Err(LedgerDamaged::Scan) }
}
