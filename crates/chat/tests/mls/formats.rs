//! Encodings frozen by digest: if one of these changes, devices of two versions don't understand each other. Described in
//! `docs/formats/rooms.md`.

use byway_chat::device::DeviceCertificate;
use byway_chat::mls::wire::{Frame, Invitation};
use byway_chat::mls::{KeptPackage, Line, Received, Roles, Room};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Decode, Encode};

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

fn digest(name: &str, bytes: &[u8]) -> String {
    format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[bytes]).to_string()[..16])
}

/// Length and digest of an encoding, on one line. Also checks that it decodes to what encodes to the same bytes.
fn line<T: Encode + Decode>(name: &str, bytes: &[u8]) -> String {
    let value = T::from_bytes(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(value.to_bytes(), bytes, "{name}");
    digest(name, bytes)
}

#[test]
fn what_devices_send_each_other_is_frozen() {
    let fixed = fixed::fixed();
    let mut found: Vec<_> = fixed.frames.iter().map(|(name, frame)| line::<Frame>(name, frame)).collect();
    found.push(line::<Invitation>("invitation", &fixed.invitation));
    found.push(line::<Invitation>("group info", &fixed.info));
    found.push(line::<Roles>("roles", &fixed.roles.to_bytes()));
    found.push(line::<Roles>("roles with grants", &fixed::granted().to_bytes()));
    found.push(line::<Line>("line", &fixed.line.to_bytes()));
    found.push(line::<KeptPackage>("kept package", &fixed.kept.to_bytes()));
    found.push(digest("package", &fixed.package));
    found.push(digest("tree", &fixed.tree));
    let certificate = fixed.device.certificate.to_bytes();
    found.push(line::<DeviceCertificate>("certificate", &certificate));
    found.push(line::<DeviceCertificate>("certificate of a linked device", &fixed::linked().to_bytes()));
    assert_eq!(found, FROZEN_VALUES);
}

/// The frames that the second device is to take next.
#[test]
fn fixed_frames_are_taken() {
    let fixed = fixed::fixed();
    let taken = fixed.frames.iter().map(|(name, frame)| {
        let room = Room::load(&fixed.store, fixed::ROOM, fixed.device.clone()).unwrap();
        (*name, room.unwrap().receive(fixed::NOW, &[1; 32], frame, &mut Batch::new()))
    });
    let kinds: Vec<_> = taken
        .map(|(name, received)| match received {
            Ok(Received::Content(_)) => (name, "content"),
            Ok(Received::Changed(_)) => (name, "changed"),
            Ok(Received::Early(_)) => (name, "early"),
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    let expected = [
        ("content", "content"),
        ("commit", "changed"),
        ("content after", "early"),
        ("leave", "early"),
        ("entry", "changed"),
    ];
    assert_eq!(kinds, expected);
}

/// All follows from seeds, however many threads the library encrypts on.
#[test]
fn the_same_seeds_come_to_the_same_bytes() {
    let (one, two) = (fixed::fixed(), fixed::fixed());
    assert_eq!(one.frames, two.frames);
    assert_eq!((one.invitation, one.tree, one.info, one.entry), (two.invitation, two.tree, two.info, two.entry));
}

const FROZEN_VALUES: [&str; 15] = [
    "content: 403 5c714457e3d06193",
    "commit: 4252 a524fe2b5f4db8a7",
    "content after: 403 cf91c19ae85fe59e",
    "leave: 403 e57c9ee3ad48fdef",
    "entry: 735 1f0a58b03e021643",
    "invitation: 519 22acb60683bce9eb",
    "group info: 381 5629270afd9376e9",
    "roles: 44 7623e4ffac16629a",
    "roles with grants: 358 2c26dc2ec280c2b0",
    "line: 233 782451f66a878ef1",
    "kept package: 527 dec3494fef3a5f78",
    "package: 438 fa2e076e41c5905f",
    "tree: 720 52bf58bd0b1d868e",
    "certificate: 163 a020210e1f36f6d7",
    "certificate of a linked device: 248 4ff0bcc111bf4dad",
];
