//! One seed phrase for everything (rows I1, K2).
//!
//! A BIP-39 phrase of 24 words (12, 15, 18 and 21 are read too) gives a 64-byte seed, and every key of a node is
//! derived from it by BLAKE3 under a context that names the key's use, its *device* and its *number*:
//!
//! - identities: per device and number. Two devices restored from one phrase have different device indices, hence
//!   different identities, so their promises can't fork one series of serials;
//! - the wallet pair (a, b): per account number, the same on every device, because outputs are found by scanning;
//! - the identity that owns kernel nodes: per account number, the same on every device, because it is kept cold and
//!   restored wherever it is needed;
//! - kernel node keys and the overlay key: per device;
//! - the key of exports: one for all.

use byway_primitives::hash::Context;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chat_backup::ChatBackupKey;
use crate::copy::CopyKey;
use crate::export::ExportKey;
use crate::ghost::WalletSecret;
use crate::identity::IdentitySecret;
use crate::node::NodeSecret;

const IDENTITY: Context = Context("byway 1 derive: identity");
const WALLET: Context = Context("byway 1 derive: wallet");
const NODE: Context = Context("byway 1 derive: kernel node");
const MESH: Context = Context("byway 1 derive: kernel mesh static");
const DIALOGUE: Context = Context("byway 1 derive: dialogue static");
const KERNEL_OWNER: Context = Context("byway 1 derive: kernel owner");
const EXPORT: Context = Context("byway 1 derive: exports");
const COPY: Context = Context("byway 1 derive: channel copies");
const CHAT_BACKUP: Context = Context("byway 1 derive: backups of conversations");
const JOURNALS: Context = Context("byway 1 derive: journals");
const OVERLAY: Context = Context("byway 1 derive: overlay");

/// Which of a person's devices a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Device(pub u32);

/// The words. Shown once when a keystore is made, and on request with the passphrase.
#[derive(Clone)]
pub struct Phrase(Zeroizing<String>);

/// The 64-byte BIP-39 seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 64]);

/// Why words are not a phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    #[error("a seed phrase has 12, 15, 18, 21 or 24 words, this has {0}")]
    WordCount(usize),
    #[error("word {position} (\"{word}\") is not in the word list")]
    UnknownWord { position: usize, word: String },
    #[error("the words don't belong together (checksum): one of them is wrong, or two changed places")]
    Checksum,
}

/// A word of the English list of BIP-39, by the low eleven bits of `number`: for what people read to each other, which is no phrase.
pub fn word(number: u16) -> &'static str {
    bip39::Language::English.word_list()[usize::from(number % 2048)]
}

impl Phrase {
    /// 24 words from 32 bytes of entropy.
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let words = bip39::Mnemonic::from_entropy(entropy).expect("32 bytes are a valid length");
        Self(Zeroizing::new(words.to_string()))
    }

    /// Reads words as a person types them: any case, any white space.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let phrase = Zeroizing::new(words.join(" "));
        bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &phrase).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => PhraseError::WordCount(count),
            bip39::Error::UnknownWord(index) => {
                PhraseError::UnknownWord { position: index + 1, word: words.get(index).cloned().unwrap_or_default() }
            }
            _ => PhraseError::Checksum,
        })?;
        Ok(Self(phrase))
    }

    pub fn words(&self) -> &str {
        &self.0
    }

    /// The BIP-39 seed with an empty passphrase.
    pub fn seed(&self) -> Seed {
        let words = bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &self.0)
            .expect("a Phrase holds valid words");
        Seed(words.to_seed_normalized(""))
    }
}

impl Seed {
    pub fn identity(&self, device: Device, number: u32) -> IdentitySecret {
        Self::first_identity(|attempt| self.derive(IDENTITY, &[device.0, number, attempt]))
    }

    /// The cold identity that pledges for kernel nodes and decides about them.
    pub fn kernel_owner(&self, account: u32) -> IdentitySecret {
        Self::first_identity(|attempt| self.derive(KERNEL_OWNER, &[account, attempt]))
    }

    fn first_identity(candidate: impl Fn(u32) -> Zeroizing<[u8; 32]>) -> IdentitySecret {
        // A candidate is out of range with chance 2^-128; the next one then serves.
        let key = (0u32..).find_map(|attempt| IdentitySecret::from_bytes(&candidate(attempt)));
        key.expect("one of 2^32 candidates is a key")
    }

    pub fn wallet(&self, account: u32) -> WalletSecret {
        WalletSecret::from_seed(&self.derive(WALLET, &[account]))
    }

    pub fn kernel_node(&self, device: Device) -> NodeSecret {
        NodeSecret::from_seed(&self.derive(NODE, &[device.0]))
    }

    /// The X25519 static secret of the kernel mesh.
    pub fn mesh_static(&self, device: Device) -> Zeroizing<[u8; 32]> {
        self.derive(MESH, &[device.0])
    }

    /// The X25519 static secret of an identity's dialogues.
    pub fn dialogue_static(&self, device: Device, number: u32) -> Zeroizing<[u8; 32]> {
        self.derive(DIALOGUE, &[device.0, number])
    }

    /// What seals the exports of every device: whoever restores one need not know which it was.
    pub fn export_key(&self) -> ExportKey {
        ExportKey::new(self.derive(EXPORT, &[]))
    }

    /// What seals the copies of channels of every device.
    pub fn copy_key(&self) -> CopyKey {
        CopyKey::new(self.derive(COPY, &[]))
    }

    /// What seals the backups of conversations of every device.
    pub fn chat_backup_key(&self) -> ChatBackupKey {
        ChatBackupKey::new(self.derive(CHAT_BACKUP, &[]))
    }

    /// What seals the journals of every device: whichever of the identities a node works under, it reads its own.
    pub fn journals_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(JOURNALS, &[])
    }

    pub fn overlay(&self, device: Device) -> Zeroizing<[u8; 32]> {
        self.derive(OVERLAY, &[device.0])
    }

    fn derive(&self, context: Context, path: &[u32]) -> Zeroizing<[u8; 32]> {
        let path: Vec<u8> = path.iter().flat_map(|step| step.to_le_bytes()).collect();
        Zeroizing::new(context.hash(&[&self.0, &path]).0)
    }
}

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phrase")
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 24-word vector of the BIP-39 reference (with its empty-passphrase seed computed by the rules).
    #[test]
    fn the_reference_vector_holds() {
        let phrase = Phrase::from_entropy(&[0; 32]);
        assert!(phrase.words().starts_with("abandon abandon") && phrase.words().ends_with(" art"));
        let seed = phrase.seed();
        assert_eq!(
            hex::encode(seed.0),
            "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf705489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e24\
             3c4a0eafb290d399480840"
        );
    }

    #[test]
    fn mistakes_are_named() {
        let good = Phrase::from_entropy(&[0; 32]);
        assert!(Phrase::parse(&good.words().to_uppercase().replace(' ', "  \n")).is_ok());
        for (text, error) in [
            ("abandon abandon", PhraseError::WordCount(2)),
            (
                &good.words().replacen("abandon", "abandn", 2)[..],
                PhraseError::UnknownWord { position: 1, word: "abandn".into() },
            ),
            (&good.words().replace(" art", " able")[..], PhraseError::Checksum),
        ] {
            assert_eq!(Phrase::parse(text).err(), Some(error));
        }
    }

    #[test]
    fn every_key_is_its_own() {
        let seed = Phrase::from_entropy(&[1; 32]).seed();
        let ids =
            [seed.identity(Device(0), 0).id(), seed.identity(Device(0), 1).id(), seed.identity(Device(1), 0).id()];
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        assert_eq!(ids[0], Phrase::from_entropy(&[1; 32]).seed().identity(Device(0), 0).id());
        assert_ne!(seed.wallet(0).address(), seed.wallet(1).address());
        assert_ne!(seed.mesh_static(Device(0)), seed.overlay(Device(0)));
    }
}
