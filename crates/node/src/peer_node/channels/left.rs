//! Contracts that have left their channels for the ledger: followed from checkpoint to checkpoint, shown, and given to others.
//!
//! The ledger has the root of what a contract has stored; whoever is to call it needs the rest. Parties have it in the journal from
//! the moment in which they agreed, and execute each call that the ledger shows since. Who was away for too long, has lost its disk, or was
//! no party imports it from somebody who has it, and believes nobody: what is taken is what the ledger has the root of.

use std::collections::BTreeMap;

use byway_channel::LeftContract;
use byway_primitives::Encode;
use byway_records::ProgramId;
use byway_records::channel::contract::{contract_key, contract_of_key, contract_prefix};
use byway_records::channel::{CallOutcome, LedgerContract, MadeCall, MadeReceipt};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::super::PeerNode;
use super::Actor;
use super::views::id_text;
use crate::api::*;

/// Contracts of others that are followed: all that each has stored is in memory.
const IMPORTED_MAX: usize = 64;
/// Hex digits of an address by which a contract may be named if no other begins with them.
const DIGITS_MIN: usize = 2;

/// A contract on the ledger, by its channel's id and its address.
pub(super) type Name = (ChannelId, Address);

/// What this node has of a contract on the ledger.
pub(super) enum Followed {
    Here(Box<LeftContract>),
    /// What is on the disk can't be brought to where the ledger is.
    Missed,
    Missing,
}

impl Actor {
    /// Goes where the ledger is with the contracts that have changed: all of them where it is not known which.
    pub(super) fn follow_contracts(&mut self, changed: Option<&[Vec<u8>]>) {
        let mut kept = if changed.is_none() { self.kept_contracts() } else { BTreeMap::new() };
        for (name, entry) in self.own_contracts(changed, &kept) {
            let known = match self.channels.left.remove(&name) {
                None => kept.remove(&name).or_else(|| self.kept_contract(name)),
                Some(Followed::Here(contract)) => Some(*contract),
                Some(lost) => {
                    self.channels.left.insert(name, lost);
                    continue;
                }
            };
            let followed = known.map_or(Followed::Missing, |contract| self.go_on_with(contract, &entry));
            self.channels.left.insert(name, followed);
        }
    }

    /// The entries of contracts that this node follows, or was a party of the channel of.
    fn own_contracts(
        &self,
        changed: Option<&[Vec<u8>]>,
        kept: &BTreeMap<Name, LeftContract>,
    ) -> Vec<(Name, LedgerContract)> {
        let Some(tree) = self.ledger.follower().tree(ProgramId::CHANNELS) else { return Vec::new() };
        let keys: Vec<&[u8]> = match changed {
            Some(keys) => keys.iter().map(Vec::as_slice).collect(),
            None => tree.iter_prefix(contract_prefix()).map(|(key, _)| key).collect(),
        };
        let named = keys.into_iter().filter_map(|key| {
            let (channel, contract) = contract_of_key(key)?;
            Some(((channel, Address(contract)), tree.read::<LedgerContract>(key)?))
        });
        let is_followed = |name: &Name| self.channels.left.contains_key(name) || kept.contains_key(name);
        named.filter(|(name, entry)| is_followed(name) || entry.parties.contains(&self.me())).collect()
    }

    fn go_on_with(&mut self, mut contract: LeftContract, entry: &LedgerContract) -> Followed {
        match contract.follow(entry) {
            Ok(is_new) => {
                if is_new {
                    self.market.keep_contract(self.clock.now(), &contract, &self.market_journal);
                }
                Followed::Here(Box::new(contract))
            }
            Err(error) => {
                tracing::warn!(contract = %address_text(contract.address()), %error, "a contract on the ledger is lost sight of");
                Followed::Missed
            }
        }
    }

    fn kept_contracts(&self) -> BTreeMap<Name, LeftContract> {
        let kept = LeftContract::load_all(&self.market_journal).unwrap_or_else(|error| {
            tracing::error!(%error, "contracts that have left can't be read");
            Vec::new()
        });
        kept.into_iter().map(|contract| ((contract.channel, contract.address()), contract)).collect()
    }

    fn kept_contract(&self, (channel, contract): Name) -> Option<LeftContract> {
        let kept = LeftContract::load(&self.market_journal, channel, contract);
        kept.inspect_err(|error| tracing::error!(%error, "a contract that has left can't be read")).ok()?
    }

    pub(super) fn contract_entry(&self, (channel, contract): Name) -> Option<LedgerContract> {
        self.ledger.follower().tree(ProgramId::CHANNELS)?.read(&contract_key(channel, contract.0))
    }

    /// The contract that a caller names.
    pub(super) fn contract_named(&self, name: &str) -> Answer<(Name, LedgerContract)> {
        let lower = name.to_ascii_lowercase();
        let (channel, contract) = lower.split_once('/').unwrap_or(("", &lower));
        let contract = contract.strip_prefix("0x").unwrap_or(contract);
        let is_it =
            |(id, address): &&Name| id_text(*id).starts_with(channel) && hex::encode(address.0).starts_with(contract);
        let known: Vec<Name> = match contract.len() >= DIGITS_MIN {
            true => self.channels.left.keys().filter(is_it).copied().collect(),
            false => Vec::new(),
        };
        let named = match known[..] {
            [one] => Some(one),
            [] => whole_name(channel, contract),
            _ => None,
        };
        let found = named.and_then(|named| Some((named, self.contract_entry(named)?)));
        found.ok_or_else(|| ApiError::contract_not_found(name))
    }

    pub(in super::super) fn ledger_contracts(&self) -> Vec<LedgerContractRecord> {
        let known = self.channels.left.keys().filter_map(|name| Some((*name, self.contract_entry(*name)?)));
        known.map(|(name, entry)| self.contract_record(name, &entry)).collect()
    }

    pub(super) fn contract_record(&self, name: Name, entry: &LedgerContract) -> LedgerContractRecord {
        let (contents, contents_bytes) = match self.channels.left.get(&name) {
            Some(Followed::Here(contract)) => (ContractContents::Here, Some(contract.to_bytes().len() as u64)),
            Some(Followed::Missed) => (ContractContents::Missed, None),
            Some(Followed::Missing) | None => (ContractContents::Missing, None),
        };
        LedgerContractRecord {
            channel: id_text(name.0),
            contract: address_text(name.1),
            parties: entry.parties.to_vec(),
            balance: entry.balance,
            code: hex::encode(entry.code.0),
            calls: entry.made(),
            contents,
            contents_bytes,
        }
    }

    pub(in super::super) fn ledger_contract_shown(&self, name: &str) -> Answer<LedgerContractDetail> {
        let (name, entry) = self.contract_named(name)?;
        let call = |made: &MadeCall| LedgerContractCall {
            number: made.number,
            caller: made.caller,
            value: made.value,
            input: ContractBytes(made.input.clone()),
        };
        Ok(LedgerContractDetail {
            record: self.contract_record(name, &entry),
            receipt: entry.receipt.as_ref().map(receipt),
            recent: entry.calls.iter().map(call).collect(),
        })
    }

    /// What a contract has stored, as this node follows it.
    pub(super) fn contract_here(&self, name: Name) -> Answer<&LeftContract> {
        match self.channels.left.get(&name) {
            Some(Followed::Here(contract)) => Ok(contract),
            Some(Followed::Missed) => Err(ApiError::contents_missing(
                "this node was away while it was called, and the ledger does not show those calls any more",
            )),
            Some(Followed::Missing) | None => Err(ApiError::contents_missing("this node has lost it, or never had it")),
        }
    }

    pub(in super::super) fn export_contract(&self, name: &str) -> Answer<ContractExport> {
        let (name, entry) = self.contract_named(name)?;
        let content = self.contract_here(name)?.to_bytes();
        if content.len() > CONTENTS_BYTES_MAX {
            return Err(ApiError::contents_refused(too_long(content.len())));
        }
        Ok(ContractExport { content: hex::encode(content), record: self.contract_record(name, &entry) })
    }

    /// Follows a contract from here on, unless this node does so already.
    fn take_contract(&mut self, contract: LeftContract) -> Answer<LedgerContractRecord> {
        let name = (contract.channel, contract.address());
        let entry = self.contract_entry(name).ok_or_else(|| ApiError::contract_not_found(&address_text(name.1)))?;
        if let Some(Followed::Here(_)) = self.channels.left.get(&name) {
            return Ok(self.contract_record(name, &entry));
        }
        let is_new = !self.channels.left.contains_key(&name);
        if is_new && !entry.parties.contains(&self.me()) && self.imported_contracts() >= IMPORTED_MAX {
            return Err(ApiError::busy("contracts of others that are followed"));
        }
        self.market.keep_contract(self.clock.now(), &contract, &self.market_journal);
        let followed = self.go_on_with(contract, &entry);
        self.channels.left.insert(name, followed);
        Ok(self.contract_record(name, &entry))
    }

    fn imported_contracts(&self) -> usize {
        let is_of_others =
            |name: &&Name| self.contract_entry(**name).is_none_or(|entry| !entry.parties.contains(&self.me()));
        self.channels.left.keys().filter(is_of_others).count()
    }
}

impl PeerNode {
    /// Takes up what somebody has exported. It is read and brought to where the ledger is beside the task, since whoever made it may have
    /// meant that to take long.
    pub(in super::super) async fn import_contract(&self, request: ContractImport) -> Answer<LedgerContractRecord> {
        let bytes = hex::decode(request.content.trim());
        let bytes =
            bytes.map_err(|_| ApiError::invalid_params("content", "it must be hex digits, two for each byte"))?;
        if bytes.len() > CONTENTS_BYTES_MAX {
            return Err(ApiError::contents_refused(too_long(bytes.len())));
        }
        let network = self.ask(|actor| Ok(actor.network)).await?;
        let (node, handle) = (self.clone(), tokio::runtime::Handle::current());
        let read = tokio::task::spawn_blocking(move || {
            LeftContract::from_contents(&bytes, network, |channel, contract| {
                let entry = node.ask(move |actor| Ok(actor.contract_entry((channel, contract))));
                handle.block_on(entry).ok().flatten()
            })
        });
        let contract = read.await.map_err(|_| ApiError::internal())?.map_err(ApiError::contents_refused)?;
        self.ask(move |actor| actor.take_contract(contract)).await
    }
}

fn whole_name(channel: &str, contract: &str) -> Option<Name> {
    let (mut id, mut address) = ([0; 32], [0; 20]);
    hex::decode_to_slice(channel, &mut id).ok()?;
    hex::decode_to_slice(contract, &mut address).ok()?;
    Some((ChannelId(byway_primitives::Hash(id)), Address(address)))
}

pub(super) fn address_text(address: Address) -> String {
    format!("0x{}", hex::encode(address.0))
}

fn too_long(length: usize) -> String {
    format!("they have {length} bytes, and {CONTENTS_BYTES_MAX} are as many as one call carries")
}

fn receipt(receipt: &MadeReceipt) -> LedgerContractReceipt {
    let outcome = match receipt.outcome {
        CallOutcome::Returned => ContractOutcome::Returned,
        CallOutcome::Reverted => ContractOutcome::Reverted,
        CallOutcome::OutOfGas => ContractOutcome::OutOfGas,
        CallOutcome::Halted | CallOutcome::Balances => ContractOutcome::Halted,
        CallOutcome::Missing => ContractOutcome::Missing,
    };
    LedgerContractReceipt { caller: receipt.caller, outcome, gas_used: receipt.gas_used }
}
