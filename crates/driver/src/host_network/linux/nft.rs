//! Speaking to `nft`, which turns a script into one netlink transaction: the kernel takes all of it or nothing.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::host_network::HostNetworkError;

/// Where it is looked for. The caller's PATH is not asked: this runs as root.
const PLACES: [&str; 4] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];
/// How long one transaction may take; real ones take milliseconds.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How much of a refusal is told, in characters.
const REASON_MAX: usize = 2000;

/// Carries out `script` as one transaction.
pub(super) async fn carry_out(script: &str) -> Result<(), HostNetworkError> {
    run(&["-f", "-"], script).await.map(drop)
}

/// Whether the table `inet name` exists.
pub(super) async fn has_table(name: &str) -> Result<bool, HostNetworkError> {
    let wanted = format!("table inet {name}");
    Ok(run(&["list", "tables", "inet"], "").await?.lines().any(|line| line.trim() == wanted))
}

/// Deletes the table `inet name`. Says whether there was one.
pub(super) async fn delete_table(name: &str) -> Result<bool, HostNetworkError> {
    let existed = has_table(name).await?;
    if existed {
        carry_out(&format!("add table inet {name}\ndelete table inet {name}\n")).await?;
    }
    Ok(existed)
}

/// The addresses in a set of the table `inet table`; none where there is no such set.
pub(super) async fn set_elements(table: &str, set: &str) -> Result<Vec<IpAddr>, HostNetworkError> {
    match run(&["list", "set", "inet", table, set], "").await {
        Ok(text) => Ok(elements(&text)),
        Err(HostNetworkError::Firewall { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn elements(listed: &str) -> Vec<IpAddr> {
    let inside = listed.split_once("elements = {").and_then(|(_, rest)| rest.split_once('}'));
    let elements = inside.map(|(elements, _)| elements).unwrap_or_default();
    elements.split(',').filter_map(|element| element.trim().parse().ok()).collect()
}

async fn run(arguments: &[&str], input: &str) -> Result<String, HostNetworkError> {
    const MISSING: HostNetworkError = HostNetworkError::Missing { program: "nft", package: "nftables" };
    let program = PLACES.iter().find(|place| Path::new(place).is_file()).ok_or(MISSING)?;
    let refused = |reason: String| match reason.contains("Operation not permitted") {
        true => HostNetworkError::NotAllowed,
        false => HostNetworkError::Firewall { reason },
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| refused(error.to_string()))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let told = async {
        // One that refuses early closes its end; what it says on stderr then tells more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let answered = timeout(WAIT_MAX, async { tokio::join!(told, child.wait_with_output()).1 }).await;
    let output = answered.map_err(|_| refused("nft does not end".to_owned()))?;
    let output = output.map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(refused(reason.trim().chars().take(REASON_MAX).collect()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_over_several_lines() {
        let listed = "table inet byway {\n\tset inside_v4 {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.1, 192.0.2.2,\n\t\t\t     192.0.2.3 }\n\t}\n}\n";
        let expected: Vec<IpAddr> = (1..=3).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(elements(listed), expected);
        assert_eq!(
            elements("table inet byway {\n\tset inside_v4 {\n\t\ttype ipv4_addr\n\t}\n}\n"),
            Vec::<IpAddr>::new()
        );
    }
}
