//! Processes that a benchmark starts, each in a network namespace of its own, and the namespaces' commands.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long a process may take to get ready, and to end.
pub(super) const READY_WAIT: Duration = Duration::from_secs(20);
/// What a process says when it is.
const READY: &str = "ready";

/// A process of a benchmark. It ends when its input does, and is killed when this is dropped before.
pub(super) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    name: &'static str,
}

impl Process {
    /// Starts it and waits until it says that it is ready.
    pub async fn start(mut command: Command, name: &'static str, wait: Duration) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("a process of the bench can't be started")?;
        let stdout = child.stdout.take().context("a process without output")?;
        let mut process = Self { child, lines: BufReader::new(stdout).lines(), name };
        let said = process.line(wait).await?;
        ensure!(said == READY, "the bench's {name} said \"{said}\"");
        Ok(process)
    }

    pub async fn line(&mut self, wait: Duration) -> anyhow::Result<String> {
        let line = timeout(wait, self.lines.next_line()).await;
        let line = line.with_context(|| format!("the bench's {} says nothing", self.name))??;
        line.with_context(|| format!("the bench's {} failed", self.name))
    }

    /// Memory that it has now.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let id = self.child.id().with_context(|| format!("the bench's {} has ended", self.name))?;
        super::resident_bytes_of(&id.to_string()).context("the system doesn't say how much memory a process has")
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = timeout(READY_WAIT, self.child.wait()).await;
        let status = ended.with_context(|| format!("the bench's {} does not end", self.name))??;
        ensure!(status.success(), "the bench's {} failed", self.name);
        Ok(())
    }
}

/// Says to whoever started this process that it is ready.
pub(super) fn say_ready() {
    println!("{READY}");
}

/// Waits until whoever started this process wants it to end.
pub(super) async fn until_told() -> anyhow::Result<()> {
    let mut input = Vec::new();
    tokio::io::stdin().read_to_end(&mut input).await?;
    Ok(())
}

/// Runs `ip` (iproute2).
pub(super) async fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().await.context("`ip` can't be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {}` failed: {}", arguments.join(" "), said.trim());
    Ok(())
}
