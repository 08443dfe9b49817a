//! Taking transactions in: what each has to show for its place in the queue.

use byway_ledger::{Coin, stored_checkpoint};
use byway_primitives::{Amount, AssetId, IdentityId, Span, Store, Time};
use byway_records::call::AccountsCall;
use byway_records::state::{Registration, Settled, registration_key, settled_key};
use byway_records::tree::StateTree;
use byway_records::{Call, Height, Output, ProgramId, Promise, VerifiedTransaction};

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

    /// What the transaction claims: its inputs in WAY, each as old as it is. A call may be refused by its program and then
    /// keeps its coins; so it claims them, and the pledge of who stands behind it, from now on only. Calls that pay more than
    /// they cost don't come sooner: that would be a fee.
    ///
    /// # Errors
    /// If it has its verdict, or would be rejected as things stand: who claims for what will not move loses nothing by it.
    fn claim(&self, now: Time, transaction: &VerifiedTransaction, store: &dyn Store) -> Result<Claim, SubmitError> {
        if self.ledger.verdict(store, transaction.id()).is_some() {
            return Err(SubmitError::Known);
        }
        let inputs = &transaction.transaction().body.inputs;
        let coins: Vec<Coin> = inputs.iter().map(|input| self.ledger.coin(store, input.spent)).collect();
        if coins.contains(&Coin::Spent) {
            return Err(SubmitError::Spent);
        }
        let unspent = coins.iter().filter_map(|coin| match coin {
            Coin::Unspent { output, height } => Some((output, *height)),
            Coin::Unknown | Coin::Spent => None,
        });
        let (outputs, heights): (Vec<&Output>, Vec<Height>) = unspent.unzip();
        let mut stakes = Stakes::new(now);
        if outputs.len() < inputs.len() {
            // Something isn't made yet, as far as is known here. It must not come before what makes it, which waits too, came
            // before, and so claims no less than nothing.
            return Ok(stakes.claim());
        }
        self.ledger.check_money(transaction, &outputs).map_err(SubmitError::Rejected)?;
        let is_call = transaction.call().is_some();
        for (output, height) in outputs.iter().zip(heights) {
            let age = if is_call { Span::ZERO } else { self.age(height, store) };
            match output.value.asset {
                AssetId::WAY => stakes.add(output.value.amount, age),
                _ => stakes.note_age(age),
            }
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

    /// What the registered identity has pledged for which a call is made; of two that settle together the higher pledge.
    fn pledge_behind(&self, transaction: &VerifiedTransaction) -> Option<Amount> {
        match transaction.call()? {
            Call::Accounts(AccountsCall::Settle { promise, .. }) => self.pledge_behind_promises(&[promise.promise]),
            Call::Accounts(AccountsCall::SettlePair(pair)) => {
                self.pledge_behind_promises(&pair.pair.promises().map(|signed| signed.promise))
            }
            _ => self.pledge_of(*transaction.signers().first()?),
        }
    }

    fn pledge_behind_promises(&self, promises: &[Promise]) -> Option<Amount> {
        let (accounts, registry) = (self.ledger.tree(ProgramId::ACCOUNTS)?, self.ledger.tree(ProgramId::REGISTRY)?);
        highest_pledge(accounts, registry, promises)
    }

    fn pledge_of(&self, identity: IdentityId) -> Option<Amount> {
        pledge_in(self.ledger.tree(ProgramId::REGISTRY)?, identity)
    }
}

/// The highest pledge of whom promises pay that settle together. Where one asks for nothing beyond what was settled, all will be
/// refused: anybody can hand in again what was settled long ago.
fn highest_pledge(accounts: &StateTree, registry: &StateTree, promises: &[Promise]) -> Option<Amount> {
    let settled = |promise: &Promise| accounts.read::<Settled>(&settled_key(&promise.series)).unwrap_or_default();
    if promises.iter().any(|promise| settled(promise).due(promise).is_none()) {
        return None;
    }
    promises.iter().filter_map(|promise| pledge_in(registry, promise.series.payee)).max()
}

fn pledge_in(registry: &StateTree, identity: IdentityId) -> Option<Amount> {
    let registration: Registration = registry.read(&registration_key(identity))?;
    Some(registration.pledge)
}

#[cfg(test)]
mod tests {
    use byway_crypto::IdentitySecret;
    use byway_primitives::{Encode, Hash, NetworkId};
    use byway_records::Backing;
    use byway_records::promise::Series;

    use super::*;

    #[test]
    fn what_was_settled_before_claims_nobodys_pledge() {
        let [payee, payer] = [[1; 32], [2; 32]].map(|seed| IdentitySecret::from_bytes(&seed).expect("a key"));
        let (pledge, one) = (Amount::from_coins(3), Amount::from_coins(1));
        let registration = Registration { key: payee.public(), pledge, since: Time::ZERO };
        let series = Series { payer: payer.id(), payee: payee.id(), asset: AssetId::WAY, backing: Backing::Account };
        let promise = |serial, amount| Promise { network: NetworkId(Hash::default()), series, serial, amount };
        let back = |serial| {
            let series = Series { payer: payee.id(), payee: payer.id(), ..series };
            Promise { series, ..promise(serial, one) }
        };
        let (mut accounts, mut registry) = (StateTree::new(), StateTree::new());
        registry.insert(registration_key(payee.id()), registration.to_bytes());
        let claimed = |accounts: &StateTree, promises: &[Promise]| highest_pledge(accounts, &registry, promises);
        assert_eq!(claimed(&accounts, &[promise(0, one)]), Some(pledge));
        accounts.insert(settled_key(&series), Settled { serial: 4, amount: one }.to_bytes());
        for (serial, amount, is_new) in [(3, pledge, false), (4, one, false), (4, pledge, true), (5, one, true)] {
            let expected = is_new.then_some(pledge);
            assert_eq!(claimed(&accounts, &[promise(serial, amount)]), expected, "{serial}");
            assert_eq!(claimed(&accounts, &[back(1), promise(serial, amount)]), expected, "{serial}, as a pair");
        }
        assert_eq!(claimed(&accounts, &[back(1)]), None, "who is paid has pledged nothing");
    }
}
