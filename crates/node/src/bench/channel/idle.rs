//! What a channel takes of memory in which nothing happens.

use std::path::Path;

use anyhow::{Context, ensure};
use byway_channel::{Change, ChannelMachine};
use byway_driver::disk::Journal;
use byway_primitives::Store;
use byway_records::channel::Side;
use byway_records::promise::ChannelId;

use super::pairs::{Machine, NOW, Pairs, initiator, view};
use super::{UNIT, resident_bytes};

/// Sides that are started before those that are measured: they take up what memory was left over.
const SIDES_BEFORE: usize = 2;

/// Opens so many channels, has each make an update, and starts one side several times from its disk.
pub async fn measure(count: usize, directory: &Path) -> anyhow::Result<u64> {
    let mut pairs = Pairs::open(count, directory).await?;
    pairs.update(0, |_| Change::Transfer { from: Side::Initiator, amount: UNIT }).await?;
    pairs.flush()?;
    let ids: Vec<_> = pairs.parties[0].machines.iter().filter_map(ChannelMachine::id).collect();
    ensure!(ids.len() == count, "a channel has no id");
    let [initiators, responders] = pairs.parties;
    drop(responders);
    let disk = initiators.into_disk();
    let journal = disk.journal("channels")?;
    // What reading keeps of the disk is there before.
    ensure!(!journal.scan_prefix(byway_channel::CHANNELS, &[0]).is_empty(), "nothing is on the disk");
    let mut sides = Vec::new();
    for _ in 0..SIDES_BEFORE {
        sides.push(start(&ids, &journal)?);
    }
    let before = resident_bytes().context("this system does not say how much memory a process has")?;
    sides.push(start(&ids, &journal)?);
    let after = resident_bytes().context("this system does not say how much memory a process has")?;
    Ok(after.saturating_sub(before) / ids.len() as u64)
}

fn start(ids: &[ChannelId], journal: &Journal) -> anyhow::Result<Vec<Machine>> {
    let mut machines = Vec::with_capacity(ids.len());
    for (number, id) in ids.iter().enumerate() {
        let mut machine = ChannelMachine::load(initiator(), *id, journal)?;
        machine.handle_ledger(NOW, view(number));
        machine.poll();
        machines.push(machine);
    }
    Ok(machines)
}
