//! One HTTP fetch through the node's proxy.
//!
//! A SOCKS5 client (RFC 1928, names resolved at the exit) and a GET. Into a file, the content is collected in
//! `FILE.part` and renamed when whole; a connection that is cut is taken up again by `Range`, also by a later run of the
//! same command, as long as the server's validator shows that the content is still the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::directory::{DirectoryError, read_json, write_json};
use crate::http1::{self, Head, HttpError};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Attempts in a row that bring nothing new.
const ATTEMPTS_MAX: u32 = 8;
/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Connecting may open a session first.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
/// Silence after which a connection counts as cut.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub target: String,
}

/// Why a URL can't be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error(
        "`byway fetch` does not speak https; the proxy carries it all the same: curl -x socks5h://{{PROXY}} {0}, with \
         the proxy's address from `byway status`"
    )]
    Https(String),
    #[error("{0:?} is not a URL; write http://host/path")]
    Malformed(String),
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the proxy {proxy} can't be reached: {source}; `byway status` shows whether the node runs")]
    Proxy { proxy: String, source: io::Error },
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("the server says nothing any more; try again")]
    Silence,
    #[error("the server answered {0}{word}", word = status_word(*.0))]
    Status(u16),
    #[error("more than {REDIRECTS_MAX} redirects, last to {0}")]
    Redirects(String),
    #[error("{0}")]
    Url(#[from] UrlError),
    #[error("{path} can't be written: {source}")]
    Output { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Note(#[from] DirectoryError),
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
    #[error("the exit can't reach the server's network")]
    Network,
    #[error("the exit can't find or reach the server; check the name in the URL")]
    Host,
    #[error("the server refused the connection; check the port in the URL")]
    Connection,
    #[error("the connection timed out on the way")]
    Ttl,
    #[error("that address is not one of SOCKS5")]
    NotSocks,
}

/// What a finished fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: u64,
    /// Times that a cut connection was taken up again.
    pub resumed: u32,
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.to_owned());
        if text.starts_with("https://") {
            return Err(UrlError::Https(text.to_owned()));
        }
        let rest = text.strip_prefix("http://").ok_or_else(malformed)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| malformed())?),
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.len() > 255 || host.contains('@') || !is_plain(host) || !is_plain(target) {
            return Err(malformed());
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { host: host.to_owned(), port, target })
    }
}

impl Url {
    /// As in a `Host` header.
    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }

    fn join(&self, location: &str) -> Result<Self, UrlError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return format!("http://{}{location}", self.authority()).parse();
        }
        location.parse()
    }
}

/// Fetches `url` through the SOCKS5 proxy at `proxy` and hands the content to `sink`. It can't be resumed.
pub async fn fetch_to_sink(
    proxy: &str,
    url: &Url,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Fetched, FetchError> {
    let (mut stream, head) = get(proxy, url, &[]).await?;
    if head.status != 200 {
        return Err(FetchError::Status(head.status));
    }
    let mut bytes = 0;
    let counted = |block: &[u8]| {
        bytes += block.len() as u64;
        sink(block)
    };
    http1::read_body(&mut stream, head.framing()?, counted).await?;
    Ok(Fetched { bytes, resumed: 0 })
}

/// Fetches `url` into `path`, taking up cut connections. `progress` hears how many bytes there are, and of how many.
pub async fn fetch_to_file(
    proxy: &str,
    url: &Url,
    path: &Path,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Fetched, FetchError> {
    let mut part = Part::open(url, path)?;
    let (mut fruitless, mut resumed) = (0, 0);
    loop {
        let before = part.length;
        let error = match part.continue_from(proxy, url, &mut progress).await {
            Ok(()) => return part.complete(path, resumed),
            Err(error) => error,
        };
        let is_worth_another = matches!(
            error,
            FetchError::Http(HttpError::Cut | HttpError::Io(_))
                | FetchError::Silence
                | FetchError::Proxy { .. }
                | FetchError::Refused(Refusal::General | Refusal::Ttl)
        );
        fruitless = if part.length > before { 0 } else { fruitless + 1 };
        if !is_worth_another || fruitless >= ATTEMPTS_MAX || part.length == 0 && before == 0 {
            part.forget_if_empty();
            return Err(error);
        }
        tracing::debug!(%error, length = part.length, "taking up a cut download");
        resumed += 1;
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// A download that is not whole yet.
struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    note: Note,
}

/// What must be the same for a part to be continued: lies beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Note {
    url: String,
    /// Strong `ETag` or `Last-Modified`. Without one, a part is begun anew.
    validator: Option<String>,
}

impl Part {
    fn open(url: &Url, target: &Path) -> Result<Self, FetchError> {
        let path = beside(target, ".part");
        let url = format!("http://{}{}", url.authority(), url.target);
        let note: Note = read_json(&beside(&path, ".json")).ok().flatten().unwrap_or_default();
        let output = |source| FetchError::Output { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(output)?;
        let length = file.metadata().map_err(output)?.len();
        let mut part = Self { file, path, length, note };
        if part.note.url != url || part.note.validator.is_none() {
            part.note = Note { url, validator: None };
            part.restart()?;
        }
        Ok(part)
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(|source| FetchError::Output { path: self.path.clone(), source })?;
        self.length = 0;
        Ok(())
    }

    async fn continue_from(
        &mut self,
        proxy: &str,
        url: &Url,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let range = format!("bytes={}-", self.length);
        let validator = self.note.validator.clone().unwrap_or_default();
        let headers = [("Range", range.as_str()), ("If-Range", validator.as_str())];
        let headers = if self.length > 0 && !validator.is_empty() { &headers[..] } else { &[] };
        let (mut stream, head) = get(proxy, url, headers).await?;
        match head.status {
            206 if content_range_start(&head) == Some(self.length) => {}
            200 => {
                self.restart()?;
                self.note.validator = validator_of(&head);
                write_json(&beside(&self.path, ".json"), &self.note)?;
            }
            status => return Err(FetchError::Status(status)),
        }
        let framing = head.framing()?;
        let total = match framing {
            http1::Framing::Length(left) => Some(self.length + left),
            _ => None,
        };
        self.file
            .seek(SeekFrom::Start(self.length))
            .map_err(|source| FetchError::Output { path: self.path.clone(), source })?;
        let (file, length) = (&mut self.file, &mut self.length);
        let keep = |block: &[u8]| {
            file.write_all(block)?;
            *length += block.len() as u64;
            progress(*length, total);
            Ok(())
        };
        match http1::read_body(&mut stream, framing, keep).await {
            Err(HttpError::Sink(source)) => Err(FetchError::Output { path: self.path.clone(), source }),
            other => Ok(other?),
        }
    }

    /// Leaves nothing behind where nothing came.
    fn forget_if_empty(self) {
        if self.length == 0 {
            // An empty part left behind is untidy and nothing more.
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(beside(&self.path, ".json"));
        }
    }

    fn complete(self, target: &Path, resumed: u32) -> Result<Fetched, FetchError> {
        let output = |source| FetchError::Output { path: target.to_owned(), source };
        self.file.sync_all().map_err(output)?;
        std::fs::rename(&self.path, target).map_err(output)?;
        // A note without its part means nothing, so that leaving it behind is harmless.
        let _ = std::fs::remove_file(beside(&self.path, ".json"));
        Ok(Fetched { bytes: self.length, resumed })
    }
}

/// Sends a GET, following redirects.
async fn get(proxy: &str, url: &Url, headers: &[(&str, &str)]) -> Result<(BufReader<Alive>, Head), FetchError> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let connecting = tokio::time::timeout(CONNECT_TIME_MAX, connect(proxy, &url));
        let mut stream = BufReader::new(connecting.await.map_err(|_| FetchError::Silence)??);
        let host = url.authority();
        let agent = concat!("byway/", env!("CARGO_PKG_VERSION"));
        let all = [&[("Host", host.as_str()), ("User-Agent", agent), ("Accept", "*/*")], headers].concat();
        http1::send(&mut stream, "GET", &url.target, &all, &[]).await.map_err(HttpError::from)?;
        let head = http1::read_head(&mut stream).await?;
        match (head.status, head.header("location")) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => url = url.join(location)?,
            _ => return Ok((stream, head)),
        }
    }
    Err(FetchError::Redirects(format!("http://{}{}", url.authority(), url.target)))
}

/// A connection to the server of `url`, through the proxy, whose silence ends it.
async fn connect(proxy: &str, url: &Url) -> Result<Alive, FetchError> {
    let unreachable = |source| FetchError::Proxy { proxy: proxy.to_owned(), source };
    let mut stream = TcpStream::connect(proxy).await.map_err(unreachable)?;
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
    Ok(Alive::new(stream))
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

/// What the usual refusals mean.
fn status_word(status: u16) -> &'static str {
    match status {
        401 | 403 => ": it doesn't give this to just anyone",
        404 | 410 => ": there is nothing at this URL",
        429 => ": too many requests, try again later",
        500.. => ": something is wrong at its side, try again later",
        _ => "",
    }
}

/// A strong `ETag`, else `Last-Modified`.
fn validator_of(head: &Head) -> Option<String> {
    let strong = head.header("etag").filter(|tag| tag.starts_with('"'));
    strong.or_else(|| head.header("last-modified")).map(str::to_owned)
}

fn content_range_start(head: &Head) -> Option<u64> {
    head.header("content-range")?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
