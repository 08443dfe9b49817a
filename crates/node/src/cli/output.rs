//! Printing: tables for people, JSON for programs.

use std::fmt::Write as _;
use std::io::{self, Write};

use byway_primitives::{Amount, Time};
use serde::Serialize;

pub use crate::api::words::duration;

/// Prints one JSON value and a line break.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Columns as wide as what is in them.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Per column: whether its cells stand at the right, as numbers do.
    numeric: Vec<bool>,
}

impl Table {
    /// A heading that begins with `>` makes a column of numbers.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect()],
            numeric: headings.iter().map(|heading| heading.starts_with('>')).collect(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, or `nothing` where it has no rows.
    pub fn text(&self, nothing: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{nothing}\n");
        }
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.numeric.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), numeric) in row.iter().zip(&widths).zip(&self.numeric) {
                // Writing into a String can't fail.
                let _ = if *numeric { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Lines of `name  value`, names aligned.
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |text, (name, value)| text + &format!("{name:<width$}  {value}\n"))
}

/// `1.5 MB`, in powers of ten as prices count them.
pub fn bytes(count: u64) -> String {
    scaled(count, &[("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)])
}

/// `12.3 Mbit/s`.
pub fn rate(bps: u64) -> String {
    scaled(bps, &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)])
}

fn scaled(count: u64, units: &[(&str, u64)]) -> String {
    let (unit, size) = units.iter().rev().find(|(_, size)| count >= *size).copied().unwrap_or((units[0].0, 1));
    if size == 1 { format!("{count} {unit}") } else { format!("{}.{} {unit}", count / size, count % size * 10 / size) }
}

pub fn way(amount: Amount) -> String {
    format!("{amount} WAY")
}

/// How long before `now`: `12 s ago`.
pub fn ago(time: Time, now: Time) -> String {
    format!("{} ago", duration(now.since(time).0 / 1000))
}

/// How long after `now`: `in 9 min 59 s`.
pub fn wait(time: Time, now: Time) -> String {
    match time.since(now).0.div_ceil(1000) {
        0 => "any moment".to_owned(),
        seconds => format!("in {}", duration(seconds)),
    }
}

/// Now, by this machine's clock; only for showing.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The first digits of an id, enough to tell two apart on a screen.
pub fn short(id: &impl ToString) -> String {
    let text = id.to_string();
    match text.get(..10) {
        Some(start) if text.len() > 12 => format!("{start}…"),
        _ => text,
    }
}

/// A word as in JSON: `settle_out`.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (shown, expected) in [
            (bytes(0), "0 B"),
            (bytes(999), "999 B"),
            (bytes(1_550_000), "1.5 MB"),
            (bytes(u64::MAX), "18446744.0 TB"),
            (rate(12_345_678), "12.3 Mbit/s"),
            (duration(5), "5 s"),
            (duration(200), "3 min 20 s"),
            (duration(3720), "1 h 02 min"),
            (duration(90_000), "1 d 1 h"),
            (ago(Time(1_000), Time(13_500)), "12 s ago"),
            (ago(Time(5_000), Time(1_000)), "0 s ago"),
            (wait(Time(61_500), Time(1_000)), "in 1 min 01 s"),
            (wait(Time(1_000), Time(5_000)), "any moment"),
            (short(&"0123456789abcdef"), "0123456789…"),
            (short(&"k1"), "k1"),
        ] {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_table_is_aligned() {
        let mut table = Table::new(&["name", ">cost"]);
        assert_eq!(table.text("nothing yet"), "nothing yet\n");
        table.row(["a".into(), "10".into()]);
        table.row(["long".into(), "5".into()]);
        assert_eq!(table.text(""), "name  cost\na       10\nlong     5\n");
    }
}
