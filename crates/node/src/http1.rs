//! As much of HTTP/1.1 as a client needs: one request per connection, and bodies of every framing.
//!
//! For calls to the node's own API and for `byway fetch`. No TLS, no pipelining, no compression.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of an answer's status line and headers: what servers in practice send, eight times over.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a chunk's size line.
const CHUNK_LINE_BYTES_MAX: u64 = 1024;
/// Bytes read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// Status line and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// The exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Before the end that the answer announced.
    #[error("the connection was cut")]
    Cut,
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    #[error("the answer's headers are longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    #[error("the answer is longer than the {0} bytes expected")]
    BodyTooLong(usize),
    #[error("the content can't be kept: {0}")]
    Sink(io::Error),
}

impl Head {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn framing(&self) -> Result<Framing, HttpError> {
        if self.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked")) {
            return Ok(Framing::Chunked);
        }
        match (self.status, self.header("content-length")) {
            (204 | 304, _) => Ok(Framing::Length(0)),
            (_, Some(length)) => length.trim().parse().map(Framing::Length).map_err(|_| HttpError::NotHttp),
            (_, None) => Ok(Framing::UntilClose),
        }
    }
}

/// Sends a request. Headers must hold no line breaks.
pub async fn send<W: AsyncWrite + Unpin>(
    stream: &mut W,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut request = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in headers {
        debug_assert!(!value.contains(['\r', '\n']), "callers check what they put into headers");
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

/// Reads up to the body, past informational answers.
pub async fn read_head<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<Head, HttpError> {
    loop {
        let head = read_one_head(reader).await?;
        if !(100..200).contains(&head.status) {
            return Ok(head);
        }
    }
}

async fn read_one_head<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<Head, HttpError> {
    let mut limited = reader.take(HEAD_BYTES_MAX);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        limited.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(if limited.limit() == 0 { HttpError::HeadTooLong } else { HttpError::Cut });
        }
        let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let status = lines.next().ok_or(HttpError::NotHttp)?;
    let mut words = status.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = words.next().filter(|_| is_http).and_then(|code| code.parse().ok()).ok_or(HttpError::NotHttp)?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    Ok(Head { status, headers: headers.collect() })
}

/// Hands every block of a body to `sink`, up to its end.
pub async fn read_body<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    framing: Framing,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), HttpError> {
    match framing {
        Framing::Length(length) => read_exactly(reader, length, &mut sink).await,
        Framing::UntilClose => match read_exactly(reader, u64::MAX, &mut sink).await {
            Err(HttpError::Cut) => Ok(()),
            other => other,
        },
        Framing::Chunked => loop {
            let size = read_line(reader).await?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).map_err(|_| HttpError::NotHttp)?;
            if size == 0 {
                // Trailers up to an empty line.
                while !read_line(reader).await?.is_empty() {}
                return Ok(());
            }
            read_exactly(reader, size, &mut sink).await?;
            if !read_line(reader).await?.is_empty() {
                return Err(HttpError::NotHttp);
            }
        },
    }
}

/// A whole body in memory, at most `bytes_max` long.
pub async fn read_all<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    framing: Framing,
    bytes_max: usize,
) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    let sink = |block: &[u8]| {
        if body.len() + block.len() > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        body.extend_from_slice(block);
        Ok(())
    };
    match read_body(reader, framing, sink).await {
        Err(HttpError::Sink(_)) => Err(HttpError::BodyTooLong(bytes_max)),
        other => other.map(|()| body),
    }
}

async fn read_exactly<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    mut left: u64,
    sink: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), HttpError> {
    let mut block = vec![0; BLOCK_BYTES];
    while left > 0 {
        let want = BLOCK_BYTES.min(usize::try_from(left).unwrap_or(BLOCK_BYTES));
        let count = reader.read(&mut block[..want]).await?;
        if count == 0 {
            return Err(HttpError::Cut);
        }
        sink(&block[..count]).map_err(HttpError::Sink)?;
        left -= count as u64;
    }
    Ok(())
}

async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<String, HttpError> {
    let mut line = Vec::new();
    let mut limited = reader.take(CHUNK_LINE_BYTES_MAX);
    limited.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(HttpError::Cut);
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exchange(answer: &str) -> Result<(u16, String), HttpError> {
        let mut reader = answer.as_bytes();
        let head = read_head(&mut reader).await?;
        let body = read_all(&mut reader, head.framing()?, 100).await?;
        Ok((head.status, String::from_utf8(body).unwrap()))
    }

    #[tokio::test]
    async fn bodies_of_every_framing() {
        for (answer, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, "abc"),
            ("HTTP/1.1 200 OK\r\n\r\nabc", 200, "abc"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.0 404 Not Found\r\ncontent-length:0\r\n\r\n", 404, ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=1\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n",
                200,
                "abc",
            ),
        ] {
            assert_eq!(exchange(answer).await.unwrap(), (status, body.to_owned()), "{answer}");
        }
    }

    #[tokio::test]
    async fn answers_that_are_none() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX as usize));
        let big = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101));
        for (answer, expected) in [
            ("", "cut"),
            ("HTTP/1.1 200", "cut"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "cut"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "cut"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", "not HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nabc", "not HTTP"),
            ("SSH-2.0-x\r\n\r\n", "not HTTP"),
            (&long, "longer"),
            (&big, "longer"),
        ] {
            let error = exchange(answer).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{answer:.60}: {error}");
        }
    }
}
