//! Places in a list: fractions, so that there is one between any two.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::limits::POSITION_BYTES_MAX;

/// A fraction between 0 and 1, by its digits to the base of 256; the last one is not 0, so that a fraction has one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(Vec<u8>);

/// There is no place between these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room left at this place of the list; move an entry beside it away and back")]
pub struct NoRoom;

/// One past the last digit.
const BASE: u16 = 256;

impl Position {
    /// A place above `lower` and below `upper`, where they are given. At the ends the steps are small, since most entries are put
    /// there: [`POSITION_BYTES_MAX`] bytes are enough for 16,000 of them.
    ///
    /// # Errors
    /// [`NoRoom`] unless `lower` is below `upper`, and where the place would be too long to write down.
    pub fn between(lower: Option<&Self>, upper: Option<&Self>) -> Result<Self, NoRoom> {
        let (is_first, is_last) = (lower.is_none(), upper.is_none());
        let lower = lower.map_or(&[][..], |position| &position.0);
        // None once what is written is below it already.
        let mut upper = upper.map(|position| &position.0[..]);
        if upper.is_some_and(|upper| upper <= lower) {
            return Err(NoRoom);
        }
        let mut digits = Vec::new();
        while digits.len() < POSITION_BYTES_MAX {
            let at = digits.len();
            let low = u16::from(lower.get(at).copied().unwrap_or(0));
            let high = upper.map_or(BASE, |upper| upper.get(at).copied().unwrap_or(0).into());
            if high > low + 1 {
                let digit = match (is_first, is_last) {
                    (false, true) => low + 1,
                    (true, false) => high - 1,
                    _ => low.midpoint(high),
                };
                digits.push(digit as u8);
                return Ok(Self(digits));
            }
            digits.push(low as u8);
            if high == low + 1 {
                upper = None;
            }
        }
        Err(NoRoom)
    }
}

impl Encode for Position {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }
}

impl Decode for Position {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let digits = input.bytes(POSITION_BYTES_MAX)?;
        match digits.last() {
            None | Some(0) => Err(DecodeError::Invalid("place in a list")),
            Some(_) => Ok(Self(digits.to_vec())),
        }
    }
}
