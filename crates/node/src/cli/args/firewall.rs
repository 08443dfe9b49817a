//! What can be typed about the machine's network.

use std::ffi::OsString;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum FirewallCommand {
    /// Say what of Byway is in force on this machine: kill switch, routes, resolver
    Status,
    /// Remove all that Byway has put in place, also what a crash left; the machine is open then
    Reset,
}

#[derive(Debug, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    pub side: SideArgs,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SideArgs {
    /// Past the tunnel, where the node lets chosen programs out
    #[arg(long)]
    pub outside: bool,
    /// Inside the tunnel, or nowhere
    #[arg(long)]
    pub inside: bool,
}
