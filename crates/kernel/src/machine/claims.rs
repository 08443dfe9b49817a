//! Taking transactions in: what each has to show for its place in the queue.

use byway_ledger::{Coin, stored_checkpoint};
use byway_primitives::{Amount, AssetId, Span, Store, Time};
use byway_records::call::AccountsCall;
use byway_records::state::{Registration, registration_key};
use byway_records::{Call, Height, ProgramId, VerifiedTransaction};

use super::Kernel;
use crate::news::{News, SubmitError};
use crate::pool::Source;
use crate::pool::claim::{AGE_MAX, Claim, Stakes};

impl Kernel {
    /// Takes a transaction from a client, or from a node that hands it on. Taken means that it will get a verdict if this
    /// node goes on, or give way to others' ([`News::GaveWay`]); only a snapshot makes it durable.
    pub fn handle_submit(
        &mut self,
        now: Time,
        source: Source,
        transaction: VerifiedTransaction,
        store: &dyn Store,
    ) -> Result<(), SubmitError> {
        if self.halted.is_some() {
            return Err(SubmitError::Stopped);
        }
        let claim = self.claim(now, &transaction, store)?;
        let mut gave_way = Vec::new();
        let taken = self.pool.submit(now, source, claim, transaction, &mut gave_way);
        if !gave_way.is_empty() {
            self.notify(News::GaveWay(gave_way));
        }
        taken?;
        self.settle(now, store);
        Ok(())
    }

    /// What the transaction claims: its inputs in WAY, each as old as it is, and for a call the pledge of who stands behind
    /// it, from now on. Calls that pay more than they cost don't come sooner: that would be a fee.
    fn claim(&self, now: Time, transaction: &VerifiedTransaction, store: &dyn Store) -> Result<Claim, SubmitError> {
        let (mut stakes, mut is_made) = (Stakes::new(now), true);
        for input in &transaction.transaction().body.inputs {
            match self.ledger.coin(store, input.spent) {
                Coin::Spent => return Err(SubmitError::Spent),
                Coin::Unspent { value, height } if value.asset == AssetId::WAY => {
                    stakes.add(value.amount, self.age(height, store));
                }
                Coin::Unspent { height, .. } => stakes.note_age(self.age(height, store)),
                // It isn't made yet, as far as is known here. Whatever else there is, it must not come before what makes it,
                // which waits too, came before and so claims no less than nothing.
                Coin::Unknown => is_made = false,
            }
        }
        if !is_made {
            return Ok(Stakes::new(now).claim());
        }
        if let Some(pledge) = self.pledge_behind(transaction) {
            stakes.add(pledge, Span::ZERO);
        }
        Ok(stakes.claim())
    }

    /// For how long what the checkpoint of this height covers has been there.
    fn age(&self, height: Height, store: &dyn Store) -> Span {
        let newest = self.ledger.last_checkpoint().map_or(Height::GENESIS, |checkpoint| checkpoint.height);
        if height > newest {
            return Span::ZERO;
        }
        // What is of the genesis, or of before what is kept, is old.
        stored_checkpoint(store, height).map_or(AGE_MAX, |checkpoint| self.ledger.time().since(checkpoint.time))
    }

    /// What the registered identity has pledged for which a call is made.
    fn pledge_behind(&self, transaction: &VerifiedTransaction) -> Option<Amount> {
        let identity = match transaction.call()? {
            Call::Accounts(AccountsCall::Settle { promise, .. }) => promise.promise.series.payee,
            _ => *transaction.signers().first()?,
        };
        let registry = self.ledger.tree(ProgramId::REGISTRY)?;
        let registration: Registration = registry.read(&registration_key(identity))?;
        Some(registration.pledge)
    }
}
