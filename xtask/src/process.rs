//! Running other programs so that a failure names the command and what to do.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Where programs for root are, which may be missing in PATH.
const ROOT_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Runs `command` with our own input and output; an error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| not_started(command, error))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs `command`, shows its standard output as it comes, and gives each line of it to `inspect`.
pub fn run_inspecting(command: &mut Command, mut inspect: impl FnMut(&str)) -> Result<()> {
    println!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, error))?;
    let pipe = child.stdout.take().expect("standard output was piped");
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    // Bytes, because a test may print anything.
    while reader.read_until(b'\n', &mut line).context("can't read the program's output")? > 0 {
        std::io::stdout().write_all(&line).context("can't write to standard output")?;
        inspect(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let status = child.wait().context("can't wait for the program")?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// What `command` prints, or `None` if it is missing or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Where a program is.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(ROOT_FOLDERS.iter().map(PathBuf::from));
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    folders.map(|folder| folder.join(&file)).find(|candidate| candidate.is_file())
}

fn not_started(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy();
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("`{program}` is not installed or not in PATH"),
        _ => anyhow::Error::new(error).context(format!("can't start `{program}`")),
    }
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    let words: Vec<_> = words.into_iter().map(|word| word.to_string_lossy()).collect();
    // A full path to cargo says nothing to the reader.
    match words[0].ends_with("/cargo") {
        true => format!("cargo {}", words[1..].join(" ")),
        false => words.join(" "),
    }
}
