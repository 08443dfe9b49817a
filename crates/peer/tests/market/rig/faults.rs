//! What goes wrong: links that end, and nodes that are killed and start again.

use byway_dialogue::{Link, LinkId, LinkProfile};
use byway_primitives::Span;

use super::node::other;
use super::{DELAY, Rig, Side};

impl Rig {
    /// `side` is killed when it has written this often, with none of what is under way durable. It is back at once.
    pub fn crash_after(&mut self, side: Side, writes: usize) {
        self.doomed = Some((side, writes));
        self.is_back_at_once = true;
    }

    /// `side` is killed when it has written this often. It stays away until it is [started](Self::start_again).
    pub fn doom(&mut self, side: Side, writes: usize) {
        self.doomed = Some((side, writes));
    }

    pub(super) fn kill_if_doomed(&mut self, side: Side) {
        let writes = self.node(side).writes;
        if self.doomed.is_some_and(|(doomed, at)| doomed == side && writes >= at) {
            self.doomed = None;
            let survive = if self.is_back_at_once { 0 } else { self.draw_surviving(side) };
            self.kill(side, survive);
        }
    }

    /// How many of the writes under way get to the disk.
    fn draw_surviving(&mut self, side: Side) -> usize {
        let pending = self.node(side).pending.len() as u64;
        self.chance.within(0..=pending) as usize
    }

    /// `side` is killed now.
    pub fn kill_now(&mut self, side: Side) {
        let survive = self.draw_surviving(side);
        self.kill(side, survive);
    }

    fn kill(&mut self, side: Side, survive: usize) {
        self.note_promise();
        self.node(side).kill(survive);
        self.links[side as usize] = None;
        self.planes.forget(side);
        if side == Side::Client {
            self.is_asking = false;
        }
        self.killed = Some(side);
    }

    pub fn start_again(&mut self, side: Side) {
        let (now, seed, terms) = (self.now, self.draw(), self.terms);
        self.node(side).start(now, seed, terms);
        if side == Side::Client {
            // What did not get to the disk was promised to nobody.
            self.promised = self.promised_and_received().0;
        }
        self.sell();
        self.show_ledger(side);
        self.carry_out();
    }

    /// In tests of one crash: both sides hear of it, and everything goes on.
    pub(super) fn come_back(&mut self) {
        let Some(side) = self.killed.filter(|_| self.is_back_at_once) else { return };
        self.killed = None;
        self.wire.clear();
        self.lose_link(other(side));
        self.start_again(side);
        self.connect();
        if self.planes.using.is_empty() {
            self.pump_for(20_000);
            if self.planes.using.is_empty() && self.planes.downloaded() == 0 {
                self.open_session();
            }
        }
    }

    /// A link, and a dialogue on it.
    pub fn connect(&mut self) {
        self.dial();
        self.pump_until(Self::is_connected);
    }

    pub fn is_connected(&self) -> bool {
        let (client, provider) = (self.client.id(), self.provider.id());
        self.client.market.is_talking_to(provider) && self.provider.market.is_talking_to(client)
    }

    /// A link, and the client's first word on it.
    pub fn dial(&mut self) {
        self.links_made += 1;
        let id = LinkId(self.links_made);
        self.links = [Some(id); 2];
        let link = || Link { id, profile: LinkProfile::stream(Span::millis(2 * DELAY)), binding: [9; 32] };
        self.client.market.handle_link_up(link());
        self.provider.market.handle_link_up(link());
        let (peer, certificate, seed) = (self.provider.id(), self.provider.certificate(), self.draw());
        let client = &mut self.client;
        client.market.converse(self.now, peer, &certificate, id, seed, &client.store).expect("opens");
    }

    pub fn break_link(&mut self) {
        self.wire.clear();
        self.lose_link(Side::Client);
        self.lose_link(Side::Provider);
        self.carry_out();
    }

    /// One side's link is gone, and it hears of it.
    pub fn lose_link(&mut self, side: Side) {
        if let Some(link) = self.links[side as usize].take() {
            self.hear_of_loss(side, link);
        }
    }

    /// A side hears that a link is gone, which it may have replaced.
    pub fn hear_of_loss(&mut self, side: Side, link: LinkId) {
        let now = self.now;
        let node = self.node(side);
        if node.is_up {
            node.market.handle_link_down(now, link, &node.store);
        }
    }

    /// Links that a side ended are ended for the other, too.
    pub(super) fn take_ended_links(&mut self) {
        for (_, link) in std::mem::take(&mut self.ended_links) {
            for side in [Side::Client, Side::Provider] {
                if self.links[side as usize] == Some(link) {
                    self.lose_link(side);
                }
            }
        }
        self.carry_out();
        self.come_back();
    }
}
