//! The `byway` binary: reads the command line, carries it out, and says how it ended.

use std::process::ExitCode;

use anyhow::Result;
use byway_node::cli::{self, Cli, Globals, Outcome};
use byway_node::hosting::Hosts;
use clap::Parser;
use mimalloc::MiMalloc;

/// A busy kernel node allocates for every hash, key and message; with the C library's allocator a sixth of its time went
/// there, and a quarter of the time to finality (`byway bench kernel --rate 3000`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
