//! TLS of fronts and of those who connect to them: certificates from files, and whom a client believes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature};
use tokio_rustls::rustls::crypto::{ring, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError as BadCertificate, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

/// What a browser and a web server agree on where neither has anything newer.
const HTTP: &[u8] = b"http/1.1";

/// A certificate's public key, as SHA-256 of its DER (`SubjectPublicKeyInfo`). In text 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// A front's certificate chain and its key.
#[derive(Debug)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{path} has no certificate or key in PEM form: {detail}")]
    File { path: PathBuf, detail: String },
    #[error("certificate and key don't make a server: {0}; are they of the same key?")]
    Unusable(Error),
}

impl Certificate {
    /// From PEM files, as certificate authorities and their tools leave them: the chain, own certificate first, and the key.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let wrong = |path: &Path, detail: String| CertificateError::File { path: path.to_owned(), detail };
        let read = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = read.map_err(|error| wrong(chain, error.to_string()))?;
        if found.is_empty() {
            return Err(wrong(chain, "it is empty".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
        Ok(Self { chain: found, key })
    }

    /// By which clients know the key without any authority.
    pub fn pin(&self) -> Result<Pin, CertificateError> {
        // A chain is never empty.
        self.chain.first().map_or(Err(Error::NoCertificatesPresented), Pin::of).map_err(CertificateError::Unusable)
    }

    /// TLS 1.2 and 1.3, as web servers have it.
    pub(super) fn into_server(self) -> Result<ServerConfig, CertificateError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(CertificateError::Unusable)?;
        let made = builder.with_no_client_auth().with_single_cert(self.chain, self.key);
        let mut config = made.map_err(CertificateError::Unusable)?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(config)
    }
}

impl Pin {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self(Sha256::digest(&*key).into()))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Pin {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
    }
}

/// A client that believes the public authorities, or only who has the pinned key.
pub(super) fn client(pin: Option<Pin>) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    // Asked for as every program with this library asks; below 1.3 nothing is proved.
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has cipher suites of both versions");
    let mut config = match pin {
        Some(pin) => {
            let verifier = Pinned { pin, algorithms: algorithms(&provider) };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        None => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![HTTP.to_vec()];
    Arc::new(config)
}

fn algorithms(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// Believes one key. Names and dates of the certificate say nothing that it doesn't.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match Pin::of(end_entity)? == self.pin {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(BadCertificate::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
