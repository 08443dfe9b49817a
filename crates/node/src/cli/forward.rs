//! Ports at the exit that lead to a program here: `byway forward`.

use super::wallet::show;
use super::{ForwardCommand, ForwardOpenArgs, Globals, Outcome, Program, Table};
use crate::api::*;
use crate::client::Client;

/// How often it is looked whether the exit has answered, and how many times.
const LOOK_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
const LOOKS_MAX: usize = 120;

pub async fn forward(globals: &Globals, command: ForwardCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ForwardCommand::List => {
            let ports = list(&client).await?;
            let mut table = Table::new(&["at the exit", "", "leads to", "visitors", "state"]);
            for port in &ports {
                let public = port.public.map_or_else(|| "none".to_owned(), |public| public.to_string());
                let why = port.reason.as_ref().map_or_else(|| "open".to_owned(), |reason| reason.message.clone());
                table.row([
                    public,
                    word(port.protocol).to_owned(),
                    port.to.to_string(),
                    port.visitors.to_string(),
                    why,
                ]);
            }
            show(globals, &ports, |_| table.text("No port is forwarded; `byway forward open 8080` asks for one."))?;
        }
        ForwardCommand::Open(ForwardOpenArgs { to: Program(to), port, udp, proxy_protocol }) => {
            let request = ForwardOpen { to, protocol: protocol_of(udp), port, proxy_protocol };
            let opened = answered(&client, client.call("forward_open", &request).await?).await?;
            show(globals, &opened, told)?;
        }
        ForwardCommand::Close { to: Program(to), udp } => {
            let request = ForwardClose { to, protocol: protocol_of(udp) };
            let answer: serde_json::Value = client.call("forward_close", &request).await?;
            show(globals, &answer, |_| "Given back, and forgotten.\n".to_owned())?;
        }
    }
    Ok(Outcome::Done)
}

async fn list(client: &Client) -> anyhow::Result<Vec<ForwardedPort>> {
    Ok(client.call("forward_list", &Nothing {}).await?)
}

/// What the exit answers, if it does in half a minute.
async fn answered(client: &Client, opened: ForwardedPort) -> anyhow::Result<ForwardedPort> {
    let mut known = opened;
    for _ in 0..LOOKS_MAX {
        let is_waiting = known.reason.as_ref().is_some_and(|reason| reason.code == "waiting");
        if !is_waiting {
            break;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        let ports = list(client).await?;
        let is_it = |port: &ForwardedPort| (port.to, port.protocol) == (known.to, known.protocol);
        known = ports.into_iter().find(is_it).unwrap_or(known);
    }
    Ok(known)
}

fn protocol_of(is_udp: bool) -> Protocol {
    if is_udp { Protocol::Udp } else { Protocol::Tcp }
}

pub(super) fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

fn told(port: &ForwardedPort) -> String {
    let to = match port.protocol {
        Protocol::Tcp => port.to.to_string(),
        Protocol::Udp => format!("{} --udp", port.to),
    };
    let program = port.to;
    match (port.public, &port.reason) {
        (Some(public), _) => format!(
            "{public} ({}) leads to {program}. Visitors are paid for like everything else; `byway forward close {to}` gives the port \
             back.\n",
            word(port.protocol)
        ),
        (None, reason) => {
            let why = reason.as_ref().map(|reason| reason.message.clone()).unwrap_or_default();
            format!(
                "No port yet: {why}. It is asked for again with every exit; `byway connect --forwards` goes to one that \
                 forwards ports.\n"
            )
        }
    }
}
