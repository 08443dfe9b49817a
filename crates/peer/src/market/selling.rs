//! What is sold, and whether anything more is taken on.

use std::collections::BTreeMap;

use byway_access::session::Listing;
use byway_primitives::IdentityId;
use byway_records::OfferId;

use super::Market;
use super::pair::Pair;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selling {
    Open,
    /// There are as many clients as may be.
    Full,
    MonthSpent,
    Closing,
}

/// What a provider can still take on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Clients with a session at one time; a client that has one may open more.
    pub clients_max: Option<usize>,
    /// It has carried all that it wants to carry this month.
    pub is_month_spent: bool,
}

impl Market {
    /// What is sold from now on; open sessions keep their price.
    pub fn sell(&mut self, listings: BTreeMap<OfferId, Listing>) {
        self.listings = listings;
        for pair in self.pairs.values_mut() {
            pair.sell(&self.listings);
        }
    }

    /// Takes no new sessions: the node shuts down.
    pub fn close_shop(&mut self) {
        self.selling = Selling::Closing;
        self.pairs.values_mut().for_each(|pair| pair.set_selling(Selling::Closing));
    }

    /// What can be taken on from now on; sessions that are open stay.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        for peer in self.peers() {
            self.look_at_capacity(peer);
        }
    }

    /// Whether `peer` is sold to follows from who else is served.
    pub(super) fn look_at_capacity(&mut self, peer: IdentityId) {
        let Capacity { clients_max, is_month_spent } = self.capacity;
        let is_client = self.pairs.get(&peer).is_some_and(Pair::is_served);
        let is_full = || {
            let others = || self.pairs.values().filter(|pair| pair.is_served()).count();
            clients_max.is_some_and(|max| !is_client && others() >= max)
        };
        let selling = match self.selling {
            Selling::Closing => Selling::Closing,
            _ if is_month_spent => Selling::MonthSpent,
            _ if is_full() => Selling::Full,
            _ => Selling::Open,
        };
        if let Some(pair) = self.pairs.get_mut(&peer) {
            pair.set_selling(selling);
        }
    }
}
