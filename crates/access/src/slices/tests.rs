use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, IdentityId, NetworkId, Span};
use byway_records::OfferId;
use byway_records::offer::{Location, Offer, Service, Unit};
use proptest::prelude::*;
use proptest::sample::Index;

use super::joiner::WINDOW;
use super::silence::SILENCE_MAX;
use super::*;
use crate::discovery::Candidate;

const LABEL: Label = Label(0x0102_0304);

fn keys() -> SliceKeys {
    SliceKeys::new(&Zeroizing::new([5; 32]))
}

fn shape(needed: u8, paths: u8) -> Shape {
    Shape::new(needed, paths).expect("it is one")
}

/// Both ends of one direction.
fn pair(shape: Shape) -> (Splitter, Joiner) {
    (Splitter::new(Time(9), shape, &keys(), End::Client, LABEL), Joiner::new(shape, &keys(), End::Exit, LABEL))
}

/// A packet's slices, by path.
fn slices(splitter: &mut Splitter, packet: &[u8], random: u8) -> Vec<Vec<u8>> {
    let mut slices = Vec::new();
    let split = splitter.split(packet, Zeroizing::new([random; 32]), |_, slice| slices.push(slice.to_vec()));
    split.expect("it is short enough");
    slices
}

fn any_shape() -> impl Strategy<Value = Shape> {
    (1..=PATHS_MAX as u8).prop_flat_map(|paths| (1..=paths).prop_map(move |needed| shape(needed, paths)))
}

/// What a relay does with the slices that it is given.
#[derive(Debug, Clone, Copy)]
enum Relay {
    Honest,
    Silent,
    /// Drops every so many.
    Drops(usize),
    /// Hands each on after so many others.
    Delays(usize),
    Repeats,
    /// Changes a bit.
    Forges(usize),
    Reverses,
    /// Says that its slices are another path's.
    Renumbers,
}

impl Relay {
    fn carry(self, given: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let change = |at: usize, mut slice: Vec<u8>| {
            let length = slice.len();
            slice[at % length] ^= 1;
            slice
        };
        match self {
            Self::Honest | Self::Delays(_) => given,
            Self::Silent => Vec::new(),
            Self::Drops(every) => {
                given.into_iter().enumerate().filter(|(at, _)| at % every != 0).map(|(_, slice)| slice).collect()
            }
            Self::Repeats => given.into_iter().flat_map(|slice| [slice.clone(), slice.clone(), slice]).collect(),
            Self::Forges(at) => given.into_iter().map(|slice| change(at, slice)).collect(),
            Self::Reverses => given.into_iter().rev().collect(),
            Self::Renumbers => given.into_iter().map(|slice| change(12, slice)).collect(),
        }
    }

    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            Just(Self::Honest),
            Just(Self::Silent),
            (1_usize..4).prop_map(Self::Drops),
            (0_usize..30).prop_map(Self::Delays),
            Just(Self::Repeats),
            (0_usize..200).prop_map(Self::Forges),
            Just(Self::Reverses),
            Just(Self::Renumbers),
        ]
    }
}

/// Sends packets over these relays; what comes out, and how it was counted. Slices arrive in the order of their
/// packets, but for what a relay does.
fn carry(shape: Shape, relays: &[Relay], packets: &[Vec<u8>]) -> (Vec<Vec<u8>>, Counts) {
    let (mut splitter, mut joiner) = pair(shape);
    let mut given = vec![Vec::new(); shape.paths()];
    for packet in packets {
        let cut = slices(&mut splitter, packet, 1);
        given.iter_mut().zip(cut).for_each(|(given, slice)| given.push(slice));
    }
    let mut arriving = Vec::new();
    for (path, (relay, given)) in relays.iter().zip(given).enumerate() {
        let later = if let Relay::Delays(later) = relay { *later } else { 0 };
        arriving.extend(relay.carry(given).into_iter().enumerate().map(|(at, slice)| (at + later, path, slice)));
    }
    arriving.sort();
    let handled = arriving.iter().filter_map(|(_, _, slice)| joiner.handle(slice).ok()?.packet);
    let out = handled.collect();
    (out, *joiner.counts())
}

proptest! {
    #[test]
    fn any_k_slices_give_the_packet_at_once_and_less_give_nothing(
        shape in any_shape(),
        packet in proptest::collection::vec(any::<u8>(), 0..=PACKET_BYTES_MAX),
        order in Just((0..PATHS_MAX).collect::<Vec<_>>()).prop_shuffle(),
        random: u8,
    ) {
        let (mut splitter, mut joiner) = pair(shape);
        let cut = slices(&mut splitter, &packet, random);
        let mut come = 0;
        for path in order.into_iter().filter(|path| *path < shape.paths()) {
            let taken = joiner.handle(&cut[path]).expect("the other end made it");
            come += 1;
            let expected = (come == shape.needed()).then(|| packet.clone());
            prop_assert_eq!(taken, Taken { path, is_newest: true, packet: expected });
            prop_assert_eq!(joiner.handle(&cut[path]), Err(Refused::Duplicate));
        }
    }

    #[test]
    fn whatever_relays_do_only_what_was_sent_comes_out_and_all_of_it_over_k_honest_ones(
        shape in any_shape(),
        relays in proptest::collection::vec(Relay::any(), PATHS_MAX),
        count in 1_usize..20,
    ) {
        let relays = &relays[..shape.paths()];
        let packets: Vec<Vec<u8>> = (0..count).map(|number| vec![number as u8; 10 + number * 7]).collect();
        let (mut out, counts) = carry(shape, relays, &packets);
        out.sort();
        let mut once = out.clone();
        once.dedup();
        prop_assert_eq!(&once, &out, "each comes out once");
        prop_assert!(out.iter().all(|packet| packets.contains(packet)));
        let good = |relay: &&Relay| matches!(relay, Relay::Honest | Relay::Delays(_) | Relay::Repeats | Relay::Reverses);
        if relays.iter().filter(good).count() >= shape.needed() {
            prop_assert_eq!(out.len(), packets.len());
        }
        let carried = counts.by_path[..shape.paths()].iter().zip(relays);
        let (of_forgers, of_others): (Vec<_>, Vec<_>) =
            carried.partition(|(_, relay)| matches!(relay, Relay::Forges(_) | Relay::Renumbers));
        prop_assert!(of_forgers.iter().all(|(count, _)| **count == 0), "a changed slice counts for nobody");
        prop_assert!(of_others.iter().all(|(count, _)| **count <= packets.len() as u64), "nor a repeated one twice");
    }

    #[test]
    fn whatever_arrives_is_borne(shape in any_shape(), slice in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut joiner) = pair(shape);
        prop_assert!(joiner.handle(&slice).is_err());
        let mut named = LABEL.0.to_be_bytes().to_vec();
        named.extend(slice);
        prop_assert!(matches!(joiner.handle(&named), Err(Refused::Forged | Refused::Malformed)));
    }

    /// What k − 1 relays hold, and any guess at a further slice: no packet.
    #[test]
    fn k_minus_one_slices_and_a_guess_give_no_packet(
        (needed, paths) in (2_u8..=8).prop_flat_map(|paths| (2..=paths, Just(paths))),
        packet in proptest::collection::vec(any::<u8>(), 0..100),
        seed: [u8; 32],
        missing: Index,
    ) {
        let shape = shape(needed, paths);
        let (mut splitter, _) = pair(shape);
        let cut = slices(&mut splitter, &packet, 77);
        let missing = missing.index(shape.needed());
        let mut pieces: Vec<Vec<u8>> = cut.iter().take(shape.needed()).map(|slice| slice[HEADER_BYTES..].to_vec()).collect();
        prop_assert!(pieces[missing].len() >= package::MISSING_MIN, "too long to guess");
        let guess = pieces[missing].iter().enumerate().map(|(at, _)| seed[at % 32] ^ at as u8).collect();
        pieces[missing] = guess;
        let numbered: Vec<_> = pieces.iter().enumerate().map(|(number, piece)| (number as u8, &**piece)).collect();
        prop_assert_eq!(splitter::packet_of(shape, code::whole(shape, &numbered)), None);
    }
}

#[test]
fn n_minus_k_relays_may_die_at_any_time() {
    let shape = shape(3, 5);
    let (mut splitter, mut joiner) = pair(shape);
    for number in 0..100_u8 {
        let alive = if number < 50 { 0..5 } else { 2..5 };
        let cut = slices(&mut splitter, &[number; 100], number);
        let out: Vec<_> =
            cut[alive].iter().filter_map(|slice| joiner.handle(slice).expect("it is good").packet).collect();
        assert_eq!(out, [vec![number; 100]], "without a pause");
    }
    assert_eq!(joiner.counts().by_path, [50, 50, 100, 100, 100, 0, 0, 0]);
    assert_eq!(joiner.counts().packets, 100);
}

#[test]
fn a_replay_is_told_whatever_its_age_and_memory_is_bounded() {
    let (mut splitter, mut joiner) = pair(shape(2, 2));
    let first = slices(&mut splitter, b"first", 1);
    assert_eq!(joiner.handle(&first[0]).map(|taken| taken.packet), Ok(None));
    for number in 0..3 * WINDOW {
        // Nothing is ever complete.
        let [only, _] = &slices(&mut splitter, b"more", number as u8)[..] else { panic!("two") };
        joiner.handle(only).expect("it is good");
    }
    assert_eq!(joiner.handle(&first[1]), Err(Refused::Late));
    let counts = *joiner.counts();
    assert_eq!((counts.incomplete, counts.late, counts.packets), (2 * WINDOW + 1, 1, 0));
    // After a restart of the sender, whose clock has gone on, everything is new.
    let mut later = Splitter::new(Time(10), shape(2, 2), &keys(), End::Client, LABEL);
    let cut = slices(&mut later, b"later", 1);
    joiner.handle(&cut[1]).expect("it is good");
    assert_eq!(joiner.handle(&cut[0]).map(|taken| taken.packet), Ok(Some(b"later".to_vec())));
    assert_eq!(joiner.counts().incomplete, 3 * WINDOW + 1);
}

#[test]
fn nobody_else_is_believed() {
    let shape = shape(1, 1);
    let cut = |secret, end, label| {
        let keys = SliceKeys::new(&Zeroizing::new([secret; 32]));
        slices(&mut Splitter::new(Time(9), shape, &keys, end, label), b"packet", 1).remove(0)
    };
    for (slice, expected) in [
        (cut(6, End::Client, LABEL), Refused::Forged),
        (cut(5, End::Exit, LABEL), Refused::Forged),
        (cut(5, End::Client, Label(7)), Refused::Malformed),
        (cut(5, End::Client, LABEL)[..HEADER_BYTES - 1].to_vec(), Refused::Malformed),
    ] {
        let (_, mut joiner) = pair(shape);
        assert_eq!(joiner.handle(&slice), Err(expected));
    }
    let (mut splitter, _) = pair(shape);
    let long = [0; PACKET_BYTES_MAX + 1];
    assert_eq!(splitter.split(&long, Zeroizing::new([0; 32]), |_, _| {}), Err(TooLong(PACKET_BYTES_MAX + 1)));
}

#[test]
fn a_shape_says_what_fits() {
    for (needed, paths) in [(0, 1), (2, 1), (1, 9), (9, 9), (0, 0)] {
        assert_eq!(Shape::new(needed, paths), Err(NoShape { needed, paths }));
    }
    for paths in 1..=PATHS_MAX as u8 {
        for needed in 1..=paths {
            let (shape, slice) = (shape(needed, paths), 1452);
            let packet = vec![3; shape.packet_max(slice)];
            let (mut splitter, _) = pair(shape);
            assert!(slices(&mut splitter, &packet, 1).iter().all(|cut| cut.len() <= slice), "{needed} of {paths}");
        }
    }
    assert_eq!(Shape::SINGLE.packet_max(1452), 1423);
}

fn candidate(provider: u8, country: &str, asn: u32, price: u64) -> Candidate {
    let secret = IdentitySecret::from_bytes(&[provider; 32]).expect("a key");
    let place = Location { country: country.parse().expect("a country"), asn };
    let offer = Offer {
        provider: secret.id(),
        serial: 1,
        service: Service::RELAY,
        location: place,
        exit: place,
        bandwidth_bps: 1,
        prices: Vec::new(),
        exit_policy: Vec::new(),
        contacts: Vec::new(),
    };
    let (id, offer) = (OfferId::of(secret.id(), 1), offer.sign(&secret, NetworkId(byway_primitives::Hash([0; 32]))));
    Candidate { id, offer, price: Amount::from_units(price.into()), unit: Unit::Mb }
}

#[test]
fn relays_have_as_little_in_common_as_there_is() {
    let market = || {
        vec![
            candidate(1, "DE", 10, 1),
            candidate(1, "FR", 20, 2),
            candidate(2, "DE", 10, 3),
            candidate(3, "DE", 30, 4),
            candidate(4, "SE", 40, 5),
            candidate(5, "SE", 50, 6),
        ]
    };
    let id = |provider: u8| candidate(provider, "DE", 0, 0).offer.offer.provider;
    let chosen = |wanted, occupied: &[Occupied]| -> Vec<IdentityId> {
        let chosen = choose(market().into_iter(), wanted, occupied.iter().copied());
        chosen.iter().map(|candidate| candidate.offer.offer.provider).collect()
    };
    assert_eq!(chosen(1, &[]), [id(1)], "the cheapest");
    assert_eq!(chosen(3, &[]), [id(1), id(4), id(3)], "another network and country, then another network");
    assert_eq!(chosen(9, &[]), [id(1), id(4), id(3), id(5), id(2)], "each provider once");
    let place = |country: &str, asn| Some(Location { country: country.parse().expect("a country"), asn });
    let exit = Occupied { provider: id(9), place: place("DE", 10) };
    assert_eq!(chosen(1, &[exit]), [id(1)], "its offer elsewhere");
    let failed = Occupied { provider: id(1), place: None };
    assert_eq!(chosen(2, &[exit, failed]), [id(4), id(3)]);
}

#[test]
fn a_group_without_a_successor_is_refused() {
    let (_, mut joiner) = pair(shape(2, 2));
    for group in [u64::MAX, u64::MAX - WINDOW] {
        let (header, piece) = (Header { label: LABEL, group, number: 0 }.to_bytes(), [1; 40]);
        // As the other end itself could make it.
        let mac = keys().sending(End::Client).mac(&header, &piece);
        let slice = [&header[..], &mac[..], &piece[..]].concat();
        assert_eq!(joiner.handle(&slice), Err(Refused::Malformed));
    }
    assert_eq!(joiner.counts().malformed, 2);
}

#[test]
fn time_without_traffic_makes_nobody_silent() {
    let mut silence = Silence::new(Time(0), 2);
    let of = |a, b| [a, b, 0, 0, 0, 0, 0, 0];
    for second in 1..100 {
        assert_eq!(silence.handle_counts(Time(0) + Span::seconds(second), &of(0, 0)), [0; 0]);
    }
    assert_eq!(silence.handle_counts(Time(0) + Span::millis(99_500), &of(100, 0)), [0; 0], "the first is the faster");
    assert_eq!(silence.handle_counts(Time(0) + Span::seconds(102), &of(200, 0)), [1]);
}

#[test]
fn a_path_is_silent_when_others_are_not() {
    let mut silence = Silence::new(Time(0), 3);
    let late = Time(0) + SILENCE_MAX;
    let of = |a, b, c| [a, b, c, 0, 0, 0, 0, 0];
    assert_eq!(silence.clone().handle_counts(late, &of(0, 0, 0)), [0; 0], "nothing is sent at all");
    assert_eq!(silence.clone().handle_counts(Time(1), &of(100, 100, 0)), [0; 0], "it may just be slow");
    assert_eq!(silence.clone().handle_counts(late, &of(5, 5, 0)), [0; 0], "a few may be lost");
    assert_eq!(silence.handle_counts(late, &of(100, 100, 0)), [2]);
    silence.replaced(late, 2, &of(100, 100, 0));
    assert_eq!(silence.handle_counts(late + Span::millis(1), &of(200, 200, 0)), [0; 0], "another one has time");
    assert_eq!(silence.handle_counts(late + SILENCE_MAX, &of(300, 300, 1)), [0; 0]);
    assert_eq!(silence.handle_counts(late + SILENCE_MAX + SILENCE_MAX, &of(300, 400, 100)), [0]);
}
