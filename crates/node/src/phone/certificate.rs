//! The certificate that the door shows: made once, signed by itself, kept with its key in the sealed journal.
//!
//! Its fingerprint is what a person compares, so it must not change, and it names no address: those change. Browsers doubt it in any
//! case.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ServerConfig};
use zeroize::Zeroizing;

/// A name that nothing is reached by (RFC 2606).
const NAME: &str = "byway.invalid";

/// A certificate, and the key that it is for (ECDSA on P-256, which every browser knows).
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// PKCS #8.
    key: Zeroizing<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate for phones can't be made: {0}")]
    Making(#[from] rcgen::Error),
    #[error("the certificate for phones can't be used: {0}")]
    Using(#[from] rustls::Error),
    #[error("the certificate for phones is damaged where it is kept")]
    Kept,
}

impl Certificate {
    /// A new one, out of the operating system's randomness.
    pub fn make() -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Byway node");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(&key)?;
        Ok(Self { der: certificate.der().to_vec(), key: Zeroizing::new(key.serialize_der()) })
    }

    /// What is kept of it, where only the node can read: both parts as hex digits, the certificate first.
    pub fn to_kept(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex::encode(&*self.key));
        Zeroizing::new(format!("{} {}", hex::encode(&self.der), *key))
    }

    /// Out of what was kept.
    pub fn from_kept(kept: &[u8]) -> Result<Self, CertificateError> {
        let text = std::str::from_utf8(kept).map_err(|_| CertificateError::Kept)?;
        let (der, key) = text.split_once(' ').ok_or(CertificateError::Kept)?;
        let bytes = |digits: &str| hex::decode(digits).map_err(|_| CertificateError::Kept);
        Ok(Self { der: bytes(der)?, key: Zeroizing::new(bytes(key)?) })
    }

    /// SHA-256 of the certificate as browsers show it: pairs of hex digits, with colons.
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> = Sha256::digest(&self.der).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// What TLS is served with: version 1.3 alone, which every browser of the last years speaks.
    pub fn server(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from(self.der.clone())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec()));
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_kept_with_its_fingerprint_and_can_be_served() {
        let made = Certificate::make().unwrap();
        let read = Certificate::from_kept(made.to_kept().as_bytes()).unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(made.fingerprint().split(':').count(), 32);
        assert!(read.server().is_ok());
        assert!(Certificate::from_kept(b"00").is_err() && Certificate::from_kept(b"00 0g").is_err());
        assert_ne!(Certificate::make().unwrap().fingerprint(), made.fingerprint(), "each node has its own");
    }
}
