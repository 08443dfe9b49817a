//! What the test steps need on this machine: checked first, installed where that is harmless.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, web};

/// Pinned, because a newer one may refuse what passed yesterday.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Names under which distributions and Google ship the browser.
const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Programs that tests of the machine's network run, and Debian's packages that have them.
const NETWORK_TOOLS: [(&str, &str); 6] = [
    ("ip", "iproute2"),
    ("ndpiReader", "libndpi-bin"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
];

/// An error that says what to install, unless everything is there.
pub fn check(workspace: &Workspace) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if process::output(workspace.cargo().args([subcommand, "--version"])).is_none() {
            bail!("`cargo {subcommand}` is missing; run `rustup component add {component}`");
        }
    }
    network_tools()?;
    if workspace.web().is_none() {
        println!("no web/package.json: Node.js and Chromium are not needed");
        return Ok(());
    }
    web::check_node()?;
    let chromium = match chromium() {
        Some(path) => path,
        None => install_chromium()?,
    };
    println!("Rust, Node.js and {} are there", chromium.display());
    Ok(())
}

/// The browser that the page is tested in.
pub fn chromium() -> Option<PathBuf> {
    CHROMIUM_NAMES.iter().find_map(|name| process::find(name))
}

/// What the namespaces suite needs (Linux), which also needs root.
fn network_tools() -> Result<()> {
    const REMEDY: &str = "the tunnel's firewall is tested in network namespaces";
    if !cfg!(target_os = "linux") {
        println!("not Linux: the firewall's tests are not run");
        return Ok(());
    }
    if !is_root() {
        bail!("{REMEDY}, which needs root: run it as root, or in a container that is allowed to make namespaces");
    }
    let missing =
        || NETWORK_TOOLS.iter().filter(|(name, _)| process::find(name).is_none()).map(|(_, package)| *package);
    let packages: Vec<&str> = missing().collect();
    if !packages.is_empty() {
        install(&packages, REMEDY)?;
    }
    match missing().next() {
        Some(package) => bail!("apt-get installed {package}, but its program is not in PATH"),
        None => Ok(()),
    }
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

/// The program that checks licences, bans and sources.
///
/// One that is installed is used as it is. Otherwise ours goes into the target folder, so that nobody's own tools change
/// and `cargo clean` removes it; unoptimised, since it runs for a second and would take minutes to optimise.
pub fn cargo_deny(workspace: &Workspace) -> Result<Command> {
    // Reading the metadata also fetches what is missing; cargo-deny itself runs offline.
    let target = workspace.metadata()?.target_directory;
    let mut installed = Command::new("cargo-deny");
    installed.current_dir(workspace.root());
    if process::output(Command::new("cargo-deny").arg("--version")).is_some() {
        return Ok(installed);
    }
    let root = target.join("tools");
    let program = root.join("bin/cargo-deny");
    if process::output(Command::new(&program).arg("--version")).is_none() {
        let build = root.join("build");
        let mut install = workspace.cargo();
        install.args(["install", "--locked", "--debug", CARGO_DENY, "--root", root.as_str()]);
        process::run(install.args(["--target-dir", build.as_str()]))?;
        std::fs::remove_dir_all(&build).with_context(|| format!("can't remove {build}"))?;
    }
    let mut built = Command::new(&program);
    built.current_dir(workspace.root());
    Ok(built)
}

fn install_chromium() -> Result<PathBuf> {
    install(&["chromium"], "the page is tested in a real browser: install Chromium")?;
    chromium().context("apt-get installed Chromium, but it is not in PATH")
}

/// Only as root with apt-get, which is what a build machine has; a person's machine is theirs to change.
fn install(packages: &[&str], remedy: &'static str) -> Result<()> {
    let has_apt = process::output(Command::new("apt-get").arg("--version")).is_some();
    if !is_root() || !has_apt {
        bail!("{remedy} (on Debian: `sudo apt-get install {}`)", packages.join(" "));
    }
    apt_get(&["update"]).context(remedy)?;
    let install = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[install.as_slice(), packages].concat()).context(remedy)
}

fn apt_get(args: &[&str]) -> Result<()> {
    process::run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"))
}
