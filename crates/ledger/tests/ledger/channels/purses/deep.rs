//! Purses that lie deep: somebody has searched for addresses beside them.

use byway_primitives::hash::Context;
use byway_primitives::{Hash, Writer};
use byway_records::call::channels::{PURSES_BYTES_MAX, WITNESS_BYTES_MAX};
use byway_records::tree::PartialTree;
use byway_vm::account_key;

use super::*;

/// As many as agree in the ways of two keys where somebody has made 2^70 digests.
const LEVELS: u8 = 70;

/// A tree in part with these entries, in which there is something beside every way at each level.
fn deep(entries: &[(Vec<u8>, Vec<u8>)], out: &mut Writer) {
    let path = |key: &Vec<u8>| Context("byway 1 state: path").hash(&[key]);
    let entries: Vec<_> = entries.iter().map(|(key, value)| (path(key), key.clone(), value.clone())).collect();
    out.flag(true);
    below(&entries, 0, out);
}

fn below(entries: &[(Hash, Vec<u8>, Vec<u8>)], bit: u8, out: &mut Writer) {
    match entries {
        [] => {
            out.byte(0);
            out.value(&Hash([bit; 32]));
        }
        [(_, key, value)] if bit >= LEVELS => {
            out.byte(1);
            out.bytes(key);
            out.bytes(value);
        }
        _ => {
            out.byte(3);
            out.byte(bit);
            for side in [0, 1] {
                let is_there = |path: &Hash| path.0[usize::from(bit / 8)] >> (7 - bit % 8) & 1 == side;
                let entries: Vec<_> = entries.iter().filter(|(path, ..)| is_there(path)).cloned().collect();
                below(&entries, bit + 1, out);
            }
        }
    }
}

/// What shows purses that lie so deep, and the root that it is under.
fn shown(owners: [Address; 2], rows: &ChannelAssets) -> (Vec<u8>, Hash) {
    let state = State::opening(owners.map(|owner| (owner, Amount::ZERO)), rows);
    let short = |word: Vec<u8>| word.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (mut accounts, mut storages) = (Vec::new(), Vec::new());
    for row in rows.iter() {
        let slot = |owner| code_hash(&[argument(owner), vec![0; 32]].concat()).0.to_vec();
        let numbers = owners.into_iter().zip(row.parts).filter(|(_, part)| !part.is_zero());
        let numbers: Vec<_> = numbers.map(|(owner, part)| (short(slot(owner)), short(number(part)))).collect();
        let mut storage = Writer::new();
        deep(&numbers, &mut storage);
        let storage = storage.into_bytes();
        let purse = purse_of(row.asset);
        let mut account = state.account(purse).expect("a purse");
        account.contract.as_mut().expect("a contract").storage =
            PartialTree::from_bytes(&storage).expect("a part").root();
        accounts.push((account_key(purse), account.to_bytes()));
        storages.push((purse, storage));
    }
    storages.sort_unstable();
    let mut out = Writer::new();
    deep(&accounts, &mut out);
    let accounts = out.into_bytes();
    let root = PartialTree::from_bytes(&accounts).expect("a part").root();
    let mut out = Writer::new();
    out.raw(&accounts);
    out.varint(storages.len() as u64);
    for (purse, storage) in storages {
        out.value(&purse);
        out.raw(&storage);
    }
    (out.into_bytes(), root)
}

#[test]
fn purses_that_lie_as_deep_as_a_party_can_have_them_are_shown() {
    let mut purses = Purses::new();
    let owners = [ALICE, BOB].map(|person| purses.scene.address(person));
    let rows = rows(purses.assets, [[250, 350], [399, 1]]);
    let (witness, root) = shown(owners, &rows);
    assert!(witness.len() > WITNESS_BYTES_MAX, "{} bytes", witness.len());
    let state = purses.scene.signed_position(Position { root, ..purses.position(1) });
    purses.scene.world.must(&purses.scene.close(ALICE, Some(state)));
    purses.scene.wait();
    let settle = purses.scene.settle_with(witness);
    purses.scene.world.must(&settle);
    purses.assert_paid([[250, 350], [399, 1]]);

    // So are four.
    let row = |number| AssetParts { asset: AssetId(Hash([number; 32])), parts: [Amount::from_units(1 << 100); 2] };
    let (four, _) = shown(owners, &ChannelAssets::new([1, 2, 3, 4].map(row)).expect("four"));
    assert!(four.len() <= PURSES_BYTES_MAX, "{} bytes", four.len());
}
