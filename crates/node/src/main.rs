//! The `byway` binary: reads the command line, carries it out, and says how it ended.

use std::process::ExitCode;

use anyhow::Result;
use byway_node::cli::{self, BenchCommand, Cli, Globals, Hosting, Outcome, RunArgs, UpArgs};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let as_json = Globals::is_json(&cli);
    match run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::FAILURE,
        Err(error) => {
            cli::print_error(&error, as_json);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(cli::run(cli, &Hosts))
}

/// The programs that run nodes: each method starts its nodes and returns when they are stopped.
struct Hosts;

impl Hosting for Hosts {
    async fn up(&self, _: &Globals, _: UpArgs) -> Result<Outcome> {
        not_here("up")
    }

    async fn run(&self, _: &Globals, _: RunArgs) -> Result<Outcome> {
        not_here("run")
    }

    async fn run_kernel(&self, _: &Globals, _: RunArgs) -> Result<Outcome> {
        not_here("kernel run")
    }

    async fn run_relay(&self, _: &Globals, _: RunArgs) -> Result<Outcome> {
        not_here("relay run")
    }

    async fn bench(&self, _: &Globals, _: BenchCommand) -> Result<Outcome> {
        not_here("bench")
    }
}

fn not_here(command: &str) -> Result<Outcome> {
    anyhow::bail!("`byway {command}` is not part of this build; use a release, or build all of the source tree")
}
