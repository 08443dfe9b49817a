//! Having others watch: packets, the two sides of watching, and what a watchtower does at a close.

use byway_channel::watching::{
    CHANNELS_PER_CLIENT_MAX, FREE_TIME, Kept, PACKET_BYTES, PERIOD, Packet, PacketError, TowerNews, TowerTerms,
    WatchMessage, WatchRefusal, WatchedChannels, WatchedNews, Watchtower,
};
use byway_crypto::IdentitySecret;
use byway_ledger::Verdict;
use byway_primitives::{Amount, Decode, Effect, Encode, Hash, IdentityId, MemoryStore, Span, Time};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Cosigned, Lane, Position, Side, WatchSecret};
use byway_records::promise::ChannelId;
use byway_records::state::Settled;
use proptest::prelude::*;

use crate::scene::{DEPOSIT, Rig, SECRET, person};
use crate::world::{CAROL, units};

const PRICE: u128 = 1_000;
const PRICE_MAX: Amount = Amount::from_units(2_000);

/// A client, its watchtower, and the wires between them.
struct Pair {
    client: WatchedChannels,
    tower: Watchtower,
    disks: [MemoryStore; 2],
    me: IdentityId,
    /// What the client has had promised, and what the watchtower has used of that.
    promised: Amount,
    earned: Amount,
    submitted: Vec<ChannelsCall>,
    dropped: Vec<WatchRefusal>,
    said: Vec<WatchMessage>,
}

fn terms() -> TowerTerms {
    TowerTerms { price: units(PRICE), channels_max: 100 }
}

/// Of the ledger's people, or somebody of whom it has never heard.
fn stranger(number: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[u8::try_from(number + 1).unwrap(); 32]).unwrap()
}

fn tower_id() -> IdentityId {
    stranger(CAROL).id()
}

impl Pair {
    fn new(rig: &Rig) -> Self {
        let disks = [MemoryStore::new(), MemoryStore::new()];
        let mut tower = Watchtower::load(tower_id(), rig.world.network, &disks[1]).unwrap();
        tower.set_terms(Some(terms()));
        let mut client = WatchedChannels::load(&disks[0]).unwrap();
        client.handle_connected(rig.now, tower_id());
        Self {
            client,
            tower,
            disks,
            me: person(0).id(),
            promised: Amount::ZERO,
            earned: Amount::ZERO,
            submitted: Vec::new(),
            dropped: Vec::new(),
            said: Vec::new(),
        }
    }

    fn credit(&self) -> Amount {
        self.promised.saturating_sub(self.earned)
    }

    /// Carries everything between the two; `pays` promises what the client spends.
    fn run(&mut self, now: Time, pays: bool) {
        loop {
            let (from_client, from_tower) = (self.client.poll(), self.tower.poll());
            if from_client.is_empty() && from_tower.is_empty() {
                return;
            }
            for effect in from_client {
                match effect {
                    Effect::Persist { batch, .. } => self.disks[0].apply(&batch),
                    Effect::Send { message, .. } => {
                        self.said.push(message.clone());
                        self.tower.handle_message(now, self.me, message, self.credit());
                    }
                    Effect::Notify(WatchedNews::Spent { total, .. }) if pays => {
                        self.promised = self.promised.max(total);
                        self.tower.handle_credit(now, self.me, self.credit());
                    }
                    _ => {}
                }
            }
            for effect in from_tower {
                match effect {
                    Effect::Persist { batch, .. } => self.disks[1].apply(&batch),
                    Effect::Send { message, .. } => self.client.handle_message(now, tower_id(), message),
                    Effect::Notify(TowerNews::Earned { total, .. }) => self.earned = total,
                    Effect::Notify(TowerNews::Submit { call, .. }) => self.submitted.push(*call),
                    Effect::Notify(TowerNews::Dropped { refusal, .. }) => self.dropped.push(refusal),
                    Effect::WakeAt(_) => {}
                }
            }
        }
    }

    /// A new checkpoint for both.
    fn look(&mut self, now: Time, entry: &Option<Channel>, pays: bool) {
        self.client.handle_ledger(now, |_| entry.clone());
        self.tower.handle_ledger(now, |_| true, |_| entry.clone());
        self.run(now, pays);
    }

    fn kept(&self) -> Vec<Kept> {
        self.tower.kept().map(|(_, _, kept)| kept.clone()).collect()
    }
}

/// A channel that Alice has watched, and its watchtower.
fn watched(pays: bool) -> (Rig, Pair) {
    let mut rig = Rig::new();
    rig.pay(1, 1_000);
    rig.exchange();
    let channel = rig.machine(0).id().unwrap();
    let delegates = vec![tower_id()];
    assert_eq!(rig.submit(0, ChannelsCall::SetDelegates { channel, side: Side::Initiator, delegates }), Verdict::Final);
    let mut pair = Pair::new(&rig);
    assert!(pair.client.add(channel, tower_id(), PRICE_MAX));
    note(&rig, &mut pair, pays);
    (rig, pair)
}

fn note(rig: &Rig, pair: &mut Pair, pays: bool) {
    let machine = &rig.parties[0].machine;
    pair.client.note_state(rig.now, machine.peer_secret().unwrap(), Side::Initiator, &machine.cosigned().unwrap());
    pair.run(rig.now, pays);
}

fn cosigned(position: Position, total: u128) -> Cosigned<ChannelState> {
    let (network, channel) = (byway_primitives::NetworkId(Hash([2; 32])), ChannelId(Hash([3; 32])));
    Cosigned::sign(ChannelState { network, channel, total: units(total), position }, [&person(0), &person(1)])
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
    let (mut rig, mut pair) = watched(true);
    let old = rig.machine(1).cosigned();
    for amount in [5_000, 6_000] {
        rig.pay(1, amount);
        rig.exchange();
        note(&rig, &mut pair, true);
    }
    let channel = rig.machine(0).id().unwrap();
    // Alice is gone, and Bob closes with what was.
    rig.parties.iter_mut().for_each(|party| party.is_watching = false);
    pair.look(rig.now, &rig.entry(), true);
    assert_eq!(pair.submitted, []);
    rig.submit(1, ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state: old });
    pair.look(rig.now, &rig.entry(), true);
    let answer = pair.submitted.pop().expect("it answers");
    assert_eq!(rig.submit(CAROL, answer), Verdict::Final);
    assert_eq!(rig.entry().unwrap().signed, 3);
    pair.look(rig.now + Span::minutes(1), &rig.entry(), true);
    assert_eq!(pair.submitted, [], "it is answered");
    rig.parties.iter_mut().for_each(|party| party.is_watching = true);
    rig.settle();
    rig.assert_paid([DEPOSIT + 12_000, DEPOSIT - 12_000].map(units));
}

#[test]
fn an_answer_is_handed_in_again_until_the_ledger_has_it_also_after_a_restart() {
    let (mut rig, mut pair) = watched(true);
    let channel = rig.machine(0).id().unwrap();
    rig.parties.iter_mut().for_each(|party| party.is_watching = false);
    rig.submit(1, ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state: None });
    pair.look(rig.now, &rig.entry(), true);
    pair.look(rig.now + Span::seconds(1), &rig.entry(), true);
    assert_eq!(pair.submitted.len(), 1);
    pair.look(rig.now + Span::seconds(11), &rig.entry(), true);
    assert_eq!(pair.submitted.len(), 2);
    pair.tower = Watchtower::load(tower_id(), rig.world.network, &pair.disks[1]).unwrap();
    // Nothing has changed since it started, and it does not accept packets any more.
    pair.tower.handle_ledger(rig.now, |_| false, |_| rig.entry());
    pair.run(rig.now, true);
    assert_eq!(pair.submitted.len(), 3);
}

#[test]
fn packets_are_of_one_size_and_without_the_secret_nothing_is_read_in_them() {
    let (small, large) =
        (position(1, [1, 2], [Lane::default(); 2]), position(u64::MAX >> 20, [1 << 70; 2], [lane(5); 2]));
    let packets = [small, large]
        .map(|position| Packet::seal(SECRET, Side::Initiator, 7, &cosigned(position, 1 << 73)).unwrap().to_bytes());
    assert!(packets.iter().all(|packet| packet.len() == PACKET_BYTES));
    for position in [small, large] {
        let state = cosigned(position, 1 << 73);
        let mut entry = Rig::new().entry().unwrap();
        (entry.total, entry.parties) = (state.body.total, state.parties);
        let packet = Packet::seal(SECRET, Side::Initiator, 7, &state).unwrap();
        let (network, channel) = (state.body.network, state.body.channel);
        let open = |secret, side| packet.open(secret, side, network, channel, &entry);
        assert_eq!(open(SECRET, Side::Initiator), Some(state));
        assert_eq!(open(WatchSecret([8; 16]), Side::Initiator), None);
        assert_eq!(open(SECRET, Side::Responder), None);
        assert!(!packet.0.windows(8).any(|window| state.to_bytes().windows(8).any(|part| part == window)));
        // What is in the channel has changed since: nobody has signed such a state.
        entry.total = units(1 << 72);
        assert_eq!(packet.open(SECRET, Side::Initiator, network, channel, &entry), None);
    }
}

#[test]
fn what_does_not_fit_is_said_and_the_packet_before_stays() {
    let both = |amount: u128| position(9, [amount; 2], [lane(amount); 2]);
    assert!(Packet::seal(SECRET, Side::Initiator, 7, &cosigned(both(1 << 69), 1 << 71)).is_ok());
    let state = cosigned(both(1 << 120), 1 << 123);
    assert_eq!(Packet::seal(SECRET, Side::Initiator, 7, &state), Err(PacketError::TooLong));
    let (rig, mut pair) = watched(true);
    let channel = rig.parties[0].machine.id().unwrap();
    let before = pair.kept()[0].packet;
    let body = ChannelState { channel, ..state.body };
    pair.client.note_state(rig.now, SECRET, Side::Initiator, &Cosigned { body, ..state });
    pair.run(rig.now, true);
    assert_eq!(pair.client.error(channel), Some(PacketError::TooLong));
    assert_eq!(pair.kept()[0].packet, before);
}

#[test]
fn a_packet_replaces_the_one_before_and_only_the_newest_of_many_is_sent() {
    let (mut rig, mut pair) = watched(true);
    let first = pair.kept()[0].packet.number();
    pair.said.clear();
    for _ in 0..5 {
        rig.pay(1, 100);
        rig.exchange();
        let machine = &rig.parties[0].machine;
        pair.client.note_state(rig.now, machine.peer_secret().unwrap(), Side::Initiator, &machine.cosigned().unwrap());
    }
    pair.run(rig.now, true);
    assert_eq!(pair.said.len(), 2, "one on its way, then the newest");
    let kept = pair.kept();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].packet.number() > first);
    let state = kept[0].packet.open(
        SECRET,
        Side::Initiator,
        rig.world.network,
        rig.machine(0).id().unwrap(),
        &rig.entry().unwrap(),
    );
    assert_eq!(state, rig.machine(0).cosigned());
}

#[test]
fn a_packet_waits_for_what_was_written_before_it() {
    let (mut rig, mut pair) = watched(true);
    rig.pay(1, 100);
    rig.exchange();
    let machine = &rig.parties[0].machine;
    pair.client.note_state(rig.now, machine.peer_secret().unwrap(), Side::Initiator, &machine.cosigned().unwrap());
    let effects = pair.client.poll();
    let written = effects.iter().position(|effect| matches!(effect, Effect::Persist { .. }));
    let sent = effects.iter().position(|effect| matches!(effect, Effect::Send { after: Some(_), .. }));
    assert!(written.unwrap() < sent.unwrap());
}

#[test]
fn a_day_is_paid_for_ahead_and_the_next_when_half_of_it_is_over() {
    let (rig, mut pair) = watched(true);
    assert_eq!((pair.earned, pair.promised), (units(PRICE), units(PRICE)));
    assert_eq!(pair.kept()[0].until, rig.now + FREE_TIME + PERIOD);
    let (channel, now) = (rig.parties[0].machine.id().unwrap(), rig.now + Span::minutes(11 * 60));
    pair.look(now, &rig.entry(), true);
    assert_eq!(pair.earned, units(PRICE));
    pair.look(rig.now + Span::minutes(13 * 60), &rig.entry(), true);
    assert_eq!((pair.earned, pair.promised), (units(2 * PRICE), units(2 * PRICE)));
    assert_eq!(pair.client.iter().find(|(of, ..)| *of == channel).unwrap().2.until, Some(pair.kept()[0].until));
}

#[test]
fn what_is_not_paid_for_is_not_kept_and_nothing_is_free_a_second_time() {
    let (rig, mut pair) = watched(false);
    assert_eq!((pair.earned, pair.kept()[0].until), (Amount::ZERO, rig.now + FREE_TIME));
    let over = rig.now + FREE_TIME + Span::seconds(1);
    pair.look(over, &rig.entry(), false);
    pair.look(over + Span::millis(500), &rig.entry(), false);
    assert_eq!((pair.kept().len(), &pair.dropped[..]), (0, &[WatchRefusal::Unpaid][..]));
    let refusals: Vec<_> = pair.client.iter().map(|(_, _, watch)| watch.refusal).collect();
    assert_eq!(refusals, [Some(WatchRefusal::Unpaid)]);
    pair.look(over + Span::minutes(1), &rig.entry(), false);
    assert_eq!(pair.kept(), []);
    // It pays at last what it has spent.
    pair.promised = pair.client.spent(tower_id());
    pair.look(over + Span::minutes(2), &rig.entry(), true);
    assert_eq!((pair.kept().len(), pair.earned), (1, units(PRICE)));
}

#[test]
fn no_more_is_paid_than_the_client_agreed_to() {
    let mut rig = Rig::new();
    rig.pay(1, 1_000);
    rig.exchange();
    let channel = rig.machine(0).id().unwrap();
    let mut pair = Pair::new(&rig);
    pair.tower.set_terms(Some(TowerTerms { price: units(2_001), ..terms() }));
    pair.client.add(channel, tower_id(), PRICE_MAX);
    note(&rig, &mut pair, true);
    assert_eq!((pair.earned, pair.client.spent(tower_id())), (Amount::ZERO, Amount::ZERO));
    // A watchtower that has credit of other uses takes none of that.
    pair.promised = units(1_000_000);
    pair.tower.handle_credit(rig.now, pair.me, pair.credit());
    pair.run(rig.now, true);
    assert_eq!(pair.earned, Amount::ZERO);
}

#[test]
fn a_watchtower_that_says_other_times_is_paid_no_more_often() {
    let (rig, mut pair) = watched(true);
    let (channel, now) = (rig.parties[0].machine.id().unwrap(), rig.now);
    assert_eq!(pair.client.spent(tower_id()), units(PRICE));
    for number in 0..20 {
        let kept = WatchMessage::Kept { channel, number: 0, until: Time(number), price: units(PRICE) };
        pair.client.handle_message(now, tower_id(), kept);
        let refused = WatchMessage::Refused { channel, refusal: WatchRefusal::Unpaid };
        pair.client.handle_message(now, tower_id(), refused);
    }
    assert_eq!(pair.client.spent(tower_id()), units(PRICE));
    let again = WatchMessage::Kept { channel, number: 0, until: Time(7), price: units(PRICE) };
    pair.client.handle_message(now + PERIOD, tower_id(), again);
    assert_eq!(pair.client.spent(tower_id()), units(2 * PRICE));
}

#[test]
fn nobody_brings_numbers_to_an_end() {
    let (mut rig, mut pair) = watched(true);
    let (channel, now) = (rig.parties[0].machine.id().unwrap(), rig.now);
    for (who, number) in [(stranger(CAROL + 1).id(), now.0 + 1), (tower_id(), u64::MAX), (tower_id(), (1 << 48) - 1)] {
        let refused = WatchMessage::Refused { channel, refusal: WatchRefusal::Old { number } };
        pair.client.handle_message(now, who, refused);
    }
    rig.pay(1, 1_000);
    rig.exchange();
    note(&rig, &mut pair, true);
    assert_eq!(pair.client.error(channel), None);
    assert!(pair.client.is_relied_on(rig.now, channel, tower_id()));
    // What is not given to it is not relied on.
    let state = rig.parties[0].machine.cosigned().unwrap();
    let body = ChannelState {
        position: Position { round: state.body.position.round + 1, ..state.body.position },
        ..state.body
    };
    pair.client.note_state(rig.now, SECRET, Side::Initiator, &Cosigned { body, ..state });
    assert!(!pair.client.is_relied_on(rig.now, channel, tower_id()));
}

#[test]
fn strangers_replace_nothing_and_are_let_go_of() {
    let (rig, mut pair) = watched(true);
    let (channel, kept) = (rig.parties[0].machine.id().unwrap(), pair.kept());
    let packet = Packet([0xff; PACKET_BYTES]);
    let (unknown, spent) = (stranger(CAROL + 1).id(), Amount::ZERO);
    pair.tower.handle_message(rig.now, unknown, WatchMessage::Keep { channel, spent, packet }, Amount::ZERO);
    pair.tower.poll();
    assert_eq!(pair.kept().len(), 2);
    pair.tower.handle_ledger(rig.now, |_| false, |_| rig.entry());
    let refused = WatchMessage::Refused { channel, refusal: WatchRefusal::NotDelegate };
    let is_refused = |effect: &Effect<IdentityId, WatchMessage, TowerNews>| matches!(effect, Effect::Send { to, message, .. } if *to == unknown && *message == refused);
    assert!(pair.tower.poll().iter().any(is_refused));
    assert_eq!(pair.kept(), kept);
}

#[test]
fn an_old_packet_and_too_many_are_refused() {
    let (rig, mut pair) = watched(true);
    let (channel, newest) = (rig.parties[0].machine.id().unwrap(), pair.kept()[0].packet);
    let (me, spent) = (pair.me, Amount::ZERO);
    let keep = |channel, packet| WatchMessage::Keep { channel, spent, packet };
    let refusal = |tower: &mut Watchtower| {
        let mut said = tower.poll().into_iter().filter_map(|effect| match effect {
            Effect::Send { message: WatchMessage::Refused { refusal, .. }, .. } => Some(refusal),
            _ => None,
        });
        said.next_back()
    };
    pair.tower.handle_message(rig.now, me, keep(channel, Packet([0; PACKET_BYTES])), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Old { number: newest.number() }));
    for number in 1..=CHANNELS_PER_CLIENT_MAX {
        let other = ChannelId(Hash([u8::try_from(number).unwrap(); 32]));
        pair.tower.handle_message(rig.now, me, keep(other, newest), Amount::ZERO);
    }
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Full));
    assert_eq!(pair.kept().len(), CHANNELS_PER_CLIENT_MAX);
    pair.tower.set_terms(None);
    pair.tower.handle_message(rig.now, me, keep(channel, newest), Amount::ZERO);
    assert_eq!(refusal(&mut pair.tower), Some(WatchRefusal::Unwilling));
}

#[test]
fn a_client_whose_clock_went_back_goes_on_above_what_the_watchtower_has() {
    let (mut rig, mut pair) = watched(true);
    let number = pair.kept()[0].packet.number();
    rig.pay(1, 100);
    rig.exchange();
    // Its disk is lost as well, but for what is asked for again.
    pair.client = WatchedChannels::load(&MemoryStore::new()).unwrap();
    let (channel, machine) = (rig.parties[0].machine.id().unwrap(), &rig.parties[0].machine);
    let early = Time(rig.now.0 - 1_000_000);
    pair.client.handle_connected(early, tower_id());
    pair.client.add(channel, tower_id(), PRICE_MAX);
    for _ in 0..2 {
        pair.client.note_state(early, machine.peer_secret().unwrap(), Side::Initiator, &machine.cosigned().unwrap());
        pair.run(rig.now, true);
        pair.client.handle_disconnected(tower_id());
        pair.client.handle_connected(early, tower_id());
        pair.run(rig.now, true);
    }
    assert!(pair.kept()[0].packet.number() > number);
    let entry = rig.entry().unwrap();
    let state = pair.kept()[0].packet.open(SECRET, Side::Initiator, rig.world.network, channel, &entry);
    assert_eq!(state, machine.cosigned());
}

proptest! {
    #![proptest_config(crate::random::config(40))]

    /// Whatever is paid, lost and restarted, and whenever Bob closes with which state: the newest that the watchtower confirmed is
    /// what counts.
    #[test]
    fn whatever_the_other_closes_with_what_was_confirmed_counts(
        steps in prop::collection::vec(any::<u8>(), 1..24),
        which in any::<prop::sample::Index>(),
    ) {
        let (mut rig, mut pair) = watched(true);
        let mut states = vec![None, rig.machine(1).cosigned()];
        for step in steps {
            match step % 4 {
                0 | 1 => {
                    rig.pay(usize::from(step % 2), u128::from(step) + 1);
                    rig.exchange();
                    states.push(rig.machine(1).cosigned());
                    note(&rig, &mut pair, true);
                }
                2 => {
                    pair.client = WatchedChannels::load(&pair.disks[0]).unwrap();
                    pair.client.handle_connected(rig.now, tower_id());
                    note(&rig, &mut pair, true);
                }
                _ => {
                    pair.tower = Watchtower::load(tower_id(), rig.world.network, &pair.disks[1]).unwrap();
                    pair.tower.set_terms(Some(terms()));
                }
            }
        }
        let newest = rig.machine(0).cosigned().unwrap();
        let state = states[which.index(states.len())];
        let channel = rig.machine(0).id().unwrap();
        rig.parties.iter_mut().for_each(|party| party.is_watching = false);
        rig.submit(1, ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state });
        pair.look(rig.now, &rig.entry(), true);
        for answer in std::mem::take(&mut pair.submitted) {
            prop_assert_eq!(rig.submit(CAROL, answer), Verdict::Final);
        }
        prop_assert_eq!(rig.entry().unwrap().position, newest.body.position);
    }

    #[test]
    fn messages_decode_to_what_was_encoded_or_not_at_all(
        number in any::<u64>(),
        kind in 0..4_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (channel, units) = (ChannelId(Hash([4; 32])), units(number.into()));
        let message = match kind {
            0 => WatchMessage::Keep { channel, spent: units, packet: Packet([5; PACKET_BYTES]) },
            1 => WatchMessage::Forget { channel },
            2 => WatchMessage::Kept { channel, number, until: Time(number), price: units },
            _ => WatchMessage::Refused { channel, refusal: WatchRefusal::Old { number } },
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
    let (rig, mut pair) = watched(true);
    let channel = rig.parties[0].machine.id().unwrap();
    pair.client.remove(channel, tower_id()).unwrap();
    pair.run(rig.now, true);
    assert_eq!(pair.kept(), []);
    let client = WatchedChannels::load(&pair.disks[0]).unwrap();
    assert_eq!((client.iter().count(), client.spent(tower_id())), (0, units(PRICE)));
    let tower = Watchtower::load(tower_id(), rig.world.network, &pair.disks[1]).unwrap();
    assert_eq!((tower.kept().count(), tower.earned()), (0, units(PRICE)));
}
