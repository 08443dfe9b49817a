//! A whole state as bytes: what a party keeps on disk, and gives a peer that has lost its own.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::call::channels::CODE_BYTES_MAX;
use byway_records::tree::StateTree;
use byway_records::tree::partial::{PART_KEY_BYTES_MAX, PART_VALUE_BYTES_MAX};

use crate::account::{Account, Address, code_hash};
use crate::alone::WholeAlone;
use crate::state::State;

/// Entries of one tree, and trees of a state: whoever decodes one has bounded its bytes before.
const ENTRIES_MAX: u64 = 1 << 24;

fn put_tree(tree: &StateTree, out: &mut Writer) {
    out.varint(tree.len() as u64);
    for (key, value) in tree.iter() {
        out.bytes(key);
        out.bytes(value);
    }
}

fn count(input: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let length = input.u64()?;
    if length > ENTRIES_MAX { Err(DecodeError::TooLong { length, limit: ENTRIES_MAX }) } else { Ok(length) }
}

fn ascends<T: Ord>(last: Option<T>, next: T) -> Result<(), DecodeError> {
    if last.is_some_and(|last| last >= next) { Err(DecodeError::Invalid("entries are in order")) } else { Ok(()) }
}

fn tree(input: &mut Reader<'_>) -> Result<StateTree, DecodeError> {
    let mut tree = StateTree::new();
    let mut last: Option<Vec<u8>> = None;
    for _ in 0..count(input)? {
        let key = input.bytes(PART_KEY_BYTES_MAX)?.to_vec();
        ascends(last.as_ref(), &key)?;
        tree.insert(key.clone(), input.bytes(PART_VALUE_BYTES_MAX)?.to_vec());
        last = Some(key);
    }
    tree.rehash();
    Ok(tree)
}

/// The accounts' tree; the storages in order of their addresses; the code, each once, in order of its hash.
impl Encode for State {
    fn encode(&self, out: &mut Writer) {
        put_tree(&self.tree, out);
        let storages = self.storages.iter().filter(|(_, tree)| !tree.is_empty());
        out.varint(storages.clone().count() as u64);
        for (address, tree) in storages {
            out.value(address);
            put_tree(tree, out);
        }
        out.varint(self.codes.len() as u64);
        self.codes.values().for_each(|code| out.bytes(code));
    }
}

/// Only a state that is whole: each storage is what its account names, and nothing else is there.
impl Decode for State {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let accounts = tree(input)?;
        let mut storages = BTreeMap::new();
        for _ in 0..count(input)? {
            let address: Address = input.value()?;
            ascends(storages.last_key_value().map(|(last, _)| *last), address)?;
            let storage = tree(input)?;
            if storage.is_empty() {
                return Err(DecodeError::Invalid("a storage that is named has entries"));
            }
            storages.insert(address, storage.into());
        }
        let mut codes = BTreeMap::new();
        for _ in 0..count(input)? {
            let code = input.bytes(CODE_BYTES_MAX)?.to_vec();
            let hash = code_hash(&code);
            ascends(codes.last_key_value().map(|(last, _)| *last), hash)?;
            codes.insert(hash, code.into());
        }
        let state = Self { tree: accounts, storages, codes };
        if state.is_whole() { Ok(state) } else { Err(DecodeError::Invalid("a state is whole")) }
    }
}

/// The address, the account, the storage and the code.
impl Encode for WholeAlone {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.address);
        out.value(&self.account);
        put_tree(&self.storage, out);
        out.bytes(&self.code);
    }
}

/// Only a contract that is whole.
impl Decode for WholeAlone {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (address, account): (_, Account) = (input.value()?, input.value()?);
        let (storage, code) = (tree(input)?, input.bytes(CODE_BYTES_MAX)?.to_vec());
        let named = account.contract.map(|contract| (contract.code, contract.storage));
        let found = (code_hash(&code), storage.root());
        if named != Some(found) {
            return Err(DecodeError::Invalid("storage and code of a contract are those that its account names"));
        }
        Ok(Self { address, account, storage, code })
    }
}

impl State {
    /// Whether storages and code are those that the accounts name.
    fn is_whole(&self) -> bool {
        let mut found = 0;
        for (key, value) in self.tree.iter_prefix(&[0]) {
            let Some(address) = key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(Address) else { return false };
            let Ok(account) = Account::from_bytes(value) else { return false };
            let Some(contract) = account.contract else { continue };
            let storage = self.storages.get(&address);
            found += usize::from(storage.is_some());
            let root = storage.map_or_else(|| StateTree::new().root(), |storage| storage.root());
            if root != contract.storage || !self.codes.contains_key(&contract.code) {
                return false;
            }
        }
        found == self.storages.len()
    }
}
