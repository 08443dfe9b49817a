//! What two parties of a channel sign: for what it is good, and that its encoding is one.

use std::sync::LazyLock;

use byway_crypto::{IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Writer};
use byway_primitives::{Amount, AssetId, Hash, NetworkId};
use byway_records::call::channels::{CODE_BYTES_MAX, PURSES_BYTES_MAX, WITNESS_BYTES_MAX};
use byway_records::call::{ChannelsCall, ForceProgress};
use byway_records::channel::{
    AssetParts, CertifiedClose, Channel, ChannelAssets, ChannelState, Cosigned, DELEGATES_MAX, EVIDENCE_MAX,
    FORCED_INPUT_BYTES_MAX, ForcedCall, LedgerContract, Side, VirtualClose, VirtualTerms,
};
use byway_records::reject::IllFormed;
use byway_records::{Call, FundingChange, MutualClose};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::fixed::{self, CHANNEL, NETWORK, id, identity};

#[test]
fn what_both_signed_is_good_for_one_thing() {
    let state = fixed::cosigned(fixed::channel_state());
    assert!(state.verify().is_ok());
    // The same signatures under a record of another kind.
    let change = Cosigned { body: fixed::funding_change(), parties: state.parties, signatures: state.signatures };
    assert!(change.verify().is_err());
    let inner = fixed::cosigned(fixed::funding_change());
    let inner = Cosigned { body: inner.body.state, parties: inner.parties, signatures: inner.signatures };
    assert!(inner.verify().is_err(), "a state inside a deposit is not signed as a state");
    let signed = fixed::forced_call().sign(&identity(1));
    assert!(signed.verify().is_ok());
}

#[test]
fn a_call_with_any_signature_of_others_is_ill_formed() {
    let good = fixed::cosigned(fixed::channel_state());
    let mut swapped = good;
    swapped.signatures.swap(0, 1);
    let mut one_only = good;
    one_only.signatures[1] = one_only.signatures[0];
    let mut changed = good;
    changed.body.position.balances[0] = Amount::from_units(701);
    let elsewhere = fixed::cosigned(ChannelState { network: NetworkId(Hash([8; 32])), ..fixed::channel_state() });
    for (state, expected) in [
        (good, Ok(())),
        (swapped, Err(IllFormed::Signature)),
        (one_only, Err(IllFormed::Signature)),
        (changed, Err(IllFormed::Signature)),
        (elsewhere, Err(IllFormed::WrongNetwork)),
    ] {
        let side = Side::Initiator;
        assert_eq!(ChannelsCall::SnapshotSolo { side, state }.verify(NETWORK), expected);
        assert_eq!(ChannelsCall::Slash { side, state }.verify(NETWORK), expected);
        let close = ChannelsCall::CloseSolo { channel: CHANNEL, side, secret: fixed::WATCH_SECRET, state: Some(state) };
        assert_eq!(close.verify(NETWORK), expected);
        let call = fixed::forced_call().sign(&identity(1));
        let (environment, witness) = (state.body.position.environment, Vec::new());
        let force = ForceProgress { state: Some(state), call, environment, witness };
        assert_eq!(ChannelsCall::ForceProgress(Box::new(force)).verify(NETWORK), expected);
    }
}

#[test]
fn a_forced_call_is_its_callers() {
    let force = |change: fn(&mut ForceProgress)| {
        let (environment, witness) = (fixed::channel_state().position.environment, Vec::new());
        let mut force =
            ForceProgress { state: None, call: fixed::forced_call().sign(&identity(1)), environment, witness };
        change(&mut force);
        ChannelsCall::ForceProgress(Box::new(force)).verify(NETWORK)
    };
    assert_eq!(force(|_| {}), Ok(()));
    assert_eq!(force(|force| force.call.call.round += 1), Err(IllFormed::Signature));
    assert_eq!(force(|force| force.call.call.caller = id(9)), Err(IllFormed::Signature));
    assert_eq!(force(|force| force.call.signature = IdentitySignature([1; 65])), Err(IllFormed::Signature));
    let elsewhere: fn(&mut ForceProgress) = |force| force.call.call.network = NetworkId(Hash([8; 32]));
    assert_eq!(force(elsewhere), Err(IllFormed::WrongNetwork));
}

#[test]
fn a_certificate_has_three_signatures_of_one_close() {
    let good = fixed::certified_close();
    let certified = |change: fn(&mut CertifiedClose)| {
        let mut certificate = good;
        change(&mut certificate);
        ChannelsCall::CloseVirtual(certificate).verify(NETWORK)
    };
    assert_eq!(certified(|_| {}), Ok(()));
    let elsewhere: fn(&mut CertifiedClose) = |certificate| certificate.close.body.network = NetworkId(Hash([8; 32]));
    assert_eq!(certified(elsewhere), Err(IllFormed::WrongNetwork));
    let changes: [fn(&mut CertifiedClose); 5] = [
        |certificate| certificate.close.body.paid.swap(0, 1),
        |certificate| certificate.close.body.channel = CHANNEL,
        |certificate| certificate.close.signatures[1] = certificate.close.signatures[0],
        |certificate| certificate.signature = certificate.close.signatures[0],
        |certificate| certificate.hub = certificate.close.parties[0],
    ];
    for change in changes {
        assert_eq!(certified(change), Err(IllFormed::Signature));
    }
    let mut terms = fixed::cosigned(fixed::virtual_terms());
    terms.body.nonce += 1;
    assert_eq!(ChannelsCall::RegisterVirtual(terms).verify(NETWORK), Err(IllFormed::Signature));
}

#[test]
fn a_close_is_digested_as_contracts_can() {
    let word = |paid: u128| [&[0; 16][..], &paid.to_be_bytes()].concat();
    let close = fixed::virtual_close();
    let purpose = Sha256::digest(b"byway 1 signature: virtual close").to_vec();
    let parts = [&purpose[..], &NETWORK.0.0, &NETWORK.0.0, &close.channel.0.0, &word(900), &word(300)];
    let digest: [u8; 32] = Sha256::digest(parts.concat()).into();
    assert_eq!(Purpose::VirtualClose.digest(NETWORK, &close.to_bytes()).0, digest);
    let mut too_much = close.to_bytes();
    too_much[64] = 1;
    assert!(VirtualClose::from_bytes(&too_much).is_err(), "no amount is as large as that");
}

#[test]
fn a_virtual_channel_is_another_where_anything_of_its_terms_is() {
    let terms = fixed::virtual_terms();
    let mut ids: Vec<_> = (0..terms.to_bytes().len())
        .filter_map(|at| {
            let mut bytes = terms.to_bytes();
            bytes[at] ^= 1;
            VirtualTerms::from_bytes(&bytes).ok().map(|terms| terms.id())
        })
        .collect();
    assert!(ids.len() > 150 && !ids.contains(&terms.id()));
    ids.sort_by_key(|id| id.0);
    ids.dedup();
    assert!(ids.len() > 150, "no two are one");
}

#[test]
fn what_is_longer_than_its_bound_is_no_call() {
    let too_long = |limit: usize| DecodeError::TooLong { length: limit as u64 + 1, limit: limit as u64 };
    let code = ChannelsCall::RegisterCode { code: vec![1; CODE_BYTES_MAX + 1] };
    assert_eq!(ChannelsCall::from_bytes(&code.to_bytes()), Err(too_long(CODE_BYTES_MAX)));
    let delegates = vec![id(1); DELEGATES_MAX + 1];
    let delegates = ChannelsCall::SetDelegates { channel: CHANNEL, side: Side::Initiator, delegates };
    assert_eq!(ChannelsCall::from_bytes(&delegates.to_bytes()), Err(too_long(DELEGATES_MAX)));
    let force = |input: usize, witness: usize| {
        let call = byway_records::channel::ForcedCall { input: vec![0; input], ..fixed::forced_call() };
        let environment = fixed::channel_state().position.environment;
        let witness = vec![0; witness];
        let force = ForceProgress { state: None, call: call.sign(&identity(1)), environment, witness };
        let call = ChannelsCall::ForceProgress(Box::new(force));
        Call::open(&Call::Channels(call).envelope(None, None)).map(drop)
    };
    assert_eq!(force(FORCED_INPUT_BYTES_MAX, WITNESS_BYTES_MAX), Ok(()));
    assert_eq!(force(FORCED_INPUT_BYTES_MAX + 1, 0), Err(too_long(FORCED_INPUT_BYTES_MAX)));
    assert_eq!(force(0, WITNESS_BYTES_MAX + 1), Err(too_long(WITNESS_BYTES_MAX)));
    let evidence = vec![fixed::channel_outcome(); EVIDENCE_MAX + 1];
    let call = ForcedCall { evidence, ..fixed::forced_call() };
    assert_eq!(ForcedCall::from_bytes(&call.to_bytes()), Err(too_long(EVIDENCE_MAX)));
    let settle = |witness: usize| {
        let call = ChannelsCall::Settle { channel: CHANNEL, witness: vec![0; witness] };
        Call::open(&Call::Channels(call).envelope(None, None)).map(drop)
    };
    assert_eq!(settle(PURSES_BYTES_MAX), Ok(()));
    assert_eq!(settle(PURSES_BYTES_MAX + 1), Err(too_long(PURSES_BYTES_MAX)));
}

#[test]
fn a_co_signed_round_beats_what_was_forced_since() {
    for (signed, round, accepted) in [(0, 0, 1), (7, 7, 8), (7, 8, 8), (7, 12, 8)] {
        let mut channel: Channel = fixed::channel();
        (channel.signed, channel.position.round) = (signed, round);
        assert!(!channel.accepts(accepted - 1) && channel.accepts(accepted), "{signed} {round}");
    }
}

#[test]
fn a_channels_assets_are_in_order_each_once_and_something_of_each() {
    let way = AssetId::WAY;
    let of = |number: u8, parts: [u128; 2]| {
        let asset = if number == 0 { way } else { AssetId(Hash([number; 32])) };
        AssetParts { asset, parts: parts.map(Amount::from_units) }
    };
    let good = [of(1, [0, 5]), of(2, [1, 1]), of(3, [5, 0]), of(4, [1, 0])];
    let all = ChannelAssets::new([good[3], good[0], good[2], good[1]]).expect("four assets");
    assert_eq!(all[..], good);
    assert_eq!(ChannelAssets::from_bytes(&all.to_bytes()), Ok(all));
    assert_eq!(ChannelAssets::from_bytes(&[0]), Ok(ChannelAssets::NONE));
    let five = [&good[..], &[of(5, [1, 0])]].concat();
    let bad: [&[AssetParts]; 6] =
        [&five, &[good[1], good[0]], &[good[0], good[0]], &[of(0, [1, 1])], &[of(1, [0, 0])], &[of(1, [u128::MAX, 1])]];
    for rows in bad {
        let mut out = Writer::new();
        out.list(rows);
        assert!(ChannelAssets::from_bytes(&out.into_bytes()).is_err(), "{rows:?}");
    }
    let is_divided = |split: [AssetParts; 4]| all.is_divided_by(&ChannelAssets::new(split).expect("four assets"));
    assert!(is_divided([of(1, [5, 0]), of(2, [0, 2]), good[2], good[3]]));
    assert!(!is_divided([of(1, [5, 1]), of(2, [0, 2]), good[2], good[3]]));
    assert!(!is_divided([good[0], good[1], good[2], of(5, [1, 0])]));
}

fn same<T: Encode + Decode + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

/// Whether bytes that decode as some record are its encoding.
type Same = fn(&[u8]);

/// Made once: signing is what takes time.
static ENCODINGS: LazyLock<Vec<(Vec<u8>, Same)>> = LazyLock::new(|| {
    let calls = fixed::channels_calls().into_iter().map(|(_, call)| (call.to_bytes(), same::<ChannelsCall> as Same));
    let mut encodings: Vec<_> = calls.collect();
    encodings.push((fixed::channel().to_bytes(), same::<Channel>));
    encodings.push((fixed::cosigned(fixed::funding_change()).to_bytes(), same::<Cosigned<FundingChange>>));
    encodings.push((fixed::cosigned(fixed::leaving()).to_bytes(), same::<Cosigned<FundingChange>>));
    encodings.push((fixed::ledger_contract().to_bytes(), same::<LedgerContract>));
    encodings.push((fixed::cosigned(fixed::mutual_close()).to_bytes(), same::<Cosigned<MutualClose>>));
    encodings
});

proptest! {
    /// Good encodings with one byte changed, cut or added: what still decodes encodes to the same bytes.
    #[test]
    fn whatever_decodes_has_one_encoding(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let spoil = |mut bytes: Vec<u8>| {
            let at = place.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            bytes
        };
        for (bytes, same) in &*ENCODINGS {
            same(&spoil(bytes.clone()));
        }
    }
}
