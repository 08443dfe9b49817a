//! The certificate by which an identity vouches for the X25519 key of its dialogues.
//!
//! Noise knows only static keys; people know identities. The certificate joins the two: network, identity, static key,
//! and a time after which it is worth nothing. A provider puts it into its offer's contact, so that an initiator has the
//! static key before the first byte; both sides also exchange it inside the handshake. It is short-lived so that a node
//! can hold the static key and a certificate while the identity's own key stays in the keystore.

use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::{Decode, DecodeError, Encode, Hash, IdentityId, NetworkId, Reader, Time, Writer};

/// The format version that this code writes and reads.
pub const VERSION: u8 = 1;

/// "The static key of my dialogues on this network is this one, until then."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticCertificate {
    pub network: NetworkId,
    pub identity: IdentityId,
    pub static_key: StaticKey,
    pub not_after: Time,
    pub signature: IdentitySignature,
}

/// Why a certificate is worth nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is for another network")]
    Network,
    #[error("the certificate is of {found:?}, but {expected:?} was expected")]
    Identity { expected: IdentityId, found: IdentityId },
    #[error("the certificate is for another static key than the one in use")]
    StaticKey,
    #[error("the certificate ended at {not_after:?}; its holder must renew it (or a clock is wrong)")]
    Expired { not_after: Time },
    #[error("the certificate's signature is not by its identity")]
    Signature,
}

impl StaticCertificate {
    pub fn issue(identity: &IdentitySecret, network: NetworkId, static_key: StaticKey, not_after: Time) -> Self {
        let text = signed_text(network, identity.id(), static_key, not_after);
        let signature = identity.sign(Purpose::DialogueStatic, network, &text);
        Self { network, identity: identity.id(), static_key, not_after, signature }
    }

    /// Checks network, time and signature. Whether identity and key are the expected ones is for the caller to say.
    pub fn verify(&self, network: NetworkId, now: Time) -> Result<(), CertificateError> {
        if self.network != network {
            return Err(CertificateError::Network);
        }
        if self.not_after < now {
            return Err(CertificateError::Expired { not_after: self.not_after });
        }
        let text = signed_text(network, self.identity, self.static_key, self.not_after);
        let verified = self.signature.verify(self.identity, Purpose::DialogueStatic, network, &text);
        verified.map_err(|_| CertificateError::Signature)
    }
}

fn signed_text(network: NetworkId, identity: IdentityId, static_key: StaticKey, not_after: Time) -> Vec<u8> {
    let mut out = Writer::new();
    write_unsigned(&mut out, network, identity, static_key, not_after);
    out.into_bytes()
}

fn write_unsigned(out: &mut Writer, network: NetworkId, identity: IdentityId, static_key: StaticKey, not_after: Time) {
    out.byte(VERSION);
    out.value(&network.0);
    out.raw(&identity.0);
    out.value(&static_key);
    out.value(&not_after);
}

impl Encode for StaticCertificate {
    fn encode(&self, out: &mut Writer) {
        write_unsigned(out, self.network, self.identity, self.static_key, self.not_after);
        out.value(&self.signature);
    }
}

impl Decode for StaticCertificate {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            value => return Err(DecodeError::UnknownVariant { kind: "certificate version", value: value.into() }),
        }
        let network = NetworkId(input.value::<Hash>()?);
        let identity = IdentityId(input.array()?);
        let (static_key, not_after) = (input.value()?, input.value()?);
        Ok(Self { network, identity, static_key, not_after, signature: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
    const END: Time = Time(1000);

    #[test]
    fn a_certificate_is_good_for_one_network_key_identity_and_time() {
        let alice = IdentitySecret::from_bytes(&[1; 32]).expect("a key");
        let bob = IdentitySecret::from_bytes(&[2; 32]).expect("a key");
        let good = StaticCertificate::issue(&alice, NETWORK, StaticKey([3; 32]), END);
        let other = NetworkId(Hash([8; 32]));
        let expired = CertificateError::Expired { not_after: END };
        for (certificate, network, now, expected) in [
            (good, NETWORK, END, Ok(())),
            (good, NETWORK, Time(1001), Err(expired)),
            (good, other, END, Err(CertificateError::Network)),
            (StaticCertificate { network: other, ..good }, other, END, Err(CertificateError::Signature)),
            (StaticCertificate { identity: bob.id(), ..good }, NETWORK, END, Err(CertificateError::Signature)),
            (
                StaticCertificate { static_key: StaticKey([4; 32]), ..good },
                NETWORK,
                END,
                Err(CertificateError::Signature),
            ),
            (StaticCertificate { not_after: Time(2000), ..good }, NETWORK, END, Err(CertificateError::Signature)),
        ] {
            assert_eq!(certificate.verify(network, now), expected, "{certificate:?}");
        }
        assert_eq!(StaticCertificate::from_bytes(&good.to_bytes()), Ok(good));
    }
}
