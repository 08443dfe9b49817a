//! Accepted invites, on their way into this wallet and account (row I2).
//!
//! What was signed when the invite was accepted ([`claims`](crate::claims)) is handed in until the ledger has decided. What of
//! it has happened is read from certified scan data and written in the same batch as the wallet's, so after a crash at
//! any point the node goes on where the ledger stands: nothing is claimed twice, since all attempts spend the same outputs,
//! and nothing is deposited twice, since the deposit and what is remembered of it are one write.

use std::collections::BTreeMap;

use byway_kernel::follower::Refusal;
use byway_primitives::{Amount, Batch, Space, Store, Time};
use byway_records::reject::Reject;
use byway_records::scan::ScanData;
use byway_records::{OutputId, TransactionId};
use serde::{Deserialize, Serialize};

use super::Actor;
use super::books::way;
use super::history::Note;
use crate::api::{AcceptedInvite, ClaimStage};
use crate::claims::Claim;

const CLAIMS: Space = Space("accepted-invites");

/// By the payment that each invite's coins came by.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<TransactionId, Record>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    claim: Claim,
    stage: Stage,
}

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// This of its transactions is under way.
    Claiming(usize),
    /// The coins are in the wallet.
    Claimed,
    /// What goes to the account is on its way there, until then.
    Depositing(TransactionId, Time),
    Done,
    Lost(Loss),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Loss {
    /// Somebody else took the coins, or who gave them drew them back.
    Taken,
    Expired,
    /// The ledger took none of its transactions.
    Refused,
}

impl Record {
    /// The transaction that is under way, if it is one that takes the coins.
    fn under_way(&self) -> Option<TransactionId> {
        let Stage::Claiming(number) = self.stage else { return None };
        self.claim.transaction(number).map(|transaction| transaction.id())
    }

    /// The ledger won't have the transaction that is under way.
    fn next(&self, number: usize) -> Stage {
        match self.claim.transaction(number + 1) {
            Some(_) => Stage::Claiming(number + 1),
            None => Stage::Lost(Loss::Refused),
        }
    }

    /// What the ledger's next step makes of it.
    fn after(&self, scan: &ScanData) -> Stage {
        let is_final = |wanted: TransactionId| scan.finals.iter().any(|made| made.id == wanted);
        let is_rejected = |wanted: TransactionId| scan.rejected.iter().any(|(id, _)| *id == wanted);
        match self.stage {
            Stage::Claiming(number) => {
                let own: Vec<TransactionId> = self.attempts();
                if own.iter().any(|id| is_final(*id)) {
                    return Stage::Claimed;
                }
                let outputs: Vec<OutputId> = self.claim.outputs();
                if scan.finals.iter().any(|made| made.spent.iter().any(|id| outputs.contains(id))) {
                    return Stage::Lost(Loss::Taken);
                }
                if self.claim.expires.is_some_and(|expires| scan.time > expires) {
                    return Stage::Lost(Loss::Expired);
                }
                match self.under_way() {
                    Some(id) if is_rejected(id) => self.next(number),
                    _ => self.stage,
                }
            }
            Stage::Depositing(id, _) if is_final(id) => Stage::Done,
            Stage::Depositing(id, until) if is_rejected(id) || scan.time > until => Stage::Claimed,
            stage => stage,
        }
    }

    fn attempts(&self) -> Vec<TransactionId> {
        let attempts = (0..self.claim.transactions.len()).filter_map(|number| self.claim.transaction(number));
        attempts.map(|transaction| transaction.id()).collect()
    }

    fn view(&self) -> AcceptedInvite {
        let (stage, reason) = match self.stage {
            Stage::Claiming(_) => (ClaimStage::Claiming, None),
            Stage::Claimed | Stage::Depositing(..) => (ClaimStage::Depositing, None),
            Stage::Done => (ClaimStage::Done, None),
            Stage::Lost(Loss::Taken) => {
                (ClaimStage::Lost, Some("somebody else took it before, or it was drawn back; ask for another invite"))
            }
            Stage::Lost(Loss::Expired) => (ClaimStage::Lost, Some("its time is over; ask for another invite")),
            Stage::Lost(Loss::Refused) => {
                (ClaimStage::Lost, Some("the ledger did not accept it; ask for another invite"))
            }
        };
        AcceptedInvite {
            transaction_id: self.claim.invite,
            amount: self.claim.total,
            accepted_ms: self.claim.accepted,
            stage,
            reason: reason.map(str::to_owned),
        }
    }
}

impl Claims {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(CLAIMS, &[]).into_iter();
        let records = stored.filter_map(|(_, value)| serde_json::from_slice::<Record>(&value).ok());
        Self(records.map(|record| (record.claim.invite, record)).collect())
    }

    /// Goes on by what the ledger has certified.
    pub fn scan(&mut self, scan: &ScanData) -> Batch {
        let changed: Vec<_> = self.0.iter().map(|(id, record)| (*id, record.after(scan))).collect();
        let mut batch = Batch::new();
        changed.into_iter().for_each(|(id, stage)| batch.append(self.set(id, stage)));
        batch
    }

    /// Notes a stage, where it is another one.
    fn set(&mut self, id: TransactionId, stage: Stage) -> Batch {
        let mut batch = Batch::new();
        if let Some(record) = self.0.get_mut(&id).filter(|record| record.stage != stage) {
            match stage {
                Stage::Lost(loss) => tracing::warn!(invite = %id, ?loss, "an invite's coins did not come"),
                Stage::Done => tracing::info!(invite = %id, coins = %record.claim.total, "an invite's coins are here"),
                _ => {}
            }
            record.stage = stage;
            batch = record.batch();
        }
        batch
    }

    pub fn views(&self) -> Vec<AcceptedInvite> {
        self.0.values().map(Record::view).collect()
    }
}

impl Record {
    fn batch(&self) -> Batch {
        let value = serde_json::to_vec(self).expect("a record of texts and numbers has a JSON form");
        let mut batch = Batch::new();
        batch.put(CLAIMS, self.claim.invite.0.0, value);
        batch
    }
}

impl Actor {
    /// Takes down what was accepted while the node did not run.
    pub(super) fn take_up_claims(&mut self) {
        for claim in std::mem::take(&mut self.config.claims) {
            if claim.network == self.network && !self.claims.0.contains_key(&claim.invite) {
                let record = Record { claim, stage: Stage::Claiming(0) };
                self.write_ledger(record.batch());
                self.claims.0.insert(record.claim.invite, record);
            }
        }
    }

    /// Does what comes next of each.
    pub(super) fn tend_claims(&mut self) {
        let open: Vec<(TransactionId, Stage)> = self.claims.0.iter().map(|(id, record)| (*id, record.stage)).collect();
        for (invite, stage) in open {
            match stage {
                Stage::Claiming(number) => self.claim(invite, number),
                Stage::Claimed if self.ledger.follower().tip().is_some() => self.deposit_claimed(invite),
                _ => {}
            }
        }
    }

    /// Has the wallet see to a transaction that takes the coins, if it doesn't already.
    fn claim(&mut self, invite: TransactionId, number: usize) {
        let Some(record) = self.claims.0.get(&invite) else { return };
        let Some(transaction) = record.claim.transaction(number) else { return };
        let id = transaction.id();
        if self.wallet.pending().any(|(pending, _)| pending == id) {
            return;
        }
        let brought = Amount::checked_sum(transaction.body.outputs.iter().map(|output| output.value.amount));
        let mut batch = self.wallet.take_up(&transaction, way(brought.unwrap_or(Amount::ZERO)), self.clock.now());
        batch.append(self.notes.keep(id, Note { counterparty: Some("invite".to_owned()), ..Note::default() }));
        self.launch(id, batch);
    }

    fn deposit_claimed(&mut self, invite: TransactionId) {
        let Some(record) = self.claims.0.get(&invite) else { return };
        let amount = record.claim.deposit.min(self.wallet.balance(byway_primitives::AssetId::WAY).free);
        if amount.is_zero() {
            // There is nothing to deposit, or its owner has other plans.
            let batch = self.claims.set(invite, Stage::Done);
            self.write_ledger(batch);
            return;
        }
        match self.prepare(self.deposit_of(way(amount)), &byway_driver::entropy::seed()) {
            Ok((transaction, mut batch)) => {
                let id = transaction.id();
                batch.append(self.claims.set(invite, Stage::Depositing(id, transaction.body.expires)));
                self.launch(id, batch);
            }
            Err(error) => tracing::debug!(%error, "an invite's coins are not deposited yet"),
        }
    }

    /// f + 1 kernel nodes refuse a transaction for what it is. Says whether it is one that takes an invite's coins.
    pub(super) fn claim_refused(&mut self, id: TransactionId, refusal: &Refusal) {
        let found = self.claims.0.iter().find(|(_, record)| record.under_way() == Some(id));
        let Some((invite, record)) = found.map(|(invite, record)| (*invite, record)) else { return };
        let Stage::Claiming(number) = record.stage else { return };
        let (stage, reason) = match refusal {
            Refusal::Spent => (Stage::Lost(Loss::Taken), Reject::UnknownInput),
            Refusal::Rejected(reason) => (record.next(number), *reason),
            _ => (record.next(number), Reject::NotAuthorised),
        };
        let mut batch = self.claims.set(invite, stage);
        batch.append(self.wallet.give_up(id, reason, self.clock.now()));
        self.submitted.remove(&id);
        self.write_ledger(batch);
        self.publish_wallet();
    }
}

#[cfg(test)]
mod tests {
    use byway_crypto::phrase::{Device, Phrase};
    use byway_primitives::{Hash, MemoryStore};
    use byway_records::scan::ScanTransaction;

    use super::*;
    use crate::claims::tests::{genesis, invite};
    use crate::keystore::Keystore;

    const EXPIRES: Time = Time(1_000);

    fn record(stage: Stage) -> Record {
        let keystore = Keystore::restore(Phrase::from_entropy(&[3; 32]).words(), Device(0)).unwrap();
        let identity = keystore.secret(&keystore.identities()[0]);
        let claim = Claim::sign(&invite(Some(EXPIRES)), &genesis(), &keystore, &identity, Time(1)).unwrap();
        Record { claim, stage }
    }

    fn made(id: TransactionId, spent: Vec<OutputId>) -> ScanTransaction {
        ScanTransaction { id, ghost: None, outputs: Vec::new(), spent }
    }

    fn scan(time: u64, finals: Vec<ScanTransaction>, rejected: Vec<TransactionId>) -> ScanData {
        let rejected = rejected.into_iter().map(|id| (id, Reject::AlreadyRegistered)).collect();
        ScanData { time: Time(time), finals, rejected }
    }

    #[test]
    fn a_claim_goes_on_by_what_is_certified() {
        let begun = record(Stage::Claiming(0));
        let [first, second] = begun.attempts()[..] else { panic!("with the pledge, and without") };
        let outputs = begun.claim.outputs();
        let (other, deposit) = (TransactionId(Hash([8; 32])), TransactionId(Hash([9; 32])));
        let depositing = Stage::Depositing(deposit, Time(500));
        for (name, stage, scan, expected) in [
            ("nothing", Stage::Claiming(0), scan(1, vec![made(other, Vec::new())], vec![other]), Stage::Claiming(0)),
            ("taken", Stage::Claiming(0), scan(1, vec![made(first, outputs.clone())], vec![]), Stage::Claimed),
            ("not registered", Stage::Claiming(0), scan(1, vec![], vec![first]), Stage::Claiming(1)),
            ("then taken", Stage::Claiming(1), scan(1, vec![made(second, outputs.clone())], vec![]), Stage::Claimed),
            (
                "the first after all",
                Stage::Claiming(1),
                scan(1, vec![made(first, outputs.clone())], vec![]),
                Stage::Claimed,
            ),
            ("not at all", Stage::Claiming(1), scan(1, vec![], vec![second]), Stage::Lost(Loss::Refused)),
            (
                "too late",
                Stage::Claiming(0),
                scan(1, vec![made(other, vec![outputs[0]])], vec![first]),
                Stage::Lost(Loss::Taken),
            ),
            ("over", Stage::Claiming(0), scan(1_001, vec![], vec![]), Stage::Lost(Loss::Expired)),
            (
                "in the last moment",
                Stage::Claiming(0),
                scan(1_001, vec![made(first, outputs.clone())], vec![]),
                Stage::Claimed,
            ),
            ("deposited", depositing, scan(600, vec![made(deposit, Vec::new())], vec![]), Stage::Done),
            ("not deposited", depositing, scan(1, vec![], vec![deposit]), Stage::Claimed),
            ("lapsed", depositing, scan(501, vec![], vec![]), Stage::Claimed),
            ("under way", depositing, scan(500, vec![], vec![]), depositing),
            ("done", Stage::Done, scan(2_000, vec![made(other, outputs.clone())], vec![]), Stage::Done),
        ] {
            assert_eq!(Record { stage, ..begun.clone() }.after(&scan), expected, "{name}");
        }
    }

    #[test]
    fn a_claim_is_known_again_after_a_restart() {
        let (record, mut store) = (record(Stage::Claiming(0)), MemoryStore::default());
        let mut claims = Claims::default();
        store.apply(&record.batch());
        claims.0.insert(record.claim.invite, record.clone());
        store.apply(&claims.scan(&scan(1, vec![], vec![record.attempts()[0]])));
        let again = Claims::open(&store);
        assert_eq!(again.0.values().collect::<Vec<_>>(), [&Record { stage: Stage::Claiming(1), ..record }]);
        assert_eq!(again.views()[0].stage, ClaimStage::Claiming);
    }
}
