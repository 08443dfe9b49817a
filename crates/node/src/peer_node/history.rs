//! The wallet's history as people see it.
//!
//! The wallet writes two lines per transaction of ours, when it is sent and when it has its verdict; here they are one.
//! What the wallet doesn't know stands in a [`Note`], written down together with the transaction. Settlements come from
//! the [`promise_log`](super::promise_log), with what they brought.

use std::collections::BTreeMap;

use byway_peer::wallet::{Activity, Kind, Stage as WalletStage};
use byway_primitives::{Amount, Batch, Space, Store};
use byway_records::{OfferId, TransactionId};
use serde::{Deserialize, Serialize};

use super::Actor;
use crate::api::{Entry, EntryKind, Reason, Stage};

const NOTES: Space = Space("transaction-notes");

/// What is to be remembered of a transaction beside what the wallet knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// Who is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<String>,
    /// What was asked for, where the transaction names more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// What it publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_id: Option<OfferId>,
    /// Whether it only completes what another one began, and is listed if it fails alone.
    #[serde(default)]
    pub completes: bool,
    /// Whether it calls off what was to leave the account.
    #[serde(default)]
    pub cancels: bool,
    /// Whether it is about what leaves the account.
    #[serde(default)]
    pub leaves: bool,
}

/// The notes of all transactions.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<TransactionId, Note>);

impl Notes {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(NOTES, &[]).into_iter();
        Self(stored.filter_map(|(_, value)| serde_json::from_slice::<(TransactionId, Note)>(&value).ok()).collect())
    }

    pub fn of(&self, id: TransactionId) -> Option<&Note> {
        self.0.get(&id)
    }

    /// Keeps a note; one that says nothing is not worth a record.
    pub fn keep(&mut self, id: TransactionId, note: Note) -> Batch {
        let mut batch = Batch::new();
        if note != Note::default() {
            let value = serde_json::to_vec(&(id, &note)).expect("a note of texts and amounts has a JSON form");
            batch.put(NOTES, id.0.0, value);
            self.0.insert(id, note);
        }
        batch
    }
}

impl Actor {
    /// The wallet's history: what was sent with how it ended, what came in, and what was settled, newest first.
    pub(super) fn entries(&self, limit: usize) -> Vec<Entry> {
        let lines = self.wallet.history(&self.ledger_journal, limit.saturating_mul(2).max(limit));
        let mut verdicts = BTreeMap::new();
        let mut entries = Vec::new();
        for line in lines {
            if line.kind == Kind::Verdict {
                verdicts.insert(line.transaction, line);
            } else if entries.len() < limit {
                let note = self.notes.of(line.transaction);
                let entry = self.with_inclusion(self.entry(&line, verdicts.get(&line.transaction), note));
                // A settlement that is final stands among the settlements, with what it brought.
                let elsewhere = line.kind == Kind::Settlement && entry.stage == Stage::Final;
                let completes = note.is_some_and(|note| note.completes) && entry.stage != Stage::Rejected;
                if !elsewhere && !completes {
                    entries.push(entry);
                }
            }
        }
        entries.extend(self.promise_log.lines().iter().rev().take(limit).cloned());
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.time_ms));
        entries.truncate(limit);
        entries
    }

    /// The line of one transaction of ours.
    pub(super) fn entry_of(&self, id: TransactionId) -> Option<Entry> {
        if let Some(settled) = self.promise_log.lines().iter().rev().find(|entry| entry.transaction_id == id) {
            return Some(settled.clone());
        }
        let lines = self.wallet.history(&self.ledger_journal, usize::MAX);
        let of =
            |wanted: bool| lines.iter().find(|line| line.transaction == id && (line.kind == Kind::Verdict) == wanted);
        of(false).map(|line| self.with_inclusion(self.entry(line, of(true), self.notes.of(id))))
    }

    /// A line of the history, with the name of its asset.
    fn entry(&self, line: &Activity, verdict: Option<&Activity>, note: Option<&Note>) -> Entry {
        Entry { asset: self.asset_tag(line.value.asset), ..entry(line, verdict, note) }
    }

    /// What is sent and has no verdict may be included already.
    fn with_inclusion(&self, entry: Entry) -> Entry {
        match entry.stage {
            Stage::Sent if self.submitted.get(&entry.transaction_id).is_some_and(|handed| handed.is_included) => {
                Entry { stage: Stage::Included, ..entry }
            }
            _ => entry,
        }
    }
}

/// A line of the history as people see it.
fn entry(line: &Activity, verdict: Option<&Activity>, note: Option<&Note>) -> Entry {
    let stage = verdict.map_or(line.stage, |verdict| verdict.stage);
    Entry {
        transaction_id: line.transaction,
        time_ms: line.time,
        kind: match line.kind {
            Kind::Received => EntryKind::Receive,
            Kind::Sent | Kind::Spent => EntryKind::Send,
            Kind::Deposit => EntryKind::Deposit,
            Kind::Withdrawal if note.is_some_and(|note| note.cancels) => EntryKind::WithdrawCancel,
            Kind::Withdrawal => EntryKind::Withdraw,
            Kind::Registration => EntryKind::Pledge,
            Kind::Offer => EntryKind::Publish,
            Kind::Settlement => EntryKind::SettleIn,
            Kind::Merged => EntryKind::Consolidate,
            Kind::AssetRegistration => EntryKind::AssetRegister,
            Kind::Issue => EntryKind::Issue,
            Kind::Burn => EntryKind::Burn,
            Kind::GroupSent => EntryKind::GroupSend,
            Kind::NodePledge => EntryKind::NodePledge,
            Kind::NodeReclaim => EntryKind::NodeReclaim,
            Kind::NodeCall => EntryKind::NodeCall,
            Kind::OtherCall | Kind::Verdict => EntryKind::Fee,
        },
        amount: note.and_then(|note| note.amount).unwrap_or(line.value.amount),
        asset: None,
        fee: Amount::ZERO,
        counterparty: note.and_then(|note| note.counterparty.clone()),
        stage: match stage {
            WalletStage::Sent => Stage::Sent,
            WalletStage::Final => Stage::Final,
            WalletStage::Rejected(_) => Stage::Rejected,
        },
        reason: match stage {
            WalletStage::Rejected(reject) => Some(Reason::new(reject.word(), reject.to_string())),
            _ => None,
        },
    }
}
