//! The ledger's state and what can be asked of it.

use byway_crypto::multiset::MultisetHash;
use byway_crypto::threshold::KeyRecord;
use byway_crypto::threshold::ceremony::{Ceremony, CeremonyHead};
use byway_primitives::{Batch, Hash, NetworkId, Space, Store, Time};
use byway_records::genesis::genesis_transaction;
use byway_records::scan::ScanData;
use byway_records::state;
use byway_records::{
    Checkpoint, Epoch, Genesis, Height, Output, OutputId, Parameters, ProgramId, Reject, Roll, TransactionId,
    VerifiedTransaction,
};

use crate::difference::StateChanges;
use crate::execute::put_outputs_sum;
use crate::judge::check_money;
use crate::kept::{Kept, stored_origin, stored_output, stored_transaction, stream_outputs};
use crate::programs::{assets, kernel_nodes, system};
use crate::range::TransactionRange;
use crate::state::{PROGRAMS, Programs};
use crate::supply::{Supply, Uncountable};
use crate::tree::StateTree;

/// One commit of the kernel: transactions in their final order.
#[derive(Debug, Clone)]
pub struct Commit<'a> {
    /// Counted from 1, without gaps.
    pub index: u64,
    /// Never before the time of the commit before.
    pub time: Time,
    /// Those that a checkpoint has no room for are not executed: they are the next commit's.
    pub transactions: Vec<&'a VerifiedTransaction>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Final,
    Rejected(Reject),
    /// It had its verdict before; silently dropped.
    Repeated,
}

/// What is known of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coin {
    /// Nothing: what would make it has no verdict yet, or was rejected.
    Unknown,
    /// What made it is final, and it is not there any more.
    Spent,
    /// It can be spent. `height` is that of the checkpoint that covers, or will cover, what made it.
    Unspent { output: Output, height: Height },
}

/// What executing a commit gives.
#[derive(Debug, Clone)]
pub struct Executed {
    /// One per transaction, in order: of all, or of the first ones where the checkpoint was full before the last.
    pub verdicts: Vec<(TransactionId, Verdict)>,
    /// Everything that the ledger needs to reopen at exactly this commit.
    pub batch: Batch,
    pub checkpoint: Option<NewCheckpoint>,
}

/// A checkpoint at the end of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckpoint {
    pub checkpoint: Checkpoint,
    /// What wallets read of it; its root is in the checkpoint.
    pub scan: ScanData,
    /// The programs' entries that changed since the checkpoint before; they lead to its state root.
    pub changes: StateChanges,
    /// The epoch that begins after this commit, where it is another than before.
    pub epoch: Option<Epoch>,
}

/// The deterministic state machine.
///
/// In memory: the programs' entries, the peaks of the transaction range, the sum of unspent outputs, and what happened
/// since the last checkpoint. In the store: all of that, and the outputs and verdicts, which are read there.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) network: NetworkId,
    pub(crate) parameters: Parameters,
    /// The fewest kernel nodes that may count.
    pub(crate) members_min: usize,
    /// Who makes and signs commits and checkpoints from here on.
    pub(crate) epoch: Epoch,
    pub(crate) commits: u64,
    pub(crate) time: Time,
    pub(crate) programs: Programs,
    pub(crate) state_root: Hash,
    pub(crate) outputs: MultisetHash,
    pub(crate) outputs_digest: Hash,
    pub(crate) range: TransactionRange,
    pub(crate) last: Option<Checkpoint>,
    /// Time of the first commit whose content no checkpoint covers.
    pub(crate) content_since: Option<Time>,
    /// Scan data since the last checkpoint.
    pub(crate) pending: ScanData,
    /// How much that is.
    pub(crate) pending_bytes: u64,
    pub(crate) pending_digest: Hash,
}

impl Ledger {
    /// The ledger that a network starts with, and what to store of it. The checkpoint of height 0 is implicit: the
    /// first one names the genesis as its predecessor.
    pub fn genesis(genesis: &Genesis) -> (Ledger, Batch) {
        let (mut batch, mut outputs) = (Batch::new(), MultisetHash::new());
        let mut set = Kept::new(&NOTHING);
        let transaction = genesis.transaction();
        for (index, output) in (0u32..).zip(&genesis.outputs) {
            set.make(OutputId { transaction, index }, output);
        }
        set.finish(&mut outputs, &mut batch);
        put_outputs_sum(&outputs, &mut batch);
        let mut programs = Programs::new();
        let mut view = programs.view();
        system::found(&mut view, genesis);
        assets::found(&mut view, genesis);
        kernel_nodes::found(&mut view, genesis);
        let writes = view.into_writes();
        programs.apply(writes);
        let state_root = programs.finish_commit(&mut batch);
        // The genesis is height 0, whose changes no follower needs: it computes them from the genesis itself.
        programs.take_changes(&mut Batch::new());
        let ledger = Ledger {
            network: genesis.network(),
            parameters: genesis.parameters.clone(),
            members_min: genesis.members_min(),
            epoch: genesis.epoch(),
            commits: 0,
            time: genesis.time,
            programs,
            state_root,
            outputs_digest: outputs.digest(),
            outputs,
            range: TransactionRange::new(),
            last: None,
            content_since: None,
            pending: ScanData::default(),
            pending_bytes: 0,
            pending_digest: Hash::ZERO,
        };
        ledger.head().write(&mut batch);
        (ledger, batch)
    }

    /// How many commits were executed.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The time of the last commit; of the genesis before the first.
    pub fn time(&self) -> Time {
        self.time
    }

    pub fn last_checkpoint(&self) -> Option<&Checkpoint> {
        self.last.as_ref()
    }

    /// The epoch in force: whose members make the next commit and sign the next checkpoint.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How far the members in force are with the key of their coin; `None` where leaders take turns for good.
    pub fn ceremony_head(&self) -> Option<CeremonyHead> {
        self.programs.tree(ProgramId::KERNEL)?.read(&state::ceremony_key())
    }

    /// The same with all dealings.
    pub fn ceremony(&self) -> Option<Ceremony> {
        let (tree, head) = (self.programs.tree(ProgramId::KERNEL)?, self.ceremony_head()?);
        let dealings = head.members().filter_map(|seat| Some((seat, tree.read(&state::dealing_key(seat))?))).collect();
        Some(Ceremony::resume(head, dealings))
    }

    /// The key of the coin by which the epoch in force names its leaders, if it has one.
    pub fn coin_key(&self) -> Option<KeyRecord> {
        let roll: Roll = self.programs.tree(ProgramId::KERNEL)?.read(&state::roll_key(self.epoch.number))?;
        roll.coin
    }

    /// Whether a transaction got a verdict that no checkpoint covers yet. The kernel goes on pacing until one does.
    pub fn has_unchecked_content(&self) -> bool {
        self.content_since.is_some()
    }

    /// The ledger time from which on the next commit makes a checkpoint because of content.
    pub fn checkpoint_due_at(&self) -> Option<Time> {
        self.content_since.map(|since| since + self.parameters.checkpoint_delay)
    }

    /// A program's entries as of the last commit; `None` for a program that there isn't.
    pub fn tree(&self, program: ProgramId) -> Option<&StateTree> {
        self.programs.tree(program)
    }

    /// The digest over all programs' roots as of the last commit.
    pub fn state_root(&self) -> Hash {
        self.state_root
    }

    /// The digest of all unspent outputs as of the last commit.
    pub fn outputs_digest(&self) -> Hash {
        self.outputs_digest
    }

    /// The range of all final transactions as of the last commit.
    pub fn transactions(&self) -> &TransactionRange {
        &self.range
    }

    /// The output, if it exists and is not spent.
    pub fn output(&self, store: &dyn Store, id: OutputId) -> Option<Output> {
        stored_output(store, id)
    }

    /// What the store shows of an output.
    pub fn coin(&self, store: &dyn Store, id: OutputId) -> Coin {
        let (unspent, record) = stored_origin(store, id);
        // The genesis is final without a verdict.
        let is_made = || match record {
            Some(record) => record.verdict() == Verdict::Final,
            None => id.transaction == genesis_transaction(self.network),
        };
        match unspent {
            Some(output) => Coin::Unspent { output, height: record.map_or(Height::GENESIS, |record| record.height) },
            None if is_made() => Coin::Spent,
            None => Coin::Unknown,
        }
    }

    /// Why a transaction whose inputs are these unspent outputs would be rejected as things stand, whatever its call does.
    pub fn check_money(&self, transaction: &VerifiedTransaction, spent: &[&Output]) -> Result<(), Reject> {
        check_money(transaction, spent, self.time, &self.parameters)
    }

    /// Whether this can never be spent again as far as the store shows.
    pub fn is_spent(&self, store: &dyn Store, id: OutputId) -> bool {
        self.coin(store, id) == Coin::Spent
    }

    /// The verdict on a transaction, if it has one: final or rejected.
    pub fn verdict(&self, store: &dyn Store, id: TransactionId) -> Option<Verdict> {
        stored_transaction(store, id).map(|record| record.verdict())
    }

    /// How much there is of each asset, and where. Reads every output.
    pub fn supply(&self, store: &dyn Store) -> Supply {
        let count = || {
            let mut supply = Supply::default();
            stream_outputs(store, || Uncountable::Output, |_, output| supply.count_output(output))?;
            for program in PROGRAMS {
                let tree = self.programs.tree(program).expect("every program has a tree");
                tree.iter().try_for_each(|(key, value)| supply.count_entry(program, key, value))?;
            }
            Ok::<_, Uncountable>(supply)
        };
        count().expect("entries are as the ledger wrote them, which opening it checked")
    }
}

/// The store of a ledger that has not begun.
struct Nothing;
static NOTHING: Nothing = Nothing;

impl Store for Nothing {
    fn load(&self, _: Space, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn scan(&self, _: Space, _: &[u8], _: usize) -> Vec<byway_primitives::store::Entry> {
        Vec::new()
    }
}
