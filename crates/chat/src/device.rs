//! Devices: the keys that take part in conversations, and the certificates that say whose they are.
//!
//! A person has one identity and several devices. Each has an ed25519 key of its own, which never leaves it, and a
//! [`DeviceCertificate`]: the identity's signature on that key, for one network and a span of time. Whoever sees a device in a
//! conversation checks the certificate, and needs to ask nobody.
//!
//! The *first device* is at the identity's own node. A *linked* one is at another node, which has an identity of its own and never
//! the person's key: its certificate names that node, and has the node's [`DeviceConsent`] in it, so that nobody claims the node of
//! somebody else (docs/decisions/0057).
//!
//! What a lost device can do ends when others in its conversations remove it, or when its certificate runs out: it can't get into
//! another conversation then, nor renew itself.

use std::fmt;

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::{Decode, DecodeError, Encode, IdentityId, NetworkId, Reader, Span, Time, Writer};
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

/// The longest that a certificate may be good for: a device that is never seen again stays one no longer.
pub const CERTIFICATE_SPAN_MAX: Span = Span::days(400);

/// A certificate's encoding is at most this long, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 1 + 32 + 20 + 20 + 32 + 5 + 10 + 10 + 65 + 65;

/// Of a device at the identity's own node.
const VERSION: u8 = 1;
/// Of a linked device.
const VERSION_LINKED: u8 = 2;

/// The public key of a device (ed25519, 32 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub [u8; 32]);

/// The secret key of a device. Zeroised on drop, never printed.
#[derive(Clone)]
pub struct DeviceSecret {
    seed: Zeroizing<[u8; 32]>,
    key: DeviceKey,
}

/// What an identity signs for a device of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    pub network: NetworkId,
    pub identity: IdentityId,
    /// The node that the device is at, by its identity: what is for the device goes there. That of a first device is `identity` itself.
    pub node: IdentityId,
    pub key: DeviceKey,
    /// Which of the identity's devices this is.
    pub index: u32,
    /// Good from here on, and up to `until`.
    pub since: Time,
    pub until: Time,
    /// Of a linked device: that its node agrees.
    consent: Option<IdentitySignature>,
    signature: IdentitySignature,
}

/// A node agrees that the device with this key, which is at it, is one of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceConsent {
    pub node: IdentityId,
    pub key: DeviceKey,
    signature: IdentitySignature,
}

/// A device of one's own: its key, and the identity's word for it.
#[derive(Debug, Clone)]
pub struct Device {
    pub secret: DeviceSecret,
    pub certificate: DeviceCertificate,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the device's certificate is unreadable: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("the device's certificate is of another network")]
    OtherNetwork,
    #[error("the identity that the device claims has not signed its certificate: {0}")]
    Signature(#[from] SignatureError),
    #[error("the device's certificate is good from {since:?} to {until:?}, and it is {at:?}")]
    OutOfTime { since: Time, until: Time, at: Time },
    #[error("the device's certificate is good for longer than {CERTIFICATE_SPAN_MAX:?}")]
    TooLong,
    #[error("the device's certificate is for another key")]
    OtherKey,
    #[error("the node that the device is said to be at has not agreed: {0}")]
    Consent(SignatureError),
    #[error("a device at the identity's own node is not a linked one")]
    OwnNode,
}

impl DeviceSecret {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = DeviceKey(SigningKey::from_bytes(seed).verifying_key().to_bytes());
        Self { seed: Zeroizing::new(*seed), key }
    }

    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub fn key(&self) -> DeviceKey {
        self.key
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&self.seed).sign(message).to_bytes()
    }
}

impl DeviceCertificate {
    /// The certificate of `identity` on its device number `index`.
    pub fn issue(
        identity: &IdentitySecret,
        network: NetworkId,
        (key, index): (DeviceKey, u32),
        since: Time,
        until: Time,
    ) -> Self {
        let (signature, id) = (IdentitySignature([0; 65]), identity.id());
        Self { network, identity: id, node: id, key, index, since, until, consent: None, signature }.signed(identity)
    }

    /// The certificate of `identity` on a device number `index` that is at another node, which agrees.
    ///
    /// # Errors
    /// [`CertificateError::Consent`], [`CertificateError::OwnNode`].
    pub fn issue_linked(
        identity: &IdentitySecret,
        network: NetworkId,
        (consent, index): (&DeviceConsent, u32),
        since: Time,
        until: Time,
    ) -> Result<Self, CertificateError> {
        consent.verify(network, identity.id())?;
        let &DeviceConsent { node, key, signature: consent } = consent;
        let (signature, consent) = (IdentitySignature([0; 65]), Some(consent));
        let unsigned = Self { network, identity: identity.id(), node, key, index, since, until, consent, signature };
        Ok(unsigned.signed(identity))
    }

    fn signed(mut self, identity: &IdentitySecret) -> Self {
        self.signature = identity.sign(Purpose::Device, self.network, &self.text());
        self
    }

    /// Whether the device is at another node than the identity's own.
    pub fn is_linked(&self) -> bool {
        self.node != self.identity
    }

    /// What the node has signed, of a linked device.
    pub fn consent(&self) -> Option<DeviceConsent> {
        self.consent.map(|signature| DeviceConsent { node: self.node, key: self.key, signature })
    }

    /// Checks that the identity has signed this for `network`, whatever the time.
    ///
    /// # Errors
    /// [`CertificateError`], of which [`CertificateError::OutOfTime`] is not one here.
    pub fn verify(&self, network: NetworkId) -> Result<(), CertificateError> {
        if self.network != network {
            return Err(CertificateError::OtherNetwork);
        }
        if self.until.since(self.since) > CERTIFICATE_SPAN_MAX {
            return Err(CertificateError::TooLong);
        }
        if let Some(consent) = self.consent() {
            consent.verify(network, self.identity)?;
        }
        Ok(self.signature.verify(self.identity, Purpose::Device, network, &self.text())?)
    }

    /// Checks that `at` is in the span of time that this is good for.
    ///
    /// # Errors
    /// [`CertificateError::OutOfTime`].
    pub fn check_time(&self, at: Time) -> Result<(), CertificateError> {
        let is_good = self.since <= at && at < self.until;
        if is_good { Ok(()) } else { Err(CertificateError::OutOfTime { since: self.since, until: self.until, at }) }
    }

    /// What is signed.
    fn text(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.encode_text(&mut out);
        out.into_bytes()
    }

    fn encode_text(&self, out: &mut Writer) {
        out.byte(if self.consent.is_some() { VERSION_LINKED } else { VERSION });
        out.value(&self.network);
        out.value(&self.identity);
        if self.consent.is_some() {
            out.value(&self.node);
        }
        out.value(&self.key);
        out.varint(self.index);
        out.value(&self.since);
        out.value(&self.until);
        self.consent.iter().for_each(|consent| out.value(consent));
    }
}

impl DeviceConsent {
    /// The node agrees that the device with this key is one of `person`.
    pub fn give(node: &IdentitySecret, network: NetworkId, person: IdentityId, key: DeviceKey) -> Self {
        let signature = node.sign(Purpose::DeviceConsent, network, &Self::text(person, key));
        Self { node: node.id(), key, signature }
    }

    /// Checks that the node has agreed to be a device of `person`, which is not its own identity.
    ///
    /// # Errors
    /// [`CertificateError::Consent`], [`CertificateError::OwnNode`].
    pub fn verify(&self, network: NetworkId, person: IdentityId) -> Result<(), CertificateError> {
        if self.node == person {
            return Err(CertificateError::OwnNode);
        }
        let text = Self::text(person, self.key);
        self.signature.verify(self.node, Purpose::DeviceConsent, network, &text).map_err(CertificateError::Consent)
    }

    fn text(person: IdentityId, key: DeviceKey) -> Vec<u8> {
        [&person.0[..], &key.0].concat()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "DeviceKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSecret(of {:?})", self.key)
    }
}

impl Encode for DeviceKey {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for DeviceKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for DeviceConsent {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.node);
        out.value(&self.key);
        out.value(&self.signature);
    }
}

impl Decode for DeviceConsent {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { node: input.value()?, key: input.value()?, signature: input.value()? })
    }
}

impl Encode for DeviceCertificate {
    fn encode(&self, out: &mut Writer) {
        self.encode_text(out);
        out.value(&self.signature);
    }
}

impl Decode for DeviceCertificate {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let is_linked = match input.byte()? {
            VERSION => false,
            VERSION_LINKED => true,
            other => {
                return Err(DecodeError::UnknownVariant { kind: "device certificate version", value: other.into() });
            }
        };
        let (network, identity) = (input.value()?, input.value()?);
        let node = if is_linked { input.value()? } else { identity };
        if is_linked && node == identity {
            return Err(DecodeError::Invalid("node of a linked device"));
        }
        Ok(Self {
            network,
            identity,
            node,
            key: input.value()?,
            index: input.u32()?,
            since: input.value()?,
            until: input.value()?,
            consent: if is_linked { Some(input.value()?) } else { None },
            signature: input.value()?,
        })
    }
}
