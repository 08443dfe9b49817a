//! Asking a running node from another process: JSON-RPC over HTTP, address and token found through `run.json`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use crate::directory::{Directory, DirectoryError, RunFile};
use crate::http1::{self, HttpError};
use crate::rpc::{Token, TokenError};

/// Time limits of `docs/formats/rpc.md`.
const CALL_TIME_MAX: Duration = Duration::from_secs(15);
const CONNECT_CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// A peer answers within half a minute, or doesn't; what the ledger is to know first takes as long again, more than once.
const CHANNEL_CALL_TIME_MAX: Duration = Duration::from_secs(120);
/// An audit reads the whole ledger.
const AUDIT_TIME_MAX: Duration = Duration::from_secs(600);
/// Bytes of an answer: a thousand offers at their largest.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A running node.
#[derive(Debug, Clone)]
pub struct Client {
    directory: Directory,
    run: RunFile,
    token: Token,
}

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no node runs in {0}; start a local network with `byway up`, or a node of another network with `byway run \
         --config FILE`, or say where it is with --dir"
    )]
    NotRunning(PathBuf),
    #[error("the node in {directory} (process {pid}) ended without a clean stop; start it again, nothing is lost")]
    Stale { directory: PathBuf, pid: u32 },
    #[error("the node in {directory} runs, but {address} doesn't answer: {why}; its log may say why")]
    Unreachable { directory: PathBuf, address: String, why: String },
    #[error("the node did not answer `{method}` within {seconds} s; `byway status` shows whether it is busy")]
    TimeOut { method: String, seconds: u64 },
    #[error("the node refused the token in {0}; restart the node, which writes the file anew if it is gone")]
    BadToken(PathBuf),
    #[error("{message}")]
    Api { number: i64, code: String, message: String, data: Value },
    #[error("the node's answer to `{method}` was not understood ({why}); are both of the same version?")]
    Protocol { method: String, why: String },
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Client {
    /// The node that runs in `directory`.
    pub fn of(directory: &Directory) -> Result<Self, ClientError> {
        let run = directory.read_run_file()?;
        let run = run.ok_or_else(|| ClientError::NotRunning(directory.root().to_owned()))?;
        let token = match Token::load(&run.token_file) {
            Err(_) if !directory.is_in_use()? => return Err(stale(directory, &run)),
            other => other?,
        };
        Ok(Self { directory: directory.clone(), run, token })
    }

    pub fn run_file(&self) -> &RunFile {
        &self.run
    }

    /// The link that opens the web page with the token in the part that never leaves the browser.
    pub fn page_link(&self) -> String {
        let port = self.run.rpc.rsplit_once(':').map_or("", |(_, port)| port);
        format!("http://{}/#token={}&rpc={port}", self.run.web, self.token.expose())
    }

    /// Calls a method and reads its result.
    pub async fn call<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, ClientError> {
        let limit = match method {
            "connect" => CONNECT_CALL_TIME_MAX,
            "ledger_audit" => AUDIT_TIME_MAX,
            "channel_list" | "channel_show" | "channel_look" | "channel_decline" => CALL_TIME_MAX,
            channel if channel.starts_with("channel_") => CHANNEL_CALL_TIME_MAX,
            _ => CALL_TIME_MAX,
        };
        let time_out = |_| ClientError::TimeOut { method: method.to_owned(), seconds: limit.as_secs() };
        let answer = tokio::time::timeout(limit, self.exchange(method, params)).await.map_err(time_out)??;
        serde_json::from_value(answer).map_err(|error| protocol(method, error))
    }

    async fn exchange(&self, method: &str, params: &impl Serialize) -> Result<Value, ClientError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let stream = TcpStream::connect(&self.run.rpc).await;
        let mut stream = BufReader::new(stream.map_err(|error| self.unreachable(&error))?);
        let bearer = format!("Bearer {}", self.token.expose());
        let headers =
            [("Host", self.run.rpc.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
        let cut = |error: HttpError| self.cut(&error);
        http1::send(&mut stream, "POST", "/", &headers, request.as_bytes()).await.map_err(|e| cut(e.into()))?;
        let head = http1::read_head(&mut stream).await.map_err(cut)?;
        let framing = head.framing().map_err(cut)?;
        let body = http1::read_all(&mut stream, framing, ANSWER_BYTES_MAX).await.map_err(cut)?;
        match head.status {
            200 => read_answer(method, &body),
            401 => Err(ClientError::BadToken(self.run.token_file.clone())),
            status => Err(protocol(method, format_args!("HTTP status {status}"))),
        }
    }

    fn unreachable(&self, error: &io::Error) -> ClientError {
        match self.directory.is_in_use() {
            Ok(false) => stale(&self.directory, &self.run),
            _ => self.cut(error),
        }
    }

    fn cut(&self, error: &dyn std::error::Error) -> ClientError {
        ClientError::Unreachable {
            directory: self.directory.root().to_owned(),
            address: self.run.rpc.clone(),
            why: error.to_string(),
        }
    }
}

fn read_answer(method: &str, body: &[u8]) -> Result<Value, ClientError> {
    let mut answer: Value = serde_json::from_slice(body).map_err(|error| protocol(method, error))?;
    if let Some(result) = answer.get_mut("result") {
        return Ok(result.take());
    }
    let error = &answer["error"];
    match (error["code"].as_i64(), error["message"].as_str()) {
        (Some(number), Some(message)) => Err(ClientError::Api {
            number,
            code: error["data"]["code"].as_str().unwrap_or_default().to_owned(),
            message: message.to_owned(),
            data: error["data"].clone(),
        }),
        _ => Err(protocol(method, "neither a result nor an error")),
    }
}

fn stale(directory: &Directory, run: &RunFile) -> ClientError {
    ClientError::Stale { directory: directory.root().to_owned(), pid: run.pid }
}

fn protocol(method: &str, why: impl std::fmt::Display) -> ClientError {
    ClientError::Protocol { method: method.to_owned(), why: why.to_string() }
}
