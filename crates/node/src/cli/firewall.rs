//! `byway firewall` and `byway exec`: the machine's network, with or without a running node.

use std::ffi::OsString;

use anyhow::bail;
use byway_driver::host_network::{self, HostNetwork, Programs, Removed, ResolverStatus, Status};
use serde_json::json;

use super::output::{print, print_json};
use super::{ExecArgs, FirewallCommand, Globals, Outcome};

/// Domains, or addresses, in one line; `--json` shows all.
const LISTED_MAX: usize = 12;

pub async fn firewall(globals: &Globals, command: FirewallCommand) -> anyhow::Result<Outcome> {
    let network = host_network(globals)?;
    match command {
        FirewallCommand::Status => {
            let status = network.status().await?;
            match globals.json {
                true => print_json(&status_json(&status))?,
                false => print(&status_text(&status))?,
            }
        }
        FirewallCommand::Reset => {
            let removed = network.reset().await?;
            match globals.json {
                true => print_json(&json!({ "removed": removed.iter().map(ToString::to_string).collect::<Vec<_>>() }))?,
                false => print(&removed_text(&removed))?,
            }
        }
    }
    Ok(Outcome::Done)
}

/// Becomes the program, in the control group by which the firewall tells it.
pub async fn exec(globals: &Globals, args: ExecArgs) -> anyhow::Result<Outcome> {
    let status = host_network(globals)?.status().await?;
    match (args.side.inside, status.is_closed) {
        (true, false) => bail!("nothing is protected now, so the program would not be inside; connect first"),
        (false, true) if status.programs != Some(Programs::AllButOutside) => {
            bail!("the plan in force lets no programs out, so the program would be inside")
        }
        _ => become_program(args.side.inside, &args.program),
    }
}

fn host_network(globals: &Globals) -> anyhow::Result<Box<dyn HostNetwork>> {
    Ok(host_network::of_this_machine(globals.running_directory()?.root()))
}

#[cfg(not(target_os = "linux"))]
fn become_program(_is_inside: bool, _program: &[OsString]) -> anyhow::Result<Outcome> {
    bail!("programs can't be told apart on this operating system yet")
}

#[cfg(target_os = "linux")]
fn become_program(is_inside: bool, program: &[OsString]) -> anyhow::Result<Outcome> {
    use std::os::unix::process::CommandExt;

    use byway_driver::host_network::linux::{Group, enter};

    let (name, arguments) = program.split_first().expect("clap asks for a program");
    enter(if is_inside { Group::Inside } else { Group::Outside })?;
    let mut command = std::process::Command::new(name);
    command.args(arguments);
    // Root is needed to enter the group, and for nothing after.
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u32>().ok());
    if let (Some(user), Some(group)) = (number("SUDO_UID"), number("SUDO_GID")) {
        command.uid(user).gid(group);
    }
    let error = command.exec();
    bail!("{} can't be run: {error}", name.to_string_lossy())
}

fn status_text(status: &Status) -> String {
    let mut lines = Vec::new();
    lines.push(match (status.is_closed, status.programs) {
        (false, _) => "The kill switch is off: programs reach the network as if there were no Byway.".to_owned(),
        (true, Some(Programs::OnlyInside)) => {
            "Programs started with `byway exec --inside` reach the network through the tunnel or not at all.".to_owned()
        }
        (true, _) => "The kill switch is on: nothing leaves but through the tunnel, and what is said here.".to_owned(),
    });
    lines.extend(status.noted.iter().map(|line| format!("  {line}")));
    if status.programs == Some(Programs::AllButOutside) {
        lines.push("  programs started with `byway exec --outside` go past the tunnel".to_owned());
    }
    if !status.domains.is_empty() {
        let side = if status.programs == Some(Programs::OnlyInside) { "through" } else { "past" };
        lines.push(format!("  by name, {side} the tunnel: {}", listed(&status.domains)));
        lines.push(match status.named.is_empty() {
            true => "  nobody has asked for one of these names yet".to_owned(),
            false => format!("  these names' addresses so far: {}", listed(&status.named)),
        });
    }
    if status.is_lost {
        lines.push(
            "What this node had put in place is gone: the machine was started anew, or the rules were emptied."
                .to_owned(),
        );
    }
    if status.rules + status.routes > 0 {
        lines.push(format!("Routing: {} rules and {} routes are Byway's.", status.rules, status.routes));
    }
    lines.push(
        match status.resolver {
            ResolverStatus::Own => "The resolver file is the machine's own.",
            ResolverStatus::Inside => "Names are resolved inside the tunnel; the resolver file from before is kept.",
            ResolverStatus::Orphaned => {
                "Names are resolved inside the tunnel; what the resolver file was before is not noted in this \
                 directory (see --dir)."
            }
        }
        .to_owned(),
    );
    if status.is_sharing {
        lines.push("Clients are let out to the internet, and kept from this machine and its networks.".to_owned());
    }
    if *status != Status::default() {
        lines.push("`byway firewall reset` removes all of it.".to_owned());
    }
    lines.join("\n") + "\n"
}

/// The first of them, and how many more there are.
fn listed(items: &[impl ToString]) -> String {
    let first: Vec<String> = items.iter().take(LISTED_MAX).map(ToString::to_string).collect();
    match items.len().saturating_sub(LISTED_MAX) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn status_json(status: &Status) -> serde_json::Value {
    let resolver = match status.resolver {
        ResolverStatus::Own => "own",
        ResolverStatus::Inside => "inside",
        ResolverStatus::Orphaned => "orphaned",
    };
    let programs = status.programs.map(|programs| match programs {
        Programs::All => "all",
        Programs::AllButOutside => "all-but-outside",
        Programs::OnlyInside => "only-inside",
    });
    json!({
        "kill_switch": status.is_closed,
        "programs": programs,
        "domains": status.domains,
        "addresses": status.named,
        "sharing": status.is_sharing,
        "lost": status.is_lost,
        "rules": status.rules,
        "routes": status.routes,
        "resolver": resolver,
        "noted": status.noted,
    })
}

fn removed_text(removed: &[Removed]) -> String {
    if removed.is_empty() {
        return "There was nothing of Byway to remove.\n".to_owned();
    }
    let lines: Vec<String> = removed.iter().map(|one| format!("  {one}\n")).collect();
    format!("Removed:\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_told_in_plain_words() {
        let closed = Status { is_closed: true, rules: 5, routes: 2, ..Status::default() };
        let named = |programs, addresses: u8| Status {
            programs: Some(programs),
            domains: vec!["site.example".parse().expect("a name")],
            named: (0..addresses).map(|last| [198, 51, 100, last].into()).collect(),
            ..closed.clone()
        };
        for (status, parts) in [
            (Status::default(), vec!["The kill switch is off", "the machine's own"]),
            (Status { is_lost: true, ..Status::default() }, vec!["The kill switch is off", "is gone"]),
            (closed.clone(), vec!["The kill switch is on", "5 rules and 2 routes", "`byway firewall reset`"]),
            (Status { programs: Some(Programs::OnlyInside), ..closed.clone() }, vec!["`byway exec --inside`"]),
            (named(Programs::All, 0), vec!["past the tunnel: site.example", "nobody has asked"]),
            (named(Programs::OnlyInside, 14), vec!["through the tunnel: site.example", "198.51.100.11 and 2 more"]),
        ] {
            let text = status_text(&status);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        assert_eq!(status_json(&named(Programs::All, 1))["addresses"][0], "198.51.100.0");
        assert!(!status_text(&Status::default()).contains("reset"), "there is nothing to reset");
        assert_eq!(removed_text(&[]), "There was nothing of Byway to remove.\n");
        assert_eq!(removed_text(&[Removed::KillSwitch]), "Removed:\n  the kill switch\n");
    }
}
