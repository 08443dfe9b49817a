//! What an issuer promised others counts, and nothing else does.

use byway_crypto::IdentitySecret;
use byway_primitives::codec::decode_exact;
use byway_primitives::{DecodeError, Encode, Hash};
use proptest::prelude::*;

use super::*;

const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const NOW: Time = Time(1_000_000);
const ME: u8 = 1;
const OTHER: u8 = 2;
const THIRD: u8 = 3;
const ISSUER: u8 = 9;

fn secret(byte: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[byte; 32]).expect("a key")
}

fn id(byte: u8) -> IdentityId {
    secret(byte).id()
}

fn series(payee: u8) -> Series {
    Series { payer: id(ISSUER), payee: id(payee), asset: AssetId::WAY, backing: Backing::Account }
}

fn unsigned(payee: u8, serial: u64, units: u128) -> Promise {
    Promise { network: NETWORK, series: series(payee), serial, amount: Amount::from_units(units) }
}

fn promise(payee: u8, serial: u64, units: u128) -> SignedPromise {
    unsigned(payee, serial, units).sign(&secret(ISSUER))
}

/// A provider that has asked these about the issuer.
fn asking(peers: &[u8]) -> Warnings {
    let mut warnings = Warnings::new(NETWORK, id(ME), WarningConfig::default());
    assert!(warnings.is_to_be_asked(NOW, id(ISSUER)));
    for peer in peers {
        assert!(warnings.ask(id(*peer), promise(ME, 1, 5)).is_some());
    }
    warnings
}

fn elsewhere(warnings: &Warnings) -> u128 {
    warnings.elsewhere(id(ISSUER)).units()
}

fn tell(warnings: &mut Warnings, from: u8, promises: &[SignedPromise]) -> Result<(), WarningFault> {
    warnings.handle_told(id(from), id(ISSUER), promises)
}

#[test]
fn what_others_hold_counts_and_credit_is_held_until_all_have_answered() {
    let mut warnings = asking(&[OTHER, THIRD]);
    assert_eq!(warnings.held_until(NOW, id(ISSUER)), Some(NOW + WarningConfig::default().wait));
    tell(&mut warnings, OTHER, &[promise(OTHER, 2, 100), promise(OTHER, 1, 30)]).expect("an honest answer");
    assert_eq!(elsewhere(&warnings), 130);
    assert!(warnings.held_until(NOW, id(ISSUER)).is_some(), "one is still to answer");
    tell(&mut warnings, THIRD, &[]).expect("it holds nothing");
    assert_eq!(warnings.held_until(NOW, id(ISSUER)), None);
    assert_eq!(elsewhere(&warnings), 130);
}

#[test]
fn a_silent_peer_holds_credit_no_longer_than_said_and_it_is_asked_again_later() {
    let mut warnings = asking(&[OTHER]);
    let WarningConfig { wait, every } = WarningConfig::default();
    assert_eq!(warnings.held_until(NOW + wait, id(ISSUER)), None);
    assert!(!warnings.is_to_be_asked(NOW + wait, id(ISSUER)));
    assert!(warnings.is_to_be_asked(NOW + every, id(ISSUER)));
    assert_eq!(warnings.held_until(NOW + every, id(ISSUER)), None, "known clients are not held a second time");
}

#[test]
fn nobody_to_ask_holds_nothing() {
    let mut warnings = asking(&[]);
    warnings.stop_waiting(id(ISSUER));
    assert_eq!(warnings.held_until(NOW, id(ISSUER)), None);
}

#[test]
fn what_the_ledger_has_settled_does_not_count() {
    let settled = |serial, units| Settled { serial, amount: Amount::from_units(units) };
    for (position, left) in
        [(settled(0, 0), 130), (settled(1, 10), 120), (settled(1, 30), 100), (settled(2, 60), 40), (settled(2, 100), 0)]
    {
        let mut warnings = asking(&[OTHER]);
        tell(&mut warnings, OTHER, &[promise(OTHER, 2, 100), promise(OTHER, 1, 30)]).expect("an honest answer");
        warnings.note_settled(series(OTHER), position);
        assert_eq!(elsewhere(&warnings), left, "{position:?}");
        warnings.note_settled(series(OTHER), settled(0, 0));
        assert_eq!(elsewhere(&warnings), left, "the ledger never goes back");
        assert_eq!(warnings.series(id(ISSUER)).is_empty(), left == 0);
    }
}

#[test]
fn a_liar_that_shows_what_was_settled_long_ago_gains_nothing() {
    let mut warnings = asking(&[OTHER]);
    tell(&mut warnings, OTHER, &[promise(OTHER, 1, 1_000_000)]).expect("it was signed once");
    // The ledger's word comes with the next look at it.
    warnings.note_settled(series(OTHER), Settled { serial: 3, amount: Amount::from_units(1) });
    assert_eq!(elsewhere(&warnings), 0);
}

#[test]
fn a_liar_that_makes_something_up_is_named_and_nothing_of_it_counts() {
    let forged = unsigned(OTHER, 1, 100).sign(&secret(OTHER));
    let elsewhere_signed = Promise { network: NetworkId(Hash([8; 32])), ..unsigned(OTHER, 1, 100) };
    let reserved = Backing::Reservation(byway_records::promise::ReservationId(Hash([1; 32])));
    let backed = Promise { series: Series { backing: reserved, ..series(OTHER) }, ..unsigned(OTHER, 1, 100) };
    for (shown, fault) in [
        (forged, WarningFault::Signature),
        (elsewhere_signed.sign(&secret(ISSUER)), WarningFault::WrongNetwork),
        (promise(THIRD, 1, 100), WarningFault::WrongParties),
        (promise(ME, 1, 100), WarningFault::WrongParties),
        (backed.sign(&secret(ISSUER)), WarningFault::WrongSeries),
    ] {
        let mut warnings = asking(&[OTHER]);
        assert_eq!(tell(&mut warnings, OTHER, &[promise(OTHER, 2, 7), shown]), Err(fault));
        assert_eq!(elsewhere(&warnings), 0);
        assert_eq!(warnings.held_until(NOW, id(ISSUER)), None, "and it is not waited for");
    }
}

#[test]
fn what_nobody_asked_for_is_passed_over() {
    let mut warnings = asking(&[OTHER]);
    tell(&mut warnings, THIRD, &[promise(THIRD, 1, 100)]).expect("no fault");
    tell(&mut warnings, OTHER, &[promise(OTHER, 1, 100)]).expect("an honest answer");
    tell(&mut warnings, OTHER, &[promise(OTHER, 1, 900)]).expect("no fault");
    assert_eq!(elsewhere(&warnings), 100, "a second answer is not an answer");
}

#[test]
fn who_asks_must_show_a_promise_of_the_issuer_to_itself() {
    let mut warnings = Warnings::new(NETWORK, id(ME), WarningConfig::default());
    let held = [promise(ME, 1, 50)];
    let ask = |warnings: &mut Warnings, from: u8, shown: SignedPromise| {
        warnings.handle_ask(NOW, id(from), &shown, held.iter().copied())
    };
    let answer = WarningMessage::Told { issuer: id(ISSUER), promises: held.to_vec() };
    assert_eq!(ask(&mut warnings, OTHER, promise(OTHER, 1, 1)), Ok(Some(answer)));
    assert_eq!(ask(&mut warnings, OTHER, promise(THIRD, 1, 1)), Err(WarningFault::WrongParties));
    let made_up = unsigned(OTHER, 1, 1).sign(&secret(OTHER));
    assert_eq!(ask(&mut warnings, OTHER, made_up), Err(WarningFault::Signature));
    assert_eq!(elsewhere(&warnings), 0, "the issuer is no client here, so nothing is kept of it");
}

#[test]
fn who_is_asked_is_warned_as_well() {
    let mut warnings = asking(&[]);
    let shown = promise(OTHER, 1, 40);
    warnings.handle_ask(NOW, id(OTHER), &shown, std::iter::empty()).expect("it may ask");
    assert_eq!(elsewhere(&warnings), 40);
}

#[test]
fn questions_are_answered_within_an_allowance() {
    let mut warnings = Warnings::new(NETWORK, id(ME), WarningConfig::default());
    let shown = promise(OTHER, 1, 1);
    let mut ask = |now| warnings.handle_ask(now, id(OTHER), &shown, std::iter::empty()).expect("it may ask").is_some();
    let answered = (0..100).filter(|_| ask(NOW)).count();
    assert_eq!(answered as u64, QUESTIONS_MAX);
    assert!(ask(NOW + QUESTION_EVERY));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut warnings = Warnings::new(NETWORK, id(ME), WarningConfig::default());
    for number in 0..ISSUERS_MAX as u64 + 10 {
        let mut issuer = [0; 20];
        issuer[..8].copy_from_slice(&number.to_le_bytes());
        assert!(warnings.is_to_be_asked(NOW + Span(number), IdentityId(issuer)));
    }
    assert_eq!(warnings.issuers.len(), ISSUERS_MAX);
    let mut warnings = asking(&[10, 11, 12, 13]);
    assert_eq!(warnings.ask(id(14), promise(ME, 1, 5)), None, "enough are asked");
    let most: Vec<_> = (1..=PROMISES_MAX as u64).map(|serial| promise(10, serial, 1)).collect();
    tell(&mut warnings, 10, &most).expect("an honest answer");
    assert_eq!(elsewhere(&warnings), PROMISES_MAX as u128);
    let too_many = WarningMessage::Told { issuer: id(ISSUER), promises: vec![most[0]; PROMISES_MAX + 1] };
    let refused = decode_exact::<WarningMessage>(&too_many.to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooLong { .. })), "{refused:?}");
}

proptest! {
    #[test]
    fn messages_come_back(kinds in proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u128>()), 0..8)) {
        let promises: Vec<_> = kinds.iter().map(|(payee, serial, units)| promise(*payee % 200 + 1, *serial, *units)).collect();
        let mut messages = vec![WarningMessage::Told { issuer: id(ISSUER), promises: promises.clone() }];
        messages.extend(promises.into_iter().map(|shown| WarningMessage::Ask { shown }));
        for message in messages {
            let bytes = message.to_bytes();
            let back = decode_exact::<WarningMessage>(&bytes);
            prop_assert_eq!(back.as_ref(), Ok(&message));
            prop_assert!(decode_exact::<WarningMessage>(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(kind in 0u8..3, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[kind][..], &rest].concat();
        if let Ok(message) = decode_exact::<WarningMessage>(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
