//! What is done in the channels of the three, and what there is.

use byway_channel::guarantee::contract;
use byway_channel::{Change, ChannelMachine, ContractCall, Life};
use byway_primitives::Amount;
use byway_records::call::ChannelsCall;
use byway_records::channel::Outcome;
use byway_records::channel::entry::channel_key;
use byway_records::channel::guaranteed::outcome_key;
use byway_records::promise::ChannelId;
use byway_records::{Channel, ProgramId};

use super::net::{HUB, Net, ONE, OTHER};
use crate::strict::StrictSigner;
use crate::world::units;

impl Net {
    // What is done in the channels.

    pub fn with<T>(
        &mut self,
        node: usize,
        id: ChannelId,
        what: impl FnOnce(&mut ChannelMachine<StrictSigner>) -> T,
    ) -> T {
        let channels = &mut self.nodes[node].channels;
        let done = channels.with(channels.key_of(id).expect("it is there"), what).expect("it is there");
        self.collect(node);
        done
    }

    pub fn propose(&mut self, node: usize, id: ChannelId, change: Change) {
        let now = self.now;
        self.with(node, id, |machine| machine.propose(now, change)).unwrap();
        self.run();
    }

    pub fn transfer(&mut self, from: usize, id: ChannelId, amount: u128) {
        let side = self.machine(from, id).side();
        self.propose(from, id, Change::Transfer { from: side, amount: units(amount) });
    }

    pub fn call(&mut self, node: usize, id: ChannelId, call: ContractCall) {
        self.propose(node, id, Change::Call(call));
    }

    pub fn close(&mut self, node: usize, id: ChannelId) {
        let now = self.now;
        self.with(node, id, |machine| machine.close(now)).unwrap();
        self.run();
    }

    pub fn close_alone(&mut self, node: usize, id: ChannelId) {
        let now = self.now;
        self.with(node, id, |machine| machine.close_alone(now)).unwrap();
        self.run();
    }

    // What there is.

    pub fn parent(&self, node: usize) -> ChannelId {
        let (one, other) = if node == ONE { (ONE, HUB) } else { (OTHER, HUB) };
        let peer = self.id(other);
        let found = self.nodes[one].channels.iter().find(|(key, _)| key.peer == peer);
        found.and_then(|(_, machine)| machine.id()).unwrap()
    }

    /// How far a channel is on a node; none where it is over.
    pub fn life(&self, node: usize, channel: ChannelId) -> Option<Life> {
        let channels = &self.nodes[node].channels;
        channels.get(channels.key_of(channel)?).map(ChannelMachine::life)
    }

    pub fn entry(&self, id: ChannelId) -> Option<Channel> {
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(id))
    }

    pub fn outcome(&self, id: ChannelId) -> Option<[u128; 2]> {
        let found: Option<Outcome> = self.world.ledger.tree(ProgramId::CHANNELS)?.read(&outcome_key(id));
        found.map(|found| found.paid.map(Amount::units))
    }

    /// No guarantee is left in the channels, and nobody looks after one.
    pub fn is_clean(&self) -> bool {
        self.nodes.iter().all(|node| {
            let is_empty = node.channels.iter().all(|(_, machine)| !contract::holds(machine.state()));
            is_empty && node.guarantees.own().count() == 0 && node.guarantees.held().count() == 0
        })
    }

    /// How many calls about virtual channels the ledger took.
    pub fn registered(&self) -> usize {
        self.calls.iter().filter(|call| matches!(call, ChannelsCall::RegisterVirtual(_))).count()
    }
}
