//! Lines of bounded length from a program.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Reads one line after the other. A read that was given up half way goes on where it was.
pub struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    length_max: usize,
    long: Long,
}

/// What becomes of a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Long {
    /// It is an error.
    Refuse,
    /// Its beginning is the line.
    Cut,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(from: R, length_max: usize, long: Long) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), length_max, long }
    }

    /// The next line without its end; `None` when there are no more. What has no line end at the end is no line.
    ///
    /// # Errors
    /// The source failed, or a line is too long.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let read = self.from.fill_buf().await?;
            if read.is_empty() {
                return Ok(None);
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let room = self.length_max - self.line.len();
            if part.len() > room && self.long == Long::Refuse {
                let why = format!("a line is longer than {} bytes", self.length_max);
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = part.len() + usize::from(end.is_some());
            self.from.consume(taken);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut lines = Lines::new(&b"one\n\nthree\nfour"[..], 5, Long::Refuse);
        for expected in [Some("one"), Some(""), Some("three"), None] {
            assert_eq!(lines.next().await.unwrap().as_deref(), expected.map(str::as_bytes));
        }
        let mut long = Lines::new(&b"123456\n"[..], 5, Long::Refuse);
        assert_eq!(long.next().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut cut = Lines::new(&b"123456\n7\n"[..], 5, Long::Cut);
        for expected in ["12345", "7"] {
            assert_eq!(cut.next().await.unwrap().as_deref(), Some(expected.as_bytes()));
        }
    }
}
