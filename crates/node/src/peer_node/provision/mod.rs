//! What a provider wishes beside a price (row A11): how much it carries, where it doesn't go, and what it has earned.
//!
//! - [`caps`]: so much a month, so many clients, so fast.
//! - [`blocks`]: destinations that were complained about, and where the firewall and the proxy's exit learn of them.
//! - [`earnings`]: what was carried, earned and settled, by day and month.

mod blocks;
mod caps;
mod earnings;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use byway_access::exit_policy::ExitLists;
use byway_access::session::SessionId;
use byway_driver::pace::{Pace, SharedLine};
use byway_primitives::{IdentityId, Store, Time, Token};
use tokio::sync::watch;

use super::{Actor, SellingConfig};
use blocks::Blocks;
pub use caps::Caps;
use caps::MonthCount;
use earnings::{Billed, Ledger};

/// A provider's own state beside its machines.
pub(super) struct Provision {
    blocks: Blocks,
    lists: watch::Sender<Arc<ExitLists>>,
    month: MonthCount,
    is_month_written: bool,
    /// Where that the month is spent is written down, until it is durable.
    spent_at: Option<Token>,
    earnings: Ledger,
    /// What of each session is in the earnings.
    billed: BTreeMap<SessionId, Billed>,
    line: Arc<SharedLine>,
    paces: BTreeMap<IdentityId, Weak<Pace>>,
}

impl Provision {
    pub fn open(store: &impl Store, selling: Option<&SellingConfig>, now: Time) -> Self {
        let blocks = Blocks::open(store);
        let lists = watch::Sender::new(Arc::new(blocks.lists(selling, now)));
        let rate = selling.and_then(|selling| selling.caps.rate_max_bps);
        Self {
            blocks,
            lists,
            month: MonthCount::open(store, now),
            is_month_written: true,
            spent_at: None,
            earnings: Ledger::open(store),
            billed: BTreeMap::new(),
            line: SharedLine::new(rate),
            paces: BTreeMap::new(),
        }
    }

    /// Where clients may go, from now on.
    pub fn lists(&self) -> watch::Receiver<Arc<ExitLists>> {
        self.lists.subscribe()
    }
}

impl Actor {
    /// Looks after caps, blocks that run out, and what is to be written down.
    pub(super) fn tend_provision(&mut self) {
        self.tend_blocks();
        self.tend_month();
        self.tend_earnings();
    }

    /// After opening: sessions of before are in the earnings already.
    pub(super) fn take_up_provision(&mut self) {
        for (_, view) in self.market.served_sessions(self.clock.now()) {
            self.provision.billed.insert(view.id, Billed::of(&view));
        }
        self.take_up_caps();
    }
}
