//! The load: transfers signed beforehand, each of an output of its own.

use std::sync::Arc;

use anyhow::Context;
use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Address, GhostKey, WalletSecret};
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::transaction::{KeySignature, Value};
use byway_records::{
    Body, Genesis, Input, Lock, Member, MemberSet, Output, OutputId, Transaction, TransactionId, Witness,
};
use clap::ValueEnum;
use serde::Serialize;

use crate::bench::network::seed;
use crate::genesis::Leaders;

/// What a transfer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Shape {
    /// One input, one output: the smallest there is
    #[value(name = "1-1")]
    #[serde(rename = "1-1")]
    OneToOne,
    /// What a wallet makes: one input, three outputs to the payee and three back
    #[value(name = "ghost")]
    #[serde(rename = "ghost")]
    Ghost,
}

/// Outputs that a wallet makes to everyone it pays, itself included (row K2).
const OUTPUTS_PER_PAYEE: u32 = 3;

/// A network with these members and `outputs` outputs of one coin each, all of the payer.
pub fn genesis(members: Vec<Member>, leaders: Leaders, outputs: usize) -> anyhow::Result<Arc<Genesis>> {
    let funding = TransactionSecret::from_seed(&seed(&[b"funding"]));
    let address = payer().address();
    let output = |index| output(&funding, &address, index, Amount::from_coins(1));
    let genesis = Genesis {
        name: "bench".to_owned(),
        time: Time(1),
        test: true,
        parameters: leaders.parameters(),
        members: MemberSet::new(members),
        pool: Amount::ZERO,
        ghost: funding.public(),
        outputs: (0..u32::try_from(outputs)?).map(output).collect(),
    };
    genesis.validate().context("the bench's own genesis")?;
    Ok(Arc::new(genesis))
}

/// One transfer of each of the first `count` outputs of genesis.
pub fn transfers(genesis: &Genesis, shape: Shape, count: usize) -> Vec<Transaction> {
    let maker = Maker {
        network: genesis.network(),
        made_by: genesis.transaction(),
        ghost: genesis.ghost,
        payer: payer(),
        payee: WalletSecret::from_seed(&seed(&[b"payee"])).address(),
    };
    (0..).zip(&genesis.outputs).take(count).map(|(index, spent)| maker.transfer(shape, index, spent)).collect()
}

/// What all transfers have in common.
struct Maker {
    network: NetworkId,
    made_by: TransactionId,
    ghost: GhostKey,
    payer: WalletSecret,
    payee: Address,
}

impl Maker {
    fn transfer(&self, shape: Shape, index: u32, spent: &Output) -> Transaction {
        let secret = TransactionSecret::from_seed(&seed(&[b"transfer", &index.to_le_bytes()]));
        let outputs = match shape {
            Shape::OneToOne => vec![output(&secret, &self.payee, 0, Amount::from_coins(1))],
            Shape::Ghost => ghost_outputs(&secret, &self.payee, &self.payer.address()),
        };
        let body = Body {
            inputs: vec![Input { spent: OutputId { transaction: self.made_by, index }, lock: spent.lock.clone() }],
            outputs,
            ghost: Some(secret.public()),
            call: None,
            fee: Amount::ZERO,
            expires: Time::ZERO,
        };
        let key = self.payer.spend_secret(self.ghost, index, spent.lock.keys[0]).expect("it was made for this wallet");
        let signature = KeySignature { key: 0, signature: key.sign(self.network, &body.id().0.0) };
        Transaction { body, witness: Witness { spends: vec![vec![signature]], authorisations: Vec::new() } }
    }
}

/// A coin in six parts of different sizes, to payee and payer in turns.
fn ghost_outputs(secret: &TransactionSecret, payee: &Address, payer: &Address) -> Vec<Output> {
    let count = 2 * OUTPUTS_PER_PAYEE;
    let step = Amount::from_coins(1).units() / u128::from(count * (count + 1) / 2);
    let part = |index| Amount::from_units(step * u128::from(index + 1));
    let last = Amount::from_coins(1).units() - step * u128::from(count * (count - 1) / 2);
    let amount = |index| if index + 1 == count { Amount::from_units(last) } else { part(index) };
    let to = |index: u32| if index.is_multiple_of(2) { payee } else { payer };
    (0..count).map(|index| output(secret, to(index), index, amount(index))).collect()
}

fn output(secret: &TransactionSecret, payee: &Address, index: u32, amount: Amount) -> Output {
    let (key, tag) = secret.derive(payee, index);
    Output { lock: Lock::single(key), view_tags: vec![tag], value: Value { asset: AssetId::WAY, amount } }
}

fn payer() -> WalletSecret {
    WalletSecret::from_seed(&seed(&[b"payer"]))
}
