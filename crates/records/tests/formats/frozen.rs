//! Encodings frozen by digest: if one of these changes, every signature, id and stored record changes with it.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Purpose, WalletSecret};
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Hash, Time};
use byway_records::call::kernel::{ConvictionId, Upgrade};
use byway_records::channel::Outcome;
use byway_records::channel::contract::contract_key;
use byway_records::channel::entry::{Code, channel_key, code_key};
use byway_records::channel::guaranteed::outcome_key;
use byway_records::evidence::Place;
use byway_records::holders::{delegates_key, holders_serial_key};
use byway_records::names::{commitment_key, commitments_key, name_key, primary_key};
use byway_records::state::*;
use byway_records::transaction::KeySignature;
use byway_records::verified::verify_bytes;
use byway_records::{
    Backing, Body, Epoch, Height, Input, Lock, NameEntry, Output, OutputId, Reject, Roll, Transaction, Witness,
};

use crate::fixed::{self, NETWORK};

const FROZEN: Context = Context("byway test frozen encoding");

/// Length and digest of an encoding, on one line. Also checks that it decodes to the same value.
fn line<T: Encode + Decode + PartialEq + std::fmt::Debug>(name: &str, value: &T) -> String {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value), "{name}");
    format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
}

#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn records() -> Vec<String> {
    let deadline = Deadline { time: Time(1_700_000_000_000), commits: 600 };
    let withdrawal = Withdrawal { amount: Amount::from_units(5), ready: deadline };
    let mut lines = vec![
        line("output id", &fixed::output_id()),
        line("single lock", &Lock::single(byway_crypto::GhostKey([3; 32]))),
        line("lock", &fixed::lock_of_two()),
        line("output", &fixed::output()),
        line("output of two", &fixed::output_of_two()),
        line("call envelope", &fixed::envelope()),
        line("body", &fixed::body()),
        line("transaction", &fixed::transaction()),
        line("offer", &fixed::offer()),
        line("signed offer", &fixed::signed_offer()),
        line("signed promise", &fixed::signed_promise()),
        line("checkpoint", &fixed::checkpoint()),
        line("certificate", &fixed::certificate()),
        line("scan data", &fixed::scan()),
        line(
            "registration",
            &Registration { key: fixed::identity(1).public(), pledge: Amount::from_coins(1), since: Time(5) },
        ),
        line(
            "published offer",
            &PublishedOffer { offer: fixed::signed_offer(), published: Time(5), expires: deadline },
        ),
        line("account", &Account { balance: Amount::from_coins(3), withdrawal: Some(withdrawal) }),
        line("settled", &Settled { serial: 5, amount: Amount::from_units(300) }),
        line("bounces", &Bounces { count: 2, last: Time(5) }),
        line("bounced", &Bounced { serial: 5, amount: Amount::from_units(300) }),
        line(
            "reservation",
            &Reservation { payer: fixed::id(1), payee: fixed::id(2), value: fixed::way(5), until: deadline },
        ),
        line(
            "kernel pledge",
            &KernelPledge {
                amount: Amount::from_coins(10_000),
                since: 300,
                rotates: Some(deadline),
                unlocks: None,
                offence: Some(Place::Round(300)),
                approves: Some(Upgrade { protocol: 2, at: Height(300) }),
            },
        ),
        line(
            "conviction",
            &Conviction {
                owner: fixed::id(1),
                place: Place::Height(Height(300)),
                forfeited: Amount::from_coins(10_000),
                is_appealed: true,
                ends: deadline,
            },
        ),
        line("roll", &Roll::call(&fixed::genesis().epoch(), Height(300), u32::from)),
        line("roll with a coin", &fixed::roll_with_coin()),
        line("ceremony", fixed::ceremony_done().head()),
        line("epoch", &fixed::genesis().epoch()),
        line("epoch with a coin", &Epoch { coin: Some(Hash([8; 32])), ..fixed::genesis().epoch() }),
        line(
            "asset",
            &AssetRecord { terms: fixed::asset_terms(), control: Control::Issuer, supply: Amount::from_coins(3) },
        ),
        line(
            "faucet asset",
            &AssetRecord {
                terms: byway_records::AssetTerms::faucet(),
                control: Control::Anyone { issue_max: Amount::from_coins(1_000) },
                supply: Amount::ZERO,
            },
        ),
    ];
    lines.extend([
        line("channel state", &fixed::cosigned(fixed::channel_state())),
        line("funding change", &fixed::cosigned(fixed::funding_change())),
        line("mutual close", &fixed::cosigned(fixed::mutual_close())),
        line("forced call", &fixed::forced_call().sign(&fixed::identity(1))),
        line("leaving", &fixed::cosigned(fixed::leaving())),
        line("contract on the ledger", &fixed::ledger_contract()),
        line("channel", &fixed::channel()),
        line("code", &Code(vec![46; 60])),
        line("virtual terms", &fixed::cosigned(fixed::virtual_terms())),
        line("certified close", &fixed::certified_close()),
        line("channel outcome", &fixed::channel_outcome()),
        line("delegates", &fixed::delegates_entry()),
        line("name", &fixed::name_entry()),
        line("settled name", &NameEntry { claim: None, ..fixed::name_entry() }),
        line("name commitment", &fixed::name_commitment()),
        line("outcome", &Outcome { paid: fixed::channel_outcome().paid }),
    ]);
    let names = ["account promise", "reservation promise", "channel promise"];
    lines.extend(names.iter().zip(fixed::backings()).map(|(name, backing)| line(name, &fixed::promise(backing))));
    lines
}

#[test]
fn encodings_are_frozen() {
    assert_eq!(records(), FROZEN_RECORDS);
}

#[test]
fn calls_are_frozen() {
    let calls = fixed::calls().into_iter().map(|(name, call)| line(name, &call.envelope(None, None)));
    assert_eq!(calls.collect::<Vec<_>>(), FROZEN_CALLS);
}

#[test]
fn reasons_keep_their_numbers() {
    let codes: Vec<_> = Reject::ALL.iter().map(|reject| (reject.code(), reject.word())).collect();
    assert!(codes.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(codes.len(), 97);
    let text = codes.iter().map(|(code, word)| format!("{code} {word}")).collect::<Vec<_>>().join(", ");
    assert_eq!(FROZEN.hash(&[text.as_bytes()]).to_string()[..16], *FROZEN_REASONS, "{text}");
}

#[test]
fn digests_and_keys_are_frozen() {
    let ids = [
        ("transaction", fixed::transaction().id().0),
        ("spend", fixed::body().spend_digest(NETWORK)),
        ("authorise", Purpose::Authorise.digest(NETWORK, &fixed::body().authorise_message())),
        ("offer id", fixed::offer().id().0),
        ("terms", fixed::offer().terms()),
        ("checkpoint", fixed::checkpoint().digest()),
        ("scan", fixed::scan().root()),
        ("set element", fixed::output().set_element(fixed::output_id())),
        ("network", fixed::genesis().network().0),
        ("genesis transaction", fixed::genesis().transaction().0),
        ("epoch", fixed::genesis().epoch().digest()),
        ("asset id", fixed::asset_terms().id().0),
        ("name", fixed::name().key().0),
        ("commitment", fixed::name_commitment().hash),
        ("virtual channel", fixed::virtual_terms().id().0),
        ("virtual close", Purpose::VirtualClose.digest(NETWORK, &fixed::virtual_close().to_bytes())),
    ];
    let lines: Vec<_> = ids.iter().map(|(name, hash)| format!("{name}: {}", &hash.to_string()[..16])).collect();
    assert_eq!(lines, FROZEN_DIGESTS);
    let series = fixed::promise(Backing::Account).series;
    let keys = [
        registration_key(fixed::id(1)),
        offer_key(fixed::id(1), 3),
        offer_serial_key(fixed::id(1)),
        account_key(fixed::id(1), fixed::other(0).asset),
        settled_key(&series),
        bounces_key(fixed::id(1)),
        reservation_key(byway_records::promise::ReservationId(byway_primitives::Hash([1; 32]))),
        bounced_key(&series),
        asset_key(fixed::asset_terms().id()),
        pool_key(),
        kernel_pledge_key(3),
        roll_key(300),
        conviction_key(ConvictionId { seat: 3, since: 300, is_second: true }),
        upgrade_key(),
        ceremony_key(),
        dealing_key(3),
        coin_key(),
        channel_key(fixed::CHANNEL),
        code_key(Hash([1; 32])),
        contract_key(fixed::CHANNEL, [1; 20]),
        outcome_key(fixed::CHANNEL),
        delegates_key(fixed::id(1)),
        holders_serial_key(fixed::id(1)),
        name_key(fixed::name().key()),
        primary_key(fixed::id(1)),
        commitment_key(fixed::id(1), 3),
        commitments_key(),
    ];
    let all = FROZEN.hash(&[&keys.concat()]).to_string();
    assert_eq!(all[..16], *FROZEN_KEYS);
}

/// The transfer that benchmarks count: one input, one output, no call.
#[test]
fn a_transfer_has_236_bytes_or_less() {
    let wallet = WalletSecret::from_seed(&[1; 32]);
    let (first, second) = (TransactionSecret::from_seed(&[2; 32]), TransactionSecret::from_seed(&[3; 32]));
    let (from, _) = first.derive(&wallet.address(), 0);
    let (to, tag) = second.derive(&wallet.address(), 0);
    let spent = OutputId { index: 0, ..fixed::output_id() };
    let body = Body {
        inputs: vec![Input { spent, lock: Lock::single(from) }],
        outputs: vec![Output {
            lock: Lock::single(to),
            view_tags: vec![tag],
            value: fixed::way(12_345 * 10u128.pow(15)),
        }],
        ghost: Some(second.public()),
        call: None,
        fee: Amount::ZERO,
        expires: Time::ZERO,
    };
    let secret = wallet.spend_secret(first.public(), 0, from).expect("ours");
    let signature = KeySignature { key: 0, signature: secret.sign(NETWORK, &body.id().0.0) };
    let witness = Witness { spends: vec![vec![signature]], authorisations: Vec::new() };
    let bytes = Transaction { body, witness }.to_bytes();
    let verified = verify_bytes(NETWORK, &bytes).expect("well-formed");
    assert_eq!((verified.size(), bytes.len()), (TRANSFER_BYTES, TRANSFER_BYTES));
    const { assert!(TRANSFER_BYTES <= 236) };
}

/// With an amount of 12.345 WAY; larger ones take up to nine bytes more.
const TRANSFER_BYTES: usize = 215;
const FROZEN_RECORDS: [&str; 49] = [
    "output id: 34 f71b26ef5edb495f",
    "single lock: 33 5bd84132b299b527",
    "lock: 98 e1081298f738772e",
    "output: 37 fcad9c596b88598e",
    "output of two: 135 0c82790701a9f26c",
    "call envelope: 44 53be74b95582c015",
    "body: 457 d6e72bad363be199",
    "transaction: 718 0c49ac1bbfce0938",
    "offer: 123 f00cd1150d681a49",
    "signed offer: 188 81c4d3f67a9539bd",
    "signed promise: 144 65520150726427ae",
    "checkpoint: 206 4a5f79df02fa0b3a",
    "certificate: 337 9b1e36e63a725ccf",
    "scan data: 347 e47d6a2a85b727eb",
    "registration: 43 acf692aab59a99c5",
    "published offer: 197 38b3f08b29acf567",
    "account: 19 84bd450f5a7e6bf7",
    "settled: 3 d8cc78800f7e359b",
    "bounces: 2 b4d3142c6ac4a0d0",
    "bounced: 3 d8cc78800f7e359b",
    "reservation: 50 8557193d57ab2f57",
    "kernel pledge: 31 81e5e5977a456984",
    "conviction: 43 7385cc63ff33ac88",
    "roll: 245 912439beaffd03ff",
    "roll with a coin: 439 2fc1acca218d2e14",
    "ceremony: 235 218f6487cf239a8c",
    "epoch: 1111 89d9c6f21c113dc2",
    "epoch with a coin: 1143 297a542692961cf1",
    "asset: 43 cb1f776c1d900b30",
    "faucet asset: 48 1c8ec8258512d577",
    "channel state: 290 b63d0393434e1b35",
    "funding change: 296 163d1ec935f5d507",
    "mutual close: 311 fb5faadaa7663b5b",
    "forced call: 281 71c82d4fc4191f70",
    "leaving: 348 7169f94b082f7896",
    "contract on the ledger: 238 3625ec7c46a08a2d",
    "channel: 515 5be8b67a4e287430",
    "code: 61 9a4b57397a7ace00",
    "virtual terms: 359 e8345aafded4285d",
    "certified close: 383 15ea60bd7d20b132",
    "channel outcome: 35 d8ed87a27723f9f1",
    "delegates: 61 0ff588cfa81a3ec4",
    "name: 64 197e569697ff973a",
    "settled name: 45 99cee90bb07ecf83",
    "name commitment: 44 0cfca0c1346dcf5c",
    "outcome: 3 81b7b71560af9f18",
    "account promise: 79 6e8e5cf74b56c982",
    "reservation promise: 111 9173d3c444c8d282",
    "channel promise: 111 47a3a64b085a5b6d",
];
const FROZEN_CALLS: [&str; 58] = [
    "register: 38 3d5d78877c677d4b",
    "publish: 194 dc67c3fcc97a1eef",
    "withdraw offer: 26 2d9315d1b902a452",
    "deposit: 25 5bf1bee9e4f24b74",
    "announce withdrawal: 27 144bcf48c6e7ce28",
    "withdraw: 25 fe910a5fd5621cf4",
    "settle: 216 d61a32af691ce9aa",
    "reserve: 48 6f22e6a8cd7bde34",
    "release: 37 4d73fd585e28d6f5",
    "settle pair: 424 b97a214127e86db3",
    "register asset: 38 09e8dd8567abc50c",
    "issue: 5 ff602a3374834fcf",
    "burn: 5 a540845f548f35dc",
    "pledge: 226 d46112024b00004d",
    "ready: 70 99925984b5c73e89",
    "leave: 6 ca4f8d88f92cc0a3",
    "reclaim: 6 e733ea64a84a8841",
    "rotate: 227 b7b908f0192666c2",
    "appeal: 9 791d8304b41e8ead",
    "upgrade: 9 f5d6a7046cf9b4e0",
    "deal: 538 aa338e49f008d086",
    "complain: 185 e57996322981716e",
    "confirm: 71 39165c81d99cbe73",
    "equivocation: 693 77891491f9fb10dc",
    "ill-formed header: 350 47ce12bd960943f5",
    "ill-formed transaction: 1137 b489ab9819794aef",
    "spent input: 1999 9ce30195843e4f3b",
    "two votes: 625 5a265868529b924c",
    "false coin share: 352 be4eb903b1cca3ef",
    "false vote: 691 6cd69349fe911980",
    "create: 193 9c40b1f7d9facaad",
    "fund: 302 4bf80b41b34749e4",
    "set delegates: 79 cf14ab6b0af79506",
    "snapshot solo: 297 28c64ec2da0d046d",
    "close solo: 55 0506e01b55217818",
    "close solo with a state: 346 c07502f9611c5310",
    "slash: 297 bacbe4f1935168e9",
    "force progress: 341 67d7e138365f0d7f",
    "force progress on a state: 631 a629ee0f4e0db62b",
    "settle channel: 88 84c2417941f335fd",
    "close mutual: 317 10a8f272e46d2cc2",
    "claim: 151 546352700f8de004",
    "register code: 66 3c6806f137ce26c0",
    "contract leave: 405 03abd4fccf817518",
    "call contract: 170 e43ebe7806fcb3f3",
    "register virtual: 365 d3046cb8f5af2e3e",
    "end virtual: 38 604d7da892ddf9e0",
    "end virtual with a state: 329 b5f715fa2a0df986",
    "close virtual: 389 32a68113490a0839",
    "set holders: 80 f95c062adfe6d174",
    "set no holders: 28 e387f86c3a4a9c75",
    "commit to a name: 57 72558022ed4a17a6",
    "register a name: 66 6052ee32160cd420",
    "renew a name: 14 c0113b5f987fb83d",
    "transfer a name: 33 f1c539c548fc1caf",
    "release a name: 13 ff7d5fb8e9879250",
    "set a primary name: 34 4191ba1917a38def",
    "set no primary name: 26 98df968d0a40e3d7",
];
const FROZEN_REASONS: &str = "167a19e0e7c931a6";
const FROZEN_DIGESTS: [&str; 16] = [
    "transaction: 37ce2c9c33f6e316",
    "spend: aff8edff5417e4ca",
    "authorise: e30e45a3d28e38cd",
    "offer id: 571ef821e7e6b9f5",
    "terms: 1c95ce58498f4e0c",
    "checkpoint: f243c4156af089cd",
    "scan: ce65d9bd1bd54052",
    "set element: 918c63d353f199d4",
    "network: 19aceb1214e6c8ef",
    "genesis transaction: a2285b7aa1d7f42c",
    "epoch: 33bc8b7520b973db",
    "asset id: e2942283e1c8a235",
    "name: 8925d7421596d1c6",
    "commitment: 4aefeeab344146cd",
    "virtual channel: a5e59c5ffc144bbc",
    "virtual close: 127781a5f2413199",
];
const FROZEN_KEYS: &str = "d33957e0e8f34a43";
