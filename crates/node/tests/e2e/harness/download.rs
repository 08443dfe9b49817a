//! A program that browses through a SOCKS5 proxy, and goes on where it was cut off.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use byway_primitives::Hash;

use super::web::ContentHash;
use super::{PATIENCE, eventually, eventually_or};

/// Silence after which a program gives its connection up and tries again.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// A download that brings nothing for this long stands still.
const STALLED: Duration = Duration::from_secs(2);
/// Between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(200);

/// Asks the proxy for a connection to a name or address. The error is the proxy's reply code, if it gave one.
pub fn socks(proxy: SocketAddr, host: &str, port: u16) -> Result<TcpStream, SocksError> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[5, 1, 0])?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice)?;
    assert_eq!(choice, [5, 0], "the proxy speaks SOCKS5 without a password");
    let mut request = vec![5, 1, 0];
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(std::net::IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            request.extend_from_slice(&[3, host.len() as u8]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request)?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply)?;
    if reply[1] != 0 {
        return Err(SocksError::Refused(reply[1]));
    }
    let mut bound = vec![0; if reply[3] == 4 { 18 } else { 6 }];
    stream.read_exact(&mut bound)?;
    Ok(stream)
}

#[derive(Debug)]
pub enum SocksError {
    Refused(u8),
    Io(io::Error),
}

impl From<io::Error> for SocksError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The reply code of a refused connection.
pub fn refusal(proxy: SocketAddr, host: &str, port: u16) -> u8 {
    match socks(proxy, host, port) {
        Err(SocksError::Refused(code)) => code,
        Err(SocksError::Io(error)) => panic!("{host}:{port}: {error}"),
        Ok(_) => panic!("{host}:{port} was let through"),
    }
}

/// A download under way.
pub struct Download {
    pub length: u64,
    shared: Arc<Shared>,
    thread: JoinHandle<Hash>,
}

/// What is counted of a download.
pub struct Counters(Arc<Shared>);

impl Counters {
    /// All bytes that went through the proxy, both ways.
    pub fn carried(&self) -> u64 {
        self.0.down.load(Ordering::Relaxed) + self.0.up.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Shared {
    /// Bytes of content so far.
    received: AtomicU64,
    /// Bytes through the proxy each way, requests and answers' heads included.
    down: AtomicU64,
    up: AtomicU64,
    /// Times that a connection was cut with the content incomplete.
    cuts: AtomicU64,
    is_over: AtomicBool,
    last_error: Mutex<String>,
}

impl Download {
    /// Gets `/bytes/LENGTH` from `server` through `proxy`.
    pub fn start(proxy: SocketAddr, server: SocketAddr, length: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = std::thread::spawn(move || {
            let mut hash = ContentHash::new();
            while own.received.load(Ordering::Relaxed) < length && !own.is_over.load(Ordering::Relaxed) {
                if let Err(error) = own.attempt(proxy, server, length, &mut hash) {
                    *own.last_error.lock().unwrap() = format!("{error:?}");
                    own.cuts.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(ATTEMPT_PAUSE);
                }
            }
            hash.finish()
        });
        Self { length, shared, thread }
    }

    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// What is counted, also after the end.
    pub fn counters(&self) -> Counters {
        Counters(self.shared.clone())
    }

    /// Waits until `more` bytes have come than there are now, and the download still goes on.
    pub fn flows(&self, more: u64, when: &str) {
        let target = self.received() + more;
        assert!(target < self.length, "the download is nearly over {when}; it must be longer for this story");
        eventually_or(&format!("data flows {when}"), PATIENCE, || self.has_come(target));
    }

    fn has_come(&self, target: u64) -> Result<(), String> {
        let received = self.received();
        let lacking = || format!("{received} bytes of {target}; {}", self.last_error());
        (received >= target).then_some(()).ok_or_else(lacking)
    }

    /// Waits until nothing comes any more: not one byte for a while in which megabytes usually come.
    pub fn stalls(&self, when: &str) {
        let mut seen = (Instant::now(), self.received());
        eventually(&format!("no data flows {when}"), PATIENCE, || {
            let now = self.received();
            if now != seen.1 {
                seen = (Instant::now(), now);
            }
            (seen.0.elapsed() > STALLED).then_some(())
        });
    }

    /// Waits until it is complete; gives the hash of what came.
    pub fn finish(self) -> Hash {
        eventually_or("the download is complete", PATIENCE, || self.has_come(self.length));
        assert_eq!(self.received(), self.length);
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }

    pub fn last_error(&self) -> String {
        self.shared.last_error.lock().unwrap().clone()
    }
}

impl Shared {
    fn attempt(
        &self,
        proxy: SocketAddr,
        server: SocketAddr,
        length: u64,
        hash: &mut ContentHash,
    ) -> Result<(), SocksError> {
        let mut stream = socks(proxy, &server.ip().to_string(), server.port())?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let from = self.received.load(Ordering::Relaxed);
        let range = if from > 0 { format!("Range: bytes={from}-\r\n") } else { String::new() };
        let request = format!("GET /bytes/{length} HTTP/1.1\r\nHost: {server}\r\n{range}\r\n");
        stream.write_all(request.as_bytes())?;
        self.up.fetch_add(request.len() as u64, Ordering::Relaxed);
        let mut reader = BufReader::with_capacity(256 * 1024, stream);
        let expected = if from > 0 { "HTTP/1.1 206 " } else { "HTTP/1.1 200 " };
        let mut first = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.down.fetch_add(line.len() as u64, Ordering::Relaxed);
            if first.is_empty() {
                first.clone_from(&line);
                assert!(first.starts_with(expected), "{first}");
            }
            if line == "\r\n" {
                break;
            }
        }
        loop {
            let block = reader.fill_buf()?;
            let count = block.len();
            if count == 0 {
                let is_whole = self.received.load(Ordering::Relaxed) == length;
                return if is_whole { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) };
            }
            hash.take(block);
            reader.consume(count);
            self.down.fetch_add(count as u64, Ordering::Relaxed);
            self.received.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}
