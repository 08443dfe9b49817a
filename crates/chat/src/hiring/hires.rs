//! The hirer's side: which bots, up to how much, and what is spent on each.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, IdentityId, Space, Store, Time};

use super::message::{HireBill, HireMessage, HireRefusal};
use super::{ASK_AGAIN, By, HiringDamaged};
use crate::mls::RoomId;

/// Bots that are, or were, hired: key is the host.
const HIRES: Space = Space("bot-hires");

/// What one is ready to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hire {
    /// For one answer.
    pub price_max: Amount,
    /// For all answers together, of all times that it was hired.
    pub spent_max: Amount,
}

/// What one call wants done, in this order: write, then send.
#[derive(Debug, Default)]
pub struct HireStep {
    pub batch: Batch,
    pub sends: Vec<(IdentityId, HireMessage)>,
    /// What is spent on a host in all, and the price of one answer.
    pub spent: Vec<(IdentityId, Amount, Amount)>,
    /// Hosts with whom one stands otherwise than before.
    pub changed: Vec<IdentityId>,
}

/// Where one stands with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HireView {
    pub host: IdentityId,
    pub hire: Hire,
    pub spent: Amount,
    /// Messages that one said, and answers that were paid, since it was hired first.
    pub asked: u64,
    pub answered: u64,
    pub bill: Option<HireBill>,
    pub refusal: Option<HireRefusal>,
    /// Answers that the host wants to be paid for and has not given.
    pub claimed: u64,
    /// The next answer is not paid, since all that was allowed is spent.
    pub is_spent: bool,
    pub is_leaving: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Hired,
    /// Dismissed, and the host has not heard it.
    Leaving,
    Dismissed,
}

/// What is kept of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    hire: Hire,
    standing: Standing,
    /// In all: by our books, and by what the host was told, which may be more where ours are of an old disk.
    spent: Amount,
    said: Amount,
    /// What of that is for the next answer.
    ahead: Amount,
    asked: u64,
    heard: u64,
    /// What the host had counted when it was hired first.
    base: Option<u64>,
    answered: u64,
    since: Time,
    room: Option<RoomId>,
    scanned: u64,
}

struct Of {
    kept: Kept,
    asked_at: Time,
    bill: Option<HireBill>,
    refusal: Option<HireRefusal>,
}

/// The machine. Call order: [`load`](Self::load), then anything; after each call [`take_step`](Self::take_step).
pub struct Hires {
    of: BTreeMap<IdentityId, Of>,
    there: BTreeSet<IdentityId>,
    step: HireStep,
}

impl Hires {
    /// Takes up what the store holds.
    ///
    /// # Errors
    /// [`HiringDamaged`].
    pub fn load(store: &impl Store) -> Result<Self, HiringDamaged> {
        let mut of = BTreeMap::new();
        for (key, value) in store.scan_prefix(HIRES, &[]) {
            let host = IdentityId::from_bytes(&key).map_err(HiringDamaged)?;
            of.insert(host, Of::new(Kept::from_bytes(&value).map_err(HiringDamaged)?));
        }
        Ok(Self { of, there: BTreeSet::new(), step: HireStep::default() })
    }

    /// Bots that are hired, and those whose hosts have not heard yet that they are not any more.
    pub fn hires(&self) -> impl Iterator<Item = HireView> {
        self.of.iter().filter(|(_, of)| of.kept.standing != Standing::Dismissed).map(|(host, of)| of.view(*host))
    }

    pub fn hire_of(&self, host: IdentityId) -> Option<HireView> {
        self.hires().find(|view| view.host == host)
    }

    /// What was spent on a host in all, be its bot hired now or not.
    pub fn spent_on(&self, host: IdentityId) -> Amount {
        self.of.get(&host).map(|of| of.kept.spent).unwrap_or_default()
    }

    /// All that the calls since the last time want done.
    pub fn take_step(&mut self) -> HireStep {
        std::mem::take(&mut self.step)
    }

    /// Hires a bot on these terms, or changes them.
    pub fn hire(&mut self, now: Time, host: IdentityId, hire: Hire) {
        let of = self.of.entry(host).or_insert_with(|| Of::new(Kept::new(now, hire)));
        if of.kept.standing != Standing::Hired {
            // What was said meanwhile was not for the bot.
            (of.kept.since, of.kept.room) = (now, None);
        }
        (of.kept.hire, of.kept.standing) = (hire, Standing::Hired);
        self.pay(host);
        self.ask(now, host);
        self.put(host);
    }

    /// Has it hired no more. The host is told so until it has heard it.
    pub fn dismiss(&mut self, now: Time, host: IdentityId) {
        if let Some(of) = self.of.get_mut(&host).filter(|of| of.kept.standing == Standing::Hired) {
            of.kept.standing = Standing::Leaving;
            self.ask(now, host);
            self.put(host);
        }
    }

    pub fn handle_connected(&mut self, now: Time, host: IdentityId) {
        self.there.insert(host);
        let Some(of) = self.of.get_mut(&host) else { return };
        *of = Of::new(of.kept);
        // Whoever pays may have been stopped before it was promised.
        if !of.kept.spent.is_zero() && of.kept.standing == Standing::Hired {
            self.step.spent.push((host, of.kept.spent, of.kept.hire.price_max));
        }
        self.ask(now, host);
    }

    pub fn handle_disconnected(&mut self, host: IdentityId) {
        self.there.remove(&host);
    }

    /// Asks those again who refused or said nothing. Gives when it wants to do so again.
    pub fn handle_wake(&mut self, now: Time) -> Option<Time> {
        let waits =
            |(host, of): &(&IdentityId, &Of)| self.there.contains(host) && of.kept.standing != Standing::Dismissed;
        let there = self.of.iter().filter(waits).map(|(host, of)| (*host, of.is_due(now)));
        let there: Vec<(IdentityId, bool)> = there.collect();
        there.iter().filter(|(_, is_due)| *is_due).for_each(|(host, _)| self.ask(now, *host));
        (!there.is_empty()).then_some(now + ASK_AGAIN)
    }

    /// What a host says.
    pub fn handle_message(&mut self, host: IdentityId, message: HireMessage) {
        let Some(of) = self.of.get_mut(&host).filter(|_| self.there.contains(&host)) else { return };
        let (bill, refusal) = match message {
            HireMessage::Hired { bill } => (bill, None),
            HireMessage::Refused { refusal, bill } => (bill, Some(refusal)),
            HireMessage::Dismissed if of.kept.standing == Standing::Leaving => {
                (of.kept.standing, of.bill, of.refusal) = (Standing::Dismissed, None, None);
                self.step.changed.push(host);
                return self.put(host);
            }
            HireMessage::Dismissed | HireMessage::Hire { .. } | HireMessage::Dismiss => return,
        };
        if of.kept.standing != Standing::Hired {
            return;
        }
        (of.bill, of.refusal) = (Some(bill), refusal);
        of.kept.base = of.kept.base.or(Some(bill.answered));
        self.step.changed.push(host);
        self.pay(host);
        self.put(host);
    }

    /// Those whose conversations are to be looked at.
    pub fn follows(&self) -> impl Iterator<Item = IdentityId> {
        self.of.iter().filter(|(_, of)| of.kept.standing == Standing::Hired).map(|(host, _)| *host)
    }

    /// The conversation with a host as it is: begun then, with so many messages. Gives the place from which on [`said`](Self::said) is to
    /// be told, where there is something.
    pub fn look_from(&mut self, host: IdentityId, room: RoomId, begun: Time, messages: u64) -> Option<u64> {
        let of = self.of.get_mut(&host)?;
        if of.kept.room != Some(room) {
            let from = if begun >= of.kept.since { 0 } else { messages };
            (of.kept.room, of.kept.scanned) = (Some(room), from);
            self.put(host);
        }
        let from = self.of.get(&host)?.kept.scanned;
        (from < messages).then_some(from)
    }

    /// What stands in a place of the conversation with a host, told in order.
    pub fn said(&mut self, host: IdentityId, place: u64, by: By) {
        let Some(of) = self.of.get_mut(&host).filter(|of| of.kept.scanned <= place) else { return };
        of.kept.scanned = place + 1;
        match by {
            By::Us => of.kept.asked += 1,
            By::Them => of.kept.heard += 1,
            By::Nobody => {}
        }
        self.pay(host);
        self.put(host);
        self.step.changed.push(host);
    }

    /// Pays one answer ahead, and the next once that one was given. What the host says moves no more than that: an answer is one of as many as
    /// we said something, and of as many as it said something.
    fn pay(&mut self, host: IdentityId) {
        let Some(of) = self.of.get_mut(&host) else { return };
        let (Some(bill), kept) = (of.bill, &mut of.kept) else { return };
        let given = claimed(kept, bill).min(kept.asked).min(kept.heard);
        if given > kept.answered {
            let count = u128::from(given - kept.answered);
            let used = bill.price.mul_div_ceil(count, 1).unwrap_or(Amount::MAX);
            (kept.answered, kept.ahead) = (given, kept.ahead.saturating_sub(used));
        }
        let more = bill.price.saturating_sub(kept.ahead);
        let is_wanted = kept.standing == Standing::Hired && bill.price <= kept.hire.price_max && !more.is_zero();
        let total = kept.spent.checked_add(more).filter(|total| *total <= kept.hire.spent_max);
        let Some(total) = total.filter(|_| is_wanted) else { return };
        kept.said = kept.said.max(bill.earned).checked_add(more).unwrap_or(Amount::MAX);
        (kept.spent, kept.ahead) = (total, bill.price);
        let (price_max, spent) = (kept.hire.price_max, kept.said);
        self.step.spent.push((host, total, bill.price));
        self.step.sends.push((host, HireMessage::Hire { price_max, spent }));
    }

    fn ask(&mut self, now: Time, host: IdentityId) {
        let Some(of) = self.of.get_mut(&host).filter(|_| self.there.contains(&host)) else { return };
        let message = match of.kept.standing {
            Standing::Hired => HireMessage::Hire { price_max: of.kept.hire.price_max, spent: of.kept.said },
            Standing::Leaving => HireMessage::Dismiss,
            Standing::Dismissed => return,
        };
        of.asked_at = now;
        self.step.sends.push((host, message));
    }

    fn put(&mut self, host: IdentityId) {
        if let Some(of) = self.of.get(&host) {
            self.step.batch.put(HIRES, host.to_bytes(), of.kept.to_bytes());
        }
    }
}

fn claimed(kept: &Kept, bill: HireBill) -> u64 {
    bill.answered.saturating_sub(kept.base.unwrap_or(bill.answered))
}

impl Of {
    fn new(kept: Kept) -> Self {
        Self { kept, asked_at: Time::ZERO, bill: None, refusal: None }
    }

    fn is_due(&self, now: Time) -> bool {
        (self.bill.is_none() || self.refusal.is_some()) && self.asked_at + ASK_AGAIN <= now
    }

    fn view(&self, host: IdentityId) -> HireView {
        let kept = &self.kept;
        let given = kept.asked.min(kept.heard);
        let is_spent = self.bill.is_some_and(|bill| {
            let more = bill.price.saturating_sub(kept.ahead);
            !more.is_zero() && kept.spent.checked_add(more).is_none_or(|total| total > kept.hire.spent_max)
        });
        HireView {
            host,
            hire: kept.hire,
            spent: kept.spent,
            asked: kept.asked,
            answered: kept.answered,
            bill: self.bill,
            refusal: self.refusal,
            claimed: self.bill.map_or(0, |bill| claimed(kept, bill).saturating_sub(given)),
            is_spent,
            is_leaving: kept.standing == Standing::Leaving,
        }
    }
}

impl Kept {
    fn new(now: Time, hire: Hire) -> Self {
        let zero = Amount::ZERO;
        let standing = Standing::Hired;
        Self {
            hire,
            standing,
            spent: zero,
            said: zero,
            ahead: zero,
            asked: 0,
            heard: 0,
            base: None,
            answered: 0,
            since: now,
            room: None,
            scanned: 0,
        }
    }
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.standing as u8);
        let Hire { price_max, spent_max } = self.hire;
        [price_max, spent_max, self.spent, self.said, self.ahead].iter().for_each(|amount| out.value(amount));
        [self.asked, self.heard, self.answered, self.scanned].iter().for_each(|number| out.varint(*number));
        out.option(self.base.as_ref());
        out.value(&self.since);
        out.option(self.room.map(|room| byway_primitives::Hash(room.0)).as_ref());
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let standing = match input.byte()? {
            0 => Standing::Hired,
            1 => Standing::Leaving,
            2 => Standing::Dismissed,
            other => return Err(DecodeError::UnknownVariant { kind: "standing of a hire", value: other.into() }),
        };
        let hire = Hire { price_max: input.value()?, spent_max: input.value()? };
        let (spent, said, ahead) = (input.value()?, input.value()?, input.value()?);
        let (asked, heard, answered, scanned) = (input.u64()?, input.u64()?, input.u64()?, input.u64()?);
        let (base, since) = (input.option()?, input.value()?);
        let room: Option<byway_primitives::Hash> = input.option()?;
        let room = room.map(|hash| RoomId(hash.0));
        Ok(Self { hire, standing, spent, said, ahead, asked, heard, base, answered, since, room, scanned })
    }
}
