//! Who may do what, and what is refused by all alike.

use byway_chat::device::{CertificateError, DeviceCertificate};
use byway_chat::mls::{
    AHEAD_MAX, Change, ChangeError, Early, Forbidden, LINKED_MAX, LeafError, Made, Received, Refused, Role, Roles,
};
use byway_crypto::identity::SignatureError;
use byway_primitives::{Encode, Hash, NetworkId, Span};
use openmls::prelude::{
    BasicCredential, Capabilities, CredentialWithKey, KeyPackage, LeafNodeIndex, LeafNodeParameters, Lifetime,
    MlsMessageIn, MlsMessageOut, ProtocolVersion, tls_codec::Deserialize,
};

use crate::adversary::Adversary;
use crate::world::{NETWORK, START, Side, assert_agreed, device, id, identity, linked, room_of};

fn add(package: Vec<u8>) -> Change {
    Change { add: vec![package], ..Change::default() }
}

fn remove(side: &Side) -> Change {
    Change { remove: vec![side.device.secret.key()], ..Change::default() }
}

fn make_admin(sides: &mut [Side], admin: u32) {
    let mut roles = Roles::group(id(0));
    roles.admins.insert(id(admin));
    let made = sides[0].change(&Change { roles: Some(roles), ..Change::default() });
    for side in &mut sides[1..] {
        let changed = side.follow(&made.commit);
        assert!(changed.summary.roles.is_some());
    }
}

fn all_follow(sides: &mut [Side], made: &Made) {
    let by = made.summary.by.device;
    for side in sides.iter_mut().filter(|side| side.device.secret.key() != by) {
        let changed = side.follow(&made.commit);
        assert_eq!(changed.summary, made.summary);
    }
}

fn key_package(bytes: &[u8]) -> KeyPackage {
    let message = MlsMessageIn::tls_deserialize(&mut &bytes[..]).unwrap();
    let openmls::prelude::MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a package") };
    package.validate(&byway_chat::mls::provider::Crypto::new([0; 32]), ProtocolVersion::Mls10).unwrap()
}

#[test]
fn members_neither_add_nor_remove_nor_change_roles() {
    let mut sides = room_of(3);
    let (package, _) = Side::new(7, 0).package();
    let (member, other) = (id(1), id(2));
    let roles = Roles::new(id(0), Some(Role::Member));
    let context = Change { roles: Some(roles), ..Change::default() };
    for (change, expected) in [
        (add(package), Forbidden::Add { by: member, added: id(7) }),
        (remove(&sides[2]), Forbidden::Remove { by: member, removed: other }),
        (context, Forbidden::Roles { by: member }),
    ] {
        assert_eq!(sides[1].try_change(&change), Err(ChangeError::Forbidden(expected)));
    }
    let update = sides[1].update();
    all_follow(&mut sides, &update);
    assert_agreed(&sides);
}

#[test]
fn a_commit_by_whoever_may_not_is_refused_by_all_alike() {
    let mut sides = room_of(4);
    let mut adversary = Adversary::of(&sides[1]);
    let (package, _) = Side::new(7, 0).package();
    let victim = LeafNodeIndex::new(2);
    let founder = LeafNodeIndex::new(0);
    let frames = [
        (
            adversary.commit(START, |commit| commit.propose_adds([key_package(&package)])),
            Forbidden::Add { by: id(1), added: id(7) },
        ),
        (
            adversary.commit(START, |commit| commit.propose_removals([victim])),
            Forbidden::Remove { by: id(1), removed: id(2) },
        ),
        (
            adversary.commit(START, |commit| commit.propose_removals([founder])),
            Forbidden::Remove { by: id(1), removed: id(0) },
        ),
    ];
    for (frame, expected) in frames {
        for side in [0, 2, 3] {
            let before = sides[side].view();
            assert_eq!(sides[side].receive(&frame), Err(Refused::Forbidden(expected)));
            assert_eq!(sides[side].receive(&frame), Err(Refused::Forbidden(expected)), "and again");
            assert_eq!(sides[side].view(), before);
        }
    }
    let update = sides[1].update();
    all_follow(&mut sides, &update);
    assert_agreed(&sides);
}

/// A device of a person that is at the node of somebody who is not in the room.
fn linked_side(person: u32, index: u32) -> Side {
    let mut side = Side::new(person, index);
    side.device = linked(person, index, 50 + index);
    side
}

/// Whoever steals it does not throw out its owner, the founder, who may otherwise remove anyone.
#[test]
fn a_linked_device_removes_none_of_its_person() {
    let mut sides = room_of(3);
    let mut phone = linked_side(0, 1);
    let (package, kept) = phone.package();
    let made = sides[0].change(&add(package));
    sides[1..].iter_mut().for_each(|side| drop(side.follow(&made.commit)));
    phone.enter(&made, &[kept]);
    let node = phone.device.certificate.node;
    assert!(node != id(0) && phone.room().members().iter().any(|member| member.node == node && member.is_linked()));
    let mut adversary = Adversary::of(&phone);
    let by_phone = adversary.commit(START, |commit| commit.propose_removals([LeafNodeIndex::new(0)]));
    for side in &mut sides {
        let before = side.view();
        let forbidden = Forbidden::OwnDevice { of: id(0) };
        assert_eq!(side.receive(&by_phone), Err(Refused::Forbidden(forbidden)));
        assert_eq!(side.view(), before);
    }
    // The first takes it away, also where it commits at once.
    let at_once = phone.update();
    let removal = sides[0].change(&remove(&phone));
    for side in &mut sides[1..] {
        let _ = side.receive(&at_once.commit);
        let _ = side.receive(&removal.commit);
    }
    let _ = sides[0].receive(&at_once.commit);
    assert_agreed(&sides);
    assert_eq!(sides[0].room().members().len(), 3);
    let _ = phone.receive(&removal.commit);
    assert!(!phone.room().is_member());
}

#[test]
fn a_person_has_so_many_linked_devices_in_a_room() {
    let mut sides = room_of(2);
    let count = u32::try_from(LINKED_MAX).unwrap();
    for index in 1..=count {
        let (package, _) = linked_side(1, index).package();
        let made = sides[1].change(&add(package));
        sides[0].follow(&made.commit);
    }
    let (package, _) = linked_side(1, count + 1).package();
    let refused = Forbidden::TooManyLinked { identity: id(1) };
    assert_eq!(sides[1].try_change(&add(package.clone())).unwrap_err(), ChangeError::Forbidden(refused));
    let frame = Adversary::of(&sides[1]).commit(START, |commit| commit.propose_adds([key_package(&package)]));
    assert_eq!(sides[0].receive(&frame), Err(Refused::Forbidden(refused)));
}

/// Also of the founder, who may otherwise do anything.
#[test]
fn a_commit_that_renews_no_keys_is_refused() {
    let mut sides = room_of(2);
    let mut founder = Adversary::of(&sides[0]);
    let (package, _) = Side::new(7, 0).package();
    let frame = founder.commit(START, |commit| commit.force_self_update(false).propose_adds([key_package(&package)]));
    assert_eq!(sides[1].receive(&frame), Err(Refused::Forbidden(Forbidden::NoPath)));
}

#[test]
fn admins_add_and_remove_members_but_no_founder() {
    let mut sides = room_of(4);
    make_admin(&mut sides, 1);
    assert_eq!(sides[3].room().role(id(1)), Some(Role::Admin));
    let mut new = Side::new(7, 0);
    let (package, kept) = new.package();
    let made = sides[1].change(&add(package));
    all_follow(&mut sides, &made);
    new.enter(&made, &[kept]);
    sides.push(new);
    assert_agreed(&sides);
    let founder = Forbidden::Remove { by: id(1), removed: id(0) };
    let change = remove(&sides[0]);
    assert_eq!(sides[1].try_change(&change), Err(ChangeError::Forbidden(founder)));
    let change = remove(&sides[2]);
    let made = sides[1].change(&change);
    all_follow(&mut sides, &made);
    let removed = sides.remove(2);
    assert!(!removed.room().is_member());
    assert_agreed(&sides);
    let mut removed = removed;
    let content = sides[0].seal(b"without you").bytes;
    assert!(
        matches!(removed.receive(&content), Ok(Received::Early(_))),
        "it is of an epoch that the removed can't name"
    );
    assert_eq!(removed.try_change(&Change::default()), Err(ChangeError::NotMember));
}

#[test]
fn everyone_adds_devices_of_their_own() {
    let mut sides = room_of(3);
    let mut second = Side::new(1, 1);
    let (package, kept) = second.package();
    let made = sides[1].change(&add(package));
    all_follow(&mut sides, &made);
    second.enter(&made, &[kept]);
    sides.push(second);
    assert_agreed(&sides);
    let content = sides[3].seal(b"from my other device").bytes;
    let read = sides[0].read(&content);
    assert_eq!((read.from.identity, read.from.index), (id(1), 1));
    let (package, _) = Side::new(1, 1).package();
    let twice = sides[1].try_change(&add(package));
    assert!(
        matches!(twice, Err(ChangeError::Mls(_) | ChangeError::Forbidden(Forbidden::DeviceTwice { .. }))),
        "{twice:?}"
    );
    let change = remove(&sides[3]);
    let made = sides[1].change(&change);
    let gone = sides.pop().unwrap();
    drop(gone);
    all_follow(&mut sides, &made);
    assert_agreed(&sides);
}

#[test]
fn admins_change_roles_once_the_founder_is_gone() {
    let mut sides = room_of(3);
    make_admin(&mut sides, 1);
    let mut roles = sides[1].room().roles().unwrap();
    roles.adding = Some(Role::Member);
    let change = Change { roles: Some(roles), ..Change::default() };
    assert_eq!(sides[1].try_change(&change), Err(ChangeError::Forbidden(Forbidden::Roles { by: id(1) })));
    let request = sides[0].leave();
    assert!(matches!(sides[1].receive(&request), Ok(Received::Leaving(member)) if member.identity == id(0)));
    let made = sides[1].update();
    assert_eq!(made.summary.left.len(), 1);
    sides[2].follow(&made.commit);
    let made = sides[1].change(&change);
    sides[2].follow(&made.commit);
    assert_agreed(&sides[1..]);
    let (package, _) = Side::new(7, 0).package();
    sides[2].change(&add(package));
}

#[test]
fn who_leaves_is_removed_also_by_those_who_did_not_hear_of_it() {
    let mut sides = room_of(4);
    let request = sides[3].leave();
    assert_eq!(sides[3].try_change(&Change::default()), Err(ChangeError::Leaving));
    assert!(matches!(sides[1].receive(&request), Ok(Received::Leaving(_))));
    assert_eq!(sides[1].receive(&request), Ok(Received::Known));
    let content = sides[1].seal(b"while somebody leaves").bytes;
    assert_eq!(sides[3].read(&content).content, b"while somebody leaves");
    let content = sides[3].seal(b"a last word").bytes;
    assert_eq!(sides[1].read(&content).content, b"a last word");
    sides.iter_mut().for_each(Side::restart);
    let made = sides[1].update();
    assert_eq!(made.summary.left.len(), 1);
    all_follow(&mut sides, &made);
    assert!(!sides[3].room().is_member());
    assert_agreed(&sides[..3]);
    assert_eq!(sides[0].receive(&request), Ok(Received::Known));
}

#[test]
fn nobody_asks_for_others_to_be_removed() {
    let mut sides = room_of(3);
    let mut adversary = Adversary::of(&sides[1]);
    let (package, _) = Side::new(7, 0).package();
    let removal = adversary.leave_frame(|group, provider, device| {
        group.propose_remove_member(provider, device, LeafNodeIndex::new(2)).unwrap().0
    });
    let addition = adversary.leave_frame(|group, provider, device| {
        group.propose_add_member(provider, device, &key_package(&package)).unwrap().0
    });
    for frame in [removal, addition] {
        assert_eq!(sides[0].receive(&frame), Err(Refused::Forbidden(Forbidden::Proposal)));
    }
    assert!(sides[0].room().leaving().is_empty());
}

#[test]
fn an_update_changes_neither_person_nor_device() {
    let mut sides = room_of(3);
    let mut adversary = Adversary::of(&sides[1]);
    let own = sides[1].device.certificate.clone();
    let leaf = |certificate: &DeviceCertificate| {
        let credential = BasicCredential::new(certificate.to_bytes()).into();
        let signature_key = certificate.key.0.to_vec().into();
        LeafNodeParameters::builder().with_credential_with_key(CredentialWithKey { credential, signature_key }).build()
    };
    let issue = |person, index, network| {
        DeviceCertificate::issue(&identity(person), network, (own.key, index), own.since, own.until)
    };
    let other_network = NetworkId(Hash([8; 32]));
    let mut claimed = issue(1, 0, NETWORK);
    claimed.identity = id(0);
    let wrong = Refused::Forbidden(Forbidden::Leaf(LeafError::OtherDevice));
    let certificate = |error| Refused::Forbidden(Forbidden::Leaf(LeafError::Certificate(error)));
    let forged = certificate(CertificateError::Signature(SignatureError::WrongSigner { expected: id(0) }));
    for (presented, expected) in [
        (issue(6, 0, NETWORK), wrong.clone()),
        (issue(1, 1, NETWORK), wrong),
        (issue(1, 0, other_network), certificate(CertificateError::OtherNetwork)),
        (claimed, forged),
    ] {
        let frame = adversary.commit(START, |commit| commit.leaf_node_parameters(leaf(&presented)));
        assert_eq!(sides[0].receive(&frame), Err(expected));
    }
    let renewed = DeviceCertificate::issue(&identity(1), NETWORK, (own.key, 0), START, own.until + Span::days(50));
    let made = sides[1].change(&Change { certificate: Some(renewed.clone()), ..Change::default() });
    all_follow(&mut sides, &made);
    assert_agreed(&sides);
    let member = sides[0].room().members().into_iter().find(|member| member.identity == id(1));
    assert_eq!(member.unwrap().until, renewed.until);
}

#[test]
fn certificates_are_good_at_the_time_that_the_commit_states() {
    let mut sides = room_of(2);
    let late = sides[0].device.certificate.until;
    let mut adversary = Adversary::of(&sides[1]);
    let expired = adversary.commit(late, |commit| commit);
    let refusal = sides[0].receive(&expired);
    let is_out_of_time = |error: &Refused| {
        matches!(error, Refused::Forbidden(Forbidden::Leaf(LeafError::Certificate(CertificateError::OutOfTime { .. }))))
    };
    assert!(refusal.as_ref().is_err_and(is_out_of_time), "{refusal:?}");
    let ahead = START + AHEAD_MAX + Span::millis(1);
    let frame = adversary.commit(ahead, |commit| commit);
    assert_eq!(sides[0].receive(&frame), Ok(Received::Early(Early::Until(START + Span::millis(1)))));
    sides[0].now = START + Span::millis(1);
    sides[0].follow(&frame);
    let unstated = adversary.commit_stating(vec![1, 2, 3], |commit| commit);
    assert!(matches!(sides[0].receive(&unstated), Err(Refused::Malformed(_))));
}

#[test]
fn packages_that_do_not_fit_are_not_added() {
    let mut sides = room_of(1);
    let mut expired = Side::new(5, 0);
    expired.device.certificate =
        DeviceCertificate::issue(&identity(5), NETWORK, (expired.device.secret.key(), 0), START - Span::days(9), START);
    let out_of_time = sides[0].try_change(&add(expired.package().0));
    assert!(
        matches!(out_of_time, Err(ChangeError::Forbidden(Forbidden::Leaf(LeafError::Certificate(_))))),
        "{out_of_time:?}"
    );
    let mut stolen = Side::new(5, 0);
    stolen.device.certificate = device(6, 0).certificate;
    let other_key = sides[0].try_change(&add(stolen.package().0));
    assert!(other_key.is_err(), "the key signs for another: {other_key:?}");
    let (package, _) = Side::new(5, 0).package();
    for at in (0..package.len()).step_by(7) {
        let mut changed = package.clone();
        changed[at] ^= 1;
        assert!(sides[0].try_change(&add(changed)).is_err(), "{at}");
    }
    let short = sides[0].try_change(&add(package[..package.len() - 1].to_vec()));
    assert!(matches!(short, Err(ChangeError::Package(_))));
    let own = package_with_lifetime(&Side::new(5, 0));
    let lifetime = sides[0].try_change(&add(own));
    assert_eq!(lifetime, Err(ChangeError::Forbidden(Forbidden::Leaf(LeafError::Extensions))));
    assert_eq!(sides[0].room().members().len(), 1);
    sides[0].change(&add(package));
}

/// A package whose leaf has a lifetime that a clock would have to be asked for.
fn package_with_lifetime(side: &Side) -> Vec<u8> {
    use byway_chat::mls::provider::{Entries, Provider};
    let entries = Entries::default();
    let provider = Provider::new(&[1; 32], &entries);
    let certificate = &side.device.certificate;
    let credential = CredentialWithKey {
        credential: BasicCredential::new(certificate.to_bytes()).into(),
        signature_key: certificate.key.0.to_vec().into(),
    };
    let suite = openmls::prelude::Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
    let capabilities = Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[suite]),
        Some(&[openmls::prelude::ExtensionType::Unknown(0xf0b1)]),
        Some(&[]),
        Some(&[openmls::prelude::CredentialType::Basic]),
    );
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(0, u64::MAX - 1))
        .leaf_node_capabilities(capabilities)
        .build(suite, &provider, &side.device, credential)
        .unwrap();
    MlsMessageOut::from(bundle.key_package().clone()).to_bytes().unwrap()
}
