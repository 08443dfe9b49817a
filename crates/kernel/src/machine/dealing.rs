//! Taking part in dealing the coin's key (row K3).
//!
//! How far the ceremony is stands in the ledger, and so does what this node has said in it; its secrets derive from its hot
//! key. So nothing is remembered here that could be lost: after every commit a node looks whether something is its to do,
//! and says it in a call. What it would say is the same whenever it says it, and the ledger takes it once. A node that lags
//! says nothing, since what it sees is past.

use std::sync::Arc;

use byway_crypto::NodeSecret;
use byway_crypto::threshold::ceremony::{Ceremony, Duty, Opened};
use byway_ledger::Ledger;
use byway_primitives::{Hash, Span, Time};
use byway_records::call::{Contribution, KernelCall};
use byway_records::genesis::LeaderKind;

use super::Kernel;
use super::call::free_call;
use crate::coin::CoinKey;
use crate::committee::MemberIndex;

/// How long a contribution may take until it is made anew.
const VERDICT_WAIT_MAX: Span = Span::minutes(1);

/// What this node knows of the ceremony at hand; all of it can be found out again.
#[derive(Debug, Default)]
pub(super) struct Dealing {
    occasion: Option<Hash>,
    /// Its shares, as far as it has looked at them.
    opened: Opened,
    /// The commit after which it last looked whether something is to be done.
    looked_after: Option<u64>,
    /// What it did last, and when.
    done: Option<(Duty, Time)>,
}

impl Dealing {
    /// The coin of the epoch in force, if it has one, with what of its key the member in seat `me` holds.
    pub(super) fn coin(&mut self, ledger: &Ledger, me: Option<MemberIndex>, secret: &NodeSecret) -> Option<CoinKey> {
        let public = ledger.coin_key()?.open()?;
        let secret = me.and_then(|me| {
            let ceremony = ledger.ceremony()?;
            self.look(&ceremony, me, secret);
            ceremony.share(&self.opened)
        });
        Some(CoinKey { public: Arc::new(public), secret })
    }

    fn look(&mut self, ceremony: &Ceremony, me: MemberIndex, secret: &NodeSecret) {
        let occasion = ceremony.head().occasion();
        if self.occasion != Some(occasion) {
            *self = Self { occasion: Some(occasion), ..Self::default() };
        }
        ceremony.look(me.0, &secret.dealing(), &mut self.opened);
    }
}

impl Kernel {
    /// Says in the ceremony what is this node's to say now.
    pub(super) fn contribute(&mut self, now: Time) {
        let Some(me) = self.me.filter(|_| self.may_contribute()) else { return };
        let commits = self.ledger.commits();
        let is_waiting = self.dealing.done.as_ref().is_some_and(|(_, at)| now < *at + VERDICT_WAIT_MAX);
        if is_waiting && self.dealing.looked_after == Some(commits) {
            return;
        }
        self.dealing.looked_after = Some(commits);
        let Some(ceremony) = self.ledger.ceremony() else { return };
        self.dealing.look(&ceremony, me, &self.config.secret);
        let duty = ceremony.duty(me.0, &self.dealing.opened);
        let is_under_way = is_waiting && self.dealing.done.as_ref().is_some_and(|(done, _)| *done == duty);
        let contribution = match &duty {
            _ if is_under_way => return,
            Duty::Nothing => return,
            Duty::Deal => Contribution::Deal(Box::new(ceremony.deal_as(me.0, &self.config.secret.dealing()))),
            Duty::Complain { dealer, complaint } => Contribution::Complain { dealer: *dealer, complaint: *complaint },
            Duty::Confirm => Contribution::Confirm,
        };
        let (network, occasion) = (self.committee.network(), ceremony.head().occasion());
        let signature = contribution.sign(&self.config.secret, network, occasion, me.0);
        let call = KernelCall::Contribute { seat: me.0, contribution, signature };
        let transaction = free_call(network, call, now + VERDICT_WAIT_MAX);
        if transaction.is_some_and(|transaction| self.pool.submit_own(now, transaction).is_ok()) {
            self.dealing.done = Some((duty, now));
        }
    }

    /// Whether the epoch's coin is to be dealt, and what this node sees of that is not long past.
    fn may_contribute(&self) -> bool {
        self.leader_rule.kind == LeaderKind::CommonCoin
            && self.ledger.epoch().coin.is_none()
            && self.counts()
            && !self.is_stepping()
            && self.recovery.is_none()
            && !self.catch_up.is_behind(self.graph.quorum_round())
    }
}
