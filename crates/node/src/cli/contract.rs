//! Contracts on the ledger: `byway contract`.

use anyhow::Context;

use super::channel::abi::{Parties, TypedCall, failure_text, names_parties};
use super::channel::contract::Decoded;
use super::channel::text::output;
use super::output::{fields, short, way, word};
use super::progress::with_progress;
use super::wallet::show;
use super::{Globals, LedgerCallArgs, LedgerContractCommand, Outcome, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn contract(globals: &Globals, command: LedgerContractCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        LedgerContractCommand::List => {
            let contracts: Vec<LedgerContractRecord> = client.call("contract_list", &Nothing {}).await?;
            show(globals, &contracts, |contracts| list(contracts))?;
        }
        LedgerContractCommand::Show(name) => {
            let detail = detail(&client, name.contract).await?;
            show(globals, &detail, detail_text)?;
        }
        LedgerContractCommand::Call(args) => call(globals, &client, args).await?,
        LedgerContractCommand::Look { call, value } => {
            let typed = typed(&client, &call.contract, &call.call).await?;
            let request = ContractLook { contract: call.contract, input: ContractBytes(typed.input.clone()), value };
            let answer: ContractOutput = client.call("contract_look", &request).await?;
            let outcome = if answer.returned { Outcome::Done } else { Outcome::No };
            let decoded = if answer.returned { typed.decode(&answer.output.0)? } else { None };
            show(globals, &Decoded { answer, decoded }, |Decoded { answer, decoded }| match answer.returned {
                true => output(&answer.output, decoded.as_deref()),
                false => format!("It would not return: {}.\n", failure_text(&answer.output.0).trim_end_matches('.')),
            })?;
            return Ok(outcome);
        }
        LedgerContractCommand::Export { name, file } => {
            let export: ContractExport = client.call("contract_export", &named(name.contract)).await?;
            std::fs::write(&file, &export.content).with_context(|| format!("can't write {}", file.display()))?;
            show(globals, &export.record, |record| {
                let (bytes, file) = (record.contents_bytes.unwrap_or_default(), file.display());
                format!("{} with {bytes} bytes is in {file}; `byway contract import` takes it up.\n", record.contract)
            })?;
        }
        LedgerContractCommand::Import { file } => {
            let content = std::fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
            let record: LedgerContractRecord =
                client.call("contract_import", &ContractImport { content: content.trim().to_owned() }).await?;
            show(globals, &record, |record| format!("{}\n", standing(record)))?;
        }
    }
    Ok(Outcome::Done)
}

async fn call(globals: &Globals, client: &Client, args: LedgerCallArgs) -> anyhow::Result<()> {
    let LedgerCallArgs { call, value, gas, key } = args;
    let typed = typed(client, &call.contract, &call.call).await?;
    let (input, idempotency_key) = (ContractBytes(typed.input.clone()), idempotency_key(key.idempotency_key)?);
    let request = ContractInvoke { contract: call.contract, input, value, gas, idempotency_key };
    let calling = client.call("contract_call", &request);
    let answer: ContractCalled = with_progress("Waiting for the ledger to execute it…", calling).await?;
    // It has happened, so what can't be read of it is shown as it is.
    let decoded = answer.output.as_ref().and_then(|output| typed.decode(&output.0).ok().flatten());
    show(globals, &Decoded { answer, decoded }, |Decoded { answer, decoded }| {
        let returned = answer.output.as_ref().filter(|output| !output.0.is_empty());
        let returned = returned.map(|returned| output(returned, decoded.as_deref())).unwrap_or_default();
        let gas = answer.gas_used.map(|gas| format!("It took {gas} gas. ")).unwrap_or_default();
        format!("{returned}{gas}The ledger has executed it. {}\n", standing(&answer.record))
    })
}

fn named(contract: String) -> ContractNamed {
    ContractNamed { contract }
}

async fn detail(client: &Client, contract: String) -> anyhow::Result<LedgerContractDetail> {
    Ok(client.call("contract_show", &named(contract)).await?)
}

/// A call, with the parties where a word stands for one of them.
async fn typed(client: &Client, contract: &str, words: &[String]) -> anyhow::Result<TypedCall> {
    if !names_parties(words) {
        return TypedCall::read(words, None);
    }
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    let (me, parties) = (status.identity.id, detail(client, contract.to_owned()).await?.record.parties);
    let others: Vec<_> = parties.into_iter().filter(|party| *party != me).collect();
    let [peer] = others[..] else {
        anyhow::bail!("this node was no party of the channel that the contract has left; write the address instead");
    };
    TypedCall::read(words, Some(Parties { me, peer }))
}

fn list(contracts: &[LedgerContractRecord]) -> String {
    let mut table = Table::new(&["contract", "channel", ">holds", ">calls", "contents"]);
    for record in contracts {
        table.row([
            record.contract.clone(),
            short(&record.channel),
            record.balance.to_string(),
            record.calls.to_string(),
            word(&record.contents),
        ]);
    }
    table.text(
        "No contract is followed; `byway channel contract leave` lets one leave a channel, `byway contract import` takes one up.",
    )
}

fn detail_text(detail: &LedgerContractDetail) -> String {
    let record = &detail.record;
    let [one, other] = [0, 1].map(|side| record.parties.get(side).map(ToString::to_string).unwrap_or_default());
    let mut rows = vec![
        ("contract", record.contract.clone()),
        ("channel", record.channel.clone()),
        ("parties", format!("{one} and {other}")),
        ("holds", way(record.balance)),
        ("code", record.code.clone()),
        ("calls", record.calls.to_string()),
        ("contents", contents(record)),
    ];
    if let Some(LedgerContractReceipt { caller, outcome, gas_used }) = &detail.receipt {
        rows.push(("last call", format!("by {caller}, which {}, for {gas_used} gas", ended(*outcome))));
    }
    let mut text = fields(&rows);
    for LedgerContractCall { number, caller, value, input } in &detail.recent {
        text += &format!("\n{number}: {} with {value} WAY, {}", short(caller), String::from(input.clone()));
    }
    if detail.recent.is_empty() { text } else { text + "\n" }
}

fn contents(record: &LedgerContractRecord) -> String {
    match (record.contents, record.contents_bytes) {
        (ContractContents::Here, bytes) => format!("here, {} bytes", bytes.unwrap_or_default()),
        (ContractContents::Missed, _) => {
            "calls were missed: import them from somebody who has them (`byway contract import`)".to_owned()
        }
        (ContractContents::Missing, _) => {
            "not here: import them from somebody who has them (`byway contract import`)".to_owned()
        }
    }
}

fn standing(record: &LedgerContractRecord) -> String {
    format!(
        "{} holds {} after {} calls; contents {}.",
        record.contract,
        way(record.balance),
        record.calls,
        contents(record)
    )
}

fn ended(outcome: ContractOutcome) -> &'static str {
    match outcome {
        ContractOutcome::Returned => "returned",
        ContractOutcome::Reverted => "the contract took back",
        ContractOutcome::OutOfGas => "ran out of gas",
        ContractOutcome::Halted => "did what no code may",
        ContractOutcome::Missing => "touched what was not shown",
    }
}
