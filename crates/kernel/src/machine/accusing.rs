//! Bringing before the ledger what others did wrong (row K4).
//!
//! Everyone who sees an offence has the evidence in hand, and one of those who hand it in is enough. A node accuses another
//! of one offence at a time, and waits for the verdict before it says more: what somebody does wrong a thousand times
//! shall not fill the snapshots of those who saw it. By then the offender is marked or gone as a rule.
//!
//! What of a double spend it takes time to find is looked for by [`suspecting`](super::suspecting). Not here: votes that came
//! by themselves, which don't show what checkpoint they are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_ledger::Ledger;
use byway_primitives::{Decode, Span, Store, Time};
use byway_records::call::kernel::KernelCall;
use byway_records::evidence::Rolls;
use byway_records::state::roll_key;
use byway_records::{Evidence, ProgramId, Roll, TransactionId};

use super::Kernel;
use super::call::free_call;
use crate::coin::check_shares;
use crate::committee::MemberIndex;
use crate::evidence;
use crate::snapshot::Reference;
use crate::verified::{SnapshotError, VerifiedSnapshot};
use crate::votes::Contradiction;

/// How long an accusation may take until it is made anew.
const VERDICT_WAIT_MAX: Span = Span::minutes(1);

/// Accusations without a verdict, by the accused.
pub(super) type Accusing = BTreeMap<MemberIndex, (TransactionId, Time)>;

/// The rolls of epochs as the ledger has them.
struct LedgerRolls<'a>(&'a Ledger);

impl Rolls for LedgerRolls<'_> {
    fn roll(&self, epoch: u32) -> Option<Roll> {
        Roll::from_bytes(self.0.tree(ProgramId::KERNEL)?.value(&roll_key(epoch))?).ok()
    }
}

impl Kernel {
    /// A snapshot that `from` sent is not good, for a reason that may be its author's fault. Whoever verifies snapshots
    /// tells of it here.
    pub fn handle_refused(&mut self, now: Time, bytes: &[u8], error: SnapshotError, store: &dyn Store) {
        if let Some(evidence) = evidence::ill_formed(bytes, error)
            && let Some(author) = bytes.get(1).map(|author| MemberIndex(*author))
        {
            self.accuse(now, author, evidence);
            self.settle(now, store);
        }
    }

    pub(super) fn accuse_equivocator(&mut self, now: Time, first: &VerifiedSnapshot, second: &VerifiedSnapshot) {
        let Reference { author, .. } = first.reference();
        self.accuse(now, author, evidence::equivocation(first, second));
    }

    /// Accuses those whose votes contradict each other or a certificate.
    pub(super) fn accuse_voters(&mut self, now: Time) {
        for contradiction in self.votes.take_contradictions() {
            let shown = |carrier: &Reference| self.graph.get(carrier).map(|vertex| vertex.snapshot.clone());
            let evidence = match contradiction {
                Contradiction::Two { epoch, height, first, second } => shown(&first)
                    .zip(shown(&second))
                    .map(|(a, b)| (first.author, evidence::two_votes(&a, &b, height, epoch))),
                Contradiction::Certified { carrier, epoch, certificate } => {
                    let evidence =
                        |snapshot: Arc<VerifiedSnapshot>| evidence::false_vote(&snapshot, certificate, epoch);
                    shown(&carrier).map(|snapshot| (carrier.author, evidence(snapshot)))
                }
            };
            if let Some((author, evidence)) = evidence {
                self.accuse(now, author, evidence);
            }
        }
    }

    /// The shares that this snapshot holds make no coin of the epoch in force.
    pub(super) fn accuse_false_sharer(&mut self, now: Time, snapshot: &VerifiedSnapshot) {
        let Some(key) = self.ledger.coin_key().and_then(|key| key.open()) else { return };
        if let Err(error) = check_shares(self.committee.network(), &key, snapshot)
            && let Some(evidence) = evidence::ill_formed(snapshot.bytes(), error)
        {
            self.accuse(now, snapshot.header().author, evidence);
        }
    }

    /// A verdict has come, maybe on an accusation.
    pub(super) fn heard_verdict(&mut self, id: &TransactionId) {
        self.accusing.retain(|_, (accusation, _)| accusation != id);
    }

    /// Whether an accusation of this member could come to anything now.
    pub(super) fn may_accuse(&self, now: Time, author: MemberIndex) -> bool {
        let is_under_way = self.accusing.get(&author).is_some_and(|(_, since)| now < *since + VERDICT_WAIT_MAX);
        !is_under_way && self.committee.counts(author) && Some(author) != self.me
    }

    pub(super) fn accuse(&mut self, now: Time, author: MemberIndex, evidence: Evidence) {
        if !self.may_accuse(now, author) {
            return;
        }
        // What anyone could have made up in somebody's name, or what is no offence, is nobody's to judge twice.
        if evidence.judge(self.committee.network(), &LedgerRolls(&self.ledger)).is_err() {
            return;
        }
        let call = KernelCall::Accuse { evidence: Box::new(evidence) };
        // What is too large to be shown is refused all the same.
        let Some(transaction) = free_call(self.committee.network(), call, now + VERDICT_WAIT_MAX) else { return };
        let id = transaction.id();
        if self.pool.submit_own(now, transaction).is_ok() {
            self.accusing.insert(author, (id, now));
        }
    }
}
