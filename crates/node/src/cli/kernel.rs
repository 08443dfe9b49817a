//! Operating a kernel node: `byway kernel status`, `entry`, `backup` and `restore`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer, Request, Status};
use byway_peer::link::KernelPeer;
use byway_primitives::{Amount, Time};
use byway_records::epoch::{epoch_of, first_round};
use byway_records::genesis::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX};
use byway_records::{Genesis, Height, Member, Seats, SignedEntry};
use serde::Serialize;
use serde_json::json;

use super::output::{ago, fields, now, print, print_json, wait, way, word};
use super::{Globals, KernelBackupArgs, KernelEntryArgs, KernelRestoreArgs, KernelStatusArgs, Outcome, Table};
use crate::api::{Reason, Standing};
use crate::backup::{self, List};
use crate::config::{Config, Role};
use crate::directory::{Directory, read_json, write_json};
use crate::explorer::{CERTIFICATES_NEWEST, rounds_behind};
use crate::genesis;
use crate::health::{self, ROUNDS_BEHIND_MAX};
use crate::keystore::Keystore;
use crate::passphrase::{Occasion, Passphrase};
use crate::peer_node::kernel_access::KernelAccess;

/// What a kernel node says of itself, as it is printed.
#[derive(Debug, Serialize)]
struct Report {
    node: String,
    network: String,
    /// Its seat and how it stands there; absent while it has none, as far as it has read the ledger.
    seat: Option<u8>,
    standing: Option<Standing>,
    pledge: Option<Amount>,
    unlocks_ms: Option<u64>,
    unlocks_commits: Option<u64>,
    epoch: u32,
    /// The newest that it knows of, and whether it counts there.
    newest_epoch: u32,
    counts_there: bool,
    /// What another node's `kernel.peers` names it by.
    peer: String,
    protocol: u16,
    height: u64,
    commits: u64,
    time_ms: u64,
    /// Whether it fetches old rounds instead of taking part.
    is_behind: bool,
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
    /// The time of the newest checkpoint that the node has a certificate of.
    certified_ms: Option<u64>,
    /// What is wrong; nothing if it is healthy.
    troubles: Vec<Reason>,
    healthy: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    seat: u8,
    name: String,
    standing: Standing,
    address: String,
    round: u64,
    connected: bool,
}

/// Asks a kernel node how it is, over its mesh port and so as anyone can. [`health`] says what makes it well.
pub async fn status(globals: &Globals, args: KernelStatusArgs) -> anyhow::Result<Outcome> {
    let (config, directory, genesis) = load(globals, &args.config)?;
    let own = own_access(&config, &directory, &genesis);
    let (access, member) = match &args.node {
        None => own?,
        Some(name) => other(&genesis, own.ok(), name).await?,
    };
    let answer = access.ask(0, &Request::Status).await.context("the kernel node gives no answer; is it running?")?;
    let Answer::Status(status) = answer else { bail!("the kernel node gave an answer that makes no sense") };
    let membership = membership_of(&access).await?;
    let equivocations = match access.ask(0, &Request::Explore(Query::Evidence)).await {
        Ok(Answer::Explored(Found::Evidence(evidence))) => evidence.len(),
        _ => 0,
    };
    let certified = newest_certified(&access, status.height).await;
    let seen = Seen { membership, status, certified, equivocations };
    let report = report(&genesis, &member, &seen, now());
    if globals.json {
        print_json(&report)?
    } else {
        print(&text(&report))?
    }
    Ok(if report.healthy { Outcome::Done } else { Outcome::No })
}

/// One member alone, in seat 0, reached at `address`.
fn access_to(genesis: &Genesis, member: &Member, address: String) -> KernelAccess {
    let seats = Seats::founding([Member { address, ..member.clone() }]);
    KernelAccess::to(genesis, &seats, &BTreeMap::new(), None)
}

/// The kernel node of this configuration, whether it has a seat or not.
fn own_access(config: &Config, directory: &Directory, genesis: &Genesis) -> anyhow::Result<(KernelAccess, Member)> {
    let member = own(directory)?;
    let mut here = config.kernel.as_ref().context("the configuration has no [kernel] section")?.listen;
    if here.ip().is_unspecified() {
        here.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok((access_to(genesis, &member, here.to_string()), member))
}

/// The member of this name, by what the own node knows of the members, or genesis where it can't be asked.
async fn other(
    genesis: &Genesis,
    own: Option<(KernelAccess, Member)>,
    name: &str,
) -> anyhow::Result<(KernelAccess, Member)> {
    let known = match &own {
        Some((access, _)) => membership_of(access).await.ok(),
        None => None,
    };
    let seats = known.map_or_else(|| genesis.epoch().seats, |membership| membership.epoch.seats);
    let found = seats.iter().find(|(_, seat)| seat.member.name == name).map(|(_, seat)| seat.member.clone());
    let member = found.with_context(|| {
        let names: Vec<&str> = seats.iter().map(|(_, seat)| seat.member.name.as_str()).collect();
        format!("no kernel node is called {name}; there are {}", names.join(", "))
    })?;
    Ok((access_to(genesis, &member, member.address.clone()), member))
}

async fn membership_of(access: &KernelAccess) -> anyhow::Result<Membership> {
    match access.ask(0, &Request::Explore(Query::Members)).await? {
        Answer::Explored(Found::Members(membership)) => Ok(*membership),
        _ => bail!("the kernel node gave an answer that makes no sense"),
    }
}

/// The time of the newest checkpoint that the node has a certificate of, if it is among its newest.
async fn newest_certified(access: &KernelAccess, height: Height) -> Option<Time> {
    let from = Height(height.0.saturating_sub(CERTIFICATES_NEWEST as u64).max(1));
    match access.ask(0, &Request::Explore(Query::Certificates { from })).await {
        Ok(Answer::Explored(Found::Certificates(certificates))) => Some(certificates.last()?.checkpoint.time),
        _ => None,
    }
}

/// What the node said.
struct Seen {
    membership: Membership,
    status: Status,
    certified: Option<Time>,
    equivocations: usize,
}

fn report(genesis: &Genesis, member: &Member, seen: &Seen, now: Time) -> Report {
    let Seen { membership, status, certified, equivocations } = seen;
    let Membership { epoch, .. } = membership;
    let round = |seat: u8| status.rounds.get(usize::from(seat)).copied().unwrap_or(0);
    let newest = status.rounds.iter().copied().max().unwrap_or(0);
    let members = epoch.seats.iter().map(|(number, seat)| Line {
        seat: number,
        name: seat.member.name.clone(),
        standing: seat.standing.into(),
        address: seat.member.address.clone(),
        round: round(number),
        connected: status.connected.get(usize::from(number)).copied().unwrap_or(false),
    });
    let members: Vec<Line> = members.collect();
    let seat = epoch.seats.seat_of(member.key);
    let counts = seat.and_then(|seat| epoch.seats.get(seat)).is_some_and(|seat| seat.standing.counts());
    let others = members.iter().filter(|line| Some(line.seat) != seat && line.standing == Standing::Counting);
    let connected = others.filter(|line| line.connected).count();
    let (quorum, rounds_behind) = (epoch.seats.quorum(), seat.map_or(0, |seat| rounds_behind(round(seat), newest)));
    let node = health::Node { counts, connected, quorum, rounds_behind, signed_twice: *equivocations };
    let progress = health::Progress { committed: status.time, certified: *certified };
    let mut troubles = progress.troubles(now, &genesis.parameters);
    troubles.extend(node.troubles());
    let pledge = seat.and_then(|seat| membership.pledge(seat));
    let unlocks = pledge.and_then(|pledge| pledge.unlocks);
    let some = |ms: u64| (ms > 0).then_some(ms);
    Report {
        node: member.name.clone(),
        network: genesis.name.clone(),
        seat,
        standing: seat.and_then(|seat| epoch.seats.get(seat)).map(|seat| seat.standing.into()),
        pledge: pledge.map(|pledge| pledge.amount),
        unlocks_ms: unlocks.map(|deadline| deadline.time.0),
        unlocks_commits: unlocks.map(|deadline| deadline.commits),
        epoch: epoch.number,
        newest_epoch: status.newest_epoch,
        counts_there: status.counts_there,
        peer: KernelPeer { key: member.mesh, address: member.address.clone() }.to_string(),
        protocol: epoch.protocol,
        height: status.height.0,
        commits: status.commits,
        time_ms: status.time.0,
        is_behind: status.is_behind,
        round: seat.map_or(0, round),
        rounds_behind,
        connected,
        quorum,
        finality_ms_p50: some(status.finality_ms_p50),
        finality_ms_p99: some(status.finality_ms_p99),
        pool_percent: status.pool_percent,
        stamp_bits: status.stamp_bits,
        equivocations: *equivocations,
        members,
        certified_ms: certified.map(|time| time.0),
        healthy: troubles.is_empty(),
        troubles: troubles.into_iter().map(Reason::from).collect(),
    }
}

/// How a node stands, in words.
fn standing_text(report: &Report) -> String {
    if report.newest_epoch > report.epoch {
        let (here, there) = (report.epoch, report.newest_epoch);
        return match report.counts_there {
            true => format!("in epoch {here}, on its way to epoch {there}, where it counts"),
            false => format!(
                "in epoch {here}, and counts for nothing in epoch {there}, where the network is: it left, was removed, or \
                 has not joined; `byway kernel entry` makes what its owner takes a seat with"
            ),
        };
    }
    let Some((seat, standing)) = report.seat.zip(report.standing) else {
        return "no seat, as far as this node has read the ledger; `byway kernel entry` makes what its owner takes one with"
            .to_owned();
    };
    let words = match standing {
        Standing::Candidate if report.is_behind => "a candidate, catching up",
        Standing::Candidate => "a candidate, caught up: it says so on the ledger and then counts",
        Standing::Counting if report.is_behind => "counts, but is behind and catches up",
        Standing::Counting => "counts",
        Standing::Marked => "marked: it was convicted once, and counts for nothing",
        Standing::Left => "has left: the process can be stopped",
    };
    format!("seat {seat}, {words}")
}

fn pledge_text(report: &Report) -> String {
    let Some(pledge) = report.pledge else { return "none".to_owned() };
    match (report.unlocks_ms, report.unlocks_commits) {
        (Some(time), Some(commits)) => {
            let (time, commits) = (wait(Time(time), Time(report.time_ms)), commits.saturating_sub(report.commits));
            format!("{}, unlocked {time} and {commits} commits", way(pledge))
        }
        _ => format!("{}, locked while it takes part", way(pledge)),
    }
}

/// A round as people read it: its number within its epoch.
fn round_text(round: u64) -> String {
    let begun = epoch_of(round).map_or(0, |epoch| first_round(epoch) - 1);
    (round - begun).to_string()
}

/// The verdict: what is wrong, if anything is.
fn health_text(report: &Report) -> String {
    let troubles: Vec<&str> = report.troubles.iter().map(|trouble| trouble.message.as_str()).collect();
    if report.healthy { "healthy".to_owned() } else { format!("NOT HEALTHY: {}", troubles.join("; ")) }
}

fn text(report: &Report) -> String {
    let place = match report.rounds_behind {
        0..=ROUNDS_BEHIND_MAX => "in step".to_owned(),
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
    let certified = match report.certified_ms {
        Some(time) => format!("the newest checkpoint {}", ago(Time(time), now())),
        None if report.height == 0 => "nothing yet".to_owned(),
        None => "none of the newest checkpoints".to_owned(),
    };
    let counts = report.standing == Some(Standing::Counting);
    let others = report.members.iter().filter(|line| Some(line.seat) != report.seat);
    let of = others.filter(|line| line.standing == Standing::Counting).count();
    let quorum = match counts {
        true => format!("{} make a quorum with this one", report.quorum - 1),
        false => format!("{} make a quorum", report.quorum),
    };
    let head = fields(&[
        ("node", format!("{} of {}", report.node, report.network)),
        ("standing", standing_text(report)),
        ("peer", report.peer.clone()),
        ("pledge", pledge_text(report)),
        ("round", if counts { format!("{}, {place}", round_text(report.round)) } else { "signs none".to_owned() }),
        ("connected", format!("to {} of {of} others that count, {quorum}", report.connected)),
        (
            "height",
            format!(
                "{}, {} commits, the last {}; epoch {}, protocol {}",
                report.height,
                report.commits,
                ago(Time(report.time_ms), now()),
                report.epoch,
                report.protocol
            ),
        ),
        ("final in", finality),
        ("pool", pool),
        ("signed twice", caught),
        ("certified", certified),
        ("health", health_text(report)),
    ]);
    let mut table = Table::new(&[">seat", "kernel node", "standing", "address", ">round", "connected"]);
    for line in &report.members {
        let connected = if Some(line.seat) == report.seat {
            "itself"
        } else if line.connected {
            "yes"
        } else {
            "no"
        };
        let (seat, standing) = (line.seat.to_string(), word(&line.standing));
        let (name, address) = (line.name.clone(), line.address.clone());
        table.row([seat, name, standing, address, round_text(line.round), connected.to_owned()]);
    }
    format!("{head}\n{}", table.text(""))
}

/// Prints what the node's owner takes a seat for it with, signed by its hot key.
pub fn entry(globals: &Globals, args: KernelEntryArgs) -> anyhow::Result<Outcome> {
    let (_, directory, genesis) = load(globals, &args.config)?;
    let noted = own(&directory)?;
    let passphrase = Passphrase::obtain(&directory, globals.passphrase_file.as_deref(), Occasion::Open)?;
    let keystore = Keystore::open(&directory.keystore_file(), &passphrase)?;
    let name = args.name.unwrap_or(noted.name);
    let address = args.address.unwrap_or(noted.address);
    check_member(&name, &address)?;
    let member = Member { owner: args.owner.unwrap_or(noted.owner), ..genesis::member(&keystore, &name, &address) };
    write_json(&directory.member_file(), &member)?;
    let signed = SignedEntry::sign(member, &keystore.kernel_node(), genesis.network());
    if let Some(file) = &args.out {
        std::fs::write(file, format!("{signed}\n")).with_context(|| format!("{} can't be written", file.display()))?;
    }
    let member = signed.member();
    if globals.json {
        print_json(&json!({ "entry": signed.to_string(), "network": signed.network, "member": member }))?;
    } else {
        print(&format!(
            "For the owner {}, whose node takes a seat with `byway kernel join ENTRY`, or changes this node's with \
             `byway kernel rotate SEAT ENTRY`. It holds no secret.\n\n{signed}\n",
            member.owner
        ))?;
    }
    Ok(Outcome::Done)
}

/// Copies the state of a kernel node that is stopped.
pub fn backup(globals: &Globals, args: KernelBackupArgs) -> anyhow::Result<Outcome> {
    let (_, directory, genesis) = load(globals, &args.config)?;
    let _lock = directory.lock().context("a running node can't be copied file by file")?;
    let member = own(&directory)?;
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
fn own(directory: &Directory) -> anyhow::Result<Member> {
    let path = directory.member_file();
    read_json(&path)?.with_context(|| {
        format!("{} is missing; name the node with --node, or run `kernel init` again", path.display())
    })
}

/// Whether a member can be called and reached so.
///
/// # Errors
/// With the remedy.
pub fn check_member(name: &str, address: &str) -> anyhow::Result<()> {
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || name.contains(['=', ',']) {
        bail!(
            "a kernel node can't be called {name:?}; give it a --name of at most {NAME_BYTES_MAX} bytes without = and ,"
        );
    }
    let port = address.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    if port.is_none() || address.len() > ADDRESS_BYTES_MAX {
        bail!(
            "others can't reach a kernel node at {address:?}; write the --address as host:port, such as k1.example.org:7100"
        );
    }
    Ok(())
}
