//! Commands of the `byway` binary that come to an end, and what they print.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use byway_primitives::Amount;
use serde_json::Value;

use super::process::{byway, clean};
use super::{SOON, eventually_or};

/// A node's directory, for asking the node that runs there.
#[derive(Debug, Clone)]
pub struct Node {
    pub dir: PathBuf,
    passphrase_file: Option<PathBuf>,
    /// The network namespace that it is asked in, if not that of the tests.
    pub space: Option<String>,
}

impl Node {
    pub fn new(dir: impl Into<PathBuf>, passphrase_file: Option<&Path>) -> Self {
        Self { dir: dir.into(), passphrase_file: passphrase_file.map(Path::to_owned), space: None }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = byway(self.space.as_deref());
        command.arg("--dir").arg(&self.dir).args(arguments).stdin(Stdio::null());
        if let Some(file) = &self.passphrase_file {
            command.arg("--passphrase-file").arg(file);
        }
        clean(&mut command);
        command.output().unwrap()
    }

    /// What a command answers, if it succeeds.
    pub fn ask(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = self.run(&[arguments, &["--json"]].concat());
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`byway {}` ended with {}: {said}", arguments.join(" "), output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("`byway {}`: {error}", arguments.join(" ")))
    }

    /// What a command answers, which must succeed. One that no kernel node has answered is given again, as its error says.
    pub fn json(&self, arguments: &[&str]) -> Value {
        eventually_or("a kernel node answers", SOON, || match self.ask(arguments) {
            Err(told) if told.contains("kernel_unreachable") => Err(told),
            answered => Ok(answered.unwrap_or_else(|error| panic!("{error}"))),
        })
    }

    /// What a command says that must fail with exit code 1.
    pub fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "`byway {}`: {said}", arguments.join(" "));
        said
    }

    /// Asks until the answer shows `what`. While the node can't answer, it is asked again.
    pub fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        arguments: &[&str],
        seen: impl Fn(&Value) -> Option<T>,
    ) -> T {
        eventually_or(what, patience, || {
            let value = self.ask(arguments)?;
            seen(&value).ok_or_else(|| value.to_string())
        })
    }

    /// Waits until so many offers of a service are on the market.
    pub fn sees_offers(&self, service: &str, count: usize) {
        self.until("all offers are on the market", SOON, &["offer", "list", "--service", service], |offers| {
            (offers.as_array().unwrap().len() == count).then_some(())
        });
    }
}

/// Calls a node's local API as a program does, where no command shows what is wanted.
pub fn call(node: &Node, method: &str) -> Result<Value, String> {
    let token = read(Path::new(run_file(node)?["token_file"].as_str().unwrap()))?;
    call_as(node, token.trim(), method, &serde_json::json!({}))
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn run_file(node: &Node) -> Result<Value, String> {
    Ok(serde_json::from_str(&read(&node.dir.join("run.json"))?).unwrap())
}

/// Likewise, by this token.
pub fn call_as(node: &Node, token: &str, method: &str, params: &Value) -> Result<Value, String> {
    let run = run_file(node)?;
    let rpc = run["rpc"].as_str().unwrap();
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(rpc).map_err(|error| error.to_string())?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {rpc}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut answer = String::new();
    let asked = stream.write_all((head + &body).as_bytes());
    asked.and_then(|()| stream.read_to_string(&mut answer)).map_err(|error| error.to_string())?;
    let content = answer.split_once("\r\n\r\n").ok_or(answer.clone())?.1;
    let content: Value = serde_json::from_str(content).map_err(|_| answer.clone())?;
    content.get("result").cloned().ok_or(content.to_string())
}

/// An amount in an answer.
pub fn amount(value: &Value) -> Amount {
    value.as_str().unwrap_or_else(|| panic!("{value} is no amount")).parse().unwrap()
}

pub fn sum(amounts: impl IntoIterator<Item = Amount>) -> Amount {
    Amount::checked_sum(amounts).unwrap()
}
