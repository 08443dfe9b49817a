//! Transactions: outputs spent, outputs made, at most one program called.
//!
//! A transaction is a [`Body`], which is signed, and a [`Witness`], the signatures. Its id is the digest of the body
//! alone, so that nobody can change the id of someone else's payment by re-encoding a signature.
//!
//! **Balance.** For every asset: inputs + what the call *draws* out of its program = outputs + what the call *pays*
//! into it + fee. The fee is in WAY and goes to the pool.
//!
//! **Keys in inputs.** An input repeats the lock that it opens, so that whether its signatures are good can be decided
//! from the transaction alone; whether the lock is the output's is decided when the ledger executes it.

use byway_crypto::node::NodeSignature;
use byway_crypto::{GhostKey, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Hash, NetworkId, Time};
use serde::{Deserialize, Serialize};

use crate::call::CallEnvelope;

const TRANSACTION: Context = Context("byway 1 transaction");
const OUTPUT: Context = Context("byway 1 output");

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// Bytes of one encoded transaction. Room for 256 single-key inputs; a snapshot carries many.
pub const TRANSACTION_BYTES_MAX: usize = 64 * 1024;
/// Inputs of one transaction. A wallet with smaller change consolidates in several.
pub const INPUTS_MAX: usize = 256;
/// Outputs of one transaction.
pub const OUTPUTS_MAX: usize = 256;
/// Keys of one m-of-n lock.
pub const LOCK_KEYS_MAX: usize = 16;
/// Identities that authorise one transaction.
pub const AUTHORISATIONS_MAX: usize = 4;

/// The digest of a transaction's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(pub Hash);

/// An output: the transaction that made it, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputId {
    pub transaction: TransactionId,
    pub index: u32,
}

/// A quantity of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    pub asset: AssetId,
    pub amount: Amount,
}

/// Who may spend an output: `threshold` of these one-time keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub threshold: u8,
    pub keys: Vec<GhostKey>,
}

/// An unspent or spent output (rows K1, K2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub lock: Lock,
    /// One per key of the lock.
    pub view_tags: Vec<u8>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub spent: OutputId,
    pub lock: Lock,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
    /// R of the ghost outputs; present exactly when there are outputs.
    pub ghost: Option<GhostKey>,
    pub call: Option<CallEnvelope>,
    pub fee: Amount,
    /// Not executed after this ledger time; zero for never. Lets a wallet know when a lost transaction is dead.
    pub expires: Time,
}

/// One signature of an m-of-n lock: which key, and the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySignature {
    pub key: u8,
    pub signature: NodeSignature,
}

/// The signatures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witness {
    /// Per input, exactly `threshold` signatures with rising key numbers.
    pub spends: Vec<Vec<KeySignature>>,
    /// By the identities that the call acts for.
    pub authorisations: Vec<IdentitySignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub body: Body,
    pub witness: Witness,
}

impl TransactionId {
    /// The id of the transaction whose body has this encoding.
    pub(crate) fn of_encoded(body: &[u8]) -> Self {
        Self(TRANSACTION.hash(&[body]))
    }
}

impl Body {
    pub fn id(&self) -> TransactionId {
        TransactionId::of_encoded(&self.to_bytes())
    }

    /// What each input's signature covers.
    pub fn spend_digest(&self, network: NetworkId) -> Hash {
        Purpose::Spend.digest(network, &self.id().0.0)
    }

    /// The message that an authorising identity signs under [`Purpose::Authorise`].
    pub fn authorise_message(&self) -> [u8; 32] {
        self.id().0.0
    }
}

impl Witness {
    /// Reads the witness of `body`, whose inputs say how many signatures there are.
    pub(crate) fn decode_for(body: &Body, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let of = |spent: &Input, input: &mut Reader<'_>| (0..spent.lock.threshold).map(|_| input.value()).collect();
        let spends = body.inputs.iter().map(|spent| of(spent, input)).collect::<Result<_, _>>()?;
        Ok(Self { spends, authorisations: input.list(AUTHORISATIONS_MAX)? })
    }
}

impl Transaction {
    pub fn id(&self) -> TransactionId {
        self.body.id()
    }
}

impl Lock {
    pub fn single(key: GhostKey) -> Self {
        Self { threshold: 1, keys: vec![key] }
    }

    /// Whether this is a lock that has an encoding: one that asks for at least one signature and no more than it has
    /// keys. Decoded locks are; one that was put together by hand may not be.
    pub fn is_valid(&self) -> bool {
        let keys = 1..=self.keys.len().min(LOCK_KEYS_MAX);
        keys.contains(&usize::from(self.threshold)) && self.keys.len() <= LOCK_KEYS_MAX
    }
}

impl Output {
    /// The element that stands for this output in the homomorphic hash of all unspent outputs.
    pub fn set_element(&self, id: OutputId) -> Hash {
        OUTPUT.hash(&[&id.to_bytes(), &self.to_bytes()])
    }
}

impl Encode for TransactionId {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }
}

impl Decode for TransactionId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

impl std::fmt::Display for TransactionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TransactionId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        text.parse().map(Self)
    }
}

impl Encode for OutputId {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.transaction);
        out.varint(self.index);
    }
}

impl Decode for OutputId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { transaction: input.value()?, index: input.u32()? })
    }
}

impl Value {
    pub fn way(amount: Amount) -> Self {
        Self { asset: AssetId::WAY, amount }
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.asset);
        out.value(&self.amount);
    }
}

impl Decode for Value {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { asset: input.value()?, amount: input.value()? })
    }
}

/// One byte 0 and the key for the usual single key; else the threshold, and the list of keys.
impl Encode for Lock {
    fn encode(&self, out: &mut Writer) {
        if let (1, [key]) = (self.threshold, self.keys.as_slice()) {
            out.byte(0);
            out.value(key);
        } else {
            out.byte(self.threshold);
            out.list(&self.keys);
        }
    }
}

impl Decode for Lock {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let threshold = input.byte()?;
        if threshold == 0 {
            return Ok(Self::single(input.value()?));
        }
        let keys: Vec<GhostKey> = input.list(LOCK_KEYS_MAX)?;
        if keys.len() < 2 || usize::from(threshold) > keys.len() {
            return Err(DecodeError::Invalid("lock threshold"));
        }
        Ok(Self { threshold, keys })
    }
}

impl Encode for Output {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.lock);
        out.raw(&self.view_tags);
        out.value(&self.value);
    }
}

impl Decode for Output {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let lock: Lock = input.value()?;
        let view_tags = input.raw(lock.keys.len())?.to_vec();
        Ok(Self { lock, view_tags, value: input.value()? })
    }
}

impl Encode for Input {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.spent);
        out.value(&self.lock);
    }
}

impl Decode for Input {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { spent: input.value()?, lock: input.value()? })
    }
}

impl Encode for Body {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.list(&self.inputs);
        out.list(&self.outputs);
        if let Some(ghost) = &self.ghost {
            out.value(ghost);
        }
        out.option(self.call.as_ref());
        out.value(&self.fee);
        out.value(&self.expires);
    }
}

impl Decode for Body {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "transaction version", value: other.into() }),
        }
        let inputs = input.list(INPUTS_MAX)?;
        let outputs: Vec<Output> = input.list(OUTPUTS_MAX)?;
        let ghost = if outputs.is_empty() { None } else { Some(input.value()?) };
        Ok(Self { inputs, outputs, ghost, call: input.option()?, fee: input.value()?, expires: input.value()? })
    }
}

impl Encode for KeySignature {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.key);
        out.value(&self.signature);
    }
}

impl Decode for KeySignature {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key: input.byte()?, signature: input.value()? })
    }
}

/// The witness follows its body, whose inputs say how many signatures there are.
impl Encode for Transaction {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.body);
        for signatures in &self.witness.spends {
            signatures.iter().for_each(|signature| out.value(signature));
        }
        out.list(&self.witness.authorisations);
    }
}

impl Decode for Transaction {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let body: Body = input.value()?;
        let witness = Witness::decode_for(&body, input)?;
        Ok(Self { body, witness })
    }
}
