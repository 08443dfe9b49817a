//! Many people who are seldom there, and holders of whom a third fail: every message arrives, once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_chat::delivery::{ChatMessage, Gathered, Inbox, Letter, Outbox, ParcelId};
use byway_chat::holding::{
    ClientStep, HeldBatch, HeldClient, HoldMessage, Holder, HolderStep, Plan, Receipt, Sending, Taken, Word,
};
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::{Amount, Batch, IdentityId, MemoryStore, Span, Time};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::rig::{NETWORK, START, client_config, dialogue_key, secret, sending_config, terms};

const PEOPLE: usize = 60;
const HOLDERS: usize = 18;
const HOLDERS_EACH: usize = 3;
const DAYS: u64 = 14;
/// People do some ten things for a message: so it is ten times as many crashes, however many messages there are.
const CRASHES: u64 = 20;
/// Between two steps.
const STEP: Span = Span::minutes(30);
const STEPS_A_DAY: u64 = Span::days(1).0 / STEP.0;

/// How a holder fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Half of what it is told, and of what it says, is lost.
    Drops,
    Duplicates,
    /// Says everything in another order.
    Reorders,
    /// Hands nothing over.
    Withholds,
    /// Says that it holds what it threw away, and that it was received, and hands over what nobody gave it.
    Lies,
    /// Says everything a day later.
    Late,
}

const FAULTS: [Fault; 6] =
    [Fault::Drops, Fault::Duplicates, Fault::Reorders, Fault::Withholds, Fault::Lies, Fault::Late];

struct Person {
    number: u64,
    id: IdentityId,
    disk: MemoryStore,
    outbox: Outbox,
    inbox: Inbox,
    sending: Sending,
    client: HeldClient,
    is_up: bool,
}

struct Keeper {
    id: IdentityId,
    disk: MemoryStore,
    holder: Holder,
    fault: Option<Fault>,
    /// What its clients have seen of it: kept, missed, and what can't be.
    seen: [u64; 3],
}

impl Person {
    fn new(number: u64) -> Self {
        let disk = MemoryStore::new();
        let (outbox, inbox) = (Outbox::load(&disk), Inbox::load(&disk));
        let sending = Sending::load(sending_config(number), &disk).unwrap();
        let client = HeldClient::load(client_config(number), &disk).unwrap();
        Self { number, id: secret(number).id(), disk, outbox, inbox, sending, client, is_up: true }
    }

    /// Has lost its memory.
    fn restart(&mut self) {
        (self.outbox, self.inbox) = (Outbox::load(&self.disk), Inbox::load(&self.disk));
        self.sending = Sending::load(sending_config(self.number), &self.disk).unwrap();
        self.client = HeldClient::load(client_config(self.number), &self.disk).unwrap();
    }
}

enum Said {
    Hold(HoldMessage),
    Chat(ChatMessage),
}

struct World {
    random: ChaCha20Rng,
    now: Time,
    people: Vec<Person>,
    keepers: Vec<Keeper>,
    numbers: BTreeMap<IdentityId, usize>,
    keeper_numbers: BTreeMap<IdentityId, usize>,
    holders_of: Vec<Vec<IdentityId>>,
    links: BTreeSet<(usize, usize)>,
    wire: VecDeque<(IdentityId, IdentityId, Said)>,
    late: VecDeque<(Time, IdentityId, IdentityId, HoldMessage)>,
    /// What was posted, and how often it has come to whom it is for.
    posted: BTreeMap<ParcelId, (IdentityId, u32)>,
    by_holder: u64,
    missing: usize,
    /// One in so many things that somebody does is a crash.
    crash_each: u64,
}

impl World {
    fn new(seed: u64, messages: u64) -> Self {
        let people: Vec<Person> = (0..PEOPLE as u64).map(Person::new).collect();
        let keeper = |number: usize| Keeper {
            id: secret(1000 + number as u64).id(),
            disk: MemoryStore::new(),
            holder: Holder::load(NETWORK, &MemoryStore::new()).unwrap(),
            fault: number.is_multiple_of(3).then(|| FAULTS[number / 3 % FAULTS.len()]),
            seen: [0; 3],
        };
        let keepers: Vec<Keeper> = (0..HOLDERS).map(keeper).collect();
        let mut world = Self {
            random: ChaCha20Rng::seed_from_u64(seed),
            now: START,
            numbers: people.iter().enumerate().map(|(number, person)| (person.id, number)).collect(),
            keeper_numbers: keepers.iter().enumerate().map(|(number, keeper)| (keeper.id, number)).collect(),
            people,
            keepers,
            holders_of: Vec::new(),
            links: BTreeSet::new(),
            wire: VecDeque::new(),
            late: VecDeque::new(),
            posted: BTreeMap::new(),
            by_holder: 0,
            missing: 0,
            crash_each: messages / CRASHES,
        };
        world.keepers.iter_mut().for_each(|keeper| keeper.holder.set_terms(Some(terms(0))));
        for number in 0..PEOPLE {
            let mut chosen = BTreeSet::new();
            while chosen.len() < HOLDERS_EACH {
                chosen.insert(world.below(HOLDERS as u64) as usize);
            }
            world.holders_of.push(chosen.iter().map(|keeper| world.keepers[*keeper].id).collect());
            let plan = Plan { price_max: Amount::ZERO, megabytes: 1, days: 1, is_replaceable: false };
            for holder in world.holders_of[number].clone() {
                let now = world.now;
                world.with_client(number, |client| client.use_holder(now, holder, plan));
            }
        }
        (0..PEOPLE).for_each(|number| world.learn_holders(number));
        world
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// Of the ledger.
    fn learn_holders(&mut self, number: usize) {
        for other in 0..PEOPLE {
            let (client, holders) = (self.people[other].id, self.holders_of[other].clone());
            self.people[number].sending.set_holders(client, holders);
        }
    }

    /// What it wants done is done; now and then it is gone before that, and one time in eight what came can't be taken yet.
    fn with_client(&mut self, number: usize, what: impl FnOnce(&mut HeldClient)) {
        let (now, is_crash, can_take) = (self.now, self.below(self.crash_each) == 0, self.below(8) != 0);
        let person = &mut self.people[number];
        what(&mut person.client);
        let ClientStep { mut batch, mut sends, mut takings, faults, mut judged, .. } = person.client.take_step();
        takings.retain(|taking| {
            let mut is_new = false;
            let is_taken = person.client.take(now, taking, &person.disk, |_| {
                is_new = true;
                can_take
            });
            is_taken && is_new
        });
        let taken = person.client.take_step();
        batch.append(taken.batch);
        sends.extend(taken.sends);
        judged.extend(taken.judged);
        for (holder, judged) in judged {
            self.keepers[self.keeper_numbers[&holder]].seen[judged as usize] += 1;
        }
        for (holder, _) in faults {
            self.keepers[self.keeper_numbers[&holder]].seen[2] += 1;
        }
        if is_crash && !self.links.is_empty() {
            return self.crash(number);
        }
        person.disk.apply(&batch);
        let id = person.id;
        for taking in takings {
            self.by_holder += 1;
            self.arrived(id, taking.parcel);
        }
        self.wire.extend(sends.into_iter().map(|(to, message)| (id, to, Said::Hold(message))));
    }

    fn with_holder(&mut self, number: usize, what: impl FnOnce(&mut Holder, &MemoryStore)) {
        let keeper = &mut self.keepers[number];
        what(&mut keeper.holder, &keeper.disk);
        let HolderStep { batch, sends, .. } = keeper.holder.take_step();
        keeper.disk.apply(&batch);
        let (id, fault) = (keeper.id, keeper.fault);
        for (to, message) in sends {
            self.say_of_holder(id, to, message, fault);
        }
    }

    fn say_of_holder(&mut self, from: IdentityId, to: IdentityId, message: HoldMessage, fault: Option<Fault>) {
        match fault {
            Some(Fault::Drops) if self.below(2) == 0 => {}
            Some(Fault::Duplicates) => {
                self.wire.push_back((from, to, Said::Hold(message.clone())));
                self.wire.push_back((from, to, Said::Hold(message)));
            }
            Some(Fault::Reorders) => {
                let place = self.below(self.wire.len() as u64 + 1) as usize;
                self.wire.insert(place, (from, to, Said::Hold(message)));
            }
            Some(Fault::Withholds) if matches!(message, HoldMessage::Batch(_)) => {
                self.wire.push_back((from, to, Said::Hold(HoldMessage::Batch(HeldBatch::default()))));
            }
            Some(Fault::Late) => self.late.push_back((self.now + Span::days(1), from, to, message)),
            _ => self.wire.push_back((from, to, Said::Hold(message))),
        }
    }

    fn arrived(&mut self, at: IdentityId, parcel: ParcelId) {
        let (to, times) = self.posted.get_mut(&parcel).expect("nobody makes up a letter");
        assert_eq!(*to, at, "it comes to whom it is for");
        *times += 1;
        assert_eq!(*times, 1, "it comes once");
        self.missing -= 1;
    }

    fn post(&mut self, number: u64) {
        let from = self.below(PEOPLE as u64) as usize;
        let to = (from + 1 + self.below(PEOPLE as u64 - 1) as usize) % PEOPLE;
        let length = if self.below(200) == 0 { 60_000 } else { 100 };
        let mut bytes = vec![0; length];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let (to, mut batch) = (self.people[to].id, Batch::new());
        let parcel = self.people[from].outbox.put(&Letter::Sealed(bytes), [to], &mut batch).unwrap();
        self.people[from].disk.apply(&batch);
        self.posted.insert(parcel, (to, 0));
        self.missing += 1;
    }

    fn crash(&mut self, number: usize) {
        self.leave(number);
        self.people[number].restart();
        self.learn_holders(number);
        self.people[number].is_up = true;
    }

    fn leave(&mut self, number: usize) {
        self.people[number].is_up = false;
        let id = self.people[number].id;
        self.wire.retain(|(from, to, _)| *from != id && *to != id);
        let its: Vec<(usize, usize)> = self.links.iter().filter(|(person, _)| *person == number).copied().collect();
        for (person, keeper) in its {
            self.links.remove(&(person, keeper));
            self.people[person].client.handle_disconnected(self.keepers[keeper].id);
            self.people[person].sending.handle_disconnected(self.keepers[keeper].id);
            self.keepers[keeper].holder.handle_disconnected(id);
        }
        let others: Vec<IdentityId> = self.people[number].outbox.there().collect();
        others.into_iter().for_each(|other| self.people[number].outbox.handle_disconnected(other));
        for person in &mut self.people {
            person.outbox.handle_disconnected(id);
            person.inbox.forget_parts(id);
        }
    }

    /// Three of ten leave each day; they come back after some hours.
    fn churn(&mut self) {
        for number in 0..PEOPLE {
            if self.people[number].is_up && self.below(STEPS_A_DAY * 10) < 3 {
                self.leave(number);
            } else if !self.people[number].is_up && self.below(STEPS_A_DAY) < 2 {
                self.people[number].is_up = true;
            }
        }
        for number in 0..HOLDERS {
            if self.below(STEPS_A_DAY * 5) == 0 {
                let keeper = &mut self.keepers[number];
                keeper.holder = Holder::load(NETWORK, &keeper.disk).unwrap();
                keeper.holder.set_terms(Some(terms(0)));
                let its: Vec<_> = self.links.iter().filter(|(_, keeper)| *keeper == number).copied().collect();
                its.into_iter().for_each(|link| self.unlink(link));
            }
        }
    }

    fn unlink(&mut self, (person, keeper): (usize, usize)) {
        self.links.remove(&(person, keeper));
        let id = self.keepers[keeper].id;
        self.people[person].client.handle_disconnected(id);
        self.people[person].sending.handle_disconnected(id);
        let id = self.people[person].id;
        self.keepers[keeper].holder.handle_disconnected(id);
    }

    fn link(&mut self, person: usize, holder: IdentityId) {
        let keeper = self.keeper_numbers[&holder];
        if !self.people[person].is_up || !self.links.insert((person, keeper)) {
            return;
        }
        let id = self.people[person].id;
        self.keepers[keeper].holder.handle_connected(id);
        self.people[person].sending.handle_connected(holder);
        let now = self.now;
        self.with_client(person, |client| client.handle_connected(now, holder));
    }

    /// What everyone does of itself.
    fn act(&mut self) {
        let now = self.now;
        for number in 0..HOLDERS {
            self.with_holder(number, |holder, _| {
                holder.handle_wake(now, |_| Amount::ZERO);
            });
        }
        for number in 0..PEOPLE {
            if !self.people[number].is_up {
                continue;
            }
            self.bring(number);
            let wanted = self.people[number].sending.wanted(now);
            let own = self.holders_of[number].clone();
            own.into_iter().chain(wanted).for_each(|holder| self.link(number, holder));
            self.with_client(number, |client| {
                client.handle_wake(now);
            });
            self.meet(number);
            self.send_due(number);
        }
    }

    /// Whatever waits for those who are away goes to their holders.
    fn bring(&mut self, number: usize) {
        let (now, mut batch) = (self.now, Batch::new());
        let person = &mut self.people[number];
        for client in person.outbox.awaited().collect::<Vec<_>>() {
            let key = dialogue_key(self.numbers[&client] as u64);
            for parcel in person.outbox.waiting(client).collect::<Vec<_>>() {
                if !person.sending.is_to_be_put(now, (client, key), parcel) {
                    continue;
                }
                let bytes = Outbox::parcel(parcel, &person.disk).unwrap();
                person.sending.put(now, (client, key), &bytes, &mut batch).unwrap();
            }
        }
        person.disk.apply(&batch);
    }

    /// Sometimes two reach each other.
    fn meet(&mut self, number: usize) {
        for peer in self.people[number].outbox.awaited().collect::<Vec<_>>() {
            let other = self.numbers[&peer];
            if self.people[other].is_up && !self.people[number].outbox.is_there(peer) && self.below(20) == 0 {
                self.people[number].outbox.handle_connected(peer);
            }
        }
    }

    fn send_due(&mut self, number: usize) {
        let (now, person) = (self.now, &mut self.people[number]);
        let id = person.id;
        for (to, message) in person.sending.due(now, &person.disk) {
            let fault = self.keepers[self.keeper_numbers[&to]].fault;
            if fault == Some(Fault::Drops) && self.random.next_u64().is_multiple_of(2) {
                continue;
            }
            self.wire.push_back((id, to, Said::Hold(message)));
        }
        for peer in person.outbox.there().collect::<Vec<_>>() {
            let due = person.outbox.due(peer, &person.disk);
            self.wire.extend(due.into_iter().map(|message| (id, peer, Said::Chat(message))));
        }
    }

    /// Until nobody has anything to say.
    fn run_wire(&mut self) {
        while self.late.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, from, to, message) = self.late.pop_front().unwrap();
            self.wire.push_back((from, to, Said::Hold(message)));
        }
        let mut said = 0;
        while let Some((from, to, message)) = self.wire.pop_front() {
            said += 1;
            assert!(said < 2_000_000, "they never stop talking");
            match message {
                Said::Hold(message) => {
                    let message: HoldMessage = decode_exact(&message.to_bytes()).unwrap();
                    self.hold_message(from, to, message);
                }
                Said::Chat(message) => self.chat_message(from, to, message),
            }
        }
    }

    fn hold_message(&mut self, from: IdentityId, to: IdentityId, message: HoldMessage) {
        let now = self.now;
        if let Some(keeper) = self.keeper_numbers.get(&to).copied() {
            if self.keepers[keeper].fault == Some(Fault::Lies) && self.lie(keeper, from, &message) {
                return;
            }
            return self.with_holder(keeper, |holder, disk| {
                holder.handle_message(now, from, message, Amount::ZERO, disk);
            });
        }
        let number = self.numbers[&to];
        if !self.people[number].is_up {
            return;
        }
        let person = &mut self.people[number];
        if let Some(arrived) = person.sending.handle_message(now, from, &message) {
            let mut batch = Batch::new();
            person.outbox.handle_receipt(arrived.client, &[arrived.parcel], &mut batch);
            person.sending.forget(arrived.client, arrived.parcel, &mut batch);
            person.disk.apply(&batch);
            let (_, times) = self.posted[&arrived.parcel];
            assert_eq!(times, 1, "nobody lets go of what has not arrived");
        }
        self.with_client(number, |client| client.handle_message(now, from, message));
        self.send_due(number);
    }

    /// Whether the holder did something else than it should.
    fn lie(&mut self, keeper: usize, from: IdentityId, message: &HoldMessage) -> bool {
        let id = self.keepers[keeper].id;
        match message {
            HoldMessage::Announce { client, envelopes } => {
                for announced in envelopes {
                    let forged = Receipt::sign(&secret(1000 + keeper as u64), NETWORK, announced.envelope);
                    for word in [Word::Had(forged), Word::Held] {
                        let word = HoldMessage::Word { client: *client, envelope: announced.envelope, word };
                        self.wire.push_back((id, from, Said::Hold(word)));
                    }
                }
                true
            }
            HoldMessage::Fetch { .. } => {
                let mut batch = HeldBatch::default();
                batch.has_more = true;
                let made_up = byway_chat::holding::EnvelopeId(byway_primitives::Hash([7; 32]));
                batch.add(Default::default(), (made_up, Time(u64::MAX)), &[1; 600]);
                self.wire.push_back((id, from, Said::Hold(HoldMessage::Batch(batch))));
                true
            }
            _ => false,
        }
    }

    fn chat_message(&mut self, from: IdentityId, to: IdentityId, message: ChatMessage) {
        let number = self.numbers[&to];
        let (mut batch, mut receipts) = (Batch::new(), Vec::new());
        let person = &mut self.people[number];
        match message {
            ChatMessage::Part { parcel, index, count, bytes } => {
                match person.inbox.handle_part(from, parcel, (index, count), bytes).unwrap() {
                    Gathered::Part => {}
                    Gathered::Again(parcel) => receipts.push(parcel),
                    Gathered::Whole(parcel, _) => {
                        let is_new = Taken { store: &person.disk, batch: &mut batch }.take(from, parcel);
                        person.inbox.take(from, parcel, &mut batch);
                        receipts.push(parcel);
                        if is_new {
                            self.arrived(to, parcel);
                        }
                    }
                }
            }
            ChatMessage::Receipt { parcels } => {
                person.outbox.handle_receipt(from, &parcels, &mut batch);
                parcels.iter().for_each(|parcel| person.sending.forget(from, *parcel, &mut batch));
            }
            _ => {}
        }
        self.people[number].disk.apply(&batch);
        if !receipts.is_empty() {
            self.wire.push_back((to, from, Said::Chat(ChatMessage::Receipt { parcels: receipts })));
        }
        self.send_due(number);
    }
}

/// So many messages in two weeks; then they have as long again to arrive.
pub fn run(seed: u64, messages: u64) {
    println!("seed {seed}, {messages} messages");
    let mut world = World::new(seed, messages);
    let steps = DAYS * STEPS_A_DAY;
    for step in 0..2 * steps {
        let due = (messages * (step + 1) / steps).min(messages);
        (world.posted.len() as u64..due).for_each(|number| world.post(number));
        world.churn();
        world.act();
        world.run_wire();
        world.now = world.now + STEP;
        if due == messages && world.missing == 0 {
            break;
        }
    }
    let held: u64 = world.keepers.iter().flat_map(|keeper| keeper.holder.clients().map(|(_, bill)| bill.count)).sum();
    println!("lost {} of {messages}; {} came by holders, {held} are still held", world.missing, world.by_holder);
    for keeper in &world.keepers {
        let [kept, missed, faults] = keeper.seen;
        println!("{:?}: {kept} kept, {missed} missed, {faults} faults", keeper.fault);
        match keeper.fault {
            None | Some(Fault::Duplicates | Fault::Reorders) => {
                assert!(kept > 10 * missed, "whoever keeps what is brought is known by it");
            }
            Some(Fault::Drops | Fault::Withholds | Fault::Lies | Fault::Late) => {
                assert!(missed > kept, "and whoever does not");
            }
        }
    }
    assert_eq!(world.missing, 0, "all have arrived");
    assert!(world.by_holder > messages / 2, "most came by holders");
}
