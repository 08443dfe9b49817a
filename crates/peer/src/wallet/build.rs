//! Building and signing transactions.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Address, IdentitySecret, Purpose};
use byway_primitives::{Amount, AssetId, Batch, Encode, NetworkId, Time};
use byway_records::call::{AccountsCall, Call, OffersCall};
use byway_records::transaction::{INPUTS_MAX, KeySignature};
use byway_records::{Body, Input, Lock, Output, OutputId, Transaction, TransactionId, Value, Witness};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::history::{Activity, Kind, Stage};
use super::select::{pick, split};
use super::{OUTPUTS_PER_PAYEE, PENDING, Pending, Wallet};

/// Someone to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payee {
    pub address: Address,
    pub value: Value,
}

/// What a transaction shall do.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub payees: Vec<Payee>,
    pub call: Option<Call>,
    /// Into the program that is called.
    pub pays: Option<Value>,
    /// Out of it, to this wallet.
    pub draws: Option<Value>,
    pub fee: Amount,
    /// Not executed after this ledger time.
    pub expires: Time,
}

/// Identities that sign along.
pub type Authorise<'a> = &'a [&'a IdentitySecret];

/// Why a transaction can't be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the wallet has {have} {asset} free, {need} are needed")]
    TooLittle { have: Amount, need: Amount, asset: AssetId },
    #[error("the amounts overflow")]
    Overflow,
    #[error("the sum is spread over more than {INPUTS_MAX} outputs; send part of it to yourself first")]
    TooScattered,
}

impl Wallet {
    /// Builds, signs and remembers a transaction. The batch must be durable before the transaction is sent, so that a
    /// crash can't forget that its inputs are held.
    ///
    /// `seed` must be fresh randomness; `output_min` is the network's smallest output.
    pub fn build(
        &mut self,
        network: NetworkId,
        wish: &Wish,
        authorise: Authorise<'_>,
        output_min: Amount,
        now: Time,
        seed: &[u8; 32],
    ) -> Result<(Transaction, Batch), BuildError> {
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let inputs = self.choose_inputs(wish, &mut rng)?;
        let ghost_secret = TransactionSecret::from_seed(seed);
        let outputs = self.make_outputs(wish, &inputs, output_min, &ghost_secret, &mut rng)?;
        let body = Body {
            inputs: inputs.iter().map(|id| self.input(*id)).collect(),
            ghost: (!outputs.is_empty()).then(|| ghost_secret.public()),
            outputs,
            call: wish.call.as_ref().map(|call| call.envelope(wish.pays, wish.draws)),
            fee: wish.fee,
            expires: wish.expires,
        };
        let transaction = self.sign(network, body, authorise);
        let batch = self.remember(&transaction, wish, now);
        Ok((transaction, batch))
    }

    fn input(&self, id: OutputId) -> Input {
        let owned = &self.owned[&id];
        Input { spent: id, lock: owned.output.lock.clone() }
    }

    fn choose_inputs(&self, wish: &Wish, rng: &mut ChaCha20Rng) -> Result<Vec<OutputId>, BuildError> {
        let held = self.held();
        let mut chosen = Vec::new();
        for (asset, need) in wish.needs()? {
            if need.is_zero() {
                continue;
            }
            let of_asset = self.owned.iter().filter(|(_, owned)| owned.output.value.asset == asset);
            let free = of_asset.filter(|(id, _)| !held.contains_key(id));
            let items: Vec<_> = free.map(|(id, owned)| (*id, owned.output.value.amount)).collect();
            let have = Amount::checked_sum(items.iter().map(|(_, amount)| *amount)).ok_or(BuildError::Overflow)?;
            if have < need {
                return Err(BuildError::TooLittle { have, need, asset });
            }
            let room = INPUTS_MAX - chosen.len();
            chosen.extend(pick(&items, need, room, rng).ok_or(BuildError::TooScattered)?);
        }
        Ok(chosen)
    }

    fn make_outputs(
        &self,
        wish: &Wish,
        inputs: &[OutputId],
        output_min: Amount,
        secret: &TransactionSecret,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<Output>, BuildError> {
        let mut wanted = wish.payees.clone();
        for (asset, need) in wish.needs()? {
            let values = inputs.iter().map(|id| self.owned[id].output.value);
            let have = Amount::checked_sum(values.filter(|v| v.asset == asset).map(|v| v.amount));
            let have = have.ok_or(BuildError::Overflow)?;
            let drawn = wish.draws.filter(|v| v.asset == asset).map_or(Amount::ZERO, |v| v.amount);
            let spent = wish.spends(asset)?;
            let total = have.checked_add(drawn).ok_or(BuildError::Overflow)?;
            let change = total.checked_sub(spent).expect("inputs were chosen to cover the need");
            if !change.is_zero() {
                wanted.push(Payee { address: self.address(), value: Value { asset, amount: change } });
            }
            debug_assert!(have >= need);
        }
        let mut outputs = Vec::new();
        for payee in wanted {
            for amount in split(payee.value.amount, OUTPUTS_PER_PAYEE, output_min, rng) {
                let (key, tag) = secret.derive(&payee.address, outputs.len() as u32);
                let value = Value { asset: payee.value.asset, amount };
                outputs.push(Output { lock: Lock::single(key), view_tags: vec![tag], value });
            }
        }
        Ok(outputs)
    }

    fn sign(&self, network: NetworkId, body: Body, authorise: Authorise<'_>) -> Transaction {
        let message = body.id().0.0;
        let spends = body.inputs.iter().map(|input| {
            let owned = &self.owned[&input.spent];
            let key = owned.output.lock.keys[0];
            let secret = self.secret.spend_secret(owned.ghost, input.spent.index, key);
            let secret = secret.expect("an owned output was found with this wallet's keys");
            vec![KeySignature { key: 0, signature: secret.sign(network, &message) }]
        });
        let spends = spends.collect();
        let authorisations = authorise
            .iter()
            .map(|identity| identity.sign(Purpose::Authorise, network, &body.authorise_message()))
            .collect();
        Transaction { body, witness: Witness { spends, authorisations } }
    }

    fn remember(&mut self, transaction: &Transaction, wish: &Wish, now: Time) -> Batch {
        let id: TransactionId = transaction.id();
        let pending = Pending {
            bytes: transaction.to_bytes(),
            spends: transaction.body.inputs.iter().map(|input| input.spent).collect(),
            expires: wish.expires,
        };
        let mut batch = Batch::new();
        batch.put(PENDING, id.to_bytes(), pending.to_bytes());
        self.pending.insert(id, pending);
        let (kind, amount) = wish.summary();
        self.note(Activity { time: now, transaction: id, kind, amount, stage: Stage::Sent }, &mut batch);
        batch
    }
}

impl Wish {
    /// What leaves the wallet's inputs and the call's draws, per asset.
    fn spends(&self, asset: AssetId) -> Result<Amount, BuildError> {
        let payees = self.payees.iter().map(|payee| payee.value).chain(self.pays);
        let fee = Value { asset: AssetId::WAY, amount: self.fee };
        let values = payees.chain([fee]).filter(|value| value.asset == asset).map(|value| value.amount);
        Amount::checked_sum(values).ok_or(BuildError::Overflow)
    }

    /// What inputs must bring, per asset that is touched.
    fn needs(&self) -> Result<Vec<(AssetId, Amount)>, BuildError> {
        let mut assets: Vec<AssetId> = self.payees.iter().map(|payee| payee.value.asset).collect();
        assets.extend(self.pays.iter().chain(&self.draws).map(|value| value.asset));
        assets.push(AssetId::WAY);
        assets.sort_unstable();
        assets.dedup();
        let drawn = |asset| self.draws.filter(|v| v.asset == asset).map_or(Amount::ZERO, |v| v.amount);
        assets.into_iter().map(|asset| Ok((asset, self.spends(asset)?.saturating_sub(drawn(asset))))).collect()
    }

    /// What a person would call this.
    fn summary(&self) -> (Kind, Amount) {
        let paid = self.pays.map_or(Amount::ZERO, |value| value.amount);
        let drawn = self.draws.map_or(Amount::ZERO, |value| value.amount);
        match &self.call {
            None => {
                let sum = Amount::checked_sum(self.payees.iter().map(|payee| payee.value.amount));
                (Kind::Sent, sum.unwrap_or(Amount::MAX))
            }
            Some(Call::Registry(_)) => (Kind::Registration, paid),
            Some(Call::Offers(OffersCall::Publish { .. } | OffersCall::Withdraw { .. })) => (Kind::Offer, self.fee),
            Some(Call::Accounts(AccountsCall::Deposit { .. })) => (Kind::Deposit, paid),
            Some(Call::Accounts(AccountsCall::Withdraw { .. })) => (Kind::Withdrawal, drawn),
            Some(Call::Accounts(AccountsCall::AnnounceWithdrawal { amount, .. })) => (Kind::Withdrawal, *amount),
            Some(Call::Accounts(AccountsCall::Settle { promise, .. })) => (Kind::Settlement, promise.promise.amount),
            Some(Call::Accounts(_) | Call::Assets(_) | Call::Kernel(_)) => (Kind::OtherCall, Amount::ZERO),
        }
    }
}
