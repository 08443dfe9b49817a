//! `byway bot check`: a program is told a message that nobody said, and what it answers is shown and goes nowhere.

use std::time::Duration;

use anyhow::Context;
use byway_chat::content::display;
use byway_primitives::IdentityId;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::super::output::print;
use super::super::{BotCheckArgs, Outcome};
use super::program::{Did, Program};
use super::rules::{In, May, Rules};
use super::{pretend, protocol};

pub async fn check(args: BotCheckArgs) -> anyhow::Result<Outcome> {
    let (talk, item) = (pretend::conversation(), pretend::item(&args.text));
    let may = [May::Read, May::Send, May::React, May::Files, May::Invite].into();
    let me = IdentityId([0x11; 20]);
    let rules = Rules { within: In::All, may, mentions_only: false, name: "bot".to_owned(), me };
    let program = Program::start(&rules.name, &args.command);
    let mut program = program.with_context(|| format!("{} can't be started", args.command[0]))?;
    let talks = [talk];
    for line in [protocol::hello(&rules, &talks), protocol::message(&rules, &talks[0], "Somebody", &item)] {
        print(&format!("> {line}\n"))?;
        program.tell(&line);
    }
    let until = Instant::now() + Duration::from_secs(args.seconds.into());
    let (mut asked, mut refused) = (0_u32, 0_u32);
    let why = loop {
        if args.requests.is_some_and(|enough| asked >= enough) {
            break "that was enough".to_owned();
        }
        match timeout_at(until, program.next()).await {
            Err(_) => break format!("{} s are over", args.seconds),
            Ok(Did::End(why)) => break why,
            Ok(Did::Hear) => {}
            Ok(Did::Say(line)) => {
                print(&format!("< {}\n", display::text(&String::from_utf8_lossy(&line))))?;
                let read = protocol::request(&line);
                let permitted = read.and_then(|request| match request.asked.permitted(&rules, &talks) {
                    Ok(_) => Ok(request.id),
                    Err(refusal) => Err((request.id.unwrap_or_default(), refusal)),
                });
                let answer = match permitted {
                    Ok(id) => {
                        asked += 1;
                        id.map(|id| protocol::result(&id, &json!({ "pretended": true })))
                    }
                    Err((id, refusal)) => {
                        refused += 1;
                        Some(refusal.line(&id))
                    }
                };
                if let Some(answer) = answer {
                    print(&format!("> {answer}\n"))?;
                    program.tell(&answer);
                }
            }
        }
    };
    eprintln!("asked for: {asked}, refused: {refused}; {why}.");
    Ok(if refused == 0 { Outcome::Done } else { Outcome::No })
}
