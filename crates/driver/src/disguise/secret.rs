//! What those know who may pass a front, and the proof of it.

use std::fmt;

use byway_primitives::hash::Context;
use subtle::ConstantTimeEq;
use tokio_rustls::rustls::{self, ProtocolVersion};
use zeroize::Zeroizing;

use crate::entropy;

const PROOF: Context = Context("byway 1 front: proof of the secret");
/// The label under which both ends derive what the proof is made for (RFC 5705).
const LABEL: &[u8] = b"EXPORTER-byway-front-1";
const BYTES: usize = 32;

/// A front's secret: 32 random bytes, in text 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; BYTES]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a front's secret is 64 hex digits; copy it whole")]
pub struct SecretError;

/// Proves within one TLS session that its sender knows the secret.
#[derive(Clone)]
pub(super) struct Proof([u8; BYTES]);

impl Secret {
    pub fn generate() -> Self {
        Self(Zeroizing::new(entropy::seed()))
    }

    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        hex::decode_to_slice(text, &mut *bytes).map_err(|_| SecretError)?;
        Ok(Self(bytes))
    }

    /// As people and files have it.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// The proof for a session, the same at both of its ends and in no other. `None` before the handshake is over, and
    /// below TLS 1.3, where sessions can be made to share what the proof is made for.
    pub(super) fn proof<Side>(&self, session: &rustls::ConnectionCommon<Side>) -> Option<Proof> {
        if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return None;
        }
        let keying = session.export_keying_material([0; BYTES], LABEL, None).ok()?;
        Some(Proof(PROOF.hash(&[&*self.0, &keying]).0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Proof {
    /// As it stands in a request.
    pub(super) fn to_text(&self) -> String {
        hex::encode(self.0)
    }

    /// Whether `text` is this proof. How long it takes says nothing of the proof.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.to_text().as_bytes().ct_eq(text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_and_shows_itself_nowhere() {
        let secret = Secret::generate();
        let text = secret.to_text();
        assert_eq!(Secret::parse(&text), Ok(secret.clone()));
        assert!(!format!("{secret:?}").contains(&text[..8]));
        for wrong in ["", "abc", &text[1..], &text.replace(|c: char| c.is_ascii_hexdigit(), "z")] {
            assert_eq!(Secret::parse(wrong), Err(SecretError), "{wrong}");
        }
    }
}
