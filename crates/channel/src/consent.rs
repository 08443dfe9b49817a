//! What a side's user wants to be done to a contract, or to come into the channel, as it is kept until the other side's wants the same.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Hash, Span, Time};
use byway_vm::{Account, Address, State, code_hash, purse_of};

use crate::change::{Change, ContractChange};

/// How long consent counts, in ledger time: who wants the same has so long to say it, and does not wait to see how things go.
pub const CONSENT_TIME_MAX: Span = Span::minutes(10);

/// What only both together do to a contract, and to let an asset in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractWish {
    /// By an update. The code is named by its keccak256.
    Upgrade { contract: Address, code: Hash },
    /// By an update. What it has is divided so, or as both agreed when they opened the channel.
    Remove { contract: Address, shares: Option<[Amount; 2]> },
    /// It leaves the channel for the ledger, with what it has and has stored.
    Leave { contract: Address },
    /// An asset of which there is nothing in the channel comes in, by a deposit of either side: from then on somebody has to show the ledger what is in its purse.
    Admit { asset: AssetId },
}

/// Consent to one wish, for one contract as it was when the consent was given: a contract that was called since is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consent {
    pub wish: ContractWish,
    /// `None` where the asset that is to come in has no purse yet.
    account: Option<Account>,
    /// The last moment of ledger time at which it counts.
    pub until: Time,
}

impl ContractWish {
    /// What an update needs consent to, if it does.
    pub fn of(change: &Change) -> Option<Self> {
        let Change::Contract(change) = change else { return None };
        Some(match change {
            ContractChange::Upgrade { contract, code } => Self::Upgrade { contract: *contract, code: code_hash(code) },
            ContractChange::Remove { contract, shares } => Self::Remove { contract: *contract, shares: *shares },
        })
    }

    pub fn contract(&self) -> Address {
        match self {
            Self::Upgrade { contract, .. } | Self::Remove { contract, .. } | Self::Leave { contract } => *contract,
            Self::Admit { asset } => purse_of(*asset),
        }
    }
}

impl Consent {
    /// Given at a moment of ledger time; `None` where there is no such contract.
    pub fn new(wish: ContractWish, state: &State, now: Time) -> Option<Self> {
        let account = state.account(wish.contract());
        let is_there = account.is_some_and(|account| account.contract.is_some());
        (is_there || matches!(wish, ContractWish::Admit { .. })).then_some(Self {
            wish,
            account,
            until: now + CONSENT_TIME_MAX,
        })
    }

    /// Whether this is what was consented to.
    pub fn is_to(&self, wish: &ContractWish, state: &State, now: Time) -> bool {
        self.wish == *wish && state.account(wish.contract()) == self.account && now <= self.until
    }
}

impl Encode for Consent {
    fn encode(&self, out: &mut Writer) {
        match &self.wish {
            ContractWish::Upgrade { contract, code } => {
                out.byte(0);
                out.value(contract);
                out.value(code);
            }
            ContractWish::Remove { contract, shares } => {
                out.byte(1);
                out.value(contract);
                out.flag(shares.is_some());
                shares.iter().flatten().for_each(|share| out.value(share));
            }
            ContractWish::Leave { contract } => {
                out.byte(2);
                out.value(contract);
            }
            ContractWish::Admit { asset } => {
                out.byte(3);
                out.value(asset);
            }
        }
        out.option(self.account.as_ref());
        out.value(&self.until);
    }
}

impl Decode for Consent {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wish = match input.byte()? {
            0 => ContractWish::Upgrade { contract: input.value()?, code: input.value()? },
            1 => {
                let contract = input.value()?;
                let shares = if input.flag()? { Some([input.value()?, input.value()?]) } else { None };
                ContractWish::Remove { contract, shares }
            }
            2 => ContractWish::Leave { contract: input.value()? },
            3 => ContractWish::Admit { asset: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "consent", value: other.into() }),
        };
        Ok(Self { wish, account: input.option()?, until: input.value()? })
    }
}
