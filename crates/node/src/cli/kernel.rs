//! Operating a kernel node: `byway kernel status`, `backup` and `restore`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer, Request, Status};
use byway_records::{Genesis, Member};
use serde::Serialize;

use super::output::{ago, fields, now, print, print_json};
use super::{Globals, KernelBackupArgs, KernelRestoreArgs, KernelStatusArgs, Outcome, Table};
use crate::backup::{self, List};
use crate::config::{Config, Role};
use crate::directory::{Directory, read_json};
use crate::genesis;
use crate::peer_node::kernel_access::KernelAccess;

/// Rounds that a node may be behind the newest at any moment.
const BEHIND_MAX: u64 = 8;

/// What a kernel node says of itself, as it is printed.
#[derive(Debug, Serialize)]
struct Report {
    node: String,
    network: String,
    height: u64,
    commits: u64,
    time_ms: u64,
    round: u64,
    rounds_behind: u64,
    connected: usize,
    quorum: usize,
    finality_ms_p50: Option<u64>,
    finality_ms_p99: Option<u64>,
    pool_percent: u64,
    stamp_bits: u8,
    equivocations: usize,
    members: Vec<Line>,
    healthy: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    address: String,
    round: u64,
    connected: bool,
}

/// Asks a kernel node how it is, over its mesh port and so as anyone can. It is healthy if it is connected to a quorum, keeps
/// up with the others, and saw nobody sign twice.
pub async fn status(globals: &Globals, args: KernelStatusArgs) -> anyhow::Result<Outcome> {
    let (config, directory, genesis) = load(globals, &args.config)?;
    let (index, member, elsewhere) = match &args.node {
        Some(name) => {
            let (index, member) = named(&genesis, name)?;
            (index, member, BTreeMap::new())
        }
        None => {
            let (index, member) = own(&directory, &genesis)?;
            let mut here = config.kernel.as_ref().context("the configuration has no [kernel] section")?.listen;
            if here.ip().is_unspecified() {
                here.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            let elsewhere = BTreeMap::from([(member.name.clone(), here.to_string())]);
            (index, member, elsewhere)
        }
    };
    let access = KernelAccess::new(genesis.clone(), &elsewhere);
    let answer =
        access.ask(index, &Request::Status).await.context("the kernel node gives no answer; is it running?")?;
    let Answer::Status(status) = answer else { bail!("the kernel node gave an answer that makes no sense") };
    let equivocations = match access.ask(index, &Request::Explore(Query::Evidence)).await {
        Ok(Answer::Explored(Found::Evidence(evidence))) => evidence.len(),
        _ => 0,
    };
    let report = report(&genesis, index, &member, &status, equivocations);
    if globals.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(if report.healthy { Outcome::Done } else { Outcome::No })
}

fn report(genesis: &Genesis, index: u8, member: &Member, status: &Status, equivocations: usize) -> Report {
    let round = |index: u8| status.rounds.get(usize::from(index)).copied().unwrap_or(0);
    let newest = status.rounds.iter().copied().max().unwrap_or(0);
    let members = genesis.members.iter().map(|(index, member)| Line {
        name: member.name.clone(),
        address: member.address.clone(),
        round: round(index),
        connected: status.connected.get(usize::from(index)).copied().unwrap_or(false),
    });
    let members: Vec<Line> = members.collect();
    let connected = members.iter().filter(|line| line.connected && line.name != member.name).count();
    let (quorum, rounds_behind) = (genesis.members.quorum(), newest - round(index));
    let some = |ms: u64| (ms > 0).then_some(ms);
    Report {
        node: member.name.clone(),
        network: genesis.name.clone(),
        height: status.height.0,
        commits: status.commits,
        time_ms: status.time.0,
        round: round(index),
        rounds_behind,
        connected,
        quorum,
        finality_ms_p50: some(status.finality_ms_p50),
        finality_ms_p99: some(status.finality_ms_p99),
        pool_percent: status.pool_percent,
        stamp_bits: status.stamp_bits,
        equivocations,
        members,
        healthy: connected + 1 >= quorum && rounds_behind <= BEHIND_MAX && equivocations == 0,
    }
}

fn text(report: &Report) -> String {
    let of = report.members.len() - 1;
    let place = match report.rounds_behind {
        0..=BEHIND_MAX => "in step".to_owned(),
        behind => format!("{behind} rounds behind"),
    };
    let finality = match (report.finality_ms_p50, report.finality_ms_p99) {
        (Some(p50), Some(p99)) => format!("{p50} ms, 99 % within {p99} ms"),
        _ => "nothing handed in lately".to_owned(),
    };
    let pool = match report.stamp_bits {
        0 => format!("{} % full", report.pool_percent),
        bits => format!("{} % full, asks for work of {bits} bits per transaction", report.pool_percent),
    };
    let caught = match report.equivocations {
        0 => "nobody".to_owned(),
        count => format!("{count} times; the log says who"),
    };
    let head = fields(&[
        ("node", format!("{} of {}", report.node, report.network)),
        ("round", format!("{}, {place}", report.round)),
        (
            "connected",
            format!("to {} of {of} others, {} make a quorum with this one", report.connected, report.quorum - 1),
        ),
        (
            "height",
            format!(
                "{}, {} commits, the last {}",
                report.height,
                report.commits,
                ago(byway_primitives::Time(report.time_ms), now())
            ),
        ),
        ("final in", finality),
        ("pool", pool),
        ("signed twice", caught),
        ("", if report.healthy { "healthy".to_owned() } else { "NOT HEALTHY".to_owned() }),
    ]);
    let mut table = Table::new(&["kernel node", "address", ">round", "connected"]);
    for line in &report.members {
        let connected = if line.name == report.node {
            "itself"
        } else if line.connected {
            "yes"
        } else {
            "no"
        };
        table.row([line.name.clone(), line.address.clone(), line.round.to_string(), connected.to_owned()]);
    }
    format!("{head}\n{}", table.text(""))
}

/// Copies the state of a kernel node that is stopped.
pub fn backup(globals: &Globals, args: KernelBackupArgs) -> anyhow::Result<Outcome> {
    let (_, directory, genesis) = load(globals, &args.config)?;
    let _lock = directory.lock().context("a running node can't be copied file by file")?;
    let (_, member) = own(&directory, &genesis)?;
    let about = List {
        version: 0,
        network: genesis.network(),
        network_name: genesis.name.clone(),
        node: member.name,
        made: now(),
        files: Vec::new(),
    };
    let list = backup::make(&directory, &args.to, about)?;
    said(
        globals,
        &list,
        &format!("is copied to {}. Keys are not in it: the seed phrase restores them", args.to.display()),
    )
}

/// Puts a copy back, into a directory without state.
pub fn restore(globals: &Globals, args: KernelRestoreArgs) -> anyhow::Result<Outcome> {
    let (_, directory, genesis) = load(globals, &args.config)?;
    directory.create()?;
    let _lock = directory.lock()?;
    let list = backup::restore(&directory, &args.from, genesis.network())?;
    said(
        globals,
        &list,
        "is put back. At its next start the node asks the others what it signed, before it signs again",
    )
}

fn said(globals: &Globals, list: &List, what: &str) -> anyhow::Result<Outcome> {
    let bytes: u64 = list.files.iter().map(|file| file.bytes).sum();
    if globals.json {
        print_json(list)?;
    } else {
        print(&format!("The state of {} ({} files, {bytes} bytes) {what}.\n", list.node, list.files.len()))?;
    }
    Ok(Outcome::Done)
}

fn load(globals: &Globals, path: &std::path::Path) -> anyhow::Result<(Config, Directory, Arc<Genesis>)> {
    let config = Config::load(path)?;
    anyhow::ensure!(config.role == Role::Kernel, "this configuration is not a kernel node's");
    let directory = match (&globals.dir, &config.dir) {
        (Some(dir), _) | (None, Some(dir)) => Directory::new(dir),
        (None, None) => Directory::standard()?,
    };
    let network = config.network.as_ref().context("the configuration names no network file")?;
    let genesis = Arc::new(genesis::load(network)?);
    Ok((config, directory, genesis))
}

/// The kernel node whose public keys `kernel init` left in the directory: no passphrase is needed for asking.
fn own(directory: &Directory, genesis: &Genesis) -> anyhow::Result<(u8, Member)> {
    let path = directory.member_file();
    let member: Member = read_json(&path)?.with_context(|| {
        format!("{} is missing; name the node with --node, or run `kernel init` again", path.display())
    })?;
    let found = genesis.members.iter().find(|(_, known)| known.key == member.key);
    let (index, known) = found.with_context(|| format!("{} is of no kernel node of this network", path.display()))?;
    Ok((index, known.clone()))
}

fn named(genesis: &Genesis, name: &str) -> anyhow::Result<(u8, Member)> {
    let found = genesis.members.iter().find(|(_, member)| member.name == name);
    let names: Vec<&str> = genesis.members.iter().map(|(_, member)| member.name.as_str()).collect();
    let (index, member) =
        found.with_context(|| format!("no kernel node is called {name}; there are {}", names.join(", ")))?;
    Ok((index, member.clone()))
}
