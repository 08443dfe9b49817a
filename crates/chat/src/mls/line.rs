//! What devices say of the epochs that they have followed, and which of two lines goes before.

use std::cmp::Reverse;

use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Writer};

use super::{BRANCH_EPOCHS, EpochTag, LINE_STEPS, Role};

/// Which of several commits on one epoch goes before: the lowest. By what the committer is, then by digests of what the commit led to,
/// which nobody can choose but by trying many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub role: Role,
    /// The digest of the tree of keys: a device that the commit removes knows it, and ranks the commit as all others do.
    pub tree: Hash,
    /// The epoch that it begins. To a device that the commit removes it has another name, but then that decides nothing any more.
    pub tag: EpochTag,
}

/// One epoch of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub epoch: u64,
    pub tag: EpochTag,
    /// Of the commit that began it; `None` where the device came into the room with it.
    pub rank: Option<Rank>,
    /// Whether that commit removes others.
    pub removes: bool,
}

/// The epochs that a device has followed lately, in order, up to its newest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    pub steps: Vec<Step>,
}

impl Line {
    /// The newest epoch that both went through.
    pub(super) fn parts_from(&self, other: &Line) -> Option<EpochTag> {
        let is_common = |step: &&Step| other.steps.iter().any(|their| their.tag == step.tag);
        self.steps.iter().rfind(is_common).map(|step| step.tag)
    }

    /// The steps after an epoch.
    pub(super) fn after(&self, from: EpochTag) -> &[Step] {
        let place = self.steps.iter().position(|step| step.tag == from);
        place.map_or(&[], |place| &self.steps[place + 1..])
    }

    /// Whether this line is that of another, or goes on from its end.
    pub fn has_end_of(&self, other: &Line) -> bool {
        other.steps.last().is_some_and(|end| self.steps.iter().any(|step| step.tag == end.tag))
    }

    /// Whether one is further on the line of the other, or both are the same.
    pub fn is_one_with(&self, other: &Line) -> bool {
        let from = self.parts_from(other);
        from.is_some_and(|from| self.after(from).is_empty() || other.after(from).is_empty())
    }

    /// Whether this line goes before another, by what both say alone: being further on the same one, or by which of them [stays] where
    /// they parted. Of two with no epoch in common the longer one does; of two as long as each other that whose oldest epoch has the lower name.
    pub fn goes_before(&self, other: &Line) -> bool {
        let Some(from) = self.parts_from(other) else {
            let order = |line: &Line| (Reverse(line.steps.len()), line.steps.first().map(|step| step.tag));
            return order(self) < order(other);
        };
        match (self.after(from), other.after(from)) {
            (_, []) => true,
            ([], _) => false,
            (ours, theirs) => stays(ours, theirs),
        }
    }
}

/// Which of two lines stays that parted too long ago, by their steps since: that with the removal of lowest rank, so that nobody who was
/// removed brings others to a line without that; and where nobody was removed that whose first commit has the lower rank.
pub(super) fn stays(ours: &[Step], theirs: &[Step]) -> bool {
    let order = |steps: &[Step]| {
        let removal = steps.iter().filter(|step| step.removes).filter_map(|step| step.rank).min();
        (removal.is_none(), removal, steps.first().and_then(|step| step.rank))
    };
    order(ours) < order(theirs)
}

/// How another's line stands to one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Same,
    /// The other is further on the same line: it has commits for us, on `from`.
    Behind {
        from: EpochTag,
    },
    /// We are further: the other lacks what we have on `from`.
    Ahead {
        from: EpochTag,
    },
    /// They part after `from`, and commits that are brought across still decide.
    Parted {
        from: EpochTag,
    },
    /// They parted too long ago: one side [stays](stays), the other enters anew.
    Forked {
        ours_stays: bool,
    },
    /// No epoch of one is known on the other. Whoever came into the room later enters anew, or lets itself be added again.
    Apart,
}

impl Encode for Rank {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.role);
        out.value(&self.tree);
        out.value(&self.tag);
    }
}

impl Decode for Rank {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { role: input.value()?, tree: input.value()?, tag: input.value()? })
    }
}

impl Encode for Step {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.epoch);
        out.value(&self.tag);
        match &self.rank {
            None => out.byte(0),
            Some(rank) => {
                out.byte(1 + u8::from(self.removes));
                out.value(rank);
            }
        }
    }
}

impl Decode for Step {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (epoch, tag) = (input.u64()?, input.value()?);
        match input.byte()? {
            0 => Ok(Self { epoch, tag, rank: None, removes: false }),
            kind @ (1 | 2) => Ok(Self { epoch, tag, rank: Some(input.value()?), removes: kind == 2 }),
            other => Err(DecodeError::UnknownVariant { kind: "step of a line", value: other.into() }),
        }
    }
}

impl Encode for Line {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.steps);
    }
}

impl Decode for Line {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let steps: Vec<Step> = input.list(LINE_STEPS + BRANCH_EPOCHS + 1)?;
        let is_line = steps.windows(2).all(|pair| pair[0].epoch.checked_add(1) == Some(pair[1].epoch));
        if is_line { Ok(Self { steps }) } else { Err(DecodeError::Invalid("line of epochs")) }
    }
}
