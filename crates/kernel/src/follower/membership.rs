//! Who the kernel nodes are, and what is locked for each of them.

use byway_ledger::tree::StateTree;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::Epoch;
use byway_records::call::kernel::ConvictionId;
use byway_records::checkpoint::MEMBERS_MAX;
use byway_records::state::{Conviction, KernelPledge, conviction_of_key, conviction_prefix, kernel_pledge_prefix};

/// Convictions that a membership tells of. Each costs its member a mark or a pledge, and is forgotten with the time to
/// appeal it.
pub const CONVICTIONS_MAX: usize = 256;

/// The members of the epoch in force with their pledges, and the convictions that stand.
///
/// Read out of a follower's trees it is certified. As the answer to a [`Query`](super::explore::Query) it is one node's
/// word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub epoch: Epoch,
    /// By rising seat; of everyone who has a seat in the epoch.
    pub pledges: Vec<(u8, KernelPledge)>,
    /// By seat, then by member, the first before the second.
    pub convictions: Vec<(ConvictionId, Conviction)>,
}

impl Membership {
    /// Reads it out of the state of program `kernel` at a moment at which `epoch` is in force.
    pub fn of(epoch: &Epoch, kernel: &StateTree) -> Self {
        let pledges = kernel.iter_prefix(kernel_pledge_prefix()).filter_map(|(key, value)| {
            let seat = *key.last()?;
            Some((seat, KernelPledge::from_bytes(value).ok()?))
        });
        // What was pledged since the epoch began is for a seat in the next one.
        let pledges = pledges.filter(|(seat, _)| epoch.seats.get(*seat).is_some());
        let convictions = kernel
            .iter_prefix(conviction_prefix())
            .filter_map(|(key, value)| Some((conviction_of_key(key)?, Conviction::from_bytes(value).ok()?)));
        Self {
            epoch: epoch.clone(),
            pledges: pledges.collect(),
            convictions: convictions.take(CONVICTIONS_MAX).collect(),
        }
    }

    pub fn pledge(&self, seat: u8) -> Option<&KernelPledge> {
        self.pledges.iter().find(|(number, _)| *number == seat).map(|(_, pledge)| pledge)
    }
}

impl Encode for Membership {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.epoch);
        out.varint(self.pledges.len() as u64);
        for (seat, pledge) in &self.pledges {
            out.byte(*seat);
            out.value(pledge);
        }
        out.varint(self.convictions.len() as u64);
        for (id, conviction) in &self.convictions {
            out.value(id);
            out.value(conviction);
        }
    }
}

impl Decode for Membership {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = input.value()?;
        let pledges = pairs(input, MEMBERS_MAX, |input| Ok((input.byte()?, input.value()?)))?;
        let convictions = pairs(input, CONVICTIONS_MAX, |input| Ok((input.value()?, input.value()?)))?;
        Ok(Self { epoch, pledges, convictions })
    }
}

fn pairs<T>(
    input: &mut Reader<'_>,
    limit: usize,
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let length = input.u64()?;
    if length > limit as u64 {
        return Err(DecodeError::TooLong { length, limit: limit as u64 });
    }
    (0..length).map(|_| read(input)).collect()
}
