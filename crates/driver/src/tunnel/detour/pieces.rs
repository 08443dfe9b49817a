//! Datagrams cut into pieces for a link whose own are shorter, and put together again.

use super::super::BUFFER_BYTES;

pub const SESSION_BYTES: usize = 16;
/// Session, number, count and place.
const HEADER_BYTES: usize = SESSION_BYTES + 3;
/// A datagram of WireGuard's is cut into so many at most: links carry at least 1,200 bytes of QUIC.
const PIECES_MAX: usize = 4;
/// Datagrams of which pieces are awaited at one time. What a link delivers out of order is rarely more than a few apart.
const AWAITED: usize = 16;

/// One datagram of a link, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    number: u16,
    /// How many there are, 1 to 4.
    count: usize,
    /// Which of them this is, from 0.
    place: usize,
    bytes: &'a [u8],
}

/// What has come of some datagrams, each in the place that its number gives it: a newer one takes the place of an older.
#[derive(Debug, Default)]
pub struct Pieces([Option<Partial>; AWAITED]);

#[derive(Debug)]
struct Partial {
    number: u16,
    count: usize,
    parts: [Option<Vec<u8>>; PIECES_MAX],
}

impl<'a> Piece<'a> {
    /// `None` of what no node of ours sends.
    pub fn read(datagram: &'a [u8]) -> Option<([u8; SESSION_BYTES], Self)> {
        let (session, rest) = datagram.split_first_chunk()?;
        let ([low, high, places], bytes) = rest.split_first_chunk()?;
        let (count, place) = (usize::from(places >> 4), usize::from(places & 15));
        let is_ours = (1..=PIECES_MAX).contains(&count) && place < count && !bytes.is_empty();
        let piece = Self { number: u16::from_le_bytes([*low, *high]), count, place, bytes };
        is_ours.then_some((*session, piece))
    }

    /// As it is sent.
    pub fn write(&self, session: &[u8; SESSION_BYTES]) -> Vec<u8> {
        let places = (self.count << 4 | self.place) as u8;
        [&session[..], &self.number.to_le_bytes(), &[places], self.bytes].concat()
    }
}

impl Pieces {
    /// Takes a piece; the datagram if that is whole now.
    pub fn join(&mut self, piece: Piece<'_>) -> Option<Vec<u8>> {
        if piece.count == 1 {
            return Some(piece.bytes.to_vec());
        }
        let Piece { number, count, place, bytes } = piece;
        let slot = &mut self.0[usize::from(number) % AWAITED];
        let partial = match slot {
            Some(partial) if partial.number == number && partial.count == count => partial,
            _ => slot.insert(Partial { number, count, parts: Default::default() }),
        };
        partial.parts[place] = Some(bytes.to_vec());
        let is_whole = partial.parts[..count].iter().all(Option::is_some);
        let bytes: usize = partial.parts.iter().flatten().map(Vec::len).sum();
        if bytes > BUFFER_BYTES {
            *slot = None;
            return None;
        }
        is_whole.then(|| slot.take()).flatten().map(|whole| whole.parts.into_iter().flatten().flatten().collect())
    }
}

/// Pieces of equal length, each of at most `limit` bytes with its header. None if it would take too many.
pub fn cut<'a>(
    session: &'a [u8; SESSION_BYTES],
    number: u16,
    datagram: &'a [u8],
    limit: usize,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let room = limit.saturating_sub(HEADER_BYTES).max(1);
    let needed = datagram.len().div_ceil(room);
    let count = if needed <= PIECES_MAX { needed } else { 0 };
    let length = datagram.len().div_ceil(count.max(1)).max(1);
    let pieces = datagram.chunks(length).take(count).enumerate();
    pieces.map(move |(place, bytes)| Piece { number, count, place, bytes }.write(session))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SESSION: [u8; SESSION_BYTES] = [7; SESSION_BYTES];

    fn read(piece: &[u8]) -> Piece<'_> {
        let (session, piece) = Piece::read(piece).expect("one of ours");
        assert_eq!(session, SESSION);
        piece
    }

    proptest! {
        #[test]
        fn whatever_is_cut_is_put_together_again(
            datagram in proptest::collection::vec(any::<u8>(), 1..BUFFER_BYTES),
            limit in 600_usize..2_100,
            number: u16,
            order in Just([0, 1, 2, 3]).prop_shuffle(),
        ) {
            let pieces: Vec<Vec<u8>> = cut(&SESSION, number, &datagram, limit).collect();
            prop_assert!(pieces.iter().all(|piece| piece.len() <= limit));
            let mut joined = Pieces::default();
            let came: Vec<Vec<u8>> = order
                .into_iter()
                .filter_map(|at| pieces.get(at))
                .filter_map(|piece| joined.join(read(piece)))
                .collect();
            prop_assert_eq!(came, vec![datagram]);
        }

        #[test]
        fn what_a_stranger_sends_takes_bounded_room(
            sent in proptest::collection::vec((any::<u16>(), 1_usize..5, 0_usize..5, 1_usize..2_000), 0..200),
        ) {
            let mut joined = Pieces::default();
            for (number, count, place, length) in sent {
                let bytes = Piece { number, count, place, bytes: &vec![1; length] }.write(&SESSION);
                if let Some((_, piece)) = Piece::read(&bytes)
                    && let Some(whole) = joined.join(piece)
                {
                    prop_assert!(whole.len() <= BUFFER_BYTES);
                }
                let held = joined.0.iter().flatten().flat_map(|partial| partial.parts.iter().flatten());
                prop_assert!(held.map(Vec::len).sum::<usize>() <= AWAITED * BUFFER_BYTES);
            }
        }
    }

    #[test]
    fn what_a_link_can_not_carry_is_not_cut() {
        assert_eq!(cut(&SESSION, 1, &[0; 1_500], 300).count(), 0, "too many pieces");
        assert_eq!(cut(&SESSION, 1, &[], 1_200).count(), 0);
        for (datagram, why) in [
            (&[0; 18][..], "short"),
            (&[[0; 18].as_slice(), &[0x10]].concat(), "without bytes"),
            (&[[0; 18].as_slice(), &[0x11, 5]].concat(), "the second of one"),
            (&[[0; 18].as_slice(), &[0x50, 5]].concat(), "of five"),
            (&[[0; 18].as_slice(), &[0x00, 5]].concat(), "of none"),
        ] {
            assert_eq!(Piece::read(datagram), None, "{why}");
        }
    }

    #[test]
    fn one_datagram_does_not_wait_for_the_rest_of_another() {
        let mut joined = Pieces::default();
        let cut_up = |number, byte| cut(&SESSION, number, &[byte; 1_500], 1_200).collect::<Vec<_>>();
        let (old, new) = (cut_up(1, 1), cut_up(1 + AWAITED as u16, 2));
        assert_eq!(joined.join(read(&old[0])), None);
        assert_eq!(joined.join(read(&new[0])), None, "it takes the place");
        assert_eq!(joined.join(read(&new[1])), Some(vec![2; 1_500]));
        assert_eq!(joined.join(read(&old[1])), None, "the rest came too late");
    }
}
