//! Days and months of the calendar, in UTC, and spans of time as people write them.

use std::fmt;
use std::time::Duration;

use byway_primitives::{Span, Time};
use serde::{Deserialize, Serialize};

/// A day, by its number since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(pub u32);

/// A month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    pub year: u32,
    /// 1 to 12.
    pub number: u32,
}

impl Day {
    pub fn of(time: Time) -> Self {
        Self(u32::try_from(time.0 / Span::days(1).0).unwrap_or(u32::MAX))
    }

    pub fn begins(self) -> Time {
        Time(u64::from(self.0) * Span::days(1).0)
    }

    /// Year, month and day of the month (Howard Hinnant, "chrono-compatible low-level date algorithms": the year begins in March
    /// there, so that the day that comes every fourth year is its last).
    fn date(self) -> (u32, u32, u32) {
        const DAYS_BEFORE_1970: u64 = 719_468;
        const DAYS_PER_ERA: u64 = 146_097;
        let days = u64::from(self.0) + DAYS_BEFORE_1970;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year as u32, month as u32, day as u32)
    }

    pub fn month(self) -> Month {
        let (year, number, _) = self.date();
        Month { year, number }
    }

    /// The first day of its month.
    pub fn first_of_month(self) -> Self {
        let (_, _, day) = self.date();
        Self(self.0 + 1 - day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        f.pad(&format!("{year:04}-{month:02}-{day:02}"))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}", self.year, self.number))
    }
}

/// A time as people write it: minutes, hours or days.
///
/// # Errors
/// A text with the remedy.
pub fn span_of(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 30m, 12h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // A century is for good.
    number
        .checked_mul(seconds)
        .filter(|total| (1..=36_525 * 86_400).contains(total))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (number, date, first) in [
            (0, "1970-01-01", "1970-01-01"),
            (58, "1970-02-28", "1970-02-01"),
            (59, "1970-03-01", "1970-03-01"),
            (11_016, "2000-02-29", "2000-02-01"),
            (20_784, "2026-11-27", "2026-11-01"),
            (47_540, "2100-02-28", "2100-02-01"),
            (47_541, "2100-03-01", "2100-03-01"),
        ] {
            let day = Day(number);
            assert_eq!(
                (day.to_string().as_str(), day.first_of_month().to_string().as_str()),
                (date, first),
                "{number}"
            );
            assert_eq!(day.month().to_string(), date[..7]);
            assert_eq!((Day::of(day.begins()), Day::of(Time(day.begins().0 + 86_399_999))), (day, day));
        }
    }

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("30m", 1_800), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(span_of(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "d", "0d", "-1d", "5w", "99999999999999999999d", "40000d", "3é"] {
            assert!(span_of(text).is_err(), "{text}");
        }
    }
}
