//! Finding out what was spent before a snapshot spends it again.
//!
//! That a transaction is refused because an input is gone is nobody's fault as a rule: others spent it meanwhile. It is the
//! fault of the snapshot's author if the input was spent already at the checkpoint that the snapshot names (row K4). The
//! ledger keeps what is unspent, and not who spent the rest; so
//!
//! - a node remembers what was spent since some checkpoints ago. An input that is gone and not among that was spent before,
//!   and so was one that is among it under the named checkpoint or an earlier one;
//! - only then it looks for who spent it, through the scan data of one checkpoint after the other, the newest first, a little
//!   at a time. It finds it, since it is there.
//!
//! So clients whose transactions cross make nobody search, and one search at a time is all that those can cause who are
//! punished for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_ledger::stored::Outcome;
use byway_ledger::{TransactionRange, Verdict, stored_scan, stored_transaction};
use byway_primitives::{Span, Store, Time};
use byway_records::evidence::Spender;
use byway_records::{Body, Certificate, Height, OutputId, Reject, TransactionId};

use super::Kernel;
use super::decide::Place;
use crate::verified::{Shown, VerifiedSnapshot};
use crate::{archive, evidence};

/// Checkpoints whose spends are remembered: more than a snapshot with transactions may lag behind.
const HEIGHTS_MAX: usize = 8;
/// Time between two looks at scan data.
const INTERVAL: Span = Span::millis(10);
/// How long the named checkpoint may take to be certified.
const PATIENCE: Span = Span::minutes(1);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Suspecting {
    /// What was spent, and by which checkpoint it is covered.
    spent: BTreeMap<OutputId, Height>,
    by_height: BTreeMap<Height, Vec<OutputId>>,
    /// All that was spent under later checkpoints is remembered.
    since: Height,
    suspicion: Option<Suspicion>,
}

/// A transaction in a snapshot that must have been known to be void.
#[derive(Debug)]
struct Suspicion {
    snapshot: Arc<VerifiedSnapshot>,
    position: usize,
    input: OutputId,
    /// The next checkpoint to be looked through.
    look_at: Height,
    next_at: Time,
    until: Time,
}

impl Suspecting {
    /// Begins to remember after this checkpoint.
    pub fn new(since: Height) -> Self {
        Self { spent: BTreeMap::new(), by_height: BTreeMap::new(), since, suspicion: None }
    }

    fn note(&mut self, input: OutputId, height: Height) {
        self.spent.insert(input, height);
        self.by_height.entry(height).or_default().push(input);
    }

    fn forget_old(&mut self) {
        while self.by_height.len() > HEIGHTS_MAX {
            let Some((height, inputs)) = self.by_height.pop_first() else { return };
            self.since = height;
            for input in inputs {
                self.spent.remove(&input);
            }
        }
    }

    /// Whether an output that is spent was so at this checkpoint, as far as is known.
    fn was_spent_at(&self, input: OutputId, named: Height) -> bool {
        self.spent.get(&input).map_or(named >= self.since, |height| *height <= named)
    }
}

impl Kernel {
    /// Remembers what a commit has spent, and suspects who put into a snapshot what it must have known to be void.
    pub(super) fn suspect(
        &mut self,
        now: Time,
        places: &[Place<'_>],
        verdicts: &[(TransactionId, Verdict)],
        height: Height,
        store: &dyn Store,
    ) {
        let mut void = Vec::new();
        for ((snapshot, position), (_, verdict)) in places.iter().zip(verdicts) {
            let inputs = &snapshot.transactions()[*position].transaction().body.inputs;
            match verdict {
                Verdict::Final => inputs.iter().for_each(|input| self.suspecting.note(input.spent, height)),
                Verdict::Rejected(Reject::UnknownInput) => void.push((*snapshot, *position)),
                Verdict::Rejected(_) | Verdict::Repeated => {}
            }
        }
        self.suspecting.forget_old();
        for (snapshot, position) in void {
            let header = snapshot.header();
            if self.suspecting.suspicion.is_some() || !self.may_accuse(now, header.author) {
                return;
            }
            let inputs = snapshot.transactions()[position].transaction().body.inputs.iter().map(|input| input.spent);
            let known = |input: &OutputId| {
                self.suspecting.was_spent_at(*input, header.checkpoint) && self.ledger.is_spent(store, *input)
            };
            let Some(input) = inputs.clone().find(known) else { continue };
            self.suspecting.suspicion = Some(Suspicion {
                snapshot: snapshot.clone(),
                position,
                input,
                look_at: header.checkpoint,
                next_at: now,
                until: now + PATIENCE,
            });
        }
    }

    pub(super) fn next_pursuit(&self) -> Option<Time> {
        self.suspecting.suspicion.as_ref().map(|suspicion| suspicion.next_at)
    }

    /// Looks through the next checkpoint for what spent the input, and accuses when it is found.
    pub(super) fn pursue(&mut self, now: Time, store: &dyn Store) {
        let Some(mut suspicion) = self.suspecting.suspicion.take_if(|suspicion| suspicion.next_at <= now) else {
            return;
        };
        suspicion.next_at = now + INTERVAL;
        let header = suspicion.snapshot.header();
        let (author, named) = (header.author, header.checkpoint);
        let Some(certificate) = archive::stored_certificate(store, named) else {
            self.suspecting.suspicion = Some(suspicion).filter(|suspicion| now < suspicion.until);
            return;
        };
        let Some(scan) = stored_scan(store, suspicion.look_at) else { return };
        let spends = |spent: &[OutputId]| spent.contains(&suspicion.input);
        let Some(found) = scan.finals.iter().find(|transaction| spends(&transaction.spent)) else {
            suspicion.look_at = Height(suspicion.look_at.0.saturating_sub(1));
            self.suspecting.suspicion = Some(suspicion).filter(|suspicion| suspicion.look_at > Height::GENESIS);
            return;
        };
        let epoch = self.votes.epoch_number_at(named);
        // What it was made of is gone with the snapshots of its epoch, if it is old.
        let spender = epoch.and_then(|epoch| spender(store, found.id, certificate, epoch));
        let evidence =
            spender.and_then(|spender| evidence::spent_input(&suspicion.snapshot, suspicion.position, spender));
        if let Some(evidence) = evidence {
            self.accuse(now, author, evidence);
        }
    }
}

fn spender(store: &dyn Store, id: TransactionId, certificate: Certificate, epoch: u32) -> Option<Spender> {
    let record = stored_transaction(store, id)?;
    let Outcome::Final { position } = record.outcome else { return None };
    let range = TransactionRange::load(certificate.checkpoint.transactions, store)?;
    Some(Spender { body: body(store, record.commit, id)?, proof: range.prove(position, store)?, certificate, epoch })
}

/// What a transaction was made of, from the snapshots of the commit that decided it.
fn body(store: &dyn Store, commit: u64, id: TransactionId) -> Option<Body> {
    let snapshots = archive::stored_commit(store, commit)?.snapshots;
    let bytes = snapshots.iter().filter_map(|reference| archive::stored_snapshot(store, reference));
    bytes.filter_map(|bytes| Shown::of(&bytes)).find_map(|shown| {
        let mut transactions = shown.transactions.iter().map(|shown| &shown.transaction().body);
        transactions.find(|body| body.id() == id).cloned()
    })
}
