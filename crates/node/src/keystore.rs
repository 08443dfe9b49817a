//! The keystore of a node: seed phrase, device index and named identities, encrypted on disk (row I1).
//!
//! Every key comes out of the phrase; what is kept beside it is only which identities there are and what they are for.
//! By default a node has one each for browsing, selling and messages, so that the ledger doesn't join them. A file is
//! never overwritten by a new keystore, and replaced whole or not at all by a changed one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use byway_crypto::keystore::{self as sealing, Cost, OpenError, SealSeed};
use byway_crypto::phrase::{Device, Phrase, PhraseError, Seed};
use byway_crypto::{ChatBackupKey, CopyKey, ExportKey, IdentitySecret, NodeSecret, WalletSecret};
use byway_driver::disk::SealKey;
use byway_primitives::IdentityId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::files;
use crate::passphrase::Passphrase;

/// The version of what is sealed.
const VERSION: u8 = 1;
/// Identities of one keystore.
pub const IDENTITIES_MAX: usize = 64;
/// Bytes of an identity's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of the phrase: 24 words of at most 8 letters.
const WORDS_BYTES_MAX: usize = 256;

/// What an identity is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum IdentityPurpose {
    Browsing,
    Selling,
    Messages,
}

/// One identity: which key of the phrase it is, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    pub number: u32,
    pub name: String,
    pub purpose: IdentityPurpose,
}

/// An opened keystore.
pub struct Keystore {
    phrase: Phrase,
    /// Derived from the phrase, which is slow on purpose.
    seed: Seed,
    device: Device,
    identities: Vec<IdentityRecord>,
}

/// Why a keystore can't be made, opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    #[error("there is no keystore at {0}; make one with `byway identity new`")]
    Missing(PathBuf),
    #[error(
        "there is a keystore at {0} already, and it is never overwritten; move it away first, or use another --dir"
    )]
    Exists(PathBuf),
    #[error("{path} can't be opened: {source}")]
    Open { path: PathBuf, source: OpenError },
    #[error("{path} opens, but what is in it is damaged ({source}); restore it from the seed phrase")]
    Content { path: PathBuf, source: DecodeError },
    #[error("{path} can't be read or written: this user lacks the permission; check who owns it")]
    Permission { path: PathBuf },
    #[error("{path} can't be read or written: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
    #[error("{0}; nothing was written")]
    Phrase(#[from] PhraseError),
    #[error("an identity named {0:?} exists already; choose another name")]
    NameTaken(String),
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters; {0:?} does not fit")]
    Name(String),
    #[error("a keystore holds at most {IDENTITIES_MAX} identities")]
    Full,
    #[error("there is no identity {0:?}; `byway identity list` shows those there are")]
    Unknown(String),
}

impl Keystore {
    /// A new phrase from fresh entropy, with the usual identities.
    pub fn generate(device: Device) -> Result<Self, KeystoreError> {
        let entropy = entropy::<32>()?;
        Ok(Self::from_phrase(Phrase::from_entropy(&entropy), device))
    }

    /// From words as a person types them. A word that is not in the list is named with its position.
    pub fn restore(words: &str, device: Device) -> Result<Self, KeystoreError> {
        Ok(Self::from_phrase(Phrase::parse(words)?, device))
    }

    fn from_phrase(phrase: Phrase, device: Device) -> Self {
        let usual = [
            ("browsing", IdentityPurpose::Browsing),
            ("selling", IdentityPurpose::Selling),
            ("messages", IdentityPurpose::Messages),
        ];
        let identities = (0..).zip(usual);
        let identities = identities
            .map(|(number, (name, purpose))| IdentityRecord { number, name: name.to_owned(), purpose })
            .collect();
        Self { seed: phrase.seed(), phrase, device, identities }
    }

    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, KeystoreError> {
        let sealed = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeystoreError::Missing(path.to_owned()));
            }
            other => other.map_err(|source| io_error(path, source))?,
        };
        let content = sealing::open(&sealed, passphrase.expose())
            .map_err(|source| KeystoreError::Open { path: path.to_owned(), source })?;
        Self::decode(&content).map_err(|source| KeystoreError::Content { path: path.to_owned(), source })
    }

    /// Writes a new file; fails where there is one.
    pub fn create(&self, path: &Path, passphrase: &Passphrase, cost: Cost) -> Result<(), KeystoreError> {
        let sealed = self.seal(passphrase, cost)?;
        match files::create_secret(path, &sealed) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeystoreError::Exists(path.to_owned())),
            other => other.map_err(|source| io_error(path, source)),
        }
    }

    /// Replaces the file that this keystore was opened from.
    pub fn save(&self, path: &Path, passphrase: &Passphrase, cost: Cost) -> Result<(), KeystoreError> {
        let sealed = self.seal(passphrase, cost)?;
        files::write_secret(path, &sealed).map_err(|source| io_error(path, source))
    }

    fn seal(&self, passphrase: &Passphrase, cost: Cost) -> Result<Vec<u8>, KeystoreError> {
        let seed = SealSeed { salt: *entropy()?, nonce: *entropy()? };
        let content = Zeroizing::new(self.encode());
        Ok(sealing::seal(&content, passphrase.expose(), cost, seed))
    }

    /// Adds an identity under the next number.
    pub fn add(&mut self, name: &str, purpose: IdentityPurpose) -> Result<&IdentityRecord, KeystoreError> {
        if !is_name(name) {
            return Err(KeystoreError::Name(name.to_owned()));
        }
        if self.identities.iter().any(|identity| identity.name == name) {
            return Err(KeystoreError::NameTaken(name.to_owned()));
        }
        if self.identities.len() >= IDENTITIES_MAX {
            return Err(KeystoreError::Full);
        }
        let number = self.identities.iter().map(|identity| identity.number + 1).max().unwrap_or(0);
        self.identities.push(IdentityRecord { number, name: name.to_owned(), purpose });
        Ok(self.identities.last().expect("one was just added"))
    }

    pub fn identities(&self) -> &[IdentityRecord] {
        &self.identities
    }

    /// By name or by id.
    pub fn find(&self, name_or_id: &str) -> Result<&IdentityRecord, KeystoreError> {
        let found = self
            .identities
            .iter()
            .find(|identity| identity.name == name_or_id || self.id(identity).to_string() == name_or_id.to_lowercase());
        found.ok_or_else(|| KeystoreError::Unknown(name_or_id.to_owned()))
    }

    /// The first identity for a purpose.
    pub fn first(&self, purpose: IdentityPurpose) -> Option<&IdentityRecord> {
        self.identities.iter().find(|identity| identity.purpose == purpose)
    }

    /// The identity that a peer works under.
    pub fn working(&self, sells: bool) -> Option<&IdentityRecord> {
        self.first(if sells { IdentityPurpose::Selling } else { IdentityPurpose::Browsing })
    }

    pub fn id(&self, identity: &IdentityRecord) -> IdentityId {
        self.secret(identity).id()
    }

    pub fn secret(&self, identity: &IdentityRecord) -> IdentitySecret {
        self.seed.identity(self.device, identity.number)
    }

    /// The static secret of an identity's dialogues.
    pub fn dialogue_static(&self, identity: &IdentityRecord) -> Zeroizing<[u8; 32]> {
        self.seed.dialogue_static(self.device, identity.number)
    }

    pub fn wallet(&self) -> WalletSecret {
        self.seed.wallet(0)
    }

    /// What seals the journals of its nodes.
    pub fn journals_key(&self) -> SealKey {
        SealKey::new(*self.seed.journals_key())
    }

    /// What seals the exports of its nodes' books.
    pub fn export_key(&self) -> ExportKey {
        self.seed.export_key()
    }

    /// What seals what its nodes keep of channels in a second place.
    pub fn copy_key(&self) -> CopyKey {
        self.seed.copy_key()
    }

    /// What seals backups of conversations.
    pub fn chat_backup_key(&self) -> ChatBackupKey {
        self.seed.chat_backup_key()
    }

    /// The cold identity that owns kernel nodes.
    pub fn kernel_owner(&self) -> IdentitySecret {
        self.seed.kernel_owner(0)
    }

    pub fn kernel_node(&self) -> NodeSecret {
        self.seed.kernel_node(self.device)
    }

    pub fn mesh_static(&self) -> Zeroizing<[u8; 32]> {
        self.seed.mesh_static(self.device)
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The words, to be shown to their owner.
    pub fn phrase(&self) -> &Phrase {
        &self.phrase
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.text(self.phrase.words());
        out.varint(self.device.0);
        out.list(&self.identities);
        out.into_bytes()
    }

    fn decode(content: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(content);
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "keystore content version", value: other.into() }),
        }
        let words = Zeroizing::new(input.text(WORDS_BYTES_MAX)?);
        let phrase = Phrase::parse(&words).map_err(|_| DecodeError::Invalid("seed phrase"))?;
        let (device, identities) = (Device(input.u32()?), input.list(IDENTITIES_MAX)?);
        input.finish()?;
        Ok(Self { seed: phrase.seed(), phrase, device, identities })
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keystore(device {}, {} identities)", self.device.0, self.identities.len())
    }
}

impl fmt::Display for IdentityPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Browsing => "browsing",
            Self::Selling => "selling",
            Self::Messages => "messages",
        })
    }
}

impl Encode for IdentityRecord {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.text(&self.name);
        out.byte(match self.purpose {
            IdentityPurpose::Browsing => 0,
            IdentityPurpose::Selling => 1,
            IdentityPurpose::Messages => 2,
        });
    }
}

impl Decode for IdentityRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (number, name) = (input.u32()?, input.text(NAME_BYTES_MAX)?);
        let purpose = match input.byte()? {
            0 => IdentityPurpose::Browsing,
            1 => IdentityPurpose::Selling,
            2 => IdentityPurpose::Messages,
            other => return Err(DecodeError::UnknownVariant { kind: "identity purpose", value: other.into() }),
        };
        Ok(Self { number, name, purpose })
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) && name.trim() == name
}

fn io_error(path: &Path, source: io::Error) -> KeystoreError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => KeystoreError::Permission { path: path.to_owned() },
        _ => KeystoreError::Io { path: path.to_owned(), source },
    }
}

/// Fresh randomness, wiped when it is dropped.
fn entropy<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeystoreError>
where
    [u8; N]: Zeroize,
{
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|error| KeystoreError::Entropy(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    /// A keystore on disk with the identities of the all-zero phrase.
    fn stored() -> (tempfile::TempDir, PathBuf, Keystore) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystore.byway");
        let words = Phrase::from_entropy(&[0; 32]);
        let keystore = Keystore::restore(words.words(), Device(3)).unwrap();
        keystore.create(&path, &passphrase("right"), Cost::CHEAP).unwrap();
        (folder, path, keystore)
    }

    #[test]
    fn what_was_stored_comes_back() {
        let (_folder, path, mut keystore) = stored();
        keystore.add("work", IdentityPurpose::Browsing).unwrap();
        keystore.save(&path, &passphrase("right"), Cost::CHEAP).unwrap();
        let opened = Keystore::open(&path, &passphrase("right")).unwrap();
        assert_eq!(opened.identities(), keystore.identities());
        assert_eq!((opened.device(), opened.phrase().words()), (Device(3), keystore.phrase().words()));
        let work = opened.find("work").unwrap();
        assert_eq!(opened.find(&opened.id(work).to_string()).unwrap(), work);
        assert_eq!(work.number, 3);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_same_phrase_on_another_device_has_other_identities_and_the_same_wallet() {
        let (_folder, _, keystore) = stored();
        let other = Keystore::restore(keystore.phrase().words(), Device(4)).unwrap();
        assert_ne!(keystore.id(&keystore.identities()[0]), other.id(&other.identities()[0]));
        assert_eq!(keystore.wallet().address(), other.wallet().address());
    }

    #[test]
    fn a_keystore_is_never_overwritten() {
        let (_folder, path, keystore) = stored();
        let before = std::fs::read(&path).unwrap();
        let error = keystore.create(&path, &passphrase("other"), Cost::CHEAP).unwrap_err();
        assert!(matches!(error, KeystoreError::Exists(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_can_be_wrong_with_a_file_is_told_apart() {
        let (_folder, path, _) = stored();
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[40] ^= 1;
        let cases: [(&[u8], &str, OpenError); 4] = [
            (&good, "wrong", OpenError::WrongPassphrase),
            (&flipped, "right", OpenError::Damaged),
            (&good[..50], "right", OpenError::Damaged),
            (b"something else", "right", OpenError::NotAKeystore),
        ];
        for (bytes, phrase, expected) in cases {
            std::fs::write(&path, bytes).unwrap();
            match Keystore::open(&path, &passphrase(phrase)) {
                Err(KeystoreError::Open { source, .. }) => assert_eq!(source, expected),
                other => panic!("{expected:?}: {other:?}"),
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Keystore::open(&path, &passphrase("right")), Err(KeystoreError::Missing(_))));
    }

    #[test]
    fn names_are_checked() {
        let (_folder, _, mut keystore) = stored();
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in ["", " padded ", "two\nlines", &long] {
            assert!(matches!(keystore.add(name, IdentityPurpose::Messages), Err(KeystoreError::Name(_))), "{name:?}");
        }
        assert!(matches!(keystore.add("selling", IdentityPurpose::Selling), Err(KeystoreError::NameTaken(_))));
        for number in keystore.identities().len()..IDENTITIES_MAX {
            keystore.add(&format!("n{number}"), IdentityPurpose::Messages).unwrap();
        }
        assert!(matches!(keystore.add("one more", IdentityPurpose::Messages), Err(KeystoreError::Full)));
    }

    #[test]
    fn a_mistyped_word_is_named() {
        let words = Phrase::from_entropy(&[0; 32]).words().replacen("abandon", "abandn", 1);
        let error = Keystore::restore(&words, Device(0)).unwrap_err().to_string();
        assert!(error.contains("word 1") && error.contains("abandn"), "{error}");
    }
}
