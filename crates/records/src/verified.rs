//! Transactions whose form and signatures have been checked.
//!
//! A [`VerifiedTransaction`] can only be made here, so code that takes one can't be handed an unchecked one. Everything
//! that can be decided from the transaction alone is decided here, many transactions at a time; what remains for the
//! ledger is state.
//!
//! **Keys of outputs.** Whoever takes a transaction from a client ([`verify_bytes`], [`verify_all`]) makes sure that what
//! it publishes are points of the curve: a faulty wallet would lose its owner's money. It is no rule of the ledger, so
//! that not every node pays for it in every snapshot ([`verify_bundles`]): a payer can throw its money away in ways that
//! nobody can see, and a key that is no point only ever fails to spend (decision 0010).

use byway_crypto::batch::{BatchVerifier, Signed};
use byway_crypto::ghost::spend_check;
use byway_crypto::{GhostKey, Purpose};
use byway_primitives::codec::{DecodeError, decode_exact};
use byway_primitives::{Amount, AssetId, IdentityId, NetworkId};

use crate::call::{AccountsCall, AssetsCall, Call, CallEnvelope, KernelCall, OffersCall};
use crate::received::Received;
use crate::reject::IllFormed;
use crate::transaction::{
    Body, INPUTS_MAX, Lock, OUTPUTS_MAX, TRANSACTION_BYTES_MAX, Transaction, TransactionId, Value,
};

/// A transaction with good form and signatures, its id, its decoded call and the identities that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTransaction {
    transaction: Transaction,
    id: TransactionId,
    call: Option<Call>,
    signers: Vec<IdentityId>,
    size: usize,
}

impl VerifiedTransaction {
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    pub fn id(&self) -> TransactionId {
        self.id
    }

    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// Whether `identity` authorised the transaction.
    pub fn is_authorised_by(&self, identity: IdentityId) -> bool {
        self.signers.contains(&identity)
    }

    /// The identities that authorised it.
    pub fn signers(&self) -> &[IdentityId] {
        &self.signers
    }

    /// Bytes of the encoding.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// Decodes and verifies one transaction.
pub fn verify_bytes(network: NetworkId, bytes: &[u8]) -> Result<VerifiedTransaction, IllFormed> {
    if bytes.len() > TRANSACTION_BYTES_MAX {
        return Err(IllFormed::TooLong);
    }
    verify_one(network, decode_exact(bytes)?)
}

/// Verifies one transaction.
pub fn verify(network: NetworkId, transaction: Transaction) -> Result<VerifiedTransaction, IllFormed> {
    verify_one(network, transaction.into())
}

fn verify_one(network: NetworkId, received: Received) -> Result<VerifiedTransaction, IllFormed> {
    let mut verified = verify_all(network, vec![received]).map_err(|(_, reason)| reason)?;
    Ok(verified.pop().expect("one went in, one comes out"))
}

/// Verifies many transactions with one batch of signatures, and that the keys they publish are points.
///
/// # Errors
/// The position of the first ill-formed transaction, and what is wrong with it.
pub fn verify_all(
    network: NetworkId,
    transactions: impl IntoIterator<Item = impl Into<Received>>,
) -> Result<Vec<VerifiedTransaction>, (usize, IllFormed)> {
    let transactions: Vec<Received> = transactions.into_iter().map(Into::into).collect();
    let no_points = transactions.iter().position(|received| !publishes_points(&received.transaction().body));
    let no_points = no_points.map(|position| (position, IllFormed::OutputKey));
    let mut outcomes = verify_bundles(network, vec![Bundle { transactions, others: Vec::new() }]);
    match outcomes.pop().expect("one went in, one comes out") {
        Ok(verified) => no_points.map_or(Ok(verified), Err),
        Err(Culprit::Transaction(position, reason)) => match no_points {
            Some(earlier) if earlier.0 < position => Err(earlier),
            _ => Err((position, reason)),
        },
        Err(Culprit::Other(_)) => unreachable!("there are no other signatures"),
    }
}

fn publishes_points(body: &Body) -> bool {
    body.outputs.iter().flat_map(|output| &output.lock.keys).chain(&body.ghost).all(GhostKey::is_valid)
}

/// Transactions and the signatures of whatever carries them: good together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub transactions: Vec<Received>,
    pub others: Vec<Signed>,
}

/// What was wrong in a [`Bundle`], by its position there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    Transaction(usize, IllFormed),
    /// One of the other signatures is wrong.
    Other(usize),
}

/// Verifies many bundles with one batch of signatures; gives an outcome for each, in order. One bad bundle costs the
/// others a second look, and nothing else.
pub fn verify_bundles(network: NetworkId, bundles: Vec<Bundle>) -> Vec<Result<Vec<VerifiedTransaction>, Culprit>> {
    let examined: Vec<_> = bundles.into_iter().map(|bundle| Examined::new(network, bundle)).collect();
    let mut batch = BatchVerifier::new();
    examined.iter().flatten().for_each(|bundle| batch.extend(bundle.signatures()));
    let all_verify = batch.all_verify();
    let finish = |bundle: Examined| if all_verify { Ok(bundle.verified) } else { bundle.verify_alone() };
    examined.into_iter().map(|examined| examined.and_then(finish)).collect()
}

/// A bundle in which everything is good but, maybe, ed25519 signatures.
struct Examined {
    verified: Vec<VerifiedTransaction>,
    /// Of the transactions, each with the position of its own.
    checks: Vec<(usize, Signed)>,
    others: Vec<Signed>,
}

impl Examined {
    fn new(network: NetworkId, bundle: Bundle) -> Result<Self, Culprit> {
        let count = bundle.transactions.len();
        let (mut verified, mut checks) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (position, received) in bundle.transactions.into_iter().enumerate() {
            let one = examine(network, received, |check| checks.push((position, check)));
            verified.push(one.map_err(|reason| Culprit::Transaction(position, reason))?);
        }
        Ok(Self { verified, checks, others: bundle.others })
    }

    fn signatures(&self) -> impl Iterator<Item = Signed> {
        self.checks.iter().map(|(_, check)| *check).chain(self.others.iter().copied())
    }

    fn verify_alone(self) -> Result<Vec<VerifiedTransaction>, Culprit> {
        let mut batch = BatchVerifier::new();
        batch.extend(self.signatures());
        if batch.all_verify() {
            return Ok(self.verified);
        }
        if let Some(position) = self.others.iter().position(|other| !other.verifies()) {
            return Err(Culprit::Other(position));
        }
        let bad = self.checks.iter().find(|(_, check)| !check.verifies());
        let (position, _) = bad.expect("under ZIP-215 a failing batch holds a signature that fails alone");
        Err(Culprit::Transaction(*position, IllFormed::Signature))
    }
}

/// Checks everything but the ed25519 signatures, which are handed to `check`.
fn examine(
    network: NetworkId,
    received: Received,
    mut check: impl FnMut(Signed),
) -> Result<VerifiedTransaction, IllFormed> {
    let (id, size) = (received.id(), received.size());
    if size > TRANSACTION_BYTES_MAX {
        return Err(IllFormed::TooLong);
    }
    let transaction = received.into_transaction();
    check_shape(&transaction)?;
    let body = &transaction.body;
    let digest = Purpose::Spend.digest(network, &id.0.0);
    for (input, signatures) in body.inputs.iter().zip(&transaction.witness.spends) {
        if signatures.len() != usize::from(input.lock.threshold) || !signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(IllFormed::SignatureCount);
        }
        for signature in signatures {
            let key = input.lock.keys.get(usize::from(signature.key)).ok_or(IllFormed::SignatureCount)?;
            check(spend_check(*key, digest, signature.signature));
        }
    }
    let message = id.0.0;
    let signers = transaction.witness.authorisations.iter().map(|signature| {
        let signer = signature.recover(Purpose::Authorise, network, &message);
        signer.map(|key| key.id()).map_err(|_| IllFormed::Signature)
    });
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    let call = body.call.as_ref().map(|envelope| open_call(network, envelope)).transpose()?;
    Ok(VerifiedTransaction { id, call, signers, size, transaction })
}

fn check_shape(transaction: &Transaction) -> Result<(), IllFormed> {
    let body = &transaction.body;
    check_encodable(body)?;
    if body.inputs.is_empty() && body.call.is_none() {
        return Err(IllFormed::Empty);
    }
    if transaction.witness.spends.len() != body.inputs.len() {
        return Err(IllFormed::SignatureCount);
    }
    let mut spent: Vec<_> = body.inputs.iter().map(|input| input.spent).collect();
    spent.sort_unstable();
    if spent.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(IllFormed::RepeatedInput);
    }
    if body.outputs.iter().any(|output| output.value.amount.is_zero()) {
        return Err(IllFormed::EmptyOutput);
    }
    let values = body.outputs.iter().map(|output| output.value.amount);
    let call = body.call.iter().flat_map(|call| call.pays.iter().chain(&call.draws)).map(|value| value.amount);
    Amount::checked_sum(values.chain(call).chain([body.fee])).map(|_| ()).ok_or(IllFormed::Overflow)
}

/// Whether the body is one that could have been decoded, so that its encoding means it and nothing else. A transaction
/// from the wire is; one that was put together by hand may not be.
fn check_encodable(body: &Body) -> Result<(), IllFormed> {
    let locks = body.inputs.iter().map(|input| &input.lock).chain(body.outputs.iter().map(|output| &output.lock));
    let tags = body.outputs.iter().all(|output| output.view_tags.len() == output.lock.keys.len());
    let counts = body.inputs.len() <= INPUTS_MAX && body.outputs.len() <= OUTPUTS_MAX;
    let ghost = body.ghost.is_some() != body.outputs.is_empty();
    if locks.into_iter().all(Lock::is_valid) && tags && counts && ghost {
        Ok(())
    } else {
        Err(IllFormed::Encoding(DecodeError::Invalid("transaction body")))
    }
}

/// Decodes a call and checks the signatures inside it, and that value goes in and out as such a call may.
fn open_call(network: NetworkId, envelope: &CallEnvelope) -> Result<Call, IllFormed> {
    let call = Call::open(envelope)?;
    let (pays, draws) = (envelope.pays, envelope.draws);
    let way = |value: Option<Value>| value.is_some_and(|v| v.asset == AssetId::WAY);
    let foreign = |value: Option<Value>| value.is_some_and(|v| v.asset != AssetId::WAY);
    let values_fit = match &call {
        Call::Registry(_) | Call::Kernel(KernelCall::Pledge { .. }) => way(pays) && draws.is_none(),
        Call::Kernel(KernelCall::Reclaim { .. }) => pays.is_none() && way(draws),
        Call::Accounts(AccountsCall::Deposit { .. }) => pays.is_some() && draws.is_none(),
        Call::Accounts(AccountsCall::Withdraw { .. }) => pays.is_none() && draws.is_some(),
        Call::Assets(AssetsCall::Issue) => pays.is_none() && foreign(draws),
        Call::Assets(AssetsCall::Burn) => foreign(pays) && draws.is_none(),
        _ => pays.is_none() && draws.is_none(),
    };
    if !values_fit || pays.iter().chain(&draws).any(|value| value.amount.is_zero()) {
        return Err(IllFormed::CallValue);
    }
    match &call {
        Call::Offers(OffersCall::Publish { offer }) => {
            offer.verify(network).map_err(|_| IllFormed::Signature)?;
        }
        Call::Accounts(AccountsCall::Settle { promise, payee, take }) => {
            if promise.promise.network != network {
                return Err(IllFormed::WrongNetwork);
            }
            promise.verify().map_err(|_| IllFormed::Signature)?;
            promise.verify_countersigned(*take, payee).map_err(|_| IllFormed::Signature)?;
        }
        Call::Accounts(AccountsCall::SettlePair(pair)) => {
            if pair.pair.network() != network {
                return Err(IllFormed::WrongNetwork);
            }
            pair.verify().map_err(|_| IllFormed::Signature)?;
        }
        Call::Channels(call) => call.verify(network)?,
        Call::Kernel(KernelCall::Pledge { entry } | KernelCall::Rotate { entry, .. }) if !entry.verifies(network) => {
            return Err(IllFormed::Signature);
        }
        _ => {}
    }
    Ok(call)
}
