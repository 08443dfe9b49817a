//! Destinations that somebody complained about: kept out at once, for a time or for good.
//!
//! A block is written down and takes effect in the same moment: new connections of the proxy are refused and those that
//! run there are cut, by name or address; the tunnel's firewall is replaced by one that drops what goes there and what comes
//! from there; and nobody in a tunnel is told where a blocked name is.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_access::exit_policy::{Destination, ExitLists};
use byway_primitives::{Batch, Space, Store, Time};

use super::super::{Actor, SellingConfig};
use crate::api::{ApiError, MarketBlock, ProviderBlock};

const BLOCKS: Space = Space("provider-blocks");
/// More are refused: each is looked at for every connection.
const BLOCKS_MAX: usize = 1_000;

/// What is blocked, by the text of its destination.
#[derive(Debug, Default)]
pub(super) struct Blocks(BTreeMap<String, ProviderBlock>);

impl Blocks {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(BLOCKS, &[]);
        let blocks = stored.iter().filter_map(|(_, value)| serde_json::from_slice::<ProviderBlock>(value).ok());
        Self(blocks.map(|block| (block.destination.to_string(), block)).collect())
    }

    /// All lists of an exit that sells so.
    pub fn lists(&self, selling: Option<&SellingConfig>, now: Time) -> ExitLists {
        let configured = selling.map(|selling| selling.exit_lists.clone()).unwrap_or_default();
        let in_force = self.0.values().filter(|block| block.until_ms.is_none_or(|until| now < until));
        ExitLists { blocked: in_force.map(|block| block.destination.clone()).collect(), ..configured }
    }

    fn put(&mut self, block: ProviderBlock) -> Result<Batch, ApiError> {
        if self.0.len() >= BLOCKS_MAX && !self.0.contains_key(&block.destination.to_string()) {
            return Err(ApiError::too_many_blocks(BLOCKS_MAX));
        }
        let value = serde_json::to_vec(&block).map_err(|_| ApiError::internal())?;
        let mut batch = Batch::new();
        batch.put(BLOCKS, key(&block.destination), value);
        self.0.insert(block.destination.to_string(), block);
        Ok(batch)
    }

    /// Takes out those that `are_over`.
    fn remove(&mut self, are_over: impl Fn(&ProviderBlock) -> bool) -> (Vec<ProviderBlock>, Batch) {
        let over: Vec<ProviderBlock> = self.0.values().filter(|block| are_over(block)).cloned().collect();
        let mut batch = Batch::new();
        for block in &over {
            self.0.remove(&block.destination.to_string());
            batch.delete(BLOCKS, key(&block.destination));
        }
        (over, batch)
    }
}

fn key(destination: &Destination) -> Vec<u8> {
    destination.to_string().into_bytes()
}

impl Actor {
    /// What is blocked, the newest first.
    pub(in crate::peer_node) fn blocks(&self) -> Vec<ProviderBlock> {
        let mut blocks: Vec<ProviderBlock> = self.provision.blocks.0.values().cloned().collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(block.since_ms));
        blocks
    }

    pub(in crate::peer_node) fn block(&mut self, request: MarketBlock) -> Result<ProviderBlock, ApiError> {
        let now = self.clock.now();
        let MarketBlock { destination, for_ms, note } = request;
        let until_ms = for_ms.map(|span| now + span);
        let block = ProviderBlock { destination, since_ms: now, until_ms, note };
        let batch = self.provision.blocks.put(block.clone())?;
        self.write_ledger(batch);
        self.tell_lists();
        Ok(block)
    }

    pub(in crate::peer_node) fn unblock(&mut self, destination: &Destination) -> Result<ProviderBlock, ApiError> {
        let (mut removed, batch) = self.provision.blocks.remove(|block| block.destination == *destination);
        let block = removed.pop().ok_or_else(|| ApiError::block_not_found(&destination.to_string()))?;
        self.write_ledger(batch);
        self.tell_lists();
        Ok(block)
    }

    /// Lets go of blocks whose time is over.
    pub(super) fn tend_blocks(&mut self) {
        let now = self.clock.now();
        let (over, batch) = self.provision.blocks.remove(|block| block.until_ms.is_some_and(|until| now >= until));
        if !over.is_empty() {
            self.write_ledger(batch);
            self.tell_lists();
        }
    }

    /// Puts what is blocked in force.
    fn tell_lists(&self) {
        let lists = self.provision.blocks.lists(self.config.selling.as_ref(), self.clock.now());
        self.provision.lists.send_replace(Arc::new(lists));
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::MemoryStore;

    use super::*;

    fn block(destination: &str, until: Option<u64>) -> ProviderBlock {
        let destination = destination.parse().expect("a destination");
        ProviderBlock {
            destination,
            since_ms: Time(5),
            until_ms: until.map(Time),
            note: Some("a complaint".to_owned()),
        }
    }

    #[test]
    fn blocks_last_for_their_time_and_across_restarts() {
        let (mut blocks, mut store) = (Blocks::default(), MemoryStore::default());
        for block in [block("bad.example", None), block("192.0.2.1:25", Some(100))] {
            store.apply(&blocks.put(block).expect("there is room"));
        }
        let mut blocks = Blocks::open(&store);
        let names = |blocks: &Blocks, now| -> Vec<String> {
            blocks.lists(None, Time(now)).blocked.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&blocks, 99), ["192.0.2.1:25", "bad.example"]);
        assert_eq!(names(&blocks, 100), ["bad.example"], "also before anyone tends it");
        let (over, batch) = blocks.remove(|block| block.until_ms.is_some());
        assert_eq!(over, [block("192.0.2.1:25", Some(100))]);
        store.apply(&batch);
        assert_eq!(names(&Blocks::open(&store), 0), ["bad.example"]);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut blocks = Blocks::default();
        for number in 0..BLOCKS_MAX {
            blocks.put(block(&format!("b{number}.example"), None)).expect("there is room");
        }
        assert!(blocks.put(block("one.example", None)).is_err());
        assert!(blocks.put(block("b1.example", Some(9))).is_ok(), "one that is there may change");
    }
}
