//! HTTP and WebSocket as bytes, so that tests can also send what no library would.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::fake::TOKEN;

/// An answer: status, headers as they came, body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let (_, value) =
            lines.filter_map(|line| line.split_once(':')).find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends bytes and reads until the other side closes.
pub async fn raw(port: u16, request: &[u8]) -> Answer {
    exchange(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), request).await.expect("a whole head")
}

/// Sends bytes over a stream and reads until the other side closes; `None` where that said no whole head.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &[u8]) -> Option<Answer> {
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head, body: answer[end + 4..].to_vec() })
}

/// A request with these header lines; `Host` is right unless one of them says otherwise.
pub async fn request(port: u16, line: &str, headers: &[&str], body: &str) -> Answer {
    let host = format!("Host: 127.0.0.1:{port}");
    let has_host = headers.iter().any(|header| header.starts_with("Host:"));
    let host = if has_host { vec![] } else { vec![host.as_str()] };
    let length = format!("Content-Length: {}", body.len());
    let lines = [&[line], &host[..], headers, &[&length, "Connection: close", "", body]].concat();
    raw(port, lines.join("\r\n").as_bytes()).await
}

/// An authorised call over HTTP.
pub async fn call(port: u16, body: &str) -> Value {
    call_with(port, TOKEN, body).await
}

/// A call over HTTP with this token.
pub async fn call_with(port: u16, token: &str, body: &str) -> Value {
    let bearer = format!("Authorization: Bearer {token}");
    let answer = request(port, "POST / HTTP/1.1", &[&bearer, "Content-Type: application/json"], body).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.json()
}

/// The client side of a WebSocket.
pub struct Socket<S = TcpStream> {
    stream: BufReader<S>,
}

/// What comes over a WebSocket.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Text(Value),
    Close(u16),
}

impl Socket {
    /// Opens with these subprotocols; `Err` is the HTTP status of a refused upgrade.
    pub async fn open(port: u16, protocols: &str, headers: &[&str]) -> Result<Self, u16> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self::over(stream, port, protocols, headers).await
    }

    pub async fn authorised(port: u16) -> Self {
        Self::open(port, &format!("byway.v1, byway.token.{TOKEN}"), &[]).await.unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// As [`open`](Socket::open) over a stream to this port.
    pub async fn over(stream: S, port: u16, protocols: &str, headers: &[&str]) -> Result<Self, u16> {
        let mut stream = BufReader::new(stream);
        let host = format!("Host: 127.0.0.1:{port}");
        let protocols = format!("Sec-WebSocket-Protocol: {protocols}");
        let fixed = [
            "GET / HTTP/1.1",
            &host,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            &protocols,
        ];
        let lines = [&fixed[..], headers, &["", ""]].concat().join("\r\n");
        stream.write_all(lines.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 101 {
            return Err(status);
        }
        assert!(head.contains("sec-websocket-protocol: byway.v1\r\n"), "{head}");
        assert!(!head.contains("byway.token"), "{head}");
        Ok(Self { stream })
    }

    /// Sends one frame, masked with zeros (which is a mask like any other).
    pub async fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await
    }

    pub async fn send(&mut self, text: &str) {
        self.send_frame(1, text.as_bytes()).await.unwrap();
    }

    /// Bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next text or close; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let first = self.stream.read_u8().await.ok()?;
            let length = match self.stream.read_u8().await.ok()? {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            match first & 0x0f {
                1 => return Some(Frame::Text(serde_json::from_slice(&payload).unwrap())),
                8 => return Some(Frame::Close(u16::from_be_bytes([payload[0], payload[1]]))),
                _ => {}
            }
        }
    }

    pub async fn next_text(&mut self) -> Value {
        match self.next().await {
            Some(Frame::Text(value)) => value,
            other => panic!("a text was expected: {other:?}"),
        }
    }
}
