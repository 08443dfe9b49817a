//! The host's side: whose messages its bot is given, and what it earns by the answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, IdentityId, Space, Store, Time};

use super::card::BotCard;
use super::message::{HireBill, HireMessage, HireRefusal};
use super::{ANSWER_TIME, By, CLIENTS_MAX, HiringDamaged, WAITING_MAX};
use crate::mls::RoomId;

/// Who has hired the bot: key is the client.
const CLIENTS: Space = Space("bot-clients");
/// What is offered, under one key.
const TERMS: Space = Space("bot-terms");
const OWN: [u8; 1] = [0];

/// What a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotTerms {
    pub card: BotCard,
    /// Of one answer.
    pub price: Amount,
}

/// What one call wants done, in this order: write, then send, then tell.
#[derive(Debug, Default)]
pub struct HostStep {
    pub batch: Batch,
    pub sends: Vec<(IdentityId, HireMessage)>,
    pub news: Vec<HostNews>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostNews {
    /// What the answers to a client have earned in all.
    Earned { client: IdentityId, total: Amount },
    /// Somebody has hired the bot, or dismissed it, or said or paid something.
    Changed { client: IdentityId },
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BotClientView {
    pub client: IdentityId,
    pub room: Option<RoomId>,
    /// The bot is given what the client says from this place on, …
    pub begins: u64,
    /// … up to before this one.
    pub released: u64,
    pub waiting: u64,
    pub answered: u64,
    pub earned: Amount,
}

/// A message that the bot was given, and has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    at: Time,
    price: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    /// Whether it has hired the bot and paid ahead. Of whoever had, the account stays: the two count on from there.
    is_served: bool,
    /// Whether it has said in this dialogue that it hires the bot.
    is_asking: bool,
    price_max: Amount,
    /// In all, by its word, and what of that was earned.
    spent: Amount,
    earned: Amount,
    answered: u64,
    /// Since when it is a client: what was said before is not for the bot.
    since: Time,
    room: Option<RoomId>,
    /// The place of what is looked at next: for messages of the client, which wait in the conversation alone while too many wait here, and for
    /// answers.
    asked_next: u64,
    said_next: u64,
    begins: u64,
    released: u64,
    /// Places of messages that the bot was not given yet.
    waiting: VecDeque<u64>,
    given: Option<Given>,
    /// What it was told last, in this dialogue.
    told: Option<Result<(), HireRefusal>>,
}

/// The machine. Call order: [`load`](Self::load), then anything; after each call [`take_step`](Self::take_step). Nothing of a
/// step is sent before its writes are durable.
pub struct BotHost {
    terms: Option<BotTerms>,
    clients: BTreeMap<IdentityId, Client>,
    there: BTreeSet<IdentityId>,
    step: HostStep,
}

impl BotHost {
    /// Takes up what the store holds.
    ///
    /// # Errors
    /// [`HiringDamaged`].
    pub fn load(store: &impl Store) -> Result<Self, HiringDamaged> {
        let terms = store.load(TERMS, &OWN).map(|bytes| BotTerms::from_bytes(&bytes));
        let mut clients = BTreeMap::new();
        for (key, value) in store.scan_prefix(CLIENTS, &[]) {
            let client = IdentityId::from_bytes(&key).map_err(HiringDamaged)?;
            clients.insert(client, Client::from_bytes(&value).map_err(HiringDamaged)?);
        }
        let terms = terms.transpose().map_err(HiringDamaged)?;
        Ok(Self { terms, clients, there: BTreeSet::new(), step: HostStep::default() })
    }

    pub fn terms(&self) -> Option<&BotTerms> {
        self.terms.as_ref()
    }

    /// Offers a bot on these terms from now on, or none. `credit` is what somebody has promised beyond what they have used.
    pub fn set_terms(&mut self, terms: Option<BotTerms>, credit: impl Fn(IdentityId) -> Amount) {
        match &terms {
            Some(terms) => self.step.batch.put(TERMS, OWN, terms.to_bytes()),
            None => self.step.batch.delete(TERMS, OWN),
        }
        self.terms = terms;
        let there: Vec<IdentityId> = self.there.iter().copied().collect();
        there.into_iter().for_each(|client| self.look(client, credit(client)));
    }

    /// Those who have hired the bot.
    pub fn clients(&self) -> impl Iterator<Item = BotClientView> {
        let served = self.clients.iter().filter(|(_, of)| of.is_served);
        served.map(|(client, of)| BotClientView {
            client: *client,
            room: of.room,
            begins: of.begins,
            released: of.released,
            waiting: of.waiting.len() as u64,
            answered: of.answered,
            earned: of.earned,
        })
    }

    pub fn serves(&self, client: IdentityId) -> bool {
        self.clients.get(&client).is_some_and(|of| of.is_served)
    }

    /// What all clients have paid for.
    pub fn earned(&self) -> Amount {
        Amount::checked_sum(self.clients.values().map(|client| client.earned)).unwrap_or(Amount::MAX)
    }

    /// All that the calls since the last time want done.
    pub fn take_step(&mut self) -> HostStep {
        std::mem::take(&mut self.step)
    }

    pub fn handle_connected(&mut self, peer: IdentityId) {
        self.there.insert(peer);
        if let Some(of) = self.clients.get_mut(&peer) {
            of.told = None;
        }
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        self.there.remove(&peer);
        let Some(of) = self.clients.get_mut(&peer) else { return };
        of.is_asking = false;
        if !of.is_kept() {
            // Of whoever has paid nothing, nothing is remembered.
            self.clients.remove(&peer);
        } else if !of.is_served {
            of.room = None;
        }
    }

    /// What a client says.
    pub fn handle_message(&mut self, now: Time, peer: IdentityId, message: HireMessage, credit: Amount) {
        match message {
            HireMessage::Hire { price_max, spent } => {
                if self.terms.is_some() || self.clients.contains_key(&peer) {
                    let of = self.clients.entry(peer).or_insert_with(|| Client::new(now));
                    if !of.is_served && !of.is_asking {
                        (of.since, of.room) = (now, None);
                    }
                    of.is_asking = true;
                    (of.price_max, of.spent, of.told) = (price_max, of.spent.max(spent), None);
                    self.look(peer, credit);
                } else {
                    let (refusal, bill) = (HireRefusal::Unwilling, HireBill::default());
                    self.step.sends.push((peer, HireMessage::Refused { refusal, bill }));
                }
            }
            HireMessage::Dismiss => {
                self.dismissed(peer);
                self.step.sends.push((peer, HireMessage::Dismissed));
            }
            HireMessage::Hired { .. } | HireMessage::Refused { .. } | HireMessage::Dismissed => {}
        }
    }

    /// A client has promised more.
    pub fn handle_credit(&mut self, client: IdentityId, credit: Amount) {
        self.look(client, credit);
    }

    /// Those whose conversations are to be looked at.
    pub fn follows(&self) -> impl Iterator<Item = IdentityId> {
        self.clients.iter().filter(|(_, of)| of.is_served || of.is_asking).map(|(client, _)| *client)
    }

    /// The conversation with a client as it is: begun then, with so many messages. Gives the place from which on
    /// [`said`](Self::said) is to be told, where there is something and room for it.
    pub fn look_from(&mut self, client: IdentityId, room: RoomId, begun: Time, messages: u64) -> Option<u64> {
        let of = self.clients.get_mut(&client).filter(|of| of.is_served || of.is_asking)?;
        if of.room != Some(room) {
            // What was said before the bot was hired is not for it.
            let from = if begun >= of.since { 0 } else { messages };
            (of.room, of.begins, of.released, of.given) = (Some(room), from, from, None);
            (of.asked_next, of.said_next) = (from, from);
            of.waiting.clear();
            self.put(client);
        }
        let of = self.clients.get(&client)?;
        let next = if of.has_room() { of.asked_next.min(of.said_next) } else { of.said_next };
        (next < messages).then_some(next)
    }

    /// What stands in a place of the conversation with a client, told in order.
    pub fn said(&mut self, client: IdentityId, place: u64, by: By, credit: Amount) {
        let Some(of) = self.clients.get_mut(&client) else { return };
        if of.has_room() && place >= of.asked_next {
            of.asked_next = place + 1;
            of.waiting.extend((by == By::Them).then_some(place));
        }
        let is_new = place >= of.said_next;
        of.said_next = of.said_next.max(place + 1);
        if by == By::Us
            && is_new
            && let Some(given) = of.given.take()
        {
            let paid = given.price.min(of.left()).min(credit);
            of.earned = of.earned.checked_add(paid).unwrap_or(Amount::MAX);
            of.answered += 1;
            of.told = None;
            let total = of.earned;
            self.step.news.push(HostNews::Earned { client, total });
            self.look(client, credit.saturating_sub(paid));
        }
        self.put(client);
        self.step.news.push(HostNews::Changed { client });
    }

    /// The bot is there, and is given what it may be. Who has not paid for what waits is told so.
    pub fn work(&mut self, now: Time, credit: impl Fn(IdentityId) -> Amount) {
        let served: Vec<IdentityId> = self.clients().map(|view| view.client).collect();
        for client in served {
            let credit = credit(client);
            let standing = self.standing(client, credit);
            let price = self.price();
            let Some(of) = self.clients.get_mut(&client) else { continue };
            if of.given.is_some_and(|given| now < given.at + ANSWER_TIME) || of.waiting.is_empty() {
                continue;
            }
            if standing.is_ok()
                && let Some(place) = of.waiting.pop_front()
            {
                (of.given, of.released) = (Some(Given { at: now, price }), place + 1);
                self.put(client);
            } else {
                self.look(client, credit);
            }
        }
    }

    fn price(&self) -> Amount {
        self.terms.as_ref().map(|terms| terms.price).unwrap_or_default()
    }

    /// Whether a client's next message is given to the bot.
    fn standing(&self, client: IdentityId, credit: Amount) -> Result<(), HireRefusal> {
        let terms = self.terms.as_ref().ok_or(HireRefusal::Unwilling)?;
        let of = self.clients.get(&client).ok_or(HireRefusal::Unwilling)?;
        if !of.is_served && self.clients().count() >= CLIENTS_MAX {
            return Err(HireRefusal::Full);
        }
        if terms.price > of.price_max {
            return Err(HireRefusal::TooDear);
        }
        if of.left().min(credit) < terms.price { Err(HireRefusal::Unpaid) } else { Ok(()) }
    }

    /// Serves whoever has paid, and says where they stand, where that is not known to them.
    fn look(&mut self, client: IdentityId, credit: Amount) {
        let standing = self.standing(client, credit);
        let Some(of) = self.clients.get_mut(&client) else { return };
        if standing.is_ok() && !of.is_served {
            of.is_served = true;
            self.step.news.push(HostNews::Changed { client });
            self.put(client);
        }
        let bill = self.bill(client);
        let Some(of) = self.clients.get_mut(&client) else { return };
        let standing = match standing {
            // The next answer is about to be paid, and nobody waits for it yet.
            Err(HireRefusal::Unpaid) if of.is_served && of.waiting.is_empty() => Ok(()),
            other => other,
        };
        if of.told == Some(standing) {
            return;
        }
        of.told = Some(standing);
        self.put(client);
        if self.there.contains(&client) {
            let message = match standing {
                Ok(()) => HireMessage::Hired { bill },
                Err(refusal) => HireMessage::Refused { refusal, bill },
            };
            self.step.sends.push((client, message));
        }
    }

    fn bill(&self, client: IdentityId) -> HireBill {
        let price = self.price();
        self.clients.get(&client).map_or(HireBill { price, ..HireBill::default() }, |of| HireBill {
            earned: of.earned,
            price,
            answered: of.answered,
            waiting: of.waiting.len() as u64,
        })
    }

    /// Nothing of a client stays but what it has paid.
    fn dismissed(&mut self, client: IdentityId) {
        let Some(of) = self.clients.get_mut(&client) else { return };
        (of.is_served, of.is_asking, of.room, of.given) = (false, false, None, None);
        of.waiting.clear();
        if of.is_kept() {
            self.put(client);
        } else {
            self.clients.remove(&client);
            self.step.batch.delete(CLIENTS, client.to_bytes());
        }
        self.step.news.push(HostNews::Changed { client });
    }

    fn put(&mut self, client: IdentityId) {
        if let Some(of) = self.clients.get(&client).filter(|of| of.is_kept()) {
            self.step.batch.put(CLIENTS, client.to_bytes(), of.to_bytes());
        }
    }
}

impl Client {
    fn new(now: Time) -> Self {
        Self {
            is_served: false,
            is_asking: false,
            price_max: Amount::ZERO,
            spent: Amount::ZERO,
            earned: Amount::ZERO,
            answered: 0,
            since: now,
            room: None,
            asked_next: 0,
            said_next: 0,
            begins: 0,
            released: 0,
            waiting: VecDeque::new(),
            given: None,
            told: None,
        }
    }

    fn is_kept(&self) -> bool {
        self.is_served || !self.earned.is_zero()
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    /// What it spends and was not earned.
    fn left(&self) -> Amount {
        self.spent.saturating_sub(self.earned)
    }
}

impl Encode for BotTerms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.card);
        out.value(&self.price);
    }
}

impl Decode for BotTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { card: input.value()?, price: input.value()? })
    }
}

impl Encode for Given {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.at);
        out.value(&self.price);
    }
}

impl Decode for Given {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { at: input.value()?, price: input.value()? })
    }
}

impl Encode for Client {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.is_served);
        [self.price_max, self.spent, self.earned].iter().for_each(|amount| out.value(amount));
        out.varint(self.answered);
        out.value(&self.since);
        out.option(self.room.map(|room| byway_primitives::Hash(room.0)).as_ref());
        [self.asked_next, self.said_next, self.begins, self.released].iter().for_each(|place| out.varint(*place));
        let waiting: Vec<u64> = self.waiting.iter().copied().collect();
        out.list(&waiting);
        out.option(self.given.as_ref());
    }
}

impl Decode for Client {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let is_served = input.flag()?;
        let (price_max, spent, earned) = (input.value()?, input.value()?, input.value()?);
        let (answered, since) = (input.u64()?, input.value()?);
        let room: Option<byway_primitives::Hash> = input.option()?;
        let (asked_next, said_next, begins, released) = (input.u64()?, input.u64()?, input.u64()?, input.u64()?);
        let waiting: Vec<u64> = input.list(WAITING_MAX)?;
        let (room, waiting, given) = (room.map(|hash| RoomId(hash.0)), waiting.into(), input.option()?);
        Ok(Self {
            is_served,
            is_asking: false,
            price_max,
            spent,
            earned,
            answered,
            since,
            room,
            asked_next,
            said_next,
            begins,
            released,
            waiting,
            given,
            told: None,
        })
    }
}
