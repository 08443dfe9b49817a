//! Holding for others.
//!
//! What a client may have held is bounded in bytes and in number, by sender, and by time; what all may, by the terms and by the room on the
//! disk. An envelope is taken in parts, in memory, and is said to be held once it is on disk. The receipt deletes it, and stays in
//! its place for [`RECEIPT_TIME`].

mod kept;
mod taking;

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::{Amount, Batch, IdentityId, NetworkId, Pending, Span, Store, Time};

use super::batch::{Cursor, HeldBatch};
use super::envelope::EnvelopeId;
use super::message::{Bill, HoldMessage, HoldRefusal, Word};
use super::receipt::Receipt;
use super::{FREE_TIME, GRACE_TIME, RECEIPT_TIME};
use kept::{CLIENTS, Client, ClientRecord, HELD, INDEX, Kept, RECEIPTS, key, read_key, read_receipt_key, receipt_key};
use taking::Bringing;

/// Receipts that are kept for one client, at most: for as many envelopes its senders are told what became of them.
const RECEIPTS_KEPT_MAX: usize = 65_536;
/// How often it is counted what everybody has used, and let go of what is over.
const SWEEP: Span = Span::minutes(10);
/// How often receipts are let go of whose time is over.
const SWEEP_RECEIPTS: Span = Span::days(1);
/// A sender may fill this part of what is held for a client.
const SENDER_SHARE: u64 = 4;

/// On what terms others are held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderTerms {
    /// Of 10^6 bytes for one day.
    pub price: Amount,
    pub clients_max: usize,
    /// Of all clients.
    pub bytes_max: u64,
    /// Of one client.
    pub client_bytes_max: u64,
    pub client_count_max: u64,
    /// How long anything is held.
    pub time_max: Span,
}

/// News of a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderNews {
    /// What this client has used and paid for in all.
    Earned { client: IdentityId, total: Amount },
    /// It is held for no more.
    Dropped { client: IdentityId, refusal: HoldRefusal },
    /// Somebody shows a receipt that the client has not signed.
    ForgedReceipt { peer: IdentityId },
}

/// What one call wants done, in this order: write, then send, then tell.
#[derive(Debug, Default)]
pub struct HolderStep {
    pub batch: Batch,
    pub sends: Vec<(IdentityId, HoldMessage)>,
    pub news: Vec<HolderNews>,
}

/// What is held can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is held for others can't be read ({0}); restore the data folder from a backup")]
pub struct HoldingDamaged(pub DecodeError);

/// The machine. Call order: [`load`](Self::load), then anything; after each call [`take_step`](Self::take_step). Nothing of a
/// step is sent before its writes are durable.
pub struct Holder {
    network: NetworkId,
    terms: Option<HolderTerms>,
    /// Bytes that can still be written.
    room: u64,
    clients: BTreeMap<IdentityId, Client>,
    /// Until when each receipt is kept.
    receipts: BTreeMap<IdentityId, BTreeMap<EnvelopeId, Time>>,
    bringing: BTreeMap<IdentityId, Bringing>,
    there: BTreeSet<IdentityId>,
    /// What those who are there and have promised nothing yet say that they spend: the promise may come after the word.
    unpaid: BTreeMap<IdentityId, Amount>,
    swept: Time,
    receipts_swept: Time,
    step: HolderStep,
}

impl Holder {
    /// Takes up what the store holds.
    ///
    /// # Errors
    /// [`HoldingDamaged`].
    pub fn load(network: NetworkId, store: &impl Store) -> Result<Self, HoldingDamaged> {
        let mut clients: BTreeMap<IdentityId, Client> = BTreeMap::new();
        for (key, value) in store.scan_prefix(CLIENTS, &[]) {
            let client = IdentityId::from_bytes(&key).map_err(HoldingDamaged)?;
            let ClientRecord { is_served, account, next } = ClientRecord::from_bytes(&value).map_err(HoldingDamaged)?;
            clients.insert(client, Client { is_served, account, next, ..Client::default() });
        }
        for (key, value) in store.scan_prefix(INDEX, &[]) {
            let (client, number) = read_key(&key).map_err(HoldingDamaged)?;
            let kept = Kept::from_bytes(&value).map_err(HoldingDamaged)?;
            clients.entry(client).or_default().insert(number, kept);
        }
        let mut receipts: BTreeMap<IdentityId, BTreeMap<EnvelopeId, Time>> = BTreeMap::new();
        for (key, value) in store.scan_prefix(RECEIPTS, &[]) {
            let KeptReceipt(until, _) = KeptReceipt::from_bytes(&value).map_err(HoldingDamaged)?;
            let (client, envelope) = read_receipt_key(&key).map_err(HoldingDamaged)?;
            receipts.entry(client).or_default().insert(envelope, until);
        }
        Ok(Self {
            network,
            terms: None,
            room: u64::MAX,
            clients,
            receipts,
            bringing: BTreeMap::new(),
            there: BTreeSet::new(),
            unpaid: BTreeMap::new(),
            swept: Time::ZERO,
            receipts_swept: Time::ZERO,
            step: HolderStep::default(),
        })
    }

    /// Holds for others on these terms from now on, or takes nothing new.
    pub fn set_terms(&mut self, terms: Option<HolderTerms>) {
        self.terms = terms;
    }

    pub fn terms(&self) -> Option<HolderTerms> {
        self.terms
    }

    /// How many bytes the disk has room for.
    pub fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// For whom it holds, and where they stand.
    pub fn clients(&self) -> impl Iterator<Item = (IdentityId, Bill)> {
        let served = self.clients.iter().filter(|(_, of)| of.is_served);
        served.map(|(client, _)| (*client, self.bill(*client)))
    }

    /// What all clients have paid for.
    pub fn earned(&self) -> Amount {
        Amount::checked_sum(self.clients.values().map(|client| client.account.earned)).unwrap_or(Amount::MAX)
    }

    /// All that the calls since the last time want done.
    pub fn take_step(&mut self) -> HolderStep {
        std::mem::take(&mut self.step)
    }

    pub fn handle_connected(&mut self, peer: IdentityId) {
        self.there.insert(peer);
        self.unpaid.remove(&peer);
        self.bringing.remove(&peer);
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        self.there.remove(&peer);
        self.unpaid.remove(&peer);
        self.bringing.remove(&peer);
    }

    /// What a client or a sender says. `credit` is what it has promised beyond what it has used.
    pub fn handle_message(
        &mut self,
        now: Time,
        peer: IdentityId,
        message: HoldMessage,
        credit: Amount,
        store: &impl Store,
    ) {
        match message {
            HoldMessage::Use { spent } => self.used_by(now, peer, spent, credit),
            HoldMessage::Leave => {
                self.drop_client(peer);
                self.step.sends.push((peer, HoldMessage::Left));
            }
            HoldMessage::Fetch { from } => self.hand_over(peer, from, store),
            HoldMessage::Had { receipts } => receipts.into_iter().for_each(|receipt| self.had(now, peer, receipt)),
            HoldMessage::Announce { client, envelopes } => {
                for announced in envelopes {
                    let word = self.word_on(now, peer, client, &announced, store);
                    self.say(peer, client, announced.envelope, word);
                }
            }
            HoldMessage::Part { client, envelope, index, bytes } => {
                self.part_came(now, peer, (client, envelope), index, bytes);
            }
            HoldMessage::Serving { .. }
            | HoldMessage::Refused { .. }
            | HoldMessage::Left
            | HoldMessage::Batch(_)
            | HoldMessage::Word { .. } => {}
        }
    }

    /// A client has promised more.
    pub fn handle_credit(&mut self, now: Time, client: IdentityId, credit: Amount) {
        match self.unpaid.remove(&client) {
            Some(spent) => self.used_by(now, client, spent, credit),
            None => self.earn(now, client, credit),
        }
    }

    /// Counts what was used, and lets go of what is over. Gives when it wants to do so again.
    pub fn handle_wake(&mut self, now: Time, credit: impl Fn(IdentityId) -> Amount) -> Time {
        if now < self.swept + SWEEP {
            return self.swept + SWEEP;
        }
        self.swept = now;
        let served = self.clients.iter().filter(|(_, of)| of.is_served).map(|(client, _)| *client);
        for client in served.collect::<Vec<_>>() {
            self.earn(now, client, credit(client));
            let Some(of) = self.served(client) else { continue };
            if of.account.unpaid_since.is_some_and(|since| since + GRACE_TIME <= now) {
                self.drop_client(client);
                self.step.news.push(HolderNews::Dropped { client, refusal: HoldRefusal::Unpaid });
                continue;
            }
            let over: Vec<u64> =
                of.held.iter().filter(|(_, kept)| kept.until <= now).map(|(number, _)| *number).collect();
            over.into_iter().for_each(|number| self.delete(now, client, number));
        }
        if self.receipts_swept + SWEEP_RECEIPTS <= now {
            self.receipts_swept = now;
            self.sweep_receipts(now);
        }
        now + SWEEP
    }

    fn sweep_receipts(&mut self, now: Time) {
        for (client, its) in &mut self.receipts {
            its.retain(|envelope, until| {
                let is_over = *until <= now;
                if is_over {
                    self.step.batch.delete(RECEIPTS, receipt_key(*client, *envelope));
                }
                !is_over
            });
        }
        self.receipts.retain(|_, its| !its.is_empty());
    }

    fn has_receipt(&self, client: IdentityId, envelope: EnvelopeId) -> bool {
        self.receipts.get(&client).is_some_and(|its| its.contains_key(&envelope))
    }

    fn used_by(&mut self, now: Time, client: IdentityId, spent: Amount, credit: Amount) {
        if self.served(client).is_none() {
            let count = self.clients.values().filter(|of| of.is_served).count();
            let refusal = match self.terms {
                None => Some(HoldRefusal::Unwilling),
                Some(terms) if count >= terms.clients_max => Some(HoldRefusal::DiskFull),
                // Whoever pays nothing ahead is a stranger of whom nothing is remembered.
                Some(terms) if !terms.price.is_zero() && (credit.is_zero() || spent.is_zero()) => {
                    Some(HoldRefusal::Unpaid)
                }
                Some(_) => None,
            };
            if let Some(refusal) = refusal {
                if refusal == HoldRefusal::Unpaid && !spent.is_zero() && self.there.contains(&client) {
                    self.unpaid.insert(client, spent);
                }
                let bill = self.bill(client);
                return self.step.sends.push((client, HoldMessage::Refused { refusal, bill }));
            }
        }
        let of = self.clients.entry(client).or_default();
        of.is_served = true;
        of.account.spent = of.account.spent.max(spent);
        self.earn(now, client, credit);
        self.say_standing(now, client);
    }

    fn served(&self, client: IdentityId) -> Option<&Client> {
        self.clients.get(&client).filter(|of| of.is_served)
    }

    /// Earns what was used, as far as the client spends it and has promised it.
    fn earn(&mut self, now: Time, client: IdentityId, credit: Amount) {
        let Some(of) = self.clients.get_mut(&client).filter(|of| of.is_served) else { return };
        let (account, bytes) = (&mut of.account, of.bytes);
        account.count(now, bytes);
        if let Some(terms) = self.terms {
            account.set_price(terms.price);
        }
        let owed = account.cost().saturating_sub(account.earned);
        let paid = owed.min(account.spent.saturating_sub(account.earned)).min(credit);
        account.earned = account.earned.checked_add(paid).unwrap_or(Amount::MAX);
        account.unpaid_since = (paid < owed).then(|| account.unpaid_since.unwrap_or(now));
        if !paid.is_zero() {
            self.step.news.push(HolderNews::Earned { client, total: account.earned });
        }
        self.put_client(client);
    }

    fn is_unpaid(&self, now: Time, client: &Client) -> bool {
        client.account.unpaid_since.is_some_and(|since| since + FREE_TIME <= now)
    }

    fn say_standing(&mut self, now: Time, client: IdentityId) {
        let Some(of) = self.served(client) else { return };
        let (bill, is_unpaid) = (self.bill(client), self.is_unpaid(now, of));
        let message = match (self.terms, is_unpaid) {
            (None, _) => HoldMessage::Refused { refusal: HoldRefusal::Unwilling, bill },
            (_, true) => HoldMessage::Refused { refusal: HoldRefusal::Unpaid, bill },
            _ => HoldMessage::Serving { bill },
        };
        self.step.sends.push((client, message));
    }

    fn bill(&self, client: IdentityId) -> Bill {
        let (price, bytes_max) =
            self.terms.map_or_else(Default::default, |terms| (terms.price, terms.client_bytes_max));
        let of = self.clients.get(&client);
        let used = of.map(|of| of.account.cost()).unwrap_or_default();
        let (count, bytes) = of.map_or((0, 0), |of| (of.held.len() as u64, of.bytes));
        Bill { used, price, count, bytes, bytes_max }
    }

    fn hand_over(&mut self, client: IdentityId, from: Cursor, store: &impl Store) {
        let Some(of) = self.served(client) else {
            let bill = self.bill(client);
            return self.step.sends.push((client, HoldMessage::Refused { refusal: HoldRefusal::NotClient, bill }));
        };
        let store = Pending { store, batch: &self.step.batch };
        let mut batch = HeldBatch::default();
        for (number, kept) in of.held.range(from.number..) {
            // It was written with the line that names it.
            let Some(whole) = store.load(HELD, &key(client, *number)) else { continue };
            let offset = if *number == from.number { from.offset.min(kept.length) } else { 0 };
            let at = Cursor { number: *number, offset };
            let added = batch.add(at, (kept.envelope, kept.until), &whole);
            if (offset as usize) + added < whole.len() {
                batch.has_more = true;
                break;
            }
        }
        self.step.sends.push((client, HoldMessage::Batch(batch)));
    }

    /// A client has an envelope, be it held here or not.
    fn had(&mut self, now: Time, client: IdentityId, receipt: Receipt) {
        let Some(of) = self.served(client) else { return };
        // What has one is not held, and was told to whoever brought it.
        if self.has_receipt(client, receipt.envelope) {
            return;
        }
        if receipt.verify(self.network, client).is_err() {
            return self.step.news.push(HolderNews::ForgedReceipt { peer: client });
        }
        let number = of.numbers.get(&receipt.envelope).copied();
        let sender = number.and_then(|number| of.held.get(&number)).map(|kept| kept.sender);
        number.into_iter().for_each(|number| self.delete(now, client, number));
        let its = self.receipts.entry(client).or_default();
        if its.len() < RECEIPTS_KEPT_MAX {
            let until = now + RECEIPT_TIME;
            its.insert(receipt.envelope, until);
            self.step.batch.put(
                RECEIPTS,
                receipt_key(client, receipt.envelope),
                KeptReceipt(until, receipt).to_bytes(),
            );
        }
        // Whoever brought it may be there; who is not asks when it comes back.
        if let Some(sender) = sender.filter(|sender| self.there.contains(sender)) {
            self.say(sender, client, receipt.envelope, Word::Had(receipt));
        }
    }

    fn say(&mut self, sender: IdentityId, client: IdentityId, envelope: EnvelopeId, word: Word) {
        self.step.sends.push((sender, HoldMessage::Word { client, envelope, word }));
    }

    fn delete(&mut self, now: Time, client: IdentityId, number: u64) {
        let Some(of) = self.clients.get_mut(&client) else { return };
        of.account.count(now, of.bytes);
        let Some(kept) = of.remove(number) else { return };
        self.room = self.room.saturating_add(u64::from(kept.length));
        self.step.batch.delete(INDEX, key(client, number));
        self.step.batch.delete(HELD, key(client, number));
        self.put_client(client);
    }

    fn put_client(&mut self, client: IdentityId) {
        if let Some(of) = self.clients.get(&client) {
            let record = ClientRecord { is_served: of.is_served, account: of.account, next: of.next };
            self.step.batch.put(CLIENTS, client.to_bytes(), record.to_bytes());
        }
    }

    /// Nothing of a client stays but what it has paid.
    fn drop_client(&mut self, client: IdentityId) {
        let Some(mut of) = self.clients.remove(&client) else { return };
        for number in of.held.keys() {
            self.step.batch.delete(INDEX, key(client, *number));
            self.step.batch.delete(HELD, key(client, *number));
        }
        self.room = self.room.saturating_add(of.bytes);
        for envelope in self.receipts.remove(&client).unwrap_or_default().into_keys() {
            self.step.batch.delete(RECEIPTS, receipt_key(client, envelope));
        }
        of.account.forgive();
        if of.account.earned.is_zero() {
            return self.step.batch.delete(CLIENTS, client.to_bytes());
        }
        self.clients.insert(client, Client { account: of.account, next: of.next, ..Client::default() });
        self.put_client(client);
    }
}

/// A receipt, and until when it is kept.
struct KeptReceipt(Time, Receipt);

impl Encode for KeptReceipt {
    fn encode(&self, out: &mut byway_primitives::Writer) {
        out.value(&self.0);
        out.value(&self.1);
    }
}

impl Decode for KeptReceipt {
    fn decode(input: &mut byway_primitives::Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.value()?, input.value()?))
    }
}
