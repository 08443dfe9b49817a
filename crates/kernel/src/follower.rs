//! Following the ledger without executing it and without trusting anyone.
//!
//! A [`Follower`] holds the last certified checkpoint and a copy of the state of the programs it cares about. A kernel
//! node, any of them, gives it [`Step`]s; each proves itself:
//!
//! 1. the certificate has q(n) good signatures of the members of the epoch in force and is for the next height;
//! 2. it names the last checkpoint's digest as its predecessor, so there is one chain;
//! 3. each difference, applied to the local copy, gives the certified state root;
//! 4. the scan data digests to the certified scan root;
//! 5. the epoch that the checkpoint names is the one in force, or stands in the difference of program `system`. From
//!    then on its members sign.
//!
//! A step that fails any of these is a [`Lie`]: nothing of it is kept, and [`client`] asks another node from then on. A
//! node that withholds is merely slow: after every empty answer another one is asked.
//!
//! What a follower spends does not grow with the kernel's traffic, but for the scan data, which is linear in transfers.
//!
//! [`protocol`] has the messages, [`serve`] the kernel node's side; [`explore`] is for whoever only wants to look.

pub mod client;
pub mod directory;
pub mod explore;
pub mod membership;
pub mod protocol;
pub mod refusal;
pub mod serve;

use std::collections::{BTreeMap, BTreeSet};

use byway_ledger::tree::StateTree;
use byway_ledger::{DifferenceError, Ledger};
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, DecodeError, Hash, NetworkId, Reader, Space, Store, Writer};
use byway_records::checkpoint::{CertificateError, Checkpoint, Height};
use byway_records::scan::ScanData;
use byway_records::state::epoch_key;
use byway_records::{Epoch, Genesis, ProgramId};

pub use client::{Client, ClientConfig, ClientNews, Stop};
pub use membership::Membership;
pub use protocol::{Answer, Request, Step};
pub use refusal::Refusal;

const TIP: Space = Space("follower-tip");
const ENTRIES: Space = Space("follower-entries");
/// Epochs that are over, by the height of the checkpoint that closed them.
const PAST_EPOCHS: Space = Space("follower-epochs");
const TIP_KEY: &[u8] = b"tip";
const STORED_TIP: Context = Context("byway 1 follower: stored tip");

/// The programs that a market participant follows: all that exist so far.
pub const PROGRAMS: [ProgramId; 9] = [
    ProgramId::SYSTEM,
    ProgramId::REGISTRY,
    ProgramId::OFFERS,
    ProgramId::ACCOUNTS,
    ProgramId::ASSETS,
    ProgramId::KERNEL,
    ProgramId::CHANNELS,
    ProgramId::HOLDERS,
    ProgramId::NAMES,
];

/// Entries of a program by key; `None` where there is none.
type Entries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A certified view of the ledger.
#[derive(Debug, Clone)]
pub struct Follower {
    network: NetworkId,
    genesis: Genesis,
    /// Whose members sign the next checkpoint.
    epoch: Epoch,
    tip: Option<Checkpoint>,
    trees: BTreeMap<ProgramId, StateTree>,
}

/// A verified step, to be acted on.
#[derive(Debug, Clone)]
pub struct Advance {
    /// To be persisted with whatever the reader of this step writes.
    pub batch: Batch,
    pub checkpoint: Checkpoint,
    /// Who signed it.
    pub signers: Vec<u8>,
    /// Keys that changed, per program.
    pub changed: Vec<(ProgramId, Vec<Vec<u8>>)>,
    pub scan: ScanData,
    /// Whether other members sign from here on, or the same ones under other terms.
    pub epoch_turned: bool,
}

/// Why a step is not true. Whoever sent it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    #[error("checkpoint {got} was sent where {expected} comes next")]
    Height { expected: Height, got: Height },
    #[error("the checkpoint does not follow the one before it")]
    Chain,
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    #[error("a followed program is missing, or one is there that was not asked for")]
    Programs,
    #[error("program {program:?}: {error}")]
    Difference { program: ProgramId, error: DifferenceError },
    #[error("the scan data is not the certified one")]
    Scan,
    #[error("the next epoch is missing, or is not the certified one")]
    Epoch,
}

/// What is stored does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowerDamaged {
    #[error("the stored checkpoint is damaged; put the node's folder back from a backup")]
    Tip,
    #[error(
        "the stored copy of the ledger's programs does not match its checkpoint; put the node's folder back from a backup"
    )]
    State,
}

impl Follower {
    /// Opens what the store holds, or starts at genesis. The copies are checked against the stored checkpoint. Program
    /// `system` is followed in any case: it says who signs.
    pub fn open(genesis: Genesis, programs: &[ProgramId], store: &dyn Store) -> Result<Self, FollowerDamaged> {
        let network = genesis.network();
        let programs: BTreeSet<ProgramId> = programs.iter().copied().chain([ProgramId::SYSTEM]).collect();
        let tip = store.load(TIP, TIP_KEY).map(|bytes| StoredTip::read(network, &bytes)).transpose()?;
        let Some(tip) = tip else {
            let (ledger, _) = Ledger::genesis(&genesis);
            let tree = |program: &ProgramId| ledger.tree(*program).cloned().unwrap_or_default();
            let trees = programs.iter().map(|program| (*program, tree(program))).collect();
            return Ok(Self { network, epoch: genesis.epoch(), genesis, tip: None, trees });
        };
        let mut trees = BTreeMap::new();
        for program in programs {
            let prefix = program.0.to_be_bytes();
            let mut tree = StateTree::new();
            for (key, value) in store.scan_prefix(ENTRIES, &prefix) {
                tree.insert(key[prefix.len()..].to_vec(), value);
            }
            if tip.roots.get(&program) != Some(&tree.rehash()) {
                return Err(FollowerDamaged::State);
            }
            trees.insert(program, tree);
        }
        let epoch = trees[&ProgramId::SYSTEM].value(&epoch_key()).and_then(|bytes| Epoch::from_bytes(bytes).ok());
        let epoch = epoch.filter(|epoch| epoch.digest() == tip.checkpoint.epoch_next).ok_or(FollowerDamaged::State)?;
        Ok(Self { network, genesis, epoch, tip: Some(tip.checkpoint), trees })
    }

    pub fn network(&self) -> NetworkId {
        self.network
    }

    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The epoch in force after the tip: whose members sign the next checkpoint.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The epoch whose members certify the checkpoint of a height; `None` where its record is damaged. `store` shows what
    /// this follower had written.
    pub fn epoch_at(&self, height: Height, store: &dyn Store) -> Option<Epoch> {
        match store.scan(PAST_EPOCHS, &height.0.to_be_bytes(), 1).pop() {
            Some((_, record)) => Epoch::from_bytes(&record).ok(),
            None => Some(self.epoch.clone()),
        }
    }

    /// The last certified checkpoint; `None` at genesis.
    pub fn tip(&self) -> Option<&Checkpoint> {
        self.tip.as_ref()
    }

    /// The height that comes next.
    pub fn next_height(&self) -> Height {
        self.tip.map_or(Height::GENESIS, |tip| tip.height).next()
    }

    /// The state of a followed program at the tip.
    pub fn tree(&self, program: ProgramId) -> Option<&StateTree> {
        self.trees.get(&program)
    }

    pub fn programs(&self) -> impl Iterator<Item = ProgramId> {
        self.trees.keys().copied()
    }

    /// Takes the next step, if it is true.
    pub fn advance(&mut self, step: Step) -> Result<Advance, Lie> {
        let checkpoint = step.certificate.checkpoint;
        let expected = self.next_height();
        if checkpoint.height != expected {
            return Err(Lie::Height { expected, got: checkpoint.height });
        }
        let previous = self.tip.map_or(self.network.0, |tip| tip.digest());
        if checkpoint.previous != previous {
            return Err(Lie::Chain);
        }
        step.certificate.verify(self.network, &self.epoch.seats)?;
        if step.scan.root() != checkpoint.scan_root {
            return Err(Lie::Scan);
        }
        if !step.differences.iter().map(|d| d.program).eq(self.trees.keys().copied()) {
            return Err(Lie::Programs);
        }
        let epoch = self.epoch_after(&step)?;
        let fresh = self.tip.is_none();
        self.apply_differences(&step, checkpoint.state_root)?;
        let closed = epoch.map(|epoch| std::mem::replace(&mut self.epoch, epoch));
        let epoch_turned = closed.is_some();
        self.tip = Some(checkpoint);
        let mut batch = if fresh { self.write_all() } else { self.write_changes(&step) };
        if let Some(closed) = closed {
            batch.put(PAST_EPOCHS, checkpoint.height.0.to_be_bytes(), closed.to_bytes());
        }
        let signers = step.certificate.signatures.iter().map(|(member, _)| *member).collect();
        let changed = step
            .differences
            .into_iter()
            .map(|difference| (difference.program, difference.entries.into_iter().map(|change| change.key).collect()));
        Ok(Advance { batch, checkpoint, signers, changed: changed.collect(), scan: step.scan, epoch_turned })
    }

    /// The epoch that begins after this step, where it is another than the one in force.
    pub(crate) fn epoch_after(&self, step: &Step) -> Result<Option<Epoch>, Lie> {
        let named = step.certificate.checkpoint.epoch_next;
        if named == self.epoch.digest() {
            return Ok(None);
        }
        let system = step.differences.iter().find(|difference| difference.program == ProgramId::SYSTEM);
        let entry = system.and_then(|system| system.entries.iter().find(|change| change.key == epoch_key()));
        let epoch = entry.and_then(|change| Epoch::from_bytes(change.value.as_deref()?).ok());
        epoch.filter(|epoch| epoch.digest() == named).map(Some).ok_or(Lie::Epoch)
    }

    /// Applies all differences, or none.
    fn apply_differences(&mut self, step: &Step, state_root: Hash) -> Result<(), Lie> {
        let mut applied: Vec<(ProgramId, Entries)> = Vec::new();
        for difference in &step.differences {
            let program = difference.program;
            let tree = self.trees.get_mut(&program).expect("the programs were compared above");
            let before = difference
                .entries
                .iter()
                .map(|change| (change.key.clone(), tree.value(&change.key).map(<[u8]>::to_vec)));
            let before = before.collect();
            if let Err(error) = difference.apply(tree, state_root) {
                for (program, entries) in applied {
                    let tree = self.trees.get_mut(&program).expect("it was applied to");
                    for (key, value) in entries {
                        tree.set(key, value);
                    }
                    tree.rehash();
                }
                return Err(Lie::Difference { program, error });
            }
            applied.push((program, before));
        }
        Ok(())
    }

    /// Everything, at the first step: genesis entries are in no difference.
    fn write_all(&self) -> Batch {
        let mut batch = Batch::new();
        for (program, tree) in &self.trees {
            for (key, value) in tree.iter() {
                batch.put(ENTRIES, entry_key(*program, key), value);
            }
        }
        self.write_tip(&mut batch);
        batch
    }

    fn write_changes(&self, step: &Step) -> Batch {
        let mut batch = Batch::new();
        for difference in &step.differences {
            for change in &difference.entries {
                let key = entry_key(difference.program, &change.key);
                match &change.value {
                    Some(value) => batch.put(ENTRIES, key, value.clone()),
                    None => batch.delete(ENTRIES, key),
                }
            }
        }
        self.write_tip(&mut batch);
        batch
    }

    fn write_tip(&self, batch: &mut Batch) {
        let checkpoint = self.tip.expect("a tip was just set");
        let roots = self.trees.iter().map(|(program, tree)| (*program, tree.root())).collect();
        batch.put(TIP, TIP_KEY, StoredTip { checkpoint, roots }.write(self.network));
    }
}

fn entry_key(program: ProgramId, key: &[u8]) -> Vec<u8> {
    [&program.0.to_be_bytes()[..], key].concat()
}

/// The tip as stored: with the roots of the copies and a digest of all of it, so that damage shows on opening and is not
/// taken for the lies of every kernel node. The digest is of the network too, so that a store of another one shows.
struct StoredTip {
    checkpoint: Checkpoint,
    roots: BTreeMap<ProgramId, Hash>,
}

impl StoredTip {
    fn write(&self, network: NetworkId) -> Vec<u8> {
        let bytes = self.to_bytes();
        [&STORED_TIP.hash(&[&network.0.0, &bytes]).0[..], &bytes].concat()
    }

    fn read(network: NetworkId, bytes: &[u8]) -> Result<Self, FollowerDamaged> {
        let (digest, bytes) = bytes.split_first_chunk::<32>().ok_or(FollowerDamaged::Tip)?;
        if STORED_TIP.hash(&[&network.0.0, bytes]).0 != *digest {
            return Err(FollowerDamaged::Tip);
        }
        Self::from_bytes(bytes).map_err(|_| FollowerDamaged::Tip)
    }
}

impl Encode for StoredTip {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.checkpoint);
        out.varint(self.roots.len() as u64);
        for (program, root) in &self.roots {
            out.value(program);
            out.value(root);
        }
    }
}

impl Decode for StoredTip {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let checkpoint = input.value()?;
        let count = input.u64()?;
        if count > protocol::PROGRAMS_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: protocol::PROGRAMS_MAX as u64 });
        }
        let roots = (0..count).map(|_| Ok((input.value()?, input.value()?)));
        Ok(Self { checkpoint, roots: roots.collect::<Result<_, DecodeError>>()? })
    }
}
