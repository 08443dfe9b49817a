//! Laws of the provable tree.

use std::collections::BTreeMap;

use byway_ledger::{ProofError, StateProof, StateTree};
use byway_primitives::{Decode, Encode, Hash};
use proptest::collection::vec;
use proptest::prelude::*;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn tree_of<'a>(entries: impl IntoIterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> StateTree {
    let mut tree = StateTree::new();
    entries.into_iter().for_each(|(key, value)| drop(tree.insert(key.clone(), value.clone())));
    tree
}

fn entries() -> impl Strategy<Value = Entries> {
    proptest::collection::btree_map(vec(0u8..4, 0..4), vec(any::<u8>(), 0..3), 0..40)
}

proptest! {
    #[test]
    fn the_root_does_not_depend_on_order_or_history(entries in entries(), extra in entries()) {
        let (mut forward, backward) = (tree_of(&entries), tree_of(entries.iter().rev()));
        let root = forward.rehash();
        prop_assert_eq!(root, backward.root());
        for (key, value) in &extra {
            forward.insert(key.clone(), value.clone());
            forward.rehash();
        }
        for key in extra.keys() {
            prop_assert!(forward.remove(key).is_some());
            prop_assert!(forward.remove(key).is_none());
            if let Some(value) = entries.get(key) {
                forward.insert(key.clone(), value.clone());
            }
        }
        prop_assert_eq!(forward.root(), root);
        prop_assert_eq!(forward.rehash(), root);
        prop_assert!(forward.iter().eq(entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))));
    }

    #[test]
    fn different_entries_have_different_roots(a in entries(), b in entries()) {
        prop_assert_eq!(a == b, tree_of(&a).root() == tree_of(&b).root());
    }

    #[test]
    fn it_reads_like_a_sorted_map(entries in entries(), prefix in vec(0u8..4, 0..3)) {
        let tree = tree_of(&entries);
        let found: Vec<_> = tree.iter_prefix(&prefix).map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        let expected: Vec<_> = entries.clone().into_iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        prop_assert_eq!(found, expected);
        let found: Vec<_> = tree.iter_from(&prefix).map(|(k, _)| k.to_vec()).collect();
        let expected: Vec<_> = entries.keys().filter(|key| **key >= prefix).cloned().collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(tree.len(), entries.len());
    }

    #[test]
    fn presence_and_absence_are_provable_and_nothing_else(entries in entries(), key in vec(0u8..4, 0..4), other: u8) {
        let mut tree = tree_of(&entries);
        let root = tree.rehash();
        let proof = tree.prove(&key);
        prop_assert_eq!(StateProof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
        let value = entries.get(&key).map(Vec::as_slice);
        prop_assert_eq!(proof.verify(root, &key, value), Ok(()));
        prop_assert!(proof.verify(Hash([1; 32]), &key, value).is_err());
        prop_assert!(proof.verify(root, &key, Some(&[other, other, other, other])).is_err());
        if value.is_some() {
            prop_assert_eq!(proof.verify(root, &key, None), Err(ProofError::Leaf));
        }
        // A proof made for one key shows nothing false of another.
        for (present, value) in &entries {
            prop_assert!(proof.verify(root, present, None).is_err());
            let wrong = [value.as_slice(), &[other]].concat();
            prop_assert!(proof.verify(root, present, Some(&wrong)).is_err());
        }
    }

    #[test]
    fn a_damaged_proof_shows_nothing(entries in entries(), key in vec(0u8..4, 0..4), at: usize, bit in 0u8..8) {
        let mut tree = tree_of(&entries);
        let root = tree.rehash();
        let mut bytes = tree.prove(&key).to_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(proof) = StateProof::from_bytes(&bytes) {
            prop_assert!(proof.verify(root, &key, entries.get(&key).map(Vec::as_slice)).is_err());
        }
    }
}

proptest! {
    #[test]
    fn a_frozen_tree_proves_what_was_while_the_tree_goes_on(
        before in entries(),
        changes in vec((vec(0u8..4, 0..4), any::<Option<u8>>()), 0..20),
    ) {
        let mut tree = tree_of(&before);
        tree.rehash();
        let frozen = tree.frozen();
        let mut now = before.clone();
        for (key, value) in &changes {
            tree.set(key.clone(), value.map(|value| vec![value]));
            match value {
                Some(value) => drop(now.insert(key.clone(), vec![*value])),
                None => drop(now.remove(key)),
            }
        }
        prop_assert_eq!(tree.rehash(), tree_of(&now).root());
        prop_assert_eq!(frozen.root(), tree_of(&before).root());
        for key in before.keys().chain(now.keys()) {
            let (proof, value) = frozen.prove(key);
            prop_assert_eq!(value.as_deref(), before.get(key).map(Vec::as_slice));
            prop_assert_eq!(proof.verify(frozen.root(), key, value.as_deref()), Ok(()));
        }
    }
}

#[test]
fn the_shape_is_frozen() {
    let roots = [0u8, 1, 2, 100].map(|size| {
        let entries: Entries = (0..size).map(|i| (vec![i], vec![i, i])).collect();
        tree_of(&entries).root().to_string()
    });
    assert_eq!(roots, FROZEN_ROOTS);
}

const FROZEN_ROOTS: [&str; 4] = [
    "5b7f92561adf0217c09e515726f914d99921619500cb5fc70939a7c54bd9efb5",
    "1c9fa09db637e607871702a7b1f7775c0ad962861c023117706ff8f7430d6ec8",
    "05d5dbdb49d5baa61af2a0ca722a8f657da60ad8847d616e06be46119ffd4d45",
    "e7c8166fb39f83d1f4b84e1000c6daab0323e86c3e1d713234eb9952347fdc51",
];
