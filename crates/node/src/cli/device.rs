//! Other devices of the same person: `byway device`.

use byway_primitives::Time;

use super::output::{ago, now};
use super::phone::drawn;
use super::wallet::show;
use super::{DeviceCommand, Globals, Outcome, Table};
use crate::api::*;

pub async fn device(globals: &Globals, command: DeviceCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        DeviceCommand::Token => {
            let token: DeviceToken = client.call("device_token", &Nothing {}).await?;
            show(globals, &token, token_text)?;
        }
        DeviceCommand::Link { token, name } => {
            let device: Device = client.call("device_link", &DeviceLink { token, name }).await?;
            show(globals, &device, linked_text)?;
        }
        DeviceCommand::List => {
            let status: DeviceStatus = client.call("device_list", &Nothing {}).await?;
            show(globals, &status, status_text)?;
        }
        DeviceCommand::Remove { device } => {
            let device: Device = client.call("device_remove", &DeviceRemove { device }).await?;
            show(globals, &device, |device| {
                format!(
                    "{} is no device of yours any more. What it has it keeps; it is told nothing more.\n",
                    called(device)
                )
            })?;
        }
    }
    Ok(Outcome::Done)
}

fn called(device: &Device) -> String {
    if device.name.is_empty() { device.node.to_string() } else { device.name.clone() }
}

fn token_text(shown: &DeviceToken) -> String {
    // Capitals make a smaller code, and mean the same.
    let code = drawn(&shown.token.to_uppercase());
    format!(
        "{code}\n{}\n\n\
         On your first node, within ten minutes: byway device link TOKEN\n\
         This counts once. Whoever types it in has this node as a device of theirs, so show it to nobody else.\n",
        shown.token,
    )
}

fn linked_text(device: &Device) -> String {
    let (name, node) = (called(device), device.node);
    match device.state {
        DeviceState::Linked => format!(
            "{name} is a device of yours now, at the node {node}.\n\
             It is in every conversation as soon as the others have heard, and is given what was said before:\n\
             `byway device list` shows how far that is.\n"
        ),
        _ => format!(
            "{name} ({node}) was not reached yet. It is called again and again for as long as its token counts; `byway device list` shows\n\
             what became of it, and `byway device remove` stops it.\n"
        ),
    }
}

fn status_text(status: &DeviceStatus) -> String {
    let until = |time: Option<Time>| time.map_or_else(String::new, day_of);
    let mut text = match status.role {
        DeviceRole::First => format!("This node is the first device of {}.\n", status.person),
        DeviceRole::Linked => format!(
            "This node is a device of {}, until {} unless the first one renews that.\n",
            status.person,
            until(status.until_ms)
        ),
        DeviceRole::Removed => format!(
            "This node was a device of {} and is none any more. A new node, with a folder of its own, can be linked.\n",
            status.person
        ),
    };
    let mut table = Table::new(&["name", "node", "", "since", "until", "heard", "history"]);
    for device in &status.devices {
        let state = match device.state {
            DeviceState::Calling => "is being called",
            DeviceState::Refused => "not linked: its token counts no more",
            DeviceState::Linked => "linked",
            DeviceState::Agreed => "awaits its answer",
            DeviceState::First => "first device",
            DeviceState::Restored => "to be found again",
        };
        let heard = match device.heard_ms {
            _ if device.online => "now".to_owned(),
            Some(heard) => ago(heard, now()),
            None => "never".to_owned(),
        };
        let since = ago(device.since_ms, now());
        table.row([
            device.name.clone(),
            device.node.to_string(),
            state.to_owned(),
            since,
            until(device.until_ms),
            heard,
            device.history.map_or_else(String::new, history_text),
        ]);
    }
    text.push_str(&table.text("There is no other device."));
    text
}

fn history_text(history: DeviceHistory) -> String {
    let DeviceHistory { messages, given, whole } = history;
    match whole {
        true => "all".to_owned(),
        false => format!("{given} of {messages}"),
    }
}

fn day_of(time: Time) -> String {
    crate::calendar::Day::of(time).to_string()
}
