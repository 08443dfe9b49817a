use proptest::prelude::*;

use super::dealing::{Complaint, Dealing, DealingError, DealingKey, DealingSecret, VerifiedDealing};
use super::*;

const NETWORK: NetworkId = NetworkId(Hash([9; 32]));
const COIN: Context = Context("byway test coin");

fn secret(member: u8) -> DealingSecret {
    DealingSecret::from_seed(&[member + 1; 32])
}

fn receivers(count: u8) -> Vec<(u8, DealingKey)> {
    (0..count).map(|member| (member, secret(member).public())).collect()
}

fn occasion(dealer: u8) -> Hash {
    Hash([dealer + 100; 32])
}

fn dealing(dealer: u8, threshold: usize, members: u8) -> Dealing {
    Dealing::deal(&[dealer; 32], occasion(dealer), threshold, &receivers(members))
}

fn verified(dealer: u8, threshold: usize, members: u8) -> VerifiedDealing {
    dealing(dealer, threshold, members).verify(occasion(dealer), threshold, &receivers(members)).expect("it is sound")
}

/// The key that some dealers make for so many members, and everyone's part of it.
fn shared(dealers: u8, threshold: usize, members: u8) -> (ThresholdKey, Vec<ShareSecret>) {
    let dealings: Vec<_> = (0..dealers).map(|dealer| verified(dealer, threshold, members)).collect();
    let part = |member: u8| {
        let opened = dealings.iter().map(|dealing| dealing.open(member, &secret(member), &[1; 32]));
        ShareSecret::sum(opened.map(|share| share.expect("a receiver").expect("a good share"))).expect("of some")
    };
    (ThresholdKey::sum(&dealings, members).expect("of some"), (0..members).map(part).collect())
}

fn share(secrets: &[ShareSecret], member: u8, message: &[u8]) -> (u8, SignatureShare) {
    (member, secrets[usize::from(member)].sign(Purpose::Coin, NETWORK, message))
}

#[test]
fn any_t_members_make_the_same_signature_and_fewer_make_none() {
    let (key, secrets) = shared(3, 3, 7);
    let combine = |members: &[u8]| {
        let shares: Vec<_> = members.iter().map(|member| share(&secrets, *member, b"round 5")).collect();
        key.combine(Purpose::Coin, NETWORK, b"round 5", &shares)
    };
    let first = combine(&[0, 1, 2]);
    assert!(first.signature.is_some());
    for members in [&[6, 3, 1][..], &[2, 4, 5], &[0, 1, 2, 3, 4, 5, 6]] {
        assert_eq!(combine(members), first, "{members:?}");
    }
    assert_eq!(combine(&[4, 6]), Combined { signature: None, culprits: Vec::new() });
}

#[test]
fn a_single_member_holds_its_key_alone() {
    let (key, secrets) = shared(1, 1, 1);
    let combined = key.combine(Purpose::Coin, NETWORK, b"m", &[share(&secrets, 0, b"m")]);
    assert!(combined.signature.is_some());
}

#[test]
fn false_shares_are_found_and_left_out() {
    let (key, secrets) = shared(2, 3, 7);
    let good = |member| share(&secrets, member, b"m");
    let foreign = (1, share(&secrets, 1, b"another message").1);
    let garbage = (2, SignatureShare([0xff; 48]));
    let neutral = (3, SignatureShare(std::array::from_fn(|place| if place == 0 { 0xc0 } else { 0 })));
    let stranger = (9, good(0).1);
    for (shares, culprits) in [
        (vec![foreign, good(0), good(4), good(5)], vec![1]),
        (vec![garbage, neutral, foreign, good(4), good(5), good(6)], vec![2, 3, 1]),
        (vec![stranger, good(4), good(5), good(6)], vec![9]),
    ] {
        let combined = key.combine(Purpose::Coin, NETWORK, b"m", &shares);
        assert_eq!(combined.culprits, culprits);
        assert_eq!(
            combined.signature,
            key.combine(Purpose::Coin, NETWORK, b"m", &[good(0), good(1), good(2)]).signature
        );
    }
    let too_few = key.combine(Purpose::Coin, NETWORK, b"m", &[foreign, good(0), good(4)]);
    assert_eq!(too_few, Combined { signature: None, culprits: vec![1] });
    assert!(key.verifies(Purpose::Coin, NETWORK, b"m", 0, &good(0).1));
    assert!(!key.verifies(Purpose::Coin, NETWORK, b"m", 1, &good(0).1));
    assert!(!key.verifies(Purpose::Coin, NetworkId(Hash([8; 32])), b"m", 0, &good(0).1));
}

#[test]
fn coins_of_different_messages_differ() {
    let (key, secrets) = shared(2, 2, 4);
    let coin = |message: &[u8]| {
        let shares = [share(&secrets, 0, message), share(&secrets, 3, message)];
        key.combine(Purpose::Coin, NETWORK, message, &shares).signature.expect("enough").digest(COIN)
    };
    assert_ne!(coin(b"1"), coin(b"2"));
}

#[test]
fn a_dealing_is_good_for_its_occasion_only() {
    let sound = dealing(0, 3, 7);
    let verify = |occasion, threshold, receivers: &[_]| sound.verify(occasion, threshold, receivers).err();
    assert_eq!(verify(occasion(0), 3, &receivers(7)), None);
    assert_eq!(verify(occasion(1), 3, &receivers(7)), Some(DealingError::Proof));
    assert_eq!(verify(occasion(0), 2, &receivers(7)), Some(DealingError::Threshold { have: 3, need: 2 }));
    assert_eq!(verify(occasion(0), 3, &receivers(6)), Some(DealingError::Receivers { have: 7, need: 6 }));
    let mut others = receivers(7);
    others[4].1 = secret(33).public();
    assert_eq!(verify(occasion(0), 3, &others), Some(DealingError::Proof));
    others[4].1 = DealingKey([0; 48]);
    assert_eq!(verify(occasion(0), 3, &others), Some(DealingError::Point));
}

#[test]
fn no_flipped_bit_of_a_dealing_passes() {
    let bytes = dealing(0, 2, 4).to_bytes();
    for place in 0..bytes.len() {
        let mut spoiled = bytes.clone();
        spoiled[place] ^= 1;
        let verified =
            Dealing::from_bytes(&spoiled).map(|dealing| dealing.verify(occasion(0), 2, &receivers(4)).is_ok());
        assert!(!verified.unwrap_or(false), "byte {place}");
    }
}

/// A dealing whose share for member 1 is false, by a dealer that proves all that is to be proved.
fn with_a_false_share() -> VerifiedDealing {
    let twist = |member, mut bytes: [u8; 32]| {
        bytes[0] ^= u8::from(member == 1);
        bytes
    };
    let dealt = Dealing::deal_twisted(&[0; 32], occasion(0), 2, &receivers(4), twist);
    dealt.verify(occasion(0), 2, &receivers(4)).expect("nobody but the receiver can tell")
}

#[test]
fn a_false_share_is_proved_to_everyone_and_a_good_one_can_not_be() {
    let dealing = with_a_false_share();
    let complaint = dealing.open(1, &secret(1), &[7; 32]).expect("a receiver").expect_err("false");
    assert!(dealing.is_refuted_by(1, &complaint));
    // Neither by another, nor against another dealing, nor against a good share.
    assert!(!dealing.is_refuted_by(2, &complaint));
    assert!(!dealing.is_refuted_by(9, &complaint));
    assert!(!verified(0, 2, 4).is_refuted_by(1, &complaint));
    for member in [0, 2, 3] {
        assert!(dealing.open(member, &secret(member), &[7; 32]).expect("a receiver").is_ok());
    }
    assert!(dealing.open(9, &secret(9), &[7; 32]).is_none(), "no receiver");
    // With another secret the point agreed on is another, and the proof fails.
    let slander = dealing.open(0, &secret(5), &[7; 32]).expect("a receiver").expect_err("can't be opened so");
    assert!(!dealing.is_refuted_by(0, &slander));
    let bytes = complaint.to_bytes();
    for place in 0..bytes.len() {
        let mut spoiled = bytes.clone();
        spoiled[place] ^= 1;
        let refuted = Complaint::from_bytes(&spoiled).is_ok_and(|complaint| dealing.is_refuted_by(1, &complaint));
        assert!(!refuted, "byte {place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_size_of_kernel_can_share_a_key(members in 1u8..=50, dealers in 1u8..4) {
        let threshold = usize::from(members - 1) / 3 + 1;
        let (key, secrets) = shared(dealers, threshold, members);
        let shares: Vec<_> = (0..members).rev().take(threshold).map(|member| share(&secrets, member, b"m")).collect();
        prop_assert!(key.combine(Purpose::Coin, NETWORK, b"m", &shares).signature.is_some());
    }

    #[test]
    fn a_key_that_was_written_down_is_the_same(members in 1u8..=50, dealers in 1u8..4) {
        let threshold = usize::from(members - 1) / 3 + 1;
        let dealings: Vec<_> = (0..dealers).map(|dealer| dealing(dealer, threshold, members)).collect();
        let record = KeyRecord::sum(&dealings, members).expect("of some");
        prop_assert_eq!(record.open(), Some(shared(dealers, threshold, members).0));
        let read = KeyRecord::from_bytes(&record.to_bytes()).expect("it comes back");
        prop_assert_eq!(read.digest(), record.digest());
        prop_assert_ne!(KeyRecord { places: members + 1, ..record.clone() }.digest(), record.digest());
        let no_point = KeyRecord { coefficients: vec![[7; 96]], places: members };
        prop_assert_eq!(no_point.open(), None);
        prop_assert_eq!(KeyRecord { coefficients: Vec::new(), places: members }.open(), None);
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(dealing) = Dealing::from_bytes(&bytes) {
            prop_assert_eq!(dealing.to_bytes(), bytes);
        }
    }
}
