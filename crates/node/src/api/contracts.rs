//! Contracts that have left their channels for the ledger, as calls ask for and answer them (row C2).

use byway_primitives::{Amount, IdentityId};
use byway_records::TransactionId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::channels::ContractBytes;
use super::params::{IdempotencyKey, Params};
use super::requests::Request;

/// Bytes of the contents that are exported and imported: twice as many hex digits still fit into one call.
pub const CONTENTS_BYTES_MAX: usize = 480 * 1024;

/// Whether a node has what a contract has stored, without which nobody can call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractContents {
    Here,
    /// Calls were missed that the ledger shows no more: they are to be imported from somebody who has them.
    Missed,
    /// They were never here, or are lost; likewise.
    Missing,
}

/// A contract on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerContractRecord {
    /// The ledger's id of the channel that it has left.
    pub channel: String,
    /// 40 hex digits behind `0x`. Contracts of several channels may have one address.
    pub contract: String,
    /// Of that channel.
    pub parties: Vec<IdentityId>,
    pub balance: Amount,
    /// keccak256 of its code.
    pub code: String,
    /// Calls that have changed it, since it left.
    pub calls: u64,
    pub contents: ContractContents,
    /// How long they are where they are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents_bytes: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractOutcome {
    Returned,
    Reverted,
    OutOfGas,
    /// It did what no code may, or paid somebody who can't be paid.
    Halted,
    /// What it touches was not shown.
    Missing,
}

/// The last call, whether it changed anything or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerContractReceipt {
    pub caller: IdentityId,
    pub outcome: ContractOutcome,
    pub gas_used: u64,
}

/// A call that changed a contract, and that the ledger still shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerContractCall {
    /// Counted from one, since the contract left.
    pub number: u64,
    pub caller: IdentityId,
    pub value: Amount,
    pub input: ContractBytes,
}

/// A contract on the ledger, with all that the ledger shows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerContractDetail {
    #[serde(flatten)]
    pub record: LedgerContractRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<LedgerContractReceipt>,
    /// Oldest first.
    pub recent: Vec<LedgerContractCall>,
}

/// A call that the ledger has executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractCalled {
    pub transaction_id: TransactionId,
    /// What it returned; missing where it was executed at another time than it was looked at, and returned something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ContractBytes>,
    /// Missing where the contract was called again meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<u64>,
    #[serde(flatten)]
    pub record: LedgerContractRecord,
}

/// What a contract has stored, with its code, for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractExport {
    /// In hex.
    pub content: String,
    #[serde(flatten)]
    pub record: LedgerContractRecord,
}

/// Lets a contract leave its channel, which both sides have to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelLeave {
    pub channel: String,
    pub contract: String,
}

/// A contract by its address, or the beginning if that is the only one; where contracts of several channels have one address,
/// behind the ledger's id of the channel, or its beginning, and a slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractNamed {
    pub contract: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractInvoke {
    pub contract: String,
    /// Selector and arguments.
    pub input: ContractBytes,
    /// Out of our account.
    pub value: Amount,
    /// Half as much again as it takes now when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    pub idempotency_key: IdempotencyKey,
}

/// A call that changes nothing and is told nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractLook {
    pub contract: String,
    pub input: ContractBytes,
    pub value: Amount,
}

/// What somebody else has exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContractImport {
    /// In hex.
    pub content: String,
}

impl Request for ChannelLeave {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { channel: params.required("channel")?, contract: params.required("contract")? })
    }
}

impl Request for ContractNamed {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { contract: params.required("contract")? })
    }
}

impl Request for ContractInvoke {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            contract: params.required("contract")?,
            input: params.required("input")?,
            value: params.amount("value")?.unwrap_or_default(),
            gas: params.optional("gas")?,
            idempotency_key: params.required_key()?,
        })
    }
}

impl Request for ContractLook {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self {
            contract: params.required("contract")?,
            input: params.required("input")?,
            value: params.amount("value")?.unwrap_or_default(),
        })
    }
}

impl Request for ContractImport {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { content: params.required("content")? })
    }
}
