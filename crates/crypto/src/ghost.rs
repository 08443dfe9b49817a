//! Ghost outputs: one-time keys after CryptoNote (row K2; van Saberhagen 2013, section 4.3).
//!
//! A wallet has two secrets a, b with A = aG, B = bG. Whoever pays it draws r, publishes R = rG once per transaction,
//! and pays output `index` to
//!
//! ```text
//! s = H(8·rA ‖ index)        P = s·G + B
//! ```
//!
//! The holder computes the same s from 8·aR, so a and B find the payment (the *view key*, which may be shown to an
//! auditor), and only b gives the secret s + b that spends it. The factor 8 clears a cofactor that a crafted R could
//! carry. A one-byte *view tag* from the same shared secret lets a scan drop 255 of 256 foreign outputs before it
//! computes P.

use std::fmt;
use std::str::FromStr;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::batch::message_of;
use crate::node::NodeSignature;
use crate::purpose::Purpose;

const OUTPUT_SCALAR: Context = Context("byway 1 ghost: output scalar");
const VIEW_TAG: Context = Context("byway 1 ghost: view tag");
const TRANSACTION_SCALAR: Context = Context("byway 1 ghost: transaction scalar");
const SIGNING_PREFIX: Context = Context("byway 1 ghost: signing prefix");
const WALLET_VIEW: Context = Context("byway 1 ghost: wallet view scalar");
const WALLET_SPEND: Context = Context("byway 1 ghost: wallet spend scalar");
const ADDRESS_CHECK: Context = Context("byway 1 address check");
const VIEW_CHECK: Context = Context("byway 1 view key check");

/// Text form of an address starts with this.
const ADDRESS_PREFIX: &str = "way";
/// Text form of a view key starts with this.
const VIEW_PREFIX: &str = "wayview";
/// Bytes of checksum in the text form: one wrong letter in four billion passes.
const ADDRESS_CHECK_LENGTH: usize = 4;

/// A one-time public key P, or the R of a transaction: a compressed point of edwards25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GhostKey(pub [u8; 32]);

/// A user's public pair (A, B): what one gives to be paid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address {
    view: CompressedEdwardsY,
    spend: CompressedEdwardsY,
}

/// a and B: finds and reads the wallet's outputs, can't spend them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ViewSecret {
    view: Scalar,
    #[zeroize(skip)]
    spend_public: EdwardsPoint,
}

/// a and b: the whole wallet.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct WalletSecret {
    view: Scalar,
    spend: Scalar,
}

/// s + b: spends one output.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SpendSecret {
    scalar: Scalar,
    #[zeroize(skip)]
    public: GhostKey,
}

/// The secret r of one transaction, which derives its outputs.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TransactionSecret(Scalar);

/// A text is not a view key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ViewKeyError {
    #[error("a view key starts with \"{VIEW_PREFIX}\" and has 136 hex digits after it")]
    Shape,
    #[error("the view key has a typing error: its checksum does not match")]
    Checksum,
    #[error("the view key does not hold valid keys")]
    Keys,
}

/// A text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address starts with \"{ADDRESS_PREFIX}\" and has 136 hex digits after it")]
    Shape,
    #[error("the address has a typing error: its checksum does not match")]
    Checksum,
    #[error("the address does not hold valid keys")]
    Keys,
}

impl GhostKey {
    /// Whether this is a point of the curve in its only encoding, and not one of the eight of small order. What is no
    /// point could never be spent; what has a second encoding would never be found by its payee, who compares bytes; and
    /// a key of small order anyone could sign for.
    pub fn is_valid(&self) -> bool {
        let is_canonical = y_is_reduced(&self.0);
        is_canonical && CompressedEdwardsY(self.0).decompress().is_some_and(|point| !point.is_small_order())
    }
}

/// Whether the y that these bytes encode is below p = 2^255 − 19. (The other way to have two encodings, a sign for x = 0,
/// is open to points of small order only.)
fn y_is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || middle.iter().any(|byte| *byte != 0xff) || last & 0x7f != 0x7f
}

impl WalletSecret {
    /// Derives a and b from a seed, which must be secret and uniform.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let scalar = |context: Context| Scalar::from_bytes_mod_order_wide(&context.hash_wide(&[seed]));
        Self { view: scalar(WALLET_VIEW), spend: scalar(WALLET_SPEND) }
    }

    pub fn address(&self) -> Address {
        Address {
            view: EdwardsPoint::mul_base(&self.view).compress(),
            spend: EdwardsPoint::mul_base(&self.spend).compress(),
        }
    }

    /// Another secret, which only who can spend can derive: a holder of the view key can't. One for each context and salt.
    pub fn derive(&self, context: Context, salt: &[u8]) -> Zeroizing<[u8; 32]> {
        let (view, spend) = (Zeroizing::new(self.view.to_bytes()), Zeroizing::new(self.spend.to_bytes()));
        Zeroizing::new(context.hash(&[&*view, &*spend, salt]).0)
    }

    pub fn view_secret(&self) -> ViewSecret {
        ViewSecret { view: self.view, spend_public: EdwardsPoint::mul_base(&self.spend) }
    }

    /// The secret that spends output `index` of the transaction with this R, if the output is ours.
    pub fn spend_secret(&self, transaction: GhostKey, index: u32, output: GhostKey) -> Option<SpendSecret> {
        self.spend_secret_at(transaction, index).filter(|secret| secret.public == output)
    }

    /// The secret that would spend output `index` of the transaction with this R, were it ours. `None` if R is none.
    pub fn spend_secret_at(&self, transaction: GhostKey, index: u32) -> Option<SpendSecret> {
        let shared = shared_secret(&self.view, transaction)?;
        Some(self.one_time_secret(output_scalar(&shared, index)))
    }

    /// s + b for this s.
    pub(crate) fn one_time_secret(&self, s: Scalar) -> SpendSecret {
        let scalar = s + self.spend;
        SpendSecret { scalar, public: GhostKey(EdwardsPoint::mul_base(&scalar).compress().0) }
    }
}

impl ViewSecret {
    /// Whether output `index` of the transaction with this R pays this wallet. Cheap for others' outputs.
    pub fn owns(&self, transaction: GhostKey, index: u32, output: GhostKey, view_tag: u8) -> bool {
        let Some(shared) = shared_secret(&self.view, transaction) else { return false };
        self.owns_with(&shared, index, output, view_tag)
    }

    /// As [`owns`](Self::owns) for several outputs of one transaction, with one scalar multiplication for all.
    pub fn owned<'a>(
        &'a self,
        transaction: GhostKey,
        outputs: impl IntoIterator<Item = (u32, GhostKey, u8)> + 'a,
    ) -> impl Iterator<Item = u32> + 'a {
        let shared = shared_secret(&self.view, transaction);
        outputs.into_iter().filter_map(move |(index, output, tag)| {
            self.owns_with(shared.as_ref()?, index, output, tag).then_some(index)
        })
    }

    fn owns_with(&self, shared: &[u8; 32], index: u32, output: GhostKey, tag: u8) -> bool {
        view_tag(shared, index) == tag && one_time_key(shared, index, &self.spend_public) == output
    }

    /// The address whose payments this finds.
    pub fn address(&self) -> Address {
        Address { view: EdwardsPoint::mul_base(&self.view).compress(), spend: self.spend_public.compress() }
    }

    /// a ‖ B as 64 bytes, for export.
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.view.as_bytes());
        bytes[32..].copy_from_slice(&self.spend_public.compress().0);
        bytes
    }

    pub fn from_bytes(bytes: &[u8; 64]) -> Option<Self> {
        let (view, spend) = bytes.split_first_chunk::<32>()?;
        let view = Option::from(Scalar::from_canonical_bytes(*view))?;
        let spend = GhostKey(spend.try_into().ok()?);
        let spend_public = CompressedEdwardsY(spend.0).decompress().filter(|_| spend.is_valid())?;
        Some(Self { view, spend_public })
    }
}

impl SpendSecret {
    pub fn public(&self) -> GhostKey {
        self.public
    }

    /// Signs `message` for [`Purpose::Spend`]. The nonce's prefix is derived from the one-time secret, which no two
    /// outputs share.
    pub fn sign(&self, network: NetworkId, message: &[u8]) -> NodeSignature {
        let expanded =
            ExpandedSecretKey { scalar: self.scalar, hash_prefix: SIGNING_PREFIX.hash(&[self.scalar.as_bytes()]).0 };
        let public = VerifyingKey::from(&expanded);
        let digest = Purpose::Spend.digest(network, message);
        NodeSignature(raw_sign::<Sha512>(&expanded, &message_of(&digest), &public).to_bytes())
    }
}

impl TransactionSecret {
    /// From fresh secret randomness. The same seed must never serve two transactions: that would pay the same keys.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Scalar::from_bytes_mod_order_wide(&TRANSACTION_SCALAR.hash_wide(&[seed])))
    }

    /// R, published in the transaction.
    pub fn public(&self) -> GhostKey {
        GhostKey(EdwardsPoint::mul_base(&self.0).compress().0)
    }

    /// The one-time key and view tag of output `index` to `payee`.
    pub fn derive(&self, payee: &Address, index: u32) -> (GhostKey, u8) {
        let spend = payee.spend.decompress().expect("an Address holds valid points");
        let shared = self.shared_with(GhostKey(payee.view.0)).expect("an Address holds valid points");
        (one_time_key(&shared, index, &spend), view_tag(&shared, index))
    }

    /// What this transaction shares with whoever has the view secret of this key.
    pub(crate) fn shared_with(&self, view: GhostKey) -> Option<[u8; 32]> {
        shared_secret(&self.0, view)
    }
}

impl Address {
    pub fn from_keys(view: GhostKey, spend: GhostKey) -> Option<Self> {
        (view.is_valid() && spend.is_valid())
            .then_some(Self { view: CompressedEdwardsY(view.0), spend: CompressedEdwardsY(spend.0) })
    }

    /// B, which stands for a person in a [`Group`](crate::Group).
    pub(crate) fn spend_key(&self) -> GhostKey {
        GhostKey(self.spend.0)
    }

    fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.view.0);
        bytes[32..].copy_from_slice(&self.spend.0);
        bytes
    }
}

/// 8·rA, computed as 8·r·A or 8·a·R alike. One per transaction, whatever it makes: this is what a scan costs.
pub(crate) fn shared_secret(secret: &Scalar, key: GhostKey) -> Option<[u8; 32]> {
    let point = CompressedEdwardsY(key.0).decompress()?;
    Some((secret * point).mul_by_cofactor().compress().0)
}

fn output_scalar(shared: &[u8; 32], index: u32) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&OUTPUT_SCALAR.hash_wide(&[shared, &index.to_le_bytes()]))
}

fn one_time_key(shared: &[u8; 32], index: u32, spend: &EdwardsPoint) -> GhostKey {
    GhostKey((EdwardsPoint::mul_base(&output_scalar(shared, index)) + spend).compress().0)
}

fn view_tag(shared: &[u8; 32], index: u32) -> u8 {
    VIEW_TAG.hash(&[shared, &index.to_le_bytes()]).0[0]
}

/// `way` and the hex of A ‖ B ‖ checksum.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        let check = ADDRESS_CHECK.hash(&[&bytes]);
        f.pad(&format!("{ADDRESS_PREFIX}{}{}", hex::encode(bytes), hex::encode(&check.0[..ADDRESS_CHECK_LENGTH])))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix(ADDRESS_PREFIX).ok_or(AddressError::Shape)?;
        let mut bytes = [0; 64 + ADDRESS_CHECK_LENGTH];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::Shape)?;
        let (keys, check) = bytes.split_at(64);
        if ADDRESS_CHECK.hash(&[keys]).0[..ADDRESS_CHECK_LENGTH] != *check {
            return Err(AddressError::Checksum);
        }
        Address::from_bytes(keys).map_err(|_| AddressError::Keys)
    }
}

impl ViewSecret {
    /// `wayview` and the hex of a ‖ B ‖ checksum. Not `Display`, so that no log shows it by accident.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.to_bytes());
        let check = VIEW_CHECK.hash(&[&*bytes]);
        let keys = Zeroizing::new(hex::encode(*bytes));
        Zeroizing::new(format!("{VIEW_PREFIX}{}{}", *keys, hex::encode(&check.0[..ADDRESS_CHECK_LENGTH])))
    }

    /// The inverse of [`to_text`](Self::to_text).
    pub fn from_text(text: &str) -> Result<Self, ViewKeyError> {
        let digits = text.strip_prefix(VIEW_PREFIX).ok_or(ViewKeyError::Shape)?;
        let mut bytes = Zeroizing::new([0; 64 + ADDRESS_CHECK_LENGTH]);
        hex::decode_to_slice(digits, &mut *bytes).map_err(|_| ViewKeyError::Shape)?;
        let (keys, check) = bytes.split_first_chunk::<64>().ok_or(ViewKeyError::Shape)?;
        if VIEW_CHECK.hash(&[keys]).0[..ADDRESS_CHECK_LENGTH] != *check {
            return Err(ViewKeyError::Checksum);
        }
        Self::from_bytes(keys).ok_or(ViewKeyError::Keys)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}…)", hex::encode(&self.view.0[..4]))
    }
}

impl fmt::Debug for GhostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GhostKey({}…)", hex::encode(&self.0[..4]))
    }
}

macro_rules! secret_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

secret_debug!(ViewSecret, WalletSecret, SpendSecret, TransactionSecret);

impl Encode for GhostKey {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for GhostKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for Address {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.bytes());
    }
}

impl Decode for Address {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (view, spend) = (GhostKey(input.array()?), GhostKey(input.array()?));
        Address::from_keys(view, spend).ok_or(DecodeError::Invalid("address"))
    }
}

/// Checks one spending signature alone; many are checked by a [`BatchVerifier`](crate::BatchVerifier).
pub fn verify_spend(key: GhostKey, network: NetworkId, message: &[u8], signature: NodeSignature) -> bool {
    spend_check(key, Purpose::Spend.digest(network, message), signature).verifies()
}

/// The check of a spending signature as data, over an already computed digest.
pub fn spend_check(key: GhostKey, digest: Hash, signature: NodeSignature) -> crate::batch::Signed {
    crate::batch::Signed { key: key.0, digest, signature: signature.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

    #[test]
    fn only_the_payee_finds_and_spends_an_output() {
        let (alice, bob) = (WalletSecret::from_seed(&[1; 32]), WalletSecret::from_seed(&[2; 32]));
        let secret = TransactionSecret::from_seed(&[3; 32]);
        for index in [0u32, 1, 255, 70_000] {
            let (output, tag) = secret.derive(&alice.address(), index);
            assert!(alice.view_secret().owns(secret.public(), index, output, tag));
            assert!(!bob.view_secret().owns(secret.public(), index, output, tag));
            assert!(!alice.view_secret().owns(secret.public(), index + 1, output, tag));
            let spend = alice.spend_secret(secret.public(), index, output).expect("alice's");
            assert!(bob.spend_secret(secret.public(), index, output).is_none());
            let signature = spend.sign(NETWORK, b"body");
            assert!(verify_spend(output, NETWORK, b"body", signature));
            assert!(!verify_spend(output, NETWORK, b"other", signature));
        }
    }

    #[test]
    fn an_address_survives_text_and_a_typo_is_caught() {
        let address = WalletSecret::from_seed(&[1; 32]).address();
        let text = address.to_string();
        assert_eq!(text.parse(), Ok(address));
        let swapped = if text.ends_with('0') { "1" } else { "0" };
        let typo = format!("{}{}", &text[..text.len() - 1], swapped);
        assert_eq!(typo.parse::<Address>(), Err(AddressError::Checksum));
        assert_eq!("hello".parse::<Address>(), Err(AddressError::Shape));
    }

    #[test]
    fn a_view_key_survives_export() {
        let wallet = WalletSecret::from_seed(&[1; 32]);
        let text = wallet.view_secret().to_text();
        let view = ViewSecret::from_text(&text).expect("valid");
        assert_eq!(view.address(), wallet.address());
        let secret = TransactionSecret::from_seed(&[3; 32]);
        let (output, tag) = secret.derive(&wallet.address(), 0);
        assert!(view.owns(secret.public(), 0, output, tag));
        let last = if text.ends_with('0') { "1" } else { "0" };
        for (bad, error) in [
            (format!("{}{last}", &text[..text.len() - 1]), ViewKeyError::Checksum),
            (text[..text.len() - 2].to_owned(), ViewKeyError::Shape),
            (wallet.address().to_string(), ViewKeyError::Shape),
        ] {
            assert_eq!(ViewSecret::from_text(&bad).err(), Some(error));
        }
    }
}
