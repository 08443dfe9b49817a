//! The state of one epoch as `openmls` keeps it: entries in order, in `postcard`'s encoding.
//!
//! An operation works on an [`Overlay`]: it reads what was there before, through what it has written itself, and leaves the rest
//! alone. What comes of it are [`Changes`], to be applied in memory and written down together, or to be dropped.
//!
//! The entries of one epoch are of one group, so keys name no group: a byte says what is kept, and what there may be several of
//! is named behind it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

const V: u16 = CURRENT_VERSION;

/// What is kept, by the first byte of its key. The numbers are fixed.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    JoinConfig = 0,
    OwnLeafNodes = 1,
    Proposals = 2,
    Tree = 3,
    InterimTranscriptHash = 4,
    Context = 5,
    ConfirmationTag = 6,
    GroupState = 7,
    MessageSecrets = 8,
    ResumptionPsks = 9,
    OwnLeafIndex = 10,
    EpochSecrets = 11,
    EncryptionKeyPair = 12,
    EpochKeyPairs = 13,
    KeyPackage = 14,
}

/// An entry, as it was put.
type Value = Zeroizing<Vec<u8>>;

/// Everything that is kept of an epoch. Zeroised on drop, never printed.
#[derive(Clone, Default)]
pub struct Entries(BTreeMap<Vec<u8>, Value>);

/// New values, and deletions where there is none.
pub struct Changes(pub(crate) BTreeMap<Vec<u8>, Option<Value>>);

/// Entries, and what an operation has changed of them.
pub struct Overlay<'a> {
    base: &'a Entries,
    changes: RefCell<BTreeMap<Vec<u8>, Option<Value>>>,
}

/// What is stored is not what was stored.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("a stored value can't be read or written: {0}")]
    Codec(#[from] postcard::Error),
    #[error("a stored configuration can't be read or written: {0}")]
    Config(#[from] serde_json::Error),
    /// Of something that conversations here don't use.
    #[error("conversations keep no {0}")]
    Unused(&'static str),
}

impl Entries {
    pub fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, Zeroizing::new(value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Value)> {
        self.0.iter()
    }

    /// Whether the private part of this key package is here.
    pub fn has_package(&self, reference: &impl Serialize) -> bool {
        of(Kind::KeyPackage, reference).is_ok_and(|key| self.0.contains_key(&key))
    }

    pub fn apply(&mut self, changes: &Changes) {
        for (key, value) in &changes.0 {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}

impl From<Changes> for Entries {
    /// What is there after changes on nothing, but for what was only needed to come in.
    fn from(changes: Changes) -> Self {
        Self(changes.0.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

impl Changes {
    /// Of what a commit changed: what the epoch that it was sent in keeps of it, its used keys.
    pub fn of_sending(&self) -> Self {
        let secrets = one(Kind::MessageSecrets);
        let changed = self.0.get(&secrets).map(|value| (secrets.clone(), value.clone()));
        Self(changed.into_iter().collect())
    }
}

/// Whether an entry is the tree of keys, by its key.
pub(crate) fn is_tree(key: &[u8]) -> bool {
    key == [Kind::Tree as u8]
}

/// The key of the tree of keys.
pub(crate) fn tree_key() -> Vec<u8> {
    one(Kind::Tree)
}

/// The changes that take away what commits are decrypted with. What is left reads content.
pub(crate) fn without_decryption_keys(entries: &Entries) -> Changes {
    let is_key = |key: &&Vec<u8>| key.first() == Some(&(Kind::EpochKeyPairs as u8));
    Changes(entries.0.keys().filter(is_key).map(|key| (key.clone(), None)).collect())
}

impl<'a> Overlay<'a> {
    pub fn new(base: &'a Entries) -> Self {
        Self { base, changes: RefCell::default() }
    }

    /// What was changed, and differs from what was there.
    pub fn into_changes(self) -> Changes {
        let mut changes = self.changes.into_inner();
        changes.retain(|key, value| self.base.0.get(key) != value.as_ref());
        Changes(changes)
    }

    fn put(&self, key: Vec<u8>, value: &impl Serialize) -> Result<(), StorageError> {
        let value = encoded(value)?;
        self.changes.borrow_mut().insert(key, Some(value));
        Ok(())
    }

    fn load<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StorageError> {
        let changes = self.changes.borrow();
        let value = match changes.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.base.0.get(key),
        };
        value.map(|value| decoded(value)).transpose()
    }

    fn delete(&self, key: Vec<u8>) -> Result<(), StorageError> {
        self.changes.borrow_mut().insert(key, None);
        Ok(())
    }
}

pub(crate) fn encoded(value: &impl Serialize) -> Result<Value, StorageError> {
    Ok(Zeroizing::new(postcard::to_stdvec(value)?))
}

pub(crate) fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageError> {
    Ok(postcard::from_bytes(bytes)?)
}

fn one(kind: Kind) -> Vec<u8> {
    vec![kind as u8]
}

fn of(kind: Kind, key: &impl Serialize) -> Result<Vec<u8>, StorageError> {
    Ok(postcard::to_extend(key, one(kind))?)
}

fn of_epoch(epoch: &impl Serialize, leaf: u32) -> Result<Vec<u8>, StorageError> {
    of(Kind::EpochKeyPairs, &(epoch, leaf))
}

/// What there is one of: how it is written, read and deleted.
macro_rules! singles {
    ($($write:ident $read:ident $delete:ident $entity:ident $kind:ident;)*) => {$(
        fn $write<G: traits::GroupId<V>, E: traits::$entity<V>>(&self, _: &G, value: &E) -> Result<(), StorageError> {
            self.put(one(Kind::$kind), value)
        }

        fn $read<G: traits::GroupId<V>, E: traits::$entity<V>>(&self, _: &G) -> Result<Option<E>, StorageError> {
            self.load(&one(Kind::$kind))
        }

        fn $delete<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StorageError> {
            self.delete(one(Kind::$kind))
        }
    )*};
}

/// As [`singles`], where what is read names the group behind the entity.
macro_rules! singles_read_the_other_way {
    ($($write:ident $read:ident $delete:ident $entity:ident $kind:ident;)*) => {$(
        fn $write<E: traits::$entity<V>, G: traits::GroupId<V>>(&self, _: &G, value: &E) -> Result<(), StorageError> {
            self.put(one(Kind::$kind), value)
        }

        fn $read<E: traits::$entity<V>, G: traits::GroupId<V>>(&self, _: &G) -> Result<Option<E>, StorageError> {
            self.load(&one(Kind::$kind))
        }

        fn $delete<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StorageError> {
            self.delete(one(Kind::$kind))
        }
    )*};
}

/// A queued proposal: the encoding of its reference, and its own.
type Queued = (Vec<u8>, Vec<u8>);

impl Overlay<'_> {
    fn queue(&self) -> Result<Vec<Queued>, StorageError> {
        Ok(self.load(&one(Kind::Proposals))?.unwrap_or_default())
    }

    fn put_queue(&self, queue: &[Queued]) -> Result<(), StorageError> {
        if queue.is_empty() { self.delete(one(Kind::Proposals)) } else { self.put(one(Kind::Proposals), &queue) }
    }
}

impl StorageProvider<V> for Overlay<'_> {
    type Error = StorageError;

    singles! {
        write_tree tree delete_tree TreeSync Tree;
        write_interim_transcript_hash interim_transcript_hash delete_interim_transcript_hash InterimTranscriptHash InterimTranscriptHash;
        write_context group_context delete_context GroupContext Context;
        write_confirmation_tag confirmation_tag delete_confirmation_tag ConfirmationTag ConfirmationTag;
        write_message_secrets message_secrets delete_message_secrets MessageSecrets MessageSecrets;
        write_resumption_psk_store resumption_psk_store delete_all_resumption_psk_secrets ResumptionPskStore ResumptionPsks;
        write_own_leaf_index own_leaf_index delete_own_leaf_index LeafNodeIndex OwnLeafIndex;
        write_group_epoch_secrets group_epoch_secrets delete_group_epoch_secrets GroupEpochSecrets EpochSecrets;
    }

    singles_read_the_other_way! {
        write_group_state group_state delete_group_state GroupState GroupState;
    }

    /// In JSON: the library reads an older form of it too, which it can only tell apart in an encoding that describes itself.
    fn write_mls_join_config<G: traits::GroupId<V>, E: traits::MlsGroupJoinConfig<V>>(
        &self,
        _: &G,
        config: &E,
    ) -> Result<(), StorageError> {
        self.put(one(Kind::JoinConfig), &serde_json::to_vec(config)?)
    }

    fn mls_group_join_config<G: traits::GroupId<V>, E: traits::MlsGroupJoinConfig<V>>(
        &self,
        _: &G,
    ) -> Result<Option<E>, StorageError> {
        let config: Option<Vec<u8>> = self.load(&one(Kind::JoinConfig))?;
        Ok(config.map(|config| serde_json::from_slice(&config)).transpose()?)
    }

    fn delete_group_config<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StorageError> {
        self.delete(one(Kind::JoinConfig))
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, E: traits::LeafNode<V>>(
        &self,
        _: &G,
        leaf: &E,
    ) -> Result<(), StorageError> {
        let mut leaves: Vec<Vec<u8>> = self.load(&one(Kind::OwnLeafNodes))?.unwrap_or_default();
        leaves.push(encoded(leaf)?.to_vec());
        self.put(one(Kind::OwnLeafNodes), &leaves)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, E: traits::LeafNode<V>>(&self, _: &G) -> Result<Vec<E>, StorageError> {
        let leaves: Vec<Vec<u8>> = self.load(&one(Kind::OwnLeafNodes))?.unwrap_or_default();
        leaves.iter().map(|leaf| decoded(leaf)).collect()
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StorageError> {
        self.delete(one(Kind::OwnLeafNodes))
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, E: traits::QueuedProposal<V>>(
        &self,
        _: &G,
        reference: &R,
        proposal: &E,
    ) -> Result<(), StorageError> {
        let mut queue = self.queue()?;
        queue.push((encoded(reference)?.to_vec(), encoded(proposal)?.to_vec()));
        self.put_queue(&queue)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<R>, StorageError> {
        self.queue()?.iter().map(|(reference, _)| decoded(reference)).collect()
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, E: traits::QueuedProposal<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<(R, E)>, StorageError> {
        let queue = self.queue()?;
        queue.iter().map(|(reference, proposal)| Ok((decoded(reference)?, decoded(proposal)?))).collect()
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
        reference: &R,
    ) -> Result<(), StorageError> {
        let reference = encoded(reference)?;
        let mut queue = self.queue()?;
        queue.retain(|(queued, _)| queued[..] != reference[..]);
        self.put_queue(&queue)
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<(), StorageError> {
        self.put_queue(&[])
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, E: traits::HpkeKeyPair<V>>(
        &self,
        public: &K,
        pair: &E,
    ) -> Result<(), StorageError> {
        self.put(of(Kind::EncryptionKeyPair, public)?, pair)
    }

    fn encryption_key_pair<E: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(
        &self,
        public: &K,
    ) -> Result<Option<E>, StorageError> {
        self.load(&of(Kind::EncryptionKeyPair, public)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), StorageError> {
        self.delete(of(Kind::EncryptionKeyPair, public)?)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, K: traits::EpochKey<V>, E: traits::HpkeKeyPair<V>>(
        &self,
        _: &G,
        epoch: &K,
        leaf: u32,
        pairs: &[E],
    ) -> Result<(), StorageError> {
        self.put(of_epoch(epoch, leaf)?, &pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, K: traits::EpochKey<V>, E: traits::HpkeKeyPair<V>>(
        &self,
        _: &G,
        epoch: &K,
        leaf: u32,
    ) -> Result<Vec<E>, StorageError> {
        Ok(self.load(&of_epoch(epoch, leaf)?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, K: traits::EpochKey<V>>(
        &self,
        _: &G,
        epoch: &K,
        leaf: u32,
    ) -> Result<(), StorageError> {
        self.delete(of_epoch(epoch, leaf)?)
    }

    fn write_key_package<H: traits::HashReference<V>, E: traits::KeyPackage<V>>(
        &self,
        reference: &H,
        package: &E,
    ) -> Result<(), StorageError> {
        self.put(of(Kind::KeyPackage, reference)?, package)
    }

    fn key_package<H: traits::HashReference<V>, E: traits::KeyPackage<V>>(
        &self,
        reference: &H,
    ) -> Result<Option<E>, StorageError> {
        self.load(&of(Kind::KeyPackage, reference)?)
    }

    fn delete_key_package<H: traits::HashReference<V>>(&self, reference: &H) -> Result<(), StorageError> {
        self.delete(of(Kind::KeyPackage, reference)?)
    }

    /// Devices bring their keys along.
    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, E: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
        _: &E,
    ) -> Result<(), StorageError> {
        Err(StorageError::Unused("signature keys"))
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, E: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
    ) -> Result<Option<E>, StorageError> {
        Ok(None)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, _: &K) -> Result<(), StorageError> {
        Ok(())
    }

    fn write_psk<K: traits::PskId<V>, E: traits::PskBundle<V>>(&self, _: &K, _: &E) -> Result<(), StorageError> {
        Err(StorageError::Unused("keys shared before"))
    }

    fn psk<E: traits::PskBundle<V>, K: traits::PskId<V>>(&self, _: &K) -> Result<Option<E>, StorageError> {
        Ok(None)
    }

    fn delete_psk<K: traits::PskId<V>>(&self, _: &K) -> Result<(), StorageError> {
        Ok(())
    }
}
