//! Speaking to `nft`, which turns a script into one netlink transaction: the kernel takes all of it or nothing.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::host_network::HostNetworkError;

/// Where it is looked for. The caller's PATH is not asked: this runs as root.
const PLACES: [&str; 4] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];
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

async fn run(arguments: &[&str], input: &str) -> Result<String, HostNetworkError> {
    const MISSING: HostNetworkError = HostNetworkError::Missing { program: "nft", package: "nftables" };
    let program = PLACES.iter().find(|place| Path::new(place).is_file()).ok_or(MISSING)?;
    let refused = |reason: String| match reason.contains("Operation not permitted") {
        true => HostNetworkError::NotAllowed,
        false => HostNetworkError::Firewall { reason },
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| refused(error.to_string()))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let told = async {
        // One that refuses early closes its end; what it says on stderr then tells more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let (_, output) = tokio::join!(told, child.wait_with_output());
    let output = output.map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(refused(reason.trim().chars().take(REASON_MAX).collect()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
