//! A bot's program as a process: lines to it and from it, and its end.

use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use byway_chat::content::display;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::protocol::LINE_MAX;
use crate::plugged::{Group, Lines, Long};

/// Bytes that wait to be read by a program. With more of them none of its lines is looked at.
const OUTBOX_MAX: usize = 1 << 20;
/// How long a program may read nothing of what it was told.
const DEAF_MAX: Duration = Duration::from_secs(60);
/// How long what a program said before its end is waited for.
const REST_MAX: Duration = Duration::from_secs(2);
/// Bytes of a line of standard error that are passed on.
const ERROR_LINE_MAX: usize = 4096;

/// What a program does.
pub enum Did {
    Say(Vec<u8>),
    /// It has taken all that it was told.
    Hear,
    /// It is over, and why.
    End(String),
}

/// A running program. It ends, and whatever it started, when this is dropped.
pub struct Program {
    process: Child,
    group: Option<Group>,
    input: ChildStdin,
    lines: Lines<ChildStdout>,
    outbox: VecDeque<u8>,
    /// When it last read something, or had nothing to read.
    heard: Instant,
    /// It has ended or closed its input: only what it said before is of interest.
    closed: Option<Instant>,
    status: Option<ExitStatus>,
}

impl Program {
    /// Starts a program with our environment, but for what is said to Byway alone.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(name: &str, command: &[String]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BYWAY_")) {
            command.env_remove(variable);
        }
        let mut process = Group::lead(&mut command).spawn()?;
        let group = Group::of(&process);
        let (Some(input), Some(out), Some(errors)) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take())
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        tokio::spawn(pass_on(name.to_owned(), errors));
        let lines = Lines::new(out, LINE_MAX, Long::Refuse);
        let (outbox, heard) = (VecDeque::new(), Instant::now());
        Ok(Self { process, group, input, lines, outbox, heard, closed: None, status: None })
    }

    /// Tells it a line, which it reads when it likes.
    pub fn tell(&mut self, line: &str) {
        if self.closed.is_some() {
            return;
        }
        if self.outbox.is_empty() {
            self.heard = Instant::now();
        }
        self.outbox.extend(line.as_bytes());
        self.outbox.push_back(b'\n');
    }

    /// Whether it has taken what it was told, and would take more.
    pub fn hears(&self) -> bool {
        self.outbox.is_empty() && self.closed.is_none()
    }

    /// What it does next. Nothing is lost where this is given up half way.
    pub async fn next(&mut self) -> Did {
        loop {
            let has_room = self.outbox.len() < OUTBOX_MAX;
            let over = self.closed.map(|at| at + REST_MAX);
            tokio::select! {
                line = self.lines.next(), if has_room => match line {
                    Ok(Some(line)) => return Did::Say(line),
                    Ok(None) => return Did::End(self.end().await),
                    Err(error) => return Did::End(error.to_string()),
                },
                written = self.input.write_buf(&mut self.outbox), if !self.outbox.is_empty() => {
                    self.heard = Instant::now();
                    match written {
                        Ok(_) if self.outbox.is_empty() => return Did::Hear,
                        Ok(_) => {}
                        Err(_) => self.close(),
                    }
                }
                status = self.process.wait(), if self.status.is_none() => {
                    self.status = status.ok();
                    // What it had started would hold its output open.
                    self.kill();
                    self.close();
                }
                () = sleep_until(self.heard + DEAF_MAX), if !self.outbox.is_empty() => {
                    return Did::End(format!("it has read nothing for {} s", DEAF_MAX.as_secs()));
                }
                () = sleep_until(over.unwrap_or(self.heard)), if over.is_some() => return Did::End(self.end().await),
            }
        }
    }

    fn close(&mut self) {
        self.outbox.clear();
        self.closed.get_or_insert_with(Instant::now);
    }

    async fn end(&mut self) -> String {
        if self.status.is_none() {
            self.status = timeout(REST_MAX, self.process.wait()).await.ok().and_then(Result::ok);
        }
        match self.status {
            Some(status) => format!("it ended: {status}"),
            None => "it has closed its input or output".to_owned(),
        }
    }

    fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    /// Whether it ended by itself and says that all went well.
    pub fn is_done(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program writes to standard error, with its name before each line.
async fn pass_on(name: String, from: impl AsyncRead + Unpin) {
    let mut lines = Lines::new(from, ERROR_LINE_MAX, Long::Cut);
    while let Ok(Some(line)) = lines.next().await {
        eprintln!("{name}: {}", display::text(&String::from_utf8_lossy(&line)));
    }
}
