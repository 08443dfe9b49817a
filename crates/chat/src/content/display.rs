//! Names and texts made harmless to look at.
//!
//! What a name or text can do to a reader: turn the direction of what stands beside it, so that `gpj.exe` reads as `exe.jpg`; be
//! different from another and look the same; be empty and not seem so; tower over its neighbours. So characters that can't be seen go,
//! but for those that writing and emoji need and where they need them; marks are piled up no higher than any writing does; and what is
//! left stands in an isolate (Unicode Standard Annex 9), out of which it turns nothing.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::MixedScript;
use unicode_segmentation::UnicodeSegmentation;

/// Marks on one character: Tibetan and pointed Hebrew have up to this many.
const MARKS_MAX: usize = 6;
/// Characters, as the eye counts them, of a name as it is shown.
const NAME_SHOWN_MAX: usize = 64;

const JOINER: char = '\u{200d}';
const NON_JOINER: char = '\u{200c}';
/// The flag of England is a black one with tags behind it.
const BLACK_FLAG: char = '\u{1f3f4}';
const ISOLATE: char = '\u{2068}';
const ISOLATE_END: char = '\u{2069}';

/// Whether a character can't be seen, or changes how others look: controls, those of direction, joiners, fillers, selectors, tags.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a hidden character does its proper work behind `before` and in front of `after`.
fn is_needed(c: char, before: Option<char>, after: Option<char>) -> bool {
    let is_written = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !c.is_whitespace());
    match c {
        // In emoji, in Indic writing and in Persian; the eye sees the difference there.
        JOINER | NON_JOINER => {
            is_written(before) && after.is_some_and(|c| !c.is_ascii() && !is_hidden(c) && !is_combining_mark(c))
        }
        // A selector of how the character before it looks.
        '\u{fe00}'..='\u{fe0f}' => before.is_some_and(|c| !is_hidden(c) && !c.is_whitespace()),
        '\u{e0020}'..='\u{e007f}' => matches!(before, Some(BLACK_FLAG | '\u{e0020}'..='\u{e007e}')),
        _ => false,
    }
}

/// Drops what is hidden, unless it is needed or `keeps` says so, and what is piled up too high.
fn visible(text: &str, keeps: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if is_hidden(c) && !keeps(c) && !is_needed(c, shown.chars().next_back(), rest.peek().copied()) {
            continue;
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks <= MARKS_MAX {
            shown.push(c);
        }
    }
    shown
}

/// A name as it is shown: one line, in the composed form, without what is hidden. None where nothing is left.
pub fn name(name: &str) -> Option<String> {
    let cut: String = line(name).graphemes(true).take(NAME_SHOWN_MAX).collect();
    // Marks alone have nothing to stand on.
    cut.chars().any(|c| !is_combining_mark(c) && !is_hidden(c)).then_some(cut)
}

/// As [`name`], of any length.
pub fn line(text: &str) -> String {
    let composed: String = text.nfc().collect();
    let shown = visible(&composed, char::is_whitespace);
    let words: Vec<_> = shown.split(char::is_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A text as it is shown. Lines stay, and so do marks of direction, which turn nothing that can be read; controls that do are dropped.
pub fn text(text: &str) -> String {
    visible(text, |c| matches!(c, '\n' | '\t' | '\u{200e}' | '\u{200f}' | '\u{61c}'))
}

/// The text in an isolate: it turns nothing around it, and takes its direction from itself.
pub fn isolated(text: &str) -> String {
    let inside = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}'));
    std::iter::once(ISOLATE).chain(inside).chain([ISOLATE_END]).collect()
}

/// What a name looks like (the skeletons of Unicode Technical Standard 39), as it stands and in small letters: two names that have
/// either in common can be taken for each other. For looking up among many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    pub as_written: String,
    pub in_small: String,
}

impl Likeness {
    pub fn of(name: &str) -> Self {
        let shown: String =
            visible(name, |_| false).chars().filter(|c| c.is_alphanumeric() || is_combining_mark(*c)).collect();
        Self { as_written: skeleton(&shown), in_small: skeleton(&shown.to_lowercase()) }
    }

    /// Whether this is taken for the other. What has no letters looks like nothing.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_same = |one: &str, other: &str| !one.is_empty() && one == other;
        is_same(&self.as_written, &other.as_written) || is_same(&self.in_small, &other.in_small)
    }
}

fn skeleton(text: &str) -> String {
    unicode_security::skeleton(text).collect()
}

/// Whether a name has letters of scripts that aren't written together, as one has that imitates another.
pub fn is_mixed(name: &str) -> bool {
    !visible(name, |_| false).as_str().is_single_script()
}
