//! What people type to find a message: words, phrases and filters.
//!
//! ```text
//! budget "next year" from:ada in:"the office" after:2026-03 has:file
//! ```
//!
//! All of it has to hold. What a term becomes depends on its length: an index of all runs of three characters (SQLite's `fts5` with
//! its tokenizer `trigram`) finds what has three or more. In Chinese, Japanese and Korean one or two make a word; a second index has
//! their pairs. What is shorter in other writing is compared with what the other terms find.

use std::collections::BTreeSet;

use byway_primitives::Time;
use unicode_normalization::UnicodeNormalization;

use super::display::is_hidden;

/// Bytes of what is typed: some lines.
pub const QUERY_BYTES_MAX: usize = 512;
/// Terms and filters in one query.
pub const QUERY_PARTS_MAX: usize = 16;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Names of people, of whom one has written it; folded, as names in the index are.
    pub from: Vec<String>,
    /// Names of conversations, of which it is in one; folded.
    pub within: Vec<String>,
    /// Sent earlier than this.
    pub before: Option<Time>,
    /// Sent at this time or later.
    pub after: Option<Time>,
    pub has: BTreeSet<Has>,
    pub terms: Vec<Term>,
}

/// What a message has beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Has {
    Link,
    File,
    Picture,
    Poll,
}

/// Something that stands in a message, folded ([`fold`]), and by which index it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Three characters or more: a phrase for the index of trigrams.
    Trigrams(String),
    /// Two characters of Chinese, Japanese or Korean: a token of the index of pairs.
    Pair(String),
    /// One such character: what a token of the index of pairs begins with.
    PairStart(char),
    /// Too short for an index: to be compared with what the rest of the query finds.
    Compare(String),
}

/// Why there is nothing to look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("this is longer than {QUERY_BYTES_MAX} bytes; leave something out")]
    TooLong,
    #[error("there are more than {QUERY_PARTS_MAX} words and filters; leave something out")]
    TooMany,
    #[error("a quotation mark opens a phrase that does not end; close it, or leave the mark out")]
    OpenPhrase,
    #[error("\"{0}:\" needs something behind it, such as {example}", example = example(.0))]
    Nothing(&'static str),
    #[error("\"{value}\" is no date; write {filter}:2026-03-14, {filter}:2026-03 or {filter}:2026")]
    NoDate { filter: &'static str, value: String },
    #[error("\"has:{0}\" is not known; there are has:link, has:file, has:picture and has:poll")]
    HasWhat(String),
    #[error("\"{0}\" alone is too short to look for; type three letters or more")]
    TooShort(String),
}

fn example(filter: &str) -> &'static str {
    match filter {
        "from" => "from:ada",
        "in" => "in:\"the office\"",
        "before" => "before:2026-03-14",
        "after" => "after:2026-03",
        _ => "has:link",
    }
}

const FILTERS: [&str; 5] = ["from", "in", "before", "after", "has"];

impl Query {
    /// Reads what was typed. Days begin at midnight of a clock that is `offset_minutes` ahead of UTC.
    ///
    /// # Errors
    /// [`QueryError`], in words for whoever has typed it.
    pub fn parse(text: &str, offset_minutes: i32) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong);
        }
        let mut query = Self::default();
        let parts = parts(text)?;
        if parts.len() > QUERY_PARTS_MAX {
            return Err(QueryError::TooMany);
        }
        for part in parts {
            query.take(part, offset_minutes)?;
        }
        query.check()
    }

    fn take(&mut self, part: Part, offset_minutes: i32) -> Result<(), QueryError> {
        let Part { filter, value } = part;
        let folded = fold(&value);
        let Some(filter) = filter else {
            self.terms.extend(Term::of(folded));
            return Ok(());
        };
        if folded.is_empty() {
            return Err(QueryError::Nothing(filter));
        }
        let days = || Days::parse(&folded, offset_minutes).ok_or(QueryError::NoDate { filter, value: value.clone() });
        match filter {
            "from" => self.from.push(folded),
            "in" => self.within.push(folded),
            "before" => {
                let start = days()?.start;
                self.before = Some(self.before.map_or(start, |before| before.min(start)));
            }
            "after" => {
                let end = days()?.end;
                self.after = Some(self.after.map_or(end, |after| after.max(end)));
            }
            _ => {
                self.has.insert(match folded.as_str() {
                    "link" => Has::Link,
                    "file" => Has::File,
                    "picture" => Has::Picture,
                    "poll" => Has::Poll,
                    _ => return Err(QueryError::HasWhat(value)),
                });
            }
        }
        Ok(())
    }

    /// Something must lead to few messages before what is too short is compared with them.
    fn check(self) -> Result<Self, QueryError> {
        let too_short = self.terms.iter().find_map(|term| match term {
            Term::Compare(text) => Some(text.clone()),
            _ => None,
        });
        let is_led = self.terms.iter().any(|term| !matches!(term, Term::Compare(_)))
            || !(self.from.is_empty() && self.within.is_empty() && self.has.is_empty())
            || self.before.is_some()
            || self.after.is_some();
        match too_short {
            Some(text) if !is_led => Err(QueryError::TooShort(text)),
            _ => Ok(self),
        }
    }

    /// The expression for the index of trigrams, if it is asked.
    pub fn trigrams(&self) -> Option<String> {
        let phrases = self.terms.iter().filter_map(|term| match term {
            Term::Trigrams(text) => Some(phrase(text)),
            _ => None,
        });
        conjunction(phrases)
    }

    /// The expression for the index of pairs, if it is asked.
    pub fn pairs(&self) -> Option<String> {
        let tokens = self.terms.iter().filter_map(|term| match term {
            Term::Pair(pair) => Some(phrase(pair)),
            Term::PairStart(first) => Some(format!("{} *", phrase(&first.to_string()))),
            _ => None,
        });
        conjunction(tokens)
    }
}

/// A string of `fts5`: whatever is in it is text to be found, and nothing of the language of its queries.
fn phrase(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn conjunction(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

impl Term {
    /// None where nothing is left.
    fn of(folded: String) -> Option<Self> {
        let mut chars = folded.chars();
        Some(match (chars.next()?, chars.next(), chars.next()) {
            (_, Some(_), Some(_)) => Self::Trigrams(folded),
            (first, None, _) if is_cjk(first) => Self::PairStart(first),
            (first, Some(second), None) if is_cjk(first) && is_cjk(second) => Self::Pair(folded),
            _ => Self::Compare(folded),
        })
    }
}

/// The form in which texts are put into the indexes and looked for there: small letters, compatibility forms made one, without accents
/// of Latin, Greek and Cyrillic letters, without what can't be seen, one space between words.
pub fn fold(text: &str) -> String {
    let lower: String = text.nfkc().collect::<String>().to_lowercase();
    let bare = lower.nfkd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}') && (c.is_whitespace() || !is_hidden(*c)));
    let composed: String = bare.nfc().collect();
    let words: Vec<_> = composed.split(char::is_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Tokens of a folded text for the index of pairs: each two characters of Chinese, Japanese or Korean that stand together, and
/// the last of each run by itself. So each character is the first of one.
pub fn pairs(folded: &str) -> Vec<String> {
    let chars: Vec<char> = folded.chars().collect();
    let starts = chars.iter().enumerate().filter(|(_, first)| is_cjk(**first));
    starts
        .map(|(at, first)| {
            chars.get(at + 1).filter(|next| is_cjk(**next)).map_or(first.to_string(), |next| format!("{first}{next}"))
        })
        .collect()
}

/// Writing in which one or two characters make a word: Han, kana, Hangul, Bopomofo.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{312f}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

/// A word, a phrase or a filter.
struct Part {
    filter: Option<&'static str>,
    value: String,
}

fn parts(text: &str) -> Result<Vec<Part>, QueryError> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let named = rest.split_once(':').and_then(|(name, after)| {
            let filter = FILTERS.into_iter().find(|filter| name.eq_ignore_ascii_case(filter))?;
            Some((filter, after))
        });
        let (filter, after) = named.map_or((None, rest), |(filter, after)| (Some(filter), after));
        let (value, after) = value(after)?;
        parts.push(Part { filter, value: value.to_owned() });
        rest = after.trim_start();
    }
    Ok(parts)
}

/// A phrase in quotation marks, or what goes up to the next space.
fn value(text: &str) -> Result<(&str, &str), QueryError> {
    if let Some(inside) = text.strip_prefix(['"', '“', '”', '„']) {
        return inside.split_once(['"', '“', '”']).ok_or(QueryError::OpenPhrase);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    Ok(text.split_at(end))
}

/// A day, a month or a year.
struct Days {
    start: Time,
    /// The beginning of what comes after it.
    end: Time,
}

impl Days {
    fn parse(text: &str, offset_minutes: i32) -> Option<Self> {
        let numbers: Vec<&str> = text.split('-').collect();
        let number = |text: &str, digits: usize| {
            let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<i64>().ok()).flatten()
        };
        let year = number(numbers.first()?, 4).filter(|year| *year >= 1970)?;
        let (start, end) = match numbers[1..] {
            [] => ((year, 1, 1), (year + 1, 1, 1)),
            [month] => {
                let month = number(month, 2).filter(|month| (1..=12).contains(month))?;
                ((year, month, 1), if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) })
            }
            [month, day] => {
                let month = number(month, 2).filter(|month| (1..=12).contains(month))?;
                let day = number(day, 2).filter(|day| (1..=days_of(year, month)).contains(day))?;
                ((year, month, day), (year, month, day + 1))
            }
            _ => return None,
        };
        let time = |(year, month, day)| {
            let minutes = days_since_epoch(year, month, day) * 24 * 60 - i64::from(offset_minutes);
            Time(u64::try_from(minutes).unwrap_or(0) * 60_000)
        };
        Some(Self { start: time(start), end: time(end) })
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_since_epoch(next_year, next, 1) - days_since_epoch(year, month, 1)
}

/// Of the Gregorian calendar, by counting years from March on, so that a leap day is the last of its year (Hinnant, 2013).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
