//! How much of each asset there is, and where it stands (row K10).

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Amount, AssetId, Decode, IdentityId, Reader};
use byway_records::channel::LedgerContract;
use byway_records::state::{Account, AssetRecord, Conviction, KernelPledge, Registration, Reservation};
use byway_records::{Channel, Output, ProgramId, Value};

/// What there is of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    pub outputs: Amount,
    pub accounts: Amount,
    pub reservations: Amount,
    /// Of registered identities and of kernel nodes, forfeited ones that can be appealed or are included.
    pub pledges: Amount,
    /// Of channels that are not closed, with what their contracts hold, and of contracts that have left theirs.
    pub channels: Amount,
    pub pool: Amount,
}

/// What there is of every asset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Supply {
    pub assets: BTreeMap<AssetId, Holdings>,
    /// How much of each asset beside WAY was issued and not burned, as its record says.
    pub issued: BTreeMap<AssetId, Amount>,
}

/// The parts of an asset don't add up to what there should be of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbalanced {
    pub asset: AssetId,
    /// The sum of all parts; `None` where it overflows.
    pub counted: Option<Amount>,
    pub expected: Amount,
}

/// An entry holds something that can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    #[error("an unspent output can't be read")]
    Output,
    #[error("an entry of program {0:?} can't be read")]
    Entry(ProgramId),
    #[error("amounts overflow")]
    Overflow,
}

impl Holdings {
    /// The sum of all parts; `None` on overflow, which no sound ledger reaches.
    pub fn total(&self) -> Option<Amount> {
        Amount::checked_sum([self.outputs, self.accounts, self.reservations, self.pledges, self.channels, self.pool])
    }
}

impl Supply {
    /// The network's own coin.
    pub fn way(&self) -> Holdings {
        self.assets.get(&AssetId::WAY).copied().unwrap_or_default()
    }

    /// Every asset that there is, or should be, with its parts and what their sum should be: WAY as genesis made it, any
    /// other as issued.
    pub fn rows(&self, way: Amount) -> impl Iterator<Item = (AssetId, Holdings, Amount)> {
        let others: BTreeSet<AssetId> = self.assets.keys().chain(self.issued.keys()).copied().collect();
        let others = others.into_iter().filter(|asset| *asset != AssetId::WAY);
        let others = others.map(|asset| (asset, self.issued.get(&asset).copied().unwrap_or_default()));
        [(AssetId::WAY, way)].into_iter().chain(others).map(|(asset, expected)| {
            let holdings = self.assets.get(&asset).copied().unwrap_or_default();
            (asset, holdings, expected)
        })
    }

    /// Whether every asset's parts add up to what there should be of it.
    pub fn check(&self, way: Amount) -> Result<(), Unbalanced> {
        let wrong = self.rows(way).find(|(_, holdings, expected)| holdings.total() != Some(*expected));
        match wrong {
            None => Ok(()),
            Some((asset, holdings, expected)) => Err(Unbalanced { asset, counted: holdings.total(), expected }),
        }
    }

    /// Adds an output.
    pub fn count_output(&mut self, output: &Output) -> Result<(), Uncountable> {
        self.add(output.value, |holdings| &mut holdings.outputs)
    }

    /// Takes an output off again.
    pub(crate) fn discount_output(&mut self, output: &Output) -> Result<(), Uncountable> {
        let holdings = self.assets.entry(output.value.asset).or_default();
        holdings.outputs = holdings.outputs.checked_sub(output.value.amount).ok_or(Uncountable::Overflow)?;
        Ok(())
    }

    /// Adds what an entry of a program holds.
    pub fn count_entry(&mut self, program: ProgramId, key: &[u8], value: &[u8]) -> Result<(), Uncountable> {
        let damaged = Uncountable::Entry(program);
        let way = |amount| Value { asset: AssetId::WAY, amount };
        match (program, key) {
            (ProgramId::SYSTEM, [0]) => self.add(way(read(value).ok_or(damaged)?), |holdings| &mut holdings.pool),
            (ProgramId::KERNEL, [0, _]) => {
                let pledge: KernelPledge = read(value).ok_or(damaged)?;
                self.add(way(pledge.amount), |holdings| &mut holdings.pledges)
            }
            (ProgramId::KERNEL, [2, ..]) => {
                let conviction: Conviction = read(value).ok_or(damaged)?;
                self.add(way(conviction.forfeited), |holdings| &mut holdings.pledges)
            }
            (ProgramId::KERNEL, [1, ..] | [3] | [4] | [5, _] | [6]) => Ok(()),
            (ProgramId::REGISTRY, _) => {
                let registration: Registration = read(value).ok_or(damaged)?;
                self.add(way(registration.pledge), |holdings| &mut holdings.pledges)
            }
            (ProgramId::ACCOUNTS, [0, key @ ..]) => {
                let account: Account = read(value).ok_or(damaged)?;
                let asset = account_asset(key).ok_or(damaged)?;
                self.add(Value { asset, amount: account.balance }, |holdings| &mut holdings.accounts)
            }
            (ProgramId::ACCOUNTS, [3, ..]) => {
                let reservation: Reservation = read(value).ok_or(damaged)?;
                self.add(reservation.value, |holdings| &mut holdings.reservations)
            }
            (ProgramId::CHANNELS, [0, ..]) => {
                let channel: Channel = read(value).ok_or(damaged)?;
                let holds = channel.holds().ok_or(damaged)?;
                self.add(way(holds), |holdings| &mut holdings.channels)?;
                channel.assets.iter().try_for_each(|row| {
                    let amount = row.total().ok_or(damaged)?;
                    self.add(Value { asset: row.asset, amount }, |holdings| &mut holdings.channels)
                })
            }
            (ProgramId::CHANNELS, [2, ..]) => {
                let contract: LedgerContract = read(value).ok_or(damaged)?;
                self.add(way(contract.balance), |holdings| &mut holdings.channels)
            }
            (ProgramId::CHANNELS, [1 | 3, ..]) => Ok(()),
            (ProgramId::ASSETS, [0, ..]) => {
                let record: AssetRecord = read(value).ok_or(damaged)?;
                self.issued.insert(record.terms.id(), record.supply);
                Ok(())
            }
            (ProgramId::HOLDERS, [0 | 1, ..]) | (ProgramId::NAMES, [0..=2, ..] | [3]) => Ok(()),
            (ProgramId::SYSTEM, [2..=4]) | (ProgramId::OFFERS | ProgramId::ACCOUNTS, _) => Ok(()),
            _ => Err(damaged),
        }
    }

    fn add(&mut self, value: Value, part: impl Fn(&mut Holdings) -> &mut Amount) -> Result<(), Uncountable> {
        let part = part(self.assets.entry(value.asset).or_default());
        *part = part.checked_add(value.amount).ok_or(Uncountable::Overflow)?;
        Ok(())
    }
}

fn read<T: Decode>(bytes: &[u8]) -> Option<T> {
    T::from_bytes(bytes).ok()
}

/// The asset in an account's key, behind the holder.
fn account_asset(key: &[u8]) -> Option<AssetId> {
    let mut input = Reader::new(key);
    let _: IdentityId = input.value().ok()?;
    let asset = input.value().ok()?;
    input.finish().ok().map(|()| asset)
}
