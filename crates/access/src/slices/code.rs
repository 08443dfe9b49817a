//! Reed and Solomon's code for few pieces: k in, n out, and any k of those give the k back.
//!
//! The first k pieces out are the pieces in; each further one is a sum of multiples of those, by the rows of a Cauchy
//! matrix, 1 / (x + y) for two lists of elements that have none in common. Each square part of such a matrix can be
//! inverted, and so can any k rows of the whole.
//!
//! Why not a library: `reed-solomon-simd`, the fast one, transforms 65,536 elements whatever it decodes, which takes longer than
//! a packet may; it is made for files. Here a missing piece costs k look-ups a byte (decision record 0023).

use super::field::{add_multiple, inverse, multiply};
use super::{NEEDED_MAX, PATHS_MAX, Shape};

/// One piece and its number.
pub(super) type Numbered<'a> = (u8, &'a [u8]);

/// What a piece is made of: how often it holds each of the k pieces in.
type Row = [u8; NEEDED_MAX];

fn row(shape: Shape, number: u8) -> Row {
    let mut row = [0; NEEDED_MAX];
    let needed = shape.needed();
    if usize::from(number) < needed {
        row[usize::from(number)] = 1;
    } else {
        // The elements of the two lists are 0 to k − 1, and k to n − 1.
        row[..needed].iter_mut().zip(0..).for_each(|(entry, column)| *entry = inverse(number ^ column));
    }
    row
}

/// The piece of this number of `whole`, which is cut into k pieces of one length.
pub(super) fn piece(shape: Shape, number: u8, whole: &[u8], out: &mut Vec<u8>) {
    let length = whole.len() / shape.needed();
    let pieces = whole.chunks_exact(length);
    out.clear();
    out.resize(length, 0);
    for (factor, piece) in row(shape, number).into_iter().zip(pieces) {
        add_multiple(factor, piece, out);
    }
}

/// The whole, of k different pieces of one length.
pub(super) fn whole(shape: Shape, pieces: &[Numbered<'_>]) -> Vec<u8> {
    let needed = shape.needed();
    assert!(pieces.len() == needed, "as many pieces as are needed");
    let length = pieces[0].1.len();
    let inverted = inverted(shape, pieces);
    let mut whole = vec![0; length * needed];
    for (number, out) in whole.chunks_exact_mut(length).enumerate() {
        for (factor, (_, piece)) in inverted[number].into_iter().zip(pieces) {
            add_multiple(factor, piece, out);
        }
    }
    whole
}

/// What gives the pieces in from these: their rows inverted, after Gauss and Jordan.
fn inverted(shape: Shape, pieces: &[Numbered<'_>]) -> [Row; NEEDED_MAX] {
    let needed = shape.needed();
    let (mut rows, mut inverted) = ([[0; NEEDED_MAX]; NEEDED_MAX], [[0; NEEDED_MAX]; NEEDED_MAX]);
    for (at, (number, _)) in pieces.iter().enumerate() {
        rows[at] = row(shape, *number);
        inverted[at][at] = 1;
    }
    for column in 0..needed {
        let pivot = (column..needed).find(|at| rows[*at][column] != 0).expect("any k rows can be inverted");
        rows.swap(column, pivot);
        inverted.swap(column, pivot);
        let scale = inverse(rows[column][column]);
        for entry in rows[column].iter_mut().chain(&mut inverted[column]) {
            *entry = multiply(*entry, scale);
        }
        let (of_pivot, of_inverted) = (rows[column], inverted[column]);
        for at in (0..needed).filter(|at| *at != column) {
            let factor = rows[at][column];
            add_multiple(factor, &of_pivot, &mut rows[at]);
            add_multiple(factor, &of_inverted, &mut inverted[at]);
        }
    }
    inverted
}

const _: () = assert!(PATHS_MAX <= 256 && NEEDED_MAX <= PATHS_MAX, "a piece's number is an element");

#[cfg(test)]
mod tests {
    use super::*;

    /// All choices of k out of the numbers below n.
    fn choices(needed: usize, paths: u8) -> Vec<Vec<u8>> {
        (0..1_u32 << paths)
            .filter(|mask| mask.count_ones() as usize == needed)
            .map(|mask| (0..paths).filter(|number| mask & (1 << number) != 0).collect())
            .collect()
    }

    fn pieces(shape: Shape, whole: &[u8]) -> Vec<Vec<u8>> {
        let numbers = 0..shape.paths() as u8;
        numbers
            .map(|number| {
                let mut out = Vec::new();
                piece(shape, number, whole, &mut out);
                out
            })
            .collect()
    }

    #[test]
    fn any_k_pieces_give_the_whole_in_every_shape() {
        for paths in 1..=PATHS_MAX as u8 {
            for needed in 1..=paths {
                let shape = Shape::new(needed, paths).expect("it is one");
                let content: Vec<u8> = (0..needed * 5).map(|at| at.wrapping_mul(41) ^ paths).collect();
                let all = pieces(shape, &content);
                for choice in choices(needed.into(), paths) {
                    let chosen: Vec<Numbered<'_>> =
                        choice.iter().rev().map(|number| (*number, &*all[usize::from(*number)])).collect();
                    assert_eq!(whole(shape, &chosen), content, "{needed} of {paths}: {choice:?}");
                }
            }
        }
    }

    /// For each value of a piece that is missing there is a whole that fits, and each time another: so k − 1 pieces say
    /// nothing about a further one.
    #[test]
    fn fewer_pieces_leave_every_value_of_a_further_one_possible() {
        for (needed, paths) in [(2, 3), (3, 5), (8, 8), (5, 8)] {
            let shape = Shape::new(needed, paths).expect("it is one");
            let content: Vec<u8> = (0..needed).map(|at| at * 29 + 3).collect();
            let all = pieces(shape, &content);
            for choice in choices(needed.into(), paths) {
                let (missing, known) = choice.split_first().expect("one at least");
                let mut wholes = std::collections::BTreeSet::new();
                for value in 0..=255 {
                    let guess = [value];
                    let mut chosen: Vec<Numbered<'_>> =
                        known.iter().map(|number| (*number, &*all[usize::from(*number)])).collect();
                    chosen.push((*missing, &guess));
                    let fitting = whole(shape, &chosen);
                    let again = pieces(shape, &fitting);
                    assert!(known.iter().all(|number| again[usize::from(*number)] == all[usize::from(*number)]));
                    wholes.insert(fitting);
                }
                assert_eq!(wholes.len(), 256, "{needed} of {paths}: {choice:?}");
            }
        }
    }
}
