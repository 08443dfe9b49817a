//! Names of this node's identity in the ledger's directory: taken, kept, given away (program `names`).
//!
//! A name is taken in two steps, so that nobody who sees it can be first: a commitment, and once a checkpoint covers that, the name.
//! What both are made of is written down before the first of them leaves; so a node that stops in between goes on where it was.
//! Where each name stands is read from the directory that every node follows, and so proved; from a transaction only that it
//! came to nothing.

use std::collections::BTreeMap;

use byway_driver::entropy;
use byway_peer::wallet::Wish;
use byway_primitives::{Batch, Hash, IdentityId, Space, Store, Time};
use byway_records::call::{Call, NamesCall};
use byway_records::names::{
    self, COMMITMENTS_MAX, Commitment, Name, NameEntry, NameKey, YEARS_MAX, Years, commitment, commitment_key,
    name_key, primary_key,
};
use byway_records::state::LedgerClock;
use byway_records::tree::StateTree;
use byway_records::{ProgramId, TransactionId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Actor;
use super::books::Order;
use super::history::Note;
use super::once::Once;
use crate::api::{
    Answer, ApiError, Entry, NameList, NamePrimary, NameRegister, NameRelease, NameRenew, NameShown, NameStage,
    NameStanding, NameTransfer, NameWanted, Stage as EntryStage,
};

const WANTED: Space = Space("names-wanted");
/// Names whose registration failed, kept for showing.
const FAILED_MAX: usize = 16;

/// The names that this node is about to take, by what they look like.
#[derive(Debug, Default)]
pub(super) struct Naming(BTreeMap<NameKey, Record>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    years: u8,
    /// In hex. Whoever knows it could find the name in the commitment.
    salt: String,
    began: Time,
    stage: Stage,
    /// The newest transaction of it.
    newest: TransactionId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Committing,
    Committed,
    Revealing,
    /// It is ours, and an older commitment may still be open.
    Taken,
    Failed(String),
}

/// What became of a transaction, as far as the wallet knows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Open,
    Final,
    Rejected(String),
    Lapsed,
}

/// What is to be done about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Stay,
    Be(Stage),
    Reveal,
    /// It is settled, and there is nothing more to do.
    Done,
}

/// The directory as it was followed to.
struct Directory<'a> {
    tree: &'a StateTree,
    now: LedgerClock,
}

impl Directory<'_> {
    /// What is taken of this name and those that look like it.
    fn taken(&self, key: NameKey) -> Option<NameEntry> {
        let entry: NameEntry = self.tree.read(&name_key(key))?;
        (!entry.free.passed(self.now.time, self.now.commits)).then_some(entry)
    }

    fn open(&self, identity: IdentityId, hash: Hash) -> Option<Commitment> {
        let open = (0..COMMITMENTS_MAX).filter_map(|place| self.tree.read(&commitment_key(identity, place)));
        let is_open = |open: &Commitment| !open.ends.passed(self.now.time, self.now.commits);
        open.filter(is_open).find(|open| open.hash == hash)
    }

    fn is_primary(&self, entry: &NameEntry) -> bool {
        self.tree.read::<NameKey>(&primary_key(entry.owner)) == Some(entry.name.key())
    }

    fn standing(&self, entry: &NameEntry) -> NameStanding {
        match (entry.is_settled(self.now), entry.is_in_use(self.now)) {
            (false, _) => NameStanding::Contested,
            (true, true) => NameStanding::InUse,
            (true, false) => NameStanding::InGrace,
        }
    }
}

impl Record {
    fn name(&self) -> Option<Name> {
        Name::exact(&self.name).ok()
    }

    fn salt(&self) -> Option<[u8; 32]> {
        let mut salt = [0; 32];
        hex::decode_to_slice(&self.salt, &mut salt).ok()?;
        Some(salt)
    }

    /// What the directory, and the verdict on the newest transaction, say is next.
    fn next(&self, me: IdentityId, directory: &Directory<'_>, verdict: Verdict) -> Next {
        let failed = |why: &str| Next::Be(Stage::Failed(why.to_owned()));
        let Some((name, salt)) = self.name().zip(self.salt()) else {
            return failed("what was written down is damaged");
        };
        let taken = directory.taken(name.key());
        let is_ours = taken.as_ref().is_some_and(|entry| entry.owner == me && entry.name == name);
        let open = directory.open(me, commitment(me, &name, &salt));
        match (&self.stage, verdict) {
            (Stage::Committing, _) if open.is_some() => Next::Be(Stage::Committed),
            (Stage::Committing, Verdict::Final) => failed("the time to reveal it was over before this node came to it"),
            (Stage::Committing, Verdict::Rejected(why)) => failed(&why),
            (Stage::Committing, Verdict::Lapsed) => failed("its commitment did not come to the ledger in time"),
            (Stage::Committing | Stage::Revealing, Verdict::Open) => Next::Stay,
            (Stage::Committed, _) => match (open, taken) {
                (None, _) => failed("the time to reveal it was over before it came to the ledger"),
                (Some(ours), Some(entry)) if !yields(&entry, &ours, directory.now) => {
                    failed("somebody else has taken it")
                }
                (Some(_), _) => Next::Reveal,
            },
            (Stage::Revealing, _) if is_ours => Next::Be(Stage::Taken),
            (Stage::Revealing, Verdict::Final) => failed("somebody who had committed to it earlier has taken it"),
            // As long as the commitment is open it is tried again.
            (Stage::Revealing, _) => Next::Be(Stage::Committed),
            (Stage::Taken, _) => match taken.filter(|_| is_ours) {
                Some(entry) if entry.is_settled(directory.now) => Next::Done,
                Some(_) => Next::Stay,
                None => failed("somebody who had committed to it earlier has taken it; what it cost is in the account"),
            },
            (Stage::Failed(_), _) => Next::Stay,
        }
    }

    fn view(&self) -> NameWanted {
        let (stage, reason) = match &self.stage {
            Stage::Committing => (NameStage::Committing, None),
            Stage::Committed | Stage::Revealing => (NameStage::Revealing, None),
            Stage::Taken => (NameStage::Contested, None),
            Stage::Failed(why) => (NameStage::Failed, Some(why.clone())),
        };
        let Self { name, years, began, newest, .. } = self.clone();
        NameWanted { name, years, stage, began_ms: began, transaction_id: newest, reason }
    }
}

/// Whether whoever has a name would give way to a commitment.
fn yields(entry: &NameEntry, by: &Commitment, now: LedgerClock) -> bool {
    entry.claim.is_some_and(|claim| by.number < claim.number) && !entry.is_settled(now)
}

impl Naming {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(WANTED, &[]).into_iter();
        let read = |(_, value): (Vec<u8>, Vec<u8>)| {
            let record: Record = serde_json::from_slice(&value).ok()?;
            Some((record.name()?.key(), record))
        };
        Self(stored.filter_map(read).collect())
    }

    pub fn views(&self) -> Vec<NameWanted> {
        self.0.values().map(Record::view).collect()
    }

    fn is_live(record: &Record) -> bool {
        !matches!(record.stage, Stage::Failed(_))
    }

    /// Keeps a record; of those that failed the oldest go.
    fn keep(&mut self, key: NameKey, record: Record) -> Batch {
        let mut batch = Batch::new();
        let value = serde_json::to_vec(&record).expect("a record of texts and numbers has a JSON form");
        batch.put(WANTED, key.0.0, value);
        self.0.insert(key, record);
        let failed = |naming: &Self| naming.0.values().filter(|record| !Self::is_live(record)).count();
        while failed(self) > FAILED_MAX {
            let old = self.0.iter().filter(|(_, record)| !Self::is_live(record)).min_by_key(|(_, record)| record.began);
            let Some(key) = old.map(|(key, _)| *key) else { break };
            batch.append(self.drop(key));
        }
        batch
    }

    fn drop(&mut self, key: NameKey) -> Batch {
        let mut batch = Batch::new();
        batch.delete(WANTED, key.0.0);
        self.0.remove(&key);
        batch
    }
}

fn name_of(text: &str) -> Answer<Name> {
    text.parse().map_err(|error| ApiError::invalid_params("name", error))
}

fn years_of(years: u8) -> Answer<Years> {
    Years::new(years).ok_or_else(|| ApiError::invalid_params("years", format_args!("it must lie in 1 to {YEARS_MAX}")))
}

impl Actor {
    /// Nothing before the first checkpoint.
    fn directory(&self) -> Answer<Directory<'_>> {
        let tree = self.names_tree().ok_or_else(ApiError::kernel_unreachable)?;
        Ok(Directory { tree, now: self.ledger_clock() })
    }

    /// Nothing before the first checkpoint.
    pub(super) fn names_tree(&self) -> Option<&StateTree> {
        self.ledger.follower().tree(ProgramId::NAMES)
    }

    /// Whom a name that somebody typed leads to, if it is in use.
    pub(super) fn identity_named(&self, text: &str) -> Option<IdentityId> {
        names::identity_of(self.names_tree()?, &text.parse().ok()?, self.ledger_clock())
    }

    pub(super) fn names(&self) -> Answer<NameList> {
        let (directory, me) = (self.directory()?, self.me());
        let all = directory.tree.iter_prefix(&[0]);
        let entries = all.filter_map(|(key, _)| directory.tree.read::<NameEntry>(key));
        let own = entries.filter(|entry| entry.owner == me && directory.taken(entry.name.key()).is_some());
        let own = own.map(|entry| self.shown(&directory, &entry.name)).collect();
        Ok(NameList { own, wanted: self.naming.views() })
    }

    pub(super) fn name_shown(&self, text: &str) -> Answer<NameShown> {
        Ok(self.shown(&self.directory()?, &name_of(text)?))
    }

    fn shown(&self, directory: &Directory<'_>, name: &Name) -> NameShown {
        let prices = &self.config.genesis.parameters.call_prices;
        let free = NameShown {
            name: name.to_string(),
            standing: NameStanding::Free,
            looks_like: None,
            owner: None,
            settles_ms: None,
            expires_ms: None,
            free_ms: None,
            primary: false,
            price_year: prices.name_year.of(name.chars()),
            price_commit: prices.name_commit,
        };
        let Some(entry) = directory.taken(name.key()) else { return free };
        NameShown {
            standing: directory.standing(&entry),
            looks_like: (entry.name != *name).then(|| entry.name.to_string()),
            owner: Some(entry.owner),
            settles_ms: entry.claim.map(|claim| claim.settles.time),
            expires_ms: Some(entry.expires.time),
            free_ms: Some(entry.free.time),
            primary: directory.is_primary(&entry),
            ..free
        }
    }

    /// Begins to take a name: what reveals it is on the disk before the commitment leaves.
    pub(super) fn register_name(&mut self, request: &NameRegister, once: &Once) -> Answer<TransactionId> {
        let (name, years, me) = (name_of(&request.name)?, years_of(request.years)?, self.me());
        if !self.is_registered(me) {
            return Err(ApiError::not_registered(me));
        }
        let directory = self.directory()?;
        if let Some(entry) = directory.taken(name.key())
            && entry.is_settled(directory.now)
        {
            return Err(ApiError::name_taken(&name, &entry.name, entry.owner));
        }
        let live = self.naming.0.iter().filter(|(_, record)| Naming::is_live(record));
        if let Some((_, record)) = live.clone().find(|(key, _)| **key == name.key()) {
            let other = record.name().filter(|other| *other != name);
            return other.map_or(Ok(record.newest), |other| Err(ApiError::name_taken(&name, &other, me)));
        }
        if live.count() >= usize::from(COMMITMENTS_MAX) {
            return Err(ApiError::too_many_names_wanted(COMMITMENTS_MAX.into()));
        }
        let salt = Zeroizing::new(entropy::seed());
        let call = NamesCall::Commit { identity: me, commitment: commitment(me, &name, &salt) };
        let fee = self.config.genesis.parameters.call_prices.name_commit;
        let order = names_order(call, fee, None);
        let built = self.prepare(order, &Zeroizing::new(entropy::seed()));
        let (transaction, mut batch) = built.map_err(|error| self.build_error(error))?;
        let (id, now) = (transaction.id(), self.clock.now());
        let record = Record {
            name: name.to_string(),
            years: years.count(),
            salt: hex::encode(*salt),
            began: now,
            stage: Stage::Committing,
            newest: id,
        };
        batch.append(self.naming.keep(name.key(), record));
        batch.append(self.once.note(once, id, now));
        self.launch(id, batch);
        Ok(id)
    }

    /// The registration of a name that a call began.
    pub(super) fn wanted_name(&self, text: &str) -> Answer<NameWanted> {
        let name = name_of(text)?;
        if let Some(record) = self.naming.0.get(&name.key()) {
            return Ok(record.view());
        }
        // It is settled, and whoever asks under the same key asks late.
        let entry = taken(&self.directory()?, &name)?;
        Err(ApiError::name_taken(&name, &entry.name, entry.owner))
    }

    /// Goes on with the names that are about to be taken.
    pub(super) fn tend_names(&mut self) {
        let live = self.naming.0.iter().filter(|(_, record)| Naming::is_live(record));
        let live: Vec<(NameKey, Record)> = live.map(|(key, record)| (*key, record.clone())).collect();
        for (key, record) in live {
            let Ok(directory) = self.directory() else { return };
            // Looking a transaction up reads the history.
            let verdict = match record.stage {
                Stage::Committing | Stage::Revealing => self.verdict(record.newest),
                _ => Verdict::Final,
            };
            let next = record.next(self.me(), &directory, verdict);
            match next {
                Next::Stay => {}
                Next::Done => {
                    let batch = self.naming.drop(key);
                    self.write_ledger(batch);
                }
                Next::Be(stage) => {
                    if let Stage::Failed(why) = &stage {
                        tracing::warn!(why, "a name was not taken");
                    }
                    let batch = self.naming.keep(key, Record { stage, ..record });
                    self.write_ledger(batch);
                }
                Next::Reveal => self.reveal_name(key, record),
            }
        }
    }

    fn reveal_name(&mut self, key: NameKey, record: Record) {
        let (Some(name), Some(salt), Some(years)) = (record.name(), record.salt(), Years::new(record.years)) else {
            return;
        };
        let fee = names::price(&self.config.genesis.parameters.call_prices.name_year, &name, years);
        let call = NamesCall::Register { owner: self.me(), name: name.clone(), years, salt };
        match self.prepare(names_order(call, fee, Some(&name)), &Zeroizing::new(entropy::seed())) {
            Ok((transaction, mut batch)) => {
                let newest = transaction.id();
                batch.append(self.naming.keep(key, Record { stage: Stage::Revealing, newest, ..record }));
                self.launch(newest, batch);
            }
            // It is tried again for as long as the commitment is open.
            Err(error) => tracing::debug!(%error, "a name can't be paid for now"),
        }
    }

    fn verdict(&self, id: TransactionId) -> Verdict {
        if self.wallet.pending().any(|(pending, _)| pending == id) {
            return Verdict::Open;
        }
        match self.entry_of(id) {
            Some(entry) if entry.stage == EntryStage::Final => Verdict::Final,
            Some(Entry { reason: Some(reason), .. }) => Verdict::Rejected(reason.message),
            _ => Verdict::Lapsed,
        }
    }

    pub(super) fn name_renewal(&self, request: &NameRenew) -> Answer<Order> {
        let (name, years, directory) = (name_of(&request.name)?, years_of(request.years)?, self.directory()?);
        let entry = taken(&directory, &name)?;
        match directory.standing(&entry) {
            NameStanding::Contested => return Err(ApiError::name_contested(&name)),
            NameStanding::InGrace if entry.owner != self.me() => {
                return Err(ApiError::not_your_name(&name, entry.owner));
            }
            _ => {}
        }
        let fee = names::price(&self.config.genesis.parameters.call_prices.name_year, &name, years);
        Ok(names_order(NamesCall::Renew { name: name.clone(), years }, fee, Some(&name)))
    }

    pub(super) fn name_transfer(&self, request: &NameTransfer) -> Answer<Order> {
        let name = self.own_name_in_use(&request.name)?;
        if !self.is_registered(request.to) {
            return Err(ApiError::not_registered(request.to));
        }
        let call = NamesCall::Transfer { name: name.clone(), to: request.to };
        Ok(names_order(call, self.config.genesis.parameters.call_prices.other, Some(&name)))
    }

    pub(super) fn name_release(&self, request: &NameRelease) -> Answer<Order> {
        let name = name_of(&request.name)?;
        let entry = taken(&self.directory()?, &name)?;
        if entry.owner != self.me() {
            return Err(ApiError::not_your_name(&name, entry.owner));
        }
        let call = NamesCall::Release { name: name.clone() };
        Ok(names_order(call, self.config.genesis.parameters.call_prices.other, Some(&name)))
    }

    pub(super) fn name_primary(&self, request: &NamePrimary) -> Answer<Order> {
        let name = request.name.as_deref().map(|text| self.own_name_in_use(text)).transpose()?;
        let call = NamesCall::SetPrimary { identity: self.me(), name: name.clone() };
        Ok(names_order(call, self.config.genesis.parameters.call_prices.other, name.as_ref()))
    }

    fn own_name_in_use(&self, text: &str) -> Answer<Name> {
        let (name, directory) = (name_of(text)?, self.directory()?);
        let entry = taken(&directory, &name)?;
        match directory.standing(&entry) {
            _ if entry.owner != self.me() => Err(ApiError::not_your_name(&name, entry.owner)),
            NameStanding::Contested => Err(ApiError::name_contested(&name)),
            NameStanding::InGrace => Err(ApiError::name_expired(&name)),
            NameStanding::Free | NameStanding::InUse => Ok(name),
        }
    }
}

/// A name that somebody has; not one that only looks like it.
fn taken(directory: &Directory<'_>, name: &Name) -> Answer<NameEntry> {
    let entry = directory.taken(name.key()).filter(|entry| entry.name == *name);
    entry.ok_or_else(|| ApiError::name_not_found(name))
}

fn names_order(call: NamesCall, fee: byway_primitives::Amount, about: Option<&Name>) -> Order {
    let note = Note { counterparty: about.map(|name| format!("name {name}")), ..Note::default() };
    Order { note, ..Order::signed(Wish { call: Some(Call::Names(call)), fee, ..Wish::default() }) }
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
