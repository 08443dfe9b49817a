//! What a holder is given: a parcel, and whom it is from, sealed for whom it is for.
//!
//! HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305) to the key of the client's dialogues, which its card and its offers
//! show. The sender is inside, with its signature: a holder can't read it, nor put itself in its place. Lengths are padded as by Padmé
//! (Nikitin et al., 2019), which tells at most log log of a length.

use byway_crypto::identity::SignatureError;
use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, IdentityId, NetworkId, Time};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::delivery::ParcelId;
use crate::delivery::letter::PARCEL_MAX;

const NAME: Context = Context("byway 1 held envelope");
const ENCAPSULATION: Context = Context("byway 1 derive: encapsulation of a held envelope");
const INFO: &[u8] = b"byway 1 held envelope";

/// Bytes before the ciphertext: the encapsulated key.
const ENCAPPED_BYTES: usize = 32;
/// Bytes that the seal adds: the encapsulated key and the tag.
const SEAL_BYTES: usize = ENCAPPED_BYTES + 16;
/// Short parcels are all of one length.
const PADDED_MIN: usize = 512;
/// Bytes of the longest: padding adds no more than an eighth.
pub const ENVELOPE_MAX: usize = PARCEL_MAX + PARCEL_MAX / 8 + 1024;

/// Names an envelope, and by that whom it is for and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId(pub Hash);

/// A sealed parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// From then on nobody holds it any more.
    pub until: Time,
    pub sealed: Vec<u8>,
}

/// What was in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub sender: IdentityId,
    pub parcel: Vec<u8>,
}

/// An envelope that can't be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the key that it is sealed for is none")]
    Key,
    #[error("it was not sealed for this identity, or is damaged")]
    Sealed,
    #[error("what is in it can't be read: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("whoever is said to have sent it has not signed it: {0}")]
    Signature(#[from] SignatureError),
}

impl EnvelopeId {
    /// The name of an envelope for `client`.
    pub fn of(client: IdentityId, envelope: &Envelope) -> Self {
        Self(NAME.hash(&[&client.0, &envelope.until.0.to_be_bytes(), &envelope.sealed]))
    }
}

impl Envelope {
    /// Seals a parcel for `client`. The same for the same: nothing else is sealed under what this derives.
    ///
    /// # Errors
    /// [`EnvelopeError::Key`].
    pub fn seal(
        sender: &IdentitySecret,
        network: NetworkId,
        (client, key): (IdentityId, StaticKey),
        until: Time,
        parcel: &[u8],
    ) -> Result<Self, EnvelopeError> {
        let name = ParcelId::of(parcel);
        let signature = sender.sign(Purpose::HeldLetter, network, &signed_text(client, until, name));
        let mut out = Writer::new();
        out.value(&sender.id());
        out.value(&signature);
        out.bytes(parcel);
        let mut plain = Zeroizing::new(out.into_bytes());
        let length = padded(plain.len());
        plain.resize(length, 0);
        let parts: [&[u8]; 5] = [&network.0.0, &client.0, &key.0, &until.0.to_be_bytes(), &name.0.0];
        let mut stream = ChaCha20Rng::from_seed(*Zeroizing::new(sender.derive(ENCAPSULATION, &parts).0));
        let public = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(&key.0).map_err(|_| EnvelopeError::Key)?;
        let (encapped, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            INFO,
            &plain,
            &bound_to(network, client, until),
            &mut stream,
        )
        .map_err(|_| EnvelopeError::Key)?;
        Ok(Self { until, sealed: [&encapped.to_bytes()[..], &sealed].concat() })
    }

    /// What is in it, for whom it is for; `secret` is that of its dialogues.
    ///
    /// # Errors
    /// [`EnvelopeError`], for which it makes no sense to whom it is for, and never will.
    pub fn open(&self, network: NetworkId, client: IdentityId, secret: &[u8; 32]) -> Result<Opened, EnvelopeError> {
        let (encapped, sealed) = self.sealed.split_at_checked(ENCAPPED_BYTES).ok_or(EnvelopeError::Sealed)?;
        let encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(encapped);
        let secret = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(secret);
        let (Ok(encapped), Ok(secret)) = (encapped, secret) else { return Err(EnvelopeError::Sealed) };
        let plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret,
            &encapped,
            INFO,
            sealed,
            &bound_to(network, client, self.until),
        );
        let plain = Zeroizing::new(plain.map_err(|_| EnvelopeError::Sealed)?);
        let mut input = Reader::new(&plain);
        let (sender, signature): (IdentityId, IdentitySignature) = (input.value()?, input.value()?);
        let parcel = input.bytes(PARCEL_MAX)?.to_vec();
        // What follows is padding, which nobody but the sender can have chosen.
        let text = signed_text(client, self.until, ParcelId::of(&parcel));
        signature.verify(sender, Purpose::HeldLetter, network, &text)?;
        Ok(Opened { sender, parcel })
    }
}

fn bound_to(network: NetworkId, client: IdentityId, until: Time) -> Vec<u8> {
    [&network.0.0[..], &client.0, &until.0.to_be_bytes()].concat()
}

fn signed_text(client: IdentityId, until: Time, parcel: ParcelId) -> Vec<u8> {
    let mut out = Writer::new();
    out.value(&client);
    out.value(&until);
    out.value(&parcel);
    out.into_bytes()
}

/// How long a content of so many bytes is made: by Padmé, and no shorter than [`PADDED_MIN`].
fn padded(length: usize) -> usize {
    let length = length.max(PADDED_MIN);
    let exponent = length.ilog2();
    // Of the bits below the highest, as many are kept as it takes to write the exponent; three at the least.
    let kept = (exponent.ilog2() + 1).max(3);
    length.next_multiple_of(1 << (exponent - kept))
}

/// How long the envelope of a parcel of so many bytes is.
pub fn sealed_length(parcel: usize) -> usize {
    let mut length = Writer::new();
    length.varint(parcel as u64);
    padded(20 + 65 + length.len() + parcel) + SEAL_BYTES
}

impl Encode for EnvelopeId {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for EnvelopeId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}
