//! A service's program as a process of the node's.
//!
//! It gets an environment of its own with next to nothing in it, a folder of its own to work in, no descriptor but the three
//! standard ones, and a process group of its own, which is killed when the node lets go of it. Its standard input is a pipe
//! from the node and never written to: it ends when the node is gone, however that happened. What it writes to standard
//! output and standard error goes into the node's log.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncRead;
use tokio::process::{Child as Process, ChildStdin, Command};

use super::group::Group;
use super::line::{Lines, Long};

/// Bytes of a line of a program that are logged.
const LOG_LINE_MAX: usize = 4096;
/// Where programs look for programs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A running program. It ends, and whatever it started, when this is dropped.
pub struct Child {
    process: Process,
    group: Option<Group>,
    /// Open for as long as the node is there; apart from the process, since waiting for that would close it.
    _input: Option<ChildStdin>,
}

impl Child {
    /// Starts `command` in `folder`, which tells it by `BYWAY_SERVICE` and `BYWAY_SOCKET` what it is and where to listen.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(
        name: &str,
        command: &[String],
        environment: &BTreeMap<String, String>,
        folder: &Path,
        socket: &Path,
    ) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", folder)
            .env("LANG", "C.UTF-8")
            .envs(environment)
            .env("BYWAY_SERVICE", name)
            .env("BYWAY_SOCKET", socket)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut process = Group::lead(&mut command).spawn()?;
        if let Some(out) = process.stdout.take() {
            tokio::spawn(log(name.to_owned(), out));
        }
        if let Some(errors) = process.stderr.take() {
            tokio::spawn(log(name.to_owned(), errors));
        }
        let group = Group::of(&process);
        let input = process.stdin.take();
        Ok(Self { process, group, _input: input })
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            group.kill();
        }
    }
}

async fn log(service: String, from: impl AsyncRead + Unpin) {
    let mut lines = Lines::new(from, LOG_LINE_MAX, Long::Cut);
    while let Ok(Some(line)) = lines.next().await {
        tracing::info!(%service, said = %String::from_utf8_lossy(&line).escape_debug(), "a service's program");
    }
}
