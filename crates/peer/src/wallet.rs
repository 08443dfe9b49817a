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

mod build;
mod history;
mod select;

use std::collections::BTreeMap;

use byway_crypto::{Address, GhostKey, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Batch, Space, Store, Time};
use byway_records::checkpoint::Height;
use byway_records::reject::Reject;
use byway_records::scan::ScanData;
use byway_records::{Output, OutputId, TransactionId};

pub use build::{Authorise, BuildError, Payee, Wish};
pub use history::{Activity, Kind, Stage};

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
    Received {
        transaction: TransactionId,
        amount: Amount,
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

pub struct Wallet {
    secret: WalletSecret,
    owned: BTreeMap<OutputId, Owned>,
    pending: BTreeMap<TransactionId, Pending>,
    history_next: u64,
    height: Height,
}

impl Wallet {
    /// Opens what the store holds; an empty store is a wallet that has scanned nothing.
    pub fn open(secret: WalletSecret, store: &dyn Store) -> Result<Self, DecodeError> {
        let owned = store.scan_prefix(OWNED, &[]).into_iter();
        let owned = owned.map(|(k, v)| Ok((OutputId::from_bytes(&k)?, Owned::from_bytes(&v)?)));
        let pending = store.scan_prefix(PENDING, &[]).into_iter();
        let pending = pending.map(|(k, v)| Ok((TransactionId::from_bytes(&k)?, Pending::from_bytes(&v)?)));
        let height = store.load(META, HEIGHT_KEY).map(|bytes| Height::from_bytes(&bytes)).transpose()?;
        let history_next = history::next_number(store);
        Ok(Self {
            secret,
            owned: owned.collect::<Result<_, DecodeError>>()?,
            pending: pending.collect::<Result<_, DecodeError>>()?,
            history_next,
            height: height.unwrap_or_default(),
        })
    }

    pub fn address(&self) -> Address {
        self.secret.address()
    }

    /// The last checkpoint whose scan data was read.
    pub fn height(&self) -> Height {
        self.height
    }

    pub fn balance(&self, asset: AssetId) -> Balance {
        let held = self.held();
        let mut balance = Balance::default();
        for (id, owned) in self.owned.iter().filter(|(_, owned)| owned.output.value.asset == asset) {
            let side = if held.contains_key(id) { &mut balance.held } else { &mut balance.free };
            *side = side.checked_add(owned.output.value.amount).expect("the supply fits an Amount");
        }
        balance
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
        let made = byway_records::scan::ScanTransaction {
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
        let view = self.secret.view_secret();
        for made in &scan.finals {
            let ours = self.pending.contains_key(&made.id);
            let before: Amount = self.take_spent(&made.spent, &mut batch);
            let mut received = Amount::ZERO;
            if let Some(ghost) = made.ghost {
                let candidates = single_keys(&made.outputs);
                for index in view.owned(ghost, candidates) {
                    let id = OutputId { transaction: made.id, index };
                    let output = made.outputs[index as usize].clone();
                    received = received.checked_add(output.value.amount).unwrap_or(Amount::MAX);
                    let owned = Owned { output, ghost, height };
                    batch.put(OWNED, id.to_bytes(), owned.to_bytes());
                    self.owned.insert(id, owned);
                }
            }
            if ours {
                self.settle(made.id, Stage::Final, scan.time, &mut batch);
                found.push(Found::Final(made.id));
            } else if !received.is_zero() && before.is_zero() {
                self.note(Activity::received(scan.time, made.id, received), &mut batch);
                found.push(Found::Received { transaction: made.id, amount: received });
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
        self.height = height;
        batch.put(META, HEIGHT_KEY, height.to_bytes());
        (batch, found)
    }

    /// Removes spent outputs of ours and gives their sum.
    fn take_spent(&mut self, spent: &[OutputId], batch: &mut Batch) -> Amount {
        let mut sum = Amount::ZERO;
        for id in spent {
            if let Some(owned) = self.owned.remove(id) {
                sum = sum.checked_add(owned.output.value.amount).unwrap_or(Amount::MAX);
                batch.delete(OWNED, id.to_bytes());
            }
        }
        sum
    }

    /// A pending transaction has met its fate.
    fn settle(&mut self, id: TransactionId, stage: Stage, time: Time, batch: &mut Batch) {
        self.pending.remove(&id);
        batch.delete(PENDING, id.to_bytes());
        self.note(Activity { time, transaction: id, kind: Kind::Verdict, amount: Amount::ZERO, stage }, batch);
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

/// Outputs that one key can spend, as (index, key, view tag). Shared (m-of-n) outputs are not a single wallet's to count.
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
    }
}

impl Decode for Owned {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { output: input.value()?, ghost: input.value()?, height: input.value()? })
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
