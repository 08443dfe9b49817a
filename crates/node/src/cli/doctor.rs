//! `byway doctor`: what keeps others from reaching this peer.

use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::json;

use super::output::{now, print, print_json};
use super::{DoctorArgs, Globals, Outcome};
use crate::config::{Config, Role};
use crate::directory::Directory;
use crate::doctor::{Subject, Verdict, Weight, examine, verdicts};
use crate::genesis;

pub async fn doctor(globals: &Globals, args: DoctorArgs) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config)?;
    ensure!(config.role == Role::Peer, "this is no peer's configuration; `byway kernel status` is for kernel nodes");
    let directory = match (&globals.dir, &config.dir) {
        (Some(dir), _) | (None, Some(dir)) => Directory::new(dir),
        (None, None) => Directory::standard()?,
    };
    directory.create()?;
    let network = config.network.as_ref().context("the configuration names no network file")?;
    let genesis = Arc::new(genesis::load(network)?);
    let findings = examine(&Subject { config: &config, directory: &directory, genesis, now: now() }).await;
    let verdicts = verdicts(&findings);
    let is_well = verdicts.iter().all(|verdict| verdict.weight != Weight::Wrong);
    match globals.json {
        true => print_json(&json!({ "well": is_well, "verdicts": verdicts, "findings": findings }))?,
        false => print(&text(&verdicts))?,
    }
    Ok(if is_well { Outcome::Done } else { Outcome::No })
}

/// One paragraph for each, what is wrong with its remedy.
fn text(verdicts: &[Verdict]) -> String {
    let paragraphs = verdicts.iter().map(|verdict| {
        let mark = match verdict.weight {
            Weight::Good => "ok    ",
            Weight::Note => "note  ",
            Weight::Wrong => "WRONG ",
        };
        let remedy = if verdict.remedy.is_empty() { String::new() } else { format!("       → {}\n", verdict.remedy) };
        format!("{mark} {}\n{remedy}", verdict.finding)
    });
    paragraphs.collect()
}
