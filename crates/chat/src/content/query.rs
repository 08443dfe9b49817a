//! What people type to find a message: words, phrases and filters.
//!
//! ```text
//! budget "next year" from:ada in:"the office" after:2026-03 has:file
//! ```
//!
//! All of it has to hold. A term is found wherever it stands, also within words, so one or two characters, which make a word in Chinese,
//! Japanese and Korean, are looked for like any others.

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
    pub has: HasSet,
    /// What stands in the message, folded ([`fold`]).
    pub terms: Vec<String>,
}

/// What a message has beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Has {
    Link,
    File,
    Picture,
    Poll,
    List,
    Voice,
}

/// Some of what a message can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HasSet(u8);

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
    #[error("\"has:{0}\" is not known; there are has:link, has:file, has:picture, has:poll, has:list and has:voice")]
    HasWhat(String),
}

impl QueryError {
    /// What of the query is meant, where it is one filter.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Nothing(filter) => Some(format!("{filter}:")),
            Self::NoDate { filter, value } => Some(format!("{filter}:{value}")),
            Self::HasWhat(value) => Some(format!("has:{value}")),
            Self::TooLong | Self::TooMany | Self::OpenPhrase => None,
        }
    }
}

impl HasSet {
    pub fn insert(&mut self, has: Has) {
        self.0 |= 1 << has as u8;
    }

    /// Whether all of `others` is among it.
    pub fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Has> for HasSet {
    fn from_iter<I: IntoIterator<Item = Has>>(all: I) -> Self {
        all.into_iter().fold(Self::default(), |mut set, has| {
            set.insert(has);
            set
        })
    }
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
        Ok(query)
    }

    fn take(&mut self, part: Part, offset_minutes: i32) -> Result<(), QueryError> {
        let Part { filter, value } = part;
        let folded = fold(&value);
        let Some(filter) = filter else {
            self.terms.extend(Some(folded).filter(|term| !term.is_empty()));
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
                    "list" => Has::List,
                    "voice" => Has::Voice,
                    _ => return Err(QueryError::HasWhat(value)),
                });
            }
        }
        Ok(())
    }
}

/// The form in which texts are put into the index and looked for there: small letters, compatibility forms made one, without accents
/// of Latin, Greek and Cyrillic letters, without what can't be seen, one space between words.
pub fn fold(text: &str) -> String {
    let bare = bare(text);
    let words: Vec<_> = bare.split(char::is_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The same with all its spaces.
pub(crate) fn bare(text: &str) -> String {
    if text.is_ascii() {
        let kept = text.chars().filter(|c| c.is_whitespace() || !is_hidden(*c));
        return kept.map(|c| c.to_ascii_lowercase()).collect();
    }
    let lower: String = text.nfkc().collect::<String>().to_lowercase();
    let bare = lower.nfkd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}') && (c.is_whitespace() || !is_hidden(*c)));
    // A sigma at the end of a word has a form of its own, which a part of that word would not have.
    bare.nfc().map(|c| if c == 'ς' { 'σ' } else { c }).collect()
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
