//! A web server whose content can be told from its place, so that nothing has to be kept to check it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use byway_primitives::Hash;
use byway_primitives::hash::Context;

/// Bytes that are sent at once.
const BLOCK: usize = 64 * 1024;
const CONTENT: Context = Context("byway test content");

/// Serves `GET /bytes/LENGTH`, also from the middle on (`Range`). It ends with the process.
pub struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    pattern: Vec<u8>,
    /// Bytes of content per second and connection.
    rate: AtomicU64,
    ranged: AtomicU64,
}

impl WebServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { pattern: pattern(), rate: AtomicU64::new(u64::MAX), ranged: AtomicU64::new(0) });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                // A connection that is cut is nothing to a server.
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Slows every connection down, or no longer.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.shared.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Requests that asked to go on from somewhere.
    pub fn ranged(&self) -> u64 {
        self.shared.ranged.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut length, mut from) = (None, 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if let Some(target) = line.strip_prefix("GET ") {
                length = target.split(' ').next().and_then(|path| path.strip_prefix("/bytes/")?.parse::<u64>().ok());
            } else if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("range")
            {
                from = value.trim_start_matches("bytes=").trim_end_matches('-').parse().map_err(io::Error::other)?;
            } else if line.is_empty() {
                break;
            }
        }
        match length {
            Some(length) if from < length => self.send(stream, from, length),
            _ => (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        }
    }

    fn send(&self, mut stream: TcpStream, from: u64, length: u64) -> io::Result<()> {
        let status = match from {
            0 => "200 OK".to_owned(),
            _ => {
                self.ranged.fetch_add(1, Ordering::Relaxed);
                format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}", length - 1)
            }
        };
        let left = length - from;
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {left}\r\nETag: \"{length}\"\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut at = from;
        let mut block = vec![0; BLOCK];
        while at < length {
            let end = length.min((at / BLOCK as u64 + 1) * BLOCK as u64);
            let part = &mut block[..(end - at) as usize];
            fill(&self.pattern, at, part);
            let begun = Instant::now();
            stream.write_all(part)?;
            let rate = self.rate.load(Ordering::Relaxed);
            let due = Duration::from_nanos((part.len() as u64).saturating_mul(1_000_000_000) / rate.max(1));
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            at = end;
        }
        Ok(())
    }
}

fn pattern() -> Vec<u8> {
    let mut pattern = vec![0; BLOCK];
    CONTENT.expand(&[], &mut pattern);
    pattern
}

/// The content from `at` on, within one block: the number of the block, then always the same.
fn fill(pattern: &[u8], at: u64, out: &mut [u8]) {
    let (block, start) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
    out.copy_from_slice(&pattern[start..start + out.len()]);
    let number = block.to_le_bytes();
    for (index, byte) in number.iter().enumerate().skip(start) {
        if let Some(out) = out.get_mut(index - start) {
            *out = *byte;
        }
    }
}

/// Hashes content as it arrives, in whatever pieces.
pub struct ContentHash {
    state: Hash,
    block: Vec<u8>,
}

impl ContentHash {
    pub fn new() -> Self {
        Self { state: CONTENT.hash(&[]), block: Vec::with_capacity(BLOCK) }
    }

    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.state = CONTENT.hash(&[&self.state.0, &self.block]);
                self.block.clear();
            }
        }
    }

    pub fn finish(self) -> Hash {
        CONTENT.hash(&[&self.state.0, &self.block])
    }

    /// Of what the server sends under `/bytes/LENGTH`.
    pub fn expected(length: u64) -> Hash {
        let (pattern, mut hash, mut block) = (pattern(), Self::new(), vec![0; BLOCK]);
        for at in (0..length).step_by(BLOCK) {
            let part = &mut block[..(length - at).min(BLOCK as u64) as usize];
            fill(&pattern, at, part);
            hash.take(part);
        }
        hash.finish()
    }
}
