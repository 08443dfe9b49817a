//! A wallet for simulations: the genesis outputs, and transfers that spend them.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Address, IdentitySecret, Purpose, WalletSecret};
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::transaction::KeySignature;
use byway_records::verified::verify;
use byway_records::{
    Body, Call, Genesis, Input, Lock, Output, OutputId, Transaction, Value, VerifiedTransaction, Witness,
};

const GENESIS_SEED: [u8; 32] = [11; 32];
const COIN: Amount = Amount::from_coins(1);

/// Holds `size` coins in as many genesis outputs.
pub struct Purse {
    wallet: WalletSecret,
    network: NetworkId,
    genesis_outputs: Vec<Output>,
    genesis_id: byway_records::TransactionId,
    genesis_key: byway_crypto::GhostKey,
}

/// The genesis outputs of a purse of this size, those of others, and R of all of them.
pub fn genesis_outputs(size: u32, others: &[(Address, Amount)]) -> (Vec<Output>, byway_crypto::GhostKey) {
    let (purse, secret) = (wallet().address(), TransactionSecret::from_seed(&GENESIS_SEED));
    let own = (0..size).map(|_| (purse, COIN));
    let owners = own.chain(others.iter().copied());
    let outputs = (0..).zip(owners).map(|(index, (owner, amount))| output(&secret, &owner, index, amount));
    (outputs.collect(), secret.public())
}

impl Purse {
    pub fn open(genesis: &Genesis) -> Self {
        Self {
            wallet: wallet(),
            network: genesis.network(),
            genesis_outputs: genesis.outputs.clone(),
            genesis_id: genesis.transaction(),
            genesis_key: genesis.ghost,
        }
    }

    /// Spends coin `index` to the purse itself. Different variants of one coin exclude each other.
    pub fn spend(&self, index: u32, variant: u8) -> VerifiedTransaction {
        let genesis = &self.genesis_outputs[index as usize];
        let spent = OutputId { transaction: self.genesis_id, index };
        self.transfer(spent, genesis, self.genesis_key, index, variant, &[COIN])
    }

    /// Spends the only output of a transfer of this purse.
    pub fn spend_again(&self, from: &VerifiedTransaction, index: u32, variant: u8) -> VerifiedTransaction {
        self.spend_output(from, 0, index, variant)
    }

    /// Spends coin `index` differently for every salt.
    pub fn spend_variant(&self, index: u32, salt: u32) -> VerifiedTransaction {
        let spent = OutputId { transaction: self.genesis_id, index };
        self.transfer(spent, &self.genesis_outputs[index as usize], self.genesis_key, salt, 1, &[COIN])
    }

    /// Makes as many outputs as there are amounts, together one coin, of coin `index`.
    pub fn split(&self, index: u32, amounts: &[Amount]) -> VerifiedTransaction {
        let spent = OutputId { transaction: self.genesis_id, index };
        self.transfer(spent, &self.genesis_outputs[index as usize], self.genesis_key, index, 0, amounts)
    }

    /// Spends an output of a transfer of this purse.
    pub fn spend_output(&self, from: &VerifiedTransaction, output: u32, salt: u32, variant: u8) -> VerifiedTransaction {
        let body = &from.transaction().body;
        let spent = OutputId { transaction: from.id(), index: output };
        let key = body.ghost.expect("transfers have an output");
        let amount = body.outputs[output as usize].value.amount;
        self.transfer(spent, &body.outputs[output as usize], key, salt, variant, &[amount])
    }

    /// Pays coin `index` into a program.
    pub fn pay_in(&self, index: u32, call: &Call, signer: &IdentitySecret) -> VerifiedTransaction {
        let genesis = &self.genesis_outputs[index as usize];
        let spent = OutputId { transaction: self.genesis_id, index };
        let body = Body {
            inputs: vec![Input { spent, lock: genesis.lock.clone() }],
            outputs: Vec::new(),
            ghost: None,
            call: Some(call.envelope(Some(genesis.value), None)),
            fee: Amount::ZERO,
            expires: Time::ZERO,
        };
        let key = self.wallet.spend_secret(self.genesis_key, index, genesis.lock.keys[0]);
        let signature = key.expect("the purse's own coin").sign(self.network, &body.id().0.0);
        self.authorise(body, vec![vec![KeySignature { key: 0, signature }]], signer)
    }

    /// Calls a program, without any money. Calls with other salts are other transactions.
    pub fn call(&self, call: &Call, salt: u64, signer: &IdentitySecret) -> VerifiedTransaction {
        let body = Body {
            inputs: Vec::new(),
            outputs: Vec::new(),
            ghost: None,
            call: Some(call.envelope(None, None)),
            fee: Amount::ZERO,
            expires: Time(u64::MAX - salt),
        };
        self.authorise(body, Vec::new(), signer)
    }

    fn authorise(&self, body: Body, spends: Vec<Vec<KeySignature>>, signer: &IdentitySecret) -> VerifiedTransaction {
        let signature = signer.sign(Purpose::Authorise, self.network, &body.authorise_message());
        let witness = Witness { spends, authorisations: vec![signature] };
        verify(self.network, Transaction { body, witness }).expect("the purse makes valid calls")
    }

    pub fn network(&self) -> NetworkId {
        self.network
    }

    fn transfer(
        &self,
        spent: OutputId,
        output_spent: &Output,
        key: byway_crypto::GhostKey,
        salt: u32,
        variant: u8,
        amounts: &[Amount],
    ) -> VerifiedTransaction {
        let position = spent.index;
        let mut seed = [variant; 32];
        seed[..4].copy_from_slice(&salt.to_le_bytes());
        seed[4..24].copy_from_slice(&spent.transaction.0.0[..20]);
        let secret = TransactionSecret::from_seed(&seed);
        let outputs = (0..).zip(amounts).map(|(index, amount)| output(&secret, &self.wallet.address(), index, *amount));
        let outputs = outputs.collect();
        let body = Body {
            inputs: vec![Input { spent, lock: output_spent.lock.clone() }],
            outputs,
            ghost: Some(secret.public()),
            call: None,
            fee: Amount::ZERO,
            expires: Time::ZERO,
        };
        let spend = self.wallet.spend_secret(key, position, output_spent.lock.keys[0]).expect("the purse's own coin");
        let signature = spend.sign(self.network, &body.id().0.0);
        let spends = vec![vec![KeySignature { key: 0, signature }]];
        let transaction = Transaction { body, witness: Witness { spends, authorisations: Vec::new() } };
        verify(self.network, transaction).expect("the purse makes valid transfers")
    }
}

fn wallet() -> WalletSecret {
    WalletSecret::from_seed(&[12; 32])
}

fn output(secret: &TransactionSecret, owner: &Address, index: u32, amount: Amount) -> Output {
    let (key, tag) = secret.derive(owner, index);
    Output { lock: Lock::single(key), view_tags: vec![tag], value: Value { asset: AssetId::WAY, amount } }
}
