//! `cargo xtask up`: build everything, then become the `byway` binary.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{process, web};

/// Builds the page and the node, then replaces this process by `byway up ARGS`.
///
/// Replaced rather than started, so that Ctrl-C and signals reach the node and nobody else, and its exit code is ours.
pub fn run(workspace: &Workspace, args: Vec<OsString>) -> Result<ExitCode> {
    web::run(workspace)?;
    process::run(workspace.cargo().args(["build", "--package", "byway-node"]))?;
    let target = workspace.metadata()?.target_directory;
    let binary = target.join("debug").join("byway").with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(binary);
    command.arg("up").args(args);
    become_program(command)
}

#[cfg(unix)]
fn become_program(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    let program = command.get_program().to_string_lossy().into_owned();
    Err(anyhow::Error::new(error).context(format!("can't start {program}")))
}

#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<ExitCode> {
    process::run(&mut command).map(|()| ExitCode::SUCCESS)
}
