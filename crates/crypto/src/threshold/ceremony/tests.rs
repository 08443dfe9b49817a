use byway_primitives::NetworkId;
use proptest::prelude::*;

use super::*;
use crate::purpose::Purpose;
use crate::threshold::SignatureShare;

const NETWORK: NetworkId = NetworkId(Hash([9; 32]));

fn opener(member: u8) -> DealingSecret {
    DealingSecret::from_seed(&[member + 1; 32])
}

/// Members with holes in their numbers.
fn begun(members: u8) -> Ceremony {
    Ceremony::new(Hash([5; 32]), (0..members).map(|member| (2 * member, opener(2 * member).public())).collect())
}

/// A dealing that is false for some.
fn false_dealing(ceremony: &Ceremony, dealer: u8, false_for: &[u8]) -> Dealing {
    let twist = |member, mut bytes: [u8; 32]| {
        bytes[1] ^= u8::from(false_for.contains(&member));
        bytes
    };
    let occasion = ceremony.occasion_of(dealer);
    Dealing::deal_twisted(&[dealer; 32], occasion, ceremony.threshold(), &ceremony.receivers, twist)
}

/// Does what every one of these members has to do, in turn, until nobody has anything to do.
fn work(ceremony: &mut Ceremony, members: &[u8]) {
    loop {
        let mut is_idle = true;
        for member in members {
            let duty = ceremony.duty(*member, &opener(*member), &[77; 32]);
            is_idle &= duty == Duty::Nothing;
            let done = match duty {
                Duty::Deal => {
                    let dealing = ceremony.deal_as(*member, &[*member; 32]);
                    ceremony.deal(*member, dealing)
                }
                Duty::Complain { dealer, complaint } => ceremony.complain(*member, dealer, &complaint),
                Duty::Confirm => ceremony.confirm(*member),
                Duty::Nothing => Ok(()),
            };
            assert_eq!(done, Ok(()), "what a member has to do is taken");
        }
        if is_idle {
            return;
        }
    }
}

/// Whether these members together sign under the key that was made.
fn can_sign(ceremony: &Ceremony, members: &[u8]) -> bool {
    let key = ceremony.key().expect("the key is made");
    let share = |member: &u8| -> Option<(u8, SignatureShare)> {
        Some((*member, ceremony.share(*member, &opener(*member))?.sign(Purpose::Coin, NETWORK, b"m")))
    };
    let shares: Vec<_> = members.iter().filter_map(share).collect();
    let combined = key.combine(Purpose::Coin, NETWORK, b"m", &shares);
    assert_eq!(combined.culprits, [], "what honest members sign is good");
    combined.signature.is_some()
}

#[test]
fn honest_members_make_a_key() {
    let mut ceremony = begun(7);
    work(&mut ceremony, &[0, 2, 4, 6, 8, 10, 12]);
    assert_eq!((ceremony.phase(), ceremony.refuted().count()), (Phase::Done, 0));
    assert!(can_sign(&ceremony, &[0, 6, 12]));
    assert!(!can_sign(&ceremony, &[4, 10]));
}

#[test]
fn with_f_silent_it_ends_and_with_more_it_waits() {
    for (present, expected) in [(&[4, 6, 8, 10, 12][..], Phase::Done), (&[6, 8, 10, 12], Phase::Dealing)] {
        let mut ceremony = begun(7);
        work(&mut ceremony, present);
        assert_eq!(ceremony.phase(), expected);
        assert_eq!(ceremony.key().is_some(), expected == Phase::Done);
    }
}

#[test]
fn false_dealers_are_refuted_and_the_others_make_the_key() {
    let mut ceremony = begun(7);
    for (dealer, false_for) in [(0, &[4, 12][..]), (2, &[6])] {
        let dealing = false_dealing(&ceremony, dealer, false_for);
        assert_eq!(ceremony.deal(dealer, dealing), Ok(()), "nobody can tell yet");
    }
    let honest = [4, 6, 8, 10, 12];
    work(&mut ceremony, &honest);
    assert_eq!(ceremony.phase(), Phase::Done);
    assert_eq!(ceremony.refuted().collect::<Vec<_>>(), [0, 2]);
    assert!(can_sign(&ceremony, &[4, 8, 12]) && can_sign(&ceremony, &[6, 10, 12]));
}

#[test]
fn who_was_too_slow_to_complain_is_left_without_and_the_others_can_do_without() {
    let mut ceremony = begun(7);
    // The false dealers are quick, and false for two honest ones who are slow.
    for dealer in [0, 2] {
        let dealing = false_dealing(&ceremony, dealer, &[4, 6]);
        assert_eq!(ceremony.deal(dealer, dealing), Ok(()));
    }
    for dealer in [8, 10, 12] {
        let dealing = ceremony.deal_as(dealer, &[dealer; 32]);
        assert_eq!(ceremony.deal(dealer, dealing), Ok(()));
    }
    [0, 2, 8, 10, 12].into_iter().for_each(|member| assert_eq!(ceremony.confirm(member), Ok(())));
    assert_eq!(ceremony.phase(), Phase::Done);
    assert_eq!(ceremony.share(4, &opener(4)), None);
    assert!(can_sign(&ceremony, &[4, 6, 8, 10, 12]), "f + 1 honest ones hold their parts");
    assert_eq!(ceremony.duty(4, &opener(4), &[1; 32]), Duty::Nothing);
}

#[test]
fn calls_out_of_place_change_nothing() {
    let mut ceremony = begun(4);
    let dealing = ceremony.deal_as(0, &[1; 32]);
    let (good, refuted) = (ceremony.deal_as(2, &[1; 32]), false_dealing(&ceremony, 4, &[0]));
    let check = |ceremony: &mut Ceremony, call: &dyn Fn(&mut Ceremony) -> Result<(), CeremonyError>, expected| {
        let before = ceremony.clone();
        assert_eq!(call(ceremony), Err(expected));
        assert_eq!(*ceremony, before);
    };
    check(&mut ceremony, &|c| c.deal(1, dealing.clone()), CeremonyError::Stranger);
    check(&mut ceremony, &|c| c.deal(2, dealing.clone()), CeremonyError::Dealing(DealingError::Proof));
    check(&mut ceremony, &|c| c.confirm(0), CeremonyError::Phase);
    assert_eq!(ceremony.deal(0, dealing.clone()), Ok(()));
    check(&mut ceremony, &|c| c.deal(0, dealing.clone()), CeremonyError::Repeated);
    assert_eq!(ceremony.deal(2, good.clone()), Ok(()));
    assert_eq!(ceremony.deal(4, refuted.clone()), Ok(()));
    check(&mut ceremony, &|c| c.deal(6, c.deal_as(6, &[1; 32])), CeremonyError::Phase);
    let Duty::Complain { dealer: 4, complaint } = ceremony.duty(0, &opener(0), &[3; 32]) else {
        panic!("the share of 4 is false for 0")
    };
    check(&mut ceremony, &|c| c.complain(2, 4, &complaint), CeremonyError::Complaint);
    check(&mut ceremony, &|c| c.complain(0, 2, &complaint), CeremonyError::Complaint);
    check(&mut ceremony, &|c| c.complain(0, 6, &complaint), CeremonyError::NoDealing);
    assert_eq!(ceremony.complain(0, 4, &complaint), Ok(()));
    check(&mut ceremony, &|c| c.complain(0, 4, &complaint), CeremonyError::NoDealing);
    assert_eq!(ceremony.confirm(0), Ok(()));
    check(&mut ceremony, &|c| c.confirm(0), CeremonyError::Repeated);
    assert_eq!((ceremony.confirm(2), ceremony.confirm(6)), (Ok(()), Ok(())));
    check(&mut ceremony, &|c| c.confirm(4), CeremonyError::Phase);
    check(&mut ceremony, &|c| c.complain(0, 2, &complaint), CeremonyError::Phase);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whoever of at most f is false for whomever, and whenever it deals: honest members end up with a key that they can
    /// sign with, and none of them is refuted; and the state survives being written down at any time.
    #[test]
    fn up_to_f_false_members_change_nothing(
        members in 4u8..11,
        false_for in proptest::collection::vec(any::<u16>(), 0..4),
        first in any::<bool>(),
    ) {
        let mut ceremony = begun(members);
        let faulty = false_for.len().min(ceremony.faults_tolerated());
        let honest: Vec<u8> = ceremony.members().skip(faulty).collect();
        if !first {
            let dealing = ceremony.deal_as(honest[0], &[1; 32]);
            prop_assert_eq!(ceremony.deal(honest[0], dealing), Ok(()));
        }
        let dealers: Vec<u8> = ceremony.members().take(faulty).collect();
        for (dealer, choice) in dealers.iter().zip(&false_for) {
            let victims: Vec<u8> = ceremony.members().filter(|member| choice >> (member / 2) & 1 == 1).collect();
            let dealing = false_dealing(&ceremony, *dealer, &victims);
            prop_assert_eq!(ceremony.deal(*dealer, dealing), Ok(()));
        }
        ceremony = Ceremony::from_bytes(&ceremony.to_bytes()).expect("it comes back");
        work(&mut ceremony, &honest);
        prop_assert_eq!(ceremony.phase(), Phase::Done);
        prop_assert!(ceremony.refuted().all(|dealer| dealers.contains(&dealer)));
        prop_assert!(can_sign(&ceremony, &honest));
        prop_assert_eq!(Ceremony::from_bytes(&ceremony.to_bytes()), Ok(ceremony));
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(0u8..4, 0..200)) {
        if let Ok(ceremony) = Ceremony::from_bytes(&bytes) {
            prop_assert_eq!(ceremony.to_bytes(), bytes);
        }
    }
}
