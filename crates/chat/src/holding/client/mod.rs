//! The client's side: has others hold for it, and fetches what they hold.

mod judging;
mod kept;

use std::collections::BTreeMap;

use byway_crypto::IdentitySecret;
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Amount, Batch, IdentityId, NetworkId, Space, Span, Store, Time};
use zeroize::Zeroizing;

use super::batch::{Cursor, HeldBatch, Piece};
use super::envelope::{Envelope, EnvelopeError, EnvelopeId};
use super::message::{Bill, HoldMessage, HoldRefusal};
use super::taken::Taken;
use super::{HoldingDamaged, LOOK_AGAIN, SAY_AGAIN};
use crate::delivery::ParcelId;
pub use judging::Judged;
use judging::{Counted, Owed, Recent};
use kept::Kept;
pub use kept::Plan;

/// Who holds for us: key is the holder.
const USES: Space = Space("hold-uses");
/// Days that are paid for ahead, whatever the plan.
const DAYS_MAX: u64 = 3_650;
/// After so many faults in one go nothing more is fetched from a holder until later.
const FAULTS_MAX: u32 = 16;
/// After so many fetches that it did not answer, one after the other, a holder that is there is silent.
const SILENT_AFTER: u32 = 3;

/// Whose client this is.
#[derive(Clone)]
pub struct HeldClientConfig {
    pub network: NetworkId,
    pub identity: IdentitySecret,
    /// That of the identity's dialogues.
    pub secret: Zeroizing<[u8; 32]>,
}

/// A parcel that was held, and by whom, in which envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    pub holder: IdentityId,
    pub envelope: EnvelopeId,
    pub until: Time,
    pub sender: IdentityId,
    pub parcel: ParcelId,
    pub bytes: Vec<u8>,
}

/// What is wrong with what a holder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldFault {
    #[error("pieces came in another order than that of what they are of")]
    Order,
    #[error("the pieces don't make the envelope that they are said to be of")]
    Hash,
    #[error("an envelope makes no sense: {0}")]
    Envelope(EnvelopeError),
    #[error("it says that there is more, and gives nothing")]
    Endless,
    #[error("it does not answer what is fetched")]
    Silent,
}

/// What one call wants done, in this order: write, then send.
#[derive(Debug, Default)]
pub struct ClientStep {
    pub batch: Batch,
    pub sends: Vec<(IdentityId, HoldMessage)>,
    /// What was handed over, for [`HeldClient::take`]: without that it stays with its holders and comes again.
    pub takings: Vec<Taking>,
    /// What is spent on a holder in all.
    pub spent: Vec<(IdentityId, Amount)>,
    pub faults: Vec<(IdentityId, HeldFault)>,
    /// What holders did, each sender once a day for and once against.
    pub judged: Vec<(IdentityId, Judged)>,
}

/// Where one stands with a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseView {
    pub holder: IdentityId,
    pub plan: Plan,
    pub spent: Amount,
    pub bill: Option<Bill>,
    pub refusal: Option<HoldRefusal>,
    pub is_leaving: bool,
    /// Envelopes that it has handed over, those that others did and it did not, and faults, since this side was started.
    pub given: u64,
    pub missed: u64,
    pub faults: u64,
}

struct Use {
    kept: Kept,
    is_there: bool,
    bill: Option<Bill>,
    refusal: Option<HoldRefusal>,
    /// Said, and not answered.
    asked: Option<Time>,
    fetching: Option<(Cursor, Time)>,
    /// Something came since the fetching began.
    has_news: bool,
    looks_at: Time,
    /// When the fetching from the start began.
    began: Time,
    /// Fetches without an answer, one after the other.
    unanswered: u32,
    gathering: Option<Gathering>,
    owed: Owed,
    counted: Counted,
    faults_now: u32,
    given: u64,
    missed: u64,
    faults: u64,
}

/// What there is of an envelope.
struct Gathering {
    number: u64,
    envelope: EnvelopeId,
    until: Time,
    length: u32,
    bytes: Vec<u8>,
}

/// The machine. Call order: [`load`](Self::load), then anything; after each call [`take_step`](Self::take_step).
pub struct HeldClient {
    config: HeldClientConfig,
    uses: BTreeMap<IdentityId, Use>,
    signed: Recent,
    step: ClientStep,
}

impl HeldClient {
    /// Takes up what the store holds.
    ///
    /// # Errors
    /// [`HoldingDamaged`].
    pub fn load(config: HeldClientConfig, store: &impl Store) -> Result<Self, HoldingDamaged> {
        let mut uses = BTreeMap::new();
        for (key, value) in store.scan_prefix(USES, &[]) {
            let holder = IdentityId::from_bytes(&key).map_err(HoldingDamaged)?;
            uses.insert(holder, Use::new(Kept::from_bytes(&value).map_err(HoldingDamaged)?));
        }
        Ok(Self { config, uses, signed: Recent::default(), step: ClientStep::default() })
    }

    /// Those who hold for us, or are told that they needn't any more.
    pub fn uses(&self) -> impl Iterator<Item = UseView> {
        self.uses.iter().map(|(holder, of)| UseView {
            holder: *holder,
            plan: of.kept.plan,
            spent: of.kept.spent,
            bill: of.bill,
            refusal: of.refusal,
            is_leaving: of.kept.is_leaving,
            given: of.given,
            missed: of.missed,
            faults: of.faults,
        })
    }

    /// All that the calls since the last time want done.
    pub fn take_step(&mut self) -> ClientStep {
        std::mem::take(&mut self.step)
    }

    /// Has somebody hold for us, on these terms.
    pub fn use_holder(&mut self, now: Time, holder: IdentityId, plan: Plan) {
        let of = self.uses.entry(holder).or_insert_with(|| Use::new(Kept::new(plan)));
        (of.kept.plan, of.kept.is_leaving) = (plan, false);
        self.put(holder);
        self.ask(now, holder);
    }

    /// Has it hold for us no more; what it holds is lost there. It is told so until it has heard it.
    pub fn leave(&mut self, now: Time, holder: IdentityId) {
        if let Some(of) = self.uses.get_mut(&holder) {
            of.kept.is_leaving = true;
            self.put(holder);
            self.ask(now, holder);
        }
    }

    pub fn handle_connected(&mut self, now: Time, holder: IdentityId) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        let (owed, counted) = (std::mem::take(&mut of.owed), std::mem::take(&mut of.counted));
        let Use { given, missed, faults, kept, .. } = *of;
        *of = Use { is_there: true, owed, counted, given, missed, faults, ..Use::new(kept) };
        // Whoever pays may have been stopped before it was promised.
        if !of.kept.spent.is_zero() {
            self.step.spent.push((holder, of.kept.spent));
        }
        self.ask(now, holder);
    }

    pub fn handle_disconnected(&mut self, holder: IdentityId) {
        if let Some(of) = self.uses.get_mut(&holder) {
            (of.is_there, of.fetching, of.gathering, of.asked) = (false, None, None, None);
        }
    }

    /// Says again what has no answer, and looks whether there is something new. Gives when it wants to do so again.
    pub fn handle_wake(&mut self, now: Time) -> Option<Time> {
        let there = self.uses.iter().filter(|(_, of)| of.is_there).map(|(holder, _)| *holder);
        let there: Vec<IdentityId> = there.collect();
        for holder in &there {
            let Some(of) = self.uses.get_mut(holder) else { continue };
            let is_over = |at: Time| at + SAY_AGAIN <= now;
            if of.asked.is_some_and(is_over) {
                self.ask(now, *holder);
            } else if let Some((from, _)) = of.fetching.filter(|(_, at)| is_over(*at)) {
                of.unanswered += 1;
                match of.unanswered < SILENT_AFTER {
                    true => self.fetch(now, *holder, from),
                    false => {
                        self.fault(*holder, HeldFault::Silent);
                        self.rest(now, *holder);
                    }
                }
            } else if of.fetching.is_none() && of.looks_at <= now {
                self.look(now, *holder);
            }
        }
        (!there.is_empty()).then_some(now + SAY_AGAIN)
    }

    /// Looks now whether those who are there hold something.
    pub fn look_now(&mut self, now: Time) {
        for of in self.uses.values_mut() {
            of.looks_at = now;
        }
        self.handle_wake(now);
    }

    /// What a holder says.
    pub fn handle_message(&mut self, now: Time, holder: IdentityId, message: HoldMessage) {
        if !self.uses.get(&holder).is_some_and(|of| of.is_there) {
            return;
        }
        match message {
            HoldMessage::Serving { bill } => self.standing(now, holder, bill, None),
            HoldMessage::Refused { refusal, bill } => self.standing(now, holder, bill, Some(refusal)),
            HoldMessage::Left if self.uses.get(&holder).is_some_and(|of| of.kept.is_leaving) => {
                self.uses.remove(&holder);
                self.step.batch.delete(USES, holder.to_bytes());
            }
            HoldMessage::Batch(batch) => self.batch_came(now, holder, batch),
            _ => {}
        }
    }

    /// Has a parcel taken that was handed over, unless it came before, by whatever way. What `accept` can't take yet has no receipt, so
    /// that it stays with its holders; all that it writes is to be durable with this step. `false` where it was not taken.
    pub fn take(
        &mut self,
        now: Time,
        taking: &Taking,
        store: &impl Store,
        accept: impl FnOnce(&Taking) -> bool,
    ) -> bool {
        let mut taken = Taken { store, batch: &mut self.step.batch };
        if !taken.contains(taking.sender, taking.parcel) {
            if !accept(taking) {
                return false;
            }
            taken.take(taking.sender, taking.parcel);
        }
        let signed = self.sign(now, taking.holder, (taking.envelope, taking.until), Some(taking.sender));
        self.say_had(taking.holder, &[signed.receipt]);
        true
    }

    fn standing(&mut self, now: Time, holder: IdentityId, bill: Bill, refusal: Option<HoldRefusal>) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        if of.kept.is_leaving {
            return;
        }
        if refusal == Some(HoldRefusal::NotClient) {
            // It says so to whoever fetches, and has said why to whoever wanted to be held for.
            of.fetching = None;
            of.refusal = of.refusal.or(refusal);
            return;
        }
        (of.bill, of.refusal, of.asked) = (Some(bill), refusal, None);
        of.kept.said = of.kept.said.max(bill.used);
        let since = refusal.is_none().then(|| of.kept.since.unwrap_or(now));
        if since != of.kept.since {
            of.kept.since = since;
            self.put(holder);
        }
        self.pay(now, holder, bill);
        let Some(of) = self.uses.get_mut(&holder) else { return };
        of.has_news |= bill.count > 0;
        // Also who takes nothing new hands over what it holds.
        if of.fetching.is_none() && (of.has_news || of.looks_at <= now) {
            self.look(now, holder);
        }
    }

    /// Pays ahead what the plan says, once half of what was paid is used. What the holder says was used moves no more than that, and only
    /// once in half of the days.
    fn pay(&mut self, now: Time, holder: IdentityId, bill: Bill) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        let Plan { price_max, megabytes, days, .. } = of.kept.plan;
        let days = days.min(DAYS_MAX);
        let budget = bill.price.mul_div_ceil(u128::from(megabytes) * u128::from(days), 1);
        let Some(budget) = budget.filter(|budget| bill.price <= price_max && !budget.is_zero()) else { return };
        let left = of.kept.said.saturating_sub(bill.used);
        let half = Span(Span::days(days).0 / 2);
        let is_soon = of.kept.paid_at.is_some_and(|at| now < at + half);
        if is_soon || left > Amount::from_units(budget.units() / 2) {
            return;
        }
        let more = budget.saturating_sub(left);
        for sum in [&mut of.kept.spent, &mut of.kept.said] {
            *sum = sum.checked_add(more).unwrap_or(Amount::MAX);
        }
        of.kept.paid_at = Some(now);
        let total = of.kept.spent;
        self.step.spent.push((holder, total));
        self.put(holder);
        self.ask(now, holder);
    }

    fn batch_came(&mut self, now: Time, holder: IdentityId, batch: HeldBatch) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        let Some((from, _)) = of.fetching else { return };
        let has_more = batch.has_more;
        let is_old = batch.pieces().first().is_some_and(|piece| piece.at < from);
        if is_old {
            return;
        }
        of.unanswered = 0;
        let mut next = from;
        let mut receipts = Vec::new();
        for piece in batch.into_pieces() {
            next = Cursor { number: piece.at.number, offset: piece.at.offset + piece.bytes.len() as u32 };
            let opened = match self.piece_came(holder, piece) {
                Ok(None) => continue,
                Ok(Some((envelope, whole))) => match self.signed.of(envelope) {
                    // Another has handed it over, or this one did before.
                    Some(signed) => {
                        self.kept(now, holder, signed);
                        receipts.push(signed.receipt);
                        continue;
                    }
                    None => {
                        let until = whole.until;
                        let opened = self.opened(holder, (envelope, &whole));
                        if opened.is_err() {
                            receipts.push(self.sign(now, holder, (envelope, until), None).receipt);
                        }
                        opened
                    }
                },
                Err(fault) => Err(fault),
            };
            match opened {
                Ok(taking) => self.step.takings.push(taking),
                Err(fault) => self.fault(holder, fault),
            }
        }
        if has_more && next == from {
            self.fault(holder, HeldFault::Endless);
            return self.rest(now, holder);
        }
        self.say_had(holder, &receipts);
        let faults = self.uses.get(&holder).map_or(0, |of| of.faults_now);
        match has_more && faults < FAULTS_MAX {
            true => self.fetch(now, holder, next),
            false => self.rest(now, holder),
        }
    }

    /// Adds a piece to what there is; gives what is whole.
    fn piece_came(&mut self, holder: IdentityId, piece: Piece) -> Result<Option<(EnvelopeId, Envelope)>, HeldFault> {
        let Some(of) = self.uses.get_mut(&holder) else { return Ok(None) };
        let Piece { at, envelope, until, length, bytes } = piece;
        if at.offset == 0 {
            of.gathering = Some(Gathering { number: at.number, envelope, until, length, bytes: Vec::new() });
        }
        let continues = |known: &&mut Gathering| {
            (known.number, known.envelope, known.until, known.length) == (at.number, envelope, until, length)
                && known.bytes.len() == at.offset as usize
        };
        let Some(gathering) = of.gathering.as_mut().filter(continues) else {
            of.gathering = None;
            return Err(HeldFault::Order);
        };
        gathering.bytes.extend_from_slice(&bytes);
        if gathering.bytes.len() < length as usize {
            return Ok(None);
        }
        let sealed = of.gathering.take().map(|gathering| gathering.bytes).unwrap_or_default();
        let whole = Envelope { until, sealed };
        if EnvelopeId::of(self.config.identity.id(), &whole) != envelope {
            return Err(HeldFault::Hash);
        }
        of.given += 1;
        Ok(Some((envelope, whole)))
    }

    /// What makes no sense is done with as well: it would make no more sense a second time.
    fn opened(&mut self, holder: IdentityId, (envelope, whole): (EnvelopeId, &Envelope)) -> Result<Taking, HeldFault> {
        let opened = whole.open(self.config.network, self.config.identity.id(), &self.config.secret);
        let opened = opened.map_err(HeldFault::Envelope)?;
        let parcel = ParcelId::of(&opened.parcel);
        let (until, sender) = (whole.until, opened.sender);
        Ok(Taking { holder, envelope, until, sender, parcel, bytes: opened.parcel })
    }

    fn fault(&mut self, holder: IdentityId, fault: HeldFault) {
        // An envelope that makes no sense is its sender's fault.
        if let (Some(of), false) = (self.uses.get_mut(&holder), matches!(fault, HeldFault::Envelope(_))) {
            of.faults += 1;
            of.faults_now += 1;
        }
        self.step.faults.push((holder, fault));
    }

    fn look(&mut self, now: Time, holder: IdentityId) {
        if let Some(of) = self.uses.get_mut(&holder) {
            (of.has_news, of.faults_now, of.gathering) = (false, 0, None);
            (of.began, of.unanswered) = (now, 0);
            self.fetch(now, holder, Cursor::default());
        }
    }

    fn fetch(&mut self, now: Time, holder: IdentityId, from: Cursor) {
        if let Some(of) = self.uses.get_mut(&holder).filter(|of| of.is_there) {
            of.fetching = Some((from, now));
            self.step.sends.push((holder, HoldMessage::Fetch { from }));
        }
    }

    /// All is fetched for now.
    fn rest(&mut self, now: Time, holder: IdentityId) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        (of.fetching, of.gathering, of.looks_at) = (None, None, now + LOOK_AGAIN);
        self.judge(now, holder);
        let Some(of) = self.uses.get_mut(&holder) else { return };
        if of.has_news && of.faults_now == 0 {
            self.look(now, holder);
        }
    }

    fn ask(&mut self, now: Time, holder: IdentityId) {
        let Some(of) = self.uses.get_mut(&holder).filter(|of| of.is_there) else { return };
        of.asked = Some(now);
        let message = if of.kept.is_leaving { HoldMessage::Leave } else { HoldMessage::Use { spent: of.kept.said } };
        self.step.sends.push((holder, message));
    }

    fn put(&mut self, holder: IdentityId) {
        if let Some(of) = self.uses.get(&holder) {
            self.step.batch.put(USES, holder.to_bytes(), of.kept.to_bytes());
        }
    }
}

impl Use {
    fn new(kept: Kept) -> Self {
        Self {
            kept,
            is_there: false,
            bill: None,
            refusal: None,
            asked: None,
            fetching: None,
            has_news: false,
            looks_at: Time::ZERO,
            began: Time::ZERO,
            unanswered: 0,
            gathering: None,
            owed: Owed::default(),
            counted: Counted::default(),
            faults_now: 0,
            given: 0,
            missed: 0,
            faults: 0,
        }
    }
}
