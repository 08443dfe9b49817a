//! Laws of every record's encoding: what is encoded decodes to itself, and whatever decodes encodes to the same bytes.

use byway_crypto::node::NodeSignature;
use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::dealing::DealingKey;
use byway_crypto::{GhostKey, IdentitySecret, IdentitySignature, NodeKey};
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId, Time};
use byway_records::asset::{AssetTerms, Decimals};
use byway_records::call::kernel::{ConvictionId, Upgrade};
use byway_records::call::{
    AccountsCall, AssetsCall, ChannelsCall, HoldersCall, KernelCall, MemberEntry, NamesCall, OffersCall, RegistryCall,
    Take,
};
use byway_records::names::{Claim, Commitment, Years};
use byway_records::offer::{Action, Contact, Location, Network, Price, Rule, Service, Unit};
use byway_records::promise::{ChannelId, Promise, ReservationId, Series, SignedPromise};
use byway_records::scan::{ScanData, ScanTransaction};
use byway_records::state::*;
use byway_records::transaction::KeySignature;
use byway_records::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::fixed;

fn same<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes();
    let decoded = T::from_bytes(&bytes);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    let mut longer = bytes.clone();
    longer.push(0);
    prop_assert!(T::from_bytes(&longer).is_err(), "trailing bytes are refused");
    prop_assert!(bytes.is_empty() || T::from_bytes(&bytes[..bytes.len() - 1]).is_err(), "cut bytes are refused");
    Ok(())
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![any::<u128>(), (0u128..300), (0u32..128).prop_map(|bit| 1 << bit)].prop_map(Amount::from_units)
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![any::<u64>(), 0u64..300].prop_map(Time)
}

fn id() -> impl Strategy<Value = IdentityId> {
    any::<[u8; 20]>().prop_map(IdentityId)
}

fn asset() -> impl Strategy<Value = AssetId> {
    prop_oneof![Just(AssetId::WAY), hash().prop_map(AssetId)]
}

fn value() -> impl Strategy<Value = Value> {
    (asset(), amount()).prop_map(|(asset, amount)| Value { asset, amount })
}

fn ghost() -> impl Strategy<Value = GhostKey> {
    any::<[u8; 32]>().prop_map(GhostKey)
}

fn signature() -> impl Strategy<Value = NodeSignature> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut whole = [0; 64];
        whole[..32].copy_from_slice(&half);
        whole[32..].copy_from_slice(&half);
        NodeSignature(whole)
    })
}

fn identity_signature() -> impl Strategy<Value = IdentitySignature> {
    vec(any::<u8>(), 65).prop_map(|bytes| IdentitySignature(bytes.try_into().expect("65 bytes")))
}

fn identity() -> impl Strategy<Value = IdentitySecret> {
    (1u8..255).prop_map(fixed::identity)
}

fn output_id() -> impl Strategy<Value = OutputId> {
    (hash(), any::<u32>()).prop_map(|(hash, index)| OutputId { transaction: TransactionId(hash), index })
}

fn lock() -> impl Strategy<Value = Lock> {
    let many = vec(ghost(), 2..=16).prop_flat_map(|keys| {
        let thresholds = 1..=keys.len() as u8;
        thresholds.prop_map(move |threshold| Lock { threshold, keys: keys.clone() })
    });
    prop_oneof![ghost().prop_map(Lock::single), many]
}

fn output() -> impl Strategy<Value = Output> {
    (lock(), any::<[u8; 16]>(), value()).prop_map(|(lock, tags, value)| {
        let view_tags = tags[..lock.keys.len()].to_vec();
        Output { lock, view_tags, value }
    })
}

fn input() -> impl Strategy<Value = Input> {
    (output_id(), lock()).prop_map(|(spent, lock)| Input { spent, lock })
}

fn envelope() -> impl Strategy<Value = CallEnvelope> {
    let parts = (any::<u16>(), option::of(value()), option::of(value()), vec(any::<u8>(), 0..40));
    parts.prop_map(|(program, pays, draws, body)| CallEnvelope { program: ProgramId(program), pays, draws, body })
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let parts = (
        vec((input(), signature()), 0..4),
        vec(output(), 0..4),
        ghost(),
        option::of(envelope()),
        amount(),
        time(),
        vec(identity_signature(), 0..=4),
    );
    parts.prop_map(|(inputs, outputs, ghost, call, fee, expires, authorisations)| {
        let signatures = |(input, signature): &(Input, NodeSignature)| {
            (0..input.lock.threshold).map(|key| KeySignature { key, signature: *signature }).collect()
        };
        let spends = inputs.iter().map(signatures).collect();
        let inputs = inputs.into_iter().map(|(input, _)| input).collect();
        let ghost = (!outputs.is_empty()).then_some(ghost);
        let body = Body { inputs, outputs, ghost, call, fee, expires };
        Transaction { body, witness: Witness { spends, authorisations } }
    })
}

fn location() -> impl Strategy<Value = Location> {
    ("[A-Z]{2}", any::<u32>()).prop_map(|(country, asn)| Location { country: country.parse().expect("letters"), asn })
}

fn price() -> impl Strategy<Value = Price> {
    let parts = (proptest::sample::select(&Unit::ALL[..]), amount(), asset(), 0u16..=1000);
    parts.prop_map(|(unit, amount, asset, reputation_min)| Price { unit, amount, asset, reputation_min })
}

fn rule() -> impl Strategy<Value = Rule> {
    let v4 = (any::<std::net::Ipv4Addr>(), 0u8..=32).prop_map(|(a, prefix)| Network { address: a.into(), prefix });
    let v6 = (any::<std::net::Ipv6Addr>(), 0u8..=128).prop_map(|(a, prefix)| Network { address: a.into(), prefix });
    let actions = prop_oneof![Just(Action::Allow), Just(Action::Deny)];
    let parts = (actions, prop_oneof![v4, v6], any::<u16>(), any::<u16>());
    parts.prop_map(|(action, network, port_first, port_last)| Rule { action, network, port_first, port_last })
}

fn contact() -> impl Strategy<Value = Contact> {
    ("[a-zé]{0,12}", vec(any::<u8>(), 0..30)).prop_map(|(protocol, data)| Contact { protocol, data })
}

fn offer() -> impl Strategy<Value = Offer> {
    let terms = (id(), any::<u64>(), any::<u16>(), location(), location(), any::<u64>());
    let lists = (vec(price(), 0..4), vec(rule(), 0..4), vec(contact(), 0..4));
    (terms, lists).prop_map(|((provider, serial, service, location, exit, bandwidth_bps), lists)| {
        let (prices, exit_policy, contacts) = lists;
        let service = Service(service);
        Offer { provider, serial, service, location, exit, bandwidth_bps, prices, exit_policy, contacts }
    })
}

fn signed_offer() -> impl Strategy<Value = SignedOffer> {
    (offer(), identity_signature()).prop_map(|(offer, signature)| SignedOffer { offer, signature })
}

fn backing() -> impl Strategy<Value = Backing> {
    prop_oneof![
        Just(Backing::Account),
        hash().prop_map(|hash| Backing::Reservation(ReservationId(hash))),
        hash().prop_map(|hash| Backing::Channel(ChannelId(hash))),
    ]
}

fn promise() -> impl Strategy<Value = Promise> {
    let series = (id(), id(), asset(), backing());
    let series = series.prop_map(|(payer, payee, asset, backing)| Series { payer, payee, asset, backing });
    let parts = (hash(), series, any::<u64>(), amount());
    parts.prop_map(|(network, series, serial, amount)| Promise { network: NetworkId(network), series, serial, amount })
}

fn signed_promise() -> impl Strategy<Value = SignedPromise> {
    (promise(), identity_signature()).prop_map(|(promise, signature)| SignedPromise { promise, signature })
}

fn countersigned_pair() -> impl Strategy<Value = CountersignedPair> {
    let numbers = || (any::<u64>(), amount(), identity_signature(), identity_signature());
    let parts = ((hash(), id(), id(), asset()), numbers(), numbers());
    let parts = parts.prop_filter("with oneself", |((_, one, other, _), ..)| one != other);
    parts.prop_map(|((network, one, other, asset), (serial, amount, signature, payee), back)| {
        let series = Series { payer: one, payee: other, asset, backing: Backing::Account };
        let promise = Promise { network: NetworkId(network), series, serial, amount };
        let series = Series { payer: other, payee: one, ..series };
        let returned = Promise { series, serial: back.0, amount: back.1, ..promise };
        let returned = SignedPromise { promise: returned, signature: back.2 };
        let pair = PromisePair::new(returned, SignedPromise { promise, signature }).expect("each way one");
        pair.with([(other, payee), (one, back.3)]).expect("its parties")
    })
}

fn call() -> impl Strategy<Value = Call> {
    let take = prop_oneof![Just(Take::Whole), Just(Take::WhatIsThere)];
    let accounts = prop_oneof![
        id().prop_map(|to| AccountsCall::Deposit { to }),
        (id(), asset(), amount()).prop_map(|(from, asset, amount)| AccountsCall::AnnounceWithdrawal {
            from,
            asset,
            amount
        }),
        id().prop_map(|from| AccountsCall::Withdraw { from }),
        (signed_promise(), identity_signature(), take).prop_map(|(promise, payee, take)| AccountsCall::Settle {
            promise,
            payee,
            take
        }),
        (id(), id(), value(), time()).prop_map(|(payer, payee, value, until)| AccountsCall::Reserve {
            payer,
            payee,
            value,
            until
        }),
        hash().prop_map(|hash| AccountsCall::Release { reservation: ReservationId(hash) }),
        countersigned_pair().prop_map(|pair| AccountsCall::SettlePair(Box::new(pair))),
    ];
    prop_oneof![
        identity().prop_map(|identity| Call::Registry(RegistryCall::Register { key: identity.public() })),
        signed_offer().prop_map(|offer| Call::Offers(OffersCall::Publish { offer })),
        (id(), any::<u64>()).prop_map(|(provider, serial)| Call::Offers(OffersCall::Withdraw { provider, serial })),
        accounts.prop_map(Call::Accounts),
        (id(), "[A-V][A-Z0-9]{1,11}", "[a-z]{1,48}", 0u8..19).prop_map(|(issuer, symbol, name, decimals)| {
            let (symbol, name) = (symbol.parse().expect("a symbol"), name.parse().expect("a name"));
            let decimals = Decimals::new(decimals).expect("at most 18");
            Call::Assets(AssetsCall::Register { terms: AssetTerms { issuer, symbol, name, decimals } })
        }),
        Just(Call::Assets(AssetsCall::Issue)),
        Just(Call::Assets(AssetsCall::Burn)),
        kernel_call().prop_map(Call::Kernel),
        (id(), any::<u64>(), delegates()).prop_map(|(identity, serial, delegates)| {
            Call::Holders(HoldersCall::Set { identity, serial, delegates })
        }),
        names_call().prop_map(Call::Names),
    ]
}

/// Of one whom nobody names here.
fn delegates() -> impl Strategy<Value = Vec<Delegate>> {
    let delegate = (any::<[u8; 19]>(), time());
    vec(delegate, 0..5).prop_map(|list| {
        let one = |(at, (rest, until)): (usize, ([u8; 19], Time))| Delegate {
            holder: IdentityId([&[at as u8][..], &rest].concat().try_into().expect("20")),
            until,
        };
        list.into_iter().enumerate().map(one).collect()
    })
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof!["z[a-z0-9]{2,31}", "z[a-z]{1,14}-[a-z0-9]{1,15}", "[а-я]{3,32}q?", "[一-十]{3,12}"]
        .prop_filter_map("no name", |text| text.parse().ok())
}

fn names_call() -> impl Strategy<Value = NamesCall> {
    let years = (1u8..=5).prop_map(|years| Years::new(years).expect("few"));
    (0u8..7, id(), name(), years, hash()).prop_map(|(kind, identity, name, years, hash)| match kind {
        0 => NamesCall::Commit { identity, commitment: hash },
        1 => NamesCall::Register { owner: identity, name, years, salt: hash.0 },
        2 => NamesCall::Renew { name, years },
        3 => NamesCall::Transfer { name, to: identity },
        4 => NamesCall::Release { name },
        5 => NamesCall::SetPrimary { identity, name: None },
        _ => NamesCall::SetPrimary { identity, name: Some(name) },
    })
}

fn kernel_call() -> impl Strategy<Value = KernelCall> {
    let signature = || any::<[u8; 32]>().prop_map(|half| NodeSignature([half, half].concat().try_into().expect("64")));
    let member = (".{0,16}", id(), any::<[u8; 32]>(), any::<[u8; 32]>(), "[a-z.]{0,64}:[0-9]{1,5}");
    let member = member.prop_map(|(name, owner, key, mesh, address)| Member {
        name,
        owner,
        key: NodeKey(key),
        mesh: StaticKey(mesh),
        dealing: DealingKey([5; 48]),
        address,
    });
    let entry = (member, signature()).prop_map(|(member, possession)| MemberEntry { member, possession });
    let contributions: Vec<_> = fixed::contributions().into_iter().map(|(_, contribution)| contribution).collect();
    (any::<u8>(), 0u8..10, signature(), entry).prop_map(move |(seat, kind, signature, entry)| match kind {
        0 => KernelCall::Pledge { entry },
        1 => KernelCall::Ready { seat, signature },
        2 => KernelCall::Leave { seat },
        3 => KernelCall::Reclaim { seat },
        4 => KernelCall::Rotate { seat, entry },
        5 => KernelCall::Appeal { conviction: ConvictionId { seat, since: seat.into(), is_second: seat > 9 } },
        6..9 => {
            let contribution = contributions[usize::from(kind) - 6].clone();
            KernelCall::Contribute { seat, contribution, signature }
        }
        _ => KernelCall::Upgrade { seat, to: Upgrade { protocol: seat.into(), at: Height(seat.into()) } },
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let counts = (any::<u64>(), any::<u64>(), time(), any::<u64>());
    (counts, [hash(), hash(), hash(), hash(), hash(), hash()]).prop_map(|(counts, hashes)| {
        let ((height, commits, time, transactions), [previous, transactions_root, state_root, a, b, c]) =
            (counts, hashes);
        Checkpoint {
            height: Height(height),
            commits,
            time,
            previous,
            transactions,
            transactions_root,
            state_root,
            outputs_digest: a,
            scan_root: b,
            epoch_next: c,
        }
    })
}

fn certificate() -> impl Strategy<Value = Certificate> {
    (checkpoint(), vec((any::<u8>(), signature()), 0..8))
        .prop_map(|(checkpoint, signatures)| Certificate { checkpoint, signatures })
}

fn scan() -> impl Strategy<Value = ScanData> {
    let transaction = (hash(), ghost(), vec(output(), 0..3), vec(output_id(), 0..3));
    let transaction = transaction.prop_map(|(hash, ghost, outputs, spent)| {
        let ghost = (!outputs.is_empty()).then_some(ghost);
        ScanTransaction { id: TransactionId(hash), ghost, outputs, spent }
    });
    let rejected = (hash(), proptest::sample::select(Reject::ALL)).prop_map(|(hash, why)| (TransactionId(hash), why));
    let parts = (time(), vec(transaction, 0..4), vec(rejected, 0..4));
    parts.prop_map(|(time, finals, rejected)| ScanData { time, finals, rejected })
}

fn deadline() -> impl Strategy<Value = Deadline> {
    (time(), any::<u64>()).prop_map(|(time, commits)| Deadline { time, commits })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn transactions(transaction in transaction(), call in call()) {
        same(&transaction)?;
        same(&transaction.body)?;
        same(&call.envelope(None, None))?;
        prop_assert_eq!(Call::open(&call.envelope(None, None)), Ok(call));
    }

    /// Nobody can change someone else's transaction by re-encoding its signatures.
    #[test]
    fn an_id_covers_the_body_and_nothing_else(a in transaction(), b in transaction()) {
        let mixed = Transaction { body: a.body.clone(), witness: b.witness };
        prop_assert_eq!(mixed.id(), a.id());
        prop_assert_eq!(a.id() == b.body.id(), a.body == b.body);
    }

    #[test]
    fn offers_and_promises(offer in signed_offer(), promise in signed_promise(), other in contact()) {
        same(&offer)?;
        same(&promise)?;
        same(&promise.promise.series)?;
        let mut moved = offer.offer.clone();
        moved.contacts.push(other);
        prop_assert_eq!((moved.terms(), moved.id()), (offer.offer.terms(), offer.offer.id()));
        moved.bandwidth_bps ^= 1;
        prop_assert_ne!(moved.terms(), offer.offer.terms());
    }

    #[test]
    fn checkpoints_and_scan_data(certificate in certificate(), scan in scan()) {
        same(&certificate)?;
        same(&certificate.checkpoint)?;
        same(&scan)?;
    }

    #[test]
    fn state_entries(
        offer in signed_offer(),
        identity in identity(),
        (payer, payee) in (id(), id()),
        amount in amount(),
        value in value(),
        number: u64,
        time in time(),
        until in deadline(),
        announced: bool,
    ) {
        let withdrawal = announced.then_some(Withdrawal { amount, ready: until });
        same(&Registration { key: identity.public(), pledge: amount, since: time })?;
        same(&PublishedOffer { offer, published: time, expires: until })?;
        same(&Account { balance: amount, withdrawal })?;
        same(&Settled { serial: number, amount })?;
        same(&Bounces { count: number, last: time })?;
        same(&Bounced { serial: number, amount })?;
        same(&Reservation { payer, payee, value, until })?;
    }

    #[test]
    fn entries_of_holders_and_names(
        list in delegates(),
        (name, owner, hash) in (name(), id(), hash()),
        (expires, free, settles) in (deadline(), deadline(), deadline()),
        number: u64,
        paid in amount(),
        is_settled: bool,
    ) {
        if let Ok(entry) = Delegates::new(list, expires) {
            same(&entry)?;
        }
        let claim = (!is_settled).then_some(Claim { number, settles, paid });
        let entry = NameEntry { name, owner, expires, free, claim };
        same(&entry)?;
        prop_assert_eq!(byway_records::names::free_of(&entry.to_bytes()), Some(free));
        same(&Commitment { hash, number, covered: Height(number), ends: settles })?;
    }
}

/// Decodes `bytes` as one kind of record; gives what it encodes to again.
type Recode = fn(&[u8]) -> Option<Vec<u8>>;

fn recode<T: Encode + Decode>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::from_bytes(bytes).ok().map(|value| value.to_bytes())
}

/// A valid encoding and the decoder of its kind.
fn kinds() -> Vec<(Vec<u8>, Recode)> {
    let mut kinds: Vec<(Vec<u8>, Recode)> = vec![
        (fixed::output().to_bytes(), recode::<Output>),
        (fixed::output_of_two().to_bytes(), recode::<Output>),
        (fixed::body().to_bytes(), recode::<Body>),
        (fixed::transaction().to_bytes(), recode::<Transaction>),
        (fixed::envelope().to_bytes(), recode::<CallEnvelope>),
        (fixed::signed_offer().to_bytes(), recode::<SignedOffer>),
        (fixed::signed_promise().to_bytes(), recode::<SignedPromise>),
        (fixed::certificate().to_bytes(), recode::<Certificate>),
        (fixed::scan().to_bytes(), recode::<ScanData>),
        (fixed::delegates_entry().to_bytes(), recode::<Delegates>),
        (fixed::name_entry().to_bytes(), recode::<NameEntry>),
        (fixed::name_commitment().to_bytes(), recode::<Commitment>),
    ];
    kinds.extend(fixed::backings().map(|backing| (fixed::promise(backing).to_bytes(), recode::<Promise> as Recode)));
    for (_, call) in fixed::calls() {
        let body = call.envelope(None, None).body;
        kinds.push(match call {
            Call::Registry(_) => (body, recode::<RegistryCall>),
            Call::Offers(_) => (body, recode::<OffersCall>),
            Call::Accounts(_) => (body, recode::<AccountsCall>),
            Call::Assets(_) => (body, recode::<AssetsCall>),
            Call::Kernel(_) => (body, recode::<KernelCall>),
            Call::Channels(_) => (body, recode::<ChannelsCall>),
            Call::Holders(_) => (body, recode::<HoldersCall>),
            Call::Names(_) => (body, recode::<NamesCall>),
        });
    }
    kinds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Valid encodings, damaged: bytes replaced, removed, inserted.
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(damage in vec((any::<usize>(), any::<u8>(), 0u8..4), 1..4)) {
        for (bytes, recode) in kinds() {
            let mut bytes = bytes;
            for (at, byte, how) in &damage {
                let at = at % bytes.len().max(1);
                match how {
                    _ if bytes.is_empty() => {}
                    0 => bytes[at] = *byte,
                    1 => bytes[at] ^= 1 << (byte % 8),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, *byte),
                }
            }
            if let Some(again) = recode(&bytes) {
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn noise_never_panics_and_has_one_meaning(bytes in vec(any::<u8>(), 0..200)) {
        for (_, recode) in kinds() {
            if let Some(again) = recode(&bytes) {
                prop_assert_eq!(&again, &bytes);
            }
        }
    }
}
