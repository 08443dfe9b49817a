//! What the shell says of payments: what the ledger has settled, and how much may be promised.

use byway_dialogue::payment::{Outcome, Reach};
use byway_primitives::{Amount, IdentityId, Store, Time};
use byway_records::call::Take;
use byway_records::state::Settled;
use byway_records::{Backing, Promise};

use super::{Market, MarketError};

impl Market {
    /// Where the ledger stands with promises from and to a peer.
    pub fn note_settled(
        &mut self,
        now: Time,
        peer: IdentityId,
        taken: Option<Settled>,
        given: Option<Settled>,
        store: &impl Store,
    ) {
        self.step(now, peer, |pair, step| pair.note_settled(now, taken, given, step));
        self.pump(now, store);
    }

    /// What our own account holds: nets that we would owe are proposed up to that, with all peers together.
    pub fn set_balance(&mut self, balance: Amount) {
        self.account.set_balance(balance);
    }

    /// Settles the oldest unsettled promise of a peer, net of what we owe it. Where something is under way already, what that
    /// leaves of it is settled afterwards.
    pub fn settle(&mut self, now: Time, peer: IdentityId, take: Take, store: &impl Store) -> Result<(), MarketError> {
        if !self.pairs.contains_key(&peer) {
            return Err(MarketError::UnknownPeer(peer));
        }
        let reach = if self.is_talking_to(peer) { Reach::Peer } else { Reach::Nobody };
        let mut result = Ok(());
        self.step(now, peer, |pair, step| result = pair.settle(now, Backing::Account, reach, take, step));
        self.pump(now, store);
        Ok(result?)
    }

    /// What became of a settlement that was asked for by [`MarketNews::Submit`].
    pub fn handle_settlement(&mut self, now: Time, promise: Promise, outcome: Outcome, store: &impl Store) {
        self.step(now, promise.series.payer, |pair, step| pair.settlement(now, promise, outcome, step));
        self.pump(now, store);
    }

    /// Raises or lowers what may be promised to one peer on one day.
    pub fn set_day_max(&mut self, now: Time, day_max: Amount, store: &impl Store) {
        self.config.give.day_max = day_max;
        for peer in self.peers() {
            self.step(now, peer, |pair, step| pair.set_day_max(now, day_max, step));
        }
        self.pump(now, store);
    }
}
