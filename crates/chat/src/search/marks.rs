//! Where in a message what was looked for stands.

use unicode_normalization::char::is_combining_mark;

use crate::content::query::bare;

/// Places that are marked in one message.
pub const MARKS_MAX: usize = 64;

/// A character of the source with what belongs to it.
struct Piece {
    /// Where what it is folded to ends.
    folded_end: usize,
    /// In code units of UTF-16.
    start: u32,
    end: u32,
}

/// Start and end of what `terms`, which are folded, stand for in `source`, in code units of UTF-16; in order, none touching another, the
/// first [`MARKS_MAX`]. What is interrupted by signs of Markdown is not marked.
pub fn marks(source: &str, terms: &[String]) -> Vec<[u32; 2]> {
    let (folded, pieces) = fold_in_pieces(source);
    let mut marks: Vec<[u32; 2]> = Vec::new();
    for term in terms.iter().filter(|term| !term.is_empty()) {
        for (at, _) in folded.match_indices(term.as_str()).take(MARKS_MAX) {
            let piece = |byte: usize| &pieces[pieces.partition_point(|piece| piece.folded_end <= byte)];
            marks.push([piece(at).start, piece(at + term.len() - 1).end]);
        }
    }
    marks.sort_unstable();
    let mut joined: Vec<[u32; 2]> = Vec::new();
    for [start, end] in marks {
        match joined.last_mut() {
            Some(last) if start <= last[1] => last[1] = last[1].max(end),
            _ => joined.push([start, end]),
        }
    }
    joined.truncate(MARKS_MAX);
    joined
}

/// What [`fold`](crate::content::query::fold) makes of a text, with what each part of it was.
fn fold_in_pieces(source: &str) -> (String, Vec<Piece>) {
    let (mut folded, mut pieces) = (String::new(), Vec::new());
    let (mut is_spaced, mut start) = (false, 0);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = rest[first.len_utf8()..].find(|c| !belongs_to_the_one_before(c));
        let length = length.map_or(rest.len(), |length| length + first.len_utf8());
        let (piece, behind) = rest.split_at(length);
        let end = start + piece.encode_utf16().count() as u32;
        for c in bare(piece).chars() {
            if c.is_whitespace() {
                is_spaced = !folded.is_empty();
                continue;
            }
            if std::mem::take(&mut is_spaced) {
                folded.push(' ');
            }
            folded.push(c);
        }
        if pieces.last().map_or(0, |last: &Piece| last.folded_end) < folded.len() {
            pieces.push(Piece { folded_end: folded.len(), start, end });
        }
        (rest, start) = (behind, end);
    }
    (folded, pieces)
}

/// Marks, the later parts of a Hangul syllable, and the voicing of narrow kana, which become one with what they follow.
fn belongs_to_the_one_before(c: char) -> bool {
    is_combining_mark(c) || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}')
}
