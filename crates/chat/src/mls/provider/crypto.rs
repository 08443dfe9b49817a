//! The primitives of the one ciphersuite, each from a library.
//!
//! An encapsulation needs randomness, and many are made at once. It is derived from the operation's seed and all that goes into the
//! encapsulation (hedged, as in RFC 6979 and RFC 9180 §9.7.5), so it needs neither a counter nor a lock, and is the same in whatever
//! order they are made. Two that are equal in everything come out equal, which tells nobody more than that.

use byway_primitives::hash::Context;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig,
    HpkeKdfType, HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest as _, Sha256};
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use crate::mls::SUITE;

const ENCAPSULATION: Context = Context("byway 1 derive: one encapsulation of a conversation");

type Public = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type Private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type Encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

pub struct Crypto {
    hedge: Zeroizing<[u8; 32]>,
}

impl Crypto {
    pub fn new(hedge: [u8; 32]) -> Self {
        Self { hedge: Zeroizing::new(hedge) }
    }

    /// The randomness of one encapsulation.
    fn stream(&self, parts: [&[u8]; 4]) -> ChaCha20Rng {
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let mut input: Vec<&[u8]> = vec![&self.hedge[..]];
        for (length, part) in lengths.iter().zip(parts) {
            input.extend([&length[..], part]);
        }
        ChaCha20Rng::from_seed(*Zeroizing::new(ENCAPSULATION.hash(&input).0))
    }
}

fn check_hash(kind: HashType) -> Result<(), CryptoError> {
    if kind == HashType::Sha2_256 { Ok(()) } else { Err(CryptoError::UnsupportedHashAlgorithm) }
}

fn check_aead(kind: AeadType) -> Result<(), CryptoError> {
    if kind == AeadType::ChaCha20Poly1305 { Ok(()) } else { Err(CryptoError::UnsupportedAeadAlgorithm) }
}

fn check_scheme(scheme: SignatureScheme) -> Result<(), CryptoError> {
    if scheme == SignatureScheme::ED25519 { Ok(()) } else { Err(CryptoError::UnsupportedSignatureScheme) }
}

fn check_hpke(HpkeConfig(kem, kdf, aead): HpkeConfig) -> Result<(), CryptoError> {
    let ours = (HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305);
    if (kem, kdf, aead) == ours { Ok(()) } else { Err(CryptoError::UnsupportedKdf) }
}

fn public(bytes: &[u8]) -> Result<Public, CryptoError> {
    Public::from_bytes(bytes).map_err(|_| CryptoError::InvalidPublicKey)
}

fn private(bytes: &[u8]) -> Result<Private, CryptoError> {
    Private::from_bytes(bytes).map_err(|_| CryptoError::InvalidLength)
}

fn cipher(key: &[u8], nonce: &[u8]) -> Result<(ChaCha20Poly1305, [u8; 12]), CryptoError> {
    let cipher = ChaCha20Poly1305::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
    Ok((cipher, nonce.try_into().map_err(|_| CryptoError::InvalidLength)?))
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == SUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hkdf_extract(&self, kind: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(kind)?;
        let (key, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        Ok(key.to_vec().into())
    }

    fn hmac(&self, kind: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        check_hash(kind)?;
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec().into())
    }

    fn hkdf_expand(
        &self,
        kind: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        check_hash(kind)?;
        let key = Hkdf::<Sha256>::from_prk(prk).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        let mut out = vec![0; length];
        key.expand(info, &mut out).map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(out.into())
    }

    fn hash(&self, kind: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_hash(kind)?;
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(
        &self,
        kind: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_aead(kind)?;
        let (cipher, nonce) = cipher(key, nonce)?;
        let sealed = cipher.encrypt(&nonce.into(), Payload { msg: data, aad });
        sealed.map_err(|_| CryptoError::CryptoLibraryError)
    }

    fn aead_decrypt(
        &self,
        kind: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_aead(kind)?;
        let (cipher, nonce) = cipher(key, nonce)?;
        let opened = cipher.decrypt(&nonce.into(), Payload { msg: sealed, aad });
        opened.map_err(|_| CryptoError::AeadDecryptionError)
    }

    /// Devices bring their keys along.
    fn signature_key_gen(&self, _: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        Err(CryptoError::UnsupportedSignatureScheme)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        check_scheme(scheme)?;
        let key = VerifyingKey::try_from(key).map_err(|_| CryptoError::InvalidPublicKey)?;
        let signature = Signature::from_slice(signature).map_err(|_| CryptoError::InvalidSignature)?;
        key.verify_strict(data, &signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_scheme(scheme)?;
        let key = SigningKey::try_from(key).map_err(|_| CryptoError::InvalidLength)?;
        Ok(key.sign(data).to_bytes().to_vec())
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
        plain: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        check_hpke(config)?;
        let mut stream = self.stream([key, info, aad, plain]);
        let (kem_output, ciphertext) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public(key)?,
            info,
            plain,
            aad,
            &mut stream,
        )
        .map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: kem_output.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_hpke(config)?;
        let encapped =
            Encapped::from_bytes(input.kem_output.as_slice()).map_err(|_| CryptoError::HpkeDecryptionError)?;
        hpke::single_shot_open::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private(key)?,
            &encapped,
            info,
            input.ciphertext.as_slice(),
            aad,
        )
        .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        check_hpke(config)?;
        let mut stream = self.stream([key, info, context, &(length as u64).to_be_bytes()]);
        let (encapped, sender) = hpke::setup_sender_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public(key)?,
            info,
            &mut stream,
        )
        .map_err(|_| CryptoError::SenderSetupError)?;
        let mut secret = vec![0; length];
        sender.export(context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok((encapped.to_bytes().to_vec(), secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapped: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        check_hpke(config)?;
        let encapped = Encapped::from_bytes(encapped).map_err(|_| CryptoError::ReceiverSetupError)?;
        let receiver = hpke::setup_receiver::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private(key)?,
            &encapped,
            info,
        )
        .map_err(|_| CryptoError::ReceiverSetupError)?;
        let mut secret = vec![0; length];
        receiver.export(context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok(secret.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        check_hpke(config)?;
        let (private, public) = X25519HkdfSha256::derive_keypair(ikm);
        Ok(HpkeKeyPair { private: private.to_bytes().to_vec().into(), public: public.to_bytes().to_vec() })
    }
}
