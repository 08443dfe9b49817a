//! Coming in, and coming in anew.

use byway_chat::device::{CertificateError, Device, DeviceCertificate};
use byway_chat::mls::provider::{Entries, Provider};
use byway_chat::mls::wire::Invitation;
use byway_chat::mls::{
    Change, EnterError, EpochTag, Forbidden, KeptPackage, LeafError, Received, Refused, Roles, Room, in_turn,
};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Decode, DecodeError, Encode, Span};
use openmls::extensions::UnknownExtension;
use openmls::prelude::tls_codec::{Deserialize, Serialize};
use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey, Extension, ExtensionType,
    Extensions, GroupContext, GroupId, Lifetime, MlsGroup, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider,
    ProtocolVersion, RequiredCapabilitiesExtension,
};

use crate::world::{NETWORK, ROOM, START, Side, assert_agreed, device, id, identity, room_of};

fn enter_anew(side: &mut Side, info: &(Vec<u8>, Vec<u8>)) -> Result<Vec<u8>, EnterError> {
    let (seed, mut batch) = (side.seed(), Batch::new());
    if let Some(room) = side.room.take() {
        room.forget(&mut batch);
    }
    let info = (&info.0[..], &info.1[..]);
    let (room, frame) = Room::enter_by_external_commit(&side.device, info, &seed, side.now, &mut batch)?;
    side.room = Some(room);
    side.store.apply(&batch);
    Ok(frame)
}

fn group_info(side: &mut Side) -> (Vec<u8>, Vec<u8>) {
    let seed = side.seed();
    side.room.as_mut().unwrap().group_info(&seed).unwrap()
}

#[test]
fn a_device_that_has_lost_its_state_enters_anew() {
    let mut sides = room_of(4);
    let info = group_info(&mut sides[0]);
    let frame = enter_anew(&mut sides[2], &info).unwrap();
    for side in [0, 1, 3] {
        let changed = sides[side].follow(&frame);
        assert!(changed.summary.is_entry);
    }
    assert_agreed(&sides);
    sides.iter_mut().for_each(Side::restart);
    let content = sides[2].seal(b"back again").bytes;
    assert_eq!(sides[1].read(&content).content, b"back again");
    assert_eq!(sides[0].receive(&frame), Ok(Received::Known), "replayed");
    let update = sides[1].update();
    sides[0].follow(&update.commit);
    assert_eq!(sides[0].receive(&frame), Ok(Received::Known), "replayed later");
}

#[test]
fn a_tree_of_more_nodes_than_devices_make_is_not_read() {
    let mut sides = room_of(2);
    let mut newcomer = Side::new(7, 0);
    let (package, kept) = newcomer.package();
    let made = sides[0].change(&Change { add: vec![package], ..Change::default() });
    let welcome = made.welcome.as_ref().unwrap();
    let enter = |tree: &[u8]| {
        let invitation = (&welcome.invitation[..], tree);
        Room::enter(
            &newcomer.device,
            invitation,
            std::slice::from_ref(&kept),
            (&[1; 32], START, in_turn),
            &mut Batch::new(),
        )
    };
    // 4,096 nodes that are empty, behind the length of that.
    let tree = [&[0x80, 0, 0x10, 0][..], &[0; 4096]].concat();
    let refused = enter(&tree).map(drop).unwrap_err();
    assert_eq!(refused, EnterError::Malformed(DecodeError::TooLong { length: 4096, limit: 4095 }));
    for tree in [&[][..], &[2, 0], &[1, 2], &[2, 1, 9], &[3, 1, 1, 0x80]] {
        assert!(matches!(enter(tree).map(drop), Err(EnterError::Malformed(_))), "{tree:?}");
    }
    assert!(enter(&welcome.tree).is_ok());
}

#[test]
fn a_removed_device_does_not_let_itself_in() {
    let mut sides = room_of(3);
    let info = group_info(&mut sides[0]);
    let out = Change { remove: vec![sides[2].device.secret.key()], ..Change::default() };
    let made = sides[0].change(&out);
    sides[1].follow(&made.commit);
    // By what it was given before, which comes to a commit on an epoch that was left.
    let frame = enter_anew(&mut sides[2], &info).unwrap();
    assert!(matches!(sides[1].receive(&frame), Ok(Received::Outranked(_) | Received::Changed(_))));
    let _ = sides[0].receive(&frame);
    assert_agreed(&sides[..2]);
    // By what is true now.
    let info = group_info(&mut sides[0]);
    let mut stranger = Side::new(2, 0);
    match enter_anew(&mut stranger, &info) {
        Ok(frame) => {
            for side in &mut sides[..2] {
                assert_eq!(side.receive(&frame), Err(Refused::Forbidden(Forbidden::Entry)));
            }
        }
        Err(error) => panic!("it can be tried: {error}"),
    }
    assert_agreed(&sides[..2]);
}

#[test]
fn an_invitation_is_good_for_its_packages_and_whole() {
    let mut sides = room_of(2);
    let mut new = Side::new(5, 0);
    let (package, kept) = new.package();
    let (_, unused) = new.package();
    let made = sides[0].change(&Change { add: vec![package], ..Change::default() });
    let welcome = made.welcome.unwrap();
    let try_enter = |device, invitation: &[u8], tree: &[u8], kept: &[KeptPackage]| {
        Room::enter(device, (invitation, tree), kept, (&[1; 32], START, in_turn), &mut Batch::new())
            .map(|entered| entered.used)
    };
    let device = new.device.clone();
    let copy = |kept: &KeptPackage| KeptPackage::from_bytes(&kept.to_bytes()).unwrap();
    let (invitation, tree) = (&welcome.invitation, &welcome.tree);
    assert_eq!(try_enter(&device, invitation, tree, &[copy(&unused)]), Err(EnterError::NoPackage));
    let both = [copy(&unused), copy(&kept)];
    assert_eq!(try_enter(&device, invitation, tree, &both), Ok(1));
    for at in (0..invitation.len()).step_by(5) {
        let mut changed = invitation.clone();
        changed[at] ^= 1;
        assert!(try_enter(&device, &changed, tree, &both).is_err(), "invitation {at}");
    }
    for at in (0..tree.len()).step_by(11) {
        let mut changed = tree.clone();
        changed[at] ^= 1;
        assert!(try_enter(&device, invitation, &changed, &both).is_err(), "tree {at}");
    }
    assert!(try_enter(&device, &invitation[..invitation.len() - 1], tree, &both).is_err());
    assert_eq!(Room::all(&sides[0].store), vec![ROOM]);
}

#[test]
fn an_invitation_by_a_device_whose_time_is_over_is_refused() {
    let mut founder = Side::new(0, 0);
    let key = (founder.device.secret.key(), 0);
    let until = START + Span::days(2);
    founder.device.certificate = DeviceCertificate::issue(&identity(0), NETWORK, key, START - Span::days(1), until);
    founder.found(&Roles::group(id(0)));
    let mut new = Side::new(5, 0);
    let (package, kept) = new.package();
    let made = founder.change(&Change { add: vec![package], ..Change::default() });
    let welcome = made.welcome.as_ref().unwrap();
    let way_in = (&welcome.invitation[..], &welcome.tree[..]);
    let kept = [kept];
    let late = Room::enter(&new.device, way_in, &kept, (&[1; 32], until, in_turn), &mut Batch::new())
        .map(|entered| entered.used);
    let is_out_of_time = |error: &EnterError| {
        matches!(
            error,
            EnterError::Forbidden(Forbidden::Leaf(LeafError::Certificate(CertificateError::OutOfTime { .. })))
        )
    };
    assert!(late.as_ref().is_err_and(is_out_of_time), "{late:?}");
    new.enter(&made, &kept);
}

#[test]
fn a_device_on_an_old_disk_is_told_so() {
    let mut sides = room_of(3);
    let old = sides[1].store.clone();
    let update = sides[1].update();
    sides[0].follow(&update.commit);
    sides[1].store = old;
    sides[1].restart();
    assert_eq!(sides[1].receive(&update.commit), Err(Refused::OldState));
    let info = group_info(&mut sides[0]);
    let frame = enter_anew(&mut sides[1], &info).unwrap();
    sides[2].follow(&update.commit);
    sides[0].follow(&frame);
    sides[2].follow(&frame);
    assert_agreed(&sides);
}

/// A room that somebody founds who keeps to MLS alone, with one device of whatever certificate, and what it invites with.
fn invitation_of(founder: &Device, extensions: Extensions<GroupContext>, package: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let empty = Entries::default();
    let provider = Provider::new(&[1; 32], &empty);
    let credential = CredentialWithKey {
        credential: BasicCredential::new(founder.certificate.to_bytes()).into(),
        signature_key: founder.secret.key().0.to_vec().into(),
    };
    let kinds = [ExtensionType::Unknown(0xf0b1)];
    let suite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
    let credentials = [CredentialType::Basic];
    let versions = [ProtocolVersion::Mls10];
    let capabilities = Capabilities::new(Some(&versions), Some(&[suite]), Some(&kinds), Some(&[]), Some(&credentials));
    let mut group = MlsGroup::builder()
        .with_group_id(GroupId::from_slice(&ROOM.0))
        .ciphersuite(suite)
        .lifetime(Lifetime::init(0, u64::MAX))
        .with_capabilities(capabilities)
        .with_group_context_extensions(extensions)
        .build(&provider, founder, credential)
        .unwrap();
    let MlsMessageBodyIn::KeyPackage(package) = MlsMessageIn::tls_deserialize(&mut &package[..]).unwrap().extract()
    else {
        panic!("a package")
    };
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).unwrap();
    let (_, welcome, _) = group.add_members(&provider, founder, &[package]).unwrap();
    group.merge_pending_commit(&provider).unwrap();
    let tag = group.confirmation_tag().tls_serialize_detached().unwrap();
    let tag = EpochTag(Context("byway 1 hash: epoch of a conversation").hash(&[&ROOM.0, &tag]));
    let invitation = Invitation { room: ROOM, epoch: 1, tag, message: welcome.to_bytes().unwrap() };
    (invitation.to_bytes(), group.export_ratchet_tree().tls_serialize_detached().unwrap())
}

#[test]
fn a_room_that_does_not_hold_is_not_entered() {
    let mut new = Side::new(5, 0);
    let (package, kept) = new.package();
    let kept = [kept];
    let try_enter = |founder: &Device, extensions| {
        let (invitation, tree) = invitation_of(founder, extensions, &package);
        let entered =
            Room::enter(&new.device, (&invitation, &tree), &kept, (&[1; 32], START, in_turn), &mut Batch::new());
        entered.map(|entered| entered.by.identity)
    };
    let kinds = [ExtensionType::Unknown(0xf0b1)];
    let required = RequiredCapabilitiesExtension::new(&kinds, &[], &[CredentialType::Basic]);
    let required = Extension::RequiredCapabilities(required);
    let roles = |bytes: Vec<u8>| Extension::Unknown(0xf0b1, UnknownExtension(bytes));
    let good = || vec![required.clone(), roles(Roles::group(id(0)).to_bytes())];
    let extensions = |list: Vec<Extension>| Extensions::from_vec(list).unwrap();
    let founder = device(0, 0);
    assert_eq!(try_enter(&founder, extensions(good())), Ok(id(0)), "the rest is as it should be");
    let other_order = vec![roles(Roles::group(id(0)).to_bytes()), required.clone()];
    for wrong in [vec![], vec![required.clone()], vec![required.clone(), roles(vec![1, 2])], other_order] {
        let refused = try_enter(&founder, extensions(wrong));
        assert!(matches!(refused, Err(EnterError::Forbidden(Forbidden::Unreadable(_)))), "{refused:?}");
    }
    let mut claimed = device(0, 0);
    claimed.certificate = DeviceCertificate::issue(
        &identity(6),
        NETWORK,
        (claimed.secret.key(), 0),
        START - Span::days(1),
        START + Span::days(1),
    );
    claimed.certificate.identity = id(0);
    let refused = try_enter(&claimed, extensions(good()));
    let is_forged = |error: &EnterError| {
        matches!(error, EnterError::Forbidden(Forbidden::Leaf(LeafError::Certificate(CertificateError::Signature(_)))))
    };
    assert!(refused.as_ref().is_err_and(is_forged), "{refused:?}");
}
