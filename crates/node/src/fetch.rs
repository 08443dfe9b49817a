//! One HTTP fetch through the node's proxy, in the clear or encrypted.
//!
//! A GET over a [`Route`]. Into a file, the content is collected in `FILE.part` and renamed when whole; a connection that
//! is cut is taken up again by `Range`, also by a later run of the same command, as long as the server's validator shows
//! that the content is still the same.

mod route;
mod url;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::BufReader;

use crate::directory::{DirectoryError, read_json, write_json};
use crate::http1::{self, Head, HttpError};
use route::Stream;
pub use route::{AuthorityError, BadCertificate, Refusal, Route};
pub use url::{Scheme, Url, UrlError};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Attempts in a row that bring nothing new.
const ATTEMPTS_MAX: u32 = 8;
/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Connecting may open a session first.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
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
    #[error("the certificate that {host} shows is not good: {why}")]
    Certificate { host: String, why: BadCertificate },
    #[error("{host} does not answer with encryption as it should ({why}); is it an http:// address?")]
    Tls { host: String, why: String },
    #[error("{0:?} is not a name that a certificate can be for; check the URL")]
    Name(String),
    #[error(
        "the server leads from https to {0}, which everyone on the way could read; fetch that address itself if you \
         accept this"
    )]
    Downgrade(Url),
    #[error("{path} can't be written: {source}")]
    Output { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Note(#[from] DirectoryError),
}

/// What a finished fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: u64,
    /// Times that a cut connection was taken up again.
    pub resumed: u32,
}

/// Fetches `url` and hands the content to `sink`. It can't be resumed.
pub async fn fetch_to_sink(
    route: &Route,
    url: &Url,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Fetched, FetchError> {
    let (mut stream, head) = get(route, url, &[]).await?;
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
    route: &Route,
    url: &Url,
    path: &Path,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Fetched, FetchError> {
    let mut part = Part::open(url, path)?;
    let (mut fruitless, mut resumed) = (0, 0);
    loop {
        let before = part.length;
        let error = match part.continue_from(route, url, &mut progress).await {
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
        let url = url.to_string();
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
        route: &Route,
        url: &Url,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let range = format!("bytes={}-", self.length);
        let validator = self.note.validator.clone().unwrap_or_default();
        let headers = [("Range", range.as_str()), ("If-Range", validator.as_str())];
        let headers = if self.length > 0 && !validator.is_empty() { &headers[..] } else { &[] };
        let (mut stream, head) = get(route, url, headers).await?;
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
async fn get(
    route: &Route,
    url: &Url,
    headers: &[(&str, &str)],
) -> Result<(BufReader<Box<dyn Stream>>, Head), FetchError> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let connecting = tokio::time::timeout(CONNECT_TIME_MAX, route.connect(&url));
        let mut stream = BufReader::new(connecting.await.map_err(|_| FetchError::Silence)??);
        let host = url.authority();
        let agent = concat!("byway/", env!("CARGO_PKG_VERSION"));
        let all = [&[("Host", host.as_str()), ("User-Agent", agent), ("Accept", "*/*")], headers].concat();
        http1::send(&mut stream, "GET", &url.target, &all, &[]).await.map_err(HttpError::from)?;
        let head = http1::read_head(&mut stream).await?;
        match (head.status, head.header("location")) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                let next = url.join(location)?;
                if (url.scheme, next.scheme) == (Scheme::Https, Scheme::Http) {
                    return Err(FetchError::Downgrade(next));
                }
                url = next;
            }
            _ => return Ok((stream, head)),
        }
    }
    Err(FetchError::Redirects(url.to_string()))
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
