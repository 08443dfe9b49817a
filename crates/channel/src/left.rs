//! Contracts that have left their channel, as a side keeps them: all that they have stored, which the ledger has only the root of.
//!
//! The contract's entry on the ledger has the last calls. Whoever looks at it from checkpoint to checkpoint executes each, and so
//! can call the contract, and show others what it has stored. One that was away for so long that calls are missing has to be given the
//! contract by somebody who has it.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, IdentityId, NetworkId, Store};
use byway_records::call::CallContract;
use byway_records::channel::{Environment, LedgerContract};
use byway_records::promise::ChannelId;
use byway_vm::{Address, AloneCall, Call, ExecuteError, Target, WholeAlone};

use crate::journal::{CHANNELS, ChannelJournalError, left_key, left_prefix};

/// A contract that has left its channel.
#[derive(Debug, Clone)]
pub struct LeftContract {
    pub channel: ChannelId,
    network: NetworkId,
    whole: WholeAlone,
    /// Calls that are executed here.
    made: u64,
}

/// The contract can't be brought to where the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    #[error(
        "calls of the contract are missing that the ledger does not show any more; get the contract from somebody who has it"
    )]
    Missed,
    #[error("the ledger has the contract with other contents than its calls lead to")]
    Differs,
}

/// Contents that somebody has given are not those of a contract on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    #[error("these are no contents of a contract, or they are damaged ({0})")]
    Unreadable(DecodeError),
    #[error("they are of another network")]
    Network,
    #[error("the ledger has no such contract")]
    NotThere,
    #[error("they are newer than what this node has seen of the ledger; try again in a moment")]
    Newer,
    #[error(transparent)]
    Follow(FollowError),
}

impl LeftContract {
    pub(crate) fn new(channel: ChannelId, network: NetworkId, whole: WholeAlone) -> Self {
        Self { channel, network, whole, made: 0 }
    }

    pub fn address(&self) -> Address {
        self.whole.address
    }

    /// Calls that are executed here, counted since it left.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// What it has and has stored, and its code.
    pub fn contents(&self) -> &WholeAlone {
        &self.whole
    }

    /// All that are kept: those that have left, and those that both, or this side alone, have signed or asked for to leave. The ledger tells which
    /// it has.
    ///
    /// # Errors
    /// If one can't be read.
    pub fn load_all(store: &impl Store) -> Result<Vec<Self>, ChannelJournalError> {
        let entries = store.scan_prefix(CHANNELS, &left_prefix()).into_iter();
        let read = entries.filter_map(|(key, bytes)| {
            let channel = ChannelId(byway_primitives::Hash(*key.get(1..)?.first_chunk()?));
            Some(Self::from_bytes(&bytes).map_err(|cause| ChannelJournalError::Unreadable { channel, cause }))
        });
        read.collect()
    }

    /// One of these, where it is kept.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load(
        store: &impl Store,
        channel: ChannelId,
        contract: Address,
    ) -> Result<Option<Self>, ChannelJournalError> {
        let bytes = store.load(CHANNELS, &left_key(channel, contract));
        let read = bytes.map(|bytes| Self::from_bytes(&bytes));
        read.transpose().map_err(|cause| ChannelJournalError::Unreadable { channel, cause })
    }

    /// Out of bytes that anybody may have given, brought to where the ledger has the contract, which `entry` looks up. Whatever they
    /// are, what comes out is what the ledger has the root of.
    ///
    /// # Errors
    /// If they are not that, or too old to lead there.
    pub fn from_contents(
        bytes: &[u8],
        network: NetworkId,
        entry: impl FnOnce(ChannelId, Address) -> Option<LedgerContract>,
    ) -> Result<Self, ContentsError> {
        let mut given = Self::from_bytes(bytes).map_err(ContentsError::Unreadable)?;
        if given.network != network {
            return Err(ContentsError::Network);
        }
        let entry = entry(given.channel, given.address()).ok_or(ContentsError::NotThere)?;
        if given.made > entry.made() {
            return Err(ContentsError::Newer);
        }
        // Before anything is executed: no other code has it now than when it left.
        if given.whole.account.contract.map(|contract| contract.code) != Some(entry.code) {
            return Err(ContentsError::Follow(FollowError::Differs));
        }
        given.follow(&entry).map_err(ContentsError::Follow)?;
        Ok(given)
    }

    pub fn put(&self, batch: &mut Batch) {
        batch.put(CHANNELS, left_key(self.channel, self.whole.address), self.to_bytes());
    }

    /// Executes the calls that the ledger shows and that are new here; whether there were any. Nothing is done where the ledger, as it is
    /// seen here, is behind: it is written apart, and may be older after a crash.
    ///
    /// # Errors
    /// The contract stays as it was.
    pub fn follow(&mut self, entry: &LedgerContract) -> Result<bool, FollowError> {
        if self.made > entry.made() {
            return Ok(false);
        }
        let mut next = self.clone();
        for made in entry.calls.iter().filter(|made| made.number > self.made) {
            if made.number != next.made + 1 {
                return Err(FollowError::Missed);
            }
            let call = next.vm_call(made.caller, made.value, made.input.clone(), made.gas);
            let done = next.whole.execute(next.network, made.environment, &call);
            done.map_err(|_| FollowError::Differs)?.after.ok_or(FollowError::Differs)?;
            next.made = made.number;
        }
        let account = next.whole.account;
        let contract = account.contract.map(|contract| (contract.code, contract.storage));
        if (account.nonce, account.balance, contract) != (entry.nonce, entry.balance, Some((entry.code, entry.storage)))
        {
            return Err(FollowError::Differs);
        }
        let is_new = next.made > self.made;
        *self = next;
        Ok(is_new)
    }

    /// What a call would do now, and how the ledger is asked for it.
    ///
    /// # Errors
    /// If no such call can be made.
    pub fn call(
        &self,
        environment: Environment,
        caller: IdentityId,
        value: Amount,
        input: Vec<u8>,
        gas: u64,
    ) -> Result<(AloneCall, CallContract), ExecuteError> {
        let call = self.vm_call(caller, value, input.clone(), gas);
        let (made, part) = self.whole.look(self.network, environment, &call)?;
        let (channel, contract, witness) = (self.channel, self.whole.address.0, part.to_bytes());
        Ok((made, CallContract { channel, contract, caller, value, input, gas, witness }))
    }

    fn vm_call(&self, caller: IdentityId, value: Amount, input: Vec<u8>, gas: u64) -> Call {
        Call {
            caller: Address::from(caller),
            target: Target::Contract(self.whole.address),
            value,
            input,
            gas,
            evidence: Vec::new(),
        }
    }
}

impl Encode for LeftContract {
    fn encode(&self, out: &mut Writer) {
        crate::journal::put_version(out);
        out.value(&self.channel.0);
        out.value(&self.network);
        out.value(&self.whole);
        out.varint(self.made);
    }
}

impl Decode for LeftContract {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        crate::journal::version(input)?;
        Ok(Self {
            channel: ChannelId(input.value()?),
            network: input.value()?,
            whole: input.value()?,
            made: input.u64()?,
        })
    }
}
