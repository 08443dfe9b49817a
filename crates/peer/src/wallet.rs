//! The wallet: finds one's outputs, builds transactions, knows what became of them (rows I3, K2).
//!
//! The wallet reads certified scan data only, so it believes no node. Each output that the view key finds is written to
//! the store together with the height it was found at; after a crash the scan goes on at the next height and finds
//! nothing twice. An output that a pending transaction spends is *held* until the transaction is final, rejected, or
//! its time is over, so that two payments made in a row never fight for one output, and a lost payment frees its money
//! by itself.
//!
//! Paying someone makes [`OUTPUTS_PER_PAYEE`] outputs of random amounts (where the sum allows), for the payee and for
//! the change alike, and inputs are picked at random, so amounts and ages tell an observer little (row K2).
//!
//! A wallet opened with the view key alone ([`Wallet::watch`]) sees all of this, also what is spent: an output's id
//! shows up among the inputs of a final transaction. It can build nothing ([`BuildError::ReadOnly`]). The same holds for
//! one that was restored from its seed phrase: what it paid before is found as [`Found::Spent`].

mod bearer;
mod build;
mod groups;
mod history;
mod merge;
mod proposal;
mod request;
mod select;

use std::collections::BTreeMap;

use byway_crypto::{Address, GhostKey, ViewSecret, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Batch, Space, Store, Time};
use byway_records::checkpoint::Height;
use byway_records::reject::Reject;
use byway_records::scan::{ScanData, ScanTransaction};
use byway_records::{Output, OutputId, TransactionId, Value};

pub use bearer::Bearer;
pub use build::{Authorise, BuildError, Grains, Payee, Recipient, RecipientError, Wish};
pub use byway_records::note::{NOTE_MAX, Note, NoteError};
pub use groups::GroupId;
pub use history::{Activity, Kind, Stage};
pub use merge::{MERGE_INPUTS_MAX, Mixing};
pub use proposal::{Proposal, ProposalError, Summary};
pub use request::{LINK_MAX, LinkError, PaymentRequest};

/// Outputs made for each payee and for the change.
pub const OUTPUTS_PER_PAYEE: usize = 3;

const OWNED: Space = Space("wallet-owned");
const PENDING: Space = Space("wallet-pending");
const HISTORY: Space = Space("wallet-history");
const META: Space = Space("wallet-meta");
const HEIGHT_KEY: &[u8] = b"height";

/// An unspent output of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub output: Output,
    /// R of the transaction that made it.
    pub ghost: GhostKey,
    pub height: Height,
    /// The group that it belongs to; `None` for what is this wallet's own.
    pub group: Option<GroupId>,
}

/// A transaction that we sent and whose fate is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub bytes: Vec<u8>,
    pub spends: Vec<OutputId>,
    pub expires: Time,
}

/// What became known by a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Someone paid us. One per asset.
    Received {
        transaction: TransactionId,
        value: Value,
    },
    /// A transaction that this wallet did not make spent outputs of ours: by this much more than came back. One per
    /// asset.
    Spent {
        transaction: TransactionId,
        value: Value,
    },
    Final(TransactionId),
    Rejected(TransactionId, Reject),
    /// Its time is over without a verdict.
    Lapsed(TransactionId),
}

/// Balances in one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Spendable now.
    pub free: Amount,
    /// In outputs that pending transactions spend.
    pub held: Amount,
}

/// What one transaction brought and took, per asset.
type Flows = BTreeMap<AssetId, Flow>;

#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    came: Amount,
    went: Amount,
}

pub struct Wallet {
    view: ViewSecret,
    /// `None` in a wallet that only watches.
    secret: Option<WalletSecret>,
    /// Own outputs, and those of groups.
    owned: BTreeMap<OutputId, Owned>,
    groups: groups::Groups,
    pending: BTreeMap<TransactionId, Pending>,
    history_next: u64,
    height: Height,
}

impl Wallet {
    /// Opens what the store holds; an empty store is a wallet that has scanned nothing.
    pub fn open(secret: WalletSecret, store: &dyn Store) -> Result<Self, DecodeError> {
        Self::with(secret.view_secret(), Some(secret), store)
    }

    /// Likewise, for whoever has the view key alone.
    pub fn watch(view: ViewSecret, store: &dyn Store) -> Result<Self, DecodeError> {
        Self::with(view, None, store)
    }

    fn with(view: ViewSecret, secret: Option<WalletSecret>, store: &dyn Store) -> Result<Self, DecodeError> {
        let owned = store.scan_prefix(OWNED, &[]).into_iter();
        let owned = owned.map(|(k, v)| Ok((OutputId::from_bytes(&k)?, Owned::from_bytes(&v)?)));
        let pending = store.scan_prefix(PENDING, &[]).into_iter();
        let pending = pending.map(|(k, v)| Ok((TransactionId::from_bytes(&k)?, Pending::from_bytes(&v)?)));
        let height = store.load(META, HEIGHT_KEY).map(|bytes| Height::from_bytes(&bytes)).transpose()?;
        let history_next = history::next_number(store);
        Ok(Self {
            view,
            secret,
            owned: owned.collect::<Result<_, DecodeError>>()?,
            groups: groups::load(store)?,
            pending: pending.collect::<Result<_, DecodeError>>()?,
            history_next,
            height: height.unwrap_or_default(),
        })
    }

    pub fn address(&self) -> Address {
        self.view.address()
    }

    /// What finds and reads this wallet's outputs, and can't spend them.
    pub fn view_secret(&self) -> &ViewSecret {
        &self.view
    }

    /// Whether this wallet has the view key alone.
    pub fn is_watching(&self) -> bool {
        self.secret.is_none()
    }

    /// The last checkpoint whose scan data was read.
    pub fn height(&self) -> Height {
        self.height
    }

    pub fn balance(&self, asset: AssetId) -> Balance {
        self.balances().get(&asset).copied().unwrap_or_default()
    }

    /// What there is of each asset, where there is any.
    pub fn balances(&self) -> BTreeMap<AssetId, Balance> {
        self.balances_of(None)
    }

    /// Likewise of a group.
    fn balances_of(&self, group: Option<GroupId>) -> BTreeMap<AssetId, Balance> {
        let held = self.held();
        let mut balances: BTreeMap<AssetId, Balance> = BTreeMap::new();
        for (id, owned) in self.owned.iter().filter(|(_, owned)| owned.group == group) {
            let balance = balances.entry(owned.output.value.asset).or_default();
            let side = if held.contains_key(id) { &mut balance.held } else { &mut balance.free };
            *side = side.checked_add(owned.output.value.amount).expect("the supply fits an Amount");
        }
        balances
    }

    /// Transactions to send again: a submission may have been lost with the node that took it.
    pub fn pending(&self) -> impl Iterator<Item = (TransactionId, &Pending)> {
        self.pending.iter().map(|(id, pending)| (*id, pending))
    }

    /// The last `limit` activities, newest first.
    pub fn history(&self, store: &dyn Store, limit: usize) -> Vec<Activity> {
        history::latest(store, self.history_next, limit)
    }

    /// Reads the genesis outputs, which no scan data holds.
    pub fn scan_genesis(&mut self, genesis: &byway_records::Genesis) -> (Batch, Vec<Found>) {
        let made = ScanTransaction {
            id: genesis.transaction(),
            ghost: Some(genesis.ghost),
            outputs: genesis.outputs.clone(),
            spent: Vec::new(),
        };
        let scan = ScanData { time: genesis.time, finals: vec![made], rejected: Vec::new() };
        self.scan(Height::GENESIS, &scan)
    }

    /// Reads the scan data of the checkpoint at `height`, once.
    pub fn scan(&mut self, height: Height, scan: &ScanData) -> (Batch, Vec<Found>) {
        let mut batch = Batch::new();
        let mut found = Vec::new();
        for made in &scan.finals {
            let mut flows = Flows::new();
            self.take_spent(&made.spent, &mut flows, &mut batch);
            self.take_made(height, made, &mut flows, &mut batch);
            self.take_for_groups(height, made, &mut batch);
            self.drop_beaten(made, scan.time, &mut batch, &mut found);
            if self.pending.contains_key(&made.id) {
                self.settle(made.id, Stage::Final, scan.time, &mut batch);
                found.push(Found::Final(made.id));
            } else {
                flows.iter().for_each(|(asset, flow)| found.extend(flow.news(made.id, *asset)));
            }
        }
        for (id, reason) in &scan.rejected {
            if self.pending.contains_key(id) {
                self.settle(*id, Stage::Rejected(*reason), scan.time, &mut batch);
                found.push(Found::Rejected(*id, *reason));
            }
        }
        let over = |pending: &Pending| pending.expires != Time::ZERO && scan.time > pending.expires;
        let lapsed: Vec<_> = self.pending.iter().filter(|(_, p)| over(p)).map(|(id, _)| *id).collect();
        for id in lapsed {
            self.settle(id, Stage::Rejected(Reject::Expired), scan.time, &mut batch);
            found.push(Found::Lapsed(id));
        }
        found.iter().for_each(|found| self.note_flow(scan.time, found, &mut batch));
        self.height = height;
        batch.put(META, HEIGHT_KEY, height.to_bytes());
        (batch, found)
    }

    /// Whatever else spends what this transaction has spent will never be final: the same wallet on another device was sooner,
    /// or somebody else who had the same invite.
    fn drop_beaten(&mut self, made: &ScanTransaction, time: Time, batch: &mut Batch, found: &mut Vec<Found>) {
        let spends_same = |pending: &Pending| pending.spends.iter().any(|id| made.spent.contains(id));
        let beaten = self.pending.iter().filter(|(id, pending)| **id != made.id && spends_same(pending));
        for id in beaten.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.settle(id, Stage::Rejected(Reject::UnknownInput), time, batch);
            found.push(Found::Rejected(id, Reject::UnknownInput));
        }
    }

    /// Removes spent outputs of ours and of our groups. What a group spends is not counted as going from us.
    fn take_spent(&mut self, spent: &[OutputId], flows: &mut Flows, batch: &mut Batch) {
        for id in spent {
            let Some(owned) = self.owned.remove(id) else { continue };
            batch.delete(OWNED, id.to_bytes());
            if owned.group.is_none() {
                let Value { asset, amount } = owned.output.value;
                let went = &mut flows.entry(asset).or_default().went;
                *went = went.checked_add(amount).expect("the supply fits an Amount");
            }
        }
    }

    /// Finds outputs of ours.
    fn take_made(&mut self, height: Height, made: &ScanTransaction, flows: &mut Flows, batch: &mut Batch) {
        let Some(ghost) = made.ghost else { return };
        for index in self.view.owned(ghost, single_keys(&made.outputs)).collect::<Vec<_>>() {
            let id = OutputId { transaction: made.id, index };
            let output = made.outputs[index as usize].clone();
            let Value { asset, amount } = output.value;
            let came = &mut flows.entry(asset).or_default().came;
            *came = came.checked_add(amount).expect("the supply fits an Amount");
            self.keep(id, Owned { output, ghost, height, group: None }, batch);
        }
    }

    fn keep(&mut self, id: OutputId, owned: Owned, batch: &mut Batch) {
        batch.put(OWNED, id.to_bytes(), owned.to_bytes());
        self.owned.insert(id, owned);
    }

    /// A pending transaction has met its fate.
    fn settle(&mut self, id: TransactionId, stage: Stage, time: Time, batch: &mut Batch) {
        self.pending.remove(&id);
        batch.delete(PENDING, id.to_bytes());
        let value = Value { asset: AssetId::WAY, amount: Amount::ZERO };
        self.note(Activity { time, transaction: id, kind: Kind::Verdict, value, stage }, batch);
    }

    /// Notes what came or went without a transaction of this wallet.
    fn note_flow(&mut self, time: Time, found: &Found, batch: &mut Batch) {
        let (transaction, value, kind) = match found {
            Found::Received { transaction, value } => (*transaction, *value, Kind::Received),
            Found::Spent { transaction, value } => (*transaction, *value, Kind::Spent),
            Found::Final(_) | Found::Rejected(..) | Found::Lapsed(_) => return,
        };
        self.note(Activity { time, transaction, kind, value, stage: Stage::Final }, batch);
    }

    fn note(&mut self, activity: Activity, batch: &mut Batch) {
        batch.put(HISTORY, self.history_next.to_be_bytes(), activity.to_bytes());
        self.history_next += 1;
    }

    /// Outputs that pending transactions spend.
    fn held(&self) -> BTreeMap<OutputId, TransactionId> {
        self.pending.iter().flat_map(|(id, p)| p.spends.iter().map(move |spent| (*spent, *id))).collect()
    }
}

impl Flow {
    /// What a transaction that is not ours did: it paid us, or whoever else has our key spent. Nothing is told of one
    /// that only turned our coins over.
    fn news(self, transaction: TransactionId, asset: AssetId) -> Option<Found> {
        let value = |amount| Value { asset, amount };
        if self.came > self.went {
            Some(Found::Received { transaction, value: value(self.came.saturating_sub(self.went)) })
        } else if self.went > self.came {
            Some(Found::Spent { transaction, value: value(self.went.saturating_sub(self.came)) })
        } else {
            None
        }
    }
}

/// Outputs that one key can spend, as (index, key, view tag). Those of groups have several.
fn single_keys(outputs: &[Output]) -> Vec<(u32, GhostKey, u8)> {
    let numbered = (0u32..).zip(outputs);
    numbered
        .filter_map(|(index, output)| match (output.lock.keys.as_slice(), output.view_tags.as_slice()) {
            ([key], [tag]) => Some((index, *key, *tag)),
            _ => None,
        })
        .collect()
}

impl Encode for Owned {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.output);
        out.value(&self.ghost);
        out.value(&self.height);
        out.option(self.group.as_ref());
    }
}

impl Decode for Owned {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { output: input.value()?, ghost: input.value()?, height: input.value()?, group: input.option()? })
    }
}

impl Encode for Pending {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.bytes);
        out.list(&self.spends);
        out.value(&self.expires);
    }
}

impl Decode for Pending {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            bytes: input.bytes(byway_records::transaction::TRANSACTION_BYTES_MAX)?.to_vec(),
            spends: input.list(byway_records::transaction::INPUTS_MAX)?,
            expires: input.value()?,
        })
    }
}

#[cfg(test)]
mod tests;
