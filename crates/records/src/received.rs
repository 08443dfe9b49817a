//! A transaction as it arrives, with what its own bytes say of it.
//!
//! Its id is a digest of the body's encoding, and its size is bounded. Whoever decodes it has both before the eyes, so
//! nothing has to be encoded again to know them.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader};

use crate::transaction::{Body, Transaction, TransactionId, Witness};

/// A transaction whose form and signatures nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    transaction: Transaction,
    id: TransactionId,
    size: usize,
}

impl Received {
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// Bytes of the encoding.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    pub fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

/// One that was put together here.
impl From<Transaction> for Received {
    fn from(transaction: Transaction) -> Self {
        Self { id: transaction.id(), size: transaction.to_bytes().len(), transaction }
    }
}

impl Decode for Received {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let begin = input.clone();
        let body: Body = input.value()?;
        let id = TransactionId::of_encoded(begin.until(input));
        let witness = Witness::decode_for(&body, input)?;
        Ok(Self { transaction: Transaction { body, witness }, id, size: begin.until(input).len() })
    }
}
