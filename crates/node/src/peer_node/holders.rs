//! What those who hold for this node do counts (row M6): it is measured as sessions of other services are ([`quality`](super::quality)), so
//! it moves the place of their offers, here and, where the user lets it be told, with others; and whoever fails is changed for another, or
//! the user is told to.
//!
//! A *try* is a day on which a sender brought something for this node: it was kept, or missed ([`Judged`]). What a holder can't have been
//! given counts as broken, or as cheating where it is not what it says it is; one that can't be reached for an hour counts as not reached,
//! once an hour.

use std::collections::BTreeMap;

use byway_access::quality::Seen;
use byway_chat::holding::{HeldFault, Judged, LOOK_AGAIN};
use byway_primitives::{IdentityId, Span, Time};
use byway_records::offer::Service;

use super::Actor;

/// A holder that could not be reached for so long was not there.
const AWAY_FOR: Span = Span::minutes(60);
/// How often one holder at most is changed for another.
const CHANGE_EACH: Span = Span::minutes(10);

/// What the task knows of those who hold for this node.
#[derive(Default)]
pub(super) struct HolderDesk {
    /// Since when each is not there, or when that counted last.
    away: BTreeMap<IdentityId, Time>,
    /// When a fault of each counted last.
    faults: BTreeMap<IdentityId, Time>,
    changed: Option<Time>,
}

impl Actor {
    pub(super) fn holder_judged(&mut self, holder: IdentityId, judged: Judged) {
        let of = (holder, Service::HOLD);
        self.saw(of, Seen::Opened);
        self.saw(of, if judged == Judged::Kept { Seen::Kept } else { Seen::Broken });
    }

    /// What a holder says, or hands over, is not what it should be. However much of it comes at one look, it counts once.
    pub(super) fn holder_at_fault(&mut self, holder: IdentityId, fault: HeldFault) {
        tracing::warn!(%holder, %fault, "what a holder hands over is not what it should be");
        let seen = match fault {
            // Its sender's, not the holder's.
            HeldFault::Envelope(_) => return,
            HeldFault::Hash | HeldFault::Endless => Seen::Cheated,
            HeldFault::Order | HeldFault::Silent => Seen::Broken,
        };
        let now = self.clock.now();
        let last = self.holding.holders.faults.get(&holder).copied();
        if last.is_none_or(|last| last + LOOK_AGAIN <= now) {
            self.holding.holders.faults.insert(holder, now);
            self.saw((holder, Service::HOLD), Seen::Opened);
            self.saw((holder, Service::HOLD), seen);
        }
    }

    /// Takes note of who is not there, and changes one that fails for another where the user left it to this node who holds.
    pub(super) fn tend_holders(&mut self, now: Time) {
        let uses: Vec<_> = self.holding().client().uses().filter(|of| !of.is_leaving).collect();
        let is_used = |holder: &IdentityId| uses.iter().any(|of| of.holder == *holder);
        let talking: Vec<IdentityId> =
            uses.iter().map(|of| of.holder).filter(|of| self.market.is_talking_to(*of)).collect();
        // Over hops nobody is reached, and without a network neither; that is no holder's fault.
        let counts = self.is_online() && !self.has_chain();
        let desk = &mut self.holding.holders;
        desk.faults.retain(|holder, _| is_used(holder));
        desk.away.retain(|holder, _| counts && is_used(holder) && !talking.contains(holder));
        let mut unreached = Vec::new();
        for of in uses.iter().filter(|of| counts && !talking.contains(&of.holder)) {
            let since = desk.away.entry(of.holder).or_insert(now);
            if *since + AWAY_FOR <= now {
                *since = now;
                unreached.push(of.holder);
            }
        }
        unreached.into_iter().for_each(|holder| self.saw((holder, Service::HOLD), Seen::Unreached));
        if self.holding.holders.changed.is_none_or(|changed| changed + CHANGE_EACH <= now) {
            self.change_failing_holder(now);
        }
    }

    /// Has another hold in the place of one that fails. What the one still holds is lost there, and its senders still have it, who bring
    /// it to the other as soon as the ledger names that.
    fn change_failing_holder(&mut self, now: Time) {
        let uses: Vec<_> = self.holding().client().uses().filter(|of| !of.is_leaving).collect();
        let fails = |holder| self.is_failing((holder, Service::HOLD));
        let Some(failing) = uses.iter().find(|of| of.plan.is_replaceable && fails(of.holder)) else { return };
        let (holder, plan) = (failing.holder, failing.plan);
        let Some(other) = self.best_holder(plan.price_max).filter(|other| self.is_registered(*other)) else { return };
        tracing::warn!(%holder, %other, "a holder fails, and another takes its place");
        self.holding.holders.changed = Some(now);
        self.market.leave_holder(now, holder, &self.market_journal);
        self.market.use_holder(now, other, plan, &self.market_journal);
        self.reach_channel_peers();
    }
}
