//! The way to a server: through the node's proxy, and encrypted where the URL says so.
//!
//! The proxy is a SOCKS5 server (RFC 1928); names are resolved at the exit. Under `https` the certificate is checked
//! here, against the public authorities and those that the user names, so that neither the exit nor anyone behind it can
//! read or change what is fetched.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

use super::FetchError;
use super::url::{Scheme, Url};
use crate::http1::HttpError;

/// Silence after which a connection counts as cut.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const ALPN: &[u8] = b"http/1.1";

/// How servers are reached.
#[derive(Clone)]
pub struct Route {
    /// `host:port` of the proxy.
    proxy: String,
    tls: Arc<ClientConfig>,
}

/// Certificates to trust can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{path} can't be read: {source}; name a file with certificates in PEM form")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0} holds no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    #[error("{path} holds a certificate that can't be used ({why}); name the certificate of an authority")]
    Unusable { path: PathBuf, why: String },
    #[error("encryption is not available: {0}")]
    Encryption(rustls::Error),
}

/// A SOCKS5 reply that is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no exit is open and none could be opened; `byway status` says why")]
    General,
    #[error(
        "the exit's rules forbid this address: exits refuse private and local addresses, and ports for mail. (`byway \
         status` shows whether the node was disconnected meanwhile)"
    )]
    NotAllowed,
    #[error("the exit can't reach the server's network; try again later, or choose another exit with `byway connect`")]
    Network,
    #[error("the exit can't find or reach the server; check the name in the URL")]
    Host,
    #[error("the server refused the connection; check the port in the URL")]
    Connection,
    #[error("the connection timed out on the way; try again, or choose another exit with `byway connect`")]
    Ttl,
    #[error("what answers at the proxy's address is no SOCKS5 proxy; `byway status` shows the node's")]
    NotSocks,
}

/// Why a server's certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    #[error(
        "nobody who signed it is known here. If the server is your own, name the certificate of its authority with \
         --ca-file; otherwise somebody on the way may be pretending to be it"
    )]
    Issuer,
    #[error("it is for another name. Check the URL; somebody on the way may be pretending to be it")]
    Name,
    #[error("its time is over or has not begun. Check this machine's clock; otherwise its operator must renew it")]
    Time,
    #[error("{0}. Nothing was fetched; ask the server's operator")]
    Other(String),
}

/// What bytes of a connection go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Route {
    /// Through `proxy`, trusting the public authorities and those in `authorities`, a PEM file.
    pub fn new(proxy: &str, authorities: Option<&Path>) -> Result<Self, AuthorityError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = authorities {
            add_authorities(&mut roots, path)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(AuthorityError::Encryption)?;
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { proxy: proxy.to_owned(), tls: Arc::new(tls) })
    }

    /// A connection to the server of `url`.
    pub(super) async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, FetchError> {
        let stream = Alive::new(self.through_proxy(url).await?);
        match url.scheme {
            Scheme::Http => Ok(Box::new(stream)),
            Scheme::Https => self.encrypt(url, stream).await,
        }
    }

    async fn encrypt(&self, url: &Url, stream: Alive) -> Result<Box<dyn Stream>, FetchError> {
        let name = ServerName::try_from(url.host.clone()).map_err(|_| FetchError::Name(url.host.clone()))?;
        let connected = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        connected.map(|stream| Box::new(stream) as Box<dyn Stream>).map_err(|error| tls_error(url, error))
    }

    async fn through_proxy(&self, url: &Url) -> Result<TcpStream, FetchError> {
        let unreachable = |source| FetchError::Proxy { proxy: self.proxy.clone(), source };
        let mut stream = TcpStream::connect(&self.proxy).await.map_err(unreachable)?;
        stream.write_all(&[5, 1, 0]).await.map_err(unreachable)?;
        let mut choice = [0; 2];
        stream.read_exact(&mut choice).await.map_err(unreachable)?;
        if choice != [5, 0] {
            return Err(Refusal::NotSocks.into());
        }
        let length = u8::try_from(url.host.len()).map_err(|_| Refusal::NotSocks)?;
        let mut request = vec![5, 1, 0, 3, length];
        request.extend_from_slice(url.host.as_bytes());
        request.extend_from_slice(&url.port.to_be_bytes());
        stream.write_all(&request).await.map_err(unreachable)?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).await.map_err(unreachable)?;
        refusal(reply[1])?;
        let bound_length = match reply[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(unreachable)?),
            _ => return Err(Refusal::NotSocks.into()),
        };
        let mut bound = vec![0; bound_length + 2];
        stream.read_exact(&mut bound).await.map_err(unreachable)?;
        Ok(stream)
    }
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), AuthorityError> {
    let text = std::fs::read(path).map_err(|source| AuthorityError::Read { path: path.to_owned(), source })?;
    let unusable = |why: String| AuthorityError::Unusable { path: path.to_owned(), why };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.len() == before { Err(AuthorityError::NoCertificate(path.to_owned())) } else { Ok(()) }
}

fn tls_error(url: &Url, error: io::Error) -> FetchError {
    let host = url.host.clone();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(fault)) => {
            FetchError::Certificate { host, why: BadCertificate::of(fault) }
        }
        Some(fault) => FetchError::Tls { host, why: fault.to_string() },
        None if error.kind() == io::ErrorKind::TimedOut => FetchError::Silence,
        None => FetchError::Http(HttpError::Io(error)),
    }
}

impl BadCertificate {
    fn of(fault: &CertificateError) -> Self {
        match fault {
            CertificateError::UnknownIssuer => Self::Issuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Time,
            other => Self::Other(other.to_string()),
        }
    }
}

fn refusal(code: u8) -> Result<(), Refusal> {
    Err(match code {
        0 => return Ok(()),
        2 => Refusal::NotAllowed,
        3 => Refusal::Network,
        4 => Refusal::Host,
        5 => Refusal::Connection,
        6 => Refusal::Ttl,
        7 | 8 => Refusal::NotSocks,
        _ => Refusal::General,
    })
}

/// A connection that fails when nothing comes for [`SILENCE_MAX`].
struct Alive {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
}

impl Alive {
    fn new(stream: TcpStream) -> Self {
        Self { stream, silence: Box::pin(tokio::time::sleep(SILENCE_MAX)) }
    }
}

impl AsyncRead for Alive {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_ready() {
            this.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
            return read;
        }
        ready!(Future::poll(this.silence.as_mut(), cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Alive {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
