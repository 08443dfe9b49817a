//! `byway wallet watch`: reading the view key, and printing what is seen.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use byway_crypto::ViewSecret;
use zeroize::Zeroizing;

use super::output::{ago, now, print, short, way};
use super::wallet::money;
use crate::api::AssetTag;
use crate::watching::{Held, Movement, Seen};

/// The view key, from a file or as it is typed.
pub fn read_view_key(file: Option<&Path>) -> anyhow::Result<ViewSecret> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?,
        None if std::io::stdin().is_terminal() => rpassword::prompt_password("View key: ")?,
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    let text = Zeroizing::new(text);
    ViewSecret::from_text(text.trim()).context("`byway wallet view-key` prints the key that is needed")
}

/// One line for each; as JSON one object a line.
pub fn print_seen(seen: &Seen, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print(&format!("{}\n", serde_json::to_string(seen)?));
    }
    print(&match seen {
        Seen::Received(movement) => movement_text("received", movement),
        Seen::Spent(movement) => movement_text("spent", movement),
        Seen::Balance { height, balances, .. } => {
            let held: Vec<String> = balances.iter().map(held_text).collect();
            let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
            format!("holds {held} at height {height}\n")
        }
    })
}

fn movement_text(what: &str, movement: &Movement) -> String {
    let tag = movement.symbol.clone().map(|symbol| AssetTag { asset: movement.asset, symbol });
    let (amount, when) = (money(movement.amount, tag.as_ref()), ago(movement.time_ms, now()));
    format!("{what} {amount}, {when}, transaction {}\n", short(&movement.transaction_id))
}

fn held_text(held: &Held) -> String {
    held.symbol.as_ref().map_or_else(|| way(held.amount), |symbol| format!("{} {symbol}", held.amount))
}
