//! The wire format's laws.

use byway_crypto::IdentitySignature;
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{AssetId, Hash};
use byway_records::{Backing, Promise, PromisePair};
use proptest::prelude::*;

use super::pair::*;
use crate::payment::*;

fn messages() -> impl Strategy<Value = PaymentMessage> {
    let promise = (any::<u64>(), any::<u128>()).prop_map(|(serial, units)| {
        let series = parties(CLIENT).given(Backing::Account);
        Promise { network: NETWORK, series, serial, amount: amount(units) }.sign(&secret(1))
    });
    let kinds = prop_oneof![Just(BackingKind::Account), Just(BackingKind::Reservation), Just(BackingKind::Channel)];
    let terms = (any::<[u8; 32]>(), any::<u128>(), kinds, any::<bool>(), any::<u128>()).prop_map(
        |(asset, minimum, backing, update, room)| Terms {
            asset: if asset[0] < 200 { AssetId::WAY } else { AssetId(Hash(asset)) },
            amount_min: amount(minimum),
            backing,
            update,
            room: amount(room),
        },
    );
    let refusals = prop_oneof![
        Just(Refusal::WrongNetwork),
        Just(Refusal::WrongParties),
        Just(Refusal::WrongAsset),
        Just(Refusal::WrongBacking),
        Just(Refusal::Signature),
        any::<u64>().prop_map(|last| Refusal::SerialOld { last }),
        any::<u128>().prop_map(|last| Refusal::NotHigher { last: amount(last) }),
        any::<u128>().prop_map(|minimum| Refusal::BelowMinimum { minimum: amount(minimum) }),
        any::<u128>().prop_map(|room| Refusal::OverExposure { room: amount(room) }),
        Just(Refusal::Bounced),
        Just(Refusal::TooManyUnsettled),
    ];
    let net_refusals = prop_oneof![
        Just(NetRefusal::OtherPair),
        Just(NetRefusal::Signature),
        Just(NetRefusal::NotNext),
        Just(NetRefusal::Settled),
        Just(NetRefusal::UnderWay),
    ];
    let advice = (any::<u128>(), terms, proptest::option::of(promise.clone()), any::<Option<u64>>())
        .prop_map(|(remainder, terms, copy, settling)| Advice { remainder: amount(remainder), terms, copy, settling });
    prop_oneof![
        advice.prop_map(PaymentMessage::Advice),
        promise.prop_map(PaymentMessage::Offer),
        (any::<u64>(), any::<u128>()).prop_map(|(serial, a)| PaymentMessage::Accepted { serial, amount: amount(a) }),
        (any::<u64>(), any::<u128>(), refusals).prop_map(|(serial, a, reason)| PaymentMessage::Refused {
            serial,
            amount: amount(a),
            reason
        }),
        any::<u64>().prop_map(|serial| PaymentMessage::Noted { serial }),
        (any::<u64>(), any::<u128>(), any::<u128>()).prop_map(|(serial, there, back)| {
            let signed = |payer: usize, units| {
                let series = parties(payer).given(Backing::Account);
                let promise = Promise { network: NETWORK, series, serial, amount: amount(units) };
                promise.sign(&secret(payer as u8 + 1))
            };
            let pair = PromisePair::new(signed(CLIENT, there), signed(PROVIDER, back)).unwrap();
            PaymentMessage::Net { signature: pair.countersign(&secret(2)), pair: Box::new(pair) }
        }),
        (any::<u64>(), any::<u128>(), any::<[u8; 64]>()).prop_map(|(serial, a, bytes)| {
            let signature = IdentitySignature([&bytes[..], &[1]].concat().try_into().unwrap());
            PaymentMessage::Netted { serial, amount: amount(a), signature }
        }),
        (any::<u64>(), any::<u128>(), net_refusals).prop_map(|(serial, a, reason)| PaymentMessage::NetRefused {
            serial,
            amount: amount(a),
            reason
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn messages_come_back(message in messages()) {
        prop_assert_eq!(PaymentMessage::from_bytes(&message.to_bytes()), Ok(message));
    }

    /// Whatever a peer says, in whatever order: nothing panics, promises only grow, nobody is further ahead than allowed.
    #[test]
    fn no_message_breaks_either_side(script in proptest::collection::vec((0usize..2, messages()), 1..40)) {
        let mut pair = Pair::new(give(), take());
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        let mut before = [amount(0); 2];
        for (who, message) in script {
            // A copy of a promise that the payer never made can't carry its signature.
            let message = match message {
                PaymentMessage::Advice(mut advice) => {
                    advice.copy = advice.copy.map(|copy| copy.promise.sign(&secret(2)));
                    PaymentMessage::Advice(advice)
                }
                other => other,
            };
            pair.act(who, |machine, now| machine.handle_message(now, message));
            pair.step();
            let client = &pair.nodes[CLIENT].machine;
            let now = [client.promised(), pair.nodes[PROVIDER].machine.received()];
            prop_assert!(now[1] >= before[1], "what was received stays");
            prop_assert!(client.ahead() <= amount(5000));
            before = now;
        }
    }

    #[test]
    fn a_cut_message_is_refused(message in messages(), cut in 1usize..40) {
        let bytes = message.to_bytes();
        let kept = bytes.len().saturating_sub(cut);
        prop_assert!(PaymentMessage::from_bytes(&bytes[..kept]).is_err());
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(kind in 0u8..6, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = [&[kind][..], &rest].concat();
        if let Ok(message) = PaymentMessage::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
