//! The project's own chores, run as `cargo xtask COMMAND`.
//!
//! `up` starts a local network, `test` runs everything that must be green (CI runs exactly this), `tidy` checks the
//! rules a compiler can't, `web` builds the page that the node embeds. Nothing here ends up in the product.
//!
//! - [`test`]: the steps, their order, and the summary
//! - [`tidy`]: who may import whom, purity, licences, file rules
//! - [`web`]: the page, rebuilt only when its inputs changed
//! - [`typescript`]: the types of the TypeScript client
//! - [`portable`]: whether it compiles for the systems that it is not tested on
//! - [`up`]: build and hand over to the `byway` binary
//! - [`process`], [`workspace`]: running programs, finding our way around

mod portable;
mod process;
mod test;
mod tidy;
mod typescript;
mod up;
mod web;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Byway's own chores: build, start, test, check")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and start a local network; arguments go to `byway up`
    #[command(disable_help_flag = true)]
    Up {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Set up what the tests need and run them all; exactly what CI runs
    Test(test::Options),
    /// Check imports between crates, purity, licences and file rules
    Tidy,
    /// Build the web page if its sources changed
    Web,
    /// Write the types of the TypeScript client anew
    Clients,
    /// Check that the code compiles for Windows and macOS, as far as what that takes is installed
    Portable,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find();
    match cli.command {
        Command::Up { args } => up::run(&workspace, args),
        Command::Test(options) => test::run(&workspace, options),
        Command::Tidy => tidy::run(&workspace).map(|()| ExitCode::SUCCESS),
        Command::Web => web::run(&workspace).map(|()| ExitCode::SUCCESS),
        Command::Portable => portable::run(&workspace),
        Command::Clients => typescript::run(&workspace).map(|()| ExitCode::SUCCESS),
    }
}
