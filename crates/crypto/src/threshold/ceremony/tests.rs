use byway_primitives::{Decode, Encode, NetworkId};
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
    ceremony.deal_twisted_as(dealer, &opener(dealer), twist)
}

/// What a member has to do, having looked at everything anew.
fn duty(ceremony: &Ceremony, member: u8) -> Duty {
    ceremony.duty(member, &opened(ceremony, member))
}

fn opened(ceremony: &Ceremony, member: u8) -> Opened {
    let mut opened = Opened::default();
    ceremony.look(member, &opener(member), &mut opened);
    opened
}

fn honest_dealing(ceremony: &Ceremony, dealer: u8) -> Dealing {
    ceremony.deal_as(dealer, &opener(dealer))
}

/// Does what every one of these members has to do, in turn, until nobody has anything to do.
fn work(ceremony: &mut Ceremony, members: &[u8]) {
    loop {
        let mut is_idle = true;
        for member in members {
            let duty = duty(ceremony, *member);
            is_idle &= duty == Duty::Nothing;
            let done = match duty {
                Duty::Deal => {
                    let dealing = honest_dealing(ceremony, *member);
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
    let key = ceremony.key().and_then(|key| key.open()).expect("the key is made");
    let share = |member: &u8| -> Option<(u8, SignatureShare)> {
        Some((*member, ceremony.share(&opened(ceremony, *member))?.sign(Purpose::Coin, NETWORK, b"m")))
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
    assert_eq!((ceremony.head().phase(), ceremony.head().excluded().count()), (Phase::Done, 0));
    assert!(can_sign(&ceremony, &[0, 6, 12]));
    assert!(!can_sign(&ceremony, &[4, 10]));
}

#[test]
fn with_f_silent_it_ends_and_with_more_it_waits() {
    for (present, expected) in [(&[4, 6, 8, 10, 12][..], Phase::Done), (&[6, 8, 10, 12], Phase::Dealing)] {
        let mut ceremony = begun(7);
        work(&mut ceremony, present);
        assert_eq!(ceremony.head().phase(), expected);
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
    assert_eq!(ceremony.head().phase(), Phase::Done);
    assert_eq!(ceremony.head().excluded().collect::<Vec<_>>(), [0, 2]);
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
        let dealing = honest_dealing(&ceremony, dealer);
        assert_eq!(ceremony.deal(dealer, dealing), Ok(()));
    }
    [0, 2, 8, 10, 12].into_iter().for_each(|member| assert_eq!(ceremony.confirm(member), Ok(())));
    assert_eq!(ceremony.head().phase(), Phase::Done);
    assert_eq!(ceremony.share(&opened(&ceremony, 4)), None);
    assert!(can_sign(&ceremony, &[4, 6, 8, 10, 12]), "f + 1 honest ones hold their parts");
    assert_eq!(duty(&ceremony, 4), Duty::Nothing);
}

#[test]
fn calls_out_of_place_change_nothing() {
    let mut ceremony = begun(4);
    let dealing = honest_dealing(&ceremony, 0);
    let (good, refuted) = (honest_dealing(&ceremony, 2), false_dealing(&ceremony, 4, &[0]));
    let check = |ceremony: &mut Ceremony, call: &dyn Fn(&mut Ceremony) -> Result<(), CeremonyError>, expected| {
        let before = ceremony.clone();
        assert_eq!(call(ceremony), Err(expected));
        assert_eq!(*ceremony, before);
    };
    check(&mut ceremony, &|c| c.deal(1, dealing.clone()), CeremonyError::Stranger);
    check(&mut ceremony, &|c| c.confirm(0), CeremonyError::Phase);
    assert_eq!(ceremony.deal(0, dealing.clone()), Ok(()));
    check(&mut ceremony, &|c| c.deal(0, dealing.clone()), CeremonyError::Repeated);
    assert_eq!(ceremony.deal(2, good.clone()), Ok(()));
    assert_eq!(ceremony.deal(4, refuted.clone()), Ok(()));
    check(&mut ceremony, &|c| c.deal(6, honest_dealing(c, 6)), CeremonyError::Phase);
    let Duty::Complain { dealer: 4, complaint } = duty(&ceremony, 0) else { panic!("the share of 4 is false for 0") };
    check(&mut ceremony, &|c| c.complain(0, 6, &complaint), CeremonyError::NoDealing);
    assert_eq!(ceremony.complain(0, 4, &complaint), Ok(()));
    check(&mut ceremony, &|c| c.complain(0, 4, &complaint), CeremonyError::NoDealing);
    check(&mut ceremony, &|c| c.confirm(4), CeremonyError::Stranger);
    assert_eq!(ceremony.confirm(0), Ok(()));
    check(&mut ceremony, &|c| c.confirm(0), CeremonyError::Repeated);
    assert_eq!((ceremony.confirm(2), ceremony.confirm(6)), (Ok(()), Ok(())));
    check(&mut ceremony, &|c| c.complain(0, 2, &complaint), CeremonyError::Phase);
}

/// What costs everyone a look is taken from each member once.
#[test]
fn who_deals_or_complains_falsely_is_not_listened_to_again() {
    let mut ceremony = begun(7);
    let of_another = honest_dealing(&ceremony, 0);
    assert_eq!(ceremony.deal(2, of_another), Err(CeremonyError::Dealing(DealingError::Proof)));
    assert_eq!(ceremony.deal(2, honest_dealing(&ceremony, 2)), Err(CeremonyError::Stranger));
    let twisted = false_dealing(&ceremony, 0, &[4]);
    assert_eq!(ceremony.deal(0, twisted), Ok(()));
    for dealer in [4, 6, 8, 10] {
        let dealing = honest_dealing(&ceremony, dealer);
        assert_eq!(ceremony.deal(dealer, dealing), Ok(()));
    }
    // A just complaint, but another member's.
    let Duty::Complain { dealer: 0, complaint } = duty(&ceremony, 4) else { panic!("the share of 0 is false for 4") };
    assert_eq!(ceremony.complain(10, 0, &complaint), Err(CeremonyError::Complaint));
    assert_eq!(ceremony.complain(4, 0, &complaint), Ok(()));
    assert_eq!(ceremony.head().excluded().collect::<Vec<_>>(), [0, 2, 10]);
    assert_eq!(ceremony.dealings().keys().copied().collect::<Vec<_>>(), [4, 6, 8]);
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
        let faulty = false_for.len().min(ceremony.head().faults_tolerated());
        let honest: Vec<u8> = ceremony.head().members().skip(faulty).collect();
        if !first {
            let dealing = honest_dealing(&ceremony, honest[0]);
            prop_assert_eq!(ceremony.deal(honest[0], dealing), Ok(()));
        }
        let dealers: Vec<u8> = ceremony.head().members().take(faulty).collect();
        for (dealer, choice) in dealers.iter().zip(&false_for) {
            let victims: Vec<u8> = ceremony.head().members().filter(|member| choice >> (member / 2) & 1 == 1).collect();
            let dealing = false_dealing(&ceremony, *dealer, &victims);
            prop_assert_eq!(ceremony.deal(*dealer, dealing), Ok(()));
        }
        let head = CeremonyHead::from_bytes(&ceremony.head().to_bytes()).expect("it comes back");
        ceremony = Ceremony::resume(head, ceremony.dealings().clone());
        work(&mut ceremony, &honest);
        prop_assert_eq!(ceremony.head().phase(), Phase::Done);
        prop_assert!(ceremony.head().excluded().all(|dealer| dealers.contains(&dealer)));
        prop_assert!(can_sign(&ceremony, &honest));
        prop_assert_eq!(CeremonyHead::from_bytes(&ceremony.head().to_bytes()), Ok(ceremony.head().clone()));
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(0u8..4, 0..200)) {
        if let Ok(head) = CeremonyHead::from_bytes(&bytes) {
            prop_assert_eq!(head.to_bytes(), bytes);
        }
    }
}
