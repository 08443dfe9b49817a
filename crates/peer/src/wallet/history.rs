//! What happened to one's money, for people.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Store, Time};
use byway_records::reject::Reject;
use byway_records::{TransactionId, Value};

use super::HISTORY;

/// One line of the history. A transaction of ours has two: when it was sent, and its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    pub time: Time,
    pub transaction: TransactionId,
    pub kind: Kind,
    pub value: Value,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Received,
    Sent,
    Deposit,
    Withdrawal,
    Registration,
    Offer,
    Settlement,
    OtherCall,
    /// The fate of a transaction listed before.
    Verdict,
    /// Paid by whoever else has our key: this wallet on another device, or before it was restored.
    Spent,
    Merged,
    AssetRegistration,
    Issue,
    Burn,
    /// Sent by a group of which this wallet is a member, through this wallet.
    GroupSent,
    /// A pledge for a kernel node.
    NodePledge,
    /// Such a pledge drawn again.
    NodeReclaim,
    /// Whatever else is said of a kernel node.
    NodeCall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Sent,
    Final,
    Rejected(Reject),
}

impl Kind {
    const ALL: [Kind; 18] = [
        Kind::Received,
        Kind::Sent,
        Kind::Deposit,
        Kind::Withdrawal,
        Kind::Registration,
        Kind::Offer,
        Kind::Settlement,
        Kind::OtherCall,
        Kind::Verdict,
        Kind::Spent,
        Kind::Merged,
        Kind::AssetRegistration,
        Kind::Issue,
        Kind::Burn,
        Kind::GroupSent,
        Kind::NodePledge,
        Kind::NodeReclaim,
        Kind::NodeCall,
    ];

    /// A stable word for machines and pages.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Received => "received",
            Kind::Sent => "sent",
            Kind::Deposit => "deposit",
            Kind::Withdrawal => "withdrawal",
            Kind::Registration => "registration",
            Kind::Offer => "offer",
            Kind::Settlement => "settlement",
            Kind::OtherCall => "call",
            Kind::Verdict => "verdict",
            Kind::Spent => "spent",
            Kind::Merged => "merged",
            Kind::AssetRegistration => "asset registration",
            Kind::Issue => "issue",
            Kind::Burn => "burn",
            Kind::GroupSent => "sent by a group",
            Kind::NodePledge => "kernel node pledge",
            Kind::NodeReclaim => "kernel node pledge reclaimed",
            Kind::NodeCall => "kernel node call",
        }
    }
}

/// The number after the last one used.
pub(super) fn next_number(store: &dyn Store) -> u64 {
    // Numbers are dense, so the end is found by doubling and halving instead of reading everything.
    let exists = |number: u64| store.contains(HISTORY, &number.to_be_bytes());
    let mut high = 1;
    while exists(high - 1) {
        high *= 2;
    }
    let (mut low, mut high) = (high / 2, high - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if exists(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The last `limit` lines, newest first.
pub(super) fn latest(store: &dyn Store, next: u64, limit: usize) -> Vec<Activity> {
    let numbers = (0..next).rev().take(limit);
    numbers
        .filter_map(|number| store.load(HISTORY, &number.to_be_bytes()))
        .filter_map(|bytes| Activity::from_bytes(&bytes).ok())
        .collect()
}

impl Encode for Activity {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.time);
        out.value(&self.transaction);
        let kind = Kind::ALL.iter().position(|kind| *kind == self.kind).expect("ALL has every kind");
        out.byte(kind as u8);
        out.value(&self.value);
        match self.stage {
            Stage::Sent => out.byte(0),
            Stage::Final => out.byte(1),
            Stage::Rejected(reason) => {
                out.byte(2);
                out.value(&reason);
            }
        }
    }
}

impl Decode for Activity {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (time, transaction, kind) = (input.value()?, input.value()?, input.byte()?);
        let unknown = |kind, value: u8| DecodeError::UnknownVariant { kind, value: value.into() };
        let kind = *Kind::ALL.get(usize::from(kind)).ok_or(unknown("activity", kind))?;
        let value = input.value()?;
        let stage = match input.byte()? {
            0 => Stage::Sent,
            1 => Stage::Final,
            2 => Stage::Rejected(input.value()?),
            other => return Err(unknown("stage", other)),
        };
        Ok(Self { time, transaction, kind, value, stage })
    }
}
