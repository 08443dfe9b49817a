//! Coins whose key somebody passed on: taking them to one's own wallet.
//!
//! Whoever has the key of a wallet and knows which outputs are its own can spend them without having read the ledger.
//! That is how an invite's coins are taken, and drawn back by who gave them: whoever is first has them, and the ledger
//! says who was.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Address, GhostKey, WalletSecret};
use byway_primitives::codec::Encode;
use byway_primitives::{Amount, AssetId, Batch, NetworkId, Time};
use byway_records::reject::Reject;
use byway_records::transaction::KeySignature;
use byway_records::{Body, Input, Lock, OutputId, Transaction, TransactionId, Value, Witness};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::build::{Authorise, BuildError, Grains, Wish, authorisations, make_output};
use super::history::{Activity, Kind, Stage};
use super::select::{Parts, shuffle, split};
use super::{OUTPUTS_PER_PAYEE, PENDING, Pending, Wallet};

/// Outputs in WAY of one transaction, and the wallet that can spend them.
pub struct Bearer {
    pub secret: WalletSecret,
    pub transaction: TransactionId,
    /// R of that transaction.
    pub ghost: GhostKey,
    /// Which outputs of it, with what is in them.
    pub outputs: Vec<(u32, Amount)>,
}

impl Bearer {
    /// The outputs' ids.
    pub fn ids(&self) -> impl Iterator<Item = OutputId> + '_ {
        self.outputs.iter().map(|(index, _)| OutputId { transaction: self.transaction, index: *index })
    }

    /// Builds and signs what takes all of it: what the wish pays and costs, and the rest `to` somebody. A wish has no payees
    /// here and draws nothing.
    ///
    /// `seed` must be fresh randomness.
    pub fn take(
        &self,
        network: NetworkId,
        wish: &Wish,
        to: Address,
        authorise: Authorise<'_>,
        grains: &Grains,
        seed: &[u8; 32],
    ) -> Result<Transaction, BuildError> {
        let have = Amount::checked_sum(self.outputs.iter().map(|(_, amount)| *amount)).ok_or(BuildError::Overflow)?;
        let paid = wish.pays.map_or(Amount::ZERO, |value| value.amount);
        let need = paid.checked_add(wish.fee).ok_or(BuildError::Overflow)?;
        let rest = have.checked_sub(need).ok_or(BuildError::TooLittle { have, need, asset: AssetId::WAY })?;
        let mut keys = Vec::new();
        for (index, _) in &self.outputs {
            keys.push(self.secret.spend_secret_at(self.ghost, *index).ok_or(BuildError::NoKey)?);
        }
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let ghost = TransactionSecret::from_seed(seed);
        let parts = Parts { count: OUTPUTS_PER_PAYEE, least: grains.output_min, step: Amount::from_units(1) };
        let mut amounts = if rest.is_zero() { Vec::new() } else { split(rest, parts, &mut rng) };
        shuffle(&mut amounts, &mut rng);
        let value = |amount| Value { asset: AssetId::WAY, amount };
        let outputs: Vec<_> = (0u32..)
            .zip(amounts)
            .map(|(index, amount)| make_output(&ghost, &to.into(), index, value(amount)))
            .collect();
        let inputs = self.ids().zip(&keys);
        let body = Body {
            inputs: inputs.map(|(spent, key)| Input { spent, lock: Lock::single(key.public()) }).collect(),
            ghost: (!outputs.is_empty()).then(|| ghost.public()),
            outputs,
            call: wish.call.as_ref().map(|call| call.envelope(wish.pays, None)),
            fee: wish.fee,
            expires: wish.expires,
        };
        let message = body.id().0.0;
        let spends = keys.iter().map(|key| vec![KeySignature { key: 0, signature: key.sign(network, &message) }]);
        let witness = Witness { spends: spends.collect(), authorisations: authorisations(network, &body, authorise) };
        Ok(Transaction { body, witness })
    }
}

impl Wallet {
    /// Remembers a transaction that was built elsewhere and brings this wallet `value`, until it has its fate. The batch must
    /// be durable before it is sent.
    pub fn take_up(&mut self, transaction: &Transaction, value: Value, now: Time) -> Batch {
        let id = transaction.id();
        let pending = Pending {
            bytes: transaction.to_bytes(),
            spends: transaction.body.inputs.iter().map(|input| input.spent).collect(),
            expires: transaction.body.expires,
        };
        let mut batch = Batch::new();
        batch.put(PENDING, id.to_bytes(), pending.to_bytes());
        self.pending.insert(id, pending);
        self.note(Activity { time: now, transaction: id, kind: Kind::Received, value, stage: Stage::Sent }, &mut batch);
        batch
    }

    /// Lets go of a transaction that can't become final any more, as whoever asks knows for certain.
    pub fn give_up(&mut self, id: TransactionId, reason: Reject, now: Time) -> Batch {
        let mut batch = Batch::new();
        if self.pending.contains_key(&id) {
            self.settle(id, Stage::Rejected(reason), now, &mut batch);
        }
        batch
    }
}
