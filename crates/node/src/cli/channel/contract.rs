//! Contracts in channels: `byway channel contract`, and forcing a call.

use anyhow::bail;
use serde::Serialize;
use serde_json::Value;

use super::super::wallet::show;
use super::abi::{Compiled, Parties, TypedCall, failure_text, names_parties};
use super::{UPDATING, asked, fresh, text};
use crate::api::*;
use crate::cli::{
    CallArgs, CallCostArgs, ChannelName, ContractCallArgs, ContractCommand, ContractDeployArgs, Globals, Outcome,
};
use crate::client::Client;

/// Hex digits of a contract's address.
const ADDRESS_DIGITS: usize = 40;

/// An answer, and what was returned in the types that were typed.
#[derive(Serialize)]
pub struct Decoded<T> {
    #[serde(flatten)]
    pub answer: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<Vec<Value>>,
}

pub async fn contract(globals: &Globals, client: &Client, command: ContractCommand) -> anyhow::Result<Outcome> {
    match command {
        ContractCommand::Deploy(args) => deploy(globals, client, args).await,
        ContractCommand::Call(args) => call(globals, client, args, "channel_call", UPDATING).await,
        ContractCommand::Upgrade { name: ChannelName { channel }, contract, file } => {
            let contract = address(client, &channel, &contract).await?;
            let code = ContractBytes(Compiled::load_running(&file)?);
            change(globals, client, "channel_upgrade", &ChannelUpgrade { channel, contract, code }).await
        }
        ContractCommand::Remove { name: ChannelName { channel }, contract, ours, theirs } => {
            let contract = address(client, &channel, &contract).await?;
            change(globals, client, "channel_remove", &ChannelRemove { channel, contract, ours, theirs }).await
        }
        ContractCommand::Leave { name: ChannelName { channel }, contract } => {
            let contract = address(client, &channel, &contract).await?;
            let request = ChannelLeave { channel, contract: contract.clone() };
            let message = "Waiting for the peer and the ledger…";
            let record: ChannelRecord = asked(client, message, "channel_leave", &request).await?;
            show(globals, &record, |record| text::left(record, &contract))?;
            Ok(Outcome::Done)
        }
        ContractCommand::Look { name: ChannelName { channel }, call } => look(globals, client, channel, call).await,
        ContractCommand::Show { name: ChannelName { channel }, contract } => {
            let mut contracts = detail(client, &channel).await?.deployed;
            if let Some(contract) = contract {
                let address = only(&contracts, &contract)?;
                contracts.retain(|known| known.contract == address);
            }
            show(globals, &contracts, |contracts| text::contracts(contracts))?;
            Ok(Outcome::Done)
        }
    }
}

/// Has the ledger execute a call.
pub async fn force(globals: &Globals, client: &Client, args: ContractCallArgs) -> anyhow::Result<Outcome> {
    call(globals, client, args, "channel_force", "Waiting for the ledger to execute it…").await
}

async fn deploy(globals: &Globals, client: &Client, args: ContractDeployArgs) -> anyhow::Result<Outcome> {
    let ContractDeployArgs { name: ChannelName { channel }, file, arguments, cost: CallCostArgs { value, gas, key } } =
        args;
    let compiled = Compiled::load(&file)?;
    let code = ContractBytes(compiled.with_arguments(&arguments, parties(client, &channel, &arguments).await?)?);
    let request = ChannelDeploy { channel, code, value, gas, idempotency_key: fresh(key)? };
    let answer: ChannelUpdated = asked(client, UPDATING, "channel_deploy", &request).await?;
    show(globals, &answer, text::deployed)?;
    Ok(Outcome::Done)
}

/// Asks for what both have to want.
async fn change(globals: &Globals, client: &Client, method: &str, request: &impl Serialize) -> anyhow::Result<Outcome> {
    let answer: ChannelUpdated = asked(client, UPDATING, method, request).await?;
    show(globals, &answer, text::updated)?;
    Ok(Outcome::Done)
}

async fn call(
    globals: &Globals,
    client: &Client,
    args: ContractCallArgs,
    method: &str,
    message: &'static str,
) -> anyhow::Result<Outcome> {
    let ContractCallArgs { name: ChannelName { channel }, call, cost: CallCostArgs { value, gas, key } } = args;
    let typed = TypedCall::read(&call.call, parties(client, &channel, &call.call).await?)?;
    let contract = address(client, &channel, &call.contract).await?;
    let input = ContractBytes(typed.input.clone());
    let request = ChannelCall { channel, contract, input, value, gas, idempotency_key: fresh(key)? };
    let answer: ChannelUpdated = asked(client, message, method, &request).await?;
    // It has happened, so what can't be read of it is shown as it is.
    let decoded = answer.output.as_ref().and_then(|output| typed.decode(&output.0).ok().flatten());
    let by_ledger = method == "channel_force";
    show(globals, &Decoded { answer, decoded }, |shown| {
        text::called(&shown.answer, shown.decoded.as_deref(), by_ledger)
    })?;
    Ok(Outcome::Done)
}

async fn look(globals: &Globals, client: &Client, channel: String, call: CallArgs) -> anyhow::Result<Outcome> {
    let typed = TypedCall::read(&call.call, parties(client, &channel, &call.call).await?)?;
    let contract = address(client, &channel, &call.contract).await?;
    let request = ChannelLook { channel, contract, input: ContractBytes(typed.input.clone()) };
    let answer: ContractOutput = client.call("channel_look", &request).await?;
    let decoded = if answer.returned { typed.decode(&answer.output.0)? } else { None };
    let outcome = if answer.returned { Outcome::Done } else { Outcome::No };
    show(globals, &Decoded { answer, decoded }, |Decoded { answer, decoded }| match answer.returned {
        true => text::output(&answer.output, decoded.as_deref()),
        false => format!("It would not return: {}.\n", failure_text(&answer.output.0).trim_end_matches('.')),
    })?;
    Ok(outcome)
}

async fn detail(client: &Client, channel: &str) -> anyhow::Result<ChannelDetail> {
    Ok(client.call("channel_show", &ChannelNamed { channel: channel.to_owned() }).await?)
}

/// Who the parties are, where a word stands for one of them.
async fn parties(client: &Client, channel: &str, words: &[String]) -> anyhow::Result<Option<Parties>> {
    if !names_parties(words) {
        return Ok(None);
    }
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    Ok(Some(Parties { me: status.identity.id, peer: detail(client, channel).await?.record.peer }))
}

/// The whole address of a contract in the channel.
async fn address(client: &Client, channel: &str, typed: &str) -> anyhow::Result<String> {
    let digits = typed.trim_start_matches("0x");
    if digits.len() == ADDRESS_DIGITS {
        return Ok(format!("0x{digits}"));
    }
    only(&detail(client, channel).await?.deployed, typed)
}

/// The one contract whose address begins like this.
fn only(contracts: &[ContractRecord], typed: &str) -> anyhow::Result<String> {
    let digits = typed.trim_start_matches("0x").to_lowercase();
    let begins = |contract: &&ContractRecord| contract.contract.trim_start_matches("0x").starts_with(&digits);
    let mut found = contracts.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(contract), None) => Ok(contract.contract.clone()),
        (None, _) => bail!("no contract in the channel begins with {typed}; `byway channel contract show` lists them"),
        _ => bail!("more than one contract begins with {typed}; write more of its address"),
    }
}
