//! Merging the wallet's outputs, a transaction at a time, at random moments.
//!
//! What is to be merged is planned at once and sent bit by bit: transactions that leave one node at one moment are linked
//! by that alone. A plan is not kept across restarts; whoever wants the rest merged asks again.

use byway_peer::wallet::{Mixing, Wish};
use byway_primitives::{Span, Time};
use byway_records::OutputId;

use super::Actor;
use super::books::Order;
use crate::api::{Answer, ApiError, Consolidation, WalletConsolidate};

impl Actor {
    /// Plans what there is to merge; replaces an earlier plan.
    pub(super) fn consolidate(&mut self, request: WalletConsolidate) -> Answer<Consolidation> {
        if self.wallet.is_watching() {
            return Err(ApiError::read_only_wallet());
        }
        let mixing = if request.mix { Mixing::Everything } else { Mixing::OnePayment };
        let merges = self.wallet.mergeable(mixing);
        let outputs = merges.iter().map(|outputs| outputs.len() as u64).sum();
        let within = Span::seconds(request.within_seconds);
        let mut plan: Vec<(Time, Vec<OutputId>)> =
            merges.into_iter().map(|outputs| (self.some_time_within(within), outputs)).collect();
        plan.sort_by_key(|(time, _)| *time);
        let until_ms = plan.last().map_or(self.clock.now(), |(time, _)| *time);
        let transactions = plan.len() as u64;
        self.merges = plan.into();
        self.tend_merges();
        Ok(Consolidation { transactions, outputs, until_ms })
    }

    /// Sends the merges whose time has come. What was spent meanwhile is left out.
    pub(super) fn tend_merges(&mut self) {
        let now = self.clock.now();
        while self.merges.front().is_some_and(|(time, _)| *time <= now) {
            let Some((_, merge)) = self.merges.pop_front() else { return };
            if let Err(error) = self.transact(Order::unsigned(Wish { merge, ..Wish::default() }), None) {
                tracing::debug!(%error, "outputs are not merged");
            }
        }
    }
}
