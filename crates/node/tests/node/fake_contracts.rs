//! Contracts on the ledger as the fake node has them: one whose contents are here, and one whose are not.

use byway_node::api::*;
use byway_primitives::{Amount, Hash};
use byway_records::TransactionId;

use super::fake::id;
use super::fake_channels::{CONTRACT, GAS, OPEN, coins};

/// Its contents are not here.
pub const LOST: &str = "0x9292929292929292929292929292929292929292";
/// What is exported of the first.
const CONTENTS: &str = "0511";

pub fn list() -> Vec<LedgerContractRecord> {
    [(CONTRACT, ContractContents::Here), (LOST, ContractContents::Missing)]
        .map(|(name, contents)| record(name, contents))
        .into()
}

fn record(contract: &str, contents: ContractContents) -> LedgerContractRecord {
    LedgerContractRecord {
        channel: OPEN.repeat(2),
        contract: contract.to_owned(),
        parties: vec![id(0x11), id(1)],
        balance: coins("0.75"),
        code: "c0".repeat(32),
        calls: 2,
        contents,
        contents_bytes: (contents == ContractContents::Here).then_some(2),
    }
}

/// The one whose address begins like this, behind its channel or not.
fn named(name: &str) -> Answer<LedgerContractRecord> {
    let address = name.rsplit('/').next().unwrap();
    let mut found = list().into_iter().filter(|record| record.contract.starts_with(address));
    match (found.next(), found.next()) {
        (Some(record), None) => Ok(record),
        _ => Err(ApiError::contract_not_found(name)),
    }
}

fn here(name: &str) -> Answer<LedgerContractRecord> {
    let record = named(name)?;
    match record.contents {
        ContractContents::Here => Ok(record),
        _ => Err(ApiError::contents_missing("this node has lost it, or never had it")),
    }
}

pub fn show(name: &str) -> Answer<LedgerContractDetail> {
    let record = named(name)?;
    let outcome = ContractOutcome::Returned;
    Ok(LedgerContractDetail {
        record,
        receipt: Some(LedgerContractReceipt { caller: id(1), outcome, gas_used: GAS }),
        recent: vec![LedgerContractCall {
            number: 2,
            caller: id(1),
            value: coins("0.5"),
            input: ContractBytes(vec![0x4e, 0x71, 0xd9, 0x2d]),
        }],
    })
}

/// What stands behind the selector; a call with nothing there is one that does not return.
fn returned(input: &ContractBytes) -> Option<ContractBytes> {
    input.0.get(4..).filter(|arguments| !arguments.is_empty()).map(|arguments| ContractBytes(arguments.to_vec()))
}

pub fn call(request: &ContractInvoke) -> Answer<ContractCalled> {
    let record = here(&request.contract)?;
    let output = returned(&request.input).ok_or_else(|| ApiError::call_failed("there is still time"))?;
    if request.value > coins("100") {
        return Err(ApiError::insufficient_account(request.value, coins("100")));
    }
    let balance = record.balance.checked_add(request.value).unwrap_or(Amount::MAX);
    Ok(ContractCalled {
        transaction_id: TransactionId(Hash([7; 32])),
        output: Some(output),
        gas_used: Some(GAS),
        record: LedgerContractRecord { balance, calls: record.calls + 1, ..record },
    })
}

pub fn look(request: &ContractLook) -> Answer<ContractOutput> {
    here(&request.contract)?;
    let output = returned(&request.input);
    Ok(ContractOutput { returned: output.is_some(), output: output.unwrap_or_default(), gas_used: GAS })
}

pub fn export(name: &str) -> Answer<ContractExport> {
    Ok(ContractExport { content: CONTENTS.to_owned(), record: here(name)? })
}

pub fn import(content: &str) -> Answer<LedgerContractRecord> {
    if content != CONTENTS {
        return Err(ApiError::contents_refused("the ledger has no such contract"));
    }
    named(CONTRACT)
}
