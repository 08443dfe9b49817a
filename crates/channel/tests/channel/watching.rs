//! Having others watch: packets, the two sides of watching, and what a watchtower does at a close.

mod answers;
mod lasting;
mod pair;

use byway_channel::watching::{
    Bill, CHANNELS_PER_CLIENT_MAX, FREE_TIME, PACKET_BYTES, PERIOD, Packet, PacketError, Pays, Standing, TowerNews,
    TowerTerms, Unopened, WatchMessage, WatchRefusal, WatchedChannels, Watchtower,
};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Decode, Effect, Encode, Hash, IdentityId, Span, Time};
use byway_records::channel::{ChannelState, Cosigned, Lane, Position, Side, WatchSecret};
use byway_records::promise::ChannelId;
use byway_records::state::Settled;
use proptest::prelude::*;

use self::pair::{PRICE, Pair, RANDOM, close, note, standing, stranger, terms, tower_id, watched, watched_on};
use crate::scene::{DEPOSIT, Rig, SECRET, person};
use crate::world::{CAROL, units};

fn cosigned(position: Position, total: u128) -> Cosigned<ChannelState> {
    let (network, channel) = (byway_primitives::NetworkId(Hash([2; 32])), ChannelId(Hash([3; 32])));
    Cosigned::sign(
        ChannelState { network, channel, total: units(total), fundings: 0, position },
        [&person(0), &person(1)],
    )
}

fn position(round: u64, balances: [u128; 2], lanes: [Lane; 2]) -> Position {
    let environment = byway_records::channel::Environment { time: Time(1_700_000_000_000), height: 100_000_000 };
    Position { round, balances: balances.map(units), lanes, root: Hash([9; 32]), environment }
}

fn lane(amount: u128) -> Lane {
    Lane { capacity: units(amount), absorbed: Settled { serial: 3, amount: units(amount) } }
}

#[test]
fn a_stale_close_is_answered_by_a_watchtower_that_knew_nothing_before() {
    let (mut rig, mut pair) = watched();
    let old = rig.machine(1).cosigned();
    for amount in [5_000, 6_000] {
        rig.pay(1, amount);
        rig.exchange();
        note(&rig, &mut pair);
    }
    assert_eq!(pair.submitted, []);
    close(&mut rig, old);
    pair.look(rig.now, &rig.entry());
    let (answer, at_own_cost) = pair.submitted.pop().expect("it answers");
    assert_eq!((rig.submit(CAROL, answer), at_own_cost), (Verdict::Final, false));
    assert_eq!(rig.entry().unwrap().signed, 3);
    pair.look(rig.now + Span::minutes(1), &rig.entry());
    assert_eq!(pair.submitted, [], "it is answered");
    rig.parties.iter_mut().for_each(|party| party.is_watching = true);
    rig.settle();
    rig.assert_paid([DEPOSIT + 12_000, DEPOSIT - 12_000].map(units));
}

#[test]
fn packets_are_of_one_size_and_without_the_secret_nothing_is_read_in_them() {
    let (small, large) =
        (position(1, [1, 2], [Lane::default(); 2]), position(u64::MAX >> 20, [1 << 70; 2], [lane(5); 2]));
    let packets = [small, large].map(|position| {
        Packet::seal(SECRET, Side::Initiator, 7, RANDOM, &cosigned(position, 1 << 73)).unwrap().to_bytes()
    });
    assert!(packets.iter().all(|packet| packet.len() == PACKET_BYTES));
    for position in [small, large] {
        let state = cosigned(position, 1 << 73);
        let mut entry = Rig::new().entry().unwrap();
        (entry.total, entry.parties) = (state.body.total, state.parties);
        let packet = Packet::seal(SECRET, Side::Initiator, 7, RANDOM, &state).unwrap();
        let (network, channel) = (state.body.network, state.body.channel);
        let open = |secret, side| packet.open(secret, side, network, channel, &entry).ok();
        assert_eq!(open(SECRET, Side::Initiator), Some(state));
        assert_eq!(open(WatchSecret([8; 16]), Side::Initiator), None);
        assert_eq!(open(SECRET, Side::Responder), None);
        assert!(!packet.0.windows(8).any(|window| state.to_bytes().windows(8).any(|part| part == window)));
        // What is in the channel has changed since: nobody has signed such a state.
        entry.total = units(1 << 72);
        let other = Unopened::OtherTotal { round: position.round };
        assert_eq!(packet.open(SECRET, Side::Initiator, network, channel, &entry), Err(other));
        let unreadable = packet.open(WatchSecret([8; 16]), Side::Initiator, network, channel, &entry);
        assert_eq!(unreadable, Err(Unopened::Unreadable));
    }
}

#[test]
fn what_does_not_fit_is_said_and_the_packet_before_stays() {
    let both = |amount: u128| position(9, [amount; 2], [lane(amount); 2]);
    assert!(Packet::seal(SECRET, Side::Initiator, 7, RANDOM, &cosigned(both(1 << 69), 1 << 71)).is_ok());
    let state = cosigned(both(1 << 120), 1 << 123);
    assert_eq!(Packet::seal(SECRET, Side::Initiator, 7, RANDOM, &state), Err(PacketError::TooLong));
    let (rig, mut pair) = watched();
    let before = pair.kept()[0].packet;
    let body = ChannelState { channel: pair.channel, ..state.body };
    let state = Some(Cosigned { body, ..state });
    pair.client.note(rig.now, pair.channel, Standing { state, ..standing(&rig) });
    pair.run(rig.now);
    assert_eq!(pair.client.error(pair.channel), Some(PacketError::TooLong));
    assert_eq!(pair.kept()[0].packet, before);
}

#[test]
fn a_packet_replaces_the_one_before_and_only_the_newest_of_many_is_sent() {
    let (mut rig, mut pair) = watched();
    let first = pair.kept()[0].packet.number();
    pair.said.clear();
    for _ in 0..5 {
        rig.pay(1, 100);
        rig.exchange();
        pair.client.note(rig.now, pair.channel, standing(&rig));
    }
    pair.run(rig.now);
    assert_eq!(pair.said.len(), 2, "one on its way, then the newest");
    let kept = pair.kept();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].packet.number() > first);
    assert_eq!(pair.inside(&rig), rig.machine(0).cosigned());
}

#[test]
fn a_packet_waits_for_what_was_written_before_it() {
    let (mut rig, mut pair) = watched();
    rig.pay(1, 100);
    rig.exchange();
    pair.client.note(rig.now, pair.channel, standing(&rig));
    let effects = pair.client.poll();
    let written = effects.iter().position(|effect| matches!(effect, Effect::Persist { .. }));
    let sent = effects.iter().position(|effect| matches!(effect, Effect::Send { after: Some(_), .. }));
    assert!(written.unwrap() < sent.unwrap());
}

#[test]
fn what_is_not_paid_for_is_not_kept_and_nothing_is_free_a_second_time() {
    let mut rig = Rig::new();
    rig.pay(1, 1_000);
    rig.exchange();
    let mut pair = Pair::new(&mut rig, terms(), 1);
    pair.pays = false;
    note(&rig, &mut pair);
    assert_eq!((pair.earned, pair.kept()[0].until), (Amount::ZERO, rig.now + FREE_TIME));
    let over = rig.now + FREE_TIME + Span::seconds(1);
    pair.look(over, &rig.entry());
    pair.look(over + Span::millis(500), &rig.entry());
    assert_eq!((pair.kept().len(), &pair.dropped[..]), (0, &[WatchRefusal::Unpaid][..]));
    let refusals: Vec<_> = pair.client.iter().map(|(_, _, watch)| watch.refusal).collect();
    assert_eq!(refusals, [Some(WatchRefusal::Unpaid)]);
    pair.look(over + Span::minutes(1), &rig.entry());
    assert_eq!(pair.kept(), []);
    // It pays at last what it has spent.
    (pair.pays, pair.promised) = (true, pair.client.spent(tower_id()));
    pair.look(over + Span::minutes(2), &rig.entry());
    assert_eq!((pair.kept().len(), pair.earned), (1, units(PRICE)));
}

#[test]
fn no_more_is_paid_than_the_client_agreed_to() {
    let (rig, mut pair) = watched_on(TowerTerms { price: units(2_001), ..terms() }, 1);
    assert_eq!(pair.kept().len(), 1);
    assert_eq!((pair.earned, pair.client.spent(tower_id())), (Amount::ZERO, Amount::ZERO));
    // A watchtower that has credit of other uses takes none of that.
    pair.promised = units(1_000_000);
    pair.tower.handle_credit(rig.now, pair.me, pair.credit());
    pair.run(rig.now);
    assert_eq!(pair.earned, Amount::ZERO);
}

fn bill() -> Bill {
    Bill { used: Amount::ZERO, price: units(PRICE), days_max: 30, fee_max: Amount::ZERO }
}

#[test]
fn a_watchtower_that_says_other_times_is_paid_no_more_often() {
    let (rig, mut pair) = watched();
    let (channel, now) = (pair.channel, rig.now);
    assert_eq!(pair.client.spent(tower_id()), units(PRICE));
    for number in 0..20 {
        let kept = WatchMessage::Kept { channel, number: 0, until: Time(number), bill: bill() };
        pair.client.handle_message(now, tower_id(), kept);
        let refused = WatchMessage::Refused { channel, refusal: WatchRefusal::Unpaid, bill: bill() };
        pair.client.handle_message(now, tower_id(), refused);
    }
    assert_eq!(pair.client.spent(tower_id()), units(PRICE));
    let again = WatchMessage::Kept { channel, number: 0, until: Time(7), bill: bill() };
    pair.client.handle_message(now + PERIOD, tower_id(), again);
    assert_eq!(pair.client.spent(tower_id()), units(2 * PRICE));
}

#[test]
fn who_was_paid_and_says_that_it_was_not_is_paid_no_more_before_that_is_over() {
    let (rig, mut pair) = watched_on(terms(), 30);
    let refused = WatchMessage::Refused { channel: pair.channel, refusal: WatchRefusal::Unpaid, bill: bill() };
    for day in 1..30 {
        pair.client.handle_message(rig.now + Span::days(day), tower_id(), refused.clone());
        assert_eq!(pair.client.spent(tower_id()), units(30 * PRICE));
    }
    let watch = pair.client.iter().next().unwrap().2;
    assert_eq!(watch.refuses_though_paid(rig.now + Span::days(29)), Some(rig.now + Span::days(30)));
    pair.client.handle_message(rig.now + Span::days(31), tower_id(), refused);
    assert_eq!(pair.client.spent(tower_id()), units(60 * PRICE));
}

#[test]
fn no_longer_is_shown_than_was_paid() {
    let (rig, mut pair) = watched();
    let kept = WatchMessage::Kept { channel: pair.channel, number: 0, until: rig.now + Span::days(900), bill: bill() };
    pair.client.handle_message(rig.now, tower_id(), kept);
    let watch = pair.client.iter().next().unwrap().2;
    assert_eq!(watch.watches_until(), Some(rig.now + PERIOD + FREE_TIME));
}

#[test]
fn what_is_said_again_is_not_written_again_and_no_number_stands_for_two_packets() {
    let (rig, mut pair) = watched();
    let (me, channel, packet) = (pair.me, pair.channel, pair.kept()[0].packet);
    let pays = Pays { spent: units(PRICE), days: 1 };
    for message in [WatchMessage::Ask { channel, pays }, WatchMessage::Keep { channel, pays, packet }] {
        pair.tower.handle_message(rig.now, me, message, Amount::ZERO);
        let effects = pair.tower.poll();
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Persist { .. })), "{effects:?}");
        let is_kept = |effect: &_| matches!(effect, Effect::Send { message: WatchMessage::Kept { .. }, .. });
        assert!(effects.iter().any(is_kept), "{effects:?}");
    }
    let mut other = packet;
    other.0[PACKET_BYTES - 1] ^= 1;
    pair.tower.handle_message(rig.now, me, WatchMessage::Keep { channel, pays, packet: other }, Amount::ZERO);
    assert_eq!(pair.kept()[0].packet, packet);
}

#[test]
fn a_strangers_question_leaves_nothing() {
    let (rig, mut pair) = watched();
    let before = format!("{:?}", pair.tower);
    let ask = WatchMessage::Ask { channel: pair.channel, pays: Pays { spent: units(5), days: 1 } };
    pair.tower.handle_message(rig.now, stranger(CAROL + 1).id(), ask, Amount::ZERO);
    pair.tower.poll();
    assert_eq!(format!("{:?}", pair.tower), before);
}

#[test]
fn nobody_brings_numbers_to_an_end() {
    let (mut rig, mut pair) = watched();
    let (channel, now) = (pair.channel, rig.now);
    for (who, number) in [(stranger(CAROL + 1).id(), now.0 + 1), (tower_id(), u64::MAX), (tower_id(), (1 << 48) - 1)] {
        let refused = WatchMessage::Refused { channel, refusal: WatchRefusal::Old { number }, bill: bill() };
        pair.client.handle_message(now, who, refused);
    }
    rig.pay(1, 1_000);
    rig.exchange();
    note(&rig, &mut pair);
    pair.client.handle_connected(now, tower_id());
    pair.run(now);
    assert_eq!(pair.client.error(channel), None);
    assert!(pair.client.is_relied_on(rig.now, channel, tower_id()));
    // What is not given to it is not relied on.
    let state = rig.parties[0].machine.cosigned().unwrap();
    let body = ChannelState {
        position: Position { round: state.body.position.round + 1, ..state.body.position },
        ..state.body
    };
    let state = Some(Cosigned { body, ..state });
    pair.client.note(rig.now, channel, Standing { state, ..standing(&rig) });
    assert!(!pair.client.is_relied_on(rig.now, channel, tower_id()));
}

fn free() -> Pays {
    Pays { spent: Amount::ZERO, days: 1 }
}

#[test]
fn strangers_replace_nothing_and_nothing_of_theirs_is_written() {
    let (rig, mut pair) = watched();
    let (channel, kept) = (pair.channel, pair.kept());
    let packet = Packet([0xff; PACKET_BYTES]);
    let unknown = stranger(CAROL + 1).id();
    let keep = WatchMessage::Keep { channel, pays: free(), packet };
    pair.tower.handle_message(rig.now, unknown, keep, Amount::ZERO);
    assert_eq!(pair.tower.poll(), [], "neither written nor confirmed");
    pair.tower.handle_ledger(rig.now, rig.now, |_| false, |_| rig.entry(), |_| Amount::ZERO);
    let effects = pair.tower.poll();
    let is_refused = |effect: &Effect<IdentityId, WatchMessage, TowerNews>| {
        let Effect::Send { to, message: WatchMessage::Refused { refusal, .. }, .. } = effect else { return false };
        (*to, *refusal) == (unknown, WatchRefusal::NotDelegate)
    };
    assert!(effects.len() == 1 && is_refused(&effects[0]), "{effects:?}");
    assert_eq!(pair.kept(), kept);
}

#[test]
fn an_old_packet_and_too_many_are_refused() {
    let (rig, mut pair) = watched();
    let (channel, newest) = (pair.channel, pair.kept()[0].packet);
    let me = pair.me;
    let keep = |channel, packet| WatchMessage::Keep { channel, pays: free(), packet };
    let other = |number: usize| ChannelId(Hash([u8::try_from(number).unwrap(); 32]));
    let refusal = |tower: &mut Watchtower| {
        let mut said = tower.poll().into_iter().filter_map(|effect| match effect {
            Effect::Send { message: WatchMessage::Refused { refusal, .. }, .. } => Some(refusal),
            _ => None,
        });
        said.next_back()
    };
    pair.tower.handle_message(rig.now, me, keep(channel, Packet([0; PACKET_BYTES])), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Old { number: newest.number() }));
    for number in 1..CHANNELS_PER_CLIENT_MAX {
        pair.tower.handle_message(rig.now, me, keep(other(number), newest), Amount::ZERO);
        assert_eq!(refusal(&mut pair.tower), None);
    }
    pair.tower.handle_message(rig.now, me, keep(other(CHANNELS_PER_CLIENT_MAX), newest), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Full));
    // Whoever takes on nothing more goes on with what it was paid for.
    pair.tower.set_terms(None);
    let unknown = stranger(CAROL + 1).id();
    pair.tower.handle_message(rig.now, unknown, keep(other(1), newest), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Unwilling));
    pair.tower.handle_message(rig.now, me, keep(channel, newest), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), None);
}

#[test]
fn a_client_whose_clock_went_back_goes_on_above_what_the_watchtower_has() {
    let (mut rig, mut pair) = watched();
    let number = pair.kept()[0].packet.number();
    rig.pay(1, 100);
    rig.exchange();
    // Its disk is lost as well, but for what is asked for again.
    let early = Time(rig.now.0 - 1_000_000);
    pair.lose_disk(early, rig.world.network);
    pair.client.handle_ledger(early, |_| rig.entry());
    pair.client.note(early, pair.channel, standing(&rig));
    pair.run(rig.now);
    assert!(pair.kept()[0].packet.number() > number);
    assert_eq!(pair.inside(&rig), rig.machine(0).cosigned());
}

proptest! {
    #![proptest_config(crate::random::config(crate::random::cases()))]

    /// Whatever is paid, lost and restarted, and whenever Bob closes with which state: the newest that the watchtower confirmed is
    /// what counts.
    #[test]
    fn whatever_the_other_closes_with_what_was_confirmed_counts(
        steps in prop::collection::vec(any::<u8>(), 1..24),
        which in any::<prop::sample::Index>(),
    ) {
        let (mut rig, mut pair) = watched();
        let network = rig.world.network;
        let mut states = vec![None, rig.machine(1).cosigned()];
        for step in steps {
            match step % 6 {
                0 | 1 => {
                    rig.pay(usize::from(step % 2), u128::from(step) + 1);
                    rig.exchange();
                    states.push(rig.machine(1).cosigned());
                    note(&rig, &mut pair);
                }
                2 => {
                    pair.restart_client(rig.now, network, pair.disks[0].clone());
                    note(&rig, &mut pair);
                }
                3 => {
                    pair.restart_tower(network);
                    pair.tower.set_terms(Some(terms()));
                }
                step => {
                    // All is lost at the client, or an old disk was put back.
                    let now = rig.now;
                    pair.lose_disk(now, network);
                    let state = if step == 4 { None } else { states[usize::from(step) % states.len()] };
                    let old = Standing { state, is_heard: false, ..standing(&rig) };
                    pair.client.note(now, pair.channel, old);
                    pair.look(now, &rig.entry());
                    prop_assert_eq!(pair.inside(&rig), rig.machine(0).cosigned(), "nothing is replaced by something older");
                    note(&rig, &mut pair);
                }
            }
        }
        let newest = rig.machine(0).cosigned().unwrap();
        let state = states[which.index(states.len())];
        close(&mut rig, state);
        pair.look(rig.now, &rig.entry());
        for (answer, _) in std::mem::take(&mut pair.submitted) {
            prop_assert_eq!(rig.submit(CAROL, answer), Verdict::Final);
        }
        prop_assert_eq!(rig.entry().unwrap().position, newest.body.position);
    }

    #[test]
    fn messages_decode_to_what_was_encoded_or_not_at_all(
        number in any::<u64>(),
        kind in 0..7_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (channel, units) = (ChannelId(Hash([4; 32])), units(number.into()));
        let pays = Pays { spent: units, days: number };
        let bill = Bill { used: units, price: units, days_max: number, fee_max: units };
        let (packet, answered) = (Packet([5; PACKET_BYTES]), Some(Time(number)));
        let message = match kind {
            0 => WatchMessage::Ask { channel, pays },
            1 => WatchMessage::Keep { channel, pays, packet },
            2 => WatchMessage::Forget { channel },
            3 => WatchMessage::Has { channel, packet: Some(packet), answered },
            4 => WatchMessage::Kept { channel, number, until: Time(number), bill },
            5 => WatchMessage::Refused { channel, refusal: WatchRefusal::Old { number }, bill },
            _ => WatchMessage::Forgotten { channel, answered },
        };
        let mut bytes = message.to_bytes();
        prop_assert_eq!(WatchMessage::from_bytes(&bytes), Ok(message));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = WatchMessage::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}

#[test]
fn a_channel_that_is_watched_no_more_leaves_nothing_but_what_was_spent() {
    let (rig, mut pair) = watched();
    pair.client.remove(rig.now, pair.channel, tower_id()).unwrap();
    pair.run(rig.now);
    assert_eq!(pair.kept(), []);
    let client = WatchedChannels::load(rig.world.network, [9; 32], &pair.disks[0]).unwrap();
    assert_eq!((client.towers().count(), client.spent(tower_id())), (0, units(PRICE)));
    let tower = Watchtower::load(tower_id(), rig.world.network, &pair.disks[1]).unwrap();
    assert_eq!((tower.kept().count(), tower.earned()), (0, units(PRICE)));
}
