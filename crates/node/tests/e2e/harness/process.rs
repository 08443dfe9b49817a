//! One process of the `byway` binary that goes on until it is told to stop, or killed.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::spaces::in_space;
use super::{SOON, eventually};

/// Lines of a log that are shown when a story fails.
const TAIL_LINES: usize = 25;

/// A process that can be killed and started again. Dropping it kills it.
pub struct Process {
    pub name: String,
    arguments: Vec<String>,
    /// The network namespace that it runs in, if not that of the tests.
    pub space: Option<String>,
    log: PathBuf,
    /// Length of the log when the process was last started.
    log_before: usize,
    child: Option<Child>,
}

impl Process {
    /// Describes a process; what it prints goes to `log`.
    pub fn new(name: impl Into<String>, log: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| argument.to_string()).collect();
        Self { name: name.into(), arguments, space: None, log, log_before: 0, child: None }
    }

    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        self.log_before = self.log_text().len();
        let out = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = byway(self.space.as_deref());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        clean(&mut command);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits for the line that says that it is ready.
    pub fn wait_ready(&mut self) {
        let name = self.name.clone();
        eventually(&format!("{name} is ready"), SOON, || {
            if let Some(status) = self.exit_status() {
                panic!("{name} ended with {status} instead of getting ready:\n{}", self.tail());
            }
            self.log_since_start().lines().any(|line| line.starts_with("ready")).then_some(())
        });
    }

    pub fn start_ready(&mut self) {
        self.start();
        self.wait_ready();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        assert!(child.try_wait().unwrap().is_none(), "{} ended by itself:\n{}", self.name, self.tail());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What Ctrl-C sends, and how the process ended.
    pub fn interrupt(&mut self) -> ExitStatus {
        let id = self.child.as_ref().unwrap().id();
        let sent = Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status().unwrap();
        assert!(sent.success(), "{} could not be interrupted", self.name);
        let status = eventually(&format!("{} stops", self.name), SOON, || self.exit_status());
        self.child = None;
        status
    }

    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && self.exit_status().is_none()
    }

    /// It has ended by itself, and is to be started again.
    pub fn ended(&mut self) {
        assert!(!self.is_running(), "{} runs", self.name);
        self.child = None;
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    /// What was printed since the last start.
    pub fn log_since_start(&self) -> String {
        self.log_text().split_off(self.log_before)
    }

    pub fn log_text(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub fn tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("\n── {}, last lines ──\n{}", self.name, self.tail());
        }
    }
}

/// The binary, in a network namespace or not.
pub fn byway(space: Option<&str>) -> Command {
    const BINARY: &str = env!("CARGO_BIN_EXE_byway");
    space.map_or_else(|| Command::new(BINARY), |space| in_space(space, BINARY))
}

/// Takes away what the environment of whoever runs the tests would change. What the processes log is theirs to say.
pub fn clean(command: &mut Command) {
    for variable in ["BYWAY_DIR", "BYWAY_PASSPHRASE"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1");
}

/// A file with a text.
pub fn write(path: &Path, text: &str) {
    use std::io::Write;
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
