//! `byway bench chat`: how soon a message is shown at the other's, and how soon one is found among many (row M11).
//!
//! | | measured |
//! | --- | --- |
//! | `send_ms` | from the call that sends a message to the event that shows it at another node of this process, over a direct link, one after the other |
//! | `search_ms` | from a query as it is typed to the messages that it finds, 20 at most, read from a sealed journal, with what is to be marked in them |
//! | `search_processor_ms` | the same, without what others had the processor for |
//! | `index_s` | reading all messages from that journal and making the index, as a node does when somebody first searches |
//!
//! What is searched is made up ([`corpus`]). There are as many searches of each of twelve kinds, drawn anew each time; `search_ms` is of all
//! together, and `search_ms_of` has each kind by itself.

mod corpus;
mod sending;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use byway_chat::chats::{ChatConfig, Chats, keep_message};
use byway_chat::content::query::Query;
use byway_chat::search::{Gathering, Index, Sought, marks};
use byway_crypto::IdentitySecret;
use byway_driver::disk::{Disk, Journal, SealKey};
use byway_primitives::{Batch, Hash, NetworkId, Time, Token};
use serde::Serialize;

use super::channel::Percentiles;
use super::network::seed;
use super::resident_bytes;
use corpus::{Draws, KINDS};

const JOURNAL: &str = "market";
/// Written at a time.
const BATCH: u64 = 1_000;
/// Messages of a page.
const PAGE: usize = 20;
const NOW: Time = Time(u64::MAX / 2);

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub send_ms: Percentiles,
    pub messages: u64,
    pub index_s: f64,
    /// What the index takes, and by how much the process has grown with it.
    pub index_bytes_per_message: f64,
    pub resident_bytes_per_message: Option<f64>,
    pub searches: usize,
    pub search_ms: Percentiles,
    pub search_processor_ms: Option<Percentiles>,
    pub search_ms_of: BTreeMap<&'static str, Percentiles>,
}

/// Runs the benchmark with so many messages, searches of each kind and messages to send, with the disks under `directory`.
pub async fn run(messages: u64, searches: u32, sends: u32, directory: &Path) -> anyhow::Result<Report> {
    let send_ms = sending::measure(sends, &directory.join("sending")).await?;
    let folder = directory.join("searching");
    write(messages, &folder)?;
    let disk = Disk::open(&folder)?;
    let journal = disk.sealed_journal(JOURNAL, &key())?;
    let (before, begun) = (resident_bytes(), Instant::now());
    let index = gather(&journal);
    let index_s = begun.elapsed().as_secs_f64();
    let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    ensure!(index.len() as u64 == messages, "{} messages of {messages} are in the index", index.len());
    let took = search_all(&index, &journal, searches)?;
    let all = || took.values().flatten();
    let processor: Option<Vec<f64>> = all().map(|took| took.processor.map(millis)).collect();
    Ok(Report {
        send_ms,
        messages,
        index_s,
        index_bytes_per_message: index.bytes() as f64 / messages as f64,
        resident_bytes_per_message: grown.map(|grown| grown as f64 / messages as f64),
        searches: all().count(),
        search_ms: Percentiles::of(all().map(|took| millis(took.whole)).collect()),
        search_processor_ms: processor.map(Percentiles::of),
        search_ms_of: took.iter().map(|(kind, took)| (*kind, percentiles(took))).collect(),
    })
}

/// How long a search took.
struct Took {
    whole: Duration,
    processor: Option<Duration>,
}

fn percentiles(took: &[Took]) -> Percentiles {
    Percentiles::of(took.iter().map(|took| millis(took.whole)).collect())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn key() -> SealKey {
    SealKey::new(seed(&[b"journals of a bench"]))
}

fn write(messages: u64, folder: &Path) -> anyhow::Result<()> {
    let disk = Disk::open(folder)?;
    let journal = disk.sealed_journal(JOURNAL, &key())?;
    for (token, from) in (0u64..).zip((0..messages).step_by(BATCH as usize)) {
        let mut batch = Batch::new();
        for number in from..messages.min(from + BATCH) {
            let (room, shown) = corpus::message(number)?;
            keep_message(room, &shown, &mut batch);
        }
        journal.write_lazily(batch, Token(token))?;
    }
    Ok(journal.flush()?)
}

fn gather(journal: &Journal) -> Index {
    let mut gathering = Gathering::default();
    while gathering.read(NOW, journal, BATCH as usize) {}
    gathering.finish()
}

fn search_all(index: &Index, journal: &Journal, searches: u32) -> anyhow::Result<BTreeMap<&'static str, Vec<Took>>> {
    let identity = IdentitySecret::from_bytes(&seed(&[b"searching"])).context("a bench identity's key")?;
    let config = ChatConfig { network: NetworkId(Hash([9; 32])), identity, device: 0, name: String::new() };
    let chats = Chats::load(config, Time(0), journal)?;
    let mut draws = Draws(1);
    let mut all: BTreeMap<_, Vec<Took>> = BTreeMap::new();
    // Of each kind in turn, so that what disturbs for a while disturbs them all alike.
    for number in 0..searches as usize * KINDS.len() {
        let kind = number % KINDS.len();
        let took = search(index, journal, &chats, kind, &mut draws)?;
        all.entry(KINDS[kind]).or_default().push(took);
    }
    Ok(all)
}

/// One search, as a node makes it.
fn search(index: &Index, journal: &Journal, chats: &Chats, kind: usize, draws: &mut Draws) -> anyhow::Result<Took> {
    let (text, from, within) = corpus::query(kind, draws);
    let (begun, processor) = (Instant::now(), processor_time_of_this_thread());
    let query = Query::parse(&text, 0)?;
    let sought = Sought {
        terms: query.terms,
        has: query.has,
        from: from.map(|person| [person].into()),
        within: within.map(|room| [room].into()),
        ..Sought::default()
    };
    let page = index.find(&sought, None, PAGE);
    let mut marked = 0;
    for found in &page.found {
        let shown = chats.page(found.room, Some(found.place + 1), 1, journal).pop();
        let text = shown.as_ref().and_then(|shown| shown.item.text());
        marked += text.map_or(0, |text| marks(&text.source, &sought.terms).len());
    }
    std::hint::black_box(marked);
    let processor = processor_time_of_this_thread().zip(processor).map(|(after, before)| after.saturating_sub(before));
    Ok(Took { whole: begun.elapsed(), processor })
}

/// None where the system doesn't say.
fn processor_time_of_this_thread() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
