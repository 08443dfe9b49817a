//! Files are sealed, named and checked piece by piece, whatever comes instead of them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

use byway_chat::attachment::seal::{self, PIECE_BYTES, SEALED_BYTES, Sealer};
use byway_chat::attachment::tree::{GROUP_BYTES, Groups, Naming, Untrue, groups_of, values_of};
use byway_chat::attachment::wire::{FileHeader, FileReply};
use byway_chat::attachment::{FilePlace, SIZE_BYTES_MAX};
use byway_chat::content::post::AttachmentKey;
use byway_primitives::{Decode, DecodeError, Encode, Hash};
use proptest::prelude::*;

/// The name of a file of two pieces under [`KEY`].
const SEALED_NAME: &str = "e6b15345b81e8e34fb1c34f8cd1f9c5e74b51a0d031f55a2c1739532fdf61ce1";
const KEY: AttachmentKey = AttachmentKey([7; 32]);

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// Seals a file that comes in parts of this size.
fn sealed(plain: &[u8], part: usize) -> Vec<u8> {
    let mut sealer = Sealer::new(KEY);
    let mut sealed = Vec::new();
    for part in plain.chunks(part) {
        sealed.extend(sealer.push(part).unwrap());
    }
    assert_eq!(sealer.size(), plain.len() as u64);
    sealed.extend(sealer.finish());
    sealed
}

fn opened(sealed: &[u8], key: &AttachmentKey) -> Option<Vec<u8>> {
    let size = sealed.len() as u64;
    let mut plain = Vec::new();
    for number in 0.. {
        let Some((start, length)) = seal::piece_at(size, number) else { break };
        plain.extend(seal::open(key, size, number, &sealed[start as usize..][..length])?);
    }
    Some(plain)
}

fn named(bytes: &[u8], part: usize) -> (Hash, Groups) {
    let mut naming = Naming::default();
    bytes.chunks(part).for_each(|part| naming.push(part));
    naming.finish().unwrap()
}

#[test]
fn a_file_of_any_size_comes_out_as_it_went_in() {
    for size in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 5] {
        let plain = bytes(size);
        let whole = sealed(&plain, 50_000);
        assert_eq!(whole, sealed(&plain, PIECE_BYTES), "{size}: the parts in which it comes are not seen");
        assert_eq!(seal::sealed_size(size as u64), Some(whole.len() as u64), "{size}");
        assert_eq!(seal::plain_size(whole.len() as u64), Some(size as u64), "{size}");
        assert_eq!(opened(&whole, &KEY).as_deref(), Some(&plain[..]), "{size}");
        assert_eq!(opened(&whole, &AttachmentKey([8; 32])), None, "{size}: under another key");
    }
    assert_eq!(seal::plain_size(15), None);
    assert_eq!(seal::plain_size(SEALED_BYTES as u64 + 16), None, "an empty piece follows no other");
}

#[test]
fn no_piece_is_moved_left_out_or_cut_off() {
    let whole = sealed(&bytes(3 * PIECE_BYTES), PIECE_BYTES);
    let (first, rest) = whole.split_at(SEALED_BYTES);
    let swapped = [&rest[..SEALED_BYTES], first, &rest[SEALED_BYTES..]].concat();
    for (what, changed) in [("moved", &swapped[..]), ("left out", rest), ("cut off", &whole[..2 * SEALED_BYTES])] {
        assert_eq!(opened(changed, &KEY), None, "{what}");
    }
}

#[test]
fn a_file_that_is_too_large_is_none() {
    let pieces = SIZE_BYTES_MAX.div_ceil(SEALED_BYTES as u64);
    let most = SIZE_BYTES_MAX - 16 * pieces;
    assert_eq!(seal::sealed_size(most), Some(SIZE_BYTES_MAX));
    assert_eq!(seal::sealed_size(most + 1), None);
    assert_eq!(seal::plain_size(SIZE_BYTES_MAX + 1), None);
    assert_eq!(seal::sealed_size(u64::MAX), None);
}

#[test]
fn the_name_is_the_digest_of_the_whole() {
    for size in [1, 1024, 1025, GROUP_BYTES, GROUP_BYTES + 1, 2 * GROUP_BYTES, 5 * GROUP_BYTES - 3, 7 * GROUP_BYTES] {
        let bytes = bytes(size);
        let (root, groups) = named(&bytes, 100_000);
        assert_eq!(root.0, *blake3::hash(&bytes).as_bytes(), "{size}");
        assert_eq!(groups, named(&bytes, GROUP_BYTES).1, "{size}");
        assert_eq!(groups.count(), groups_of(size as u64), "{size}");
        assert_eq!(groups.to_bytes().len(), 32 * values_of(size as u64), "{size}");
        assert_eq!(Groups::from_bytes(root, size as u64, &groups.to_bytes()), Ok(groups.clone()), "{size}");
        for (group, bytes) in (0..).zip(bytes.chunks(GROUP_BYTES)) {
            assert_eq!(groups.bytes_of(group), bytes.len(), "{size}");
            assert_eq!(groups.check(group, bytes), Ok(()), "{size}: {group}");
        }
    }
    assert_eq!(Naming::default().finish().map(|(root, _)| root), None);
}

#[test]
fn other_bytes_are_refused_at_the_first_group_that_has_them() {
    let bytes = bytes(3 * GROUP_BYTES + 10);
    let size = bytes.len() as u64;
    let (root, groups) = named(&bytes, GROUP_BYTES);
    let mut values = groups.to_bytes();
    values[40] ^= 1;
    assert_eq!(Groups::from_bytes(root, size, &values), Err(Untrue::Values));
    assert_eq!(Groups::from_bytes(root, size, &groups.to_bytes()[32..]), Err(Untrue::Values));
    assert_eq!(Groups::from_bytes(root, size, &groups.to_bytes()[1..]), Err(Untrue::Values));
    assert_eq!(Groups::from_bytes(root, size + GROUP_BYTES as u64, &groups.to_bytes()), Err(Untrue::Values));
    for size in [0, SIZE_BYTES_MAX + 1] {
        assert_eq!(Groups::from_bytes(root, size, &[]), Err(Untrue::Size));
    }
    let mut changed = bytes[GROUP_BYTES..2 * GROUP_BYTES].to_vec();
    changed[100] ^= 1;
    assert_eq!(groups.check(1, &changed), Err(Untrue::Group(1)));
    assert_eq!(groups.check(1, &bytes[..GROUP_BYTES]), Err(Untrue::Group(1)), "a group in the place of another");
    assert_eq!(groups.check(3, &bytes[3 * GROUP_BYTES..][..9]), Err(Untrue::Group(3)), "a byte short");
    assert_eq!(groups.check(4, &[]), Err(Untrue::Group(4)), "past the end");
    let (_, one) = named(b"one group", 4);
    assert_eq!((one.check(0, b"one group"), one.check(0, b"another")), (Ok(()), Err(Untrue::Group(0))));
}

#[test]
fn whoever_has_not_the_key_or_says_another_size_names_another_place() {
    let root = Hash([1; 32]);
    assert_ne!(FilePlace::new(&root, 7, &KEY), FilePlace::new(&root, 7, &AttachmentKey([0; 32])));
    assert_ne!(FilePlace::new(&root, 7, &KEY), FilePlace::new(&root, 8, &KEY));
}

#[test]
fn what_travels_is_frozen() {
    let header = FileHeader { root: Hash([5; 32]), from: 200 };
    assert_eq!(header.to_bytes(), [&[0x42][..], &[5; 32], &[0xc8, 0x01]].concat());
    let whole = sealed(&bytes(PIECE_BYTES + 1), PIECE_BYTES);
    assert_eq!(named(&whole, GROUP_BYTES).0.to_string(), SEALED_NAME);
    let at = |from: u32| FileHeader { root: Hash([5; 32]), from }.to_bytes();
    assert_eq!(FileHeader::from_bytes(&at(8192)), Err(DecodeError::OutOfRange));
    let other = FileHeader::from_bytes(&[&[0x40][..], &[5; 33]].concat());
    assert_eq!(other, Err(DecodeError::UnknownVariant { kind: "file stream", value: 0x40 }));
}

#[test]
fn replies_come_back() {
    for reply in [FileReply::Follows, FileReply::NotHere, FileReply::Busy] {
        assert_eq!(FileReply::from_byte(reply.byte()), Some(reply));
    }
    assert_eq!(FileReply::from_byte(3), None);
}

proptest! {
    #[test]
    fn a_header_comes_back_and_has_one_encoding(root: [u8; 32], from in 0u32..8192, at: prop::sample::Index, flip: u8) {
        let header = FileHeader { root: Hash(root), from };
        let mut bytes = header.to_bytes();
        prop_assert_eq!(FileHeader::from_bytes(&bytes), Ok(header));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(decoded) = FileHeader::from_bytes(&bytes) {
            prop_assert_eq!(decoded.to_bytes(), bytes);
        }
    }
}
