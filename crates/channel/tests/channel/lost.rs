//! A side that has lost its disk, and finds its channels on the ledger and at its peers.

use byway_channel::{
    AddressedMessage, ChannelHandle, ChannelMessage, ChannelNews, Channels, CloseError, Health, Life, Signer,
    UNHEARD_TIME_MAX, round_at,
};
use byway_primitives::{Amount, Effect, IdentityId, MemoryStore, Span};
use byway_records::channel::Movement;

use crate::scene::{DEPOSIT, Rig, count, person};
use crate::strict::{Ever, StrictSigner};
use crate::world::units;

#[test]
fn a_side_without_a_disk_is_given_all_that_both_had() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    rig.fill_lane(0, 10_000);
    rig.fill_lane(1, 20_000);
    rig.promise(0, 600).unwrap();
    rig.promise(1, 700).unwrap();
    rig.exchange();
    rig.pay(0, 5_000);
    rig.exchange();
    let (before, mut start) = (rig.assert_agreed(), rig.now);
    for side in [0, 1] {
        rig.lose_disk(side);
        start = rig.now;
        assert_eq!((rig.parties[side].round(), rig.machine(side).is_connected()), (0, false));
        assert!(rig.next_message(1 - side).is_none(), "the peer is not told that anything was lost");
        rig.exchange();
        assert_eq!(rig.assert_agreed(), before, "side {side}");
        assert_eq!(*rig.machine(side).health(), Health::Sound);
        assert!(rig.parties[side].has(|news| matches!(news, ChannelNews::Recovered { .. })));
        // What was promised stays promised, both ways.
        for (promise, payer) in [600, 700].into_iter().zip(byway_records::channel::Side::BOTH) {
            assert_eq!(rig.machine(side).promised(payer).amount, units(promise));
        }
    }
    assert_eq!(rig.promise(0, 1), Ok(units(601)));
    rig.exchange();
    assert_eq!(rig.machine(1).promised(byway_records::channel::Side::Initiator).amount, units(601));
    rig.propose(1, byway_channel::Change::Call(count(1, counter, 3, 0))).unwrap();
    rig.exchange();
    assert!(rig.assert_agreed().round > round_at(start), "what may have been signed is not signed again");
}

#[test]
fn a_channel_that_never_changed_goes_on_at_once() {
    let mut rig = Rig::new();
    rig.lose_disk(0);
    assert_eq!(*rig.machine(0).health(), Health::Sound);
    rig.exchange();
    rig.pay(0, 1_000);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances, [DEPOSIT - 1_000, DEPOSIT + 1_000].map(units));
    // And from its new disk.
    rig.crash(0);
    rig.exchange();
    rig.pay(1, 1_000);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances, [units(DEPOSIT); 2]);
}

#[test]
fn what_was_deposited_since_is_in_it() {
    let mut rig = Rig::new();
    rig.fund(0, Movement::Deposit, 3_000).unwrap();
    rig.run();
    rig.run();
    rig.pay(1, 10);
    rig.exchange();
    let before = rig.assert_agreed();
    rig.lose_disk(1);
    assert_eq!(rig.machine(1).total(), units(2 * DEPOSIT + 3_000));
    rig.exchange();
    assert_eq!(rig.assert_agreed(), before);
}

#[test]
fn without_the_peer_it_is_closed_with_what_the_ledger_has_and_not_at_once() {
    let mut rig = Rig::new();
    rig.lose_disk(0);
    rig.parties[1].is_watching = false;
    assert_eq!(rig.close_alone(0), Err(CloseError::Unheard));
    rig.tick(UNHEARD_TIME_MAX);
    rig.close_alone(0).unwrap();
    rig.settle();
    rig.assert_paid([units(DEPOSIT); 2]);
}

#[test]
fn a_peer_that_closes_meanwhile_is_believed_as_far_as_the_ledger() {
    let mut rig = Rig::new();
    rig.pay(1, 5_000);
    rig.exchange();
    rig.close_alone(1).unwrap();
    rig.tick(Span::millis(10));
    rig.lose_disk(0);
    assert_eq!(rig.machine(0).life(), Life::Closing);
    rig.settle();
    rig.assert_paid([DEPOSIT + 5_000, DEPOSIT - 5_000].map(units));
}

#[test]
fn a_journal_that_cannot_be_read_keeps_none_of_the_others_from_going_on() {
    let mut rig = Rig::new();
    let id = rig.machine(0).id().unwrap();
    let (network, mut entry) = (rig.world.network, rig.entry().unwrap());
    let ever = Ever::default();
    let signer = || StrictSigner::new(person(0), &ever);
    entry.secrets[0] = signer().watch_secret(network, entry.parties[1], u16::MAX).digest();
    let mut disk = MemoryStore::new();
    let mut channels = Channels::load(signer(), network, &disk).unwrap();
    assert!(channels.find(rig.now, id, &entry));
    assert!(!channels.find(rig.now, id, &entry), "it is there");
    let carry_out = |channels: &mut Channels<_>, disk: &mut MemoryStore| {
        for (_, effect) in channels.poll() {
            if let byway_primitives::Effect::Persist { batch, .. } = effect {
                disk.apply(&batch);
            }
        }
    };
    carry_out(&mut channels, &mut disk);
    // Another version wrote it.
    let mut batch = byway_primitives::Batch::new();
    let key = [&[0][..], &id.0.0].concat();
    let mut record = disk.load_record(&key);
    record[0] = 200;
    batch.put(byway_channel::CHANNELS, key.clone(), record.clone());
    disk.apply(&batch);
    let mut channels = Channels::load(signer(), network, &disk).unwrap();
    assert_eq!(channels.unreadable().map(|(id, _)| id).collect::<Vec<_>>(), [id]);
    assert_eq!(channels.iter().count(), 0);
    carry_out(&mut channels, &mut disk);
    assert_eq!(disk.load_record(&key), record, "nothing is written over");
    assert!(channels.find(rig.now, id, &entry), "where the user wants it, it is found anew");
    assert_eq!(channels.unreadable().count(), 0);
    carry_out(&mut channels, &mut disk);
    assert_ne!(disk.load_record(&key), record);
    let total =
        Channels::load(signer(), network, &disk).unwrap().iter().map(|(_, one)| one.total()).collect::<Vec<Amount>>();
    assert_eq!(total, [units(2 * DEPOSIT)]);
}

/// The peer of a side that has lost its disk comes before the ledger shows the channel, and others have said much by then.
#[test]
fn strangers_keep_no_peer_from_being_heard_that_comes_before_the_ledger() {
    for (strangers, each, is_paid) in [(64, 16, false), (64, 16, true), (1_024, 1, true)] {
        let mut rig = Rig::new();
        if is_paid {
            rig.pay(1, 10);
            rig.exchange();
        }
        let (network, mut entry) = (rig.world.network, rig.entry().unwrap());
        let signer = StrictSigner::new(person(0), &Ever::default());
        entry.secrets[0] = signer.watch_secret(network, entry.parties[1], u16::MAX).digest();
        rig.lose_disk(0);
        while rig.write(1) {}
        let Some(ChannelMessage::Reestablish(greeting)) = rig.next_message(0) else { panic!("Bob greets") };
        assert_eq!(greeting.signatures.is_some(), is_paid);
        let mut channels = Channels::load(signer, network, &MemoryStore::new()).unwrap();
        let hear = |channels: &mut Channels<_>, peer, greeting| {
            let (handle, message) = (ChannelHandle([5; 16]), ChannelMessage::Reestablish(greeting));
            channels.handle_message(rig.now, peer, AddressedMessage { handle, message }).unwrap();
        };
        for (stranger, number) in
            (0..strangers).flat_map(|stranger: u16| (0..each).map(move |number: u8| (stranger, number)))
        {
            let (mut peer, mut forged) = ([9; 20], greeting);
            peer[..2].copy_from_slice(&stranger.to_be_bytes());
            forged.channel.0.0[0] ^= number + 1;
            hear(&mut channels, IdentityId(peer), forged);
        }
        hear(&mut channels, entry.parties[1], greeting);
        assert!(channels.find(rig.now, greeting.channel, &entry));
        let is_named = |effect: &_| matches!(effect, (_, Effect::Notify((_, ChannelNews::Named { .. }))));
        assert!(channels.poll().iter().any(is_named), "{strangers} strangers have said {each} each");
    }
}

trait LoadRecord {
    fn load_record(&self, key: &[u8]) -> Vec<u8>;
}

impl LoadRecord for MemoryStore {
    fn load_record(&self, key: &[u8]) -> Vec<u8> {
        byway_primitives::Store::load(self, byway_channel::CHANNELS, key).unwrap()
    }
}
