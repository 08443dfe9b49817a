//! Two who are never there at once talk by way of a holder.

use std::collections::VecDeque;

use byway_chat::holding::{
    HeldClient, HeldClientConfig, HoldMessage, Holder, HolderTerms, Plan, Sending, SendingConfig,
};
use byway_crypto::noise::StaticKey;
use byway_primitives::{Amount, Batch, IdentityId, MemoryStore, Span};
use zeroize::Zeroizing;

use super::rig::{NETWORK, World};
use super::{ALICE, BOB, said};

const HOLDER: IdentityId = IdentityId([9; 20]);

fn dialogue_secret(who: usize) -> [u8; 32] {
    [who as u8 + 1; 32]
}

/// A holder on its disk.
struct Keeper {
    holder: Holder,
    disk: MemoryStore,
}

impl Keeper {
    fn new() -> Self {
        let disk = MemoryStore::new();
        let mut holder = Holder::load(NETWORK, &disk).unwrap();
        holder.set_terms(Some(HolderTerms {
            price: Amount::ZERO,
            clients_max: 10,
            bytes_max: 1_000_000,
            client_bytes_max: 400_000,
            client_count_max: 400,
            time_max: Span::days(30),
        }));
        Self { holder, disk }
    }

    /// What it says to `peer`, who said this.
    fn hear(&mut self, world: &World, peer: IdentityId, message: HoldMessage) -> Vec<HoldMessage> {
        self.holder.handle_message(world.now, peer, message, Amount::ZERO, &self.disk);
        let step = self.holder.take_step();
        self.disk.apply(&step.batch);
        step.sends.into_iter().filter(|(to, _)| *to == peer).map(|(_, message)| message).collect()
    }

    /// `from` is there alone, and brings what waits for `to`.
    fn bring(&mut self, world: &mut World, from: usize, to: usize) {
        let [me, client] = [from, to].map(|who| world.people[who].id());
        let config = SendingConfig { network: NETWORK, identity: world.people[from].secret.clone() };
        let mut sending = Sending::load(config, &world.people[from].disk).unwrap();
        let (mut batch, key) = (Batch::new(), StaticKey::of(&dialogue_secret(to)));
        for (_, bytes) in world.people[from].chats.waiting(client, &world.people[from].disk) {
            sending.put(world.now, (client, key), &bytes, &mut batch).unwrap();
        }
        world.people[from].disk.apply(&batch);
        sending.set_holders(client, vec![HOLDER]);
        sending.handle_connected(HOLDER);
        self.holder.handle_connected(me);
        loop {
            let due = sending.due(world.now, &world.people[from].disk);
            if due.is_empty() {
                break;
            }
            for (_, message) in due {
                for word in self.hear(world, me, message) {
                    let Some(arrived) = sending.handle_message(world.now, HOLDER, &word) else { continue };
                    let mut batch = Batch::new();
                    sending.forget(arrived.client, arrived.parcel, &mut batch);
                    world.people[from].disk.apply(&batch);
                    world.with(from, |chats, now, _, store| chats.handle_held_receipt(now, arrived, store));
                }
            }
        }
        self.holder.handle_disconnected(me);
    }

    /// `who` is there alone, and fetches what is held for them.
    fn fetch(&mut self, world: &mut World, who: usize) {
        let (me, identity) = (world.people[who].id(), world.people[who].secret.clone());
        let secret = Zeroizing::new(dialogue_secret(who));
        let config = HeldClientConfig { network: NETWORK, identity, secret };
        let mut client = HeldClient::load(config, &world.people[who].disk).unwrap();
        client.use_holder(
            world.now,
            HOLDER,
            Plan { price_max: Amount::ZERO, megabytes: 1, days: 1, is_replaceable: false },
        );
        client.handle_connected(world.now, HOLDER);
        let mut said: VecDeque<HoldMessage> = VecDeque::new();
        loop {
            let step = client.take_step();
            world.people[who].disk.apply(&step.batch);
            assert_eq!(step.faults, []);
            for taking in step.takings {
                let disk = world.people[who].disk.clone();
                let now = world.now;
                client.take(now, &taking, &disk, |taking| {
                    world.with(who, |chats, now, seed, store| chats.handle_held(now, seed, taking, store))
                });
            }
            let taken = client.take_step();
            world.people[who].disk.apply(&taken.batch);
            for (_, message) in step.sends.into_iter().chain(taken.sends) {
                said.extend(self.hear(world, me, message));
            }
            let Some(message) = said.pop_front() else { break };
            client.handle_message(world.now, HOLDER, message);
        }
    }
}

#[test]
fn two_who_are_never_there_at_once_become_contacts_and_talk() {
    let mut world = World::new(&["alice", "bob"]);
    let mut keeper = Keeper::new();
    let [alice, bob] = [ALICE, BOB].map(|who| world.people[who].id());
    let token = world.with(ALICE, |chats, now, seed, _| {
        chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
    });
    [ALICE, BOB].into_iter().for_each(|who| keeper.fetch(&mut world, who));

    world.with(BOB, |chats, now, seed, store| chats.ask(now, seed, alice, Some(token), store)).unwrap();
    keeper.bring(&mut world, BOB, ALICE);
    keeper.fetch(&mut world, ALICE);
    let room = world.people[ALICE].direct(bob).expect("the invite was good");
    for what in ["hello", "are you there", "no"] {
        world.say(ALICE, room, what);
    }
    keeper.bring(&mut world, ALICE, BOB);
    keeper.fetch(&mut world, BOB);
    let heard = said(&[(false, "hello"), (false, "are you there"), (false, "no")]);
    assert_eq!(world.people[BOB].texts(room), heard);
    assert_eq!(keeper.holder.clients().map(|(_, bill)| bill.count).sum::<u64>(), 0, "receipts delete");

    // Alice knows nothing of the receipts when the two meet after all: nothing comes twice.
    // Her welcome, keys to add her by, and what she said.
    assert_eq!(world.people[ALICE].chats.waiting_for(bob), 5);
    world.connect(ALICE, BOB);
    world.cut(ALICE, BOB);
    world.connect(ALICE, BOB);
    world.carry();
    assert_eq!(world.people[BOB].texts(room), heard);
    assert_eq!(world.people[ALICE].chats.waiting_for(bob), 0);
    assert!(world.people.iter().all(|person| person.faults().is_empty()), "{:?}", world.people[BOB].faults());
}

#[test]
fn a_sender_hears_from_the_holder_that_a_message_has_arrived() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.cut(ALICE, BOB);
    let mut keeper = Keeper::new();
    let bob = world.people[BOB].id();
    keeper.fetch(&mut world, BOB);
    let hello = world.say(ALICE, room, "hello");
    let has_arrived = |world: &World| {
        let shown = world.people[ALICE].chats.item(room, &hello, &world.people[ALICE].disk).unwrap();
        shown.item.reached().get(&bob).is_some_and(|reached| reached.received.is_some())
    };
    keeper.bring(&mut world, ALICE, BOB);
    assert!(
        !has_arrived(&world) && world.people[ALICE].chats.waiting_for(bob) == 1,
        "to be held is not to have arrived"
    );
    keeper.fetch(&mut world, BOB);
    world.people[ALICE].restart();
    keeper.bring(&mut world, ALICE, BOB);
    assert!(has_arrived(&world) && world.people[ALICE].chats.waiting_for(bob) == 0);
}

#[test]
fn who_is_blocked_is_not_heard_by_way_of_a_holder_either() {
    let mut world = World::new(&["alice", "bob"]);
    let room = world.acquaint(ALICE, BOB);
    world.cut(ALICE, BOB);
    let mut keeper = Keeper::new();
    keeper.fetch(&mut world, BOB);
    let alice = world.people[ALICE].id();
    world.with(BOB, |chats, now, _, _| chats.set_blocked(now, alice, true));
    world.say(ALICE, room, "hello");
    keeper.bring(&mut world, ALICE, BOB);
    keeper.fetch(&mut world, BOB);
    assert_eq!(world.people[BOB].texts(room), []);
    assert_eq!(keeper.holder.clients().map(|(_, bill)| bill.count).sum::<u64>(), 0, "and learns nothing from that");
}
