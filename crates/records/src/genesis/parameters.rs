//! Consensus parameters: what a genesis fixes of how its network works, and what things cost there.

use byway_primitives::Amount;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::time::Span;
use serde::{Deserialize, Serialize};

/// A thousandth of a coin.
const MILLI: Amount = Amount::from_units(1_000_000_000_000_000);

/// How the leaders of the snapshot graph are named (row K3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRule {
    pub kind: LeaderKind,
    /// From 1 to 50; all members lead in every round if it is more than there are.
    pub leaders_per_round: u8,
}

/// Who names the leaders of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderKind {
    /// Each member in turn.
    RoundRobin,
    /// A coin of the members, thrown after the votes. Each in turn until they have dealt its key.
    CommonCoin,
}

/// What a program call costs, in WAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPrices {
    pub offer_publish: Amount,
    pub asset_register: Amount,
    /// To say who holds for one.
    pub holders_set: Amount,
    /// A commitment to a name.
    pub name_commit: Amount,
    /// A year of a name.
    pub name_year: NamePrices,
    /// A call about a channel; of a contract's code, for each KiB that is begun.
    pub channel: Amount,
    /// A unit of the gas that a call takes which the ledger executes.
    pub gas: Amount,
    /// Every other call.
    pub other: Amount,
}

/// What a year of a name costs, by how many characters it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamePrices {
    pub of_3: Amount,
    pub of_4: Amount,
    pub of_5_or_6: Amount,
    pub of_7_or_more: Amount,
}

/// A span that must pass both in ledger time and in commits, so that a stalled kernel expires nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub millis: Span,
    pub commits: u64,
}

/// Consensus parameters. They are part of the network and not of any node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    pub leader_rule: LeaderRule,
    /// A checkpoint ends the first commit; from then on one comes at the latest every so many commits …
    pub checkpoint_commits: u64,
    /// … or this long after a commit with content.
    pub checkpoint_delay: Span,
    /// … or as soon as what it gives to followers comes to so many bytes, be it in the middle of what the kernel commits at
    /// once …
    pub checkpoint_bytes: u64,
    /// … or this long after the last one, if nothing happens.
    pub checkpoint_idle: Span,
    /// Rounds below the last commit that a snapshot can still be committed from.
    pub round_horizon: u64,
    pub registration_pledge: Amount,
    pub kernel_pledge: Amount,
    /// Parts per million of a settled amount that go to the pool.
    pub settlement_fee_ppm: u32,
    pub withdrawal_notice: Wait,
    pub offer_life: Wait,
    /// How long who holds for an identity is kept, and how far ahead a holder's time may lie.
    pub holders_life: Wait,
    /// How long after a commitment to a name it can be revealed, and who revealed with a later one gives way.
    pub name_reveal: Wait,
    /// What a year of a name is.
    pub name_year: Wait,
    /// How long after a name's last year only its owner can renew it.
    pub name_grace: Wait,
    /// How long a kernel node's pledge stays locked once it has left: what it signed can be punished until then.
    pub pledge_lock: Wait,
    /// How long after a kernel node changed its keys or its address it may do so again. Each such change begins an
    /// epoch, and what epochs there were is kept for the time of the pledge lock.
    pub rotation_pause: Wait,
    /// How long an epoch lasts at most. The next one begins with the same members if nothing has changed: what led there
    /// need not be kept then, and who was away need not execute it.
    pub epoch_life: Wait,
    /// How long a convicted kernel node's owner may appeal, and how long an appeal is open.
    pub appeal_time: Wait,
    /// The smallest amount an output may hold.
    pub output_min: Amount,
    pub call_prices: CallPrices,
}

impl Parameters {
    /// The numbers of `design`: what `byway genesis new` starts from.
    pub fn standard() -> Self {
        Self {
            leader_rule: LeaderRule { kind: LeaderKind::RoundRobin, leaders_per_round: 50 },
            // At the most fifty leaders a round, each a commit: some dozens of rounds.
            checkpoint_commits: 1_600,
            checkpoint_delay: Span::millis(250),
            // A quarter of a second of some ten thousand transfers a second takes less.
            checkpoint_bytes: 2 << 20,
            checkpoint_idle: Span::seconds(30),
            round_horizon: 256,
            registration_pledge: Amount::from_coins(1),
            kernel_pledge: Amount::from_coins(10_000),
            settlement_fee_ppm: 1_000,
            withdrawal_notice: Wait { millis: Span::minutes(10), commits: 600 },
            offer_life: Wait { millis: Span::days(10), commits: 60_000 },
            holders_life: Wait { millis: Span::days(30), commits: 180_000 },
            name_reveal: Wait { millis: Span::minutes(60), commits: 600 },
            name_year: Wait { millis: Span::days(365), commits: 2_000_000 },
            name_grace: Wait { millis: Span::days(30), commits: 180_000 },
            pledge_lock: Wait { millis: Span::days(21), commits: 120_000 },
            rotation_pause: Wait { millis: Span::minutes(360), commits: 1_000 },
            epoch_life: Wait { millis: Span::days(1), commits: 1_000 },
            appeal_time: Wait { millis: Span::days(14), commits: 80_000 },
            output_min: Amount::from_units(1),
            call_prices: CallPrices {
                offer_publish: MILLI,
                asset_register: Amount::from_coins(1),
                holders_set: MILLI,
                name_commit: MILLI,
                // A million names of the cheapest kind cost a fifth of all coins that circulate, each year.
                name_year: NamePrices {
                    of_3: Amount::from_coins(50),
                    of_4: Amount::from_coins(10),
                    of_5_or_6: Amount::from_coins(1),
                    of_7_or_more: Amount::from_units(100 * MILLI.units()),
                },
                channel: Amount::from_units(100_000_000_000_000),
                // A hundred thousand cost as much as a call, and take as long in most code.
                gas: Amount::from_units(1_000_000_000),
                other: Amount::ZERO,
            },
        }
    }
}

impl NamePrices {
    /// The price of a year of a name with so many characters.
    pub fn of(&self, chars: usize) -> Amount {
        match chars {
            0..=3 => self.of_3,
            4 => self.of_4,
            5 | 6 => self.of_5_or_6,
            _ => self.of_7_or_more,
        }
    }
}

impl Encode for Wait {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.millis);
        out.varint(self.commits);
    }
}

impl Decode for Wait {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { millis: input.value()?, commits: input.u64()? })
    }
}

impl Encode for Parameters {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self.leader_rule.kind {
            LeaderKind::RoundRobin => 0,
            LeaderKind::CommonCoin => 1,
        });
        out.byte(self.leader_rule.leaders_per_round);
        out.varint(self.checkpoint_commits);
        out.value(&self.checkpoint_delay);
        out.varint(self.checkpoint_bytes);
        out.value(&self.checkpoint_idle);
        out.varint(self.round_horizon);
        out.value(&self.registration_pledge);
        out.value(&self.kernel_pledge);
        out.varint(self.settlement_fee_ppm);
        out.value(&self.withdrawal_notice);
        out.value(&self.offer_life);
        out.value(&self.holders_life);
        out.value(&self.name_reveal);
        out.value(&self.name_year);
        out.value(&self.name_grace);
        out.value(&self.pledge_lock);
        out.value(&self.rotation_pause);
        out.value(&self.epoch_life);
        out.value(&self.appeal_time);
        out.value(&self.output_min);
        out.value(&self.call_prices);
    }
}

impl Decode for Parameters {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = match input.byte()? {
            0 => LeaderKind::RoundRobin,
            1 => LeaderKind::CommonCoin,
            other => return Err(DecodeError::UnknownVariant { kind: "leader rule", value: other.into() }),
        };
        Ok(Self {
            leader_rule: LeaderRule { kind, leaders_per_round: input.byte()? },
            checkpoint_commits: input.u64()?,
            checkpoint_delay: input.value()?,
            checkpoint_bytes: input.u64()?,
            checkpoint_idle: input.value()?,
            round_horizon: input.u64()?,
            registration_pledge: input.value()?,
            kernel_pledge: input.value()?,
            settlement_fee_ppm: input.u32()?,
            withdrawal_notice: input.value()?,
            offer_life: input.value()?,
            holders_life: input.value()?,
            name_reveal: input.value()?,
            name_year: input.value()?,
            name_grace: input.value()?,
            pledge_lock: input.value()?,
            rotation_pause: input.value()?,
            epoch_life: input.value()?,
            appeal_time: input.value()?,
            output_min: input.value()?,
            call_prices: input.value()?,
        })
    }
}

impl Encode for CallPrices {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.offer_publish);
        out.value(&self.asset_register);
        out.value(&self.holders_set);
        out.value(&self.name_commit);
        out.value(&self.name_year);
        out.value(&self.channel);
        out.value(&self.gas);
        out.value(&self.other);
    }
}

impl Decode for CallPrices {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            offer_publish: input.value()?,
            asset_register: input.value()?,
            holders_set: input.value()?,
            name_commit: input.value()?,
            name_year: input.value()?,
            channel: input.value()?,
            gas: input.value()?,
            other: input.value()?,
        })
    }
}

impl Encode for NamePrices {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.of_3);
        out.value(&self.of_4);
        out.value(&self.of_5_or_6);
        out.value(&self.of_7_or_more);
    }
}

impl Decode for NamePrices {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { of_3: input.value()?, of_4: input.value()?, of_5_or_6: input.value()?, of_7_or_more: input.value()? })
    }
}
