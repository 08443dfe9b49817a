//! `byway bench chat`: what people notice of conversations (rows M2, M6, M11).
//!
//! | part | | measured |
//! | --- | --- | --- |
//! | `send` | `send_ms` | from the call that sends a message to the event that shows it at another node of this process, over a direct link |
//! | `held` | `catch_up_s` | from the start of a node that was away to the last of the messages that a holder had for it |
//! | | `idle_kb_per_day` | what a node that is held for and says nothing moves on its link to the holder |
//! | `groups` | `group_add_ms`, `join_ms` | adding one to a large room, and coming into it, beside the bare library in the same run |
//! | `attachments` | `attachment_mb_per_s` | a file from one node to another, beside a bare stream in the same run |
//! | `search` | `search_ms` | from a query as it is typed to the messages that it finds, 20 at most, read from a sealed journal, with their marks |
//! | | `search_processor_ms` | the same, without what others had the processor for |
//! | | `index_s` | reading all messages from that journal and making the index, as a node does when somebody first searches |
//!
//! What is searched is made up ([`corpus`]). There are as many searches of each of twelve kinds, drawn anew each time; `search_ms` is of all
//! together, and `search_ms_of` has each kind by itself.

mod attachments;
mod corpus;
mod groups;
mod held;
mod pair;
mod searching;
mod sending;

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::percentile;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Send,
    Held,
    Groups,
    Attachments,
    Search,
}

/// How much of each there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Messages to search.
    pub messages: u64,
    /// Searches of each kind.
    pub searches: u32,
    /// Messages to send.
    pub sends: u32,
    /// Messages that are held.
    pub held: u32,
    /// How long the link to a holder is watched while nothing is said.
    pub idle: Duration,
    /// People in a room.
    pub members: u32,
    /// Of a file, in 10^6 bytes.
    pub megabytes: u64,
}

/// Has the fields of the parts that were measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub send: Option<sending::Report>,
    #[serde(flatten)]
    pub held: Option<held::Report>,
    #[serde(flatten)]
    pub groups: Option<groups::Report>,
    #[serde(flatten)]
    pub attachments: Option<attachments::Report>,
    #[serde(flatten)]
    pub search: Option<searching::Report>,
}

/// Measures one part, or all, with the disks under `directory`.
pub async fn run(sizes: Sizes, only: Option<Part>, directory: &Path) -> anyhow::Result<Report> {
    let folder = |name: &str| directory.join(name);
    let mut report = Report::default();
    for part in Part::value_variants().iter().filter(|part| only.is_none_or(|only| only == **part)) {
        match part {
            Part::Send => report.send = Some(sending::measure(sizes.sends, &folder("sending")).await?),
            Part::Held => report.held = Some(held::measure(sizes.held, sizes.idle, &folder("held")).await?),
            Part::Groups => report.groups = Some(groups::measure(sizes.members)?),
            Part::Attachments => {
                report.attachments = Some(attachments::measure(sizes.megabytes, &folder("attachments")).await?);
            }
            Part::Search => {
                report.search = Some(searching::measure(sizes.messages, sizes.searches, &folder("searching"))?);
            }
        }
    }
    Ok(report)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The one in the middle; the upper of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    percentile(&values, 50)
}
