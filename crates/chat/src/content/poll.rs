//! Questions with options to choose from.

use byway_primitives::Time;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::bounded::{BoundedList, BoundedText, TooMuch, fields};
use super::envelope::MessageRef;
use super::limits::{LINE_BYTES_MAX, POLL_OPTIONS_MAX};

/// A question put to all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    question: BoundedText<LINE_BYTES_MAX>,
    options: BoundedList<BoundedText<LINE_BYTES_MAX>, POLL_OPTIONS_MAX>,
    choices_max: u8,
    closes: Option<Time>,
}

/// Why there is no such poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPoll {
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("a poll has two options or more; add one")]
    TooFewOptions,
    #[error("people choose at least one option, and at most all of them")]
    Choices,
}

impl Poll {
    /// Of `options`, each person chooses up to `choices_max`, until the poll `closes` if it does.
    ///
    /// # Errors
    /// [`NotAPoll`] unless there are 2 to [`POLL_OPTIONS_MAX`] options, and 1 to all of them can be chosen.
    pub fn new(question: &str, options: &[&str], choices_max: u8, closes: Option<Time>) -> Result<Self, NotAPoll> {
        let question = BoundedText::new(question)?;
        let options = options.iter().map(|option| BoundedText::new(*option)).collect::<Result<Vec<_>, _>>()?;
        let poll = Self { question, options: BoundedList::new(options)?, choices_max, closes };
        poll.check()?;
        Ok(poll)
    }

    fn check(&self) -> Result<(), NotAPoll> {
        if self.options.len() < 2 {
            return Err(NotAPoll::TooFewOptions);
        }
        let in_range = (1..=self.options.len()).contains(&self.choices_max.into());
        if in_range { Ok(()) } else { Err(NotAPoll::Choices) }
    }

    pub fn question(&self) -> &str {
        &self.question
    }

    pub fn options(&self) -> impl ExactSizeIterator<Item = &str> {
        self.options.iter().map(|option| &**option)
    }

    pub fn choices_max(&self) -> u8 {
        self.choices_max
    }

    /// Votes that were sent later don't count.
    pub fn closes(&self) -> Option<Time> {
        self.closes
    }
}

/// What one person chooses in a poll, in place of what they chose before. None: the vote is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    pub poll: MessageRef,
    pub choices: Choices,
}

/// A poll is over, says its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollClose {
    pub poll: MessageRef,
}

/// Options of a poll by their places in it: a bit each, the first one lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Choices(u32);

impl Choices {
    /// None if a place is past the [`POLL_OPTIONS_MAX`] that there can be.
    pub fn new(places: impl IntoIterator<Item = usize>) -> Option<Self> {
        places
            .into_iter()
            .try_fold(Self(0), |chosen, place| (place < POLL_OPTIONS_MAX).then(|| Self(chosen.0 | 1 << place)))
    }

    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..POLL_OPTIONS_MAX).filter(move |place| self.0 & 1 << place != 0)
    }

    /// Whether one can choose so in `poll`. To choose nothing, one always can.
    pub fn fits(self, poll: &Poll) -> bool {
        self.0.count_ones() <= poll.choices_max.into() && self.0 >> poll.options.len() == 0
    }
}

impl Encode for Choices {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0);
    }
}

impl Decode for Choices {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits = input.u32()?;
        if bits >> POLL_OPTIONS_MAX == 0 { Ok(Self(bits)) } else { Err(DecodeError::OutOfRange) }
    }
}

impl Encode for Poll {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.question);
        out.value(&self.options);
        out.byte(self.choices_max);
        out.option(self.closes.as_ref());
    }
}

impl Decode for Poll {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (question, options) = (input.value()?, input.value()?);
        let poll = Self { question, options, choices_max: input.byte()?, closes: input.option()? };
        poll.check().map_err(|_| DecodeError::Invalid("poll"))?;
        Ok(poll)
    }
}

fields! {
    Vote { poll: value, choices: value }
    PollClose { poll: value }
}
