//! The handshake: who says what before a dialogue is on a link.
//!
//! ```text
//! initiator                                                     responder
//!   Hello   = IK₁{certificate, dialogue id, incarnation}   →      checks network, certificate, rules of glare
//!           ←   Welcome = IK₂{certificate, incarnation, answer}   keeps a half-open, changes nothing else
//!   Live    = sealed{positions, new secret | proof}        →      now it knows that the initiator is there
//!           ←   Ready   = sealed{positions, proof}                dialogue made or found, link taken into use
//! ```
//!
//! The Noise prologue binds protocol and version, network, and the link's channel binding: a Hello recorded on one
//! channel does not even decrypt on another. Inside one channel it can be replayed, and gains nothing: a Hello leaves
//! behind a half-open that times out.
//!
//! A dialogue is known by a secret that its initiator drew. The secret travels once, in Live, under keys that both sides'
//! ephemerals went into; afterwards each side proves that it holds it with a digest over secret, role and handshake hash.
//! So the theft of a static key alone does not let a thief continue a dialogue.

use std::fmt;

use byway_crypto::noise::{Handshake, NoiseError, StaticKey};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, IdentityId, NetworkId, Reader, Time, Writer};
use zeroize::Zeroizing;

use crate::certificate::{CertificateError, StaticCertificate};
use crate::link::Link;
use crate::news::Refusal;

/// Protocol and version, first in the prologue: two versions can't complete a handshake by mistake.
const PROTOCOL: &[u8] = b"byway dialogue 1";
const DIALOGUE_ID: Context = Context("byway 1 dialogue id");
const PROOF: Context = Context("byway 1 dialogue proof");
const SECRET: Context = Context("byway 1 dialogue secret");
const SEED: Context = Context("byway 1 dialogue seed");

/// Names a dialogue: a digest of its secret, which it does not give away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogueId(pub [u8; 16]);

/// Names one run of a node, so that fleeting positions of an earlier run are not mistaken for those of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incarnation(pub [u8; 8]);

/// Whoever holds it (and the static key) can continue the dialogue. Zeroised on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DialogueSecret(Zeroizing<[u8; 32]>);

/// What this node opens and answers with: an identity's certificate and the static secret that it certifies.
#[derive(Debug, Clone)]
pub struct Local {
    certificate: StaticCertificate,
    secret: StaticSecret,
}

/// The certificate is for another static key than the one given with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate does not certify this static key; issue one for it")]
pub struct LocalError;

/// A side's part in one handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// What the first Noise message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HelloPayload {
    pub certificate: StaticCertificate,
    pub dialogue: DialogueId,
    pub incarnation: Incarnation,
}

/// What the second Noise message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WelcomePayload {
    pub certificate: StaticCertificate,
    pub incarnation: Incarnation,
    pub answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The responder holds this dialogue.
    Known,
    /// It does not, and would take it as a new one.
    Unknown,
    Refused(Refusal),
}

/// Randomness for one command, expanded as needed. What was drawn can't be found from what is left.
pub(crate) struct Seeds(Zeroizing<[u8; 32]>);

#[derive(Clone)]
struct StaticSecret(Zeroizing<[u8; 32]>);

impl DialogueSecret {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn derive(seed: &[u8; 32]) -> Self {
        Self::from_bytes(SECRET.hash(&[seed]).0)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn id(&self) -> DialogueId {
        let mut id = [0; 16];
        DIALOGUE_ID.expand(&[&*self.0], &mut id);
        DialogueId(id)
    }

    /// What shows, in one handshake and for one role only, that the secret is held.
    pub fn proof(&self, role: Role, handshake: &[u8; 64]) -> Hash {
        let role = match role {
            Role::Initiator => 0,
            Role::Responder => 1,
        };
        PROOF.hash(&[&*self.0, &[role], handshake])
    }
}

impl Seeds {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    pub fn draw(&mut self) -> Zeroizing<[u8; 32]> {
        let wide = Zeroizing::new(SEED.hash_wide(&[&*self.0]));
        let mut drawn = Zeroizing::new([0; 32]);
        drawn.copy_from_slice(&wide[..32]);
        self.0.copy_from_slice(&wide[32..]);
        drawn
    }
}

impl Local {
    pub fn new(certificate: StaticCertificate, static_secret: [u8; 32]) -> Result<Self, LocalError> {
        let secret = StaticSecret(Zeroizing::new(static_secret));
        match StaticKey::of(&secret.0) == certificate.static_key {
            true => Ok(Self { certificate, secret }),
            false => Err(LocalError),
        }
    }

    pub fn identity(&self) -> IdentityId {
        self.certificate.identity
    }

    pub fn certificate(&self) -> &StaticCertificate {
        &self.certificate
    }

    pub(crate) fn initiate(
        &self,
        network: NetworkId,
        link: &Link,
        responder: StaticKey,
        seed: &[u8; 32],
    ) -> Result<Handshake, NoiseError> {
        Handshake::initiator(&self.secret.0, responder, &prologue(network, link), seed)
    }

    pub(crate) fn respond(&self, network: NetworkId, link: &Link, seed: &[u8; 32]) -> Result<Handshake, NoiseError> {
        Handshake::responder(&self.secret.0, &prologue(network, link), seed)
    }
}

/// Fixed sizes throughout, so the parts can't run into each other.
fn prologue(network: NetworkId, link: &Link) -> Vec<u8> {
    [PROTOCOL, &network.0.0, &link.binding].concat()
}

/// Checks a certificate that came in a handshake against the static key that the handshake itself proved.
pub(crate) fn check_certificate(
    certificate: &StaticCertificate,
    proved: Option<StaticKey>,
    network: NetworkId,
    now: Time,
) -> Result<(), CertificateError> {
    if proved != Some(certificate.static_key) {
        return Err(CertificateError::StaticKey);
    }
    certificate.verify(network, now)
}

impl Encode for HelloPayload {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.raw(&self.dialogue.0);
        out.raw(&self.incarnation.0);
    }
}

impl Decode for HelloPayload {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let certificate = input.value()?;
        let (dialogue, incarnation) = (DialogueId(input.array()?), Incarnation(input.array()?));
        Ok(Self { certificate, dialogue, incarnation })
    }
}

impl Encode for WelcomePayload {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.raw(&self.incarnation.0);
        out.value(&self.answer);
    }
}

impl Decode for WelcomePayload {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, incarnation: Incarnation(input.array()?), answer: input.value()? })
    }
}

impl Encode for Answer {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Known => out.byte(0),
            Self::Unknown => out.byte(1),
            Self::Refused(refusal) => {
                out.byte(2);
                out.value(refusal);
            }
        }
    }
}

impl Decode for Answer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Known),
            1 => Ok(Self::Unknown),
            2 => Ok(Self::Refused(input.value()?)),
            value => Err(DecodeError::UnknownVariant { kind: "answer", value: value.into() }),
        }
    }
}

impl fmt::Debug for DialogueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialogueId({:016x})", u64::from_be_bytes(*self.0.first_chunk().expect("16 bytes hold 8")))
    }
}

impl fmt::Debug for DialogueSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialogueSecret(of {:?})", self.id())
    }
}

impl fmt::Debug for StaticSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticSecret")
    }
}

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeds")
    }
}

#[cfg(test)]
mod tests;
